//! What a run reached of the kernel's text and of the port, by function: the counters that `llvm-cov export -format=lcov`
//! prints, brought from the lines of the extract to the lines of the tree.
//!
//! A function is compiled once for each driver; what either reached is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

mod lcov;

pub use lcov::{Counters, read};

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
    /// The kernel's function.
    pub function: String,
    /// What the lines contain, each a part of one line: the line and its branches need not be reached. `A / B` is a
    /// line that contains B after one that contains A.
    pub lines: Vec<String>,
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

    /// The entry that explains a line, if any.
    fn explains(&self, function: &str, before: &str, text: &str) -> Option<usize> {
        let matches = |part: &String| match part.split_once(" / ") {
            Some((first, second)) => before.contains(first) && text.contains(second),
            None => text.contains(part.as_str()),
        };
        self.entries.iter().position(|entry| entry.function == function && entry.lines.iter().any(matches))
    }

    fn is_assert(&self, text: &str) -> bool {
        self.asserts.iter().any(|name| text.contains(&format!("{name}(")))
    }
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

/// What was reached of one reference.
#[derive(Debug, Default)]
pub struct ReferenceReport {
    /// The table, by function.
    pub table: String,
    /// All functions that were cut by name, as counted.
    pub counted: Reached,
    /// The same without what is explained.
    pub reachable: Reached,
    /// Lines that nothing reached and nothing explains.
    pub missing: Vec<String>,
    /// Which entries explained something.
    pub used: BTreeSet<usize>,
}

/// What was reached of a reference's functions: those of `pieces`.
pub fn reference(name: &str, pieces: &[Piece], counters: &Counters, unreached: &Unreached) -> ReferenceReport {
    let mut report = ReferenceReport::default();
    let empty = BTreeMap::new();
    for piece in pieces.iter().filter(|piece| piece.kind == "function") {
        let file = counters.tree.get(&(name.to_owned(), piece.file.clone())).unwrap_or(&empty);
        let (mut counted, mut reachable) = (Reached::default(), Reached::default());
        let mut before = "";
        for (number, line) in file.range(piece.first_line..=piece.last_line) {
            let text = line.text.trim();
            let assert = unreached.is_assert(text);
            let explained = unreached.explains(&piece.symbol, before, text);
            before = text;
            let reached = line.reached();
            counted.add(reached);
            let whole = reached.lines[0] == reached.lines[1] && reached.branches[0] == reached.branches[1];
            match explained {
                Some(entry) if !whole => {
                    report.used.insert(entry);
                }
                _ if assert && reached.lines[0] == reached.lines[1] => {
                    reachable.add(Reached { lines: reached.lines, branches: [reached.branches[1]; 2] });
                }
                _ => {
                    reachable.add(reached);
                    if !whole {
                        let branches = line.unreached_branches();
                        let what = if reached.lines[1] == 0 { "line" } else { branches.as_str() };
                        report
                            .missing
                            .push(format!("{name} {}:{number} {}(): {what}: {text}", piece.file, piece.symbol));
                    }
                }
            }
        }
        report.table += &counted.row(&format!("  {}", piece.symbol));
        report.counted.add(counted);
        report.reachable.add(reachable);
    }
    report
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
    gated: &[&str],
    references: &[(String, ReferenceReport)],
    port: &(String, Reached),
    unreached: &Unreached,
) -> (String, bool) {
    let mut text = String::new();
    let mut sound = true;
    let head = format!("{:<48} {:>11} {:>8} {:>13} {:>8}\n", "", "lines", "", "branches", "");
    for (name, report) in references {
        let _ = write!(text, "{name}\n{head}{}", report.table);
        text += &report.counted.row("all, as counted");
        text += &report.reachable.row("all that can be reached");
        text.push('\n');
    }
    let _ = write!(text, "the port\n{head}{}{}\n", port.0, port.1.row("all"));
    for (name, report) in references.iter().filter(|(name, _)| gated.contains(&name.as_str())) {
        let [all, reached] = report.reachable.branches;
        let lines = report.reachable.lines[0] == report.reachable.lines[1];
        if !lines || reached * 100 < all * 95 {
            let _ = writeln!(text, "{name}: not all lines, or less than 95 % of the branches, that can be reached are");
            sound = false;
        }
        report.missing.iter().for_each(|missing| text += &format!("not reached: {missing}\n"));
    }
    let used: BTreeSet<usize> = references.iter().flat_map(|(_, report)| report.used.iter().copied()).collect();
    for (at, entry) in unreached.entries.iter().enumerate().filter(|(at, _)| !used.contains(at)) {
        let _ = writeln!(text, "entry {} of {}() explains nothing: {:?}", at + 1, entry.function, entry.lines);
        sound = false;
    }
    (text, sound)
}

#[cfg(test)]
mod tests;
