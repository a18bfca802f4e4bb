//! What was compiled is the tree's own text: the pieces that the binary tells of, the files that the compiler read, and
//! what an independent search finds in the tree are the same, byte for byte.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{GENERATIONS, NEWEST, reference};
use rmap_diff::kernel::{self, Reference};
use rmap_diff::rmap::Revision;
use rmap_extract::extract::{self, Extract, ExtractError, VERBATIM, closure};
use rmap_extract::manifest::Manifest;
use rmap_extract::{cache, source, syntax};

/// What every generation has to bring, whatever the manifest says.
const ENTRY_POINTS: [&str; 19] = [
    "__anon_vma_prepare",
    "__put_anon_vma",
    "anon_vma_alloc",
    "anon_vma_chain_alloc",
    "anon_vma_chain_free",
    "anon_vma_clone",
    "anon_vma_compatible",
    "anon_vma_ctor",
    "anon_vma_fork",
    "anon_vma_free",
    "anon_vma_init",
    "anon_vma_lock_write",
    "anon_vma_prepare",
    "anon_vma_unlock_write",
    "find_mergeable_anon_vma",
    "get_anon_vma",
    "put_anon_vma",
    "reusable_anon_vma",
    "unlink_anon_vmas",
];

/// What else is wrapped: functions of the trees, by the end of their names.
const IN_TREES: [&str; 4] = ["insert", "remove", "pre_update_vma", "post_update_vma"];

/// The functions of which every call is seen by a wrapper.
const OBSERVED: [&str; 4] = ["__anon_vma_prepare", "anon_vma_clone", "anon_vma_fork", "unlink_anon_vmas"];

/// A piece as the binary tells of it.
struct Piece {
    kind: String,
    symbol: String,
    file: String,
    first_line: usize,
    last_line: usize,
    into: String,
    wrapped: bool,
    text: String,
}

fn pieces(reference: &Reference) -> Vec<Piece> {
    let list: serde_json::Value = serde_json::from_str(reference.pieces).expect("the pieces are JSON");
    let list = list.as_array().expect("a list of pieces");
    assert!(list.len() > 30, "{}: only {} pieces", reference.name, list.len());
    let text = |piece: &serde_json::Value, key: &str| piece[key].as_str().expect(key).to_owned();
    let line = |piece: &serde_json::Value, key: &str| piece[key].as_u64().expect(key) as usize;
    list.iter()
        .map(|piece| Piece {
            kind: text(piece, "kind"),
            symbol: text(piece, "symbol"),
            file: text(piece, "file"),
            first_line: line(piece, "first_line"),
            last_line: line(piece, "last_line"),
            into: text(piece, "into"),
            wrapped: piece["wrapped"].as_bool().expect("wrapped"),
            text: text(piece, "text"),
        })
        .collect()
}

fn tree(reference: &Reference) -> PathBuf {
    let cached = cache::load(reference.name).unwrap_or_else(|error| panic!("{error}"));
    cached.tree()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a text, each with its newline.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// The directory of the files that the compiler of this build read.
fn compiled(reference: &Reference) -> PathBuf {
    Path::new(env!("OUT_DIR")).join("references").join(reference.name)
}

fn extract_again(reference: &Reference) -> Extract {
    let cached = cache::load(reference.name).unwrap_or_else(|error| panic!("{error}"));
    extract::extract(&cached, &Manifest::builtin().unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_references_are_those_of_every_generation() {
    let names: BTreeSet<&str> = GENERATIONS.iter().map(|name| reference(name).name).collect();
    assert_eq!(names.len(), GENERATIONS.len(), "two generations by one name: {names:?}");
}

#[test]
fn every_piece_is_the_trees_own_text_at_the_lines_it_names() {
    for reference in kernel::references() {
        for piece in pieces(reference) {
            let place = format!("{}: {}:{} {}", reference.name, piece.file, piece.first_line, piece.symbol);
            let file = read(&tree(reference).join(&piece.file));
            if piece.kind == "whole" {
                assert!(piece.text == file, "{place}: not the whole file");
                assert_eq!((piece.first_line, piece.last_line), (1, lines(&file).len()), "{place}");
                continue;
            }
            let of_the_tree = lines(&file)[piece.first_line - 1..piece.last_line].concat();
            assert_eq!(Some(piece.text.as_str()), of_the_tree.strip_suffix('\n'), "{place}");
        }
    }
}

/// Where a function begins and ends in a text, found by its name at the beginning of a line (after its type) and by
/// counting braces: knows nothing of the extractor's parser.
fn search_function(text: &str, name: &str) -> Vec<(usize, usize)> {
    let text_lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut offset = 0;
    for (number, line) in text_lines.iter().enumerate() {
        let start = offset;
        offset += line.len() + 1;
        let Some(at) = line.find(&format!("{name}(")) else { continue };
        let before = &line[..at];
        let signature = before.chars().all(|c| c.is_alphanumeric() || "_ *\t".contains(c))
            && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && !line.starts_with([' ', '\t']);
        if !signature {
            continue;
        }
        let Some(last) = body_end(&text[start + at..]) else { continue };
        let last_line = 1 + text[..start + at + last].matches('\n').count();
        // The type may stand on lines of its own before the name.
        let mut first = number;
        while first > 0 && text_lines[first - 1].starts_with(|c: char| c.is_alphabetic() || c == '_') {
            let before = text_lines[first - 1];
            if before.ends_with([';', '}', ')', ':', '/']) {
                break;
            }
            first -= 1;
        }
        found.push((first + 1, last_line));
    }
    found
}

/// Where the body after a parameter list ends: the offset of its last brace; none for a declaration.
fn body_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut parentheses, mut braces, mut at) = (0, 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'/' if bytes[at..].starts_with(b"/*") => at += text[at..].find("*/")? + 1,
            b'/' if bytes[at..].starts_with(b"//") => at += text[at..].find('\n')?,
            quote @ (b'"' | b'\'') => {
                at += 1;
                while bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'(' => parentheses += 1,
            b')' => parentheses -= 1,
            b';' if braces == 0 && parentheses == 0 => return None,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces == 0 {
                    return (bytes[at - 1] == b'\n').then_some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[test]
fn an_independent_search_finds_each_function_of_rmap_c_at_the_same_lines() {
    for reference in kernel::references() {
        let rmap = read(&tree(reference).join("mm/rmap.c"));
        let mut checked = 0;
        for piece in pieces(reference) {
            if piece.file == "mm/rmap.c" && piece.kind == "function" {
                let found = search_function(&rmap, &piece.symbol);
                assert_eq!(found, [(piece.first_line, piece.last_line)], "{}: {}", reference.name, piece.symbol);
                checked += 1;
            }
        }
        assert!(checked >= 12, "{}: only {checked} functions", reference.name);
    }
}

#[test]
fn the_independent_search_knows_a_definition_from_a_call_and_a_declaration() {
    let text = "int f(void);\n\nint f(void)\n{\n\tchar c = '}';\n\treturn g(\"}\"); /* } */\n}\n\nint h(void)\n{\n\tif (f()) {\n\t\treturn 1;\n\t}\n}\n";
    assert_eq!(search_function(text, "f"), [(3, 7)]);
    assert_eq!(search_function(text, "h"), [(9, 14)]);
    assert_eq!(search_function(text, "g"), []);
    assert_eq!(search_function("static struct a *\nf(int a,\n  int b)\n{\n}\n", "f"), [(1, 5)]);
    assert_eq!(search_function("int f(void)\n{\n\tif (1) {\n}\n", "f"), []);
}

#[test]
fn every_function_that_touches_a_chain_or_a_cache_is_cut() {
    for reference in kernel::references() {
        let rmap = read(&tree(reference).join("mm/rmap.c"));
        let cut: BTreeSet<String> =
            pieces(reference).into_iter().filter(|p| p.kind == "function").map(|p| p.symbol).collect();
        // What a line at column 1 names before its parenthesis is a function, if a body follows.
        let mut names = BTreeSet::new();
        for line in rmap.lines().filter(|line| line.starts_with(|c: char| c.is_alphabetic() || c == '_')) {
            let before = line.split('(').next().unwrap_or_default();
            if let Some(name) = before.split([' ', '*', '\t']).next_back().filter(|name| !name.is_empty()) {
                names.insert(name);
            }
        }
        let text_lines = lines(&rmap);
        let mut touching = 0;
        for name in names {
            for (first, last) in search_function(&rmap, name) {
                let text = text_lines[first - 1..last].concat();
                if ["same_vma", "anon_vma_cachep", "anon_vma_chain_cachep"].iter().any(|word| text.contains(word)) {
                    touching += 1;
                    assert!(cut.contains(name), "{}: {name}() is not cut", reference.name);
                }
            }
        }
        assert!(touching >= 8, "{}: only {touching} functions", reference.name);
    }
}

#[test]
fn the_set_of_entry_points_is_complete_on_every_reference() {
    for reference in kernel::references() {
        let pieces = pieces(reference);
        for name in ENTRY_POINTS {
            let count = pieces.iter().filter(|piece| piece.kind == "function" && piece.symbol == name).count();
            assert_eq!(count, 1, "{}: {name}()", reference.name);
        }
        let tries = pieces.iter().any(|piece| piece.symbol == "anon_vma_trylock_read");
        assert_eq!(tries, reference.revision.walk_tries_lock, "{}", reference.name);
        let newest = reference.revision.keyed_by_anon_pgoff;
        let update = if newest { "anon_rmap_tree" } else { "anon_vma_interval_tree" };
        for name in [format!("{update}_pre_update_vma"), format!("{update}_post_update_vma")] {
            let in_a_whole_file = |piece: &Piece| {
                reference.revision.updates_in_place && piece.kind == "whole" && piece.text.contains(&format!("{name}("))
            };
            let there = pieces.iter().any(|piece| piece.symbol == name || in_a_whole_file(piece));
            assert!(there, "{}: {name}()", reference.name);
        }
        for name in ["anon_vma", "anon_vma_chain"] {
            assert!(pieces.iter().any(|p| p.kind == "struct" && p.symbol == name), "{}: {name}", reference.name);
        }
        let cleanup = pieces.iter().any(|p| p.kind == "function" && p.symbol == "cleanup_partial_anon_vmas");
        assert_eq!(cleanup, reference.revision.chains_preallocated, "{}", reference.name);
    }
}

/// A generated file, taken apart.
#[derive(Default)]
struct TakenApart {
    /// The text after each line marker: the file and first line that it names, and its last line.
    runs: Vec<(String, usize, usize)>,
    /// What is renamed.
    renamed: BTreeSet<String>,
}

/// Takes a generated file apart: every line is either one of the extractor's markers or the tree's line that the last
/// marker counts to.
fn take_apart(text: &str, tree: &Path, what: &str) -> TakenApart {
    let mut apart = TakenApart::default();
    let mut open: Vec<&str> = Vec::new();
    let mut source = String::new();
    let mut next = 0;
    for (number, line) in lines(text).into_iter().enumerate() {
        let place = format!("{what}:{}", number + 1);
        if next > 0 && lines(&source).get(next - 1).is_some_and(|tree_line| with_newline(tree_line) == line) {
            if let Some(run) = apart.runs.last_mut() {
                run.2 = next;
            }
            next += 1;
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["#line", first, file] => {
                let file = file.trim_matches('"');
                next = first.parse().expect("a line number");
                source = read(&tree.join(file));
                apart.runs.push((file.to_owned(), next, next - 1));
            }
            ["#define", name, verbatim] if verbatim == format!("{VERBATIM}{name}") => {
                assert!(apart.renamed.insert(name.to_owned()), "{place}: {name} is renamed twice");
                open.push(name);
                next = 0;
            }
            ["#undef", name] if open.contains(&name) => {
                open.retain(|other| *other != name);
                next = 0;
            }
            _ => panic!("{place}: neither the extractor's nor line {next} of the tree: {line}"),
        }
    }
    assert!(open.is_empty(), "{what}: {open:?} stay renamed");
    apart
}

fn with_newline(line: &str) -> String {
    if line.ends_with('\n') { line.to_owned() } else { format!("{line}\n") }
}

const GENERATED: [&str; 5] = ["rmap.c", "inlines.h", "vma_inlines.h", "structs.h", "interval_tree.c"];

#[test]
fn every_line_that_was_compiled_is_the_trees_line_that_its_marker_counts_to() {
    for reference in kernel::references() {
        let pieces = pieces(reference);
        let mut renamed = BTreeSet::new();
        for name in GENERATED {
            let what = format!("{} {name}", reference.name);
            let text = read(&compiled(reference).join(name));
            let apart = take_apart(&text, &tree(reference), &what);
            renamed.extend(apart.renamed);
            if name == "interval_tree.c" {
                let whole = lines(&read(&tree(reference).join("mm/interval_tree.c"))).len();
                // Each function that is renamed has a marker of its own, and nothing is left out.
                let mut next = 1;
                for (file, first, last) in &apart.runs {
                    assert_eq!((file.as_str(), *first), ("mm/interval_tree.c", next), "{what}");
                    next = last + 1;
                }
                assert_eq!(next, whole + 1, "{what}");
                continue;
            }
            // Each piece has a marker with its own line, and the text after it ends where the piece ends.
            let wanted: BTreeSet<_> = pieces
                .iter()
                .filter(|piece| piece.into == name)
                .map(|piece| (piece.file.clone(), piece.first_line, piece.last_line))
                .collect();
            assert!(!wanted.is_empty(), "{what}");
            assert_eq!(apart.runs.iter().cloned().collect::<BTreeSet<_>>(), wanted, "{what}");
            assert_eq!(apart.runs.len(), wanted.len(), "{what}: a piece is there twice");
            for piece in pieces.iter().filter(|piece| piece.into == name) {
                let marked = format!("#line {} \"{}\"\n{}\n", piece.first_line, piece.file, piece.text);
                assert_eq!(text.matches(&marked).count(), 1, "{what}: {}", piece.symbol);
            }
        }
        for piece in pieces.iter().filter(|piece| piece.kind == "whole") {
            let text = read(&compiled(reference).join(&piece.into));
            assert!(text == piece.text, "{}: {}", reference.name, piece.into);
        }
        let functions =
            if reference.revision.keyed_by_anon_pgoff { "anon_rmap_tree" } else { "anon_vma_interval_tree" };
        let wanted: BTreeSet<String> = OBSERVED
            .iter()
            .map(|name| (*name).to_owned())
            .chain(IN_TREES.map(|what| format!("{functions}_{what}")))
            .collect();
        assert_eq!(renamed, wanted, "{}: what is renamed", reference.name);
    }
}

#[test]
#[should_panic(expected = "neither the extractor's nor line 2 of the tree")]
fn a_line_that_is_not_the_trees_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.c"), "int a;\nint b;\n").unwrap();
    take_apart("#line 1 \"a.c\"\nint a;\nint b; \n", dir.path(), "a.c");
}

#[test]
fn what_was_compiled_is_what_the_extractor_writes_again() {
    for reference in kernel::references() {
        let dir = tempfile::tempdir().unwrap();
        let again = extract_again(reference);
        again.write(dir.path(), "").unwrap_or_else(|error| panic!("{error}"));
        let mut compared = 0;
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(dir.path().join(&directory)).unwrap() {
                let entry = entry.unwrap();
                let path = directory.join(entry.file_name());
                if entry.path().is_dir() {
                    directories.push(path);
                } else if path != Path::new("extract.txt") {
                    let same = read(&entry.path()) == read(&compiled(reference).join(&path));
                    assert!(same, "{}: {}", reference.name, path.display());
                    compared += 1;
                }
            }
        }
        assert!(compared >= 15, "{}: only {compared} files", reference.name);
        assert!(read(&dir.path().join("pieces.json")) == reference.pieces, "{}", reference.name);
    }
}

#[test]
fn the_record_of_what_is_wrapped_is_what_is_wrapped() {
    for reference in kernel::references() {
        let wrapped: BTreeSet<String> =
            pieces(reference).into_iter().filter(|piece| piece.wrapped).map(|piece| piece.symbol).collect();
        // What lies in a file that is taken whole is no piece.
        let functions =
            if reference.revision.keyed_by_anon_pgoff { "anon_rmap_tree" } else { "anon_vma_interval_tree" };
        let around_updates = ["pre_update_vma", "post_update_vma"].map(|what| format!("{functions}_{what}"));
        let around_updates = around_updates.into_iter().filter(|_| !reference.revision.updates_in_place);
        let wanted: BTreeSet<String> = OBSERVED.map(str::to_owned).into_iter().chain(around_updates).collect();
        assert_eq!(wrapped, wanted, "{}", reference.name);
        // The listing says it of each, and of no other.
        let mut said: BTreeSet<String> = BTreeSet::new();
        for line in listed(reference.extract).lines() {
            if let Some((before, _)) = line.split_once(" (observed by a wrapper)") {
                said.extend(before.split_whitespace().next_back().map(str::to_owned));
            } else if let Some((_, names)) = line.split_once(" (observed by a wrapper: ") {
                said.extend(names.trim_end_matches(')').split(", ").map(str::to_owned));
            }
        }
        let mut renamed = BTreeSet::new();
        for name in GENERATED {
            renamed.extend(take_apart(&read(&compiled(reference).join(name)), &tree(reference), name).renamed);
        }
        assert_eq!(said, renamed, "{}: the listing says of others that they are wrapped", reference.name);
    }
}

/// Every C file and header of csrc/, relative to it.
fn stand_ins(directory: &Path, below: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(directory.join(below)).unwrap() {
        let path = below.join(entry.unwrap().file_name());
        if directory.join(&path).is_dir() {
            stand_ins(directory, &path, all);
        } else if path.extension().is_some_and(|extension| extension == "c" || extension == "h") {
            all.push(path.display().to_string());
        }
    }
}

/// Where the listing of the VMA layer begins.
const LAYER: &str = "\nThe VMA layer, cut by need";

/// What a listing says of the cut by manifest: neither the VMA layer nor the text.
fn listed(listing: &str) -> &str {
    let list = listing.split("\nThe text\n").next().unwrap_or_default();
    list.split(LAYER).next().unwrap_or_default()
}

#[test]
fn kernels_show_lists_every_piece_and_every_stand_in() {
    let mut files = Vec::new();
    stand_ins(&Path::new(env!("CARGO_MANIFEST_DIR")).join("csrc"), Path::new(""), &mut files);
    assert!(files.len() > 20, "{files:?}");
    for reference in kernel::references() {
        let output = Command::new(env!("CARGO_BIN_EXE_rmap-diff")).args(["kernels", "--show", reference.name]).output();
        let output = output.unwrap();
        assert!(output.status.success());
        let shown = String::from_utf8(output.stdout).unwrap();
        let (list, texts) = shown.split_once("\nThe text\n").expect("the list, then the text");
        match (list.split_once(LAYER), reference.without_vma_layer()) {
            (Some((_, layer)), None) => {
                assert!(layer.contains("mm_struct") || layer.contains("dup_mmap"), "{}", reference.name);
            }
            (None, Some(why)) => eprintln!("{}: no VMA layer to be listed: {why}", reference.name),
            (listed, _) => panic!("{}: the VMA layer is listed: {}", reference.name, listed.is_some()),
        }
        let rows: Vec<Vec<&str>> = listed(list).lines().map(|line| line.split_whitespace().collect()).collect();
        for piece in pieces(reference) {
            let place = format!("{}:{}-{}", piece.file, piece.first_line, piece.last_line);
            let what = if piece.kind == "whole" { vec![] } else { vec![piece.symbol.as_str()] };
            let row = [vec![place.as_str(), piece.kind.as_str()], what].concat();
            let rows = rows.iter().filter(|words| words.starts_with(&row)).count();
            assert_eq!(rows, 1, "{}: {place} {}", reference.name, piece.symbol);
            let text = format!("\n=== {place} {}\n{}\n", piece.symbol, piece.text.trim_end_matches('\n'));
            assert_eq!(texts.matches(&text).count(), 1, "{}: the text of {place}", reference.name);
        }
        for file in &files {
            let start = format!("csrc/{file}: ");
            let about = list.lines().find_map(|line| line.strip_prefix(&start));
            assert!(about.is_some_and(|about| about.len() > 10), "{}: csrc/{file}: {about:?}", reference.name);
        }
    }
}

#[test]
fn what_is_provided_by_stand_ins_is_not_cut_too() {
    for reference in kernel::references() {
        let again = extract_again(reference);
        let is_cut = |name: &String| {
            again.pieces.iter().any(|piece| piece.symbol == *name && piece.kind != syntax::Kind::Declaration)
        };
        assert!(again.open_calls.len() > 20, "{}", reference.name);
        assert_eq!(again.open_calls.iter().find(|name| is_cut(name)), None, "{}", reference.name);
    }
}

#[test]
fn the_detected_revision_is_that_of_the_generation() {
    for name in ["6.1", "6.12", "7.2"] {
        assert_eq!(Some(reference(name).revision), Revision::of_generation(name), "{name}");
    }
    let (newest, revision) = Revision::GENERATIONS.last().expect("a generation");
    assert_eq!(reference(NEWEST).revision, *revision, "{newest}");
    let preallocates = Revision { fork_preallocates: true, ..Revision::of_generation("6.12").unwrap() };
    assert_eq!(reference("6.12-fork-preallocates").revision, preallocates);
    // And it is detected again from the tree, field by field.
    for reference in kernel::references() {
        let again = extract_again(reference);
        assert_eq!(again.revision, reference.revision, "{}", reference.name);
        assert_eq!(again.version.to_string(), reference.version);
    }
}

// --- A tree whose VMA code cannot be cut ---

/// The closure of the VMA layer of a tree, or why there is none.
fn cut_vma_layer(tree: &Path) -> Result<closure::Closure, ExtractError> {
    let csrc = Path::new(env!("CARGO_MANIFEST_DIR")).join("csrc");
    let base = Manifest::load(&csrc.join("manifest.toml")).unwrap();
    let manifest = Manifest::load_layer(&csrc.join("vma.toml"), &base).unwrap();
    closure::cut_layer(tree, &manifest, &closure::provided(&csrc, tree, &manifest)?)
}

#[test]
fn a_tree_whose_vma_code_cannot_be_cut_says_what_is_missing_and_is_a_reference_all_the_same() {
    for name in ["6.1", NEWEST] {
        let cached = cache::load(reference(name).name).unwrap();
        let dir = tempfile::tempdir().unwrap();
        source::copy_needed(&cached.tree(), dir.path()).unwrap();

        // A file is gone, as before it was there; a root has another name, as after it was renamed.
        let mremap = dir.path().join("mm/mremap.c");
        let sound = read(&mremap);
        fs::remove_file(&mremap).unwrap();
        let why = cut_vma_layer(dir.path()).expect_err(name).to_string();
        assert!(why.contains("the VMA layer") && why.contains("sys_mremap") && why.len() < 400, "{name}: {why}");
        fs::write(&mremap, sound).unwrap();
        for file in ["kernel/fork.c", "mm/mmap.c"] {
            let path = dir.path().join(file);
            let text = read(&path);
            fs::write(&path, text.replace("dup_mmap(", "copy_all(")).unwrap();
        }
        let why = cut_vma_layer(dir.path()).expect_err(name).to_string();
        assert!(why.contains("dup_mmap") && !why.contains('\n'), "{name}: {why}");
        // What the small driver drives is there as before.
        extract::extract_tree(dir.path(), &Manifest::builtin().unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
