/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: which options of the configuration are on. */
#ifndef _LINUX_KCONFIG_H
#define _LINUX_KCONFIG_H

/* --- Custom --- */

/* An option that is on is defined as 1 (reference.c); the name of one that is off stays a name. */
#define IS_ENABLED(option) (OPTION_TEXT(option)[0] == '1')
#define OPTION_TEXT(option) #option

#endif
