/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The swap device, the swap cache and the page cache of files, and the end of pages that a flush
 * let go. A slot is free if no entry names it and no folio of the swap cache has it.
 */
#ifndef PAGES_SWAP_DEVICE_H
#define PAGES_SWAP_DEVICE_H

#include <linux/swap.h>
#include "pages/frames.h"

/* --- Custom --- */

static struct swap_slot *swap_slot_of(swp_entry_t entry)
{
	struct page_layer *layer = current_world->pages;
	unsigned long number = swp_offset(entry);

	if (unlikely(!number || number >= layer->nr_slots)) {
		broken_rule(RMAP_RULE_USE_AFTER_FREE, number);
		escape_call();
	}
	return &layer->slots[number];
}

/* A slot that nobody uses; 0: there is none. */
static swp_entry_t swap_slot_alloc(void)
{
	struct page_layer *layer = current_world->pages;
	uint32_t number = 1;

	if (!page_attempt(GFP_NOWAIT))
		return (swp_entry_t) { 0 };
	while (number < layer->nr_slots &&
	       (layer->slots[number].count || layer->slots[number].folio ||
		layer->slots[number].claimed))
		number++;
	if (number >= layer->nr_slots) {
		layer->slots = grow(layer->slots, &layer->max_slots, number + 1,
				    sizeof(*layer->slots));
		layer->nr_slots = number + 1;
	}
	layer->slots[number] = (struct swap_slot) { 0 };
	return swp_entry(0, number);
}

static void swap_cache_del_folio(struct folio *folio)
{
	swap_slot_of(folio->swap)->folio = NULL;
	folio_clear_swapcache(folio);
	folio->swap = (swp_entry_t) { 0 };
	folio_put(folio);
}

static void swap_cache_add_folio(struct folio *folio, swp_entry_t entry)
{
	swap_slot_of(entry)->folio = folio;
	folio_get(folio);
	folio->swap = entry;
	folio_set_swapcache(folio);
}

/* An entry more, or less, names a slot: an effect of a walk. */
static void slot_counted(swp_entry_t entry, bool less)
{
	if (current_world->task.depth)
		record(RMAP_EVENT_SLOT, less, 0, swp_offset(entry), 0);
}

static void swap_slot_put(swp_entry_t entry)
{
	struct swap_slot *slot = swap_slot_of(entry);
	struct folio *folio = slot->folio;

	if (unlikely(!slot->count)) {
		broken_rule(RMAP_RULE_REF_UNDERFLOW, swp_offset(entry));
		return;
	}
	slot->count--;
	slot_counted(entry, true);
	/* Nobody can come back for it: as reclaim does on the way. */
	if (!slot->count && folio && !folio_mapped(folio) && folio_trylock(folio)) {
		folio_get(folio);
		swap_cache_del_folio(folio);
		folio_unlock(folio);
		folio_put(folio);
	}
}

static int swap_dup_entry_direct(swp_entry_t entry)
{
	swap_slot_of(entry)->count++;
	slot_counted(entry, false);
	return 0;
}

static void swap_put_entries_direct(swp_entry_t entry, int nr)
{
	for (int i = 0; i < nr; i++)
		swap_slot_put(swp_entry(swp_type(entry), swp_offset(entry) + i));
}

static int folio_dup_swap(struct folio *folio, struct page *subpage)
{
	return swap_dup_entry_direct(folio->swap);
}

static void folio_put_swap(struct folio *folio, struct page *subpage)
{
	struct swap_slot *slot = swap_slot_of(folio->swap);

	if (unlikely(!slot->count))
		broken_rule(RMAP_RULE_REF_UNDERFLOW, swp_offset(folio->swap));
	else
		slot->count--;
	slot_counted(folio->swap, true);
}

static int __swap_count(swp_entry_t entry)
{
	return swap_slot_of(entry)->count;
}

static struct swap_info_struct *__swap_entry_to_info(swp_entry_t entry)
{
	static struct swap_info_struct device;

	return &device;
}

static struct swap_info_struct *get_swap_device(swp_entry_t entry)
{
	return __swap_entry_to_info(entry);
}

/* With a reference for the caller. A macro for its name: until 6.12 it is told the VMA. */
static struct folio *swap_cache_folio(swp_entry_t entry)
{
	struct folio *folio = swap_slot_of(entry)->folio;

	if (folio)
		folio_get(folio);
	return folio;
}

#define swap_cache_get_folio(entry, ...) swap_cache_folio(entry)

/* It is on no list; but that it would be is noted. */
static void folio_add_lru(struct folio *folio)
{
	struct frame_notes *notes = frame_notes_of(&folio->page);

	if (notes->on_lru)
		broken_rule(RMAP_RULE_LRU, page_to_pfn(&folio->page));
	notes->on_lru = true;
}

static struct folio *swap_cache_filled(swp_entry_t entry, gfp_t gfp)
{
	struct folio *folio = swap_cache_folio(entry);

	/* Another task was faster, or has given up the slot. */
	if (folio)
		return folio;
	if (!swap_slot_of(entry)->count)
		return NULL;
	folio = page_layer_folio(gfp, 0);
	if (!folio)
		return NULL;
	swap_cache_add_folio(folio, entry);
	folio_add_lru(folio);
	page_layer_fill(&folio->page, swap_slot_of(entry)->content);
	folio_set_swapbacked(folio);
	folio_mark_uptodate(folio);
	return folio;
}

static struct folio *swapin_readahead(swp_entry_t entry, gfp_t gfp, struct vm_fault *vmf)
{
	bool told = tell_accesses(false);
	struct folio *folio = swap_cache_filled(entry, gfp);

	tell_accesses(told);
	return folio;
}

/* Of a locked folio: leaves the swap cache if no entry names its slot. */
static bool folio_free_swap(struct folio *folio)
{
	if (!folio_test_swapcache(folio) || swap_slot_of(folio->swap)->count)
		return false;
	swap_cache_del_folio(folio);
	folio_set_dirty(folio);
	return true;
}

/* Whoever asks for it still has a reference. */
static void free_swap_cache(struct folio *folio)
{
	if (!frame_notes_of(&folio->page)->live)
		broken_rule(RMAP_RULE_USE_AFTER_FREE, RMAP_NONE);
	if (folio_test_swapcache(folio) && !folio_mapped(folio) && folio_trylock(folio)) {
		folio_free_swap(folio);
		folio_unlock(folio);
	}
}

/* The end of what a batch gathered: pages, of a large folio several at once, and tables. */
static void free_pages_and_swap_cache(struct encoded_page **pages, int nr)
{
	for (int i = 0; i < nr; i++) {
		struct page *page = encoded_page_ptr(pages[i]);
		unsigned int count = 1;

		if (encoded_page_flags(pages[i]) & ENCODED_PAGE_BIT_NR_PAGES_NEXT)
			count = encoded_nr_pages(pages[++i]);
		if (frame_notes_of(page)->table) {
			table_page_free(page);
			continue;
		}
		free_swap_cache(page_folio(page));
		folio_put_refs(page_folio(page), count);
	}
}

/* Whether it is locked in memory is said here, too. */
static void folio_add_lru_vma(struct folio *folio, struct vm_area_struct *vma)
{
	folio_add_lru(folio);
	if ((vma->vm_flags & (VM_LOCKED | VM_SPECIAL)) == VM_LOCKED)
		mlock_new_folio(folio);
}

/* Their names until 6.18 or so. */

static inline int swap_duplicate(swp_entry_t entry)
{
	return swap_dup_entry_direct(entry);
}

static inline void swap_free_nr(swp_entry_t entry, int nr)
{
	swap_put_entries_direct(entry, nr);
}

static inline void swap_free(swp_entry_t entry)
{
	swap_put_entries_direct(entry, 1);
}

static inline void free_swap_and_cache_nr(swp_entry_t entry, int nr)
{
	swap_put_entries_direct(entry, nr);
}

static inline void swap_read_folio(struct folio *folio, void *plug)
{
	page_layer_fill(&folio->page, swap_slot_of(folio->swap)->content);
	folio_mark_uptodate(folio);
	folio_unlock(folio);
}

/* A fault that goes past the swap cache reads a slot, and others wait. */
static int slot_claim(swp_entry_t entry)
{
	struct swap_slot *slot = swap_slot_of(entry);

	if (slot->folio || slot->claimed || !slot->count)
		return -EEXIST;
	slot->claimed = true;
	return 0;
}

/* A folio comes back page by page. */
#define non_swapcache_batch(entry, nr) 0
#define swap_zeromap_batch(entry, nr, is_zero) (nr)

#define add_swap_count_continuation(entry, gfp) 0
#define swapcache_prepare(entry, nr) slot_claim(entry)
#define swapcache_clear(si, entry, nr) (swap_slot_of(entry)->claimed = false)
#define get_shadow_from_swap_cache(entry) NULL
#define workingset_refault(folio, shadow) do {} while (0)

static void swap_clear(struct page_layer *layer)
{
	layer->nr_slots = layer->nr_file_pages = 0;
}

static uint32_t file_number(const struct address_space *mapping)
{
	return container_of(mapping, struct file, mapping) - current_world->files;
}

/* What is stored of a page of a file at first: never what was written to memory. */
static uint64_t file_content(const struct address_space *mapping, uint64_t index)
{
	return 1ull << 63 | (uint64_t)file_number(mapping) << 48 | index;
}

static struct file_page *file_page_at(struct address_space *mapping, uint64_t index)
{
	struct page_layer *layer = current_world->pages;

	for (uint32_t i = 0; i < layer->nr_file_pages; i++)
		if (layer->file_pages[i].mapping == mapping && layer->file_pages[i].index == index)
			return &layer->file_pages[i];
	layer->file_pages = grow(layer->file_pages, &layer->max_file_pages,
				 layer->nr_file_pages + 1, sizeof(*layer->file_pages));
	layer->file_pages[layer->nr_file_pages] =
		(struct file_page) { mapping, index, NULL, file_content(mapping, index) };
	return &layer->file_pages[layer->nr_file_pages++];
}

/* A page of a plain file, which no other file system call knows. */
static vm_fault_t plain_file_fault(struct vm_fault *vmf)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	struct file_page *page = file_page_at(mapping, vmf->pgoff);
	struct folio *folio = page->folio;

	if (!folio) {
		folio = page_layer_folio(GFP_HIGHUSER_MOVABLE, 0);
		if (!folio)
			return VM_FAULT_OOM;
		folio->mapping = mapping;
		folio->index = vmf->pgoff;
		page_layer_fill(&folio->page, page->content);
		folio_mark_uptodate(folio);
		page->folio = folio;
	}
	folio_get(folio);
	folio_lock(folio);
	vmf->page = &folio->page;
	return VM_FAULT_LOCKED;
}

static struct file_page *file_page_of(const struct folio *folio)
{
	return file_page_at(folio->mapping, folio->index);
}

/* What is in memory is stored. */
static void file_page_store(const struct folio *folio)
{
	file_page_of(folio)->content = page_layer_content(&folio->page);
}

/* A clean page of a file can be read again. */
static void page_cache_forget(struct folio *folio)
{
	file_page_of(folio)->folio = NULL;
	folio->mapping = NULL;
	folio_put(folio);
}

/* Another folio has the page now. */
static void page_cache_replace(struct folio *folio, struct folio *by)
{
	file_page_of(folio)->folio = by;
	folio_get(by);
	folio_put(folio);
}

/*
 * When no process is left, reclaim takes what no entry names any more: who unmaps a page that a
 * device has leaves it in the swap cache.
 */
static void swap_cache_drop(void)
{
	struct page_layer *layer = current_world->pages;

	for (uint32_t i = 1; i < layer->nr_slots; i++) {
		struct folio *folio = layer->slots[i].folio;

		if (!folio || layer->slots[i].count)
			continue;
		folio_get(folio);
		free_swap_cache(folio);
		folio_put(folio);
	}
}

/* When no process is left, nobody keeps the pages of files. */
static void page_cache_drop(void)
{
	struct page_layer *layer = current_world->pages;

	for (uint32_t i = 0; i < layer->nr_file_pages; i++) {
		struct folio *folio = layer->file_pages[i].folio;

		if (!folio)
			continue;
		folio->mapping = NULL;
		folio_put(folio);
	}
	layer->nr_file_pages = 0;
}

static const struct vm_operations_struct vma_dummy_vm_ops = { .fault = plain_file_fault };

#endif /* PAGES_SWAP_DEVICE_H */
