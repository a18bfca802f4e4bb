//! The walks of a folio's mappings.

use super::world::*;
use rmap_seam::{
    Call, Entry, Event, EventKind, FolioFound, FolioId, MmCounter, MmId, NodeStat, Revision, Rmap, Rule, Side, VmaId,
    WalkFlags,
};

const FOLIO: FolioId = FolioId(32);
const OTHER: FolioId = FolioId(64);
const FOUND: FolioFound =
    FolioFound { bits: FolioFound::SWAPBACKED, references: 2, slot: 0, file: 0, index: 0, poisoned: 0 };
const IN_SWAP_CACHE: FolioFound =
    FolioFound { bits: FolioFound::SWAPBACKED | FolioFound::SWAPCACHE, references: 3, slot: 5, ..FOUND };
const PAGE: u64 = 17;

fn event(kind: EventKind, arg: u8, flags: u16, object: u32, other: u32) -> Event {
    Event::new(kind, arg, flags, object, other)
}

fn entry(bits: u32, number: u32) -> Entry {
    Entry { bits, number }
}

fn written(mm: u8, page: u64, entry: Entry) -> Event {
    event(EventKind::Entry, mm, entry.bits as u16, entry.number, page as u32)
}

fn set(world: &mut PortWorld, mm: u8, page: u64, entry: Entry) {
    world.call(Call::EntrySet { mm: MmId(mm), page, entry });
}

/// A process whose VMA maps a folio of `1 << order` pages alone, from [`PAGE`] on, writable.
fn mapped(revision: Revision, order: u32) -> (PortWorld, VmaId) {
    let mut world = PortWorld::new(revision);
    let vma = world.map(0, range(16, 32));
    world.prepare(vma);
    world.call(Call::FolioAlloc { folio: FOLIO, order });
    world.call(Call::FolioAddNewAnonRmap { folio: FOLIO, vma, page: PAGE, exclusive: true });
    for nth in 0..1 << order {
        set(&mut world, 0, PAGE + u64::from(nth), entry(Entry::PRESENT | Entry::WRITE, FOLIO.0 + nth));
    }
    (world, vma)
}

/// What of a call's events is of an entry or of what goes with it.
fn effects(world: &PortWorld) -> Vec<Event> {
    let kinds = [EventKind::DownRead, EventKind::UpRead, EventKind::Trylock, EventKind::Get, EventKind::Put];
    let is_lock = |event: &Event| event.kind().is_some_and(|kind| kinds.contains(&kind));
    world.port.events().iter().filter(|event| !is_lock(event)).copied().collect()
}

#[test]
fn a_page_in_the_swap_cache_leaves_its_slot_in_the_entry() {
    let (mut world, _) = mapped(V7_3, 0);
    world.call(Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(WalkFlags::BATCH_FLUSH), found: IN_SWAP_CACHE });
    let left = IN_SWAP_CACHE.bits as u16;
    let expected = [
        event(EventKind::Visit, 0, 0, 0, PAGE as u32),
        event(EventKind::Notify, 0, 0, PAGE as u32, 1),
        written(0, PAGE, Entry::NONE),
        event(EventKind::Flush, 0, 1, 0, 0),
        event(EventKind::Slot, 0, 0, 5, 0),
        event(EventKind::Counter, 0, MmCounter::AnonPages as u16, u32::MAX, 0),
        event(EventKind::Counter, 0, MmCounter::SwapEntries as u16, 1, 0),
        written(0, PAGE, entry(Entry::SWAP | Entry::EXCLUSIVE, 5)),
        event(EventKind::Stat, NodeStat::AnonMapped as u8, 0, u32::MAX, 0),
        event(EventKind::Notify, 1, 0, PAGE as u32, 1),
        event(EventKind::Left, (FolioFound::FLUSH >> 16) as u8, left, FOLIO.0, 2),
    ];
    assert_eq!(effects(&world), expected);
}

#[test]
fn a_pinned_page_stays_mapped_as_it_was() {
    let (mut world, _) = mapped(V7_3, 0);
    let found = FolioFound { bits: IN_SWAP_CACHE.bits | FolioFound::PINNED, ..IN_SWAP_CACHE };
    world.call(Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(0), found });
    assert_eq!(world.count(EventKind::Slot), 2);
    assert_eq!(world.count(EventKind::Counter), 0);
    let back = written(0, PAGE, entry(Entry::PRESENT | Entry::WRITE, FOLIO.0));
    assert!(world.port.events().contains(&back), "{:?}", world.port.events());
}

#[test]
fn a_lazily_freed_page_goes_unless_it_was_written_to_or_is_referenced() {
    for (revision, dirty, references, goes, becomes) in [
        (V7_3, false, 2, true, 0),
        (V7_3, true, 2, false, FolioFound::SWAPBACKED | FolioFound::DIRTY),
        (V7_3, false, 3, false, 0),
        // Before batches it was written back for a reference, too.
        (V6_12, false, 3, false, FolioFound::SWAPBACKED),
    ] {
        let (mut world, _) = mapped(revision, 0);
        let bits = Entry::PRESENT | if dirty { Entry::DIRTY } else { 0 };
        set(&mut world, 0, PAGE, entry(bits, FOLIO.0));
        let found = FolioFound { bits: 0, references, ..FolioFound::default() };
        world.call(Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(0), found });
        let left = world.port.events().last().unwrap();
        let gone = u32::from(goes);
        assert_eq!((left.flags, left.other), (becomes as u16, references - gone), "{revision}");
        assert_eq!(world.count(EventKind::Counter), gone as usize);
    }
}

#[test]
fn entries_of_a_lazily_freed_large_folio_go_together_where_they_are_alike() {
    let found = FolioFound { bits: 0, references: 5, ..FolioFound::default() };
    for (revision, alike, flushes) in [(V7_3, true, 1), (V7_3, false, 3), (V6_12, true, 4)] {
        let (mut world, _) = mapped(revision, 2);
        if !alike {
            set(&mut world, 0, PAGE + 1, entry(Entry::PRESENT, FOLIO.0 + 1));
        }
        world.call(Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(0), found });
        assert_eq!(world.count(EventKind::Flush), flushes, "{revision}");
        assert_eq!(world.port.events().last().unwrap().other, 1);
        // Nothing is mapped: the walk finds no entry.
        world.call(Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(0), found });
        assert_eq!(world.count(EventKind::Entry), 0);
    }
}

#[test]
fn what_userfaultfd_and_trackers_of_writes_know_goes_to_swap_and_to_migration_and_back() {
    for known in [Entry::UFFD, Entry::SOFT_DIRTY, Entry::UFFD | Entry::SOFT_DIRTY] {
        let (mut world, _) = mapped(V7_3, 0);
        set(&mut world, 0, PAGE, entry(Entry::PRESENT | known, FOLIO.0));
        world.call(Call::TryToMigrate { folio: FOLIO, flags: WalkFlags(0), found: FOUND });
        let migration = written(0, PAGE, entry(Entry::MIGRATION | known | Entry::EXCLUSIVE, FOLIO.0));
        assert!(world.port.events().contains(&migration), "{:?}", world.port.events());
        world.call(Call::RemoveMigrationPtes { folio: FOLIO, to: FOLIO, flags: WalkFlags(0), found: FOUND });
        let back = written(0, PAGE, entry(Entry::PRESENT | known, FOLIO.0));
        assert!(world.port.events().contains(&back), "{:?}", world.port.events());
        world.call(Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(0), found: IN_SWAP_CACHE });
        let swap = written(0, PAGE, entry(Entry::SWAP | known | Entry::EXCLUSIVE, 5));
        assert!(world.port.events().contains(&swap), "{:?}", world.port.events());
    }
}

#[test]
fn a_page_that_comes_back_dirty_from_migration_is_not_soft_dirty_for_that() {
    for revision in [V6_12, V7_3] {
        let (mut world, _) = mapped(revision, 0);
        set(&mut world, 0, PAGE, entry(Entry::PRESENT | Entry::DIRTY, FOLIO.0));
        let found = FolioFound { bits: FOUND.bits | FolioFound::DIRTY, ..FOUND };
        world.call(Call::TryToMigrate { folio: FOLIO, flags: WalkFlags(0), found });
        world.call(Call::RemoveMigrationPtes { folio: FOLIO, to: FOLIO, flags: WalkFlags(0), found });
        let back = written(0, PAGE, entry(Entry::PRESENT | Entry::DIRTY, FOLIO.0));
        assert!(world.port.events().contains(&back), "{revision}: {:?}", world.port.events());
    }
}

#[test]
fn a_flush_that_is_put_off_says_whether_an_entry_was_written_to() {
    for (bits, left) in [(0, FolioFound::FLUSH), (Entry::DIRTY, FolioFound::FLUSH | FolioFound::FLUSH_DIRTY)] {
        for flags in [WalkFlags(0), WalkFlags(WalkFlags::BATCH_FLUSH)] {
            let (mut world, _) = mapped(V7_3, 0);
            set(&mut world, 0, PAGE, entry(Entry::PRESENT | bits, FOLIO.0));
            world.call(Call::TryToUnmap { folio: FOLIO, flags, found: IN_SWAP_CACHE });
            let put_off = if flags.has(WalkFlags::BATCH_FLUSH) { left } else { 0 };
            assert_eq!(u32::from(world.port.events().last().unwrap().arg), put_off >> 16);
        }
    }
}

#[test]
fn before_batches_nobody_is_asked_of_several_entries_at_once() {
    for (revision, asked) in [(V6_12, 0), (V7_3, 1)] {
        let (mut world, _) = mapped(revision, 1);
        for nth in 0..2 {
            set(&mut world, 0, PAGE + nth, entry(Entry::PRESENT | Entry::ACCESSED, FOLIO.0 + nth as u32));
        }
        assert_eq!(world.call(Call::FolioReferenced { folio: FOLIO, locked: false, found: FOUND }), 1, "{revision}");
        assert_eq!((world.count(EventKind::Young), world.count(EventKind::Flush)), (asked, 2), "{revision}");
    }
}

#[test]
fn the_zero_page_keeps_what_the_revision_says() {
    let (uffd, soft) = (Entry::UFFD, Entry::SOFT_DIRTY);
    for (keeps_uffd, keeps_soft_dirty, kept) in
        [(false, false, 0), (true, false, uffd), (false, true, soft), (true, true, uffd | soft)]
    {
        let revision =
            Revision { zero_page_keeps_uffd: keeps_uffd, zero_page_keeps_soft_dirty: keeps_soft_dirty, ..V7_3 };
        let (mut world, _) = mapped(revision, 0);
        set(&mut world, 0, PAGE, entry(Entry::PRESENT | uffd | soft, FOLIO.0));
        world.call(Call::TryToMigrate { folio: FOLIO, flags: WalkFlags(0), found: FOUND });
        let found = FolioFound { bits: FOUND.bits | FolioFound::UNUSED, ..FOUND };
        let flags = WalkFlags(WalkFlags::USE_SHARED_ZEROPAGE);
        world.call(Call::RemoveMigrationPtes { folio: FOLIO, to: FOLIO, flags, found });
        let zero = written(0, PAGE, entry(Entry::PRESENT | Entry::ACCESSED | Entry::ZERO | kept, 1));
        assert!(world.port.events().contains(&zero), "{:?}", world.port.events());
    }
}

#[test]
fn entries_that_go_together_are_soft_dirty_if_one_after_the_first_was_written_to() {
    // It stays, since somebody else has a reference.
    let found = FolioFound { bits: 0, references: 9, ..FolioFound::default() };
    for (nth, soft) in [(0, 0), (1, Entry::SOFT_DIRTY)] {
        let (mut world, _) = mapped(V7_3, 1);
        set(&mut world, 0, PAGE + nth, entry(Entry::PRESENT | Entry::WRITE | Entry::DIRTY, FOLIO.0 + nth as u32));
        world.call(Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(0), found });
        let bits = Entry::PRESENT | Entry::WRITE | Entry::DIRTY | soft;
        for nth in 0..2 {
            let back = written(0, PAGE + nth, entry(bits, FOLIO.0 + nth as u32));
            assert!(world.port.events().contains(&back), "{:?}", world.port.events());
        }
    }
}

#[test]
fn entries_that_userfaultfd_or_trackers_of_writes_tell_apart_do_not_go_together() {
    let found = FolioFound { bits: 0, references: 5, ..FolioFound::default() };
    for (later, flushes) in [(0, 1), (Entry::UFFD, 3), (Entry::WRITE | Entry::SOFT_DIRTY, 3)] {
        let (mut world, _) = mapped(V7_3, 2);
        if later != 0 {
            set(&mut world, 0, PAGE + 1, entry(Entry::PRESENT | later, FOLIO.0 + 1));
        }
        world.call(Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(0), found });
        assert_eq!(world.count(EventKind::Flush), flushes);
    }
}

#[test]
fn a_page_whose_memory_has_failed_leaves_an_entry_that_says_so() {
    let failed = FolioFound { poisoned: 1, ..FOUND };
    let poison = written(0, PAGE, entry(Entry::POISON, FOLIO.0));
    let unmap = Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(WalkFlags::HWPOISON), found: failed };
    // As a part of a split, whoever it is that asks.
    let migrate = Call::TryToMigrate { folio: FOLIO, flags: WalkFlags(0), found: failed };
    for call in [unmap, migrate] {
        let (mut world, _) = mapped(V7_3, 0);
        world.call(call);
        assert!(world.port.events().contains(&poison), "{:?}", world.port.events());
        let counted = event(EventKind::Counter, 0, MmCounter::AnonPages as u16, u32::MAX, 0);
        assert!(world.port.events().contains(&counted));
        assert_eq!(world.count(EventKind::Counter), 1);
    }
}

#[test]
fn migration_and_back_keeps_what_the_entry_said() {
    for (bits, migration) in [
        (Entry::WRITE | Entry::DIRTY | Entry::ACCESSED, Entry::WRITE | Entry::DIRTY | Entry::ACCESSED),
        (Entry::ACCESSED, Entry::EXCLUSIVE | Entry::ACCESSED),
        (0, Entry::EXCLUSIVE),
    ] {
        let (mut world, _) = mapped(V7_3, 0);
        set(&mut world, 0, PAGE, entry(Entry::PRESENT | bits, FOLIO.0));
        world.call(Call::TryToMigrate { folio: FOLIO, flags: WalkFlags(0), found: FOUND });
        let there = written(0, PAGE, entry(Entry::MIGRATION | migration, FOLIO.0));
        assert!(world.port.events().contains(&there), "{:?}", world.port.events());
        let left = world.port.events().last().unwrap();
        let found = FolioFound { bits: left.flags.into(), references: 2, ..FolioFound::default() };
        let mapping = world.snapshot().folios[0].clone();
        world.call(Call::FolioAlloc { folio: OTHER, order: 0 });
        let (anon_vma, index) = (mapping.mapping, mapping.index);
        world.call(Call::FolioSetMapping { folio: OTHER, anon_vma, index });
        world.call(Call::RemoveMigrationPtes { folio: FOLIO, to: OTHER, flags: WalkFlags(0), found });
        let back = written(0, PAGE, entry(Entry::PRESENT | bits, OTHER.0));
        assert!(world.port.events().contains(&back), "{:?}", world.port.events());
        assert_eq!(world.port.events().last().unwrap().other, 3);
        let page = world.snapshot().folios[1].pages[0];
        assert_eq!((page.mapcount, page.exclusive), (1, true));
    }
}

#[test]
fn each_process_that_used_a_page_is_counted_once_and_forgotten() {
    let (mut world, vma) = mapped(V7_3, 1);
    let child = world.fork(vma, 1).unwrap();
    let dup = Call::FolioTryDupAnonRmap {
        folio: FOLIO,
        first: 0,
        count: 2,
        child: Some(child),
        vma,
        pinned: false,
        huge: false,
    };
    world.call(dup);
    for nth in 0..2 {
        set(&mut world, 0, PAGE + nth, entry(Entry::PRESENT | Entry::ACCESSED, FOLIO.0 + nth as u32));
        set(&mut world, 1, PAGE + nth, entry(Entry::PRESENT, FOLIO.0 + nth as u32));
    }
    let ask = Call::FolioReferenced { folio: FOLIO, locked: false, found: FOUND };
    let flags = |flags| rmap_seam::VmaAttributes { anon_pgoff: 16, flags, file: 0 };
    world.call(Call::VmaSetAttributes { vma, attributes: flags(3) });
    let told = |world: &PortWorld, kind: EventKind| {
        let of_kind = world.port.events().iter().filter(|event| event.kind() == Some(kind));
        of_kind.map(|event| event.other).collect::<Vec<_>>()
    };
    assert_eq!(world.call(ask), 1);
    assert_eq!((world.count(EventKind::Entry), world.count(EventKind::Flush)), (2, 2));
    // Both processes are come to, and each is asked of both pages at once; the flags are those of who used it.
    assert_eq!(told(&world, EventKind::Visit).len(), 2);
    assert_eq!((told(&world, EventKind::Young), told(&world, EventKind::UsedBy)), (vec![2, 2], vec![3]));
    assert_eq!(world.call(ask), 0);
    assert_eq!(world.count(EventKind::Entry), 0);
    assert_eq!(told(&world, EventKind::UsedBy), [0]);
    // Kernels of 7.x lock the folio for it.
    let found = FolioFound { bits: FOUND.bits | FolioFound::LOCKED, ..FOUND };
    assert_eq!(world.call(Call::FolioReferenced { folio: FOLIO, locked: false, found }), 1);
    assert_eq!(world.call(Call::FolioReferenced { folio: FOLIO, locked: true, found }), 0);
}

#[test]
fn a_vma_that_locks_its_pages_keeps_them_and_locks_what_it_has_whole() {
    for (revision, order, mlocks) in [(V7_3, 0, 1), (V7_3, 1, 1), (V6_12, 0, 1), (V6_12, 1, 0)] {
        let (mut world, vma) = mapped(revision, order);
        let flags = 3 | rmap_seam::VmaAttributes::LOCKED;
        let attributes = rmap_seam::VmaAttributes { anon_pgoff: 16, flags, file: 0 };
        world.call(Call::VmaSetAttributes { vma, attributes });
        world.call(Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(0), found: IN_SWAP_CACHE });
        assert_eq!((world.count(EventKind::Mlock), world.count(EventKind::Entry)), (mlocks, 0), "{revision}");
        // Who asks is told of no use, and the folio is locked where all of it can be seen.
        assert_eq!(world.call(Call::FolioReferenced { folio: FOLIO, locked: false, found: FOUND }), 0);
        assert_eq!(world.count(EventKind::Mlock), 1, "{revision}");
        let used_by = world.port.events().iter().find(|event| event.kind() == Some(EventKind::UsedBy)).unwrap().other;
        assert_eq!(u64::from(used_by), rmap_seam::VmaAttributes::LOCKED, "{revision}");
        let ignore = WalkFlags(WalkFlags::IGNORE_MLOCK);
        world.call(Call::TryToUnmap { folio: FOLIO, flags: ignore, found: IN_SWAP_CACHE });
        assert!(world.count(EventKind::Entry) > 0);
    }
}

/// A driver asks for a folio of four pages of which the last is not mapped.
#[test]
fn a_device_gets_what_is_mapped_of_a_folio_and_its_entries_do_not_count() {
    let (mut world, vma) = mapped(V6_12, 2);
    set(&mut world, 0, PAGE + 3, Entry::NONE);
    world.call(Call::FolioRemoveRmap { folio: FOLIO, first: 3, count: 1, vma, huge: false });
    set(&mut world, 0, PAGE + 1, entry(Entry::PRESENT | Entry::DIRTY | Entry::SOFT_DIRTY, FOLIO.0 + 1));
    let asks = |page| Call::FolioMakeDeviceExclusive { folio: FOLIO, mm: MmId(0), page, found: FOUND };
    assert_eq!(world.call(asks(PAGE)), 1);
    let taken = |nth: u32, bits| {
        let page = PAGE + u64::from(nth);
        [
            written(0, page, Entry::NONE),
            event(EventKind::Flush, 0, 0, page as u32, 1),
            written(0, page, entry(Entry::DEVICE | bits, FOLIO.0 + nth)),
            event(EventKind::Stat, NodeStat::AnonMapped as u8, 0, u32::MAX, 0),
        ]
    };
    let expected = [
        &[event(EventKind::Notify, 0, 0, PAGE as u32, 4), event(EventKind::Visit, 0, 0, 0, PAGE as u32)][..],
        &taken(0, Entry::WRITE),
        &taken(1, Entry::SOFT_DIRTY),
        &taken(2, Entry::WRITE),
        &[event(EventKind::Notify, 1, 0, PAGE as u32, 4)],
        &[event(EventKind::Left, 0, (FOUND.bits | FolioFound::DIRTY) as u16, FOLIO.0, FOUND.references)],
    ];
    assert_eq!(effects(&world), expected.concat());
    // Nothing maps it: there is no walk.
    assert_eq!(world.call(asks(PAGE)), 0);
    assert_eq!(world.count(EventKind::Notify), 0);
    // The process takes back the first and the third page: at the second the walk ends, and something maps the folio.
    for nth in [0, 2] {
        let page = PAGE + u64::from(nth);
        world.call(Call::FolioAddAnonRmap {
            folio: FOLIO,
            first: nth,
            count: 1,
            vma,
            page,
            exclusive: false,
            huge: false,
        });
        set(&mut world, 0, page, entry(Entry::PRESENT | Entry::WRITE, FOLIO.0 + nth));
    }
    assert_eq!(world.call(asks(PAGE)), 0);
    assert_eq!(world.count(EventKind::Entry), 2);
}

/// Until 6.14 the walks of migration meet entries of a device, of a folio of which another page is mapped.
#[test]
fn migration_takes_the_entry_of_a_device_for_another() {
    let lent = |revision| {
        let (mut world, vma) = mapped(revision, 1);
        world.call(Call::FolioRemoveRmap { folio: FOLIO, first: 1, count: 1, vma, huge: false });
        set(&mut world, 0, PAGE + 1, entry(Entry::DEVICE | Entry::WRITE, FOLIO.0 + 1));
        world
    };
    let rule = |world: &PortWorld, rule: Rule| {
        let is_it = |event: &&Event| event.kind() == Some(EventKind::Rule) && event.arg == rule as u8;
        world.port.events().iter().find(is_it).map(|event| event.object)
    };
    let mut world = lent(V6_12);
    world.port.call(Call::TryToMigrate { folio: FOLIO, flags: WalkFlags(0), found: FOUND });
    assert_eq!(rule(&world, Rule::FrameOfAbsent), Some(FOLIO.0 + 1));
    let restored = entry(Entry::PRESENT, FOLIO.0 + 1);
    for (revision, taken) in [(V6_12, true), (V7_3, false)] {
        let mut world = lent(revision);
        world.port.call(Call::RemoveMigrationPtes { folio: FOLIO, to: FOLIO, flags: WalkFlags(0), found: FOUND });
        assert_eq!(rule(&world, Rule::DeviceMigrated), taken.then_some(PAGE as u32 + 1));
        assert_eq!(world.port.events().contains(&written(0, PAGE + 1, restored)), taken);
    }
}
