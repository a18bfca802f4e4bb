//! Each field of the revision is told by itself, comments say nothing, and what cannot be told
//! is refused. On small trees of our own making.
#![allow(missing_docs)]

mod common;

use std::path::Path;

use common::{LOCKS_WHOLE_FOLIOS, REMEMBERS_MMS, WALKS_IN_BATCHES, edit, new_tree, old_tree};
use rmap_extract::revision::{self, Revision, RevisionError};

/// What the oldest generation has.
const OLD: &[&str] = &["counts_apart"];

fn old() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    old_tree(dir.path(), "6.1.2");
    std::fs::write(
        dir.path().join("mm/page_vma_mapped.c"),
        walk_of_mappings("return not_found(walk);") + MEETS_DEVICES,
    )
    .unwrap();
    let forgets = ZERO_PAGE
        .replace("PageHWPoison", "PageCompound")
        .replace("pte_mkuffd", "pte_clean")
        .replace("pte_mksoft_dirty", "pte_used");
    std::fs::write(dir.path().join("mm/migrate.c"), forgets).unwrap();
    dir
}

/// What a walk of a folio's mappings does where a huge page is another folio's.
fn walk_of_mappings(otherwise: &str) -> String {
    format!(
        "bool page_vma_mapped_walk(struct page_vma_mapped_walk *walk)\n{{\nrestart:\n\tif (!check_pmd(pmd_pfn(*walk->pmd), walk))\n\t\t\
         {otherwise}\n\treturn true;\n}}\n"
    )
}

fn new() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    new_tree(dir.path(), "7.3.4");
    std::fs::write(dir.path().join("mm/page_vma_mapped.c"), walk_of_mappings("goto restart;") + PASSES_DEVICES)
        .unwrap();
    edit(dir.path(), "mm/rmap.c", UNMAP, UNMAP_DROPS_HUGE);
    let rmap = dir.path().join("mm/rmap.c");
    let text = std::fs::read_to_string(&rmap).unwrap();
    std::fs::write(&rmap, text + &SPLITS_LATE.replace("return", "return pte_present(pte) &&") + BATCHES + DEVICE)
        .unwrap();
    std::fs::write(dir.path().join("mm/migrate.c"), ZERO_PAGE).unwrap();
    dir
}

/// A walk that splits the mapping of a huge page where it comes to one.
const SPLITS_LATE: &str = "
static bool try_to_migrate_one(struct folio *folio)
{
	return split_huge_pmd_locked(folio);
}
";

/// A walk that looks for entries of migration finds those of devices, too.
const MEETS_DEVICES: &str = "
static bool check_pte(struct page_vma_mapped_walk *walk)
{
	if (walk->flags)
		return is_migration_entry(walk) || is_device_exclusive_entry(walk);
	return is_device_exclusive_entry(walk);
}
";

/// It passes them.
const PASSES_DEVICES: &str = "
static bool check_pte(struct page_vma_mapped_walk *walk)
{
	if (walk->flags)
		return softleaf_is_migration(walk);
	return softleaf_is_device_exclusive(walk);
}
";

/// A walk that asks whether what it migrates is there.
const ASKS_PRESENT: &str = "
static bool try_to_migrate_one(struct folio *folio)
{
	return pte_present(pte);
}
";

/// What gives a page to a device, and leaves it mapped.
const DEVICE: &str = "
static struct page *make_device_exclusive(struct folio *folio)
{
	return set_pte(folio);
}
";

/// What maps the zero page.
const ZERO_PAGE: &str = "
static bool try_to_map_unused_to_zeropage(struct page *page, pte_t pte)
{
	if (PageHWPoison(page))
		return false;
	return set_pte(pte_mksoft_dirty(pte_mkuffd(pte)));
}
";

/// Entries in a row, whatever their VMA is registered for.
const BATCHES: &str = "
static unsigned int folio_unmap_pte_batch(struct folio *folio)
{
	return folio_pte_batch(folio);
}
";

/// A walk that unmaps a folio, and does nothing else.
const DROPS_HUGE: &str = "
static bool try_to_unmap_one(struct folio *folio)
{
	return unmap_huge_pmd_locked(folio);
}
";

/// The walk that unmaps a folio, and one that drops a huge page.
const UNMAP: &str = "\tcount = folio_unmap_pte_batch(folio);\n";
const UNMAP_DROPS_HUGE: &str = "\tunmap_huge_pmd_locked(folio);\n\tcount = folio_unmap_pte_batch(folio);\n";

/// The fields that are true.
fn detect(tree: &Path) -> Vec<&'static str> {
    let found = revision::detect(tree).unwrap();
    found.behaviours().filter(|(_, value)| *value).map(|(name, _)| name).collect()
}

#[test]
fn the_oldest_generation_has_next_to_nothing_and_the_newest_all() {
    assert_eq!(detect(old().path()), OLD);
    let all: Vec<&str> = Revision::default().behaviours().map(|(name, _)| name).collect();
    assert_eq!(detect(updating_in_place().path()), all);
    let but_one: Vec<&str> = all.into_iter().filter(|&name| name != "updates_in_place").collect();
    assert_eq!(detect(new().path()), but_one);
}

/// What follows 7.3.
fn updating_in_place() -> tempfile::TempDir {
    let dir = new();
    for half in ["pre", "post"] {
        let name = format!("anon_rmap_tree_{half}_update_vma(");
        edit(dir.path(), "mm/vma.c", &name, &format!("not_the_{name}"));
    }
    let file = dir.path().join("mm/interval_tree.c");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + UPDATES_IN_PLACE).unwrap();
    dir
}

const UPDATES_IN_PLACE: &str = "
static void entry_in_place(struct anon_vma_chain *link)
{
	augment.propagate(&link->rb, NULL);
}

void anon_rmap_tree_pre_update_vma(struct vm_area_struct *vma, bool stays)
{
	if (!stays)
		anon_rmap_tree_remove(vma);
}

void anon_rmap_tree_post_update_vma(struct vm_area_struct *vma, bool stays)
{
	if (stays)
		entry_in_place(vma);
	else
		anon_rmap_tree_insert(vma);
}
";

#[test]
fn an_update_that_does_neither_or_half_is_refused() {
    for (from, to) in [
        ("\taugment.propagate(&link->rb, NULL);\n", ""),
        ("\telse\n\t\tanon_rmap_tree_insert(vma);\n", ""),
        ("post_update_vma(struct vm_area_struct *vma, bool stays)", "post_update_vma(struct vm_area_struct *vma)"),
        ("anon_rmap_tree_post_update_vma(", "somewhere_else("),
        ("\tif (stays)\n", "\tif (!stays)\n"),
        ("\tif (!stays)\n", "\tif (stays)\n"),
    ] {
        let dir = updating_in_place();
        edit(dir.path(), "mm/interval_tree.c", from, to);
        let said = revision::detect(dir.path()).unwrap_err().to_string();
        assert!(said.contains("`updates_in_place`"), "{said}");
    }
}

#[test]
fn each_behaviour_alone_in_an_old_tree_sets_its_field_alone() {
    let alloc = "\tmine = anon_vma_alloc();\n\tlink = anon_vma_chain_alloc(GFP_KERNEL);\n";
    let clone = "\tif (anon_vma_clone(vma, parent))\n\t\treturn -ENOMEM;\n";
    let loop_start = "\tlist_for_each_entry(link, &from->anon_vma_chain, same_vma) {\n";
    let (chain, get) = ("struct anon_vma_chain {\n", "struct anon_vma *folio_get_anon_vma(struct folio *folio)\n");
    let unlink_start = "\tlist_for_each_entry_safe(link, next, &vma->anon_vma_chain, same_vma) {\n";
    let lock = "\t\troot = lock_anon_vma_root(root, link->anon_vma);\n";
    let gives_up = "\tif (rwc->try_lock)\n\t\treturn NULL;\n";
    let rmap = "mm/rmap.c";
    type Edit = (&'static str, String, String);
    let cases: &[(&str, &[Edit])] = &[
        (
            "prepare_asserts_mmap_lock",
            &[(
                rmap,
                "\tvma->anon_vma = find".into(),
                "\tmmap_assert_locked(vma->vm_mm);\n\tvma->anon_vma = find".into(),
            )],
        ),
        (
            "clone_and_unlink_assert",
            &[
                (rmap, loop_start.into(), format!("\tmmap_assert_write_locked(from->vm_mm);\n{loop_start}")),
                (rmap, unlink_start.into(), format!("\tmmap_assert_locked(vma->vm_mm);\n{unlink_start}")),
            ],
        ),
        ("fork_preallocates", &[(rmap, format!("{clone}{alloc}"), format!("{alloc}{clone}"))]),
        (
            "unfaulted_skipped",
            &[
                (rmap, loop_start.into(), format!("\tif (!from->anon_vma)\n\t\treturn 0;\n{loop_start}")),
                (
                    rmap,
                    unlink_start.into(),
                    format!("\tif (vma->anon_vma == NULL) {{\n\t\treturn;\n\t}}\n{unlink_start}"),
                ),
            ],
        ),
        (
            "one_root_lock",
            &[
                (rmap, lock.into(), String::new()),
                (rmap, loop_start.into(), format!("\tanon_vma_lock_write(from->anon_vma);\n{loop_start}")),
                (rmap, unlink_start.into(), format!("\tanon_vma_lock_write(vma->anon_vma);\n{unlink_start}")),
            ],
        ),
        (
            "compatible_by_anon_pgoff",
            &[(
                "mm/mmap.c",
                "a->vm_pgoff == b->vm_pgoff".into(),
                "a->vm_pgoff == b->vm_pgoff && vma_start_anon_pgoff(b)".into(),
            )],
        ),
        (
            "indexed_by_anon_pgoff",
            &[
                (rmap, "linear_page_index(vma".into(), "linear_anon_page_index(vma".into()),
                (rmap, "vma_address(folio".into(), "vma_anon_address(folio".into()),
            ],
        ),
        (
            "unlink_clears_anon_vma",
            &[(rmap, unlink_start.into(), format!("\tif (vma->anon_vma)\n\t\tvma->anon_vma = NULL;\n{unlink_start}"))],
        ),
        (
            "walk_tries_lock",
            &[
                (
                    rmap,
                    "\treturn folio_get_anon_vma(folio);\n".into(),
                    format!("{gives_up}\treturn folio_get_anon_vma(folio);\n"),
                ),
                (
                    rmap,
                    "\treturn folio_anon_vma(folio);\n".into(),
                    format!("{gives_up}\treturn folio_anon_vma(folio);\n"),
                ),
            ],
        ),
        ("remembers_mms", &[("include/linux/rmap.h", chain.into(), format!("{REMEMBERS_MMS}\n{chain}"))]),
        ("locks_whole_folios", &[(rmap, get.into(), format!("{LOCKS_WHOLE_FOLIOS}\n{get}"))]),
        ("walks_in_batches", &[(rmap, get.into(), format!("{WALKS_IN_BATCHES}\n{get}"))]),
        ("walk_passes_huge", &[("mm/page_vma_mapped.c", "return not_found(walk)".into(), "goto restart".into())]),
        ("unmap_drops_huge", &[(rmap, get.into(), format!("{DROPS_HUGE}\n{get}"))]),
        ("migrate_splits_late", &[(rmap, get.into(), format!("{SPLITS_LATE}\n{get}"))]),
        ("batches_protected", &[(rmap, get.into(), format!("{BATCHES}\n{get}"))]),
        ("zero_page_keeps_uffd", &[("mm/migrate.c", "pte_clean(pte)".into(), "pte_mkuffd_wp(pte)".into())]),
        ("zero_page_keeps_soft_dirty", &[("mm/migrate.c", "pte_used(".into(), "pte_mksoft_dirty(".into())]),
        ("zero_page_spares_poisoned", &[("mm/migrate.c", "PageCompound(page)".into(), "PageHWPoison(page)".into())]),
        ("device_entries_count", &[(rmap, get.into(), format!("{DEVICE}\n{get}"))]),
        (
            "migration_passes_devices",
            &[(
                "mm/page_vma_mapped.c",
                "is_migration_entry(walk) || is_device_exclusive_entry(walk)".into(),
                "1".into(),
            )],
        ),
        ("migrate_asks_present", &[(rmap, get.into(), format!("{ASKS_PRESENT}\n{get}"))]),
        ("munmap_splits_first_below", &[("mm/mmap.c", "vma->start, 0".into(), "vma->start, 1".into())]),
        ("munmap_splits_last_above", &[("mm/mmap.c", "vma->end, 1".into(), "vma->end, 0".into())]),
    ];
    for (field, edits) in cases {
        let dir = old();
        for (file, from, to) in *edits {
            edit(dir.path(), file, from, to);
        }
        assert_eq!(detect(dir.path()), [OLD, &[*field]].concat());
    }
}

#[test]
fn each_behaviour_missing_from_a_new_tree_clears_its_field_alone() {
    let cases = [
        ("cleanup_clears_anon_vma", "mm/rmap.c", "{\n\tvma->anon_vma = NULL;\n", "{\n\tforget(vma);\n"),
        ("unlink_clears_anon_vma", "mm/rmap.c", "\tvma->anon_vma = NULL;\n\tanon", "\tanon"),
        ("keyed_by_anon_pgoff", "mm/interval_tree.c", "_anon_pgoff(", "_pgoff("),
        ("prepare_asserts_mmap_lock", "mm/rmap.c", "\tmmap_assert_locked(vma->vm_mm);\n\tvma->", "\tvma->"),
        ("remembers_mms", "include/linux/rmap.h", "folio_set_mm_id(", "folio_set_owner("),
        ("locks_whole_folios", "mm/rmap.c", "pages == folio_nr_pages(folio)", "pages == 1"),
        ("walks_in_batches", "mm/rmap.c", "count = folio_unmap_pte_batch(folio);", "count = 1;"),
        ("walk_passes_huge", "mm/page_vma_mapped.c", "goto restart", "return not_found(walk)"),
        ("unmap_drops_huge", "mm/rmap.c", "\tunmap_huge_pmd_locked(folio);\n", ""),
        ("migrate_splits_late", "mm/rmap.c", "split_huge_pmd_locked(folio)", "split_huge_pmd_address(folio)"),
        ("zero_page_keeps_uffd", "mm/migrate.c", "pte_mkuffd(pte)", "pte"),
        ("zero_page_keeps_soft_dirty", "mm/migrate.c", "pte_mksoft_dirty(", "pte_used("),
        ("zero_page_spares_poisoned", "mm/migrate.c", "PageHWPoison(page)", "PageCompound(page)"),
        ("device_entries_count", "mm/rmap.c", "return set_pte(folio)", "return folio_remove_rmap_pte(folio)"),
        (
            "migration_passes_devices",
            "mm/page_vma_mapped.c",
            "softleaf_is_migration(walk)",
            "softleaf_is_migration(walk) || softleaf_is_device_exclusive(walk)",
        ),
        ("migrate_asks_present", "mm/rmap.c", "return pte_present(pte) && split", "return split"),
        (
            "batches_protected",
            "mm/rmap.c",
            "\treturn folio_pte_batch(folio);",
            "\treturn userfaultfd_wp(folio) ? 1 : folio_pte_batch(folio);",
        ),
    ];
    for (field, file, from, to) in cases {
        let dir = new();
        edit(dir.path(), file, from, to);
        let found = revision::detect(dir.path()).unwrap();
        let cleared = found.behaviours().filter(|(_, value)| !value).map(|(name, _)| name);
        let cleared: Vec<_> = cleared.filter(|&name| name != "updates_in_place").collect();
        assert_eq!(cleared, [field]);
    }
}

#[test]
fn page_table_code_that_walks_half_in_one_way_and_half_in_the_other_is_refused() {
    let dir = new();
    revision::check_walks(dir.path()).unwrap();
    for (from, to) in [("folio_pte_batch(folio)", "1"), ("clear_flush_young_ptes(folio, ", "by_another_name(folio, ")] {
        let dir = new();
        edit(dir.path(), "mm/rmap.c", from, to);
        let error = revision::check_walks(dir.path()).unwrap_err().to_string();
        assert!(error.contains("cannot tell `walks_in_batches` of folio_referenced_one()"), "{error}");
        assert!(!revision::detect(dir.path()).unwrap().walks_in_batches);
    }

    let dir = new();
    let twice = "goto restart;\n\tif (!check_pmd(0, walk))\n\t\treturn not_found(walk);\n";
    edit(dir.path(), "mm/page_vma_mapped.c", "goto restart;\n", twice);
    let error = revision::check_walks(dir.path()).unwrap_err().to_string();
    assert!(error.contains("cannot tell `walk_passes_huge` of page_vma_mapped_walk()"), "{error}");
}

#[test]
fn the_operation_without_its_reuse_rule_is_another_field_than_the_rest() {
    let dir = new();
    edit(dir.path(), "mm/rmap.c", ", enum vma_operation why)", ")");
    edit(dir.path(), "mm/rmap.c", "\t\tif (why == VMA_OP_FORK)\n\t", "\t");
    let found = revision::detect(dir.path()).unwrap();
    assert!(!found.reuse_only_on_fork && found.chains_preallocated && found.fork_preallocates);
}

#[test]
fn the_lock_of_a_walk_may_be_of_a_page() {
    let dir = old();
    edit(
        dir.path(),
        "mm/rmap.c",
        "folio_lock_anon_vma_read(struct folio *folio",
        "page_lock_anon_vma_read(struct page *page",
    );
    assert_eq!(detect(dir.path()), OLD);
}

#[test]
fn a_tree_of_before_the_two_counters_counts_in_one() {
    let dir = old();
    edit(dir.path(), "mm/rmap.c", "link->anon_vma->num_children < 2", "anon_vma->degree < 2");
    assert_eq!(detect(dir.path()), Vec::<&str>::new());
}

#[test]
fn comments_and_strings_say_nothing() {
    let dir = old();
    let noise = "\n{\n\t/* mmap_assert_locked(mm); anon_vma_alloc(); anon_vma_clone(); */\n\tsay(\"if (!from->anon_vma) return\");\n";
    for name in [
        "struct vm_area_struct *from)",
        "struct vm_area_struct *parent)",
        "unlink_anon_vmas(struct vm_area_struct *vma)",
    ] {
        edit(dir.path(), "mm/rmap.c", &format!("{name}\n{{\n"), &format!("{name}{noise}"));
    }
    assert_eq!(detect(dir.path()), OLD);
}

#[test]
fn what_cannot_be_told_is_refused_with_the_behaviour_and_what_was_looked_for() {
    let rmap = "mm/rmap.c";
    let cases: &[(&str, bool, &str, &str, &str)] = &[
        // half of a patch
        ("clone_and_unlink_assert", true, rmap, "\tmmap_assert_locked(vma->vm_mm);\n\tif", "\tif"),
        ("unfaulted_skipped", true, rmap, "\tif (!active)\n\t\treturn 0;\n", ""),
        (
            "one_root_lock",
            true,
            rmap,
            "\tanon_vma_lock_write(active);\n\tlist_for_each_entry_safe",
            "\tlist_for_each_entry_safe",
        ),
        ("fork_preallocates", true, rmap, "*link = anon_vma_chain_alloc(GFP_KERNEL);\n\n\tif", "*link = NULL;\n\n\tif"),
        ("keyed_by_anon_pgoff", true, "mm/interval_tree.c", "vma_last_anon_pgoff(", "vma_last_pgoff("),
        ("munmap_splits_first_below", true, "mm/vma.c", "vma->end, 0", "vma->end, above"),
        ("munmap_splits_first_below", true, "mm/vma.c", "vms_gather_munmap_vmas", "somewhere_else"),
        ("compatible_by_anon_pgoff", false, "mm/mmap.c", "a->vm_pgoff == b->vm_pgoff", "1"),
        (
            "walk_tries_lock",
            true,
            rmap,
            "\tif (rwc->try_lock)\n\t\treturn NULL;\n\treturn folio_anon_vma",
            "\treturn folio_anon_vma",
        ),
        ("walk_tries_lock", false, rmap, "*folio_lock_anon_vma_read(", "*somewhere_else("),
        ("indexed_by_anon_pgoff", true, rmap, "vma_anon_address(folio", "vma_address(folio"),
        ("indexed_by_anon_pgoff", false, rmap, "linear_page_index(vma", "somewhere(vma"),
        // the way of another generation
        ("chains_preallocated", false, rmap, "\tunlink_anon_vmas(to);\n", "\tcleanup_partial_anon_vmas(to);\n"),
        (
            "chains_preallocated",
            false,
            rmap,
            "\t\tanon_vma_interval_tree_insert(mine, &link->anon_vma->rb_root);\n",
            "",
        ),
        ("reuse_only_on_fork", true, rmap, "\t\tif (why == VMA_OP_FORK)\n\t", "\t"),
        ("fork_preallocates", false, rmap, "\tif (anon_vma_clone(vma, parent))\n\t\treturn -ENOMEM;\n", ""),
        ("one_root_lock", false, rmap, "\t\troot = lock_anon_vma_root(root, link->anon_vma);\n", ""),
    ];
    for (wanted, from_new, file, from, to) in cases {
        let dir = if *from_new { new() } else { old() };
        edit(dir.path(), file, from, to);
        let error = revision::detect(dir.path()).unwrap_err();
        let said = error.to_string();
        let field = match error {
            RevisionError::Unclear { field, .. } | RevisionError::NoFunction { field, .. } => field,
            RevisionError::Syntax(_) => "",
        };
        assert_eq!(field, *wanted, "{from}: {said}");
        assert!(
            said.contains("cannot tell") && (said.contains("looked for") || said.contains("no function")),
            "{said}"
        );
    }
}
