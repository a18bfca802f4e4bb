//! The sorts of differences between two references, and how often each was seen.

use std::collections::BTreeMap;
use std::fmt;

use crate::rmap::Function;
use crate::trace::Trace;

/// One of the two references.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PairSide {
    /// The first.
    Base,
    /// The second.
    Changed,
    /// Both alike.
    Both,
}

impl PairSide {
    /// By place: 0 or 1.
    pub(super) fn at(place: usize) -> PairSide {
        if place == 0 { PairSide::Base } else { PairSide::Changed }
    }
}

/// What two references need not have alike to be equivalent except for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BenignDifference {
    /// The chains hold the same, in another order.
    Chain,
    /// A fork reuses another ancestor's anon_vma, or one where the other makes a new one.
    Reuse,
    /// The same is allocated, in another order.
    Allocation,
    /// More or less is allocated.
    AllocationCount,
    /// The same is allocated with other GFP flags.
    AllocationFlags,
    /// Roots are locked and unlocked in another order, or otherwise often.
    Lock,
    /// TLBs are flushed in another order, in other pieces or otherwise often.
    Flush,
    /// A statistic of the node changes by another amount.
    Statistics,
    /// A walk comes to the mappings of a folio in another order, and ends where one is locked in memory.
    WalkOrder,
    /// An allocation that fails is not made by the other, which reuses an anon_vma there.
    EnomemWhereReused(PairSide),
    /// An allocation that fails is not made by the other.
    EnomemAlone(PairSide),
    /// Operations that run together come to an end on the first reference that no schedule of the second comes to.
    EndOfBaseAlone,
    /// One hands a VMA with a chain and no anon_vma to `unlink_anon_vmas()`, from this function; the other does not.
    PartialUnlink(PairSide, Option<Function>),
}

/// A sort of difference. The later, the worse.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// Equivalent except for this.
    Except(BenignDifference),
    /// Different: which state, or what an operation came to.
    Different(String),
    /// A side breaks an invariant: the signature of the finding.
    Violates(PairSide, String),
}

/// Names of the two references, to say a class in.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The first.
    pub base: &'a str,
    /// The second.
    pub changed: &'a str,
}

impl Names<'_> {
    fn of(&self, which: PairSide) -> &str {
        match which {
            PairSide::Base => self.base,
            PairSide::Changed => self.changed,
            PairSide::Both => "both",
        }
    }
}

impl Class {
    /// In words.
    pub fn text(&self, names: Names<'_>) -> String {
        match self {
            Class::Except(order) => order.text(names),
            Class::Different(what) => what.clone(),
            Class::Violates(which, what) => format!("{} of {}", what, names.of(*which)),
        }
    }
}

impl BenignDifference {
    fn text(self, names: Names<'_>) -> String {
        match self {
            BenignDifference::Chain => "chain order".into(),
            BenignDifference::Reuse => "reuse choice".into(),
            BenignDifference::Allocation => "allocation order".into(),
            BenignDifference::AllocationCount => "allocation count".into(),
            BenignDifference::AllocationFlags => "allocation flags".into(),
            BenignDifference::Lock => "lock order".into(),
            BenignDifference::Flush => "flush order".into(),
            BenignDifference::Statistics => "statistics".into(),
            BenignDifference::WalkOrder => "order of a walk that ends early".into(),
            BenignDifference::EnomemWhereReused(which) => {
                format!("ENOMEM of {} where reuse would have succeeded", names.of(which))
            }
            BenignDifference::EnomemAlone(which) => {
                format!("ENOMEM of {} at an allocation that the other does not make", names.of(which))
            }
            BenignDifference::EndOfBaseAlone => {
                format!("end of operations together that only {} comes to", names.base)
            }
            BenignDifference::PartialUnlink(which, function) => {
                let by = function.map_or("the VMA code".into(), |function| format!("{function}()"));
                format!("a partial VMA that {by} hands to unlink_anon_vmas(), in {} alone", names.of(which))
            }
        }
    }
}

/// How a class was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// How often.
    pub count: u64,
    /// The shortest trace so far that shows it.
    pub trace: Trace,
    /// What is seen there.
    pub detail: String,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sightings(BTreeMap<Class, Sighting>);

impl Sightings {
    /// By class, the mildest first.
    pub fn iter(&self) -> impl Iterator<Item = (&Class, &Sighting)> {
        self.0.iter()
    }

    /// Whether it was seen.
    pub fn get(&self, class: &Class) -> Option<&Sighting> {
        self.0.get(class)
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get_mut(&mut self, class: &Class) -> Option<&mut Sighting> {
        self.0.get_mut(class)
    }

    /// `ops`: how many operations the trace has.
    pub(super) fn add(
        &mut self,
        class: Class,
        count: u64,
        ops: usize,
        trace: impl FnOnce() -> Trace,
        detail: impl FnOnce() -> String,
    ) {
        match self.0.get_mut(&class) {
            None => {
                self.0.insert(class, Sighting { count, trace: trace(), detail: detail() });
            }
            Some(sighting) => {
                sighting.count += count;
                if ops > sighting.trace.ops.len() {
                    return;
                }
                let trace = trace();
                if smaller(&trace, &sighting.trace) {
                    (sighting.trace, sighting.detail) = (trace, detail());
                }
            }
        }
    }

    /// Takes in what another has seen.
    pub fn merge(&mut self, other: Sightings) {
        for (class, sighting) in other.0 {
            let Sighting { count, trace, detail } = sighting;
            self.add(class, count, trace.ops.len(), || trace, || detail);
        }
    }
}

/// A shorter one; of those as long, with fewer failures; then any order that is always the same.
fn smaller(a: &Trace, b: &Trace) -> bool {
    let rank = |trace: &Trace| (trace.ops.len(), trace.ops.iter().filter(|op| !op.fail.is_never()).count());
    rank(a) < rank(b) || rank(a) == rank(b) && a.to_string() < b.to_string()
}

impl fmt::Display for PairSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PairSide::Base => "base",
            PairSide::Changed => "changed",
            PairSide::Both => "both",
        })
    }
}
