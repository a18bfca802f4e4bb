//! `rmap-diff review`: two references side by side.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::exhaust::{self, Progress};
use super::known_file::KnownArg;
use super::random::FailRate;
use super::subject::{self, VmaOption};
use super::{AGREE, Error, FOUND, UNDECIDED, expected, file, print};
use crate::check::Sides;
use crate::coverage::{self, ChangedLines};
use crate::exhaust::{Expand, Failures, Limits, OpKinds, Scope, Search, Together};
use crate::kernel::{Kernel, Reference};
use crate::known;
use crate::report::{self, review::Replay};
use crate::review::{
    Class, Equivalence, Explorer, Names, PairSide, Reviewed, Searched, Verdict, minimize_sightings, random,
};
use crate::session::{Session, SessionError, VmaCode};
use crate::trace::preemptions::PreemptedAt;
use crate::trace::{HUGE_ORDER, Mix, Op, Rng};
use crate::world::Symmetry;

/// Operations of a random trace: few, so that a difference early in a trace hides little; and many, without failures, so that
/// what grows is seen.
const TRACE_OPS: [usize; 2] = [48, 600];
/// How many of 1000 random operations fail by default.
const FAIL_PER_MILLE: u32 = 200;
/// One random trace in so many is a long one.
const LONG_EVERY: usize = 16;
/// What is searched where nothing is asked for: deep hierarchies of one VMA; then VMAs that split and merge.
const SCOPES: [(u8, u64, u32); 3] = [(5, 1, 9), (3, 2, 7), (2, 3, 6)];
/// What is searched besides where the page tables are the kernel's: operations on pages; then on large folios, of this order; then
/// on a huge page in halves.
const SCOPES_OF_PAGES: [(u8, u64, u32, u32); 3] = [(2, 1, 6, 0), (2, 4, 5, 2), (2, 2, 5, HUGE_ORDER as u32)];
/// What is searched besides where operations run together.
const SCOPE_TOGETHER: (u8, u64, u32) = (3, 1, 4);
/// Bytes that the states of a search take at most.
const MEMORY: usize = 1 << 30;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The reference before the change, by name (`rmap-diff kernels` lists them).
    base: String,
    /// The reference with the change.
    changed: String,
    /// Processes that are alive at once in the search of a small scope. Default: three scopes are searched. They have 5
    /// processes, 1 page and depth 9; 3, 2 and 7; 2, 3 and 6. With --vma pages there are three more, of operations on
    /// pages: 2 processes, 1 page and depth 6; 2, 4 and 5 with folios of order 2; 2, 2 halves of a huge page and 5.
    #[arg(long, value_name = "P", requires = "pages", requires = "depth", value_parser = clap::value_parser!(u8).range(1..=6))]
    procs: Option<u8>,
    /// Pages that the search uses.
    #[arg(long, value_name = "N", requires = "procs", value_parser = clap::value_parser!(u64).range(1..=16))]
    pages: Option<u64>,
    /// The longest sequence that the search tries, in operations. 0: no search. Without --procs and --pages it limits the
    /// depth of each of the three default scopes.
    #[arg(long, value_name = "D")]
    depth: Option<u32>,
    /// The operations that the search tries, by name, with commas between. Default: map, fault, fork, unmap and exit; in
    /// the scopes of operations on pages also touch, age, swapout, migrate, lazyfree, exclusive and split.
    #[arg(long = "only", value_name = "LIST")]
    kinds: Option<OpKinds>,
    /// With --vma pages, the search tries each fault also with a folio of this order.
    #[arg(long, value_name = "N", requires = "procs", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=9))]
    order: u32,
    /// Run random traces for this many seconds after the search.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    time: u64,
    /// Run this many random operations after the search, instead of --time. They are the same in every run.
    #[arg(long, value_name = "N")]
    ops: Option<u64>,
    /// The same seed gives the same traces.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run only this trace (`-`: standard input). In the trace, `fail=N` is the Nth failure that the operation can have
    /// on either side.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["procs", "pages", "depth", "kinds", "ops", "seed"])]
    trace: Option<PathBuf>,
    #[command(flatten)]
    fail_rate: FailRate,
    #[command(flatten)]
    vma: VmaOption,
    /// Also compare what this many operations come to that run together in a state, each choice of them: under every schedule (see
    /// --preemptions) of one reference, and of the other. Needs --vma pages. In the scope of --procs, --pages and --depth; without
    /// them in one more, of 3 processes, 1 page and depth 4.
    #[arg(long, value_name = "TASKS", value_parser = clap::value_parser!(u8).range(2..=3))]
    together: Option<u8>,
    /// Of operations that run together, take each schedule with at most this many switches away from one that could go on.
    /// Default: 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=8))]
    preemptions: Option<u32>,
    /// Threads of the search. Default: one for each core.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    known: KnownArg,
    /// Write the smallest trace of each class of difference into this directory, as N.trace. N is its place in the
    /// verdict.
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    fn preemptions(&self) -> u32 {
        self.preemptions.unwrap_or(exhaust::PREEMPTIONS)
    }
}

struct References {
    sessions: [Session; 2],
    /// How many of 1000 random operations fail.
    failing: Option<u32>,
}

impl References {
    fn of(args: &Args) -> Result<References, Error> {
        let sides = [subject::reference(Some(&args.base))?, subject::reference(Some(&args.changed))?];
        let vma = VmaCode::choose(args.vma.asked(), Sides::Reference, &sides)?;
        let session = |side: &'static Reference| -> Result<Session, Error> {
            let session = Session::new(side).with_sides(Sides::Reference).with_vma(vma);
            Ok(session.tolerating(known::signatures(&args.known.of(side.name, side.version)?)))
        };
        let [base, changed] = sides;
        Ok(References { sessions: [session(base)?, session(changed)?], failing: args.fail_rate.per_mille() })
    }

    fn vma(&self) -> VmaCode {
        self.sessions[0].vma
    }

    fn side(&self, at: usize) -> Result<Reviewed<Kernel>, SessionError> {
        Reviewed::open(&self.sessions[at])
    }

    fn explorer(&self, scope: Scope) -> Result<Explorer<Kernel>, Error> {
        Ok(Explorer::new(self.side(0)?, self.side(1)?, scope))
    }

    /// For each class, the worst first, the reference that breaks the invariant when it plays the trace alone.
    fn alone(&self, verdict: &Verdict) -> Result<Vec<Option<&'static str>>, Error> {
        let mut players = Vec::new();
        for session in &self.sessions {
            players.push(session.clone().with_sides(Sides::Reference).player()?);
        }
        let alone = verdict.worst_first().map(|(class, sighting)| {
            let Class::Violates(which, signature) = class else { return None };
            let at = usize::from(*which != PairSide::Base);
            let finding = players[at].play(&sighting.trace).finding?;
            // Its numbers of failing allocations may mean others to one side.
            (finding.signature() == *signature).then_some(self.sessions[at].reference.name)
        });
        Ok(alone.collect())
    }

    /// What the traces take turns at; and what the long ones are made of.
    fn mixes(&self) -> (Vec<Mix>, Mix) {
        let mixes = Mix::varied(self.vma().operations());
        let long = match self.vma() {
            VmaCode::Kernel => Mix::full_fork_heavy(),
            VmaCode::Pages => Mix::full_fork_heavy().with_pages(),
            VmaCode::Model => Mix::fork_heavy(),
        };
        // Failures of maple tree nodes are no business of the reverse map, and each kernel meets others.
        let failing = |mix: Mix, fail_per_mille| Mix { fail_per_mille, fail_node_per_mille: 0, ..mix };
        let short = mixes.into_iter().map(|mix| failing(mix, self.failing.unwrap_or(FAIL_PER_MILLE)));
        (short.collect(), failing(long, self.failing.unwrap_or(0)))
    }
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    if args.preemptions.is_some() && args.together.is_none() && args.trace.is_none() {
        return Err(Error::Usage("--preemptions: no operations run together: use --together".into()));
    }
    let references = References::of(args)?;
    let names = Names { base: references.sessions[0].reference.name, changed: references.sessions[1].reference.name };
    let mut verdict = Verdict::default();
    if let Some(path) = &args.trace {
        let trace = file::read_any_trace(path)?;
        if let Some(section) = trace.sections.first() {
            check_together(references.vma())?;
            let refused = |why: &str| Err(Error::Usage(format!("{}: {why}", path.display())));
            if section.range().end != trace.ops.len() {
                return refused(
                    "operations stand below a section, and a review compares where it ends: let it end the trace",
                );
            }
            if trace.ops[section.range()].iter().any(|op| Op::from(op.kind) != *op) {
                return refused(
                    "an allocation fails in a section, and a review compares its schedules without: leave out fail=",
                );
            }
        }
        if trace.ops.is_empty() {
            let path = path.display();
            return Err(Error::Usage(format!("{path}: has no operation: nothing would be compared")));
        }
        expected::ignored(&trace, path, "review");
        let mut explorer = references.explorer(any_scope(args))?;
        explorer.pair().play(&trace);
        verdict.given = trace.ops.len() as u64;
        take(&mut explorer, &mut verdict);
    } else {
        if args.depth == Some(0) && args.ops.map_or(args.time == 0, |ops| ops == 0) {
            return Err(Error::Usage(
                "--depth 0 and no time or operations for random traces: nothing would be played".into(),
            ));
        }
        exhaust::check_order(args.order, references.vma())?;
        if args.together.is_some() {
            check_together(references.vma())?;
        }
        for scope in scopes(args, references.vma()) {
            search(args, &references, scope, &mut verdict)?;
        }
        play_random(args, &references, &mut verdict)?;
        let mut explorer = references.explorer(any_scope(args))?;
        minimize_sightings(explorer.pair(), &mut verdict.seen);
    }
    let traces = match &args.out {
        Some(dir) => write_traces(dir, &verdict)?,
        None => Vec::new(),
    };
    let pages = references.vma() == VmaCode::Pages;
    let changed = coverage::changed_lines(references.sessions[1].reference, pages);
    verdict.unreached = changed.as_ref().is_some_and(ChangedLines::none_ran);
    let status = match verdict.outcome() {
        Equivalence::Equivalent if verdict.is_decided() => AGREE,
        Equivalence::Equivalent => UNDECIDED,
        Equivalence::Except => UNDECIDED,
        Equivalence::Different | Equivalence::Violates => FOUND,
    };
    if args.json {
        let mut value = report::review::value(&verdict, names);
        value["changed_lines"] = changed.iter().map(report::coverage::value).collect();
        print(format_args!("{value:#}\n"))?;
        return Ok(status);
    }
    let alone = if traces.is_empty() { Vec::new() } else { references.alone(&verdict)? };
    let known = args
        .known
        .file()
        .map(|file| format!(" --known {}", report::review::quoted(&file.display().to_string())))
        .unwrap_or_default();
    let given = args.trace.as_ref().map(|path| path.display().to_string());
    let preemptions = match args.preemptions() {
        exhaust::PREEMPTIONS => String::new(),
        others => format!(" --preemptions {others}"),
    };
    let replay = Replay {
        names,
        vma: references.vma().name(),
        traces: &traces,
        given: given.as_deref(),
        alone: &alone,
        known: &known,
        preemptions: &preemptions,
    };
    print(report::review::coloured(&verdict, &replay))?;
    if let Some(changed) = &changed {
        print(format_args!("\n{}", report::coverage::text(changed, false)))?;
        print(report::coverage::needs_pages(changed))?;
    }
    print(format_args!("\n{}\n", report::review::last_line(&verdict, names, status)))?;
    Ok(status)
}

/// Writes the smallest trace of each class, the worst first: the files, in that order.
fn write_traces(dir: &Path, verdict: &Verdict) -> Result<Vec<PathBuf>, Error> {
    std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
    let mut files = Vec::new();
    for (number, (_, sighting)) in verdict.worst_first().enumerate() {
        let path = dir.join(format!("{}.trace", number + 1));
        file::write(&path, sighting.trace.to_string().as_bytes())?;
        files.push(path);
    }
    Ok(files)
}

/// The scopes that are searched: the one that was asked for, or the default ones.
fn scopes(args: &Args, vma: VmaCode) -> Vec<Scope> {
    let together = together(args);
    let scope = |(processes, pages, depth): (u8, u64, u32), kinds: OpKinds, order, together| Scope {
        processes,
        pages,
        depth: depth.min(args.depth.unwrap_or(depth)),
        failures: Failures::All,
        kinds: args.kinds.unwrap_or(kinds),
        symmetry: Symmetry::Processes,
        order,
        together,
    };
    let of_pages = SCOPES_OF_PAGES.iter().filter(|_| vma == VmaCode::Pages);
    let scopes: Vec<Scope> =
        match (args.procs, args.pages, args.depth) {
            (Some(procs), Some(pages), Some(depth)) => {
                let kinds = if together.is_some() { OpKinds::WITH_TOGETHER } else { OpKinds::CORE };
                vec![scope((procs, pages, depth), kinds, args.order, together)]
            }
            _ => (SCOPES.iter().map(|&size| scope(size, OpKinds::CORE, 0, None)))
                .chain(of_pages.map(|&(procs, pages, depth, order)| {
                    scope((procs, pages, depth), OpKinds::WITH_PAGES, order, None)
                }))
                .chain(together.map(|_| scope(SCOPE_TOGETHER, OpKinds::WITH_TOGETHER, 0, together)))
                .collect(),
        };
    scopes.into_iter().filter(|scope| scope.depth > 0).collect()
}

/// How many operations run together, if any do.
fn together(args: &Args) -> Option<Together> {
    args.together.map(|tasks| Together {
        tasks: tasks.into(),
        preemptions: args.preemptions(),
        at: PreemptedAt::ANY,
        fine: false,
    })
}

fn check_together(vma: VmaCode) -> Result<(), Error> {
    match vma {
        VmaCode::Pages => Ok(()),
        _ => {
            let why = "operations run together with the kernel's own page-table code alone: --vma pages, of references that have it";
            Err(Error::Usage(why.into()))
        }
    }
}

/// A scope for what is no search.
fn any_scope(args: &Args) -> Scope {
    let ((processes, pages, depth), kinds) = (SCOPES[0], args.kinds.unwrap_or(OpKinds::CORE));
    Scope {
        processes,
        pages,
        depth,
        failures: Failures::All,
        kinds,
        symmetry: Symmetry::Processes,
        order: 0,
        together: Some(Together {
            tasks: args.together.unwrap_or(2).into(),
            preemptions: args.preemptions(),
            at: PreemptedAt::ANY,
            fine: false,
        }),
    }
}

/// What was seen goes into the verdict.
fn take(explorer: &mut Explorer<Kernel>, verdict: &mut Verdict) {
    verdict.seen.merge(explorer.take_seen());
    for (sum, met) in verdict.known.iter_mut().zip(explorer.pair().met()) {
        *sum += met.iter().sum::<u64>();
    }
}

fn search(args: &Args, references: &References, scope: Scope, verdict: &mut Verdict) -> Result<(), Error> {
    exhaust::check_kinds(scope.kinds, references.vma())?;
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut explorers = Vec::new();
    for _ in 0..threads.clamp(1, 64) {
        explorers.push(references.explorer(scope)?);
    }
    let mut search = Search::new(scope, explorers[0].root(&crate::trace::Trace::default()));
    {
        let mut workers: Vec<Box<dyn Expand + '_>> =
            explorers.iter_mut().map(|explorer| Box::new(explorer) as Box<dyn Expand + '_>).collect();
        let progress = Progress::new(&search);
        search.run(&mut workers, Limits { time: None, memory: MEMORY }, |search| {
            progress.update(search);
            true
        });
    }
    let counts = search.counts();
    verdict.transitions += counts.transitions;
    verdict.sections += counts.sections;
    verdict.schedules += counts.schedules;
    verdict.together = verdict.together.or(scope.together);
    let Scope { processes, pages, depth: wanted, .. } = scope;
    verdict.scopes.push(Searched { processes, pages, depth: search.depth_done(), wanted });
    explorers.iter_mut().for_each(|explorer| take(explorer, verdict));
    Ok(())
}

fn play_random(args: &Args, references: &References, verdict: &mut Verdict) -> Result<(), Error> {
    let mut explorer = references.explorer(any_scope(args))?;
    let (mixes, long) = references.mixes();
    let mut rng = Rng::new(args.seed);
    let begun = Instant::now();
    let time = Duration::from_secs(args.time);
    let goes_on = |done: u64| match args.ops {
        Some(ops) => done < ops,
        None => begun.elapsed() < time,
    };
    for (number, mix) in mixes.iter().cycle().enumerate() {
        if !goes_on(verdict.random) {
            break;
        }
        let (ops, mix) = match number % LONG_EVERY {
            0 => (TRACE_OPS[1], &long),
            _ => (TRACE_OPS[0], mix),
        };
        random(explorer.pair(), &mut rng, ops, mix);
        verdict.random += ops as u64;
    }
    take(&mut explorer, verdict);
    Ok(())
}
