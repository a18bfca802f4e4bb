/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operation `uffdwp`: userfaultfd write-protects pages.
 */
#ifndef PAGES_WRITE_PROTECT_H
#define PAGES_WRITE_PROTECT_H

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include "pages/userfaults.h"

/* Whether all that is there is private anonymous memory: userfaultfd may be registered for it. */
static bool may_have_userfaultfd(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma;
	bool found = false;

	for_each_vma_range(vmi, vma, end) {
		if (!vma_is_anonymous(vma) || (vma->vm_flags & VM_SPECIAL))
			return false;
		found = true;
	}
	return found;
}

/* UFFDIO_REGISTER, and UFFDIO_WRITEPROTECT of all that is there. */
static int32_t uffd_protect(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct userfaultfd_ctx *context = &current_world->pages->userfaults[mm->id];
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma;
	int32_t result;

	context->mm = mm;
	mmap_write_lock(mm);
	result = may_have_userfaultfd(mm, start, end) ? 0 : -EINVAL;
	if (!result) {
		vma = vma_find(&vmi, end);
		result = userfaultfd_register_range(context, vma, VM_UFFD_WP, start, end, false);
	}
	mmap_write_unlock(mm);
	if (result)
		return result;
	mmap_read_lock(mm);
	vma_iter_init(&vmi, mm, start);
	for_each_vma_range(vmi, vma, end) {
		unsigned long first = max(vma->vm_start, start), last = min(vma->vm_end, end);

		result = min(uffd_wp_range(vma, first, last - first, true), 0l);
		if (result)
			break;
	}
	mmap_read_unlock(mm);
	return result;
}

/* UFFDIO_UNREGISTER */
static int32_t uffd_unprotect(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma, *prev;
	int32_t result = 0;

	mmap_write_lock(mm);
	if (!may_have_userfaultfd(mm, start, end)) {
		mmap_write_unlock(mm);
		return -EINVAL;
	}
	prev = vma_prev(&vmi);
	for_each_vma_range(vmi, vma, end) {
		unsigned long first = max(vma->vm_start, start), last = min(vma->vm_end, end);

		if (vma->vm_start < start)
			prev = vma;
		if (vma->vm_userfaultfd_ctx.ctx) {
			vma = userfaultfd_clear_vma(&vmi, prev, vma, first, last);
			if (IS_ERR(vma)) {
				result = PTR_ERR(vma);
				break;
			}
		}
		prev = vma;
	}
	mmap_write_unlock(mm);
	return result;
}

static int32_t drive_uffdwp(struct mm_struct *mm, const struct rmap_operation_uffdwp *op)
{
	unsigned long start = op->start << PAGE_SHIFT, end = op->end << PAGE_SHIFT;

	return op->off ? uffd_unprotect(mm, start, end) : uffd_protect(mm, start, end);
}

#endif /* PAGES_WRITE_PROTECT_H */
