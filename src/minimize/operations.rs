//! Fewer operations, and plainer ones.

use std::ops::Range;

use super::{Search, pages};
use crate::rmap::MmId;
use crate::trace::{Args, Form, Op, OpKind, PAGE_LIMIT, Trace};

/// Up to how many operations every pair of them is tried: a pair each is a run each.
const PAIRS_MAX: usize = 48;

pub(super) fn shrink(search: &mut Search<'_>) {
    search.until_nothing_goes(|search| {
        search.until_nothing_goes(|search| {
            chunks(search);
            processes(search);
            merges(search);
            pins(search);
        });
        pairs(search);
        joins(search);
        detours(search);
        search.attempt_each(|_, op| plainer(op));
    });
}

/// Without halves, quarters, and so on down to single operations, from the end: what is left of an operation whose
/// cause went would often stay for its own sake.
fn chunks(search: &mut Search<'_>) {
    let mut len = search.len().div_ceil(2);
    while len > 0 {
        let mut end = search.len();
        while end > 0 {
            let start = end.saturating_sub(len);
            search.attempt_without(start..end);
            end = start;
        }
        len /= 2;
    }
}

/// Without two operations that only go together, as a change and what takes it back.
fn pairs(search: &mut Search<'_>) {
    if search.len() > PAIRS_MAX {
        return;
    }
    let mut first = search.len();
    while first > 0 {
        first -= 1;
        let mut second = search.len();
        while second > first + 1 {
            second -= 1;
            let mut candidate = search.best.clone();
            candidate.ops.remove(second);
            candidate.ops.remove(first);
            if search.attempt(candidate) {
                first = first.min(search.len());
                break;
            }
        }
    }
}

/// With two operations joined: the same done to ranges that touch, or a move of what was moved.
fn joins(search: &mut Search<'_>) {
    if search.len() > PAIRS_MAX {
        return;
    }
    let mut first = 0;
    while first < search.len() {
        let joined = (first + 1..search.len()).any(|second| {
            let [a, b] = [first, second].map(|at| search.best.ops[at].kind);
            let Some(kind) = join(&a, &b) else { return false };
            [(first, second), (second, first)].into_iter().any(|(stays, goes)| {
                let mut candidate = search.best.clone();
                candidate.ops[stays].kind = kind;
                candidate.ops.remove(goes);
                search.attempt(candidate)
            })
        });
        if !joined {
            first += 1;
        }
    }
}

/// One operation for two.
fn join(first: &OpKind, second: &OpKind) -> Option<OpKind> {
    let ((row, a), (other, b)) = (first.split(), second.split());
    if row != other || a.p != b.p || !first.forms().any(|form| form == Form::Range) {
        return None;
    }
    if first.forms().any(|form| form == Form::Place) {
        return (a.c == b.a).then(|| first.with(Args { c: b.c, ..a }));
    }
    (a.a <= b.b && b.a <= a.b).then(|| first.with(Args { a: a.a.min(b.a), b: a.b.max(b.b), ..a }))
}

/// Without an operation that only puts pages elsewhere: what comes later and names a page of where they went, or of what grew,
/// names one of where they were.
fn detours(search: &mut Search<'_>) {
    if search.len() > PAIRS_MAX {
        return;
    }
    let mut at = search.len();
    while at > 0 {
        at = (at - 1).min(search.len());
        let Some(op) = search.best.ops.get(at) else { continue };
        let (_, args) = op.kind.split();
        let (from, to, length) = match op.kind {
            OpKind::Resize { .. } => (args.a, args.b, (args.a + args.c).saturating_sub(args.b)),
            _ if op.kind.forms().any(|form| form == Form::Place) => {
                (args.a, args.c, args.b.saturating_sub(args.a).max(1))
            }
            _ => continue,
        };
        let back = |page: u64| if (to..=to + length).contains(&page) { page - to + from } else { page };
        let later: Trace = search.best.ops[at + 1..].iter().copied().collect();
        let Some(later) = pages::moved(&later, back) else { continue };
        let mut candidate = search.best.clone();
        candidate.ops.truncate(at);
        candidate.ops.extend(later.ops);
        search.attempt(candidate);
    }
}

/// The operations from a fork on during which its child may live: up to the exit, which is in it, or the end.
fn life(trace: &Trace, fork: usize, child: MmId) -> Range<usize> {
    let exit = trace.ops[fork + 1..].iter().position(|op| op.kind == OpKind::Exit { mm: child });
    fork..exit.map_or(trace.ops.len(), |exit| fork + 1 + exit + 1)
}

/// Without all that a process does.
fn processes(search: &mut Search<'_>) {
    let mut at = search.len();
    while at > 0 {
        at = (at - 1).min(search.len());
        let Some(OpKind::Fork { child, .. }) = search.best.ops.get(at).map(|op| op.kind) else { continue };
        let life = life(&search.best, at, child);
        let mut index = 0;
        let mut candidate = search.best.clone();
        candidate.ops.retain(|op| {
            let (_, args) = op.kind.split();
            let goes = life.contains(&index) && has_process(&op.kind) && (args.p == child.0 || index == at);
            index += 1;
            !goes
        });
        search.attempt(candidate);
    }
}

fn has_process(kind: &OpKind) -> bool {
    kind.forms().any(|form| form == Form::First)
}

/// With a child and its parent made one: the fork goes, the child is called as its parent, and the exit of one of
/// the two goes as well.
fn merges(search: &mut Search<'_>) {
    let mut at = 0;
    while at < search.len() {
        let fork = search.best.ops[at].kind;
        if !matches!(fork, OpKind::Fork { .. }) || !merge(search, at, fork) {
            at += 1;
        }
    }
}

fn merge(search: &mut Search<'_>, at: usize, fork: OpKind) -> bool {
    let OpKind::Fork { parent, child } = fork else { return false };
    let life = life(&search.best, at, child);
    [child, parent].into_iter().any(|leaver| {
        let mut candidate = search.best.clone();
        let exit = life.clone().find(|&i| candidate.ops[i].kind == OpKind::Exit { mm: leaver });
        for op in &mut candidate.ops[life.clone()] {
            let (_, mut args) = op.kind.split();
            for form in op.kind.forms() {
                if form == Form::First && args.p == child.0 {
                    args.p = parent.0;
                }
            }
            op.kind = op.kind.with(args);
        }
        if let Some(exit) = exit {
            candidate.ops.remove(exit);
        }
        candidate.ops.remove(at);
        search.attempt(candidate)
    })
}

/// Without a pin or the begin of a migration, the later ones being numbered one lower.
fn pins(search: &mut Search<'_>) {
    let mut at = search.len();
    while at > 0 {
        at = (at - 1).min(search.len());
        let begin = search.best.ops.get(at).map(|op| op.kind);
        let (Some(OpKind::Pin { .. }) | Some(OpKind::MigrateBegin { .. })) = begin else { continue };
        let pins = matches!(begin, Some(OpKind::Pin { .. }));
        let mut candidate = search.best.clone();
        candidate.ops.remove(at);
        for op in &mut candidate.ops[at..] {
            match &mut op.kind {
                OpKind::Unpin { pin: number } if pins => *number = number.saturating_sub(1),
                OpKind::MigrateEnd { migration: number } if !pins => *number = number.saturating_sub(1),
                _ => {}
            }
        }
        search.attempt(candidate);
    }
}

/// Something plainer done to the same pages: new memory there, a fault, an unmap. What maps, moves or grows in a
/// way that does not matter so becomes what a reader knows best, and often makes something before it superfluous.
fn plainer(op: &Op) -> Vec<Op> {
    let (row, args) = op.kind.split();
    let mm = MmId(args.p);
    let length = args.b.saturating_sub(args.a);
    let mut places = Vec::new();
    for form in op.kind.forms() {
        match form {
            Form::Page => places.push((args.a, args.a.saturating_add(1))),
            Form::Range => places.push((args.a, args.b)),
            Form::Place => places.push((args.c, args.c.saturating_add(length.max(1)))),
            Form::Count if length == 0 => places.push((args.a.saturating_sub(args.c), args.a)),
            Form::Count => {
                let end = args.a.saturating_add(args.c);
                places.push((end.min(args.b), end.max(args.b)));
            }
            _ => (),
        }
    }
    places.retain(|(start, end)| start < end && *end <= PAGE_LIMIT);
    let plainer = places.into_iter().flat_map(|(start, end)| {
        [
            OpKind::map(mm, start, end),
            OpKind::Map { mm, start, end, grows: true, noreserve: false, shared: false, file: None },
            OpKind::fault(mm, start),
            OpKind::Unmap { mm, start, end },
        ]
    });
    plainer.filter(|kind| kind.index() < row).map(|kind| Op { kind, ..*op }).collect()
}
