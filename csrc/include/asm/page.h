/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the size of a page. */
#ifndef _ASM_PAGE_H
#define _ASM_PAGE_H

/* --- Duplicate --- */

#define PAGE_SHIFT 12
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

#endif
