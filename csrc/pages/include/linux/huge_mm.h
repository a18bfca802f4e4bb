/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in: which orders of folios a fault may choose is said by the operation; there is no huge
 * zero page, and nobody collapses pages into huge ones.
 */
#ifndef _LINUX_HUGE_MM_H
#define _LINUX_HUGE_MM_H

#include <linux/bug.h>
#include <linux/mm_types.h>
#include "pages/layer.h"

/* --- Custom --- */

/* The settings of an administrator, of the world's: no bit of them but the orders is set. */
#define transparent_hugepage_flags (current_world->pages->huge_settings)
#define huge_anon_orders_always (current_world->task.pages.orders)
#define huge_anon_orders_madvise (current_world->pages->huge_settings)
#define huge_anon_orders_inherit (current_world->pages->huge_settings)

#define huge_zero_folio (current_world->pages->huge_zero_folio)
#define huge_zero_pfn (current_world->pages->huge_zero)

/* --- No-op --- */

static inline int no_huge_page(void)
{
	BUG();
}

/* Macros: what they are given differs from release to release. */
#define copy_huge_pud(...) no_huge_page()
#define zap_huge_pud(...) no_huge_page()
#define vm_normal_page_pud(vma, address, pud) NULL
#define huge_ptep_get(...) __pte(no_huge_page())
#define huge_pte_dirty(pte) no_huge_page()
#define mm_get_huge_zero_folio(mm) ((struct folio *)NULL)
#define mm_put_huge_zero_folio(mm) do {} while (0)
#define khugepaged_enter_vma(...) do {} while (0)
#define khugepaged_fork(mm, oldmm) do {} while (0)
#define khugepaged_exit(mm) do {} while (0)
#define hugepage_madvise(...) (-EINVAL)
#define thp_get_unmapped_area_vmflags(file, address, length, ...) (address)
#define thp_get_unmapped_area_vmaflags(file, address, length, ...) (address)
#define file_thp_enabled(vma) false
#define shmem_allowable_huge_orders(...) 0ul
#define count_mthp_stat(order, item) do {} while (0)
#define mod_mthp_stat(order, item, amount) do {} while (0)

/* Where an operation maps is said by it. */
static inline unsigned long thp_get_unmapped_area(struct file *file, unsigned long address,
						  unsigned long length, unsigned long pgoff,
						  unsigned long flags)
{
	return address;
}

#endif /* _LINUX_HUGE_MM_H */
