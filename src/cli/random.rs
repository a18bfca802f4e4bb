//! `rmap-diff random`: random traces without libFuzzer.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::features::Features;
use super::{AGREE, Error, FOUND, file, known_file, minimize, print, subject};
use crate::check::{self, Driver, Lockstep};
use crate::known::KnownFinding;
use crate::mm::{Merges, Stats};
use crate::report::{self, Report};
use crate::rmap::Side;
use crate::session::{Job, VmaCode};
use crate::trace::{Mix, OpSet, Rng, random_sections, random_trace};

/// Operations of a trace with sections at most: what runs together is to begin in many states.
const TOGETHER_OPS: usize = 32;

#[derive(clap::Args)]
pub(super) struct Args {
    /// How many operations are run, in all traces together.
    #[arg(long, default_value_t = 100_000)]
    ops: u64,
    /// The same seed gives the same traces.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    fail_rate: FailRate,
    /// Operations per trace. Each trace starts with one empty process.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    trace_ops: u32,
    /// What the traces are made of. Default: `varied` with the kernel's VMA code, `default` with the model.
    #[arg(long, value_enum)]
    mix: Option<MixArg>,
    /// Let neighbouring operations run together, as several tasks, with random schedules.
    #[arg(long, conflicts_with = "mix")]
    together: bool,
    #[command(flatten)]
    subject: subject::Args,
    /// Print how often each operation was done, refused and failed, how VMAs merged, at which sites allocations were
    /// made to fail, and how many different states there were.
    #[arg(long)]
    stats: bool,
    /// Where to write the trace of a finding (`-`: standard output).
    #[arg(short, long, value_name = "FILE", default_value = "divergence.trace")]
    out: PathBuf,
    /// Report what was done or found as JSON.
    #[arg(long)]
    json: bool,
    /// Shrink the trace of a finding before it is written.
    #[arg(long)]
    minimize: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum MixArg {
    /// Every operation that the model knows.
    Default,
    /// Few VMAs, and many forks and exits, which make deep hierarchies.
    ForkHeavy,
    /// Many small VMAs, so that trees are large and VMAs have many neighbours.
    Wide,
    /// Every second trace is of full; merges, untouched-merges, failing-merges, full-fork-heavy and sparse-forks take
    /// turns in between.
    Varied,
    /// Every operation.
    Full,
    /// Every operation, but mostly forks and exits.
    FullForkHeavy,
    /// Few pages, so that VMAs split and merge all the time.
    Merges,
    /// Like merges, but the memory is seldom touched.
    UntouchedMerges,
    /// Like merges, but every second operation has failing allocations.
    FailingMerges,
    /// VMAs that do not touch one another, and forks that cannot allocate maple tree nodes.
    SparseForks,
    /// Huge pages that are forked, split, moved and migrated. Needs the kernel's own page-table code.
    HugePages,
    /// Folios of several pages, and huge pages, to which reclaim, migration and devices come. Needs the kernel's own page-table
    /// code.
    LargeFolios,
}

/// A table for a person: operations, merges, then what was reached.
fn table(stats: &Stats, merges: Option<&Merges>, features: &Features) -> String {
    let mut text = format!("{:<10} {:>10} {:>10} {:>10}\n", "operation", "done", "refused", "failed");
    for (keyword, counts) in stats.by_operation().filter(|(_, counts)| counts.total() > 0) {
        let _ = writeln!(text, "{keyword:<10} {:>10} {:>10} {:>10}", counts.done, counts.refused, counts.failed);
    }
    for (case, count) in merges.into_iter().flat_map(Merges::cases) {
        let _ = writeln!(text, "merges with {case:<32} {count:>10}");
    }
    text + &features.text()
}

/// The same for a program, with what was reached.
fn statistics_value(stats: &Stats, merges: Option<&Merges>, features: &Features) -> serde_json::Value {
    let mut value = features.json();
    value["operations"] = stats.by_operation().map(|(keyword, counts)| (keyword, serde_json::json!(counts))).collect();
    if let Some(merges) = merges {
        value["merges"] = merges.cases().map(|(case, count)| (case, serde_json::json!(count))).collect();
    }
    value
}

/// How often allocations are made to fail in random operations.
#[derive(clap::Args)]
#[group(skip)]
pub(super) struct FailRate {
    /// The share of operations that have failing allocations, from 0 to 1. An operation succeeds if it never makes the
    /// attempts that are to fail. Default: the share of the mix.
    #[arg(long, value_name = "P", value_parser = parse_rate)]
    fail_rate: Option<f64>,
}

impl FailRate {
    /// How many of 1000 operations, if it was said.
    pub(super) fn per_mille(&self) -> Option<u32> {
        self.fail_rate.map(|rate| (rate * 1000.0).round() as u32)
    }
}

pub(super) fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("expected a share from 0 to 1".into()),
    }
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let kernel = args.subject.kernel_name()?;
    let known = args.subject.known()?;
    let random = Random { args, kernel: &kernel, known: &known };
    if args.together { args.subject.run_together(random) } else { args.subject.run(random) }
}

struct Random<'a> {
    args: &'a Args,
    kernel: &'a str,
    known: &'a [KnownFinding],
}

impl Random<'_> {
    /// The mixes that are played in turn.
    fn mixes(&self) -> Result<Vec<Mix>, Error> {
        if self.args.together {
            let failing = self.args.fail_rate.per_mille();
            return Ok(vec![failing.into_iter().fold(Mix::together(), Mix::with_failing)]);
        }
        let operations = self.args.subject.operations()?;
        let by_driver = match operations {
            OpSet::Full | OpSet::Pages | OpSet::Together => MixArg::Varied,
            OpSet::Small => MixArg::Default,
        };
        let mixes = match self.args.mix.unwrap_or(by_driver) {
            MixArg::Default => vec![Mix::default()],
            MixArg::ForkHeavy => vec![Mix::fork_heavy()],
            MixArg::Wide => vec![Mix::wide()],
            MixArg::Varied => Mix::varied(operations),
            MixArg::Full => vec![Mix::full()],
            MixArg::FullForkHeavy => vec![Mix::full_fork_heavy()],
            MixArg::Merges => vec![Mix::merges()],
            MixArg::UntouchedMerges => vec![Mix::untouched_merges()],
            MixArg::FailingMerges => vec![Mix::failing_merges()],
            MixArg::SparseForks => vec![Mix::sparse_forks()],
            MixArg::HugePages => vec![Mix::huge_pages()],
            MixArg::LargeFolios => vec![Mix::large_folios(false), Mix::large_folios(true)],
        };
        if mixes[0].set.has_pages() && !operations.has_pages() {
            let why = "this mix needs the kernel's own page-table code: --vma pages, of a reference that has it";
            return Err(Error::Usage(why.into()));
        }
        if mixes[0].set == OpSet::Full && operations == OpSet::Small {
            let why = "the model does not know all operations of this mix: use --mix default, fork-heavy or wide";
            return Err(Error::Usage(why.into()));
        }
        let mixes: Vec<Mix> = match self.args.fail_rate.per_mille() {
            Some(failing) => mixes.into_iter().map(|mix| mix.with_failing(failing)).collect(),
            None => mixes,
        };
        Ok(match self.args.subject.vma()? {
            VmaCode::Pages => mixes.into_iter().map(Mix::with_pages).collect(),
            _ => mixes,
        })
    }
}

impl Job for Random<'_> {
    type Out = Result<u8, Error>;

    fn on<C, P, D>(self, mut lockstep: Lockstep<C, P>, mut driver: D) -> Self::Out
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        let (lockstep, driver) = (&mut lockstep, &mut driver);
        let (args, mixes) = (self.args, self.mixes()?);
        let mut rng = Rng::new(args.seed);
        // Drawn on standard error, and only if that is a terminal.
        let bar = ProgressBar::new(args.ops).with_style(
            ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} operations, {per_sec}, {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let begun = Instant::now();
        let (mut done, mut calls, mut traces, mut sections) = (0, 0, 0u64, 0);
        let mut features = args.stats.then(Features::default);
        if features.is_some() {
            lockstep.keep_digest();
        }
        while done < args.ops {
            let ops = u64::from(args.trace_ops).min(args.ops - done) as usize;
            let mix = &mixes[traces as usize % mixes.len()];
            let trace = match args.together {
                true => random_sections(&mut rng, ops.min(TOGETHER_OPS), mix),
                false => random_trace(&mut rng, ops, mix),
            };
            sections += trace.sections.len();
            let result = match &mut features {
                None => check::run_trace(lockstep, driver, &trace),
                Some(features) => {
                    let each =
                        |lockstep: &mut Lockstep<C, P>, driver: &mut D, op: &_, _| features.look(lockstep, driver, op);
                    let result = check::run_trace_watched(lockstep, driver, &trace, each);
                    features.end(lockstep, driver, &trace);
                    result
                }
            };
            traces += 1;
            done += trace.ops.len() as u64;
            calls += result.stats.lockstep.calls;
            bar.set_position(done);
            if let Some(mut finding) = result.finding {
                bar.finish_and_clear();
                let met = lockstep.met().to_vec();
                known_file::report_met(self.known, &met);
                let name = args.out.display().to_string();
                let (mut trace, mut summary) = (trace, None);
                // Before it is minimised, for that is counted too.
                let features = features.as_ref();
                let table = features.map(|features| table(driver.stats(), driver.merges(), features));
                let statistics = features.map(|features| statistics_value(driver.stats(), driver.merges(), features));
                if args.minimize {
                    let small = check::minimize_finding(lockstep, driver, &trace, &finding);
                    summary = Some(minimize::summary(&trace, &small));
                    (trace, finding) = (small.trace, small.finding);
                }
                let options = args.subject.options();
                let report = Report::new(&finding, &trace, self.kernel).with_options(&options).with_file(&name);
                let saved = file::write(&args.out, report.shortened_trace().to_file_text().as_bytes());
                if args.json {
                    let mut value = report::json::value(&report);
                    value["known"] = known_file::value(self.known, &met);
                    if let Some(statistics) = statistics {
                        value["statistics"] = statistics;
                    }
                    print(format_args!("{value:#}\n"))?;
                } else {
                    print(report::text::coloured(&report))?;
                }
                if let Some(summary) = summary.filter(|_| !args.json) {
                    print(format_args!("\n{summary}\n"))?;
                }
                if let Some(table) = table.filter(|_| !args.json) {
                    print(format_args!("\n{table}"))?;
                }
                if let Err(error) = saved {
                    let _ = writeln!(anstream::stderr(), "rmap-diff: the trace is not written: {error}");
                }
                return Ok(FOUND);
            }
        }
        bar.finish_and_clear();
        let totals = driver.stats().total();
        known_file::report_met(self.known, lockstep.met());
        if args.json {
            let mut value = serde_json::json!({
                "kernel": self.kernel, "operations": done, "traces": traces, "refused": totals.refused,
                "failed": totals.failed, "calls": calls, "known": known_file::value(self.known, lockstep.met()),
            });
            if args.together {
                value["sections"] = sections.into();
            }
            if let Some(features) = &features {
                value["statistics"] = statistics_value(driver.stats(), driver.merges(), features);
            }
            print(format_args!("{value:#}\n"))?;
            return Ok(AGREE);
        }
        let together = if args.together { format!(" with {sections} sections") } else { String::new() };
        print(format_args!(
            "{}: nothing found: {done} operations in {traces} traces{together} ({:.1}% refused, {:.1}% failed), {calls} rmap \
             calls, {}, {:.0} operations/s\n",
            self.kernel,
            100.0 * totals.refused as f64 / totals.total().max(1) as f64,
            100.0 * totals.failed as f64 / totals.total().max(1) as f64,
            args.subject.vma()?,
            done as f64 / begun.elapsed().as_secs_f64(),
        ))?;
        if let Some(features) = features {
            print(table(driver.stats(), driver.merges(), &features))?;
        }
        Ok(AGREE)
    }
}
