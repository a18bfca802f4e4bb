//! What the kernel's own page tables held when they were read last, and so which processes see something else now: what is said of
//! the others holds still.

use crate::rmap::{MAX_PROCESSES, MmId};
use crate::trace::{Frame, PageEntry, PageTables, Slot, Target};

/// Every process, a bit each.
pub(super) const ALL: u16 = u16::MAX;

/// The bit of a process.
pub(super) fn process(mm: MmId) -> u16 {
    1 << (usize::from(mm.0) % MAX_PROCESSES)
}

/// As they were.
#[derive(Default)]
pub(super) struct TablesBefore {
    /// By process.
    entries: [Vec<PageEntry>; MAX_PROCESSES],
    frames: Vec<Frame>,
    slots: Vec<Slot>,
    /// By number: whether the frame, or another one of its folio, is not as it was.
    changed: Vec<bool>,
}

impl TablesBefore {
    /// Nothing is known of them: all will have changed.
    pub(super) fn clear(&mut self) {
        self.entries.iter_mut().for_each(Vec::clear);
        self.frames.clear();
        self.slots.clear();
    }

    /// Takes in the tables as they are now. Returns the processes with an entry that is not as it was, or is new or gone, or whose
    /// page is not: the frame, another one of its folio, or its slot of the swap device.
    pub(super) fn take_in(&mut self, now: &PageTables) -> u16 {
        let frames_changed = self.compare_frames(&now.frames);
        let slots_changed = self.slots != now.slots;
        let mut processes = 0;
        for mm in (0..MAX_PROCESSES as u8).map(MmId) {
            let (were, are) = (&self.entries[usize::from(mm.0)], now.entries_of(mm));
            if were != are {
                self.entries[usize::from(mm.0)].clear();
                self.entries[usize::from(mm.0)].extend_from_slice(are);
                processes |= process(mm);
            } else if (frames_changed || slots_changed)
                && are.iter().any(|entry| self.has_changed(entry, now, slots_changed))
            {
                processes |= process(mm);
            }
        }
        if slots_changed {
            self.slots.clone_from(&now.slots);
        }
        processes
    }

    fn has_changed(&self, entry: &PageEntry, now: &PageTables, slots_changed: bool) -> bool {
        let frame = match entry.target {
            Target::Zero => return false,
            Target::Swap { .. } if slots_changed => return true,
            Target::Swap { slot, .. } => now.slot(slot).and_then(|slot| slot.cached),
            Target::Frame(frame)
            | Target::Device { frame, .. }
            | Target::Migration { frame, .. }
            | Target::Poison(frame) => Some(frame),
        };
        frame.is_some_and(|frame| self.changed.get(frame as usize) == Some(&true))
    }

    /// Takes in the frames, and notes which are not as they were. Returns whether one is.
    fn compare_frames(&mut self, now: &[Frame]) -> bool {
        let last = |frames: &[Frame]| frames.last().map_or(0, |frame| frame.frame as usize + 1);
        self.changed.clear();
        self.changed.resize(last(&self.frames).max(last(now)), false);
        let changed = &mut self.changed;
        let mut any = false;
        let mut note = |frame: &Frame| {
            any = true;
            changed[frame.frame as usize] = true;
            changed[frame.head as usize] = true;
        };
        let same_numbers =
            self.frames.len() == now.len() && self.frames.iter().zip(now).all(|(was, is)| was.frame == is.frame);
        if same_numbers {
            for (was, is) in self.frames.iter_mut().zip(now).filter(|(was, is)| was != is) {
                note(was);
                note(is);
                *was = *is;
            }
        } else {
            let (mut were, mut are) = (self.frames.iter().peekable(), now.iter().peekable());
            loop {
                match (were.peek(), are.peek()) {
                    (Some(was), Some(is)) if was.frame == is.frame => {
                        if was != is {
                            note(was);
                            note(is);
                        }
                        were.next();
                        are.next();
                    }
                    (Some(was), is) if is.is_none_or(|is| was.frame < is.frame) => {
                        note(was);
                        were.next();
                    }
                    (_, Some(is)) => {
                        note(is);
                        are.next();
                    }
                    _ => break,
                }
            }
            self.frames.clear();
            self.frames.extend_from_slice(now);
        }
        if any {
            for frame in now.iter().filter(|frame| frame.frame != frame.head) {
                self.changed[frame.frame as usize] |= self.changed[frame.head as usize];
            }
        }
        any
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
        let frames = vec![frame(2, 2), frame(3, 3), frame(4, 4), frame(5, 4), frame(6, 6)];
        let slots = vec![Slot { slot: 1, count: 1, cached: Some(6), content: 0 }];
        PageTables { entries, frames, slots, ..PageTables::default() }
    }

    #[test]
    fn each_change_is_that_of_the_processes_that_see_it() {
        let changed = |change: fn(&mut PageTables)| {
            let mut before = TablesBefore::default();
            assert_eq!(before.take_in(&tables()), 0b111_1110);
            assert_eq!(before.take_in(&tables()), 0);
            let mut now = tables();
            change(&mut now);
            let processes = before.take_in(&now);
            assert_eq!(before.take_in(&now), 0);
            processes
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
        assert_eq!(
            changed(|now| {
                now.frames.remove(1);
            }),
            1 << 2 | 1 << 3
        );
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
}
