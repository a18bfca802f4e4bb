//! What leads from one state to another.

use crate::trace::together::{Section, Switch};
use crate::trace::{Op, Trace};

/// An operation, or several that run together.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Transition {
    /// One alone.
    Operation(Op),
    /// Its operations, and the section of a trace that has nothing else.
    Section(Box<(Vec<Op>, Section)>),
}

impl From<Op> for Transition {
    fn from(op: Op) -> Transition {
        Transition::Operation(op)
    }
}

impl Transition {
    /// Operations that run together.
    pub fn section(ops: &[Op], switches: &[Switch]) -> Transition {
        Transition::of_section(ops, switches, false)
    }

    /// Operations that run together. `accesses`: loads and stores are points even if no switch is at one.
    pub(super) fn of_section(ops: &[Op], switches: &[Switch], accesses: bool) -> Transition {
        let mut section = Section::new(0, ops.len(), switches.to_vec());
        section.accesses |= accesses;
        Transition::Section(Box::new((ops.to_vec(), section)))
    }

    /// Whether operations run together.
    pub fn is_section(&self) -> bool {
        matches!(self, Transition::Section(_))
    }

    /// How many operations it has.
    pub fn operations(&self) -> usize {
        match self {
            Transition::Operation(_) => 1,
            Transition::Section(section) => section.0.len(),
        }
    }

    /// The trace, and this at its end.
    pub fn append_to(&self, trace: &mut Trace) {
        match self {
            Transition::Operation(op) => trace.ops.push(*op),
            Transition::Section(section) => {
                let (ops, section) = &**section;
                trace.sections.push(Section { first: trace.ops.len(), ..section.clone() });
                trace.ops.extend_from_slice(ops);
            }
        }
    }

    /// Those of a trace, in order.
    pub fn all_of(trace: &Trace) -> Vec<Transition> {
        let mut all = Vec::with_capacity(trace.ops.len());
        let mut at = 0;
        while at < trace.ops.len() {
            let (next, transition) = match trace.section_of(at) {
                Some(of) => (of.range().end, Transition::section(&trace.ops[of.range()], &of.switches)),
                None => (at + 1, trace.ops[at].into()),
            };
            all.push(transition);
            at = next;
        }
        all
    }
}
