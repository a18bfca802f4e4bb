//! What is done at a state where a lockstep is searched: each operation, plainly and with each failure, under all of its
//! checks; in each new state also the walk of every folio and the exit of every process.

use std::collections::HashSet;

use rustc_hash::FxBuildHasher;

use super::Transition;
use super::scope::{Failures, Scope};
use super::search::{Expand, Expansion, SearchView};
use crate::check::{Driver, Finding, Lockstep, Rehearsal, end_trace, run_trace};
use crate::rmap::{Fail, Rmap, Side};
use crate::trace::{Op, Trace};
use crate::world::World;

/// A lockstep and its driver, for one thread.
pub struct LockstepWorlds<C, P, D> {
    pub(super) lockstep: Lockstep<C, P>,
    pub(super) driver: D,
    pub(super) scope: Scope,
    /// Of a search that tries nothing else in each state: these operations, together.
    pub(super) given: Option<Vec<Op>>,
    /// What was done since the world was empty.
    pub(super) history: Trace,
    /// Keys of states in which everything was ended already, though the search does not know them yet.
    pub(super) ended: HashSet<u128, FxBuildHasher>,
    /// What was told last where nothing was looked at.
    pub(super) rehearsal: Rehearsal,
    /// How many allocations were made to fail where nothing was looked at.
    pub(super) injected: u64,
}

/// What one operation came to.
pub(super) enum Advance {
    /// A state.
    To(u128),
    /// A finding that is known: nothing to go on from.
    Known,
    Found(Box<(Trace, Finding)>),
}

impl<C: Side, P: Side, D: Driver<C, P>> LockstepWorlds<C, P, D> {
    /// Where the driver [counts](Driver::injected) maple tree nodes, their allocations fail too, and so do those of frames and
    /// page tables.
    pub fn new(lockstep: Lockstep<C, P>, driver: D, scope: Scope) -> Self {
        LockstepWorlds {
            lockstep,
            driver,
            scope,
            given: None,
            history: Trace::default(),
            ended: HashSet::default(),
            rehearsal: Rehearsal::default(),
            injected: 0,
        }
    }

    /// Nothing but these operations is tried, together as the scope says.
    pub fn trying(self, ops: Vec<Op>) -> Self {
        LockstepWorlds { given: Some(ops), ..self }
    }

    fn empty(&mut self) {
        self.lockstep.reset();
        self.driver.reset();
        self.history = Trace::default();
    }

    /// Does what was done before, and was found sound when each operation of it was the last one.
    pub(super) fn replay(&mut self, prefix: &Trace) {
        self.empty();
        self.driver.set_replays(true);
        if prefix.sections.is_empty() {
            prefix.ops.iter().for_each(|op| self.perform(&(*op).into()));
        } else {
            Transition::all_of(prefix).iter().for_each(|transition| self.perform(transition));
        }
        self.driver.set_replays(false);
        self.driver.check(&mut self.lockstep);
    }

    pub(super) fn apply(&mut self, transition: &Transition) {
        self.perform(transition);
        self.driver.check(&mut self.lockstep);
    }

    fn perform(&mut self, transition: &Transition) {
        transition.append_to(&mut self.history);
        match transition {
            Transition::Operation(op) => drop(self.driver.apply(&mut self.lockstep, op)),
            // Whether it ran is said by what it came to.
            Transition::Section(section) => {
                drop(self.driver.apply_together(&mut self.lockstep, &section.0, &section.1));
            }
        }
        self.lockstep.end_operation();
    }

    /// The finding there is, with a trace that finds it: the shortest, unless it takes what was done and undone in
    /// between.
    pub(super) fn settle(&mut self, prefix: &Trace, last: Option<&Transition>) -> Option<Advance> {
        let finding = self.lockstep.finding()?.clone();
        if self.lockstep.settle() {
            return Some(Advance::Known);
        }
        let mut short = prefix.clone();
        last.iter().for_each(|last| last.append_to(&mut short));
        let long = std::mem::take(&mut self.history);
        let again = run_trace(&mut self.lockstep, &mut self.driver, &short).finding;
        Some(match again {
            Some(again) => Advance::Found(Box::new((short, again))),
            None => Advance::Found(Box::new((long, finding))),
        })
    }

    pub(super) fn key(&mut self) -> u128 {
        match World::of(&mut self.lockstep, &mut self.driver) {
            Ok(world) => world.key(self.scope.symmetry),
            // The lockstep says so, too, when it looks at the whole state.
            Err(_) => 0,
        }
    }

    fn step(&mut self, prefix: &Trace, transition: &Transition) -> Advance {
        self.apply(transition);
        match self.settle(prefix, Some(transition)) {
            Some(step) => step,
            None => Advance::To(self.key()),
        }
    }

    /// Every process exits, after every folio was walked.
    pub(super) fn end(&mut self, prefix: &Trace, last: Option<&Transition>) -> Option<Advance> {
        self.lockstep.finish();
        end_trace(&mut self.lockstep, &mut self.driver);
        self.settle(prefix, last)
    }
}

impl<C: Side + Send, P: Side + Send, D: Driver<C, P> + Send> Expand for LockstepWorlds<C, P, D> {
    fn root(&mut self, begin: &Trace) -> u128 {
        // Nobody has looked at it.
        self.empty();
        Transition::all_of(begin).iter().for_each(|transition| self.apply(transition));
        self.key()
    }

    fn expand(&mut self, prefix: &Trace, search: SearchView<'_>) -> Expansion {
        let mut out = Expansion::default();
        self.replay(prefix);
        if let Some(Advance::Found(found)) = self.settle(prefix, None) {
            out.found = Some(found);
            return out;
        }
        let Ok(world) = World::of(&mut self.lockstep, &mut self.driver) else { return out };
        let here = world.key(self.scope.symmetry);
        // The world is in this state; not merely in one that has become another.
        let mut is_here = true;
        let alone = if self.given.is_some() { Vec::new() } else { self.scope.operations(&world) };
        for kind in alone {
            let mut failures = FailuresOf::default();
            let mut op = Some(Op::from(kind));
            while let Some(now) = op {
                if !std::mem::replace(&mut is_here, true) {
                    self.replay(prefix);
                }
                out.counts.transitions += 1;
                out.counts.failing += u64::from(now != Op::from(kind));
                let transition = Transition::from(now);
                let step = self.step(prefix, &transition);
                let attempts = self.lockstep.attempts();
                let injected = self.driver.injected(&mut self.lockstep);
                let pages = self.driver.page_tables(&mut self.lockstep).is_some();
                match step {
                    Advance::To(key) if key == here => {}
                    Advance::To(key) => {
                        is_here = false;
                        out.children.push((transition.clone(), key));
                        if !search.is_seen(key) && self.ended.insert(key) {
                            match self.end(prefix, Some(&transition)) {
                                Some(Advance::Found(found)) => {
                                    out.found = Some(found);
                                    return out;
                                }
                                Some(_) => out.counts.known += 1,
                                None => {}
                            }
                        }
                    }
                    Advance::Known => {
                        is_here = false;
                        out.counts.known += 1;
                    }
                    Advance::Found(found) => {
                        out.found = Some(found);
                        return out;
                    }
                }
                op = match self.scope.failures {
                    Failures::None => None,
                    Failures::All => failures.next(kind.into(), attempts, injected, pages),
                };
            }
        }
        if let Some(together) = self.scope.together {
            self.together(together, prefix, &world, search, &mut out);
        }
        self.ended.retain(|&key| !search.is_seen(key));
        out
    }
}

/// The failures of one operation, in turn.
#[derive(Default)]
struct FailuresOf {
    /// Attempts of the operation where nothing fails.
    attempts: Option<u32>,
    /// The attempt that failed last, and whether all later ones did too.
    failed: (u16, bool),
    /// The node that failed last.
    node: u16,
    /// Whether there are no more nodes to fail.
    past_nodes: bool,
    /// The frame or page table that failed last.
    page: u16,
}

impl FailuresOf {
    /// The operation with the next failure. `attempts` and `injected` are those of the one before; `pages`: frames and page
    /// tables are allocated, too.
    fn next(&mut self, plain: Op, attempts: u32, injected: Option<u32>, pages: bool) -> Option<Op> {
        let all = *self.attempts.get_or_insert(attempts);
        self.failed = match self.failed {
            (n, false) if n > 0 => (n, true),
            (n, _) => (n.saturating_add(1), false),
        };
        let (n, ever_after) = self.failed;
        if u32::from(n) <= all {
            let fail = if ever_after { Fail::new(&[], Some(n)).unwrap_or_default() } else { Fail::nth(n) };
            return Some(Op { fail, ..plain });
        }
        // How many nodes there are to fail is known when one does not; and how many pages.
        let failed_none = injected? == 0;
        self.past_nodes |= self.node > 0 && failed_none;
        if !self.past_nodes {
            self.node = self.node.saturating_add(1);
            return Some(Op { fail_node: Fail::nth(self.node), ..plain });
        }
        if !pages || self.page > 0 && failed_none {
            return None;
        }
        self.page = self.page.saturating_add(1);
        Some(Op { fail_page: Fail::nth(self.page), ..plain })
    }
}
