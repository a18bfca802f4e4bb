// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the instrumentation of -fsanitize=thread calls before each load and store. No part of that
 * sanitizer is linked. One for all references of a build that tells accesses.
 */
#include "accesses.h"

#include <stddef.h>
#include <string.h>

_Thread_local const struct rmap_accesses *rmap_accesses;

static inline void before(const void *at, int store, const void *from)
{
	const struct rmap_accesses *told = rmap_accesses;

	if (told && told->before && (uintptr_t)at - told->stack >= told->stack_bytes)
		told->before(store, from);
}

/* Where in the kernel's text it is. */
#define FROM __builtin_return_address(0)
#define LOAD(name)  void __tsan_##name(const void *at) { before(at, 0, FROM); }
#define STORE(name) void __tsan_##name(const void *at) { before(at, 1, FROM); }
#define BOTH(prefix, bytes) LOAD(prefix##read##bytes) STORE(prefix##write##bytes)
#define ALL(prefix) BOTH(prefix, 2) BOTH(prefix, 4) BOTH(prefix, 8) BOTH(prefix, 16)

BOTH(, 1)
ALL()
ALL(unaligned_)
BOTH(volatile_, 1)
ALL(volatile_)
ALL(unaligned_volatile_)

void *__tsan_memcpy(void *to, const void *from, size_t bytes)
{
	before(from, 0, FROM);
	before(to, 1, FROM);
	return memcpy(to, from, bytes);
}

void *__tsan_memmove(void *to, const void *from, size_t bytes)
{
	before(from, 0, FROM);
	before(to, 1, FROM);
	return memmove(to, from, bytes);
}

void *__tsan_memset(void *to, int value, size_t bytes)
{
	before(to, 1, FROM);
	return memset(to, value, bytes);
}

void __tsan_init(void)
{
}
