/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: page frame numbers. */
#ifndef _LINUX_PFN_H
#define _LINUX_PFN_H

#include <asm/page.h>

/* --- Duplicate --- */

#define PHYS_PFN(x) ((unsigned long)((x) >> PAGE_SHIFT))

#endif
