/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: nothing that the cut code needs beyond linux/types.h. */
#include <linux/types.h>
