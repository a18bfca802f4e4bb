//! Operations that run together on both references: the sets of what they come to, over every schedule with few preemptions.
//!
//! Two kernels do not come to the same points: one allocates under a lock, and one before it. So schedules are not compared one by one.
//! What is compared is which ends there are: what each operation came to, and the state.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;
use xxhash_rust::xxh3::xxh3_128;

use super::class::{BenignDifference, Class, PairSide};
use super::pair::{Next, Pair, outcome_text};
use super::semantic::{self, Depth, SemanticDifference};
use crate::exhaust::Transition;
use crate::mm::Outcome;
use crate::rmap::Side;
use crate::trace::preemptions::{Orders, PreemptedAt, ScheduleCounts};
use crate::trace::schedule::Step;
use crate::trace::{Op, OpKind, Trace};
use crate::world::{Symmetry, World};

/// What operations that ran together came to.
#[derive(Clone, Debug)]
struct End {
    /// Of each operation, in the order in which they are compared.
    outcomes: Vec<Outcome>,
    world: World,
    /// A section that comes to it.
    section: Transition,
}

/// What one reference comes to.
#[derive(Default)]
struct Reached {
    ends: Vec<End>,
    /// What breaks an invariant: by signature, what is wrong there, how often, and a section that shows it.
    broken: BTreeMap<String, (String, u64, Transition)>,
    counts: ScheduleCounts,
}

/// How alike two ends are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// They differ.
    Different,
    /// Except for which anon_vma a fork has reused.
    Reuse,
    /// The same.
    Same,
}

impl<S: Side> Pair<S> {
    /// Compares what operations come to on both sides if they run together here, under every schedule with at most so many preemptions.
    /// Returns how many schedules there were on each side. Afterwards the sides have to be [replayed](Pair::replay).
    pub(super) fn compare_together(&mut self, ops: &[Op], preemptions: u32) -> [ScheduleCounts; 2] {
        let reached = [0, 1].map(|place| self.reach(place, ops, preemptions));
        self.note_broken(&reached);
        self.compare_ends(&reached, &reached, ops);
        reached.map(|reached| reached.counts)
    }

    /// Runs a section, and says whether the other side comes to the same end under any schedule. Nothing can come after it.
    pub(super) fn section(&mut self, ops: &[Op], section: &Transition) -> Next {
        let given = [0, 1].map(|place| {
            let mut reached = Reached::default();
            self.run(place, ops, section, &mut reached, &mut FxHashSet::default());
            reached
        });
        self.note_broken(&given);
        let all = [0, 1].map(|place| match given[1 - place].ends.is_empty() {
            true => Reached::default(),
            false => {
                let mut reached = self.reach(place, ops, self.preemptions);
                // Its schedule may have more preemptions than these.
                reached.ends.extend(given[place].ends.iter().cloned());
                reached
            }
        });
        self.compare_ends(&given, &all, ops);
        Next::Stop
    }

    /// All that one side comes to.
    fn reach(&mut self, place: usize, ops: &[Op], preemptions: u32) -> Reached {
        let (mut reached, mut seen) = (Reached::default(), FxHashSet::default());
        let mut orders = Orders::new(ops, preemptions, PreemptedAt::ANY);
        while let Some((ops, switches)) = orders.next() {
            let section = Transition::section(ops, switches);
            let log = self.run(place, ops, &section, &mut reached, &mut seen);
            orders.ran(&log);
        }
        reached.counts = orders.counts();
        reached
    }

    /// Runs a section on one side, and takes in what it came to. Returns what its tasks did.
    fn run(
        &mut self,
        place: usize,
        ops: &[Op],
        section: &Transition,
        reached: &mut Reached,
        seen: &mut FxHashSet<u128>,
    ) -> Vec<(usize, Step)> {
        let prefix = self.prefix().to_vec();
        self.replay_side(place, &prefix);
        let side = self.side(place);
        let (outcomes, log) = side.apply_together(section);
        match side.settle() {
            Some(Some((signature, detail))) => {
                reached.broken.entry(signature).or_insert_with(|| (detail, 0, section.clone())).1 += 1;
            }
            Some(None) => {}
            None => {
                let (Some(outcomes), Ok(world)) = (outcomes, side.world()) else { return log };
                // What nobody finds any more is seen only when all have exited.
                if side.has_lost(&world) {
                    side.end();
                    if let Some(Some((signature, detail))) = side.settle() {
                        reached.broken.entry(signature).or_insert_with(|| (detail, 0, section.clone())).1 += 1;
                        return log;
                    }
                }
                let outcomes = in_order(ops, section, &outcomes);
                let words = format!("{outcomes:?} {}", world.key(Symmetry::None));
                if seen.insert(xxh3_128(words.as_bytes())) {
                    reached.ends.push(End { outcomes, world, section: section.clone() });
                }
            }
        }
        log
    }

    fn note_broken(&mut self, reached: &[Reached; 2]) {
        for (place, side) in reached.iter().enumerate() {
            for (signature, (detail, count, section)) in &side.broken {
                let both = reached[1 - place].broken.contains_key(signature);
                if both && place == 1 {
                    continue;
                }
                let which = if both { PairSide::Both } else { PairSide::at(place) };
                self.note_section(Class::Violates(which, signature.clone()), *count, section, || detail.clone());
            }
        }
    }

    /// Which ends of one side the other does not come to.
    fn compare_ends(&mut self, ours: &[Reached; 2], of_other: &[Reached; 2], ops: &[Op]) {
        let mut names: Vec<&str> = ops.iter().map(|op| op.kind.keyword()).collect();
        names.sort_unstable();
        let names = match &names[..] {
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
            [] => String::new(),
        };
        for place in [1, 0] {
            let others = &of_other[1 - place].ends;
            // All of its schedules broke an invariant: that was said.
            if others.is_empty() {
                continue;
            }
            for end in &ours[place].ends {
                let of_base = |other| if place == 1 { [other, end] } else { [end, other] };
                let most = others.iter().map(|other| self.likeness(of_base(other), ops)).max();
                let class = match most {
                    Some(Likeness::Same) => continue,
                    Some(Likeness::Reuse) => Class::Except(BenignDifference::Reuse),
                    _ if place == 1 => {
                        Class::Different(format!("end of {names} together that the base does not come to"))
                    }
                    _ => Class::Except(BenignDifference::EndOfBaseAlone),
                };
                let nearest = others.iter().max_by_key(|other| other.outcomes == end.outcomes);
                let depth = self.depth();
                let detail = || nearest.map_or(String::new(), |other| in_words(of_base(other), depth, ops));
                self.note_section(class, 1, &end.section, detail);
            }
        }
    }

    fn likeness(&self, [base, changed]: [&End; 2], ops: &[Op]) -> Likeness {
        if base.outcomes != changed.outcomes {
            return Likeness::Different;
        }
        let alike = |depth| {
            matches!(
                semantic::compare(&base.world, &changed.world, depth),
                None | Some(SemanticDifference::ChainOrder(_))
            )
        };
        let forks = ops.iter().any(|op| matches!(op.kind, OpKind::Fork { .. }));
        match self.depth() {
            depth if alike(depth) => Likeness::Same,
            Depth::Graph if forks && alike(Depth::Reused) => Likeness::Reuse,
            _ => Likeness::Different,
        }
    }

    fn note_section(&mut self, class: Class, count: u64, section: &Transition, detail: impl FnOnce() -> String) {
        let mut trace: Trace = self.prefix().iter().map(|step| step.op()).collect();
        section.append_to(&mut trace);
        let ops = trace.ops.len();
        self.seen.add(class, count, ops, || trace, detail);
    }
}

/// What each operation came to, in the order of `ops`, whichever order the section has them in.
fn in_order(ops: &[Op], section: &Transition, outcomes: &[Outcome]) -> Vec<Outcome> {
    let Transition::Section(section) = section else { return outcomes.to_vec() };
    let mut left: Vec<(Op, Outcome)> = section.0.iter().copied().zip(outcomes.iter().copied()).collect();
    let of = |op: &Op| {
        let at = left.iter().position(|(of, _)| of == op)?;
        Some(left.remove(at).1)
    };
    ops.iter().filter_map(of).collect()
}

fn in_words([base, changed]: [&End; 2], depth: Depth, ops: &[Op]) -> String {
    let outcomes = |end: &End| {
        let each = ops.iter().zip(&end.outcomes).map(|(op, outcome)| format!("{op}: {}", outcome_text(*outcome)));
        each.collect::<Vec<_>>().join(", ")
    };
    if base.outcomes != changed.outcomes {
        return format!("{}; and {}", outcomes(base), outcomes(changed));
    }
    let state = match semantic::compare(&base.world, &changed.world, depth) {
        Some(SemanticDifference::State(what, detail) | SemanticDifference::Graph(what, detail)) => {
            format!("{what}: {detail}")
        }
        Some(SemanticDifference::ChainOrder(detail)) => detail,
        None => String::new(),
    };
    format!("{}; beside the nearest end of the other, {state}", outcomes(changed))
}
