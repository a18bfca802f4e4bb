//! The kernel's own page-table code: of which references it is there, what it runs, and how its allocations fail.
//!
//! That its invariants can fail is in tests/planted_faults.rs.

use rmap_diff::check::{Lockstep, run_trace_watched};
use rmap_diff::kernel::{self, Kernel, Reference, SlabMode};
use rmap_diff::known::{self, KnownFindings};
use rmap_diff::mm::KernelDriver;
use rmap_diff::port::Port;
use rmap_diff::prove::seeds;
use rmap_diff::session::{Session, VmaCode};
use rmap_diff::trace::{Mix, PageTables, Rng, Trace, Watched, random_trace};

/// The references that have it.
fn with_pages() -> impl Iterator<Item = &'static Reference> {
    kernel::references().iter().filter(|reference| reference.without_pages_layer().is_none())
}

fn session(reference: &'static Reference) -> Session {
    Session::new(reference).with_vma(VmaCode::Pages)
}

/// Plays a trace on each of them, and tells how many operations were done, refused and failed.
fn play(text: &str) -> Vec<(u64, u64, u64)> {
    let trace: Trace = text.parse().unwrap();
    let of = |reference| {
        let result = session(reference).player().unwrap().play(&trace);
        assert_eq!(result.finding.as_ref().map(|finding| finding.signature()), None, "{}: {text}", reference.name);
        (result.stats.done, result.stats.refused, result.stats.failed)
    };
    with_pages().map(of).collect()
}

/// The share of the function lines of mm/rmap.c that is compiled, in percent.
fn share(reference: &Reference) -> u32 {
    let (_, after) = reference.extract.split_once("Compiled of mm/rmap.c\n").unwrap();
    after.trim_start().split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_newest_kernels_have_it_and_nearly_all_of_rmap_c_is_compiled() {
    let of_7 = |reference: &&Reference| reference.version.starts_with("7.");
    assert!(with_pages().any(|reference| of_7(&reference)));
    for reference in with_pages() {
        let least = if of_7(&reference) { 98 } else { 90 };
        assert!(share(reference) >= least, "{}: {} %", reference.name, share(reference));
    }
}

#[test]
fn a_reference_without_it_says_why_and_names_what_is_not_compiled() {
    for reference in kernel::references() {
        let Some(why) = reference.without_pages_layer() else { continue };
        assert!(!why.is_empty() && share(reference) < 50, "{}", reference.name);
        assert!(
            reference.extract.contains("not compiled, for the page-table code is not built ("),
            "{}",
            reference.name
        );
        assert!(reference.extract.contains("    try_to_unmap_one ("), "{}", reference.name);
        let error = session(reference).player().err().unwrap().to_string();
        assert!(error.contains("has no kernel page-table code") && error.contains("--vma kernel"), "{error}");
    }
}

#[test]
fn every_seed_runs_on_the_kernels_own_page_tables() {
    let seeds = seeds(VmaCode::Pages);
    assert!(seeds.len() > 30);
    for reference in with_pages() {
        let mut player = session(reference).player().unwrap();
        for seed in &seeds {
            let result = player.play(seed);
            assert_eq!(result.finding.map(|finding| finding.signature()), None, "{}:\n{seed}", reference.name);
        }
    }
}

#[test]
fn random_traces_with_failing_frames_and_page_tables_break_nothing() {
    let mix = Mix { fail_page_per_mille: 200, ..Mix::full_fork_heavy() };
    for reference in with_pages() {
        let known = known::signatures(&KnownFindings::embedded().of(reference.name, reference.version));
        let mut player = session(reference).tolerating(known).player().unwrap();
        let mut rng = Rng::new(7);
        for _ in 0..40 {
            let trace = random_trace(&mut rng, 128, &mix);
            let result = player.play(&trace);
            assert_eq!(result.finding.map(|finding| finding.signature()), None, "{}:\n{trace}", reference.name);
        }
    }
}

#[test]
fn what_changes_is_read_as_all_would_be() {
    let mix = Mix { fail_page_per_mille: 100, ..Mix::full_fork_heavy() };
    for reference in with_pages() {
        let known = known::signatures(&KnownFindings::embedded().of(reference.name, reference.version));
        let mut lockstep =
            Lockstep::new(Kernel::with_pages(reference, SlabMode::Reuse).unwrap(), Port::new(reference.revision));
        lockstep.tolerate(known);
        let mut driver = KernelDriver::new();
        let (mut rng, mut all, mut compared) = (Rng::new(11), PageTables::default(), 0);
        // A table that goes, and had no entry.
        let emptied = "map p0 0x10..0x11\nfault p0 0x10 failpage=2\nunmap p0 0x10..0x11\n".parse().unwrap();
        let drawn = std::iter::repeat_with(|| random_trace(&mut rng, 128, &mix)).take(30);
        for trace in std::iter::once(emptied).chain(drawn) {
            run_trace_watched(&mut lockstep, &mut driver, &trace, |lockstep, driver, op, _| {
                let Some((read, true)) = KernelDriver::page_tables(driver) else { return };
                assert_eq!(Watched::page_tables(lockstep.reference(), &mut all), Some(true));
                assert_eq!(*read, all, "{}: after {op} of\n{trace}", reference.name);
                compared += 1;
            });
        }
        assert!(compared > 2000, "{compared}");
    }
}

#[test]
fn the_first_fault_allocates_three_page_tables_and_a_frame() {
    for attempt in 1..=4 {
        for (done, refused, failed) in play(&format!("map p0 0x10..0x14\nfault p0 0x10 failpage={attempt}\n")) {
            assert_eq!((done, refused, failed), (1, 0, 1), "attempt {attempt}");
        }
    }
    for counts in play("map p0 0x10..0x14\nfault p0 0x10 failpage=5\n") {
        assert_eq!(counts, (2, 0, 0));
    }
}

/// The pages lie on both sides of a border between two page tables.
#[test]
fn a_fork_or_a_move_that_fails_half_way_leaves_both_processes_sound() {
    for attempt in 1..=5 {
        let text = format!(
            "map p0 0x1fe..0x202\nfault p0 0x1ff\nfault p0 0x200\nfork p0 p1 failpage={attempt}\nfault p0 0x1ff\n\
             fault p0 0x200\nfork p0 p2\nmove p0 0x1fe..0x202 0x3ff failpage={}\nwalk p2 0x1ff locked\n",
            attempt % 2 + 1
        );
        for (_, refused, failed) in play(&text) {
            assert!(refused == 0 && failed > 0, "attempt {attempt}: {refused} refused, {failed} failed");
        }
    }
}

#[test]
fn migration_of_a_shared_page_and_back_leaves_every_entry_as_it_was() {
    let text = "map p0 0x10..0x14\nfault p0 0x11\nwalk p0 0x11 locked\nfork p0 p1\nfork p1 p2\nwalk p1 0x11 locked\n\
                walk p2 0x11\nfault p1 0x11\nwalk p1 0x11 locked\nwalk p0 0x11 locked\n";
    for counts in play(text) {
        assert_eq!(counts, (10, 0, 0));
    }
}

/// What each of the operations on pages does, and which it refuses: done, refused, failed.
#[test]
fn a_page_is_reclaimed_and_comes_back() {
    for (text, counts) in [
        ("swapout p0 0x10\nfault p0 0x10 read\nfault p0 0x10\n", (5, 0, 0)),
        // Nothing is there any more.
        ("swapout p0 0x10\ntouch p0 0x10\nage p0 0x10\nmigrate p0 0x10\nswapout p0 0x10\n", (3, 4, 0)),
        ("swapout p0 0x10\ndontneed p0 0x10..0x14\nfault p0 0x10 read\ntouch p0 0x10\n", (6, 0, 0)),
        ("mlock p0 0x10..0x14\nswapout p0 0x10\nmunlockall p0\nswapout p0 0x10\n", (5, 1, 0)),
        ("swapout p0 0x10\nfault p0 0x10 failpage=1\nfault p0 0x10\n", (4, 0, 1)),
        // Without a slot it stays.
        ("swapout p0 0x10 failpage=1\ntouch p0 0x10 write\nswapout p0 0x10\n", (4, 0, 1)),
        ("fork p0 p1\nswapout p1 0x10\nfork p0 p2\nfault p2 0x10\nexit p0\nfault p1 0x10\n", (8, 0, 0)),
    ] {
        for found in play(&format!("map p0 0x10..0x14\nfault p0 0x10\n{text}")) {
            assert_eq!(found, counts, "{text}");
        }
    }
}

#[test]
fn a_page_moves_to_another_frame_or_stays() {
    for (text, counts) in [
        ("migrate p0 0x10\ntouch p0 0x10 write\n", (4, 0, 0)),
        ("migrate p0 0x10 failpage=1\ntouch p0 0x10 write\n", (3, 0, 1)),
        ("fork p0 p1\nmigrate p1 0x10\ntouch p0 0x10 write\ntouch p0 0x10\n", (5, 1, 0)),
        ("map p0 0x20..0x22 file 1\nfault p0 0x20 read\nmigrate p0 0x20\nage p0 0x20\nswapout p0 0x20\n", (7, 0, 0)),
    ] {
        for found in play(&format!("map p0 0x10..0x14\nfault p0 0x10\n{text}")) {
            assert_eq!(found, counts, "{text}");
        }
    }
}

/// Done, refused, failed.
#[test]
fn a_pinned_page_stays_where_it_is_until_it_is_unpinned() {
    for (text, counts) in [
        ("pin p0 0x10\nswapout p0 0x10\nmigrate p0 0x10\nmigrate-begin p0 0x10\n", (3, 3, 0)),
        ("pin p0 0x10\nunpin 0\nswapout p0 0x10\n", (5, 0, 0)),
        // The child's copy can go, the parent's page cannot.
        ("pin p0 0x10\nfork p0 p1\nswapout p1 0x10\nswapout p0 0x10\n", (5, 1, 0)),
        ("pin p0 0x10\nfork p0 p1 failpage=1\nfork p0 p1 failpage=5\nfork p0 p1\n", (4, 0, 2)),
        // A page that is not there is faulted in; what may not be written is made the process's alone.
        ("pin p0 0x11 failpage=1\npin p0 0x11\ntouch p0 0x11 write\n", (4, 0, 1)),
        ("fork p0 p1\nprotect p0 0x10..0x14 r\npin p0 0x10\nfork p0 p2\nexit p0\nunpin 0\n", (8, 0, 0)),
    ] {
        for found in play(&format!("map p0 0x10..0x14\nfault p0 0x10\n{text}")) {
            assert_eq!(found, counts, "{text}");
        }
    }
}

/// Done, refused, failed.
#[test]
fn other_operations_meet_the_entries_of_a_migration_that_has_begun() {
    for (text, counts) in [
        (
            "migrate-begin p0 0x10\nfault p0 0x10\npin p0 0x10\ntouch p0 0x10\nmigrate-end 0\ntouch p0 0x10 write\n",
            (5, 3, 0),
        ),
        ("migrate-begin p0 0x10 failpage=1\nmigrate-end 0\n", (2, 1, 1)),
        // What was shared meanwhile is not written to without a copy.
        ("migrate-begin p0 0x10\nfork p0 p1\nmigrate-end 0\ntouch p0 0x10 write\ntouch p1 0x10\n", (6, 1, 0)),
        (
            "migrate-begin p0 0x10\nprotect p0 0x10..0x11 r\nmove p0 0x10..0x11 0x30\nmigrate-end 0\ntouch p0 0x30\n",
            (7, 0, 0),
        ),
        ("migrate-begin p0 0x10\nunmap p0 0x10..0x14\nmigrate-end 0\n", (5, 0, 0)),
        ("migrate-begin p0 0x10\nfork p0 p1\nexit p0\nexit p1\nmigrate-end 0\nmigrate-end 0\n", (7, 1, 0)),
        // The trace ends first.
        ("migrate-begin p0 0x10\nmigrate-begin p0 0x10\n", (3, 1, 0)),
    ] {
        for found in play(&format!("map p0 0x10..0x14\nfault p0 0x10\n{text}")) {
            assert_eq!(found, counts, "{text}");
        }
    }
}

#[test]
fn what_nobody_wrote_to_since_lazyfree_is_dropped_by_reclaim() {
    for (text, counts) in [
        // It is gone: a read finds the zero page, which no reclaim takes.
        ("swapout p0 0x10\nfault p0 0x10 read\nswapout p0 0x10\n", (5, 1, 0)),
        // It was written to: reclaim sees it, and takes it the next time.
        ("touch p0 0x10 write\nswapout p0 0x10\nswapout p0 0x10\nfault p0 0x10 read\nswapout p0 0x10\n", (7, 1, 0)),
    ] {
        for found in play(&format!("map p0 0x10..0x14\nfault p0 0x10\nlazyfree p0 0x10..0x14\n{text}")) {
            assert_eq!(found, counts, "{text}");
        }
    }
}

/// A device has a page until the process accesses it, and everything else meets its entry: done, refused, failed. Where the entry
/// does not count as a mapping, nothing takes the page out of memory, or to another frame.
#[test]
fn a_page_that_a_device_has_is_lent_and_comes_back() {
    for (text, counts, uncounted) in [
        ("touch p0 0x10\nfault p0 0x10 read\ntouch p0 0x10 write\n", (5, 1, 0), (5, 1, 0)),
        ("fork p0 p1\nexclusive p1 0x10\nfault p1 0x10\n", (6, 0, 0), (6, 0, 0)),
        ("swapout p0 0x10\nexclusive p0 0x10\nmigrate p0 0x10\nfault p0 0x10\n", (7, 0, 0), (5, 2, 0)),
        ("move p0 0x10..0x11 0x20\nage p0 0x20\nprotect p0 0x20..0x21 r\nfault p0 0x20 read\n", (7, 0, 0), (7, 0, 0)),
        ("protect p0 0x10..0x14 r\nexclusive p0 0x10\nexclusive p0 0x15\n", (4, 2, 0), (4, 2, 0)),
        ("pin p0 0x10\nexclusive p0 0x10\nswapout p0 0x10\ndontneed p0 0x10..0x14\n", (6, 1, 0), (6, 1, 0)),
        ("map p0 0x20..0x24 shared file 1\nfault p0 0x20\nexclusive p0 0x20\n", (5, 1, 0), (5, 1, 0)),
    ] {
        let text = format!("map p0 0x10..0x14\nfault p0 0x10\nexclusive p0 0x10\n{text}");
        for (reference, found) in with_pages().zip(play(&text)) {
            let expected = if reference.revision.device_entries_count { counts } else { uncounted };
            assert_eq!(found, expected, "{}: {text}", reference.name);
        }
    }
}

/// Of a large folio a device gets the page that is asked for; or all that is mapped, if the first is asked for and no device has
/// another.
#[test]
fn a_device_gets_a_page_of_a_large_folio_or_all_of_it() {
    for (text, counts, all) in [
        ("exclusive p0 0x11\nexclusive p0 0x12\n", (4, 0, 0), (2, 2, 0)),
        ("exclusive p0 0x10\ntouch p0 0x11\nfault p0 0x11\n", (5, 0, 0), (4, 1, 0)),
        ("exclusive p0 0x10\nfault p0 0x12\nexclusive p0 0x10\nfault p0 0x10\n", (6, 0, 0), (5, 1, 0)),
        ("exclusive p0 0x10\nfault p0 0x10\nexclusive p0 0x10\nsplit p0 0x10\n", (6, 0, 0), (5, 1, 0)),
    ] {
        let text = format!("map p0 0x10..0x14\nfault p0 0x10 order 2\n{text}");
        for (reference, found) in with_pages().zip(play(&text)) {
            let expected = if reference.revision.device_entries_count { counts } else { all };
            assert_eq!(found, expected, "{}: {text}", reference.name);
        }
    }
}

/// Who runs such a trace without page tables is told what it needs.
#[test]
fn without_page_tables_it_is_said_what_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shared.trace");
    std::fs::write(&file, "map p0 0..1 shared file 0\nfault p0 0\nclean p0 0\n").unwrap();
    let run = |vma: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
        let output = command.args(["run", "--kernel", "7.2", "--vma", vma]).arg(&file).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run("kernel").contains("2 operations need the kernel's own page tables"), "{}", run("kernel"));
    assert_eq!(run("pages"), "");
}

/// Done, refused, failed. After the map of shared memory of a file of either file system, and a read and a write fault.
#[test]
fn a_page_of_shared_memory_is_written_and_written_back() {
    for file in [1, 3] {
        let told = file == 1;
        for (text, counts) in [
            // Both see what either wrote, and reclaim takes the page when it is clean.
            (
                "fork p0 p1\nfault p1 0x10\nswapout p0 0x10\nfault p0 0x10 read\nclean p0 0x10\nswapout p0 0x10\n",
                (8, 1, 0),
            ),
            // The next write needs a fault, and is written back in its turn.
            (
                "fork p0 p1\nfault p1 0x10 read\nclean p1 0x10\ntouch p0 0x10 write\nfault p0 0x10\ntouch p0 0x10 write\n\
                 clean p0 0x10\n",
                (9, 1, 0),
            ),
            // It moves for both, and so does a private mapping that only reads.
            (
                "fork p0 p1\nunmap p1 0x10..0x14\nmap p1 0x10..0x14 file 1\nfault p1 0x10 read\nmigrate p1 0x10\n\
                 touch p0 0x10 write\nage p0 0x10\n",
                (10, 0, 0),
            ),
            ("clean p0 0x11\nclean p0 0x12\nmap p0 0x20..0x21\nfault p0 0x20\nclean p0 0x20\n", (6, 2, 0)),
            ("pin p0 0x10\nmlock p0 0x10..0x14\nswapout p0 0x10\n", (4, 2, 0)),
        ] {
            for found in
                play(&format!("map p0 0x10..0x14 shared file {file}\nfault p0 0x11 read\nfault p0 0x10\n{text}"))
            {
                assert_eq!(found, counts, "{text}");
            }
        }
        // A page that was read may be written to without a fault, where nobody wants to know.
        let counts = if told { (2, 1, 0) } else { (3, 0, 0) };
        for found in play(&format!("map p0 0x10..0x14 shared file {file}\nfault p0 0x11 read\ntouch p0 0x11 write\n")) {
            assert_eq!(found, counts, "{file}");
        }
    }
    for found in
        play("map p0 0x10..0x14 shared\nmap p0 0x10..0x14 shared file 0 failpage=1\nfault p0 0x10 failpage=1\n")
    {
        assert_eq!(found, (1, 1, 1));
    }
}
