/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing: everything that may block passes through may_block(), the one hook
 * where another task could run. Rule: nothing blocks under an anon_vma lock, a spinlock or
 * in an RCU read section.
 */
#ifndef _LINUX_SCHED_H
#define _LINUX_SCHED_H

#include <linux/compiler.h>
#include "stubs/world.h"

static inline void may_block(void)
{
	const struct rmap_world *w = current_world;

	if (unlikely(w->nr_held | w->nr_spinlocks | w->rcu_depth))
		broken_rule(RMAP_RULE_SLEEP_IN_ATOMIC, RMAP_NONE);
}

/* Another task may run here, but a walk does it under the lock of its anon_vma, which may sleep. */
static inline void may_schedule(void)
{
	const struct rmap_world *w = current_world;

	if (unlikely(w->nr_spinlocks | w->rcu_depth))
		broken_rule(RMAP_RULE_SLEEP_IN_ATOMIC, RMAP_NONE);
}

#define might_sleep() may_block()
#define cond_resched() may_schedule()

#endif
