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

#endif /* PAGES_DRIVE_H */
