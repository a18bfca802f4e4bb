//! Two sides as one: each kind of difference is found at its call, once, under a stable name.

use super::fake::{FakeSide, Fault};
use crate::check::oracle::event_violation;
use crate::check::tolerated::Tolerated;
use crate::check::{Difference, Finding, FindingKind, Lockstep, Phase, STOPPED, Sides, Solo};
use crate::rmap::{Call, Event, EventKind, Fail, MmId, Rmap, Side, VmaId, VmaRange};

/// Operations of four calls: a VMA is made, faulted, unlinked, freed.
fn operation<R: Rmap>(rmap: &mut R, start: u64) {
    rmap.begin_operation(&Fail::NEVER);
    let range = VmaRange { start, end: start + 4, pgoff: start };
    let vma = VmaId(rmap.call(Call::VmAreaAlloc { mm: MmId(0), range }).max(0) as u32);
    rmap.call(Call::AnonVmaPrepare { vma, prev: None, next: None });
    rmap.call(Call::UnlinkAnonVmas { vma });
    rmap.call(Call::VmAreaFree { vma });
}

fn run<C: Side, P: Side>(lockstep: &mut Lockstep<C, P>, operations: u64) -> Option<Finding> {
    for i in 0..operations {
        operation(lockstep, 0x10 * (i + 1));
        lockstep.end_operation();
    }
    lockstep.finish();
    lockstep.begin_teardown();
    lockstep.finish_empty();
    lockstep.finding().cloned()
}

/// The port goes wrong at a call.
fn differ(at: u64, fault: Fault) -> (Finding, Lockstep<FakeSide, FakeSide>) {
    let mut lockstep = Lockstep::new(FakeSide::default(), FakeSide::with_fault(at, fault));
    let finding = run(&mut lockstep, 20).expect("nothing found");
    (finding, lockstep)
}

#[test]
fn equal_sides_have_no_finding() {
    let mut lockstep = Lockstep::new(FakeSide::default(), FakeSide::default());
    assert_eq!(run(&mut lockstep, 300), None);
    let stats = lockstep.stats();
    assert_eq!((stats.operations, stats.calls), (300, 1200));
    // At 64, 128, 256 and at the end.
    assert_eq!(stats.whole_states, 4);
    assert_eq!(lockstep.reference().states, 4);
}

#[test]
fn a_difference_is_found_at_exactly_its_call() {
    for (fault, what) in [
        (Fault::Return, Difference::Return),
        (Fault::ExtraEvent, Difference::Events),
        (Fault::Counter, Difference::Touched),
        (Fault::Oops, Difference::Events),
    ] {
        // The prepare of the third operation.
        let (finding, mut lockstep) = differ(10, fault);
        assert_eq!(finding.operation, 3);
        assert_eq!(finding.phase, Phase::Call);
        assert!(matches!(finding.call, Some(Call::AnonVmaPrepare { .. })), "{finding:?}");
        assert_eq!(finding.calls.len(), 2);
        let FindingKind::Divergence(divergence) = &finding.kind else { panic!("{finding:?}") };
        assert_eq!(divergence.what, what);
        assert_eq!((lockstep.reference().calls, lockstep.port().unwrap().calls), (10, 10));
    }
}

#[test]
fn what_is_told_and_is_not_so_is_shown_word_by_word() {
    let (finding, _) = differ(10, Fault::ToldCounter);
    assert_eq!(finding.signature(), "differ anon_vma_prepare state: touched");
    let FindingKind::Divergence(divergence) = &finding.kind else { panic!("{finding:?}") };
    let [field] = &divergence.fields[..] else { panic!("{divergence:?}") };
    assert_eq!((&field.reference[..], &field.port[..]), ("0x1", "0x77"));
}

#[test]
fn a_difference_names_the_warnings_of_the_sides_that_warned() {
    let warnings = |finding: Finding| match finding.kind {
        FindingKind::Divergence(divergence) => divergence.warnings,
        other => panic!("{other:?}"),
    };
    let planted = Some("planted, at call 10".to_owned());
    assert_eq!(warnings(differ(10, Fault::Warn).0), [None, planted.clone()]);
    let mut lockstep = Lockstep::new(FakeSide::with_fault(10, Fault::Oops), FakeSide::default());
    assert_eq!(warnings(run(&mut lockstep, 20).unwrap()), [planted, None]);
    assert_eq!(warnings(differ(10, Fault::Return).0), [None, None]);
}

#[test]
fn objects_that_one_side_alone_has_left_are_found_after_the_last_exit() {
    let mut lockstep = Lockstep::new(FakeSide::default(), FakeSide::default());
    lockstep.begin_teardown();
    let range = VmaRange { start: 1, end: 2, pgoff: 1 };
    lockstep.port().unwrap().call(Call::VmAreaAlloc { mm: MmId(0), range });
    lockstep.finish_empty();
    let finding = lockstep.finding().unwrap();
    assert_eq!(finding.signature(), "differ last exit: vm_area_struct");
    let FindingKind::Divergence(divergence) = &finding.kind else { panic!("{finding:?}") };
    assert_eq!((&divergence.fields[0].reference[..], &divergence.fields[0].port[..]), ("0", "1"));
}

#[test]
fn a_large_world_is_looked_at_when_much_more_was_told_than_it_holds() {
    let mut lockstep = Lockstep::new(FakeSide::default(), FakeSide::default());
    // It holds some 3,900 words; an operation tells 48.
    for at in 0..150 {
        lockstep.begin_operation(&Fail::NEVER);
        let range = VmaRange { start: at * 8, end: at * 8 + 4, pgoff: at * 8 };
        lockstep.call(Call::VmAreaAlloc { mm: MmId(0), range });
        lockstep.call(Call::AnonVmaPrepare { vma: VmaId(at as u32), prev: None, next: None });
    }
    lockstep.finish();
    let looks = lockstep.stats().whole_states;
    let until = (1..2000).find(|at| {
        operation(&mut lockstep, 0x10_000 + at * 8);
        lockstep.end_operation();
        lockstep.stats().whole_states > looks
    });
    assert_eq!(lockstep.finding(), None);
    assert!(until.is_some_and(|at| (600..700).contains(&at)), "{until:?}");
}

#[test]
fn a_vma_that_was_written_to_and_not_told_is_found_when_the_whole_state_is_looked_at() {
    let stays = |fault| {
        let mut solo = Solo::solo(fault, Sides::Reference);
        solo.begin_operation(&Fail::NEVER);
        solo.call(Call::VmAreaAlloc { mm: MmId(0), range: VmaRange { start: 1, end: 5, pgoff: 1 } });
        solo.finish();
        solo.finding().map(Finding::signature)
    };
    assert_eq!(stays(FakeSide::default()), None);
    let found = "violate I11 VMA changed in no operation of its process after whole state";
    assert_eq!(stays(FakeSide::with_fault(1, Fault::StrayWrite)).as_deref(), Some(found));
    // Whoever has a port sees that it does not follow.
    let mut both = Lockstep::new(FakeSide::with_fault(1, Fault::StrayWrite), FakeSide::default());
    both.call(Call::VmAreaAlloc { mm: MmId(0), range: VmaRange { start: 1, end: 5, pgoff: 1 } });
    both.finish();
    let FindingKind::Divergence(divergence) = both.finding().unwrap().kind.clone() else { panic!("no divergence") };
    assert_eq!(divergence.what, Difference::WholeState);
}

#[test]
fn a_side_that_stopped_half_way_is_not_asked_for_its_state() {
    // The prepare of the second operation: the sixth call.
    let asked = |left: Option<Fault>, right: Option<Fault>| {
        let side = |fault: Option<Fault>| fault.map_or_else(FakeSide::default, |fault| FakeSide::with_fault(6, fault));
        let mut lockstep = Lockstep::new(side(left), side(right));
        let finding = run(&mut lockstep, 20).unwrap();
        assert_eq!(finding.operation, 2);
        let port = lockstep.port().unwrap();
        let port = (port.asked, port.states);
        let reference = lockstep.reference();
        ((reference.asked, reference.states), port)
    };
    for fault in [Fault::Oops, Fault::Bug] {
        assert_eq!(asked(Some(fault), Some(fault)), ((5, 0), (5, 0)), "{fault:?}");
        assert_eq!(asked(Some(fault), None), ((5, 0), (5, 0)), "{fault:?}");
        assert_eq!(asked(None, Some(fault)), ((6, 0), (5, 0)), "{fault:?}");
    }
    // After a WARN it goes on, and can tell.
    assert_eq!(asked(Some(Fault::Warn), Some(Fault::Warn)), ((6, 0), (6, 0)));
    assert_eq!(asked(None, Some(Fault::Warn)), ((6, 1), (6, 1)));
}

#[test]
fn the_lock_of_an_mm_touches_nothing() {
    let mut lockstep = Lockstep::new(FakeSide::default(), FakeSide::default());
    let mm = MmId(0);
    lockstep.begin_operation(&Fail::NEVER);
    for call in [Call::MmapWriteLock { mm }, Call::MmapReadLock { mm }, Call::MmapUnlock { mm }] {
        assert_eq!(lockstep.call(call), 0);
    }
    assert_eq!((lockstep.reference().asked, lockstep.port().unwrap().asked), (0, 0));
}

#[test]
fn a_state_that_cannot_be_read_is_a_finding() {
    let garbled = |fault| {
        let mut lockstep = Lockstep::new(FakeSide::with_fault(6, fault), FakeSide::with_fault(6, fault));
        run(&mut lockstep, 20).unwrap()
    };
    let finding = garbled(Fault::Garbled);
    assert_eq!(finding.signature(), "undecodable state: unknown record after anon_vma_prepare");
    assert!(matches!((finding.phase, finding.call), (Phase::Call, Some(Call::AnonVmaPrepare { .. }))));
    let finding = garbled(Fault::GarbledState);
    assert_eq!((finding.phase, finding.call), (Phase::WholeState, None));
    assert!(finding.signature().starts_with("undecodable state"), "{}", finding.signature());
}

#[test]
fn a_finding_stops_both_sides_until_reset() {
    let (_, mut lockstep) = differ(10, Fault::Return);
    lockstep.begin_operation(&Fail::NEVER);
    assert_eq!(lockstep.call(Call::MmapReadLock { mm: MmId(0) }), STOPPED);
    assert_eq!((lockstep.reference().calls, lockstep.port().unwrap().calls), (10, 10));
    lockstep.port().unwrap().fault = None;
    lockstep.reset();
    assert_eq!(run(&mut lockstep, 20), None);
}

#[test]
fn what_was_not_told_is_found_in_the_whole_state() {
    // The counter goes wrong at the 63rd prepare and stays: the next look at the whole state is after operation 64,
    // but then nothing is alive. So leave a VMA.
    let mut lockstep = Lockstep::new(FakeSide::default(), FakeSide::with_fault(2, Fault::UntoldCounter));
    lockstep.begin_operation(&Fail::NEVER);
    let range = VmaRange { start: 1, end: 2, pgoff: 1 };
    lockstep.call(Call::VmAreaAlloc { mm: MmId(0), range });
    lockstep.call(Call::AnonVmaPrepare { vma: VmaId(0), prev: None, next: None });
    let finding = run(&mut lockstep, 100).expect("nothing found");
    assert_eq!(finding.phase, Phase::WholeState);
    assert_eq!(finding.operation, 64);
    assert_eq!(finding.signature(), "differ whole state: anon_vma.num_children");
}

#[test]
fn signatures_are_stable_under_renaming() {
    for (fault, signature) in [
        (Fault::Return, "differ anon_vma_prepare return: 0 vs -ENOMEM"),
        (Fault::ExtraEvent, "differ anon_vma_prepare events: nothing vs get"),
        (Fault::OtherLock, "differ anon_vma_prepare events: down_write vs down_write of another object"),
        (Fault::Counter, "differ anon_vma_prepare state: anon_vma.num_children"),
        (Fault::Warn, "differ anon_vma_prepare events: nothing vs WARN"),
    ] {
        for operation in [0, 3, 17] {
            assert_eq!(differ(operation * 4 + 2, fault).0.signature(), signature);
        }
    }
    let alone = |at, fault| run(&mut Solo::solo(FakeSide::with_fault(at, fault), Sides::Port), 20).unwrap();
    for (fault, signature) in [
        (Fault::Counter, "violate I5 num_children after anon_vma_prepare"),
        (Fault::Warn, "violate I11 WARN planted, at call N after anon_vma_prepare"),
        (Fault::Oops, "violate I11 oops planted, at call N after anon_vma_prepare"),
    ] {
        let mut left = FakeSide::default();
        left.fault = Some((2, fault));
        let mut lockstep = Solo::solo(left, Sides::Reference);
        lockstep.begin_operation(&Fail::NEVER);
        let range = VmaRange { start: 1, end: 2, pgoff: 1 };
        lockstep.call(Call::VmAreaAlloc { mm: MmId(0), range });
        lockstep.call(Call::AnonVmaPrepare { vma: VmaId(0), prev: None, next: None });
        lockstep.end_operation();
        let finding = lockstep.take_finding().expect("nothing found");
        assert_eq!(finding.signature(), signature);
        assert_eq!(finding.side(), Sides::Reference);
        if fault != Fault::Counter {
            for operation in [0, 3, 17] {
                assert_eq!(alone(operation * 4 + 2, fault).signature(), signature);
            }
        }
    }
}

#[test]
fn a_fault_of_both_sides_is_a_violation_of_both() {
    let mut lockstep = Lockstep::new(FakeSide::with_fault(6, Fault::Warn), FakeSide::with_fault(6, Fault::Warn));
    let finding = run(&mut lockstep, 20).expect("nothing found");
    assert_eq!(finding.side(), Sides::Both);
    assert_eq!((finding.operation, finding.calls.len()), (2, 2));
}

#[test]
fn a_tolerated_warning_of_both_sides_is_counted_and_gone_past() {
    let known = "violate I11 WARN planted, at call N after anon_vma_prepare".to_owned();
    let warns = || FakeSide::with_fault(6, Fault::Warn);
    let mut lockstep = Lockstep::new(warns(), warns());
    lockstep.tolerate(["violate another".to_owned(), known.clone()]);
    assert_eq!(run(&mut lockstep, 20), None);
    assert_eq!((lockstep.met(), lockstep.stats().operations), (&[0, 1][..], 20));

    // A warning of one side alone is another finding.
    let mut lockstep = Lockstep::new(warns(), FakeSide::default());
    lockstep.tolerate([known]);
    assert!(run(&mut lockstep, 20).is_some());
    assert!(!lockstep.settle() && lockstep.finding().is_some());
    assert_eq!(lockstep.met(), [0]);
}

#[test]
fn what_is_known_without_a_failed_allocation_is_known_with_one_and_not_the_other_way_round() {
    let signature = |text: &str| {
        let violation = event_violation(&Event::new(EventKind::Warn, 0, 0, 0, 0), Some(text)).unwrap();
        format!("violate {} {} after operation", violation.invariant, violation.what)
    };
    let [plain, failed] = ["x at mm/vma.c:1", "x at mm/vma.c:1, an allocation having failed"];
    let met = |known: &str, text: &str| {
        let mut tolerated = Tolerated::new(vec!["another".to_owned(), signature(known)]);
        let warn = [Event::new(EventKind::Warn, 0, 0, 0, 0)];
        let gone_past = tolerated.warning(None, &warn, Some(text));
        assert_eq!(tolerated.met(), [0, u64::from(gone_past)]);
        // Several at once are not known: there is but one text for all of them.
        assert!(!tolerated.warning(None, &[warn[0], warn[0]], Some(text)));
        gone_past
    };
    assert!(met(plain, plain) && met(failed, failed) && met(plain, failed));
    assert!(!met(failed, plain));
}

#[test]
fn anything_else_that_is_tolerated_stops_the_run_and_is_taken_at_its_end() {
    let bad = |fault| FakeSide::with_fault(6, fault);
    for (left, right) in [(bad(Fault::Oops), bad(Fault::Oops)), (FakeSide::default(), bad(Fault::Return))] {
        let mut lockstep = Lockstep::new(left, right);
        let signature = run(&mut lockstep, 20).expect("nothing found").signature();
        lockstep.reset();
        lockstep.tolerate([signature]);
        assert!(run(&mut lockstep, 20).is_some());
        assert_eq!(lockstep.met(), [0], "not before the end of the run");
        assert!(lockstep.settle() && lockstep.finding().is_none());
        assert_eq!(lockstep.met(), [1]);
        assert!(!lockstep.settle());
    }
}

#[test]
fn what_is_left_after_the_last_exit_is_found() {
    let mut lockstep = Lockstep::new(FakeSide::default(), FakeSide::default());
    lockstep.begin_operation(&Fail::NEVER);
    let range = VmaRange { start: 1, end: 2, pgoff: 1 };
    lockstep.call(Call::VmAreaAlloc { mm: MmId(0), range });
    let finding = run(&mut lockstep, 3).expect("nothing found");
    assert_eq!(finding.phase, Phase::LastExit);
    assert!(finding.teardown);
    assert_eq!(finding.operation, 4);
    assert_eq!(finding.signature(), "violate I12 vm_area_struct left after last exit");
}
