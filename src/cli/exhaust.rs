//! `rmap-diff exhaust`: every sequence of operations in a small scope.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use xxhash_rust::xxh3::xxh3_64;

use super::subject::{self, DriverArg};
use super::{AGREE, BUT_FOR, Error, FOUND, SideArg, file, print};
use crate::check::{Lockstep, Sides};
use crate::exhaust::{
    Ended, Expand, Failures, Limits, LockstepWorlds, OpKinds, Scope, Search, Subject, UnknownOperation,
};
use crate::kernel::Kernel;
use crate::mm::{KernelDriver, SmallDriver};
use crate::port::Port;
use crate::report::{self, Report};
use crate::trace::Watched;
use crate::world::Symmetry;

/// How often a search under way is saved.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// How far a search goes, as said on the command line.
#[derive(clap::Args)]
#[group(skip)]
struct ScopeArgs {
    /// Processes that are alive at once.
    #[arg(long, value_name = "P", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=6))]
    procs: u8,
    /// Pages of the window.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=16))]
    pages: u64,
    /// Operations of a sequence.
    #[arg(long, value_name = "D", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=64))]
    depth: u32,
    /// PairSide operations are tried, by name with commas between; default: map, fault, fork, unmap and exit.
    #[arg(long = "ops", value_name = "LIST", value_parser = parse_kinds)]
    kinds: Option<OpKinds>,
    /// Every state counts by itself, that of renamed processes too.
    #[arg(long)]
    no_symmetry: bool,
}

/// When a search stops before its end, as said on the command line.
#[derive(clap::Args)]
#[group(skip)]
pub(super) struct LimitArgs {
    /// Stop after so many seconds; default: when it is finished.
    #[arg(long, value_name = "SECONDS")]
    pub(super) time: Option<u64>,
    /// Stop when the states take so many megabytes.
    #[arg(long, value_name = "MB", default_value_t = 2048)]
    memory: usize,
    /// Threads; default: one a core.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    scope: ScopeArgs,
    /// `all`: each operation also with each of its allocations failing, alone and with all later ones, and under the kernel
    /// driver with each maple tree node failing.
    #[arg(long, value_enum, default_value_t = FailuresArg::None)]
    failures: FailuresArg,
    #[command(flatten)]
    limits: LimitArgs,
    /// The file of the search: it is saved there now and then and when it stops, and taken up from there.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    subject: subject::Args,
    /// Where to save the trace of a finding.
    #[arg(long, value_name = "FILE", default_value = "divergence.trace")]
    save: PathBuf,
    /// Say what was done or found as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FailuresArg {
    /// Nothing fails.
    None,
    /// Everything fails once.
    All,
}

fn parse_kinds(text: &str) -> Result<OpKinds, UnknownOperation> {
    text.parse()
}

impl ScopeArgs {
    fn scope(&self, failures: Failures, driver: DriverArg) -> Result<Scope, Error> {
        let kinds = self.kinds.unwrap_or(OpKinds::CORE);
        if driver == DriverArg::Rust && !kinds.is_small() {
            return Err(Error::Usage(format!("--ops {kinds}: the small driver does not know all of them")));
        }
        let symmetry = if self.no_symmetry { Symmetry::None } else { Symmetry::Processes };
        Ok(Scope { processes: self.procs, pages: self.pages, depth: self.depth, failures, kinds, symmetry })
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

    pub(super) fn tell(&self, search: &Search) {
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
    let driver = args.subject.driver()?;
    let failures = match args.failures {
        FailuresArg::None => Failures::None,
        FailuresArg::All => Failures::All,
    };
    let scope = args.scope.scope(failures, driver)?;
    let reference = args.subject.reference()?;
    let known = args.subject.known()?;
    let subject = Subject {
        kernel: reference.name.to_owned(),
        text: xxh3_64(reference.extract.as_bytes()),
        driver: driver.to_string(),
        side: format!("{:?}", args.subject.side).to_lowercase(),
    };
    let mut workers = Vec::new();
    for _ in 0..args.limits.threads() {
        workers.push(worker(args, scope)?);
    }
    let loaded = match &args.state {
        Some(file) => Search::load(file, scope, &subject).map_err(|error| Error::Usage(error.to_string()))?,
        None => None,
    };
    let resumed = loaded.as_ref().map(Search::expanded);
    let mut search = loaded.unwrap_or_else(|| Search::new(scope, workers[0].root()));
    let begun = Instant::now();
    let save = |search: &Search| match &args.state {
        Some(file) => search.save(file, &subject).map_err(|error| Error::Usage(error.to_string())),
        None => Ok(()),
    };
    let mut saved = Instant::now();
    let mut trouble = None;
    let progress = Progress::new(&search);
    let ended = search.run(&mut workers, args.limits.limits(), |search| {
        progress.tell(search);
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
    let counts = search.counts();
    let known_met = counts.known;
    let rate = (search.expanded() - resumed.unwrap_or(0)) as f64 / took.as_secs_f64().max(1e-6);
    let (name, options) = (args.save.display().to_string(), args.subject.options());
    let report = match &ended {
        Ended::Found(found) => {
            Some(Report::new(&found.1, &found.0, reference.name).with_options(&options).with_file(&name))
        }
        _ => None,
    };
    let (status, how) = match &ended {
        Ended::Found(found) => {
            let trace = &found.0;
            file::write(&args.save, trace.to_file_text().as_bytes())?;
            if let Some(report) = report.as_ref().filter(|_| !args.json) {
                print(report::text::coloured(report))?;
                print("\n")?;
            }
            (FOUND, format!("found something with {} operations; nothing is shorter", trace.ops.len()))
        }
        Ended::Finished => (AGREE, format!("finished, nothing found{}", but_known(known_met, known.len()))),
        Ended::Time => (BUT_FOR, not_finished(&search, "the time was up")),
        Ended::Memory => (BUT_FOR, not_finished(&search, "the memory was full (--memory)")),
    };
    if !matches!(ended, Ended::Found(_)) {
        save(&search)?;
    }
    if args.json {
        let mut value = serde_json::json!({
            "kernel": reference.name, "driver": subject.driver, "side": subject.side,
            "procs": scope.processes, "pages": scope.pages, "depth": scope.depth, "ops": scope.kinds.to_string(),
            "failures": scope.failures == Failures::All, "finished": matches!(ended, Ended::Finished),
            "depth_done": search.depth_done(), "states": search.states(), "expanded": search.expanded(),
            "states_by_depth": search.levels(), "transitions": counts.transitions, "failing": counts.failing,
            "known": counts.known, "seconds": took.as_secs_f64(), "how": how,
        });
        if let Some(report) = &report {
            value["finding"] = report::json::value(report);
        }
        print(format_args!("{value:#}\n"))?;
        return Ok(status);
    }
    if let Some(resumed) = resumed {
        let _ = writeln!(anstream::stderr(), "taken up with {resumed} states worked on already");
    }
    let levels = search.levels().iter().fold(String::new(), |mut text, level| {
        let _ = write!(text, " {level}");
        text
    });
    print(format_args!(
        "{}: {how}: {} processes, {} pages, {} of depth {}, {}\n{} transitions ({} with a failure), {} states \
         (by depth:{levels}), {} worked on, {:.1} s, {rate:.0} states/s\n",
        reference.name,
        scope.processes,
        scope.pages,
        search.depth_done(),
        scope.depth,
        subject.driver,
        counts.transitions,
        counts.failing,
        search.states(),
        search.expanded(),
        took.as_secs_f64(),
    ))?;
    Ok(status)
}

fn but_known(met: u64, known: usize) -> String {
    match met {
        0 => String::new(),
        met => format!(" but {known} known findings, met {met} times"),
    }
}

fn not_finished(search: &Search, why: &str) -> String {
    let left = search.states() - search.expanded();
    format!("NOT finished, {why}: nothing found, {left} states still to be worked on")
}

/// The sides and the driver that were asked for, for one thread.
fn worker(args: &Args, scope: Scope) -> Result<Box<dyn Expand>, Error> {
    let subject = &args.subject;
    let reference = subject.reference()?;
    let known: Vec<String> = subject.known()?.into_iter().map(|known| known.signature).collect();
    let port = || Port::new(reference.revision);
    let small = || Kernel::new(reference, subject.slab());
    let layer = || {
        Kernel::with_vma_layer(reference, subject.slab())
            .map_err(|why| Error::Usage(format!("{}: {why}", reference.name)))
    };
    macro_rules! worlds {
        ($lockstep:expr, $driver:expr, $injected:expr) => {{
            let mut lockstep = $lockstep;
            lockstep.tolerate(known);
            Box::new(LockstepWorlds::new(lockstep, $driver, scope, $injected))
        }};
    }
    Ok(match (subject.side, subject.driver()?) {
        (SideArg::Rust, _) => worlds!(Lockstep::solo(port(), Sides::Port), SmallDriver::new(), None),
        (SideArg::C, DriverArg::Rust) => worlds!(Lockstep::solo(small(), Sides::Reference), SmallDriver::new(), None),
        (SideArg::Both, DriverArg::Rust) => worlds!(Lockstep::new(small(), port()), SmallDriver::new(), None),
        (SideArg::C, DriverArg::Kernel) => {
            let injected = |lockstep: &mut Lockstep<_, _>| Watched::injected(lockstep.reference());
            worlds!(Lockstep::solo(layer()?, Sides::Reference), KernelDriver::new(), Some(injected))
        }
        (SideArg::Both, DriverArg::Kernel) => {
            let injected = |lockstep: &mut Lockstep<_, _>| Watched::injected(lockstep.reference());
            worlds!(Lockstep::new(layer()?, port()), KernelDriver::new(), Some(injected))
        }
    })
}
