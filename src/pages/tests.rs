//! Page tables by themselves, over a seam that only records.

use super::*;
use crate::rmap::{Fail, Revision};

/// Records what is called.
#[derive(Default)]
struct Recorder {
    calls: Vec<Call>,
    result: i32,
}

impl Rmap for Recorder {
    fn revision(&self) -> Revision {
        Revision::default()
    }
    fn begin_operation(&mut self, _: &Fail) {}
    fn attempts(&self) -> u32 {
        0
    }
    fn call(&mut self, call: Call) -> i32 {
        self.calls.push(call);
        self.result
    }
}

const P0: MmId = MmId(0);
const P1: MmId = MmId(1);
const VMA: VmaId = VmaId(0);
const CHILD: VmaId = VmaId(1);
const FOLIO: FolioId = FolioId(0);
const COPY: FolioId = FolioId(1);

fn faulted() -> (Pages, Recorder) {
    let (mut pages, mut rmap) = (Pages::new(), Recorder::default());
    assert!(pages.needs_anon_vma(P0, 16));
    assert_eq!(pages.fault(&mut rmap, P0, VMA, 16, true), Faulted::New);
    assert_eq!(rmap.calls, [Call::FolioSetAnon { folio: FOLIO, vma: VMA, page: 16, exclusive: true }]);
    rmap.calls.clear();
    (pages, rmap)
}

#[test]
fn a_read_fault_maps_no_folio() {
    let (mut pages, mut rmap) = (Pages::new(), Recorder::default());
    assert_eq!(pages.fault(&mut rmap, P0, VMA, 16, false), Faulted::Nothing);
    assert_eq!((pages.folio_at(P0, 16), rmap.calls.len()), (None, 0));
}

#[test]
fn a_second_write_does_nothing() {
    let (mut pages, mut rmap) = faulted();
    assert_eq!(pages.fault(&mut rmap, P0, VMA, 16, true), Faulted::Nothing);
    assert_eq!(rmap.calls, []);
    assert!(!pages.needs_anon_vma(P0, 16));
}

#[test]
fn a_shared_folio_is_copied_and_the_last_user_takes_it_over() {
    let (mut pages, mut rmap) = faulted();
    pages.copy_range(P0, P1, 0, 100);
    assert_eq!((pages.mapcount(FOLIO), pages.is_exclusive(FOLIO)), (2, false));
    assert!(pages.needs_anon_vma(P1, 16));
    assert_eq!(pages.fault(&mut rmap, P1, CHILD, 16, true), Faulted::Copied);
    assert_eq!(rmap.calls, [Call::FolioSetAnon { folio: COPY, vma: CHILD, page: 16, exclusive: true }]);
    assert!(!pages.needs_anon_vma(P0, 16), "it is used again");
    rmap.calls.clear();
    assert_eq!(pages.fault(&mut rmap, P0, VMA, 16, true), Faulted::Reused);
    assert_eq!(rmap.calls, [Call::FolioMoveAnonRmap { folio: FOLIO, vma: VMA }]);
    assert!(pages.is_exclusive(FOLIO));
}

#[test]
fn the_folio_goes_with_its_last_mapping() {
    let (mut pages, mut rmap) = faulted();
    pages.copy_range(P0, P1, 16, 17);
    pages.zap(&mut rmap, P0, 0, 100);
    assert_eq!(rmap.calls, []);
    pages.exit(&mut rmap, P1);
    assert_eq!(rmap.calls, [Call::FolioFree { folio: FOLIO }]);
    assert_eq!((pages.mappings().count(), pages.folios().count()), (0, 0));
    pages.fault(&mut rmap, P0, VMA, 20, true);
    assert_eq!(pages.folio_at(P0, 20), Some(FOLIO), "its number is used again");
}

#[test]
fn ranges_end_where_they_say() {
    let (mut pages, mut rmap) = faulted();
    pages.fault(&mut rmap, P0, VMA, 17, true);
    pages.zap(&mut rmap, P0, 17, 17);
    pages.zap(&mut rmap, P0, 10, 16);
    pages.copy_range(P0, P1, 17, 18);
    assert_eq!(pages.mapped(P1).collect::<Vec<_>>(), [(17, COPY)]);
    pages.move_range(P0, 16, 40, 1);
    assert_eq!(pages.mapped(P0).collect::<Vec<_>>(), [(17, COPY), (40, FOLIO)]);
    pages.move_range(P0, 17, 18, 30);
    assert_eq!(pages.mapped(P0).collect::<Vec<_>>(), [(18, COPY), (41, FOLIO)], "where they overlap, too");
}

#[test]
fn uffdio_move_wants_a_folio_of_its_own() {
    let (mut pages, mut rmap) = faulted();
    assert_eq!(pages.uffd_move(&mut rmap, P0, 17, 30, CHILD), Err(Refused(ENOENT)));
    pages.copy_range(P0, P1, 16, 17);
    assert_eq!(pages.uffd_move(&mut rmap, P0, 16, 30, CHILD), Err(Refused(EBUSY)));
    pages.exit(&mut rmap, P1);
    assert_eq!(pages.uffd_move(&mut rmap, P0, 16, 30, CHILD), Err(Refused(EBUSY)), "not known to be exclusive");
    pages.fault(&mut rmap, P0, VMA, 16, true);
    rmap.calls.clear();
    assert_eq!(pages.uffd_move(&mut rmap, P0, 16, 16, CHILD), Err(Refused(EEXIST)));
    assert_eq!(pages.uffd_move(&mut rmap, P0, 16, 30, CHILD), Ok(()));
    let index = Call::FolioSetIndex { folio: FOLIO, vma: CHILD, page: 30 };
    assert_eq!(rmap.calls, [Call::FolioMoveAnonRmap { folio: FOLIO, vma: CHILD }, index]);
    assert_eq!(pages.mapped(P0).collect::<Vec<_>>(), [(30, FOLIO)]);
}

#[test]
fn a_reference_takes_the_lowest_free_slot_and_survives_the_folio() {
    let (mut pages, mut rmap) = faulted();
    rmap.result = 7;
    assert_eq!(pages.pin(&mut rmap, P0, 99), Err(Refused(EFAULT)));
    for slot in 0..MAX_PINS {
        assert_eq!(pages.pin(&mut rmap, P0, 16), Ok(slot));
    }
    assert_eq!(pages.pin(&mut rmap, P0, 16), Err(Refused(EMFILE)));
    assert_eq!(pages.unpin(&mut rmap, 3), Ok(()));
    assert_eq!(pages.unpin(&mut rmap, 3), Err(Refused(EBADF)));
    assert_eq!(pages.pin(&mut rmap, P0, 16), Ok(3));
    pages.exit(&mut rmap, P0);
    rmap.calls.clear();
    pages.unpin_all(&mut rmap);
    assert_eq!(rmap.calls, [Call::PutAnonVma { anon_vma: AnonVmaId(7) }; MAX_PINS]);
    rmap.result = -ENOENT;
    pages.fault(&mut rmap, P0, VMA, 16, true);
    assert_eq!(pages.pin(&mut rmap, P0, 16), Err(Refused(ENOENT)));
    assert_eq!(pages.pinned(), 0);
}

#[test]
fn what_changed_is_told_once() {
    let (mut pages, mut rmap) = faulted();
    let take = |pages: &Pages| {
        let mut changed = ChangedPages::default();
        pages.take_changed(&mut changed);
        changed.in_order().collect::<Vec<_>>()
    };
    assert_eq!((take(&pages), take(&pages)), (vec![(P0, 16, 17)], vec![]));
    pages.fault(&mut rmap, P0, VMA, 16, true);
    assert_eq!(take(&pages), []);
    pages.copy_range(P0, P1, 0, 100);
    assert_eq!(take(&pages), [(P1, 0, 100)], "the parent's pages map what they did");
}
