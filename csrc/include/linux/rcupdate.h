/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing: read sections are counted; a call must close what it opened. What is to be
 * freed when nobody can read any more is freed at the end of the operation. The accesses are macros
 * as in the kernel, for their types.
 */
#ifndef _LINUX_RCUPDATE_H
#define _LINUX_RCUPDATE_H

#include <linux/compiler.h>
#include <linux/lockdep.h>
#include <linux/types.h>
#include "stubs/hook.h"

/* --- Custom --- */

static inline void rcu_read_lock(void)
{
	struct rmap_task *task = &current_world->task;

	hook(RMAP_POINT_RCU, RMAP_POINT_OF_NONE, RMAP_NONE);
	if (!task->rcu_depth++) {
		task->rcu_since = current_world->frees;
		current_world->in_rcu |= task_bit();
	}
}

static inline void rcu_read_unlock(void)
{
	struct rmap_task *task = &current_world->task;

	hook(RMAP_POINT_UNRCU, RMAP_POINT_OF_NONE, RMAP_NONE);
	if (!task->rcu_depth) {
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, RMAP_NONE);
		return;
	}
	if (!--task->rcu_depth) {
		current_world->in_rcu &= ~task_bit();
		rcu_section_ended();
	}
}

static inline void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	head->next = current_world->rcu_queue;
	current_world->rcu_queue = head;
}

/* Of a node of a maple tree: nothing else is freed in this way. See vma/maple_slab.h. */
#define kfree_rcu(object, member) call_rcu(&(object)->member, maple_node_of_head_give)

#define rcu_assign_pointer(p, value) WRITE_ONCE(p, value)
#define rcu_dereference(p) READ_ONCE(p)
#define rcu_dereference_raw(p) READ_ONCE(p)
#define rcu_dereference_check(p, condition) (p)
#define rcu_dereference_protected(p, condition) (p)
#define rcu_access_pointer(p) (p)
#define RCU_INIT_POINTER(p, value) ((p) = (value))

/* --- No-op --- */

static inline unsigned long get_state_synchronize_rcu(void)
{
	return 0;
}

static inline bool poll_state_synchronize_rcu(unsigned long oldstate)
{
	return true;
}

static inline void synchronize_rcu(void)
{
}

#endif /* _LINUX_RCUPDATE_H */
