/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in for what userfaultfd does beside page tables: each process has one userfaultfd of its
 * own, without optional features. It is not told of forks and moves, so that their copies of a VMA
 * are not registered. Nobody answers it: who has to wait for it is refused.
 */
#ifndef PAGES_USERFAULTS_H
#define PAGES_USERFAULTS_H

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include "pages/layer.h"

/* --- Custom --- */

static void userfaultfd_reset_ctx(struct vm_area_struct *vma);

/* Who waits drops the lock of the VMA. The mmap lock is dropped by the caller here. */
static inline vm_fault_t handle_userfault(struct vm_fault *vmf, unsigned long reason)
{
	if (vmf->flags & FAULT_FLAG_VMA_LOCK)
		vma_end_read(vmf->vma);
	return VM_FAULT_RETRY;
}

static inline int dup_userfaultfd(struct vm_area_struct *vma, struct list_head *contexts)
{
	if (vma->vm_userfaultfd_ctx.ctx)
		userfaultfd_reset_ctx(vma);
	return 0;
}

static inline void mremap_userfaultfd_prep(struct vm_area_struct *vma,
					   struct vm_userfaultfd_ctx *context)
{
	if (vma->vm_userfaultfd_ctx.ctx)
		userfaultfd_reset_ctx(vma);
}

/* --- Duplicate --- */

#define UFFD_FEATURE_EVENT_REMAP (1u << 2)

/* --- No-op --- */

#define dup_userfaultfd_complete(contexts) do {} while (0)
#define dup_userfaultfd_fail(contexts) do {} while (0)
#define mremap_userfaultfd_complete(context, from, to, length) do {} while (0)
#define mremap_userfaultfd_fail(context) do {} while (0)
#define userfaultfd_remove(vma, start, end) true
#define userfaultfd_unmap_prep(vma, start, end, contexts) 0
#define userfaultfd_unmap_complete(mm, contexts) do {} while (0)
#define userfaultfd_wp_unpopulated(vma) false
#define userfaultfd_wp_async(vma) false
#define userfaultfd_rwp_async(vma) false

#endif /* PAGES_USERFAULTS_H */
