//! The corpus that the fuzzer keeps, and the seeds, are played again on every reference: what was found once is found
//! again, in the ordinary test run.

use std::fs;
use std::path::{Path, PathBuf};

use rmap_diff::check::{self, Lockstep, Sides};
use rmap_diff::kernel::{self, Kernel, SlabMode};
use rmap_diff::known::KnownFindings;
use rmap_diff::mm::{KernelDriver, SmallDriver};
use rmap_diff::port::Port;
use rmap_diff::session::{Session, VmaCode};
use rmap_diff::trace::{OpSet, Trace};

/// References whose VMA code drives in any case.
const WITH_VMA_CODE: &[&str] = &["6.1", "6.12", "6.12-fork-preallocates", "7.2", "7.3", "7.3-updates-in-place"];

fn fuzz(dir: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(dir)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The inputs of a corpus directory, each with its name: an empty one is an error, for somebody expected inputs there.
fn inputs(dir: &Path, set: OpSet) -> Result<Vec<(String, Trace)>, String> {
    let inputs: Vec<_> = files(dir)
        .into_iter()
        .map(|path| (path.display().to_string(), Trace::from_bytes_of(set, &fs::read(&path).unwrap())))
        .collect();
    if inputs.is_empty() {
        Err(format!("{}: no corpus files where some were expected", dir.display()))
    } else {
        Ok(inputs)
    }
}

fn play(set: OpSet, inputs: &[(String, Trace)]) {
    let known = KnownFindings::read(None).unwrap();
    for reference in kernel::references() {
        let signatures = known.of(reference.name, reference.version).into_iter().map(|known| known.signature);
        let signatures: Vec<String> = signatures.collect();
        let port = Port::new(reference.revision);
        let found = |name: &str, result: check::RunResult| {
            assert_eq!(result.finding.map(|finding| finding.signature()), None, "{}: {name}", reference.name);
        };
        // Where a reference has no VMA code of its own, the small driver plays what it knows.
        let missing = reference.without_vma_layer();
        assert!(missing.is_none() || !WITH_VMA_CODE.contains(&reference.name), "{}: {missing:?}", reference.name);
        match set == OpSet::Full && missing.is_none() {
            true => {
                let side = Kernel::with_vma_layer(reference, SlabMode::Reuse).expect("it is not missing");
                let (mut lockstep, mut driver) = (Lockstep::new(side, port), KernelDriver::new());
                lockstep.tolerate(signatures);
                inputs
                    .iter()
                    .for_each(|(name, trace)| found(name, check::run_trace(&mut lockstep, &mut driver, trace)));
            }
            false => {
                let side = Kernel::new(reference, SlabMode::Reuse);
                let (mut lockstep, mut driver) = (Lockstep::new(side, port), SmallDriver::new());
                lockstep.tolerate(signatures);
                inputs
                    .iter()
                    .for_each(|(name, trace)| found(name, check::run_trace(&mut lockstep, &mut driver, trace)));
            }
        }
    }
}

/// A corpus that is not there was never expected: the fuzzer makes it.
fn replay(dir: &Path, set: OpSet) {
    if dir.is_dir() {
        let inputs = inputs(dir, set).unwrap();
        println!("{}: {} inputs", dir.display(), inputs.len());
        play(set, &inputs);
    } else {
        println!("{}: not there, no fuzzer ran yet", dir.display());
    }
}

#[test]
fn the_corpus_finds_nothing_on_any_reference() {
    replay(&fuzz("corpus/differential"), OpSet::Full);
    replay(&fuzz("corpus/differential-rust"), OpSet::Small);
}

#[test]
fn the_seeds_as_inputs_find_nothing_on_any_reference() {
    for set in [OpSet::Full, OpSet::Small] {
        let seeds = files(&fuzz("seeds")).into_iter().filter(|path| path.extension().is_some_and(|e| e == "trace"));
        let inputs: Vec<(String, Trace)> = seeds
            .map(|path| {
                let trace: Trace = fs::read_to_string(&path).unwrap().parse().unwrap();
                let bytes = trace.to_bytes_of(set);
                (path.display().to_string(), Trace::from_bytes_of(set, &bytes))
            })
            .collect();
        assert!(inputs.len() >= 41, "{} seeds", inputs.len());
        play(set, &inputs);
    }
}

/// With the kernel's own page-table code, on its side alone, as the fuzzer plays what runs together.
#[test]
fn the_seeds_that_run_together_find_nothing_and_come_back_from_bytes() {
    let known = KnownFindings::read(None).unwrap();
    for reference in kernel::references().iter().filter(|reference| reference.without_pages_layer().is_none()) {
        let known = known.of(reference.name, reference.version).into_iter().map(|known| known.signature);
        let session = Session::new(reference).with_vma(VmaCode::Pages).with_sides(Sides::Reference);
        let mut player = session.tolerating(known.collect()).player().unwrap();
        let mut seeds = 0;
        for path in files(&fuzz("together-seeds")) {
            let trace: Trace = fs::read_to_string(&path).unwrap().parse().unwrap();
            assert!(!trace.sections.is_empty(), "{}", path.display());
            let bytes = trace.to_bytes_of(OpSet::Together);
            assert_eq!(Trace::from_bytes_of(OpSet::Together, &bytes), trace, "{}", path.display());
            let result = player.play(&trace);
            let found = result.finding.map(|finding| finding.signature());
            assert_eq!(found, None, "{}: {}", reference.name, path.display());
            let stats = result.stats;
            assert!(stats.done + 2 > trace.ops.len() as u64, "{}: {}: {stats:?}", reference.name, path.display());
            seeds += 1;
        }
        assert!(seeds > 3, "{seeds}");
    }
}

/// A seed without sections is the same input in the set that has them.
#[test]
fn seeds_on_pages_mean_the_same_where_there_are_sections() {
    for dir in ["seeds", "page-seeds"] {
        for path in files(&fuzz(dir)) {
            let trace: Trace = fs::read_to_string(&path).unwrap().parse().unwrap();
            let bytes = trace.to_bytes_of(OpSet::Pages);
            assert_eq!(trace.to_bytes_of(OpSet::Together), bytes, "{}", path.display());
            for set in [OpSet::Pages, OpSet::Together] {
                assert_eq!(Trace::from_bytes_of(set, &bytes).ops, trace.ops, "{}", path.display());
            }
        }
    }
}

#[test]
fn a_corpus_without_files_is_an_error() {
    let empty = tempfile::tempdir().unwrap();
    let said = inputs(empty.path(), OpSet::Full).unwrap_err();
    assert!(said.contains("no corpus files where some were expected"), "{said}");
}
