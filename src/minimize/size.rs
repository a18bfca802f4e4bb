//! What smaller means.

use crate::trace::{Form, Trace};

/// The size of a trace: compared from the first field on, so that no step pays for a later one with an earlier one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Size {
    operations: usize,
    /// Sections, their switches, and of these the ones that do not name their point.
    schedules: [usize; 3],
    /// The how manyth points they are, added up.
    points: u64,
    /// How far down the table of operations they stand: what came first is plainest.
    rows: usize,
    /// Attempts that fail; one and all later ones count as two.
    failures: usize,
    /// Words that could be left out.
    words: usize,
    /// Pages of all ranges, and numbers of pages.
    lengths: u128,
    /// The processes, in the order in which they are named.
    processes: Vec<u8>,
    /// The attempts that fail, added up.
    attempts: u64,
    /// Files and pins.
    numbers: u64,
    /// All pages that are named.
    pages: u128,
}

impl Size {
    pub(super) fn of(trace: &Trace) -> Size {
        let switches = || trace.sections.iter().flat_map(|section| &section.switches);
        let mut size = Size {
            operations: trace.ops.len(),
            schedules: [
                trace.sections.len(),
                switches().count(),
                switches().filter(|switch| switch.point.is_none()).count(),
            ],
            points: switches().map(|switch| u64::from(switch.nth)).sum(),
            rows: 0,
            failures: 0,
            words: 0,
            lengths: 0,
            processes: Vec::new(),
            attempts: 0,
            numbers: 0,
            pages: 0,
        };
        for op in &trace.ops {
            let (row, args) = op.kind.split();
            size.rows += row;
            for form in op.kind.forms() {
                match form {
                    Form::First => size.processes.push(args.p),
                    Form::Second => size.processes.push(args.q),
                    Form::Page => size.pages += u128::from(args.a),
                    Form::Range => {
                        size.pages += u128::from(args.a);
                        size.lengths += u128::from(args.b.saturating_sub(args.a));
                    }
                    Form::Place => size.pages += u128::from(args.c),
                    Form::Count => size.lengths += u128::from(args.c),
                    Form::Word(_) => (),
                    Form::Optional(_) => size.words += usize::from(args.word != 0),
                    Form::File | Form::Order => {
                        size.words += usize::from(args.number != 0);
                        size.numbers += u64::from(args.number);
                    }
                    Form::Held(_) => size.numbers += u64::from(args.number),
                }
            }
            for fail in [op.fail, op.fail_node, op.fail_page] {
                size.failures += fail.list().count() + 2 * usize::from(fail.from().is_some());
                size.attempts += fail.list().chain(fail.from()).map(u64::from).sum::<u64>();
            }
        }
        size
    }
}
