//! The search for a fault: random traces of every mix, in a fixed order, until something is found or the budget is spent.
//!
//! A trace is known by its [`Place`] alone, so that one during which the process died can be made again.

use serde::{Deserialize, Serialize};

use super::MutantsError;
use crate::check::{self, Driver, Finding, Lockstep, Sides, run_trace};
use crate::kernel::{Kernel, Reference, SlabMode};
use crate::known::KnownFinding;
use crate::mm::{KernelDriver, SmallDriver};
use crate::port::Port;
use crate::rmap::Side;
use crate::trace::{Mix, Rng, Trace, random_trace};

/// What judges.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The C beside the port, compared at every call, and the invariants.
    Lockstep,
    /// The C by itself, under the invariants.
    Alone,
}

/// How long is searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Budget {
    /// Operations, of all seeds together.
    pub ops: u64,
    /// Seeds, which take turns: 1 and up.
    pub seeds: u32,
    /// Whether the small driver takes its turn; the kernel's own VMA code always does.
    pub small: bool,
}

/// Which trace of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The seed.
    pub seed: u32,
    /// Which of the seed's traces, from 0.
    pub round: u32,
    /// Whether [`Budget::small`] holds.
    pub small: bool,
}

/// Operations of a trace, in turn: short ones reset often, long ones pile objects up.
const LENGTHS: [usize; 3] = [24, 96, 250];

/// Which driver makes the rmap calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Drives {
    Small,
    Kernel,
}

impl Place {
    fn kind(self) -> (Drives, Mix, SlabMode, usize) {
        let round = self.round as usize;
        let mixes = if self.small { 7 } else { 4 };
        let turn = round / mixes;
        let (driver, mix) = match round % mixes {
            0 => (Drives::Kernel, Mix::full()),
            1 => (Drives::Kernel, Mix::merges()),
            2 if (turn / 2).is_multiple_of(2) => (Drives::Kernel, Mix::full_fork_heavy()),
            2 => (Drives::Kernel, Mix::sparse_forks()),
            3 => (Drives::Kernel, Mix::failing_merges()),
            4 => (Drives::Small, Mix::default()),
            5 => (Drives::Small, Mix::fork_heavy()),
            _ => (Drives::Small, Mix::wide()),
        };
        let slab = if turn.is_multiple_of(2) { SlabMode::Reuse } else { SlabMode::Poison };
        (driver, mix, slab, LENGTHS[turn % LENGTHS.len()])
    }

    /// The trace.
    pub fn trace(self) -> Trace {
        let (_, mix, _, length) = self.kind();
        random_trace(&mut Rng::new(u64::from(self.seed) << 32 | u64::from(self.round)), length, &mix)
    }

    /// Which driver plays it, as `--driver` has it.
    pub fn driver(self) -> &'static str {
        if self.kind().0 == Drives::Small { "rust" } else { "kernel" }
    }
}

/// Something was found.
#[derive(Clone, Debug)]
pub struct Caught {
    /// What.
    pub finding: Finding,
    /// By which trace.
    pub place: Place,
    /// Operations until then, all traces together.
    pub ops: u64,
}

/// The sides and a driver.
trait MutantSession {
    fn play(&mut self, trace: &Trace) -> Option<Finding>;
    fn minimize(&mut self, trace: &Trace, finding: &Finding) -> Trace;
}

struct HuntedSides<P, D> {
    lockstep: Lockstep<Kernel, P>,
    driver: D,
}

impl<P: Side, D: Driver<Kernel, P>> MutantSession for HuntedSides<P, D> {
    fn play(&mut self, trace: &Trace) -> Option<Finding> {
        run_trace(&mut self.lockstep, &mut self.driver, trace).finding
    }

    fn minimize(&mut self, trace: &Trace, finding: &Finding) -> Trace {
        check::minimize_finding(&mut self.lockstep, &mut self.driver, trace, finding).trace
    }
}

/// A search under way: the worlds that it plays in, each made when it is first needed.
pub struct Hunt {
    reference: &'static Reference,
    mode: Mode,
    known: Vec<String>,
    worlds: Vec<((Drives, SlabMode), Box<dyn MutantSession>)>,
}

impl Hunt {
    /// A search in a reference by a judge, which goes past what is known of the reference.
    pub fn new(reference: &'static Reference, mode: Mode, known: &[KnownFinding]) -> Hunt {
        let known = known.iter().map(|known| known.signature.clone()).collect();
        Hunt { reference, mode, known, worlds: Vec::new() }
    }

    fn world(&mut self, drives: Drives, slab: SlabMode) -> Result<&mut dyn MutantSession, MutantsError> {
        let at = match self.worlds.iter().position(|(key, _)| *key == (drives, slab)) {
            Some(at) => at,
            None => {
                let world = self.make(drives, slab)?;
                self.worlds.push(((drives, slab), world));
                self.worlds.len() - 1
            }
        };
        Ok(self.worlds[at].1.as_mut())
    }

    fn make(&self, drives: Drives, slab: SlabMode) -> Result<Box<dyn MutantSession>, MutantsError> {
        let reference = self.reference;
        let kernel = match drives {
            Drives::Small => Kernel::new(reference, slab),
            Drives::Kernel => Kernel::with_vma_layer(reference, slab)
                .map_err(|why| MutantsError::NoDriver { kernel: reference.name.to_owned(), why: why.to_owned() })?,
        };
        Ok(match self.mode {
            Mode::Lockstep => self.with(drives, Lockstep::new(kernel, Port::new(reference.revision))),
            Mode::Alone => self.with(drives, Lockstep::solo(kernel, Sides::Reference)),
        })
    }

    fn with<P: Side + 'static>(&self, drives: Drives, mut lockstep: Lockstep<Kernel, P>) -> Box<dyn MutantSession> {
        lockstep.tolerate(self.known.iter().cloned());
        match drives {
            Drives::Small => Box::new(HuntedSides { lockstep, driver: SmallDriver::new() }),
            Drives::Kernel => Box::new(HuntedSides { lockstep, driver: KernelDriver::new() }),
        }
    }

    /// Plays until something is found. `before` is told of each trace before it is played: its place, its operations, and
    /// how many came before it.
    ///
    /// # Errors
    /// If the reference has no kernel driver.
    pub fn search(
        &mut self,
        budget: Budget,
        mut before: impl FnMut(Place, u64, u64),
    ) -> Result<Option<Caught>, MutantsError> {
        let mut done = 0;
        for round in 0.. {
            for seed in 1..=budget.seeds.max(1) {
                if done >= budget.ops {
                    return Ok(None);
                }
                let place = Place { seed, round, small: budget.small };
                let trace = place.trace();
                before(place, trace.ops.len() as u64, done);
                if let Some(finding) = self.play(place, &trace)? {
                    let ops = done + finding.operation.min(trace.ops.len() as u64);
                    return Ok(Some(Caught { finding, place, ops }));
                }
                done += trace.ops.len() as u64;
            }
        }
        Ok(None)
    }

    /// Plays one trace as that of a place is played.
    ///
    /// # Errors
    /// If the reference has no kernel driver.
    pub fn play(&mut self, place: Place, trace: &Trace) -> Result<Option<Finding>, MutantsError> {
        let (drives, _, slab, _) = place.kind();
        Ok(self.world(drives, slab)?.play(trace))
    }

    /// The trace of what was caught, made small.
    ///
    /// # Errors
    /// If the reference has no kernel driver.
    pub fn minimize(&mut self, caught: &Caught) -> Result<Trace, MutantsError> {
        let (drives, _, slab, _) = caught.place.kind();
        Ok(self.world(drives, slab)?.minimize(&caught.place.trace(), &caught.finding))
    }
}
