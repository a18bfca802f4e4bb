/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in for functions of the mm's own headers and files, mm/internal.h, mm/vma.h, kernel/fork.c:
 * nothing is refused, and no file has a driver.
 */
#ifndef VMA_INTERNAL_H
#define VMA_INTERNAL_H

#include <linux/fs.h>
#include <linux/mm.h>

/* --- No-op --- */

/* It fails in some trees. */
static inline int dup_mm_exe_file(struct mm_struct *mm, struct mm_struct *oldmm)
{
	return 0;
}

static inline int mmap_file(struct file *file, struct vm_area_struct *vma)
{
	return 0;
}

static inline void vma_close(struct vm_area_struct *vma)
{
}

static inline bool vma_supports_mlock(const struct vm_area_struct *vma)
{
	return true;
}

/* By which file system it is. */
static inline bool vma_wants_writenotify(struct vm_area_struct *vma, pgprot_t vm_page_prot)
{
	return (vma->vm_flags & (VM_WRITE | VM_SHARED)) == (VM_WRITE | VM_SHARED) &&
	       vma->vm_file - current_world->files < RMAP_FILES_NOT_TOLD;
}

/* 7.x gives whether it is locked, 6.x all flags. */
static inline bool mlock_future_ok(const struct mm_struct *mm, unsigned long flags,
				   unsigned long bytes)
{
	return true;
}

static inline int mlock_future_check(struct mm_struct *mm, unsigned long flags, unsigned long len)
{
	return 0;
}

static inline bool can_modify_mm_madv(struct mm_struct *mm, unsigned long start, unsigned long end,
				      int behavior)
{
	return true;
}

static inline bool can_modify_vma_madv(struct vm_area_struct *vma, int behavior)
{
	return true;
}

#endif /* VMA_INTERNAL_H */
