/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in, observing: see stubs/slab.h, and vma/maple_slab.h for the nodes of maple trees. */
#ifndef INCLUDE_LINUX_SLAB_H
#define INCLUDE_LINUX_SLAB_H

#include <errno.h>

#include <linux/bug.h>
#include <linux/gfp.h>
#include "stubs/slab.h"
#include "vma/watch.h"
#ifdef RMAP_VMA_LAYER
#include "vma/maple_slab.h"
#endif

/* --- Custom --- */

#define SLAB_TYPESAFE_BY_RCU 1u
#define SLAB_PANIC 2u
#define SLAB_ACCOUNT 4u
#define SLAB_HWCACHE_ALIGN 8u

static inline struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
						   unsigned int align, unsigned int flags,
						   void (*ctor)(void *))
{
	if (!strcmp(name, "anon_vma"))
		return kmem_cache_define(RMAP_CACHE_ANON_VMA, name, size, ctor);
	if (!strcmp(name, "anon_vma_chain"))
		return kmem_cache_define(RMAP_CACHE_AVC, name, size, ctor);
	if (!strcmp(name, "vm_area_struct"))
		return kmem_cache_define(RMAP_CACHE_VMA, name, size, ctor);
	fprintf(stderr, "rmap-diff: the tree creates a slab cache that the stubs do not know: %s\n",
		name);
	abort();
}

/* A macro as in the kernel: a structure's tag is given. */
#define KMEM_CACHE(structure, flags) \
	kmem_cache_create(#structure, sizeof(struct structure), 0, flags, NULL)

static inline void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
#ifdef RMAP_VMA_LAYER
	if (cache == &maple_cache)
		return maple_node_alloc(gfp);
#endif
	return slab_alloc(cache, gfp);
}

static inline void kmem_cache_free(struct kmem_cache *cache, void *body)
{
#ifdef RMAP_VMA_LAYER
	if (cache == &maple_cache) {
		maple_node_give(body);
		return;
	}
	if (cache->id == RMAP_CACHE_VMA) {
		vma_freed(body);
		return;
	}
#endif
	slab_free(cache, body);
}

#ifdef RMAP_VMA_LAYER

static inline int kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp, size_t size,
					void **nodes)
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

static inline void kmem_cache_free_bulk(struct kmem_cache *cache, size_t size, void **nodes)
{
	for (size_t i = 0; i < size; i++)
		maple_node_give(nodes[i]);
}

/* 7.x: nodes set aside before a change. */
struct slab_sheaf {
	uint32_t size;
	struct maple_slab_node *first;
};

static inline int kmem_cache_refill_sheaf(struct kmem_cache *cache, gfp_t gfp,
					  struct slab_sheaf **sheaf, unsigned int size)
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

static inline struct slab_sheaf *kmem_cache_prefill_sheaf(struct kmem_cache *cache, gfp_t gfp,
							  unsigned int size)
{
	struct slab_sheaf *sheaf = maple_node_take();

	*sheaf = (struct slab_sheaf) { 0 };
	if (!kmem_cache_refill_sheaf(cache, gfp, &sheaf, size))
		return sheaf;
	maple_node_give(sheaf);
	return NULL;
}

static inline void *kmem_cache_alloc_from_sheaf(struct kmem_cache *cache, gfp_t gfp,
						struct slab_sheaf *sheaf)
{
	struct maple_slab_node *node = sheaf->first;

	if (WARN_ON(!node))
		return NULL;
	sheaf->first = node->next;
	sheaf->size--;
	memset(node, gfp & __GFP_ZERO ? 0 : POISON_INUSE, MAPLE_NODE_SIZE);
	return node;
}

static inline unsigned int kmem_cache_sheaf_size(struct slab_sheaf *sheaf)
{
	return sheaf->size;
}

static inline void kmem_cache_return_sheaf(struct kmem_cache *cache, gfp_t gfp,
					   struct slab_sheaf *sheaf)
{
	while (sheaf->first) {
		struct maple_slab_node *node = sheaf->first;

		sheaf->first = node->next;
		maple_node_give(node);
	}
	maple_node_give(sheaf);
}

/* Of a node of a maple tree: the cut code frees nothing else in this way. */
static inline void kfree(const void *object)
{
	maple_node_give((void *)object);
}

#endif

#endif /* INCLUDE_LINUX_SLAB_H */
