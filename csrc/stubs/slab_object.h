/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The slab. Observes: every attempt (and whether it is to fail), every free, double and foreign
 * frees, sleeping where sleeping is forbidden, an anon_vma freed while its lock is held.
 *
 * An object is, for an anon_vma and a VMA, our notes on it, then a header of ours, then the
 * kernel's structure: its body. Notes and headers stay readable until the world is destroyed.
 *
 * Bodies lie in an arena with their headers. Under AddressSanitizer, where freed objects are never
 * reused before the reset, each comes from malloc() and goes back with free() instead: an access
 * beyond an object or after its end is reported with where it was allocated and freed. A header is
 * then found from its body by address. Of several tasks an anon_vma is given out again after all,
 * see slab_free(). Until then its body is poisoned for whoever may not read it.
 */
#ifndef STUBS_SLAB_OBJECT_H
#define STUBS_SLAB_OBJECT_H

#include "stubs/world.h"

#ifdef STUBS_ASAN
#include <sanitizer/asan_interface.h>
#endif

#define SLAB_OBJECT_MAGIC 0x6f626a21u
#define POISON_FREE 0x6b
#define POISON_INUSE 0x5a
#define OBJECTS_PER_CHUNK 64

enum object_state { OBJECT_FREE, OBJECT_LIVE };

struct slab_object {
	struct slab_object *next, *prev;	/* next alone when free */
#ifdef STUBS_ASAN
	void *body;				/* NULL once given back */
	uint64_t unused_too;
#endif
	uint32_t magic;
	uint32_t serial;
	uint16_t cache;
	uint16_t state;
	uint32_t freed_at;			/* as the world counts frees */
};

struct slab_chunk {
	struct slab_chunk *next;
	uint64_t unused;
};

/* Who uses an anon_vma, counted where tasks may be switched. */
struct counted_users {
	uint32_t children;
	uint32_t below;				/* of a root: anon_vmas that have it */
	uint32_t active;			/* VMAs whose anon_vma it is */
	uint32_t maybe_active;			/* of calls that have not ended */
};

/* What the observers know of an anon_vma. */
struct anon_vma_notes {
	uint32_t epoch;				/* of the call that touched it last */
	uint32_t tree_epoch;			/* of the call that changed its tree last */
	uint32_t tree_nodes;
	uint32_t nr_marks;			/* valid if tree_epoch is the running call's */
	const struct anon_vma *parent;		/* as it was told last, and which one that was */
	uint32_t parent_serial;
	uint16_t found_by;			/* tasks with a reference that a folio led to */
	uint16_t unused;
	struct counted_users counted;
	struct anon_vma_chain *marks[RMAP_MARKS_MAX];
};

/* What is known of a VMA. Used by the VMA layer: what of it was told last. */
struct vma_notes {
	uint64_t start, end, pgoff, anon_pgoff;
	uint64_t kind;				/* as told: what follows from the next two */
	unsigned long flags;
	const struct file *file;
	uint32_t mm;
	uint32_t anon_vma;			/* serial, or RMAP_NONE */
	bool attached, told_attached;
	bool detached;				/* for readers; until 6.14 once it was attached */
	uint16_t readers;			/* tasks that hold its lock, a bit each */
	uint32_t written;			/* the writer's cycle of its mm, from 1; 0: none */
	uint32_t written_by;			/* the operation, as the world counts them */
	uint32_t found_since;			/* likewise: others find it; or 0 */
	struct slab_object *next_of_mm, *prev_of_mm;	/* by serial, of the mm that was told */
};

struct kmem_cache {
	const char *name;
	size_t size;				/* of the kernel's structure */
	size_t notes_size;
	size_t stride;				/* from header to header */
	enum rmap_cache id;
	bool freed_by_rcu;			/* used again after a grace period */
	void (*ctor)(void *);
};

static struct kmem_cache kmem_caches[NR_CACHES];

#ifdef STUBS_ASAN

/* Stands for the header of what never was an object. */
static _Thread_local struct {
	char notes[256];
	struct slab_object object;
} no_object;

static inline uint32_t body_slot(const struct rmap_world *w, const void *body)
{
	return ((uintptr_t)body >> 4) * 0x9e3779b97f4a7c15u >> 32 & (w->max_bodies - 1);
}

/* The object that has, or had last, its body there. */
static struct slab_object *object_of(const void *body)
{
	struct rmap_world *w = current_world;

	for (uint32_t i = w->max_bodies ? body_slot(w, body) : 0; w->max_bodies;
	     i = (i + 1) & (w->max_bodies - 1)) {
		if (w->bodies[i].body == body)
			return w->bodies[i].object;
		if (!w->bodies[i].body)
			break;
	}
	no_object.object = (struct slab_object) { .serial = RMAP_NONE };
	return &no_object.object;
}

static inline void *body_of(struct slab_object *object)
{
	return object->body;
}

static void bodies_put(struct rmap_world *w, struct slab_body entry)
{
	uint32_t i = body_slot(w, entry.body);

	while (w->bodies[i].body && w->bodies[i].body != entry.body)
		i = (i + 1) & (w->max_bodies - 1);
	w->nr_bodies += !w->bodies[i].body;
	w->bodies[i] = entry;
}

static void bodies_grow(struct rmap_world *w)
{
	struct slab_body *old = w->bodies;
	uint32_t max_old = w->max_bodies;

	w->max_bodies = max_old ? 2 * max_old : 256;
	w->bodies = calloc(w->max_bodies, sizeof(*w->bodies));
	if (!w->bodies)
		out_of_memory();
	w->nr_bodies = 0;
	for (uint32_t i = 0; i < max_old; i++)
		if (old[i].body)
			bodies_put(w, old[i]);
	free(old);
}

static void bodies_clear(struct rmap_world *w)
{
	if (w->nr_bodies)
		memset(w->bodies, 0, w->max_bodies * sizeof(*w->bodies));
	w->nr_bodies = 0;
}

static void slab_body_take(struct slab_object *object, size_t size)
{
	struct rmap_world *w = current_world;

	if (2 * (w->nr_bodies + 1) > w->max_bodies)
		bodies_grow(w);
	object->body = malloc(size);
	if (!object->body)
		out_of_memory();
	bodies_put(w, (struct slab_body) { object->body, object });
}

/* Whether AddressSanitizer is to tolerate that the body of a freed object is read. */
static inline void slab_body_open(const struct slab_object *object, size_t size, bool open)
{
	if (open)
		__asan_unpoison_memory_region(object->body, size);
	else
		__asan_poison_memory_region(object->body, size);
}

/* Which object it was stays known until the reset. */
static void slab_body_give(struct slab_object *object)
{
	free(object->body);
	object->body = NULL;
}

#else

static inline struct slab_object *object_of(const void *body)
{
	return (struct slab_object *)((char *)body - sizeof(struct slab_object));
}

static inline void *body_of(struct slab_object *object)
{
	return (char *)object + sizeof(struct slab_object);
}

static inline void slab_body_open(const struct slab_object *object, size_t size, bool open)
{
}

static void bodies_clear(struct rmap_world *w)
{
}

#endif

/* Whether freed objects are kept until the reset. */
static inline bool slab_keeps_freed(void)
{
#ifdef STUBS_ASAN
	return true;
#else
	return current_world->slab_mode == RMAP_SLAB_POISON;
#endif
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
	return (struct anon_vma_notes *)object_of(anon_vma) - 1;
}

static inline struct vma_notes *vma_notes_of(const void *vma)
{
	return (struct vma_notes *)object_of(vma) - 1;
}

/*
 * As from a new page: garbage, except for what the constructor sets. Whoever relies on zeroes
 * is seen.
 */
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

	chunk = aligned_alloc(64, (sizeof(*chunk) + OBJECTS_PER_CHUNK * cache->stride + 63) &
				  ~(size_t)63);
	if (!chunk)
		out_of_memory();
	chunk->next = slab->chunks;
	slab->chunks = chunk;
	at = (char *)(chunk + 1);
	memset(at, 0, OBJECTS_PER_CHUNK * cache->stride);
	for (int i = OBJECTS_PER_CHUNK - 1; i >= 0; i--) {
		struct slab_object *object = (void *)(at + i * cache->stride + cache->notes_size);

		*object = (struct slab_object) {
			.next = slab->free, .magic = SLAB_OBJECT_MAGIC, .cache = cache->id,
		};
#ifndef STUBS_ASAN
		slab_object_fresh(object, cache);
#endif
		slab->free = object;
	}
}

/* Makes the objects of a list available again, as new. */
static void slab_renew(struct slab *slab, struct kmem_cache *cache, struct slab_object *list)
{
	struct slab_object *object, *next;

	for (object = list; object; object = next) {
		next = object->next;
		object->state = OBJECT_FREE;
#ifdef STUBS_ASAN
		slab_body_give(object);
#else
		slab_object_fresh(object, cache);
#endif
		object->next = slab->free;
		slab->free = object;
	}
}

/* Makes what is free as new. */
static void slab_renew_free(struct slab *slab, struct kmem_cache *cache)
{
#ifndef STUBS_ASAN
	struct slab_object *list = slab->free;

	slab->free = NULL;
	slab_renew(slab, cache, list);
#endif
}

/* Forgets what is live and makes every object available again. */
static void slab_reset(struct slab *slab, struct kmem_cache *cache)
{
	slab_renew(slab, cache, slab->live_first);
	slab_renew(slab, cache, slab->quarantine);
	slab_renew(slab, cache, slab->resting);
	slab_renew(slab, cache, slab->readable);
	slab->quarantine = slab->resting = slab->readable = NULL;
	slab->live_first = slab->live_last = NULL;
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
	if (!fails(&w->task.fail, ++w->task.attempts))
		return false;
	w->task.injected++;
	return true;
}

#endif /* STUBS_SLAB_OBJECT_H */
