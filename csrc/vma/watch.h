/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the stand-ins tell the watcher of the VMA layer, with types that every header has. Defined
 * in vma/operations.h. Without the layer nobody watches.
 */
#ifndef VMA_WATCH_H
#define VMA_WATCH_H

#include "stubs/world.h"

#ifdef RMAP_VMA_LAYER
static void watch_warning(void);
static void vma_freed(struct vm_area_struct *vma);
static void check_vma_unchanged(struct vm_area_struct *vma);
static void layer_mmap_lock(enum rmap_call_kind kind, struct mm_struct *mm);
static void layer_pages_zap(struct mm_struct *mm, unsigned long start, unsigned long end);
static void layer_pages_copy(struct mm_struct *mm, struct mm_struct *from, unsigned long start,
			     unsigned long end);
static void layer_pages_move(struct mm_struct *mm, unsigned long start, unsigned long end,
			     unsigned long to);
#else
static inline void watch_warning(void)
{
}
#endif

#endif /* VMA_WATCH_H */
