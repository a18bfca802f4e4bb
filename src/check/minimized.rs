//! The trace of a finding made small: [`minimize()`](crate::minimize::minimize) with the loop that plays traces.

use super::divergence::{Finding, FindingKind};
use super::lockstep::Lockstep;
use super::run::{Driver, run_trace, run_trace_watched};
use crate::minimize::minimize;
use crate::rmap::Side;
use crate::trace::Trace;
use crate::trace::preemptions::{Orders, PreemptedAt};

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
    let mut trace = trace.first(ops);
    let mut schedules = SCHEDULES;
    loop {
        let mut found_again = false;
        minimize(&trace, |candidate| {
            small.runs += 1;
            let found = run_trace(lockstep, driver, candidate).finding;
            let Some(found) = found.filter(|finding| finding.signature() == signature) else { return false };
            // The last one that fails is the result.
            (small.trace, small.finding, found_again) = (candidate.clone(), found, true);
            true
        });
        if !found_again || !fewer_switches(lockstep, driver, &mut small, &signature, &mut schedules) {
            return small;
        }
        trace = small.trace.clone();
    }
}

/// As many schedules are tried, of all sections that a trace comes to, where they may do with fewer switches.
const SCHEDULES: u64 = 20_000;

/// Looks for the same trace with fewer switches in the section that it ends with: among the schedules of its operations, whoever begins,
/// there is one with fewer that comes to the same finding. Single steps lead to it seldom, since who begins says what all others do.
/// Returns whether there was one.
fn fewer_switches<C: Side, P: Side, D: Driver<C, P>>(
    lockstep: &mut Lockstep<C, P>,
    driver: &mut D,
    small: &mut Minimized,
    signature: &str,
    schedules: &mut u64,
) -> bool {
    let trace = &small.trace;
    let Some(section) = trace.sections.last().filter(|one| one.range().end == trace.ops.len() && !one.accesses) else {
        return false;
    };
    let Some(most) = section.switches.len().checked_sub(1).filter(|&most| most > 0) else { return false };
    let range = section.range();
    for at in [PreemptedAt::ANON_VMA, PreemptedAt::ANY] {
        let mut orders = Orders::new(&trace.ops[range.clone()], most as u32, at);
        while let Some((ops, switches)) = orders.next().filter(|_| *schedules > 0) {
            if switches.len() > most {
                continue;
            }
            let mut candidate = trace.clone();
            candidate.ops[range.clone()].copy_from_slice(ops);
            if let Some(last) = candidate.sections.last_mut() {
                last.switches = switches.to_vec();
            }
            *schedules -= 1;
            small.runs += 1;
            let (mut log, mut ended) = (Vec::new(), 0);
            let found = run_trace_watched(lockstep, driver, &candidate, |lockstep, _, _, _| {
                ended += 1;
                if ended == range.end {
                    log = lockstep.schedule().to_vec();
                }
            });
            match found.finding {
                Some(finding) if finding.signature() == signature => {
                    (small.trace, small.finding) = (candidate, finding);
                    return true;
                }
                // What is found before the section says nothing of it.
                Some(finding) if finding.operation > range.start as u64 && !finding.schedule.is_empty() => {
                    log = finding.schedule;
                }
                _ => {}
            }
            orders.ran(&log);
        }
    }
    false
}
