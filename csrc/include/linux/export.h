/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: nothing is exported to modules. */
#ifndef _LINUX_EXPORT_H
#define _LINUX_EXPORT_H

/* --- No-op --- */

#define EXPORT_SYMBOL(symbol)
#define EXPORT_SYMBOL_GPL(symbol)

#endif
