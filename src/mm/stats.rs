//! How many operations were done, refused, failed.

use serde::Serialize;

use super::Outcome;
use crate::trace::{OPERATION_COUNT, OPERATIONS};

/// How often one operation ended how.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Counts {
    /// [`Outcome::Done`]
    pub done: u64,
    /// [`Outcome::Refused`]
    pub refused: u64,
    /// [`Outcome::Failed`]
    pub failed: u64,
}

impl Counts {
    /// How many there were.
    pub fn total(&self) -> u64 {
        self.done + self.refused + self.failed
    }

    fn add(&mut self, other: &Counts) {
        self.done += other.done;
        self.refused += other.refused;
        self.failed += other.failed;
    }
}

/// How often each operation ended how.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Stats {
    counts: [Counts; OPERATION_COUNT],
    injected: u64,
}

impl Stats {
    /// Counts one operation, by its [`OpKind::index`](crate::trace::OpKind::index).
    pub(super) fn count(&mut self, index: usize, outcome: Outcome) {
        let counts = &mut self.counts[index];
        match outcome {
            Outcome::Done => counts.done += 1,
            Outcome::Refused(_) => counts.refused += 1,
            Outcome::Failed(_) => counts.failed += 1,
        }
    }

    /// Counts the allocations of an operation that were made to fail.
    pub(super) fn count_injected(&mut self, injected: u32) {
        self.injected += u64::from(injected);
    }

    /// How many allocations were made to fail, those of maple tree nodes included; 0 of a driver that does not know.
    pub fn injected(&self) -> u64 {
        self.injected
    }

    /// Adds what another driver counted.
    pub fn merge(&mut self, other: &Stats) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| mine.add(theirs));
        self.injected += other.injected;
    }

    /// Each operation's keyword and counts, in the order of [`OPERATIONS`].
    pub fn by_operation(&self) -> impl Iterator<Item = (&'static str, Counts)> + '_ {
        OPERATIONS.iter().map(|operation| operation.keyword).zip(self.counts)
    }

    /// All operations together.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.counts.iter().for_each(|counts| total.add(counts));
        total
    }
}

/// With which neighbour a VMA merged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum MergeWith {
    /// The one below.
    Previous,
    /// The one above.
    Next,
    /// Both.
    Both,
}

/// Which sides of a merge had an anon_vma before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum MergeFaulted {
    /// Both sides.
    Both,
    /// The neighbour alone, or one of the two.
    Neighbour,
    /// What was mapped, changed or moved alone.
    This,
    /// Neither.
    Neither,
}

/// How often the kernel merged what an operation mapped, changed or moved with what it then touched.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Merges {
    counts: [[u64; 4]; 3],
}

impl Merges {
    /// Names of the rows.
    const WITH: [&str; 3] = ["previous", "next", "both"];
    /// Names of the columns.
    const FAULTED: [&str; 4] = ["both faulted", "only neighbour faulted", "only this faulted", "none faulted"];

    pub(super) fn count(&mut self, with: MergeWith, faulted: MergeFaulted) {
        self.counts[with as usize][faulted as usize] += 1;
    }

    /// Each case's name and count.
    pub fn cases(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        Self::WITH.iter().zip(&self.counts).flat_map(|(with, row)| {
            Self::FAULTED.iter().zip(row).map(move |(faulted, count)| (format!("{with}, {faulted}"), *count))
        })
    }
}
