//! What an operation did, in words that two references share: its allocations by site, its locks, its flushes of TLBs, what it
//! counted, the VMAs that it handed to `unlink_anon_vmas()` half-built.

use std::collections::BTreeMap;

use super::calls::{Calls, Made, Place};
use crate::rmap::{Cache, Call, Event, EventKind, Function, Gfp, NodeStat};

/// Where the kernel allocates: what, for which VMA, in which function, and its ordinal at that site.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Site {
    /// What is allocated.
    pub cache: Cache,
    /// The innermost function of the reverse map around it, if any.
    pub function: Option<Function>,
    /// For which VMA.
    pub place: Option<Place>,
    /// How many of the same came before in the operation.
    pub nth: u32,
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} #{}", self.cache, self.nth + 1)?;
        if let Some(function) = self.function {
            write!(f, " of {function}()")?;
        }
        if let Some((mm, page)) = self.place {
            write!(f, " for the VMA of {mm} at {page:#x}")?;
        }
        Ok(())
    }
}

/// One attempt to allocate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// Where.
    pub site: Site,
    /// How.
    pub gfp: u16,
    /// Whether it had something.
    pub succeeded: bool,
}

impl Attempt {
    /// Whether it may not sleep, so that the kernel may try again.
    pub fn is_atomic(&self) -> bool {
        self.gfp & Gfp::DIRECT_RECLAIM == 0
    }
}

/// What an operation did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Observed {
    /// Its attempts, in order.
    pub attempts: Vec<Attempt>,
    /// Locks and unlocks of roots, in order, the roots numbered as they are first met.
    pub locks: Vec<(EventKind, u8, u32)>,
    /// Flushes of TLBs, in order. An event of these names processes and pages, which both references number alike.
    pub flushes: Vec<Event>,
    /// By how much each statistic of the node has changed, unless it is as before.
    pub statistics: BTreeMap<NodeStat, i64>,
    /// From which functions `unlink_anon_vmas()` was handed a VMA with a chain and no anon_vma.
    pub partial_unlinks: Vec<Option<Function>>,
}

impl Observed {
    /// Of the last operation of a side.
    pub fn of(calls: &Calls) -> Observed {
        let mut observed = Observed::default();
        let mut roots: Vec<u32> = Vec::new();
        for (made, events) in calls.made() {
            let mut around: Vec<Option<Function>> = Vec::new();
            for event in events {
                match event.kind() {
                    Some(EventKind::Enter) => {
                        let function = Function::from_u8(event.arg);
                        if function == Some(Function::Unlink) && event.flags == Event::HAS_CHAIN {
                            observed.partial_unlinks.push(around.last().copied().flatten());
                        }
                        around.push(function);
                    }
                    Some(EventKind::Exit) => {
                        around.pop();
                    }
                    Some(EventKind::Alloc) => {
                        let function = around.last().copied().flatten().or_else(|| outermost(made));
                        observed.attempt(event, function, made.place);
                    }
                    Some(
                        kind @ (EventKind::DownWrite
                        | EventKind::UpWrite
                        | EventKind::DownRead
                        | EventKind::UpRead
                        | EventKind::Trylock),
                    ) => {
                        let root = roots.iter().position(|&known| known == event.object).unwrap_or_else(|| {
                            roots.push(event.object);
                            roots.len() - 1
                        });
                        observed.locks.push((kind, event.arg, root as u32));
                    }
                    Some(EventKind::Flush) => observed.flushes.push(*event),
                    Some(EventKind::Stat) => {
                        if let Some(stat) = NodeStat::from_u8(event.arg) {
                            *observed.statistics.entry(stat).or_default() += i64::from(event.object.cast_signed());
                        }
                    }
                    _ => {}
                }
            }
        }
        observed.statistics.retain(|_, change| *change != 0);
        observed
    }

    fn attempt(&mut self, event: &Event, function: Option<Function>, place: Option<Place>) {
        let Some(cache) = Cache::from_u8(event.arg) else { return };
        let like = |site: &Site| site.cache == cache && site.function == function && site.place == place;
        // An attempt after one that failed is the same once more.
        let nth = self.attempts.iter().filter(|attempt| attempt.succeeded && like(&attempt.site)).count() as u32;
        let site = Site { cache, function, place, nth };
        self.attempts.push(Attempt { site, gfp: event.flags, succeeded: event.object != Event::NONE });
    }
}

/// The function that a call of the reverse map is, for a side that tells no [`EventKind::Enter`] of the outermost.
fn outermost(made: &Made) -> Option<Function> {
    match made.call? {
        Call::AnonVmaPrepare { .. } => Some(Function::Prepare),
        Call::AnonVmaClone { .. } => Some(Function::Clone),
        Call::AnonVmaFork { .. } => Some(Function::Fork),
        Call::UnlinkAnonVmas { .. } => Some(Function::Unlink),
        _ => None,
    }
}
