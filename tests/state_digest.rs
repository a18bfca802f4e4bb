//! The number of a state that is kept up while the state changes is the number that is counted anew from all that the state holds,
//! and it tells apart what the key of a state does.

use std::collections::{HashMap, HashSet};

use rmap_diff::check::{Driver, Lockstep, run_trace_watched};
use rmap_diff::kernel::{self, Reference};
use rmap_diff::known::{self, KnownFindings};
use rmap_diff::rmap::Side;
use rmap_diff::session::{Job, Session, VmaCode};
use rmap_diff::trace::{Mix, Rng, Trace, random_sections, random_trace};
use rmap_diff::world::{Symmetry, World};

/// Traces of each reference, VMA code and mix, and operations of each.
const TRACES: usize = 24;
const OPERATIONS: usize = 160;

/// What random traces came to.
#[derive(Default)]
struct States {
    keys: HashMap<u128, u64>,
    digests: HashMap<u64, u128>,
    looks: usize,
    /// States with a number that another state has too.
    merged: HashSet<u128>,
    /// States with several numbers.
    split: HashSet<u128>,
}

struct Play<'a>(&'a [Trace], &'a mut States);

impl Job for Play<'_> {
    type Out = ();

    fn on<C, P, D>(self, mut lockstep: Lockstep<C, P>, mut driver: D)
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        let Play(traces, states) = self;
        lockstep.keep_digest();
        for trace in traces {
            let mut at = 0;
            run_trace_watched(&mut lockstep, &mut driver, trace, |lockstep, driver, op, _| {
                at += 1;
                let alive = driver.alive();
                let tables = driver.page_tables(lockstep).cloned();
                let kept_up = lockstep.state_digest().unwrap().value(alive, tables.as_ref());
                let world = World::of(lockstep, driver).unwrap();
                assert_eq!(kept_up, world.digest(), "after operation {at}, {op}, of\n{trace}");
                let key = world.key(Symmetry::Processes);
                states.looks += 1;
                if *states.digests.entry(kept_up).or_insert(key) != key {
                    states.merged.insert(key);
                }
                if *states.keys.entry(key).or_insert(kept_up) != kept_up {
                    states.split.insert(key);
                }
            });
        }
    }
}

/// What a reference has the code for.
fn vma_codes(reference: &Reference) -> Vec<VmaCode> {
    let mut codes = vec![VmaCode::Model];
    codes.extend(reference.without_vma_layer().is_none().then_some(VmaCode::Kernel));
    codes.extend(reference.without_pages_layer().is_none().then_some(VmaCode::Pages));
    codes
}

fn session(reference: &'static Reference, vma: VmaCode) -> Session {
    let known = known::signatures(&KnownFindings::embedded().of(reference.name, reference.version));
    Session::new(reference).with_vma(vma).tolerating(known)
}

#[test]
fn the_number_kept_up_is_the_number_counted_anew_and_tells_states_apart_as_the_key_does() {
    for reference in kernel::references() {
        for vma in vma_codes(reference) {
            let (mut rng, mut states) = (Rng::new(11), States::default());
            for mix in Mix::varied(vma.operations()) {
                let mix = if vma == VmaCode::Pages { mix.with_pages() } else { mix };
                let traces: Vec<Trace> = (0..TRACES).map(|_| random_trace(&mut rng, OPERATIONS, &mix)).collect();
                session(reference, vma).run(Play(&traces, &mut states)).unwrap();
            }
            let States { keys, digests, looks, merged, split } = &states;
            println!(
                "{} {vma}: {looks} looks, {} keys, {} numbers, {} merged, {} split",
                reference.name,
                keys.len(),
                digests.len(),
                merged.len(),
                split.len()
            );
            assert!(keys.len() > looks / 3, "{}: nothing is reached", reference.name);
            let few = keys.len() / 100;
            assert!(merged.len() <= few && split.is_empty(), "{} {vma}", reference.name);
        }
    }
}

#[test]
fn the_number_is_right_after_operations_that_ran_together() {
    for reference in kernel::references().iter().filter(|reference| reference.without_pages_layer().is_none()) {
        let (mut rng, mut states) = (Rng::new(5), States::default());
        let traces: Vec<Trace> = (0..200).map(|_| random_sections(&mut rng, 32, &Mix::together())).collect();
        session(reference, VmaCode::Pages).run(Play(&traces, &mut states)).unwrap();
        assert!(states.keys.len() > 1_000, "{}: {}", reference.name, states.keys.len());
    }
}
