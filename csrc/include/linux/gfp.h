/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the bits are those of Gfp in crates/seam/src/event.rs. */
#ifndef _LINUX_GFP_H
#define _LINUX_GFP_H

#include <linux/types.h>

/* --- Custom --- */

#define __GFP_DIRECT_RECLAIM 1u
#define __GFP_KSWAPD_RECLAIM 2u
#define __GFP_IO 4u
#define __GFP_FS 8u
#define __GFP_NOWARN 16u
#define __GFP_ZERO 32u
#define __GFP_ACCOUNT 64u
#define __GFP_NOFAIL 128u
#define __GFP_HIGH 256u
#define __GFP_NORETRY 512u

/* --- Duplicate --- */

#define __GFP_RECLAIM (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL (__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT (GFP_KERNEL | __GFP_ACCOUNT)
#define GFP_NOWAIT __GFP_KSWAPD_RECLAIM
#define GFP_ATOMIC (__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_NOFS (__GFP_RECLAIM | __GFP_IO)
#define GFP_NOIO __GFP_RECLAIM

static inline bool gfpflags_allow_blocking(const gfp_t gfp_flags)
{
	return !!(gfp_flags & __GFP_DIRECT_RECLAIM);
}

#endif
