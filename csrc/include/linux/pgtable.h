/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the page tables belong to the page model of the other side. */
#ifndef _LINUX_PGTABLE_H
#define _LINUX_PGTABLE_H

#include <asm/pgtable_types.h>
#include <linux/types.h>

/* --- Duplicate --- */

#define FIRST_USER_ADDRESS 0ul
#define USER_PGTABLES_CEILING 0ul

static inline bool arch_has_pfn_modify_check(void)
{
	return false;
}

#endif /* _LINUX_PGTABLE_H */
