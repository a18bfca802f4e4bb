//! `rmap-diff prove`: what it says of two trees that do not differ in what it looks for, and of wrong usage. A fix that is
//! proven, and one that breaks something, are in `planted_faults.rs`.

mod common;

use std::process::{Command, Output};

use common::{NEWEST, reference};
use serde_json::Value;

fn prove(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    let dir = tempfile::tempdir().unwrap();
    command.arg("prove").args(args).args(["-o", "proof.trace"]).current_dir(dir.path());
    command.env_remove("RMAP_VMA").env_remove("RMAP_KNOWN").env("NO_COLOR", "1");
    let output = command.output().unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was found, and something was written");
    output
}

#[test]
fn a_change_that_repairs_nothing_is_not_reproduced_and_the_work_is_told() {
    for vma in ["model", "kernel"] {
        let args = ["6.12", "6.12-fork-preallocates", "--ops", "5000", "--vma", vma];
        let output = prove(&[&args[..], &["--json"]].concat());
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &value["verdict"]), (Some(3), &"not reproduced".into()), "{value}");
        assert!(value["operations"].as_u64() > Some(5000) && value["traces"].as_u64() > Some(20), "{value}");
        // The same operations every time.
        assert_eq!(prove(&[&args[..], &["--json"]].concat()).stdout, output.stdout);
        let said = String::from_utf8(prove(&args).stdout).unwrap();
        assert!(
            said.starts_with("6.12 and 6.12-fork-preallocates: not reproduced\n") && said.contains("--time"),
            "{said}"
        );
    }
}

/// Both defects are real: findings/known.toml explains them.
#[test]
fn what_both_trees_show_is_told_apart_from_what_the_second_alone_shows() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    // What is known is told like any other: a fix may be of it.
    let args = ["--ops", "60000", "--fail-rate", "0.5", "--vma", "kernel", "--json", "-o", "p.trace"];
    let output = command.env_remove("RMAP_KNOWN").args(["prove", "7.2", "7.3"]).args(args).current_dir(dir.path());
    let output = output.output().unwrap();
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &value["verdict"]), (Some(1), &"breaks something else".into()), "{value}");
    let shared = value["shared"].as_array().unwrap();
    assert!(shared.len() == 1 && shared[0].as_str().unwrap().contains("mas_is_active"), "{value}");
    let broken = value["broken"].as_array().unwrap();
    assert!(broken.len() == 1 && broken[0]["signature"].as_str().unwrap().contains("pgoff"), "{value}");
    assert_eq!(value["fixed"], Value::Array(Vec::new()), "{value}");
    assert!(broken[0]["known"].as_str().unwrap().contains("wiped VMA"), "{value}");
    assert!(broken[0]["after"].as_u64() > Some(0) && value["operations"].as_u64() > broken[0]["after"].as_u64());
    assert!(dir.path().join("p.trace").is_file() && dir.path().join("p.c").is_file());
}

#[test]
fn a_port_that_knows_neither_tree_is_no_judge_unless_it_is_asked() {
    // It knows both, and so nothing is found with it either.
    let output = prove(&["6.12", "6.12-fork-preallocates", "--ops", "2000", "--side", "both"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let output = prove(&["6.12", "6.12-fork-preallocates", "--side", "port"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("use kernel or both"), "{said}");
}

#[test]
fn one_tree_twice_and_one_that_is_not_there_are_refused() {
    let newest = reference(NEWEST).name;
    for (args, says) in
        [([newest, newest], "twice: name the reference without the fix"), ([newest, "no"], "no reference `no`")]
    {
        let output = prove(&args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(says), "{said}");
    }
}
