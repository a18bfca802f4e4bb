//! What maps the pages of folios.

use super::world::*;
use rmap_seam::{
    AnonVmaId, Call, EBUSY, Event, EventKind, FolioId, LargeCounts, NodeStat, PageCount, RememberedMm, Rmap, Side,
    VmaId,
};

const FOLIO: FolioId = FolioId(3);

/// A VMA with an anon_vma, and a folio that it maps alone.
fn mapped() -> (PortWorld, VmaId) {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    world.prepare(vma);
    world.call(Call::FolioAlloc { folio: FOLIO, order: 0 });
    world.call(Call::FolioAddNewAnonRmap { folio: FOLIO, vma, page: 17, exclusive: true });
    (world, vma)
}

fn counts(world: &mut PortWorld) -> (i32, bool) {
    let PageCount { mapcount, exclusive } = world.snapshot().folios[0].pages[0];
    (mapcount, exclusive)
}

fn stat(stat: NodeStat, change: i32) -> Event {
    Event::new(EventKind::Stat, stat as u8, 0, change.cast_unsigned(), 0)
}

#[test]
fn a_new_folio_is_exclusive_and_counted_once() {
    let (mut world, vma) = mapped();
    assert_eq!(world.port.events(), [stat(NodeStat::AnonMapped, 1)]);
    let folio = world.snapshot().folios[0].clone();
    assert_eq!((folio.id, folio.mapping, folio.index), (FOLIO, Some(AnonVmaId(0)), 17));
    assert_eq!(counts(&mut world), (1, true));
    world.call(Call::FolioRemoveRmap { folio: FOLIO, first: 0, count: 1, vma, huge: false });
    assert_eq!(world.port.events(), [stat(NodeStat::AnonMapped, -1)]);
    assert_eq!(counts(&mut world), (0, true));
    world.call(Call::FolioFree { folio: FOLIO });
    assert!(world.snapshot().folios.is_empty());
}

#[test]
fn a_fork_shares_a_page_unless_it_is_pinned() {
    let (mut world, vma) = mapped();
    let dup =
        |pinned| Call::FolioTryDupAnonRmap { folio: FOLIO, first: 0, count: 1, child: None, vma, pinned, huge: false };
    assert_eq!(world.call(dup(true)), -EBUSY);
    assert_eq!(counts(&mut world), (1, true));
    assert_eq!(world.call(dup(false)), 0);
    assert_eq!((counts(&mut world), world.port.events()), ((2, false), [].as_slice()));
    // It is shared already: a pin does not hinder.
    assert_eq!(world.call(dup(true)), 0);
    assert_eq!(counts(&mut world), (3, false));
    world.call(Call::FolioRemoveRmap { folio: FOLIO, first: 0, count: 1, vma, huge: false });
    assert_eq!(world.port.events(), []);
}

#[test]
fn a_page_that_goes_to_swap_is_shared_first_unless_it_is_pinned() {
    let (mut world, _) = mapped();
    let share = |pinned| Call::FolioTryShareAnonRmap { folio: FOLIO, first: 0, count: 1, pinned, huge: false };
    assert_eq!(world.call(share(true)), -EBUSY);
    assert_eq!(world.call(share(false)), 0);
    assert_eq!((counts(&mut world), world.port.events()), ((1, false), [].as_slice()));
    world.port.call(share(false));
    assert_eq!(world.count(EventKind::Warn), 1);
}

#[test]
fn an_entry_comes_back_only_where_the_index_and_the_root_are_right() {
    let (mut world, vma) = mapped();
    let add =
        |page| Call::FolioAddAnonRmap { folio: FOLIO, first: 0, count: 1, vma, page, exclusive: false, huge: false };
    world.call(Call::FolioSetExclusive { folio: FOLIO, first: 0, exclusive: false });
    assert_eq!(world.call(add(17)), 0);
    assert_eq!(counts(&mut world), (2, false));
    world.port.call(add(18));
    assert_eq!(world.count(EventKind::Bug), 1);
    // Of another process, which no fork made.
    let stranger = world.map(1, range(16, 24));
    world.prepare(stranger);
    let call = Call::FolioAddAnonRmap {
        folio: FOLIO,
        first: 0,
        count: 1,
        vma: stranger,
        page: 17,
        exclusive: false,
        huge: false,
    };
    world.port.call(call);
    assert_eq!(world.count(EventKind::Bug), 1);
}

#[test]
fn pages_of_files_are_counted_apart_and_a_locked_vma_locks_them() {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    world.call(Call::FolioAlloc { folio: FOLIO, order: 0 });
    let add = Call::FolioAddFileRmap { folio: FOLIO, first: 0, count: 1, vma };
    world.call(add);
    assert_eq!(world.port.events(), [stat(NodeStat::FileMapped, 1)]);
    world.call(Call::FolioDupFileRmap { folio: FOLIO, first: 0, count: 1, child: None });
    assert_eq!((counts(&mut world), world.port.events()), ((2, false), [].as_slice()));
    let attributes =
        rmap_seam::VmaAttributes { anon_pgoff: 16, flags: 0x3 | rmap_seam::VmaAttributes::LOCKED, file: 1 };
    world.call(Call::VmaSetAttributes { vma, attributes });
    world.call(Call::FolioRemoveRmap { folio: FOLIO, first: 0, count: 1, vma, huge: false });
    assert_eq!(world.port.events(), [Event::new(EventKind::Munlock, 0, 0, FOLIO.0, 0)]);
    world.call(add);
    assert_eq!(world.count(EventKind::Mlock), 1);
}

#[test]
fn a_mapping_that_is_written_is_what_a_walk_goes_by() {
    let (mut world, vma) = mapped();
    world.call(Call::FolioAlloc { folio: FolioId(4), order: 0 });
    world.call(Call::FolioSetMapping { folio: FolioId(4), anon_vma: Some(AnonVmaId(0)), index: 17 });
    let walk = Call::RmapWalkAnon { folio: FolioId(4), mapped: true, mode: rmap_seam::WalkMode::Unlocked };
    assert_eq!(world.call(walk), 1);
    assert!(world.port.events().contains(&Event::new(EventKind::Visit, 0, 0, vma.0, 17)));
    world.call(Call::FolioSetMapping { folio: FolioId(4), anon_vma: None, index: 0 });
    assert!(world.port.call(walk) < 0);
}

/// A VMA with an anon_vma, and a folio of four pages that it maps alone.
fn large() -> (PortWorld, VmaId) {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    world.prepare(vma);
    world.call(Call::FolioAlloc { folio: FOLIO, order: 2 });
    world.call(Call::FolioAddNewAnonRmap { folio: FOLIO, vma, page: 16, exclusive: true });
    (world, vma)
}

fn large_counts(world: &mut PortWorld) -> LargeCounts {
    world.snapshot().folios[0].large.unwrap()
}

#[test]
fn a_large_folio_counts_its_pages_and_remembers_who_maps_them() {
    let (mut world, vma) = large();
    assert_eq!(world.port.events(), [stat(NodeStat::AnonMapped, 4)]);
    let counts = large_counts(&mut world);
    assert_eq!((counts.large_mapcount, counts.pages_mapped, counts.shared), (4, 4, false));
    assert_eq!(counts.mms, [RememberedMm { id: 1, mapcount: 3 }, RememberedMm::NONE]);
    let child = world.fork(vma, 1).unwrap();
    world.call(Call::FolioTryDupAnonRmap {
        folio: FOLIO,
        first: 0,
        count: 4,
        child: Some(child),
        vma,
        pinned: false,
        huge: false,
    });
    let counts = large_counts(&mut world);
    assert_eq!((counts.large_mapcount, counts.pages_mapped, counts.shared), (8, 4, true));
    assert_eq!(counts.mms[1], RememberedMm { id: 2, mapcount: 3 });
    // The parent's are gone: it is the child's alone.
    world.call(Call::FolioRemoveRmap { folio: FOLIO, first: 0, count: 4, vma, huge: false });
    let counts = large_counts(&mut world);
    assert_eq!((counts.large_mapcount, counts.pages_mapped, counts.shared), (4, 4, false));
    assert_eq!((counts.partially_mapped, world.port.events()), (false, [].as_slice()));
}

#[test]
fn a_folio_of_which_a_page_is_unmapped_waits_to_be_split() {
    for (order, waits) in [(1, false), (2, true)] {
        let mut world = PortWorld::new(V7_3);
        let vma = world.map(0, range(16, 24));
        world.prepare(vma);
        world.call(Call::FolioAlloc { folio: FOLIO, order });
        world.call(Call::FolioAddNewAnonRmap { folio: FOLIO, vma, page: 16, exclusive: true });
        world.call(Call::FolioRemoveRmap { folio: FOLIO, first: 1, count: 1, vma, huge: false });
        let counts = large_counts(&mut world);
        assert_eq!((counts.partially_mapped, counts.deferred), (waits, waits), "order {order}");
        assert_eq!(world.port.events(), [stat(NodeStat::AnonMapped, -1)]);
    }
}

#[test]
fn a_walk_of_a_large_folio_comes_to_the_first_page_that_each_vma_has() {
    let (mut world, vma) = large();
    let above = world.split(vma, 18).unwrap();
    let walk = Call::RmapWalkAnon { folio: FOLIO, mapped: true, mode: rmap_seam::WalkMode::Unlocked };
    assert_eq!(world.call(walk), 2);
    for (vma, page) in [(vma, 16), (above, 18)] {
        assert!(world.port.events().contains(&Event::new(EventKind::Visit, 0, 0, vma.0, page)));
    }
}

#[test]
fn pages_that_a_folio_has_not_are_caught() {
    let (mut world, vma) = large();
    world.port.call(Call::FolioRemoveRmap { folio: FOLIO, first: 3, count: 2, vma, huge: false });
    assert_eq!(world.count(EventKind::Rule), 1);
}
