//! The userland run: a trace on the kernel driver alone, and after each step what the booted kernel is compared with.

use rustc_hash::FxHashMap;

use super::expressible::{LeftOut, is_soft_offlined, reason_before};
use super::observed::{Attempt, Observed};
use crate::check::Sides;
use crate::kernel::{Kernel, Reference};
use crate::mm::{KernelDriver, Outcome};
use crate::rmap::dump::{AnonFrame, Dump, DumpedEntry, DumpedFolio, DumpedFrame, PageState, PageTarget, ProcessPages};
use crate::rmap::{
    Cache, Call, EOPNOTSUPP, Event, EventKind, LargeCounts, Side, Snapshot, StateError, VmaAttributes, VmaId,
};
use crate::session::{Session, SessionError, VmaCode};
use crate::trace::agent::Kernel as BootedKernel;
use crate::trace::{Frame, Log, Mapped, Op, OpKind, PageEntry, PageTables, Recorder, Target, Trace};

/// A kernel's own code in userland, with a note of its attempts to allocate.
pub struct Userland {
    side: Recorder<Kernel, Noted>,
    driver: KernelDriver,
    booted: BootedKernel,
}

/// Of the last operation.
#[derive(Default)]
struct Noted {
    attempts: Vec<Attempt>,
    warnings: Vec<String>,
}

impl Log for Noted {
    fn begin(&mut self) {
        self.attempts.clear();
        self.warnings.clear();
    }

    fn note(&mut self, _: Option<Call>, _: i32, events: &[Event], warning: Option<&str>) {
        for event in events {
            if let (Some(EventKind::Alloc), Some(cache)) = (event.kind(), Cache::from_u8(event.arg)) {
                self.attempts.push(Attempt { cache, failed: event.object == Event::NONE });
            }
        }
        self.warnings.extend(warning.map(str::to_owned));
    }
}

/// What was played of a trace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Played {
    /// Without the operations that no process can ask for in the state that they meet.
    pub trace: Trace,
    /// A step each operation.
    pub steps: Vec<Observed>,
    /// The migrations that the booted kernel is to do by soft offlining, from 0.
    pub soft_offlined: Vec<usize>,
}

impl Played {
    /// How many frames the booted kernel takes out of use for good, at most.
    pub fn lost_frames(&self) -> usize {
        let failed = self.trace.ops.iter().filter(|op| matches!(op.kind, OpKind::Poison { .. }));
        failed.count() + self.soft_offlined.len()
    }
}

impl Userland {
    /// Of a reference, with its own page-table code or without. `booted` is the kernel that it is compared with.
    ///
    /// # Errors
    /// If the reference has no such code.
    pub fn new(reference: &'static Reference, vma: VmaCode, booted: &BootedKernel) -> Result<Userland, SessionError> {
        let session = Session::new(reference).with_sides(Sides::Reference).with_vma(vma);
        Ok(Userland { side: Recorder::new(session.kernel()?), driver: KernelDriver::new(), booted: booted.clone() })
    }

    /// Plays what is [expressible](super::expressible::expressible) of a trace. Where there are page tables, an operation on
    /// pages is left out if the system call that does it would do something else.
    pub fn play(&mut self, trace: &Trace, left_out: &mut LeftOut) -> Result<Played, StateError> {
        self.side.reset();
        self.driver.reset();
        self.driver.look_at_page_tables(&mut self.side);
        let mut played = Played::default();
        for op in &trace.ops {
            if let Some(reason) = reason_before(&op.kind, &self.driver, self.booted.zswap) {
                left_out.count(reason);
                continue;
            }
            let soft_offlined = is_soft_offlined(&op.kind, &self.driver, &self.booted);
            let step = self.step(&as_accessed(op, &self.driver))?;
            // The reference has no unmap_poisoned_folio(), and has done nothing.
            if matches!(op.kind, OpKind::Poison { .. }) && step.errno == EOPNOTSUPP {
                left_out.count("poison (the reference is too old)");
                continue;
            }
            if soft_offlined {
                played.soft_offlined.push(played.steps.len());
            }
            played.steps.push(step);
            played.trace.ops.push(*op);
        }
        Ok(played)
    }

    fn step(&mut self, op: &Op) -> Result<Observed, StateError> {
        let errno = match self.driver.apply(&mut self.side, op) {
            Outcome::Done => 0,
            Outcome::Refused(errno) | Outcome::Failed(errno) => errno,
        };
        let mut words = Vec::new();
        self.side.state(&mut words);
        let mut snapshot = Snapshot::decode(&words)?;
        let soft_dirty = self.booted.soft_dirty && self.driver.page_tables().is_some();
        if !soft_dirty {
            snapshot.vmas.iter_mut().for_each(|vma| vma.attributes.flags &= !VmaAttributes::SOFTDIRTY);
        }
        let of = |vmas: &[Mapped]| vmas.iter().map(|vma| vma.vma).collect::<Vec<VmaId>>();
        let processes: Vec<_> = self.driver.processes().map(|(mm, vmas)| (mm, of(vmas))).collect();
        let name = self.side.side().reference().name;
        let pages = self.driver.page_tables().map(|(tables, _)| page_state(tables, soft_dirty));
        let dump = Dump::detailed(name, "userland", &snapshot, self.side.live(), &processes, pages);
        let Noted { attempts, warnings } = self.side.log();
        Ok(Observed { errno, dump, attempts: Some(attempts.clone()), warnings: warnings.clone() })
    }
}

/// The booted kernel's processes access their pages: where an entry already allows it, there is no fault.
fn as_accessed(op: &Op, driver: &KernelDriver) -> Op {
    let OpKind::Fault { mm, page, read, .. } = op.kind else { return *op };
    let entry = driver.page_tables().and_then(|(tables, _)| tables.entry_at(mm, page));
    let allows =
        |entry: &PageEntry| matches!(entry.target, Target::Frame(_) | Target::Zero) && (read || entry.writable);
    match entry.is_some_and(allows) {
        true => Op { kind: OpKind::Touch { mm, page, write: !read }, ..*op },
        false => *op,
    }
}

/// What is compared of the page tables. `soft_dirty`: soft-dirty bits are.
fn page_state(tables: &PageTables, soft_dirty: bool) -> PageState {
    let dumped = |entry: &PageEntry| DumpedEntry { soft_dirty: soft_dirty && entry.soft_dirty, ..dumped_entry(entry) };
    let processes = tables.mms.iter().map(|mm| ProcessPages {
        id: mm.mm.0,
        anon: mm.anon,
        file: mm.file + mm.shmem,
        swap: mm.swap,
        entries: tables.entries.iter().filter(|entry| entry.mm == mm.mm).map(dumped).collect(),
    });
    let large = tables.large.iter().map(|(head, counts)| {
        let LargeCounts { order, entire_mapcount, large_mapcount, pages_mapped, partially_mapped, .. } = *counts;
        let folio = DumpedFolio { order, entire_mapcount, large_mapcount, pages_mapped, partially_mapped };
        (u64::from(*head), folio)
    });
    let large: FxHashMap<_, _> = large.collect();
    let mapped = tables.entries.iter().filter_map(|entry| tables.frame(entry.target.mapped()?));
    let frames = mapped.map(|frame| {
        let (number, head) = (u64::from(frame.frame), u64::from(frame.head));
        let folio = large.contains_key(&head).then(|| (head, number - head));
        (number, DumpedFrame { folio, ..dumped_frame(frame) })
    });
    PageState { processes: processes.collect(), frames: frames.collect(), large }
}

fn dumped_entry(entry: &PageEntry) -> DumpedEntry {
    let (target, exclusive) = match entry.target {
        Target::Zero => (PageTarget::Zero, false),
        Target::Frame(frame) => (PageTarget::Frame(frame.into()), false),
        Target::Swap { slot, exclusive } => (PageTarget::Slot(slot.into()), exclusive),
        // No system call leaves such an entry behind.
        Target::Device { .. } => (PageTarget::Other(u64::MAX), false),
        Target::Migration { exclusive, .. } => (PageTarget::Other(u64::MAX), exclusive),
        Target::Poison(frame) => (PageTarget::Failed(frame.into()), false),
    };
    let PageEntry { page, writable, dirty, huge, uffd, soft_dirty, .. } = *entry;
    DumpedEntry { page, target, writable, dirty, exclusive, huge, uffd, soft_dirty }
}

fn dumped_frame(frame: &Frame) -> DumpedFrame {
    let anon = frame.anon.then(|| AnonFrame {
        anon_vma: frame.anon_vma.map(|anon_vma| anon_vma.0.into()),
        exclusive: frame.exclusive,
        swapbacked: frame.swapbacked,
        content: frame.content,
    });
    DumpedFrame { mapcount: frame.mapcount, index: frame.index, anon, folio: None }
}
