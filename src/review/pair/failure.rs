//! An operation in which an allocation fails, on both sides or on the one that makes it.

use super::{Next, Pair, PlayedOp, Rehearsal, outcome_text, undone};
use crate::mm::Outcome;
use crate::review::class::{BenignDifference, Class, PairSide};
use crate::review::semantic::{self, Depth, SemanticDifference};
use crate::review::side::Reviewed;
use crate::review::sites::Failure;
use crate::rmap::{Fail, Side};
use crate::trace::{Op, OpKind};
use crate::world::{Symmetry, World};

impl<S: Side> Pair<S> {
    /// Does an operation in which one allocation fails. A side on which it succeeds all the same is put back to where it
    /// was. Tells also with which failures the operation failed.
    pub(in crate::review) fn fails(
        &mut self,
        op: &Op,
        failure: &Failure,
        rehearsal: &Rehearsal,
    ) -> (Next, [Option<Fail>; 2]) {
        self.prefix.push(PlayedOp { op: *op, failed: [None; 2] });
        let outcomes = [0, 1].map(|side| failure.fails[side].map(|fail| self.sides[side].apply(op, fail)));
        let goes = self.judge_failure(op, failure, rehearsal, outcomes);
        self.prefix.pop();
        let mut failed = failure.fails;
        if goes != Next::Stop {
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
    ) -> Next {
        if self.settle() {
            return Next::Stop;
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
        let mut goes = Next::Continue;
        for side in [0, 1] {
            let Some(outcome) = failed[side] else { continue };
            let before = &self.worlds[side];
            if before.key(Symmetry::None) == after[side].key(Symmetry::None) {
                continue;
            }
            goes = Next::ContinueFromOther;
            // What does one thing or nothing. The others may leave done what came before the failure.
            let whole = matches!(op.kind, OpKind::Fork { .. } | OpKind::Fault { .. } | OpKind::Map { .. });
            let [was, is] = [before, &after[side]].map(|world| undone(world).key(Symmetry::None));
            if whole && was != is {
                let what = format!("failed {} changed the state", op.kind.keyword());
                self.note(Class::Violates(PairSide::at(side), what), || outcome_text(outcome));
                return Next::Stop;
            }
        }
        let alone = |side: usize| match rehearsal.reused_at(1 - side, failure.site.place) {
            true => BenignDifference::EnomemWhereReused(PairSide::at(side)),
            false => BenignDifference::EnomemAlone(PairSide::at(side)),
        };
        match outcomes {
            [Some(base), Some(changed)] if base != changed => {
                let class = Class::Different(format!("outcome of {} under failure", op.kind.keyword()));
                let texts = [base, changed].map(outcome_text);
                self.note(class, || format!("{}: {}", failure.site, texts.join(" and ")));
                return Next::Stop;
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
                    let order = Class::Except(alone(side));
                    self.note(order, || format!("{}: {}", failure.site, outcome_text(outcome)));
                } else {
                    self.compare_after_failure(failure, &after, rehearsal.depth, Some(alone(side)));
                }
            }
        }
        goes
    }

    /// Compares what a failure has left. `alone`: the other side cannot meet it.
    fn compare_after_failure(
        &mut self,
        failure: &Failure,
        after: &[World; 2],
        depth: Depth,
        alone: Option<BenignDifference>,
    ) {
        let (class, detail) = match (semantic::compare(&after[0], &after[1], depth), alone) {
            (None, _) => return,
            (Some(SemanticDifference::ChainOrder(detail)), _) => (Class::Except(BenignDifference::Chain), detail),
            (Some(SemanticDifference::State(_, detail) | SemanticDifference::Graph(_, detail)), Some(alone)) => {
                (Class::Except(alone), detail)
            }
            (Some(SemanticDifference::State(what, detail) | SemanticDifference::Graph(what, detail)), None) => {
                (Class::Different(format!("{what} after a failure")), detail)
            }
        };
        self.note(class, || format!("{}: {detail}", failure.site));
    }
}
