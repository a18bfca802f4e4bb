//! Pages: the port does what the C does with folios too, and every walk finds what it must.
#![allow(missing_docs)]

mod common;

use common::{GENERATIONS, assert_nothing_found, lockstep, play_random, reference, run, trace};
use rmap_diff::check::{self, Lockstep};
use rmap_diff::kernel::{Kernel, SlabMode};
use rmap_diff::mm::SmallDriver;
use rmap_diff::port::Port;
use rmap_diff::trace::{Mix, Rng, random_trace};

/// Operations a reference.
const OPS: usize = 200_000;

fn random_operations_with_pages(name: &str) {
    let reference = reference(name);
    let mut lockstep = lockstep(reference);
    let mut driver = SmallDriver::new();
    let mixes = [Mix::default(), Mix::fork_heavy(), Mix::wide()].map(|mix| {
        let mix = Mix { fail_per_mille: 333, ..mix };
        mix.with("pin", 6).with("unpin", 4).with("walk", 10)
    });
    play_random(reference, &mut lockstep, &mut driver, &mixes, OPS);
}

#[test]
fn port_equals_c_over_200_000_operations_with_pages_6_1() {
    random_operations_with_pages("6.1");
}

#[test]
fn port_equals_c_over_200_000_operations_with_pages_6_12() {
    random_operations_with_pages("6.12");
}

#[test]
fn port_equals_c_over_200_000_operations_with_pages_6_12_seed() {
    random_operations_with_pages("6.12-fork-preallocates");
}

#[test]
fn port_equals_c_over_200_000_operations_with_pages_7_2() {
    random_operations_with_pages("7.2");
}

#[test]
fn port_equals_c_over_200_000_operations_with_pages_newest() {
    random_operations_with_pages(common::NEWEST);
}

#[test]
fn with_poisoned_freed_objects_too() {
    for name in GENERATIONS {
        let reference = reference(name);
        let mut lockstep = Lockstep::new(Kernel::new(reference, SlabMode::Poison), Port::new(reference.revision));
        let mut driver = SmallDriver::new();
        let mut rng = Rng::new(7);
        let mix = Mix::default().with("pin", 10).with("unpin", 5).with("walk", 10);
        for _ in 0..100 {
            let trace = random_trace(&mut rng, 200, &mix);
            let result = check::run_trace(&mut lockstep, &mut driver, &trace);
            assert_nothing_found(reference, &result, &trace);
        }
    }
}

/// A reference outlives every VMA, and the parent of the anon_vma that it is on.
#[test]
fn a_pin_outlives_the_family() {
    let text = "map p0 0x10..0x18\nfault p0 0x10\nfork p0 p1\nfault p1 0x10\nfork p1 p2\nfault p2 0x10\n\
                pin p2 0x10\nexit p2\nexit p1\nmap p0 0x40..0x48\nfault p0 0x40\nfork p0 p3\nexit p0\nunpin 0\nexit p3\n";
    for name in GENERATIONS {
        let trace = trace(text);
        assert_nothing_found(reference(name), &run(reference(name), &trace), &trace);
        let held = trace_without_unpin(text);
        assert_nothing_found(reference(name), &run(reference(name), &held), &held);
    }
}

fn trace_without_unpin(text: &str) -> rmap_diff::trace::Trace {
    trace(&text.replace("unpin 0\n", ""))
}

#[test]
fn a_walk_in_each_mode_finds_parent_and_child() {
    for mode in ["", " locked", " trylock", " contended"] {
        let text = format!(
            "map p0 0x10..0x18\nfault p0 0x10\nfault p0 0x11\nfork p0 p1\nfork p1 p2\nfault p1 0x10\nunmap p2 0x11..0x12\n\
             walk p0 0x10{mode}\nwalk p1 0x10{mode}\nwalk p1 0x11{mode}\n"
        );
        for name in GENERATIONS {
            let trace = trace(&text);
            assert_nothing_found(reference(name), &run(reference(name), &trace), &trace);
        }
    }
}
