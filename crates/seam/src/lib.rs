//! The seam: the kernel's rmap interface as the rest of `mm/` calls it.
//!
//! The users of this crate (drivers, lockstep, checks) reach the reverse map only through the types
//! defined here. The two sides that implement it, the compiled C and the Rust port, depend on nothing
//! else. A call is a value ([`Call`]), so that the same value can be given to both sides, compared,
//! recorded and printed.
//!
//! An object is named by its birth serial: n for the nth successful allocation from its cache since the
//! last reset, from 0. Both sides count alike, so equal behaviour gives equal names.

use std::fmt;

pub mod dump;
/// The numbers of csrc/rmap_abi.h.
#[allow(missing_docs, dead_code)]
mod abi {
    include!(concat!(env!("OUT_DIR"), "/abi.rs"));
}

mod calls;
mod event;
mod fail;
mod page_table;
mod revision;
mod state;
mod tasks;

pub use calls::{Call, CallClass};
pub use event::{Cache, Event, EventKind, FlushKind, Function, Gfp, MmCounter, NodeStat, Rule};
pub use fail::{Fail, FailError};
pub use page_table::{Entry, FolioFound, WalkFlags};
pub use revision::Revision;
pub use state::{
    AnonVmaState, ChainLink, Decoder, FolioState, LargeCounts, Node, PageCount, RememberedMm, Snapshot, StateError,
    VmaState, stream,
};
pub use tasks::{Follower, Pause, Point, Told};

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

impl MmId {
    /// The process's bit among those of all.
    #[inline]
    pub fn bit(self) -> u16 {
        1 << (usize::from(self.0) % MAX_PROCESSES)
    }
}

/// The bits of all processes.
pub const ALL_PROCESSES: u16 = u16::MAX;

/// Files from this number on are of a file system that is not told of the first write to a page.
pub const FILES_NOT_TOLD: u32 = abi::RMAP_FILES_NOT_TOLD as u32;

/// How many processes can exist at once.
pub const MAX_PROCESSES: usize = abi::RMAP_MAX_PROCESSES as usize;

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

/// Where a VMA lies. All three fields are in pages; `end` is exclusive.
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
    #[inline]
    pub fn last_pgoff(&self) -> u64 {
        self.pgoff + (self.end - self.start) - 1
    }
}

/// The other properties of a VMA that decide whether it may share a neighbour's anon_vma, and where it lies in the interval
/// trees.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VmaAttributes {
    /// Page offset of the first page of its anonymous memory. In 7.3 it is the key of the interval tree; older kernels
    /// do not have it. It differs from `vm_pgoff` only in private mappings of a file.
    pub anon_pgoff: u64,
    /// `vm_flags`, as the bits of the constants below. The kernel's own bits differ between kernels.
    pub flags: u64,
    /// Number of the file that it maps, from 1; 0: anonymous memory.
    pub file: u32,
}

impl VmaAttributes {
    /// `VM_READ`. Two VMAs that differ in this, or in one of the next three, may still share an anon_vma.
    pub const READ: u64 = abi::RMAP_VMA_READ;
    /// `VM_WRITE`
    pub const WRITE: u64 = abi::RMAP_VMA_WRITE;
    /// `VM_EXEC`
    pub const EXEC: u64 = abi::RMAP_VMA_EXEC;
    /// `VM_SOFTDIRTY`
    pub const SOFTDIRTY: u64 = abi::RMAP_VMA_SOFTDIRTY;
    /// `VM_GROWSDOWN`. Two VMAs that differ in this or in any higher bit share no anon_vma.
    pub const GROWSDOWN: u64 = abi::RMAP_VMA_GROWSDOWN;
    /// `VM_DONTCOPY`
    pub const DONTCOPY: u64 = abi::RMAP_VMA_DONTCOPY;
    /// `VM_WIPEONFORK`
    pub const WIPEONFORK: u64 = abi::RMAP_VMA_WIPEONFORK;
    /// `VM_ACCOUNT`
    pub const ACCOUNT: u64 = abi::RMAP_VMA_ACCOUNT;
    /// Any flag that has no bit here.
    pub const OTHER: u64 = abi::RMAP_VMA_OTHER;
    /// `VM_NORESERVE`
    pub const NORESERVE: u64 = abi::RMAP_VMA_NORESERVE;
    /// `VM_LOCKED`
    pub const LOCKED: u64 = abi::RMAP_VMA_LOCKED;
    /// `VM_SHARED`
    pub const SHARED: u64 = abi::RMAP_VMA_SHARED;
    /// `VM_UFFD_WP`
    pub const UFFD: u64 = abi::RMAP_VMA_UFFD;

    /// The flags that `anon_vma_compatible()` ignores.
    pub const IGNORED: u64 = Self::READ | Self::WRITE | Self::EXEC | Self::SOFTDIRTY;

    /// The attributes after `vm_area_alloc()`: readable and writable anonymous memory.
    pub fn anonymous(range: VmaRange) -> VmaAttributes {
        VmaAttributes { anon_pgoff: range.pgoff, flags: Self::READ | Self::WRITE, file: 0 }
    }

    /// Flags and file in one word of a state stream.
    #[inline]
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

/// How an rmap walk gets the lock of the folio's anon_vma.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum WalkMode {
    /// The walk takes the lock, as in `try_to_unmap()`.
    Unlocked = abi::RMAP_WALK_UNLOCKED as u32,
    /// The caller holds the lock: `rmap_walk_locked()`.
    Locked = abi::RMAP_WALK_LOCKED as u32,
    /// The walk only tries to take the lock.
    TryLock = abi::RMAP_WALK_TRYLOCK as u32,
    /// The walk only tries to take the lock, but another task holds it. So it gives up. Then it runs again, and waits.
    Contended = abi::RMAP_WALK_CONTENDED as u32,
}

/// Why a VMA is cloned (`enum vma_operation`, mm/internal.h of 7.x). Kernels without this parameter
/// recognise a fork only by `dst->anon_vma`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum VmaOperation {
    /// A VMA is split in two.
    Split = abi::RMAP_VMA_OP_SPLIT as u32,
    /// An unfaulted VMA takes over a faulted neighbour.
    MergeUnfaulted = abi::RMAP_VMA_OP_MERGE_UNFAULTED as u32,
    /// mremap copies a VMA.
    Remap = abi::RMAP_VMA_OP_REMAP as u32,
    /// A child gets its parent's VMA.
    Fork = abi::RMAP_VMA_OP_FORK as u32,
}

impl fmt::Display for VmaOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VmaOperation::Split => "VMA_OP_SPLIT",
            VmaOperation::MergeUnfaulted => "VMA_OP_MERGE_UNFAULTED",
            VmaOperation::Remap => "VMA_OP_REMAP",
            VmaOperation::Fork => "VMA_OP_FORK",
        })
    }
}

/// The errno values of the kernel, all positive. A call of the seam returns them negated.
pub use nix::libc::{
    EAGAIN, EBADF, EBUSY, EEXIST, EFAULT, EINTR, EINVAL, EMFILE, ENOENT, ENOMEM, ENOSYS, EOPNOTSUPP, ESRCH,
};

/// The calls of the rmap interface. A driver needs nothing else from a side. So it can run on the compiled C,
/// on the port, or on both in lockstep.
pub trait Rmap {
    /// How this generation behaves.
    fn revision(&self) -> Revision;

    /// Starts an operation. Allocation attempts count from 1 again, and `fail` says which of them fail.
    fn begin_operation(&mut self, fail: &Fail);

    /// How many allocation attempts the current operation has made.
    fn attempts(&self) -> u32;

    /// Makes one call. Returns 0 or an object's serial (`>= 0`), or a negative errno.
    fn call(&mut self, call: Call) -> i32;
}

/// A side whose events and state can be read.
pub trait Side: Rmap {
    /// The events of the last [`Rmap::call`], in order.
    fn events(&self) -> &[Event];

    /// Appends the state that the last call touched, in the words of [`stream`]: the VMAs that it was given, then the
    /// folio. If it was a call of the reverse map and recorded an event, the anon_vmas follow: first each one that it
    /// allocated, linked, locked or whose counters it changed, then those that its VMAs point to, then the roots and
    /// parents of all these.
    fn touched(&mut self, out: &mut Vec<u64>);

    /// Appends the whole state in the words of [`stream`]: every live VMA by serial, then every
    /// live anon_vma by serial, each with its whole tree, then every folio by number.
    fn state(&mut self, out: &mut Vec<u64>);

    /// Live objects: `vm_area_struct`, `anon_vma`, `anon_vma_chain`.
    fn live(&self) -> [u32; 3];

    /// Frees everything. Serials start at 0 again. Takes time proportional to the number of live objects.
    fn reset(&mut self);

    /// The condition and the place of the last WARN, BUG or oops, as text for a person.
    fn last_warning(&self) -> Option<String>;

    /// Follows operations that run together, until the follower is dropped: as many as there are failures, each those of one.
    /// None: the side cannot.
    fn follow(&mut self, _fails: &[Fail]) -> Option<Box<dyn Follower + '_>> {
        None
    }
}

/// The kernel's name of an errno, which may be negative: `ENOMEM`.
pub fn errno_name(errno: i32) -> String {
    format!("{:?}", nix::errno::Errno::from_raw(errno.saturating_abs()))
}
