/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no protection keys; what there is of them without is cut. */
#ifndef _LINUX_PKEYS_H
#define _LINUX_PKEYS_H

/* --- Duplicate --- */

#define ARCH_VM_PKEY_FLAGS 0

#endif /* _LINUX_PKEYS_H */
