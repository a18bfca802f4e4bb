//! I8 for trees told by paths.

use super::world::{build, encode, encode_paths};
use crate::check::oracle::{Broken, Oracle, Rules, full};
use crate::rmap::{Call, MmId, Snapshot, stream};

const ANY: Call = Call::MmapUnlock { mm: MmId(0) };

/// One anon_vma with that many VMAs side by side.
fn row(vmas: u32) -> Snapshot {
    let specs: Vec<_> = (0..vmas).map(|i| (i, 0, u64::from(i) * 8, u64::from(i) * 8 + 8, Some(0), &[0][..])).collect();
    build(&specs, &[[0, 0, 0]])
}

fn feed(state: &Snapshot) -> Result<(), Broken> {
    let mut oracle = Oracle::new();
    oracle.begin_operation();
    oracle.observe(ANY, 0, &[], &encode_paths(state))?;
    oracle.end_operation()
}

#[test]
fn good_trees_of_every_size_pass_whole_and_by_paths() {
    for vmas in 1..40 {
        let state = row(vmas);
        assert_eq!(full(&state, Rules::default()), [], "{vmas}");
        assert_eq!(feed(&state), Ok(()), "{vmas}");
        let mut oracle = Oracle::new();
        oracle.begin_operation();
        assert_eq!(oracle.observe(ANY, 0, &[], &encode(&state)), Ok(()));
        assert_eq!(oracle.end_operation(), Ok(()));
    }
}

#[test]
fn each_fault_is_seen_by_paths() {
    type Fault = (&'static str, fn(&mut Snapshot));
    let faults: &[Fault] = &[
        ("red root", |s| s.anon_vmas[0].tree[0].black = false),
        ("rb_subtree_last", |s| s.anon_vmas[0].tree[3].subtree_last += 1),
        ("red node under a red node", |s| {
            let tree = &mut s.anon_vmas[0].tree;
            let parent = (0..tree.len() - 1).find(|&i| i > 0 && tree[i].left && !tree[i + 1].black).unwrap();
            tree[parent].black = false;
        }),
        ("rb_leftmost", |s| s.anon_vmas[0].leftmost = Some(s.anon_vmas[0].tree[0].avc)),
        ("tree order", |s| {
            // Begins before its predecessor, ends where it ended.
            s.vmas[4].range.pgoff -= 16;
            s.vmas[4].range.end += 16;
        }),
        ("tree node", |s| {
            // A node of a VMA that is not there; the entry is still on a chain.
            s.anon_vmas[0].tree[2].vma = crate::rmap::VmaId(1000);
        }),
    ];
    for &(what, plant) in faults {
        let mut state = row(20);
        plant(&mut state);
        match feed(&state) {
            Err(Broken::Violations(violations)) => {
                assert!(violations.iter().any(|v| v.what == what), "{what}: {violations:#?}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn a_parent_and_its_child_agree() {
    // The second of the three paths: a leaf, then the root, whose second word tells the colours of its children.
    let whole = encode_paths(&row(3));
    let paths = whole.iter().rposition(|&word| word == stream::PATHS).unwrap();
    let told = paths + 3 + (1 + 5) + 1 + 5 + 1;
    for bit in [stream::LEFT_BLACK, stream::RIGHT_BLACK] {
        let mut words = whole.clone();
        words[told] ^= bit;
        let mut oracle = Oracle::new();
        oracle.begin_operation();
        oracle.observe(ANY, 0, &[], &words).unwrap();
        let found = oracle.end_operation();
        // The path of the left leaf comes by the root's left side.
        assert_eq!(found.is_err(), bit == stream::LEFT_BLACK, "{found:?}");
        let Err(Broken::Violations(violations)) = found else { continue };
        assert_eq!(violations[0].what, "tree shape");
    }
}

/// Nodes that hang on one another on one side.
fn line(nodes: u32, left: bool) -> Snapshot {
    let mut state = row(nodes);
    let tree = &mut state.anon_vmas[0].tree;
    tree.sort_by_key(|node| node.vma);
    for (at, node) in tree.iter_mut().enumerate() {
        let more = at + 1 < nodes as usize;
        (node.black, node.left, node.right) = (true, left && more, !left && more);
    }
    state
}

#[test]
fn a_tree_too_deep_is_told_and_not_followed() {
    for left in [true, false] {
        let faults = full(&line(90, left), Rules::default());
        assert!(faults.iter().any(|v| v.what == "tree depth" && v.detail.ends_with("lies 65 deep")), "{faults:#?}");
    }
}

#[test]
fn a_stream_cut_anywhere_is_an_error_not_a_panic() {
    let whole = encode(&row(5));
    let paths = encode_paths(&row(12));
    for words in [whole, paths] {
        for len in 0..words.len() {
            let mut oracle = Oracle::new();
            oracle.begin_operation();
            // Ends between two records are fine for the reader.
            let _ = oracle.observe(ANY, 0, &[], &words[..len]);
        }
    }
    let mut oracle = Oracle::new();
    assert!(matches!(oracle.observe(ANY, 0, &[], &[0x99]), Err(Broken::Undecodable(_))));
    assert!(matches!(oracle.observe(ANY, 0, &[], &[0x11, 1, 2]), Err(Broken::Undecodable(_))));
}
