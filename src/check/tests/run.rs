//! The loop that plays traces, what it counts, and the smallest trace of what it found.

use super::fake::FakeSide;
use crate::check::{
    Difference, Driver, FindingKind, Lockstep, Phase, Sides, Solo, minimize_finding, play_trace, run_trace,
};
use crate::mm::{KernelDriver, SmallDriver};
use crate::port::Port;
use crate::rmap::{MmId, Revision};
use crate::trace::Trace;

fn port(generation: &str) -> Port {
    Port::new(Revision::of_generation(generation).unwrap())
}

fn trace(text: &str) -> Trace {
    text.parse().unwrap()
}

#[test]
fn operations_are_counted_by_how_they_end() {
    let mut solo = Solo::solo(port("6.12"), Sides::Port);
    let mut driver = SmallDriver::new();
    let text = "map p0 0x10..0x14\nmap p0 0x12..0x16\nfault p0 0x10\nfault p0 0x90\nfault p9 0x10\n\
                fork p0 p2 fail=1\nfork p0 p3 fail=1\nfork p0 p1\n";
    let stats = play_trace(&mut solo, &mut driver, &trace(text), |_, _, _, _| {});
    assert_eq!((stats.done, stats.refused, stats.failed), (3, 3, 2));
    assert_eq!(stats.lockstep.operations, 8);
    let processes = Driver::<Port, crate::check::NoPort>::processes(&driver);
    assert_eq!(processes.iter().map(|(mm, vmas)| (*mm, vmas.len())).collect::<Vec<_>>(), [(MmId(0), 1), (MmId(1), 1)]);
    assert!(Driver::<Port, crate::check::NoPort>::merges(&driver).is_none());
    let by_kind = serde_json::to_value(Driver::<Port, crate::check::NoPort>::stats(&driver)).unwrap();
    assert_eq!(by_kind, serde_json::to_value(SmallDriver::stats(&driver)).unwrap());
    assert_ne!(by_kind, serde_json::to_value(SmallDriver::new().stats()).unwrap());
}

#[test]
fn what_the_kernel_driver_sees_amiss_is_found() {
    // VMA code that says that it has mapped, and has not.
    let mut solo = Solo::solo(FakeSide::default(), Sides::Reference);
    let mut driver = KernelDriver::new();
    let result = run_trace(&mut solo, &mut driver, &trace("map p0 0x10..0x14\n"));
    let finding = result.finding.unwrap();
    assert!(finding.signature().starts_with("violate Asked"), "{}", finding.signature());
    assert_eq!((finding.operation, finding.phase), (1, Phase::EndOfOperation));
}

#[test]
fn a_finding_is_made_small_and_stays_what_it_is() {
    // They clone in another order: what comes first is another difference than what is kept here.
    let mut lockstep = Lockstep::new(port("6.12"), port("7.3"));
    let mut driver = SmallDriver::new();
    let long = trace(
        "map p0 0x10..0x14\nmap p0 0x20..0x24\nfault p0 0x10\nfault p0 0x20\nfork p0 p1 fail=3\nfork p0 p2\nexit p2\n",
    );
    let finding = run_trace(&mut lockstep, &mut driver, &long).finding.unwrap();
    let signature = finding.signature();
    let small = minimize_finding(&mut lockstep, &mut driver, &long, &finding);
    assert_eq!(small.finding.signature(), signature);
    assert!(
        small.trace.ops.len() < long.ops.len() && (4..200).contains(&small.runs),
        "{}\n{}",
        small.trace,
        small.runs
    );
    let again = run_trace(&mut lockstep, &mut driver, &small.trace).finding.unwrap();
    assert_eq!((again.signature(), again.phase), (signature, Phase::Call));
    let FindingKind::Divergence(divergence) = again.kind else { panic!() };
    assert_eq!(divergence.what, Difference::Events);
}
