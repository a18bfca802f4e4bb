//! The counters in lcov's form, and the lines of the tree that the extract's `#line` marks speak of.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reached, ReachedError};

/// What is known of one line.
#[derive(Clone, Default, Debug)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// How often it ran; none if it holds no code.
    pub count: Option<u64>,
    /// How often each branch was taken, in the order in which they stand.
    pub branches: BTreeMap<(u64, u64), u64>,
}

impl Line {
    /// How much of it was reached.
    pub fn reached(&self) -> Reached {
        let lines = self.count.map_or([0, 0], |count| [1, usize::from(count > 0)]);
        let taken = self.branches.values().filter(|&&count| count > 0).count();
        Reached { lines, branches: [self.branches.len(), taken] }
    }

    /// The sides that were never taken, as words: `condition 1 never true`.
    pub fn unreached_branches(&self) -> String {
        let side = |&(block, branch): &(u64, u64)| {
            let side = if branch % 2 == 0 { "true" } else { "false" };
            format!("condition {} never {side}", block + 1 + branch / 2)
        };
        let none = self.branches.iter().filter(|&(_, &count)| count == 0);
        none.map(|(key, _)| side(key)).collect::<Vec<_>>().join(", ")
    }
}

/// The lines of one file, by number.
pub type Lines = BTreeMap<usize, Line>;

/// The counters of a run.
#[derive(Default, Debug)]
pub struct Counters {
    /// By reference and file of the kernel tree.
    pub tree: BTreeMap<(String, String), Lines>,
    /// By reference, the files of the extract that were compiled.
    pub compiled: BTreeSet<(String, String)>,
    /// Of all other files, by path.
    pub plain: BTreeMap<String, Lines>,
    /// The functions of those, by first line.
    pub functions: BTreeMap<String, BTreeMap<usize, String>>,
}

/// A file of the tree and a line of it.
type TreeLine = (String, usize);

/// Where the lines of the file that is read belong.
struct Place {
    path: String,
    /// Of a file of an extract: the reference, and the name there.
    part: Option<(String, String)>,
    /// Of an extract: each line's place in the tree.
    lines: Vec<Option<TreeLine>>,
    text: Vec<String>,
}

/// Reads what llvm-cov exports. `text_of` reads a source file.
///
/// # Errors
/// If a record is malformed.
pub fn read(lcov: &str, mut text_of: impl FnMut(&str) -> Option<String>) -> Result<Counters, ReachedError> {
    let mut counters = Counters::default();
    let mut place: Option<Place> = None;
    for (at, record) in lcov.lines().enumerate() {
        let malformed = || ReachedError::Lcov { line: at + 1, text: record.to_owned() };
        let number = |text: Option<&str>| text.and_then(|n| n.parse::<u64>().ok()).ok_or_else(malformed);
        if let Some(path) = record.strip_prefix("SF:") {
            let new = Place::new(path, text_of(path));
            counters.compiled.extend(new.part.clone());
            place = Some(new);
        } else if let Some(fields) = record.strip_prefix("DA:") {
            let mut fields = fields.split(',');
            let line = number(fields.next())?;
            let count = number(fields.next())?;
            if let Some(line) = place.as_ref().and_then(|place| counters.line(place, line)) {
                line.count = Some(line.count.unwrap_or(0) + count);
            }
        } else if let Some(fields) = record.strip_prefix("BRDA:") {
            let mut fields = fields.split(',');
            let line = number(fields.next())?;
            let key = (number(fields.next())?, number(fields.next())?);
            let count = match fields.next() {
                Some("-") => 0,
                count => number(count)?,
            };
            if let Some(line) = place.as_ref().and_then(|place| counters.line(place, line)) {
                *line.branches.entry(key).or_default() += count;
            }
        } else if let Some((line, name)) = record.strip_prefix("FN:").and_then(|fields| fields.split_once(','))
            && let Some(place) = place.as_ref().filter(|place| place.part.is_none())
        {
            let line = number(Some(line))? as usize;
            let functions = counters.functions.entry(place.path.clone()).or_default();
            functions.entry(line).or_insert_with(|| format!("{:#}", rustc_demangle::demangle(name)));
        }
    }
    Ok(counters)
}

impl Counters {
    /// Whether a file of a reference's extract was compiled.
    pub fn has(&self, reference: &str, file: &str) -> bool {
        self.compiled.contains(&(reference.to_owned(), file.to_owned()))
    }

    fn line(&mut self, place: &Place, physical: u64) -> Option<&mut Line> {
        let index = (physical as usize).checked_sub(1)?;
        let (lines, number) = match &place.part {
            Some((reference, _)) => {
                let (file, number) = place.lines.get(index)?.clone()?;
                (self.tree.entry((reference.clone(), file)).or_default(), number)
            }
            None => (self.plain.entry(place.path.clone()).or_default(), physical as usize),
        };
        let line = lines.entry(number).or_default();
        if line.text.is_empty() {
            line.text = place.text.get(index).cloned().unwrap_or_default();
        }
        Some(line)
    }
}

impl Place {
    fn new(path: &str, text: Option<String>) -> Place {
        let text: Vec<String> = text.unwrap_or_default().lines().map(str::to_owned).collect();
        let part = path.split_once("/references/").and_then(|(_, rest)| rest.split_once('/'));
        let mut lines = Vec::new();
        if let Some((_, part)) = part {
            // A file that was taken whole has no mark: it is itself.
            let mut now = (part.starts_with("include/") || part.starts_with("lib/")).then(|| (part.to_owned(), 0));
            lines.extend(text.iter().map(|line| {
                if let Some(mark) = mark(line) {
                    now = Some(mark);
                    return None;
                }
                let (_, number) = now.as_mut()?;
                *number += 1;
                now.clone()
            }));
        }
        let part = part.map(|(reference, part)| (reference.to_owned(), part.to_owned()));
        Place { path: path.to_owned(), part, lines, text }
    }
}

/// `#line N "FILE"`: the file, and the line before.
fn mark(line: &str) -> Option<TreeLine> {
    let (number, file) = line.strip_prefix("#line ")?.split_once(' ')?;
    Some((file.trim_matches('"').to_owned(), number.parse::<usize>().ok()?.checked_sub(1)?))
}
