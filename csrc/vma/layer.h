/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's VMA code is watched by. Each outermost call of the reverse map, each allocation and free of a VMA,
 * each lock of an mm and each effect on page tables is told to the watcher when it returns. What the VMA code wrote into
 * a VMA without a call (its range, flags, anon_vma) is told before the next call that is given the VMA, and at the end of
 * the operation.
 */
#ifndef VMA_LAYER_H
#define VMA_LAYER_H

enum mmap_lock_state { MMAP_UNLOCKED, MMAP_READ_LOCKED, MMAP_WRITE_LOCKED };

#include <linux/slab.h>

/*
 * Maple tree nodes. Their allocations fail by a count of their own. They come from an arena that a reset rewinds; under
 * AddressSanitizer from malloc(), as the other objects do.
 */
#define MAPLE_NODE_SIZE 256
#define MAPLE_NODES_PER_CHUNK 64

struct maple_slab_node {
	struct maple_slab_node *next, *prev;	/* next alone when free */
};

struct maple_slab {
	char **chunks;
	uint32_t nr_chunks, max_chunks;
	uint32_t used;				/* nodes given out since the reset, but for those freed and reused */
	struct maple_slab_node *free;
	struct maple_slab_node *live_first;	/* under AddressSanitizer: follow their nodes in memory */
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
		slab->chunks = grow(slab->chunks, &slab->max_chunks, chunk + 1, sizeof(*slab->chunks));
		slab->chunks[chunk] = aligned_alloc(MAPLE_NODE_SIZE, MAPLE_NODE_SIZE * MAPLE_NODES_PER_CHUNK);
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
 * One attempt, whether it is for one node or for many. A maple tree that may sleep tries again until it has its nodes,
 * so memory comes back after a while even where all later attempts are to fail.
 */
#define NODE_FAILURES_MAX 64

static bool node_attempt(gfp_t gfp)
{
	struct rmap_world *w = current_world;

	if (gfp & __GFP_DIRECT_RECLAIM)
		may_block();
	if ((gfp & __GFP_NOFAIL) || w->nodes_injected == NODE_FAILURES_MAX ||
	    !fails(&w->node_fail, ++w->node_attempts))
		return true;
	w->nodes_injected++;
	return false;
}

static void vma_freed(struct vm_area_struct *vma);

static void *layer_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *node;

	if (cache != &maple_cache)
		return kmem_cache_alloc(cache, gfp);
	if (!node_attempt(gfp))
		return NULL;
	node = maple_node_take();
	if (gfp & __GFP_ZERO)
		memset(node, 0, MAPLE_NODE_SIZE);
	return node;
}

static void layer_cache_free(struct kmem_cache *cache, void *body)
{
	if (cache == &maple_cache)
		maple_node_give(body);
	else if (cache->id == RMAP_CACHE_VMA)
		vma_freed(body);
	else
		kmem_cache_free(cache, body);
}

/* The kernel's text calls these; in parentheses the name means the slab's own. */
#define kmem_cache_alloc(cache, gfp) layer_cache_alloc(cache, gfp)
#define kmem_cache_free(cache, body) layer_cache_free(cache, body)

static int kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp, size_t size, void **nodes)
{
	if (!node_attempt(gfp))
		return 0;
	for (size_t i = 0; i < size; i++) {
		nodes[i] = maple_node_take();
		if (gfp & __GFP_ZERO)
			memset(nodes[i], 0, MAPLE_NODE_SIZE);
	}
	return size;
}

static void kmem_cache_free_bulk(struct kmem_cache *cache, size_t size, void **nodes)
{
	for (size_t i = 0; i < size; i++)
		maple_node_give(nodes[i]);
}

/* 7.x: nodes set aside before a change. */
struct slab_sheaf {
	uint32_t size;
	struct maple_slab_node *first;
};

static int kmem_cache_refill_sheaf(struct kmem_cache *cache, gfp_t gfp, struct slab_sheaf **sheaf, unsigned int size)
{
	if ((*sheaf)->size < size && !node_attempt(gfp))
		return -ENOMEM;
	for (; (*sheaf)->size < size; (*sheaf)->size++) {
		struct maple_slab_node *node = maple_node_take();

		node->next = (*sheaf)->first;
		(*sheaf)->first = node;
	}
	return 0;
}

static struct slab_sheaf *kmem_cache_prefill_sheaf(struct kmem_cache *cache, gfp_t gfp, unsigned int size)
{
	struct slab_sheaf *sheaf = maple_node_take();

	*sheaf = (struct slab_sheaf) { 0 };
	if (!kmem_cache_refill_sheaf(cache, gfp, &sheaf, size))
		return sheaf;
	maple_node_give(sheaf);
	return NULL;
}

static void *kmem_cache_alloc_from_sheaf(struct kmem_cache *cache, gfp_t gfp, struct slab_sheaf *sheaf)
{
	struct maple_slab_node *node = sheaf->first;

	if (WARN_ON(!node))
		return NULL;
	sheaf->first = node->next;
	sheaf->size--;
	memset(node, gfp & __GFP_ZERO ? 0 : POISON_INUSE, MAPLE_NODE_SIZE);
	return node;
}

static unsigned int kmem_cache_sheaf_size(struct slab_sheaf *sheaf)
{
	return sheaf->size;
}

static void kmem_cache_return_sheaf(struct kmem_cache *cache, gfp_t gfp, struct slab_sheaf *sheaf)
{
	while (sheaf->first) {
		struct maple_slab_node *node = sheaf->first;

		sheaf->first = node->next;
		maple_node_give(node);
	}
	maple_node_give(sheaf);
}

#define kfree(object) maple_node_give(object)

/* Freed when nobody can read any more: at the end of the operation. */
static void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	head->next = current_world->rcu_queue;
	current_world->rcu_queue = head;
}

/* kfree_rcu() of a maple node: nodes are aligned to their size. */
static void maple_node_of_head_give(struct rcu_head *head)
{
	maple_node_give((void *)((uintptr_t)head & ~(uintptr_t)(MAPLE_NODE_SIZE - 1)));
}

static void flush_rcu(struct rmap_world *w)
{
	while (w->rcu_queue) {
		struct rcu_head *head = w->rcu_queue;

		w->rcu_queue = head->next;
		head->func(head);
	}
}

#include "stubs/file_tree.h"

/* --- The watcher --- */

static bool vma_told_attached(const struct vm_area_struct *vma);
static uint32_t vma_told_mm(const struct vm_area_struct *vma);
static uint64_t vma_told_anon_pgoff(const struct vm_area_struct *vma);
static uint64_t vma_told_kind(const struct vm_area_struct *vma);

/* For the watcher's answer: the operation ends here. */
#define ESCAPE_STOPPED 3

static int32_t watch(const struct rmap_call *call, int32_t result, bool with_state);

/* Events of no call: a WARN of the VMA code, say. */
static void watch_outside(void)
{
	static const struct rmap_call call = { .kind = RMAP_OUTSIDE };

	if (unlikely(current_world->nr_events))
		watch(&call, 0, false);
}

static void call_begins(void)
{
	struct rmap_world *w = current_world;

	watch_outside();
	w->nr_events = w->nr_touched = w->nr_given = 0;
	w->told_folio = RMAP_NONE;
	w->epoch++;
	w->bookkeeping = true;
}

static void layer_mmap_lock(enum rmap_call_kind kind, struct mm_struct *mm);
static void layer_pages_zap(struct mm_struct *mm, unsigned long start, unsigned long end);
static void layer_pages_copy(struct mm_struct *mm, struct mm_struct *from, unsigned long start, unsigned long end);
static void layer_pages_move(struct mm_struct *mm, unsigned long start, unsigned long end, unsigned long to);
static void report_writes(struct vm_area_struct *vma);
static void outermost_begin(struct rmap_call call, struct vm_area_struct *vma, struct vm_area_struct *other,
			    struct vm_area_struct *third);
static void outermost_prepare_begin(struct vm_area_struct *vma);
static void outermost_end(int32_t result);

#endif
