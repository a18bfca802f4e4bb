//! I8: what an interval tree is, told whole or by paths.
//!
//! Keys are the VMAs' page offsets: a node starts at `vm_pgoff`, or in later kernels at the anonymous page offset,
//! and ends at the last page's offset. Nodes with equal starts may stand in either order.

use super::words::PathNode;
use crate::rmap::{AvcId, Node};

/// The interval of a VMA, in page offsets, both ends inclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) first: u64,
    pub(super) last: u64,
}

/// What is wrong with a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TreeFault {
    /// In words that fit a signature.
    pub(super) what: &'static str,
    /// At which node, if at one.
    pub(super) avc: Option<AvcId>,
    /// For a person.
    pub(super) detail: String,
}

impl TreeFault {
    fn at(avc: AvcId, what: &'static str, detail: String) -> Self {
        TreeFault { what, avc: Some(avc), detail }
    }

    fn tree(what: &'static str, detail: String) -> Self {
        TreeFault { what, avc: None, detail }
    }
}

/// No red-black tree of fewer than 2^32 nodes is deeper.
const DEPTH_MAX: u32 = 64;

struct Walk<I, K> {
    nodes: I,
    key: K,
    previous: u64,
    first: Option<AvcId>,
    fault: Option<TreeFault>,
}

#[derive(Clone, Copy, Default)]
struct Subtree {
    black_height: u32,
    last: u64,
}

impl<I: Iterator<Item = Node>, K: FnMut(&Node) -> Option<Key>> Walk<I, K> {
    #[cold]
    fn fault(&mut self, fault: TreeFault) -> Option<Subtree> {
        self.fault.get_or_insert(fault);
        None
    }

    #[inline(always)]
    fn child(&mut self, there: bool, parent_red: bool, depth: u32) -> Option<Subtree> {
        if !there {
            return Some(Subtree::default());
        }
        match self.nodes.next() {
            Some(node) => self.visit(node, parent_red, depth),
            None => self.fault(TreeFault::tree("tree shape", "a child is said to exist, but is not there".into())),
        }
    }

    /// `None` after a fault.
    fn visit(&mut self, node: Node, parent_red: bool, depth: u32) -> Option<Subtree> {
        let avc = node.avc;
        let Some(key) = (self.key)(&node) else {
            return self.fault(unknown_owner(&node));
        };
        if depth > DEPTH_MAX {
            return self.fault(TreeFault::at(avc, "tree depth", format!("{avc} lies {depth} deep")));
        }
        if parent_red && !node.black {
            let detail = format!("{avc} and its parent are red");
            return self.fault(TreeFault::at(avc, "red node under a red node", detail));
        }
        let left = self.child(node.left, !node.black, depth + 1)?;
        if self.previous > key.first {
            let detail = format!("{avc} starts at {:#x}, the node before it at {:#x}", key.first, self.previous);
            return self.fault(TreeFault::at(avc, "tree order", detail));
        }
        self.previous = key.first;
        self.first.get_or_insert(avc);
        let right = self.child(node.right, !node.black, depth + 1)?;
        if left.black_height != right.black_height {
            let detail = format!("below {avc}: {} on the left, {} on the right", left.black_height, right.black_height);
            return self.fault(TreeFault::at(avc, "black height", detail));
        }
        let last = key.last.max(left.last).max(right.last);
        if node.subtree_last != last {
            return self.fault(wrong_subtree_last(&node, last));
        }
        Some(Subtree { black_height: with_node(left.black_height, &node), last })
    }
}

/// The black height of a subtree, from that below its topmost node.
fn with_node(below: u32, node: &Node) -> u32 {
    below + u32::from(node.black)
}

#[cold]
fn unknown_owner(node: &Node) -> TreeFault {
    TreeFault::at(node.avc, "tree node", format!("{} is of {}, which is not live", node.avc, node.vma))
}

#[cold]
fn wrong_subtree_last(node: &Node, want: u64) -> TreeFault {
    let detail = format!("{} has rb_subtree_last {:#x}, its intervals end at {want:#x}", node.avc, node.subtree_last);
    TreeFault::at(node.avc, "rb_subtree_last", detail)
}

fn check_leftmost(told: Option<AvcId>, found: Option<AvcId>) -> Result<(), TreeFault> {
    if told == found {
        return Ok(());
    }
    let name = |avc: Option<AvcId>| avc.map_or("nothing".to_string(), |a| a.to_string());
    Err(TreeFault::tree("rb_leftmost", format!("rb_leftmost is {}, the first node is {}", name(told), name(found))))
}

/// Checks a tree told whole: `nodes` in preorder, `key` the interval of a live VMA.
pub(super) fn check_whole(
    mut nodes: impl Iterator<Item = Node>,
    leftmost: Option<AvcId>,
    key: impl FnMut(&Node) -> Option<Key>,
) -> Result<(), TreeFault> {
    let Some(root) = nodes.next() else {
        return check_leftmost(leftmost, None);
    };
    if !root.black {
        return Err(TreeFault::at(root.avc, "red root", format!("{} is the root and red", root.avc)));
    }
    let mut walk = Walk { nodes, key, previous: 0, first: None, fault: None };
    walk.visit(root, false, 0);
    if let Some(fault) = walk.fault {
        return Err(fault);
    }
    if let Some(node) = walk.nodes.next() {
        return Err(TreeFault::at(node.avc, "tree shape", format!("{} hangs on no node", node.avc)));
    }
    check_leftmost(leftmost, walk.first)
}

/// Checks one path from a touched node up to the root, as far as it can be seen from there.
pub(super) fn check_path(
    path: impl Iterator<Item = PathNode>,
    leftmost: Option<AvcId>,
    mut key: impl FnMut(&Node) -> Option<Key>,
) -> Result<(), TreeFault> {
    let mut below: Option<Node> = None;
    // The least and the greatest start met so far, and the node that is the first of the part
    // of the tree that the path has covered, if the path shows it.
    let (mut least, mut greatest, mut first) = (u64::MAX, 0, None);
    for PathNode { node, left, right } in path {
        let avc = node.avc;
        let Some(interval) = key(&node) else {
            return Err(unknown_owner(&node));
        };
        if (node.left, node.right) != (left.is_some(), right.is_some()) {
            return Err(TreeFault::at(avc, "tree shape", format!("{avc} contradicts itself about its children")));
        }
        if !node.black && [left, right].iter().flatten().any(|child| !child.black) {
            return Err(TreeFault::at(avc, "red node under a red node", format!("{avc} and a child are red")));
        }
        let ends = [left, right].map(|child| child.map_or(0, |c| c.subtree_last));
        let last = interval.last.max(ends[0]).max(ends[1]);
        if node.subtree_last != last {
            return Err(wrong_subtree_last(&node, last));
        }
        let here = (!node.left).then_some(avc);
        match below {
            None => first = here,
            Some(child) => {
                let on = |side: Option<super::words::Child>| side.filter(|c| c.avc == child.avc);
                let Some(told) = on(left).or(on(right)) else {
                    let detail = format!("{} has the parent {avc}, which does not have it as a child", child.avc);
                    return Err(TreeFault::at(avc, "tree shape", detail));
                };
                if told.black != child.black || told.subtree_last != child.subtree_last {
                    let detail = format!("{avc} and its child {} do not agree", child.avc);
                    return Err(TreeFault::at(avc, "tree shape", detail));
                }
                let is_left = on(left).is_some();
                if if is_left { greatest > interval.first } else { least < interval.first } {
                    let detail = format!("{avc} starts at {:#x}, on the wrong side of a node below it", interval.first);
                    return Err(TreeFault::at(avc, "tree order", detail));
                }
                if !is_left {
                    first = here;
                }
            }
        }
        least = least.min(interval.first);
        greatest = greatest.max(interval.first);
        below = Some(node);
    }
    match below {
        Some(root) if !root.black => {
            Err(TreeFault::at(root.avc, "red root", format!("{} is the root and red", root.avc)))
        }
        Some(_) if first.is_some() => check_leftmost(leftmost, first),
        _ => Ok(()),
    }
}
