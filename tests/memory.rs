//! What objects take in memory, and how often an execution allocates on the heap once its buffers have grown: one of a trace that a
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

/// Allocations an operation at most, of a trace that is played again. The aim is none: who takes some away lowers it.
fn assert_allocates_at_most(vma: VmaCode, most: f64) {
    let mut sessions = 0;
    for reference in kernel::references() {
        let known = KnownFindings::embedded().of(reference.name, reference.version);
        let session = Session::new(reference).with_vma(vma).tolerating(known::signatures(&known));
        let Ok(mut player) = session.player() else { continue };
        let traces = traces(vma);
        for trace in traces.iter().chain(&traces) {
            common::assert_nothing_found(reference, &player.play(trace), trace);
        }
        let counted: u64 = traces.iter().map(|trace| measure(|| drop(player.play(trace))).count_total).sum();
        let each = counted as f64 / traces.iter().map(|trace| trace.ops.len()).sum::<usize>() as f64;
        println!("{}, {}: {each:.2} allocations an operation", reference.name, vma.name());
        assert!(each <= most, "{}, {}: {each:.2} allocations an operation, {most} at most", reference.name, vma.name());
        sessions += 1;
    }
    assert!(sessions > 0, "no reference has this VMA code");
}

#[test]
fn the_model_seldom_allocates_when_a_trace_is_played_again() {
    assert_allocates_at_most(VmaCode::Model, 2.7);
}

#[test]
fn the_kernels_vma_code_seldom_allocates_when_a_trace_is_played_again() {
    assert_allocates_at_most(VmaCode::Kernel, 2.4);
}

#[test]
fn the_kernels_page_table_code_seldom_allocates_when_a_trace_is_played_again() {
    assert_allocates_at_most(VmaCode::Pages, 3.5);
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
