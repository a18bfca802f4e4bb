//! Searches of the port alone.

use std::collections::HashSet;

use super::{Ended, Expand, Failures, Limits, LockstepWorlds, OpKinds, Scope, Search, Subject, Transition};
use crate::check::{Lockstep, NoPort, Sides, play_trace};
use crate::mm::SmallDriver;
use crate::port::Port;
use crate::rmap::Revision;
use crate::trace::{Op, Trace};
use crate::world::{Symmetry, World};

const NO_LIMITS: Limits = Limits { time: None, memory: usize::MAX };

fn revision() -> Revision {
    Revision::of_generation("7.3").unwrap()
}

fn solo() -> Lockstep<Port, NoPort> {
    Lockstep::solo(Port::new(revision()), Sides::Port)
}

fn scope(processes: u8, pages: u64, depth: u32) -> Scope {
    let (failures, kinds, symmetry) = (Failures::All, OpKinds::CORE, Symmetry::Processes);
    Scope { processes, pages, depth, failures, kinds, symmetry, order: 0, together: None }
}

fn workers(scope: Scope, threads: usize) -> Vec<Box<dyn Expand>> {
    let worker = |_| Box::new(LockstepWorlds::new(solo(), SmallDriver::new(), scope)) as Box<dyn Expand>;
    (0..threads).map(worker).collect()
}

fn searched(scope: Scope, threads: usize) -> Search {
    let mut workers = workers(scope, threads);
    let mut search = Search::new(scope, workers[0].root(&Trace::default()));
    let ended = search.run(&mut workers, NO_LIMITS, |_| true);
    assert!(matches!(ended, Ended::Finished), "{ended:?}");
    search
}

fn keys(search: &Search) -> HashSet<u128> {
    search.keys().collect()
}

fn state_after(trace: &Trace) -> World {
    let (mut lockstep, mut driver) = (solo(), SmallDriver::new());
    play_trace(&mut lockstep, &mut driver, trace, |_, _, _, _| {});
    World::of(&mut lockstep, &mut driver).unwrap()
}

#[test]
fn the_symmetry_loses_no_state() {
    let scope = scope(3, 2, 5);
    let reduced = searched(scope, 1);
    let exact = searched(Scope { symmetry: Symmetry::None, ..scope }, 1);
    assert!(exact.states() > reduced.states(), "the symmetry joins nothing");
    let renamed: HashSet<u128> =
        (0..exact.states()).map(|at| state_after(&exact.trace_to(at)).key(Symmetry::Processes)).collect();
    assert_eq!(renamed, keys(&reduced));
}

#[test]
fn taking_each_state_once_loses_no_state() {
    let scope = Scope { failures: Failures::None, ..scope(2, 2, 4) };
    let mut all = HashSet::new();
    let mut traces = vec![Vec::<Op>::new()];
    for left in (0..=scope.depth).rev() {
        let mut longer = Vec::new();
        for ops in traces {
            let world = state_after(&ops.iter().copied().collect());
            all.insert(world.key(scope.symmetry));
            if left > 0 {
                longer.extend(scope.operations(&world).into_iter().map(|kind| [&ops[..], &[kind.into()]].concat()));
            }
        }
        traces = longer;
    }
    assert!(all.len() > 50, "{}", all.len());
    assert_eq!(all, keys(&searched(scope, 1)));
}

#[test]
fn threads_and_stops_change_no_count() {
    let scope = scope(3, 2, 6);
    let whole = searched(scope, 1);
    let threaded = searched(scope, 3);
    assert_eq!((whole.counts(), whole.levels()), (threaded.counts(), threaded.levels()));
    assert_eq!(keys(&whole), keys(&threaded));

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("search");
    let subject = Subject { kernel: "port".into(), text: 1, driver: "rust".into(), side: "rust".into() };
    let mut stops = 0;
    loop {
        let mut workers = workers(scope, 2);
        let loaded = Search::load(&file, scope, &subject).unwrap();
        let mut search = loaded.unwrap_or_else(|| Search::new(scope, workers[0].root(&Trace::default())));
        let mut blocks = 0;
        let ended = search.run(&mut workers, NO_LIMITS, |_| {
            blocks += 1;
            blocks <= 2
        });
        search.save(&file, &subject).unwrap();
        match ended {
            Ended::Time => stops += 1,
            Ended::Finished => {
                assert_eq!((whole.counts(), whole.levels()), (search.counts(), search.levels()));
                assert_eq!(keys(&whole), keys(&search));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(stops >= 2, "stopped {stops} times");

    // Deeper from there is as deep from the beginning.
    let deeper = Scope { depth: 7, ..scope };
    let mut search = Search::load(&file, deeper, &subject).unwrap().unwrap();
    search.run(&mut workers(deeper, 2), NO_LIMITS, |_| true);
    assert_eq!(search.counts(), searched(deeper, 2).counts());

    // Another search does not take it up, nor is a file taken up that is not whole.
    let other = Subject { text: 2, ..subject.clone() };
    let error = Search::load(&file, scope, &other).err().unwrap().to_string();
    assert!(error.contains("what was compiled"), "{error}");
    let error = Search::load(&file, Scope { pages: 3, ..scope }, &subject).err().unwrap().to_string();
    assert!(error.contains("--pages is 2, now 3"), "{error}");
    let whole = std::fs::read(&file).unwrap();
    let with = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        Search::load(&file, scope, &subject).err().unwrap().to_string()
    };
    let error = with(&whole[..whole.len() - 1]);
    assert!(error.contains("not whole"), "{error}");
    assert!(with(&whole[..20]).contains("not whole"));
    // Nor one that an older version wrote, or that is no search at all.
    for other in [&b"{\"format\":1,\"subject\":{}}\n"[..], b"rmap-diff search 2\n", b""] {
        let error = with(other);
        assert!(error.contains("not in the form of this version") && error.contains("remove it"), "{error}");
    }
}

#[test]
fn a_full_memory_and_an_ended_time_are_no_end() {
    let scope = scope(3, 2, 6);
    let mut workers = workers(scope, 1);
    let mut search = Search::new(scope, workers[0].root(&Trace::default()));
    let ended = search.run(&mut workers, Limits { memory: 4096, ..NO_LIMITS }, |_| true);
    assert!(matches!(ended, Ended::Memory), "{ended:?}");
    assert!(search.depth_done() < scope.depth);
    let ended = search.run(&mut workers, Limits { time: Some(std::time::Duration::ZERO), ..NO_LIMITS }, |_| true);
    assert!(matches!(ended, Ended::Time), "{ended:?}");
}

#[test]
fn every_allocation_fails_alone_and_with_all_later_ones() {
    // A lone fork of a faulted VMA of the newest generation: the VMA, its anon_vma, its chain entry, the cloned entry.
    let scope = Scope { depth: 1, ..scope(2, 1, 1) };
    let mut worker = LockstepWorlds::new(solo(), SmallDriver::new(), scope);
    let prefix: Trace = "map p0 0x10..0x11\nfault p0 0x10\n".parse().unwrap();
    let expansion = worker.expand(&prefix, Search::new(scope, 0).view(None));
    // Plainly: fault, unmap, fork, exit. Failing: four attempts of the fork, twice each.
    assert_eq!((expansion.counts.transitions, expansion.counts.failing), (12, 8));
    assert_eq!(expansion.children.len(), 3);
}

#[test]
fn operations_are_parsed_and_printed() {
    assert_eq!("fork,map".parse::<OpKinds>().unwrap().to_string(), "map,fork");
    assert!("map,wander".parse::<OpKinds>().is_err());
    assert!(OpKinds::CORE.is_small() && !OpKinds::ALL.is_small());
}

#[test]
fn each_choice_of_operations_that_can_run_together_is_made_once() {
    let world = state_after(&"map p0 0x10..0x11\nfault p0 0x10\n".parse().unwrap());
    let lines = |processes| -> Vec<String> {
        let sections = scope(processes, 1, 1).sections(&world, 2);
        sections.iter().map(|ops| ops.iter().map(Op::to_string).collect::<Vec<_>>().join(" | ")).collect()
    };
    // A process that exits does nothing else; two forks have a child each, if there is room for two.
    let of_two = [
        "unmap p0 0x10..0x11 | unmap p0 0x10..0x11",
        "unmap p0 0x10..0x11 | fault p0 0x10",
        "unmap p0 0x10..0x11 | fork p0 p1",
        "fault p0 0x10 | fault p0 0x10",
        "fault p0 0x10 | fork p0 p1",
    ];
    assert_eq!(lines(2), of_two);
    assert_eq!(lines(3), [&of_two[..], &["fork p0 p1 | fork p0 p2"]].concat());
    // With repetition there are twenty choices of three of four; those with an exit are not.
    assert_eq!(scope(5, 1, 1).sections(&world, 3).len(), 10);
}

#[test]
fn transitions_make_the_trace_that_they_come_from() {
    let text = "map p0 0x10..0x11\ntogether\n  fault p0 0x10\n  fork p0 p1\n  at a step 3 b\nend\nexit p1\n";
    let trace: Trace = text.parse().unwrap();
    let transitions = Transition::all_of(&trace);
    assert_eq!(transitions.iter().map(Transition::operations).collect::<Vec<_>>(), [1, 2, 1]);
    let mut again = Trace::default();
    transitions.iter().for_each(|transition| transition.append_to(&mut again));
    assert_eq!((again.to_string(), again), (text.to_owned(), trace));
}
