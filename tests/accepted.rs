//! What is made up is legal: of the operations that the byte form and the random generator make up, nine in ten and
//! more are done by the kernel, or fail where they are made to. Only what is refused is time lost.
#![allow(missing_docs)]

mod common;

use common::layer::kernel_with_layer;
use common::{GENERATIONS, reference};
use rmap_diff::kernel::SlabMode;
use rmap_diff::mm::{KernelDriver, Stats};
use rmap_diff::rmap::Side;
use rmap_diff::trace::{Mix, RECORD_BYTES, Rng, Trace, random_trace};

/// Operations a sort of input.
const OPS: u64 = 60_000;

/// How the kernel of that name takes these inputs.
fn stats(name: &str, mut input: impl FnMut(&mut Rng, usize) -> Trace) -> Stats {
    let mut kernel = kernel_with_layer(reference(name), SlabMode::Reuse);
    let mut driver = KernelDriver::new();
    let mut rng = Rng::new(5);
    let mut lengths = [4, 16, 64, 250].into_iter().cycle();
    while driver.stats().total().total() < OPS {
        let trace = input(&mut rng, lengths.next().unwrap_or(16));
        kernel.reset();
        driver.reset();
        for op in &trace.ops {
            driver.apply(&mut kernel, op);
        }
    }
    driver.take_stats()
}

/// What is wrong with that: more than one in ten refused.
fn too_many(name: &str, what: &str, stats: &Stats) -> Option<String> {
    let total = stats.total();
    let share = 100.0 * total.refused as f64 / total.total() as f64;
    let refused = stats.by_operation().filter(|(_, counts)| counts.refused > 0);
    let refused: Vec<String> =
        refused.map(|(keyword, counts)| format!("{keyword} {} of {}", counts.refused, counts.total())).collect();
    println!("{name}, {what}: {share:.1} % refused");
    (total.refused * 10 > total.total()).then(|| format!("{name}, {what}: {share:.1} %: {}", refused.join(", ")))
}

/// A sort of bytes: from a generator, so many records of it.
type Bytes = fn(&mut Rng, usize) -> Vec<u8>;

/// Bytes of all kinds, as a fuzzer begins with them or comes to them.
const KINDS: [(&str, Bytes); 6] = [
    ("noise", |rng, ops| (0..ops * RECORD_BYTES).map(|_| rng.next_u64() as u8).collect()),
    ("small numbers", |rng, ops| (0..ops * RECORD_BYTES).map(|_| rng.below(16) as u8).collect()),
    ("few bits", |rng, ops| {
        (0..ops * RECORD_BYTES).map(|_| if rng.below(8) == 0 { 1 << rng.below(8) } else { 0 }).collect()
    }),
    ("letters", |rng, ops| (0..ops * RECORD_BYTES).map(|_| b' ' + rng.below(95) as u8).collect()),
    ("one record again and again", |rng, ops| {
        let record: Vec<u8> = (0..RECORD_BYTES).map(|_| rng.next_u64() as u8).collect();
        record.repeat(ops)
    }),
    ("a changed trace", |rng, ops| {
        let mut bytes = random_trace(rng, ops, &Mix::full()).to_bytes();
        for _ in 0..1 + bytes.len() / 64 {
            let at = rng.below(bytes.len() as u32) as usize;
            bytes[at] = rng.next_u64() as u8;
        }
        bytes
    }),
];

#[test]
fn of_bytes_of_any_kind_nine_operations_in_ten_are_accepted() {
    let mut wrong = Vec::new();
    for name in GENERATIONS {
        for (kind, bytes) in KINDS {
            let stats = stats(name, |rng, ops| {
                let bytes = bytes(rng, ops);
                Trace::from_bytes(&bytes)
            });
            wrong.extend(too_many(name, kind, &stats));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn of_random_traces_nine_operations_in_ten_are_accepted() {
    let mut wrong = Vec::new();
    for name in GENERATIONS {
        for (what, mix) in
            [("full", Mix::full()), ("merges", Mix::merges()), ("full-fork-heavy", Mix::full_fork_heavy())]
        {
            let stats = stats(name, |rng, ops| random_trace(rng, ops, &mix));
            wrong.extend(too_many(name, what, &stats));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
