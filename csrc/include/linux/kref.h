/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the type alone, in structures that no cut code makes. */
#ifndef _LINUX_KREF_H
#define _LINUX_KREF_H

#include <linux/refcount.h>

/* --- Duplicate --- */

struct kref {
	refcount_t refcount;
};

#endif /* _LINUX_KREF_H */
