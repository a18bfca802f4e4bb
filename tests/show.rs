//! The anon_vma forest and the kernel's page tables as a picture: what is told of a step, and whether a real browser shows it
//! as it should. A binary holds no faulty reference, so a divergence is shown with a port of another revision.

mod common;

#[path = "common/browser.rs"]
mod browser;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use browser::Browser;
use common::{NEWEST, reference, trace};
use rmap_diff::check::{Lockstep, Sides};
use rmap_diff::kernel::{Kernel, SlabMode};
use rmap_diff::mm::{KernelDriver, SmallDriver};
use rmap_diff::pages::{Change, EntryRun, FolioRun, Listing};
use rmap_diff::port::Port;
use rmap_diff::report;
use rmap_diff::rmap::Revision;
use rmap_diff::session::{Session, VmaCode};
use rmap_diff::show::{self, Fate, Film, Step, html, svg, text};
use rmap_diff::trace::{Target, Trace};

/// At the first fork already: 7.2 allocates before it clones.
const PARTING: &str =
    "map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\nfork p1 p2\nexit p1\nmap p2 0x20..0x22 \nfork p2 p3\n";

/// A large folio that a fork shares, a page that goes to the swap device, and one that migrates.
const PAGES: &str = "map p0 0x10..0x20\nfault p0 0x10 order 2\nfork p0 p1\nfault p0 0x18\nswapout p0 0x18\n\
    fault p0 0x19\nmigrate-begin p0 0x19\nmigrate-end 0\nfault p0 0x1c read\ndontneed p0 0x11..0x12\nexit p1\n";

fn seed(name: &str) -> Trace {
    seed_of("fuzz/seeds", name)
}

fn seed_of(dir: &str, name: &str) -> Trace {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir).join(format!("{name}.trace"));
    trace(&fs::read_to_string(path).unwrap())
}

fn seeds() -> Vec<String> {
    seeds_of("fuzz/seeds")
}

fn seeds_of(dir: &str) -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    assert!(names.len() > 10);
    names
}

/// A reference and the port in agreement, with the kernel's own VMA code.
fn film(name: &str, trace: &Trace) -> Film {
    let reference = reference(name);
    let kernel = common::layer::kernel_with_layer(reference, SlabMode::Reuse);
    let mut lockstep = Lockstep::new(kernel, Port::new(reference.revision));
    let sides = ["kernel", "port"];
    show::film(&mut lockstep, &mut KernelDriver::new(), trace, reference.name, &sides, 1..=usize::MAX)
}

/// The same, and the kernel's own page tables.
fn film_of_pages(name: &str, trace: &Trace) -> Film {
    let reference = reference(name);
    let kernel = Session::new(reference).with_vma(VmaCode::Pages).kernel().unwrap();
    let mut lockstep = Lockstep::new(kernel, Port::new(reference.revision));
    let sides = ["kernel", "port"];
    show::film(&mut lockstep, &mut KernelDriver::new(), trace, reference.name, &sides, 1..=usize::MAX)
}

/// 6.12 beside a port that behaves as 7.2.
fn parting() -> Film {
    let port = Port::new(Revision::of_generation("7.2").unwrap());
    let mut lockstep = Lockstep::new(Kernel::new(reference("6.12"), SlabMode::Reuse), port);
    let sides = ["kernel", "port"];
    show::film(&mut lockstep, &mut SmallDriver::new(), &trace(PARTING), "6.12", &sides, 1..=usize::MAX)
}

fn step(film: &Film, number: usize) -> &Step {
    film.steps.iter().find(|step| step.number == number).unwrap()
}

fn command(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    for variable in ["RMAP_KERNEL", "RMAP_DRIVER", "RMAP_VMA", "RMAP_KNOWN", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command.args(args).output().unwrap()
}

fn seed_path(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(format!("{name}.trace")).display().to_string()
}

fn page_of(film: &Film, dir: &tempfile::TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, html::page(film)).unwrap();
    path
}

#[test]
fn reuse_on_fork_is_told_with_who_and_when() {
    // Of the anon_vmas of the exited p1 to p3, each kernel takes them in its own order.
    let trace = seed("reuse-oldest-or-first");
    for (kernel, order) in [("6.12", [1, 2, 3]), (NEWEST, [2, 1, 3])] {
        let film = film(kernel, &trace);
        for (fork, id) in (10..=12).zip(order) {
            let scene = &step(&film, fork).scenes[0];
            let reused: Vec<u32> = scene
                .anon_vmas
                .iter()
                .filter(|a| a.reused.iter().any(|reuse| reuse.step == fork && usize::from(reuse.by) == fork - 5))
                .map(|a| a.id)
                .collect();
            assert_eq!(reused, [id], "{kernel}, operation {fork}");
        }
        let before: usize = film.steps[..9].iter().flat_map(|s| &s.scenes[0].anon_vmas).map(|a| a.reused.len()).sum();
        assert_eq!(before, 0, "{kernel}: the forks before make anon_vmas of their own");
        let said = text::plain(&film, step(&film, 12));
        assert!(said.contains("reused for p7 by operation 12"), "{said}");
    }
}

#[test]
fn what_a_step_frees_is_shown_once() {
    let film = film("6.12", &seed("fork-exit-loop"));
    let freed = |step: &Step| -> Vec<u32> {
        let gone = step.scenes[0].anon_vmas.iter().filter(|a| a.fate == Fate::Freed);
        gone.map(|a| a.id).collect()
    };
    let end = film.steps.last().unwrap();
    assert_eq!(end.number, film.operations + 1);
    assert!(end.scenes[0].anon_vmas.iter().all(|a| a.fate == Fate::Freed), "nothing is left at the end");
    let mut all: Vec<u32> = film.steps.iter().flat_map(freed).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "each is freed once");
    assert!(count > 1);
    let exit = step(&film, 4);
    assert!(exit.operation.starts_with("exit p0"));
    let gone = exit.scenes[0].processes.iter().find(|p| p.mm == 0).unwrap();
    assert!(gone.fate == Fate::Freed && gone.vmas.iter().all(|vma| vma.fate == Fate::Freed));
    assert!(svg::file(&film, exit).contains("(exited)"));
}

#[test]
fn a_divergence_is_shown_on_both_sides_in_every_form() {
    let film = parting();
    let found = film.found.as_ref().expect("6.12 does not behave as 7.2");
    let step = film.steps.last().unwrap();
    assert_eq!(step.number, found.step);
    assert_eq!((step.outcome.as_str(), step.scenes.len()), ("found", 2));
    assert!(!step.differs.is_empty() && !found.events.is_empty());
    assert!(film.steps[..film.steps.len() - 1].iter().all(|step| step.scenes.len() == 1 && step.differs.is_empty()));

    let processes: Vec<u8> = step.scenes[1].processes.iter().map(|process| process.mm).collect();
    assert_eq!(processes, [0, 1], "a step that is stopped half-way takes no process away");
    let said = text::plain(&film, step);
    assert!(!said.contains("in no mm's tree") && !said.contains("exited"), "{said}");
    assert!(said.contains("\n--- kernel\n+++ port\n") && said.contains(&found.signature), "{said}");
    assert!(said.lines().any(|line| line.starts_with("- ")) && said.lines().any(|line| line.starts_with("+ ")));
    let picture = svg::file(&film, step);
    for wanted in [">kernel</text>", ">port</text>", "box differs", "the sides differ in", &svg_text(&found.signature)]
    {
        assert!(picture.contains(wanted), "{wanted}: {picture}");
    }
    assert!(!svg::file(&film, &film.steps[0]).contains(r#"height="38" rx="4" class="box differs"#));
}

fn svg_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What is alive is what `run --dump` says of the same trace.
#[test]
fn the_last_step_has_what_a_dump_has() {
    for name in seeds() {
        let film = film("6.12", &seed(&name));
        if film.found.is_some() {
            continue;
        }
        let dump = command(&[
            "run",
            &seed_path(&name),
            "--kernel",
            "6.12",
            "--side",
            "kernel",
            "--vma",
            "kernel",
            "--dump",
            "json",
        ]);
        let dump: serde_json::Value = serde_json::from_slice(&dump.stdout).unwrap();
        let scene = &step(&film, film.operations).scenes[0];
        let live = |fate: Fate| fate != Fate::Freed;
        assert_eq!(scene.anon_vmas.iter().filter(|a| live(a.fate)).count() as u64, dump["live"]["anon_vma"], "{name}");
        let ours: Vec<(u8, u64, u64, usize)> = scene
            .processes
            .iter()
            .filter(|p| live(p.fate))
            .flat_map(|p| p.vmas.iter().filter(|v| live(v.fate)).map(|v| (p.mm, v.start, v.end, v.chain.len())))
            .collect();
        let mut theirs = Vec::new();
        for process in dump["processes"].as_array().unwrap() {
            for vma in process["vmas"].as_array().unwrap() {
                let number = |key: &str| vma[key].as_u64().unwrap();
                let mm = process["id"].as_u64().unwrap() as u8;
                theirs.push((mm, number("start"), number("end"), vma["chain"].as_array().unwrap().len()));
            }
        }
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn the_command_writes_text_svg_and_page() {
    let dir = tempfile::tempdir().unwrap();
    let file = seed_path("siblings");
    let out = |args: &[&str]| {
        let output = command(&[&["show", &file, "--kernel", "6.12"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(out(&["--at", "4"]).starts_with("6.12: operation 4 of 9: fork p0 p2 (done)\n"));
    assert!(out(&[]).starts_with("6.12: operation 9 of 9: exit p1 (done)\n"));
    assert!(out(&["--at", "end"]).contains("exit of all processes"));
    assert!(out(&["--at", "4", "--side", "kernel"]).contains("\nkernel\np0\n"));
    let svg = dir.path().join("siblings.svg").display().to_string();
    let html = dir.path().join("siblings.html").display().to_string();
    assert_eq!(out(&["--as", "svg", "-o", &svg, "--at", "3"]), format!("{svg}: operation 3 of 6.12\n"));
    assert_eq!(out(&["--as", "html", "-o", &html]), format!("{html}: 10 steps of 6.12\n"));
    assert_eq!(fs::read_to_string(&svg).unwrap(), out(&["--as", "svg", "--at", "3"]));
    assert!(fs::read_to_string(&html).unwrap().starts_with("<!DOCTYPE html>"));
    let text = dir.path().join("siblings.txt").display().to_string();
    assert_eq!(out(&["-o", &text, "--at", "3"]), format!("{text}: operation 3 of 6.12\n"));
    assert_eq!(fs::read_to_string(&text).unwrap(), out(&["--at", "3"]));
    for (wrong, wanted) in [
        (&["--at", "10"][..], "has 9 operations"),
        (&["--at", "0"], "expected the number of an operation"),
        (&["--at", "3", "--as", "html"], "cannot be used with"),
    ] {
        let output = command(&[&["show", &file, "--kernel", "6.12"], wrong].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(wanted), "{said}");
    }
}

fn listing(step: &Step) -> &Listing {
    step.pages.as_ref().expect("page tables").as_ref().expect("that can be read")
}

/// The entries of a process that have the page.
fn run_at(step: &Step, mm: u8, page: u64) -> Option<&EntryRun> {
    let process = listing(step).processes.iter().find(|process| process.counters.mm.0 == mm)?;
    let mut runs = process.vmas.iter().flat_map(|vma| &vma.runs);
    runs.find(|run| (run.first.page..run.first.page + run.pages).contains(&page))
}

/// The folio that these entries name first.
fn folio_of<'a>(step: &'a Step, run: &EntryRun) -> &'a FolioRun {
    let (frame, _) = run.frames().expect("entries that name a frame");
    let has = |folio: &&FolioRun| (folio.frames().0..folio.frames().1).contains(&frame);
    listing(step).folios.iter().filter(|folio| folio.change != Change::Freed).find(has).expect("its folio")
}

/// How many arrows come to a box of the picture, and how many of them are dashed.
fn arrows(film: &Film, step: &Step, to: &str) -> (usize, usize) {
    let picture = svg::file(film, step);
    let lines: Vec<&str> = picture.lines().filter(|line| line.contains(&format!(r#"data-to="{to}""#))).collect();
    (lines.len(), lines.iter().filter(|line| line.contains("link absent")).count())
}

#[test]
fn a_forked_large_folio_is_drawn_once_with_what_it_counts() {
    for kernel in ["6.12", NEWEST] {
        let film = film_of_pages(kernel, &trace(PAGES));
        assert_eq!(film.found, None, "{kernel}");
        let (faulted, forked) = (step(&film, 2), step(&film, 3));
        let of_parent = run_at(forked, 0, 0x10).unwrap();
        assert_eq!((of_parent.place(), of_parent.pages), ("0x10..0x14".to_owned(), 4));
        let folio = folio_of(forked, of_parent);
        let number = folio.first.frame;
        assert_eq!(run_at(forked, 1, 0x12).unwrap().frames(), of_parent.frames(), "the child has the same frames");
        assert_eq!(listing(forked).folios.len(), 1);

        // What a fork changes: writable and exclusive in the parent, and the counts.
        let before = run_at(faulted, 0, 0x10).unwrap();
        assert!(before.bits().contains(&"write") && before.bits().contains(&"exclusive"), "{:?}", before.bits());
        assert!(!of_parent.bits().contains(&"write") && !of_parent.bits().contains(&"exclusive"));
        assert_eq!((before.change, of_parent.change), (Change::New, Change::Changed));
        let counts = |step: &Step| folio_of(step, run_at(step, 0, 0x10).unwrap()).large.unwrap().large_mapcount;
        assert_eq!((counts(faulted), counts(forked)), (4, 8));
        assert_eq!([faulted, forked].map(|step| arrows(&film, step, &format!("folio{number}"))), [(1, 0), (2, 0)]);
        for (step, wanted) in [(faulted, "pages 0..4 mapcount 1 exclusive"), (forked, "pages 0..4 mapcount 2")] {
            let said = text::plain(&film, step);
            assert!(
                said.contains(&format!(
                    "\nfolio{number}  order 2, frames {number}..{}, anon, anon_vma0, index 0x10, ",
                    number + 4
                )),
                "{said}"
            );
            assert!(
                said.contains(wanted) && said.contains("large_mapcount ") && said.contains("entire_mapcount 0"),
                "{said}"
            );
            let picture = svg::file(&film, step);
            assert!(picture.contains(wanted) && picture.matches(r#"<g class="folio""#).count() == 1, "{picture}");
        }
        assert!(text::plain(&film, forked).contains("\np1  anon 4, file 0, shmem 0, swap 0, pgtables_bytes "));

        // The parent drops a page, then the child goes: the folio is partially mapped.
        let (dropped, left) = (step(&film, 10), step(&film, 11));
        let number = folio_of(dropped, run_at(dropped, 0, 0x10).unwrap()).first.frame;
        let partly = |step| text::plain(&film, step).contains("partially mapped, on the deferred list");
        assert!(!partly(dropped) && partly(left), "{}", text::plain(&film, left));
        assert_eq!(run_at(dropped, 0, 0x11), None);
        assert_eq!([dropped, left].map(|step| arrows(&film, step, &format!("folio{number}")).0), [3, 2]);
        assert!(text::plain(&film, left).contains("page 1 mapcount 0"));
        assert!(svg::file(&film, left).contains("on the deferred list"));
    }
}

#[test]
fn a_page_that_is_swapped_out_is_drawn_with_its_slot() {
    for kernel in ["6.12", NEWEST] {
        let film = film_of_pages(kernel, &trace(PAGES));
        let (faulted, out) = (step(&film, 4), step(&film, 5));
        let frame = run_at(faulted, 0, 0x18).unwrap().frames().unwrap().0;
        let run = run_at(out, 0, 0x18).unwrap();
        let Target::Swap { slot, .. } = run.first.target else { panic!("{run:?}") };
        assert_eq!((run.target(), run.change), (format!("swap slot {slot}"), Change::Changed));
        let said = text::plain(&film, out);
        assert!(said.contains(&format!("\n    0x18  swap slot {slot}  exclusive")), "{said}");
        assert!(said.contains(&format!("\nslot {slot}  count 1 (new)\n")), "{said}");
        assert!(said.contains(&format!("\nfolio{frame}  frame {frame}, ")) && said.contains(" (freed)\n"), "{said}");
        assert!(said.contains("\np0  anon 4, file 0, shmem 0, swap 1, "), "{said}");
        assert!(said.ends_with("slots 1\n") && text::plain(&film, faulted).ends_with("slots 0\n"), "{said}");
        assert_eq!(arrows(&film, out, &format!("slot{slot}")), (1, 1));
        assert_eq!(arrows(&film, out, &format!("folio{frame}")).0, 0, "nothing names a folio that was freed");
        assert!(!svg::file(&film, faulted).contains(r#"<g class="slot""#));
    }
}

#[test]
fn a_migration_is_drawn_while_it_lasts() {
    for kernel in ["6.12", NEWEST] {
        let film = film_of_pages(kernel, &trace(PAGES));
        let (begun, ended) = (step(&film, 7), step(&film, 8));
        let run = run_at(begun, 0, 0x19).unwrap();
        let frame = run.frames().unwrap().0;
        assert_eq!(run.target(), format!("migration frame {frame}"));
        let folio = folio_of(begun, run).phrases(rmap_diff::pages::Naming::Serial).join(", ");
        assert!(folio.contains("mapcount 0") && folio.contains("locked, migrating"), "{folio}");
        assert_eq!(arrows(&film, begun, &format!("folio{frame}")), (1, 1));
        let after = run_at(ended, 0, 0x19).unwrap();
        let now = after.frames().unwrap().0;
        assert!(now != frame && after.target() == format!("frame {now}"), "{after:?}");
        assert_eq!(arrows(&film, ended, &format!("folio{now}")), (1, 0));
        let said = text::plain(&film, ended);
        assert!(!said.contains("migration frame") && !said.contains("migrating\n"), "{said}");
        let gone: Vec<u32> = listing(ended)
            .folios
            .iter()
            .filter(|folio| folio.change == Change::Freed)
            .map(|folio| folio.first.frame)
            .collect();
        assert_eq!(gone.into_iter().map(u64::from).collect::<Vec<_>>(), [frame]);
        assert!(text::plain(&film, step(&film, 9)).contains("\n    0x1c  zero page  "), "a read fault");
    }
}

/// A walk and an unmap of one page, of which the second begins in the midst of the first.
const RACE: &str = "map p0 0x10..0x11\nfault p0 0x10\nfork p0 p1\ntogether\nwalk p0 0x10 locked\nunmap p0 0x10..0x11\n\
    at a trylock b\nend\nfault p1 0x10\n";

/// On the kernel's side alone, which has tasks.
fn film_of_race(trace: &Trace) -> Film {
    let reference = reference(NEWEST);
    let kernel = Session::new(reference).with_vma(VmaCode::Pages).kernel().unwrap();
    let mut lockstep = Lockstep::solo(kernel, Sides::Reference);
    show::film(&mut lockstep, &mut KernelDriver::new(), trace, reference.name, &["kernel"], 1..=usize::MAX)
}

#[test]
fn operations_that_run_together_have_a_column_each_in_every_form() {
    let film = film_of_race(&trace(RACE));
    let numbers: Vec<usize> = film.steps.iter().map(|step| step.number).collect();
    assert_eq!(numbers, [1, 2, 3, 5, 6, 7], "they are one step");
    let section = step(&film, 5);
    let together = section.together.as_ref().unwrap();
    assert_eq!(together.tasks, ["walk p0 0x10 locked", "unmap p0 0x10..0x11"]);
    let order: Vec<usize> = together.schedule.iter().map(|(task, _)| *task).collect();
    assert!(order.starts_with(&[0]) && order.contains(&1) && order.ends_with(&[0]), "{order:?}");
    assert!(film.steps.iter().all(|other| other.number == 5 || other.together.is_none()));
    // The state is that at the end: the page is gone.
    assert!(run_at(section, 0, 0x10).is_none() && run_at(section, 1, 0x10).is_some());

    let said = text::plain(&film, section);
    assert!(
        said.contains("operations 4 to 5 of 6, together: a walk p0 0x10 locked, b unmap p0 0x10..0x11 (done)"),
        "{said}"
    );
    let columns: Vec<String> = report::schedule_lines(&together.schedule);
    assert!(said.contains("what each task was about to do\n") && columns.len() > 10);
    columns.iter().for_each(|line| assert!(said.contains(&format!("  {line}\n")), "{line}: {said}"));
    assert!(!text::plain(&film, step(&film, 6)).contains("each task"));

    let drawn = svg::file(&film, section);
    let at = |task: usize| {
        let wanted = format!(">{}</text>", ["a walk p0 0x10 locked", "b unmap p0 0x10..0x11"][task]);
        let line =
            drawn.split("<text ").find(|line| line.contains(&wanted)).unwrap_or_else(|| panic!("{wanted}: {drawn}"));
        line.split("x=\"").nth(1).unwrap().split('"').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(at(1) > at(0) + 100.0, "{} and {}", at(0), at(1));
    let page = html::page(&film);
    assert!(page.contains(r#""tasks":["a walk p0 0x10 locked","b unmap p0 0x10..0x11"]"#), "{page}");
    assert!(page.contains(r#"[1,"lock mmap 0"]"#), "{page}");
}

#[test]
fn the_command_shows_a_section_at_each_of_its_operations() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("race.trace");
    fs::write(&file, RACE).unwrap();
    let file = file.display().to_string();
    let shown = |at: &str| {
        let output = command(&["show", &file, "--at", at, "--side", "kernel"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(shown("4"), shown("5"));
    assert!(shown("4").contains("operations 4 to 5 of 6, together"));
    assert!(shown("end").contains("after the trace"));
}

#[test]
fn nothing_is_left_in_the_page_tables_at_the_end() {
    let film = film_of_pages(NEWEST, &trace(PAGES));
    let end = listing(film.steps.last().unwrap());
    assert!(end.processes.is_empty() && !end.folios.is_empty());
    assert!(end.folios.iter().all(|folio| folio.change == Change::Freed));
    assert!(end.slots.iter().all(|slot| slot.change == Change::Freed));
}

#[test]
fn entries_that_are_alike_are_one_line_and_a_huge_page_is_one() {
    let film = film_of_pages(
        NEWEST,
        &trace("map p0 0x400..0x800\nfault p0 0x400 huge\nfault p0 0x600\nfault p0 0x601\nfork p0 p1\n"),
    );
    let said = text::plain(&film, step(&film, 5));
    let lines = |of: &str| said.lines().filter(|line| line.contains(of)).count();
    assert_eq!((lines("0x400..0x600  frame"), lines("0x600..0x602  frame")), (2, 2), "{said}");
    assert_eq!((lines("order 9, "), lines("2 folios of one page")), (1, 1), "{said}");
    assert!(said.contains("large_mapcount 2, entire_mapcount 2, pages_mapped 0x800000"), "{said}");
    assert!(said.contains("NR_ANON_THPS 512, ") || said.contains("NR_ANON_THPS 1, "), "{said}");
}

#[test]
fn without_the_kernels_page_tables_none_are_drawn() {
    let film = film(NEWEST, &seed("siblings"));
    for step in &film.steps {
        assert_eq!(step.pages, None);
        let picture = svg::file(&film, step);
        assert!(!text::plain(&film, step).contains("page tables") && !picture.contains("page tables"));
    }
    assert!(html::page(&film).contains(r#""pages":null"#));
}

/// The lines that a dump has with any VMA code come first, and are the same.
#[test]
fn a_text_dump_ends_with_the_page_tables_in_a_form_that_follows_from_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let dump = |text: &str, args: &[&str]| {
        let file = dir.path().join("dumped.trace");
        fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let output = command(&[&["run", &file, "--kernel", "6.12", "--dump"], args].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let small = "map p0 0x10..0x20\nfault p0 0x10\nfork p0 p1\nfault p1 0x11\n";
    let with = dump(small, &["text", "--vma", "pages"]);
    let without = dump(small, &["text", "--vma", "kernel"]);
    let added = with.strip_prefix(&without).unwrap_or_else(|| panic!("{without}\n{with}"));
    assert!(
        added.starts_with("kernel 6.12, page tables\np0 pages  anon 1  file 0  shmem 0  swap 0  pgtables_bytes "),
        "{added}"
    );
    for form in [&["text", "--side", "port"][..], &["text", "--vma", "kernel"], &["json", "--vma", "pages"]] {
        assert!(!dump(small, form).contains("pages"), "{form:?}");
    }
    assert_eq!(dump(small, &["json", "--vma", "pages"]), dump(small, &["json", "--vma", "kernel"]));

    let all = dump(PAGES, &["text", "--side", "kernel"]);
    for wanted in [
        "\n  0x10  frame 0  page 0 of folio 0  ",
        "\nfolio 0  order 2  frames 0..4  anon, anon_vma 0  index 0x10  ",
        "partially mapped  on the deferred list",
        "\n  0x18  swap slot 0  exclusive",
        "\nslot 0  count 1\n",
        "\n  0x1c  zero page",
    ] {
        assert!(all.contains(wanted), "{wanted}: {all}");
    }
    let again = all.lines().filter(|line| line.starts_with("folio 0 ")).count();
    assert_eq!(again, 1, "{all}");

    // The same state, with other frames and slots.
    let [one, other] = [
        "map p0 0x10..0x14\nfault p0 0x10\nfault p0 0x11\nfault p0 0x12\nfault p0 0x13\nswapout p0 0x10\nswapout p0 0x12\n",
        "map p0 0x10..0x14\nfault p0 0x13\nfault p0 0x12\nfault p0 0x11\nswapout p0 0x12\nfault p0 0x10\nswapout p0 0x10\n",
    ]
    .map(|text| dump(text, &["text", "--side", "kernel"]));
    assert_eq!(one, other);
    let moved = dump(
        "map p0 0x10..0x14\nfault p0 0x10\nfault p0 0x11\nfault p0 0x12\nfault p0 0x13\nswapout p0 0x10\nswapout p0 0x13\n",
        &["text", "--side", "kernel"],
    );
    assert_ne!(one, moved);
}

/// The errors that the browser has noted, and what the page has asked for beyond itself.
fn nothing_to_complain_of(browser: &Browser, pages: &[&Path]) {
    assert_eq!(browser.errors, Vec::<String>::new());
    let own = |url: &String| pages.iter().any(|page| url.starts_with(&format!("file://{}", page.display())));
    let foreign: Vec<&String> = browser.requests.iter().filter(|url| !own(url)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(!browser.requests.is_empty(), "the page itself is asked for");
}

#[test]
fn the_page_steps_through_a_divergence_in_a_browser() {
    let dir = tempfile::tempdir().unwrap();
    let film = parting();
    let page = page_of(&film, &dir, "parting.html");
    let mut browser = Browser::start(1500, 1000);
    browser.open(&page, "");
    let last = film.steps.last().unwrap();
    let number =
        |browser: &mut Browser| browser.evaluate("Number(document.body.dataset.step)").as_u64().unwrap() as usize;
    let scenes = |browser: &mut Browser| browser.evaluate("document.querySelectorAll('#scenes svg').length");

    // It opens where the sides part: both are there, and what differs is seen.
    assert_eq!(number(&mut browser), last.number);
    assert_eq!(scenes(&mut browser), 2);
    let seen = browser.evaluate(
        "[...document.querySelectorAll('#scenes .box.differs')].filter(box => { const r = box.getBoundingClientRect(); \
         return r.width > 20 && r.height > 10 && r.left >= 0 && r.right <= innerWidth && getComputedStyle(box).stroke !== \
         getComputedStyle(document.querySelector('#scenes .box:not(.differs)') || document.body).stroke; }).length",
    );
    assert!(seen.as_u64() >= Some(2), "{seen}");
    let beside = browser.evaluate(
        "(() => { const [a, b] = [...document.querySelectorAll('#scenes svg')].map(x => x.getBoundingClientRect()); \
         return a.right <= b.left && Math.abs(a.top - b.top) < 2; })()",
    );
    assert_eq!(beside, true);
    let rows = browser
        .evaluate("[...document.querySelectorAll('#differs tbody tr')].map(r => [...r.cells].map(c => c.textContent))");
    let wanted: Vec<Vec<String>> = last
        .differs
        .iter()
        .map(|f| {
            vec![f.object.map_or(String::new(), |o| o.to_string()), f.field.into(), f.reference.clone(), f.port.clone()]
        })
        .collect();
    assert_eq!(rows, serde_json::json!(wanted));
    let found = film.found.as_ref().unwrap();
    let banner = browser.evaluate("document.getElementById('found').innerText");
    assert!(banner.as_str().unwrap().contains(&found.signature), "{banner}");
    assert!(browser.evaluate("document.querySelector('#events pre').innerText").as_str().unwrap().contains("\n+ "));

    // Keys, buttons, slider, list, address.
    browser.press("ArrowLeft");
    assert_eq!((number(&mut browser), scenes(&mut browser)), (last.number - 1, 1.into()));
    assert_eq!(
        browser.evaluate("document.getElementById('differs').hidden && document.getElementById('found').hidden"),
        true
    );
    browser.press("Home");
    assert_eq!(number(&mut browser), 1);
    browser.press("ArrowLeft");
    assert_eq!(number(&mut browser), 1);
    browser.press("ArrowRight");
    assert_eq!(number(&mut browser), 2);
    browser.press("End");
    assert_eq!(number(&mut browser), last.number);
    browser.click("#previous");
    assert_eq!(number(&mut browser), last.number - 1);
    browser.press("d");
    assert_eq!(number(&mut browser), last.number);
    browser.click("#steps li:nth-child(3) button");
    assert_eq!(number(&mut browser), 3);
    browser.evaluate("document.getElementById('slider').value = 0; document.getElementById('slider').dispatchEvent(new Event('input'))");
    assert_eq!(number(&mut browser), 1);
    browser.click("#slider");
    let middle = number(&mut browser);
    assert!((2..last.number).contains(&middle), "{middle}");
    browser.press("ArrowRight");
    assert_eq!(number(&mut browser), middle + 1, "one step a key, the slider being chosen");
    browser.evaluate("location.hash = '#2'");
    assert_eq!(number(&mut browser), 2);
    assert_eq!(browser.evaluate("document.querySelectorAll('#steps [aria-current]').length"), 1);
    nothing_to_complain_of(&browser, &[&page]);
}

/// Of every step of a page: each pair of boxes that overlap, each text that leaves its box or runs into another of it, each arrow
/// of the chains that runs through a box which is not its own.
const UNTIDY: &str = r#"(() => {
	const found = [];
	const apart = (a, b) => a.right <= b.left + .5 || b.right <= a.left + .5 || a.bottom <= b.top + .5 || b.bottom <= a.top + .5;
	for (const svg of document.querySelectorAll('#scenes svg, #pages svg')) {
		const boxes = [...svg.querySelectorAll('g.vma, g.anon, g.pages, g.folio, g.slot')];
		const rect = (group) => group.querySelector('rect').getBoundingClientRect();
		boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
			if (!apart(rect(a), rect(b))) found.push(`${a.textContent} over ${b.textContent}`);
		}));
		const whole = svg.getBoundingClientRect();
		for (const group of boxes) {
			const outer = rect(group);
			if (outer.right > whole.right || outer.bottom > whole.bottom) found.push(`${group.textContent} is cut off`);
			const texts = [...group.querySelectorAll('text')];
			texts.forEach((text, i) => {
				const inner = text.getBoundingClientRect();
				if (inner.left < outer.left || inner.right > outer.right || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1)
					found.push(`${text.textContent} leaves its box`);
				texts.slice(i + 1).forEach((other) => {
					const there = other.getBoundingClientRect();
					const lower = Math.max(inner.top, there.top), upper = Math.min(inner.bottom, there.bottom);
					if (upper - lower > 4 && inner.left < there.right && there.left < inner.right)
						found.push(`${text.textContent} runs into ${other.textContent}`);
				});
			});
		}
		for (const line of svg.querySelectorAll('g.line')) {
			const path = line.querySelector('path.link'), length = path.getTotalLength();
			for (let at = 0; at < length; at += 6) {
				const point = path.getPointAtLength(at).matrixTransform(path.getScreenCTM());
				for (const group of boxes) {
					const r = rect(group);
					if (point.x > r.left + 1 && point.x < r.right - 1 && point.y > r.top && point.y < r.bottom && (line.dataset.from || group.dataset.vma !== line.dataset.vma))
						found.push(`an arrow of ${line.dataset.from || `vma${line.dataset.vma}`} through ${group.textContent}`);
				}
			}
		}
	}
	return found;
})()"#;

#[test]
fn no_picture_of_a_seed_has_boxes_texts_or_arrows_in_each_others_way() {
    no_picture_is_untidy(0);
}

#[test]
fn no_picture_of_another_seed_has_boxes_texts_or_arrows_in_each_others_way() {
    no_picture_is_untidy(1);
}

/// Every second seed, from the first or the second on.
fn no_picture_is_untidy(from: usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(1500, 1000);
    let mut pages = vec![page_of(&parting(), &dir, "parting.html")];
    for name in seeds().into_iter().skip(from).step_by(2) {
        pages.push(page_of(&film(NEWEST, &seed(&name)), &dir, &format!("{name}.html")));
    }
    for name in seeds_of("fuzz/page-seeds").into_iter().skip(from).step_by(2) {
        let film = film_of_pages(NEWEST, &seed_of("fuzz/page-seeds", &name));
        assert!(film.steps.iter().all(|step| matches!(step.pages, Some(Ok(_)))), "{name}");
        pages.push(page_of(&film, &dir, &format!("pages-{name}.html")));
    }
    pages.push(page_of(&film_of_race(&trace(RACE)), &dir, "together.html"));
    let mut steps = 0;
    for page in &pages {
        browser.open(page, "#1");
        for step in 1..=browser.evaluate("document.querySelectorAll('#steps li').length").as_u64().unwrap() {
            let untidy = browser.evaluate(UNTIDY);
            assert_eq!(untidy, serde_json::json!([]), "{} step {step}", page.display());
            steps += 1;
            browser.press("ArrowRight");
        }
        browser.shoot(&format!("{}.png", page.file_stem().unwrap().to_str().unwrap()));
    }
    assert!(steps > 150, "{steps}");
    nothing_to_complain_of(&browser, &pages.iter().map(PathBuf::as_path).collect::<Vec<_>>());

    // The check can fail: a box is moved onto another, a text is made too long.
    browser.open(&pages[0], "#1");
    browser.evaluate("document.querySelector('g.vma text.name').textContent = 'x'.repeat(60)");
    assert_ne!(browser.evaluate(UNTIDY), serde_json::json!([]));
    browser.press("End");
    browser.evaluate("document.querySelector('g.anon rect').setAttribute('height', 400)");
    assert!(browser.evaluate(UNTIDY).to_string().contains(" over "));
}

#[test]
fn the_page_has_a_table_of_what_each_task_was_about_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(1500, 1000);
    let page = page_of(&film_of_race(&trace(RACE)), &dir, "together.html");
    browser.open(&page, "#5");
    let told = "(() => { const t = document.getElementById('together'); return [t.hidden, t.querySelectorAll('th').length, \
        t.querySelectorAll('tbody tr').length > 10, document.querySelector('#steps [aria-current] .number').textContent]; })()";
    assert_eq!(browser.evaluate(told), serde_json::json!([false, 2, true, "4–5"]));
    browser.press("ArrowRight");
    assert_eq!(browser.evaluate("document.getElementById('together').hidden"), serde_json::json!(true));
    nothing_to_complain_of(&browser, &[&page]);
}

/// The least contrast of any text with what lies below it, as WCAG computes it.
const CONTRAST: &str = r#"(() => {
	const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
	const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
	const ratio = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + .05) / (Math.min(x, y) + .05); };
	let least = { ratio: 99 };
	const page = rgb(getComputedStyle(document.body).backgroundColor);
	for (const text of document.querySelectorAll('svg text, svg tspan')) {
		const box = text.closest('g.vma, g.anon, g.pages, g.folio, g.slot')?.querySelector('rect');
		const fill = box ? getComputedStyle(box).fill : 'none';
		const found = ratio(rgb(getComputedStyle(text).fill), fill === 'none' ? page : rgb(fill));
		if (found < least.ratio) least = { ratio: found, text: text.textContent };
	}
	for (const text of document.querySelectorAll('h1, #found, #steps button, #steps span, td, th, pre span, li')) {
		let below = text;
		while (below && rgb(getComputedStyle(below).backgroundColor)[3] === 0) below = below.parentElement;
		const found = ratio(rgb(getComputedStyle(text).color), below ? rgb(getComputedStyle(below).backgroundColor) : page);
		if (found < least.ratio) least = { ratio: found, text: text.textContent };
	}
	return least;
})()"#;

#[test]
fn the_page_can_be_read_in_light_and_in_dark() {
    let dir = tempfile::tempdir().unwrap();
    let pages = [
        page_of(&parting(), &dir, "parting.html"),
        page_of(&film("6.12", &seed("reuse-oldest-or-first")), &dir, "reuse.html"),
        page_of(&film("6.12", &seed("all-sixteen-processes")), &dir, "sixteen.html"),
        page_of(&film_of_pages(NEWEST, &trace(PAGES)), &dir, "pages.html"),
    ];
    let mut browser = Browser::start(1500, 1000);
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        for page in &pages {
            browser.open(page, "#1");
            for key in ["End", "ArrowLeft", "d"] {
                browser.press(key);
                let least = browser.evaluate(CONTRAST);
                assert!(least["ratio"].as_f64() >= Some(4.5), "{scheme}, {key}, {}: {least}", page.display());
            }
            browser.shoot(&format!("{scheme}-{}.png", page.file_stem().unwrap().to_str().unwrap()));
        }
        grounds.push(browser.evaluate("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(grounds[0], grounds[1]);
    browser.evaluate("document.querySelector('#scenes text').style.fill = 'rgb(40, 44, 48)'");
    assert!(browser.evaluate(CONTRAST)["ratio"].as_f64() < Some(4.5), "the check can fail");
}

#[test]
fn a_folio_under_the_pointer_shows_who_names_it_and_its_anon_vma() {
    let dir = tempfile::tempdir().unwrap();
    let film = film_of_pages(NEWEST, &trace(PAGES));
    let page = page_of(&film, &dir, "pages.html");
    let mut browser = Browser::start(1500, 1000);
    browser.open(&page, "#3");
    assert_eq!(browser.evaluate("document.querySelectorAll('#pages g.folio').length"), 1);
    browser.evaluate("document.querySelector('#pages g.folio').dispatchEvent(new Event('mouseenter'))");
    let near = "[...document.querySelectorAll('.near')].map(box => box.getAttribute('class').split(' ')[0]).sort()";
    assert_eq!(browser.evaluate(near), serde_json::json!(["anon", "folio", "line", "line", "pages", "pages"]));
    let mapping = browser.evaluate("document.querySelector('#pages g.folio').dataset.mapping");
    assert_eq!(browser.evaluate("document.querySelector('.anon.near').dataset.anon"), mapping);
    assert_eq!(browser.evaluate("document.getElementById('pages').classList.contains('faint')"), true);
    browser.evaluate("document.querySelector('#pages g.folio').dispatchEvent(new Event('mouseleave'))");
    assert_eq!(browser.evaluate("document.querySelectorAll('.faint').length"), 0);
    // Another step has other tables, and a run without them none.
    browser.press("Home");
    assert_eq!(browser.evaluate("document.querySelectorAll('#pages g.folio').length"), 0);
    let page = page_of(&parting(), &dir, "parting.html");
    browser.open(&page, "#1");
    assert_eq!(browser.evaluate("document.getElementById('pages').hidden"), true);
}

#[test]
fn the_browser_notices_errors_and_requests() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("bad.html");
    let bad =
        "<script>console.error('said'); setTimeout(() => { throw new Error('thrown'); }); fetch('./else');</script>";
    fs::write(&page, format!("<!DOCTYPE html>{bad}")).unwrap();
    let mut browser = Browser::start(400, 300);
    browser.open(&page, "");
    std::thread::sleep(std::time::Duration::from_millis(300));
    browser.evaluate("1");
    let errors = browser.errors.join("\n");
    assert!(errors.contains("said") && errors.contains("thrown"), "{errors}");
    // A page of ours with the same script in it: its policy keeps it from asking.
    let ours = dir.path().join("ours.html");
    fs::write(&ours, html::page(&parting()).replace("</body>", "<img src=\"https://localhost:9/x.png\"></body>"))
        .unwrap();
    let mut browser = Browser::start(400, 300);
    browser.open(&ours, "");
    assert!(browser.errors.join("\n").contains("Content Security Policy"), "{:?}", browser.errors);
}
