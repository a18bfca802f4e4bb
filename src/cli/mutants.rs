//! `rmap-diff mutants`: hunts every mutant of a build that has them, each in processes of its own, and says how many were found.
//!
//! | file | what is there |
//! | --- | --- |
//! | `mutants/child.rs` | a process that hunts one mutant, and what it says on its standard output |
//! | `mutants/worker.rs` | the other end: starts one, and makes out what came of it if it died |

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::random::FailRate;
use super::{AGREE, Error, FOUND, file, print, subject};
use crate::check::Sides;
use crate::kernel::{self, Reference};
use crate::mutants::{
    self, Budget, Equivalents, Fate, Mode, Mutant, MutantsError, Record, Score, Store, TOGETHER, score,
};
use crate::session::VmaCode;

mod child;
mod worker;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The reference. The option may be given several times. Default: all references of this binary.
    #[arg(long, value_name = "NAME", env = "RMAP_KERNEL")]
    kernel: Vec<String>,
    /// The largest number of operations of a hunt. Each mutant is hunted in lockstep, and by the invariants alone; those of
    /// concurrency in lockstep with a tenth of them, and by operations that run together.
    #[arg(long, default_value_t = 300_000)]
    ops: u64,
    /// How many seeds the random traces use. The seeds take turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    #[command(flatten)]
    fail_rate: FailRate,
    /// Stop after this many seconds. The same command continues later. 0: no limit.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    time: u64,
    /// How many processes run at once. Default: as many as there are processors.
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
    /// Hunt only the mutants of this group: rmap, vma, folio or together.
    #[arg(long)]
    group: Option<String>,
    /// Hunt only the mutants with these numbers.
    #[arg(long, value_delimiter = ',', value_name = "N,N")]
    mutants: Vec<u32>,
    /// Hunt only every Nth mutant.
    #[arg(long, default_value_t = 1, value_name = "N")]
    every: u32,
    /// Do not shrink the traces.
    #[arg(long)]
    no_minimize: bool,
    /// Keep the mutants that an older build killed, and hunt only the others.
    #[arg(long)]
    keep_kills: bool,
    /// The directory of the results.
    #[arg(long, default_value = "target/mutants", value_name = "DIR")]
    dir: PathBuf,
    /// The reviewed list of mutants that no test can tell from the original.
    #[arg(long, default_value = "tests/equivalent-mutants", value_name = "FILE")]
    equivalent: PathBuf,
    #[command(flatten)]
    child: child::Args,
}

impl From<MutantsError> for Error {
    fn from(error: MutantsError) -> Error {
        Error::Usage(error.to_string())
    }
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let references = if args.kernel.is_empty() {
        kernel::references().iter().collect()
    } else {
        args.kernel.iter().map(|name| subject::reference(Some(name))).collect::<Result<Vec<_>, _>>()?
    };
    if let Some(reference) = references.first()
        && args.child.is_child()
    {
        return child::run(&args.child, reference, args.budget("rmap", reference));
    }
    let equivalents = Equivalents::read(&args.equivalent)?;
    let until = (args.time > 0).then(|| Instant::now() + Duration::from_secs(args.time));
    let mut wrong = Vec::new();
    for &reference in &references {
        let mutants = mutants::table(reference)?;
        wrong.extend(Run { args, reference, until }.all(&mutants, &equivalents)?);
    }
    wrong.extend(stale(&equivalents)?);
    for text in &wrong {
        print(format_args!("wrong: {text}\n"))?;
    }
    Ok(if wrong.is_empty() { AGREE } else { FOUND })
}

/// Entries of the reviewed file that are of no mutant of any reference that this binary has.
fn stale(equivalents: &Equivalents) -> Result<Vec<String>, Error> {
    let tables = kernel::references().iter().map(|r| Ok((r.name, mutants::table(r)?)));
    let tables = tables.collect::<Result<Vec<_>, MutantsError>>()?;
    let tables: Vec<(&str, &[Mutant])> = tables.iter().map(|(name, table)| (*name, table.as_slice())).collect();
    let stale = equivalents.stale(&tables);
    Ok(stale.iter().map(|entry| format!("no such mutant, but said to be equivalent: {entry}")).collect())
}

impl Args {
    fn budget(&self, group: &str, reference: &Reference) -> Budget {
        // The model makes no call of the VMA code.
        let small = group == "rmap" || reference.without_vma_layer().is_some();
        Budget {
            ops: self.ops,
            seeds: self.seeds,
            small: small && !self.child.kernel_driver_only,
            pages: matches!(group, "folio" | TOGETHER) || self.child.page_tables,
            together: group == TOGETHER || self.child.together,
            fail_per_mille: self.fail_rate.per_mille(),
        }
    }
}

/// The scores. Those of the folio half and of concurrency are hunted where the reference has the kernel's own page-table code.
const GROUPS: [&str; 4] = ["rmap", "vma", "folio", TOGETHER];

/// The mutants of one reference.
struct Run<'a> {
    args: &'a Args,
    reference: &'static Reference,
    until: Option<Instant>,
}

impl Run<'_> {
    /// Hunts them and says what came of it. Returns what is wrong with the reviewed file.
    fn all(&self, mutants: &[Mutant], equivalents: &Equivalents) -> Result<Vec<String>, Error> {
        let args = self.args;
        let name = self.reference.name;
        VmaCode::choose(Some(VmaCode::Kernel), Sides::Reference, &[self.reference])?;
        let chosen: Vec<&Mutant> = mutants
            .iter()
            .filter(|mutant| args.group.as_ref().is_none_or(|group| *group == mutant.group))
            .filter(|mutant| args.mutants.is_empty() || args.mutants.contains(&mutant.number))
            .filter(|mutant| mutant.number.is_multiple_of(args.every.max(1)))
            .collect();
        let header = args.budget("rmap", self.reference).header(name, build_id()?);
        let path = args.dir.join(format!("{name}.jsonl"));
        let store = if args.keep_kills { Store::open_kills(&path, &header)? } else { Store::open(&path, &header)? };
        let mut todo = Vec::new();
        for group in GROUPS {
            let of_group: Vec<&Mutant> = chosen.iter().copied().filter(|mutant| mutant.group == group).collect();
            let worker = worker::Worker::new(self.reference, args.budget(group, self.reference), !args.no_minimize);
            let modes = Mode::of_group(group);
            let left = of_group.iter().flat_map(|mutant| modes.map(|mode| (*mutant, mode)));
            let left: Vec<_> =
                left.filter(|(mutant, mode)| !store.outcome.contains_key(&(mutant.number, *mode))).collect();
            // What is reached in lockstep is so without.
            let mut reached: HashMap<Mode, Numbers> = HashMap::new();
            for (mutant, mode) in left {
                let traces = if mode == Mode::Together { mode } else { Mode::Lockstep };
                let reached = match reached.entry(traces) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(worker.reached(traces)?),
                };
                todo.push((mutant, mode, reached.contains(&mutant.number)));
            }
        }
        let (store, whole) = self.hunt(&todo, store)?;
        let outcome = &store.outcome;
        file::write(&args.dir.join(format!("{name}.tsv")), score::tsv(name, mutants, outcome, equivalents).as_bytes())?;
        self.report(&chosen, outcome, equivalents, whole)
    }

    /// Hunts until all is done or time is up: whether all is done.
    fn hunt(&self, todo: &[(&Mutant, Mode, bool)], store: Store) -> Result<(Store, bool), Error> {
        let bar = ProgressBar::new(todo.len() as u64).with_style(
            ProgressStyle::with_template("{msg:8} {bar:40} {pos}/{len} hunts, {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_message(self.reference.name);
        let jobs = self.args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
        let queue = Mutex::new(todo.iter());
        let kept = Mutex::new((store, None));
        let next = || {
            let late = self.until.is_some_and(|until| Instant::now() >= until);
            if late || lock(&kept).1.is_some() { None } else { lock(&queue).next() }
        };
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some((mutant, mode, reached)) = next() {
                        let budget = self.args.budget(&mutant.group, self.reference);
                        let worker = worker::Worker::new(self.reference, budget, !self.args.no_minimize);
                        let fate = if *reached { worker.hunt(mutant, *mode) } else { Ok(Fate::Unreached) };
                        let mut kept = lock(&kept);
                        let record = |fate| Record { mutant: mutant.number, mode: *mode, fate };
                        if let Err(error) = fate.and_then(|fate| Ok(kept.0.keep(record(fate))?)) {
                            kept.1 = Some(error);
                        }
                        bar.inc(1);
                    }
                });
            }
        });
        bar.finish_and_clear();
        let whole = lock(&queue).next().is_none();
        let (store, error) = kept.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match error {
            Some(error) => Err(error),
            None => Ok((store, whole)),
        }
    }

    fn report(
        &self,
        chosen: &[&Mutant],
        outcome: &mutants::MutantFates,
        equivalents: &Equivalents,
        whole: bool,
    ) -> Result<Vec<String>, Error> {
        let name = self.reference.name;
        let chosen: Vec<Mutant> = chosen.iter().map(|&mutant| mutant.clone()).collect();
        let mut wrong = Vec::new();
        for group in GROUPS {
            let of_one = |mode| (Some(mode), if mode == Mode::Together { "together" } else { "invariants alone" });
            let [first, second] = Mode::of_group(group);
            let judges = [(Some(first), "lockstep"), of_one(second), (None, "either")];
            for (mode, by) in judges.into_iter().filter(|(mode, _)| mode.is_some() || group == TOGETHER) {
                let score = Score::of(name, &chosen, outcome, equivalents, group, mode);
                if score.of + score.equivalent == 0 {
                    continue;
                }
                let by_hand = match score.by_hand {
                    0 => String::new(),
                    some => format!(" ({some} by sections written by hand)"),
                };
                print(format_args!(
                    "{name:10} {group:8} {by:17} {:>4} of {:>4} killed{by_hand}, {:>5.1} %, {} equivalent; median {:.2} s, \
                     slowest {:.1} s\n",
                    score.killed,
                    score.of,
                    score.percent(),
                    score.equivalent,
                    score.median_ms as f64 / 1000.0,
                    score.slowest_ms as f64 / 1000.0,
                ))?;
            }
        }
        if !whole {
            print(format_args!("{name}: time is up; the same command goes on\n"))?;
        }
        // In the groups of one task what lockstep does not find is worth a look.
        let fate_of = |mutant: &Mutant| match mutant.group.as_str() {
            TOGETHER => score::fate_of(outcome, mutant),
            _ => outcome.get(&(mutant.number, Mode::Lockstep)),
        };
        let survivors = chosen.iter().filter(|mutant| {
            let fate = fate_of(mutant);
            fate.is_some_and(|fate| fate.kill().is_none()) && equivalents.left_out(name, mutant, fate).is_none()
        });
        let mut places: HashMap<&str, Vec<String>> = HashMap::new();
        for mutant in survivors {
            let never = if fate_of(mutant) == Some(&Fate::Unreached) { " (never reached)" } else { "" };
            let Mutant { number, line, operator, nth, .. } = mutant;
            let nth = if *nth > 1 { format!(" #{nth}") } else { String::new() };
            places
                .entry(&mutant.function)
                .or_default()
                .push(format!("  {number:>5}  line {line:<5} {operator}: {}{nth}{never}\n", mutant.change()));
        }
        let mut functions: Vec<_> = places.into_iter().collect();
        functions.sort();
        for (function, lines) in functions {
            print(format_args!("{name}: survivors in {function}()\n{}", lines.concat()))?;
        }
        for mutant in &chosen {
            let killed = |mode| outcome.get(&(mutant.number, mode)).and_then(Fate::kill);
            if let (Some(_), Some(kill)) =
                (equivalents.reason(name, mutant), Mode::of_group(&mutant.group).into_iter().find_map(killed))
            {
                wrong.push(format!(
                    "{name}: said to be equivalent, but killed ({}): {}: {}: {}",
                    kill.by,
                    mutant.function,
                    mutant.operator,
                    mutant.change()
                ));
            }
        }
        Ok(wrong)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What tells this binary from any other.
fn build_id() -> Result<String, Error> {
    let exe = std::env::current_exe().map_err(Error::io(Path::new("this binary")))?;
    let bytes = std::fs::read(&exe).map_err(Error::io(&exe))?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}

/// Numbers of mutants.
type Numbers = HashSet<u32>;
