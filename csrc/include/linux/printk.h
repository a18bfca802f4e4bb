/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: nothing is printed. They are macros for their arguments, which vary. */
#ifndef _LINUX_PRINTK_H
#define _LINUX_PRINTK_H

/* --- No-op --- */

#define pr_err(...) do {} while (0)
#define pr_warn(...) do {} while (0)
#define pr_info(...) do {} while (0)
#define pr_warn_once(...) do {} while (0)
#define pr_warn_ratelimited(...) do {} while (0)

static inline void dump_stack(void)
{
}

#endif
