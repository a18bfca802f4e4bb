/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: a flush is told; so is one that is put off until arch_tlbbatch_flush(). */
#ifndef _ASM_TLBFLUSH_H
#define _ASM_TLBFLUSH_H

#include <linux/mm_types.h>

static void tlb_flushed(struct mm_struct *mm);
static void tlb_flushed_pages(struct mm_struct *mm, unsigned long start, unsigned long end);
static void tlb_flush_put_off(struct mm_struct *mm);

/* --- Custom --- */

static inline void flush_tlb_mm(struct mm_struct *mm)
{
	tlb_flushed(mm);
}

static inline void flush_tlb_range(struct vm_area_struct *vma, unsigned long start,
				   unsigned long end)
{
	tlb_flushed_pages(vma->vm_mm, start, end);
}

static inline void flush_tlb_page(struct vm_area_struct *vma, unsigned long address)
{
	tlb_flushed_pages(vma->vm_mm, address, address + PAGE_SIZE);
}

static inline bool arch_tlbbatch_should_defer(struct mm_struct *mm)
{
	return true;
}

static inline void arch_tlbbatch_flush(struct arch_tlbflush_unmap_batch *batch)
{
	tlb_flushed(NULL);
}

/* A flush that was put off is made up for. */
static inline void arch_flush_tlb_batched_pending(struct mm_struct *mm)
{
	tlb_flushed(mm);
}

/* A macro: until 6.12 it is told one address, then a range. */
#define arch_tlbbatch_add_pending(batch, mm, ...) tlb_flush_put_off(mm)

#endif /* _ASM_TLBFLUSH_H */
