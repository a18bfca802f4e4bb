//! What a review comes to.

use super::class::{Class, Sighting, Sightings};
use super::pair::Pair;
use crate::exhaust::Together;
use crate::minimize::minimize;
use crate::rmap::Side;
use crate::trace::{Mix, Rng, random_trace};

/// In one word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Equivalence {
    /// No difference was seen.
    Equivalent,
    /// Only such as have a name.
    Except,
    /// Others too.
    Different,
    /// A side breaks an invariant.
    Violates,
}

/// A small scope that was searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Searched {
    /// Processes alive at once.
    pub processes: u8,
    /// Pages of the window.
    pub pages: u64,
    /// The length of the sequences of which every one was tried.
    pub depth: u32,
    /// What was wanted.
    pub wanted: u32,
}

impl std::fmt::Display for Searched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Searched { processes, pages, depth, wanted } = self;
        write!(f, "{depth} with {processes} processes and {pages} pages")?;
        if depth < wanted { write!(f, " (NOT finished: {wanted} were wanted)") } else { Ok(()) }
    }
}

/// What was seen, and how much was done for it.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What was seen.
    pub seen: Sightings,
    /// Operations tried in the search of a small scope, failures included.
    pub transitions: u64,
    /// What was searched.
    pub scopes: Vec<Searched>,
    /// Choices of operations that were run together at a state, and under how many schedules, on both sides.
    pub sections: u64,
    /// See `sections`.
    pub schedules: u64,
    /// How many operations ran together, under each schedule with how many preemptions.
    pub together: Option<Together>,
    /// Random operations.
    pub random: u64,
    /// Operations of a trace that was given.
    pub given: u64,
    /// Known findings that ended a trace, on either side.
    pub known: [u64; 2],
    /// Lines of the change have code, and none of it ran.
    pub unreached: bool,
}

impl Verdict {
    /// What was seen, the worst first.
    pub fn worst_first(&self) -> impl Iterator<Item = (&Class, &Sighting)> {
        let seen: Vec<_> = self.seen.iter().collect();
        seen.into_iter().rev()
    }

    /// Whether every scope was searched to the depth that was wanted.
    pub fn is_finished(&self) -> bool {
        self.scopes.iter().all(|searched| searched.depth >= searched.wanted)
    }

    /// Whether what was seen decides: every scope was searched, and a line of the change ran.
    pub fn is_decided(&self) -> bool {
        self.is_finished() && !self.unreached
    }

    /// In one word.
    pub fn outcome(&self) -> Equivalence {
        let of = |class: &Class| match class {
            Class::Except(_) => Equivalence::Except,
            Class::Different(_) => Equivalence::Different,
            Class::Violates(..) => Equivalence::Violates,
        };
        self.seen.iter().map(|(class, _)| of(class)).max().unwrap_or(Equivalence::Equivalent)
    }
}

/// Plays a random trace.
pub fn random<S: Side>(pair: &mut Pair<S>, rng: &mut Rng, ops: usize, mix: &Mix) {
    pair.play(&random_trace(rng, ops, mix));
}

/// Makes the trace of each class small: the least that shows it.
pub fn minimize_sightings<S: Side>(pair: &mut Pair<S>, seen: &mut Sightings) {
    let before = std::mem::take(&mut pair.seen);
    let classes: Vec<Class> = seen.iter().map(|(class, _)| class.clone()).collect();
    for class in classes {
        let Some(sighting) = seen.get_mut(&class) else { continue };
        let mut least = None;
        minimize(&sighting.trace.clone(), |candidate| {
            pair.seen = Sightings::default();
            pair.play(candidate);
            let found = pair.seen.get(&class).cloned();
            // The last one that shows it is the result.
            found.inspect(|found| least = Some(found.clone())).is_some()
        });
        if let Some(found) = least {
            (sighting.trace, sighting.detail) = (found.trace, found.detail);
        }
    }
    pair.seen = before;
}
