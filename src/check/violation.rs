//! What breaks an invariant.

use std::borrow::Cow;
use std::fmt;

pub use super::invariant::Invariant;
use crate::rmap::{AnonVmaId, AvcId, Call, FolioId, VmaId};

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
    /// It was asked where a task might be switched: which call was running then says nothing, and is no part of the signature.
    pub at_a_point: bool,
}

impl Violation {
    /// A violation of no known call.
    pub fn new(
        invariant: Invariant,
        what: impl Into<Cow<'static, str>>,
        objects: impl IntoIterator<Item = Object>,
        detail: String,
    ) -> Self {
        Violation {
            invariant,
            what: what.into(),
            objects: objects.into_iter().collect(),
            detail,
            after: None,
            at_a_point: false,
        }
    }

    /// The same, after `call`.
    pub fn after(mut self, call: Call) -> Self {
        self.after = Some(call);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.invariant, self.invariant.slug(), self.detail)?;
        if let Some(call) = self.after {
            write!(f, ", after {}", call)?;
        }
        Ok(())
    }
}
