/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads and stores of the kernel's text, in a build that tells them (RMAP_ACCESSES): who wants to
 * know of them, and what is none that tasks share.
 */
#ifndef RMAP_ACCESSES_H
#define RMAP_ACCESSES_H

#include <stdint.h>

struct rmap_accesses {
	void (*before)(int store, const void *from);	/* NULL: nobody wants to know */
	uintptr_t stack, stack_bytes;	/* the task's own */
};

/* Of the task that runs; NULL: there is one task alone, or none of them is in the kernel's text. */
extern _Thread_local const struct rmap_accesses *rmap_accesses;

#endif
