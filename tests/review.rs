//! `rmap-diff review`: what two references have alike, by themselves, from the compiled C.

mod common;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use common::{NEWEST, reference};
use serde_json::Value;

fn tool(args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmap-diff"));
    command
        .arg("review")
        .args(args)
        .env_remove("RMAP_DRIVER")
        .env_remove("RMAP_VMA")
        .env_remove("RMAP_KNOWN")
        .env("NO_COLOR", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The verdict as JSON, and the status.
fn review(base: &str, changed: &str, vma: &str, more: &[&str]) -> (Value, Option<i32>) {
    let output = tool(&[&[base, changed, "--vma", vma, "--json"], more].concat(), "");
    let said = String::from_utf8_lossy(&output.stdout);
    let value = serde_json::from_str(&said)
        .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr)));
    (value, output.status.code())
}

/// The classes, each with the operations of its smallest trace.
fn classes(verdict: &Value) -> Vec<(String, usize)> {
    let each = verdict["classes"].as_array().unwrap().iter();
    each.map(|class| (class["class"].as_str().unwrap().to_owned(), class["trace"].as_array().unwrap().len())).collect()
}

const SMALL: [&str; 8] = ["--procs", "3", "--pages", "2", "--depth", "6", "--ops", "6000"];

#[test]
fn a_reference_is_equivalent_to_itself() {
    for name in ["6.12", reference(NEWEST).name] {
        for vma in ["model", "kernel"] {
            let (verdict, status) = review(name, name, vma, &SMALL);
            assert_eq!((status, &verdict["verdict"]), (Some(0), &"equivalent".into()), "{verdict}");
            assert!(verdict["operations"].as_u64() > Some(10_000), "{verdict}");
        }
    }
}

#[test]
fn allocating_ahead_is_equivalent_but_for_what_it_allocates() {
    for vma in ["model", "kernel"] {
        let (verdict, status) = review("6.12", "6.12-fork-preallocates", vma, &SMALL);
        assert_eq!((status, &verdict["verdict"]), (Some(3), &"equivalent but for".into()), "{verdict}");
        let expected = [
            ("allocation order", 3),
            ("allocation count", 6),
            ("ENOMEM of 6.12-fork-preallocates where reuse would have succeeded", 6),
            // What the change is for. From anon_vma_clone() it still comes, as before.
            ("a partial VMA that anon_vma_fork() hands to unlink_anon_vmas(), in 6.12 alone", 3),
        ];
        assert_eq!(classes(&verdict), expected.map(|(class, ops)| (class.to_owned(), ops)), "{vma}");
    }
}

/// The patch itself on 6.12: `make test PATCH=FILE` adds it.
const PATCHED: &str = "6.12-patched";

#[test]
#[ignore = "needs the mail of the patch: make test PATCH=FILE"]
fn the_edits_of_the_derived_reference_do_what_the_patch_does() {
    let (derived, patched) = (reference("6.12-fork-preallocates"), reference(PATCHED));
    assert_eq!(derived.revision, patched.revision);
    for driver in ["rust", "kernel"] {
        let (verdict, status) = review(derived.name, patched.name, driver, &SMALL);
        assert_eq!((status, &verdict["verdict"]), (Some(0), &"equivalent".into()), "{verdict}");
        assert!(verdict["operations"].as_u64() > Some(10_000), "{verdict}");
    }
}

#[test]
fn the_series_changes_the_order_of_chains_and_the_choice_of_what_is_reused() {
    let newest = reference(NEWEST).name;
    let hierarchies = ["--procs", "5", "--pages", "1", "--depth", "9", "--ops", "5000"];
    let (verdict, status) = review("6.12", newest, "model", &hierarchies);
    assert_eq!((status, &verdict["verdict"]), (Some(3), &"equivalent but for".into()), "{verdict}");
    let classes = classes(&verdict);
    let ops = |class: &str| classes.iter().find(|(name, _)| name == class).map(|(_, ops)| *ops);
    assert_eq!(ops("chain order"), Some(4), "{classes:?}");
    // Two ancestors to choose from, in another order: five generations, two exits, a fork. Nothing shorter does.
    assert_eq!(ops("reuse choice"), Some(9), "{classes:?}");
    assert_eq!(ops("allocation flags"), Some(3), "{classes:?}");
}

/// With the kernel's own page-table code.
#[test]
fn page_tables_are_compared() {
    let scope = ["--procs", "2", "--pages", "2", "--depth", "5", "--ops", "20000"];
    let newest = reference(NEWEST).name;
    let (verdict, status) = review(newest, newest, "pages", &scope);
    assert_eq!((status, &verdict["verdict"]), (Some(0), &"equivalent".into()), "{verdict}");
    let (verdict, status) = review("6.12", "6.12-fork-preallocates", "pages", &scope);
    assert_eq!((status, &verdict["verdict"]), (Some(3), &"equivalent but for".into()), "{verdict}");
    // 7.3 drops the swap cache of a page that is one process's alone: do_swap_page(), mm/memory.c.
    let trace = "map p0 0..1\nfault p0 0\nswapout p0 0\nfault p0 0\n";
    let of = |changed: &str| tool(&["7.2", changed, "--vma", "pages", "--trace", "-"], trace);
    assert_eq!(of("7.2").status.code(), Some(0));
    let output = of(newest);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && said.contains("different folios"), "{said}");
    assert!(said.contains("in the swap cache"), "{said}");
}

#[test]
fn a_walk_that_ends_early_in_another_order_is_no_difference() {
    let trace = "map p0 0..2\nfault p0 0\nfork p0 p1\nmlock p0 0..1\nswapout p0 0\n";
    let output = tool(&["7.3", "7.3-updates-in-place", "--vma", "pages", "--trace", "-"], trace);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(3) && said.contains("order of a walk that ends early"), "{said}");
}

#[test]
fn fewer_flushes_that_leave_no_translation_are_another_flush_order() {
    // 7.x takes the entries of a folio out together, and puts off one flush for all; 6.12 does it page by page.
    let trace = "map p0 0..4\nfault p0 0 order 2\nlazyfree p0 0..4\nswapout p0 0\n";
    let newest = reference(NEWEST).name;
    let of = |base: &str| tool(&[base, newest, "--vma", "pages", "--trace", "-", "--json"], trace);
    let output = of("6.12");
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &verdict["verdict"]), (Some(3), &"equivalent but for".into()), "{verdict}");
    assert_eq!(classes(&verdict), [("flush order".to_owned(), 4)], "{verdict}");
    let detail = verdict["classes"][0]["detail"].as_str().unwrap();
    // The first that the other has not.
    assert!(detail.starts_with("flush p0 put off (flush 2 of"), "{detail}");
    let other = detail.split_once(" against ").map(|(_, other)| other.contains("flush p0 put off"));
    assert_eq!(other, Some(false), "{detail}");
    assert_eq!(of("7.2").status.code(), Some(0));
}

#[test]
fn other_merges_are_different_vmas() {
    let (verdict, status) = review("6.12", reference(NEWEST).name, "kernel", &["--depth", "0", "--ops", "20000"]);
    assert_eq!((status, &verdict["verdict"]), (Some(1), &"different".into()), "{verdict}");
    let found = classes(&verdict);
    assert!(found.iter().any(|(class, ops)| class == "VMAs" && *ops <= 5), "{found:?}");
}

#[test]
fn a_trace_of_a_verdict_shows_its_class_again() {
    let (verdict, _) = review("6.12", "6.12-fork-preallocates", "model", &["--depth", "0", "--ops", "20000"]);
    let all = verdict["classes"].as_array().unwrap();
    assert!(all.len() >= 4, "{verdict}");
    for class in all {
        let lines: Vec<&str> = class["trace"].as_array().unwrap().iter().map(|op| op.as_str().unwrap()).collect();
        let output = tool(&["6.12", "6.12-fork-preallocates", "--vma", "model", "--trace", "-"], &lines.join("\n"));
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(class["class"].as_str().unwrap()), "{class}\n{said}");
    }
}

#[test]
fn nonsense_is_refused() {
    for args in [
        &["6.12", "no-such"][..],
        &["6.12"],
        &["6.12", "6.12", "--procs", "3"],
        &["6.12", "6.12", "--vma", "model", "--only", "move"],
        &["6.12", "6.12", "--only", "wander"],
        &["6.12", "6.12", "--vma", "kernel", "--only", "swapout"],
    ] {
        assert_eq!(tool(args, "").status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn the_traces_of_a_review_are_kept_and_replayed_and_the_last_line_has_the_status() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("traces");
    let scope = ["--vma", "model", "--depth", "4", "--ops", "3000", "-o", out.to_str().unwrap()];
    let output = tool(&[&["6.12", "6.12-fork-preallocates"][..], &scope].concat(), "");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let last = said.lines().last().unwrap();
    let wanted = ["review: 6.12 and 6.12-fork-preallocates: equivalent except for: ", "(exit status 3, ", "no error"];
    assert!(wanted.iter().all(|part| last.contains(part)), "{last}");

    let replays: Vec<&str> =
        said.lines().filter_map(|line| line.trim().strip_prefix("replay: rmap-diff review ")).collect();
    assert!(!replays.is_empty() && replays.len() == std::fs::read_dir(&out).unwrap().count(), "{said}");
    let output = tool(&shlex::split(replays[0]).unwrap().iter().map(String::as_str).collect::<Vec<_>>(), "");
    let replayed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{replayed}");
    assert!(replayed.contains("operations of the trace") && !replayed.contains("random"), "{replayed}");
    // The class that it was kept for is there.
    let class = said.lines().find(|line| line.ends_with("times)") || line.ends_with("(once)")).unwrap();
    let class = class.rsplit_once(" (").unwrap().0;
    assert!(replayed.contains(class), "{class}: {replayed}");
}

/// Operations that run together, under every schedule with two preemptions.
const TOGETHER: [&str; 10] = ["--procs", "2", "--pages", "1", "--depth", "3", "--time", "0", "--together", "2"];

#[test]
fn operations_together_come_to_the_same_ends_on_a_reference_and_itself() {
    for name in ["6.12", reference(NEWEST).name] {
        let (verdict, status) = review(name, name, "pages", &TOGETHER);
        assert_eq!((status, &verdict["verdict"]), (Some(0), &"equivalent".into()), "{verdict}");
        assert!(verdict["together"]["schedules"].as_u64() > Some(20_000), "{verdict}");
    }
}

/// A trace of more preemptions than are asked for: both references come to its end.
#[test]
fn a_section_of_more_preemptions_than_are_asked_for_ends_as_it_does_on_the_same_reference() {
    let newest = reference(NEWEST).name;
    let text = "\
map p0 0x10..0x11
fault p0 0x10
together
  walk p0 0x10
  swapout p0 0x10
  at a step 2 b
end
";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.trace");
    std::fs::write(&file, text).unwrap();
    let given = ["--trace", file.to_str().unwrap(), "--preemptions", "0"];
    let (verdict, status) = review(newest, newest, "pages", &given);
    assert_eq!((status, &verdict["verdict"]), (Some(0), &"equivalent".into()), "{verdict}");
}

/// In 7.x who walks the mappings of an anonymous folio has it locked: whoever comes in between finds it locked, and leaves it alone.
#[test]
fn a_folio_that_is_walked_is_locked_since_the_series() {
    let newest = reference(NEWEST).name;
    let scope =
        ["--procs", "1", "--pages", "1", "--depth", "3", "--time", "0", "--together", "2", "--preemptions", "1"];
    let (verdict, status) = review("6.12", newest, "pages", &scope);
    assert_eq!((status, &verdict["verdict"]), (Some(1), &"different".into()), "{verdict}");
    let classes = verdict["classes"].as_array().unwrap();
    let different: Vec<&Value> = classes.iter().filter(|class| class["verdict"] == "different").collect();
    assert!(
        different.iter().any(|class| class["detail"].as_str().unwrap().contains("refused with EBUSY")),
        "{verdict}"
    );
    for class in &different {
        let text = class["class"].as_str().unwrap();
        assert!(
            (text.contains("walk") || text.contains("age")) && text.ends_with("the base does not come to"),
            "{class}"
        );
    }
    // The schedule is in the trace, which shows it again.
    let lines: Vec<&str> = different[0]["trace"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(lines.iter().any(|line| line.starts_with("  at ")), "{verdict}");
    let output = tool(&["6.12", newest, "--vma", "pages", "--trace", "-"], &(lines.join("\n") + "\n"));
    let said = String::from_utf8_lossy(&output.stdout);
    let class = different[0]["class"].as_str().unwrap();
    assert!(output.status.code() == Some(1) && said.contains(class), "{said}");
}
