//! The state of a side: the stream of words in which both sides report it, and the decoded form.

use super::abi;
use super::{AnonVmaId, AvcId, FolioId, MmId, VmaAttributes, VmaId, VmaRange};

/// The words in which a side reports its state.
///
/// A stream is a sequence of records. "serial + 1, or 0" names an object that may be absent.
///
/// | record | words |
/// | --- | --- |
/// | VMA | [`VMA`](stream::VMA), serial, mm, attached (0/1), start, end, pgoff, anon_pgoff, flags \| file << 32, anon_vma serial + 1 or 0, n, then n × (avc serial, its anon_vma serial, its vma serial) in list order |
/// | anon_vma | [`ANON_VMA`](stream::ANON_VMA), serial, root serial, parent serial, refcount, num_children, num_active_vmas, leftmost avc serial + 1 or 0, then a tree |
/// | folio | [`FOLIO`](stream::FOLIO), number, serial + 1 of the anon_vma that its mapping was set to, index |
/// | mapped folio | [`MAPPED_FOLIO`](stream::MAPPED_FOLIO), number, serial + 1 of its anon_vma or 0, index or 0 without one, 0 or of a large folio [`LargeCounts::words`], first page, n, then n × [`PageCount::word`] |
/// | whole tree | [`TREE`](stream::TREE), n, then n nodes in preorder |
/// | paths | [`PATHS`](stream::PATHS), n nodes in the tree, m, then m × (k, then k × path node), each from a touched node up to the root |
/// | node | avc serial \| vma serial << 32, bits \| rb_subtree_last << 8 |
/// | path node | node, then left avc serial + 1 or 0 \| right likewise << 32, then left's rb_subtree_last or 0, right's or 0 |
///
/// Bits of a node: [`BLACK`](stream::BLACK), [`LEFT`](stream::LEFT), [`RIGHT`](stream::RIGHT), and in a path node
/// [`LEFT_BLACK`](stream::LEFT_BLACK) and [`RIGHT_BLACK`](stream::RIGHT_BLACK).
///
/// [`Side::state`](super::Side::state) reports every tree whole. [`Side::touched`](super::Side::touched) reports a tree whole
/// if it has at most [`WHOLE_TREE_MAX`](stream::WHOLE_TREE_MAX) nodes. Otherwise it reports the paths from the touched nodes
/// to the root. The touched nodes are each inserted node, and the in-order neighbours that each removed node had, if they are
/// still in the tree. Each is reported once, in the order in which they were touched, and only the first
/// [`MARKS_MAX`](stream::MARKS_MAX) of them. So the cost of a call depends on the depth of the trees that it changed, not on
/// their size.
pub mod stream {
    use crate::abi;

    /// Begins a VMA record.
    pub const VMA: u64 = abi::RMAP_STREAM_VMA;
    /// Begins an anon_vma record.
    pub const ANON_VMA: u64 = abi::RMAP_STREAM_ANON_VMA;
    /// Begins a whole tree.
    pub const TREE: u64 = abi::RMAP_STREAM_TREE;
    /// Begins the paths of a touched tree.
    pub const PATHS: u64 = abi::RMAP_STREAM_PATHS;
    /// Begins a folio record.
    pub const FOLIO: u64 = abi::RMAP_STREAM_FOLIO;
    /// Begins the record of a folio whose mappings are counted.
    pub const MAPPED_FOLIO: u64 = abi::RMAP_STREAM_MAPPED_FOLIO;
    /// The node is black.
    pub const BLACK: u64 = abi::RMAP_NODE_BLACK;
    /// The node has a left child.
    pub const LEFT: u64 = abi::RMAP_NODE_LEFT;
    /// The node has a right child.
    pub const RIGHT: u64 = abi::RMAP_NODE_RIGHT;
    /// The left child is black.
    pub const LEFT_BLACK: u64 = abi::RMAP_NODE_LEFT_BLACK;
    /// The right child is black.
    pub const RIGHT_BLACK: u64 = abi::RMAP_NODE_RIGHT_BLACK;
    /// In place of `num_active_vmas`: `num_children` counts the VMAs too.
    pub const ONE_COUNTER: u64 = abi::RMAP_ONE_COUNTER;
    /// A touched tree of up to this many nodes is reported whole.
    pub const WHOLE_TREE_MAX: u64 = abi::RMAP_WHOLE_TREE_MAX;
    /// How many touched nodes of one tree are followed.
    pub const MARKS_MAX: usize = abi::RMAP_MARKS_MAX as usize;
}

/// One entry of a VMA's `anon_vma_chain`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChainLink {
    /// The entry.
    pub avc: AvcId,
    /// Its `anon_vma`.
    pub anon_vma: AnonVmaId,
    /// Its `vma`.
    pub vma: VmaId,
}

/// A live `vm_area_struct`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct VmaState {
    /// Which.
    pub id: VmaId,
    /// `vm_mm`
    pub mm: MmId,
    /// Whether it is in its mm's tree.
    pub attached: bool,
    /// Where it lies.
    pub range: VmaRange,
    /// Its flags, its file and its anonymous page offset.
    pub attributes: VmaAttributes,
    /// `vma->anon_vma`
    pub anon_vma: Option<AnonVmaId>,
    /// `vma->anon_vma_chain`, in list order.
    pub chain: Vec<ChainLink>,
}

/// One node of an interval tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// The chain entry that the node is part of.
    pub avc: AvcId,
    /// Its `vma`.
    pub vma: VmaId,
    /// Colour.
    pub black: bool,
    /// Whether it has a left child.
    pub left: bool,
    /// Whether it has a right child.
    pub right: bool,
    /// `rb_subtree_last`, in pages.
    pub subtree_last: u64,
}

/// A live `anon_vma`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AnonVmaState {
    /// Which.
    pub id: AnonVmaId,
    /// `root`
    pub root: AnonVmaId,
    /// `parent`
    pub parent: AnonVmaId,
    /// `refcount`
    pub refcount: i64,
    /// `num_children`
    pub num_children: u64,
    /// `num_active_vmas`, or [`ONE_COUNTER`](stream::ONE_COUNTER)
    pub num_active_vmas: u64,
    /// `rb_leftmost`
    pub leftmost: Option<AvcId>,
    /// `rb_root`, in preorder: the shape follows from the nodes' `left` and `right`.
    pub tree: Vec<Node>,
}

/// What maps a page of a folio.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PageCount {
    /// How many entries of page tables: `page->_mapcount` plus 1.
    pub mapcount: i32,
    /// `PageAnonExclusive()`
    pub exclusive: bool,
}

impl PageCount {
    /// As a word of a stream.
    pub fn word(self) -> u64 {
        u64::from(self.mapcount.cast_unsigned()) | u64::from(self.exclusive) << 32
    }

    fn from_word(word: u64) -> PageCount {
        PageCount { mapcount: (word as u32).cast_signed(), exclusive: word >> 32 != 0 }
    }
}

/// An mm that a large folio remembers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RememberedMm {
    /// The number of the mm + 1; 0: none, `MM_ID_DUMMY`.
    pub id: u16,
    /// `_mm_id_mapcount`, which is -1 for none.
    pub mapcount: i16,
}

impl RememberedMm {
    /// None.
    pub const NONE: RememberedMm = RememberedMm { id: 0, mapcount: -1 };
}

/// What a large folio counts for all of its pages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LargeCounts {
    /// It has `1 << order` pages.
    pub order: u8,
    /// `folio_test_partially_mapped()`
    pub partially_mapped: bool,
    /// It is on the list of folios to split.
    pub deferred: bool,
    /// `FOLIO_MM_IDS_SHARED_BIT`: more than one mm may map it. False where mms are not remembered.
    pub shared: bool,
    /// `folio_entire_mapcount()`
    pub entire_mapcount: i32,
    /// `folio_large_mapcount()`
    pub large_mapcount: i32,
    /// `_nr_pages_mapped`
    pub pages_mapped: i32,
    /// `_mm_id` and `_mm_id_mapcount`; none where mms are not remembered.
    pub mms: [RememberedMm; 2],
}

impl LargeCounts {
    /// As words of a stream.
    pub fn words(&self) -> [u64; 4] {
        let bit = |is: bool, bit: u64| if is { bit } else { 0 };
        let bits = bit(self.partially_mapped, abi::RMAP_LARGE_PARTIALLY_MAPPED)
            | bit(self.deferred, abi::RMAP_LARGE_DEFERRED)
            | bit(self.shared, abi::RMAP_LARGE_SHARED);
        let mm = |mm: RememberedMm| u64::from(mm.id) | u64::from(mm.mapcount.wrapping_add(1).cast_unsigned()) << 16;
        [
            u64::from(self.order) | bits,
            u64::from(self.entire_mapcount.cast_unsigned()) | u64::from(self.large_mapcount.cast_unsigned()) << 32,
            u64::from(self.pages_mapped.cast_unsigned()),
            if self.mms == [RememberedMm { id: 0, mapcount: 0 }; 2] {
                0
            } else {
                mm(self.mms[0]) | mm(self.mms[1]) << 32
            },
        ]
    }

    /// From words of a stream.
    pub fn from_words([bits, mapcounts, pages_mapped, mms]: [u64; 4]) -> LargeCounts {
        let mm =
            |word: u64| RememberedMm { id: word as u16, mapcount: ((word >> 16) as u16).wrapping_sub(1).cast_signed() };
        LargeCounts {
            order: bits as u8,
            partially_mapped: bits & abi::RMAP_LARGE_PARTIALLY_MAPPED != 0,
            deferred: bits & abi::RMAP_LARGE_DEFERRED != 0,
            shared: bits & abi::RMAP_LARGE_SHARED != 0,
            entire_mapcount: (mapcounts as u32).cast_signed(),
            large_mapcount: ((mapcounts >> 32) as u32).cast_signed(),
            pages_mapped: (pages_mapped as u32).cast_signed(),
            mms: [mm(mms), mm(mms >> 32)],
        }
    }
}

/// A folio that has an anon_vma, or whose mappings are counted.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FolioState {
    /// Which.
    pub id: FolioId,
    /// `folio->mapping`: the anon_vma that it was set to, which may have been freed since.
    pub mapping: Option<AnonVmaId>,
    /// `folio->index`
    pub index: u64,
    /// What a large folio counts for all of its pages.
    pub large: Option<LargeCounts>,
    /// The first of the pages that are told.
    pub first: u32,
    /// What maps these pages, where the kernel's page-table code counts it; else empty.
    pub pages: Vec<PageCount>,
}

/// The whole state of a side.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Snapshot {
    /// Live VMAs, by serial.
    pub vmas: Vec<VmaState>,
    /// Live anon_vmas, by serial.
    pub anon_vmas: Vec<AnonVmaState>,
    /// Folios, by number.
    pub folios: Vec<FolioState>,
}

/// A stream that does not decode. This is a defect of the side that wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("state stream of {len} words: {what} at word {at}")]
pub struct StateError {
    /// What is wrong.
    pub what: &'static str,
    /// At which word.
    pub at: usize,
    /// Length of the stream.
    pub len: usize,
}

struct Words<'a> {
    words: &'a [u64],
    at: usize,
}

impl Words<'_> {
    fn error(&self, what: &'static str) -> StateError {
        StateError { what, at: self.at, len: self.words.len() }
    }

    fn next(&mut self) -> Result<u64, StateError> {
        let word = *self.words.get(self.at).ok_or_else(|| self.error("truncated"))?;
        self.at += 1;
        Ok(word)
    }

    fn id(&mut self) -> Result<u32, StateError> {
        u32::try_from(self.next()?).map_err(|_| self.error("serial out of range"))
    }

    fn optional_id(&mut self) -> Result<Option<u32>, StateError> {
        match self.next()? {
            0 => Ok(None),
            n => u32::try_from(n - 1).map(Some).map_err(|_| self.error("serial out of range")),
        }
    }

    fn count(&mut self) -> Result<usize, StateError> {
        let n = self.next()?;
        match usize::try_from(n) {
            Ok(n) if n <= self.words.len() => Ok(n),
            _ => Err(self.error("count out of range")),
        }
    }

    /// With an empty chain to be filled. So for trees and pages below.
    fn vma(&mut self, mut chain: Vec<ChainLink>) -> Result<VmaState, StateError> {
        let id = VmaId(self.id()?);
        let mm = MmId(u8::try_from(self.next()?).map_err(|_| self.error("mm out of range"))?);
        let attached = self.next()? != 0;
        let range = VmaRange { start: self.next()?, end: self.next()?, pgoff: self.next()? };
        let (anon_pgoff, kind) = (self.next()?, self.next()?);
        let attributes = VmaAttributes { anon_pgoff, flags: kind & 0xffff_ffff, file: (kind >> 32) as u32 };
        let anon_vma = self.optional_id()?.map(AnonVmaId);
        let n = self.count()?;
        chain.reserve(n);
        for _ in 0..n {
            chain.push(ChainLink { avc: AvcId(self.id()?), anon_vma: AnonVmaId(self.id()?), vma: VmaId(self.id()?) });
        }
        Ok(VmaState { id, mm, attached, range, attributes, anon_vma, chain })
    }

    fn folio(&mut self) -> Result<FolioState, StateError> {
        let id = FolioId(self.id()?);
        Ok(FolioState {
            id,
            mapping: self.optional_id()?.map(AnonVmaId),
            index: self.next()?,
            large: None,
            first: 0,
            pages: Vec::new(),
        })
    }

    fn mapped_folio(&mut self, mut pages: Vec<PageCount>) -> Result<FolioState, StateError> {
        let folio = self.folio()?;
        let large = match self.next()? {
            0 => None,
            bits => Some(LargeCounts::from_words([bits, self.next()?, self.next()?, self.next()?])),
        };
        let first = self.id()?;
        for _ in 0..self.count()? {
            pages.push(PageCount::from_word(self.next()?));
        }
        Ok(FolioState { large, first, pages, ..folio })
    }

    fn node(&mut self) -> Result<Node, StateError> {
        let ids = self.next()?;
        let rest = self.next()?;
        Ok(Node {
            avc: AvcId(ids as u32),
            vma: VmaId((ids >> 32) as u32),
            black: rest & stream::BLACK != 0,
            left: rest & stream::LEFT != 0,
            right: rest & stream::RIGHT != 0,
            subtree_last: rest >> 8,
        })
    }

    fn anon_vma(&mut self, mut tree: Vec<Node>) -> Result<AnonVmaState, StateError> {
        let id = AnonVmaId(self.id()?);
        let root = AnonVmaId(self.id()?);
        let parent = AnonVmaId(self.id()?);
        let refcount = self.next()? as i64;
        let num_children = self.next()?;
        let num_active_vmas = self.next()?;
        let leftmost = self.optional_id()?.map(AvcId);
        if self.next()? != stream::TREE {
            return Err(self.error("not a whole tree"));
        }
        let n = self.count()?;
        tree.reserve(n);
        for _ in 0..n {
            tree.push(self.node()?);
        }
        Ok(AnonVmaState { id, root, parent, refcount, num_children, num_active_vmas, leftmost, tree })
    }
}

/// Decodes one state after another, in the memory of the one before.
#[derive(Default)]
pub struct Decoder {
    snapshot: Snapshot,
    chains: Vec<Vec<ChainLink>>,
    trees: Vec<Vec<Node>>,
    pages: Vec<Vec<PageCount>>,
}

impl Decoder {
    /// Decodes the words of [`Side::state`](super::Side::state).
    pub fn decode(&mut self, words: &[u64]) -> Result<&Snapshot, StateError> {
        fn empty<T>(room: &mut Vec<Vec<T>>) -> Vec<T> {
            let mut list = room.pop().unwrap_or_default();
            list.clear();
            list
        }
        let Decoder { snapshot, chains, trees, pages } = self;
        chains.extend(snapshot.vmas.drain(..).rev().map(|vma| vma.chain));
        trees.extend(snapshot.anon_vmas.drain(..).rev().map(|anon_vma| anon_vma.tree));
        let counted = snapshot.folios.drain(..).rev().map(|folio| folio.pages);
        pages.extend(counted.filter(|pages| pages.capacity() > 0));
        let mut words = Words { words, at: 0 };
        while words.at < words.words.len() {
            match words.next()? {
                stream::VMA => snapshot.vmas.push(words.vma(empty(chains))?),
                stream::ANON_VMA => snapshot.anon_vmas.push(words.anon_vma(empty(trees))?),
                stream::FOLIO => snapshot.folios.push(words.folio()?),
                stream::MAPPED_FOLIO => snapshot.folios.push(words.mapped_folio(empty(pages))?),
                _ => return Err(words.error("unknown record")),
            }
        }
        Ok(snapshot)
    }
}

impl Snapshot {
    /// Decodes the words of [`Side::state`](super::Side::state).
    pub fn decode(words: &[u64]) -> Result<Snapshot, StateError> {
        let mut decoder = Decoder::default();
        decoder.decode(words)?;
        Ok(decoder.snapshot)
    }

    /// The VMA of that serial.
    #[inline]
    pub fn vma(&self, id: VmaId) -> Option<&VmaState> {
        self.vmas.binary_search_by_key(&id, |v| v.id).ok().map(|i| &self.vmas[i])
    }

    /// The anon_vma of that serial.
    #[inline]
    pub fn anon_vma(&self, id: AnonVmaId) -> Option<&AnonVmaState> {
        self.anon_vmas.binary_search_by_key(&id, |a| a.id).ok().map(|i| &self.anon_vmas[i])
    }
}
