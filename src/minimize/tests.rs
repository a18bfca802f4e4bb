//! The exact minimal result for each sort of step, with predicates that say exactly what a trace must keep.

use super::minimize;
use super::size::Size;
use crate::rmap::{Fail, MmId};
use crate::trace::{Mix, Op, OpKind, Rng, Trace, random_trace};

fn trace(text: &str) -> Trace {
    text.parse().unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// Minimises `text` and compares what comes out, one operation a line.
#[track_caller]
fn becomes(text: &str, small: &str, still_fails: impl Fn(&Trace) -> bool) {
    let before = trace(text);
    assert!(still_fails(&before), "the trace itself does not fail");
    let after = minimize(&before, &still_fails);
    assert_eq!(after, trace(small), "\nwas\n{after}\nwanted\n{small}");
    assert_eq!(minimize(&after, &still_fails), after, "not a fixpoint");
}

fn any(trace: &Trace, wanted: impl Fn(&Op) -> bool) -> bool {
    trace.ops.iter().any(wanted)
}

fn count(trace: &Trace, keyword: &str) -> usize {
    trace.ops.iter().filter(|op| op.kind.keyword() == keyword).count()
}

const LONG: &str = "map p0 0x10..0x18\nfault p0 0x12\nfork p0 p1\nfork p1 p2 fail=2\nunmap p2 0x12..0x14\nfault p1 0x13\n\
    exit p1\nmap p0 0x20..0x30 grows\ngrow p0 0x20 3\nmove p0 0x22..0x24 0x50 dontunmap\nexit p2\n";

#[test]
fn a_trace_that_does_not_fail_comes_back_as_it_is() {
    let mut asked = 0;
    let after = minimize(&trace(LONG), |_| {
        asked += 1;
        false
    });
    assert_eq!((after, asked), (trace(LONG), 1));
}

#[test]
fn of_a_trace_that_always_fails_nothing_is_left() {
    becomes(LONG, "", |_| true);
}

#[test]
fn one_operation_is_left_where_one_is_enough() {
    becomes(LONG, "exit p0", |trace| count(trace, "exit") > 0);
    becomes(LONG, "fork p0 p1", |trace| count(trace, "fork") > 0);
}

#[test]
fn operations_keep_their_order() {
    becomes(LONG, "exit p0\nmap p0 0..1\nexit p0", |trace| {
        let keywords: Vec<_> = trace.ops.iter().map(|op| op.kind.keyword()).collect();
        let first = keywords.iter().position(|&keyword| keyword == "exit");
        first.is_some_and(|at| {
            let map = keywords[at..].iter().position(|&keyword| keyword == "map");
            map.is_some_and(|map| keywords[at + map..].contains(&"exit"))
        })
    });
}

#[test]
fn two_operations_that_only_go_together_go() {
    becomes("map p0 0..4\nfault p0 1\nfork p0 p1\nfault p0 2\nunmap p0 0..4\n", "fork p0 p1", |trace| {
        count(trace, "fork") == 1
            && count(trace, "map") == count(trace, "unmap")
            && count(trace, "fault").is_multiple_of(2)
    });
}

#[test]
fn what_two_operations_do_one_does() {
    // One after the other, each page is mapped once, and the two stay together.
    let mapped = |trace: &Trace| {
        let pages = trace.ops.iter().filter_map(|op| match op.kind {
            OpKind::Map { start, end, .. } => Some(start..end),
            _ => None,
        });
        let mut pages: Vec<u64> = pages.flatten().collect();
        pages.sort_unstable();
        pages == [0, 1, 2, 3]
    };
    becomes("map p0 2..4\nmap p0 0..1\nmap p0 1..2", "map p0 0..4", mapped);
    becomes("move p0 7..8 0x20\nexit p1\nmove p0 0x20..0x21 0x30", "move p0 7..8 0x30", |trace| {
        let mut at = 7;
        for op in &trace.ops {
            match op.kind {
                OpKind::Move { start, to, .. } if start == at => at = to,
                _ => (),
            }
        }
        at == 0x30
    });
}

#[test]
fn a_process_goes_with_all_that_it_does() {
    // Each operation of p1 needs the fork before it, and the fork needs that there are three of them.
    let text = "fork p0 p1\nfault p1 1\nfault p1 2\nexit p1\nfork p0 p2\nexit p0\n";
    becomes(text, "exit p0", |trace| {
        let child = trace.ops.iter().filter(|op| op.kind.split().1.p == 1).count();
        let forked = any(trace, |op| matches!(op.kind, OpKind::Fork { child: MmId(1), .. }));
        count(trace, "exit") > 0 && if forked { child == 3 } else { child == 0 }
    });
}

#[test]
fn generations_become_one_process_where_they_need_not_be_apart() {
    let text = "map p0 3..5\nfork p0 p1\nexit p0\nfault p1 3\nfork p1 p2\nexit p1\nunmap p2 3..4\n";
    becomes(text, "map p0 0..1\nfault p0 0\nunmap p0 0..1", |trace| {
        // All by whoever is the one process alive, on what was mapped.
        let mut alive = vec![MmId(0)];
        let (mut mapped, mut faulted, mut unmapped) = (None, None, false);
        for op in &trace.ops {
            let p = MmId(op.kind.split().1.p);
            match op.kind {
                _ if !alive.contains(&p) => return false,
                OpKind::Fork { child, .. } => alive.push(child),
                OpKind::Exit { mm } => alive.retain(|&p| p != mm),
                OpKind::Map { start, end, .. } => mapped = Some(start..end),
                OpKind::Fault { page, .. } if mapped.as_ref().is_some_and(|m| m.contains(&page)) => {
                    faulted = Some(page)
                }
                OpKind::Unmap { start, end, .. } => {
                    unmapped = alive.len() == 1 && faulted.is_some_and(|page| (start..end).contains(&page));
                }
                _ => (),
            }
        }
        unmapped
    });
}

#[test]
fn failures_go_or_fail_as_few_and_as_early_as_they_may() {
    let fork = |fails: fn(&Op) -> bool| {
        move |trace: &Trace| any(trace, |op| matches!(op.kind, OpKind::Fork { .. }) && fails(op))
    };
    becomes("fork p0 p1 fail=2,5+ failnode=3", "fork p0 p1", fork(|_| true));
    becomes("fork p0 p1 fail=2,5+ failnode=3", "fork p0 p1 fail=2", fork(|op| op.fail.fails(2)));
    becomes("fork p0 p1 fail=2,5+ failnode=3", "fork p0 p1 failnode=1", fork(|op| op.fail_node != Fail::NEVER));
    becomes("fork p0 p1 fail=3+", "fork p0 p1 fail=7", fork(|op| op.fail.fails(7)));
    becomes("fork p0 p1 fail=4,65535", "fork p0 p1 fail=1,2", fork(|op| op.fail.list().count() == 2));
    becomes("fork p0 p1 fail=65000", "fork p0 p1 fail=321", fork(|op| op.fail.list().any(|n| n > 320)));
}

#[test]
fn words_that_do_not_matter_go_and_those_that_do_stay() {
    let text = "map p0 1..2 grows file 3\nfault p0 1 read\nmove p0 1..2 4 dontunmap\nwalk p0 1 contended\n";
    let small = "map p0 0..1\nfault p0 0\nmove p0 0..1 0\nwalk p0 0";
    let all = |trace: &Trace| ["map", "fault", "move", "walk"].iter().all(|keyword| count(trace, keyword) == 1);
    becomes(text, small, all);
    let word = |name: &'static str| move |trace: &Trace| any(trace, |op| op.to_string().contains(name));
    becomes(text, "map p0 0..1 file 0", word("file"));
    becomes(text, "map p0 0..1 grows", word("grows"));
    becomes(text, "fault p0 0 read", word("read"));
    becomes(text, "move p0 0..1 0 dontunmap", word("dontunmap"));
    becomes(text, "walk p0 0 contended", word("contended"));
}

#[test]
fn what_is_done_to_pages_becomes_plainer() {
    let touches = |page: u64| {
        move |trace: &Trace| {
            any(trace, |op| match op.kind {
                OpKind::Map { start, end, .. } | OpKind::Unmap { start, end, .. } => (start..end).contains(&page),
                OpKind::Move { start, end, to, .. } => (to..to + end - start).contains(&page),
                OpKind::Grow { page: a, pages, .. } => (a - pages..a).contains(&page),
                _ => false,
            })
        }
    };
    becomes("move p0 0x20..0x28 0x40", "map p0 0x43..0x44", touches(0x43));
    becomes("grow p0 0x40 8", "map p0 0x3a..0x3b", touches(0x3a));
    becomes("unmap p0 5..9", "map p0 6..7", touches(6));
}

#[test]
fn processes_and_pins_get_low_numbers() {
    becomes("fork p9 p4\nfork p4 p7\nexit p7", "fork p0 p1\nfork p1 p2\nexit p2", |trace| {
        let pairs: Vec<_> = trace.ops.iter().map(|op| op.kind.split().1).map(|args| (args.p, args.q)).collect();
        matches!(pairs[..], [(a, b), (c, d), (e, _)] if b == c && d == e && a != b && a != d && b != d)
    });
    becomes("fault p7 0\nunpin 12", "unpin 2", |trace| any(trace, |op| matches!(op.kind, OpKind::Unpin { pin: 2.. })));
}

#[test]
fn a_pin_goes_though_the_numbers_of_the_later_ones_depend_on_it() {
    becomes("pin p0 3\npin p0 5\nunpin 1", "pin p0 5\nunpin 0", |trace| {
        // The folio at page 5 is pinned, and then is not.
        let pins: Vec<u64> = trace
            .ops
            .iter()
            .filter_map(|op| if let OpKind::Pin { page, .. } = op.kind { Some(page) } else { None })
            .collect();
        any(trace, |op| matches!(op.kind, OpKind::Unpin { pin } if pins.get(usize::from(pin)) == Some(&5)))
    });
}

#[test]
fn ranges_that_touch_still_touch_when_gaps_close() {
    let text = "map p0 0x1000..0x1800\nmap p0 0x1800..0x2000\nmap p0 0x100000..0x200000\nfault p0 0x1ffff0\n";
    becomes(text, "map p0 0..1\nmap p0 1..2\nmap p0 4..5\nfault p0 4", |trace| {
        let maps = trace.ops.iter().filter_map(|op| match op.kind {
            OpKind::Map { start, end, .. } => Some(start..end),
            _ => None,
        });
        let mut faults =
            trace.ops.iter().filter_map(|op| if let OpKind::Fault { page, .. } = op.kind { Some(page) } else { None });
        matches!(&maps.collect::<Vec<_>>()[..], [a, b, c] if a.end == b.start && c.start > b.end + 1
            && faults.any(|page| c.contains(&page)))
    });
}

#[test]
fn what_grows_down_to_something_still_does() {
    becomes(
        "map p0 0x10..0x12\nmap p0 0x20..0x21 grows\ngrow p0 0x20 14",
        "map p0 0..1\nmap p0 2..3 grows\ngrow p0 2 1",
        |trace| {
            matches!(trace.ops.iter().map(|op| op.kind).collect::<Vec<_>>()[..],
            [OpKind::Map { end, .. }, OpKind::Map { start, grows: true, noreserve: false, .. }, OpKind::Grow { page, pages, .. }]
            if page == start && page - pages == end)
        },
    );
}

/// Predicates of no meaning, that agree on traces with something in common.
fn some_predicate(seed: usize) -> impl Fn(&Trace) -> bool {
    move |trace| {
        let keywords = ["fork", "unmap", "fault", "map", "move", "exit"];
        let [a, b] = [keywords[seed % 6], keywords[seed / 6 % 6]];
        let pages: u64 = trace.ops.iter().map(|op| op.kind.split().1.a).sum();
        count(trace, a) >= 2 && count(trace, b) >= 1 && (pages + seed as u64).is_multiple_of(3)
            || trace.ops.iter().any(|op| op.fail.fails(2) && op.kind.split().1.p > 0)
    }
}

#[test]
fn every_candidate_is_a_legal_trace_and_the_result_a_fixpoint_and_always_the_same() {
    let mut rng = Rng::new(7);
    let mixes = [Mix::full(), Mix::default()];
    let mut shrunk = 0;
    for seed in 0..200 {
        let before = random_trace(&mut rng, 60, &mixes[seed % 2]);
        let predicate = some_predicate(seed);
        if !predicate(&before) {
            continue;
        }
        let mut candidates = 0;
        let after = minimize(&before, |candidate| {
            candidates += 1;
            assert_eq!(trace(&candidate.to_string()), *candidate);
            predicate(candidate)
        });
        assert!(predicate(&after) && Size::of(&after) < Size::of(&before));
        assert_eq!(minimize(&before, &predicate), after, "another result");
        assert_eq!(minimize(&after, &predicate), after, "not a fixpoint");
        assert!(candidates < 10_000, "{candidates}");
        shrunk += 1;
    }
    assert!(shrunk > 50, "{shrunk}");
}

#[test]
fn two_hundred_operations_of_which_nothing_may_go_take_few_runs() {
    let before = random_trace(&mut Rng::new(3), 200, &Mix::full());
    let mut runs = 0;
    let after = minimize(&before, |candidate| {
        runs += 1;
        *candidate == before
    });
    assert_eq!(after, before);
    assert!(runs < 20_000, "{runs}");
}

#[test]
fn an_operation_that_only_puts_pages_elsewhere_goes() {
    // The page that fails is one that the operation before it made or moved, and would fail where it was as well.
    let faults_mapped = |trace: &Trace| {
        let mut there = std::collections::BTreeSet::new();
        for op in &trace.ops {
            match op.kind {
                OpKind::Map { start, end, .. } => there.extend(start..end),
                OpKind::Resize { start, end, pages, .. } if there.contains(&start) => there.extend(end..start + pages),
                OpKind::Move { start, end, to, .. } if there.contains(&start) => {
                    there.extend((start..end).map(|page| page - start + to));
                }
                OpKind::Fault { page, .. } if there.contains(&page) => return true,
                _ => {}
            }
        }
        false
    };
    for way in ["resize p0 0..1 2\nfault p0 1", "move p0 0..1 5\nfault p0 5"] {
        becomes(&format!("map p0 0..1\n{way}\n"), "map p0 0..1\nfault p0 0\n", faults_mapped);
    }
}
