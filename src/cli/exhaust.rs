//! `rmap-diff exhaust`: every sequence of operations in a small scope.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use xxhash_rust::xxh3::xxh3_64;

use super::{AGREE, Error, FOUND, SideArg, UNDECIDED, file, minimize, print, subject};
use crate::check::{Driver, Lockstep, Sides};
use crate::exhaust::{
    Ended, Expand, FINE_PREEMPTIONS, Failures, Limits, LockstepWorlds, OpKinds, Scope, Search, Subject, Together,
    UnknownOperation,
};
use crate::kernel;
use crate::report::{self, Report};
use crate::rmap::Side;
use crate::session::{Job, VmaCode};
use crate::trace::preemptions::{PreemptedAt, UnknownObject};
use crate::trace::{Op, Trace};
use crate::world::Symmetry;

/// Switches away from a task that could go on, unless said.
pub(super) const PREEMPTIONS: u32 = 2;
/// How far a search goes, unless said: processes, pages, operations.
const PROCESSES: u8 = 3;
const PAGES: u64 = 2;
const DEPTH: u32 = 5;
/// How often a search under way is saved.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// How far a search goes, as said on the command line.
#[derive(clap::Args)]
#[group(skip)]
struct ScopeArgs {
    /// Processes that are alive at once. Default: 3.
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u8).range(1..=6))]
    procs: Option<u8>,
    /// Pages that the search uses. Default: 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=16))]
    pages: Option<u64>,
    /// The longest sequence that the search tries, in operations. Default: 5.
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..=64))]
    depth: Option<u32>,
    /// The operations that are tried, by name, with commas between. Default: map, fault, fork, unmap and exit; with --together
    /// also dontneed, walk, age, swapout and migrate. A name that cannot be tried is answered with all that can.
    #[arg(long = "only", value_name = "LIST", value_parser = parse_kinds)]
    kinds: Option<OpKinds>,
    /// With --vma pages, try each fault also with a folio of this order.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=9))]
    order: u32,
    /// Also run this many operations together in each state, each choice of them (see --preemptions). Needs --vma pages.
    #[arg(long, value_name = "TASKS", value_parser = clap::value_parser!(u8).range(2..=3))]
    together: Option<u8>,
    /// Begin at the end of this trace. If it ends in a section, run only the operations of that one, together, under each
    /// schedule; its own is left out.
    #[arg(long, value_name = "FILE", conflicts_with = "state")]
    from: Option<PathBuf>,
    /// Run operations together under each schedule with at most this many switches away from one that could go on. Default: 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=8))]
    preemptions: Option<u32>,
    /// Switch away from one that could go on only where it is about to do something to one of these, with commas between:
    /// anon_vma, folio, … Default: any. A name that is none is answered with all.
    #[arg(long, value_name = "LIST", value_parser = parse_objects)]
    preempt_at: Option<PreemptedAt>,
    /// Then run them under each schedule with one such switch at most, where the loads and stores of the kernel's code are points
    /// too, and say whether that comes to an end which no other schedule comes to. Needs a build with the feature `accesses` (make fine).
    #[arg(long, conflicts_with = "preempt_at")]
    fine: bool,
    /// Count states as different even if they differ only in how processes are numbered.
    #[arg(long)]
    no_symmetry: bool,
}

/// When a search stops before its end, as said on the command line.
#[derive(clap::Args)]
#[group(skip)]
pub(super) struct LimitArgs {
    /// Stop after this many seconds. Default: no limit.
    #[arg(long, value_name = "SECONDS")]
    pub(super) time: Option<u64>,
    /// Stop when the states take this many megabytes.
    #[arg(long, value_name = "MB", default_value_t = 2048)]
    memory: usize,
    /// Threads. Default: one for each core.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    scope: ScopeArgs,
    /// `all`: try each operation also with each of its allocations failing, alone and with all later ones. With the
    /// kernel's VMA code, try it also with each allocation of a maple tree node failing, and with --vma pages each of a frame or page table.
    #[arg(long, value_enum, default_value_t = FailuresArg::None)]
    failures: FailuresArg,
    #[command(flatten)]
    limits: LimitArgs,
    /// Save the search in this file, every minute and when it stops. If the file exists, continue the search in it.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    subject: subject::Args,
    /// Where to write the trace of a finding (`-`: standard output).
    #[arg(short, long, value_name = "FILE", default_value = "divergence.trace")]
    out: PathBuf,
    /// Report what was done or found as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FailuresArg {
    /// No allocation fails.
    None,
    /// Each allocation fails, alone and with all later ones.
    All,
}

fn parse_objects(text: &str) -> Result<PreemptedAt, UnknownObject> {
    text.parse()
}

fn parse_kinds(text: &str) -> Result<OpKinds, UnknownOperation> {
    text.parse()
}

/// Of what only the kernel's page-table code does.
const NEEDS_PAGES: &str =
    "needs the kernel's own page-table code, which does not run here (--vma pages says why, if it cannot)";

/// That the VMA code has the operations that are asked for.
pub(super) fn check_kinds(kinds: OpKinds, vma: VmaCode) -> Result<(), Error> {
    if vma == VmaCode::Model && !kinds.is_small() {
        return Err(Error::Usage(format!("--only {kinds}: the model does not know all of them")));
    }
    match kinds.of_pages() {
        Some(keyword) if vma != VmaCode::Pages => Err(Error::Usage(format!("--only {keyword}: {NEEDS_PAGES}"))),
        _ => Ok(()),
    }
}

/// Large folios need the kernel's own page tables.
pub(super) fn check_order(order: u32, vma: VmaCode) -> Result<(), Error> {
    match order > 0 && vma != VmaCode::Pages {
        true => Err(Error::Usage(format!("--order {order}: {NEEDS_PAGES}"))),
        false => Ok(()),
    }
}

/// Where a search begins.
#[derive(Default)]
struct Begin {
    trace: Trace,
    /// The operations of the section that it ended in: nothing else is tried.
    section: Option<Vec<Op>>,
}

impl Begin {
    fn of(mut trace: Trace) -> Begin {
        let section = trace.sections.pop_if(|last| last.range().end == trace.ops.len());
        let section = section.map(|section| trace.ops.split_off(section.first));
        Begin { trace, section }
    }
}

impl ScopeArgs {
    fn begin(&self) -> Result<Begin, Error> {
        let begin = match &self.from {
            Some(file) => Begin::of(file::read_any_trace(file)?),
            None => Begin::default(),
        };
        let of_scope = [
            ("--together", self.together.is_some()),
            ("--only", self.kinds.is_some()),
            ("--procs", self.procs.is_some()),
            ("--pages", self.pages.is_some()),
            ("--depth", self.depth.is_some()),
        ];
        let given = of_scope.iter().find(|(_, is_given)| begin.section.is_some() && *is_given);
        if let Some((option, _)) = given {
            let why = format!("--from: the trace ends in a section, so that nothing else is tried: leave out {option}");
            return Err(Error::Usage(why));
        }
        let is_bounded = self.preemptions.is_some() || self.preempt_at.is_some() || self.fine;
        if begin.section.is_none() && self.together.is_none() && is_bounded {
            let why = "--preemptions, --preempt-at, --fine: no operations run together: use --together, or --from with a trace that ends in a section";
            return Err(Error::Usage(why.into()));
        }
        Ok(begin)
    }

    fn scope(&self, begin: &Begin, failures: Failures, vma: VmaCode) -> Result<Scope, Error> {
        let tasks = begin.section.as_ref().map(Vec::len).or(self.together.map(usize::from));
        let preemptions = self.preemptions.unwrap_or(PREEMPTIONS);
        let at = self.preempt_at.unwrap_or(PreemptedAt::ANY);
        if self.fine && !kernel::accesses::TOLD {
            let build = "cargo build --release --features accesses --target-dir target/accesses";
            return Err(Error::Usage(format!(
                "--fine: this build tells no loads and stores of the kernel's code: {build}"
            )));
        }
        let together = tasks.map(|tasks| Together { tasks, preemptions, at, fine: self.fine });
        let default = if self.together.is_some() { OpKinds::WITH_TOGETHER } else { OpKinds::CORE };
        let kinds = self.kinds.unwrap_or(default);
        // Without --only, what lacks is said of --together.
        if self.kinds.is_some() || self.together.is_none() {
            check_kinds(kinds, vma)?;
        }
        check_order(self.order, vma)?;
        let symmetry = if self.no_symmetry { Symmetry::None } else { Symmetry::Processes };
        let depth = if begin.section.is_some() { 1 } else { self.depth.unwrap_or(DEPTH) };
        let (processes, pages) = (self.procs.unwrap_or(PROCESSES), self.pages.unwrap_or(PAGES));
        let order = self.order;
        Ok(Scope { processes, pages, depth, failures, kinds, symmetry, order, together })
    }
}

impl LimitArgs {
    pub(super) fn limits(&self) -> Limits {
        Limits { time: self.time.map(Duration::from_secs), memory: self.memory.saturating_mul(1 << 20) }
    }

    pub(super) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(cores).clamp(1, 64)
    }
}

/// A bar, drawn on standard error and only if that is a terminal, of the states of the running depth.
pub(super) struct Progress {
    bar: ProgressBar,
    begun: Instant,
    before: usize,
}

impl Progress {
    pub(super) fn new(search: &Search) -> Progress {
        let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} states, {msg}");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress { bar, begun: Instant::now(), before: search.expanded() }
    }

    pub(super) fn update(&self, search: &Search) {
        let rate = (search.expanded() - self.before) as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        self.bar.set_length(search.states() as u64);
        self.bar.set_position(search.expanded() as u64);
        self.bar.set_message(format!("depth {} done, {rate:.0} states/s", search.depth_done()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let vma = args.subject.vma()?;
    let failures = match args.failures {
        FailuresArg::None => Failures::None,
        FailuresArg::All => Failures::All,
    };
    let begin = args.scope.begin()?;
    let scope = args.scope.scope(&begin, failures, vma)?;
    let reference = args.subject.reference()?;
    let is_together = scope.together.is_some() || !begin.trace.sections.is_empty();
    let session = if is_together { args.subject.session_together() } else { args.subject.session() }?;
    let subject = Subject {
        kernel: reference.name.to_owned(),
        text: xxh3_64(reference.extract.as_bytes()),
        driver: vma.driver_name().to_owned(),
        side: side_name(session.sides).to_owned(),
    };
    let mut workers = Vec::new();
    for _ in 0..args.limits.threads() {
        let worker = Worker { scope, given: begin.section.clone() };
        workers.push(if is_together { args.subject.run_together(worker) } else { args.subject.run(worker) }?);
    }
    let loaded = match &args.state {
        Some(file) => Search::load(file, scope, &subject).map_err(|error| Error::Usage(error.to_string()))?,
        None => None,
    };
    let resumed = loaded.as_ref().map(|search| (search.expanded(), search.counts().schedules));
    let mut search = loaded.unwrap_or_else(|| {
        let root = workers[0].root(&begin.trace);
        Search::beginning_at(begin.trace, scope, root)
    });
    let begun = Instant::now();
    let save = |search: &Search| match &args.state {
        Some(file) => search.save(file, &subject).map_err(|error| Error::Usage(error.to_string())),
        None => Ok(()),
    };
    let mut saved = Instant::now();
    let mut trouble = None;
    let progress = Progress::new(&search);
    let ended = search.run(&mut workers, args.limits.limits(), |search| {
        progress.update(search);
        if saved.elapsed() >= SAVE_EVERY {
            trouble = save(search).err();
            saved = Instant::now();
        }
        trouble.is_none()
    });
    drop(progress);
    if let Some(error) = trouble {
        return Err(error);
    }
    let took = begun.elapsed();
    let (ended, minimised) = match ended {
        // Its switches are at the first points that found it, by their numbers.
        Ended::Found(found) if !found.0.sections.is_empty() => {
            let small = session.player()?.minimize(&found.0, &found.1);
            let line = minimize::summary(&found.0, &small);
            (Ended::Found(Box::new((small.trace, small.finding))), Some(line))
        }
        ended => (ended, None),
    };
    let counts = search.counts();
    let known_met = counts.known;
    let (states_before, schedules_before) = resumed.unwrap_or((0, 0));
    let per_second = |done: f64| done / took.as_secs_f64().max(1e-6);
    let rate = per_second((search.expanded() - states_before) as f64);
    let (name, options) = (args.out.display().to_string(), args.subject.options());
    let report = match &ended {
        Ended::Found(found) => {
            Some(Report::new(&found.1, &found.0, reference.name).with_options(&options).with_file(&name))
        }
        _ => None,
    };
    let (status, how) = match &ended {
        Ended::Found(found) => {
            let trace = &found.0;
            file::write(&args.out, trace.to_file_text().as_bytes())?;
            if let Some(report) = report.as_ref().filter(|_| !args.json) {
                print(report::text::coloured(report))?;
                print("\n")?;
            }
            let shortest = if minimised.is_some() { "minimised" } else { "nothing is shorter" };
            (FOUND, format!("found something with {} operations; {shortest}", trace.ops.len()))
        }
        Ended::Finished if search.counts().fine_ends > 0 => {
            if let Some(trace) = search.fine_end() {
                file::write(&args.out, trace.to_file_text().as_bytes())?;
            }
            (FOUND, "finished, nothing found but ends that points alone do not come to".into())
        }
        Ended::Finished => (AGREE, format!("finished, nothing found{}", except_known(known_met))),
        Ended::Time => (UNDECIDED, not_finished(&search, "the time was up")),
        Ended::Memory => (UNDECIDED, not_finished(&search, "the memory was full (--memory)")),
    };
    if !matches!(ended, Ended::Found(_)) {
        save(&search)?;
    }
    if args.json {
        let mut value = serde_json::json!({
            "kernel": reference.name, "driver": subject.driver, "side": subject.side,
            "failures": scope.failures == Failures::All, "finished": matches!(ended, Ended::Finished),
            "depth_done": search.depth_done(), "states": search.states(), "expanded": search.expanded(),
            "states_by_depth": search.levels(), "transitions": counts.transitions, "failing": counts.failing,
            "known": counts.known, "seconds": took.as_secs_f64(), "how": how,
        });
        // Of the operations of a section there is nothing to choose.
        if begin.section.is_none() {
            (value["procs"], value["pages"], value["depth"]) =
                (scope.processes.into(), scope.pages.into(), scope.depth.into());
            (value["ops"], value["order"]) = (scope.kinds.to_string().into(), scope.order.into());
        }
        if let Some(from) = &args.scope.from {
            value["from"] = from.display().to_string().into();
        }
        if let Some(together) = scope.together {
            let alone = search.by_sections_alone().map(|state| search.trace_to(state).to_string());
            value["together"] = serde_json::json!({
                "ops": begin.section.iter().flatten().map(Op::to_string).collect::<Vec<_>>(),
                "preempt_at": (together.at != PreemptedAt::ANY).then(|| together.at.to_string()), "fine": together.fine,
                "tasks": together.tasks, "preemptions": together.preemptions, "sections": counts.sections,
                "schedules": counts.schedules, "idle": counts.idle, "fine_schedules": counts.fine, "fine_ends": counts.fine_ends,
                "fine_end": search.fine_end().map(|trace| trace.to_string()), "states_by_sections_alone": alone.collect::<Vec<_>>(),
            });
        }
        if let Some(report) = &report {
            value["finding"] = report::json::value(report);
        }
        print(format_args!("{value:#}\n"))?;
        return Ok(status);
    }
    if resumed.is_some() {
        let before = counted(states_before, "state");
        let _ = writeln!(anstream::stderr(), "resumed: {before} worked on before");
    }
    let levels = search.levels().iter().fold(String::new(), |mut text, level| {
        let _ = write!(text, " {level}");
        text
    });
    let given = begin.section.as_deref();
    match given {
        Some(ops) => print(format_args!("{}: {how}: {} operations together, {vma}\n", reference.name, ops.len()))?,
        None => print(format_args!(
            "{}: {how}: {}, {}, {} of depth {}, {}\n{} transitions ({} with a failure), {} states \
         (by depth:{levels}), {} worked on, {:.1} s, {rate:.0} states/s\n",
            reference.name,
            counted(scope.processes.into(), "process"),
            counted(scope.pages as usize, "page"),
            search.depth_done(),
            scope.depth,
            vma,
            counts.transitions,
            counts.failing,
            search.states(),
            search.expanded(),
            took.as_secs_f64(),
        ))?,
    }
    if let Some(together) = scope.together {
        let finished = matches!(ended, Ended::Finished);
        let rate = per_second((counts.schedules - schedules_before) as f64);
        print(said_of_sections(&scope, together, given, &search, rate, finished))?;
    }
    if let Some(line) = minimised {
        print(format_args!("{line}\n"))?;
    }
    Ok(status)
}

/// How many schedules were run, and what is so if nothing was found; then the states that no sequence came to.
fn said_of_sections(
    scope: &Scope,
    together: Together,
    given: Option<&[Op]>,
    search: &Search,
    rate: f64,
    finished: bool,
) -> String {
    let failures = scope.failures;
    let Together { tasks, preemptions, at, fine } = together;
    let (counts, choice) = (search.counts(), if tasks == 2 { "pair" } else { "triple" });
    if counts.sections == 0 {
        return format!(
            "0 schedules: no {choice} of these operations can run together in any state that was worked on\n"
        );
    }
    let mut text = format!(
        "{} ({} of them end in a switch that does nothing) of {}, {rate:.0} schedules/s\n",
        counted(counts.schedules as usize, "schedule"),
        counts.idle,
        counted(counts.sections as usize, choice),
    );
    if finished {
        let states = search.expanded();
        let failing = if failures == Failures::All { ", also with each of their allocations failing" } else { "" };
        let at = if at == PreemptedAt::ANY { String::new() } else { format!(" (at {at})") };
        let what = match given {
            Some(ops) => ops.iter().map(Op::to_string).collect::<Vec<_>>().join(" | "),
            None => format!("each {choice} of these operations at each of {}", counted(states, "state")),
        };
        let _ = writeln!(
            text,
            "every schedule with at most {}{at} of {what}{failing}: nothing found{}",
            counted(preemptions as usize, "preemption"),
            except_known(counts.known),
        );
    }
    if fine {
        let _ = writeln!(
            text,
            "{} schedules with loads and stores as points, with at most {FINE_PREEMPTIONS} preemption: {}",
            counts.fine,
            if counts.fine_ends == 0 { "each ends as one of the others does" } else { "not each ends as another does" },
        );
    }
    if let Some(trace) = search.fine_end() {
        let _ = writeln!(
            text,
            "{} that no schedule with at most {} at points alone comes to; the first comes from\n\n{trace}",
            counted(counts.fine_ends as usize, "end"),
            counted(preemptions as usize, "preemption"),
        );
    }
    let mut alone = search.by_sections_alone();
    if let Some(first) = alone.next() {
        let _ = writeln!(
            text,
            "{} that no sequence of as many operations comes to; the first comes from\n\n{}",
            counted(1 + alone.count(), "state"),
            search.trace_to(first),
        );
    }
    text
}

/// So many of them, in words.
fn counted(count: usize, what: &str) -> String {
    match (count, what) {
        (1, _) => format!("1 {what}"),
        (_, "process") => format!("{count} processes"),
        _ => format!("{count} {what}s"),
    }
}

fn except_known(met: u64) -> String {
    match met {
        0 => String::new(),
        met => format!(" except for known findings, met {met} times"),
    }
}

fn not_finished(search: &Search, why: &str) -> String {
    let left = search.states() - search.expanded();
    format!("NOT finished, {why}: nothing found, {left} states are left")
}

/// As the file of a search has it.
fn side_name(sides: Sides) -> &'static str {
    let side = [SideArg::Kernel, SideArg::Port].into_iter().find(|side| side.sides() == sides);
    side.and_then(|side| side.dump_names().first()).copied().unwrap_or("both")
}

/// A worker for one thread, on the sides that were asked for.
struct Worker {
    scope: Scope,
    given: Option<Vec<Op>>,
}

impl Job for Worker {
    type Out = Result<Box<dyn Expand>, Error>;

    fn on<C, P, D>(self, lockstep: Lockstep<C, P>, driver: D) -> Self::Out
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        let worlds = LockstepWorlds::new(lockstep, driver, self.scope);
        Ok(match self.given {
            Some(ops) => Box::new(worlds.trying(ops)),
            None => Box::new(worlds),
        })
    }
}
