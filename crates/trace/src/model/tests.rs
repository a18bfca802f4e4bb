//! Tests of the model.

use super::*;
use crate::OPERATIONS;
use crate::{Rng, Trace, parse};
use rmap_seam::Fail;

#[test]
fn bits_of_the_window() {
    assert_eq!(ones(0), 0);
    assert_eq!(ones(3), 7);
    assert_eq!(ones(64), u64::MAX);
    assert_eq!(ones(1 << 40), u64::MAX);
    assert_eq!(window_bits(0, 5), 0);
    assert_eq!(window_bits(0, 0x11), 1);
    assert_eq!(window_bits(0x12, 0x14), 0b1100);
    assert_eq!(window_bits(0x4f, 1 << 32), 1 << 63);
    assert_eq!(window_bits(0x50, 1 << 32), 0);
}

#[test]
fn a_split_makes_a_vma_and_a_whole_unmap_takes_one() {
    let mut model = TraceModel::new(OpSet::Small, 16, 64);
    model.map(Args { a: 0x10, b: 0x18, ..Args::default() }, &Fails::NEVER);
    model.map(Args { a: 0x18, b: 0x19, ..Args::default() }, &Fails::NEVER);
    assert_eq!(model.vmas(), 2);
    assert!(model.spaces[0].splits_at(0x12) && !model.spaces[0].splits_at(0x18) && !model.spaces[0].splits_at(0x10));
    model.unmap(0, 0x12, 0x14, &Fails { alloc: Fail::nth(1), ..Fails::NEVER });
    assert_eq!(model.vmas(), 2);
    model.unmap(0, 0x12, 0x14, &Fails::NEVER);
    assert_eq!(model.vmas(), 3);
    model.unmap(0, 0x14, 0x18, &Fails { alloc: Fail::nth(1), ..Fails::NEVER });
    assert_eq!(model.vmas(), 2);
    model.fork(0, 5, &Fails::NEVER);
    assert_eq!(model.vmas(), 4);
    model.exit(0);
    assert_eq!(model.vmas(), 2);
}

#[test]
fn something_is_possible_in_every_state() {
    let empty = TraceModel::new(OpSet::Full, 16, 64);
    let mut full = TraceModel::new(OpSet::Full, 16, 64);
    full.map(Args { a: 0, b: 1 << 32, ..Args::default() }, &Fails::NEVER);
    (1..16).for_each(|q| full.fork(0, q, &Fails::NEVER));
    let mut dead = TraceModel::new(OpSet::Full, 16, 64);
    dead.exit(0);
    for model in [empty, full, dead] {
        for row in 0..OPERATIONS.len() {
            assert!(model.choose(row, Args::default(), |_, _| true).is_some());
        }
    }
}

/// The model after a trace, as the full set has it.
fn after(text: &str) -> TraceModel {
    let mut model = TraceModel::new(OpSet::Full, 16, 64);
    for op in parse(text).unwrap().ops {
        let (row, args) = op.kind.split();
        (OPERATIONS[row].effect)(&mut model, args, &op.fails());
    }
    model
}

/// The VMAs of a process, as ranges of pages.
fn vmas(text: &str, p: u8) -> Vec<(u64, u64)> {
    let model = after(text);
    let space = model.space(p);
    let range = |place| space.vma_at(place);
    bits::places(space.starts).map(range).map(|(a, b)| (WINDOW_START + a as u64, WINDOW_START + b as u64)).collect()
}

#[test]
fn vmas_merge_as_the_kernel_merges_them() {
    let cases: &[(&str, &[(u64, u64)])] = &[
        ("map p0 16..18\nmap p0 20..22\nmap p0 18..20", &[(16, 22)]),
        ("map p0 16..18\nmap p0 18..20 grows", &[(16, 18), (18, 20)]),
        ("map p0 16..18 file 1\nmap p0 18..20 file 1\nmap p0 20..22 file 2", &[(16, 20), (20, 22)]),
        ("map p0 16..18\nfault p0 16\nmap p0 18..20", &[(16, 20)]),
        // Two anon_vmas.
        ("map p0 16..17\nmap p0 18..19\nfault p0 16\nfault p0 18\nmap p0 17..18", &[(16, 18), (18, 19)]),
        ("map p0 16..20\nfault p0 16\nprotect p0 17..18 r", &[(16, 17), (17, 18), (18, 20)]),
        ("map p0 16..20\nfault p0 16\nprotect p0 17..18 r\nprotect p0 17..18 rw", &[(16, 20)]),
        ("map p0 16..20\nprotect p0 17..18 r fail=1", &[(16, 20)]),
        ("map p0 16..20\nadvise p0 18..20 wipeonfork\nadvise p0 18..20 keeponfork", &[(16, 20)]),
        // Away, and home.
        ("map p0 16..20\nfault p0 17\nmove p0 17..18 40", &[(16, 17), (18, 20), (40, 41)]),
        ("map p0 16..20\nfault p0 17\nmove p0 17..18 40\nmove p0 40..41 17", &[(16, 20)]),
        ("map p0 16..20\nfault p0 17\nmove p0 17..18 21\nmap p0 20..21", &[(16, 17), (18, 21), (21, 22)]),
        ("map p0 16..20\nmove p0 17..18 20", &[(16, 17), (18, 21)]),
        ("map p0 16..20\nmove p0 16..20 30 dontunmap", &[(16, 20), (30, 34)]),
        ("map p0 16..20\nmap p0 22..24\nresize p0 18..20 4", &[(16, 24)]),
        ("map p0 16..20\nresize p0 16..18 1", &[(16, 17), (18, 20)]),
        ("map p0 20..24 grows\nmap p0 16..18 grows\ngrow p0 22 2", &[(16, 18), (18, 24)]),
        ("map p0 20..24 grows\nmap p0 16..18\ngrow p0 22 2", &[(16, 18), (20, 24)]),
        // Failures that nothing comes to.
        ("map p0 16..20\nunmap p0 17..18 fail=3", &[(16, 17), (18, 20)]),
        ("map p0 16..20\nfault p0 16\nunmap p0 17..18 fail=3", &[(16, 20)]),
        ("map p0 16..20\nmove p0 17..18 30 fail=2", &[(16, 20), (30, 31)]),
        ("map p0 16..20\nfault p0 16\nmove p0 17..18 30 fail=2", &[(16, 20)]),
    ];
    for (text, expected) in cases {
        assert_eq!(vmas(text, 0), *expected, "{text}");
    }
    let forked = "map p0 16..20\nfault p0 16\nadvise p0 17..18 dontfork\nfork p0 p1\n";
    assert_eq!(vmas(forked, 1), [(16, 17), (18, 20)]);
    assert_eq!(vmas(&format!("{forked}map p1 17..18"), 1), [(16, 17), (17, 18), (18, 20)], "a child takes nothing in");
}

#[test]
fn a_fork_fails_by_an_attempt_that_it_comes_to() {
    let lives = |text: &str| after(&format!("map p0 16..18\nmap p0 20..22\nfault p0 16\n{text}")).lives(1);
    // A VMA, its chain, an anon_vma and its entry; then a VMA alone.
    assert!(!lives("fork p0 p1 fail=5") && lives("fork p0 p1 fail=6") && !lives("fork p0 p1 fail=2+"));
    assert!(lives("advise p0 16..18 dontfork\nfork p0 p1 fail=2"));
    assert!(!lives("fork p0 p1 failnode=1") && lives("fork p0 p1 failnode=9"));
}

#[test]
fn a_moved_range_comes_home_half_of_the_time() {
    let model = after("map p0 16..20\nfault p0 17\nmove p0 16..20 40");
    let mut rng = Rng::new(1);
    let row = parse("move p0 1..2 3").unwrap().ops[0].kind.index();
    let mut home = 0;
    for _ in 0..1_000 {
        let fields = Args { a: rng.next_u64(), b: rng.next_u64(), c: rng.next_u64() & 0xffff, ..Args::default() };
        let args = (OPERATIONS[row].draw)(&model, fields).unwrap();
        let source = args.a..args.b;
        assert!(args.c + (args.b - args.a) <= source.start || args.c >= source.end, "{args:?}");
        home += usize::from(args.c + 24 == args.a);
    }
    assert!((400..650).contains(&home), "{home}");
}

#[test]
fn what_is_written_shared_and_pinned() {
    let model = after(
        "map p0 16..20\nfault p0 16\nfault p0 17\nfault p0 18 read\nfork p0 p1\nfault p0 17\npin p0 16\npin p0 16\nunpin 0",
    );
    assert_eq!((model.space(0).written(), model.space(0).exclusive(), model.space(1).exclusive()), (3, 2, 0));
    assert_eq!(model.space(0).empty(), 0b1100);
    assert_eq!(model.pins, 2);
    let model = after("map p0 16..20\nfault p0 16\nadvise p0 16..20 wipeonfork\nfork p0 p1");
    assert_eq!((model.space(0).exclusive(), model.space(1).written(), model.space(1).mapped), (1, 0, 15));
}

#[test]
fn no_operation_of_any_sort_breaks_the_model() {
    let mut rng = Rng::new(3);
    for _ in 0..300 {
        let mut bytes: Vec<u8> = (0..36 * 60).map(|_| rng.next_u64() as u8).collect();
        bytes.chunks_mut(36).filter(|_| rng.below(3) == 0).for_each(|record| {
            // Exact records, of pages in and about the window.
            record[3] = 0xee;
            [5, 6, 7, 9, 10, 11, 13, 14, 15].into_iter().for_each(|at| record[at] = 0);
            record[16..].fill(0);
        });
        let text = Trace::from_bytes(&bytes).to_string();
        let model = after(&text);
        for space in &model.spaces {
            // Every VMA has a start, and nothing else has.
            assert_eq!(space.starts & !space.mapped, 0, "{text}");
            assert_eq!(space.mapped & !(space.mapped << 1) & !space.starts, 0, "{text}");
            assert_eq!(space.written() & !space.mapped, 0, "{text}");
        }
    }
}
