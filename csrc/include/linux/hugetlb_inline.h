/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no huge pages of hugetlbfs. With the VMA layer it is cut. */
#ifndef _LINUX_HUGETLB_INLINE_H
#define _LINUX_HUGETLB_INLINE_H

#ifndef RMAP_VMA_LAYER
struct vm_area_struct;

/* --- Duplicate --- */

static inline bool is_vm_hugetlb_page(const struct vm_area_struct *vma)
{
	return false;
}
#endif

#endif /* _LINUX_HUGETLB_INLINE_H */
