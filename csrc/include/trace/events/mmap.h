/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in: no tracing. Those of the maple tree are macros: what they are given changes from tree
 * to tree.
 */
#ifndef _TRACE_EVENTS_MMAP_H
#define _TRACE_EVENTS_MMAP_H

struct mm_struct;

/* --- No-op --- */

#define trace_vma_store(...) do {} while (0)
#define trace_vma_mas_szero(...) do {} while (0)

static inline void trace_exit_mmap(struct mm_struct *mm)
{
}

#endif
