/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: without the kernel's assertion that it is an array. */
#ifndef _LINUX_ARRAY_SIZE_H
#define _LINUX_ARRAY_SIZE_H

/* --- Custom --- */

#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))

#endif
