/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: an address has no tag. */
#ifndef _LINUX_UACCESS_H
#define _LINUX_UACCESS_H

/* --- Duplicate --- */

#define untagged_addr(addr) (addr)

/* --- Custom --- */

#define untagged_addr_remote(mm, addr) (addr)

#endif /* _LINUX_UACCESS_H */
