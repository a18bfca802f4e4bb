//! Reviews of the port against itself, and against sides that are bent.

use super::{
    BenignDifference, Class, Equivalence, Explorer, Names, Pair, PairSide, Reviewed, Searched, Sightings, Verdict,
};
use crate::exhaust::{Ended, Expand, Failures, Limits, OpKinds, Scope, Search};
use crate::port::Port;
use crate::rmap::{Cache, Call, Event, EventKind, Fail, FlushKind, Function, Gfp, NodeStat, Revision, Rmap, Side};
use crate::world::Symmetry;

/// A port that does a call in another way.
struct Bent {
    port: Port,
    bend: fn(&mut Port, Call) -> i32,
    /// What it says of its last call in another way.
    told: Option<fn(Event) -> Vec<Event>>,
    events: Vec<Event>,
}

impl Rmap for Bent {
    fn revision(&self) -> Revision {
        self.port.revision()
    }
    fn begin_operation(&mut self, fail: &Fail) {
        self.port.begin_operation(fail);
    }
    fn attempts(&self) -> u32 {
        self.port.attempts()
    }
    fn call(&mut self, call: Call) -> i32 {
        let result = (self.bend)(&mut self.port, call);
        if let Some(told) = self.told {
            self.events = self.port.events().iter().flat_map(|event| told(*event)).collect();
        }
        result
    }
}

impl Side for Bent {
    fn events(&self) -> &[Event] {
        if self.told.is_some() { &self.events } else { self.port.events() }
    }
    fn touched(&mut self, out: &mut Vec<u64>) {
        self.port.touched(out);
    }
    fn state(&mut self, out: &mut Vec<u64>) {
        self.port.state(out);
    }
    fn live(&self) -> [u32; 3] {
        self.port.live()
    }
    fn reset(&mut self) {
        self.port.reset();
    }
    fn last_warning(&self) -> Option<String> {
        self.port.last_warning()
    }
}

const STRAIGHT: fn(&mut Port, Call) -> i32 = |port, call| port.call(call);

fn side(revision: Revision, bend: fn(&mut Port, Call) -> i32) -> Reviewed<Bent> {
    Reviewed::small(Bent { port: Port::new(revision), bend, told: None, events: Vec::new() })
}

/// What is seen of a trace on a port and on one that tells its events in another way.
fn with_events(revision: Revision, told: fn(Event) -> Vec<Event>, trace: &str) -> Sightings {
    let bent = Bent { port: Port::new(revision), bend: STRAIGHT, told: Some(told), events: Vec::new() };
    let mut pair = Pair::new(side(revision, STRAIGHT), Reviewed::small(bent));
    pair.play(&trace.parse().unwrap());
    pair.seen
}

fn generation(name: &str) -> Revision {
    Revision::of_generation(name).unwrap()
}

/// What is seen in every sequence of a small scope.
fn explored(base: Revision, changed: Revision, bend: fn(&mut Port, Call) -> i32, depth: u32) -> Sightings {
    let (failures, kinds, symmetry) = (Failures::All, OpKinds::CORE, Symmetry::Processes);
    let scope = Scope { processes: 3, pages: 2, depth, failures, kinds, symmetry, order: 0, together: None };
    let mut explorer = Explorer::new(side(base, STRAIGHT), side(changed, bend), scope);
    let mut search = Search::new(scope, explorer.root(&crate::trace::Trace::default()));
    {
        let mut workers: [Box<dyn Expand + '_>; 1] = [Box::new(&mut explorer)];
        let ended = search.run(&mut workers, Limits { time: None, memory: usize::MAX }, |_| true);
        assert!(matches!(ended, Ended::Finished));
    }
    explorer.take_seen()
}

fn classes(seen: &Sightings) -> Vec<Class> {
    seen.iter().map(|(class, _)| class.clone()).collect()
}

fn ops(seen: &Sightings, class: &Class) -> usize {
    seen.get(class).unwrap_or_else(|| panic!("{class:?} is not among {:?}", classes(seen))).trace.ops.len()
}

#[test]
fn a_revision_is_equivalent_to_itself() {
    for (name, revision) in Revision::GENERATIONS {
        assert!(explored(*revision, *revision, STRAIGHT, 5).is_empty(), "{name}");
    }
}

#[test]
fn what_allocates_ahead_is_equivalent_but_for_that() {
    let base = generation("6.12");
    let seed = Revision { fork_preallocates: true, ..base };
    let seen = explored(base, seed, STRAIGHT, 6);
    let expected = [
        BenignDifference::Allocation,
        BenignDifference::AllocationCount,
        BenignDifference::EnomemWhereReused(PairSide::Changed),
        BenignDifference::PartialUnlink(PairSide::Base, Some(Function::Fork)),
    ];
    assert_eq!(classes(&seen), expected.map(Class::Except));
    assert_eq!(expected.map(|order| ops(&seen, &Class::Except(order))), [3, 6, 6, 3]);
}

#[test]
fn a_review_the_other_way_round_blames_the_other_side() {
    let base = generation("6.12");
    let seed = Revision { fork_preallocates: true, ..base };
    let seen = explored(seed, base, STRAIGHT, 6);
    assert_eq!(ops(&seen, &Class::Except(BenignDifference::EnomemWhereReused(PairSide::Base))), 6);
    assert_eq!(ops(&seen, &Class::Except(BenignDifference::PartialUnlink(PairSide::Changed, Some(Function::Fork)))), 3);
}

#[test]
fn a_neighbour_that_is_not_asked_is_a_different_graph() {
    let deaf = |port: &mut Port, call| match call {
        Call::AnonVmaPrepare { vma, .. } => port.call(Call::AnonVmaPrepare { vma, prev: None, next: None }),
        call => port.call(call),
    };
    let revision = generation("6.12");
    let seen = explored(revision, revision, deaf, 4);
    // Two VMAs side by side, both faulted.
    assert_eq!(ops(&seen, &Class::Different("graph of anon_vmas".into())), 4);
}

#[test]
fn a_failure_that_is_hidden_breaks_an_invariant() {
    let liar = |port: &mut Port, call| match (call, port.call(call)) {
        (Call::AnonVmaFork { .. }, ..0) => 0,
        (_, result) => result,
    };
    let revision = generation("7.3");
    let seen = explored(revision, revision, liar, 3);
    let violates = |class: &&Class| matches!(class, Class::Violates(PairSide::Changed, _));
    let found: Vec<_> = classes(&seen);
    assert!(found.iter().any(|class| violates(&class)), "{found:?}");
    assert!(
        found.iter().all(|class| !matches!(class, Class::Violates(PairSide::Base | PairSide::Both, _))),
        "{found:?}"
    );
}

#[test]
fn what_both_break_alike_is_said_of_both() {
    let leaky = |port: &mut Port, call| match call {
        Call::UnlinkAnonVmas { .. } => 0,
        call => port.call(call),
    };
    let revision = generation("6.12");
    let mut pair = Pair::new(side(revision, leaky), side(revision, leaky));
    pair.play(&"map p0 0x10..0x11\nfault p0 0x10\nunmap p0 0x10..0x11\n".parse().unwrap());
    let found = classes(&pair.seen);
    assert!(matches!(&found[..], [Class::Violates(PairSide::Both, _)]), "{found:?}");
}

#[test]
fn after_another_choice_the_sides_go_on_and_compare_what_they_can() {
    let [base, changed] = [generation("6.12"), generation("7.3")];
    let reuse = "map p0 0x10..0x11\nfault p0 0x10\nfork p0 p1\nfork p1 p2\nfork p2 p3\nfork p3 p4\nexit p1\nexit p2\n\
                 fork p4 p5\n";
    let mut pair = Pair::new(side(base, STRAIGHT), side(changed, STRAIGHT));
    let on = "fault p5 0x10\nfork p5 p6\nmap p6 0x20..0x22\nfault p6 0x20\nfork p6 p7\nunmap p7 0x10..0x11\nexit p4\n";
    pair.play(&format!("{reuse}{on}").parse().unwrap());
    assert_eq!(ops(&pair.seen, &Class::Except(BenignDifference::Reuse)), 9);
    assert!(classes(&pair.seen).iter().all(|class| matches!(class, Class::Except(_))), "{:?}", classes(&pair.seen));

    // What may not differ even then is still seen.
    let deaf = |port: &mut Port, call| match call {
        Call::AnonVmaPrepare { vma, .. } => port.call(Call::AnonVmaPrepare { vma, prev: None, next: None }),
        call => port.call(call),
    };
    let mut pair = Pair::new(side(base, STRAIGHT), side(changed, deaf));
    let apart = "map p5 0x20..0x21\nmap p5 0x21..0x22\nfault p5 0x20\nfault p5 0x21\n";
    pair.play(&format!("{reuse}{apart}").parse().unwrap());
    assert_eq!(ops(&pair.seen, &Class::Different("sharing of roots".into())), 13);
}

#[test]
fn a_failure_of_a_trace_is_that_of_a_site_on_both_sides() {
    // 6.12 makes two attempts for the cloned entry, of which the first may not sleep; 7.3 makes one.
    let mut pair = Pair::new(side(generation("6.12"), STRAIGHT), side(generation("7.3"), STRAIGHT));
    let fork = |number: u16| {
        format!("map p0 0x10..0x11\nfault p0 0x10\nfork p0 p1\nfork p1 p2 fail={number}\nfork p1 p3\n").parse().unwrap()
    };
    for number in 1..=9 {
        pair.play(&fork(number));
        let found = classes(&pair.seen);
        assert!(found.iter().all(|class| matches!(class, Class::Except(_))), "fail={number}: {found:?}");
    }
    assert!(
        pair.seen.get(&Class::Except(BenignDifference::PartialUnlink(PairSide::Base, Some(Function::Clone)))).is_some()
    );
}

#[test]
fn locks_and_flags_are_compared() {
    let fork = "map p0 0x10..0x11\nfault p0 0x10\nfork p0 p1\n";
    let revision = generation("7.3");
    let as_it_is = |event| vec![event];
    assert!(with_events(revision, as_it_is, fork).is_empty());
    // Each lock is taken, dropped, and taken again.
    let twice = |event: Event| match event.kind() {
        Some(EventKind::DownWrite) => {
            let up = Event { kind: EventKind::UpWrite as u8, ..event };
            vec![event, up, event]
        }
        _ => vec![event],
    };
    let seen = with_events(revision, twice, fork);
    assert_eq!(classes(&seen), [Class::Except(BenignDifference::Lock)]);
    assert_eq!(ops(&seen, &Class::Except(BenignDifference::Lock)), 2);
    let atomic = |event: Event| match event.kind() {
        Some(EventKind::Alloc) if event.arg == Cache::Avc as u8 => vec![Event { flags: Gfp::NOWAIT_NOWARN, ..event }],
        _ => vec![event],
    };
    let seen = with_events(revision, atomic, fork);
    assert_eq!(classes(&seen), [Class::Except(BenignDifference::AllocationFlags)]);
}

/// Tells one event after each lock of a root.
fn with_each_lock(event: Event, told: Event) -> Vec<Event> {
    if event.kind() == Some(EventKind::DownWrite) { vec![event, told] } else { vec![event] }
}

#[test]
fn flushes_and_statistics_are_compared() {
    let fork = "map p0 0x10..0x11\nfault p0 0x10\nfork p0 p1\n";
    let revision = generation("7.3");
    let flushes = |event| with_each_lock(event, Event::new(EventKind::Flush, 0, FlushKind::Mm as u16, 0, 0));
    let seen = with_events(revision, flushes, fork);
    let class = Class::Except(BenignDifference::Flush);
    assert_eq!(classes(&seen), std::slice::from_ref(&class));
    assert_eq!(ops(&seen, &class), 2);
    assert_eq!(seen.get(&class).unwrap().detail, "no flush against flush p0 all pages (flush 1 of 1)");
    let counts = |event| with_each_lock(event, Event::new(EventKind::Stat, NodeStat::PinAcquired as u8, 0, 2, 0));
    let seen = with_events(revision, counts, fork);
    let class = Class::Except(BenignDifference::Statistics);
    assert_eq!(classes(&seen), std::slice::from_ref(&class));
    assert_eq!(seen.get(&class).unwrap().detail, "nothing against NR_FOLL_PIN_ACQUIRED +2");
    // Up and down again: what a statistic is after the operation is the same.
    let both = |event: Event| {
        let stat = |by: i32| Event::new(EventKind::Stat, NodeStat::AnonMapped as u8, 0, by.cast_unsigned(), 0);
        if event.kind() == Some(EventKind::DownWrite) { vec![event, stat(1), stat(-1)] } else { vec![event] }
    };
    assert!(with_events(revision, both, fork).is_empty());
}

#[test]
fn a_split_the_other_way_round_is_another_order_and_fails_on_both_sides() {
    let later = generation("6.12");
    let earlier = Revision { munmap_splits_first_below: false, munmap_splits_last_above: false, ..later };
    let seen = explored(earlier, later, STRAIGHT, 4);
    assert_eq!(classes(&seen), [Class::Except(BenignDifference::Allocation)]);
}

#[test]
fn a_search_that_ended_early_is_not_called_equivalent_without_a_word() {
    let searched = |depth| Searched { processes: 2, pages: 2, depth, wanted: 6 };
    let names = Names { base: "a", changed: "b" };
    for (depth, finished) in [(6, true), (5, false)] {
        let verdict = Verdict { scopes: vec![searched(6), searched(depth)], transitions: 9, ..Verdict::default() };
        assert_eq!((verdict.outcome(), verdict.is_finished()), (Equivalence::Equivalent, finished));
        let replay = crate::report::review::Replay {
            names,
            vma: "model",
            traces: &[],
            given: None,
            alone: &[],
            known: "",
            preemptions: "",
        };
        let said = crate::report::review::plain(&verdict, &replay);
        assert_eq!(said.lines().next().unwrap().contains("NOT finished"), !finished, "{said}");
        assert_eq!(crate::report::review::value(&verdict, names)["finished"], finished);
    }
}
