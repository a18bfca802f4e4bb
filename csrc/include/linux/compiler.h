/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in, customised: one task runs at a time, so the marked accesses are plain volatile ones. */
#ifndef _LINUX_COMPILER_H
#define _LINUX_COMPILER_H

#undef __always_inline
#undef __attribute_const__
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define __always_inline inline __attribute__((__always_inline__))
#define __init
#define __maybe_unused __attribute__((__unused__))
#define __attribute_const__ __attribute__((__const__))
#define __must_check
#define __force
#define __bitwise
#define __rcu
#define __user
#define __context_unsafe(comment)
#define __no_sanitize_or_inline inline

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))
#define barrier() __asm__ __volatile__("" : : : "memory")

#endif
