/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing: no spinlock is taken twice or held over a sleep. Those of page tables are
 * told to nobody, and that of an mm only within a call of the reverse map.
 */
#ifndef _LINUX_SPINLOCK_H
#define _LINUX_SPINLOCK_H

#include <linux/types.h>
#include "stubs/world.h"

/* --- Custom --- */

typedef struct {
	uint32_t mm;
	uint32_t held;
} spinlock_t;

/* What `mm` is of a lock that no mm has for itself. */
#define SPINLOCK_UNTOLD UINT32_MAX
/* What `held` is then; see the VMA layer's. */
#define SPINLOCK_HELD 0x5ec0de5u

static inline void spin_lock_init(spinlock_t *lock)
{
	*lock = (spinlock_t) { .mm = SPINLOCK_UNTOLD };
}

static inline bool spin_lock_is_told(const spinlock_t *lock)
{
	return lock->mm != SPINLOCK_UNTOLD && current_world->depth;
}

static inline void spin_lock(spinlock_t *lock)
{
	if (lock->held == SPINLOCK_HELD) {
		broken_rule(RMAP_RULE_SELF_DEADLOCK, lock->mm);
		return;
	}
	lock->held = SPINLOCK_HELD;
	current_world->nr_spinlocks++;
	if (spin_lock_is_told(lock))
		record(RMAP_EVENT_SPIN_LOCK, 0, 0, lock->mm, 0);
}

static inline void spin_unlock(spinlock_t *lock)
{
	if (lock->held != SPINLOCK_HELD) {
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, lock->mm);
		return;
	}
	lock->held = 0;
	current_world->nr_spinlocks--;
	if (spin_lock_is_told(lock))
		record(RMAP_EVENT_SPIN_UNLOCK, 0, 0, lock->mm, 0);
}

static inline bool spin_trylock(spinlock_t *lock)
{
	if (lock->held == SPINLOCK_HELD)
		return false;
	spin_lock(lock);
	return true;
}

#define spin_lock_nested(lock, subclass) spin_lock(lock)
#define spin_lock_irq(lock) spin_lock(lock)
#define spin_unlock_irq(lock) spin_unlock(lock)
#define DEFINE_SPINLOCK(name) spinlock_t name = { .mm = SPINLOCK_UNTOLD }

/* --- No-op --- */

static inline int spin_needbreak(spinlock_t *lock)
{
	return 0;
}

#endif /* _LINUX_SPINLOCK_H */
