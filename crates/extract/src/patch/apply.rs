//! Applies the diffs by GNU patch, which allows what `git apply` does not: fuzz.

use std::fs;
use std::path::Path;

use super::{Applied, FilePatch, Patch, PatchError};
use crate::needed::needed;
use crate::process;

/// Lines of context that may differ, as GNU patch allows by default.
const FUZZ: &str = "--fuzz=2";

pub fn apply(patch: &Patch, tree: &Path, scratch: &Path) -> Result<Applied, PatchError> {
    let mut applied = Applied::default();
    let mut any = false;
    for file in &patch.files {
        if needed(&file.path) {
            apply_one(patch, file, tree, scratch, &mut applied)?;
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

fn apply_one(
    patch: &Patch,
    file: &FilePatch,
    tree: &Path,
    scratch: &Path,
    applied: &mut Applied,
) -> Result<(), PatchError> {
    let (name, path) = (patch.name.clone(), file.path.clone());
    if file.without_hunks {
        let said = "a change without hunks (binary, a new name or mode) cannot be applied".to_owned();
        return Err(PatchError::Refused { patch: name, file: path, said });
    }
    if !file.creates && !tree.join(&file.path).is_file() {
        return Err(PatchError::NoFile { patch: name, file: path });
    }
    let input = scratch.join("one.patch");
    fs::write(&input, &file.text).map_err(|error| PatchError::Io { path: input.clone(), error })?;
    let mut command = process::command("patch");
    command.args(["-p1", "--batch", "--forward", FUZZ, "--no-backup-if-mismatch", "--reject-file=-"]);
    // Named, so that no other file of the header is guessed at.
    command.arg("-d").arg(tree).arg("-i").arg(&input).arg(&file.path);
    let output = process::output(&mut command)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        applied.fuzzy.extend(fuzzy(&said).map(|(hunk, fuzz)| format!("{path}: hunk {hunk} with fuzz {fuzz}")));
        return Ok(());
    }
    let failed: Vec<String> = failures(&said)
        .map(|(hunk, line)| format!("{path}: hunk {hunk} of {} (line {line}) does not apply", file.hunks))
        .collect();
    Err(if !failed.is_empty() {
        PatchError::DoesNotApply { patch: name, failed }
    } else if said.contains("previously applied") || said.contains("already exists") {
        PatchError::AlreadyApplied { patch: name, file: path }
    } else {
        let said = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
        PatchError::Refused { patch: name, file: path, said }
    })
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
