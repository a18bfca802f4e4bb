//! How a reference comes into being: added from any tree, with patches on top. It enters the cache only
//! if the extractor can cut it and its revision can be told.

use std::path::{Path, PathBuf};

use crate::cache::{AppliedPatch, Cache, CacheError, Note, Reference, Staging};
use crate::changed::Texts;
use crate::compile::{self, CompileError, Trial};
use crate::debian::DebianError;
use crate::derive::DeriveError;
use crate::extract::{self, Extract, ExtractError};
use crate::manifest::{Manifest, ManifestError};
use crate::patch::{self, Applied, Direction, Patch, PatchError};
use crate::source::{self, SourceError};

/// A reference could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SupplyError {
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The distribution.
    #[error(transparent)]
    Debian(#[from] DebianError),
    /// The tree.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A patch.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The edits that make one reference of another.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The tree cannot be cut, or its revision cannot be told.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The C compiler cannot be called.
    #[error("the tree cannot be compiled: {0}")]
    Compile(#[from] CompileError),
    /// A build would leave it out.
    #[error(
        "{name}: does not compile, and a build would leave it out: {reason}. Nothing was added; if csrc/ lacks a stand-in \
         that you want to write, `rmap-kernels add --force` adds it all the same"
    )]
    DoesNotCompile {
        /// Its name.
        name: String,
        /// The first error.
        reason: String,
    },
    /// The new reference would replace its own base.
    #[error(
        "{name}: the new reference would replace the one that it is made of, in {}: give it another name (NAME= of \
         make, --name), or replace it with `rmap-kernels add --force`", cache.display()
    )]
    OnItself {
        /// The name of both.
        name: String,
        /// The cache's directory.
        cache: PathBuf,
    },
    /// The new reference would replace one of the distribution's.
    #[error(
        "{name}: the reference of that name in {} comes from the package {package}: give the new one another name \
         (NAME= of make, --name), or replace it with `rmap-kernels add --force`", cache.display()
    )]
    FromPackage {
        /// The name of both.
        name: String,
        /// The cache's directory.
        cache: PathBuf,
        /// Where the one that is there comes from.
        package: String,
    },
}

/// Cuts a tree and tells its revision, or says why not.
pub fn examine(tree: &Path) -> Result<Extract, SupplyError> {
    source::check(&tree.display().to_string(), tree)?;
    Ok(extract::extract_tree(tree, &Manifest::builtin()?)?)
}

/// The same, where errors shall name the tree that a person gave instead of the copy that is looked at.
fn examine_copy(given: &str, tree: &Path) -> Result<Extract, SupplyError> {
    source::check(given, tree)?;
    examine(tree).map_err(|error| match error {
        SupplyError::Extract(ExtractError::Version(error)) => ExtractError::Version(error.of(given)).into(),
        error => error,
    })
}

/// A tree to add.
#[derive(Clone, Debug, Default)]
pub struct Addition {
    /// The new reference's name.
    pub name: String,
    /// A directory, a tarball, a git repository (path or URL), or `ref:NAME`, a reference of the
    /// cache; plain `NAME` where no such path exists.
    pub tree: String,
    /// The revision, of a git repository.
    pub rev: Option<String>,
    /// Patches, whole mail messages or mailboxes, applied in this order.
    pub patches: Vec<PathBuf>,
    /// The same, taken out before those are applied. They are in the order in which they were applied once, and come out in
    /// the reverse order.
    pub reverts: Vec<PathBuf>,
    /// Replaces a reference of that name even if it came from a package, or is the one that `tree` names; adds one that does
    /// not compile.
    pub force: bool,
    /// Compiles it first, as a build would.
    pub compile: bool,
}

/// Adds a tree. `say` hears what a person may want to know on the way.
pub fn add(cache: &Cache, addition: &Addition, say: &mut dyn FnMut(&str)) -> Result<Reference, SupplyError> {
    // Everything that can be known to be wrong without work comes first.
    crate::cache::check_name(&addition.name)?;
    may_take_the_name(cache, addition)?;
    let reverts = patch::read_all(&addition.reverts)?;
    let series = patch::read_all(&addition.patches)?;
    let staging = cache.stage(&addition.name)?;
    let tree = staging.tree();
    let (origin, mut patches) = bring(cache, addition, &tree, &staging.scratch()?)?;
    let touched: Vec<Patch> = reverts.iter().chain(&series).cloned().collect();
    let before = Texts::read(&touched, &tree)?;
    apply_all([&reverts, &series], &staging, &mut patches, say)?;
    let examined = examine_copy(&addition.tree, &tree)?;
    let changed = Texts::read(&touched, &tree)?.not_in(&before, &tree);
    let (name, version) = (addition.name.clone(), examined.version.to_string());
    let note = Note { name, version, origin, package: None, patches, changed };
    if addition.compile {
        try_to_compile(&staging, &note, addition.force, say)?;
    }
    Ok(staging.install(&note)?)
}

/// Compiles what is staged as a build would; by `force` one that does not compile is no error.
fn try_to_compile(staging: &Staging, note: &Note, force: bool, say: &mut dyn FnMut(&str)) -> Result<(), SupplyError> {
    let trial = compile::trial(&staging.reference(note), &staging.scratch()?)?;
    let name = &note.name;
    match (trial.left_out, trial.without_vma_code) {
        (Some(reason), _) if !force => return Err(SupplyError::DoesNotCompile { name: name.clone(), reason }),
        (Some(reason), _) => say(&format!("{name}: does not compile, and a build leaves it out: {reason}")),
        (None, Some(reason)) => say(&format!("{name}: runs with the model of the VMA code alone: {reason}")),
        (None, None) => {}
    }
    Ok(())
}

/// What a tree turns out to be.
#[derive(Debug)]
pub struct Checked {
    /// Where it came from.
    pub origin: String,
    /// What is cut of it.
    pub extract: Extract,
    /// What a build would make of it.
    pub trial: Trial,
}

/// Cuts the tree of an addition and compiles it, and leaves nothing behind. The text that is cut is written below `write`,
/// if that is said.
///
/// # Errors
/// If the tree cannot be read or placed, with the reason.
pub fn check(
    cache: &Cache,
    addition: &Addition,
    write: Option<&Path>,
    say: &mut dyn FnMut(&str),
) -> Result<Checked, SupplyError> {
    let reverts = patch::read_all(&addition.reverts)?;
    let series = patch::read_all(&addition.patches)?;
    let scratch = tempfile::tempdir().map_err(|error| CacheError::Io {
        path: std::env::temp_dir(),
        cache: cache.dir().to_owned(),
        error,
    })?;
    let staging = Cache::at(scratch.path()).stage("tree")?;
    let (origin, mut patches) = bring(cache, addition, &staging.tree(), &staging.scratch()?)?;
    apply_all([&reverts, &series], &staging, &mut patches, say)?;
    let extract = examine_copy(&addition.tree, &staging.tree())?;
    if let Some(dir) = write {
        extract.write(dir, "")?;
    }
    let version = extract.version.to_string();
    let note = Note {
        name: "tree".to_owned(),
        version,
        origin: origin.clone(),
        package: None,
        patches,
        changed: Default::default(),
    };
    let trial = compile::trial(&staging.reference(&note), &staging.scratch()?)?;
    Ok(Checked { origin, extract, trial })
}

/// Takes the first series out of a staged tree, and puts the second on top.
fn apply_all(
    [reverts, series]: [&[Patch]; 2],
    staging: &Staging,
    patches: &mut Vec<AppliedPatch>,
    say: &mut dyn FnMut(&str),
) -> Result<(), SupplyError> {
    for (series, direction) in [(reverts, Direction::Reverse), (series, Direction::Forward)] {
        if series.is_empty() {
            continue;
        }
        for (file, applied) in patch::apply_series(series, direction, &staging.tree(), &staging.scratch()?)? {
            say_of(file, &applied, say);
            if !applied.nothing {
                record(patches, file, direction);
            }
        }
    }
    Ok(())
}

/// The two trees of a fix.
#[derive(Clone, Debug)]
pub struct BothTrees {
    /// Without the fix: `NAME-without`.
    pub without: Reference,
    /// With it: `NAME-with`.
    pub with: Reference,
    /// Whether the base has the fix, so that it was taken out, and not put on top.
    pub base_has_it: bool,
}

/// Makes two references of one: without a fix and with it, whichever of the two the base is. They are called `NAME-without` and
/// `NAME-with`, and replace those of an earlier fix. `compile`: only if both compile.
pub fn both_trees(
    cache: &Cache,
    base: &str,
    name: &str,
    fix: &[PathBuf],
    compile: bool,
    say: &mut dyn FnMut(&str),
) -> Result<BothTrees, SupplyError> {
    let names = ["without", "with"].map(|which| format!("{name}-{which}"));
    names.iter().try_for_each(|name| crate::cache::check_name(name))?;
    let series = patch::read_all(fix)?;
    let base = cache.load(base)?;
    let stagings = [cache.stage(&names[0])?, cache.stage(&names[1])?];
    for staging in &stagings {
        source::copy_needed(&base.tree(), &staging.tree())?;
    }
    let [without, with] = [stagings[0].tree(), stagings[1].tree()];
    let (direction, applied) = patch::flip(&series, &without, &stagings[0].scratch()?)?;
    applied.iter().for_each(|(file, applied)| say_of(file, applied, say));
    let base_has_it = direction == Direction::Reverse;
    let mut changed = base.note.patches.clone();
    for (file, _) in applied.iter().filter(|(_, applied)| !applied.nothing) {
        record(&mut changed, file, direction);
    }
    let patches = match base_has_it {
        true => [changed, base.note.patches.clone()],
        false => {
            // What was changed is the other one.
            let aside = stagings[0].scratch()?.join("tree");
            for (from, to) in [(&without, &aside), (&with, &without), (&aside, &with)] {
                let failed = |error| CacheError::Io { path: to.clone(), cache: cache.dir().to_owned(), error };
                std::fs::rename(from, to).map_err(failed)?;
            }
            [base.note.patches.clone(), changed]
        }
    };
    let (mut made, origin) = (Vec::new(), &base.note.origin);
    let texts = [Texts::read(&series, &without)?, Texts::read(&series, &with)?];
    let changed = [texts[0].not_in(&texts[1], &without), texts[1].not_in(&texts[0], &with)];
    for ((staging, name), (patches, changed)) in stagings.iter().zip(&names).zip(patches.into_iter().zip(changed)) {
        let given = format!("{name} (of {})", base.name);
        let version = examine_copy(&given, &staging.tree())?.version.to_string();
        made.push((version, patches, changed));
    }
    let mut references = Vec::new();
    for ((staging, (version, patches, changed)), name) in stagings.into_iter().zip(made).zip(names) {
        references.push((staging, Note { name, version, origin: origin.clone(), package: None, patches, changed }));
    }
    if compile {
        references.iter().try_for_each(|(staging, note)| try_to_compile(staging, note, false, say))?;
    }
    let [without, with] = references.try_into().unwrap_or_else(|_| unreachable!("two were made"));
    let [without, with] = [without.0.install(&without.1)?, with.0.install(&with.1)?];
    Ok(BothTrees { without, with, base_has_it })
}

/// What a person may want to know of a patch that was applied.
fn say_of(file: &Patch, applied: &Applied, say: &mut dyn FnMut(&str)) {
    for subject in &file.replies {
        say(&format!("{}: `{subject}`: left out, it is a reply", file.name));
    }
    for path in &applied.left_out {
        say(&format!("{}: {path}: left out, no reference holds it", file.name));
    }
    for hunk in &applied.fuzzy {
        say(&format!("{}: {hunk}", file.name));
    }
}

/// Adds a patch to those of a reference. One that is taken out again, and was the last, leaves no trace.
fn record(patches: &mut Vec<AppliedPatch>, file: &Patch, direction: Direction) {
    let reverted = direction == Direction::Reverse;
    let applied = AppliedPatch { name: file.name.clone(), subject: file.subject(), link: file.link.clone(), reverted };
    match patches.last() {
        Some(last) if last.reverted != reverted && AppliedPatch { reverted, ..last.clone() } == applied => {
            patches.pop();
        }
        _ => patches.push(applied),
    }
}

/// The name of the reference that the tree is, if it is one.
fn base<'a>(cache: &Cache, addition: &'a Addition) -> Option<&'a str> {
    let given = addition.tree.as_str();
    let name = given.strip_prefix("ref:").unwrap_or(given);
    let is_reference = given.starts_with("ref:")
        || (!Path::new(given).exists() && crate::cache::check_name(name).is_ok() && cache.dir().join(name).is_dir());
    is_reference.then_some(name)
}

/// A reference gives way to one that is made of it, or to a tree if it came from a package, only by force.
fn may_take_the_name(cache: &Cache, addition: &Addition) -> Result<(), SupplyError> {
    if addition.force {
        return Ok(());
    }
    let (name, dir) = (addition.name.clone(), cache.dir().to_owned());
    if base(cache, addition) == Some(name.as_str()) {
        return Err(SupplyError::OnItself { name, cache: dir });
    }
    // A damaged one may be replaced.
    match cache.load(&name).ok().and_then(|there| there.note.package) {
        Some(package) => Err(SupplyError::FromPackage { name, cache: dir, package }),
        None => Ok(()),
    }
}

fn bring(
    cache: &Cache,
    addition: &Addition,
    to: &Path,
    scratch: &Path,
) -> Result<(String, Vec<AppliedPatch>), SupplyError> {
    let given = addition.tree.as_str();
    if let Some(name) = base(cache, addition) {
        let base = cache.load(name)?;
        if let Some(rev) = &addition.rev {
            let (tree, rev) = (given.to_owned(), rev.clone());
            return Err(SourceError::NoRevisions { tree, rev, is: "a reference of the cache" }.into());
        }
        source::copy_needed(&base.tree(), to)?;
        source::check(given, to)?;
        return Ok((base.note.origin, base.note.patches));
    }
    match source::bring(given, addition.rev.as_deref(), to, scratch) {
        Ok(origin) => Ok((origin, Vec::new())),
        Err(SourceError::NotFound { tree, .. }) => {
            let also = format!(", and no reference of that name in {}", cache.dir().display());
            Err(SourceError::NotFound { tree, also }.into())
        }
        Err(error) => Err(error.into()),
    }
}
