/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no page is on a list. */
#ifndef _LINUX_SWAP_H
#define _LINUX_SWAP_H

/* --- No-op --- */

static inline void lru_add_drain(void)
{
}

#endif /* _LINUX_SWAP_H */
