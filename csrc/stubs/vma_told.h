/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is told of a VMA, and set of it, beside its range: see VmaAttributes in
 * rmap_abi.h. With the VMA layer, vma/operations.h says it.
 */
#ifndef STUBS_VMA_TOLD_H
#define STUBS_VMA_TOLD_H

#include <linux/mm_types.h>

static uint32_t vma_told_mm(const struct vm_area_struct *vma);
static bool vma_told_attached(const struct vm_area_struct *vma);
static uint64_t vma_told_anon_pgoff(const struct vm_area_struct *vma);
static uint64_t vma_told_kind(const struct vm_area_struct *vma);

#ifndef RMAP_VMA_LAYER
static inline uint32_t vma_told_mm(const struct vm_area_struct *vma)
{
	return vma->vm_mm->id;
}

static inline bool vma_told_attached(const struct vm_area_struct *vma)
{
	return vma->attached;
}

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

static inline void vma_write_attributes(struct vm_area_struct *vma, uint64_t anon_pgoff,
					uint64_t flags, uint32_t file)
{
	vma_write_anon_pgoff(vma, anon_pgoff);
	vma->vm_flags = flags;
	vma->vm_file = (struct file *)(uintptr_t)file;	/* compared, never followed */
}
#endif

#endif /* STUBS_VMA_TOLD_H */
