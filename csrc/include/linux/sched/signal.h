/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no signal is pending, and no limit is set. */
#ifndef _LINUX_SCHED_SIGNAL_H
#define _LINUX_SCHED_SIGNAL_H

#include <sys/resource.h>

#include <linux/sched.h>

/* --- No-op --- */

static inline int fatal_signal_pending(struct task_struct *p)
{
	return 0;
}

static inline unsigned long rlimit(unsigned int limit)
{
	return ~0ul;
}

#endif /* _LINUX_SCHED_SIGNAL_H */
