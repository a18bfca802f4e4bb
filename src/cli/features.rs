//! What a random run reached: failures by site, distinct states, and how far the hierarchy was driven.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;

use crate::check::{Driver, Lockstep};
use crate::rmap::{AnonVmaId, Cache, Side, VmaId};
use crate::world::{Symmetry, World};

/// Gathered after each operation.
#[derive(Default)]
pub(super) struct Features {
    /// Attempts that failed, by [`Cache`].
    failures: [u64; 3],
    /// The same of maple tree nodes.
    node_failures: u64,
    /// Keys of the states, up to the numbers of processes.
    states: HashSet<u128>,
    /// VMAs that a fork gave an anon_vma which no VMA used any more.
    reuses: u64,
    /// Generations between a root and its furthest descendant.
    deepest_hierarchy: usize,
    longest_chain: usize,
    largest_tree: usize,
    /// Of the state before: the VMAs, and the anon_vmas without a VMA of their own.
    vmas: BTreeSet<VmaId>,
    idle: BTreeSet<AnonVmaId>,
}

impl Features {
    /// A new trace begins.
    pub(super) fn begin(&mut self) {
        self.vmas.clear();
        self.idle.clear();
    }

    /// After an operation.
    pub(super) fn look<C: Side, P: Side, D: Driver<C, P>>(&mut self, lockstep: &mut Lockstep<C, P>, driver: &mut D) {
        let Ok(world) = World::of(lockstep, driver) else { return };
        self.states.insert(world.key(Symmetry::Processes));
        let vmas = || world.processes.iter().flat_map(|process| &process.vmas);
        let reused =
            vmas().filter(|vma| !self.vmas.contains(&vma.id) && vma.anon_vma.is_some_and(|av| self.idle.contains(&av)));
        self.reuses += reused.count() as u64;
        let parents: BTreeMap<_, _> = world.anon_vmas.iter().map(|av| (av.id, av.parent)).collect();
        for av in &world.anon_vmas {
            let up = std::iter::successors(Some(av.id), |id| parents.get(id).filter(|parent| *parent != id).copied());
            self.deepest_hierarchy = self.deepest_hierarchy.max(up.take(parents.len()).count());
            self.largest_tree = self.largest_tree.max(av.tree.len());
        }
        let longest = vmas().map(|vma| vma.chain.len()).max();
        self.longest_chain = self.longest_chain.max(longest.unwrap_or(0));
        self.vmas = vmas().map(|vma| vma.id).collect();
        self.idle = world.anon_vmas.iter().filter(|av| av.num_active_vmas == 0).map(|av| av.id).collect();
    }

    /// After a trace: what the lockstep counted of it.
    pub(super) fn end(&mut self, failures: [u64; 3]) {
        self.failures.iter_mut().zip(failures).for_each(|(sum, more)| *sum += more);
    }

    /// How many attempts the driver says were made to fail, of whatever sort.
    pub(super) fn injected(&mut self, all: u64) {
        self.node_failures = all.saturating_sub(self.failures.iter().sum());
    }

    /// A table for a person.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let sites = Cache::ALL.iter().map(|cache| cache.name()).zip(self.failures);
        for (site, count) in sites.chain([("maple tree node", self.node_failures)]) {
            let _ = writeln!(text, "failures of {site:<29} {count:>10}");
        }
        for (what, count) in [
            ("distinct states", self.states.len() as u64),
            ("reuses of an anon_vma", self.reuses),
            ("deepest hierarchy, anon_vmas", self.deepest_hierarchy as u64),
            ("longest chain, entries", self.longest_chain as u64),
            ("largest interval tree, nodes", self.largest_tree as u64),
        ] {
            let _ = writeln!(text, "{what:<41} {count:>10}");
        }
        text
    }
}
