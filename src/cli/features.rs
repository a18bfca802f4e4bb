//! What a random run reached: failures by site, distinct states, and how far the hierarchy was driven.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rustc_hash::FxHashSet;
use serde_json::{Value, json};

use crate::check::{Driver, FailedAttempt, Lockstep};
use crate::digest::Reached;
use crate::rmap::{Cache, Gfp, Side};
use crate::trace::{OPERATIONS, Op, Trace};

/// Where an allocation was made to fail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Site {
    /// By the operation's place among all.
    operation: usize,
    attempt: Attempt,
}

/// What was not allocated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Attempt {
    /// An object of one of the three caches.
    Object(FailedAttempt),
    /// A maple tree node. Where the tree asks for it is not told.
    MapleNode,
    /// A frame or a page table. Where the page-table code asks for it is not told.
    Page,
}

impl Attempt {
    /// Its sort, as a table names it.
    fn of(self) -> &'static str {
        match self {
            Attempt::Object(attempt) => attempt.cache.name(),
            Attempt::MapleNode => "maple tree node",
            Attempt::Page => "frame or page table",
        }
    }

    fn object(self) -> Option<FailedAttempt> {
        match self {
            Attempt::Object(attempt) => Some(attempt),
            Attempt::MapleNode | Attempt::Page => None,
        }
    }
}

/// Gathered after each operation.
#[derive(Default)]
pub(super) struct Features {
    failures: BTreeMap<Site, u64>,
    /// Of [`Stats::injected`](crate::mm::Stats::injected), what the operations before account for.
    injected: u64,
    /// Numbers of the states, whatever the numbers of their processes and the serials of their objects.
    states: FxHashSet<u64>,
    reached: Reached,
}

impl Features {
    /// After an operation, of a lockstep that [keeps up](Lockstep::keep_digest) the number of its state.
    pub(super) fn look<C: Side, P: Side, D: Driver<C, P>>(
        &mut self,
        lockstep: &mut Lockstep<C, P>,
        driver: &mut D,
        op: &Op,
    ) {
        self.count_failures(op, lockstep.failed_attempts(), driver.stats().injected());
        let alive = driver.alive();
        let tables = driver.page_tables(lockstep);
        let Some(digest) = lockstep.state_digest() else { return };
        self.states.insert(digest.value(alive, tables));
        self.reached = digest.reached();
    }

    /// After a trace: what it stopped for may have come in an operation in which allocations had failed.
    pub(super) fn end<C: Side, P: Side, D: Driver<C, P>>(
        &mut self,
        lockstep: &mut Lockstep<C, P>,
        driver: &mut D,
        trace: &Trace,
    ) {
        let injected = driver.stats().injected();
        let last = usize::try_from(lockstep.stats().operations).ok().and_then(|n| trace.ops.get(n.checked_sub(1)?));
        if let Some(op) = last.filter(|_| injected > self.injected) {
            self.count_failures(op, lockstep.failed_attempts(), injected);
        }
    }

    /// `injected`: so far, of whatever sort.
    fn count_failures(&mut self, op: &Op, failed: &[FailedAttempt], injected: u64) {
        let others = injected.saturating_sub(self.injected).saturating_sub(failed.len() as u64);
        self.injected = injected;
        // Of these two sorts an operation has failures of one only.
        let other = if op.fail_page.is_never() { Attempt::MapleNode } else { Attempt::Page };
        let attempts = failed.iter().map(|&attempt| (Attempt::Object(attempt), 1));
        for (attempt, count) in attempts.chain([(other, others)]).filter(|(_, count)| *count > 0) {
            *self.failures.entry(Site { operation: op.kind.index(), attempt }).or_default() += count;
        }
    }

    fn reached(&self) -> [(&'static str, &'static str, u64); 5] {
        [
            ("distinct_states", "distinct states", self.states.len() as u64),
            ("reuses", "reuses of an anon_vma", self.reached.reuses),
            ("deepest_hierarchy", "deepest hierarchy, anon_vmas", self.reached.deepest_hierarchy as u64),
            ("longest_chain", "longest chain, entries", self.reached.longest_chain as u64),
            ("largest_tree", "largest interval tree, nodes", self.reached.largest_tree as u64),
        ]
    }

    /// A table for a person.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let others = [Attempt::MapleNode, Attempt::Page].map(Attempt::of);
        for name in Cache::ALL.iter().map(|cache| cache.name()).chain(others) {
            let of_sort = || self.failures.iter().filter(|(site, _)| site.attempt.of() == name);
            let count: u64 = of_sort().map(|(_, count)| count).sum();
            let _ = writeln!(text, "failures of {name:<29} {count:>10}");
            for (site, count) in of_sort() {
                let place = match site.attempt.object() {
                    Some(attempt) => format!("{}: {}() {}", site.keyword(), attempt.function, Gfp::name(attempt.gfp)),
                    None => site.keyword().to_owned(),
                };
                let _ = writeln!(text, "  {place:<60} {count:>10}");
            }
        }
        for (_, what, count) in self.reached() {
            let _ = writeln!(text, "{what:<41} {count:>10}");
        }
        text
    }

    /// The same for a program.
    pub(super) fn json(&self) -> Value {
        let failures: Vec<Value> = self
            .failures
            .iter()
            .map(|(site, count)| {
                json!({
                    "operation": site.keyword(),
                    "function": site.attempt.object().map(|attempt| attempt.function),
                    "of": site.attempt.of(),
                    "gfp": site.attempt.object().map(|attempt| Gfp::name(attempt.gfp)),
                    "count": count,
                })
            })
            .collect();
        let mut value = json!({ "failures": failures });
        for (name, _, count) in self.reached() {
            value[name] = count.into();
        }
        value
    }
}

impl Site {
    fn keyword(&self) -> &'static str {
        OPERATIONS[self.operation].keyword
    }
}
