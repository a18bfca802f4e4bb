//! Which lines of a change ran. A reference that was made by patches is compiled so that gcc counts how often its lines run
//! (`build.rs`), and `gcov` reads the counters when a command has played its traces. The text itself is as it is in the tree.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::process::Command;

use serde::Deserialize;

use crate::kernel::Reference;

/// The program that reads the counters, unless `RMAP_GCOV` names another one.
const GCOV: &str = "gcov";

/// Why it is not known which lines ran.
#[derive(Debug, thiserror::Error)]
pub enum CoverageError {
    /// The C was not compiled for it.
    #[error("not counted: {0}")]
    NotCounted(&'static str),
    /// gcov cannot be run.
    #[error("not counted: {program}: {error}; it comes with gcc, and RMAP_GCOV names another one")]
    Program {
        /// What was run.
        program: String,
        /// Why not.
        error: io::Error,
    },
    /// gcov does not understand the counters.
    #[error("not counted: {program}: {said}; it must be of the gcc that compiled the C: RMAP_GCOV names another one")]
    Refused {
        /// What was run.
        program: String,
        /// What it said.
        said: String,
    },
    /// The files for gcov cannot be written.
    #[error("not counted: {0}")]
    Io(#[from] io::Error),
    /// The note of the reference, or what gcov says, is not of its form.
    #[error("not counted: {0}")]
    Form(#[from] serde_json::Error),
}

/// How often a changed line ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runs {
    /// So many times.
    Ran(u64),
    /// Never.
    Never,
    /// Never, and only the kernel's own page-table code has it, which did not drive.
    NeedsPages,
    /// Its function was not compiled: it is not cut from the tree, or nothing that is cut calls it.
    NotCut,
    /// The line has no code of its own: a declaration, a brace, a directive.
    NoCode,
}

impl Runs {
    /// Whether it has code that did not run.
    pub fn is_missed(self) -> bool {
        matches!(self, Runs::Never | Runs::NeedsPages | Runs::NotCut)
    }
}

/// One changed line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The file, in the tree.
    pub file: String,
    /// Its number, from 1.
    pub line: usize,
    /// Its function; empty outside of functions.
    pub function: String,
    /// What it says.
    pub text: String,
    /// The line itself is as it was: the patch took away the lines before it.
    pub follows_removed: bool,
    /// How often it ran.
    pub runs: Runs,
}

/// The changed lines of a reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangedLines {
    /// The reference.
    pub kernel: &'static str,
    /// The lines, in order, or why it is not known whether they ran.
    pub lines: Result<Vec<Line>, String>,
}

impl ChangedLines {
    /// How many of the lines are of that kind.
    pub fn count(&self, is: impl Fn(Runs) -> bool) -> usize {
        self.lines.iter().flatten().filter(|line| is(line.runs)).count()
    }

    /// Whether lines have code that could have run, and none of it did: whatever ran says nothing of the change.
    pub fn none_ran(&self) -> bool {
        self.count(|runs| runs.is_missed()) > 0 && self.count(|runs| matches!(runs, Runs::Ran(_))) == 0
    }

    /// The functions, each once, that hold lines of that kind.
    pub fn functions(&self, is: impl Fn(Runs) -> bool) -> Vec<&str> {
        let lines = self.lines.iter().flatten().filter(|line| is(line.runs) && !line.function.is_empty());
        let functions: std::collections::BTreeSet<&str> = lines.map(|line| line.function.as_str()).collect();
        functions.into_iter().collect()
    }
}

/// What the note of a reference has of a function.
#[derive(Deserialize)]
struct Changed {
    file: String,
    #[serde(default)]
    function: String,
    first_line: usize,
    last_line: usize,
    lines: Vec<ChangedLine>,
}

#[derive(Deserialize)]
struct ChangedLine {
    line: usize,
    from: usize,
    to: usize,
    text: String,
    #[serde(default)]
    follows_removed: bool,
}

/// The changed lines of a reference, with how often they ran in this process; none if the reference was not made by patches.
/// `pages`: whether the kernel's own page-table code drove.
pub fn changed_lines(reference: &'static Reference, pages: bool) -> Option<ChangedLines> {
    let kernel = reference.name;
    let changed: Vec<Changed> = match serde_json::from_str(reference.changed) {
        Ok(changed) => changed,
        Err(error) => return Some(ChangedLines { kernel, lines: Err(error.to_string()) }),
    };
    if changed.is_empty() {
        return None;
    }
    let counts = counts(reference).map_err(|error| error.to_string());
    Some(ChangedLines { kernel, lines: counts.map(|counts| judged(changed, &counts, pages)) })
}

/// How often each line of each file ran that has code.
type Counts = BTreeMap<String, BTreeMap<usize, Count>>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Count {
    times: u64,
    /// It is compiled without the page-table code, too.
    without_pages: bool,
}

fn judged(changed: Vec<Changed>, counts: &Counts, pages: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for Changed { file, function, first_line, last_line, lines: of_function } in changed {
        let counted = counts.get(&file);
        let most = |from: usize, to: usize| counted?.range(from..=to).map(|(_, &count)| count).max();
        let needs_pages = !pages && most(first_line, last_line).is_some_and(|count| !count.without_pages);
        let is_cut = most(first_line, last_line).is_some();
        for ChangedLine { line, from, to, text, follows_removed } in of_function {
            // A line without code of its own, in the midst of a statement, ran if the statement did.
            let runs = match most(line, line).or_else(|| most(from, to)) {
                Some(Count { times: 0, .. }) if needs_pages => Runs::NeedsPages,
                Some(Count { times: 0, .. }) => Runs::Never,
                Some(Count { times, .. }) => Runs::Ran(times),
                None if function.is_empty() || is_cut => Runs::NoCode,
                None => Runs::NotCut,
            };
            lines.push(Line { file: file.clone(), line, function: function.clone(), text, follows_removed, runs });
        }
    }
    lines
}

#[derive(Deserialize)]
struct GcovOutput {
    files: Vec<GcovFile>,
}

#[derive(Deserialize)]
struct GcovFile {
    file: String,
    lines: Vec<GcovLine>,
}

#[derive(Deserialize)]
struct GcovLine {
    line_number: usize,
    count: u64,
}

fn counts(reference: &'static Reference) -> Result<Counts, CoverageError> {
    let program = std::env::var("RMAP_GCOV").unwrap_or_else(|_| GCOV.to_owned());
    let dir = tempfile::tempdir()?;
    let mut counts = Counts::new();
    for unit in reference.counters().map_err(CoverageError::NotCounted)? {
        let [notes, counters] = ["gcno", "gcda"].map(|extension| dir.path().join(unit.name).with_extension(extension));
        fs::write(notes, unit.notes)?;
        fs::write(&counters, unit.read())?;
        let output =
            Command::new(&program).args(["--json-format", "--stdout"]).arg(&counters).current_dir(dir.path()).output();
        let output = output.map_err(|error| CoverageError::Program { program: program.clone(), error })?;
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        // A version that it does not like is a warning to it.
        if !output.status.success() || said.contains("mismatch") {
            return Err(CoverageError::Refused { program, said });
        }
        let read: GcovOutput = serde_json::from_slice(&output.stdout)?;
        for GcovFile { file, lines } in read.files {
            let of_file = counts.entry(in_the_tree(&file, reference.name).to_owned()).or_default();
            for GcovLine { line_number, count } in lines {
                let most = of_file.entry(line_number).or_insert(Count { times: 0, without_pages: false });
                most.times = count.max(most.times);
                most.without_pages |= !unit.of_pages;
            }
        }
    }
    Ok(counts)
}

/// A file that was taken as a whole has no mark of its place in the tree: it lies in the directory of its reference.
fn in_the_tree<'f>(file: &'f str, reference: &str) -> &'f str {
    let within = format!("/references/{reference}/");
    file.rsplit_once(within.as_str()).map_or(file, |(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_judged_by_its_counter_its_statement_or_its_function() {
        let line = |line, from, to| ChangedLine { line, from, to, text: String::new(), follows_removed: false };
        let of = |function: &str, first_line, last_line, lines| {
            let (file, function) = ("mm/x.c".to_owned(), function.to_owned());
            Changed { file, function, first_line, last_line, lines }
        };
        let changed = || {
            vec![
                of("", 0, 0, vec![line(1, 1, 1)]),
                of("f", 3, 9, vec![line(4, 4, 4), line(5, 5, 5), line(7, 6, 7), line(8, 8, 8)]),
                of("g", 20, 22, vec![line(21, 21, 21)]),
                of("h", 30, 32, vec![line(31, 31, 31)]),
            ]
        };
        let count = |times, without_pages| Count { times, without_pages };
        let of_file = [(4, count(0, true)), (5, count(2, true)), (6, count(3, true)), (31, count(0, false))];
        let counts = Counts::from([("mm/x.c".to_owned(), BTreeMap::from(of_file))]);
        for (pages, last) in [(false, Runs::NeedsPages), (true, Runs::Never)] {
            let lines = Ok(judged(changed(), &counts, pages));
            let runs: Vec<Runs> = lines.iter().flatten().map(|line| line.runs).collect();
            let wanted = [Runs::NoCode, Runs::Never, Runs::Ran(2), Runs::Ran(3), Runs::NoCode, Runs::NotCut, last];
            assert_eq!(runs, wanted);
            let judged = ChangedLines { kernel: "7.3", lines };
            assert!(!judged.none_ran());
            assert_eq!(judged.functions(|runs| runs == last), if pages { vec!["f", "h"] } else { vec!["h"] });
            let lines = judged.lines.unwrap().into_iter().filter(|line| !matches!(line.runs, Runs::Ran(_)));
            assert!(ChangedLines { kernel: "7.3", lines: Ok(lines.collect()) }.none_ran());
        }
    }

    #[test]
    fn a_file_that_was_taken_as_a_whole_is_named_by_its_place_in_the_tree() {
        assert_eq!(in_the_tree("/t/out/references/7.3/lib/rbtree.c", "7.3"), "lib/rbtree.c");
        assert_eq!(in_the_tree("mm/rmap.c", "7.3"), "mm/rmap.c");
    }
}
