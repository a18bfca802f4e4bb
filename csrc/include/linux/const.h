/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: constants for C and assembler. */
#ifndef _LINUX_CONST_H
#define _LINUX_CONST_H

/* --- Custom --- */

#define _BITUL(n) (1ul << (n))

#endif
