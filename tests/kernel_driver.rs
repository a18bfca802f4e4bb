//! Each operation through the kernel's own VMA code, against what its manual pages and comments promise: the VMAs that
//! there are afterwards, who shares an anon_vma, what is refused with which errno, and which calls were made.
//! The port follows every call; the walks and exits at the end of each world see to the rest.
#![allow(missing_docs)]

mod common;

use common::GENERATIONS;
use common::layer::{ACCOUNT, DONTCOPY, LOCKED, LayerWorld, WIPEONFORK, WRITE, kernel_with_layer};
use rmap_diff::check::{Driver, Lockstep, play_trace};
use rmap_diff::kernel::{Kernel, SlabMode};
use rmap_diff::mm::KernelDriver;
use rmap_diff::port::Port;
use rmap_diff::rmap::{Call, MmId, VmaAttributes, VmaOperation, WalkMode};
use rmap_diff::trace::{OPERATIONS, Trace};

/// The same on every generation.
fn everywhere(test: impl Fn(&str, &mut LayerWorld)) {
    for name in GENERATIONS {
        let mut world = LayerWorld::new(name);
        test(name, &mut world);
        world.end();
    }
}

/// Several small worlds on every generation: each is its operations, then what must be so.
fn layouts(cases: &[(&str, &str)]) {
    everywhere(|_, world| {
        for (text, expected) in cases {
            world.play(text);
            world.assert_layout(0, expected);
            world.end_here();
            world.reset();
        }
    });
}

/// 7.x takes memory that has an anon_vma into a VMA that has none; before, a merge was refused there.
fn merges_into_unfaulted(world: &LayerWorld) -> bool {
    world.reference.revision.chains_preallocated
}

const NEW_VMA: fn(&Call) -> bool = |call| matches!(call, Call::VmAreaAlloc { .. } | Call::VmAreaDup { .. });
const FREE_VMA: fn(&Call) -> bool = |call| matches!(call, Call::VmAreaFree { .. });
const PREPARE: fn(&Call) -> bool = |call| matches!(call, Call::AnonVmaPrepare { .. });
const CLONE: fn(&Call) -> bool = |call| matches!(call, Call::AnonVmaClone { .. });
const UNLINK: fn(&Call) -> bool = |call| matches!(call, Call::UnlinkAnonVmas { .. });
const ANON_FORK: fn(&Call) -> bool = |call| matches!(call, Call::AnonVmaFork { .. });

#[test]
fn every_row_of_the_table_has_a_test_here() {
    let source = include_str!("kernel_driver.rs");
    // What needs page tables has its tests in tests/page_tables.rs.
    for operation in OPERATIONS.iter().filter(|operation| !operation.needs_page_tables()) {
        assert!(source.contains(&format!("\nfn {}_", operation.keyword)), "no test of {}", operation.keyword);
    }
}

// --- map ---

#[test]
fn map_makes_private_writable_memory_at_its_own_offset() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nmap p0 0x20..0x24 grows\nmap p0 0x30..0x34 file 2");
        world.assert_layout(0, "10..14 20..24 30..34");
        let [plain, grows, file] = [0x10, 0x20, 0x30].map(|page| world.at(0, page));
        for vma in [&plain, &grows, &file] {
            assert_eq!((vma.pgoff, vma.anon_vma, vma.chain.len()), (vma.start, None, 0), "{vma:?}");
            assert!(vma.has(WRITE) && vma.has(VmaAttributes::READ) && vma.has(ACCOUNT), "{vma:?}");
        }
        assert_eq!([&plain, &grows, &file].map(|vma| vma.has(VmaAttributes::GROWSDOWN)), [false, true, false]);
        assert_eq!([plain.file, grows.file, file.file], [0, 0, 3]);
    });
}

#[test]
fn map_merges_with_the_previous_with_the_next_and_with_both() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x12\nmap p0 0x12..0x14");
        world.assert_layout(0, "10..14");
        assert_eq!((world.calls(NEW_VMA), world.calls(FREE_VMA)), (0, 0), "the previous one is expanded");
        world.play("map p0 0x22..0x24\nmap p0 0x20..0x22");
        world.assert_layout(0, "10..14 20..24");
        assert_eq!((world.calls(NEW_VMA), world.calls(FREE_VMA)), (0, 0), "the next one is expanded");
        assert_eq!(world.at(0, 0x20).pgoff, 0x20);
        world.play("map p0 0x14..0x20");
        world.assert_layout(0, "10..24");
        assert_eq!((world.calls(NEW_VMA), world.calls(FREE_VMA)), (0, 1), "one of three is left");
    });
}

#[test]
fn map_merges_with_memory_that_has_an_anon_vma_on_either_side() {
    everywhere(|_, world| {
        world.play("map p0 0x12..0x14\nfault p0 0x12");
        let anon_vma = world.at(0, 0x12).anon_vma;
        world.play("map p0 0x14..0x16");
        assert_eq!(world.calls(CLONE) + world.calls(PREPARE), 0);
        world.play("map p0 0x10..0x12");
        world.assert_layout(0, "10..16");
        assert_eq!(world.at(0, 0x10).anon_vma, anon_vma);
        // Both sides have the same one.
        world.play("unmap p0 0x12..0x13\nfault p0 0x15");
        world.assert_layout(0, "10..12 13..16");
        world.play("map p0 0x12..0x13");
        world.assert_layout(0, "10..16");
        assert_eq!(world.at(0, 0x10).chain, [anon_vma.unwrap()]);
    });
}

#[test]
fn map_between_two_anon_vmas_merges_with_one_of_them() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x12\nmap p0 0x14..0x16\nfault p0 0x10\nfault p0 0x14\nmap p0 0x12..0x14");
        let vmas = world.vmas(0);
        assert_eq!(vmas.len(), 2, "{}", world.so_far());
        assert_ne!(vmas[0].anon_vma, vmas[1].anon_vma);
        assert!([0x12, 0x14].contains(&vmas[0].end) && vmas[0].end == vmas[1].start);
    });
}

#[test]
fn map_does_not_merge_with_what_differs_in_flags_file_or_offset() {
    layouts(&[
        ("map p0 0x10..0x12\nmap p0 0x12..0x14 grows", "10..12 12..14"),
        ("map p0 0x10..0x12\nprotect p0 0x10..0x12 r\nmap p0 0x12..0x14", "10..12 12..14"),
        ("map p0 0x10..0x12\nadvise p0 0x10..0x12 dontfork\nmap p0 0x12..0x14", "10..12 12..14"),
        ("map p0 0x10..0x12\nadvise p0 0x10..0x12 wipeonfork\nmap p0 0x12..0x14", "10..12 12..14"),
        ("map p0 0x10..0x12\nmap p0 0x12..0x14 file 0", "10..12 12..14"),
        ("map p0 0x10..0x12 file 0\nmap p0 0x12..0x14 file 1", "10..12 12..14"),
        ("map p0 0x10..0x12 file 1\nmap p0 0x12..0x14 file 1", "10..14"),
        // What has come from elsewhere has the offset that it had there.
        ("map p0 0x10..0x12 file 1\nmove p0 0x10..0x12 0x20\nmap p0 0x22..0x24 file 1", "20..22 22..24"),
        ("map p0 0x10..0x12\nfault p0 0x10\nmove p0 0x10..0x12 0x20\nmap p0 0x22..0x24", "20..22 22..24"),
        // Untouched anonymous memory has none to keep.
        ("map p0 0x10..0x12\nmove p0 0x10..0x12 0x20\nmap p0 0x22..0x24", "20..24"),
    ]);
}

#[test]
fn map_merges_with_a_parents_memory_and_not_with_a_childs() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x12\nfault p0 0x10\nfork p0 p1\nmap p0 0x12..0x14\nmap p1 0x12..0x14");
        world.assert_layout(0, "10..14");
        world.assert_layout(1, "10..12 12..14");
    });
}

#[test]
fn map_over_what_is_mapped_is_refused() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18");
        for range in ["0x10..0x18", "0x17..0x20", "0x8..0x11", "0x12..0x13", "0x0..0x40"] {
            world.refuse(&format!("map p0 {range}"), "EEXIST");
        }
        world.refuse("map p0 0x20..0x20", "EINVAL");
        world.refuse("map p1 0x20..0x21", "ESRCH");
    });
}

#[test]
fn map_of_a_file_that_grows_is_refused() {
    everywhere(|_, world| world.refuse("map p0 0x10..0x18 grows file 1", "EINVAL"));
}

/// A range that gets back the flags of its neighbour, of which one has an anon_vma and the other has none.
#[test]
fn advise_and_protect_merge_the_untouched_with_the_touched_by_generation() {
    for (page, own_first) in [(0x12, false), (0x10, true)] {
        for change in [["advise", "dontfork", "dofork"], ["advise", "wipeonfork", "keeponfork"]] {
            let [operation, on, off] = change;
            let range = "0x12..0x14";
            everywhere(|_, world| {
                world.play(&format!("map p0 0x10..0x14\n{operation} p0 {range} {on}\nfault p0 {page:#x}"));
                let anon_vma = world.at(0, page).anon_vma;
                world.play(&format!("{operation} p0 {range} {off}"));
                // What has no anon_vma joins what has one everywhere; the other way round, since 6.19.
                if own_first || merges_into_unfaulted(world) {
                    world.assert_layout(0, "10..14");
                    assert_eq!(world.at(0, 0x10).anon_vma, anon_vma);
                } else {
                    world.assert_layout(0, "10..12 12..14");
                    // Then they share one as soon as both need one.
                    world.play("fault p0 0x11");
                    assert_eq!(world.at(0, 0x10).anon_vma, anon_vma);
                    assert_eq!(world.anon_vmas().len(), 1);
                }
            });
        }
    }
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nprotect p0 0x12..0x14 r\nfault p0 0x10\nprotect p0 0x12..0x14 rw");
        world.assert_layout(0, "10..14");
    });
}

/// The same above the range: its next neighbour is the untouched one.
#[test]
fn advise_merges_the_touched_with_the_untouched_above_by_generation() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nadvise p0 0x10..0x12 dontfork\nfault p0 0x10\nadvise p0 0x10..0x12 dofork");
        world.assert_layout(0, if merges_into_unfaulted(world) { "10..14" } else { "10..12 12..14" });
    });
}

// --- fault ---

#[test]
fn fault_takes_an_anon_vma_to_write_and_none_to_read() {
    everywhere(|_, world| {
        for memory in ["", " file 0"] {
            world.play(&format!("map p0 0x10..0x18{memory}\nfault p0 0x11 read"));
            assert_eq!((world.calls(PREPARE), world.at(0, 0x11).anon_vma), (0, None));
            assert!(world.driver.pages().folios().next().is_none());
            world.play("fault p0 0x11");
            let vma = world.at(0, 0x11);
            assert_eq!((world.calls(PREPARE), vma.chain.len()), (1, 1));
            assert_eq!(vma.anon_vma, Some(vma.chain[0]));
            // Another page of it: it has one by now.
            world.play("fault p0 0x12");
            assert_eq!((world.calls(PREPARE), world.anon_vmas().len()), (0, 1));
            assert_eq!(world.driver.pages().folios().count(), 2);
            world.play("unmap p0 0x10..0x18");
        }
    });
}

#[test]
fn fault_where_nothing_is_or_may_be_is_refused() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nprotect p0 0x10..0x12 r");
        world.refuse("fault p0 0x10", "EFAULT");
        world.play("fault p0 0x10 read\nfault p0 0x12");
        for line in ["fault p0 0xf", "fault p0 0x14", "fault p0 0x14 read"] {
            world.refuse(line, "EFAULT");
        }
        world.refuse("fault p3 0x10", "ESRCH");
    });
}

#[test]
fn fault_copies_what_is_shared_and_uses_again_what_is_not() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1");
        let folio = |world: &LayerWorld, mm| world.driver.pages().folio_at(MmId(mm), 0x10).expect("a folio");
        let shared = folio(world, 0);
        assert_eq!((folio(world, 1), world.driver.pages().mapcount(shared)), (shared, 2));
        world.play("fault p1 0x10");
        assert_ne!(folio(world, 1), shared);
        assert!(world.driver.pages().is_exclusive(folio(world, 1)) && !world.driver.pages().is_exclusive(shared));
        world.play("fault p0 0x10");
        assert!(folio(world, 0) == shared && world.driver.pages().is_exclusive(shared));
        assert_eq!(world.calls(|call| matches!(call, Call::FolioMoveAnonRmap { .. })), 1);
    });
}

// --- unmap ---

#[test]
fn unmap_splits_and_the_pieces_share_their_anon_vma() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nfault p0 0x11\nfault p0 0x13\nunmap p0 0x12..0x14");
        world.assert_layout(0, "10..12 14..18");
        // The middle is cut out by two splits before it goes.
        assert_eq!((world.calls(CLONE), world.calls(UNLINK)), (2, 1));
        let is_split = |call: &Call| {
            matches!(call, Call::AnonVmaClone { operation: VmaOperation::Split, .. } | Call::VmAreaDup { .. })
        };
        assert_eq!(world.calls(is_split), 4);
        let [low, high] = [0x10, 0x14].map(|page| world.at(0, page));
        assert_eq!((low.anon_vma, &low.chain, low.pgoff, high.pgoff), (high.anon_vma, &high.chain, 0x10, 0x14));
        let pages = world.driver.pages();
        assert!(pages.folio_at(MmId(0), 0x13).is_none() && pages.folio_at(MmId(0), 0x11).is_some());
        world.play("unmap p0 0x10..0x11\nunmap p0 0x17..0x18");
        world.assert_layout(0, "11..12 14..17");
        // Over holes, and of nothing: no error, says munmap(2).
        world.play("unmap p0 0x8..0x40\nunmap p0 0x8..0x40");
        world.assert_layout(0, "");
        assert_eq!(world.anon_vmas(), [] as [u32; 0]);
        world.refuse("unmap p0 0x10..0x10", "EINVAL");
        world.refuse("unmap p5 0x10..0x11", "ESRCH");
    });
}

#[test]
fn unmap_of_a_childs_piece_keeps_the_whole_chain() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nfault p0 0x11\nfork p0 p1\nunmap p1 0x12..0x14");
        let [low, high] = [0x10, 0x14].map(|page| world.at(1, page));
        assert_eq!((low.chain.len(), low.anon_vma), (2, high.anon_vma));
        let sorted = |mut chain: Vec<u32>| {
            chain.sort_unstable();
            chain
        };
        assert_eq!(sorted(low.chain), sorted(high.chain));
        assert_ne!(low.anon_vma, world.at(0, 0x10).anon_vma);
    });
}

// --- protect ---

#[test]
fn protect_splits_in_every_way_and_merges_back() {
    for touched in ["", "fault p0 0x11\nfault p0 0x16\n"] {
        for (start, end, expected) in [
            (0x10, 0x12, "10..12 12..18"),
            (0x16, 0x18, "10..16 16..18"),
            (0x12, 0x14, "10..12 12..14 14..18"),
            (0x10, 0x18, "10..18"),
        ] {
            let range = format!("{start:#x}..{end:#x}");
            everywhere(|_, world| {
                world.play(&format!("map p0 0x10..0x18\n{touched}protect p0 {range} r"));
                world.assert_layout(0, expected);
                for vma in world.vmas(0) {
                    assert_eq!(vma.pgoff, vma.start);
                    assert_eq!(vma.anon_vma.is_some(), !touched.is_empty());
                    assert_eq!(vma.has(WRITE), vma.start != start);
                }
                assert!(world.anon_vmas().len() <= 1, "the pieces share");
                world.play(&format!("protect p0 {range} r\nprotect p0 {range} rw"));
                world.assert_layout(0, "10..18");
                assert!(world.at(0, 0x10).has(WRITE) && world.at(0, 0x10).has(ACCOUNT));
            });
        }
    }
}

#[test]
fn protect_shifts_the_border_between_two() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nfault p0 0x11\nprotect p0 0x10..0x14 r\nprotect p0 0x14..0x16 r");
        world.assert_layout(0, "10..16 16..18");
        assert_eq!(world.calls(NEW_VMA), 0, "nothing is split off: the border moves");
        world.play("protect p0 0x12..0x16 rw");
        world.assert_layout(0, "10..12 12..18");
        assert_eq!(world.at(0, 0x12).pgoff, 0x12);
    });
}

#[test]
fn protect_over_several_does_each_and_merges_them() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nfault p0 0x11\nprotect p0 0x12..0x14 r\nprotect p0 0x10..0x18 r");
        world.assert_layout(0, "10..18");
        world.play("protect p0 0x10..0x18 rw");
        world.assert_layout(0, "10..18");
    });
}

#[test]
fn protect_of_what_is_not_mapped_is_refused() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x12\nmap p0 0x14..0x16");
        world.refuse("protect p0 0x20..0x22 r", "ENOMEM");
        world.refuse("protect p0 0x12..0x13 r", "ENOMEM");
        world.refuse("protect p0 0xf..0x11 r", "ENOMEM");
        world.refuse("protect p2 0x10..0x11 r", "ESRCH");
    });
}

// --- advise ---

#[test]
fn advise_dontfork_leaves_out_of_the_child_until_dofork() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nfault p0 0x11\nfault p0 0x13\nadvise p0 0x12..0x14 dontfork");
        world.assert_layout(0, "10..12 12..14 14..18");
        assert!(world.at(0, 0x12).has(DONTCOPY));
        world.play("fork p0 p1");
        assert_eq!(world.calls(ANON_FORK), 2);
        world.assert_layout(1, "10..12 14..18");
        assert!(world.driver.pages().folio_at(MmId(1), 0x13).is_none());
        world.play("exit p1\nadvise p0 0x10..0x18 dofork");
        world.assert_layout(0, "10..18");
        world.play("fork p0 p1");
        world.assert_layout(1, "10..18");
        assert!(world.driver.pages().folio_at(MmId(1), 0x13).is_some());
    });
}

#[test]
fn advise_wipeonfork_gives_the_child_empty_memory_until_keeponfork() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nfault p0 0x11\nfault p0 0x17\nadvise p0 0x16..0x18 wipeonfork\nfork p0 p1");
        world.assert_layout(1, "10..16 16..18");
        let (kept, wiped) = (world.at(1, 0x10), world.at(1, 0x16));
        assert_eq!((kept.chain.len(), wiped.anon_vma, wiped.chain.len()), (2, None, 0));
        assert!(wiped.has(WIPEONFORK), "the setting remains in place in the child, says madvise(2)");
        let folio = |world: &LayerWorld, page| world.driver.pages().folio_at(MmId(1), page);
        assert!(folio(world, 0x11).is_some() && folio(world, 0x17).is_none());
        // The parent has lost nothing.
        assert!(world.driver.pages().folio_at(MmId(0), 0x17).is_some());
        world.play("fault p1 0x17");
        let own = world.at(1, 0x16);
        assert_eq!(own.chain.len(), 1, "it begins a family of its own");
        assert!(!kept.chain.contains(&own.chain[0]));
        world.play("exit p1\nadvise p0 0x10..0x18 keeponfork");
        world.assert_layout(0, "10..18");
        world.play("fork p0 p1");
        assert_eq!(world.at(1, 0x17).chain.len(), 2);
        assert!(folio(world, 0x17).is_some());
    });
}

#[test]
fn advise_of_files_and_of_holes_is_refused() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14 file 0\nfault p0 0x10");
        world.refuse("advise p0 0x10..0x14 wipeonfork", "EINVAL");
        world.play("advise p0 0x10..0x12 keeponfork\nadvise p0 0x10..0x12 dontfork");
        world.assert_layout(0, "10..12 12..14");
        world.refuse("advise p0 0x20..0x22 dontfork", "ENOMEM");
        world.refuse("advise p2 0x10..0x11 dontfork", "ESRCH");
        // In part: what is mapped of it is advised, and the error says that not all was, says madvise(2).
        let half = common::trace("advise p0 0x12..0x16 dontfork").ops[0];
        assert!(matches!(world.apply(&half), rmap_diff::mm::Outcome::Refused(12)));
        assert!(world.at(0, 0x12).has(DONTCOPY));
    });
}

// --- mlock ---

#[test]
fn mlock_keeps_memory_apart_and_brings_nothing_in() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nmlock p0 0x12..0x14");
        world.assert_layout(0, "10..12 12..14 14..18");
        assert_eq!([0x11, 0x12, 0x14].map(|page| world.at(0, page).has(LOCKED)), [false, true, false]);
        assert!(world.driver.pages().folios().next().is_none(), "MLOCK_ONFAULT brings nothing in");
        world.play("mlock p0 0x14..0x18");
        world.assert_layout(0, "10..12 12..18");
    });
}

#[test]
fn munlock_joins_what_mlock_set_apart() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nmlock p0 0x12..0x18\nmunlock p0 0x14..0x16");
        world.assert_layout(0, "10..12 12..14 14..16 16..18");
        assert_eq!([0x13, 0x14, 0x16].map(|page| world.at(0, page).has(LOCKED)), [true, false, true]);
        world.play("munlock p0 0x10..0x18");
        world.assert_layout(0, "10..18");
        assert!(!world.at(0, 0x10).has(LOCKED));
    });
}

#[test]
fn mlock_is_not_inherited_and_does_not_stay_where_the_pages_left() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nfault p0 0x12\nmlock p0 0x10..0x18\nfork p0 p1");
        assert!(world.at(0, 0x10).has(LOCKED));
        assert!(!world.at(1, 0x10).has(LOCKED), "memory locks are not inherited by a child, says mlock(2)");
        world.play("move p0 0x12..0x14 0x30 dontunmap");
        world.assert_layout(0, "10..12 12..14 14..18 30..32");
        assert_eq!([0x10, 0x12, 0x14, 0x30].map(|page| world.at(0, page).has(LOCKED)), [true, false, true, true]);
    });
}

#[test]
fn mlock_of_holes_is_refused_and_half_done() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14");
        world.refuse("mlock p0 0x20..0x22", "ENOMEM");
        world.refuse("munlock p0 0x20..0x22", "ENOMEM");
        world.refuse("mlock p2 0x10..0x11", "ESRCH");
        let half = |text| common::trace(text).ops[0];
        assert!(matches!(world.apply(&half("mlock p0 0x12..0x16")), rmap_diff::mm::Outcome::Refused(12)));
        assert!(world.at(0, 0x12).has(LOCKED));
        assert!(matches!(world.apply(&half("munlock p0 0x12..0x16")), rmap_diff::mm::Outcome::Refused(12)));
        assert!(!world.at(0, 0x12).has(LOCKED));
    });
}

#[test]
fn mlockall_locks_what_is_there_and_not_what_comes() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nmap p0 0x20..0x24\nmlock p0 0x12..0x14\nmlockall p0");
        world.assert_layout(0, "10..18 20..24");
        assert!([0x10, 0x12, 0x20].iter().all(|&page| world.at(0, page).has(LOCKED)));
        assert!(world.driver.pages().folios().next().is_none(), "MCL_ONFAULT brings nothing in");
        world.play("map p0 0x30..0x31");
        assert!(!world.at(0, 0x30).has(LOCKED), "without MCL_FUTURE");
        world.play("munlockall p0");
        assert!([0x10, 0x12, 0x20].iter().all(|&page| !world.at(0, page).has(LOCKED)));
        world.refuse("mlockall p2", "ESRCH");
    });
}

#[test]
fn mlockall_goes_on_after_a_merge_that_fails_and_does_not_tell() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nmlock p0 0x12..0x14\nmlockall p0 failnode=1");
        world.assert_layout(0, "10..12 12..18");
        // Whether the first is locked, apart, is the kernel's: some give up the merge alone.
        assert_eq!([0x12, 0x14].map(|page| world.at(0, page).has(LOCKED)), [true, true]);
    });
}

#[test]
fn munlockall_joins_what_mlock_set_apart() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nmlock p0 0x12..0x14\nmap p0 0x20..0x21\nmlock p0 0x20..0x21\nmunlockall p0");
        world.assert_layout(0, "10..18 20..21");
        assert!([0x12, 0x20].iter().all(|&page| !world.at(0, page).has(LOCKED)));
    });
}

#[test]
fn brk_makes_what_is_below_longer_and_leaves_what_is_above() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x12\nfault p0 0x11\nmap p0 0x14..0x16\nbrk p0 0x12..0x14\nfault p0 0x13");
        world.assert_layout(0, "10..14 14..16");
        world.play("mlock p0 0x14..0x16\nbrk p0 0x16..0x18");
        world.assert_layout(0, "10..14 14..16 16..18");
        world.refuse("brk p0 0x17..0x20", "EEXIST");
        world.assert_layout(0, "10..14 14..16 16..18");
        world.fail("brk p0 0x20..0x22 fail=1", "ENOMEM");
        world.assert_layout(0, "10..14 14..16 16..18");
    });
}

#[test]
fn brk_leaves_alone_what_a_fork_made() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x12\nfault p0 0x11\nfork p0 p1\nbrk p1 0x12..0x14\nbrk p1 0x14..0x16");
        world.assert_layout(1, "10..12 12..16");
    });
}

#[test]
fn uffdmove_between_locked_and_other_memory_is_refused() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nmap p0 0x20..0x24\nfault p0 0x10\nfault p0 0x21\nmlock p0 0x20..0x24");
        world.refuse("uffdmove p0 0x10 0x20", "EINVAL");
    });
}

// --- move ---

#[test]
fn move_takes_pages_and_offset_along() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nfault p0 0x12");
        let (anon_vma, folio) = (world.at(0, 0x10).anon_vma, world.driver.pages().folio_at(MmId(0), 0x12));
        world.play("move p0 0x12..0x14 0x30");
        world.assert_layout(0, "10..12 14..18 30..32");
        let moved = world.at(0, 0x30);
        assert_eq!((moved.pgoff, moved.anon_vma), (0x12, anon_vma));
        // One for the copy, two for what is split off around the original. What for is told since 6.19.
        assert_eq!(world.calls(CLONE), 3);
        let is_remap = |call: &Call| matches!(call, Call::AnonVmaClone { operation: VmaOperation::Remap, .. });
        assert_eq!(world.calls(is_remap), usize::from(merges_into_unfaulted(world)));
        assert_eq!(world.driver.pages().folio_at(MmId(0), 0x30), folio);
        assert!(world.at(0, 0x10).has(ACCOUNT) && world.at(0, 0x14).has(ACCOUNT) && moved.has(ACCOUNT));
        // A walk comes to it there: I9 is asked after each.
        world.play("walk p0 0x30\nfork p0 p1\nwalk p1 0x30\nmove p1 0x30..0x32 0x50\nwalk p0 0x30\nwalk p1 0x50");
        assert_eq!(world.at(1, 0x50).pgoff, 0x12);
    });
}

#[test]
fn move_of_untouched_memory_takes_a_new_offset_and_of_a_file_keeps_it() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nmove p0 0x10..0x14 0x30\nmap p0 0x20..0x24 file 1\nmove p0 0x20..0x24 0x40");
        world.assert_layout(0, "30..34 40..44");
        assert_eq!((world.at(0, 0x30).pgoff, world.at(0, 0x30).anon_vma), (0x30, None));
        assert_eq!(world.at(0, 0x40).pgoff, 0x20);
        world.play("move p0 0x31..0x33 0x60");
        assert_eq!((world.at(0, 0x60).pgoff, world.at(0, 0x33).pgoff), (0x60, 0x33));
    });
}

#[test]
fn move_home_merges() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nfault p0 0x12\nmove p0 0x12..0x14 0x30\nmove p0 0x30..0x32 0x12\nwalk p0 0x12");
        world.assert_layout(0, "10..18");
        world.play("move p0 0x10..0x18 0x40\nmove p0 0x40..0x44 0x10\nmove p0 0x44..0x48 0x14\nwalk p0 0x12");
        world.assert_layout(0, "10..18");
        assert_eq!(world.anon_vmas().len(), 1);
    });
}

/// What January 2026 was about: what is copied home joins memory that has no anon_vma, but never out of a child.
#[test]
fn move_home_beside_the_untouched_merges_by_generation() {
    let setup = "map p0 0x10..0x18\nfault p0 0x13\nmove p0 0x13..0x15 0x30\nunmap p0 0x10..0x18\n";
    for (neighbours, beside) in [
        ("map p0 0x10..0x13\n", ("10..15", "10..13 13..15")),
        ("map p0 0x15..0x18\n", ("13..18", "13..15 15..18")),
        ("map p0 0x10..0x13\nmap p0 0x15..0x18\n", ("10..18", "10..13 13..15 15..18")),
    ] {
        everywhere(|_, world| {
            world.play(&format!("{setup}{neighbours}move p0 0x30..0x32 0x13\nwalk p0 0x13"));
            let (merged, apart) = beside;
            world.assert_layout(0, if merges_into_unfaulted(world) { merged } else { apart });
            world.end_here();
            world.reset();
            world.play(&format!("{setup}{neighbours}fork p0 p1\nmove p1 0x30..0x32 0x13\nwalk p1 0x13\nwalk p0 0x30"));
            world.assert_layout(1, apart);
        });
    }
}

#[test]
fn move_over_a_mapping_unmaps_it() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nmap p0 0x20..0x28\nfault p0 0x11\nfault p0 0x23\nmove p0 0x10..0x12 0x23");
        world.assert_layout(0, "12..14 20..23 23..25 25..28");
        assert_eq!((world.at(0, 0x23).pgoff, world.at(0, 0x25).pgoff), (0x10, 0x25));
        let pages = world.driver.pages();
        assert!(pages.folio_at(MmId(0), 0x23).is_none() && pages.folio_at(MmId(0), 0x24).is_some());
        world.play("walk p0 0x24\nmove p0 0x12..0x14 0x26");
        world.assert_layout(0, "20..23 23..25 25..26 26..28");
    });
}

#[test]
fn move_dontunmap_leaves_the_old_range_mapped_and_empty() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nfault p0 0x11\nmove p0 0x10..0x14 0x30 dontunmap");
        world.assert_layout(0, "10..14 30..34");
        let (old, new) = (world.at(0, 0x10), world.at(0, 0x30));
        assert_eq!((old.anon_vma, old.chain.len(), old.pgoff), (None, 0, 0x10), "all of it moved: it is untouched");
        assert_eq!((new.pgoff, new.chain.len()), (0x10, 1));
        let pages = world.driver.pages();
        assert!(pages.folio_at(MmId(0), 0x11).is_none() && pages.folio_at(MmId(0), 0x31).is_some());
        // A part: what remains keeps its anon_vma.
        world.play("move p0 0x31..0x32 0x50 dontunmap\nwalk p0 0x50");
        world.assert_layout(0, "10..14 30..34 50..51");
        assert_eq!(world.at(0, 0x30).anon_vma, world.at(0, 0x50).anon_vma);
        world.play("fault p0 0x11\nfault p0 0x31");
        assert_ne!(world.at(0, 0x10).anon_vma, world.at(0, 0x30).anon_vma);
    });
}

#[test]
fn move_is_refused_where_mremap_refuses_it() {
    everywhere(|name, world| {
        world.play("map p0 0x10..0x18\nfault p0 0x10");
        for target in ["0x10", "0x12", "0xf", "0x17"] {
            world.refuse(&format!("move p0 0x10..0x18 {target}"), "EINVAL");
        }
        world.refuse("move p0 0x10..0x10 0x30", "EINVAL");
        world.refuse("move p0 0x20..0x22 0x30", "EFAULT");
        world.refuse("move p0 0x0e..0x12 0x30", "EFAULT");
        world.refuse("move p3 0x10..0x12 0x30", "ESRCH");
        // Across the border of two VMAs: since 6.17.
        world.play("protect p0 0x14..0x18 r");
        if name.starts_with('6') {
            world.refuse("move p0 0x12..0x16 0x30", "EFAULT");
        } else {
            world.play("move p0 0x12..0x16 0x30");
            world.assert_layout(0, "10..12 16..18 30..32 32..34");
        }
    });
}

// --- resize ---

#[test]
fn resize_shrinks_and_grows_in_place() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x18\nfault p0 0x11\nfault p0 0x17\nresize p0 0x10..0x18 6");
        world.assert_layout(0, "10..16");
        assert!(world.driver.pages().folio_at(MmId(0), 0x17).is_none());
        world.play("resize p0 0x12..0x14 1");
        world.assert_layout(0, "10..13 14..16");
        world.play("resize p0 0x14..0x16 4");
        world.assert_layout(0, "10..13 14..18");
        // Filling the gap merges with what is there.
        world.play("resize p0 0x10..0x13 4");
        world.assert_layout(0, "10..18");
        world.play("resize p0 0x16..0x18 4\nresize p0 0x10..0x1a 10");
        world.assert_layout(0, "10..1a");
        assert_eq!(world.anon_vmas().len(), 1);
    });
}

#[test]
fn resize_without_room_is_refused() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nmap p0 0x15..0x18 grows\nfault p0 0x10");
        world.play("resize p0 0x10..0x14 5");
        world.assert_layout(0, "10..15 15..18");
        world.refuse("resize p0 0x10..0x15 6", "ENOMEM");
        // Not at the end of its VMA.
        world.refuse("resize p0 0x10..0x12 3", "ENOMEM");
        // Across the end of a VMA.
        world.refuse("resize p0 0x13..0x16 8", "EFAULT");
        world.refuse("resize p0 0x20..0x22 3", "EFAULT");
        world.refuse("resize p2 0x10..0x12 1", "ESRCH");
    });
}

// --- grow ---

#[test]
fn grow_changes_the_start_and_takes_an_anon_vma() {
    everywhere(|_, world| {
        world.play("map p0 0x20..0x24 grows\ngrow p0 0x22 3");
        world.assert_layout(0, "1d..24");
        let vma = world.at(0, 0x20);
        assert_eq!((vma.pgoff, vma.chain.len(), vma.anon_vma.is_some()), (0x1d, 1, true));
        assert_eq!(world.calls(PREPARE), 1);
        let updates = |call: &Call| matches!(call, Call::TreePreUpdateVma { .. } | Call::TreePostUpdateVma { .. });
        assert_eq!(world.calls(updates), 2);
        world.play("fault p0 0x1d\nfork p0 p1\ngrow p1 0x1d 1\nwalk p0 0x1d\nwalk p1 0x1d");
        world.assert_layout(0, "1d..24");
        world.assert_layout(1, "1c..24");
        assert_eq!(world.calls(PREPARE), 0);
    });
}

#[test]
fn grow_is_refused_for_what_does_not_grow_and_where_something_is() {
    everywhere(|_, world| {
        world.play("map p0 0x20..0x24\nmap p0 0x400..0x404 grows\nmap p0 0x404..0x408");
        world.refuse("grow p0 0x21 1", "EFAULT");
        world.refuse("grow p0 0x300 1", "EFAULT");
        world.refuse("grow p0 0x405 1", "EFAULT");
        world.refuse("grow p1 0x400 1", "ESRCH");
        // The guard gap: 256 pages stay free above what is no stack.
        world.refuse("grow p0 0x400 733", "ENOMEM");
        world.play("grow p0 0x400 10");
        world.assert_layout(0, "20..24 3f6..404 404..408");
    });
}

// --- fork, exit ---

#[test]
fn fork_copies_what_there_is_and_exit_ends_it() {
    everywhere(|_, world| {
        world.play(
            "map p0 0x10..0x14\nmap p0 0x20..0x24 file 0\nmap p0 0x30..0x34\nfault p0 0x10\nfault p0 0x20\nfork p0 p1",
        );
        world.assert_layout(1, "10..14 20..24 30..34");
        assert_eq!(world.calls(ANON_FORK), 3, "it is for the reverse map to say that one has nothing to copy");
        for page in [0x10, 0x20] {
            let (parent, child) = (world.at(0, page), world.at(1, page));
            assert_eq!((parent.chain.len(), child.chain.len()), (1, 2));
            assert!(child.chain.contains(&parent.chain[0]) && child.anon_vma != parent.anon_vma);
            assert_eq!((child.pgoff, child.flags, child.file), (parent.pgoff, parent.flags, parent.file));
        }
        assert_eq!(world.at(1, 0x30).anon_vma, None);
        world.play("fork p1 p2\nexit p1");
        assert!(!world.lives(1) && world.lives(2));
        assert_eq!(world.at(2, 0x10).chain.len(), 3, "the middle generation stays for its grandchild");
        world.play("exit p0\nexit p2");
        assert_eq!(world.anon_vmas(), [] as [u32; 0]);
    });
}

#[test]
fn fork_is_refused_into_the_living_and_out_of_the_dead() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1");
        world.refuse("fork p0 p1", "EEXIST");
        world.refuse("fork p0 p0", "EEXIST");
        world.refuse("fork p3 p4", "ESRCH");
        assert!(!world.lives(4));
    });
}

#[test]
fn exit_is_refused_for_the_dead() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\nexit p0");
        world.refuse("exit p0", "ESRCH");
        world.play("fork p1 p0\nexit p1");
        world.assert_layout(0, "10..14");
    });
}

// --- pin, unpin ---

#[test]
fn pin_survives_unmap_and_exit_and_unpin_frees_it() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nfault p0 0x10");
        let root = world.at(0, 0x10).anon_vma.unwrap();
        let mapped = world.refcount(root).unwrap();
        world.play("pin p0 0x10");
        assert_eq!(world.refcount(root), Some(mapped + 1));
        world.play("pin p0 0x10\nunpin 1\nunmap p0 0x10..0x14");
        assert_eq!((world.anon_vmas(), world.refcount(root)), (vec![root], Some(1)));
        world.play("map p0 0x10..0x14\nfault p0 0x10\nexit p0");
        assert_eq!(world.anon_vmas(), [root]);
        world.play("unpin 0");
        assert_eq!(world.anon_vmas(), [] as [u32; 0]);
    });
}

#[test]
fn pin_of_a_childs_anon_vma_keeps_its_root() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\nfault p1 0x10\npin p1 0x10\nexit p1\nexit p0");
        assert_eq!(world.anon_vmas().len(), 2);
        world.play("unpin 0");
        assert_eq!(world.anon_vmas(), [] as [u32; 0]);
    });
}

#[test]
fn pin_is_refused_without_a_folio_and_unpin_without_a_pin() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nfault p0 0x10 read");
        world.refuse("pin p0 0x10", "EFAULT");
        world.refuse("unpin 0", "EBADF");
        world.play("fault p0 0x10");
        (0..16).for_each(|_| world.play("pin p0 0x10"));
        world.refuse("pin p0 0x10", "EMFILE");
        world.play("unpin 7\npin p0 0x10");
        (0..16).for_each(|pin| world.play(&format!("unpin {pin}")));
    });
}

#[test]
fn unpin_of_a_number_taken_twice_is_refused() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nfault p0 0x10\npin p0 0x10\nunpin 0");
        world.refuse("unpin 0", "EBADF");
    });
}

// --- walk ---

#[test]
fn walk_comes_to_every_mapping_in_every_mode() {
    everywhere(|_, world| {
        world.play("map p0 0x10..0x14\nfault p0 0x10\nfault p0 0x12\nfork p0 p1\nfork p1 p2\nmove p2 0x10..0x14 0x30");
        for (word, mode) in [
            ("", WalkMode::Unlocked),
            (" locked", WalkMode::Locked),
            (" trylock", WalkMode::TryLock),
            (" contended", WalkMode::Contended),
        ] {
            for page in ["p0 0x10", "p1 0x12", "p2 0x30"] {
                world.play(&format!("walk {page}{word}"));
                let calls = &world.lockstep.reference().log().0;
                assert!(matches!(calls[..], [Call::RmapWalkAnon { mode: told, .. }] if told == mode), "{calls:?}");
            }
        }
        world.refuse("walk p0 0x11", "EFAULT");
        world.refuse("walk p0 0x50", "EFAULT");
    });
}

// --- uffdmove ---

#[test]
fn uffdmove_changes_mapping_and_index() {
    everywhere(|name, world| {
        world.play("map p0 0x10..0x14\nmap p0 0x20..0x24\nfault p0 0x10\nfault p0 0x11");
        if name == "6.1" {
            // It came with 6.8.
            return world.refuse("uffdmove p0 0x10 0x20", "EINVAL");
        }
        let folio = world.driver.pages().folio_at(MmId(0), 0x10).unwrap();
        world.play("uffdmove p0 0x10 0x22");
        let pages = world.driver.pages();
        assert_eq!((pages.folio_at(MmId(0), 0x10), pages.folio_at(MmId(0), 0x22)), (None, Some(folio)));
        let (source, destination) = (world.at(0, 0x10), world.at(0, 0x20));
        assert!(destination.anon_vma.is_some() && destination.anon_vma != source.anon_vma);
        let snapshot = world.snapshot();
        let state = snapshot.folios.iter().find(|state| state.id == folio).unwrap();
        assert_eq!((state.mapping.map(|id| id.0), state.index), (destination.anon_vma, 0x22));
        world.play("walk p0 0x22\nunmap p0 0x10..0x14\nwalk p0 0x22");
    });
}

#[test]
fn uffdmove_is_refused_without_a_page_of_its_own_or_a_place_for_it() {
    everywhere(|name, world| {
        world.play("map p0 0x10..0x14\nmap p0 0x20..0x24\nfault p0 0x10\nfault p0 0x20\nmap p0 0x30..0x34 file 0\nfault p0 0x31");
        let errnos: [(&str, &str); 6] = [
            ("uffdmove p0 0x11 0x21", "ENOENT"),
            ("uffdmove p0 0x10 0x20", "EEXIST"),
            ("uffdmove p0 0x10 0x30", "EINVAL"),
            ("uffdmove p0 0x10 0x50", "ENOENT"),
            ("uffdmove p0 0x50 0x11", "ENOENT"),
            ("uffdmove p2 0x10 0x11", "ESRCH"),
        ];
        for (line, errno) in errnos {
            let before_it_came = name == "6.1" && matches!(errno, "ENOENT" | "EEXIST" | "EINVAL");
            world.refuse(line, if before_it_came { "EINVAL" } else { errno });
        }
        world.play("fork p0 p1");
        world.refuse("uffdmove p0 0x10 0x21", if name == "6.1" { "EINVAL" } else { "EBUSY" });
    });
}

// --- The loop that plays traces ---

#[test]
fn a_trace_played_again_after_one_that_was_not_ended_is_the_same() {
    let trace: Trace =
        "map p0 0x10..0x12\nmap p0 0x12..0x14\nfault p0 0x10\nmap p0 0x12..0x16\nfork p0 p1\n".parse().unwrap();
    for name in GENERATIONS {
        let reference = common::reference(name);
        let mut lockstep = Lockstep::new(kernel_with_layer(reference, SlabMode::Reuse), Port::new(reference.revision));
        let mut driver = KernelDriver::new();
        let mut play = || {
            let stats = play_trace(&mut lockstep, &mut driver, &trace, |_, _, _, _| {});
            assert_eq!(lockstep.finding(), None, "{name}");
            assert_eq!((stats.done, stats.refused), (4, 1), "{name}");
            let processes = Driver::<Kernel, Port>::processes(&driver);
            let merges = Driver::<Kernel, Port>::merges(&driver).map(|merges| merges.cases().collect::<Vec<_>>());
            let told = serde_json::to_value(Driver::<Kernel, Port>::stats(&driver)).unwrap();
            assert_eq!(told, serde_json::to_value(driver.stats()).unwrap());
            (processes, merges.expect("it merges"), told)
        };
        let (processes, merges, told) = play();
        assert_eq!(
            processes.iter().map(|(mm, vmas)| (mm.0, vmas.len())).collect::<Vec<_>>(),
            [(0, 1), (1, 1)],
            "{name}"
        );
        assert_eq!(merges.iter().map(|(_, count)| count).sum::<u64>(), 1, "{name}: {merges:?}");
        let again = play();
        assert_eq!((&again.0, again.1.len()), (&processes, merges.len()), "{name}");
        assert_ne!(again.2, told, "{name}: counted over all traces");
    }
}
