/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames and page tables: the allocator, which can be told to fail, and how a table is reached from
 * an entry. A table is memory of its own, so that AddressSanitizer sees an access before it or past
 * its end.
 */
#ifndef PAGES_FRAMES_H
#define PAGES_FRAMES_H

#include <linux/align.h>
#include <linux/list_lru.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/pgtable.h>
#include "pages/translations.h"

#ifdef STUBS_ASAN
#include <sanitizer/asan_interface.h>
#define TABLE_POISON(table) \
	__asan_poison_memory_region(&(table)->frame, sizeof(*(table)) - sizeof((table)->entries))
#define TABLE_UNPOISON(table) \
	__asan_unpoison_memory_region(&(table)->frame, sizeof(*(table)) - sizeof((table)->entries))
/* Nobody uses what is behind a table, up to where table_written() may look for the next one. */
#define TABLE_POISON_REST(table) \
	__asan_poison_memory_region((table) + 1, 3 * PAGE_SIZE - sizeof(*(table)))
#else
#define TABLE_POISON(table) ((void)(table))
#define TABLE_UNPOISON(table) ((void)(table))
#define TABLE_POISON_REST(table) ((void)(table))
#endif

/* --- Custom --- */

static inline unsigned long page_to_pfn(const struct page *page)
{
	return page - current_world->pages->frames;
}

static inline bool pfn_valid(unsigned long pfn)
{
	return pfn && pfn < current_world->pages->nr_frames;
}

/* A number beyond all memory. The page behind the last is named by batches, and not looked at. */
static inline struct page *pfn_to_page(unsigned long pfn)
{
	if (unlikely(pfn >= FRAMES_MAX))
		BUG();
	return current_world->pages->frames + pfn;
}

static inline struct frame_notes *frame_notes_of(const struct page *page)
{
	return &current_world->pages->notes[page_to_pfn(page)];
}

static void page_layer_fill(struct page *page, uint64_t content)
{
	frame_notes_of(page)->content = content;
}

static uint64_t page_layer_content(const struct page *page)
{
	return frame_notes_of(page)->content;
}

static enum rmap_stat told_stat(unsigned int item)
{
	switch (item) {
	case NR_ANON_MAPPED:
		return RMAP_STAT_ANON_MAPPED;
	case NR_FILE_MAPPED:
		return RMAP_STAT_FILE_MAPPED;
	case NR_ANON_THPS:
		return RMAP_STAT_ANON_THPS;
	case NR_FOLL_PIN_ACQUIRED:
		return RMAP_STAT_PIN_ACQUIRED;
	case NR_FOLL_PIN_RELEASED:
		return RMAP_STAT_PIN_RELEASED;
	default:
		return RMAP_STAT_OTHER;
	}
}

static void page_layer_count(unsigned int item, long amount)
{
	if (item < NODE_COUNTERS)
		current_world->pages->node[item] += amount;
	record(RMAP_EVENT_STAT, told_stat(item), 0, amount, 0);
}

/* Whether a count is that of a page or an mm, so that nobody looks for an anon_vma around it. */
static bool page_layer_has(const void *count)
{
	const struct rmap_world *w = current_world;
	const struct page_layer *layer = w->pages;

	return (count >= (const void *)layer->frames &&
		count < (const void *)(layer->frames + layer->nr_frames)) ||
	       (count >= (const void *)w->mms &&
		count < (const void *)(w->mms + RMAP_MAX_PROCESSES));
}

/* The frame whose _mapcount it is; 0: it is another count. */
static uint32_t page_layer_mapcount(const void *count)
{
	const struct page_layer *layer = current_world->pages;
	const char *first = (const char *)layer->frames;
	unsigned long offset = (const char *)count - first;

	if ((const char *)count < first || offset >= layer->nr_frames * sizeof(struct page) ||
	    offset % sizeof(struct page) != offsetof(struct page, _mapcount))
		return 0;
	return offset / sizeof(struct page);
}

static void swap_clear(struct page_layer *layer);

/* Of one mm, or of those whose flush was put off. */
static void tlb_flushed(struct mm_struct *mm)
{
	translations_flushed(mm, 0, ~0ul);
	record(RMAP_EVENT_FLUSH, mm ? mm->id : 0, mm ? RMAP_FLUSH_MM : RMAP_FLUSH_BATCH, 0, 0);
}

static inline bool page_attempt(gfp_t gfp)
{
	struct page_task *task = &current_world->task.pages;
	uint32_t attempt = ++task->attempts;
	bool fails = task->fail.from && attempt >= task->fail.from;

	if (gfp & __GFP_DIRECT_RECLAIM)
		may_block();
	for (int i = 0; i < RMAP_FAIL_MAX; i++)
		fails |= task->fail.list[i] && task->fail.list[i] == attempt;
	task->injected += fails;
	return !fails;
}

/* The first of so many frames; 0: there are none. */
static uint32_t frame_numbers_take(unsigned int order)
{
	struct page_layer *layer = current_world->pages;
	uint32_t number = layer->first_free[order];

	if (number) {
		layer->first_free[order] = layer->notes[number].next_free;
		return number;
	}
	number = ALIGN(layer->nr_frames, 1u << order);
	if (number + (1u << order) > FRAMES_MAX - 4)
		return 0;
	layer->nr_frames = number + (1u << order);
	return number;
}

/* Pages that nothing maps, the first with one reference. NULL: there are none. */
static struct page *frames_take(unsigned int order)
{
	struct page_layer *layer = current_world->pages;
	uint32_t number = frame_numbers_take(order);
	struct page *page = layer->frames + number;

	if (!number)
		return NULL;
	for (uint32_t i = 0; i < 1u << order; i++) {
		memset(&page[i], 0, sizeof(page[i]));
		page[i]._mapcount.counter = -1;
		layer->notes[number + i] = (struct frame_notes) { .live = true };
	}
	page->_refcount.counter = 1;
	layer->notes[number].order = order;
	return page;
}

static struct page *frame_take(void)
{
	struct page *page = frames_take(0);

	if (!page)
		out_of_memory();
	return page;
}

static void frames_give(struct page *page, unsigned int order)
{
	struct page_layer *layer = current_world->pages;
	struct frame_notes *notes = frame_notes_of(page);

	if (unlikely(!notes->live)) {
		broken_rule(RMAP_RULE_DOUBLE_FREE, page_to_pfn(page));
		return;
	}
	frames_forgotten(page_to_pfn(page), 1u << order);
	for (uint32_t i = 0; i < 1u << order; i++)
		notes[i].live = false;
	/* One whose memory has failed is not used again. */
	if (!order && PageHWPoison(page))
		return;
	notes->next_free = layer->first_free[order];
	layer->first_free[order] = page_to_pfn(page);
}

/* All its entries are 0: those that are free were written to where it is noted, and cleared. */
static struct table_memory *table_take(void)
{
	struct page_layer *layer = current_world->pages;
	struct table_memory *table = layer->free_tables;

	if (table) {
		layer->free_tables = table->next;
		return table;
	}
	table = aligned_alloc(PAGE_SIZE, 3 * PAGE_SIZE);
	if (!table)
		out_of_memory();
	TABLE_POISON_REST(table);
	memset(table->entries, 0, sizeof(table->entries));
	return table;
}

static void table_give(struct frame_notes *notes)
{
	struct page_layer *layer = current_world->pages;
	struct table_memory *table = notes->table;

	TABLE_UNPOISON(table);
#ifdef STUBS_ASAN
	(void)layer;
	free(table);
#else
	if (notes->first < notes->end)
		memset(table->entries + notes->first, 0,
		       (notes->end - notes->first) * sizeof(table->entries[0]));
	table->next = layer->free_tables;
	layer->free_tables = table;
#endif
}

static struct page *table_page_alloc(void)
{
	struct page_layer *layer = current_world->pages;
	struct page *page = frame_take();
	struct table_memory *table = table_take();

	frame_notes_of(page)->table = table;
	frame_notes_of(page)->first = PTRS_PER_PTE;
	frame_notes_of(page)->end = 0;
	table->frame = page_to_pfn(page);
	table->at = layer->nr_tables;
	TABLE_POISON(table);
	layer->tables = grow(layer->tables, &layer->max_tables, layer->nr_tables + 1,
			     sizeof(*layer->tables));
	layer->tables[layer->nr_tables++] = table;
	return page;
}

static void table_page_free(struct page *page)
{
	struct page_layer *layer = current_world->pages;
	struct frame_notes *notes = frame_notes_of(page);
	struct table_memory *table = notes->table, *last = layer->tables[--layer->nr_tables];

	table_emptied(page);
	TABLE_UNPOISON(table);
	TABLE_UNPOISON(last);
	last->at = table->at;
	layer->tables[last->at] = last;
	TABLE_POISON(last);
	table_give(notes);
	notes->table = NULL;
	frames_give(page, 0);
}

static inline void *page_address(const struct page *page)
{
	struct frame_notes *notes = frame_notes_of(page);

	if (unlikely(!notes->live || !notes->table)) {
		broken_rule(RMAP_RULE_USE_AFTER_FREE, page_to_pfn(page));
		escape_call();
	}
	return notes->table->entries;
}

/* Of the memory of a table. */
static inline struct page *virt_to_page(const void *address)
{
	struct table_memory *table = (void *)((unsigned long)address & PAGE_MASK);
	uint32_t frame;

	TABLE_UNPOISON(table);
	frame = table->frame;
	TABLE_POISON(table);
	return pfn_to_page(frame);
}

/* Not of memory on the stack. */
static bool is_in_a_table(const void *entry)
{
	const struct page_layer *layer = current_world->pages;
	const struct table_memory *table = (const void *)((unsigned long)entry & PAGE_MASK);

	for (uint32_t i = 0; i < layer->nr_tables; i++)
		if (layer->tables[i] == table)
			return true;
	return false;
}

/* An entry of the mm's tables was written. */
static void mm_changed(const struct mm_struct *mm)
{
	if (mm)
		current_world->pages->changed_mms |= 1u << (mm - current_world->mms);
}

/* An entry is written to. If it lies past its table, what is read there is no table's frame. */
static void table_written(const void *entry)
{
	const struct table_memory *table = (const void *)((unsigned long)entry & PAGE_MASK);
	uint32_t i = ((unsigned long)entry & ~PAGE_MASK) / sizeof(unsigned long), frame;
	const struct page_layer *layer = current_world->pages;
	struct frame_notes *notes;

	TABLE_UNPOISON(table);
	frame = table->frame;
	TABLE_POISON(table);
	if (unlikely(frame >= layer->nr_frames || layer->notes[frame].table != table))
		return;
	notes = &layer->notes[frame];
	mm_changed(notes->mm);
	if (i < notes->first)
		notes->first = i;
	if (i >= notes->end)
		notes->end = i + 1;
}

/* Whether the kernel's own memory is there: batches ask it of a copy of an entry, on the stack. */
static inline bool virt_addr_valid(const void *address)
{
	return false;
}

static inline struct page *pmd_page(pmd_t pmd)
{
	return pfn_to_page(pmd_pfn(pmd));
}

static inline struct page *pud_page(pud_t pud)
{
	return pfn_to_page(pud_pfn(pud));
}

static inline unsigned long pmd_page_vaddr(pmd_t pmd)
{
	return (unsigned long)page_address(pmd_page(pmd));
}

static inline pmd_t *pud_pgtable(pud_t pud)
{
	return page_address(pud_page(pud));
}

static inline pud_t *p4d_pgtable(p4d_t p4d)
{
	return page_address(pfn_to_page(p4d_val(p4d) >> PAGE_SHIFT));
}

static inline unsigned long table_entry(const struct page *page)
{
	return page_to_pfn(page) << PAGE_SHIFT | ENTRY_PRESENT | ENTRY_WRITE | ENTRY_USER;
}

/* A table is in use from now on, or elsewhere than it was: it takes its entries along. */
static void table_put(struct mm_struct *mm, const struct page *page, int level, uint64_t base)
{
	struct frame_notes *notes = frame_notes_of(page);
	const unsigned long *entries = notes->table->entries;
	uint64_t from = notes->base;
	bool moves = notes->linked;

	notes->base = base;
	notes->level = level;
	notes->mm = mm;
	notes->linked = true;
	mm_changed(mm);
	if (level == 1) {
		if (moves)
			table_told(mm, from, false);
		table_told(mm, base, true);
	}
	if (!moves)
		return;
	for (uint64_t i = notes->first; i < notes->end; i++) {
		if (!entries[i])
			continue;
		if (level == 1 && is_huge(entries[i])) {
			huge_entry_written(mm, from + (i << 9), entries[i], 0);
			huge_entry_written(mm, base + (i << 9), 0, entries[i]);
			continue;
		}
		if (level) {
			table_put(mm, pfn_to_page(entries[i] >> PAGE_SHIFT), level - 1,
				  base + (i << (9 * level)));
			continue;
		}
		entry_written(mm, from + i, entries[i], 0);
		entry_written(mm, base + i, 0, entries[i]);
	}
}

/* Which page an entry of a table of a level is of, or the first of those. */
static uint64_t page_of_entry(const void *entry, int level)
{
	uint64_t index = ((unsigned long)entry & ~PAGE_MASK) / sizeof(unsigned long);

	return frame_notes_of(virt_to_page(entry))->base + (index << (9 * level));
}

/* The entries of a table that is in use are written under its lock; the processor asks nobody. */
static void check_entry_lock(const pte_t *ptep)
{
	struct page *page = virt_to_page(ptep);
	const struct frame_notes *notes = frame_notes_of(page);

	if (notes->linked && !spin_lock_is_mine(ptlock_ptr(page_ptdesc(page))))
		broken_rule(RMAP_RULE_ENTRY_UNLOCKED, page_of_entry(ptep, 0));
}

/* The entry of a huge page. */
static void huge_write(void *entry, unsigned long value)
{
	unsigned long old = *(unsigned long *)entry;

	if (old == value)
		return;
	*(unsigned long *)entry = value;
	table_written(entry);
	huge_entry_written(frame_notes_of(virt_to_page(entry))->mm, page_of_entry(entry, 1), old,
			   value);
}

/* The entry of a higher table, from now on, is that of a table of a level. */
static void table_linked(struct mm_struct *mm, void *entry, const struct page *page, int level)
{
	if (level == 0 && is_huge(*(unsigned long *)entry))
		huge_write(entry, 0);
	table_put(mm, page, level, page_of_entry(entry, level + 1));
	*(unsigned long *)entry = table_entry(page);
	table_written(entry);
}

/* The walk of a TLB may go on to a table that no entry names any more. */
static void table_unlinked(unsigned long entry)
{
	const struct frame_notes *notes = &current_world->pages->notes[entry >> PAGE_SHIFT];

	if ((entry & ENTRY_PRESENT) && notes->linked && notes->level == 1)
		table_told(notes->mm, notes->base, false);
	if ((entry & ENTRY_PRESENT) && notes->linked)
		translation_stays(notes->mm, notes->base, 1ul << (9 * (notes->level + 1)), entry);
}

static inline void pmd_populate(struct mm_struct *mm, pmd_t *pmd, pgtable_t pte)
{
	/* Who splits a huge page fills the table first, by a copy of the entry on the stack. */
	if (is_in_a_table(pmd))
		table_linked(mm, pmd, pte, 0);
	else
		*pmd = __pmd(table_entry(pte));
}

static inline void pud_populate(struct mm_struct *mm, pud_t *pud, pmd_t *pmd)
{
	table_linked(mm, pud, virt_to_page(pmd), 1);
}

static inline void p4d_populate(struct mm_struct *mm, p4d_t *p4d, pud_t *pud)
{
	table_linked(mm, p4d, virt_to_page(pud), 2);
}

static inline struct page *table_alloc_one(void)
{
	return page_attempt(GFP_KERNEL) ? table_page_alloc() : NULL;
}

/* With a lock of its own. */
static inline pgtable_t pte_alloc_one(struct mm_struct *mm)
{
	struct page *page = table_alloc_one();

	if (page)
		*ptlock_ptr(page_ptdesc(page)) =
			(spinlock_t) { .mm = SPINLOCK_OF_TABLE | page_to_pfn(page) };
	return page;
}

static inline pmd_t *pmd_alloc_one(struct mm_struct *mm, unsigned long addr)
{
	struct page *page = pte_alloc_one(mm);

	return page ? page_address(page) : NULL;
}

static inline pud_t *pud_alloc_one(struct mm_struct *mm, unsigned long addr)
{
	struct page *page = table_alloc_one();

	return page ? page_address(page) : NULL;
}

static inline void pte_free(struct mm_struct *mm, pgtable_t pte)
{
	table_page_free(pte);
}

static inline void pmd_free(struct mm_struct *mm, pmd_t *pmd)
{
	table_page_free(virt_to_page(pmd));
}

static inline void pud_free(struct mm_struct *mm, pud_t *pud)
{
	table_page_free(virt_to_page(pud));
}

/* A huge page goes with the pages, too. */
static inline void tlb_remove_large_page(struct mmu_gather *tlb, struct page *page, int size)
{
#ifdef RMAP_TLB_TOLD_DELAY
	if (__tlb_remove_page_size(tlb, page, false, size))
#else
	if (__tlb_remove_page_size(tlb, page, size))
#endif
		tlb_flush_mmu(tlb);
}

/* A table goes with the pages, after the flush. */
static inline void tlb_remove_table_page(struct mmu_gather *tlb, struct page *page,
					 unsigned long address)
{
	table_range_ends(page);
	tlb_flush_pmd_range(tlb, address, PAGE_SIZE);
	tlb->freed_tables = true;
	tlb_remove_large_page(tlb, page, PAGE_SIZE);
}

/* More room for the batch of pages to free. Without, the batch is flushed. */
static inline unsigned long __get_free_page(gfp_t gfp)
{
	return page_attempt(gfp) ? (unsigned long)malloc(PAGE_SIZE) : 0;
}

static inline void free_page(unsigned long address)
{
	free((void *)address);
}

#define free_pages(address, order) free_page(address)

/* As the page allocator makes one folio of pages. */
static void prep_compound_page(struct page *page, unsigned int order)
{
	change_page_flag(page, PG_head, true);
	for (int i = 1; i < 1 << order; i++)
#ifdef RMAP_TAIL_BY_PLACE
		prep_compound_tail(page, i);
#else
		prep_compound_tail(page + i, page, order);
#endif
	prep_compound_head(page, order);
}

static struct folio *page_layer_folio(gfp_t gfp, unsigned int order)
{
	struct page *page;
	struct folio *folio;

	if (!page_attempt(gfp))
		return NULL;
	page = frames_take(order);
	if (!page) {
		/* So large a world is out of memory. */
		current_world->task.pages.injected++;
		return NULL;
	}
	current_world->pages->live_pages += 1u << order;
	if (order)
		prep_compound_page(page, order);
	folio = page_rmappable_folio(page);
	folio_born(folio);
	return folio;
}

/* The last reference of a folio is gone. */
static void __folio_put(struct folio *folio)
{
	unsigned int order = folio_order(folio);

	VM_WARN_ON_FOLIO(folio_mapped(folio), folio);
	VM_WARN_ON_FOLIO(folio_test_locked(folio), folio);
	if (folio_test_anon(folio) && !frame_notes_of(&folio->page)->on_lru)
		broken_rule(RMAP_RULE_LRU, page_to_pfn(&folio->page));
	folio_unqueue_deferred_split(folio);
	current_world->pages->live_pages -= 1u << order;
	folio_gone(folio);
	frames_give(&folio->page, order);
}

/* The zero page: of every world the same frame. */

static inline int is_zero_pfn(unsigned long pfn)
{
	return pfn == ZERO_FRAME;
}

static inline unsigned long my_zero_pfn(unsigned long addr)
{
	return ZERO_FRAME;
}

/* Its name since 7.1. */
static inline unsigned long zero_pfn(unsigned long addr)
{
	return ZERO_FRAME;
}

#define ZERO_PAGE(address) pfn_to_page(ZERO_FRAME)

/* --- The layer's life --- */

/* All that is there will be new to whoever reads the page tables. */
static void told_forgotten(struct page_layer *layer)
{
	for (uint32_t i = 0; i < layer->nr_told; i++)
		layer->told[i].told = false;
	layer->nr_told = 0;
	layer->changed_mms = ~0u;
}

static void page_layer_clear(struct rmap_world *w)
{
	struct page_layer *layer = w->pages;

	for (uint32_t i = 1; i < layer->nr_frames; i++)
		if (layer->notes[i].live && layer->notes[i].table)
			table_give(&layer->notes[i]);
	memset(layer->frames, 0, layer->nr_frames * sizeof(*layer->frames));
	memset(layer->notes, 0, layer->nr_frames * sizeof(*layer->notes));
	told_forgotten(layer);
	memset(layer->node, 0, sizeof(layer->node));
	layer->nr_frames = ZERO_FRAME;
	memset(layer->first_free, 0, sizeof(layer->first_free));
	layer->live_pages = layer->nr_tables = 0;
	layer->any_poisoned = false;
	layer->writes = 0;
	layer->nr_stale = 0;
	layer->pinning = 0;
	layer->huge_settings = 0;
	layer->huge_zero = ~0ul;
	*layer->deferred = (struct list_lru_one) { 0 };
	INIT_LIST_HEAD(&layer->deferred->list);
	*layer->node_data = (struct pglist_data) {
		.deferred_split_queue.split_queue_lock.mm = SPINLOCK_UNTOLD,
	};
	INIT_LIST_HEAD(&layer->node_data->deferred_split_queue.split_queue);
	*layer->first_mm = (struct mm_struct) { .page_table_lock = { .mm = SPINLOCK_UNTOLD } };
	INIT_LIST_HEAD(&layer->first_mm->mmlist);
	frame_take();
	swap_clear(layer);
}

static void page_layer_create(struct rmap_world *w)
{
	struct page_layer *layer = calloc(1, sizeof(*layer));

	if (!layer)
		out_of_memory();
	layer->frames = calloc(FRAMES_MAX, sizeof(*layer->frames));
	layer->notes = calloc(FRAMES_MAX, sizeof(*layer->notes));
	layer->told = calloc(FRAMES_MAX, sizeof(*layer->told));
	if (!layer->frames || !layer->notes || !layer->told)
		out_of_memory();
	layer->first_mm = calloc(1, sizeof(*layer->first_mm));
	layer->deferred = calloc(1, sizeof(*layer->deferred));
	layer->node_data = calloc(1, sizeof(*layer->node_data));
	if (!layer->first_mm || !layer->deferred || !layer->node_data)
		out_of_memory();
	layer->nr_frames = ZERO_FRAME;
	w->pages = layer;
}

static void page_layer_destroy(struct rmap_world *w)
{
	struct page_layer *layer = w->pages;

	page_layer_clear(w);
	while (layer->free_tables) {
		struct table_memory *table = layer->free_tables;

		layer->free_tables = table->next;
		free(table);
	}
	free(layer->first_mm);
	free(layer->deferred);
	free(layer->node_data);
	free(layer->slots);
	free(layer->file_pages);
	free(layer->stale);
	free(layer->tables);
	free(layer->frames);
	free(layer->notes);
	free(layer->told);
	free(layer);
}

/* The top of a process's page tables. Without it there is no process. */
static bool page_tables_born(struct mm_struct *mm)
{
	struct page *page = table_alloc_one();

	if (!page)
		return false;
	mm->pgd = page_address(page);
	frame_notes_of(page)->mm = mm;
	mm_changed(mm);
	current_world->pages->pinning &= ~(1ul << mm->id);
	mm->mm_users.counter = 1;
#ifdef RMAP_MM_ID
	mm->mm_id = mm->id + 1;
#endif
	INIT_LIST_HEAD(&mm->mmlist);
	return true;
}

static void page_tables_gone(struct mm_struct *mm)
{
	table_page_free(virt_to_page(mm->pgd));
	mm->pgd = NULL;
	if (!list_empty(&mm->mmlist))
		list_del(&mm->mmlist);
}

#endif /* PAGES_FRAMES_H */
