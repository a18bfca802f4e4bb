//! The kernel's own VMA code above the reverse map: what it is asked to do, and what is seen while it does it.

use rmap_seam::{Call, Event, Fail, MmId, Rmap, VmaId, VmaRange};

use super::op::OpKind;

/// What the VMA code is asked to do: an operation, and what the driver knows of it beforehand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    /// The operation. Of those that are none of the VMA code's (`pin`, `walk` and the like), a side says `EINVAL`.
    pub operation: OpKind,
    /// Of a fault: whether it will need an anon_vma. The page tables tell.
    pub prepare: bool,
    /// Which allocations of maple tree nodes fail.
    pub fail_node: &'a Fail,
}

impl<'a> Request<'a> {
    /// An operation for which nothing is known beforehand.
    pub fn new(operation: OpKind, fail_node: &'a Fail) -> Request<'a> {
        Request { operation, prepare: false, fail_node }
    }
}

/// An update of page tables while the VMA code runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageEvent {
    /// `unmap_vmas()` of one VMA.
    Zap {
        /// Whose.
        mm: MmId,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
    },
    /// `copy_page_range()`
    Copy {
        /// The child.
        mm: MmId,
        /// The parent.
        from: MmId,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
    },
    /// `move_page_tables()`
    Move {
        /// Whose.
        mm: MmId,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
        /// Where the first one goes.
        to: u64,
    },
}

/// What one thing is that is seen of the running VMA code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Observation {
    /// It made a call.
    Call(Call),
    /// It changed page tables.
    Pages(PageEvent),
    /// Something happened in no call: the events say what.
    Outside,
}

/// One thing that is seen of the running VMA code, when it has happened.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What.
    pub what: Observation,
    /// What the call returned, as [`Rmap::call`] does.
    pub result: i32,
    /// What the call did.
    pub events: &'a [Event],
    /// The state that it touched, in the words of [`stream`](rmap_seam::stream); none if it was not told.
    pub touched: Option<&'a [u64]>,
    /// What the side says of the last WARN, BUG or oops, if an event is one.
    pub warning: Option<&'a str>,
}

/// What an mm says of its own address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MmCounts {
    /// `map_count`: VMAs.
    pub map_count: u64,
    /// `total_vm`: pages.
    pub total_vm: u64,
    /// Whether its tree is in RCU mode, so that it can be read under the RCU lock alone.
    pub in_rcu: bool,
}

/// A VMA as the mm's own tree has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// Which.
    pub vma: VmaId,
    /// First page, end and page offset.
    pub range: VmaRange,
    /// `VM_WRITE`
    pub writable: bool,
    /// Whether it maps a file.
    pub file: bool,
    /// `VM_DONTCOPY`
    pub dontcopy: bool,
    /// `VM_WIPEONFORK`
    pub wipeonfork: bool,
    /// All its flags, as in [`VmaAttributes::flags`](rmap_seam::VmaAttributes).
    pub flags: u32,
    /// Whether it has an anon_vma.
    pub faulted: bool,
}

/// A side that brings its VMA code: it makes the calls of an operation by itself.
pub trait Watched {
    /// Does one operation, after [`Rmap::begin_operation`]. The watcher gets all that happens, and ends the operation by
    /// returning false. Returns 0, of a fault the serial of its VMA, or a negative errno.
    fn operate_watched(&mut self, request: &Request<'_>, watcher: &mut dyn FnMut(&Seen<'_>) -> bool) -> i32;

    /// What a process has mapped, in order of address, and what its mm says of that; nothing if it does not exist.
    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts>;

    /// How many allocations of the current operation were made to fail.
    fn injected(&self) -> u32;

    /// Whether this kernel has `UFFDIO_MOVE` (since 6.8).
    fn moves_pages(&self) -> bool;
}

/// What the kernel driver drives: VMA code over a reverse map, alone or with somebody following each call.
pub trait VmaLayer: Rmap {
    /// Does one operation; `pages` gets the updates of page tables, in order with the calls. Returns 0, of a fault the serial
    /// of its VMA, or a negative errno.
    fn operate(&mut self, request: &Request<'_>, pages: &mut dyn FnMut(PageEvent)) -> i32;

    /// See [`Watched::mapped`].
    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts>;

    /// See [`Watched::injected`].
    fn injected(&self) -> u32;

    /// See [`Watched::moves_pages`].
    fn moves_pages(&self) -> bool;
}

/// What can be watched can be driven alone, with nobody following: what it costs by itself.
impl<S: Rmap + Watched> VmaLayer for S {
    fn operate(&mut self, request: &Request<'_>, pages: &mut dyn FnMut(PageEvent)) -> i32 {
        self.operate_watched(request, &mut |seen| {
            if let Observation::Pages(event) = seen.what {
                pages(event);
            }
            true
        })
    }

    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts> {
        Watched::mapped(self, mm, out)
    }

    fn injected(&self) -> u32 {
        Watched::injected(self)
    }

    fn moves_pages(&self) -> bool {
        Watched::moves_pages(self)
    }
}
