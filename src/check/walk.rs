//! An rmap walk that a side made: the oracle notes it, and the check of the pages asks whether it came everywhere.

use crate::rmap::{FolioId, VmaId};

/// What an rmap walk came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Walk {
    pub(super) folio: FolioId,
    /// VMA and page.
    pub(super) visits: Vec<(VmaId, u64)>,
}
