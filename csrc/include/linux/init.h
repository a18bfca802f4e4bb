/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: nothing is freed after boot. */
#ifndef _LINUX_INIT_H
#define _LINUX_INIT_H

/* --- No-op --- */

#define __init

#endif
