//! The mutants of real trees, without a compiler: every function of the plan is understood.

use std::path::Path;

use rmap_extract::cache::Cache;
use rmap_extract::extract::extract;
use rmap_extract::manifest::Manifest;
use rmap_extract::mutants::{Plan, Schemata};
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
