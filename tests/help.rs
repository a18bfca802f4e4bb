//! What the command says of itself: examples that work, completions, manual pages.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{NEWEST, reference};
use rmap_diff::known::KnownFindings;

fn command(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    command.env_remove("RMAP_KERNEL").env_remove("RMAP_KNOWN").env_remove("RMAP_DRIVER").env_remove("RMAP_VMA");
    command.args(args).stdin(Stdio::null()).output().unwrap()
}

fn said(args: &[&str]) -> String {
    let output = command(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every command but help.
fn commands() -> Vec<String> {
    let help = said(&["--help"]);
    let (_, list) = help.split_once("\n\n").expect("a list of commands");
    let (list, _) = list.split_once("\nOptions:\n").unwrap();
    // Below headings; a second line of a description is further in.
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<String> = names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(names.iter().any(|name| name == "show") && names.len() > 8, "{names:?}");
    names.into_iter().filter(|name| name != "help").collect()
}

/// By command, the empty one being the whole: the lines below "Examples:" of its help.
fn examples() -> BTreeMap<String, Vec<String>> {
    let of = |name: &str| {
        let args: Vec<&str> = [name, "--help"].into_iter().filter(|arg| !arg.is_empty()).collect();
        let help = said(&args);
        let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_else(|| panic!("`{name}` has no examples"));
        let lines = examples.lines().take_while(|line| line.starts_with("  "));
        let lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
        assert!(!lines.is_empty(), "`{name}` has no examples");
        assert!(lines.iter().all(|line| line.contains("rmap-diff")), "each on one line: {lines:?}");
        (name.to_owned(), lines)
    };
    std::iter::once(String::new()).chain(commands()).map(|name| of(&name)).collect()
}

/// A directory in which the files lie that examples speak of (the traces are one that finds something), and `bin` with the command and what shows text.
fn place(finds: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = |name: &str| dir.path().join(name);
    for made in ["fuzz/seeds", "fuzz/artifacts/differential", "bin", "tests", "man"] {
        fs::create_dir_all(path(made)).unwrap();
    }
    for seed in fs::read_dir(root.join("fuzz/seeds")).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&seed, path("fuzz/seeds").join(seed.file_name().unwrap())).unwrap();
    }
    for trace in ["crash.trace", "divergence.trace"] {
        fs::copy(finds, path(trace)).unwrap();
    }
    fs::write(path("fuzz/artifacts/differential/crash-0123"), [1; 100]).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rmap-diff"), path("bin/rmap-diff")).unwrap();
    for pager in ["less", "man"] {
        fs::write(path("bin").join(pager), "#!/bin/sh\nexec cat >/dev/null\n").unwrap();
        fs::set_permissions(path("bin").join(pager), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    dir
}

/// A trace with which something is found on a reference, if nothing is known of it.
fn finds_on(kernel: &str) -> PathBuf {
    let known = KnownFindings::read(None).unwrap().of(kernel, reference(kernel).version);
    let first = known.first().unwrap_or_else(|| panic!("{kernel} has no known finding"));
    Path::new(env!("CARGO_MANIFEST_DIR")).join("findings").join(&first.trace)
}

/// Commands whose examples are parsed and not run; their own tests run them.
const TOO_LONG: &[&str] = &["exhaust", "review", "prove", "ground-truth"];

#[test]
fn every_example_of_the_help_works() {
    let path = std::env::var("PATH").unwrap();
    let newest = reference(NEWEST).name;
    for (name, lines) in examples() {
        for line in lines {
            let kernel = if line.contains("--kernel 6.12") { "6.12" } else { newest };
            let dir = place(&finds_on(kernel));
            // The newest reference moves on, and its name with it.
            let run = line.replace("--kernel 7.3", &format!("--kernel {newest}"));
            // What takes minutes, a reference of one's own or a kernel image is parsed: an option that is not known comes first.
            let run = if TOO_LONG.contains(&name.as_str()) { format!("{run} --help >/dev/null") } else { run };
            let mut bash = Command::new("bash");
            // crash.trace is one that finds something.
            match name.as_str() {
                "known" => bash.env_remove("RMAP_KNOWN"),
                _ => bash.env("RMAP_KNOWN", "none"),
            };
            let output = bash
                .args(["-o", "pipefail", "-c", &run])
                .current_dir(dir.path())
                .env("PATH", format!("{}:{path}", dir.path().join("bin").display()))
                .env_remove("RMAP_KERNEL")
                .env_remove("RMAP_DRIVER")
                .env_remove("RMAP_VMA")
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 1)), "`{name}`: {line}: {stderr}");
            assert!(!stderr.contains("panicked") && !stderr.contains("error:"), "{line}: {stderr}");
        }
    }
}

#[test]
fn completions_know_every_command_and_the_shells_accept_them() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&["completions", shell]);
        for name in commands() {
            assert!(script.contains(&name), "{shell}: {name}");
        }
        assert!(script.contains("--kernel") || script.contains("kernel"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rmap-diff.bash");
    fs::write(&file, said(&["completions", "bash"])).unwrap();
    let complete = |words: &str| {
        let script = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); $(complete -p rmap-diff | sed 's/.*-F \\([^ ]*\\).*/\\1/') rmap-diff \
             \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[@]}}\"",
            file.display()
        );
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("rmap-diff sh"), "show");
    assert_eq!(complete("rmap-diff show --as ''"), "text svg html");
    assert_eq!(complete("rmap-diff reproduce --as ''"), "c test text");
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("deep/man1");
    assert_eq!(said(&["man", "-o", out.to_str().unwrap()]), "");
    let mut pages: Vec<String> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    let mut wanted: Vec<String> = commands().iter().map(|name| format!("rmap-diff-{name}.1")).collect();
    wanted.push("rmap-diff.1".to_owned());
    wanted.sort();
    assert_eq!(pages, wanted);
    for page in &pages {
        let text = fs::read_to_string(out.join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains("Examples:"), "{page}: {text}");
    }
    assert_eq!(said(&["man"]), fs::read_to_string(out.join("rmap-diff.1")).unwrap());
    let show = fs::read_to_string(out.join("rmap-diff-show.1")).unwrap();
    assert!(show.contains("rmap\\-diff\\-show") && show.contains("\\-\\-as"), "{show}");
}
