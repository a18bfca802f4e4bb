//! Patches on top of a tree, or taken out of it: bare diffs, whole mail messages, mailboxes, saved
//! pages of a list's archive, directories of them. The diffs are found among whatever else a file
//! holds, split by the file that they change, and applied one after the other by GNU patch.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::ProcessError;

mod apply;
mod mail;
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
    #[error(
        "{patch}: {file}: already applied (or made the other way round): leave this patch out, or take it out of the tree \
         with REVERT= of make, or --revert"
    )]
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
    /// It is to be taken out and is not in.
    #[error(
        "{patch}: {file}: not in the tree, so it cannot be taken out: do not revert it, or put it on top with PATCHES= of \
         make, or --patch"
    )]
    NotApplied {
        /// The patch.
        patch: String,
        /// What it changes.
        file: String,
    },
    /// It is to be taken out, and a hunk does not come out.
    #[error(
        "{patch}: {}; was the code changed after it? Revert the later patches too, all in the order in which they were \
         applied, or write a patch that undoes it and give that to PATCHES= of make, or --patch", failed.join(", ")
    )]
    DoesNotRevert {
        /// The patch.
        patch: String,
        /// `mm/rmap.c: hunk 3 of 3 (line 418) cannot be taken out`, for each.
        failed: Vec<String>,
    },
    /// It is neither in nor can it be applied.
    #[error("it can neither be taken out ({out}) nor put on top ({on_top})")]
    NeitherWay {
        /// Why it cannot be taken out.
        out: Box<PatchError>,
        /// Why it cannot be put on top.
        on_top: Box<PatchError>,
    },
    /// A mailbox has the same number of a series twice.
    #[error("{patch}: it has patch {number} twice: `{first}` and `{second}`; keep the messages of one series")]
    TwoSeries {
        /// The mailbox.
        patch: String,
        /// `2/9`
        number: String,
        /// The subject of one.
        first: String,
        /// The subject of the other.
        second: String,
    },
    /// A directory has no patch.
    #[error("{}: no file named *.patch, *.diff, *.mbox, *.mbx or *.eml in this directory", .0.display())]
    NoPatchThere(PathBuf),
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
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FilePatch {
    /// Which message of a mailbox it is from, for errors: ` (2/9)`. Empty if there is one message.
    pub message: String,
    /// The file, without the `a/` or `b/`.
    pub path: String,
    /// Whether it creates the file.
    pub creates: bool,
    /// Whether it deletes the file.
    pub deletes: bool,
    /// How many hunks it has.
    pub hunks: usize,
    /// Whether it is binary, or a mere change of name or mode.
    pub without_hunks: bool,
    /// Its text, without what stands around it.
    pub text: Vec<u8>,
}

/// A patch file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Patch {
    /// Its name, without the directory.
    pub name: String,
    /// The subjects of the messages that change something, in the order of the series.
    pub subjects: Vec<String>,
    /// Where its (first) message can be read: its `Link:` trailer, else its message id under lore.kernel.org. Empty if it
    /// has neither.
    pub link: String,
    /// The commit on which it was made, if a line `base-commit:` names it.
    pub base_commit: Option<String>,
    /// The subjects of messages whose diffs were left out: replies.
    pub replies: Vec<String>,
    /// What it does, in order.
    pub files: Vec<FilePatch>,
}

/// Whether a patch is put on top of a tree or taken out of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// On top, as `patch -p1` does.
    Forward,
    /// Out, as `patch -p1 -R` does, the last change first.
    Reverse,
}

/// What a person may want to know of a patch that was applied.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Applied {
    /// The files that no reference holds, so that their part was left out.
    pub left_out: Vec<String>,
    /// Hunks that fit only in part: `mm/rmap.c: hunk 3 with fuzz 1`.
    pub fuzzy: Vec<String>,
    /// All of it was left out.
    pub nothing: bool,
}

/// The patches of a series, in the order in which they were applied, and what came of each.
pub type EachApplied<'p> = Vec<(&'p Patch, Applied)>;

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

    /// Applies it to a tree, or takes it out. After an error the tree is half patched: it must not be one that anybody
    /// else uses.
    pub fn apply(&self, direction: Direction, tree: &Path, scratch: &Path) -> Result<Applied, PatchError> {
        apply::apply(self, direction, apply::FUZZ, tree, scratch)
    }
}

/// Whether a tree has a series, and the tree without it or with it: `tree` is changed to the other one. The series is tried in
/// both directions with exact context before it is tried with fuzz.
///
/// # Errors
/// If it can neither be taken out nor put on top: why, for both. The tree is then as it was.
pub fn flip<'p>(series: &'p [Patch], tree: &Path, scratch: &Path) -> Result<(Direction, EachApplied<'p>), PatchError> {
    apply::flip(series, tree, scratch)
}

/// Applies a series to a tree, or takes it out, in the order that the direction wants. A patch of which no reference holds
/// anything is left out, unless there is no other.
///
/// # Errors
/// As [`Patch::apply`].
pub fn apply_series<'p>(
    series: &'p [Patch],
    direction: Direction,
    tree: &Path,
    scratch: &Path,
) -> Result<EachApplied<'p>, PatchError> {
    apply::apply_series(series, direction, apply::FUZZ, tree, scratch)
}

/// The patches of a series in the order in which a direction wants them.
pub fn in_order(series: &[Patch], direction: Direction) -> Vec<&Patch> {
    match direction {
        Direction::Forward => series.iter().collect(),
        Direction::Reverse => series.iter().rev().collect(),
    }
}

/// Reads several patch files. A directory stands for the patch files in it, by name, as `git format-patch -o` numbers them.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Patch>, PatchError> {
    let mut series = Vec::new();
    for path in paths {
        if path.is_dir() {
            for file in patch_files(path)? {
                let patch = Patch::read(&file);
                // The cover letter.
                let is_cover = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("0000-"));
                match patch {
                    Err(PatchError::NoDiff { .. }) if is_cover => {}
                    patch => series.push(patch?),
                }
            }
        } else {
            series.push(Patch::read(path)?);
        }
    }
    Ok(series)
}

fn patch_files(dir: &Path) -> Result<Vec<PathBuf>, PatchError> {
    let unreadable = |error| PatchError::Unreadable { path: dir.to_owned(), error };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if ["patch", "diff", "mbox", "mbx", "eml"].contains(&extension) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() { Err(PatchError::NoPatchThere(dir.to_owned())) } else { Ok(files) }
}
