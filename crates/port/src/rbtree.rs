//! Red-black trees over slot numbers, with augmentation.
//!
//! Mirrors lib/rbtree.c and include/linux/rbtree_augmented.h: the same rotations in the same order,
//! hence the same shapes and colours. Where the kernel spells each case out for left and right, a
//! side is a number here.

use super::arena::NIL;

/// A side of a node. The other one is `side ^ 1`.
type Side = usize;
const LEFT: Side = 0;
const RIGHT: Side = 1;

/// `RB_RED`, `RB_BLACK`
const RED: u32 = 0;
const BLACK: u32 = 1;

/// `struct rb_node`: parent and colour in one word, and two children.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RbNode {
    parent_color: u32,
    child: [u32; 2],
}

impl RbNode {
    /// A node that is in no tree.
    pub const UNLINKED: RbNode = RbNode { parent_color: u32::MAX - 3, child: [NIL; 2] };

    /// Whether it is in a tree.
    #[inline]
    pub fn is_linked(&self) -> bool {
        self.parent_color != Self::UNLINKED.parent_color
    }

    /// `rb_parent()`: a slot, or [`NIL`].
    #[inline]
    pub fn parent(&self) -> u32 {
        self.parent_color >> 1
    }

    /// `rb_is_black()`
    #[inline]
    pub fn is_black(&self) -> bool {
        self.parent_color & 1 == BLACK
    }

    /// `rb_left`: a slot, or [`NIL`].
    #[inline]
    pub fn left(&self) -> u32 {
        self.child[LEFT]
    }

    /// `rb_right`: a slot, or [`NIL`].
    #[inline]
    pub fn right(&self) -> u32 {
        self.child[RIGHT]
    }
}

/// `struct rb_root_cached`: the root and the leftmost node, or [`NIL`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RbRootCached {
    pub node: u32,
    pub leftmost: u32,
}

impl RbRootCached {
    /// `RB_ROOT_CACHED`
    pub const EMPTY: RbRootCached = RbRootCached { node: NIL, leftmost: NIL };

    /// `RB_EMPTY_ROOT()`
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.node == NIL
    }
}

/// Where the nodes lie, and `struct rb_augment_callbacks`.
pub(super) trait RbNodes {
    /// The node in a slot.
    fn rb(&self, at: u32) -> &RbNode;
    /// The node in a slot, to write.
    fn rb_mut(&mut self, at: u32) -> &mut RbNode;
    /// Recomputes from `at` upwards until nothing changes or `stop` is reached.
    fn propagate(&mut self, at: u32, stop: u32);
    /// `new` takes the place of `old`.
    fn copy(&mut self, old: u32, new: u32);
    /// `new` was rotated into the place of `old`, which is below it now.
    fn rotate(&mut self, old: u32, new: u32);
}

#[inline]
fn is_red<N: RbNodes + ?Sized>(nodes: &N, at: u32) -> bool {
    at != NIL && !nodes.rb(at).is_black()
}

#[inline]
fn set_parent<N: RbNodes + ?Sized>(nodes: &mut N, at: u32, parent: u32) {
    let node = nodes.rb_mut(at);
    node.parent_color = parent << 1 | node.parent_color & 1;
}

#[inline]
fn set_parent_color<N: RbNodes + ?Sized>(nodes: &mut N, at: u32, parent: u32, color: u32) {
    nodes.rb_mut(at).parent_color = parent << 1 | color;
}

#[inline]
fn child<N: RbNodes + ?Sized>(nodes: &N, at: u32, side: Side) -> u32 {
    nodes.rb(at).child[side & 1]
}

#[inline]
fn set_child<N: RbNodes + ?Sized>(nodes: &mut N, at: u32, side: Side, to: u32) {
    nodes.rb_mut(at).child[side & 1] = to;
}

/// Mirrors `__rb_change_child()`.
#[inline]
fn change_child<N: RbNodes + ?Sized>(nodes: &mut N, old: u32, new: u32, parent: u32, root: &mut RbRootCached) {
    if parent == NIL {
        root.node = new;
    } else {
        let side = if child(nodes, parent, LEFT) == old { LEFT } else { RIGHT };
        set_child(nodes, parent, side, new);
    }
}

/// Mirrors `__rb_rotate_set_parents()`: `new` gets the parent and colour of `old`, which goes
/// below it with `color`.
#[inline]
fn rotate_set_parents<N: RbNodes + ?Sized>(nodes: &mut N, old: u32, new: u32, root: &mut RbRootCached, color: u32) {
    let parent_color = nodes.rb(old).parent_color;
    nodes.rb_mut(new).parent_color = parent_color;
    set_parent_color(nodes, old, new, color);
    change_child(nodes, old, new, parent_color >> 1, root);
}

/// Mirrors `rb_link_node()` and `rb_insert_augmented_cached()`: hangs `node` below `parent` (on
/// the left if `left`) and rebalances. The caller has updated the augmented values above it.
pub(super) fn insert<N: RbNodes + ?Sized>(
    nodes: &mut N,
    root: &mut RbRootCached,
    node: u32,
    parent: u32,
    left: bool,
    leftmost: bool,
) {
    *nodes.rb_mut(node) = RbNode { parent_color: parent << 1 | RED, child: [NIL; 2] };
    match parent {
        NIL => root.node = node,
        parent => set_child(nodes, parent, if left { LEFT } else { RIGHT }, node),
    }
    if leftmost {
        root.leftmost = node;
    }
    rebalance_insert(nodes, root, node);
}

/// Mirrors `__rb_insert()`.
fn rebalance_insert<N: RbNodes + ?Sized>(nodes: &mut N, root: &mut RbRootCached, node: u32) {
    // Always red.
    let mut node = node;
    let mut parent = nodes.rb(node).parent();
    loop {
        if parent == NIL {
            set_parent_color(nodes, node, NIL, BLACK);
            return;
        }
        if nodes.rb(parent).is_black() {
            return;
        }
        // A red parent is not the root.
        let grandparent = nodes.rb(parent).parent();
        let side = if child(nodes, grandparent, RIGHT) == parent { RIGHT } else { LEFT };
        let uncle = child(nodes, grandparent, side ^ 1);
        if is_red(nodes, uncle) {
            set_parent_color(nodes, uncle, grandparent, BLACK);
            set_parent_color(nodes, parent, grandparent, BLACK);
            node = grandparent;
            parent = nodes.rb(node).parent();
            set_parent_color(nodes, node, parent, RED);
            continue;
        }
        let mut inner = child(nodes, parent, side ^ 1);
        if node == inner {
            // An inner grandchild: rotate it above its parent, which becomes the outer one.
            inner = child(nodes, node, side);
            set_child(nodes, parent, side ^ 1, inner);
            set_child(nodes, node, side, parent);
            if inner != NIL {
                set_parent_color(nodes, inner, parent, BLACK);
            }
            set_parent_color(nodes, parent, node, RED);
            nodes.rotate(parent, node);
            parent = node;
            inner = child(nodes, node, side ^ 1);
        }
        set_child(nodes, grandparent, side, inner);
        set_child(nodes, parent, side ^ 1, grandparent);
        if inner != NIL {
            set_parent_color(nodes, inner, grandparent, BLACK);
        }
        rotate_set_parents(nodes, grandparent, parent, root, RED);
        nodes.rotate(grandparent, parent);
        return;
    }
}

/// Mirrors `rb_erase_augmented_cached()`.
pub(super) fn erase<N: RbNodes + ?Sized>(nodes: &mut N, root: &mut RbRootCached, node: u32) {
    if root.leftmost == node {
        root.leftmost = next(nodes, node);
    }
    let rebalance = unlink(nodes, root, node);
    *nodes.rb_mut(node) = RbNode::UNLINKED;
    if rebalance != NIL {
        rebalance_erase(nodes, root, rebalance);
    }
}

/// Mirrors `__rb_erase_augmented()`: takes `node` out; the parent under which a black node is
/// missing now, or [`NIL`].
fn unlink<N: RbNodes + ?Sized>(nodes: &mut N, root: &mut RbRootCached, node: u32) -> u32 {
    let RbNode { parent_color, child: [left, right] } = *nodes.rb(node);
    let parent = parent_color >> 1;
    let black = parent_color & 1 == BLACK;

    if left == NIL || right == NIL {
        // An only child is red and its parent black: it takes place and colour.
        let only = if left == NIL { right } else { left };
        change_child(nodes, node, only, parent, root);
        if only != NIL {
            nodes.rb_mut(only).parent_color = parent_color;
        }
        nodes.propagate(parent, NIL);
        return if only == NIL && black { parent } else { NIL };
    }

    // The successor takes the place.
    let mut successor = right;
    let below = child(nodes, right, LEFT);
    let (orphan, lost) = if below == NIL {
        nodes.copy(node, successor);
        (child(nodes, successor, RIGHT), successor)
    } else {
        let mut above = right;
        successor = below;
        loop {
            let lower = child(nodes, successor, LEFT);
            if lower == NIL {
                break;
            }
            above = successor;
            successor = lower;
        }
        let orphan = child(nodes, successor, RIGHT);
        set_child(nodes, above, LEFT, orphan);
        set_child(nodes, successor, RIGHT, right);
        set_parent(nodes, right, successor);
        nodes.copy(node, successor);
        nodes.propagate(above, successor);
        (orphan, above)
    };
    set_child(nodes, successor, LEFT, left);
    set_parent(nodes, left, successor);
    change_child(nodes, node, successor, parent, root);

    let mut rebalance = NIL;
    if orphan != NIL {
        set_parent_color(nodes, orphan, lost, BLACK);
    } else if nodes.rb(successor).is_black() {
        rebalance = lost;
    }
    nodes.rb_mut(successor).parent_color = parent_color;
    nodes.propagate(successor, NIL);
    rebalance
}

/// Mirrors `____rb_erase_color()`: below `parent` one side has a black node less.
fn rebalance_erase<N: RbNodes + ?Sized>(nodes: &mut N, root: &mut RbRootCached, parent: u32) {
    let mut parent = parent;
    let mut node = NIL;
    loop {
        // The side of the sibling.
        let side = if child(nodes, parent, RIGHT) == node { LEFT } else { RIGHT };
        let mut sibling = child(nodes, parent, side);
        if is_red(nodes, sibling) {
            let inner = child(nodes, sibling, side ^ 1);
            set_child(nodes, parent, side, inner);
            set_child(nodes, sibling, side ^ 1, parent);
            set_parent_color(nodes, inner, parent, BLACK);
            rotate_set_parents(nodes, parent, sibling, root, RED);
            nodes.rotate(parent, sibling);
            sibling = inner;
        }
        let mut outer = child(nodes, sibling, side);
        if !is_red(nodes, outer) {
            let inner = child(nodes, sibling, side ^ 1);
            if !is_red(nodes, inner) {
                set_parent_color(nodes, sibling, parent, RED);
                if is_red(nodes, parent) {
                    nodes.rb_mut(parent).parent_color |= BLACK;
                    return;
                }
                node = parent;
                parent = nodes.rb(node).parent();
                if parent == NIL {
                    return;
                }
                continue;
            }
            // The red one is inside: rotate it above the sibling.
            let between = child(nodes, inner, side);
            set_child(nodes, sibling, side ^ 1, between);
            set_child(nodes, inner, side, sibling);
            set_child(nodes, parent, side, inner);
            if between != NIL {
                set_parent_color(nodes, between, sibling, BLACK);
            }
            nodes.rotate(sibling, inner);
            outer = sibling;
            sibling = inner;
        }
        let inner = child(nodes, sibling, side ^ 1);
        set_child(nodes, parent, side, inner);
        set_child(nodes, sibling, side ^ 1, parent);
        set_parent_color(nodes, outer, sibling, BLACK);
        if inner != NIL {
            set_parent(nodes, inner, parent);
        }
        rotate_set_parents(nodes, parent, sibling, root, BLACK);
        nodes.rotate(parent, sibling);
        return;
    }
}

/// Mirrors `rb_next()`: the slot of the next node in order, or [`NIL`].
pub(super) fn next<N: RbNodes + ?Sized>(nodes: &N, node: u32) -> u32 {
    neighbour(nodes, node, RIGHT)
}

/// Mirrors `rb_prev()`: the slot of the node before in order, or [`NIL`].
pub(super) fn prev<N: RbNodes + ?Sized>(nodes: &N, node: u32) -> u32 {
    neighbour(nodes, node, LEFT)
}

#[inline]
fn neighbour<N: RbNodes + ?Sized>(nodes: &N, node: u32, side: Side) -> u32 {
    let mut node = node;
    let mut below = child(nodes, node, side);
    if below != NIL {
        loop {
            let further = child(nodes, below, side ^ 1);
            if further == NIL {
                return below;
            }
            below = further;
        }
    }
    loop {
        let parent = nodes.rb(node).parent();
        if parent == NIL || child(nodes, parent, side) != node {
            return parent;
        }
        node = parent;
    }
}
