//! The interval tree of an anon_vma: chain entries ordered by the first page offset of their VMA,
//! each knowing the last page offset below it.
//!
//! Mirrors the anon half of mm/interval_tree.c and the functions that
//! include/linux/interval_tree_generic.h defines for it.

use smallvec::SmallVec;

use super::arena::NIL;
use super::objects::AnonVmaChain;
use super::rbtree::{self, RbNode, RbNodes, RbRootCached};

/// Mirrors the callback `compute_max` of `RB_DECLARE_CALLBACKS_MAX()`.
#[inline]
fn compute_max(avcs: &[AnonVmaChain], at: u32) -> u64 {
    let avc = &avcs[at as usize];
    let mut max = avc.last_pgoff;
    for child in [avc.rb.left(), avc.rb.right()] {
        if child != NIL {
            max = max.max(avcs[child as usize].subtree_last);
        }
    }
    max
}

impl RbNodes for [AnonVmaChain] {
    #[inline]
    fn rb(&self, at: u32) -> &RbNode {
        &self[at as usize].rb
    }

    #[inline]
    fn rb_mut(&mut self, at: u32) -> &mut RbNode {
        &mut self[at as usize].rb
    }

    #[inline]
    fn propagate(&mut self, at: u32, stop: u32) {
        let mut at = at;
        while at != stop {
            let max = compute_max(self, at);
            let avc = &mut self[at as usize];
            if avc.subtree_last == max {
                break;
            }
            avc.subtree_last = max;
            at = avc.rb.parent();
        }
    }

    #[inline]
    fn copy(&mut self, old: u32, new: u32) {
        self[new as usize].subtree_last = self[old as usize].subtree_last;
    }

    #[inline]
    fn rotate(&mut self, old: u32, new: u32) {
        self[new as usize].subtree_last = self[old as usize].subtree_last;
        self[old as usize].subtree_last = compute_max(self, old);
    }
}

/// Mirrors `anon_vma_interval_tree_insert()` (`anon_rmap_tree_insert()` in 7.3).
pub(super) fn insert(avcs: &mut [AnonVmaChain], root: &mut RbRootCached, avc: u32) {
    let (start, last) = (avcs[avc as usize].start_pgoff, avcs[avc as usize].last_pgoff);
    let mut parent = NIL;
    let mut at = root.node;
    let mut left = false;
    let mut leftmost = true;
    while at != NIL {
        let node = &mut avcs[at as usize];
        node.subtree_last = node.subtree_last.max(last);
        parent = at;
        left = start < node.start_pgoff;
        leftmost &= left;
        at = if left { node.rb.left() } else { node.rb.right() };
    }
    avcs[avc as usize].subtree_last = last;
    rbtree::insert(avcs, root, avc, parent, left, leftmost);
}

/// Mirrors `anon_vma_interval_tree_foreach()` (`anon_rmap_tree_foreach()` in 7.3) over the page offsets `first..=last`: the
/// entries whose interval holds one of them, in order.
pub(super) fn intersecting(avcs: &[AnonVmaChain], root: &RbRootCached, first: u64, last: u64, found: &mut Vec<u32>) {
    // Nodes whose left side was seen, and which are to be looked at themselves: a path, of which few are longer.
    let mut open: SmallVec<[u32; 32]> = SmallVec::new();
    let mut at = root.node;
    loop {
        while at != NIL && avcs[at as usize].subtree_last >= first {
            open.push(at);
            at = avcs[at as usize].rb.left();
        }
        let Some(node) = open.pop() else { return };
        let avc = &avcs[node as usize];
        if avc.start_pgoff > last {
            // All that follows starts later still.
            return;
        }
        if avc.last_pgoff >= first {
            found.push(node);
        }
        at = avc.rb.right();
    }
}

/// Mirrors `anon_vma_interval_tree_remove()` (`anon_rmap_tree_remove()` in 7.3).
pub(super) fn remove(avcs: &mut [AnonVmaChain], root: &mut RbRootCached, avc: u32) {
    rbtree::erase(avcs, root, avc);
}

/// After 7.3: the last page offset of an entry has changed, and its first one has not.
pub(super) fn update_in_place(avcs: &mut [AnonVmaChain], avc: u32) {
    avcs.propagate(avc, NIL);
}
