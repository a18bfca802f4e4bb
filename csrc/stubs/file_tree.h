/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prototypes: the file half of mm/interval_tree.c before 7.3 is made by a macro, which no extractor
 * sees. Static from here on.
 */
#ifndef STUBS_FILE_TREE_H
#define STUBS_FILE_TREE_H

struct rb_root_cached;
struct vm_area_struct;

#ifndef RMAP_ANON_RMAP_TREE
static void vma_interval_tree_insert(struct vm_area_struct *node, struct rb_root_cached *root);
static void vma_interval_tree_remove(struct vm_area_struct *node, struct rb_root_cached *root);
static struct vm_area_struct *
vma_interval_tree_subtree_search(struct vm_area_struct *node, unsigned long start,
				 unsigned long last);
static struct vm_area_struct *vma_interval_tree_iter_first(struct rb_root_cached *root,
							   unsigned long start, unsigned long last);
static struct vm_area_struct *vma_interval_tree_iter_next(struct vm_area_struct *node,
							  unsigned long start, unsigned long last);
#endif

#endif /* STUBS_FILE_TREE_H */
