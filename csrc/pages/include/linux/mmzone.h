/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: one node with one zone, and no list of pages. */
#ifndef _LINUX_MMZONE_H
#define _LINUX_MMZONE_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include "pages/layer.h"

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

/* The folios to split; since 7.3 another list has them. */
struct deferred_split {
	spinlock_t split_queue_lock;
	struct list_head split_queue;
	unsigned long split_queue_len;
};

typedef struct pglist_data {
	struct lruvec lruvec;
	struct zone zone;
	struct deferred_split deferred_split_queue;
} pg_data_t;

#define NODE_DATA(nid) (current_world->pages->node_data)

static inline struct pglist_data *folio_pgdat(const struct folio *folio)
{
	return NODE_DATA(0);
}

static inline struct zone *folio_zone(const struct folio *folio)
{
	return &NODE_DATA(0)->zone;
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
