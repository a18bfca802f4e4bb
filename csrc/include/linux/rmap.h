/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the anon_vma structures, cut. */
#ifndef _LINUX_RMAP_H
#define _LINUX_RMAP_H

#include <linux/mm.h>
#ifndef RMAP_VMA_LAYER
#include "structs.h"
#endif

#endif /* _LINUX_RMAP_H */
