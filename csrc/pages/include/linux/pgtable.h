/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: with page tables, the architecture's part too. The rest is cut. */
#ifndef PAGES_LINUX_PGTABLE_H
#define PAGES_LINUX_PGTABLE_H

#include <asm/pgtable.h>
#include_next <linux/pgtable.h>

#endif /* PAGES_LINUX_PGTABLE_H */
