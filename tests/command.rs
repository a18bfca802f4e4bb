//! The command as it is called: what it prints, what it writes, and the status it ends with. A binary holds no faulty
//! reference, so what a finding looks like is shown with a port of another revision.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{NEWEST, reference, trace};
use rmap_diff::check::{self, Finding, Lockstep};
use rmap_diff::kernel::{self, Kernel, SlabMode};
use rmap_diff::known::KnownFindings;
use rmap_diff::mm::SmallDriver;
use rmap_diff::port::Port;
use rmap_diff::report::{Report, json, text};
use rmap_diff::rmap::Revision;
use rmap_diff::trace::{Mix, OpKind, OpSet, RECORD_BYTES, Rng, Trace, random_trace};
use serde_json::Value;

const COMMANDS: [&str; 6] = ["run", "random", "known", "minimize", "convert", "kernels"];
const SMALL: &str = "map p0 0x10..0x18\nfault p0 0x12\n";

/// The command, with an environment of its own.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    for variable in ["RMAP_KERNEL", "RMAP_VMA", "RMAP_DRIVER", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command.args(args);
    command
}

fn rmap_diff(args: &[&str]) -> Output {
    command(args).stdin(Stdio::null()).output().expect("the command starts")
}

/// The command with something on its standard input.
fn fed(args: &[&str], input: &[u8]) -> Output {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// It must have gone well; what it printed.
fn ok(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    assert_eq!(err(&output), "");
    out(&output)
}

/// It must have found something, and said so on standard output alone; what it said.
fn found(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}{}", out(&output), err(&output));
    assert_eq!(err(&output), "");
    out(&output)
}

/// It must have refused, on standard error alone; what it said.
fn refused(output: Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}{}", out(&output), err(&output));
    assert_eq!(out(&output), "");
    let said = err(&output);
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn path(dir: &tempfile::TempDir, name: &str) -> String {
    dir.path().join(name).display().to_string()
}

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn seeds() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let seeds: Vec<_> = names(&dir).into_iter().filter(|n| n.ends_with(".trace")).map(|n| dir.join(n)).collect();
    assert!(seeds.len() > 10, "{seeds:?}");
    seeds
}

/// Those whose operations the small driver knows.
fn small_seeds() -> Vec<PathBuf> {
    let small = |seed: &PathBuf| trace(&fs::read_to_string(seed).unwrap()).is_small();
    let seeds: Vec<_> = seeds().into_iter().filter(small).collect();
    assert!(seeds.len() > 10, "{seeds:?}");
    seeds
}

#[test]
fn every_seed_agrees_and_the_status_is_0() {
    for seed in small_seeds() {
        let file = seed.display().to_string();
        let said = ok(rmap_diff(&["run", &file]));
        let start = format!("{}: the sides agree and every invariant holds: ", reference(NEWEST).name);
        assert!(said.starts_with(&start) && said.lines().count() == 1, "{file}: {said}");
        for side in ["kernel", "port"] {
            let said = ok(rmap_diff(&["run", &file, "--kernel", "6.12", "--side", side, "--slab", "poison"]));
            assert!(said.starts_with("6.12: every invariant holds: "), "{file}: {said}");
        }
    }
}

#[test]
fn what_was_done_is_counted() {
    let text = format!("{SMALL}map p0 0x10..0x11\nfork p0 p1 fail=1\nexit p0\n");
    for name in ["6.1", "6.12", "7.2"] {
        let said = ok(fed(&["run", "-", "--kernel", name], text.as_bytes()));
        assert!(said.contains(": 5 operations (1 refused, 1 failed), "), "{said}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wanted() {
    for (args, wanted) in [
        (&[][..], "Usage: rmap-diff <COMMAND>"),
        (&["walk"], "unrecognized subcommand"),
        (&["run"], "<FILE>"),
        (&["run", "-", "--side", "left"], "possible values: kernel, port, both"),
        (&["run", "-", "--dump", "xml"], "possible values: json, text"),
        (&["random", "--ops", "many"], "--ops"),
        (&["random", "--trace-ops", "0"], "--trace-ops"),
        (&["random", "--mix", "odd"], "fork-heavy"),
        (&["convert"], "<INPUT>"),
        (&["convert", "--seeds", "x"], "-o DIR"),
        (&["convert", "x", "--to", "tape"], "possible values: text, bytes"),
        (&["kernels", "--show", "6.12", "--json"], "cannot be used with"),
        (&["review", "6.12", "6.1", "--depth", "0", "--time", "0"], "nothing would be played"),
        (&["review", "6.12", "6.1", "--depth", "0", "--ops", "0"], "nothing would be played"),
    ] {
        let said = refused(rmap_diff(args));
        assert!(said.contains(wanted), "{args:?}: `{wanted}` wanted: {said}");
    }
}

#[test]
fn an_unreadable_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = path(&dir, "missing.trace");
    for args in [&["run", &missing][..], &["convert", &missing], &["convert", "--seeds", &missing, "-o", "x"]] {
        let said = refused(rmap_diff(args));
        assert!(said.starts_with(&format!("rmap-diff: {missing}: No such file")), "{said}");
    }
    let empty = dir.path().display().to_string();
    let said = refused(rmap_diff(&["convert", "--seeds", &empty, "-o", &path(&dir, "corpus")]));
    assert!(said.contains("it has no .trace file"), "{said}");
    assert!(refused(rmap_diff(&["run", &empty])).contains(&empty));
}

#[test]
fn a_malformed_trace_names_file_line_column_and_what_was_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(&dir, "bad.trace");
    let cases = [
        ("map p0 0x10..0x18\nfaul p0 0x12\n", "2:1: found \"faul\", expected an operation (map, fault, fork,"),
        ("# one\n\nfork p0 # p1\n", "3:8: found the end of the line, expected q (\"fork p q\")"),
        ("fork p0 p16\n", "1:9: found \"p16\", expected a process, p0 to p15"),
        ("map p0 0x18..0x10\n", "1:14: found \"0x10\", the end must not lie before the start"),
        ("fault p0 0x100000000\n", "1:10: found \"0x100000000\", expected a page number below 0x100000000"),
        ("exit p1 fail=2,1\n", "1:14: found \"2,1\", attempts count from 1 and must ascend"),
        ("# rmap-diff trace v9\n", "1:19: found \"v9\", expected v1"),
    ];
    for (text, wanted) in cases {
        fs::write(&file, text).unwrap();
        for args in [&["run", &file][..], &["convert", &file, "--to", "bytes"], &["convert", &file, "--to", "text"]] {
            let said = refused(rmap_diff(args));
            assert!(said.starts_with(&format!("rmap-diff: {file}:{wanted}")), "{text:?}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        assert!(refused(fed(&["run", "-"], text.as_bytes())).starts_with(&format!("rmap-diff: -:{wanted}")));
    }
    fs::write(&file, b"exit p0\n\xff").unwrap();
    let said = refused(rmap_diff(&["run", &file]));
    assert!(said.contains("bad.trace:2:1: found the byte 0xff, expected UTF-8 text"), "{said}");
}

#[test]
fn bytes_that_end_inside_a_record_say_where_and_what_to_do() {
    let bytes = vec![0xff; 2 * RECORD_BYTES + 7];
    let said = refused(fed(&["convert", "-"], &bytes));
    assert!(said.contains("record 3: 7 of its 36 bytes") && said.contains("--partial"), "{said}");
    assert!(ok(fed(&["convert", "-"], &bytes[..2 * RECORD_BYTES])).parse::<Trace>().is_ok());
}

#[test]
fn an_unknown_kernel_names_those_that_there_are() {
    for args in [&["run", "-"][..], &["random", "--ops", "1"]] {
        let said = refused(rmap_diff(&[args, &["--kernel", "5.19"]].concat()));
        assert!(said.contains("no reference `5.19`") && said.contains("make kernel NAME=5.19"), "{said}");
        for reference in kernel::references() {
            assert!(said.contains(reference.name), "{}: {said}", reference.name);
        }
    }
    assert!(refused(rmap_diff(&["kernels", "--show", "5.19"])).contains("no reference `5.19`"));
    let output = command(&["run", "-"]).env("RMAP_KERNEL", "5.19").stdin(Stdio::null()).output().unwrap();
    assert!(refused(output).contains("no reference `5.19`"));
}

#[test]
fn the_kernel_is_the_one_named_else_that_of_the_environment_else_the_newest() {
    let with = |variable: Option<&str>, args: &[&str]| {
        let mut command = command(&[&["run", "-"], args].concat());
        variable.map(|name| command.env("RMAP_KERNEL", name));
        let said = ok(command.stdin(Stdio::null()).output().unwrap());
        said.split(':').next().unwrap().to_owned()
    };
    assert_eq!(with(None, &[]), reference(NEWEST).name);
    assert_eq!(with(Some("6.1"), &[]), "6.1");
    assert_eq!(with(Some("6.1"), &["--kernel", "6.12"]), "6.12");
}

#[test]
fn the_json_dump_of_a_small_trace_is_the_documented_one() {
    let dumped = |args: &[&str]| -> Vec<serde_json::Value> {
        let said = ok(fed(&[&["run", "-", "--kernel", "6.12", "--dump", "json"], args].concat(), SMALL.as_bytes()));
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let documented = r#"{"kernel":"6.12","side":"c",
 "processes":[{"id":0,"vmas":[{"start":16,"end":24,"anon_vma":0,"chain":[0]}]}],
 "anon_vmas":[{"id":0,"root":0,"parent":0,"refcount":1,"num_children":1,"num_active_vmas":1}],
 "live":{"anon_vma":1,"anon_vma_chain":1}}"#;
    let documented: serde_json::Value = serde_json::from_str(documented).unwrap();
    let mut rust = documented.clone();
    rust["side"] = "rust".into();
    assert_eq!(dumped(&["--side", "kernel"]), std::slice::from_ref(&documented));
    assert_eq!(dumped(&["--side", "port"]), std::slice::from_ref(&rust));
    assert_eq!(dumped(&[]), [documented, rust]);
}

#[test]
fn both_sides_dump_the_same_state_after_every_seed() {
    for seed in small_seeds() {
        let file = seed.display().to_string();
        for name in ["6.12", reference(NEWEST).name] {
            let said = ok(rmap_diff(&["run", &file, "--kernel", name, "--dump", "json"]));
            let mut dumps: Vec<serde_json::Value> =
                said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(dumps.len(), 2, "{said}");
            assert_eq!((&dumps[0]["side"], &dumps[1]["side"]), (&"c".into(), &"rust".into()));
            dumps.iter_mut().for_each(|dump| dump["side"] = "".into());
            assert_eq!(dumps[0], dumps[1], "{file} on {name}");
        }
    }
}

#[test]
fn the_dump_is_of_the_end_of_the_trace_and_an_unfaulted_vma_has_no_anon_vma() {
    let said = ok(fed(&["run", "-", "--dump", "json", "--side", "kernel"], b"map p0 1..2\n"));
    let dump: serde_json::Value = serde_json::from_str(&said).unwrap();
    let vma = &dump["processes"][0]["vmas"][0];
    assert!(vma["anon_vma"].is_null() && vma["chain"] == serde_json::json!([]), "{said}");
    assert_eq!(dump["live"], serde_json::json!({"anon_vma": 0, "anon_vma_chain": 0}));
}

#[test]
fn the_text_dump_says_the_same_for_reading() {
    let said = ok(fed(&["run", "-", "--kernel", "6.12", "--vma", "kernel", "--dump", "text"], SMALL.as_bytes()));
    let of = |side: &str| {
        format!(
            "kernel 6.12, side {side}\np0\n  0x10..0x18  anon_vma 0  chain [0]\nanon_vma 0  root 0  parent 0  refcount 1  \
             num_children 1  num_active_vmas 1\nlive: 1 anon_vma, 1 anon_vma_chain\n"
        )
    };
    assert_eq!(said, of("c") + &of("rust"));
}

#[test]
fn text_to_bytes_to_text_is_the_identity_over_all_seeds() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, again) = (path(&dir, "bytes"), path(&dir, "again.trace"));
    for seed in seeds() {
        let file = seed.display().to_string();
        ok(rmap_diff(&["convert", &file, "-o", &bytes]));
        ok(rmap_diff(&["convert", &bytes, "-o", &again]));
        let canonical = ok(rmap_diff(&["convert", &file, "--to", "text"]));
        assert_eq!(fs::read_to_string(&again).unwrap(), canonical, "{file}");
        let trace = trace(&fs::read_to_string(&seed).unwrap());
        assert_eq!(canonical, format!("# rmap-diff trace v1\n{trace}"), "{file}");
        assert_eq!(fs::read(&bytes).unwrap(), trace.to_bytes(), "{file}");
        assert_eq!(fs::read(&bytes).unwrap().len(), trace.ops.len() * RECORD_BYTES, "{file}");
        // The same through standard input and output.
        let piped = fed(&["convert", "-", "-o", "-"], &fs::read(&bytes).unwrap());
        assert_eq!(ok(piped), canonical, "{file}");
        let piped = fed(&["convert", "-"], canonical.as_bytes());
        assert_eq!((piped.status.code(), piped.stdout), (Some(0), trace.to_bytes()), "{file}");
    }
}

#[test]
fn a_directory_of_seeds_becomes_a_corpus_of_the_same_traces() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (seeds()[0].parent().unwrap().display().to_string(), path(&dir, "deep/corpus"));
    ok(rmap_diff(&["convert", "--seeds", &from, "-o", &to]));
    let stems = seeds().iter().map(|seed| seed.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(names(Path::new(&to)), stems);
    for seed in seeds() {
        let bytes = fs::read(Path::new(&to).join(seed.file_stem().unwrap())).unwrap();
        assert_eq!(Trace::from_bytes(&bytes), trace(&fs::read_to_string(&seed).unwrap()), "{}", seed.display());
    }
}

#[test]
fn bytes_mean_what_the_set_says_from_which_they_are_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (seeds()[0].parent().unwrap().display().to_string(), path(&dir, "corpus"));
    ok(rmap_diff(&["convert", "--set", "small", "--seeds", &from, "-o", &to]));
    let mut differing = 0;
    for seed in seeds() {
        let text = trace(&fs::read_to_string(&seed).unwrap());
        let file = Path::new(&to).join(seed.file_stem().unwrap());
        let bytes = fs::read(&file).unwrap();
        assert_eq!(Trace::from_bytes_of(OpSet::Small, &bytes), text, "{}", seed.display());
        let back = ok(rmap_diff(&["convert", "--set", "small", &file.display().to_string(), "--to", "text"]));
        assert_eq!(trace(&back), text);
        differing += usize::from(Trace::from_bytes(&bytes) != text);
    }
    assert!(differing > 10, "{differing}");
}

#[test]
fn one_malformed_seed_and_no_corpus_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("seeds");
    fs::create_dir(&from).unwrap();
    fs::write(from.join("a.trace"), SMALL).unwrap();
    fs::write(from.join("b.trace"), "fault\n").unwrap();
    let to = dir.path().join("corpus");
    let said =
        refused(rmap_diff(&["convert", "--seeds", &from.display().to_string(), "-o", &to.display().to_string()]));
    assert!(said.contains("b.trace:1:6: "), "{said}");
    assert!(!to.exists());
}

#[test]
fn output_appears_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad, output) = (path(&dir, "good.trace"), path(&dir, "bad.trace"), path(&dir, "out"));
    fs::write(&good, SMALL).unwrap();
    fs::write(&bad, format!("{SMALL}fault\n")).unwrap();
    fs::write(&output, "old").unwrap();
    refused(rmap_diff(&["convert", &bad, "-o", &output]));
    assert_eq!(fs::read(&output).unwrap(), b"old");
    ok(rmap_diff(&["convert", &good, "-o", &output]));
    assert_eq!(fs::read(&output).unwrap(), trace(SMALL).to_bytes());
    // Nowhere to write to, and nothing left behind.
    for place in ["missing/out", "."] {
        let said = refused(rmap_diff(&["convert", &good, "-o", &path(&dir, place)]));
        assert!(said.contains(&path(&dir, place)), "{said}");
    }
    assert_eq!(names(dir.path()), ["bad.trace", "good.trace", "out"].map(str::to_owned).into());
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_link_as_output_stays_what_it_is() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let (good, fifo, link, file) = (path(&dir, "good"), path(&dir, "fifo"), path(&dir, "link"), path(&dir, "file"));
    fs::write(&good, SMALL).unwrap();
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = {
        let fifo = fifo.clone();
        std::thread::spawn(move || fs::read(fifo).unwrap())
    };
    ok(rmap_diff(&["convert", &good, "-o", &fifo]));
    assert_eq!(reader.join().unwrap(), trace(SMALL).to_bytes());
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    fs::write(&file, "old").unwrap();
    symlink(&file, &link).unwrap();
    ok(rmap_diff(&["convert", &good, "-o", &link]));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&file).unwrap(), trace(SMALL).to_bytes());
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    for args in [&["kernels"][..], &["convert", "-", "--to", "bytes"], &["run", "-"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut child = command(args).stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        // `kernels` does not read.
        let _ = child.stdin.take().unwrap().write_all(SMALL.as_bytes());
        let said = refused(child.wait_with_output().unwrap());
        assert!(said.starts_with("rmap-diff: standard output: "), "{args:?}: {said}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let long = SMALL.to_owned() + &"fork p0 p1\nexit p1\n".repeat(20_000);
    for args in [&["kernels", "--show", "6.12"][..], &["convert", "-", "--to", "text"]] {
        let mut child =
            command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let feeder = {
            let long = long.clone();
            std::thread::spawn(move || drop(input.write_all(long.as_bytes())))
        };
        // As `| head -1`: more is to come than a pipe holds.
        let mut line = String::new();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut line).unwrap();
        drop(reader);
        assert!(line.len() > 5, "{args:?}: {line}");
        feeder.join().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""), "{args:?}");
    }
}

/// What `random` says, without the speed.
fn random(args: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let said = ok(command(&[&["random"], args].concat()).current_dir(dir.path()).output().unwrap());
    assert_eq!(names(dir.path()), BTreeSet::new(), "nothing found, so nothing to save");
    let (counts, speed) = said.trim_end().rsplit_once(", ").expect("a speed at the end");
    assert!(speed.ends_with(" operations/s"), "{said}");
    counts.to_owned()
}

#[test]
fn random_runs_are_told_by_their_seed() {
    let base = ["--ops", "3000", "--kernel", "6.12", "--vma", "kernel", "--seed", "7"];
    let said = random(&base);
    assert!(said.starts_with("6.12: nothing found: 3000 operations in 12 traces ("), "{said}");
    assert_eq!(random(&base), said);
    for other in [&["--seed", "8"][..], &["--mix", "wide"], &["--mix", "fork-heavy"], &["--trace-ops", "100"]] {
        let args: Vec<_> = base[..6].iter().chain(other).copied().collect();
        assert_ne!(random(&args), random(&base[..6]), "{other:?}");
    }
    assert!(random(&["--ops", "70", "--trace-ops", "32"]).contains(" 70 operations in 3 traces "));
}

#[test]
fn the_fail_rate_is_a_share() {
    let failed = |rate: &str| -> f64 {
        let said = random(&["--ops", "2000", "--kernel", "6.12", "--vma", "kernel", "--fail-rate", rate]);
        let (_, rest) = said.split_once("% refused, ").unwrap();
        rest.split('%').next().unwrap().parse().unwrap()
    };
    assert_eq!(failed("0"), 0.0);
    assert!(failed("0.1") > 0.0 && failed("1") > 3.0 * failed("0.1"));
    for rate in ["-0.1", "1.01", "NaN", "inf", "half", ""] {
        let said = refused(rmap_diff(&["random", "--ops", "1", &format!("--fail-rate={rate}")]));
        assert!(said.contains("expected a share from 0 to 1"), "{rate}: {said}");
    }
}

#[test]
fn kernels_lists_name_version_revision_origin_and_patches() {
    let said = ok(rmap_diff(&["kernels"]));
    let mut expected = String::new();
    for r in kernel::references() {
        assert!(!r.version.is_empty() && !r.origin.is_empty(), "{}", r.name);
        expected += &format!(
            "{}\n    version   {}\n    revision  {}\n    origin    {}\n",
            r.name, r.version, r.revision, r.origin
        );
        expected += &match r.without_vma_layer() {
            None => "    vma       kernel\n".to_owned(),
            Some(why) => format!("    vma       model (no kernel VMA code: {why})\n"),
        };
        expected += &match (r.without_pages_layer(), r.without_vma_layer()) {
            (None, _) => "    pages     kernel\n".to_owned(),
            (Some(why), None) => format!("    pages     model (no kernel page-table code: {why})\n"),
            (Some(_), Some(_)) => String::new(),
        };
        r.patches.iter().for_each(|patch| expected += &format!("    patch     {patch}\n"));
    }
    assert_eq!(said, expected);
    assert!(said.contains("\n    patch     ") && said.contains("fork_preallocates"), "{said}");

    let list: serde_json::Value = serde_json::from_str(&ok(rmap_diff(&["kernels", "--json"]))).unwrap();
    assert_eq!(list.as_array().map(Vec::len), Some(kernel::references().len()));
    for (value, r) in list.as_array().unwrap().iter().zip(kernel::references()) {
        let (name, version, origin) = (&value["name"], &value["version"], &value["origin"]);
        assert_eq!((name, version, origin), (&r.name.into(), &r.version.into(), &r.origin.into()));
        assert_eq!(value["patches"], serde_json::json!(r.patches));
        for (behaviour, has) in r.revision.behaviours() {
            assert_eq!(value["revision"][behaviour], has, "{}: {behaviour}", r.name);
        }
    }
}

#[test]
fn every_command_has_a_help_with_examples_that_parse() {
    for name in COMMANDS {
        for flag in ["-h", "--help"] {
            let said = ok(rmap_diff(&[name, flag]));
            let (_, examples) = said.split_once("Examples:\n").unwrap_or_else(|| panic!("{name}: {said}"));
            let call = format!("  rmap-diff {name}");
            assert!(examples.lines().any(|line| line.starts_with(&call)), "{name}: {examples}");
            // An example that the command does not know would be refused as usage.
            for line in examples.lines().filter_map(|line| line.strip_prefix("  rmap-diff ")) {
                let args: Vec<&str> = line.split(" |").next().unwrap().split_whitespace().chain(["--help"]).collect();
                ok(rmap_diff(&args));
                let wrong: Vec<&str> = args[..args.len() - 1].iter().chain(&["--no-such"]).copied().collect();
                assert!(refused(rmap_diff(&wrong)).contains("unexpected argument '--no-such'"), "{line}");
            }
        }
    }
    let said = ok(rmap_diff(&["--help"]));
    assert!(said.contains("Exit status: 0 the sides agree, 1 a divergence or violation was found or an"), "{said}");
    assert!(COMMANDS.iter().all(|name| said.contains(&format!("\n  {name} "))), "{said}");
    assert!(ok(rmap_diff(&["--version"])).starts_with("rmap-diff "));
}

#[test]
fn colours_are_for_whoever_wants_them() {
    let help = |variables: &[(&str, &str)]| {
        ok(command(&["--help"]).envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap())
    };
    assert!(!help(&[]).contains('\u{1b}'), "a pipe is no terminal");
    assert!(help(&[("CLICOLOR_FORCE", "1")]).contains('\u{1b}'));
    assert!(!help(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'));
}

// --- What a finding looks like: the C of 6.12, and a port that behaves as 7.2 ---

const PARTING: &str = "map p0 0x10..0x14\nfault p0 0x10\nmap p0 0x20..0x24\nfork p0 p1\nfork p1 p2\nexit p2\nexit p1\n";

fn mismatched(trace: &Trace) -> Finding {
    let port = Port::new(Revision::of_generation("7.2").unwrap());
    let mut lockstep = Lockstep::new(Kernel::new(reference("6.12"), SlabMode::Reuse), port);
    let result = check::run_trace(&mut lockstep, &mut SmallDriver::new(), trace);
    result.finding.expect("6.12 does not behave as 7.2")
}

#[test]
fn a_finding_shows_all_that_is_needed_to_look_into_it() {
    let trace = trace(PARTING);
    let finding = mismatched(&trace);
    let report = Report::new(&finding, &trace, "6.12").with_file("crash.trace");
    let said = text::plain(&report);

    let operation = trace.ops[finding.operation as usize - 1];
    let first = said.lines().next().unwrap();
    assert_eq!(first, finding.signature());
    assert!(first.starts_with("differ ") && !first.contains("0x"), "{first}");
    for line in ["kernel  6.12", "side    both sides", &format!("at      operation {}: {operation}", finding.operation)]
    {
        assert!(said.contains(&format!("\n{line}")), "`{line}` is not in\n{said}");
    }
    let call = finding.call.expect("a call").to_string();
    assert!(said.contains(&format!("\ncall    {call}\n")), "{call} is not in\n{said}");
    let (_, diff) = said.split_once("\n--- kernel\n+++ port\n").expect("a diff");
    let (diff, rest) = diff.split_once("\ntrace\n").expect("a trace");
    for sign in ["- ", "+ "] {
        assert!(diff.lines().any(|line| line.starts_with(sign)), "no line `{sign}` in\n{diff}");
    }
    let (replayed, commands) = rest.split_once("\nreplay\n").expect("a command");
    let mut commands = commands.lines().map(str::trim);
    let command = commands.next().unwrap();
    assert_eq!(command, "rmap-diff run crash.trace --kernel 6.12");

    // The trace that is shown ends with the operation, and finds the same again.
    let replayed: Trace = replayed.parse().unwrap_or_else(|error| panic!("{error}: {replayed}"));
    assert_eq!(replayed.ops, trace.ops[..finding.operation as usize]);
    let again = mismatched(&replayed);
    assert_eq!((again.signature(), again.operation), (finding.signature(), finding.operation));

    // The command is one that the binary takes.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("crash.trace"), replayed.to_file_text()).unwrap();
    let args: Vec<&str> = command.split_whitespace().skip(1).collect();
    ok(self::command(&args).current_dir(dir.path()).output().unwrap());
    let others: Vec<&str> = commands.collect();
    assert_eq!(others.len(), 2, "{others:?}");
    for other in others {
        let args: Vec<&str> = other.split_whitespace().skip(1).collect();
        ok(self::command(&args).current_dir(dir.path()).output().unwrap());
    }
    assert!(dir.path().join("crash.html").exists());
}

#[test]
fn a_trace_of_hundreds_of_operations_becomes_the_three_that_matter() {
    let port = Port::new(Revision::of_generation("7.2").unwrap());
    let mut lockstep = Lockstep::new(Kernel::new(reference("6.12"), SlabMode::Reuse), port);
    let mut driver = SmallDriver::new();
    let mut rng = Rng::new(5);
    let mut met = BTreeSet::new();
    let mix = Mix { fail_per_mille: 0, ..Mix::default() };
    for _ in 0..40 {
        // Nothing parts the two before a VMA that was faulted in is split or forked.
        let mut long = random_trace(&mut rng, 600, &mix);
        long.ops.retain(|op| matches!(op.kind, OpKind::Map { .. } | OpKind::Fault { .. }));
        long.ops.extend(random_trace(&mut rng, 200, &mix).ops);
        let finding = check::run_trace(&mut lockstep, &mut driver, &long).finding.expect("6.12 does not behave as 7.2");
        assert!(finding.operation > 200, "{}: {}", finding.operation, finding.signature());
        let small = check::minimize_finding(&mut lockstep, &mut driver, &long, &finding);
        assert_eq!(small.finding.signature(), finding.signature());
        assert!(small.runs < 1000, "{}", small.runs);
        // Played by itself on sides that played nothing before, it finds the same.
        assert_eq!(mismatched(&small.trace), small.finding);
        let name = small.finding.call.expect("a call").name();
        let least = match name {
            "anon_vma_fork" => "map p0 0..1\nfault p0 0\nfork p0 p1\n",
            "anon_vma_clone" => "map p0 0..2\nfault p0 0\nunmap p0 0..1\n",
            _ => panic!("{}\n{}", finding.signature(), small.trace),
        };
        assert_eq!(small.trace, trace(least), "{}\n{}", finding.signature(), small.trace);
        met.insert(name);
    }
    assert_eq!(met.len(), 2, "{met:?}");
}

#[test]
fn what_finds_nothing_cannot_be_made_small() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(&dir, "fine.trace");
    fs::write(&file, SMALL).unwrap();
    let said = refused(rmap_diff(&["minimize", &file, "--kernel", "6.12"]));
    assert_eq!(
        said,
        format!(
            "rmap-diff: {file}: 6.12 finds nothing with it: nothing to minimise; --kernel, --vma and --side must be those of the finding\n"
        )
    );
    assert_eq!(names(dir.path()), BTreeSet::from(["fine.trace".to_string()]), "something was written");
    refused(fed(&["minimize", "-", "--side", "port", "-o", &path(&dir, "out")], SMALL.as_bytes()));
    refused(fed(&["minimize", "-"], b"map p0 7"));
    assert_eq!(names(dir.path()).len(), 1);
}

#[test]
fn a_finding_as_json_says_the_same() {
    let trace = trace(PARTING);
    let finding = mismatched(&trace);
    let report = Report::new(&finding, &trace, "6.12").with_file("crash.trace");
    let value: serde_json::Value = serde_json::from_str(&json::pretty(&report)).expect("JSON");
    assert_eq!(value, json::value(&report));
    assert_eq!((&value["kind"], &value["kernel"]), (&"divergence".into(), &"6.12".into()));
    assert_eq!(value["signature"], finding.signature());
    assert_eq!(value["operation"], finding.operation);
    assert_eq!(value["operation_text"], trace.ops[finding.operation as usize - 1].to_string());
    assert_eq!(value["replay"], "rmap-diff run crash.trace --kernel 6.12");
    let operations: Vec<String> =
        value["trace"].as_array().unwrap().iter().map(|op| op.as_str().unwrap().to_owned()).collect();
    assert_eq!(self::trace(&operations.join("\n")), report.shortened_trace());
    for key in ["what", "return", "events", "state"] {
        assert!(!value["divergence"][key].is_null(), "{key}: {value:#}");
    }
}

/// Set for the child of the next test.
const PRINT: &str = "RMAP_DIFF_TEST_PRINT";

#[test]
fn a_finding_is_printed_in_colours_to_whoever_wants_them() {
    let trace = trace(PARTING);
    let finding = mismatched(&trace);
    let report = Report::new(&finding, &trace, "6.12");
    if std::env::var_os(PRINT).is_some() {
        return text::print(&report);
    }
    let printed = |variables: &[(&str, &str)]| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            child.env_remove(variable);
        }
        child.args(["--exact", "a_finding_is_printed_in_colours_to_whoever_wants_them", "--nocapture"]);
        let output = child.env(PRINT, "1").envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success());
        out(&output)
    };
    let (coloured, plain) = (text::coloured(&report), text::plain(&report));
    assert!(coloured.contains("\u{1b}[") && !plain.contains('\u{1b}'));
    assert!(printed(&[]).contains(&plain), "a pipe is no terminal");
    assert!(printed(&[("CLICOLOR_FORCE", "1")]).contains(&coloured));
    assert!(printed(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains(&plain));
}

#[test]
fn an_input_of_the_fuzzer_that_ends_inside_a_record_converts_with_partial_alone() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("crash");
    let mut bytes = "map p0 0x10..0x18\nfault p0 0x12\n".parse::<Trace>().unwrap().to_bytes();
    bytes.push(7);
    fs::write(&input, bytes).unwrap();
    let convert = |partial: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_rmap-diff")).arg("convert").args(partial).arg(&input).output().unwrap()
    };
    assert_eq!(convert(&[]).status.code(), Some(2));
    let output = convert(&["--partial"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("map p0 0x10..0x18\nfault p0 0x12\n"), "{text}");
}

#[test]
fn the_commands_that_a_report_names_find_the_same_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a found.trace");
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings/map-after-failed-merge-6.12.trace");
    fs::copy(known, &file).unwrap();
    let file = file.display().to_string();
    let options = ["--kernel", "6.12", "--vma", "kernel", "--slab", "poison", "--known", "none"];
    let value = |output: Output| -> Value {
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let found = value(rmap_diff(&[&["run", &file, "--json"][..], &options].concat()));
    let words = |which: &str| -> Vec<String> {
        let mut words = shlex::split(found[which].as_str().unwrap()).unwrap();
        assert_eq!(
            (words[0].as_str(), &words[2], &words[3..11]),
            ("rmap-diff", &file, &options.map(str::to_owned)[..])
        );
        words.remove(0);
        words
    };
    let again = |words: &[String]| rmap_diff(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let mut replay = words("replay");
    replay.push("--json".into());
    assert_eq!(value(again(&replay))["signature"], found["signature"]);
    let shown = again(&words("show"));
    let page = fs::read_to_string(dir.path().join("a found.html")).unwrap();
    assert!(shown.status.code() == Some(1) && page.contains("WARN_ON"), "{shown:?}");
    let program = ok(again(&words("reproduce")));
    assert!(program.contains("WARN_ON"), "{program}");
    // Without `--known none` it is nothing new.
    replay.retain(|word| word != "--known" && word != "none");
    let nothing_new = again(&replay);
    assert_eq!(nothing_new.status.code(), Some(0));
    let known: Value = serde_json::from_slice(&nothing_new.stdout).unwrap();
    assert_eq!((&known["known"][0]["signature"], &known["kernel"]), (&found["signature"], &Value::from("6.12")));
    replay.retain(|word| word != "--json");
    replay[0] = "minimize".into();
    let refused = again(&replay);
    assert!(refused.status.code() == Some(2) && String::from_utf8_lossy(&refused.stderr).contains("(--known none)"));
}

#[test]
fn statistics_count_failures_by_site_and_what_was_reached() {
    let sum = |statistics: &Value, of: &str| -> u64 {
        let failures = statistics["failures"].as_array().unwrap();
        failures.iter().filter(|site| site["of"] == of).map(|site| site["count"].as_u64().unwrap()).sum()
    };
    let caches = ["vm_area_struct", "anon_vma", "anon_vma_chain"];
    for vma in ["kernel", "model"] {
        let base = ["random", "--stats", "--json", "--ops", "8000", "--kernel", "6.12", "--vma", vma];
        let told: Value = serde_json::from_str(&ok(rmap_diff(&base))).unwrap();
        let said = &told["statistics"];
        caches.iter().for_each(|cache| assert!(sum(said, cache) > 10, "{said:#}"));
        assert_eq!(sum(said, "maple tree node") > 5, vma == "kernel", "{said:#}");
        let reached = |what: &str| said[what].as_u64().unwrap();
        assert!(reached("distinct_states") > 1000 && reached("reuses") > 20, "{said:#}");
        assert!(reached("deepest_hierarchy") > 4 && reached("longest_chain") > 4, "{said:#}");
        assert!(reached("largest_tree") > 4 && said["merges"].is_object() == (vma == "kernel"), "{said:#}");
        let operations = said["operations"].as_object().unwrap();
        let counted =
            operations.values().flat_map(|how| how.as_object().unwrap().values()).map(|n| n.as_u64().unwrap());
        assert_eq!(counted.sum::<u64>(), 8000);

        // Nothing fails where nothing allocates, and the places are the kernel's.
        for site in said["failures"].as_array().unwrap() {
            let [operation, function] = ["operation", "function"].map(|name| site[name].as_str().unwrap_or(""));
            let places = match site["of"].as_str().unwrap() {
                "vm_area_struct" => &["vm_area_alloc", "vm_area_dup"][..],
                "anon_vma" => &["__anon_vma_prepare", "anon_vma_fork"],
                "anon_vma_chain" => &["__anon_vma_prepare", "anon_vma_clone", "anon_vma_fork"],
                _ => &[""],
            };
            assert!(places.contains(&function), "{site}");
            assert!(!["exit", "pin", "unpin", "walk"].contains(&operation), "{site}");
        }
        let forked = |site: &&Value| site["operation"] == "fork" && site["function"] == "anon_vma_clone";
        let gfp = |site: &Value| site["gfp"].as_str().unwrap().to_owned();
        let mut how: Vec<String> = said["failures"].as_array().unwrap().iter().filter(forked).map(gfp).collect();
        how.sort();
        assert_eq!(how, ["GFP_KERNEL", "GFP_NOWAIT|__GFP_NOWARN"]);

        // The table tells the same.
        let base: Vec<&str> = base.into_iter().filter(|&word| word != "--json").collect();
        let text = ok(rmap_diff(&base));
        let figures = |name: &str| -> Vec<u64> {
            let lines = text.lines().filter(|line| line.trim_start().starts_with(name));
            lines.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
        };
        for site in said["failures"].as_array().unwrap() {
            let word = |name: &str| site[name].as_str().unwrap();
            let place = match site["function"].as_str() {
                Some(function) => format!("{}: {function}() {} ", word("operation"), word("gfp")),
                None => continue,
            };
            assert!(figures(&place).contains(&site["count"].as_u64().unwrap()), "{place}: {text}");
        }
        caches.iter().for_each(|&cache| assert_eq!(figures(&format!("failures of {cache} ")), [sum(said, cache)]));
        assert_eq!(figures("distinct states"), [reached("distinct_states")]);

        let none = ok(rmap_diff(&["random", "--stats", "--json", "--ops", "500", "--fail-rate", "0", "--vma", vma]));
        let none: Value = serde_json::from_str(&none).unwrap();
        assert_eq!(none["statistics"]["failures"], serde_json::json!([]));
    }
}

#[test]
fn a_search_that_finds_something_says_what_it_has_counted_until_then() {
    let newest = reference(NEWEST);
    let known = KnownFindings::read(None).unwrap().of(newest.name, newest.version);
    assert!(!known.is_empty(), "{} shows no known finding any more: take another reference here", newest.name);
    let base = ["random", "--stats", "--ops", "100000", "--mix", "merges", "--known", "none", "-o", "-"];
    let search = [&base[..], &["--kernel", newest.name, "--vma", "kernel"]].concat();
    let output = rmap_diff(&[&search[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let told: Value =
        serde_json::from_slice(&output.stdout[output.stdout.iter().position(|&c| c == b'{').unwrap()..]).unwrap();
    let distinct = told["statistics"]["distinct_states"].as_u64().unwrap();
    let text = String::from_utf8(rmap_diff(&search).stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("distinct states")).unwrap();
    assert!(distinct > 0 && line.ends_with(&format!(" {distinct}")), "{told:#} {line}");
}

// --- Expectations ---

/// A merge of two VMAs, and what is expected to be there.
fn merged(expected: &str) -> String {
    format!("map p0 0x10..0x14\nmap p0 0x14..0x18\n{expected}\n")
}

#[test]
fn an_expectation_that_does_not_hold_ends_with_1_and_a_diff() {
    let text = merged("expect p0: 0x10..0x14 0x14..0x18");
    for (name, side, whose) in
        [("6.1", "both", "both sides"), ("6.12", "kernel", "kernel"), ("7.2", "kernel", "kernel")]
    {
        let said = found(fed(&["run", "-", "--kernel", name, "--side", side], text.as_bytes()));
        assert!(said.starts_with("violate expectation of a layout after operation\n"), "{said}");
        assert!(said.contains(&format!("\nside    {whose}\nat      operation 2: map p0 0x14..0x18 ")), "{said}");
        let diff = format!("\n--- expected\n+++ {whose}\n- 0x10..0x14\n- 0x14..0x18\n+ 0x10..0x18\n");
        assert!(said.contains(&diff), "{said}");
    }
    let said = found(fed(&["run", "-", "--json"], text.as_bytes()));
    let value: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(value["expectation"]["actual"], serde_json::json!(["0x10..0x18"]));
    for form in ["text", "test"] {
        let said = ok(fed(&["reproduce", "-", "--as", form], text.as_bytes()));
        assert!(said.contains("expect p0: 0x10..0x14 0x14..0x18"), "{said}");
        assert_eq!(said.contains("of_version"), form == "test");
    }
    assert!(found(fed(&["show", "-"], text.as_bytes())).contains("violate expectation"));
    let said = refused(fed(&["minimize", "-"], text.as_bytes()));
    assert!(
        said.contains("`expect p0: 0x10..0x14 0x14..0x18` does not hold after operation 2: not minimised"),
        "{said}"
    );
}

#[test]
fn expectations_are_counted_and_none_is_left_out_in_silence() {
    let text = merged("expect[..6.16] p0: 0x10..0x18\nexpect[6.16..] p0: 0x10..0x18[rw]\nexpect[7.] p0: 0x10..0x18");
    let version = |name| reference(name).version;
    let said = ok(fed(&["run", "-", "--kernel", "6.12", "-v"], text.as_bytes()));
    let not_for = |line: &str| format!("operation 2: {line}: not for {}\n", version("6.12"));
    assert!(
        said.starts_with(&(not_for("expect[6.16..] p0: 0x10..0x18[rw]") + &not_for("expect[7.] p0: 0x10..0x18"))),
        "{said}"
    );
    assert!(said.ends_with(&format!("6.12: 1 expectation holds, 2 are not for {}\n", version("6.12"))), "{said}");
    let said = ok(fed(&["run", "-", "--kernel", "7.2"], text.as_bytes()));
    assert!(said.ends_with(&format!("7.2: 2 expectations hold, 1 is not for {}\n", version("7.2"))), "{said}");
    let value: Value = serde_json::from_str(&ok(fed(&["run", "-", "--json"], text.as_bytes()))).unwrap();
    assert_eq!(value["expectations"], serde_json::json!({ "hold": 2, "not_checked": 0, "other_versions": 1 }));

    let unchecked = "rmap-diff: 2 expectations not checked: the model VMA code does not merge VMAs\n";
    for args in [&["run", "-", "--vma", "model"][..], &["run", "-", "--side", "port"], &["show", "-", "--vma", "model"]]
    {
        let output = fed(args, text.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), unchecked, "{args:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = path(&dir, "merged.trace");
    fs::write(&file, &text).unwrap();
    for (args, why) in [
        (&["review", "6.12", "7.2", "--trace", &file][..], "3 expectations not checked: review compares"),
        (&["reproduce", &file, "--as", "c"], "3 expectations not checked: the C program has none"),
        (&["convert", &file, "-o", &path(&dir, "merged.bin")], "the byte form has no expectations, 3 left out"),
    ] {
        let said = String::from_utf8_lossy(&rmap_diff(args).stderr).into_owned();
        assert!(said.contains(why), "{args:?}: {said}");
    }
    let again = ok(rmap_diff(&["convert", &file, "--to", "text"]));
    assert_eq!(again, format!("# rmap-diff trace v1\n{text}"));
}

#[test]
fn an_expectation_behind_the_end_of_a_trace_does_not_hold() {
    let dir = tempfile::tempdir().unwrap();
    let (known, file) = (path(&dir, "known.toml"), path(&dir, "it.trace"));
    let trace = "map p0 0x10..0x14\nexpect p0: 0x10..0x15\nmap p0 0x20..0x21\nexpect p0: nothing\n";
    fs::write(&file, trace).unwrap();
    let entry = "[[finding]]\nsignature = \"violate expectation of a layout after operation\"\nkernels = [\"7.\"]\n\
                 trace = \"it.trace\"\nexplanation = \"As this test wants it.\"\n";
    fs::write(&known, entry).unwrap();
    let output = rmap_diff(&["run", &file, "--known", &known]);
    let said = out(&output) + &err(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(": 0 expectations hold\n"), "{said}");
    assert!(said.contains("2 expectations not checked: a known finding ended the trace before\n"), "{said}");
    let output = rmap_diff(&["run", &file, "--known", &known, "--json"]);
    let value: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(value["expectations"], serde_json::json!({ "hold": 0, "not_checked": 2, "other_versions": 0 }));
}

#[test]
fn the_small_trace_of_another_finding_has_no_expectations() {
    let text = "map p0 0x10..0x11\nexpect p0: 0x10..0x11\nmap p0 0x12..0x13\nfault p0 0x12\nmap p0 0x11..0x12 fail=1\n";
    let output = fed(&["minimize", "-", "--known", "none"], text.as_bytes());
    let (small, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), small.contains("expect")), (Some(1), false), "{small}{said}");
    assert!(said.starts_with("rmap-diff: the small trace has no expectations"), "{said}");
}

#[test]
fn the_line_of_an_operation_counts_expectations() {
    let text = "map p0 0x10..0x14\nexpect p0: 0x10..0x14\nfault p0 0x10\npin p0 0x10\n";
    let said = refused(fed(&["reproduce", "-", "--as", "c"], text.as_bytes()));
    assert!(said.contains("-:4: `pin p0 0x10`"), "{said}");
}

#[test]
fn of_several_traces_each_is_run_and_said_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (good, bad) = (file("good.trace", SMALL), file("bad.trace", "map p0\n"));
    let wrong = file("wrong.trace", "map p0 0x1..0x2\nexpect p0: 0x1..0x3\n");
    let kernel = reference(NEWEST).name;
    let text = rmap_diff(&["run", "--kernel", kernel, "--vma", "model", &good, &good]);
    let said = String::from_utf8_lossy(&text.stdout);
    assert_eq!((text.status.code(), said.matches(&format!("{good}:\n")).count()), (Some(0), 2), "{said}");
    let all = rmap_diff(&["run", "--kernel", kernel, "--json", &good, &bad, &wrong]);
    let value: Value = serde_json::from_slice(&all.stdout).expect("one JSON value");
    let files: Vec<_> = value.as_array().unwrap().iter().map(|value| value["file"].as_str().unwrap()).collect();
    assert_eq!(files, [&good, &bad, &wrong]);
    assert_eq!(value[0]["done"], 2);
    assert!(value[1]["error"].as_str().unwrap().contains("bad.trace:1:"), "{value}");
    assert!(value[2]["signature"].as_str().unwrap().contains("expectation"), "{value}");
    assert_eq!(all.status.code(), Some(2), "one could not be run");
    assert!(String::from_utf8_lossy(&all.stderr).contains("bad.trace:1:"));
    // One alone is the value itself.
    let one = rmap_diff(&["run", "--kernel", kernel, "--json", &good]);
    assert_eq!(serde_json::from_slice::<Value>(&one.stdout).unwrap()["done"], 2);
}
