//! What the side tells of its state.

use super::world::*;
use rmap_seam::{AnonVmaId, Call, Rmap, Side, Snapshot, VmaId, VmaRange, stream};

/// The records of a touched stream: VMA serials, and anon_vma serials with the word that begins
/// their tree.
fn records(words: &[u64]) -> (Vec<u64>, Vec<(u64, u64)>) {
    let (mut vmas, mut anon_vmas) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < words.len() {
        if words[at] == stream::VMA {
            vmas.push(words[at + 1]);
            at += 11 + 3 * words[at + 10] as usize;
            continue;
        }
        assert_eq!(words[at], stream::ANON_VMA);
        anon_vmas.push((words[at + 1], words[at + 8]));
        at = match words[at + 8] {
            stream::TREE => at + 10 + 2 * words[at + 9] as usize,
            _ => {
                assert_eq!(words[at + 8], stream::PATHS);
                let paths = words[at + 10];
                let mut at = at + 11;
                for _ in 0..paths {
                    at += 1 + 5 * words[at] as usize;
                }
                at
            }
        };
    }
    assert_eq!(at, words.len());
    (vmas, anon_vmas)
}

fn touched(world: &mut PortWorld) -> (Vec<u64>, Vec<(u64, u64)>) {
    let (mut words, mut again) = (Vec::new(), Vec::new());
    world.port.touched(&mut words);
    world.port.touched(&mut again);
    assert_eq!(words, again, "asking changes nothing");
    records(&words)
}

#[test]
fn a_fork_touches_what_it_was_given_and_what_it_linked() {
    let mut world = PortWorld::new(V6_12);
    let vmas = world.fork_chain(2);
    let vma = world.call(Call::VmAreaDup { orig: vmas[2], mm: rmap_seam::MmId(3), range: range(16, 24) });
    assert_eq!(touched(&mut world), (vec![2, 3], vec![]), "a copy of the VMA alone leaves every anon_vma as it was");
    world.call(Call::AnonVmaFork { vma: VmaId(vma as u32), pvma: vmas[2] });
    let (given, anon_vmas) = touched(&mut world);
    assert_eq!(given, [3, 2]);
    // Locked and linked from the oldest on, then the new one.
    assert_eq!(anon_vmas.iter().map(|a| a.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn the_dead_are_not_told() {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    world.prepare(vma);
    world.call(Call::UnlinkAnonVmas { vma });
    assert_eq!(touched(&mut world), (vec![0], vec![]));
    world.call(Call::VmAreaFree { vma });
    assert_eq!(touched(&mut world), (vec![], vec![]));
    world.port.call(Call::MmapUnlock { mm: rmap_seam::MmId(0) });
    assert_eq!(touched(&mut world), (vec![], vec![]));
}

#[test]
fn large_trees_are_told_by_their_changed_paths() {
    let mut world = PortWorld::new(V7_3);
    let root = world.map(0, range(0, 100));
    world.prepare(root);
    let mut last = root;
    for n in 1..9 {
        last = world.split(last, n * 10).expect("nothing fails");
        assert_eq!(touched(&mut world).1, [], "the last call was vma_mark_attached()");
        world.call(Call::PreUpdateVma { vma: last, offset_stays: false });
        world.call(Call::PostUpdateVma { vma: last, offset_stays: false });
        let kind = if n < 8 { stream::TREE } else { stream::PATHS };
        assert_eq!(touched(&mut world).1, [(0, kind)]);
    }
    // A node inserted is marked, and the path leads to the root.
    world.call(Call::PreUpdateVma { vma: last, offset_stays: false });
    world.call(Call::PostUpdateVma { vma: last, offset_stays: false });
    let mut words = Vec::new();
    world.port.touched(&mut words);
    // After the VMA's record and the eight words of the anon_vma: kind, nodes, paths, the first path.
    let tree = &words[11 + 3 + 8..];
    assert_eq!(tree[..3], [stream::PATHS, 9, 1]);
    assert_eq!(tree.len() as u64, 4 + 5 * tree[3], "one path");
    assert_eq!(tree[4] >> 32, u64::from(last.0));
    let root = &tree[tree.len() - 5..];
    assert_ne!(root[1] & stream::BLACK, 0, "the path ends at the root");
}

#[test]
fn neighbours_of_a_removed_node_are_marked() {
    let mut world = PortWorld::new(V6_12);
    let root = world.map(0, range(0, 110));
    world.prepare(root);
    let mut vmas = vec![root];
    for n in 1..11 {
        vmas.push(world.split(vmas[n - 1], n as u64 * 10).expect("nothing fails"));
    }
    world.call(Call::UnlinkAnonVmas { vma: vmas[4] });
    let notes = world.port.anon_vma_notes.first().expect("one root");
    let owners: Vec<u32> =
        notes.marks.as_slice().iter().map(|&at| world.port.avcs.linked(at).vma.unwrap().serial).collect();
    assert_eq!(owners, [vmas[3].0, vmas[5].0]);
}

#[test]
fn a_state_decodes_to_what_it_is() {
    let mut world = PortWorld::new(V7_2);
    let vmas = world.fork_chain(3);
    let moved = VmaRange { start: 100, end: 108, pgoff: 16 };
    world.resize(vmas[1], moved);
    let state = world.snapshot();
    assert_eq!(state.vmas.iter().map(|vma| vma.id).collect::<Vec<_>>(), vmas);
    assert_eq!(state.vma(vmas[1]).unwrap().range, moved);
    let root = state.anon_vma(AnonVmaId(0)).unwrap();
    assert_eq!((root.refcount, root.tree.len()), (4, 4));
    assert!(root.tree.iter().all(|node| node.subtree_last == 23));
    let mut words = world.state();
    words.pop();
    assert!(Snapshot::decode(&words).is_err());
}
