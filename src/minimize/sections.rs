//! Fewer sections, tasks and switches, and fewer operations around them.

use super::Search;
use crate::rmap::Fail;
use crate::trace::Trace;
use crate::trace::together::{PointKind, Switch, why_not_together};

/// Up to which number a point is tried by its name.
const NTH_MAX: u32 = 8;

/// Whether every section of a trace can be run.
pub(super) fn are_legal(trace: &Trace) -> bool {
    trace.sections.iter().all(|section| {
        let ops = trace.ops.get(section.range());
        ops.is_some_and(|ops| ops.len() >= 2 && why_not_together(ops).is_none())
    })
}

pub(super) fn shrink(search: &mut Search<'_>) {
    search.until_nothing_goes(|search| {
        search.until_nothing_goes(|search| {
            one_after_another(search);
            operations(search);
            tasks(search);
            switches(search);
            failures(search);
        });
        short_schedules(search);
    });
}

/// Steps of a task at which a short schedule switches.
const STEPS_MAX: u32 = 40;

/// Another schedule of one switch, or of two of which the second is at a step of the task that the first lets go on: a walk of many
/// switches may come to what few do, and not by dropping any.
fn short_schedules(search: &mut Search<'_>) {
    for section in 0..search.best.sections.len() {
        let tasks = search.best.sections[section].tasks;
        for lines in 1..search.best.sections[section].switches.len().min(3) {
            if short_schedule(search, section, tasks, &mut Vec::new(), lines) {
                break;
            }
        }
    }
}

fn short_schedule(search: &mut Search<'_>, section: usize, tasks: usize, lines: &mut Vec<Switch>, more: usize) -> bool {
    if more == 0 {
        let mut candidate = search.best.clone();
        candidate.sections[section].switches.clone_from(lines);
        return search.attempt(candidate);
    }
    let of: Vec<usize> = lines.last().map_or_else(|| (0..tasks).collect(), |line| vec![line.next]);
    of.into_iter().any(|task| {
        (1..=STEPS_MAX).any(|nth| {
            (0..tasks).filter(|&next| next != task).any(|next| {
                lines.push(Switch { task, point: None, object: None, nth, next });
                let found = short_schedule(search, section, tasks, lines, more - 1);
                lines.pop();
                found
            })
        })
    })
}

/// Is it a race at all? The operations of a section stay, one after another.
fn one_after_another(search: &mut Search<'_>) {
    let mut at = search.best.sections.len();
    while at > 0 {
        at -= 1;
        let mut candidate = search.best.clone();
        candidate.sections.remove(at);
        search.attempt(candidate);
    }
}

/// The same trace without operations that are in no section; none if one is.
fn without(trace: &Trace, from: usize, to: usize) -> Option<Trace> {
    if (from..to).any(|at| trace.section_of(at).is_some()) {
        return None;
    }
    let mut out = trace.clone();
    out.ops.drain(from..to);
    for section in out.sections.iter_mut().filter(|section| section.first >= to) {
        section.first -= to - from;
    }
    Some(out)
}

fn operations(search: &mut Search<'_>) {
    let mut len = search.len().div_ceil(2);
    while len > 0 {
        let mut end = search.len();
        while end > 0 {
            let start = end.saturating_sub(len);
            if let Some(candidate) = without(&search.best, start, end) {
                search.attempt(candidate);
            }
            end = start;
        }
        len /= 2;
    }
}

/// The same trace without a task of a section of three.
fn without_task(trace: &Trace, section: usize, task: usize) -> Option<Trace> {
    let mut out = trace.clone();
    let of = &mut out.sections[section];
    if of.tasks < 3 {
        return None;
    }
    of.tasks -= 1;
    of.switches.retain(|switch| switch.task != task && switch.next != task);
    let lower = |of: &mut usize| *of -= usize::from(*of > task);
    for switch in &mut of.switches {
        lower(&mut switch.task);
        lower(&mut switch.next);
    }
    out.ops.remove(of.first + task);
    for later in &mut out.sections[section + 1..] {
        later.first -= 1;
    }
    Some(out)
}

fn tasks(search: &mut Search<'_>) {
    for section in (0..search.best.sections.len()).rev() {
        for task in (0..3).rev() {
            let candidate = search.best.sections.get(section).and_then(|_| without_task(&search.best, section, task));
            if let Some(candidate) = candidate {
                search.attempt(candidate);
            }
        }
    }
}

fn switches(search: &mut Search<'_>) {
    for section in 0..search.best.sections.len() {
        let mut at = search.best.sections[section].switches.len();
        while at > 0 {
            at -= 1;
            let mut candidate = search.best.clone();
            candidate.sections[section].switches.remove(at);
            if search.attempt(candidate) {
                continue;
            }
            while plainer(&search.best.sections[section].switches[at]).into_iter().any(|switch| {
                let mut candidate = search.best.clone();
                candidate.sections[section].switches[at] = switch;
                search.attempt(candidate)
            }) {}
        }
    }
}

/// The same switch by the name of its point, and earlier.
fn plainer(switch: &Switch) -> Vec<Switch> {
    let mut plainer = Vec::new();
    if switch.point.is_none() {
        for nth in 1..=switch.nth.min(NTH_MAX) {
            let named = PointKind::ALL.iter().map(|&point| Switch { point: Some(point), nth, ..*switch });
            plainer.extend(named);
        }
    }
    plainer.extend((1..switch.nth).map(|nth| Switch { nth, ..*switch }));
    plainer
}

/// Without failing allocations in the tasks.
fn failures(search: &mut Search<'_>) {
    for at in 0..search.len() {
        let op = search.best.ops[at];
        let kinds = [
            super::Op { fail: Fail::NEVER, ..op },
            super::Op { fail_node: Fail::NEVER, ..op },
            super::Op { fail_page: Fail::NEVER, ..op },
        ];
        for plainer in kinds.into_iter().filter(|plainer| *plainer != op) {
            search.attempt_with(at, plainer);
        }
    }
}
