//! What the kernel's page tables hold, as a person reads it: runs of equal pages, and each folio once.
//!
//! Pictures and dumps are made of a [`Listing`]. What a page has in it is no part of it. How it is said is in `words.rs`.

use std::collections::BTreeMap;

use crate::rmap::{FolioId, LargeCounts, MmId, VmaId, VmaRange, VmaState};
use crate::trace::{Frame, MmPages, PageEntry, PageTables, PageTotals, Slot, Target};

/// What has become of a thing since the tables that these are compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing.
    Kept,
    /// It was not there.
    New,
    /// An entry was there, and it said something else.
    Changed,
    /// It is not there any more: it is as it was.
    Freed,
}

/// Entries of successive pages that name successive frames or slots, and have the same bits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryRun {
    /// The entry of the first page.
    pub first: PageEntry,
    /// How many pages.
    pub pages: u64,
    /// Of a swap or migration entry its own bit, otherwise `PageAnonExclusive()` of the page.
    pub exclusive: bool,
    /// What has become of them.
    pub change: Change,
    /// The folio that they name parts of, by its first frame, if it has several pages.
    pub large: Option<u32>,
}

impl EntryRun {
    fn of(tables: &PageTables, entry: &PageEntry, before: &PageTables) -> EntryRun {
        let exclusive = exclusive(tables, entry);
        let change = match before.entry_at(entry.mm, entry.page) {
            None => Change::New,
            Some(old) if old == entry && self::exclusive(before, old) == exclusive => Change::Kept,
            Some(_) => Change::Changed,
        };
        let head = frame_number(entry.target).and_then(|number| tables.frame(number)).map(|frame| frame.head);
        let large = head.filter(|&head| tables.frames_of(head).len() > 1);
        EntryRun { first: *entry, pages: 1, exclusive, change, large }
    }

    fn goes_on_with(&self, next: &EntryRun) -> bool {
        let first =
            PageEntry { page: self.first.page + self.pages, target: nth(self.first.target, self.pages), ..self.first };
        *next == EntryRun { first, pages: 1, ..self.clone() }
    }

    /// The frames that they name, as a first and one past the last.
    pub fn frames(&self) -> Option<(u64, u64)> {
        let first = u64::from(frame_number(self.first.target)?);
        Some((first, first + self.pages))
    }

    /// The slots of the swap device that they name, likewise.
    pub fn slots(&self) -> Option<(u64, u64)> {
        match self.first.target {
            Target::Swap { slot, .. } => Some((slot.into(), u64::from(slot) + self.pages)),
            _ => None,
        }
    }

    /// Whether the hardware sees them: `pte_present()`.
    pub fn is_present(&self) -> bool {
        matches!(self.first.target, Target::Zero | Target::Frame(_))
    }
}

/// The frame that an entry names, whatever for.
pub(super) fn frame_number(target: Target) -> Option<u32> {
    match target {
        Target::Poison(frame) => Some(frame),
        target => target.frame(),
    }
}

fn nth(target: Target, nth: u64) -> Target {
    let add = |number: u32| number.wrapping_add(nth as u32);
    match target {
        Target::Zero => Target::Zero,
        Target::Frame(frame) => Target::Frame(add(frame)),
        Target::Device { frame, counted } => Target::Device { frame: add(frame), counted },
        Target::Poison(frame) => Target::Poison(add(frame)),
        Target::Swap { slot, exclusive } => Target::Swap { slot: add(slot), exclusive },
        Target::Migration { frame, exclusive } => Target::Migration { frame: add(frame), exclusive },
    }
}

fn exclusive(tables: &PageTables, entry: &PageEntry) -> bool {
    match entry.target {
        Target::Swap { exclusive, .. } | Target::Migration { exclusive, .. } => exclusive,
        _ => tables.is_exclusive(entry),
    }
}

/// A VMA that has pages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VmaPages {
    /// Which, and where it lies; none: the entries lie in no VMA.
    pub vma: Option<(VmaId, VmaRange)>,
    /// By page.
    pub runs: Vec<EntryRun>,
}

/// A process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessPages {
    /// What its mm counts.
    pub counters: MmPages,
    /// Those that have pages, by page.
    pub vmas: Vec<VmaPages>,
}

/// Pages of a large folio that are alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TailRun {
    /// The first, counted from the folio's first.
    pub first: u64,
    /// One past the last.
    pub end: u64,
    /// `page->_mapcount` plus 1.
    pub mapcount: i64,
    /// `PageAnonExclusive()`
    pub exclusive: bool,
    /// `PageHWPoison()`
    pub poisoned: bool,
}

/// A folio; or folios of one page in successive frames, of successive indexes, that are alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FolioRun {
    /// The first frame of the first of them.
    pub first: Frame,
    /// How many folios.
    pub folios: u64,
    /// How many pages each has.
    pub pages: u64,
    /// What a folio of several pages counts for all of them.
    pub large: Option<LargeCounts>,
    /// Its pages.
    pub tails: Vec<TailRun>,
    /// The file that it is of, if that is known from a VMA that maps it.
    pub file: Option<u32>,
    /// What has become of them.
    pub change: Change,
    /// Fields in which the sides differ.
    pub differs: Vec<&'static str>,
}

impl FolioRun {
    fn of(tables: &PageTables, place: usize) -> FolioRun {
        let frames = tables.frames_from(place);
        let first = frames[0];
        let large = tables.large.binary_search_by_key(&first.frame, |(head, _)| *head);
        let mut tails: Vec<TailRun> = Vec::new();
        for (page, frame) in (0..).zip(frames) {
            let Frame { mapcount, exclusive, poisoned, .. } = *frame;
            let one = TailRun { first: page, end: page + 1, mapcount, exclusive, poisoned };
            match tails.last_mut() {
                Some(run) if *run == (TailRun { first: run.first, end: page, ..one }) => run.end = one.end,
                _ => tails.push(one),
            }
        }
        FolioRun {
            first,
            folios: 1,
            pages: frames.len() as u64,
            large: large.ok().map(|at| tables.large[at].1),
            tails,
            file: None,
            change: Change::Kept,
            differs: Vec::new(),
        }
    }

    fn goes_on_with(&self, next: &FolioRun) -> bool {
        let number = self.first.frame.wrapping_add(self.folios as u32);
        let Frame { content, stored, .. } = next.first;
        let index = self.first.index.wrapping_add(self.folios);
        let first = Frame { frame: number, head: number, index, content, stored, ..self.first };
        self.pages == 1 && self.differs.is_empty() && *next == FolioRun { first, folios: 1, ..self.clone() }
    }

    /// Its frames, as a first and one past the last.
    pub fn frames(&self) -> (u64, u64) {
        let first = u64::from(self.first.frame);
        (first, first + self.folios * self.pages)
    }
}

/// Whether it is the same folio as one that was there: of the same frames, for the same page of the same kind of memory. That
/// to which pages migrate has none of its own until they come.
fn is_same(folio: &Frame, tables: &PageTables, others: &PageTables) -> bool {
    let pages = |tables: &PageTables| tables.frames_of(folio.head).len();
    let is_of_nothing = |frame: &Frame| !frame.anon && !frame.file;
    let said = |frame: &Frame| (frame.anon, frame.file, frame.index);
    others.frame(folio.frame).is_some_and(|other| {
        let is_of_the_same = is_of_nothing(folio) || is_of_nothing(other) || said(folio) == said(other);
        folio.head == other.head && is_of_the_same && pages(tables) == pages(others)
    })
}

/// Slots of the swap device that are alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotRun {
    /// The first.
    pub first: Slot,
    /// How many.
    pub slots: u64,
    /// What has become of them.
    pub change: Change,
}

impl SlotRun {
    fn goes_on_with(&self, next: &SlotRun) -> bool {
        let add = |number: u32| number.wrapping_add(self.slots as u32);
        let cached = self.first.cached.map(add);
        let first = Slot { slot: add(self.first.slot), cached, content: next.first.content, ..self.first };
        *next == SlotRun { first, slots: 1, ..*self }
    }

    /// Their numbers, as a first and one past the last.
    pub fn numbers(&self) -> (u64, u64) {
        (self.first.slot.into(), u64::from(self.first.slot) + self.slots)
    }
}

/// All that the page tables hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// By number, those that are alive.
    pub processes: Vec<ProcessPages>,
    /// By number of the first frame, those that were freed last.
    pub folios: Vec<FolioRun>,
    /// By number, those that were freed last.
    pub slots: Vec<SlotRun>,
    /// What belongs to no process.
    pub totals: PageTotals,
}

impl Listing {
    /// Of these tables. `vmas`: what is mapped; the first that has a page is its VMA. `before`: what is compared to say what
    /// is new. `differs`: the fields of a folio in which the sides differ.
    pub fn new(
        tables: &PageTables,
        vmas: &[&VmaState],
        before: &PageTables,
        differs: impl Fn(FolioId) -> Vec<&'static str>,
    ) -> Listing {
        let mut files = BTreeMap::new();
        let processes = tables.mms.iter().map(|counters| {
            let mut of: Vec<VmaPages> = Vec::new();
            for entry in tables.entries_of(counters.mm) {
                let vma = vma_at(vmas, counters.mm, entry.page);
                if let Some(frame) = tables.frame_of(entry).filter(|frame| frame.file)
                    && let Some(file) = vma.and_then(|vma| vma.attributes.file.checked_sub(1))
                {
                    files.insert(frame.head, file);
                }
                let vma = vma.map(|vma| (vma.id, vma.range));
                if of.last().is_none_or(|last| last.vma != vma) {
                    of.push(VmaPages { vma, runs: Vec::new() });
                }
                let runs = of.last_mut().map(|last| &mut last.runs);
                add(runs, EntryRun::of(tables, entry, before), EntryRun::goes_on_with, |run| run.pages += 1);
            }
            ProcessPages { counters: *counters, vmas: of }
        });
        let processes = processes.collect();

        let mut folios = Vec::new();
        for (place, frame) in tables.frames.iter().enumerate().filter(|(_, frame)| frame.frame == frame.head) {
            let change = if is_same(frame, tables, before) { Change::Kept } else { Change::New };
            let (file, differs) = (files.get(&frame.head).copied(), differs(FolioId(frame.head)));
            let folio = FolioRun { file, change, differs, ..FolioRun::of(tables, place) };
            add(Some(&mut folios), folio, FolioRun::goes_on_with, |run| run.folios += 1);
        }
        for (place, frame) in before.frames.iter().enumerate().filter(|(_, frame)| frame.frame == frame.head) {
            if !is_same(frame, before, tables) {
                let folio = FolioRun { change: Change::Freed, ..FolioRun::of(before, place) };
                add(Some(&mut folios), folio, FolioRun::goes_on_with, |run| run.folios += 1);
            }
        }

        let mut slots = Vec::new();
        for slot in &tables.slots {
            let change = if before.slot(slot.slot).is_some() { Change::Kept } else { Change::New };
            let one = SlotRun { first: *slot, slots: 1, change };
            add(Some(&mut slots), one, SlotRun::goes_on_with, |run| run.slots += 1);
        }
        for slot in before.slots.iter().filter(|slot| tables.slot(slot.slot).is_none()) {
            let one = SlotRun { first: *slot, slots: 1, change: Change::Freed };
            add(Some(&mut slots), one, SlotRun::goes_on_with, |run| run.slots += 1);
        }
        Listing { processes, folios, slots, totals: tables.totals }
    }
}

fn vma_at<'a>(vmas: &[&'a VmaState], mm: MmId, page: u64) -> Option<&'a VmaState> {
    vmas.iter().copied().find(|vma| vma.mm == mm && (vma.range.start..vma.range.end).contains(&page))
}

/// Adds one to the last run, if that goes on with it, or makes a run of it.
fn add<R>(runs: Option<&mut Vec<R>>, one: R, goes_on: impl Fn(&R, &R) -> bool, grow: impl Fn(&mut R)) {
    let Some(runs) = runs else { return };
    match runs.last_mut() {
        Some(run) if goes_on(run, &one) => grow(run),
        _ => runs.push(one),
    }
}
