/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: one node with one zone, and no list of pages. */
#ifndef _LINUX_MMZONE_H
#define _LINUX_MMZONE_H

#include <linux/types.h>

struct folio;
struct mem_cgroup;
struct page_vma_mapped_walk;

/* --- Custom --- */

struct lruvec {
	int node;
};

struct zone {
	int node;
};

typedef struct pglist_data {
	struct lruvec lruvec;
	struct zone zone;
} pg_data_t;

static pg_data_t the_node __maybe_unused;

#define NODE_DATA(nid) (&the_node)

static inline struct pglist_data *folio_pgdat(const struct folio *folio)
{
	return &the_node;
}

static inline struct zone *folio_zone(const struct folio *folio)
{
	return &the_node.zone;
}

static inline int folio_nid(const struct folio *folio)
{
	return 0;
}

/* --- No-op --- */

/* A macro: the number of entries is given or not. */
#define lru_gen_look_around(...) false

static inline bool lru_gen_enabled(void)
{
	return false;
}

#endif /* _LINUX_MMZONE_H */
