//! The calls of the seam. Each call is declared here, once.
//!
//! [`for_each_call!`](crate::for_each_call) has one row for each call: its class, its name in Rust, its number in the C
//! interface, the member of `struct rmap_call` that holds its arguments, the kernel function that it stands for, and the
//! arguments themselves. The enum, the names, the text form and the classes are made from these rows. The crate that compiles
//! the C makes the encoding and decoding from the same rows, with the numbers and structures of csrc/rmap_abi.h.
//!
//! To add a call, write its number and structure in csrc/rmap_abi.h, its row here, a case in csrc/reference.c for the C, and an
//! arm in crates/port/src/lib.rs for the port. If one of them is missing, the compiler reports it.

use std::fmt;

use super::{
    AnonVmaId, Entry, FolioFound, FolioId, MmId, VmaAttributes, VmaId, VmaOperation, VmaRange, WalkFlags, WalkMode,
};

/// Hands every call to a macro, as rows of
/// `class Variant NUMBER member "kernel function" { argument: type, ... }`.
#[macro_export]
macro_rules! for_each_call {
    ($define:ident) => {
        $define! {
            /// `mmap_write_lock()`. Returns 0.
            MmapLock MmapWriteLock RMAP_MMAP_WRITE_LOCK mmap_write_lock "mmap_write_lock" {
                /// Whose lock.
                mm: MmId,
            },
            /// `mmap_read_lock()`. Returns 0.
            MmapLock MmapReadLock RMAP_MMAP_READ_LOCK mmap_read_lock "mmap_read_lock" {
                /// Whose lock.
                mm: MmId,
            },
            /// `mmap_write_unlock()` or `mmap_read_unlock()`, whichever is held. Returns 0.
            MmapLock MmapUnlock RMAP_MMAP_UNLOCK mmap_unlock "mmap_unlock" {
                /// Whose lock.
                mm: MmId,
            },
            /// `vm_area_alloc()`. The VMA then gets its range, and the attributes [`VmaAttributes::anonymous`]. Makes one
            /// allocation attempt.
            /// Returns the new [`VmaId`] or `-ENOMEM`.
            VmaAlloc VmAreaAlloc RMAP_VM_AREA_ALLOC vm_area_alloc "vm_area_alloc" {
                /// Owner.
                mm: MmId,
                /// Where it lies.
                range: VmaRange,
            },
            /// `vm_area_dup()` (kernel/fork.c, mm/vma_init.c in 7.x): copies every field but two. The chain of the
            /// copy is empty, and the copy is not attached. The caller then writes `mm` and `range` into the copy;
            /// `anon_pgoff` changes by as much as `pgoff`. Makes one allocation attempt.
            /// Returns the new [`VmaId`] or `-ENOMEM`.
            VmaWrite VmAreaDup RMAP_VM_AREA_DUP vm_area_dup "vm_area_dup" {
                /// What is copied.
                orig: VmaId,
                /// Owner of the copy.
                mm: MmId,
                /// Where the copy lies.
                range: VmaRange,
            },
            /// `vm_area_free()`. Returns 0.
            VmaWrite VmAreaFree RMAP_VM_AREA_FREE vm_area_free "vm_area_free" {
                /// What is freed.
                vma: VmaId,
            },
            /// The owner writes `vm_start`, `vm_end` and `vm_pgoff`; `anon_pgoff` is set to `vm_pgoff`. Returns 0.
            VmaWrite VmaSetRange RMAP_VMA_SET_RANGE vma_set_range "vma_set_range" {
                /// Which.
                vma: VmaId,
                /// Where it lies from now on.
                range: VmaRange,
            },
            /// The owner writes the [`VmaAttributes`]. Returns 0.
            VmaWrite VmaSetAttributes RMAP_VMA_SET_ATTRIBUTES vma_set_attributes "vma_set_attributes" {
                /// Which.
                vma: VmaId,
                /// Its attributes from now on.
                attributes: VmaAttributes,
            },
            /// The owner writes `vm_mm`. Returns 0.
            VmaWrite VmaSetMm RMAP_VMA_SET_MM vma_set_mm "vma_set_mm" {
                /// Which.
                vma: VmaId,
                /// Its owner from now on.
                mm: MmId,
            },
            /// The VMA code itself writes `vma->anon_vma`. `dup_anon_vma()` does so before it clones, and so does a fork of
            /// a VMA with `VM_WIPEONFORK`. Returns 0.
            VmaWrite VmaSetAnonVma RMAP_VMA_SET_ANON_VMA vma_set_anon_vma "vma_set_anon_vma" {
                /// Which.
                vma: VmaId,
                /// Its anon_vma from now on.
                anon_vma: Option<AnonVmaId>,
            },
            /// `vma_mark_attached()`: the VMA is in the mm's tree. Returns 0.
            VmaWrite VmaMarkAttached RMAP_VMA_MARK_ATTACHED vma_mark_attached "vma_mark_attached" {
                /// Which.
                vma: VmaId,
            },
            /// `vma_mark_detached()`. Returns 0.
            VmaWrite VmaMarkDetached RMAP_VMA_MARK_DETACHED vma_mark_detached "vma_mark_detached" {
                /// Which.
                vma: VmaId,
            },
            /// `anon_vma_prepare()`. `prev` and `next` are the VMAs that the VMA iterator of
            /// `find_mergeable_anon_vma()` will find; `prev` need not touch the VMA.
            /// Returns 0 or `-ENOMEM`.
            AnonVma AnonVmaPrepare RMAP_ANON_VMA_PREPARE anon_vma_prepare "anon_vma_prepare" {
                /// The faulting VMA.
                vma: VmaId,
                /// The VMA below it in its mm.
                prev: Option<VmaId>,
                /// The VMA that contains its end address, if any.
                next: Option<VmaId>,
            },
            /// `anon_vma_clone()`. Returns 0 or `-ENOMEM`.
            AnonVma AnonVmaClone RMAP_ANON_VMA_CLONE anon_vma_clone "anon_vma_clone" {
                /// The VMA that gets the chain entries.
                dst: VmaId,
                /// The VMA whose chain is cloned.
                src: VmaId,
                /// Why it is cloned.
                operation: VmaOperation,
            },
            /// `anon_vma_fork()`. Returns 0 or `-ENOMEM`.
            AnonVma AnonVmaFork RMAP_ANON_VMA_FORK anon_vma_fork "anon_vma_fork" {
                /// The child's VMA.
                vma: VmaId,
                /// The parent's VMA.
                pvma: VmaId,
            },
            /// `unlink_anon_vmas()`. Returns 0.
            AnonVma UnlinkAnonVmas RMAP_UNLINK_ANON_VMAS unlink_anon_vmas "unlink_anon_vmas" {
                /// Which.
                vma: VmaId,
            },
            /// The anonymous half of `vma_prepare()` (mm/vma.c; `__vma_adjust()` of 6.1): if the VMA has
            /// an anon_vma, locks it and takes the VMA out of every interval tree. The lock stays held
            /// until [`Call::PostUpdateVma`]. Returns 0.
            AnonVma PreUpdateVma RMAP_PRE_UPDATE_VMA pre_update_vma "vma_prepare" {
                /// The VMA about to change its range.
                vma: VmaId,
                /// Whether its page offset, by which its chain entries are sorted, stays. Kernels that update in place
                /// leave the entries in their trees then.
                offset_stays: bool,
            },
            /// The anonymous half of `vma_complete()`: puts the VMA back into the trees, and unlocks.
            /// Returns 0.
            AnonVma PostUpdateVma RMAP_POST_UPDATE_VMA post_update_vma "vma_complete" {
                /// The VMA that changed its range.
                vma: VmaId,
                /// Whether its page offset, by which its chain entries are sorted, stays. Kernels that update in place
                /// leave the entries in their trees then.
                offset_stays: bool,
            },
            /// `anon_vma_lock_write()` by the VMA code, which keeps the lock during the calls that follow. Returns 0.
            AnonVma AnonVmaLockWrite RMAP_ANON_VMA_LOCK_WRITE anon_vma_lock_write "anon_vma_lock_write" {
                /// Whose root's lock.
                anon_vma: AnonVmaId,
            },
            /// `anon_vma_unlock_write()` by the VMA code. Returns 0.
            AnonVma AnonVmaUnlockWrite RMAP_ANON_VMA_UNLOCK_WRITE anon_vma_unlock_write "anon_vma_unlock_write" {
                /// Whose root's lock.
                anon_vma: AnonVmaId,
            },
            /// `anon_vma_interval_tree_pre_update_vma()` (`anon_rmap_tree_` in 7.3), under the lock: the VMA leaves every tree.
            /// Returns 0.
            AnonVma TreePreUpdateVma RMAP_TREE_PRE_UPDATE_VMA tree_pre_update_vma "tree_pre_update_vma" {
                /// The VMA about to change its range.
                vma: VmaId,
                /// Whether its page offset, by which its chain entries are sorted, stays. Kernels that update in place
                /// leave the entries in their trees then.
                offset_stays: bool,
            },
            /// `anon_vma_interval_tree_post_update_vma()`: the VMA enters the trees again. Returns 0.
            AnonVma TreePostUpdateVma RMAP_TREE_POST_UPDATE_VMA tree_post_update_vma "tree_post_update_vma" {
                /// The VMA that changed its range.
                vma: VmaId,
                /// Whether its page offset, by which its chain entries are sorted, stays. Kernels that update in place
                /// leave the entries in their trees then.
                offset_stays: bool,
            },
            /// `__folio_set_anon()` (`__page_set_anon_rmap()` in 6.1) of a new folio, which is locked: it gets an anon_vma
            /// and an index. Returns 0.
            Folio FolioSetAnon RMAP_FOLIO_SET_ANON folio_set_anon "__folio_set_anon" {
                /// The folio: a number that is not in use.
                folio: FolioId,
                /// The VMA that maps it.
                vma: VmaId,
                /// The virtual page at which it is mapped.
                page: u64,
                /// Whether no other process can have it.
                exclusive: bool,
            },
            /// `folio_move_anon_rmap()` (`page_move_anon_rmap()` in 6.1): the folio, which is locked, has no other user.
            /// Returns 0.
            Folio FolioMoveAnonRmap RMAP_FOLIO_MOVE_ANON_RMAP folio_move_anon_rmap "folio_move_anon_rmap" {
                /// The folio.
                folio: FolioId,
                /// The VMA that maps it.
                vma: VmaId,
            },
            /// `UFFDIO_MOVE` has moved a folio, and sets its index to that of the new place. Returns 0.
            Folio FolioSetIndex RMAP_FOLIO_SET_INDEX folio_set_index "folio_set_index" {
                /// The folio.
                folio: FolioId,
                /// The VMA that maps it.
                vma: VmaId,
                /// The virtual page at which it is mapped from now on.
                page: u64,
            },
            /// The last mapping of the folio is gone and the folio is freed, so its number is free again. Returns 0.
            Folio FolioFree RMAP_FOLIO_FREE folio_free "folio_free" {
                /// The folio.
                folio: FolioId,
            },
            /// `folio_get_anon_vma()` of a locked folio. Returns the [`AnonVmaId`], or `-ENOENT` if there is none.
            Folio FolioGetAnonVma RMAP_FOLIO_GET_ANON_VMA folio_get_anon_vma "folio_get_anon_vma" {
                /// The folio.
                folio: FolioId,
                /// Whether it is mapped anywhere.
                mapped: bool,
            },
            /// `put_anon_vma()` of a reference that [`Call::FolioGetAnonVma`] gave. Returns 0.
            Folio PutAnonVma RMAP_PUT_ANON_VMA put_anon_vma "put_anon_vma" {
                /// The anon_vma.
                anon_vma: AnonVmaId,
            },
            /// `rmap_walk_anon()` of a locked folio. Records an [`EventKind::Visit`] for each VMA and page that it visits.
            /// Returns the number of visits, or `-EAGAIN` if it did not get the lock.
            Folio RmapWalkAnon RMAP_RMAP_WALK_ANON rmap_walk_anon "rmap_walk_anon" {
                /// The folio.
                folio: FolioId,
                /// Whether it is mapped anywhere.
                mapped: bool,
                /// How the walk gets the lock.
                mode: WalkMode,
            },
            /// A folio is allocated, which nothing maps, and whose mapping is none. Its number is that of its first frame.
            /// [`Call::FolioFree`] ends it. Returns 0.
            FolioWrite FolioAlloc RMAP_FOLIO_ALLOC folio_alloc "folio_alloc" {
                /// The folio: a number that is not in use.
                folio: FolioId,
                /// It has `1 << order` pages.
                order: u32,
            },
            /// `folio->mapping` and `folio->index` were written by their owner, as migration does. Returns 0.
            FolioWrite FolioSetMapping RMAP_FOLIO_SET_MAPPING folio_set_mapping "folio_set_mapping" {
                /// The folio.
                folio: FolioId,
                /// Its anon_vma from now on; none: it is no anonymous folio.
                anon_vma: Option<AnonVmaId>,
                /// Its index from now on; 0 without an anon_vma.
                index: u64,
            },
            /// `SetPageAnonExclusive()` or `ClearPageAnonExclusive()` by the owner of the page. Returns 0.
            FolioWrite FolioSetExclusive RMAP_FOLIO_SET_EXCLUSIVE folio_set_exclusive "SetPageAnonExclusive" {
                /// The folio.
                folio: FolioId,
                /// Which of its pages.
                first: u32,
                /// Whether it is one process's alone from now on.
                exclusive: bool,
            },
            /// A large folio that nothing maps becomes several: `__split_unmapped_folio()` (`__split_huge_page()` in 6.12).
            /// Returns 0.
            FolioWrite FolioSplit RMAP_FOLIO_SPLIT folio_split "split_folio" {
                /// The folio; the others follow it.
                folio: FolioId,
                /// The order of each.
                order: u32,
            },
            /// A large folio is put on the list of folios to split, or taken off it, by what is no call of the reverse map: a
            /// fault does so with a huge page of which much may not be used. Returns 0.
            FolioWrite FolioSetDeferred RMAP_FOLIO_SET_DEFERRED folio_set_deferred "deferred_split_folio" {
                /// The folio.
                folio: FolioId,
                /// Whether it is on the list from now on.
                deferred: bool,
                /// Whether it is marked as partially mapped.
                partially_mapped: bool,
            },
            /// `folio_add_new_anon_rmap()`: a new folio is mapped for the first time. Returns 0.
            Mapping FolioAddNewAnonRmap RMAP_FOLIO_ADD_NEW_ANON_RMAP folio_add_new_anon_rmap "folio_add_new_anon_rmap" {
                /// The folio.
                folio: FolioId,
                /// The VMA that maps it.
                vma: VmaId,
                /// The virtual page at which it is mapped.
                page: u64,
                /// Whether no other process can have it.
                exclusive: bool,
            },
            /// `folio_add_anon_rmap_ptes()` or `folio_add_anon_rmap_pmd()`: entries map pages of an anonymous folio again. Returns 0.
            Mapping FolioAddAnonRmap RMAP_FOLIO_ADD_ANON_RMAP folio_add_anon_rmap "folio_add_anon_rmap_ptes" {
                /// The folio.
                folio: FolioId,
                /// Which of its pages is the first.
                first: u32,
                /// How many pages.
                count: u32,
                /// The VMA that maps them.
                vma: VmaId,
                /// The virtual page at which the first is mapped.
                page: u64,
                /// Whether no other process can have them.
                exclusive: bool,
                /// Whether it is one entry of a higher level, which maps all of them.
                huge: bool,
            },
            /// `folio_add_file_rmap_ptes()`: entries of a page table map pages of a file's folio. Returns 0.
            Mapping FolioAddFileRmap RMAP_FOLIO_ADD_FILE_RMAP folio_add_file_rmap "folio_add_file_rmap_ptes" {
                /// The folio.
                folio: FolioId,
                /// Which of its pages is the first.
                first: u32,
                /// How many pages.
                count: u32,
                /// The VMA that maps them.
                vma: VmaId,
            },
            /// `folio_remove_rmap_ptes()` or `folio_remove_rmap_pmd()`: entries map pages of a folio no longer. Returns 0.
            Mapping FolioRemoveRmap RMAP_FOLIO_REMOVE_RMAP folio_remove_rmap "folio_remove_rmap_ptes" {
                /// The folio.
                folio: FolioId,
                /// Which of its pages is the first.
                first: u32,
                /// How many pages.
                count: u32,
                /// The VMA that mapped them.
                vma: VmaId,
                /// Whether it is one entry of a higher level, which maps all of them.
                huge: bool,
            },
            /// `folio_dup_file_rmap_ptes()` or `folio_dup_file_rmap_pte()`: a fork copies entries. Returns 0.
            Mapping FolioDupFileRmap RMAP_FOLIO_DUP_FILE_RMAP folio_dup_file_rmap "folio_dup_file_rmap_ptes" {
                /// The folio.
                folio: FolioId,
                /// Which of its pages is the first.
                first: u32,
                /// How many pages.
                count: u32,
                /// The child's VMA, where the kernel is told (since 6.15).
                child: Option<VmaId>,
            },
            /// `folio_try_dup_anon_rmap_ptes()`, for one page or several, or `folio_try_dup_anon_rmap_pmd()`: a fork copies
            /// entries, and the pages are no longer one process's alone. Returns 0, or `-EBUSY`: the parent may have pinned them.
            Mapping FolioTryDupAnonRmap RMAP_FOLIO_TRY_DUP_ANON_RMAP folio_try_dup_anon_rmap "folio_try_dup_anon_rmap_ptes" {
                /// The folio.
                folio: FolioId,
                /// Which of its pages is the first.
                first: u32,
                /// How many pages.
                count: u32,
                /// The child's VMA, where the kernel is told (since 6.15).
                child: Option<VmaId>,
                /// The parent's VMA.
                vma: VmaId,
                /// Whether the parent may have pinned the pages.
                pinned: bool,
                /// Whether it is one entry of a higher level, which maps all of them.
                huge: bool,
            },
            /// `folio_try_share_anon_rmap_pte()` or `folio_try_share_anon_rmap_pmd()`: before an entry goes to swap or to
            /// migration, its page is no longer one process's alone. Returns 0, or `-EBUSY`: it may be pinned.
            Mapping FolioTryShareAnonRmap RMAP_FOLIO_TRY_SHARE_ANON_RMAP folio_try_share_anon_rmap "folio_try_share_anon_rmap_pte" {
                /// The folio.
                folio: FolioId,
                /// Which of its pages is the first.
                first: u32,
                /// How many pages.
                count: u32,
                /// Whether the page may be pinned.
                pinned: bool,
                /// Whether it is one entry of a higher level, which maps all of them.
                huge: bool,
            },
            /// A page table entry is written: by the page-table code, or by the hardware, which notes accesses in it; not by
            /// a walk of those that follow. Returns 0.
            EntryWrite EntrySet RMAP_ENTRY_SET entry_set "set_pte" {
                /// Of whose page tables.
                mm: MmId,
                /// Of which virtual page.
                page: u64,
                /// The entry from now on.
                entry: Entry,
            },
            /// A table of the level above the lowest is there from now on, or not any more. Returns 0.
            EntryWrite TableSet RMAP_TABLE_SET table_set "pud_populate" {
                /// Of whose page tables.
                mm: MmId,
                /// The first virtual page of those that it is for.
                page: u64,
                /// Whether it is there.
                present: bool,
            },
            /// `try_to_unmap()` of a folio: its entries become those of its slots of the swap device, or none.
            /// Returns 0.
            Mapping TryToUnmap RMAP_TRY_TO_UNMAP try_to_unmap "try_to_unmap" {
                /// The folio.
                folio: FolioId,
                /// What the caller wants.
                flags: WalkFlags,
                /// What is found of the folio.
                found: FolioFound,
            },
            /// `try_to_migrate()` of a folio: its entries become migration entries. Returns 0.
            Mapping TryToMigrate RMAP_TRY_TO_MIGRATE try_to_migrate "try_to_migrate" {
                /// The folio.
                folio: FolioId,
                /// What the caller wants.
                flags: WalkFlags,
                /// What is found of the folio.
                found: FolioFound,
            },
            /// `folio_referenced()` of a folio: through how many mappings it was used, which it forgets. Returns
            /// that number, or -1: another task holds the lock.
            Mapping FolioReferenced RMAP_FOLIO_REFERENCED folio_referenced "folio_referenced" {
                /// The folio.
                folio: FolioId,
                /// Whether the caller has locked it.
                locked: bool,
                /// What is found of the folio.
                found: FolioFound,
            },
            /// `remove_migration_ptes()`: migration entries become entries that map a page of a folio. Returns 0.
            Mapping RemoveMigrationPtes RMAP_REMOVE_MIGRATION_PTES remove_migration_ptes "remove_migration_ptes" {
                /// The folio whose pages the migration entries name.
                folio: FolioId,
                /// The folio whose pages take their place, or the same.
                to: FolioId,
                /// What the caller wants.
                flags: WalkFlags,
                /// What is found of that.
                found: FolioFound,
            },
            /// `folio_mkclean()` of a page of a file: no entry of shared memory may write to it any more, or says that it
            /// did. Returns how many were changed.
            Mapping FolioMkclean RMAP_FOLIO_MKCLEAN folio_mkclean "folio_mkclean" {
                /// The folio.
                folio: FolioId,
                /// What is found of the folio.
                found: FolioFound,
            },
            /// `folio_make_device_exclusive()` of a folio, until 6.14: its entries become those of a device, which do not count
            /// as mappings. Returns whether the device has all of it, and the process could write to the page.
            Mapping FolioMakeDeviceExclusive RMAP_FOLIO_MAKE_DEVICE_EXCLUSIVE folio_make_device_exclusive "folio_make_device_exclusive" {
                /// The folio.
                folio: FolioId,
                /// The process for whose page a driver has asked.
                mm: MmId,
                /// That page: the folio's first.
                page: u64,
                /// What is found of the folio.
                found: FolioFound,
            },
            /// Before a walk of a page of a file: which of the VMAs that have the page comes next in the file's tree. Returns
            /// 0.
            TreeOrder FileTreeNext RMAP_FILE_TREE_NEXT file_tree_next "file_tree_next" {
                /// The VMA.
                vma: VmaId,
            },
        }
    };
}

/// The class of a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallClass {
    /// The mmap lock is taken or released.
    MmapLock,
    /// A VMA is allocated.
    VmaAlloc,
    /// A VMA is copied, freed or written to by its owner.
    VmaWrite,
    /// A call of the reverse map on VMAs and anon_vmas.
    AnonVma,
    /// A call of the reverse map on a folio, or on a reference that such a call returned.
    Folio,
    /// A folio is allocated, or written to by its owner.
    FolioWrite,
    /// A call of the reverse map that counts, or changes, what maps the pages of a folio.
    Mapping,
    /// A page table entry is written.
    EntryWrite,
    /// The order of a file's tree is told.
    TreeOrder,
}

macro_rules! define_calls {
    ($(
        $(#[$doc:meta])*
        $class:ident $variant:ident $number:ident $member:ident $name:literal {
            $($(#[$argument_doc:meta])* $argument:ident: $type:ty,)*
        }
    ),* $(,)?) => {
        /// One call of the rmap interface, or of the VMA bookkeeping that it reads.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Call {
            $(
                $(#[$doc])*
                $variant {
                    $($(#[$argument_doc])* $argument: $type,)*
                },
            )*
        }

        impl Call {
            /// The kernel function that it stands for, as a signature names it.
            #[inline]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Call::$variant { .. } => $name,)*
                }
            }

            /// What sort of call it is.
            #[inline]
            pub fn class(&self) -> CallClass {
                match self {
                    $(Call::$variant { .. } => CallClass::$class,)*
                }
            }
        }

        /// In the kernel's notation: `anon_vma_fork(vma3, vma1)`.
        impl fmt::Display for Call {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(", self.name())?;
                let mut separator = "";
                match self {
                    $(Call::$variant { $($argument),* } => {
                        $(if $argument.write(stringify!($argument), separator, f)? {
                            separator = ", ";
                        })*
                    })*
                }
                let _ = separator;
                f.write_str(")")
            }
        }
    };
}

for_each_call!(define_calls);

impl Call {
    /// Whether this is bookkeeping around the reverse map (locks of the mm, the VMA's slab and range)
    /// rather than a call of the reverse map itself.
    #[inline]
    pub fn is_bookkeeping(&self) -> bool {
        !matches!(self.class(), CallClass::AnonVma | CallClass::Folio | CallClass::Mapping)
    }
}

/// How an argument is written in a call.
trait Argument {
    /// Writes the separator and the argument, or nothing if it goes without saying; tells whether it was written.
    fn write(&self, name: &str, separator: &str, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error>;
}

macro_rules! plain_argument {
    ($($type:ty),*) => {$(
        impl Argument for $type {
            fn write(&self, _: &str, separator: &str, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
                write!(f, "{separator}{self}").map(|()| true)
            }
        }
    )*};
}
plain_argument!(MmId, VmaId, AnonVmaId, FolioId, VmaRange, VmaAttributes, VmaOperation, Entry, WalkFlags, FolioFound);

/// Which of the pages of a folio, if it is not the only one; and how many.
impl Argument for u32 {
    fn write(&self, name: &str, separator: &str, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        match (name, self) {
            ("first" | "order", 0) | ("count", 1) => Ok(false),
            _ => write!(f, "{separator}{name} {self}").map(|()| true),
        }
    }
}

/// A page.
impl Argument for u64 {
    fn write(&self, _: &str, separator: &str, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        write!(f, "{separator}{self:#x}").map(|()| true)
    }
}

/// By its name, since it may be absent.
impl Argument for Option<VmaId> {
    fn write(&self, name: &str, separator: &str, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        self.map_or(Ok(false), |vma| write!(f, "{separator}{name} {vma}").map(|()| true))
    }
}

impl Argument for Option<AnonVmaId> {
    fn write(&self, _: &str, separator: &str, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        match self {
            Some(anon_vma) => write!(f, "{separator}{anon_vma}"),
            None => write!(f, "{separator}NULL"),
        }
        .map(|()| true)
    }
}

/// By its name where it is unusual: a folio is mapped, and it is not exclusive.
impl Argument for bool {
    fn write(&self, name: &str, separator: &str, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        match (name, self) {
            ("mapped", false) => write!(f, "{separator}unmapped").map(|()| true),
            ("mapped", true) | (_, false) => Ok(false),
            (_, true) => write!(f, "{separator}{name}").map(|()| true),
        }
    }
}

/// By its name, unless it is the usual one.
impl Argument for WalkMode {
    fn write(&self, _: &str, separator: &str, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let mode = match self {
            WalkMode::Unlocked => return Ok(false),
            WalkMode::Locked => "locked",
            WalkMode::TryLock => "trylock",
            WalkMode::Contended => "contended",
        };
        write!(f, "{separator}{mode}").map(|()| true)
    }
}
