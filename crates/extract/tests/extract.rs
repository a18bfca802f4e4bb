//! What is cut, what comes along, and what is refused. On small trees of our own making.
#![allow(missing_docs)]

mod common;

use std::fs;
use std::path::Path;

use common::{edit, new_tree, old_tree, write};
use rmap_extract::extract::{Extract, ExtractError, closure, extract_tree};
use rmap_extract::manifest::Manifest;
use rmap_extract::reached::Piece;
use rmap_extract::syntax::{Kind, SyntaxError};

fn cut(tree: &Path) -> Result<Extract, ExtractError> {
    extract_tree(tree, &Manifest::builtin().unwrap())
}

fn old() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    old_tree(dir.path(), "6.1.2");
    dir
}

fn new() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    new_tree(dir.path(), "7.3.4");
    dir
}

#[test]
fn every_piece_is_the_trees_own_text_at_its_lines() {
    for dir in [old(), new()] {
        let extract = cut(dir.path()).unwrap();
        assert!(extract.pieces.len() > 25);
        for piece in &extract.pieces {
            let file = fs::read_to_string(dir.path().join(&piece.file)).unwrap();
            let lines: Vec<&str> = file.split_inclusive('\n').collect();
            let text: String = lines[piece.first_line - 1..piece.last_line].concat();
            assert_eq!(text.trim_end(), piece.text.trim_end(), "{} {}", piece.file, piece.symbol);
        }
    }
}

#[test]
fn each_generation_is_found_where_it_keeps_its_definitions() {
    let (old_dir, new_dir) = (old(), new());
    let (old, new) = (cut(old_dir.path()).unwrap(), cut(new_dir.path()).unwrap());
    let file = |extract: &Extract, symbol| extract.piece(symbol).map(|piece| piece.file.clone()).unwrap_or_default();
    assert_eq!(file(&old, "get_anon_vma"), "include/linux/rmap.h");
    assert_eq!(file(&new, "get_anon_vma"), "mm/internal.h");
    assert_eq!(file(&old, "find_mergeable_anon_vma"), "mm/mmap.c");
    assert_eq!(file(&new, "find_mergeable_anon_vma"), "mm/vma.c");
    assert_eq!(file(&old, "vma_operation"), "");
    assert_eq!(old.facts, ["RMAP_SET_ANON_OF_PAGE", "RMAP_MOVE_ANON_OF_PAGE"]);
    assert!(
        new.facts.contains(&"RMAP_ANON_RMAP_TREE".to_owned()) && new.facts.contains(&"RMAP_VMA_OPERATION".to_owned())
    );
    assert!(new.open_calls.contains(&"complain".to_owned()) && !new.open_calls.contains(&"anon_vma_alloc".to_owned()));
}

#[test]
fn one_counter_of_children_and_vmas_is_told_by_the_structure() {
    let has = |dir: &Path| cut(dir).unwrap().facts.iter().any(|there| there == "RMAP_ANON_VMA_DEGREE");
    let dir = old();
    assert!(!has(dir.path()));
    let (one, two) = ("struct anon_vma {\n\tstruct anon_vma *root;\n", "\tunsigned degree;\n");
    edit(dir.path(), "include/linux/rmap.h", one, &format!("{one}{two}"));
    assert!(has(dir.path()));
}

/// Between 7.2 and 7.3, and where somebody takes the change without the new name.
#[test]
fn what_a_tree_function_takes_is_asked_of_itself_and_not_of_its_name() {
    let facts = |dir: &Path| cut(dir).unwrap().facts;
    let has = |facts: &[String], fact: &str| facts.iter().any(|there| there == fact);
    let dir = old();
    assert!(!has(&facts(dir.path()), "RMAP_TREE_OF_ANON_VMA"));
    let insert = "anon_vma_interval_tree_insert(struct anon_vma_chain *link,\n\t\t\tstruct";
    edit(dir.path(), "mm/interval_tree.c", &format!("{insert} rb_root_cached *"), &format!("{insert} anon_vma *"));
    let renamed = facts(dir.path());
    assert!(has(&renamed, "RMAP_TREE_OF_ANON_VMA") && !has(&renamed, "RMAP_ANON_RMAP_TREE"), "{renamed:?}");
    let new = new();
    let facts = facts(new.path());
    assert!(has(&facts, "RMAP_TREE_OF_ANON_VMA") && has(&facts, "RMAP_ANON_RMAP_TREE"), "{facts:?}");
}

#[test]
fn a_folio_side_of_pages_is_cut_and_said_in_facts() {
    let dir = old();
    for (file, name) in
        [("mm/rmap.c", "_get_anon_vma("), ("mm/rmap.c", "_lock_anon_vma_read("), ("mm/util.c", "_anon_vma(")]
    {
        edit(dir.path(), file, &format!("folio{name}"), &format!("page{name}"));
    }
    edit(
        dir.path(),
        "mm/util.c",
        "struct anon_vma *",
        "static void *helper(void)\n{\n\treturn 0;\n}\n\nstruct anon_vma *",
    );
    edit(dir.path(), "mm/util.c", "folio->mapping", "helper()");
    let extract = cut(dir.path()).unwrap();
    let of_page = ["SET_ANON", "WALK", "GET_ANON_VMA", "MOVE_ANON"].map(|what| format!("RMAP_{what}_OF_PAGE"));
    // A name is not enough: the walk itself takes a page.
    let of_a_folio_yet: Vec<String> = of_page.iter().filter(|fact| *fact != "RMAP_WALK_OF_PAGE").cloned().collect();
    assert_eq!(extract.facts, of_a_folio_yet);
    edit(dir.path(), "mm/rmap.c", "rmap_walk_anon(struct folio *folio", "rmap_walk_anon(struct page *folio");
    let extract = cut(dir.path()).unwrap();
    assert_eq!(extract.facts, of_page);
    assert!(extract.piece("page_anon_vma").is_some() && extract.piece("helper").is_some());
}

#[test]
fn the_padding_of_a_vendor_comes_along_in_both_its_forms() {
    let dir = old();
    let kabi = "#ifdef __GENKSYMS__\n# define RH_KABI_RESERVE(n)\n#else\n\
                # define RH_KABI_RESERVE(n)\t_RH_KABI_RESERVE(n);\n\
                # define _RH_KABI_RESERVE(n)\tunsigned long rh_reserved##n\n#endif\n";
    write(dir.path(), "include/linux/rh_kabi.h", kabi);
    edit(dir.path(), "include/linux/rmap.h", "struct anon_vma {\n", "struct anon_vma {\n\tRH_KABI_RESERVE(1)\n");
    let extract = cut(dir.path()).unwrap();
    let forms = extract.pieces.iter().filter(|piece| piece.symbol == "RH_KABI_RESERVE");
    assert_eq!(forms.count(), 2);
    assert!(extract.piece("_RH_KABI_RESERVE").is_some());
    assert!(extract.piece("anon_vma").unwrap().text.contains("RH_KABI_RESERVE(1)\n"));
}

#[test]
fn a_comment_in_latin_1_is_read_and_the_code_after_it_cut() {
    let dir = old();
    let path = dir.path().join("mm/rmap.c");
    let text = [b"/* J\xf6rg, and \xc3\xb6 */\n", fs::read(&path).unwrap().as_slice()].concat();
    fs::write(&path, text).unwrap();
    let extract = cut(dir.path()).unwrap();
    assert!(extract.piece("anon_vma_clone").unwrap().text.starts_with("int anon_vma_clone("));
}

#[test]
fn a_tree_with_another_vma_code_is_told_by_the_file_that_it_lacks() {
    let csrc = rmap_extract::compile::csrc();
    let layer = Manifest::load_layer(&csrc.join("vma.toml"), &Manifest::builtin().unwrap()).unwrap();
    let dir = old();
    let refused = || closure::cut_layer(dir.path(), &layer, &Default::default()).unwrap_err();
    let said = refused().to_string();
    assert!(said.starts_with("no lib/maple_tree.c in the tree: before 6.1 "), "{said}");
    write(dir.path(), "lib/maple_tree.c", "int nothing;\n");
    assert!(matches!(refused(), ExtractError::Missing { .. }));
}

#[test]
fn a_cut_by_need_lists_its_pieces_with_their_lines_in_the_tree() {
    let text = "[layer]\ngroup = \"a fork\"\nsources = [\"mm/rmap.c\"]\nroots = [[\"anon_vma_fork\"]]\n\
                types = \"types.h\"\ncode = \"code.c\"\npieces = \"list.json\"\n";
    let mut manifest = Manifest::parse("a test", text).unwrap();
    let (dir, out) = (old(), tempfile::tempdir().unwrap());
    let cut = closure::cut_layer(dir.path(), &manifest, &Default::default()).unwrap();
    cut.write_to(out.path(), &manifest.layer).unwrap();
    let read = |name: &str| fs::read_to_string(out.path().join(name)).unwrap();
    let pieces: Vec<Piece> = serde_json::from_str(&read("list.json")).unwrap();
    let functions = || pieces.iter().filter(|piece| piece.kind == "function");
    assert!(functions().any(|piece| piece.symbol == "anon_vma_clone"), "{pieces:?}");
    let tree = fs::read_to_string(dir.path().join("mm/rmap.c")).unwrap();
    for piece in functions() {
        assert_eq!((piece.into.as_str(), piece.file.as_str()), ("code.c", "mm/rmap.c"));
        let lines: Vec<&str> = tree.split_inclusive('\n').collect();
        let text = lines[piece.first_line - 1..piece.last_line].concat();
        let framed = format!("#line {} \"mm/rmap.c\"\n{}", piece.first_line, text.trim_end());
        assert!(read("code.c").contains(&framed), "{piece:?}");
    }

    fs::remove_file(out.path().join("list.json")).unwrap();
    manifest.layer.pieces = None;
    cut.write_to(out.path(), &manifest.layer).unwrap();
    assert!(!out.path().join("list.json").exists());
}

#[test]
fn what_is_written_renames_the_entry_points_and_gives_the_rest_internal_linkage() {
    let dir = old();
    let out = tempfile::tempdir().unwrap();
    fs::create_dir_all(out.path().join("include/linux")).unwrap();
    fs::write(out.path().join("include/linux/stale.h"), "").unwrap();
    cut(dir.path()).unwrap().write(out.path(), "slab: counts").unwrap();
    let read = |path: &str| fs::read_to_string(out.path().join(path)).unwrap();

    assert_eq!(read("lib/rbtree.c"), fs::read_to_string(dir.path().join("lib/rbtree.c")).unwrap());
    assert!(!out.path().join("include/linux/stale.h").exists());
    assert_eq!(read("rbtree_prototypes.h"), "static void rb_erase(struct rb_node *node);\n");

    let prototypes = read("rmap_prototypes.h");
    for line in [
        "static void anon_vma_interval_tree_insert(struct anon_vma_chain *link,\n\t\t\tstruct rb_root_cached *root);",
        "static void verbatim_anon_vma_interval_tree_insert(struct anon_vma_chain *link,\n",
        "#ifdef CONFIG_DEBUG_VM_RB\nstatic void anon_vma_interval_tree_verify(struct anon_vma_chain *link);\n#endif",
        "static int verbatim___anon_vma_prepare(struct vm_area_struct *vma);",
        "static void __init anon_vma_init(void);",
    ] {
        assert!(prototypes.contains(line), "{line}\n{prototypes}");
    }
    assert!(!prototypes.contains("avc_start_pgoff") && !prototypes.contains("anon_vma_ctor"), "{prototypes}");

    let rmap = read("rmap.c");
    let line = 1 + common::OLD_RMAP.lines().position(|line| line.starts_with("int anon_vma_fork")).unwrap();
    let fork = format!("#define anon_vma_fork verbatim_anon_vma_fork\n#line {line} \"mm/rmap.c\"\nint anon_vma_fork(");
    assert!(rmap.contains(&fork) && rmap.contains("}\n#undef anon_vma_fork\n"), "{rmap}");
    assert!(!rmap.contains("something_else"));
    // A function of a whole file is renamed where it is defined, and nowhere else.
    let tree = read("interval_tree.c");
    assert!(tree.starts_with("#line 1 \"mm/interval_tree.c\"\n"), "{tree}");
    for name in ["anon_vma_interval_tree_insert", "anon_vma_interval_tree_remove"] {
        let (_, renamed) = tree.split_once(&format!("#define {name} verbatim_{name}\n#line ")).expect(name);
        let (renamed, _) = renamed.split_once(&format!("}}\n#undef {name}\n")).expect(name);
        assert!(renamed.contains(&format!("{name}(")) && !renamed.contains("#define"), "{renamed}");
    }
    assert!(read("revision.h").contains("#define RMAP_VERSION \"6.1.2\"\n"));
    assert!(read("extract.txt").contains("slab: counts"));
    assert!(read("pieces.json").contains("\"symbol\": \"anon_vma_fork\""));
}

#[test]
fn a_helper_that_a_patch_adds_comes_along_with_what_it_needs() {
    let dir = old();
    let call = "anon_vma_clone(vma, parent)";
    edit(dir.path(), "mm/rmap.c", &format!("if ({call})"), &format!("if (helper() || {call})"));
    let helpers = "\
#define LIMIT 3
static int budget;
static int helper(void);

#ifdef CONFIG_X
static int deeper(void) { return LIMIT; }
#else
static int deeper(void) { return 0; }
#endif

int helper(void)
{
	return deeper() + budget;
}

int anon_vma_fork(";
    edit(dir.path(), "mm/rmap.c", "int anon_vma_fork(", helpers);
    let extract = cut(dir.path()).unwrap();
    for (symbol, kind) in [("helper", Kind::Function), ("LIMIT", Kind::Macro), ("budget", Kind::Variable)] {
        assert_eq!(extract.piece(symbol).map(|piece| piece.kind), Some(kind), "{symbol}");
    }
    let out = tempfile::tempdir().unwrap();
    extract.write(out.path(), "").unwrap();
    let rmap = fs::read_to_string(out.path().join("rmap.c")).unwrap();
    assert!(rmap.contains("static int helper(void);\n"), "{rmap}");
    assert!(rmap.contains("#ifdef CONFIG_X\n#line") && rmap.contains("#ifdef CONFIG_X\n#else\n#line"), "{rmap}");
}

#[test]
fn a_local_name_pulls_in_no_definition_of_that_name() {
    let dir = old();
    edit(dir.path(), "mm/rmap.c", "static void anon_vma_ctor", "static int root = 1;\n\nstatic void anon_vma_ctor");
    assert_eq!(cut(dir.path()).unwrap().piece("root"), None);
}

fn refusal(dir: &tempfile::TempDir) -> (ExtractError, String) {
    let error = cut(dir.path()).unwrap_err();
    let said = error.to_string();
    (error, said)
}

#[test]
fn a_missing_function_is_named_with_its_file_and_what_to_do() {
    let dir = old();
    edit(dir.path(), "mm/rmap.c", "__put_anon_vma(", "__put_it(");
    let (error, said) = refusal(&dir);
    assert!(matches!(error, ExtractError::Missing { .. }), "{said}");
    assert!(
        said.contains("mm/rmap.c") && said.contains("__put_anon_vma") && said.contains("csrc/manifest.toml"),
        "{said}"
    );
}

#[test]
fn none_of_two_names_is_an_error_that_names_both() {
    let dir = old();
    edit(dir.path(), "mm/rmap.c", "anon_vma_chain_assign", "anon_vma_chain_other");
    let (_, said) = refusal(&dir);
    assert!(said.contains("anon_vma_chain_assign or anon_vma_chain_link"), "{said}");
}

#[test]
fn a_missing_whole_file_is_an_error() {
    let dir = old();
    fs::remove_file(dir.path().join("lib/rbtree.c")).unwrap();
    let (error, said) = refusal(&dir);
    assert!(matches!(error, ExtractError::MissingFile { .. }) && said.starts_with("lib/rbtree.c: "), "{said}");
}

#[test]
fn a_lost_brace_is_refused_wherever_it_was() {
    let braces = [
        // the end of a function that is cut
        ("mm/rmap.c", "\tgive(anon_vma_cachep, anon_vma);\n}\n", "\tgive(anon_vma_cachep, anon_vma);\n"),
        // inside one
        ("mm/rmap.c", "same_vma) {\n\t\tmine", "same_vma)\n\t\tmine"),
        ("mm/rmap.c", "\t\tanon_vma_chain_free(link);\n\t}\n", "\t\tanon_vma_chain_free(link);\n"),
        // one too many
        (
            "mm/rmap.c",
            "\tunlock_anon_vma_root(root);\n\treturn 0;\n",
            "\tunlock_anon_vma_root(root);\n\t}\n\treturn 0;\n",
        ),
        // a function's beginning
        ("mm/rmap.c", "anon_vma_ctor(void *data)\n{\n", "anon_vma_ctor(void *data)\n"),
        (
            "mm/mmap.c",
            "struct vm_area_struct *b)\n{\n\treturn anon",
            "struct vm_area_struct *b)\n\tif (a) {\n\treturn anon",
        ),
        // a file taken whole, and a header
        ("lib/rbtree.c", "\tforget(node);\n}\n", "\tforget(node);\n"),
        ("include/linux/rmap.h", "\ttouch(anon_vma);\n}\n", "\ttouch(anon_vma);\n"),
    ];
    for (file, from, to) in braces {
        let dir = old();
        edit(dir.path(), file, from, to);
        let (error, said) = refusal(&dir);
        let fits = matches!(
            error,
            ExtractError::Swallowed { .. }
                | ExtractError::Syntax(SyntaxError::BrokenBraces { .. })
                | ExtractError::Missing { .. }
        );
        assert!(fits && said.contains(file), "{from}: {said}");
        assert!(said.contains("brace"), "{from}: {said}");
    }
}

#[test]
fn a_symbol_defined_twice_is_refused_with_both_places() {
    let dir = old();
    let twice = "static void anon_vma_ctor(void *data)\n{\n}\n\nint something_else";
    edit(dir.path(), "mm/rmap.c", "int something_else", twice);
    let (error, said) = refusal(&dir);
    assert!(matches!(error, ExtractError::Twice { .. }) && said.matches("mm/rmap.c:").count() == 2, "{said}");

    let dir = old();
    write(dir.path(), "mm/internal.h", "static inline void get_anon_vma(struct anon_vma *anon_vma)\n{\n}\n");
    let (_, said) = refusal(&dir);
    assert!(said.contains("include/linux/rmap.h:") && said.contains("mm/internal.h:1"), "{said}");
}

#[test]
fn a_tree_without_a_version_is_refused() {
    let dir = old();
    edit(dir.path(), "Makefile", "PATCHLEVEL = 1", "PATCHLEVEL = one");
    assert!(refusal(&dir).1.contains("PATCHLEVEL"));
    fs::remove_file(dir.path().join("Makefile")).unwrap();
    assert!(refusal(&dir).1.contains("Makefile"));
}

#[test]
fn a_manifest_that_is_wrong_says_where() {
    let said = Manifest::parse("m.toml", "wrap = []\nwhat = 1\n").unwrap_err().to_string();
    assert!(said.contains("m.toml") && said.contains("line 2") && said.contains("what"), "{said}");
}
