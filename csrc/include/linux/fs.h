/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: what the cut code needs of it is in linux/mm_types.h or cut from the tree. */
#include <linux/mm.h>
