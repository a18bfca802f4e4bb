//! The trace of a finding made small: [`minimize()`](crate::minimize::minimize) with the loop that plays traces.

use super::divergence::{Finding, FindingKind};
use super::lockstep::Lockstep;
use super::run::{Driver, run_trace};
use crate::minimize::minimize;
use crate::rmap::Side;
use crate::trace::Trace;

/// A small trace, and what is found with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Minimized {
    /// The trace: of those operations alone that a run comes to.
    pub trace: Trace,
    /// What a run of it finds.
    pub finding: Finding,
    /// How many traces were run.
    pub runs: u64,
}

/// Makes a trace small that `finding` was found with: a run of the result, from an empty world, finds something of
/// the same signature.
///
/// If even the trace itself does not find it again, it comes back as it is, with `finding`. So does that of an expectation
/// that does not hold, after no run: a smaller trace would be another one, of which nobody expects anything.
pub fn minimize_finding<C: Side, P: Side, D: Driver<C, P>>(
    lockstep: &mut Lockstep<C, P>,
    driver: &mut D,
    trace: &Trace,
    finding: &Finding,
) -> Minimized {
    let signature = finding.signature();
    let mut small = Minimized { trace: trace.clone(), finding: finding.clone(), runs: 0 };
    // What comes after the finding was never played.
    let ops = usize::try_from(finding.operation).unwrap_or(usize::MAX).min(trace.ops.len());
    if matches!(finding.kind, FindingKind::Expectation { .. }) {
        return small;
    }
    minimize(&trace.first(ops), |candidate| {
        small.runs += 1;
        let found = run_trace(lockstep, driver, candidate).finding;
        let Some(found) = found.filter(|finding| finding.signature() == signature) else { return false };
        // The last one that fails is the result.
        (small.trace, small.finding) = (candidate.clone(), found);
        true
    });
    small
}
