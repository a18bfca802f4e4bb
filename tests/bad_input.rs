//! What is broken, cut short, or made of noise: it is refused with a reason and a place, or it runs; it never panics, and
//! it never harms what is there.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use common::{GENERATIONS, NEWEST, assert_nothing_found, lockstep, reference, run, trace};
use rmap_diff::check::{self, Lockstep, Sides};
use rmap_diff::mm::SmallDriver;
use rmap_diff::port::Port;
use rmap_diff::rmap::{Fail, MAX_PROCESSES};
use rmap_diff::trace::{Mix, OpSet, PAGE_LIMIT, ParseError, RECORD_BYTES, Rng, Trace, parse_bytes, random_trace};
use rmap_extract::cache::{self, Cache};
use rmap_extract::extract::extract_tree;
use rmap_extract::manifest::Manifest;
use rmap_extract::supply::{self, Addition};

// --- Traces ---

/// Traces to start from: random ones in both spellings, and every word of the language.
fn texts() -> Vec<String> {
    let mut rng = Rng::new(1);
    let mut texts: Vec<String> = (0..40)
        .map(|_| random_trace(&mut rng, 6, &Mix { fail_per_mille: 400, ..Mix::default() }).to_file_text())
        .collect();
    texts.push("# rmap-diff trace v1\n# é\nmap p0 16..24 # decimal\r\n\n\tfork p0 p1 fail=1,3,5+\nexit p1".to_owned());
    let expected =
        "map p0 16..24\nexpect[..6.16,7.] p0: 0x10..0x12[ro,!locked] 18..24 [faulted]\nexpect p1: nothing # é\n";
    texts.extend([expected.to_owned(), format!("{expected}unmap p0 16..24\nexpect[6.1] p0: 1..2[rw]")]);
    texts
}

/// One or two small changes, anywhere.
fn mutate(rng: &mut Rng, text: &str) -> Vec<u8> {
    const PIECES: [&str; 41] = [
        "expect",
        "\nexpect p0: 1..2",
        "expect[7.]",
        "6.16..",
        "p0:",
        "nothing",
        "[ro,!locked]",
        "[",
        "map",
        "fault",
        "fork",
        "unmap",
        "exit",
        "protect",
        "resize",
        "walk",
        "unpin",
        "grows",
        "file",
        "dontunmap",
        "wipeonfork",
        "failnode=1",
        "p0",
        "p15",
        "p16",
        "p",
        "0x",
        "..",
        "0xffffffff",
        "0x100000000",
        "-1",
        "fail=",
        "fail=2+",
        ",",
        "+",
        "#",
        "\n",
        "\r",
        "é",
        "\u{1f600}",
        "99999999999999999999",
    ];
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=rng.below(2) {
        let len = bytes.len() as u32;
        let at = rng.below(len + 1) as usize;
        let end = (at + 1 + rng.below(8) as usize).min(bytes.len());
        match rng.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            1 if at < bytes.len() => bytes[at] = rng.next_u64() as u8,
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => bytes.insert(at, b" \t\n0123456789abcdefpx#.,+=[]:!"[rng.below(29) as usize]),
            5 => {
                let copy = bytes[at..end].to_vec();
                let to = rng.below(len + 1) as usize;
                bytes.splice(to..to, copy);
            }
            6 if bytes.get(at).is_some_and(u8::is_ascii_digit) => bytes[at] = b'0' + rng.below(10) as u8,
            _ => {
                let piece = PIECES[rng.below(PIECES.len() as u32) as usize];
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    bytes
}

/// An error names a place that is there, and says in full what is wrong with it.
fn assert_tells(error: &ParseError, bytes: &[u8]) {
    let shown = || format!("{error}\n{}", String::from_utf8_lossy(bytes));
    let line = bytes.split(|&byte| byte == b'\n').nth(error.line.wrapping_sub(1));
    let line = line.unwrap_or_else(|| panic!("no such line: {}", shown()));
    let columns = String::from_utf8_lossy(line).chars().count() + 1;
    assert!((1..=columns).contains(&error.column), "no such column: {}", shown());
    assert!(error.wanted.len() > 10 && !error.found.is_empty(), "{}", shown());
    assert!(error.to_string().len() < 600 && !error.to_string().contains('\n'), "{}", shown());
}

#[test]
fn a_hundred_thousand_mutated_traces_parse_or_say_where_they_are_wrong() {
    let texts = texts();
    let mut rng = Rng::new(100);
    let newest = reference(NEWEST).revision;
    let (mut solo, mut driver) = (Lockstep::solo(Port::new(newest), Sides::Port), SmallDriver::new());
    let (mut parsed, mut wrong) = (0, 0);
    for number in 0..100_000 {
        let bytes = mutate(&mut rng, &texts[number % texts.len()]);
        match parse_bytes(&bytes) {
            Err(error) => {
                wrong += 1;
                assert_tells(&error, &bytes);
            }
            Ok(trace) => {
                parsed += 1;
                if parsed % 8 == 0 {
                    let result = check::run_trace(&mut solo, &mut driver, &trace);
                    assert_eq!(result.finding, None, "{trace}");
                    assert_eq!(trace.to_file_text().parse().as_ref(), Ok(&trace));
                    assert_eq!(Trace::from_bytes(&trace.to_bytes()).ops, trace.ops);
                }
            }
        }
    }
    // Neither kind is so rare that nothing was tested.
    assert!(parsed > 10_000 && wrong > 30_000, "{parsed} parsed, {wrong} wrong");
}

#[test]
fn a_trace_cut_at_any_byte_parses_or_says_where() {
    for text in texts() {
        for len in 0..=text.len() {
            if let Err(error) = parse_bytes(&text.as_bytes()[..len]) {
                assert_tells(&error, &text.as_bytes()[..len]);
            }
        }
    }
}

#[test]
fn the_byte_form_cut_at_any_byte_is_the_whole_records_before() {
    let whole = random_trace(&mut Rng::new(5), 30, &Mix::default());
    let bytes = whole.to_bytes();
    for len in 0..=bytes.len() {
        let records = len / RECORD_BYTES;
        assert_eq!(Trace::from_bytes(&bytes[..len]).ops, whole.ops[..records], "{len} bytes");
        match Trace::try_from_bytes(&bytes[..len]) {
            Ok(trace) => assert_eq!((len % RECORD_BYTES, trace.ops.len()), (0, records)),
            Err(error) => {
                let said = error.to_string();
                assert!(said.contains(&format!("record {}", records + 1)) && said.contains("--partial"), "{said}");
            }
        }
    }
}

fn random_bytes(rng: &mut Rng, len: usize) -> Vec<u8> {
    (0..len).map(|_| rng.next_u64() as u8).collect()
}

#[test]
fn ten_thousand_random_inputs_decode_to_traces_on_which_both_sides_agree() {
    for name in ["6.12", NEWEST] {
        let mut rng = Rng::new(10_000);
        let (mut lockstep, mut driver) = (lockstep(reference(name)), SmallDriver::new());
        let (mut done, mut failed) = (0, 0);
        for _ in 0..10_000 {
            let len = rng.below(20 * RECORD_BYTES as u32) as usize;
            let bytes = random_bytes(&mut rng, len);
            let trace = Trace::from_bytes_of(OpSet::Small, &bytes);
            assert_eq!(trace.ops.len(), len / RECORD_BYTES);
            let result = check::run_trace(&mut lockstep, &mut driver, &trace);
            assert_nothing_found(reference(name), &result, &trace);
            done += result.stats.done;
            failed += result.stats.failed;
        }
        assert!(done > 50_000 && failed > 1_000, "{name}: {done} operations done, {failed} failed");
    }
}

#[test]
fn a_mebibyte_of_random_bytes_runs() {
    for name in ["6.12", NEWEST] {
        let trace = Trace::from_bytes_of(OpSet::Small, &random_bytes(&mut Rng::new(20), 1 << 20));
        assert_eq!(trace.ops.len(), (1 << 20) / RECORD_BYTES);
        let result = run(reference(name), &trace);
        assert_nothing_found(reference(name), &result, &trace);
        assert!(result.stats.done > 20_000, "{:?}", result.stats);
    }
}

#[test]
fn oversized_texts_end_in_time_and_in_a_short_message() {
    let long = 1 << 20;
    // What is long and right.
    let spaces = format!("exit{}p0{}# x", " ".repeat(long), "\t".repeat(long));
    assert_eq!(parse_bytes(spaces.as_bytes()).map(|t| t.ops.len()), Ok(1));
    assert_eq!(parse_bytes("# comment\n\n".repeat(100_000).as_bytes()), Ok(Trace::default()));
    assert_eq!(parse_bytes("exit p1\n".repeat(200_000).as_bytes()).map(|t| t.ops.len()), Ok(200_000));
    let zeros = format!("fault p0 0x{}10", "0".repeat(long));
    assert_eq!(parse_bytes(zeros.as_bytes()), Ok(trace("fault p0 16")));
    // What is long and wrong.
    let numbers: Vec<String> = (1..=60_000).map(|n| n.to_string()).collect();
    for text in [
        "x".repeat(long),
        "\u{1f600}".repeat(long),
        format!("map p0 {}", "1..".repeat(long)),
        format!("map p{} 1..2", "9".repeat(long)),
        format!("fault p0 {}", "1".repeat(long)),
        format!("exit p0 fail={}", numbers.join(",")),
        format!("exit p0 fail={}", ",".repeat(long)),
        format!("exit p0 fail={}", "1".repeat(long)),
        format!("exit p0 {}", "fail=1 ".repeat(long / 8)),
        format!("# rmap-diff trace v{}", "1".repeat(long)),
    ] {
        assert_tells(&parse_bytes(text.as_bytes()).expect_err("wrong"), text.as_bytes());
    }
    let said = parse_bytes(format!("exit p0 fail={}", numbers.join(",")).as_bytes()).unwrap_err().to_string();
    assert!(said.contains("at most 4 single attempts"), "{said}");
    let most = (1..=Fail::MAX).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(parse_bytes(format!("exit p0 fail={most},65535+").as_bytes()).map(|t| t.ops.len()), Ok(1));
}

#[test]
fn a_trace_at_every_limit_runs_on_every_generation() {
    let last = PAGE_LIMIT - 1;
    assert_eq!((last, MAX_PROCESSES), (u64::from(u32::MAX), 16));
    let text = format!(
        "map p0 0..{last}\nfault p0 0\nfault p0 {}\nfork p0 p15\nfault p15 {}\nunmap p0 1..{}\nfork p15 p14 fail=65535\n\
         unmap p15 0..{last}\nmap p15 {}..{last} fail=1+\nmap p15 {last}..{last}\nfault p15 {last}\nexit p0\nexit p15\n\
         exit p14\nfork p15 p0\n",
        last - 1,
        last - 1,
        last - 1,
        last - 1,
    );
    let trace = trace(&text);
    assert_eq!(Trace::from_bytes(&trace.to_bytes()), trace);
    for name in GENERATIONS {
        let result = run(reference(name), &trace);
        assert_nothing_found(reference(name), &result, &trace);
        let stats = (result.stats.done, result.stats.failed, result.stats.refused);
        assert_eq!(stats, (11, 1, 3), "{name}: the map that may not allocate fails, and three are illegal");
    }
}

#[test]
fn every_operation_at_random_places_is_refused_or_done() {
    // Anything that the text form can say, nearly all of it illegal.
    let mut rng = Rng::new(30);
    let page = |rng: &mut Rng| match rng.below(3) {
        0 => u64::from(rng.below(8)),
        1 => PAGE_LIMIT - 1 - u64::from(rng.below(8)),
        _ => rng.next_u64() % PAGE_LIMIT,
    };
    for round in 0..200 {
        let mut text = String::new();
        for _ in 0..50 {
            let (p, q) = (rng.below(4), 12 + rng.below(4));
            let (mut a, mut b) = (page(&mut rng), page(&mut rng));
            if a > b {
                std::mem::swap(&mut a, &mut b);
            }
            text += &match rng.below(6) {
                0 | 1 => format!("map p{p} {a}..{b}"),
                2 => format!("fault p{p} {a}"),
                3 => format!("fork p{} p{}", [p, q][rng.below(2) as usize], [q, p][rng.below(2) as usize]),
                4 => format!("unmap p{p} {a}..{b}"),
                _ => format!("exit p{q}"),
            };
            text += if rng.below(4) == 0 { " fail=2\n" } else { "\n" };
        }
        let trace = trace(&text);
        let name = if round % 2 == 0 { "6.12" } else { NEWEST };
        assert_nothing_found(reference(name), &run(reference(name), &trace), &trace);
    }
}

// --- Trees, patches, the cache ---

/// A cache with two references, `old` (6.12) and `new` (the newest 7.x), each of just the files that the manifest
/// names, and a copy of each tree to break.
struct Fixture {
    dir: tempfile::TempDir,
    cache: Cache,
}

/// What a tree needs to be a reference.
fn needed_files() -> Vec<String> {
    let manifest = Manifest::builtin().unwrap();
    let whole = manifest.whole.into_iter().map(|whole| whole.file);
    let mut files: Vec<String> = whole.chain(manifest.cut.into_iter().flat_map(|cut| cut.from)).collect();
    files.push("Makefile".to_owned());
    files.sort();
    files.dedup();
    files
}

impl Fixture {
    fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let world = Fixture { cache: Cache::at(dir.path().join("cache")), dir };
        for (name, generation) in [("old", "6.12"), ("new", NEWEST)] {
            let cached = cache::load(reference(generation).name).unwrap_or_else(|error| panic!("{error}"));
            for file in needed_files() {
                if let Ok(text) = fs::read(cached.tree().join(&file)) {
                    let to = world.tree(name).join(&file);
                    fs::create_dir_all(to.parent().unwrap()).unwrap();
                    fs::write(to, text).unwrap();
                }
            }
            world.add(name, name, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        world
    }

    fn tree(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, tree: &str, path: &str) -> String {
        fs::read_to_string(self.tree(tree).join(path)).unwrap()
    }

    fn write(&self, tree: &str, path: &str, text: &str) {
        fs::write(self.tree(tree).join(path), text).unwrap();
    }

    fn add(&self, name: &str, tree: &str, patches: &[PathBuf]) -> Result<(), String> {
        let tree = self.tree(tree).display().to_string();
        let addition =
            Addition { name: name.to_owned(), tree, rev: None, patches: patches.to_vec(), ..Addition::default() };
        supply::add(&self.cache, &addition, &mut |_| ()).map(drop).map_err(|error| error.to_string())
    }

    /// Adding must fail under a new name and over an old one, say all of this, and leave the cache as it was.
    fn refuses(&self, tree: &str, patches: &[PathBuf], says: &[&str]) -> String {
        let before = listing(self.cache.dir());
        assert!(before.len() > 20);
        let mut last = String::new();
        for name in ["mine", "old"] {
            last = self.add(name, tree, patches).expect_err("it is broken");
            for wanted in says {
                assert!(last.contains(wanted), "`{wanted}` wanted: {last}");
            }
            assert!(listing(self.cache.dir()) == before, "the cache is not as it was after: {last}");
        }
        last
    }
}

/// Every file below a directory with its text: what must not change.
fn listing(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.insert(path.clone(), Vec::new());
            all.extend(listing(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

/// Where the definition of a function lies in a text of kernel style, from its first line to its last brace.
fn definition(text: &str, name: &str) -> std::ops::Range<usize> {
    let call = format!("{name}(");
    let body = |at: usize| text[at..].find(")\n{\n").map(|open| &text[at..at + open]);
    let at = text
        .match_indices(&call)
        .map(|(at, _)| at)
        .find(|&at| {
            let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let whole = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            whole
                && !text[line..].starts_with(['\t', ' ', '*'])
                && body(at).is_some_and(|arguments| !arguments.contains(';'))
        })
        .unwrap_or_else(|| panic!("no {name}()"));
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    start..at + text[at..].find("\n}\n").unwrap() + 3
}

#[test]
fn a_tree_without_the_subject_is_refused() {
    let world = Fixture::new();
    fs::remove_file(world.tree("new").join("mm/rmap.c")).unwrap();
    let said = world.refuses("new", &[], &["no mm/rmap.c in it", "the top directory of a Linux kernel tree is wanted"]);
    assert!(said.contains(&world.tree("new").display().to_string()), "{said}");
    world.refuses("nothing", &[], &["nothing: no such directory, tarball or git repository"]);
    fs::remove_file(world.tree("old").join("lib/rbtree.c")).unwrap();
    world.refuses("old", &[], &["lib/rbtree.c: not in the tree", "csrc/manifest.toml"]);
}

#[test]
fn a_tree_that_lacks_a_function_is_refused_by_its_name() {
    let world = Fixture::new();
    for tree in ["old", "new"] {
        let rmap = world.file(tree, "mm/rmap.c");
        for name in ["__anon_vma_prepare", "anon_vma_clone", "anon_vma_fork", "unlink_anon_vmas", "__put_anon_vma"] {
            let mut without = rmap.clone();
            without.replace_range(definition(&rmap, name), "");
            world.write(tree, "mm/rmap.c", &without);
            let wanted = format!("mm/rmap.c: no definition of {name} (the anon_vma life cycle)");
            world.refuses(tree, &[], &[&wanted, "say so in csrc/manifest.toml"]);
        }
        world.write(tree, "mm/rmap.c", &rmap);
    }
    world.add("mine", "old", &[]).expect("whole again");
}

#[test]
fn a_lost_brace_anywhere_in_a_function_is_seen() {
    let world = Fixture::new();
    let manifest = Manifest::builtin().unwrap();
    let mut seen = 0;
    for tree in ["old", "new"] {
        let rmap = world.file(tree, "mm/rmap.c");
        for name in ["anon_vma_clone", "anon_vma_fork", "unlink_anon_vmas"] {
            let range = definition(&rmap, name);
            for at in range.filter(|&at| matches!(rmap.as_bytes()[at], b'{' | b'}')) {
                let mut broken = rmap.clone();
                broken.remove(at);
                world.write(tree, "mm/rmap.c", &broken);
                let line = 1 + rmap[..at].matches('\n').count();
                let said = match extract_tree(&world.tree(tree), &manifest) {
                    Ok(_) => panic!("{tree}: {name}: the brace of line {line} is not missed"),
                    Err(error) => error.to_string(),
                };
                let place = said.strip_prefix("mm/rmap.c:").unwrap_or_else(|| panic!("no place: {said}"));
                let named: usize = place.split(':').next().unwrap().parse().unwrap_or_else(|_| panic!("{said}"));
                assert!(said.contains("brace") && said.contains("compare the file with its original"), "{said}");
                assert!(named.abs_diff(line) < 300, "line {line}: {said}");
                assert!(named <= line || said.contains("here or above"), "line {line}: {said}");
                seen += 1;
            }
        }
        world.write(tree, "mm/rmap.c", &rmap);
    }
    assert!(seen > 30, "only {seen} braces");
    let rmap = world.file("new", "mm/rmap.c");
    let range = definition(&rmap, "anon_vma_fork");
    world.write("new", "mm/rmap.c", &(rmap[..range.end - 2].to_owned() + &rmap[range.end - 1..]));
    world.refuses("new", &[], &["mm/rmap.c:", "brace"]);
}

/// A line of 6.12.
const OLD_LINE: &str = "anon_vma->root = pvma->anon_vma->root;";

/// A diff that changes one line of `mm/rmap.c` of a tree, with the lines around it.
fn diff(rmap: &str, from: &str, to: &str) -> String {
    let lines: Vec<&str> = rmap.lines().collect();
    let at = lines.iter().position(|line| line.contains(from)).unwrap();
    let mut text = format!("--- a/mm/rmap.c\n+++ b/mm/rmap.c\n@@ -{},7 +{},7 @@\n", at - 2, at - 2);
    lines[at - 3..at].iter().for_each(|line| text += &format!(" {line}\n"));
    text += &format!("-{}\n+{}\n", lines[at], lines[at].replace(from, to));
    lines[at + 1..at + 4].iter().for_each(|line| text += &format!(" {line}\n"));
    text
}

#[test]
fn a_patch_that_does_not_apply_names_the_hunk_and_leaves_the_cache_alone() {
    let world = Fixture::new();
    let rmap = world.file("old", "mm/rmap.c");
    let patch = world.dir.path().join("a.patch");
    let good = diff(&rmap, OLD_LINE, "anon_vma->root = (pvma->anon_vma)->root;");
    fs::write(&patch, &good).unwrap();
    world.add("patched", "old", std::slice::from_ref(&patch)).unwrap_or_else(|error| panic!("{error}\n{good}"));

    let twice = [patch.clone(), patch.clone()];
    world.refuses("old", &twice, &["a.patch: mm/rmap.c: already applied", "leave this patch out"]);
    fs::write(&patch, good.replace(OLD_LINE, "no_such_line;")).unwrap();
    let advice = "is the patch for another version, or is one before it missing?";
    let one = std::slice::from_ref(&patch);
    world.refuses("old", one, &["a.patch: mm/rmap.c: hunk 1 of 1 (line ", "does not apply", advice]);
    fs::write(&patch, good.replace("mm/rmap.c", "mm/no_such_file.c")).unwrap();
    world.refuses("old", one, &["a.patch: mm/no_such_file.c: not in the tree"]);
    let cut: Vec<&str> = good.lines().collect();
    fs::write(&patch, cut[..cut.len() - 2].join("\n")).unwrap();
    world.refuses("old", one, &["a.patch:", "mm/rmap.c: hunk 1 is cut short or damaged here"]);
    fs::write(&patch, "Hello,\n\nplease apply.\n").unwrap();
    world.refuses("old", one, &["a.patch: no diff in it"]);
    fs::remove_file(&patch).unwrap();
    world.refuses("old", one, &["a.patch: No such file", "PATCHES= of make, or --patch, names"]);
}

#[test]
fn patches_of_noise_are_refused() {
    let world = Fixture::new();
    let rmap = world.file("old", "mm/rmap.c");
    let good = diff(&rmap, OLD_LINE, "anon_vma->root = (pvma->anon_vma)->root;");
    let patch = world.dir.path().join("noise.patch");
    let before = listing(world.cache.dir());
    let mut rng = Rng::new(50);
    for round in 0..30 {
        let bytes = match round {
            0 => Vec::new(),
            1..6 => random_bytes(&mut rng, 3_000),
            _ => mutate(&mut rng, &good),
        };
        fs::write(&patch, &bytes).unwrap();
        match world.add("noise", "old", std::slice::from_ref(&patch)) {
            // A change of a comment, of a line number, of what is put in.
            Ok(()) => world.cache.remove("noise").unwrap(),
            Err(said) => {
                assert!(said.contains("noise.patch") || said.contains("mm/rmap.c"), "no place: {said}")
            }
        }
        assert!(listing(world.cache.dir()) == before, "the cache is not as it was");
    }
}

#[test]
fn an_empty_cache_names_the_one_command_to_run() {
    let dir = tempfile::tempdir().unwrap();
    for place in [dir.path().to_owned(), dir.path().join("not/there/yet")] {
        // What the build script asks first.
        let said = Cache::at(&place).some_references().expect_err("nothing is there").to_string();
        assert!(said.contains(&place.display().to_string()) && said.contains("run `make kernels`"), "{said}");
        assert!(said.contains("make kernel NAME="), "{said}");
        assert!(Cache::at(&place).references().is_ok_and(|all| all.is_empty()));
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "looking creates nothing");
}

#[test]
fn a_damaged_cache_says_which_note_and_how_to_mend_it() {
    let world = Fixture::new();
    let note = world.cache.dir().join("old/reference.toml");
    let good = fs::read_to_string(&note).unwrap();
    for bad in ["", "name = 3\n", "\u{0}\u{1}", &good[..good.len() / 2], &good.replace("\"old\"", "\"other\"")] {
        fs::write(&note, bad).unwrap();
        let said = world.cache.references().expect_err("damaged").to_string();
        assert!(said.contains("old/reference.toml") && said.contains("rmap-kernels remove old"), "{bad:?}: {said}");
    }
    world.cache.remove("old").expect("what the message says to do");
    assert_eq!(world.cache.references().unwrap().len(), 1);
}

// --- The same through the command that `make kernel` calls ---

/// The `rmap-kernels` command, built beside this test: cargo names it only to tests of its own package.
fn kernels(cache: &Path, args: &[&str]) -> Output {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let program = BUILT.get_or_init(|| {
        let profile = Path::new(env!("CARGO_BIN_EXE_rmap-diff")).parent().unwrap();
        let release = profile.file_name().is_some_and(|name| name == "release");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "-q", "-p", "rmap-extract", "--bin", "rmap-kernels", "--target-dir"]);
        build.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(build.args(release.then_some("--release")).status().unwrap().success());
        profile.join(format!("rmap-kernels{}", std::env::consts::EXE_SUFFIX))
    });
    Command::new(program).args(args).env("RMAP_CACHE", cache).output().unwrap()
}

#[test]
fn the_command_fails_with_one_clear_line_and_leaves_the_cache_alone() {
    let world = Fixture::new();
    let (old, new) = (world.tree("old").display().to_string(), world.tree("new").display().to_string());
    let patch = world.dir.path().join("a.patch");
    let good = diff(&world.file("old", "mm/rmap.c"), OLD_LINE, "anon_vma->root = NULL;");
    fs::write(&patch, good.replace(OLD_LINE, "no_such_line;")).unwrap();
    let patch = patch.display().to_string();
    let rmap = world.file("new", "mm/rmap.c");
    world.write("new", "mm/rmap.c", &rmap.replace("unlink_anon_vmas(", "unlink_them(").replacen("\n}\n", "\n\n", 1));

    let before = listing(world.cache.dir());
    for (args, wanted) in [
        (&["add", "--name", "x", "--tree", &new][..], "mm/rmap.c"),
        (&["add", "--name", "x", "--tree", &old, "--patch", &patch], "hunk 1 of 1"),
        (&["add", "--name", "x", "--tree", &old, "--rev", "v1"], "revision `v1` asked for"),
        (&["add", "--name", "../x", "--tree", &old], "`../x` is no name for a reference"),
        (&["add", "--name", "x", "--tree", "/not/there"], "no such directory, tarball or git repository"),
        (&["check", &new], "mm/rmap.c"),
        (&["remove", "x"], "there is old, new"),
        (&["ensure", "x"], "no reference `x`"),
    ] {
        let output = kernels(world.cache.dir(), args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.starts_with("rmap-kernels: ") && said.lines().count() == 1, "{args:?}: {said}");
        assert!(said.contains(wanted) && !said.contains("panicked"), "{args:?}: `{wanted}` wanted: {said}");
        assert_eq!(output.stdout, b"", "{args:?}");
        assert!(listing(world.cache.dir()) == before, "{args:?}: the cache is not as it was");
    }
    let empty = tempfile::tempdir().unwrap();
    let output = kernels(empty.path(), &["list"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("run `make kernels`"), "{said}");

    let output = kernels(world.cache.dir(), &["list"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.lines().count() == 2, "{said}");
}

#[test]
fn make_refuses_a_variable_that_no_target_reads_and_a_time_that_is_no_number() {
    let make = |argument: &str| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Cargo tells its own make of itself.
        let mut make = Command::new("make");
        make.args(["-n", "fuzz", argument])
            .current_dir(root)
            .env_remove("MAKEFLAGS")
            .env_remove("MFLAGS")
            .output()
            .unwrap()
    };
    for (argument, wanted) in [("KERNL=7.3", "no target reads KERNL"), ("TIME=abc", "TIME=abc: a whole number")] {
        let output = make(argument);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(wanted), "{argument}: {said}");
    }
    for argument in ["KERNEL=7.3", "TIME=5", "RMAP_SLAB=poison", "CARGO_TARGET_DIR=elsewhere"] {
        assert!(make(argument).status.success(), "{argument}");
    }
}
