/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: without the kernel's assertions on the numbers of bits. */
#ifndef _LINUX_BITS_H
#define _LINUX_BITS_H

#include <linux/const.h>

/* --- Duplicate --- */

#define BITS_PER_LONG 64

/* --- Custom --- */

#define BIT(n) (1ul << (n))
#define BIT_WORD(n) ((n) / BITS_PER_LONG)
#define BIT_MASK(n) (1ul << ((n) % BITS_PER_LONG))
#define GENMASK(high, low) ((~0ul >> (BITS_PER_LONG - 1 - (high))) & (~0ul << (low)))

#endif
