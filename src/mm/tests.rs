//! Tests of the small driver over the recording fake: the exact calls, of each operation and of
//! each way in which it fails.

mod worlds;

use super::fake::Fake;
use super::*;
use crate::rmap::{ENOMEM, errno_name};
use crate::trace::{OpKind, parse};

/// Plays a text without looking at the calls; every operation must be done.
fn setup(driver: &mut SmallDriver, fake: &mut Fake, text: &str) {
    for op in parse(text).unwrap().ops {
        assert_eq!(driver.apply(fake, &op), Outcome::Done, "{op}");
    }
    fake.taken();
}

/// Plays one operation. Returns the outcome and the calls.
fn play(driver: &mut SmallDriver, fake: &mut Fake, line: &str) -> (Outcome, Vec<String>) {
    let trace = parse(line).unwrap();
    let [op] = trace.ops[..] else { panic!("one operation: {line}") };
    (driver.apply(fake, &op), fake.taken())
}

/// The geometry of a process: ranges and names.
fn vmas(driver: &SmallDriver, p: u8) -> String {
    let (_, vmas) = driver.processes().find(|(mm, _)| mm.0 == p).expect("alive");
    vmas.map(|(id, range)| format!("{}:{range}", id.0)).collect::<Vec<_>>().join(" ")
}

/// A fresh driver after `before`, then `line`: the calls must be just these.
fn check(mut fake: Fake, before: &str, line: &str, outcome: Outcome, calls: &[&str]) -> (SmallDriver, Fake) {
    let mut driver = SmallDriver::new();
    setup(&mut driver, &mut fake, before);
    assert_eq!(play(&mut driver, &mut fake, line), (outcome, calls.iter().map(|c| c.to_string()).collect()), "{line}");
    assert_eq!(fake.live().1, 0, "a lock is held");
    let told: Vec<_> = driver.processes().flat_map(|(mm, vmas)| vmas.map(move |(id, range)| (mm, id, range))).collect();
    assert_eq!(told, fake.geometry());
    (driver, fake)
}

const NO_MEMORY: Outcome = Outcome::Failed(ENOMEM);

#[test]
fn map_calls() {
    let calls = ["write p0", "alloc p0 0x10..0x18", "attached 0", "unlock p0"];
    check(Fake::new(), "", "map p0 0x10..0x18", Outcome::Done, &calls);
    let calls = ["write p0", "alloc p0 0x10..0x18", "unlock p0"];
    check(Fake::new(), "", "map p0 0x10..0x18 fail=1", NO_MEMORY, &calls);
}

#[test]
fn touching_maps_are_not_merged() {
    let (driver, _) = check(
        Fake::new(),
        "map p0 8..16\nmap p0 24..32",
        "map p0 16..24",
        Outcome::Done,
        &["write p0", "alloc p0 0x10..0x18", "attached 2", "unlock p0"],
    );
    assert_eq!(vmas(&driver, 0), "0:0x8..0x10 2:0x10..0x18 1:0x18..0x20");
}

#[test]
fn fault_names_the_neighbours() {
    let before = "map p0 0x10..0x18\nmap p0 0x20..0x28\nmap p0 0x28..0x29\nmap p0 0x30..0x31";
    for (page, prepare) in [
        ("0x10", "prepare 0 - -"),
        ("0x17", "prepare 0 - -"),
        ("0x20", "prepare 1 0 2"),
        ("0x28", "prepare 2 1 -"),
        ("0x30", "prepare 3 2 -"),
    ] {
        let line = format!("fault p0 {page}");
        check(Fake::new(), before, &line, Outcome::Done, &["read p0", prepare, "unlock p0"]);
        check(Fake::new(), before, &format!("{line} fail=2"), NO_MEMORY, &["read p0", prepare, "unlock p0"]);
    }
    let before = "map p0 1..2\nfault p0 1";
    check(Fake::new(), before, "fault p0 1 fail=1", Outcome::Done, &["read p0", "prepare 0 - -", "unlock p0"]);
}

#[test]
fn fork_calls() {
    let before = "map p0 0x10..0x18\nfault p0 0x10\nmap p0 0x20..0x28";
    let (driver, _) = check(
        Fake::new(),
        before,
        "fork p0 p3",
        Outcome::Done,
        &[
            "write p0",
            "write p3",
            "dup 0 p3 0x10..0x18",
            "fork 2 0",
            "attached 2",
            "dup 1 p3 0x20..0x28",
            "fork 3 1",
            "attached 3",
            "unlock p3",
            "unlock p0",
        ],
    );
    assert_eq!(vmas(&driver, 3), "2:0x10..0x18 3:0x20..0x28");
    check(Fake::new(), "", "fork p0 p1 fail=1", Outcome::Done, &["write p0", "write p1", "unlock p1", "unlock p0"]);
}

#[test]
fn a_failed_fork_leaves_no_child() {
    // Attempts: dup, then avc, anon_vma, avc of the faulted one, twice; then the dup of the third.
    let before = "map p0 1..2\nfault p0 1\nmap p0 4..5\nfault p0 4\nmap p0 8..9";
    let exit_of_none = ["write p1", "unlock p1"];
    let exit_of_one = ["write p1", "unlink 3", "detached 3", "free 3", "unlock p1"];
    let exit_of_two = ["write p1", "unlink 3", "unlink 4", "detached 3", "free 3", "detached 4", "free 4", "unlock p1"];
    let begin = ["write p0", "write p1"];
    let first = ["dup 0 p1 0x1..0x2", "fork 3 0", "attached 3"];
    let second = ["dup 1 p1 0x4..0x5", "fork 4 1", "attached 4"];
    let end = ["unlock p1", "unlock p0"];
    for attempt in 1..=9 {
        let calls = match attempt {
            1 => [&begin[..], &first[..1], &end, &exit_of_none].concat(),
            2..=4 => [&begin[..], &first[..2], &["free 3"], &end, &exit_of_none].concat(),
            5 => [&begin[..], &first, &second[..1], &end, &exit_of_one].concat(),
            6..=8 => [&begin[..], &first, &second[..2], &["free 4"], &end, &exit_of_one].concat(),
            _ => [&begin[..], &first, &second, &["dup 2 p1 0x8..0x9"], &end, &exit_of_two].concat(),
        };
        let line = format!("fork p0 p1 fail={attempt}");
        let (driver, fake) = check(Fake::new(), before, &line, NO_MEMORY, &calls);
        assert_eq!(driver.processes().count(), 1);
        assert_eq!(fake.live(), (3, 0));
    }
    let (driver, _) = {
        let mut fake = Fake::new();
        let mut driver = SmallDriver::new();
        setup(&mut driver, &mut fake, before);
        assert_eq!(play(&mut driver, &mut fake, "fork p0 p1 fail=10").0, Outcome::Done);
        (driver, fake)
    };
    assert_eq!(driver.vma_count(), 6);
}

#[test]
fn unmap_of_whole_vmas_unlinks_all_before_it_frees_any() {
    let (driver, _) = check(
        Fake::new(),
        "map p0 1..2\nmap p0 4..6\nmap p0 8..9",
        "unmap p0 0..7",
        Outcome::Done,
        &["write p0", "detached 0", "detached 1", "unlink 0", "unlink 1", "free 0", "free 1", "unlock p0"],
    );
    assert_eq!(vmas(&driver, 0), "2:0x8..0x9");
    check(Fake::new(), "map p0 1..2", "unmap p0 2..9", Outcome::Done, &["write p0", "unlock p0"]);
}

#[test]
fn unmap_of_the_middle_splits_first_below_then_above() {
    let (driver, _) = check(
        Fake::new(),
        "map p0 0x10..0x18\nfault p0 0x10",
        "unmap p0 0x12..0x14",
        Outcome::Done,
        &[
            "write p0",
            "dup 0 p0 0x10..0x12",
            "clone 1 0 Split",
            "pre 0",
            "range 0 0x12..0x18",
            "post 0",
            "attached 1",
            "dup 0 p0 0x14..0x18",
            "clone 2 0 Split",
            "pre 0",
            "range 0 0x12..0x14",
            "post 0",
            "attached 2",
            "detached 0",
            "unlink 0",
            "free 0",
            "unlock p0",
        ],
    );
    assert_eq!(vmas(&driver, 0), "1:0x10..0x12 2:0x14..0x18");
}

#[test]
fn unmap_of_the_middle_splits_first_above_then_below_in_6_1() {
    let (driver, _) = check(
        Fake::new_6_1(),
        "map p0 0x10..0x18\nfault p0 0x10",
        "unmap p0 0x12..0x14",
        Outcome::Done,
        &[
            "write p0",
            "dup 0 p0 0x12..0x18",
            "clone 1 0 Split",
            "pre 0",
            "range 0 0x10..0x12",
            "post 0",
            "attached 1",
            "dup 1 p0 0x12..0x14",
            "clone 2 1 Split",
            "pre 1",
            "range 1 0x14..0x18",
            "post 1",
            "attached 2",
            "detached 2",
            "unlink 2",
            "free 2",
            "unlock p0",
        ],
    );
    assert_eq!(vmas(&driver, 0), "0:0x10..0x12 1:0x14..0x18");
}

#[test]
fn unmap_across_vmas_splits_the_outer_two() {
    let before = "map p0 0x10..0x14\nmap p0 0x14..0x16\nmap p0 0x18..0x1c";
    let (driver, _) = check(
        Fake::new(),
        before,
        "unmap p0 0x12..0x1a",
        Outcome::Done,
        &[
            "write p0",
            "dup 0 p0 0x10..0x12",
            "clone 3 0 Split",
            "pre 0",
            "range 0 0x12..0x14",
            "post 0",
            "attached 3",
            "detached 0",
            "detached 1",
            "dup 2 p0 0x1a..0x1c",
            "clone 4 2 Split",
            "pre 2",
            "range 2 0x18..0x1a",
            "post 2",
            "attached 4",
            "detached 2",
            "unlink 0",
            "unlink 1",
            "unlink 2",
            "free 0",
            "free 1",
            "free 2",
            "unlock p0",
        ],
    );
    assert_eq!(vmas(&driver, 0), "3:0x10..0x12 4:0x1a..0x1c");
    let (driver, _) = check(
        Fake::new_6_1(),
        before,
        "unmap p0 0x12..0x1a",
        Outcome::Done,
        &[
            "write p0",
            "dup 0 p0 0x12..0x14",
            "clone 3 0 Split",
            "pre 0",
            "range 0 0x10..0x12",
            "post 0",
            "attached 3",
            "detached 3",
            "detached 1",
            "dup 2 p0 0x18..0x1a",
            "clone 4 2 Split",
            "pre 2",
            "range 2 0x1a..0x1c",
            "post 2",
            "attached 4",
            "detached 4",
            "unlink 3",
            "unlink 1",
            "unlink 4",
            "free 3",
            "free 1",
            "free 4",
            "unlock p0",
        ],
    );
    assert_eq!(vmas(&driver, 0), "0:0x10..0x12 2:0x1a..0x1c");
}

#[test]
fn a_failed_split_leaves_the_earlier_one() {
    // Attempts: dup and one avc for either split.
    let before = "map p0 0x10..0x14\nfault p0 0x10\nmap p0 0x14..0x16\nmap p0 0x18..0x1c\nfault p0 0x18";
    let untouched = "0:0x10..0x14 1:0x14..0x16 2:0x18..0x1c";
    let split = "3:0x10..0x12 0:0x12..0x14 1:0x14..0x16 2:0x18..0x1c";
    let first = [
        "write p0",
        "dup 0 p0 0x10..0x12",
        "clone 3 0 Split",
        "pre 0",
        "range 0 0x12..0x14",
        "post 0",
        "attached 3",
        "detached 0",
        "detached 1",
        "dup 2 p0 0x1a..0x1c",
    ];
    let end = ["attached 0", "attached 1", "unlock p0"];
    for (attempt, calls, left) in [
        (1, [&first[..2], &["unlock p0"]].concat(), untouched),
        (2, [&first[..3], &["free 3", "unlock p0"]].concat(), untouched),
        (3, [&first[..], &end].concat(), split),
        (4, [&first[..], &["clone 4 2 Split", "free 4"], &end].concat(), split),
    ] {
        let line = format!("unmap p0 0x12..0x1a fail={attempt}");
        let (driver, _) = check(Fake::new(), before, &line, NO_MEMORY, &calls);
        assert_eq!(vmas(&driver, 0), left);
    }
}

#[test]
fn exit_unlinks_all_before_it_frees_any() {
    let calls = ["write p0", "unlink 0", "unlink 1", "detached 0", "free 0", "detached 1", "free 1", "unlock p0"];
    let (mut driver, mut fake) =
        check(Fake::new(), "map p0 1..2\nmap p0 4..6\nfork p0 p1", "exit p0", Outcome::Done, &calls);
    assert_eq!(driver.processes().count(), 1);
    setup(&mut driver, &mut fake, "fork p1 p0\nfault p0 1");
    driver.exit_all(&mut fake);
    assert_eq!((fake.live(), driver.processes().count()), ((0, 0), 0));
    driver.reset();
    assert_eq!(driver.processes().map(|(mm, vmas)| (mm, vmas.count())).collect::<Vec<_>>(), [(MmId(0), 0)]);
}

#[test]
fn a_refusal_makes_no_call() {
    let before = "map p0 0x10..0x18\nfork p0 p1";
    for (line, errno) in [
        ("map p0 5..5", "EINVAL"),
        ("map p0 0x17..0x19", "EEXIST"),
        ("map p0 0x8..0x11", "EEXIST"),
        ("map p0 0x8..0x20", "EEXIST"),
        ("map p2 1..2", "ESRCH"),
        ("fault p0 0x18", "EFAULT"),
        ("fault p0 0xf", "EFAULT"),
        ("fault p2 0x10", "ESRCH"),
        ("fork p2 p3", "ESRCH"),
        ("fork p0 p1", "EEXIST"),
        ("fork p0 p0", "EEXIST"),
        ("unmap p0 0x12..0x12", "EINVAL"),
        ("unmap p2 1..2", "ESRCH"),
        ("exit p2", "ESRCH"),
        ("map p0 1..2 grows", "ENOSYS"),
        ("map p0 1..2 file 0", "ENOSYS"),
        ("fault p0 0x10 read", "ENOSYS"),
        ("protect p0 0x10..0x11 r", "ENOSYS"),
        ("advise p0 0x10..0x11 dontfork", "ENOSYS"),
        ("move p0 0x10..0x11 0x30", "ENOSYS"),
        ("resize p0 0x10..0x18 1", "ENOSYS"),
        ("grow p0 0x10 1", "ENOSYS"),
        ("pin p0 0x10", "EFAULT"),
        ("pin p2 0x10", "ESRCH"),
        ("unpin 0", "EBADF"),
        ("walk p0 0x10", "EFAULT"),
        ("walk p2 0x10", "ESRCH"),
        ("uffdmove p0 0x10 0x11", "ENOSYS"),
    ] {
        let mut fake = Fake::new();
        let mut driver = SmallDriver::new();
        setup(&mut driver, &mut fake, before);
        for line in [line.to_string(), format!("{line} fail=1+")] {
            match play(&mut driver, &mut fake, &line) {
                (Outcome::Refused(given), calls) => {
                    assert_eq!((errno_name(given).as_str(), calls.len()), (errno, 0), "{line}")
                }
                other => panic!("{line}: {other:?}"),
            }
        }
        assert_eq!(driver.stats().total().refused, 2);
    }
}

#[test]
fn operations_out_of_range_are_refused() {
    let mut fake = Fake::new();
    let mut driver = SmallDriver::new();
    for kind in [
        OpKind::map(MmId(16), 1, 2),
        OpKind::map(MmId(0), 2, 1),
        OpKind::Unmap { mm: MmId(0), start: 2, end: 1 },
        OpKind::Fork { parent: MmId(0), child: MmId(16) },
        OpKind::Exit { mm: MmId(255) },
    ] {
        assert!(matches!(driver.apply(&mut fake, &kind.into()), Outcome::Refused(_)), "{kind}");
    }
    assert!(fake.taken().is_empty());
}

#[test]
fn the_limit_of_vmas_is_the_kernels() {
    let mut fake = Fake::new().quiet();
    let mut driver = SmallDriver::new();
    let map = |page: u64| Op::from(OpKind::map(MmId(0), page, page + 3));
    for n in 0..=MAX_MAP_COUNT as u64 {
        assert_eq!(driver.apply(&mut fake, &map(n * 4)), Outcome::Done);
    }
    assert_eq!(driver.apply(&mut fake, &map(1 << 30)), Outcome::Refused(ENOMEM));
    assert_eq!(play(&mut driver, &mut fake, "unmap p0 5..6").0, Outcome::Refused(ENOMEM));
    assert_eq!(play(&mut driver, &mut fake, "unmap p0 6..9").0, Outcome::Done);
    assert_eq!(driver.vma_count(), MAX_MAP_COUNT + 1, "two splits above the limit, then two VMAs less");
}
