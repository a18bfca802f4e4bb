/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no tracing. They are macros: what they are given changes from tree to tree. */
#ifndef _TRACE_EVENTS_MAPLE_TREE_H
#define _TRACE_EVENTS_MAPLE_TREE_H

/* --- No-op --- */

#define TP_FCT 0
#define trace_ma_op(...) do {} while (0)
#define trace_ma_read(...) do {} while (0)
#define trace_ma_write(...) do {} while (0)

#endif
