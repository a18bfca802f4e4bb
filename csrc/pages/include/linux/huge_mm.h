/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no huge page, so that nothing of one is copied, moved or zapped. */
#ifndef _LINUX_HUGE_MM_H
#define _LINUX_HUGE_MM_H

#include <linux/bug.h>
#include <linux/mm_types.h>

/* --- No-op --- */

static inline int no_huge_page(void)
{
	BUG();
}

/* Macros: what they are given differs from release to release. */
#define copy_huge_pmd(...) no_huge_page()
#define copy_huge_pud(...) no_huge_page()
#define zap_huge_pmd(...) no_huge_page()
#define zap_huge_pud(...) no_huge_page()
#define move_huge_pmd(...) no_huge_page()
#define change_huge_pmd(...) no_huge_page()
#define do_huge_pmd_anonymous_page(...) no_huge_page()
#define do_huge_pmd_wp_page(...) no_huge_page()
#define huge_pmd_set_accessed(...) no_huge_page()
#define huge_ptep_get(...) __pte(no_huge_page())
#define huge_pte_dirty(pte) no_huge_page()
#define vma_thp_gfp_mask(vma) ((gfp_t)0)
#define vm_normal_page_pmd(vma, address, pmd) NULL
#define vm_normal_page_pud(vma, address, pud) NULL

#endif /* _LINUX_HUGE_MM_H */
