//! Signatures and phases are what lists of known findings and readers of the JSON go by: each, word by word.

use crate::check::{Difference, Divergence, Finding, FindingKind, Phase};
use crate::rmap::{Cache, Call, Event, EventKind, FolioId, Function, Gfp, Rule, WalkMode};

/// The signature of two sides of which only the first did something.
fn events_differ(event: Event) -> String {
    let divergence = Divergence {
        what: Difference::Events,
        returned: [0, 0],
        events: [vec![event], Vec::new()],
        first_event: Some(0),
        fields: Vec::new(),
        task: None,
        warnings: [None, None],
    };
    let finding = Finding {
        operation: 1,
        teardown: false,
        phase: Phase::Call,
        call: Some(Call::FolioFree { folio: FolioId(0) }),
        calls: Vec::new(),
        schedule: Vec::new(),
        kind: FindingKind::Divergence(divergence),
    };
    finding.signature()
}

#[test]
fn an_event_is_named_without_its_objects() {
    let cases = [
        (EventKind::Alloc, Cache::Avc as u8, Gfp::KERNEL, 7, "alloc anon_vma_chain GFP_KERNEL"),
        (EventKind::Alloc, Cache::Vma as u8, Gfp::KSWAPD_RECLAIM, Event::NONE, "alloc vm_area_struct GFP_NOWAIT fails"),
        (EventKind::Free, Cache::AnonVma as u8, 0, 7, "free anon_vma"),
        (EventKind::DownWrite, 0, 0, 7, "down_write"),
        (EventKind::Trylock, 0, 0, 7, "trylock read busy"),
        (EventKind::Trylock, 0, 1, 7, "trylock read taken"),
        (EventKind::Trylock, 1, 0, 7, "trylock write busy"),
        (EventKind::Trylock, 1, 1, 7, "trylock write taken"),
        (EventKind::Put, 0, 0, 7, "put"),
        (EventKind::Put, 0, 1, 7, "put to zero"),
        (EventKind::Enter, Function::Clone as u8, 0, 7, "enter anon_vma_clone"),
        (EventKind::Enter, Function::Clone as u8, Event::HAS_ANON_VMA, 7, "enter anon_vma_clone anon_vma"),
        (EventKind::Enter, Function::Unlink as u8, Event::HAS_CHAIN, 7, "enter unlink_anon_vmas chain"),
        (EventKind::Exit, Function::Prepare as u8, 0, 7, "exit __anon_vma_prepare 0"),
        (EventKind::Exit, Function::Prepare as u8, 12, 7, "exit __anon_vma_prepare -ENOMEM"),
        (EventKind::Rule, Rule::DoubleFree as u8, 0, 7, "rule double free"),
        (EventKind::Visit, 0, 0, 7, "visit"),
    ];
    for (kind, arg, flags, object, name) in cases {
        let event = Event::new(kind, arg, flags, object, 3);
        assert_eq!(events_differ(event), format!("differ folio_free events: {name} vs nothing"));
    }
    let unknown = Event { kind: 99, ..Event::new(EventKind::Get, 0, 0, 0, 0) };
    assert_eq!(events_differ(unknown), "differ folio_free events: unknown event vs nothing");
}

#[test]
fn a_phase_has_its_words() {
    let words = [Phase::Call, Phase::EndOfOperation, Phase::WholeState, Phase::LastExit].map(Phase::name);
    assert_eq!(
        words,
        ["after the call", "at the end of the operation", "when the whole state was looked at", "after the last exit"]
    );
}

#[test]
fn a_call_on_a_folio_tells_whether_it_is_mapped() {
    let folio = FolioId(3);
    let text = |call: Call| call.to_string();
    let [mapped, unmapped] =
        [true, false].map(|mapped| text(Call::RmapWalkAnon { folio, mapped, mode: WalkMode::TryLock }));
    assert_eq!(mapped, "rmap_walk_anon(folio3, trylock)");
    assert_eq!(unmapped, "rmap_walk_anon(folio3, unmapped, trylock)");
    assert_eq!(text(Call::FolioGetAnonVma { folio, mapped: true }), "folio_get_anon_vma(folio3)");
}
