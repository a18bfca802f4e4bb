//! Which failures an operation can meet, on two references that allocate in another order, or more or less.
//!
//! In a review `fail=N` counts neither side's attempts but the operation's failures, from 1: the sites of the first
//! reference in its order, then those that the second alone has, each failing for good; then the attempts, of either, that may not sleep,
//! each failing alone. A number beyond them fails nothing.

use super::observed::{Attempt, Observed, Site};
use crate::rmap::Fail;

/// One failure of an operation, on both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Where.
    pub site: Site,
    /// Only the first attempt fails, which may not sleep.
    pub once: bool,
    /// Which attempts of either side fail; none: it does not allocate there.
    pub fails: [Option<Fail>; 2],
}

/// The attempts of both sides, each with its counterpart: the same site; else, of those that have none, the next of the
/// same cache, function and process, for a kernel may split a VMA the other way round. In the order of the first side, then what the
/// second has alone.
pub fn paired(base: &[Attempt], changed: &[Attempt]) -> Vec<[Option<Attempt>; 2]> {
    let mut left: Vec<Attempt> = changed.to_vec();
    let mut take = |wanted: &dyn Fn(&Attempt) -> bool| left.iter().position(wanted).map(|at| left.remove(at));
    let mut pairs: Vec<[Option<Attempt>; 2]> =
        base.iter().map(|own| [Some(*own), take(&|other| other.site == own.site)]).collect();
    for pair in &mut pairs {
        if let [Some(own), other @ None] = pair {
            let process = |site: &Site| site.place.map(|(mm, _)| mm);
            let kind = |site: &Site| (site.cache, site.function, process(site));
            *other = take(&|other| kind(&other.site) == kind(&own.site));
        }
    }
    pairs.extend(left.into_iter().map(|other| [None, Some(other)]));
    pairs
}

/// Every failure of an operation of which this is what either side does if nothing fails.
pub fn failures(observed: [&Observed; 2]) -> Vec<Failure> {
    let attempts = observed.map(|observed| &observed.attempts[..]);
    let pairs = paired(attempts[0], attempts[1]);
    let failure = |pair: &[Option<Attempt>; 2], once: bool| {
        let [base, changed] = pair.map(|attempt| attempt.map(|attempt| attempt.site));
        let fails = [(0, base), (1, changed)].map(|(side, site)| attempts_to_fail(attempts[side], site?, once));
        Some(Failure { site: base.or(changed)?, once, fails })
    };
    let for_good = pairs.iter().filter_map(|pair| failure(pair, false));
    let once = pairs.iter().filter_map(|pair| failure(pair, true)).filter(|failure| failure.fails != [None; 2]);
    for_good.chain(once).collect()
}

fn attempts_to_fail(attempts: &[Attempt], site: Site, once: bool) -> Option<Fail> {
    let at = attempts.iter().position(|attempt| attempt.site == site)?;
    let number = u16::try_from(at + 1).ok()?;
    match (attempts[at].is_atomic(), once) {
        (true, true) | (false, false) => Some(Fail::nth(number)),
        // The attempt that follows one which may not sleep is the same again.
        (true, false) => Fail::new(&[number, number.checked_add(1)?], None).ok(),
        (false, true) => None,
    }
}

/// The failure that an operation of a trace asks for. Of a list the first counts.
pub fn chosen(fail: &Fail, failures: &[Failure]) -> Option<Failure> {
    let number = fail.list().next().or(fail.from())?;
    failures.get(usize::from(number) - 1).copied()
}
