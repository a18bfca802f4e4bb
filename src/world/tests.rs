use super::{Symmetry, World};
use crate::check::{Lockstep, NoPort, Sides, play_trace};
use crate::mm::SmallDriver;
use crate::port::Port;
use crate::rmap::Revision;

/// The state of the port after a trace.
fn after(text: &str) -> World {
    let revision = Revision::of_generation("6.12").unwrap();
    let mut solo: Lockstep<Port, NoPort> = Lockstep::solo(Port::new(revision), Sides::Port);
    let mut driver = SmallDriver::new();
    play_trace(&mut solo, &mut driver, &text.parse().unwrap(), |_, _, _, _| {});
    assert!(solo.finding().is_none(), "{:?}", solo.finding());
    World::of(&mut solo, &mut driver).unwrap()
}

fn keys(text: &str) -> [u128; 2] {
    let world = after(text);
    [Symmetry::Processes, Symmetry::None].map(|symmetry| world.key(symmetry))
}

const BASE: &str = "map p0 0..2\nfault p0 0\nfork p0 p1\n";

#[test]
fn renamed_processes_are_one_state_and_only_with_that_symmetry() {
    let [a, exact_a] = keys(&format!("{BASE}fork p1 p2\nfault p2 1\nexit p0\n"));
    let [b, exact_b] = keys("map p0 0..2\nfault p0 0\nfork p0 p2\nfork p2 p1\nfault p1 1\nexit p0\n");
    assert_eq!(a, b);
    assert_ne!(exact_a, exact_b);
}

#[test]
fn processes_that_nothing_local_tells_apart_are_told_apart_by_what_they_share() {
    // In both, all three look alike by themselves; who is whose child differs.
    let chain = keys(&format!("{BASE}fork p1 p2\n"))[0];
    let fan = keys(&format!("{BASE}fork p0 p2\n"))[0];
    assert_ne!(chain, fan);
}

#[test]
fn failed_and_undone_operations_leave_no_trace_in_the_key() {
    let plain = keys(BASE);
    assert_eq!(plain, keys("map p0 0..2\nfault p0 0\nfork p0 p1 fail=4\nfork p0 p1\n"));
    assert_eq!(plain, keys("map p0 0..2\nfault p0 0\nfork p0 p3\nexit p3\nfork p0 p1\n"));
}

#[test]
fn everything_that_a_later_operation_may_look_at_counts() {
    let all = [
        BASE.to_owned(),
        format!("{BASE}fault p0 1\n"),
        format!("{BASE}fault p1 0\n"),
        format!("{BASE}fault p0 0\n"),
        format!("{BASE}pin p0 0\n"),
        format!("{BASE}unmap p1 1..2\n"),
        format!("{BASE}map p1 2..3\n"),
        "map p0 1..3\nfault p0 1\nfork p0 p1\n".to_owned(),
        "map p0 0..2\nfork p0 p1\n".to_owned(),
        "map p0 0..2\nfault p0 0\nfork p0 p1\nexit p1\n".to_owned(),
    ];
    let keys: Vec<u128> = all.iter().map(|text| keys(text)[0]).collect();
    for (at, key) in keys.iter().enumerate() {
        assert!(!keys[..at].contains(key), "{} is not told apart", all[at]);
    }
}
