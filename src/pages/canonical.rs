//! Page tables with numbers that follow from the state, so that equal states are said in the same words.
//!
//! Frames and slots get the next number when an entry names them for the first time: processes by number, entries by page.
//! The frames of a folio get their numbers together. What no entry names comes last: pages of the swap cache by slot, then
//! the others by what they are of.

use rustc_hash::FxHashMap;

use super::listing::frame_number;
use crate::rmap::{AnonVmaId, LargeCounts};
use crate::trace::{Frame, PageEntry, PageTables, Slot, Target};

struct Names<'a> {
    tables: &'a PageTables,
    frames: FxHashMap<u32, u32>,
    slots: FxHashMap<u32, u32>,
}

impl Names<'_> {
    fn frame(&mut self, number: u32) -> u32 {
        if let Some(&name) = self.frames.get(&number) {
            return name;
        }
        // One whose memory has failed may be in no folio any more.
        let head = self.tables.frame(number).map_or(number, |frame| frame.head);
        let pages = self.tables.frames_of(head).len().max(1) as u32;
        let next = self.frames.len() as u32;
        self.frames.extend((0..pages).map(|page| (head + page, next + page)));
        self.frames.get(&number).copied().unwrap_or(next)
    }

    fn slot(&mut self, number: u32) -> u32 {
        let next = self.slots.len() as u32;
        *self.slots.entry(number).or_insert(next)
    }
}

/// The same tables with other numbers. `anon_vma` says what an anon_vma is called.
pub fn canonical(tables: &PageTables, anon_vma: impl Fn(AnonVmaId) -> Option<u32>) -> PageTables {
    let mut names = Names { tables, frames: FxHashMap::default(), slots: FxHashMap::default() };
    for entry in &tables.entries {
        match entry.target {
            Target::Swap { slot, .. } => _ = names.slot(slot),
            target => _ = frame_number(target).map(|number| names.frame(number)),
        }
    }
    let mut slots: Vec<&Slot> = tables.slots.iter().collect();
    slots.sort_by_key(|slot| names.slots.get(&slot.slot).copied().unwrap_or(u32::MAX));
    for slot in &slots {
        if names.slots.contains_key(&slot.slot)
            && let Some(frame) = slot.cached
        {
            names.frame(frame);
        }
    }
    let called = |frame: &Frame| frame.anon_vma.and_then(&anon_vma);
    let mut heads: Vec<&Frame> = tables.frames.iter().filter(|frame| frame.frame == frame.head).collect();
    heads.sort_by_key(|frame| {
        let flags = (frame.anon, frame.swapbacked, frame.dirty, frame.swapcache, frame.migrating);
        (called(frame), frame.file, frame.index, tables.frames_of(frame.head).len(), flags, frame.references)
    });
    heads.into_iter().for_each(|frame| _ = names.frame(frame.frame));
    slots.sort_by_key(|slot| (slot.cached.map(|frame| names.frame(frame)), slot.count));
    slots.into_iter().for_each(|slot| _ = names.slot(slot.slot));

    let mut named = PageTables { totals: tables.totals, mms: tables.mms.clone(), ..PageTables::default() };
    named.entries = tables.entries.iter().map(|entry| entry_named(entry, &mut names)).collect();
    named.frames = tables
        .frames
        .iter()
        .map(|frame| {
            let (number, head) = (names.frame(frame.frame), names.frame(frame.head));
            Frame { frame: number, head, anon_vma: called(frame).map(AnonVmaId), ..*frame }
        })
        .collect();
    named.frames.sort_by_key(|frame| frame.frame);
    named.large = tables.large.iter().map(|&(head, counts)| (names.frame(head), counts)).collect();
    named.large.sort_by_key(|(head, _): &(u32, LargeCounts)| *head);
    named.slots = tables
        .slots
        .iter()
        .map(|slot| {
            let cached = slot.cached.map(|frame| names.frame(frame));
            Slot { slot: names.slot(slot.slot), cached, ..*slot }
        })
        .collect();
    named.slots.sort_by_key(|slot| slot.slot);
    named.note_places();
    named
}

fn entry_named(entry: &PageEntry, names: &mut Names<'_>) -> PageEntry {
    let target = match entry.target {
        Target::Zero => Target::Zero,
        Target::Frame(frame) => Target::Frame(names.frame(frame)),
        Target::Device { frame, counted } => Target::Device { frame: names.frame(frame), counted },
        Target::Poison(frame) => Target::Poison(names.frame(frame)),
        Target::Swap { slot, exclusive } => Target::Swap { slot: names.slot(slot), exclusive },
        Target::Migration { frame, exclusive } => Target::Migration { frame: names.frame(frame), exclusive },
    };
    PageEntry { target, ..*entry }
}
