//! The byte form: one record of [`RECORD_BYTES`] bytes for each operation. It can be written as well as read, and a
//! mutation of a few bytes changes a few fields.
//!
//! | bytes | field | modulo record | exact record |
//! | --- | --- | --- | --- |
//! | 0 | kind | by weight | bits 0–4 the row of [`OPERATIONS`]; bit 5: nodes are of frames and page tables |
//! | 1 | p | nth live process | bits 0–3 the process |
//! | 2 | q | nth process that does not exist; or bits 0–3 a word, 4–7 a number | the second process, or both |
//! | 3 | mode | which attempts fail, see below | `0xee` |
//! | 4–7 | a, little endian | nth page that is mapped (or free) | the page, or the first page |
//! | 8–11 | b, little endian | length of a range - 1 | one past the last page |
//! | 12–15 | c, little endian | where to, or how many | the other page, or the number of pages |
//! | 16–25 | fails, 5 × u16, little endian | gaps between the attempts that fail | the list, 0s up to 4, and *from* |
//! | 26–35 | nodes, the same | the same of maple tree nodes | the same |
//!
//! In a **modulo** record every field is taken modulo the number of values that are possible in the state that the
//! [model](super::model) expects. So any bytes are a trace, and nearly all of its operations are legal. Bits 0–2 of the mode
//! say which attempts fail:
//!
//! - 6: one attempt;
//! - 7: a list, whose length is in bits 3–4. If bit 5 is set, or if the list is empty, a *from* follows: that attempt and
//!   all later ones fail;
//! - 5: the same as 7, but the attempts are those for maple tree nodes, and only in the full set and in that of pages;
//! - 4: the same as 5, but the attempts are those for frames and page tables, and only in the set of pages;
//! - anything else: none.
//!
//! Each attempt lies 1 to 8 after the one before.
//!
//! If a modulo record faults in a huge page, the trace is one of huge pages, and each page of the window of its modulo records
//! stands for 128.
//!
//! An **exact** record is literal. It can say what a modulo record cannot: illegal operations, pages outside the window,
//! attempts that lie far apart, failures of both kinds at once. A *from* of 0 means none. Fields that the operation does
//! not have are ignored. A malformed exact record is read as a modulo record.
//!
//! In the set with [sections](super::together) there is a third kind of record, whose mode has 3 in bits 0–2: a **header**. The
//! operations of the section are the records that follow, and count as other records do, but that each is drawn from the state before the
//! section, that an operation that cannot be a task becomes one that can, and that a record that cannot run beside the others ends
//! the section before it. A section of one operation is none. So any bytes are a trace here too.
//!
//! | bytes | field of a header |
//! | --- | --- |
//! | 0 | the number of tasks: 2 or 3, modulo |
//! | 1 | the number of switches, modulo 9 |
//! | 3 | mode |
//! | 4–35 | 8 switches of 4 bytes; more follow in a header that comes next |
//!
//! | bytes | field of a switch |
//! | --- | --- |
//! | 0 | bits 0–3 the point, modulo, 0 is any; 4–5 the task, modulo; 6–7 how far behind it the other task is |
//! | 1 | bits 0–6 the kind of the object, modulo, 0 is any; bit 7: N is literal |
//! | 2–3 | N, little endian: 1 to 32, modulo, or literal |
//!
//! What a modulo record means depends on the [set](OpSet) of operations that it is drawn from. A trace has to be
//! decoded with the set with which it was encoded, or with which the fuzzer ran.

use super::args::{Args, Form};
use super::magnify::magnify;
use super::model::{TraceModel, WINDOW_PAGES};
use super::op::{Fails, MAX_FILES, MAX_ORDERS, MAX_PINS, Op, OpKind, OpSet};
use super::table::{OPERATION_COUNT, OPERATIONS, ROW_OF_BYTE, TABLE};
use super::{PAGE_LIMIT, Trace};
use rmap_seam::{Fail, MAX_PROCESSES};
use sections::Open;

pub(super) mod sections;

/// Bytes of one operation.
pub const RECORD_BYTES: usize = 36;

/// The mode of an exact record.
const EXACT: u8 = 0xee;
/// Bit of the kind of an exact record: its nodes are attempts to allocate frames and page tables.
const PAGES: u8 = 1 << 5;
/// Bits 0–2 of the mode: a list, a *from*, or both, of nodes.
const NODES: u8 = 5;
/// Bits 0–2 of the mode: the same of frames and page tables.
const FRAMES: u8 = 4;
/// Bits 0–2 of the mode: one attempt fails.
const SINGLE: u8 = 6;
/// Bits 0–2 of the mode: a list, a *from*, or both.
const LIST: u8 = 7;
/// Where the length of the list stands in the mode.
const LIST_SHIFT: u8 = 3;
/// Most attempts of the list of a modulo record.
const LIST_MAX: usize = 3;
/// Bit of the mode: after the list, a *from*.
const FROM: u8 = 1 << 5;
/// Most that an attempt of a modulo record lies after the one before.
const GAP: u16 = 8;
/// Attempts that a record has room for: a list, and a *from*.
const ATTEMPTS: usize = Fail::MAX + 1;

/// Which fields an operation uses beside `p`.
#[derive(Clone, Copy)]
struct Uses {
    p: bool,
    a: bool,
    b: bool,
    /// None; else the least that it can be.
    c: Option<u64>,
    /// `q` is a process.
    second: bool,
    /// How many words there are, the absent one included.
    words: u8,
    /// How many numbers there are, the absent one included.
    numbers: u8,
}

const fn fields_of(row: usize) -> Uses {
    let args = TABLE[row].args;
    let mut uses = Uses { p: false, a: false, b: false, c: None, second: false, words: 1, numbers: 1 };
    let mut i = 0;
    while i < args.len() {
        match args[i].form() {
            Form::First => uses.p = true,
            Form::Second => uses.second = true,
            Form::Page => uses.a = true,
            Form::Range => (uses.a, uses.b) = (true, true),
            Form::Place => uses.c = Some(0),
            Form::Count => uses.c = Some(1),
            Form::Word(words) => uses.words = words.len() as u8,
            Form::Optional(words) => uses.words = words.len() as u8 + 1,
            Form::File => uses.numbers = MAX_FILES + 1,
            Form::Order => uses.numbers = MAX_ORDERS,
            Form::Held(_) => uses.numbers = MAX_PINS,
        }
        i += 1;
    }
    uses
}

const USES: [Uses; OPERATION_COUNT] = {
    let mut all = [fields_of(0); OPERATION_COUNT];
    let mut row = 0;
    while row < OPERATION_COUNT {
        all[row] = fields_of(row);
        assert!(!(all[row].second && (all[row].words > 1 || all[row].numbers > 1)), "q, word and number share a byte");
        assert!(all[row].words <= 4, "a word is drawn by two bits");
        row += 1;
    }
    assert!(OPERATION_COUNT <= 32, "the row of an exact record has 5 bits");
    all
};

/// Bytes that are not the byte form of a trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// The bytes end inside a record.
    #[error(
        "the byte form ends inside record {record}: {found} of its {RECORD_BYTES} bytes; \
         give --partial to convert it without them, if a fuzzer wrote it"
    )]
    PartialRecord {
        /// Which record, from 1.
        record: usize,
        /// How many bytes of it there are.
        found: usize,
    },
}

/// The fields of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Record {
    pub(super) kind: u8,
    pub(super) p: u8,
    pub(super) q: u8,
    pub(super) mode: u8,
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) c: u32,
    pub(super) fails: [u16; ATTEMPTS],
    pub(super) nodes: [u16; ATTEMPTS],
}

/// Which fields of a record say something.
pub(super) struct UsedFields {
    pub(super) p: bool,
    pub(super) q: bool,
    pub(super) a: bool,
    pub(super) b: bool,
    pub(super) c: bool,
}

impl Record {
    pub(super) fn read(bytes: &[u8; RECORD_BYTES]) -> Record {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let halves = |at: usize| std::array::from_fn(|n| half(at + 2 * n));
        let [kind, p, q, mode, ..] = *bytes;
        Record { kind, p, q, mode, a: word(4), b: word(8), c: word(12), fails: halves(16), nodes: halves(26) }
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&[self.kind, self.p, self.q, self.mode]);
        for word in [self.a, self.b, self.c] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for n in self.fails.iter().chain(&self.nodes) {
            bytes.extend_from_slice(&n.to_le_bytes());
        }
    }

    /// Of the operation in this row, all else 0; none if the set has no such operation.
    pub(super) fn of_row(row: usize, set: OpSet) -> Option<Record> {
        let kind = ROW_OF_BYTE[set.column()].iter().position(|&r| usize::from(r) == row)?;
        Some(Record { kind: kind as u8, ..Record::default() })
    }

    /// Whether it is read as an exact record.
    pub(super) fn is_exact(&self) -> bool {
        self.mode == EXACT && decode_exact(self).is_some()
    }

    /// Which of its fields say something.
    pub(super) fn uses(&self, set: OpSet) -> UsedFields {
        let uses = &USES[self.row(set)];
        let q = uses.second || uses.words > 1 || uses.numbers > 1;
        UsedFields { p: uses.p, q, a: uses.a, b: uses.b, c: uses.c.is_some() }
    }

    /// Which attempts of it fail, literal.
    pub(super) fn failures(&self, set: OpSet) -> Fails {
        match decode_exact(self).filter(|_| self.mode == EXACT) {
            Some((_, _, fails)) => fails,
            None => decode_gaps(self, set),
        }
    }

    /// The same with other attempts failing; as it is if its form cannot say that.
    pub(super) fn failing(mut self, fails: &Fails, set: OpSet) -> Record {
        if self.is_exact() {
            let (sort, others) = if fails.page.is_never() { (0, &fails.node) } else { (PAGES, &fails.page) };
            self.kind = self.kind & !PAGES | sort;
            (self.fails, self.nodes) = (attempts_of(&fails.alloc), attempts_of(others));
        } else if let Some((mode, alloc, nodes)) = encode_gaps(fails, set) {
            (self.mode, self.fails, self.nodes) = (mode, alloc, nodes);
        }
        self
    }

    /// Which operation it is, or, if that is impossible, would be.
    pub(super) fn row(&self, set: OpSet) -> usize {
        if self.is_exact() {
            return usize::from(self.kind & 31);
        }
        usize::from(ROW_OF_BYTE[set.column()][usize::from(self.kind)])
    }

    /// What a modulo record draws its arguments from.
    fn fields(&self) -> Args {
        let (a, b, c) = (self.a.into(), self.b.into(), self.c.into());
        Args { p: self.p, q: self.q, a, b, c, word: self.q & 15, number: self.q >> 4 }
    }
}

/// The failures of a modulo record.
fn decode_gaps(record: &Record, set: OpSet) -> Fails {
    let decode = |gaps: &[u16; ATTEMPTS]| {
        let listed = usize::from(record.mode >> LIST_SHIFT) & LIST_MAX;
        let (listed, from) = match record.mode & 7 {
            SINGLE => (1, false),
            _ => (listed, listed == 0 || record.mode & FROM != 0),
        };
        let mut last = 0;
        let attempts = gaps.map(|gap| {
            last += 1 + gap % GAP;
            last
        });
        Fail::new(&attempts[..listed], from.then_some(attempts[listed])).unwrap_or(Fail::NEVER)
    };
    match record.mode & 7 {
        SINGLE | LIST => Fails { alloc: decode(&record.fails), ..Fails::NEVER },
        NODES if set != OpSet::Small => Fails { node: decode(&record.nodes), ..Fails::NEVER },
        FRAMES if set.has_pages() => Fails { page: decode(&record.nodes), ..Fails::NEVER },
        _ => Fails::NEVER,
    }
}

/// The mode and the gaps of a modulo record that fails just so, if there is one.
fn encode_gaps(fails: &Fails, set: OpSet) -> Option<(u8, [u16; ATTEMPTS], [u16; ATTEMPTS])> {
    let none = [0; ATTEMPTS];
    let (sort, others, possible) = match (fails.node.is_never(), fails.page.is_never()) {
        (true, true) => {
            let (mode, gaps) = gaps_of(&fails.alloc)?;
            return Some((mode, gaps, none));
        }
        (false, true) => (NODES, &fails.node, set != OpSet::Small),
        (true, false) => (FRAMES, &fails.page, set.has_pages()),
        (false, false) => return None,
    };
    let (mode, gaps) = gaps_of(others)?;
    let mode = if mode == SINGLE { sort | 1 << LIST_SHIFT } else { mode & !7 | sort };
    (fails.alloc.is_never() && possible).then_some((mode, none, gaps))
}

fn gaps_of(fail: &Fail) -> Option<(u8, [u16; ATTEMPTS])> {
    let listed = fail.list().count();
    let mode = match (listed, fail.from()) {
        (0, None) => 0,
        (1, None) => SINGLE,
        (0..=LIST_MAX, from) => LIST | (listed as u8) << LIST_SHIFT | if from.is_some() { FROM } else { 0 },
        _ => return None,
    };
    let mut gaps = [0; ATTEMPTS];
    let mut last = 0;
    for (gap, n) in gaps.iter_mut().zip(fail.list().chain(fail.from())) {
        *gap = n - last - 1;
        last = n;
    }
    gaps.iter().all(|&gap| gap < GAP).then_some((mode, gaps))
}

/// The modulo record that decodes to just this in this state, if there is one.
fn encode_modulo(row: usize, args: Args, fails: &Fails, model: &TraceModel) -> Option<Record> {
    let set = model.set();
    let (mode, alloc, nodes) = encode_gaps(fails, set)?;
    let fields = model.undraw(OPERATIONS[row].args, args)?;
    let kind = Record::of_row(row, set)?.kind;
    let q = if USES[row].second { fields.q } else { fields.word & 15 | fields.number << 4 };
    let (a, b, c) = (fields.a as u32, fields.b as u32, fields.c as u32);
    let record = Record { kind, p: fields.p, q, mode, a, b, c, fails: alloc, nodes };
    let same = model.choose(row, record.fields(), |_, _| true)? == (row, args) && decode_gaps(&record, set) == *fails;
    same.then_some(record)
}

/// Decodes an exact record; none if it is malformed.
fn decode_exact(record: &Record) -> Option<(usize, Args, Fails)> {
    let row = usize::from(record.kind & 31);
    let uses = USES.get(row)?;
    let page = |used: bool, field: u32| if used { field.into() } else { 0 };
    let args = Args {
        p: if uses.p { record.p & 15 } else { 0 },
        q: if uses.second { record.q & 15 } else { 0 },
        a: page(uses.a, record.a),
        b: page(uses.b, record.b),
        c: page(uses.c.is_some(), record.c),
        word: (record.q & 15) % uses.words,
        number: (record.q >> 4) % uses.numbers,
    };
    if (uses.b && args.a > args.b) || uses.c.is_some_and(|least| args.c < least) {
        return None;
    }
    let fail = |attempts: &[u16; ATTEMPTS]| {
        let [list @ .., from] = attempts;
        let listed = list.iter().take_while(|&&n| n != 0).count();
        if list[listed..].iter().any(|&n| n != 0) {
            return None;
        }
        Fail::new(&list[..listed], (*from != 0).then_some(*from)).ok()
    };
    let (alloc, others) = (fail(&record.fails)?, fail(&record.nodes)?);
    let fails = match record.kind & PAGES {
        0 => Fails { alloc, node: others, page: Fail::NEVER },
        _ => Fails { alloc, node: Fail::NEVER, page: others },
    };
    Some((row, args, fails))
}

/// The attempts of an exact record.
fn attempts_of(fail: &Fail) -> [u16; ATTEMPTS] {
    let mut places = [0; ATTEMPTS];
    for (place, n) in places.iter_mut().zip(fail.list()) {
        *place = n;
    }
    places[Fail::MAX] = fail.from().unwrap_or(0);
    places
}

/// The exact record of an operation. What is out of range, and so has no text form either, is
/// clamped.
fn encode_exact(row: usize, args: Args, fails: &Fails) -> Record {
    let uses = &USES[row];
    let process = |p: u8| p.min(MAX_PROCESSES as u8 - 1);
    let page = |page: u64| page.min(PAGE_LIMIT - 1) as u32;
    let q = match uses.second {
        true => process(args.q),
        false => args.word.min(uses.words - 1) | args.number.min(uses.numbers - 1) << 4,
    };
    let (kind, others) = match fails.page.is_never() {
        true => (row as u8, &fails.node),
        false => (row as u8 | PAGES, &fails.page),
    };
    Record {
        kind,
        p: process(args.p),
        q,
        mode: EXACT,
        a: page(args.a),
        b: page(args.b),
        c: page(args.c.max(uses.c.unwrap_or(0))),
        fails: attempts_of(&fails.alloc),
        nodes: attempts_of(others),
    }
}

impl Trace {
    /// [`Trace::from_bytes_of`] with the full set.
    pub fn from_bytes(bytes: &[u8]) -> Trace {
        Trace::from_bytes_of(OpSet::Full, bytes)
    }

    /// Decodes any bytes, with operations of a set. An incomplete last record is left out, because a fuzzer may cut its
    /// inputs at any byte. Takes time linear in the number of bytes.
    pub fn from_bytes_of(set: OpSet, bytes: &[u8]) -> Trace {
        let mut model = TraceModel::new(set, MAX_PROCESSES as u8, WINDOW_PAGES);
        let mut ops = Vec::with_capacity(bytes.len() / RECORD_BYTES);
        let (records, _) = bytes.as_chunks::<RECORD_BYTES>();
        let mut made_up = Vec::with_capacity(records.len());
        let (mut sections, mut open) = (Vec::new(), None);
        for bytes in records {
            let record = Record::read(bytes);
            if record.is_header(set) {
                if let Some(ended) = Open::header(&mut open, &record) {
                    ended.end(&mut model, ops.len(), &mut sections);
                }
                continue;
            }
            if let Some(section) = &mut open {
                let task = section.task(&record, set, &model, &mut ops);
                made_up.extend(task);
                if (task.is_none() || section.is_whole())
                    && let Some(ended) = open.take()
                {
                    ended.end(&mut model, ops.len(), &mut sections);
                }
                if task.is_some() {
                    continue;
                }
            }
            if record.mode == EXACT
                && let Some((row, args, fails)) = decode_exact(&record)
            {
                (OPERATIONS[row].effect)(&mut model, args, &fails);
                ops.push(Op::failing((OPERATIONS[row].build)(args), &fails));
            } else {
                model.make(record.row(set), record.fields(), &decode_gaps(&record, set), &mut ops);
                made_up.resize(ops.len(), true);
            }
            made_up.resize(ops.len(), false);
        }
        if let Some(ended) = open {
            ended.end(&mut model, ops.len(), &mut sections);
        }
        if ops.iter().zip(&made_up).any(|(op, made_up): (&Op, &bool)| *made_up && op.kind.is_huge_fault()) {
            magnify(ops.iter_mut().zip(&made_up).filter(|(_, made_up)| **made_up).map(|(op, _)| op));
        }
        Trace { sections, ..ops.into_iter().collect() }
    }

    /// Encodes with exact records alone, which mean the same wherever they stand.
    pub(super) fn to_exact_bytes(&self, set: OpSet) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.ops.len() * RECORD_BYTES);
        for (at, op) in self.ops.iter().enumerate() {
            self.headers_at(at, set).for_each(|record| record.write(&mut bytes));
            let (row, args) = op.kind.split();
            encode_exact(row, args, &op.fails()).write(&mut bytes);
        }
        bytes
    }

    /// The headers before an operation.
    fn headers_at(&self, at: usize, set: OpSet) -> impl Iterator<Item = Record> {
        let first = self.sections.iter().filter(move |section| set == OpSet::Together && section.first == at);
        first.flat_map(Record::of_section)
    }

    /// [`Trace::try_from_bytes_of`] with the full set.
    ///
    /// # Errors
    /// If it ends inside a record.
    pub fn try_from_bytes(bytes: &[u8]) -> Result<Trace, BytesError> {
        Trace::try_from_bytes_of(OpSet::Full, bytes)
    }

    /// Decodes a file that should be the byte form of a trace.
    ///
    /// # Errors
    /// If it ends inside a record.
    pub fn try_from_bytes_of(set: OpSet, bytes: &[u8]) -> Result<Trace, BytesError> {
        match bytes.len() % RECORD_BYTES {
            0 => Ok(Trace::from_bytes_of(set, bytes)),
            found => Err(BytesError::PartialRecord { record: bytes.len() / RECORD_BYTES + 1, found }),
        }
    }

    /// [`Trace::to_bytes_of`] with the full set.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes_of(OpSet::Full)
    }

    /// Encodes the trace, with [`RECORD_BYTES`] for each operation, and as many for the header of a section. If the trace has a
    /// text form and no expectations, and no sections if the set has none,
    /// `Trace::from_bytes_of(set, &trace.to_bytes_of(set)) == trace`, even if some operations are not of the set. Legal
    /// operations of the set within the window become modulo records. So they stay legal if the operations before them
    /// are mutated. In a set without sections their operations follow one another.
    pub fn to_bytes_of(&self, set: OpSet) -> Vec<u8> {
        if set.has_pages() && self.ops.iter().any(|op| op.kind.is_huge_fault()) {
            let bytes = self.to_window_bytes(set, OpKind::reduced);
            if Trace::from_bytes_of(set, &bytes).ops == self.ops {
                return bytes;
            }
            return self.to_exact_bytes(set);
        }
        self.to_window_bytes(set, |kind| Some(*kind))
    }

    /// `of_window` is an operation as it is in the window, where it lies in that.
    fn to_window_bytes(&self, set: OpSet, of_window: impl Fn(&OpKind) -> Option<OpKind>) -> Vec<u8> {
        let mut model = TraceModel::new(set, MAX_PROCESSES as u8, WINDOW_PAGES);
        let mut bytes = Vec::with_capacity(self.ops.len() * RECORD_BYTES);
        // Of a section, whose operations all begin before any of them has done something.
        let mut effects = Vec::new();
        for (at, op) in self.ops.iter().enumerate() {
            self.headers_at(at, set).for_each(|record| record.write(&mut bytes));
            let (row, args) = op.kind.split();
            let fails = op.fails();
            let inside = of_window(&op.kind).map(|kind| kind.split().1);
            let record = inside.and_then(|inside| encode_modulo(row, inside, &fails, &model));
            // An exact record is taken by its own pages.
            let taken = if record.is_some() { inside.unwrap_or(args) } else { args };
            record.unwrap_or_else(|| encode_exact(row, args, &fails)).write(&mut bytes);
            effects.push((row, taken, fails));
            let goes_on = set == OpSet::Together && self.section_of(at).is_some_and(|of| at + 1 < of.range().end);
            if !goes_on {
                for (row, args, fails) in effects.drain(..) {
                    (OPERATIONS[row].effect)(&mut model, args, &fails);
                }
            }
        }
        bytes
    }
}

/// Takes all the bytes, so that an input means the same to a structured fuzz target and to a raw one.
impl<'a> arbitrary::Arbitrary<'a> for Trace {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Trace> {
        let all = u.len();
        Ok(Trace::from_bytes(u.bytes(all)?))
    }

    fn arbitrary_take_rest(u: arbitrary::Unstructured<'a>) -> arbitrary::Result<Trace> {
        Ok(Trace::from_bytes(u.take_rest()))
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (0, None)
    }
}

#[cfg(test)]
mod tests;
