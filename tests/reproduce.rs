//! Reproducers: the C programs do on the running kernel what the trace does, and the Rust tests find what the trace finds.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{NEWEST, reference, trace};
use rmap_diff::check::Lockstep;
use rmap_diff::kernel::{self, Kernel, Reference, SlabMode};
use rmap_diff::known::KnownFindings;
use rmap_diff::mm::{KernelDriver, Outcome, SmallDriver};
use rmap_diff::port::Port;
use rmap_diff::reproduce::{self, Played, c};
use rmap_diff::rmap::Revision;
use rmap_diff::session::VmaCode;
use rmap_diff::show::{self, Fate};
use rmap_diff::trace::{OpKind, Trace};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn seeds() -> Vec<(String, Trace)> {
    let mut seeds: Vec<(String, Trace)> = fs::read_dir(root().join("fuzz/seeds"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "trace"))
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), trace(&fs::read_to_string(&path).unwrap()))
        })
        .collect();
    seeds.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(seeds.len() > 10);
    seeds
}

fn lockstep(reference: &'static Reference) -> Lockstep<Kernel, Port> {
    Lockstep::new(common::layer::kernel_with_layer(reference, SlabMode::Reuse), Port::new(reference.revision))
}

fn played(reference: &'static Reference, trace: &Trace) -> Played {
    reproduce::play(&mut lockstep(reference), &mut KernelDriver::new(), trace, reference.name)
}

fn command(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    for variable in ["RMAP_KERNEL", "RMAP_DRIVER", "RMAP_VMA", "RMAP_KNOWN"] {
        command.env_remove(variable);
    }
    command.args(args).output().unwrap()
}

/// Compiles a program, which must give no warning, with and without fail-nth.
fn compile(dir: &Path, name: &str, program: &str) -> PathBuf {
    let (source, out) = (dir.join(format!("{name}.c")), dir.join(name));
    fs::write(&source, program).unwrap();
    for nth in [&["-DRMAP_FAIL_NTH", "-fsyntax-only"][..], &["-O1", "-o", out.to_str().unwrap()]] {
        let gcc = Command::new("gcc").args(["-Wall", "-Wextra", "-Werror"]).args(nth).arg(&source).output();
        let gcc = gcc.expect("gcc is there: the C of the crate was compiled");
        assert!(gcc.status.success(), "{name}: {}", String::from_utf8_lossy(&gcc.stderr));
    }
    out
}

/// What the program says, by step: whether it was as in the trace, whether it was done at all, and what was mapped after it.
struct StepOutput {
    ok: bool,
    skipped: bool,
    maps: Vec<String>,
}

fn run(program: &Path) -> (Output, Vec<StepOutput>) {
    let output = Command::new("timeout").arg("60").arg(program).arg("maps").output().unwrap();
    let mut said = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if line.starts_with("ok ") || line.starts_with("not ok ") {
            said.push(StepOutput { ok: line.starts_with("ok "), skipped: line.contains(" # SKIP "), maps: Vec::new() });
        } else if let (Some(map), Some(last)) = (line.strip_prefix("#  "), said.last_mut()) {
            last.maps.push(map.to_owned());
        }
    }
    (output, said)
}

/// What is mapped after each operation of a trace, as the program prints it.
fn layouts(reference: &'static Reference, trace: &Trace) -> Vec<Vec<String>> {
    let (sides, all) = (["kernel", "port"], 1..=trace.ops.len());
    let film = show::film(&mut lockstep(reference), &mut KernelDriver::new(), trace, reference.name, &sides, all);
    let step = |step: &show::Step| {
        let alive = step.scenes[0].processes.iter().filter(|process| process.fate != Fate::Freed);
        let vmas = alive.flat_map(|process| process.vmas.iter().map(move |vma| (process.mm, vma)));
        let live = vmas.filter(|(_, vma)| vma.fate != Fate::Freed);
        live.map(|(mm, vma)| {
            let write = if vma.kind.starts_with("rw") { 'w' } else { '-' };
            format!("p{mm} {:#x}..{:#x} r{write}-p", vma.start, vma.end)
        })
        .collect()
    };
    film.steps.iter().map(step).collect()
}

/// Whether the running kernel has UFFDIO_MOVE (6.8).
fn moves_pages() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(8))
}

#[test]
fn every_seed_does_on_the_running_kernel_what_it_does_here() {
    let dir = tempfile::tempdir().unwrap();
    let (mut refused, mut compared, mut skipped) = (Vec::new(), 0, 0);
    for (name, trace) in seeds() {
        let played = played(reference(NEWEST), &trace);
        let program = match c::program(&played) {
            Ok(program) => program,
            Err(error) => {
                refused.push(format!("{name}: {error}"));
                continue;
            }
        };
        let (output, said) = run(&compile(dir.path(), &name, &program));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let moves = |op: &reproduce::PlayedOp| matches!(op.op.kind, OpKind::UffdMove { .. });
        if let Some(first) = played.ops.iter().position(moves).filter(|_| !moves_pages()) {
            assert!(!said[first].ok && said[..first].iter().all(|said| said.ok), "{name}:\n{text}");
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{name}:\n{text}");
        assert_eq!(said.len(), trace.ops.len(), "{name}:\n{text}");

        // What failed here was not done there, and what it left is missing there from then on.
        let failed = |op: &reproduce::PlayedOp| matches!(op.outcome, Some(Outcome::Failed(_)));
        let until = played.ops.iter().position(failed).unwrap_or(said.len());
        skipped += said.iter().filter(|said| said.skipped).count();
        // Which merges are made depends on the generation, and the running kernel is of one of them.
        let of = |reference: &'static Reference| {
            let layouts = layouts(reference, &trace);
            (0..until).find(|&step| said[step].maps != layouts[step]).map(|step| {
                let op = &trace.ops[step];
                format!("{name}, {} after {op}: {:?} instead of {:?}", reference.name, said[step].maps, layouts[step])
            })
        };
        let with_layer: Vec<_> = kernel::references().iter().filter(|r| r.without_vma_layer().is_none()).collect();
        let parts: Vec<String> = with_layer.iter().copied().map_while(of).collect();
        assert!(parts.len() < with_layer.len(), "the running kernel is like none:\n{}", parts.join("\n"));
        compared += until;
    }
    assert!(compared > 300 && skipped < 60, "{compared} steps compared, {skipped} skipped");
    let reasons = [
        "brk: `brk p0 0x12..0x14`: brk (a process has one heap",
        "large-folios: `migrate p0 0x20`: migrate (where a page goes",
        "lazyfree: `touch p0 0x11 write`: touch (a fault may come",
        "pins-outlive-their-memory: `pin p0 0x10`: no system call",
        "reclaim: `touch p0 0x10 write`: touch (a fault may come",
    ];
    assert_eq!(refused.len(), reasons.len(), "{refused:?}");
    assert!(refused.iter().zip(reasons).all(|(refused, reason)| refused.starts_with(reason)), "{refused:?}");
}

#[test]
fn a_program_that_does_something_else_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (_, trace) = seeds().into_iter().find(|(name, _)| name == "unmap-then-map-again").unwrap();
    let program = c::program(&played(reference(NEWEST), &trace)).unwrap();
    let expected = layouts(reference(NEWEST), &trace);

    let (output, said) = run(&compile(dir.path(), "as-it-is", &program));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(said.iter().map(|said| said.maps.clone()).collect::<Vec<_>>(), expected);

    let less = program.replacen("munmap(at(0x12), len(0x2))", "munmap(at(0x12), len(0x1))", 1);
    assert_ne!(less, program);
    let (output, said) = run(&compile(dir.path(), "unmaps-less", &less));
    assert_ne!(said[2].maps, expected[2], "what is mapped tells");
    assert!(output.status.code() == Some(1) && !said[3].ok, "and the next step is refused");

    let dead = program.replacen("return spawn(1, child);", "_exit(7);", 1);
    let (output, _) = run(&compile(dir.path(), "dies", &dead));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Bail out! a process died"));
}

#[test]
fn what_no_system_call_does_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pinned.trace");
    fs::write(&file, "# a comment\nmap p0 0x10..0x14\n\nfault p0 0x10\npin p0 0x10   # here\n").unwrap();
    let output = command(&["reproduce", file.to_str().unwrap(), "--as", "c", "--kernel", "6.12"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("pinned.trace:5: `pin p0 0x10`: no system call"), "{said}");
    assert!(output.stdout.is_empty());
}

/// 6.12 beside a port that behaves as 7.2: where they part, the program judges nothing, and what comes after is left out.
#[test]
fn a_reproducer_ends_where_something_is_found() {
    let trace = trace("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\nfork p1 p2\nexit p1\nfork p2 p3\nexit p0\n");
    let port = Port::new(Revision::of_generation("7.2").unwrap());
    let mut parting = Lockstep::new(Kernel::new(reference("6.12"), SlabMode::Reuse), port);
    let played = reproduce::play(&mut parting, &mut SmallDriver::new(), &trace, "6.12");
    let finding = played.finding.as_ref().expect("they part");
    let count = finding.operation as usize;
    assert!(count < trace.ops.len());
    assert_eq!(played.trace().ops, trace.ops[..count]);
    let text = reproduce::text(&played);
    assert!(text.starts_with(&format!("# rmap-diff trace v1\n# {}\n# kernel 6.12\n", finding.signature())), "{text}");
    assert_eq!(text.parse::<Trace>().unwrap(), played.trace());
    let program = c::program(&played).unwrap();
    assert!(program.contains(&format!(" * {}\n", finding.signature())));
    let row = format!("{{ \"{}\",", trace.ops[count - 1]);
    let row = program.lines().find(|line| line.contains(&row)).unwrap();
    assert!(row.contains(", ANYTHING, "), "{row}");
    let dir = tempfile::tempdir().unwrap();
    let (output, said) = run(&compile(dir.path(), "found", &program));
    assert!(output.status.code() == Some(0) && said.len() == count);
}

/// tests/reproduced.rs is part of this test suite; here it is what the command makes.
#[test]
fn the_rust_test_of_a_seed_is_the_one_that_is_compiled() {
    let seed = root().join("fuzz/seeds/reuse-under-failure.trace").display().to_string();
    let output = command(&["reproduce", &seed, "--kernel", "6.12", "--as", "test"]);
    assert_eq!(output.status.code(), Some(0));
    let there = fs::read_to_string(root().join("tests/reproduced.rs")).unwrap();
    let made = String::from_utf8(output.stdout).unwrap();
    assert_eq!(there, made, "make it again: rmap-diff reproduce {seed} --kernel 6.12 --as test -o tests/reproduced.rs");
}

/// The crate as this test is linked with it.
fn library() -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("librmap_diff-") && name.ends_with(".rlib")
    };
    let libraries = fs::read_dir(deps).unwrap().map(|entry| entry.unwrap().path()).filter(is_library);
    libraries.max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap()).expect("the library was built")
}

/// Compiles the Rust test of a trace and runs it.
fn run_rust_test(dir: &Path, name: &str, args: &[&str]) -> Output {
    let (source, out) = (dir.join(format!("{name}.rs")), dir.join(name));
    let made = command(&[&["reproduce"], args, &["--as", "test", "-o", source.to_str().unwrap()]].concat());
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    let library = library();
    let deps = library.parent().unwrap();
    let rustc = Command::new("rustc")
        .args(["--edition", "2024", "--test", "-D", "warnings", "-o"])
        .arg(&out)
        .arg(&source)
        .arg("--extern")
        .arg(format!("rmap_diff={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .output()
        .expect("rustc is there");
    assert!(rustc.status.success(), "{}", String::from_utf8_lossy(&rustc.stderr));
    Command::new(out).env_remove("RUST_BACKTRACE").output().unwrap()
}

#[test]
fn the_rust_test_of_a_finding_fails_with_its_report_and_that_of_a_sound_trace_passes() {
    let dir = tempfile::tempdir().unwrap();
    let newest = reference(NEWEST);
    let all = KnownFindings::read(None).unwrap();
    let known = all.of(newest.name, newest.version);
    assert!(!known.is_empty(), "7.x has known findings");
    for (at, known) in known.iter().enumerate() {
        let file = dir.path().join(format!("known{at}.trace"));
        let trace = all.trace(known).unwrap();
        let vma = VmaCode::needed_by(&trace).name();
        fs::write(&file, trace.to_file_text()).unwrap();
        let file = file.to_str().unwrap();
        for side in ["both", "kernel"] {
            let name = format!("known{at}_{side}");
            let output =
                run_rust_test(dir.path(), &name, &[file, "--kernel", newest.name, "--side", side, "--vma", vma]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(!output.status.success() && said.contains(&known.signature), "{said}");
            assert!(said.contains("test result: FAILED. 0 passed; 1 failed"), "{said}");
        }
    }
    let seed = root().join("fuzz/seeds/siblings.trace").display().to_string();
    for args in [["--side", "kernel"], ["--side", "both"], ["--side", "port"], ["--vma", "model"]] {
        let name = format!("sound_{}", args.join("_").replace("--", ""));
        let output = run_rust_test(dir.path(), &name, &[&seed, "--kernel", "6.12", args[0], args[1]]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("test result: ok. 1 passed"), "{args:?}: {said}");
    }
}
