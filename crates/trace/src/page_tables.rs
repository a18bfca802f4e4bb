//! What the kernel's own page-table code holds: page tables, frames, and the counters around them, as the C tells them.

use std::fmt;

use rmap_seam::{AnonVmaId, LargeCounts, MmId};

/// What a page table entry maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The zero page.
    Zero,
    /// A frame, by its number.
    Frame(u32),
    /// A slot of the swap device; whether the entry is marked exclusive.
    Swap {
        /// The slot.
        slot: u32,
        /// `pte_swp_exclusive()`
        exclusive: bool,
    },
    /// A frame that a device has for itself: the process must fault to get it back.
    Device {
        /// The frame.
        frame: u32,
        /// Whether it counts as mapped.
        counted: bool,
    },
    /// A frame that is being migrated; whether it comes back as the process's alone.
    Migration {
        /// The frame.
        frame: u32,
        /// `is_writable_migration_entry()` or `is_readable_exclusive_migration_entry()`
        exclusive: bool,
    },
    /// A frame whose memory has failed: whoever accesses it is killed.
    Poison(u32),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Target::Zero => f.write_str(self.kind()),
            Target::Frame(number)
            | Target::Swap { slot: number, .. }
            | Target::Device { frame: number, .. }
            | Target::Migration { frame: number, .. }
            | Target::Poison(number) => write!(f, "{} {number}", self.kind()),
        }
    }
}

impl Target {
    /// What it is, without its number.
    pub fn kind(self) -> &'static str {
        match self {
            Target::Zero => "zero page",
            Target::Frame(_) => "frame",
            Target::Swap { .. } => "swap slot",
            Target::Device { .. } => "device frame",
            Target::Migration { .. } => "migration frame",
            Target::Poison(_) => "hwpoison frame",
        }
    }

    /// The frame that counts this entry as one that maps it.
    pub fn mapped(self) -> Option<u32> {
        match self {
            Target::Frame(frame) | Target::Device { frame, counted: true } => Some(frame),
            _ => None,
        }
    }

    /// The frame that it maps, or that a device has meanwhile.
    pub fn mapped_or_lent(self) -> Option<u32> {
        match self {
            Target::Frame(frame) | Target::Device { frame, .. } => Some(frame),
            _ => None,
        }
    }

    /// The frame that it names: mapped, a device's, or being migrated.
    pub fn frame(self) -> Option<u32> {
        match self {
            Target::Frame(frame) | Target::Device { frame, .. } | Target::Migration { frame, .. } => Some(frame),
            Target::Zero | Target::Swap { .. } | Target::Poison(_) => None,
        }
    }
}

/// A page table entry that is not empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageEntry {
    /// Whose.
    pub mm: MmId,
    /// The page.
    pub page: u64,
    /// What it maps.
    pub target: Target,
    /// `pte_write()`
    pub writable: bool,
    /// `pte_dirty()`
    pub dirty: bool,
    /// `pte_young()`
    pub accessed: bool,
    /// Its page is one of those that an entry of the level above maps together: all of the folio, by one mapping.
    pub huge: bool,
    /// `pte_uffd()`: userfaultfd has write-protected it.
    pub uffd: bool,
    /// `pte_soft_dirty()`: its page was written to, or it is new.
    pub soft_dirty: bool,
}

/// The counters of an mm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MmPages {
    /// Which.
    pub mm: MmId,
    /// `MM_FILEPAGES`
    pub file: i64,
    /// `MM_ANONPAGES`
    pub anon: i64,
    /// `MM_SWAPENTS`
    pub swap: i64,
    /// `MM_SHMEMPAGES`
    pub shmem: i64,
    /// `pgtables_bytes`
    pub table_bytes: i64,
    /// Page tables in its tree, the topmost not counted.
    pub tables: u64,
}

/// A page's frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Frame {
    /// Its number.
    pub frame: u32,
    /// The first frame of its folio.
    pub head: u32,
    /// It is anonymous memory.
    pub anon: bool,
    /// `PageAnonExclusive()`
    pub exclusive: bool,
    /// `folio_test_swapbacked()`
    pub swapbacked: bool,
    /// It is locked.
    pub locked: bool,
    /// It is a page of a file.
    pub file: bool,
    /// Of a file whose file system is not told of the first write to a page.
    pub not_told: bool,
    /// It is in the swap cache.
    pub swapcache: bool,
    /// The mapping and index of its folio are those that the calls told of last.
    pub as_told: bool,
    /// `folio_ref_count()` of its folio.
    pub references: i64,
    /// How many entries map it: `page->_mapcount` plus 1.
    pub mapcount: i64,
    /// Its page offset.
    pub index: u64,
    /// The anon_vma of its mapping, if that is live.
    pub anon_vma: Option<AnonVmaId>,
    /// `folio_test_dirty()`
    pub dirty: bool,
    /// What is in it: a number that every write changes, or 0.
    pub content: u64,
    /// Of a page of a file: what is stored there. Otherwise 0.
    pub stored: u64,
    /// How many operations have pinned its folio.
    pub pins: u64,
    /// A migration of its folio has begun, from it or to it.
    pub migrating: bool,
    /// Such a migration has ended: part of the folio may have been unmapped meanwhile.
    pub migrated: bool,
    /// Its folio was marked partially mapped while a migration, a split or reclaim had taken out its entries.
    pub taken_out: bool,
    /// `PageHWPoison()`: its memory has failed.
    pub poisoned: bool,
    /// Whoever told the kernel so keeps a reference.
    pub kept: bool,
}

/// A slot of the swap device that is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Its number.
    pub slot: u32,
    /// How many entries name it, as its count says.
    pub count: u64,
    /// The frame of its page in the swap cache.
    pub cached: Option<u32>,
    /// What was written to it.
    pub content: u64,
}

/// What belongs to no process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PageTotals {
    /// Frames in use, the zero page and page tables not counted.
    pub frames: u64,
    /// Page tables in use.
    pub tables: u64,
    /// Pages of files in memory.
    pub cached: u64,
    /// Slots of the swap device in use.
    pub slots: u64,
    /// `NR_ANON_MAPPED`
    pub anon_mapped: i64,
    /// `NR_FILE_MAPPED`
    pub file_mapped: i64,
    /// `NR_ANON_THPS`
    pub anon_thps: i64,
    /// Folios on the list of those to split.
    pub deferred: u64,
    /// How many folios that list has, as its counter says.
    pub deferred_counted: u64,
}

/// What of the page tables is not as it was when they were read before.
#[derive(Clone, Debug, Default)]
pub struct PageChanges {
    /// Something is not.
    pub any: bool,
    /// The processes with an entry that is not, or is new or gone, a bit each.
    pub processes: u16,
    /// By number: whether the frame, or another one of its folio, is not, or is new or gone.
    pub frames: Vec<bool>,
    /// Some frame is not.
    pub any_frame: bool,
    /// Some slot of the swap device is not.
    pub slots: bool,
}

impl PageChanges {
    /// Nothing.
    pub fn clear(&mut self) {
        self.frames.clear();
        (self.any, self.processes, self.any_frame, self.slots) = (false, 0, false, false);
    }

    /// A frame is not as it was.
    pub fn note_frame(&mut self, number: u32) {
        let at = number as usize;
        if self.frames.len() <= at {
            self.frames.resize(at + 1, false);
        }
        self.frames[at] = true;
        (self.any_frame, self.any) = (true, true);
    }

    /// Whether a frame is not as it was.
    #[inline]
    pub fn has_frame(&self, number: u32) -> bool {
        self.frames.get(number as usize) == Some(&true)
    }

    /// Adds what others say has changed.
    pub fn add(&mut self, others: &PageChanges) {
        if self.frames.len() < others.frames.len() {
            self.frames.resize(others.frames.len(), false);
        }
        self.frames.iter_mut().zip(&others.frames).for_each(|(ours, theirs)| *ours |= theirs);
        self.any |= others.any;
        self.processes |= others.processes;
        self.any_frame |= others.any_frame;
        self.slots |= others.slots;
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct PageTables {
    /// What belongs to no process.
    pub totals: PageTotals,
    /// By process, of those that are alive.
    pub mms: Vec<MmPages>,
    /// In order of process and page.
    pub entries: Vec<PageEntry>,
    /// In order of their numbers; no page tables, and not the zero page.
    pub frames: Vec<Frame>,
    /// Folios of several frames, by the first, in order.
    pub large: Vec<(u32, LargeCounts)>,
    /// In order of their numbers.
    pub slots: Vec<Slot>,
    /// By the number of a frame, its place in `frames` plus 1, or 0; empty: it is searched for.
    pub places: Vec<u32>,
    /// Which reading of a side's this is; 0: nobody reads what changes after it.
    pub reading: u64,
    /// What is not as the reading before had it.
    pub changes: PageChanges,
}

/// What they hold, whatever of it has changed since when.
impl PartialEq for PageTables {
    fn eq(&self, other: &PageTables) -> bool {
        self.totals == other.totals
            && self.mms == other.mms
            && self.entries == other.entries
            && self.frames == other.frames
            && self.large == other.large
            && self.slots == other.slots
    }
}

impl Eq for PageTables {}

impl PageTables {
    /// Nothing.
    pub fn clear(&mut self) {
        self.totals = PageTotals::default();
        self.mms.clear();
        self.entries.clear();
        self.frames.clear();
        self.large.clear();
        self.slots.clear();
        self.places.clear();
        self.reading = 0;
        self.changes.clear();
    }

    /// The processes that see something else since the reading before, a bit each: an entry of theirs is not as it was, or what
    /// is behind one is not: the frame, another one of its folio, or its slot of the swap device.
    pub fn processes_changed(&self) -> u16 {
        let changes = &self.changes;
        let mut processes = changes.processes;
        if changes.any_frame || changes.slots {
            for entry in &self.entries {
                if processes & entry.mm.bit() == 0 && self.is_changed(entry) {
                    processes |= entry.mm.bit();
                }
            }
        }
        processes
    }

    fn is_changed(&self, entry: &PageEntry) -> bool {
        let frame = match entry.target {
            Target::Zero => return false,
            Target::Swap { .. } if self.changes.slots => return true,
            Target::Swap { slot, .. } => self.slot(slot).and_then(|slot| slot.cached),
            Target::Frame(frame)
            | Target::Device { frame, .. }
            | Target::Migration { frame, .. }
            | Target::Poison(frame) => Some(frame),
        };
        frame.is_some_and(|frame| self.changes.has_frame(frame))
    }

    /// Notes the place of each frame, so that none is searched for.
    pub fn note_places(&mut self) {
        self.places.clear();
        self.places.resize(self.frames.last().map_or(0, |frame| frame.frame as usize + 1), 0);
        for (place, frame) in (1..).zip(&self.frames) {
            self.places[frame.frame as usize] = place;
        }
    }

    /// Where a frame is in `frames`.
    #[inline]
    pub fn place(&self, number: u32) -> Option<usize> {
        if self.places.is_empty() {
            return self.frames.binary_search_by_key(&number, |frame| frame.frame).ok();
        }
        self.places.get(number as usize)?.checked_sub(1).map(|place| place as usize)
    }

    /// The frames of the folio that begins with this one.
    #[inline]
    pub fn frames_of(&self, head: u32) -> &[Frame] {
        self.place(head).map_or(&[], |place| self.frames_from(place))
    }

    /// The frames of the folio whose first frame has this place in `frames`.
    #[inline]
    pub fn frames_from(&self, place: usize) -> &[Frame] {
        let rest = &self.frames[place..];
        let head = rest[0].frame;
        // Most have one page.
        match rest.get(1) {
            Some(next) if next.head == head => &rest[..rest.partition_point(|frame| frame.head == head)],
            _ => &rest[..1],
        }
    }

    /// What a process's page tables have.
    #[inline]
    pub fn entries_of(&self, mm: MmId) -> &[PageEntry] {
        let first = self.entries.partition_point(|entry| entry.mm < mm);
        let count = self.entries[first..].partition_point(|entry| entry.mm == mm);
        &self.entries[first..first + count]
    }

    /// What a process's page table has for a page.
    #[inline]
    pub fn entry_at(&self, mm: MmId, page: u64) -> Option<&PageEntry> {
        let at = self.entries.binary_search_by_key(&(mm, page), |entry| (entry.mm, entry.page)).ok()?;
        self.entries.get(at)
    }

    /// The slot of a number, if it is in use.
    #[inline]
    pub fn slot(&self, number: u32) -> Option<&Slot> {
        let at = self.slots.binary_search_by_key(&number, |slot| slot.slot).ok()?;
        self.slots.get(at)
    }

    /// The frame whose page an entry stands for: that it maps, or that is being migrated, or in the swap cache.
    #[inline]
    pub fn frame_of(&self, entry: &PageEntry) -> Option<&Frame> {
        match entry.target {
            Target::Zero | Target::Poison(_) => None,
            Target::Frame(frame) | Target::Device { frame, .. } | Target::Migration { frame, .. } => self.frame(frame),
            Target::Swap { slot, .. } => self.frame(self.slot(slot)?.cached?),
        }
    }

    /// Whether the frame that an entry maps is marked as the process's alone; of a huge page its first frame is.
    #[inline]
    pub fn is_exclusive(&self, entry: &PageEntry) -> bool {
        let Some(frame) = entry.target.frame().and_then(|number| self.frame(number)) else { return false };
        let marked = if entry.huge { self.frame(frame.head) } else { Some(frame) };
        marked.is_some_and(|frame| frame.exclusive)
    }

    /// What a process sees where an entry is.
    #[inline]
    pub fn content(&self, entry: &PageEntry) -> u64 {
        match (self.frame_of(entry), entry.target) {
            (Some(frame), _) => frame.content,
            (None, Target::Swap { slot, .. }) => self.slot(slot).map_or(0, |slot| slot.content),
            (None, _) => 0,
        }
    }

    /// The frame of a number, if a page is in it.
    #[inline]
    pub fn frame(&self, number: u32) -> Option<&Frame> {
        self.frames.get(self.place(number)?)
    }
}
