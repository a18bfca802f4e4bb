//! What objects take in memory, and that an execution does not allocate on the heap once its buffers have grown: one of a trace that a
//! kept session has played before.
//!
//! Allocations of the Rust code are counted here, by thread. `make counts` counts those of the C too.

mod common;

use allocation_counter::measure;
use rmap_diff::kernel::{self, Kernel, SlabMode};
use rmap_diff::known::{self, KnownFindings};
use rmap_diff::port::Port;
use rmap_diff::session::{Session, VmaCode};
use rmap_diff::trace::{Mix, Rng, Trace, random_trace};

/// Traces that a session plays in turn.
const TRACES: usize = 12;

/// Operations of each.
const OPERATIONS: usize = 96;

/// How often each is played before allocations are counted.
const WARM_UP: usize = 60;

/// Traces of this VMA code, some of whose allocations are made to fail.
fn traces(vma: VmaCode) -> Vec<Trace> {
    let mix = match vma {
        VmaCode::Model => Mix::default(),
        VmaCode::Kernel => Mix::full(),
        VmaCode::Pages => Mix::full().with_pages(),
    };
    let mut rng = Rng::new(7);
    (0..TRACES).map(|_| random_trace(&mut rng, OPERATIONS, &mix)).collect()
}

/// A trace that was played often enough is played again without an allocation: all memory that it takes is there.
fn assert_allocates_nothing(vma: VmaCode) {
    let mut sessions = 0;
    for reference in kernel::references() {
        let known = KnownFindings::embedded().of(reference.name, reference.version);
        let session = Session::new(reference).with_vma(vma).tolerating(known::signatures(&known));
        let Ok(mut player) = session.player() else { continue };
        let traces = traces(vma);
        for trace in (0..WARM_UP).flat_map(|_| &traces) {
            common::assert_nothing_found(reference, &player.play(trace), trace);
        }
        let counted: u64 = traces.iter().map(|trace| measure(|| drop(player.play(trace))).count_total).sum();
        let operations = traces.iter().map(|trace| trace.ops.len()).sum::<usize>();
        println!("{}, {}: {counted} allocations in {operations} operations", reference.name, vma.name());
        assert_eq!(counted, 0, "{}, {}: allocations in {operations} operations", reference.name, vma.name());
        sessions += 1;
    }
    assert!(sessions > 0, "no reference has this VMA code");
}

#[test]
fn nothing_is_allocated_when_a_trace_is_played_again_with_the_model() {
    assert_allocates_nothing(VmaCode::Model);
}

#[test]
fn nothing_is_allocated_when_a_trace_is_played_again_with_the_kernels_vma_code() {
    assert_allocates_nothing(VmaCode::Kernel);
}

#[test]
fn nothing_is_allocated_when_a_trace_is_played_again_with_the_kernels_page_table_code() {
    assert_allocates_nothing(VmaCode::Pages);
}

/// What is noted beside a record, on either side, is not in it.
#[test]
fn the_ports_records_are_no_larger_than_the_kernels_structures() {
    for reference in kernel::references() {
        // With the model the VMA is a stand-in.
        let Ok(kernel) = Kernel::with_vma_layer(reference, SlabMode::Reuse) else { continue };
        let sizes = kernel.object_sizes();
        println!("{}: {sizes:?}", reference.name);
        let [vma, anon_vma, chain_entry] = Port::new(reference.revision).memory().map(|memory| memory.record as u32);
        assert!(vma <= sizes[0].structure, "{}: {vma} {:?}", reference.name, sizes[0]);
        assert!(anon_vma <= sizes[1].structure, "{}: {anon_vma} {:?}", reference.name, sizes[1]);
        assert!(chain_entry <= sizes[2].structure, "{}: {chain_entry} {:?}", reference.name, sizes[2]);
    }
}
