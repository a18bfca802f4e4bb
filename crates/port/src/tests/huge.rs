//! Huge pages: one entry of the level above the lowest maps all of a folio.

use super::world::*;
use rmap_seam::{
    Call, Entry, Event, EventKind, FolioFound, FolioId, LargeCounts, MmCounter, MmId, NodeStat, Revision, Side, VmaId,
    WalkFlags,
};

const FOLIO: FolioId = FolioId(512);
const OTHER: FolioId = FolioId(1024);
const PAGES: u32 = 512;
const PAGE: u64 = 512;
const FOUND: FolioFound =
    FolioFound { bits: FolioFound::SWAPBACKED, references: 2, slot: 0, file: 0, index: 0, poisoned: 0 };

fn huge(bits: u32, number: u32) -> Entry {
    Entry { bits: bits | Entry::HUGE, number }
}

fn set(world: &mut PortWorld, page: u64, entry: Entry) {
    world.call(Call::EntrySet { mm: MmId(0), page, entry });
}

/// A process whose VMA maps a huge page alone, writable.
fn mapped(revision: Revision) -> (PortWorld, VmaId) {
    let mut world = PortWorld::new(revision);
    let vma = world.map(0, range(512, 2048));
    world.prepare(vma);
    world.call(Call::FolioAlloc { folio: FOLIO, order: 9 });
    world.call(Call::FolioAddNewAnonRmap { folio: FOLIO, vma, page: PAGE, exclusive: true });
    (world, vma)
}

fn with_entry(revision: Revision) -> (PortWorld, VmaId) {
    let (mut world, vma) = mapped(revision);
    set(&mut world, PAGE, huge(Entry::PRESENT | Entry::WRITE | Entry::DIRTY | Entry::ACCESSED, FOLIO.0));
    (world, vma)
}

fn stat(stat: NodeStat, change: i32) -> Event {
    Event::new(EventKind::Stat, stat as u8, 0, change.cast_unsigned(), 0)
}

fn written(page: u64, entry: Entry) -> Event {
    Event::new(EventKind::Entry, 0, entry.bits as u16, entry.number, page as u32)
}

fn counts(world: &mut PortWorld) -> LargeCounts {
    world.snapshot().folios[0].large.unwrap()
}

fn of_entries(world: &PortWorld) -> Vec<Event> {
    world.port.events().iter().filter(|event| event.kind() == Some(EventKind::Entry)).copied().collect()
}

#[test]
fn one_entry_counts_once_and_all_pages_are_mapped() {
    let (mut world, vma) = mapped(V7_3);
    let pages = PAGES as i32;
    assert_eq!(world.port.events(), [stat(NodeStat::AnonMapped, pages), stat(NodeStat::AnonThps, pages)]);
    let LargeCounts { entire_mapcount, large_mapcount, pages_mapped, .. } = counts(&mut world);
    assert_eq!((entire_mapcount, large_mapcount, pages_mapped), (1, 1, 0x80_0000));
    assert!(world.snapshot().folios[0].pages[0].exclusive);
    assert_eq!(world.snapshot().folios[0].pages[0].mapcount, 0);
    let remove = Call::FolioRemoveRmap { folio: FOLIO, first: 0, count: PAGES, vma, huge: true };
    world.call(remove);
    assert_eq!(world.port.events(), [stat(NodeStat::AnonMapped, -pages), stat(NodeStat::AnonThps, -pages)]);
    assert!(!counts(&mut world).deferred);
}

#[test]
fn a_huge_page_of_which_another_maps_a_page_waits_to_be_split_when_its_entry_goes() {
    let (mut world, vma) = mapped(V7_3);
    let child = world.fork(vma, 1).unwrap();
    let dup = |pinned| Call::FolioTryDupAnonRmap {
        folio: FOLIO,
        first: 0,
        count: PAGES,
        child: Some(child),
        vma,
        pinned,
        huge: true,
    };
    assert!(world.call(dup(true)) < 0, "the parent has pinned it");
    world.call(dup(false));
    let LargeCounts { entire_mapcount, large_mapcount, shared, .. } = counts(&mut world);
    assert_eq!((entire_mapcount, large_mapcount, shared), (2, 2, true));
    // The child splits its mapping, and keeps one page.
    let of_child = |count, huge| Call::FolioRemoveRmap { folio: FOLIO, first: 0, count, vma: child, huge };
    let page = PAGE;
    let add = Call::FolioAddAnonRmap {
        folio: FOLIO,
        first: 0,
        count: PAGES,
        vma: child,
        page,
        exclusive: false,
        huge: false,
    };
    world.call(add);
    assert_eq!(world.port.events(), [], "its pages are counted already");
    world.call(of_child(PAGES, true));
    world.call(of_child(PAGES - 1, false));
    assert!(!counts(&mut world).deferred, "all of it is mapped");
    world.call(Call::FolioRemoveRmap { folio: FOLIO, first: 0, count: PAGES, vma, huge: true });
    let pages = 1 - PAGES as i32;
    assert_eq!(world.port.events(), [stat(NodeStat::AnonMapped, pages), stat(NodeStat::AnonThps, -(PAGES as i32))]);
    let LargeCounts { deferred, partially_mapped, pages_mapped, .. } = counts(&mut world);
    assert_eq!((deferred, partially_mapped, pages_mapped), (true, true, 1));
}

#[test]
fn migration_replaces_the_entry_and_back() {
    for revision in [V6_12, V7_3] {
        let (mut world, _) = with_entry(revision);
        world.call(Call::TryToMigrate { folio: FOLIO, flags: WalkFlags(0), found: FOUND });
        let kept = Entry::WRITE | Entry::DIRTY | Entry::ACCESSED;
        let entries = [
            written(PAGE, huge(Entry::PRESENT | Entry::NO_ACCESS | kept, FOLIO.0)),
            written(PAGE, huge(Entry::MIGRATION | kept, FOLIO.0)),
        ];
        assert_eq!(of_entries(&world), entries, "{revision}");
        let left = world.port.events().last().unwrap();
        assert_eq!((left.other, u32::from(left.flags) & FolioFound::DIRTY), (1, FolioFound::DIRTY));
        world.call(Call::FolioAlloc { folio: OTHER, order: 9 });
        world.call(Call::FolioSetMapping { folio: OTHER, anon_vma: Some(rmap_seam::AnonVmaId(0)), index: PAGE });
        let found = FolioFound { bits: FOUND.bits | FolioFound::DIRTY, ..FOUND };
        world.call(Call::RemoveMigrationPtes { folio: FOLIO, to: OTHER, flags: WalkFlags(0), found });
        // pmd_mkdirty() makes it soft-dirty, too.
        let back = huge(Entry::PRESENT | kept | Entry::SOFT_DIRTY, OTHER.0);
        assert_eq!(of_entries(&world), [written(PAGE, back)]);
        assert_eq!(world.port.events().last().unwrap().other, 3);
    }
}

#[test]
fn reclaim_splits_the_mapping_or_drops_all_of_it() {
    let pages = PAGES as usize;
    // Invalid, one entry a page, the huge one gone; then each page's own.
    for (revision, entries, removed) in [(V7_3, 2 * pages + 2, 1 + pages), (V7_2, 1, 1)] {
        let (mut world, _) = mapped(revision);
        set(&mut world, PAGE, huge(Entry::PRESENT, FOLIO.0));
        let found = FolioFound { bits: 0, references: 2, ..FolioFound::default() };
        world.call(Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(WalkFlags::SPLIT_HUGE_PMD), found });
        let left = world.port.events().last().unwrap();
        assert_eq!(left.other, 1, "{revision}");
        assert!(of_entries(&world).len() <= entries && of_entries(&world).len() >= removed, "{revision}");
        assert!(of_entries(&world).contains(&written(PAGE, Entry::HUGE_NONE)), "{revision}");
        let change =
            |event: &Event| if event.kind() == Some(EventKind::Counter) { event.object.cast_signed() } else { 0 };
        let anon: i32 = world.port.events().iter().map(change).sum();
        assert_eq!(anon, -(PAGES as i32), "{}: {revision}", MmCounter::AnonPages as u16);
        let LargeCounts { large_mapcount, pages_mapped, .. } = counts(&mut world);
        assert_eq!((large_mapcount, pages_mapped), (0, 0), "{revision}");
    }
}

#[test]
fn pages_of_a_huge_page_whose_entry_is_split_are_soft_dirty_if_it_was_written_to() {
    for (dirty, soft) in [(0, 0), (Entry::DIRTY, Entry::SOFT_DIRTY)] {
        let (mut world, _) = mapped(V7_3);
        set(&mut world, PAGE, huge(Entry::PRESENT | dirty, FOLIO.0));
        let found = FolioFound { bits: 0, references: 9, ..FolioFound::default() };
        world.call(Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(WalkFlags::SPLIT_HUGE_PMD), found });
        let page = written(PAGE + 7, Entry { bits: Entry::PRESENT | dirty | soft, number: FOLIO.0 + 7 });
        assert!(of_entries(&world).contains(&page), "{:?}", of_entries(&world));
    }
}

#[test]
fn who_used_a_huge_page_is_said_by_its_entry() {
    let (mut world, _) = with_entry(V7_3);
    let ask = Call::FolioReferenced { folio: FOLIO, locked: false, found: FOUND };
    assert_eq!(world.call(ask), 1);
    assert_eq!(of_entries(&world), [written(PAGE, huge(Entry::PRESENT | Entry::WRITE | Entry::DIRTY, FOLIO.0))]);
    assert_eq!(world.count(EventKind::Flush), 1);
    assert_eq!(world.call(ask), 0);
}

#[test]
fn a_walk_goes_on_behind_the_huge_page_of_another_folio_since_7_3() {
    for (revision, found) in [(V7_2, 0), (V7_3, 2)] {
        let mut world = PortWorld::new(revision);
        let vma = world.map(0, range(512, 2048));
        world.prepare(vma);
        world.call(Call::FolioAlloc { folio: FOLIO, order: 2 });
        world.call(Call::FolioAddNewAnonRmap { folio: FOLIO, vma, page: 1022, exclusive: true });
        set(&mut world, 512, huge(Entry::PRESENT, OTHER.0));
        for nth in 2..4 {
            set(&mut world, 1022 + nth, Entry { bits: Entry::PRESENT, number: FOLIO.0 + nth as u32 });
        }
        let references = FolioFound { references: 5, ..FOUND };
        world.call(Call::TryToMigrate { folio: FOLIO, flags: WalkFlags(0), found: references });
        let migrations =
            of_entries(&world).iter().filter(|event| u32::from(event.flags) & Entry::MIGRATION != 0).count();
        assert_eq!(migrations, found, "{revision}");
    }
}

#[test]
fn a_folio_that_is_split_leaves_folios_of_their_own() {
    let (mut world, _) = with_entry(V7_3);
    let flags = WalkFlags::RMAP_LOCKED | WalkFlags::BATCH_FLUSH | WalkFlags::SPLIT_HUGE_PMD;
    world.call(Call::TryToMigrate { folio: FOLIO, flags: WalkFlags(flags), found: FOUND });
    let migrations = of_entries(&world).iter().filter(|event| u32::from(event.flags) & Entry::MIGRATION != 0).count();
    assert_eq!(migrations, PAGES as usize);
    world.call(Call::FolioSplit { folio: FOLIO, order: 0 });
    let folios = world.snapshot().folios;
    assert_eq!(folios.len(), PAGES as usize);
    for (nth, folio) in (0..).zip(&folios) {
        assert_eq!((folio.id, folio.index), (FolioId(FOLIO.0 + nth), PAGE + u64::from(nth)));
        assert!(folio.large.is_none() && folio.pages[0].mapcount == 0);
    }
    // One that was written to is mapped again; the zero page takes the place of another.
    let flags = WalkFlags(WalkFlags::RMAP_LOCKED | WalkFlags::USE_SHARED_ZEROPAGE);
    for (nth, bits) in [(0, 0), (1, FolioFound::UNUSED)] {
        let found = FolioFound { bits: FOUND.bits | FolioFound::DIRTY | bits, references: 1, ..FOUND };
        let (folio, page) = (FolioId(FOLIO.0 + nth), PAGE + u64::from(nth));
        world.call(Call::RemoveMigrationPtes { folio, to: folio, flags, found });
        let [entry] = of_entries(&world)[..] else { panic!("{:?}", world.port.events()) };
        let kept = Entry::PRESENT | Entry::ACCESSED;
        let expected = match bits {
            0 => Entry { bits: kept | Entry::WRITE | Entry::DIRTY, number: folio.0 },
            _ => Entry { bits: kept | Entry::ZERO, number: 1 },
        };
        assert_eq!(entry, written(page, expected));
        assert_eq!(world.count(EventKind::Counter), usize::from(bits != 0));
    }
}
