/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the architecture's part; the rest is cut, as it is for one without own versions. */
#ifndef _LINUX_PGTABLE_H
#define _LINUX_PGTABLE_H

#include <asm/pgtable.h>
#include <linux/types.h>

/* --- Duplicate --- */

#define FIRST_USER_ADDRESS 0ul
#define USER_PGTABLES_CEILING 0ul

static inline bool arch_has_pfn_modify_check(void)
{
	return false;
}

#endif /* _LINUX_PGTABLE_H */
