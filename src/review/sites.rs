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

/// Every failure of an operation of which this is what either side does if nothing fails.
pub fn failures(observed: [&Observed; 2]) -> Vec<Failure> {
    let [base, changed] = observed.map(|observed| &observed.attempts[..]);
    let others = changed.iter().filter(|attempt| base.iter().all(|own| own.site != attempt.site));
    let sites: Vec<Site> = base.iter().chain(others).map(|attempt| attempt.site).collect();
    let failure = |site: Site, once: bool| Failure {
        site,
        once,
        fails: [base, changed].map(|attempts| attempts_to_fail(attempts, site, once)),
    };
    let for_good = sites.iter().map(|&site| failure(site, false));
    let once = sites.iter().map(|&site| failure(site, true)).filter(|failure| failure.fails != [None; 2]);
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
