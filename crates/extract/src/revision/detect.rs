//! The evidence for each field of the revision.

use std::path::Path;

use super::evidence::{Body, function};
use super::{Revision, RevisionError};
use crate::syntax::SourceFile;

/// Reads the files that tell, and asks for each field.
pub fn detect(tree: &Path) -> Result<Revision, RevisionError> {
    let read = |path: &str| {
        let there = tree.join(path).is_file();
        there.then(|| SourceFile::read(tree, path)).transpose()
    };
    let rmap = SourceFile::read(tree, "mm/rmap.c")?;
    let interval_tree = SourceFile::read(tree, "mm/interval_tree.c")?;
    let rmap_header = read("include/linux/rmap.h")?;
    // mm/vma.c was part of mm/mmap.c before 6.11.
    let vma: Vec<SourceFile> = [read("mm/vma.c")?, read("mm/mmap.c")?].into_iter().flatten().collect();
    let vma: Vec<&SourceFile> = vma.iter().collect();

    let find = |field, name| required(field, &[&rmap], "mm/rmap.c", name);
    let prepare = find("prepare_asserts_mmap_lock", "__anon_vma_prepare")?;
    let clone = find("clone_and_unlink_assert", "anon_vma_clone")?;
    let fork = find("fork_preallocates", "anon_vma_fork")?;
    let unlink = find("clone_and_unlink_assert", "unlink_anon_vmas")?;
    let cleanup = function(&[&rmap], "cleanup_partial_anon_vmas");

    let updating: Vec<&SourceFile> = vma.iter().copied().chain([&interval_tree]).collect();
    let chains_preallocated = chains_preallocated(&clone)?;
    let [munmap_splits_first_below, munmap_splits_last_below] = munmap_splits_below(&vma)?;
    Ok(Revision {
        counts_apart: counts_apart(&clone),
        prepare_asserts_mmap_lock: asserts(&rmap, &prepare),
        clone_and_unlink_assert: both(
            "clone_and_unlink_assert",
            (&clone, asserts(&rmap, &clone)),
            (&unlink, asserts(&rmap, &unlink)),
            "mmap_assert_locked() or mmap_assert_write_locked() in both or in neither",
        )?,
        fork_preallocates: fork_preallocates(&fork)?,
        unfaulted_skipped: both(
            "unfaulted_skipped",
            (&clone, clone.skips_unfaulted(parameter(&clone, 1))),
            (&unlink, unlink.skips_unfaulted(parameter(&unlink, 0))),
            "an early return for a NULL anon_vma in both or in neither",
        )?,
        one_root_lock: both(
            "one_root_lock",
            (&clone, locks_once(&clone)?),
            (&unlink, locks_once(&unlink)?),
            "the same way of locking the root in both",
        )?,
        chains_preallocated,
        cleanup_clears_anon_vma: cleanup_clears(&clone, cleanup.as_ref(), chains_preallocated)?,
        reuse_only_on_fork: reuse_only_on_fork(&clone)?,
        keyed_by_anon_pgoff: keyed_by_anon_pgoff(&interval_tree)?,
        compatible_by_anon_pgoff: compatible_by_anon_pgoff(&vma)?,
        indexed_by_anon_pgoff: indexed_by_anon_pgoff(&rmap)?,
        unlink_clears_anon_vma: clears_anon_vma(&unlink, parameter(&unlink, 0)),
        walk_tries_lock: walk_tries_lock(&rmap)?,
        updates_in_place: updates_in_place(&updating)?,
        remembers_mms: remembers_mms(rmap_header.as_ref()),
        locks_whole_folios: locks_whole_folios(&rmap),
        // Asked again where the page-table code is cut, which alone walks so.
        walks_in_batches: walks_in_batches(&rmap).unwrap_or(false),
        walk_passes_huge: walk_passes_huge(tree).unwrap_or(false),
        unmap_drops_huge: unmap_drops_huge(&rmap),
        migrate_splits_late: migrate_splits_late(&rmap),
        batches_protected: batches_protected(&rmap),
        zero_page_keeps_uffd: zero_page_asks(tree, &["pte_mkuffd", "pte_mkuffd_wp"]),
        zero_page_keeps_soft_dirty: zero_page_asks(tree, &["pte_mksoft_dirty"]),
        zero_page_spares_poisoned: zero_page_asks(tree, &["PageHWPoison"]),
        device_entries_count: device_entries_count(&rmap),
        migration_passes_devices: migration_passes_devices(tree),
        migrate_asks_present: migrate_asks_present(&rmap),
        munmap_splits_first_below,
        munmap_splits_last_above: !munmap_splits_last_below,
    })
}

fn required<'f>(
    field: &'static str,
    files: &[&'f SourceFile],
    shown: &str,
    name: &str,
) -> Result<Body<'f>, RevisionError> {
    function(files, name).ok_or_else(|| RevisionError::NoFunction {
        field,
        functions: format!("{name}()"),
        files: shown.to_owned(),
    })
}

fn unclear(field: &'static str, body: &Body, found: &str, wanted: &'static str) -> RevisionError {
    let (function, file) = (body.name.clone(), body.file.to_owned());
    RevisionError::Unclear { field, function, file, found: found.to_owned(), wanted }
}

fn parameter<'b>(body: &'b Body, number: usize) -> &'b str {
    body.parameters.get(number).map_or("", String::as_str)
}

/// Whether there is a function that writes which mm a large folio is mapped by.
fn remembers_mms(header: Option<&SourceFile>) -> bool {
    header.is_some_and(|header| function(&[header], "folio_set_mm_id").is_some())
}

/// Whether a mapping of an anonymous folio is compared with all of its pages.
fn locks_whole_folios(rmap: &SourceFile) -> bool {
    let add = function(&[rmap], "__folio_add_anon_rmap");
    add.is_some_and(|add| add.first_call("mlock_vma_folio").is_some() && add.first_call("folio_nr_pages").is_some())
}

/// Whether the walks of a folio's mappings ask how many entries in a row they can treat together, and see that a VMA locks all
/// of a folio below one page table. Kernels between 6.12 and 7.2 have a part of that. The entries that were used are asked for
/// together by a function whose calls are told.
pub(super) fn walks_in_batches(rmap: &SourceFile) -> Result<bool, RevisionError> {
    let wanted = "a batch of entries and PVMW_PGTABLE_CROSSED in try_to_unmap_one() and folio_referenced_one(), and there \
                  clear_flush_young_ptes(), or neither in both";
    let mut parts = Vec::new();
    for (name, batch) in [("try_to_unmap_one", "folio_unmap_pte_batch"), ("folio_referenced_one", "folio_pte_batch")] {
        let Some(body) = function(&[rmap], name) else { continue };
        parts.push((body.clone(), body.first_call(batch).is_some()));
        parts.push((body.clone(), body.mentions("PVMW_PGTABLE_CROSSED")));
    }
    if let Some(body) = function(&[rmap], "folio_referenced_one") {
        let young = ["clear_flush_young_ptes", "clear_flush_young_ptes_notify"];
        parts.push((body.clone(), young.iter().any(|name| body.first_call(name).is_some())));
    }
    let part = |there: bool| parts.iter().rev().find(|(_, is)| *is == there).map(|(body, _)| body);
    match (part(true), part(false)) {
        (Some(_), Some(body)) => Err(unclear("walks_in_batches", body, "a part of it is not there", wanted)),
        (has, _) => Ok(has.is_some()),
    }
}

/// Whether a walk of a folio's mappings goes on behind the huge page of another folio: where check_pmd() says no, the walk does
/// not return.
pub(super) fn walk_passes_huge(tree: &Path) -> Result<bool, RevisionError> {
    let Ok(walk) = SourceFile::read(tree, "mm/page_vma_mapped.c") else { return Ok(false) };
    let Some(walk) = function(&[&walk], "page_vma_mapped_walk") else { return Ok(false) };
    let answers = walk.calls(|word| word == "check_pmd");
    let ends = |&at: &usize| {
        let mut after = walk.words[walk.closing(at + 1) + 1..].iter();
        after.find(|&&word| word != ")") == Some(&"return")
    };
    match (answers.iter().any(ends), answers.iter().all(ends)) {
        (true, false) => {
            let wanted = "where check_pmd() says no, a return everywhere, or nowhere";
            Err(unclear("walk_passes_huge", &walk, "one of them returns, and one goes on", wanted))
        }
        (ends, _) => Ok(!answers.is_empty() && !ends),
    }
}

/// Whether a lazily freed huge page is dropped without a split of its mapping.
fn unmap_drops_huge(rmap: &SourceFile) -> bool {
    function(&[rmap], "try_to_unmap_one").is_some_and(|unmap| unmap.first_call("unmap_huge_pmd_locked").is_some())
}

/// Whether what puts the zero page in the place of a page of zeros calls one of these.
fn zero_page_asks(tree: &Path, names: &[&str]) -> bool {
    let Ok(migrate) = SourceFile::read(tree, "mm/migrate.c") else { return false };
    let maps = function(&[&migrate], "try_to_map_unused_to_zeropage");
    maps.is_some_and(|maps| names.iter().any(|name| maps.first_call(name).is_some()))
}

/// Whether a device gets a page by a function that leaves it mapped: the one that took the place of a walk.
fn device_entries_count(rmap: &SourceFile) -> bool {
    function(&[rmap], "make_device_exclusive").is_some_and(|gives| gives.first_call("folio_remove_rmap_pte").is_none())
}

/// Whether `check_pte()` names entries of a device once: for walks that look for what is mapped, and not for those that look for
/// entries of migration.
fn migration_passes_devices(tree: &Path) -> bool {
    let Ok(walk) = SourceFile::read(tree, "mm/page_vma_mapped.c") else { return false };
    let names = ["is_device_exclusive_entry", "softleaf_is_device_exclusive"];
    function(&[&walk], "check_pte").is_some_and(|check| check.calls(|word| names.contains(&word)).len() == 1)
}

/// Whether migration tells entries that are not present apart.
fn migrate_asks_present(rmap: &SourceFile) -> bool {
    function(&[rmap], "try_to_migrate_one").is_some_and(|migrate| migrate.first_call("pte_present").is_some())
}

/// Whether unmapping looks for entries in a row also in a VMA that userfaultfd write-protects.
fn batches_protected(rmap: &SourceFile) -> bool {
    let asks = |batch: Body<'_>| batch.first_call("userfaultfd_wp").is_some();
    function(&[rmap], "folio_unmap_pte_batch").is_some_and(|batch| !asks(batch))
}

/// Whether migration splits the mapping of a huge page where it comes to one, whose lock it holds then.
fn migrate_splits_late(rmap: &SourceFile) -> bool {
    function(&[rmap], "try_to_migrate_one").is_some_and(|migrate| migrate.first_call("split_huge_pmd_locked").is_some())
}

/// Two functions that must agree.
fn both(
    field: &'static str,
    (first, in_first): (&Body, bool),
    (second, in_second): (&Body, bool),
    wanted: &'static str,
) -> Result<bool, RevisionError> {
    if in_first == in_second {
        return Ok(in_first);
    }
    let (with, without) = if in_first { (first, second) } else { (second, first) };
    let found = format!("{}() has it and {}() has not", with.name, without.name);
    Err(unclear(field, with, &found, wanted))
}

/// Whether a function, or one of the same file that it calls, asserts the mmap lock. What is
/// called on an error path or by way of another entry point does not count.
fn asserts(rmap: &SourceFile, body: &Body) -> bool {
    let here = |body: &Body| !body.calls(|word| word.starts_with("mmap_assert_")).is_empty();
    let entry_points = ["unlink_anon_vmas", "anon_vma_clone", "anon_vma_fork", "__anon_vma_prepare"];
    let called = body.calls(|word| !entry_points.contains(&word)).into_iter();
    here(body) || called.filter_map(|at| function(&[rmap], body.words[at])).any(|callee| here(&callee))
}

/// 2/9: the allocations before the clone, or after it.
fn fork_preallocates(fork: &Body) -> Result<bool, RevisionError> {
    let field = "fork_preallocates";
    let wanted = "anon_vma_alloc() and anon_vma_chain_alloc() both before or both after anon_vma_clone()";
    let place = |name| {
        let found = format!("no call of {name}()");
        fork.first_call(name).ok_or_else(|| unclear(field, fork, &found, wanted))
    };
    let clone = place("anon_vma_clone")?;
    let (anon_vma, chain) = (place("anon_vma_alloc")? < clone, place("anon_vma_chain_alloc")? < clone);
    if anon_vma != chain {
        return Err(unclear(field, fork, "one allocation is before the clone and one after it", wanted));
    }
    let again = fork.calls(|word| word == "anon_vma_alloc").len() > 1;
    if again {
        return Err(unclear(field, fork, "anon_vma_alloc() is called more than once", wanted));
    }
    Ok(anon_vma)
}

/// 4/9: the root's lock through the VMA's own anon_vma, or through each that is met.
fn locks_once(body: &Body) -> Result<bool, RevisionError> {
    let field = "one_root_lock";
    let wanted = "lock_anon_vma_root() inside the loop, or anon_vma_lock_write() outside of every loop";
    let loops = body.loops();
    let inside = |at: &usize| loops.iter().any(|range| range.contains(at));
    let each = body.calls(|word| word == "lock_anon_vma_root");
    let once = body.calls(|word| word == "anon_vma_lock_write");
    match (each.iter().any(inside), once.iter().any(|at| !inside(at)), once.iter().any(inside)) {
        (true, false, false) => Ok(false),
        (false, true, false) if each.is_empty() => Ok(true),
        (false, false, _) => Err(unclear(field, body, "neither way of locking is there", wanted)),
        _ => Err(unclear(field, body, "both ways of locking are there", wanted)),
    }
}

fn links(word: &str) -> bool {
    word == "anon_vma_chain_link" || (word.starts_with("anon_") && word.ends_with("_tree_insert"))
}

/// 8/9: chain entries allocated in a loop of their own, or in the loop that links them.
fn chains_preallocated(clone: &Body) -> Result<bool, RevisionError> {
    let field = "chains_preallocated";
    let wanted = "a loop that calls anon_vma_chain_alloc(), and the tree insert in the same loop or in a later one";
    let loops = clone.loops();
    let loop_with = |places: Vec<usize>| loops.iter().position(|range| places.iter().any(|at| range.contains(at)));
    let allocating = loop_with(clone.calls(|word| word == "anon_vma_chain_alloc"));
    let linking = loop_with(clone.calls(links));
    let preallocated = match (allocating, linking) {
        (Some(a), Some(l)) if a == l => false,
        (Some(a), Some(l)) if a < l => true,
        _ => return Err(unclear(field, clone, "no such loops", wanted)),
    };
    let cleans = clone.first_call("cleanup_partial_anon_vmas").is_some();
    let unlinks = clone.first_call("unlink_anon_vmas").is_some();
    let wanted = "cleanup_partial_anon_vmas() after a failure if all is allocated first, else unlink_anon_vmas()";
    match (preallocated, cleans, unlinks) {
        (true, true, false) | (false, false, true) => Ok(preallocated),
        (_, false, false) => Err(unclear(field, clone, "a failure is not cleaned up", wanted)),
        _ => Err(unclear(field, clone, "a failure is cleaned up in the way of another generation", wanted)),
    }
}

fn clears_anon_vma(body: &Body, vma: &str) -> bool {
    body.sequence(&[vma, "->", "anon_vma", "=", "NULL", ";"]).is_some()
}

/// 3a206a8649f8: what was cloned into is left without an anon_vma.
fn cleanup_clears(clone: &Body, cleanup: Option<&Body>, preallocated: bool) -> Result<bool, RevisionError> {
    match (preallocated, cleanup) {
        (false, _) => Ok(false),
        (true, Some(cleanup)) => {
            Ok(clears_anon_vma(cleanup, parameter(cleanup, 0)) || clears_anon_vma(clone, parameter(clone, 0)))
        }
        (true, None) => Err(RevisionError::NoFunction {
            field: "cleanup_clears_anon_vma",
            functions: "cleanup_partial_anon_vmas()".to_owned(),
            files: clone.file.to_owned(),
        }),
    }
}

/// After 7.3: what updates the trees is told whether the key stays, and then only propagates the augmented value.
fn updates_in_place(files: &[&SourceFile]) -> Result<bool, RevisionError> {
    let field = "updates_in_place";
    let names = ["anon_rmap_tree_post_update_vma", "anon_vma_interval_tree_post_update_vma"];
    let found = names.into_iter().find_map(|name| function(files, name));
    let update = found.ok_or_else(|| RevisionError::NoFunction {
        field,
        functions: names.map(|name| format!("{name}()")).join(" or "),
        files: files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>().join(", "),
    })?;
    let propagates = |body: &Body| !body.calls(|word| word == "propagate").is_empty();
    let updates = |word: &str| word == "propagate" || function(files, word).is_some_and(|callee| propagates(&callee));
    let in_place = !update.calls(updates).is_empty();
    let inserts = !update.calls(links).is_empty();
    // That the flag says that the offset stays, and not that it changes: what is called where it is true.
    let stays = |body: &Body, where_true: &dyn Fn(&str) -> bool, where_false: &dyn Fn(&str) -> bool| {
        let flag = parameter(body, 1);
        let next = |at: usize| body.words[at..].iter().copied().find(|word| where_true(word) || where_false(word));
        match (body.sequence(&["if", "(", flag, ")"]), body.sequence(&["if", "(", "!", flag, ")"])) {
            (Some(at), None) => next(at).is_some_and(where_true),
            (None, Some(at)) => next(at).is_some_and(where_false),
            _ => false,
        }
    };
    let removes = |word: &str| word.starts_with("anon_") && word.ends_with("_tree_remove");
    let before = function(files, &update.name.replace("_post_", "_pre_"));
    let polarity = stays(&update, &updates, &links)
        && before.is_some_and(|before| stays(&before, &|word| word == "return", &removes));
    match (update.parameters.len(), in_place, inserts) {
        (1, false, true) => Ok(false),
        (2, true, true) if polarity => Ok(true),
        (count, ..) => {
            let there = |there: bool| if there { "there" } else { "not there" };
            let found = format!(
                "{count} parameters, a tree insert {}, a propagation of the augmented value {}, a flag that is true where \
                 the offset stays {}",
                there(inserts),
                there(in_place),
                there(polarity)
            );
            let wanted = "one parameter and a tree insert alone, or two parameters and all of these";
            Err(unclear(field, &update, &found, wanted))
        }
    }
}

/// 2555283eb40d: an anon_vma counts its children and its VMAs apart, and not in one counter (`degree`).
fn counts_apart(clone: &Body) -> bool {
    clone.sequence(&["anon_vma", "->", "degree"]).is_none()
}

/// 9/9: the operation as third parameter, and reuse under it.
fn reuse_only_on_fork(clone: &Body) -> Result<bool, RevisionError> {
    let wanted =
        "two parameters and the reuse decided by num_children or degree, or a third and the reuse under VMA_OP_FORK";
    let by_operation = clone.mentions("VMA_OP_FORK");
    let here = clone.mentions("num_children") || clone.mentions("degree");
    let helper = clone.first_call("maybe_reuse_anon_vma").is_some();
    match (clone.parameters.len(), by_operation) {
        (2, false) if here || helper => Ok(false),
        (3, true) if here || helper => Ok(true),
        (count, _) => {
            let found =
                format!("{count} parameters, VMA_OP_FORK {}, reuse {}", there(by_operation), there(here || helper));
            Err(unclear("reuse_only_on_fork", clone, &found, wanted))
        }
    }
}

fn there(is: bool) -> &'static str {
    if is { "there" } else { "not there" }
}

/// 7.3: the key of a chain entry in the interval tree.
fn keyed_by_anon_pgoff(interval_tree: &SourceFile) -> Result<bool, RevisionError> {
    let field = "keyed_by_anon_pgoff";
    let wanted = "vma_start_anon_pgoff()/vma_last_anon_pgoff(), or vm_pgoff, vma_start_pgoff()/vma_last_pgoff()";
    let key = |function_name: &str, anon: &str, plain: &str| {
        let body = required(field, &[interval_tree], "mm/interval_tree.c", function_name)?;
        match (body.mentions(anon), body.mentions(plain) || body.mentions("vm_pgoff")) {
            (true, false) => Ok((body, true)),
            (false, true) => Ok((body, false)),
            (true, true) => Err(unclear(field, &body, "both keys are there", wanted)),
            (false, false) => Err(unclear(field, &body, "neither key is there", wanted)),
        }
    };
    let (start, by_start) = key("avc_start_pgoff", "vma_start_anon_pgoff", "vma_start_pgoff")?;
    let (last, by_last) = key("avc_last_pgoff", "vma_last_anon_pgoff", "vma_last_pgoff")?;
    both(field, (&start, by_start), (&last, by_last), "the same key at both ends")
}

/// 7.3: what `anon_vma_compatible()` compares.
fn compatible_by_anon_pgoff(files: &[&SourceFile]) -> Result<bool, RevisionError> {
    let field = "compatible_by_anon_pgoff";
    let wanted = "vm_pgoff or vma_start_pgoff(), with or without vma_start_anon_pgoff()";
    let body = required(field, files, "mm/vma.c, mm/mmap.c", "anon_vma_compatible")?;
    match (body.mentions("vma_start_anon_pgoff"), body.mentions("vma_start_pgoff") || body.mentions("vm_pgoff")) {
        (anon, true) => Ok(anon),
        (_, false) => Err(unclear(field, &body, "no comparison of vm_pgoff", wanted)),
    }
}

/// 7.3: from what the index of a folio and the address of an index are counted.
fn indexed_by_anon_pgoff(rmap: &SourceFile) -> Result<bool, RevisionError> {
    let field = "indexed_by_anon_pgoff";
    let set = function(&[rmap], "__folio_set_anon").or_else(|| function(&[rmap], "__page_set_anon_rmap"));
    let set = set.ok_or_else(|| RevisionError::NoFunction {
        field,
        functions: "__folio_set_anon() or __page_set_anon_rmap()".to_owned(),
        files: "mm/rmap.c".to_owned(),
    })?;
    let walk = required(field, &[rmap], "mm/rmap.c", "rmap_walk_anon")?;
    let uses = |body: &Body, anon: &str, plain: &str| match (body.mentions(anon), body.mentions(plain)) {
        (is, other) if is != other => Ok(is),
        _ => {
            Err(unclear(field, body, "neither way of counting, or both", "one of the anonymous way and the plain one"))
        }
    };
    let index = uses(&set, "linear_anon_page_index", "linear_page_index")?;
    let address = uses(&walk, "vma_anon_address", "vma_address")?;
    both(field, (&set, index), (&walk, address), "the same way of counting in both")
}

/// 5.19: walks that give up if the lock is contended. Both functions that take the lock of a walk must know of them.
fn walk_tries_lock(rmap: &SourceFile) -> Result<bool, RevisionError> {
    let field = "walk_tries_lock";
    let plain = required(field, &[rmap], "mm/rmap.c", "rmap_walk_anon_lock")?;
    let names = ["folio_lock_anon_vma_read", "page_lock_anon_vma_read"];
    let mapped = names.into_iter().find_map(|name| function(&[rmap], name));
    let mapped = mapped.ok_or_else(|| RevisionError::NoFunction {
        field,
        functions: names.join("() or ") + "()",
        files: "mm/rmap.c".to_owned(),
    })?;
    let tries = |body: &Body| body.mentions("try_lock");
    both(field, (&plain, tries(&plain)), (&mapped, tries(&mapped)), "try_lock in both or in neither")
}

/// Whether the lower half is the new VMA when munmap splits the first, and the last.
fn munmap_splits_below(files: &[&SourceFile]) -> Result<[bool; 2], RevisionError> {
    let field = "munmap_splits_first_below";
    let wanted = "two calls of __split_vma() that end in 0 or 1";
    let names = ["vms_gather_munmap_vmas", "do_vmi_align_munmap", "do_mas_align_munmap", "__do_munmap"];
    // The oldest name may be a mere caller in a newer tree: the one that splits is meant.
    let bodies = names.into_iter().filter_map(|name| function(files, name));
    let Some(body) = bodies.into_iter().find(|body| body.first_call("__split_vma").is_some()) else {
        return Err(RevisionError::NoFunction {
            field,
            functions: format!("that calls __split_vma() among {}", names.join("(), ") + "()"),
            files: "mm/vma.c, mm/mmap.c".to_owned(),
        });
    };
    let last_words =
        body.calls(|word| word == "__split_vma").into_iter().map(|at| body.words[body.closing(at + 1) - 1]);
    let below: Vec<Option<bool>> = last_words
        .map(|word| match word {
            "1" | "true" => Some(true),
            "0" | "false" => Some(false),
            _ => None,
        })
        .collect();
    match below[..] {
        [Some(first), Some(last)] => Ok([first, last]),
        _ => Err(unclear(field, &body, &format!("{} calls, new_below {below:?}", below.len()), wanted)),
    }
}
