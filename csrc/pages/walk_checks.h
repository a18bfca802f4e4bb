/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of several tasks one takes a folio out of the page tables while others change these. What must
 * hold then: a mapping that is there all the time is not missed, wherever it is moved meanwhile;
 * and no migration entry is left when they have been removed.
 */
#ifndef PAGES_WALK_CHECKS_H
#define PAGES_WALK_CHECKS_H

#include "pages/frames.h"

static struct rmap_entry entry_of(unsigned long entry);

static bool entry_is_of(struct rmap_entry told, uint32_t bit, uint32_t first, uint32_t pages)
{
	return told.bits & bit && !(told.bits & RMAP_ENTRY_ZERO) && told.number - first < pages;
}

static uint32_t frame_at(const struct frame_notes *table, uint64_t page)
{
	return entry_of(table->table->entries[page - table->base]).number;
}

/* Of each entry that says so of one of these frames. */
static void for_each_entry_of(uint32_t bit, uint32_t first, uint32_t pages,
			      void (*found)(const struct frame_notes *table, uint64_t page))
{
	const struct page_layer *layer = current_world->pages;

	for (uint32_t t = 0; t < layer->nr_tables; t++) {
		const struct page *page;
		const struct frame_notes *notes;

		page = virt_to_page(layer->tables[t]->entries);
		notes = frame_notes_of(page);
		if (notes->level || !notes->linked)
			continue;
		for (uint32_t i = notes->first; i < notes->end; i++) {
			unsigned long entry = notes->table->entries[i];

			if (entry && entry_is_of(entry_of(entry), bit, first, pages))
				found(notes, notes->base + i);
		}
	}
}

static struct watched_walk *watched_walk_of(uint32_t task)
{
	return &current_world->pages->watched_walks[task - 1];
}

static void mapping_watched(const struct frame_notes *table, uint64_t page)
{
	struct watched_walk *walk = watched_walk_of(current_world->task.number);

	if (walk->nr == WATCHED_MAPPINGS_MAX)
		return;
	walk->mappings[walk->nr++] = (struct watched_mapping) {
		.mm = table->mm, .page = page, .frame = frame_at(table, page),
	};
}

/* A walk begins that takes a folio of one page out of all page tables. */
static void watched_walk_begins(const struct folio *folio)
{
	struct watched_walk *walk;

	if (!runs_beside_others() || folio_test_large(folio))
		return;
	walk = watched_walk_of(current_world->task.number);
	walk->nr = 0;
	walk->left = false;
	for_each_entry_of(RMAP_ENTRY_PRESENT, page_to_pfn(&folio->page), 1, mapping_watched);
}

/* An entry is written. A task that clears one and writes another of the same page has moved it. */
static void watched_mapping_written(const struct mm_struct *mm, uint64_t page,
				    struct rmap_entry new)
{
	uint32_t number = current_world->task.number;

	for (uint32_t task = 1; task <= RMAP_MAX_TASKS; task++) {
		struct watched_walk *walk = watched_walk_of(task);

		for (uint32_t i = 0; i < walk->nr; i++) {
			struct watched_mapping *of = &walk->mappings[i];
			bool maps = new.bits & RMAP_ENTRY_PRESENT && new.number == of->frame;

			if (!of->taken && of->mm == mm && of->page == page && !maps) {
				of->taken = number;
			} else if (of->taken == number && maps) {
				of->mm = mm;
				of->page = page;
				of->taken = 0;
			}
		}
	}
}

static void mapping_left(const struct frame_notes *table, uint64_t page)
{
	const struct vm_area_struct *vma = current_world->task.pages.visited;

	if (table->mm == vma->vm_mm && page >= vma->vm_start >> PAGE_SHIFT &&
	    page < vma->vm_end >> PAGE_SHIFT)
		watched_walk_of(current_world->task.number)->left = true;
}

/* It leaves a page table, and with it what still maps the folio in the VMA that it came to. */
static void watched_walk_leaves(const struct folio *folio)
{
	if (watched_walk_of(current_world->task.number)->nr)
		for_each_entry_of(RMAP_ENTRY_PRESENT, page_to_pfn(&folio->page), 1, mapping_left);
}

/* Whether it left a mapping that it had come to, behind which it need not go on. */
static bool watched_walk_left_one(void)
{
	return runs_beside_others() && watched_walk_of(current_world->task.number)->left;
}

/* Of a page that is pinned, or of which memory has failed, some mappings may stay. */
static void watched_walk_ends(const struct folio *folio, bool may_stay)
{
	struct watched_walk *walk;

	if (!runs_beside_others())
		return;
	walk = watched_walk_of(current_world->task.number);
	for (uint32_t i = 0; i < walk->nr && !may_stay; i++)
		if (!walk->mappings[i].taken)
			broken_rule(RMAP_RULE_MAPPING_MISSED, walk->mappings[i].page);
	walk->nr = 0;
}

static void migration_left(const struct frame_notes *table, uint64_t page)
{
	broken_rule(RMAP_RULE_MIGRATION_LEFT, frame_at(table, page));
}

/* The migration entries of a folio have been removed. */
static void check_no_migration_left(const struct folio *folio)
{
	if (runs_beside_others())
		for_each_entry_of(RMAP_ENTRY_MIGRATION, page_to_pfn(&folio->page),
				  1u << folio_order(folio), migration_left);
}

#endif /* PAGES_WALK_CHECKS_H */
