//! The search: which state is next, who works on it, when it ends.
//!
//! States wait in a queue in the order in which they were found. Workers take a block of them at a time; what they
//! bring back is taken in in the order of the queue, so that it does not matter who was quicker.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::{Scope, Transition};
use crate::check::Finding;
use crate::trace::Trace;

/// States of a block: enough for the workers to be busy, few enough to be stopped soon; and so many where operations run together
/// in each.
const BLOCK: usize = 1024;
const BLOCK_TOGETHER: usize = 4;

/// What whoever works on a state is told of the search.
#[derive(Clone, Copy)]
pub struct SearchView<'a> {
    seen: &'a HashSet<u128, FxBuildHasher>,
    until: Option<Instant>,
}

impl SearchView<'_> {
    /// Whether the state with this key is known already.
    pub fn is_seen(&self, key: u128) -> bool {
        self.seen.contains(&key)
    }

    /// Whether the search is to stop, be the state done or not.
    pub fn is_time_up(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// What is done at a state.
pub trait Expand: Send {
    /// The key of the state in which the search begins: that at the end of a trace.
    fn root(&mut self, begin: &Trace) -> u128;
    /// Makes the state at the end of a trace and tries each operation there.
    fn expand(&mut self, prefix: &Trace, search: SearchView<'_>) -> Expansion;
}

/// What came of it.
#[derive(Default, Debug)]
pub struct Expansion {
    /// What led to another state, and its key.
    pub children: Vec<(Transition, u128)>,
    /// How much was tried.
    pub counts: Counts,
    /// What was found, and the trace that finds it; the first that there was.
    pub found: Option<Box<(Trace, Finding)>>,
    /// The first trace with an end that [`Counts::fine_ends`] counts.
    pub fine_end: Option<Box<Trace>>,
    /// The time was up before all was tried.
    pub stopped: bool,
}

/// How much was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Operations tried at a state, those with failures included.
    pub transitions: u64,
    /// Those with failures.
    pub failing: u64,
    /// Those that ended in a finding which is known.
    pub known: u64,
    /// Choices of operations that were run together, those with failures included.
    pub sections: u64,
    /// Schedules of those that were run.
    pub schedules: u64,
    /// Schedules whose last switch does nothing, among these.
    pub idle: u64,
    /// Schedules that were run with loads and stores as points.
    pub fine: u64,
    /// Ends of these to which the same operations come in none of the other schedules.
    pub fine_ends: u64,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.transitions += other.transitions;
        self.failing += other.failing;
        self.known += other.known;
        self.sections += other.sections;
        self.schedules += other.schedules;
        self.idle += other.idle;
        self.fine += other.fine;
        self.fine_ends += other.fine_ends;
    }
}

/// When to stop before the end.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall-clock time; none: no limit.
    pub time: Option<Duration>,
    /// Bytes of memory that the states take.
    pub memory: usize,
}

/// How a search ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Everything in the scope was tried.
    Finished,
    /// Something was found: with the shortest trace that there is in the scope.
    Found(Box<(Trace, Finding)>),
    /// The time was up.
    Time,
    /// The memory was full.
    Memory,
}

/// A state: the one that it was found from, and what led there, by its place among the transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Node {
    pub(super) parent: u32,
    pub(super) op: u32,
}

/// A state to which a section led. It is taken in when every sequence of as many operations was tried, if none led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Waiting {
    pub(super) depth: u32,
    pub(super) node: Node,
    pub(super) key: u128,
}

/// A search under way.
pub struct Search {
    pub(super) scope: Scope,
    /// What comes before all that is tried.
    begin: Trace,
    /// Transitions, each once: a state names one by its place.
    pub(super) transitions: Vec<Transition>,
    numbers: FxHashMap<Transition, u32>,
    /// In the order in which they were found. The first is where the search begins.
    pub(super) nodes: Vec<Node>,
    pub(super) seen: HashSet<u128, FxBuildHasher>,
    /// States that sections led to, in the order in which they were found.
    pub(super) waiting: Vec<Waiting>,
    /// How many states there were when the states of each depth began.
    pub(super) levels: Vec<usize>,
    /// The next state to be worked on.
    pub(super) cursor: usize,
    pub(super) counts: Counts,
    /// Of the states that the search stopped in: they are begun again when it is taken up.
    stopped_in: Counts,
    /// Of the first state where there was one: see [`Expansion::fine_end`].
    pub(super) fine_end: Option<Box<Trace>>,
}

impl Search {
    /// From the empty world. `root` is its key.
    pub fn new(scope: Scope, root: u128) -> Search {
        Search::beginning_at(Trace::default(), scope, root)
    }

    /// From the state at the end of a trace. `root` is its key.
    pub fn beginning_at(begin: Trace, scope: Scope, root: u128) -> Search {
        let mut seen = HashSet::default();
        seen.insert(root);
        Search {
            scope,
            begin,
            transitions: Vec::new(),
            numbers: FxHashMap::default(),
            nodes: vec![Node { parent: 0, op: 0 }],
            seen,
            waiting: Vec::new(),
            levels: vec![0],
            cursor: 0,
            counts: Counts::default(),
            stopped_in: Counts::default(),
            fine_end: None,
        }
    }

    /// From where it was stopped.
    pub(super) fn resumed(scope: Scope, root: u128, transitions: Vec<Transition>) -> Search {
        let numbers = (0..).zip(&transitions).map(|(number, transition)| (transition.clone(), number)).collect();
        Search { transitions, numbers, ..Search::new(scope, root) }
    }

    /// How much was tried so far.
    pub fn counts(&self) -> Counts {
        let mut counts = self.counts;
        counts.add(self.stopped_in);
        counts
    }

    /// The first trace that was found since the search began or was taken up, of those whose ends [`Counts::fine_ends`] counts.
    pub fn fine_end(&self) -> Option<&Trace> {
        self.fine_end.as_deref()
    }

    /// States found so far.
    pub fn states(&self) -> usize {
        self.nodes.len()
    }

    /// States worked on so far.
    pub fn expanded(&self) -> usize {
        self.cursor
    }

    /// States found so far, by the length of the shortest sequence that leads there.
    pub fn levels(&self) -> Vec<usize> {
        let ends = self.levels[1..].iter().copied().chain([self.nodes.len()]);
        self.levels.iter().zip(ends).map(|(begin, end)| end - begin).collect()
    }

    /// The length of the sequences of which every one was tried.
    pub fn depth_done(&self) -> u32 {
        // A depth is done when every state before it was worked on.
        let begun = self.levels.iter().filter(|&&begin| begin <= self.cursor).count() as u32;
        let all = self.cursor == self.nodes.len();
        if all { self.scope.depth } else { (begun - 1).min(self.scope.depth) }
    }

    /// The keys of all states.
    pub fn keys(&self) -> impl Iterator<Item = u128> + '_ {
        self.seen.iter().copied()
    }

    /// Bytes that the states take.
    pub fn memory(&self) -> usize {
        // A slot of the table holds a key and a byte beside it.
        self.waiting.capacity() * size_of::<Waiting>()
            + self.nodes.capacity() * size_of::<Node>()
            + self.seen.capacity() * 8 / 7 * (size_of::<u128>() + 1)
    }

    /// Works until everything is tried, something is found, or a limit is met. `progress` is told after each block, and may
    /// stop it by returning false, as if the time were up.
    pub fn run(
        &mut self,
        workers: &mut [Box<dyn Expand + '_>],
        limits: Limits,
        mut progress: impl FnMut(&Search) -> bool,
    ) -> Ended {
        let until = limits.time.and_then(|time| Instant::now().checked_add(time));
        while let Some(block) = self.next_block() {
            if until.is_some_and(|until| Instant::now() >= until) || !progress(self) {
                return Ended::Time;
            }
            if self.memory() > limits.memory {
                return Ended::Memory;
            }
            let expansions = self.expand(workers, block.clone(), until);
            for (at, expansion) in block.zip(expansions) {
                if expansion.stopped && expansion.found.is_none() {
                    self.stopped_in = expansion.counts;
                    return Ended::Time;
                }
                self.take_in(at, &expansion);
                if self.fine_end.is_none() {
                    self.fine_end = expansion.fine_end;
                }
                if let Some(found) = expansion.found {
                    return Ended::Found(found);
                }
            }
        }
        progress(self);
        Ended::Finished
    }

    /// What a worker is told of it, who is to stop then.
    pub(super) fn view(&self, until: Option<Instant>) -> SearchView<'_> {
        SearchView { seen: &self.seen, until }
    }

    /// The next states to be worked on: all of one depth.
    fn next_block(&mut self) -> Option<std::ops::Range<usize>> {
        // Every sequence of as many operations was tried.
        if self.levels.last() == Some(&self.cursor) {
            self.take_in_waiting(self.levels.len() as u32 - 1);
        }
        let past = self.levels.get(self.scope.depth as usize).is_some_and(|&begin| begin <= self.cursor);
        if past || self.cursor == self.nodes.len() {
            return None;
        }
        // All states found before those of the last depth are done: the next depth begins with what is found from now on.
        if self.levels.last() == Some(&self.cursor) {
            self.levels.push(self.nodes.len());
        }
        let end = *self.levels.last().unwrap_or(&0);
        let block = if self.scope.together.is_some() { BLOCK_TOGETHER } else { BLOCK };
        Some(self.cursor..end.min(self.cursor + block))
    }

    fn expand(
        &self,
        workers: &mut [Box<dyn Expand + '_>],
        block: std::ops::Range<usize>,
        until: Option<Instant>,
    ) -> Vec<Expansion> {
        let view = self.view(until);
        let next = AtomicUsize::new(block.start);
        // What comes after the first finding need not be done.
        let found = AtomicUsize::new(usize::MAX);
        let work = |worker: &mut Box<dyn Expand + '_>| {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= block.end || at > found.load(Ordering::Relaxed) {
                    return done;
                }
                let expansion = worker.expand(&self.trace_to(at), view);
                if expansion.found.is_some() {
                    found.fetch_min(at, Ordering::Relaxed);
                }
                done.push((at, expansion));
            }
        };
        let mut expansions = match workers {
            [one] => work(one),
            many => std::thread::scope(|scope| {
                let threads: Vec<_> = many.iter_mut().map(|worker| scope.spawn(|| work(worker))).collect();
                let joined = threads.into_iter().map(|thread| thread.join());
                joined.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
            }),
        };
        expansions.sort_unstable_by_key(|(at, _)| *at);
        expansions.into_iter().map(|(_, expansion)| expansion).collect()
    }

    fn take_in(&mut self, at: usize, expansion: &Expansion) {
        self.counts.add(expansion.counts);
        let depth = self.levels.partition_point(|&begin| begin <= at) as u32 - 1;
        for (transition, key) in &expansion.children {
            if self.seen.contains(key) {
                continue;
            }
            let node = Node { parent: at as u32, op: self.number(transition) };
            if transition.is_section() {
                let depth = depth + transition.operations() as u32;
                self.waiting.push(Waiting { depth, node, key: *key });
            } else {
                self.seen.insert(*key);
                self.nodes.push(node);
            }
        }
        self.cursor = at + 1;
    }

    fn number(&mut self, transition: &Transition) -> u32 {
        let next = self.transitions.len() as u32;
        if let Some(&number) = self.numbers.get(transition) {
            return number;
        }
        self.transitions.push(transition.clone());
        self.numbers.insert(transition.clone(), next);
        next
    }

    fn take_in_waiting(&mut self, depth: u32) {
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.depth > depth {
                self.waiting.push(waiting);
            } else if self.seen.insert(waiting.key) {
                self.nodes.push(waiting.node);
            }
        }
    }

    /// The states, by their numbers, that were found by operations which run together, and by no sequence of as many operations.
    pub fn by_sections_alone(&self) -> impl Iterator<Item = usize> + '_ {
        let of_section = |node: &Node| self.transitions[node.op as usize].is_section();
        (1..).zip(&self.nodes[1..]).filter(move |(_, node)| of_section(node)).map(|(at, _)| at)
    }

    /// A shortest trace that leads to a state: they are numbered in the order in which they were found, from 0.
    pub fn trace_to(&self, state: usize) -> Trace {
        let mut transitions = Vec::new();
        let mut at = state;
        while at != 0 {
            let node = self.nodes[at];
            transitions.push(&self.transitions[node.op as usize]);
            at = node.parent as usize;
        }
        let mut trace = self.begin.clone();
        transitions.into_iter().rev().for_each(|transition| transition.append_to(&mut trace));
        trace
    }
}
