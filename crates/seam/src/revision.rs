//! How a generation of `mm/rmap.c` behaves. Each behaviour is one named field.

macro_rules! revision {
    ($(#[$meta:meta])* { $($(#[$doc:meta])* $field:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize)]
        pub struct Revision {
            $($(#[$doc])* pub $field: bool,)*
        }

        impl Revision {
            /// The behaviours, by name, and whether this revision has them.
            pub fn behaviours(&self) -> impl Iterator<Item = (&'static str, bool)> {
                [$((stringify!($field), self.$field)),*].into_iter()
            }
        }
    };
}

revision! {
    /// How a generation behaves. The fields are independent: stable kernels take single patches of
    /// a series, so any combination may occur. "n/9" is the nth patch of "mm: clean up anon_vma
    /// implementation" (January 2026, merged for 7.0).
    {
        /// An anon_vma counts its children and its VMAs apart (2555283eb40d, CVE-2022-42703, 6.0). Without this there is one
        /// counter, `degree`, for both, and an anon_vma that has no child of its own can be reused while a VMA still has it.
        counts_apart,
        /// `__anon_vma_prepare()` asserts that the mmap lock is held (after 6.1).
        prepare_asserts_mmap_lock,
        /// `anon_vma_clone()` checks its arguments with WARNs and asserts that the source's mmap lock
        /// is held for writing, and `unlink_anon_vmas()` that it is held (1/9, 3/9).
        clone_and_unlink_assert,
        /// `anon_vma_fork()` allocates its anon_vma and avc before the clone, and frees them on
        /// reuse or error (2/9). Without this, it allocates them after the clone. If that fails, it passes
        /// the partial VMA to `unlink_anon_vmas()`.
        fork_preallocates,
        /// `anon_vma_clone()` and `unlink_anon_vmas()` return at once for a VMA without an
        /// anon_vma; unlink warns if such a VMA has a chain (3/9).
        unfaulted_skipped,
        /// `anon_vma_clone()` and `unlink_anon_vmas()` lock the root once, through the VMA's own
        /// anon_vma (4/9). Without this, they lock it through the first anon_vma on the chain.
        one_root_lock,
        /// `anon_vma_clone()` allocates all chain entries unlocked with GFP_KERNEL, then links
        /// them, which reverses the order of the chain; a failure frees what was allocated in
        /// `cleanup_partial_anon_vmas()` (8/9). Without this, each entry is allocated (GFP_NOWAIT, then
        /// unlocked GFP_KERNEL) and linked in turn, and a failure calls `unlink_anon_vmas()`.
        chains_preallocated,
        /// `cleanup_partial_anon_vmas()` clears `vma->anon_vma` (3a206a8649f8, a fix of 8/9).
        cleanup_clears_anon_vma,
        /// `anon_vma_clone()` takes the operation, and reuses an anon_vma for a fork only (9/9).
        /// Without this, it may reuse one whenever `dst->anon_vma` is NULL and the source has one.
        reuse_only_on_fork,
        /// The interval tree is keyed by `vma_start_anon_pgoff()` rather than `vm_pgoff` (7.3).
        keyed_by_anon_pgoff,
        /// `anon_vma_compatible()` also requires that the anonymous page offsets of the two VMAs are
        /// contiguous (7.3).
        compatible_by_anon_pgoff,
        /// The index of an anonymous folio is computed from the anonymous page offset of its VMA, and a walk computes
        /// the address from it (7.3).
        indexed_by_anon_pgoff,
        /// `unlink_anon_vmas()` clears `vma->anon_vma` ("mm: rmap: explicitly reset vma->anon_vma in
        /// unlink_anon_vmas()", 5.12). Before, the pointer stays: the VMA is always freed next.
        unlink_clears_anon_vma,
        /// An rmap walk that wants it gives up if another task holds the lock (6d4675e60135, 5.19). Before,
        /// every walk waits, and `rmap_walk_anon_lock()` does not try the lock first.
        walk_tries_lock,
        /// A VMA whose page offset stays is not taken out of its trees while its range changes: only the augmented
        /// values are made right (after 7.3).
        updates_in_place,
        /// A large folio remembers two mms that map it, and whether another may (since 6.15).
        remembers_mms,
        /// A large anonymous folio is locked in memory when all of it is mapped (after 6.12). Before, only a small one is.
        locks_whole_folios,
        /// `try_to_unmap()` and `folio_referenced()` treat entries in a row together, and count them to see whether a VMA
        /// locks all of a folio (after 6.12).
        walks_in_batches,
        /// `page_vma_mapped_walk()` goes on behind a huge page that is another folio's (7.3). Before, the walk of the VMA ends
        /// there.
        walk_passes_huge,
        /// `try_to_unmap()` drops a lazily freed huge page without splitting its mapping (after 6.12, until 7.2).
        unmap_drops_huge,
        /// `try_to_migrate()` that is to split huge pages does so where it comes to one (after 6.12). Before, it splits first, and
        /// then looks what maps the folio.
        migrate_splits_late,
        /// `try_to_unmap()` treats entries in a row together also in a VMA that userfaultfd write-protects (7.3).
        batches_protected,
        /// A page of zeros that becomes the zero page in a split stays write-protected by userfaultfd (6.18, and later stable
        /// releases).
        zero_page_keeps_uffd,
        /// A page of zeros that becomes the zero page in a split stays soft-dirty (6.18, and later stable releases).
        zero_page_keeps_soft_dirty,
        /// A page whose memory has failed is not taken for one of zeros in a split (6.18, and later stable releases).
        zero_page_spares_poisoned,
        /// A page that a device has for itself counts as mapped ("mm/rmap: keep mapcount untouched for device-exclusive entries",
        /// 6.15). Before, the device gets the whole folio by a walk, which unmaps it: references and counters of the mm stay.
        device_entries_count,
        /// A walk that looks for entries of migration passes those of a device ("mm/page_vma_mapped: device-exclusive entries are not
        /// migration entries", 6.15).
        migration_passes_devices,
        /// `try_to_migrate()` asks whether an entry is present before it reads a frame's number from it ("mm/rmap: handle
        /// device-exclusive entries correctly in try_to_migrate_one()", 6.15).
        migrate_asks_present,
        /// munmap splits the first VMA with the new VMA below the split: from 6.6 on.
        munmap_splits_first_below,
        /// munmap splits the last VMA with the new VMA above the split: from 6.3 on.
        munmap_splits_last_above,
    }
}

impl Revision {
    /// The generations known by name. A tree's own revision is detected from its source; these are for
    /// use without a tree.
    pub const GENERATIONS: &[(&'static str, Revision)] = &[
        ("5.10", Revision::V5_10),
        ("5.15", Revision::V5_15),
        ("6.1", Revision::V6_1),
        ("6.12", Revision::V6_12),
        ("7.2", Revision::V7_2),
        ("7.3", Revision::V7_3),
    ];

    const V5_10: Revision = Revision {
        counts_apart: true,
        prepare_asserts_mmap_lock: false,
        clone_and_unlink_assert: false,
        fork_preallocates: false,
        unfaulted_skipped: false,
        one_root_lock: false,
        chains_preallocated: false,
        cleanup_clears_anon_vma: false,
        reuse_only_on_fork: false,
        keyed_by_anon_pgoff: false,
        compatible_by_anon_pgoff: false,
        indexed_by_anon_pgoff: false,
        unlink_clears_anon_vma: false,
        walk_tries_lock: false,
        updates_in_place: false,
        remembers_mms: false,
        locks_whole_folios: false,
        walks_in_batches: false,
        walk_passes_huge: false,
        unmap_drops_huge: false,
        migrate_splits_late: false,
        batches_protected: false,
        zero_page_keeps_uffd: false,
        zero_page_keeps_soft_dirty: false,
        zero_page_spares_poisoned: false,
        device_entries_count: false,
        migration_passes_devices: false,
        migrate_asks_present: false,
        munmap_splits_first_below: false,
        munmap_splits_last_above: false,
    };
    const V5_15: Revision = Revision { unlink_clears_anon_vma: true, ..Revision::V5_10 };
    const V6_1: Revision = Revision { walk_tries_lock: true, ..Revision::V5_15 };
    const V6_12: Revision = Revision {
        prepare_asserts_mmap_lock: true,
        zero_page_keeps_uffd: true,
        zero_page_keeps_soft_dirty: true,
        zero_page_spares_poisoned: true,
        munmap_splits_first_below: true,
        munmap_splits_last_above: true,
        ..Revision::V6_1
    };
    const V7_2: Revision = Revision {
        clone_and_unlink_assert: true,
        fork_preallocates: true,
        unfaulted_skipped: true,
        one_root_lock: true,
        chains_preallocated: true,
        cleanup_clears_anon_vma: true,
        reuse_only_on_fork: true,
        remembers_mms: true,
        locks_whole_folios: true,
        walks_in_batches: true,
        unmap_drops_huge: true,
        migrate_splits_late: true,
        device_entries_count: true,
        migration_passes_devices: true,
        migrate_asks_present: true,
        ..Revision::V6_12
    };
    const V7_3: Revision = Revision {
        keyed_by_anon_pgoff: true,
        compatible_by_anon_pgoff: true,
        indexed_by_anon_pgoff: true,
        walk_passes_huge: true,
        unmap_drops_huge: false,
        batches_protected: true,
        ..Revision::V7_2
    };

    /// The revision of a known generation.
    pub fn of_generation(name: &str) -> Option<Revision> {
        Revision::GENERATIONS.iter().find(|(known, _)| *known == name).map(|(_, revision)| *revision)
    }
}

/// Lists the names of the behaviours that the revision has.
impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let has: Vec<&str> = self.behaviours().filter(|(_, has)| *has).map(|(name, _)| name).collect();
        f.write_str(if has.is_empty() { "base" } else { "" })?;
        f.write_str(&has.join(" "))
    }
}
