/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: what mm/interval_tree.c, mm/rmap.c and mm/vma.c take from linux/mm.h and its neighbours. */
#ifndef _LINUX_MM_H
#define _LINUX_MM_H

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

/* The bits of the C interface. */
#define VM_READ ((unsigned long)RMAP_VMA_READ)
#define VM_WRITE ((unsigned long)RMAP_VMA_WRITE)
#define VM_EXEC ((unsigned long)RMAP_VMA_EXEC)
#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)
#define VM_SOFTDIRTY ((unsigned long)RMAP_VMA_SOFTDIRTY)
#define VM_GROWSDOWN ((unsigned long)RMAP_VMA_GROWSDOWN)
#define VM_DONTCOPY ((unsigned long)RMAP_VMA_DONTCOPY)
#define VM_WIPEONFORK ((unsigned long)RMAP_VMA_WIPEONFORK)
#define VM_ACCOUNT ((unsigned long)RMAP_VMA_ACCOUNT)

#define VMA_ACCESS_FLAGS ((vma_flags_t) { VM_ACCESS_FLAGS })
#define VMA_IGNORE_MERGE_FLAGS ((vma_flags_t) { VM_SOFTDIRTY })

static inline vma_flags_t vma_flags_diff_pair(const vma_flags_t *a, const vma_flags_t *b)
{
	return (vma_flags_t) { a->bits ^ b->bits };
}

static inline void vma_flags_clear_mask(vma_flags_t *flags, vma_flags_t mask)
{
	flags->bits &= ~mask.bits;
}

static inline bool vma_flags_empty(const vma_flags_t *flags)
{
	return !flags->bits;
}

/* No policies: every VMA has the default one. */
#define vma_policy(vma) ((vma)->vm_policy)

static inline bool mpol_equal(struct mempolicy *a, struct mempolicy *b)
{
	return a == b;
}

static inline bool vma_is_attached(struct vm_area_struct *vma)
{
	return vma->attached;
}

static inline void mmap_assert_locked(const struct mm_struct *mm)
{
	if (mm->mmap_lock == MMAP_UNLOCKED)
		broken_rule(RMAP_RULE_MMAP_LOCK_NOT_HELD, mm->id);
}

static inline void mmap_assert_write_locked(const struct mm_struct *mm)
{
	if (mm->mmap_lock != MMAP_WRITE_LOCKED)
		broken_rule(RMAP_RULE_MMAP_LOCK_NOT_HELD, mm->id);
}

#include "stubs/file_tree.h"

/*
 * The VMA iterator. find_mergeable_anon_vma() starts it at the end of its VMA, loads what is
 * there, then steps back twice; both neighbours come with the call.
 */
struct vma_iterator {
	uint32_t steps_back;
};

#define VMA_ITERATOR(name, mm, addr) struct vma_iterator name = { 0 * (addr) }
#define MA_STATE(name, tree, first, last) struct vma_iterator name = { 0 * (first) }

static inline struct vm_area_struct *vma_iter_load(struct vma_iterator *vmi)
{
	return current_world->iterator_next;
}

static inline struct vm_area_struct *vma_prev(struct vma_iterator *vmi)
{
	return vmi->steps_back++ ? current_world->iterator_prev : current_world->iterator_vma;
}

static inline struct vm_area_struct *mas_walk(struct vma_iterator *mas)
{
	return vma_iter_load(mas);
}

static inline struct vm_area_struct *mas_prev(struct vma_iterator *mas, unsigned long min)
{
	return vma_prev(mas);
}

/* Every VMA is private. */
static inline bool vma_is_cow_mapping(const struct vm_area_struct *vma)
{
	return true;
}

static inline bool vma_is_anonymous(const struct vm_area_struct *vma)
{
	return !vma->vm_file;
}

/* No huge pages of hugetlbfs. */
static inline bool is_vm_hugetlb_page(const struct vm_area_struct *vma)
{
	return false;
}

#endif
