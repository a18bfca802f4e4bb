/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, customised: the fields of vm_area_struct and mm_struct that the cut code reads.
 * 7.x wraps the VMA's flags in a type of its own; 7.3 keeps an anonymous page offset apart.
 */
#ifndef _LINUX_MM_TYPES_H
#define _LINUX_MM_TYPES_H

#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define PAGE_SHIFT 12

typedef unsigned long vm_flags_t;

typedef struct {
	unsigned long bits;
} vma_flags_t;

struct file;
struct mempolicy;
struct anon_vma;

enum mmap_lock_state { MMAP_UNLOCKED, MMAP_READ_LOCKED, MMAP_WRITE_LOCKED };

struct mm_struct {
	uint32_t id;
	enum mmap_lock_state mmap_lock;
	spinlock_t page_table_lock;
	int mm_mt;				/* its address is all that is taken */
};

struct vm_area_struct {
	unsigned long vm_start;			/* bytes */
	unsigned long vm_end;			/* bytes, exclusive */
	struct mm_struct *vm_mm;
	unsigned long vm_pgoff;			/* pages */
	union {
		vm_flags_t vm_flags;
		vma_flags_t flags;
	};
	struct file *vm_file;
	struct mempolicy *vm_policy;
	struct list_head anon_vma_chain;
	struct anon_vma *anon_vma;
	struct {
		struct rb_node rb;
		unsigned long rb_subtree_last;
	} shared;
	uint32_t __vm_anon_pgoff_lo;
	uint32_t __vm_anon_pgoff_hi;
	bool attached;
};

static inline uint32_t vma_told_mm(const struct vm_area_struct *vma)
{
	return vma->vm_mm->id;
}

static inline bool vma_told_attached(const struct vm_area_struct *vma)
{
	return vma->attached;
}

/* What is told and set of a VMA beside its range: see VmaAttributes in crates/seam/src/lib.rs. */
static inline uint64_t vma_told_anon_pgoff(const struct vm_area_struct *vma)
{
	return (uint64_t)vma->__vm_anon_pgoff_hi << 32 | vma->__vm_anon_pgoff_lo;
}

static inline uint64_t vma_told_kind(const struct vm_area_struct *vma)
{
	return (uint32_t)vma->vm_flags | (uint64_t)(uintptr_t)vma->vm_file << 32;
}

static inline void vma_write_anon_pgoff(struct vm_area_struct *vma, uint64_t pgoff)
{
	vma->__vm_anon_pgoff_lo = (uint32_t)pgoff;
	vma->__vm_anon_pgoff_hi = (uint32_t)(pgoff >> 32);
}

static inline void vma_write_attributes(struct vm_area_struct *vma, uint64_t anon_pgoff, uint64_t flags, uint32_t file)
{
	vma_write_anon_pgoff(vma, anon_pgoff);
	vma->vm_flags = flags;
	vma->vm_file = (struct file *)(uintptr_t)file;	/* compared, never followed */
}

struct address_space {
	struct rb_root_cached i_mmap;
};

#endif
