//! Every operation of the kernel's VMA code in situations in which it allocates, with every single attempt failing in
//! turn, and with that and all later ones: nothing is found, nothing is lost, nothing is left.
#![allow(missing_docs)]

mod common;

use common::GENERATIONS;
use common::layer::LayerWorld;
use rmap_diff::mm::{KernelDriver, Outcome};
use rmap_diff::rmap::{FolioId, MAX_PROCESSES, MmId};
use rmap_diff::trace::Watched;
use rmap_diff::trace::{OPERATIONS, OpKind, Operation};

/// A family in which each chain has two entries, in p1.
const FAMILY: &str = "map p0 0x10..0x18\nfault p0 0x11\nfault p0 0x16\nfork p0 p1\nfault p1 0x11\n";

/// What was done before, and the operation that fails.
const SITUATIONS: &[(&str, &str)] = &[
    ("", "map p0 0x10..0x14"),
    ("", "map p0 0x10..0x14 file 1"),
    ("map p0 0x10..0x12\nmap p0 0x14..0x16\n", "map p0 0x12..0x14"),
    ("map p0 0x10..0x12\nmap p0 0x14..0x16\nfault p0 0x10\n", "map p0 0x12..0x14"),
    ("map p0 0x10..0x18\nfault p0 0x11\nunmap p0 0x12..0x14\n", "map p0 0x12..0x14"),
    ("map p0 0x10..0x12 grows\nmap p0 0x14..0x16 grows\n", "map p0 0x12..0x14"),
    ("map p0 0x10..0x14\n", "fault p0 0x10"),
    ("map p0 0x10..0x14 file 0\n", "fault p0 0x10"),
    (FAMILY, "fault p1 0x16"),
    ("map p0 0x10..0x14\nmap p0 0x20..0x24\nmap p0 0x30..0x34\nfault p0 0x10\nfault p0 0x20\n", "fork p0 p1"),
    (FAMILY, "fork p1 p2"),
    (
        "map p0 0x10..0x18\nfault p0 0x10\nadvise p0 0x12..0x14 wipeonfork\nadvise p0 0x15..0x16 dontfork\n",
        "fork p0 p1",
    ),
    // An anon_vma of the middle generation can be had again.
    ("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\nfork p1 p2\nexit p1\n", "fork p2 p1"),
    (FAMILY, "unmap p1 0x12..0x14"),
    ("map p0 0x10..0x18\n", "unmap p0 0x10..0x12"),
    ("map p0 0x10..0x18\nmap p0 0x20..0x28\nfault p0 0x10\nfault p0 0x20\n", "unmap p0 0x14..0x24"),
    (FAMILY, "exit p1"),
    (FAMILY, "protect p1 0x12..0x14 r"),
    ("map p0 0x10..0x18\nmap p0 0x20..0x28\nfault p0 0x10\nunmap p0 0x18..0x20\n", "protect p0 0x14..0x18 r"),
    ("map p0 0x10..0x18\nfault p0 0x11\nprotect p0 0x12..0x14 r\n", "protect p0 0x12..0x14 rw"),
    (
        "map p0 0x10..0x18\nfault p0 0x11\nprotect p0 0x12..0x14 r\nprotect p0 0x16..0x18 r\n",
        "protect p0 0x11..0x17 rw",
    ),
    (FAMILY, "advise p1 0x12..0x14 dontfork"),
    ("map p0 0x10..0x18\nadvise p0 0x12..0x14 wipeonfork\nfault p0 0x12\n", "advise p0 0x12..0x14 keeponfork"),
    ("map p0 0x10..0x18\nadvise p0 0x10..0x14 wipeonfork\nfault p0 0x12\n", "advise p0 0x10..0x14 keeponfork"),
    (FAMILY, "mlock p1 0x12..0x14"),
    ("map p0 0x10..0x18\nfault p0 0x11\nmlock p0 0x12..0x16\n", "munlock p0 0x13..0x14"),
    // What merges on both sides takes the anon_vma of the one over to the other.
    ("map p0 0x10..0x18\nmlock p0 0x10..0x12\nmlock p0 0x14..0x18\nfault p0 0x16\n", "mlockall p0"),
    ("map p0 0x10..0x18\nmlock p0 0x12..0x14\nfault p0 0x16\n", "munlockall p0"),
    ("map p0 0x10..0x12\nfault p0 0x11\n", "brk p0 0x12..0x14"),
    ("map p0 0x10..0x12\nmlock p0 0x10..0x12\n", "brk p0 0x12..0x14"),
    (FAMILY, "move p1 0x12..0x14 0x30"),
    (FAMILY, "move p1 0x10..0x18 0x30"),
    (FAMILY, "move p1 0x12..0x14 0x30 dontunmap"),
    (FAMILY, "move p1 0x10..0x18 0x30 dontunmap"),
    ("map p0 0x10..0x18\nfault p0 0x11\nmove p0 0x12..0x14 0x30\nmove p0 0x30..0x32 0x40\n", "move p0 0x40..0x42 0x12"),
    ("map p0 0x10..0x18\nmap p0 0x20..0x28\nfault p0 0x11\nfault p0 0x21\n", "move p0 0x11..0x13 0x23"),
    (
        "map p0 0x10..0x18\nfault p0 0x13\nmove p0 0x13..0x15 0x30\nunmap p0 0x10..0x18\nmap p0 0x10..0x13\nmap p0 0x15..0x18\n",
        "move p0 0x30..0x32 0x13",
    ),
    (FAMILY, "resize p1 0x12..0x14 1"),
    (FAMILY, "resize p1 0x10..0x18 12"),
    ("map p0 0x10..0x18\nfault p0 0x11\nunmap p0 0x14..0x15\n", "resize p0 0x10..0x14 5"),
    ("map p0 0x20..0x24 grows\n", "grow p0 0x20 2"),
    ("map p0 0x20..0x24 grows\nfault p0 0x20\nfork p0 p1\n", "grow p1 0x20 2"),
    (FAMILY, "pin p1 0x11"),
    ("map p0 0x10..0x18\nfault p0 0x11\npin p0 0x11\n", "unpin 0"),
    (FAMILY, "walk p1 0x16"),
    ("map p0 0x10..0x14\nmap p0 0x20..0x24\nfault p0 0x10\n", "uffdmove p0 0x10 0x20"),
];

/// The same for operations of the page-table code, and what allocates frames and page tables.
const PAGE_SITUATIONS: &[(&str, &str)] = &[
    ("map p0 0x10..0x14\n", "fault p0 0x10 read"),
    ("map p0 0x10..0x20\n", "fault p0 0x10 order 2"),
    ("map p0 0x200..0x400\n", "fault p0 0x200 huge"),
    ("map p0 0x10..0x14 file 1\n", "fault p0 0x11 read"),
    ("map p0 0x10..0x14 shared file 1\n", "fault p0 0x11"),
    // Copies, and what comes back from the swap device.
    ("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\n", "fault p1 0x10"),
    ("map p0 0x200..0x400\nfault p0 0x200 huge\nfork p0 p1\n", "fault p1 0x200"),
    ("map p0 0x10..0x14\nfault p0 0x10\nswapout p0 0x10\n", "fault p0 0x10"),
    ("map p0 0x1fe..0x202\nfault p0 0x1ff\nfault p0 0x200\n", "fork p0 p1"),
    ("map p0 0x200..0x400\nfault p0 0x200 huge\n", "fork p0 p1"),
    ("map p0 0x10..0x14\nfault p0 0x10\npin p0 0x10\n", "fork p0 p1"),
    ("map p0 0x1fe..0x202\nfault p0 0x1ff\nfault p0 0x200\n", "move p0 0x1fe..0x202 0x3ff"),
    ("map p0 0x200..0x400\nfault p0 0x200 huge\n", "move p0 0x200..0x400 0x601"),
    ("map p0 0x10..0x14\n", "pin p0 0x10"),
    ("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\n", "pin p1 0x10"),
    ("map p0 0x10..0x14\nfault p0 0x10\n", "touch p0 0x10 write"),
    ("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\n", "dontneed p0 0x10..0x12"),
    ("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\n", "age p1 0x10"),
    ("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\n", "swapout p1 0x10"),
    ("map p0 0x10..0x14\nfault p0 0x10\n", "lazyfree p0 0x10..0x12"),
    ("map p0 0x10..0x20\nfault p0 0x10 order 2\n", "migrate p0 0x10"),
    ("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\n", "migrate-begin p1 0x10"),
    ("map p0 0x10..0x20\nfault p0 0x10 order 2\nmigrate-begin p0 0x10\n", "migrate-end 0"),
    ("map p0 0x10..0x14 shared file 1\nfault p0 0x11\n", "clean p0 0x11"),
    ("map p0 0x200..0x400\nfault p0 0x200 huge\n", "split p0 0x200"),
    ("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\n", "exclusive p1 0x10"),
    ("map p0 0x200..0x400\nfault p0 0x200 huge\n", "exclusive p0 0x200"),
    ("map p0 0x10..0x14\nfault p0 0x10\n", "uffdwp p0 0x10..0x12"),
    ("map p0 0x200..0x400\nfault p0 0x200 huge\n", "uffdwp p0 0x200..0x210"),
    ("map p0 0x10..0x20\nfault p0 0x10 order 2\n", "poison p0 0x11"),
];

/// Enough VMAs of p0 for a maple tree of several levels, above those of the situations (what grows keeps its distance from what is below): it splits and joins nodes.
fn crowd() -> String {
    let pages = (0x81..0xd0).step_by(2);
    pages.map(|page| format!("map p0 {page}..{}\n", page + 1)).collect()
}

/// The pages that each process has mapped, and the folios that they map.
type Contents = (Vec<(u8, u64)>, Vec<(FolioId, MmId, u64)>);

fn contents(world: &LayerWorld) -> Contents {
    let processes = KernelDriver::processes(&world.driver);
    let pages = processes
        .flat_map(|(mm, vmas)| {
            vmas.iter().flat_map(move |vma| (vma.range.start..vma.range.end).map(move |p| (mm.0, p)))
        })
        .collect();
    (pages, world.driver.pages().mappings().collect())
}

/// One operation with one failure. Tells whether any attempt was made to fail.
fn fails_once(world: &mut LayerWorld, before: &[&str], line: &str, failure: &str) -> bool {
    world.reset();
    before.iter().for_each(|text| world.play(text));
    let op = common::trace(&format!("{line} {failure}")).ops[0];
    let held = contents(world);
    let outcome = world.apply(&op);
    let injected = world.lockstep.reference().injected();
    match outcome {
        Outcome::Done => (),
        Outcome::Failed(errno) => {
            assert!(injected > 0, "{}", world.so_far());
            // madvise(2) has EAGAIN for a resource that is not there for the moment.
            let expected = if matches!(op.kind, OpKind::Advise { .. }) { 11 } else { 12 };
            assert_eq!(errno, expected, "{}", world.so_far());
            match op.kind {
                // What lies at the destination goes before anything is allocated for the move.
                OpKind::Move { mm, to, start, end, .. } => {
                    let destination = to..to + (end - start);
                    let elsewhere = |all: Contents| {
                        let keeps = |owner: MmId, page: u64| owner != mm || !destination.contains(&page);
                        let pages: Vec<_> = all.0.into_iter().filter(|&(p, page)| keeps(MmId(p), page)).collect();
                        let folios: Vec<_> = all.1.into_iter().filter(|&(_, p, page)| keeps(p, page)).collect();
                        (pages, folios)
                    };
                    assert_eq!(elsewhere(held), elsewhere(contents(world)), "{}", world.so_far());
                }
                _ => assert_eq!(held, contents(world), "nothing is lost or won: {}", world.so_far()),
            }
            if let OpKind::Fork { child, .. } = op.kind {
                assert!(!world.lives(child.0), "{}", world.so_far());
            }
        }
        Outcome::Refused(errno) => panic!("refused with {errno}: {}", world.so_far()),
    }
    if matches!(op.kind, OpKind::Exit { .. }) {
        assert_eq!(outcome, Outcome::Done, "an exit cannot fail: {}", world.so_far());
    }
    // What goes on afterwards goes on in one piece.
    for mm in (0..MAX_PROCESSES as u8).filter(|&mm| mm != 15) {
        if world.lives(mm) {
            world.play(&format!("fork p{mm} p15\nexit p15"));
        }
    }
    world.end_here();
    injected > 0
}

/// Every situation, with and without the crowd, with each attempt failing alone, and with all later ones. Counts, for each
/// operation, how many attempts were made to fail.
fn count_failures(world: &mut LayerWorld, situations: &[(&str, &str)], key: &str, injected_by_operation: &mut [u32]) {
    let crowd = crowd();
    for (before, line) in situations {
        let row = common::trace(line).ops[0].kind.index();
        for (crowd, from) in [("", ""), ("", "+"), (crowd.as_str(), ""), (crowd.as_str(), "+")] {
            let mut n = 1;
            while fails_once(world, &[crowd, before], line, &format!("{key}={n}{from}")) {
                injected_by_operation[row] += 1;
                n += 1;
                assert!(n < 200, "it never succeeds: {}", world.so_far());
            }
        }
    }
}

/// Of these operations no attempt fails, and of all others some do.
fn assert_failures(injected_by_operation: &[u32], never: &[&str], key: &str, of: impl Fn(&Operation) -> bool) {
    let counted = OPERATIONS.iter().zip(injected_by_operation).filter(|(operation, _)| of(operation));
    let none: Vec<_> =
        counted.filter(|(_, injected)| **injected == 0).map(|(operation, _)| operation.keyword).collect();
    assert_eq!(none, never, "{key}");
}

fn every_single_failure(key: &str, never: &[&str]) {
    let mut injected = vec![0; OPERATIONS.len()];
    for name in GENERATIONS {
        let mut world = LayerWorld::new(name);
        let moves_pages = world.lockstep.reference().moves_pages();
        let situations: Vec<_> =
            SITUATIONS.iter().copied().filter(|(_, line)| moves_pages || !line.starts_with("uffdmove")).collect();
        count_failures(&mut world, &situations, key, &mut injected);
    }
    assert_failures(&injected, never, key, |operation| !operation.needs_page_tables());
}

/// The same with the kernel's page-table code, where `uffdmove` is refused.
fn every_single_failure_of_pages(key: &str, never: &[&str]) {
    let mut injected = vec![0; OPERATIONS.len()];
    for mut world in GENERATIONS.into_iter().filter_map(LayerWorld::with_pages) {
        let situations: Vec<_> = SITUATIONS.iter().chain(PAGE_SITUATIONS).copied().collect();
        let possible = |line: &str| !line.starts_with("uffdmove");
        let situations: Vec<_> = situations.into_iter().filter(|(_, line)| possible(line)).collect();
        count_failures(&mut world, &situations, key, &mut injected);
    }
    assert_failures(&injected, never, key, |_| true);
}

#[test]
fn every_operation_survives_the_failure_of_each_allocation_of_the_reverse_map() {
    every_single_failure("fail", &["exit", "pin", "unpin", "walk"]);
}

#[test]
fn every_operation_survives_the_failure_of_each_allocation_of_the_maple_tree() {
    every_single_failure("failnode", &["fault", "exit", "pin", "unpin", "walk", "uffdmove"]);
}

#[test]
fn every_operation_on_page_tables_survives_the_failure_of_each_frame_and_page_table() {
    // Only faults, copies and moves of page tables, and new places of pages allocate.
    let never = [
        "map",
        "unmap",
        "exit",
        "protect",
        "advise",
        "resize",
        "grow",
        "unpin",
        "walk",
        "uffdmove",
        "mlock",
        "munlock",
        "mlockall",
        "munlockall",
        "brk",
        "touch",
        "dontneed",
        "age",
        "lazyfree",
        "migrate-end",
        "clean",
        "split",
        "uffdwp",
        "poison",
    ];
    every_single_failure_of_pages("failpage", &never);
}

#[test]
fn a_refusal_after_a_failed_operation_is_not_taken_for_a_failure() {
    for name in GENERATIONS {
        let mut world = LayerWorld::new(name);
        world.fail("map p0 0x10..0x12 failnode=1+", "ENOMEM");
        world.refuse("pin p0 0x40", "EFAULT");
        assert_eq!(world.driver.stats().injected(), 1, "{name}");
        world.end();
    }
}
