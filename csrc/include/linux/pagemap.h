/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: where in its file, or in anonymous memory, a page is. */
#ifndef _LINUX_PAGEMAP_H
#define _LINUX_PAGEMAP_H

#include <linux/bug.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/page-flags.h>

/* --- Custom --- */

static inline pgoff_t folio_pgoff(const struct folio *folio)
{
	return folio->index;
}

static inline pgoff_t page_to_pgoff(const struct page *page)
{
	return page->index;
}

/* No huge pages of hugetlbfs. */
static inline pgoff_t linear_hugepage_index(struct vm_area_struct *vma, unsigned long address)
{
	BUG();
}

#endif /* _LINUX_PAGEMAP_H */
