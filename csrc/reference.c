// SPDX-License-Identifier: GPL-2.0-only
/*
 * One reference: the text cut from one kernel tree, between the stubs that it needs and the
 * table that it exports. Compiled once a reference, with the directory that the extractor wrote
 * in the include path and RMAP_OPS as the name of the table, the only symbol that is not static.
 *
 * With RMAP_VMA_LAYER the kernel's VMA code is part of it, and drives: see vma/layer.h. Without, a
 * driver outside makes every call.
 *
 * The verbatim text is compiled under its own names, except the entry points: a renaming macro
 * around their definitions gives these the prefix verbatim_, and the wrappers here have their
 * names, so that every call is observed, whoever makes it.
 */
#define CONFIG_64BIT 1
#define CONFIG_MMU 1
#ifdef RMAP_PAGES
#include "pages_config.h"
#elif !defined(RMAP_VMA_LAYER)
#define CONFIG_PER_VMA_LOCK 1
#define CONFIG_MEM_SOFT_DIRTY 1
#endif

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "revision.h"
#include "stubs/instrument.h"

STUBS_BEGIN
#include <linux/types.h>

struct rb_root;
struct rb_node;
struct rb_root_cached;
struct rb_augment_callbacks;
struct rb_node_linked;
struct rb_root_linked;
#include "rbtree_prototypes.h"
#include <linux/rbtree_augmented.h>

#include <linux/init.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#ifdef RMAP_VMA_LAYER
#include "vma/headers.h"
#include "vma/layer.h"
#else
#include <linux/pagemap.h>
#endif
STUBS_END
#ifdef RMAP_VMA_LAYER
#include "rmap_prototypes.h"
#else
#include "vma_inlines.h"
#include "rmap_prototypes.h"
#include "inlines.h"
#include "folio_types.h"
#include "folio_inlines.h"
#include "folio_prototypes.h"
#endif
STUBS_BEGIN
#include "stubs/observe.h"
#include "stubs/state.h"
STUBS_END

/*
 * Kept apart from their wrappers: inlined into these, which carry no counters, they would lose
 * theirs. And stack traces and coverage name them.
 */
#define KEPT static __attribute__((__noinline__))
KEPT int verbatim___anon_vma_prepare(struct vm_area_struct *vma);
KEPT int verbatim_anon_vma_fork(struct vm_area_struct *vma, struct vm_area_struct *pvma);
KEPT void verbatim_unlink_anon_vmas(struct vm_area_struct *vma);
#ifdef RMAP_VMA_OPERATION
KEPT int verbatim_anon_vma_clone(struct vm_area_struct *dst, struct vm_area_struct *src,
				 enum vma_operation operation);
#else
KEPT int verbatim_anon_vma_clone(struct vm_area_struct *dst, struct vm_area_struct *src);
#endif

/* The functions of a tree, by name and by what they take. */
#ifdef RMAP_ANON_RMAP_TREE
#define TREE(name) anon_rmap_tree_##name
#define VERBATIM_TREE(name) verbatim_anon_rmap_tree_##name
#else
#define TREE(name) anon_vma_interval_tree_##name
#define VERBATIM_TREE(name) verbatim_anon_vma_interval_tree_##name
#endif

#ifdef RMAP_TREE_OF_ANON_VMA
#define TREE_TYPE struct anon_vma
#define ANON_VMA_OF_TREE(tree) (tree)
#else
#define TREE_TYPE struct rb_root_cached
#define ANON_VMA_OF_TREE(tree) container_of(tree, struct anon_vma, rb_root)
#endif

KEPT void VERBATIM_TREE(insert)(struct anon_vma_chain *avc, TREE_TYPE *tree);
KEPT void VERBATIM_TREE(remove)(struct anon_vma_chain *avc, TREE_TYPE *tree);
#ifdef RMAP_UPDATE_TOLD_OFFSET
KEPT void VERBATIM_TREE(pre_update_vma)(struct vm_area_struct *vma, bool offset_stays);
KEPT void VERBATIM_TREE(post_update_vma)(struct vm_area_struct *vma, bool offset_stays);
#else
KEPT void VERBATIM_TREE(pre_update_vma)(struct vm_area_struct *vma);
KEPT void VERBATIM_TREE(post_update_vma)(struct vm_area_struct *vma);
#endif

#ifdef RMAP_WALK_OF_PAGE
KEPT void rmap_walk_anon(struct page *page, struct rmap_walk_control *rwc, bool locked);
static __typeof__(page_lock_anon_vma_read) page_lock_anon_vma_read __attribute__((__noinline__));
#else
KEPT void rmap_walk_anon(struct folio *folio, struct rmap_walk_control *rwc, bool locked);
static __typeof__(folio_lock_anon_vma_read) folio_lock_anon_vma_read __attribute__((__noinline__));
#endif
#ifdef RMAP_GET_ANON_VMA_OF_PAGE
static __typeof__(page_get_anon_vma) page_get_anon_vma __attribute__((__noinline__));
#else
static __typeof__(folio_get_anon_vma) folio_get_anon_vma __attribute__((__noinline__));
#endif
#ifdef RMAP_MOVE_ANON_OF_PAGE
static __typeof__(page_move_anon_rmap) page_move_anon_rmap __attribute__((__noinline__));
#else
static __typeof__(folio_move_anon_rmap) folio_move_anon_rmap __attribute__((__noinline__));
#endif
#if defined(RMAP_SET_ANON_OF_FOLIO_AND_PAGE)
KEPT void __page_set_anon_rmap(struct folio *folio, struct page *page, struct vm_area_struct *vma,
			       unsigned long address, int exclusive);
#elif defined(RMAP_SET_ANON_OF_PAGE)
KEPT void __page_set_anon_rmap(struct page *page, struct vm_area_struct *vma,
			       unsigned long address, int exclusive);
#else
KEPT void __folio_set_anon(struct folio *folio, struct vm_area_struct *vma, unsigned long address,
			   bool exclusive);
#endif

#include "lib/rbtree.c"
#include "interval_tree.c"

STUBS_BEGIN

static void TREE(insert)(struct anon_vma_chain *avc, TREE_TYPE *tree)
{
	observe_tree_insert(avc, ANON_VMA_OF_TREE(tree));
	VERBATIM_TREE(insert)(avc, tree);
}

static void TREE(remove)(struct anon_vma_chain *avc, TREE_TYPE *tree)
{
	observe_tree_remove(avc, ANON_VMA_OF_TREE(tree));
	VERBATIM_TREE(remove)(avc, tree);
}

static void pre_update_verbatim(struct vm_area_struct *vma, bool offset_stays)
{
#ifdef RMAP_UPDATE_TOLD_OFFSET
	VERBATIM_TREE(pre_update_vma)(vma, offset_stays);
#else
	VERBATIM_TREE(pre_update_vma)(vma);
#endif
}

static void post_update_verbatim(struct vm_area_struct *vma, bool offset_stays)
{
#ifdef RMAP_UPDATE_TOLD_OFFSET
	if (offset_stays)
		observe_tree_update(vma);
	VERBATIM_TREE(post_update_vma)(vma, offset_stays);
#else
	VERBATIM_TREE(post_update_vma)(vma);
#endif
}

STUBS_END

#ifdef RMAP_VMA_LAYER
#ifdef RMAP_PAGES
/* The kernel's word for no flag of a mapping; outside of its text it is no object of the seam. */
#pragma push_macro("RMAP_NONE")
#undef RMAP_NONE
#define RMAP_NONE 0
#include "pages_code.c"
#pragma pop_macro("RMAP_NONE")
#else
#include "vma_code.c"
#endif
#else
#include "rmap.c"
#include "folio.c"

/* Without the VMA layer no watcher is told: the caller of a call sees its result. */
#define outermost_begin(call, vma, other, third) ((void)0)
#define outermost_prepare_begin(vma) ((void)0)
#define outermost_end(result) ((void)0)
#endif

STUBS_BEGIN
#include "stubs/folio.h"

static int __anon_vma_prepare(struct vm_area_struct *vma)
{
	int result;

	outermost_prepare_begin(vma);
	observe_enter(RMAP_FUNCTION_PREPARE, vma, NULL);
	result = observe_exit(RMAP_FUNCTION_PREPARE, vma, verbatim___anon_vma_prepare(vma));
	outermost_end(result);
	return result;
}

#ifdef RMAP_VMA_OPERATION
static const enum vma_operation vma_operations[] = {
	VMA_OP_SPLIT, VMA_OP_MERGE_UNFAULTED, VMA_OP_REMAP, VMA_OP_FORK,
};
#define CLONE(dst, src, operation) anon_vma_clone(dst, src, vma_operations[operation])

static inline uint32_t operation_number(enum vma_operation operation)
{
	for (uint32_t i = 0; i < sizeof(vma_operations) / sizeof(vma_operations[0]); i++)
		if (vma_operations[i] == operation)
			return i;
	return RMAP_NONE;
}

static int anon_vma_clone(struct vm_area_struct *dst, struct vm_area_struct *src,
			  enum vma_operation operation)
{
	int result;

	outermost_begin(CALL(ANON_VMA_CLONE, anon_vma_clone, serial_of(dst), serial_of(src),
			     operation_number(operation)),
			dst, src, NULL);
	observe_enter(RMAP_FUNCTION_CLONE, dst, src);
	result = observe_exit(RMAP_FUNCTION_CLONE, dst,
			      verbatim_anon_vma_clone(dst, src, operation));
	outermost_end(result);
	return result;
}
#else
static int anon_vma_clone(struct vm_area_struct *dst, struct vm_area_struct *src)
{
	int result;

	outermost_begin(CALL(ANON_VMA_CLONE, anon_vma_clone, serial_of(dst), serial_of(src),
			     RMAP_VMA_OP_SPLIT),
			dst, src, NULL);
	observe_enter(RMAP_FUNCTION_CLONE, dst, src);
	result = observe_exit(RMAP_FUNCTION_CLONE, dst, verbatim_anon_vma_clone(dst, src));
	outermost_end(result);
	return result;
}
#define CLONE(dst, src, operation) anon_vma_clone(dst, src)
#endif

static int anon_vma_fork(struct vm_area_struct *vma, struct vm_area_struct *pvma)
{
	int result;

	outermost_begin(CALL(ANON_VMA_FORK, anon_vma_fork, serial_of(vma), serial_of(pvma)), vma,
			pvma, NULL);
	observe_enter(RMAP_FUNCTION_FORK, vma, pvma);
	result = observe_exit(RMAP_FUNCTION_FORK, vma, verbatim_anon_vma_fork(vma, pvma));
	outermost_end(result);
	return result;
}

static void unlink_anon_vmas(struct vm_area_struct *vma)
{
	outermost_begin(CALL(UNLINK_ANON_VMAS, unlink_anon_vmas, serial_of(vma)), vma, NULL, NULL);
	observe_enter(RMAP_FUNCTION_UNLINK, vma, NULL);
	verbatim_unlink_anon_vmas(vma);
	observe_exit(RMAP_FUNCTION_UNLINK, vma, 0);
	outermost_end(0);
}

/* The VMA of that serial; a freed or unknown one ends the call. */
static struct vm_area_struct *given(uint32_t serial)
{
	struct rmap_world *w = current_world;
	struct vm_area_struct *vma = NULL;

	if (serial < w->slabs[RMAP_CACHE_VMA].next_serial)
		vma = w->vmas[serial];
	if (unlikely(!vma)) {
		broken_rule(RMAP_RULE_USE_AFTER_FREE, serial);
		escape_call();
	}
	w->task.given[w->task.nr_given++] = vma;
	return vma;
}

static struct vm_area_struct *given_or_null(uint32_t serial)
{
	return serial == RMAP_NONE ? NULL : given(serial);
}

static struct mm_struct *given_mm(uint32_t mm)
{
	return &current_world->mms[mm % RMAP_MAX_PROCESSES];
}

#ifdef RMAP_VMA_LAYER
#include "vma/operations.h"
#ifdef RMAP_PAGES
#include "pages/folios.h"
#include "pages/walks.h"
#endif
#else
/* The VMA slab (vm_area_alloc, vm_area_dup, vm_area_free) and the VMA's range: ours. */

static void vma_set_range(struct vm_area_struct *vma, const struct rmap_range *range)
{
	vma->vm_start = range->start << PAGE_SHIFT;
	vma->vm_end = range->end << PAGE_SHIFT;
	vma->vm_pgoff = range->pgoff;
	vma_write_anon_pgoff(vma, range->pgoff);
}

static void vma_born(struct vm_area_struct *vma, uint32_t mm, const struct rmap_range *range)
{
	struct rmap_world *w = current_world;
	uint32_t serial = serial_of(vma);

	vma->vm_mm = given_mm(mm);
	vma_set_range(vma, range);
	INIT_LIST_HEAD(&vma->anon_vma_chain);
	vma->attached = false;
	w->vmas = grow(w->vmas, &w->max_vmas, serial + 1, sizeof(*w->vmas));
	w->vmas[serial] = vma;
	w->task.given[w->task.nr_given++] = vma;
}

/* The new VMA's serial, or -ENOMEM. */
static int32_t vm_area_alloc(const struct rmap_call_vm_area_alloc *call)
{
	struct vm_area_struct *vma = kmem_cache_alloc(&kmem_caches[RMAP_CACHE_VMA], GFP_KERNEL);

	if (!vma)
		return -ENOMEM;
	memset(vma, 0, sizeof(*vma));
	vma->vm_flags = VM_READ | VM_WRITE;
	vma_born(vma, call->mm, &call->range);
	return serial_of(vma);
}

static int32_t vm_area_dup(const struct rmap_call_vm_area_dup *call)
{
	struct vm_area_struct *orig = given(call->orig);
	struct vm_area_struct *vma = kmem_cache_alloc(&kmem_caches[RMAP_CACHE_VMA], GFP_KERNEL);

	if (!vma)
		return -ENOMEM;
	*vma = *orig;
	vma_born(vma, call->mm, &call->range);
	vma_write_anon_pgoff(vma, vma_told_anon_pgoff(orig) + call->range.pgoff - orig->vm_pgoff);
	return serial_of(vma);
}

static void vm_area_free(struct vm_area_struct *vma)
{
	current_world->vmas[serial_of(vma)] = NULL;
	kmem_cache_free(&kmem_caches[RMAP_CACHE_VMA], vma);
}

static int32_t anon_vma_prepare_of(const struct rmap_call_anon_vma_prepare *call)
{
	struct rmap_world *w = current_world;

	w->task.iterator_vma = given(call->vma);
	w->task.iterator_prev = given_or_null(call->prev);
	w->task.iterator_next = given_or_null(call->next);
	/* Before the iterator the neighbours are linked. */
	w->task.iterator_vma->vm_prev = w->task.iterator_prev;
	w->task.iterator_vma->vm_next = w->task.iterator_next;
	return anon_vma_prepare(w->task.iterator_vma);
}

static void pre_update_vma(struct vm_area_struct *vma, bool offset_stays)
{
	if (!vma->anon_vma)
		return;
	anon_vma_lock_write(vma->anon_vma);
	pre_update_verbatim(vma, offset_stays);
}

static void post_update_vma(struct vm_area_struct *vma, bool offset_stays)
{
	if (!vma->anon_vma)
		return;
	post_update_verbatim(vma, offset_stays);
	anon_vma_unlock_write(vma->anon_vma);
}
#endif

static int32_t dispatch(const struct rmap_call *call)
{
	/* The arguments of a call, by the name of its kind. */
#define ARGUMENTS(kind) (&call->arguments.kind)
	switch ((enum rmap_call_kind)call->kind) {
	case RMAP_MMAP_WRITE_LOCK:
		given_mm(ARGUMENTS(mmap_write_lock)->mm)->mmap_lock = MMAP_WRITE_LOCKED;
		return 0;
	case RMAP_MMAP_READ_LOCK:
		given_mm(ARGUMENTS(mmap_read_lock)->mm)->mmap_lock = MMAP_READ_LOCKED;
		return 0;
	case RMAP_MMAP_UNLOCK:
		given_mm(ARGUMENTS(mmap_unlock)->mm)->mmap_lock = MMAP_UNLOCKED;
		return 0;
#ifndef RMAP_VMA_LAYER
	case RMAP_VM_AREA_ALLOC:
		return vm_area_alloc(ARGUMENTS(vm_area_alloc));
	case RMAP_VM_AREA_DUP:
		return vm_area_dup(ARGUMENTS(vm_area_dup));
	case RMAP_VM_AREA_FREE:
		vm_area_free(given(ARGUMENTS(vm_area_free)->vma));
		return 0;
	case RMAP_VMA_SET_RANGE:
		vma_set_range(given(ARGUMENTS(vma_set_range)->vma),
			      &ARGUMENTS(vma_set_range)->range);
		return 0;
	case RMAP_VMA_MARK_ATTACHED:
		given(ARGUMENTS(vma_mark_attached)->vma)->attached = true;
		return 0;
	case RMAP_VMA_MARK_DETACHED:
		given(ARGUMENTS(vma_mark_detached)->vma)->attached = false;
		return 0;
	case RMAP_VMA_SET_ATTRIBUTES:
		vma_write_attributes(given(ARGUMENTS(vma_set_attributes)->vma),
				     ARGUMENTS(vma_set_attributes)->attributes.anon_pgoff,
				     ARGUMENTS(vma_set_attributes)->attributes.flags,
				     ARGUMENTS(vma_set_attributes)->attributes.file);
		return 0;
	case RMAP_ANON_VMA_PREPARE:
		return anon_vma_prepare_of(ARGUMENTS(anon_vma_prepare));
	case RMAP_ANON_VMA_CLONE: {
		struct vm_area_struct *dst = given(ARGUMENTS(anon_vma_clone)->dst);
		struct vm_area_struct *src = given(ARGUMENTS(anon_vma_clone)->src);

		return CLONE(dst, src, ARGUMENTS(anon_vma_clone)->operation % 4);
	}
	case RMAP_ANON_VMA_FORK: {
		struct vm_area_struct *vma = given(ARGUMENTS(anon_vma_fork)->vma);
		struct vm_area_struct *pvma = given(ARGUMENTS(anon_vma_fork)->pvma);

		return anon_vma_fork(vma, pvma);
	}
	case RMAP_UNLINK_ANON_VMAS:
		unlink_anon_vmas(given(ARGUMENTS(unlink_anon_vmas)->vma));
		return 0;
	case RMAP_PRE_UPDATE_VMA:
		current_world->task.updating = true;
		pre_update_vma(given(ARGUMENTS(pre_update_vma)->vma),
			       ARGUMENTS(pre_update_vma)->offset_stays);
		return 0;
	case RMAP_POST_UPDATE_VMA:
		current_world->task.updating = false;
		post_update_vma(given(ARGUMENTS(post_update_vma)->vma),
				ARGUMENTS(post_update_vma)->offset_stays);
		return 0;
#endif
#ifndef RMAP_PAGES
	case RMAP_FOLIO_SET_ANON: {
		struct vm_area_struct *vma = given(ARGUMENTS(folio_set_anon)->vma);

		folio_set_anon(ARGUMENTS(folio_set_anon)->folio, vma,
			       ARGUMENTS(folio_set_anon)->page << PAGE_SHIFT,
			       ARGUMENTS(folio_set_anon)->exclusive);
		return 0;
	}
	case RMAP_FOLIO_MOVE_ANON_RMAP: {
		struct vm_area_struct *vma = given(ARGUMENTS(folio_move_anon_rmap)->vma);

		move_anon_rmap(ARGUMENTS(folio_move_anon_rmap)->folio, vma);
		return 0;
	}
	case RMAP_FOLIO_SET_INDEX: {
		struct vm_area_struct *vma = given(ARGUMENTS(folio_set_index)->vma);

		folio_set_index(given_folio(ARGUMENTS(folio_set_index)->folio), vma,
				ARGUMENTS(folio_set_index)->page << PAGE_SHIFT);
		return 0;
	}
	case RMAP_FOLIO_FREE:
		folio_free(ARGUMENTS(folio_free)->folio);
		return 0;
#endif
	case RMAP_FOLIO_GET_ANON_VMA:
		return pin_anon_vma(ARGUMENTS(folio_get_anon_vma)->folio,
				    ARGUMENTS(folio_get_anon_vma)->mapped);
	case RMAP_PUT_ANON_VMA:
		unpin_anon_vma(ARGUMENTS(put_anon_vma)->anon_vma);
		return 0;
	case RMAP_RMAP_WALK_ANON:
		return walk_folio(ARGUMENTS(rmap_walk_anon)->folio,
				  ARGUMENTS(rmap_walk_anon)->mapped,
				  ARGUMENTS(rmap_walk_anon)->mode);
	default:
		return -EINVAL;
	}
#undef ARGUMENTS
}

/* A wild pointer followed by the code under test ends the call, as an oops ends the task. */

static struct sigaction former_handlers[2];

static void fault_handler(int signal, siginfo_t *info, void *context)
{
	struct rmap_world *w = current_world;
	struct sigaction *former;

	if (w && w->task.in_call) {
		snprintf(w->warning, sizeof(w->warning), "%s at address %p",
			 signal == SIGSEGV ? "invalid access" : "bus error", info->si_addr);
		siglongjmp(w->task.escape, 2);
	}
	former = &former_handlers[signal == SIGBUS];
	if (former->sa_flags & SA_SIGINFO)
		former->sa_sigaction(signal, info, context);
	else
		sigaction(signal, former, NULL);	/* and the fault comes again */
}

static void start_reference(void)
{
	anon_vma_init();
	kmem_cache_define(RMAP_CACHE_VMA, "vm_area_struct", sizeof(struct vm_area_struct), NULL);
#ifdef RMAP_VMA_LAYER
	start_layer();
#endif
#ifndef STUBS_ASAN
	struct sigaction action = {
		.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK,
	};

	sigaction(SIGSEGV, &action, &former_handlers[0]);
	sigaction(SIGBUS, &action, &former_handlers[1]);
#else
	(void)fault_handler;
#endif
}

/* One task is left. Whether others were. */
static bool forget_tasks(struct rmap_world *w)
{
	if (!w->resting)
		return false;
	w->task = *w->resting;
	free(w->resting);
	w->resting = NULL;
	return true;
}

static void world_clear(struct rmap_world *w)
{
	/* Its buffers stay. */
	w->task = (struct rmap_task) {
		.events = w->task.events, .max_events = w->task.max_events,
		.touched = w->task.touched, .max_touched = w->task.max_touched,
		.told_folio = RMAP_NONE,
	};
	for (uint32_t i = 0; i < RMAP_MAX_PROCESSES; i++)
		w->mms[i] = (struct mm_struct) { .id = i, .page_table_lock = { .mm = i } };
#ifdef RMAP_VMA_LAYER
	layer_clear(w);
#endif
	w->nr_words = 0;
	folios_clear(w);
	w->warning[0] = '\0';
}

static struct rmap_world *reference_create(uint32_t slab_mode)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct rmap_world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->mms = calloc(RMAP_MAX_PROCESSES, sizeof(*w->mms));
	if (!w->mms) {
		free(w);
		return NULL;
	}
	pthread_once(&once, start_reference);
	w->slab_mode = slab_mode;
	world_clear(w);
	return w;
}

static void reference_reset(struct rmap_world *w)
{
	current_world = w;
	/* A task that was given up in the middle may hold the lock of what is free. */
	if (forget_tasks(w))
		slab_renew_free(&w->slabs[RMAP_CACHE_ANON_VMA], &kmem_caches[RMAP_CACHE_ANON_VMA]);
	for (int i = 0; i < NR_CACHES; i++)
		slab_reset(&w->slabs[i], &kmem_caches[i]);
	bodies_clear(w);
	world_clear(w);
	current_world = NULL;
}

static void reference_destroy(struct rmap_world *w)
{
	current_world = w;
	forget_tasks(w);
	for (int i = 0; i < NR_CACHES; i++)
		slab_destroy(&w->slabs[i], &kmem_caches[i]);
#ifdef RMAP_VMA_LAYER
	layer_destroy(w);
#endif
	current_world = NULL;
	free(w->bodies);
	free(w->mms);
	free(w->task.events);
	free(w->task.touched);
	free(w->suspended);
	for (int i = 0; i < RMAP_MAX_TASKS; i++) {
		free(w->buffers[i].events);
		free(w->buffers[i].touched);
	}
	free(w->vmas);
	free(w->folios);
	free(w->pins);
	free(w->words);
	free(w);
}

static void reference_begin_operation(struct rmap_world *w, const struct rmap_fail *fail)
{
	w->task.fail = *fail;
	w->task.attempts = w->task.injected = 0;
	w->task.node_attempts = w->task.nodes_injected = 0;
#ifdef RMAP_PAGES
	w->task.pages.attempts = w->task.pages.injected = 0;
	w->task.pages.fail = (struct rmap_fail) { 0 };
	/* Of an operation that ended early. */
	w->pages->nr_stale = w->task.pages.put_off = 0;
#endif
}

static uint32_t reference_attempts(const struct rmap_world *w)
{
	return w->task.attempts;
}

/* Nothing is held on return, but between the two halves of an update. */
static void check_return(struct rmap_world *w)
{
	if (unlikely(w->task.nr_held) && !w->task.updating) {
		struct anon_vma *anon_vma = container_of(w->task.held[0], struct anon_vma, rwsem);

		broken_rule(RMAP_RULE_LOCK_HELD_ON_RETURN, serial_of(anon_vma));
	}
	if (unlikely(w->task.rcu_depth))
		broken_rule(RMAP_RULE_RCU_HELD_ON_RETURN, RMAP_NONE);
}

static int32_t reference_call(struct rmap_world *w, const struct rmap_call *call)
{
	int32_t result;

	current_world = w;
	w->task.nr_events = w->task.nr_touched = w->task.nr_given = 0;
	w->task.told_folio = RMAP_NONE;
	w->task.contended = false;
	w->epoch++;
	w->task.bookkeeping = call->kind < RMAP_ANON_VMA_PREPARE;
	switch (sigsetjmp(w->task.escape, 0)) {
	case 0:
		w->task.in_call = true;
		result = dispatch(call);
		check_return(w);
		break;
	case 1:
		result = -EFAULT;
		break;
	default:
		if (w->task.nr_events == EVENTS_MAX)
			w->task.nr_events--;
		record(RMAP_EVENT_OOPS, 0, 0, RMAP_NONE, RMAP_NONE);
		result = -EFAULT;
	}
	w->task.in_call = false;
	current_world = NULL;
	return result;
}

#ifdef RMAP_VMA_LAYER
#include "vma/drive.h"
#endif
#ifdef RMAP_PAGES
#include "pages/tasks.h"
#include "pages/tell.h"
#endif

static const struct rmap_event *reference_events(const struct rmap_world *w, uint32_t *count)
{
	*count = w->task.nr_events;
	return w->task.events;
}

static const uint64_t *tell(struct rmap_world *w, uint32_t *count,
			    void (*teller)(struct rmap_world *))
{
	current_world = w;
	w->nr_words = 0;
	if (!sigsetjmp(w->task.escape, 0)) {
		w->task.in_call = true;
		teller(w);
	} else {
		/* A pointer in the state is wild: an unknown record, which no reader takes. */
		put_word(UINT64_MAX);
	}
	w->task.in_call = false;
	current_world = NULL;
	*count = w->nr_words;
	return w->words;
}

static const uint64_t *reference_touched(struct rmap_world *w, uint32_t *count)
{
	return tell(w, count, tell_touched);
}

static const uint64_t *reference_state(struct rmap_world *w, uint32_t *count)
{
	return tell(w, count, tell_everything);
}

static void reference_live(const struct rmap_world *w, uint32_t counts[3])
{
	for (int i = 0; i < NR_CACHES; i++)
		counts[i] = w->slabs[i].nr_live;
}

static void reference_sizes(uint32_t structure[3], uint32_t added[3])
{
	for (int i = 0; i < NR_CACHES; i++) {
		structure[i] = kmem_caches[i].size;
		added[i] = kmem_caches[i].stride - kmem_caches[i].size;
#ifdef STUBS_ASAN
		/* The structure comes from malloc(). */
		added[i] = kmem_caches[i].stride;
#endif
	}
}

static const char *reference_last_warning(const struct rmap_world *w)
{
	return w->warning;
}

const struct rmap_ops RMAP_OPS = {
	.abi_version = RMAP_ABI_VERSION,
	.create = reference_create,
	.destroy = reference_destroy,
	.reset = reference_reset,
	.begin_operation = reference_begin_operation,
	.attempts = reference_attempts,
	.call = reference_call,
	.events = reference_events,
	.touched = reference_touched,
	.state = reference_state,
	.live = reference_live,
	.sizes = reference_sizes,
	.last_warning = reference_last_warning,
#ifdef RMAP_VMA_LAYER
	.operate = reference_operate,
	.space = reference_space,
	.injected = reference_injected,
#endif
#ifdef RMAP_PAGES
	.page_tables = reference_page_tables,
	.fail_pages = reference_fail_pages,
	.begin_tasks = reference_begin_tasks,
	.run_task = reference_run_task,
	.end_tasks = reference_end_tasks,
#endif
#if defined(__has_feature)
#if __has_feature(coverage_sanitizer)
	.instrumented = 1,
#endif
#endif
};
STUBS_END
