//! Walks of a folio, by how they come by the lock.

use super::world::*;
use rmap_seam::EventKind::{self, DownRead, Get, Put, Trylock, UpRead, Visit};
use rmap_seam::{Call, EAGAIN, FolioId, Revision, Side, WalkMode};

const FOLIO: FolioId = FolioId(3);

/// The folio of a parent and its child, walked: what the call returned, and its events.
fn walk(revision: Revision, mapped: bool, mode: WalkMode) -> (i32, Vec<EventKind>) {
    let mut world = PortWorld::new(revision);
    let vmas = world.fork_chain(1);
    world.call(Call::FolioSetAnon { folio: FOLIO, vma: vmas[0], page: 18, exclusive: true });
    let value = world.call(Call::RmapWalkAnon { folio: FOLIO, mapped, mode });
    (value, world.port.events().iter().filter_map(|event| event.kind()).collect())
}

#[test]
fn a_walk_that_cannot_give_up_waits_for_the_plain_lock_at_once() {
    let tried = (2, vec![Trylock, Visit, Visit, UpRead]);
    assert_eq!(walk(V6_1, true, WalkMode::TryLock), tried);
    let waited = (2, vec![DownRead, Visit, Visit, UpRead]);
    assert_eq!(walk(V5_15, true, WalkMode::TryLock), waited);
    // The same as a walk under a lock that is held, and the lock of a mapped folio is tried in each generation.
    for revision in [V5_15, V6_1] {
        assert_eq!(walk(revision, true, WalkMode::Locked), waited);
        assert_eq!(walk(revision, true, WalkMode::Unlocked), tried);
    }
}

#[test]
fn a_walk_that_cannot_give_up_comes_everywhere_when_another_task_has_had_the_lock() {
    let through_the_folio = [Trylock, Get, DownRead, Put, Visit, Visit, UpRead];
    let plain = [DownRead, UpRead];
    let (value, events) = walk(V5_15, true, WalkMode::Contended);
    assert_eq!((value, events), (2, [&through_the_folio[..], &plain].concat()));
    let (value, events) = walk(V6_1, true, WalkMode::Contended);
    let tried = [Trylock];
    assert_eq!((value, events), (-EAGAIN, [&tried[..], &through_the_folio, &tried, &tried, &plain].concat()));
}

#[test]
fn a_folio_that_is_not_mapped_is_not_walked_in_any_generation() {
    for (name, revision) in REAL {
        assert_eq!(walk(revision, false, WalkMode::Contended), (0, vec![]), "{name}");
        assert_eq!(walk(revision, false, WalkMode::Unlocked), (0, vec![]), "{name}");
    }
}
