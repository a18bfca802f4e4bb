/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, observing. WARN records an event each time, also where the kernel would warn once: a
 * world is younger than a boot. BUG records an event and ends the call, as in the kernel it ends
 * the task. They are macros as in the kernel, for the text of the condition and its place.
 */
#ifndef _LINUX_BUG_H
#define _LINUX_BUG_H

#include <linux/compiler.h>
#include "stubs/world.h"
#include "vma/watch.h"

static void remember_warning(const char *what, const char *condition, const char *file, int line)
{
	snprintf(current_world->warning, sizeof(current_world->warning), "%s(%s) at %s:%d", what,
		 condition, file, line);
}

static __attribute__((__noinline__, __cold__))
void warn_fired(const char *condition, const char *file, int line)
{
	remember_warning("WARN_ON", condition, file, line);
	record(RMAP_EVENT_WARN, 0, 0, RMAP_NONE, RMAP_NONE);
	watch_warning();
}

static _Noreturn __attribute__((__noinline__, __cold__))
void bug_fired(const char *condition, const char *file, int line)
{
	remember_warning("BUG_ON", condition, file, line);
	record(RMAP_EVENT_BUG, 0, 0, RMAP_NONE, RMAP_NONE);
	escape_call();
}

/* --- Custom --- */

#define WARN_ON(condition) ({						\
	int __fired = !!(condition);					\
	if (unlikely(__fired))						\
		warn_fired(#condition, __FILE__, __LINE__);		\
	unlikely(__fired);						\
})
#define WARN_ON_ONCE(condition) WARN_ON(condition)
#define WARN(condition, ...) WARN_ON(condition)
#define WARN_ONCE(condition, ...) WARN_ON(condition)
#define BUG_ON(condition) do {						\
	if (unlikely(condition))					\
		bug_fired(#condition, __FILE__, __LINE__);		\
} while (0)
#define BUG() bug_fired("", __FILE__, __LINE__)

#endif /* _LINUX_BUG_H */
