/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in for functions of mm/madvise.c: what madvise() does to pages is not this layer's. They
 * are macros: they take a VMA and a range in 6.x, one structure in 7.x, a mixture between.
 */
#ifndef VMA_MADVISE_H
#define VMA_MADVISE_H

/* --- No-op --- */

#define madvise_remove(...) (-EINVAL)
#define madvise_willneed(...) (-EINVAL)
#define madvise_cold(...) (-EINVAL)
#define madvise_pageout(...) (-EINVAL)
#define madvise_populate(...) (-EINVAL)
#define madvise_collapse(...) (-EINVAL)
#define madvise_guard_install(...) (-EINVAL)
#define madvise_guard_remove(...) (-EINVAL)
#define madvise_inject_error(...) (-EINVAL)

#endif /* VMA_MADVISE_H */
