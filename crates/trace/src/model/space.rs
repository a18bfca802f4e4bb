//! What the model believes of one process: its pages, the VMAs that they make up, and what each operation
//! does to them when nothing fails.

use super::bits::{ones, places};
use super::{WINDOW_PAGES, WINDOW_START};
use crate::args::{Args, GROWS, NORESERVE, SHARED};
use crate::op::Advice;

/// Sets of pages that VMAs differ in: they merge only where these are the same.
#[derive(Clone, Copy)]
enum Flag {
    ReadOnly,
    /// `VM_ACCOUNT` is gone, as protect takes it from untouched memory.
    Unaccounted,
    Grows,
    File,
    /// Bits 0 and 1 of the file's number.
    File0,
    File1,
    DontFork,
    WipeOnFork,
    /// `VM_NORESERVE`
    NoReserve,
    /// `VM_LOCKED`
    Locked,
    /// `VM_SHARED`
    MapShared,
}
use Flag::{DontFork, File, File0, File1, Grows, Locked, MapShared, NoReserve, ReadOnly, Unaccounted, WipeOnFork};

const FLAGS: usize = 11;

/// Of a VMA's family: it came by a fork, so that it shares the anon_vmas of its ancestors.
const FORKED: u8 = 0x80;

/// One process: bit or element n is page `WINDOW_START + n`. What is said of a page that is not mapped means nothing.
#[derive(Clone)]
pub(super) struct ModelSpace {
    /// Pages that are mapped.
    pub mapped: u64,
    /// Those of them at which a VMA starts.
    pub starts: u64,
    /// Those of them that hold an anonymous page.
    written: u64,
    /// Those of them that a frame is mapped at, unless reclaim took it for the sake of another process.
    present: u64,
    /// Those of them whose page another process may have too.
    shared: u64,
    flags: [u64; FLAGS],
    /// Page offsets: for anonymous memory, the page number at which it was when it was first written to.
    home: [u8; WINDOW_PAGES as usize],
    /// Which anon_vma the VMA has: 0 for none, else a name.
    family: [u8; WINDOW_PAGES as usize],
    /// The family named last.
    families: u8,
}

/// The pages of the window that lie in `start..end`.
pub(super) fn window_bits(start: u64, end: u64) -> u64 {
    ones(end.saturating_sub(WINDOW_START)) & !ones(start.saturating_sub(WINDOW_START))
}

/// The place of a page, if it lies in the window.
pub(super) fn place_of(page: u64) -> Option<usize> {
    page.checked_sub(WINDOW_START).filter(|&place| place < WINDOW_PAGES.into()).map(|place| place as usize)
}

fn bit(place: usize) -> u64 {
    1u64.checked_shl(place as u32).unwrap_or(0)
}

impl ModelSpace {
    /// With nothing mapped.
    pub(super) const EMPTY: ModelSpace = ModelSpace {
        mapped: 0,
        starts: 0,
        written: 0,
        present: 0,
        shared: 0,
        flags: [0; FLAGS],
        home: [0; WINDOW_PAGES as usize],
        family: [0; WINDOW_PAGES as usize],
        families: 0,
    };

    fn has(&self, flag: Flag) -> u64 {
        self.flags[flag as usize]
    }

    fn set(&mut self, flag: Flag, bits: u64, on: bool) {
        let flags = &mut self.flags[flag as usize];
        *flags = if on { *flags | bits } else { *flags & !bits };
    }

    /// Pages that may not be written.
    pub(super) fn read_only(&self) -> u64 {
        self.has(ReadOnly)
    }

    /// Pages of files.
    pub(super) fn of_files(&self) -> u64 {
        self.has(File)
    }

    /// Pages of shared memory that a frame is mapped at.
    pub(super) fn map_shared(&self) -> u64 {
        self.has(MapShared) & self.present
    }

    /// Pages that a frame is mapped at.
    pub(super) fn present(&self) -> u64 {
        self.present
    }

    /// Pages with an anonymous frame.
    pub(super) fn anonymous(&self) -> u64 {
        self.written & self.present
    }

    /// Pages hold nothing any more.
    fn drop_pages(&mut self, bits: u64) {
        self.written &= !bits;
        self.shared &= !bits;
        self.present &= !bits;
    }

    /// `MADV_DONTNEED`, which is refused where pages are locked.
    pub(super) fn dontneed(&mut self, start: u64, end: u64) {
        let bits = window_bits(start, end) & self.mapped;
        if bits & self.has(Locked) == 0 {
            self.drop_pages(bits);
        }
    }

    /// The frame of a page goes to the swap device, or is forgotten.
    pub(super) fn swap_out(&mut self, place: usize) {
        self.present &= !bit(place);
    }

    /// A read fault: of a file, or of what was swapped out. An empty page gets the zero page.
    pub(super) fn read(&mut self, place: usize) {
        self.present |= bit(place) & (self.has(File) | self.written);
    }

    /// Pages that hold an anonymous page.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Those of writable anonymous memory that are no other process's.
    pub(super) fn exclusive(&self) -> u64 {
        self.written & !self.shared & !self.has(ReadOnly) & !self.has(File)
    }

    /// Pages of writable anonymous memory that hold nothing.
    pub(super) fn empty(&self) -> u64 {
        self.mapped & !self.written & !self.has(ReadOnly) & !self.has(File)
    }

    /// Starts of VMAs that can grow down.
    pub(super) fn growing(&self, window: u64) -> u64 {
        let growing = self.starts & self.has(Grows) & (window & !self.mapped) << 1;
        places(growing).filter(|&place| self.may_grow_from(place)).fold(0, |all, place| all | bit(place))
    }

    /// Whether the stack guard gap, which is wider than the window, lets memory grow down from a place: what is next
    /// below it grows down too, or there is nothing.
    fn may_grow_from(&self, place: usize) -> bool {
        let below = self.mapped & ones(place as u64);
        below == 0 || self.has(Grows) & bit(63 - below.leading_zeros() as usize) != 0
    }

    /// Where the page at a place is at home, if that is in the window.
    pub(super) fn home(&self, place: usize) -> Option<usize> {
        place_of(self.home[place].into())
    }

    /// The first place of the VMA at a place, and the one past its last.
    pub(super) fn vma_at(&self, place: usize) -> (usize, usize) {
        let below = self.starts & ones(place as u64 + 1);
        let first = 63u32.saturating_sub(below.leading_zeros()) as usize;
        let ends = (self.starts | !self.mapped) & !ones(place as u64 + 1);
        (first, ends.trailing_zeros() as usize)
    }

    /// Whether a VMA lies across the lower edge of a page, so that it is split there.
    pub(super) fn splits_at(&self, page: u64) -> bool {
        let bit = window_bits(page, page.saturating_add(1));
        bit > 1 && self.mapped & bit != 0 && self.starts & bit == 0 && self.mapped & bit >> 1 != 0
    }

    /// How many entries the chain of the VMA at a place has; of a child, whose ancestors are not counted, at least.
    fn chain(&self, place: usize) -> u32 {
        match self.family[place] {
            0 => 0,
            family => 1 + u32::from(family & FORKED != 0),
        }
    }

    /// How many attempts to allocate it takes to split whatever lies across the lower edges of these pages: of each a
    /// VMA, and an entry for each of its chain.
    pub(super) fn split_attempts(&self, pages: [u64; 2]) -> u32 {
        let attempts = |page: u64| match place_of(page) {
            Some(place) if self.splits_at(page) => 1 + self.chain(place),
            _ => 0,
        };
        pages.map(attempts).into_iter().sum()
    }

    /// How many attempts a copy of the VMA at a page takes: a VMA, and an entry for each of its chain.
    pub(super) fn copy_attempts(&self, page: u64) -> u32 {
        1 + place_of(page).map_or(0, |place| self.chain(place))
    }

    /// How many attempts a fork takes: of each VMA a copy, and an anon_vma with its entry.
    pub(super) fn fork_attempts(&self) -> u32 {
        let attempts = |place: usize| match self.chain(place) {
            _ if self.has(DontFork) >> place & 1 != 0 => 0,
            0 => 1,
            _ if self.has(WipeOnFork) >> place & 1 != 0 => 1,
            chain => 3 + chain,
        };
        places(self.starts).map(attempts).sum()
    }

    /// Splits the VMA that lies across a page's lower edge.
    fn split(&mut self, page: u64) {
        self.starts |= self.mapped & window_bits(page, page.saturating_add(1));
    }

    /// Whether two VMAs touch at the lower edge of `place`, and may become one.
    fn can_merge_at(&self, place: usize) -> bool {
        if place == 0 || self.starts & bit(place) == 0 || self.mapped >> (place - 1) & 3 != 3 {
            return false;
        }
        let (below, above) = (self.family[place - 1], self.family[place]);
        let family = below == above || (below.min(above) == 0 && (below | above) & FORKED == 0);
        let flags = self.flags.iter().all(|flag| matches!(flag >> (place - 1) & 3, 0 | 3));
        family && flags && self.home[place - 1].wrapping_add(1) == self.home[place]
    }

    fn merge_at(&mut self, place: usize) {
        if self.can_merge_at(place) {
            let family = self.family[place - 1].max(self.family[place]);
            self.starts &= !bit(place);
            self.name(place, family);
        }
    }

    /// Merges wherever VMAs touch from the lower edge of one page to that of another.
    pub(super) fn merge(&mut self, from: u64, to: u64) {
        for place in places(self.starts & window_bits(from, to.saturating_add(1))) {
            self.merge_at(place);
        }
    }

    /// Names the family of the VMA at a place.
    fn name(&mut self, place: usize, family: u8) {
        let (first, end) = self.vma_at(place);
        self.family[first..end].fill(family);
    }

    fn new_family(&mut self) -> u8 {
        self.families = self.families % (FORKED - 1) + 1;
        self.families
    }

    /// The VMA at a place gets an anon_vma, if it has none: that of a neighbour that it may merge with except for its
    /// access, else one of its own.
    fn prepare(&mut self, place: usize) {
        if self.family[place] != 0 {
            return;
        }
        let (first, end) = self.vma_at(place);
        let lends = |below: usize, neighbour: usize| {
            let family = self.family[neighbour];
            let alike = |flag: Flag| matches!(self.has(flag) >> below & 3, 0 | 3);
            let flags = [Unaccounted, Grows, File, File0, File1, DontFork, WipeOnFork, NoReserve, Locked, MapShared];
            (self.mapped & bit(neighbour) != 0
                && family != 0
                && family & FORKED == 0
                && flags.into_iter().all(alike)
                && self.home[below].wrapping_add(1) == self.home[below + 1])
                .then_some(family)
        };
        let above = if end < 64 { lends(end - 1, end) } else { None };
        let below = || if first > 0 { lends(first - 1, first - 1) } else { None };
        let family = above.or_else(below).unwrap_or_else(|| self.new_family());
        self.name(place, family);
    }

    /// Makes pages a VMA of plain new memory, without what only merging and moving asks for.
    pub(super) fn map_plain(&mut self, bits: u64) {
        self.mapped |= bits;
        self.starts |= bits & bits.wrapping_neg();
        self.drop_pages(bits);
    }

    /// Makes pages a VMA of new memory. Tells whether a neighbour may take it in.
    pub(super) fn map(&mut self, x: &Args) -> bool {
        let bits = window_bits(x.a, x.b);
        self.map_plain(bits);
        self.flags.iter_mut().for_each(|flag| *flag &= !bits);
        self.set(Grows, bits, x.word == GROWS);
        self.set(NoReserve, bits, x.word == NORESERVE);
        self.set(MapShared, bits, x.word == SHARED);
        if let Some(file) = x.number.checked_sub(1) {
            self.set(File, bits, true);
            self.set(File0, bits, file & 1 != 0);
            self.set(File1, bits, file & 2 != 0);
        }
        for place in places(bits) {
            self.home[place] = WINDOW_START as u8 + place as u8;
            self.family[place] = 0;
        }
        let at = |page: u64| place_of(page).is_some_and(|place| self.can_merge_at(place));
        at(x.a) || at(x.b)
    }

    /// Takes pages away.
    pub(super) fn unmap(&mut self, start: u64, end: u64) {
        let bits = window_bits(start, end);
        if bits == 0 {
            return;
        }
        self.mapped &= !bits;
        self.starts &= !bits;
        self.drop_pages(bits);
        self.split(end);
    }

    /// A write fault, that needs no anon_vma, or gets one if that matters. In shared memory the page stays the file's.
    pub(super) fn write(&mut self, place: usize, prepare: bool) {
        self.present |= bit(place);
        if self.has(MapShared) & bit(place) != 0 {
            return;
        }
        if prepare {
            self.prepare(place);
        }
        self.written |= bit(place);
        self.shared &= !bit(place);
    }

    /// Whether the VMA at a place has an anon_vma.
    pub(super) fn is_prepared(&self, place: usize) -> bool {
        self.family[place] != 0
    }

    /// What a child gets of plain memory.
    pub(super) fn fork_plain(&mut self) -> ModelSpace {
        self.shared = self.written;
        self.clone()
    }

    /// What a child gets.
    pub(super) fn fork(&mut self) -> ModelSpace {
        self.shared |= self.written & !self.has(DontFork) & !self.has(WipeOnFork);
        let mut child = self.clone();
        let left_out = self.has(DontFork);
        child.mapped &= !left_out;
        child.starts |= child.mapped & left_out << 1;
        child.starts &= child.mapped;
        child.written &= child.mapped & !self.has(WipeOnFork);
        child.shared = child.written;
        child.present &= child.written;
        child.set(Locked, u64::MAX, false);
        for place in places(child.starts) {
            if self.has(WipeOnFork) >> place & 1 != 0 {
                child.name(place, 0);
            } else if child.family[place] != 0 {
                let family = child.new_family() | FORKED;
                child.name(place, family);
            }
        }
        child
    }

    /// Makes pages read-only or writable.
    pub(super) fn protect(&mut self, start: u64, end: u64, write: bool) {
        let bits = window_bits(start, end) & self.mapped;
        self.split(start);
        self.split(end);
        self.set(ReadOnly, bits, !write);
        if write {
            self.set(Unaccounted, bits, false);
        } else {
            let untouched = places(bits & !self.has(File)).filter(|&place| self.family[place] == 0);
            let untouched = untouched.fold(0, |all, place| all | bit(place));
            self.set(Unaccounted, untouched, true);
        }
    }

    /// Does what is said of pages.
    pub(super) fn advise(&mut self, start: u64, end: u64, advice: Advice) {
        let bits = window_bits(start, end) & self.mapped;
        if advice == Advice::WipeOnFork && bits & self.has(File) != 0 {
            return;
        }
        self.split(start);
        self.split(end);
        match advice {
            Advice::DontFork => self.set(DontFork, bits, true),
            Advice::DoFork => self.set(DontFork, bits, false),
            Advice::WipeOnFork => self.set(WipeOnFork, bits, true),
            Advice::KeepOnFork => self.set(WipeOnFork, bits, false),
        }
    }

    /// Locks pages, or no longer does.
    pub(super) fn lock(&mut self, start: u64, end: u64, locks: bool) {
        let bits = window_bits(start, end) & self.mapped;
        self.split(start);
        self.split(end);
        self.set(Locked, bits, locks);
    }

    /// Moves pages, over whatever is there.
    pub(super) fn relocate(&mut self, start: u64, end: u64, to: u64, dontunmap: bool) {
        let len = end.saturating_sub(start);
        let (from, target) = (window_bits(start, end), window_bits(to, to.saturating_add(len)));
        let inside = |bits: u64| u64::from(bits.count_ones()) == len;
        if !inside(from) || !inside(target) || len == 0 {
            // Partly out of sight.
            self.unmap(to, to.saturating_add(len));
            if !dontunmap {
                self.unmap(start, end);
            }
            return;
        }
        if from & target != 0 || from & !self.mapped != 0 {
            return;
        }
        self.unmap(to, to + len);
        let (a, c, len) = ((start - WINDOW_START) as usize, (to - WINDOW_START) as usize, len as usize);
        let carry = |set: u64| (set & from) >> a << c;
        self.mapped |= target;
        self.starts |= carry(self.starts) | bit(c);
        self.written |= carry(self.written);
        self.present |= carry(self.present);
        self.shared |= carry(self.shared);
        for flag in &mut self.flags {
            *flag = *flag & !target | carry(*flag);
        }
        for n in 0..len {
            let (family, home) = (self.family[a + n], self.home[a + n]);
            let fresh = family == 0 && self.has(File) >> (c + n) & 1 == 0;
            self.family[c + n] = family;
            self.home[c + n] = if fresh { WINDOW_START as u8 + (c + n) as u8 } else { home };
        }
        if dontunmap {
            if self.has(Locked) & from != 0 {
                // What stays is not locked any more, and so a VMA of its own.
                self.lock(start, end, false);
            }
            self.drop_pages(from);
            if self.vma_at(a) == (a, a + len) {
                self.name(a, 0);
            }
        } else {
            self.unmap(start, end);
        }
    }

    /// The VMA that ends at `end` grows up to there from here.
    pub(super) fn extend(&mut self, end: u64, new_end: u64) {
        let bits = window_bits(end, new_end);
        let Some(last) = place_of(end.wrapping_sub(1)) else {
            return;
        };
        if self.mapped & bits != 0 || self.vma_at(last).1 != last + 1 || self.mapped & bit(last) == 0 {
            return;
        }
        self.spread(bits, last);
    }

    /// The VMA at a place grows down by so many pages, and gets an anon_vma.
    pub(super) fn grow(&mut self, place: usize, pages: u64) {
        let (first, _) = self.vma_at(place);
        let bits = ones(first as u64) & !ones((first as u64).saturating_sub(pages));
        if self.mapped & bits != 0 || self.has(Grows) & bit(place) == 0 || !self.may_grow_from(first) {
            return;
        }
        self.prepare(place);
        // Below the window it grows out of sight.
        if bits != 0 {
            self.spread(bits, first);
            self.starts &= !bit(first);
            self.starts |= bits & bits.wrapping_neg();
        }
    }

    /// Makes free pages part of the VMA at `place`, which they touch.
    fn spread(&mut self, bits: u64, place: usize) {
        self.mapped |= bits;
        for at in 0..FLAGS {
            let on = self.flags[at] >> place & 1 != 0;
            self.flags[at] = if on { self.flags[at] | bits } else { self.flags[at] & !bits };
        }
        self.drop_pages(bits);
        for new in places(bits) {
            self.family[new] = self.family[place];
            self.home[new] = self.home[place].wrapping_add(new as u8).wrapping_sub(place as u8);
        }
    }

    /// The page at one place goes to another.
    pub(super) fn uffd_move(&mut self, from: usize, to: usize) {
        let locked = |place: usize| self.has(Locked) & bit(place) != 0;
        if self.exclusive() & bit(from) != 0 && self.empty() & bit(to) != 0 && locked(from) == locked(to) {
            self.prepare(to);
            self.written = self.written & !bit(from) | bit(to);
            self.present = self.present & !bit(from) | bit(to);
        }
    }
}
