/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: arithmetic of any integer type. */
#ifndef _LINUX_MATH_H
#define _LINUX_MATH_H

/* --- Custom --- */

#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define abs_diff(a, b) ((a) > (b) ? (a) - (b) : (b) - (a))

#endif
