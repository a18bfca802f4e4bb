/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: rounding to a power of two. */
#ifndef _LINUX_ALIGN_H
#define _LINUX_ALIGN_H

/* --- Custom --- */

#define ALIGN(x, a) (((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a) - 1)) == 0)

#endif
