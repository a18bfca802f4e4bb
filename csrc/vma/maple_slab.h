/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nodes of maple trees. Their allocations fail by a count of their own. They come from an arena
 * that a reset rewinds; under AddressSanitizer from malloc(), as the other objects do.
 */
#ifndef VMA_MAPLE_SLAB_H
#define VMA_MAPLE_SLAB_H

#include <linux/gfp.h>
#include <linux/sched.h>
#include "stubs/slab_object.h"

#define MAPLE_NODE_SIZE 256
#define MAPLE_NODES_PER_CHUNK 64

struct maple_slab_node {
	struct maple_slab_node *next, *prev;	/* next alone when free */
};

struct maple_slab {
	char **chunks;
	uint32_t nr_chunks, max_chunks;
	uint32_t used;	/* nodes given out since the reset, except for those freed and reused */
	struct maple_slab_node *free;
	struct maple_slab_node *live_first;	/* under AddressSanitizer: behind their nodes */
	uint32_t live;
};

static struct kmem_cache maple_cache = { .name = "maple_node", .size = MAPLE_NODE_SIZE };

#ifdef STUBS_ASAN

static void *maple_node_new(struct maple_slab *slab)
{
	char *node = aligned_alloc(MAPLE_NODE_SIZE, 2 * MAPLE_NODE_SIZE);
	struct maple_slab_node *links = (void *)(node + MAPLE_NODE_SIZE);

	if (!node)
		out_of_memory();
	*links = (struct maple_slab_node) { .next = slab->live_first };
	if (slab->live_first)
		slab->live_first->prev = links;
	slab->live_first = links;
	return node;
}

static void maple_node_old(struct maple_slab *slab, void *node)
{
	struct maple_slab_node *links = (void *)((char *)node + MAPLE_NODE_SIZE);

	if (links->prev)
		links->prev->next = links->next;
	else
		slab->live_first = links->next;
	if (links->next)
		links->next->prev = links->prev;
	free(node);
}

#else

static void *maple_node_new(struct maple_slab *slab)
{
	struct maple_slab_node *node = slab->free;
	uint32_t chunk = slab->used / MAPLE_NODES_PER_CHUNK;

	if (node) {
		slab->free = node->next;
		return node;
	}
	if (chunk == slab->nr_chunks) {
		slab->chunks = grow(slab->chunks, &slab->max_chunks, chunk + 1,
				    sizeof(*slab->chunks));
		slab->chunks[chunk] = aligned_alloc(MAPLE_NODE_SIZE,
						    MAPLE_NODE_SIZE * MAPLE_NODES_PER_CHUNK);
		if (!slab->chunks[chunk])
			out_of_memory();
		slab->nr_chunks++;
	}
	return slab->chunks[chunk] + slab->used++ % MAPLE_NODES_PER_CHUNK * MAPLE_NODE_SIZE;
}

static void maple_node_old(struct maple_slab *slab, void *body)
{
	struct maple_slab_node *node = body;

	if (slab_keeps_freed()) {
		memset(node, POISON_FREE, MAPLE_NODE_SIZE);
		return;
	}
	node->next = slab->free;
	slab->free = node;
}

#endif

static void *maple_node_take(void)
{
	void *node = maple_node_new(current_world->nodes);

	current_world->nodes->live++;
	memset(node, POISON_INUSE, MAPLE_NODE_SIZE);
	return node;
}

static void maple_node_give(void *node)
{
	current_world->nodes->live--;
	maple_node_old(current_world->nodes, node);
}

static void maple_slab_reset(struct maple_slab *slab)
{
	for (struct maple_slab_node *node = slab->live_first, *next; node; node = next) {
		next = node->next;
		free((char *)node - MAPLE_NODE_SIZE);
	}
	slab->live_first = slab->free = NULL;
	slab->used = slab->live = 0;
}

/*
 * One attempt, whether it is for one node or for many. A maple tree that may sleep tries again
 * until it has its nodes, so memory comes back after a while even where all later attempts are to
 * fail.
 */
#define NODE_FAILURES_MAX 64

static bool node_attempt(gfp_t gfp)
{
	struct rmap_world *w = current_world;

	if (gfp & __GFP_DIRECT_RECLAIM)
		may_block();
	if ((gfp & __GFP_NOFAIL) || w->task.nodes_injected == NODE_FAILURES_MAX ||
	    !fails(&w->task.node_fail, ++w->task.node_attempts))
		return true;
	w->task.nodes_injected++;
	return false;
}

static void *maple_node_alloc(gfp_t gfp)
{
	void *node;

	if (!node_attempt(gfp))
		return NULL;
	node = maple_node_take();
	if (gfp & __GFP_ZERO)
		memset(node, 0, MAPLE_NODE_SIZE);
	return node;
}

/* kfree_rcu() of a maple node: nodes are aligned to their size. */
static void maple_node_of_head_give(struct rcu_head *head)
{
	maple_node_give((void *)((uintptr_t)head & ~(uintptr_t)(MAPLE_NODE_SIZE - 1)));
}

#endif /* VMA_MAPLE_SLAB_H */
