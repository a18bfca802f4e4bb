/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the bits are those of the C interface; what is made of them is cut from the tree. */
#ifndef _LINUX_GFP_H
#define _LINUX_GFP_H

#include <linux/types.h>
#include "rmap_abi.h"

/* --- Custom --- */

#define __GFP_DIRECT_RECLAIM ((gfp_t)RMAP_GFP_DIRECT_RECLAIM)
#define __GFP_KSWAPD_RECLAIM ((gfp_t)RMAP_GFP_KSWAPD_RECLAIM)
#define __GFP_IO ((gfp_t)RMAP_GFP_IO)
#define __GFP_FS ((gfp_t)RMAP_GFP_FS)
#define __GFP_NOWARN ((gfp_t)RMAP_GFP_NOWARN)
#define __GFP_ZERO ((gfp_t)RMAP_GFP_ZERO)
#define __GFP_ACCOUNT ((gfp_t)RMAP_GFP_ACCOUNT)
#define __GFP_NOFAIL ((gfp_t)RMAP_GFP_NOFAIL)
#define __GFP_HIGH ((gfp_t)RMAP_GFP_HIGH)
#define __GFP_NORETRY ((gfp_t)RMAP_GFP_NORETRY)

/* --- Duplicate --- */

#define __GFP_RECLAIM (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)

#include "gfp_values.h"

static inline bool gfpflags_allow_blocking(const gfp_t gfp_flags)
{
	return !!(gfp_flags & __GFP_DIRECT_RECLAIM);
}

#endif
