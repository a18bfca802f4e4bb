/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing: the assertions of CONFIG_DEBUG_VM. They are macros as in the kernel, for the
 * text of the condition and its place.
 */
#ifndef _LINUX_MMDEBUG_H
#define _LINUX_MMDEBUG_H

#include <linux/bug.h>

/* --- Custom --- */

#define VM_WARN_ON(condition) ((void)WARN_ON(condition))
#define VM_WARN_ON_ONCE(condition) WARN_ON(condition)
#define VM_WARN_ONCE(condition, ...) ((void)WARN_ON(condition))
#define VM_WARN_ON_VMA(condition, vma) ((void)WARN_ON(condition))
#define VM_WARN_ON_ONCE_VMA(condition, vma) WARN_ON(condition)
#define VM_WARN_ON_VMG(condition, vmg) ((void)WARN_ON(condition))
/* The text as the kernel's source has it. */
#define VM_WARN_ON_FOLIO(condition, folio) do {				\
	if (unlikely(condition))					\
		warn_fired(#condition, __FILE__, __LINE__);		\
} while (0)
#define VM_WARN_ON_ONCE_FOLIO(condition, folio) WARN_ON(condition)
#define VM_BUG_ON(condition) BUG_ON(condition)
#define VM_BUG_ON_VMA(condition, vma) BUG_ON(condition)
#define VM_BUG_ON_MM(condition, mm) BUG_ON(condition)
#define VM_BUG_ON_FOLIO(condition, folio) BUG_ON(condition)
#define VM_BUG_ON_PAGE(condition, page) BUG_ON(condition)

#endif /* _LINUX_MMDEBUG_H */
