//! The loop that plays a trace on a lockstep: the command, the fuzz targets and the tests share it.

use super::divergence::Finding;
use super::lockstep::{Lockstep, LockstepStats};
use crate::mm::{Outcome, SmallDriver};
use crate::rmap::Side;
use crate::trace::Trace;

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
    /// What it stopped for, if anything.
    pub finding: Option<Finding>,
    /// How much it did.
    pub stats: RunStats,
}

/// Plays a trace from an empty world: every operation, then a look at the whole state, then a walk of every folio,
/// then the exit of every process and the end of every reference, after which nothing may be left. Stops at the first finding.
///
/// Both lockstep and driver are reset before, and left as the run left them, so that their
/// state can be dumped.
pub fn run_trace<C: Side, P: Side>(
    lockstep: &mut Lockstep<C, P>,
    driver: &mut SmallDriver,
    trace: &Trace,
) -> RunResult {
    let mut stats = play_trace(lockstep, driver, trace);
    end_trace(lockstep, driver);
    stats.lockstep = lockstep.stats();
    RunResult { finding: lockstep.finding().cloned(), stats }
}

/// The first half of [`run_trace`]: without the exits, for whoever wants to see the state at the end.
pub fn play_trace<C: Side, P: Side>(
    lockstep: &mut Lockstep<C, P>,
    driver: &mut SmallDriver,
    trace: &Trace,
) -> RunStats {
    lockstep.reset();
    driver.reset();
    let mut stats = RunStats::default();
    for op in &trace.ops {
        let outcome = driver.apply(lockstep, op);
        lockstep.end_operation();
        lockstep.check_pages(driver.pages(), driver);
        if lockstep.finding().is_some() {
            break;
        }
        match outcome {
            Outcome::Done => stats.done += 1,
            Outcome::Refused(_) => stats.refused += 1,
            Outcome::Failed(_) => stats.failed += 1,
        }
    }
    lockstep.finish();
    stats.lockstep = lockstep.stats();
    stats
}

/// The second half of [`run_trace`]: the walks, the exit of every process, after which nothing may be left. Does nothing
/// if something was found already.
pub fn end_trace<C: Side, P: Side>(lockstep: &mut Lockstep<C, P>, driver: &mut SmallDriver) {
    if lockstep.finding().is_none() {
        lockstep.begin_teardown();
        driver.walk_all(lockstep);
        lockstep.end_operation();
        lockstep.check_pages(driver.pages(), driver);
        driver.exit_all(lockstep);
        driver.unpin_all(lockstep);
        lockstep.finish_empty();
    }
}
