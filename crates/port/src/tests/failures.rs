//! Every allocation attempt fails once, at every revision.

use super::world::*;
use rmap_seam::{Call, ENOMEM, MmId, Revision, Rmap, Side, Snapshot, VmaId, VmaOperation};

/// The revisions of real kernels, and those in between.
fn revisions() -> impl Iterator<Item = Revision> {
    REAL.into_iter().map(|(_, revision)| revision).chain(SERIES)
}

/// All that lived before is as it was.
fn assert_same(before: &Snapshot, after: &Snapshot, what: &str) {
    for vma in &before.vmas {
        assert_eq!(after.vma(vma.id), Some(vma), "{what}");
    }
    // Trees may be balanced otherwise; who is in them may not differ.
    let members = |state: &Snapshot| {
        let mut all: Vec<_> = state.anon_vmas.clone();
        for anon_vma in &mut all {
            anon_vma.tree.sort_by_key(|node| node.avc);
            for node in &mut anon_vma.tree {
                (node.black, node.left, node.right, node.subtree_last) = (false, false, false, 0);
            }
            anon_vma.leftmost = None;
        }
        all
    };
    assert_eq!(members(before), members(after), "{what}");
}

/// Runs `operation` on fresh worlds, failing its 1st, 2nd, ... attempt until one succeeds with
/// none left to fail; the number of attempts. `setup` gives the VMA to work on.
fn fail_each(
    what: &str,
    revision: Revision,
    sticky: bool,
    setup: impl Fn(&mut PortWorld) -> VmaId,
    operation: impl Fn(&mut PortWorld, VmaId) -> i32,
) -> u32 {
    for attempt in 1..100 {
        let mut world = PortWorld::new(revision);
        world.fail_nothing();
        let vma = setup(&mut world);
        let before = world.snapshot();
        let live = world.port.live();
        match sticky {
            true => world.fail_from(attempt),
            false => world.fail(attempt),
        }
        let value = operation(&mut world, vma);
        let what = format!("{what} attempt {attempt} sticky {sticky} {revision:?}");
        assert!(value == -ENOMEM || value >= 0, "{what}: {value}");
        if value == -ENOMEM {
            assert_eq!(world.port.live(), live, "{what}");
            assert_same(&before, &world.snapshot(), &what);
            world.fail_nothing();
            assert!(operation(&mut world, vma) >= 0, "{what}: fails without a failure");
        } else {
            assert!(!sticky || u32::from(attempt) > world.port.attempts(), "{what}: succeeded");
        }
        let done = world.port.attempts() < u32::from(attempt);
        for vma in world.snapshot().vmas {
            world.unmap(vma.id);
        }
        assert_eq!(world.port.live(), [0, 0, 0], "{what}: leak");
        if done {
            return u32::from(attempt) - 1;
        }
    }
    panic!("{what}: no end of attempts");
}

fn fork(world: &mut PortWorld, pvma: VmaId) -> i32 {
    let vma = world.call(Call::VmAreaDup { orig: pvma, mm: MmId(15), range: range(16, 24) });
    let Ok(vma) = u32::try_from(vma).map(VmaId) else {
        return vma;
    };
    let value = world.call(Call::AnonVmaFork { vma, pvma });
    if value < 0 {
        let state = world.snapshot();
        let vma = state.vma(vma).unwrap();
        assert!(vma.chain.is_empty());
        let kept = world.port.revision.chains_preallocated && !world.port.revision.cleanup_clears_anon_vma;
        assert!(vma.anon_vma.is_none() || kept);
        world.call(Call::VmAreaFree { vma: vma.id });
    }
    value
}

#[test]
fn a_failed_fork_of_any_chain_leaks_nothing_and_changes_nothing() {
    for revision in revisions() {
        for entries in 1..=5u8 {
            let setup = |world: &mut PortWorld| world.fork_chain(entries - 1)[usize::from(entries) - 1];
            for sticky in [false, true] {
                let attempts = fail_each("fork", revision, sticky, setup, fork);
                // vm_area_struct, anon_vma, avc, and an avc for each entry.
                let expected = 3 + u32::from(entries);
                assert_eq!(attempts, expected, "{revision:?} {entries} entries sticky {sticky}");
            }
        }
    }
}

#[test]
fn a_failed_fork_that_would_reuse_gives_the_anon_vma_back() {
    for revision in revisions() {
        let setup = |world: &mut PortWorld| {
            let vmas = world.fork_chain(4);
            for &vma in &vmas[1..4] {
                world.unmap(vma);
            }
            vmas[4]
        };
        for sticky in [false, true] {
            fail_each("reusing fork", revision, sticky, setup, fork);
        }
    }
}

#[test]
fn a_failed_split_leaks_nothing_and_changes_nothing() {
    for revision in revisions() {
        for entries in 1..=5u8 {
            let setup = |world: &mut PortWorld| world.fork_chain(entries - 1)[usize::from(entries) - 1];
            let split = |world: &mut PortWorld, vma: VmaId| {
                let new = world.call(Call::VmAreaDup { orig: vma, mm: MmId(entries - 1), range: range(20, 24) });
                let Ok(dst) = u32::try_from(new).map(VmaId) else {
                    return new;
                };
                let value = world.call(Call::AnonVmaClone { dst, src: vma, operation: VmaOperation::Split });
                if value < 0 {
                    world.call(Call::VmAreaFree { vma: dst });
                }
                value
            };
            for sticky in [false, true] {
                fail_each("split", revision, sticky, setup, split);
            }
        }
    }
}

#[test]
fn a_failed_prepare_leaks_nothing() {
    for revision in revisions() {
        for sticky in [false, true] {
            let setup = |world: &mut PortWorld| world.map(0, range(16, 24));
            let attempts = fail_each("prepare", revision, sticky, setup, |world, vma| world.prepare(vma));
            assert_eq!(attempts, 2);
        }
    }
}

#[test]
fn the_seed_patch_fails_a_fork_that_reuse_would_have_saved() {
    // One attempt of the vm_area_struct, then the first of anon_vma_fork() that must not fail.
    let outcome = |revision| {
        let mut world = PortWorld::new(revision);
        let vmas = world.fork_chain(2);
        world.unmap(vmas[1]);
        let vma = world.call(Call::VmAreaDup { orig: vmas[2], mm: MmId(9), range: range(16, 24) });
        world.fail(1);
        world.call(Call::AnonVmaFork { vma: VmaId(vma as u32), pvma: vmas[2] })
    };
    assert_eq!(outcome(V6_12), 0);
    assert_eq!(outcome(FORK_PREALLOCATES), -ENOMEM);
}

#[test]
fn the_seed_patch_never_hands_a_partial_vma_of_fork_to_unlink() {
    use rmap_seam::{EventKind, Function};
    for (revision, partial) in [(V6_12, true), (FORK_PREALLOCATES, false)] {
        let mut seen = false;
        for attempt in 1..10 {
            let mut world = PortWorld::new(revision);
            let vmas = world.fork_chain(1);
            let vma = world.call(Call::VmAreaDup { orig: vmas[1], mm: MmId(9), range: range(16, 24) });
            // The GFP_NOWAIT attempts of the clone succeed on retry.
            world.fail(attempt);
            world.call(Call::AnonVmaFork { vma: VmaId(vma as u32), pvma: vmas[1] });
            seen |= world
                .port
                .events()
                .iter()
                .any(|e| e.kind() == Some(EventKind::Enter) && e.arg == Function::Unlink as u8);
        }
        assert_eq!(seen, partial);
    }
}
