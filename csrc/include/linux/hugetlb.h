/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no huge pages of hugetlbfs. Most of it is cut, as it is without CONFIG_HUGETLB_PAGE. */
#ifndef _LINUX_HUGETLB_H
#define _LINUX_HUGETLB_H

struct mm_struct;

/* --- Duplicate --- */

static inline int is_hugepage_only_range(struct mm_struct *mm, unsigned long addr,
					 unsigned long len)
{
	return 0;
}

#endif /* _LINUX_HUGETLB_H */
