//! Fewer failures and optional words; lower attempts, processes, files and pins.

use super::{Search, amounts};
use crate::rmap::{Fail, MAX_PROCESSES};
use crate::trace::{Form, Op, Trace};

/// How many attempts from the first on are tried instead of one and all later.
const SINGLES: u16 = 32;

pub(super) fn shrink(search: &mut Search<'_>) {
    failures(search);
    search.attempt_each(|_, op| words(op));
    renumber(search);
    search.attempt_each(|_, op| processes(op));
    renumber(search);
    search.attempt_each(|_, op| numbers(op));
}

fn failures(search: &mut Search<'_>) {
    let mut without = search.best.clone();
    for op in &mut without.ops {
        (op.fail, op.fail_node, op.fail_page) = (Fail::NEVER, Fail::NEVER, Fail::NEVER);
    }
    search.attempt(without);
    search.attempt_each(|_, op| {
        let alloc = simpler(&op.fail).into_iter().map(|fail| Op { fail, ..*op });
        let node = simpler(&op.fail_node).into_iter().map(|fail_node| Op { fail_node, ..*op });
        let page = simpler(&op.fail_page).into_iter().map(|fail_page| Op { fail_page, ..*op });
        alloc.chain(node).chain(page).collect()
    });
}

/// What is simpler than these failures: none, all but one, one instead of it and all later, lower ones.
fn simpler(fail: &Fail) -> Vec<Fail> {
    if fail.is_never() {
        return Vec::new();
    }
    let list: Vec<u16> = fail.list().collect();
    let from = fail.from();
    let mut simpler = vec![Ok(Fail::NEVER)];
    for place in 0..list.len() {
        let mut fewer = list.clone();
        fewer.remove(place);
        simpler.push(Fail::new(&fewer, from));
    }
    if let Some(from) = from {
        simpler.push(Fail::new(&list, None));
        for single in from..from.saturating_add(SINGLES) {
            let mut list = list.clone();
            list.push(single);
            simpler.push(Fail::new(&list, None));
        }
        let least = list.last().map_or(1, |last| last + 1);
        simpler.extend(lower(from, least).map(|from| Fail::new(&list, Some(from))));
    }
    for place in 0..list.len() {
        let least = if place == 0 { 1 } else { list[place - 1] + 1 };
        for n in lower(list[place], least) {
            let mut lower = list.clone();
            lower[place] = n;
            simpler.push(Fail::new(&lower, from));
        }
    }
    simpler.into_iter().flatten().collect()
}

/// What is lower than `n`, and not below `least`.
fn lower(n: u16, least: u16) -> impl Iterator<Item = u16> {
    amounts(u64::from(n.saturating_sub(least))).into_iter().map(move |amount| n - amount as u16)
}

/// Without each word that need not be.
fn words(op: &Op) -> Vec<Op> {
    let forms = op.kind.forms();
    let without = forms.filter_map(|form| {
        let (_, mut args) = op.kind.split();
        match form {
            Form::Optional(_) => args.word = 0,
            Form::File | Form::Order => args.number = 0,
            _ => return None,
        }
        Some(Op { kind: op.kind.with(args), ..*op })
    });
    without.collect()
}

/// Of another process that has a lower number.
fn processes(op: &Op) -> Vec<Op> {
    let (_, args) = op.kind.split();
    let mut others = Vec::new();
    if op.kind.forms().any(|form| form == Form::First) {
        for p in (0..args.p).filter(|&p| p != args.q || !op.kind.forms().any(|form| form == Form::Second)) {
            let mut args = args;
            args.p = p;
            others.push(Op { kind: op.kind.with(args), ..*op });
        }
    }
    others
}

/// With the processes numbered as they first come. The first one is called p0, which is there from the start.
fn renumber(search: &mut Search<'_>) {
    let mut names = [None; MAX_PROCESSES];
    names[0] = Some(0);
    let mut next = 1;
    let mut name = |p: &mut u8| {
        let Some(slot) = names.get_mut(usize::from(*p)) else { return };
        *p = *slot.get_or_insert_with(|| {
            next += 1;
            next - 1
        });
    };
    let mut candidate = Trace { ops: Vec::new(), ..search.best.clone() };
    for op in &search.best.ops {
        let (_, mut args) = op.kind.split();
        for form in op.kind.forms() {
            match form {
                Form::First => name(&mut args.p),
                Form::Second => name(&mut args.q),
                _ => (),
            }
        }
        candidate.ops.push(Op { kind: op.kind.with(args), ..*op });
    }
    search.attempt(candidate);
}

/// With a lower file, order or pin.
fn numbers(op: &Op) -> Vec<Op> {
    let (_, args) = op.kind.split();
    let numbers = op.kind.forms().filter_map(|form| match form {
        Form::File | Form::Order => Some(1..args.number),
        Form::Held(_) => Some(0..args.number),
        _ => None,
    });
    let lower = numbers.flatten().map(|number| {
        let mut args = args;
        args.number = number;
        Op { kind: op.kind.with(args), ..*op }
    });
    lower.collect()
}
