//! What must hold of the kernel's own page tables when an operation has ended: mapcounts, exclusive pages, counters,
//! and that nothing is left where no process is. Said from what the C holds, whatever code wrote it.

use smallvec::SmallVec;

use super::violation::{Invariant, Object, Violation};
use crate::rmap::{FolioId, LargeCounts, MAX_PROCESSES, MmId, VmaAttributes};
use crate::trace::{Frame, Mapped, PageChanges, PageEntry, PageTables, PageTotals, Target};

fn broken(invariant: Invariant, what: &'static str, frame: Option<u32>, detail: String) -> Violation {
    Violation::new(invariant, what, frame.map(|frame| Object::Folio(FolioId(frame))), detail)
}

/// `ENTIRELY_MAPPED` (mm/internal.h): what a folio counts for entries that map all of it, beside its pages.
const ENTIRELY_MAPPED: i32 = 0x80_0000;

/// What the entries say of a frame.
#[derive(Clone, Copy, PartialEq, Default)]
struct Entries {
    /// Entries of its own that map it.
    own: i64,
    /// Entries that map all of its folio.
    huge: i64,
    /// Entries of a device that do not count as mappings, but have references.
    lent: i64,
    /// The mms whose entries map it, a bit each.
    mms: u16,
    /// A migration entry names it.
    moving: bool,
}

impl Entries {
    /// Entries that map it.
    fn all(&self) -> i64 {
        self.own + self.huge
    }
}

/// By place of the frame in [`PageTables::frames`].
fn entries_of_frames(tables: &PageTables, of: &mut Vec<Entries>) {
    of.clear();
    of.resize(tables.frames.len(), Entries::default());
    for entry in &tables.entries {
        let Some(entries) = entry.target.frame().and_then(|frame| of.get_mut(tables.place(frame)?)) else { continue };
        match entry.target {
            Target::Migration { .. } => {
                entries.moving = true;
                continue;
            }
            Target::Device { counted: false, .. } => {
                entries.lent += 1;
                continue;
            }
            _ => {}
        }
        *(if entry.huge { &mut entries.huge } else { &mut entries.own }) += 1;
        entries.mms |= entry.mm.bit();
    }
}

/// A frame at its place, with what the entries say of each.
#[derive(Clone, Copy)]
struct Placed<'a> {
    tables: &'a PageTables,
    entries: &'a [Entries],
    place: usize,
}

impl<'a> Placed<'a> {
    fn frame(&self) -> &'a Frame {
        &self.tables.frames[self.place]
    }

    fn entries(&self) -> Entries {
        self.entries[self.place]
    }

    /// The frames of the folio that begins here, and what the entries say of each.
    fn folio(&self) -> (&'a [Frame], &'a [Entries]) {
        let frames = self.tables.frames_from(self.place);
        (frames, &self.entries[self.place..][..frames.len()])
    }
}

/// What was found sound, so that only what has changed since is looked at again.
#[derive(Default)]
pub(super) struct Checked {
    /// By number of the frame.
    entries: Vec<Entries>,
    /// Room for the entries of each frame.
    room: Vec<Entries>,
}

impl Checked {
    /// Nothing was looked at.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The first fault of each kind; `vma_at` says what a process has mapped at a page. Entries of the processes that have changed,
    /// and frames that have, or that have other entries now, are looked at one by one; others are as they were, and so is what is
    /// said of them. Counters and sums are counted anew.
    pub(super) fn check(
        &mut self,
        tables: &PageTables,
        changes: &PageChanges,
        vma_at: impl Fn(MmId, u64) -> Option<Mapped>,
    ) -> Vec<Violation> {
        let mut room = std::mem::take(&mut self.room);
        entries_of_frames(tables, &mut room);
        let entries = &room[..];
        let placed = |place| Placed { tables, entries, place };
        let migration_faults = migration_fault(tables);
        let large_faults = tables.large.iter().find_map(|(head, counts)| {
            let place = tables.place(*head)?;
            large_fault(placed(place), counts)
        });
        let mut looked_at = None;
        let frame_faults = tables.frames.iter().enumerate().find_map(|(place, frame)| {
            let had = self.entries.get(frame.frame as usize).copied().unwrap_or_default();
            if had == entries[place] && !changes.has_frame(frame.frame) {
                return None;
            }
            // What is the folio's is said of its first frame, once.
            let of_folio = (looked_at != Some(frame.head) && frame.head != frame.frame).then_some(frame.head);
            looked_at = Some(frame.head);
            frame_fault(placed(place)).or_else(|| frame_fault(placed(tables.place(of_folio?)?)))
        });
        let entry_faults = entries_fault(tables, changes.processes, vma_at);
        // First: once no process is left, it says more than which count is wrong.
        let of_entries = [left(tables), frame_faults, large_faults, entry_faults, migration_faults];
        let others =
            [slot_fault(tables), mm_fault(tables), node_fault(tables, entries), list_fault(tables), unwritten(tables)];
        let faults = of_entries.into_iter().chain(others).flatten().collect();
        self.entries.clear();
        self.entries.resize(tables.places.len(), Entries::default());
        for (frame, of) in tables.frames.iter().zip(entries) {
            if let Some(had) = self.entries.get_mut(frame.frame as usize) {
                *had = *of;
            }
        }
        self.room = room;
        faults
    }
}

/// A page table entry that names what is not there: the tables could not be read.
pub(super) fn unreadable() -> Violation {
    let detail = "the page tables cannot be read: an entry names a frame that is free".to_owned();
    broken(Invariant::Mapcount, "entry of a free frame", None, detail)
}

/// The tables are not what those who write entries and frames have told of them.
pub(super) fn untold() -> Violation {
    let detail =
        "page tables or frames are not as they were read when operations ended: something was written, and by none of \
                  the functions that write entries"
            .to_owned();
    broken(Invariant::Mapcount, "page tables written unseen", None, detail)
}

fn frame_fault(placed: Placed<'_>) -> Option<Violation> {
    let frame = placed.frame();
    let number = frame.frame;
    let Entries { own, huge, lent, .. } = placed.entries();
    let entries = own + huge;
    if frame.mapcount != own {
        let detail = format!("frame {number} has mapcount {}, and {own} entries map it", frame.mapcount);
        return Some(broken(Invariant::Mapcount, "mapcount is not the number of entries", Some(number), detail));
    }
    if frame.exclusive && entries + lent > 1 {
        let detail = format!("frame {number} is marked exclusive, and {} entries map it", entries + lent);
        return Some(broken(Invariant::Exclusive, "exclusive page with several entries", Some(number), detail));
    }
    // The rest is the folio's.
    if frame.frame != frame.head {
        return None;
    }
    let (of_folio, entries_of_folio) = placed.folio();
    let pages = of_folio.len() as i64;
    // A cache has a reference for each page. GUP_PIN_COUNTING_BIAS: a pin of a small folio counts as so many.
    let pin = if pages == 1 { 1024 } else { 1 };
    let kept = of_folio.iter().filter(|frame| frame.kept).count() as i64;
    let held = frame.pins.cast_signed() * pin + i64::from(frame.migrating) + kept;
    let of_pages = entries_of_folio.iter().map(|entries| entries.own + entries.lent);
    let wanted = huge + of_pages.sum::<i64>() + pages * (i64::from(frame.file) + i64::from(frame.swapcache)) + held;
    if frame.references != wanted {
        let detail = format!("frame {number} has {} references; its entries and caches are {wanted}", frame.references);
        return Some(broken(Invariant::Mapcount, "references are not those of entries", Some(number), detail));
    }
    if frame.pins > 0 && frame.anon && entries > 0 && pages == 1 && !frame.exclusive {
        let detail = format!("frame {number} is pinned and mapped, and is not marked exclusive");
        return Some(broken(Invariant::Exclusive, "pinned page that is not exclusive", Some(number), detail));
    }
    if frame.migrating && entries > 0 {
        let detail = format!("frame {number} is migrated, and {entries} entries map it");
        return Some(broken(Invariant::Mapcount, "mapped page of a migration", Some(number), detail));
    }
    (frame.locked != frame.migrating).then(|| {
        let (is, what) = match frame.locked {
            true => ("is locked between operations", "folio left locked"),
            false => ("is not locked during its migration", "folio of a migration is not locked"),
        };
        broken(Invariant::Mapcount, what, Some(number), format!("the folio of frame {number} {is}"))
    })
}

/// Of pages that are being migrated: one that is a process's alone has one entry.
fn migration_fault(tables: &PageTables) -> Option<Violation> {
    let of_migration = |entry: &PageEntry| match entry.target {
        Target::Migration { frame, exclusive } => Some((frame, exclusive)),
        _ => None,
    };
    let named = named_by(tables, of_migration);
    let several = |of: &&[(u32, bool)]| of.len() > 1 && of.iter().any(|(_, exclusive)| *exclusive);
    let of_frame = by_name(&named).find(several)?;
    let (frame, entries) = (of_frame[0].0, of_frame.len());
    let detail = format!("one of the {entries} migration entries of frame {frame} says that no other has it");
    Some(broken(Invariant::Exclusive, "exclusive migration entry of a page with several", Some(frame), detail))
}

/// What a large folio counts for all of its pages, which are mapped one by one, or all by one entry.
fn large_fault(placed: Placed<'_>, counts: &LargeCounts) -> Option<Violation> {
    let (frames, entries_of) = placed.folio();
    let head = placed.frame().frame;
    let mms = entries_of.iter().fold(0u16, |mms, of| mms | of.mms);
    let moving = entries_of.iter().any(|of| of.moving);
    let pages = entries_of.iter().filter(|of| of.all() > 0).count() as i32;
    let fault = |what, detail: String| {
        Some(broken(Invariant::Mapcount, what, Some(head), format!("the folio of frame {head} {detail}")))
    };
    let huge = placed.entries().huge as i32;
    let entries = huge + entries_of.iter().map(|of| of.own as i32).sum::<i32>();
    if counts.entire_mapcount != huge {
        let detail = format!("has entire mapcount {}, and {huge} entries map all of it", counts.entire_mapcount);
        return fault("entire mapcount of a large folio", detail);
    }
    if counts.large_mapcount != entries {
        let detail = format!("has mapcount {}, and {entries} entries map its pages", counts.large_mapcount);
        return fault("mapcount of a large folio", detail);
    }
    let alone = if huge > 0 { ENTIRELY_MAPPED } else { 0 };
    let of_their_own = alone + entries_of.iter().filter(|of| of.own > 0).count() as i32;
    if counts.pages_mapped != of_their_own {
        let detail = format!("counts {:#x} mapped pages, and {of_their_own:#x} is right", counts.pages_mapped);
        return fault("mapped pages of a large folio", detail);
    }
    if huge > 0 && entries > 1 && frames.first().is_some_and(|frame| frame.exclusive) {
        let detail = format!("the folio of frame {head} is marked exclusive, and {entries} entries map its pages");
        return Some(broken(Invariant::Exclusive, "exclusive huge page with several entries", Some(head), detail));
    }
    // folio_maybe_mapped_shared() may err, but not so. Before 6.15 no mm is remembered.
    let remembered = counts.mms.iter().any(|mm| mm.id != 0);
    if remembered && mms.count_ones() > 1 && !counts.shared {
        return fault("shared large folio that counts as one mm's", format!("is mapped by {} mms", mms.count_ones()));
    }
    let partly = pages > 0 && pages < frames.len() as i32 && !moving;
    if let Some((what, detail)) = waiting_fault(counts, frames, pages) {
        return fault(what, detail);
    }
    let in_cache = frames.first().is_none_or(|frame| !frame.anon || frame.swapcache);
    // To zap a migration entry is no call of folio_remove_rmap(): the kernel does not queue the folio.
    let migrated = frames.first().is_some_and(|frame| frame.migrated);
    // Of two pages it has no room for the list.
    if partly && counts.order > 1 && !in_cache && !migrated && !(counts.deferred && counts.partially_mapped) {
        let detail = format!("has {} pages, of which {pages} are mapped, and does not wait to be split", frames.len());
        return fault("partially mapped folio that is not queued", detail);
    }
    None
}

/// A large folio that waits to be split, or is marked partially mapped, and should not: one that is marked waits, for it has lost
/// pages. Others may wait, too: much of them may be empty. Which those are is the kernel's choice.
fn waiting_fault(counts: &LargeCounts, frames: &[Frame], mapped: i32) -> Option<(&'static str, String)> {
    let LargeCounts { deferred, partially_mapped, .. } = *counts;
    let head = frames.first()?;
    if deferred && !head.anon {
        return Some(("queued folio that is not anonymous", "waits to be split, and is not anonymous".to_owned()));
    }
    if partially_mapped && !deferred {
        let detail = "is marked partially mapped, and does not wait to be split".to_owned();
        return Some(("folio marked partially mapped that is not queued", detail));
    }
    // A walk takes out entry after entry: the folio is partially mapped meanwhile, and stays marked when they are back.
    if partially_mapped && mapped == frames.len() as i32 && !head.taken_out {
        let detail = "is marked partially mapped, and all of it is mapped".to_owned();
        return Some(("folio marked partially mapped that is not", detail));
    }
    None
}

/// The list of folios to split has those that say so, and no other.
fn list_fault(tables: &PageTables) -> Option<Violation> {
    let waiting = tables.large.iter().filter(|(_, counts)| counts.deferred).count() as u64;
    let PageTotals { deferred, deferred_counted, .. } = tables.totals;
    let (what, detail) = if deferred != waiting {
        let detail = format!("{deferred} folios are on the list of those to split, and {waiting} are to be split");
        ("list of folios to split has others", detail)
    } else if deferred_counted != waiting {
        let detail = format!("the list of folios to split counts {deferred_counted}, and has {waiting}");
        ("count of folios to split", detail)
    } else {
        return None;
    };
    Some(broken(Invariant::Mapcount, what, None, detail))
}

fn entries_fault(
    tables: &PageTables,
    processes: u16,
    vma_at: impl Fn(MmId, u64) -> Option<Mapped>,
) -> Option<Violation> {
    // The VMA of the entry before.
    let mut place: Option<(MmId, Mapped)> = None;
    let processes = (0..MAX_PROCESSES as u8).map(MmId).filter(|mm| processes >> mm.0 & 1 == 1);
    processes.flat_map(|mm| tables.entries_of(mm)).find_map(|entry| {
        let (mm, page) = (entry.mm, entry.page);
        let is_there = |(of, vma): &(MmId, Mapped)| *of == mm && (vma.range.start..vma.range.end).contains(&page);
        if !place.as_ref().is_some_and(is_there) {
            place = vma_at(mm, page).map(|vma| (mm, vma));
        }
        let Some((_, vma)) = &place else {
            let detail = format!("page {page:#x} of {mm} has an entry, and no VMA is there");
            return Some(broken(Invariant::Mapcount, "entry outside of every VMA", None, detail));
        };
        entry_fault(tables, entry, vma)
    })
}

fn entry_fault(tables: &PageTables, entry: &PageEntry, vma: &Mapped) -> Option<Violation> {
    let (mm, page) = (entry.mm, entry.page);
    let frame = entry.target.mapped_or_lent().and_then(|number| tables.frame(number));
    let exclusive = tables.is_exclusive(entry);
    if let Some(frame) = frame.filter(|frame| frame.anon && !frame.as_told) {
        let number = frame.frame;
        let detail = format!(
            "frame {number} at page {page:#x} of {mm} has index {:#x} and {}, and not what the calls of the reverse map \
             gave its folio",
            frame.index,
            frame.anon_vma.map_or("no live anon_vma".to_owned(), |anon_vma| anon_vma.to_string())
        );
        return Some(broken(Invariant::I9, "mapped folio is not as the calls say", Some(number), detail));
    }
    if let Some(frame) = frame.filter(|frame| frame.anon && !vma.file && frame.index != page_offset(vma, page)) {
        let number = frame.frame;
        let wanted = page_offset(vma, page);
        let detail =
            format!("frame {number} has index {:#x}, and {} has {wanted:#x} at page {page:#x}", frame.index, vma.vma);
        return Some(broken(Invariant::I9, "page of a folio that is not the VMA's", Some(number), detail));
    }
    if vma.is_shared() && frame.is_some_and(|frame| frame.anon) {
        let number = frame.map(|frame| frame.frame);
        let detail = format!("page {page:#x} of {mm} is anonymous, in {}", vma.vma);
        return Some(broken(Invariant::Exclusive, "anonymous page of shared memory", number, detail));
    }
    // Memory is new for whoever tracks writes until it is told to begin, and nobody says so.
    if u64::from(vma.flags) & VmaAttributes::SOFTDIRTY == 0 {
        let detail = format!("{} is not VM_SOFTDIRTY, and nobody has cleared the flag", vma.vma);
        return Some(broken(Invariant::Asked, "new memory that is not soft-dirty", None, detail));
    }
    if entry.uffd && !vma.is_write_protected() {
        let detail =
            format!("page {page:#x} of {mm} is write-protected by userfaultfd, and {} is not registered", vma.vma);
        return Some(broken(Invariant::Uffd, "write-protected entry of a VMA that is not registered", None, detail));
    }
    if entry.uffd && entry.writable {
        let detail = format!("page {page:#x} of {mm} is writable, and write-protected by userfaultfd");
        return Some(broken(Invariant::Uffd, "write-protected entry that is writable", None, detail));
    }
    // One that nobody keeps is not used again: it is not there.
    if let Target::Poison(number) = entry.target
        && tables.frame(number).is_some_and(|frame| !frame.poisoned)
    {
        let detail =
            format!("page {page:#x} of {mm} says that the memory of frame {number} has failed, and it has not");
        return Some(broken(Invariant::Mapcount, "poison entry of a page that is sound", None, detail));
    }
    // What a device has for itself could be written to, by one entry. Where that does not count as mapped, the first page of a
    // folio is asked for, and the device gets the others, too, also what a relative has.
    if let Target::Device { frame: number, counted } = entry.target
        && !frame.is_some_and(|frame| frame.anon && (exclusive || !counted && frame.frame != frame.head))
    {
        let detail = format!("frame {number} is a device's at page {page:#x} of {mm}, and is not marked exclusive");
        return Some(broken(Invariant::Exclusive, "page of a device that is not exclusive", Some(number), detail));
    }
    if !entry.writable {
        return None;
    }
    let number = frame.map(|frame| frame.frame);
    let fault = match frame {
        _ if !vma.writable => "writable entry of a VMA that is not",
        // It comes back writable, and its page is exclusive then.
        _ if matches!(entry.target, Target::Migration { .. }) => return None,
        Some(frame) if frame.anon && exclusive => return None,
        Some(frame) if frame.file && vma.is_shared() => return None,
        Some(frame) if frame.anon => "writable entry of a page that is not exclusive",
        _ => "writable entry of a page that is not anonymous",
    };
    let detail = format!("page {page:#x} of {mm} is writable in its page table, in {}", vma.vma);
    Some(broken(Invariant::Exclusive, fault, number, detail))
}

/// What entries name that map nothing, and whether each is marked exclusive: sorted. Few, as a rule.
fn named_by(tables: &PageTables, named: impl Fn(&PageEntry) -> Option<(u32, bool)>) -> SmallVec<[(u32, bool); 32]> {
    let mut all: SmallVec<[(u32, bool); 32]> = tables.entries.iter().filter_map(named).collect();
    all.sort_unstable();
    all
}

/// Those of one name after another.
fn by_name(named: &[(u32, bool)]) -> impl Iterator<Item = &[(u32, bool)]> {
    named.chunk_by(|one, other| one.0 == other.0)
}

/// What the swap device counts, and what entries and pages say of it.
fn slot_fault(tables: &PageTables) -> Option<Violation> {
    let of_swap = |entry: &PageEntry| match entry.target {
        Target::Swap { slot, exclusive } => Some((slot, exclusive)),
        _ => None,
    };
    let named = named_by(tables, of_swap);
    let fault =
        |what, slot: u32, detail: String| Some(broken(Invariant::Swap, what, None, format!("slot {slot} {detail}")));
    if let Some(of) = by_name(&named).find(|of| tables.slot(of[0].0).is_none()) {
        return fault("swap entry of a free slot", of[0].0, "is free, and an entry names it".to_owned());
    }
    tables.slots.iter().find_map(|slot| {
        let first = named.partition_point(|(name, _)| *name < slot.slot);
        let of_slot = named[first..].iter().take_while(|(name, _)| *name == slot.slot);
        let (entries, marked) = of_slot.fold((0u64, false), |(entries, marked), of| (entries + 1, marked | of.1));
        if slot.count != entries {
            let detail = format!("has count {}, and {entries} entries name it", slot.count);
            return fault("count is not the number of swap entries", slot.slot, detail);
        }
        if marked && entries > 1 {
            let detail = format!("is marked exclusive by one of {entries} entries that name it");
            return fault("exclusive swap entry of a slot with several", slot.slot, detail);
        }
        let cached = slot.cached.and_then(|frame| tables.frame(frame));
        if slot.cached.is_some() && !cached.is_some_and(|frame| frame.swapcache || !frame.anon) {
            return fault(
                "cached page is not one of the swap cache",
                slot.slot,
                format!("has {cached:?} in the swap cache"),
            );
        }
        None
    })
}

/// Of anonymous memory. The anonymous pages of a private mapping of a file may be counted apart (7.3).
fn page_offset(vma: &Mapped, page: u64) -> u64 {
    vma.range.pgoff.wrapping_add(page - vma.range.start)
}

fn mm_fault(tables: &PageTables) -> Option<Violation> {
    tables.mms.iter().find_map(|counts| {
        let of_mm = tables.entries_of(counts.mm);
        let (mut anon, mut file, mut swap) = (0, 0, 0);
        for entry in of_mm {
            match entry.target {
                Target::Zero | Target::Poison(_) => {}
                Target::Swap { .. } => swap += 1,
                Target::Frame(number)
                | Target::Device { frame: number, .. }
                | Target::Migration { frame: number, .. } => {
                    match tables.frame(number).is_some_and(|frame| frame.anon) {
                        true => anon += 1,
                        false => file += 1,
                    }
                }
            }
        }
        let tables_bytes = (counts.tables * 4096).cast_signed();
        let wanted = [anon, file, swap, 0, tables_bytes];
        let found = [counts.anon, counts.file, counts.swap, counts.shmem, counts.table_bytes];
        let names = ["MM_ANONPAGES", "MM_FILEPAGES", "MM_SWAPENTS", "MM_SHMEMPAGES", "pgtables_bytes"];
        let at = (0..wanted.len()).find(|&at| wanted[at] != found[at])?;
        let what = [
            "MM_ANONPAGES is not what is mapped",
            "MM_FILEPAGES is not what is mapped",
            "MM_SWAPENTS is not what is mapped",
            "MM_SHMEMPAGES is not what is mapped",
            "pgtables_bytes is not what there is",
        ][at];
        let detail = format!("{} of {} is {}, and {} is right", names[at], counts.mm, found[at], wanted[at]);
        Some(broken(Invariant::Rss, what, None, detail))
    })
}

fn node_fault(tables: &PageTables, entries: &[Entries]) -> Option<Violation> {
    let (mut anon, mut file, mut thps) = (0, 0, 0);
    for (frame, of) in tables.frames.iter().zip(entries) {
        let mapped = i64::from(of.all() > 0);
        *(if frame.anon { &mut anon } else { &mut file }) += mapped;
        thps += i64::from(frame.anon && of.huge > 0);
    }
    let totals = &tables.totals;
    let counted = [
        ("NR_ANON_MAPPED is not what is mapped", totals.anon_mapped, anon),
        ("NR_FILE_MAPPED is not what is mapped", totals.file_mapped, file),
        ("NR_ANON_THPS is not what is mapped", totals.anon_thps, thps),
    ];
    let (what, found, wanted) = counted.into_iter().find(|(_, found, wanted)| found != wanted)?;
    Some(broken(Invariant::Rss, what, None, format!("{found} pages, and {wanted} is right")))
}

/// What was written to a page of a file, and is not stored, must not be forgotten.
fn unwritten(tables: &PageTables) -> Option<Violation> {
    let is_dirty = |frame: &Frame| {
        let names = |entry: &PageEntry| entry.target.frame() == Some(frame.frame);
        frame.dirty || tables.entries.iter().any(|entry| entry.dirty && names(entry))
    };
    let frame = tables.frames.iter().find(|frame| frame.file && frame.content != frame.stored && !is_dirty(frame))?;
    let Frame { frame: number, content, stored, .. } = *frame;
    let detail =
        format!("frame {number} holds {content:#x}, the file {stored:#x}, and neither folio nor entry is dirty");
    Some(broken(Invariant::Dirty, "written page of a file that is clean", Some(number), detail))
}

/// Where no process is nothing is left.
fn left(tables: &PageTables) -> Option<Violation> {
    let totals = &tables.totals;
    // What is pinned or migrated is somebody's who is no process.
    let held = tables.frames.iter().filter(|frame| frame.pins > 0 || frame.migrating).count() as u64;
    let in_use = totals.frames - held.min(totals.frames) + totals.tables + totals.slots;
    (tables.mms.is_empty() && in_use > 0).then(|| {
        let detail = format!(
            "{} frames, {} page tables and {} swap slots are in use, and no process is alive",
            totals.frames, totals.tables, totals.slots
        );
        broken(Invariant::I12, "frames or page tables left", None, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rmap::{AnonVmaId, RememberedMm, VmaId, VmaRange};
    use crate::trace::{MmPages, PageTotals, Slot};

    fn frame(frame: u32) -> Frame {
        Frame {
            frame,
            head: frame,
            anon: true,
            exclusive: true,
            swapbacked: true,
            as_told: true,
            references: 1,
            mapcount: 1,
            index: 0x10,
            anon_vma: Some(AnonVmaId(0)),
            content: 1,
            ..Frame::default()
        }
    }

    /// One process with one page that it can write to.
    fn one_page() -> PageTables {
        let (mm, page) = (MmId(0), 0x10);
        PageTables {
            totals: PageTotals { frames: 1, tables: 4, anon_mapped: 1, ..PageTotals::default() },
            mms: vec![MmPages { mm, file: 0, anon: 1, swap: 0, shmem: 0, table_bytes: 3 * 4096, tables: 3 }],
            entries: vec![PageEntry {
                mm,
                page,
                target: Target::Frame(2),
                writable: true,
                dirty: true,
                accessed: true,
                huge: false,
                uffd: false,
                soft_dirty: true,
            }],
            frames: vec![frame(2)],
            large: Vec::new(),
            slots: Vec::new(),
            ..PageTables::default()
        }
    }

    /// Whatever was looked at before.
    fn all_faults(tables: &PageTables, vma_at: impl Fn(MmId, u64) -> Option<Mapped>) -> Vec<Violation> {
        let mut changes = PageChanges { processes: u16::MAX, ..PageChanges::default() };
        tables.frames.iter().for_each(|frame| changes.note_frame(frame.frame));
        Checked::default().check(tables, &changes, vma_at)
    }

    fn found(tables: &PageTables, writable: bool) -> Vec<String> {
        found_in(tables, writable, VmaAttributes::SOFTDIRTY)
    }

    fn found_in(tables: &PageTables, writable: bool, flags: u64) -> Vec<String> {
        let vma = |_, page| {
            (page < 0x20).then_some(Mapped {
                vma: VmaId(0),
                range: VmaRange { start: 0x10, end: 0x20, pgoff: 0x10 },
                writable,
                file: false,
                not_told: false,
                dontcopy: false,
                wipeonfork: false,
                flags: flags as u32,
                anon_vma: Some(AnonVmaId(0)),
                is_child: false,
            })
        };
        all_faults(tables, vma).iter().map(|violation| format!("{} {}", violation.invariant, violation.what)).collect()
    }

    #[test]
    fn a_sound_page_table_breaks_nothing() {
        assert_eq!(found(&one_page(), true), [""; 0]);
    }

    #[test]
    fn memory_is_soft_dirty_from_the_beginning() {
        assert_eq!(found_in(&one_page(), true, 0), ["Asked new memory that is not soft-dirty"]);
    }

    #[test]
    fn write_protection_needs_a_registration_and_lets_nobody_write() {
        let protected = |writable| {
            let mut tables = one_page();
            (tables.entries[0].uffd, tables.entries[0].writable) = (true, writable);
            tables
        };
        let registered = VmaAttributes::UFFD | VmaAttributes::SOFTDIRTY;
        assert_eq!(found_in(&protected(false), true, registered), [""; 0]);
        assert_eq!(found_in(&protected(true), true, registered), ["Uffd write-protected entry that is writable"]);
        let elsewhere = ["Uffd write-protected entry of a VMA that is not registered"];
        assert_eq!(found_in(&protected(false), true, VmaAttributes::SOFTDIRTY), elsewhere);
    }

    #[test]
    fn a_page_whose_memory_has_failed_is_kept_and_not_counted() {
        let failed = |poisoned, references| {
            let mut tables = one_page();
            (tables.entries[0].target, tables.entries[0].writable) = (Target::Poison(2), false);
            let frame = &mut tables.frames[0];
            (frame.poisoned, frame.kept) = (poisoned, poisoned);
            (frame.references, frame.mapcount) = (references, 0);
            (tables.mms[0].anon, tables.totals.anon_mapped) = (0, 0);
            found(&tables, true)
        };
        assert_eq!(failed(true, 1), [""; 0]);
        assert_eq!(failed(true, 0), ["Mapcount references are not those of entries"]);
        assert_eq!(failed(false, 0), ["Mapcount poison entry of a page that is sound"]);
    }

    #[test]
    fn what_a_device_has_keeps_its_reference_and_may_not_count_as_mapped() {
        let lent = |counted, mapcount, change: fn(&mut PageTables)| {
            let mut tables = one_page();
            tables.entries[0].target = Target::Device { frame: 2, counted };
            tables.frames[0].mapcount = mapcount;
            tables.totals.anon_mapped = mapcount;
            change(&mut tables);
            found(&tables, true)
        };
        let as_it_is = |_: &mut PageTables| {};
        assert_eq!(lent(true, 1, as_it_is), [""; 0]);
        assert_eq!(lent(false, 0, as_it_is), [""; 0]);
        let mapcount = "Mapcount mapcount is not the number of entries";
        assert_eq!(lent(true, 0, as_it_is), [mapcount, "Rss NR_ANON_MAPPED is not what is mapped"]);
        assert_eq!(lent(false, 1, as_it_is), [mapcount, "Rss NR_ANON_MAPPED is not what is mapped"]);
        let unreferenced = |t: &mut PageTables| t.frames[0].references = 0;
        assert_eq!(lent(false, 0, unreferenced), ["Mapcount references are not those of entries"]);
        let shared = |t: &mut PageTables| t.frames[0].exclusive = false;
        assert_eq!(lent(false, 0, shared), ["Exclusive page of a device that is not exclusive"]);
        let twice = |t: &mut PageTables| {
            t.entries.push(PageEntry { page: 0x11, ..t.entries[0] });
            (t.frames[0].references, t.mms[0].anon) = (2, 2);
        };
        assert_eq!(
            lent(false, 0, twice),
            ["Exclusive exclusive page with several entries", "I9 page of a folio that is not the VMA's"]
        );
    }

    #[test]
    fn each_fault_of_a_page_table_is_named() {
        let with = |change: fn(&mut PageTables)| {
            let mut tables = one_page();
            change(&mut tables);
            found(&tables, true)
        };
        assert_eq!(with(|t| t.frames[0].mapcount = 2), ["Mapcount mapcount is not the number of entries"]);
        assert_eq!(with(|t| t.frames[0].references = 2), ["Mapcount references are not those of entries"]);
        assert_eq!(with(|t| t.frames[0].locked = true), ["Mapcount folio left locked"]);
        let pinned = |t: &mut PageTables, references| {
            (t.frames[0].pins, t.frames[0].references, t.entries[0].writable) = (1, references, false);
        };
        assert_eq!(
            found(
                &{
                    let mut t = one_page();
                    pinned(&mut t, 1025);
                    t
                },
                true
            ),
            [""; 0]
        );
        assert_eq!(
            found(
                &{
                    let mut t = one_page();
                    pinned(&mut t, 2);
                    t
                },
                true
            ),
            ["Mapcount references are not those of entries"]
        );
        let shared = |t: &mut PageTables| {
            (t.frames[0].pins, t.frames[0].references, t.entries[0].writable) = (1, 1025, false);
            t.frames[0].exclusive = false;
        };
        assert_eq!(with(shared), ["Exclusive pinned page that is not exclusive"]);
        assert_eq!(with(|t| t.entries[0].page = 0x20), ["Mapcount entry outside of every VMA"]);
        assert_eq!(with(|t| t.frames[0].as_told = false), ["I9 mapped folio is not as the calls say"]);
        assert_eq!(
            with(|t| t.frames[0].exclusive = false),
            ["Exclusive writable entry of a page that is not exclusive"]
        );
        assert_eq!(with(|t| t.frames[0].index = 0x11), ["I9 page of a folio that is not the VMA's"]);
        let migrated = |t: &mut PageTables, entries: usize| {
            (t.frames[0].mapcount, t.frames[0].references, t.frames[0].migrating, t.frames[0].locked) =
                (0, 1, true, true);
            (t.totals.anon_mapped, t.mms[0].anon) = (0, entries as i64);
            t.entries[0].target = Target::Migration { frame: 2, exclusive: true };
            t.entries =
                (0x10..).zip(vec![t.entries[0]; entries]).map(|(page, entry)| PageEntry { page, ..entry }).collect();
        };
        assert_eq!(
            found(
                &{
                    let mut t = one_page();
                    migrated(&mut t, 1);
                    t
                },
                true
            ),
            [""; 0]
        );
        let twice = found(
            &{
                let mut t = one_page();
                migrated(&mut t, 2);
                t
            },
            true,
        );
        assert_eq!(twice, ["Exclusive exclusive migration entry of a page with several"]);
        let unlocked = found(
            &{
                let mut t = one_page();
                migrated(&mut t, 1);
                t.frames[0].locked = false;
                t
            },
            true,
        );
        assert_eq!(unlocked, ["Mapcount folio of a migration is not locked"]);
        let swapped = |t: &mut PageTables, entries: u64, count| {
            t.frames.clear();
            t.totals = PageTotals { tables: 4, slots: 1, ..PageTotals::default() };
            t.slots = vec![Slot { slot: 1, count, cached: None, content: 1 }];
            (t.mms[0].anon, t.mms[0].swap) = (0, entries.cast_signed());
            let target = Target::Swap { slot: 1, exclusive: true };
            t.entries =
                (0..entries).map(|n| PageEntry { page: 0x10 + n, target, writable: false, ..t.entries[0] }).collect();
        };
        let of_swap = |entries, count| {
            let mut tables = one_page();
            swapped(&mut tables, entries, count);
            found(&tables, true)
        };
        assert_eq!(of_swap(1, 1), [""; 0]);
        assert_eq!(of_swap(1, 2), ["Swap count is not the number of swap entries"]);
        assert_eq!(of_swap(2, 2), ["Swap exclusive swap entry of a slot with several"]);
        assert_eq!(
            with(|t| t.slots = vec![Slot { slot: 1, count: 0, cached: Some(2), content: 0 }]),
            ["Swap cached page is not one of the swap cache"]
        );
        assert_eq!(with(|t| t.mms[0].anon = 0), ["Rss MM_ANONPAGES is not what is mapped"]);
        assert_eq!(with(|t| t.mms[0].table_bytes = 0), ["Rss pgtables_bytes is not what there is"]);
        assert_eq!(with(|t| t.totals.anon_mapped = 0), ["Rss NR_ANON_MAPPED is not what is mapped"]);
        assert_eq!(with(|t| t.totals.file_mapped = 1), ["Rss NR_FILE_MAPPED is not what is mapped"]);
        assert_eq!(found(&one_page(), false), ["Exclusive writable entry of a VMA that is not"]);
        let shared = |t: &mut PageTables| {
            t.entries.push(PageEntry { page: 0x11, writable: false, ..t.entries[0] });
            (t.frames[0].mapcount, t.frames[0].references, t.mms[0].anon) = (2, 2, 2);
        };
        // It is at another page offset there.
        let both = ["Exclusive exclusive page with several entries", "I9 page of a folio that is not the VMA's"];
        assert_eq!(with(shared), both);
    }

    #[test]
    fn each_fault_of_shared_memory_is_named() {
        let with = |change: fn(&mut PageTables)| {
            let mut tables = one_page();
            tables.totals = PageTotals { cached: 1, anon_mapped: 0, file_mapped: 1, ..tables.totals };
            (tables.mms[0].anon, tables.mms[0].file) = (0, 1);
            let frame = &mut tables.frames[0];
            (frame.anon, frame.exclusive, frame.file, frame.references, frame.stored) = (false, false, true, 2, 0);
            change(&mut tables);
            let vma = |_, _| {
                Some(Mapped {
                    vma: VmaId(0),
                    range: VmaRange { start: 0x10, end: 0x20, pgoff: 0x10 },
                    writable: true,
                    file: true,
                    not_told: false,
                    dontcopy: false,
                    wipeonfork: false,
                    flags: (VmaAttributes::SHARED | VmaAttributes::SOFTDIRTY) as u32 | 3,
                    anon_vma: None,
                    is_child: false,
                })
            };
            let what = |violation: &Violation| format!("{} {}", violation.invariant, violation.what);
            all_faults(&tables, vma).iter().map(what).collect::<Vec<_>>()
        };
        let unwritten = ["Dirty written page of a file that is clean"];
        assert_eq!(with(|_| ()), [""; 0]);
        assert_eq!(with(|t| t.entries[0].dirty = false), unwritten);
        assert_eq!(with(|t| (t.entries[0].dirty, t.frames[0].dirty) = (false, true)), [""; 0]);
        assert_eq!(with(|t| (t.entries[0].dirty, t.frames[0].stored) = (false, 1)), [""; 0]);
        let anonymous = |t: &mut PageTables| {
            (t.frames[0].anon, t.frames[0].exclusive, t.frames[0].file, t.frames[0].references) =
                (true, true, false, 1);
            (t.totals.anon_mapped, t.totals.file_mapped, t.mms[0].anon, t.mms[0].file) = (1, 0, 1, 0);
        };
        assert_eq!(with(anonymous), ["Exclusive anonymous page of shared memory"]);
    }

    /// One process with a folio of four pages, of which it maps some.
    fn large(mapped: u32) -> PageTables {
        let pages = i64::from(mapped);
        let mut tables = one_page();
        tables.totals.anon_mapped = pages;
        tables.mms[0].anon = pages;
        tables.frames = (0..4)
            .map(|page| Frame {
                head: 4,
                mapcount: i64::from(page < mapped),
                references: pages,
                index: 0x10 + u64::from(page),
                ..frame(4 + page)
            })
            .collect();
        let entry =
            |page| PageEntry { page: 0x10 + u64::from(page), target: Target::Frame(4 + page), ..tables.entries[0] };
        tables.entries = (0..mapped).map(entry).collect();
        let mms = [RememberedMm { id: 1, mapcount: mapped as i16 - 1 }, RememberedMm::NONE];
        let counts = LargeCounts {
            order: 2,
            partially_mapped: false,
            deferred: false,
            shared: false,
            entire_mapcount: 0,
            large_mapcount: mapped as i32,
            pages_mapped: mapped as i32,
            mms,
        };
        tables.large = vec![(4, counts)];
        tables
    }

    #[test]
    fn each_fault_of_a_large_folio_is_named() {
        let with = |mapped, change: fn(&mut LargeCounts)| {
            let mut tables = large(mapped);
            change(&mut tables.large[0].1);
            found(&tables, true)
        };
        assert_eq!(with(4, |_| ()), [""; 0]);
        assert_eq!(with(4, |counts| counts.large_mapcount = 5), ["Mapcount mapcount of a large folio"]);
        assert_eq!(with(4, |counts| counts.pages_mapped = 3), ["Mapcount mapped pages of a large folio"]);
        assert_eq!(with(3, |_| ()), ["Mapcount partially mapped folio that is not queued"]);
        // Those that wait are on the list.
        let waiting = |mapped, change: fn(&mut PageTables)| {
            let mut tables = large(mapped);
            (tables.totals.deferred, tables.totals.deferred_counted) = (1, 1);
            let counts = &mut tables.large[0].1;
            (counts.partially_mapped, counts.deferred) = (true, true);
            change(&mut tables);
            found(&tables, true)
        };
        assert_eq!(waiting(3, |_| ()), [""; 0]);
        assert_eq!(waiting(4, |_| ()), ["Mapcount folio marked partially mapped that is not"]);
        assert_eq!(waiting(4, |t| t.frames[0].taken_out = true), [""; 0]);
        assert_eq!(waiting(3, |t| t.totals.deferred = 2), ["Mapcount list of folios to split has others"]);
        assert_eq!(waiting(3, |t| t.totals.deferred_counted = 0), ["Mapcount count of folios to split"]);
        // All of it is mapped, and much may be empty.
        assert_eq!(waiting(4, |t| t.large[0].1.partially_mapped = false), [""; 0]);
        assert_eq!(
            with(3, |counts| counts.partially_mapped = true),
            ["Mapcount folio marked partially mapped that is not queued"]
        );
        assert_eq!(with(3, |counts| counts.order = 1), [""; 0]);
        // Another process maps a page, too.
        let mut tables = large(4);
        tables.mms.push(MmPages { mm: MmId(1), anon: 1, ..tables.mms[0] });
        tables.entries.push(PageEntry { mm: MmId(1), writable: false, ..tables.entries[0] });
        tables.frames.iter_mut().for_each(|frame| frame.references = 5);
        (tables.frames[0].mapcount, tables.frames[0].exclusive) = (2, false);
        (tables.entries[0].writable, tables.large[0].1.large_mapcount) = (false, 5);
        assert_eq!(found(&tables, true), ["Mapcount shared large folio that counts as one mm's"]);
        tables.large[0].1.shared = true;
        assert_eq!(found(&tables, true), [""; 0]);
    }

    #[test]
    fn each_fault_of_a_huge_page_is_named() {
        let with = |change: fn(&mut PageTables)| {
            let mut tables = large(4);
            tables.entries.iter_mut().for_each(|entry| entry.huge = true);
            for frame in &mut tables.frames {
                (frame.mapcount, frame.references, frame.exclusive) = (0, 1, frame.frame == frame.head);
            }
            tables.totals.anon_thps = 4;
            let counts = &mut tables.large[0].1;
            (counts.entire_mapcount, counts.large_mapcount, counts.pages_mapped) = (1, 1, ENTIRELY_MAPPED);
            change(&mut tables);
            found(&tables, true)
        };
        assert_eq!(with(|_| ()), [""; 0]);
        assert_eq!(with(|t| t.large[0].1.entire_mapcount = 2), ["Mapcount entire mapcount of a large folio"]);
        assert_eq!(with(|t| t.large[0].1.large_mapcount = 4), ["Mapcount mapcount of a large folio"]);
        assert_eq!(with(|t| t.large[0].1.pages_mapped = 4), ["Mapcount mapped pages of a large folio"]);
        assert_eq!(with(|t| t.frames[0].references = 4), ["Mapcount references are not those of entries"]);
        assert_eq!(with(|t| t.frames[1].mapcount = 1), ["Mapcount mapcount is not the number of entries"]);
        assert_eq!(with(|t| t.totals.anon_thps = 0), ["Rss NR_ANON_THPS is not what is mapped"]);
        assert_eq!(
            with(|t| t.frames[0].exclusive = false),
            ["Exclusive writable entry of a page that is not exclusive"]
        );
        // Another process maps one of its pages.
        let shared = with(|t| {
            t.mms.push(MmPages { mm: MmId(1), anon: 1, ..t.mms[0] });
            t.entries.push(PageEntry { mm: MmId(1), page: 0x11, writable: false, huge: false, ..t.entries[1] });
            t.frames.iter_mut().for_each(|frame| frame.references = 2);
            t.frames[1].mapcount = 1;
            let counts = &mut t.large[0].1;
            (counts.large_mapcount, counts.pages_mapped, counts.shared) = (2, ENTIRELY_MAPPED + 1, true);
        });
        assert_eq!(shared, ["Exclusive exclusive huge page with several entries"]);
    }

    #[test]
    fn what_is_left_without_a_process_is_named() {
        for totals in [
            PageTotals { frames: 1, ..PageTotals::default() },
            PageTotals { tables: 1, ..PageTotals::default() },
            PageTotals { slots: 1, ..PageTotals::default() },
        ] {
            let tables = PageTables { totals, ..PageTables::default() };
            assert_eq!(found(&tables, true), ["I12 frames or page tables left"]);
        }
    }
}
