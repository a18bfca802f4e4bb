/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the size of a page, and what memory is by default: not executable, as on x86-64. */
#ifndef _ASM_PAGE_H
#define _ASM_PAGE_H

/* --- Duplicate --- */

#define PAGE_SHIFT 12
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

/* --- Custom --- */

#ifdef RMAP_VMA_LAYER
#define VM_DATA_DEFAULT_FLAGS VM_DATA_FLAGS_NON_EXEC
#define VMA_DATA_DEFAULT_FLAGS VMA_DATA_FLAGS_NON_EXEC
#endif

#endif
