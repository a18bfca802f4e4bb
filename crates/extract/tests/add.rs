//! Adding trees: from a directory, a tarball, git, another reference; with patches on top. And
//! that whatever goes wrong leaves the cache as it was. On small trees of our own making.
#![allow(missing_docs)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{edit, listing, new_tree, old_tree, run, write};
use rmap_extract::cache::{Cache, Reference};
use rmap_extract::fetch;
use rmap_extract::supply::{self, Addition, SupplyError};

struct TestCache {
    dir: tempfile::TempDir,
    cache: Cache,
    said: Vec<String>,
}

impl TestCache {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        old_tree(&dir.path().join("linux"), "6.1.2");
        let cache = Cache::at(dir.path().join("cache"));
        Self { dir, cache, said: Vec::new() }
    }

    fn path(&self, sub: &str) -> PathBuf {
        self.dir.path().join(sub)
    }

    fn add(&mut self, name: &str, tree: &str, rev: Option<&str>, patches: &[&str]) -> Result<Reference, SupplyError> {
        self.change(name, tree, rev, patches, &[])
    }

    fn revert(&mut self, name: &str, tree: &str, reverts: &[&str]) -> Result<Reference, SupplyError> {
        self.change(name, tree, None, &[], reverts)
    }

    fn change(
        &mut self,
        name: &str,
        tree: &str,
        rev: Option<&str>,
        patches: &[&str],
        reverts: &[&str],
    ) -> Result<Reference, SupplyError> {
        let local = self.path(tree);
        let tree = if local.exists() { local.display().to_string() } else { tree.to_owned() };
        let addition = Addition {
            name: name.to_owned(),
            tree,
            rev: rev.map(str::to_owned),
            patches: patches.iter().map(|patch| self.path(patch)).collect(),
            reverts: reverts.iter().map(|patch| self.path(patch)).collect(),
            ..Addition::default()
        };
        self.said.clear();
        supply::add(&self.cache, &addition, &mut |text| self.said.push(text.to_owned()))
    }

    /// Adding must fail, say these things, and leave the cache as it was.
    fn refuses(&mut self, name: &str, tree: &str, rev: Option<&str>, patches: &[&str], says: &[&str]) {
        let before = listing(self.cache.dir());
        let said = self.add(name, tree, rev, patches).unwrap_err().to_string();
        for text in says {
            assert!(said.contains(text), "`{text}` wanted: {said}");
        }
        assert_eq!(listing(self.cache.dir()), before, "{said}");
    }

    /// The same for patches that are to be taken out.
    fn refuses_revert(&mut self, tree: &str, reverts: &[&str], says: &[&str]) {
        let before = listing(self.cache.dir());
        let said = self.revert("x", tree, reverts).unwrap_err().to_string();
        for text in says {
            assert!(said.contains(text), "`{text}` wanted: {said}");
        }
        assert_eq!(listing(self.cache.dir()), before, "{said}");
    }

    /// A patch from what an edit changes in the tree `linux`, which stays as it is.
    fn patch(&self, to: &str, file: &str, from: &str, into: &str) -> String {
        let edited = self.path("edited");
        let _ = fs::remove_dir_all(&edited);
        old_tree(&edited, "6.1.2");
        edit(&edited, file, from, into);
        let before = fs::read_to_string(self.path("linux").join(file)).unwrap();
        let after = fs::read_to_string(edited.join(file)).unwrap();
        let text = diff(file, &before, &after);
        fs::write(self.path(to), &text).unwrap();
        text
    }
}

/// A diff of one hunk with three lines of context.
fn diff(file: &str, before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let (start, end) = (head.saturating_sub(3), (tail.saturating_sub(3)));
    let (old_end, new_end) = (old.len() - end, new.len() - end);
    let mut text = format!("--- a/{file}\n+++ b/{file}\n");
    text += &format!("@@ -{},{} +{},{} @@\n", start + 1, old_end - start, start + 1, new_end - start);
    old[start..head].iter().for_each(|line| text += &format!(" {line}\n"));
    old[head..old.len() - tail].iter().for_each(|line| text += &format!("-{line}\n"));
    new[head..new.len() - tail].iter().for_each(|line| text += &format!("+{line}\n"));
    old[old.len() - tail..old_end].iter().for_each(|line| text += &format!(" {line}\n"));
    text
}

const CTOR: &str = "\tconstruct(data);\n";

fn ctor(reference: &Reference) -> String {
    let text = fs::read_to_string(reference.tree().join("mm/rmap.c")).unwrap();
    let at = text.find("anon_vma_ctor(void *data)\n{\n").unwrap();
    text[at..].lines().nth(2).unwrap().trim().to_owned()
}

fn is_complete(reference: &Reference) {
    let tree = reference.tree();
    assert!(tree.join("mm/rmap.c").is_file() && tree.join("tools/testing/vma/vma.c").is_file());
    assert!(!tree.join("drivers").exists() && !tree.join("arch").exists());
    assert!(fs::read_to_string(tree.join("Makefile")).unwrap().contains("VERSION"));
    assert_eq!(fs::read_dir(&reference.dir).unwrap().count(), 2);
    let stray =
        listing(&reference.dir).into_keys().find(|path| path.extension().is_some_and(|e| e == "orig" || e == "rej"));
    assert_eq!(stray, None);
}

#[test]
fn a_directory_is_added_with_what_is_needed_of_it() {
    let mut world = TestCache::new();
    let reference = world.add("mine", "linux", None, &[]).unwrap();
    is_complete(&reference);
    assert_eq!(reference.note.version, "6.1.2");
    assert!(reference.note.origin.starts_with("directory /"), "{}", reference.note.origin);
}

#[test]
fn a_tarball_is_added_packed_or_not_with_a_top_directory_or_without() {
    let mut world = TestCache::new();
    let (top, linux) = (world.dir.path().to_owned(), world.path("linux"));
    run(&top, "tar", &["-cf", "plain.tar", "linux"]);
    run(&top, "tar", &["-czf", "gz.tgz", "linux"]);
    run(&linux, "tar", &["-czf", "../flat.tar.gz", "."]);
    run(&linux, "tar", &["-cf", "../names.tar", "arch", "drivers", "include", "lib", "mm", "tools", "Makefile"]);
    for (number, tarball) in ["plain.tar", "gz.tgz", "flat.tar.gz", "names.tar"].into_iter().enumerate() {
        let reference = world.add(&format!("t{number}"), tarball, None, &[]).unwrap();
        is_complete(&reference);
        assert!(reference.note.origin.starts_with("tarball /"), "{}", reference.note.origin);
    }
    fs::write(world.path("junk.tar"), "not an archive at all").unwrap();
    world.refuses("x", "junk.tar", None, &[], &["junk.tar"]);
    let whole = fs::read(world.path("gz.tgz")).unwrap();
    fs::write(world.path("short.tgz"), &whole[..whole.len() / 2]).unwrap();
    world.refuses("x", "short.tgz", None, &[], &["short.tgz"]);
    run(&linux, "tar", &["-czf", "../other.tgz", "drivers", "arch"]);
    world.refuses("x", "other.tgz", None, &[], &["other.tgz: no mm/rmap.c"]);
    world.refuses("x", "plain.tar", Some("v1"), &[], &["revision `v1`", "git repository"]);
}

fn git_world() -> (TestCache, PathBuf, String) {
    let world = TestCache::new();
    let linux = world.path("linux");
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"];
        run(&linux, "git", &[&identity, arguments].concat())
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    git(&["tag", "-a", "v1", "-m", "tag"]);
    edit(&linux, "mm/rmap.c", CTOR, "\tsecond(data);\n");
    git(&["commit", "-qam", "two"]);
    git(&["branch", "topic"]);
    let second = git(&["rev-parse", "HEAD"]);
    edit(&linux, "mm/rmap.c", "\tsecond(data);\n", "\tthird(data);\n");
    git(&["commit", "-qam", "three"]);
    edit(&linux, "mm/rmap.c", "\tthird(data);\n", "\tuncommitted(data);\n");
    (world, linux, second)
}

#[test]
fn git_is_added_by_path_or_url_at_a_tag_a_branch_a_commit() {
    let (mut world, linux, second) = git_world();
    let url = format!("file://{}", linux.display());
    let bare = world.path("bare.git");
    run(world.dir.path(), "git", &["clone", "-q", "--bare", &url, bare.to_str().unwrap()]);
    // A server that can leave blobs out; the others cannot.
    let filtering = world.path("filtering.git");
    run(world.dir.path(), "git", &["clone", "-q", "--bare", &url, filtering.to_str().unwrap()]);
    run(&filtering, "git", &["config", "uploadpack.allowFilter", "true"]);
    run(&filtering, "git", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let filtering = format!("file://{}", filtering.display());

    let cases = [
        ("linux", None, "uncommitted(data);"),
        ("linux", Some("v1"), "construct(data);"),
        ("linux", Some("HEAD~1"), "second(data);"),
        (url.as_str(), Some("v1"), "construct(data);"),
        (url.as_str(), Some("topic"), "second(data);"),
        (url.as_str(), Some(second.as_str()), "second(data);"),
        (url.as_str(), None, "third(data);"),
        (filtering.as_str(), Some("v1"), "construct(data);"),
        (filtering.as_str(), Some(second.as_str()), "second(data);"),
        ("bare.git", None, "third(data);"),
        ("bare.git", Some(&second[..12]), "second(data);"),
    ];
    for (tree, rev, wanted) in cases {
        let reference = world.add("g", tree, rev, &[]).unwrap_or_else(|error| panic!("{tree} {rev:?}: {error}"));
        is_complete(&reference);
        assert_eq!(ctor(&reference), wanted, "{tree} {rev:?}");
        let origin = &reference.note.origin;
        assert!(rev.is_none_or(|rev| origin.contains(&format!("at {rev} (commit "))), "{origin}");
    }
    for tree in ["linux", &url, "bare.git"] {
        world.refuses("g", tree, Some("v9"), &[], &["no revision `v9`"]);
        world.refuses("g", tree, Some("--upload-pack=x"), &[], &["not a revision's name"]);
    }
    world.refuses("g", "file:///not/there.git", Some("v1"), &[], &["no revision `v1`", "not/there"]);
}

#[test]
fn a_clone_that_is_shallow_or_has_no_blobs_is_read_where_it_is() {
    let (mut world, linux, _) = git_world();
    run(&linux, "git", &["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", linux.display());
    for (name, option) in [("shallow", "--depth=1"), ("without-blobs", "--filter=blob:none")] {
        run(world.dir.path(), "git", &["clone", "-q", "--bare", option, &url, world.path(name).to_str().unwrap()]);
        let reference = world.add(name, name, Some("HEAD"), &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        is_complete(&reference);
        assert_eq!(ctor(&reference), "third(data);", "{name}");
    }
    // What is not there cannot be read, and git says so.
    world.refuses("x", "shallow", Some("HEAD~1"), &[], &["shallow: no revision `HEAD~1`"]);
    let gone = world.path("gone");
    run(world.dir.path(), "git", &["clone", "-q", "--bare", "--filter=blob:none", &url, gone.to_str().unwrap()]);
    run(&gone, "git", &["remote", "set-url", "origin", "file:///not/there.git"]);
    world.refuses("x", "gone", Some("HEAD"), &[], &["not/there"]);
}

#[test]
fn a_link_of_a_commit_is_the_file_that_it_names() {
    let (mut world, linux, _) = git_world();
    let links = linux.join("tools/include/linux");
    fs::create_dir_all(&links).unwrap();
    for (name, target) in [("link.h", "../../../mm/rmap.c"), ("dangling.h", "nowhere.h"), ("dir.h", "../..")] {
        std::os::unix::fs::symlink(target, links.join(name)).unwrap();
    }
    run(&linux, "git", &["add", "-A"]);
    run(&linux, "git", &["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "links"]);
    for rev in [None, Some("HEAD")] {
        let reference = world.add("l", "linux", rev, &[]).unwrap();
        let tree = reference.tree();
        let linked = fs::read(tree.join("tools/include/linux/link.h")).unwrap();
        assert_eq!(linked, fs::read(tree.join("mm/rmap.c")).unwrap(), "{rev:?}");
        for absent in ["dangling.h", "dir.h"] {
            assert!(!tree.join("tools/include/linux").join(absent).exists(), "{rev:?} {absent}");
        }
    }
}

#[test]
fn a_tree_that_is_none_is_refused() {
    let mut world = TestCache::new();
    write(&world.path("empty"), "Makefile", "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n");
    world.refuses("x", "empty", None, &[], &["no mm/rmap.c"]);
    world.refuses("x", "nothing-there", None, &[], &["nothing-there: no such directory", "no reference of that name"]);
    let tree = world.path("no-version");
    old_tree(&tree, "6.1.2");
    edit(&tree, "Makefile", "PATCHLEVEL = 1", "PATCHLEVEL = one");
    let named = format!("{}: Makefile: ", tree.display());
    world.refuses("x", "no-version", None, &[], &[&named, "no line `PATCHLEVEL = <number>`"]);
    fs::remove_file(tree.join("Makefile")).unwrap();
    world.refuses("x", "no-version", None, &[], &[&named, "a reference needs the top Makefile"]);
    world.refuses("x", "linux", Some("v1"), &[], &["a directory without git"]);
    world.refuses("../x", "linux", None, &[], &["`../x` is no name"]);
    world.refuses("x", "ref:6.99", None, &[], &["no reference `6.99`"]);
}

#[test]
fn a_broken_tree_is_refused_with_the_reason() {
    let mut world = TestCache::new();
    world.add("x", "linux", None, &[]).unwrap();
    edit(&world.path("linux"), "mm/rmap.c", "same_vma) {\n\t\tmine", "same_vma)\n\t\tmine");
    world.refuses("x", "linux", None, &[], &["mm/rmap.c:", "anon_vma_clone", "brace"]);
}

#[test]
fn a_patch_that_gives_a_new_behaviour_halfway_is_refused() {
    let mut world = TestCache::new();
    world.patch(
        "half.patch",
        "mm/rmap.c",
        "\tlist_for_each_entry_safe",
        "\tmmap_assert_locked(vma->vm_mm);\n\tlist_for_each_entry_safe",
    );
    world.refuses("x", "linux", None, &["half.patch"], &["cannot tell `clone_and_unlink_assert`"]);
}

#[test]
fn patches_go_on_top_of_each_other_and_of_a_reference() {
    let mut world = TestCache::new();
    world.add("base", "linux", None, &[]).unwrap();
    world.patch("one.patch", "mm/rmap.c", CTOR, "\tfirst(data);\n");
    edit(&world.path("linux"), "mm/rmap.c", CTOR, "\tfirst(data);\n");
    let before = fs::read_to_string(world.path("linux/mm/rmap.c")).unwrap();
    let two = diff("mm/rmap.c", &before, &before.replace("\tfirst(data);\n", "\tsecond(data);\n"));
    fs::write(
        world.path("two.patch"),
        format!("From: n\nSubject: [PATCH 2/2] a long\n subject\n\n---\n{two}-- \n2.50\n"),
    )
    .unwrap();

    let patched = world.add("patched", "base", None, &["one.patch", "two.patch"]).unwrap();
    assert_eq!(ctor(&patched), "second(data);");
    is_complete(&patched);
    let shown: Vec<_> = patched.note.patches.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["one.patch", "two.patch: [PATCH 2/2] a long subject"]);
    let base = world.cache.load("base").unwrap();
    assert_eq!((ctor(&base).as_str(), base.note.patches.len()), ("construct(data);", 0));

    let again = world.add("again", "ref:patched", None, &[]).unwrap();
    assert_eq!((again.note.patches.len(), again.note.origin == base.note.origin), (2, true));
    world.refuses("patched", "base", None, &["two.patch"], &["two.patch", "mm/rmap.c: hunk 1 of 1 (line "]);
    world.refuses("patched", "again", None, &["two.patch"], &["already applied"]);
}

#[test]
fn a_mailbox_of_two_messages_is_applied_in_order() {
    let mut world = TestCache::new();
    let one = world.patch("one.patch", "mm/rmap.c", CTOR, "\tfirst(data);\n");
    let two = one.replace("+\tfirst", "+\tsecond").replace("-\tconstruct", "-\tfirst");
    let message = |number: u8, text: &str| {
        format!(
            "From 0123 Mon Sep 17 00:00:00 2001\nSubject: [PATCH {number}/2] m{number}\n\nText.\n---\n mm/rmap.c | 2 +-\n\n{text}-- \n2.50\n\n"
        )
    };
    fs::write(world.path("series.mbox"), message(1, &one) + &message(2, &two)).unwrap();
    let reference = world.add("m", "linux", None, &["series.mbox"]).unwrap();
    assert_eq!(ctor(&reference), "second(data);");
    assert_eq!(reference.note.patches[0].subject, "[PATCH 1/2] m1 (and 1 more)");
}

#[test]
fn fuzz_and_offset_are_allowed_and_told_and_other_files_are_left_out() {
    let mut world = TestCache::new();
    let text = world.patch("fuzzy.patch", "mm/rmap.c", CTOR, "\tfirst(data);\n");
    let (hunk, other) = (text.replace(" void __init anon", " void __init other_anon"), "drivers/a/b.c");
    assert_ne!(hunk, text);
    let unneeded = format!("--- a/{other}\n+++ b/{other}\n@@ -1 +1 @@\n-int unneeded;\n+int still;\n");
    fs::write(world.path("fuzzy.patch"), format!("{unneeded}{hunk}")).unwrap();
    edit(
        &world.path("linux"),
        "mm/rmap.c",
        "static struct kmem_cache *anon_vma_cachep",
        "\n\n\nstatic struct kmem_cache *anon_vma_cachep",
    );
    let reference = world.add("f", "linux", None, &["fuzzy.patch"]).unwrap();
    assert_eq!(ctor(&reference), "first(data);");
    is_complete(&reference);
    assert!(world.said.iter().any(|said| said.contains("drivers/a/b.c: left out")), "{:?}", world.said);
    assert!(world.said.iter().any(|said| said.contains("mm/rmap.c: hunk 1 with fuzz")), "{:?}", world.said);

    fs::write(world.path("outside.patch"), unneeded).unwrap();
    world.refuses("f", "linux", None, &["outside.patch"], &["only what no reference holds", "drivers/a/b.c"]);
}

#[test]
fn a_patch_that_does_not_apply_names_file_and_hunk() {
    let mut world = TestCache::new();
    world.add("x", "linux", None, &[]).unwrap();
    let good = world.patch("good.patch", "mm/rmap.c", "return 1;", "return 2;");
    let bad = world.patch("bad.patch", "mm/rmap.c", CTOR, "\tfirst(data);\n").replace("construct", "deconstruct");
    let good_hunk = good.split_once("@@").map(|(_, rest)| format!("@@{rest}")).unwrap();
    fs::write(world.path("bad.patch"), bad + &good_hunk).unwrap();
    world.refuses(
        "x",
        "linux",
        None,
        &["bad.patch"],
        &["bad.patch", "mm/rmap.c: hunk 1 of 2 (line ", "does not apply"],
    );

    fs::write(world.path("none.txt"), "Subject: no patch\n\nhello\n").unwrap();
    world.refuses("x", "linux", None, &["none.txt"], &["none.txt: no diff in it"]);
    world.refuses("x", "linux", None, &["not-there.patch"], &["not-there.patch"]);
    let gone = good.replace("mm/rmap.c", "mm/gone.c");
    fs::write(world.path("gone.patch"), gone).unwrap();
    world.refuses("x", "linux", None, &["gone.patch"], &["mm/gone.c: not in the tree"]);
    let cut: String = good.lines().take(5).map(|line| format!("{line}\n")).collect();
    fs::write(world.path("cut.patch"), cut).unwrap();
    world.refuses("x", "linux", None, &["cut.patch"], &["cut.patch:6: mm/rmap.c: hunk 1 is cut short"]);
}

#[test]
fn a_patch_may_add_a_file() {
    let mut world = TestCache::new();
    let text = "--- /dev/null\n+++ b/mm/added.h\n@@ -0,0 +1 @@\n+int added;\n";
    fs::write(world.path("new.patch"), text).unwrap();
    let reference = world.add("n", "linux", None, &["new.patch"]).unwrap();
    assert_eq!(fs::read_to_string(reference.tree().join("mm/added.h")).unwrap(), "int added;\n");
    world.refuses("m", "ref:n", None, &["new.patch"], &["mm/added.h: already applied"]);
}

// --- Patches that are taken out ---

/// A series of two that changes the same line twice, as files `one.patch` and `two.patch` and as a mailbox `series.mbox`, whose
/// messages are in the wrong order; and a tree `fixed` that has it.
fn series(world: &mut TestCache) {
    let one = world.patch("one.patch", "mm/rmap.c", CTOR, "\tfirst(data);\n");
    let two = one.replace("+\tfirst", "+\tsecond").replace("-\tconstruct", "-\tfirst");
    fs::write(world.path("two.patch"), &two).unwrap();
    let head = "From 0123 Mon Sep 17 00:00:00 2001\nMessage-ID: <m@example.org>\nSubject: [PATCH";
    let mailbox =
        format!("{head} 2/2] two\n\n---\n{two}-- \n2.50\n\n{head} 0/2] both\n\nWhy.\n\n{head} 1/2] one\n\n{one}");
    fs::write(world.path("series.mbox"), mailbox).unwrap();
    old_tree(&world.path("fixed"), "6.1.2");
    edit(&world.path("fixed"), "mm/rmap.c", CTOR, "\tsecond(data);\n");
}

#[test]
fn a_series_is_taken_out_the_last_patch_first() {
    let mut world = TestCache::new();
    series(&mut world);
    fs::create_dir(world.path("dir")).unwrap();
    for (file, to) in [("one.patch", "dir/0001-one.patch"), ("two.patch", "dir/0002-two.patch")] {
        fs::copy(world.path(file), world.path(to)).unwrap();
    }
    fs::write(world.path("dir/0000-cover-letter.patch"), "Subject: [PATCH 0/2] both\n\nWhy.\n").unwrap();
    for reverts in [&["series.mbox"][..], &["one.patch", "two.patch"], &["dir"]] {
        let reference = world.revert("without", "fixed", reverts).unwrap();
        assert_eq!(ctor(&reference), "construct(data);", "{reverts:?}");
        is_complete(&reference);
    }
    let reference = world.revert("without", "fixed", &["series.mbox"]).unwrap();
    let [note] = reference.note.patches.as_slice() else { panic!("{:?}", reference.note) };
    assert_eq!(note.to_string(), "reverted: series.mbox: [PATCH 1/2] one (and 1 more)");
    assert_eq!((note.reverted, note.link.as_str()), (true, "https://lore.kernel.org/r/m@example.org"));
    // In the wrong order, the first that is to come out does not.
    world.refuses_revert("fixed", &["two.patch", "one.patch"], &["one.patch: mm/rmap.c", "taken out"]);
    // What is taken out of a reference and put back is as if nothing had been done; one after the other is told as such.
    let back = world.add("back", "ref:without", None, &["series.mbox"]).unwrap();
    assert_eq!((ctor(&back).as_str(), back.note.patches.len()), ("second(data);", 0));
    assert_eq!(
        (reference.note.changed[0].lines[0].text.as_str(), back.note.changed[0].lines.len()),
        ("construct(data);", 1)
    );
    let both = world.change("both", "fixed", None, &["one.patch"], &["series.mbox"]).unwrap();
    assert_eq!((ctor(&both).as_str(), both.note.patches.len()), ("first(data);", 2));
}

#[test]
fn a_patch_that_does_not_come_out_says_why_and_what_to_do() {
    let mut world = TestCache::new();
    series(&mut world);
    world.refuses_revert("linux", &["one.patch"], &["one.patch: mm/rmap.c: not in the tree", "PATCHES="]);
    world.refuses_revert(
        "linux",
        &["series.mbox"],
        &["series.mbox (2/2): mm/rmap.c: hunk 1 of 1 (line", "cannot be taken out"],
    );
    world.refuses_revert(
        "fixed",
        &["one.patch"],
        &["one.patch: mm/rmap.c: hunk 1 of 1 (line", "Revert the later patches too"],
    );
    world.refuses("x", "fixed", None, &["two.patch"], &["already applied", "REVERT="]);
    fs::create_dir(world.path("none")).unwrap();
    world.refuses_revert("fixed", &["none"], &["none: no file named *.patch"]);
    let new = "--- /dev/null\n+++ b/mm/added.h\n@@ -0,0 +1 @@\n+int added;\n";
    fs::write(world.path("new.patch"), new).unwrap();
    world.refuses_revert("fixed", &["new.patch"], &["new.patch: mm/added.h: not in the tree"]);
    world.add("n", "fixed", None, &["new.patch"]).unwrap();
    let reference = world.revert("o", "ref:n", &["new.patch"]).unwrap();
    assert!(!reference.tree().join("mm/added.h").exists() && reference.note.patches.is_empty());
}

#[test]
fn a_fix_makes_two_trees_whether_the_base_has_it_or_not() {
    let mut world = TestCache::new();
    series(&mut world);
    let fix = [world.path("series.mbox")];
    for (base, base_has_it) in [("linux", false), ("fixed", true)] {
        let of = world.add(base, base, None, &[]).unwrap();
        let made = supply::both_trees(&world.cache, base, "f", &fix, false, &mut |_| {}).unwrap();
        assert_eq!((ctor(&made.without).as_str(), ctor(&made.with).as_str()), ("construct(data);", "second(data);"));
        assert_eq!((made.without.name.as_str(), made.with.name.as_str()), ("f-without", "f-with"));
        assert_eq!(made.base_has_it, base_has_it);
        let patches = [&made.without, &made.with].map(|tree| tree.note.patches.first().map(|patch| patch.reverted));
        assert_eq!(patches, if base_has_it { [Some(true), None] } else { [None, Some(false)] });
        [&made.without, &made.with].into_iter().for_each(is_complete);
        for (tree, text) in [(&made.without, "construct(data);"), (&made.with, "second(data);")] {
            let [changed] = tree.note.changed.as_slice() else { panic!("{:?}", tree.note) };
            assert_eq!((changed.file.as_str(), changed.function.as_str()), ("mm/rmap.c", "anon_vma_ctor"));
            assert_eq!(changed.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), [text]);
        }
        assert_eq!(ctor(&world.cache.load(base).unwrap()), ctor(&of));
    }
    // A patch of the series that adds a test alone is left out.
    let test = "--- /dev/null\n+++ b/tools/testing/selftests/mm/new.c\n@@ -0,0 +1 @@\n+int tested;\n";
    fs::write(world.path("test.patch"), test).unwrap();
    let with_test = [world.path("series.mbox"), world.path("test.patch")];
    for base in ["linux", "fixed"] {
        let mut said = Vec::new();
        let say = &mut |text: &str| said.push(text.to_owned());
        let made = supply::both_trees(&world.cache, base, "f", &with_test, false, say).unwrap();
        assert!(said.iter().any(|text| text.starts_with("test.patch: ") && text.contains("left out")), "{said:?}");
        let listed = [&made.without, &made.with].map(|tree| tree.note.patches.len());
        assert_eq!(listed.iter().sum::<usize>(), 1, "{listed:?}");
    }
    world.add("tested", "linux", None, &["series.mbox", "test.patch"]).unwrap();
    let said = supply::both_trees(&world.cache, "linux", "f", &with_test[1..], false, &mut |_| {}).unwrap_err();
    assert!(said.to_string().contains("only what no reference holds"), "{said}");
    // Halfway in: neither.
    world.add("half", "linux", None, &["one.patch"]).unwrap();
    let before = listing(world.cache.dir());
    let said = supply::both_trees(&world.cache, "half", "h", &fix, false, &mut |_| {}).unwrap_err().to_string();
    for text in ["neither be taken out (series.mbox (2/2): mm/rmap.c", "nor put on top (series.mbox (1/2)"] {
        assert!(said.contains(text), "`{text}` wanted: {said}");
    }
    assert_eq!(listing(world.cache.dir()), before);
    let [linux, patch] = ["linux", "series.mbox"].map(|file| world.path(file).display().to_string());
    assert!(kernels(world.cache.dir(), &["add", "--no-compile", "--name", "6.12", "--tree", &linux]).0);
    let (good, said) = kernels(world.cache.dir(), &["fix", "--no-compile", "--base", "6.12", &patch]);
    assert!(good && said.contains("6.12 does not have the fix: 6.12-without is 6.12 as it is"), "{said}");
}

#[test]
fn the_command_takes_a_patch_out_and_lists_it() {
    let mut world = TestCache::new();
    series(&mut world);
    let [tree, patch] = ["fixed", "series.mbox"].map(|file| world.path(file).display().to_string());
    let (good, said) =
        kernels(world.cache.dir(), &["add", "--no-compile", "--name", "6.12", "--tree", &tree, "--revert", &patch]);
    assert!(good, "{said}");
    let (_, said) = kernels(world.cache.dir(), &["list"]);
    assert!(said.contains("- series.mbox: [PATCH 1/2] one (and 1 more)"), "{said}");
    let (_, said) = kernels(world.cache.dir(), &["fetch", "6.12"]);
    assert_eq!(said, "6.12: present (6.1.2, without series.mbox)\n");
}

fn kernels(cache: &Path, arguments: &[&str]) -> (bool, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_rmap-kernels")).args(arguments).env("RMAP_CACHE", cache).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[test]
fn the_command_adds_lists_checks_and_removes() {
    let world = TestCache::new();
    let cache = world.cache.dir();
    let linux = world.path("linux").display().to_string();
    let (good, said) = kernels(cache, &["list"]);
    assert!(!good && said.contains("make kernels"), "{said}");
    assert_eq!(kernels(cache, &["default"]), (true, String::new()));
    world.patch("a.patch", "mm/rmap.c", CTOR, "\tfirst(data);\n");
    let patch = world.path("a.patch").display().to_string();
    let (good, said) = kernels(cache, &["add", "--no-compile", "--name", "6.12", "--tree", &linux, "--patch", &patch]);
    assert!(good && said.contains("6.12: added (6.1.2)"), "{said}");
    // What is there is not asked of the network. It is not quite the version whose name it has.
    let (good, said) = kernels(cache, &["fetch", "6.12"]);
    assert!(good && said == "6.12: present (6.1.2, with a.patch)\n", "{said}");
    let (good, said) = kernels(cache, &["list"]);
    assert!(good && said.contains("6.12") && said.contains("+ a.patch"), "{said}");
    assert_eq!(kernels(cache, &["default"]), (true, "6.12\n".to_owned()));
    let (good, said) = kernels(cache, &["add", "--no-compile", "--name", "6.12", "--tree", &linux]);
    assert!(good && said.contains("6.12: added (6.1.2)"), "{said}");
    let (good, said) = kernels(cache, &["fetch", "6.12"]);
    assert!(good && said == "6.12: present (6.1.2)\n", "{said}");
    assert_eq!(kernels(cache, &["ensure", "6.12"]), (true, String::new()));
    let (good, said) = kernels(cache, &["ensure", "mine"]);
    assert!(!good && said.contains("make kernel NAME=mine"), "{said}");
    let (good, said) = kernels(cache, &["check", "6.12"]);
    assert!(!good && said.contains("6.12: does not compile: ") && !said.contains("anon_vma_fork"), "{said}");
    let (good, said) = kernels(cache, &["check", "6.12", "--pieces"]);
    assert!(!good && said.contains("anon_vma_fork"), "{said}");
    let (good, said) = kernels(cache, &["add", "--name", "uncompiled", "--tree", "ref:6.12"]);
    assert!(!good && said.contains("uncompiled: does not compile") && said.contains("Nothing was added"), "{said}");
    let (good, said) = kernels(cache, &["add", "--name", "uncompiled", "--tree", "ref:6.12", "--force"]);
    assert!(good && said.contains("a build leaves it out") && said.contains("uncompiled: added"), "{said}");
    assert!(kernels(cache, &["remove", "uncompiled"]).0);
    let (good, said) = kernels(cache, &["fetch", "v6"]);
    assert!(!good && said.contains("`v6` is no kernel version") && said.contains("make kernel NAME"), "{said}");
    assert!(kernels(cache, &["remove", "6.12"]).0 && !kernels(cache, &["remove", "6.12"]).0);
}

#[test]
fn a_reference_gives_way_neither_to_a_change_of_itself_nor_to_a_tree_if_it_came_from_a_package() {
    let mut world = TestCache::new();
    let reference = world.add("6.12", "linux", None, &[]).unwrap();
    world.patch("a.patch", "mm/rmap.c", CTOR, "\tfirst(data);\n");
    let cache = world.cache.dir().display().to_string();
    for tree in ["ref:6.12", "6.12"] {
        let wanted = ["6.12: the new reference would replace the one that it is made of", &cache, "another name"];
        world.refuses("6.12", tree, None, &["a.patch"], &wanted);
    }

    let note = reference.dir.join("reference.toml");
    let text = fs::read_to_string(&note).unwrap();
    fs::write(&note, format!("package = \"linux-source-6.12\"\n{text}")).unwrap();
    let wanted = ["6.12: the reference of that name", &cache, "package linux-source-6.12", "another name", "--force"];
    world.refuses("6.12", "linux", None, &["a.patch"], &wanted);
    let linux = world.path("linux").display().to_string();
    let (good, said) =
        kernels(world.cache.dir(), &["add", "--no-compile", "--name", "6.12", "--tree", &linux, "--force"]);
    assert!(good && world.cache.load("6.12").unwrap().note.package.is_none(), "{said}");
    let patch = world.path("a.patch").display().to_string();
    let on_itself = ["add", "--name", "6.12", "--tree", "ref:6.12", "--patch", &patch, "--force"];
    let (good, said) = kernels(world.cache.dir(), &on_itself);
    assert!(good && ctor(&world.cache.load("6.12").unwrap()) == "first(data);", "{said}");
}

#[test]
fn the_default_set_is_what_bears_its_plain_number() {
    let mut world = TestCache::new();
    for (name, version) in
        [("mine", "7.9.1"), ("7.2", "7.2.5"), ("7.10", "7.10.0"), ("7.3-patched", "7.3.4"), ("7.99", "7.3.4")]
    {
        let tree = world.path(name);
        new_tree(&tree, version);
        world.add(name, name, None, &[]).unwrap();
    }
    assert_eq!(fetch::default_set(&world.cache).unwrap(), ["7.10"]);
    world.add("6.12", "linux", None, &[]).unwrap();
    assert_eq!(fetch::default_set(&world.cache).unwrap(), ["6.12", "7.10"]);
}

// --- References that are made by edits ---

#[test]
fn an_edit_that_does_not_fit_the_tree_says_so_and_leaves_the_cache_as_it_was() {
    let name = "6.12-fork-preallocates";
    let mut world = TestCache::new();
    let said = |world: &TestCache, name: &str| fetch::derive(&world.cache, name).unwrap_err().to_string();
    assert!(said(&world, name).contains("no reference `6.12`"), "{}", said(&world, name));
    assert!(said(&world, "6.12").contains(name), "{}", said(&world, "6.12"));

    world.add("6.12", "linux", None, &[]).unwrap();
    let before = listing(world.cache.dir());
    let does_not_fit = said(&world, name);
    assert!(does_not_fit.starts_with("cannot derive 6.12-fork-preallocates of 6.12 (6.1.2): mm/rmap.c: "));
    assert!(does_not_fit.contains("anon_vma_fork()"), "{does_not_fit}");
    assert_eq!(listing(world.cache.dir()), before);

    // A reference of that name that somebody added is not replaced.
    world.add(name, "linux", None, &[]).unwrap();
    assert!(said(&world, name).contains("made in another way"), "{}", said(&world, name));
}
