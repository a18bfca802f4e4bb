/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the type alone; no reference count of the cut code moves but those of anon_vmas. */
#ifndef _LINUX_REFCOUNT_H
#define _LINUX_REFCOUNT_H

/* --- Custom --- */

typedef struct {
	int counter;
} refcount_t;

#endif
