/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: annotations for checkers, which are not run here. */
#ifndef _LINUX_COMPILER_TYPES_H
#define _LINUX_COMPILER_TYPES_H

#include <linux/compiler_attributes.h>

/* --- Duplicate --- */

#define __always_inline inline __attribute__((__always_inline__))

/* --- Custom --- */

#define __no_sanitize_or_inline inline
#define ACCESS_PRIVATE(p, member) ((p)->member)

/* --- No-op --- */

#define __force
#define __bitwise
#define __rcu
#define __user
#define __private
#define __must_hold(x)
#define __counted_by(x)
#define __randomize_layout
#define __latent_entropy
#define __context_unsafe(comment)

#endif
