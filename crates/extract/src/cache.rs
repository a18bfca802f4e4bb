//! The kernel cache: references on disk.
//!
//! A reference is a directory `NAME/` of the cache with `tree/`, the needed part of one kernel
//! tree under the kernel's own paths, and `reference.toml`, a note of its origin. It is built
//! beside its place and renamed into it at the end, so that an error leaves the cache as it was.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::changed::Changed;
use crate::version::KernelVersion;

/// The note of a reference, beside its `tree/`.
pub const NOTE: &str = "reference.toml";

/// What can be wrong with the cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Neither `RMAP_CACHE`, `XDG_CACHE_HOME` nor `HOME` is set.
    #[error("no place for the kernel cache: set RMAP_CACHE, XDG_CACHE_HOME or HOME")]
    NoPlace,
    /// A name that could not be a directory of the cache.
    #[error(
        "`{0}` is no name for a reference: use letters, digits, `.`, `_`, `+` and `-`, not starting with `.` or `-`"
    )]
    BadName(String),
    /// A path of the cache cannot be read or written.
    #[error("{}: {error} (the kernel cache is {})", path.display(), cache.display())]
    Io {
        /// Which path.
        path: PathBuf,
        /// The cache's directory.
        cache: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The note of a reference is missing or damaged.
    #[error("{}: {reason}; remove the reference (rmap-kernels remove {name}) and add it again", path.display())]
    BadNote {
        /// The reference.
        name: String,
        /// Its note.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No such reference.
    #[error("no reference `{name}` in {}; there is {there}. Add it: make kernel NAME={name} TREE=...", cache.display())]
    Absent {
        /// What was asked for.
        name: String,
        /// The cache's directory.
        cache: PathBuf,
        /// Those that are there.
        there: String,
    },
    /// No reference at all.
    #[error(
        "no kernel reference in {}: run `make kernels` (brings 6.12 and the newest 7.x from the distribution's \
         packages) or `make kernel NAME=mine TREE=path/to/linux`", .0.display()
    )]
    Empty(PathBuf),
}

/// One patch applied to a reference, or taken out of it.
#[derive(Default, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AppliedPatch {
    /// The file's name, without its directory.
    pub name: String,
    /// The mail's subject; empty for a bare diff.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Where the mail can be read; empty if it does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub link: String,
    /// Whether it was taken out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reverted: bool,
}

impl fmt::Display for AppliedPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.reverted { "reverted: " } else { "" })?;
        f.write_str(&self.name)?;
        if self.subject.is_empty() { Ok(()) } else { write!(f, ": {}", self.subject) }
    }
}

/// The note of a reference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Note {
    /// The reference's name.
    pub name: String,
    /// The kernel's version, `6.12.117`.
    pub version: String,
    /// Where the tree came from, in words.
    pub origin: String,
    /// The distribution's package that it was fetched from, `linux-source-6.12`, and nothing else
    /// was done to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// What was applied on top or taken out, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<AppliedPatch>,
    /// The lines that the last change made, in this tree. A build counts how often they run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Changed>,
}

/// One kernel tree of the cache.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub dir: PathBuf,
    /// Its note.
    pub note: Note,
}

impl Reference {
    /// The needed part of the kernel tree.
    pub fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }

    /// The version, for the order.
    pub fn version(&self) -> KernelVersion {
        KernelVersion::parse(&self.note.version).unwrap_or(KernelVersion {
            major: u32::MAX,
            minor: 0,
            sub: 0,
            extra: self.note.version.clone(),
        })
    }
}

/// The directory of the cache: `$RMAP_CACHE`, else `rmap-diff/kernels` under
/// `${XDG_CACHE_HOME:-~/.cache}`. It need not exist.
pub fn cache_dir() -> Result<PathBuf, CacheError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = set("RMAP_CACHE") {
        return Ok(dir);
    }
    let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache"))).ok_or(CacheError::NoPlace)?;
    Ok(base.join("rmap-diff").join("kernels"))
}

/// Whether a reference may be called so.
pub fn check_name(name: &str) -> Result<(), CacheError> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    if name.is_empty() || name.len() > 100 || name.starts_with(['.', '-']) || !name.chars().all(good) {
        return Err(CacheError::BadName(name.to_owned()));
    }
    Ok(())
}

/// A kernel cache at a given directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// The cache that the environment names.
    pub fn from_env() -> Result<Self, CacheError> {
        Ok(Self { dir: cache_dir()? })
    }

    /// The cache at `dir`.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn io(&self, path: &Path) -> impl FnOnce(io::Error) -> CacheError {
        let (path, cache) = (path.to_owned(), self.dir.clone());
        move |error| CacheError::Io { path, cache, error }
    }

    /// Every reference, by kernel version, then by name. Empty if there is no cache yet.
    pub fn references(&self) -> Result<Vec<Reference>, CacheError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.io(&self.dir)(error)),
        };
        let mut references = Vec::new();
        for entry in entries {
            let entry = entry.map_err(self.io(&self.dir))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if check_name(&name).is_ok() && entry.path().is_dir() {
                references.push(self.read(&name)?);
            }
        }
        references.sort_by(|a, b| (a.version(), &a.name).cmp(&(b.version(), &b.name)));
        Ok(references)
    }

    /// Every reference; none at all is an error that names the command to run.
    pub fn some_references(&self) -> Result<Vec<Reference>, CacheError> {
        let references = self.references()?;
        if references.is_empty() { Err(CacheError::Empty(self.dir.clone())) } else { Ok(references) }
    }

    /// The reference `name`.
    pub fn load(&self, name: &str) -> Result<Reference, CacheError> {
        check_name(name)?;
        if self.dir.join(name).is_dir() {
            return self.read(name);
        }
        let there: Vec<_> = self.references()?.into_iter().map(|reference| reference.name).collect();
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        Err(CacheError::Absent { name: name.to_owned(), cache: self.dir.clone(), there })
    }

    fn read(&self, name: &str) -> Result<Reference, CacheError> {
        let dir = self.dir.join(name);
        let path = dir.join(NOTE);
        let bad = |reason: String| CacheError::BadNote { name: name.to_owned(), path: path.clone(), reason };
        let text = fs::read_to_string(&path).map_err(|error| bad(error.to_string()))?;
        let note: Note = toml::from_str(&text).map_err(|error| bad(error.to_string().trim().replace('\n', " ")))?;
        if note.name != name {
            return Err(bad(format!("it is the note of `{}`", note.name)));
        }
        Ok(Reference { name: name.to_owned(), dir, note })
    }

    /// Takes a reference out of the cache.
    pub fn remove(&self, name: &str) -> Result<(), CacheError> {
        check_name(name)?;
        let dir = self.dir.join(name);
        if !dir.is_dir() {
            return self.load(name).map(drop);
        }
        let aside = self.dir.join(format!(".{name}.old-{}", std::process::id()));
        fs::rename(&dir, &aside).map_err(self.io(&dir))?;
        fs::remove_dir_all(&aside).map_err(self.io(&aside))
    }

    /// Starts a reference, beside its place. It enters the cache with [`Staging::install`].
    pub fn stage(&self, name: &str) -> Result<Staging, CacheError> {
        check_name(name)?;
        fs::create_dir_all(&self.dir).map_err(self.io(&self.dir))?;
        let dir = self.dir.join(format!(".{name}.tmp-{}", std::process::id()));
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(self.io(&dir))?;
        }
        fs::create_dir_all(dir.join("tree")).map_err(self.io(&dir))?;
        Ok(Staging { cache: self.clone(), name: name.to_owned(), dir })
    }
}

/// A reference being built. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Staging {
    cache: Cache,
    name: String,
    dir: PathBuf,
}

impl Staging {
    /// The directory to fill.
    pub fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }

    /// A directory for what is needed on the way, deleted at the end.
    pub fn scratch(&self) -> Result<PathBuf, CacheError> {
        let dir = self.dir.join("scratch");
        fs::create_dir_all(&dir).map_err(self.cache.io(&dir))?;
        Ok(dir)
    }

    /// What it will be, where it is now.
    pub fn reference(&self, note: &Note) -> Reference {
        Reference { name: self.name.clone(), dir: self.dir.clone(), note: note.clone() }
    }

    /// Writes the note and puts the reference into its place, where an older one of the same
    /// name gives way.
    pub fn install(self, note: &Note) -> Result<Reference, CacheError> {
        let scratch = self.dir.join("scratch");
        if scratch.exists() {
            fs::remove_dir_all(&scratch).map_err(self.cache.io(&scratch))?;
        }
        let path = self.dir.join(NOTE);
        let text = toml::to_string(note).map_err(|error| CacheError::BadNote {
            name: self.name.clone(),
            path: path.clone(),
            reason: error.to_string(),
        })?;
        fs::write(&path, text).map_err(self.cache.io(&path))?;
        let place = self.cache.dir.join(&self.name);
        let aside = self.cache.dir.join(format!(".{}.old-{}", self.name, std::process::id()));
        let replaces = place.exists();
        if replaces {
            fs::rename(&place, &aside).map_err(self.cache.io(&place))?;
        }
        if let Err(error) = fs::rename(&self.dir, &place) {
            if replaces {
                fs::rename(&aside, &place).map_err(self.cache.io(&aside))?;
            }
            return Err(self.cache.io(&place)(error));
        }
        if replaces {
            fs::remove_dir_all(&aside).map_err(self.cache.io(&aside))?;
        }
        self.cache.read(&self.name)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After install() it is not there any more.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Every reference of the environment's cache, sorted by kernel version then name; an empty
/// cache is an error that names the command to run.
pub fn references() -> Result<Vec<Reference>, CacheError> {
    Cache::from_env()?.some_references()
}

/// The reference `name` of the environment's cache.
pub fn load(name: &str) -> Result<Reference, CacheError> {
    Cache::from_env()?.load(name)
}
