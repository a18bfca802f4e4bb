//! The port follows the kernel's own VMA code exactly, over every operation, refusal and kind of merge.

mod common;

use std::collections::BTreeMap;

use common::{NEWEST, play_random, reference};
use rmap_diff::check::Lockstep;
use rmap_diff::kernel::{Kernel, SlabMode};
use rmap_diff::known::KnownFindings;
use rmap_diff::mm::KernelDriver;
use rmap_diff::port::Port;
use rmap_diff::trace::{Mix, OPERATIONS};

/// Operations a reference.
const OPS: usize = 2_000_000;
/// Of one that differs from another in a single function.
const FEWER_OPS: usize = 1_000_000;

fn two_million_operations(name: &str) {
    random_operations(name, OPS);
}

/// Plays random operations of the full set, three mixes, a third of them with failing allocations, several seeds.
fn random_operations(name: &str, ops: usize) {
    let reference = reference(name);
    let side = Kernel::with_vma_layer(reference, SlabMode::Reuse).unwrap_or_else(|why| panic!("{name}: {why}"));
    let mut lockstep = Lockstep::new(side, Port::new(reference.revision));
    let known = KnownFindings::embedded().of(reference.name, reference.version);
    lockstep.tolerate(rmap_diff::known::signatures(&known));
    let mut driver = KernelDriver::new();
    let mixes = [Mix::full(), Mix::full_fork_heavy(), Mix::merges()].map(|mix| Mix {
        fail_per_mille: 250,
        fail_node_per_mille: 83,
        ..mix
    });
    let (done, seeds) = play_random(reference, &mut lockstep, &mut driver, &mixes, ops);
    assert!(seeds > 3, "several seeds");

    let totals = driver.stats().total();
    assert_eq!(totals.total() as usize, done);
    assert!(totals.failed * 50 > totals.total(), "failures are reached: {totals:?}");
    // What needs page tables is refused without them, and not drawn.
    let drawn = driver.stats().by_operation().zip(&OPERATIONS).filter(|(_, row)| !row.needs_page_tables());
    for ((keyword, counts), _) in drawn {
        println!("{name}: {keyword:<10} {counts:?}");
        let never_refused = ["exit", "unmap", "mlockall", "munlockall"].contains(&keyword);
        // Neither allocates an object that fails by itself: only the VMA code does around them.
        let goes_on = ["mlockall", "munlockall"].contains(&keyword);
        let never_fails = goes_on || ["pin", "unpin", "walk", "exit"].contains(&keyword);
        let no_such_call = keyword == "uffdmove" && name == "6.1";
        // Most memory is not locked, and then it does nothing that could fail.
        let often = if keyword == "munlock" { 5 } else { 100 };
        assert!(counts.done > 100 || no_such_call, "{name}: {keyword} is hardly done: {counts:?}");
        assert!(counts.refused > 100 || never_refused, "{name}: {keyword} is hardly refused: {counts:?}");
        assert!(counts.failed > often || never_fails || no_such_call, "{name}: {keyword} hardly fails: {counts:?}");
    }
    let cases: BTreeMap<String, u64> = driver.merges().cases().collect();
    println!("{name}: {cases:#?}");
    for (case, count) in cases {
        // Before 7.x an unfaulted neighbour takes over no faulted one: is_mergeable_anon_vma() asks the neighbour, whose
        // chain is empty, for a chain of one.
        let possible = reference.revision.chains_preallocated || !case.ends_with("only this faulted");
        assert!(count > 0 || !possible, "{name}: merge with {case} is not reached");
    }
}

#[test]
fn port_follows_the_vma_code_over_2_000_000_operations_6_1() {
    two_million_operations("6.1");
}

#[test]
fn port_follows_the_vma_code_over_2_000_000_operations_6_12() {
    two_million_operations("6.12");
}

#[test]
fn port_follows_the_vma_code_over_1_000_000_operations_6_12_fork_preallocates() {
    random_operations("6.12-fork-preallocates", FEWER_OPS);
}

#[test]
fn port_follows_the_vma_code_over_2_000_000_operations_7_2() {
    two_million_operations("7.2");
}

#[test]
fn port_follows_the_vma_code_over_2_000_000_operations_newest() {
    two_million_operations(NEWEST);
}
