/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in: tests and changes of a flag, by macros whose names no reader of the source sees. The
 * flags' numbers, and what is no such macro, are cut.
 */
#ifndef _LINUX_PAGE_FLAGS_H
#define _LINUX_PAGE_FLAGS_H

#include <linux/container_of.h>
#include <linux/mm_types.h>

static inline unsigned long *flags_of_page(const struct page *page)
{
	return (unsigned long *)&page->flags;
}

static inline bool test_page_flag(const struct page *page, unsigned int flag)
{
	return *flags_of_page(page) >> flag & 1;
}

static inline bool change_page_flag(struct page *page, unsigned int flag, bool to)
{
	unsigned long *flags = flags_of_page(page);
	bool was = *flags >> flag & 1;

	*flags = (*flags & ~(1ul << flag)) | (unsigned long)to << flag;
	return was;
}

/* --- Custom --- */

#define PAGE_FLAG(Name, name)								\
	static inline bool folio_test_##name(const struct folio *folio)			\
	{										\
		return test_page_flag(&folio->page, PG_##name);				\
	}										\
	static inline void folio_set_##name(struct folio *folio)			\
	{										\
		change_page_flag(&folio->page, PG_##name, true);			\
	}										\
	static inline void folio_clear_##name(struct folio *folio)			\
	{										\
		change_page_flag(&folio->page, PG_##name, false);			\
	}										\
	static inline void __folio_set_##name(struct folio *folio)			\
	{										\
		folio_set_##name(folio);						\
	}										\
	static inline void __folio_clear_##name(struct folio *folio)			\
	{										\
		folio_clear_##name(folio);						\
	}										\
	static inline bool folio_test_set_##name(struct folio *folio)			\
	{										\
		return change_page_flag(&folio->page, PG_##name, true);			\
	}										\
	static inline bool folio_test_clear_##name(struct folio *folio)			\
	{										\
		return change_page_flag(&folio->page, PG_##name, false);		\
	}										\
	static inline bool Page##Name(const struct page *page)				\
	{										\
		return test_page_flag(page, PG_##name);					\
	}										\
	static inline void SetPage##Name(struct page *page)				\
	{										\
		change_page_flag(page, PG_##name, true);				\
	}										\
	static inline void ClearPage##Name(struct page *page)				\
	{										\
		change_page_flag(page, PG_##name, false);				\
	}

PAGE_FLAG(Locked, locked)
PAGE_FLAG(Dirty, dirty)
PAGE_FLAG(LRU, lru)
PAGE_FLAG(Referenced, referenced)
PAGE_FLAG(Active, active)
PAGE_FLAG(Workingset, workingset)
PAGE_FLAG(Reserved, reserved)
PAGE_FLAG(Private, private)
PAGE_FLAG(Private2, private_2)
PAGE_FLAG(Swapbacked, swapbacked)
PAGE_FLAG(Writeback, writeback)
PAGE_FLAG(Reclaim, reclaim)
PAGE_FLAG(Unevictable, unevictable)
PAGE_FLAG(Mlocked, mlocked)
PAGE_FLAG(Mappedtodisk, mappedtodisk)
PAGE_FLAG(HWPoison, hwpoison)

/* A tail's is its folio's. */
#define PageLocked(page) folio_test_locked(page_folio(page))

/* Flags of a large folio, in its second page. */
#define SECOND_PAGE_FLAG(name)								\
	static inline bool folio_test_##name(const struct folio *folio)			\
	{										\
		return test_page_flag(&folio->page + 1, PG_##name);			\
	}										\
	static inline void folio_set_##name(struct folio *folio)			\
	{										\
		change_page_flag(&folio->page + 1, PG_##name, true);			\
	}										\
	static inline void folio_clear_##name(struct folio *folio)			\
	{										\
		change_page_flag(&folio->page + 1, PG_##name, false);			\
	}										\
	static inline bool folio_test_clear_##name(struct folio *folio)			\
	{										\
		return change_page_flag(&folio->page + 1, PG_##name, false);		\
	}

SECOND_PAGE_FLAG(large_rmappable)
SECOND_PAGE_FLAG(partially_mapped)

static inline void folio_set_swapcache(struct folio *folio)
{
	change_page_flag(&folio->page, PG_swapcache, true);
}

static inline void folio_clear_swapcache(struct folio *folio)
{
	change_page_flag(&folio->page, PG_swapcache, false);
}

static inline void ClearPageHead(struct page *page)
{
	change_page_flag(page, PG_head, false);
}

/* What a new folio of a split begins with is cleared of these. */
#define PAGE_FLAGS_CHECK_AT_PREP (((1ul << __NR_PAGEFLAGS) - 1) & ~(1ul << PG_hwpoison))
#define LRU_GEN_MASK 0ul
#define LRU_REFS_MASK 0ul

/* --- No-op --- */

/* What this configuration has no flag for. */
#define NO_PAGE_FLAG(Name, name)							\
	static inline bool folio_test_##name(const struct folio *folio)			\
	{										\
		return false;								\
	}										\
	static inline bool folio_test_clear_##name(struct folio *folio)			\
	{										\
		return false;								\
	}										\
	static inline void folio_clear_##name(struct folio *folio)			\
	{										\
	}										\
	static inline void folio_set_##name(struct folio *folio)			\
	{										\
	}										\
	static inline bool Page##Name(const struct page *page)				\
	{										\
		return false;								\
	}

NO_PAGE_FLAG(HasHWPoisoned, has_hwpoisoned)
NO_PAGE_FLAG(Young, young)
NO_PAGE_FLAG(Idle, idle)
NO_PAGE_FLAG(Hugetlb, hugetlb)
NO_PAGE_FLAG(Slab, slab)
NO_PAGE_FLAG(LargeKmalloc, large_kmalloc)
NO_PAGE_FLAG(Offline, offline)
NO_PAGE_FLAG(Ksm, ksm)

static inline bool PageTable(const struct page *page)
{
	return false;
}

#endif /* _LINUX_PAGE_FLAGS_H */
