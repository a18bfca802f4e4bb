//! Operations that run together, on the kernel's side alone. That races are seen is in tests/planted_faults.rs.

use rmap_diff::check::Sides;
use rmap_diff::kernel::{self, Reference};
use rmap_diff::known::{self, KnownFindings};
use rmap_diff::session::{Session, VmaCode};
use rmap_diff::trace::{Mix, Rng, Trace, random_sections};

/// The references that have the page-table code.
fn with_pages() -> impl Iterator<Item = &'static Reference> {
    kernel::references().iter().filter(|reference| reference.without_pages_layer().is_none())
}

fn session(reference: &'static Reference) -> Session {
    let known = known::signatures(&KnownFindings::embedded().of(reference.name, reference.version));
    Session::new(reference).with_vma(VmaCode::Pages).with_sides(Sides::Reference).tolerating(known)
}

/// Traces with sections on which the unchanged kernels break nothing.
const TRACES: usize = 2_000;
/// Operations of each.
const OPERATIONS: usize = 32;

#[test]
fn random_schedules_break_nothing_of_the_kernels_as_they_are() {
    for reference in with_pages() {
        let mut player = session(reference).player().unwrap();
        let (mut rng, mut sections, mut done, mut total) = (Rng::new(7), 0, 0, 0);
        for _ in 0..TRACES {
            let trace = random_sections(&mut rng, OPERATIONS, &Mix::together());
            let result = player.play(&trace);
            let found = result.finding.map(|finding| finding.signature());
            assert_eq!(found, None, "{}: {}", reference.name, trace.to_file_text());
            sections += trace.sections.len();
            done += result.stats.done;
            total += trace.ops.len();
        }
        println!("{}: {sections} sections, {done} of {total} operations done", reference.name);
        assert!(sections > 2 * TRACES && done as usize > total / 2, "{}", reference.name);
    }
}

/// The same twice, in another world: a schedule depends on nothing but the trace.
#[test]
fn a_trace_with_sections_does_the_same_whenever_it_is_played() {
    for reference in with_pages() {
        let play = |traces: &mut dyn Iterator<Item = &Trace>| {
            let mut player = session(reference).player().unwrap();
            traces.map(|trace| player.play(trace)).collect::<Vec<_>>()
        };
        let mut rng = Rng::new(11);
        let traces: Vec<Trace> = (0..200).map(|_| random_sections(&mut rng, OPERATIONS, &Mix::together())).collect();
        let forwards = play(&mut traces.iter());
        let mut backwards = play(&mut traces.iter().rev());
        backwards.reverse();
        assert_eq!(forwards, backwards, "{}", reference.name);
    }
}

/// Without a line that says otherwise the tasks come one after another, and do what they do as operations.
#[test]
fn tasks_that_are_not_switched_do_what_the_operations_do() {
    for reference in with_pages() {
        let mut player = session(reference).player().unwrap();
        let mut rng = Rng::new(13);
        for _ in 0..300 {
            let mut trace = random_sections(&mut rng, OPERATIONS, &Mix::together());
            trace.sections.iter_mut().for_each(|section| section.switches.clear());
            let together = player.play(&trace).stats;
            trace.sections.clear();
            let apart = player.play(&trace).stats;
            let counts = |stats: rmap_diff::check::RunStats| (stats.done, stats.refused, stats.failed);
            assert_eq!(counts(together), counts(apart), "{}: {}", reference.name, trace.to_file_text());
        }
    }
}

/// Tasks wait for locks, and go on: each of these operations needs the mmap lock of p0 and that of its VMA, or the
/// lock of its anon_vma.
#[test]
fn a_task_waits_for_what_another_holds() {
    let text = "\
map p0 0x10..0x12
fault p0 0x10
together
  unmap p0 0x10..0x11
  fault p0 0x11
  swapout p0 0x10
  at a unlock 2 anon_vma b
  at b lock mmap c
end
fault p0 0x11
";
    let trace: Trace = text.parse().unwrap();
    for reference in with_pages() {
        let result = session(reference).player().unwrap().play(&trace);
        assert_eq!(result.finding, None, "{}", reference.name);
        assert_eq!((result.stats.done, result.stats.failed), (6, 0), "{}", reference.name);
    }
}

/// The port does not follow tasks, and so no operation of a section is done beside it.
#[test]
fn a_lockstep_does_not_run_sections() {
    let trace: Trace = "map p0 0x10..0x11\ntogether\nfault p0 0x10\nfork p0 p1\nend\n".parse().unwrap();
    for reference in with_pages() {
        let result = session(reference).with_sides(Sides::Both).player().unwrap().play(&trace);
        assert_eq!(result.finding, None, "{}", reference.name);
        assert_eq!((result.stats.done, result.stats.refused), (1, 2), "{}", reference.name);
    }
}
