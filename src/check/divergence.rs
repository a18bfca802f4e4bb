//! What a run stops for: the sides disagree, or one breaks an invariant.

use std::fmt;

use super::expect::Unmet;
use super::state_diff::FieldDiff;
use super::violation::Violation;
use crate::rmap::{
    Cache, Call, Entry, Event, EventKind, FlushKind, Function, Gfp, MmCounter, Rule, StateError, errno_name,
};
use crate::trace::schedule::Step;

/// Which side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sides {
    /// The kernel's compiled C.
    Reference,
    /// The Rust port.
    Port,
    /// Both alike.
    Both,
}

impl fmt::Display for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Sides::Reference => "reference",
            Sides::Port => "port",
            Sides::Both => "both sides",
        })
    }
}

/// When it was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// A call returned.
    Call,
    /// An operation had ended.
    EndOfOperation,
    /// The whole state was compared.
    WholeState,
    /// Every process had exited.
    LastExit,
}

impl Phase {
    /// As a report says it.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Call => "after the call",
            Phase::EndOfOperation => "at the end of the operation",
            Phase::WholeState => "when the whole state was looked at",
            Phase::LastExit => "after the last exit",
        }
    }
}

/// What differs first, in the order in which it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Difference {
    /// The event lists, and perhaps the rest as a consequence.
    Events,
    /// The return value.
    Return,
    /// The touched state.
    Touched,
    /// The whole state.
    WholeState,
    /// How many objects are left at the end.
    Live,
    /// What a task is about to do, of operations that run together.
    Point,
}

/// Which task of operations that run together, and what each side was about to do with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskPoint {
    /// Its number, from 0.
    pub task: usize,
    /// What the reference and the port were about to do; [`Step::Ended`]: to return from the call.
    pub about: [Step; 2],
}

/// The sides disagree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// What differs.
    pub what: Difference,
    /// What the reference and the port returned from the call.
    pub returned: [i32; 2],
    /// What the reference and the port did in the call.
    pub events: [Vec<Event>; 2],
    /// The first event in which the lists differ.
    pub first_event: Option<usize>,
    /// Fields of the whole states that differ after the call.
    pub fields: Vec<FieldDiff>,
    /// What the reference and the port say of a WARN, BUG or oops.
    pub warnings: [Option<String>; 2],
    /// Where it was found, in a call of one of several tasks.
    pub task: Option<TaskPoint>,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FindingKind {
    /// The sides disagree.
    Divergence(Divergence),
    /// A side breaks invariants; at least one.
    Violation {
        /// Which side.
        side: Sides,
        /// What it breaks; the first gives the signature.
        violations: Vec<Violation>,
    },
    /// A process has not what the trace expects.
    Expectation {
        /// Which side.
        side: Sides,
        /// What is expected, and what is there.
        unmet: Unmet,
    },
    /// A side tells a state that cannot be read.
    Undecodable {
        /// Which side.
        side: Sides,
        /// Why not.
        error: StateError,
    },
}

/// Why a run stopped, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The operation, from 1; 0 before the first.
    pub operation: u64,
    /// It was found in the exits that end a run, after the last operation of the trace.
    pub teardown: bool,
    /// When.
    pub phase: Phase,
    /// The call at which it was found, or that is to blame, if one is known.
    pub call: Option<Call>,
    /// The calls of the operation so far.
    pub calls: Vec<Call>,
    /// What the tasks did before, in order, if operations ran together: whose step, from 0, and which.
    pub schedule: Vec<(usize, Step)>,
    /// What.
    pub kind: FindingKind,
}

impl Finding {
    /// One line that is the same for the same defect found another way: no serials, pages, or counts.
    pub fn signature(&self) -> String {
        let place = match (self.phase, &self.call) {
            (_, Some(call)) => call.name(),
            (Phase::LastExit, None) => "last exit",
            (Phase::WholeState, None) => "whole state",
            (_, None) => "operation",
        };
        match &self.kind {
            FindingKind::Divergence(divergence) => divergence.signature(place),
            FindingKind::Violation { violations, .. } => match violations.first() {
                Some(first) => violation_signature(first, place),
                None => format!("violate nothing after {place}"),
            },
            FindingKind::Expectation { unmet, .. } => format!("violate expectation {} after {place}", unmet.what()),
            FindingKind::Undecodable { error, .. } => format!("undecodable state: {} after {place}", error.what),
        }
    }

    /// Which side it concerns.
    pub fn side(&self) -> Sides {
        match self.kind {
            FindingKind::Divergence(_) => Sides::Both,
            FindingKind::Violation { side, .. }
            | FindingKind::Expectation { side, .. }
            | FindingKind::Undecodable { side, .. } => side,
        }
    }
}

/// The signature of a violation that was found in this call, or in none, while an operation ran.
pub(super) fn signature_in(call: Option<&Call>, violation: &Violation) -> String {
    violation_signature(violation, call.map_or("operation", |call| call.name()))
}

fn violation_signature(violation: &Violation, place: &str) -> String {
    let place = if violation.at_a_point { "operation" } else { place };
    format!("violate {} {} after {place}", violation.invariant, violation.what)
}

impl Divergence {
    fn signature(&self, place: &str) -> String {
        match self.what {
            Difference::Events => {
                let at = self.first_event.unwrap_or(0);
                let [a, b] = [0, 1].map(|side| event_class(self.events[side].get(at)));
                if a == b {
                    let how = self.events[1].get(at).map_or("of another object", |event| what_else_differs(*event));
                    format!("differ {place} events: {a} vs {b} {how}")
                } else {
                    format!("differ {place} events: {a} vs {b}")
                }
            }
            Difference::Point => {
                let [a, b] = self.task.as_ref().map_or([Step::Ended; 2], |point| point.about).map(point_class);
                let other = if a == b { " of another object" } else { "" };
                format!("differ {place} point: {a} vs {b}{other}")
            }
            Difference::Return => {
                let [a, b] = self.returned.map(return_class);
                let other = if a == b { "another " } else { "" };
                format!("differ {place} return: {a} vs {other}{b}")
            }
            Difference::Touched | Difference::WholeState | Difference::Live => {
                let mut classes: Vec<String> = self.fields.iter().map(FieldDiff::class).collect();
                classes.sort_unstable();
                classes.dedup();
                let what = if self.what == Difference::Touched { " state" } else { "" };
                format!("differ {place}{what}: {}", classes.join(", "))
            }
        }
    }
}

/// What a task is about to do without what depends on how objects are numbered.
fn point_class(step: Step) -> String {
    match step {
        Step::At(kind, object, _) => Step::At(kind, object, None).to_string(),
        Step::Waits(object, _) => Step::Waits(object, None).to_string(),
        Step::Ended => "return".to_owned(),
    }
}

/// A return value without what depends on how objects are numbered.
fn return_class(ret: i32) -> String {
    match ret {
        0 => "0".to_string(),
        1.. => "serial".to_string(),
        errno => format!("-{}", errno_name(errno)),
    }
}

/// In what two events differ that are alike without what depends on how objects are numbered.
fn what_else_differs(event: Event) -> &'static str {
    match event.kind() {
        Some(EventKind::Flush | EventKind::Notify | EventKind::Young) => "of other pages",
        Some(EventKind::Visit) => "of another VMA or page",
        Some(EventKind::Counter) => "by another number",
        Some(EventKind::Left) => "otherwise",
        Some(EventKind::UsedBy) => "with other flags",
        _ => "of another object",
    }
}

/// An event without what depends on how objects are numbered.
fn event_class(event: Option<&Event>) -> String {
    let Some(event) = event else { return "nothing".to_string() };
    let Some(kind) = event.kind() else { return "unknown event".to_string() };
    let cache = Cache::from_u8(event.arg).map_or("?", Cache::name);
    let function = Function::from_u8(event.arg).map_or("?", Function::name);
    match kind {
        EventKind::Alloc => {
            let fails = if event.object == Event::NONE { " fails" } else { "" };
            format!("alloc {cache} {}{fails}", Gfp::name(event.flags))
        }
        EventKind::Free => format!("free {cache}"),
        EventKind::Trylock => {
            let mode = if event.arg == 1 { "write" } else { "read" };
            format!("trylock {mode} {}", if event.flags == 1 { "taken" } else { "busy" })
        }
        EventKind::Put if event.flags == 1 => "put to zero".to_string(),
        EventKind::Enter => {
            let has = |flag, name| if event.flags & flag != 0 { name } else { "" };
            format!("enter {function}{}{}", has(Event::HAS_ANON_VMA, " anon_vma"), has(Event::HAS_CHAIN, " chain"))
        }
        EventKind::Exit if event.flags == 0 => format!("exit {function} 0"),
        EventKind::Exit => format!("exit {function} -{}", errno_name(i32::from(event.flags))),
        EventKind::Stat => event.to_string(),
        EventKind::Entry => format!("entry {}", Entry { bits: event.flags.into(), number: 0 }.kind()),
        EventKind::Flush => event.flush_kind().map_or("flush", FlushKind::name).to_owned(),
        EventKind::Notify => if event.arg == 1 { "notify end" } else { "notify start" }.to_owned(),
        EventKind::Counter => MmCounter::from_u8(event.flags as u8).map_or("?", MmCounter::name).to_owned(),
        EventKind::Slot => if event.arg == 1 { "slot dropped" } else { "slot taken" }.to_owned(),
        EventKind::Rule => format!("rule {}", Rule::from_u8(event.arg).map_or("?", Rule::name)),
        EventKind::DownWrite
        | EventKind::UpWrite
        | EventKind::DownRead
        | EventKind::UpRead
        | EventKind::SpinLock
        | EventKind::SpinUnlock
        | EventKind::Get
        | EventKind::Put
        | EventKind::TreeInsert
        | EventKind::TreeRemove
        | EventKind::TreeUpdate
        | EventKind::Visit
        | EventKind::Mlock
        | EventKind::Munlock
        | EventKind::Left
        | EventKind::UsedBy
        | EventKind::Young
        | EventKind::FileTrylock
        | EventKind::FileDownRead
        | EventKind::FileUpRead
        | EventKind::Warn
        | EventKind::Bug
        | EventKind::Oops => kind.name().to_string(),
    }
}
