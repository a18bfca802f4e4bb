//! The loop that plays a trace on a lockstep: the command, the fuzz targets and the tests share it.

use super::Rehearsal;
use super::divergence::Finding;
use super::lockstep::{Lockstep, LockstepStats};
use crate::mm::{KernelDriver, Merges, Outcome, SmallDriver, Stats};
use crate::pages::{AddressSpaces, Pages};
use crate::rmap::{ENOSYS, MmId, Side, VmaId};
use crate::trace::together::Section;
use crate::trace::{Op, PageTables, Trace, Watched};

/// How much one run did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct RunStats {
    /// Operations of the trace that were done.
    pub done: u64,
    /// Operations that the kernel refuses.
    pub refused: u64,
    /// Operations that failed on the way.
    pub failed: u64,
    /// What the lockstep counted, the exits at the end included.
    pub lockstep: LockstepStats,
}

/// What came of one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunResult {
    /// What it stopped for, if anything that is not [tolerated](Lockstep::tolerate).
    pub finding: Option<Finding>,
    /// How much it did.
    pub stats: RunStats,
}

/// A driver, as the loop sees it: one that drives a lockstep of these sides.
pub trait Driver<C: Side, P: Side>: AddressSpaces {
    /// Back to the beginning, without a call.
    fn reset(&mut self);
    /// Does one operation.
    fn apply(&mut self, lockstep: &mut Lockstep<C, P>, op: &Op) -> Outcome;
    /// Does the operations of a section together. None: this driver and this lockstep cannot, or something was found.
    fn apply_together(
        &mut self,
        _lockstep: &mut Lockstep<C, P>,
        _ops: &[Op],
        _section: &Section,
    ) -> Option<Vec<Outcome>> {
        None
    }
    /// From now on, or no more, operations are done again that were found sound, from the same beginning: what each of them did by
    /// itself need not be judged again.
    fn set_replays(&mut self, _replays: bool) {}
    /// The operation is over: what the driver knows of the side that the calls do not tell is checked.
    fn check(&mut self, lockstep: &mut Lockstep<C, P>);
    /// The trace is over, and the whole state was found sound: what the driver was told piece by piece is looked at whole.
    fn check_all(&mut self, _lockstep: &mut Lockstep<C, P>) {}
    /// The page tables.
    fn pages(&mut self) -> &mut Pages;
    /// What the kernel's own page tables hold, where its own code keeps them and they could be read.
    fn page_tables(&mut self, _lockstep: &mut Lockstep<C, P>) -> Option<&PageTables> {
        None
    }
    /// Reads what the kernel's own page tables hold now, for whoever draws it: also where something was found in the middle of
    /// an operation. None: its own code does not keep them; false: they name what is not there, and cannot be read.
    fn read_page_tables(&self, _lockstep: &mut Lockstep<C, P>, _out: &mut PageTables) -> Option<bool> {
        None
    }
    /// Runs a section at the end of a trace, from an empty world, and looks at nothing but what is asked where tasks are switched. Of
    /// the side it takes in all that it can tell. False: it cannot. The lockstep and the driver know nothing of it, so both must be reset.
    fn rehearse(
        &mut self,
        _lockstep: &mut Lockstep<C, P>,
        _prefix: &Trace,
        _ops: &[Op],
        _section: &Section,
        _told: &mut Rehearsal,
    ) -> bool {
        false
    }
    /// Ends every process.
    fn exit_all(&mut self, lockstep: &mut Lockstep<C, P>);
    /// The processes that are alive, each with its VMAs in order of their addresses.
    fn processes(&self) -> Vec<(MmId, Vec<VmaId>)>;
    /// The processes that are alive, a bit each.
    fn alive(&self) -> u16;
    /// How often each operation ended how.
    fn stats(&self) -> &Stats;
    /// How many allocations of the last operation were made to fail, those of maple tree nodes included; none if the driver
    /// allocates no nodes.
    fn injected(&self, _lockstep: &mut Lockstep<C, P>) -> Option<u32> {
        None
    }
    /// How often VMAs merged, by case; none if the driver does not merge.
    fn merges(&self) -> Option<&Merges> {
        None
    }
}

impl<C: Side, P: Side> Driver<C, P> for SmallDriver {
    fn reset(&mut self) {
        SmallDriver::reset(self);
    }
    fn apply(&mut self, lockstep: &mut Lockstep<C, P>, op: &Op) -> Outcome {
        SmallDriver::apply(self, lockstep, op)
    }
    fn check(&mut self, lockstep: &mut Lockstep<C, P>) {
        lockstep.check_pages(SmallDriver::pages(self), self);
    }
    fn pages(&mut self) -> &mut Pages {
        self.pages_mut()
    }
    fn exit_all(&mut self, lockstep: &mut Lockstep<C, P>) {
        SmallDriver::exit_all(self, lockstep);
    }
    fn processes(&self) -> Vec<(MmId, Vec<VmaId>)> {
        SmallDriver::processes(self).map(|(mm, vmas)| (mm, vmas.map(|(vma, _)| vma).collect())).collect()
    }
    fn alive(&self) -> u16 {
        SmallDriver::processes(self).fold(0, |alive, (mm, _)| alive | mm.bit())
    }
    fn stats(&self) -> &Stats {
        SmallDriver::stats(self)
    }
}

impl<C: Side + Watched, P: Side> Driver<C, P> for KernelDriver {
    fn reset(&mut self) {
        KernelDriver::reset(self);
    }
    fn apply(&mut self, lockstep: &mut Lockstep<C, P>, op: &Op) -> Outcome {
        KernelDriver::apply(self, lockstep, op)
    }
    fn apply_together(&mut self, lockstep: &mut Lockstep<C, P>, ops: &[Op], section: &Section) -> Option<Vec<Outcome>> {
        KernelDriver::apply_together(self, lockstep, ops, section)
    }
    fn rehearse(
        &mut self,
        lockstep: &mut Lockstep<C, P>,
        prefix: &Trace,
        ops: &[Op],
        section: &Section,
        told: &mut Rehearsal,
    ) -> bool {
        if lockstep.port().is_some() || !prefix.ops.iter().all(|op| KernelDriver::is_one_request(&op.kind)) {
            return false;
        }
        told.run(lockstep.reference(), prefix, ops, section);
        true
    }
    fn set_replays(&mut self, replays: bool) {
        KernelDriver::set_replays(self, replays);
    }
    fn check(&mut self, lockstep: &mut Lockstep<C, P>) {
        for (mm, vmas, counts) in self.take_changed() {
            lockstep.check_space(mm, vmas, counts);
        }
        if let Some(misdeed) = self.take_unexpected_effect() {
            lockstep.misdeed(misdeed);
        }
        lockstep.check_pages(KernelDriver::pages(self), self);
        // What holds of page tables and VMAs holds until one of them changes.
        if !self.unchecked().any {
            return;
        }
        if let Some((tables, readable)) = KernelDriver::page_tables(self) {
            lockstep.check_page_tables(tables, readable, self.unchecked(), |mm, page| self.mapped_at(mm, page));
        }
        self.note_checked();
    }
    fn check_all(&mut self, lockstep: &mut Lockstep<C, P>) {
        if lockstep.finding().is_some() || KernelDriver::page_tables(self).is_none() {
            return;
        }
        KernelDriver::read_page_tables(self, lockstep);
        let readable = Watched::page_tables(lockstep.reference(), &mut self.all_tables) == Some(true);
        if let Some((tables, true)) = KernelDriver::page_tables(self) {
            lockstep.check_all_page_tables(tables, readable.then_some(&self.all_tables));
        }
    }
    fn pages(&mut self) -> &mut Pages {
        self.pages_mut()
    }
    fn page_tables(&mut self, lockstep: &mut Lockstep<C, P>) -> Option<&PageTables> {
        self.look_at_page_tables(lockstep);
        KernelDriver::page_tables(self).filter(|(_, readable)| *readable).map(|(tables, _)| tables)
    }
    fn read_page_tables(&self, lockstep: &mut Lockstep<C, P>, out: &mut PageTables) -> Option<bool> {
        Watched::page_tables(lockstep.reference(), out)
    }
    fn exit_all(&mut self, lockstep: &mut Lockstep<C, P>) {
        KernelDriver::exit_all(self, lockstep);
        if KernelDriver::page_tables(self).is_some() {
            // Nobody else asks what the last exit left.
            lockstep.end_operation();
            self.check(lockstep);
        }
    }
    fn processes(&self) -> Vec<(MmId, Vec<VmaId>)> {
        KernelDriver::processes(self).map(|(mm, vmas)| (mm, vmas.iter().map(|vma| vma.vma).collect())).collect()
    }
    fn alive(&self) -> u16 {
        KernelDriver::processes(self).fold(0, |alive, (mm, _)| alive | mm.bit())
    }
    fn stats(&self) -> &Stats {
        KernelDriver::stats(self)
    }
    fn injected(&self, lockstep: &mut Lockstep<C, P>) -> Option<u32> {
        Some(Watched::injected(lockstep.reference()))
    }
    fn merges(&self) -> Option<&Merges> {
        Some(KernelDriver::merges(self))
    }
}

/// Plays a trace from an empty world: every operation, then a look at the whole state, then a walk of every folio,
/// then the exit of every process and the end of every reference, after which nothing may be left. Stops at the first finding.
/// What the trace expects after an operation is checked as [`check_expectations`] says: of a trace with expectations for
/// some versions, play [`Trace::of_version`].
///
/// Both lockstep and driver are reset before, and left as the run left them, so that their
/// state can be dumped.
pub fn run_trace<C: Side, P: Side, D: Driver<C, P>>(
    lockstep: &mut Lockstep<C, P>,
    driver: &mut D,
    trace: &Trace,
) -> RunResult {
    run_trace_watched(lockstep, driver, trace, |_, _, _, _| {})
}

/// [`run_trace`], with `each` as in [`play_trace`].
pub fn run_trace_watched<C: Side, P: Side, D: Driver<C, P>>(
    lockstep: &mut Lockstep<C, P>,
    driver: &mut D,
    trace: &Trace,
    each: impl FnMut(&mut Lockstep<C, P>, &mut D, &Op, Outcome),
) -> RunResult {
    let mut stats = play_trace(lockstep, driver, trace, each);
    end_trace(lockstep, driver);
    stats.lockstep = lockstep.stats();
    lockstep.settle();
    RunResult { finding: lockstep.finding().cloned(), stats }
}

/// The first half of [`run_trace`]: without the exits, for whoever wants to see the state at the end. `each` is told how
/// each operation ended in which nothing was found.
pub fn play_trace<C: Side, P: Side, D: Driver<C, P>>(
    lockstep: &mut Lockstep<C, P>,
    driver: &mut D,
    trace: &Trace,
    mut each: impl FnMut(&mut Lockstep<C, P>, &mut D, &Op, Outcome),
) -> RunStats {
    lockstep.reset();
    driver.reset();
    let mut stats = RunStats::default();
    let mut at = 0;
    while at < trace.ops.len() {
        let (alone, together);
        let (ops, outcomes): (&[Op], &[Outcome]) = match trace.section_of(at) {
            Some(section) => {
                let ops = &trace.ops[section.range()];
                let outcomes = driver.apply_together(lockstep, ops, section);
                together = outcomes.unwrap_or_else(|| vec![Outcome::Refused(ENOSYS); ops.len()]);
                (ops, &together)
            }
            None => {
                alone = driver.apply(lockstep, &trace.ops[at]);
                (&trace.ops[at..=at], std::slice::from_ref(&alone))
            }
        };
        at += ops.len();
        lockstep.end_operation();
        driver.check(lockstep);
        check_expectations(lockstep, driver, trace, at);
        if lockstep.finding().is_some() {
            break;
        }
        for (op, &outcome) in ops.iter().zip(outcomes) {
            each(lockstep, driver, op, outcome);
            match outcome {
                Outcome::Done => stats.done += 1,
                Outcome::Refused(_) => stats.refused += 1,
                Outcome::Failed(_) => stats.failed += 1,
            }
        }
    }
    lockstep.finish();
    stats.lockstep = lockstep.stats();
    stats
}

/// The second half of [`run_trace`]: what was read piece by piece is read whole; then the walks, and the exit of every process, after
/// which nothing may be left. Does nothing if something was found already.
pub fn end_trace<C: Side, P: Side, D: Driver<C, P> + ?Sized>(lockstep: &mut Lockstep<C, P>, driver: &mut D) {
    driver.check_all(lockstep);
    if lockstep.finding().is_none() {
        lockstep.begin_teardown();
        driver.pages().walk_all(lockstep);
        lockstep.end_operation();
        driver.check(lockstep);
        driver.exit_all(lockstep);
        driver.pages().unpin_all(lockstep);
        lockstep.finish_empty();
    }
}

/// Checks what the trace expects after an operation (from 1), of each side. It does so under the kernel's VMA code alone: the
/// model never merges VMAs, so that its layouts are its own.
///
/// Whom expectations are about is asked before: see [`Trace::of_version`].
pub fn check_expectations<C: Side, P: Side, D: Driver<C, P>>(
    lockstep: &mut Lockstep<C, P>,
    driver: &D,
    trace: &Trace,
    operation: usize,
) {
    let expectations = trace.expectations_after(operation);
    if expectations.is_empty() || driver.merges().is_none() {
        return;
    }
    let processes = driver.processes();
    for expectation in expectations {
        let process = processes.iter().find(|(mm, _)| *mm == expectation.mm);
        lockstep.check_expectation(expectation, process.map(|(_, vmas)| &vmas[..]));
    }
}
