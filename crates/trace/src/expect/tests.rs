//! Tests of what expectations are about.

use super::*;

fn about(condition: &str, version: &str) -> bool {
    let text = format!("exit p0\nexpect[{condition}] p0: nothing\n");
    text.parse::<Trace>().unwrap_or_else(|error| panic!("{condition}: {error}")).expectations[0].is_of(version)
}

#[test]
fn a_beginning_of_a_version_ends_at_a_dot() {
    for (condition, version, is) in [
        ("7.", "7.3.4", true),
        ("7", "7.3.4", true),
        ("7.", "6.7.4", false),
        ("7.3", "7.3.4", true),
        ("7.3.", "7.3", true),
        ("7.3", "7.30.1", false),
        ("7.3", "7.3.0-rc2", true),
        ("7.3.4", "7.3.4", true),
        ("7.3.4", "7.3.40", false),
        ("6.1", "6.12.1", false),
    ] {
        assert_eq!(about(condition, version), is, "{condition} of {version}");
    }
}

#[test]
fn a_range_includes_its_start_and_not_its_end() {
    for (condition, version, is) in [
        ("6.16..", "6.16", true),
        ("6.16..", "6.16.0", true),
        ("6.16..", "6.16.0-rc1", true),
        ("6.16..", "6.15.11", false),
        ("6.16..", "7.3.4", true),
        ("..6.16", "6.15.11", true),
        ("..6.16", "6.16.0", false),
        ("..6.16", "6.9.1", true),
        ("6.12..7.1", "7.0.9", true),
        ("6.12..7.1", "7.1", false),
        ("6.12.5..6.12.7", "6.12.6", true),
        ("6.12.5..6.12.7", "6.12.7", false),
    ] {
        assert_eq!(about(condition, version), is, "{condition} of {version}");
    }
}

#[test]
fn any_of_a_list_is_enough_and_no_condition_is_every_version() {
    assert!(about("6.1,7.", "6.1.99") && about("6.1,7.", "7.0") && !about("6.1,7.", "6.12"));
    assert!("exit p0\nexpect p0: nothing".parse::<Trace>().unwrap().expectations[0].is_of("4.19.1"));
}

#[test]
fn only_what_is_said_of_a_vma_is_compared() {
    let said = Properties::default().with("ro").unwrap().with("!locked").unwrap();
    assert!(said.hold(0) && said.hold(VmaAttributes::GROWSDOWN | Properties::FILE));
    assert!(!said.hold(VmaAttributes::WRITE) && !said.hold(VmaAttributes::LOCKED));
    assert_eq!(said.truth(VmaAttributes::WRITE | VmaAttributes::GROWSDOWN).to_string(), "[rw,!locked]");
    assert!(Properties::default().hold(u64::MAX));
}

#[test]
fn a_trace_of_a_version_keeps_what_is_about_it() {
    let text = "exit p0\nexpect[..6.16] p1: nothing\nexpect[6.16..] p2: nothing\nexit p1\nexpect p3: nothing\n";
    let trace: Trace = text.parse().unwrap();
    let left = |version| trace.of_version(version).expectations.iter().map(|left| left.mm.0).collect::<Vec<_>>();
    assert_eq!((left("6.1.4"), left("7.3.4")), (vec![1, 3], vec![2, 3]));
    assert_eq!(trace.of_version("6.1").ops, trace.ops);
    assert_eq!(trace.first(1).to_string(), text.lines().take(3).map(|line| format!("{line}\n")).collect::<String>());
    assert_eq!((trace.expectations_after(1).len(), trace.expectations_after(2).len()), (2, 1));
    assert_eq!(trace.expectations_after(3), []);
}
