/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing: the locks of page tables are told to nobody, and that of an mm only within
 * a call of the reverse map. Of several tasks another may go on before either is taken or released.
 */
#ifndef PAGES_LINUX_SPINLOCK_H
#define PAGES_LINUX_SPINLOCK_H

/* --- Custom --- */

/* What `mm` is of a lock that no mm has for itself; and of that of a page table, plus its frame. */
#define SPINLOCK_UNTOLD UINT32_MAX
#define SPINLOCK_OF_TABLE (1u << 31)
#define spin_lock_is_told(lock) ((lock)->mm < SPINLOCK_OF_TABLE && current_world->task.depth)
#define spin_lock_class(lock) \
	((lock)->mm < SPINLOCK_OF_TABLE ? RMAP_POINT_OF_PAGE_TABLE : \
	 (lock)->mm == SPINLOCK_UNTOLD	? RMAP_POINT_OF_NONE : \
					  RMAP_POINT_OF_PTE)
#define spin_lock_number(lock) \
	((lock)->mm == SPINLOCK_UNTOLD ? RMAP_NONE : (lock)->mm & ~SPINLOCK_OF_TABLE)
#define spin_lock_hook(kind, lock) \
	((lock)->mm == SPINLOCK_UNTOLD ? (void)0 : \
	 hook(kind, spin_lock_class(lock), spin_lock_number(lock)))

#include_next <linux/spinlock.h>

static inline void spin_lock_init(spinlock_t *lock)
{
	*lock = (spinlock_t) { .mm = SPINLOCK_UNTOLD };
}

static inline bool spin_trylock(spinlock_t *lock)
{
	spin_lock_hook(RMAP_POINT_TRYLOCK, lock);
	if (spin_is_locked(lock))
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
