//! What a run reached of the kernel's text and of the port, by function: the counters that `llvm-cov export -format=lcov`
//! prints, brought from the lines of the extract to the lines of the tree.
//!
//! A function is compiled once for each object file; what ran in any of them is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

mod lcov;

pub use lcov::{Counters, Line, read};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReachedError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of the counters is not what llvm-cov writes.
    #[error("line {line} of the counters: {text:?} is no lcov record")]
    Lcov {
        /// From 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// The list of what cannot be reached is malformed.
    #[error("{path}: {source}")]
    Unreached {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The list of what was cut is malformed.
    #[error("{path}: {source}")]
    Pieces {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
}

/// Reads a file.
///
/// # Errors
/// If it cannot be read.
pub fn read_file(path: &Path) -> Result<String, ReachedError> {
    std::fs::read_to_string(path).map_err(|source| ReachedError::Read { path: path.to_owned(), source })
}

/// The file whose functions are all to be reached, also those that only the page-table code calls.
const REVERSE_MAP: &str = "mm/rmap.c";

/// A definition that was cut: a row of `pieces.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Piece {
    /// `function`, `struct`, ...
    pub kind: String,
    /// Its name.
    pub symbol: String,
    /// The file of the tree.
    pub file: String,
    /// Where it begins there.
    pub first_line: usize,
    /// Where it ends there.
    pub last_line: usize,
    /// The file of the extract that it went to.
    pub into: String,
}

/// What was cut of a reference.
#[derive(Clone, Debug, Default)]
pub struct Cuts {
    /// By the manifest: what every driver runs.
    pub small: Vec<Piece>,
    /// By need, with the page-table code.
    pub pages: Vec<Piece>,
}

/// Lines and branches that nothing in one task can reach, with the reason.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unreached {
    /// One by one.
    #[serde(default, rename = "unreached")]
    pub entries: Vec<Entry>,
    /// Macros whose own branch is a defect: they are never taken.
    #[serde(default)]
    pub asserts: Vec<String>,
}

/// One reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The kernel's function. If neither `lines` nor `blocks` are given, all of it, unless anything of it was reached.
    pub function: String,
    /// What the lines contain, each a part of one line: the line and its branches need not be reached. `A / B` is a
    /// line that contains B after one that contains A.
    #[serde(default)]
    pub lines: Vec<String>,
    /// What the line before a block contains: the lines that are indented more than it need not be reached, nor the brace
    /// that closes the block. The line itself must be.
    #[serde(default)]
    pub blocks: Vec<String>,
    /// The compiler drops these lines: the configuration has not what they are for.
    #[serde(default)]
    pub dropped: bool,
    /// The references of which this is so; none: of all.
    #[serde(default)]
    pub kernels: Vec<String>,
    /// Why.
    pub reason: String,
}

impl Unreached {
    /// Reads the list.
    ///
    /// # Errors
    /// If it cannot be read or is malformed.
    pub fn load(path: &Path) -> Result<Unreached, ReachedError> {
        toml::from_str(&read_file(path)?)
            .map_err(|source| ReachedError::Unreached { path: path.to_owned(), source: Box::new(source) })
    }

    /// The entry that explains each line of a reference's function, if any.
    fn explain(&self, reference: &str, function: &str, lines: &[&Line]) -> Vec<Option<usize>> {
        let is_of = |entry: &Entry| entry.kernels.is_empty() || entry.kernels.iter().any(|name| name == reference);
        let entries: Vec<(usize, &Entry)> =
            self.entries.iter().enumerate().filter(|(_, entry)| entry.function == function && is_of(entry)).collect();
        let whole = entries.iter().find(|(_, entry)| entry.lines.is_empty() && entry.blocks.is_empty());
        let whole = whole.filter(|_| lines.iter().all(|line| line.reached().lines[1] == 0)).map(|(at, _)| *at);
        let (mut before, mut block) = ("", None);
        let mut explained = Vec::new();
        for line in lines {
            let (text, indent) = (line.text.trim(), indent(&line.text));
            let inside = block.filter(|&(outer, _)| indent > outer || (indent == outer && text == "}"));
            if indent <= inside.map_or(usize::MAX, |(outer, _)| outer) {
                let opens =
                    |(_, entry): &&(usize, &Entry)| entry.blocks.iter().any(|part| text.contains(part.as_str()));
                block = entries.iter().find(opens).map(|(at, _)| (indent, *at));
            }
            let own = entries.iter().find(|(_, entry)| entry.explains(before, text)).map(|(at, _)| *at);
            before = text;
            explained.push(own.or(inside.map(|(_, at)| at)).or(whole));
        }
        explained
    }

    /// Why each line of a function's text cannot be reached, if an entry says so.
    pub fn reasons(&self, reference: &str, function: &str, text: &str) -> Vec<Option<&str>> {
        let lines: lcov::Lines =
            text.lines().map(|line| Line { text: line.to_owned(), ..Line::default() }).enumerate().collect();
        let code = code(lines.iter());
        let texts: Vec<&Line> = code.iter().map(|(_, line)| *line).collect();
        let mut reasons = vec![None; lines.len()];
        for ((number, _), entry) in code.iter().zip(self.explain(reference, function, &texts)) {
            reasons[*number] = entry.map(|at| self.entries[at].reason.as_str());
        }
        reasons
    }

    fn is_assert(&self, text: &str) -> bool {
        self.asserts.iter().any(|name| text.contains(&format!("{name}(")))
    }
}

impl Entry {
    /// Whether one of its lines is this.
    fn explains(&self, before: &str, text: &str) -> bool {
        self.lines.iter().any(|part| match part.split_once(" / ") {
            Some((first, second)) => before.contains(first) && text.contains(second),
            None => text.contains(part.as_str()),
        })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines.iter().map(|part| format!("{part:?}"));
        let all: Vec<String> = lines.chain(self.blocks.iter().map(|part| format!("all of {part:?}"))).collect();
        if all.is_empty() { out.write_str("the whole function") } else { out.write_str(&all.join(", ")) }
    }
}

/// Columns before the text of a line, a tab counting as one.
fn indent(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// How much of something was reached.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Reached {
    /// Lines, and how many of them were reached.
    pub lines: [usize; 2],
    /// Branches (each side of a condition), and how many of them were reached.
    pub branches: [usize; 2],
}

impl Reached {
    fn add(&mut self, other: Reached) {
        for n in 0..2 {
            self.lines[n] += other.lines[n];
            self.branches[n] += other.branches[n];
        }
    }

    fn row(&self, name: &str) -> String {
        let percent = |[all, reached]: [usize; 2]| {
            if all == 0 { "      -".to_owned() } else { format!("{:6.1}%", 100.0 * reached as f64 / all as f64) }
        };
        format!(
            "{name:<48} {:>5}/{:<5} {}  {:>5}/{:<5} {}\n",
            self.lines[1],
            self.lines[0],
            percent(self.lines),
            self.branches[1],
            self.branches[0],
            percent(self.branches)
        )
    }
}

/// What was reached of some functions.
#[derive(Clone, Default, Debug)]
pub struct Part {
    /// The table, by function.
    pub table: String,
    /// All of it.
    pub counted: Reached,
    /// Without what is explained.
    pub reachable: Reached,
}

/// What was reached of the functions of `mm/rmap.c`, also of those that only the page-table code calls.
#[derive(Clone, Copy, Default, Debug)]
pub struct ReverseMap {
    /// All lines.
    pub counted: Reached,
    /// Without those that the compiler drops.
    pub configured: Reached,
    /// Without those that are explained.
    pub reachable: Reached,
}

/// What was reached of one reference.
#[derive(Clone, Debug, Default)]
pub struct ReferenceReport {
    /// The functions that were cut by the manifest.
    pub small: Part,
    /// Those that the page-table code adds of `mm/rmap.c`.
    pub added: Part,
    /// Lines of all functions of `mm/rmap.c`. None without the page-table code.
    pub reverse_map: Option<ReverseMap>,
    /// Of the other files of the page-table code: the table, by file.
    pub others: String,
    /// Lines that nothing reached and nothing explains.
    pub missing: Vec<String>,
    /// Which entries explained something.
    pub used: BTreeSet<usize>,
}

/// What was reached of a reference's functions.
pub fn reference(name: &str, cuts: &Cuts, counters: &Counters, unreached: &Unreached) -> ReferenceReport {
    let mut report = ReferenceReport::default();
    let of = |piece: &Piece| counters.tree.get(&(name.to_owned(), piece.file.clone()));
    // The list of what was cut is there also if it did not compile.
    let compiled = |piece: &&Piece| piece.kind == "function" && counters.has(name, &piece.into);
    let place = |piece: &Piece| (piece.file.clone(), piece.first_line);
    let small: BTreeSet<(String, usize)> = cuts.small.iter().map(place).collect();
    let mut reverse_map = ReverseMap::default();
    let mut others: BTreeMap<&str, Reached> = BTreeMap::new();
    let pages = cuts.pages.iter().filter(compiled).filter(|piece| !small.contains(&place(piece)));
    for (piece, of_small) in
        cuts.small.iter().filter(compiled).map(|piece| (piece, true)).chain(pages.map(|piece| (piece, false)))
    {
        let Some(file) = of(piece) else { continue };
        let lines = code(file.range(piece.first_line..=piece.last_line));
        if !of_small && piece.file != REVERSE_MAP {
            let other = others.entry(&piece.file).or_default();
            lines.iter().for_each(|(_, line)| other.add(line.reached()));
            continue;
        }
        let function = report.function(name, piece, &lines, of_small, unreached);
        let part = if of_small { &mut report.small } else { &mut report.added };
        part.table += &function.counted.row(&format!("  {}", piece.symbol));
        part.counted.add(function.counted);
        part.reachable.add(function.reachable);
        if piece.file == REVERSE_MAP {
            reverse_map.counted.add(function.counted);
            reverse_map.configured.add(function.configured);
            reverse_map.reachable.add(function.reachable);
        }
    }
    report.reverse_map = cuts.pages.iter().any(|piece| compiled(&piece)).then_some(reverse_map);
    report.others = others.iter().map(|(file, reached)| reached.row(&format!("  {file}"))).collect();
    report
}

/// The lines that are code: comments and directives have counters, too, in a function that nothing calls.
fn code<'l>(lines: impl Iterator<Item = (&'l usize, &'l Line)>) -> Vec<(usize, &'l Line)> {
    let mut directive = false;
    let is_code = |(_, line): &(&usize, &Line)| {
        let text = line.text.trim();
        let of_directive = directive || text.starts_with('#');
        directive = of_directive && text.ends_with('\\');
        let comment = (text.starts_with("/*") && (text.ends_with("*/") || !text.contains("*/")))
            || text == "*"
            || ["* ", "*/"].iter().any(|start| text.starts_with(start));
        !(text.is_empty() || of_directive || comment)
    };
    lines.filter(is_code).map(|(number, line)| (*number, line)).collect()
}

impl ReferenceReport {
    /// What was reached of a function. `branches`: they are asked for too.
    fn function(
        &mut self,
        name: &str,
        piece: &Piece,
        lines: &[(usize, &Line)],
        branches: bool,
        unreached: &Unreached,
    ) -> ReverseMap {
        let ReverseMap { mut counted, mut configured, mut reachable } = ReverseMap::default();
        let texts: Vec<&Line> = lines.iter().map(|(_, line)| *line).collect();
        for ((number, line), explained) in lines.iter().zip(unreached.explain(name, &piece.symbol, &texts)) {
            let text = line.text.trim();
            let reached = line.reached();
            counted.add(reached);
            let ran = reached.lines[0] == reached.lines[1];
            let whole = ran && (!branches || reached.branches[0] == reached.branches[1]);
            if ran || !explained.is_some_and(|entry| unreached.entries[entry].dropped) {
                configured.add(reached);
            }
            match explained {
                Some(entry) if !whole => {
                    self.used.insert(entry);
                }
                _ if ran && unreached.is_assert(text) => {
                    reachable.add(Reached { lines: reached.lines, branches: [reached.branches[1]; 2] });
                }
                _ => {
                    reachable.add(reached);
                    if !whole {
                        let sides = line.unreached_branches();
                        let what = if ran { sides.as_str() } else { "line" };
                        self.missing.push(format!("{name} {}:{number} {}(): {what}: {text}", piece.file, piece.symbol));
                    }
                }
            }
        }
        ReverseMap { counted, configured, reachable }
    }
}

/// What was reached of Rust files under a directory, by function.
pub fn rust(under: &str, counters: &Counters) -> (String, Reached) {
    let mut table = String::new();
    let mut total = Reached::default();
    for (file, lines) in counters.plain.iter().filter(|(file, _)| file.contains(under)) {
        let Some(functions) = counters.functions.get(file) else { continue };
        let starts: Vec<usize> = functions.keys().copied().collect();
        for (at, (start, name)) in functions.iter().enumerate() {
            let end = starts.get(at + 1).map_or(usize::MAX, |next| next - 1);
            let mut reached = Reached::default();
            lines.range(*start..=end).for_each(|(_, line)| reached.add(line.reached()));
            table += &reached.row(&format!("  {name}"));
            total.add(reached);
        }
    }
    (table, total)
}

/// The whole summary, and whether all is reached that can be.
pub fn summary(
    references: &[(String, ReferenceReport)],
    port: &(String, Reached),
    unreached: &Unreached,
) -> (String, bool) {
    let mut text = String::new();
    let mut sound = true;
    let head = format!("{:<48} {:>11} {:>8} {:>13} {:>8}\n", "", "lines", "", "branches", "");
    for (name, report) in references {
        let parts = [
            (name.clone(), &report.small),
            (format!("{name}, {REVERSE_MAP}: what else --vma pages runs"), &report.added),
        ];
        for (title, part) in parts.iter().filter(|(_, part)| !part.table.is_empty()) {
            let _ = write!(text, "{title}\n{head}{}", part.table);
            text += &part.counted.row("all, as counted");
            text += &part.reachable.row("all that can be reached");
            text.push('\n');
        }
        if !report.others.is_empty() {
            let _ = writeln!(text, "{name}, what else --vma pages runs of other files\n{head}{}", report.others);
        }
    }
    let _ = write!(text, "the port\n{head}{}{}\n", port.0, port.1.row("all"));
    for (name, report) in references {
        let Reached { lines, branches: [all, taken] } = report.small.reachable;
        if lines[0] != lines[1] || taken * 100 < all * 95 {
            let _ = writeln!(text, "{name}: not all lines, or less than 95 % of the branches, that can be reached are");
            sound = false;
        }
        let lines = report.added.reachable.lines;
        if lines[0] != lines[1] {
            let _ = writeln!(text, "{name}: not all lines of {REVERSE_MAP} that --vma pages can reach are reached");
            sound = false;
        }
        report.missing.iter().for_each(|missing| text += &format!("not reached: {missing}\n"));
    }
    let used: BTreeSet<usize> = references.iter().flat_map(|(_, report)| report.used.iter().copied()).collect();
    for (at, entry) in unreached.entries.iter().enumerate().filter(|(at, _)| !used.contains(at)) {
        let _ = writeln!(text, "entry {} of {}() explains nothing: {entry}", at + 1, entry.function);
        sound = false;
    }
    for (name, report) in references {
        let Some(reached) = report.reverse_map else {
            let _ = writeln!(text, "{name}: no page-table code, so not all of {REVERSE_MAP} is asked for");
            continue;
        };
        let share = |Reached { lines: [all, ran], .. }: Reached| {
            format!("{ran} of {all} ({:.1} %)", 100.0 * ran as f64 / all.max(1) as f64)
        };
        let _ = writeln!(
            text,
            "{name}: {REVERSE_MAP}: {} lines reached; {} of those that the compiler keeps; {} of those that can be reached",
            share(reached.counted),
            share(reached.configured),
            share(reached.reachable)
        );
    }
    (text, sound)
}

#[cfg(test)]
mod tests;
