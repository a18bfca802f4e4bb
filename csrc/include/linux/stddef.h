/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: NULL and offsetof, by way of linux/types.h. */
#ifndef _LINUX_STDDEF_STAND_IN_H
#define _LINUX_STDDEF_STAND_IN_H

#include <linux/types.h>

#endif
