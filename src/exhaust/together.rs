//! Operations that run together at a state: each choice of them, every schedule with few preemptions, and each with failures.
//!
//! A schedule begins in the state, which is made again each time. Where it ends, all is asked that is asked of a trace; what was seen
//! to the last word before is not asked again.

use std::collections::HashSet;

use rustc_hash::{FxBuildHasher, FxHashMap};
use xxhash_rust::xxh3::xxh3_128;

use super::lockstep::{Advance, LockstepWorlds};
use super::scope::{Failures, Together};
use super::search::{Expansion, SearchView};
use super::transition::Transition;
use crate::check::Driver;
use crate::rmap::{Fail, Side};
use crate::trace::preemptions::{PreemptedAt, ScheduleCounts, Schedules};
use crate::trace::schedule::Step;
use crate::trace::{Op, Trace};
use crate::world::World;

/// Every schedule of operations that run together, whoever begins, those with fewer preemptions first.
pub struct Orders {
    /// By who begins: the operations in their order, and the schedules of these.
    orders: Vec<(Vec<Op>, Schedules)>,
    at: usize,
    preemptions: u32,
    bound: u32,
    accesses: bool,
}

impl Orders {
    /// With at most so many preemptions, before such points.
    pub fn new(ops: &[Op], bound: u32, at: PreemptedAt) -> Orders {
        Orders::of(ops, bound, at, false)
    }

    /// With loads and stores as points if `accesses`.
    fn of(ops: &[Op], bound: u32, at: PreemptedAt, accesses: bool) -> Orders {
        // It does not matter which of two that do the same begins.
        let begins = (0..ops.len()).filter(|&first| !ops[..first].contains(&ops[first]));
        let orders = begins.map(|first| {
            let mut order = ops.to_vec();
            order[..=first].rotate_right(1);
            (order, Schedules::new(ops.len(), bound).preempted_at(at))
        });
        Orders { orders: orders.collect(), at: 0, preemptions: 0, bound, accesses }
    }

    /// The next: run it, then say what its tasks did. None: those were all.
    pub fn next_section(&mut self) -> Option<Transition> {
        loop {
            let Some((ops, schedules)) = self.orders.get_mut(self.at) else {
                if self.preemptions == self.bound {
                    return None;
                }
                self.preemptions += 1;
                self.at = 0;
                continue;
            };
            if let Some(switches) = schedules.next(self.preemptions) {
                return Some(Transition::of_section(ops, switches, self.accesses));
            }
            self.at += 1;
        }
    }

    /// What the tasks did in the section that was given last.
    pub fn ran(&mut self, log: &[(usize, Step)]) {
        if let Some((_, schedules)) = self.orders.get_mut(self.at) {
            schedules.ran(log);
        }
    }

    /// How many were run.
    pub fn counts(&self) -> ScheduleCounts {
        self.orders.iter().fold(ScheduleCounts::default(), |sum, (_, schedules)| {
            let counts = schedules.counts();
            ScheduleCounts { run: sum.run + counts.run, idle: sum.idle + counts.idle }
        })
    }
}

/// Where loads and stores are points there are hundreds of them: with more preemptions there would be too many schedules.
pub const FINE_PREEMPTIONS: u32 = 1;

/// Where sections that begin in one state ended.
#[derive(Default)]
struct Ends {
    /// What was seen to the last word, and the key of its state.
    words: FxHashMap<u128, u128>,
    keys: HashSet<u128, FxBuildHasher>,
    /// The keys of what the operations that run now came to.
    reached: HashSet<u128, FxBuildHasher>,
    /// Room for words.
    bytes: Vec<u8>,
}

/// Which allocations of a task fail: the Nth, or all from it on.
const FAILURES: [fn(Op, u16) -> Op; 4] = [
    |op, nth| Op { fail: Fail::nth(nth), ..op },
    |op, nth| Op { fail: Fail::new(&[], Some(nth)).unwrap_or_default(), ..op },
    |op, nth| Op { fail_node: Fail::nth(nth), ..op },
    |op, nth| Op { fail_page: Fail::nth(nth), ..op },
];

impl<C: Side, P: Side, D: Driver<C, P>> LockstepWorlds<C, P, D> {
    /// At the state at the end of a trace: each choice of operations, until something is found.
    pub(super) fn together(
        &mut self,
        together: Together,
        prefix: &Trace,
        world: &World,
        search: SearchView<'_>,
        out: &mut Expansion,
    ) {
        let mut ends = Ends::default();
        ends.keys.insert(world.key(self.scope.symmetry));
        let given = self.given.clone().map(|ops| vec![ops]);
        for ops in given.unwrap_or_else(|| self.scope.sections(world, together.tasks)) {
            self.section(&ops, together, prefix, &mut ends, search, out);
            if self.scope.failures == Failures::None {
                continue;
            }
            for (task, failing) in (0..ops.len()).flat_map(|task| FAILURES.map(|failing| (task, failing))) {
                for nth in 1..u16::MAX {
                    let mut ops = ops.clone();
                    ops[task] = failing(ops[task], nth);
                    let injected = self.injected + self.driver.stats().injected();
                    self.section(&ops, together, prefix, &mut ends, search, out);
                    // In no schedule are there so many.
                    if out.found.is_some() || out.stopped || self.injected + self.driver.stats().injected() == injected
                    {
                        break;
                    }
                }
            }
            if out.found.is_some() || out.stopped {
                return;
            }
        }
    }

    /// Every schedule of these operations, until something is found.
    fn section(
        &mut self,
        ops: &[Op],
        together: Together,
        prefix: &Trace,
        ends: &mut Ends,
        search: SearchView<'_>,
        out: &mut Expansion,
    ) {
        if out.found.is_some() || out.stopped {
            return;
        }
        out.counts.sections += 1;
        ends.reached.clear();
        let mut orders = Orders::new(ops, together.preemptions, together.at);
        self.orders(&mut orders, prefix, ends, search, out);
        let counts = orders.counts();
        out.counts.schedules += counts.run;
        out.counts.idle += counts.idle;
        if together.fine {
            let mut orders = Orders::of(ops, FINE_PREEMPTIONS, PreemptedAt::ANY, true);
            self.orders(&mut orders, prefix, ends, search, out);
            out.counts.fine += orders.counts().run;
        }
    }

    fn orders(
        &mut self,
        orders: &mut Orders,
        prefix: &Trace,
        ends: &mut Ends,
        search: SearchView<'_>,
        out: &mut Expansion,
    ) {
        while let Some(section) = orders.next_section().filter(|_| out.found.is_none() && !out.stopped) {
            out.stopped = search.is_time_up();
            let words = self.rehearsed(&section, prefix, ends);
            let key = match words.and_then(|words| ends.words.get(&words)) {
                Some(&key) => {
                    orders.ran(&self.rehearsal.log);
                    key
                }
                None => {
                    self.replay(prefix);
                    self.apply(&section);
                    orders.ran(self.lockstep.schedule());
                    match self.settle(prefix, Some(&section)) {
                        Some(Advance::Found(found)) => out.found = Some(found),
                        Some(_) => out.counts.known += 1,
                        None => {
                            let key = self.section_ended(&section, prefix, ends, search, out);
                            words.zip(key).map(|(words, key)| ends.words.insert(words, key));
                            if let Some(key) = key {
                                reach(orders, key, &section, prefix, ends, out);
                            }
                        }
                    }
                    continue;
                }
            };
            reach(orders, key, &section, prefix, ends, out);
        }
    }

    /// Runs a section quickly: what it came to, to the last word, if nothing was wrong.
    fn rehearsed(&mut self, section: &Transition, prefix: &Trace, ends: &mut Ends) -> Option<u128> {
        let Transition::Section(section) = section else { return None };
        let (ops, section) = &**section;
        let LockstepWorlds { lockstep, driver, rehearsal, .. } = self;
        if !driver.rehearse(lockstep, prefix, ops, section, rehearsal) {
            return None;
        }
        self.injected += rehearsal.injected;
        ends.bytes.clear();
        ends.bytes.extend(rehearsal.words().iter().flat_map(|word| word.to_le_bytes()));
        rehearsal.sound.then(|| xxh3_128(&ends.bytes))
    }

    /// A section has come to a state in which nothing is wrong so far: its key.
    fn section_ended(
        &mut self,
        section: &Transition,
        prefix: &Trace,
        ends: &mut Ends,
        search: SearchView<'_>,
        out: &mut Expansion,
    ) -> Option<u128> {
        let live = self.lockstep.reference().live();
        let world = World::of(&mut self.lockstep, &mut self.driver).ok()?;
        let key = world.key(self.scope.symmetry);
        let is_new = !search.is_seen(key);
        if ends.keys.insert(key) && is_new {
            out.children.push((section.clone(), key));
        }
        // What nobody finds any more is seen only when all have exited.
        let lost = live != world.objects();
        if lost || is_new && self.ended.insert(key) {
            match self.end(prefix, Some(section)) {
                Some(Advance::Found(found)) => out.found = Some(found),
                Some(_) => out.counts.known += 1,
                None => {}
            }
        }
        Some(key)
    }
}

/// An end that a section came to.
fn reach(orders: &Orders, key: u128, section: &Transition, prefix: &Trace, ends: &mut Ends, out: &mut Expansion) {
    if ends.reached.insert(key) && orders.accesses {
        out.counts.fine_ends += 1;
        out.fine_end.get_or_insert_with(|| {
            let mut trace = prefix.clone();
            section.append_to(&mut trace);
            Box::new(trace)
        });
    }
}
