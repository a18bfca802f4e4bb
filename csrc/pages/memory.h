/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in for functions of mm/memory.c, mm/swap.c, mm/filemap.c and others that the page-table
 * code calls: what it complains of is a warning, and what goes to a device goes nowhere.
 */
#ifndef PAGES_MEMORY_H
#define PAGES_MEMORY_H

#include <linux/bug.h>
#include <linux/mm.h>
#include <linux/page-flags.h>

/* --- Custom --- */

/* An entry that no page can be meant by. Macros: the name and what it is given differ. */
#define print_bad_page_map(...) ((void)WARN_ON("bad page map" != NULL))
#define print_bad_pte(...) ((void)WARN_ON("bad page map" != NULL))

static inline void folio_unlock(struct folio *folio)
{
	VM_BUG_ON_FOLIO(!folio_test_locked(folio), folio);
	folio_clear_locked(folio);
}

static inline uint32_t first_frame_of(const struct folio *folio)
{
	return &folio->page - current_world->pages->frames;
}

/* One task alone has locked it itself. */
static inline void __folio_lock(struct folio *folio)
{
	may_wait();
	if (runs_beside_others())
		wait_while(!folio_trylock(folio), RMAP_POINT_OF_FOLIO, first_frame_of(folio));
	else
		broken_rule(RMAP_RULE_SELF_DEADLOCK, RMAP_NONE);
}

/* A task that has to try again later. */
static inline void let_others_on(void)
{
	if (runs_beside_others())
		let_others_run((struct rmap_point) {
			.kind = RMAP_POINT_WAIT, .of = RMAP_POINT_OF_FOLIO, .object = RMAP_NONE,
		});
}

/* Whoever migrates a folio has it locked. The offset has bits of its own above the frame. */
static inline void wait_for_migration(unsigned long offset, spinlock_t *lock)
{
	const struct page *page = &current_world->pages->frames[offset % FRAMES_MAX];
	const struct folio *folio = page_folio(page);

	if (!runs_beside_others())
		BUG();
	spin_unlock(lock);
	may_wait();
	wait_while(folio_test_locked(folio), RMAP_POINT_OF_FOLIO, first_frame_of(folio));
}

static inline int __folio_lock_killable(struct folio *folio)
{
	__folio_lock(folio);
	return 0;
}

#define unlock_page(page) folio_unlock(page_folio(page))

static inline bool folio_mark_dirty(struct folio *folio)
{
	return !folio_test_set_dirty(folio);
}

/* As an architecture has it whose hardware sets the dirty bit: what is private is not writable. */
static inline pgprot_t vm_get_page_prot(unsigned long vm_flags)
{
	if (!(vm_flags & (VM_READ | VM_WRITE | VM_EXEC)))
		return PAGE_NONE;
	return (vm_flags & (VM_WRITE | VM_SHARED)) == (VM_WRITE | VM_SHARED) ? PAGE_SHARED :
									       PAGE_READONLY;
}

/* A file system that is not told of the first write to a page keeps its files in memory. */
#define mapping_can_writeback(mapping) (file_number(mapping) < RMAP_FILES_NOT_TOLD)

/* Nobody waits. */
static int swapcache_wq __maybe_unused;

static const bool swap_migration_ad_supported = true;

static inline bool mmap_read_trylock(struct mm_struct *mm)
{
	hook(RMAP_POINT_TRYLOCK, RMAP_POINT_OF_MMAP, mm->id);
	if (mm->mmap_lock != MMAP_UNLOCKED &&
	    (!runs_beside_others() || mm->mmap_lock == MMAP_WRITE_LOCKED))
		return false;
	mmap_lock_taken(mm, MMAP_READ_LOCKED, RMAP_MMAP_READ_LOCK);
	return true;
}

/* Of the world, and not of every world. */
#define init_mm (*current_world->pages->first_mm)
#define mmlist_lock (current_world->pages->first_mm->page_table_lock)

#define highest_memmap_pfn (FRAMES_MAX - 1ul)
#define mm_p4d_folded(mm) true
#define mm_pud_folded(mm) false
#define mm_pmd_folded(mm) false

/* --- No-op --- */

/*
 * Macros: some are given types that differ from release to release, and of some only the name is
 * used, in a branch that this configuration never takes; what would be wrong to do there is a BUG.
 */
#define dump_page(page, reason) do {} while (0)
#define softleaf_entry_wait_on_locked(entry, ptl) wait_for_migration(swp_offset(entry), ptl)
#define __folio_lock_or_retry(folio, vmf) (__folio_lock(folio), 0)
#define balance_dirty_pages_ratelimited(mapping) do {} while (0)
#define kmsan_copy_page_meta(to, from) do {} while (0)
#define uffd_supports_wp_marker() false
#define need_resched() false
#define PageTransCompound(page) PageCompound(page)
#define PageTransTail(page) PageTail(page)
#define __cond_lock(lock, condition) (condition)
#define lookup_swap_cgroup_id(entry) 0
#define folio_is_pci_p2pdma(folio) false
#define is_pci_p2pdma_page(page) false
#define migration_entry_wait_on_locked(entry, ptl) wait_for_migration(swp_offset(entry), ptl)
#define numa_node_id() 0
#define node_is_toptier(node) true
#define sysctl_numa_balancing_mode 0
#define NUMA_BALANCING_NORMAL 1
#define jiffies 0ul
#define jiffies_to_msecs(time) (time)
#define DECLARE_WAITQUEUE(name, task) int name __maybe_unused
#define add_wait_queue(queue, wait) do {} while (0)
#define remove_wait_queue(queue, wait) do {} while (0)
#define waitqueue_active(queue) false
#define wake_up(queue) do {} while (0)
#define schedule_timeout_uninterruptible(time) let_others_on()
#define mm_prepare_for_swap_entries(mm) do {} while (0)
#define task_numa_fault(...) do {} while (0)
#define mapping_evict_folio(mapping, folio) 0
#define __copy_from_user_inatomic(to, from, n) (BUG(), 1)
#define copy_mc_to_kernel(to, from, n) (BUG(), 1)
#define clear_page(address) BUG()
#define LAST_CPUPID_SHIFT 0
#define do_numa_page(vmf) (BUG(), 0)
#define do_huge_pmd_numa_page(vmf) (BUG(), 0)
#define should_fault_around(vmf) false
#define do_fault_around(vmf) (BUG(), 0)
#define mm_account_fault(mm, regs, address, flags, ret) do {} while (0)
#define __set_current_state(state) do {} while (0)
#define want_init_on_free() false
#define want_init_on_alloc(flags) false
#define user_alloc_needs_zeroing() true
#define pr_alert(...) do {} while (0)
#define pr_cont(...) do {} while (0)

static inline bool task_in_memcg_oom(struct task_struct *p)
{
	return false;
}

#define hugetlb_folio_mapping_lock_write(folio) ((struct address_space *)NULL)
#define folio_test_hugetlb_hwpoison(folio) false

/* --- Duplicate --- */

#define MADV_SOFT_OFFLINE 101

#define in_range(value, start, length) ((value) - (start) < (length))
#define min3(a, b, c) min(min(a, b), c)
#define max3(a, b, c) max(max(a, b), c)
#define round_up(x, y) ((((x) - 1) | ((__typeof__(x))(y) - 1)) + 1)
#define round_down(x, y) ((x) & ~((__typeof__(x))(y) - 1))
#define is_power_of_2(n) ((n) && !((n) & ((n) - 1)))
#define VM_BUG_ON_PGFLAGS(condition, page) BUG_ON(condition)
#define BITS_PER_BYTE 8
#define PFN_PTE_SHIFT PAGE_SHIFT
#define smp_mb__after_atomic() barrier()
#define NUMA_NO_NODE (-1)

static inline int fls_long(unsigned long word)
{
	return word ? BITS_PER_LONG - __builtin_clzl(word) : 0;
}

/* Nobody else is there to hold it. */
#define bit_spin_lock(bit, address) set_bit(bit, address)
#define __bit_spin_unlock(bit, address) clear_bit(bit, address)
#define assert_spin_locked(lock) VM_BUG_ON(!spin_lock_is_mine(lock))

#define test_and_set_bit(bit, address) test_and_set_bit_lock(bit, address)

static inline bool test_and_set_bit_lock(long bit, volatile unsigned long *address)
{
	bool was = *address >> bit & 1;

	*address |= 1ul << bit;
	return was;
}

#endif /* PAGES_MEMORY_H */
