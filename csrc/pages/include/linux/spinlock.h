/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing: the locks of page tables are told to nobody, and that of an mm only within
 * a call of the reverse map.
 */
#ifndef PAGES_LINUX_SPINLOCK_H
#define PAGES_LINUX_SPINLOCK_H

/* --- Custom --- */

/* What `mm` is of a lock that no mm has for itself. */
#define SPINLOCK_UNTOLD UINT32_MAX
#define spin_lock_is_told(lock) ((lock)->mm != SPINLOCK_UNTOLD && current_world->task.depth)

#include_next <linux/spinlock.h>

static inline void spin_lock_init(spinlock_t *lock)
{
	*lock = (spinlock_t) { .mm = SPINLOCK_UNTOLD };
}

static inline bool spin_trylock(spinlock_t *lock)
{
	if (spin_lock_is_told(lock))
		hook(RMAP_POINT_TRYLOCK, RMAP_POINT_OF_PAGE_TABLE, lock->mm);
	if (lock->held == SPINLOCK_HELD)
		return false;
	spin_lock_taken(lock);
	return true;
}

#define spin_lock_nested(lock, subclass) spin_lock(lock)
#define spin_lock_irq(lock) spin_lock(lock)
#define spin_unlock_irq(lock) spin_unlock(lock)
#define spin_lock_irqsave(lock, flags) spin_lock(lock)
#define spin_unlock_irqrestore(lock, flags) spin_unlock(lock)
#define DEFINE_SPINLOCK(name) spinlock_t name = { .mm = SPINLOCK_UNTOLD }

/* --- No-op --- */

static inline int spin_needbreak(spinlock_t *lock)
{
	return 0;
}

#endif /* PAGES_LINUX_SPINLOCK_H */
