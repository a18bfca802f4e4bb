/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The wrappers of what the VMA code calls, and the telling of what it wrote: behind the cut text.
 */
#ifndef VMA_OPERATIONS_H
#define VMA_OPERATIONS_H

#include <linux/array_size.h>
#include "stubs/state.h"
#include "vma/layer.h"

static uint32_t vma_told_mm(const struct vm_area_struct *vma)
{
	return vma->vm_mm->id;
}

static bool vma_told_attached(const struct vm_area_struct *vma)
{
	return vma_notes_of(vma)->attached;
}

static uint64_t vma_told_anon_pgoff(const struct vm_area_struct *vma)
{
#ifdef RMAP_VMA_ANON_PGOFF
	bool told = tell_accesses(false);
	uint64_t pgoff = vma_start_anon_pgoff(vma);

	tell_accesses(told);
	return pgoff;
#else
	return vma->vm_pgoff;
#endif
}

/* The flags of a VMA as the C interface numbers them. */
static uint32_t told_vma_flags(unsigned long flags)
{
	unsigned long others = ~(VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC);
	uint32_t told = 0;

#define TELL(flag, bit) (others &= ~(flag), told |= flags & (flag) ? (bit) : 0)
	TELL(VM_READ, RMAP_VMA_READ);
	TELL(VM_WRITE, RMAP_VMA_WRITE);
	TELL(VM_EXEC, RMAP_VMA_EXEC);
	TELL(VM_SOFTDIRTY, RMAP_VMA_SOFTDIRTY);
	TELL(VM_GROWSDOWN, RMAP_VMA_GROWSDOWN);
	TELL(VM_DONTCOPY, RMAP_VMA_DONTCOPY);
	TELL(VM_WIPEONFORK, RMAP_VMA_WIPEONFORK);
	TELL(VM_ACCOUNT, RMAP_VMA_ACCOUNT);
	TELL(VM_NORESERVE, RMAP_VMA_NORESERVE);
	TELL(VM_LOCKED, RMAP_VMA_LOCKED);
	TELL(VM_SHARED, RMAP_VMA_SHARED);
#ifdef RMAP_PAGES
	TELL(VM_UFFD_WP, RMAP_VMA_UFFD);
#endif
	/* It says how memory is locked, and comes and goes with VM_LOCKED. */
	TELL(VM_LOCKONFAULT, 0);
	/* It comes with VM_SHARED. */
	TELL(VM_MAYSHARE, 0);
#undef TELL
	return told | (flags & others ? RMAP_VMA_OTHER : 0);
}

static uint64_t told_kind(unsigned long flags, const struct file *file)
{
	uint64_t kind = told_vma_flags(flags);

	if (file)
		kind |= (uint64_t)(file - current_world->files + 1) << 32;
	return kind;
}

/* The flags, and the file. */
static uint64_t vma_told_kind(const struct vm_area_struct *vma)
{
	const struct vma_notes *notes = vma_notes_of(vma);

	if (likely(notes->flags == vma->vm_flags && notes->file == vma->vm_file))
		return notes->kind;
	return told_kind(vma->vm_flags, vma->vm_file);
}

/* From now on this is what was told. */
static void remember_kind(struct vma_notes *notes, unsigned long flags, const struct file *file)
{
	notes->flags = flags;
	notes->file = file;
	notes->kind = told_kind(flags, file);
}

/* For the watcher's answer: the operation ends here. */
#define ESCAPE_STOPPED 3

#ifdef RMAP_PAGES
static bool is_wrong(const struct rmap_event *event)
{
	return event->kind >= RMAP_EVENT_WARN && event->kind <= RMAP_EVENT_RULE;
}

static bool is_anything_wrong(void)
{
	const struct rmap_task *task = &current_world->task;
	bool wrong = false;

	for (uint32_t i = 0; i < task->nr_events; i++)
		wrong |= is_wrong(&task->events[i]);
	return wrong;
}
#else
#define is_anything_wrong() false
#endif

static int32_t watch(const struct rmap_call *call, int32_t result, bool with_state)
{
	struct rmap_world *w = current_world;
	struct rmap_seen seen = { .call = call, .result = result };
	int32_t stop;

	if (!w->task.watcher) {
		w->task.nr_events = 0;
		return result;
	}
	/* Of several tasks the watcher hears what is wrong, and the calls of the followed. */
	if (runs_beside_others()) {
		/* The VMAs of the call are looked at like others from here on. */
		w->anon_vmas_unchecked |= w->task.nr_given != 0;
		if (!(w->task.followed && call->kind != RMAP_OUTSIDE) && !is_anything_wrong()) {
			w->task.nr_events = 0;
			return result;
		}
		with_state = false;
	}
	if (with_state) {
		w->nr_words = 0;
		tell_touched(w);
		seen.words = w->words;
		seen.nr_words = w->nr_words;
	}
	seen.events = w->task.events;
	seen.nr_events = w->task.nr_events;
	/* What goes wrong in the watcher is not the kernel's. */
	w->task.in_call = false;
	stop = w->task.watcher(w->task.watcher_context, &seen);
	w->task.in_call = true;
	current_world = w;
	if (unlikely(stop))
		siglongjmp(w->task.escape, ESCAPE_STOPPED);
	w->task.nr_events = 0;
	return result;
}

/*
 * What the page-table code locks and counts outside of calls is no effect that a call has. Flushes
 * and statistics are told, unless something went wrong, which is then told alone.
 */
static void forget_effects(void)
{
#ifdef RMAP_PAGES
	struct rmap_world *w = current_world;
	bool wrong = is_anything_wrong();
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w->task.nr_events; i++) {
		uint8_t kind = w->task.events[i].kind;

		if (wrong ? is_wrong(&w->task.events[i]) :
			    kind == RMAP_EVENT_FLUSH || kind == RMAP_EVENT_STAT)
			w->task.events[kept++] = w->task.events[i];
	}
	w->task.nr_events = kept;
#endif
}

/* Events of no call: a WARN of the VMA code, say. */
static void watch_outside(void)
{
	static const struct rmap_call call = { .kind = RMAP_OUTSIDE };

	if (likely(!current_world->task.nr_events))
		return;
	if (current_world->task.watcher)
		forget_effects();
	if (current_world->task.nr_events)
		watch(&call, 0, false);
}

static void call_begins(void)
{
	struct rmap_world *w = current_world;

	w->task.nr_given = 0;
	if (!w->task.watcher)
		return;
	watch_outside();
	w->task.nr_events = w->task.nr_touched = 0;
	w->task.told_folio = RMAP_NONE;
	w->epoch++;
	w->task.bookkeeping = true;
	/* Whoever begins a call that is more than a moment says which. */
	w->task.outermost.kind = RMAP_OUTSIDE;
}

/*
 * A WARN in no call is told at once, while its text is the last one; the text says whether an
 * allocation was made to fail before it, for then it is another finding.
 */
static void watch_warning(void)
{
	struct rmap_world *w = current_world;
	size_t length = strlen(w->warning);

	if (!w->task.watcher || w->task.depth)
		return;
	if (w->task.injected || w->task.nodes_injected)
		snprintf(w->warning + length, sizeof(w->warning) - length,
			 ", an allocation having failed");
	watch_outside();
}

static void layer_mmap_lock(enum rmap_call_kind kind, struct mm_struct *mm)
{
	/* The calls on the mmap lock have one layout. */
	struct rmap_call call = { .kind = kind, .arguments.mmap_write_lock = { mm->id } };

	if (current_world->task.depth)
		return;
	call_begins();
	watch(&call, 0, false);
}

static void layer_pages_zap(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct rmap_call call =
		CALL(PAGES_ZAP, pages_zap, mm->id, start >> PAGE_SHIFT, end >> PAGE_SHIFT);

	call_begins();
	watch(&call, 0, false);
}

static void layer_pages_copy(struct mm_struct *mm, struct mm_struct *from, unsigned long start,
			     unsigned long end)
{
	struct rmap_call call = CALL(PAGES_COPY, pages_copy, mm->id, from->id, start >> PAGE_SHIFT,
				     end >> PAGE_SHIFT);

	call_begins();
	watch(&call, 0, false);
}

static void layer_pages_move(struct mm_struct *mm, unsigned long start, unsigned long end,
			     unsigned long to)
{
	struct rmap_call call = CALL(PAGES_MOVE, pages_move, mm->id, start >> PAGE_SHIFT,
				     end >> PAGE_SHIFT, to >> PAGE_SHIFT);

	call_begins();
	watch(&call, 0, false);
}

static struct vmas_of_mm *vmas_of(uint32_t mm)
{
	return &current_world->vmas_of[mm % RMAP_MAX_PROCESSES];
}

static struct slab_object *next_of_mm(struct slab_object *object)
{
	return vma_notes_of(body_of(object))->next_of_mm;
}

/* It goes behind those that are older: nearly always to the end. */
static void join_vmas_of_mm(struct vm_area_struct *vma, uint32_t mm)
{
	struct vma_notes *notes = vma_notes_of(vma);
	struct slab_object *object = object_of(vma);
	struct vmas_of_mm *all = vmas_of(mm);
	struct slab_object *prev = all->last;

	while (prev && prev->serial > object->serial)
		prev = vma_notes_of(body_of(prev))->prev_of_mm;
	notes->prev_of_mm = prev;
	notes->next_of_mm = prev ? next_of_mm(prev) : all->first;
	*(prev ? &vma_notes_of(body_of(prev))->next_of_mm : &all->first) = object;
	if (notes->next_of_mm)
		vma_notes_of(body_of(notes->next_of_mm))->prev_of_mm = object;
	else
		all->last = object;
	notes->mm = mm;
	current_world->written_mms |= 1u << (mm % RMAP_MAX_PROCESSES);
}

static void leave_vmas_of_mm(struct vm_area_struct *vma)
{
	struct vma_notes *notes = vma_notes_of(vma);
	struct slab_object *prev = notes->prev_of_mm, *next = notes->next_of_mm;
	struct vmas_of_mm *all = vmas_of(notes->mm);

	*(prev ? &vma_notes_of(body_of(prev))->next_of_mm : &all->first) = next;
	*(next ? &vma_notes_of(body_of(next))->prev_of_mm : &all->last) = prev;
}

static void remember(struct vm_area_struct *vma)
{
	struct vma_notes *notes = vma_notes_of(vma);
	uint32_t mm = vma_told_mm(vma);

	if (notes->mm != mm) {
		leave_vmas_of_mm(vma);
		join_vmas_of_mm(vma, mm);
	}
	notes->start = vma->vm_start;
	notes->end = vma->vm_end;
	notes->pgoff = vma->vm_pgoff;
	notes->anon_pgoff = vma_told_anon_pgoff(vma);
	if (notes->flags != vma->vm_flags || notes->file != vma->vm_file)
		remember_kind(notes, vma->vm_flags, vma->vm_file);
	notes->anon_vma = vma->anon_vma ? serial_of(vma->anon_vma) : RMAP_NONE;
	notes->told_attached = notes->attached;
}

static struct rmap_range range_of(const struct vm_area_struct *vma)
{
	return (struct rmap_range){ vma->vm_start >> PAGE_SHIFT, vma->vm_end >> PAGE_SHIFT,
				    vma->vm_pgoff };
}

#ifdef RMAP_VMA_LOCK
/*
 * Whether others may find the VMA, so that it is changed under its lock alone. One that is new is
 * its maker's, and one that was taken out of the tree is nobody else's any more.
 */
static bool vma_needs_lock(const struct vm_area_struct *vma)
{
	const struct vma_notes *notes = vma_notes_of(vma);

	return notes->found_since > current_world->unwatched && !notes->detached;
}

/* Of one task alone it is enough that it took the lock before the change, in this operation. */
static bool vma_may_be_changed(const struct vm_area_struct *vma)
{
	return vma_is_write_locked(vma) ||
	       (!runs_beside_others() &&
		vma_notes_of(vma)->written_by == current_world->operations);
}

/* Its anon_vma is first set under page_table_lock, and so by whoever reads the VMA. */
static bool lost_its_anon_vma(const struct vm_area_struct *vma)
{
	uint32_t before = vma_notes_of(vma)->anon_vma;

	return before != RMAP_NONE && (!vma->anon_vma || serial_of(vma->anon_vma) != before);
}

static bool vma_is_changed(const struct vm_area_struct *vma)
{
	const struct vma_notes *notes = vma_notes_of(vma);

	return notes->start != vma->vm_start || notes->end != vma->vm_end ||
	       notes->pgoff != vma->vm_pgoff || notes->flags != vma->vm_flags ||
	       notes->anon_pgoff != vma_told_anon_pgoff(vma) || lost_its_anon_vma(vma);
}

static void check_vma_lock(const struct vm_area_struct *vma)
{
	if (!vma_may_be_changed(vma) && vma_needs_lock(vma))
		broken_rule(RMAP_RULE_VMA_CHANGED_UNLOCKED, serial_of(vma));
}

/* Whoever takes the lock of a VMA has not changed it before. */
static void check_vma_unchanged(struct vm_area_struct *vma)
{
	if (vma_is_changed(vma))
		check_vma_lock(vma);
}
#else
static inline void check_vma_lock(const struct vm_area_struct *vma)
{
}

static inline bool lost_its_anon_vma(const struct vm_area_struct *vma)
{
	return false;
}

static void check_vma_unchanged(struct vm_area_struct *vma)
{
}
#endif

/*
 * What was written into the VMA since the last report, one call a kind; the state goes with the
 * last.
 */
static void report_writes(struct vm_area_struct *vma)
{
	struct vma_notes *notes = vma_notes_of(vma);
	struct rmap_call calls[5];
	uint32_t n = 0, serial = serial_of(vma), mm, anon_vma;
	uint64_t anon_pgoff, kind;
	bool moved;

	if (!current_world->task.watcher)
		return;
	mm = vma_told_mm(vma);
	anon_pgoff = vma_told_anon_pgoff(vma);
	anon_vma = vma->anon_vma ? serial_of(vma->anon_vma) : RMAP_NONE;
	moved = notes->start != vma->vm_start || notes->end != vma->vm_end ||
		notes->pgoff != vma->vm_pgoff;
	/* Most are as they were. */
	if (likely(!moved && notes->mm == mm && notes->flags == vma->vm_flags &&
		   notes->file == vma->vm_file && notes->anon_pgoff == anon_pgoff &&
		   notes->anon_vma == anon_vma && notes->attached == notes->told_attached))
		return;
	if (moved || notes->flags != vma->vm_flags || notes->anon_pgoff != anon_pgoff ||
	    lost_its_anon_vma(vma))
		check_vma_lock(vma);
	kind = vma_told_kind(vma);
	if (notes->mm != mm)
		calls[n++] = CALL(VMA_SET_MM, vma_set_mm, serial, mm);
	if (moved)
		calls[n++] = CALL(VMA_SET_RANGE, vma_set_range, serial, range_of(vma));
	if (kind != notes->kind ||
	    anon_pgoff != (moved ? vma->vm_pgoff : notes->anon_pgoff))
		calls[n++] = CALL(VMA_SET_ATTRIBUTES, vma_set_attributes, serial,
				  { anon_pgoff, (uint32_t)kind, kind >> 32 });
	if (anon_vma != notes->anon_vma)
		calls[n++] = CALL(VMA_SET_ANON_VMA, vma_set_anon_vma, serial, anon_vma);
	if (notes->attached != notes->told_attached)
		calls[n++] = (struct rmap_call) {
			.kind = notes->attached ? RMAP_VMA_MARK_ATTACHED : RMAP_VMA_MARK_DETACHED,
			.arguments.vma_mark_attached = { serial },
		};
	remember(vma);
	for (uint32_t i = 0; i < n; i++) {
		call_begins();
		current_world->task.given[current_world->task.nr_given++] = vma;
		watch(&calls[i], 0, i + 1 == n);
	}
}

/* What the VMA iterator of find_mergeable_anon_vma() is going to find. */
static void find_neighbours(struct vm_area_struct *vma, struct vm_area_struct **prev,
			    struct vm_area_struct **next)
{
	MA_STATE(mas, &vma->vm_mm->mm_mt, vma->vm_end, vma->vm_end);

	*next = mas_walk(&mas);
	mas_set(&mas, vma->vm_start);
	*prev = mas_prev(&mas, 0);
}

/* A call begins, of these VMAs; the last two may be NULL. A call within another is part of that. */
static void outermost_begin(struct rmap_call call, struct vm_area_struct *vma,
			    struct vm_area_struct *other, struct vm_area_struct *third)
{
	struct rmap_world *w = current_world;

	if (w->task.depth++ || !w->task.watcher)
		return;
	report_writes(vma);
	if (other)
		report_writes(other);
	if (third)
		report_writes(third);
	call_begins();
	w->task.bookkeeping = false;
	w->task.outermost = call;
	w->task.given[w->task.nr_given++] = vma;
	if (other)
		w->task.given[w->task.nr_given++] = other;
	if (third)
		w->task.given[w->task.nr_given++] = third;
}

static void check_return(struct rmap_world *w);

static void outermost_end(int32_t result)
{
	struct rmap_world *w = current_world;
	struct vm_area_struct *vma;

	if (--w->task.depth)
		return;
	check_return(w);
	for (uint32_t i = 0; i < w->task.nr_given; i++) {
		vma = w->task.given[i];
		if (lost_its_anon_vma(vma))
			check_vma_lock(vma);
		vma_notes_of(vma)->anon_vma = vma->anon_vma ? serial_of(vma->anon_vma) : RMAP_NONE;
	}
	watch(&w->task.outermost, result, true);
}

static void outermost_prepare_begin(struct vm_area_struct *vma)
{
	struct vm_area_struct *prev = NULL, *next = NULL;

	if (!current_world->task.depth)
		find_neighbours(vma, &prev, &next);
	outermost_begin(CALL(ANON_VMA_PREPARE, anon_vma_prepare, serial_of(vma),
			     prev ? serial_of(prev) : RMAP_NONE,
			     next ? serial_of(next) : RMAP_NONE),
			vma, prev, next);
}

/* A call on an anon_vma rather than a VMA: its lock is taken or released. */
static void outermost_lock_begin(enum rmap_call_kind kind, struct anon_vma *anon_vma)
{
	struct rmap_world *w = current_world;

	if (w->task.depth++)
		return;
	call_begins();
	w->task.bookkeeping = false;
	w->task.outermost =
		(struct rmap_call){ .kind = kind,
				    .arguments.anon_vma_lock_write = { serial_of(anon_vma) } };
	w->task.updating = kind == RMAP_ANON_VMA_LOCK_WRITE;
}

static inline void anon_vma_lock_write(struct anon_vma *anon_vma)
{
	outermost_lock_begin(RMAP_ANON_VMA_LOCK_WRITE, anon_vma);
	verbatim_anon_vma_lock_write(anon_vma);
	outermost_end(0);
}

static inline void anon_vma_unlock_write(struct anon_vma *anon_vma)
{
	outermost_lock_begin(RMAP_ANON_VMA_UNLOCK_WRITE, anon_vma);
	verbatim_anon_vma_unlock_write(anon_vma);
	outermost_end(0);
}

static void observe_tree_pre_update(struct vm_area_struct *vma, bool offset_stays)
{
	struct rmap_call call = CALL(TREE_PRE_UPDATE_VMA, tree_pre_update_vma, serial_of(vma),
				    offset_stays);

	outermost_begin(call, vma, NULL, NULL);
	pre_update_verbatim(vma, offset_stays);
	outermost_end(0);
}

static void observe_tree_post_update(struct vm_area_struct *vma, bool offset_stays)
{
	struct rmap_call call = CALL(TREE_POST_UPDATE_VMA, tree_post_update_vma, serial_of(vma),
				    offset_stays);

	outermost_begin(call, vma, NULL, NULL);
	post_update_verbatim(vma, offset_stays);
	outermost_end(0);
}

#ifdef RMAP_UPDATE_TOLD_OFFSET
static inline void TREE(pre_update_vma)(struct vm_area_struct *vma, bool offset_stays)
{
	observe_tree_pre_update(vma, offset_stays);
}

static inline void TREE(post_update_vma)(struct vm_area_struct *vma, bool offset_stays)
{
	observe_tree_post_update(vma, offset_stays);
}
#else
static inline void TREE(pre_update_vma)(struct vm_area_struct *vma)
{
	observe_tree_pre_update(vma, false);
}

static inline void TREE(post_update_vma)(struct vm_area_struct *vma)
{
	observe_tree_post_update(vma, false);
}
#endif

/* The VMA slab: the kernel's functions, and our list of VMAs by serial. */

static void vma_born(struct vm_area_struct *vma)
{
	struct rmap_world *w = current_world;
	uint32_t serial = serial_of(vma);

	*vma_notes_of(vma) = (struct vma_notes) {
		.anon_vma = RMAP_NONE,
#ifdef RMAP_VMA_BORN_DETACHED
		.detached = true,
#endif
	};
	join_vmas_of_mm(vma, vma_told_mm(vma));
	w->vmas = grow(w->vmas, &w->max_vmas, serial + 1, sizeof(*w->vmas));
	w->vmas[serial] = vma;
	w->task.given[w->task.nr_given++] = vma;
}

struct vm_area_struct *vm_area_alloc(struct mm_struct *mm)
{
	struct rmap_call call = { .kind = RMAP_VM_AREA_ALLOC,
				  .arguments.vm_area_alloc.mm = mm->id };
	struct vm_area_struct *vma;

	call_begins();
	current_world->task.depth++;
	vma = verbatim_vm_area_alloc(mm);
	current_world->task.depth--;
	if (vma) {
		vma_born(vma);
		call.arguments.vm_area_alloc.range = range_of(vma);
		remember(vma);
		/* As a VMA is said to be born: readable, writable. */
		remember_kind(vma_notes_of(vma), VM_READ | VM_WRITE, NULL);
		vma_notes_of(vma)->anon_pgoff = vma->vm_pgoff;
	}
	watch(&call, vma ? (int32_t)serial_of(vma) : -ENOMEM, false);
	return vma;
}

struct vm_area_struct *vm_area_dup(struct vm_area_struct *orig)
{
	struct rmap_call call =
		CALL(VM_AREA_DUP, vm_area_dup, serial_of(orig), orig->vm_mm->id, range_of(orig));
	struct vm_area_struct *vma;

	report_writes(orig);
	call_begins();
	current_world->task.given[current_world->task.nr_given++] = orig;
	current_world->task.depth++;
	vma = verbatim_vm_area_dup(orig);
	current_world->task.depth--;
	if (vma) {
		vma_born(vma);
		remember(vma);
	}
	watch(&call, vma ? (int32_t)serial_of(vma) : -ENOMEM, true);
	return vma;
}

/* From whichever function the kernel frees it. */
static void vma_freed(struct vm_area_struct *vma)
{
	struct rmap_call call = CALL(VM_AREA_FREE, vm_area_free, serial_of(vma));

	if (likely(is_live(vma))) {
		report_writes(vma);
		leave_vmas_of_mm(vma);
	}
	call_begins();
	current_world->vmas[serial_of(vma)] = NULL;
	slab_free(&kmem_caches[RMAP_CACHE_VMA], vma);
	watch(&call, 0, false);
}

static void layer_clear(struct rmap_world *w);
static void layer_destroy(struct rmap_world *w);

static void start_layer(void)
{
	vm_area_cachep = &kmem_caches[RMAP_CACHE_VMA];
#ifndef RMAP_VMA_BORN_DETACHED
	vm_area_cachep->freed_by_rcu = true;
#endif
	maple_node_cache = &maple_cache;
}

#endif
