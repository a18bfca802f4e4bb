//! The interval tree against a sorted list, through thousands of random changes.

use super::world::Random;
use crate::arena::NIL;
use crate::interval_tree;
use crate::objects::AnonVmaChain;
use crate::rbtree::{self, RbRootCached};

/// Checks a subtree; its black height and its last page offset.
fn check(avcs: &[AnonVmaChain], at: u32, parent: u32) -> (u32, u64) {
    if at == NIL {
        return (1, 0);
    }
    let avc = &avcs[at as usize];
    assert_eq!(avc.rb.parent(), parent);
    assert!(avc.rb.is_black() || parent != NIL && avcs[parent as usize].rb.is_black(), "red below red, or a red root");
    let (left, left_last) = check(avcs, avc.rb.left(), at);
    let (right, right_last) = check(avcs, avc.rb.right(), at);
    assert_eq!(left, right, "black heights");
    let last = avc.last_pgoff.max(left_last).max(right_last);
    assert_eq!(avc.subtree_last, last, "last page offset");
    (left + u32::from(avc.rb.is_black()), last)
}

/// In order, by `rb_next()`, and by `rb_prev()` from the end.
fn in_order(avcs: &[AnonVmaChain], root: &RbRootCached) -> Vec<u32> {
    let mut order = Vec::new();
    let mut at = root.leftmost;
    while at != NIL {
        order.push(at);
        at = rbtree::next(avcs, at);
    }
    let mut back = Vec::new();
    at = order.last().copied().unwrap_or(NIL);
    while at != NIL {
        back.push(at);
        at = rbtree::prev(avcs, at);
    }
    back.reverse();
    assert_eq!(order, back);
    order
}

#[test]
fn random_changes_keep_a_red_black_interval_tree_in_the_order_of_a_sorted_list() {
    for (seed, size, keys) in [(1, 12, 6), (2, 40, 1000), (3, 200, 30), (4, 500, 100_000), (5, 3, 1)] {
        let mut random = Random(seed * 0x2545_f491_4f6c_dd1d);
        let mut avcs: Vec<_> = (0..size).map(AnonVmaChain::new).collect();
        let mut root = RbRootCached::EMPTY;
        // The model: slots in order; an equal key goes after those that are there.
        let mut model: Vec<u32> = Vec::new();
        for _ in 0..4000 {
            let at = random.below(size.into()) as u32;
            if let Some(place) = model.iter().position(|&slot| slot == at) {
                interval_tree::remove(&mut avcs, &mut root, at);
                assert!(!avcs[at as usize].rb.is_linked());
                model.remove(place);
            } else {
                let avc = &mut avcs[at as usize];
                avc.start_pgoff = random.below(keys);
                avc.last_pgoff = avc.start_pgoff + random.below(20);
                let start = avc.start_pgoff;
                interval_tree::insert(&mut avcs, &mut root, at);
                let place = model.partition_point(|&slot| avcs[slot as usize].start_pgoff <= start);
                model.insert(place, at);
            }
            check(&avcs, root.node, NIL);
            assert_eq!(in_order(&avcs, &root), model);
            assert_eq!(root.leftmost, model.first().copied().unwrap_or(NIL));
            assert_eq!(root.is_empty(), model.is_empty());
        }
    }
}

/// Slots in preorder, black ones as they are, red ones negative less one; [`NIL`] is left out.
fn shape(avcs: &[AnonVmaChain], at: u32) -> Vec<i64> {
    if at == NIL {
        return Vec::new();
    }
    let node = &avcs[at as usize].rb;
    let own = i64::from(at);
    let mut shape = vec![if node.is_black() { own } else { -own - 1 }];
    shape.extend(self::shape(avcs, node.left()));
    shape.extend(self::shape(avcs, node.right()));
    shape
}

#[test]
fn ascending_inserts_and_erases_have_the_shapes_that_the_kernel_gives_them() {
    let mut avcs: Vec<_> = (0..10).map(AnonVmaChain::new).collect();
    let mut root = RbRootCached::EMPTY;
    for at in 0..10 {
        (avcs[at as usize].start_pgoff, avcs[at as usize].last_pgoff) = (u64::from(at), u64::from(at));
        interval_tree::insert(&mut avcs, &mut root, at);
    }
    assert_eq!(shape(&avcs, root.node), [3, 1, 0, 2, 5, 4, -8, 6, 8, -10]);
    for at in [3, 0, 9] {
        interval_tree::remove(&mut avcs, &mut root, at);
    }
    assert_eq!(shape(&avcs, root.node), [4, 1, -3, -8, 5, -7, 8]);
}

#[test]
#[should_panic(expected = "last page offset")]
fn the_check_notices_a_wrong_last_page_offset() {
    let mut avcs: Vec<_> = (0..10).map(AnonVmaChain::new).collect();
    let mut root = RbRootCached::EMPTY;
    for at in 0..10 {
        interval_tree::insert(&mut avcs, &mut root, at);
    }
    // As if a VMA grew without leaving its tree.
    avcs[9].last_pgoff = 7;
    check(&avcs, root.node, NIL);
}
