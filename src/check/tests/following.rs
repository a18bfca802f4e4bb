//! VMA code that makes its calls by itself is followed: each call, and whatever happens in none.

use super::fake::{FakeSide, Fault, ScriptedCall};
use crate::check::failure::failed_attempts;
use crate::check::{FailedAttempt, FindingKind, Lockstep, Phase, STOPPED};
use crate::mm::UnexpectedEffect;
use crate::rmap::{AnonVmaId, Cache, Call, Event, EventKind, Fail, Function, Gfp, MmId, Rmap, VmaId, VmaRange};
use crate::trace::{Mapped, MmCounts, OpKind, PageEvent, PageTables, Request, VmaLayer};

const RANGE: VmaRange = VmaRange { start: 0x10, end: 0x14, pgoff: 0x10 };
const MAP: OpKind = OpKind::Map {
    mm: MmId(0),
    start: RANGE.start,
    end: RANGE.end,
    grows: false,
    noreserve: false,
    shared: false,
    file: None,
};
const ZAP: PageEvent = PageEvent::Zap { mm: MmId(0), start: RANGE.start, end: RANGE.end };

fn map() -> Vec<ScriptedCall> {
    vec![
        ScriptedCall::Call(Call::VmAreaAlloc { mm: MmId(0), range: RANGE }),
        ScriptedCall::Pages(ZAP),
        ScriptedCall::Call(Call::AnonVmaPrepare { vma: VmaId(0), prev: None, next: None }),
    ]
}

fn event(kind: EventKind) -> Event {
    Event::new(kind, 0, 0, 0, 0)
}

/// VMA code that does these steps.
fn scripted(script: Vec<ScriptedCall>) -> FakeSide {
    let mut side = FakeSide::default();
    side.script = script;
    side
}

/// One operation: what it returned, and what it told of page tables.
fn operate(lockstep: &mut Lockstep<FakeSide, FakeSide>) -> (i32, Vec<PageEvent>) {
    lockstep.begin_operation(&Fail::NEVER);
    let mut pages = Vec::new();
    let result = lockstep.operate(&Request::new(MAP, &Fail::NEVER), &mut |event| pages.push(event));
    lockstep.end_operation();
    (result, pages)
}

/// What is found when the VMA code does this beside what it ought to.
fn found_with(steps: &[ScriptedCall]) -> Option<String> {
    let mut lockstep = Lockstep::new(scripted([&map(), steps].concat()), FakeSide::default());
    let (result, _) = operate(&mut lockstep);
    let signature = lockstep.finding().map(|finding| finding.signature());
    assert_eq!(result, if signature.is_some() { STOPPED } else { 7 });
    signature
}

#[test]
fn every_call_of_the_vma_code_is_made_on_the_port_too() {
    let mut lockstep = Lockstep::new(scripted(map()), FakeSide::default());
    assert_eq!(operate(&mut lockstep), (7, vec![ZAP]));
    assert_eq!(lockstep.finding(), None);
    assert_eq!(lockstep.port().unwrap().calls, 2);
    let [alloc, prepare] = lockstep.calls() else { panic!("{:?}", lockstep.calls()) };
    assert!(matches!((alloc, prepare), (Call::VmAreaAlloc { .. }, Call::AnonVmaPrepare { .. })));
    let stats = lockstep.stats();
    assert_eq!((stats.operations, stats.calls, stats.events), (1, 2, 4));
}

#[test]
fn a_call_on_which_the_port_differs_stops_the_vma_code_there() {
    for fault in [Fault::Return, Fault::ExtraEvent, Fault::Counter] {
        let mut script = map();
        script.extend([ScriptedCall::Pages(ZAP), ScriptedCall::Call(Call::UnlinkAnonVmas { vma: VmaId(0) })]);
        let mut lockstep = Lockstep::new(scripted(script), FakeSide::with_fault(2, fault));
        assert_eq!(operate(&mut lockstep), (STOPPED, vec![ZAP]), "{fault:?}");
        let finding = lockstep.finding().unwrap().clone();
        assert!(matches!((&finding.kind, finding.phase), (FindingKind::Divergence(_), Phase::Call)));
        assert!(matches!(finding.call, Some(Call::AnonVmaPrepare { .. })), "{finding:?}");
        assert_eq!(lockstep.calls(), &finding.calls[..]);
        assert_eq!((lockstep.reference().calls, lockstep.port().unwrap().calls), (2, 2));
        // And from then on nothing runs.
        assert_eq!(operate(&mut lockstep), (STOPPED, Vec::new()));
        assert_eq!(lockstep.mapped(MmId(0), &mut Vec::new()), None, "a tree may name what is gone");
        assert_eq!(lockstep.reference().calls, 2);
    }
    assert_eq!(STOPPED.signum(), -1, "whoever made the call sees that it failed");
}

#[test]
fn what_happens_in_no_call_is_a_violation_unless_it_is_the_page_table_lock_a_flush_or_a_statistic() {
    assert_eq!(found_with(&[]), None);
    let lock = [EventKind::SpinLock, EventKind::SpinUnlock].map(event);
    assert_eq!(found_with(&[ScriptedCall::Outside(lock.to_vec())]), None);
    assert_eq!(found_with(&[ScriptedCall::Outside(lock[..1].to_vec())]), None);
    assert_eq!(found_with(&[ScriptedCall::Outside([EventKind::Flush, EventKind::Stat].map(event).to_vec())]), None);
    let stray = Some("violate I11 events of no call after operation".to_owned());
    for kind in [EventKind::Get, EventKind::Alloc, EventKind::DownWrite, EventKind::UpRead] {
        assert_eq!(found_with(&[ScriptedCall::Outside(vec![event(kind)])]), stray);
        assert_eq!(found_with(&[ScriptedCall::Outside([&lock[..], &[event(kind)]].concat())]), stray);
    }
    let warned = Some("violate I11 WARN planted, at call N after operation".to_owned());
    assert_eq!(found_with(&[ScriptedCall::Outside(vec![event(EventKind::Warn)])]), warned);
}

#[test]
fn a_warning_in_no_call_can_be_tolerated() {
    let script = [map(), vec![ScriptedCall::Outside(vec![event(EventKind::Warn)])]].concat();
    let mut lockstep = Lockstep::new(scripted(script), FakeSide::default());
    lockstep.tolerate(["violate I11 WARN planted, at call N after operation".to_owned()]);
    assert_eq!(operate(&mut lockstep).0, 7);
    assert_eq!((lockstep.finding(), lockstep.met()), (None, &[1][..]));
}

#[test]
fn a_warning_names_the_call_that_it_is_of() {
    for fault in [Fault::Warn, Fault::Oops] {
        let mut reference = scripted(map());
        reference.fault = Some((2, fault));
        let mut lockstep = Lockstep::new(reference, FakeSide::with_fault(2, fault));
        assert_eq!(operate(&mut lockstep).0, STOPPED);
        let FindingKind::Violation { violations, .. } = &lockstep.finding().unwrap().kind else { panic!() };
        assert!(matches!(violations[..], [ref one] if matches!(one.after, Some(Call::AnonVmaPrepare { .. }))));
    }
}

#[test]
fn allocations_that_fail_are_told_by_their_place() {
    for cache in [Cache::Vma, Cache::AnonVma, Cache::Avc] {
        let fault = Fault::Enomem(cache);
        let mut side = scripted(vec![ScriptedCall::Call(Call::VmAreaAlloc { mm: MmId(0), range: RANGE })]);
        side.fault = Some((1, fault));
        let mut lockstep = Lockstep::new(side, FakeSide::with_fault(1, fault));
        operate(&mut lockstep);
        assert_eq!(lockstep.finding(), None);
        assert_eq!(lockstep.failed_attempts(), [FailedAttempt { cache, function: "vm_area_alloc", gfp: Gfp::KERNEL }]);
        lockstep.begin_operation(&Fail::NEVER);
        assert_eq!(lockstep.failed_attempts(), []);
    }
}

#[test]
fn the_innermost_function_is_the_place_of_a_failure() {
    let enter = |function: Function| Event::new(EventKind::Enter, function as u8, 0, 0, Event::NONE);
    let exit = |function: Function| Event::new(EventKind::Exit, function as u8, 12, 0, 0);
    let alloc = |cache: Cache, gfp, id| Event::new(EventKind::Alloc, cache as u8, gfp, id, 0);
    let call = Call::AnonVmaFork { vma: VmaId(1), pvma: VmaId(0) };
    let events = [
        alloc(Cache::AnonVma, Gfp::KERNEL, Event::NONE),
        enter(Function::Fork),
        enter(Function::Clone),
        alloc(Cache::Avc, Gfp::NOWAIT_NOWARN, Event::NONE),
        alloc(Cache::Avc, Gfp::KERNEL, 4),
        exit(Function::Clone),
        alloc(Cache::AnonVma, Gfp::KERNEL, Event::NONE),
        exit(Function::Fork),
    ];
    let mut failed = Vec::new();
    failed_attempts(&call, &events, &mut failed);
    let told: Vec<_> = failed.iter().map(|failed| (failed.cache, failed.function, failed.gfp)).collect();
    assert_eq!(
        told,
        [
            (Cache::AnonVma, "anon_vma_fork", Gfp::KERNEL),
            (Cache::Avc, "anon_vma_clone", Gfp::NOWAIT_NOWARN),
            (Cache::AnonVma, "anon_vma_fork", Gfp::KERNEL),
        ]
    );
}

#[test]
fn the_side_that_brings_the_vma_code_is_asked_what_is_mapped() {
    let mapped = Mapped {
        vma: VmaId(0),
        range: RANGE,
        writable: true,
        file: false,
        not_told: false,
        dontcopy: false,
        wipeonfork: false,
        flags: 3,
        anon_vma: Some(AnonVmaId(0)),
        is_child: false,
    };
    let counts = MmCounts { map_count: 1, total_vm: 4, in_rcu: true };
    let mut side = scripted(map());
    (side.mapped, side.injected, side.moves_pages) = (Some((mapped, counts)), 3, true);
    let mut lockstep = Lockstep::new(side, FakeSide::default());
    operate(&mut lockstep);
    let mut told = Vec::new();
    assert_eq!(lockstep.mapped(MmId(0), &mut told), Some(counts));
    assert_eq!(told, [mapped]);
    assert_eq!((lockstep.injected(), lockstep.moves_pages(), lockstep.attempts()), (3, true, 5));
    lockstep.reference().moves_pages = false;
    assert!(!lockstep.moves_pages());
    lockstep.check_space(MmId(0), &told, counts);
    assert_eq!(lockstep.finding(), None);
    lockstep.check_space(MmId(0), &told, MmCounts { map_count: 2, ..counts });
    assert!(lockstep.finding().unwrap().signature().contains("map_count"));
}

#[test]
fn an_operation_that_did_something_else_is_found_once() {
    let mut lockstep = Lockstep::new(scripted(map()), FakeSide::default());
    operate(&mut lockstep);
    let misdeed = |what| UnexpectedEffect { what, about: "map".to_owned(), detail: "p0".to_owned() };
    lockstep.misdeed(misdeed("first"));
    lockstep.misdeed(misdeed("second"));
    let finding = lockstep.finding().unwrap();
    assert!(finding.signature().contains("first (map)"), "{finding:?}");
    assert_eq!(finding.phase, Phase::EndOfOperation);
}

#[test]
fn page_tables_that_are_not_as_they_were_told_are_found_at_the_end() {
    let told = PageTables::default();
    let mut all = PageTables::default();
    let signature = |all: Option<&PageTables>| {
        let mut lockstep = Lockstep::new(scripted(map()), FakeSide::default());
        operate(&mut lockstep);
        lockstep.check_all_page_tables(&told, all);
        lockstep.finding().map(|finding| (finding.phase, finding.signature()))
    };
    assert_eq!(signature(Some(&all)), None);
    all.totals.frames = 1;
    let (phase, what) = signature(Some(&all)).unwrap();
    assert_eq!((phase, what.contains("page tables written unseen")), (Phase::WholeState, true), "{what}");
    assert!(signature(None).unwrap().1.contains("entry of a free frame"));
}

#[test]
fn a_state_in_which_a_rule_is_broken_is_found_when_it_is_looked_at() {
    // Both sides agree, and both have told that all is well.
    let bad = || FakeSide::with_fault(2, Fault::UntoldCounter);
    let mut lockstep = Lockstep::new(bad(), bad());
    lockstep.begin_operation(&Fail::NEVER);
    lockstep.call(Call::VmAreaAlloc { mm: MmId(0), range: RANGE });
    lockstep.call(Call::AnonVmaPrepare { vma: VmaId(0), prev: None, next: None });
    lockstep.end_operation();
    assert_eq!(lockstep.finding(), None);
    lockstep.finish();
    let finding = lockstep.finding().unwrap();
    assert_eq!(
        (finding.phase, finding.signature().as_str()),
        (Phase::WholeState, "violate I5 num_children after whole state")
    );
}
