//! Broken rules, warnings and stale references: what a wrong driver or kernel would show.

use super::world::*;
use crate::{EFAULT, Port};
use rmap_seam::{AnonVmaId, Call, Event, EventKind, MmId, Rmap, Rule, Side, VmaAttributes, VmaId, VmaOperation};

fn rules(port: &Port) -> Vec<(u8, u32)> {
    let rule = |event: &&Event| event.kind() == Some(EventKind::Rule);
    port.events().iter().filter(rule).map(|event| (event.arg, event.object)).collect()
}

#[test]
fn an_unknown_or_freed_vma_is_caught() {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    world.call(Call::VmAreaFree { vma });
    let reborn = world.map(0, range(16, 24));
    for stale in [vma, VmaId(99)] {
        for call in [
            Call::UnlinkAnonVmas { vma: stale },
            Call::AnonVmaFork { vma: reborn, pvma: stale },
            Call::AnonVmaPrepare { vma: reborn, prev: Some(stale), next: None },
            Call::VmAreaDup { orig: stale, mm: MmId(0), range: range(1, 2) },
            Call::VmAreaFree { vma: stale },
        ] {
            assert_eq!(world.port.call(call), -EFAULT, "{call:?}");
            assert_eq!(rules(&world.port), [(Rule::UseAfterFree as u8, stale.0)], "{call:?}");
            assert_eq!(world.port.events().len(), 1, "{call:?}");
        }
    }
}

#[test]
fn a_vma_freed_while_linked_is_caught_when_its_tree_changes() {
    let mut world = PortWorld::new(V6_12);
    let vmas = world.fork_chain(1);
    world.call(Call::VmAreaFree { vma: vmas[1] });
    // Another VMA takes the slot; it must not be taken for the old one.
    let other = world.map(2, range(16, 24));
    assert_eq!(world.port.call(Call::UnlinkAnonVmas { vma: vmas[0] }), -EFAULT);
    assert_eq!(rules(&world.port), [(Rule::UseAfterFree as u8, vmas[1].0)], "{other}");
    assert_eq!(world.port.last_warning().as_deref(), Some("use after free of #1"));
}

#[test]
fn a_clone_onto_a_linked_vma_is_caught() {
    // 7.x links every entry of the destination, also those that were linked before.
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    world.prepare(vma);
    let operation = VmaOperation::MergeUnfaulted;
    let value = world.port.call(Call::AnonVmaClone { dst: vma, src: vma, operation });
    assert_eq!(value, -EFAULT);
    let kinds: Vec<_> = world.port.events().iter().filter_map(Event::kind).collect();
    assert!(kinds.contains(&EventKind::Warn) && kinds.contains(&EventKind::Oops), "{kinds:?}");
}

#[test]
fn a_failed_clone_onto_a_linked_vma_frees_no_entry_that_is_in_a_tree() {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    world.prepare(vma);
    world.fail(1);
    let operation = VmaOperation::MergeUnfaulted;
    let value = world.port.call(Call::AnonVmaClone { dst: vma, src: vma, operation });
    assert_eq!(value, -EFAULT);
    assert_eq!(rules(&world.port), [(Rule::UseAfterFree as u8, 0)]);
}

#[test]
fn a_copy_without_an_anon_vma_warns_and_then_follows_null() {
    let mut world = PortWorld::new(V7_3);
    let src = world.map(0, range(16, 24));
    world.prepare(src);
    let dst = world.map(0, range(24, 32));
    world.call(Call::VmaMarkDetached { vma: dst });
    let value = world.port.call(Call::AnonVmaClone { dst, src, operation: VmaOperation::Split });
    assert_eq!(value, -EFAULT);
    let warned: Vec<_> = world.port.events().iter().filter(|e| e.is_violation()).map(Event::kind).collect();
    assert_eq!(warned, [Some(EventKind::Warn), Some(EventKind::Oops)]);
    assert!(world.port.last_warning().unwrap().contains("num_active_vmas"));

    // Before the operation was known the same call would look for an anon_vma to reuse.
    let mut world = PortWorld::new(V6_12);
    let src = world.map(0, range(16, 24));
    world.prepare(src);
    let dst = world.map(0, range(24, 32));
    assert_eq!(world.call(Call::AnonVmaClone { dst, src, operation: VmaOperation::Split }), 0);
    assert_eq!(world.anon_vma(dst), None);
}

#[test]
fn unlink_of_a_chain_without_an_anon_vma_warns_after_the_series_and_cleans_up_before() {
    for (revision, warns) in [(V6_12, false), (V7_3, true)] {
        let mut world = PortWorld::new(revision);
        let src = world.map(0, range(16, 24));
        world.prepare(src);
        let dst = world.map(1, range(16, 24));
        // A fork's clone links and, nothing being free to reuse, leaves anon_vma NULL.
        world.call(Call::VmaMarkDetached { vma: dst });
        world.call(Call::AnonVmaClone { dst, src, operation: VmaOperation::Fork });
        world.port.call(Call::UnlinkAnonVmas { vma: dst });
        assert_eq!(world.count(EventKind::Warn), usize::from(warns));
        assert_eq!(world.chain(dst).is_empty(), !warns);
    }
}

#[test]
fn asserts_of_the_mmap_lock_are_those_of_the_generation() {
    for (name, revision) in REAL {
        let mut world = PortWorld::new(revision);
        let vma = world.map(0, range(16, 24));
        world.port.call(Call::MmapUnlock { mm: MmId(0) });
        let broken = |port: &Port| !rules(port).is_empty();
        world.port.call(Call::AnonVmaPrepare { vma, prev: None, next: None });
        assert_eq!(broken(&world.port), revision.prepare_asserts_mmap_lock, "{name}");
        // For reading is enough for prepare and unlink, not for clone.
        world.port.call(Call::MmapReadLock { mm: MmId(0) });
        let dst = world.port.call(Call::VmAreaDup { orig: vma, mm: MmId(0), range: range(16, 24) });
        let dst = VmaId(dst as u32);
        world.port.call(Call::AnonVmaClone { dst, src: vma, operation: VmaOperation::Remap });
        assert_eq!(broken(&world.port), revision.clone_and_unlink_assert, "{name}");
        world.call(Call::UnlinkAnonVmas { vma: dst });
        world.port.call(Call::MmapUnlock { mm: MmId(0) });
        world.port.call(Call::UnlinkAnonVmas { vma });
        assert_eq!(broken(&world.port), revision.clone_and_unlink_assert, "{name}");
    }
}

#[test]
fn an_open_resize_forbids_sleep_and_a_second_lock() {
    let mut world = PortWorld::new(V6_12);
    let vma = world.map(0, range(16, 24));
    world.prepare(vma);
    world.call(Call::PreUpdateVma { vma, offset_stays: false });
    world.port.call(Call::VmAreaAlloc { mm: MmId(0), range: range(1, 2) });
    assert_eq!(rules(&world.port), [(Rule::SleepInAtomic as u8, Event::NONE)]);
    world.port.call(Call::PreUpdateVma { vma, offset_stays: false });
    assert_eq!(rules(&world.port), [(Rule::SelfDeadlock as u8, 0)]);
    assert_eq!(world.count(EventKind::Oops), 1, "it is in no tree any more");
    world.call(Call::PostUpdateVma { vma, offset_stays: false });
    assert_eq!(world.snapshot().anon_vmas[0].tree.len(), 1);
    world.port.call(Call::PostUpdateVma { vma, offset_stays: false });
    assert_eq!(rules(&world.port), [(Rule::TreeUnlocked as u8, 0)]);
}

#[test]
fn a_resize_of_an_unfaulted_vma_does_nothing() {
    let mut world = PortWorld::new(V6_1);
    let vma = world.map(0, range(16, 24));
    for call in [Call::PreUpdateVma { vma, offset_stays: false }, Call::PostUpdateVma { vma, offset_stays: false }] {
        world.call(call);
        assert_eq!(world.port.events(), []);
    }
}

#[test]
fn a_fork_counts_what_it_reuses_and_from_9_of_9_on_nothing_else() {
    // No kernel forks onto a VMA that has an anon_vma; the generations differ in what would come of it.
    for (revision, counted) in [(V6_12, 2), (V7_3, 1)] {
        let mut world = PortWorld::new(revision);
        let src = world.map(0, range(16, 24));
        world.prepare(src);
        let dst = world.call(Call::VmAreaDup { orig: src, mm: MmId(1), range: range(16, 24) });
        let dst = VmaId(dst as u32);
        world.call(Call::AnonVmaClone { dst, src, operation: VmaOperation::Fork });
        assert_eq!(world.snapshot().anon_vmas[0].num_active_vmas, counted);
    }
}

#[test]
fn each_process_has_its_own_locks() {
    let mut world = PortWorld::new(V7_3);
    let vmas = [world.map(0, range(16, 24)), world.map(1, range(16, 24)), world.map(2, range(16, 24))];
    world.port.call(Call::MmapUnlock { mm: MmId(1) });
    for (vma, mm, held) in [(vmas[0], 0, true), (vmas[1], 1, false), (vmas[2], 2, true)] {
        world.port.call(Call::UnlinkAnonVmas { vma });
        let expected = if held { vec![] } else { vec![(Rule::MmapLockNotHeld as u8, mm)] };
        assert_eq!(rules(&world.port), expected);
    }
}

#[test]
fn a_reset_forgets_what_the_last_call_did() {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    world.port.call(Call::MmapUnlock { mm: MmId(0) });
    world.port.call(Call::UnlinkAnonVmas { vma: VmaId(9) });
    assert!(world.port.last_warning().is_some());
    world.port.call(Call::PreUpdateVma { vma, offset_stays: false });
    world.port.call(Call::MmapReadLock { mm: MmId(3) });
    world.port.reset();
    assert_eq!((world.port.events(), world.port.last_warning(), world.port.live()), (&[][..], None, [0; 3]));
    // Nor is any lock held.
    let vma = world.port.call(Call::VmAreaAlloc { mm: MmId(3), range: range(16, 24) });
    world.port.call(Call::UnlinkAnonVmas { vma: VmaId(vma as u32) });
    assert_eq!(rules(&world.port), [(Rule::MmapLockNotHeld as u8, 3)]);
}

#[test]
fn a_lock_that_is_not_released_is_told_and_which_one() {
    let mut world = PortWorld::new(V7_3);
    let vmas = [world.map(0, range(16, 24)), world.map(0, range(32, 40))];
    for vma in vmas {
        world.prepare(vma);
    }
    let [first, second] = [AnonVmaId(0), AnonVmaId(1)];
    world.call(Call::AnonVmaLockWrite { anon_vma: first });
    world.call(Call::AnonVmaLockWrite { anon_vma: second });
    // Not in the order in which they were taken.
    world.port.call(Call::AnonVmaUnlockWrite { anon_vma: first });
    assert_eq!(rules(&world.port), [(Rule::LockHeldOnReturn as u8, 1)]);
    world.call(Call::AnonVmaUnlockWrite { anon_vma: second });
    world.call(Call::AnonVmaLockWrite { anon_vma: first });
    world.port.reset();
    world.port.call(Call::MmapWriteLock { mm: MmId(0) });
    let vma = world.map(0, range(16, 24));
    world.prepare(vma);
}

#[test]
fn neighbours_share_an_anon_vma_if_they_differ_in_what_is_ignored_alone() {
    let all = VmaAttributes::READ | VmaAttributes::WRITE;
    for (flags, shared) in [
        (all, true),
        (VmaAttributes::READ, true),
        (all | VmaAttributes::EXEC, true),
        (all | VmaAttributes::SOFTDIRTY, true),
        (all | VmaAttributes::GROWSDOWN, false),
        (all | VmaAttributes::DONTCOPY, false),
        // No flag of any kernel.
        (all | 1 << 40, true),
    ] {
        let mut world = PortWorld::new(V7_3);
        let (prev, vma) = (world.map(0, range(16, 24)), world.map(0, range(24, 32)));
        world.prepare(prev);
        let attributes = VmaAttributes { flags, ..VmaAttributes::anonymous(range(24, 32)) };
        world.call(Call::VmaSetAttributes { vma, attributes });
        world.call(Call::AnonVmaPrepare { vma, prev: Some(prev), next: None });
        assert_eq!(world.anon_vma(vma) == Some(0), shared, "{flags:#x}");
    }
}
