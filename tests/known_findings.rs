//! The file of known findings, and what a run does about them.
//!
//! Needs the references as `make test` brings them.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rmap_diff::check::{Lockstep, run_trace};
use rmap_diff::kernel::{self, Kernel, Reference, SlabMode};
use rmap_diff::known::{KnownFindings, Replayed};
use rmap_diff::mm::KernelDriver;
use rmap_diff::port::Port;
use rmap_diff::session::VmaCode;

mod common;
use common::{reference, trace};

fn rmap_diff(args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    command
        .args(args)
        .env_remove("RMAP_KNOWN")
        .env_remove("RMAP_KERNEL")
        .env_remove("RMAP_DRIVER")
        .env_remove("RMAP_VMA");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn side(reference: &'static Reference) -> Lockstep<Kernel, Port> {
    let kernel = Kernel::with_vma_layer(reference, SlabMode::Reuse).expect("a kernel driver");
    Lockstep::new(kernel, Port::new(reference.revision))
}

fn path(name: &str) -> String {
    format!("{}/findings/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_known_finding_is_still_there() {
    let all = KnownFindings::embedded();
    // The findings of kernels that the tests have not are played by `make trees`.
    let mut played = 0;
    for known in &all.findings {
        let trace = all.trace(known).unwrap();
        for reference in kernel::references().iter().filter(|r| known.is_of(r.name, r.version)) {
            assert_eq!(
                all.replay(known, &trace, reference),
                Replayed::StillThere,
                "{} on {}",
                known.trace,
                reference.name
            );
            played += 1;
        }
    }
    assert!(played > 3, "{played} played");
}

#[test]
fn a_known_finding_is_not_there_on_any_other_reference() {
    let all = KnownFindings::embedded();
    for known in &all.findings {
        let trace = all.trace(known).unwrap();
        for reference in kernel::references() {
            let of = all.of(reference.name, reference.version);
            if of.iter().any(|other| other.signature == known.signature) {
                continue;
            }
            let replayed = all.replay(known, &trace, reference);
            let without = match VmaCode::needed_by(&trace) {
                VmaCode::Pages => reference.without_pages_layer(),
                _ => reference.without_vma_layer(),
            };
            match (&replayed, without) {
                (Replayed::NoKernelVma(_), Some(_)) => {}
                _ => assert_eq!(replayed, Replayed::Gone(None), "{} on {}", known.trace, reference.name),
            }
        }
    }
}

#[test]
fn what_is_built_in_is_the_committed_file_and_all_its_traces() {
    let committed = path("known.toml");
    let read = KnownFindings::read(Some(Path::new(&committed))).unwrap();
    let embedded = KnownFindings::embedded();
    assert_eq!(read.findings, embedded.findings);
    for known in &read.findings {
        assert_eq!(read.trace(known), embedded.trace(known));
    }
    let there = fs::read_dir(path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in there.filter(|name| name.ends_with(".trace")) {
        assert!(read.findings.iter().any(|known| known.trace == name), "findings/{name} is the trace of nothing");
    }
}

#[test]
fn the_lockstep_goes_on_past_a_known_warning_and_still_checks_what_follows() {
    let reference = reference("7.2");
    let all = KnownFindings::embedded();
    let known = all.of(reference.name, reference.version);
    let first = &all.trace(&known[0]).unwrap();
    let mut lockstep = side(reference);
    let found =
        run_trace(&mut lockstep, &mut KernelDriver::new(), first).finding.expect("without being told it is found");
    assert_eq!(found.signature(), known[0].signature);

    lockstep.tolerate(rmap_diff::known::signatures(&known));
    let more = trace(&format!("{first}\nfork p0 p1\nunmap p1 0x10..0x13\n"));
    let result = run_trace(&mut lockstep, &mut KernelDriver::new(), &more);
    assert_eq!(result.finding, None);
    assert_eq!(result.stats.done, more.ops.len() as u64, "everything was done, the operation that warns too");
    assert_eq!(lockstep.met()[0], 1);
    run_trace(&mut lockstep, &mut KernelDriver::new(), &more);
    assert_eq!(lockstep.met()[0], 2, "a reset does not forget");

    lockstep.tolerate(["violate I11 WARN of another kind after operation".to_owned()]);
    let result = run_trace(&mut lockstep, &mut KernelDriver::new(), &more);
    assert_eq!(result.finding.expect("not known any more").signature(), known[0].signature);
    assert_eq!(lockstep.met(), [0]);
}

#[test]
fn a_run_of_a_known_trace_says_so_and_one_without_the_file_fails() {
    for known in &KnownFindings::embedded().findings {
        let file = path(&known.trace);
        let vma = VmaCode::needed_by(&KnownFindings::embedded().trace(known).unwrap()).name();
        for reference in kernel::references().iter().filter(|r| known.is_of(r.name, r.version)) {
            let run = |more: &[&str]| {
                let common = ["run", &file, "--kernel", reference.name, "--vma", vma];
                rmap_diff(&[&common[..], more].concat(), "")
            };
            let ran = run(&[]);
            assert_eq!(ran.status.code(), Some(0), "{}", out(&ran));
            assert!(out(&ran).contains("known finding"), "{}", out(&ran));
            let line = format!("known: {} ({}), met once\n", known.signature, known.headline());
            assert_eq!(err(&ran), line);

            let json = run(&["--json"]);
            assert_eq!(json.status.code(), Some(0));
            let value: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
            assert_eq!(value["known"][0]["signature"], *known.signature);
            assert_eq!(value["known"][0]["met"], 1);

            let bare = run(&["--known", "none"]);
            assert_eq!(bare.status.code(), Some(1));
            assert!(out(&bare).starts_with(&known.signature), "{}", out(&bare));
            let json = run(&["--known", "none", "--json"]);
            assert_eq!(json.status.code(), Some(1));
            let value: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
            assert_eq!(
                (&value["signature"], &value["known"]),
                (&known.signature.clone().into(), &serde_json::json!([]))
            );
        }
    }
}

/// A file that knows of something else: what is met is new.
const OTHER: &str = r#"
[[finding]]
signature = "violate I11 WARN another after operation"
kernels = ["7."]
trace = "other.trace"
explanation = "another"
"#;

#[test]
fn what_is_not_in_the_file_fails_and_what_is_gone_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known.toml").display().to_string();
    fs::write(&file, OTHER).unwrap();
    fs::write(dir.path().join("other.trace"), "map p0 0x10..0x11\n").unwrap();
    let ran = rmap_diff(&["run", &path("map-after-failed-merge.trace"), "--kernel", "7.2", "--known", &file], "");
    assert_eq!(ran.status.code(), Some(1), "{}", out(&ran));

    let gone = rmap_diff(&["known", "--known", &file], "");
    assert_eq!(gone.status.code(), Some(1), "{}", out(&gone));
    assert!(out(&gone).contains("7.2: GONE: its trace finds nothing"), "{}", out(&gone));
    let elsewhere = rmap_diff(&["known", "--known", &file, "--kernel", "6.1"], "");
    assert_eq!(elsewhere.status.code(), Some(0));
    assert!(out(&elsewhere).contains("not played"), "{}", out(&elsewhere));

    let there = rmap_diff(&["known"], "");
    assert_eq!(there.status.code(), Some(0), "{}", out(&there));
    assert!(out(&there).contains("7.2: still there"), "{}", out(&there));
}

#[test]
fn random_traces_meet_known_findings_and_go_on() {
    let args = ["random", "--kernel", "7.2", "--mix", "varied", "--seed", "1", "--ops", "200000", "--fail-rate", "0.2"];
    let ran = rmap_diff(&args, "");
    assert_eq!(ran.status.code(), Some(0), "{}", out(&ran));
    assert!(out(&ran).contains("200000 operations"), "{}", out(&ran));
    assert!(err(&ran).contains("known: violate I11 WARN"), "none was met: {}", err(&ran));
}

#[test]
fn a_wrong_file_is_refused_with_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known.toml");
    let name = file.display().to_string();
    let no_explanation = OTHER.replace("\"another\"\n", "\" \"\n");
    let cases: &[(String, &str)] = &[
        ("\n[[finding]\n".into(), ":2: found "),
        (OTHER.replace("kernels", "kernel"), ":4: found unknown field `kernel`"),
        (OTHER.replace("trace = \"other.trace\"\n", ""), ":2: found missing field `trace`"),
        (OTHER.replace("[\"7.\"]", "[]"), ":4: found no kernel"),
        (OTHER.replace("violate ", "violates "), ":3: found signature `violates"),
        (OTHER.replace("other.trace", "../other.trace"), ":5: found trace `../other.trace`"),
        (no_explanation, ":6: found no explanation"),
        (format!("{OTHER}{OTHER}"), ":9: found signature `violate I11 WARN another after operation` a second time"),
    ];
    for (text, wanted) in cases {
        fs::write(&file, text).unwrap();
        let ran = rmap_diff(&["run", "-", "--kernel", "7.2", "--known", &name], "map p0 0x10..0x11\n");
        assert_eq!(ran.status.code(), Some(2), "{text}");
        let said = err(&ran);
        assert!(
            said.contains(&format!("{name}{wanted}")) && said.contains("expected"),
            "{wanted:?} is not in {said:?}"
        );
    }
    let missing = rmap_diff(&["random", "--ops", "10", "--known", "/nonexistent/known.toml"], "");
    assert_eq!(missing.status.code(), Some(2));
    assert!(err(&missing).contains("/nonexistent/known.toml"));

    fs::write(&file, OTHER).unwrap();
    fs::write(dir.path().join("other.trace"), "map p0 0x10..0x11\nmap p0 nowhere\n").unwrap();
    let bad_trace = rmap_diff(&["known", "--known", &name], "");
    assert_eq!(bad_trace.status.code(), Some(2));
    assert!(err(&bad_trace).contains("other.trace:2: found"), "{}", err(&bad_trace));
}

#[test]
fn kernels_are_named_or_are_the_beginning_of_a_version() {
    let all = KnownFindings::embedded();
    let mut known = all.findings[0].clone();
    for (kernel, name, version, is) in [
        ("7.3", "mine", "7.3.4", true),
        ("7.3", "7.3", "7.4.1", true),
        ("7.3", "mine", "7.30.1", false),
        ("7.", "mine", "7.30.1", true),
        ("7", "mine", "7.30.1", true),
        ("7", "mine", "77.1", false),
        ("mine", "mine", "6.1.3", true),
        ("min", "mine", "6.1.3", false),
    ] {
        known.kernels = vec![kernel.to_owned()];
        assert_eq!(known.is_of(name, version), is, "{kernel} of {name} {version}");
    }
}
