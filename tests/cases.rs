//! The traces of `tests/cases` on every reference, by its own VMA code: what each of them expects holds.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::{GENERATIONS, assert_nothing_found, reference};
use rmap_diff::check::FindingKind;
use rmap_diff::kernel::{self, Reference};
use rmap_diff::session::{Player, Session};
use rmap_diff::trace::{ExpectedVma, Trace};

/// Every case with its name, in order.
fn cases() -> Vec<(String, Trace)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<(String, Trace)> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "trace"))
        .map(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let trace = fs::read_to_string(&file).unwrap().parse().unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, trace)
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(cases.len() >= 35, "{}", cases.len());
    cases
}

/// Every reference that has VMA code of its own, and a player of it.
fn references() -> Vec<(&'static Reference, Box<dyn Player>)> {
    let with_vma_code = kernel::references().iter().filter(|reference| reference.without_vma_layer().is_none());
    with_vma_code.map(|reference| (reference, Session::new(reference).player().unwrap())).collect()
}

#[test]
fn every_case_holds_on_every_reference() {
    let there: BTreeSet<&str> = references().iter().map(|(reference, _)| reference.name).collect();
    for name in GENERATIONS {
        assert!(there.contains(reference(name).name), "{name}: {there:?}");
    }
    let cases = cases();
    for (reference, mut player) in references() {
        let mut checked = 0;
        for (name, trace) in &cases {
            let result = player.play(trace);
            assert_nothing_found(reference, &result, trace);
            let stats = result.stats;
            // What the kernel refuses is part of the case of the moved stack alone.
            assert_eq!(
                stats.done + u64::from(name.starts_with("moved-stack")),
                trace.ops.len() as u64,
                "{name}: {stats:?}"
            );
            checked += trace.of_version(reference.version).expectations.len();
        }
        assert!(checked >= 65, "{}: {checked} expectations", reference.name);
    }
}

#[test]
fn every_expectation_of_every_case_is_checked() {
    for (reference, mut player) in references() {
        for (name, trace) in cases() {
            let trace = trace.of_version(reference.version);
            for at in 0..trace.expectations.len() {
                let mut wrong = trace.clone().into_owned();
                let ExpectedVma { end, .. } = wrong.expectations[at].layout.last_mut().expect("something is mapped");
                *end += 1;
                let result = player.play(&wrong);
                let finding = result.finding.unwrap_or_else(|| panic!("{name}: {:?} holds", wrong.expectations[at]));
                let FindingKind::Expectation { unmet, .. } = &finding.kind else { panic!("{}", finding.signature()) };
                assert_eq!(unmet.expectation, wrong.expectations[at], "{name} on {}", reference.name);
                assert_eq!(finding.operation, wrong.expectations[at].operation as u64);
            }
        }
    }
}

#[test]
fn every_version_is_expected_something_after_an_operation_that_has_a_condition() {
    for (name, trace) in cases() {
        for expectation in trace.expectations.iter().filter(|expectation| !expectation.versions.is_empty()) {
            for (reference, _) in references() {
                let same = |other: &&_| {
                    let other: &rmap_diff::trace::Expectation = other;
                    other.mm == expectation.mm && other.is_of(reference.version)
                };
                let about = trace.expectations_after(expectation.operation).iter().filter(same).count();
                assert_eq!(about, 1, "{name}: {expectation:?} and {}", reference.version);
            }
        }
    }
}

#[test]
fn the_sample_in_the_documentation_holds() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/traces.md")).unwrap();
    let blocks = page.split("```\n").filter(|block| block.lines().any(|line| line.starts_with("expect")));
    let samples: Vec<Trace> = blocks.map(|block| block.parse().unwrap()).collect();
    let [sample] = &samples[..] else { panic!("{} samples", samples.len()) };
    for (reference, mut player) in references() {
        assert_nothing_found(reference, &player.play(sample), sample);
        assert_eq!(sample.of_version(reference.version).expectations.len(), 2, "{}", reference.version);
    }
}
