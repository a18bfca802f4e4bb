//! Tests of the small driver over made-up traces: it survives, its geometry is right, and what is
//! made up is nearly always legal.

use std::collections::BTreeSet;

use crate::mm::fake::Fake;
use crate::mm::{Outcome, SmallDriver};
use crate::rmap::{MAX_PROCESSES, MmId, VmaId, VmaRange};
use crate::trace::{Mix, OPERATIONS, OpKind, OpSet, RECORD_BYTES, Rng, Trace, random_trace};

#[test]
fn a_seam_that_has_stopped_is_survived() {
    let mut rng = Rng::new(1);
    for errno in [-14, -1, i32::MIN] {
        for after in 0..60 {
            let trace = random_trace(&mut rng, 80, &Mix::default());
            let mut fake = Fake::new().quiet();
            let mut driver = SmallDriver::new();
            for (n, op) in trace.ops.iter().enumerate() {
                if n == after {
                    fake.stopped = Some(errno);
                }
                driver.apply(&mut fake, op);
            }
            driver.exit_all(&mut fake);
            assert_eq!(driver.processes().count(), 0);
        }
    }
}

/// What is mapped, page by page: knows nothing of VMAs.
#[derive(Clone, Default)]
struct Pages([Option<BTreeSet<u64>>; MAX_PROCESSES]);

impl Pages {
    /// What an operation that succeeds does.
    fn done(&mut self, kind: &OpKind) {
        let of = |mm: MmId| usize::from(mm.0);
        match *kind {
            OpKind::Map { mm, start, end, .. } => self.0[of(mm)].as_mut().unwrap().extend(start..end),
            OpKind::Fault { .. } => (),
            OpKind::Fork { parent, child } => self.0[of(child)] = self.0[of(parent)].clone(),
            OpKind::Unmap { mm, start, end } => {
                self.0[of(mm)].as_mut().unwrap().retain(|page| !(start..end).contains(page));
            }
            OpKind::Exit { mm } => self.0[of(mm)] = None,
            _ => unreachable!("{kind} is not of the small set"),
        }
    }

    fn of_driver(driver: &SmallDriver) -> Pages {
        let mut pages = Pages::default();
        for (mm, vmas) in driver.processes() {
            pages.0[usize::from(mm.0)] = Some(vmas.flat_map(|(_, range)| range.start..range.end).collect());
        }
        pages
    }
}

#[test]
fn the_geometry_is_that_of_a_page_bitmap() {
    let mut rng = Rng::new(7);
    for round in 0..120 {
        let mix = [Mix::default(), Mix::fork_heavy(), Mix::wide()][round % 3].clone();
        let mut fake = if round % 2 == 0 { Fake::new() } else { Fake::new_6_1() }.quiet();
        let mut driver = SmallDriver::new();
        let mut pages = Pages::of_driver(&driver);
        for op in random_trace(&mut rng, 150, &mix).ops {
            if driver.apply(&mut fake, &op) == Outcome::Done {
                pages.done(&op.kind);
            }
            assert_eq!(Pages::of_driver(&driver).0, pages.0, "{op}");
            let told: Vec<(MmId, VmaId, VmaRange)> =
                driver.processes().flat_map(|(mm, vmas)| vmas.map(move |(id, range)| (mm, id, range))).collect();
            assert_eq!(told, fake.geometry(), "{op}");
            assert!(told.iter().all(|(_, _, range)| range.pgoff == range.start));
        }
        driver.exit_all(&mut fake);
        assert_eq!(fake.live(), (0, 0));
    }
}

#[test]
fn made_up_traces_are_nearly_all_legal() {
    let mut rng = Rng::new(11);
    let bytes: Vec<u8> = (0..RECORD_BYTES * 100 * 300).map(|_| rng.next_u64() as u8).collect();
    let mut traces: Vec<(&str, Trace)> = bytes
        .chunks(RECORD_BYTES * 100)
        .map(|bytes| ("random bytes", Trace::from_bytes_of(OpSet::Small, bytes)))
        .collect();
    for (name, mix) in [("default", Mix::default()), ("fork_heavy", Mix::fork_heavy()), ("wide", Mix::wide())] {
        traces.extend((0..300).map(|_| (name, random_trace(&mut rng, 100, &mix))));
    }
    for name in ["random bytes", "default", "fork_heavy", "wide"] {
        let mut driver = SmallDriver::new();
        for (_, trace) in traces.iter().filter(|(of, _)| *of == name) {
            let mut fake = Fake::new().quiet();
            driver.reset();
            trace.ops.iter().for_each(|op| {
                driver.apply(&mut fake, op);
            });
        }
        let stats = driver.take_stats();
        let total = stats.total();
        println!("{name}: {total:?}");
        stats.by_operation().for_each(|row| println!("    {row:?}"));
        assert!(total.refused * 20 < total.total(), "{name}: {total:?}");
        let drawn = OPERATIONS.iter().filter(|operation| operation.weight(OpSet::Small) > 0);
        let of_the_set = drawn.map(|operation| operation.keyword);
        let enough: Vec<_> = stats.by_operation().filter(|(_, counts)| counts.done > total.total() / 100).collect();
        assert!(of_the_set.eq(enough.iter().map(|&(keyword, _)| keyword)), "{name}: {enough:?}");
        assert_eq!(driver.stats().total().total(), 0);
    }
}
