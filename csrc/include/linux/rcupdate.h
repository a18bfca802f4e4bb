/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in, observing: read sections are counted; a call must close what it opened. */
#ifndef _LINUX_RCUPDATE_H
#define _LINUX_RCUPDATE_H

#include <linux/compiler.h>
#include "stubs/world.h"

static inline void rcu_read_lock(void)
{
	current_world->rcu_depth++;
}

static inline void rcu_read_unlock(void)
{
	if (!current_world->rcu_depth)
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, RMAP_NONE);
	else
		current_world->rcu_depth--;
}

#define rcu_assign_pointer(p, value) WRITE_ONCE(p, value)
#define rcu_dereference(p) READ_ONCE(p)
#define rcu_dereference_raw(p) READ_ONCE(p)

#endif
