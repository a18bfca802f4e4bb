//! Old spellings of the command line: each is accepted, says what it is now, and does the same as the new one.
//!
//! Needs the references as `make test` brings them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const HINT: &str = "rmap-diff: `";

fn rmap_diff(dir: &Path, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    for variable in ["RMAP_KERNEL", "RMAP_KNOWN", "RMAP_DRIVER", "RMAP_VMA"] {
        command.env_remove(variable);
    }
    command.args(args).envs(variables.iter().copied()).env("NO_COLOR", "1").current_dir(dir);
    command.stdin(Stdio::null()).output().unwrap()
}

/// A directory with `a.trace`.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/siblings.trace");
    fs::copy(seed, dir.path().join("a.trace")).unwrap();
    dir
}

/// Runs the old and the new words, each in a directory of its own, and compares the status, what is said, and the file that is
/// written.
fn same(old: (&[&str], &[(&str, &str)]), new: (&[&str], &[(&str, &str)]), hint: &str) {
    let (old_dir, new_dir) = (place(), place());
    let was = rmap_diff(old_dir.path(), old.0, old.1);
    let is = rmap_diff(new_dir.path(), new.0, new.1);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // How fast it went is another matter.
    let steady = |bytes: &[u8]| {
        let fast = |word: &&str| word.ends_with("/s") || word.parse::<f64>().is_ok();
        text(bytes).split_whitespace().filter(|word| !fast(word)).collect::<Vec<_>>().join(" ")
    };
    let said = text(&was.stderr);
    assert_eq!(was.status.code(), is.status.code(), "{old:?}: {said}{}", text(&is.stderr));
    assert!(matches!(was.status.code(), Some(0 | 1 | 3)), "{old:?}: {said}");
    assert_eq!(steady(&was.stdout), steady(&is.stdout), "{old:?}");
    let (hints, rest): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| line.starts_with(HINT));
    assert_eq!(hints, [format!("rmap-diff: {hint}")], "{old:?}");
    assert_eq!(rest, text(&is.stderr).lines().collect::<Vec<_>>(), "{old:?}");
    let out = |dir: &tempfile::TempDir| fs::read(dir.path().join("out")).ok();
    assert_eq!(out(&old_dir), out(&new_dir), "{old:?}");
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
fn every_old_option_says_what_it_is_now_and_does_the_same() {
    for (old, new, hint) in [
        (
            "run a.trace --kernel 6.12 --side c",
            "run a.trace --kernel 6.12 --side kernel",
            "`--side c` is now `--side kernel`",
        ),
        (
            "run a.trace --kernel 6.12 --side rust",
            "run a.trace --kernel 6.12 --side port",
            "`--side rust` is now `--side port`",
        ),
        (
            "run a.trace --kernel 6.12 --driver rust --json",
            "run a.trace --kernel 6.12 --vma model --json",
            "`--driver rust` is now `--vma model`",
        ),
        (
            "run a.trace --kernel 6.12 --driver=kernel --dump json",
            "run a.trace --kernel 6.12 --vma=kernel --dump json",
            "`--driver kernel` is now `--vma kernel`",
        ),
        (
            "show a.trace --kernel 6.12 --svg out",
            "show a.trace --kernel 6.12 --as svg -o out",
            "`--svg out` is now `--as svg -o out`",
        ),
        (
            "show a.trace --kernel 6.12 --html out",
            "show a.trace --kernel 6.12 --as html -o out",
            "`--html out` is now `--as html -o out`",
        ),
        ("convert a.trace out", "convert a.trace -o out", "`convert a.trace out` is now `convert a.trace -o out`"),
        (
            "random --kernel 6.12 --ops 500 --save out",
            "random --kernel 6.12 --ops 500 -o out",
            "`--save out` is now `-o out`",
        ),
        (
            "exhaust --kernel 6.12 --procs 2 --pages 1 --depth 3 --ops map,fault,fork",
            "exhaust --kernel 6.12 --procs 2 --pages 1 --depth 3 --only map,fault,fork",
            "`--ops map,fault,fork` is now `--only map,fault,fork`",
        ),
        (
            "review 6.12 6.12 --vma model --procs 2 --pages 1 --depth 3 --ops 100 --search-ops map,fault",
            "review 6.12 6.12 --vma model --procs 2 --pages 1 --depth 3 --ops 100 --only map,fault",
            "`--search-ops map,fault` is now `--only map,fault`",
        ),
    ] {
        same((&words(old), &[]), (&words(new), &[]), hint);
    }
}

#[test]
fn the_old_variable_says_what_it_is_now_and_does_the_same() {
    let run = words("run a.trace --kernel 6.12 --json");
    let hint = "`RMAP_DRIVER=rust` is now `RMAP_VMA=model`";
    same((&run, &[("RMAP_DRIVER", "rust")]), (&run, &[("RMAP_VMA", "model")]), hint);

    let dir = place();
    let both = rmap_diff(dir.path(), &run, &[("RMAP_DRIVER", "rust"), ("RMAP_VMA", "kernel")]);
    assert!(both.stderr.is_empty() && String::from_utf8_lossy(&both.stdout).contains("kernel driver"));
}

#[test]
fn kernels_still_prints_the_old_word_for_scripts_that_compare_it() {
    let dir = place();
    for (option, word) in [("--driver", "kernel\n"), ("--vma", "pages\n")] {
        let output = rmap_diff(dir.path(), &["kernels", option, "6.12"], &[]);
        assert_eq!((output.status.code(), output.stdout), (Some(0), word.as_bytes().to_vec()));
        assert_eq!(String::from_utf8_lossy(&output.stderr).starts_with(HINT), option == "--driver");
    }
}

#[test]
fn no_help_and_no_completion_has_an_old_word() {
    let dir = place();
    let said = |args: &[&str]| String::from_utf8(rmap_diff(dir.path(), args, &[]).stdout).unwrap();
    let mut texts: Vec<String> = ["run", "random", "exhaust", "review", "show", "convert", "kernels", "ground-truth"]
        .map(|command| said(&[command, "--help"]))
        .into();
    texts.push(said(&["--help"]));
    // The option that prints an old word is hidden, which completions do not heed.
    let completions = said(&["completions", "fish"]);
    texts.extend(completions.lines().filter(|line| !line.contains("The old spelling")).map(str::to_owned));
    for text in texts {
        for old in ["--driver", "--svg", "--html", "--save", "--search-ops", "RMAP_DRIVER", " -l driver", "but for"] {
            assert!(!text.contains(old), "{old}: {text}");
        }
    }
}

#[test]
fn make_takes_the_old_variable_with_a_hint() {
    let make = |variable: &str| {
        let root = env!("CARGO_MANIFEST_DIR");
        let mut make = Command::new("make");
        make.args(["-n", "review", "BASE=6.12", "CHANGED=7.2", variable]).current_dir(root);
        make.env_remove("DRIVER").env_remove("VMA").output().unwrap()
    };
    let (old, new) = (make("DRIVER=rust"), make("VMA=model"));
    assert!(old.status.success() && new.status.success());
    assert_eq!(old.stdout, new.stdout);
    assert!(String::from_utf8_lossy(&new.stdout).contains("--vma \"model\""));
    assert!(String::from_utf8_lossy(&old.stderr).contains("`DRIVER=rust` is now `VMA=model`"));
    assert!(!String::from_utf8_lossy(&new.stderr).contains("is now"));
}

#[test]
fn a_rate_of_failures_counts_wherever_operations_are_random() {
    let dir = place();
    let review = |rate: &str| {
        let args = format!("review 6.12 6.12 --vma model --depth 0 --ops 2000 --json --fail-rate {rate}");
        let output = rmap_diff(dir.path(), &words(&args), &[]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    };
    review("0");
    review("0.5");
    for command in ["random --ops 1", "review 6.12 6.12", "mutants", "ground-truth --image x --agent x"] {
        let output = rmap_diff(dir.path(), &words(&format!("{command} --fail-rate 1.5")), &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains("from 0 to 1"), "{command}: {said}");
    }
}
