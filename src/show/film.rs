//! Plays a trace and keeps what the world looked like after each operation.

use std::ops::RangeInclusive;

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::scene::{Fate, Scene};
use crate::check::{self, Driver, FieldDiff, Finding, FindingKind, Lockstep, Object, diff_states};
use crate::mm::Outcome;
use crate::pages::Listing;
use crate::report::{Report, text::return_text};
use crate::rmap::{Event, FolioId, Side, Snapshot, VmaState, errno_name};
use crate::trace::together::{MAX_TASKS, Section, task_name};
use crate::trace::{Op, OpKind, PageTables, Trace, schedule};

/// A trace as it was played.
#[derive(Clone, PartialEq, Debug)]
pub struct Film {
    /// The name of the reference.
    pub kernel: String,
    /// How many operations the trace has.
    pub operations: usize,
    /// In order: operations that were asked for, and, if it was, the exits at the end.
    pub steps: Vec<Step>,
    /// What ended it, if anything was found.
    pub found: Option<Found>,
}

/// The world after one operation.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// The operation, from 1; one more than the trace has for the exits at its end. Of operations that ran together, the last.
    pub number: usize,
    /// Its text.
    pub operation: String,
    /// `done`, `refused EEXIST`, `failed ENOMEM`, or `found`; of each task if they differ.
    pub outcome: String,
    /// The operations that ran together, if several did, and in which order.
    pub together: Option<Together>,
    /// The rmap calls that it made.
    pub calls: Vec<String>,
    /// One scene where the sides agree or one ran alone; else the reference's and the port's.
    pub scenes: Vec<Scene>,
    /// What the kernel's own page tables hold, where its own code keeps them, or why they cannot be read.
    pub pages: Option<Result<Listing, String>>,
    /// What differs between the two.
    pub differs: Vec<FieldDiff>,
}

/// Operations that ran together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Together {
    /// The text of each, in the order of their tasks.
    pub tasks: Vec<String>,
    /// What was about to be done, in order: whose, an index of `tasks`, and what.
    pub schedule: Vec<(usize, schedule::Step)>,
}

/// What was found, in words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Found {
    /// [`Finding::signature`]
    pub signature: String,
    /// [`Step::number`]
    pub step: usize,
    /// When, in words.
    pub place: String,
    /// The call, if it is known.
    pub call: Option<String>,
    /// What each side returned from the call, if the sides differ.
    pub returned: Option<[String; 2]>,
    /// What the sides did in the call: ` `, `-` (the reference alone) or `+` (the port alone), and the event.
    pub events: Vec<(char, String)>,
    /// What is broken, in words.
    pub violations: Vec<String>,
}

/// Plays a trace from an empty world, as [`check::run_trace`] does, and keeps these steps. `captions`: what each side that runs
/// is called, the reference first.
///
/// A step costs as much as the state is large.
pub fn film<C: Side, P: Side, D: Driver<C, P>>(
    lockstep: &mut Lockstep<C, P>,
    driver: &mut D,
    trace: &Trace,
    kernel: &str,
    captions: &[&str],
    keep: RangeInclusive<usize>,
) -> Film {
    lockstep.reset();
    driver.reset();
    let tables = PageTables::default();
    let mut camera = Camera { captions, keep, before: Vec::new(), tables, steps: Vec::new() };
    let mut at = 0;
    while at < trace.ops.len() {
        let section = trace.section_of(at);
        let ops = &trace.ops[section.map_or(at..at + 1, Section::range)];
        let outcomes = match section {
            Some(section) => driver.apply_together(lockstep, ops, section),
            None => Some(vec![driver.apply(lockstep, &ops[0])]),
        };
        lockstep.end_operation();
        driver.check(lockstep);
        at += ops.len();
        check::check_expectations(lockstep, driver, trace, at);
        if at == trace.ops.len() {
            lockstep.finish();
        }
        let outcome = match outcomes {
            _ if lockstep.finding().is_some() => "found".to_owned(),
            Some(outcomes) => outcomes_text(&outcomes),
            None => "cannot run together here".to_owned(),
        };
        camera.take(lockstep, driver, at, ops, outcome);
        if lockstep.finding().is_some() {
            break;
        }
    }
    if lockstep.finding().is_none() {
        check::end_trace(lockstep, driver);
        let outcome = if lockstep.finding().is_some() { "found" } else { "done" };
        camera.take(lockstep, driver, trace.ops.len() + 1, &[], outcome.to_owned());
    }
    if lockstep.settle()
        && let Some(last) = camera.steps.last_mut()
    {
        last.outcome = "stopped by a known finding".to_owned();
    }
    let found = lockstep.finding().map(|finding| found(finding, trace, kernel));
    Film { kernel: kernel.to_owned(), operations: trace.ops.len(), steps: camera.steps, found }
}

struct Camera<'a> {
    captions: &'a [&'a str],
    keep: RangeInclusive<usize>,
    /// The sides after the step before; nothing at the beginning.
    before: Vec<Scene>,
    /// The page tables after the step before; nothing at the beginning, or where they were not read.
    tables: PageTables,
    steps: Vec<Step>,
}

impl Camera<'_> {
    fn take<C: Side, P: Side, D: Driver<C, P>>(
        &mut self,
        lockstep: &mut Lockstep<C, P>,
        driver: &D,
        number: usize,
        ops: &[Op],
        outcome: String,
    ) {
        // The step before the first is what that is compared with: some numbers before it, if operations ran together.
        if number + MAX_TASKS < *self.keep.start() || number > *self.keep.end() {
            return;
        }
        let mut states = vec![snapshot(lockstep.reference())];
        states.extend(lockstep.port().map(snapshot));
        // A driver that was stopped half-way has not looked at what became of the VMAs.
        let alive = lockstep.finding().is_none().then(|| driver.processes());
        let forked = ops.iter().find_map(|op| match op.kind {
            OpKind::Fork { child, .. } => Some(child),
            _ => None,
        });
        let scenes: Vec<Scene> = states
            .iter()
            .zip(self.captions)
            .enumerate()
            .map(|(side, (state, caption))| match state {
                Ok(state) => Scene::new(caption, number, state, alive.as_deref(), forked, self.before.get(side)),
                Err(why) => Scene::unreadable(caption, why.clone()),
            })
            .collect();
        self.before = scenes.clone();
        let differs = match &states[..] {
            [Ok(reference), Ok(port)] => diff_states(reference, port),
            _ => Vec::new(),
        };
        let vmas = states[0].as_ref().map_or(&[][..], |state| &state.vmas[..]);
        let pages = self.page_tables(lockstep, driver, &drawn(vmas, &scenes[0]), &differs);
        if !self.keep.contains(&number) {
            return;
        }
        let scenes = match <[Scene; 2]>::try_from(scenes) {
            Ok([reference, port]) if differs.is_empty() && reference.unreadable == port.unreadable => {
                vec![Scene { caption: self.captions.join(" and "), ..reference }]
            }
            Ok(mut sides) => {
                Scene::mark(&mut sides, &differs);
                sides.into()
            }
            Err(scenes) => scenes,
        };
        self.steps.push(Step {
            number,
            operation: operation_text(ops),
            outcome,
            together: (ops.len() > 1).then(|| Together {
                tasks: ops.iter().map(ToString::to_string).collect(),
                schedule: lockstep.finding().map_or(lockstep.schedule(), |finding| &finding.schedule).to_vec(),
            }),
            calls: lockstep.calls().iter().map(|call| call.to_string()).collect(),
            scenes,
            pages,
            differs,
        });
    }

    /// What the kernel's own page tables hold. `vmas`: where entries may lie.
    fn page_tables<C: Side, P: Side, D: Driver<C, P>>(
        &mut self,
        lockstep: &mut Lockstep<C, P>,
        driver: &D,
        vmas: &[&VmaState],
        differs: &[FieldDiff],
    ) -> Option<Result<Listing, String>> {
        let mut tables = PageTables::default();
        let readable = driver.read_page_tables(lockstep, &mut tables)?;
        if !readable {
            tables.clear();
        }
        let before = std::mem::replace(&mut self.tables, tables);
        if !readable {
            return Some(Err("an entry names a frame that is free".to_owned()));
        }
        let of = |folio: FolioId| {
            let of_this = |field: &&FieldDiff| field.object == Some(Object::Folio(folio));
            differs.iter().filter(of_this).map(|field| field.field).collect()
        };
        Some(Ok(Listing::new(&self.tables, vmas, &before, of)))
    }
}

/// The VMAs in which page table entries may lie. An operation that was stopped half-way may leave two for a page: that in the
/// tree of its mm comes first.
fn drawn<'a>(vmas: &'a [VmaState], scene: &Scene) -> Vec<&'a VmaState> {
    let in_no_tree = |state: &&VmaState| {
        let shown = scene.processes.iter().flat_map(|process| &process.vmas);
        shown.filter(|vma| vma.fate != Fate::Freed).any(|vma| vma.id == state.id.0 && vma.unmapped)
    };
    let mut vmas: Vec<&VmaState> = vmas.iter().collect();
    vmas.sort_by_key(in_no_tree);
    vmas
}

fn snapshot(side: &mut impl Side) -> Result<Snapshot, String> {
    let mut words = Vec::new();
    side.state(&mut words);
    Snapshot::decode(&words).map_err(|error| error.to_string())
}

fn operation_text(ops: &[Op]) -> String {
    match ops {
        [] => "exit of all processes".to_owned(),
        [op] => op.to_string(),
        ops => of_tasks(ops.iter().map(ToString::to_string)),
    }
}

/// `a …, b …`
fn of_tasks(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<String> = (0..).zip(texts).map(|(task, text)| format!("{} {text}", task_name(task))).collect();
    texts.join(", ")
}

fn outcomes_text(outcomes: &[Outcome]) -> String {
    match outcomes.split_first() {
        Some((first, rest)) if rest.iter().any(|other| other != first) => {
            of_tasks(outcomes.iter().map(|outcome| outcome_text(*outcome)))
        }
        Some((first, _)) => outcome_text(*first),
        None => String::new(),
    }
}

fn outcome_text(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Refused(errno) => format!("refused {}", errno_name(errno)),
        Outcome::Failed(errno) => format!("failed {}", errno_name(errno)),
    }
}

fn found(finding: &Finding, trace: &Trace, kernel: &str) -> Found {
    let mut found = Found {
        signature: finding.signature(),
        step: if finding.teardown { trace.ops.len() + 1 } else { finding.operation as usize },
        place: Report::new(finding, trace, kernel).place(),
        call: finding.call.map(|call| call.to_string()),
        returned: None,
        events: Vec::new(),
        violations: Vec::new(),
    };
    match &finding.kind {
        FindingKind::Divergence(divergence) => {
            if divergence.returned[0] != divergence.returned[1] {
                found.returned = Some(divergence.returned.map(return_text));
            }
            if divergence.first_event.is_some() {
                let lines =
                    |side: usize| -> Vec<String> { divergence.events[side].iter().map(Event::to_string).collect() };
                let (ours, theirs) = (lines(0), lines(1));
                let (ours, theirs): (Vec<&str>, Vec<&str>) =
                    (ours.iter().map(String::as_str).collect(), theirs.iter().map(String::as_str).collect());
                let diff = TextDiff::from_slices(&ours, &theirs);
                found.events =
                    diff.iter_all_changes().map(|change| (sign(change.tag()), change.value().to_owned())).collect();
            }
            for (side, warning) in ["kernel", "port"].iter().zip(&divergence.warnings) {
                found.violations.extend(warning.as_ref().map(|warning| format!("{side}: {warning}")));
            }
        }
        FindingKind::Violation { violations, .. } => {
            found.violations = violations.iter().map(ToString::to_string).collect();
        }
        FindingKind::Expectation { unmet, .. } => found.violations = unmet.lines(),
        FindingKind::Undecodable { error, .. } => found.violations.push(error.to_string()),
    }
    found
}

fn sign(tag: ChangeTag) -> char {
    match tag {
        ChangeTag::Equal => ' ',
        ChangeTag::Delete => '-',
        ChangeTag::Insert => '+',
    }
}
