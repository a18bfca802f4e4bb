/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in, observing: a spinlock knows its mm; none may be taken twice or be held over a sleep. */
#ifndef _LINUX_SPINLOCK_H
#define _LINUX_SPINLOCK_H

#include <linux/types.h>
#include "stubs/hook.h"

/* --- Custom --- */

typedef struct {
	uint32_t mm;
	uint32_t held;
} spinlock_t;

/*
 * What `held` is then, and of several tasks the number of the one that holds it. Any other value is
 * that of a free lock: mt_destroy_walk() until 6.2 takes the lock of a maple tree on its stack,
 * which nobody has initialised.
 */
#define SPINLOCK_HELD 0x5ec0de50u

static inline bool spin_is_locked(const spinlock_t *lock)
{
	return lock->held - SPINLOCK_HELD <= RMAP_MAX_TASKS;
}

static inline bool spin_lock_is_mine(const spinlock_t *lock)
{
	return lock->held == SPINLOCK_HELD + current_world->task.number;
}

/* The page layer has locks that nobody is told of. */
#ifndef spin_lock_is_told
#define spin_lock_is_told(lock) true
#define spin_lock_hook(kind, lock) hook(kind, RMAP_POINT_OF_PAGE_TABLE, (lock)->mm)
#define spin_lock_class(lock) RMAP_POINT_OF_PAGE_TABLE
#define spin_lock_number(lock) ((lock)->mm)
#endif

static inline void spin_lock_taken(spinlock_t *lock)
{
	lock->held = SPINLOCK_HELD + current_world->task.number;
	current_world->task.nr_spinlocks++;
	if (spin_lock_is_told(lock))
		record(RMAP_EVENT_SPIN_LOCK, 0, 0, lock->mm, 0);
#ifdef RMAP_PAGES
	if (runs_beside_others())
		page_table_locked();
#endif
}

static inline void spin_lock(spinlock_t *lock)
{
	if (runs_beside_others()) {
		spin_lock_hook(RMAP_POINT_LOCK, lock);
		if (!spin_lock_is_mine(lock))
			wait_while(spin_is_locked(lock), spin_lock_class(lock),
				   spin_lock_number(lock));
	}
	if (unlikely(spin_is_locked(lock))) {
		broken_rule(RMAP_RULE_SELF_DEADLOCK, lock->mm);
		return;
	}
	spin_lock_taken(lock);
}

static inline void spin_unlock(spinlock_t *lock)
{
	if (runs_beside_others())
		spin_lock_hook(RMAP_POINT_UNLOCK, lock);
	if (!spin_lock_is_mine(lock)) {
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, lock->mm);
		return;
	}
#ifdef RMAP_PAGES
	if (runs_beside_others())
		page_table_unlocked();
#endif
	lock->held = 0;
	current_world->task.nr_spinlocks--;
	if (spin_lock_is_told(lock))
		record(RMAP_EVENT_SPIN_UNLOCK, 0, 0, lock->mm, 0);
}

/* --- No-op --- */

#ifndef RMAP_PAGES
/* That of a maple tree, which nobody takes: its mm's lock is held. */
static inline void spin_lock_init(spinlock_t *lock)
{
}
#endif

#endif /* _LINUX_SPINLOCK_H */
