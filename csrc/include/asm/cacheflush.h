/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no cache is flushed. */
#ifndef _ASM_CACHEFLUSH_H
#define _ASM_CACHEFLUSH_H

struct address_space;
struct mm_struct;

/* --- No-op --- */

static inline void flush_cache_mm(struct mm_struct *mm)
{
}

static inline void flush_cache_dup_mm(struct mm_struct *mm)
{
}

#ifdef RMAP_PAGES
static void check_file_tree_lock(const struct address_space *mapping);
#endif

/* Around each change of the tree of a file's VMAs. */
static inline void flush_dcache_mmap_lock(struct address_space *mapping)
{
#ifdef RMAP_PAGES
	check_file_tree_lock(mapping);
#endif
}

static inline void flush_dcache_mmap_unlock(struct address_space *mapping)
{
#ifdef RMAP_PAGES
	check_file_tree_lock(mapping);
#endif
}

#endif /* _ASM_CACHEFLUSH_H */
