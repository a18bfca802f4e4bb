//! Sections in the byte form: the records that head one, and which operations follow as its tasks.
//!
//! A header says how many tasks there are and has room for [`SWITCHES`] switches. Headers that follow one another without an operation
//! between them are of one section, so that every schedule has a byte form. The operations are the records that come next.

use super::{EXACT, RECORD_BYTES, Record, decode_exact, decode_gaps};
use crate::args::Args;
use crate::model::TraceModel;
use crate::op::{Fails, Op, OpSet};
use crate::table::{OPERATIONS, row_of};
use crate::together::{MAX_TASKS, PointKind, PointObject, Section, Switch, TOGETHER, why_not_together};
use std::sync::LazyLock;

/// Bits 0–2 of the mode of a header, where the set has sections.
const HEADER: u8 = 3;
/// Switches for which one header has room.
pub(crate) const SWITCHES: usize = 8;
/// Bytes of a switch.
const SWITCH_BYTES: usize = 4;
/// Where the first one stands.
const FIRST_SWITCH: usize = RECORD_BYTES - SWITCHES * SWITCH_BYTES;
/// Bit of the second byte of a switch: its N is literal. Without it N is 1 to [`NEAR`].
const LITERAL: u8 = 1 << 7;
/// The largest N that is not literal.
const NEAR: u16 = 32;

/// Which operation takes the place of one that is no task, by its kind.
static INSTEAD: LazyLock<Vec<usize>> = LazyLock::new(|| TOGETHER.iter().filter_map(|word| row_of(word)).collect());

/// How many tasks a section may have: 2 to this.
const TASKS: usize = MAX_TASKS;

/// One header: a part of a section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// How many tasks the section has: what the first of several headers says.
    pub tasks: usize,
    /// At most [`SWITCHES`].
    pub switches: Vec<Switch>,
}

impl Record {
    /// Whether it heads a section.
    pub(crate) fn is_header(&self, set: OpSet) -> bool {
        set == OpSet::Together && self.mode & 7 == HEADER
    }

    /// What it says as a header, in a section of so many tasks; none: as many as it says itself.
    pub(crate) fn header(&self, tasks: Option<usize>) -> Header {
        let tasks = tasks.unwrap_or(2 + usize::from(self.kind) % (TASKS - 1));
        let mut bytes = Vec::with_capacity(RECORD_BYTES);
        self.write(&mut bytes);
        let (switches, _) = bytes[FIRST_SWITCH..].as_chunks::<SWITCH_BYTES>();
        let count = usize::from(self.p) % (SWITCHES + 1);
        Header { tasks, switches: switches.iter().take(count).map(|bytes| switch(bytes, tasks)).collect() }
    }

    /// The record of a header.
    pub(crate) fn of_header(header: &Header) -> Record {
        let mut bytes = [0; RECORD_BYTES];
        let count = header.switches.len().min(SWITCHES);
        bytes[..4].copy_from_slice(&[(header.tasks - 2) as u8, count as u8, 0, HEADER]);
        for (place, switch) in bytes[FIRST_SWITCH..].chunks_mut(SWITCH_BYTES).zip(&header.switches) {
            place.copy_from_slice(&switch_bytes(switch, header.tasks));
        }
        Record::read(&bytes)
    }

    /// The headers of a section.
    pub(crate) fn of_section(section: &Section) -> impl Iterator<Item = Record> {
        let parts = section.switches.chunks(SWITCHES).map(<[Switch]>::to_vec);
        let none = section.switches.is_empty().then(Vec::new);
        parts.chain(none).map(|switches| Record::of_header(&Header { tasks: section.tasks, switches }))
    }
}

/// Points that a line can name.
const POINTS: usize = PointKind::ALL.len() + PointKind::BESIDE.len();

fn point(number: usize) -> Option<PointKind> {
    PointKind::ALL.iter().chain(PointKind::BESIDE).copied().nth(number)
}

fn switch(&[who, object, low, high]: &[u8; SWITCH_BYTES], tasks: usize) -> Switch {
    let one_of = |number: u8, count: usize| (usize::from(number) % (count + 1)).checked_sub(1);
    let n = u16::from_le_bytes([low, high]);
    let nth = if object & LITERAL != 0 { n.max(1) } else { 1 + n % NEAR };
    let task = usize::from(who >> 4 & 3) % tasks;
    Switch {
        task,
        point: one_of(who & 15, POINTS).and_then(point),
        object: one_of(object & !LITERAL, PointObject::ALL.len()).map(|object| PointObject::ALL[object]),
        nth: nth.into(),
        next: (task + 1 + usize::from(who >> 6) % (tasks - 1)) % tasks,
    }
}

fn switch_bytes(switch: &Switch, tasks: usize) -> [u8; SWITCH_BYTES] {
    let further = (switch.next + tasks - switch.task - 1) % tasks;
    let point = switch.point.map_or(0, |point| point as u8 + 1);
    let nth = switch.nth.clamp(1, u16::MAX.into()) as u16;
    let (literal, n) = if nth <= NEAR { (0, nth - 1) } else { (LITERAL, nth) };
    let object = switch.object.map_or(0, |object| object as u8 + 1) | literal;
    let [low, high] = n.to_le_bytes();
    [point | (switch.task as u8) << 4 | (further as u8) << 6, object, low, high]
}

/// A section of which not all operations have come.
pub(super) struct Open {
    tasks: usize,
    switches: Vec<Switch>,
    /// Of those that have come, in order. The tasks begin together, so that none is drawn from what another one did.
    effects: Vec<(usize, Args, Fails)>,
}

impl Open {
    /// A header comes after `self`, or after nothing. Returns what of `self` has ended.
    pub(super) fn header(open: &mut Option<Open>, record: &Record) -> Option<Open> {
        if let Some(open) = open.as_mut().filter(|open| open.effects.is_empty()) {
            open.switches.extend(record.header(Some(open.tasks)).switches);
            return None;
        }
        let Header { tasks, switches } = record.header(None);
        open.replace(Open { tasks, switches, effects: Vec::with_capacity(tasks) })
    }

    /// Takes a record as the next task, and tells whether it was made up; none: it cannot run beside the others.
    pub(super) fn task(&mut self, record: &Record, set: OpSet, model: &TraceModel, ops: &mut Vec<Op>) -> Option<bool> {
        let first = ops.len() - self.effects.len();
        let fits = |row: usize, args: Args| {
            let mut all: Vec<Op> = ops[first..].to_vec();
            all.push((OPERATIONS[row].build)(args).into());
            why_not_together(&all).is_none()
        };
        let exact = decode_exact(record).filter(|_| record.mode == EXACT);
        let (row, args, fails) = match exact {
            Some((row, args, fails)) => fits(row, args).then_some((row, args, fails))?,
            None => {
                let row = record.row(set);
                let is_task = INSTEAD.contains(&row);
                let row = if is_task { row } else { INSTEAD[usize::from(record.kind) % INSTEAD.len()] };
                // A fault of a task brings in one page.
                let fields = Args { number: 0, ..record.fields() };
                let (row, args) = model.choose(row, fields, fits)?;
                (row, args, decode_gaps(record, set))
            }
        };
        self.effects.push((row, args, fails));
        ops.push(Op::failing((OPERATIONS[row].build)(args), &fails));
        Some(exact.is_none())
    }

    /// Whether all have come.
    pub(super) fn is_whole(&self) -> bool {
        self.effects.len() == self.tasks
    }

    /// It ends, with as many tasks as have come; one by itself is none.
    pub(super) fn end(self, model: &mut TraceModel, ops: usize, sections: &mut Vec<Section>) {
        for (row, args, fails) in &self.effects {
            (OPERATIONS[*row].effect)(model, *args, fails);
        }
        let tasks = self.effects.len();
        if tasks >= 2 {
            let mut switches = self.switches;
            switches.retain(|switch| switch.task < tasks && switch.next < tasks);
            sections.push(Section::new(ops - tasks, tasks, switches));
        }
    }
}
