//! Two references side by side: an operation on both, and what is to be said of it.

use super::class::{Class, Order, Sightings, Which};
use super::observed::Observed;
use super::recorder::Place;
use super::semantic::{self, Colours, Depth, Difference};
use super::side::Reviewed;
use super::sites::{self, Failure};
use crate::mm::Outcome;
use crate::rmap::{ENOMEM, EventKind, Fail, Gfp, Side, errno_name};
use crate::trace::{Op, OpKind, Trace};
use crate::world::{Symmetry, World};

/// Two references in the same state, as far as that is possible.
pub struct Pair<S: Side> {
    sides: [Reviewed<S>; 2],
    /// The operations done.
    prefix: Vec<Step>,
    worlds: [World; 2],
    depth: Depth,
    /// What was seen.
    pub seen: Sightings,
}

/// An operation that was done: on the sides on which it failed, it was done again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    op: Op,
    failed: [Option<Fail>; 2],
}

impl From<Op> for Step {
    fn from(op: Op) -> Step {
        Step { op, failed: [None; 2] }
    }
}

/// The trace goes on from there, or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goes {
    /// On.
    On,
    /// On, but what failed has left something done.
    OnFromElsewhere,
    /// Not: the sides are different from here on, or one has broken.
    NoFurther,
}

impl<S: Side> Pair<S> {
    /// Both empty.
    pub fn new(base: Reviewed<S>, changed: Reviewed<S>) -> Pair<S> {
        let mut pair = Pair {
            sides: [base, changed],
            prefix: Vec::new(),
            worlds: Default::default(),
            depth: Depth::Graph,
            seen: Sightings::default(),
        };
        pair.reset();
        pair
    }

    /// How often known findings were met, on either side.
    pub fn met(&self) -> [&[u64]; 2] {
        [0, 1].map(|side| self.sides[side].met())
    }

    /// Back to two empty worlds. What was seen stays.
    pub fn reset(&mut self) {
        self.prefix.clear();
        self.depth = Depth::Graph;
        for (side, world) in self.sides.iter_mut().zip(&mut self.worlds) {
            side.reset();
            *world = side.world().unwrap_or_default();
        }
    }

    /// How to come back here.
    pub(super) fn here(&self) -> (Vec<Step>, Depth) {
        (self.prefix.clone(), self.depth)
    }

    pub(super) fn worlds(&self) -> &[World; 2] {
        &self.worlds
    }

    /// Both keys and what is compared: another number for another pair of states.
    pub(super) fn key(&self, symmetry: Symmetry) -> u128 {
        World::joint_key(&self.worlds.each_ref(), symmetry) ^ u128::from(self.depth == Depth::Reused)
    }

    /// Plays a trace from empty worlds, to its end or to where the sides part.
    pub fn play(&mut self, trace: &Trace) {
        self.reset();
        for op in &trace.ops {
            if self.step(op) == Goes::NoFurther {
                return;
            }
        }
        self.end();
    }

    /// Does one operation. If it is to fail, that is tried first, and then it is done.
    pub fn step(&mut self, op: &Op) -> Goes {
        let plain = Op { fail: Fail::NEVER, fail_node: Fail::NEVER, ..*op };
        if op.fail.is_never() {
            return self.done(&plain, plain.into()).map_or(Goes::NoFurther, |_| Goes::On);
        }
        let before = self.here();
        // Which failures there are is known when nothing fails; what is seen meanwhile is seen again below.
        let seen = std::mem::take(&mut self.seen);
        let rehearsal = self.done(&plain, plain.into());
        self.seen = seen;
        self.replay(before);
        let mut step = Step::from(plain);
        let mut from_here = true;
        if let Some(rehearsal) = rehearsal
            && let Some(failure) = rehearsal.chosen(op)
        {
            match self.fails(op, &failure, &rehearsal) {
                (Goes::NoFurther, _) => return Goes::NoFurther,
                (goes, failed) => {
                    step = Step { op: *op, failed };
                    from_here = goes == Goes::On;
                }
            }
        }
        self.done_from(&plain, step, from_here).map_or(Goes::NoFurther, |_| Goes::On)
    }

    /// Plays operations that are known to go on.
    pub(super) fn replay(&mut self, (prefix, depth): (Vec<Step>, Depth)) {
        for place in [0, 1] {
            self.replay_side(place, &prefix);
        }
        self.take_worlds();
        (self.prefix, self.depth) = (prefix, depth);
    }

    fn replay_side(&mut self, place: usize, prefix: &[Step]) {
        let side = &mut self.sides[place];
        side.reset();
        for step in prefix {
            if let Some(fail) = step.failed[place] {
                side.apply(&step.op, fail);
            }
            side.apply(&step.op, Fail::NEVER);
        }
    }

    fn take_worlds(&mut self) -> bool {
        let mut readable = true;
        for (side, world) in self.sides.iter_mut().zip(&mut self.worlds) {
            let read = side.world();
            readable &= read.is_ok();
            *world = read.unwrap_or_default();
        }
        readable
    }

    /// Does an operation in which nothing fails, and compares. None: there is no going on.
    pub(super) fn done(&mut self, op: &Op, step: Step) -> Option<Rehearsal> {
        self.done_from(op, step, true)
    }

    /// `from_here`: both sides have all of it still to do.
    fn done_from(&mut self, op: &Op, step: Step, from_here: bool) -> Option<Rehearsal> {
        self.prefix.push(step);
        let outcomes = self.sides.each_mut().map(|side| side.apply(op, Fail::NEVER));
        if self.settle() {
            return None;
        }
        let before = self.worlds.clone();
        if !self.take_worlds() {
            self.note(Class::Different("state that cannot be read".into()), String::new);
            return None;
        }
        let observed = self.sides.each_mut().map(Reviewed::observed);
        self.compare_partial_unlinks(&observed);
        if outcomes[0] != outcomes[1] {
            let refused = outcomes.iter().all(|outcome| matches!(outcome, Outcome::Refused(_)));
            let what = if refused { "errno" } else { "outcome" };
            let class = Class::Different(format!("{what} of {}", op.kind.keyword()));
            self.note(class, || outcomes.map(outcome_text).join(" and "));
            // Where they are is compared below.
            if !refused {
                return None;
            }
        }
        let reused = reuses(op, &before, &self.worlds);
        if self.compare_states(&before, &reused) == Goes::NoFurther {
            return None;
        }
        if self.depth == Depth::Graph && from_here {
            self.compare_attempts(&observed);
            self.compare_locks(&observed);
        }
        Some(Rehearsal { observed, reused, after: self.worlds.clone(), depth: self.depth })
    }

    /// Compares the states after an operation, and says what is compared from now on.
    fn compare_states(&mut self, before: &[World; 2], reused: &[Reused]) -> Goes {
        let [base, changed] = &self.worlds;
        // Graphs that have become the same again are compared again.
        let found = match semantic::compare(base, changed, Depth::Graph) {
            None => {
                self.depth = Depth::Graph;
                return Goes::On;
            }
            Some(found) => found,
        };
        let (class, detail) = match found {
            Difference::State(what, detail) => (Class::Different(what.into()), detail),
            Difference::ChainOrder(detail) => {
                self.depth = Depth::Graph;
                (Class::ButFor(Order::Chain), detail)
            }
            Difference::Graph(what, detail) => {
                let choice = match self.depth {
                    Depth::Reused => None,
                    Depth::Graph => reused.iter().find_map(|reused| reused.differs(before)),
                };
                match choice {
                    Some(choice) => {
                        self.depth = Depth::Reused;
                        self.note(Class::ButFor(Order::Reuse), || choice);
                    }
                    None if self.depth == Depth::Graph => {
                        self.note(Class::Different(what.into()), || detail);
                        return Goes::NoFurther;
                    }
                    None => {}
                }
                let [base, changed] = &self.worlds;
                match semantic::compare(base, changed, Depth::Reused) {
                    Some(Difference::State(what, detail)) => (Class::Different(what.into()), detail),
                    _ => return Goes::On,
                }
            }
        };
        let goes = if matches!(class, Class::Different(_)) { Goes::NoFurther } else { Goes::On };
        self.note(class, || detail);
        goes
    }

    fn compare_attempts(&mut self, observed: &[Observed; 2]) {
        let [base, changed] = observed.each_ref().map(|observed| &observed.attempts[..]);
        if base == changed {
            return;
        }
        let pairs = sites::paired(base, changed);
        let alone = |side: usize| -> Vec<String> {
            let alone = pairs.iter().filter(|pair| pair[1 - side].is_none());
            alone.filter_map(|pair| Some(pair[side]?.site.to_string())).collect()
        };
        let [ours, theirs] = [alone(0), alone(1)];
        if !ours.is_empty() || !theirs.is_empty() {
            let (ours, theirs) = (or_none(ours.join(", ")), or_none(theirs.join(", ")));
            self.note(Class::ButFor(Order::AllocationCount), || {
                format!("{} and {}; the first alone: {ours}; the second alone: {theirs}", base.len(), changed.len())
            });
        }
        // What both make can be in another order, and for another VMA.
        let both = |side: usize| {
            let all = [base, changed][side].iter();
            let both = all
                .filter(|attempt| pairs.iter().any(|pair| pair[side] == Some(**attempt) && pair[1 - side].is_some()));
            both.map(|attempt| attempt.site).collect::<Vec<_>>()
        };
        if let Some((a, b)) = both(0).iter().zip(&both(1)).find(|(a, b)| a != b) {
            self.note(Class::ButFor(Order::Allocation), || format!("{a} comes where the second has {b}"));
        }
        let other = pairs.iter().find_map(|pair| match pair {
            [Some(a), Some(b)] if a.gfp != b.gfp => Some((a, b)),
            _ => None,
        });
        if let Some((a, b)) = other {
            let detail = format!("{}: {} and {}", a.site, Gfp::name(a.gfp), Gfp::name(b.gfp));
            self.note(Class::ButFor(Order::AllocationFlags), || detail);
        }
    }

    fn compare_locks(&mut self, observed: &[Observed; 2]) {
        let [base, changed] = observed.each_ref().map(|observed| &observed.locks);
        if base != changed {
            let text = |locks: &[(EventKind, u8, u32)]| {
                let each = locks.iter().map(|(kind, _, root)| format!("{kind} root{root}"));
                or_none(each.collect::<Vec<_>>().join(", "))
            };
            let detail = format!("{} against {}", text(base), text(changed));
            self.note(Class::ButFor(Order::Lock), || detail);
        }
    }

    fn compare_partial_unlinks(&mut self, observed: &[Observed; 2]) {
        let mut functions: Vec<_> = observed.iter().flat_map(|observed| observed.partial_unlinks.clone()).collect();
        functions.sort_unstable();
        functions.dedup();
        for function in functions {
            let has = observed.each_ref().map(|observed| observed.partial_unlinks.contains(&function));
            if has[0] != has[1] {
                let which = Which::at(usize::from(has[1]));
                self.note(Class::ButFor(Order::PartialUnlink(which, function)), String::new);
            }
        }
    }

    /// Does an operation in which one allocation fails. A side on which it succeeds all the same is put back to where it
    /// was. Tells also with which failures the operation failed.
    pub(super) fn fails(&mut self, op: &Op, failure: &Failure, rehearsal: &Rehearsal) -> (Goes, [Option<Fail>; 2]) {
        self.prefix.push(Step { op: *op, failed: [None; 2] });
        let outcomes = [0, 1].map(|side| failure.fails[side].map(|fail| self.sides[side].apply(op, fail)));
        let goes = self.judge_failure(op, failure, rehearsal, outcomes);
        self.prefix.pop();
        let mut failed = failure.fails;
        if goes != Goes::NoFurther {
            for side in [0, 1] {
                if outcomes[side] == Some(Outcome::Done) {
                    failed[side] = None;
                    let prefix = std::mem::take(&mut self.prefix);
                    self.replay_side(side, &prefix);
                    self.prefix = prefix;
                }
            }
        }
        (goes, failed)
    }

    fn judge_failure(
        &mut self,
        op: &Op,
        failure: &Failure,
        rehearsal: &Rehearsal,
        outcomes: [Option<Outcome>; 2],
    ) -> Goes {
        if self.settle() {
            return Goes::NoFurther;
        }
        let tried = outcomes.map(|outcome| outcome.is_some());
        if tried == [true; 2] {
            let observed = self.sides.each_mut().map(Reviewed::observed);
            self.compare_partial_unlinks(&observed);
        }
        let after = [0, 1].map(|side| match tried[side] {
            true => self.sides[side].world().unwrap_or_default(),
            false => rehearsal.after[side].clone(),
        });
        let failed = outcomes.map(|outcome| outcome.filter(|&outcome| outcome != Outcome::Done));
        let mut goes = Goes::On;
        for side in [0, 1] {
            let Some(outcome) = failed[side] else { continue };
            let before = &self.worlds[side];
            if before.key(Symmetry::None) == after[side].key(Symmetry::None) {
                continue;
            }
            goes = Goes::OnFromElsewhere;
            // What does one thing or nothing. The others may leave done what came before the failure.
            let whole = matches!(op.kind, OpKind::Fork { .. } | OpKind::Fault { .. } | OpKind::Map { .. });
            let [was, is] = [before, &after[side]].map(|world| undone(world).key(Symmetry::None));
            if whole && was != is {
                let what = format!("failed {} changed the state", op.kind.keyword());
                self.note(Class::Violates(Which::at(side), what), || outcome_text(outcome));
                return Goes::NoFurther;
            }
        }
        let alone = |side: usize| match rehearsal.reused_at(1 - side, failure.site.place) {
            true => Order::EnomemWhereReused(Which::at(side)),
            false => Order::EnomemAlone(Which::at(side)),
        };
        match outcomes {
            [Some(base), Some(changed)] if base != changed => {
                let class = Class::Different(format!("outcome of {} under failure", op.kind.keyword()));
                let texts = [base, changed].map(outcome_text);
                self.note(class, || format!("{}: {}", failure.site, texts.join(" and ")));
                return Goes::NoFurther;
            }
            // Both have failed, and have left the same.
            [Some(_), Some(_)] if failed[0].is_some() => self.compare_after_failure(failure, &after, self.depth, None),
            [Some(_), Some(_)] => self.compare_after_failure(failure, &after, rehearsal.depth, None),
            [one, other] => {
                let side = usize::from(one.is_none());
                let Some(outcome) = one.or(other) else { return goes };
                if self.depth != Depth::Graph || rehearsal.depth != Depth::Graph {
                    // What each allocates depends on what it has reused.
                } else if failed[side].is_some() {
                    let order = Class::ButFor(alone(side));
                    self.note(order, || format!("{}: {}", failure.site, outcome_text(outcome)));
                } else {
                    self.compare_after_failure(failure, &after, rehearsal.depth, Some(alone(side)));
                }
            }
        }
        goes
    }

    /// Compares what a failure has left. `alone`: the other side cannot meet it.
    fn compare_after_failure(&mut self, failure: &Failure, after: &[World; 2], depth: Depth, alone: Option<Order>) {
        let (class, detail) = match (semantic::compare(&after[0], &after[1], depth), alone) {
            (None, _) => return,
            (Some(Difference::ChainOrder(detail)), _) => (Class::ButFor(Order::Chain), detail),
            (Some(Difference::State(_, detail) | Difference::Graph(_, detail)), Some(alone)) => {
                (Class::ButFor(alone), detail)
            }
            (Some(Difference::State(what, detail) | Difference::Graph(what, detail)), None) => {
                (Class::Different(format!("{what} after a failure")), detail)
            }
        };
        self.note(class, || format!("{}: {detail}", failure.site));
    }

    /// The end of a trace: everything is walked, and everything exits.
    pub fn end(&mut self) {
        self.sides.iter_mut().for_each(Reviewed::end);
        self.settle();
    }

    /// Whether a side has found something, which is then noted, unless it is known.
    fn settle(&mut self) -> bool {
        let found = self.sides.each_mut().map(Reviewed::settle);
        match &found {
            [Some(Some(a)), Some(Some(b))] if a == b => {
                self.note(Class::Violates(Which::Both, a.clone()), String::new);
            }
            _ => {
                for (side, signature) in found.iter().enumerate() {
                    if let Some(Some(signature)) = signature {
                        self.note(Class::Violates(Which::at(side), signature.clone()), String::new);
                    }
                }
            }
        }
        found.iter().any(Option::is_some)
    }

    fn note(&mut self, class: Class, detail: impl FnOnce() -> String) {
        let prefix = &self.prefix;
        self.seen.add(class, 1, prefix.len(), || prefix.iter().map(|step| step.op).collect(), detail);
    }
}

/// What an operation does if nothing fails.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    observed: [Observed; 2],
    reused: Vec<Reused>,
    after: [World; 2],
    /// What is compared afterwards.
    depth: Depth,
}

impl Rehearsal {
    /// Every failure that the operation can meet.
    pub(super) fn failures(&self) -> Vec<Failure> {
        sites::failures(self.observed.each_ref())
    }

    fn chosen(&self, op: &Op) -> Option<Failure> {
        sites::chosen(&op.fail, &self.failures())
    }

    /// Whether a side reused an anon_vma there.
    fn reused_at(&self, side: usize, place: Option<Place>) -> bool {
        self.reused.iter().any(|reused| Some(reused.place) == place && reused.anon_vma[side].is_some())
    }
}

/// What a child's VMA got in a fork: an anon_vma that was there before, or none of those.
#[derive(Clone, Copy, Debug)]
struct Reused {
    place: Place,
    anon_vma: [Option<crate::rmap::AnonVmaId>; 2],
}

/// What the VMAs of a new process got.
fn reuses(op: &Op, before: &[World; 2], after: &[World; 2]) -> Vec<Reused> {
    let OpKind::Fork { child, .. } = op.kind else { return Vec::new() };
    let (Some(ours), Some(theirs)) = (after[0].process(child), after[1].process(child)) else { return Vec::new() };
    let pairs = ours.vmas.iter().zip(&theirs.vmas);
    pairs
        .map(|(a, b)| {
            let ids = [a.anon_vma, b.anon_vma];
            let old = |side: usize| ids[side].filter(|&id| before[side].anon_vma(id).is_some());
            Reused { place: (child, a.range.start), anon_vma: [old(0), old(1)] }
        })
        .collect()
}

impl Reused {
    /// In words, if the sides chose differently.
    fn differs(&self, before: &[World; 2]) -> Option<String> {
        let colours = before.each_ref().map(|world| Colours::of(world, true));
        let chosen = [0, 1].map(|side| self.anon_vma[side].map(|id| colours[side].of_anon_vma(id)));
        (chosen[0] != chosen[1]).then(|| {
            let text = |side: usize| match self.anon_vma[side] {
                Some(id) => {
                    format!("reuses the anon_vma of generation {}", semantic::depth(&before[side], id))
                }
                None => "makes a new anon_vma".to_owned(),
            };
            let (mm, page) = self.place;
            format!("the fork of the VMA at {page:#x} to {mm} {}, and {}", text(0), text(1))
        })
    }
}

/// A state without what a fork that failed leaves behind by right: pages that were shared for a while are exclusive no
/// more.
fn undone(world: &World) -> World {
    let mut world = world.clone();
    world.processes.iter_mut().flat_map(|process| &mut process.pages).for_each(|page| page.exclusive = false);
    world
}

fn outcome_text(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done => "done".into(),
        Outcome::Refused(errno) => format!("refused with {}", errno_name(errno)),
        Outcome::Failed(ENOMEM) => "ENOMEM".into(),
        Outcome::Failed(errno) => format!("failed with {}", errno_name(errno)),
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() { "nothing".into() } else { text }
}
