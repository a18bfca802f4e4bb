//! One kernel's compiled anon_vma code beside the port, on arbitrary traces.
#![no_main]

use libfuzzer_sys::{fuzz_crossover, fuzz_mutator, fuzz_target, fuzzer_mutate};
use rmap_diff::fuzzing::{self, SWITCH_COUNTERS, SwitchCounters};
use rmap_diff::trace::Trace;

use std::sync::atomic::AtomicU8;

/// What libFuzzer counts as coverage beside that of the code, and empties before each input.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static SWITCHES: SwitchCounters = [const { AtomicU8::new(0) }; SWITCH_COUNTERS];

fuzz_target!(
    init: fuzzing::announce().unwrap_or_else(|error| {
        eprintln!("rmap-diff: {error}");
        std::process::exit(2)
    }),
    |data: &[u8]| fuzzing::differential(&Trace::from_bytes_of(fuzzing::operations(), data), &SWITCHES)
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    fuzzing::mutate(data, size, max_size, seed, fuzzer_mutate)
});

fuzz_crossover!(|one: &[u8], other: &[u8], out: &mut [u8], seed: u32| { fuzzing::crossover(one, other, out, seed) });
