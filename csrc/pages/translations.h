/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a TLB may still hold: a translation whose entry is gone, names another page, or allows less.
 * A flush ends it. Rules: a page or a page table is not free before it is forgotten, and when an
 * operation ends nothing is left. If an entry that was cleared is written again with at least the
 * same rights to the same page, as mprotect() does, no flush is needed; nor for the accessed bit.
 */
#ifndef PAGES_TRANSLATIONS_H
#define PAGES_TRANSLATIONS_H

#include <asm/pgtable.h>
#include "pages/layer.h"

/* The word of a bit that is set if a page of an mm may be among them, and that bit. */
static uint64_t *stale_word(struct page_layer *layer, const struct mm_struct *mm, uint64_t page,
			    uint64_t *bit)
{
	uint64_t place = page ^ (uint64_t)mm->id << 6;

	*bit = 1ull << (place % 64);
	return &layer->may_be_stale[place / 64 % STALE_WORDS];
}

static void translation_stays(const struct mm_struct *mm, uint64_t page, uint64_t pages,
			      unsigned long entry)
{
	struct page_layer *layer = current_world->pages;
	uint64_t bit, *word = stale_word(layer, mm, page, &bit);

	if (!layer->nr_stale)
		memset(layer->may_be_stale, 0, sizeof(layer->may_be_stale));
	*word |= bit;
	layer->stale = grow(layer->stale, &layer->max_stale, layer->nr_stale + 1,
			    sizeof(*layer->stale));
	layer->stale[layer->nr_stale++] = (struct stale_translation) {
		mm, page, pages, entry, current_world->task.number,
	};
}

/* Whether an entry allows all that another did, and names the same page. */
static bool entry_covers(unsigned long entry, unsigned long old)
{
	unsigned long asked = old & (ENTRY_PRESENT | ENTRY_WRITE | ENTRY_DIRTY);

	return entry >> PAGE_SHIFT == old >> PAGE_SHIFT && (entry & asked) == asked;
}

static void translation_replaced(const struct mm_struct *mm, uint64_t page, uint64_t pages,
				 unsigned long old, unsigned long entry)
{
	struct page_layer *layer = current_world->pages;
	uint64_t bit, *word = stale_word(layer, mm, page, &bit);
	uint32_t kept = 0;

	/* One that is not present covers none of them. */
	if (!(entry & ENTRY_PRESENT) || !layer->nr_stale || !(*word & bit))
		goto note_old;
	for (uint32_t i = 0; i < layer->nr_stale; i++) {
		const struct stale_translation *stale = &layer->stale[i];

		if (stale->mm == mm && stale->page == page && stale->pages == pages &&
		    entry_covers(entry, stale->entry))
			continue;
		if (kept != i)
			layer->stale[kept] = *stale;
		kept++;
	}
	layer->nr_stale = kept;
note_old:
	if ((old & ENTRY_PRESENT) && !entry_covers(entry, old))
		translation_stays(mm, page, pages, old);
}

/* The TLBs forget these pages of an mm, or of all whose flush was put off (mm NULL). */
static void translations_flushed(const struct mm_struct *mm, uint64_t start, uint64_t end)
{
	struct page_task *task = &current_world->task.pages;
	struct page_layer *layer = current_world->pages;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < layer->nr_stale; i++) {
		const struct stale_translation *stale = &layer->stale[i];
		bool is_of = mm ? stale->mm == mm :
				  task->put_off >> (stale->mm - current_world->mms) & 1;

		if (!is_of || stale->page >= end || stale->page + stale->pages <= start)
			layer->stale[kept++] = *stale;
	}
	layer->nr_stale = kept;
	if (!mm)
		task->put_off = 0;
}

/* Whether it leads to one of these frames. */
static bool leads_to(const struct stale_translation *stale, uint64_t first, uint64_t count)
{
	uint64_t frame = stale->entry >> PAGE_SHIFT;

	return frame < first + count &&
	       first < frame + (stale->entry & ENTRY_HUGE ? PTRS_PER_PTE : 1);
}

/*
 * Whether somebody may still write to a frame that no entry names any more, because this task has
 * not flushed. What another has taken away from its own mm is nobody's to keep.
 */
static bool frame_written_unseen(uint64_t frame)
{
	struct page_layer *layer = current_world->pages;
	unsigned long written = ENTRY_WRITE | ENTRY_DIRTY;

	for (uint32_t i = 0; i < layer->nr_stale; i++) {
		const struct stale_translation *stale = &layer->stale[i];

		if ((stale->entry & written) == written && leads_to(stale, frame, 1) &&
		    stale->task == current_world->task.number)
			return true;
	}
	return false;
}

/* Frames are about to be free. */
static void frames_forgotten(uint64_t first, uint64_t count)
{
	struct page_layer *layer = current_world->pages;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < layer->nr_stale; i++) {
		const struct stale_translation *stale = &layer->stale[i];

		if (leads_to(stale, first, count))
			broken_rule(RMAP_RULE_FREED_BEFORE_FLUSH, stale->page);
		else
			layer->stale[kept++] = *stale;
	}
	layer->nr_stale = kept;
}

/* An operation ends. */
static void translations_end(void)
{
	struct page_layer *layer = current_world->pages;

	if (layer->nr_stale)
		broken_rule(RMAP_RULE_NOT_FLUSHED, layer->stale[0].page);
	layer->nr_stale = 0;
}

#endif /* PAGES_TRANSLATIONS_H */
