/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: what is in a frame is one word, which a copy carries. */
#ifndef _LINUX_HIGHMEM_H
#define _LINUX_HIGHMEM_H

#include <linux/gfp.h>
#include <linux/mm_types.h>
#include "pages/layer.h"

static struct folio *page_layer_folio(gfp_t gfp, unsigned int order);

/* --- Custom --- */

/* A macro: until 6.12 it is told whether a huge page is wanted. */
#define vma_alloc_folio(gfp, order, ...) page_layer_folio(gfp, order)
#define folio_alloc(gfp, order) page_layer_folio(gfp, order)

static inline void clear_user_highpage(struct page *page, unsigned long vaddr)
{
	page_layer_fill(page, 0);
}

static inline void copy_user_highpage(struct page *to, struct page *from, unsigned long vaddr,
				      struct vm_area_struct *vma)
{
	page_layer_fill(to, page_layer_content(from));
}

static inline int copy_mc_user_highpage(struct page *to, struct page *from, unsigned long vaddr,
					struct vm_area_struct *vma)
{
	copy_user_highpage(to, from, vaddr, vma);
	return 0;
}

static inline struct folio *vma_alloc_zeroed_movable_folio(struct vm_area_struct *vma,
							   unsigned long vaddr)
{
	struct folio *folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 0, vma, vaddr);

	if (folio)
		clear_user_highpage(&folio->page, vaddr);
	return folio;
}

static inline int memcmp_pages(struct page *page1, struct page *page2)
{
	return page_layer_content(page1) != page_layer_content(page2);
}

/* Nobody copies by address: every page is known by its frame. */
static inline void *kmap_local_page(const struct page *page)
{
	BUG();
}

/* --- No-op --- */

#define kunmap_local(address) do {} while (0)
#define folio_zero_user(folio, address) do {} while (0)
#define pagefault_disable() do {} while (0)
#define pagefault_enable() do {} while (0)

#endif /* _LINUX_HIGHMEM_H */
