/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no page is a device's. */
#ifndef _LINUX_MEMREMAP_H
#define _LINUX_MEMREMAP_H

#include <linux/mm_types.h>

struct vm_fault;

/* --- Custom --- */

struct dev_pagemap_ops {
	unsigned int (*migrate_to_ram)(struct vm_fault *vmf);
};

struct dev_pagemap {
	const struct dev_pagemap_ops *ops;
};

static inline struct dev_pagemap *page_pgmap(const struct page *page)
{
	BUG();
}

/* --- No-op --- */

static inline bool folio_is_device_private(const struct folio *folio)
{
	return false;
}

static inline bool folio_is_device_coherent(const struct folio *folio)
{
	return false;
}

static inline bool folio_is_fsdax(const struct folio *folio)
{
	return false;
}

static inline bool folio_is_zone_device(const struct folio *folio)
{
	return false;
}

static inline bool is_fsdax_page(const struct page *page)
{
	return false;
}

static inline bool is_device_private_page(const struct page *page)
{
	return false;
}

static inline bool is_zone_device_page(const struct page *page)
{
	return false;
}

#endif /* _LINUX_MEMREMAP_H */
