//! Reading a state stream record by record, without decoding what did not change.

use crate::rmap::{AvcId, Node, StateError, VmaId, stream};

/// Words of a VMA record after its tag, before the chain.
pub(super) const VMA_HEAD: usize = 10;
/// Where `vma->anon_vma` is among them; before it come the VMA's own fields, after it the chain.
pub(super) const VMA_ANON_VMA: usize = 8;
/// Words of an anon_vma record after its tag, before the tree.
pub(super) const ANON_VMA_HEAD: usize = 7;
/// Words of a node of a whole tree.
pub(super) const NODE: usize = 2;
/// Words of a path node.
pub(super) const PATH_NODE: usize = 5;

/// Whether two streams or records are the same. Word by word: what was written word by word a moment ago, as streams are, cannot be
/// read in larger pieces before it has come to the cache, so that `==` waits for it.
pub(in crate::check) fn same_words(one: &[u64], other: &[u64]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one == other)
}

/// One record of a stream, borrowed from it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Record<'a> {
    /// A VMA: every word after the tag.
    Vma(&'a [u64]),
    /// An anon_vma: the words after the tag up to the tree, and the tree with its tag.
    AnonVma(&'a [u64; ANON_VMA_HEAD], &'a [u64]),
    /// A folio: number, serial + 1 of its anon_vma or 0, index; and whether it has several pages.
    Folio(&'a [u64; 3], bool),
}

/// The records of a stream, in order. After an error there is none left.
pub(super) struct Records<'a> {
    words: &'a [u64],
    at: usize,
    error: Option<&'static str>,
}

impl<'a> Records<'a> {
    /// Of a whole stream.
    pub(super) fn new(words: &'a [u64]) -> Self {
        Records { words, at: 0, error: None }
    }

    /// Once there is no record left: whether that is the end of the stream.
    pub(super) fn end(&self) -> Result<(), StateError> {
        match self.error {
            None => Ok(()),
            Some(what) => Err(StateError { what, at: self.at, len: self.words.len() }),
        }
    }

    /// The length of a tree with its tag. A count too large makes a length too large.
    fn tree_len(&self, at: usize) -> Option<usize> {
        let count = |at: usize| self.words.get(at).map(|&n| n.min(self.words.len() as u64) as usize);
        match *self.words.get(at)? {
            stream::TREE => Some(2 + count(at + 1)? * NODE),
            stream::PATHS => {
                let mut len = 3;
                for _ in 0..count(at + 2)? {
                    len += 1 + count(at + len)? * PATH_NODE;
                }
                Some(len)
            }
            _ => None,
        }
    }

    #[inline]
    fn record(&mut self) -> Option<Record<'a>> {
        let rest = &self.words[self.at + 1..];
        match self.words[self.at] {
            stream::VMA => {
                let chain = rest.get(VMA_HEAD - 1).map(|&n| n.min(rest.len() as u64) as usize)?;
                let told = rest.get(..VMA_HEAD + 3 * chain)?;
                self.at += 1 + told.len();
                Some(Record::Vma(told))
            }
            stream::ANON_VMA => {
                let head = rest.first_chunk()?;
                let len = self.tree_len(self.at + 1 + ANON_VMA_HEAD)?;
                let tree = rest.get(ANON_VMA_HEAD..ANON_VMA_HEAD + len)?;
                self.at += 1 + ANON_VMA_HEAD + len;
                Some(Record::AnonVma(head, tree))
            }
            stream::FOLIO => {
                let told = rest.first_chunk()?;
                self.at += 1 + told.len();
                Some(Record::Folio(told, false))
            }
            stream::MAPPED_FOLIO => {
                let told = rest.first_chunk()?;
                // A large folio has three words more; then come the first page, and how many.
                let large = *rest.get(3)? != 0;
                let head = if large { 8 } else { 5 };
                let pages = rest.get(head).map(|&n| n.min(rest.len() as u64) as usize)?;
                self.at += 1 + rest.get(..head + 1 + pages)?.len();
                Some(Record::Folio(told, large))
            }
            _ => {
                self.error = Some("unknown record");
                None
            }
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        if self.at >= self.words.len() || self.error.is_some() {
            return None;
        }
        let record = self.record();
        if record.is_none() {
            self.error.get_or_insert("truncated or malformed record");
        }
        record
    }
}

/// A node on the way from a touched node up to the root, and what it knows of its children.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PathNode {
    /// The node itself.
    pub(super) node: Node,
    /// Its children: avc, colour, `rb_subtree_last`.
    pub(super) left: Option<Child>,
    /// Likewise.
    pub(super) right: Option<Child>,
}

/// A child as its parent's path node tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Child {
    pub(super) avc: AvcId,
    pub(super) black: bool,
    pub(super) subtree_last: u64,
}

fn node(words: &[u64]) -> Node {
    Node {
        avc: AvcId(words[0] as u32),
        vma: VmaId((words[0] >> 32) as u32),
        black: words[1] & stream::BLACK != 0,
        left: words[1] & stream::LEFT != 0,
        right: words[1] & stream::RIGHT != 0,
        subtree_last: words[1] >> 8,
    }
}

fn path_node(words: &[u64]) -> PathNode {
    let child = |serial: u32, bit: u64, subtree_last: u64| {
        (serial != 0).then(|| Child { avc: AvcId(serial - 1), black: words[1] & bit != 0, subtree_last })
    };
    PathNode {
        node: node(words),
        left: child(words[2] as u32, stream::LEFT_BLACK, words[3]),
        right: child((words[2] >> 32) as u32, stream::RIGHT_BLACK, words[4]),
    }
}

/// How many nodes a told tree has. `tree` begins with its tag, as [`Record::AnonVma`] holds it.
pub(super) fn tree_len(tree: &[u64]) -> u64 {
    tree.get(1).copied().unwrap_or(0)
}

/// Whether the tree is told whole.
pub(super) fn is_whole(tree: &[u64]) -> bool {
    tree.first() == Some(&stream::TREE)
}

/// The nodes of a tree told whole, in preorder.
pub(super) fn whole_nodes(tree: &[u64]) -> impl Iterator<Item = Node> + '_ {
    tree.get(2..).unwrap_or(&[]).chunks_exact(NODE).map(node)
}

/// The paths of a tree told by paths, each from the touched node up.
pub(super) fn paths(tree: &[u64]) -> impl Iterator<Item = impl Iterator<Item = PathNode> + '_> + '_ {
    let mut rest = tree.get(3..).unwrap_or(&[]);
    std::iter::from_fn(move || {
        let (&k, tail) = rest.split_first()?;
        let (path, tail) = tail.split_at(k as usize * PATH_NODE);
        rest = tail;
        Some(path.chunks_exact(PATH_NODE).map(path_node))
    })
}
