//! I1 to I8: one planted fault after another, and both layers of the oracle must see each.

use super::world::{build, encode, family};
use crate::check::Invariant::{self, Growth, I1, I2, I3, I4, I5, I6, I7, I8};
use crate::check::oracle::{Broken, ChainOrder, Oracle, Rules, full, full_with_pins};
use crate::rmap::{AnonVmaId, AvcId, Call, ChainLink, MmId, Snapshot, VmaId};

/// A call that promises nothing, to hand a state to the oracle with.
const ANY: Call = Call::MmapUnlock { mm: MmId(0) };

type Fault = (Invariant, &'static str, fn(&mut Snapshot));

/// Faults in [`family`].
const FAULTS: &[Fault] = &[
    (I1, "chain without anon_vma", |s| {
        s.vmas[5].anon_vma = None;
        s.anon_vmas[3].num_active_vmas = 0;
    }),
    (I1, "anon_vma without chain", |s| s.vmas[6].anon_vma = Some(AnonVmaId(3))),
    (I1, "anon_vma not on the chain", |s| s.vmas[5].anon_vma = Some(AnonVmaId(0))),
    (I1, "root not on the chain", |s| {
        s.vmas[4].chain.pop();
    }),
    (I2, "avc->vma", |s| s.vmas[2].chain[0].vma = VmaId(3)),
    (I2, "anon_vma twice on a chain", |s| {
        s.vmas[5].chain.push(ChainLink { avc: AvcId(77), anon_vma: AnonVmaId(3), vma: VmaId(5) });
    }),
    (I2, "chain names a dead anon_vma", |s| s.vmas[4].chain[1].anon_vma = AnonVmaId(99)),
    (I3, "several roots on a chain", |s| {
        s.vmas[5].chain.push(ChainLink { avc: AvcId(77), anon_vma: AnonVmaId(0), vma: VmaId(5) });
    }),
    (I3, "root and parent", |s| s.anon_vmas[2].parent = AnonVmaId(2)),
    (I3, "root of the parent", |s| s.anon_vmas[2].parent = AnonVmaId(3)),
    (I3, "dead root or parent", |s| s.anon_vmas[2].parent = AnonVmaId(99)),
    (I4, "not attached to the parent", |s| {
        s.vmas[4].chain.remove(1);
    }),
    (I4, "tree size", |s| {
        let tree = &mut s.anon_vmas[1].tree;
        assert!(tree.pop().is_some() && tree.len() == 2);
        tree[0].right = false;
    }),
    (I4, "tree holds an unattached VMA", |s| s.anon_vmas[3].tree[0].vma = VmaId(6)),
    (I4, "live without a VMA", |s| {
        s.vmas[5].chain.clear();
        s.vmas[5].anon_vma = None;
        s.anon_vmas[3].num_active_vmas = 0;
        s.anon_vmas[3].tree.clear();
        s.anon_vmas[3].leftmost = None;
    }),
    (I5, "num_active_vmas", |s| s.anon_vmas[1].num_active_vmas += 1),
    (I5, "num_children", |s| s.anon_vmas[0].num_children -= 1),
    (I6, "refcount", |s| s.anon_vmas[0].refcount += 1),
    (I6, "refcount", |s| s.anon_vmas[2].refcount = 0),
    (I7, "same anon_vma, different chains", |s| {
        s.vmas[5].anon_vma = Some(AnonVmaId(0));
        s.vmas[5].chain.push(ChainLink { avc: AvcId(77), anon_vma: AnonVmaId(0), vma: VmaId(5) });
        s.vmas[5].chain.remove(0);
        s.vmas[5].chain.push(ChainLink { avc: AvcId(78), anon_vma: AnonVmaId(1), vma: VmaId(5) });
    }),
    (I8, "red root", |s| s.anon_vmas[3].tree[0].black = false),
    (I8, "red node under a red node", |s| {
        s.anon_vmas[0].tree[1].black = false;
    }),
    (I8, "black height", |s| s.anon_vmas[1].tree[1].black = true),
    (I8, "tree order", |s| {
        let tree = &mut s.anon_vmas[1].tree;
        let (a, b) = (tree[1], tree[2]);
        (tree[1].avc, tree[1].vma, tree[1].subtree_last) = (b.avc, b.vma, b.subtree_last);
        (tree[2].avc, tree[2].vma, tree[2].subtree_last) = (a.avc, a.vma, a.subtree_last);
        s.anon_vmas[1].leftmost = Some(b.avc);
    }),
    (I8, "rb_subtree_last", |s| s.anon_vmas[0].tree[0].subtree_last += 1),
    (I8, "rb_leftmost", |s| s.anon_vmas[1].leftmost = None),
    (I8, "tree shape", |s| s.anon_vmas[3].tree[0].right = true),
    // The range changed, the tree was not told again.
    (I8, "rb_subtree_last", |s| s.vmas[5].range.end += 1),
];

fn feed(oracle: &mut Oracle, snapshot: &Snapshot) -> Result<(), Broken> {
    oracle.begin_operation();
    oracle.observe(ANY, 0, &[], &encode(snapshot))?;
    oracle.end_operation()
}

fn assert_broken(result: Result<(), Broken>, invariant: Invariant, what: &str) {
    let Err(Broken::Violations(violations)) = result else {
        panic!("{invariant} {what}: {result:?}");
    };
    assert!(
        violations.iter().any(|v| v.invariant == invariant && v.what == what),
        "{invariant} {what} is not among {violations:#?}"
    );
}

#[test]
fn a_good_state_passes_both_layers() {
    assert_eq!(full(&family(), Rules::default()), []);
    assert_eq!(feed(&mut Oracle::new(), &family()), Ok(()));
    assert_eq!(full(&Snapshot::default(), Rules::default()), []);
}

#[test]
fn full_sees_each_planted_fault() {
    for &(invariant, what, plant) in FAULTS {
        let mut state = family();
        plant(&mut state);
        assert_broken(Err(Broken::Violations(full(&state, Rules::default()))), invariant, what);
    }
}

#[test]
fn oracle_sees_each_planted_fault_as_a_change() {
    for &(invariant, what, plant) in FAULTS {
        let (mut state, mut oracle) = (family(), Oracle::new());
        assert_eq!(feed(&mut oracle, &state), Ok(()));
        plant(&mut state);
        assert_broken(feed(&mut oracle, &state), invariant, what);
    }
}

#[test]
fn oracle_sees_each_planted_fault_from_the_start() {
    for &(invariant, what, plant) in FAULTS {
        let mut state = family();
        plant(&mut state);
        assert_broken(feed(&mut Oracle::new(), &state), invariant, what);
    }
}

#[test]
fn oracle_is_empty_after_a_reset() {
    let mut oracle = Oracle::new();
    assert_eq!(feed(&mut oracle, &family()), Ok(()));
    oracle.reset();
    assert_eq!(oracle.end_of_world([0; 3]), Ok(()));
    assert_eq!(feed(&mut oracle, &family()), Ok(()));
}

#[test]
fn full_sees_an_entry_that_is_in_no_tree() {
    let mut state = family();
    state.vmas[5].chain[0].avc = AvcId(77);
    assert_broken(Err(Broken::Violations(full(&state, Rules::default()))), I2, "avc not in its tree");
}

#[test]
fn equal_sets_in_another_order_are_equal() {
    let mut state = family();
    state.vmas[3].chain.reverse();
    assert_eq!(full(&state, Rules::default()), []);
    assert_eq!(feed(&mut Oracle::new(), &state), Ok(()));
}

#[test]
fn a_changed_chain_is_compared_with_every_vma_of_its_anon_vma() {
    // Three VMAs of one anon_vma; two of them change alike, and away from the third.
    let before = build(
        &[
            (0, 0, 1, 2, Some(0), &[0]),
            (1, 1, 1, 2, Some(1), &[1, 0]),
            (2, 1, 2, 3, Some(1), &[1, 0]),
            (3, 1, 3, 4, Some(1), &[1, 0]),
            (4, 2, 1, 2, Some(2), &[2, 0]),
        ],
        &[[0, 0, 0], [1, 0, 0], [2, 0, 0]],
    );
    for odd in 1..=3 {
        let chain: [&[u32]; 2] = [&[1, 0, 2], &[1, 0]];
        let of = |vma: u32| chain[usize::from(vma == odd)];
        let after = build(
            &[
                (0, 0, 1, 2, Some(0), &[0]),
                (1, 1, 1, 2, Some(1), of(1)),
                (2, 1, 2, 3, Some(1), of(2)),
                (3, 1, 3, 4, Some(1), of(3)),
                (4, 2, 1, 2, Some(2), &[2, 0]),
            ],
            &[[0, 0, 0], [1, 0, 0], [2, 0, 0]],
        );
        let mut oracle = Oracle::new();
        assert_eq!(feed(&mut oracle, &before), Ok(()));
        assert_broken(feed(&mut oracle, &after), I7, "same anon_vma, different chains");
        assert_broken(Err(Broken::Violations(full(&after, Rules::default()))), I7, "same anon_vma, different chains");
    }
}

#[test]
fn where_a_clone_keeps_the_order_another_order_breaks_i7() {
    let of = |order: ChainOrder, links: [&[u32]; 2]| {
        let state = build(
            &[(0, 0, 1, 2, Some(0), &[0]), (1, 1, 1, 2, Some(1), links[0]), (2, 1, 2, 3, Some(1), links[1])],
            &[[0, 0, 0], [1, 0, 0]],
        );
        let revision = crate::rmap::Revision::of_generation(if order == ChainOrder::Kept { "6.12" } else { "7.3" });
        let mut oracle = Oracle::of(revision.unwrap());
        (full(&state, Rules { order, ..Rules::default() }), feed(&mut oracle, &state))
    };
    for order in [ChainOrder::Kept, ChainOrder::Any] {
        assert_eq!(of(order, [&[1, 0], &[1, 0]]), (vec![], Ok(())));
    }
    assert_eq!(of(ChainOrder::Any, [&[1, 0], &[0, 1]]), (vec![], Ok(())));
    let (violations, fed) = of(ChainOrder::Kept, [&[1, 0], &[0, 1]]);
    assert_broken(Err(Broken::Violations(violations)), I7, "same anon_vma, other order");
    assert_broken(fed, I7, "same anon_vma, other order");
}

#[test]
fn every_invariant_has_its_words() {
    for invariant in Invariant::ALL {
        assert!(!invariant.title().is_empty() && invariant.text().ends_with('.'));
    }
    assert_eq!(Invariant::ALL.len(), 15);
}

#[test]
fn a_chain_longer_than_a_family_needs_is_growth() {
    let line = |n: u32| -> (Vec<[u32; 3]>, Vec<u32>) {
        ((0..n).map(|id| [id, 0, id.saturating_sub(1)]).collect(), (0..n).collect())
    };
    let broken = |n: u32| {
        let (anon_vmas, chain) = line(n);
        feed(&mut Oracle::new(), &build(&[(0, 0, 0x10, 0x18, Some(n - 1), &chain)], &anon_vmas))
    };
    assert_broken(broken(5), Growth, "chain without end");
    assert!(broken(4).is_ok());
}

#[test]
fn a_reference_from_outside_keeps_an_anon_vma_without_vmas_and_counts() {
    let mut state = build(&[], &[[0, 0, 0], [1, 0, 0]]);
    // Its child has left it, and so has it itself; the child holds it, and somebody holds the child.
    (state.anon_vmas[0].num_children, state.anon_vmas[0].refcount) = (0, 1);
    assert_eq!(full_with_pins(&state, Rules::default(), &[(AnonVmaId(1), 1)]), []);
    assert_broken(Err(Broken::Violations(full(&state, Rules::default()))), I4, "live without a VMA");
    state.anon_vmas[1].refcount = 2;
    let pinned_once = full_with_pins(&state, Rules::default(), &[(AnonVmaId(1), 1)]);
    assert_broken(Err(Broken::Violations(pinned_once)), I6, "refcount");
}
