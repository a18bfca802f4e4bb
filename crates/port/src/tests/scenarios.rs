//! Prepare, clone, fork and unlink where nothing fails.

use super::world::*;
use rmap_seam::{AnonVmaId, Call, EventKind, Revision, Rmap, Side, VmaId, VmaOperation, stream};

#[test]
fn prepare_makes_a_root_once() {
    for (name, revision) in REAL {
        let mut world = PortWorld::new(revision);
        let vma = world.map(0, range(16, 24));
        assert_eq!(world.prepare(vma), 0);
        assert_eq!(world.count(EventKind::Alloc), 2, "{name}");
        assert_eq!(world.prepare(vma), 0);
        assert_eq!(world.port.events(), [], "{name}");
        let state = world.snapshot();
        let root = &state.anon_vmas[0];
        assert_eq!((root.root, root.parent), (root.id, root.id));
        assert_eq!((root.refcount, root.num_children, root.num_active_vmas), (1, 1, 1));
        world.unmap(vma);
        assert_eq!(world.port.live(), [0, 0, 0], "{name}");
    }
}

#[test]
fn unlink_leaves_the_pointer_of_the_vma_where_the_kernel_does_not_clear_it() {
    let mut left = Vec::new();
    for (name, revision) in REAL {
        let mut world = PortWorld::new(revision);
        let vma = world.map(0, range(16, 24));
        world.prepare(vma);
        world.call(Call::UnlinkAnonVmas { vma });
        left.extend(world.anon_vma(vma).map(|_| name));
        assert_eq!((world.chain(vma), world.port.live()), (vec![], [1, 0, 0]), "{name}");
    }
    assert_eq!(left, ["5.10"]);
}

#[test]
fn prepare_shares_the_anon_vma_of_a_compatible_neighbour_next_first() {
    let mut world = PortWorld::new(V7_3);
    let low = world.map(0, range(10, 20));
    let middle = world.map(0, range(20, 30));
    let high = world.map(0, range(30, 40));
    world.prepare(low);
    world.prepare(high);
    world.call(Call::AnonVmaPrepare { vma: middle, prev: Some(low), next: Some(high) });
    assert_eq!(world.anon_vma(middle), world.anon_vma(high));

    // Only below, and not touching, and touching at another page offset.
    let above = world.map(0, range(40, 50));
    world.call(Call::AnonVmaPrepare { vma: above, prev: Some(high), next: None });
    assert_eq!(world.anon_vma(above), world.anon_vma(high));
    let far = world.map(0, range(60, 70));
    world.call(Call::AnonVmaPrepare { vma: far, prev: Some(above), next: None });
    assert_eq!(world.anon_vma(far), Some(2));
    let moved = world.map(0, rmap_seam::VmaRange { start: 70, end: 80, pgoff: 7 });
    world.call(Call::AnonVmaPrepare { vma: moved, prev: Some(far), next: None });
    assert_eq!(world.anon_vma(moved), Some(3));
}

#[test]
fn prepare_does_not_share_with_a_neighbour_of_several_entries() {
    let mut world = PortWorld::new(V6_12);
    let vmas = world.fork_chain(1);
    let beside = world.map(1, range(24, 30));
    world.call(Call::AnonVmaPrepare { vma: beside, prev: Some(vmas[1]), next: None });
    assert_eq!(world.anon_vma(beside), Some(2));
}

#[test]
fn a_clone_keeps_the_chain_order_before_the_series_and_reverses_it_after() {
    for (name, revision) in REAL {
        let mut world = PortWorld::new(revision);
        let vmas = world.fork_chain(4);
        let (p3, p4) = match revision.chains_preallocated {
            false => ([3, 2, 1, 0].as_slice(), [4, 3, 2, 1, 0].as_slice()),
            true => ([3, 1, 0, 2].as_slice(), [4, 2, 0, 1, 3].as_slice()),
        };
        assert_eq!(world.chain(vmas[3]), p3, "{name}");
        assert_eq!(world.chain(vmas[4]), p4, "{name}");
    }
}

#[test]
fn forks_of_p4_reuse_in_the_order_of_the_chain() {
    for (name, revision) in REAL {
        let mut world = PortWorld::new(revision);
        let vmas = world.fork_chain(4);
        for &vma in &vmas[1..4] {
            world.unmap(vma);
        }
        let mut reused = Vec::new();
        for mm in 5..8 {
            let vma = world.fork(vmas[4], mm).expect("nothing fails");
            reused.extend(world.anon_vma(vma));
        }
        let expected = if revision.chains_preallocated { [2, 1, 3] } else { [1, 2, 3] };
        assert_eq!(reused, expected, "{name}");
        let vma = world.fork(vmas[4], 8).expect("nothing fails");
        assert!(world.anon_vma(vma) > Some(4), "{name}: nothing is left to reuse");
    }
}

#[test]
fn a_preallocating_fork_frees_what_it_did_not_need() {
    for (name, revision) in REAL {
        let mut world = PortWorld::new(revision);
        let vmas = world.fork_chain(2);
        world.unmap(vmas[1]);
        let before = world.port.live();
        world.fork(vmas[2], 5).expect("nothing fails");
        let after = world.port.live();
        assert_eq!((after[1], after[2]), (before[1], before[2] + 3), "{name}");
    }
}

#[test]
fn a_fork_makes_the_attempts_that_its_generation_makes() {
    for (name, revision) in REAL {
        let mut world = PortWorld::new(revision);
        let vmas = world.fork_chain(2);
        let vma =
            VmaId(world.call(Call::VmAreaDup { orig: vmas[2], mm: rmap_seam::MmId(3), range: range(16, 24) }) as u32);
        world.fail_nothing();
        world.call(Call::AnonVmaFork { vma, pvma: vmas[2] });
        assert_eq!(world.port.attempts(), 5, "{name}");
        let tried: Vec<String> = world
            .port
            .events()
            .iter()
            .filter(|event| event.kind() == Some(EventKind::Alloc))
            .map(|event| event.to_string())
            .collect();
        let nowait = |n| format!("alloc anon_vma_chain GFP_NOWAIT|__GFP_NOWARN #{n}");
        let kernel = |n| format!("alloc anon_vma_chain GFP_KERNEL #{n}");
        let own = "alloc anon_vma GFP_KERNEL #3".to_string();
        let expected = match (revision.fork_preallocates, revision.chains_preallocated) {
            (false, _) => [6, 7, 8].map(nowait).into_iter().chain([own, kernel(9)]).collect::<Vec<_>>(),
            (true, false) => [own, kernel(6)].into_iter().chain([7, 8, 9].map(nowait)).collect(),
            (true, true) => [own, kernel(6)].into_iter().chain([7, 8, 9].map(kernel)).collect(),
        };
        assert_eq!(tried, expected, "{name}");
    }
}

#[test]
fn a_root_outlives_its_vmas_while_descendants_pin_it() {
    for (name, revision) in REAL {
        let mut world = PortWorld::new(revision);
        let vmas = world.fork_chain(1);
        world.unmap(vmas[0]);
        assert_eq!(world.port.live(), [1, 2, 2], "{name}");
        world.unmap(vmas[1]);
        assert_eq!(world.port.live(), [0, 0, 0], "{name}");
    }
}

#[test]
fn a_copy_counts_as_an_active_vma_and_leaves_again() {
    for (name, revision) in REAL {
        let mut world = PortWorld::new(revision);
        let vmas = world.fork_chain(2);
        let upper = world.split(vmas[2], 20).expect("nothing fails");
        assert_eq!(world.anon_vma(upper), world.anon_vma(vmas[2]), "{name}");
        assert_eq!(world.snapshot().anon_vmas[2].num_active_vmas, 2, "{name}");
        world.unmap(upper);
        assert_eq!(world.snapshot().anon_vmas[2].num_active_vmas, 1, "{name}");
    }
}

#[test]
fn an_unfaulted_vma_takes_over_the_links_of_its_neighbour() {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(10, 20));
    let target = world.map(0, range(20, 30));
    world.prepare(vma);
    // dup_anon_vma() sets it before the clone.
    let copy = VmaId(world.call(Call::VmAreaDup { orig: vma, mm: rmap_seam::MmId(0), range: range(20, 30) }) as u32);
    world.call(Call::VmaMarkAttached { vma: copy });
    let operation = VmaOperation::MergeUnfaulted;
    assert_eq!(world.call(Call::AnonVmaClone { dst: copy, src: vma, operation }), 0);
    assert_eq!(world.anon_vma(copy), Some(0));
    assert_eq!(world.anon_vma(target), None);
}

#[test]
fn random_families_of_processes_leave_nothing_behind() {
    for revision in REAL.map(|(_, revision)| revision).into_iter().chain(SERIES) {
        for seed in 1..20 {
            let mut random = Random(seed);
            let mut world = PortWorld::new(revision);
            let mut vmas = vec![world.map(0, range(16, 80))];
            for _ in 0..200 {
                let vma = vmas[random.below(vmas.len() as u64) as usize];
                let at = world.snapshot().vma(vma).unwrap().range;
                match random.below(6) {
                    0 | 1 => assert_eq!(world.prepare(vma), 0),
                    2 | 3 if vmas.len() < 24 => vmas.extend(world.fork(vma, random.below(16) as u8)),
                    4 if at.end - at.start > 1 => {
                        let at = at.start + 1 + random.below(at.end - at.start - 1);
                        vmas.extend(world.split(vma, at));
                    }
                    _ if vmas.len() > 1 => {
                        vmas.retain(|&other| other != vma);
                        world.unmap(vma);
                    }
                    _ => {}
                }
            }
            for vma in vmas {
                world.unmap(vma);
            }
            assert_eq!(world.port.live(), [0, 0, 0], "{revision:?} seed {seed}");
        }
    }
}

#[test]
fn a_reset_world_behaves_as_a_new_one() {
    let mut used = PortWorld::new(V7_2);
    used.fork_chain(4);
    used.fail(1);
    rmap_seam::Side::reset(&mut used.port);
    for mm in 0..16 {
        used.call(Call::MmapWriteLock { mm: rmap_seam::MmId(mm) });
    }
    let mut new = PortWorld::new(V7_2);
    for world in [&mut used, &mut new] {
        let vmas = world.fork_chain(4);
        world.unmap(vmas[2]);
    }
    assert_eq!(used.state(), new.state());
}

/// CVE-2022-42703: p1 is gone and p3 reuses its anon_vma. That of p2 has no child, and one counter of 1.
#[test]
fn one_counter_lets_an_anon_vma_be_reused_that_a_vma_has() {
    for counts_apart in [true, false] {
        let mut world = PortWorld::new(Revision { counts_apart, ..V6_1 });
        let vmas = world.fork_chain(2);
        let [first, second] = [vmas[1], vmas[2]].map(|vma| world.anon_vma(vma));
        world.unmap(vmas[1]);
        let third = world.fork(vmas[2], 3).unwrap();
        assert_eq!(world.anon_vma(third), first);
        let fourth = world.fork(third, 4).unwrap();
        assert_eq!(world.anon_vma(fourth) == second, !counts_apart);
        let told = world.snapshot().anon_vma(AnonVmaId(second.unwrap())).unwrap().num_active_vmas;
        assert_eq!(told, if counts_apart { 1 } else { stream::ONE_COUNTER });
    }
}
