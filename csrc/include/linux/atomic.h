/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing. Every atomic_t of the cut code is the refcount of an anon_vma; the observers
 * (stubs/observe.h) find the anon_vma around it. Rules: no count of a freed anon_vma moves, none
 * falls below zero.
 */
#ifndef _LINUX_ATOMIC_H
#define _LINUX_ATOMIC_H

#include <asm/barrier.h>
#include <linux/types.h>
#include "stubs/observers.h"

/* --- Custom --- */

static inline int atomic_read(const atomic_t *v)
{
	hook_read(v);
	return v->counter;
}

static inline void atomic_set(atomic_t *v, int i)
{
	v->counter = i;
}

static inline void atomic_inc(atomic_t *v)
{
	hook_count(RMAP_POINT_GET, v);
	v->counter++;
	observe_get(v);
}

static inline bool atomic_inc_not_zero(atomic_t *v)
{
	hook_count(RMAP_POINT_GET, v);
	if (!v->counter) {
		observe_failed_get(v);
		return false;
	}
	v->counter++;
	observe_get(v);
	observe_found(v);
	return true;
}

static inline bool atomic_dec_and_test(atomic_t *v)
{
	bool zero;

	hook_count(RMAP_POINT_PUT, v);
	zero = --v->counter == 0;
	observe_put(v);
	return zero;
}

#endif /* _LINUX_ATOMIC_H */
