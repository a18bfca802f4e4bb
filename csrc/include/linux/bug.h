/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing. WARN records an event each time, also where the kernel would warn once:
 * a world is younger than a boot. BUG records an event and ends the call, as in the kernel it
 * ends the task. The VM_ forms are those of CONFIG_DEBUG_VM.
 */
#ifndef _LINUX_BUG_H
#define _LINUX_BUG_H

#include <linux/compiler.h>
#include "stubs/world.h"

static void remember_warning(const char *what, const char *condition, const char *file, int line)
{
	snprintf(current_world->warning, sizeof(current_world->warning), "%s(%s) at %s:%d", what,
		 condition, file, line);
}

#ifdef RMAP_VMA_LAYER
static void watch_warning(void);
#else
#define watch_warning() do {} while (0)
#endif

static __attribute__((__noinline__, __cold__)) void warn_fired(const char *condition, const char *file, int line)
{
	remember_warning("WARN_ON", condition, file, line);
	record(RMAP_EVENT_WARN, 0, 0, RMAP_NONE, RMAP_NONE);
	watch_warning();
}

static _Noreturn __attribute__((__noinline__, __cold__)) void bug_fired(const char *condition, const char *file, int line)
{
	remember_warning("BUG_ON", condition, file, line);
	record(RMAP_EVENT_BUG, 0, 0, RMAP_NONE, RMAP_NONE);
	escape_call();
}

#define WARN_ON(condition) ({						\
	int __fired = !!(condition);					\
	if (unlikely(__fired))						\
		warn_fired(#condition, __FILE__, __LINE__);		\
	unlikely(__fired);						\
})
#define WARN_ON_ONCE(condition) WARN_ON(condition)
#define VM_WARN_ON(condition) ((void)WARN_ON(condition))
#define VM_WARN_ON_ONCE(condition) WARN_ON(condition)
#define VM_WARN_ON_VMA(condition, vma) ((void)WARN_ON(condition))
#define VM_WARN_ON_ONCE_VMA(condition, vma) WARN_ON(condition)
#define BUG_ON(condition) do {						\
	if (unlikely(condition))					\
		bug_fired(#condition, __FILE__, __LINE__);		\
} while (0)
#define BUG() bug_fired("", __FILE__, __LINE__)
#define VM_BUG_ON(condition) BUG_ON(condition)
#define VM_BUG_ON_VMA(condition, vma) BUG_ON(condition)
#define VM_BUG_ON_FOLIO(condition, folio) BUG_ON(condition)
#define VM_BUG_ON_PAGE(condition, page) BUG_ON(condition)
#define VM_WARN_ON_FOLIO(condition, folio) ((void)WARN_ON(condition))
#define VM_WARN_ON_ONCE_FOLIO(condition, folio) WARN_ON(condition)

#endif
