//! The checks on a side that does the real work: the port, sane and with a defect of the past.

use crate::check::{FindingKind, Lockstep, Sides, Solo, run_trace};
use crate::mm::SmallDriver;
use crate::port::Port;
use crate::rmap::Revision;
use crate::trace::{Mix, Rng, Trace, parse, random_trace};

fn traces(mix: &Mix) -> impl Iterator<Item = Trace> + '_ {
    (0..60).map(move |seed| random_trace(&mut Rng::new(seed), 150, mix))
}

#[test]
fn every_generation_keeps_every_invariant() {
    let failing = Mix { fail_per_mille: 300, ..Mix::default() };
    for (name, revision) in Revision::GENERATIONS {
        let mut alone = Solo::solo(Port::new(*revision), Sides::Port);
        let mut driver = SmallDriver::new();
        for mix in [&Mix::default(), &failing, &Mix::fork_heavy(), &Mix::wide()] {
            for trace in traces(mix) {
                let result = run_trace(&mut alone, &mut driver, &trace);
                assert_eq!(result.finding, None, "{name}:\n{trace}");
                assert!(result.stats.lockstep.calls > 0);
            }
        }
    }
}

#[test]
fn a_side_agrees_with_itself_and_generations_differ() {
    let [old, new] = ["6.12", "7.3"].map(|name| Revision::of_generation(name).unwrap());
    let mut driver = SmallDriver::new();
    let mut same = Lockstep::new(Port::new(new), Port::new(new));
    let mut other = Lockstep::new(Port::new(old), Port::new(new));
    let mut differences = 0;
    for trace in traces(&Mix::default()) {
        assert_eq!(run_trace(&mut same, &mut driver, &trace).finding, None);
        let finding = run_trace(&mut other, &mut driver, &trace).finding;
        differences += u32::from(matches!(finding.map(|f| f.kind), Some(FindingKind::Divergence(_))));
    }
    assert!(differences > 30, "{differences}");
}

/// 3a206a8649f8: `cleanup_partial_anon_vmas()` left `vma->anon_vma` set.
#[test]
fn an_anon_vma_left_by_a_failed_clone_is_seen() {
    let revision = Revision { cleanup_clears_anon_vma: false, ..Revision::of_generation("7.3").expect("a generation") };
    let trace = parse("map p0 0x10..0x18\nfault p0 0x12\nunmap p0 0x12..0x14 fail=2\n").unwrap();
    let mut alone = Solo::solo(Port::new(revision), Sides::Port);
    let finding = run_trace(&mut alone, &mut SmallDriver::new(), &trace).finding.expect("nothing found");
    assert_eq!(finding.signature(), "violate I10 failed call left vma->anon_vma after anon_vma_clone");
    assert_eq!(finding.operation, 3);
    // And a lockstep of two sides with the same defect blames both.
    let mut both = Lockstep::new(Port::new(revision), Port::new(revision));
    let finding = run_trace(&mut both, &mut SmallDriver::new(), &trace).finding.expect("nothing found");
    assert_eq!(finding.side(), Sides::Both);
}
