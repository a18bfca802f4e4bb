//! Applies the diffs by GNU patch, which allows what `git apply` does not: fuzz.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Applied, Direction, EachApplied, FilePatch, Patch, PatchError, in_order};
use crate::needed::needed;
use crate::process;

/// Lines of context that may differ, as GNU patch allows by default.
pub const FUZZ: u8 = 2;

pub fn apply(
    patch: &Patch,
    direction: Direction,
    fuzz: u8,
    tree: &Path,
    scratch: &Path,
) -> Result<Applied, PatchError> {
    let mut applied = Applied::default();
    let mut any = false;
    let mut files: Vec<&FilePatch> = patch.files.iter().collect();
    if direction == Direction::Reverse {
        files.reverse();
    }
    for file in files {
        if needed(&file.path) {
            let step = Step { patch, direction, fuzz, file };
            step.apply(tree, scratch, &mut applied)?;
            any = true;
        } else if !applied.left_out.contains(&file.path) {
            applied.left_out.push(file.path.clone());
        }
    }
    if any {
        Ok(applied)
    } else {
        Err(PatchError::NothingNeeded { patch: patch.name.clone(), files: applied.left_out.join(", ") })
    }
}

/// Applies a series, in the order that the direction wants. A patch of which no reference holds anything, such as one that adds a
/// test, is left out, unless there is no other.
pub fn apply_series<'p>(
    series: &'p [Patch],
    direction: Direction,
    fuzz: u8,
    tree: &Path,
    scratch: &Path,
) -> Result<EachApplied<'p>, PatchError> {
    let changes = |patch: &Patch| patch.files.iter().any(|file| needed(&file.path));
    let is_any = series.iter().any(changes);
    let mut all = Vec::new();
    for patch in in_order(series, direction) {
        let applied = match is_any && !changes(patch) {
            true => {
                let mut left_out: Vec<String> = patch.files.iter().map(|file| file.path.clone()).collect();
                left_out.dedup();
                Applied { left_out, nothing: true, ..Applied::default() }
            }
            false => apply(patch, direction, fuzz, tree, scratch)?,
        };
        all.push((patch, applied));
    }
    Ok(all)
}

pub fn flip<'p>(series: &'p [Patch], tree: &Path, scratch: &Path) -> Result<(Direction, EachApplied<'p>), PatchError> {
    let before = Before::of(series, tree)?;
    let mut errors = Vec::new();
    for fuzz in [0, FUZZ] {
        for direction in [Direction::Reverse, Direction::Forward] {
            match apply_series(series, direction, fuzz, tree, scratch) {
                Ok(applied) => return Ok((direction, applied)),
                Err(error) => errors.push(error),
            }
            before.restore(tree)?;
        }
    }
    // Those of the attempts with fuzz come last.
    let (on_top, out) = (errors.pop(), errors.pop());
    match (out, on_top) {
        (Some(error @ PatchError::NothingNeeded { .. }), _) => Err(error),
        (Some(out), Some(on_top)) => Err(PatchError::NeitherWay { out: Box::new(out), on_top: Box::new(on_top) }),
        _ => unreachable!("four attempts have four errors"),
    }
}

/// The files that a series changes, as they were: none for one that is not there.
struct Before(BTreeMap<String, Option<Vec<u8>>>);

impl Before {
    fn of(series: &[Patch], tree: &Path) -> Result<Before, PatchError> {
        let mut files = BTreeMap::new();
        for file in series.iter().flat_map(|patch| &patch.files).filter(|file| needed(&file.path)) {
            let path = tree.join(&file.path);
            let text = match path.is_file() {
                true => Some(fs::read(&path).map_err(|error| PatchError::Io { path, error })?),
                false => None,
            };
            files.insert(file.path.clone(), text);
        }
        Ok(Before(files))
    }

    fn restore(&self, tree: &Path) -> Result<(), PatchError> {
        for (file, text) in &self.0 {
            let path = tree.join(file);
            let done = match text {
                Some(text) => fs::write(&path, text),
                None if path.exists() => fs::remove_file(&path),
                None => Ok(()),
            };
            done.map_err(|error| PatchError::Io { path, error })?;
        }
        Ok(())
    }
}

/// What one patch does to one file.
struct Step<'p> {
    patch: &'p Patch,
    direction: Direction,
    fuzz: u8,
    file: &'p FilePatch,
}

impl Step<'_> {
    /// The patch, as errors name it: with the message of a mailbox.
    fn name(&self) -> String {
        format!("{}{}", self.patch.name, self.file.message)
    }

    fn apply(&self, tree: &Path, scratch: &Path, applied: &mut Applied) -> Result<(), PatchError> {
        let file = self.file;
        let (name, path) = (self.name(), file.path.clone());
        let reverse = self.direction == Direction::Reverse;
        if file.without_hunks {
            let said = "a change without hunks (binary, a new name or mode) cannot be applied".to_owned();
            return Err(PatchError::Refused { patch: name, file: path, said });
        }
        let appears = if reverse { file.deletes } else { file.creates };
        if !appears && !tree.join(&file.path).is_file() {
            return Err(match reverse && file.creates {
                true => PatchError::NotApplied { patch: name, file: path },
                false => PatchError::NoFile { patch: name, file: path },
            });
        }
        let input = scratch.join("one.patch");
        fs::write(&input, &file.text).map_err(|error| PatchError::Io { path: input.clone(), error })?;
        let mut command = process::command("patch");
        command.args(["-p1", "--batch", "--forward", "--no-backup-if-mismatch", "--reject-file=-"]);
        command.arg(format!("--fuzz={}", self.fuzz)).args(reverse.then_some("--reverse"));
        // Named, so that no other file of the header is guessed at.
        command.arg("-d").arg(tree).arg("-i").arg(&input).arg(&file.path);
        let output = process::output(&mut command)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            applied.fuzzy.extend(fuzzy(&said).map(|(hunk, fuzz)| format!("{path}: hunk {hunk} with fuzz {fuzz}")));
            return Ok(());
        }
        Err(self.error(&said))
    }

    /// What GNU patch means by what it said.
    fn error(&self, said: &str) -> PatchError {
        let (patch, file) = (self.name(), self.file.path.clone());
        let reverse = self.direction == Direction::Reverse;
        let fails = if reverse { "cannot be taken out" } else { "does not apply" };
        let failed: Vec<String> = failures(said)
            .map(|(hunk, line)| format!("{file}: hunk {hunk} of {} (line {line}) {fails}", self.file.hunks))
            .collect();
        if !failed.is_empty() {
            return match (reverse, &self.patch.base_commit) {
                (true, _) => PatchError::DoesNotRevert { patch, failed },
                (false, Some(base)) => {
                    PatchError::DoesNotApply { patch: format!("{patch} (made on commit {base})"), failed }
                }
                (false, None) => PatchError::DoesNotApply { patch, failed },
            };
        }
        match said {
            _ if reverse && said.contains("Unreversed") => PatchError::NotApplied { patch, file },
            _ if said.contains("previously applied") || said.contains("already exists") => {
                PatchError::AlreadyApplied { patch, file }
            }
            _ => {
                let said = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
                PatchError::Refused { patch, file, said }
            }
        }
    }
}

/// `Hunk #3 FAILED at 418.`
fn failures(said: &str) -> impl Iterator<Item = (&str, &str)> {
    said.lines().filter_map(|line| {
        let (hunk, rest) = line.strip_prefix("Hunk #")?.split_once(" FAILED at ")?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some((hunk, &rest[..end]))
    })
}

/// `Hunk #3 succeeded at 399 with fuzz 1 (offset -19 lines).`
fn fuzzy(said: &str) -> impl Iterator<Item = (&str, &str)> {
    said.lines().filter_map(|line| {
        let (hunk, rest) = line.strip_prefix("Hunk #")?.split_once(" succeeded at ")?;
        let (_, fuzz) = rest.split_once(" with fuzz ")?;
        let end = fuzz.find(|c: char| !c.is_ascii_digit()).unwrap_or(fuzz.len());
        Some((hunk, &fuzz[..end]))
    })
}
