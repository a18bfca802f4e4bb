/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the greatest numbers; those of long are the C library's. */
#ifndef _VDSO_LIMITS_H
#define _VDSO_LIMITS_H

#include <limits.h>

/* --- Duplicate --- */

#define U8_MAX 0xff
#define U32_MAX 0xffffffffu

#endif
