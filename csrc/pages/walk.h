/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in for functions of mm/pagewalk.c, mm/gup.c, mm/mlock.c and mm/swap.c: a walk goes to each
 * lowest table, no page is populated, and a page's being locked in memory is a flag of its folio.
 */
#ifndef PAGES_WALK_H
#define PAGES_WALK_H

#include <linux/mm.h>

/* --- Custom --- */

struct mm_walk;
enum page_walk_lock {
	PGWALK_RDLOCK,
	PGWALK_WRLOCK,
	PGWALK_WRLOCK_VERIFY,
	PGWALK_VMA_RDLOCK_VERIFY,
};

struct mm_walk_ops {
	int (*pmd_entry)(pmd_t *pmd, unsigned long addr, unsigned long next, struct mm_walk *walk);
	enum page_walk_lock walk_lock;
};

static int walk_lowest_tables(struct mm_struct *mm, struct vm_area_struct *vma,
			      unsigned long start, unsigned long end,
			      const struct mm_walk_ops *ops, void *private);

#define walk_page_range(mm, start, end, ops, private) \
	walk_lowest_tables(mm, NULL, start, end, ops, private)
#define walk_page_range_vma(vma, start, end, ops, private) \
	walk_lowest_tables((vma)->vm_mm, vma, start, end, ops, private)

/* It is only ever asked for one page. */
static long get_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
				  unsigned int gup_flags, struct page **pages, int *locked);

/* Every frame can be mapped without access. */
static const struct mm_walk_ops prot_none_walk_ops __maybe_unused;

/* The content may be dropped while nobody writes to it: a clean page without a place in swap. */
static inline void folio_mark_lazyfree(struct folio *folio)
{
	/* What is locked in memory is on no list that reclaim takes from. */
	if (folio_test_anon(folio) && folio_test_swapbacked(folio) &&
	    !folio_test_swapcache(folio) && !folio_test_mlocked(folio))
		folio_clear_swapbacked(folio);
}

/* How many have locked a folio. In the kernel the list of unevictable folios counts them. */
static inline uint32_t *lockers_of(const struct folio *folio)
{
	const struct page_layer *layer = current_world->pages;

	return &layer->notes[&folio->page - layer->frames].lockers;
}

static inline void mlock_folio(struct folio *folio)
{
	folio_mlocked(folio, true);
	SetPageMlocked(&folio->page);
	++*lockers_of(folio);
}

static inline void mlock_new_folio(struct folio *folio)
{
	SetPageMlocked(&folio->page);
	*lockers_of(folio) = 1;
}

static inline void munlock_folio(struct folio *folio)
{
	uint32_t *lockers = lockers_of(folio);

	folio_mlocked(folio, false);
	if (*lockers && --*lockers)
		return;
	ClearPageMlocked(&folio->page);
}

/* --- No-op --- */

static inline long populate_vma_page_range(struct vm_area_struct *vma, unsigned long start,
					   unsigned long end, int *locked)
{
	return 0;
}

static inline void mlock_drain_local(void)
{
}

#endif /* PAGES_WALK_H */
