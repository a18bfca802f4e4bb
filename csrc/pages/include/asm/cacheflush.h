/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no cache is flushed, nor one of pages. */
#ifndef PAGES_ASM_CACHEFLUSH_H
#define PAGES_ASM_CACHEFLUSH_H

#include_next <asm/cacheflush.h>

struct folio;
struct page;
struct vm_area_struct;

/* --- No-op --- */

#define flush_cache_page(vma, address, pfn) do {} while (0)
#define flush_cache_range(vma, start, end) do {} while (0)
#define flush_dcache_page(page) do {} while (0)
#define flush_dcache_folio(folio) do {} while (0)
#define flush_icache_pages(vma, page, nr) do {} while (0)
#define update_mmu_cache_range(vmf, vma, address, ptep, nr) do {} while (0)
#define update_mmu_cache(vma, address, ptep) do {} while (0)

#endif /* PAGES_ASM_CACHEFLUSH_H */
