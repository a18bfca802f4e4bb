//! The words in which the C tells what its page tables hold.

use super::abi;
use crate::rmap::{AnonVmaId, LargeCounts, MmId};
use crate::trace::{Frame, MmPages, PageEntry, PageTables, PageTotals, Slot, Target};

type Record = abi::rmap_page_stream;

fn is(words: u64, bit: u64) -> bool {
    words & bit != 0
}

/// Pages of a lowest table, and of the entry of a huge page.
const PAGES_OF_A_TABLE: u64 = 512;

/// What an entry says of one page; `device_counts`: what a device has counts as mapped.
fn entry(mm: MmId, page: u64, bits: u64, number: u32, device_counts: bool) -> PageEntry {
    use abi::rmap_page_entry as bit;
    let target = if is(bits, bit::RMAP_ENTRY_ZERO as u64) {
        Target::Zero
    } else if is(bits, bit::RMAP_ENTRY_PRESENT as u64) {
        Target::Frame(number)
    } else if is(bits, bit::RMAP_ENTRY_DEVICE as u64) {
        Target::Device { frame: number, counted: device_counts }
    } else if is(bits, bit::RMAP_ENTRY_MIGRATION as u64) {
        let alone = bit::RMAP_ENTRY_WRITE as u64 | bit::RMAP_ENTRY_SWAP_EXCLUSIVE as u64;
        Target::Migration { frame: number, exclusive: is(bits, alone) }
    } else if is(bits, bit::RMAP_ENTRY_POISON as u64) {
        Target::Poison(number)
    } else {
        Target::Swap { slot: number, exclusive: is(bits, bit::RMAP_ENTRY_SWAP_EXCLUSIVE as u64) }
    };
    PageEntry {
        mm,
        page,
        target,
        writable: is(bits, bit::RMAP_ENTRY_WRITE as u64),
        dirty: is(bits, bit::RMAP_ENTRY_DIRTY as u64),
        accessed: is(bits, bit::RMAP_ENTRY_ACCESSED as u64),
        huge: is(bits, bit::RMAP_ENTRY_HUGE as u64),
        uffd: is(bits, bit::RMAP_ENTRY_UFFD as u64),
        soft_dirty: is(bits, bit::RMAP_ENTRY_SOFT_DIRTY as u64),
    }
}

/// What the C told of its page tables, or of what of them has changed.
#[derive(Default)]
pub(super) struct Told {
    totals: PageTotals,
    /// By process, each with whether its entries were told, and where they end in `entries`.
    mms: Vec<(MmPages, bool, usize)>,
    entries: Vec<PageEntry>,
    frames: Vec<Frame>,
    large: Vec<(u32, LargeCounts)>,
    slots: Vec<Slot>,
    /// Frames that were told of and have gone.
    gone: Vec<u32>,
    /// Room for what is put together.
    room_entries: Vec<PageEntry>,
    room_frames: Vec<Frame>,
    /// Heads of the folios that have changed.
    heads: Vec<u32>,
}

impl Told {
    /// Reads the words; `device_counts`: what a device has counts as mapped. None: they break off, or are no such words: the C met
    /// an entry of what is not there.
    fn read(&mut self, mut words: &[u64], device_counts: bool) -> Option<()> {
        self.mms.clear();
        self.entries.clear();
        self.frames.clear();
        self.large.clear();
        self.slots.clear();
        self.gone.clear();
        while let Some((&tag, rest)) = words.split_first() {
            words = match tag {
                t if t == Record::RMAP_PAGES_TOTALS as u64 => {
                    let (&[frames, tables, cached, slots, anon, file, thps, deferred, counted], rest) =
                        rest.split_first_chunk()?;
                    let [anon_mapped, file_mapped, anon_thps] = [anon, file, thps].map(u64::cast_signed);
                    self.totals = PageTotals {
                        frames,
                        tables,
                        cached,
                        slots,
                        anon_mapped,
                        file_mapped,
                        anon_thps,
                        deferred,
                        deferred_counted: counted,
                    };
                    rest
                }
                t if t == Record::RMAP_PAGES_MM as u64 || t == Record::RMAP_PAGES_MM_SAME as u64 => {
                    let (&[mm, file, anon, swap, shmem, bytes, tables], rest) = rest.split_first_chunk()?;
                    let [file, anon, swap, shmem, table_bytes] = [file, anon, swap, shmem, bytes].map(u64::cast_signed);
                    let pages = MmPages { mm: MmId(mm as u8), file, anon, swap, shmem, table_bytes, tables };
                    self.mms.push((pages, t == Record::RMAP_PAGES_MM as u64, self.entries.len()));
                    rest
                }
                t if t == Record::RMAP_PAGES_ENTRY as u64 => {
                    let (&[mm, page, bits, number], rest) = rest.split_first_chunk()?;
                    let huge = is(bits, abi::rmap_page_entry::RMAP_ENTRY_HUGE as u64);
                    let pages = if huge { PAGES_OF_A_TABLE } else { 1 };
                    for nth in 0..pages {
                        let number = u32::try_from(number + nth).ok()?;
                        self.entries.push(entry(MmId(mm as u8), page + nth, bits, number, device_counts));
                    }
                    rest
                }
                t if t == Record::RMAP_PAGES_FRAME as u64 => self.frame(rest)?,
                t if t == Record::RMAP_PAGES_TAIL as u64 => self.tail(rest)?,
                t if t == Record::RMAP_PAGES_GONE as u64 => {
                    let (&[frame], rest) = rest.split_first_chunk()?;
                    self.gone.push(u32::try_from(frame).ok()?);
                    rest
                }
                t if t == Record::RMAP_PAGES_SLOT as u64 => {
                    let (&[slot, count, cached, content], rest) = rest.split_first_chunk()?;
                    let [slot, cached] = [u32::try_from(slot).ok()?, u32::try_from(cached).ok()?];
                    self.slots.push(Slot { slot, count, cached: (cached != 0).then_some(cached), content });
                    rest
                }
                t if t == Record::RMAP_PAGES_LARGE as u64 => {
                    let (&[frame, bits, mapcounts, pages_mapped, mms], rest) = rest.split_first_chunk()?;
                    let counts = LargeCounts::from_words([bits, mapcounts, pages_mapped, mms]);
                    self.large.push((u32::try_from(frame).ok()?, counts));
                    rest
                }
                _ => return None,
            };
        }
        Some(())
    }

    fn frame<'a>(&mut self, words: &'a [u64]) -> Option<&'a [u64]> {
        use abi::rmap_page_frame as bit;
        let (&[frame, bits, references, mapcount, index, anon_vma, head, content, pins, stored], rest) =
            words.split_first_chunk()?;
        self.frames.push(Frame {
            frame: u32::try_from(frame).ok()?,
            head: u32::try_from(head).ok()?,
            anon: is(bits, bit::RMAP_FRAME_ANON as u64),
            exclusive: is(bits, bit::RMAP_FRAME_EXCLUSIVE as u64),
            swapbacked: is(bits, bit::RMAP_FRAME_SWAPBACKED as u64),
            locked: is(bits, bit::RMAP_FRAME_LOCKED as u64),
            file: is(bits, bit::RMAP_FRAME_FILE as u64),
            not_told: is(bits, bit::RMAP_FRAME_NOT_TOLD as u64),
            swapcache: is(bits, bit::RMAP_FRAME_SWAPCACHE as u64),
            as_told: is(bits, bit::RMAP_FRAME_AS_TOLD as u64),
            references: references.cast_signed(),
            mapcount: mapcount.cast_signed(),
            index,
            anon_vma: anon_vma.checked_sub(1).map(|serial| AnonVmaId(serial as u32)),
            dirty: is(bits, bit::RMAP_FRAME_DIRTY as u64),
            taken_out: is(bits, bit::RMAP_FRAME_TAKEN_OUT as u64),
            poisoned: is(bits, bit::RMAP_FRAME_POISONED as u64),
            kept: is(bits, bit::RMAP_FRAME_KEPT as u64),
            content,
            stored,
            pins,
            migrating: is(bits, bit::RMAP_FRAME_MIGRATING as u64),
            migrated: is(bits, bit::RMAP_FRAME_MIGRATED as u64),
        });
        Some(rest)
    }

    /// All else is as the frame before has it.
    fn tail<'a>(&mut self, words: &'a [u64]) -> Option<&'a [u64]> {
        use abi::rmap_page_frame as bit;
        let (&[frame, bits, mapcount, content], rest) = words.split_first_chunk()?;
        let (frame, before) = (u32::try_from(frame).ok()?, *self.frames.last()?);
        self.frames.push(Frame {
            frame,
            exclusive: is(bits, bit::RMAP_FRAME_EXCLUSIVE as u64),
            poisoned: is(bits, bit::RMAP_FRAME_POISONED as u64),
            kept: is(bits, bit::RMAP_FRAME_KEPT as u64),
            mapcount: mapcount.cast_signed(),
            index: before.index.wrapping_add(u64::from(frame.wrapping_sub(before.frame))),
            content,
            ..before
        });
        Some(rest)
    }

    /// Reads the words, and what they say has changed into what is there. None: see [`Told::read`]; or an entry names a frame
    /// that has gone.
    pub(super) fn take_in(&mut self, words: &[u64], device_counts: bool, out: &mut PageTables) -> Option<()> {
        out.changes.clear();
        self.read(words, device_counts)?;
        let changes = &mut out.changes;
        changes.slots = out.slots != self.slots;
        let same_mms =
            out.mms.len() == self.mms.len() && out.mms.iter().zip(&self.mms).all(|(was, (is, ..))| was == is);
        changes.any = changes.slots || !same_mms || out.totals != self.totals;
        out.totals = self.totals;
        if changes.slots {
            std::mem::swap(&mut out.slots, &mut self.slots);
        }
        if !same_mms || self.mms.iter().any(|(_, told, _)| *told) {
            self.put_entries(out);
        }
        if !self.frames.is_empty() || !self.gone.is_empty() {
            self.put_frames(out);
            self.put_large(out);
            self.note_folios(out);
        }
        let names_gone =
            |entry: &PageEntry| entry.target.mapped_or_lent().is_some_and(|frame| out.frame(frame).is_none());
        (self.gone.is_empty() || !out.entries.iter().any(names_gone)).then_some(())
    }

    /// The entries of processes that were told, and those of others that are still there.
    fn put_entries(&mut self, out: &mut PageTables) {
        self.room_entries.clear();
        let mut first = 0;
        let mut still = 0u16;
        for (pages, told, end) in &self.mms {
            let bit = pages.mm.bit();
            still |= bit;
            let were = out.entries_of(pages.mm);
            let are = if *told { &self.entries[first..*end] } else { were };
            first = *end;
            let changed = *told && were != are;
            self.room_entries.extend_from_slice(are);
            if changed {
                out.changes.processes |= bit;
                out.changes.any = true;
            }
        }
        for entry in &out.entries {
            out.changes.processes |= entry.mm.bit() & !still;
        }
        std::mem::swap(&mut out.entries, &mut self.room_entries);
        out.mms.clear();
        out.mms.extend(self.mms.iter().map(|(pages, ..)| *pages));
    }

    /// The frames that were told, and the others but those that have gone.
    fn put_frames(&mut self, out: &mut PageTables) {
        self.heads.clear();
        let mut as_many = self.gone.is_empty();
        for frame in &self.frames {
            let Some(place) = out.place(frame.frame) else {
                as_many = false;
                break;
            };
            let was = &mut out.frames[place];
            if was != frame {
                out.changes.note_frame(frame.frame);
                self.heads.extend([was.head, frame.head]);
                *was = *frame;
            }
        }
        if as_many {
            return;
        }
        self.room_frames.clear();
        let mut told = self.frames.iter().copied().peekable();
        let mut gone = self.gone.iter().copied().peekable();
        let changes = &mut out.changes;
        let mut is_new = |frame: &Frame| {
            changes.note_frame(frame.frame);
            self.heads.push(frame.head);
        };
        for was in &out.frames {
            while let Some(frame) = told.next_if(|frame| frame.frame < was.frame) {
                is_new(&frame);
                self.room_frames.push(frame);
            }
            if let Some(frame) = told.next_if(|frame| frame.frame == was.frame) {
                if *was != frame {
                    is_new(was);
                    is_new(&frame);
                }
                self.room_frames.push(frame);
            } else if gone.next_if(|&frame| frame == was.frame).is_some() {
                is_new(was);
            } else {
                self.room_frames.push(*was);
            }
        }
        for frame in told {
            is_new(&frame);
            self.room_frames.push(frame);
        }
        std::mem::swap(&mut out.frames, &mut self.room_frames);
        out.note_places();
    }

    /// What large folios count, of those that were told and of the others but those that have gone.
    fn put_large(&mut self, out: &mut PageTables) {
        if out.large.is_empty() && self.large.is_empty() {
            return;
        }
        for (head, counts) in &self.large {
            if !out.large.contains(&(*head, *counts)) {
                self.heads.push(*head);
            }
        }
        let is_told = |head: u32| self.frames.binary_search_by_key(&head, |frame| frame.frame).is_ok();
        out.large.retain(|(head, _)| !is_told(*head) && !self.gone.contains(head));
        out.large.extend_from_slice(&self.large);
        out.large.sort_unstable_by_key(|(head, _)| *head);
    }

    /// With a frame all of its folio is noted as changed.
    fn note_folios(&mut self, out: &mut PageTables) {
        self.heads.sort_unstable();
        self.heads.dedup();
        for frame in self.frames.iter().filter(|frame| self.heads.binary_search(&frame.head).is_ok()) {
            out.changes.note_frame(frame.frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mm: u8, page: u64, target: Target) -> PageEntry {
        let [writable, dirty, accessed, huge, uffd, soft_dirty] = [false; 6];
        PageEntry { mm: MmId(mm), page, target, writable, dirty, accessed, huge, uffd, soft_dirty }
    }

    /// Process 1 has a frame of its own, 2 and 3 share one, 4 has a page of a folio of two, 5 a slot that is cached, 6 the zero page.
    fn tables() -> PageTables {
        let swap = Target::Swap { slot: 1, exclusive: false };
        let entries = vec![
            entry(1, 4, Target::Frame(2)),
            entry(2, 4, Target::Frame(3)),
            entry(3, 4, Target::Frame(3)),
            entry(4, 4, Target::Frame(4)),
            entry(5, 4, swap),
            entry(6, 4, Target::Zero),
        ];
        let frame = |frame, head| Frame { frame, head, ..Frame::default() };
        let mms =
            (0..8).map(|mm| MmPages { mm: MmId(mm), file: 0, anon: 0, swap: 0, shmem: 0, table_bytes: 0, tables: 0 });
        let frames = vec![frame(2, 2), frame(3, 3), frame(4, 4), frame(5, 4), frame(6, 6)];
        let slots = vec![Slot { slot: 1, count: 1, cached: Some(6), content: 0 }];
        PageTables { mms: mms.collect(), entries, frames, slots, ..PageTables::default() }
    }

    /// How the C would tell what is there now, to somebody who knows what was there before.
    fn words(before: &PageTables, now: &PageTables) -> Vec<u64> {
        let mut words = vec![Record::RMAP_PAGES_TOTALS as u64, 0, 0, now.totals.cached, 0, 0, 0, 0, 0, 0];
        for mm in (0..8).map(MmId) {
            let (were, are) = (before.entries_of(mm), now.entries_of(mm));
            let all = if were == are { &[] } else { are };
            for entry in all {
                let (bits, number) = match entry.target {
                    Target::Zero => (abi::rmap_page_entry::RMAP_ENTRY_ZERO, 0),
                    Target::Swap { slot, .. } => (abi::rmap_page_entry::RMAP_ENTRY_SWAP, slot),
                    _ => (abi::rmap_page_entry::RMAP_ENTRY_PRESENT, entry.target.frame().unwrap()),
                };
                let write = if entry.writable { abi::rmap_page_entry::RMAP_ENTRY_WRITE as u64 } else { 0 };
                let record = Record::RMAP_PAGES_ENTRY as u64;
                words.extend([record, u64::from(mm.0), entry.page, bits as u64 | write, u64::from(number)]);
            }
            let same = if were == are { Record::RMAP_PAGES_MM_SAME } else { Record::RMAP_PAGES_MM };
            words.extend([same as u64, u64::from(mm.0), 0, 0, 0, 0, 0, 0]);
        }
        let folio =
            |tables: &PageTables, head| tables.frames.iter().filter(|f| f.head == head).copied().collect::<Vec<_>>();
        for number in 0..8 {
            let (was, is) = (before.frame(number), now.frame(number));
            let Some(is) = is else {
                words.extend(was.iter().flat_map(|_| [Record::RMAP_PAGES_GONE as u64, u64::from(number)]));
                continue;
            };
            if was.is_some() && folio(before, is.head) == folio(now, is.head) {
                continue;
            }
            let (references, mapcount) = (is.references.cast_unsigned(), is.mapcount.cast_unsigned());
            words.extend([Record::RMAP_PAGES_FRAME as u64, u64::from(number), 0, references, mapcount, 0, 0]);
            words.extend([u64::from(is.head), is.content, 0, 0]);
        }
        for slot in &now.slots {
            let cached = slot.cached.map_or(0, u64::from);
            words.extend([Record::RMAP_PAGES_SLOT as u64, u64::from(slot.slot), slot.count, cached, slot.content]);
        }
        words
    }

    #[test]
    fn each_change_is_that_of_the_processes_that_see_it() {
        let changed = |change: fn(&mut PageTables)| {
            let (before, mut now) = (tables(), tables());
            change(&mut now);
            let (mut told, mut read) = (Told::default(), PageTables::default());
            told.take_in(&words(&PageTables::default(), &before), true, &mut read).unwrap();
            assert_eq!((&read, read.processes_changed()), (&before, 0b111_1110));
            told.take_in(&words(&before, &before), true, &mut read).unwrap();
            assert_eq!((&read, read.changes.any), (&before, false));
            told.take_in(&words(&before, &now), true, &mut read).unwrap();
            assert_eq!((&read, read.changes.any), (&now, true));
            read.processes_changed()
        };
        assert_eq!(changed(|now| now.entries[1].writable = true), 1 << 2);
        assert_eq!(
            changed(|now| {
                now.entries.remove(0);
            }),
            1 << 1
        );
        assert_eq!(changed(|now| now.frames[0].content = 7), 1 << 1);
        assert_eq!(changed(|now| now.frames[1].references = 7), 1 << 2 | 1 << 3);
        // The other page of its folio, which it leaves, or that is gone.
        assert_eq!(changed(|now| now.frames[3].mapcount = 1), 1 << 4);
        assert_eq!(changed(|now| now.frames[3].head = 5), 1 << 4);
        assert_eq!(
            changed(|now| {
                now.frames.remove(3);
            }),
            1 << 4
        );
        assert_eq!(changed(|now| now.frames[4].content = 7), 1 << 5);
        assert_eq!(changed(|now| now.slots[0].count = 7), 1 << 5);
        assert_eq!(changed(|now| now.totals.cached = 7), 0);
    }

    #[test]
    fn an_entry_of_a_frame_that_has_gone_cannot_be_read() {
        let (before, mut now) = (tables(), tables());
        now.frames.remove(0);
        let (mut told, mut read) = (Told::default(), PageTables::default());
        told.take_in(&words(&PageTables::default(), &before), true, &mut read).unwrap();
        assert_eq!(told.take_in(&words(&before, &now), true, &mut read), None);
    }
}
