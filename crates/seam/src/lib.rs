//! The seam: the kernel's rmap interface as the rest of `mm/` calls it.
//!
//! Everything above this file (drivers, lockstep, checks) speaks of the reverse map in the words
//! defined here; the two sides below it, the compiled C in [`crate::kernel`] and the Rust in
//! [`crate::port`], know nothing but this file. A call is a value ([`Call`]), so that it can be
//! given to two sides, compared, recorded and printed without writing it twice.
//!
//! Objects are named by birth serial: the nth successful allocation of their cache since the
//! last reset, from 0. Both sides count alike, so equal behaviour gives equal names.

use std::fmt;

pub mod dump;
mod event;
mod fail;
mod recorder;
mod revision;
mod state;
mod vma_layer;

pub use event::{Cache, Event, EventKind, Function, Gfp, Rule};
pub use fail::{Fail, FailError};
pub use recorder::{Log, Recorder};
pub use revision::Revision;
pub use state::{AnonVmaState, ChainLink, FolioState, Node, Snapshot, StateError, VmaState, stream};
pub use vma_layer::{LayerOperation, Mapped, MmCounts, Observation, PageEvent, Seen, VmaLayer, Watched};

/// A `vm_area_struct`, by birth serial.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct VmaId(pub u32);

/// An `anon_vma`, by birth serial.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AnonVmaId(pub u32);

/// An `anon_vma_chain` (avc), by birth serial.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AvcId(pub u32);

/// A folio of one page, by the number that the caller of the seam chose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FolioId(pub u32);

/// An `mm_struct`: the process number of the trace, below [`MAX_PROCESSES`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MmId(pub u8);

/// How many processes a world holds.
pub const MAX_PROCESSES: usize = 16;

macro_rules! display_with_prefix {
    ($($ty:ident $prefix:literal),*) => {$(
        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )*};
}
display_with_prefix!(VmaId "vma", AnonVmaId "anon_vma", AvcId "avc", FolioId "folio", MmId "p");

/// Where a VMA lies. All three in pages; `end` is exclusive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VmaRange {
    /// First page (`vm_start >> PAGE_SHIFT`).
    pub start: u64,
    /// One past the last page (`vm_end >> PAGE_SHIFT`).
    pub end: u64,
    /// Page offset of the first page (`vm_pgoff`); the key of the interval tree.
    pub pgoff: u64,
}

impl VmaRange {
    /// Page offset of the last page: the right end of the interval in the tree.
    pub fn last_pgoff(&self) -> u64 {
        self.pgoff + (self.end - self.start) - 1
    }
}

/// What else of a VMA decides whether it may share a neighbour's anon_vma, and where its pages lie in the trees.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VmaAttributes {
    /// Page offset of the first page of its anonymous memory (7.3; before, no kernel looks at it): the key of the
    /// interval tree there. Differs from `vm_pgoff` in private mappings of a file alone.
    pub anon_pgoff: u64,
    /// `vm_flags` as bits of our own, for the trees number theirs differently: see the constants.
    pub flags: u64,
    /// Number of the file that it maps, from 1; 0: anonymous memory.
    pub file: u32,
}

impl VmaAttributes {
    /// `VM_READ`. Two VMAs that differ in this, or in one of the next three, may still share an anon_vma.
    pub const READ: u64 = 1;
    /// `VM_WRITE`
    pub const WRITE: u64 = 2;
    /// `VM_EXEC`
    pub const EXEC: u64 = 4;
    /// `VM_SOFTDIRTY`
    pub const SOFTDIRTY: u64 = 8;
    /// `VM_GROWSDOWN`. Two VMAs that differ in this or in any higher bit share no anon_vma.
    pub const GROWSDOWN: u64 = 0x10;
    /// `VM_DONTCOPY`
    pub const DONTCOPY: u64 = 0x20;
    /// `VM_WIPEONFORK`
    pub const WIPEONFORK: u64 = 0x40;
    /// `VM_ACCOUNT`
    pub const ACCOUNT: u64 = 0x80;
    /// Any flag that has no bit here.
    pub const OTHER: u64 = 0x100;

    /// The flags that `anon_vma_compatible()` ignores.
    pub const IGNORED: u64 = Self::READ | Self::WRITE | Self::EXEC | Self::SOFTDIRTY;

    /// As `vm_area_alloc()` leaves them: readable and writable anonymous memory.
    pub fn anonymous(range: VmaRange) -> VmaAttributes {
        VmaAttributes { anon_pgoff: range.pgoff, flags: Self::READ | Self::WRITE, file: 0 }
    }

    /// Flags and file in one word of a state stream.
    pub fn kind_word(&self) -> u64 {
        self.flags & 0xffff_ffff | u64::from(self.file) << 32
    }
}

impl fmt::Display for VmaAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "anon {:#x} flags {:#x}", self.anon_pgoff, self.flags)?;
        if self.file != 0 {
            write!(f, " file {}", self.file - 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for VmaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)?;
        if self.pgoff != self.start {
            write!(f, "@{:#x}", self.pgoff)?;
        }
        Ok(())
    }
}

/// How an rmap walk comes by the lock of the folio's anon_vma.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum WalkMode {
    /// The walk takes it, as `try_to_unmap()` has it.
    Unlocked = 0,
    /// The caller holds it: `rmap_walk_locked()`.
    Locked = 1,
    /// The walk only tries.
    TryLock = 2,
    /// The walk only tries, and another task holds it, so that it gives up; then it is done again and waits.
    Contended = 3,
}

/// Why a VMA is cloned (`enum vma_operation`, mm/internal.h of 7.x). Trees without the
/// parameter tell fork from the rest by `dst->anon_vma` alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum VmaOperation {
    /// A VMA is split in two.
    Split = 0,
    /// An unfaulted VMA takes over a faulted neighbour.
    MergeUnfaulted = 1,
    /// mremap copies a VMA.
    Remap = 2,
    /// A child gets its parent's VMA.
    Fork = 3,
}

/// One call of the rmap interface, or of the VMA bookkeeping that it reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Call {
    /// `mmap_write_lock()`. Returns 0.
    MmapWriteLock {
        /// Whose lock.
        mm: MmId,
    },
    /// `mmap_read_lock()`. Returns 0.
    MmapReadLock {
        /// Whose lock.
        mm: MmId,
    },
    /// `mmap_write_unlock()` or `mmap_read_unlock()`, whichever is held. Returns 0.
    MmapUnlock {
        /// Whose lock.
        mm: MmId,
    },
    /// `vm_area_alloc()` and the setting of its range; its attributes are [`VmaAttributes::anonymous`]. One
    /// allocation attempt.
    /// Returns the new [`VmaId`] or `-ENOMEM`.
    VmAreaAlloc {
        /// Owner.
        mm: MmId,
        /// Where it lies.
        range: VmaRange,
    },
    /// `vm_area_dup()` (kernel/fork.c, mm/vma_init.c in 7.x): copies every field but the chain,
    /// which starts empty, and the attached mark, which starts clear; `mm` and `range` are what
    /// the caller then writes into the copy; `anon_pgoff` moves with `pgoff`. One allocation attempt.
    /// Returns the new [`VmaId`] or `-ENOMEM`.
    VmAreaDup {
        /// What is copied.
        orig: VmaId,
        /// Owner of the copy.
        mm: MmId,
        /// Where the copy lies.
        range: VmaRange,
    },
    /// `vm_area_free()`. Returns 0.
    VmAreaFree {
        /// What is freed.
        vma: VmaId,
    },
    /// The owner writes `vm_start`, `vm_end`, `vm_pgoff`; `anon_pgoff` becomes `vm_pgoff`. Returns 0.
    VmaSetRange {
        /// Which.
        vma: VmaId,
        /// Where it lies from now on.
        range: VmaRange,
    },
    /// The owner writes what else there is. Returns 0.
    VmaSetAttributes {
        /// Which.
        vma: VmaId,
        /// What it is from now on.
        attributes: VmaAttributes,
    },
    /// The owner writes `vm_mm`. Returns 0.
    VmaSetMm {
        /// Which.
        vma: VmaId,
        /// Its owner from now on.
        mm: MmId,
    },
    /// The VMA code writes `vma->anon_vma` without a call: `dup_anon_vma()` before it clones, a fork of a VMA that is
    /// wiped. Returns 0.
    VmaSetAnonVma {
        /// Which.
        vma: VmaId,
        /// What it has from now on.
        anon_vma: Option<AnonVmaId>,
    },
    /// `vma_mark_attached()`: the VMA is in the mm's tree. Returns 0.
    VmaMarkAttached {
        /// Which.
        vma: VmaId,
    },
    /// `vma_mark_detached()`. Returns 0.
    VmaMarkDetached {
        /// Which.
        vma: VmaId,
    },
    /// `anon_vma_prepare()`. `prev` and `next` are what the VMA iterator of
    /// `find_mergeable_anon_vma()` will find, touching or not.
    /// Returns 0 or `-ENOMEM`.
    AnonVmaPrepare {
        /// The faulting VMA.
        vma: VmaId,
        /// The VMA below it in its mm.
        prev: Option<VmaId>,
        /// The VMA that contains its end address, if any.
        next: Option<VmaId>,
    },
    /// `anon_vma_clone()`. Returns 0 or `-ENOMEM`.
    AnonVmaClone {
        /// Gets the links.
        dst: VmaId,
        /// Has the links.
        src: VmaId,
        /// Why.
        operation: VmaOperation,
    },
    /// `anon_vma_fork()`. Returns 0 or `-ENOMEM`.
    AnonVmaFork {
        /// The child's VMA.
        vma: VmaId,
        /// The parent's VMA.
        pvma: VmaId,
    },
    /// `unlink_anon_vmas()`. Returns 0.
    UnlinkAnonVmas {
        /// Which.
        vma: VmaId,
    },
    /// The anonymous half of `vma_prepare()` (mm/vma.c; `__vma_adjust()` of 6.1): if the VMA has
    /// an anon_vma, locks it and takes the VMA out of every interval tree. The lock stays held
    /// until [`Call::PostUpdateVma`]. Returns 0.
    PreUpdateVma {
        /// The VMA about to change its range.
        vma: VmaId,
    },
    /// The anonymous half of `vma_complete()`: puts the VMA back into the trees, unlocks.
    /// Returns 0.
    PostUpdateVma {
        /// The VMA that changed its range.
        vma: VmaId,
    },
    /// `anon_vma_lock_write()` by the VMA code, which holds the lock over calls that follow. Returns 0.
    AnonVmaLockWrite {
        /// Whose root's lock.
        anon_vma: AnonVmaId,
    },
    /// `anon_vma_unlock_write()` by the VMA code. Returns 0.
    AnonVmaUnlockWrite {
        /// Whose root's lock.
        anon_vma: AnonVmaId,
    },
    /// `anon_vma_interval_tree_pre_update_vma()` (`anon_rmap_tree_` in 7.3), under the lock: the VMA leaves every tree.
    /// Returns 0.
    TreePreUpdateVma {
        /// The VMA about to change its range.
        vma: VmaId,
    },
    /// `anon_vma_interval_tree_post_update_vma()`: it enters them again. Returns 0.
    TreePostUpdateVma {
        /// The VMA that changed its range.
        vma: VmaId,
    },
    /// `__folio_set_anon()` (`__page_set_anon_rmap()` in 6.1) of a new folio, which is locked: it gets an anon_vma
    /// and an index. Returns 0.
    FolioSetAnon {
        /// The folio; a number not in use.
        folio: FolioId,
        /// The VMA that maps it.
        vma: VmaId,
        /// Where, as a virtual page.
        page: u64,
        /// Whether no other process can have it.
        exclusive: bool,
    },
    /// `folio_move_anon_rmap()` (`page_move_anon_rmap()` in 6.1): the folio, which is locked, has no other user.
    /// Returns 0.
    FolioMoveAnonRmap {
        /// The folio.
        folio: FolioId,
        /// The VMA that maps it.
        vma: VmaId,
    },
    /// What `UFFDIO_MOVE` writes to the index of a folio that it has moved: that of its new place. Returns 0.
    FolioSetIndex {
        /// The folio.
        folio: FolioId,
        /// The VMA that maps it.
        vma: VmaId,
        /// Where, as a virtual page.
        page: u64,
    },
    /// The last mapping went, and the folio with it: its number is free. Returns 0.
    FolioFree {
        /// The folio.
        folio: FolioId,
    },
    /// `folio_get_anon_vma()` of a locked folio. Returns the [`AnonVmaId`], or `-ENOENT` for none.
    FolioGetAnonVma {
        /// The folio.
        folio: FolioId,
        /// Whether it is mapped anywhere.
        mapped: bool,
    },
    /// `put_anon_vma()` of a reference that [`Call::FolioGetAnonVma`] gave. Returns 0.
    PutAnonVma {
        /// The anon_vma.
        anon_vma: AnonVmaId,
    },
    /// `rmap_walk_anon()` of a locked folio, with an [`EventKind::Visit`] at each place that it comes to. Returns
    /// how many these were, or `-EAGAIN` if it gave up for the lock.
    RmapWalkAnon {
        /// The folio.
        folio: FolioId,
        /// Whether it is mapped anywhere.
        mapped: bool,
        /// How it comes by the lock.
        mode: WalkMode,
    },
}

impl Call {
    /// Whether this is bookkeeping around the reverse map (locks of the mm, the VMA's slab and range)
    /// rather than a call of the reverse map itself.
    pub fn is_bookkeeping(&self) -> bool {
        !matches!(
            self,
            Call::AnonVmaPrepare { .. }
                | Call::AnonVmaClone { .. }
                | Call::AnonVmaFork { .. }
                | Call::UnlinkAnonVmas { .. }
                | Call::PreUpdateVma { .. }
                | Call::PostUpdateVma { .. }
                | Call::AnonVmaLockWrite { .. }
                | Call::AnonVmaUnlockWrite { .. }
                | Call::TreePreUpdateVma { .. }
                | Call::TreePostUpdateVma { .. }
                | Call::FolioSetAnon { .. }
                | Call::FolioMoveAnonRmap { .. }
                | Call::FolioSetIndex { .. }
                | Call::FolioFree { .. }
                | Call::FolioGetAnonVma { .. }
                | Call::PutAnonVma { .. }
                | Call::RmapWalkAnon { .. }
        )
    }
}

/// `ENOENT`: what [`Call::FolioGetAnonVma`] returns for none.
pub const ENOENT: i32 = 2;

/// `EAGAIN`: a lock was another task's.
pub const EAGAIN: i32 = 11;

/// `ENOMEM`: an allocation failed.
pub const ENOMEM: i32 = 12;

/// The calls of the rmap interface. A driver needs nothing else of a side, so that it runs over
/// the compiled C, over the port, or over both in lockstep.
pub trait Rmap {
    /// How this generation behaves.
    fn revision(&self) -> Revision;

    /// Starts an operation: allocation attempts count from 1 again, and `fail` says which fail.
    fn begin_operation(&mut self, fail: &Fail);

    /// How many allocation attempts the current operation has made.
    fn attempts(&self) -> u32;

    /// Makes one call. Returns 0 or an object's serial (`>= 0`), or a negative errno.
    fn call(&mut self, call: Call) -> i32;
}

/// What a side lets be seen of itself.
pub trait Side: Rmap {
    /// The events of the last [`Rmap::call`], in order.
    fn events(&self) -> &[Event];

    /// Appends what the last call touched, in the words of [`stream`]: the VMAs, then the folio that it was given; and, if it was a
    /// call of the reverse map that recorded an event, every anon_vma that it allocated, linked, locked or
    /// counted, then those that its VMAs lead to, then the roots and parents of them all.
    fn touched(&mut self, out: &mut Vec<u64>);

    /// Appends the whole state in the words of [`stream`]: every live VMA by serial, then every
    /// live anon_vma by serial, each with its whole tree, then every folio by number.
    fn state(&mut self, out: &mut Vec<u64>);

    /// Live objects: `vm_area_struct`, `anon_vma`, `anon_vma_chain`.
    fn live(&self) -> [u32; 3];

    /// Empties the world; serials start at 0 again. Costs time in the objects live.
    fn reset(&mut self);

    /// Where the last WARN, BUG or oops came from, for a person: the condition and its place.
    fn last_warning(&self) -> Option<String>;
}

/// The last errno of a failed call, as the kernel spells it.
pub fn errno_name(errno: i32) -> &'static str {
    match errno.abs() {
        1 => "EPERM",
        2 => "ENOENT",
        3 => "ESRCH",
        4 => "EINTR",
        9 => "EBADF",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        14 => "EFAULT",
        16 => "EBUSY",
        17 => "EEXIST",
        22 => "EINVAL",
        24 => "EMFILE",
        38 => "ENOSYS",
        95 => "EOPNOTSUPP",
        _ => "errno",
    }
}
