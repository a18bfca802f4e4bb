//! Several tasks: each call stops where another task may go on, and each task has what is its own.

use super::world::*;
use rmap_seam::{
    AnonVmaId, Call, ENOMEM, Event, EventKind, Fail, FolioFound, FolioId, Follower, MmId, Pause, Point, Rmap, Side,
    Told, VmaId, WalkFlags,
};

const FOLIO: FolioId = FolioId(3);

fn at(kind: u8, of: u8, object: u32) -> Pause {
    Pause::At(Point::new(kind, of, object))
}

/// An unfaulted VMA of process 0. Each task locks the mmap for itself.
fn unfaulted() -> (PortWorld, VmaId) {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    (world, vma)
}

/// Two tasks, which hold the mmap lock of process 0 for reading.
fn two_tasks<'a>(world: &'a mut PortWorld, fails: [Fail; 2]) -> Box<dyn Follower + 'a> {
    let mut tasks = world.port.follow(&fails).expect("the port follows");
    for task in 0..2 {
        assert_eq!(tasks.call(Some(task), Call::MmapReadLock { mm: MmId(0) }), 0);
    }
    tasks
}

/// All pauses of a call that goes on alone from here.
fn pauses(tasks: &mut dyn Follower, task: usize, first: Pause) -> Vec<Pause> {
    let next = |pause: &Pause| match pause {
        Pause::Returned(_) => None,
        _ => Some(tasks.resume(task, &Told::default())),
    };
    std::iter::successors(Some(first), next).collect()
}

fn prepare(vma: VmaId) -> Call {
    Call::AnonVmaPrepare { vma, prev: None, next: None }
}

#[test]
fn a_call_stops_before_each_operation_on_what_tasks_share() {
    let (mut world, vma) = unfaulted();
    let mut tasks = two_tasks(&mut world, [Fail::NEVER; 2]);
    let first = tasks.begin(0, prepare(vma));
    let expected = [
        at(Point::ALLOC, Point::OF_AVC, Event::NONE),
        at(Point::ALLOC, Point::OF_ANON_VMA, Event::NONE),
        at(Point::LOCK, Point::OF_ANON_VMA, 0),
        at(Point::LOCK, Point::OF_PAGE_TABLE, 0),
        at(Point::UNLOCK, Point::OF_PAGE_TABLE, 0),
        at(Point::UNLOCK, Point::OF_ANON_VMA, 0),
        Pause::Returned(0),
    ];
    assert_eq!(pauses(&mut *tasks, 0, first), expected);
}

/// Two faults of one VMA, each with an anon_vma of its own: the second gives back what it has.
#[test]
fn a_task_sees_what_another_did_meanwhile() {
    let (mut world, vma) = unfaulted();
    let mut tasks = two_tasks(&mut world, [Fail::NEVER; 2]);
    assert_eq!(tasks.begin(0, prepare(vma)), at(Point::ALLOC, Point::OF_AVC, Event::NONE));
    assert_eq!(tasks.resume(0, &Told::default()), at(Point::ALLOC, Point::OF_ANON_VMA, Event::NONE));
    let first = tasks.begin(1, prepare(vma));
    assert_eq!(pauses(&mut *tasks, 1, first).last(), Some(&Pause::Returned(0)));
    let first = tasks.resume(0, &Told::default());
    let rest = pauses(&mut *tasks, 0, first);
    let frees = [at(Point::FREE, Point::OF_ANON_VMA, 1), at(Point::FREE, Point::OF_AVC, 0)];
    assert_eq!(rest[rest.len() - 3..], [&frees[..], &[Pause::Returned(0)]].concat());
    drop(tasks);
    assert_eq!(world.port.live(), [1, 1, 1]);
    assert_eq!(world.snapshot().vma(vma).unwrap().anon_vma, Some(AnonVmaId(0)));
}

#[test]
fn each_task_has_events_and_failing_allocations_of_its_own() {
    let (mut world, vma) = unfaulted();
    let mut tasks = two_tasks(&mut world, [Fail::nth(1), Fail::NEVER]);
    tasks.begin(0, prepare(vma));
    tasks.begin(1, prepare(vma));
    tasks.resume(1, &Told::default());
    assert_eq!(tasks.events().len(), 2, "the call was entered, and an entry allocated");
    assert_eq!(tasks.resume(0, &Told::default()), Pause::Returned(-ENOMEM));
    let failed = Event::new(EventKind::Alloc, 2, tasks.events()[1].flags, Event::NONE, 0);
    assert_eq!(tasks.events()[1], failed);
    tasks.switch_to(Some(1));
    assert_eq!(tasks.events().len(), 2);
}

/// The first fault gave the anon_vma back in which a walk is interested. The next gets the same memory.
#[test]
fn a_walk_that_has_found_a_freed_anon_vma_sees_what_is_there_now() {
    let mut world = PortWorld::new(V7_3);
    let vma = world.map(0, range(16, 24));
    let other = world.map(1, range(16, 24));
    world.prepare(vma);
    world.call(Call::FolioAlloc { folio: FOLIO, order: 0 });
    world.call(Call::FolioAddNewAnonRmap { folio: FOLIO, vma, page: 17, exclusive: true });
    let mut tasks = world.port.follow(&[Fail::NEVER; 2]).unwrap();
    for mm in [0, 1] {
        tasks.call(Some(1), Call::MmapWriteLock { mm: MmId(mm) });
    }
    let walk = Call::TryToUnmap { folio: FOLIO, flags: WalkFlags(0), found: FolioFound::default() };
    let read = at(Point::READ, Point::OF_FOLIO, FOLIO.0);
    assert_eq!(tasks.begin(0, walk), at(Point::RCU, Point::OF_NONE, Event::NONE));
    assert_eq!(tasks.resume(0, &Told::default()), read);
    assert_eq!(tasks.resume(0, &Told::default()), at(Point::TRYLOCK, Point::OF_ANON_VMA, 0));
    tasks.call(Some(1), Call::FolioRemoveRmap { folio: FOLIO, first: 0, count: 1, vma, huge: false });
    for call in [Call::UnlinkAnonVmas { vma }, prepare(other)] {
        let first = tasks.begin(1, call);
        assert_eq!(pauses(&mut *tasks, 1, first).last(), Some(&Pause::Returned(0)), "{call:?}");
    }
    // Its lock is got, and given back since nothing maps the folio.
    assert_eq!(tasks.resume(0, &Told::default()), read);
    assert_eq!(tasks.events().last().map(|event| event.object), Some(1));
    assert_eq!(tasks.resume(0, &Told::default()), at(Point::UNLOCK, Point::OF_ANON_VMA, 1));
    assert_eq!(tasks.resume(0, &Told::default()), at(Point::UNRCU, Point::OF_NONE, Event::NONE));
    assert_eq!(tasks.resume(0, &Told::default()), Pause::Returned(0));
    assert!(!tasks.events().iter().any(Event::is_violation), "{:?}", tasks.events());
}

/// A lock that another task has is not free, whatever the followed side says.
#[test]
fn a_lock_that_is_not_free_is_no_lock_to_get() {
    let (mut world, vma) = unfaulted();
    world.prepare(vma);
    let mut tasks = two_tasks(&mut world, [Fail::NEVER; 2]);
    let unlink = Call::UnlinkAnonVmas { vma };
    let lock = at(Point::LOCK, Point::OF_ANON_VMA, 0);
    assert_eq!([tasks.begin(0, unlink), tasks.begin(1, unlink)], [lock, lock]);
    tasks.resume(0, &Told::default());
    tasks.resume(1, &Told::default());
    assert!(tasks.events().iter().any(Event::is_violation), "{:?}", tasks.events());
}

#[test]
fn calls_that_are_given_up_in_the_middle_leave_a_port_that_can_be_used() {
    let (mut world, vma) = unfaulted();
    let mut tasks = two_tasks(&mut world, [Fail::NEVER; 2]);
    tasks.begin(0, prepare(vma));
    tasks.resume(0, &Told::default());
    drop(tasks);
    assert_eq!(world.port.live(), [1, 0, 1]);
    world.port.reset();
    assert_eq!(world.port.live(), [0, 0, 0]);
    world.port.call(Call::MmapWriteLock { mm: MmId(0) });
    let vma = world.map(0, range(16, 24));
    assert_eq!(world.prepare(vma), 0);
}
