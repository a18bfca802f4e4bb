/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fault through the kernel's own entry point, and the operations on pages.
 */
#ifndef PAGES_DRIVE_H
#define PAGES_DRIVE_H

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include "pages/swap_device.h"
#include "vma/operations.h"

static void page_tables_clear(struct rmap_world *w)
{
	if (!w->pages)
		page_layer_create(w);
	current_world = w;
	page_layer_clear(w);
}

static void page_tables_destroy(struct rmap_world *w)
{
	page_layer_destroy(w);
}

/* No process is left. */
static void page_tables_end(void)
{
	page_cache_drop();
}

static uint32_t page_tables_injected(const struct rmap_world *w)
{
	return w->pages->injected;
}

/*
 * As the architecture's handler of page faults: what the VMA forbids is not asked for. Returns the
 * VMA's serial. What only prepares the VMA, for a page that is moved there, faults no page in.
 */
static int32_t drive_fault(struct mm_struct *mm, const struct rmap_operation_fault *op)
{
	unsigned long addr = op->page << PAGE_SHIFT;
	MA_STATE(mas, &mm->mm_mt, addr, addr);
	struct vm_area_struct *vma;
	vm_fault_t fault;
	int32_t result;

	mmap_read_lock(mm);
	vma = mas_walk(&mas);
	if (!vma || (!op->read && !(vma->vm_flags & VM_WRITE))) {
		result = -EFAULT;
		goto unlock;
	}
	result = serial_of(vma);
	if (op->read && op->prepare) {
		if (anon_vma_prepare(vma))
			result = -ENOMEM;
		goto unlock;
	}
	fault = handle_mm_fault(vma, addr, FAULT_FLAG_USER | (op->read ? 0 : FAULT_FLAG_WRITE),
				NULL);
	if (fault & VM_FAULT_OOM)
		result = -ENOMEM;
	else if (fault & VM_FAULT_ERROR)
		result = -EFAULT;
unlock:
	mmap_read_unlock(mm);
	return result;
}

/* The anonymous folio at a page, by the tables as memory; NULL if none is there. */
static struct folio *anon_folio_at(const struct mm_struct *mm, uint64_t page)
{
	const unsigned long *table = (const unsigned long *)mm->pgd;
	unsigned long entry;
	struct folio *folio;

	for (int level = 3;; level--) {
		entry = table[page >> (9 * level) & (PTRS_PER_PTE - 1)];
		if (!(entry & ENTRY_PRESENT))
			return NULL;
		if (!level)
			break;
		table = page_address(pfn_to_page(entry >> PAGE_SHIFT));
	}
	folio = page_folio(pfn_to_page(entry >> PAGE_SHIFT));
	return folio_test_anon(folio) ? folio : NULL;
}

/*
 * As reclaim asks who used a page; or as migration takes a page out of every page table, and puts
 * it back where it could not copy it.
 */
static int32_t drive_walk(struct mm_struct *mm, const struct rmap_operation_walk *op)
{
	struct folio *folio = anon_folio_at(mm, op->page);
	unsigned long flags[4] = { 0 };	/* of a VMA: a word before 7.3, a structure since */

	if (!folio)
		return -EFAULT;
	folio_get(folio);
	if (op->mode == RMAP_WALK_LOCKED) {
		folio_lock(folio);
		try_to_migrate(folio, 0);
		remove_migration_ptes(folio, folio, 0);
		folio_unlock(folio);
	} else {
		folio_referenced(folio, 0, NULL, (void *)flags);
	}
	folio_put(folio);
	return 0;
}

#endif /* PAGES_DRIVE_H */
