/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: a swap device of the world, without lists of pages. */
#ifndef _LINUX_SWAP_H
#define _LINUX_SWAP_H

#include <linux/mm_types.h>

struct address_space;
struct vm_fault;

/* --- Custom --- */

struct swap_info_struct {
	unsigned long flags;
};

#define SWP_SYNCHRONOUS_IO (1ul << 12)
#define SWP_STABLE_WRITES (1ul << 11)

#define swapin_sync(entry, gfp, ...) swapin_readahead(entry, gfp, vmf)

/* --- No-op --- */

static inline void put_swap_device(struct swap_info_struct *si)
{
}

static inline int swap_retry_table_alloc(swp_entry_t entry, gfp_t gfp)
{
	return 0;
}

static inline void swap_update_readahead(struct folio *folio, struct vm_area_struct *vma,
					 unsigned long addr)
{
}

static inline struct address_space *swap_address_space(swp_entry_t entry)
{
	return NULL;
}

static inline bool mem_cgroup_swap_full(struct folio *folio)
{
	return false;
}

static inline bool vm_swap_full(void)
{
	return false;
}

static inline void folio_throttle_swaprate(struct folio *folio, gfp_t gfp)
{
}

static inline void lru_add_drain(void)
{
}

static inline void folio_mark_accessed(struct folio *folio)
{
}

static inline bool lru_cache_disabled(void)
{
	return false;
}

#endif /* _LINUX_SWAP_H */
