//! What both sides did in an operation, on the way to their states.

use std::collections::BTreeMap;

use super::{Pair, or_none};
use crate::review::class::{BenignDifference, Class, PairSide};
use crate::review::observed::Observed;
use crate::review::sites;
use crate::rmap::{Event, EventKind, Gfp, NodeStat, Side};

impl<S: Side> Pair<S> {
    pub(super) fn compare_attempts(&mut self, observed: &[Observed; 2]) {
        let [base, changed] = observed.each_ref().map(|observed| &observed.attempts[..]);
        if base == changed {
            return;
        }
        let pairs = sites::paired(base, changed);
        let alone = |side: usize| -> Vec<String> {
            let alone = pairs.iter().filter(|pair| pair[1 - side].is_none());
            alone.filter_map(|pair| Some(pair[side]?.site.to_string())).collect()
        };
        let [ours, theirs] = [alone(0), alone(1)];
        if !ours.is_empty() || !theirs.is_empty() {
            let (ours, theirs) = (or_none(ours.join(", ")), or_none(theirs.join(", ")));
            self.note(Class::Except(BenignDifference::AllocationCount), || {
                format!("{} and {}; the first alone: {ours}; the second alone: {theirs}", base.len(), changed.len())
            });
        }
        // What both make can be in another order, and for another VMA.
        let both = |side: usize| {
            let all = [base, changed][side].iter();
            let both = all
                .filter(|attempt| pairs.iter().any(|pair| pair[side] == Some(**attempt) && pair[1 - side].is_some()));
            both.map(|attempt| attempt.site).collect::<Vec<_>>()
        };
        if let Some((a, b)) = both(0).iter().zip(&both(1)).find(|(a, b)| a != b) {
            self.note(Class::Except(BenignDifference::Allocation), || format!("{a} comes where the second has {b}"));
        }
        let other = pairs.iter().find_map(|pair| match pair {
            [Some(a), Some(b)] if a.gfp != b.gfp => Some((a, b)),
            _ => None,
        });
        if let Some((a, b)) = other {
            let detail = format!("{}: {} and {}", a.site, Gfp::name(a.gfp), Gfp::name(b.gfp));
            self.note(Class::Except(BenignDifference::AllocationFlags), || detail);
        }
    }

    pub(super) fn compare_locks(&mut self, observed: &[Observed; 2]) {
        let [base, changed] = observed.each_ref().map(|observed| &observed.locks);
        if base != changed {
            let text = |locks: &[(EventKind, u8, u32)]| {
                let each = locks.iter().map(|(kind, _, root)| format!("{kind} root{root}"));
                or_none(each.collect::<Vec<_>>().join(", "))
            };
            let detail = format!("{} against {}", text(base), text(changed));
            self.note(Class::Except(BenignDifference::Lock), || detail);
        }
    }

    /// The states are the same and no invariant is broken, so no side has left a translation to what is gone.
    pub(super) fn compare_flushes(&mut self, observed: &[Observed; 2]) {
        let [base, changed] = observed.each_ref().map(|observed| &observed.flushes);
        if base != changed {
            self.note(Class::Except(BenignDifference::Flush), || {
                let same = base.iter().zip(changed.iter()).take_while(|(a, b)| a == b).count();
                let text = |flushes: &[Event]| match flushes.get(same) {
                    Some(flush) => format!("{flush} (flush {} of {})", same + 1, flushes.len()),
                    None if same == 0 => "no flush".to_owned(),
                    None => format!("no more than {same} flushes"),
                };
                format!("{} against {}", text(base), text(changed))
            });
        }
    }

    /// The page tables are the same and no invariant is broken, so that what differs is no statistic of what is mapped.
    pub(super) fn compare_statistics(&mut self, observed: &[Observed; 2]) {
        let [base, changed] = observed.each_ref().map(|observed| &observed.statistics);
        if base != changed {
            let text = |statistics: &BTreeMap<NodeStat, i64>| {
                or_none(
                    statistics.iter().map(|(stat, change)| format!("{stat} {change:+}")).collect::<Vec<_>>().join(", "),
                )
            };
            let detail = format!("{} against {}", text(base), text(changed));
            self.note(Class::Except(BenignDifference::Statistics), || detail);
        }
    }

    pub(super) fn compare_partial_unlinks(&mut self, observed: &[Observed; 2]) {
        let mut functions: Vec<_> = observed.iter().flat_map(|observed| observed.partial_unlinks.clone()).collect();
        functions.sort_unstable();
        functions.dedup();
        for function in functions {
            let has = observed.each_ref().map(|observed| observed.partial_unlinks.contains(&function));
            if has[0] != has[1] {
                let which = PairSide::at(usize::from(has[1]));
                self.note(Class::Except(BenignDifference::PartialUnlink(which, function)), String::new);
            }
        }
    }
}
