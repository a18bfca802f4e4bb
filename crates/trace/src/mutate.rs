//! Mutations of a trace's byte form by whole operations, for a fuzzer that keeps what is interesting.
//!
//! There are two kinds of mutations, and each time one of them is drawn. A mutation of *records* keeps the bytes of the records
//! that follow. They may then mean other operations, but these are legal. A mutation of *operations* keeps the operations that
//! follow. Some of them may no longer be legal; three times in four these are left out.

use super::Trace;
use super::bytes::{RECORD_BYTES, Record};
use super::op::{Fails, OpSet};
use super::random::{Mix, Rng, random_sections, random_trace, weighted};
use super::table::{OPERATION_COUNT, OPERATIONS, row_of};
use rmap_seam::Fail;

mod sections;

/// What can be done to a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// Inserts one to four operations of a few kinds.
    Insert,
    /// Drops up to four operations in a row.
    Drop,
    /// Inserts a copy of up to eight operations in a row.
    Duplicate,
    /// Swaps two operations.
    Swap,
    /// Changes one field of one operation.
    Field,
    /// Moves, adds or removes the failure of one operation.
    Failure,
    /// Repeats a fork and the operations around it, up to eight in all, two to eight times.
    Burst,
    /// Inserts eight to 32 operations, most of them forks, exits and faults.
    Phase,
    /// Makes a new trace, of a few kinds of operations, or of many forks of few VMAs.
    Fresh,
    /// Lets two or three operations in a row run together.
    Together,
    /// Lets the operations of a section run one after another.
    Apart,
    /// Adds, drops or changes one `at` line of a section.
    Line,
    /// Swaps two tasks of a section.
    Tasks,
    /// Inserts operations that meet at a page and run together.
    Race,
}

impl Mutation {
    /// All mutations, each with its share.
    pub const ALL: [(Mutation, u32); 14] = [
        (Mutation::Insert, 6),
        (Mutation::Drop, 4),
        (Mutation::Duplicate, 3),
        (Mutation::Swap, 2),
        (Mutation::Field, 6),
        (Mutation::Failure, 4),
        (Mutation::Burst, 2),
        (Mutation::Phase, 2),
        (Mutation::Fresh, 1),
        (Mutation::Together, 3),
        (Mutation::Apart, 1),
        (Mutation::Line, 10),
        (Mutation::Tasks, 2),
        (Mutation::Race, 4),
    ];
    /// How many of them every set has: the others are of sections.
    const WITHOUT_SECTIONS: usize = 9;

    /// Those of a set.
    pub fn of(set: OpSet) -> &'static [(Mutation, u32)] {
        const ALL: &[(Mutation, u32)] = &Mutation::ALL;
        if set == OpSet::Together { ALL } else { ALL.split_at(Mutation::WITHOUT_SECTIONS).0 }
    }
}

/// Operations of a fresh trace at most.
const FRESH_OPS: u32 = 48;
/// A failure lies at most so far from the first attempt, or from the one before.
const FAIL_WITHIN: u32 = 8;

/// Mutates `data[..size]` in place to at most `max_size` bytes, and returns the new number of bytes, which are whole records.
/// Makes one to three mutations, drawn from the seed, so that the trace changes. The same seed makes the same mutations.
pub fn mutate(set: OpSet, data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut rng = Rng::new(seed.into());
    let mut records = records_of(&data[..size]);
    let most = max_size.min(data.len()) / RECORD_BYTES;
    let before = records.clone();
    for _ in 0..1 + rng.below(3) {
        let all = Mutation::of(set);
        let shares = Mutation::ALL.map(|(_, share)| share);
        let (mutation, _) = all[weighted(&mut rng, &shares[..all.len()])];
        apply(mutation, set, &mut records, &mut rng, most);
    }
    if records == before {
        apply(Mutation::Insert, set, &mut records, &mut rng, most);
    }
    records.truncate(most);
    write(&records, data)
}

/// Writes the beginning of one trace and the end of the other to `out`. Returns the number of bytes.
pub fn crossover(set: OpSet, one: &[u8], other: &[u8], out: &mut [u8], seed: u32) -> usize {
    let mut rng = Rng::new(seed.into());
    let (mut records, tail) = (records_of(one), records_of(other));
    let at = place(&mut rng, records.len() + 1);
    let from = place(&mut rng, tail.len());
    let literal = rng.below(2) == 0;
    edit(set, &mut records, literal.then_some(&mut rng), |all| {
        all.truncate(at);
        all.extend_from_slice(&tail[from..]);
    });
    records.truncate(out.len() / RECORD_BYTES);
    write(&records, out)
}

fn records_of(bytes: &[u8]) -> Vec<Record> {
    bytes.as_chunks::<RECORD_BYTES>().0.iter().map(Record::read).collect()
}

fn bytes_of(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(records.len() * RECORD_BYTES);
    records.iter().for_each(|record| record.write(&mut bytes));
    bytes
}

fn write(records: &[Record], out: &mut [u8]) -> usize {
    let bytes = bytes_of(records);
    out[..bytes.len()].copy_from_slice(&bytes);
    bytes.len()
}

/// An index below `bound`; 0 if that is 0.
fn place(rng: &mut Rng, bound: usize) -> usize {
    rng.below(bound as u32) as usize
}

/// Edits a trace: its records as they are, or, with `literal`, all made exact before, so that each says what it said. Headers of no
/// section go then, so that there may be fewer records.
fn edit(set: OpSet, records: &mut Vec<Record>, literal: Option<&mut Rng>, change: impl FnOnce(&mut Vec<Record>)) {
    let Some(rng) = literal else { return change(records) };
    *records = records_of(&Trace::from_bytes_of(set, &bytes_of(records)).to_exact_bytes(set));
    change(records);
    // Back, so that the next mutation of bytes finds records that stay legal.
    let after = Trace::from_bytes_of(set, &bytes_of(records));
    *records = records_of(&after.to_bytes_of(set));
    if rng.below(4) != 0 {
        // A section from which this takes a task gets the next operation for it, or ends.
        records.retain(|record| !record.is_exact());
    }
}

fn apply(mutation: Mutation, set: OpSet, records: &mut Vec<Record>, rng: &mut Rng, most: usize) {
    let len = records.len();
    let room = most.saturating_sub(len);
    // What is made up has no literal meaning before it is in place.
    let mut literal = Rng::new(rng.next_u64());
    let literal = (rng.below(2) == 0).then_some(&mut literal);
    match mutation {
        Mutation::Insert => {
            let made = made_up(set, &swarm(set, rng), 1 + place(rng, 4), rng);
            insert(set, records, made, rng, room);
        }
        Mutation::Phase => {
            let made = made_up(set, &fork_heavy(set).weights, 8 + place(rng, 25), rng);
            insert(set, records, made, rng, room);
        }
        Mutation::Drop if len > 0 => {
            let from = place(rng, len);
            let to = (from + 1 + place(rng, 4)).min(len);
            edit(set, records, literal, |all| drop(all.drain(from.min(all.len())..to.min(all.len()))));
        }
        Mutation::Duplicate if len > 0 => {
            let from = place(rng, len);
            let to = (from + 1 + place(rng, 8)).min(len).min(from + room);
            let at = place(rng, len + 1);
            edit(set, records, literal, |all| {
                let run: Vec<Record> = all.iter().take(to).skip(from).copied().collect();
                let at = at.min(all.len());
                all.splice(at..at, run);
            });
        }
        Mutation::Swap if len > 1 => {
            let (one, other) = (place(rng, len), place(rng, len));
            edit(set, records, literal, |all| {
                if one.max(other) < all.len() {
                    all.swap(one, other);
                }
            });
        }
        Mutation::Field if len > 0 => {
            let at = place(rng, len);
            change_field(&mut records[at], set, rng);
        }
        Mutation::Failure if len > 0 => {
            let at = place(rng, len);
            records[at] = change_failure(&records[at], set, rng);
        }
        Mutation::Burst => burst(set, records, rng, room),
        Mutation::Fresh => {
            let mix = match rng.below(3) {
                0 => fork_heavy(set),
                _ => Mix { weights: swarm(set, rng), ..any_kind(set) },
            };
            let ops = (2 + place(rng, FRESH_OPS as usize - 1)).min(most);
            let trace = match set {
                OpSet::Together if rng.below(4) != 0 => random_sections(rng, ops, &Mix::together()),
                _ => random_trace(rng, ops, &mix),
            };
            *records = records_of(&trace.to_bytes_of(set));
            records.truncate(most);
        }
        Mutation::Together if len > 0 && room > 0 => sections::together(records, rng),
        Mutation::Apart => sections::apart(records, rng),
        Mutation::Line => sections::line(records, rng),
        Mutation::Tasks => sections::swap_tasks(records, rng),
        Mutation::Race => {
            let made = sections::race(rng);
            insert(set, records, made, rng, room);
        }
        // There is nothing to do it to.
        _ => {}
    }
}

/// Many forks of few VMAs.
fn fork_heavy(set: OpSet) -> Mix {
    match set {
        OpSet::Small => Mix::fork_heavy(),
        OpSet::Full => Mix::full_fork_heavy(),
        OpSet::Pages | OpSet::Together => Mix::full_fork_heavy().with_pages(),
    }
}

/// A set's failures, and its other settings.
fn any_kind(set: OpSet) -> Mix {
    match set {
        OpSet::Small => Mix::default(),
        OpSet::Full => Mix::full(),
        OpSet::Pages | OpSet::Together => Mix::full().with_pages(),
    }
}

/// Weights of a set's operations, about half of them 0; mapping and faulting remain, without which there is nothing.
fn swarm(set: OpSet, rng: &mut Rng) -> [u32; OPERATION_COUNT] {
    let enabled = rng.next_u64();
    std::array::from_fn(|row| {
        let kept = matches!(OPERATIONS[row].keyword, "map" | "fault") || enabled >> row & 1 == 1;
        if kept { OPERATIONS[row].weight(set).into() } else { 0 }
    })
}

/// Operations of these weights, their fields random.
fn made_up(set: OpSet, weights: &[u32; OPERATION_COUNT], count: usize, rng: &mut Rng) -> Vec<Record> {
    let mut made = Vec::with_capacity(count);
    for _ in 0..count {
        let Some(mut record) = Record::of_row(weighted(rng, weights), set) else { continue };
        let bits = rng.next_u64();
        (record.p, record.q) = (bits as u8, (bits >> 8) as u8);
        (record.a, record.b, record.c) = ((bits >> 32) as u32, (bits >> 16) as u32, rng.next_u64() as u32);
        if rng.below(8) == 0 {
            record = change_failure(&record, set, rng);
        }
        made.push(record);
    }
    made
}

fn insert(set: OpSet, records: &mut Vec<Record>, mut made: Vec<Record>, rng: &mut Rng, room: usize) {
    made.truncate(room);
    let at = place(rng, records.len() + 1);
    let at = sections::outside(set, records, at, rng);
    records.splice(at..at, made);
}

/// A fork with up to seven operations around it, two to eight times.
fn burst(set: OpSet, records: &mut Vec<Record>, rng: &mut Rng, room: usize) {
    let fork = row_of("fork").expect("a row of the table");
    let forks: Vec<usize> =
        (0..records.len()).filter(|&at| !records[at].is_header(set) && records[at].row(set) == fork).collect();
    let Some(&at) = forks.get(place(rng, forks.len())) else {
        return insert(set, records, made_up(set, &fork_heavy(set).weights, 4, rng), rng, room);
    };
    let from = at.saturating_sub(place(rng, 4));
    let to = (at + 1 + place(rng, 4)).min(records.len());
    let run = records[from..to].to_vec();
    let times = 1 + place(rng, 7);
    let mut again: Vec<Record> = run.iter().copied().cycle().take(run.len() * times).collect();
    again.truncate(room);
    records.splice(to..to, again);
}

fn change_field(record: &mut Record, set: OpSet, rng: &mut Rng) {
    if record.is_header(set) {
        return sections::change_line(record, rng);
    }
    let bits = rng.next_u64();
    // Either a step or anything.
    let step = |value: u32| match bits & 3 {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        _ => (bits >> 32) as u32,
    };
    let used = record.uses(set);
    let fields = [true, used.p, used.q, used.a, used.b, used.c];
    let weights = fields.map(u32::from);
    match weighted(rng, &weights) {
        0 if record.is_exact() => record.kind = place(rng, rows_of(set)) as u8,
        0 => record.kind = of_any_row(set, rng).kind,
        1 => record.p = step(record.p.into()) as u8,
        2 => record.q = step(record.q.into()) as u8,
        3 => record.a = step(record.a),
        4 => record.b = step(record.b),
        _ => record.c = step(record.c),
    }
}

/// The rows that a mutation draws from: those of pages, which come last, for their own set alone.
fn rows_of(set: OpSet) -> usize {
    match set {
        OpSet::Small | OpSet::Full => OPERATIONS.iter().take_while(|operation| operation.is_of(OpSet::Full)).count(),
        OpSet::Pages | OpSet::Together => OPERATION_COUNT,
    }
}

fn of_any_row(set: OpSet, rng: &mut Rng) -> Record {
    let row = place(rng, rows_of(set));
    Record::of_row(row, set).unwrap_or_default()
}

/// No failure where there was one, or it is moved by one, or there is another.
fn change_failure(record: &Record, set: OpSet, rng: &mut Rng) -> Record {
    if record.is_header(set) {
        let mut header = *record;
        sections::change_line(&mut header, rng);
        return header;
    }
    let old = record.failures(set);
    let drawn = 1 + rng.below(FAIL_WITHIN) as u16;
    let fail = |n: u16, from: bool| match from {
        true => Fail::new(&[], Some(n)),
        false => Fail::new(&[n], None),
    };
    let first = |fail: &Fail| fail.list().chain(fail.from()).next();
    let (first_alloc, first_node, first_page) = (first(&old.alloc), first(&old.node), first(&old.page));
    let moved =
        |n: u16, rng: &mut Rng| if rng.below(2) == 0 { n.saturating_add(1) } else { n.saturating_sub(1).max(1) };
    let fails = match rng.below(6) {
        0 => Fails::NEVER,
        1 | 2 if first_alloc.is_some() => {
            let n = moved(first_alloc.unwrap_or(1), rng);
            Fails { alloc: fail(n, old.alloc.from().is_some()).unwrap_or(Fail::NEVER), ..old }
        }
        1 | 2 if first_node.is_some() => {
            let n = moved(first_node.unwrap_or(1), rng);
            Fails { node: fail(n, old.node.from().is_some()).unwrap_or(Fail::NEVER), page: Fail::NEVER, ..old }
        }
        1 | 2 if first_page.is_some() => {
            let n = moved(first_page.unwrap_or(1), rng);
            Fails { page: fail(n, old.page.from().is_some()).unwrap_or(Fail::NEVER), node: Fail::NEVER, ..old }
        }
        // Of a frame or a page table, or of a maple tree node: an operation has one of the two.
        3 if set.has_pages() && rng.below(2) == 0 => {
            Fails { page: fail(drawn, rng.below(2) == 0).unwrap_or(Fail::NEVER), ..Fails::NEVER }
        }
        3 if set != OpSet::Small => {
            Fails { node: fail(drawn, rng.below(2) == 0).unwrap_or(Fail::NEVER), ..Fails::NEVER }
        }
        // One attempt alone, or it and all later ones, or two.
        4 => Fails { alloc: fail(drawn, true).unwrap_or(Fail::NEVER), ..Fails::NEVER },
        5 => {
            let second = drawn + 1 + rng.below(FAIL_WITHIN) as u16;
            Fails { alloc: Fail::new(&[drawn, second], None).unwrap_or(Fail::NEVER), ..Fails::NEVER }
        }
        _ => Fails { alloc: fail(drawn, false).unwrap_or(Fail::NEVER), ..Fails::NEVER },
    };
    record.failing(&fails, set)
}

#[cfg(test)]
mod tests;
