//! Reproducers: a trace as something that runs without this tool, or that stays as a test.
//!
//! A trace is played once, so that what is written knows how each operation ended, and stops where something was found.
//!
//! | form | what |
//! | --- | --- |
//! | [`text`] | the trace up to what was found, in text form |
//! | [`c::program`] | a C program that does it by system calls, for a running kernel (`reproduce/program.c` is what all share) |
//! | [`rust_test::file`] | a Rust file with one `#[test]`, for this crate's `tests/` |

pub mod c;
pub mod rust_test;

use crate::check::{Driver, Finding, Lockstep, check_expectations};
use crate::mm::Outcome;
use crate::rmap::{MmId, Side, VmaRange};
use crate::trace::schedule::Step;
use crate::trace::{Expectation, Op, OpKind, Trace};

/// One operation as it was played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlayedOp {
    /// What was done.
    pub op: Op,
    /// How it ended; none for the one at which something was found.
    pub outcome: Option<Outcome>,
    /// Whether its process was alive before it.
    pub alive: bool,
    /// Whether the process that a fork makes was alive before it.
    pub child_alive: bool,
    /// The VMA that it is about, where a system call needs to know: of the page that grows, of the page that
    /// `uffdmove` moves to.
    pub vma: Option<VmaRange>,
}

/// A trace as it was played.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Played {
    /// The name of the reference.
    pub kernel: String,
    /// Up to what was found.
    pub ops: Vec<PlayedOp>,
    /// What is expected after them.
    pub expectations: Vec<Expectation>,
    /// What was found, if anything.
    pub finding: Option<Finding>,
}

/// Plays a trace, as [`run_trace`](crate::check::run_trace) does, and keeps how each operation ended.
pub fn play<C: Side, P: Side, D: Driver<C, P>>(
    lockstep: &mut Lockstep<C, P>,
    driver: &mut D,
    trace: &Trace,
    kernel: &str,
) -> Played {
    lockstep.reset();
    driver.reset();
    let mut ops = Vec::new();
    for (at, op) in trace.ops.iter().enumerate() {
        let processes = driver.processes();
        let alive = |mm: MmId| processes.iter().any(|(alive, _)| *alive == mm);
        let mut played = PlayedOp { op: *op, outcome: None, alive: true, child_alive: false, vma: None };
        match op.kind {
            OpKind::Fork { parent, child } => (played.alive, played.child_alive) = (alive(parent), alive(child)),
            OpKind::Grow { mm, page, .. } | OpKind::UffdMove { mm, to: page, .. } => {
                played.alive = alive(mm);
                played.vma = driver.vma_at(mm, page).map(|(_, range)| range);
            }
            kind => played.alive = kind.process().is_none_or(alive),
        }
        let outcome = driver.apply(lockstep, op);
        lockstep.end_operation();
        driver.check(lockstep);
        check_expectations(lockstep, driver, trace, at + 1);
        played.outcome = lockstep.finding().is_none().then_some(outcome);
        ops.push(played);
        if lockstep.finding().is_some() {
            break;
        }
    }
    lockstep.finish();
    crate::check::end_trace(lockstep, driver);
    let expectations = trace.first(ops.len()).expectations;
    Played { kernel: kernel.to_owned(), ops, expectations, finding: lockstep.finding().cloned() }
}

impl Played {
    /// The operations that were played, and what is expected after them.
    pub fn trace(&self) -> Trace {
        let ops = self.ops.iter().map(|played| played.op).collect();
        Trace { ops, expectations: self.expectations.clone(), ..Trace::default() }
    }

    /// What was found, or that nothing was, in one line.
    pub fn headline(&self) -> String {
        match &self.finding {
            Some(finding) => finding.signature(),
            None => format!("nothing is found with this trace on {}", self.kernel),
        }
    }
}

/// In which order the tasks of a section ran, if none was interrupted: each an index of the section's operations. A task that
/// comes to its first point has done nothing yet that others could see.
pub fn order_of(schedule: &[(usize, Step)], tasks: usize) -> Option<Vec<usize>> {
    let is_first = |at: usize| schedule[..at].iter().all(|(task, _)| *task != schedule[at].0);
    let done = schedule.iter().enumerate().filter(|&(at, (_, step))| *step == Step::Ended || !is_first(at));
    let mut order: Vec<usize> = done.map(|(_, (task, _))| *task).collect();
    order.dedup();
    let not_begun: Vec<usize> = (0..tasks).filter(|task| !order.contains(task)).collect();
    order.extend(not_begun);
    (order.len() == tasks).then_some(order)
}

/// The operations of a trace one after another: those of each section in an order of [`order_of`], or as they are written.
pub fn one_after_another(trace: &Trace, orders: &[Option<Vec<usize>>]) -> Trace {
    let mut straight = Trace { sections: Vec::new(), ..trace.clone() };
    for (section, order) in trace.sections.iter().zip(orders) {
        for (place, &task) in order.iter().flatten().enumerate() {
            straight.ops[section.first + place] = trace.ops[section.first + task];
        }
    }
    straight
}

/// The trace up to what was found, with what it is.
pub fn text(played: &Played) -> String {
    let trace = played.trace().to_file_text();
    let (first, rest) = trace.split_once('\n').unwrap_or((&trace, ""));
    format!("{first}\n# {}\n# kernel {}\n{rest}", played.headline(), played.kernel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::together::{PointKind, PointObject};

    #[test]
    fn tasks_that_are_not_interrupted_have_an_order() {
        let ends = |tasks: &[usize]| -> Vec<(usize, Step)> { tasks.iter().map(|&task| (task, Step::Ended)).collect() };
        assert_eq!(order_of(&ends(&[0, 0, 1, 2, 2]), 3), Some(vec![0, 1, 2]));
        assert_eq!(order_of(&ends(&[1, 1, 0]), 2), Some(vec![1, 0]));
        // Something was found in b.
        assert_eq!(order_of(&ends(&[1]), 3), Some(vec![1, 0, 2]));
        let at = |task: usize| (task, Step::At(PointKind::Lock, PointObject::Mmap, Some(0)));
        assert_eq!(order_of(&[at(0), at(1), at(1), ends(&[1])[0], at(0), ends(&[0])[0]], 2), Some(vec![1, 0]));
        assert_eq!(order_of(&[at(0), at(0), at(1), ends(&[1])[0], ends(&[0])[0]], 2), None);
        let trace: Trace = "map p0 1..2\ntogether\n  fault p0 1\n  fork p0 p1\nend\nexit p1\n".parse().unwrap();
        let straight = one_after_another(&trace, &[Some(vec![1, 0])]);
        assert_eq!(straight.to_string(), "map p0 0x1..0x2\nfork p0 p1\nfault p0 0x1\nexit p1\n");
        assert_eq!(one_after_another(&trace, &[None]).ops, trace.ops);
    }
}
