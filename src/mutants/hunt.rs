//! The search for a fault: random traces of every mix, in a fixed order, until something is found or the budget is spent.
//!
//! A trace is known by its [`Place`] alone, so that one during which the process died can be made again.

use serde::{Deserialize, Serialize};

use super::{MutantsError, sections};
use crate::check::{Finding, Sides};
use crate::kernel::{Reference, SlabMode};
use crate::known::{self, KnownFinding};
use crate::session::{Player, Session, VmaCode};
use crate::trace::{Mix, OpSet, Rng, Trace, random_sections, random_trace};

/// The group of the mutants of concurrency.
pub const TOGETHER: &str = "together";

/// What judges.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The C beside the port, compared at every call, and the invariants.
    Lockstep,
    /// The C by itself, under the invariants.
    Alone,
    /// The C by itself, under the invariants, as several tasks: traces with sections.
    Together,
}

impl Mode {
    /// Who judges the mutants of a group: what one task shows needs no sections, and what may need them is tried without, too.
    pub fn of_group(group: &str) -> [Mode; 2] {
        match group {
            TOGETHER => [Mode::Lockstep, Mode::Together],
            _ => [Mode::Lockstep, Mode::Alone],
        }
    }

    /// The sides that it runs: sections on the C alone, so that it is an invariant that finds a mutant.
    fn sides(self) -> Sides {
        match self {
            Mode::Lockstep => Sides::Both,
            Mode::Alone | Mode::Together => Sides::Reference,
        }
    }
}

/// How long is searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Budget {
    /// Operations, of all seeds together.
    pub ops: u64,
    /// Seeds, which take turns: 1 and up.
    pub seeds: u32,
    /// Whether the model of the VMA code takes its turn; the kernel's own VMA code always does.
    pub small: bool,
    /// Whether it is the kernel's own page-table code that runs, in every turn.
    pub pages: bool,
    /// Whether the traces have sections, in every turn.
    pub together: bool,
    /// How many of 1000 operations fail; none: as the mixes have it.
    pub fail_per_mille: Option<u32>,
}

/// Which trace of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The seed. 0: with sections, those written by hand.
    pub seed: u32,
    /// Which of the seed's traces, from 0.
    pub round: u32,
    /// Whether [`Budget::small`] holds.
    pub small: bool,
    /// Whether [`Budget::pages`] holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pages: bool,
    /// Whether [`Budget::together`] holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
    /// [`Budget::fail_per_mille`]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_per_mille: Option<u32>,
}

/// The seed of no random trace.
const BY_HAND: u32 = 0;

/// Operations of a trace, in turn: short ones reset often, long ones pile objects up.
const LENGTHS: [usize; 3] = [24, 96, 250];

/// Operations of a trace with sections.
const TOGETHER_LENGTH: usize = 32;

/// How many of 1000 places in traces of untouched memory are scenes.
const SCENES_PER_MILLE: u32 = 100;
/// How many of 1000 places are scenes where the kernel's own page-table code runs.
const PAGE_SCENES_PER_MILLE: u32 = 20;
/// How many of 1000 operations fail there.
const FAILING_PER_MILLE: u32 = 250;

impl Place {
    fn kind(self) -> (VmaCode, Mix, SlabMode, usize) {
        let round = self.round as usize;
        if self.together {
            let mix = self.fail_per_mille.into_iter().fold(Mix::together(), Mix::with_failing);
            // A freed anon_vma stays one for who is in an RCU read section: none is overwritten.
            return (VmaCode::Pages, mix, SlabMode::Reuse, TOGETHER_LENGTH);
        }
        if self.pages {
            return self.kind_with_pages(round);
        }
        let mixes = if self.small { 7 } else { 4 };
        let turn = round / mixes;
        let (vma, mix) = match round % mixes {
            0 => (VmaCode::Kernel, Mix::full()),
            1 => (VmaCode::Kernel, Mix::merges()),
            2 if (turn / 2).is_multiple_of(2) => (VmaCode::Kernel, Mix::full_fork_heavy()),
            2 => (VmaCode::Kernel, Mix::sparse_forks()),
            3 if (turn / 2).is_multiple_of(2) => (VmaCode::Kernel, Mix::failing_merges()),
            3 => (
                VmaCode::Kernel,
                Mix { scenes_per_mille: SCENES_PER_MILLE, ..Mix::untouched_merges().with_failing(FAILING_PER_MILLE) },
            ),
            4 => (VmaCode::Model, Mix::default()),
            5 => (VmaCode::Model, Mix::fork_heavy()),
            _ => (VmaCode::Model, Mix::wide()),
        };
        let slab = if turn.is_multiple_of(2) { SlabMode::Reuse } else { SlabMode::Poison };
        let mix = self.fail_per_mille.map_or(mix.clone(), |failing| mix.with_failing(failing));
        (vma, mix, slab, LENGTHS[turn % LENGTHS.len()])
    }

    fn kind_with_pages(self, round: usize) -> (VmaCode, Mix, SlabMode, usize) {
        // After two of the mixes of all operations comes one of large folios, and every second of these is of huge pages.
        let varied = Mix::varied(OpSet::Pages);
        let mixes = varied.len() + varied.len() / 2;
        let (turn, nth) = (round / mixes, round % mixes);
        let mix = match nth % 3 {
            2 => Mix::large_folios(nth / 3 % 2 == 1),
            place => varied[nth / 3 * 2 + place].clone(),
        };
        let mix = Mix { scenes_per_mille: PAGE_SCENES_PER_MILLE, ..mix };
        let mix = self.fail_per_mille.map_or(mix.clone(), |failing| mix.with_failing(failing));
        let slab = if turn.is_multiple_of(2) { SlabMode::Reuse } else { SlabMode::Poison };
        (VmaCode::Pages, mix, slab, LENGTHS[turn % LENGTHS.len()])
    }

    /// Whether its trace was written by hand.
    pub fn is_by_hand(self) -> bool {
        self.together && self.seed == BY_HAND
    }

    /// The trace.
    pub fn trace(self) -> Trace {
        if self.is_by_hand() {
            return sections::trace(self.round);
        }
        let (_, mix, _, length) = self.kind();
        let rng = &mut Rng::new(u64::from(self.seed) << 32 | u64::from(self.round));
        if self.together { random_sections(rng, length, &mix) } else { random_trace(rng, length, &mix) }
    }

    /// Under which VMA code it is played.
    pub fn vma(self) -> VmaCode {
        self.kind().0
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

/// A search under way: the sessions that it plays in, each opened when it is first needed.
pub struct Hunt {
    /// Without the choice that each [`Place`] makes.
    session: Session,
    players: Vec<((VmaCode, SlabMode), Box<dyn Player>)>,
}

impl Hunt {
    /// A search in a reference by a judge, which tolerates what is known of the reference.
    pub fn new(reference: &'static Reference, mode: Mode, known: &[KnownFinding]) -> Hunt {
        Hunt {
            session: Session::new(reference).with_sides(mode.sides()).tolerating(known::signatures(known)),
            players: Vec::new(),
        }
    }

    fn player(&mut self, vma: VmaCode, slab: SlabMode) -> Result<&mut dyn Player, MutantsError> {
        let at = match self.players.iter().position(|(key, _)| *key == (vma, slab)) {
            Some(at) => at,
            None => {
                let session = Session { slab, ..self.session.clone().with_vma(vma) };
                self.players.push(((vma, slab), session.player()?));
                self.players.len() - 1
            }
        };
        Ok(self.players[at].1.as_mut())
    }

    /// Plays until something is found. `before` is called for each trace before it is played, with its place, its
    /// operations, and how many came before it.
    ///
    /// # Errors
    /// If the reference has no kernel driver.
    pub fn search(
        &mut self,
        budget: Budget,
        mut before: impl FnMut(Place, u64, u64),
    ) -> Result<Option<Caught>, MutantsError> {
        let Budget { small, pages, together, fail_per_mille, .. } = budget;
        let of = |seed, round| Place { seed, round, small, pages, together, fail_per_mille };
        let random = (0..).flat_map(|round| (1..=budget.seeds.max(1)).map(move |seed| (seed, round)));
        let mut done = 0;
        for place in random.map(|(seed, round)| of(seed, round)) {
            if done >= budget.ops {
                break;
            }
            if let Some(caught) = self.try_at(place, &mut done, &mut before)? {
                return Ok(Some(caught));
            }
        }
        let by_hand = if together { 0..sections::COUNT } else { 0..0 };
        for place in by_hand.map(|number| of(BY_HAND, number)) {
            if let Some(caught) = self.try_at(place, &mut done, &mut before)? {
                return Ok(Some(caught));
            }
        }
        Ok(None)
    }

    fn try_at(
        &mut self,
        place: Place,
        done: &mut u64,
        before: &mut impl FnMut(Place, u64, u64),
    ) -> Result<Option<Caught>, MutantsError> {
        let trace = place.trace();
        let ops = trace.ops.len() as u64;
        before(place, ops, *done);
        let finding = self.play(place, &trace)?;
        let caught = finding.map(|finding| {
            let ops = *done + finding.operation.min(ops);
            Caught { finding, place, ops }
        });
        *done += ops;
        Ok(caught)
    }

    /// Plays one trace as that of a place is played.
    ///
    /// # Errors
    /// If the reference has no kernel driver.
    pub fn play(&mut self, place: Place, trace: &Trace) -> Result<Option<Finding>, MutantsError> {
        let (vma, _, slab, _) = place.kind();
        Ok(self.player(vma, slab)?.play(trace).finding)
    }

    /// The trace of what was caught, made small.
    ///
    /// # Errors
    /// If the reference has no kernel driver.
    pub fn minimize(&mut self, caught: &Caught) -> Result<Trace, MutantsError> {
        let (vma, _, slab, _) = caught.place.kind();
        Ok(self.player(vma, slab)?.minimize(&caught.place.trace(), &caught.finding).trace)
    }
}
