/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the architecture keeps nothing of its own in an mm. */
#ifndef _ASM_MMU_CONTEXT_H
#define _ASM_MMU_CONTEXT_H

#include <linux/types.h>

struct mm_struct;
struct vm_area_struct;

/* --- No-op --- */

static inline int arch_dup_mmap(struct mm_struct *oldmm, struct mm_struct *mm)
{
	return 0;
}

static inline void arch_exit_mmap(struct mm_struct *mm)
{
}

static inline void arch_unmap(struct mm_struct *mm, unsigned long start, unsigned long end)
{
}

static inline bool arch_vma_access_permitted(struct vm_area_struct *vma, bool write,
					     bool execute, bool foreign)
{
	return true;
}

#endif /* _ASM_MMU_CONTEXT_H */
