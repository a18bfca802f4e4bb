//! I9, and the rest that pages and references ask: each shown to fail on a side that goes wrong in one thing.

use super::super::{Finding, FindingKind, Invariant, Lockstep, Sides, Solo, run_trace};
use crate::mm::SmallDriver;
use crate::pages::{AddressSpaces, ChangedPages, Pages};
use crate::port::Port;
use crate::rmap::{Call, Event, EventKind, Fail, MmId, Revision, Rmap, Side, VmaId, VmaRange, WalkMode, stream};
use crate::trace::Trace;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// The walk leaves out the last place that it comes to.
    WalkMisses,
    /// It comes to each place twice.
    WalkTwice,
    /// It comes to the page beside.
    WalkBeside,
    /// It comes to a VMA of another family.
    WalkStranger,
    /// It comes to a page that the VMA had before it was cut.
    WalkOutside,
    /// A folio's index is one too large.
    Index,
    /// A new folio of a child gets the root, as a shared one does.
    Root,
    /// A folio that its last user takes over keeps its anon_vma.
    Unmoved,
    /// A reference is dropped without telling: the count stays.
    Unput,
    /// A reference is taken twice.
    PutTwice,
}

/// A port that goes wrong in one thing.
struct Faulty {
    port: Port,
    fault: Fault,
    events: Vec<Event>,
    call: Option<Call>,
    /// VMAs born, for a stranger.
    vmas: u32,
}

impl Rmap for Faulty {
    fn revision(&self) -> Revision {
        self.port.revision()
    }

    fn begin_operation(&mut self, fail: &Fail) {
        self.port.begin_operation(fail);
    }

    fn attempts(&self) -> u32 {
        self.port.attempts()
    }

    fn call(&mut self, call: Call) -> i32 {
        self.call = Some(call);
        let mut made = call;
        match (self.fault, &mut made) {
            (Fault::Root, Call::FolioSetAnon { exclusive, .. }) => *exclusive = false,
            (Fault::Unput, Call::PutAnonVma { .. }) => made = Call::MmapUnlock { mm: MmId(15) },
            (Fault::PutTwice, Call::PutAnonVma { anon_vma }) => {
                // Somebody else's reference goes, too.
                self.port.call(Call::PutAnonVma { anon_vma: *anon_vma });
            }
            (Fault::Unmoved, Call::FolioMoveAnonRmap { .. }) => made = Call::MmapUnlock { mm: MmId(15) },
            _ => {}
        }
        let result = self.port.call(made);
        if let Call::VmAreaAlloc { .. } | Call::VmAreaDup { .. } = call {
            self.vmas = result as u32 + 1;
        }
        self.events = self.port.events().to_vec();
        let visit = |event: &Event| event.kind() == Some(EventKind::Visit);
        match self.fault {
            Fault::WalkMisses => {
                if let Some(last) = self.events.iter().rposition(visit) {
                    self.events.remove(last);
                }
            }
            Fault::WalkTwice => {
                if let Some(at) = self.events.iter().position(visit) {
                    self.events.insert(at, self.events[at]);
                }
            }
            Fault::WalkOutside => {
                if let Some(at) = self.events.iter().position(visit) {
                    self.events.insert(at, Event { object: self.vmas - 1, other: 0x17, ..self.events[at] });
                }
            }
            Fault::WalkBeside | Fault::WalkStranger => {
                if let Some(at) = self.events.iter().position(visit) {
                    let mut other = self.events[at];
                    match self.fault {
                        Fault::WalkBeside => other.other += 1,
                        _ => other.object = self.vmas - 1,
                    }
                    self.events.insert(at, other);
                }
            }
            _ => {}
        }
        result
    }
}

impl Side for Faulty {
    fn events(&self) -> &[Event] {
        &self.events
    }

    fn touched(&mut self, out: &mut Vec<u64>) {
        let from = out.len();
        self.port.touched(out);
        if self.fault == Fault::Index
            && matches!(self.call, Some(Call::FolioSetAnon { .. }))
            && let Some(at) = out[from..].iter().rposition(|&word| word == stream::FOLIO)
        {
            out[from + at + 3] += 1;
        }
    }

    fn state(&mut self, out: &mut Vec<u64>) {
        self.port.state(out);
    }

    fn live(&self) -> [u32; 3] {
        self.port.live()
    }

    fn reset(&mut self) {
        self.port.reset();
    }

    fn last_warning(&self) -> Option<String> {
        self.port.last_warning()
    }
}

/// What a trace finds on a side with that fault.
fn found(fault: Fault, text: &str) -> Option<Finding> {
    let revision = Revision::of_generation("7.3").unwrap();
    let side = Faulty { port: Port::new(revision), fault, events: vec![], call: None, vmas: 0 };
    let mut solo: Solo<Faulty> = Lockstep::solo(side, Sides::Port);
    let trace: Trace = text.parse().unwrap();
    run_trace(&mut solo, &mut SmallDriver::new(), &trace).finding
}

fn violated(fault: Fault, text: &str) -> (Invariant, String) {
    assert_eq!(found(Fault::Nothing, text), None, "right without the fault");
    match found(fault, text).expect("found").kind {
        FindingKind::Violation { violations, .. } => (violations[0].invariant, violations[0].what.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Two processes share a page, and each has one of its own; and then more.
fn with(more: &str) -> String {
    format!("map p0 0x10..0x18\nfault p0 0x10\nfault p0 0x11\nfork p0 p1\nfault p1 0x11\n{more}")
}

#[test]
fn a_walk_that_misses_a_mapping_is_found() {
    let missed = (Invariant::I9, "walk misses a mapping".to_string());
    assert_eq!(violated(Fault::WalkMisses, &with("walk p1 0x10\n")), missed);
    assert_eq!(violated(Fault::WalkMisses, &with("")), missed, "at the end of the trace every folio is walked");
    for mode in ["locked", "trylock", "contended"] {
        assert_eq!(violated(Fault::WalkMisses, &with(&format!("walk p1 0x10 {mode}\n"))), missed, "{mode}");
    }
}

#[test]
fn a_single_walk_that_misses_a_mapping_is_found() {
    // Two folios, of which the last operation walks one.
    let mut two = TwoVmas::new();
    let (vma, _) = two.vmas[1];
    two.pages.fault(&mut two.solo, P0, vma, 0x40, true);
    two.pages.walk(&mut two.solo, P0, 0x40, WalkMode::Unlocked).unwrap();
    assert_eq!(two.verdict(), None);
    two.solo.begin_operation(&Fail::NEVER);
    two.pages.walk(&mut two.solo, P0, 0x40, WalkMode::Unlocked).unwrap();
    two.pages.move_range(P0, 0x40, 0x41, 1);
    two.solo.end_operation();
    two.pages.take_changed(&mut ChangedPages::default());
    two.solo.check_pages(&two.pages, &two.vmas);
    let found = two.solo.finding().map(Finding::signature);
    assert_eq!(found.unwrap(), "violate I9 walk misses a mapping after operation");
}

#[test]
fn a_walk_that_comes_to_a_place_twice_is_found() {
    assert_eq!(violated(Fault::WalkTwice, &with("walk p0 0x10\n")), (Invariant::I9, "walk comes twice".into()));
}

#[test]
fn a_walk_may_come_where_the_folio_could_be_mapped_and_nowhere_else() {
    // p1 has a copy of page 0x11, so that the walk of p0's comes there for nothing: no fault.
    assert_eq!(found(Fault::Nothing, &with("walk p0 0x11\n")), None);
    let nowhere = (Invariant::I9, "walk comes where it has no business".to_string());
    assert_eq!(violated(Fault::WalkBeside, &with("walk p0 0x10\n")), nowhere);
    let cut = "map p0 0x10..0x18\nfault p0 0x17\nfork p0 p1\nunmap p0 0x17..0x18\nwalk p1 0x17\n";
    assert_eq!(violated(Fault::WalkOutside, cut), nowhere);
    assert_eq!(violated(Fault::WalkStranger, &with("map p0 0x40..0x48\nfault p0 0x40\nwalk p0 0x10\n")), nowhere);
}

#[test]
fn a_folio_of_another_index_is_found() {
    assert_eq!(violated(Fault::Index, "map p0 0x10..0x18\nfault p0 0x10\n"), (Invariant::I9, "folio's index".into()));
}

#[test]
fn a_new_folio_of_another_anon_vma_is_found_at_the_call() {
    assert_eq!(violated(Fault::Root, &with("")), (Invariant::I9, "folio's anon_vma".into()));
}

#[test]
fn a_reference_that_is_not_dropped_is_found() {
    let text = with("pin p1 0x11\nunpin 0\n");
    let (invariant, what) = violated(Fault::Unput, &text);
    assert_eq!((invariant, &what[..]), (Invariant::I6, "refcount"));
    // Its anon_vma has no VMA any more.
    let (invariant, what) = violated(Fault::Unput, &with("pin p1 0x11\nexit p1\nunpin 0\n"));
    assert_eq!((invariant, &what[..]), (Invariant::I4, "live without a VMA"));
}

#[test]
fn a_reference_dropped_twice_is_found() {
    let (invariant, _) = violated(Fault::PutTwice, &with("pin p1 0x11\npin p1 0x11\nunpin 0\n"));
    assert_eq!(invariant, Invariant::I6);
}

#[test]
fn a_folio_that_keeps_its_anon_vma_when_its_last_user_takes_it_over_is_found() {
    let text = "map p0 0x10..0x18\nfault p0 0x10\nfork p0 p1\nexit p0\nfault p1 0x10\n";
    assert_eq!(violated(Fault::Unmoved, text), (Invariant::I9, "folio's anon_vma".into()));
}

/// A process with two VMAs that have nothing to do with each other, and a page in the first.
struct TwoVmas {
    solo: Solo<Port>,
    pages: Pages,
    vmas: Vec<(VmaId, VmaRange)>,
}

const P0: MmId = MmId(0);

impl AddressSpaces for Vec<(VmaId, VmaRange)> {
    fn vma_at(&self, _: MmId, page: u64) -> Option<(VmaId, VmaRange)> {
        self.iter().copied().find(|(_, range)| (range.start..range.end).contains(&page))
    }
}

impl TwoVmas {
    fn new() -> TwoVmas {
        TwoVmas::of(P0)
    }

    fn of(mm: MmId) -> TwoVmas {
        let mut solo = Lockstep::solo(Port::new(Revision::of_generation("7.3").unwrap()), Sides::Port);
        solo.begin_operation(&Fail::NEVER);
        solo.call(Call::MmapWriteLock { mm });
        let mut vmas = Vec::new();
        for start in [0x10, 0x40] {
            let range = VmaRange { start, end: start + 8, pgoff: start };
            let vma = VmaId(solo.call(Call::VmAreaAlloc { mm, range }) as u32);
            solo.call(Call::AnonVmaPrepare { vma, prev: None, next: None });
            vmas.push((vma, range));
        }
        let mut pages = Pages::new();
        pages.fault(&mut solo, mm, vmas[0].0, 0x10, true);
        let mut two = TwoVmas { solo, pages, vmas };
        assert_eq!(two.verdict(), None);
        two.solo.begin_operation(&Fail::NEVER);
        two
    }

    fn verdict(&mut self) -> Option<String> {
        self.solo.end_operation();
        self.solo.check_pages(&self.pages, &self.vmas);
        self.solo.finding().map(Finding::signature)
    }

    fn unmap_first(&mut self) {
        let (vma, _) = self.vmas.remove(0);
        self.solo.call(Call::UnlinkAnonVmas { vma });
        self.solo.call(Call::VmAreaFree { vma });
    }
}

#[test]
fn a_page_moved_to_a_vma_without_its_anon_vma_is_found() {
    let mut two = TwoVmas::new();
    two.pages.move_range(P0, 0x10, 0x40, 1);
    assert_eq!(two.verdict().unwrap(), "violate I9 folio's anon_vma not on the chain after operation");
}

#[test]
fn a_page_moved_within_its_vma_is_found() {
    let mut two = TwoVmas::new();
    two.pages.move_range(P0, 0x10, 0x12, 1);
    assert_eq!(two.verdict().unwrap(), "violate I9 folio's index after operation");
}

#[test]
fn a_page_of_a_freed_anon_vma_is_found() {
    let mut two = TwoVmas::new();
    two.pages.move_range(P0, 0x10, 0x40, 1);
    two.unmap_first();
    assert_eq!(two.verdict().unwrap(), "violate I9 mapped folio of a freed anon_vma after operation");
}

#[test]
fn a_page_left_behind_by_its_vma_is_found() {
    for mm in [P0, MmId(1), MmId(15)] {
        let mut two = TwoVmas::of(mm);
        two.unmap_first();
        assert_eq!(two.verdict().unwrap(), "violate I9 page mapped outside of every VMA after operation");
    }
}

#[test]
fn a_page_that_maps_a_freed_folio_is_found() {
    let mut two = TwoVmas::new();
    let (folio, vma) = (two.pages.folio_at(P0, 0x10).unwrap(), two.vmas[0].0);
    two.solo.call(Call::FolioFree { folio });
    two.pages.fault(&mut two.solo, P0, vma, 0x11, true);
    assert_eq!(two.verdict().unwrap(), "violate I9 mapped folio without an anon_vma after operation");
}
