/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's VMA code is watched by. Each outermost call of the reverse map, each allocation
 * and free of a VMA, each lock of an mm and each effect on page tables is told to the watcher when
 * it returns. What the VMA code wrote into a VMA without a call (its range, flags, anon_vma) is
 * told before the next call that is given the VMA, and at the end of the operation.
 */
#ifndef VMA_LAYER_H
#define VMA_LAYER_H

#include <linux/compiler.h>
#include <linux/types.h>
#include "stubs/vma_told.h"
#include "stubs/world.h"
#include "vma/watch.h"

static void report_writes(struct vm_area_struct *vma);
static void outermost_begin(struct rmap_call call, struct vm_area_struct *vma,
			    struct vm_area_struct *other, struct vm_area_struct *third);
static void outermost_prepare_begin(struct vm_area_struct *vma);
static void outermost_end(int32_t result);

#endif
