//! The mutants of real trees, without a compiler: every function of the plan is understood. In a build that has mutants some
//! of those of concurrency are hunted.

use std::collections::BTreeSet;
use std::path::Path;

use rmap_diff::known::KnownFindings;
use rmap_diff::mutants::{self, Budget, Hunt};
use rmap_extract::cache::Cache;
use rmap_extract::extract::extract;
use rmap_extract::manifest::Manifest;
use rmap_extract::mutants::{Mutant, Operator, Plan, Schemata};
use rmap_extract::prepare::Recipe;
use rmap_extract::syntax::Kind;

#[test]
fn every_function_that_the_manifest_cuts_is_understood_and_keeps_its_lines() {
    let csrc = Path::new(env!("CARGO_MANIFEST_DIR")).join("csrc");
    let plan = Plan::parse(&std::fs::read_to_string(csrc.join("mutants.toml")).unwrap()).unwrap();
    let cache = Cache::from_env().unwrap();
    let references = cache.references().unwrap();
    assert!(!references.is_empty(), "no kernel reference in the cache: run the tests by `make test`");
    for reference in &references {
        let original = extract(reference, &Manifest::builtin().unwrap()).unwrap();
        let structs = original.pieces.iter().filter(|piece| piece.kind == Kind::Struct);
        let mut schemata = Schemata::new(&plan, structs.map(|piece| piece.text.as_str()));
        let mut mutated = original.pieces.clone();
        schemata.apply(&mut mutated, true);
        assert_eq!(schemata.left, Vec::<String>::new(), "{}", reference.name);
        assert!(schemata.mutants.len() > 300, "{}: {} mutants", reference.name, schemata.mutants.len());
        for (before, after) in original.pieces.iter().zip(&mutated) {
            let lines = |text: &str| text.matches('\n').count();
            assert_eq!(lines(&before.text), lines(&after.text), "{}: {}", reference.name, before.symbol);
        }
        // What each says that it applies to is in the tree, at that line.
        for mutant in &schemata.mutants {
            let text = std::fs::read_to_string(reference.tree().join(&mutant.file)).unwrap();
            let from = text.lines().skip(mutant.line - 1).take(12).collect::<Vec<_>>().join(" ");
            let word = mutant.before.split(|c: char| !c.is_alphanumeric() && c != '_').find(|word| !word.is_empty());
            assert!(word.is_none_or(|word| from.contains(word)), "{}: {mutant:?}", reference.name);
        }
    }
}

/// Of the functions that the group of concurrency names each has mutants in some tree, and what the races of the past left out
/// is among them.
#[test]
fn the_locks_of_real_trees_have_mutants_of_concurrency() {
    let cache = Cache::from_env().unwrap();
    let csrc = Path::new(env!("CARGO_MANIFEST_DIR")).join("csrc");
    let recipe = Recipe::load(&csrc, true).unwrap();
    let plan = Plan::parse(&std::fs::read_to_string(csrc.join("mutants.toml")).unwrap()).unwrap();
    let group = plan.group.iter().find(|group| group.concurrency).unwrap();
    let mut without: BTreeSet<&str> = group.functions.iter().map(String::as_str).collect();
    let references = cache.references().unwrap();
    for reference in &references {
        let dir = tempfile::tempdir().unwrap();
        let mut prepared = recipe.prepare(reference, dir.path().to_owned()).unwrap();
        if prepared.add_layer().is_err() || prepared.add_pages().is_err() {
            continue;
        }
        let of_group = || prepared.mutants().filter(|mutant| mutant.group == group.name);
        without.retain(|name| of_group().all(|mutant| mutant.function != *name));
        let has = |function: &str, operator: Operator, before: &str| {
            let like = |mutant: &&Mutant| mutant.operator == operator && mutant.before.contains(before);
            assert!(of_group().any(|m| m.function == function && like(&m)), "{}: {function}: {before}", reference.name);
        };
        // The races of 2011, 2010 and 2014.
        has("folio_lock_anon_vma_read", Operator::RecheckDropped, "(!folio_mapped(folio))");
        has("folio_lock_anon_vma_read", Operator::CheckBeforeLock, "if (down_read_trylock(");
        has("__anon_vma_prepare", Operator::RecheckDropped, "(likely(!vma->anon_vma))");
        has("folio_get_anon_vma", Operator::PutBeforeUse, "rcu_read_unlock(); put_anon_vma(anon_vma);");
        has("anon_vma_free", Operator::RecheckDropped, "rwsem_is_locked(");
        // Their lines are what they say.
        for mutant in of_group() {
            let text = std::fs::read_to_string(reference.tree().join(&mutant.file)).unwrap();
            let from = text.lines().skip(mutant.line - 1).take(12).collect::<Vec<_>>().join(" ");
            let words = mutant.before.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
            assert!(words.clone().any(|word| from.contains(word)), "{}: {mutant:?}", reference.name);
        }
    }
    assert_eq!(without, BTreeSet::new(), "functions of the group that no tree has, or that take no lock");
}

/// In a build that has mutants (`RMAP_MUTANTS=1 cargo test --release --test mutants`): some are found within a second or two by
/// random sections, and only by these. An ordinary build has nothing to choose.
#[test]
fn mutants_of_concurrency_are_found_by_sections_and_not_by_one_task() {
    let wanted = [
        ("folio_lock_anon_vma_read", "recheck-dropped", "(!folio_mapped(folio))", 2),
        ("folio_get_anon_vma", "put-before-use", "rcu_read_unlock(); put_anon_vma(anon_vma);", 1),
        ("__anon_vma_prepare", "recheck-dropped", "(likely(!vma->anon_vma))", 1),
    ];
    for reference in rmap_diff::kernel::references().iter().filter(|of| of.without_pages_layer().is_none()) {
        let Ok(table) = mutants::table(reference) else { return };
        let known = KnownFindings::embedded().of(reference.name, reference.version);
        let search = |mode, ops| {
            let together = mode == mutants::Mode::Together;
            let budget = Budget { ops, seeds: 1, small: false, pages: true, together, fail_per_mille: None };
            Hunt::new(reference, mode, &known).search(budget, |_, _, _| {}).unwrap()
        };
        for (function, operator, before, nth) in wanted {
            let is_wanted = |m: &&mutants::Mutant| {
                m.group == mutants::TOGETHER
                    && (m.function.as_str(), m.operator.as_str(), m.before.as_str(), m.nth)
                        == (function, operator, before, nth)
            };
            let mutant = table.iter().find(is_wanted).unwrap_or_else(|| panic!("{}: no {before}", reference.name));
            rmap_diff::kernel::mutants::choose(mutant.number);
            let (sections, one_task) =
                (search(mutants::Mode::Together, 300_000), search(mutants::Mode::Lockstep, 3_000));
            rmap_diff::kernel::mutants::choose(0);
            let found = sections.map(|caught| caught.finding.signature());
            println!("{}: {function}: {operator}: {found:?}", reference.name);
            assert!(found.is_some(), "{}: {function}: {operator}: {before}", reference.name);
            assert!(one_task.is_none(), "{}: {function}: {operator}: {before}", reference.name);
        }
        assert!(search(mutants::Mode::Together, 30_000).is_none(), "{}: without a mutant", reference.name);
    }
}
