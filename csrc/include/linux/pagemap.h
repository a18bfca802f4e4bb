/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, customised: struct folio and struct page as far as the reverse map reads them, what linux/page-flags.h
 * and linux/mm.h ask of them. Every folio is one page; whether it is
 * mapped and locked is what the caller of the seam says.
 */
#ifndef _LINUX_PAGEMAP_H
#define _LINUX_PAGEMAP_H

#include <linux/mm.h>

#define PAGE_SIZE (1ul << PAGE_SHIFT)

#define PAGE_MAPPING_ANON 1ul
#define PAGE_MAPPING_MOVABLE 2ul
#define PAGE_MAPPING_FLAGS (PAGE_MAPPING_ANON | PAGE_MAPPING_MOVABLE)
#define FOLIO_MAPPING_ANON PAGE_MAPPING_ANON
#define FOLIO_MAPPING_FLAGS PAGE_MAPPING_FLAGS

struct page {
	struct address_space *mapping;
	pgoff_t index;
};

struct folio {
	union {
		struct {
			struct address_space *mapping;
			pgoff_t index;
		};
		struct page page;
	};
	bool mapped;
	bool locked;
	bool anon_exclusive;
};

static inline struct folio *page_folio(const struct page *page)
{
	return container_of((struct page *)page, struct folio, page);
}

static inline bool folio_mapped(const struct folio *folio)
{
	return folio->mapped;
}

static inline bool folio_test_locked(const struct folio *folio)
{
	return folio->locked;
}

static inline pgoff_t folio_pgoff(const struct folio *folio)
{
	return folio->index;
}

static inline long folio_nr_pages(const struct folio *folio)
{
	return 1;
}

static inline pgoff_t page_to_pgoff(const struct page *page)
{
	return page->index;
}

static inline unsigned long compound_nr(const struct page *page)
{
	return 1;
}

static inline bool PageAnon(const struct page *page)
{
	return (unsigned long)page->mapping & PAGE_MAPPING_ANON;
}

static inline bool PageKsm(const struct page *page)
{
	return ((unsigned long)page->mapping & PAGE_MAPPING_FLAGS) == PAGE_MAPPING_FLAGS;
}

static inline void SetPageAnonExclusive(struct page *page)
{
	page_folio(page)->anon_exclusive = true;
}

static inline pgoff_t linear_hugepage_index(struct vm_area_struct *vma, unsigned long address)
{
	BUG();
}

#endif
