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
    loop {
        minimize(&trace, |candidate| {
            small.runs += 1;
            let found = run_trace(lockstep, driver, candidate).finding;
            let Some(found) = found.filter(|finding| finding.signature() == signature) else { return false };
            // The last one that fails is the result.
            (small.trace, small.finding) = (candidate.clone(), found);
            true
        });
        match fewer_switches(lockstep, driver, &small.trace, &signature, &mut small.runs) {
            Some(fewer) => trace = fewer,
            None => return small,
        }
    }
}

/// As many schedules are tried where a section may do with fewer switches.
const SCHEDULES: u64 = 20_000;

/// The same trace, with fewer switches in the section that it ends with: among the schedules of its operations, whoever begins, there is
/// one with fewer that comes to the same finding. Single steps lead to it seldom, since who begins says what all others do.
fn fewer_switches<C: Side, P: Side, D: Driver<C, P>>(
    lockstep: &mut Lockstep<C, P>,
    driver: &mut D,
    trace: &Trace,
    signature: &str,
    runs: &mut u64,
) -> Option<Trace> {
    let section =
        trace.sections.last().filter(|section| section.range().end == trace.ops.len() && !section.accesses)?;
    let most = section.switches.len().checked_sub(1).filter(|&most| most > 0)?;
    let until = *runs + SCHEDULES;
    for at in [PreemptedAt::ANON_VMA, PreemptedAt::ANY] {
        let mut orders = Orders::new(&trace.ops[section.range()], most as u32, at);
        while let Some((ops, switches)) = orders.next().filter(|_| *runs < until) {
            if switches.len() > most {
                continue;
            }
            let mut candidate = trace.clone();
            candidate.ops[section.range()].copy_from_slice(ops);
            if let Some(last) = candidate.sections.last_mut() {
                last.switches = switches.to_vec();
            }
            *runs += 1;
            let mut log = Vec::new();
            let found = run_trace_watched(lockstep, driver, &candidate, |lockstep, _, _, _| {
                log = lockstep.schedule().to_vec();
            });
            match found.finding {
                Some(finding) if finding.signature() == signature => return Some(candidate),
                Some(finding) if !finding.schedule.is_empty() => log = finding.schedule,
                _ => {}
            }
            orders.ran(&log);
        }
    }
    None
}
