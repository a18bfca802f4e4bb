//! `scripts/setup` where something is missing: it waits for the package manager's lock, and says what went wrong otherwise.
//! The package manager is one of ours.
#![allow(missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the script with a compiler whose LLVM no distribution has, and with this for apt-get. `$calls` is a file that it may count in.
fn setup(apt_get: &str) -> (Output, usize) {
    let dir = tempfile::tempdir().unwrap();
    let calls = dir.path().join("calls");
    let program = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, format!("#!/bin/bash\ncalls={}\n{text}\n", calls.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("rustc", "echo 'LLVM version: 99.1'");
    program("sudo", "[ \"$1\" != -n ] || shift\nexec \"$@\"");
    program("apt-get", &format!("echo \"$@\" >>\"$calls\"\n{apt_get}"));
    fs::write(&calls, "").unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/setup");
    let mut command = Command::new("bash");
    command.arg(script).arg("--no-fuzz").env("PATH", path).env("RMAP_LOCK_SECONDS", "2");
    (command.output().unwrap(), fs::read_to_string(calls).unwrap().lines().count())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const LOCKED: &str =
    "echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)' >&2; exit 100";

#[test]
fn a_lock_that_goes_away_is_waited_for() {
    let (output, calls) = setup(&format!("[ $(wc -l <\"$calls\") -gt 1 ] || {{ {LOCKED}; }}"));
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("waiting up to 2 seconds"), "{}", said(&output));
    // update, update again, install.
    assert_eq!(calls, 3);
}

#[test]
fn a_lock_that_stays_is_named_and_the_toolchain_is_not_blamed() {
    let (output, _) = setup(LOCKED);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("lock was held by another program for 2 seconds"), "{said}");
    assert!(!said.contains("LLVM"), "{said}");
}

#[test]
fn what_went_wrong_is_told_apart() {
    for (apt_said, wanted) in [
        ("E: Unable to locate package clang-99", "this rustc has LLVM 99"),
        (
            "Err:1 http://deb.example bookworm InRelease\n  Temporary failure resolving 'deb.example'",
            "could not be reached",
        ),
        ("E: something else", "apt-get could not install: "),
    ] {
        let (output, calls) =
            setup(&format!("case \"$*\" in *update*) exit 0 ;; esac\ncat >&2 <<'END'\n{apt_said}\nEND\nexit 100"));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted) && said.contains("clang-99"), "{said}");
        assert_eq!(calls, 2, "{said}");
    }
}
