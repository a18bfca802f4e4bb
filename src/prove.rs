//! A fix, proven: the same traces on the tree without it and on the tree with it, each judged by itself.
//!
//! A finding *separates* the trees if a trace finds it on one of them and nothing on the other. One that separates the tree
//! without the fix proves it, unless the tree with the fix shows the finding too, on any trace. One that separates the tree
//! with the fix is something that the fix breaks. What both trees show says nothing of the fix: it is tolerated from then
//! on, so that it hides nothing. A known finding is a finding like any other: it may be the one that the fix repairs.
//!
//! A fix may change how many allocations an operation makes. `fail=N` then means another site on each tree. So the smallest
//! trace of a finding is also played on the other tree with every operation failing at every other attempt, before the finding
//! is said to be of one tree alone.

use std::collections::BTreeMap;

use include_dir::{Dir, File, include_dir};

use crate::check::Finding;
use crate::minimize::minimize;
use crate::rmap::Fail;
use crate::session::{Player, Session, SessionError, VmaCode};
use crate::trace::{self, Trace};

/// The seed traces, built in. A new one is seen when this file is compiled again.
const SEEDS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fuzz/seeds");
/// Those with operations on pages.
const PAGE_SEEDS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fuzz/page-seeds");
/// Attempts of each operation that are made to fail on the other tree.
const OTHER_ATTEMPTS: u16 = 16;

/// One of the two trees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tree {
    /// Without the fix.
    Without,
    /// With it.
    With,
}

impl Tree {
    /// Both.
    pub const BOTH: [Tree; 2] = [Tree::Without, Tree::With];

    /// The other one.
    pub fn other(self) -> Tree {
        match self {
            Tree::Without => Tree::With,
            Tree::With => Tree::Without,
        }
    }
}

/// A finding of one tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// A trace that finds it.
    pub trace: Trace,
    /// What was found.
    pub finding: Finding,
    /// How many traces found it.
    pub count: u64,
    /// How many operations were played until the first of them had found it.
    pub after: u64,
    /// Whether nothing is found with the trace on the other tree.
    pub separates: bool,
}

/// In one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProofKind {
    /// Something fails without the fix and never with it.
    Proven,
    /// Something fails with the fix and never without it.
    Breaks,
    /// Neither.
    NotReproduced,
}

/// What a proof comes to.
#[derive(Clone, Debug)]
pub struct Proof {
    /// What fails without the fix, and passes with it: the one with the smallest trace first.
    pub fixed: Vec<Shown>,
    /// What fails with the fix, and not without it: the same.
    pub broken: Vec<Shown>,
    /// Signatures of what both trees show.
    pub shared: Vec<String>,
    /// Traces played, on each tree.
    pub traces: u64,
    /// Their operations.
    pub operations: u64,
}

impl Proof {
    /// In one word.
    pub fn outcome(&self) -> ProofKind {
        match self {
            Proof { broken, .. } if !broken.is_empty() => ProofKind::Breaks,
            Proof { fixed, .. } if !fixed.is_empty() => ProofKind::Proven,
            _ => ProofKind::NotReproduced,
        }
    }
}

/// The seed traces that a VMA code can run.
pub fn seeds(vma: VmaCode) -> Vec<Trace> {
    let of_pages = PAGE_SEEDS.files().filter(|_| vma == VmaCode::Pages);
    let is_trace = |file: &&File<'_>| file.path().extension().is_some_and(|extension| extension == "trace");
    let traces = SEEDS.files().chain(of_pages).filter(is_trace);
    let traces = traces.filter_map(|file| trace::parse_bytes(file.contents()).ok());
    traces.filter(|trace| vma != VmaCode::Model || trace.is_small()).collect()
}

/// Two trees on which the same traces are played.
pub struct Prover {
    sessions: [Session; 2],
    players: [Box<dyn Player>; 2],
    /// Of each tree, by signature.
    shown: [BTreeMap<String, Shown>; 2],
    shared: Vec<String>,
    traces: u64,
    operations: u64,
}

impl Prover {
    /// Without the fix, and with it.
    ///
    /// # Errors
    /// If a session cannot be opened.
    pub fn new(sessions: [Session; 2]) -> Result<Prover, SessionError> {
        let players = [sessions[0].player()?, sessions[1].player()?];
        let shown = [BTreeMap::new(), BTreeMap::new()];
        Ok(Prover { sessions, players, shown, shared: Vec::new(), traces: 0, operations: 0 })
    }

    /// Operations played so far, on each tree.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    fn find(&mut self, tree: Tree, trace: &Trace) -> Option<Finding> {
        self.players[tree as usize].play(trace).finding
    }

    /// Plays a trace on both.
    ///
    /// # Errors
    /// If a session cannot be opened again, which it was before.
    pub fn play(&mut self, trace: &Trace) -> Result<(), SessionError> {
        self.traces += 1;
        self.operations += trace.ops.len() as u64;
        let found = Tree::BOTH.map(|tree| self.find(tree, trace));
        for tree in Tree::BOTH {
            let Some(finding) = &found[tree as usize] else { continue };
            let separates = found[tree.other() as usize].is_none();
            let new = || Shown {
                trace: trace.clone(),
                finding: finding.clone(),
                count: 0,
                after: self.operations,
                separates,
            };
            let shown = self.shown[tree as usize].entry(finding.signature()).or_insert_with(new);
            shown.count += 1;
            if separates && !shown.separates {
                *shown = Shown { count: shown.count, after: shown.after, ..new() };
            }
        }
        self.share()
    }

    /// What both trees show is of neither.
    fn share(&mut self) -> Result<(), SessionError> {
        let [without, with] = &self.shown;
        let both: Vec<String> = without.keys().filter(|signature| with.contains_key(*signature)).cloned().collect();
        if both.is_empty() {
            return Ok(());
        }
        for signature in both {
            self.shown.iter_mut().for_each(|shown| drop(shown.remove(&signature)));
            self.sessions.iter_mut().for_each(|session| session.tolerated.push(signature.clone()));
            self.shared.push(signature);
        }
        self.players = [self.sessions[0].player()?, self.sessions[1].player()?];
        Ok(())
    }

    /// What it comes to, with small traces.
    ///
    /// # Errors
    /// As [`Prover::play`].
    pub fn conclude(mut self) -> Result<Proof, SessionError> {
        for tree in Tree::BOTH {
            let signatures: Vec<String> = self.shown[tree as usize].keys().cloned().collect();
            for signature in signatures {
                self.make_small(tree, &signature);
                self.look_at_other_failures(tree, &signature);
                self.share()?;
            }
        }
        let [without, with] = std::mem::take(&mut self.shown).map(|shown| {
            let mut all: Vec<Shown> = shown.into_values().collect();
            all.sort_by_key(|shown| shown.trace.ops.len());
            all
        });
        let fixed: Vec<Shown> = without.into_iter().filter(|shown| shown.separates).collect();
        // Where the tree without the fix fails too, an earlier finding may hide the same one there. If the fix also mends nothing,
        // it has but replaced one finding by another.
        let broken = with.into_iter().filter(|shown| shown.separates || fixed.is_empty()).collect();
        Ok(Proof { fixed, broken, shared: self.shared, traces: self.traces, operations: self.operations })
    }

    fn make_small(&mut self, tree: Tree, signature: &str) {
        let Some(shown) = self.shown[tree as usize].get(signature) else { return };
        let mut small = shown.clone();
        minimize(&shown.trace.clone(), |candidate| {
            let finding = self.find(tree, candidate).filter(|finding| finding.signature() == signature);
            let Some(finding) = finding else { return false };
            if small.separates && self.find(tree.other(), candidate).is_some() {
                return false;
            }
            (small.trace, small.finding) = (candidate.clone(), finding);
            true
        });
        self.shown[tree as usize].insert(signature.to_owned(), small);
    }

    fn look_at_other_failures(&mut self, tree: Tree, signature: &str) {
        let Some(shown) = self.shown[tree as usize].get(signature).cloned() else { return };
        for at in 0..shown.trace.ops.len() {
            for fail in [Fail::NEVER].into_iter().chain((1..=OTHER_ATTEMPTS).map(Fail::nth)) {
                let mut trace = shown.trace.clone();
                trace.ops[at].fail = fail;
                let found = self.find(tree.other(), &trace).filter(|finding| finding.signature() == signature);
                if let Some(finding) = found {
                    let shown = Shown { trace, finding, count: 1, after: self.operations, separates: false };
                    self.shown[tree.other() as usize].insert(signature.to_owned(), shown);
                    return;
                }
            }
        }
    }
}
