/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: attributes of functions, variables and parameters. */
#ifndef _LINUX_COMPILER_ATTRIBUTES_H
#define _LINUX_COMPILER_ATTRIBUTES_H

#undef __always_inline
#undef __attribute_const__

/* --- Duplicate --- */

#define __aligned(x) __attribute__((__aligned__(x)))
#define __packed __attribute__((__packed__))
#define __maybe_unused __attribute__((__unused__))
#define __always_unused __maybe_unused
#define __attribute_const__ __attribute__((__const__))
#define fallthrough do {} while (0)

/* --- No-op --- */

#define __cold
#define __must_check
#define __printf(a, b)
#define noinline

#endif
