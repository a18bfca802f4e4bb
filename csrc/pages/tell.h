/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells what the page tables hold, in the words that rmap_abi.h documents. The tables are read as
 * memory, not by functions of the code under test.
 */
#ifndef PAGES_TELL_H
#define PAGES_TELL_H

#include <linux/mm.h>
#include "pages/swap_device.h"

static struct frame_notes *notes_of_frame(unsigned long frame)
{
	struct page_layer *layer = current_world->pages;

	if (unlikely(!frame || frame >= layer->nr_frames || !layer->notes[frame].live))
		escape_call();		/* an entry names a frame that is free */
	return &layer->notes[frame];
}

static void tell_entry(const struct mm_struct *mm, uint64_t page, struct rmap_entry told)
{
	if (told.bits & (RMAP_ENTRY_PRESENT | RMAP_ENTRY_DEVICE))
		notes_of_frame(told.number);
	PUT_WORDS(RMAP_PAGES_ENTRY, mm->id, page, told.bits, told.number);
}

/* Tells the entries below a table; returns how many tables there are, it included. */
static uint32_t tell_table(const struct mm_struct *mm, const struct frame_notes *notes, int level,
			   uint64_t page)
{
	const unsigned long *table = notes->table->entries;
	uint32_t tables = 1;

	/* All entries are written by functions of csrc/pages, which note where. */
	for (uint64_t i = notes->first; i < notes->end; i++) {
		uint64_t below = page + (i << (9 * level));

		if (!table[i])
			continue;
		if (!level) {
			tell_entry(mm, below, entry_of(table[i]));
			continue;
		}
		if (level == 1 && is_huge(table[i])) {
			struct rmap_entry told = entry_of(table[i]);

			told.bits |= RMAP_ENTRY_HUGE;
			tell_entry(mm, below, told);
			tables++;	/* the one that it is split into is put by */
			continue;
		}
		const struct frame_notes *lower = notes_of_frame(table[i] >> PAGE_SHIFT);

		if (unlikely(!lower->table))
			escape_call();
		tables += tell_table(mm, lower, level - 1, below);
	}
	return tables;
}

/* The counters of an mm; the record says whether its entries were told before it. */
static void tell_mm(const struct mm_struct *mm, enum rmap_page_stream record, uint32_t tables)
{
	put_word(record);
	put_word(mm->id);
	put_word(mm->rss_stat[MM_FILEPAGES].count);
	put_word(mm->rss_stat[MM_ANONPAGES].count);
	put_word(mm->rss_stat[MM_SWAPENTS].count);
	put_word(mm->rss_stat[MM_SHMEMPAGES].count);
	put_word(mm->pgtables_bytes.counter);
	put_word(tables);
}

static uint32_t tell_entries(const struct mm_struct *mm)
{
	return tell_table(mm, frame_notes_of(virt_to_page(mm->pgd)), 3, 0) - 1;
}

/* What each page of a folio has by itself. */
static uint64_t page_bits(const struct page *page, const struct folio *folio)
{
	bool exclusive = folio_test_anon(folio) && PageAnonExclusive(page);
	uint64_t bits = exclusive ? RMAP_FRAME_EXCLUSIVE : 0;

	bits |= PageHWPoison(page) ? RMAP_FRAME_POISONED : 0;
	bits |= frame_notes_of(page)->kept ? RMAP_FRAME_KEPT : 0;
	return bits;
}

static uint64_t frame_bits(const struct page *page, const struct folio *folio)
{
	uint64_t bits = page_bits(page, folio);

	if (folio_test_anon(folio)) {
		bits |= RMAP_FRAME_ANON;
		bits |= is_as_told(folio) ? RMAP_FRAME_AS_TOLD : 0;
		bits |= folio_test_swapcache(folio) ? RMAP_FRAME_SWAPCACHE : 0;
	} else if (folio->mapping) {
		bits |= RMAP_FRAME_FILE;
		bits |= file_number(folio->mapping) < RMAP_FILES_NOT_TOLD ? 0 :
									    RMAP_FRAME_NOT_TOLD;
	} else {
		/* Read back for a fault that then had no use for it. */
		bits |= folio_test_swapcache(folio) ? RMAP_FRAME_SWAPCACHE : 0;
	}
	bits |= folio_test_swapbacked(folio) ? RMAP_FRAME_SWAPBACKED : 0;
	bits |= folio_test_locked(folio) ? RMAP_FRAME_LOCKED : 0;
	bits |= folio_test_mlocked(folio) ? RMAP_FRAME_MLOCKED : 0;
	bits |= folio_test_dirty(folio) ? RMAP_FRAME_DIRTY : 0;
	bits |= folio_notes(folio)->migrating ? RMAP_FRAME_MIGRATING : 0;
	bits |= folio_notes(folio)->migrated ? RMAP_FRAME_MIGRATED : 0;
	bits |= folio_notes(folio)->taken_out ? RMAP_FRAME_TAKEN_OUT : 0;
	return bits;
}

static uint64_t told_anon_vma(const struct folio *folio)
{
	unsigned long mapping = (unsigned long)folio->mapping;
	const struct anon_vma *anon_vma = (const void *)(mapping & ~3ul);

	if (!folio_test_anon(folio) || !is_live(anon_vma))
		return 0;
	return optional_serial(anon_vma);
}

static void tell_frame(uint32_t frame)
{
	struct page_layer *layer = current_world->pages;
	const struct page *page = &layer->frames[frame];
	const struct folio *folio = page_folio(page);

	PUT_WORDS(RMAP_PAGES_FRAME, frame, frame_bits(page, folio),
		  (int64_t)folio->page._refcount.counter, (int64_t)page->_mapcount.counter + 1,
		  folio->index + page_number(folio, page), told_anon_vma(folio),
		  folio_number(folio),
		  layer->notes[frame].content, folio_notes(folio)->pins,
		  is_of_file(folio) ? file_page_of(folio)->content : 0);
}

/* A page of the folio that was told of last: what it has by itself. */
static void tell_tail(uint32_t frame, const struct folio *folio)
{
	struct page_layer *layer = current_world->pages;
	const struct page *page = &layer->frames[frame];

	PUT_WORDS(RMAP_PAGES_TAIL, frame, page_bits(page, folio),
		  (int64_t)page->_mapcount.counter + 1, layer->notes[frame].content);
}

static void tell_slot(uint32_t number)
{
	const struct swap_slot *slot = &current_world->pages->slots[number];

	put_word(RMAP_PAGES_SLOT);
	put_word(number);
	put_word(slot->count);
	put_word(slot->folio ? page_to_pfn(&slot->folio->page) : 0);
	put_word(slot->content);
}

/* Nodes of a list that are in frames; one that is not ends it, and counts. */
static uint32_t nodes_of(const struct list_head *list)
{
	const struct page_layer *layer = current_world->pages;
	const void *first = layer->frames, *end = layer->frames + layer->nr_frames;
	uint32_t nodes = 0;

	for (const struct list_head *at = list->next; at != list; at = at->next) {
		nodes++;
		if ((const void *)at < first || (const void *)at >= end ||
		    nodes > layer->nr_frames)
			break;
	}
	return nodes;
}

static void tell_totals(const struct page_layer *layer)
{
	uint32_t slots = 0, cached = 0;

	for (uint32_t i = 1; i < layer->nr_slots; i++)
		slots += layer->slots[i].count || layer->slots[i].folio;
	for (uint32_t i = 0; i < layer->nr_file_pages; i++)
		cached += layer->file_pages[i].folio != NULL;
	put_word(RMAP_PAGES_TOTALS);
	put_word(layer->live_pages);
	put_word(layer->nr_tables);
	put_word(cached);
	put_word(slots);
	put_word(layer->node[NR_ANON_MAPPED]);
	put_word(layer->node[NR_FILE_MAPPED]);
	put_word(layer->node[NR_ANON_THPS]);
	/* The first list until 7.2, the second since 7.3. */
	put_word(nodes_of(&layer->node_data->deferred_split_queue.split_queue) +
		 nodes_of(&layer->deferred->list));
	put_word(layer->node_data->deferred_split_queue.split_queue_len +
		 layer->deferred->nr_items);
}

static void tell_slots(const struct page_layer *layer)
{
	for (uint32_t i = 1; i < layer->nr_slots; i++)
		if (layer->slots[i].count || layer->slots[i].folio)
			tell_slot(i);
}

/* Not one of a page table. */
static bool is_page(const struct page_layer *layer, uint32_t frame)
{
	return frame < layer->nr_frames && layer->notes[frame].live && !layer->notes[frame].table;
}

/* How many frames are told of with one: it, and the others of the folio that begins there. */
static uint32_t frames_of_folio(const struct page_layer *layer, uint32_t frame)
{
	const struct page *head = &layer->frames[frame];
	uint32_t count = 1;

	if (layer->notes[frame].order)
		while (is_page(layer, frame + count) &&
		       &page_folio(head + count)->page == head)
			count++;
	return count;
}

static void tell_frames(const struct page_layer *layer, uint32_t frame, uint32_t count)
{
	const struct folio *folio = (const struct folio *)&layer->frames[frame];

	tell_frame(frame);
	if (layer->notes[frame].order) {
		put_word(RMAP_PAGES_LARGE);
		put_word(frame);
		tell_large(folio);
	}
	for (uint32_t i = 1; i < count; i++)
		tell_tail(frame + i, folio);
}

static void tell_page_tables(struct rmap_world *w)
{
	struct page_layer *layer = w->pages;

	tell_totals(layer);
	for (uint32_t i = 0; i < RMAP_MAX_PROCESSES; i++)
		if (w->mms[i].alive)
			tell_mm(&w->mms[i], RMAP_PAGES_MM, tell_entries(&w->mms[i]));
	for (uint32_t frame = ZERO_FRAME + 1, count; frame < layer->nr_frames; frame += count) {
		count = 1;
		if (is_page(layer, frame)) {
			count = frames_of_folio(layer, frame);
			tell_frames(layer, frame, count);
		}
	}
	tell_slots(layer);
}

/* --- What has changed --- */

static bool same_words(const void *a, const void *b, uint32_t count)
{
	const uint64_t *words = a, *others = b;
	uint64_t differ = 0;

	for (uint32_t i = 0; i < count; i++)
		differ |= words[i] ^ others[i];
	return !differ;
}

_Static_assert(sizeof(struct page) % 8 == 0 && sizeof(struct frame_notes) % 8 == 0,
	       "they are compared by words");

static uint64_t stored_content(const struct folio *folio)
{
	return is_of_file(folio) ? file_page_of(folio)->content : 0;
}

static bool page_changed(const struct page_layer *layer, uint32_t frame)
{
	const struct told_frame *told = &layer->told[frame];

	return !told->told ||
	       !same_words(&told->page, &layer->frames[frame], sizeof(told->page) / 8);
}

/* Of a page that is not the first of its folio: what tell_tail() says of it. */
static bool tail_changed(const struct page_layer *layer, uint32_t frame)
{
	const struct frame_notes *notes = &layer->notes[frame], *were = &layer->told[frame].notes;

	return page_changed(layer, frame) || notes->content != were->content ||
	       notes->kept != were->kept;
}

static bool folio_changed(const struct page_layer *layer, uint32_t frame, uint32_t count)
{
	const struct page *page = &layer->frames[frame];
	const struct folio *folio = page_folio(page);
	const struct told_frame *told = &layer->told[frame];

	if (unlikely(&folio->page != page))
		return true;
	if (page_changed(layer, frame) ||
	    !same_words(&told->notes, &layer->notes[frame], sizeof(told->notes) / 8))
		return true;
	for (uint32_t i = 1; i < count; i++)
		if (tail_changed(layer, frame + i))
			return true;
	return told->anon_vma != told_anon_vma(folio) || told->stored != stored_content(folio);
}

static void folio_told(struct page_layer *layer, uint32_t frame, uint32_t count)
{
	const struct folio *folio = page_folio(&layer->frames[frame]);

	for (uint32_t i = frame; i < frame + count; i++) {
		layer->told[i].page = layer->frames[i];
		layer->told[i].notes = layer->notes[i];
		layer->told[i].told = true;
	}
	layer->told[frame].anon_vma = told_anon_vma(folio);
	layer->told[frame].stored = stored_content(folio);
}

static void tell_changed_mm(struct page_layer *layer, const struct mm_struct *mm)
{
	if (layer->changed_mms & 1u << mm->id) {
		layer->told_tables[mm->id] = tell_entries(mm);
		tell_mm(mm, RMAP_PAGES_MM, layer->told_tables[mm->id]);
	} else {
		tell_mm(mm, RMAP_PAGES_MM_SAME, layer->told_tables[mm->id]);
	}
}

static void tell_changed_page_tables(struct rmap_world *w)
{
	struct page_layer *layer = w->pages;
	uint32_t count;

	layer->nr_told = layer->nr_frames;
	tell_totals(layer);
	for (uint32_t i = 0; i < RMAP_MAX_PROCESSES; i++)
		if (w->mms[i].alive)
			tell_changed_mm(layer, &w->mms[i]);
	for (uint32_t frame = ZERO_FRAME + 1; frame < layer->nr_frames; frame += count) {
		struct told_frame *told = &layer->told[frame];

		count = 1;
		if (is_page(layer, frame)) {
			count = frames_of_folio(layer, frame);
			if (folio_changed(layer, frame, count)) {
				tell_frames(layer, frame, count);
				folio_told(layer, frame, count);
			}
		} else if (told->told) {
			put_word(RMAP_PAGES_GONE);
			put_word(frame);
			told->told = false;
		}
	}
	layer->changed_mms = 0;
	tell_slots(layer);
}

static void tell_page_tables_anew(struct rmap_world *w)
{
	told_forgotten(w->pages);
	tell_changed_page_tables(w);
}

static const uint64_t *tell(struct rmap_world *w, uint32_t *count,
			    void (*teller)(struct rmap_world *));

static const uint64_t *reference_page_tables(struct rmap_world *w, enum rmap_page_reading reading,
					     uint32_t *count)
{
	switch (reading) {
	case RMAP_PAGES_CHANGED:
		return tell(w, count, tell_changed_page_tables);
	case RMAP_PAGES_ANEW:
		return tell(w, count, tell_page_tables_anew);
	case RMAP_PAGES_ALL:
		break;
	}
	return tell(w, count, tell_page_tables);
}

static void reference_fail_pages(struct rmap_world *w, const struct rmap_fail *fail)
{
	w->task.pages.fail = *fail;
}

#endif /* PAGES_TELL_H */
