/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Several tasks: what a hook does, and the entries of the table. The scheduler is outside; the C
 * has one task at a time in struct rmap_world.
 */
#ifndef PAGES_TASKS_H
#define PAGES_TASKS_H

#include "pages/settled.h"

/* The room that a task uses stays when it ends, or is given up. */
static void task_keep_buffers(struct rmap_world *w)
{
	const struct rmap_task *task = &w->task;

	w->buffers[task->number - 1] = (struct task_buffers) {
		task->events, task->max_events, task->touched, task->max_touched,
	};
}

/* What a task has for itself is put away when another one runs, and not before. */
static void suspend_running(struct rmap_world *w)
{
	if (w->running)
		w->suspended[w->running - 1] =
			(struct suspended_task) { w->task, current_task };
	w->running = 0;
}

/* Whether the running task may be writing to VMAs. */
static bool has_a_mmap_lock_for_writing(const struct rmap_world *w)
{
	for (uint32_t i = 0; i < RMAP_MAX_PROCESSES; i++)
		if (w->mms[i].mmap_lock == MMAP_WRITE_LOCKED && w->mms[i].mmap_tasks & task_bit())
			return true;
	return false;
}

/* Of an mm whose mmap lock is given back, also what was made under it. */
static void others_find_vmas_of(const struct mm_struct *mm)
{
	struct rmap_world *w = current_world;
	struct slab_object *object;

	for (object = w->slabs[RMAP_CACHE_VMA].live_first; object; object = object->next) {
		const struct vm_area_struct *vma = body_of(object);

		if (vma->vm_mm == mm)
			vma_notes_of(vma)->found_since = w->operations;
	}
}

static void let_others_run(struct rmap_point point)
{
	struct rmap_world *w = current_world;
	const struct rmap_task *task = &w->task;
	uint32_t number = w->task.number;
	bool in_call = w->task.in_call, gives_mmap_lock;
	bool told = tell_accesses(false);

	/* Between two loads or stores of what one lock protects anything may be half written. */
	if (point.kind < RMAP_POINT_WAIT)
		without_others(check_settled(w));
	/* Others see what this one has written to VMAs, and those that it has made. */
	gives_mmap_lock = point.kind == RMAP_POINT_UNLOCK && point.of == RMAP_POINT_OF_MMAP;
	if ((task->followed || gives_mmap_lock) && !task->depth && has_a_mmap_lock_for_writing(w))
		report_all_writes(w);
	if (gives_mmap_lock && w->mms[point.object].mmap_lock == MMAP_WRITE_LOCKED)
		others_find_vmas_of(&w->mms[point.object]);
	if (task->followed && task->depth && task->outermost.kind != RMAP_OUTSIDE) {
		point.call = &task->outermost;
		point.events = task->events;
		point.nr_events = task->nr_events;
		point.found = task->pages.walked ? &task->pages.found : NULL;
	}
	task_keep_buffers(w);
	w->task.in_call = false;
	w->task.scheduler(w->task.scheduler_context, &point);
	current_world = w;
	if (w->running != number) {
		suspend_running(w);
		w->task = w->suspended[number - 1].task;
		current_task = w->suspended[number - 1].current_task;
		w->running = number;
		slab_rest_open();
	}
	w->task.in_call = in_call;
	tell_accesses(told);
}

#ifdef RMAP_ACCESSES
static void before_access(int store, const void *from)
{
	if (runs_beside_others())
		let_others_run((struct rmap_point) {
			.kind = store ? RMAP_POINT_STORE : RMAP_POINT_LOAD,
			.object = RMAP_NONE, .from = from });
}
#endif

/* Its memory stays an anon_vma until all have left the read section in which they found it. */
static bool may_touch_freed(uint32_t freed_at)
{
	const struct rmap_task *task = &current_world->task;

	return runs_beside_others() && task->rcu_depth && freed_at > task->rcu_since;
}

/*
 * Who found an anon_vma by a folio may hold its lock when it is freed, while in that read section:
 * there it sees that no page is mapped any more.
 */
static void freed_while_held(uint16_t holders, uint32_t anon_vma)
{
	if (!runs_beside_others() || holders & ~current_world->in_rcu)
		broken_rule(RMAP_RULE_FREED_WHILE_LOCKED, anon_vma);
}

/* Behind it no lock of a freed anon_vma may be left. */
static void rcu_section_ended(void)
{
	const struct rmap_task *task = &current_world->task;
	uint32_t held = task->nr_held < HELD_MAX ? task->nr_held : HELD_MAX;

	if (!runs_beside_others())
		return;
	for (uint32_t i = 0; i < held; i++) {
		struct anon_vma *anon_vma = container_of(task->held[i], struct anon_vma, rwsem);

		if (!is_live(anon_vma))
			broken_rule(RMAP_RULE_LOCK_OF_GONE, serial_of(anon_vma));
	}
	slab_rest_open();
}

/* What was done before was not watched: what a VMA is now is what is looked at from here on. */
static void remember_vmas(struct rmap_world *w)
{
	struct slab_object *object = w->slabs[RMAP_CACHE_VMA].live_first;

	for (; object; object = object->next) {
		remember(body_of(object));
		vma_notes_of(body_of(object))->found_since = w->operations + 1;
	}
}

static void reference_begin_tasks(struct rmap_world *w)
{
	current_world = w;
	if (w->unwatched == w->operations)
		remember_vmas(w);
	w->resting = malloc(sizeof(*w->resting));
	if (!w->resting)
		out_of_memory();
	*w->resting = w->task;
	if (!w->suspended)
		w->suspended = calloc(RMAP_MAX_TASKS, sizeof(*w->suspended));
	if (!w->suspended)
		out_of_memory();
	for (uint32_t i = 0; i < RMAP_MAX_TASKS; i++)
		w->suspended[i].task.depth = 0;
	w->running = 0;
	w->in_rcu = 0;
	nobody_holds_found(w);
	w->mapped_unchecked = w->anon_vmas_unchecked = true;
	memset(w->pages->watched_walks, 0, sizeof(w->pages->watched_walks));
}

static void reference_run_task(struct rmap_world *w, const struct rmap_task_start *start,
			       struct rmap_task_end *end)
{
	const struct task_buffers *buffers = &w->buffers[start->number - 1];

	suspend_running(w);
	w->running = start->number;
	w->task = (struct rmap_task) {
		.number = start->number,
		.fail = start->fail,
		.node_fail = start->node_fail,
		.pages.fail = start->page_fail,
		.told_folio = RMAP_NONE,
		.events = buffers->events, .max_events = buffers->max_events,
		.touched = buffers->touched, .max_touched = buffers->max_touched,
		.watcher = start->watcher, .watcher_context = start->watcher_context,
		.followed = start->followed,
		.scheduler = start->scheduler, .scheduler_context = start->scheduler_context,
	};
#ifdef RMAP_ACCESSES
	if (start->accesses)
		w->task.accesses = (struct rmap_accesses) {
			before_access, start->stack, start->stack_bytes,
		};
#endif
	current_world = w;
	slab_rest_open();
	current_task.tlb_ubc = (struct tlbflush_unmap_batch) { 0 };
	tell_accesses(true);
	end->result = operate(w, &start->operation);
	tell_accesses(false);
	end->injected = reference_injected(w);
	w->in_rcu &= ~(1u << start->number);
	task_keep_buffers(w);
	/* It is in no call any more. */
	w->suspended[start->number - 1].task.depth = 0;
	w->running = 0;
}

static void reference_end_tasks(struct rmap_world *w, rmap_watcher watcher, void *context)
{
	current_world = w;
	forget_tasks(w);
	slab_rest_ends(&w->slabs[RMAP_CACHE_ANON_VMA], &kmem_caches[RMAP_CACHE_ANON_VMA]);
	slab_grace_ends(&w->slabs[RMAP_CACHE_VMA], &kmem_caches[RMAP_CACHE_VMA]);
	w->task.watcher = watcher;
	w->task.watcher_context = context;
	operate(w, NULL);
}

#endif /* PAGES_TASKS_H */
