//! The byte form: a record of [`RECORD_BYTES`] bytes an operation, so that it can be written as
//! well as read, and so that a mutation of bytes is a mutation of a few fields.
//!
//! | bytes | field | modulo record | exact record |
//! | --- | --- | --- | --- |
//! | 0 | kind | by weight | bits 0–3 the row of [`OPERATIONS`], bits 4–7 of *from* 0–3 |
//! | 1 | p | nth live process | bits 0–3 the process, bits 4–7 of *from* 4–7 |
//! | 2 | q | nth process that does not exist | the second process, or of *from* 8–15 |
//! | 3 | mode | which attempts fail, see below | `0xee` |
//! | 4–7 | a, little endian | nth page that is mapped (or free) | the page, or the first page |
//! | 8–11 | b, little endian | length of a range - 1 | one past the last page |
//! | 12–19 | fails, 4 × u16, little endian | gaps between the attempts that fail | the attempts of the list, then 0s |
//!
//! In a **modulo** record every field is taken modulo what is possible in the state that the
//! [model](super::model) expects, so that any bytes are a trace, nearly all of it legal. Bits 0–2
//! of the mode: 6 one attempt fails, 7 a list of as many as bits 3–4 say, and, if bit 5 is set or the list
//! is empty, a *from*; else none. Each attempt is 1 to 8 after the one before.
//!
//! An **exact** record is literal, for what a modulo record cannot say: illegal operations, pages
//! outside the window, far attempts. *from* is 0 for none; an operation that names no page keeps
//! it in `a` instead. An exact record that is malformed is read as a modulo record.

use super::model::{Model, WINDOW_PAGES};
use super::op::{Arg, Args, OPERATION_COUNT, OPERATIONS, Op, ROW_OF_BYTE, TABLE};
use super::{PAGE_LIMIT, Trace};
use crate::rmap::{Fail, MAX_PROCESSES};

/// Bytes of one operation.
pub const RECORD_BYTES: usize = 20;

/// The mode of an exact record.
const EXACT: u8 = 0xee;
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

const _: () = {
    assert!(OPERATION_COUNT <= 16, "the row of an exact record has 4 bits");
    let mut row = 0;
    while row < OPERATION_COUNT {
        let fields = fields_of(row);
        assert!(!(fields.second && fields.pages), "an exact record has no room for a from beside q, a and b");
        row += 1;
    }
};

/// Which fields an operation uses beside `p`.
#[derive(Clone, Copy)]
struct Uses {
    /// `q`
    second: bool,
    /// `a`
    pages: bool,
    /// `b`
    range: bool,
}

const fn fields_of(row: usize) -> Uses {
    let args = TABLE[row].args;
    let mut uses = Uses { second: false, pages: false, range: false };
    let mut i = 0;
    while i < args.len() {
        uses.second |= matches!(args[i], Arg::NewProcess);
        uses.pages |= args[i].names_pages();
        uses.range |= matches!(args[i], Arg::FreeRange | Arg::MappedRange);
        i += 1;
    }
    uses
}

/// Bytes that are no byte form of a trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// They end inside a record.
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
#[derive(Clone, Copy, Default)]
struct Record {
    kind: u8,
    p: u8,
    q: u8,
    mode: u8,
    a: u32,
    b: u32,
    fails: [u16; 4],
}

impl Record {
    fn read(bytes: &[u8; RECORD_BYTES]) -> Record {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let [kind, p, q, mode, ..] = *bytes;
        Record { kind, p, q, mode, a: word(4), b: word(8), fails: [half(12), half(14), half(16), half(18)] }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&[self.kind, self.p, self.q, self.mode]);
        bytes.extend_from_slice(&self.a.to_le_bytes());
        bytes.extend_from_slice(&self.b.to_le_bytes());
        for n in self.fails {
            bytes.extend_from_slice(&n.to_le_bytes());
        }
    }

    /// Which operation a modulo record would be.
    fn row(&self) -> usize {
        usize::from(ROW_OF_BYTE[usize::from(self.kind)])
    }

    /// What a modulo record draws its arguments from.
    fn fields(&self) -> Args {
        Args { p: self.p, q: self.q, a: self.a.into(), b: self.b.into() }
    }
}

/// The failures of a modulo record.
fn decode_gaps(record: &Record) -> Fail {
    let (listed, from) = match record.mode & 7 {
        SINGLE => (1, false),
        LIST => {
            let listed = usize::from(record.mode >> LIST_SHIFT) & LIST_MAX;
            (listed, listed == 0 || record.mode & FROM != 0)
        }
        _ => return Fail::NEVER,
    };
    let mut last = 0;
    let attempts = record.fails.map(|gap| {
        last += 1 + gap % GAP;
        last
    });
    Fail::new(&attempts[..listed], from.then_some(attempts[listed])).unwrap_or(Fail::NEVER)
}

/// The mode and the gaps of a modulo record that fails just so, if there is one.
fn encode_gaps(fail: &Fail) -> Option<(u8, [u16; 4])> {
    let listed = fail.list().count();
    let mode = match (listed, fail.from()) {
        (0, None) => 0,
        (1, None) => SINGLE,
        (0..=LIST_MAX, from) => LIST | (listed as u8) << LIST_SHIFT | if from.is_some() { FROM } else { 0 },
        _ => return None,
    };
    let mut gaps = [0; 4];
    let mut last = 0;
    for (gap, n) in gaps.iter_mut().zip(fail.list().chain(fail.from())) {
        *gap = n - last - 1;
        last = n;
    }
    gaps.iter().all(|&gap| gap < GAP).then_some((mode, gaps))
}

/// The modulo record that decodes to just this in this state, if there is one.
fn encode_modulo(row: usize, args: Args, fail: &Fail, model: &Model) -> Option<Record> {
    let (mode, fails) = encode_gaps(fail)?;
    let fields = model.undraw(&OPERATIONS[row], args)?;
    let kind = ROW_OF_BYTE.iter().position(|&r| usize::from(r) == row)?;
    let (a, b) = (fields.a as u32, fields.b as u32);
    let record = Record { kind: kind as u8, p: fields.p, q: fields.q, mode, a, b, fails };
    let same = model.choose(row, record.fields(), |_, _| true)? == (row, args) && decode_gaps(&record) == *fail;
    same.then_some(record)
}

/// Decodes an exact record; none if it is malformed.
fn decode_exact(record: &Record) -> Option<(usize, Args, Fail)> {
    let row = usize::from(record.kind & 15);
    if row >= OPERATION_COUNT {
        return None;
    }
    let uses = fields_of(row);
    let mut args = Args { p: record.p & 15, ..Args::default() };
    let mut spare = u16::from(record.kind >> 4) | u16::from(record.p >> 4) << 4;
    let mut unused = 0;
    match uses.second {
        true if usize::from(record.q) < MAX_PROCESSES => args.q = record.q,
        true => return None,
        false => spare |= u16::from(record.q) << 8,
    }
    match uses.range {
        true => args.b = record.b.into(),
        false => unused |= record.b,
    }
    let from = if uses.pages {
        args.a = record.a.into();
        spare
    } else {
        unused |= u32::from(spare) | record.a >> 16;
        record.a as u16
    };
    if unused != 0 || (uses.range && args.a > args.b) {
        return None;
    }
    let listed = record.fails.iter().take_while(|&&n| n != 0).count();
    if record.fails[listed..].iter().any(|&n| n != 0) {
        return None;
    }
    let fail = Fail::new(&record.fails[..listed], (from != 0).then_some(from)).ok()?;
    Some((row, args, fail))
}

/// The exact record of an operation. What is out of range, and so has no text form either, is
/// clamped.
fn encode_exact(row: usize, args: Args, fail: &Fail) -> Record {
    let uses = fields_of(row);
    let process = |p: u8| p.min(MAX_PROCESSES as u8 - 1);
    let page = |page: u64| page.min(PAGE_LIMIT - 1) as u32;
    let from = fail.from().unwrap_or(0);
    let mut record = Record { kind: row as u8, p: process(args.p), mode: EXACT, ..Record::default() };
    if uses.pages {
        record.kind |= (from << 4) as u8;
        record.p |= (from & 0xf0) as u8;
        record.q = (from >> 8) as u8;
        record.a = page(args.a);
        record.b = page(args.b);
    } else {
        record.q = process(args.q);
        record.a = from.into();
    }
    for (place, n) in record.fails.iter_mut().zip(fail.list()) {
        *place = n;
    }
    record
}

impl Trace {
    /// Decodes any bytes. What follows the last whole record is left out, as a fuzzer cuts its
    /// inputs anywhere. Takes time linear in the bytes, whatever they are.
    pub fn from_bytes(bytes: &[u8]) -> Trace {
        let mut model = Model::new(MAX_PROCESSES as u8, WINDOW_PAGES);
        let mut ops = Vec::with_capacity(bytes.len() / RECORD_BYTES);
        let (records, _) = bytes.as_chunks::<RECORD_BYTES>();
        for bytes in records {
            let record = Record::read(bytes);
            if record.mode == EXACT
                && let Some((row, args, fail)) = decode_exact(&record)
            {
                (OPERATIONS[row].effect)(&mut model, args, &fail);
                ops.push(Op { kind: (OPERATIONS[row].build)(args), fail });
            } else {
                model.make(record.row(), record.fields(), &decode_gaps(&record), &mut ops);
            }
        }
        Trace { ops }
    }

    /// Decodes a file that should be the byte form of a trace.
    ///
    /// # Errors
    /// If it ends inside a record.
    pub fn try_from_bytes(bytes: &[u8]) -> Result<Trace, BytesError> {
        match bytes.len() % RECORD_BYTES {
            0 => Ok(Trace::from_bytes(bytes)),
            found => Err(BytesError::PartialRecord { record: bytes.len() / RECORD_BYTES + 1, found }),
        }
    }

    /// Encodes: `Trace::from_bytes(&trace.to_bytes()) == trace` for every trace that has a text
    /// form, [`RECORD_BYTES`] an operation. Legal operations within the window become modulo
    /// records, so that they stay legal when what is before them is mutated.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut model = Model::new(MAX_PROCESSES as u8, WINDOW_PAGES);
        let mut bytes = Vec::with_capacity(self.ops.len() * RECORD_BYTES);
        for op in &self.ops {
            let (row, args) = op.kind.split();
            let record = encode_modulo(row, args, &op.fail, &model);
            record.unwrap_or_else(|| encode_exact(row, args, &op.fail)).write(&mut bytes);
            (OPERATIONS[row].effect)(&mut model, args, &op.fail);
        }
        bytes
    }
}

/// Takes every byte that there is: a structured fuzz target and a raw one mean the same by one input.
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
