//! What a trace expects after an operation, held against what is mapped.

use crate::rmap::{Snapshot, VmaId};
use crate::trace::{Expectation, ExpectedVma, Properties};

/// A VMA as a side has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LaidOut {
    start: u64,
    end: u64,
    /// What [`Properties`] knows of it.
    bits: u64,
}

/// An expectation that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unmet {
    /// What is expected.
    pub expectation: Expectation,
    /// What is there, with those properties that are expected of a VMA of the same range; none: the process does not exist.
    pub actual: Option<Vec<ExpectedVma>>,
}

impl Unmet {
    /// `actual`: none if the process does not exist.
    pub(super) fn unless_met(expectation: &Expectation, actual: Option<Vec<LaidOut>>) -> Option<Unmet> {
        let actual: Option<Vec<ExpectedVma>> = actual.map(|actual| {
            let seen = actual.iter().map(|vma| {
                let same = |expected: &&ExpectedVma| (expected.start, expected.end) == (vma.start, vma.end);
                let said = expectation.layout.iter().find(same).map_or(Properties::default(), |same| same.properties);
                ExpectedVma { start: vma.start, end: vma.end, properties: said.truth(vma.bits) }
            });
            seen.collect()
        });
        let met = actual.as_deref() == Some(&expectation.layout[..]);
        (!met).then(|| Unmet { expectation: expectation.clone(), actual })
    }

    /// What about it, without pages: part of the signature.
    pub fn what(&self) -> &'static str {
        match self.actual {
            Some(_) => "of a layout",
            None => "of a process",
        }
    }

    /// A line for each VMA that is expected, and for each that is there.
    pub fn layouts(&self) -> [Vec<String>; 2] {
        let lines = |vmas: &[ExpectedVma]| match vmas {
            [] => vec!["nothing is mapped".to_owned()],
            vmas => vmas.iter().map(ExpectedVma::to_string).collect(),
        };
        let gone = || vec![format!("p{} does not exist", self.expectation.mm.0)];
        [lines(&self.expectation.layout), self.actual.as_deref().map_or_else(gone, lines)]
    }

    /// What is expected and what is there, a line each.
    pub fn lines(&self) -> Vec<String> {
        let [_, actual] = self.layouts();
        vec![self.expectation.to_string(), format!("is: {}", actual.join(" "))]
    }
}

/// Where a side has these VMAs, in order of address.
pub(super) fn layout(snapshot: &Snapshot, vmas: &[VmaId]) -> Vec<LaidOut> {
    let theirs = snapshot.vmas.iter().filter(|vma| vmas.contains(&vma.id));
    let mut layout: Vec<LaidOut> = theirs
        .map(|vma| {
            let file = if vma.attributes.file > 0 { Properties::FILE } else { 0 };
            let faulted = if vma.anon_vma.is_some() { Properties::FAULTED } else { 0 };
            LaidOut { start: vma.range.start, end: vma.range.end, bits: vma.attributes.flags | file | faulted }
        })
        .collect();
    layout.sort_unstable_by_key(|vma| vma.start);
    layout
}
