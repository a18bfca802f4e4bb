/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in: the batch of pages to free after a flush. What fills and frees it is cut from
 * mm/mmu_gather.c; a batch holds few pages, so that a trace of a few pages fills one.
 */
#ifndef _ASM_TLB_H
#define _ASM_TLB_H

#include <asm/pgtable_types.h>
#include <linux/types.h>

struct encoded_page;
struct mm_struct;
struct page;
struct ptdesc;
struct vm_area_struct;

static void tlb_flushed(struct mm_struct *mm);
static void tlb_flushed_pages(struct mm_struct *mm, unsigned long start, unsigned long end);

#define TLB_PAGES_MAX 8

/* --- Custom --- */

#define MMU_GATHER_BUNDLE TLB_PAGES_MAX
#define MAX_GATHER_BATCH TLB_PAGES_MAX
#define MAX_GATHER_BATCH_COUNT 4

struct mmu_gather_batch {
	struct mmu_gather_batch *next;
	unsigned int nr;
	unsigned int max;
	struct encoded_page *encoded_pages[TLB_PAGES_MAX];
};

struct mmu_gather {
	struct mm_struct *mm;
	unsigned long start, end;
	bool fullmm, need_flush_all, freed_tables, delayed_rmap;
	bool cleared_ptes, cleared_pmds, cleared_puds, cleared_p4ds;
	bool vma_exec, vma_huge, vma_pfn, unshared_tables, fully_unshared_tables;
	unsigned int batch_count;
	struct mmu_gather_batch *active;
	struct mmu_gather_batch local;
	struct encoded_page *__pages[TLB_PAGES_MAX];
	unsigned int page_size;
};

static inline void __tlb_reset_range(struct mmu_gather *tlb)
{
	tlb->start = tlb->fullmm ? ~0ul : TASK_SIZE;
	tlb->end = tlb->fullmm ? ~0ul : 0;
	tlb->freed_tables = false;
	tlb->cleared_ptes = tlb->cleared_pmds = tlb->cleared_puds = tlb->cleared_p4ds = false;
	tlb->unshared_tables = false;
}

static inline void tlb_range(struct mmu_gather *tlb, unsigned long address, unsigned long size)
{
	if (address < tlb->start)
		tlb->start = address;
	if (address + size > tlb->end)
		tlb->end = address + size;
}

static inline void tlb_flush_pte_range(struct mmu_gather *tlb, unsigned long address,
				       unsigned long size)
{
	tlb_range(tlb, address, size);
	tlb->cleared_ptes = true;
}

static inline void tlb_flush_pmd_range(struct mmu_gather *tlb, unsigned long address,
				       unsigned long size)
{
	tlb_range(tlb, address, size);
	tlb->cleared_pmds = true;
}

static inline void tlb_flush_mmu_tlbonly(struct mmu_gather *tlb)
{
	if (!(tlb->freed_tables || tlb->cleared_ptes || tlb->cleared_pmds || tlb->cleared_puds))
		return;
	if (tlb->fullmm)
		tlb_flushed(tlb->mm);
	else
		tlb_flushed_pages(tlb->mm, tlb->start, tlb->end);
	__tlb_reset_range(tlb);
}

static inline void tlb_remove_tlb_entries(struct mmu_gather *tlb, pte_t *pte, unsigned int nr,
					  unsigned long address)
{
	tlb_flush_pte_range(tlb, address, nr * PAGE_SIZE);
}

#define tlb_remove_page_size(tlb, page, size) tlb_remove_large_page(tlb, page, size)
#define tlb_remove_pmd_tlb_entry(tlb, pmdp, address) tlb_flush_pmd_range(tlb, address, PMD_SIZE)
#define tlb_remove_tlb_entry(tlb, pte, address) tlb_remove_tlb_entries(tlb, pte, 1, address)

static inline void tlb_change_page_size(struct mmu_gather *tlb, unsigned int page_size)
{
	tlb->page_size = page_size;
}

/* A table goes with the pages, after the flush: see tlb_remove_table_page(). */
#define pte_free_tlb(tlb, token, address) tlb_remove_table_page(tlb, token, address)
#define pmd_free_tlb(tlb, pmdp, address) tlb_remove_table_page(tlb, virt_to_page(pmdp), address)
#define pud_free_tlb(tlb, pudp, address) tlb_remove_table_page(tlb, virt_to_page(pudp), address)
#define p4d_free_tlb(tlb, p4dp, address) do {} while (0)

/* The removal from the reverse map is not put off. */
static inline bool tlb_delay_rmap(struct mmu_gather *tlb)
{
	return false;
}

/* --- No-op --- */

static inline void tlb_start_vma(struct mmu_gather *tlb, struct vm_area_struct *vma)
{
}

static inline void tlb_end_vma(struct mmu_gather *tlb, struct vm_area_struct *vma)
{
}

static inline void tlb_update_vma_flags(struct mmu_gather *tlb, struct vm_area_struct *vma)
{
}

static inline void tlb_free_vmas(struct mmu_gather *tlb)
{
}

#endif /* _ASM_TLB_H */
