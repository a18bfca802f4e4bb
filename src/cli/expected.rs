//! What a command says of the expectations of a trace that it does not check.

use std::io::Write as _;
use std::path::Path;

use crate::kernel::Reference;
use crate::session::VmaCode;
use crate::trace::{Expectation, Trace};

/// What there is to expect of a run.
pub(super) struct Expected<'a> {
    /// Those that are about the reference.
    about: Vec<&'a Expectation>,
    /// Those that are about other versions.
    pub(super) other: Vec<&'a Expectation>,
    /// Whether the VMA code lets the first ones be checked.
    checked: bool,
    version: &'a str,
}

impl<'a> Expected<'a> {
    /// Of a trace, on a reference, under this VMA code.
    pub(super) fn new(trace: &'a Trace, reference: &'a Reference, vma: VmaCode) -> Expected<'a> {
        let (about, other) = trace.expectations.iter().partition(|expectation| expectation.is_of(reference.version));
        Expected { about, other, checked: vma != VmaCode::Model, version: reference.version }
    }

    /// Says on standard error if there are some that are not checked because of the VMA code.
    pub(super) fn warn(&self) {
        if !self.checked {
            unchecked(self.about.len(), "the model VMA code does not merge VMAs");
        }
    }

    /// Where nothing was found in so many operations: how many hold, and how many were not checked.
    pub(super) fn counts(&self, operations: usize) -> [usize; 2] {
        let reached = |expectation: &&&Expectation| self.checked && expectation.operation <= operations;
        let hold = self.about.iter().filter(reached).count();
        [hold, self.about.len() - hold]
    }

    /// The same in words, if there are any in the trace and they are checked; for those that were not reached, standard
    /// error says so.
    pub(super) fn summary(&self, operations: usize) -> Option<String> {
        let [hold, not_reached] = self.counts(operations);
        if !self.checked || self.about.len() + self.other.len() == 0 {
            return None;
        }
        unchecked(not_reached, "a known finding ended the trace before");
        let hold = if hold == 1 { "1 expectation holds".to_owned() } else { format!("{hold} expectations hold") };
        Some(match self.other.len() {
            0 => hold,
            1 => format!("{hold}, 1 is not for {}", self.version),
            count => format!("{hold}, {count} are not for {}", self.version),
        })
    }

    /// Those that are about other versions, a line each.
    pub(super) fn other_versions(&self) -> String {
        let line = |expectation: &&Expectation| {
            format!("operation {}: {expectation}: not for {}\n", expectation.operation, self.version)
        };
        self.other.iter().map(line).collect()
    }
}

/// Says on standard error that so many expectations are not checked, if any, and why.
pub(super) fn unchecked(count: usize, why: &str) {
    let expectations = if count == 1 { "expectation" } else { "expectations" };
    if count > 0 {
        let _ = writeln!(anstream::stderr(), "rmap-diff: {count} {expectations} not checked: {why}");
    }
}

/// Says on standard error that a command checks none of those of a trace, if it has any.
pub(super) fn ignored(trace: &Trace, path: &Path, command: &str) {
    let count = trace.expectations.len();
    unchecked(count, &format!("{command} compares, and does not look at what {} expects", path.display()));
}
