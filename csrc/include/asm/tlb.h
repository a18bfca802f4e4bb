/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: what gathers the pages to free knows its mm, and no page. */
#ifndef _ASM_TLB_H
#define _ASM_TLB_H

struct mm_struct;

/* --- Custom --- */

struct mmu_gather {
	struct mm_struct *mm;
};

static inline void tlb_gather_mmu(struct mmu_gather *tlb, struct mm_struct *mm)
{
	tlb->mm = mm;
}

static inline void tlb_gather_mmu_fullmm(struct mmu_gather *tlb, struct mm_struct *mm)
{
	tlb_gather_mmu(tlb, mm);
}

/* --- No-op --- */

static inline void tlb_finish_mmu(struct mmu_gather *tlb)
{
}

static inline void tlb_free_vmas(struct mmu_gather *tlb)
{
}

#endif /* _ASM_TLB_H */
