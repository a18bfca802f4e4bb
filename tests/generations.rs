//! Where the generations differ, as the compiled C behaves: chain order, reuse choice, and the seed's claim.

mod common;

use common::{NEWEST, reference, run, state_after, trace};
use rmap_diff::check::{self, Lockstep, Sides};
use rmap_diff::kernel::{Kernel, Reference, SlabMode};
use rmap_diff::mm::{Outcome, SmallDriver};
use rmap_diff::rmap::dump::Dump;
use rmap_diff::rmap::{Event, EventKind, Fail, Function, MmId, Rmap, Side};
use rmap_diff::trace::{Mix, OpKind, Rng, Trace, random_trace};

const FIVE_GENERATIONS: &str = "map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\nfork p1 p2\nfork p2 p3\nfork p3 p4\n";

/// The anon_vma serials on the chain of a process's first VMA, and which of them is its own.
fn chain(reference: &'static Reference, text: &str, mm: u8) -> (Vec<u32>, u32) {
    let (snapshot, driver) = state_after(reference, &trace(text));
    let (_, mut vmas) = driver.processes().find(|(id, _)| *id == MmId(mm)).expect("the process is alive");
    let vma = snapshot.vma(vmas.next().expect("it has a VMA").0).expect("the VMA is live");
    (vma.chain.iter().map(|link| link.anon_vma.0).collect(), vma.anon_vma.expect("it is faulted").0)
}

#[test]
fn before_the_series_a_clone_keeps_the_order_of_the_chain() {
    for name in ["6.1", "6.12"] {
        // In 6.x no anon_vma is allocated in vain, so generation n has serial n.
        assert_eq!(chain(reference(name), FIVE_GENERATIONS, 3).0, [3, 2, 1, 0], "{name}");
        assert_eq!(chain(reference(name), FIVE_GENERATIONS, 4).0, [4, 3, 2, 1, 0], "{name}");
    }
}

#[test]
fn after_the_series_each_clone_reverses_the_order_of_the_chain() {
    for name in ["7.2", NEWEST] {
        assert_eq!(chain(reference(name), FIVE_GENERATIONS, 3).0, [3, 1, 0, 2], "{name}");
        assert_eq!(chain(reference(name), FIVE_GENERATIONS, 4).0, [4, 2, 0, 1, 3], "{name}");
    }
}

#[test]
fn successive_forks_reuse_other_ancestors_before_and_after_the_series() {
    let mut text = format!("{FIVE_GENERATIONS}exit p1\nexit p2\nexit p3\n");
    let mut reused = |name: &str| -> Vec<u32> {
        text.truncate(FIVE_GENERATIONS.len() + "exit p1\nexit p2\nexit p3\n".len());
        (5..8)
            .map(|child| {
                text.push_str(&format!("fork p4 p{child}\n"));
                chain(reference(name), &text, child).1
            })
            .collect()
    };
    assert_eq!(reused("6.12"), [1, 2, 3]);
    assert_eq!(reused(NEWEST), [2, 1, 3]);
}

/// Which function handed a partial VMA (a chain, no anon_vma) to `unlink_anon_vmas()`, by the innermost function around it.
#[derive(Default, Debug, PartialEq, Eq)]
struct PartialUnlinks {
    by_fork: u32,
    by_clone: u32,
    by_others: u32,
}

impl PartialUnlinks {
    fn count(&mut self, events: &[Event]) {
        let mut around = Vec::new();
        for event in events {
            match event.kind() {
                Some(EventKind::Enter) => {
                    let function = Function::from_u8(event.arg);
                    if function == Some(Function::Unlink) && event.flags == Event::HAS_CHAIN {
                        match around.last() {
                            Some(Some(Function::Fork)) => self.by_fork += 1,
                            Some(Some(Function::Clone)) => self.by_clone += 1,
                            _ => self.by_others += 1,
                        }
                    }
                    around.push(function);
                }
                Some(EventKind::Exit) => {
                    around.pop();
                }
                _ => {}
            }
        }
    }
}

/// Counts partial VMAs over every call that a driver makes.
struct Watched<S> {
    side: S,
    seen: PartialUnlinks,
}

impl<S: Side> Rmap for Watched<S> {
    fn revision(&self) -> rmap_diff::rmap::Revision {
        self.side.revision()
    }
    fn begin_operation(&mut self, fail: &Fail) {
        self.side.begin_operation(fail);
    }
    fn attempts(&self) -> u32 {
        self.side.attempts()
    }
    fn call(&mut self, call: rmap_diff::rmap::Call) -> i32 {
        let result = self.side.call(call);
        self.seen.count(self.side.events());
        result
    }
}

/// Forks VMAs with chains of 1 to 5 entries, failing at every attempt in turn, alone and with all later ones,
/// until a fork succeeds; returns what `unlink_anon_vmas()` was handed, and how many forks failed.
fn forks_failing_everywhere(reference: &'static Reference) -> (PartialUnlinks, u32) {
    let mut watched = Watched { side: Kernel::new(reference, SlabMode::Reuse), seen: PartialUnlinks::default() };
    let mut failed = 0;
    for generations in 1..=5u8 {
        for ever_after in [false, true] {
            watched.side.reset();
            let mut driver = SmallDriver::new();
            let mut apply = |watched: &mut Watched<Kernel>, kind: OpKind, fail: Fail| {
                driver.apply(watched, &rmap_diff::trace::Op { fail, ..kind.into() })
            };
            apply(&mut watched, OpKind::map(MmId(0), 16, 20), Fail::NEVER);
            apply(&mut watched, OpKind::fault(MmId(0), 16), Fail::NEVER);
            for parent in 0..generations - 1 {
                let fork = OpKind::Fork { parent: MmId(parent), child: MmId(parent + 1) };
                assert_eq!(apply(&mut watched, fork, Fail::NEVER), Outcome::Done);
            }
            let fork = OpKind::Fork { parent: MmId(generations - 1), child: MmId(generations) };
            for k in 1.. {
                let fail = if ever_after { Fail::new(&[], Some(k)) } else { Fail::new(&[k], None) }.unwrap();
                let outcome = apply(&mut watched, fork, fail);
                if outcome == Outcome::Done && u32::from(k) > watched.attempts() {
                    break;
                }
                match outcome {
                    Outcome::Done => {
                        apply(&mut watched, OpKind::Exit { mm: MmId(generations) }, Fail::NEVER);
                    }
                    _ => failed += 1,
                }
            }
            driver.exit_all(&mut watched);
            assert_eq!(watched.side.live(), [0; 3], "{}: left over", reference.name);
        }
    }
    (watched.seen, failed)
}

#[test]
fn allocating_ahead_never_hands_a_partial_vma_to_unlink() {
    let (seen, failed) = forks_failing_everywhere(reference("6.12-fork-preallocates"));
    assert!(failed > 30, "only {failed} forks failed");
    assert_eq!(seen.by_fork, 0, "anon_vma_fork() of 6.12-fork-preallocates");
    assert!(seen.by_clone > 0, "anon_vma_clone() of 6.x still does");
    assert_eq!(seen.by_others, 0);
}

#[test]
fn before_allocating_ahead_a_failed_fork_hands_a_partial_vma_to_unlink() {
    for name in ["6.1", "6.12"] {
        let (seen, failed) = forks_failing_everywhere(reference(name));
        assert!(failed > 30, "only {failed} forks failed");
        assert!(seen.by_fork > 0, "anon_vma_fork() of {name}");
        assert!(seen.by_clone > 0, "anon_vma_clone() of {name}");
        assert_eq!(seen.by_others, 0, "{name}");
    }
}

#[test]
fn after_the_series_no_partial_vma_reaches_unlink() {
    for name in ["7.2", NEWEST] {
        let (seen, failed) = forks_failing_everywhere(reference(name));
        assert!(failed > 30, "only {failed} forks failed");
        assert_eq!(seen, PartialUnlinks::default(), "{name}");
    }
}

#[test]
fn without_failures_6_12_and_6_12_allocating_ahead_end_in_equal_states_over_a_million_operations() {
    const OPS: usize = 500;
    const TRACES: usize = 1_000_000 / OPS;
    let mut sides = ["6.12", "6.12-fork-preallocates"].map(|name| {
        let side = Lockstep::solo(Kernel::new(reference(name), SlabMode::Reuse), Sides::Reference);
        (side, SmallDriver::new())
    });
    let mut rng = Rng::new(612);
    for number in 0..TRACES {
        let mix = if number % 2 == 0 { Mix::default() } else { Mix::fork_heavy() };
        let trace = random_trace(&mut rng, OPS, &Mix { fail_per_mille: 0, ..mix });
        assert_eq!(trace.ops.len(), OPS);
        let [before, after] = sides.each_mut().map(|(side, driver)| {
            check::play_trace(side, driver, &trace, |_, _, _, _| {});
            assert!(side.finding().is_none(), "{:?}", side.finding());
            let snapshot = common::snapshot(side.reference());
            let processes: Vec<_> =
                driver.processes().map(|(mm, vmas)| (mm, vmas.map(|(vma, _)| vma).collect())).collect();
            Dump::new("6.12", "c", &snapshot, side.reference().live(), &processes)
        });
        assert_eq!(before, after, "after\n{trace}");
    }
}

#[test]
fn allocating_ahead_fails_where_6_12_would_have_reused() {
    // p2's fork finds p1's anon_vma free for reuse. The failing attempt (the 5th: after the VMA, the anon_vma and
    // avc made ahead, and one of two chain entries) does not exist without the patch.
    let text = "map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\nfork p1 p2\nexit p1\nfork p2 p3 fail=2\n";
    let outcome = |name: &str| run(reference(name), &trace(text)).stats.failed;
    assert_eq!(outcome("6.12"), 0, "the NOWAIT attempt fails, the GFP_KERNEL one after it succeeds");
    assert_eq!(outcome("6.12-fork-preallocates"), 1, "the anon_vma that reuse would not have needed cannot be had");
}

#[test]
fn traces_are_not_empty_of_what_they_are_for() {
    // The seeds alone reach reuse, partial unlinks and failures; else the tests above would say nothing.
    let reuse: Trace = trace(&format!("{FIVE_GENERATIONS}exit p1\nfork p4 p5\n"));
    for name in ["6.12", NEWEST] {
        let (snapshot, driver) = state_after(reference(name), &reuse);
        let (_, mut vmas) = driver.processes().find(|(id, _)| *id == MmId(5)).unwrap();
        let vma = snapshot.vma(vmas.next().unwrap().0).unwrap();
        assert_eq!(vma.chain.len(), 5, "{name}: a reusing fork adds no entry of its own");
    }
}
