/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: what a folio is; whether it is locked is what the caller of the seam says. */
#ifndef _LINUX_PAGE_FLAGS_H
#define _LINUX_PAGE_FLAGS_H

#include <linux/container_of.h>
#include <linux/mm_types.h>

/* --- Duplicate --- */

#define PAGE_MAPPING_ANON 1ul
#define PAGE_MAPPING_MOVABLE 2ul
#define PAGE_MAPPING_FLAGS (PAGE_MAPPING_ANON | PAGE_MAPPING_MOVABLE)
#define FOLIO_MAPPING_ANON PAGE_MAPPING_ANON
#define FOLIO_MAPPING_FLAGS PAGE_MAPPING_FLAGS

static inline bool PageAnon(const struct page *page)
{
	return (unsigned long)page->mapping & PAGE_MAPPING_ANON;
}

static inline bool PageKsm(const struct page *page)
{
	return ((unsigned long)page->mapping & PAGE_MAPPING_FLAGS) == PAGE_MAPPING_FLAGS;
}

static inline bool folio_test_anon(const struct folio *folio)
{
	return PageAnon(&folio->page);
}

/* --- Custom --- */

static inline struct folio *page_folio(const struct page *page)
{
	return container_of((struct page *)page, struct folio, page);
}

/* All folios are of order 0: a page is the head of its own folio. */
static inline struct page *compound_head(struct page *page)
{
	return page;
}

static inline bool PageHead(const struct page *page)
{
	return false;
}

static inline bool PageLocked(const struct page *page)
{
	return page_folio(page)->locked;
}

static inline bool folio_test_locked(const struct folio *folio)
{
	return folio->locked;
}

static inline void SetPageAnonExclusive(struct page *page)
{
	page_folio(page)->anon_exclusive = true;
}

#endif /* _LINUX_PAGE_FLAGS_H */
