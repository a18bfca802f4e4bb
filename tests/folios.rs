//! The folio calls of the seam, call by call, on both sides at once: results, what is told, and stale folios.
#![allow(missing_docs)]

mod common;

use common::{GENERATIONS, reference};
use rmap_diff::kernel::{Kernel, SlabMode};
use rmap_diff::port::Port;
use rmap_diff::rmap::{
    AnonVmaId, Call, EAGAIN, EFAULT, ENOENT, Event, EventKind, Fail, FolioId, MmId, Rmap, Rule, Side, Snapshot,
    VmaAttributes, VmaId, VmaRange, WalkMode,
};

const FOLIO: FolioId = FolioId(0);
const MODES: [WalkMode; 4] = [WalkMode::Unlocked, WalkMode::Locked, WalkMode::TryLock, WalkMode::Contended];

/// The C and the port, without anything that would stop at a violation.
struct Pair {
    c: Kernel,
    port: Port,
}

impl Pair {
    fn new(name: &str, mode: SlabMode) -> Pair {
        let reference = reference(name);
        let mut pair = Pair { c: Kernel::new(reference, mode), port: Port::new(reference.revision) };
        pair.c.begin_operation(&Fail::NEVER);
        pair.port.begin_operation(&Fail::NEVER);
        for mm in 0..4 {
            pair.call(Call::MmapWriteLock { mm: MmId(mm) });
        }
        pair
    }

    /// Both do the same; what they returned and did.
    fn call(&mut self, call: Call) -> (i32, Vec<Event>) {
        let result = self.c.call(call);
        assert_eq!(result, self.port.call(call), "{call:?}");
        assert_eq!(self.c.events(), self.port.events(), "{call:?}");
        let events = self.c.events().to_vec();
        if !events.iter().any(|event| matches!(event.kind(), Some(EventKind::Bug | EventKind::Oops))) {
            let (mut c, mut port) = (Vec::new(), Vec::new());
            self.c.touched(&mut c);
            self.port.touched(&mut port);
            assert_eq!(c, port, "{call:?}");
            assert_eq!(self.snapshot(), {
                port.clear();
                self.port.state(&mut port);
                Snapshot::decode(&port).unwrap()
            });
        }
        (result, events)
    }

    fn snapshot(&mut self) -> Snapshot {
        let mut words = Vec::new();
        self.c.state(&mut words);
        Snapshot::decode(&words).expect("decodes")
    }

    fn map(&mut self, start: u64, end: u64) -> VmaId {
        let range = VmaRange { start, end, pgoff: start };
        let vma = VmaId(u32::try_from(self.call(Call::VmAreaAlloc { mm: MmId(0), range }).0).unwrap());
        assert_eq!(self.call(Call::AnonVmaPrepare { vma, prev: None, next: None }).0, 0);
        vma
    }

    fn fork(&mut self, pvma: VmaId, mm: u8) -> VmaId {
        let range = self.snapshot().vma(pvma).unwrap().range;
        let vma = VmaId(u32::try_from(self.call(Call::VmAreaDup { orig: pvma, mm: MmId(mm), range }).0).unwrap());
        assert_eq!(self.call(Call::AnonVmaFork { vma, pvma }).0, 0);
        vma
    }

    fn unmap(&mut self, vma: VmaId) {
        self.call(Call::UnlinkAnonVmas { vma });
        self.call(Call::VmAreaFree { vma });
    }
}

fn visits(events: &[Event]) -> Vec<(u32, u32)> {
    let visits = events.iter().filter(|event| event.kind() == Some(EventKind::Visit));
    visits.map(|event| (event.object, event.other)).collect()
}

fn rules(events: &[Event]) -> Vec<(u8, u32)> {
    let rules = events.iter().filter(|event| event.kind() == Some(EventKind::Rule));
    rules.map(|event| (event.arg, event.object)).collect()
}

const USE_AFTER_FREE: u8 = Rule::UseAfterFree as u8;

#[test]
fn a_folio_of_the_parent_is_found_in_every_process_and_one_of_the_child_in_the_child_alone() {
    for name in GENERATIONS {
        let mut pair = Pair::new(name, SlabMode::Reuse);
        let parent = pair.map(16, 24);
        pair.call(Call::FolioSetAnon { folio: FOLIO, vma: parent, page: 18, exclusive: true });
        let child = pair.fork(parent, 1);
        let own = FolioId(5);
        pair.call(Call::FolioSetAnon { folio: own, vma: child, page: 18, exclusive: true });
        for mode in MODES {
            let contended = mode == WalkMode::Contended;
            let (result, events) = pair.call(Call::RmapWalkAnon { folio: FOLIO, mapped: true, mode });
            assert_eq!(visits(&events), [(parent.0, 18), (child.0, 18)], "{name} {mode:?}");
            assert_eq!(result, if contended { -EAGAIN } else { 2 });
            let (result, events) = pair.call(Call::RmapWalkAnon { folio: own, mapped: true, mode });
            assert_eq!(visits(&events), [(child.0, 18)], "{name} {mode:?}");
            assert_eq!(result, if contended { -EAGAIN } else { 1 });
            let kinds: Vec<EventKind> = events.iter().filter_map(Event::kind).collect();
            let want: &[EventKind] = match mode {
                WalkMode::Unlocked | WalkMode::TryLock => &[EventKind::Trylock, EventKind::Visit, EventKind::UpRead],
                WalkMode::Locked => &[EventKind::DownRead, EventKind::Visit, EventKind::UpRead],
                WalkMode::Contended => &[
                    EventKind::Trylock,
                    EventKind::Trylock,
                    EventKind::Get,
                    EventKind::DownRead,
                    EventKind::Put,
                    EventKind::Visit,
                    EventKind::UpRead,
                    // And the plain lock, tried twice and then waited for.
                    EventKind::Trylock,
                    EventKind::Trylock,
                    EventKind::DownRead,
                    EventKind::UpRead,
                ],
            };
            assert_eq!(kinds, want, "{name} {mode:?}");
        }
        // One that others may have from the start belongs to the root.
        pair.call(Call::FolioSetAnon { folio: FolioId(6), vma: child, page: 19, exclusive: false });
        let state = pair.snapshot();
        let mapping = |id| state.folios.iter().find(|folio| folio.id == id).unwrap().mapping;
        assert_eq!(mapping(FolioId(6)), mapping(FOLIO));
        assert_ne!(mapping(own), mapping(FOLIO));
        pair.call(Call::FolioMoveAnonRmap { folio: FOLIO, vma: child });
        pair.call(Call::FolioFree { folio: own });
        let state = pair.snapshot();
        assert_eq!(state.folios.len(), 2);
        assert_eq!(state.folios[0].mapping, state.vma(child).unwrap().anon_vma);
    }
}

#[test]
fn the_index_counts_from_the_anonymous_page_offset_where_the_kernel_says_so() {
    for name in GENERATIONS {
        let anon = reference(name).revision.indexed_by_anon_pgoff;
        let mut pair = Pair::new(name, SlabMode::Reuse);
        let range = VmaRange { start: 16, end: 24, pgoff: 500 };
        let vma = VmaId(u32::try_from(pair.call(Call::VmAreaAlloc { mm: MmId(0), range }).0).unwrap());
        let of_file = VmaAttributes { anon_pgoff: 1000, flags: 3, file: 1 };
        pair.call(Call::VmaSetAttributes { vma, attributes: of_file });
        pair.call(Call::AnonVmaPrepare { vma, prev: None, next: None });
        let (_, events) = pair.call(Call::FolioSetAnon { folio: FOLIO, vma, page: 18, exclusive: true });
        assert_eq!(events, []);
        assert_eq!(pair.snapshot().folios[0].index, if anon { 1002 } else { 502 }, "{name}");
        let (result, events) = pair.call(Call::RmapWalkAnon { folio: FOLIO, mapped: true, mode: WalkMode::Unlocked });
        assert_eq!((result, visits(&events)), (1, vec![(vma.0, 18)]), "{name}");
        pair.call(Call::FolioSetIndex { folio: FOLIO, vma, page: 20 });
        assert_eq!(pair.snapshot().folios[0].index, if anon { 1004 } else { 504 }, "{name}");
        // Anonymous memory has one offset.
        pair.call(Call::VmaSetAttributes { vma, attributes: VmaAttributes { file: 0, ..of_file } });
        let (_, events) = pair.call(Call::FolioSetIndex { folio: FOLIO, vma, page: 20 });
        assert_eq!(events.len(), usize::from(anon), "{name}: {events:?}");
        assert!(events.iter().all(|event| event.kind() == Some(EventKind::Warn)), "{name}");
    }
}

#[test]
fn a_reference_keeps_the_anon_vma_and_what_its_parent_was_is_told_for_good() {
    for (name, mode) in GENERATIONS.iter().flat_map(|name| [(name, SlabMode::Reuse), (name, SlabMode::Poison)]) {
        let mut pair = Pair::new(name, mode);
        let root = pair.map(16, 24);
        let child = pair.fork(root, 1);
        let grandchild = pair.fork(child, 2);
        pair.call(Call::FolioSetAnon { folio: FOLIO, vma: grandchild, page: 18, exclusive: true });
        let (pinned, _) = pair.call(Call::FolioGetAnonVma { folio: FOLIO, mapped: true });
        assert_eq!(pinned, 2, "{name}");
        pair.unmap(grandchild);
        pair.unmap(child);
        pair.unmap(root);
        // Others take the room of the parent, which was freed.
        let others: Vec<VmaId> = (0..4).map(|n| pair.map(100 + 10 * n, 105 + 10 * n)).collect();
        let parent = |pair: &mut Pair| pair.snapshot().anon_vma(AnonVmaId(2)).map(|anon_vma| anon_vma.parent);
        assert_eq!(parent(&mut pair), Some(AnonVmaId(1)), "{name} {mode:?}");
        let (_, events) = pair.call(Call::FolioGetAnonVma { folio: FOLIO, mapped: true });
        assert_eq!(events.len(), 1, "its folio still finds it: {events:?}");
        pair.call(Call::PutAnonVma { anon_vma: AnonVmaId(2) });
        let (_, events) = pair.call(Call::PutAnonVma { anon_vma: AnonVmaId(2) });
        let frees = events.iter().filter(|event| event.kind() == Some(EventKind::Free));
        assert_eq!(frees.map(|event| event.object).collect::<Vec<_>>(), [2, 0], "it, and its root: {events:?}");
        assert_eq!(rules(&pair.call(Call::PutAnonVma { anon_vma: AnonVmaId(2) }).1), [(USE_AFTER_FREE, 2)]);
        others.into_iter().for_each(|vma| pair.unmap(vma));
        assert_eq!((pair.c.live(), pair.port.live()), ([0; 3], [0; 3]), "{name} {mode:?}");
    }
}

#[test]
fn a_folio_whose_anon_vma_is_gone_is_caught_even_where_another_took_its_room() {
    for (name, slab) in GENERATIONS.iter().flat_map(|name| [(name, SlabMode::Reuse), (name, SlabMode::Poison)]) {
        for again in [false, true] {
            let mut pair = Pair::new(name, slab);
            let vma = pair.map(16, 24);
            pair.call(Call::FolioSetAnon { folio: FOLIO, vma, page: 18, exclusive: true });
            pair.unmap(vma);
            if again {
                pair.map(16, 24);
            }
            let stale = (-EFAULT, vec![(USE_AFTER_FREE, 0)]);
            let mut seen = |call| {
                let (result, events) = pair.call(call);
                (result, rules(&events))
            };
            assert_eq!(seen(Call::FolioGetAnonVma { folio: FOLIO, mapped: true }), stale, "{name} {slab:?}");
            for mode in MODES {
                assert_eq!(seen(Call::RmapWalkAnon { folio: FOLIO, mapped: true, mode }), stale, "{name} {mode:?}");
            }
            // One that is mapped nowhere is not followed by those that look first.
            assert_eq!(seen(Call::FolioGetAnonVma { folio: FOLIO, mapped: false }), (-ENOENT, vec![]));
            for mode in [WalkMode::Unlocked, WalkMode::Contended] {
                assert_eq!(seen(Call::RmapWalkAnon { folio: FOLIO, mapped: false, mode }), (0, vec![]));
            }
            for mode in [WalkMode::Locked, WalkMode::TryLock] {
                assert_eq!(seen(Call::RmapWalkAnon { folio: FOLIO, mapped: false, mode }), stale);
            }
        }
    }
}

#[test]
fn an_unknown_folio_is_caught() {
    for name in GENERATIONS {
        let mut pair = Pair::new(name, SlabMode::Reuse);
        let vma = pair.map(16, 24);
        for folio in [FOLIO, FolioId(1 << 24), FolioId(u32::MAX)] {
            for call in [
                Call::FolioMoveAnonRmap { folio, vma },
                Call::FolioSetIndex { folio, vma, page: 17 },
                Call::FolioFree { folio },
                Call::FolioGetAnonVma { folio, mapped: true },
                Call::RmapWalkAnon { folio, mapped: true, mode: WalkMode::Locked },
            ] {
                let (result, events) = pair.call(call);
                assert_eq!((result, rules(&events)), (-EFAULT, vec![(USE_AFTER_FREE, folio.0)]), "{name} {call:?}");
            }
        }
        // A VMA without an anon_vma cannot have a folio.
        let range = VmaRange { start: 40, end: 48, pgoff: 40 };
        let unfaulted = VmaId(u32::try_from(pair.call(Call::VmAreaAlloc { mm: MmId(0), range }).0).unwrap());
        pair.call(Call::FolioSetAnon { folio: FOLIO, vma, page: 17, exclusive: true });
        for call in [
            Call::FolioSetAnon { folio: FolioId(1), vma: unfaulted, page: 41, exclusive: true },
            Call::FolioMoveAnonRmap { folio: FOLIO, vma: unfaulted },
        ] {
            let (result, events) = pair.call(call);
            assert_eq!((result, events[0].kind()), (-EFAULT, Some(EventKind::Bug)), "{name} {call:?}");
        }
    }
}
