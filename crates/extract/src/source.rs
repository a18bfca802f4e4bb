//! Where a tree comes from: a directory, a tarball, a git repository. Each brings the needed
//! paths into a directory and says in words where they came from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::needed::{RULES, Rule};
use crate::process::ProcessError;

mod git;
mod tarball;

pub use tarball::unpack_linux_source;

/// A tree could not be brought.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is nothing by that name.
    #[error("{tree}: no such directory, tarball or git repository{also}")]
    NotFound {
        /// What was given.
        tree: String,
        /// What else was tried.
        also: String,
    },
    /// A revision was asked of something that has none.
    #[error("{tree}: revision `{rev}` asked for, but this is {is}; a revision needs a git repository")]
    NoRevisions {
        /// What was given.
        tree: String,
        /// What was asked for.
        rev: String,
        /// What it is.
        is: &'static str,
    },
    /// The revision is not there.
    #[error("{tree}: no revision `{rev}` (a branch, a tag or a full commit id is wanted): {reason}")]
    NoSuchRevision {
        /// The repository.
        tree: String,
        /// What was asked for.
        rev: String,
        /// What git said.
        reason: String,
    },
    /// It is no kernel tree, or lacks the subject.
    #[error("{tree}: no mm/rmap.c in it; the top directory of a Linux kernel tree is wanted")]
    NoRmap {
        /// What was given.
        tree: String,
    },
    /// It could not be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which path.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// An archive is damaged.
    #[error("{archive}: {reason}")]
    BadArchive {
        /// The archive.
        archive: String,
        /// What is wrong.
        reason: String,
    },
    /// A program failed on the way.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> SourceError {
    let path = path.to_owned();
    move |error| SourceError::Io { path, error }
}

/// Brings the needed paths of `tree` (a path or an URL), at `rev` if given, into `to`, using
/// `scratch` on the way. Returns where they came from, in words.
pub fn bring(tree: &str, rev: Option<&str>, to: &Path, scratch: &Path) -> Result<String, SourceError> {
    let path = Path::new(tree);
    let origin = if git::is_url(tree) {
        git::bring(tree, rev.unwrap_or("HEAD"), to, scratch)?
    } else if path.is_dir() {
        let absolute = fs::canonicalize(path).map_err(io_error(path))?;
        match rev {
            Some(rev) if git::is_repository(&absolute) => git::bring_local(&absolute, rev, to)?,
            Some(rev) => {
                let (tree, rev) = (tree.to_owned(), rev.to_owned());
                return Err(SourceError::NoRevisions { tree, rev, is: "a directory without git" });
            }
            None if git::is_bare(&absolute) => git::bring_local(&absolute, "HEAD", to)?,
            None => {
                copy_needed(&absolute, to)?;
                match git::head(&absolute) {
                    Some(commit) => format!("directory {} (work tree at commit {commit})", absolute.display()),
                    None => format!("directory {}", absolute.display()),
                }
            }
        }
    } else if path.is_file() {
        if let Some(rev) = rev {
            let (tree, rev) = (tree.to_owned(), rev.to_owned());
            return Err(SourceError::NoRevisions { tree, rev, is: "a file" });
        }
        tarball::bring(path, to, scratch)?;
        format!("tarball {}", fs::canonicalize(path).map_err(io_error(path))?.display())
    } else {
        return Err(SourceError::NotFound { tree: tree.to_owned(), also: String::new() });
    };
    check(tree, to)?;
    Ok(origin)
}

/// A tree without the subject is no reference.
pub fn check(given: &str, tree: &Path) -> Result<(), SourceError> {
    if tree.join("mm/rmap.c").is_file() { Ok(()) } else { Err(SourceError::NoRmap { tree: given.to_owned() }) }
}

/// Copies the needed paths of one tree into another directory.
pub fn copy_needed(from: &Path, to: &Path) -> Result<(), SourceError> {
    for rule in RULES {
        match rule {
            Rule::File(file) => copy_file(&from.join(file), &to.join(file))?,
            Rule::Flat(dir, extensions) => {
                for name in names(&from.join(dir))? {
                    if name.rsplit_once('.').is_some_and(|(_, end)| extensions.contains(&end)) {
                        copy_file(&from.join(dir).join(&name), &to.join(dir).join(&name))?;
                    }
                }
            }
            Rule::Deep(dir) => copy_deep(&from.join(dir), &to.join(dir))?,
        }
    }
    Ok(())
}

fn names(dir: &Path) -> Result<Vec<String>, SourceError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(io_error(dir)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is no UTF-8 is none of the kernel's.
        names.extend(entry.map_err(io_error(dir))?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Copies a regular file, or follows a symbolic link to one. What is not there is not copied.
fn copy_file(from: &Path, to: &Path) -> Result<(), SourceError> {
    if !from.is_file() {
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(io_error(parent))?;
    }
    // Read and write rather than fs::copy: the copy is writable whatever the original is.
    let text = fs::read(from).map_err(io_error(from))?;
    fs::write(to, text).map_err(io_error(to))
}

fn copy_deep(from: &Path, to: &Path) -> Result<(), SourceError> {
    for name in names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        // A link to a directory is not followed: it could be a circle.
        let is_dir = fs::symlink_metadata(&from).map_err(io_error(&from))?.is_dir();
        if is_dir { copy_deep(&from, &to)? } else { copy_file(&from, &to)? }
    }
    Ok(())
}
