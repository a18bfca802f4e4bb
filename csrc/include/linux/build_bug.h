/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: assertions at build time. */
#ifndef _LINUX_BUILD_BUG_H
#define _LINUX_BUILD_BUG_H

/* --- Custom --- */

#define BUILD_BUG_ON(condition) ((void)sizeof(char[1 - 2 * !!(condition)]))
#define BUILD_BUG_ON_MSG(condition, message) BUILD_BUG_ON(condition)
#define BUILD_BUG() __builtin_trap()
#define static_assert(expression, ...) _Static_assert(expression, #expression)

#endif
