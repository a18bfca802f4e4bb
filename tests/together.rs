//! Operations that run together, on the kernel's side alone and with the port beside it. That races are seen, and faults in the port,
//! is in tests/planted_faults.rs.

use std::collections::HashSet;

use rmap_diff::check::{Finding, FindingKind, Phase, Sides, digest};
use rmap_diff::fuzzing;
use rmap_diff::kernel::{self, Reference, SlabMode};
use rmap_diff::known::{self, KnownFindings};
use rmap_diff::session::{Session, VmaCode};
use rmap_diff::trace::{Mix, Rng, Trace, random_sections};

/// The references that have the page-table code.
fn with_pages() -> impl Iterator<Item = &'static Reference> {
    kernel::references().iter().filter(|reference| reference.without_pages_layer().is_none())
}

/// The C alone.
fn session(reference: &'static Reference) -> Session {
    lockstep(reference).with_sides(Sides::Reference)
}

/// The C, and the port that follows it.
fn lockstep(reference: &'static Reference) -> Session {
    let known = known::signatures(&KnownFindings::embedded().of(reference.name, reference.version));
    Session::new(reference).with_vma(VmaCode::Pages).with_sides(Sides::Both).tolerating(known)
}

/// Traces with sections on which the unchanged kernels break nothing.
const TRACES: usize = 2_000;
/// Operations of each.
const OPERATIONS: usize = 32;

/// Plays random traces with sections, of which nothing is to be found.
fn play_random(session: impl Fn(&'static Reference) -> Session, seed: u64, mix: &Mix) {
    for reference in with_pages() {
        let mut player = session(reference).player().unwrap();
        let (mut rng, mut sections, mut done, mut total) = (Rng::new(seed), 0, 0, 0);
        for _ in 0..TRACES {
            let trace = random_sections(&mut rng, OPERATIONS, mix);
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

#[test]
fn random_schedules_break_nothing_of_the_kernels_as_they_are() {
    play_random(session, 7, &Mix::together());
}

#[test]
fn the_port_comes_to_every_point_that_the_kernels_come_to() {
    play_random(lockstep, 17, &Mix { fail_per_mille: 333, ..Mix::together() });
}

/// A schedule depends on nothing but the trace: not on the world, on what ran there before, or on what becomes of freed objects.
#[test]
fn a_trace_with_sections_does_the_same_whenever_it_is_played() {
    for reference in with_pages() {
        let mut rng = Rng::new(11);
        let mix = Mix { fail_per_mille: 333, ..Mix::together() };
        let traces: Vec<Trace> = (0..400).map(|_| random_sections(&mut rng, OPERATIONS, &mix)).collect();
        let (one, other) = traces.split_at(traces.len() / 2);
        let digests = |slab, traces: &mut dyn Iterator<Item = &Trace>| {
            let mut kernel = Session { slab, ..session(reference) }.kernel().unwrap();
            traces.map(|trace| digest(&mut kernel, trace)).collect::<Vec<u64>>()
        };
        let forwards = digests(SlabMode::Reuse, &mut one.iter());
        let mut backwards = digests(SlabMode::Reuse, &mut other.iter().chain(one.iter().rev())).split_off(other.len());
        backwards.reverse();
        assert_eq!(forwards, backwards, "{}", reference.name);
        assert_eq!(forwards, digests(SlabMode::Poison, &mut one.iter()), "{}", reference.name);
        let different: HashSet<u64> = forwards.iter().copied().collect();
        assert_eq!(different.len(), one.len(), "{}", reference.name);
    }
}

/// Traces of which a build with AddressSanitizer and this one say what they do.
const COMPARED: usize = 2_000;

/// Where the fuzz target was built with AddressSanitizer, RMAP_SANITIZED says where it is.
#[test]
fn a_trace_with_sections_does_the_same_under_address_sanitizer() {
    let Some(sanitized) = std::env::var_os("RMAP_SANITIZED") else { return };
    let mut compared = 0;
    for reference in with_pages() {
        let mut target = std::process::Command::new(&sanitized);
        target.arg("-runs=0").env("RMAP_KERNEL", reference.name).env("RMAP_VMA", "pages").env("RMAP_TOGETHER", "1");
        target.env("RMAP_DIGEST", COMPARED.to_string()).env("ASAN_OPTIONS", "detect_stack_use_after_return=0");
        let said = String::from_utf8(target.output().unwrap().stderr).unwrap();
        if said.contains(&format!("RMAP_KERNEL={}", reference.name)) {
            println!("{}: the fuzz target has not got it", reference.name);
            continue;
        }
        let digest = fuzzing::digest_of_sections(&session(reference), COMPARED).unwrap();
        let line = format!("digest of {COMPARED} traces: {digest:016x}");
        assert!(said.contains("sanitizer=address") && said.contains(&line), "{}: {line}\n{said}", reference.name);
        println!("{}: {line}, with AddressSanitizer and without", reference.name);
        compared += 1;
    }
    assert!(compared > 0, "the fuzz target has no reference with page-table code");
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

/// Who has to wait for userfaultfd gives the lock of the VMA back first.
#[test]
fn a_fault_that_waits_for_userfaultfd_takes_no_lock_out_of_order() {
    let text = "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
uffdwp p1 0x10..0x11
together
  fault p1 0x10
  exit p0
end
";
    nothing_is_found(text);
}

/// A folio of several pages that loses some is queued for a split, in a read section within another one.
#[test]
fn a_folio_of_several_pages_migrates_beside_others() {
    let text = "\
map p0 0x10..0x14
fork p0 p1
fault p1 0x10 order 2
together
  migrate p1 0x10
  move p0 0x10..0x11 0x20
end
";
    nothing_is_found(text);
}

/// A fault does not wait for a migration that was left half-way before the section, of whichever page of the folio.
#[test]
fn a_fault_waits_for_no_migration_that_nobody_ends() {
    let text = "\
map p0 0x400..0x404
fault p0 0x400 order 2
migrate-begin p0 0x400
together
  age p0 0x0
  fault p0 0x401
end
";
    nothing_is_found(text);
}

fn nothing_is_found(text: &str) {
    let trace: Trace = text.parse().unwrap();
    for reference in with_pages() {
        let result = lockstep(reference).player().unwrap().play(&trace);
        assert_eq!(result.finding, None, "{}", reference.name);
    }
}

/// What is freed and given out again while a walk has found it: the port reads what the kernel reads there.
#[test]
fn the_port_reads_a_freed_anon_vma_as_the_kernel_does() {
    let text = "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
map p1 0x20..0x21
together
  swapout p0 0x10
  unmap p0 0x10..0x11
  fault p1 0x20
  at a trylock b
  at b unlock mmap c
  at c unlock anon_vma a
end
";
    let trace: Trace = text.parse().unwrap();
    for reference in with_pages() {
        let result = lockstep(reference).player().unwrap().play(&trace);
        assert_eq!(result.finding, None, "{}", reference.name);
        assert_eq!((result.stats.done + result.stats.refused, result.stats.failed), (7, 0), "{}", reference.name);
    }
}

/// Runs the command in a directory with this trace, and returns its status and all that it says.
fn command(text: &str, args: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("t.trace"), text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    for variable in ["RMAP_KERNEL", "RMAP_DRIVER", "RMAP_VMA", "RMAP_KNOWN"] {
        command.env_remove(variable);
    }
    let output = command.args(args).current_dir(&dir).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn convert_takes_sections_in_their_set_and_back() {
    let text =
        "# rmap-diff trace v1\nmap p0 0x10..0x11\ntogether\n  fault p0 0x10\n  fork p0 p1\n  at a lock 2 mmap b\nend\n";
    let (status, said) = command(text, &["convert", "t.trace", "-o", "t.bin"]);
    assert!(status == Some(2) && said.contains("--set together"), "{said}");
    let dir = tempfile::tempdir().unwrap();
    let bytes = dir.path().join("t.bin").display().to_string();
    assert_eq!(command(text, &["convert", "--set", "together", "t.trace", "-o", &bytes]).0, Some(0));
    assert_eq!(command(text, &["convert", "--set", "together", &bytes]), (Some(0), text.to_owned()));
    let seeds = dir.path().join("seeds").display().to_string();
    assert_eq!(command(text, &["convert", "--set", "together", "--seeds", ".", "-o", &seeds]).0, Some(0));
    assert_eq!(command(text, &["convert", "--seeds", ".", "-o", &seeds]).0, Some(2));
}

/// Where no task is interrupted, the operations one after another do the same; elsewhere nobody outside of the kernel can do it.
#[test]
fn a_section_is_reproduced_only_where_its_operations_do_the_same_one_after_another() {
    let section = |lines: &str| {
        format!("map p0 0x10..0x11\nfault p0 0x10\ntogether\n  fork p0 p1\n  dontneed p0 0x10..0x11\n{lines}end\n")
    };
    for (lines, forms) in [("", &["c", "text"][..]), ("  at b free a\n  at a free 99 b\n", &["text"])] {
        for form in forms {
            let (status, said) = command(&section(lines), &["reproduce", "t.trace", "--as", form]);
            assert_eq!(status, Some(0), "{said}");
            assert!(said.contains("one after another") && !said.contains("\ntogether"), "{said}");
            let [fork, dontneed] = ["fork p0 p1", "dontneed p0 0x10..0x11"].map(|op| said.find(op).expect(op));
            assert!(fork < dontneed, "{said}");
        }
    }
    // The first has done nothing before the second begins.
    let (status, said) = command(&section("  at a lock b\n"), &["reproduce", "t.trace", "--as", "text"]);
    let [fork, dontneed] = ["fork p0 p1", "dontneed p0 0x10..0x11"].map(|op| said.find(op).expect(op));
    assert!(status == Some(0) && dontneed < fork, "{said}");
    let (status, said) = command(&section("  at a lock 2 b\n"), &["reproduce", "t.trace"]);
    assert!(
        status == Some(2) && said.contains("no program can choose") && said.contains("rmap-diff show t.trace"),
        "{said}"
    );
}

/// A reference from outside keeps an anon_vma whose parent goes in the section.
#[test]
fn a_pinned_anon_vma_outlives_its_parent() {
    let text = "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
fork p1 p2
exit p1
pin p2 0x10
together
  dontneed p0 0x10..0x11
  unmap p2 0x10..0x11
end
fault p0 0x10
";
    let trace: Trace = text.parse().unwrap();
    for reference in with_pages() {
        for sides in [Sides::Both, Sides::Reference] {
            let result = session(reference).with_sides(sides).player().unwrap().play(&trace);
            assert_eq!(result.finding, None, "{}", reference.name);
        }
    }
}

/// Two faults of one VMA each see that it has no anon_vma yet, and one of them is faster; protection changes while a walk asks who
/// used the page.
#[test]
fn the_port_sees_what_others_write_to_a_vma_meanwhile() {
    let text = "\
map p0 0x10..0x12
together
  fault p0 0x10
  fault p0 0x11
  at a trylock mmap b
end
protect p0 0x10..0x12 r
together
  age p0 0x10
  protect p0 0x10..0x12 rw
  at a unlock pte b
  at b lock pte a
end
";
    let trace: Trace = text.parse().unwrap();
    for reference in with_pages() {
        let result = lockstep(reference).player().unwrap().play(&trace);
        assert_eq!(result.finding, None, "{}", reference.name);
        assert_eq!((result.stats.done, result.stats.failed), (6, 0), "{}", reference.name);
    }
}

/// So does one whose finding has gone, with a section that could do with fewer switches.
#[test]
fn a_section_that_finds_nothing_again_comes_back_as_it_is() {
    let text = "map p0 0x10..0x12\nfault p0 0x10\nfork p0 p1\ntogether\n  fault p0 0x10\n  fault p1 0x10\n  at a lock b\n  \
                at b step a\n  at b lock a\nend\n";
    let trace: Trace = text.parse().expect("a trace");
    let kernel = with_pages().last().expect("a reference");
    let mut player = session(kernel).player().unwrap();
    assert_eq!(player.play(&trace).finding, None);
    let finding = Finding {
        operation: 5,
        teardown: false,
        phase: Phase::EndOfOperation,
        call: None,
        calls: Vec::new(),
        schedule: Vec::new(),
        kind: FindingKind::Violation { side: Sides::Reference, violations: Vec::new() },
    };
    let small = player.minimize(&trace, &finding);
    assert_eq!((small.trace, small.finding), (trace, finding));
    assert!((1..10).contains(&small.runs), "{} runs", small.runs);
}
