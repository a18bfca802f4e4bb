/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: where a variable lies does not matter here. */
#ifndef _LINUX_CACHE_H
#define _LINUX_CACHE_H

/* --- No-op --- */

#define ____cacheline_aligned
#define ____cacheline_aligned_in_smp
#define __read_mostly
#define __ro_after_init

#endif
