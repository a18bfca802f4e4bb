/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The observers that know struct anon_vma: which anon_vma a lock or a count belongs to, which
 * anon_vmas a call touched, and where its trees changed.
 */
#ifndef STUBS_OBSERVE_H
#define STUBS_OBSERVE_H

#include <linux/atomic.h>
#include <linux/rbtree.h>
#include <linux/rmap.h>
#include "stubs/observers.h"
#include "stubs/rw_semaphore.h"
#include "stubs/slab_object.h"

static void touch(struct anon_vma *anon_vma)
{
	struct rmap_world *w = current_world;
	struct anon_vma_notes *notes = notes_of(anon_vma);

	if (notes->epoch == w->epoch)
		return;
	notes->epoch = w->epoch;
	if (unlikely(w->nr_touched == w->max_touched))
		w->touched =
			grow(w->touched, &w->max_touched, w->nr_touched + 1, sizeof(*w->touched));
	w->touched[w->nr_touched++] = (struct touched_anon_vma) { anon_vma, serial_of(anon_vma) };
}

static void anon_vma_allocated(struct anon_vma *anon_vma)
{
	*notes_of(anon_vma) = (struct anon_vma_notes) { 0 };
	touch(anon_vma);
}

static bool anon_vma_is_locked(const struct anon_vma *anon_vma)
{
	return anon_vma->rwsem.writers || anon_vma->rwsem.readers;
}

/* A freed anon_vma was named: says so. A thing that never was one ends the call as an oops does. */
static bool check_live(const struct anon_vma *anon_vma)
{
	const struct slab_object *object = object_of(anon_vma);

	if (likely(object->state == OBJECT_LIVE && object->magic == SLAB_OBJECT_MAGIC))
		return true;
	broken_rule(RMAP_RULE_USE_AFTER_FREE,
		    object->magic == SLAB_OBJECT_MAGIC ? object->serial : RMAP_NONE);
	return false;
}

/* Whether a count is an anon_vma's. The page-table code counts pages and mms, too. */
static bool is_observed(const atomic_t *count)
{
#ifdef RMAP_PAGES
	return !page_layer_has(count);
#else
	return true;
#endif
}

static void observe_get(atomic_t *refcount)
{
	struct anon_vma *anon_vma = container_of(refcount, struct anon_vma, refcount);

	if (!is_observed(refcount))
		return;
	check_live(anon_vma);
	touch(anon_vma);
	record(RMAP_EVENT_GET, 0, 0, serial_of(anon_vma), 0);
}

static void observe_put(atomic_t *refcount)
{
	struct anon_vma *anon_vma = container_of(refcount, struct anon_vma, refcount);

	if (!is_observed(refcount))
		return;
	check_live(anon_vma);
	touch(anon_vma);
	record(RMAP_EVENT_PUT, 0, refcount->counter == 0, serial_of(anon_vma), 0);
	if (unlikely(refcount->counter < 0))
		broken_rule(RMAP_RULE_REF_UNDERFLOW, serial_of(anon_vma));
}

static void hold(struct rw_semaphore *sem)
{
	struct rmap_world *w = current_world;

	if (w->nr_held < HELD_MAX)
		w->held[w->nr_held] = sem;
	w->nr_held++;
}

static void release(struct rw_semaphore *sem)
{
	struct rmap_world *w = current_world;
	uint32_t n = w->nr_held < HELD_MAX ? w->nr_held : HELD_MAX;

	for (uint32_t i = n; i-- > 0;)
		if (w->held[i] == sem) {
			memmove(&w->held[i], &w->held[i + 1], (n - i - 1) * sizeof(w->held[0]));
			break;
		}
	w->nr_held--;
}

static bool observe_lock(struct rw_semaphore *sem, enum rmap_event_kind kind)
{
	struct anon_vma *anon_vma = container_of(sem, struct anon_vma, rwsem);

	check_live(anon_vma);
	touch(anon_vma);
	if (unlikely(rwsem_is_locked(sem))) {
		broken_rule(RMAP_RULE_SELF_DEADLOCK, serial_of(anon_vma));
		return false;
	}
	if (unlikely(current_world->nr_spinlocks | current_world->rcu_depth))
		broken_rule(RMAP_RULE_SLEEP_IN_ATOMIC, RMAP_NONE);
	record(kind, 0, 0, serial_of(anon_vma), 0);
	hold(sem);
	return true;
}

static void observe_unlock(struct rw_semaphore *sem, enum rmap_event_kind kind)
{
	struct anon_vma *anon_vma = container_of(sem, struct anon_vma, rwsem);
	uint32_t *count = kind == RMAP_EVENT_UP_WRITE ? &sem->writers : &sem->readers;

	check_live(anon_vma);
	if (unlikely(!*count)) {
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, serial_of(anon_vma));
		return;
	}
	--*count;
	release(sem);
	record(kind, 0, 0, serial_of(anon_vma), 0);
}

static bool observe_trylock(struct rw_semaphore *sem, bool write)
{
	struct anon_vma *anon_vma = container_of(sem, struct anon_vma, rwsem);
	bool taken = !current_world->contended && (write ? !rwsem_is_locked(sem) : !sem->writers);

	check_live(anon_vma);
	touch(anon_vma);
	record(RMAP_EVENT_TRYLOCK, write, taken, serial_of(anon_vma), 0);
	if (!taken)
		return false;
	++*(write ? &sem->writers : &sem->readers);
	hold(sem);
	return true;
}

static void mark(struct anon_vma_notes *notes, struct anon_vma_chain *avc)
{
	for (uint32_t i = 0; i < notes->nr_marks; i++)
		if (notes->marks[i] == avc)
			return;
	if (notes->nr_marks < RMAP_MARKS_MAX)
		notes->marks[notes->nr_marks++] = avc;
}

static struct anon_vma_notes *observe_tree_change(struct anon_vma *anon_vma)
{
	struct anon_vma_notes *notes = notes_of(anon_vma);

	check_live(anon_vma);
	touch(anon_vma);
	if (notes->tree_epoch != current_world->epoch) {
		notes->tree_epoch = current_world->epoch;
		notes->nr_marks = 0;
	}
	if (unlikely(!anon_vma->root->rwsem.writers))
		broken_rule(RMAP_RULE_TREE_UNLOCKED, serial_of(anon_vma));
	return notes;
}

static void observe_tree_insert(struct anon_vma_chain *avc, struct anon_vma *anon_vma)
{
	struct anon_vma_notes *notes;

	record(RMAP_EVENT_TREE_INSERT, 0, 0, serial_of(anon_vma), serial_of(avc));
	notes = observe_tree_change(anon_vma);
	notes->tree_nodes++;
	mark(notes, avc);
}

static void observe_tree_remove(struct anon_vma_chain *avc, struct anon_vma *anon_vma)
{
	struct rb_node *neighbours[2];
	struct anon_vma_notes *notes;

	record(RMAP_EVENT_TREE_REMOVE, 0, 0, serial_of(anon_vma), serial_of(avc));
	notes = observe_tree_change(anon_vma);
	notes->tree_nodes--;
	for (uint32_t i = 0; i < notes->nr_marks; i++)
		if (notes->marks[i] == avc) {
			memmove(&notes->marks[i], &notes->marks[i + 1],
				(--notes->nr_marks - i) * sizeof(notes->marks[0]));
			break;
		}
	neighbours[0] = rb_prev(&avc->rb);
	neighbours[1] = rb_next(&avc->rb);
	for (int i = 0; i < 2; i++)
		if (neighbours[i])
			mark(notes, rb_entry(neighbours[i], struct anon_vma_chain, rb));
}

#ifdef RMAP_UPDATE_TOLD_OFFSET
/* The entries of a VMA stay in their trees, and the augmented values change. */
static void observe_tree_update(struct vm_area_struct *vma)
{
	struct anon_vma_chain *avc;

	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma) {
		record(RMAP_EVENT_TREE_UPDATE, 0, 0, serial_of(avc->anon_vma), serial_of(avc));
		mark(observe_tree_change(avc->anon_vma), avc);
	}
}
#endif

static void observe_enter(enum rmap_function function, struct vm_area_struct *vma,
			  struct vm_area_struct *other)
{
	uint16_t flags = (vma->anon_vma ? RMAP_ENTER_HAS_ANON_VMA : 0) |
			 (list_empty(&vma->anon_vma_chain) ? 0 : RMAP_ENTER_HAS_CHAIN);

	record(RMAP_EVENT_ENTER, function, flags, serial_of(vma),
	       other ? serial_of(other) : RMAP_NONE);
}

static int observe_exit(enum rmap_function function, struct vm_area_struct *vma, int result)
{
	record(RMAP_EVENT_EXIT, function, result < 0 ? -result : 0, serial_of(vma), 0);
	return result;
}

#endif /* STUBS_OBSERVE_H */
