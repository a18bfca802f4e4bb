//! The invariants: number, name in words, what each holds, and where the kernel says so. Stated here once; docs/invariants.md
//! repeats the table, and a test holds it to that.

use std::fmt;

macro_rules! invariants {
    ($($variant:ident $slug:literal $title:literal $text:literal $source:literal;)*) => {
        /// A rule that the data structure keeps, from its documentation (the comments at
        /// `struct anon_vma`, `struct anon_vma_chain`, and in Documentation/mm).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum Invariant { $(#[doc = $text] $variant),* }

        impl Invariant {
            /// Every invariant, in order.
            pub const ALL: &'static [Invariant] = &[$(Invariant::$variant),*];

            /// Its number, or short name: `I10`. Signatures begin with it.
            pub fn name(self) -> &'static str {
                match self { $(Invariant::$variant => stringify!($variant)),* }
            }

            /// The one that a signature begins with: `I10 failed call left …`.
            pub fn of_signature(signature: &str) -> Option<Invariant> {
                let name = signature.split_whitespace().find(|&word| word != "violate")?;
                Invariant::ALL.iter().copied().find(|invariant| invariant.name() == name)
            }

            /// Its name in words: `all-or-nothing`.
            pub fn slug(self) -> &'static str {
                match self { $(Invariant::$variant => $slug),* }
            }

            /// What it is about, as the JSON form has always said it.
            pub fn title(self) -> &'static str {
                match self { $(Invariant::$variant => $title),* }
            }

            /// What it holds, in a sentence.
            pub fn text(self) -> &'static str {
                match self { $(Invariant::$variant => $text),* }
            }

            /// Where the kernel says so: file, structure or function.
            pub fn source(self) -> &'static str {
                match self { $(Invariant::$variant => $source),* }
            }
        }
    };
}

invariants! {
    I1 "chain-iff-anon-vma" "anon_vma and chain"
       "`vma->anon_vma` is set if and only if the VMA's chain is not empty; `vma->anon_vma` and its root are each on the chain exactly once."
       "`include/linux/rmap.h` struct anon_vma_chain; `mm/rmap.c` `__anon_vma_prepare()`, `unlink_anon_vmas()`";
    I2 "chain-entry-links" "chain entries"
       "The VMA of a chain entry owns the list that the entry is on, the entry is in the tree of its anon_vma, and no anon_vma is on a chain twice."
       "`include/linux/rmap.h` struct anon_vma_chain; `mm/rmap.c` `anon_vma_chain_link()` (6.1), `anon_vma_chain_assign()`";
    I3 "one-root" "one root"
       "All anon_vmas of a chain share one root; a root is its own root and its own parent, no other anon_vma is its own parent, and a parent has the same root."
       "`include/linux/rmap.h` struct anon_vma; `mm/rmap.c` `anon_vma_fork()`, `lock_anon_vma_root()` (6.x)";
    I4 "tree-holds-attached" "tree membership"
       "The tree of a live anon_vma holds exactly the VMAs that have it on their chains. The tree is not empty, unless a reference from outside keeps the anon_vma live. A VMA that has an anon_vma on its chain has the parent on it too."
       "`mm/rmap.c` `unlink_anon_vmas()`, `__put_anon_vma()`";
    I5 "counters-match" "counters"
       "`num_active_vmas` is the number of VMAs whose `vma->anon_vma` points to the anon_vma. `num_children` is the number of live anon_vmas whose parent it is; a root counts itself."
       "`include/linux/rmap.h` struct anon_vma; `mm/rmap.c` `anon_vma_fork()`, `unlink_anon_vmas()`";
    I6 "refcount-accounted" "reference count"
       "The refcount is 1 while VMAs are in the tree, plus 1 for each reference from outside (`folio_get_anon_vma()`); a root has 1 more for each live anon_vma below it."
       "`include/linux/rmap.h` struct anon_vma, `get_anon_vma()`, `put_anon_vma()` (7.x: `mm/internal.h`)";
    I7 "same-anon-vma-same-chain" "same anon_vma, same chain"
       "VMAs with the same `vma->anon_vma` belong to one process, and have the same set of anon_vmas on their chains (in 6.x also in the same order)."
       "`mm/vma.c` (6.1: `mm/mmap.c`) `reusable_anon_vma()`, `dup_anon_vma()`";
    I8 "interval-tree-valid" "interval tree"
       "The tree is a red-black tree ordered by page offset, its leftmost node is cached, and `rb_subtree_last` is right at every node; a VMA's range (after 7.3: its page offset) does not change while its entries are in trees."
       "`lib/rbtree.c`; `include/linux/interval_tree_generic.h`; `mm/interval_tree.c`";
    I9 "walk-finds-every-page" "the walk finds every page"
       "An rmap walk reaches every VMA and page that maps a folio. Any other VMA that it reaches could map the folio at that page. The folio's anon_vma is live, is on the chain of each VMA that maps the folio, and is the root if the folio may be shared."
       "`mm/rmap.c` `rmap_walk_anon()`, `__folio_set_anon()` (6.1: `__page_set_anon_rmap()`), `folio_move_anon_rmap()`";
    I10 "all-or-nothing" "all or nothing"
       "After success the destination's chain has the source's anon_vmas, and after a fork without reuse also a new one. After failure every object that existed before the call is as it was. Only an anon_vma that is not a root, has no active VMA and has at most one child is reused."
       "`mm/rmap.c` `anon_vma_clone()`, `anon_vma_fork()`, `maybe_reuse_anon_vma()` (7.x)";
    I11 "locks-and-warnings" "locks and warnings"
       "No lock is held on return, no allocation sleeps under an anon_vma lock, a tree changes only under its root's write lock, a VMA that others can find changes only under its own lock (from 6.5), and the code warns of nothing. A frame or a page table is not freed, and so not used again, before the TLB of every mm that mapped it was flushed; when an operation ends no TLB holds a translation that allows more than its entry. A page table is freed only when it is empty, and with its range only after `unlink_anon_vmas()` and the removal from the tree of the file of every VMA that lies over it."
       "`mm/rmap.c` lock ordering at the head of the file, `anon_vma_lock_write()`; Documentation/mm/process_addrs.rst; `mm/memory.c` `free_pgtables()`; `mm/mmu_gather.c` `tlb_flush_mmu()`; Documentation/core-api/cachetlb.rst; every WARN and BUG of the extracted code";
    I12 "nothing-left" "nothing left"
       "After the last exit no object is live, and no frame, page table or slot of the swap device is in use."
       "`mm/mmap.c` `exit_mmap()`; `mm/rmap.c` `unlink_anon_vmas()`, `__put_anon_vma()`; `mm/memory.c` `free_pgtables()`";
    Growth "bounded-growth" "growth"
       "A chain has at most 2 * N + 2 entries. N is the largest number of VMAs that were live at the same time."
       "`mm/rmap.c` `anon_vma_clone()` (the fix 7a3ef208e662), `maybe_reuse_anon_vma()` (7.x)";
    VmaTree "vma-tree-matches" "VMA tree"
       "The tree of an mm holds its VMAs in order and without overlap, at their ranges; `map_count` and `total_vm` count them and their pages; the tree is in RCU mode."
       "`mm/vma.c` (6.1: `mm/mmap.c`) `validate_mm()`; `kernel/fork.c` or `mm/mmap.c` `dup_mmap()`";
    Asked "operation-did-what-was-asked" "what was asked"
       "After an operation, every page that it was asked to map, unmap, copy or move is as asked, and no other page changed. A process finds at a page what it wrote there last, wherever the page went meanwhile. The operation fails with ENOMEM only if an allocation was made to fail. `migrate` succeeds if nobody else has a reference to the folio, unless the folio is marked partially mapped. `split` succeeds if nobody else has a reference, and leaves folios of one page. Nothing maps a page after `poison` has succeeded. A page stays write-protected by userfaultfd wherever it goes (swap, migration, a device, a split), until its VMA is not registered any more. A VMA that has pages is soft-dirty (`VM_SOFTDIRTY`): nobody clears that here. A page that is soft-dirty stays so wherever it goes while it is mapped, and is so after a write fault, unless a device had it, and where `move` put it; so is a child's page if its parent's is, unless pages of a large folio are copied together. A page that counts as used (the accessed bit) does so until somebody asks who used it, or until it goes to the swap device or to a device; migration and a move leave the bit as it is, but pages of a large folio that are moved together may all get it. The operation leaves no untouched anonymous memory whose page offset differs from its address, except in a child's copy of a VMA that was moved and has MADV_WIPEONFORK. Neighbours that the operation made alike are one VMA if they have the same anon_vma, or if at most one has an anon_vma and no fork made that VMA. A VMA that a fork made does not merge with memory that was never written to."
       "the manual pages mmap(2), munmap(2), mremap(2), mprotect(2), madvise(2), fork(2); Documentation/admin-guide/mm/soft-dirty.rst; `include/linux/swapops.h` `make_migration_entry_young()`";
    Mapcount "mapcount-counts-entries" "mapcount"
       "The mapcount of a frame is the number of PTEs that map it. A large folio counts its PTEs and PMDs (`_large_mapcount`), its PMDs (`_entire_mapcount`), and the pages that PTEs map (`_nr_pages_mapped`), and is shared if two mms map it. It is marked partially mapped and on the deferred split list if it is anonymous, not in the swap cache, of more than two pages and only partly mapped, unless it has been migrated. One that is marked is on the list; all of it is mapped only if it was marked while a migration, a split or reclaim had taken out its entries. One that is on the list and not marked may be underused. The list has these folios and no other, and counts them. An entry of a device does not count as a mapping before 6.15. The references of a folio are those of its entries, also of a device, the page cache, the swap cache, pins, a migration that is under way, and of whoever keeps a page whose memory has failed. A folio is locked only during a migration. An entry names a frame that is in use, and lies in a VMA."
       "`include/linux/mm.h` `folio_mapcount()`; Documentation/mm/transhuge.rst; `mm/rmap.c` `__folio_add_rmap()`, `__folio_remove_rmap()`; `mm/huge_memory.c` `deferred_split_folio()`";
    Exclusive "writable-iff-exclusive" "exclusive pages"
       "A writable entry lies in a writable VMA. In a private VMA it maps an anonymous page that is marked exclusive, in a shared VMA a page of the file. A folio that a PMD maps is marked on its first page only. A device has only such a page for itself; before 6.15 it has the other pages of a large folio, too. A page that is marked exclusive has one entry, and so has one that comes back from migration exclusive. A folio of one page that becomes exclusive while it is mapped gets the anon_vma of the VMA. A page that is pinned stays exclusive while it is mapped."
       "`include/linux/page-flags.h` `PG_anon_exclusive`; `include/linux/rmap.h` `folio_try_dup_anon_rmap_pte()`, `folio_try_share_anon_rmap_pte()`; `mm/rmap.c` `folio_move_anon_rmap()`";
    Rss "counters-count-pages" "page counters"
       "The counters of an mm are the numbers of its entries that map anonymous pages, pages of files, and slots of the swap device; `pgtables_bytes` counts its page tables; NR_ANON_MAPPED and NR_FILE_MAPPED count the pages that are mapped, NR_ANON_THPS those that are mapped as huge pages."
       "`include/linux/mm_types_task.h`; `include/linux/mmzone.h` enum node_stat_item; `mm/rmap.c` `__folio_mod_stat()`";
    Dirty "written-pages-are-dirty" "dirty pages"
       "If a page of a file has content that is not in the file yet, its folio or an entry that maps it is dirty. When it has been written back, no entry lets a process write to it, or says that one did."
       "`mm/rmap.c` `folio_mkclean()`; `mm/page-writeback.c` `folio_clear_dirty_for_io()`; Documentation/filesystems/vfs.rst";
    Uffd "write-protected-and-registered" "userfaultfd"
       "An entry that userfaultfd has write-protected is not writable, and lies in a VMA that is registered for it. A child and the new place of a move are not registered."
       "Documentation/admin-guide/mm/userfaultfd.rst; `mm/userfaultfd.c` `userfaultfd_clear_vma()`; there, or in `fs/userfaultfd.c` (6.x), `dup_userfaultfd()`, `mremap_userfaultfd_prep()`";
    Swap "slots-count-entries" "swap slots"
       "The count of a slot of the swap device is the number of entries that name it. An entry that is marked exclusive is the only one of its slot."
       "`mm/swapfile.c` `swap_dup_entry_direct()`, `folio_dup_swap()` (7.x), `swap_duplicate()` (6.x); `include/linux/pgtable.h` `pte_swp_exclusive()`; `mm/memory.c` `check_swap_exclusive()`";
}

impl Invariant {
    /// The rows of the table in docs/invariants.md: `| number | slug | what it holds | source |`.
    pub fn table() -> String {
        let row = |i: &Invariant| format!("| {} | `{}` | {} | {} |\n", i.name(), i.slug(), i.text(), i.source());
        Invariant::ALL.iter().map(row).collect()
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Invariant;

    #[test]
    fn a_signature_begins_with_its_invariant() {
        for &invariant in Invariant::ALL {
            for text in [format!("{invariant} refcount"), format!("violate {invariant} refcount")] {
                assert_eq!(Invariant::of_signature(&text), Some(invariant));
            }
        }
        for text in ["", "violate", "differ anon_vma_fork events: nothing vs get", "I999 refcount"] {
            assert_eq!(Invariant::of_signature(text), None, "{text}");
        }
    }
}
