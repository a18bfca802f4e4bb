//! The geometry of one process: its VMAs, ordered by address. Makes no calls.

use std::collections::BTreeMap;

use crate::rmap::{VmaId, VmaRange};

/// One VMA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Vma {
    pub id: VmaId,
    pub range: VmaRange,
}

/// What one process has mapped: what the kernel keeps in `mm_struct` and its maple tree.
#[derive(Clone, Default)]
pub(super) struct Space {
    /// By first page; no two overlap.
    vmas: BTreeMap<u64, Vma>,
}

impl Space {
    /// `mm->map_count`
    pub(super) fn map_count(&self) -> usize {
        self.vmas.len()
    }

    /// In order of address.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Vma> {
        self.vmas.values()
    }

    /// The same, to give each VMA of a copied geometry its new name.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Vma> {
        self.vmas.values_mut()
    }

    /// The VMA that contains `page`.
    pub(super) fn find(&self, page: u64) -> Option<Vma> {
        let (_, vma) = self.vmas.range(..=page).next_back()?;
        (page < vma.range.end).then_some(*vma)
    }

    /// The last VMA that starts below `page`.
    pub(super) fn before(&self, page: u64) -> Option<Vma> {
        self.vmas.range(..page).next_back().map(|(_, vma)| *vma)
    }

    /// The first VMA that has a page in `start..end`.
    pub(super) fn first_in(&self, start: u64, end: u64) -> Option<Vma> {
        self.find(start).or_else(|| self.vmas.range(start..end).next().map(|(_, vma)| *vma))
    }

    /// The first VMA that starts in `start..end`.
    pub(super) fn first_from(&self, start: u64, end: u64) -> Option<Vma> {
        if start >= end {
            return None;
        }
        self.vmas.range(start..end).next().map(|(_, vma)| *vma)
    }

    /// Adds a VMA, or replaces the one with the same first page.
    pub(super) fn put(&mut self, vma: Vma) {
        self.vmas.insert(vma.range.start, vma);
    }

    /// Forgets the VMA that starts at `page`.
    pub(super) fn remove(&mut self, page: u64) {
        self.vmas.remove(&page);
    }

    /// Forgets the VMAs that start at `page` or above it.
    pub(super) fn truncate(&mut self, page: u64) {
        self.vmas.split_off(&page);
    }
}
