//! DifferingPart of ground truth can be told without a booted kernel: the userland half, what goes over the line, what is said when
//! something is missing. The booted half is `make ground-truth`.
//!
//! Needs a reference with a kernel driver.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rmap_diff::ground_truth::compare::{DifferingPart, first_difference, report};
use rmap_diff::ground_truth::expressible::{LeftOut, expressible, without_options, without_zswap};
use rmap_diff::ground_truth::observed::Observed;
use rmap_diff::ground_truth::userland::{Played, Userland};
use rmap_diff::kernel;
use rmap_diff::known::KnownFindings;
use rmap_diff::rmap::dump::{Dump, PageDump, PageTarget};
use rmap_diff::rmap::{Cache, EBUSY, EFAULT, EINVAL, VmaAttributes};
use rmap_diff::session::VmaCode;
use rmap_diff::trace::agent::{Kernel, Reply};
use rmap_diff::trace::{OpKind, Trace};

fn userland() -> Userland {
    userland_for(VmaCode::Kernel, &Kernel::default())
}

fn userland_with_pages() -> Userland {
    userland_for(VmaCode::Pages, &Kernel { soft_dirty: true, ..Kernel::default() })
}

/// To be compared with a booted kernel that has these options.
fn userland_for(vma: VmaCode, booted: &Kernel) -> Userland {
    Userland::new(kernel::reference("6.12").expect("make kernels"), vma, booted).expect("the kernel's own code")
}

fn steps_of(userland: &mut Userland, trace: &Trace) -> Vec<Observed> {
    userland.play(trace, &mut LeftOut::default()).unwrap().steps
}

fn seeds(of: &str) -> Vec<(String, Trace)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(of);
    let mut seeds: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), fs::read_to_string(&path).unwrap().parse().unwrap())
        })
        .collect();
    seeds.sort_by(|a, b| a.0.cmp(&b.0));
    seeds
}

/// Plays the seeds twice, the second time as if the steps came over the line; how many dumps came.
fn dumps_over_the_line(userland: &mut Userland, vma: VmaCode, of: &str) -> usize {
    let mut dumps = 0;
    for (name, trace) in seeds(of) {
        let said = expressible(&trace, vma, &mut LeftOut::default());
        let Played { trace, steps, .. } = userland.play(&said, &mut LeftOut::default()).unwrap();
        assert_eq!(steps.len(), trace.ops.len(), "{name}");
        let mut again = steps_of(userland, &trace);
        for (number, step) in again.iter_mut().enumerate() {
            assert_eq!(step.dump.pages.is_some(), vma == VmaCode::Pages);
            let reply = Reply::Step { step: number, errno: step.errno, dump: Some(step.dump.clone()) };
            let line = serde_json::to_string(&reply).unwrap();
            assert!(!line.contains('\n'));
            let back: Reply = serde_json::from_str(&line).unwrap();
            assert_eq!(back, reply, "{name}");
            let Reply::Step { dump: Some(dump), .. } = back else { unreachable!() };
            step.dump = dump;
            dumps += 1;
        }
        assert_eq!(first_difference(&trace, &steps, &again), None, "{name}");
    }
    dumps
}

#[test]
fn every_dump_of_the_seeds_survives_the_line_and_equals_itself() {
    let dumps = dumps_over_the_line(&mut userland(), VmaCode::Kernel, "fuzz/seeds");
    assert!(dumps > 300, "{dumps}");
    let mut userland = userland_with_pages();
    let dumps = ["fuzz/seeds", "fuzz/page-seeds"].map(|of| dumps_over_the_line(&mut userland, VmaCode::Pages, of));
    assert!(dumps[0] > 300 && dumps[1] > 50, "{dumps:?}");
}

#[test]
fn one_counter_that_is_off_is_found_at_its_step() {
    let mut userland = userland();
    let trace: Trace = "map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\nfork p1 p2".parse().unwrap();
    let steps = steps_of(&mut userland, &trace);
    let mut planted = steps.clone();
    planted[2].dump.anon_vmas[1].num_active_vmas += 1;
    planted[3].dump.anon_vmas[1].num_active_vmas += 1;
    let found = first_difference(&trace, &steps, &planted).expect("a difference");
    assert_eq!((found.step, found.what), (2, DifferingPart::Graph));
    let text = report(&trace, &found);
    assert!(text.contains("differ graph after operation 3: fork p0 p1"), "{text}");
    assert!(text.contains("-anon_vma 1  root 0  parent 0  refcount 1  num_children 0  num_active_vmas 1\n"), "{text}");
    assert!(text.contains("+anon_vma 1  root 0  parent 0  refcount 1  num_children 0  num_active_vmas 2\n"), "{text}");
    assert!(text.contains(" anon_vma 0  root 0  parent 0  refcount 2  num_children 2  num_active_vmas 1\n"), "{text}");
    assert!(text.contains("   p0 0x10 black -R last 0x13\n   p1 0x10 red -- last 0x13\n"), "{text}");
    assert!(!text.contains("fork p1 p2"), "what comes after is no part of it:\n{text}");
}

/// Two processes share a page, one has written to another, and a third is on its way to swap.
const PAGES: &str = "map p0 0x10..0x14\nfault p0 0x10\nfault p0 0x11\nfault p0 0x12\nfault p0 0x13 read\nswapout p0 0x12\n\
                     fork p0 p1\nfault p1 0x11";

#[test]
fn whatever_is_planted_in_page_tables_is_found() {
    let trace: Trace = PAGES.parse().unwrap();
    let steps = steps_of(&mut userland_with_pages(), &trace);
    assert_eq!(steps.len(), trace.ops.len(), "nothing of it is left out");
    let last = steps.len() - 1;
    let planted = |change: &dyn Fn(&mut PageDump)| {
        let mut planted = steps.clone();
        change(planted[last].dump.pages.as_mut().expect("page tables"));
        first_difference(&trace, &steps, &planted)
    };
    assert_eq!(planted(&|_| ()), None);
    let changes: [&dyn Fn(&mut PageDump); 16] = [
        &|pages| pages.frames[0].mapcount -= 1,
        &|pages| pages.frames[0].index += 1,
        &|pages| pages.frames[0].anon = None,
        &|pages| pages.frames[0].anon.as_mut().unwrap().anon_vma = None,
        &|pages| pages.frames[0].anon.as_mut().unwrap().exclusive ^= true,
        &|pages| pages.frames[0].anon.as_mut().unwrap().swapbacked ^= true,
        &|pages| pages.frames[1].anon.as_mut().unwrap().content = 0,
        &|pages| pages.processes[0].anon += 1,
        &|pages| pages.processes[0].file += 1,
        &|pages| pages.processes[1].swap -= 1,
        &|pages| pages.processes[1].entries[1].target = PageTarget::Frame(1),
        &|pages| pages.processes[0].entries[0].writable ^= true,
        &|pages| pages.processes[1].entries[1].dirty ^= true,
        &|pages| pages.processes[1].entries[2].exclusive ^= true,
        &|pages| pages.processes[0].entries[0].soft_dirty ^= true,
        &|pages| pages.processes[1].entries[2].soft_dirty ^= true,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let found = planted(change).unwrap_or_else(|| panic!("change {number}"));
        assert_eq!((found.step, found.what), (last, DifferingPart::PageTables), "change {number}");
    }
    let text = report(&trace, &planted(changes[0]).unwrap());
    let lines = ["differ page tables after operation 8: fault p1 0x11", "-frame 0  mapcount 2", "+frame 0  mapcount 1"];
    assert!(lines.iter().all(|line| text.contains(line)), "{text}");
    for line in ["p1 pages: anon 2  file 0  swap 1", "  0x11 frame 2 write dirty", "  0x12 slot 0", "  0x13 zero page"]
    {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn soft_dirty_bits_and_flags_are_compared_if_the_booted_kernel_has_them() {
    let trace: Trace = PAGES.parse().unwrap();
    let steps = steps_of(&mut userland_with_pages(), &trace);
    let last = steps.len() - 1;
    let text = steps[last].dump.text();
    for line in ["  0x11 frame 2 write dirty soft-dirty\n", "  0x12 slot 0 soft-dirty\n"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let mut planted = steps.clone();
    planted[0].dump.processes[0].vmas[0].attributes.as_mut().unwrap().1 ^= VmaAttributes::SOFTDIRTY;
    assert_eq!(first_difference(&trace, &steps, &planted).map(|found| found.what), Some(DifferingPart::Graph));

    let without = steps_of(&mut userland_for(VmaCode::Pages, &Kernel::default()), &trace);
    let pages = |steps: &[Observed]| steps[last].dump.pages.clone().expect("page tables");
    assert!(pages(&without).processes.iter().flat_map(|process| &process.entries).all(|entry| !entry.soft_dirty));
    let of_vma = |steps: &[Observed]| steps[last].dump.processes[0].vmas[0].attributes.expect("a detailed dump").1;
    assert_eq!(of_vma(&steps) ^ of_vma(&without), VmaAttributes::SOFTDIRTY);
    // The rest is the same.
    let mut masked = pages(&steps);
    masked.processes.iter_mut().flat_map(|process| &mut process.entries).for_each(|entry| entry.soft_dirty = false);
    assert_eq!(masked, pages(&without));
}

#[test]
fn whatever_is_planted_in_a_large_folio_is_found() {
    let text =
        "map p0 0x10..0x14\nfault p0 0x10 order 2\nfork p0 p1\nfault p1 0x11\nunmap p0 0x11..0x12\nsplit p0 0x12";
    let mut left_out = LeftOut::default();
    let said = expressible(&text.parse().unwrap(), VmaCode::Pages, &mut left_out);
    let Played { trace, steps, .. } = userland_with_pages().play(&said, &mut left_out).unwrap();
    assert!(left_out.is_empty() && trace.ops.len() == 6, "{left_out}");
    let pages = |step: usize| steps[step].dump.pages.as_ref().expect("page tables");
    assert!(pages(4).large.len() == 1 && pages(5).large.is_empty(), "it was split");
    let changes: [&dyn Fn(&mut PageDump); 7] = [
        &|pages| pages.large[0].order += 1,
        &|pages| pages.large[0].entire_mapcount += 1,
        &|pages| pages.large[0].large_mapcount -= 1,
        &|pages| pages.large[0].pages_mapped -= 1,
        &|pages| pages.large[0].partially_mapped ^= true,
        &|pages| pages.frames[1].folio = None,
        &|pages| pages.processes[0].entries[1].huge = true,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut planted = steps.clone();
        change(planted[4].dump.pages.as_mut().unwrap());
        let found = first_difference(&trace, &steps, &planted).unwrap_or_else(|| panic!("change {number}"));
        assert_eq!((found.step, found.what), (4, DifferingPart::PageTables), "change {number}");
    }
}

/// Userfaultfd write-protects a page that is there, one on its way to swap and one whose memory has failed under two processes.
const FAILED: &str = "map p0 0x10..0x14\nfault p0 0x10\nfault p0 0x11\nfault p0 0x12\nfault p0 0x13\nswapout p0 0x11\nfork p0 p1\n\
                      poison p1 0x12\nfault p0 0x12\npoison p0 0x13\nuffdwp p0 0x10..0x13\nfault p0 0x10";

#[test]
fn whatever_is_planted_in_write_protection_and_failed_memory_is_found() {
    let mut left_out = LeftOut::default();
    let said = expressible(&FAILED.parse().unwrap(), VmaCode::Pages, &mut left_out);
    let Played { trace, steps, .. } = userland_with_pages().play(&said, &mut left_out).unwrap();
    assert!(left_out.is_empty() && trace.ops.len() == FAILED.lines().count(), "{left_out}");
    let last = steps.len() - 1;
    assert_eq!(
        Played { trace: trace.clone(), steps: steps.clone(), soft_offlined: vec![1, 2, 3] }.lost_frames(),
        2 + 3
    );
    let refused: Vec<_> = (0..=last).filter(|&step| steps[step].errno != 0).map(|step| steps[step].errno).collect();
    assert_eq!(refused, [EFAULT, EBUSY], "an access to what has failed, and one to what is protected");
    let planted = |change: &dyn Fn(&mut PageDump)| {
        let mut planted = steps.clone();
        change(planted[last].dump.pages.as_mut().expect("page tables"));
        first_difference(&trace, &steps, &planted)
    };
    assert_eq!(planted(&|_| ()), None);
    let changes: [&dyn Fn(&mut PageDump); 7] = [
        &|pages| pages.processes[0].entries[0].uffd = false,
        &|pages| pages.processes[0].entries[1].uffd = false,
        &|pages| pages.processes[0].entries[2].uffd ^= true,
        &|pages| pages.processes[1].entries[0].uffd = true,
        &|pages| pages.processes[1].entries[2].target = PageTarget::Failed(1),
        &|pages| pages.processes[1].entries[3].target = PageTarget::Slot(7),
        &|pages| pages.processes[1].entries.truncate(3),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let found = planted(change).unwrap_or_else(|| panic!("change {number}"));
        assert_eq!((found.step, found.what), (last, DifferingPart::PageTables), "change {number}");
    }
    let mut planted_flag = steps.clone();
    let uffd = |dump: &mut Dump| dump.processes[0].vmas[0].attributes.as_mut().unwrap().1 ^= VmaAttributes::UFFD;
    uffd(&mut planted_flag[last].dump);
    let found = first_difference(&trace, &steps, &planted_flag).map(|found| found.what);
    assert_eq!(found, Some(DifferingPart::Graph), "what is registered is a flag of the VMA");
    let text = report(&trace, &planted(changes[0]).unwrap());
    for line in ["-  0x10 frame 0 dirty uffd", "+  0x10 frame 0 dirty", "  0x11 slot 0 uffd", "  0x12 failed memory 0"]
    {
        assert!(text.contains(line), "{line} in {text}");
    }
    // A booted kernel says EFAULT of both accesses.
    let mut booted = steps.clone();
    booted[last].errno = EFAULT;
    assert_eq!(first_difference(&trace, &steps, &booted), None);
    booted[last].errno = 0;
    assert_eq!(first_difference(&trace, &steps, &booted).map(|found| found.what), Some(DifferingPart::Errno));
}

#[test]
fn memory_does_not_fail_where_the_booted_kernel_would_do_something_else() {
    let text = "map p0 1..9\nfault p0 1\nfault p0 2 read\npoison p0 3\npoison p0 2\npoison p0 1\npoison p0 1\n\
                fault p0 4\nswapout p0 4\nfault p0 4 read\npoison p0 4\n\
                map p0 0x10..0x12 shared file 1\nfault p0 0x10\npoison p0 0x10";
    let played = |zswap: bool| {
        let mut userland = userland_for(VmaCode::Pages, &Kernel { zswap, ..Kernel::default() });
        let mut left_out = LeftOut::default();
        let said = expressible(&text.parse().unwrap(), VmaCode::Pages, &mut left_out);
        let played = userland.play(&said, &mut left_out).unwrap();
        let failed = played.trace.ops.iter().filter(|op| matches!(op.kind, OpKind::Poison { .. })).count();
        assert!(played.steps.iter().all(|step| step.errno == 0));
        (failed, left_out.to_string())
    };
    let (failed, counted) = played(false);
    assert_eq!(failed, 2, "{counted}");
    for count in [
        "poison (of no page that is present) 2",
        "poison (of the zero page, which is no page of a process) 1",
        "poison (of a page of a file that is written back: the guest's are in memory alone) 1",
    ] {
        assert!(counted.contains(count), "{count} in {counted}");
    }
    let (failed, with_zswap) = played(true);
    assert_eq!(failed, 1);
    assert!(with_zswap.contains("poison (of a clean page of the swap cache: zswap"), "{with_zswap}");

    let kernel = Kernel { userfaultfd: true, ..Kernel::default() };
    let mut left_out = LeftOut::default();
    let said = without_options(&"map p0 1..3\npoison p0 1\nuffdwp p0 1..2".parse().unwrap(), &kernel, &mut left_out);
    assert_eq!(said, "map p0 1..3\nuffdwp p0 1..2".parse().unwrap());
    without_options(&said, &Kernel::default(), &mut left_out);
    let counted = left_out.to_string();
    assert!(counted.contains("CONFIG_MEMORY_FAILURE) 1") && counted.contains("CONFIG_USERFAULTFD) 1"), "{counted}");
}

#[test]
fn userfaultfd_is_refused_over_a_file_of_ramfs_and_left_out_over_one_of_tmpfs() {
    let text = "map p0 1..4\nmap p0 4..6 file 3\nmap p0 6..8 shared file 0\nmap p0 8..10 file 1\n\
                uffdwp p0 1..4\nuffdwp p0 2..5\nuffdwp p0 4..6 off\n\
                uffdwp p0 6..7\nuffdwp p0 8..9 off\nuffdwp p0 1..10\nuffdwp p0 1..10 off";
    let mut left_out = LeftOut::default();
    let played = userland_with_pages().play(&text.parse().unwrap(), &mut left_out).unwrap();
    let errnos: Vec<_> = played.steps.iter().map(|step| step.errno).collect();
    assert_eq!(errnos, [0, 0, 0, 0, 0, EINVAL, EINVAL, EINVAL, EINVAL]);
    assert_eq!(left_out.to_string(), "uffdwp (of memory of a file of tmpfs, which the booted kernel allows) 2");
}

#[test]
fn an_operation_that_a_system_call_would_do_otherwise_is_left_out_by_the_state_that_it_meets() {
    let text = format!(
        "{PAGES}\nswapout p0 0x10\nmigrate p0 0x10\nmigrate p0 0x12\ntouch p0 0x10 write\ntouch p0 0x10\n\
         touch p0 0x13 write\nswapout p1 0x11\nswapout p1 0x11\nmap p0 0x20..0x21 file 2\nfault p0 0x20 read\n\
         swapout p0 0x20\nmigrate p0 0x20\nswapout p0 0x30\nmap p0 0x21..0x22 file 1\nfault p0 0x21 read\nmigrate p0 0x21"
    );
    let mut left_out = LeftOut::default();
    let said = expressible(&text.parse().unwrap(), VmaCode::Pages, &mut left_out);
    assert!(left_out.is_empty(), "{left_out}");
    let played = userland_with_pages().play(&said, &mut left_out).unwrap();
    let text = played.trace.to_string();
    let rest = "fault p1 0x11\nmigrate p0 0x10\ntouch p0 0x10\nswapout p1 0x11\nmap p0 0x20..0x21 file 2\nfault p0 0x20 read\nmigrate p0 0x20\n\
                map p0 0x21..0x22 file 1\nfault p0 0x21 read\n";
    assert!(text.ends_with(rest), "{text}");
    assert!(played.steps.iter().all(|step| step.errno == 0));
    for count in [
        "swapout (of a page that is mapped twice, which MADV_PAGEOUT leaves) 1",
        "swapout (of no page that is present) 2",
        "swapout (of a page of a file) 1",
        "migrate (of no page that is present) 1",
        "migrate (of a page of a file system that is told of writes: ramfs does not move it) 1",
        "touch (where the access would fault) 2",
    ] {
        assert!(left_out.to_string().contains(count), "{count} in {left_out}");
    }
}

#[test]
fn a_page_of_an_odd_number_migrates_by_soft_offlining_if_nothing_else_would_come_of_it() {
    let text = "map p0 0x10..0x14\nfault p0 0x10\nfault p0 0x11\nmigrate p0 0x10\nmigrate p0 0x11\n\
                map p0 0x20..0x24\nfault p0 0x21 order 2\nmigrate p0 0x21\n\
                map p0 0x31..0x32 file 2\nfault p0 0x31 read\nmigrate p0 0x31";
    let soft_offlined = |booted: &Kernel| {
        let mut left_out = LeftOut::default();
        let played = userland_for(VmaCode::Pages, booted).play(&text.parse().unwrap(), &mut left_out).unwrap();
        assert!(left_out.is_empty() && played.trace.ops.len() == text.lines().count(), "{left_out}");
        played.soft_offlined
    };
    assert_eq!(soft_offlined(&Kernel { memory_failure: true, ..Kernel::default() }), [4]);
    assert!(soft_offlined(&Kernel::default()).is_empty());
}

#[test]
fn a_read_of_locked_memory_that_is_swapped_out_is_left_out_where_a_batch_of_folios_makes_a_difference() {
    let played = |lock: &str, read: &str| {
        let text = format!("map p0 1..2\nfault p0 1\nswapout p0 1\nfork p0 p1\n{lock} p0 1..2\nfault p0 1 {read}");
        let mut left_out = LeftOut::default();
        let played = userland_with_pages().play(&text.parse().unwrap(), &mut left_out).unwrap();
        (played.trace.ops.len(), left_out.to_string())
    };
    let (ops, counted) = played("mlock", "read");
    assert_eq!((ops, counted.as_str()), (5, "fault (for reading, of locked memory that is swapped out) 1"));
    assert_eq!(played("mlock", "").0, 6);
    let mut left_out = LeftOut::default();
    let swaps = "map p0 1..2\nfault p0 1\nmlockall p0\nswapout p0 1\nmunlockall p0\nswapout p0 1";
    let played_swaps = userland_with_pages().play(&swaps.parse().unwrap(), &mut left_out).unwrap();
    assert_eq!(played_swaps.trace.ops.len(), 5);
    assert_eq!(left_out.to_string(), "swapout (of locked memory, which MADV_PAGEOUT refuses at once) 1");
    assert_eq!(played("munlock", "read").0, 6);
}

#[test]
fn attempts_are_told_in_the_order_of_the_kernel_with_those_that_failed() {
    let trace: Trace = "map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1 fail=2,3\nfork p0 p1".parse().unwrap();
    let steps = steps_of(&mut userland(), &trace);
    let attempts = |step: usize| {
        let all = steps[step].attempts.as_deref().unwrap();
        all.iter().map(|attempt| (attempt.cache, attempt.failed)).collect::<Vec<_>>()
    };
    assert_eq!(attempts(0), [(Cache::Vma, false)]);
    assert_eq!(attempts(1), [(Cache::Avc, false), (Cache::AnonVma, false)]);
    // 6.12 tries for a chain entry without sleeping, and then once more.
    assert_eq!(attempts(2), [(Cache::Vma, false), (Cache::Avc, true), (Cache::Avc, true)]);
    assert_eq!(steps[2].errno, 12);
    let after = [(Cache::Vma, false), (Cache::Avc, false), (Cache::AnonVma, false), (Cache::Avc, false)];
    assert_eq!(attempts(3), after);
}

#[test]
fn the_known_findings_warn_in_userland_and_say_what_they_do_booted() {
    let all = KnownFindings::embedded();
    let mut played = 0;
    for known in &all.findings {
        // What only kernels show that the tests have not, `make trees` looks at.
        let Some(reference) = kernel::references().iter().find(|r| known.is_of(r.name, r.version)) else { continue };
        let trace = all.trace(known).unwrap();
        // Not every run has the page tables that these need, and what runs together is not booted.
        if VmaCode::needed_by(&trace) == VmaCode::Pages {
            continue;
        }
        assert!(known.booted.is_some(), "{}: make ground-truth tells", known.trace);
        played += 1;
        let steps = steps_of(&mut Userland::new(reference, VmaCode::Kernel, &Kernel::default()).unwrap(), &trace);
        assert!(steps.iter().any(|step| !step.warnings.is_empty()), "{}", known.trace);
    }
    assert!(played > 2, "{played} played");
}

fn ground_truth(args: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    command.arg("ground-truth").args(args).env_remove("RMAP_KERNEL").env_remove("RMAP_KNOWN").env_remove("RMAP_VMA");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, text)
}

#[test]
fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let agent = dir.path().join("agent");
    let agent = agent.to_str().unwrap();
    let common = ["--kernel", "6.12", "--image", "no-image", "--agent", agent];

    let (output, text) = ground_truth(&[&common[..], &["--emulator", "/nowhere/qemu"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains(agent), "{text}");

    fs::write(agent, "not a program").unwrap();
    let (output, text) = ground_truth(&[&common[..], &["--emulator", "/nowhere/qemu"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("/nowhere/qemu"), "{text}");

    let emulator = dir.path().join("emulator");
    fs::write(&emulator, "#!/bin/sh\necho could not load the kernel >&2\nexit 1\n").unwrap();
    fs::set_permissions(&emulator, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (output, text) = ground_truth(&[&common[..], &["--emulator", emulator.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("the emulator ended at once") && text.contains("could not load the kernel"), "{text}");
}

#[test]
fn without_zswap_a_trace_has_large_folios_or_swaps_out() {
    let said = |text: &str| {
        let mut left_out = LeftOut::default();
        let said = without_zswap(&text.parse().unwrap(), &mut left_out);
        (said, left_out.to_string())
    };
    let swaps = "map p0 1..9\nfault p0 1\nswapout p0 1\nfault p0 1";
    assert_eq!(said(swaps), (swaps.parse().unwrap(), "nothing".to_owned()));
    let large = "map p0 1..9\nfault p0 4 order 2\nsplit p0 4";
    assert_eq!(said(large), (large.parse().unwrap(), "nothing".to_owned()));
    let (first, counted) = said("map p0 1..9\nfault p0 4 order 2\nswapout p0 4\nfault p0 1 order 2");
    assert_eq!(first, "map p0 1..9\nfault p0 4 order 2\nfault p0 1 order 2".parse().unwrap());
    assert!(counted.starts_with("swapout (") && counted.ends_with(" 1"), "{counted}");
    let (first, counted) = said("map p0 1..9\nswapout p0 4\nfault p0 1 order 2\nswapout p0 1");
    assert_eq!(first, "map p0 1..9\nswapout p0 4\nfault p0 1\nswapout p0 1".parse().unwrap());
    assert!(counted.starts_with("order N (") && counted.ends_with(" 1"), "{counted}");
}
