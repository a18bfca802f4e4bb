/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: one task runs at a time, so the marked accesses are plain volatile ones. */
#ifndef _LINUX_COMPILER_H
#define _LINUX_COMPILER_H

#include <linux/compiler_types.h>

/* --- Duplicate --- */

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define barrier() __asm__ __volatile__("" : : : "memory")
#define typeof __typeof__

/* --- Custom --- */

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))
#define data_race(expression) (expression)

/* --- No-op --- */

#define ASSERT_EXCLUSIVE_WRITER(x)

#endif
