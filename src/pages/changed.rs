//! The pages at which something has changed since somebody looked: what has to be checked again, and nothing else.

use crate::rmap::{MAX_PROCESSES, MmId};

/// So many ranges are kept apart. Where there are more, all pages of their processes count as changed.
const RANGES_MAX: usize = 24;

/// Ranges of pages, by process.
#[derive(Clone, Default, Debug)]
pub struct ChangedPages {
    /// A process, the first page and one past the last, in any order.
    ranges: Vec<(MmId, u64, u64)>,
    /// Processes of which every page counts, a bit each.
    whole: u16,
}

impl ChangedPages {
    /// Something changed at the pages `start..end` of a process.
    #[inline]
    pub fn note(&mut self, mm: MmId, start: u64, end: u64) {
        if start >= end || self.whole & process(mm) != 0 {
            return;
        }
        // Several calls change one VMA in turn.
        if self.ranges.last().is_some_and(|&(of, from, to)| of == mm && from <= start && end <= to) {
            return;
        }
        if self.ranges.len() == RANGES_MAX {
            self.ranges.drain(..).for_each(|(mm, ..)| self.whole |= process(mm));
            return self.note_all(mm);
        }
        self.ranges.push((mm, start, end));
    }

    /// Something may have changed at every page of a process.
    pub fn note_all(&mut self, mm: MmId) {
        self.whole |= process(mm);
    }

    /// Nothing has changed. Keeps its memory.
    pub fn clear(&mut self) {
        self.ranges.clear();
        self.whole = 0;
    }

    /// Takes what another one has, which has nothing then.
    pub fn take(&mut self, other: &mut ChangedPages) {
        self.whole |= other.whole;
        other.ranges.drain(..).for_each(|(mm, start, end)| self.note(mm, start, end));
        other.whole = 0;
    }

    /// Those that are there one by one.
    pub fn pages(&self) -> impl Iterator<Item = (MmId, u64)> + '_ {
        self.ranges.iter().filter(|(_, start, end)| end - start == 1).map(|&(mm, start, _)| (mm, start))
    }

    /// The processes, a bit each.
    pub fn processes(&self) -> u16 {
        self.ranges.iter().fold(self.whole, |all, &(mm, ..)| all | process(mm))
    }

    /// What changed of each process, in order of processes and pages: the first page and one past the last. No page comes twice.
    pub fn in_order(&mut self) -> impl Iterator<Item = (MmId, u64, u64)> + '_ {
        let whole = std::mem::take(&mut self.whole);
        if whole != 0 {
            let all = (0..MAX_PROCESSES as u8).map(MmId).filter(|&mm| whole & process(mm) != 0);
            self.ranges.retain(|&(mm, ..)| whole & process(mm) == 0);
            self.ranges.extend(all.map(|mm| (mm, 0, u64::MAX)));
        }
        if self.ranges.len() > 1 {
            self.ranges.sort_unstable();
        }
        let mut seen = (MmId(0), 0);
        self.ranges.iter().filter_map(move |&(mm, start, end)| {
            let from = if seen.0 == mm { start.max(seen.1) } else { start };
            (from < end).then(|| {
                seen = (mm, end);
                (mm, from, end)
            })
        })
    }
}

/// The bit of a process.
fn process(mm: MmId) -> u16 {
    1 << (usize::from(mm.0) % MAX_PROCESSES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(changed: &mut ChangedPages) -> Vec<(u8, u64, u64)> {
        changed.in_order().map(|(mm, start, end)| (mm.0, start, end)).collect()
    }

    #[test]
    fn each_page_comes_once_and_in_order() {
        let mut changed = ChangedPages::default();
        for (mm, start, end) in [(3, 8, 12), (1, 4, 9), (1, 2, 6), (1, 3, 5), (3, 12, 13), (2, 7, 7), (1, 20, 21)] {
            changed.note(MmId(mm), start, end);
        }
        assert_eq!(changed.processes(), 1 << 1 | 1 << 3);
        assert_eq!(ranges(&mut changed), [(1, 2, 6), (1, 6, 9), (1, 20, 21), (3, 8, 12), (3, 12, 13)]);
        let mut more = ChangedPages::default();
        more.note_all(MmId(1));
        more.note(MmId(0), 1, 2);
        changed.take(&mut more);
        assert_eq!(ranges(&mut changed), [(0, 1, 2), (1, 0, u64::MAX), (3, 8, 12), (3, 12, 13)]);
        assert_eq!(more.processes(), 0);
        changed.clear();
        assert_eq!(ranges(&mut changed), []);
    }

    #[test]
    fn of_too_many_ranges_every_page_counts() {
        let mut changed = ChangedPages::default();
        (0..=RANGES_MAX as u64).for_each(|at| changed.note(MmId(at as u8 % 2), 2 * at, 2 * at + 1));
        changed.note(MmId(5), 1, 2);
        assert_eq!(ranges(&mut changed), [(0, 0, u64::MAX), (1, 0, u64::MAX), (5, 1, 2)]);
    }
}
