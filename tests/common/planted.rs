//! Planting faults: a copy of this workspace and of two references in the target directory, text
//! replaced in them, built, and the tool run on what comes of it.
//!
//! One build has them all. A function that has faults stands there once for each and once as it is, and the environment says which
//! is meant ([`CHOSEN`]): the port's, and the kernel's in one reference for each sound one. A fault in the C that is compared with
//! the sound reference, or measured, is a reference of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use rmap_extract::cache::{Cache, Note};
use rmap_extract::changed::Texts;
use rmap_extract::edit::{Edit, c_function};
use rmap_extract::fetch::default_set;
use rmap_extract::source::copy_needed;

/// The name of the reference before the series.
pub const BEFORE: &str = "6.12";
/// The name of the reference after the series, the newest 7.x.
pub const AFTER: &str = "7.x";

/// A file of the kernel: without it a reference has the model of it alone.
const ONLY_OF_VMA_CODE: &str = "lib/maple_tree.c";

/// A file of the kernel: without it a reference has no page-table code of its own.
const ONLY_OF_PAGES: &str = "mm/page_vma_mapped.c";

/// Faults whose changed lines are counted in the quick build, as a patch's are: they change lines, and add none that nothing reaches.
pub const COUNTED: &[&str] = &["degree", "writeback-ends-after-one-mapping"];

/// The mix in which operations run together, which is an option of its own.
pub const TOGETHER: &str = "together";

/// Operations of a run of that mix: several hundred traces.
const TOGETHER_OPS: u64 = 16_384;

/// Operations of a trace; each starts from an empty world.
pub const TRACE_OPS: u64 = 256;

/// A fault in a file.
pub struct Fault {
    /// The fault's name; one in the C is the name of a reference.
    pub name: &'static str,
    /// What is wrong, and the commit that put it right, if it was one of the kernel's.
    pub about: &'static str,
    /// Its file, in the kernel tree or in this repository.
    pub file: &'static str,
    /// What makes it.
    pub edits: &'static [Edit],
}

impl Fault {
    /// The text with the fault, or which edit does not fit.
    fn plant(&self, text: String, function: impl Fn(&str, &str) -> Option<Range<usize>>) -> Result<String, String> {
        self.edits.iter().try_fold(text, |text, edit| {
            edit.apply(self.file, &text, &function)
                .map_err(|error| format!("adapt the planted fault `{}`: {error}", self.name))
        })
    }
}

/// Where a Rust function is defined, in a formatted file: to the first brace that closes at its depth.
fn rust_function(text: &str, name: &str) -> Option<Range<usize>> {
    let head = format!("fn {name}");
    let is_whole = |at: &usize| text[at + head.len()..].starts_with(['(', '<']);
    let places: Vec<usize> = text.match_indices(&head).map(|(at, _)| at).filter(is_whole).collect();
    let [at] = places[..] else { return None };
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let depth: String = text[line..].chars().take_while(|c| *c == ' ').collect();
    let close = format!("\n{depth}}}\n");
    let end = at + text[at..].find(&close)? + close.len();
    Some(line..end)
}

/// The variable with the number of the fault, from 1 in the port and from [`FIRST_IN_C`]; without it all is sound.
const CHOSEN: &str = "RMAP_PLANTED";

/// The number of the first fault in the C.
const FIRST_IN_C: usize = 1000;

/// A language in which faults are planted.
struct Language {
    /// Where a function is defined.
    function: fn(&str, &str) -> Option<Range<usize>>,
    /// What comes before the choice of the fault of a number.
    chosen: fn(usize) -> String,
    /// A body, to be one of several of one function.
    body: fn(&str) -> String,
}

const RUST: Language =
    Language { function: rust_function, chosen: |number| format!("if crate::planted({number}) "), body: str::to_owned };

const C: Language =
    Language { function: c_function, chosen: |number| format!("if (rmap_planted({number})) "), body: as_a_block };

/// A body of a C function, to be a block of it: each label is the block's, since another may have it too, and no line
/// looks like the function's end.
fn as_a_block(body: &str) -> String {
    let is_label = |name: &&str| {
        *name != "default" && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let labels: Vec<&str> = body.lines().filter_map(|line| line.trim().strip_suffix(':')).filter(is_label).collect();
    let declare = if labels.is_empty() { String::new() } else { format!("\n__label__ {};", labels.join(", ")) };
    format!("{{{declare}{}", body[1..].replace("\n}", "\n\t}"))
}

/// A file with all its faults, each with its number.
fn plant_choices(language: &Language, file: &str, text: &str, faults: &[(usize, &Fault)]) -> Result<String, String> {
    let mut bodies: BTreeMap<&str, String> = BTreeMap::new();
    for (number, fault) in faults {
        let planted = fault.plant(text.to_owned(), language.function)?;
        let mut functions: Vec<&str> = fault.edits.iter().map(|edit| edit.within).collect();
        functions.dedup();
        for name in functions {
            let (_, body) = head_and_body(language, &planted, name).ok_or_else(|| format!("{file}: {name}()"))?;
            let (chosen, body) = ((language.chosen)(*number), (language.body)(&planted[body]));
            let _ = write!(bodies.entry(name).or_default(), "{chosen}{body} else ");
        }
    }
    let mut text = text.to_owned();
    for (name, choices) in bodies {
        let (head, body) = head_and_body(language, &text, name).ok_or_else(|| format!("{file}: {name}()"))?;
        let chosen = format!("{}{{\n{choices}{}\n}}", &text[head.clone()], (language.body)(&text[body.clone()]));
        text.replace_range(head.start..body.end, &chosen);
    }
    Ok(text)
}

/// Where the head of a function is, in a formatted file, and where its body is, with its braces.
fn head_and_body(language: &Language, text: &str, name: &str) -> Option<(Range<usize>, Range<usize>)> {
    let Range { start, end } = (language.function)(text, name)?;
    let body = start + text[start..end].find("{\n")?;
    Some((start..body, body..start + text[start..end].trim_end().len()))
}

/// A fault in the C, to be a reference.
pub struct Planted<'f> {
    /// The reference in which it is planted.
    pub of: &'static str,
    /// What.
    pub fault: &'f Fault,
    /// Whether it is a reference of its own, by its name.
    pub apart: bool,
    /// Whether the kernel's VMA code is to drive it too, if it is one: to build that takes longer than all else.
    pub with_vma_code: bool,
    /// Whether the kernel's page-table code is to run too.
    pub with_pages: bool,
}

/// What the tool was asked to do to find a fault.
pub struct Hunt {
    /// The reference, or a fault in the C.
    pub kernel: &'static str,
    /// What makes the rmap calls: `model`, or `kernel`, the kernel's own VMA code; `pages`: with its page-table code.
    pub vma: &'static str,
    /// `kernel`, `port` or `both`.
    pub side: &'static str,
    /// The mix of operations.
    pub mix: &'static str,
    /// It has to be found within this many.
    pub ops: u64,
    /// The seed of the first trace.
    pub first_seed: u64,
    /// The fault in the port, by its number; 0: none.
    pub in_port: usize,
}

/// What the tool found.
pub struct Found {
    /// How many operations it took, all traces together.
    pub ops: u64,
    /// The first line of the report.
    pub signature: String,
}

/// The copies and what is built of them.
pub struct Workshop {
    dir: PathBuf,
    /// The reference that has a fault in the C which is none by itself, and its number there.
    shared: BTreeMap<String, (String, usize)>,
    /// Holds the sound references and one for each fault in the C; its port is sound unless a fault in it is chosen.
    pub binary: PathBuf,
    /// Whether it is built as it is used, to measure, rather than quickly.
    optimised: bool,
}

impl Workshop {
    /// Copies and builds. `in_c` are references, `in_port` are numbered from 1.
    pub fn open<'f>(in_c: impl Iterator<Item = Planted<'f>>, in_port: &[&Fault]) -> Self {
        Self::open_in("planted", false, in_c, in_port)
    }

    /// The same, built as the tool is used.
    #[allow(dead_code)] // The benchmark's: the tests measure nothing.
    pub fn open_optimised<'f>(in_c: impl Iterator<Item = Planted<'f>>) -> Self {
        Self::open_in("planted-optimised", true, in_c, &[])
    }

    fn open_in<'f>(dir: &str, optimised: bool, in_c: impl Iterator<Item = Planted<'f>>, in_port: &[&Fault]) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(dir);
        let mut workshop = Workshop { binary: PathBuf::new(), dir, shared: BTreeMap::new(), optimised };
        workshop.fill_cache(in_c);
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let changed = changed(workspace, in_port);
        for entry in [
            "Cargo.toml",
            "Cargo.lock",
            "build.rs",
            "crates",
            "csrc",
            "src",
            "benches",
            "findings",
            "fuzz/seeds",
            "fuzz/page-seeds",
        ] {
            mirror(workspace, &workshop.workspace(), Path::new(entry), &changed);
        }
        workshop.binary = workshop.build().unwrap_or_else(|error| panic!("the copy does not build:\n{error}"));
        workshop
    }

    fn workspace(&self) -> PathBuf {
        self.dir.join("workspace")
    }

    fn cache(&self) -> PathBuf {
        self.dir.join("kernels")
    }

    fn fill_cache<'f>(&mut self, faults: impl Iterator<Item = Planted<'f>>) {
        if self.cache().exists() {
            fs::remove_dir_all(self.cache()).unwrap();
        }
        let from = Cache::from_env().unwrap();
        let to = Cache::at(self.cache());
        let newest = default_set(&from).unwrap().pop();
        let newest = newest.expect("no kernel reference in the cache: run the tests by `make test`");
        let add = |name: &str, base: &str, faults: &[(usize, Planted)]| -> Result<(), String> {
            let base = from.load(if base == AFTER { &newest } else { base }).map_err(|error| error.to_string())?;
            let staging = to.stage(name).map_err(|error| error.to_string())?;
            copy_needed(&base.tree(), &staging.tree()).map_err(|error| error.to_string())?;
            let mut by_file: BTreeMap<&str, Vec<(usize, &Fault)>> = BTreeMap::new();
            for (number, planted) in faults {
                by_file.entry(planted.fault.file).or_default().push((*number, planted.fault));
            }
            let mut changed = Vec::new();
            for (file, faults) in by_file {
                let path = staging.tree().join(file);
                let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let faulty = match faults[..] {
                    [(0, fault)] => fault.plant(text.clone(), c_function)?,
                    _ => plant_choices(&C, file, &text, &faults)?,
                };
                fs::write(&path, &faulty).map_err(|error| error.to_string())?;
                if !self.optimised && COUNTED.contains(&faults[0].1.name) {
                    let before = Texts::of(file, &text);
                    changed = Texts::of(file, &faulty).not_in(&before, &staging.tree());
                }
            }
            // What no test runs is not compiled.
            let with_vma_code = faults.is_empty() || faults.iter().any(|(_, planted)| planted.with_vma_code);
            let with_pages = match faults {
                [] => name == AFTER,
                faults => faults.iter().any(|(_, planted)| planted.with_pages),
            };
            for (_, file) in
                [(with_vma_code, ONLY_OF_VMA_CODE), (with_pages, ONLY_OF_PAGES)].iter().filter(|(with, _)| !with)
            {
                fs::remove_file(staging.tree().join(file)).map_err(|error| error.to_string())?;
            }
            let note = Note { name: name.to_owned(), package: None, changed, ..base.note };
            staging.install(&note).map(drop).map_err(|error| error.to_string())
        };
        let mut failures: Vec<String> =
            [BEFORE, AFTER].into_iter().filter_map(|sound| add(sound, sound, &[]).err()).collect();
        let mut shared: BTreeMap<&str, Vec<(usize, Planted)>> = BTreeMap::new();
        for (planted, number) in faults.zip(FIRST_IN_C..) {
            match planted.apart {
                true => failures.extend(add(planted.fault.name, planted.of, &[(0, planted)]).err()),
                false => shared.entry(planted.of).or_default().push((number, planted)),
            }
        }
        for (of, faults) in shared {
            let name = format!("{of}-faults");
            failures.extend(add(&name, of, &faults).err());
            self.shared.extend(
                faults.iter().map(|(number, planted)| (planted.fault.name.to_owned(), (name.clone(), *number))),
            );
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    /// Builds the copy as it is now: the binary, or what the compiler says.
    fn build(&self) -> Result<PathBuf, String> {
        let target = self.dir.join("target");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--frozen", "--quiet", "--release", "--bin", "rmap-diff"]).current_dir(self.workspace());
        // What is for the build that this test is part of is not for this one.
        for other in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
            cargo.env_remove(other);
        }
        cargo.env("CARGO_TARGET_DIR", &target).env("RMAP_CACHE", self.cache());
        if !self.optimised {
            // The dependencies are there already, from the build that this test is part of. Its own crates stay apart, since
            // they are compiled otherwise here.
            cargo.env("CARGO_BUILD_BUILD_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap());
            // Building takes longer than running: thirty references, most with the kernel's VMA code.
            for setting in ["opt-level", "debug"] {
                cargo.args(["--config", &format!("profile.release.package.rmap-diff.{setting}=0")]);
            }
            cargo.env("CARGO_INCREMENTAL", "1");
        }
        let output = cargo.output().unwrap();
        match output.status.success() {
            true => Ok(target.join("release/rmap-diff")),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Runs random traces until something is found; nothing if there was nothing within the bound.
    pub fn hunt(&self, hunt: &Hunt) -> Result<Option<Found>, String> {
        let Hunt { mix, ops, .. } = hunt;
        // A trace a run, each of a seed of its own: so the report's operation tells how many it took. Schedules are many, and their
        // traces short.
        let of_run = if *mix == TOGETHER { TOGETHER_OPS } else { TRACE_OPS };
        let trace_ops = of_run.to_string();
        for round in 0..ops.div_ceil(of_run) {
            let seed = hunt.first_seed + round;
            let output = self
                .tool("random", hunt)
                .args(if *mix == TOGETHER { vec!["--together"] } else { vec!["--mix", mix] })
                .args(["--ops", &trace_ops, "--trace-ops", &trace_ops, "--seed", &seed.to_string()])
                .arg("-o")
                .arg(self.saved(hunt))
                .output()
                .unwrap();
            let report = String::from_utf8_lossy(&output.stdout);
            match output.status.code() {
                Some(0) => {}
                Some(1) => {
                    let signature = report.lines().next().unwrap_or_default().to_owned();
                    let operation =
                        operation(&report).ok_or_else(|| format!("no operation in the report:\n{report}"))?;
                    return Ok(Some(Found { ops: round * of_run + operation, signature }));
                }
                _ => {
                    let stderr = String::from_utf8_lossy(&output.stderr);
                    return Err(format!("seed {seed}: {}: {report}{stderr}", output.status));
                }
            }
        }
        Ok(None)
    }

    /// Searches every sequence of a small scope: the signature of what is found, and the operations of its trace.
    pub fn exhaust(&self, hunt: &Hunt) -> Result<(String, usize), String> {
        let mut scope = vec!["--procs", "4", "--pages", "2", "--depth", "7", "--failures", "all", "--json"];
        if hunt.vma == "pages" {
            scope = vec!["--procs", "2", "--pages", "4", "--order", "2", "--depth", "6", "--json"];
            scope.extend(["--only", "map,fault,fork,unmap,exit,touch,swapout,migrate,lazyfree"]);
        }
        let mut tool = self.tool("exhaust", hunt);
        let output = tool.args(scope).arg("-o").arg(self.saved(hunt)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let value: serde_json::Value = serde_json::from_str(&said)
            .map_err(|error| format!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)))?;
        match value["finding"]["signature"].as_str() {
            Some(found) => Ok((found.to_owned(), value["finding"]["trace"].as_array().map_or(0, Vec::len))),
            None => Err(format!("nothing found: {said}")),
        }
    }

    /// Runs operations together in each state of a scope, under every schedule with few preemptions: the signature of what is found, and
    /// how many `at` lines its trace has.
    #[allow(dead_code)] // The benchmark's: it does not ask.
    pub fn exhaust_together(&self, hunt: &Hunt, scope: &[&str]) -> Result<(String, usize), String> {
        let mut tool = self.tool("exhaust", hunt);
        let output = tool.args(scope).arg("--json").arg("-o").arg(self.saved(hunt)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let value: serde_json::Value = serde_json::from_str(&said)
            .map_err(|error| format!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)))?;
        let Some(found) = value["finding"]["signature"].as_str() else { return Err(format!("nothing found: {said}")) };
        let trace = fs::read_to_string(self.saved(hunt)).map_err(|error| error.to_string())?;
        Ok((found.to_owned(), trace.lines().filter(|line| line.trim_start().starts_with("at ")).count()))
    }

    /// Reviews a fault against the tree that it was planted in: the verdict, and its classes, the worst last.
    pub fn review(&self, base: &str, changed: &str, vma: &str) -> Result<(String, Vec<String>), String> {
        // The kernel's own code is not optimised here.
        let (depth, ops) = if vma == "model" { ("5", "5000") } else { ("3", "2000") };
        self.review_scope(base, changed, &["--vma", vma, "--depth", depth, "--ops", ops])
    }

    /// The same, with these options.
    pub fn review_scope(&self, base: &str, changed: &str, scope: &[&str]) -> Result<(String, Vec<String>), String> {
        let (changed, chosen) = self.shared.get(changed).map_or((changed, 0), |(name, number)| (name, *number));
        let mut tool = Command::new(&self.binary);
        tool.args(["review", base, changed, "--json"]).args(scope).env(CHOSEN, chosen.to_string());
        let output = tool.env_remove("RMAP_KNOWN").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let value: serde_json::Value = serde_json::from_str(&said)
            .map_err(|error| format!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)))?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let classes = value["classes"].as_array().into_iter().flatten();
        Ok((text(&value["verdict"]), classes.map(|class| text(&class["class"])).collect()))
    }

    /// Writes a trace.
    #[allow(dead_code)] // The benchmark's: it does not ask.
    pub fn trace(&self, name: &str, text: &str) -> PathBuf {
        let file = self.dir.join(format!("given-{name}.trace"));
        fs::write(&file, text).unwrap();
        file
    }

    /// The changed lines that a review of one trace tells of, and whether one of them ran.
    #[allow(dead_code)] // The benchmark's: it does not ask.
    pub fn changed_lines(&self, base: &str, changed: &str, vma: &str, trace: &Path) -> (Vec<serde_json::Value>, bool) {
        let mut tool = Command::new(&self.binary);
        tool.args(["review", base, changed, "--vma", vma, "--json", "--trace"]).arg(trace);
        let output = tool.env_remove("RMAP_KNOWN").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let value: serde_json::Value = serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)));
        let of_reference = value["changed_lines"].as_array().unwrap().first().cloned().unwrap_or_default();
        let lines = of_reference["lines"].as_array().cloned().unwrap_or_default();
        let reached = value["reached"].as_bool().unwrap();
        let undecided = value["verdict"] == "equivalent" && !reached;
        assert_eq!(output.status.code() == Some(3), undecided || value["verdict"] == "equivalent but for", "{value}");
        (lines, reached)
    }

    /// Judges a fix: the tree without it, and the tree with it. The verdict, and the status.
    #[allow(dead_code)] // The benchmark's: it does not ask.
    pub fn prove(&self, without: &str, with: &str, vma: &str, ops: u64) -> (serde_json::Value, Option<i32>) {
        let mut tool = Command::new(&self.binary);
        let out = self.dir.join(format!("{without}-{with}.trace"));
        tool.args(["prove", without, with, "--vma", vma, "--json", "--ops"]).arg(ops.to_string()).arg("-o").arg(out);
        let output = tool.env_remove("RMAP_KNOWN").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)));
        (value, output.status.code())
    }

    /// The tool, to be run as a hunt says.
    fn tool(&self, command: &str, hunt: &Hunt) -> Command {
        let Hunt { kernel, vma, side, in_port, .. } = hunt;
        let (kernel, chosen) =
            self.shared.get(*kernel).map_or((*kernel, *in_port), |(kernel, number)| (kernel, *number));
        let mut tool = Command::new(&self.binary);
        tool.args([command, "--kernel", kernel, "--vma", vma, "--side", side]);
        tool.env("NO_COLOR", "1").env_remove("RMAP_KNOWN").env(CHOSEN, chosen.to_string());
        tool
    }

    /// Where a hunt saves its trace.
    fn saved(&self, hunt: &Hunt) -> PathBuf {
        let Hunt { kernel, vma, side, in_port, .. } = hunt;
        self.dir.join(format!("{kernel}-{vma}-{side}-{in_port}.trace"))
    }

    /// Runs one trace: the first line of what is said of it.
    #[allow(dead_code, reason = "the benchmark plays no trace of its own")]
    pub fn run(&self, hunt: &Hunt, trace: &str) -> String {
        let file = self.saved(hunt);
        fs::write(&file, trace).unwrap();
        let output = self.tool("run", hunt).arg(file).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
    }

    /// Minimises what a hunt has found: how many operations are left, or of those that run together, how many switches.
    pub fn minimise(&self, hunt: &Hunt) -> Result<usize, String> {
        let output = self.tool("minimize", hunt).arg(self.saved(hunt)).args(["--out", "-"]).output().unwrap();
        if output.status.code() != Some(1) {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(format!("minimize: {}: {stderr}", output.status));
        }
        let trace = String::from_utf8_lossy(&output.stdout);
        let mut lines = trace.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        if hunt.mix == TOGETHER {
            return match lines.any(|line| line == "together") {
                true => Ok(lines.filter(|line| line.starts_with("at ")).count()),
                false => Err("minimize: it is no race".into()),
            };
        }
        Ok(lines.count())
    }
}

/// At which operation of its trace a report says that something was found.
fn operation(report: &str) -> Option<u64> {
    let place = report.lines().find_map(|line| line.strip_prefix("at "))?;
    // Of operations that ran together it names the first and the last.
    let (_, number) = place.split_once("operation ").or_else(|| {
        let (_, numbers) = place.split_once("operations ")?;
        numbers.split_once(" to ")
    })?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The files of the copy that are not as in the workspace, each with its text.
fn changed(workspace: &Path, in_port: &[&Fault]) -> BTreeMap<PathBuf, String> {
    let read = |file: &str| {
        let path = workspace.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    // Lest the copy's library, among the files of the build that this test is part of, be taken for that of the workspace.
    let manifest = read("Cargo.toml") + "\n[lib]\nname = \"rmap_diff_planted\"\n";
    let main = read("src/main.rs").replace("rmap_diff::", "rmap_diff_planted::");
    // Where the C sees it, whatever of the kernel is included later.
    const FIRST_INCLUDED: &str = "csrc/stubs/instrument.h";
    let c = read(FIRST_INCLUDED)
        + &format!(
            "
#ifndef RMAP_PLANTED
#define RMAP_PLANTED
extern char *getenv(const char *);
extern int atoi(const char *);
static __attribute__((unused)) int rmap_planted(int number)
{{
	static int chosen = -1;

	if (chosen < 0)
		chosen = getenv({CHOSEN:?}) ? atoi(getenv({CHOSEN:?})) : 0;
	return chosen == number;
}}
#endif
"
        );
    let mut changed = BTreeMap::from([
        (PathBuf::from("Cargo.toml"), manifest),
        (PathBuf::from("src/main.rs"), main),
        (PathBuf::from(FIRST_INCLUDED), c),
    ]);
    if in_port.is_empty() {
        return changed;
    }
    let mut by_file: BTreeMap<&str, Vec<(usize, &Fault)>> = BTreeMap::new();
    for (fault, number) in in_port.iter().zip(1..) {
        by_file.entry(fault.file).or_default().push((number, fault));
    }
    let planted =
        by_file.into_iter().map(|(file, faults)| Ok((file, plant_choices(&RUST, file, &read(file), &faults)?)));
    let planted: BTreeMap<&str, String> =
        planted.collect::<Result<_, String>>().unwrap_or_else(|error| panic!("{error}"));
    changed.extend(planted.into_iter().map(|(file, text)| (PathBuf::from(file), text)));
    const ROOT: &str = "crates/port/src/lib.rs";
    let root = changed.entry(PathBuf::from(ROOT)).or_insert_with(|| read(ROOT));
    let _ = write!(
        root,
        "
pub(crate) fn planted(number: usize) -> bool {{
    static CHOSEN: std::sync::LazyLock<usize> =
        std::sync::LazyLock::new(|| std::env::var({CHOSEN:?}).map_or(0, |chosen| chosen.parse().unwrap()));
    *CHOSEN == number
}}
"
    );
    changed
}

/// Makes `entry` of the copy like that of the workspace, except for what is `changed`. What is so already is left alone, lest it be
/// built again.
fn mirror(workspace: &Path, copy: &Path, entry: &Path, changed: &BTreeMap<PathBuf, String>) {
    let (from, to) = (workspace.join(entry), copy.join(entry));
    if !from.is_dir() {
        let text = changed.get(entry).map_or_else(|| fs::read(&from).unwrap(), |text| text.clone().into_bytes());
        if fs::read(&to).ok().as_ref() != Some(&text) {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, text).unwrap();
        }
        return;
    }
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(&to).unwrap() {
        let entry = entry.unwrap();
        if !from.join(entry.file_name()).exists() {
            let stale = entry.path();
            if stale.is_dir() { fs::remove_dir_all(stale).unwrap() } else { fs::remove_file(stale).unwrap() }
        }
    }
    for below in fs::read_dir(from).unwrap() {
        mirror(workspace, copy, &entry.join(below.unwrap().file_name()), changed);
    }
}
