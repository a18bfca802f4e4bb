/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no TLB is flushed. */
#ifndef _ASM_TLBFLUSH_H
#define _ASM_TLBFLUSH_H

struct mm_struct;

/* --- No-op --- */

static inline void flush_tlb_mm(struct mm_struct *mm)
{
}

#endif /* _ASM_TLBFLUSH_H */
