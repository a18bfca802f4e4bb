/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in: limits and protections, of which nothing is refused; without the VMA layer also the
 * flags of a VMA and what mm/vma.c asks of it. With the layer all that is cut.
 */
#ifndef _LINUX_MM_H
#define _LINUX_MM_H

#include <errno.h>

#include <asm/processor.h>
#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/hugetlb_inline.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mmap_lock.h>
#include <linux/mmdebug.h>
#include <linux/page-flags.h>
#include <linux/pfn.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include "stubs/file_tree.h"

/* --- Duplicate --- */

#define PAGE_ALIGN(x) ALIGN(x, PAGE_SIZE)
#define PAGE_ALIGNED(x) IS_ALIGNED((unsigned long)(x), PAGE_SIZE)
#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)

/* --- Custom --- */

#ifndef RMAP_PAGES
static inline bool folio_mapped(const struct folio *folio)
{
	return folio->mapped;
}

static inline bool page_mapped(const struct page *page)
{
	return page_folio(page)->mapped;
}

static inline long folio_nr_pages(const struct folio *folio)
{
	return 1;
}

static inline unsigned long compound_nr(const struct page *page)
{
	return 1;
}

static inline int thp_nr_pages(const struct page *page)
{
	return 1;
}
#endif

#ifdef RMAP_VMA_LAYER

#ifndef RMAP_PAGES
struct vm_operations_struct {
	void (*open)(struct vm_area_struct *vma);
	void (*close)(struct vm_area_struct *vma);
	int (*may_split)(struct vm_area_struct *vma, unsigned long addr);
	int (*mremap)(struct vm_area_struct *vma);
	int (*mprotect)(struct vm_area_struct *vma, unsigned long start, unsigned long end,
			unsigned long flags);
	const char *(*name)(struct vm_area_struct *vma);
};

/* A private mapping of a plain file: no operation of a driver's own. */
static const struct vm_operations_struct vma_dummy_vm_ops;
#endif

static int sysctl_max_map_count = 65530;

/* Every place is fixed: it only has to be one. */
static inline unsigned long get_unmapped_area(struct file *file, unsigned long addr,
					      unsigned long len, unsigned long pgoff,
					      unsigned long flags)
{
	return len > TASK_SIZE || addr > TASK_SIZE - len ? (unsigned long)-ENOMEM : addr;
}

/* A macro: the last parameter is a vm_flags_t before 7.3 and a vma_flags_t since. */
#define __get_unmapped_area(file, addr, len, pgoff, flags, vma_flags) \
	get_unmapped_area(file, addr, len, pgoff, flags)

#ifndef RMAP_PAGES
static inline pgprot_t vm_get_page_prot(vm_flags_t vm_flags)
{
	return (pgprot_t) { 0 };
}
#endif

/* Flags of an mm: a word until 6.17 or so. */

static inline void mm_flags_set(int flag, struct mm_struct *mm)
{
	mm->flags |= 1ul << flag;
}

static inline bool mm_flags_test(int flag, const struct mm_struct *mm)
{
	return mm->flags >> flag & 1;
}

/* --- No-op --- */

/* A macro: the flags are a vm_flags_t in 6.x and a pointer to a vma_flags_t in 7.x. */
#define may_expand_vm(mm, flags, npages) true

/*
 * Macros: an action is given before or after its VMA, with or without more, from release to
 * release.
 */
#define mmap_action_prepare(...) 0
#define mmap_action_complete(...) 0

#ifndef RMAP_PAGES
static inline void vma_set_page_prot(struct vm_area_struct *vma)
{
}

static inline void update_hiwater_rss(struct mm_struct *mm)
{
}
#endif

static inline void update_hiwater_vm(struct mm_struct *mm)
{
}

static inline void mm_populate(unsigned long addr, unsigned long len)
{
}

static inline int __mm_populate(unsigned long addr, unsigned long len, int ignore_errors)
{
	return 0;
}

#else

/* --- Custom --- */

/* The bits of the C interface. */
#define VM_READ ((unsigned long)RMAP_VMA_READ)
#define VM_WRITE ((unsigned long)RMAP_VMA_WRITE)
#define VM_EXEC ((unsigned long)RMAP_VMA_EXEC)
#define VM_SOFTDIRTY ((unsigned long)RMAP_VMA_SOFTDIRTY)
#define VM_GROWSDOWN ((unsigned long)RMAP_VMA_GROWSDOWN)
#define VM_DONTCOPY ((unsigned long)RMAP_VMA_DONTCOPY)
#define VM_WIPEONFORK ((unsigned long)RMAP_VMA_WIPEONFORK)
#define VM_ACCOUNT ((unsigned long)RMAP_VMA_ACCOUNT)
/* No guard regions. */
#define VM_MAYBE_GUARD 0UL

/* The bits by number, as mk_vma_flags() takes them; the last is of no VMA. */
#define VMA_READ_BIT __builtin_ctz(RMAP_VMA_READ)
#define VMA_WRITE_BIT __builtin_ctz(RMAP_VMA_WRITE)
#define VMA_EXEC_BIT __builtin_ctz(RMAP_VMA_EXEC)
#define VMA_SOFTDIRTY_BIT __builtin_ctz(RMAP_VMA_SOFTDIRTY)
#define VMA_MAYBE_GUARD_BIT 63

#define mk_vma_flags(...)                                \
	vma_flags_of_bits((const int[]) { __VA_ARGS__ }, \
			  sizeof((const int[]) { __VA_ARGS__ }) / sizeof(int))

static inline vma_flags_t vma_flags_of_bits(const int *bits, size_t count)
{
	vma_flags_t flags = { 0 };

	for (size_t i = 0; i < count; i++)
		flags.bits |= 1UL << bits[i];
	return flags;
}

#include "vma_flag_values.h"

static inline vma_flags_t vma_flags_diff_pair(const vma_flags_t *flags,
					      const vma_flags_t *flags_other)
{
	return (vma_flags_t) { flags->bits ^ flags_other->bits };
}

static inline void vma_flags_clear_mask(vma_flags_t *flags, vma_flags_t to_clear)
{
	flags->bits &= ~to_clear.bits;
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

/*
 * The VMA iterator. find_mergeable_anon_vma() starts it at the end of its VMA, loads what is there,
 * then steps back twice; both neighbours come with the call.
 */
struct vma_iterator {
	uint32_t steps_back;
};

#define VMA_ITERATOR(name, mm, addr) struct vma_iterator name = { 0 * (addr) }
#define MA_STATE(name, tree, first, last) struct vma_iterator name = { 0 * (first) }

static inline struct vm_area_struct *vma_iter_load(struct vma_iterator *vmi)
{
	return current_world->task.iterator_next;
}

static inline struct vm_area_struct *vma_prev(struct vma_iterator *vmi)
{
	const struct rmap_task *task = &current_world->task;

	return vmi->steps_back++ ? task->iterator_prev : task->iterator_vma;
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

#endif

#endif /* _LINUX_MM_H */
