/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing: everything that may block passes through may_block(), the one hook where
 * another task could run. Rule: nothing blocks under an anon_vma lock, a spinlock or in an RCU read
 * section.
 */
#ifndef _LINUX_SCHED_H
#define _LINUX_SCHED_H

#include <linux/compiler.h>
#include "stubs/hook.h"

static inline void may_block(void)
{
	const struct rmap_world *w = current_world;

	if (unlikely(w->task.nr_held | w->task.nr_spinlocks | w->task.rcu_depth))
		broken_rule(RMAP_RULE_SLEEP_IN_ATOMIC, RMAP_NONE);
}

/* --- Custom --- */

struct task_struct {
	struct mm_struct *mm;
	struct task_struct *real_parent;
	const char *comm;
	int pid;
	unsigned long personality;
#ifdef RMAP_PAGES
	struct tlbflush_unmap_batch tlb_ubc;
#endif
};

static _Thread_local struct task_struct current_task __maybe_unused = { .comm = "rmap-diff" };
#define current (&current_task)

static inline void might_sleep(void)
{
	may_block();
}

/* A walk does it under the lock of its anon_vma, which may sleep. */
static inline void cond_resched(void)
{
	hook(RMAP_POINT_RESCHED, RMAP_POINT_OF_NONE, RMAP_NONE);
	may_wait();
}

#endif /* _LINUX_SCHED_H */
