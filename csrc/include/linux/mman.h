/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the numbers of system calls are the C library's; here are those that it may lack. */
#ifndef _LINUX_MMAN_H
#define _LINUX_MMAN_H

#include <sys/mman.h>

#include <linux/types.h>

/* --- Duplicate --- */

#define MREMAP_MAYMOVE 1
#define MREMAP_FIXED 2
#define MREMAP_DONTUNMAP 4
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* What an architecture may replace, and most do not. */
#define arch_calc_vm_prot_bits(prot, pkey) 0

static inline bool arch_validate_prot(unsigned long prot, unsigned long addr)
{
	return true;
}

static inline bool arch_validate_flags(unsigned long flags)
{
	return true;
}

/* --- No-op --- */

static inline void vm_acct_memory(long pages)
{
}

static inline void vm_unacct_memory(long pages)
{
}

#endif
