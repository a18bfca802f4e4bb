/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where another task may go on: before each operation on what tasks share. The stand-ins say so in
 * a hook, and wait there for what another task holds. Where one task runs, a hook is a branch.
 */
#ifndef STUBS_HOOK_H
#define STUBS_HOOK_H

#include "stubs/world.h"

#ifdef RMAP_PAGES
static void let_others_run(struct rmap_point point);
static bool may_touch_freed(uint32_t freed_at);
static void freed_while_held(uint16_t holders, uint32_t anon_vma);
static void rcu_section_ended(void);
static void page_table_locked(void);
static void page_table_unlocked(void);

/* Whether the running task is one of several. */
static inline bool runs_beside_others(void)
{
	return __builtin_expect(current_world->task.scheduler != NULL, 0);
}

static inline void hook(enum rmap_point_kind kind, enum rmap_point_class of, uint32_t object)
{
	if (runs_beside_others())
		let_others_run((struct rmap_point) { .kind = kind, .of = of, .object = object });
}

/* Nobody else goes on in what is called. */
#define without_others(call)                                                  \
	do {                                                                  \
		rmap_scheduler scheduler = current_world->task.scheduler;     \
									      \
		current_world->task.scheduler = NULL;                         \
		call;                                                         \
		current_world->task.scheduler = scheduler;                    \
	} while (0)

/* Another task holds it. The condition is looked at again whenever this task goes on. */
#define wait_while(condition, class, number)                                                  \
	do {                                                                                  \
		while (condition)                                                             \
			let_others_run((struct rmap_point) {                                  \
				.kind = RMAP_POINT_WAIT, .of = (class), .object = (number) }); \
	} while (0)

static inline uint32_t task_bit(void)
{
	return 1u << current_world->task.number;
}

/* Whoever waits for the lock of a class holds none that comes behind it: see mm/rmap.c, above. */
static inline void lock_order(enum rmap_point_class of)
{
	const struct rmap_task *task = &current_world->task;
	bool wrong = task->nr_held;

	wrong |= of != RMAP_POINT_OF_FILE && task->pages.nr_files;
	wrong |= of == RMAP_POINT_OF_MMAP && task->pages.nr_vmas_read;
	if (wrong)
		broken_rule(RMAP_RULE_LOCK_ORDER, of);
}

#else
static inline bool runs_beside_others(void)
{
	return false;
}

static inline void hook(enum rmap_point_kind kind, enum rmap_point_class of, uint32_t object)
{
}

#define wait_while(condition, class, number) ((void)0)

static inline void lock_order(enum rmap_point_class of)
{
}

static inline uint32_t task_bit(void)
{
	return 1;
}

static inline bool may_touch_freed(uint32_t freed_at)
{
	return false;
}

static inline void rcu_section_ended(void)
{
}

static inline void freed_while_held(uint16_t holders, uint32_t anon_vma)
{
	broken_rule(RMAP_RULE_FREED_WHILE_LOCKED, anon_vma);
}
#endif

/*
 * Whether the loads and stores of the running task are points, in a build that tells them: not
 * while the task is stopped, and not where a stand-in calls the kernel's text to see what it did.
 * Returns whether they were.
 */
static inline bool tell_accesses(bool told)
{
#ifdef RMAP_ACCESSES
	bool were = rmap_accesses;

	told = told && runs_beside_others();
	rmap_accesses = told ? &current_world->task.accesses : NULL;
	return were;
#else
	return false;
#endif
}

/* What a stand-in for a caller calls, which does all else at once. */
#define telling_accesses(call)                  \
	do {                                    \
		bool told = tell_accesses(true); \
						\
		call;                           \
		tell_accesses(told);            \
	} while (0)

/* Whoever may have to sleep for a lock, or lets others run, is not in atomic context. */
static inline void may_wait(void)
{
	const struct rmap_task *task = &current_world->task;

	if (__builtin_expect(task->nr_spinlocks | task->rcu_depth, 0))
		broken_rule(RMAP_RULE_SLEEP_IN_ATOMIC, RMAP_NONE);
}

#endif /* STUBS_HOOK_H */
