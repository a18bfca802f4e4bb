//! How soon the defects of the kernel's own past are found: each planted in every generation that can have it, from nothing, five
//! seeds each, in lockstep and by the invariants alone. `make historical` prints the table of docs/results.md.
//!
//! A generation whose reference is not in the cache is named and left out. Fails if a defect is not found.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use rmap_extract::cache::Cache;

#[path = "../tests/common/historical.rs"]
mod historical;
#[path = "../tests/common/planted.rs"]
#[allow(dead_code)]
mod planted;

use historical::HISTORICAL;
use planted::{Hunt, Planted, Workshop};

/// Seeds of one search.
const SEEDS: u64 = 5;
/// Between the first traces of two searches.
const APART: u64 = 1_000_000;
/// Operations within which a defect must be found.
const OPS: u64 = 200_000;

fn main() -> ExitCode {
    let cache = Cache::from_env().expect("a kernel cache");
    let all = || HISTORICAL.iter().flat_map(|defect| defect.planted);
    let mut missing = BTreeMap::new();
    for (kernel, _) in all() {
        if let Err(error) = cache.load(kernel) {
            missing.insert(*kernel, error.to_string());
        }
    }
    missing.iter().for_each(|(kernel, error)| eprintln!("left out: {kernel}: {error}"));
    let faults = all().filter(|(kernel, _)| !missing.contains_key(kernel));
    let workshop = Workshop::open_optimised(faults.map(|(of, fault)| Planted {
        of,
        fault,
        apart: true,
        with_vma_code: true,
        with_pages: false,
    }));
    println!("| fix undone | kernel | lockstep: operations | seconds | invariants alone: operations | seconds |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut found_all = true;
    for defect in HISTORICAL {
        println!("| **{}** | | | | | |", defect.fix);
        for (kernel, fault) in defect.planted.iter().filter(|(kernel, _)| !missing.contains_key(kernel)) {
            let cells = ["both", "kernel"].map(|side| {
                let mut runs: Vec<(Option<u64>, f64)> = (0..SEEDS)
                    .map(|seed| {
                        let hunt = Hunt {
                            kernel: fault.name,
                            vma: "kernel",
                            side,
                            mix: defect.mix,
                            ops: OPS,
                            first_seed: 1 + seed * APART,
                            in_port: 0,
                        };
                        let begun = Instant::now();
                        let found = workshop.hunt(&hunt).unwrap_or_else(|error| panic!("{error}"));
                        (found.map(|found| found.ops), begun.elapsed().as_secs_f64())
                    })
                    .collect();
                found_all &= runs.iter().all(|(ops, _)| ops.is_some());
                runs.sort_by_key(|(ops, _)| ops.unwrap_or(u64::MAX));
                let ops: Vec<String> =
                    runs.iter().map(|(ops, _)| ops.map_or("none".to_owned(), |ops| ops.to_string())).collect();
                let slowest = runs.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max);
                format!("{} | {slowest:.2}", ops.join(", "))
            });
            println!("| {} | {kernel} | {} | {} |", defect.about, cells[0], cells[1]);
        }
    }
    println!(
        "\nOperations of each of {SEEDS} seeds, fewest first; seconds of the slowest, start of the process included."
    );
    if found_all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
