/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: one task runs at a time, so no operation need be atomic. */
#ifndef _LINUX_BITOPS_H
#define _LINUX_BITOPS_H

#include <linux/bits.h>
#include <linux/types.h>

/* --- Duplicate --- */

#define BITS_TO_LONGS(n) (((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)

/* --- Custom --- */

static inline void __set_bit(unsigned long nr, volatile unsigned long *addr)
{
	addr[BIT_WORD(nr)] |= BIT_MASK(nr);
}

static inline void __clear_bit(unsigned long nr, volatile unsigned long *addr)
{
	addr[BIT_WORD(nr)] &= ~BIT_MASK(nr);
}

static inline void set_bit(long nr, volatile unsigned long *addr)
{
	__set_bit(nr, addr);
}

static inline void clear_bit(long nr, volatile unsigned long *addr)
{
	__clear_bit(nr, addr);
}

static inline bool test_bit(unsigned long nr, const volatile unsigned long *addr)
{
	return addr[BIT_WORD(nr)] & BIT_MASK(nr);
}

#endif
