/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no policies, every VMA has the default one. */
#ifndef _LINUX_MEMPOLICY_H
#define _LINUX_MEMPOLICY_H

/* --- Custom --- */

struct mempolicy {};

#endif
