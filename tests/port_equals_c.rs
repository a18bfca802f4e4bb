//! The port does exactly what the compiled C does, and the check that says so is able to say otherwise.

mod common;

use common::{GENERATIONS, NEWEST, assert_nothing_found, lockstep, play_random, reference, run};
use rmap_diff::check::{self, FindingKind, Lockstep};
use rmap_diff::kernel::{self, Kernel, SlabMode};
use rmap_diff::mm::SmallDriver;
use rmap_diff::port::Port;
use rmap_diff::rmap::{Rmap, Side};
use rmap_diff::trace::{Mix, OpSet, Rng, Trace, random_trace};

/// Operations a reference.
const OPS: usize = 2_000_000;

/// Plays `OPS` random operations of three mixes, a third of them with failing allocations, several seeds.
fn two_million_operations(name: &str) {
    let reference = reference(name);
    let mut lockstep = lockstep(reference);
    let mut driver = SmallDriver::new();
    let mixes = [Mix::default(), Mix::fork_heavy(), Mix::wide()].map(|mix| Mix { fail_per_mille: 333, ..mix });
    let (done, seeds) = play_random(reference, &mut lockstep, &mut driver, &mixes, OPS);
    assert!(seeds > 3, "several seeds");
    let totals = driver.stats().total();
    assert_eq!(totals.total() as usize, done);
    assert!(totals.refused * 6 < totals.total(), "most operations are legal: {totals:?}");
    assert!(totals.failed * 50 > totals.total(), "failures are reached: {totals:?}");
}

#[test]
fn port_equals_c_over_2_000_000_operations_6_1() {
    two_million_operations("6.1");
}

#[test]
fn port_equals_c_over_2_000_000_operations_6_12() {
    two_million_operations("6.12");
}

#[test]
fn port_equals_c_over_2_000_000_operations_6_12_seed() {
    two_million_operations("6.12-fork-preallocates");
}

#[test]
fn port_equals_c_over_2_000_000_operations_7_2() {
    two_million_operations("7.2");
}

#[test]
fn port_equals_c_over_2_000_000_operations_newest() {
    two_million_operations(NEWEST);
}

#[test]
fn with_poisoned_freed_objects_port_equals_c_too() {
    for name in GENERATIONS {
        let reference = reference(name);
        let mut lockstep = Lockstep::new(Kernel::new(reference, SlabMode::Poison), Port::new(reference.revision));
        let mut driver = SmallDriver::new();
        let mut rng = Rng::new(7);
        for _ in 0..200 {
            let trace = random_trace(&mut rng, 200, &Mix::default());
            let result = check::run_trace(&mut lockstep, &mut driver, &trace);
            assert_nothing_found(reference, &result, &trace);
        }
    }
}

#[test]
fn the_port_at_another_generation_is_found_different_within_100_operations() {
    let different = [
        ("6.12", "7.2"),
        ("7.2", "6.12"),
        ("6.12", "6.12-fork-preallocates"),
        ("6.12-fork-preallocates", "6.12"),
        ("6.1", NEWEST),
    ];
    for (of_c, of_port) in different {
        let (c, port) = (reference(of_c), reference(of_port));
        let mut lockstep = Lockstep::new(Kernel::new(c, SlabMode::Reuse), Port::new(port.revision));
        let mut driver = SmallDriver::new();
        let trace = random_trace(&mut Rng::new(1), 100, &Mix::default());
        let result = check::run_trace(&mut lockstep, &mut driver, &trace);
        let finding = result.finding.unwrap_or_else(|| panic!("C of {of_c} = port at {of_port} over 100 operations"));
        assert!(matches!(finding.kind, FindingKind::Divergence(_)), "{}", finding.signature());
    }
}

#[test]
fn no_two_references_of_different_revisions_are_the_same_code() {
    for a in GENERATIONS.map(reference) {
        for b in GENERATIONS.map(reference) {
            if a.name == b.name {
                continue;
            }
            // 7.2 and 7.3 differ in the key of the tree, 6.1 and 6.12 in an assertion: the small driver makes the same
            // calls to both, and cannot tell them apart. The text that was compiled differs.
            let same_to_the_driver = a.revision.chains_preallocated == b.revision.chains_preallocated
                && a.revision.fork_preallocates == b.revision.fork_preallocates;
            if same_to_the_driver {
                assert_ne!(a.pieces, b.pieces, "{} and {} are the same code", a.name, b.name);
                continue;
            }
            let mut rng = Rng::new(3);
            let differ = (0..50).any(|_| {
                let trace = random_trace(&mut rng, 100, &Mix { fail_per_mille: 300, ..Mix::default() });
                digest(a.name, &trace) != digest(b.name, &trace)
            });
            assert!(differ, "{} and {} behave the same over 5,000 operations", a.name, b.name);
        }
    }
}

/// Every event of a trace and the state at its end, on the compiled C.
fn digest(name: &str, trace: &Trace) -> (Vec<String>, Vec<u64>) {
    struct Recorder {
        kernel: Kernel,
        events: Vec<String>,
    }
    impl Rmap for Recorder {
        // One for all, so that the driver makes the same calls whatever the kernel.
        fn revision(&self) -> rmap_diff::rmap::Revision {
            rmap_diff::rmap::Revision::of_generation("6.12").unwrap()
        }
        fn begin_operation(&mut self, fail: &rmap_diff::rmap::Fail) {
            self.kernel.begin_operation(fail);
        }
        fn attempts(&self) -> u32 {
            self.kernel.attempts()
        }
        fn call(&mut self, call: rmap_diff::rmap::Call) -> i32 {
            let result = self.kernel.call(call);
            self.events.push(format!("{call:?} = {result}: {:?}", self.kernel.events()));
            result
        }
    }
    let reference = kernel::reference(name).unwrap();
    let mut recorder = Recorder { kernel: Kernel::new(reference, SlabMode::Reuse), events: Vec::new() };
    let mut driver = SmallDriver::new();
    for op in &trace.ops {
        driver.apply(&mut recorder, op);
    }
    let mut state = Vec::new();
    recorder.kernel.state(&mut state);
    (recorder.events, state)
}

#[test]
fn the_same_trace_gives_the_same_result_in_any_order_within_one_process() {
    for name in GENERATIONS {
        let mut rng = Rng::new(11);
        let traces: Vec<Trace> = (0..40).map(|_| random_trace(&mut rng, 120, &Mix::default())).collect();
        let alone: Vec<_> = traces.iter().map(|trace| digest(reference(name).name, trace)).collect();
        // Again, each in a fresh world, the other way round.
        for (trace, before) in traces.iter().zip(&alone).rev() {
            assert!(digest(reference(name).name, trace) == *before, "{name}: not deterministic:\n{trace}");
        }
        // And one after the other in one world, which is reset between: the same statistics.
        let mut shared = lockstep(reference(name));
        let mut driver = SmallDriver::new();
        for trace in traces.iter().rev().chain(&traces) {
            let result = check::run_trace(&mut shared, &mut driver, trace);
            assert_eq!(result, run(reference(name), trace), "{name}: depends on what ran before:\n{trace}");
        }
    }
}

#[test]
fn worlds_in_several_threads_do_not_disturb_each_other() {
    let names = GENERATIONS;
    std::thread::scope(|scope| {
        for name in names {
            for seed in 0..2 {
                scope.spawn(move || {
                    let reference = reference(name);
                    let mut lockstep = lockstep(reference);
                    let mut driver = SmallDriver::new();
                    let mut rng = Rng::new(seed);
                    for _ in 0..100 {
                        let trace = random_trace(&mut rng, 100, &Mix::default());
                        let result = check::run_trace(&mut lockstep, &mut driver, &trace);
                        assert_nothing_found(reference, &result, &trace);
                    }
                });
            }
        }
    });
}

#[test]
fn every_seed_runs_clean_on_every_reference() {
    let mut seeds = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let trace = common::trace(&text);
        assert_eq!(Trace::from_bytes(&trace.to_bytes()), trace, "{}", path.display());
        // The others are for the kernel's own VMA code.
        if !trace.is_small() {
            continue;
        }
        assert_eq!(Trace::from_bytes_of(OpSet::Small, &trace.to_bytes_of(OpSet::Small)), trace, "{}", path.display());
        for reference in kernel::references() {
            assert_nothing_found(reference, &run(reference, &trace), &trace);
        }
        seeds += 1;
    }
    assert!(seeds >= 20, "{seeds} seeds");
}
