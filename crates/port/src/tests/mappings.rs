//! What maps the pages of folios.

use super::world::*;
use rmap_seam::{AnonVmaId, Call, EBUSY, Event, EventKind, FolioId, NodeStat, PageCount, Rmap, Side, VmaId};

const FOLIO: FolioId = FolioId(3);

/// A VMA with an anon_vma, and a folio that it maps alone.
fn mapped() -> (PortWorld, VmaId) {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    world.prepare(vma);
    world.call(Call::FolioAlloc { folio: FOLIO });
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
    world.call(Call::FolioRemoveRmap { folio: FOLIO, first: 0, count: 1, vma });
    assert_eq!(world.port.events(), [stat(NodeStat::AnonMapped, -1)]);
    assert_eq!(counts(&mut world), (0, true));
    world.call(Call::FolioFree { folio: FOLIO });
    assert!(world.snapshot().folios.is_empty());
}

#[test]
fn a_fork_shares_a_page_unless_it_is_pinned() {
    let (mut world, vma) = mapped();
    let dup = |pinned| Call::FolioTryDupAnonRmap { folio: FOLIO, first: 0, count: 1, vma, pinned };
    assert_eq!(world.call(dup(true)), -EBUSY);
    assert_eq!(counts(&mut world), (1, true));
    assert_eq!(world.call(dup(false)), 0);
    assert_eq!((counts(&mut world), world.port.events()), ((2, false), [].as_slice()));
    // It is shared already: a pin does not hinder.
    assert_eq!(world.call(dup(true)), 0);
    assert_eq!(counts(&mut world), (3, false));
    world.call(Call::FolioRemoveRmap { folio: FOLIO, first: 0, count: 1, vma });
    assert_eq!(world.port.events(), []);
}

#[test]
fn a_page_that_goes_to_swap_is_shared_first_unless_it_is_pinned() {
    let (mut world, _) = mapped();
    let share = |pinned| Call::FolioTryShareAnonRmap { folio: FOLIO, first: 0, count: 1, pinned };
    assert_eq!(world.call(share(true)), -EBUSY);
    assert_eq!(world.call(share(false)), 0);
    assert_eq!((counts(&mut world), world.port.events()), ((1, false), [].as_slice()));
    world.port.call(share(false));
    assert_eq!(world.count(EventKind::Warn), 1);
}

#[test]
fn an_entry_comes_back_only_where_the_index_and_the_root_are_right() {
    let (mut world, vma) = mapped();
    let add = |page| Call::FolioAddAnonRmap { folio: FOLIO, first: 0, count: 1, vma, page, exclusive: false };
    world.call(Call::FolioSetExclusive { folio: FOLIO, first: 0, exclusive: false });
    assert_eq!(world.call(add(17)), 0);
    assert_eq!(counts(&mut world), (2, false));
    world.port.call(add(18));
    assert_eq!(world.count(EventKind::Bug), 1);
    // Of another process, which no fork made.
    let stranger = world.map(1, range(16, 24));
    world.prepare(stranger);
    let call = Call::FolioAddAnonRmap { folio: FOLIO, first: 0, count: 1, vma: stranger, page: 17, exclusive: false };
    world.port.call(call);
    assert_eq!(world.count(EventKind::Bug), 1);
}

#[test]
fn pages_of_files_are_counted_apart_and_a_locked_vma_locks_them() {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    world.call(Call::FolioAlloc { folio: FOLIO });
    let add = Call::FolioAddFileRmap { folio: FOLIO, first: 0, count: 1, vma };
    world.call(add);
    assert_eq!(world.port.events(), [stat(NodeStat::FileMapped, 1)]);
    world.call(Call::FolioDupFileRmap { folio: FOLIO, first: 0, count: 1 });
    assert_eq!((counts(&mut world), world.port.events()), ((2, false), [].as_slice()));
    let attributes =
        rmap_seam::VmaAttributes { anon_pgoff: 16, flags: 0x3 | rmap_seam::VmaAttributes::LOCKED, file: 1 };
    world.call(Call::VmaSetAttributes { vma, attributes });
    world.call(Call::FolioRemoveRmap { folio: FOLIO, first: 0, count: 1, vma });
    assert_eq!(world.port.events(), [Event::new(EventKind::Munlock, 0, 0, FOLIO.0, 0)]);
    world.call(add);
    assert_eq!(world.count(EventKind::Mlock), 1);
}

#[test]
fn a_mapping_that_is_written_is_what_a_walk_goes_by() {
    let (mut world, vma) = mapped();
    world.call(Call::FolioAlloc { folio: FolioId(4) });
    world.call(Call::FolioSetMapping { folio: FolioId(4), anon_vma: Some(AnonVmaId(0)), index: 17 });
    let walk = Call::RmapWalkAnon { folio: FolioId(4), mapped: true, mode: rmap_seam::WalkMode::Unlocked };
    assert_eq!(world.call(walk), 1);
    assert!(world.port.events().contains(&Event::new(EventKind::Visit, 0, 0, vma.0, 17)));
    world.call(Call::FolioSetMapping { folio: FolioId(4), anon_vma: None, index: 0 });
    assert!(world.port.call(walk) < 0);
}
