//! The walks of the mappings of a folio, over page tables of the port's own: unmapping, migration, writeback, and who used it.
//!
//! What others write to page tables is told entry by entry; what a walk writes is an event of it. Pages are mapped one by one,
//! by entries of the lowest page tables, or all pages of a huge page by one entry of the level above. What the reverse map does not count of a folio (references, dirty, its place in swap)
//! is told with the call, and how the walk leaves it is its last event.

use rustc_hash::{FxHashMap, FxHashSet};

use smallvec::SmallVec;

use super::Port;
use super::arena::{Ref, Stop};
use super::folio::{Locked, Place};
use super::hooks::Hooks;
use super::mapping::{Count, Pages};
use super::objects::{AnonVma, Vma};
use rmap_seam::{
    Entry, Event, EventKind, FILES_NOT_TOLD, FolioFound, FolioId, MAX_PROCESSES, MmCounter, MmId, Pause, Point, Rule,
    VmaAttributes, VmaId, WalkFlags,
};

/// The frame of the zero page.
const ZERO_FRAME: u32 = 1;
/// Entries of a page table.
const ENTRIES: u64 = 512;
/// What the entry of a migration keeps of the mapping.
const KEPT: u32 = Entry::WRITE | Entry::DIRTY | Entry::ACCESSED | TRACKED;
/// What userfaultfd and soft-dirty tracking mark. Entries of migration and of the swap device keep it, those of a page whose
/// memory has failed do not.
const TRACKED: u32 = Entry::UFFD | Entry::SOFT_DIRTY;

/// What `pte_mkdirty()` sets besides the bit that says that the page was written to: x86 takes it for soft-dirty then.
fn soft_if_dirty(bits: u32) -> u32 {
    if bits & Entry::DIRTY != 0 { Entry::SOFT_DIRTY } else { 0 }
}

/// The page tables of every process.
#[derive(Default)]
pub(super) struct PageTables {
    /// By process, as soon as one has any.
    entries: Vec<FxHashMap<u64, Entry>>,
    /// Those of huge pages, by their first page.
    huge: Vec<FxHashMap<u64, Entry>>,
    /// The tables that such entries are in, by process and their first page.
    tables: FxHashSet<(MmId, u64)>,
}

impl PageTables {
    /// The entry of a huge page at its first page; none if there is no such.
    fn huge(&self, mm: MmId, page: u64) -> Entry {
        let huge = self.huge.get(usize::from(mm.0) % MAX_PROCESSES).and_then(|of| of.get(&page));
        huge.copied().unwrap_or(Entry::HUGE_NONE)
    }

    fn get(&self, mm: MmId, page: u64) -> Entry {
        let entry = self.entries.get(usize::from(mm.0) % MAX_PROCESSES).and_then(|of| of.get(&page));
        entry.copied().unwrap_or(Entry::NONE)
    }

    /// `set_pte()`
    pub fn set(&mut self, mm: MmId, page: u64, entry: Entry) {
        let of = if entry.has(Entry::HUGE) { &mut self.huge } else { &mut self.entries };
        if of.is_empty() {
            of.resize_with(MAX_PROCESSES, FxHashMap::default);
        }
        let of = &mut of[usize::from(mm.0) % MAX_PROCESSES];
        match entry {
            Entry::NONE | Entry::HUGE_NONE => of.remove(&page),
            entry => of.insert(page, entry),
        };
    }

    /// A table of the level above the lowest is there, or not any more.
    pub fn set_table(&mut self, mm: MmId, page: u64, present: bool) {
        match present {
            true => self.tables.insert((mm, page)),
            false => self.tables.remove(&(mm, page)),
        };
    }

    /// Whether there is one for a page. Mirrors `mm_find_pmd()` (mm/rmap.c).
    fn has_table(&self, mm: MmId, page: u64) -> bool {
        self.tables.contains(&(mm, page & !(ENTRIES * ENTRIES - 1)))
    }

    /// No process has any.
    pub fn reset(&mut self) {
        self.entries.iter_mut().chain(&mut self.huge).for_each(FxHashMap::clear);
        self.tables.clear();
    }
}

/// One VMA that a walk of a folio's mappings has come to.
#[derive(Clone, Copy)]
struct Visit {
    /// The folio whose frames the entries name.
    folio: FolioId,
    pages: u64,
    vma: Ref<Vma>,
    mm: MmId,
    /// The first page of the folio that the VMA has.
    start: u64,
    /// One past the last. Mirrors `vma_address_end()` (mm/internal.h).
    end: u64,
    vma_end: u64,
    /// The VMA locks its pages in memory.
    locked: bool,
    /// What is written there is seen by whoever maps the file.
    shared: bool,
    /// Userfaultfd may have write-protected pages of it.
    uffd: bool,
}

/// A folio that is walked.
#[derive(Clone, Copy)]
struct Walked {
    folio: FolioId,
    /// The folio whose frames the entries name.
    named: FolioId,
    place: Place,
    /// None: it is a page of a file.
    anon_vma: Option<Ref<AnonVma>>,
}

/// How a walk gets its lock.
enum Lock {
    /// `folio_lock_anon_vma_read()`, which may give up.
    Folio { try_lock: bool },
    /// `rmap_walk_anon_lock()`
    AnonVma,
    /// The caller holds it.
    Held,
}

impl Visit {
    /// The page of its folio that an entry names.
    fn page_of(&self, entry: Entry) -> u32 {
        entry.number.wrapping_sub(self.folio.0)
    }

    /// Whether an entry names a page of the folio: mapped, or being migrated. Mirrors `check_pte()` (mm/page_vma_mapped.c).
    fn is_of(&self, entry: Entry, kind: u32) -> bool {
        entry.has(kind) && u64::from(self.page_of(entry)) < self.pages
    }

    /// Whether a huge page has pages of the folio. Mirrors `check_pmd()` (mm/page_vma_mapped.c).
    fn shares_pages(&self, huge: Entry) -> bool {
        let (first, folio) = (u64::from(huge.number), u64::from(self.folio.0));
        first + ENTRIES > folio && first < folio + self.pages
    }

    /// One past the last page up to which a batch can go: the end of the page table or of the VMA.
    fn batch_end(&self, page: u64) -> u64 {
        ((page / ENTRIES + 1) * ENTRIES).min(self.vma_end)
    }
}

impl<H: Hooks> Port<H> {
    /// How many mappings a folio has. Mirrors `folio_mapcount()` (include/linux/mm.h).
    fn mapcount(&mut self, folio: FolioId) -> Result<i32, Stop> {
        let count = self.folio_slot(folio)?.as_ref().and_then(|folio| folio.count.as_ref());
        Ok(count.map_or(0, |count| count.mappings()))
    }

    /// The same, where nothing keeps it as it is. Of a folio of several pages it is no point for other tasks.
    pub(super) fn read_mapcount(&mut self, folio: FolioId) -> Result<i32, Stop> {
        let count = self.folio_slot(folio)?.as_ref().and_then(|folio| folio.count.as_ref());
        if H::BESIDE_OTHERS && count.is_some_and(|count| count.pages() == 1) {
            self.point(Point::READ, Point::OF_FOLIO, folio.0);
        }
        self.mapcount(folio)
    }

    /// Whether a page is one process's alone.
    fn is_exclusive(&mut self, folio: FolioId, page: u32) -> Result<bool, Stop> {
        let count = self.folio_slot(folio)?.as_ref().and_then(|folio| folio.count.as_ref());
        Ok(count.and_then(|count| count.page(page)).is_some_and(|page| page.exclusive))
    }

    /// The walk writes an entry.
    fn write_entry(&mut self, mm: MmId, page: u64, entry: Entry) {
        let was = if entry.has(Entry::HUGE) { self.page_tables.huge(mm, page) } else { self.page_tables.get(mm, page) };
        if was != entry {
            self.page_tables.set(mm, page, entry);
            self.task.observed.record(EventKind::Entry, mm.0, entry.bits as u16, entry.number, page as u32);
        }
    }

    fn count_in_mm(&mut self, mm: MmId, counter: MmCounter, change: i32) {
        self.task.observed.record(EventKind::Counter, mm.0, counter as u16, change.cast_unsigned(), 0);
    }

    fn flush(&mut self, mm: MmId, page: u64, pages: u64) {
        self.task.observed.record(EventKind::Flush, mm.0, 0, page as u32, pages as u32);
    }

    /// The TLB forgets entries that a walk has cleared, now or later: then `found` says that a flush is put off. Of what a device has
    /// the TLB knows nothing.
    fn flush_cleared(&mut self, mm: MmId, page: u64, pages: u64, was: Entry, flags: WalkFlags, found: &mut FolioFound) {
        match flags.has(WalkFlags::BATCH_FLUSH) {
            _ if was.has(Entry::DEVICE) => {}
            true => {
                self.task.observed.record(EventKind::Flush, mm.0, 1, 0, 0);
                found.bits |= FolioFound::FLUSH | if was.has(Entry::DIRTY) { FolioFound::FLUSH_DIRTY } else { 0 };
            }
            false => self.flush(mm, page, pages),
        }
    }

    /// A walk comes to a VMA.
    fn tell_visit(&mut self, visit: &Visit) -> Result<(), Stop> {
        let serial = self.vmas.get(visit.vma)?.serial;
        self.task.observed.record(EventKind::Visit, 0, 0, serial, visit.start as u32);
        Ok(())
    }

    fn notify(&mut self, visit: &Visit, end: bool) {
        let pages = visit.end.wrapping_sub(visit.start) as u32;
        self.task.observed.record(EventKind::Notify, end.into(), 0, visit.start as u32, pages);
    }

    /// The walk is over, and the call tells all of the folio.
    fn leave(&mut self, folio: FolioId, pages: u64, found: FolioFound) {
        // Where nothing was to be walked, nobody has taken what was told of the file's VMAs.
        self.task.file_tree.clear();
        let (mut bits, mut references) = (found.bits & !FolioFound::UNUSED, found.references);
        // Of several tasks others may have used it since it was looked at last.
        if H::BESIDE_OTHERS
            && let Some(left) = self.told_next(EventKind::Left)
        {
            (bits, references) = (u32::from(left.arg) << 16 | u32::from(left.flags), left.other);
        }
        self.task.observed.record(EventKind::Left, (bits >> 16) as u8, bits as u16, folio.0, references);
        self.task.observed.tell_folio(folio, 0, pages as u32);
    }

    /// The folio of a number, which the call then tells.
    fn walked(&mut self, folio: FolioId, named: FolioId, found: FolioFound) -> Result<Walked, Stop> {
        if found.file == 0 {
            let (place, anon_vma) = self.given_anon_folio(folio)?;
            return Ok(Walked { folio, named, place, anon_vma: Some(anon_vma) });
        }
        let pages = self.given_folio(folio)?.count.as_ref().map_or(1, Count::pages);
        let place = Place { index: found.index, pages, file: found.file };
        Ok(Walked { folio, named, place, anon_vma: None })
    }

    fn visit(&self, folio: FolioId, place: Place, vma: Ref<Vma>, start: u64) -> Result<Visit, Stop> {
        let object = self.vmas.get(vma)?;
        let offset = place.index.wrapping_add(place.pages).wrapping_sub(self.key_at(object, place));
        let (range, end) = (object.range, object.range.start.wrapping_add(offset));
        Ok(Visit {
            folio,
            pages: place.pages,
            vma,
            mm: object.mm,
            start,
            end: if end < range.start || end > range.end { range.end } else { end },
            vma_end: range.end,
            locked: object.attributes.flags & VmaAttributes::LOCKED != 0,
            shared: object.attributes.flags & VmaAttributes::SHARED != 0,
            uffd: object.attributes.flags & VmaAttributes::UFFD != 0,
        })
    }

    /// The next VMA in the order of a file's tree.
    pub(super) fn file_tree_next(&mut self, vma: VmaId) {
        self.task.file_tree.push(vma);
    }

    /// Mirrors `rmap_walk()` (mm/rmap.c): `one` is told each VMA, until it, or `done` after it, says that it is enough. False:
    /// another task holds the lock.
    fn walk_mappings(
        &mut self,
        walked: Walked,
        lock: Lock,
        mut one: impl FnMut(&mut Port<H>, &Visit) -> Result<bool, Stop>,
        mut done: impl FnMut(&mut Port<H>) -> Result<bool, Stop>,
    ) -> Result<bool, Stop> {
        let Walked { folio, named, place, anon_vma } = walked;
        let Some(anon_vma) = anon_vma else {
            return self.walk_file(walked, lock, one, done);
        };
        let mapped = self.mapcount(folio)? > 0;
        let held = matches!(lock, Lock::Held);
        let locked = match lock {
            Lock::Folio { try_lock } => self.folio_lock_anon_vma_read(folio, anon_vma, mapped, try_lock)?,
            Lock::AnonVma => self.rmap_walk_anon_lock(anon_vma, false)?,
            Lock::Held => Locked::Yes(anon_vma),
        };
        let anon_vma: Ref<AnonVma> = match locked {
            Locked::Yes(anon_vma) => anon_vma,
            Locked::No => return Ok(true),
            Locked::Contended => return Ok(false),
        };
        let entries = self.chain_entries_of(anon_vma, place)?;
        for &avc in &entries {
            let (vma, page) = self.mapped_at(avc, place)?;
            let visit = self.visit(named, place, vma, page)?;
            if !self.visit_one(&visit, &mut one)? || done(self)? {
                break;
            }
        }
        self.entries = entries;
        if !held {
            let root = self.anon_vmas.get(anon_vma)?.root;
            self.up_read(root)?;
        }
        Ok(true)
    }

    /// What a walk does with a VMA that it comes to: whether it goes on.
    fn visit_one(
        &mut self,
        visit: &Visit,
        one: &mut impl FnMut(&mut Port<H>, &Visit) -> Result<bool, Stop>,
    ) -> Result<bool, Stop> {
        self.task.locked_table = None;
        let goes_on = one(self, visit)?;
        H::pause(self, Pause::LeftVma);
        Ok(goes_on)
    }

    /// Mirrors `rmap_walk_file()` (mm/rmap.c). One task alone gets the lock of the tree at once; where others run, it is the
    /// VMA code's. False: another task holds the lock.
    fn walk_file(
        &mut self,
        Walked { named, place, .. }: Walked,
        lock: Lock,
        mut one: impl FnMut(&mut Port<H>, &Visit) -> Result<bool, Stop>,
        mut done: impl FnMut(&mut Port<H>) -> Result<bool, Stop>,
    ) -> Result<bool, Stop> {
        let held = matches!(lock, Lock::Held);
        let file = place.file.wrapping_sub(1);
        if !held {
            self.point(Point::TRYLOCK, Point::OF_FILE, Event::NONE);
            let taken = self.told_next(EventKind::FileTrylock).is_none_or(|told| told.flags != 0);
            self.task.observed.record(EventKind::FileTrylock, 0, taken.into(), file, 0);
            if !taken && matches!(lock, Lock::Folio { try_lock: true }) {
                return Ok(false);
            }
            if !taken {
                self.point(Point::LOCK, Point::OF_FILE, Event::NONE);
                self.task.observed.record(EventKind::FileDownRead, 0, 0, file, 0);
            }
        }
        let mut vmas = SmallVec::new();
        if !H::BESIDE_OTHERS {
            self.file_vmas(place, &mut vmas);
        }
        let mut vmas = vmas.into_iter();
        while let Some((vma, page)) = if H::BESIDE_OTHERS { self.next_told_visit()? } else { vmas.next() } {
            let visit = self.visit(named, place, vma, page)?;
            if !self.visit_one(&visit, &mut one)? || done(self)? {
                break;
            }
        }
        if !held {
            self.point(Point::UNLOCK, Point::OF_FILE, Event::NONE);
            self.task.observed.record(EventKind::FileUpRead, 0, 0, file, 0);
        }
        Ok(true)
    }

    /// The VMAs that have a page of a file, and where. Their order is that of the page offsets at which they begin; of those
    /// that begin at the same, it is the order that was told.
    fn file_vmas(&mut self, place: Place, found: &mut SmallVec<[(Ref<Vma>, u64); 8]>) {
        let order = &self.task.file_tree;
        let rank = |vma: &Vma| order.iter().position(|id| id.0 == vma.serial).unwrap_or(usize::MAX);
        let offset = |vma: &Vma| place.index.wrapping_sub(vma.range.pgoff);
        let has = |vma: &Vma| vma.attributes.file == place.file && offset(vma) < vma.pages();
        let mut vmas: SmallVec<[_; 8]> = self.vmas.iter().filter(|(_, vma)| has(vma)).collect();
        vmas.sort_by_key(|(_, vma)| (vma.range.pgoff, rank(vma), vma.serial));
        let first = |vma: &Vma| vma.range.start.wrapping_add(offset(vma));
        found.extend(vmas.into_iter().map(|(reference, vma)| (reference, first(vma))));
        self.task.file_tree.clear();
    }

    /// The next entry of a kind from a page on. Mirrors `page_vma_mapped_walk()` (mm/page_vma_mapped.c).
    /// What a device has for itself is taken for mapped, and until 6.14 for migrating, too.
    fn next_mapping(&mut self, visit: &Visit, mut from: u64, kind: u32) -> Option<(u64, Entry)> {
        let devices = kind == Entry::PRESENT || !self.revision.migration_passes_devices;
        let is_of = |entry: Entry| visit.is_of(entry, kind) || devices && visit.is_of(entry, Entry::DEVICE);
        while from < visit.end {
            let table = from / ENTRIES * ENTRIES;
            let end = visit.end.min(table + ENTRIES);
            if H::BESIDE_OTHERS && self.task.locked_table != Some(table) {
                if !self.look_at_entries() {
                    from = end;
                    continue;
                }
                self.task.locked_table = Some(table);
            }
            let huge = self.page_tables.huge(visit.mm, table);
            if huge != Entry::HUGE_NONE {
                if huge.has(kind) && visit.shares_pages(huge) {
                    return Some((from, huge));
                }
                if !self.revision.walk_passes_huge {
                    return None;
                }
            }
            let entry = |page| (page, self.page_tables.get(visit.mm, page));
            if let Some(found) = (from..end).map(entry).find(|(_, entry)| is_of(*entry)) {
                return Some(found);
            }
            from = end;
        }
        None
    }

    /// How many entries from one on map pages of the folio in a row and are alike in these bits. Mirrors
    /// `folio_pte_batch_flags()` (mm/util.c, mm/internal.h).
    fn batch(&self, visit: &Visit, page: u64, first: Entry, alike: u32) -> u64 {
        let alike = alike | Entry::PRESENT | Entry::NO_ACCESS | Entry::UFFD;
        let left = visit.pages - u64::from(visit.page_of(first));
        let most = left.min(visit.batch_end(page) - page);
        let follows = |nth: &u64| {
            let entry = self.page_tables.get(visit.mm, page + nth);
            entry.bits & alike == first.bits & alike && u64::from(entry.number) == u64::from(first.number) + nth
        };
        1 + (1..most).take_while(follows).count() as u64
    }

    /// `pte_clear()` of entries in a row: what was there, written to and used if any of them was. What `pte_mkdirty()` marks so is
    /// soft-dirty, too. Mirrors `get_and_clear_ptes()` (include/linux/pgtable.h).
    fn clear_entries(&mut self, mm: MmId, page: u64, count: u64) -> Entry {
        let mut all = self.page_tables.get(mm, page);
        for nth in 0..count {
            let bits = self.page_tables.get(mm, page + nth).bits;
            all.bits |= bits & (Entry::DIRTY | Entry::ACCESSED);
            if nth > 0 {
                all.bits |= soft_if_dirty(bits);
            }
            self.write_entry(mm, page + nth, Entry::NONE);
        }
        all
    }

    /// Mirrors `set_ptes()`.
    fn set_entries(&mut self, mm: MmId, page: u64, first: Entry, count: u64) {
        for nth in 0..count {
            self.write_entry(mm, page + nth, Entry { number: first.number + nth as u32, ..first });
        }
    }

    /// Takes a folio out of the page tables, until nothing maps it: `one` is told each VMA.
    fn take_out(
        &mut self,
        folio: FolioId,
        flags: WalkFlags,
        mut found: FolioFound,
        one: fn(&mut Port<H>, &Visit, WalkFlags, &mut FolioFound) -> Result<bool, Stop>,
    ) -> Result<i32, Stop> {
        let lock = if flags.has(WalkFlags::RMAP_LOCKED) { Lock::Held } else { Lock::Folio { try_lock: false } };
        let walked = self.walked(folio, folio, found)?;
        let one = |port: &mut Port<H>, visit: &Visit| one(port, visit, flags, &mut found);
        self.walk_mappings(walked, lock, one, |port| Ok(port.read_mapcount(folio)? == 0))?;
        self.leave(folio, walked.place.pages, found);
        Ok(0)
    }

    /// Mirrors `try_to_unmap()` (mm/rmap.c).
    pub(super) fn try_to_unmap(&mut self, folio: FolioId, flags: WalkFlags, found: FolioFound) -> Result<i32, Stop> {
        self.take_out(folio, flags, found, Port::<H>::try_to_unmap_one)
    }

    /// Mirrors `try_to_unmap_one()` (mm/rmap.c).
    fn try_to_unmap_one(&mut self, visit: &Visit, flags: WalkFlags, found: &mut FolioFound) -> Result<bool, Stop> {
        self.tell_visit(visit)?;
        self.notify(visit, false);
        let goes_on = self.unmap_entries(visit, flags, found)?;
        self.notify(visit, true);
        Ok(goes_on)
    }

    /// A huge page is present for the kernel alone while its entry changes. Mirrors `pmdp_invalidate()` (mm/pgtable-generic.c).
    fn invalidate_huge(&mut self, mm: MmId, page: u64, entry: Entry) {
        self.write_entry(mm, page / ENTRIES * ENTRIES, Entry { bits: entry.bits | Entry::NO_ACCESS, ..entry });
        self.flush(mm, page, ENTRIES);
    }

    /// A lazily freed huge page goes, unless it was written to or somebody else has a reference. Mirrors
    /// `__discard_anon_folio_pmd_locked()` (mm/huge_memory.c).
    fn discard_huge(&mut self, visit: &Visit, page: u64, entry: Entry, found: &mut FolioFound) -> Result<bool, Stop> {
        if entry.has(Entry::DIRTY) {
            found.bits |= FolioFound::DIRTY;
        }
        if found.has(FolioFound::DIRTY) {
            found.bits |= FolioFound::SWAPBACKED;
            return Ok(false);
        }
        let (mm, first) = (visit.mm, page / ENTRIES * ENTRIES);
        self.write_entry(mm, first, Entry::HUGE_NONE);
        self.flush(mm, page, ENTRIES);
        if i64::from(found.references) != 1 + i64::from(self.mapcount(visit.folio)?) {
            self.write_entry(mm, first, entry);
            return Ok(false);
        }
        self.folio_remove_rmap(Pages::of_huge(visit.folio), visit.vma)?;
        self.count_in_mm(mm, MmCounter::AnonPages, -(ENTRIES as i32));
        found.references = found.references.wrapping_sub(1);
        Ok(true)
    }

    /// Entries of a page table take the place of the entry of a huge page: of a migration, if it is frozen. Mirrors
    /// `__split_huge_pmd_locked()` (mm/huge_memory.c).
    fn split_huge_entry(
        &mut self,
        visit: &Visit,
        page: u64,
        entry: Entry,
        frozen: bool,
        found: &mut FolioFound,
    ) -> Result<(), Stop> {
        let Visit { folio, vma, mm, .. } = *visit;
        let (first, huge, mut frozen) = (page / ENTRIES * ENTRIES, Pages::of_huge(folio), frozen);
        self.invalidate_huge(mm, first, entry);
        if entry.has(Entry::DIRTY) {
            found.bits |= FolioFound::DIRTY;
        }
        let exclusive = self.is_exclusive(folio, 0)?;
        if frozen && exclusive && self.folio_try_share_anon_rmap(huge, found.has(FolioFound::PINNED))? != 0 {
            frozen = false;
        }
        let kept = entry.bits & KEPT;
        let bits = if frozen {
            let alone = if exclusive && !entry.has(Entry::WRITE) { Entry::EXCLUSIVE } else { 0 };
            Entry::MIGRATION | kept | alone
        } else {
            found.references = found.references.wrapping_add(ENTRIES as u32 - 1);
            self.folio_add_anon_rmap(Pages::of(folio, 0, ENTRIES as u32), vma, first, exclusive)?;
            self.protection(vma)? | kept | soft_if_dirty(kept)
        };
        self.set_entries(mm, first, Entry { bits, number: entry.number }, ENTRIES);
        self.folio_remove_rmap(huge, vma)?;
        if frozen {
            found.references = found.references.wrapping_sub(1);
        }
        self.write_entry(mm, first, Entry::HUGE_NONE);
        Ok(())
    }

    fn unmap_entries(&mut self, visit: &Visit, mut flags: WalkFlags, found: &mut FolioFound) -> Result<bool, Stop> {
        let Visit { folio, pages, vma, mm, .. } = *visit;
        let batches = self.revision.walks_in_batches;
        let (mut from, mut locked) = (visit.start, 0);
        while let Some((page, entry)) = self.next_mapping(visit, from, Entry::PRESENT) {
            self.refresh(found);
            from = page + 1;
            if visit.locked && !flags.has(WalkFlags::IGNORE_MLOCK) {
                locked += 1;
                // All of it, below one page table; before batches, a small folio alone.
                let whole = if batches { locked == pages || entry.has(Entry::HUGE) } else { pages == 1 };
                if batches && !whole {
                    continue;
                }
                if whole && visit.start / ENTRIES == page / ENTRIES {
                    self.lock_in_memory(folio, vma, EventKind::Mlock)?;
                }
                return Ok(false);
            }
            if entry.has(Entry::HUGE) {
                if self.revision.unmap_drops_huge && found.file == 0 && !found.has(FolioFound::SWAPBACKED) {
                    return self.discard_huge(visit, page, entry, found);
                }
                if !flags.has(WalkFlags::SPLIT_HUGE_PMD) {
                    return Err(Stop::Bug("VM_BUG_ON_FOLIO(!pvmw.pte, folio) in try_to_unmap_one()"));
                }
                self.split_huge_entry(visit, page, entry, false, found)?;
                self.task.locked_table = None;
                flags.0 &= !WalkFlags::SPLIT_HUGE_PMD;
                from = page;
                continue;
            }
            let of_file = found.file != 0;
            let lazily_freed = !of_file && !found.has(FolioFound::SWAPBACKED);
            let of_device = entry.has(Entry::DEVICE);
            let poisoned = flags.has(WalkFlags::HWPOISON) && found.poisoned == visit.page_of(entry) + 1;
            let alone = of_device || flags.has(WalkFlags::HWPOISON) || visit.uffd && !self.revision.batches_protected;
            let count = match batches && !alone && (lazily_freed || of_file) {
                true => self.batch(visit, page, entry, Entry::WRITE | Entry::SOFT_DIRTY),
                false => 1,
            };
            let entry = self.clear_entries(mm, page, count);
            self.flush_cleared(mm, page, count, entry, flags, found);
            if entry.has(Entry::DIRTY) {
                found.bits |= FolioFound::DIRTY;
            }
            let unmapped = Pages::of(folio, visit.page_of(entry), count as u32);
            if poisoned {
                self.poison(mm, page, unmapped, of_file);
                self.folio_remove_rmap(unmapped, vma)?;
                found.references = found.references.wrapping_sub(1);
                continue;
            }
            if !of_file && found.has(FolioFound::SWAPBACKED) != found.has(FolioFound::SWAPCACHE) {
                self.task
                    .observed
                    .warn_on(true, "WARN_ON_ONCE(folio_test_swapbacked(folio) != folio_test_swapcache(folio))");
                return Ok(false);
            }
            let taken = if of_file {
                self.count_in_mm(mm, MmCounter::FilePages, -(count as i32));
                true
            } else if lazily_freed {
                self.discard(mm, unmapped, found)?
            } else {
                self.swap_out(mm, page, unmapped, entry, found)?
            };
            if !taken {
                self.set_entries(mm, page, entry, count);
                return Ok(false);
            }
            self.folio_remove_rmap(unmapped, vma)?;
            found.references = found.references.wrapping_sub(count as u32);
            if batches && count == pages {
                break;
            }
        }
        // A VMA whose pages stay locked ends the walk, though not all of the folio is locked.
        Ok(locked == 0)
    }

    /// A lazily freed folio goes, unless it was written to or somebody else has a reference. Mirrors
    /// `ttu_anon_lazyfree_folio()` (mm/rmap.c; in `try_to_unmap_one()` until 7.2).
    fn discard(&mut self, mm: MmId, pages: Pages, found: &mut FolioFound) -> Result<bool, Stop> {
        let referenced = i64::from(found.references) != 1 + i64::from(self.mapcount(pages.folio)?);
        let dirty = found.has(FolioFound::DIRTY);
        // Before batches, one that could not go for its references was marked swap-backed again, too.
        if dirty || (referenced && !self.revision.walks_in_batches) {
            found.bits |= FolioFound::SWAPBACKED;
        }
        if dirty || referenced {
            return Ok(false);
        }
        self.count_in_mm(mm, MmCounter::AnonPages, -(pages.count as i32));
        Ok(true)
    }

    /// The entry says that the memory of its page has failed.
    fn poison(&mut self, mm: MmId, page: u64, of: Pages, of_file: bool) {
        let counter = if of_file { MmCounter::FilePages } else { MmCounter::AnonPages };
        self.count_in_mm(mm, counter, -1);
        self.write_entry(mm, page, Entry { bits: Entry::POISON, number: of.folio.0.wrapping_add(of.first) });
    }

    /// The entry becomes that of a slot, unless the page is pinned. Mirrors `ttu_anon_swapbacked_folio()` (mm/rmap.c; in
    /// `try_to_unmap_one()` until 7.2).
    fn swap_out(&mut self, mm: MmId, page: u64, pages: Pages, was: Entry, found: &FolioFound) -> Result<bool, Stop> {
        let slot = found.slot.wrapping_add(pages.first);
        let exclusive = self.is_exclusive(pages.folio, pages.first)?;
        self.task.observed.record(EventKind::Slot, 0, 0, slot, 0);
        if exclusive && self.folio_try_share_anon_rmap(pages, found.has(FolioFound::PINNED))? != 0 {
            self.task.observed.record(EventKind::Slot, 1, 0, slot, 0);
            return Ok(false);
        }
        self.count_in_mm(mm, MmCounter::AnonPages, -1);
        self.count_in_mm(mm, MmCounter::SwapEntries, 1);
        let bits = Entry::SWAP | was.bits & TRACKED | if exclusive { Entry::EXCLUSIVE } else { 0 };
        self.write_entry(mm, page, Entry { bits, number: slot });
        Ok(true)
    }

    /// Mirrors `try_to_migrate()` (mm/rmap.c).
    pub(super) fn try_to_migrate(&mut self, folio: FolioId, flags: WalkFlags, found: FolioFound) -> Result<i32, Stop> {
        self.take_out(folio, flags, found, Port::<H>::try_to_migrate_one)
    }

    /// Mirrors `try_to_migrate_one()` (mm/rmap.c).
    fn try_to_migrate_one(&mut self, visit: &Visit, flags: WalkFlags, found: &mut FolioFound) -> Result<bool, Stop> {
        let Visit { folio, vma, mm, .. } = *visit;
        let mut splits = flags.has(WalkFlags::SPLIT_HUGE_PMD);
        if splits && !self.revision.migrate_splits_late {
            self.split_huge_at(visit, found)?;
            splits = false;
        }
        self.tell_visit(visit)?;
        self.notify(visit, false);
        let (mut from, mut goes_on) = (visit.start, true);
        while let Some((page, entry)) = self.next_mapping(visit, from, Entry::PRESENT) {
            self.refresh(found);
            from = page + 1;
            if entry.has(Entry::HUGE) && splits {
                self.split_huge_entry(visit, page, entry, true, found)?;
                self.task.locked_table = None;
                (from, splits) = (page, false);
                continue;
            }
            if entry.has(Entry::HUGE) {
                goes_on = self.migrate_huge(visit, page, entry, found)?;
                break;
            }
            if entry.has(Entry::DEVICE) && !self.revision.migrate_asks_present {
                return Err(Stop::FrameOfAbsent(entry.number));
            }
            let pages = Pages::of(folio, visit.page_of(entry), 1);
            let exclusive = self.is_exclusive(folio, pages.first)?;
            self.write_entry(mm, page, Entry::NONE);
            self.flush_cleared(mm, page, 1, entry, flags, found);
            if entry.has(Entry::DIRTY) {
                found.bits |= FolioFound::DIRTY;
            }
            let writable = entry.has(Entry::WRITE);
            self.task.observed.warn_on(
                writable && !exclusive && found.file == 0,
                "VM_WARN_ON_FOLIO(writable && folio_test_anon(folio) && !anon_exclusive, folio)",
            );
            if found.poisoned == pages.first + 1 {
                self.poison(mm, page, pages, found.file != 0);
            } else if exclusive && self.folio_try_share_anon_rmap(pages, found.has(FolioFound::PINNED))? != 0 {
                self.write_entry(mm, page, entry);
                goes_on = false;
                break;
            } else {
                let alone = if exclusive && !writable { Entry::EXCLUSIVE } else { 0 };
                let bits = Entry::MIGRATION | entry.bits & KEPT | alone;
                self.write_entry(mm, page, Entry { bits, number: entry.number });
            }
            self.folio_remove_rmap(pages, vma)?;
            found.references = found.references.wrapping_sub(1);
        }
        self.notify(visit, true);
        Ok(goes_on)
    }

    /// The mapping of a huge page is split where a VMA has the folio's first page, if it is the folio's. Mirrors
    /// `split_huge_pmd_address()` (mm/huge_memory.c).
    fn split_huge_at(&mut self, visit: &Visit, found: &mut FolioFound) -> Result<(), Stop> {
        let (mm, first) = (visit.mm, visit.start / ENTRIES * ENTRIES);
        if !self.page_tables.has_table(mm, visit.start) {
            return Ok(());
        }
        self.task.observed.record(EventKind::Notify, 0, 0, first as u32, ENTRIES as u32);
        self.look_at_entries();
        self.refresh(found);
        let huge = self.page_tables.huge(mm, first);
        if huge.has(Entry::PRESENT) && huge.number == visit.folio.0 {
            self.split_huge_entry(visit, first, huge, true, found)?;
        }
        self.task.observed.record(EventKind::Notify, 1, 0, first as u32, ENTRIES as u32);
        Ok(())
    }

    /// The entry of a huge page becomes that of a migration, unless the page is pinned. Mirrors `set_pmd_migration_entry()`
    /// (mm/huge_memory.c).
    fn migrate_huge(&mut self, visit: &Visit, page: u64, entry: Entry, found: &mut FolioFound) -> Result<bool, Stop> {
        let (mm, first, huge) = (visit.mm, page / ENTRIES * ENTRIES, Pages::of_huge(visit.folio));
        self.invalidate_huge(mm, page, entry);
        let exclusive = self.is_exclusive(visit.folio, 0)?;
        if exclusive && self.folio_try_share_anon_rmap(huge, found.has(FolioFound::PINNED))? != 0 {
            self.write_entry(mm, first, entry);
            return Ok(false);
        }
        if entry.has(Entry::DIRTY) {
            found.bits |= FolioFound::DIRTY;
        }
        let alone = if exclusive && !entry.has(Entry::WRITE) { Entry::EXCLUSIVE } else { 0 };
        let bits = Entry::HUGE | Entry::MIGRATION | entry.bits & KEPT | alone;
        self.write_entry(mm, first, Entry { bits, number: entry.number });
        self.folio_remove_rmap(huge, visit.vma)?;
        found.references = found.references.wrapping_sub(1);
        Ok(true)
    }

    /// Mirrors `remove_migration_ptes()` (mm/migrate.c).
    pub(super) fn remove_migration_ptes(
        &mut self,
        folio: FolioId,
        to: FolioId,
        flags: WalkFlags,
        mut found: FolioFound,
    ) -> Result<i32, Stop> {
        let walked = self.walked(to, folio, found)?;
        let one = |port: &mut Port<H>, visit: &Visit| port.remove_migration_pte(visit, to, flags, &mut found);
        let lock = if flags.has(WalkFlags::RMAP_LOCKED) { Lock::Held } else { Lock::AnonVma };
        self.walk_mappings(walked, lock, one, |_| Ok(false))?;
        self.leave(to, walked.place.pages, found);
        Ok(0)
    }

    /// Mirrors `remove_migration_pte()` (mm/migrate.c).
    fn remove_migration_pte(
        &mut self,
        visit: &Visit,
        to: FolioId,
        flags: WalkFlags,
        found: &mut FolioFound,
    ) -> Result<bool, Stop> {
        let mut from = visit.start;
        self.tell_visit(visit)?;
        while let Some((page, entry)) = self.next_mapping(visit, from, Entry::MIGRATION) {
            self.refresh(found);
            from = page + 1;
            let first = visit.page_of(entry);
            // try_to_map_unused_to_zeropage()
            let spared = self.revision.zero_page_spares_poisoned && found.poisoned != 0;
            let unused = flags.has(WalkFlags::USE_SHARED_ZEROPAGE) && found.has(FolioFound::UNUSED) && !spared;
            if unused && !visit.locked {
                let uffd = if self.revision.zero_page_keeps_uffd { Entry::UFFD } else { 0 };
                let soft_dirty = if self.revision.zero_page_keeps_soft_dirty { Entry::SOFT_DIRTY } else { 0 };
                let kept = uffd | soft_dirty;
                let bits = self.protection(visit.vma)? | Entry::ACCESSED | Entry::ZERO | entry.bits & kept;
                self.write_entry(visit.mm, page, Entry { bits, number: ZERO_FRAME });
                self.count_in_mm(visit.mm, MmCounter::AnonPages, -1);
                continue;
            }
            found.references = found.references.wrapping_add(1);
            // What a device's entry says is not asked; as none of a migration, it is none of a page that others have.
            let of_device = entry.has(Entry::DEVICE);
            let mut kept = if of_device { TRACKED } else { KEPT };
            if !found.has(FolioFound::DIRTY) {
                kept &= !Entry::DIRTY;
            }
            let bits = self.protection(visit.vma)? | entry.bits & kept;
            let exclusive = of_device || entry.bits & (Entry::WRITE | Entry::EXCLUSIVE) != 0;
            if entry.has(Entry::HUGE) {
                let start = page / ENTRIES * ENTRIES;
                self.folio_add_anon_rmap(Pages::of_huge(to), visit.vma, start, exclusive)?;
                let bits = bits | soft_if_dirty(bits) | Entry::HUGE;
                self.write_entry(visit.mm, start, Entry { bits, number: to.0 });
                break;
            }
            let pages = Pages::of(to, first, 1);
            match found.file {
                0 => self.folio_add_anon_rmap(pages, visit.vma, page, exclusive)?,
                _ => self.folio_add_file_rmap(pages, visit.vma)?,
            }
            if of_device {
                self.task.observed.rule(Rule::DeviceMigrated, page as u32);
            }
            self.write_entry(visit.mm, page, Entry { bits, number: to.0.wrapping_add(first) });
            if visit.locked {
                // It is locked in memory from now on.
                found.bits &= !FolioFound::UNUSED;
            }
        }
        Ok(true)
    }

    /// The bits of an entry by `vm_page_prot`. Private memory is never writable by it, for the sake of forks, and shared memory
    /// only if its file system is not told of the first write to a page (`vma_wants_writenotify()`, mm/vma.c).
    fn protection(&self, vma: Ref<Vma>) -> Result<u32, Stop> {
        let VmaAttributes { flags, file, .. } = self.vmas.get(vma)?.attributes;
        let is_told = file <= FILES_NOT_TOLD;
        let written = VmaAttributes::WRITE | VmaAttributes::SHARED;
        let none = flags & (VmaAttributes::READ | VmaAttributes::WRITE | VmaAttributes::EXEC) == 0;
        let writable = flags & written == written && !is_told;
        let access = if none { Entry::NO_ACCESS } else { 0 };
        Ok(Entry::PRESENT | access | if writable { Entry::WRITE } else { 0 })
    }

    /// Mirrors `folio_referenced()` (mm/rmap.c).
    pub(super) fn folio_referenced(&mut self, folio: FolioId, locked: bool, found: FolioFound) -> Result<i32, Stop> {
        let walked = self.walked(folio, folio, found)?;
        let mut left = self.read_mapcount(folio)?;
        let (mut users, mut used_by) = (0, 0);
        // A page of a file is locked for the walk; by kernels of 7.x any folio is.
        let locks = self.revision.walks_in_batches || found.file != 0;
        // Others may have locked it since.
        let is_locked = if H::BESIDE_OTHERS { self.task.followed.returned } else { found.has(FolioFound::LOCKED) };
        let busy = locks && !locked && is_locked;
        let result = if left == 0 {
            0
        } else if busy {
            1
        } else {
            let one = |port: &mut Port<H>, visit: &Visit| {
                port.folio_referenced_one(visit, &mut left, &mut users, &mut used_by)
            };
            match self.walk_mappings(walked, Lock::Folio { try_lock: true }, one, |_| Ok(false))? {
                true => users,
                false => -1,
            }
        };
        self.task.observed.record(EventKind::UsedBy, 0, 0, folio.0, used_by);
        self.leave(folio, walked.place.pages, found);
        Ok(result)
    }

    /// Mirrors `folio_mkclean()` (mm/rmap.c).
    pub(super) fn folio_mkclean(&mut self, folio: FolioId, found: FolioFound) -> Result<i32, Stop> {
        let walked = self.walked(folio, folio, found)?;
        let mut cleaned = 0;
        if self.mapcount(folio)? > 0 {
            let one = |port: &mut Port<H>, visit: &Visit| {
                if visit.shared {
                    cleaned += port.make_clean(visit)?;
                }
                Ok(true)
            };
            self.walk_mappings(walked, Lock::AnonVma, one, |_| Ok(false))?;
        }
        self.leave(folio, walked.place.pages, found);
        Ok(cleaned)
    }

    /// Mirrors `folio_make_device_exclusive()` (mm/rmap.c, until 6.14): whether a device has the folio, and the process could
    /// write to the page that was asked for.
    pub(super) fn folio_make_device_exclusive(
        &mut self,
        folio: FolioId,
        asked: (MmId, u64),
        mut found: FolioFound,
    ) -> Result<i32, Stop> {
        let walked = self.walked(folio, folio, found)?;
        let mut writable = false;
        if found.file == 0 {
            let one = |port: &mut Port<H>, visit: &Visit| {
                port.page_make_device_exclusive_one(visit, asked, &mut writable, &mut found)
            };
            let lock = Lock::Folio { try_lock: false };
            self.walk_mappings(walked, lock, one, |port| Ok(port.mapcount(folio)? == 0))?;
        }
        self.leave(folio, walked.place.pages, found);
        Ok((writable && self.mapcount(folio)? == 0).into())
    }

    /// Mirrors `page_make_device_exclusive_one()` (mm/rmap.c, until 6.14).
    fn page_make_device_exclusive_one(
        &mut self,
        visit: &Visit,
        asked: (MmId, u64),
        writable: &mut bool,
        found: &mut FolioFound,
    ) -> Result<bool, Stop> {
        let Visit { folio, pages, vma, mm, start, vma_end, .. } = *visit;
        // The whole folio is notified of, also where the VMA has not its first page.
        let notified = Visit { end: vma_end.min(start.wrapping_add(pages)), ..*visit };
        let (mut from, mut goes_on) = (start, true);
        self.notify(&notified, false);
        self.tell_visit(visit)?;
        while let Some((page, entry)) = self.next_mapping(visit, from, Entry::PRESENT) {
            from = page + 1;
            if entry.has(Entry::HUGE) {
                return Err(Stop::Bug("VM_BUG_ON_FOLIO(!pvmw.pte, folio) in page_make_device_exclusive_one()"));
            }
            if entry.has(Entry::DEVICE) {
                goes_on = false;
                break;
            }
            self.write_entry(mm, page, Entry::NONE);
            self.flush(mm, page, 1);
            if entry.has(Entry::DIRTY) {
                found.bits |= FolioFound::DIRTY;
            }
            *writable |= (mm, page) == asked && entry.has(Entry::WRITE);
            let bits = Entry::DEVICE | entry.bits & (Entry::WRITE | TRACKED);
            self.write_entry(mm, page, Entry { bits, number: entry.number });
            self.folio_remove_rmap(Pages::of(folio, visit.page_of(entry), 1), vma)?;
        }
        self.notify(&notified, true);
        Ok(goes_on)
    }

    /// Mirrors `page_vma_mkclean_one()` (mm/rmap.c): how many entries it changed.
    fn make_clean(&mut self, visit: &Visit) -> Result<i32, Stop> {
        let (mm, mut from, mut cleaned) = (visit.mm, visit.start, 0);
        self.tell_visit(visit)?;
        self.notify(visit, false);
        while let Some((page, entry)) = self.next_mapping(visit, from, Entry::PRESENT) {
            from = page + 1;
            if entry.bits & (Entry::DIRTY | Entry::WRITE) == 0 {
                continue;
            }
            self.write_entry(mm, page, Entry::NONE);
            self.flush(mm, page, 1);
            self.write_entry(mm, page, Entry { bits: entry.bits & !(Entry::DIRTY | Entry::WRITE), ..entry });
            cleaned += 1;
        }
        self.notify(visit, true);
        Ok(cleaned)
    }

    /// Mirrors `folio_referenced_one()` (mm/rmap.c): `left` are the mappings that it has not come to, `users` those that used
    /// the folio, and `used_by` the flags of their VMAs, except for VM_LOCKED: that is there only if a locked VMA ended the walk.
    fn folio_referenced_one(
        &mut self,
        visit: &Visit,
        left: &mut i32,
        users: &mut i32,
        used_by: &mut u32,
    ) -> Result<bool, Stop> {
        let Visit { folio, pages, vma, mm, .. } = *visit;
        let batches = self.revision.walks_in_batches;
        self.tell_visit(visit)?;
        let (mut from, mut seen, mut used, mut crossed) = (visit.start, 0, false, false);
        while let Some((page, entry)) = self.next_mapping(visit, from, Entry::PRESENT) {
            crossed = visit.start / ENTRIES != page / ENTRIES;
            let mut count = 1;
            if visit.locked {
                if !batches && (pages == 1 || entry.has(Entry::HUGE)) {
                    self.lock_in_memory(folio, vma, EventKind::Mlock)?;
                    *used_by |= VmaAttributes::LOCKED as u32;
                    return Ok(false);
                }
                (seen, *left) = (seen + 1, *left - 1);
                if batches && (seen == pages || entry.has(Entry::HUGE)) && !crossed {
                    self.lock_in_memory(folio, vma, EventKind::Mlock)?;
                    *used_by |= VmaAttributes::LOCKED as u32;
                    return Ok(false);
                }
                if entry.has(Entry::HUGE) {
                    break;
                }
                from = page + 1;
                continue;
            }
            if entry.has(Entry::HUGE) {
                if entry.has(Entry::ACCESSED) {
                    let old = Entry { bits: entry.bits & !Entry::ACCESSED, ..entry };
                    self.write_entry(mm, page / ENTRIES * ENTRIES, old);
                    self.flush(mm, page, ENTRIES);
                    used = true;
                }
                (seen, *left) = (seen + 1, *left - 1);
                break;
            }
            if batches && pages > 1 && entry.has(Entry::DEVICE) {
                // It asks for a batch from an entry that is not present, and reads a frame from it that is none.
                self.task.observed.warn_on(true, "VM_WARN_ON_FOLIO(!pte_present(pte), folio)");
                let other = "VM_WARN_ON_FOLIO(page_folio(pfn_to_page(pte_pfn(pte))) != folio, folio)";
                self.task.observed.warn_on(true, other);
            } else if batches && pages > 1 {
                count = self.batch(visit, page, entry, 0);
            }
            if batches {
                self.task.observed.record(EventKind::Young, mm.0, 0, page as u32, count as u32);
            }
            for page in page..page + count {
                let entry = self.page_tables.get(mm, page);
                if entry.has(Entry::ACCESSED) {
                    self.write_entry(mm, page, Entry { bits: entry.bits & !Entry::ACCESSED, ..entry });
                    self.flush(mm, page, 1);
                    used = true;
                }
            }
            (seen, *left) = (seen + count, *left - count as i32);
            if batches && seen == pages {
                break;
            }
            from = page + count;
        }
        // Before batches a large folio is locked at the end: all of it is in the VMA, and below one page table.
        if !batches && visit.locked && pages > 1 && seen == pages && !crossed {
            self.lock_in_memory(folio, vma, EventKind::Mlock)?;
            *used_by |= VmaAttributes::LOCKED as u32;
            return Ok(false);
        }
        // What the VMA is by now: its flags are not the page table's.
        H::pause(self, Pause::LeftVma);
        if used {
            *users += 1;
            *used_by |= (self.vmas.get(vma)?.attributes.flags & !VmaAttributes::LOCKED) as u32;
        }
        Ok(*left != 0)
    }
}
