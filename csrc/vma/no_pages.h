/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fault, and the life of page tables, where the page tables are somebody else's: of a fault only
 * what it does to the VMA.
 */
#ifndef VMA_NO_PAGES_H
#define VMA_NO_PAGES_H

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include "vma/operations.h"

static void page_tables_clear(struct rmap_world *w)
{
}

static void page_tables_destroy(struct rmap_world *w)
{
}

static bool page_tables_born(struct mm_struct *mm)
{
	return true;
}

static void page_tables_gone(struct mm_struct *mm)
{
}

static void page_tables_checked(void)
{
}

static void page_tables_end(void)
{
}

static void page_tables_task_ends(void)
{
}

static uint32_t page_tables_injected(const struct rmap_world *w)
{
	return 0;
}

/*
 * do_anonymous_page() and wp_page_copy() as far as the VMA goes: the pages are somebody else's.
 * Returns the VMA's serial.
 */
static int32_t drive_fault(struct mm_struct *mm, const struct rmap_operation_fault *op)
{
	unsigned long addr = op->page << PAGE_SHIFT;
	MA_STATE(mas, &mm->mm_mt, addr, addr);
	struct vm_area_struct *vma;
	int32_t result;

	mmap_read_lock(mm);
	vma = mas_walk(&mas);
	if (!vma || (!op->read && !(vma->vm_flags & VM_WRITE)))
		result = -EFAULT;
	else if (op->prepare && anon_vma_prepare(vma))
		result = -ENOMEM;
	else
		result = serial_of(vma);
	mmap_read_unlock(mm);
	return result;
}

/* No page table leads to a page. */
static int32_t drive_walk(struct mm_struct *mm, const struct rmap_operation_walk *op)
{
	return -EINVAL;
}

/* Nor is there any that an operation could be about. */
static int32_t drive_pages(struct mm_struct *mm, const struct rmap_operation *op)
{
	return -ENOSYS;
}

#endif /* VMA_NO_PAGES_H */
