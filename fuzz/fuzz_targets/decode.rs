//! An input is mutated and decoded as in `differential`, and not run: what libFuzzer, the mutator and the decoder cost.
#![no_main]

use libfuzzer_sys::{fuzz_crossover, fuzz_mutator, fuzz_target, fuzzer_mutate};
use rmap_diff::fuzzing;
use rmap_diff::trace::Trace;

fuzz_target!(
    init: fuzzing::announce().unwrap_or_else(|error| {
        eprintln!("rmap-diff: {error}");
        std::process::exit(2)
    }),
    |data: &[u8]| {
        std::hint::black_box(Trace::from_bytes_of(fuzzing::operations(), data));
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    fuzzing::mutate(data, size, max_size, seed, fuzzer_mutate)
});

fuzz_crossover!(|one: &[u8], other: &[u8], out: &mut [u8], seed: u32| { fuzzing::crossover(one, other, out, seed) });
