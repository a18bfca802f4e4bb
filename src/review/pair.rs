//! Two references side by side: an operation on both, and what is to be said of it.
//!
//! | file | what |
//! | --- | --- |
//! | `pair/sequences.rs` | what both did on the way: allocations, locks, flushes, statistics, half-built VMAs |
//! | `pair/failure.rs` | an operation in which an allocation fails |

mod failure;
mod sequences;

use super::calls::Place;
use super::class::{BenignDifference, Class, PairSide, Sightings};
use super::observed::Observed;
use super::semantic::{self, Colours, Depth, SemanticDifference};
use super::side::Reviewed;
use super::sites::{self, Failure};
use crate::exhaust::Transition;
use crate::mm::Outcome;
use crate::rmap::{ENOMEM, Fail, Side, VmaAttributes, errno_name};
use crate::trace::{Op, OpKind, PageTotals, Target, Trace};
use crate::world::{Symmetry, World};

/// Two references in the same state, as far as that is possible.
pub struct Pair<S: Side> {
    sides: [Reviewed<S>; 2],
    /// The operations done.
    prefix: Vec<PlayedOp>,
    worlds: [World; 2],
    depth: Depth,
    /// Operations that run together are compared under every schedule with at most so many preemptions.
    pub preemptions: u32,
    /// What was seen.
    pub seen: Sightings,
}

/// An operation that was done: on the sides on which it failed, it was done again.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlayedOp {
    op: Op,
    failed: [Option<Fail>; 2],
}

impl PlayedOp {
    pub(super) fn op(&self) -> Op {
        self.op
    }
}

impl From<Op> for PlayedOp {
    fn from(op: Op) -> PlayedOp {
        PlayedOp { op, failed: [None; 2] }
    }
}

/// The trace goes on from there, or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// On.
    Continue,
    /// On, but what failed has left something done.
    ContinueFromOther,
    /// Not: the sides are different from here on, or one has broken.
    Stop,
}

impl<S: Side> Pair<S> {
    /// Both empty.
    pub fn new(base: Reviewed<S>, changed: Reviewed<S>) -> Pair<S> {
        let mut pair = Pair {
            sides: [base, changed],
            prefix: Vec::new(),
            worlds: Default::default(),
            depth: Depth::Graph,
            preemptions: 2,
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
    pub(super) fn here(&self) -> (Vec<PlayedOp>, Depth) {
        (self.prefix.clone(), self.depth)
    }

    pub(super) fn worlds(&self) -> &[World; 2] {
        &self.worlds
    }

    /// Both keys and what is compared: another number for another pair of states.
    pub(super) fn key(&self, symmetry: Symmetry) -> u128 {
        World::joint_key(&self.worlds.each_ref(), symmetry) ^ u128::from(self.depth == Depth::Reused)
    }

    pub(super) fn prefix(&self) -> &[PlayedOp] {
        &self.prefix
    }

    pub(super) fn depth(&self) -> Depth {
        self.depth
    }

    pub(super) fn side(&mut self, place: usize) -> &mut Reviewed<S> {
        &mut self.sides[place]
    }

    /// Plays a trace from empty worlds, to its end, to where the sides part, or to operations that run together.
    pub fn play(&mut self, trace: &Trace) {
        self.reset();
        for transition in Transition::all_of(trace) {
            let next = match &transition {
                Transition::Operation(op) => self.step(op),
                Transition::Section(section) => {
                    let ops = section.0.clone();
                    self.section(&ops, &transition)
                }
            };
            if next == Next::Stop {
                return;
            }
        }
        self.end();
    }

    /// Does one operation. If it is to fail, that is tried first, and then it is done.
    pub fn step(&mut self, op: &Op) -> Next {
        let plain = Op { fail: Fail::NEVER, fail_node: Fail::NEVER, fail_page: Fail::NEVER, ..*op };
        if op.fail.is_never() {
            return self.done(&plain, plain.into()).map_or(Next::Stop, |_| Next::Continue);
        }
        let before = self.here();
        // Which failures there are is known when nothing fails; what is seen meanwhile is seen again below.
        let seen = std::mem::take(&mut self.seen);
        let rehearsal = self.done(&plain, plain.into());
        self.seen = seen;
        self.replay(before);
        let mut step = PlayedOp::from(plain);
        let mut from_here = true;
        if let Some(rehearsal) = rehearsal
            && let Some(failure) = rehearsal.chosen(op)
        {
            match self.fails(op, &failure, &rehearsal) {
                (Next::Stop, _) => return Next::Stop,
                (goes, failed) => {
                    step = PlayedOp { op: *op, failed };
                    from_here = goes == Next::Continue;
                }
            }
        }
        self.done_from(&plain, step, from_here).map_or(Next::Stop, |_| Next::Continue)
    }

    /// Plays operations that are known to go on.
    pub(super) fn replay(&mut self, (prefix, depth): (Vec<PlayedOp>, Depth)) {
        for place in [0, 1] {
            self.replay_side(place, &prefix);
        }
        self.take_worlds();
        (self.prefix, self.depth) = (prefix, depth);
    }

    pub(super) fn replay_side(&mut self, place: usize, prefix: &[PlayedOp]) {
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
    pub(super) fn done(&mut self, op: &Op, step: PlayedOp) -> Option<Rehearsal> {
        self.done_from(op, step, true)
    }

    /// `from_here`: both sides have all of it still to do.
    fn done_from(&mut self, op: &Op, step: PlayedOp, from_here: bool) -> Option<Rehearsal> {
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
        if let Some(orders) = walks_end_apart(op, &before, &self.worlds) {
            self.note(Class::Except(BenignDifference::WalkOrder), || orders);
            return None;
        }
        if self.compare_states(&before, &reused) == Next::Stop {
            return None;
        }
        if self.depth == Depth::Graph && from_here {
            self.compare_attempts(&observed);
            self.compare_locks(&observed);
            self.compare_flushes(&observed);
            self.compare_statistics(&observed);
        }
        Some(Rehearsal { observed, reused, after: self.worlds.clone(), depth: self.depth })
    }

    /// Compares the states after an operation, and says what is compared from now on.
    fn compare_states(&mut self, before: &[World; 2], reused: &[Reused]) -> Next {
        let [base, changed] = &self.worlds;
        // Graphs that have become the same again are compared again.
        let found = match semantic::compare(base, changed, Depth::Graph) {
            None => {
                self.depth = Depth::Graph;
                return Next::Continue;
            }
            Some(found) => found,
        };
        let (class, detail) = match found {
            SemanticDifference::State(what, detail) => (Class::Different(what.into()), detail),
            SemanticDifference::ChainOrder(detail) => {
                self.depth = Depth::Graph;
                (Class::Except(BenignDifference::Chain), detail)
            }
            SemanticDifference::Graph(what, detail) => {
                let choice = match self.depth {
                    Depth::Reused => None,
                    Depth::Graph => reused.iter().find_map(|reused| reused.differs(before)),
                };
                match choice {
                    Some(choice) => {
                        self.depth = Depth::Reused;
                        self.note(Class::Except(BenignDifference::Reuse), || choice);
                    }
                    None if self.depth == Depth::Graph => {
                        self.note(Class::Different(what.into()), || detail);
                        return Next::Stop;
                    }
                    None => {}
                }
                let [base, changed] = &self.worlds;
                match semantic::compare(base, changed, Depth::Reused) {
                    Some(SemanticDifference::State(what, detail)) => (Class::Different(what.into()), detail),
                    _ => return Next::Continue,
                }
            }
        };
        let goes = if matches!(class, Class::Different(_)) { Next::Stop } else { Next::Continue };
        self.note(class, || detail);
        goes
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
            [Some(Some((signature, detail))), Some(Some((other, _)))] if signature == other => {
                self.note(Class::Violates(PairSide::Both, signature.clone()), || detail.clone());
            }
            _ => {
                for (side, found) in found.iter().enumerate() {
                    if let Some(Some((signature, detail))) = found {
                        self.note(Class::Violates(PairSide::at(side), signature.clone()), || detail.clone());
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

/// The orders of a walk that each side has another of, if it may end before the last mapping, since one of them is locked in
/// memory, and has left the sides with other page tables.
fn walks_end_apart(op: &Op, before: &[World; 2], after: &[World; 2]) -> Option<String> {
    let (OpKind::SwapOut { mm, page } | OpKind::Age { mm, page } | OpKind::Walk { mm, page, .. }) = op.kind else {
        return None;
    };
    let orders = before.each_ref().map(|world| semantic::walk_order(world, mm, page));
    let [Some(ours), Some(theirs)] = &orders else { return None };
    let is_locked = |&(mm, start): &Place| {
        let vma = before[0].process(mm).and_then(|process| process.vmas.iter().find(|vma| vma.range.start == start));
        vma.is_some_and(|vma| vma.attributes.flags & VmaAttributes::LOCKED != 0)
    };
    let apart = ours != theirs && ours.iter().any(is_locked);
    let [base, changed] = after;
    if !apart || semantic::compare(base, changed, Depth::Reused).is_none() {
        return None;
    }
    let text =
        |order: &[Place]| order.iter().map(|(mm, start)| format!("{mm} {start:#x}")).collect::<Vec<_>>().join(", ");
    Some(format!("the VMAs of the folio at {page:#x} of {mm} are in the order {} and {}", text(ours), text(theirs)))
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

/// A state without what a fork or a fault that failed leaves behind by right: pages that were shared for a while are exclusive no
/// more, nor are their entries; what a device had the process has again; page tables were made, and pages of files read.
fn undone(world: &World) -> World {
    let mut world = world.clone();
    world.processes.iter_mut().flat_map(|process| &mut process.pages).for_each(|page| page.exclusive = false);
    if let Some(tables) = &mut world.tables {
        for entry in &mut tables.entries {
            entry.writable = false;
            if let Some(frame) = entry.target.mapped_or_lent()
                && tables.frames.iter().any(|of| of.frame == frame && of.anon)
            {
                (entry.target, entry.dirty) = (Target::Frame(frame), false);
            }
            if let Target::Swap { exclusive, .. } | Target::Migration { exclusive, .. } = &mut entry.target {
                *exclusive = false;
            }
        }
        tables.frames.retain(|frame| !frame.file || frame.mapcount > 0);
        tables.note_places();
        tables.frames.iter_mut().for_each(|frame| frame.exclusive = false);
        tables.mms.iter_mut().for_each(|mm| (mm.table_bytes, mm.tables) = (0, 0));
        tables.totals = PageTotals::default();
    }
    world
}

pub(super) fn outcome_text(outcome: Outcome) -> String {
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
