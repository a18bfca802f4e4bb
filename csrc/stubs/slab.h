/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocating and freeing objects of the slab; see stubs/slab_object.h. SLAB_TYPESAFE_BY_RCU: in
 * reuse mode a freed object keeps its contents and the constructor does not run again, as in the
 * kernel.
 */
#ifndef STUBS_SLAB_H
#define STUBS_SLAB_H

#include <linux/gfp.h>
#include <linux/sched.h>
#include "stubs/hook.h"
#include "stubs/observers.h"
#include "stubs/slab_object.h"

static struct kmem_cache *kmem_cache_define(enum rmap_cache id, const char *name, size_t size,
					    void (*ctor)(void *))
{
	struct kmem_cache *cache = &kmem_caches[id];
	size_t notes = id == RMAP_CACHE_ANON_VMA ? sizeof(struct anon_vma_notes) :
		       id == RMAP_CACHE_VMA ? sizeof(struct vma_notes) : 0;

	*cache = (struct kmem_cache) {
		.name = name, .size = (size + 7) & ~(size_t)7,
		.notes_size = (notes + 15) & ~(size_t)15,
		.id = id, .ctor = ctor,
	};
	cache->stride = cache->notes_size + sizeof(struct slab_object);
#ifndef STUBS_ASAN
	cache->stride += (cache->size + 15) & ~(size_t)15;
#endif
	return cache;
}

static enum rmap_point_class point_class_of(enum rmap_cache id)
{
	return id == RMAP_CACHE_ANON_VMA ? RMAP_POINT_OF_ANON_VMA :
	       id == RMAP_CACHE_AVC	 ? RMAP_POINT_OF_AVC :
					   RMAP_POINT_OF_VMA;
}

static inline void vma_lock_born(struct vma_notes *notes)
{
	notes->readers = notes->written = 0;
	notes->detached = true;
}

static void *slab_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	struct rmap_world *w = current_world;
	struct slab *slab = &w->slabs[cache->id];
	struct slab_object *object;
	bool rests;

	hook(RMAP_POINT_ALLOC, point_class_of(cache->id), RMAP_NONE);
	if (gfp & __GFP_DIRECT_RECLAIM)
		may_block();
	if (attempt_fails(w)) {
		record(RMAP_EVENT_ALLOC, cache->id, gfp, RMAP_NONE, 0);
		return NULL;
	}
	rests = slab->resting;
	if (unlikely(!rests && !slab->free))
		slab_chunk_add(slab, cache);
	object = rests ? slab->resting : slab->free;
	*(rests ? &slab->resting : &slab->free) = object->next;
	object->state = OBJECT_LIVE;
	object->serial = slab->next_serial++;
	object->next = NULL;
	object->prev = slab->live_last;
	if (slab->live_last)
		slab->live_last->next = object;
	else
		slab->live_first = object;
	slab->live_last = object;
	slab->nr_live++;
	if (rests)
		slab_body_open(object, cache->size, true);
#ifdef STUBS_ASAN
	else {
		slab_body_take(object, cache->size);
		slab_object_fresh(object, cache);
	}
#endif
	if (gfp & __GFP_ZERO)
		memset(body_of(object), 0, cache->size);
	else if (!cache->ctor)
		memset(body_of(object), POISON_INUSE, cache->size);
	record(RMAP_EVENT_ALLOC, cache->id, gfp, object->serial, 0);
	if (cache->id == RMAP_CACHE_ANON_VMA)
		anon_vma_allocated(body_of(object));
	if (cache->id == RMAP_CACHE_VMA)
		vma_lock_born(vma_notes_of(body_of(object)));
	return body_of(object);
}

/* Nobody may come to it any more. */
static void slab_keep(struct slab *slab, struct kmem_cache *cache, struct slab_object *object)
{
#ifdef STUBS_ASAN
	slab_body_give(object);
#else
	memset(body_of(object), POISON_FREE, cache->size);
#endif
	object->next = slab->quarantine;
	slab->quarantine = object;
}

#ifdef RMAP_PAGES
/*
 * Tells AddressSanitizer which freed anon_vmas the running task may read: those that were freed
 * since its read section of RCU began. They change whenever another task goes on, or leaves its
 * section.
 */
static void slab_rest_open(void)
{
#ifdef STUBS_ASAN
	const struct slab *slab = &current_world->slabs[RMAP_CACHE_ANON_VMA];
	size_t size = kmem_caches[RMAP_CACHE_ANON_VMA].size;

	for (struct slab_object *object = slab->resting; object; object = object->next)
		slab_body_open(object, size, may_touch_freed(object->freed_at));
#endif
}

/* All tasks have ended. */
static void slab_rest_ends(struct slab *slab, struct kmem_cache *cache)
{
	struct slab_object *object, *next;

	for (object = slab->resting; object; object = next) {
		next = object->next;
		slab_keep(slab, cache, object);
	}
	slab->resting = NULL;
}

/* No task is left that could read it. */
static void slab_grace_ends(struct slab *slab, struct kmem_cache *cache)
{
	struct slab_object *object, *next;

	for (object = slab->readable; object; object = next) {
		next = object->next;
		if (slab_keeps_freed()) {
			slab_keep(slab, cache, object);
		} else {
			object->next = slab->free;
			slab->free = object;
		}
	}
	slab->readable = NULL;
}
#endif

static void slab_free(struct kmem_cache *cache, void *body)
{
	struct rmap_world *w = current_world;
	struct slab *slab = &w->slabs[cache->id];
	struct slab_object *object = object_of(body);

	hook(RMAP_POINT_FREE, point_class_of(cache->id), object->serial);
	if (unlikely(object->magic != SLAB_OBJECT_MAGIC || object->cache != cache->id)) {
		broken_rule(RMAP_RULE_FOREIGN_FREE, RMAP_NONE);
		return;
	}
	if (unlikely(object->state != OBJECT_LIVE)) {
		broken_rule(RMAP_RULE_DOUBLE_FREE, object->serial);
		return;
	}
	if (cache->id == RMAP_CACHE_VMA && unlikely(vma_notes_of(body)->readers))
		broken_rule(RMAP_RULE_VMA_FREED_WHILE_LOCKED, object->serial);
	if (cache->id == RMAP_CACHE_ANON_VMA && unlikely(anon_vma_is_locked(body)))
		freed_while_held(anon_vma_holders(body), object->serial);
	record(RMAP_EVENT_FREE, cache->id, 0, object->serial, 0);
	if (object->prev)
		object->prev->next = object->next;
	else
		slab->live_first = object->next;
	if (object->next)
		object->next->prev = object->prev;
	else
		slab->live_last = object->prev;
	slab->nr_live--;
	object->state = OBJECT_FREE;
	object->freed_at = ++w->frees;
	w->mapped_unchecked |= cache->id == RMAP_CACHE_ANON_VMA;
	w->anon_vmas_unchecked = true;
	if (cache->freed_by_rcu && runs_beside_others()) {
		object->next = slab->readable;
		slab->readable = object;
	} else if (slab_keeps_freed() && cache->id == RMAP_CACHE_ANON_VMA &&
		   runs_beside_others()) {
		/* As SLAB_TYPESAFE_BY_RCU says, it stays an anon_vma, and may be one again. */
		object->next = slab->resting;
		slab->resting = object;
		slab_body_open(object, cache->size, may_touch_freed(object->freed_at));
	} else if (slab_keeps_freed()) {
		slab_keep(slab, cache, object);
	} else {
		object->next = slab->free;
		slab->free = object;
	}
}

#endif /* STUBS_SLAB_H */
