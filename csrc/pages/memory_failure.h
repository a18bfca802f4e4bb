/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operation `poison`: the memory of a page fails.
 */
#ifndef PAGES_MEMORY_FAILURE_H
#define PAGES_MEMORY_FAILURE_H

#include <linux/mm.h>
#include "pages/lookup.h"
#include "pages/swap_device.h"

/*
 * As memory_failure() takes a page whose memory has failed out of every page table. A large folio
 * is split first; where that is not possible the page stays, and is marked. Otherwise a reference
 * is kept.
 */
static int32_t drive_poison(struct mm_struct *mm, const struct rmap_operation_poison *op)
{
#ifdef RMAP_UNMAPS_POISONED
	struct folio *folio = folio_at(mm, op->page);
	struct page *page;
	int32_t result = 0;

	if (!folio)
		return -EFAULT;
	page = pfn_to_page(find_entry(mm, op->page).told.number);
	if (folio_test_locked(folio) || poisoned_page_of(folio))
		return -EBUSY;
	folio_get(folio);
	SetPageHWPoison(page);
	current_world->pages->any_poisoned = true;
	folio_lock(folio);
	if (folio_test_large(folio)) {
		current_world->task.pages.splitting = true;
		result = split_huge_page(page) ? -EBUSY : 0;
		current_world->task.pages.splitting = false;
		folio = page_folio(page);
		if (result) {
			folio_unlock(folio);
			folio_put(folio);
			return result;
		}
	}
	frame_notes_of(page)->kept = true;
	result = unmap_poisoned_folio(folio, page_to_pfn(page), false);
	/* What is stored is still right; what is not is lost, and stays to be found so. */
	if (!result && folio_test_swapcache(folio) && !folio_test_dirty(folio))
		swap_cache_del_folio(folio);
	else if (!result && is_of_file(folio) && mapping_can_writeback(folio->mapping))
		page_cache_forget(folio);
	folio_unlock(folio);
	return result;
#else
	return -EOPNOTSUPP;
#endif
}

/* The references on pages whose memory has failed. */
static void poisoned_pages_drop(void)
{
	struct page_layer *layer = current_world->pages;

	for (uint32_t frame = 1; layer->any_poisoned && frame < layer->nr_frames; frame++) {
		if (!layer->notes[frame].live || !layer->notes[frame].kept)
			continue;
		layer->notes[frame].kept = false;
		folio_put(page_folio(pfn_to_page(frame)));
	}
}

#endif /* PAGES_MEMORY_FAILURE_H */
