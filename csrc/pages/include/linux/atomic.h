/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the operations of the counts of pages and mms, which nobody observes. */
#ifndef PAGES_LINUX_ATOMIC_H
#define PAGES_LINUX_ATOMIC_H

#include_next <linux/atomic.h>

/* --- Custom --- */

static inline void atomic_dec(atomic_t *v)
{
	v->counter--;
}

static inline void atomic_add(int i, atomic_t *v)
{
	v->counter += i;
}

static inline void atomic_sub(int i, atomic_t *v)
{
	v->counter -= i;
}

static inline bool atomic_inc_and_test(atomic_t *v)
{
	return ++v->counter == 0;
}

static inline bool atomic_sub_and_test(int i, atomic_t *v)
{
	return (v->counter -= i) == 0;
}

static inline bool atomic_add_negative(int i, atomic_t *v)
{
	return (v->counter += i) < 0;
}

static inline int atomic_add_return(int i, atomic_t *v)
{
	return v->counter += i;
}

static inline int atomic_add_return_relaxed(int i, atomic_t *v)
{
	return v->counter += i;
}

static inline int atomic_sub_return_relaxed(int i, atomic_t *v)
{
	return v->counter -= i;
}

static inline int atomic_sub_return(int i, atomic_t *v)
{
	return v->counter -= i;
}

static inline bool atomic_add_unless(atomic_t *v, int a, int u)
{
	if (v->counter == u)
		return false;
	v->counter += a;
	return true;
}

static inline int atomic_cmpxchg(atomic_t *v, int old, int new)
{
	int was = v->counter;

	if (was == old)
		v->counter = new;
	return was;
}

static inline bool atomic_try_cmpxchg(atomic_t *v, int *old, int new)
{
	int was = atomic_cmpxchg(v, *old, new);
	bool done = was == *old;

	*old = was;
	return done;
}

#define atomic_set_release(v, i) atomic_set(v, i)

static inline long atomic_long_read(const atomic_long_t *v)
{
	return v->counter;
}

static inline void atomic_long_add(long i, atomic_long_t *v)
{
	v->counter += i;
}

static inline void atomic_long_sub(long i, atomic_long_t *v)
{
	v->counter -= i;
}

static inline void atomic_long_set(atomic_long_t *v, long i)
{
	v->counter = i;
}

#endif /* PAGES_LINUX_ATOMIC_H */
