//! The cache on disk: names, order, replacing, and what is said when there is nothing.
#![allow(missing_docs)]

mod common;

use std::fs;

use common::listing;
use rmap_extract::cache::{AppliedPatch, Cache, CacheError, Note, check_name};

fn note(name: &str, version: &str) -> Note {
    let patches = vec![AppliedPatch { name: "a.patch".to_owned(), ..AppliedPatch::default() }];
    Note {
        name: name.to_owned(),
        version: version.to_owned(),
        origin: "nowhere".to_owned(),
        package: None,
        patches,
        changed: Vec::new(),
    }
}

#[test]
fn names_that_could_leave_the_cache_or_look_like_options_are_refused() {
    for good in ["6.12", "6.12-fork-preallocates", "mine_2+x", "A"] {
        check_name(good).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    for bad in ["", ".", "..", ".hidden", "-x", "a/b", "../x", "a b", "a\n", "ä", "a:b"] {
        assert!(matches!(cache.stage(bad), Err(CacheError::BadName(_))), "{bad:?}");
        assert!(matches!(cache.load(bad), Err(CacheError::BadName(_))), "{bad:?}");
        assert!(matches!(cache.remove(bad), Err(CacheError::BadName(_))), "{bad:?}");
    }
}

#[test]
fn an_empty_cache_names_the_command_to_run() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path().join("not/there"));
    assert_eq!(cache.references().unwrap(), []);
    let said = cache.some_references().unwrap_err().to_string();
    assert!(said.contains("make kernels") && said.contains("not/there"), "{said}");
    let said = cache.load("6.12").unwrap_err().to_string();
    assert!(said.contains("no reference `6.12`") && said.contains("there is none"), "{said}");
}

#[test]
fn references_come_in_the_order_of_their_versions_and_unfinished_ones_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    for (name, version) in [("b", "6.12.3"), ("new", "7.3.4"), ("a", "6.12.3"), ("old", "6.2.9"), ("rc", "7.3.0-rc2")] {
        cache.stage(name).unwrap().install(&note(name, version)).unwrap();
    }
    let unfinished = cache.stage("unfinished").unwrap();
    fs::write(dir.path().join("a-file"), "").unwrap();
    let names: Vec<_> = cache.references().unwrap().into_iter().map(|reference| reference.name).collect();
    assert_eq!(names, ["old", "a", "b", "rc", "new"]);
    drop(unfinished);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 6);
}

#[test]
fn a_new_reference_replaces_the_old_one_only_when_it_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path());
    let first = cache.stage("x").unwrap();
    fs::write(first.tree().join("one"), "1").unwrap();
    first.install(&note("x", "6.1.0")).unwrap();
    let before = listing(dir.path());

    let abandoned = cache.stage("x").unwrap();
    fs::write(abandoned.tree().join("two"), "2").unwrap();
    drop(abandoned);
    assert_eq!(listing(dir.path()), before);

    let second = cache.stage("x").unwrap();
    fs::write(second.tree().join("two"), "2").unwrap();
    fs::write(second.scratch().unwrap().join("junk"), "").unwrap();
    let reference = second.install(&note("x", "6.2.0")).unwrap();
    assert_eq!(reference, cache.load("x").unwrap());
    let files: Vec<_> =
        listing(dir.path()).into_keys().map(|path| path.strip_prefix(dir.path()).unwrap().to_owned()).collect();
    let files: Vec<_> = files.iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(files, ["x", "x/reference.toml", "x/tree", "x/tree/two"]);

    cache.remove("x").unwrap();
    assert!(matches!(cache.remove("x"), Err(CacheError::Absent { .. })));
    assert_eq!(listing(dir.path()).len(), 0);
}

#[test]
fn a_damaged_note_is_an_error_that_names_it() {
    for text in [None, Some("name = 1"), Some("name = \"y\"\nversion = \"1.2\"\norigin = \"\"")] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("x/tree")).unwrap();
        if let Some(text) = text {
            fs::write(dir.path().join("x/reference.toml"), text).unwrap();
        }
        let said = Cache::at(dir.path()).references().unwrap_err().to_string();
        assert!(said.contains("x/reference.toml") && said.contains("rmap-kernels remove x"), "{said}");
    }
}
