//! The operations, and the one table that says what each is called, parsed as, printed as and
//! encoded as. Adding an operation is done here: a variant of [`OpKind`], a row of
//! [`OPERATIONS`], a line in [`OpKind::split`].
//!
//! What an operation does to the reverse map is not known here but to the drivers.

use super::model::Model;
use crate::rmap::{Fail, MmId};

/// What one operation does. Pages; ends are exclusive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpKind {
    /// `map p A..B`: new private anonymous memory.
    Map {
        /// Whose.
        mm: MmId,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
    },
    /// `fault p A`: a write fault at one page.
    Fault {
        /// Whose.
        mm: MmId,
        /// Which page.
        page: u64,
    },
    /// `fork p q`: q becomes a fork of p.
    Fork {
        /// The parent.
        parent: MmId,
        /// The child.
        child: MmId,
    },
    /// `unmap p A..B`
    Unmap {
        /// Whose.
        mm: MmId,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
    },
    /// `exit p`
    Exit {
        /// Who.
        mm: MmId,
    },
}

/// One operation.
///
/// Its process numbers lie below [`MAX_PROCESSES`](crate::rmap::MAX_PROCESSES), its pages below
/// [`PAGE_LIMIT`](super::PAGE_LIMIT), and `start <= end`: what the text form can say. Both
/// parsers see to it; an operation that is put together by hand should keep to it, or it does
/// not come back from its text or byte form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Op {
    /// What it does.
    pub kind: OpKind,
    /// Which of its allocation attempts fail.
    pub fail: Fail,
}

impl From<OpKind> for Op {
    fn from(kind: OpKind) -> Op {
        Op { kind, fail: Fail::NEVER }
    }
}

/// The arguments of an operation, whichever it is: the fields of a record. What the operation
/// does not have is 0.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Args {
    /// The process.
    pub p: u8,
    /// The second process.
    pub q: u8,
    /// The page, or the first page.
    pub a: u64,
    /// One past the last page.
    pub b: u64,
}

/// One argument of an operation: which fields of [`Args`] it is, and what it is drawn from when
/// an operation is made up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arg {
    /// `p`: a live process.
    Process,
    /// `p`: a live process that is not the last one, so that the trace can go on.
    Leaver,
    /// `q`: a process that does not exist.
    NewProcess,
    /// `a`: a page that is mapped in `p`.
    MappedPage,
    /// `a..b`: pages of which none is mapped in `p`.
    FreeRange,
    /// `a..b`: pages of which at least the first is mapped in `p`.
    MappedRange,
}

impl Arg {
    /// How a person calls it.
    pub(super) const fn usage(self) -> &'static str {
        match self {
            Arg::Process | Arg::Leaver => "p",
            Arg::NewProcess => "q",
            Arg::MappedPage => "A",
            Arg::FreeRange | Arg::MappedRange => "A..B",
        }
    }

    /// Whether it is kept in `a` or `b`.
    pub(super) const fn names_pages(self) -> bool {
        matches!(self, Arg::MappedPage | Arg::FreeRange | Arg::MappedRange)
    }
}

/// What there is to know of an operation: one row of [`OPERATIONS`].
pub struct Operation {
    /// The first word of its line, and its name in statistics.
    pub keyword: &'static str,
    /// What it does, for the help text.
    pub about: &'static str,
    /// Its arguments, in the order in which they are written. The process comes first.
    pub(super) args: &'static [Arg],
    /// [`Model::draw`] for just these arguments.
    pub(super) draw: fn(&Model, Args) -> Option<Args>,
    /// Draws, and if it is possible builds, appends, and does the effect; tells whether it was.
    pub(super) make: fn(&mut Model, Args, &Fail, &mut Vec<Op>) -> bool,
    /// Its share of made-up operations, in parts of the sum of all weights.
    pub(super) weight: u8,
    /// The row that is made up in its stead when it is impossible.
    pub(super) instead: usize,
    /// From its arguments.
    pub(super) build: fn(Args) -> OpKind,
    /// What it does to the model, the failures included.
    pub(super) effect: fn(&mut Model, Args, &Fail),
}

impl Operation {
    /// How it is written: `map p A..B`.
    pub fn usage(&self) -> String {
        let mut usage = self.keyword.to_string();
        for arg in self.args {
            usage.push(' ');
            usage.push_str(arg.usage());
        }
        usage
    }
}

/// A row of the table. What it adds is one function an operation that does all of a made-up
/// operation, laid out by the compiler for just these arguments: a decoder is a third faster for it.
macro_rules! operation {
    (
        $keyword:literal, $about:literal, args: [$($arg:ident),*], weight: $weight:literal, instead: $instead:expr,
        build: $build:expr, effect: $effect:expr $(,)?
    ) => {
        Operation {
            keyword: $keyword,
            about: $about,
            args: &[$(Arg::$arg),*],
            weight: $weight,
            instead: $instead,
            build: $build,
            effect: $effect,
            draw: |model, fields| model.draw(&[$(Arg::$arg),*], fields),
            make: |model, fields, fail, ops| {
                let build: fn(Args) -> OpKind = $build;
                let effect: fn(&mut Model, Args, &Fail) = $effect;
                let Some(args) = model.draw(&[$(Arg::$arg),*], fields) else {
                    return false;
                };
                effect(model, args, fail);
                ops.push(Op { kind: build(args), fail: *fail });
                true
            },
        }
    };
}

const MAP: usize = 0;
const FAULT: usize = 1;
const FORK: usize = 2;
const UNMAP: usize = 3;
const EXIT: usize = 4;

/// How many operations there are.
pub const OPERATION_COUNT: usize = 5;

/// Every operation. A row's place is its number in an exact record: append, never reorder.
pub static OPERATIONS: [Operation; OPERATION_COUNT] = TABLE;

/// [`OPERATIONS`] as a constant, for what is computed at compile time.
pub(super) const TABLE: [Operation; OPERATION_COUNT] = [
    operation! {
        "map", "new private anonymous memory",
        args: [Process, FreeRange],
        weight: 4,
        instead: UNMAP,
        build: |x| OpKind::Map { mm: MmId(x.p), start: x.a, end: x.b },
        effect: |model, x, fail| model.map(x.p, x.a, x.b, fail),
    },
    operation! {
        "fault", "a write fault at one page",
        args: [Process, MappedPage],
        weight: 5,
        instead: MAP,
        build: |x| OpKind::Fault { mm: MmId(x.p), page: x.a },
        effect: |_, _, _| (),
    },
    operation! {
        "fork", "q becomes a fork of p",
        args: [Process, NewProcess],
        weight: 5,
        instead: EXIT,
        build: |x| OpKind::Fork { parent: MmId(x.p), child: MmId(x.q) },
        effect: |model, x, fail| model.fork(x.p, x.q, fail),
    },
    operation! {
        "unmap", "takes memory away, and splits what lies across an edge",
        args: [Process, MappedRange],
        weight: 3,
        instead: MAP,
        build: |x| OpKind::Unmap { mm: MmId(x.p), start: x.a, end: x.b },
        effect: |model, x, fail| model.unmap(x.p, x.a, x.b, fail),
    },
    operation! {
        "exit", "ends a process; its number is free again",
        args: [Leaver],
        weight: 3,
        instead: FORK,
        build: |x| OpKind::Exit { mm: MmId(x.p) },
        effect: |model, x, _| model.exit(x.p),
    },
];

impl OpKind {
    /// The row of [`OPERATIONS`] and the arguments.
    pub(super) fn split(&self) -> (usize, Args) {
        match *self {
            OpKind::Map { mm, start, end } => (MAP, Args { p: mm.0, a: start, b: end, ..Args::default() }),
            OpKind::Fault { mm, page } => (FAULT, Args { p: mm.0, a: page, ..Args::default() }),
            OpKind::Fork { parent, child } => (FORK, Args { p: parent.0, q: child.0, ..Args::default() }),
            OpKind::Unmap { mm, start, end } => (UNMAP, Args { p: mm.0, a: start, b: end, ..Args::default() }),
            OpKind::Exit { mm } => (EXIT, Args { p: mm.0, ..Args::default() }),
        }
    }

    /// Which row of [`OPERATIONS`] it is: an index for statistics.
    pub fn index(&self) -> usize {
        self.split().0
    }

    /// What it is called.
    pub fn keyword(&self) -> &'static str {
        OPERATIONS[self.index()].keyword
    }
}

/// The row of [`OPERATIONS`] with that keyword.
pub(super) fn row_of(keyword: &str) -> Option<usize> {
    OPERATIONS.iter().position(|operation| operation.keyword == keyword)
}

/// Which row a made-up operation is, by a random byte: the weights, laid out.
pub(super) static ROW_OF_BYTE: [u8; 256] = {
    let mut total = 0;
    let mut row = 0;
    while row < OPERATION_COUNT {
        total += TABLE[row].weight as usize;
        row += 1;
    }
    let mut rows = [0; 256];
    let mut byte = 0;
    while byte < rows.len() {
        let mut left = byte % total;
        row = 0;
        while left >= TABLE[row].weight as usize {
            left -= TABLE[row].weight as usize;
            row += 1;
        }
        rows[byte] = row as u8;
        byte += 1;
    }
    rows
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_what_it_builds() {
        for (row, operation) in OPERATIONS.iter().enumerate() {
            let mut args = Args::default();
            for arg in operation.args {
                match arg {
                    Arg::Process | Arg::Leaver => args.p = 3,
                    Arg::NewProcess => args.q = 5,
                    Arg::MappedPage => args.a = 17,
                    Arg::FreeRange | Arg::MappedRange => (args.a, args.b) = (17, 19),
                }
            }
            let kind = (operation.build)(args);
            assert!(kind.split() == (row, args), "{}", operation.keyword);
            assert_eq!(kind.keyword(), operation.keyword);
            assert_eq!(row_of(operation.keyword), Some(row));
            assert!(matches!(operation.args[0], Arg::Process | Arg::Leaver), "the process comes first");
            assert_ne!(operation.instead, row);
        }
    }

    #[test]
    fn every_operation_can_be_made_up() {
        for (row, operation) in OPERATIONS.iter().enumerate() {
            let share = ROW_OF_BYTE.iter().filter(|&&r| usize::from(r) == row).count();
            assert!(share > 0, "{}", operation.keyword);
        }
    }
}
