//! Patches on top of a tree: bare diffs, whole mail messages, mailboxes, saved pages of a list's
//! archive. The diffs are found among whatever else a file holds, split by the file that they
//! change, and applied one after the other by GNU patch.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::ProcessError;

mod apply;
mod parse;

/// A patch cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// A file on the way cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// What was named as a patch is not there, or not readable.
    #[error("{}: {error}; PATCHES= of make, or --patch, names this file", path.display())]
    Unreadable {
        /// What was named.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// There is no diff in it.
    #[error("{patch}: no diff in it{hint}")]
    NoDiff {
        /// The patch.
        patch: String,
        /// What it may be instead.
        hint: &'static str,
    },
    /// It ends, or turns into something else, in the midst of a hunk.
    #[error("{patch}:{line}: {file}: hunk {hunk} is cut short or damaged here: {found}")]
    Damaged {
        /// The patch.
        patch: String,
        /// The line of the patch, from 1.
        line: usize,
        /// The file that it changes.
        file: String,
        /// Which hunk of that file, from 1.
        hunk: usize,
        /// What is there.
        found: String,
    },
    /// Nothing in it concerns a reference.
    #[error("{patch}: it changes only what no reference holds: {files}")]
    NothingNeeded {
        /// The patch.
        patch: String,
        /// What it changes.
        files: String,
    },
    /// The file that it changes is not in the tree.
    #[error("{patch}: {file}: not in the tree, so nothing can be changed there; is the patch for another version?")]
    NoFile {
        /// The patch.
        patch: String,
        /// What it changes.
        file: String,
    },
    /// It is in already.
    #[error("{patch}: {file}: already applied (or made the other way round); leave this patch out")]
    AlreadyApplied {
        /// The patch.
        patch: String,
        /// What it changes.
        file: String,
    },
    /// A hunk does not fit.
    #[error("{patch}: {}; is the patch for another version, or is one before it missing?", failed.join(", "))]
    DoesNotApply {
        /// The patch.
        patch: String,
        /// `mm/rmap.c: hunk 3 of 3 (line 418) does not apply`, for each.
        failed: Vec<String>,
    },
    /// GNU patch said something else.
    #[error("{patch}: {file}: {said}")]
    Refused {
        /// The patch.
        patch: String,
        /// What it changes.
        file: String,
        /// What was said.
        said: String,
    },
    /// GNU patch is missing or died.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// What a patch file does to one file. A mailbox may change the same file several times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePatch {
    /// The file, without the `a/` or `b/`.
    pub path: String,
    /// Whether it creates the file.
    pub creates: bool,
    /// How many hunks it has.
    pub hunks: usize,
    /// Whether it is binary, or a mere change of name or mode.
    pub without_hunks: bool,
    /// Its text, without what stands around it.
    pub text: Vec<u8>,
}

/// A patch file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Patch {
    /// Its name, without the directory.
    pub name: String,
    /// The subjects of the messages in it.
    pub subjects: Vec<String>,
    /// What it does, in order.
    pub files: Vec<FilePatch>,
}

/// What a person may want to know of a patch that was applied.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Applied {
    /// The files that no reference holds, so that their part was left out.
    pub left_out: Vec<String>,
    /// Hunks that fit only in part: `mm/rmap.c: hunk 3 with fuzz 1`.
    pub fuzzy: Vec<String>,
}

impl Patch {
    /// Reads a patch file.
    pub fn read(path: &Path) -> Result<Self, PatchError> {
        let text = fs::read(path).map_err(|error| PatchError::Unreadable { path: path.to_owned(), error })?;
        let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
        Self::parse(name, &text)
    }

    /// Reads the text of a patch file.
    pub fn parse(name: String, text: &[u8]) -> Result<Self, PatchError> {
        parse::parse(name, text)
    }

    /// The first message's subject, and how many more there are; empty for a bare diff.
    pub fn subject(&self) -> String {
        match self.subjects.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            [first, more @ ..] => format!("{first} (and {} more)", more.len()),
        }
    }

    /// Applies it to a tree, as `patch -p1` does. After an error the tree is half patched: it
    /// must not be one that anybody else uses.
    pub fn apply(&self, tree: &Path, scratch: &Path) -> Result<Applied, PatchError> {
        apply::apply(self, tree, scratch)
    }
}

/// Reads several patch files.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Patch>, PatchError> {
    paths.iter().map(|path| Patch::read(path)).collect()
}
