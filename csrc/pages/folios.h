/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls by which pages of folios are mapped and unmapped: wrappers of the kernel's functions,
 * which tell the watcher. What others do with a folio in between is told too: it is allocated and
 * freed, and its mapping and AnonExclusive are written.
 */
#ifndef PAGES_FOLIOS_H
#define PAGES_FOLIOS_H

#include "pages/swap_device.h"
#include "vma/operations.h"

static struct frame_notes *folio_notes(const struct folio *folio)
{
	return frame_notes_of(&folio->page);
}

static uint32_t folio_number(const struct folio *folio)
{
	return page_to_pfn(&folio->page);
}

/* Which page of its folio it is. */
static uint32_t page_number(const struct folio *folio, const struct page *page)
{
	return page - &folio->page;
}

static bool is_of_file(const struct folio *folio)
{
	return folio->mapping && !folio_test_anon(folio);
}

/* The mapping of an anonymous folio, NULL of another. */
static void *anon_mapping(const struct folio *folio)
{
	return folio_test_anon(folio) ? (void *)folio->mapping : NULL;
}

/* Whether a folio waits to be split, and why: of RMAP_LARGE_*. */
static uint32_t deferral(const struct folio *folio)
{
	uint32_t bits = 0;

	if (!folio_test_large(folio))
		return 0;
	bits |= folio_test_partially_mapped(folio) ? RMAP_LARGE_PARTIALLY_MAPPED : 0;
	/* Of two pages it has no room for the list. */
	if (folio_order(folio) > 1)
		bits |= list_empty(&folio->_deferred_list) ? 0 : RMAP_LARGE_DEFERRED;
	return bits;
}

/* What else a large folio counts for all of its pages. */
static uint64_t large_bits(const struct folio *folio)
{
	uint64_t bits = deferral(folio);

#ifdef RMAP_MM_ID
	bits |= folio->_mm_ids & FOLIO_MM_IDS_SHARED_BIT ? RMAP_LARGE_SHARED : 0;
#endif
	return bits;
}

static bool is_as_told(const struct folio *folio)
{
	const struct frame_notes *notes = folio_notes(folio);

	return notes->mapping == anon_mapping(folio) &&
	       (!notes->mapping || notes->index == folio->index);
}

/* The mapping was written: an anon_vma's serial is remembered, since the anon_vma may go first. */
static void remember_mapping(const struct folio *folio)
{
	struct frame_notes *notes = folio_notes(folio);
	unsigned long mapping = (unsigned long)anon_mapping(folio);

	notes->mapping = (void *)mapping;
	notes->index = mapping ? folio->index : 0;
	notes->anon_vma = mapping ? serial_of((const void *)(mapping & ~3ul)) : RMAP_NONE;
	notes->deferral = deferral(folio);
}

/* The call is about these pages of a folio. */
static void folio_given(const struct folio *folio, uint32_t first, uint32_t count)
{
	current_world->task.told_folio = folio_number(folio);
	current_world->task.pages.told_first = first;
	current_world->task.pages.told_count = count;
}

/* What is no call of the reverse map, but told, with these pages of the folio. */
static void tell_folio_call(struct rmap_call call, const struct folio *folio, uint32_t first,
			    uint32_t count)
{
	call_begins();
	folio_given(folio, first, count);
	watch(&call, 0, true);
}

static void folio_born(struct folio *folio)
{
	unsigned int order = folio_order(folio);

	folio_notes(folio)->told = true;
	remember_mapping(folio);
	tell_folio_call(CALL(FOLIO_ALLOC, folio_alloc, folio_number(folio), order), folio, 0,
			1u << order);
}

static void folio_gone(struct folio *folio)
{
	struct rmap_call call = CALL(FOLIO_FREE, folio_free, folio_number(folio));

	folio_notes(folio)->told = false;
	call_begins();
	watch(&call, 0, false);
}

/* What was written into the folio since it was told last. */
static void report_folio_writes(const struct folio *folio)
{
	const struct frame_notes *notes = folio_notes(folio);
	uint32_t deferred = deferral(folio);

	if (unlikely(notes->deferral != deferred)) {
		folio_notes(folio)->deferral = deferred;
		tell_folio_call(CALL(FOLIO_SET_DEFERRED, folio_set_deferred, folio_number(folio),
				     !!(deferred & RMAP_LARGE_DEFERRED),
				     !!(deferred & RMAP_LARGE_PARTIALLY_MAPPED)),
				folio, 0, 1);
	}
	if (likely(is_as_told(folio)))
		return;
	remember_mapping(folio);
	tell_folio_call(CALL(FOLIO_SET_MAPPING, folio_set_mapping, folio_number(folio),
			     notes->anon_vma, notes->index),
			folio, 0, 1);
}

static void deferred_split_folio(struct folio *folio, bool partially_mapped)
{
	/* It is in the middle of what is done with a page table. */
	without_others(verbatim_deferred_split_folio(folio, partially_mapped));
	if (!current_world->task.depth)
		report_folio_writes(folio);
}

/* After a split each new folio is one of its own: the first tells of all. */
static void folio_split_told(struct folio *folio, unsigned long pages)
{
	struct frame_notes *notes = folio_notes(folio);
	unsigned int order = folio_order(folio);

	if (notes->order == order)
		return;
	for (unsigned long i = 0; i < pages; i += 1ul << order) {
		notes[i].order = order;
		notes[i].told = true;
		remember_mapping((const struct folio *)(&folio->page + i));
	}
	tell_folio_call(CALL(FOLIO_SPLIT, folio_split, folio_number(folio), order), folio, 0,
			1u << order);
}

static int split_folio_to_list(struct folio *folio, struct list_head *list)
{
	int result;

	current_world->task.pages.splitting = true;
	result = verbatim_split_folio_to_list(folio, list);
	current_world->task.pages.splitting = false;
	return result;
}

/* What a split does next: the new folios are mapped. */
static void remap_page(struct folio *folio, unsigned long nr, int flags)
{
	folio_split_told(folio, nr);
	verbatim_remap_page(folio, nr, flags);
}

static void tell_exclusive(struct page *page, bool exclusive)
{
	const struct folio *folio = page_folio(page);
	uint32_t first = page_number(folio, page);

	if (current_world->task.depth || !folio_notes(folio)->told)
		return;
	report_folio_writes(folio);
	tell_folio_call(CALL(FOLIO_SET_EXCLUSIVE, folio_set_exclusive, folio_number(folio), first,
			     exclusive),
			folio, first, 1);
}

static __always_inline void SetPageAnonExclusive(struct page *page)
{
	verbatim_SetPageAnonExclusive(page);
	tell_exclusive(page, true);
}

static __always_inline void ClearPageAnonExclusive(struct page *page)
{
	verbatim_ClearPageAnonExclusive(page);
	tell_exclusive(page, false);
}

/* A page is locked in memory, or not any more, by a call of the reverse map. */
static void folio_mlocked(struct folio *folio, bool locked)
{
	enum rmap_event_kind kind = locked ? RMAP_EVENT_MLOCK : RMAP_EVENT_MUNLOCK;

	if (current_world->task.depth)
		record(kind, 0, 0, folio_number(folio), 0);
}

/*
 * A call on pages of a folio begins, of a VMA or NULL, and of another or NULL. A call within
 * another is part of that.
 */
static void folio_call_begin(struct rmap_call call, const struct folio *folio,
			     const struct page *page, uint32_t count, struct vm_area_struct *vma,
			     struct vm_area_struct *other)
{
	struct rmap_world *w = current_world;

	if (w->task.depth++)
		return;
	if (vma)
		report_writes(vma);
	if (other)
		report_writes(other);
	report_folio_writes(folio);
	call_begins();
	w->task.outermost = call;
	folio_given(folio, page_number(folio, page), count);
}

/*
 * A mapcount is about to change, behind an entry that was written. Whoever has the entry of another
 * process sees both. A walk writes the entries of a large folio in one table as one step.
 */
static void mapcount_hook(enum rmap_point_kind kind, const struct folio *folio)
{
	if (runs_beside_others() && (!current_world->task.depth || !folio_order(folio)))
		hook(kind, RMAP_POINT_OF_FOLIO, folio_number(folio));
}

/* Locks that a walker holds around it stay. */
static void folio_call_end(const struct folio *folio, int32_t result)
{
	struct rmap_world *w = current_world;

	w->mapped_unchecked = true;
	if (--w->task.depth)
		return;
	remember_mapping(folio);
	watch(&w->task.outermost, result, true);
}

/* A reference that is taken outside of the reverse map's calls. */
static bool is_told_of_references(void)
{
	const struct rmap_task *task = &current_world->task;

	return (task->pages.splitting || runs_beside_others()) && !task->depth;
}

#ifdef RMAP_MM_ID
static struct anon_vma *folio_get_anon_vma(const struct folio *folio)
#else
static struct anon_vma *folio_get_anon_vma(struct folio *folio)
#endif
{
	struct anon_vma *anon_vma;

	if (!is_told_of_references())
		return verbatim_folio_get_anon_vma(folio);
	/* Of several tasks it finds that out by itself. */
	folio_call_begin(CALL(FOLIO_GET_ANON_VMA, folio_get_anon_vma, folio_number(folio),
			      runs_beside_others() || folio_mapped((struct folio *)folio)),
			 folio, &folio->page, 1, NULL, NULL);
	current_world->task.bookkeeping = false;
	anon_vma = verbatim_folio_get_anon_vma(folio);
	folio_call_end(folio, anon_vma ? (int32_t)serial_of(anon_vma) : -ENOENT);
	return anon_vma;
}

static inline void put_anon_vma(struct anon_vma *anon_vma)
{
	struct rmap_call call;

	if (!is_told_of_references()) {
		verbatim_put_anon_vma(anon_vma);
		return;
	}
	call = CALL(PUT_ANON_VMA, put_anon_vma, serial_of(anon_vma));
	current_world->task.depth++;
	call_begins();
	current_world->task.bookkeeping = false;
	current_world->task.outermost = call;
	verbatim_put_anon_vma(anon_vma);
	current_world->task.depth--;
	watch(&call, 0, true);
}

/* As GUP counts the pages that it pins: a small folio has so many references more. */
#define PIN_BIAS 1024

static bool maybe_pinned(const struct folio *folio)
{
	if (folio_test_large(folio))
		return folio->_pincount.counter > 0;
	return folio->page._refcount.counter >= PIN_BIAS;
}

/* Of a process that has pinned a page since it began. */
static bool maybe_pinned_by(const struct folio *folio, const struct mm_struct *mm)
{
	return (current_world->pages->pinning >> mm->id & 1) && maybe_pinned(folio);
}

/* Pages of a new folio that entries of their own map; of a huge page that is the first alone. */
static uint32_t pages_of_entries(const struct folio *folio)
{
	return folio_order(folio) == HPAGE_PMD_ORDER ? 1 : 1u << folio_order(folio);
}

static void folio_add_new_anon_rmap(struct folio *folio, struct vm_area_struct *vma,
				    unsigned long address, rmap_t flags)
{
	mapcount_hook(RMAP_POINT_GET, folio);
	folio_call_begin(CALL(FOLIO_ADD_NEW_ANON_RMAP, folio_add_new_anon_rmap, folio_number(folio),
			      serial_of(vma), address >> PAGE_SHIFT, !!(flags & RMAP_EXCLUSIVE)),
			 folio, &folio->page, pages_of_entries(folio), vma, NULL);
	verbatim_folio_add_new_anon_rmap(folio, vma, address, flags);
	folio_call_end(folio, 0);
}

static void folio_add_anon_rmap_ptes(struct folio *folio, struct page *page, int nr_pages,
				     struct vm_area_struct *vma, unsigned long address,
				     rmap_t flags)
{
	mapcount_hook(RMAP_POINT_GET, folio);
	folio_call_begin(CALL(FOLIO_ADD_ANON_RMAP, folio_add_anon_rmap, folio_number(folio),
			      page_number(folio, page), nr_pages, serial_of(vma),
			      address >> PAGE_SHIFT, !!(flags & RMAP_EXCLUSIVE), false),
			 folio, page, nr_pages, vma, NULL);
	verbatim_folio_add_anon_rmap_ptes(folio, page, nr_pages, vma, address, flags);
	folio_call_end(folio, 0);
}

/* Of a huge page, by one entry, only the first page changes. */
static void folio_add_anon_rmap_pmd(struct folio *folio, struct page *page,
				    struct vm_area_struct *vma, unsigned long address,
				    rmap_t flags)
{
	mapcount_hook(RMAP_POINT_GET, folio);
	folio_call_begin(CALL(FOLIO_ADD_ANON_RMAP, folio_add_anon_rmap, folio_number(folio),
			      page_number(folio, page), HPAGE_PMD_NR, serial_of(vma),
			      address >> PAGE_SHIFT, !!(flags & RMAP_EXCLUSIVE), true),
			 folio, page, 1, vma, NULL);
	verbatim_folio_add_anon_rmap_pmd(folio, page, vma, address, flags);
	folio_call_end(folio, 0);
}

static void folio_add_file_rmap_ptes(struct folio *folio, struct page *page, int nr_pages,
				     struct vm_area_struct *vma)
{
	mapcount_hook(RMAP_POINT_GET, folio);
	folio_call_begin(CALL(FOLIO_ADD_FILE_RMAP, folio_add_file_rmap, folio_number(folio),
			      page_number(folio, page), nr_pages, serial_of(vma)),
			 folio, page, nr_pages, vma, NULL);
	verbatim_folio_add_file_rmap_ptes(folio, page, nr_pages, vma);
	folio_call_end(folio, 0);
}

/* How many pages of a large folio are mapped, by entries of their own or by one of all. */
static uint32_t pages_mapped_of(const struct folio *folio)
{
	uint32_t pages = 1u << folio_order(folio), mapped = 0;

	if (folio->_entire_mapcount.counter >= 0)
		return pages;
	for (uint32_t i = 0; i < pages; i++)
		mapped += (&folio->page)[i]._mapcount.counter >= 0;
	return mapped;
}

static bool is_marked_partial(const struct folio *folio)
{
	return deferral(folio) & RMAP_LARGE_PARTIALLY_MAPPED;
}

/* A mapping was removed: a folio is marked for it only if it lost a page and has another. */
static void check_mark(const struct folio *folio)
{
	uint32_t mapped = pages_mapped_of(folio);

	if (!mapped || mapped == 1u << folio_order(folio))
		broken_rule(RMAP_RULE_NOT_PARTIALLY_MAPPED, folio_number(folio));
}

static void folio_remove_rmap_ptes(struct folio *folio, struct page *page, int nr_pages,
				   struct vm_area_struct *vma)
{
	bool was_marked;

	mapcount_hook(RMAP_POINT_PUT, folio);
	was_marked = is_marked_partial(folio);
	folio_call_begin(CALL(FOLIO_REMOVE_RMAP, folio_remove_rmap, folio_number(folio),
			      page_number(folio, page), nr_pages, serial_of(vma), false),
			 folio, page, nr_pages, vma, NULL);
	verbatim_folio_remove_rmap_ptes(folio, page, nr_pages, vma);
	if (unlikely(!was_marked && is_marked_partial(folio)))
		check_mark(folio);
	folio_call_end(folio, 0);
}

static void folio_remove_rmap_pmd(struct folio *folio, struct page *page,
				  struct vm_area_struct *vma)
{
	bool was_marked;

	mapcount_hook(RMAP_POINT_PUT, folio);
	was_marked = is_marked_partial(folio);
	folio_call_begin(CALL(FOLIO_REMOVE_RMAP, folio_remove_rmap, folio_number(folio),
			      page_number(folio, page), HPAGE_PMD_NR, serial_of(vma), true),
			 folio, page, 1, vma, NULL);
	verbatim_folio_remove_rmap_pmd(folio, page, vma);
	if (unlikely(!was_marked && is_marked_partial(folio)))
		check_mark(folio);
	folio_call_end(folio, 0);
}

static void folio_move_anon_rmap(struct folio *folio, struct vm_area_struct *vma)
{
	folio_call_begin(CALL(FOLIO_MOVE_ANON_RMAP, folio_move_anon_rmap, folio_number(folio),
			      serial_of(vma)),
			 folio, &folio->page, 1, vma, NULL);
	/* The one call of these that the small driver makes, too: there it is given the VMA. */
	if (current_world->task.depth == 1)
		current_world->task.given[current_world->task.nr_given++] = vma;
	verbatim_folio_move_anon_rmap(folio, vma);
	folio_call_end(folio, 0);
}

/*
 * What a fork and the walkers do, with one page or several. The functions differ in whether they
 * are told the child's VMA: since 6.15.
 */
#ifdef RMAP_DUP_TOLD_CHILD
#define CHILD_PARAMETER , struct vm_area_struct *dst_vma
#define CHILD_ARGUMENT , dst_vma
#define CHILD dst_vma
#else
#define CHILD_PARAMETER
#define CHILD_ARGUMENT
#define CHILD NULL
#endif

static uint32_t serial_or_none(const struct vm_area_struct *vma)
{
	return vma ? serial_of(vma) : RMAP_NONE;
}

static void dup_file_begin(const struct folio *folio, const struct page *page, int nr_pages,
			   struct vm_area_struct *child)
{
	mapcount_hook(RMAP_POINT_GET, folio);
	folio_call_begin(CALL(FOLIO_DUP_FILE_RMAP, folio_dup_file_rmap, folio_number(folio),
			      page_number(folio, page), nr_pages, serial_or_none(child)),
			 folio, page, nr_pages, child, NULL);
}

static inline void folio_dup_file_rmap_ptes(struct folio *folio, struct page *page,
					    int nr_pages CHILD_PARAMETER)
{
	dup_file_begin(folio, page, nr_pages, CHILD);
	verbatim_folio_dup_file_rmap_ptes(folio, page, nr_pages CHILD_ARGUMENT);
	folio_call_end(folio, 0);
}

static __always_inline void folio_dup_file_rmap_pte(struct folio *folio,
						    struct page *page CHILD_PARAMETER)
{
	dup_file_begin(folio, page, 1, CHILD);
	verbatim_folio_dup_file_rmap_pte(folio, page CHILD_ARGUMENT);
	folio_call_end(folio, 0);
}

static void try_dup_begin(const struct folio *folio, const struct page *page, int nr_pages,
			  struct vm_area_struct *child, struct vm_area_struct *vma, bool huge)
{
	mapcount_hook(RMAP_POINT_GET, folio);
	folio_call_begin(CALL(FOLIO_TRY_DUP_ANON_RMAP, folio_try_dup_anon_rmap, folio_number(folio),
			      page_number(folio, page), nr_pages, serial_or_none(child),
			      serial_of(vma), maybe_pinned_by(folio, vma->vm_mm), huge),
			 folio, page, huge ? 1 : nr_pages, vma, child);
}

static inline int folio_try_dup_anon_rmap_ptes(struct folio *folio, struct page *page,
					       int nr_pages CHILD_PARAMETER,
					       struct vm_area_struct *src_vma)
{
	int result;

	try_dup_begin(folio, page, nr_pages, CHILD, src_vma, false);
	result = verbatim_folio_try_dup_anon_rmap_ptes(folio, page, nr_pages CHILD_ARGUMENT,
						       src_vma);
	folio_call_end(folio, result);
	return result;
}

static __always_inline int folio_try_dup_anon_rmap_pte(struct folio *folio,
						       struct page *page CHILD_PARAMETER,
						       struct vm_area_struct *src_vma)
{
	int result;

	try_dup_begin(folio, page, 1, CHILD, src_vma, false);
	result = verbatim_folio_try_dup_anon_rmap_pte(folio, page CHILD_ARGUMENT, src_vma);
	folio_call_end(folio, result);
	return result;
}

static inline int folio_try_dup_anon_rmap_pmd(struct folio *folio,
					      struct page *page CHILD_PARAMETER,
					      struct vm_area_struct *src_vma)
{
	int result;

	try_dup_begin(folio, page, HPAGE_PMD_NR, CHILD, src_vma, true);
	result = verbatim_folio_try_dup_anon_rmap_pmd(folio, page CHILD_ARGUMENT, src_vma);
	folio_call_end(folio, result);
	return result;
}

static void try_share_begin(const struct folio *folio, const struct page *page, int nr_pages,
			    bool huge)
{
	folio_call_begin(CALL(FOLIO_TRY_SHARE_ANON_RMAP, folio_try_share_anon_rmap,
			      folio_number(folio), page_number(folio, page), nr_pages,
			      maybe_pinned(folio), huge),
			 folio, page, 1, NULL, NULL);
}

static inline int folio_try_share_anon_rmap_pmd(struct folio *folio, struct page *page)
{
	int result;

	try_share_begin(folio, page, HPAGE_PMD_NR, true);
	result = verbatim_folio_try_share_anon_rmap_pmd(folio, page);
	folio_call_end(folio, result);
	return result;
}

static inline int folio_try_share_anon_rmap_pte(struct folio *folio, struct page *page)
{
	int result;

	try_share_begin(folio, page, 1, false);
	result = verbatim_folio_try_share_anon_rmap_pte(folio, page);
	folio_call_end(folio, result);
	return result;
}

static void tell_large(const struct folio *folio)
{
	uint64_t mms = 0;

	put_word(folio_order(folio) | large_bits(folio));
	put_word((uint32_t)(folio->_entire_mapcount.counter + 1) |
		 (uint64_t)(folio->_large_mapcount.counter + 1) << 32);
	put_word((uint32_t)folio->_nr_pages_mapped.counter);
#ifdef RMAP_MM_ID
	for (int i = 0; i < 2; i++)
		mms |= ((uint64_t)folio_mm_id(folio, i) |
			(uint64_t)(uint16_t)(folio->_mm_id_mapcount[i] + 1) << 16)
		       << (32 * i);
#endif
	put_word(mms);
}

static void tell_pages(uint32_t number, uint32_t first, uint32_t count)
{
	const struct page_layer *layer = current_world->pages;
	const struct frame_notes *notes = &layer->notes[number];
	const struct page *page = layer->frames + number + first;
	const struct folio *folio = (const struct folio *)(layer->frames + number);
	unsigned int order = folio_order(folio);

	if (!notes->told)
		return;
	put_word(RMAP_STREAM_MAPPED_FOLIO);
	put_word(number);
	put_word(notes->mapping ? (uint64_t)notes->anon_vma + 1 : 0);
	put_word(notes->index);
	if (order)
		tell_large(folio);
	else
		put_word(0);
	put_word(first);
	put_word(count);
	for (uint32_t i = 0; i < count; i++)
		put_word((uint32_t)(page[i]._mapcount.counter + 1) |
			 (uint64_t)(notes->mapping && PageAnonExclusive(&page[i])) << 32);
}

/* With the pages that the call is about. */
static void tell_folio(uint32_t number)
{
	const struct page_task *task = &current_world->task.pages;

	tell_pages(number, task->told_first, task->told_count);
}

static void tell_folios(void)
{
	const struct page_layer *layer = current_world->pages;

	for (uint32_t number = 1; number < layer->nr_frames; number++)
		if (layer->notes[number].told)
			tell_pages(number, 0, 1u << layer->notes[number].order);
}

#endif /* PAGES_FOLIOS_H */
