/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: a followed poison pointer traps in userland as it does in the kernel. */
#ifndef _LINUX_POISON_H
#define _LINUX_POISON_H

/* --- Custom --- */

#define LIST_POISON1 ((void *)0xdead000000000100ul)
#define LIST_POISON2 ((void *)0xdead000000000122ul)

#endif
