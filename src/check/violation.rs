//! The invariants by name, and what breaks one.

use std::borrow::Cow;
use std::fmt;

use crate::rmap::{AnonVmaId, AvcId, Call, FolioId, VmaId};

macro_rules! invariants {
    ($($variant:ident $title:literal $text:literal;)*) => {
        /// A rule that the data structure keeps, from its documentation (the comments at
        /// `struct anon_vma`, `struct anon_vma_chain`, and in Documentation/mm).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum Invariant { $(#[doc = $text] $variant),* }

        impl Invariant {
            /// Every invariant, in order.
            pub const ALL: &'static [Invariant] = &[$(Invariant::$variant),*];

            /// Its short name.
            pub fn name(self) -> &'static str {
                match self { $(Invariant::$variant => stringify!($variant)),* }
            }

            /// What it is about, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Invariant::$variant => $title),* }
            }

            /// What it says, for a person.
            pub fn text(self) -> &'static str {
                match self { $(Invariant::$variant => $text),* }
            }
        }
    };
}

invariants! {
    I1 "anon_vma and chain"
       "vma->anon_vma is set if and only if the VMA's chain is not empty; vma->anon_vma and its root are each on the chain exactly once.";
    I2 "chain entries"
       "The VMA of a chain entry is the owner of its list, the entry is in the tree of its anon_vma, and no anon_vma is on a chain twice.";
    I3 "one root"
       "All anon_vmas of a chain share one root; a root is its own root and its own parent, and nothing else is its own parent; a parent has the same root.";
    I4 "tree membership"
       "The tree of a live anon_vma holds exactly the VMAs attached to it, and at least one, unless a reference from outside keeps it; every VMA attached to an anon_vma is attached to its parent.";
    I5 "counters"
       "num_active_vmas counts the VMAs whose anon_vma it is; num_children counts the live anon_vmas whose parent it is, a root counting itself.";
    I6 "reference count"
       "The reference count is 1 for its VMAs, plus one for each reference from outside, for a root plus one for each live anon_vma below it.";
    I7 "same anon_vma, same chain"
       "VMAs with the same anon_vma have the same set of anon_vmas on their chains.";
    I8 "interval tree"
       "The tree is a red-black tree, ordered by page offset, its leftmost node is cached, and rb_subtree_last is right at every node.";
    I9 "the walk finds every page"
       "Every mapped folio is found by the rmap walk at every place that maps it, and elsewhere only where a VMA could map it; its anon_vma is live and on the chain of each VMA that maps it.";
    I10 "all or nothing"
       "After success the destination's chain has the source's anon_vmas, and its own after a fork without reuse; after failure all that existed before is as it was. Only a non-root anon_vma with no active VMA and at most one child is reused.";
    I11 "locks and warnings"
       "No lock is held on return, no allocation sleeps under an anon_vma lock, a tree changes only under its root's write lock, and the code warns of nothing.";
    I12 "nothing left"
       "After the last exit no object is live.";
    Growth "growth"
       "A chain has at most twice as many entries as there were VMAs at a time, and two: when a VMA is forked, each anon_vma on its chain but the root has a VMA of its own, or another child that has one; else it is reused.";
    VmaTree "VMA tree"
       "The tree of an mm holds its VMAs, in order and apart, where they lie, and as many VMAs and pages as map_count and total_vm say; it is in RCU mode.";
    Asked "what was asked"
       "What an operation was asked to map, unmap, copy or move is so after it, page by page, and nothing else is different; it runs out of memory only if an allocation failed.";
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An object that a violation concerns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Object {
    /// A VMA.
    Vma(VmaId),
    /// An anon_vma.
    AnonVma(AnonVmaId),
    /// A chain entry.
    Avc(AvcId),
    /// A folio.
    Folio(FolioId),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Vma(id) => id.fmt(f),
            Object::AnonVma(id) => id.fmt(f),
            Object::Avc(id) => id.fmt(f),
            Object::Folio(id) => id.fmt(f),
        }
    }
}

impl From<VmaId> for Object {
    fn from(id: VmaId) -> Self {
        Object::Vma(id)
    }
}

impl From<AnonVmaId> for Object {
    fn from(id: AnonVmaId) -> Self {
        Object::AnonVma(id)
    }
}

impl From<AvcId> for Object {
    fn from(id: AvcId) -> Self {
        Object::Avc(id)
    }
}

impl From<FolioId> for Object {
    fn from(id: FolioId) -> Self {
        Object::Folio(id)
    }
}

/// One broken invariant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// What about it, in words that stay the same when objects are renamed: part of the signature.
    pub what: Cow<'static, str>,
    /// The objects concerned.
    pub objects: Vec<Object>,
    /// What was found and what was wanted, for a person.
    pub detail: String,
    /// The last call that touched the first of the objects in this operation, if it is known.
    pub after: Option<Call>,
}

impl Violation {
    /// A violation of no known call.
    pub fn new(
        invariant: Invariant,
        what: impl Into<Cow<'static, str>>,
        objects: impl IntoIterator<Item = Object>,
        detail: String,
    ) -> Self {
        Violation { invariant, what: what.into(), objects: objects.into_iter().collect(), detail, after: None }
    }

    /// The same, after `call`.
    pub fn after(mut self, call: Call) -> Self {
        self.after = Some(call);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.invariant, self.invariant.title(), self.detail)?;
        if let Some(call) = self.after {
            write!(f, ", after {}", call)?;
        }
        Ok(())
    }
}
