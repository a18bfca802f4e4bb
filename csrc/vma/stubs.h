/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-ins around the VMA layer. Observing: the page tables (unmap_vmas, move_page_tables, copy_page_range), which
 * belong to the page model, and the locks of the mm. No-ops: accounting, security, notifiers, uprobes, huge pages,
 * userfaultfd, the flush of caches and TLBs.
 */
#ifndef VMA_STUBS_H
#define VMA_STUBS_H

struct mm_struct {
	uint32_t id;
	enum mmap_lock_state mmap_lock;
	spinlock_t page_table_lock;
	struct maple_tree mm_mt;
	int map_count;
	unsigned long total_vm, locked_vm, exec_vm, stack_vm, data_vm, def_flags, hiwater_vm, flags;
	bool alive;
};

struct task_struct {
	struct mm_struct *mm;
	const char *comm;
	int pid;
	unsigned long personality;
};

struct address_space {
	struct rb_root_cached i_mmap;
};

struct file {
	struct address_space *f_mapping;
	const struct file_operations *f_op;
	struct address_space mapping;
};

struct file_operations {
	int (*mmap)(struct file *file, struct vm_area_struct *vma);
	int (*mmap_prepare)(struct vm_area_desc *desc);
	unsigned long (*get_unmapped_area)(struct file *file, unsigned long addr, unsigned long len,
					   unsigned long pgoff, unsigned long flags);
};

struct vm_operations_struct {
	void (*open)(struct vm_area_struct *vma);
	void (*close)(struct vm_area_struct *vma);
	int (*may_split)(struct vm_area_struct *vma, unsigned long addr);
	int (*mremap)(struct vm_area_struct *vma);
	int (*mprotect)(struct vm_area_struct *vma, unsigned long start, unsigned long end, unsigned long flags);
	const char *(*name)(struct vm_area_struct *vma);
};

/* A private mapping of a plain file: no operation of a driver's own. */
static const struct vm_operations_struct vma_dummy_vm_ops;
static const struct file_operations plain_file_operations;

#define MAX_FILES RMAP_MAX_FILES

static _Thread_local struct task_struct current_task = { .comm = "rmap-diff" };
#define current (&current_task)

/* The locks of the mm: observed, so that the other side knows them too. */

static void layer_mmap_lock(enum rmap_call_kind kind, struct mm_struct *mm);

static inline void mmap_assert_locked(const struct mm_struct *mm)
{
	if (mm->mmap_lock == MMAP_UNLOCKED)
		broken_rule(RMAP_RULE_MMAP_LOCK_NOT_HELD, mm->id);
}

static inline void mmap_assert_write_locked(const struct mm_struct *mm)
{
	if (mm->mmap_lock != MMAP_WRITE_LOCKED)
		broken_rule(RMAP_RULE_MMAP_LOCK_NOT_HELD, mm->id);
}

static inline void mmap_write_lock(struct mm_struct *mm)
{
	if (mm->mmap_lock != MMAP_UNLOCKED)
		broken_rule(RMAP_RULE_SELF_DEADLOCK, mm->id);
	layer_mmap_lock(RMAP_MMAP_WRITE_LOCK, mm);
	mm->mmap_lock = MMAP_WRITE_LOCKED;
}

static inline int mmap_write_lock_killable(struct mm_struct *mm)
{
	mmap_write_lock(mm);
	return 0;
}

#define mmap_write_lock_nested(mm, subclass) mmap_write_lock(mm)

static inline void mmap_write_unlock(struct mm_struct *mm)
{
	if (mm->mmap_lock != MMAP_WRITE_LOCKED)
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, mm->id);
	layer_mmap_lock(RMAP_MMAP_UNLOCK, mm);
	mm->mmap_lock = MMAP_UNLOCKED;
}

static inline void mmap_read_lock(struct mm_struct *mm)
{
	if (mm->mmap_lock != MMAP_UNLOCKED)
		broken_rule(RMAP_RULE_SELF_DEADLOCK, mm->id);
	layer_mmap_lock(RMAP_MMAP_READ_LOCK, mm);
	mm->mmap_lock = MMAP_READ_LOCKED;
}

static inline void mmap_read_unlock(struct mm_struct *mm)
{
	if (mm->mmap_lock != MMAP_READ_LOCKED)
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, mm->id);
	layer_mmap_lock(RMAP_MMAP_UNLOCK, mm);
	mm->mmap_lock = MMAP_UNLOCKED;
}

static inline void mmap_write_downgrade(struct mm_struct *mm)
{
	if (mm->mmap_lock != MMAP_WRITE_LOCKED)
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, mm->id);
	layer_mmap_lock(RMAP_MMAP_READ_LOCK, mm);
	mm->mmap_lock = MMAP_READ_LOCKED;
}

/* The per-VMA lock: whether a VMA is in its mm's tree is noted beside it. */

static inline bool vma_is_attached(const struct vm_area_struct *vma)
{
	return vma_notes_of(vma)->attached;
}

static inline void vma_assert_attached(const struct vm_area_struct *vma)
{
	WARN_ON(!vma_is_attached(vma));
}

static inline void vma_assert_detached(const struct vm_area_struct *vma)
{
	WARN_ON(vma_is_attached(vma));
}

static inline void vma_mark_attached(struct vm_area_struct *vma)
{
	vma_notes_of(vma)->attached = true;
}

static inline void vma_mark(struct vm_area_struct *vma, const bool *detached, size_t n)
{
	vma_notes_of(vma)->attached = !detached[n - 1];
}

/* Before 6.15 it is told whether or not. */
#define vma_mark_detached(vma, ...) \
	vma_mark(vma, (bool[]) { true, ##__VA_ARGS__ }, ARRAY_SIZE(((bool[]) { true, ##__VA_ARGS__ })))

#define vma_start_write(vma) ((void)(vma))
#define vma_start_write_killable(vma) 0
#define vma_assert_write_locked(vma) ((void)(vma))
#define vma_assert_can_modify(vma) ((void)(vma))
#define vma_lock_init(vma, ...) ((void)(vma))
#define vma_end_write_all(mm) ((void)(mm))

/* The page tables: the page model's. */

static void layer_pages_zap(struct mm_struct *mm, unsigned long start, unsigned long end);
static void layer_pages_copy(struct mm_struct *mm, struct mm_struct *from, unsigned long start, unsigned long end);
static void layer_pages_move(struct mm_struct *mm, unsigned long start, unsigned long end, unsigned long to);

/* Of one VMA; named differently before and after 7.0. */
static void zap_vma(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	start = max(vma->vm_start, start);
	end = min(vma->vm_end, end);
	if (start < end)
		layer_pages_zap(vma->vm_mm, start, end);
}

#define unmap_single_vma(tlb, vma, start, end, ...) zap_vma(vma, start, end)
#define __zap_vma_range(tlb, vma, start, end, ...) zap_vma(vma, start, end)
#define hugetlb_zap_begin(...) do {} while (0)
#define hugetlb_zap_end(...) do {} while (0)

static unsigned long moved_page_tables(struct vm_area_struct *vma, unsigned long from, unsigned long to, unsigned long len)
{
	layer_pages_move(vma->vm_mm, from, from + len, to);
	return len;
}

/* The new VMA is where the new address is. */
#ifdef RMAP_PAGETABLE_MOVE
#define move_page_tables(pmc) moved_page_tables((pmc)->old, (pmc)->old_addr, (pmc)->new_addr, (pmc)->len_in)
#else
#define move_page_tables(vma, old_addr, new_vma, new_addr, len, ...) moved_page_tables(vma, old_addr, new_addr, len)
#endif

static int copy_page_range(struct vm_area_struct *dst_vma, struct vm_area_struct *src_vma)
{
	if (vma_needs_copy(dst_vma, src_vma))
		layer_pages_copy(dst_vma->vm_mm, src_vma->vm_mm, src_vma->vm_start, src_vma->vm_end);
	return 0;
}

#define free_pgd_range(tlb, addr, end, floor, ceiling) ((void)(tlb))
#define change_protection(tlb, ...) ((void)(tlb), 0l)
#define walk_page_range(...) 0
#define walk_page_range_vma(...) 0
#define mm_populate(addr, len) do {} while (0)
#define populate_vma_page_range(...) 0l

static inline void tlb_gather_mmu(struct mmu_gather *tlb, struct mm_struct *mm)
{
	tlb->mm = mm;
}

#define tlb_gather_mmu_fullmm(tlb, mm) tlb_gather_mmu(tlb, mm)
#define tlb_finish_mmu(tlb) ((void)(tlb))
#define tlb_free_vmas(tlb) ((void)(tlb))
#define flush_cache_mm(mm) ((void)(mm))
#define flush_cache_dup_mm(mm) ((void)(mm))
#define flush_tlb_mm(mm) ((void)(mm))
#define flush_dcache_mmap_lock(mapping) ((void)(mapping))
#define flush_dcache_mmap_unlock(mapping) ((void)(mapping))

/* Files. */
static inline struct file *get_file(struct file *file)
{
	return file;
}

#define fput(file) ((void)(file))
#define i_mmap_lock_write(mapping) ((void)(mapping))
#define i_mmap_unlock_write(mapping) ((void)(mapping))
#define mapping_map_writable(mapping) 0
#define mapping_unmap_writable(mapping) ((void)(mapping))
#define mapping_allow_writable(mapping) ((void)(mapping))
#define dup_mm_exe_file(mm, oldmm) 0
#define mmap_file(file, vma) 0
#define call_mmap(file, vma) 0
#define vfs_mmap_prepare(file, desc) 0
#define mmap_action_prepare(desc, ...) 0
#define mmap_action_complete(vma, ...) 0
#define compat_vma_mmap(file, vma) 0
#define shmem_zero_setup(vma) 0
#define shmem_file(file) false
#define is_file_hugepages(file) false
#define vma_is_dax(vma) false
#define vma_is_shmem(vma) false

static inline void vma_close(struct vm_area_struct *vma)
{
}

/* Limits, accounting, security: nothing is refused but for too many VMAs. */
static int sysctl_max_map_count = 65530;

#define security_vm_enough_memory_mm(mm, pages) 0
#define security_file_mprotect(vma, reqprot, prot) 0
#define vm_acct_memory(pages) ((void)(pages))
#define vm_unacct_memory(pages) ((void)(pages))
#define may_expand_vm(mm, flags, pages) true
#define mlock_future_ok(mm, ...) true
#define mlock_future_check(mm, ...) 0
#define rlimit(limit) (~0ul)
#define update_hiwater_rss(mm) ((void)(mm))
#define update_hiwater_vm(mm) ((void)(mm))
#define arch_validate_flags(flags) true
#define arch_validate_prot(prot, addr) true
#define arch_override_mprotect_pkey(vma, prot, pkey) 0
#define arch_calc_vm_prot_bits(prot, pkey) 0
#define arch_has_pfn_modify_check() false
#define arch_unmap(mm, start, end) ((void)(mm))
#define arch_exit_mmap(mm) ((void)(mm))
#define arch_dup_mmap(oldmm, mm) 0
#define mm_pkey_is_allocated(mm, pkey) true
#define untagged_addr(addr) (addr)
#define untagged_addr_remote(mm, addr) (addr)
#define is_hugepage_only_range(mm, addr, len) 0
/* Every place is fixed: it only has to be one. */
#define get_unmapped_area(file, addr, len, pgoff, flags) \
	((len) > TASK_SIZE || (addr) > TASK_SIZE - (len) ? (unsigned long)-ENOMEM : (addr))
#define __get_unmapped_area(file, addr, len, pgoff, flags, ...) get_unmapped_area(file, addr, len, pgoff, flags)
#define vma_set_page_prot(vma) ((void)(vma))
#define vma_wants_writenotify(vma, prot) false
#define vm_get_page_prot(flags) ((pgprot_t) { 0 })
#define fatal_signal_pending(task) false
#define mm_flags_set(flag, mm) ((void)(mm))
#define mm_flags_test(flag, mm) false
#define pgtable_supports_soft_dirty() false
#define vma_soft_dirty_enabled(vma) false
#define vma_supports_mlock(vma) true

/* Features that are configured out without a no-op of the kernel's own. */
#define mpol_equal(a, b) true
#define mpol_put(policy) ((void)(policy))
#define vma_dup_policy(src, dst) 0
#define vma_policy(vma) ((struct mempolicy *)NULL)
#define uprobe_dup_mmap(oldmm, mm) ((void)(mm))
#define uprobe_start_dup_mmap() do {} while (0)
#define uprobe_end_dup_mmap() do {} while (0)
#define uprobe_mmap(vma) 0
#define uprobe_munmap(vma, start, end) ((void)(vma))
#define perf_event_mmap(vma) ((void)(vma))
#define mmu_notifier_release(mm) ((void)(mm))
#define mmu_notifier_range_init(range, ...) ((void)(range))
#define mmu_notifier_invalidate_range_start(range) ((void)(range))
#define mmu_notifier_invalidate_range_end(range) ((void)(range))
struct mmu_notifier_range {
	unsigned long start, end;
};
#define vma_adjust_trans_huge(...) do {} while (0)
#define hugetlb_split(vma, addr) ((void)(vma))
#define hugepage_madvise(vma, flags, advice) 0
#define khugepaged_enter_vma(vma, ...) ((void)(vma))
#define khugepaged_fork(mm, oldmm) ((void)(mm))
#define khugepaged_exit(mm) ((void)(mm))
#define ksm_fork(mm, oldmm) 0
#define ksm_exit(mm) ((void)(mm))
#define ksm_add_vma(vma) ((void)(vma))
#define ksm_vma_flags(mm, file, flags) (flags)
#define ksm_madvise(vma, ...) 0
#define lru_add_drain() do {} while (0)
#define validate_mm(mm) ((void)(mm))
#define userfaultfd_unmap_prep(vma, ...) 0
#define userfaultfd_unmap_complete(mm, uf) ((void)(uf))
#define dup_userfaultfd(vma, uf) 0
#define anon_vma_name(vma) NULL
#define trace_exit_mmap(mm) ((void)(mm))
#define blk_start_plug(plug) ((void)(plug))
#define blk_finish_plug(plug) ((void)(plug))
struct blk_plug {};

/* What madvise() does to pages is not this layer's. */
#define madvise_remove(...) (-EINVAL)
#define madvise_willneed(...) (-EINVAL)
#define madvise_cold(...) (-EINVAL)
#define madvise_pageout(...) (-EINVAL)
#define madvise_dontneed_free(...) (-EINVAL)
#define madvise_populate(...) (-EINVAL)
#define madvise_collapse(...) (-EINVAL)
#define madvise_guard_install(...) (-EINVAL)
#define madvise_guard_remove(...) (-EINVAL)
#define madvise_inject_error(...) (-EINVAL)
#define can_modify_mm_madv(...) true
#define can_modify_vma_madv(...) true

/* The maple tree's own debugging. */
#define TP_FCT 0
#define trace_vma_store(...) do {} while (0)
#define trace_vma_mas_szero(...) do {} while (0)
#define arch_vma_access_permitted(...) true
#define lock_sequence(...) do {} while (0)
#define trace_ma_op(...) do {} while (0)
#define trace_ma_read(...) do {} while (0)
#define trace_ma_write(...) do {} while (0)
#define pr_err(...) do {} while (0)
#define pr_warn(...) do {} while (0)
#define pr_info(...) do {} while (0)
#define pr_warn_once(...) do {} while (0)
#define pr_warn_ratelimited(...) do {} while (0)
#define mt_dump(...) do {} while (0)
#define mas_dump(...) do {} while (0)
#define mas_wr_dump(...) do {} while (0)
#define dump_stack() do {} while (0)
#define spin_lock_init(lock) ((void)(lock))
#define lockdep_is_held(lock) 1
#define lock_is_held(lock) 1
#define mas_lockdep_map(mas) NULL
#define gfpflags_allow_blocking(gfp) (!!((gfp) & __GFP_DIRECT_RECLAIM))

#define VM_WARN_ON_VMG(condition, vmg) ((void)WARN_ON(condition))
#define VM_WARN_ONCE(condition, ...) ((void)WARN_ON(condition))
#define VM_BUG_ON_MM(condition, mm) BUG_ON(condition)
#define WARN_ONCE(condition, ...) WARN_ON(condition)
#define WARN(condition, ...) WARN_ON(condition)
#define abs_diff(a, b) ((a) > (b) ? (a) - (b) : (b) - (a))

#define SYSCALL_DEFINE5(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	static unsigned long sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)

#endif
