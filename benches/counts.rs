//! How many instructions an operation takes, beside the ratios that are committed in `counts.toml`. A count does not depend on the
//! load of the machine, so that a test can fail for it.
//!
//! Fixed traces run under valgrind, which counts what is executed within [`counted_instructions`]: on the C alone, on the port alone,
//! and on both in lockstep with every check; with the small driver, with the kernel's VMA code, and with its page-table code. A count
//! depends on the compilers, so only ratios of one run are compared.
//!
//! `make counts` does it; `make counts WRITE=1` writes the file.

mod workload;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rmap_diff::check::{self, Driver as _, Lockstep};
use rmap_diff::kernel::{self, Kernel, Reference, SlabMode};
use rmap_diff::mm::{KernelDriver, Outcome, SmallDriver};
use rmap_diff::port::Port;
use rmap_diff::rmap::{MmId, Rmap, Side as _};
use rmap_diff::trace::{Mix, Op, OpKind, Rng, Trace, VmaLayer};
use serde::Deserialize;
use workload::{Meter, Metered, random_traces, setup, steady, tolerant, unstopped};

/// Live VMAs, of 16 processes together.
const SIZES: [u64; 4] = [64, 1024, 16384, 65536];

/// Above this, steady operations are not counted: only what one operation costs among so many VMAs.
const STEADY_SIZE: u64 = 16384;

/// Live VMAs at most where the kernel's own VMA code runs: to make more takes minutes under valgrind.
const KERNEL_SIZE: u64 = 1024;

/// Steady operations that are counted.
const STEADY: usize = 900;

/// Times that the operation is counted which touches no other VMA.
const FIXED: usize = 40;

/// Traces of 256 operations that are counted with the kernel's own code, after one that is not.
const TRACES: usize = 6;

/// The page of the operation that touches no other VMA.
const OWN_PAGE: u64 = 0x200_000;

/// The committed ratios.
const FILE: &str = "benches/counts.toml";

/// Instructions are counted within this, and nowhere else: valgrind knows it by its name.
#[inline(never)]
fn counted_instructions<T>(does: impl FnOnce() -> T) -> T {
    black_box(does())
}

/// When this returns, valgrind writes down what was counted since the last time. Tells the row's name and how many operations it had.
#[inline(never)]
fn end_of_counted_row(name: &str, ops: usize) {
    println!("{ops}\t{name}");
}

/// Counts what runs inside of the C.
struct Counted;

impl Meter for Counted {
    fn within<T>(&mut self, does: impl FnOnce() -> T) -> T {
        counted_instructions(does)
    }
}

/// Which code of the kernel's runs, and with which driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Code {
    Model,
    Kernel,
    Pages,
}

impl Code {
    /// What takes longest first.
    const ALL: [Code; 3] = [Code::Model, Code::Pages, Code::Kernel];

    /// As `--vma` has it.
    fn name(self) -> &'static str {
        match self {
            Code::Model => "model",
            Code::Kernel => "kernel",
            Code::Pages => "pages",
        }
    }

    /// Among how many VMAs one operation is counted.
    fn sizes(self) -> impl Iterator<Item = u64> {
        SIZES.into_iter().filter(move |&vmas| self == Code::Model || vmas <= KERNEL_SIZE)
    }

    fn world(self, reference: &'static Reference) -> Result<Kernel, &'static str> {
        match self {
            Code::Model => Ok(Kernel::new(reference, SlabMode::Reuse)),
            Code::Kernel => Kernel::with_vma_layer(reference, SlabMode::Reuse),
            Code::Pages => Kernel::with_pages(reference, SlabMode::Reuse),
        }
    }
}

/// What was counted is of no row.
const UNCOUNTED: &str = "";

/// The name of a row.
fn row(code: Code, what: &str, side: &str) -> String {
    format!("{}, {what}: {side}", code.name())
}

fn steady_row(vmas: u64) -> String {
    format!("{vmas} VMAs")
}

/// The whole state, by VMA.
fn whole_state_row(code: Code, vmas: u64) -> String {
    row(code, &format!("whole state of {vmas}, each VMA"), LOCKSTEP)
}

fn fixed_row(vmas: u64) -> String {
    format!("one operation among {vmas}")
}

const TRACES_ROW: &str = "traces";
const INSIDE: &str = "inside of C";
const C: &str = "C";
const PORT: &str = "port";
const LOCKSTEP: &str = "lockstep";

/// A VMA that comes, is faulted, and goes, far from all others.
fn fixed() -> [Op; 3] {
    let (mm, start, end) = (MmId(0), OWN_PAGE, OWN_PAGE + 1);
    [OpKind::map(mm, start, end).into(), OpKind::fault(mm, start).into(), OpKind::Unmap { mm, start, end }.into()]
}

/// Counts the steady operations, and the one that touches no other VMA, among so many VMAs.
///
/// `whole` looks at the whole state, which a lockstep does at growing intervals: then it does not fall among what is counted here.
fn among<R>(
    code: Code,
    side: &str,
    vmas: u64,
    rmap: &mut R,
    mut apply: impl FnMut(&mut R, &Op),
    whole: Option<fn(&mut R)>,
) {
    for op in setup(vmas) {
        apply(rmap, &op);
    }
    let look = |rmap: &mut R| {
        if let Some(whole) = whole {
            counted_instructions(|| whole(rmap));
            end_of_counted_row(&whole_state_row(code, vmas), vmas as usize);
        }
    };
    if vmas <= STEADY_SIZE && code == Code::Model {
        let ops = steady(vmas, 2 * STEADY, &mut Rng::new(vmas));
        let (warm, counted) = ops.split_at(STEADY);
        warm.iter().for_each(|op| apply(rmap, op));
        look(rmap);
        counted_instructions(|| counted.iter().for_each(|op| apply(rmap, op)));
        end_of_counted_row(&row(code, &steady_row(vmas), side), counted.len());
    } else if vmas <= STEADY_SIZE {
        look(rmap);
    }
    let fixed = fixed();
    fixed.iter().for_each(|op| apply(rmap, op));
    counted_instructions(|| (0..FIXED).for_each(|_| fixed.iter().for_each(|op| apply(rmap, op))));
    end_of_counted_row(&row(code, &fixed_row(vmas), side), FIXED * fixed.len());
}

/// A driver's operation, which must have been done.
fn small<R: Rmap>(driver: &mut SmallDriver, rmap: &mut R, op: &Op) {
    assert_eq!(driver.apply(rmap, op), Outcome::Done, "{op}");
}

fn count_small_driver(reference: &'static Reference) {
    for vmas in SIZES {
        let mut driver = SmallDriver::new();
        let mut kernel = Kernel::new(reference, SlabMode::Reuse);
        among(Code::Model, C, vmas, &mut kernel, |kernel, op| small(&mut driver, kernel, op), None);
        drop(kernel);
        let (mut driver, mut port) = (SmallDriver::new(), Port::new(reference.revision));
        among(Code::Model, PORT, vmas, &mut port, |port, op| small(&mut driver, port, op), None);
        let mut driver = SmallDriver::new();
        drop(port);
        let mut both = Lockstep::new(Kernel::new(reference, SlabMode::Reuse), Port::new(reference.revision));
        let apply = |both: &mut Lockstep<_, _>, op: &Op| {
            small(&mut driver, both, op);
            both.end_operation();
        };
        among(Code::Model, LOCKSTEP, vmas, &mut both, apply, Some(Lockstep::finish));
        assert!(both.finding().is_none(), "{:?}", both.finding());
    }
}

/// Those among which the counted ones are.
fn candidates(code: Code) -> Vec<Trace> {
    let mix = if code == Code::Pages { Mix::full().with_pages() } else { Mix::full() };
    random_traces(mix, 4 * TRACES)
}

/// The side must have been reset.
fn play<R: VmaLayer>(driver: &mut KernelDriver, rmap: &mut R, trace: &Trace) {
    driver.reset();
    for op in &trace.ops {
        driver.apply(rmap, op);
    }
}

/// The traces of which these are the numbers; the first is not counted.
fn count_kernel_driver(reference: &'static Reference, code: Code, numbers: &[usize]) {
    let world = || code.world(reference).expect("it was looked at");
    let all = candidates(code);
    let traces: Vec<&Trace> = numbers.iter().map(|&nth| &all[nth]).collect();
    let (warm, traces) = traces.split_first().expect("some traces are there");
    let ops: usize = traces.iter().map(|trace| trace.ops.len()).sum();
    let end = |side: &str| end_of_counted_row(&row(code, TRACES_ROW, side), ops);

    let (mut inside, mut driver) = (Metered { kernel: world(), meter: Counted }, KernelDriver::new());
    play(&mut driver, &mut inside, warm);
    end_of_counted_row(UNCOUNTED, 1);
    for trace in traces {
        inside.kernel.reset();
        play(&mut driver, &mut inside, trace);
    }
    end(INSIDE);

    let (mut kernel, mut driver) = (world(), KernelDriver::new());
    play(&mut driver, &mut kernel, warm);
    counted_instructions(|| {
        for trace in traces {
            kernel.reset();
            play(&mut driver, &mut kernel, trace);
        }
    });
    end(C);

    let (mut both, mut driver) = (tolerant(world()), KernelDriver::new());
    let mut run = |trace| {
        let result = check::run_trace(&mut both, &mut driver, trace);
        assert!(result.finding.is_none(), "{:?}", result.finding);
    };
    // As often as its buffers have to grow.
    traces.iter().for_each(|trace| run(trace));
    counted_instructions(|| traces.iter().for_each(|trace| run(trace)));
    end(LOCKSTEP);

    for vmas in code.sizes() {
        let (mut kernel, mut driver) = (world(), KernelDriver::new());
        let apply = |kernel: &mut Kernel, op: &Op| assert_eq!(driver.apply(kernel, op), Outcome::Done, "{op}");
        among(code, C, vmas, &mut kernel, apply, None);
        drop(kernel);
        let mut both = Lockstep::new(world(), Port::new(reference.revision));
        let mut driver = KernelDriver::new();
        let apply = |both: &mut Lockstep<_, _>, op: &Op| {
            assert_eq!(driver.apply(both, op), Outcome::Done, "{op}");
            both.end_operation();
            driver.check(both);
        };
        among(code, LOCKSTEP, vmas, &mut both, apply, Some(Lockstep::finish));
        assert!(both.finding().is_none(), "{:?}", both.finding());
    }
}

/// What an operation takes.
#[derive(Clone, Copy, Debug)]
struct Count {
    instructions: f64,
    /// Calls of the C library's allocator.
    allocations: f64,
}

/// By row.
type Counts = BTreeMap<String, Count>;

/// What the C library allocates with.
const ALLOCATORS: [&str; 6] = ["malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign", "memalign"];

/// What is compared: the sums of instructions of some rows, divided.
struct Ratio {
    name: String,
    of: Vec<String>,
    by: Vec<String>,
    /// Of the port and the C: if it is smaller, the C is slower.
    both_ways: bool,
}

/// Every ratio of a reference.
fn ratios(codes: &[Code]) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    let mut add = |name: String, of: &[&String], by: &[&String], both_ways: bool| {
        let rows = |rows: &[&String]| rows.iter().map(|row| row.to_string()).collect();
        ratios.push(Ratio { name, of: rows(of), by: rows(by), both_ways });
    };
    for &code in codes {
        let name = code.name();
        if code == Code::Model {
            for vmas in SIZES.into_iter().filter(|&vmas| vmas <= STEADY_SIZE) {
                let [c, port, both] = [C, PORT, LOCKSTEP].map(|side| row(code, &steady_row(vmas), side));
                add(format!("{name}, {vmas} VMAs: port / C"), &[&port], &[&c], true);
                add(format!("{name}, {vmas} VMAs: lockstep / (C + port)"), &[&both], &[&c, &port], false);
                let whole = whole_state_row(code, vmas);
                add(format!("{name}, {vmas} VMAs: whole state, each VMA / C"), &[&whole], &[&c], false);
            }
        } else {
            let [inside, c, both] = [INSIDE, C, LOCKSTEP].map(|side| row(code, TRACES_ROW, side));
            let model = row(Code::Model, &steady_row(SIZES[0]), C);
            add(format!("{name}, traces: inside of C / C of model"), &[&inside], &[&model], false);
            add(format!("{name}, traces: C / inside of C"), &[&c], &[&inside], false);
            add(format!("{name}, traces: lockstep / C"), &[&both], &[&c], false);
        }
        let sides: &[&str] = if code == Code::Model { &[C, PORT, LOCKSTEP] } else { &[C, LOCKSTEP] };
        for side in sides {
            let few = row(code, &fixed_row(SIZES[0]), side);
            for vmas in code.sizes().skip(1) {
                let many = row(code, &fixed_row(vmas), side);
                add(
                    format!("{name}, {side}: one operation among {vmas} VMAs / among {}", SIZES[0]),
                    &[&many],
                    &[&few],
                    false,
                );
            }
        }
    }
    ratios
}

/// `counts.toml`.
#[derive(Deserialize)]
struct Committed {
    /// How much worse a ratio may be: a share of it.
    tolerance: f64,
    /// By reference.
    #[serde(flatten)]
    references: BTreeMap<String, CommittedReference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommittedReference {
    ratios: BTreeMap<String, f64>,
    /// Calls of the allocator, an operation, of the rows of [`allocating`].
    allocations: BTreeMap<String, f64>,
    /// As they were then; not compared.
    instructions: BTreeMap<String, u64>,
}

impl CommittedReference {
    /// As it was measured.
    fn of(counts: &Counts) -> CommittedReference {
        CommittedReference {
            ratios: measured(counts).into_iter().map(|(ratio, value)| (ratio.name, value)).collect(),
            allocations: allocating(counts).map(|(row, count)| (row.clone(), count.allocations)).collect(),
            instructions: counts.iter().map(|(row, count)| (row.clone(), count.instructions as u64)).collect(),
        }
    }
}

/// The rows whose allocations are compared: all that the tool does, in lockstep, with buffers that have grown.
fn allocating(counts: &Counts) -> impl Iterator<Item = (&String, &Count)> {
    let is_steady = |row: &str| {
        Code::ALL.iter().any(|&code| row == self::row(code, TRACES_ROW, LOCKSTEP))
            || row == self::row(Code::Model, &steady_row(SIZES[0]), LOCKSTEP)
    };
    counts.iter().filter(move |(row, _)| is_steady(row))
}

/// How many instructions were counted, and how many calls of the allocator among them, in callgrind's format.
fn read_dump(dump: &str) -> (u64, u64) {
    let is_allocator = |name: &str| ALLOCATORS.contains(&name.trim_start_matches("__libc_"));
    let (mut instructions, mut allocations) = (0, 0);
    let (mut within, mut called) = (false, false);
    for line in dump.lines() {
        let first_number = |text: &str| text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
        if let Some(name) = line.strip_prefix("fn=") {
            within = is_allocator(name);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = is_allocator(name);
        } else if let Some(calls) = line.strip_prefix("calls=")
            && called
            && !within
        {
            allocations += first_number(calls);
        } else if let Some(total) = line.strip_prefix("summary: ") {
            instructions = first_number(total);
        }
    }
    (instructions, allocations)
}

/// One process under valgrind: what it counts, or why it could not.
fn count_under_valgrind(reference: &'static Reference, code: Code, directory: &Path) -> Result<Counts, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let numbers = match code {
        Code::Model => Vec::new(),
        code => unstopped(code.world(reference)?, &candidates(code)),
    };
    if code != Code::Model && numbers.len() <= TRACES {
        return Err(format!("{}, {}: known findings stop nearly all traces", reference.name, code.name()));
    }
    let numbers: Vec<String> = numbers.iter().take(TRACES + 1).map(usize::to_string).collect();
    let reference = reference.name;
    let out = directory.join(format!("{reference}.{}", code.name()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-line=no", "--compress-strings=no", "--smc-check=none", "--quiet"])
        .args(["--toggle-collect=*counted_instructions*", "--dump-after=*end_of_counted_row*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["--count", reference, code.name()])
        .args(numbers)
        .output()
        .map_err(|error| {
            format!("valgrind cannot be run ({error}): `make counts` installs it; else install valgrind")
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = |why: &str| {
        let tail: Vec<&str> = std::str::from_utf8(&output.stderr).unwrap_or("").lines().rev().take(20).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        format!("{reference}, {}: {why}\n{}", code.name(), tail.join("\n"))
    };
    if !output.status.success() {
        return Err(failed(&format!("the process under valgrind ended with {}", output.status)));
    }
    let mut counts = Counts::new();
    for (nth, line) in (1..).zip(text.lines()) {
        let (ops, name) = line.split_once('\t').ok_or_else(|| failed(&format!("an unexpected line: {line}")))?;
        let dump = PathBuf::from(format!("{}.{nth}", out.display()));
        let dump = fs::read_to_string(&dump).map_err(|error| failed(&format!("{}: {error}", dump.display())))?;
        let ops: f64 = ops.parse().map_err(|_| failed(line))?;
        if name == UNCOUNTED {
            continue;
        }
        match read_dump(&dump) {
            (0, _) => {
                return Err(failed(&format!("nothing was counted of `{name}`: valgrind did not find the function")));
            }
            (instructions, allocations) => {
                let count = Count { instructions: instructions as f64 / ops, allocations: allocations as f64 / ops };
                counts.insert(name.to_owned(), count);
            }
        }
    }
    Ok(counts)
}

/// The counts of every reference, by as many processes at once as there are processors.
fn count_all(references: &[&'static Reference]) -> Result<BTreeMap<&'static str, Counts>, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let jobs: Vec<(&'static Reference, Code)> = Code::ALL
        .into_iter()
        .flat_map(|code| references.iter().map(move |reference| (*reference, code)))
        .filter(|(reference, code)| code.world(reference).is_ok())
        .collect();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(&(reference, code)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let counted = count_under_valgrind(reference, code, directory.path());
                    results.lock().expect("no worker panics").push((reference.name, counted));
                }
            });
        }
    });
    let mut counts = BTreeMap::<_, Counts>::new();
    for (reference, counted) in results.into_inner().expect("no worker panics") {
        counts.entry(reference).or_default().extend(counted?);
    }
    Ok(counts)
}

fn sum(counts: &Counts, rows: &[String]) -> f64 {
    rows.iter().map(|row| counts[row].instructions).sum()
}

/// The ratios of a reference, by name.
fn measured(counts: &Counts) -> Vec<(Ratio, f64)> {
    let codes: Vec<Code> = Code::ALL
        .into_iter()
        .rev()
        .filter(|code| counts.keys().any(|row| row.starts_with(&format!("{}, ", code.name()))))
        .collect();
    let value = |ratio: &Ratio| sum(counts, &ratio.of) / sum(counts, &ratio.by);
    ratios(&codes)
        .into_iter()
        .map(|ratio| {
            let value = value(&ratio);
            (ratio, value)
        })
        .collect()
}

/// Prints the tables of a reference, and returns what is worse than what is committed.
fn compare(reference: &str, counts: &Counts, committed: Option<&CommittedReference>, tolerance: f64) -> Vec<String> {
    let then =
        |row: &str| committed.and_then(|committed| committed.instructions.get(row)).map_or("-".into(), u64::to_string);
    println!("\n{reference:<62} {:>12} {:>12} {:>12}", "instructions", "then", "allocations");
    for (row, count) in counts {
        println!("{row:<62} {:>12.0} {:>12} {:>12.3}", count.instructions, then(row), count.allocations);
    }
    println!("\n{reference:<62} {:>12} {:>12}", "compared", "committed");
    let mut wrong = Vec::new();
    let mut line = |name: &str, value: f64, then: Option<f64>, both_ways: bool, rows: String| {
        let verdict = match then {
            None if committed.is_none() => "",
            None => {
                wrong.push(format!("{reference}: {name} is {value:.3}, and {FILE} does not have it"));
                "not committed"
            }
            Some(then) if value > then * (1.0 + tolerance) || (both_ways && value * (1.0 + tolerance) < then) => {
                wrong.push(format!("{reference}: {name} is {value:.3}, committed is {then:.3}: {rows}"));
                "worse"
            }
            Some(then) if value * (1.0 + tolerance) < then => "better",
            Some(_) => "",
        };
        let then = then.map_or("-".into(), |then| format!("{then:.3}"));
        println!("{name:<62} {value:>12.3} {then:>12} {verdict}");
    };
    let measured = measured(counts);
    for (ratio, value) in &measured {
        let told =
            |row: &String| format!("`{row}` takes {:.0} instructions (then {})", counts[row].instructions, then(row));
        let rows: Vec<String> = ratio.of.iter().chain(&ratio.by).map(told).collect();
        let then = committed.and_then(|committed| committed.ratios.get(&ratio.name).copied());
        line(&ratio.name, *value, then, ratio.both_ways, rows.join(", "));
    }
    for (row, count) in allocating(counts) {
        let then = committed.and_then(|committed| committed.allocations.get(row).copied());
        line(
            &format!("{row}: allocations"),
            count.allocations,
            then,
            false,
            "calls of the allocator, an operation".into(),
        );
    }
    let names = committed.into_iter().flat_map(|committed| committed.ratios.keys());
    let gone = names.filter(|name| !measured.iter().any(|(ratio, _)| ratio.name == **name));
    wrong.extend(gone.map(|name| format!("{reference}: {name} is in {FILE}, and was not measured")));
    wrong
}

/// The text of the file.
fn text(committed: &Committed) -> String {
    let mut text = format!(
        "# What `make counts` compares: docs/quality.md explains it. `make counts WRITE=1` writes what it measured.\n\n\
         # The share by which a ratio may be worse. Another version of a compiler moves the two counts of a ratio alike.\n\
         tolerance = {}\n",
        committed.tolerance
    );
    for (reference, then) in &committed.references {
        let _ = writeln!(text, "\n[\"{reference}\".ratios]");
        for (name, value) in &then.ratios {
            let _ = writeln!(text, "\"{name}\" = {value:.3}");
        }
        let _ = writeln!(text, "\n# Calls of the allocator, an operation.\n[\"{reference}\".allocations]");
        for (name, value) in &then.allocations {
            let _ = writeln!(text, "\"{name}\" = {value:.3}");
        }
        let _ = writeln!(text, "\n# An operation, when this was written. Not compared: the compilers decide.");
        let _ = writeln!(text, "[\"{reference}\".instructions]");
        for (name, value) in &then.instructions {
            let _ = writeln!(text, "\"{name}\" = {value}");
        }
    }
    text
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` runs benches too, with --test: there is nothing to test here.
    if arguments.iter().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    if let [count, reference, code, numbers @ ..] = &arguments[..]
        && count == "--count"
    {
        let numbers: Vec<usize> = numbers.iter().map(|number| number.parse().expect("the parent's")).collect();
        let reference = kernel::reference(reference).expect("the parent looked at it");
        match Code::ALL.into_iter().find(|other| other.name() == code).expect("the parent knows it") {
            Code::Model => count_small_driver(reference),
            code => count_kernel_driver(reference, code, &numbers),
        }
        return ExitCode::SUCCESS;
    }
    match guard(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn guard(arguments: &[String]) -> Result<(), String> {
    let write = arguments.iter().any(|argument| argument == "--write");
    let asked: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut references = Vec::new();
    for name in &asked {
        references.push(kernel::reference(name).map_err(|error| error.to_string())?);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let committed = fs::read_to_string(&path).map_err(|error| format!("{FILE}: {error}"))?;
    let mut committed: Committed = toml::from_str(&committed).map_err(|error| format!("{FILE}: {error}"))?;
    if asked.is_empty() {
        let is_committed = |reference: &&Reference| committed.references.contains_key(reference.name);
        references = kernel::references().iter().filter(is_committed).collect();
    }
    let begun = Instant::now();
    let counts = count_all(&references)?;
    let mut wrong = Vec::new();
    let mut compared = Vec::new();
    for (reference, counts) in &counts {
        let then = committed.references.get(*reference);
        wrong.extend(compare(reference, counts, then, committed.tolerance));
        match then {
            Some(_) => compared.push(*reference),
            None => println!("\n{reference}: {FILE} has no ratios of it, so that nothing was compared"),
        }
    }
    if write {
        let measured = counts.iter().map(|(reference, counts)| (reference.to_string(), CommittedReference::of(counts)));
        committed.references.extend(measured);
        fs::write(&path, text(&committed)).map_err(|error| format!("{FILE}: {error}"))?;
        println!("\ncounts: {FILE} is written");
        return Ok(());
    }
    if !wrong.is_empty() {
        return Err(format!(
            "{} worse than {FILE} allows ({} % worse is allowed):\n  {}\nIf that is meant, or the other side became faster, \
             `make counts WRITE=1` writes what was measured: commit it, with the reason.",
            wrong.len(),
            committed.tolerance * 100.0,
            wrong.join("\n  ")
        ));
    }
    if compared.is_empty() {
        return Err(format!("nothing was compared: {FILE} has ratios of no reference that this build has"));
    }
    println!("\ncounts: no ratio is worse than in {FILE}: {}, in {} s", compared.join(", "), begun.elapsed().as_secs());
    Ok(())
}
