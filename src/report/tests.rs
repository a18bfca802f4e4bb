//! What a report and a dump say, word for word where others rely on it.

use super::{Report, json, text};
use crate::check::{
    Difference, Divergence, FieldDiff, Finding, FindingKind, Invariant, Object, Phase, Sides, Violation,
};
use crate::rmap::dump;
use crate::rmap::{
    AnonVmaId, AnonVmaState, AvcId, Cache, Call, ChainLink, Event, EventKind, Gfp, MmId, Snapshot, VmaAttributes,
    VmaId, VmaRange, VmaState,
};
use crate::trace::{Trace, parse};

const TRACE: &str = "map p0 0x10..0x18\nfault p0 0x12\nfork p0 p1 fail=2\nexit p1\n";
const FORK: Call = Call::AnonVmaFork { vma: VmaId(1), pvma: VmaId(0) };

fn trace() -> Trace {
    parse(TRACE).unwrap()
}

fn finding(kind: FindingKind) -> Finding {
    let dup = Call::VmAreaDup { orig: VmaId(0), mm: MmId(1), range: VmaRange { start: 16, end: 24, pgoff: 16 } };
    Finding {
        operation: 3,
        teardown: false,
        phase: Phase::Call,
        call: Some(FORK),
        calls: vec![dup, FORK],
        schedule: Vec::new(),
        kind,
    }
}

fn divergence() -> Finding {
    let lock = Event::new(EventKind::DownWrite, 0, 0, 0, 0);
    let alloc = |flags| Event::new(EventKind::Alloc, Cache::Avc as u8, flags, 1, 0);
    let unlock = Event::new(EventKind::UpWrite, 0, 0, 0, 0);
    let events = [vec![lock, alloc(Gfp::NOWAIT_NOWARN), unlock], vec![lock, alloc(Gfp::KERNEL), unlock]];
    finding(FindingKind::Divergence(Divergence {
        what: Difference::Events,
        returned: [0, -12],
        events,
        first_event: Some(1),
        fields: vec![FieldDiff {
            object: Some(Object::AnonVma(AnonVmaId(0))),
            field: "refcount",
            reference: "2".into(),
            port: "1".into(),
        }],
        task: None,
        warnings: [None, None],
    }))
}

fn violation() -> Finding {
    let violation = Violation::new(
        Invariant::I5,
        "num_active_vmas",
        [AnonVmaId(0).into()],
        "anon_vma0 has num_active_vmas 2, it is the anon_vma of 1".into(),
    );
    finding(FindingKind::Violation { side: Sides::Reference, violations: vec![violation.after(FORK)] })
}

#[test]
fn a_divergence_reads_as_it_should() {
    let (finding, trace) = (divergence(), trace());
    let report = Report::new(&finding, &trace, "6.12").with_file("crash.txt");
    let expected = "\
differ anon_vma_fork events: alloc anon_vma_chain GFP_NOWAIT|__GFP_NOWARN vs alloc anon_vma_chain GFP_KERNEL
kernel  6.12
side    both sides
at      operation 3: fork p0 p1 fail=2 (after the call)
call    anon_vma_fork(vma1, vma0)

--- kernel
+++ port

returns
- 0
+ -ENOMEM

events
  down_write anon_vma0
- alloc anon_vma_chain GFP_NOWAIT|__GFP_NOWARN #1
+ alloc anon_vma_chain GFP_KERNEL #1
  up_write anon_vma0

state
- anon_vma0.refcount = 2
+ anon_vma0.refcount = 1

calls of the operation
  vm_area_dup(vma0, p1, 0x10..0x18)
  anon_vma_fork(vma1, vma0)

trace
  map p0 0x10..0x18
  fault p0 0x12
  fork p0 p1 fail=2

replay
  rmap-diff run crash.txt --kernel 6.12
  rmap-diff show crash.txt --kernel 6.12 --as html -o crash.html
  rmap-diff reproduce crash.txt --kernel 6.12 --as c
";
    assert_eq!(text::plain(&report), expected);
}

#[test]
fn a_violation_names_the_invariant_and_the_side() {
    let (finding, trace) = (violation(), trace());
    let report = Report::new(&finding, &trace, "6.12");
    let text = text::plain(&report);
    for line in [
        "violate I5 num_active_vmas after anon_vma_fork",
        "side    kernel",
        "\nI5 counters-match\n",
        "  anon_vma0 has num_active_vmas 2, it is the anon_vma of 1",
        Invariant::I5.text(),
        "  rmap-diff run FILE --kernel 6.12 --side kernel",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn colours_are_there_and_can_be_taken_away() {
    let (finding, trace) = (divergence(), trace());
    let report = Report::new(&finding, &trace, "6.12");
    assert!(text::coloured(&report).contains('\u{1b}'));
    assert!(!text::plain(&report).contains('\u{1b}'));
}

#[test]
fn the_trace_ends_with_the_failing_operation_and_replays() {
    let (mut finding, trace) = (divergence(), trace());
    let report = Report::new(&finding, &trace, "6.12");
    assert_eq!(report.shortened_trace().ops, trace.ops[..3]);
    finding.operation = 4;
    finding.teardown = true;
    let report = Report::new(&finding, &trace, "6.12");
    assert_eq!(report.shortened_trace(), trace);
    assert!(report.place().starts_with("exit of all processes"));
}

#[test]
fn long_equal_stretches_of_events_are_cut() {
    let mut finding = divergence();
    let FindingKind::Divergence(divergence) = &mut finding.kind else { unreachable!() };
    for events in &mut divergence.events {
        let get = |n| Event::new(EventKind::Get, 0, 0, n, 0);
        events.splice(0..0, (0..20).map(get));
        events.extend((0..20).map(get));
    }
    let trace = trace();
    let text = text::plain(&Report::new(&finding, &trace, "6.12"));
    assert!(text.contains("  … 18 equal\n"), "{text}");
    assert!(text.lines().count() < 50);
}

#[test]
fn json_holds_the_same() {
    let (finding, trace) = (divergence(), trace());
    let value = json::value(&Report::new(&finding, &trace, "6.12"));
    assert_eq!(value["kind"], "divergence");
    assert_eq!(value["signature"], finding.signature());
    assert_eq!(value["operation"], 3);
    assert_eq!(value["operation_text"], "fork p0 p1 fail=2");
    assert_eq!(value["call"], "anon_vma_fork(vma1, vma0)");
    assert_eq!(value["divergence"]["return"]["port"], "-ENOMEM");
    assert_eq!(value["divergence"]["events"]["first"], 1);
    assert_eq!(value["divergence"]["events"]["reference"].as_array().map(Vec::len), Some(3));
    assert_eq!(value["divergence"]["state"][0]["object"], "anon_vma0");
    assert_eq!(value["trace"].as_array().map(Vec::len), Some(3));
    let finding = violation();
    let value = json::value(&Report::new(&finding, &trace, "6.12"));
    assert_eq!(value["violations"][0]["invariant"], "I5");
    assert_eq!(value["violations"][0]["objects"][0], "anon_vma0");
    assert_eq!(value["side"], "reference");
}

fn vma(id: u32, mm: u8, start: u64, anon_vma: Option<u32>, chain: &[u32]) -> VmaState {
    VmaState {
        id: VmaId(id),
        mm: MmId(mm),
        attached: true,
        range: VmaRange { start, end: start + 8, pgoff: start },
        attributes: VmaAttributes::anonymous(VmaRange { start, end: start + 8, pgoff: start }),
        anon_vma: anon_vma.map(AnonVmaId),
        chain: chain
            .iter()
            .map(|&anon_vma| ChainLink { avc: AvcId(0), anon_vma: AnonVmaId(anon_vma), vma: VmaId(id) })
            .collect(),
    }
}

fn anon_vma(id: u32, root: u32, parent: u32) -> AnonVmaState {
    AnonVmaState {
        id: AnonVmaId(id),
        root: AnonVmaId(root),
        parent: AnonVmaId(parent),
        refcount: 1,
        num_children: 1,
        num_active_vmas: 1,
        leftmost: None,
        tree: Vec::new(),
    }
}

#[test]
fn the_dump_of_one_faulted_vma_is_the_documented_one() {
    let state =
        Snapshot { vmas: vec![vma(0, 0, 16, Some(5), &[5])], anon_vmas: vec![anon_vma(5, 5, 5)], folios: vec![] };
    assert_eq!(
        dump::json("6.12", "c", &state, [1, 1, 1], &[(MmId(0), vec![VmaId(0)])]),
        concat!(
            r#"{"kernel":"6.12","side":"c","#,
            r#""processes":[{"id":0,"vmas":[{"start":16,"end":24,"anon_vma":0,"chain":[0]}]}],"#,
            r#""anon_vmas":[{"id":0,"root":0,"parent":0,"refcount":1,"num_children":1,"num_active_vmas":1}],"#,
            r#""live":{"anon_vma":1,"anon_vma_chain":1}}"#,
            "\n"
        )
    );
}

#[test]
fn ids_of_a_dump_are_given_in_the_documented_order() {
    // Met in this order: 9 (anon_vma of the first VMA by start), 4 and 7 (its chain), then 3 (parent of 9),
    // 8 (parent of 4), and 2, which nothing names.
    let state = Snapshot {
        folios: vec![],
        vmas: vec![vma(0, 1, 32, Some(7), &[7]), vma(1, 0, 16, Some(9), &[4, 9, 7]), vma(2, 0, 8, None, &[])],
        anon_vmas: [(2, 2, 2), (3, 7, 7), (4, 7, 8), (7, 7, 7), (8, 7, 7), (9, 7, 3)]
            .map(|(id, root, parent)| anon_vma(id, root, parent))
            .to_vec(),
    };
    let processes = [(MmId(1), vec![VmaId(0)]), (MmId(0), vec![VmaId(1), VmaId(2)])];
    let dump = dump::Dump::new("6.12", "rust", &state, [3, 6, 4], &processes);
    let vmas: Vec<_> = dump.processes.iter().flat_map(|p| &p.vmas).map(|v| (v.anon_vma, v.chain.clone())).collect();
    assert_eq!(vmas, [(None, vec![]), (Some(0), vec![1, 0, 2]), (Some(2), vec![2])]);
    let anon_vmas: Vec<_> = dump.anon_vmas.iter().map(|a| (a.id, a.root, a.parent)).collect();
    let ids = |root, parent| (Some(root), Some(parent));
    let lines = [ids(2, 3), ids(2, 4), ids(2, 2), ids(2, 2), ids(2, 2), ids(5, 5)];
    assert_eq!(anon_vmas, (0..).zip(lines).map(|(id, (root, parent))| (id, root, parent)).collect::<Vec<_>>());

    // The same state under other serials has the same dump.
    let shift = |id: AnonVmaId| AnonVmaId(100 - id.0);
    let mut other = state.clone();
    for vma in &mut other.vmas {
        vma.anon_vma = vma.anon_vma.map(shift);
        vma.chain.iter_mut().for_each(|link| link.anon_vma = shift(link.anon_vma));
    }
    for anon_vma in &mut other.anon_vmas {
        (anon_vma.id, anon_vma.root, anon_vma.parent) =
            (shift(anon_vma.id), shift(anon_vma.root), shift(anon_vma.parent));
    }
    other.anon_vmas.sort_by_key(|anon_vma| anon_vma.id);
    assert_eq!(dump::Dump::new("6.12", "rust", &other, [3, 6, 4], &processes), dump);
    assert!(dump.text().contains("p1\n  0x20..0x28  anon_vma 2  chain [2]\n"), "{}", dump.text());
}
