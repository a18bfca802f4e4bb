//! The references that the project knows by name: fetched from the distribution's packages, or derived of one of these.

use std::fs;

use crate::cache::{AppliedPatch, Cache, CacheError, Note, Reference};
use crate::debian::{self, Apt, Wanted};
use crate::derive::{self, DeriveError, FILE, is_edit_of};
use crate::source;
use crate::supply::{SupplyError, examine};

/// What became of one version that was to be fetched.
#[derive(Debug)]
pub enum Fetched {
    /// It was there already.
    Present(Reference),
    /// It is new.
    New(Reference),
    /// It could not be had.
    Failed(SupplyError),
}

/// Fetches kernel versions (`6.12`, or `7` for the newest 7.x) from the distribution's packages, and
/// derives what is made of them by edits ([`derive`]). One that fails does not keep the others from being fetched. What is there stays, unless
/// `refresh` says otherwise; if all is there, the network is not asked.
pub fn fetch(cache: &Cache, versions: &[String], refresh: bool, say: &mut dyn FnMut(&str)) -> Vec<(String, Fetched)> {
    let mut apt = None;
    let mut results = Vec::new();
    for version in versions {
        let result = fetch_one(cache, version, versions, refresh, &mut apt, say);
        results.push((version.clone(), result.unwrap_or_else(Fetched::Failed)));
    }
    results
}

fn fetch_one(
    cache: &Cache,
    version: &str,
    versions: &[String],
    refresh: bool,
    apt: &mut Option<Apt>,
    say: &mut dyn FnMut(&str),
) -> Result<Fetched, SupplyError> {
    if let Some(derived) = derive::find(version)? {
        if let Fetched::Failed(error) = fetch_one(cache, &derived.base, versions, refresh, apt, say)? {
            return Ok(Fetched::Failed(error));
        }
        let was_there = cache.load(version).is_ok();
        let reference = derive(cache, version)?;
        return Ok(if was_there { Fetched::Present(reference) } else { Fetched::New(reference) });
    }
    let wanted = Wanted::parse(version)?;
    if !refresh && let Some(reference) = present(cache, &wanted, versions)? {
        return Ok(Fetched::Present(reference));
    }
    if apt.is_none() {
        std::fs::create_dir_all(cache.dir()).map_err(|error| CacheError::Io {
            path: cache.dir().to_owned(),
            cache: cache.dir().to_owned(),
            error,
        })?;
        *apt = Some(Apt::new(cache.dir())?);
    }
    let Some(apt) = apt else { return Err(CacheError::NoPlace.into()) };
    say(&format!("{version}: asking the package archive"));
    let package = debian::find(apt, &wanted)?;
    if !refresh && let Ok(reference) = cache.load(&package.kernel) {
        return Ok(Fetched::Present(reference));
    }
    say(&format!("{version}: fetching {} {}", package.name, package.version));
    let staging = cache.stage(&package.kernel)?;
    let tree = staging.tree();
    let origin = debian::bring(apt, &package, &tree, &staging.scratch()?)?;
    let examined = examine(&tree)?;
    let note = Note {
        name: package.kernel.clone(),
        version: examined.version.to_string(),
        origin,
        package: Some(package.name),
        patches: Vec::new(),
        changed: Vec::new(),
    };
    Ok(Fetched::New(staging.install(&note)?))
}

/// The reference that answers a wish, without asking the network. One that is asked for by its own name does not
/// answer for the newest of its major: with 7.2 in the cache, `7.2 7` still wants to know what the newest is.
fn present(cache: &Cache, wanted: &Wanted, versions: &[String]) -> Result<Option<Reference>, CacheError> {
    let mut references = cache.references()?;
    Ok(match wanted {
        Wanted::Exactly(version) => references.into_iter().find(|reference| reference.name == *version),
        Wanted::Newest(major) => {
            references.retain(|reference| {
                let asked_by_name = versions.contains(&reference.name);
                reference.note.package.is_some() && reference.version().major == *major && !asked_by_name
            });
            references.pop()
        }
    })
}

/// The name of the reference of the cache that is meant by a name, or by a major version: `7` is the newest 7.x.
pub fn resolve(cache: &Cache, wanted: &str) -> Result<String, SupplyError> {
    if let (Err(CacheError::Absent { .. }), Ok(version)) = (cache.load(wanted), Wanted::parse(wanted))
        && let Some(reference) = present(cache, &version, &[])?
    {
        return Ok(reference.name);
    }
    Ok(cache.load(wanted)?.name)
}

/// The names of the default set that are in the cache: 6.12, and the newest 7.x, fetched or added
/// under its plain number.
pub fn default_set(cache: &Cache) -> Result<Vec<String>, CacheError> {
    let references = cache.references()?;
    let plain = |reference: &&Reference| {
        let version = reference.version();
        version.major == 7 && reference.name == format!("{}.{}", version.major, version.minor)
    };
    let before = references.iter().find(|reference| reference.name == "6.12");
    let after = references.iter().rev().find(plain);
    Ok(before.into_iter().chain(after).map(|reference| reference.name.clone()).collect())
}

/// Makes a reference of its base, which must be in the cache. One that is there and would come out the same is not touched, for a
/// build looks at its date.
pub fn derive(cache: &Cache, name: &str) -> Result<Reference, SupplyError> {
    let Some(derived) = derive::find(name)? else {
        let known = derive::all()?.into_iter().map(|derived| derived.name).collect();
        return Err(DeriveError::Unknown { name: name.to_owned(), known }.into());
    };
    let base = cache.load(&derived.base)?;
    let there = match cache.load(name) {
        Ok(there) if there.note.patches.iter().any(|patch| patch.name == FILE) => Some(there),
        Ok(_) => return Err(DeriveError::Taken(name.to_owned()).into()),
        Err(CacheError::Absent { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let edited = derived.apply(&base, cache)?;
    let mut patches = base.note.patches.clone();
    patches.push(AppliedPatch { name: FILE.to_owned(), subject: derived.about.clone(), ..AppliedPatch::default() });
    let changed = Vec::new();
    let note = Note { name: name.to_owned(), package: None, patches, changed, ..base.note.clone() };
    if let Some(there) = there {
        let io = |error| CacheError::Io { path: there.tree(), cache: cache.dir().to_owned(), error };
        if there.note == note && is_edit_of(&there.tree(), &base.tree(), &edited).map_err(io)? {
            return Ok(there);
        }
    }
    let staging = cache.stage(name)?;
    let tree = staging.tree();
    source::copy_needed(&base.tree(), &tree)?;
    for (file, text) in &edited {
        let path = tree.join(file);
        fs::write(&path, text).map_err(|error| CacheError::Io { path, cache: cache.dir().to_owned(), error })?;
    }
    examine(&tree)?;
    Ok(staging.install(&note)?)
}
