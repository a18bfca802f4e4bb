/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What maps a page of a process, by the page tables as memory.
 */
#ifndef PAGES_LOOKUP_H
#define PAGES_LOOKUP_H

#include <linux/mm.h>
#include "pages/walks.h"

/* The entry of a level for a page, by the tables as memory; NULL if there is no table for it. */
static unsigned long *entry_above(const struct mm_struct *mm, uint64_t page, int lowest)
{
	unsigned long *table = (unsigned long *)mm->pgd;

	for (int level = 3; level > lowest; level--) {
		unsigned long entry = table[page >> (9 * level) & (PTRS_PER_PTE - 1)];

		if (!(entry & ENTRY_PRESENT) || (entry & ENTRY_HUGE))
			return NULL;
		table = page_address(pfn_to_page(entry >> PAGE_SHIFT));
	}
	return &table[page >> (9 * lowest) & (PTRS_PER_PTE - 1)];
}

static unsigned long *entry_at(const struct mm_struct *mm, uint64_t page)
{
	return entry_above(mm, page, 0);
}

/* What maps a page: an entry of a lowest table, or that of a huge page. */
struct found_entry {
	unsigned long *at;		/* NULL: there is no table for it */
	bool huge;
	struct rmap_entry told;		/* of this page */
};

static struct found_entry find_entry(const struct mm_struct *mm, uint64_t page)
{
	struct found_entry found = { .at = entry_above(mm, page, 1) };

	found.huge = found.at && is_huge(*found.at);
	if (!found.huge)
		found.at = entry_at(mm, page);
	found.told = entry_of(found.at ? *found.at : 0);
	if (found.huge)
		found.told.number += page % PTRS_PER_PTE;
	return found;
}

/* What maps a page. An empty entry under a lock that another task holds may be on its way. */
static struct found_entry find_settled_entry(const struct mm_struct *mm, uint64_t page)
{
	struct found_entry found = find_entry(mm, page);

	while (runs_beside_others() && found.at && !*found.at) {
		struct page *table = virt_to_page(found.at);

		if (!spin_is_locked(ptlock_ptr(page_ptdesc(table))))
			break;
		let_others_run((struct rmap_point) {
			.kind = RMAP_POINT_WAIT, .of = RMAP_POINT_OF_PTE,
			.object = page_to_pfn(table) });
		/* The process may have exited. */
		if (!mm->alive)
			return (struct found_entry) { .at = NULL };
		found = find_entry(mm, page);
	}
	return found;
}

/* The folio at a page; NULL if none is mapped there, or the zero page. */
static struct folio *folio_at(const struct mm_struct *mm, uint64_t page)
{
	struct rmap_entry told = find_settled_entry(mm, page).told;

	if (!(told.bits & (RMAP_ENTRY_PRESENT | RMAP_ENTRY_DEVICE)) || told.number == ZERO_FRAME)
		return NULL;
	return page_folio(pfn_to_page(told.number));
}

#endif /* PAGES_LOOKUP_H */
