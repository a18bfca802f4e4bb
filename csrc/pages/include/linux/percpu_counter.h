/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: a counter of one CPU. */
#ifndef _LINUX_PERCPU_COUNTER_H
#define _LINUX_PERCPU_COUNTER_H

#include <linux/types.h>

/* --- Custom --- */

struct percpu_counter {
	s64 count;
};

static void counter_changed(const struct percpu_counter *counter, s64 amount);

static inline void percpu_counter_add(struct percpu_counter *counter, s64 amount)
{
	counter->count += amount;
	counter_changed(counter, amount);
}

static inline void percpu_counter_inc(struct percpu_counter *counter)
{
	percpu_counter_add(counter, 1);
}

static inline void percpu_counter_dec(struct percpu_counter *counter)
{
	percpu_counter_add(counter, -1);
}

static inline s64 percpu_counter_read_positive(struct percpu_counter *counter)
{
	return counter->count > 0 ? counter->count : 0;
}

static inline s64 percpu_counter_sum_positive(struct percpu_counter *counter)
{
	return percpu_counter_read_positive(counter);
}

#endif /* _LINUX_PERCPU_COUNTER_H */
