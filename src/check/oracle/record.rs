//! What the oracle keeps of one object: its record as last told, and what follows from others.

use std::cell::Cell;

use smallvec::SmallVec;

use super::TreeKey;
use super::tree::Key;
use super::words::{self, ANON_VMA_HEAD};
use crate::rmap::{MmId, VmaRange};

/// No slot, no serial.
pub(super) const NONE: u32 = u32::MAX;

/// A VMA. Everything of it is as last told but the list links.
#[derive(Default)]
pub(super) struct VmaRecord {
    pub(super) serial: u32,
    pub(super) dirty: bool,
    /// Every word of its record after the tag.
    pub(super) told: Vec<u64>,
    /// The slot of the anon_vma of each chain entry, in list order.
    pub(super) slots: Vec<u32>,
    /// The slot of `vma->anon_vma`.
    pub(super) anon_slot: u32,
    /// The VMAs with the same `vma->anon_vma` form a list.
    pub(super) previous: u32,
    pub(super) next: u32,
    /// The last call that changed it, as an index into the operation's calls.
    pub(super) call: u32,
}

impl VmaRecord {
    /// Whether one of its chain entries is `avc`, of the anon_vma in that slot.
    pub(super) fn holds(&self, avc: u32, anon_slot: u32) -> bool {
        let at = self.slots.iter().position(|&slot| slot == anon_slot);
        at.is_some_and(|at| self.told[words::VMA_HEAD + 3 * at] == u64::from(avc))
    }

    /// `vma->anon_vma` by serial.
    pub(super) fn anon_vma(&self) -> Option<u32> {
        self.told.get(words::VMA_ANON_VMA).filter(|&&w| w != 0).map(|&w| (w - 1) as u32)
    }

    /// Its owner, and where it lies; nothing if it was never told.
    pub(super) fn place(&self) -> Option<(MmId, VmaRange)> {
        let [_, mm, _, start, end, pgoff, ..] = self.told[..] else { return None };
        Some((MmId(mm as u8), VmaRange { start, end, pgoff }))
    }

    /// Its interval in the trees.
    pub(super) fn key(&self, by: TreeKey) -> Key {
        let [start, end] = [self.told[3], self.told[4]];
        let first = match by {
            TreeKey::Pgoff => self.told[5],
            TreeKey::AnonPgoff => self.told[6],
        };
        Key { first, last: first.wrapping_add(end.wrapping_sub(start)).wrapping_sub(1) }
    }

    /// Its chain: avc, anon_vma, vma by serial.
    pub(super) fn chain(&self) -> impl ExactSizeIterator<Item = [u32; 3]> + '_ {
        self.told.get(words::VMA_HEAD..).unwrap_or(&[]).chunks_exact(3).map(|w| [w[0] as u32, w[1] as u32, w[2] as u32])
    }
}

/// An anon_vma: as last told, and what the records of others say of it.
#[derive(Default)]
pub(super) struct AnonVmaRecord {
    pub(super) serial: u32,
    /// It has been told, and not been freed since.
    pub(super) known: bool,
    pub(super) dirty: bool,
    /// Its tree was told in this operation, or an interval in it has changed.
    pub(super) tree_dirty: bool,
    /// The words of its record: root, parent, refcount, num_children, num_active_vmas,
    /// leftmost + 1.
    pub(super) told: [u64; ANON_VMA_HEAD - 1],
    /// Its tree with the tag; after the operation only if it was told whole.
    pub(super) tree: Vec<u64>,
    pub(super) tree_len: u64,
    pub(super) root_slot: u32,
    pub(super) parent_slot: u32,
    /// Chain entries that name it.
    pub(super) attached: u32,
    /// VMAs whose anon_vma it is.
    pub(super) active: u32,
    /// Live anon_vmas whose parent it is, itself included if it is its own.
    pub(super) children: u32,
    /// Live anon_vmas whose root it is, without itself.
    pub(super) descendants: u32,
    /// First of the VMAs whose anon_vma it is.
    pub(super) first: u32,
    /// Mark of the last chain check that met it.
    pub(super) stamp: Cell<u64>,
    /// See [`VmaRecord::call`].
    pub(super) call: u32,
}

impl AnonVmaRecord {
    /// Whether a stream tells the same as it did before: counters, and the same nodes in the same
    /// order. Shape and colours may differ, for an insertion that is taken back may leave another balance.
    pub(super) fn tells_the_same(&self, head: &[u64; ANON_VMA_HEAD], tree: &[u64]) -> bool {
        self.told == head[1..]
            && self.tree_len == words::tree_len(tree)
            && (self.tree == tree
                || !words::is_whole(&self.tree)
                || !words::is_whole(tree)
                || in_order(&self.tree).eq(in_order(tree)))
    }
}

/// The entries of a tree told whole, in order.
fn in_order(tree: &[u64]) -> impl Iterator<Item = u32> + '_ {
    let mut nodes = words::whole_nodes(tree);
    // Nodes whose left side is being walked, and whether a right side follows them; and whether they are next.
    let mut open: SmallVec<[(u32, bool); 32]> = SmallVec::new();
    let mut climbs = false;
    std::iter::from_fn(move || {
        while !climbs {
            let Some(node) = nodes.next() else {
                climbs = true;
                break;
            };
            open.push((node.avc.0, node.right));
            climbs = !node.left;
        }
        let (avc, right) = open.pop()?;
        climbs = !right;
        Some(avc)
    })
}
