//! What the oracle knows of a side: the last record told of each object, and counts of its own.
//!
//! Records live in slots that are used again, found by serial: memory goes with the objects alive, but for four bytes for each
//! that a trace has made. A chain entry keeps the slot of its anon_vma, so that a check of a chain costs no lookup.

use std::cell::Cell;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::record::{AnonVmaRecord, NONE, VmaRecord};
use super::slots::Slots;
use super::words::{self, ANON_VMA_HEAD, Record, Records, same_words};
use crate::check::walk::Walks;
use crate::pages::ChangedPages;
use crate::rmap::{FolioId, MAX_PROCESSES, MmId, StateError};

/// So many folios are kept apart. Where more have changed, every page counts as changed.
const CHANGED_FOLIOS_MAX: usize = 64;

/// What must not change in a failed call.
#[derive(Clone, Copy)]
pub(super) struct MustNotChange {
    /// But this VMA may.
    pub(super) except: u32,
}

/// Something changed that had to stay.
pub(super) enum Changed {
    Vma(u32),
    AnonVma(u32),
    NewAnonVma(u32),
}

/// What a folio was given last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FolioRecord {
    /// The serial of the anon_vma.
    pub(super) mapping: u32,
    /// `folio->index`
    pub(super) index: u64,
    /// It has several pages.
    pub(super) large: bool,
}

/// Slots whose object changed, came or went; in any order, and more than once.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) vmas: Vec<u32>,
    pub(super) anon_vmas: Vec<u32>,
}

impl Journal {
    fn clear(&mut self) {
        self.vmas.clear();
        self.anon_vmas.clear();
    }
}

/// All records.
#[derive(Default)]
pub(super) struct ShadowState {
    folios: Vec<Option<FolioRecord>>,
    /// References that folio_get_anon_vma() gave, by anon_vma.
    pins: FxHashMap<u32, u32>,
    /// Pages that lie in a VMA that changed since somebody asked, or did.
    pub(super) changed: ChangedPages,
    /// Folios that were given another anon_vma or index since somebody asked, or have none any more.
    pub(super) changed_folios: Vec<FolioId>,
    /// The folio that the last call gave the anon_vma of a VMA that has it alone.
    pub(super) moved: Option<u32>,
    /// The walks of the operation.
    pub(super) walks: Walks,
    /// The greatest number of VMAs at any time.
    pub(super) peak_vmas: usize,
    vma_slots: Slots,
    anon_slots: Slots,
    pub(super) vmas: Vec<VmaRecord>,
    pub(super) anons: Vec<AnonVmaRecord>,
    free_vmas: Vec<u32>,
    free_anons: Vec<u32>,
    pub(super) dirty_vmas: Vec<u32>,
    pub(super) dirty_anons: Vec<u32>,
    /// Slots of anon_vmas freed in this operation.
    pub(super) graveyard: Vec<u32>,
    /// What changed since somebody who wants it asked; none: nobody does.
    pub(super) journal: Option<Box<Journal>>,
    /// The last mark given out.
    stamp: Cell<u64>,
}

impl ShadowState {
    /// A mark that no anon_vma has, to make a set of some with.
    pub(super) fn new_stamp(&self) -> u64 {
        self.stamp.set(self.stamp.get() + 1);
        self.stamp.get()
    }

    /// Forgets everything but the memory it has.
    pub(super) fn reset(&mut self) {
        self.vma_slots.drain(|slot| {
            self.vmas[slot as usize].dirty = false;
            self.free_vmas.push(slot);
        });
        self.anon_slots.drain(|slot| self.free_anons.push(slot));
        self.free_anons.append(&mut self.graveyard);
        self.dirty_vmas.clear();
        self.dirty_anons.clear();
        self.folios.clear();
        self.pins.clear();
        self.walks.clear();
        self.changed.clear();
        self.changed_folios.clear();
        self.peak_vmas = 0;
        if let Some(journal) = &mut self.journal {
            journal.clear();
        }
    }

    /// The folio of that number, if it has an anon_vma.
    pub(super) fn folio(&self, number: u32) -> Option<FolioRecord> {
        *self.folios.get(number as usize)?
    }

    pub(super) fn set_folio(&mut self, number: u32, record: Option<FolioRecord>) {
        let at = number as usize;
        if at >= self.folios.len() {
            self.folios.resize(at + 1, None);
        }
        let before = std::mem::replace(&mut self.folios[at], record);
        if before.is_some_and(|_| before != record) && self.changed_folios.last() != Some(&FolioId(number)) {
            if self.changed_folios.len() == CHANGED_FOLIOS_MAX {
                self.changed_folios.clear();
                (0..MAX_PROCESSES as u8).for_each(|mm| self.changed.note_all(MmId(mm)));
            }
            self.changed_folios.push(FolioId(number));
        }
    }

    /// A reference from outside is taken.
    pub(super) fn pin(&mut self, serial: u32, call: u32) {
        *self.pins.entry(serial).or_default() += 1;
        if let Some(slot) = self.anon_slots.get(serial) {
            self.touch_anon(slot, call);
        }
    }

    /// One is dropped.
    pub(super) fn unpin(&mut self, serial: u32, call: u32) {
        if let Some(count) = self.pins.get_mut(&serial) {
            *count -= 1;
            if *count == 0 {
                self.pins.remove(&serial);
            }
        }
        if let Some(slot) = self.anon_slots.get(serial) {
            self.touch_anon(slot, call);
        }
    }

    /// References from outside on an anon_vma.
    pub(super) fn pins_on(&self, serial: u32) -> u32 {
        if self.pins.is_empty() { 0 } else { self.pins.get(&serial).copied().unwrap_or(0) }
    }

    /// All references from outside.
    pub(super) fn pins(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.pins.iter().map(|(&serial, &count)| (serial, count))
    }

    /// Slots of live anon_vmas that no VMA is attached to any more, and that only a reference from outside keeps.
    fn emptied(&self) -> impl Iterator<Item = u32> + '_ {
        let slots = self.pins.keys().filter_map(|&serial| self.anon_slots.get(serial));
        slots.filter(|&slot| self.anons[slot as usize].known && self.anons[slot as usize].attached == 0)
    }

    /// How many live anon_vmas with VMAs have it as their parent. Those without have left it.
    pub(super) fn children_of(&self, slot: u32) -> u32 {
        let record = &self.anons[slot as usize];
        if self.pins.is_empty() {
            return record.children;
        }
        let own = record.parent_slot == slot && record.attached == 0;
        let left = self.emptied().filter(|&child| child != slot && self.anons[child as usize].parent_slot == slot);
        record.children - left.count() as u32 - u32::from(own)
    }

    /// How many VMAs and anon_vmas are known.
    pub(super) fn live(&self) -> (usize, usize) {
        (self.vma_slots.len(), self.anon_slots.len())
    }

    /// The live VMA of that serial.
    pub(super) fn vma(&self, serial: u32) -> Option<&VmaRecord> {
        self.vma_slots.get(serial).map(|slot| &self.vmas[slot as usize])
    }

    /// The live VMA in a slot.
    pub(super) fn vma_in(&self, slot: u32) -> Option<&VmaRecord> {
        let record = self.vmas.get(slot as usize)?;
        (self.vma_slots.get(record.serial) == Some(slot)).then_some(record)
    }

    /// The live anon_vma in a slot.
    pub(super) fn anon_vma_in(&self, slot: u32) -> Option<&AnonVmaRecord> {
        let record = self.anons.get(slot as usize)?;
        (record.known && self.anon_slots.get(record.serial) == Some(slot)).then_some(record)
    }

    /// The slot of a live anon_vma.
    pub(super) fn slot_of_anon_vma(&self, serial: u32) -> Option<u32> {
        self.anon_slots.get(serial).filter(|&slot| self.anons[slot as usize].known)
    }

    /// The live anon_vma of that serial.
    pub(super) fn anon_vma(&self, serial: u32) -> Option<&AnonVmaRecord> {
        self.anon_slots.get(serial).map(|slot| &self.anons[slot as usize]).filter(|a| a.known)
    }

    /// The same, by serial; 0 for one that is not live.
    pub(super) fn children_of_serial(&self, serial: u32) -> u32 {
        self.anon_slots.get(serial).map_or(0, |slot| self.children_of(slot))
    }

    fn vma_slot(&mut self, serial: u32) -> u32 {
        if let Some(slot) = self.vma_slots.get(serial) {
            return slot;
        }
        let slot = self.free_vmas.pop().unwrap_or_else(|| {
            self.vmas.push(VmaRecord::default());
            (self.vmas.len() - 1) as u32
        });
        let record = &mut self.vmas[slot as usize];
        record.told.clear();
        record.slots.clear();
        (record.serial, record.dirty, record.anon_slot) = (serial, false, NONE);
        (record.previous, record.next) = (NONE, NONE);
        self.vma_slots.insert(serial, slot);
        slot
    }

    fn anon_slot(&mut self, serial: u32) -> u32 {
        if let Some(slot) = self.anon_slots.get(serial) {
            return slot;
        }
        let slot = self.free_anons.pop().unwrap_or_else(|| {
            self.anons.push(AnonVmaRecord::default());
            (self.anons.len() - 1) as u32
        });
        let record = &mut self.anons[slot as usize];
        let mut tree = std::mem::take(&mut record.tree);
        tree.clear();
        *record = AnonVmaRecord { serial, root_slot: NONE, parent_slot: NONE, first: NONE, ..AnonVmaRecord::default() };
        record.tree = tree;
        self.anon_slots.insert(serial, slot);
        slot
    }

    fn touch_anon(&mut self, slot: u32, call: u32) -> &mut AnonVmaRecord {
        let record = &mut self.anons[slot as usize];
        record.call = call;
        if !record.dirty {
            record.dirty = true;
            self.dirty_anons.push(slot);
        }
        record
    }

    /// Takes in what a side told after call number `call` of the operation. With `frozen`, what
    /// was known before must be told unchanged: `thawed` is called for the rest.
    pub(super) fn apply(
        &mut self,
        stream: &[u64],
        call: u32,
        frozen: Option<MustNotChange>,
        mut thawed: impl FnMut(Changed),
    ) -> Result<(), StateError> {
        let mut records = Records::new(stream);
        for record in &mut records {
            match record {
                Record::Folio(told, large) => {
                    let mapping = (told[1] as u32).checked_sub(1);
                    let record = mapping.map(|mapping| FolioRecord { mapping, index: told[2], large });
                    self.set_folio(told[0] as u32, record);
                }
                Record::Vma(told) => {
                    let serial = told[0] as u32;
                    if self.apply_vma(serial, told, call) && frozen.is_some_and(|f| f.except != serial) {
                        thawed(Changed::Vma(serial));
                    }
                }
                Record::AnonVma(head, tree) => {
                    let serial = head[0] as u32;
                    if frozen.is_some() {
                        match self.anon_vma(serial) {
                            None => thawed(Changed::NewAnonVma(serial)),
                            Some(before) if !before.tells_the_same(head, tree) => thawed(Changed::AnonVma(serial)),
                            Some(_) => {}
                        }
                    }
                    self.apply_anon_vma(serial, head, tree, call);
                }
            }
        }
        records.end()
    }

    /// The same for a call that is no rmap call: it can change the VMAs that it was given, which
    /// come first, and nothing else that is told.
    pub(super) fn apply_vmas(&mut self, stream: &[u64], call: u32) -> Result<(), StateError> {
        let mut records = Records::new(stream);
        for record in &mut records {
            match record {
                Record::Vma(told) => self.apply_vma(told[0] as u32, told, call),
                Record::AnonVma(..) | Record::Folio(..) => return Ok(()),
            };
        }
        records.end()
    }

    /// Returns whether it changed.
    fn apply_vma(&mut self, serial: u32, told: &[u64], call: u32) -> bool {
        let slot = self.vma_slot(serial);
        self.peak_vmas = self.peak_vmas.max(self.vma_slots.len());
        let record = &mut self.vmas[slot as usize];
        if same_words(&record.told, told) {
            return false;
        }
        let changed = &mut self.changed;
        [&record.told[..], told].into_iter().for_each(|told| note_pages(changed, told));
        if record.told.get(3..).is_some_and(|rest| same_words(rest, &told[3..])) && record.told[1] == told[1] {
            // No invariant speaks of the rest: attached.
            record.told[..3].copy_from_slice(&told[..3]);
            return true;
        }
        let moved = record.told.get(3..7).is_some_and(|range| range != &told[3..7]);
        let same_chain = record.told.get(words::VMA_ANON_VMA + 1..) == Some(&told[words::VMA_ANON_VMA + 1..]);
        record.call = call;
        if !record.dirty {
            record.dirty = true;
            self.dirty_vmas.push(slot);
        }
        record.told.clear();
        record.told.extend_from_slice(told);

        if !same_chain || moved {
            // What it leaves must not hold it any more, whether or not the tree is told again.
            let mut slots = std::mem::take(&mut self.vmas[slot as usize].slots);
            for &anon in &slots {
                let anon = self.touch_anon(anon, call);
                anon.attached -= 1;
                anon.tree_dirty = true;
            }
            slots.clear();
            for link in told[words::VMA_HEAD..].chunks_exact(3) {
                let anon = self.anon_slot(link[1] as u32);
                slots.push(anon);
                let anon = self.touch_anon(anon, call);
                anon.attached += 1;
                anon.tree_dirty = true;
            }
            self.vmas[slot as usize].slots = slots;
        }
        let anon_slot = match told[words::VMA_ANON_VMA] {
            0 => NONE,
            anon => self.anon_slot((anon - 1) as u32),
        };
        if anon_slot != self.vmas[slot as usize].anon_slot {
            self.leave_list(slot, call);
            self.join_list(slot, anon_slot, call);
        }
        true
    }

    fn leave_list(&mut self, slot: u32, call: u32) {
        let record = &mut self.vmas[slot as usize];
        let (anon, previous, next) = (record.anon_slot, record.previous, record.next);
        (record.anon_slot, record.previous, record.next) = (NONE, NONE, NONE);
        if anon == NONE {
            return;
        }
        if previous == NONE {
            self.anons[anon as usize].first = next;
        } else {
            self.vmas[previous as usize].next = next;
        }
        if next != NONE {
            self.vmas[next as usize].previous = previous;
        }
        self.touch_anon(anon, call).active -= 1;
    }

    fn join_list(&mut self, slot: u32, anon: u32, call: u32) {
        if anon == NONE {
            return;
        }
        let record = self.touch_anon(anon, call);
        record.active += 1;
        let next = std::mem::replace(&mut record.first, slot);
        if next != NONE {
            self.vmas[next as usize].previous = slot;
        }
        let record = &mut self.vmas[slot as usize];
        (record.anon_slot, record.previous, record.next) = (anon, NONE, next);
    }

    fn apply_anon_vma(&mut self, serial: u32, head: &[u64; ANON_VMA_HEAD], tree: &[u64], call: u32) {
        let slot = self.anon_slot(serial);
        let told = &head[1..];
        let record = &mut self.anons[slot as usize];
        if record.known && record.told == *told && record.tree == tree {
            return;
        }
        let same_line = record.known && record.told[..2] == told[..2];
        if record.tree != tree {
            record.tree.clear();
            record.tree.extend_from_slice(tree);
            record.tree_len = words::tree_len(tree);
            record.tree_dirty = true;
        }
        // A moved leftmost needs the tree to be seen again as well.
        record.tree_dirty |= record.told[5] != told[5];
        record.told.copy_from_slice(told);
        self.touch_anon(slot, call);
        if !same_line {
            self.leave_parents(slot, call);
            self.join_parents(slot, call);
        }
    }

    fn leave_parents(&mut self, slot: u32, call: u32) {
        let record = &self.anons[slot as usize];
        let (root, parent) = (record.root_slot, record.parent_slot);
        if parent != NONE {
            self.touch_anon(parent, call).children -= 1;
        }
        if root != NONE && root != slot {
            self.touch_anon(root, call).descendants -= 1;
        }
        let record = &mut self.anons[slot as usize];
        (record.known, record.root_slot, record.parent_slot) = (false, NONE, NONE);
    }

    fn join_parents(&mut self, slot: u32, call: u32) {
        let told = self.anons[slot as usize].told;
        let (root, parent) = (self.anon_slot(told[0] as u32), self.anon_slot(told[1] as u32));
        self.touch_anon(parent, call).children += 1;
        if root != slot {
            self.touch_anon(root, call).descendants += 1;
        }
        let record = &mut self.anons[slot as usize];
        (record.known, record.root_slot, record.parent_slot) = (true, root, parent);
    }

    /// A VMA is freed. Returns how many chain entries it had still: its anon_vmas go on counting them.
    pub(super) fn free_vma(&mut self, serial: u32, call: u32) -> usize {
        let Some(slot) = self.vma_slots.remove(serial) else { return 0 };
        self.leave_list(slot, call);
        self.free_vmas.push(slot);
        if let Some(journal) = &mut self.journal {
            journal.vmas.push(slot);
        }
        let record = &mut self.vmas[slot as usize];
        record.dirty = false;
        note_pages(&mut self.changed, &record.told);
        record.slots.len()
    }

    /// An anon_vma is freed. Its slot stays until the end of the operation.
    pub(super) fn free_anon_vma(&mut self, serial: u32, call: u32) {
        let Some(slot) = self.anon_slots.remove(serial) else { return };
        self.leave_parents(slot, call);
        // A child without VMAs has left it already, and outlives it for its references.
        let orphans: SmallVec<[u32; 8]> =
            self.emptied().filter(|&child| self.anons[child as usize].parent_slot == slot).collect();
        for child in orphans {
            self.anons[child as usize].parent_slot = NONE;
            self.anons[slot as usize].children -= 1;
        }
        self.graveyard.push(slot);
    }

    /// A whole state was told, and then the references from outside: parents that are gone are those of children without VMAs.
    pub(super) fn leave_gone_parents(&mut self) {
        let gone = |child: &u32| {
            let parent = self.anons[*child as usize].parent_slot;
            parent != NONE && !self.anons[parent as usize].known
        };
        let orphans: SmallVec<[u32; 8]> = self.emptied().filter(gone).collect();
        for child in orphans {
            let parent = std::mem::replace(&mut self.anons[child as usize].parent_slot, NONE);
            self.anons[parent as usize].children -= 1;
        }
    }

    /// A slot that was named for a while, but never told, and is not named any more.
    pub(super) fn forget_unknown(&mut self, slot: u32) {
        let serial = self.anons[slot as usize].serial;
        if self.anon_slots.get(serial) == Some(slot) {
            self.anon_slots.remove(serial);
            self.free_anons.push(slot);
        }
    }

    /// After the freed of this operation have been looked at: their slots are free again.
    pub(super) fn bury(&mut self) {
        self.free_anons.append(&mut self.graveyard);
    }
}

/// The pages of a VMA, as it was told; none if it was not.
fn note_pages(changed: &mut ChangedPages, told: &[u64]) {
    if let [_, mm, _, start, end, ..] = *told {
        changed.note(MmId(mm as u8), start, end);
    }
}
