/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What holds where one of several tasks may be switched, but where it waits, and before a load or a
 * store: of mapped folios at any time, and of anon_vmas where nobody has the lock of their root. It
 * is asked where something that it depends on has changed since. A task that is in a call may not
 * have counted the VMAs of that call yet.
 */
#ifndef PAGES_SETTLED_H
#define PAGES_SETTLED_H

#include "pages/walks.h"

struct suspended_task {
	struct rmap_task task;
	struct task_struct current_task;
};

/*
 * Whoever comes to a mapped folio, at any time, finds its anon_vma: pages are unmapped before their
 * VMA leaves the reverse map. It may be another's only where the mapping is being written. That
 * changes only where an anon_vma is freed, or a folio is mapped or given another mapping.
 */
static void check_mapped_folios(struct rmap_world *w)
{
	const struct page_layer *layer = w->pages;

	w->mapped_unchecked = false;
	for (uint32_t frame = ZERO_FRAME + 1; frame < layer->nr_frames; frame++) {
		const struct frame_notes *notes = &layer->notes[frame];
		const struct folio *folio = (const struct folio *)&layer->frames[frame];
		const struct anon_vma *anon_vma;

		if (!notes->live || notes->table || page_folio(&layer->frames[frame]) != folio ||
		    !folio_test_anon(folio) || !folio_mapped(folio))
			continue;
		anon_vma = folio_anon_vma_of(folio);
		if (!is_live(anon_vma) ||
		    (notes->mapping == folio->mapping && notes->anon_vma != serial_of(anon_vma)))
			broken_rule(RMAP_RULE_MAPPED_AND_GONE, frame);
	}
}

static bool is_given_to(const struct rmap_task *task, const struct vm_area_struct *vma)
{
	for (uint32_t i = 0; task->depth && i < task->nr_given; i++)
		if (task->given[i] == vma)
			return true;
	return false;
}

/* Whether a VMA is of a call that has not ended. */
static bool is_in_a_call(const struct rmap_world *w, const struct vm_area_struct *vma)
{
	for (uint32_t i = 0; i < RMAP_MAX_TASKS; i++)
		if (i + 1 != w->running && is_given_to(&w->suspended[i].task, vma))
			return true;
	return is_given_to(&w->task, vma);
}

/* Before tasks run, nobody has a reference by way of a folio that is not pinned. */
static void nobody_holds_found(struct rmap_world *w)
{
	struct slab_object *object = w->slabs[RMAP_CACHE_ANON_VMA].live_first;

	for (; object; object = object->next)
		notes_of(body_of(object))->found_by = 0;
}

/* Whether an anon_vma is in the reverse map, and nobody may be changing that. */
static bool is_settled(const struct anon_vma *anon_vma)
{
	return anon_vma->rb_root.rb_leftmost && !anon_vma_is_locked(anon_vma->root);
}

static bool has_live_relatives(const struct anon_vma *anon_vma)
{
	const struct anon_vma *root = anon_vma->root, *parent = anon_vma->parent;

	return is_live(root) && root->root == root && is_live(parent) && parent->root == root;
}

/* The entries are the tree's, and of VMAs that are not freed. Counts whose anon_vma it is. */
static bool check_entries(struct rmap_world *w, struct anon_vma *anon_vma)
{
	struct anon_vma_notes *notes = notes_of(anon_vma);
	struct rb_node *node = anon_vma->rb_root.rb_leftmost;

	for (; node; node = rb_next(node)) {
		struct anon_vma_chain *avc = avc_of(node);

		if (!is_live(avc) || avc->anon_vma != anon_vma || !is_live(avc->vma))
			return false;
		if (avc->vma->anon_vma != anon_vma)
			continue;
		if (is_in_a_call(w, avc->vma))
			notes->counted.maybe_active++;
		else
			notes->counted.active++;
	}
	return true;
}

/*
 * By one of the two page offsets that a tree may be keyed by: the entries are in order, and each
 * knows the last page offset below it.
 */
static bool is_interval_tree(const struct anon_vma *anon_vma, bool by_anon_pgoff)
{
	struct rb_node *node = anon_vma->rb_root.rb_leftmost;
	uint64_t before = 0;

	for (; node; node = rb_next(node)) {
		struct anon_vma_chain *avc = avc_of(node), *below[2];
		const struct vm_area_struct *vma = avc->vma;
		uint64_t start = by_anon_pgoff ? vma_told_anon_pgoff(vma) : vma->vm_pgoff;
		uint64_t last = start + ((vma->vm_end - vma->vm_start) >> PAGE_SHIFT) - 1;

		if (start < before)
			return false;
		before = start;
		below[0] = avc_of(node->rb_left);
		below[1] = avc_of(node->rb_right);
		for (int i = 0; i < 2; i++)
			if (below[i] && below[i]->rb_subtree_last > last)
				last = below[i]->rb_subtree_last;
		if (avc->rb_subtree_last != last)
			return false;
	}
	return true;
}

static bool is_on_chain(const struct anon_vma *anon_vma, const struct vm_area_struct *vma)
{
	struct anon_vma_chain *avc;

	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma) {
		if (!is_live(avc))
			return false;
		if (avc->anon_vma == anon_vma)
			return true;
	}
	return false;
}

/* Whether nobody may be changing the chain of a VMA. Behind an entry that is freed is no chain. */
static bool has_settled_chain(const struct rmap_world *w, const struct vm_area_struct *vma)
{
	const struct anon_vma_chain *avc;

	if (vma_notes_of(vma)->detached || is_in_a_call(w, vma) ||
	    vma->vm_mm->mmap_lock == MMAP_WRITE_LOCKED)
		return false;
	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma) {
		if (!is_live(avc))
			return true;
		if (is_live(avc->anon_vma) && anon_vma_is_locked(avc->anon_vma->root))
			return false;
	}
	return true;
}

/*
 * A VMA that has an anon_vma is on it, on its parent, on that one's, and so on the root; one that
 * has none is on no anon_vma.
 */
static bool has_whole_chain(const struct vm_area_struct *vma)
{
	const struct anon_vma_chain *avc;

	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma)
		if (!is_live(avc) || avc->vma != vma || !is_live(avc->anon_vma) ||
		    !is_on_chain(avc->anon_vma->parent, vma))
			return false;
	if (!vma->anon_vma)
		return list_empty(&vma->anon_vma_chain);
	return is_on_chain(vma->anon_vma, vma);
}

static bool has_chain_of(const struct vm_area_struct *vma, const struct vm_area_struct *other)
{
	const struct anon_vma_chain *avc;

	list_for_each_entry(avc, &other->anon_vma_chain, same_vma)
		if (!is_on_chain(avc->anon_vma, vma))
			return false;
	return vma->vm_mm == other->vm_mm;
}

/* Two VMAs with one anon_vma are of one mm, and on the same anon_vmas. */
static bool agrees_with_others(const struct rmap_world *w, const struct vm_area_struct *vma)
{
	struct rb_node *node = vma->anon_vma ? vma->anon_vma->rb_root.rb_leftmost : NULL;

	for (; node; node = rb_next(node)) {
		const struct vm_area_struct *other = avc_of(node)->vma;

		if (other != vma && other->anon_vma == vma->anon_vma &&
		    has_settled_chain(w, other))
			return has_chain_of(vma, other) && has_chain_of(other, vma);
	}
	return true;
}

static void check_chains(struct rmap_world *w)
{
	struct slab_object *object = w->slabs[RMAP_CACHE_VMA].live_first;

	for (; object; object = object->next) {
		const struct vm_area_struct *vma = body_of(object);

		if (!has_settled_chain(w, vma))
			continue;
		if (!has_whole_chain(vma))
			broken_rule(RMAP_RULE_CHAIN_UNSETTLED, object->serial);
		else if (!agrees_with_others(w, vma))
			broken_rule(RMAP_RULE_CHAINS_DIFFER, object->serial);
	}
}

static bool counters_match(const struct anon_vma *anon_vma)
{
	const struct counted_users *counted = &notes_of(anon_vma)->counted;
#ifdef RMAP_ANON_VMA_DEGREE
	unsigned long more = anon_vma->degree - counted->children - counted->active;
#else
	unsigned long more = anon_vma->num_active_vmas - counted->active;

	if (anon_vma->num_children != counted->children)
		return false;
#endif
	return more <= counted->maybe_active;
}

static uint32_t references_needed(const struct anon_vma *anon_vma)
{
	const struct anon_vma_notes *notes = notes_of(anon_vma);

	return 1 + notes->counted.below + __builtin_popcount(notes->found_by);
}

/*
 * Whoever takes the lock of a root finds whole trees below it, and counters that match them. An
 * anon_vma has at least a reference for its VMAs, one for each below a root, and those of tasks
 * that found it by a folio. Of one that is in no tree yet, or in none any more, nothing is asked.
 */
static void check_anon_vmas(struct rmap_world *w)
{
	struct slab_object *first = w->slabs[RMAP_CACHE_ANON_VMA].live_first, *object;

	w->anon_vmas_unchecked = false;
	for (object = first; object; object = object->next)
		notes_of(body_of(object))->counted = (struct counted_users) { 0 };
	for (object = first; object; object = object->next) {
		struct anon_vma *anon_vma = body_of(object);

		if (!is_settled(anon_vma))
			continue;
		if (!has_live_relatives(anon_vma) || !check_entries(w, anon_vma) ||
		    (!is_interval_tree(anon_vma, false) && !is_interval_tree(anon_vma, true))) {
			broken_rule(RMAP_RULE_TREE_UNSETTLED, object->serial);
			return;
		}
		notes_of(anon_vma->parent)->counted.children++;
		if (anon_vma->root != anon_vma)
			notes_of(anon_vma->root)->counted.below++;
	}
	for (object = first; object; object = object->next) {
		struct anon_vma *anon_vma = body_of(object);

		if (!is_settled(anon_vma))
			continue;
		if (!counters_match(anon_vma))
			broken_rule(RMAP_RULE_COUNTERS_UNSETTLED, object->serial);
		if ((int64_t)anon_vma->refcount.counter < references_needed(anon_vma))
			broken_rule(RMAP_RULE_REFERENCE_MISSING, object->serial);
	}
	check_chains(w);
}

static void check_settled(struct rmap_world *w)
{
	if (unlikely(w->mapped_unchecked))
		check_mapped_folios(w);
	if (unlikely(w->anon_vmas_unchecked))
		check_anon_vmas(w);
}

#endif /* PAGES_SETTLED_H */
