/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must hold of a page table that is freed. It is empty. If munmap() or exit free it with the
 * range that it is for, no VMA there is in the reverse map any more: a walk would come to the table
 * by that VMA. Two others that free a table under its VMA are not there: CONFIG_PT_RECLAIM is off,
 * and no program is executed, which moves its stack within the VMA.
 */
#ifndef PAGES_FREED_TABLES_H
#define PAGES_FREED_TABLES_H

#include "pages/frames.h"
#include "stubs/state.h"

/* A table is about to be free. */
static void table_emptied(const struct page *page)
{
	const struct frame_notes *notes = frame_notes_of(page);
	uint64_t i = notes->first;

	while (i < notes->end && !notes->table->entries[i])
		i++;
	if (i < notes->end)
		broken_rule(RMAP_RULE_TABLE_NOT_EMPTY, notes->base + (i << (9 * notes->level)));
}

static bool is_in_file_tree(const struct rb_node *node, const struct vm_area_struct *vma)
{
	return node && (node == &vma->shared.rb || is_in_file_tree(node->rb_left, vma) ||
			is_in_file_tree(node->rb_right, vma));
}

/* Whether a walk of the mappings of some folio can come to a VMA. */
static bool is_in_reverse_map(const struct vm_area_struct *vma)
{
	const struct file *file = vma->vm_file;

	return !list_empty(&vma->anon_vma_chain) ||
	       (file && is_in_file_tree(file->f_mapping->i_mmap.rb_root.rb_node, vma));
}

/* A table goes with the range that it is for. */
static void table_range_ends(const struct page *page)
{
	const struct frame_notes *notes = frame_notes_of(page);
	unsigned long start = notes->base << PAGE_SHIFT;
	unsigned long end = start + (PAGE_SIZE << (9 * (notes->level + 1)));
	struct slab_object *object = current_world->slabs[RMAP_CACHE_VMA].live_first;

	for (; object; object = object->next) {
		const struct vm_area_struct *vma = body_of(object);

		if (vma->vm_mm != notes->mm || vma->vm_start >= end || vma->vm_end <= start ||
		    !is_in_reverse_map(vma))
			continue;
		broken_rule(RMAP_RULE_TABLE_STILL_FOUND, notes->base);
		return;
	}
}

#endif /* PAGES_FREED_TABLES_H */
