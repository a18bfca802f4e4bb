//! References that are made of another one by edits of ours: `derived.toml` says which.
//!
//! What a patch of somebody else's would do to a tree is there without the patch, and is made again
//! when the tree or the edits change.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cache::{Cache, CacheError, Reference};
use crate::edit::{Edit, EditError, c_function};

/// The file, as the note of a derived reference names it.
pub(crate) const FILE: &str = "derived.toml";

/// A reference cannot be derived.
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    /// There are no edits of that name.
    #[error("`{name}` is not derived of another reference; these can be: {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What can be.
        known: Vec<String>,
    },
    /// An edit does not fit.
    #[error("cannot derive {name} of {base} ({version}): {error}. Adapt crates/extract/{FILE}")]
    Edit {
        /// The reference to be.
        name: String,
        /// Of what.
        base: String,
        /// Its kernel's version.
        version: String,
        /// What does not fit.
        error: Box<EditError>,
    },
    /// Somebody's own reference has the name.
    #[error(
        "the reference {0} is there and was made in another way: to derive it, remove it first (rmap-kernels remove {0})"
    )]
    Taken(String),
    /// A file of its base.
    #[error(transparent)]
    Base(#[from] CacheError),
    /// The table itself.
    #[error("crates/extract/{FILE}: {0}")]
    Table(#[from] toml::de::Error),
}

#[derive(Deserialize)]
struct Table {
    reference: Vec<Derived>,
}

/// A reference that is made of another one.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// Its name.
    pub name: String,
    /// The reference that is edited.
    pub base: String,
    /// What is different.
    pub about: String,
    /// How.
    #[serde(rename = "edit")]
    pub edits: Vec<FileEdit>,
}

/// An edit of a file of the tree.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct FileEdit {
    /// The file's path in the kernel tree.
    pub file: String,
    /// What the edit is for.
    pub why: String,
    /// What is edited.
    #[serde(flatten)]
    pub edit: Edit<String>,
}

/// All that can be derived.
pub fn all() -> Result<Vec<Derived>, DeriveError> {
    let table: Table = toml::from_str(include_str!("../derived.toml"))?;
    Ok(table.reference)
}

/// What makes the reference of that name, if it is one of these.
pub fn find(name: &str) -> Result<Option<Derived>, DeriveError> {
    Ok(all()?.into_iter().find(|derived| derived.name == name))
}

impl Derived {
    /// The edited files, each with its text.
    pub(crate) fn apply(&self, base: &Reference, cache: &Cache) -> Result<BTreeMap<PathBuf, String>, DeriveError> {
        let mut edited = BTreeMap::new();
        for FileEdit { file, edit, .. } in &self.edits {
            let path = base.tree().join(file);
            let text = match edited.remove(Path::new(file)) {
                Some(text) => text,
                None => fs::read_to_string(&path).map_err(|error| CacheError::Io {
                    path,
                    cache: cache.dir().to_owned(),
                    error,
                })?,
            };
            let text = edit.apply(file, &text, c_function).map_err(|error| DeriveError::Edit {
                name: self.name.clone(),
                base: base.name.clone(),
                version: base.note.version.clone(),
                error: Box::new(error),
            })?;
            edited.insert(PathBuf::from(file), text);
        }
        Ok(edited)
    }
}

/// Whether a tree is what the edits make of another.
pub(crate) fn is_edit_of(tree: &Path, base: &Path, edited: &BTreeMap<PathBuf, String>) -> io::Result<bool> {
    let files = files(tree, Path::new(""))?;
    if files != self::files(base, Path::new(""))? {
        return Ok(false);
    }
    for file in files {
        let there = fs::read(tree.join(&file))?;
        let same = match edited.get(&file) {
            Some(text) => there == text.as_bytes(),
            None => there == fs::read(base.join(&file))?,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The files below a directory of a tree.
fn files(tree: &Path, dir: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(tree.join(dir))? {
        let entry = entry?;
        let path = dir.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            all.extend(files(tree, &path)?);
        } else {
            all.insert(path);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{all, find};

    #[test]
    fn the_table_can_be_read_and_each_reference_has_edits_with_reasons() {
        for derived in all().unwrap() {
            assert!(!derived.edits.is_empty() && derived.name != derived.base, "{}", derived.name);
            for edit in &derived.edits {
                assert!(!edit.why.is_empty() && edit.edit.from != edit.edit.to, "{edit:?}");
            }
        }
        assert_eq!(find("6.12-fork-preallocates").unwrap().unwrap().base, "6.12");
        assert_eq!(find("6.12").unwrap(), None);
    }
}
