/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: which options of the configuration are on. */
#ifndef _LINUX_KCONFIG_H
#define _LINUX_KCONFIG_H

/* --- Custom --- */

/*
 * An option that is on is defined as 1; the name of one that is off stays a name. Of what
 * OPTION_IS_ makes of the two only the first has a comma, so that the second argument is 1 or 0.
 */
#define IS_ENABLED(option) OPTION_VALUE(option)
#define OPTION_VALUE(value) OPTION_SECOND(OPTION_IS_##value 1, 0, 0)
#define OPTION_SECOND(...) OPTION_PICK(__VA_ARGS__)
#define OPTION_PICK(first, second, ...) second
#define OPTION_IS_1 0,

#endif
