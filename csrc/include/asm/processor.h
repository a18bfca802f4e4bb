/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the size of an address space. */
#ifndef _ASM_PROCESSOR_H
#define _ASM_PROCESSOR_H

/* --- Custom --- */

/* Pages of a trace lie below 2^32. */
#define TASK_SIZE (1ul << 44)

#endif
