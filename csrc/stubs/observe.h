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
#include "stubs/hook.h"
#include "stubs/observers.h"
#include "stubs/rw_semaphore.h"
#include "stubs/slab_object.h"

static void touch(struct anon_vma *anon_vma)
{
	struct rmap_task *task = &current_world->task;
	struct anon_vma_notes *notes = notes_of(anon_vma);

	if (notes->epoch == current_world->epoch)
		return;
	notes->epoch = current_world->epoch;
	if (unlikely(task->nr_touched == task->max_touched))
		task->touched = grow(task->touched, &task->max_touched, task->nr_touched + 1,
				     sizeof(*task->touched));
	task->touched[task->nr_touched++] =
		(struct touched_anon_vma) { anon_vma, serial_of(anon_vma) };
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

static uint16_t anon_vma_holders(const struct anon_vma *anon_vma)
{
	return anon_vma->rwsem.tasks;
}

/*
 * A freed anon_vma was named: says so, unless it was still there when the read section of RCU began
 * in which that is. A thing that never was one ends the call as an oops does.
 */
static bool check_live(const struct anon_vma *anon_vma)
{
	const struct slab_object *object = object_of(anon_vma);

	if (likely(object->state == OBJECT_LIVE && object->magic == SLAB_OBJECT_MAGIC))
		return true;
	if (object->magic == SLAB_OBJECT_MAGIC && may_touch_freed(object->freed_at))
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

static void hook_count(enum rmap_point_kind kind, atomic_t *refcount)
{
	struct anon_vma *anon_vma = container_of(refcount, struct anon_vma, refcount);

	if (runs_beside_others() && is_observed(refcount))
		hook(kind, RMAP_POINT_OF_ANON_VMA, serial_of(anon_vma));
}

/* Whether a folio is mapped is asked by those who have no lock that keeps it so. */
static void hook_read(const atomic_t *count)
{
#ifdef RMAP_PAGES
	uint32_t frame;

	if (runs_beside_others() && !current_world->task.nr_spinlocks) {
		frame = page_layer_mapcount(count);
		if (frame)
			hook(RMAP_POINT_READ, RMAP_POINT_OF_FOLIO, frame);
	}
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

/* Whoever finds an anon_vma by a folio takes a reference if there is one, and gives it back. */
static void observe_found(atomic_t *refcount)
{
	if (runs_beside_others() && is_observed(refcount))
		notes_of(container_of(refcount, struct anon_vma, refcount))->found_by |= task_bit();
}

/* Who found no reference to take has looked at an anon_vma, too. */
static void observe_failed_get(atomic_t *refcount)
{
	if (is_observed(refcount))
		check_live(container_of(refcount, struct anon_vma, refcount));
}

static void observe_put(atomic_t *refcount)
{
	struct anon_vma *anon_vma = container_of(refcount, struct anon_vma, refcount);

	if (!is_observed(refcount))
		return;
	check_live(anon_vma);
	touch(anon_vma);
	record(RMAP_EVENT_PUT, 0, refcount->counter == 0, serial_of(anon_vma), 0);
	notes_of(anon_vma)->found_by &= ~task_bit();
	current_world->anon_vmas_unchecked = true;
	if (unlikely(refcount->counter < 0))
		broken_rule(RMAP_RULE_REF_UNDERFLOW, serial_of(anon_vma));
}

static void hold(struct rw_semaphore *sem)
{
	struct rmap_task *task = &current_world->task;

	if (task->nr_held < HELD_MAX)
		task->held[task->nr_held] = sem;
	task->nr_held++;
	sem->tasks |= task_bit();
}

static void release(struct rw_semaphore *sem)
{
	struct rmap_task *task = &current_world->task;
	uint32_t n = task->nr_held < HELD_MAX ? task->nr_held : HELD_MAX;

	for (uint32_t i = n; i-- > 0;)
		if (task->held[i] == sem) {
			memmove(&task->held[i], &task->held[i + 1],
				(n - i - 1) * sizeof(task->held[0]));
			break;
		}
	task->nr_held--;
	sem->tasks &= ~task_bit();
}

/* Whether another task has to release it first. */
static bool is_in_the_way(const struct rw_semaphore *sem, enum rmap_event_kind kind)
{
	return sem->writers || (kind == RMAP_EVENT_DOWN_WRITE && sem->readers);
}

static bool observe_lock(struct rw_semaphore *sem, enum rmap_event_kind kind)
{
	struct anon_vma *anon_vma = container_of(sem, struct anon_vma, rwsem);

	hook(RMAP_POINT_LOCK, RMAP_POINT_OF_ANON_VMA, serial_of(anon_vma));
	check_live(anon_vma);
	touch(anon_vma);
	if (unlikely(current_world->task.nr_spinlocks | current_world->task.rcu_depth))
		broken_rule(RMAP_RULE_SLEEP_IN_ATOMIC, RMAP_NONE);
	if (runs_beside_others() && !(sem->tasks & task_bit())) {
		wait_while(is_in_the_way(sem, kind), RMAP_POINT_OF_ANON_VMA, serial_of(anon_vma));
		check_live(anon_vma);
	} else if (unlikely(rwsem_is_locked(sem))) {
		broken_rule(RMAP_RULE_SELF_DEADLOCK, serial_of(anon_vma));
		return false;
	}
	record(kind, 0, 0, serial_of(anon_vma), 0);
	hold(sem);
	return true;
}

static void observe_unlock(struct rw_semaphore *sem, enum rmap_event_kind kind)
{
	struct anon_vma *anon_vma = container_of(sem, struct anon_vma, rwsem);
	bool held = kind == RMAP_EVENT_UP_WRITE ? sem->writers : sem->readers;

	hook(RMAP_POINT_UNLOCK, RMAP_POINT_OF_ANON_VMA, serial_of(anon_vma));
	check_live(anon_vma);
	if (unlikely(!held || !(sem->tasks & task_bit()))) {
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, serial_of(anon_vma));
		return;
	}
	if (kind == RMAP_EVENT_UP_WRITE)
		sem->writers--;
	else
		sem->readers--;
	current_world->anon_vmas_unchecked |= kind == RMAP_EVENT_UP_WRITE;
	release(sem);
	record(kind, 0, 0, serial_of(anon_vma), 0);
}

static bool observe_trylock(struct rw_semaphore *sem, bool write)
{
	struct anon_vma *anon_vma = container_of(sem, struct anon_vma, rwsem);
	bool taken;

	hook(RMAP_POINT_TRYLOCK, RMAP_POINT_OF_ANON_VMA, serial_of(anon_vma));
	taken = !current_world->task.contended &&
		(write ? !rwsem_is_locked(sem) : !sem->writers);
	check_live(anon_vma);
	touch(anon_vma);
	record(RMAP_EVENT_TRYLOCK, write, taken, serial_of(anon_vma), 0);
	if (!taken)
		return false;
	if (write)
		sem->writers++;
	else
		sem->readers++;
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
