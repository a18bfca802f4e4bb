/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the one personality that is asked after, which no process has. */
#ifndef _LINUX_PERSONALITY_H
#define _LINUX_PERSONALITY_H

/* --- Duplicate --- */

#define READ_IMPLIES_EXEC 0x0400000

#endif
