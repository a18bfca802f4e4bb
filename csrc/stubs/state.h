/* SPDX-License-Identifier: GPL-2.0-only */
/* Tells the state in the words that rmap_abi.h documents. */
#ifndef STUBS_STATE_H
#define STUBS_STATE_H

#include <linux/rbtree.h>
#include <linux/rmap.h>
#include "stubs/observe.h"
#include "stubs/vma_told.h"

enum { DEPTH_MAX = 128 };			/* far above what 2^32 balanced nodes need */

static void tell_folio(uint32_t number);
static void tell_folios(void);

static struct anon_vma_chain *avc_of(struct rb_node *node)
{
	return node ? rb_entry(node, struct anon_vma_chain, rb) : NULL;
}

static uint64_t optional_serial(const void *body)
{
	return body ? (uint64_t)serial_of(body) + 1 : 0;
}

static void tell_vma(struct vm_area_struct *vma)
{
	struct rmap_world *w = current_world;
	struct anon_vma_chain *avc;
	uint32_t count_at, n = 0;

	PUT_WORDS(RMAP_STREAM_VMA, serial_of(vma), vma_told_mm(vma), vma_told_attached(vma),
		  vma->vm_start >> PAGE_SHIFT, vma->vm_end >> PAGE_SHIFT, vma->vm_pgoff,
		  vma_told_anon_pgoff(vma), vma_told_kind(vma), optional_serial(vma->anon_vma), 0);
	count_at = w->nr_words - 1;
	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma) {
		if (n == w->slabs[RMAP_CACHE_AVC].nr_live)
			escape_call();		/* the list runs in a circle */
		PUT_WORDS(serial_of(avc), serial_of(avc->anon_vma), serial_of(avc->vma));
		n++;
	}
	w->words[count_at] = n;
}

static uint64_t node_bits(struct rb_node *node)
{
	return (rb_is_black(node) ? RMAP_NODE_BLACK : 0) | (node->rb_left ? RMAP_NODE_LEFT : 0) |
	       (node->rb_right ? RMAP_NODE_RIGHT : 0);
}

static void tell_node(struct rb_node *node, uint64_t more_bits)
{
	struct anon_vma_chain *avc = avc_of(node);

	PUT_WORDS(serial_of(avc) | (uint64_t)serial_of(avc->vma) << 32,
		  node_bits(node) | more_bits | (uint64_t)avc->rb_subtree_last << 8);
}

static uint32_t tell_subtree(struct rb_node *node, uint32_t depth)
{
	if (!node)
		return 0;
	if (depth > DEPTH_MAX)
		escape_call();			/* the tree runs in a circle */
	tell_node(node, 0);
	return 1 + tell_subtree(node->rb_left, depth + 1) + tell_subtree(node->rb_right, depth + 1);
}

static void tell_whole_tree(struct anon_vma *anon_vma)
{
	uint32_t count_at, n;

	put_word(RMAP_STREAM_TREE);
	count_at = current_world->nr_words;
	put_word(0);
	n = tell_subtree(anon_vma->rb_root.rb_root.rb_node, 0);
	current_world->words[count_at] = n;
}

static void tell_path(struct rb_node *node)
{
	uint32_t count_at = current_world->nr_words, n = 0;

	put_word(0);
	for (; node; node = rb_parent(node), n++) {
		if (n > DEPTH_MAX)
			escape_call();
		struct anon_vma_chain *left = avc_of(node->rb_left),
				      *right = avc_of(node->rb_right);

		tell_node(node, (left && rb_is_black(&left->rb) ? RMAP_NODE_LEFT_BLACK : 0) |
				(right && rb_is_black(&right->rb) ? RMAP_NODE_RIGHT_BLACK : 0));
		PUT_WORDS(optional_serial(left) | optional_serial(right) << 32,
			  left ? left->rb_subtree_last : 0, right ? right->rb_subtree_last : 0);
	}
	current_world->words[count_at] = n;
}

static void tell_changed_paths(struct anon_vma *anon_vma)
{
	struct anon_vma_notes *notes = notes_of(anon_vma);
	uint32_t n = notes->tree_epoch == current_world->epoch ? notes->nr_marks : 0;

	put_word(RMAP_STREAM_PATHS);
	put_word(notes->tree_nodes);
	put_word(n);
	for (uint32_t i = 0; i < n; i++)
		tell_path(&notes->marks[i]->rb);
}

/*
 * The serial of a parent: one that went before its child, which a reference from outside keeps, may
 * be another object by now. Nobody follows it any more, so it is told as it was.
 */
static uint32_t parent_serial(struct anon_vma *anon_vma)
{
	struct anon_vma_notes *notes = notes_of(anon_vma);

	if (notes->parent != anon_vma->parent) {
		notes->parent = anon_vma->parent;
		notes->parent_serial = serial_of(anon_vma->parent);
	}
	return notes->parent_serial;
}

static void touch_parent(struct anon_vma *anon_vma)
{
	struct anon_vma *parent = anon_vma->parent;

	if (is_live(parent) && serial_of(parent) == parent_serial(anon_vma))
		touch(parent);
}

static void tell_anon_vma(struct anon_vma *anon_vma, bool whole)
{
#ifdef RMAP_ANON_VMA_DEGREE
	uint64_t children = anon_vma->degree, active = RMAP_ONE_COUNTER;
#else
	uint64_t children = anon_vma->num_children, active = anon_vma->num_active_vmas;
#endif

	PUT_WORDS(RMAP_STREAM_ANON_VMA, serial_of(anon_vma), serial_of(anon_vma->root),
		  parent_serial(anon_vma), (int64_t)anon_vma->refcount.counter, children, active,
		  optional_serial(avc_of(anon_vma->rb_root.rb_leftmost)));
	if (whole || notes_of(anon_vma)->tree_nodes <= RMAP_WHOLE_TREE_MAX)
		tell_whole_tree(anon_vma);
	else
		tell_changed_paths(anon_vma);
}

static void tell_touched(struct rmap_world *w)
{
	struct anon_vma_chain *avc;
	uint32_t n;

	for (uint32_t i = 0; i < w->task.nr_given; i++)
		if (is_live(w->task.given[i]))
			tell_vma(w->task.given[i]);
	if (w->task.told_folio != RMAP_NONE)
		tell_folio(w->task.told_folio);
	if (w->task.bookkeeping || !w->task.nr_events)
		return;
	for (uint32_t i = 0; i < w->task.nr_given; i++) {
		struct vm_area_struct *vma = w->task.given[i];

		if (!is_live(vma))
			continue;
		if (vma->anon_vma)
			touch(vma->anon_vma);
		list_for_each_entry(avc, &vma->anon_vma_chain, same_vma)
			touch(avc->anon_vma);
	}
	n = w->task.nr_touched;
	for (uint32_t i = 0; i < n; i++) {
		struct touched_anon_vma *at = &w->task.touched[i];

		if (is_live(at->anon_vma) && serial_of(at->anon_vma) == at->serial) {
			touch(at->anon_vma->root);
			touch_parent(w->task.touched[i].anon_vma);
		}
	}
	for (uint32_t i = 0; i < w->task.nr_touched; i++) {
		struct touched_anon_vma *at = &w->task.touched[i];

		if (is_live(at->anon_vma) && serial_of(at->anon_vma) == at->serial)
			tell_anon_vma(at->anon_vma, false);
	}
}

static void tell_everything(struct rmap_world *w)
{
	struct slab_object *object;

	for (object = w->slabs[RMAP_CACHE_VMA].live_first; object; object = object->next)
		tell_vma(body_of(object));
	for (object = w->slabs[RMAP_CACHE_ANON_VMA].live_first; object; object = object->next)
		tell_anon_vma(body_of(object), true);
	tell_folios();
}

#endif /* STUBS_STATE_H */
