/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing, for functions of mm/memory.c, mm/mremap.c, mm/mprotect.c, mm/mlock.c,
 * mm/pagewalk.c and mm/gup.c: the page tables are the page model's, which hears of each effect on
 * them.
 */
#ifndef VMA_PAGE_TABLES_H
#define VMA_PAGE_TABLES_H

#include <asm/tlb.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include "vma/watch.h"

/* --- Custom --- */

static inline void zap_vma(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	start = max(vma->vm_start, start);
	end = min(vma->vm_end, end);
	if (start < end)
		layer_pages_zap(vma->vm_mm, start, end);
}

/* Macros: named differently before and after 7.0, with one parameter more or two. */
#define unmap_single_vma(tlb, vma, start, end, ...) zap_vma(vma, start, end)
#define __zap_vma_range(tlb, vma, start, end, ...) zap_vma(vma, start, end)

static inline unsigned long moved_page_tables(struct vm_area_struct *vma, unsigned long from,
					      unsigned long to, unsigned long len)
{
	layer_pages_move(vma->vm_mm, from, from + len, to);
	return len;
}

/* The new VMA is where the new address is. */
#ifdef RMAP_PAGETABLE_MOVE
static inline unsigned long move_page_tables(struct pagetable_move_control *pmc)
{
	return moved_page_tables(pmc->old, pmc->old_addr, pmc->new_addr, pmc->len_in);
}
#else
/* A macro: the last parameters are one in 6.1, two in 6.12. */
#define move_page_tables(vma, old_addr, new_vma, new_addr, len, ...) \
	moved_page_tables(vma, old_addr, new_addr, len)
#endif

/* What a walk is given. None is made: see walk_page_range(). */
struct mm_walk;
enum page_walk_lock { PGWALK_WRLOCK_VERIFY };

struct mm_walk_ops {
	int (*pmd_entry)(pmd_t *pmd, unsigned long addr, unsigned long next, struct mm_walk *walk);
	enum page_walk_lock walk_lock;
};

static inline int copy_page_range(struct vm_area_struct *dst_vma, struct vm_area_struct *src_vma)
{
	if (vma_needs_copy(dst_vma, src_vma))
		layer_pages_copy(dst_vma->vm_mm, src_vma->vm_mm, src_vma->vm_start,
				 src_vma->vm_end);
	return 0;
}

/* --- No-op --- */

static inline long no_pages_changed(struct mmu_gather *tlb)
{
	return 0;
}

/* A macro: 6.1 gives the protection too. */
#define change_protection(tlb, ...) no_pages_changed(tlb)

static inline void free_pgd_range(struct mmu_gather *tlb, unsigned long addr, unsigned long end,
				  unsigned long floor, unsigned long ceiling)
{
}

/* A macro: the VMA and the range, or one structure. */
#define madvise_dontneed_free(...) (-EINVAL)

/* Macros: they are given prot_none_walk_ops, which is not cut. */
#define walk_page_range(mm, start, end, ops, private) 0
#define walk_page_range_vma(vma, start, end, ops, private) 0

static inline int mlock_pte_range(pmd_t *pmd, unsigned long addr, unsigned long end,
				  struct mm_walk *walk)
{
	return 0;
}

static inline long populate_vma_page_range(struct vm_area_struct *vma, unsigned long start,
					   unsigned long end, int *locked)
{
	return 0;
}

#endif /* VMA_PAGE_TABLES_H */
