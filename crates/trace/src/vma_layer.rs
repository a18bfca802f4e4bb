//! The interface to the kernel's own VMA code: the requests, and what can be observed while it runs.

use rmap_seam::{AnonVmaId, Call, Event, Fail, FolioFound, MmId, Rmap, VmaId, VmaRange};

use super::op::{Op, OpKind};
use super::page_tables::PageTables;
use super::schedule::{Scheduler, Step};
use super::together::Section;

/// A request to the VMA code: an operation, and what the driver knows about it in advance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    /// The operation. For operations that the VMA code does not do, such as `pin` and `walk`, a side returns `EINVAL`.
    pub operation: OpKind,
    /// For a fault: whether it will need an anon_vma. The driver knows this from the page tables.
    pub prepare: bool,
    /// For `unpin` and `migrate-end`: the frame that `pin` or `migrate-begin` returned. The driver keeps it.
    pub frame: u32,
    /// Which allocations of maple tree nodes fail.
    pub fail_node: &'a Fail,
}

impl<'a> Request<'a> {
    /// A request about whose operation nothing is known in advance.
    pub fn new(operation: OpKind, fail_node: &'a Fail) -> Request<'a> {
        Request { operation, prepare: false, frame: 0, fail_node }
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

/// The kind of an observation of the running VMA code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Observation {
    /// It made a call.
    Call(Call),
    /// It changed page tables.
    Pages(PageEvent),
    /// Something happened outside of any call; the events say what.
    Outside,
}

/// One observation of the running VMA code, made just after it happened.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What was observed.
    pub what: Observation,
    /// What the call returned, as [`Rmap::call`] does.
    pub result: i32,
    /// The events of the call.
    pub events: &'a [Event],
    /// The state that it touched, in the words of [`stream`](rmap_seam::stream); none if the side did not report it.
    pub touched: Option<&'a [u64]>,
    /// The side's text about the last WARN, BUG or oops, if one of the events is such an event.
    pub warning: Option<&'a str>,
}

/// The counters of an mm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MmCounts {
    /// `map_count`: the number of VMAs.
    pub map_count: u64,
    /// `total_vm`: the number of pages.
    pub total_vm: u64,
    /// Whether its tree is in RCU mode, so that it can be read under the RCU lock alone.
    pub in_rcu: bool,
}

/// A VMA as the maple tree of the mm has it.
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
    /// Whether that is of a file system that is not told of the first write to a page.
    pub not_told: bool,
    /// `VM_DONTCOPY`
    pub dontcopy: bool,
    /// `VM_WIPEONFORK`
    pub wipeonfork: bool,
    /// All its flags, as in [`VmaAttributes::flags`](rmap_seam::VmaAttributes).
    pub flags: u32,
    /// Its anon_vma, if it has one: something was written to it, or to what it came from.
    pub anon_vma: Option<AnonVmaId>,
    /// Whether it has an anon_vma and more than one chain entry: a fork made it.
    pub is_child: bool,
}

impl Mapped {
    /// `VM_SHARED`
    pub fn is_shared(&self) -> bool {
        u64::from(self.flags) & rmap_seam::VmaAttributes::SHARED != 0
    }

    /// `VM_UFFD_WP`
    pub fn is_write_protected(&self) -> bool {
        u64::from(self.flags) & rmap_seam::VmaAttributes::UFFD != 0
    }

    /// Whether it has an anon_vma.
    pub fn faulted(&self) -> bool {
        self.anon_vma.is_some()
    }
}

/// How a task of a section ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskEnd {
    /// What its operation returned, as [`Watched::operate_watched`] does.
    pub result: i32,
    /// How many of its allocations were made to fail.
    pub injected: u32,
}

/// Where a task of a section has come to.
#[derive(Clone, Copy, Debug)]
pub struct TaskStop<'a> {
    /// What it is about to do, or waits for.
    pub step: Step,
    /// The call of the reverse map that it is in; none: it is in none that another side follows.
    pub call: Option<Call>,
    /// What it has done in that call.
    pub events: &'a [Event],
    /// If it walks a folio's mappings: what the folio was when a page table was locked last.
    pub found: Option<FolioFound>,
}

/// Looks on while tasks of a section run, and follows each.
pub trait TaskWatcher {
    /// A task made a call, or something is wrong. False ends all of it.
    fn seen(&mut self, task: usize, seen: &Seen<'_>) -> bool;

    /// A task lets others go on. False ends all of it.
    fn stopped(&mut self, task: usize, stop: &TaskStop<'_>) -> bool;

    /// What is told after all tasks have ended, of what they left to be freed. False ends it.
    fn afterwards(&mut self, seen: &Seen<'_>) -> bool;
}

/// A side with its own VMA code, which makes the calls of an operation by itself.
pub trait Watched {
    /// Does one operation, after [`Rmap::begin_operation`]. The watcher gets each observation, and can end the operation by
    /// returning false. Returns 0, or for a fault the serial of its VMA, or a negative errno.
    fn operate_watched(&mut self, request: &Request<'_>, watcher: &mut dyn FnMut(&Seen<'_>) -> bool) -> i32;

    /// Does one operation, and tells nothing of it, nor of those that follow until a reset: what it costs by itself.
    fn operate_unwatched(&mut self, request: &Request<'_>) -> i32 {
        self.operate_watched(request, &mut |_| true)
    }

    /// Appends the VMAs of a process to `out`, in order of address, and returns the counters of its mm. None if the process
    /// does not exist.
    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts>;

    /// How many allocations of the current operation were made to fail.
    fn injected(&self) -> u32;

    /// Whether this kernel has `UFFDIO_MOVE` (since 6.8).
    fn moves_pages(&self) -> bool;

    /// Whether this kernel merges memory that was written to with memory that was not, whichever of the two changes
    /// (since 6.19).
    fn merges_either_way(&self) -> bool;

    /// Reads the page tables into `out`, if the kernel's own page-table code keeps them. None: it does not; false: they
    /// name what is not there, and cannot be read.
    fn page_tables(&mut self, _out: &mut PageTables) -> Option<bool> {
        None
    }

    /// The same, but what is in `out` already is read again only where it has changed, if nobody has read changes since; and
    /// `out.changes` says what those are.
    fn changed_page_tables(&mut self, _out: &mut PageTables) -> Option<bool> {
        None
    }

    /// Appends to `out`, without reading them, the words in which the side tells of its page tables.
    fn page_table_words(&mut self, _out: &mut Vec<u64>) -> Option<bool> {
        None
    }

    /// Whether the kernel's own page-table code keeps the page tables.
    fn has_page_tables(&self) -> bool {
        false
    }

    /// Which allocations of frames and page tables fail, after [`Rmap::begin_operation`].
    fn fail_pages(&mut self, _fail: &Fail) {}

    /// Does operations together, each as a task. The scheduler says which one goes on. The watcher gets what is wrong, and can
    /// end all of it by returning false. Returns how each task ended; none: the side cannot, or it was ended in the middle.
    fn run_together(
        &mut self,
        _ops: &[Op],
        _scheduler: &mut Scheduler<'_>,
        _watcher: &mut dyn FnMut(&Seen<'_>) -> bool,
    ) -> Option<Vec<TaskEnd>> {
        None
    }

    /// Like [`Watched::run_together`], for somebody who is told of every call and every point.
    fn follow_together(
        &mut self,
        _ops: &[Op],
        _scheduler: &mut Scheduler<'_>,
        _watcher: &mut dyn TaskWatcher,
    ) -> Option<Vec<TaskEnd>> {
        None
    }
}

/// What the kernel driver needs: VMA code over a reverse map, alone or in lockstep with another side.
pub trait VmaLayer: Rmap {
    /// Does one operation. `pages` gets the updates of page tables, in order with the calls. Returns 0, or for a fault the
    /// serial of its VMA, or a negative errno.
    fn operate(&mut self, request: &Request<'_>, pages: &mut dyn FnMut(PageEvent)) -> i32;

    /// See [`Watched::mapped`].
    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts>;

    /// See [`Watched::injected`].
    fn injected(&self) -> u32;

    /// See [`Watched::moves_pages`].
    fn moves_pages(&self) -> bool;

    /// See [`Watched::merges_either_way`].
    fn merges_either_way(&self) -> bool;

    /// See [`Watched::changed_page_tables`].
    fn changed_page_tables(&mut self, out: &mut PageTables) -> Option<bool>;

    /// See [`Watched::has_page_tables`].
    fn has_page_tables(&self) -> bool;

    /// See [`Watched::fail_pages`].
    fn fail_pages(&mut self, fail: &Fail);

    /// Does the operations of a section together. Returns how each ended; none: it was ended in the middle, or cannot be done.
    fn together(&mut self, _ops: &[Op], _section: &Section) -> Option<Vec<TaskEnd>> {
        None
    }
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

    fn merges_either_way(&self) -> bool {
        Watched::merges_either_way(self)
    }

    fn changed_page_tables(&mut self, out: &mut PageTables) -> Option<bool> {
        Watched::changed_page_tables(self, out)
    }

    fn has_page_tables(&self) -> bool {
        Watched::has_page_tables(self)
    }

    fn fail_pages(&mut self, fail: &Fail) {
        Watched::fail_pages(self, fail);
    }

    fn together(&mut self, ops: &[Op], section: &Section) -> Option<Vec<TaskEnd>> {
        self.run_together(ops, &mut Scheduler::new(section), &mut |_| true)
    }
}
