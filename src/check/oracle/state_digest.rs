//! Keeps up the number of the state from what a side told: it costs what was told.

use super::Oracle;
use super::model::{Journal, ShadowState};
use super::record::NONE;
use crate::digest::{AnonWords, Placed, StateDigest, VmaWords};
use crate::pages::{ChangedPages, Pages};
use crate::rmap::{FolioId, MmId};

impl Oracle {
    /// From the next reset on the number of the state is kept up.
    pub(in crate::check) fn keep_digest(&mut self) {
        self.digest.get_or_insert_default();
        self.model.journal.get_or_insert_default();
    }

    /// The number of the state, if it is kept up.
    pub(in crate::check) fn digest(&mut self) -> Option<&mut StateDigest> {
        self.digest.as_deref_mut().filter(|_| self.model.journal.is_some())
    }

    /// Until the next reset nobody asks for the number.
    pub(in crate::check) fn rest_digest(&mut self) {
        self.resting = self.model.journal.take().or(self.resting.take());
    }

    /// An operation has ended.
    pub(super) fn digest_changes(&mut self) {
        let (Some(digest), Some(mut journal)) = (&mut self.digest, self.model.journal.take()) else { return };
        take_in(digest, &self.model, &mut journal);
        self.model.journal = Some(journal);
    }

    /// Everything was told, and the slots are others.
    pub(super) fn digest_anew(&mut self) {
        let (Some(digest), Some(mut journal)) = (&mut self.digest, self.model.journal.take()) else { return };
        digest.begin_anew();
        journal.vmas.extend(0..self.model.vmas.len() as u32);
        journal.anon_vmas.extend(0..self.model.anons.len() as u32);
        take_in(digest, &self.model, &mut journal);
        digest.end_anew();
        self.model.journal = Some(journal);
    }

    /// What is mapped at these pages may have changed.
    pub(in crate::check) fn digest_pages(&mut self, pages: &Pages, changed: &mut ChangedPages) {
        let (Some(digest), model) = (&mut self.digest, &self.model) else { return };
        if model.journal.is_none() {
            return;
        }
        pages.take_shared(&mut self.shared);
        let there = |serial| model.slot_of_anon_vma(serial).map(|slot| Placed { slot, serial });
        let of = |folio: FolioId| model.folio(folio.0).map(|folio| (there(folio.mapping), folio.index));
        digest.read_pages(pages, changed.in_order().chain(self.shared.in_order()), of, there);
        self.shared.clear();
    }
}

fn take_in(digest: &mut StateDigest, model: &ShadowState, journal: &mut Journal) {
    let anon_vma = |slot: u32| (slot != NONE).then(|| Placed { slot, serial: model.anons[slot as usize].serial });
    for &slot in &journal.vmas {
        digest.remove_vma(slot);
        if let Some(record) = model.vma_in(slot) {
            digest.note_vma(Placed { slot, serial: record.serial }, anon_vma(record.anon_slot));
        }
    }
    for slot in journal.anon_vmas.drain(..) {
        let Some(record) = model.anon_vma_in(slot) else {
            digest.remove_anon_vma(slot);
            continue;
        };
        let [_, _, references, children, active, _] = record.told;
        let parent = model.anon_vma_in(record.parent_slot).filter(|_| record.parent_slot != slot);
        let words = AnonWords {
            is_root: record.root_slot == slot,
            counters: [references, children, active, record.tree_len],
            parent: parent.map(|parent| Placed { slot: record.parent_slot, serial: parent.serial }),
        };
        let anon_vma = Placed { slot, serial: record.serial };
        if !digest.is_there(anon_vma) {
            digest.note_generation(generation(model, slot));
        }
        digest.put_anon_vma(anon_vma, &words);
    }
    for slot in journal.vmas.drain(..) {
        let Some(record) = model.vma_in(slot) else { continue };
        let [_, mm, _, start, end, pgoff, anon_pgoff, kind, ..] = record.told[..] else { continue };
        let (mm, words) = (MmId(mm as u8), [start, end, pgoff, anon_pgoff, kind]);
        let vma = VmaWords { mm, words, anon_vma: anon_vma(record.anon_slot) };
        digest.put_vma(Placed { slot, serial: record.serial }, &vma, record.slots.iter().copied());
    }
}

/// How many anon_vmas there are from this one up to its root.
fn generation(model: &ShadowState, slot: u32) -> usize {
    let parent = |&slot: &u32| {
        let parent = model.anons[slot as usize].parent_slot;
        (parent != slot).then_some(parent).filter(|&parent| model.anon_vma_in(parent).is_some())
    };
    std::iter::successors(Some(slot), parent).take(model.anons.len()).count()
}
