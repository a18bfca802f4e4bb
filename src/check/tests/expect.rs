//! What a trace expects: of each side, of a process that is not there, and not of the model.

use crate::check::{FindingKind, Lockstep, NoPort, Phase, Sides, Solo, minimize_finding, run_trace};
use crate::mm::SmallDriver;
use crate::port::Port;
use crate::report::{Report, json, text};
use crate::rmap::{Call, Fail, MmId, Revision, Rmap, Side, VmaAttributes, VmaId, VmaRange};
use crate::trace::{Expectation, Trace};

const MM: MmId = MmId(0);

fn port() -> Port {
    Port::new(Revision::of_generation("7.3").unwrap())
}

fn expectation(line: &str) -> Expectation {
    let trace: Trace = format!("map p0 0x10..0x14\n{line}\n").parse().unwrap();
    trace.expectations[0].clone()
}

fn range(start: u64, end: u64) -> VmaRange {
    VmaRange { start, end, pgoff: start }
}

/// `0x10..0x14` and `0x14..0x18` in one process, on one side or on two.
fn two_vmas<P: Side>(lockstep: &mut Lockstep<Port, P>) -> [VmaId; 2] {
    lockstep.begin_operation(&Fail::NEVER);
    [range(0x14, 0x18), range(0x10, 0x14)].map(|range| {
        let serial = lockstep.call(Call::VmAreaAlloc { mm: MM, range });
        VmaId(u32::try_from(serial).unwrap())
    })
}

/// What is found of two sides of which one was told behind the other's back that the VMA at 0x10 has another end.
fn after_a_slip(side: Option<Sides>, line: &str) -> Option<(Sides, String)> {
    let mut lockstep = Lockstep::new(port(), port());
    let vmas = two_vmas(&mut lockstep);
    let slip = Call::VmaSetRange { vma: vmas[1], range: range(0x10, 0x13) };
    for (this, at) in [(Sides::Reference, 0), (Sides::Port, 1)] {
        if side == Some(this) || side == Some(Sides::Both) {
            match at {
                0 => lockstep.reference().call(slip),
                _ => lockstep.port().unwrap().call(slip),
            };
        }
    }
    lockstep.check_expectation(&expectation(line), Some(&vmas));
    let finding = lockstep.take_finding()?;
    assert_eq!((finding.operation, finding.phase), (1, Phase::EndOfOperation));
    assert_eq!(finding.signature(), "violate expectation of a layout after operation");
    let FindingKind::Expectation { side, unmet } = finding.kind else { panic!("{finding:?}") };
    Some((side, unmet.lines()[1].clone()))
}

#[test]
fn a_layout_is_compared_on_each_side() {
    let (right, wrong) = ("expect p0: 0x10..0x14 0x14..0x18", "expect p0: 0x10..0x13 0x14..0x18");
    let (as_told, slipped) = ("is: 0x10..0x14 0x14..0x18".to_owned(), "is: 0x10..0x13 0x14..0x18".to_owned());
    assert_eq!(after_a_slip(None, right), None);
    assert_eq!(after_a_slip(None, wrong), Some((Sides::Both, as_told.clone())));
    for side in [Sides::Reference, Sides::Port, Sides::Both] {
        assert_eq!(after_a_slip(Some(side), right), Some((side, slipped.clone())), "only this side is to blame");
    }
    assert_eq!(after_a_slip(Some(Sides::Reference), wrong), Some((Sides::Port, as_told.clone())));
    assert_eq!(after_a_slip(Some(Sides::Port), wrong), Some((Sides::Reference, as_told)));
    assert_eq!(after_a_slip(Some(Sides::Both), wrong), None);
}

#[test]
fn all_vmas_count_and_only_those_properties_that_are_named() {
    for (line, is) in [
        ("expect p0: 0x10..0x14", Some("is: 0x10..0x14 0x14..0x18")),
        ("expect p0: 0x10..0x18", Some("is: 0x10..0x14 0x14..0x18")),
        ("expect p0: nothing", Some("is: 0x10..0x14 0x14..0x18")),
        ("expect p0: 0x10..0x14[rw] 0x14..0x18[rw,!faulted,!file,!locked]", None),
        ("expect p0: 0x10..0x14 0x14..0x18[ro,!grows]", Some("is: 0x10..0x14 0x14..0x18[rw,!grows]")),
        ("expect p0: 0x10..0x14[faulted] 0x14..0x18", Some("is: 0x10..0x14[!faulted] 0x14..0x18")),
    ] {
        let found = after_a_slip(None, line);
        assert_eq!(found.map(|(_, is)| is).as_deref(), is, "{line}");
    }
    assert_eq!(VmaAttributes::anonymous(range(1, 2)).flags & VmaAttributes::WRITE, VmaAttributes::WRITE);
}

#[test]
fn a_process_that_does_not_exist_is_found_and_said_so() {
    let mut solo = Solo::solo(port(), Sides::Port);
    two_vmas(&mut solo);
    solo.check_expectation(&expectation("expect p3: 0x10..0x14"), None);
    let finding = solo.take_finding().unwrap();
    assert_eq!(finding.signature(), "violate expectation of a process after operation");
    let trace: Trace = "map p0 0x10..0x14\nexpect p3: 0x10..0x14\n".parse().unwrap();
    let report = Report::new(&finding, &trace, "7.3");
    let said = text::plain(&report);
    assert!(said.contains("\n--- expected\n+++ port\n- 0x10..0x14\n+ p3 does not exist\n"), "{said}");
    assert!(said.contains("\ntrace\n  map p0 0x10..0x14\n  expect p3: 0x10..0x14\n"), "{said}");
    let value = json::value(&report);
    assert_eq!((&value["kind"], &value["expectation"]["actual"]), (&"expectation".into(), &serde_json::Value::Null));
    assert_eq!(value["expectation"]["expected"], serde_json::json!(["0x10..0x14"]));
    assert_eq!(value["trace"], serde_json::json!(["map p0 0x10..0x14"]), "of operations alone, as ever");
    assert!(!report.replay_command().contains("--side"), "{}", report.replay_command());
}

#[test]
fn the_model_is_not_held_to_what_is_expected() {
    let trace: Trace = "map p0 0x10..0x14\nmap p0 0x14..0x18\nexpect p0: 0x10..0x18\n".parse().unwrap();
    let result = run_trace(&mut Lockstep::new(port(), port()), &mut SmallDriver::new(), &trace);
    assert_eq!((result.finding, result.stats.done), (None, 2));
}

#[test]
fn what_is_expected_of_a_trace_is_not_made_small() {
    let mut lockstep: Lockstep<Port, NoPort> = Solo::solo(port(), Sides::Port);
    let vmas = two_vmas(&mut lockstep);
    let trace: Trace = "map p0 0x10..0x14\nmap p0 0x14..0x18\nexpect p0: 0x10..0x18\n".parse().unwrap();
    lockstep.check_expectation(&trace.expectations[0], Some(&vmas));
    let finding = lockstep.take_finding().unwrap();
    let small = minimize_finding(&mut lockstep, &mut SmallDriver::new(), &trace, &finding);
    assert_eq!((small.trace, small.runs), (trace, 0));
}

#[test]
fn a_state_that_cannot_be_read_is_no_layout() {
    use super::fake::{FakeSide, Fault};
    let mut solo = Solo::solo(FakeSide::with_fault(0, Fault::GarbledState), Sides::Reference);
    solo.check_expectation(&expectation("expect p0: nothing"), Some(&[]));
    let finding = solo.take_finding().unwrap();
    assert!(finding.signature().starts_with("undecodable state"), "{}", finding.signature());
}
