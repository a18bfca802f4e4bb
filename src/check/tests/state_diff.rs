//! What a report says of two states: every field of every object, in the words of the reports.

use super::world::family;
use crate::check::{FieldDiff, diff_states, tree_text};
use crate::rmap::{AnonVmaId, AvcId, FolioId, FolioState, MmId, Snapshot, VmaId};

fn state() -> Snapshot {
    let mut state = family();
    state.folios.push(FolioState {
        id: FolioId(0),
        mapping: Some(AnonVmaId(1)),
        index: 0x12,
        large: None,
        first: 0,
        pages: Vec::new(),
    });
    state
}

/// The differences, as `class: reference -> port`.
fn texts(fields: &[FieldDiff]) -> Vec<String> {
    fields.iter().map(|field| format!("{}: {} -> {}", field.class(), field.reference, field.port)).collect()
}

#[test]
fn each_field_that_differs_is_named() {
    type Case = (fn(&mut Snapshot), &'static str);
    let cases: &[Case] = &[
        (|s| s.vmas[2].mm = MmId(4), "vma.mm: p1 -> p4"),
        (|s| s.vmas[2].attached = false, "vma.attached: true -> false"),
        (|s| s.vmas[6].range.end = 0x84, "vma.range: 0x80..0x88 -> 0x80..0x84"),
        (|s| s.vmas[2].anon_vma = None, "vma.anon_vma: anon_vma1 -> none"),
        (|s| s.vmas[5].chain[0].avc = AvcId(99), "vma.chain: [avc9:anon_vma3] -> [avc99:anon_vma3]"),
        (|s| s.vmas[5].chain[0].vma = VmaId(2), "vma.chain: [avc9:anon_vma3] -> [avc9(vma2):anon_vma3]"),
        (|s| s.anon_vmas[1].root = AnonVmaId(3), "anon_vma.root: anon_vma0 -> anon_vma3"),
        (|s| s.anon_vmas[2].parent = AnonVmaId(0), "anon_vma.parent: anon_vma1 -> anon_vma0"),
        (|s| s.anon_vmas[1].refcount = 9, "anon_vma.refcount: 1 -> 9"),
        (|s| s.anon_vmas[1].num_children = 9, "anon_vma.num_children: 1 -> 9"),
        (|s| s.anon_vmas[1].num_active_vmas = 9, "anon_vma.num_active_vmas: 2 -> 9"),
        (|s| s.anon_vmas[3].leftmost = None, "anon_vma.rb_leftmost: avc9 -> none"),
        (|s| s.anon_vmas[3].tree.clear(), "anon_vma.tree: (B avc9/vma5 ..0x47) -> empty"),
        (|s| s.folios[0].mapping = None, "folio.mapping: anon_vma1 -> none"),
        (|s| s.folios[0].index = 0x13, "folio.index: 0x12 -> 0x13"),
    ];
    assert_eq!(diff_states(&state(), &state()), []);
    for (change, text) in cases {
        let mut other = state();
        change(&mut other);
        assert_eq!(texts(&diff_states(&state(), &other)), [*text]);
    }
}

#[test]
fn an_object_that_one_side_alone_has_is_named() {
    type Case = (fn(&mut Snapshot), &'static str, &'static str);
    let cases: &[Case] = &[
        (|s| s.vmas.retain(|vma| vma.id != VmaId(2)), "vma.live", "vma2"),
        (|s| s.anon_vmas.retain(|anon_vma| anon_vma.id != AnonVmaId(1)), "anon_vma.live", "anon_vma1"),
        (|s| s.folios.clear(), "folio.live", "folio0"),
    ];
    for (remove, class, object) in cases {
        let mut less = state();
        remove(&mut less);
        for (fields, sides) in
            [(diff_states(&state(), &less), "live -> absent"), (diff_states(&less, &state()), "absent -> live")]
        {
            assert_eq!(texts(&fields), [format!("{class}: {sides}")]);
            assert_eq!(fields[0].object.unwrap().to_string(), *object);
        }
    }
}

#[test]
fn a_tree_is_written_in_preorder() {
    let mut state = state();
    assert_eq!(tree_text(&state.anon_vmas[1].tree), "(B avc7/vma4 ..0x1f (R avc2/vma2 ..0x17) (R avc4/vma3 ..0x1f))");
    let tree = &mut state.anon_vmas[1].tree;
    tree[0].left = false;
    tree.remove(1);
    assert_eq!(tree_text(tree), "(B avc7/vma4 ..0x1f - (R avc4/vma3 ..0x1f))");
    (tree[0].left, tree[0].right) = (true, false);
    assert_eq!(tree_text(tree), "(B avc7/vma4 ..0x1f (R avc4/vma3 ..0x1f) -)");
    tree.pop();
    assert_eq!(tree_text(tree), "(B avc7/vma4 ..0x1f missing");
    assert_eq!(tree_text(&[]), "empty");
}
