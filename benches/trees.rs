//! `make trees`: which kernel trees the tool works with. Writes the table between the markers of docs/trees.md: for each
//! reference of this build whether it was placed, and what random operations found with the model of the VMA code and with
//! the kernel's own. `scripts/trees` adds the trees and builds this.
//!
//! Arguments: a file of those that were not added, `NAME<tab>REASON` a line; the operations of each run; where traces of
//! what is found go.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use rmap_diff::kernel::{self, Reference};
use rmap_diff::known::{KnownFinding, KnownFindings, Replayed};
use rmap_diff::session::{Session, VmaCode};
use rmap_diff::trace::{Mix, Rng, random_trace};

const FILE: &str = "docs/trees.md";
const BEGIN: &str = "<!-- trees: begin -->";
const END: &str = "<!-- trees: end -->";
const SEEDS: std::ops::RangeInclusive<u64> = 1..=3;
/// Operations of a random trace, as `rmap-diff random` has them.
const TRACE_OPS: usize = 256;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    // `cargo test` runs benches too, with --test: there is nothing to test here.
    if arguments.iter().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let [refused, operations, traces] = &arguments[..] else {
        eprintln!("trees: called by scripts/trees");
        return ExitCode::FAILURE;
    };
    let Ok(operations) = operations.parse() else {
        eprintln!("trees: {operations}: a number of operations is wanted");
        return ExitCode::FAILURE;
    };
    match run(Path::new(refused), operations, Path::new(traces)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(found) => {
            eprintln!("trees: {found} findings that are not known; their traces are in {traces}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("trees: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and writes the page. Returns how many runs found something that is not known.
fn run(refused: &Path, operations: u64, traces: &Path) -> Result<usize, String> {
    let not_added = fs::read_to_string(refused).map_err(|error| format!("{}: {error}", refused.display()))?;
    fs::create_dir_all(traces).map_err(|error| format!("{}: {error}", traces.display()))?;
    let known = KnownFindings::embedded();
    let mut found = 0;
    let mut text = circumstances(operations);
    text.push_str(&newest());
    text.push_str(
        "\n| tree | version | placed | model of the VMA code | the kernel's own VMA code |\n| --- | --- | --- | --- | --- |\n",
    );
    let mut explained = BTreeMap::new();
    for reference in kernel::references() {
        eprintln!("trees: {}", reference.name);
        let of = known.of(reference.name, reference.version);
        let mut cells = Vec::new();
        for vma in [VmaCode::Model, VmaCode::Kernel] {
            let cell = match reference.without_vma_layer() {
                Some(why) if vma == VmaCode::Kernel => format!("not built: `{}`", table_text(why)),
                _ => {
                    let outcome = random(reference, vma, &of, operations, traces)?;
                    found += outcome.found.len();
                    for (finding, met) in of.iter().zip(&outcome.met).filter(|(_, met)| **met > 0) {
                        *explained.entry(finding.headline().to_owned()).or_insert(0) += met;
                    }
                    outcome.text(&of)
                }
            };
            cells.push(cell);
        }
        let _ = writeln!(text, "| {} | {} | yes | {} |", reference.name, reference.version, cells.join(" | "));
    }
    for (name, reason) in kernel::left_out() {
        let _ = writeln!(text, "| {name} | | does not compile: `{}` | | |", table_text(reason));
    }
    for (name, reason) in not_added.lines().filter_map(|line| line.split_once('\t')) {
        let _ = writeln!(text, "| {name} | | no: {} | | |", table_text(reason));
    }
    for gone in gone(&known)? {
        let _ = writeln!(text, "\n**Gone**: {gone}");
        found += 1;
    }
    if !explained.is_empty() {
        text.push_str("\nKnown findings that were met, each explained in `findings/known.toml`:\n\n");
        for (headline, met) in explained {
            let _ = writeln!(text, "- {headline} ({met} times)");
        }
    }
    write(&text)?;
    println!("trees: {FILE} is written");
    Ok(found)
}

/// Known findings whose trace does not find them on a reference of which they are known.
fn gone(all: &KnownFindings) -> Result<Vec<String>, String> {
    let mut gone = Vec::new();
    for known in &all.findings {
        let trace = all.trace(known).map_err(|error| error.to_string())?;
        let references = kernel::references().iter().filter(|r| known.is_of(r.name, r.version));
        for reference in references.filter(|r| r.without_vma_layer().is_none()) {
            match all.replay(known, &trace, reference) {
                Replayed::StillThere => {}
                other => gone.push(format!("{} on {}: {other}", known.trace, reference.name)),
            }
        }
    }
    Ok(gone)
}

/// What the runs of a reference under one VMA code came to.
struct Runs {
    operations: u64,
    met: Vec<u64>,
    /// The first finding of each seed that is not known.
    found: Vec<(u64, String)>,
}

impl Runs {
    fn text(&self, known: &[KnownFinding]) -> String {
        let known = known.iter().zip(&self.met).filter(|(_, met)| **met > 0).count();
        let of_known = match known {
            0 => String::new(),
            1 => ", one known finding".to_owned(),
            known => format!(", {known} known findings"),
        };
        match &self.found[..] {
            [] => format!("nothing new in {} operations{of_known}", self.operations),
            found => {
                let each = found.iter().map(|(seed, what)| format!("seed {seed}: `{}`", table_text(what)));
                format!("**found**: {}{of_known}", each.collect::<Vec<_>>().join("; "))
            }
        }
    }
}

fn random(
    reference: &'static Reference,
    vma: VmaCode,
    known: &[KnownFinding],
    operations: u64,
    traces: &Path,
) -> Result<Runs, String> {
    let session = Session::new(reference).with_vma(vma).tolerating(rmap_diff::known::signatures(known));
    let mut player = session.player().map_err(|error| error.to_string())?;
    let mixes = Mix::varied(vma.operations());
    let mut outcome = Runs { operations: 0, met: Vec::new(), found: Vec::new() };
    for seed in SEEDS {
        let mut rng = Rng::new(seed);
        let mut done = 0;
        for mix in mixes.iter().cycle() {
            if done >= operations {
                break;
            }
            let trace = random_trace(&mut rng, TRACE_OPS.min((operations - done) as usize), mix);
            done += trace.ops.len() as u64;
            if let Some(finding) = player.play(&trace).finding {
                let place: PathBuf = traces.join(format!("{}-{}-{seed}.trace", reference.name, vma.name()));
                let minimized = player.minimize(&trace, &finding);
                fs::write(&place, minimized.trace.to_string())
                    .map_err(|error| format!("{}: {error}", place.display()))?;
                outcome.found.push((seed, finding.signature()));
                break;
            }
        }
    }
    outcome.met = player.met().to_vec();
    // A known finding may end a trace: what was left of it did not run.
    outcome.operations = player.operations().total();
    Ok(outcome)
}

/// In which behaviours the newest tree differs from the one before it.
fn newest() -> String {
    let plain: Vec<_> = kernel::references().iter().filter(|reference| reference.patches.is_empty()).collect();
    let [.., before, newest] = &plain[..] else { return String::new() };
    let was: BTreeMap<_, _> = before.revision.behaviours().collect();
    let changed: Vec<String> = newest
        .revision
        .behaviours()
        .filter(|(name, value)| was[name] != *value)
        .map(|(name, value)| format!("`{name}` {}", if value { "is there" } else { "is gone" }))
        .collect();
    let changed = if changed.is_empty() { "it behaves as that one".to_owned() } else { changed.join(", ") };
    format!("\nThe newest tree is {} ({}). Against {}: {changed}.\n", newest.name, newest.version, before.name)
}

/// Date, commit and amount.
fn circumstances(operations: u64) -> String {
    let seeds = SEEDS.count();
    format!(
        "Measured {} at {}: {seeds} × {operations} random operations for each cell, with the default mix.\n",
        line_of("date", &["-u", "+%Y-%m-%d"]),
        line_of("git", &["rev-parse", "--short=12", "HEAD"]),
    )
}

/// The first line that a command prints.
fn line_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// What may stand in a cell.
fn table_text(text: &str) -> String {
    text.replace('|', "\\|").replace('`', "'").replace('\n', " ")
}

fn write(text: &str) -> Result<(), String> {
    let page = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    let parts = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.ok_or_else(|| format!("{FILE}: no markers `{BEGIN}` and `{END}`"))?;
    let beside = format!("{FILE}.tmp");
    let text = format!("{head}{BEGIN}\n{}\n{END}{tail}", text.trim());
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, FILE)).map_err(|error| format!("{FILE}: {error}"))
}
