//! A kernel that leaves the chain entries of a VMA in their trees while its range changes, if its page offset stays: the
//! reference `7.3-updates-in-place`.

use std::process::Command;

use rmap_diff::check::{FindingKind, Lockstep, run_trace};
use rmap_diff::kernel::{Kernel, SlabMode};
use rmap_diff::known::KnownFindings;
use rmap_diff::mm::{KernelDriver, SmallDriver};
use rmap_diff::port::Port;
use rmap_diff::rmap::{EventKind, Revision};
use rmap_diff::trace::{Mix, OpSet, Rng, random_trace};

mod common;
use common::layer::kernel_with_layer;
use common::{play_random, reference};

/// What it is made of.
const BASE: &str = "7.3";
const NAME: &str = "7.3-updates-in-place";
/// Operations with each driver.
const OPS: usize = 300_000;

#[test]
fn its_revision_is_that_of_7_3_and_it_updates_in_place() {
    let wanted = Revision { updates_in_place: true, ..reference(BASE).revision };
    assert_eq!(reference(NAME).revision, wanted);
    assert!(!reference(BASE).revision.updates_in_place);
}

#[test]
fn the_port_equals_the_c_with_the_kernels_own_vma_code() {
    let reference = reference(NAME);
    let mut lockstep = Lockstep::new(kernel_with_layer(reference, SlabMode::Reuse), Port::new(reference.revision));
    let known = KnownFindings::embedded().of(reference.name, reference.version);
    lockstep.tolerate(rmap_diff::known::signatures(&known));
    play_random(reference, &mut lockstep, &mut KernelDriver::new(), &Mix::varied(OpSet::Full), OPS);
}

#[test]
fn the_port_equals_the_c_under_the_model() {
    let reference = reference(NAME);
    let mut lockstep = Lockstep::new(Kernel::new(reference, SlabMode::Reuse), Port::new(reference.revision));
    play_random(reference, &mut lockstep, &mut SmallDriver::new(), &Mix::varied(OpSet::Small), OPS);
}

#[test]
fn a_port_that_takes_the_entries_out_is_found_different() {
    let c = reference(NAME);
    let mut lockstep = Lockstep::new(Kernel::new(c, SlabMode::Reuse), Port::new(reference(BASE).revision));
    let trace = random_trace(&mut Rng::new(1), 200, &Mix::wide());
    let finding = run_trace(&mut lockstep, &mut SmallDriver::new(), &trace).finding.expect("a divergence");
    assert!(matches!(finding.kind, FindingKind::Divergence(_)), "{}", finding.signature());
    let update = EventKind::TreeUpdate.name();
    assert!(
        finding.signature().contains(update) || finding.signature().contains("tree_remove"),
        "{}",
        finding.signature()
    );
}

/// An entry that stays in its tree keeps its place among those with the same key, and 7.3 puts it behind them. So walks come to the
/// VMAs in another order, and nothing else differs.
#[test]
fn it_is_equivalent_to_7_3_except_for_the_order_of_flushes() {
    let mut review = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    review.args(["review", BASE, NAME, "--depth", "5", "--ops", "5000"]).env_remove("RMAP_KNOWN");
    let output = review.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.starts_with(&format!("{BASE} and {NAME}: equivalent except for flush order\n")), "{said}");
}
