/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no timers. A vendor's headers include this file, and use nothing of it. */
#ifndef _LINUX_TIMER_H
#define _LINUX_TIMER_H

#endif /* _LINUX_TIMER_H */
