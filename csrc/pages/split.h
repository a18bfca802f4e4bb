/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in for what a split of a folio calls: of anonymous memory that is not in the swap cache. No
 * other large folio is there; what would be done to one is a BUG.
 */
#ifndef PAGES_SPLIT_H
#define PAGES_SPLIT_H

#include <linux/bug.h>
#include <linux/mm.h>
#include "pages/swap_device.h"

/* --- Custom --- */

struct xa_state {
	int unused;
};

#define XA_STATE(name, array, index) struct xa_state name __maybe_unused = { 0 }
#define XA_STATE_ORDER(name, array, index, order) XA_STATE(name, array, index)

/* Its names: the last since 7.0 or so. */
static inline void free_folio_and_swap_cache(struct folio *folio)
{
	free_swap_cache(folio);
	folio_put(folio);
}

#define free_page_and_swap_cache(page) free_folio_and_swap_cache(page_folio(page))

/* Each new folio is on the list that the old one is on. The second until 6.13 or so. */
#define lru_add_split_folio(folio, new_folio, ...) folio_add_lru(new_folio)
#define lru_add_page_tail(folio, page, ...) folio_add_lru((struct folio *)(page))

/* Whether all of it is 0, as the page layer knows it; nothing else is compared. */
static inline bool pages_identical(struct page *page, struct page *zero)
{
	if (zero != ZERO_PAGE(0))
		BUG();
	return page_layer_content(page) == 0;
}

/* --- No-op --- */

/* Macros: their types and what they are given differ from release to release. */
#define VM_WARN_ON_ONCE_PAGE(condition, page) VM_WARN_ON_ONCE(condition)
#define VM_WARN_ON_ONCE_FOLIO(condition, folio) VM_WARN_ON_ONCE(condition)
#define folio_lruvec_lock(folio) (&NODE_DATA(0)->lruvec)
#define lruvec_unlock(lruvec) ((void)(lruvec))
#define unlock_page_lruvec(lruvec) ((void)(lruvec))
#define split_page_owner(...) do {} while (0)
#define pgalloc_tag_split(...) do {} while (0)
#define folio_split_memcg_refs(...) do {} while (0)
#define split_page_memcg(...) do {} while (0)
#define ClearPageHasHWPoisoned(page) do {} while (0)
#define zone_device_private_split_cb(...) do {} while (0)
#define get_mem_cgroup_from_folio(folio) NULL
#define set_active_memcg(memcg) NULL
#define mem_cgroup_put(memcg) do {} while (0)
#define local_irq_disable() do {} while (0)
#define local_irq_enable() do {} while (0)
#define folio_last_cpupid(folio) 0
#define folio_xchg_last_cpupid(folio, cpupid) do {} while (0)
#define swap_cluster_get_and_lock(folio) ((struct swap_cluster_info *)(BUG(), NULL))
#define swap_cluster_unlock(ci) do {} while (0)
#define __swap_cache_replace_folio(...) BUG()
#define xas_set_order(...) BUG()
#define xas_split_alloc(...) BUG()
#define xas_split(...) BUG()
#define xas_try_split(...) BUG()
#define xas_error(xas) 0
#define xas_lock(xas) BUG()
#define xas_unlock(xas) do {} while (0)
#define xas_reset(xas) BUG()
#define xas_load(xas) NULL
#define xas_destroy(xas) do {} while (0)
#define mapping_set_update(...) BUG()
#define xa_lock(array) BUG()
#define xa_unlock(array) do {} while (0)
#define __xa_store(...) BUG()
#define filemap_release_folio(folio, gfp) (BUG(), false)
#define current_gfp_context(gfp) (gfp)
#define shmem_mapping(mapping) false
#define shmem_fallocend(inode, end) (end)
#define shmem_uncharge(...) do {} while (0)
#define folio_account_cleaned(...) BUG()
#define inode_to_wb(inode) NULL
#define __filemap_remove_folio(...) BUG()
#define mapping_min_folio_order(mapping) 0
#define mapping_large_folio_support(mapping) false

#endif /* PAGES_SPLIT_H */
