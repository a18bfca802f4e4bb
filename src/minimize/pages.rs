//! Shorter ranges, smaller gaps, lower pages.

use std::collections::BTreeSet;

use super::{Search, amounts};
use crate::trace::{Args, Form, Op, OpKind, Trace};

pub(super) fn shrink(search: &mut Search<'_>) {
    close_gaps(search);
    search.attempt_each(|_, op| shorter(op));
    close_gaps(search);
    shift_processes(search);
    search.attempt_each(lower);
}

/// Takes pages out of all operations at once: whatever lies above them moves down, and ranges that span them
/// shorten, so that what touched or overlapped still does.
fn close_gaps(search: &mut Search<'_>) {
    let mut place = 0;
    loop {
        let edges: Vec<u64> = edges(&search.best).into_iter().collect();
        let Some(&[below, above]) = edges.get(place..place + 2) else { return };
        let taken = amounts(above - below).into_iter().any(|amount| {
            let candidate = moved(&search.best, |page| if page >= above { page - amount } else { page });
            candidate.is_some_and(|candidate| search.attempt(candidate))
        });
        if !taken {
            place += 1;
        }
    }
}

/// Every page at which something begins or ends, and 0.
fn edges(trace: &Trace) -> BTreeSet<u64> {
    let mut edges = BTreeSet::from([0]);
    for op in &trace.ops {
        let (_, args) = op.kind.split();
        for form in op.kind.forms() {
            match form {
                Form::Page => edges.extend([args.a, args.a.saturating_add(1)]),
                Form::Range => edges.extend([args.a, args.b]),
                Form::Place => {
                    edges.extend([args.c, args.c.saturating_add(1), args.c.saturating_add(length(&op.kind, &args))])
                }
                Form::Count => edges.extend([counted(&op.kind, &args)]),
                _ => (),
            }
        }
    }
    edges
}

fn length(kind: &OpKind, args: &Args) -> u64 {
    if kind.forms().any(|form| form == Form::Range) { args.b.saturating_sub(args.a) } else { 1 }
}

/// Where a number of pages leads to: up from the start of a range, down from a page.
fn counted(kind: &OpKind, args: &Args) -> u64 {
    if kind.forms().any(|form| form == Form::Range) {
        args.a.saturating_add(args.c)
    } else {
        args.a.saturating_sub(args.c)
    }
}

/// The trace with its pages put elsewhere; none if nothing of a range or a number of pages is left, or a range would end before
/// it begins.
pub(super) fn moved(trace: &Trace, to: impl Fn(u64) -> u64) -> Option<Trace> {
    let ops = trace.ops.iter().map(|op| {
        let (_, mut args) = op.kind.split();
        let old = args;
        for form in op.kind.forms() {
            match form {
                Form::Page => args.a = to(old.a),
                Form::Range => {
                    (args.a, args.b) = (to(old.a), to(old.b));
                    if args.a > args.b || args.a == args.b && old.a != old.b {
                        return None;
                    }
                }
                Form::Place => args.c = to(old.c),
                Form::Count => {
                    args.c = to(counted(&op.kind, &old)).abs_diff(to(old.a));
                    if args.c == 0 {
                        return None;
                    }
                }
                _ => (),
            }
        }
        Some(Op { kind: op.kind.with(args), ..*op })
    });
    Some(Trace { ops: ops.collect::<Option<_>>()?, ..trace.clone() })
}

/// With fewer pages: the end nearer, the start nearer, a lower number.
fn shorter(op: &Op) -> Vec<Op> {
    let (_, args) = op.kind.split();
    let mut shorter = Vec::new();
    let mut push = |args| shorter.push(Op { kind: op.kind.with(args), ..*op });
    for form in op.kind.forms() {
        match form {
            Form::Range => {
                let amounts = amounts(args.b.saturating_sub(args.a).saturating_sub(1));
                amounts.iter().for_each(|amount| push(Args { b: args.b - amount, ..args }));
                amounts.iter().for_each(|amount| push(Args { a: args.a + amount, ..args }));
            }
            Form::Count => {
                amounts(args.c.saturating_sub(1)).iter().for_each(|amount| push(Args { c: args.c - amount, ..args }))
            }
            _ => (),
        }
    }
    shorter
}

/// With all pages of one process lower by the same.
fn shift_processes(search: &mut Search<'_>) {
    for mm in 0..=u8::MAX {
        let of_mm = |op: &Op| op.kind.forms().any(|form| form == Form::First) && op.kind.split().1.p == mm;
        loop {
            let own: Trace = search.best.ops.iter().filter(|op| of_mm(op)).copied().collect();
            let Some(lowest) = own.ops.iter().filter_map(lowest).min() else { break };
            let taken = amounts(lowest).into_iter().any(|amount| {
                let mut candidate = search.best.clone();
                for op in candidate.ops.iter_mut().filter(|op| of_mm(op)) {
                    *op = lowered(op, amount);
                }
                search.attempt(candidate)
            });
            if !taken {
                break;
            }
        }
    }
}

/// The lowest page that an operation names.
fn lowest(op: &Op) -> Option<u64> {
    let (_, args) = op.kind.split();
    let pages = op.kind.forms().filter_map(|form| match form {
        Form::Page | Form::Range => Some(args.a),
        Form::Place => Some(args.c),
        _ => None,
    });
    pages.min()
}

/// All pages of an operation lower by the same.
fn lowered(op: &Op, amount: u64) -> Op {
    let (_, mut args) = op.kind.split();
    for form in op.kind.forms() {
        match form {
            Form::Page => args.a -= amount,
            Form::Range => (args.a, args.b) = (args.a - amount, args.b.saturating_sub(amount)),
            Form::Place => args.c -= amount,
            _ => (),
        }
    }
    Op { kind: op.kind.with(args), ..*op }
}

/// With its pages lower: all of them, then each, to where something else begins or ends, then by any amount.
fn lower(trace: &Trace, op: &Op) -> Vec<Op> {
    let (_, args) = op.kind.split();
    let mut lower: Vec<Op> = amounts(lowest(op).unwrap_or(0)).into_iter().map(|amount| lowered(op, amount)).collect();
    let mut push = |args| lower.push(Op { kind: op.kind.with(args), ..*op });
    let edges = edges(trace);
    let amounts_to_edges =
        |page| edges.range(..page).map(|edge| page - edge).chain(amounts(page)).collect::<Vec<u64>>();
    for form in op.kind.forms() {
        match form {
            Form::Page => amounts_to_edges(args.a).into_iter().for_each(|n| push(Args { a: args.a - n, ..args })),
            Form::Range => amounts_to_edges(args.a)
                .into_iter()
                .for_each(|n| push(Args { a: args.a - n, b: args.b.saturating_sub(n), ..args })),
            Form::Place => amounts_to_edges(args.c).into_iter().for_each(|n| push(Args { c: args.c - n, ..args })),
            _ => (),
        }
    }
    lower
}
