/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: one task runs at a time, so barriers order nothing but the compiler. */
#ifndef _ASM_BARRIER_H
#define _ASM_BARRIER_H

#include <linux/compiler.h>

/* --- Custom --- */

#define smp_store_release(p, value) (*(volatile __typeof__(*(p)) *)(p) = (value))
#define smp_load_acquire(p) (*(volatile __typeof__(*(p)) *)(p))
#define smp_wmb() barrier()
#define smp_rmb() barrier()
#define smp_mb() barrier()

#endif
