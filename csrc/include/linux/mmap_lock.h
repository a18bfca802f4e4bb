/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing. The mmap lock: rules that it is held where the cut code says so; with the
 * VMA layer, which takes it, the other side hears of it too. Whether a VMA is in its mm's tree,
 * which the kernel knows by the per-VMA lock, is noted beside the VMA. Of several tasks a fault has
 * that lock for reading, and a writer until the mmap lock is given back.
 */
#ifndef _LINUX_MMAP_LOCK_H
#define _LINUX_MMAP_LOCK_H

#include <linux/array_size.h>
#include <linux/bug.h>
#include <linux/mm_types.h>
#include "stubs/hook.h"
#include "stubs/slab_object.h"
#include "vma/watch.h"

/* --- Custom --- */

/* Whether it is held, and of several tasks by this one. */
static inline bool mmap_is_held(const struct mm_struct *mm)
{
	return mm->mmap_lock != MMAP_UNLOCKED &&
	       (!runs_beside_others() || mm->mmap_tasks & task_bit());
}

static inline void mmap_assert_locked(const struct mm_struct *mm)
{
	if (!mmap_is_held(mm))
		broken_rule(RMAP_RULE_MMAP_LOCK_NOT_HELD, mm->id);
}

static inline void mmap_assert_write_locked(const struct mm_struct *mm)
{
	if (mm->mmap_lock != MMAP_WRITE_LOCKED || !mmap_is_held(mm))
		broken_rule(RMAP_RULE_MMAP_LOCK_NOT_HELD, mm->id);
}

static inline bool vma_is_attached(struct vm_area_struct *vma)
{
#ifdef RMAP_VMA_LAYER
	return vma_notes_of(vma)->attached;
#else
	return vma->attached;
#endif
}

#ifdef RMAP_VMA_LAYER

/* Its VMAs are looked at when the operation ends. */
static inline void may_write_vmas_of(const struct mm_struct *mm)
{
	current_world->written_mms |= 1u << (mm->id % RMAP_MAX_PROCESSES);
}

static inline void mmap_lock_taken(struct mm_struct *mm, enum mmap_lock_state state,
				   enum rmap_call_kind kind)
{
	layer_mmap_lock(kind, mm);
	may_write_vmas_of(mm);
	mm->mmap_lock = state;
	mm->mmap_tasks |= task_bit();
}

/* One task alone cannot wait for itself. Of several, each waits for the others. */
static inline void mmap_lock_take(struct mm_struct *mm, enum mmap_lock_state state,
				  enum rmap_call_kind kind)
{
	hook(RMAP_POINT_LOCK, RMAP_POINT_OF_MMAP, mm->id);
	may_wait();
	lock_order(RMAP_POINT_OF_MMAP);
	if (runs_beside_others())
		wait_while(mm->mmap_lock == MMAP_WRITE_LOCKED ||
				   (mm->mmap_lock == MMAP_READ_LOCKED &&
				    (state == MMAP_WRITE_LOCKED || mm->mmap_tasks & task_bit())),
			   RMAP_POINT_OF_MMAP, mm->id);
	else if (mm->mmap_lock != MMAP_UNLOCKED)
		broken_rule(RMAP_RULE_SELF_DEADLOCK, mm->id);
	mmap_lock_taken(mm, state, kind);
}

static inline void mmap_lock_give(struct mm_struct *mm, enum mmap_lock_state state)
{
	hook(RMAP_POINT_UNLOCK, RMAP_POINT_OF_MMAP, mm->id);
	if (mm->mmap_lock != state || !(mm->mmap_tasks & task_bit()))
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, mm->id);
	layer_mmap_lock(RMAP_MMAP_UNLOCK, mm);
	mm->write_cycles += state == MMAP_WRITE_LOCKED;
	current_world->anon_vmas_unchecked |= state == MMAP_WRITE_LOCKED;
	mm->mmap_tasks &= ~task_bit();
	if (!mm->mmap_tasks)
		mm->mmap_lock = MMAP_UNLOCKED;
}

static inline void mmap_write_lock(struct mm_struct *mm)
{
	mmap_lock_take(mm, MMAP_WRITE_LOCKED, RMAP_MMAP_WRITE_LOCK);
}

static inline int mmap_write_lock_killable(struct mm_struct *mm)
{
	mmap_write_lock(mm);
	return 0;
}

static inline void mmap_write_lock_nested(struct mm_struct *mm, int subclass)
{
	mmap_write_lock(mm);
}

static inline void mmap_write_unlock(struct mm_struct *mm)
{
	mmap_lock_give(mm, MMAP_WRITE_LOCKED);
}

static inline void mmap_read_lock(struct mm_struct *mm)
{
	mmap_lock_take(mm, MMAP_READ_LOCKED, RMAP_MMAP_READ_LOCK);
}

static inline void mmap_read_unlock(struct mm_struct *mm)
{
	mmap_lock_give(mm, MMAP_READ_LOCKED);
}

static inline void mmap_write_downgrade(struct mm_struct *mm)
{
	hook(RMAP_POINT_UNLOCK, RMAP_POINT_OF_MMAP, mm->id);
	if (mm->mmap_lock != MMAP_WRITE_LOCKED || !(mm->mmap_tasks & task_bit()))
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, mm->id);
	layer_mmap_lock(RMAP_MMAP_READ_LOCK, mm);
	mm->write_cycles++;
	current_world->anon_vmas_unchecked = true;
	mm->mmap_lock = MMAP_READ_LOCKED;
}

static inline bool vma_is_write_locked(const struct vm_area_struct *vma)
{
	return vma_notes_of(vma)->written == vma->vm_mm->write_cycles + 1;
}

static inline void vma_is_written(struct vm_area_struct *vma)
{
	struct vma_notes *notes = vma_notes_of(vma);

	notes->written = vma->vm_mm->write_cycles + 1;
	notes->written_by = current_world->operations;
}

/* Its readers leave, and none comes before the mmap lock is given back. */
static inline void vma_start_write(struct vm_area_struct *vma)
{
	struct vma_notes *notes = vma_notes_of(vma);

	if (vma_is_write_locked(vma))
		return;
	check_vma_unchanged(vma);
	hook(RMAP_POINT_LOCK, RMAP_POINT_OF_VMA, serial_of(vma));
	may_wait();
	lock_order(RMAP_POINT_OF_VMA);
	mmap_assert_write_locked(vma->vm_mm);
	if (notes->readers & task_bit())
		broken_rule(RMAP_RULE_SELF_DEADLOCK, serial_of(vma));
	else if (runs_beside_others())
		wait_while(notes->readers, RMAP_POINT_OF_VMA, serial_of(vma));
	else if (notes->readers)
		broken_rule(RMAP_RULE_SELF_DEADLOCK, serial_of(vma));
	vma_is_written(vma);
}

static inline int vma_start_write_killable(struct vm_area_struct *vma)
{
	vma_start_write(vma);
	return 0;
}

/*
 * Whether this task has it for reading: not one that is not in the tree of that mm, or that is
 * being written. The VMA may have been freed since it was found.
 */
static inline bool vma_start_read(struct mm_struct *mm, struct vm_area_struct *vma)
{
	struct vma_notes *notes = vma_notes_of(vma);

	hook(RMAP_POINT_TRYLOCK, RMAP_POINT_OF_VMA, serial_of(vma));
	if (!is_live(vma) || notes->detached || vma->vm_mm != mm || vma_is_write_locked(vma))
		return false;
	notes->readers |= task_bit();
#ifdef RMAP_PAGES
	current_world->task.pages.nr_vmas_read++;
#endif
	return true;
}

static inline void vma_end_read(struct vm_area_struct *vma)
{
	struct vma_notes *notes = vma_notes_of(vma);

	hook(RMAP_POINT_UNLOCK, RMAP_POINT_OF_VMA, serial_of(vma));
	if (!is_live(vma) || !(notes->readers & task_bit()))
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, serial_of(vma));
	notes->readers &= ~task_bit();
#ifdef RMAP_PAGES
	current_world->task.pages.nr_vmas_read--;
#endif
}

static inline bool vma_is_read_locked(const struct vm_area_struct *vma)
{
	return vma_notes_of(vma)->readers & task_bit();
}

static inline void vma_assert_write_locked(struct vm_area_struct *vma)
{
	if (!vma_is_write_locked(vma))
		broken_rule(RMAP_RULE_VMA_LOCK_NOT_HELD, serial_of(vma));
}

static inline void vma_assert_locked(struct vm_area_struct *vma)
{
	if (!runs_beside_others() || !vma_is_read_locked(vma))
		mmap_assert_locked(vma->vm_mm);
}

static inline void vma_assert_stabilised(struct vm_area_struct *vma)
{
	if (vma_is_attached(vma))
		vma_assert_locked(vma);
}

static inline void vma_assert_can_modify(struct vm_area_struct *vma)
{
	if (vma_is_attached(vma))
		vma_assert_write_locked(vma);
}

/* Macros: a fault has flags, whose type is not known here. */
#define assert_fault_locked(vmf) vma_assert_locked((vmf)->vma)
#define release_fault_lock(vmf) \
	((vmf)->flags & FAULT_FLAG_VMA_LOCK ? vma_end_read((vmf)->vma) : \
					      mmap_read_unlock((vmf)->vma->vm_mm))

static inline void vma_assert_attached(struct vm_area_struct *vma)
{
	WARN_ON(!vma_is_attached(vma));
}

static inline void vma_assert_detached(struct vm_area_struct *vma)
{
	WARN_ON(vma_is_attached(vma));
}

static inline void vma_mark_attached(struct vm_area_struct *vma)
{
	vma_assert_write_locked(vma);
	vma_notes_of(vma)->attached = true;
	vma_notes_of(vma)->detached = false;
}

static inline void vma_mark(struct vm_area_struct *vma, const bool *detached, size_t n)
{
	if (detached[n - 1])
		vma_assert_write_locked(vma);
	vma_notes_of(vma)->attached = !detached[n - 1];
	vma_notes_of(vma)->detached = detached[n - 1];
}

/* A macro: before 6.15 it is told whether or not. */
#define vma_mark_detached(vma, ...)						\
	vma_mark(vma, (bool[]) { true, ##__VA_ARGS__ },				\
		 ARRAY_SIZE(((bool[]) { true, ##__VA_ARGS__ })))

/* --- No-op --- */

static inline void vma_lock_init(struct vm_area_struct *vma, bool reset_refcnt)
{
}

/* The mmap lock does it. */
static inline void vma_end_write_all(struct mm_struct *mm)
{
}

#endif

#endif /* _LINUX_MMAP_LOCK_H */
