//! The three objects of the reverse map, and the list that links a VMA's chain entries.

use super::arena::{FREE, NIL, Ref, Slot};
use super::rbtree::{RbNode, RbRootCached};
use rmap_seam::{MmId, VmaAttributes, VmaRange, stream};

/// `struct vm_area_struct`, as far as the reverse map reads it.
pub(super) struct Vma {
    pub serial: u32,
    /// `vm_mm`
    pub mm: MmId,
    /// `vma_is_attached()`
    pub attached: bool,
    /// `vm_start`, `vm_end`, `vm_pgoff`, in pages.
    pub range: VmaRange,
    /// Anonymous page offset, flags, file.
    pub attributes: VmaAttributes,
    /// `anon_vma`
    pub anon_vma: Option<Ref<AnonVma>>,
    /// `anon_vma_chain`
    pub chain: ChainHead,
}

impl Vma {
    /// Length in pages: `vma_pages()`. Wraps as the kernel's does.
    pub fn pages(&self) -> u64 {
        self.range.end.wrapping_sub(self.range.start)
    }

    /// The page offset that is its key in the trees: `vma_start_pgoff()`, or with `by_anon`
    /// `vma_start_anon_pgoff()`.
    pub fn key(&self, by_anon: bool) -> u64 {
        if by_anon { self.attributes.anon_pgoff } else { self.range.pgoff }
    }
}

/// `struct anon_vma`.
pub(super) struct AnonVma {
    pub serial: u32,
    /// The same, also once it is freed.
    pub born: u32,
    pub root: Ref<AnonVma>,
    pub parent: Ref<AnonVma>,
    pub refcount: i32,
    pub num_children: u64,
    pub num_active_vmas: u64,
    pub rb_root: RbRootCached,
    /// Whether its rwsem is held for writing.
    pub write_locked: bool,
    /// How often it is held for reading.
    pub readers: u32,
    /// Nodes in the tree. The kernel does not count them; telling the state needs it.
    pub nodes: u32,
}

/// What is noted of the anon_vma in a slot, beside it.
#[derive(Clone, Copy, Default)]
pub(super) struct AnonVmaNotes {
    /// The call that touched it last.
    pub touched_in: u64,
    /// Nodes of the tree that the call touched, valid while `touched_in` is the present call.
    pub marks: Marks,
}

impl AnonVma {
    /// Mirrors `rwsem_is_locked()`.
    pub fn is_locked(&self) -> bool {
        self.write_locked || self.readers != 0
    }
}

/// `struct anon_vma_chain`: one VMA on one anon_vma. As large as a cache line.
#[repr(align(64))]
pub(super) struct AnonVmaChain {
    pub serial: u32,
    /// `same_vma`: the slot before it in the VMA's list, or [`NIL`].
    pub prev: u32,
    /// `same_vma`: the slot after it, or [`NIL`].
    pub next: u32,
    /// `rb`
    pub rb: RbNode,
    /// `vma`
    pub vma: Option<Ref<Vma>>,
    /// `anon_vma`
    pub anon_vma: Option<Ref<AnonVma>>,
    /// First page offset of the VMA. Written again whenever the VMA's range is.
    pub start_pgoff: u64,
    /// Last page offset of the VMA. Written again whenever the VMA's range is.
    pub last_pgoff: u64,
    /// `rb_subtree_last`
    pub subtree_last: u64,
}

impl AnonVmaChain {
    /// As it comes from the cache.
    pub fn new(serial: u32) -> Self {
        AnonVmaChain {
            serial,
            prev: NIL,
            next: NIL,
            rb: RbNode::UNLINKED,
            vma: None,
            anon_vma: None,
            start_pgoff: 0,
            last_pgoff: 0,
            subtree_last: 0,
        }
    }

    /// Takes over the interval of its VMA, keyed by the anonymous page offset or the plain one.
    pub fn follow(&mut self, vma: &Vma, by_anon: bool) {
        self.start_pgoff = vma.key(by_anon);
        self.last_pgoff = self.start_pgoff.wrapping_add(vma.pages()).wrapping_sub(1);
    }
}

macro_rules! slots {
    ($($ty:ident),*) => {$(
        impl Slot for $ty {
            #[inline]
            fn serial(&self) -> u32 {
                self.serial
            }

            #[inline]
            fn retire(&mut self) {
                self.serial = FREE;
            }
        }
    )*};
}
slots!(Vma, AnonVma, AnonVmaChain);

/// The head of a VMA's `anon_vma_chain`: a `list_head` whose links are slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ChainHead {
    /// The newest entry: `list_add()` adds here.
    pub first: u32,
    /// The oldest.
    pub last: u32,
}

impl ChainHead {
    /// `INIT_LIST_HEAD()`
    pub const EMPTY: ChainHead = ChainHead { first: NIL, last: NIL };

    /// `list_empty()`
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first == NIL
    }

    /// `list_is_singular()`
    #[inline]
    pub fn is_singular(&self) -> bool {
        self.first != NIL && self.first == self.last
    }

    /// `list_add()`: at the head.
    #[inline]
    pub fn add(&mut self, avcs: &mut [AnonVmaChain], avc: u32) {
        let next = self.first;
        avcs[avc as usize].prev = NIL;
        avcs[avc as usize].next = next;
        match next {
            NIL => self.last = avc,
            next => avcs[next as usize].prev = avc,
        }
        self.first = avc;
    }

    /// `list_del()`
    #[inline]
    pub fn del(&mut self, avcs: &mut [AnonVmaChain], avc: u32) {
        let (prev, next) = (avcs[avc as usize].prev, avcs[avc as usize].next);
        match prev {
            NIL => self.first = next,
            prev => avcs[prev as usize].next = next,
        }
        match next {
            NIL => self.last = prev,
            next => avcs[next as usize].prev = prev,
        }
    }

    /// `list_for_each_entry()` of a list that does not change meanwhile.
    pub fn iter(self, avcs: &[AnonVmaChain]) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors((self.first != NIL).then_some(self.first), |&at| {
            let next = avcs[at as usize].next;
            (next != NIL).then_some(next)
        })
    }
}

/// The nodes of one tree that the present call touched, as [`stream`] says: the first few, each once.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    slots: [u32; stream::MARKS_MAX],
    len: u8,
}

impl Marks {
    /// Adds a node.
    #[inline]
    pub fn add(&mut self, slot: u32) {
        if usize::from(self.len) < self.slots.len() && !self.as_slice().contains(&slot) {
            self.slots[usize::from(self.len)] = slot;
            self.len += 1;
        }
    }

    /// Drops a node, if it is there.
    #[inline]
    pub fn drop_mark(&mut self, slot: u32) {
        if let Some(at) = self.as_slice().iter().position(|&marked| marked == slot) {
            self.slots.copy_within(at + 1..usize::from(self.len), at);
            self.len -= 1;
        }
    }

    /// Forgets all.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// In the order in which they were added.
    #[inline]
    pub fn as_slice(&self) -> &[u32] {
        &self.slots[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_entries_and_anon_vmas_fill_a_cache_line() {
        assert_eq!((size_of::<AnonVmaChain>(), size_of::<AnonVma>()), (64, 64));
    }

    #[test]
    fn the_list_adds_at_its_head_and_deletes_anywhere() {
        let mut avcs: Vec<_> = (0..4).map(AnonVmaChain::new).collect();
        let mut head = ChainHead::EMPTY;
        assert!(head.is_empty() && !head.is_singular());
        head.add(&mut avcs, 0);
        assert!(head.is_singular());
        for avc in 1..4 {
            head.add(&mut avcs, avc);
        }
        assert_eq!(head.iter(&avcs).collect::<Vec<_>>(), [3, 2, 1, 0]);
        assert_eq!(head.last, 0);
        for (gone, left) in [(2, vec![3, 1, 0]), (0, vec![3, 1]), (3, vec![1]), (1, vec![])] {
            head.del(&mut avcs, gone);
            assert_eq!(head.iter(&avcs).collect::<Vec<_>>(), left);
            assert_eq!(head.is_singular(), left.len() == 1);
        }
        assert_eq!(head, ChainHead::EMPTY);
    }

    #[test]
    fn marks_keep_the_first_ones_each_once() {
        let mut marks = Marks::default();
        for slot in [7, 8, 7, 9] {
            marks.add(slot);
        }
        marks.drop_mark(8);
        marks.drop_mark(100);
        for slot in [1, 2, 3] {
            marks.add(slot);
        }
        assert_eq!(marks.as_slice(), [7, 9, 1, 2]);
    }
}
