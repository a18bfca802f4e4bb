/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations: each through the kernel's own entry point, as its system call would come there.
 */
#ifndef VMA_DRIVE_H
#define VMA_DRIVE_H

#include <linux/err.h>
#include <linux/mman.h>
#include <linux/mmap_lock.h>
#include <linux/sched.h>
#include "vma/operations.h"
#ifdef RMAP_PAGES
#include "pages/drive.h"
#else
#include "vma/no_pages.h"
#endif

static void flush_rcu(struct rmap_world *w)
{
	while (w->rcu_queue) {
		struct rcu_head *head = w->rcu_queue;

		w->rcu_queue = head->next;
		head->func(head);
	}
}

#define VMA_FLAGS_NEW (VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)

#ifdef RMAP_LEGACY_TO_VMA_FLAGS
/* Since 7.3 the flags are given in their new type. */
typedef unsigned long mmap_region_of_vma_flags(struct file *, unsigned long, unsigned long,
					       vma_flags_t, unsigned long, struct list_head *);
#define MMAP_REGION_FLAGS(flags)                                                                 \
	__builtin_choose_expr(                                                                   \
		__builtin_types_compatible_p(__typeof__(mmap_region), mmap_region_of_vma_flags), \
		legacy_to_vma_flags(flags), flags)
#else
#define MMAP_REGION_FLAGS(flags) (flags)
#endif

static void layer_clear(struct rmap_world *w)
{
	if (!w->nodes) {
		w->nodes = calloc(1, sizeof(*w->nodes));
		if (!w->nodes)
			out_of_memory();
	}
	maple_slab_reset(w->nodes);
	memset(w->vmas_of, 0, sizeof(w->vmas_of));
	w->written_mms = 0;
	w->all_written = false;
	w->rcu_queue = NULL;
	for (uint32_t i = 0; i < RMAP_MAX_PROCESSES; i++)
		mt_init_flags(&w->mms[i].mm_mt, MM_MT_FLAGS);
	page_tables_clear(w);
	page_tables_born(&w->mms[0]);
	w->mms[0].alive = true;
	if (!w->files)
		w->files = calloc(RMAP_MAX_FILES, sizeof(*w->files));
	for (uint32_t i = 0; w->files && i < RMAP_MAX_FILES; i++)
		w->files[i] = (struct file){ .f_mapping = &w->files[i].mapping,
					     .f_op = &plain_file_operations };
}

static void layer_destroy(struct rmap_world *w)
{
	page_tables_destroy(w);
	maple_slab_reset(w->nodes);
	for (uint32_t i = 0; i < w->nodes->nr_chunks; i++)
		free(w->nodes->chunks[i]);
	free(w->nodes->chunks);
	free(w->nodes);
	free(w->files);
}

static int32_t drive_map(struct mm_struct *mm, const struct rmap_operation_map *op)
{
	unsigned long addr = op->start << PAGE_SHIFT, len = (op->end - op->start) << PAGE_SHIFT,
		      result;
	unsigned long flags = VMA_FLAGS_NEW | (op->grows ? VM_GROWSDOWN : 0) |
			      (op->noreserve ? VM_NORESERVE : 0) |
			      (op->shared ? VM_SHARED | VM_MAYSHARE : 0);
	struct file *files = current_world->files,
		    *file = op->file ? &files[(op->file - 1) % RMAP_MAX_FILES] : NULL;
	MA_STATE(mas, &mm->mm_mt, addr, addr);
	LIST_HEAD(uf);

	if (!len)
		return -EINVAL;
	mmap_write_lock(mm);
	/*
	 * MAP_FIXED_NOREPLACE, the limit, and that no file grows down, as do_mmap() has them. There
	 * is no shared memory but of these files.
	 */
	if (mm->map_count > sysctl_max_map_count)
		result = -ENOMEM;
	else if (mas_find(&mas, addr + len - 1))
		result = -EEXIST;
	else if (file ? flags & VM_GROWSDOWN : op->shared)
		result = -EINVAL;
	else
		result = mmap_region(file, addr, len, MMAP_REGION_FLAGS(flags), addr >> PAGE_SHIFT,
				     &uf);
	mmap_write_unlock(mm);
	return IS_ERR_VALUE(result) ? (int32_t)result : 0;
}

/* As the loader of programs makes a heap, but not over what is mapped. */
static int32_t drive_brk(struct mm_struct *mm, const struct rmap_operation_brk *op)
{
	unsigned long addr = op->start << PAGE_SHIFT, len = (op->end - op->start) << PAGE_SHIFT;
	MA_STATE(mas, &mm->mm_mt, addr, addr);

	if (!len)
		return -EINVAL;
	if (mas_find(&mas, addr + len - 1))
		return -EEXIST;
	return vm_brk_flags(addr, len, 0);
}

static int32_t drive_unmap(struct mm_struct *mm, const struct rmap_operation_unmap *op)
{
	unsigned long addr = op->start << PAGE_SHIFT, len = (op->end - op->start) << PAGE_SHIFT;
	LIST_HEAD(uf);
	int32_t result;

	mmap_write_lock(mm);
	result = do_munmap(mm, addr, len, &uf);
	mmap_write_unlock(mm);
	return result;
}

static int32_t drive_grow(struct mm_struct *mm, const struct rmap_operation_grow *op)
{
	unsigned long addr = op->page << PAGE_SHIFT, more = op->pages << PAGE_SHIFT;
	MA_STATE(mas, &mm->mm_mt, addr, addr);
	struct vm_area_struct *vma;
	int32_t result = -EFAULT;

	mmap_write_lock(mm);
	vma = mas_walk(&mas);
	if (vma && vma->vm_start > more) {
		/* It grows because of a fault in the gap below it: expand_stack(). */
		mas_set(&mas, vma->vm_start - more);
		if (!mas_find(&mas, vma->vm_start - 1))
			result = expand_downwards(vma, vma->vm_start - more);
	}
	mmap_write_unlock(mm);
	return result;
}

static int32_t drive_exit(struct mm_struct *mm)
{
	exit_mmap(mm);
	page_tables_gone(mm);
	mm->alive = false;
	mm->map_count = 0;
	mt_init_flags(&mm->mm_mt, MM_MT_FLAGS);
	return 0;
}

/* As dup_mm(): what a failed dup_mmap() leaves is torn down by the last mmput(). */
static int32_t drive_fork(struct mm_struct *oldmm, struct mm_struct *mm)
{
	int32_t result;

	if (mm->alive)
		return -EEXIST;
	*mm = (struct mm_struct) {
		.id = mm->id, .page_table_lock = { .mm = mm->id }, .alive = true,
	};
	mt_init_flags(&mm->mm_mt, MM_MT_FLAGS);
	if (!page_tables_born(mm)) {
		mm->alive = false;
		return -ENOMEM;
	}
	result = dup_mmap(mm, oldmm);
	if (result)
		drive_exit(mm);
	return result;
}

static int32_t drive_advise(struct mm_struct *mm, const struct rmap_operation_advise *op)
{
	static const int advice[] = { MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK,
				      MADV_KEEPONFORK };

	return do_madvise(mm, op->start << PAGE_SHIFT, (op->end - op->start) << PAGE_SHIFT,
			  advice[op->advice % 4]);
}

static int32_t drive_mremap(uint64_t start, uint64_t end, uint64_t pages, unsigned long flags,
			    uint64_t to)
{
	unsigned long result = sys_mremap(start << PAGE_SHIFT, (end - start) << PAGE_SHIFT,
					  pages << PAGE_SHIFT, flags, to << PAGE_SHIFT);

	return IS_ERR_VALUE(result) ? (int32_t)result : 0;
}

static int32_t drive_move(const struct rmap_operation_move *op)
{
	unsigned long flags =
		MREMAP_MAYMOVE | MREMAP_FIXED | (op->dontunmap ? MREMAP_DONTUNMAP : 0);

	return drive_mremap(op->start, op->end, op->end - op->start, flags, op->to);
}

/* No page is populated: the lock takes effect as faults bring pages in. */
static int32_t drive_mlock(const struct rmap_operation_mlock *op)
{
	return sys_mlock2(op->start << PAGE_SHIFT, (op->end - op->start) << PAGE_SHIFT,
			  MLOCK_ONFAULT);
}

static int32_t drive_munlock(const struct rmap_operation_munlock *op)
{
	return sys_munlock(op->start << PAGE_SHIFT, (op->end - op->start) << PAGE_SHIFT);
}

/* The memory to come is not locked. */
static int32_t drive_mlockall(void)
{
	return sys_mlockall(MCL_CURRENT | MCL_ONFAULT);
}

static int32_t drive_protect(const struct rmap_operation_protect *op)
{
	return do_mprotect_pkey(op->start << PAGE_SHIFT, (op->end - op->start) << PAGE_SHIFT,
				op->write ? PROT_READ | PROT_WRITE : PROT_READ, -1);
}

/* An operation without a case does not compile. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wswitch"
static int32_t drive(struct rmap_world *w, const struct rmap_operation *op)
{
	struct mm_struct *mm = &w->mms[op->mm % RMAP_MAX_PROCESSES];

	/* Of no process. */
	if (op->kind == RMAP_OP_UNPIN || op->kind == RMAP_OP_MIGRATE_END)
		return drive_pages(mm, op);
	if (!mm->alive)
		return -ESRCH;
	current->mm = mm;
	may_write_vmas_of(mm);
	/* The arguments of an operation, by the name of its kind. */
#define ARGUMENTS(kind) (&op->arguments.kind)
	switch ((enum rmap_operation_kind)op->kind) {
	case RMAP_OP_MAP:
		return drive_map(mm, ARGUMENTS(map));
	case RMAP_OP_FAULT:
		return drive_fault(mm, ARGUMENTS(fault));
	case RMAP_OP_FORK:
		return drive_fork(mm, &w->mms[ARGUMENTS(fork)->child % RMAP_MAX_PROCESSES]);
	case RMAP_OP_UNMAP:
		return drive_unmap(mm, ARGUMENTS(unmap));
	case RMAP_OP_EXIT:
		return drive_exit(mm);
	case RMAP_OP_PROTECT:
		return drive_protect(ARGUMENTS(protect));
	case RMAP_OP_ADVISE:
		return drive_advise(mm, ARGUMENTS(advise));
	case RMAP_OP_MOVE:
		return drive_move(ARGUMENTS(move_to));
	case RMAP_OP_RESIZE:
		return drive_mremap(ARGUMENTS(resize)->start, ARGUMENTS(resize)->end,
				    ARGUMENTS(resize)->pages, 0, 0);
	case RMAP_OP_GROW:
		return drive_grow(mm, ARGUMENTS(grow));
	case RMAP_OP_MLOCK:
		return drive_mlock(ARGUMENTS(mlock));
	case RMAP_OP_MUNLOCK:
		return drive_munlock(ARGUMENTS(munlock));
	case RMAP_OP_MLOCKALL:
		return drive_mlockall();
	case RMAP_OP_MUNLOCKALL:
		return sys_munlockall();
	case RMAP_OP_BRK:
		return drive_brk(mm, ARGUMENTS(brk));
	case RMAP_OP_WALK:
		return drive_walk(mm, ARGUMENTS(walk));
	case RMAP_OP_TOUCH:
	case RMAP_OP_DONTNEED:
	case RMAP_OP_AGE:
	case RMAP_OP_SWAPOUT:
	case RMAP_OP_MIGRATE:
	case RMAP_OP_LAZYFREE:
	case RMAP_OP_PIN:
	case RMAP_OP_UNPIN:
	case RMAP_OP_MIGRATE_BEGIN:
	case RMAP_OP_MIGRATE_END:
	case RMAP_OP_CLEAN:
	case RMAP_OP_EXCLUSIVE:
	case RMAP_OP_SPLIT:
	case RMAP_OP_UFFDWP:
	case RMAP_OP_POISON:
		return drive_pages(mm, op);
	}
#undef ARGUMENTS
	return -EINVAL;
}
#pragma GCC diagnostic pop

/* Where loads and stores are points, others may be in the middle of a VMA: not of one of these. */
static bool others_may_write(const struct rmap_world *w, const struct vm_area_struct *vma)
{
#ifdef RMAP_ACCESSES
	if (!w->task.accesses.before)
		return false;
	for (uint32_t i = 0; i < RMAP_MAX_PROCESSES; i++)
		if (vma->vm_mm == &w->mms[i])
			return w->mms[i].mmap_lock != MMAP_WRITE_LOCKED ||
			       !(w->mms[i].mmap_tasks & task_bit());
	return true;
#else
	return false;
#endif
}

static void report_writes_at_end(struct rmap_world *w, struct slab_object *object)
{
	struct vm_area_struct *vma = body_of(object);

	if (others_may_write(w, vma))
		return;
	report_writes(vma);
	if (!runs_beside_others())
		vma_notes_of(vma)->found_since = w->operations;
}

/* What was written and is not told yet, of every VMA. */
static void report_all_writes(struct rmap_world *w)
{
	struct slab_object *object;

	if (!w->task.watcher)
		return;
	for (object = w->slabs[RMAP_CACHE_VMA].live_first; object; object = object->next)
		report_writes_at_end(w, object);
	w->all_written = false;
	if (!runs_beside_others())
		w->written_mms = 0;
}

/*
 * The same, of the mms that an operation is about: its own, those whose mmap lock it took, and
 * those that it made VMAs for. Nobody may write to the VMAs of others. Where somebody does, they
 * are not as they were told whenever the whole state is looked at, or told when an operation is
 * about them.
 */
static void report_writes_of_operation(struct rmap_world *w)
{
	struct slab_object *next[RMAP_MAX_PROCESSES], *object;
	uint32_t n = 0, first;

	if (!w->task.watcher)
		return;
	for (uint32_t mms = w->written_mms; mms; mms &= mms - 1) {
		next[n] = w->vmas_of[__builtin_ctz(mms)].first;
		n += next[n] != NULL;
	}
	w->written_mms = 0;
	while (n) {
		first = 0;
		for (uint32_t i = 1; i < n; i++)
			if (next[i]->serial < next[first]->serial)
				first = i;
		object = next[first];
		/* One that is of another mm by now goes there when it is told. */
		next[first] = next_of_mm(object);
		if (!next[first])
			next[first] = next[--n];
		report_writes_at_end(w, object);
	}
}

/* The task that does an operation has given back what it took, but for locks of mms. */
static void check_locks(const struct rmap_task *task)
{
	bool held = task->nr_spinlocks;

#ifdef RMAP_PAGES
	held |= task->pages.nr_vmas_read || task->pages.nr_files;
#endif
	if (unlikely(held))
		broken_rule(RMAP_RULE_LOCK_HELD_ON_RETURN, RMAP_NONE);
}

/* No lock of an mm is held, and where no process is left no node of a tree is. */
static void check_operation(struct rmap_world *w)
{
	bool alive = false;

	for (uint32_t i = 0; i < RMAP_MAX_PROCESSES; i++) {
		if (unlikely(w->mms[i].mmap_lock != MMAP_UNLOCKED))
			broken_rule(RMAP_RULE_LOCK_HELD_ON_RETURN, i);
		alive |= w->mms[i].alive;
	}
	if (unlikely(!alive && w->nodes->live))
		broken_rule(RMAP_RULE_NODES_LEFT, w->nodes->live);
	page_tables_checked();
	if (!alive)
		page_tables_end();
}

/*
 * Does an operation, or none, and what is checked at its end. Of several tasks that waits until all
 * have ended, and so does the freeing of what somebody may still read.
 */
static int32_t operate(struct rmap_world *w, const struct rmap_operation *op)
{
	int32_t result;

	current_world = w;

	w->operations++;
	if (!w->task.watcher)
		w->unwatched = w->operations;
	w->all_written |= !w->task.watcher || !op;
	w->task.nr_events = w->task.nr_given = w->task.nr_touched = w->task.depth = 0;
	w->task.outermost = (struct rmap_call) { .kind = RMAP_OUTSIDE };
	switch (sigsetjmp(w->task.escape, 0)) {
	case 0:
		w->task.in_call = true;
		result = op ? drive(w, op) : 0;
		tell_accesses(false);
		if (w->all_written || runs_beside_others())
			report_all_writes(w);
		else
			report_writes_of_operation(w);
		if (!runs_beside_others())
			flush_rcu(w);
		check_return(w);
		check_locks(&w->task);
		if (runs_beside_others())
			page_tables_task_ends();
		else
			check_operation(w);
		watch_outside();
		break;
	case ESCAPE_STOPPED:
		result = -EFAULT;
		break;
	case 1:
		result = -EFAULT;
		goto ended_early;
	default:
		if (w->task.nr_events == EVENTS_MAX)
			w->task.nr_events--;
		record(RMAP_EVENT_OOPS, 0, 0, RMAP_NONE, RMAP_NONE);
		result = -EFAULT;
ended_early: {
	struct rmap_seen seen = {
		.call = &w->task.outermost,
		.result = -EFAULT,
		.events = w->task.events,
		.nr_events = w->task.nr_events,
	};

	if (!w->task.depth)
		w->task.outermost = (struct rmap_call){ .kind = RMAP_OUTSIDE };
	if (w->task.watcher)
		w->task.watcher(w->task.watcher_context, &seen);
	}
	}
	/* What an operation that ended early wrote is not told yet. */
	w->all_written |= w->written_mms != 0;
	w->task.in_call = false;
	w->task.watcher = NULL;
	w->task.nr_events = 0;
	current_world = NULL;
	return result;
}

static int32_t reference_operate(struct rmap_world *w, const struct rmap_operation *op,
				 const struct rmap_fail *node_fail, rmap_watcher watcher,
				 void *context)
{
	w->task.watcher = watcher;
	w->task.watcher_context = context;
	w->task.node_fail = *node_fail;
	return operate(w, op);
}

static uint32_t reference_injected(const struct rmap_world *w)
{
	return w->task.injected + w->task.nodes_injected + page_tables_injected(w);
}

/* 2: of two or more entries. */
static uint64_t chain_length(const struct vm_area_struct *vma)
{
	if (list_empty(&vma->anon_vma_chain))
		return 0;
	return list_is_singular(&vma->anon_vma_chain) ? 1 : 2;
}

static const uint64_t *reference_space(struct rmap_world *w, uint32_t mm, uint32_t *count)
{
	struct mm_struct *space = &w->mms[mm % RMAP_MAX_PROCESSES];
	struct vm_area_struct *vma;
	MA_STATE(mas, &space->mm_mt, 0, 0);

	current_world = w;
	w->nr_words = 0;
	if (!sigsetjmp(w->task.escape, 0)) {
		w->task.in_call = true;
		if (space->alive) {
			put_word(space->map_count);
			put_word(space->total_vm);
			put_word(mt_in_rcu(&space->mm_mt) || !(MM_MT_FLAGS & MT_FLAGS_USE_RCU));
			mas_for_each(&mas, vma, ULONG_MAX) {
				PUT_WORDS(serial_of(vma), vma->vm_start >> PAGE_SHIFT,
					  vma->vm_end >> PAGE_SHIFT, vma->vm_pgoff,
					  vma_told_kind(vma), optional_serial(vma->anon_vma),
					  chain_length(vma));
			}
		}
	} else {
		w->nr_words = 0;
		put_word(UINT64_MAX);
		put_word(0);
		put_word(0);
	}
	w->task.in_call = false;
	current_world = NULL;
	*count = w->nr_words;
	return w->words;
}

#endif
