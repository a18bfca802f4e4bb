//! The rmap walks that a side made: the oracle notes them, and the check of the pages asks whether they came everywhere.

use crate::rmap::{FolioId, MmId, VmaId};

/// What rmap walks came to.
#[derive(Default)]
pub(super) struct Walks {
    /// The folio of each, and how many visits there were when it had ended.
    ended: Vec<(FolioId, usize)>,
    /// VMA and page.
    visits: Vec<(VmaId, u64)>,
    /// Room for what maps folios.
    pub(super) mappings: Vec<(FolioId, MmId, u64)>,
}

impl Walks {
    pub(super) fn push(&mut self, folio: FolioId, visits: impl Iterator<Item = (VmaId, u64)>) {
        self.visits.extend(visits);
        self.ended.push((folio, self.visits.len()));
    }

    pub(super) fn clear(&mut self) {
        self.ended.clear();
        self.visits.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ended.is_empty()
    }

    /// The folio of the only one, if there is one alone.
    pub(super) fn only_folio(&self) -> Option<FolioId> {
        match self.ended[..] {
            [(folio, _)] => Some(folio),
            _ => None,
        }
    }

    /// Each: of which folio, and what it came to.
    pub(super) fn iter(&self) -> impl Iterator<Item = (FolioId, &[(VmaId, u64)])> {
        let mut first = 0;
        self.ended.iter().map(move |&(folio, end)| (folio, &self.visits[std::mem::replace(&mut first, end)..end]))
    }
}
