/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: without the kernel's assertions on the types that are compared. */
#ifndef _LINUX_MINMAX_H
#define _LINUX_MINMAX_H

/* --- Custom --- */

#define min(a, b) ({ __typeof__(a) __a = (a); __typeof__(b) __b = (b); __a < __b ? __a : __b; })
#define max(a, b) ({ __typeof__(a) __a = (a); __typeof__(b) __b = (b); __a > __b ? __a : __b; })
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))
#define swap(a, b) do { __typeof__(a) __t = (a); (a) = (b); (b) = __t; } while (0)

#endif
