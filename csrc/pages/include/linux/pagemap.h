/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: what the cut part of the header needs before it. */
#ifndef _LINUX_PAGEMAP_H
#define _LINUX_PAGEMAP_H

#include <linux/bug.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/page-flags.h>

#endif /* _LINUX_PAGEMAP_H */
