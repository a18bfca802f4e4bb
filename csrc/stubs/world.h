/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A world: everything that one side owns. No stub keeps state anywhere else, so that several
 * worlds never share any by accident. What of it belongs to the running task is apart.
 *
 * The world of the running call is found through the thread-local current_world, which the
 * functions of the exported table set on entry.
 */
#ifndef STUBS_WORLD_H
#define STUBS_WORLD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rmap_abi.h"
#ifdef RMAP_ACCESSES
#include "accesses.h"
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STUBS_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define STUBS_ASAN 1
#endif

#define HELD_MAX 8
#define EVENTS_MAX (1u << 20)	/* a call that does more is caught in a loop */

enum { NR_CACHES = RMAP_CACHE_AVC + 1 };

struct slab_object;
struct rcu_head;
struct maple_slab;
struct file;
struct vm_area_struct;
struct anon_vma;
struct rw_semaphore;
struct mm_struct;
struct folio_slot;
struct page_layer;
struct suspended_task;

/* One cache of one world: its objects live in birth order, and its freed ones. */
struct slab {
	struct slab_object *live_first, *live_last;
	struct slab_object *free;	/* for the next allocations */
	struct slab_object *quarantine;	/* freed, kept until the reset */
	struct slab_object *resting;	/* freed, and to be kept when the tasks have ended */
	struct slab_object *readable;	/* freed by RCU while tasks run */
	struct slab_chunk *chunks;
	uint32_t nr_live;
	uint32_t next_serial;
};

/* The live VMAs of an mm, as it was told last: by serial. */
struct vmas_of_mm {
	struct slab_object *first, *last;
};

/* Which object's body is, or was last, at an address. */
struct slab_body {
	const void *body;
	struct slab_object *object;
};

/* An anon_vma met in the running call: where, and under which serial. */
struct touched_anon_vma {
	struct anon_vma *anon_vma;
	uint32_t serial;
};

#ifdef RMAP_PAGES
/* What the page layer knows of a task. */
struct page_task {
	struct rmap_fail fail;			/* of this operation */
	uint32_t attempts, injected;		/* of this operation */
	uint32_t told_first, told_count;	/* pages of the folio of this call */
	bool splitting;				/* a folio */
	bool walking;				/* through a folio's mappings */
	const struct folio *walked;		/* which */
	struct rmap_folio_found found;		/* when a page table was locked last */
	const struct vm_area_struct *visited;	/* the VMA that the walk came to last */
	int notifiers_open;			/* starts of MMU notifiers without their ends */
	unsigned long watched;			/* MMU notifiers are to be told of it */
	bool watched_told;			/* they were */
	uint32_t device_tries;			/* of GUP, for the page that a device gets */
	uint64_t put_off;			/* mms whose flush was put off */
	uint32_t nr_vmas_read;			/* locks of VMAs that it holds for reading */
	uint32_t nr_files;			/* locks of files' VMAs that it holds */
	unsigned long orders;			/* of folios that its fault may choose */
	struct anon_vma *kept_anon_vma;		/* until the folio is mapped again that migrates */
	bool migrates_mapped;			/* that was mapped when it began */
};
#endif

/* What a task has for itself: the operation that it does, and the call that it is in. */
struct rmap_task {
	uint32_t number;			/* of several, from 1; 0: there is one */
	struct rmap_fail fail;			/* of this operation */
	uint32_t attempts;			/* of this operation */
	uint32_t injected;			/* of them, how many failed */

	struct rmap_event *events;		/* of this call */
	uint32_t nr_events, max_events;

	struct rw_semaphore *held[HELD_MAX];	/* anon_vma rwsems, in order of taking */
	uint32_t nr_held;
	uint32_t nr_spinlocks;
	uint32_t rcu_depth;
	uint32_t rcu_since;			/* frees of the world when that began */
	bool updating;				/* between the halves of a VMA's update */

	bool bookkeeping;			/* this call changes no anon_vma */
	struct vm_area_struct *given[3];	/* VMAs of this call */
	uint32_t nr_given;
	struct touched_anon_vma *touched;
	uint32_t nr_touched, max_touched;
	uint32_t told_folio;			/* of this call, or RMAP_NONE */
	bool contended;				/* another task holds the lock that is tried */

	/* What the VMA iterator of this call finds. */
	struct vm_area_struct *iterator_vma, *iterator_prev, *iterator_next;

	/* The VMA layer's. */
	rmap_watcher watcher;
	void *watcher_context;
	struct rmap_call outermost;		/* the running call */
	uint32_t depth;				/* of calls within it */
	struct rmap_fail node_fail;		/* of this operation */
	uint32_t node_attempts, nodes_injected;
#ifdef RMAP_PAGES
	struct page_task pages;
#endif
	bool followed;				/* of several tasks: calls are told */
#ifdef RMAP_ACCESSES
	struct rmap_accesses accesses;
#endif
	rmap_scheduler scheduler;		/* NULL: it is the only task */
	void *scheduler_context;

	sigjmp_buf escape;			/* where BUG and oops end the call */
	volatile bool in_call;
};

/* The buffers of a task, which stay when it ends. */
struct task_buffers {
	struct rmap_event *events;
	uint32_t max_events;
	struct touched_anon_vma *touched;
	uint32_t max_touched;
};

struct rmap_world {
	struct rmap_task task;			/* the one that runs */
	struct rmap_task *resting;		/* the one that ran before several did; or NULL */
	struct suspended_task *suspended;	/* RMAP_MAX_TASKS of them */
	uint32_t running;			/* whose `task` is, from 1; 0: nobody's */
	struct task_buffers buffers[RMAP_MAX_TASKS];
	uint32_t frees;				/* of objects since the reset */
	uint32_t operations;			/* since it was made, from 1 */
	uint32_t unwatched;			/* the last that nobody watched, or 0 */
	uint16_t in_rcu;			/* tasks in a read section, a bit each */
	bool mapped_unchecked;			/* an anon_vma is gone, or a folio was mapped */
	bool anon_vmas_unchecked;		/* see pages/settled.h */
	uint32_t slab_mode;
	struct slab slabs[NR_CACHES];
	struct slab_body *bodies; /* under AddressSanitizer: a hash table by address */
	uint32_t nr_bodies, max_bodies;
	struct mm_struct *mms;			/* RMAP_MAX_PROCESSES of them */

	uint32_t epoch;				/* of the call: stamps what it touched */

	struct vm_area_struct **vmas;		/* by serial; NULL once freed */
	uint32_t max_vmas;
	struct folio_slot *folios;		/* by the caller's number */
	uint32_t nr_folios, max_folios;
	struct touched_anon_vma *pins;		/* references that folio_get_anon_vma() gave */
	uint32_t nr_pins, max_pins;

	/* The VMA layer's. */
	struct vmas_of_mm vmas_of[RMAP_MAX_PROCESSES];
	uint16_t written_mms;			/* whose VMAs may have been written, a bit each */
	bool all_written;			/* those of every mm */
	struct maple_slab *nodes;
	struct file *files;
	struct page_layer *pages;		/* of the page-table code */
	struct rcu_head *rcu_queue;		/* to be freed at the end of the operation */

	uint64_t *words;			/* a state stream */
	uint32_t nr_words, max_words;

	char warning[256];
};

static _Thread_local struct rmap_world *current_world;

/* The host's trouble. */
static _Noreturn void out_of_memory(void)
{
	fprintf(stderr, "rmap-diff: out of memory\n");
	abort();
}

/* Doubles a buffer until it holds need elements. */
static void *grow(void *buffer, uint32_t *max, uint32_t need, size_t size)
{
	uint32_t n = *max ? *max : 64;

	if (need <= *max)
		return buffer;
	while (n < need)
		n *= 2;
	buffer = realloc(buffer, n * size);
	if (!buffer)
		out_of_memory();
	*max = n;
	return buffer;
}

static inline void record(enum rmap_event_kind kind, uint8_t arg, uint16_t flags, uint32_t object,
			  uint32_t other)
{
	struct rmap_world *w = current_world;
	struct rmap_task *task = &w->task;

	if (__builtin_expect(task->nr_events == EVENTS_MAX, 0)) {
		snprintf(w->warning, sizeof(w->warning), "endless loop: %u events in one call",
			 EVENTS_MAX);
		siglongjmp(task->escape, 2);
	}
	if (__builtin_expect(task->nr_events == task->max_events, 0))
		task->events = grow(task->events, &task->max_events, task->nr_events + 1,
				    sizeof(*task->events));
	task->events[task->nr_events++] = (struct rmap_event) { kind, arg, flags, object, other };
}

static void broken_rule(enum rmap_rule rule, uint32_t object)
{
	record(RMAP_EVENT_RULE, rule, 0, object, 0);
}

/* Inlined by request: it is called for every word of a state. */
static inline __attribute__((__always_inline__)) void put_word(uint64_t word)
{
	struct rmap_world *w = current_world;

	if (__builtin_expect(w->nr_words == w->max_words, 0))
		w->words = grow(w->words, &w->max_words, w->nr_words + 1, sizeof(*w->words));
	w->words[w->nr_words++] = word;
}

/* Several at once, which were all read before. */
static inline __attribute__((__always_inline__)) void put_words(const uint64_t *words,
								uint32_t count)
{
	struct rmap_world *w = current_world;
	uint64_t *at;

	if (__builtin_expect(w->nr_words + count > w->max_words, 0))
		w->words = grow(w->words, &w->max_words, w->nr_words + count, sizeof(*w->words));
	at = w->words + w->nr_words;
	/* No call of memcpy() for a few words. */
#pragma GCC unroll 16
	for (uint32_t i = 0; i < count; i++)
		at[i] = words[i];
	w->nr_words += count;
}

#define PUT_WORDS(...)                                                              \
	do {                                                                        \
		const uint64_t all_words[] = { __VA_ARGS__ };                       \
										    \
		put_words(all_words, sizeof(all_words) / sizeof(all_words[0]));     \
	} while (0)

/* Ends the call: BUG, a wild pointer, a freed object. Never returns. */
static _Noreturn void escape_call(void)
{
	siglongjmp(current_world->task.escape, 1);
}

/* A call as the interface has it: CALL(ANON_VMA_FORK, anon_vma_fork, its arguments in order). */
#define CALL(kind_name, member, ...) \
	((struct rmap_call) { .kind = RMAP_##kind_name, .arguments.member = { __VA_ARGS__ } })

#endif /* STUBS_WORLD_H */
