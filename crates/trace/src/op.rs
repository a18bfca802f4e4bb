//! The operations of a trace, and what is said of each beside what it does: which of its allocations fail.
//!
//! What an operation does to the reverse map is not known here but to the drivers; how it is written, drawn and asked for stands
//! in the table of `table.rs`.

use rmap_seam::{Fail, MmId, WalkMode};

/// What `advise` says of a range (`madvise()`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Advice {
    /// `MADV_DONTFORK`: a child does not get the memory.
    DontFork = 0,
    /// `MADV_DOFORK`: it does again.
    DoFork = 1,
    /// `MADV_WIPEONFORK`: a child finds it empty.
    WipeOnFork = 2,
    /// `MADV_KEEPONFORK`: it finds its content again.
    KeepOnFork = 3,
}

impl Advice {
    /// In the order of their words in [`ADVICE`].
    pub(super) const ALL: [Advice; 4] = [Advice::DontFork, Advice::DoFork, Advice::WipeOnFork, Advice::KeepOnFork];
}

/// Files that a trace can map: their numbers are 0 to this, exclusive.
pub const MAX_FILES: u8 = 4;

/// Pins that can be held at once: their numbers are 0 to this, exclusive.
pub const MAX_PINS: u8 = 16;

/// Hands every operation of the VMA code to a macro, as rows of
/// `Variant NUMBER member { process: MmId; argument: type, ... }`: its number and the member of `struct rmap_operation` that holds its
/// arguments, both of csrc/rmap_abi.h. Whoever compiles the C makes its encoding of these rows.
#[macro_export]
macro_rules! for_each_operation {
    ($define:ident) => {
        $define! {
            /// `map p A..B [grows|noreserve] [file N]`: new private memory, readable and writable.
            Map RMAP_OP_MAP map {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
                /// Whether it grows down (`MAP_GROWSDOWN`).
                grows: bool,
                /// Whether it is not accounted (`MAP_NORESERVE`). What grows down always is.
                noreserve: bool,
                /// The file, below [`MAX_FILES`], mapped from page offset `start` on, so that neighbours may
                /// merge; none: anonymous.
                file: Option<u8>,
            },
            /// `fault p A [read]`: a fault at one page, for writing unless it says read.
            Fault RMAP_OP_FAULT fault {
                /// Whose.
                mm: MmId;
                /// Which page.
                page: u64,
                /// Whether it only reads.
                read: bool,
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
            /// `move p A..B C [dontunmap]`: mremap to just there, of the same length
            /// (`MREMAP_MAYMOVE | MREMAP_FIXED`).
            Move RMAP_OP_MOVE move_to {
                /// Whose.
                mm: MmId;
                /// First page.
                start: u64,
                /// One past the last.
                end: u64,
                /// The page that becomes the first; what is mapped there goes.
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
            /// `mlock p A..B`: keeps in memory what faults bring in (`mlock2()` with `MLOCK_ONFAULT`).
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
        /// What one operation does. Pages; ends are exclusive.
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
            /// `pin p A`: takes a reference to the anon_vma of the folio there, under the lowest free
            /// number below [`MAX_PINS`], as a file descriptor is taken.
            Pin {
                /// Whose.
                mm: MmId,
                /// Which page.
                page: u64,
            },
            /// `unpin K`: drops such a reference.
            Unpin {
                /// Its number, below [`MAX_PINS`].
                pin: u8,
            },
            /// `walk p A [locked|trylock|contended]`: an rmap walk of the folio there.
            Walk {
                /// Whose.
                mm: MmId,
                /// Which page.
                page: u64,
                /// How the walk gets at the lock.
                mode: WalkMode,
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
/// Its process numbers lie below [`MAX_PROCESSES`](rmap_seam::MAX_PROCESSES), its pages below
/// [`PAGE_LIMIT`](super::PAGE_LIMIT), its numbers of pages below that and not 0, its files and pins below
/// [`MAX_FILES`] and [`MAX_PINS`], and `start <= end`: what the text form can say. Both parsers see to it; an operation that is put together by hand should keep to it, or it does
/// not come back from its text or byte form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Op {
    /// What it does.
    pub kind: OpKind,
    /// Which of its attempts to allocate a vm_area_struct, an anon_vma or a chain entry fail.
    pub fail: Fail,
    /// Which of its attempts to allocate a maple tree node fail. They are counted apart, since each
    /// kernel makes them otherwise; a driver without a maple tree makes none.
    pub fail_node: Fail,
}

impl From<OpKind> for Op {
    fn from(kind: OpKind) -> Op {
        Op { kind, fail: Fail::NEVER, fail_node: Fail::NEVER }
    }
}

/// Which operations are made up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OpSet {
    /// Those that the small driver knows.
    Small,
    /// All.
    #[default]
    Full,
}

/// Both ways in which the attempts of an operation fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fails {
    /// [`Op::fail`]
    pub alloc: Fail,
    /// [`Op::fail_node`]
    pub node: Fail,
}

impl Fails {
    /// Nothing fails.
    pub(super) const NEVER: Fails = Fails { alloc: Fail::NEVER, node: Fail::NEVER };

    /// Whether nothing fails.
    pub(super) fn is_never(&self) -> bool {
        self.alloc.is_never() && self.node.is_never()
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
        Fails { alloc: self.fail, node: self.fail_node }
    }
}
