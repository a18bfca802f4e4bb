/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in, no-op: nothing is exported to modules. */
#ifndef _LINUX_EXPORT_H
#define _LINUX_EXPORT_H

#define EXPORT_SYMBOL(symbol)
#define EXPORT_SYMBOL_GPL(symbol)

#endif
