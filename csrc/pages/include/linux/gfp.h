/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: flags of pages, which no event tells: they lie above those of the C interface. */
#ifndef PAGES_LINUX_GFP_H
#define PAGES_LINUX_GFP_H

#include_next <linux/gfp.h>

/* --- Custom --- */

#define __GFP_HIGHMEM ((gfp_t)0x10000u)
#define __GFP_MOVABLE ((gfp_t)0x20000u)
#define __GFP_COMP ((gfp_t)0x40000u)
#define __GFP_ZEROTAGS ((gfp_t)0u)
#define GFP_RECLAIM_MASK ((gfp_t)0u)

#define GFP_HIGHUSER_MOVABLE (GFP_KERNEL | __GFP_HIGHMEM | __GFP_MOVABLE)
#define GFP_TRANSHUGE_LIGHT \
	((GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOWARN) & ~__GFP_DIRECT_RECLAIM)
#define GFP_TRANSHUGE (GFP_TRANSHUGE_LIGHT | __GFP_DIRECT_RECLAIM)

#endif /* PAGES_LINUX_GFP_H */
