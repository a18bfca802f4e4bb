//! One kernel's compiled anon_vma code beside the port, on arbitrary traces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rmap_diff::fuzzing;
use rmap_diff::trace::Trace;

fuzz_target!(
    init: fuzzing::announce(),
    |trace: Trace| fuzzing::differential(&trace)
);
