//! Two sides as one: every call is made on the reference, then on the port, and compared.
//!
//! A call costs both sides' work, the comparison of three slices, and the oracle. Since equal
//! streams tell equal states, the oracle looks at the reference's only: what it says holds for both.

use super::divergence::{Difference, Divergence, Finding, FindingKind, Phase, Sides, TaskPoint};
use super::expect::{Unmet, layout};
use super::failure::{FailedAttempt, failed_attempts};
use super::follow::{Astray, Following};
use super::no_port::NoPort;
use super::oracle::{self, Broken, Oracle, same_words};
use super::state_diff::{FieldDiff, diff_states};
use super::tolerated::Tolerated;
use super::violation::{Invariant, Violation};
use crate::digest::StateDigest;
use crate::mm::UnexpectedEffect;
use crate::pages::{AddressSpaces, Pages};
use crate::rmap::{
    AnonVmaId, Call, Decoder, Event, EventKind, Fail, MmId, Revision, Rmap, Side, Snapshot, StateError, VmaId,
};
use crate::trace::schedule::{Scheduler, Step};
use crate::trace::together::Section;
use crate::trace::{
    Expectation, Mapped, MmCounts, Observation, Op, PageChanges, PageEvent, PageTables, Request, Seen, TaskEnd,
    TaskStop, TaskWatcher, VmaLayer, Watched,
};

/// What every call returns once something was found: `-EFAULT`.
pub const STOPPED: i32 = -14;

/// The whole state is looked at after this many operations, and then whenever their number has doubled, but
/// never before calls have told [`WHOLE_STATE_SHARE`] times as many words as it holds: in a large world, too,
/// looking at everything stays a small part of the work.
const FIRST_WHOLE_STATE: u64 = 64;

/// See [`FIRST_WHOLE_STATE`].
const WHOLE_STATE_SHARE: u64 = 8;

/// How much was done since the last reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct LockstepStats {
    /// Operations begun.
    pub operations: u64,
    /// Calls made, on each side.
    pub calls: u64,
    /// Events recorded, on each side.
    pub events: u64,
    /// How often the whole state was looked at.
    pub whole_states: u64,
}

/// One side under the oracle alone.
pub type Solo<S> = Lockstep<S, NoPort>;

/// A reference and a port, compared at every call, with the oracle looking on.
///
/// The first thing found stops it: from then on every call returns [`STOPPED`] and reaches no
/// side, until [`Lockstep::reset`].
pub struct Lockstep<C, P> {
    reference: C,
    port: Option<P>,
    who: Sides,
    oracle: Oracle,
    page_tables: super::page_tables::Checked,
    words: [Vec<u64>; 2],
    /// Room for what a call of the reference touched.
    touched: Vec<u64>,
    /// Room for the whole state, for what is counted in it, and for the references that are held from outside.
    decoder: Decoder,
    room: oracle::Room,
    pins: Vec<(AnonVmaId, u32)>,
    finding: Option<Box<Finding>>,
    tolerated: Tolerated,
    stats: LockstepStats,
    /// Of the running operation, or of the last one.
    failed: Vec<FailedAttempt>,
    next_whole_state: u64,
    /// Words reported by calls since the whole state was looked at, and how many it held then.
    reported: u64,
    whole_state_words: u64,
    /// An operation was begun and not ended.
    open: bool,
    /// The number of the trace's last operation, once the exits that end a run have begun.
    teardown: Option<u64>,
    /// What the tasks did of the operations that run together, or that did last.
    schedule: Vec<(usize, Step)>,
}

impl<C: Side, P: Side> Lockstep<C, P> {
    /// Two sides of the same revision, both empty.
    pub fn new(reference: C, port: P) -> Self {
        Self::with(reference, Some(port), Sides::Both)
    }

    fn with(reference: C, port: Option<P>, who: Sides) -> Self {
        let oracle = Oracle::of(reference.revision());
        Lockstep {
            reference,
            port,
            who,
            oracle,
            page_tables: Default::default(),
            words: [Vec::new(), Vec::new()],
            touched: Vec::new(),
            decoder: Decoder::default(),
            room: Default::default(),
            pins: Vec::new(),
            finding: None,
            tolerated: Tolerated::default(),
            stats: LockstepStats::default(),
            failed: Vec::new(),
            next_whole_state: FIRST_WHOLE_STATE,
            reported: 0,
            whole_state_words: 0,
            open: false,
            teardown: None,
            schedule: Vec::new(),
        }
    }

    /// The reference; in a [`Solo`] the only side.
    pub fn reference(&mut self) -> &mut C {
        &mut self.reference
    }

    /// The port; absent in a [`Solo`].
    pub fn port(&mut self) -> Option<&mut P> {
        self.port.as_mut()
    }

    /// What was found, if anything.
    pub fn finding(&self) -> Option<&Finding> {
        self.finding.as_deref()
    }

    /// Takes what was found. The lockstep stays stopped only until its next reset, so reset it.
    pub fn take_finding(&mut self) -> Option<Finding> {
        self.finding.take().map(|finding| *finding)
    }

    /// From now on findings of these signatures are counted: a WARN on which the sides agree is tolerated, anything else
    /// stops until the next reset as it would, but [`Lockstep::settle`] takes it. Resets change nothing of this.
    pub fn tolerate(&mut self, signatures: impl IntoIterator<Item = String>) {
        self.tolerated = Tolerated::new(signatures.into_iter().collect());
    }

    /// How often each of the tolerated signatures was met, in their order, since [`Lockstep::tolerate`].
    pub fn met(&self) -> &[u64] {
        self.tolerated.met()
    }

    /// The run is over: if what it stopped for is tolerated, it is counted and taken. Returns whether it was. Then reset.
    pub fn settle(&mut self) -> bool {
        let known = self.finding.as_ref().is_some_and(|finding| self.tolerated.finding(finding));
        if known {
            self.finding = None;
        }
        known
    }

    /// The calls of the running operation, or of the last one, in order.
    pub fn calls(&self) -> &[Call] {
        match &self.finding {
            Some(finding) => &finding.calls,
            None => self.oracle.calls(),
        }
    }

    /// The attempts to allocate that failed in the running operation, or in the last one, in order.
    pub fn failed_attempts(&self) -> &[FailedAttempt] {
        &self.failed
    }

    /// What the tasks did of the operations that ran together last, in order; nothing if an operation came after them.
    pub fn schedule(&self) -> &[(usize, Step)] {
        &self.schedule
    }

    /// How much was done since the last reset.
    pub fn stats(&self) -> LockstepStats {
        self.stats
    }

    /// From now on the number of the state is kept up, from the beginning of the next run.
    pub fn keep_digest(&mut self) {
        self.oracle.keep_digest();
    }

    /// The number of the state after the last operation, without what the driver knows; none unless it is [kept
    /// up](Lockstep::keep_digest), and none once the exits that end a run have begun.
    pub fn state_digest(&mut self) -> Option<&mut StateDigest> {
        self.oracle.digest()
    }

    /// Empties both worlds and forgets what was found.
    pub fn reset(&mut self) {
        self.reference.reset();
        if let Some(port) = &mut self.port {
            port.reset();
        }
        self.oracle.reset();
        self.page_tables.clear();
        self.finding = None;
        self.stats = LockstepStats::default();
        self.failed.clear();
        self.next_whole_state = FIRST_WHOLE_STATE;
        self.reported = 0;
        self.whole_state_words = 0;
        self.open = false;
        self.teardown = None;
        self.schedule.clear();
    }

    /// The operation is over: what it changed is checked, and at growing intervals everything. The
    /// beginning of the next operation says the same.
    pub fn end_operation(&mut self) {
        if self.finding.is_some() || !std::mem::take(&mut self.open) {
            return;
        }
        if let Err(broken) = self.oracle.end_operation() {
            return self.broken(Phase::EndOfOperation, self.who, broken);
        }
        if self.stats.operations >= self.next_whole_state && self.reported >= self.whole_state_words * WHOLE_STATE_SHARE
        {
            self.next_whole_state = self.stats.operations * 2;
            self.look_at_whole_state();
        }
    }

    /// I9, after [`Lockstep::end_operation`]: the pages that the operation may have changed, and the walks that it made.
    pub fn check_pages(&mut self, pages: &Pages, spaces: &impl AddressSpaces) {
        if self.finding.is_some() {
            return;
        }
        let violations = super::pages::check(&mut self.oracle, pages, spaces);
        if !violations.is_empty() {
            self.broken(Phase::EndOfOperation, self.who, Broken::Violations(violations));
        }
    }

    /// The kernel's own page tables, after [`Lockstep::end_operation`]; not `readable`: they name what is not there. `changes`: what
    /// has changed since this was checked last.
    pub fn check_page_tables(
        &mut self,
        tables: &PageTables,
        readable: bool,
        changes: &PageChanges,
        vma_at: impl Fn(MmId, u64) -> Option<Mapped>,
    ) {
        if self.finding.is_some() {
            return;
        }
        let violations = match readable {
            true => self.page_tables.check(tables, changes, vma_at),
            false => vec![super::page_tables::unreadable()],
        };
        if !violations.is_empty() {
            self.broken(Phase::EndOfOperation, self.who, Broken::Violations(violations));
        }
    }

    /// The page tables as they were read operation by operation, against all that they hold; None: that cannot be read.
    pub fn check_all_page_tables(&mut self, tables: &PageTables, all: Option<&PageTables>) {
        if self.finding.is_some() {
            return;
        }
        let violation = match all {
            None => super::page_tables::unreadable(),
            Some(all) if all == tables => return,
            Some(_) => super::page_tables::untold(),
        };
        self.broken(Phase::WholeState, self.who, Broken::Violations(vec![violation]));
    }

    /// What a process has mapped, by the mm's own tree, against the VMAs as the calls told them.
    pub fn check_space(&mut self, mm: MmId, mapped: &[Mapped], counts: MmCounts) {
        if self.finding.is_some() {
            return;
        }
        if let Err(violation) = self.oracle.check_space(mm, mapped, counts) {
            self.broken(Phase::EndOfOperation, self.who, Broken::Violations(vec![*violation]));
        }
    }

    /// An operation did something else than it was asked.
    pub fn misdeed(&mut self, misdeed: UnexpectedEffect) {
        if self.finding.is_none() {
            let what = format!("{} ({})", misdeed.what, misdeed.about);
            let violation = Violation::new(Invariant::Asked, what, [], misdeed.detail);
            self.broken(Phase::EndOfOperation, self.who, Broken::Violations(vec![violation]));
        }
    }

    /// What must be mapped now; `vmas` are those of the process, by the mm's own tree, if it exists. Each side says
    /// where they lie.
    pub fn check_expectation(&mut self, expectation: &Expectation, vmas: Option<&[VmaId]>) {
        if self.finding.is_some() {
            return;
        }
        self.read_states();
        let sides = [Sides::Reference, Sides::Port];
        let unmet = |words: &[u64]| -> Result<Option<Unmet>, StateError> {
            let snapshot = Snapshot::decode(words)?;
            Ok(Unmet::unless_met(expectation, vmas.map(|vmas| layout(&snapshot, vmas))))
        };
        let ours = unmet(&self.words[0]);
        let theirs = if self.port.is_some() { unmet(&self.words[1]) } else { ours.clone() };
        let (side, unmet) = match (ours, theirs) {
            (Ok(None), Ok(None)) => return,
            (ours, theirs) if ours == theirs => (self.who, ours),
            (Ok(None), theirs) => (sides[1], theirs),
            (ours, _) => (sides[0], ours),
        };
        match unmet {
            Ok(None) => (),
            Ok(Some(unmet)) => self.found(Phase::EndOfOperation, None, FindingKind::Expectation { side, unmet }),
            Err(error) => self.broken(Phase::EndOfOperation, side, Broken::Undecodable(error)),
        }
    }

    /// The trace is over: everything is compared and checked.
    pub fn finish(&mut self) {
        self.end_operation();
        if self.finding.is_none() {
            self.look_at_whole_state();
        }
    }

    /// What follows are the exits that end a run.
    pub fn begin_teardown(&mut self) {
        self.end_operation();
        self.oracle.rest_digest();
        self.teardown.get_or_insert(self.stats.operations);
    }

    /// Every process has exited: nothing may be left.
    pub fn finish_empty(&mut self) {
        self.end_operation();
        if self.finding.is_some() {
            return;
        }
        let live = self.reference.live();
        if let Some(other) = self.port.as_ref().map(Side::live).filter(|&other| other != live) {
            let names = ["vm_area_struct", "anon_vma", "anon_vma_chain"];
            let fields = (0..3)
                .filter(|&i| live[i] != other[i])
                .map(|i| FieldDiff {
                    object: None,
                    field: names[i],
                    reference: live[i].to_string(),
                    port: other[i].to_string(),
                })
                .collect();
            let divergence = self.divergence(Difference::Live, [0, 0], Default::default(), fields);
            return self.found(Phase::LastExit, None, FindingKind::Divergence(divergence));
        }
        if let Err(broken) = self.oracle.end_of_world(live) {
            self.broken(Phase::LastExit, self.who, broken);
        }
    }

    fn look_at_whole_state(&mut self) {
        self.stats.whole_states += 1;
        self.read_states();
        self.reported = 0;
        self.whole_state_words = self.words[0].len() as u64;
        if self.port.is_some() && self.words[0] != self.words[1] {
            let fields = self.decoded_diff();
            let divergence = self.divergence(Difference::WholeState, [0, 0], Default::default(), fields);
            return self.found(Phase::WholeState, None, FindingKind::Divergence(divergence));
        }
        if let Some(violation) = self.oracle.check_told(&self.words[0]) {
            return self.broken(Phase::WholeState, self.who, Broken::Violations(vec![violation]));
        }
        self.oracle.pins_into(&mut self.pins);
        let broken = match self.decoder.decode(&self.words[0]) {
            Err(error) => Broken::Undecodable(error),
            Ok(snapshot) => match oracle::full_in(
                snapshot,
                oracle::Rules::of(self.reference.revision()),
                &self.pins,
                &mut self.room,
            ) {
                violations if violations.is_empty() => return,
                violations => Broken::Violations(violations),
            },
        };
        self.broken(Phase::WholeState, self.who, broken);
    }

    /// After operations whose calls were not followed one by one: everything is told and checked.
    fn take_in_whole_state(&mut self) {
        self.read_states();
        let taken_in = self.oracle.take_in(&self.words[0]);
        match taken_in {
            Ok(()) => self.look_at_whole_state(),
            Err(broken) => self.broken(Phase::WholeState, self.who, broken),
        }
    }

    fn read_states(&mut self) {
        let [ours, theirs] = &mut self.words;
        ours.clear();
        theirs.clear();
        self.reference.state(ours);
        if let Some(port) = &mut self.port {
            port.state(theirs);
        }
    }

    /// The fields in which the states differ that were read last.
    fn decoded_diff(&self) -> Vec<FieldDiff> {
        let [reference, port] = [0, 1].map(|side| Snapshot::decode(&self.words[side]));
        match (reference, port) {
            (Ok(reference), Ok(port)) => diff_states(&reference, &port),
            (reference, port) => {
                let text = |state: Result<Snapshot, StateError>| match state {
                    Ok(_) => "readable".to_string(),
                    Err(error) => error.to_string(),
                };
                vec![FieldDiff { object: None, field: "stream", reference: text(reference), port: text(port) }]
            }
        }
    }

    /// `events`: what the sides did in the call, if it was found in one.
    fn divergence(
        &self,
        what: Difference,
        returned: [i32; 2],
        events: [Vec<Event>; 2],
        fields: Vec<FieldDiff>,
    ) -> Divergence {
        let first_event = (events[0] != events[1]).then(|| {
            let same = events[0].iter().zip(&events[1]).take_while(|(a, b)| a == b);
            same.count()
        });
        let warnings = match &self.port {
            Some(port) => [
                self.reference.last_warning().filter(|_| warns(&events[0])),
                port.last_warning().filter(|_| warns(&events[1])),
            ],
            _ => [None, None],
        };
        Divergence { what, returned, events, first_event, fields, warnings, task: None }
    }

    #[cold]
    fn diverged(&mut self, call: Call, returned: [i32; 2], events: [Vec<Event>; 2], readable: bool) {
        let what = match () {
            () if events[0] != events[1] => Difference::Events,
            () if returned[0] != returned[1] => Difference::Return,
            () => Difference::Touched,
        };
        let mut fields = Vec::new();
        if readable {
            let touched = self.words[0].iter().zip(&self.words[1]).take_while(|(a, b)| a == b).count();
            let values =
                [0, 1].map(|side| self.words[side].get(touched).map_or("nothing".into(), |w| format!("{w:#x}")));
            self.read_states();
            fields = self.decoded_diff();
            if fields.is_empty() && what == Difference::Touched {
                let [reference, port] = values;
                fields.push(FieldDiff { object: None, field: "touched", reference, port });
            }
        }
        let divergence = self.divergence(what, returned, events, fields);
        self.found_in_call(Some(call), FindingKind::Divergence(divergence));
    }

    /// `call`: none if it was outside of any.
    #[cold]
    fn warned(&mut self, call: Option<Call>, events: &[Event], warning: Option<String>) {
        let violations: Vec<Violation> = events
            .iter()
            .filter_map(|event| oracle::event_violation(event, warning.as_deref()))
            .map(|violation| Violation { after: call, ..violation })
            .collect();
        self.found_in_call(call, FindingKind::Violation { side: self.who, violations });
    }

    /// Makes a finding of why a call ended it. Returns [`STOPPED`].
    #[cold]
    fn stop(&mut self, stopped: Stopped) -> i32 {
        match stopped {
            Stopped::Diverged { call, returned, events, readable } => self.diverged(call, returned, events, readable),
            Stopped::Warned { call, events, warning } => self.warned(call, &events, warning),
            Stopped::Broken(broken) => self.broken(Phase::Call, self.who, broken),
            Stopped::Astray(astray) => {
                let (call, task, about) = (astray.call, astray.task, astray.about);
                let mut divergence = self.divergence(astray.what, astray.returned, astray.events, Vec::new());
                divergence.task = task.map(|task| TaskPoint { task, about });
                self.found_in_call(Some(call), FindingKind::Divergence(divergence));
            }
        }
        STOPPED
    }

    #[cold]
    fn broken(&mut self, phase: Phase, side: Sides, broken: Broken) {
        let (call, kind) = match broken {
            Broken::Violations(violations) => {
                (violations.first().and_then(|v| v.after), FindingKind::Violation { side, violations })
            }
            Broken::Undecodable(error) => {
                let call = self.oracle.calls().last().copied().filter(|_| phase == Phase::Call);
                (call, FindingKind::Undecodable { side, error })
            }
        };
        self.found(phase, call, kind);
    }

    /// A call that the oracle has not seen is the finding.
    fn found_in_call(&mut self, call: Option<Call>, kind: FindingKind) {
        self.found(Phase::Call, call, kind);
        if let Some(finding) = &mut self.finding {
            finding.calls.extend(call);
        }
    }

    fn found(&mut self, phase: Phase, call: Option<Call>, kind: FindingKind) {
        let calls = self.oracle.calls().to_vec();
        let operation = self.teardown.unwrap_or(self.stats.operations);
        let teardown = self.teardown.is_some();
        let schedule = if teardown { Vec::new() } else { self.schedule.clone() };
        self.finding = Some(Box::new(Finding { operation, teardown, phase, call, calls, schedule, kind }));
    }
}

impl<S: Side> Solo<S> {
    /// One side alone; `who` says which, for the report.
    pub fn solo(side: S, who: Sides) -> Self {
        Self::with(side, None, who)
    }
}

/// Whether the call ended in the middle, so that the side's state cannot be trusted to be readable.
fn ended_early(events: &[Event]) -> bool {
    events.iter().any(|e| e.kind == EventKind::Bug as u8 || e.kind == EventKind::Oops as u8)
}

fn warns(events: &[Event]) -> bool {
    events.iter().any(Event::is_violation)
}

impl<C: Side, P: Side> Rmap for Lockstep<C, P> {
    fn revision(&self) -> Revision {
        self.reference.revision()
    }

    fn begin_operation(&mut self, fail: &Fail) {
        self.end_operation();
        if self.finding.is_some() {
            return;
        }
        self.open = true;
        self.schedule.clear();
        self.stats.operations += 1;
        self.failed.clear();
        self.oracle.begin_operation();
        self.reference.begin_operation(fail);
        if let Some(port) = &mut self.port {
            port.begin_operation(fail);
        }
    }

    fn attempts(&self) -> u32 {
        self.reference.attempts()
    }

    fn call(&mut self, call: Call) -> i32 {
        if self.finding.is_some() {
            return STOPPED;
        }
        let ret = self.reference.call(call);
        let events = self.reference.events();
        // The mm's own lock touches nothing.
        let touches = !matches!(call, Call::MmapWriteLock { .. } | Call::MmapReadLock { .. } | Call::MmapUnlock { .. });
        let warned = warns(events);
        let reports = touches && !(warned && ended_early(events));
        let mut touched = std::mem::take(&mut self.touched);
        touched.clear();
        if reports {
            self.reference.touched(&mut touched);
        }
        let Lockstep { reference, port, oracle, tolerated, words, stats, failed, reported, .. } = self;
        let warning = if warned { reference.last_warning() } else { None };
        let seen = Seen {
            what: Observation::Call(call),
            result: ret,
            events: reference.events(),
            touched: reports.then_some(&touched[..]),
            warning: warning.as_deref(),
        };
        let followed = Follower { port, oracle, tolerated, words, stats, failed, reported }.follow(call, &seen);
        self.touched = touched;
        match followed {
            Ok(()) => ret,
            Err(stopped) => self.stop(*stopped),
        }
    }
}

/// What may happen outside of every call. `expand_downwards()` before 7.x takes the page_table_lock around what it writes into the
/// VMA. The page-table code flushes TLBs and counts: a review compares that, and the port does not follow it.
fn is_of_no_call(event: &Event) -> bool {
    matches!(event.kind(), Some(EventKind::SpinLock | EventKind::SpinUnlock | EventKind::Flush | EventKind::Stat))
}

/// VMA code allocated, locked or counted in no call that is followed.
#[cold]
fn stray(events: &[Event]) -> Violation {
    let events: Vec<String> = events.iter().map(Event::to_string).collect();
    let detail = format!("in no call of the reverse map that is known here: {}", events.join(", "));
    Violation::new(Invariant::I11, "events of no call", [], detail)
}

/// Why a call was the last.
enum Stopped {
    Diverged {
        call: Call,
        returned: [i32; 2],
        events: [Vec<Event>; 2],
        readable: bool,
    },
    Warned {
        call: Option<Call>,
        events: Vec<Event>,
        warning: Option<String>,
    },
    Broken(Broken),
    /// The port does something else in a call of one of several tasks.
    Astray(Box<Astray>),
}

/// All of a lockstep but the reference, which may be running.
struct Follower<'a, P> {
    port: &'a mut Option<P>,
    oracle: &'a mut Oracle,
    tolerated: &'a mut Tolerated,
    words: &'a mut [Vec<u64>; 2],
    stats: &'a mut LockstepStats,
    failed: &'a mut Vec<FailedAttempt>,
    reported: &'a mut u64,
}

impl<P: Side> Follower<'_, P> {
    /// The reference has made a call: the port makes it too, and both are compared.
    fn follow(&mut self, call: Call, seen: &Seen<'_>) -> Result<(), Box<Stopped>> {
        let warned = warns(seen.events);
        let mut readable = !(warned && ended_early(seen.events));
        let touched = seen.touched.unwrap_or_default();
        let [ours, theirs] = &mut *self.words;
        *self.reported += touched.len() as u64;
        if let Some(port) = self.port {
            let other = port.call(call);
            readable &= !ended_early(port.events());
            theirs.clear();
            if readable && seen.touched.is_some() {
                port.touched(theirs);
            }
            if seen.result != other || seen.events != port.events() || (readable && !same_words(touched, theirs)) {
                ours.clear();
                ours.extend_from_slice(touched);
                let events = [seen.events.to_vec(), port.events().to_vec()];
                return Err(Box::new(Stopped::Diverged { call, returned: [seen.result, other], events, readable }));
            }
        }
        self.stats.calls += 1;
        self.stats.events += seen.events.len() as u64;
        failed_attempts(&call, seen.events, self.failed);
        if warned {
            self.warned(Some(call), seen)?;
        }
        let observed = self.oracle.observe_clean(call, seen.result, seen.events, touched);
        observed.map_err(|broken| Box::new(Stopped::Broken(broken)))
    }

    /// The end, unless it is known.
    #[cold]
    fn warned(&mut self, call: Option<Call>, seen: &Seen<'_>) -> Result<(), Box<Stopped>> {
        if self.tolerated.warning(call.as_ref(), seen.events, seen.warning) {
            return Ok(());
        }
        let warning = seen.warning.map(str::to_owned);
        Err(Box::new(Stopped::Warned { call, events: seen.events.to_vec(), warning }))
    }
}

impl<C: Side + Watched, P: Side> VmaLayer for Lockstep<C, P> {
    fn operate(&mut self, request: &Request<'_>, pages: &mut dyn FnMut(PageEvent)) -> i32 {
        if self.finding.is_some() {
            return STOPPED;
        }
        let Lockstep { reference, port, oracle, tolerated, words, stats, failed, reported, .. } = self;
        let mut follower = Follower { port, oracle, tolerated, words, stats, failed, reported };
        let mut stopped = None;
        let result = reference.operate_watched(request, &mut |seen| {
            let followed = match seen.what {
                Observation::Pages(event) => {
                    pages(event);
                    Ok(())
                }
                Observation::Call(call) => follower.follow(call, seen),
                Observation::Outside if warns(seen.events) => follower.warned(None, seen),
                Observation::Outside if seen.events.iter().all(is_of_no_call) => Ok(()),
                Observation::Outside => Err(Box::new(Stopped::Broken(Broken::Violations(vec![stray(seen.events)])))),
            };
            stopped = followed.err();
            stopped.is_none()
        });
        match stopped {
            None => result,
            Some(stopped) => self.stop(*stopped),
        }
    }

    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts> {
        // The operation ended in the middle: a tree may name what is gone.
        if self.finding.is_some() {
            return None;
        }
        self.reference.mapped(mm, out)
    }

    fn injected(&self) -> u32 {
        self.reference.injected()
    }

    fn moves_pages(&self) -> bool {
        self.reference.moves_pages()
    }

    fn merges_either_way(&self) -> bool {
        self.reference.merges_either_way()
    }

    fn changed_page_tables(&mut self, out: &mut PageTables) -> Option<bool> {
        // The operation ended in the middle: the tables may be half done.
        if self.finding.is_some() {
            return None;
        }
        self.reference.changed_page_tables(out)
    }

    fn has_page_tables(&self) -> bool {
        self.reference.has_page_tables()
    }

    fn fail_pages(&mut self, fail: &Fail) {
        self.reference.fail_pages(fail);
    }

    fn together(&mut self, ops: &[Op], section: &Section) -> Option<Vec<TaskEnd>> {
        self.end_operation();
        if self.finding.is_some() {
            return None;
        }
        self.open = true;
        self.stats.operations += ops.len() as u64;
        self.failed.clear();
        self.oracle.begin_operation();
        let mut scheduler = Scheduler::new(section);
        let followed = match self.port {
            None => self.run_alone(ops, &mut scheduler),
            Some(_) => self.run_followed(ops, &mut scheduler),
        };
        let (deadlock, log) = (scheduler.deadlock(), scheduler.into_log());
        self.schedule = log;
        let ends = match followed {
            Ok(ends) => ends,
            Err(stopped) => {
                self.stop(*stopped);
                return None;
            }
        };
        if let Some(deadlock) = deadlock {
            let violation = Violation::new(Invariant::I11, "tasks wait for each other", [], deadlock);
            self.broken(Phase::EndOfOperation, self.who, Broken::Violations(vec![violation]));
            return None;
        }
        self.take_in_whole_state();
        ends.filter(|_| self.finding.is_none())
    }
}

/// How each task ended; none: the side cannot run them, or they wait for each other.
type Ends = Option<Vec<TaskEnd>>;

impl<C: Side + Watched, P: Side> Lockstep<C, P> {
    /// Tasks of the reference, which nobody follows.
    fn run_alone(&mut self, ops: &[Op], scheduler: &mut Scheduler<'_>) -> Result<Ends, Box<Stopped>> {
        let Lockstep { reference, port, oracle, tolerated, words, stats, failed, reported, .. } = self;
        let mut follower = Follower { port, oracle, tolerated, words, stats, failed, reported };
        let mut stopped = None;
        let ends = reference.run_together(ops, scheduler, &mut |seen| {
            let call = match seen.what {
                Observation::Call(call) => Some(call),
                _ => None,
            };
            // What is freed when all have ended is told like any call.
            stopped = warns(seen.events).then(|| follower.warned(call, seen).err()).flatten();
            stopped.is_none()
        });
        stopped.map_or(Ok(ends), Err)
    }

    /// Tasks of the reference, which the port follows from point to point.
    fn run_followed(&mut self, ops: &[Op], scheduler: &mut Scheduler<'_>) -> Result<Ends, Box<Stopped>> {
        let fails: Vec<Fail> = ops.iter().map(|op| op.fail).collect();
        let Lockstep { reference, port, tolerated, stats, failed, .. } = self;
        let Some(port) = port.as_mut().and_then(|port| port.follow(&fails)) else { return Ok(None) };
        let following = Following::new(port, ops.len());
        let mut watcher = TasksInLockstep { following, tolerated, stats, failed, stopped: None };
        let ends = reference.follow_together(ops, scheduler, &mut watcher);
        match watcher.stopped {
            None => Ok(ends),
            Some(stopped) => Err(stopped),
        }
    }
}

/// Looks on while the reference's tasks run, with the port beside it.
struct TasksInLockstep<'a> {
    following: Following<'a>,
    tolerated: &'a mut Tolerated,
    stats: &'a mut LockstepStats,
    failed: &'a mut Vec<FailedAttempt>,
    stopped: Option<Box<Stopped>>,
}

impl TasksInLockstep<'_> {
    /// Whether all goes on.
    fn goes_on(&mut self, followed: Result<(), Box<Astray>>) -> bool {
        if let Err(astray) = followed {
            self.stopped = Some(Box::new(Stopped::Astray(astray)));
        }
        self.stopped.is_none()
    }

    /// What is wrong on the reference's side comes first.
    fn told(&mut self, task: Option<usize>, seen: &Seen<'_>) -> bool {
        let call = match seen.what {
            Observation::Call(call) => Some(call),
            Observation::Pages(_) | Observation::Outside => None,
        };
        if warns(seen.events) && !self.tolerated.warning(call.as_ref(), seen.events, seen.warning) {
            let warning = seen.warning.map(str::to_owned);
            self.stopped = Some(Box::new(Stopped::Warned { call, events: seen.events.to_vec(), warning }));
            return false;
        }
        let Some(call) = call else { return true };
        self.stats.calls += 1;
        self.stats.events += seen.events.len() as u64;
        failed_attempts(&call, seen.events, self.failed);
        let followed = self.following.returned(task, call, seen);
        self.goes_on(followed)
    }
}

impl TaskWatcher for TasksInLockstep<'_> {
    fn seen(&mut self, task: usize, seen: &Seen<'_>) -> bool {
        self.told(Some(task), seen)
    }

    fn stopped(&mut self, task: usize, stop: &TaskStop<'_>) -> bool {
        let followed = self.following.stopped(task, stop);
        self.goes_on(followed)
    }

    fn afterwards(&mut self, seen: &Seen<'_>) -> bool {
        self.told(None, seen)
    }
}
