/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no delay is accounted. */
#ifndef _LINUX_DELAYACCT_H
#define _LINUX_DELAYACCT_H

/* --- No-op --- */

#define delayacct_wpcopy_start() do {} while (0)
#define delayacct_wpcopy_end() do {} while (0)

#endif /* _LINUX_DELAYACCT_H */
