//! Two references at each state of a small scope.

use std::collections::HashSet;

use rustc_hash::FxBuildHasher;

use super::class::Sightings;
use super::pair::{Next, Pair};
use super::side::Reviewed;
use crate::exhaust::{Expand, Expansion, Failures, Scope, SearchView};
use crate::rmap::{Fail, Side};
use crate::trace::{Op, Trace};

/// A pair of references, for one thread. What it finds are sightings, not what ends a search.
pub struct Explorer<S: Side> {
    pair: Pair<S>,
    scope: Scope,
    ended: HashSet<u128, FxBuildHasher>,
}

impl<S: Side> Explorer<S> {
    /// Two references that have done nothing yet.
    pub fn new(base: Reviewed<S>, changed: Reviewed<S>, scope: Scope) -> Explorer<S> {
        let mut pair = Pair::new(base, changed);
        pair.preemptions = scope.together.map_or(pair.preemptions, |together| together.preemptions);
        Explorer { pair, scope, ended: HashSet::default() }
    }

    /// What was seen so far, which is forgotten.
    pub fn take_seen(&mut self) -> Sightings {
        std::mem::take(&mut self.pair.seen)
    }

    /// The pair.
    pub fn pair(&mut self) -> &mut Pair<S> {
        &mut self.pair
    }

    fn at(&mut self, prefix: &[Op]) -> bool {
        // What was to be said of these was said when they were tried.
        let seen = std::mem::take(&mut self.pair.seen);
        self.pair.reset();
        let goes = prefix.iter().all(|op| self.pair.step(op) != Next::Stop);
        self.pair.seen = seen;
        goes
    }
}

impl<S: Side + Send> Expand for Explorer<S> {
    fn root(&mut self, begin: &Trace) -> u128 {
        self.at(&begin.ops);
        self.pair.key(self.scope.symmetry)
    }

    fn expand(&mut self, prefix: &Trace, search: SearchView<'_>) -> Expansion {
        let mut out = Expansion::default();
        if !self.at(&prefix.ops) {
            return out;
        }
        let here = self.pair.here();
        let key_here = self.pair.key(self.scope.symmetry);
        let kinds = self.scope.operations(&self.pair.worlds()[0]);
        for kind in kinds {
            let op = Op::from(kind);
            out.counts.transitions += 1;
            let rehearsal = self.pair.done(&op, op.into());
            if rehearsal.is_some() {
                let key = self.pair.key(self.scope.symmetry);
                if key != key_here {
                    out.children.push((op.into(), key));
                }
                if !search.is_seen(key) && self.ended.insert(key) {
                    self.pair.end();
                }
            }
            self.pair.replay(here.clone());
            let (Some(rehearsal), Failures::All) = (rehearsal, self.scope.failures) else { continue };
            for (number, failure) in (1..).zip(rehearsal.failures()) {
                out.counts.transitions += 1;
                out.counts.failing += 1;
                let op = Op { fail: Fail::nth(number), ..op };
                if self.pair.fails(&op, &failure, &rehearsal).0 != Next::Continue {
                    self.pair.replay(here.clone());
                }
            }
        }
        if let Some(together) = self.scope.together {
            for ops in self.scope.sections(&self.pair.worlds()[0], together.tasks) {
                out.stopped = search.is_time_up();
                if out.stopped {
                    break;
                }
                out.counts.sections += 1;
                for counts in self.pair.compare_together(&ops, together.preemptions) {
                    out.counts.schedules += counts.run;
                    out.counts.idle += counts.idle;
                }
            }
            self.pair.replay(here);
        }
        self.ended.retain(|&key| !search.is_seen(key));
        out
    }
}

impl<E: Expand + ?Sized> Expand for &mut E {
    fn root(&mut self, begin: &Trace) -> u128 {
        (**self).root(begin)
    }
    fn expand(&mut self, prefix: &Trace, search: SearchView<'_>) -> Expansion {
        (**self).expand(prefix, search)
    }
}
