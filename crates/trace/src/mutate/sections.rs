//! Mutations of sections. A header says nothing of what the operations are, so that any edit of records leaves sections legal; these
//! here are the edits that change what a section is.

use super::{Record, place, records_of};
use crate::bytes::sections::{Header, SWITCHES};
use crate::op::OpSet;
use crate::random::{Mix, Rng, random_sections};
use crate::together::{MAX_TASKS, PointKind, PointObject, Switch};

/// N of a switch that names its point is drawn up to this.
const NAMED: u32 = 3;
/// N of a switch at any point is drawn up to this: a fork has some 30.
const STEPS: u32 = 30;
/// Operations of a race at most: those that make its place, and its tasks.
const RACE_OPS: usize = 9;

/// The sections, from the first header to one past the last task. Records that are missing at the end count.
fn spans(records: &[Record]) -> Vec<std::ops::Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while at < records.len() {
        if !records[at].is_header(OpSet::Together) {
            at += 1;
            continue;
        }
        let headers = records[at..].iter().take_while(|record| record.is_header(OpSet::Together)).count();
        let end = at + headers + records[at].header(None).tasks;
        spans.push(at..end);
        at = end.min(first_header(records, at + headers));
    }
    spans
}

fn first_header(records: &[Record], from: usize) -> usize {
    let found = records.iter().skip(from).position(|record| record.is_header(OpSet::Together));
    found.map_or(records.len(), |found| from + found)
}

/// A place to insert something: three times in four not inside of a section.
pub(super) fn outside(set: OpSet, records: &[Record], at: usize, rng: &mut Rng) -> usize {
    if set != OpSet::Together || rng.below(4) == 0 {
        return at;
    }
    spans(records).into_iter().find(|span| span.start < at && at < span.end).map_or(at, |span| span.start)
}

/// Lets operations in a row run together. Half of the time they get the fields of the first, so that they may meet.
pub(super) fn together(records: &mut Vec<Record>, rng: &mut Rng) {
    let spans = spans(records);
    let is_free = |at: usize| at < records.len() && !spans.iter().any(|span| span.contains(&at));
    let places: Vec<usize> = (0..records.len()).filter(|&at| is_free(at) && is_free(at + 1)).collect();
    let Some(&at) = places.get(place(rng, places.len())) else { return };
    let tasks = if is_free(at + 2) { 2 + place(rng, MAX_TASKS - 1) } else { 2 };
    if rng.below(2) == 0 {
        let first = records[at];
        for record in &mut records[at + 1..at + tasks] {
            (record.p, record.a) = (first.p, first.a);
        }
    }
    let switches = (0..1 + rng.below(4)).map(|_| switch(tasks, rng)).collect();
    records.insert(at, Record::of_header(&Header { tasks, switches }));
}

/// Lets the operations of a section run one after another.
pub(super) fn apart(records: &mut Vec<Record>, rng: &mut Rng) {
    let spans = spans(records);
    let Some(span) = spans.get(place(rng, spans.len())) else { return };
    let mut at = 0..;
    records.retain(|record| !(at.next().is_some_and(|at| span.contains(&at)) && record.is_header(OpSet::Together)));
}

/// Adds, drops or changes a switch.
pub(super) fn line(records: &mut [Record], rng: &mut Rng) {
    let headers: Vec<usize> = (0..records.len()).filter(|&at| records[at].is_header(OpSet::Together)).collect();
    if let Some(&at) = headers.get(place(rng, headers.len())) {
        change_line(&mut records[at], rng);
    }
}

/// The same of this header.
pub(super) fn change_line(record: &mut Record, rng: &mut Rng) {
    let mut header = record.header(None);
    let tasks = header.tasks;
    let count = header.switches.len();
    let at = place(rng, count);
    match rng.below(6) {
        0 if count > 0 => drop(header.switches.remove(at)),
        0..=2 if count < SWITCHES => header.switches.insert(place(rng, count + 1), switch(tasks, rng)),
        _ if count == 0 => header.switches.push(switch(tasks, rng)),
        3 if count > 1 => header.switches.swap(at, (at + 1) % count),
        _ => change_switch(&mut header.switches[at], tasks, rng),
    }
    *record = Record::of_header(&header);
}

fn change_switch(old: &mut Switch, tasks: usize, rng: &mut Rng) {
    match rng.below(8) {
        0..=2 => old.nth += 1,
        3..=5 => old.nth = old.nth.saturating_sub(1).max(1),
        6 => old.object = random_object(rng),
        _ => *old = switch(tasks, rng),
    }
}

fn random_object(rng: &mut Rng) -> Option<PointObject> {
    PointObject::ALL.get(place(rng, 2 * PointObject::ALL.len())).copied()
}

/// At any point, or now and then at one of a kind.
fn switch(tasks: usize, rng: &mut Rng) -> Switch {
    let task = place(rng, tasks);
    let next = (task + 1 + place(rng, tasks - 1)) % tasks;
    let points = || PointKind::ALL.iter().chain(PointKind::BESIDE);
    let point = if rng.below(3) == 0 { points().nth(place(rng, points().count())).copied() } else { None };
    let nth = 1 + rng.below(if point.is_some() { NAMED } else { STEPS });
    Switch { task, point, object: None, nth, next }
}

/// Swaps two tasks of a section. Its lines stay as they are.
pub(super) fn swap_tasks(records: &mut [Record], rng: &mut Rng) {
    let spans = spans(records);
    let Some(span) = spans.get(place(rng, spans.len())) else { return };
    let tasks: Vec<usize> =
        span.clone().filter(|&at| records.get(at).is_some_and(|record| !record.is_header(OpSet::Together))).collect();
    if let [first, .., last] = tasks[..] {
        let middle = tasks[place(rng, tasks.len())];
        records.swap(if middle == last { first } else { middle }, last);
    }
}

/// Operations that make a place, and a section of such that meet there.
pub(super) fn race(rng: &mut Rng) -> Vec<Record> {
    let mut trace = random_sections(rng, RACE_OPS, &Mix::together());
    // What it began with is a third: there is a trace before it.
    let first = trace.sections.first().map_or(0, |section| section.first.min(RACE_OPS / 3));
    trace.ops.drain(..first);
    trace.sections.iter_mut().for_each(|section| section.first -= first);
    records_of(&match rng.below(2) {
        0 => trace.to_exact_bytes(OpSet::Together),
        _ => trace.to_bytes_of(OpSet::Together),
    })
}
