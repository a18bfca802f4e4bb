//! `rmap-diff exhaust`: every sequence in a small scope, on the compiled C beside the port.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{NEWEST, reference};
use serde_json::Value;

fn exhaust(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    command.arg("exhaust").args(args).current_dir(dir);
    command
        .env_remove("RMAP_KERNEL")
        .env_remove("RMAP_DRIVER")
        .env_remove("RMAP_VMA")
        .env_remove("RMAP_KNOWN")
        .env("NO_COLOR", "1");
    command.output().unwrap()
}

/// What a search says as JSON, and its status.
fn searched(dir: &Path, args: &[&str]) -> (Value, Option<i32>) {
    let output = exhaust(dir, &[args, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    let value = serde_json::from_str(&said).unwrap_or_else(|error| {
        panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr));
    });
    (value, output.status.code())
}

/// What does not depend on how long it took.
fn counts(value: &Value) -> [Value; 4] {
    ["transitions", "failing", "states", "states_by_depth"].map(|key| value[key].clone())
}

#[test]
fn nothing_is_found_in_a_small_scope_with_either_vma_code_in_any_generation() {
    let dir = tempfile::tempdir().unwrap();
    for kernel in ["6.12", reference(NEWEST).name] {
        for vma in ["model", "kernel"] {
            let args = ["--kernel", kernel, "--vma", vma, "--procs", "3", "--pages", "2", "--depth", "5"];
            let (said, status) = searched(dir.path(), &[&args[..], &["--failures", "all"]].concat());
            assert_eq!(status, Some(0), "{said}");
            assert_eq!(said["finished"], true);
            assert_eq!(said["depth_done"], 5);
            // It is not empty of what it is for.
            assert!(said["failing"].as_u64() > Some(3000) && said["states"].as_u64() > Some(500), "{said}");
        }
    }
}

#[test]
fn every_operation_that_the_kernel_driver_knows_is_tried() {
    let dir = tempfile::tempdir().unwrap();
    let ops = "map,fault,fork,unmap,exit,protect,advise,move,pin,unpin,uffdmove,mlock,munlock";
    let args = ["--kernel", "6.12", "--vma", "kernel", "--procs", "2", "--pages", "2", "--depth", "4", "--only", ops];
    let (said, status) = searched(dir.path(), &args);
    assert_eq!(status, Some(0), "{said}");
    let (core, _) = searched(dir.path(), &args[..10]);
    assert!(said["states"].as_u64() > core["states"].as_u64().map(|states| 2 * states), "{said} {core}");
    // A VMA that is locked is another state.
    let locked = [&args[..10], &["--only", "map,fault,fork,unmap,exit,mlock,munlock"]].concat();
    let (locked, _) = searched(dir.path(), &locked);
    assert!(locked["states"].as_u64() > core["states"].as_u64(), "{locked} {core}");
    // The small driver does not know them all.
    let args = ["--kernel", "6.12", "--vma", "model", "--only", ops];
    assert_eq!(exhaust(dir.path(), &args).status.code(), Some(2));
}

#[test]
fn a_search_that_is_stopped_says_so_and_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let scope = ["--kernel", "6.12", "--vma", "kernel", "--procs", "3", "--pages", "2", "--failures", "all"];
    let whole = searched(dir.path(), &[&scope[..], &["--depth", "6", "--threads", "1"]].concat()).0;
    let file = ["--state", "search.bin"];
    let (stopped, status) = searched(dir.path(), &[&scope[..], &file, &["--depth", "6", "--time", "0"]].concat());
    assert_eq!((status, &stopped["finished"]), (Some(3), &Value::Bool(false)));
    assert!(stopped["how"].as_str().unwrap().contains("NOT finished"), "{stopped}");
    let (half, _) = searched(dir.path(), &[&scope[..], &file, &["--depth", "4"]].concat());
    assert_eq!(half["depth_done"], 4);
    let (rest, status) = searched(dir.path(), &[&scope[..], &file, &["--depth", "6", "--threads", "2"]].concat());
    assert_eq!(status, Some(0));
    assert_eq!(counts(&whole), counts(&rest));

    // Not that of another kernel.
    let other = [&["--kernel", reference(NEWEST).name][..], &scope[2..], &file].concat();
    let output = exhaust(dir.path(), &other);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("it is of another search (the reference is 6.12"), "{said}");
    std::fs::write(dir.path().join("search.bin"), "nonsense").unwrap();
    let output = exhaust(dir.path(), &[&scope[..], &file].concat());
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_full_memory_is_no_end() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--kernel", "6.12", "--vma", "model", "--procs", "3", "--pages", "3", "--depth", "6", "--memory", "0"];
    let (said, status) = searched(dir.path(), &args);
    assert_eq!((status, &said["finished"]), (Some(3), &Value::Bool(false)), "{said}");
}

/// What does not depend on how long it took, of operations that ran together.
fn counts_together(value: &Value) -> [Value; 7] {
    let [transitions, failing, states, by_depth] = counts(value);
    let [sections, schedules, alone] =
        ["sections", "schedules", "states_by_sections_alone"].map(|key| value["together"][key].clone());
    [transitions, failing, states, by_depth, sections, schedules, alone]
}

#[test]
fn every_schedule_of_each_pair_finds_nothing_and_threads_and_stops_change_no_count() {
    let dir = tempfile::tempdir().unwrap();
    for kernel in ["6.12", reference(NEWEST).name] {
        let scope = ["--kernel", kernel, "--side", "kernel", "--vma", "pages", "--procs", "2", "--pages", "1"];
        let scope = [&scope[..], &["--depth", "4", "--together", "2", "--preemptions", "1"]].concat();
        let (whole, status) = searched(dir.path(), &[&scope[..], &["--threads", "1"]].concat());
        assert_eq!((status, &whole["finished"]), (Some(0), &Value::Bool(true)), "{whole}");
        assert!(whole["together"]["schedules"].as_u64() > Some(5000), "{whole}");
        // A migration that a fork comes into leaves what no sequence of two operations leaves.
        let alone = whole["together"]["states_by_sections_alone"].as_array().unwrap();
        assert!(alone.iter().any(|trace| trace.as_str().unwrap().contains("migrate")), "{whole}");
        let file = format!("{kernel}.bin");
        let in_file = [&scope[..], &["--state", &file]].concat();
        let (_, status) = searched(dir.path(), &[&in_file[..], &["--time", "0"]].concat());
        assert_eq!(status, Some(3));
        let shallow = [&in_file[..11], &["3"], &in_file[12..]].concat();
        assert_eq!(searched(dir.path(), &shallow).1, Some(0));
        let (rest, status) = searched(dir.path(), &[&in_file[..], &["--threads", "2"]].concat());
        assert_eq!((status, counts_together(&rest)), (Some(0), counts_together(&whole)));
    }
    // What it says to a person is what it says to a program.
    let scope =
        ["--kernel", "6.12", "--side", "kernel", "--procs", "2", "--pages", "1", "--depth", "3", "--together", "2"];
    let output = exhaust(dir.path(), &scope);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("every schedule with at most 2 preemptions of each pair of these operations"), "{said}");
}

#[test]
fn operations_run_together_with_the_kernels_page_tables_alone() {
    let dir = tempfile::tempdir().unwrap();
    let race = "map p0 0x10..0x11\ntogether\n  fault p0 0x10\n  fault p0 0x10\nend\n";
    std::fs::write(dir.path().join("race.trace"), race).unwrap();
    for (args, wanted) in [
        (&["--vma", "model", "--together", "2", "--only", "map,fault"][..], "--vma pages"),
        (
            &["--vma", "kernel", "--together", "2"],
            "operations run together with the kernel's own page-table code alone",
        ),
        (&["--together", "4"], "2..=3"),
        (&["--preemptions", "2"], "--together"),
        (&["--from", "race.trace", "--together", "2"], "leave out --together"),
        (&["--from", "race.trace", "--only", "map"], "leave out --only"),
        (&["--from", "race.trace", "--depth", "3"], "leave out --depth"),
        (&["--from", "race.trace", "--state", "file"], "--state"),
        (&["--from", "race.trace", "--vma", "model"], "--vma pages"),
        (&["--from", "nowhere.trace"], "nowhere.trace"),
    ] {
        let output = exhaust(dir.path(), &[&["--kernel", "6.12"][..], args].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn a_search_begins_where_a_trace_ends_and_goes_as_far_as_any() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("begin.trace"), "map p0 0x10..0x11\nfault p0 0x10\n").unwrap();
    let scope = ["--kernel", "6.12", "--side", "kernel", "--procs", "2", "--pages", "1", "--depth"];
    let from = |depth: &str| searched(dir.path(), &[&scope[..], &[depth, "--from", "begin.trace"]].concat());
    // One operation: two other faults change nothing; unmap, exit and fork lead to three states.
    let (near, status) = from("1");
    assert_eq!((status, &near["transitions"], &near["states"]), (Some(0), &5.into(), &4.into()), "{near}");
    // What is reached from there is reached from the empty world by two operations more, and so is what comes before.
    let states = |(value, _): (Value, _)| value["states"].as_u64().unwrap();
    let (begun, whole) = (states(from("4")), states(searched(dir.path(), &[&scope[..], &["6"]].concat())));
    assert!(4 < begun && begun < whole, "{begun} {whole}");
}

/// Of a section alone: each of its schedules, and nothing else.
#[test]
fn a_section_at_the_end_of_a_trace_runs_under_every_schedule() {
    let dir = tempfile::tempdir().unwrap();
    let section =
        "map p0 0x10..0x11\nfault p0 0x10\ntogether\n  swapout p0 0x10\n  unmap p0 0x10..0x11\n  at a trylock b\nend\n";
    std::fs::write(dir.path().join("race.trace"), section).unwrap();
    for kernel in ["6.12", reference(NEWEST).name] {
        let scope = ["--kernel", kernel, "--side", "kernel", "--from", "race.trace", "--preemptions"];
        let schedules = ["0", "1", "2"].map(|preemptions| {
            let (said, status) = searched(dir.path(), &[&scope[..], &[preemptions]].concat());
            assert_eq!((status, &said["finished"], &said["transitions"]), (Some(0), &true.into(), &0.into()), "{said}");
            assert_eq!(said["together"]["sections"], 1, "{said}");
            said["together"]["schedules"].as_u64().unwrap()
        });
        // Without a preemption it is who begins.
        assert!(schedules[0] == 2 && schedules[1] > 20 && schedules[2] > 5 * schedules[1], "{schedules:?}");
    }
    let output = exhaust(dir.path(), &["--kernel", "6.12", "--side", "kernel", "--from", "race.trace"]);
    let said = String::from_utf8_lossy(&output.stdout);
    let wanted = "every schedule with at most 2 preemptions of swapout p0 0x10 | unmap p0 0x10..0x11: nothing found";
    assert!(said.contains(wanted), "{said}");
}
