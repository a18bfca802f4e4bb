//! The operations of a trace, each with the allocation attempts that fail.
//!
//! The drivers decide what an operation does to the reverse map. The table in `table.rs` says how it is written, how it is drawn,
//! and which system call it is.

use rmap_seam::{Fail, MmId, WalkMode};

/// What `advise` says of a range (`madvise()`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Advice {
    /// `MADV_DONTFORK`: a child does not get the memory.
    DontFork = 0,
    /// `MADV_DOFORK`: a child gets the memory again.
    DoFork = 1,
    /// `MADV_WIPEONFORK`: a child finds it empty.
    WipeOnFork = 2,
    /// `MADV_KEEPONFORK`: a child finds the content again.
    KeepOnFork = 3,
}

impl Advice {
    /// In the order of their words in [`ADVICE`].
    pub(super) const ALL: [Advice; 4] = [Advice::DontFork, Advice::DoFork, Advice::WipeOnFork, Advice::KeepOnFork];
}

/// The number of files that a trace can map. File numbers are below this.
pub const MAX_FILES: u8 = 4;

/// The number of orders that a folio can have. Orders are below this.
pub const MAX_ORDERS: u8 = 10;

/// The order of a huge page: one entry of the level above the lowest maps all of it.
pub const HUGE_ORDER: u8 = MAX_ORDERS - 1;

/// The number of pins that can be held at once, and of migrations that can have begun. Their numbers are below this.
pub const MAX_PINS: u8 = 16;

/// Hands every operation of the VMA code to a macro, as rows of
/// `Variant NUMBER member { process: MmId; argument: type, ... }`: its number and the member of `struct rmap_operation` that holds its
/// arguments, both of csrc/rmap_abi.h. The crate that compiles the C makes the encoding from these rows.
#[macro_export]
macro_rules! for_each_operation {
    ($define:ident) => {
        $define! {
            /// `map p A..B [grows|noreserve|shared] [file N]`: new memory, readable and writable.
            Map RMAP_OP_MAP map {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
                /// Whether it grows down (`MAP_GROWSDOWN`).
                grows: bool,
                /// Whether it is not accounted (`MAP_NORESERVE`). Memory that grows down is always accounted.
                noreserve: bool,
                /// Whether it is shared with whoever maps the file (`MAP_SHARED`); otherwise private. Needs a file, and the
                /// kernel's own page-table code.
                shared: bool,
                /// The file, below [`MAX_FILES`]; none: anonymous memory. The page offset in the file is `start`,
                /// so that neighbours may merge.
                file: Option<u8>,
            },
            /// `fault p A [read] [order N|huge]`: a fault at one page, for writing unless it says read. Where the kernel's own
            /// page-table code runs, the fault may bring in a folio of `1 << N` pages, or a huge page.
            Fault RMAP_OP_FAULT fault {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
                /// Whether it only reads.
                read: bool,
                /// The order of the folio that it may bring in, below [`MAX_ORDERS`]; 0: one page.
                order: u32,
            },
            /// `fork p q`: q becomes a fork of p.
            Fork RMAP_OP_FORK fork {
                /// The parent.
                parent: MmId;
                /// The child.
                child: MmId,
            },
            /// `unmap p A..B`
            Unmap RMAP_OP_UNMAP unmap {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
            },
            /// `exit p`
            Exit RMAP_OP_EXIT exit {
                /// Who.
                mm: MmId;
            },
            /// `protect p A..B r|rw`
            Protect RMAP_OP_PROTECT protect {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
                /// Whether it may be written from now on; it may be read in any case.
                write: bool,
            },
            /// `advise p A..B dontfork|dofork|wipeonfork|keeponfork`
            Advise RMAP_OP_ADVISE advise {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
                /// What.
                advice: Advice,
            },
            /// `move p A..B C [dontunmap]`: mremap to page C, with the same length
            /// (`MREMAP_MAYMOVE | MREMAP_FIXED`).
            Move RMAP_OP_MOVE move_to {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
                /// The new first page. What is mapped at the new place is unmapped.
                to: u64,
                /// Whether the old range stays mapped, without its pages (`MREMAP_DONTUNMAP`).
                dontunmap: bool,
            },
            /// `resize p A..B N`: mremap in place, of A..B to a length of N pages.
            Resize RMAP_OP_RESIZE resize {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last, before.
                end: u64,
                /// Pages from then on, at least 1.
                pages: u64,
            },
            /// `grow p A N`: the VMA that contains A grows down, as by a fault below it.
            Grow RMAP_OP_GROW grow {
                /// Whose.
                mm: MmId;
                /// A page of the VMA.
                page: u64,
                /// By how many pages, at least 1.
                pages: u64,
            },
            /// `mlock p A..B`: locks the memory, without faulting pages in (`mlock2()` with `MLOCK_ONFAULT`).
            Mlock RMAP_OP_MLOCK mlock {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
            },
            /// `munlock p A..B`
            Munlock RMAP_OP_MUNLOCK munlock {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
            },
            /// `mlockall p`: locks all of its memory, without faulting pages in (`MCL_CURRENT | MCL_ONFAULT`). VMA by VMA: one
            /// that fails does not keep the others from being locked, and is not told.
            MlockAll RMAP_OP_MLOCKALL mlockall {
                /// Whose.
                mm: MmId;
            },
            /// `munlockall p`
            MunlockAll RMAP_OP_MUNLOCKALL munlockall {
                /// Whose.
                mm: MmId;
            },
            /// `brk p A..B`: new memory as of a heap, which makes the VMA below it longer if it can (`vm_brk_flags()`).
            Brk RMAP_OP_BRK brk {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
            },
            /// `walk p A [locked|trylock|contended]`: an rmap walk of the folio at A. Where the kernel's own page-table code
            /// runs, its own walkers go to the page's frame too: folio_referenced(), or, if it says locked, try_to_migrate()
            /// and back.
            Walk RMAP_OP_WALK walk {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
                /// How the walk gets at the lock.
                mode: WalkMode,
            },
            /// `touch p A [write]`: what the hardware does when a page is used: the entry is marked accessed, and dirty.
            Touch RMAP_OP_TOUCH touch {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
                /// Whether it writes.
                write: bool,
            },
            /// `dontneed p A..B`: `MADV_DONTNEED`
            DontNeed RMAP_OP_DONTNEED dontneed {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
            },
            /// `age p A`: reclaim asks who used the folio at A: `folio_referenced()`.
            Age RMAP_OP_AGE age {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
            },
            /// `swapout p A`: reclaim takes the folio at A out of memory: `try_to_unmap()`.
            SwapOut RMAP_OP_SWAPOUT swapout {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
            },
            /// `migrate p A`: the folio at A goes to other frames: `try_to_migrate()`, `remove_migration_ptes()`.
            Migrate RMAP_OP_MIGRATE migrate {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
            },
            /// `pin p A`: takes a reference on the anon_vma of the folio at A, and, where the kernel's own page-table code
            /// runs, pins the page as GUP does. The references get the lowest free number below [`MAX_PINS`].
            Pin RMAP_OP_PIN pin {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
            },
            /// `migrate-begin p A`: the folio at A begins to go to other frames: `try_to_migrate()`. The migration gets the
            /// lowest free number below [`MAX_PINS`].
            MigrateBegin RMAP_OP_MIGRATE_BEGIN migrate_begin {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
            },
            /// `clean p A`: the folio at A, which is of a file, is written back to it: `folio_mkclean()`.
            Clean RMAP_OP_CLEAN clean {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
            },
            /// `exclusive p A`: a device gets the page at A for itself: `make_device_exclusive()`.
            Exclusive RMAP_OP_EXCLUSIVE exclusive {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
            },
            /// `split p A`: the large folio at A becomes folios of one page: `split_folio()`.
            Split RMAP_OP_SPLIT split {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
            },
            /// `uffdwp p A..B [off]`: the process's userfaultfd is registered for the memory, and write-protects the pages that
            /// are there (`UFFDIO_REGISTER`, `UFFDIO_WRITEPROTECT`); or it is registered no longer (`UFFDIO_UNREGISTER`).
            UffdWp RMAP_OP_UFFDWP uffdwp {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
                /// Whether it ends.
                off: bool,
            },
            /// `poison p A`: the memory of the page at A fails: `try_to_unmap()` with `TTU_HWPOISON`.
            Poison RMAP_OP_POISON poison {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
            },
            /// `lazyfree p A..B`: `MADV_FREE`
            LazyFree RMAP_OP_LAZYFREE lazyfree {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
            },
        }
    };
}

macro_rules! define_operations {
    ($(
        $(#[$doc:meta])*
        $variant:ident $number:ident $member:ident {
            $(#[$mm_doc:meta])*
            $mm:ident: $mm_type:ty;
            $($(#[$argument_doc:meta])* $argument:ident: $type:ty,)*
        }
    ),* $(,)?) => {
        /// What one operation does. Addresses and lengths are in pages, and ends of ranges are exclusive.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub enum OpKind {
            $(
                $(#[$doc])*
                $variant {
                    $(#[$mm_doc])*
                    $mm: $mm_type,
                    $($(#[$argument_doc])* $argument: $type,)*
                },
            )*
            /// `unpin K`: drops the references with number K.
            Unpin {
                /// Its number, below [`MAX_PINS`].
                pin: u8,
            },
            /// `migrate-end K`: ends migration K: `remove_migration_ptes()`.
            MigrateEnd {
                /// Its number, below [`MAX_PINS`].
                migration: u8,
            },
            /// `uffdmove p A B`: what UFFDIO_MOVE does with one page.
            UffdMove {
                /// Whose.
                mm: MmId,
                /// From which page.
                from: u64,
                /// To which page.
                to: u64,
            },
        }
    };
}

for_each_operation!(define_operations);

/// One operation.
///
/// These limits hold for everything that the text form can express, and both parsers check them: process numbers are below
/// [`MAX_PROCESSES`](rmap_seam::MAX_PROCESSES), pages below [`PAGE_LIMIT`](super::PAGE_LIMIT), numbers of pages also below
/// it and not 0, files and pins below [`MAX_FILES`] and [`MAX_PINS`], and `start <= end`. An operation that code makes should
/// respect them too. Otherwise its text form or byte form does not parse to the same operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Op {
    /// What it does.
    pub kind: OpKind,
    /// Which of its attempts to allocate a vm_area_struct, an anon_vma or a chain entry fail.
    pub fail: Fail,
    /// Which of its attempts to allocate a maple tree node fail. They are counted separately, because they differ
    /// from kernel to kernel. The model driver makes none.
    pub fail_node: Fail,
    /// Which of its attempts to allocate a frame, a page table or a slot of the swap device fail. Only where the kernel's own page-table code runs is
    /// there such an attempt. An operation that says it has no [`Op::fail_node`].
    pub fail_page: Fail,
}

impl From<OpKind> for Op {
    fn from(kind: OpKind) -> Op {
        Op { kind, fail: Fail::NEVER, fail_node: Fail::NEVER, fail_page: Fail::NEVER }
    }
}

/// The set of operations that are generated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OpSet {
    /// The operations that the model driver can run.
    Small,
    /// All operations of VMA code.
    #[default]
    Full,
    /// These, and those on pages, which need the kernel's own page-table code.
    Pages,
    /// The same, and [sections](super::together): some operations run together.
    Together,
}

impl OpSet {
    /// Whether operations on pages are of it.
    pub const fn has_pages(self) -> bool {
        matches!(self, OpSet::Pages | OpSet::Together)
    }

    /// Which of the weights of an operation are its own: sections change no weight.
    pub(super) const fn column(self) -> usize {
        match self {
            OpSet::Small => 0,
            OpSet::Full => 1,
            OpSet::Pages | OpSet::Together => 2,
        }
    }
}

/// The failing attempts of an operation, of both kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fails {
    /// [`Op::fail`]
    pub alloc: Fail,
    /// [`Op::fail_node`]
    pub node: Fail,
    /// [`Op::fail_page`]
    pub page: Fail,
}

impl Fails {
    /// Nothing fails.
    pub(super) const NEVER: Fails = Fails { alloc: Fail::NEVER, node: Fail::NEVER, page: Fail::NEVER };

    /// Whether nothing fails.
    pub(super) fn is_never(&self) -> bool {
        self.alloc.is_never() && self.node.is_never() && self.page.is_never()
    }

    /// Whether the first attempt of either sort fails.
    pub(super) fn first(&self) -> bool {
        self.alloc.fails(1) || self.node.fails(1)
    }

    /// Whether one of so many first attempts to allocate anything but a node fails.
    pub(super) fn within(&self, attempts: u32) -> bool {
        fails_within(&self.alloc, attempts)
    }

    /// Whether one of so many first attempts to allocate a node fails.
    pub(super) fn node_within(&self, attempts: u32) -> bool {
        fails_within(&self.node, attempts)
    }
}

fn fails_within(fail: &Fail, attempts: u32) -> bool {
    fail.list().next().or(fail.from()).is_some_and(|first| u32::from(first) <= attempts)
}

impl Op {
    pub(super) fn fails(&self) -> Fails {
        Fails { alloc: self.fail, node: self.fail_node, page: self.fail_page }
    }

    /// The operation of this kind with these failures.
    pub(super) fn failing(kind: OpKind, fails: &Fails) -> Op {
        Op { kind, fail: fails.alloc, fail_node: fails.node, fail_page: fails.page }
    }
}
