//! A trace made small: operations go and fields shrink as long as the trace does what it did.
//!
//! What that is, whoever calls says with a predicate: nothing here knows of sides, drivers or findings. An operation
//! is known by its arguments alone, as the table in `trace` names them, so that a new one shrinks like the others.
//!
//! | file | what it tries |
//! | --- | --- |
//! | `minimize/operations.rs` | fewer operations: without some, without a process, with two processes made one; plainer ones |
//! | `minimize/fields.rs` | fewer failures and words, lower processes, files and pins |
//! | `minimize/pages.rs` | shorter ranges, smaller gaps, lower pages |
//! | `minimize/sections.rs` | fewer operations that run together, fewer switches between them, and earlier ones |
//! | `minimize/size.rs` | what smaller means |

mod fields;
mod operations;
mod pages;
mod sections;
mod size;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use crate::trace::{Op, Trace};
use size::Size;

/// The smallest trace that can be come to by single steps from `trace`, each of which `still_fails`. No single step
/// makes the result smaller; it is the same every time.
///
/// The result has no expectations, and `still_fails` sees none: what is expected after an operation is so because of all
/// operations before it. A trace that does not fail without them comes back as it is. `still_fails` must give the same answer to the same trace: it is
/// not asked twice. It is asked some hundred times for a trace that becomes small, and some thousand for one that does not.
pub fn minimize(trace: &Trace, still_fails: impl FnMut(&Trace) -> bool) -> Trace {
    let mut still_fails = still_fails;
    let bare = Trace { expectations: Vec::new(), ..trace.clone() };
    if !still_fails(&bare) {
        return trace.clone();
    }
    let mut search = Search::new(bare, &mut still_fails);
    search.until_nothing_goes(|search| {
        sections::shrink(search);
        // It takes operations for independent of what is around them.
        if search.best.sections.is_empty() {
            operations::shrink(search);
        }
        fields::shrink(search);
        pages::shrink(search);
    });
    search.best
}

/// A search under way.
struct Search<'a> {
    /// The smallest so far that fails.
    best: Trace,
    size: Size,
    /// What was tried in vain, by hash: a collision costs a step, not a wrong result.
    refused: HashSet<u64>,
    /// Steps taken.
    steps: u64,
    still_fails: &'a mut dyn FnMut(&Trace) -> bool,
}

impl<'a> Search<'a> {
    fn new(trace: Trace, still_fails: &'a mut dyn FnMut(&Trace) -> bool) -> Self {
        Search { size: Size::of(&trace), best: trace, refused: HashSet::new(), steps: 0, still_fails }
    }

    /// How many operations are left.
    fn len(&self) -> usize {
        self.best.ops.len()
    }

    /// Takes the step to a trace, if that is smaller and still fails. That it must be smaller is why a search ends.
    fn attempt(&mut self, candidate: Trace) -> bool {
        let size = Size::of(&candidate);
        if size >= self.size || !sections::are_legal(&candidate) {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        candidate.hash(&mut hasher);
        let hash = hasher.finish();
        if self.refused.contains(&hash) {
            return false;
        }
        if !(self.still_fails)(&candidate) {
            self.refused.insert(hash);
            return false;
        }
        (self.best, self.size) = (candidate, size);
        self.steps += 1;
        true
    }

    /// The step to the same trace without some operations.
    fn attempt_without(&mut self, range: Range<usize>) -> bool {
        let mut candidate = self.best.clone();
        candidate.ops.drain(range);
        self.attempt(candidate)
    }

    /// The step to the same trace with another operation there.
    fn attempt_with(&mut self, at: usize, op: Op) -> bool {
        let mut candidate = self.best.clone();
        candidate.ops[at] = op;
        self.attempt(candidate)
    }

    /// Tries what `candidates` makes of each operation, again and again until none of it is taken.
    fn attempt_each(&mut self, candidates: impl Fn(&Trace, &Op) -> Vec<Op>) {
        for at in 0..self.len() {
            while candidates(&self.best, &self.best.ops[at]).into_iter().any(|op| self.attempt_with(at, op)) {}
        }
    }

    /// Does `round` until one takes no step.
    fn until_nothing_goes(&mut self, mut round: impl FnMut(&mut Self)) {
        loop {
            let before = self.steps;
            round(self);
            if self.steps == before {
                return;
            }
        }
    }
}

/// By how much a number up to `most` is lowered: by all, by all but one, and then by ever less, halving.
fn amounts(most: u64) -> Vec<u64> {
    let mut amounts: Vec<u64> = std::iter::successors(Some(most), |&n| Some(n / 2)).take_while(|&n| n > 0).collect();
    if most > 2 {
        amounts.insert(1, most - 1);
    }
    amounts
}
