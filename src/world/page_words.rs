//! The words for the key of a state that say what its page tables hold. Frames and slots of the swap device are named in the order
//! in which they are first met, as other objects are. What is in a page is no part of it: no code looks at that.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Process, World};
use crate::pages::{entry_bits, frame_bits};
use crate::rmap::{LargeCounts, MmId};
use crate::trace::{PageTables, Target};

/// Things by their numbers, in the order in which they are first met; the name of each is its place.
#[derive(Default)]
struct Met {
    order: Vec<u32>,
    names: FxHashMap<u32, u64>,
}

impl Met {
    fn name(&mut self, number: u32) -> u64 {
        let next = self.order.len() as u64;
        let name = *self.names.entry(number).or_insert(next);
        if name == next {
            self.order.push(number);
        }
        name
    }
}

/// Names, in the order in which things are first met.
#[derive(Default)]
pub(super) struct PageNames {
    frames: Met,
    slots: Met,
    /// Folios whose frames all have names.
    folios: FxHashSet<u32>,
}

impl PageNames {
    /// Of one process: its entries and its counters.
    pub(super) fn process(&mut self, world: &World, process: &Process, words: &mut Vec<u64>) {
        let Some(tables) = &world.tables else { return };
        for entry in world.entries_of(process.mm) {
            let named = match entry.target {
                Target::Zero => 0,
                Target::Swap { slot, .. } => self.slots.name(slot),
                Target::Frame(frame)
                | Target::Device { frame, .. }
                | Target::Migration { frame, .. }
                | Target::Poison(frame) => self.frames.name(frame),
            };
            words.extend([entry.page, entry_bits(entry), named]);
        }
        let counts = tables.mms.iter().filter(|counts| counts.mm == process.mm);
        words.extend(
            counts.flat_map(|mm| [mm.file, mm.anon, mm.swap, mm.shmem, mm.table_bytes].map(i64::cast_unsigned)),
        );
        words.push(u64::MAX);
    }

    /// Of the frames and slots that were named, then of the others by their numbers.
    pub(super) fn others(mut self, tables: &PageTables, order: &[MmId], words: &mut Vec<u64>) {
        let mut slots = 0;
        let mut frames = 0;
        for frame in &tables.frames {
            self.named(tables, order, (&mut frames, &mut slots), words);
            self.frames.name(frame.frame);
        }
        for slot in &tables.slots {
            self.named(tables, order, (&mut frames, &mut slots), words);
            self.slots.name(slot.slot);
        }
        self.named(tables, order, (&mut frames, &mut slots), words);
    }

    /// What was named and not said yet; a folio's frames are named together.
    fn named(
        &mut self,
        tables: &PageTables,
        order: &[MmId],
        (frames, slots): (&mut usize, &mut usize),
        words: &mut Vec<u64>,
    ) {
        while *frames < self.frames.order.len() || *slots < self.slots.order.len() {
            if let Some(slot) = self.slots.order.get(*slots).and_then(|&number| tables.slot(number)) {
                words.extend([slot.count, slot.cached.map_or(0, |frame| 1 + self.frames.name(frame))]);
            }
            *slots = (*slots + 1).min(self.slots.order.len());
            if let Some(frame) = self.frames.order.get(*frames).and_then(|&number| tables.frame(number)) {
                if self.folios.insert(frame.head) {
                    for of_folio in tables.frames_of(frame.head) {
                        self.frames.name(of_folio.frame);
                    }
                }
                words.extend([self.frames.name(frame.head), frame_bits(frame), frame.index, frame.pins]);
                words.extend([frame.references, frame.mapcount].map(i64::cast_unsigned));
                let large = tables.large.iter().find(|(head, _)| *head == frame.frame);
                words.extend(large.into_iter().flat_map(|(_, counts)| large_words(counts, order)));
            }
            *frames = (*frames + 1).min(self.frames.order.len());
        }
    }
}

/// With the mms that it remembers renamed.
fn large_words(counts: &LargeCounts, order: &[MmId]) -> Vec<u64> {
    let mut renamed = *counts;
    for mm in &mut renamed.mms {
        if let Some(at) = order.iter().position(|process| u32::from(process.0) + 1 == u32::from(mm.id)) {
            mm.id = at as u16 + 1;
        }
    }
    renamed.words().into()
}
