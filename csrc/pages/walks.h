/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walks of the mappings of a folio: wrappers of the kernel's functions, which tell the watcher,
 * with every page table entry that they write and what goes with it. What else writes an entry is
 * told entry by entry.
 */
#ifndef PAGES_WALKS_H
#define PAGES_WALKS_H

#include "pages/folios.h"
#include "pages/walk_checks.h"

/* --- Entries --- */

/*
 * An entry as it is told, from its bits as memory: present, or of the swap device, or of a page
 * that a device has for itself, or whose memory has failed, or of one that is being migrated, of
 * which the entry says what the mapping was.
 */
static struct rmap_entry entry_of(unsigned long entry)
{
	struct rmap_entry told = { .bits = 0 };
	swp_entry_t swap = { entry >> SWAP_TYPE_SHIFT };

	if (!entry)
		return told;
	if (entry & (ENTRY_PRESENT | ENTRY_NONE)) {
		told.number = entry >> PAGE_SHIFT;
		told.bits = RMAP_ENTRY_PRESENT;
		told.bits |= entry & ENTRY_WRITE ? RMAP_ENTRY_WRITE : 0;
		told.bits |= entry & ENTRY_DIRTY ? RMAP_ENTRY_DIRTY : 0;
		told.bits |= entry & ENTRY_ACCESSED ? RMAP_ENTRY_ACCESSED : 0;
		told.bits |= entry & ENTRY_NONE ? RMAP_ENTRY_NO_ACCESS : 0;
		told.bits |= told.number == ZERO_FRAME ? RMAP_ENTRY_ZERO : 0;
		told.bits |= entry & ENTRY_UFFD ? RMAP_ENTRY_UFFD : 0;
		told.bits |= entry & ENTRY_SOFT_DIRTY ? RMAP_ENTRY_SOFT_DIRTY : 0;
		return told;
	}
	told.number = __swp_offset(swap);
	told.bits = entry & SWAP_UFFD ? RMAP_ENTRY_UFFD : 0;
	told.bits |= entry & SWAP_SOFT_DIRTY ? RMAP_ENTRY_SOFT_DIRTY : 0;
	if (__swp_type(swap) < MAX_SWAPFILES) {
		told.bits |= RMAP_ENTRY_SWAP;
		told.bits |= entry & SWAP_EXCLUSIVE ? RMAP_ENTRY_SWAP_EXCLUSIVE : 0;
		return told;
	}
#ifdef SWP_DEVICE_EXCLUSIVE
	if (__swp_type(swap) == SWP_DEVICE_EXCLUSIVE) {
		told.bits |= RMAP_ENTRY_DEVICE;
		return told;
	}
#endif
#ifdef SWP_DEVICE_EXCLUSIVE_WRITE
	if (__swp_type(swap) == SWP_DEVICE_EXCLUSIVE_WRITE) {
		told.bits |= RMAP_ENTRY_DEVICE | RMAP_ENTRY_WRITE;
		return told;
	}
	if (__swp_type(swap) == SWP_DEVICE_EXCLUSIVE_READ) {
		told.bits |= RMAP_ENTRY_DEVICE;
		return told;
	}
#endif
	if (__swp_type(swap) == SWP_HWPOISON) {
		told.bits |= RMAP_ENTRY_POISON;
		return told;
	}
	told.bits |= RMAP_ENTRY_MIGRATION;
	told.bits |= __swp_type(swap) == SWP_MIGRATION_WRITE ? RMAP_ENTRY_WRITE : 0;
	told.bits |= __swp_type(swap) == SWP_MIGRATION_READ_EXCLUSIVE ?
			     RMAP_ENTRY_SWAP_EXCLUSIVE : 0;
	told.bits |= __swp_offset(swap) & SWP_MIG_DIRTY ? RMAP_ENTRY_DIRTY : 0;
	told.bits |= __swp_offset(swap) & SWP_MIG_YOUNG ? RMAP_ENTRY_ACCESSED : 0;
	return told;
}

static void entry_told(const struct mm_struct *mm, unsigned long page, struct rmap_entry told)
{
	struct rmap_call call = CALL(ENTRY_SET, entry_set, mm->id, page, told);

	if (current_world->task.depth) {
		record(RMAP_EVENT_ENTRY, mm->id, told.bits, told.number, page);
		return;
	}
	call_begins();
	watch(&call, 0, false);
}

static bool is_in_call(enum rmap_call_kind kind)
{
	return current_world->task.depth && current_world->task.outermost.kind == kind;
}

/*
 * A frame's number is read from an entry that has none: what the kernel would do with it is not
 * known. Who used a folio may be asked so, and the kernel warns of it by itself (7.x).
 */
static void frame_of_absent_read(unsigned long entry)
{
	if (is_in_call(RMAP_FOLIO_REFERENCED))
		return;
	broken_rule(RMAP_RULE_FRAME_OF_ABSENT, entry_of(entry).number);
	escape_call();
}

/* Who changes the tree of a file's VMAs has its lock. */
static void check_file_tree_lock(const struct address_space *mapping)
{
	if (mapping->written != task_bit())
		broken_rule(RMAP_RULE_FILE_TREE_UNLOCKED, RMAP_NONE);
}

static void entry_written(const struct mm_struct *mm, unsigned long page, unsigned long old,
			  unsigned long entry)
{
	if (unlikely(is_in_call(RMAP_REMOVE_MIGRATION_PTES)) &&
	    entry_of(old).bits & RMAP_ENTRY_DEVICE)
		broken_rule(RMAP_RULE_DEVICE_MIGRATED, page);
	translation_replaced(mm, page, 1, old, entry);
	if (runs_beside_others())
		watched_mapping_written(mm, page, entry_of(entry));
	entry_told(mm, page, entry_of(entry));
}

static void huge_entry_written(const struct mm_struct *mm, unsigned long page, unsigned long old,
			       unsigned long entry)
{
	struct rmap_entry told = entry_of(entry);

	translation_replaced(mm, page, PTRS_PER_PTE, old, entry);
	told.bits |= RMAP_ENTRY_HUGE;
	entry_told(mm, page, told);
}

/* Until 6.13 or so a walk that splits huge pages asks for such a table first. */
static void table_told(const struct mm_struct *mm, uint64_t page, bool present)
{
	struct rmap_call call = CALL(TABLE_SET, table_set, mm->id, page, present);

	if (current_world->task.depth)
		return;
	call_begins();
	watch(&call, 0, false);
}

/* --- What goes with them --- */

static void tlb_flushed_pages(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	translations_flushed(mm, start >> PAGE_SHIFT, (end + PAGE_SIZE - 1) >> PAGE_SHIFT);
	record(RMAP_EVENT_FLUSH, mm->id, RMAP_FLUSH_PAGES, start >> PAGE_SHIFT,
	       (end - start) >> PAGE_SHIFT);
}

static void tlb_flush_put_off(struct mm_struct *mm)
{
	current_world->task.pages.put_off |= 1ul << mm->id;
	record(RMAP_EVENT_FLUSH, mm->id, RMAP_FLUSH_PUT_OFF, 0, 0);
}

static void notify_told(const struct mmu_notifier_range *range, bool end)
{
	if (current_world->task.depth)
		record(RMAP_EVENT_NOTIFY, end, 0, range->start >> PAGE_SHIFT,
		       (range->end - range->start) >> PAGE_SHIFT);
}

static void mmu_notifier_invalidate_range_start(struct mmu_notifier_range *range)
{
	notify_told(range, false);
	current_world->task.pages.watched_told |=
		range->start <= current_world->task.pages.watched &&
		current_world->task.pages.watched < range->end;
	/* mprotect() takes a range that begins at 0 for none that has begun. */
	current_world->task.pages.notifiers_open += range->start != 0;
	verbatim_mmu_notifier_invalidate_range_start(range);
}

static void mmu_notifier_invalidate_range_end(struct mmu_notifier_range *range)
{
	notify_told(range, true);
	current_world->task.pages.notifiers_open -= range->start != 0;
	verbatim_mmu_notifier_invalidate_range_end(range);
}

static void counter_changed(const struct percpu_counter *counter, s64 amount)
{
	const struct rmap_world *w = current_world;
	const struct mm_struct *mm = w->mms;

	if (!w->task.depth)
		return;
	while (mm < w->mms + RMAP_MAX_PROCESSES &&
	       (counter < mm->rss_stat || counter >= mm->rss_stat + NR_MM_COUNTERS))
		mm++;
	if (mm < w->mms + RMAP_MAX_PROCESSES)
		record(RMAP_EVENT_COUNTER, mm->id, counter - mm->rss_stat, amount, 0);
}

static void file_lock_told(enum rmap_event_kind kind, bool taken,
			   const struct address_space *mapping)
{
	if (current_world->task.depth)
		record(kind, 0, taken, file_number(mapping), 0);
}

static void file_lock_read(struct address_space *mapping)
{
	mapping->readers++;
	mapping->readers_of |= task_bit();
	current_world->task.pages.nr_files++;
}

/* Another task alone may hold it for writing. */
static void i_mmap_lock_read(struct address_space *mapping)
{
	hook(RMAP_POINT_LOCK, RMAP_POINT_OF_FILE, RMAP_NONE);
	may_block();
	lock_order(RMAP_POINT_OF_FILE);
	if (mapping->written & task_bit())
		broken_rule(RMAP_RULE_SELF_DEADLOCK, RMAP_NONE);
	else if (runs_beside_others())
		wait_while(mapping->written, RMAP_POINT_OF_FILE, RMAP_NONE);
	file_lock_read(mapping);
	file_lock_told(RMAP_EVENT_FILE_DOWN_READ, false, mapping);
}

static bool i_mmap_trylock_read(struct address_space *mapping)
{
	bool taken;

	hook(RMAP_POINT_TRYLOCK, RMAP_POINT_OF_FILE, RMAP_NONE);
	taken = !mapping->written;
	if (taken)
		file_lock_read(mapping);
	file_lock_told(RMAP_EVENT_FILE_TRYLOCK, taken, mapping);
	return taken;
}

static void i_mmap_unlock_read(struct address_space *mapping)
{
	hook(RMAP_POINT_UNLOCK, RMAP_POINT_OF_FILE, RMAP_NONE);
	if (!mapping->readers || !(mapping->readers_of & task_bit())) {
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, RMAP_NONE);
		return;
	}
	mapping->readers--;
	mapping->readers_of &= ~task_bit();
	current_world->task.pages.nr_files--;
	file_lock_told(RMAP_EVENT_FILE_UP_READ, false, mapping);
}

/* --- The walks --- */

static uint32_t told_walk_flags(unsigned int flags)
{
	uint32_t told = 0;

	told |= flags & TTU_SPLIT_HUGE_PMD ? RMAP_TTU_SPLIT_HUGE_PMD : 0;
	told |= flags & TTU_IGNORE_MLOCK ? RMAP_TTU_IGNORE_MLOCK : 0;
	told |= flags & TTU_SYNC ? RMAP_TTU_SYNC : 0;
	told |= flags & TTU_HWPOISON ? RMAP_TTU_HWPOISON : 0;
	told |= flags & TTU_BATCH_FLUSH ? RMAP_TTU_BATCH_FLUSH : 0;
	told |= flags & TTU_RMAP_LOCKED ? RMAP_TTU_RMAP_LOCKED : 0;
	return told;
}

/* Its first page whose memory has failed, from 1 on; 0: there is none. */
static uint32_t poisoned_page_of(const struct folio *folio)
{
	uint32_t pages = 1u << folio_order(folio), nth = 0;

	if (likely(!current_world->pages->any_poisoned))
		return 0;
	while (nth < pages && !PageHWPoison(&folio->page + nth))
		nth++;
	return nth < pages ? nth + 1 : 0;
}

static struct rmap_folio_found folio_found(const struct folio *folio)
{
	struct rmap_folio_found found = { .references = folio->page._refcount.counter };

	found.bits |= folio_test_dirty(folio) ? RMAP_FRAME_DIRTY : 0;
	found.bits |= folio_test_swapbacked(folio) ? RMAP_FRAME_SWAPBACKED : 0;
	found.bits |= folio_test_swapcache(folio) ? RMAP_FRAME_SWAPCACHE : 0;
	found.bits |= folio_test_locked(folio) ? RMAP_FRAME_LOCKED : 0;
	found.bits |= maybe_pinned(folio) ? RMAP_FRAME_PINNED : 0;
	found.bits |= current->tlb_ubc.flush_required ? RMAP_FRAME_FLUSH : 0;
	found.bits |= current->tlb_ubc.writable ? RMAP_FRAME_FLUSH_DIRTY : 0;
	found.poisoned = poisoned_page_of(folio);
	if (!folio_test_large(folio) && folio_test_anon(folio) && !folio_test_mlocked(folio) &&
	    !page_layer_content(&folio->page))
		found.bits |= RMAP_FRAME_UNUSED;
	found.slot = folio_test_swapcache(folio) ? swp_offset(folio->swap) : 0;
	if (is_of_file(folio)) {
		found.file = file_number(folio->mapping) + 1;
		found.index = folio->index;
	}
	return found;
}

/* The VMAs that have the page of a file, in the order of the file's tree, read as memory. */
static void tell_file_tree(struct rb_node *node, uint64_t index)
{
	struct vm_area_struct *vma;

	if (!node)
		return;
	tell_file_tree(node->rb_left, index);
	vma = rb_entry(node, struct vm_area_struct, shared.rb);
	if (index - vma->vm_pgoff < (vma->vm_end - vma->vm_start) >> PAGE_SHIFT) {
		struct rmap_call call = CALL(FILE_TREE_NEXT, file_tree_next, serial_of(vma));

		call_begins();
		watch(&call, 0, false);
	}
	tell_file_tree(node->rb_right, index);
}

/* Nobody writes the entries of this page table but the walk now. */
static void page_table_locked(void)
{
	struct page_task *task = &current_world->task.pages;

	if (task->walked && current_world->task.nr_spinlocks == 1)
		task->found = folio_found(task->walked);
}

static void page_table_unlocked(void)
{
	const struct page_task *task = &current_world->task.pages;

	if (task->walked && task->visited && current_world->task.nr_spinlocks == 1)
		watched_walk_leaves(task->walked);
}

static void walk_begins(struct rmap_call call, const struct folio *folio)
{
	if (is_of_file(folio) && !current_world->task.depth)
		tell_file_tree(folio->mapping->i_mmap.rb_root.rb_node, folio->index);
	folio_call_begin(call, folio, &folio->page, 1u << folio_order(folio), NULL, NULL);
	current_world->task.bookkeeping = false;	/* it takes a lock */
	current_world->task.pages.walking = true;
	current_world->task.pages.visited = NULL;
	if (current_world->task.depth == 1)
		current_world->task.pages.walked = folio;
}

static void walk_ends(const struct folio *folio, int32_t result)
{
	struct rmap_folio_found found = folio_found(folio);

	current_world->task.pages.walking = false;
	if (current_world->task.depth == 1)
		current_world->task.pages.walked = NULL;
	if (!runs_beside_others() && is_of_file(folio) && folio->mapping->readers)
		broken_rule(RMAP_RULE_LOCK_HELD_ON_RETURN, RMAP_NONE);
	if (current_world->task.depth == 1)
		record(RMAP_EVENT_LEFT, found.bits >> 16, found.bits & 0xffff & ~RMAP_FRAME_UNUSED,
		       folio_number(folio), found.references);
	folio_call_end(folio, result);
}

/*
 * A walk asks for it where it comes to a VMA, and page_vma_mapped_walk() whenever it goes on there.
 * No walk comes to a VMA twice, since a VMA has one chain entry for an anon_vma.
 */
static unsigned long vma_address_end(struct page_vma_mapped_walk *pvmw)
{
	struct page_task *task = &current_world->task.pages;

	if (current_world->task.depth && task->walking && task->visited != pvmw->vma) {
		task->visited = pvmw->vma;
		record(RMAP_EVENT_VISIT, 0, 0, serial_of(pvmw->vma), pvmw->address >> PAGE_SHIFT);
	}
	return verbatim_vma_address_end(pvmw);
}

#ifdef RMAP_YOUNG_BATCHES
static bool clear_flush_young_ptes(struct vm_area_struct *vma, unsigned long addr, pte_t *ptep,
				   unsigned int nr)
{
	if (current_world->task.depth)
		record(RMAP_EVENT_YOUNG, vma->vm_mm->id, 0, addr >> PAGE_SHIFT, nr);
	return verbatim_clear_flush_young_ptes(vma, addr, ptep, nr);
}
#endif

/* A walk that takes out entry after entry marks a folio that gets them all back. */
static void note_marked_by_walk(const struct folio *folio, bool was_marked)
{
	if (!was_marked && is_marked_partial(folio))
		folio_notes(folio)->taken_out = true;
}

static void try_to_unmap(struct folio *folio, enum ttu_flags flags)
{
	bool was_marked = is_marked_partial(folio);

	walk_begins(CALL(TRY_TO_UNMAP, try_to_unmap, folio_number(folio), told_walk_flags(flags),
			 folio_found(folio)),
		    folio);
	watched_walk_begins(folio);
	verbatim_try_to_unmap(folio, flags);
	watched_walk_ends(folio, watched_walk_left_one());
	note_marked_by_walk(folio, was_marked);
	walk_ends(folio, 0);
}

static void try_to_migrate(struct folio *folio, enum ttu_flags flags)
{
	bool was_marked = is_marked_partial(folio);

	walk_begins(CALL(TRY_TO_MIGRATE, try_to_migrate, folio_number(folio),
			 told_walk_flags(flags), folio_found(folio)),
		    folio);
	watched_walk_begins(folio);
	verbatim_try_to_migrate(folio, flags);
	watched_walk_ends(folio, maybe_pinned(folio));
	note_marked_by_walk(folio, was_marked);
	walk_ends(folio, 0);
}

/* As reclaim asks who used a folio. Nothing that is cut calls it. */
static int ask_who_used(struct folio *folio, bool locked)
{
	/* Of a VMA: a word before 7.3, a structure since. It is to be cleared. */
	unsigned long flags[4] = { ~0ul };
	int result;

	walk_begins(CALL(FOLIO_REFERENCED, folio_referenced, folio_number(folio), locked,
			 folio_found(folio)),
		    folio);
	telling_accesses(result = folio_referenced(folio, locked, NULL, (void *)flags));
	if (current_world->task.depth == 1)
		record(RMAP_EVENT_USED_BY, 0, 0, folio_number(folio), told_vma_flags(flags[0]));
	walk_ends(folio, result);
	return result;
}

static int folio_mkclean(struct folio *folio)
{
	int result;

	walk_begins(CALL(FOLIO_MKCLEAN, folio_mkclean, folio_number(folio), folio_found(folio)),
		    folio);
	result = verbatim_folio_mkclean(folio);
	walk_ends(folio, result);
	return result;
}

#ifdef RMAP_DEVICE_RANGE
/* A device gets a folio, of which a driver has asked for the first page. */
static bool folio_make_device_exclusive(struct folio *folio, struct mm_struct *mm,
					unsigned long address, void *owner)
{
	bool was_marked = is_marked_partial(folio), result;

	walk_begins(CALL(FOLIO_MAKE_DEVICE_EXCLUSIVE, folio_make_device_exclusive,
			 folio_number(folio), mm->id, address >> PAGE_SHIFT, folio_found(folio)),
		    folio);
	result = verbatim_folio_make_device_exclusive(folio, mm, address, owner);
	note_marked_by_walk(folio, was_marked);
	walk_ends(folio, result);
	return result;
}
#endif

/* An int until 6.12 or later. */
typedef __typeof__(_Generic(&verbatim_remove_migration_ptes,
			    void (*)(struct folio *, struct folio *, int): 0,
			    default: (enum ttu_flags)0)) remove_flags_t;

static uint32_t told_remove_flags(unsigned int flags)
{
	uint32_t told = 0;

#ifdef RMAP_REMOVE_FLAGS
	told |= flags & RMP_LOCKED ? RMAP_TTU_RMAP_LOCKED : 0;
	told |= flags & RMP_USE_SHARED_ZEROPAGE ? RMAP_TTU_USE_SHARED_ZEROPAGE : 0;
#else
	told |= flags & TTU_RMAP_LOCKED ? RMAP_TTU_RMAP_LOCKED : 0;
	told |= flags & TTU_USE_SHARED_ZEROPAGE ? RMAP_TTU_USE_SHARED_ZEROPAGE : 0;
#endif
	return told;
}

static void remove_migration_ptes(struct folio *src, struct folio *dst, remove_flags_t flags)
{
	walk_begins(CALL(REMOVE_MIGRATION_PTES, remove_migration_ptes, folio_number(src),
			 folio_number(dst), told_remove_flags(flags), folio_found(dst)),
		    dst);
	verbatim_remove_migration_ptes(src, dst, flags);
	check_no_migration_left(src);
	walk_ends(dst, 0);
}

#endif /* PAGES_WALKS_H */
