/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing. Every rwsem of the cut code is that of an anon_vma. One task: a lock already
 * held can never be had. Rules: no sleep for a lock under a spinlock or RCU, no lock twice, no
 * unlock without a lock, no lock of a freed anon_vma, none held when a call returns.
 */
#ifndef _LINUX_RWSEM_H
#define _LINUX_RWSEM_H

#include <linux/types.h>
#include "stubs/observers.h"
#include "stubs/rw_semaphore.h"

/* --- Custom --- */

static inline void init_rwsem(struct rw_semaphore *sem)
{
	*sem = (struct rw_semaphore) { 0 };
}

static inline void down_write(struct rw_semaphore *sem)
{
	if (observe_lock(sem, RMAP_EVENT_DOWN_WRITE))
		sem->writers++;
}

static inline void up_write(struct rw_semaphore *sem)
{
	observe_unlock(sem, RMAP_EVENT_UP_WRITE);
}

static inline void down_read(struct rw_semaphore *sem)
{
	if (observe_lock(sem, RMAP_EVENT_DOWN_READ))
		sem->readers++;
}

static inline void up_read(struct rw_semaphore *sem)
{
	observe_unlock(sem, RMAP_EVENT_UP_READ);
}

static inline int down_write_trylock(struct rw_semaphore *sem)
{
	return observe_trylock(sem, true);
}

static inline int down_read_trylock(struct rw_semaphore *sem)
{
	return observe_trylock(sem, false);
}

#endif /* _LINUX_RWSEM_H */
