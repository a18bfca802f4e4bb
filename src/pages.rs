//! Page tables and folios: what the reverse map is for.
//!
//! A driver (the small one or the kernel's VMA code) says what happens to addresses: a fault, `unmap_vmas()`,
//! `move_page_tables()`, `copy_page_range()`. [`Pages`] keeps which folio each page of each process maps, makes the
//! folio calls of the seam that the kernel would make meanwhile, and can ask for a walk. Whether a walk finds what it
//! must is judged in [`crate::check`], from what is known here ([`Pages::mappings`]) and where the VMAs lie
//! ([`AddressSpaces`]).
//!
//! Every folio that is kept here by what a driver says is one page of anonymous memory; where the kernel's own page tables
//! are read, a folio may have several. The zero page and pages of a file are not folios of the anonymous
//! reverse map: a read fault of an empty page leaves it empty here. Each folio is locked whenever the kernel wants it
//! to be.
//!
//! Where the kernel's own code keeps the page tables, they are read from there: [`Pages::read`] for what is checked, and a
//! [`Listing`] for pictures and dumps.
//!
//! | file | what |
//! | --- | --- |
//! | `pages/listing.rs` | what the kernel's page tables hold: runs of equal pages, and each folio once |
//! | `pages/words.rs` | how that is said |
//! | `pages/changed.rs` | the pages that are to be checked again |
//! | `pages/bits.rs` | what of entries and frames is the same however they are numbered |
//! | `pages/canonical.rs` | the same tables with numbers that follow from the state |

use std::cell::RefCell;

use crate::trace::PageTables;

use crate::rmap::{
    AnonVmaId, Call, EBADF, EBUSY, EEXIST, EFAULT, EMFILE, ENOENT, Fail, FolioId, MAX_PROCESSES, MmId, Rmap, VmaId,
    VmaRange, WalkMode,
};

mod bits;
mod canonical;
mod changed;
mod listing;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use bits::{entry_bits, frame_bits};
pub use canonical::canonical;
pub use changed::ChangedPages;
pub use listing::{Change, EntryRun, FolioRun, Listing, ProcessPages, SlotRun, TailRun, VmaPages};
pub use words::{Naming, counter_phrases, large_phrases, totals_phrases};

/// How many references on anon_vmas can be held at a time.
pub const MAX_PINS: usize = 16;

/// Where the VMAs of a driver lie.
pub trait AddressSpaces {
    /// The VMA of a process that contains a page, and where it lies.
    fn vma_at(&self, mm: MmId, page: u64) -> Option<(VmaId, VmaRange)>;
}

/// The kernel refuses: a positive errno.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Refused(pub i32);

/// What a fault did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Faulted {
    /// A new folio where none was.
    New,
    /// A folio that others have too was copied.
    Copied,
    /// The folio is this process's alone by now, and is used again.
    Reused,
    /// There was nothing to do.
    Nothing,
}

/// A folio, as the page tables see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Folio {
    /// Page table entries that map it; 0: its number is free.
    mapcount: u32,
    /// `PageAnonExclusive()`: no other process has it.
    exclusive: bool,
    /// How many pages it has.
    pages: u32,
}

/// The page table of one process: what maps a folio, in order of pages. A vector, for most are short, and a fork
/// copies them whole.
#[derive(Clone, Default)]
struct Table(Vec<(u64, FolioId)>);

impl Table {
    /// Where a page is, or would be.
    fn place(&self, page: u64) -> usize {
        // Nearly always beyond the last, or short.
        match self.0.last() {
            Some(&(last, _)) if last >= page => self.0.partition_point(|&(there, _)| there < page),
            _ => self.0.len(),
        }
    }

    fn get(&self, page: u64) -> Option<FolioId> {
        self.0.get(self.place(page)).filter(|&&(there, _)| there == page).map(|&(_, folio)| folio)
    }

    fn set(&mut self, page: u64, folio: FolioId) {
        let at = self.place(page);
        match self.0.get_mut(at) {
            Some(entry) if entry.0 == page => entry.1 = folio,
            _ => self.0.insert(at, (page, folio)),
        }
    }

    fn range(&self, start: u64, end: u64) -> std::ops::Range<usize> {
        let first = self.place(start);
        first..self.place(end).max(first)
    }
}

/// The page tables of all processes, the folios in them, and the references held.
#[derive(Clone, Default)]
pub struct Pages {
    tables: [Table; MAX_PROCESSES],
    folios: Vec<Folio>,
    free: Vec<FolioId>,
    pins: [Option<AnonVmaId>; MAX_PINS],
    /// By folio: the anon_vma and the index that the kernel's own page tables had last, where they are read.
    origins: Vec<(Option<AnonVmaId>, u64)>,
    /// Room to note which of them have others now.
    moved: Vec<bool>,
    /// Room for pages that move, and what they map.
    moving: Vec<(u64, FolioId)>,
    /// Pages that map another folio since somebody asked, or one with another anon_vma, or that lie in another VMA.
    changed: RefCell<ChangedPages>,
    /// Pages whose folios a fork has shared since somebody asked. They map what they did.
    shared: RefCell<ChangedPages>,
}

impl Pages {
    /// Nothing is mapped.
    pub fn new() -> Pages {
        Pages::default()
    }

    /// Back to the beginning, without a call: for when the seam is reset too.
    pub fn reset(&mut self) {
        self.tables.iter_mut().for_each(|table| table.0.clear());
        self.folios.clear();
        self.free.clear();
        self.pins = [None; MAX_PINS];
        self.changed.get_mut().clear();
        self.shared.get_mut().clear();
    }

    fn table(&mut self, mm: MmId) -> &mut Table {
        &mut self.tables[usize::from(mm.0) % MAX_PROCESSES]
    }

    /// At the pages `start..end` of a process something else is mapped, or another VMA lies there.
    pub fn change(&mut self, mm: MmId, start: u64, end: u64) {
        self.changed.get_mut().note(mm, start, end);
    }

    /// Adds the pages that map another folio since this was asked last, or one with another anon_vma, or that lie in another VMA.
    pub fn take_changed(&self, into: &mut ChangedPages) {
        into.take(&mut self.changed.borrow_mut());
    }

    /// Takes the pages whose folios a fork has shared since this was asked last.
    pub fn take_shared(&self, into: &mut ChangedPages) {
        into.take(&mut self.shared.borrow_mut());
    }

    /// Whether the tables are read from the kernel's own, once a page is mapped.
    pub fn are_read(&self) -> bool {
        !self.origins.is_empty()
    }

    /// The folio that a page of a process maps.
    pub fn folio_at(&self, mm: MmId, page: u64) -> Option<FolioId> {
        self.tables[usize::from(mm.0) % MAX_PROCESSES].get(page)
    }

    /// The pages of a process that map a folio, in order.
    pub fn mapped(&self, mm: MmId) -> impl Iterator<Item = (u64, FolioId)> + '_ {
        self.tables[usize::from(mm.0) % MAX_PROCESSES].0.iter().copied()
    }

    /// Those of the pages `start..end`.
    pub fn mapped_in(&self, mm: MmId, start: u64, end: u64) -> impl Iterator<Item = (u64, FolioId)> + '_ {
        let table = &self.tables[usize::from(mm.0) % MAX_PROCESSES];
        table.0[table.range(start, end)].iter().copied()
    }

    /// Every page of every process that maps a folio.
    pub fn mappings(&self) -> impl Iterator<Item = (FolioId, MmId, u64)> + '_ {
        let processes = (0..).map(MmId).zip(&self.tables);
        processes.flat_map(|(mm, table)| table.0.iter().map(move |&(page, folio)| (folio, mm, page)))
    }

    /// The folios in use, by number.
    pub fn folios(&self) -> impl Iterator<Item = FolioId> + '_ {
        (0..).map(FolioId).zip(&self.folios).filter(|(_, folio)| folio.mapcount > 0).map(|(id, _)| id)
    }

    /// `folio_mapcount()`
    pub fn mapcount(&self, folio: FolioId) -> u32 {
        self.folios.get(folio.0 as usize).map_or(0, |folio| folio.mapcount)
    }

    /// How many pages the folio has.
    pub fn pages_of(&self, folio: FolioId) -> u64 {
        self.folios.get(folio.0 as usize).map_or(1, |folio| u64::from(folio.pages.max(1)))
    }

    /// Whether the folio is one process's alone.
    pub fn is_exclusive(&self, folio: FolioId) -> bool {
        self.folios.get(folio.0 as usize).is_some_and(|folio| folio.exclusive)
    }

    /// Whether a fault at a page, for writing, would take an anon_vma for a new folio (`vmf_anon_prepare()`): there is
    /// none yet, or it must be copied.
    pub fn needs_anon_vma(&self, mm: MmId, page: u64) -> bool {
        let Some(folio) = self.folio_at(mm, page) else { return true };
        let Folio { mapcount, exclusive, .. } = self.folios[folio.0 as usize];
        !exclusive && mapcount > 1
    }

    /// Mirrors handle_mm_fault() (mm/memory.c) for anonymous memory and private memory of a file, of which the VMA
    /// has been prepared if [`Pages::needs_anon_vma`]: do_anonymous_page() or do_cow_fault() of an empty page,
    /// do_wp_page() of a mapped one.
    pub fn fault<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId, vma: VmaId, page: u64, write: bool) -> Faulted {
        if !write {
            return Faulted::Nothing;
        }
        let Some(old) = self.folio_at(mm, page) else {
            self.map_new(rmap, mm, vma, page);
            return Faulted::New;
        };
        match &mut self.folios[old.0 as usize] {
            Folio { exclusive: true, .. } => Faulted::Nothing,
            Folio { mapcount: 1, exclusive, .. } => {
                *exclusive = true;
                self.change(mm, page, page + 1);
                rmap.call(Call::FolioMoveAnonRmap { folio: old, vma });
                Faulted::Reused
            }
            _ => {
                self.map_new(rmap, mm, vma, page);
                self.unmap_one(rmap, old);
                Faulted::Copied
            }
        }
    }

    /// A new folio, this process's alone: folio_add_new_anon_rmap() (mm/rmap.c; page_add_new_anon_rmap() in 6.1).
    fn map_new<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId, vma: VmaId, page: u64) {
        let folio = self.free.pop().unwrap_or_else(|| {
            self.folios.push(Folio::default());
            FolioId(self.folios.len() as u32 - 1)
        });
        self.folios[folio.0 as usize] = Folio { mapcount: 1, exclusive: true, pages: 1 };
        self.change(mm, page, page + 1);
        self.table(mm).set(page, folio);
        rmap.call(Call::FolioSetAnon { folio, vma, page, exclusive: true });
    }

    /// A page table entry of a folio went.
    fn unmap_one<R: Rmap + ?Sized>(&mut self, rmap: &mut R, folio: FolioId) {
        let record = &mut self.folios[folio.0 as usize];
        record.mapcount -= 1;
        if record.mapcount == 0 {
            record.exclusive = false;
            self.free.push(folio);
            rmap.call(Call::FolioFree { folio });
        }
    }

    /// Mirrors unmap_vmas() (mm/memory.c) for the pages `start..end`.
    pub fn zap<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let range = self.tables[usize::from(mm.0) % MAX_PROCESSES].range(start, end);
        if range.is_empty() {
            return;
        }
        self.change(mm, start, end);
        self.drain(rmap, mm, range);
    }

    /// Mirrors unmap_vmas() of a whole process, as exit_mmap() calls it.
    pub fn exit<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId) {
        self.change(mm, 0, u64::MAX);
        self.drain(rmap, mm, ..);
    }

    /// Takes these entries of a table away.
    fn drain<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId, entries: impl std::ops::RangeBounds<usize>) {
        let mut table = std::mem::take(self.table(mm));
        for (_, folio) in table.0.drain(entries) {
            self.unmap_one(rmap, folio);
        }
        // Keeps its memory.
        *self.table(mm) = table;
    }

    /// Mirrors move_page_tables() (mm/mremap.c, mm/memory.c in 6.1): `pages` pages from `from` on go to `to` on, where
    /// nothing is mapped. The folios keep anon_vma and index.
    pub fn move_range(&mut self, mm: MmId, from: u64, to: u64, pages: u64) {
        self.change(mm, from, from.saturating_add(pages));
        self.change(mm, to, to.saturating_add(pages));
        let mut moved = std::mem::take(&mut self.moving);
        let table = self.table(mm);
        let range = table.range(from, from.saturating_add(pages));
        moved.extend(table.0.drain(range));
        for (page, folio) in moved.drain(..) {
            table.set(page - from + to, folio);
        }
        self.moving = moved;
    }

    /// Mirrors copy_page_range() (mm/memory.c) for the pages `start..end` of a VMA that is forked: both processes
    /// share every folio from now on.
    pub fn copy_range(&mut self, src: MmId, dst: MmId, start: u64, end: u64) {
        if start >= end || src == dst {
            return;
        }
        let [parent, child] = [src, dst];
        let [src, dst] = [src, dst].map(|mm| usize::from(mm.0) % MAX_PROCESSES);
        let range = self.tables[src].range(start, end);
        if range.is_empty() {
            return;
        }
        self.change(child, start, end);
        self.shared.get_mut().note(parent, start, end);
        let mut table = std::mem::take(&mut self.tables[dst]);
        for &(page, folio) in &self.tables[src].0[range] {
            let record = &mut self.folios[folio.0 as usize];
            record.mapcount += 1;
            record.exclusive = false;
            table.set(page, folio);
        }
        self.tables[dst] = table;
    }

    /// Mirrors move_present_pte() (mm/userfaultfd.c) of `UFFDIO_MOVE`: one page of a process goes to another place,
    /// in a VMA that has an anon_vma, and its folio with it.
    pub fn uffd_move<R: Rmap + ?Sized>(
        &mut self,
        rmap: &mut R,
        mm: MmId,
        from: u64,
        to: u64,
        dst_vma: VmaId,
    ) -> Result<(), Refused> {
        self.uffd_movable(mm, from, to)?;
        self.change(mm, from, from + 1);
        self.change(mm, to, to + 1);
        let table = self.table(mm);
        let at = table.place(from);
        let (_, folio) = table.0.remove(at);
        rmap.call(Call::FolioMoveAnonRmap { folio, vma: dst_vma });
        rmap.call(Call::FolioSetIndex { folio, vma: dst_vma, page: to });
        self.table(mm).set(to, folio);
        Ok(())
    }

    /// Whether [`Pages::uffd_move`] would be refused.
    pub fn uffd_movable(&self, mm: MmId, from: u64, to: u64) -> Result<(), Refused> {
        let folio = self.folio_at(mm, from).ok_or(Refused(ENOENT))?;
        if self.folio_at(mm, to).is_some() {
            return Err(Refused(EEXIST));
        }
        match self.folios[folio.0 as usize] {
            Folio { mapcount: 1, exclusive: true, .. } => Ok(()),
            _ => Err(Refused(EBUSY)),
        }
    }

    /// Takes in what the kernel's own page tables hold after an operation: a folio's number is that of its frame. The
    /// kernel's code has made the calls of the reverse map itself. `processes`: those of which something has changed, a bit each.
    pub fn read(&mut self, tables: &PageTables, processes: u16) {
        let folios = tables.frames.last().map_or(0, |frame| frame.frame as usize + 1);
        self.folios.clear();
        self.folios.resize(folios, Folio::default());
        let mut moved = std::mem::take(&mut self.moved);
        moved.clear();
        moved.resize(folios.max(self.origins.len()), false);
        self.origins.resize(moved.len(), (None, 0));
        for frame in &tables.frames {
            self.folios[frame.head as usize].pages += 1;
            if frame.frame == frame.head {
                let (origin, now) = (&mut self.origins[frame.frame as usize], (frame.anon_vma, frame.index));
                moved[frame.frame as usize] = *origin != now;
                *origin = now;
            }
        }
        let mut entries = tables.entries.iter().peekable();
        for mm in (0..MAX_PROCESSES as u8).map(MmId) {
            let changed = processes & mm.bit() != 0;
            let mut table = std::mem::take(&mut self.tables[usize::from(mm.0)]);
            let (mut place, mut as_before) = (0, true);
            while let Some(entry) = entries.next_if(|entry| entry.mm == mm) {
                let Some(number) = entry.target.mapped() else { continue };
                let Some(frame) = tables.frame(number).filter(|frame| frame.anon) else { continue };
                let folio = &mut self.folios[frame.head as usize];
                folio.mapcount += 1;
                folio.exclusive = tables.is_exclusive(entry);
                if !changed {
                    continue;
                }
                let here = (entry.page, FolioId(frame.head));
                as_before &= table.0.get(place) == Some(&here) && !moved[frame.head as usize];
                match table.0.get_mut(place) {
                    Some(there) => *there = here,
                    None => table.0.push(here),
                }
                place += 1;
            }
            if changed {
                as_before &= table.0.len() == place;
                table.0.truncate(place);
                if !as_before {
                    self.changed.get_mut().note_all(mm);
                }
            }
            self.tables[usize::from(mm.0)] = table;
        }
        self.moved = moved;
    }

    /// Takes a reference on the anon_vma of the folio at a page, as migration and KSM do: the slot that holds it, the
    /// lowest free one.
    pub fn pin<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId, page: u64) -> Result<usize, Refused> {
        let folio = self.folio_at(mm, page).ok_or(Refused(EFAULT))?;
        let slot = self.pins.iter().position(Option::is_none).ok_or(Refused(EMFILE))?;
        let result = rmap.call(Call::FolioGetAnonVma { folio, mapped: true });
        let serial = u32::try_from(result).map_err(|_| Refused(result.saturating_neg()))?;
        self.pins[slot] = Some(AnonVmaId(serial));
        Ok(slot)
    }

    /// Drops the reference of a slot.
    pub fn unpin<R: Rmap + ?Sized>(&mut self, rmap: &mut R, slot: usize) -> Result<(), Refused> {
        let anon_vma = self.pins.get_mut(slot).and_then(Option::take).ok_or(Refused(EBADF))?;
        rmap.call(Call::PutAnonVma { anon_vma });
        Ok(())
    }

    /// Drops every reference: one operation, if any is held.
    pub fn unpin_all<R: Rmap + ?Sized>(&mut self, rmap: &mut R) {
        if self.pinned() == 0 {
            return;
        }
        rmap.begin_operation(&Fail::NEVER);
        for slot in 0..MAX_PINS {
            // A free one has nothing to drop.
            let _ = self.unpin(rmap, slot);
        }
    }

    /// The references held, by the numbers of their slots.
    pub fn pins(&self) -> &[Option<AnonVmaId>; MAX_PINS] {
        &self.pins
    }

    /// How many references are held.
    pub fn pinned(&self) -> usize {
        self.pins.iter().flatten().count()
    }

    /// An rmap walk of the folio at a page: what the call returned.
    pub fn walk<R: Rmap + ?Sized>(&self, rmap: &mut R, mm: MmId, page: u64, mode: WalkMode) -> Result<i32, Refused> {
        let folio = self.folio_at(mm, page).ok_or(Refused(EFAULT))?;
        Ok(rmap.call(Call::RmapWalkAnon { folio, mapped: true, mode }))
    }

    /// An rmap walk of every folio: one operation.
    pub fn walk_all<R: Rmap + ?Sized>(&self, rmap: &mut R) {
        rmap.begin_operation(&Fail::NEVER);
        for folio in self.folios() {
            rmap.call(Call::RmapWalkAnon { folio, mapped: true, mode: WalkMode::Unlocked });
        }
    }
}
