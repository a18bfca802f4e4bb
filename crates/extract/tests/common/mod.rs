//! Small kernel trees of our own making: as little C as satisfies the manifest, in the two
//! generations, for tests to damage. The names and prototypes are the kernel's, the bodies are not.
#![allow(dead_code, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The behaviour before the series.
pub const OLD_RMAP: &str = "\
static struct kmem_cache *anon_vma_cachep;
static struct kmem_cache *anon_vma_chain_cachep;

static inline struct anon_vma *anon_vma_alloc(void)
{
	return take(anon_vma_cachep, 1);
}

static inline void anon_vma_free(struct anon_vma *anon_vma)
{
	give(anon_vma_cachep, anon_vma);
}

static inline struct anon_vma_chain *anon_vma_chain_alloc(gfp_t gfp)
{
	return take(anon_vma_chain_cachep, gfp);
}

static void anon_vma_chain_free(struct anon_vma_chain *link)
{
	give(anon_vma_chain_cachep, link);
}

static void anon_vma_chain_assign(struct vm_area_struct *vma, struct anon_vma_chain *link)
{
	link->vma = vma;
}

int __anon_vma_prepare(struct vm_area_struct *vma)
{
	/* mmap_assert_locked(vma->vm_mm) is in a comment, which says nothing */
	vma->anon_vma = find_mergeable_anon_vma(vma);
	return 0;
}

static inline struct anon_vma *lock_anon_vma_root(struct anon_vma *root, struct anon_vma *anon_vma)
{
	return anon_vma->root;
}

static inline void unlock_anon_vma_root(struct anon_vma *root)
{
	up_write(&root->rwsem);
}

int anon_vma_clone(struct vm_area_struct *to, struct vm_area_struct *from)
{
	struct anon_vma_chain *link, *mine;
	struct anon_vma *root = NULL;

	list_for_each_entry(link, &from->anon_vma_chain, same_vma) {
		mine = anon_vma_chain_alloc(GFP_NOWAIT);
		if (!mine)
			goto failed;
		root = lock_anon_vma_root(root, link->anon_vma);
		anon_vma_chain_assign(to, mine);
		anon_vma_interval_tree_insert(mine, &link->anon_vma->rb_root);
		if (link->anon_vma->num_children < 2)
			to->anon_vma = link->anon_vma;
	}
	unlock_anon_vma_root(root);
	return 0;

failed:
	to->anon_vma = NULL;
	unlink_anon_vmas(to);
	return -ENOMEM;
}

int anon_vma_fork(struct vm_area_struct *vma, struct vm_area_struct *parent)
{
	struct anon_vma *mine;
	struct anon_vma_chain *link;

	if (anon_vma_clone(vma, parent))
		return -ENOMEM;
	mine = anon_vma_alloc();
	link = anon_vma_chain_alloc(GFP_KERNEL);
	if (!mine || !link)
		return -ENOMEM;
	return 0;
}

void unlink_anon_vmas(struct vm_area_struct *vma)
{
	struct anon_vma_chain *link, *next;
	struct anon_vma *root = NULL;

	list_for_each_entry_safe(link, next, &vma->anon_vma_chain, same_vma) {
		root = lock_anon_vma_root(root, link->anon_vma);
		anon_vma_chain_free(link);
	}
	unlock_anon_vma_root(root);
}

static void anon_vma_ctor(void *data)
{
	construct(data);
}

void __init anon_vma_init(void)
{
	anon_vma_cachep = make_cache(anon_vma_ctor);
}

void __put_anon_vma(struct anon_vma *anon_vma)
{
	anon_vma_free(anon_vma);
}

int something_else(void)
{
	return 1;
}
";

/// The behaviour after the series.
pub fn new_rmap() -> String {
    let clone_start = OLD_RMAP.find("int anon_vma_clone").unwrap();
    let ctor_start = OLD_RMAP.find("static void anon_vma_ctor").unwrap();
    let prepare = "\tvma->anon_vma = find_mergeable_anon_vma(vma);";
    let lock = OLD_RMAP.find("static inline struct anon_vma *lock_anon_vma_root").unwrap();
    let head = OLD_RMAP[..lock].replace(prepare, &format!("\tmmap_assert_locked(vma->vm_mm);\n{prepare}"));
    assert!(lock < clone_start);
    format!("{head}{NEW_MIDDLE}{}", &OLD_RMAP[ctor_start..])
}

const NEW_MIDDLE: &str = "\
static void check_anon_vma_clone(struct vm_area_struct *to, struct vm_area_struct *from)
{
	mmap_assert_write_locked(from->vm_mm);
}

static void maybe_reuse_anon_vma(struct vm_area_struct *to, struct anon_vma *anon_vma)
{
	if (anon_vma->num_children < 2)
		to->anon_vma = anon_vma;
}

static void cleanup_partial_anon_vmas(struct vm_area_struct *vma);

int anon_vma_clone(struct vm_area_struct *to, struct vm_area_struct *from, enum vma_operation why)
{
	struct anon_vma_chain *link, *mine;
	struct anon_vma *active = from->anon_vma;

	check_anon_vma_clone(to, from);
	if (!active)
		return 0;
	list_for_each_entry(link, &from->anon_vma_chain, same_vma) {
		mine = anon_vma_chain_alloc(GFP_KERNEL);
		if (!mine)
			goto failed;
		anon_vma_chain_assign(to, mine);
	}
	anon_vma_lock_write(active);
	list_for_each_entry_reverse(link, &to->anon_vma_chain, same_vma) {
		anon_rmap_tree_insert(link, link->anon_vma);
		if (why == VMA_OP_FORK)
			maybe_reuse_anon_vma(to, link->anon_vma);
	}
	anon_vma_unlock_write(active);
	return 0;

failed:
	cleanup_partial_anon_vmas(to);
	return -ENOMEM;
}

int anon_vma_fork(struct vm_area_struct *vma, struct vm_area_struct *parent)
{
	struct anon_vma *mine = anon_vma_alloc();
	struct anon_vma_chain *link = anon_vma_chain_alloc(GFP_KERNEL);

	if (!mine || !link)
		return -ENOMEM;
	return anon_vma_clone(vma, parent, VMA_OP_FORK);
}

static void cleanup_partial_anon_vmas(struct vm_area_struct *vma)
{
	vma->anon_vma = NULL;
}

void unlink_anon_vmas(struct vm_area_struct *vma)
{
	struct anon_vma_chain *link, *next;
	struct anon_vma *active = vma->anon_vma;

	mmap_assert_locked(vma->vm_mm);
	if (!active) {
		complain();
		return;
	}
	anon_vma_lock_write(active);
	list_for_each_entry_safe(link, next, &vma->anon_vma_chain, same_vma) {
		anon_vma_chain_free(link);
	}
	vma->anon_vma = NULL;
	anon_vma_unlock_write(active);
}

";

const STRUCTS: &str = "\
struct anon_vma {
	struct anon_vma *root;
};

struct anon_vma_chain {
	struct anon_vma *anon_vma;
};
";

const OPERATION: &str = "enum vma_operation {\n\tVMA_OP_FORK,\n};\n";

/// What belongs to the control of a walk, in a tree of either generation.
const WALK_CONTROL: &str = "struct rmap_walk_control {\n\tvoid *arg;\n};\n";

/// The folio side of mm/rmap.c: by page or by folio, with the index counted one way or the other. A walk of the second
/// can give up if the lock is contended.
fn folio_side(by_page: bool, anon: bool) -> String {
    let gives_up = if by_page { "" } else { "\tif (rwc->try_lock)\n\t\treturn NULL;\n" };
    let (set, moves) = match by_page {
        true => ("__page_set_anon_rmap", "page_move_anon_rmap"),
        false => ("__folio_set_anon", "folio_move_anon_rmap"),
    };
    let (index, address) = match anon {
        true => ("linear_anon_page_index", "vma_anon_address"),
        false => ("linear_page_index", "vma_address"),
    };
    format!(
        "
struct anon_vma *folio_get_anon_vma(struct folio *folio)
{{
	return folio->mapping;
}}

struct anon_vma *folio_lock_anon_vma_read(struct folio *folio, struct rmap_walk_control *rwc)
{{
{gives_up}	return folio_get_anon_vma(folio);
}}

void {moves}(struct folio *folio, struct vm_area_struct *vma)
{{
	folio->mapping = vma->anon_vma;
}}

static void {set}(struct folio *folio, struct vm_area_struct *vma)
{{
	folio->index = {index}(vma, 0);
}}

static struct anon_vma *rmap_walk_anon_lock(struct folio *folio, struct rmap_walk_control *rwc)
{{
{gives_up}	return folio_anon_vma(folio);
}}

static void rmap_walk_anon(struct folio *folio, struct rmap_walk_control *rwc, bool locked)
{{
	visit(rmap_walk_anon_lock(folio, rwc), {address}(folio));
}}
"
    )
}

/// The headers that the folio side asks.
fn folio_files(tree: &Path, internal: &str, anon: bool) {
    let index =
        |name: &str| format!("static inline unsigned long {name}(struct vm_area_struct *vma)\n{{\n\treturn 1;\n}}\n\n");
    let mut pagemap = index("linear_page_index");
    let mut address = index("vma_address");
    if anon {
        pagemap += &index("linear_anon_page_index");
        address = index("vma_anon_address");
    }
    write(tree, "include/linux/pagemap.h", &guarded("PAGEMAP_H", &pagemap));
    write(tree, "mm/internal.h", &guarded("INTERNAL_H", &format!("{internal}\n{address}")));
    write(tree, "mm/util.c", "struct anon_vma *folio_anon_vma(struct folio *folio)\n{\n\treturn folio->mapping;\n}\n");
}

/// The references and locks; `tries`: the lock can be tried.
fn inlines(tries: bool) -> String {
    let mut text = String::new();
    for name in ["get_anon_vma", "put_anon_vma", "anon_vma_lock_write", "anon_vma_unlock_write"] {
        text += &format!("static inline void {name}(struct anon_vma *anon_vma)\n{{\n\ttouch(anon_vma);\n}}\n\n");
    }
    let tried: &[&str] = if tries { &["anon_vma_trylock_read"] } else { &[] };
    for name in ["anon_vma_lock_read", "anon_vma_unlock_read"].iter().chain(tried) {
        text += &format!("static inline int {name}(struct anon_vma *anon_vma)\n{{\n\treturn touch(anon_vma);\n}}\n\n");
    }
    text + "static inline int anon_vma_prepare(struct vm_area_struct *vma)\n{\n\treturn __anon_vma_prepare(vma);\n}\n"
}

fn vma(prefix: &str, split: [u8; 2], munmap: &str, follows: &str) -> String {
    let [first, last] = split;
    format!(
        "\
static void {prefix}_pre_update_vma(struct vm_area_struct *vma)
{{
	{prefix}_remove(vma);
}}

static void {prefix}_post_update_vma(struct vm_area_struct *vma)
{{
	{prefix}_insert(vma);
}}

static int anon_vma_compatible(struct vm_area_struct *a, struct vm_area_struct *b)
{{
	return a->vm_end == b->vm_start && {follows};
}}

static struct anon_vma *reusable_anon_vma(struct vm_area_struct *a, struct vm_area_struct *b)
{{
	return anon_vma_compatible(a, b) ? a->anon_vma : NULL;
}}

struct anon_vma *find_mergeable_anon_vma(struct vm_area_struct *vma)
{{
	return reusable_anon_vma(vma, vma);
}}

static int
{munmap}(struct vm_area_struct *vma)
{{
	if (__split_vma(vma, vma->start, {first}))
		return -ENOMEM;
	return __split_vma(vma, vma->end, {last});
}}
"
    )
}

fn interval_tree(prefix: &str, [start, last]: [&str; 2]) -> String {
    let tree = if prefix == "anon_rmap_tree" { "struct anon_vma *anon_vma" } else { "struct rb_root_cached *root" };
    format!(
        "\
#include <linux/mm.h>

INTERVAL_TREE_DEFINE(struct vm_area_struct, rb, unsigned long, rb_subtree_last,
		     one, other, /* empty */, files)

/* A comment between a macro and a function. */
static inline unsigned long avc_start_pgoff(struct anon_vma_chain *link)
{{
	return {start};
}}

static inline unsigned long avc_last_pgoff(struct anon_vma_chain *link)
{{
	return {last};
}}

INTERVAL_TREE_DEFINE(struct anon_vma_chain, rb, unsigned long, rb_subtree_last,
		     avc_start_pgoff, avc_last_pgoff, static inline, __{prefix})

void {prefix}_insert(struct anon_vma_chain *link,
			{tree})
{{
	__{prefix}_insert(link);
}}

void {prefix}_remove(struct anon_vma_chain *link,
			{tree})
{{
	__{prefix}_remove(link);
}}

#ifdef CONFIG_DEBUG_VM_RB
void {prefix}_verify(struct anon_vma_chain *link)
{{
	check(link);
}}
#endif
"
    )
}

fn guarded(name: &str, text: &str) -> String {
    format!("#ifndef {name}\n#define {name}\n\n{text}\n#endif\n")
}

pub fn write(tree: &Path, path: &str, text: &str) {
    let path = tree.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn common_files(tree: &Path, version: &str) {
    let [major, minor, sub] = version.split('.').collect::<Vec<_>>()[..] else { panic!("{version}") };
    write(
        tree,
        "Makefile",
        &format!("# SPDX\nVERSION = {major}\nPATCHLEVEL = {minor}\nSUBLEVEL = {sub}\nEXTRAVERSION =\nNAME = x\n"),
    );
    for header in ["list", "rbtree", "rbtree_types", "rbtree_augmented", "interval_tree_generic"] {
        let path = format!("include/linux/{header}.h");
        write(
            tree,
            &path,
            &guarded(&format!("{header}_H"), &format!("static inline int {header}_one(void) {{ return 1; }}")),
        );
    }
    write(
        tree,
        "lib/rbtree.c",
        "void rb_erase(struct rb_node *node)\n{\n\tforget(node);\n}\nEXPORT_SYMBOL(rb_erase);\n",
    );
    // Not needed, to be left behind.
    write(tree, "drivers/a/b.c", "int unneeded;\n");
    write(tree, "arch/Makefile", "not this one\n");
    write(tree, "tools/testing/vma/vma.c", "int needed;\n");
}

/// A tree like 6.x; the version is for the Makefile alone.
pub fn old_tree(tree: &Path, version: &str) {
    common_files(tree, version);
    write(tree, "mm/rmap.c", &format!("{OLD_RMAP}{}", folio_side(true, false)));
    folio_files(tree, "", false);
    write(
        tree,
        "include/linux/rmap.h",
        &guarded("RMAP_H", &format!("{STRUCTS}\n{WALK_CONTROL}\n#ifdef CONFIG_MMU\n{}\n#endif", inlines(false))),
    );
    let pages = "static inline unsigned long vma_pages(struct vm_area_struct *vma)\n{\n\treturn 1;\n}\n";
    let walk = "#define anon_vma_interval_tree_foreach(link, root) \\\n\tfor (link = root; link; )\n";
    write(tree, "include/linux/mm.h", &format!("{pages}\n{walk}{VMA_FLAGS}"));
    write(tree, "include/linux/gfp.h", &gfp_flags());
    write(
        tree,
        "mm/mmap.c",
        &vma("anon_vma_interval_tree", [0, 1], "do_mas_align_munmap", "a->vm_pgoff == b->vm_pgoff"),
    );
    write(
        tree,
        "mm/interval_tree.c",
        &interval_tree("anon_vma_interval_tree", ["link->vma->vm_pgoff", "vma_last_pgoff(link->vma)"]),
    );
}

/// A tree like 7.3; the version is for the Makefile alone.
pub fn new_tree(tree: &Path, version: &str) {
    common_files(tree, version);
    write(
        tree,
        "mm/rmap.c",
        &format!("{}{}{LOCKS_WHOLE_FOLIOS}{WALKS_IN_BATCHES}", new_rmap(), folio_side(false, true)),
    );
    write(tree, "include/linux/rmap.h", &guarded("RMAP_H", &format!("{STRUCTS}\n{WALK_CONTROL}{REMEMBERS_MMS}")));
    folio_files(tree, &format!("{OPERATION}\n{}", inlines(true)), true);
    let mut geometry = String::new();
    for name in ["vma_pages", "vma_last_pgoff", "vma_start_anon_pgoff", "vma_last_anon_pgoff"] {
        geometry += &format!("static inline unsigned long {name}(struct vm_area_struct *vma)\n{{\n\treturn 1;\n}}\n\n");
    }
    let walk = "#define anon_rmap_tree_foreach(link, root) \\\n\tfor (link = root; link; )\n";
    write(tree, "include/linux/mm.h", &format!("{geometry}{walk}{VMA_FLAGS}"));
    write(tree, "include/linux/gfp_types.h", &gfp_flags());
    write(tree, "mm/mmap.c", "int nothing;\n");
    write(
        tree,
        "mm/vma.c",
        &vma("anon_rmap_tree", [1, 0], "vms_gather_munmap_vmas", "vma_start_pgoff(b) == vma_start_anon_pgoff(b)"),
    );
    let keys = ["vma_start_anon_pgoff(link->vma)", "vma_last_anon_pgoff(link->vma)"];
    write(tree, "mm/interval_tree.c", &interval_tree("anon_rmap_tree", keys));
}

pub const REMEMBERS_MMS: &str = "
static inline void folio_set_mm_id(struct folio *folio, int slot, int id)
{
	folio->ids[slot] = id;
}
";

pub const LOCKS_WHOLE_FOLIOS: &str = "
static void __folio_add_anon_rmap(struct folio *folio, int pages, struct vm_area_struct *vma)
{
	if (pages == folio_nr_pages(folio))
		mlock_vma_folio(folio, vma);
}
";

pub const WALKS_IN_BATCHES: &str = "
static bool try_to_unmap_one(struct folio *folio)
{
	int count;

	count = folio_unmap_pte_batch(folio);
	return count && !(flags & PVMW_PGTABLE_CROSSED);
}

static bool folio_referenced_one(struct folio *folio)
{
	return clear_flush_young_ptes(folio, folio_pte_batch(folio)) && !(flags & PVMW_PGTABLE_CROSSED);
}
";

const VMA_FLAGS: &str = "#define VM_ACCESS_FLAGS 7\n";

fn gfp_flags() -> String {
    let names = ["ATOMIC", "KERNEL", "KERNEL_ACCOUNT", "NOWAIT", "NOIO", "NOFS"];
    names.iter().map(|name| format!("#define GFP_{name} 1\n")).collect()
}

/// Replaces a text that must be there, everywhere.
pub fn edit(tree: &Path, path: &str, from: &str, to: &str) {
    let text = fs::read_to_string(tree.join(path)).unwrap();
    assert!(text.contains(from), "{path}: no `{from}`");
    fs::write(tree.join(path), text.replace(from, to)).unwrap();
}

/// Every file below a directory with its text: what must not change.
pub fn listing(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let Ok(entries) = fs::read_dir(dir) else { return all };
    for entry in entries {
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

/// Runs a program that must succeed.
pub fn run(dir: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    let output = command.args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
