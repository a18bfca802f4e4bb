//! DifferingPart of ground truth can be told without a booted kernel: the userland half, what goes over the line, what is said when
//! something is missing. The booted half is `make ground-truth`.
//!
//! Needs a reference with a kernel driver.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rmap_diff::ground_truth::compare::{DifferingPart, first_difference, report};
use rmap_diff::ground_truth::expressible::{LeftOut, expressible};
use rmap_diff::ground_truth::userland::Userland;
use rmap_diff::kernel;
use rmap_diff::known::KnownFindings;
use rmap_diff::rmap::Cache;
use rmap_diff::trace::Trace;
use rmap_diff::trace::agent::Reply;

fn userland() -> Userland {
    Userland::new(kernel::reference("6.12").expect("make kernels")).expect("a kernel driver")
}

fn seeds() -> Vec<(String, Trace)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
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

#[test]
fn every_dump_of_the_seeds_survives_the_line_and_equals_itself() {
    let (mut userland, mut dumps) = (userland(), 0);
    for (name, trace) in seeds() {
        let said = expressible(&trace, &mut LeftOut::default());
        let steps = userland.play(&said).unwrap();
        assert_eq!(steps.len(), said.ops.len(), "{name}");
        let mut again = userland.play(&said).unwrap();
        for (number, step) in again.iter_mut().enumerate() {
            let reply = Reply::Step { step: number, errno: step.errno, dump: Some(step.dump.clone()) };
            let line = serde_json::to_string(&reply).unwrap();
            assert!(!line.contains('\n'));
            let back: Reply = serde_json::from_str(&line).unwrap();
            assert_eq!(back, reply, "{name}");
            let Reply::Step { dump: Some(dump), .. } = back else { unreachable!() };
            step.dump = dump;
            dumps += 1;
        }
        assert_eq!(first_difference(&said, &steps, &again), None, "{name}");
    }
    assert!(dumps > 300, "{dumps}");
}

#[test]
fn one_counter_that_is_off_is_found_at_its_step() {
    let mut userland = userland();
    let trace: Trace = "map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\nfork p1 p2".parse().unwrap();
    let steps = userland.play(&trace).unwrap();
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

#[test]
fn attempts_are_told_in_the_order_of_the_kernel_with_those_that_failed() {
    let trace: Trace = "map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1 fail=2,3\nfork p0 p1".parse().unwrap();
    let steps = userland().play(&trace).unwrap();
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
        // No system call asks for operations on pages.
        if trace.ops.iter().any(|op| op.kind.needs_page_tables()) {
            continue;
        }
        assert!(known.booted.is_some(), "{}: make ground-truth tells", known.trace);
        played += 1;
        let steps = Userland::new(reference).unwrap().play(&trace).unwrap();
        assert!(steps.iter().any(|step| !step.warnings.is_empty()), "{}", known.trace);
    }
    assert!(played > 2, "{played} played");
}

fn ground_truth(args: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    command.arg("ground-truth").args(args).env_remove("RMAP_KERNEL").env_remove("RMAP_KNOWN");
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
