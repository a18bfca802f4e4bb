/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no timers. A vendor's tree includes it where nothing is timed. */
#ifndef _LINUX_TIMER_H
#define _LINUX_TIMER_H

#endif /* _LINUX_TIMER_H */
