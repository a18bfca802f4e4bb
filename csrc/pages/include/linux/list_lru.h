/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the one list of this kind is that of the folios to split, in the world. */
#ifndef _LINUX_LIST_LRU_H
#define _LINUX_LIST_LRU_H

#include <linux/list.h>
#include <linux/mm_types.h>
#include "pages/layer.h"

struct mem_cgroup;

/* --- Custom --- */

struct list_lru {
	int unused;
};

struct list_lru_one {
	struct list_head list;
	long nr_items;
};

#define list_lru_lock_irqsave(lru, nid, memcg, flags) (current_world->pages->deferred)
#define list_lru_unlock_irqrestore(list, flags) do {} while (0)
#define list_lru_lock(lru, nid, memcg) (current_world->pages->deferred)
#define list_lru_unlock(list) do {} while (0)

static inline bool __list_lru_add(struct list_lru *lru, struct list_lru_one *list,
				  struct list_head *item, int nid, struct mem_cgroup *memcg)
{
	if (!list_empty(item))
		return false;
	list_add_tail(item, &list->list);
	list->nr_items++;
	return true;
}

static inline bool __list_lru_del(struct list_lru *lru, struct list_lru_one *list,
				  struct list_head *item, int nid)
{
	if (list_empty(item))
		return false;
	list_del_init(item);
	list->nr_items--;
	return true;
}

/* --- No-op --- */

#define folio_memcg_list_lru_alloc(folio, lru, gfp) 0

#endif /* _LINUX_LIST_LRU_H */
