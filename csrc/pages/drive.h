/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fault through the kernel's own entry point, and the operations on pages.
 */
#ifndef PAGES_DRIVE_H
#define PAGES_DRIVE_H

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include "pages/freed_tables.h"
#include "pages/lookup.h"
#include "pages/memory_failure.h"
#include "pages/swap_device.h"
#include "pages/write_protect.h"
#include "vma/operations.h"

/* One maps the page, and one makes it the process's: more would go on for ever. */
#define FAULTS_OF_A_PIN 4

static void page_tables_clear(struct rmap_world *w)
{
	if (!w->pages)
		page_layer_create(w);
	current_world = w;
	page_layer_clear(w);
}

static void page_tables_destroy(struct rmap_world *w)
{
	page_layer_destroy(w);
}

/* An operation ends. */
static void page_tables_checked(void)
{
	struct page_task *task = &current_world->task.pages;

	translations_end();
	if (task->notifiers_open)
		broken_rule(RMAP_RULE_NOTIFIER_UNPAIRED, 0);
	task->notifiers_open = 0;
}

/* No process is left. */
static void page_tables_end(void)
{
	poisoned_pages_drop();
	swap_cache_drop();
	page_cache_drop();
}

static void check_settled(struct rmap_world *w);

/* An operation that ran beside others ends. */
static void page_tables_task_ends(void)
{
	without_others(check_settled(current_world));
}

static uint32_t page_tables_injected(const struct rmap_world *w)
{
	return w->task.pages.injected;
}

/* Of one VMA: each lowest table that is there. */
static int walk_lowest_tables(struct mm_struct *mm, struct vm_area_struct *vma,
			      unsigned long start, unsigned long end,
			      const struct mm_walk_ops *ops, void *private)
{
	MA_STATE(mas, &mm->mm_mt, start, start);
	struct mm_walk walk = { .ops = ops, .mm = mm, .private = private };
	int result = 0;

	walk.vma = vma ? vma : mas_walk(&mas);
	for (unsigned long next; ops->pmd_entry && start < end && !result; start = next) {
		unsigned long *entry = entry_above(mm, start >> PAGE_SHIFT, 1);

		next = min((start & PMD_MASK) + PMD_SIZE, end);
		if (entry && *entry)
			result = ops->pmd_entry((pmd_t *)entry, start, next, &walk);
	}
	return result;
}

/* As hardware does: the access is noted in the entry. Each write gives the page a new content. */
static bool access_page(struct mm_struct *mm, uint64_t page, bool write)
{
	struct found_entry found = find_entry(mm, page);
	unsigned long entry = found.at ? *found.at : 0;

	if (!(entry & ENTRY_PRESENT) || (write && !(entry & ENTRY_WRITE)))
		return false;
	entry |= ENTRY_ACCESSED | (write ? ENTRY_DIRTY : 0);
	if (found.huge)
		huge_write(found.at, entry);
	else
		entry_write(mm, page << PAGE_SHIFT, (pte_t *)found.at, __pte(entry));
	if (write)
		page_layer_fill(pfn_to_page(found.told.number), ++current_world->pages->writes);
	return true;
}

/* Whether a fault would wait for a page that is being migrated. */
static bool is_migrating(const struct mm_struct *mm, uint64_t page)
{
	return find_entry(mm, page).told.bits & RMAP_ENTRY_MIGRATION;
}

/* A migration that another task does ends by itself; one that was left half-way does not. */
static bool would_wait_forever(const struct mm_struct *mm, uint64_t page)
{
	struct rmap_entry told = find_entry(mm, page).told;

	if (!(told.bits & RMAP_ENTRY_MIGRATION))
		return false;
	/* Of a folio of several pages its first one says so. */
	return !runs_beside_others() ||
	       folio_notes(page_folio(pfn_to_page(told.number % FRAMES_MAX)))->migrating;
}

/*
 * Some processors do not set the accessed bit, and fault again for it: so a fault has set it. A
 * page that a device had is only mapped again.
 */
static void check_faulted_in(const struct mm_struct *mm, uint64_t page, struct rmap_entry before)
{
	uint32_t bits = find_entry(mm, page).told.bits;

	if (!(before.bits & RMAP_ENTRY_DEVICE) && (bits & RMAP_ENTRY_PRESENT) &&
	    !(bits & RMAP_ENTRY_ACCESSED))
		broken_rule(RMAP_RULE_FAULTED_OLD, page);
}

/*
 * As the architecture's handler of page faults: what the VMA forbids is not asked for. Returns the
 * VMA's serial. What only prepares the VMA, for a page that is moved there, faults no page in.
 */
static int32_t fault_under_mmap_lock(struct mm_struct *mm, const struct rmap_operation_fault *op)
{
	unsigned long addr = op->page << PAGE_SHIFT;
	MA_STATE(mas, &mm->mm_mt, addr, addr);
	struct vm_area_struct *vma;
	vm_fault_t fault;
	int32_t result;

	mmap_read_lock(mm);
	vma = mas_walk(&mas);
	if (!vma || (!op->read && !(vma->vm_flags & VM_WRITE))) {
		result = -EFAULT;
		goto unlock;
	}
	result = serial_of(vma);
	if (would_wait_forever(mm, op->page)) {
		result = -EBUSY;
		goto unlock;
	}
	if (op->read && op->prepare) {
		if (anon_vma_prepare(vma))
			result = -ENOMEM;
		goto unlock;
	}
	/* A page that a device has comes back as its VMA says: a write may fault again. */
	for (int tries = 0; tries < FAULTS_OF_A_PIN; tries++) {
		struct rmap_entry before = find_entry(mm, op->page).told;

		fault = handle_mm_fault(vma, addr,
					FAULT_FLAG_USER | (op->read ? 0 : FAULT_FLAG_WRITE), NULL);
		if (fault & VM_FAULT_OOM)
			result = -ENOMEM;
		else if (fault & VM_FAULT_ERROR)
			result = -EFAULT;
		else if (fault & VM_FAULT_RETRY)
			result = -EBUSY;
		else if (!runs_beside_others())
			check_faulted_in(mm, op->page, before);
		if (result < 0 || access_page(mm, op->page, !op->read))
			break;
	}
unlock:
	mmap_read_unlock(mm);
	return result;
}

/* The VMA at an address, with its lock held for reading. NULL: the mmap lock is needed. */
static struct vm_area_struct *vma_lock_at(struct mm_struct *mm, unsigned long addr)
{
	MA_STATE(mas, &mm->mm_mt, addr, addr);
	struct vm_area_struct *vma;

	rcu_read_lock();
	vma = mas_walk(&mas);
	if (vma && !vma_start_read(mm, vma))
		vma = NULL;
	rcu_read_unlock();
	/* It may have been another one when it was locked. */
	if (vma && (addr < vma->vm_start || addr >= vma->vm_end)) {
		vma_end_read(vma);
		vma = NULL;
	}
	return vma;
}

/* Whether it was handled without the mmap lock. Whoever drops the lock says that it retries. */
static bool fault_under_vma_lock(struct mm_struct *mm, const struct rmap_operation_fault *op,
				 int32_t *result)
{
	unsigned long addr = op->page << PAGE_SHIFT;
	unsigned int flags = FAULT_FLAG_USER | FAULT_FLAG_VMA_LOCK;
	struct vm_area_struct *vma = vma_lock_at(mm, addr);
	uint32_t serial;
	vm_fault_t fault;

	if (!vma)
		return false;
	if ((!op->read && !(vma->vm_flags & VM_WRITE)) || would_wait_forever(mm, op->page)) {
		vma_end_read(vma);
		return false;
	}
	serial = serial_of(vma);
	fault = handle_mm_fault(vma, addr, flags | (op->read ? 0 : FAULT_FLAG_WRITE), NULL);
	if (fault & VM_FAULT_RETRY)
		return false;
	*result = fault & VM_FAULT_OOM	 ? -ENOMEM :
		  fault & VM_FAULT_ERROR ? -EFAULT :
					   (int32_t)serial;
	if (*result >= 0)
		access_page(mm, op->page, !op->read);
	vma_end_read(vma);
	return true;
}

/* Beside others it is handled under the lock of its VMA, and else under the mmap lock. */
static int32_t drive_fault(struct mm_struct *mm, const struct rmap_operation_fault *op)
{
	int32_t result;

	current_world->task.pages.orders = op->order ? 1ul << op->order : 0;
	if (runs_beside_others() && fault_under_vma_lock(mm, op, &result))
		return result;
	return fault_under_mmap_lock(mm, op);
}

/* What the kernel's function is given: the flags of the mm until 6.17 or so, then the mm. */
static void set_has_pinned(struct mm_struct *mm)
{
	current_world->pages->pinning |= 1ul << mm->id;
	mm_set_has_pinned_flag(_Generic(&mm_set_has_pinned_flag,
					void (*)(unsigned long *): (void *)&mm->flags,
					default: (void *)mm));
}

/*
 * As GUP takes a page: it is faulted in until it can be written to, or, where that is not allowed
 * and not asked for, until an anonymous page is the process's alone.
 */
static int get_page_at(struct mm_struct *mm, uint64_t number, unsigned int gup_flags,
		       struct page **taken)
{
	unsigned long addr = number << PAGE_SHIFT, entry;
	MA_STATE(mas, &mm->mm_mt, addr, addr);
	unsigned int flags = FAULT_FLAG_UNSHARE;
	struct vm_area_struct *vma = mas_walk(&mas);
	struct page *page;

	current_world->task.pages.orders = 0;
	if (!vma || !(vma->vm_flags & VM_READ))
		return -EFAULT;
	if (vma->vm_flags & VM_WRITE)
		flags = FAULT_FLAG_WRITE;
	else if (gup_flags & FOLL_WRITE)
		return -EFAULT;
	for (int tries = 0;; tries++) {
		struct found_entry found = find_entry(mm, number);

		entry = found.at ? *found.at : 0;
		page = entry & ENTRY_PRESENT ? pfn_to_page(found.told.number) : NULL;
		if (page && found.huge && (gup_flags & FOLL_SPLIT_PMD)) {
			split_huge_pmd(vma, (pmd_t *)found.at, addr);
			continue;
		}
		if (page && (entry & ENTRY_WRITE))
			break;
		/* Of a huge page its first page says whose it is. */
		if (page && flags == FAULT_FLAG_UNSHARE && found.told.number != ZERO_FRAME &&
		    !gup_must_unshare(vma, FOLL_PIN, found.huge ? &page_folio(page)->page : page))
			break;
		if (tries == FAULTS_OF_A_PIN)
			return -EFAULT;
		switch (handle_mm_fault(vma, addr, page ? flags : flags & FAULT_FLAG_WRITE, NULL) &
			(VM_FAULT_ERROR | VM_FAULT_RETRY)) {
		case 0:
			continue;
		case VM_FAULT_OOM:
			return -ENOMEM;
		case VM_FAULT_RETRY:
			return -EBUSY;
		}
		return -EFAULT;
	}
	*taken = page;
	return try_grab_folio(page_folio(page), 1, gup_flags & (FOLL_GET | FOLL_PIN));
}

#define DEVICE_TRIES_MAX 8

static long get_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
				  unsigned int gup_flags, struct page **pages, int *locked)
{
	int error;

	/* Nobody is in the way, so that trying again and again has no use. */
	if (++current_world->task.pages.device_tries > DEVICE_TRIES_MAX) {
		broken_rule(RMAP_RULE_DEVICE_ANSWER, start >> PAGE_SHIFT);
		return -EBUSY;
	}
	error = get_page_at(mm, start >> PAGE_SHIFT, gup_flags, pages);
	return error ? error : 1;
}

/* Pins a page as GUP does. Returns its frame. */
static int32_t drive_pin(struct mm_struct *mm, const struct rmap_operation_pin *op)
{
	struct page *page;
	int32_t result;

	mmap_read_lock(mm);
	if (is_migrating(mm, op->page)) {
		result = -EBUSY;
		goto unlock;
	}
	result = get_page_at(mm, op->page, FOLL_PIN, &page);
	if (!result) {
		set_has_pinned(mm);
		folio_notes(page_folio(page))->pins++;
		result = page_to_pfn(page);
	}
unlock:
	mmap_read_unlock(mm);
	return result;
}

static int32_t drive_unpin(const struct rmap_operation_unpin *op)
{
	struct page_layer *layer = current_world->pages;
	struct folio *folio;

	if (op->frame >= layer->nr_frames || !layer->notes[op->frame].live)
		return -EBADF;
	folio = page_folio(pfn_to_page(op->frame));
	if (!folio_notes(folio)->pins)
		return -EBADF;
	folio_notes(folio)->pins--;
	gup_put_folio(folio, 1, FOLL_PIN);
	return 0;
}

/*
 * Migration entries in place of a folio. Where others run, it may not be mapped any more, and its
 * anon_vma has to stay until it is mapped again.
 */
static void unmap_for_migration(struct folio *folio)
{
	struct page_task *task = &current_world->task.pages;

	if (runs_beside_others() && folio_test_anon(folio))
		telling_accesses(task->kept_anon_vma = anon_vma_of_folio(folio));
	task->migrates_mapped = !runs_beside_others() || folio_mapped(folio);
	if (task->migrates_mapped)
		telling_accesses(try_to_migrate(folio, 0));
}

static void map_after_migration(struct folio *src, struct folio *dst)
{
	struct page_task *task = &current_world->task.pages;

	if (!runs_beside_others() || task->migrates_mapped)
		telling_accesses(remove_migration_ptes(src, dst, 0));
	if (task->kept_anon_vma)
		telling_accesses(put_anon_vma(task->kept_anon_vma));
	task->kept_anon_vma = NULL;
}

/*
 * As reclaim asks who used a page; or as migration takes a page out of every page table, and puts
 * it back where it could not copy it.
 */
static int32_t drive_walk(struct mm_struct *mm, const struct rmap_operation_walk *op)
{
	struct folio *folio;

	tell_accesses(false);
	folio = folio_at(mm, op->page);
	if (!folio || !folio_test_anon(folio))
		return -EFAULT;
	if (poisoned_page_of(folio))
		return -EBUSY;
	folio_get(folio);
	if (op->mode == RMAP_WALK_LOCKED) {
		folio_lock(folio);
		unmap_for_migration(folio);
		map_after_migration(folio, folio);
		folio_unlock(folio);
	} else {
		ask_who_used(folio, false);
	}
	folio_put(folio);
	return 0;
}

static int32_t drive_touch(struct mm_struct *mm, const struct rmap_operation_touch *op)
{
	return access_page(mm, op->page, op->write) ? 0 : -EFAULT;
}

/* The address of a page in a VMA, if it can be mapped there. */
static unsigned long address_in_vma(struct page *page, struct vm_area_struct *vma)
{
#ifdef RMAP_ADDRESS_OF_FOLIO
	return page_address_in_vma(page_folio(page), page, vma);
#else
	return page_address_in_vma(page, vma);
#endif
}

static bool lies_in(const struct vm_area_struct *vma, unsigned long addr)
{
	return vma->vm_start <= addr && addr < vma->vm_end;
}

/* As a memory policy looks for a page in each VMA: it finds it where it is mapped. */
static void find_address(struct mm_struct *mm, uint64_t number)
{
	struct page *page = pfn_to_page(find_entry(mm, number).told.number);
	unsigned long addr = number << PAGE_SHIFT, found;
	MA_STATE(mas, &mm->mm_mt, 0, 0);
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	mas_for_each(&mas, vma, ULONG_MAX) {
		found = address_in_vma(page, vma);
		if (lies_in(vma, addr) ? found != addr : found != -EFAULT && !lies_in(vma, found))
			broken_rule(RMAP_RULE_OTHER_ADDRESS, number);
	}
	mmap_read_unlock(mm);
}

/*
 * Of an odd page as reclaim asks it, of a folio that it has locked, unless somebody else has. Of an
 * even page without the lock, which the kernel then takes by itself.
 */
static int32_t drive_age(struct mm_struct *mm, const struct rmap_operation_age *op)
{
	struct folio *folio = folio_at(mm, op->page);
	bool locked;

	if (!folio)
		return -EFAULT;
	folio_get(folio);
	if (!runs_beside_others())
		find_address(mm, op->page);
	locked = op->page % 2 && folio_trylock(folio);
	ask_who_used(folio, locked);
	if (locked)
		folio_unlock(folio);
	folio_put(folio);
	return 0;
}

/* Nobody has a reference but the caches and the caller, and no entry maps it. */
static bool nobody_else_has(const struct folio *folio)
{
	int caches = folio_test_swapcache(folio) || is_of_file(folio);

	return !folio_mapped(folio) &&
	       folio_ref_count(folio) == 1 + caches * (1 << folio_order(folio));
}

/*
 * Until 6.14 the entry of a device does not count as a mapping. Its reference is in the way of
 * reclaim and migration, which then have nothing to unmap.
 */
static bool only_devices_have(struct folio *folio)
{
	return !folio_mapped(folio);
}

/*
 * As reclaim takes a folio out of memory. What is still mapped then, or referenced by somebody
 * else, stays. A folio of several pages is taken if its content may be dropped; otherwise reclaim
 * would split it, or want slots in a row. One that is pinned goes as far as in a race with GUP. One
 * of which memory has failed is left alone.
 */
static int32_t drive_swapout(struct mm_struct *mm, const struct rmap_operation_swapout *op)
{
	struct folio *folio = folio_at(mm, op->page);
	enum ttu_flags flags = 0;
	swp_entry_t slot;
	int32_t result = 0;

	if (!folio)
		return -EFAULT;
	flags |= folio_test_large(folio) ? TTU_SYNC : 0;
	flags |= folio_order(folio) == HPAGE_PMD_ORDER ? TTU_SPLIT_HUGE_PMD : 0;
	if (folio_test_locked(folio) || poisoned_page_of(folio) || only_devices_have(folio) ||
	    (folio_test_large(folio) && (!folio_test_anon(folio) || folio_test_swapbacked(folio))))
		return -EBUSY;
	folio_get(folio);
	folio_lock(folio);
	if (folio_test_anon(folio) && folio_test_swapbacked(folio) &&
	    !folio_test_swapcache(folio)) {
		slot = swap_slot_alloc();
		if (!slot.val) {
			result = -ENOMEM;
			goto keep;
		}
		swap_cache_add_folio(folio, slot);
		folio_set_dirty(folio);
	}
	telling_accesses(try_to_unmap(folio, TTU_BATCH_FLUSH | flags));
	if (!folio_mapped(folio) && folio_test_swapcache(folio) && folio_test_dirty(folio)) {
		/* What is written out must not change any more. */
		try_to_unmap_flush_dirty();
		if (frame_written_unseen(page_to_pfn(&folio->page)))
			broken_rule(RMAP_RULE_WRITTEN_BEFORE_FLUSH, op->page);
		folio_test_clear_dirty(folio);
		swap_slot_of(folio->swap)->content = page_layer_content(&folio->page);
	}
	try_to_unmap_flush();
	if (!nobody_else_has(folio)) {
		folio_free_swap(folio);
		result = -EBUSY;
	} else if (folio_test_swapcache(folio)) {
		swap_cache_del_folio(folio);
	} else if (folio_test_dirty(folio)) {
		result = -EBUSY;
	} else if (!folio_test_anon(folio)) {
		page_cache_forget(folio);
	}
keep:
	folio_unlock(folio);
	folio_put(folio);
	return result;
}

/* What migration moves from a folio to another, which then takes its place in the caches. */
static void folio_take_place_of(struct folio *dst, struct folio *src)
{
	int pages = 1 << folio_order(src);

	dst->index = src->index;
	dst->mapping = src->mapping;
	if (folio_test_swapbacked(src))
		folio_set_swapbacked(dst);
	if (folio_test_dirty(src))
		folio_set_dirty(dst);
	folio_mark_uptodate(dst);
	folio_add_lru(dst);
	folio_notes(dst)->migrated |= folio_notes(src)->migrated;
	folio_notes(dst)->taken_out |= folio_notes(src)->taken_out;
	for (int i = 0; i < pages; i++)
		page_layer_fill(&dst->page + i, page_layer_content(&src->page + i));
	if (folio_test_swapcache(src)) {
		swp_entry_t entry = src->swap;

		swap_cache_del_folio(src);
		swap_cache_add_folio(dst, entry);
	} else if (!folio_test_anon(src)) {
		page_cache_replace(src, dst);
	}
}

/* The first half of a migration: a folio to move to, and migration entries in the page tables. */
static int32_t migration_begin(struct folio *src, struct folio **to)
{
	struct folio *dst;

	/* One that is partially mapped is split first. */
	if (folio_test_locked(src) || poisoned_page_of(src) || only_devices_have(src) ||
	    (folio_test_large(src) && folio_test_partially_mapped(src)))
		return -EBUSY;
	dst = page_layer_folio(GFP_HIGHUSER_MOVABLE, folio_order(src));
	if (!dst)
		return -ENOMEM;
	folio_get(src);
	folio_lock(src);
	folio_lock(dst);
	unmap_for_migration(src);
	*to = dst;
	return 0;
}

/* The second; if the folio cannot move, everything is as it was. */
static int32_t migration_end(struct folio *src, struct folio *dst)
{
	bool waits = folio_order(src) > 1 && !list_empty(&src->_deferred_list);
	bool in_part = waits && folio_test_partially_mapped(src);
	int32_t result = 0;

	if (nobody_else_has(src)) {
		folio_take_place_of(dst, src);
		map_after_migration(src, dst);
		/* One that waits to be split goes on waiting, as it was when it was unmapped. */
		if (waits)
			deferred_split_folio(dst, in_part);
		src->mapping = NULL;
	} else {
		map_after_migration(src, src);
		result = -EBUSY;
	}
	folio_unlock(dst);
	folio_put(dst);
	folio_unlock(src);
	folio_put(src);
	return result;
}

static int32_t drive_migrate(struct mm_struct *mm, const struct rmap_operation_migrate *op)
{
	struct folio *src = folio_at(mm, op->page), *dst;
	int32_t result;

	if (!src)
		return -EFAULT;
	result = migration_begin(src, &dst);
	return result ? result : migration_end(src, dst);
}

/*
 * A migration stays half-way, of an anonymous folio that nobody finds but by its mappings. What is
 * still mapped then does not migrate. Returns the folio's first frame.
 */
static int32_t drive_migrate_begin(struct mm_struct *mm,
				   const struct rmap_operation_migrate_begin *op)
{
	struct folio *src = folio_at(mm, op->page), *dst;
	int32_t result;

	if (!src)
		return -EFAULT;
	if (!folio_test_anon(src) || folio_test_swapcache(src))
		return -EBUSY;
	result = migration_begin(src, &dst);
	if (result)
		return result;
	if (folio_mapped(src)) {
		migration_end(src, dst);
		return -EBUSY;
	}
	folio_notes(src)->migrates_to = folio_number(dst);
	folio_notes(src)->migrating = folio_notes(dst)->migrating = true;
	return folio_number(src);
}

static int32_t drive_migrate_end(const struct rmap_operation_migrate_end *op)
{
	struct page_layer *layer = current_world->pages;
	struct frame_notes *notes;
	struct folio *src, *dst;

	if (op->frame >= layer->nr_frames)
		return -EBADF;
	notes = &layer->notes[op->frame];
	if (!notes->live || !notes->migrates_to)
		return -EBADF;
	src = page_folio(pfn_to_page(op->frame));
	dst = page_folio(pfn_to_page(notes->migrates_to));
	notes->migrates_to = 0;
	notes->migrating = folio_notes(dst)->migrating = false;
	notes->migrated = folio_notes(dst)->migrated = true;
	return migration_end(src, dst);
}

/* Those who know a page of a file by its frame find it clean in every VMA. */
static void check_clean(struct mm_struct *mm, uint64_t number)
{
	struct page *page = pfn_to_page(find_entry(mm, number).told.number);
	struct folio *folio = page_folio(page);
	unsigned long offset = folio->index + (page - &folio->page);
	MA_STATE(mas, &mm->mm_mt, number << PAGE_SHIFT, number << PAGE_SHIFT);
	int cleaned;

	mmap_read_lock(mm);
	cleaned = pfn_mkclean_range(page_to_pfn(page), 1, offset, mas_walk(&mas));
#ifdef RMAP_MAPPING_WRPROTECT
	cleaned += mapping_wrprotect_range(folio->mapping, offset, page_to_pfn(page), 1);
#endif
	if (cleaned)
		broken_rule(RMAP_RULE_LEFT_BY_WRITEBACK, number);
	mmap_read_unlock(mm);
}

/* As a file system writes a page back: it sees the next write to it again. */
static int32_t drive_clean(struct mm_struct *mm, const struct rmap_operation_clean *op)
{
	struct folio *folio = folio_at(mm, op->page);

	if (!folio || !is_of_file(folio))
		return -EFAULT;
	folio_get(folio);
	folio_lock(folio);
	if (folio_mkclean(folio))
		folio_mark_dirty(folio);
	check_clean(mm, op->page);
	if (folio_test_clear_dirty(folio))
		file_page_store(folio);
	folio_unlock(folio);
	folio_put(folio);
	return 0;
}

#if defined(SWP_DEVICE_EXCLUSIVE) || defined(RMAP_DEVICE_RANGE)
#define DEVICES_GET_PAGES

#ifdef RMAP_DEVICE_RANGE
/* Of a range, which is one page here. An entry of a device does not count as a mapping. */
static struct page *get_page_for_device(struct mm_struct *mm, uint64_t number,
					struct folio **folio)
{
	unsigned long address = number << PAGE_SHIFT;
	struct page *page = NULL;
	int found = make_device_exclusive_range(mm, address, address + PAGE_SIZE, &page, NULL);

	if (found < 0)
		return ERR_PTR(found);
	if (!page)
		return ERR_PTR(-EBUSY);
	*folio = page_folio(page);
	return page;
}

/*
 * Whether a driver gets an anonymous page. Of a large folio it gets all, but has to ask for the
 * first; and where a device has a page of it already, the walk ends. Such a page is known by its
 * reference, since no mapping counts it; the caller has another one.
 */
static bool must_get(struct page *page)
{
	struct folio *folio = page_folio(page);
	int references = folio_mapcount(folio) + (int)folio_notes(folio)->pins + 1;

	return !folio_test_large(folio) ||
	       (page == &folio->page && folio_ref_count(folio) == references);
}

/* Nothing maps what a device has. */
#define is_left_mapped(folio) folio_mapped(folio)

/*
 * Whether the device has the page, though the driver was refused it: the walk ended before it had
 * come to all pages of the folio, or GUP did not take back what a device had before. GUP is not
 * asked for it then: it would take the page back.
 */
static bool is_device_page(struct mm_struct *mm, uint64_t number, struct rmap_entry before)
{
	struct rmap_entry told = find_entry(mm, number).told;

	if (!(told.bits & RMAP_ENTRY_DEVICE))
		return false;
	if (!(before.bits & RMAP_ENTRY_DEVICE) &&
	    !folio_mapped(page_folio(pfn_to_page(told.number))))
		broken_rule(RMAP_RULE_DEVICE_ANSWER, number);
	return true;
}
#else
static struct page *get_page_for_device(struct mm_struct *mm, uint64_t number,
					struct folio **folio)
{
	/* The driver asks for some address of a page. */
	return make_device_exclusive(mm, (number << PAGE_SHIFT) + number % PAGE_SIZE, NULL, folio);
}

#define must_get(page) true
#define is_left_mapped(folio) false
#define is_device_page(mm, number, before) false
#endif

/*
 * A driver was refused a page. It may be if memory is out, if GUP does not get it, or if it is not
 * anonymous. Which errno says so is not asked.
 */
static void check_refused(struct mm_struct *mm, uint64_t number, int32_t error,
			  struct rmap_entry before)
{
	struct page *page;

	if (error == -ENOMEM || is_device_page(mm, number, before))
		return;
	if (get_page_at(mm, number, FOLL_GET | FOLL_WRITE, &page))
		return;
	if (folio_test_anon(page_folio(page)) && must_get(page))
		broken_rule(RMAP_RULE_DEVICE_ANSWER, number);
	folio_put(page_folio(page));
}

/*
 * A driver got a page: the one at the address, anonymous and locked. MMU notifiers heard of it. If
 * it is the page that was there before, that it was written to is not forgotten.
 */
static void check_given(struct mm_struct *mm, uint64_t number, struct page *page,
			struct folio *folio, struct rmap_entry before, bool was_dirty)
{
	uint32_t frame = page_to_pfn(page);
	bool dirty = was_dirty && before.number == frame;

	if (find_entry(mm, number).told.number != frame || page_folio(page) != folio ||
	    !folio_test_anon(folio) || !folio_test_locked(folio) ||
	    is_left_mapped(folio) || !current_world->task.pages.watched_told ||
	    (dirty && !folio_test_dirty(folio)))
		broken_rule(RMAP_RULE_DEVICE_ANSWER, number);
}

static int32_t ask_for_device(struct mm_struct *mm, uint64_t number)
{
	struct page_task *task = &current_world->task.pages;
	const struct found_entry there = find_entry(mm, number);
	bool mapped = there.told.bits & (RMAP_ENTRY_PRESENT | RMAP_ENTRY_DEVICE) &&
		      there.told.number != ZERO_FRAME;
	bool dirty = mapped && (there.told.bits & RMAP_ENTRY_DIRTY ||
				folio_test_dirty(page_folio(pfn_to_page(there.told.number))));
	struct folio *folio = NULL;
	struct page *page;

	task->watched = number << PAGE_SHIFT;
	task->watched_told = false;
	task->device_tries = 0;
	page = get_page_for_device(mm, number, &folio);
	if (IS_ERR(page)) {
		check_refused(mm, number, PTR_ERR(page), there.told);
		return PTR_ERR(page);
	}
	check_given(mm, number, page, folio, there.told, dirty);
	folio_unlock(folio);
	folio_put(folio);
	return 0;
}
#endif

/*
 * As a driver takes a page for its device. It lets go of the folio at once: the next access of the
 * process takes the page back.
 */
static int32_t drive_exclusive(struct mm_struct *mm, const struct rmap_operation_exclusive *op)
{
#ifdef DEVICES_GET_PAGES
	const struct folio *there = folio_at(mm, op->page);
	bool busy = is_migrating(mm, op->page) || (there && folio_test_locked(there));
	int32_t result = -EBUSY;

	mmap_read_lock(mm);
	if (!busy)
		result = ask_for_device(mm, op->page);
	mmap_read_unlock(mm);
	return result;
#else
	return -EOPNOTSUPP;
#endif
}

/* As reclaim splits a folio that waits for it. */
static int32_t drive_split(struct mm_struct *mm, const struct rmap_operation_split *op)
{
	struct folio *folio = folio_at(mm, op->page);
	int32_t result;

	if (!folio || !folio_test_large(folio))
		return -EFAULT;
	if (folio_test_locked(folio))
		return -EBUSY;
	folio_get(folio);
	folio_lock(folio);
	result = split_folio(folio);
	folio_unlock(folio);
	folio_put(folio);
	return result;
}

static int32_t drive_madvise(struct mm_struct *mm, uint64_t start, uint64_t end, int advice)
{
	return do_madvise(mm, start << PAGE_SHIFT, (end - start) << PAGE_SHIFT, advice);
}

static int32_t drive_pages(struct mm_struct *mm, const struct rmap_operation *op)
{
	/* Most stand for callers that have the page already. */
	tell_accesses(op->kind == RMAP_OP_DONTNEED);
	switch (op->kind) {
	case RMAP_OP_TOUCH:
		return drive_touch(mm, &op->arguments.touch);
	case RMAP_OP_DONTNEED:
		return drive_madvise(mm, op->arguments.dontneed.start, op->arguments.dontneed.end,
				     MADV_DONTNEED);
	case RMAP_OP_LAZYFREE:
		return drive_madvise(mm, op->arguments.lazyfree.start, op->arguments.lazyfree.end,
				     MADV_FREE);
	case RMAP_OP_AGE:
		return drive_age(mm, &op->arguments.age);
	case RMAP_OP_SWAPOUT:
		return drive_swapout(mm, &op->arguments.swapout);
	case RMAP_OP_MIGRATE:
		return drive_migrate(mm, &op->arguments.migrate);
	case RMAP_OP_PIN:
		return drive_pin(mm, &op->arguments.pin);
	case RMAP_OP_UNPIN:
		return drive_unpin(&op->arguments.unpin);
	case RMAP_OP_MIGRATE_BEGIN:
		return drive_migrate_begin(mm, &op->arguments.migrate_begin);
	case RMAP_OP_CLEAN:
		return drive_clean(mm, &op->arguments.clean);
	case RMAP_OP_EXCLUSIVE:
		return drive_exclusive(mm, &op->arguments.exclusive);
	case RMAP_OP_SPLIT:
		return drive_split(mm, &op->arguments.split);
	case RMAP_OP_MIGRATE_END:
		return drive_migrate_end(&op->arguments.migrate_end);
	case RMAP_OP_UFFDWP:
		return drive_uffdwp(mm, &op->arguments.uffdwp);
	case RMAP_OP_POISON:
		return drive_poison(mm, &op->arguments.poison);
	}
	return -ENOSYS;
}

#endif /* PAGES_DRIVE_H */
