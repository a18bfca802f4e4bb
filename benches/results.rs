//! `make results`: measures what is affordable, and writes the tables between the markers of docs/results.md, with date, commit and
//! machine. What takes longer (mutants) is taken from the files that its own command has left; what was not measured is
//! said to be so, with the command that measures it.
//!
//! `QUICK=1`: smaller scopes and fewer operations, and no historical defects, whose build takes minutes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Instant, SystemTime};

use rmap_diff::kernel::{self, Reference};
use rmap_diff::mutants::score::Tally;
use serde_json::Value;

const FILE: &str = "docs/results.md";
const BEGIN: &str = "<!-- results: begin -->";
const END: &str = "<!-- results: end -->";

/// How much is measured.
struct Amount {
    quick: bool,
    /// Processes, pages and depth of the search.
    scope: [u32; 3],
    /// Random operations of each reference.
    ops: u64,
}

fn main() -> ExitCode {
    // `cargo test` runs benches too, with --test: there is nothing to test here.
    if std::env::args().any(|arg| arg == "--test") {
        return ExitCode::SUCCESS;
    }
    let quick = std::env::var("QUICK").is_ok_and(|quick| !["", "0"].contains(&quick.as_str()));
    let amount = match quick {
        true => Amount { quick, scope: [3, 2, 6], ops: 200_000 },
        false => Amount { quick, scope: [3, 3, 7], ops: 1_000_000 },
    };
    let (text, failed) = measure(&amount);
    if let Err(error) = write(&text) {
        return fail(&error);
    }
    println!("results: {FILE} is written");
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => fail(&format!("not measured, as {FILE} says: {}", failed.join(", "))),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("results: {error}");
    ExitCode::FAILURE
}

/// The text, and the titles of what could not be measured, in whose places the text says why.
fn measure(amount: &Amount) -> (String, Vec<&'static str>) {
    let begun = Instant::now();
    let circumstances = circumstances(amount);
    let parts: [(&'static str, Part); 7] = [
        ("Historical defects", historical),
        ("Every sequence in a scope", exhaust),
        ("Random operations", random),
        ("The cost of an operation", cost),
        ("Mutants of the kernel's code", mutants),
        ("Mutants of the port", port_mutants),
        ("Ground truth", ground_truth),
    ];
    let (mut text, mut failed) = (String::new(), Vec::new());
    for (title, part) in parts {
        eprintln!("results: {title}");
        let section = part(amount).unwrap_or_else(|error| {
            eprintln!("results: {title}: {error}");
            failed.push(title);
            format!("Not measured: it failed.\n\n```\n{error}\n```")
        });
        let _ = writeln!(text, "\n## {title}\n\n{}", section.trim_end());
    }
    let seconds = begun.elapsed().as_secs();
    (format!("{circumstances}The measurement took {} min {:02} s.\n{text}", seconds / 60, seconds % 60), failed)
}

type Part = fn(&Amount) -> Result<String, String>;

/// Date, commit and machine.
fn circumstances(amount: &Amount) -> String {
    let changed = !line_of("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    let commit = line_of("git", &["rev-parse", "--short=12", "HEAD"]);
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let kernels: Vec<String> =
        kernel::references().iter().map(|reference| format!("{} ({})", reference.name, reference.version)).collect();
    let rows = [
        ("date", line_of("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("commit", format!("{commit}{}", if changed { ", with changes that are not committed" } else { "" })),
        ("command", if amount.quick { "`make results QUICK=1`" } else { "`make results`" }.to_owned()),
        ("processor", format!("{}, {cpus} threads", model.map_or("unknown", |(_, model)| model))),
        ("memory", format!("{:.0} GB", memory.unwrap_or(0.0) / 1e6)),
        ("load at the start", load.split_whitespace().next().unwrap_or("unknown").to_owned()),
        ("compilers", format!("{}; {}", line_of("rustc", &["--version"]), clang())),
        ("references", kernels.join(", ")),
    ];
    let mut text = "| | |\n| --- | --- |\n".to_owned();
    for (what, value) in rows {
        let _ = writeln!(text, "| {what} | {value} |");
    }
    text + "\nTimes are wall clock, and high where the machine has other work: compare the load with the number of threads. "
}

/// The clang of rustc's LLVM, which compiles the kernel's code.
fn clang() -> String {
    let verbose = Command::new("rustc").arg("-vV").output().map(|output| output.stdout).unwrap_or_default();
    let verbose = String::from_utf8_lossy(&verbose);
    let llvm = verbose.lines().find_map(|line| line.strip_prefix("LLVM version: ")?.split('.').next());
    line_of(&format!("clang-{}", llvm.unwrap_or("0")), &["--version"])
}

/// The first line that a command prints.
fn line_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

fn not_measured(why: &str, command: &str) -> String {
    format!("Not measured here: {why}. `{command}` measures it.")
}

/// What another bench prints.
fn bench(name: &str) -> Result<String, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["bench", "-q", "--bench", name]).stderr(Stdio::inherit()).env_remove("QUICK");
    let output = cargo.output().map_err(|error| format!("cargo bench --bench {name}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(format!("cargo bench --bench {name}: {}", output.status)),
    }
}

fn historical(amount: &Amount) -> Result<String, String> {
    if amount.quick {
        return Ok(not_measured("QUICK leaves it out", "make historical"));
    }
    bench("historical")
}

fn cost(_: &Amount) -> Result<String, String> {
    Ok(format!(
        "Only ratios of one run mean anything. C is the compiled kernel alone, both is the lockstep with all checks. \
         With the kernel driver, \"inside C\" is the time in the kernel's code and its stand-ins (with page tables nothing is told meanwhile), \
         and C has besides what they tell and what the driver reads.\n\n```\n{}\n```",
        bench("lockstep")?
    ))
}

/// What a command of the tool prints with `--json`, and for how many seconds it ran.
fn tool(arguments: &[&str], reference: &Reference) -> Result<(Value, f64), String> {
    let command = format!("rmap-diff {} --kernel {}", arguments.join(" "), reference.name);
    let begun = Instant::now();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    tool.args(arguments).args(["--kernel", reference.name, "--json"]).stderr(Stdio::null());
    tool.env_remove("RMAP_KNOWN").env_remove("RMAP_VMA").env_remove("RMAP_DRIVER");
    let output = tool.output().map_err(|error| format!("{command}: {error}"))?;
    let seconds = begun.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(format!("{command}: {}\n{}", output.status, String::from_utf8_lossy(&output.stdout)));
    }
    let json = serde_json::from_slice(&output.stdout).map_err(|error| format!("{command}: {error}"))?;
    Ok((json, seconds))
}

/// A number with its thousands apart.
fn number(value: &Value) -> String {
    let digits = value.as_u64().map_or("?".to_owned(), |number| number.to_string());
    let bytes: Vec<char> = digits.chars().rev().collect();
    let groups: Vec<String> = bytes.chunks(3).map(|group| group.iter().rev().collect()).collect();
    groups.into_iter().rev().collect::<Vec<String>>().join(",")
}

/// What runs the anonymous half alone.
fn without_pages(reference: &Reference) -> &'static str {
    if reference.without_vma_layer().is_some() { "model" } else { "kernel" }
}

fn exhaust(amount: &Amount) -> Result<String, String> {
    let [procs, pages, depth] = amount.scope;
    let [p, n, d] = amount.scope.map(|number| number.to_string());
    let scope = ["--procs", &p, "--pages", &n, "--depth", &d, "--failures", "all"];
    let depth_of_pages = if amount.quick { "4" } else { "5" };
    let of_pages = [
        "--procs",
        "2",
        "--pages",
        "4",
        "--order",
        "2",
        "--depth",
        depth_of_pages,
        "--failures",
        "all",
        "--only",
        PAGE_OPERATIONS,
    ];
    let anonymous = exhausted(&scope, |reference| Some(without_pages(reference)))?;
    let with_pages = exhausted(&of_pages, |reference| reference.without_pages_layer().is_none().then_some("pages"))?;
    Ok(format!(
        "`rmap-diff exhaust --vma kernel --procs {procs} --pages {pages} --depth {depth} --failures all` finished on each \
         reference (of one without kernel VMA code with the model), and found nothing.\n\n{anonymous}\n\
         So did a scope of one page table, with folios of orders 0 and 2:\n\
         `rmap-diff exhaust --vma pages {}`.\n\n{with_pages}",
        of_pages.join(" ")
    ))
}

/// What the second scope is made of: what changes page tables, and who makes the processes.
const PAGE_OPERATIONS: &str = "map,fault,fork,unmap,exit,touch,age,swapout,migrate,lazyfree,exclusive,split";

/// A scope on each reference for which there is a VMA code.
fn exhausted(scope: &[&str], vma: impl Fn(&Reference) -> Option<&'static str>) -> Result<String, String> {
    let mut text = "| reference | transitions | of them with a failure | states | seconds |\n\
                    | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for reference in kernel::references() {
        let Some(vma) = vma(reference) else { continue };
        let (json, seconds) = tool(&[&["exhaust", "--vma", vma], scope].concat(), reference)?;
        let [transitions, failing, states] = ["transitions", "failing", "states"].map(|key| number(&json[key]));
        let _ = writeln!(text, "| {} | {transitions} | {failing} | {states} | {seconds:.1} |", reference.name);
    }
    Ok(text)
}

fn random(amount: &Amount) -> Result<String, String> {
    let ops = amount.ops.to_string();
    let mut text = format!(
        "`rmap-diff random --ops {ops} --seed 1`, with each VMA code, found nothing new on any reference.\n\n\
         | reference | `--vma` | operations | refused | failed | rmap calls | operations/s |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    let rows = kernel::references().iter().flat_map(|reference| {
        let pages = reference.without_pages_layer().is_none().then_some((reference, "pages"));
        [Some((reference, without_pages(reference))), pages].into_iter().flatten()
    });
    for (reference, vma) in rows {
        let (json, seconds) = tool(&["random", "--ops", &ops, "--seed", "1", "--vma", vma], reference)?;
        let [done, refused, failed, calls] = ["operations", "refused", "failed", "calls"].map(|key| number(&json[key]));
        let rate = json["operations"].as_f64().unwrap_or(0.0) / seconds;
        let _ = writeln!(text, "| {} | {vma} | {done} | {refused} | {failed} | {calls} | {rate:.0} |", reference.name);
    }
    Ok(text)
}

/// The day on which a file was written.
fn day_of(path: &Path) -> String {
    let seconds = fs::metadata(path).and_then(|data| data.modified()).ok();
    let seconds = seconds.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let at = format!("@{}", seconds.map_or(0, |since| since.as_secs()));
    line_of("date", &["-u", "-d", &at, "+%Y-%m-%d"])
}

/// The rows of the last hunts: those that this machine has the files of, else what the page says.
fn mutants(_: &Amount) -> Result<String, String> {
    let page = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    let mut rows = String::new();
    let mut missing = Vec::new();
    for reference in kernel::references() {
        let path = Path::new("target/mutants").join(format!("{}.tsv", reference.name));
        let table = fs::read_to_string(&path).unwrap_or_default();
        let tallies = Tally::from_tsv(&table).map_err(|error| format!("{}: {error}", path.display()))?;
        let begins = |group: &str| format!("| {} | `{group}` | ", reference.name);
        let before = rows.len();
        let hunted = |line: &&str| tallies.iter().any(|(group, _)| line.starts_with(&begins(group)));
        let is_of = |line: &&str| line.starts_with(&format!("| {} | `", reference.name));
        for line in page.lines().filter(is_of).filter(|line| !hunted(line)) {
            let _ = writeln!(rows, "{line}");
        }
        for (group, tally) in &tallies {
            let Tally { of, lockstep, alone, explained } = tally;
            let percent = |killed: &usize| 100.0 * *killed as f64 / (*of).max(1) as f64;
            let _ = writeln!(
                rows,
                "{}{lockstep} of {of} ({:.1} %) | {alone} of {of} ({:.1} %) | {explained} | {} |",
                begins(group),
                percent(lockstep),
                percent(alone),
                day_of(&path)
            );
        }
        if rows.len() == before {
            missing.push(reference.name);
        }
    }
    let mut text = String::new();
    if !rows.is_empty() {
        text = format!(
            "Mutants that were killed, of those that `tests/equivalent-mutants` does not explain. The day is that of the hunt, whose \
             build may be an older one.\n\n| reference | functions | in lockstep | by the invariants alone | explained | day |\n\
             | --- | --- | --- | --- | --- | --- |\n{rows}\n"
        );
    }
    if !missing.is_empty() {
        text += &not_measured(&format!("{} (it takes hours)", missing.join(", ")), "make mutants");
    }
    Ok(text)
}

/// What cargo-mutants left: a line a mutant in a file for each outcome.
fn port_mutants(_: &Amount) -> Result<String, String> {
    let dir = Path::new("target/mutants.out");
    if !dir.is_dir() {
        return Ok(not_measured("it takes hours, a shard at a time", "make port-mutants SHARD=0/60"));
    }
    let count =
        |outcome: &str| fs::read_to_string(dir.join(format!("{outcome}.txt"))).map_or(0, |text| text.lines().count());
    let [caught, missed, timeout, unviable] = ["caught", "missed", "timeout", "unviable"].map(count);
    Ok(format!(
        "The last shard, of {}: {caught} noticed, {missed} missed, {timeout} did not end, {unviable} do not compile.",
        day_of(dir)
    ))
}

/// The booted kernels. Where the machine has no emulator, one is unpacked into the cache.
fn ground_truth(amount: &Amount) -> Result<String, String> {
    if amount.quick {
        return Ok(not_measured("QUICK leaves it out", "make ground-truth"));
    }
    let emulator = ["run", "-q", "--release", "-p", "rmap-extract", "--bin", "rmap-kernels", "--", "emulator"];
    let output = Command::new(env!("CARGO")).args(emulator).output();
    let output = output.map_err(|error| format!("rmap-kernels emulator: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let why = said.trim().lines().next_back().unwrap_or("no emulator").to_owned();
        return Ok(not_measured(&why, "make ground-truth"));
    }
    let mut text = "```\n".to_owned();
    for kernel in ["6.12", "7"] {
        let mut make = Command::new("make");
        make.args(["-s", "ground-truth", &format!("KERNEL={kernel}")]).stderr(Stdio::inherit());
        let output = make.output().map_err(|error| format!("make ground-truth KERNEL={kernel}: {error}"))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let figures = printed.lines().find(|line| line.contains(": ground truth: "));
        let figures =
            figures.ok_or_else(|| format!("make ground-truth KERNEL={kernel}: {}\n{printed}", output.status))?;
        let of_pages = printed.lines().find(|line| line.starts_with("pages: "));
        for line in [Some(figures), of_pages].into_iter().flatten() {
            let _ = writeln!(text, "{line}");
        }
    }
    Ok(text + "```")
}

/// Puts the text between the markers.
fn write(text: &str) -> Result<(), String> {
    let page = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    let parts = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.ok_or_else(|| format!("{FILE}: no markers `{BEGIN}` and `{END}`"))?;
    fs::write(FILE, format!("{head}{BEGIN}\n{}\n{END}{tail}", text.trim())).map_err(|error| format!("{FILE}: {error}"))
}
