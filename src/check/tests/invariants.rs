//! I1 to I8: one planted fault after another, and both layers of the oracle must see each.

use super::world::{build, encode, family};
use crate::check::Invariant::{self, Growth, I1, I2, I3, I4, I5, I6, I7, I8};
use crate::check::oracle::{Broken, ChainOrder, Oracle, Rules, full, full_with_pins};
use crate::rmap::{AnonVmaId, AvcId, Cache, Call, ChainLink, Event, EventKind, FolioId, MmId, Snapshot, VmaId};

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
    // An entry of the right VMA, but of another tree; and one of this tree, but another.
    (I4, "tree holds an unattached VMA", |s| s.anon_vmas[1].tree[1].avc = s.vmas[2].chain[1].avc),
    (I4, "tree holds an unattached VMA", |s| s.anon_vmas[3].tree[0].avc = AvcId(77)),
    // Another VMA is attached instead, of which the tree knows nothing.
    (I4, "tree holds an unattached VMA", |s| {
        let mut chain = std::mem::take(&mut s.vmas[5].chain);
        chain[0].vma = VmaId(6);
        (s.vmas[6].chain, s.vmas[6].anon_vma, s.vmas[5].anon_vma) = (chain, Some(AnonVmaId(3)), None);
    }),
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
    (I7, "one anon_vma in two processes", |s| s.vmas[3].mm = MmId(9)),
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
fn every_invariant_has_its_words_and_no_two_the_same_slug() {
    let mut slugs = std::collections::BTreeSet::new();
    for invariant in Invariant::ALL {
        assert!(!invariant.title().is_empty() && invariant.text().ends_with('.') && !invariant.source().is_empty());
        let plain = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(invariant.slug().chars().all(plain) && slugs.insert(invariant.slug()), "{invariant}");
    }
    assert_eq!(Invariant::ALL.len(), 21);
}

#[test]
fn the_page_of_the_invariants_has_each_row_of_the_table() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/invariants.md");
    let Ok(page) = std::fs::read_to_string(page) else { return };
    for row in Invariant::table().lines() {
        assert!(page.lines().any(|line| line == row), "docs/invariants.md wants\n{row}\nof\n{}", Invariant::table());
    }
}

#[test]
fn a_chain_longer_than_a_family_needs_is_growth() {
    let line = |n: u32| -> (Vec<[u32; 3]>, Vec<u32>) {
        ((0..n).map(|id| [id, 0, id.saturating_sub(1)]).collect(), (0..n).collect())
    };
    let broken = |n: u32| {
        let (anon_vmas, chain) = line(n);
        let vmas = [(0, 0, 0x10, 0x18, Some(n - 1), &chain[..]), (1, 0, 0x40, 0x48, None, &[])];
        [1, 2].map(|peak| feed(&mut Oracle::new(), &build(&vmas[..peak], &anon_vmas)))
    };
    for (at, most) in [(0, 4), (1, 6)] {
        assert_broken(broken(most + 1)[at].clone(), Growth, "chain without end");
        assert!(broken(most)[at].is_ok());
    }
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

#[test]
fn only_a_reference_lets_a_child_without_vmas_outlive_its_parent() {
    // Anon_vma 2 is held from outside, its parent 1 is gone, the root has a VMA.
    let state = |vmas: &[super::world::VmaSpec<'_>]| {
        let mut state = build(vmas, &[[0, 0, 0], [2, 0, 1]]);
        state.anon_vmas[0].num_children = 1;
        state
    };
    let with = |state: &Snapshot, pins: u32| full_with_pins(state, Rules::default(), &[(AnonVmaId(2), pins)]);
    let dead = |violations: Vec<crate::check::Violation>| {
        assert_broken(Err(Broken::Violations(violations)), I3, "dead root or parent");
    };
    let good = state(&[(0, 0, 0x10, 0x18, Some(0), &[0])]);
    assert_eq!(with(&good, 1), []);
    dead(with(&good, 0));
    // Not if it has VMAs, and not its root.
    dead(with(&state(&[(0, 0, 0x10, 0x18, Some(0), &[0]), (1, 1, 0x10, 0x18, Some(2), &[2, 0])]), 1));
    let mut rootless = build(&[], &[[2, 0, 2]]);
    rootless.anon_vmas[0].parent = AnonVmaId(1);
    let roots: Vec<_> = with(&rootless, 1).into_iter().filter(|v| v.detail.contains("the root")).collect();
    dead(roots);
}

#[test]
fn a_chain_fault_says_which_entry() {
    type Case = (fn(&mut Snapshot), &'static str);
    let details: &[Case] = &[
        (|s| s.vmas[2].chain[0].vma = VmaId(3), "avc2 is on the chain of vma2, but its vma is another"),
        (
            |s| s.vmas[5].chain.push(ChainLink { avc: AvcId(77), anon_vma: AnonVmaId(3), vma: VmaId(5) }),
            "anon_vma3 is on the chain of vma5 twice",
        ),
        (|s| s.vmas[4].chain[1].anon_vma = AnonVmaId(99), "avc7 of vma4 names anon_vma99, which is not live"),
        (
            |s| s.vmas[5].chain.push(ChainLink { avc: AvcId(77), anon_vma: AnonVmaId(0), vma: VmaId(5) }),
            "anon_vma0 on the chain of vma5 has another root than the first",
        ),
    ];
    for (plant, detail) in details {
        let mut state = family();
        plant(&mut state);
        let Err(Broken::Violations(violations)) = feed(&mut Oracle::new(), &state) else { panic!("{detail}") };
        assert!(violations.iter().any(|v| v.detail == *detail), "{detail} is not among {violations:#?}");
    }
    let mut state = family();
    state.vmas[3].chain.pop();
    let chains = "vma3 and vma2 both have anon_vma1, but the chains [anon_vma1] and [anon_vma0 anon_vma1]";
    assert!(full(&state, Rules::default()).iter().any(|v| v.detail == chains));
}

#[test]
fn an_anon_vma_that_is_not_live_is_named_by_whatever_names_it() {
    let dead: &[fn(&mut Snapshot)] = &[
        |s| s.anon_vmas[2].parent = AnonVmaId(99),
        |s| s.anon_vmas[2].root = AnonVmaId(99),
        |s| (s.anon_vmas[2].root, s.anon_vmas[2].parent) = (AnonVmaId(99), AnonVmaId(99)),
        |s| s.vmas[4].chain[1].anon_vma = AnonVmaId(99),
        |s| (s.vmas[4].chain[1].anon_vma, s.anon_vmas[2].parent) = (AnonVmaId(99), AnonVmaId(99)),
    ];
    for plant in dead {
        let mut state = family();
        plant(&mut state);
        assert_broken(feed(&mut Oracle::new(), &state), I2, "dead anon_vma is still named");
    }
}

#[test]
fn what_was_named_for_a_while_is_forgotten() {
    let mut oracle = Oracle::new();
    oracle.begin_operation();
    for chain in [&[99][..], &[]] {
        let state = build(&[(0, 0, 0x10, 0x18, None, chain)], &[]);
        assert_eq!(oracle.observe(ANY, 0, &[], &encode(&state)), Ok(()));
    }
    assert_eq!(oracle.end_operation(), Ok(()));
    oracle.begin_operation();
    let free = [Event::new(EventKind::Free, Cache::Vma as u8, 0, 0, 0)];
    assert_eq!(oracle.observe(ANY, 0, &free, &[]), Ok(()));
    assert_eq!(oracle.end_operation(), Ok(()));
    assert_eq!(oracle.end_of_world([0; 3]), Ok(()));
}

#[test]
fn a_fault_is_laid_to_the_call_that_told_it() {
    let mut state = family();
    let mut oracle = Oracle::new();
    assert_eq!(feed(&mut oracle, &state), Ok(()));
    oracle.begin_operation();
    state.anon_vmas[1].refcount += 1;
    let guilty = Call::UnlinkAnonVmas { vma: VmaId(6) };
    assert_eq!(oracle.observe(guilty, 0, &[], &encode(&state)), Ok(()));
    // A VMA of the same anon_vma changes, but nothing that the anon_vma counts.
    let attributes = state.vmas[2].attributes;
    state.vmas[2].attributes.flags ^= 1;
    let innocent = Call::VmaSetAttributes { vma: VmaId(2), attributes };
    assert_eq!(oracle.observe(innocent, 0, &[], &encode(&state)), Ok(()));
    let Err(Broken::Violations(violations)) = oracle.end_operation() else { panic!() };
    assert_eq!(violations.iter().map(|v| (&v.what[..], v.after)).collect::<Vec<_>>(), [("refcount", Some(guilty))]);
}

/// Takes a reference to an anon_vma from outside.
fn pin(oracle: &mut Oracle, anon_vma: i32, state: &Snapshot) {
    let get = Call::FolioGetAnonVma { folio: FolioId(0), mapped: true };
    assert_eq!(oracle.observe(get, anon_vma, &[], &encode(state)), Ok(()));
}

#[test]
fn a_reference_from_outside_changes_nothing_else() {
    let mut state = family();
    for held in [0, 1, 3] {
        state.anon_vmas[held].refcount += 1;
        let mut oracle = Oracle::new();
        oracle.begin_operation();
        pin(&mut oracle, held as i32, &state);
        assert_eq!(oracle.end_operation(), Ok(()));
        state.anon_vmas[held].refcount -= 1;
    }
}

#[test]
fn a_parent_may_be_freed_before_a_child_that_a_reference_keeps() {
    // Two children that a reference keeps each: of the root, and of another child that nothing keeps.
    let anon_vmas = [[0, 0, 0], [1, 0, 0], [2, 0, 1], [3, 0, 0]];
    let root: &[super::world::VmaSpec<'_>] = &[(0, 0, 0x10, 0x18, Some(0), &[0])];
    let mut oracle = Oracle::new();
    oracle.begin_operation();
    let before = build(root, &anon_vmas);
    pin(&mut oracle, 2, &before);
    pin(&mut oracle, 3, &before);
    let mut after = build(root, &[anon_vmas[0], anon_vmas[2], anon_vmas[3]]);
    after.anon_vmas[0].num_children = 1;
    let free = [Event::new(EventKind::Free, Cache::AnonVma as u8, 0, 1, 0)];
    assert_eq!(oracle.observe(ANY, 0, &free, &encode(&after)), Ok(()));
    assert_eq!(oracle.end_operation(), Ok(()));
}

#[test]
fn the_pages_of_which_the_vma_changed_are_told() {
    let vma = |mm: u8, end: u64| build(&[(0, mm, 1, end, None, &[]), (1, 7, 1, 9, None, &[])], &[]);
    let mut oracle = Oracle::new();
    let mut told = |events: &[Event], state: &Snapshot| {
        oracle.begin_operation();
        oracle.observe(ANY, 0, events, &encode(state)).unwrap();
        oracle.end_operation().unwrap();
        let mut changed = std::mem::take(oracle.changed());
        changed.in_order().map(|(mm, start, end)| (mm.0, start, end)).collect::<Vec<_>>()
    };
    assert_eq!(told(&[], &vma(1, 9)), [(1, 1, 9), (7, 1, 9)]);
    assert_eq!(told(&[], &vma(1, 9)), []);
    assert_eq!(told(&[], &vma(1, 12)), [(1, 1, 9), (1, 9, 12)]);
    assert_eq!(told(&[], &vma(15, 12)), [(1, 1, 12), (15, 1, 12)]);
    let free = [Event::new(EventKind::Free, Cache::Vma as u8, 0, 0, 0)];
    assert_eq!(told(&free, &Snapshot::default()), [(15, 1, 12)]);
}
