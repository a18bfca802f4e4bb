//! The port follows the kernel's own page-table code exactly, over every operation and refusal, and every sort of failure.

mod common;

use common::{NEWEST, play_random, reference};
use rmap_diff::check::Lockstep;
use rmap_diff::kernel::{Kernel, SlabMode};
use rmap_diff::known::{self, KnownFindings};
use rmap_diff::mm::KernelDriver;
use rmap_diff::port::Port;
use rmap_diff::trace::Mix;

/// Operations of a mix that a reference plays. `RMAP_PAGES_OPS` plays another number.
const OPS: usize = 60_000;

fn operations() -> usize {
    match std::env::var("RMAP_PAGES_OPS") {
        Ok(text) => text.parse().expect("RMAP_PAGES_OPS is a number of operations"),
        Err(_) => OPS,
    }
}

/// Plays random operations of the set of pages, a third of them with failing allocations, and then of large folios and of huge
/// pages: of these, where a step takes ten times as long, a tenth.
fn random_operations(name: &str) {
    let reference = reference(name);
    let side = Kernel::with_pages(reference, SlabMode::Reuse).unwrap_or_else(|why| panic!("{name}: {why}"));
    let mut lockstep = Lockstep::new(side, Port::new(reference.revision));
    lockstep.tolerate(known::signatures(&KnownFindings::embedded().of(reference.name, reference.version)));
    let mut driver = KernelDriver::new();
    let failing = |mix: Mix| Mix { fail_per_mille: 170, fail_node_per_mille: 80, fail_page_per_mille: 90, ..mix };
    let mixes = [Mix::full(), Mix::full_fork_heavy(), Mix::merges()].map(|mix| failing(mix.with_pages()));
    let (all, _) = play_random(reference, &mut lockstep, &mut driver, &mixes, operations() * mixes.len());
    let large = [false, true].map(|huge| failing(Mix::large_folios(huge)));
    let (of_large, _) = play_random(reference, &mut lockstep, &mut driver, &large, operations() / 10);

    let totals = driver.stats().total();
    // A known finding ends a trace where it is.
    let drawn = (all + of_large) as u64;
    assert!(totals.total() <= drawn && totals.total() * 2 > drawn, "of {drawn}: {totals:?}");
    assert!(totals.failed * 100 > totals.total(), "failures are reached: {totals:?}");
    for (keyword, counts) in driver.stats().by_operation() {
        println!("{name}: {keyword:<13} {counts:?}");
    }
    let moves_pages = ["uffdmove"];
    let never_refused = ["exit", "unmap", "mlockall", "munlockall"];
    // Nothing that can fail is allocated for these.
    let never_fails = [
        "mlockall",
        "munlockall",
        "unpin",
        "walk",
        "exit",
        "touch",
        "dontneed",
        "age",
        "lazyfree",
        "clean",
        "split",
        "migrate-end",
        "poison",
    ];
    for (keyword, counts) in driver.stats().by_operation() {
        if moves_pages.contains(&keyword) {
            assert_eq!(counts.done + counts.failed, 0, "{name}: {keyword}: {counts:?}");
            continue;
        }
        assert!(counts.done > 20, "{name}: {keyword} is hardly done: {counts:?}");
        assert!(
            counts.refused > 20 || never_refused.contains(&keyword),
            "{name}: {keyword} is hardly refused: {counts:?}"
        );
        assert!(counts.failed > 0 || never_fails.contains(&keyword), "{name}: {keyword} never fails: {counts:?}");
    }
}

#[test]
fn port_follows_the_page_table_code_6_12() {
    random_operations("6.12");
}

#[test]
fn port_follows_the_page_table_code_6_12_fork_preallocates() {
    random_operations("6.12-fork-preallocates");
}

#[test]
fn port_follows_the_page_table_code_7_2() {
    random_operations("7.2");
}

#[test]
fn port_follows_the_page_table_code_newest() {
    random_operations(NEWEST);
}
