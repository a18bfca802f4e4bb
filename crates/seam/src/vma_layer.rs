//! The kernel's own VMA code above the reverse map: what it is asked to do, and what is seen while it does it.

use super::{Call, Event, Fail, MmId, Rmap, VmaId, VmaRange};

/// What the VMA code is asked to do. Pages; ends are exclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayerOperation {
    /// `mmap_region()` of private memory, at a fixed place that must be free. Returns 0.
    Map {
        /// Whose.
        mm: MmId,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
        /// `VM_GROWSDOWN`
        grows: bool,
        /// The file, mapped from page offset `start` on; none: anonymous.
        file: Option<u8>,
    },
    /// The fault path as far as the VMA goes. Returns the VMA's serial.
    Fault {
        /// Whose.
        mm: MmId,
        /// Which page.
        page: u64,
        /// Whether it writes.
        write: bool,
        /// Whether it will need an anon_vma.
        prepare: bool,
    },
    /// `dup_mmap()`. Returns 0.
    Fork {
        /// The parent.
        parent: MmId,
        /// The child.
        child: MmId,
    },
    /// `do_munmap()`. Returns 0.
    Unmap {
        /// Whose.
        mm: MmId,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
    },
    /// `exit_mmap()`. Returns 0.
    Exit {
        /// The process.
        mm: MmId,
    },
    /// `do_mprotect_pkey()`. Returns 0.
    Protect {
        /// Whose.
        mm: MmId,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
        /// Readable and writable, or readable alone.
        write: bool,
    },
    /// `do_madvise()`. Returns 0.
    Advise {
        /// Whose.
        mm: MmId,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
        /// Dontfork, dofork, wipeonfork, keeponfork, from 0.
        advice: u32,
    },
    /// `mremap()` to a fixed place. Returns 0.
    Move {
        /// Whose.
        mm: MmId,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
        /// The new first page.
        to: u64,
        /// `MREMAP_DONTUNMAP`
        dontunmap: bool,
    },
    /// `mremap()` in place. Returns 0.
    Resize {
        /// Whose.
        mm: MmId,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
        /// The new length.
        pages: u64,
    },
    /// `expand_downwards()`. Returns 0.
    Grow {
        /// Whose.
        mm: MmId,
        /// A page of the VMA.
        page: u64,
        /// How many more.
        pages: u64,
    },
}

/// What befalls page tables while the VMA code runs.
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
    /// The state that it touched, in the words of [`stream`](super::stream); none if it was not told.
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
    /// All its flags, as in [`VmaAttributes::flags`](super::VmaAttributes).
    pub flags: u32,
    /// Whether it has an anon_vma.
    pub faulted: bool,
}

/// A side that brings its VMA code: it makes the calls of an operation by itself.
pub trait Watched {
    /// Does one operation, after [`Rmap::begin_operation`]; `fail_node` says which allocations of maple tree nodes
    /// fail. The watcher is told all that happens, and ends the operation by returning false. Returns 0 or a serial,
    /// or a negative errno.
    fn operate_watched(
        &mut self,
        operation: &LayerOperation,
        fail_node: &Fail,
        watcher: &mut dyn FnMut(&Seen<'_>) -> bool,
    ) -> i32;

    /// What a process has mapped, in order of address, and what its mm says of that; nothing if it does not exist.
    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts>;

    /// How many allocations of the current operation were made to fail.
    fn injected(&self) -> u32;

    /// Whether this kernel has `UFFDIO_MOVE` (since 6.8).
    fn moves_pages(&self) -> bool;
}

/// What the kernel driver drives: VMA code over a reverse map, alone or with somebody following each call.
pub trait VmaLayer: Rmap {
    /// Does one operation; `pages` is told what befalls page tables, in order with the calls. Returns 0 or a serial, or a negative
    /// errno.
    fn operate(&mut self, operation: &LayerOperation, fail_node: &Fail, pages: &mut dyn FnMut(PageEvent)) -> i32;

    /// See [`Watched::mapped`].
    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts>;

    /// See [`Watched::injected`].
    fn injected(&self) -> u32;

    /// See [`Watched::moves_pages`].
    fn moves_pages(&self) -> bool;
}
