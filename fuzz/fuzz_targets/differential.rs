//! One kernel's compiled anon_vma code beside the port, on arbitrary traces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rmap_diff::fuzzing;
use rmap_diff::trace::Trace;

fuzz_target!(
    init: fuzzing::announce(),
    |data: &[u8]| fuzzing::differential(&Trace::from_bytes_of(fuzzing::operations(), data))
);
