/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The slab. Observes: every attempt (and whether it is to fail), every free, double and foreign
 * frees, sleeping where sleeping is forbidden, an anon_vma freed while its lock is held.
 *
 * An object is a header of ours, then the kernel's structure, then, for an anon_vma, our notes on
 * its interval tree. Headers stay readable until the world is destroyed.
 */
#ifndef STUBS_SLAB_OBJECT_H
#define STUBS_SLAB_OBJECT_H

#include "world.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STUBS_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define STUBS_ASAN 1
#endif

#ifdef STUBS_ASAN
void __asan_poison_memory_region(void const volatile *addr, size_t size);
void __asan_unpoison_memory_region(void const volatile *addr, size_t size);
#else
#define __asan_poison_memory_region(addr, size) ((void)(addr), (void)(size))
#define __asan_unpoison_memory_region(addr, size) ((void)(addr), (void)(size))
#endif

#define SLAB_OBJECT_MAGIC 0x6f626a21u
#define POISON_FREE 0x6b
#define POISON_INUSE 0x5a
#define OBJECTS_PER_CHUNK 64

enum object_state { OBJECT_FREE, OBJECT_LIVE };

struct slab_object {
	struct slab_object *next, *prev;	/* next alone when free */
	uint32_t magic;
	uint32_t serial;
	uint16_t cache;
	uint16_t state;
	uint32_t unused;
};

struct slab_chunk {
	struct slab_chunk *next;
	uint64_t unused;
};

/* What the observers know of an anon_vma; follows it in memory. */
struct anon_vma_notes {
	uint32_t epoch;				/* of the call that touched it last */
	uint32_t tree_epoch;			/* of the call that changed its tree last */
	uint32_t tree_nodes;
	uint32_t nr_marks;			/* valid if tree_epoch is the running call's */
	const struct anon_vma *parent;		/* as it was told last, and which one that was */
	uint32_t parent_serial;
	uint32_t unused;
	struct anon_vma_chain *marks[MARKS_MAX];
};

/* What is known of a VMA; follows it in memory. Used by the VMA layer: what of it was told last. */
struct vma_notes {
	uint64_t start, end, pgoff, anon_pgoff, kind;
	uint32_t mm;
	uint32_t anon_vma;			/* serial, or RMAP_NONE */
	bool attached, told_attached;
};

struct kmem_cache {
	const char *name;
	size_t size;				/* of the kernel's structure */
	size_t stride;				/* header and notes included */
	enum cache_id id;
	void (*ctor)(void *);
};

static struct kmem_cache kmem_caches[NR_CACHES];

static inline struct slab_object *object_of(const void *body)
{
	return (struct slab_object *)((char *)body - sizeof(struct slab_object));
}

static inline void *body_of(struct slab_object *object)
{
	return (char *)object + sizeof(struct slab_object);
}

static inline uint32_t serial_of(const void *body)
{
	return object_of(body)->serial;
}

static inline bool is_live(const void *body)
{
	return object_of(body)->state == OBJECT_LIVE;
}

static inline struct anon_vma_notes *notes_of(const void *anon_vma)
{
	return (struct anon_vma_notes *)((char *)anon_vma + kmem_caches[CACHE_ANON_VMA].size);
}

static inline struct vma_notes *vma_notes_of(const void *vma)
{
	return (struct vma_notes *)((char *)vma + kmem_caches[CACHE_VMA].size);
}

/* As from a new page: garbage, but for what the constructor sets. Whoever relies on zeroes is seen. */
static void slab_object_fresh(struct slab_object *object, struct kmem_cache *cache)
{
	memset(body_of(object), POISON_INUSE, cache->size);
	if (cache->ctor)
		cache->ctor(body_of(object));
}

static void slab_chunk_add(struct slab *slab, struct kmem_cache *cache)
{
	struct slab_chunk *chunk;
	char *at;

	chunk = aligned_alloc(64, (sizeof(*chunk) + OBJECTS_PER_CHUNK * cache->stride + 63) & ~(size_t)63);
	if (!chunk) {
		fprintf(stderr, "rmap-diff: out of memory\n");
		abort();
	}
	chunk->next = slab->chunks;
	slab->chunks = chunk;
	at = (char *)(chunk + 1);
	for (int i = OBJECTS_PER_CHUNK - 1; i >= 0; i--) {
		struct slab_object *object = (struct slab_object *)(at + i * cache->stride);

		*object = (struct slab_object) {
			.next = slab->free, .magic = SLAB_OBJECT_MAGIC, .cache = cache->id,
		};
		memset(body_of(object), 0, cache->stride - sizeof(*object));
		slab_object_fresh(object, cache);
		slab->free = object;
	}
}

/* Forgets what is live and makes every object available again. */
static void slab_reset(struct slab *slab, struct kmem_cache *cache)
{
	struct slab_object *object, *next;

	for (object = slab->live_first; object; object = next) {
		next = object->next;
		object->state = OBJECT_FREE;
		slab_object_fresh(object, cache);
		object->next = slab->free;
		slab->free = object;
	}
	for (object = slab->quarantine; object; object = next) {
		next = object->next;
		__asan_unpoison_memory_region(body_of(object), cache->size);
		slab_object_fresh(object, cache);
		object->next = slab->free;
		slab->free = object;
	}
	slab->quarantine = slab->live_first = slab->live_last = NULL;
	slab->nr_live = slab->next_serial = 0;
}

static void slab_destroy(struct slab *slab, struct kmem_cache *cache)
{
	struct slab_chunk *chunk, *next;

	slab_reset(slab, cache);
	for (chunk = slab->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
}

static inline bool fails(const struct rmap_fail *fail, uint32_t n)
{
	if (fail->from && n >= fail->from)
		return true;
	for (int i = 0; i < RMAP_FAIL_MAX && fail->list[i]; i++)
		if (fail->list[i] == n)
			return true;
	return false;
}

static inline bool attempt_fails(struct rmap_world *w)
{
	if (!fails(&w->fail, ++w->attempts))
		return false;
	w->injected++;
	return true;
}

#endif /* STUBS_SLAB_OBJECT_H */
