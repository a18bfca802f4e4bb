//! `rmap-diff ground-truth`: traces on a booted kernel, compared with the userland run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::known_file::KnownArg;
use super::random::FailRate;
use super::subject::{self, VmaOption};
use super::{AGREE, Error, FOUND, expected, file, print};
use crate::check::Sides;
use crate::ground_truth::compare::{self, GuestDifference, Observed};
use crate::ground_truth::emulator::{EmulatorError, Setup};
use crate::ground_truth::expressible::{LeftOut, expressible, without_options, without_zswap};
use crate::ground_truth::guest::Guest;
use crate::ground_truth::userland::{Played, Userland};
use crate::kernel::Reference;
use crate::known::Booted;
use crate::minimize::minimize;
use crate::rmap::dump::PageTarget;
use crate::session::VmaCode;
use crate::trace::{Mix, OpKind, Rng, Trace, random_trace};

#[derive(clap::Args)]
pub(super) struct Args {
    /// Traces in text form. They are run before the random ones.
    files: Vec<PathBuf>,
    /// The reference to compare with, by name.
    #[arg(long, value_name = "NAME", env = "RMAP_KERNEL")]
    kernel: Option<String>,
    /// The image of a kernel of the reference's version (`rmap-kernels image NAME` brings one).
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// The agent, which is the program of guest/, linked statically and position-independent.
    #[arg(long, value_name = "FILE")]
    agent: PathBuf,
    /// The emulator that boots the image.
    #[arg(long, value_name = "PROGRAM", default_value = "qemu-system-x86_64")]
    emulator: PathBuf,
    #[command(flatten)]
    vma: VmaOption,
    /// How many random traces are run.
    #[arg(long, default_value_t = 500)]
    traces: u32,
    /// A random trace has at least this many operations, and at most twice as many.
    #[arg(long, default_value_t = 20, value_name = "N")]
    trace_ops: u32,
    /// The seed of the random traces.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    fail_rate: FailRate,
    /// The share of random traces that have failing allocations, from 0 to 1. Default: 0.2, or 1 with --fail-rate.
    #[arg(long, value_name = "SHARE", value_parser = super::random::parse_rate)]
    failing: Option<f64>,
    /// Where to write the smallest trace of a difference (`-`: standard output).
    #[arg(short, long, value_name = "FILE", default_value = "ground-truth.trace")]
    out: PathBuf,
    #[command(flatten)]
    known: KnownArg,
}

/// How many of 1000 operations have failing attempts, in a trace that has any, and how soon: most operations make few.
const FAIL_PER_MILLE: u32 = 250;
/// The share of random traces that have any.
const FAILING: f64 = 0.2;
const FAIL_WITHIN: u16 = 4;
/// With page tables, one random trace in so many is of huge pages.
const HUGE_EVERY: u32 = 8;

/// What was compared.
#[derive(Default)]
struct Totals {
    traces: u32,
    steps: u64,
    /// Traces with a failed allocation, and how many failed.
    failing: u32,
    failures: u64,
    refused: u64,
    left_out: LeftOut,
    /// Warnings of the userland run that the booted kernel did not give, and how often.
    userland_alone: BTreeMap<String, u64>,
    /// Of operations on pages and of faults, by name: how many were done, and how many refused.
    on_pages: BTreeMap<&'static str, [u64; 2]>,
    /// Of the migrations that were done, those by soft offlining.
    soft_offlined: u64,
    /// Page table entries that were compared, and frames.
    entries: u64,
    frames: u64,
    /// Of the entries, those that userfaultfd write-protects, those that are soft-dirty, and those of memory that has failed.
    protected: u64,
    soft_dirty: u64,
    failed: u64,
    /// Of everything that the booted kernel showed.
    digest: DefaultHasher,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let reference = subject::reference(args.kernel.as_deref())?;
    let begun = Instant::now();
    let vma = VmaCode::choose(args.vma.asked(), Sides::Reference, &[reference])?;
    if vma == VmaCode::Model {
        return Err(Error::Usage("--vma model: a booted kernel is compared with the kernel's own VMA code".to_owned()));
    }
    let setup = Setup {
        emulator: args.emulator.clone(),
        image: args.image.clone(),
        agent: args.agent.clone(),
        pages: vma == VmaCode::Pages,
    };
    let guest = Guest::boot(&setup)?;
    let userland = Userland::new(reference, vma, guest.kernel())?;
    print(format_args!("{}: booted {} in {:.1} s\n", reference.name, guest.release(), begun.elapsed().as_secs_f64()))?;
    let mut play = Comparison { vma, setup, userland, guest, boots: 1, totals: Totals::default() };
    let bar = ProgressBar::new(args.files.len() as u64 + u64::from(args.traces)).with_style(
        ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} traces, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    for path in &args.files {
        let trace = file::read_trace(path)?;
        expected::ignored(&trace, path, "ground-truth");
        let trace = expressible(&trace, vma, &mut play.totals.left_out);
        bar.inc(1);
        if let Some(found) = play.compare(args, &trace)? {
            bar.finish_and_clear();
            return play.report(args, &found, &path.display().to_string());
        }
    }
    let mut rng = Rng::new(args.seed);
    let rate = args.fail_rate.per_mille();
    let failing = args.failing.unwrap_or(if rate.is_some() { 1.0 } else { FAILING });
    for number in 0..args.traces {
        let fails = f64::from(rng.below(1 << 20)) < failing * f64::from(1 << 20);
        let trace = play.random_trace(
            &mut rng,
            number,
            args.trace_ops as usize,
            if fails { rate.unwrap_or(FAIL_PER_MILLE) } else { 0 },
        );
        bar.inc(1);
        if let Some(found) = play.compare(args, &trace)? {
            bar.finish_and_clear();
            return play.report(args, &found, &format!("random trace {number} of seed {}", args.seed));
        }
    }
    bar.finish_and_clear();
    let unlike = play.known(args, reference)?;
    let totals = &play.totals;
    let mut text = format!(
        "{}: ground truth: {} traces ({} from files), {} steps identical ({} refused by both), {} traces with {} failed \
         allocations, 0 differences, {:.0} s\n",
        reference.name,
        totals.traces,
        args.files.len(),
        totals.steps,
        totals.refused,
        totals.failing,
        totals.failures,
        begun.elapsed().as_secs_f64()
    );
    let _ = writeln!(text, "left out: {}", totals.left_out);
    if play.boots > 1 {
        let _ = writeln!(text, "booted {} times, since memory that has failed does not come back", play.boots);
    }
    if vma == VmaCode::Pages {
        let counts = totals.on_pages.iter().map(|(name, [done, refused])| match *name {
            "migrate" => format!("{name} {done} ({} by soft offlining, {refused} refused)", totals.soft_offlined),
            _ => format!("{name} {done} ({refused} refused)"),
        });
        let counts = counts.collect::<Vec<_>>().join(", ");
        let Totals { entries, frames, protected, soft_dirty, failed, .. } = totals;
        let _ = writeln!(
            text,
            "pages: {entries} entries ({protected} write-protected by userfaultfd, {soft_dirty} soft-dirty, {failed} of failed \
             memory) and {frames} frames identical; {counts}"
        );
        if !play.guest.kernel().soft_dirty {
            text.push_str("soft-dirty bits were not compared: the booted kernel has no CONFIG_MEM_SOFT_DIRTY\n");
        }
    }
    for (warning, times) in &totals.userland_alone {
        let _ = writeln!(
            text,
            "warning of the userland run alone (the booted kernel has no CONFIG_DEBUG_VM): {warning}, {times} times"
        );
    }
    let _ = writeln!(text, "digest of what the booted kernel showed: {:016x}", totals.digest.finish());
    print(text)?;
    Ok(if unlike { FOUND } else { AGREE })
}

struct Comparison {
    vma: VmaCode,
    setup: Setup,
    userland: Userland,
    guest: Guest,
    /// How often a guest was booted.
    boots: u32,
    totals: Totals,
}

impl Comparison {
    /// A random trace of at least this many operations, all of them system calls.
    fn random_trace(&mut self, rng: &mut Rng, number: u32, ops: usize, fail_per_mille: u32) -> Trace {
        let mix = [Mix::full, Mix::merges, Mix::full_fork_heavy][number as usize % 3]();
        let mix = match self.vma {
            VmaCode::Pages if number % HUGE_EVERY == HUGE_EVERY - 1 => Mix::huge_pages(),
            VmaCode::Pages => mix.with_pages(),
            _ => mix,
        };
        // Rare operations; of the first the state that it meets leaves out many.
        let mix = if self.vma == VmaCode::Pages { mix.with("poison", 2).with("uffdwp", 3) } else { mix };
        let mix =
            Mix { fail_per_mille, fail_within: FAIL_WITHIN, fail_node_per_mille: 0, fail_page_per_mille: 0, ..mix };
        let ops = ops + rng.below(ops as u32 + 1) as usize;
        let mut length = ops;
        loop {
            // The same numbers for a longer trace, so that none begins in the middle.
            let trace = random_trace(&mut rng.clone(), length, &mix);
            let mut left_out = LeftOut::default();
            let said = expressible(&trace, self.vma, &mut left_out);
            if said.ops.len() >= ops || length > 4 * ops {
                self.totals.left_out.add(&left_out);
                rng.next_u64();
                return said;
            }
            length += ops - said.ops.len();
        }
    }

    /// Goes on with a guest that has played nothing.
    fn boot_again(&mut self) -> Result<(), EmulatorError> {
        self.guest = Guest::boot(&self.setup)?;
        self.boots += 1;
        Ok(())
    }

    /// Plays on both. What was left out counts.
    fn play(&mut self, trace: &Trace) -> Result<(Played, Vec<Observed>), Error> {
        let mut left_out = LeftOut::default();
        let both = self.play_counting(trace, &mut left_out);
        self.totals.left_out.add(&left_out);
        both
    }

    fn play_counting(&mut self, trace: &Trace, left_out: &mut LeftOut) -> Result<(Played, Vec<Observed>), Error> {
        let trace = without_options(trace, self.guest.kernel(), left_out);
        let lacks_zswap = self.vma == VmaCode::Pages && !self.guest.kernel().zswap;
        let trace = if lacks_zswap { without_zswap(&trace, left_out) } else { trace };
        let mut played = self.userland.play(&trace, left_out).map_err(|error| Error::Usage(error.to_string()))?;
        let swaps = played.trace.ops.iter().any(|op| matches!(op.kind, OpKind::SwapOut { .. }));
        let contents = !(lacks_zswap && swaps);
        if self.guest.is_worn_out() {
            self.boot_again()?;
        }
        let mut theirs = self.guest.play(&played, contents)?;
        if !contents {
            for steps in [&mut played.steps, &mut theirs] {
                *steps = std::mem::take(steps).into_iter().map(Observed::without_contents).collect();
            }
        }
        Ok((played, theirs))
    }

    /// Plays on both, and counts: the first difference, with what was played. The trace on which the booted kernel is lost is kept.
    fn compare(&mut self, args: &Args, trace: &Trace) -> Result<Option<(Trace, GuestDifference)>, Error> {
        let (Played { trace, steps: ours, soft_offlined }, theirs) = match self.play(trace) {
            Ok(both) => both,
            Err(error) => {
                file::write(&args.out, format!("# ground truth: lost the booted kernel\n{trace}").as_bytes())?;
                return Err(Error::Usage(format!("{error}\nthe trace is saved as {}", args.out.display())));
            }
        };
        let failures: usize = theirs
            .iter()
            .flat_map(|step| step.attempts.as_deref().unwrap_or(&[]))
            .filter(|attempt| attempt.failed)
            .count();
        let totals = &mut self.totals;
        totals.traces += 1;
        totals.steps += theirs.len() as u64;
        totals.failing += u32::from(failures > 0);
        totals.failures += failures as u64;
        totals.refused += theirs.iter().filter(|step| step.errno != 0).count() as u64;
        for (ours, _) in ours.iter().zip(&theirs).filter(|(_, theirs)| theirs.warnings.is_empty()) {
            for warning in &ours.warnings {
                *totals.userland_alone.entry(warning.clone()).or_default() += 1;
            }
        }
        totals.soft_offlined += soft_offlined.iter().filter(|&&step| theirs[step].errno == 0).count() as u64;
        for (op, step) in trace.ops.iter().zip(&theirs) {
            if op.kind.needs_page_tables() || matches!(op.kind, OpKind::Fault { .. }) {
                totals.on_pages.entry(op.kind.keyword()).or_default()[usize::from(step.errno != 0)] += 1;
            }
            if let Some(pages) = &step.dump.pages {
                for entry in pages.processes.iter().flat_map(|process| &process.entries) {
                    totals.entries += 1;
                    totals.protected += u64::from(entry.uffd);
                    totals.soft_dirty += u64::from(entry.soft_dirty);
                    totals.failed += u64::from(matches!(entry.target, PageTarget::Failed(_)));
                }
                totals.frames += pages.frames.len() as u64;
            }
            (step.errno, step.dump.json(), !step.warnings.is_empty()).hash(&mut totals.digest);
        }
        Ok(compare::first_difference(&trace, &ours, &theirs).map(|difference| (trace, difference)))
    }

    /// Tries the known findings of the reference; whether one is not as the file says.
    fn known(&mut self, args: &Args, reference: &Reference) -> Result<bool, Error> {
        let all = args.known.read()?;
        let mut unlike = false;
        for known in all.of(reference.name, reference.version) {
            let trace = all.trace(&known).map_err(|error| Error::Usage(error.to_string()))?;
            if !trace.sections.is_empty() {
                print(format_args!("known: {}: not played: its operations run together\n", known.trace))?;
                continue;
            }
            let needs_pages = VmaCode::needed_by(&trace) == VmaCode::Pages;
            if needs_pages && self.vma != VmaCode::Pages {
                print(format_args!("known: {}: not played: its operations need --vma pages\n", known.trace))?;
                continue;
            }
            let mut left_out = LeftOut::default();
            let said = expressible(&trace, self.vma, &mut left_out);
            let (Played { trace, steps: ours, .. }, theirs) = self.play_counting(&said, &mut left_out)?;
            if needs_pages && !left_out.is_empty() {
                print(format_args!("known: {}: not played: without {left_out}\n", known.trace))?;
                continue;
            }
            self.totals.left_out.add(&left_out);
            let booted = match theirs.iter().all(|step| step.warnings.is_empty()) {
                true => Booted::Silent,
                false => Booted::Warns,
            };
            let graph = match compare::first_difference(&trace, &ours, &theirs) {
                None => "the same graph at every step".to_owned(),
                Some(difference) => {
                    unlike = true;
                    format!("DIFFERENT\n{}", compare::report(&trace, &difference))
                }
            };
            let said = match known.booted {
                Some(said) if said == booted => "as the file says".to_owned(),
                Some(said) => {
                    unlike = true;
                    format!("BUT THE FILE SAYS {said}")
                }
                None => "which the file does not say".to_owned(),
            };
            print(format_args!("known: {}: booted: {booted}, {said}; {graph}\n", known.trace))?;
            for warning in theirs.iter().flat_map(|step| &step.warnings) {
                print(format_args!("    console: {warning}\n"))?;
            }
        }
        Ok(unlike)
    }

    /// Makes the trace of a difference small, and reports it.
    fn report(
        mut self,
        args: &Args,
        (trace, difference): &(Trace, GuestDifference),
        whence: &str,
    ) -> Result<u8, Error> {
        let _ = writeln!(anstream::stderr(), "ground-truth: a difference in {whence}; making the trace small");
        let cut = trace.first(difference.step + 1);
        let (mut small, mut found) = (cut.clone(), difference.clone());
        let (what, mut again) = (difference.what, false);
        // What the traces before it have left behind is no part of it. Without another guest this one goes on.
        let _ = self.boot_again();
        minimize(&cut, |candidate| {
            let result = self.play_counting(candidate, &mut LeftOut::default());
            // A kernel that was lost is booted again; a trace that loses it again and again is no smaller one.
            let Ok((Played { trace, steps: ours, .. }, theirs)) = result else {
                // Without one, the next trace fails in the same way.
                let _ = self.boot_again();
                return false;
            };
            match compare::first_difference(&trace, &ours, &theirs) {
                Some(difference) if difference.what == what => {
                    (small, found, again) = (trace, difference, true);
                    true
                }
                _ => false,
            }
        });
        let small = small.first(found.step + 1);
        print(format_args!("{whence}\n{}", compare::report(&small, &found)))?;
        if !again {
            print("it was not met again when the trace was played a second time\n")?;
        }
        let text = format!("# ground truth: {} after operation {}\n{small}", found.what.name(), found.step + 1);
        file::write(&args.out, text.as_bytes())?;
        print(format_args!("saved as {}\n", args.out.display()))?;
        Ok(FOUND)
    }
}

impl From<EmulatorError> for Error {
    fn from(error: EmulatorError) -> Error {
        Error::Usage(error.to_string())
    }
}
