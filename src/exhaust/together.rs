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
use crate::trace::preemptions::{Orders, PreemptedAt};
use crate::trace::{Op, Trace};
use crate::world::World;

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
        self.orders(&mut orders, false, prefix, ends, search, out);
        let counts = orders.counts();
        out.counts.schedules += counts.run;
        out.counts.idle += counts.idle;
        if together.fine {
            let mut orders = Orders::new(ops, FINE_PREEMPTIONS, PreemptedAt::ANY);
            self.orders(&mut orders, true, prefix, ends, search, out);
            out.counts.fine += orders.counts().run;
        }
    }

    /// Every one of these schedules. `accesses`: loads and stores are points.
    fn orders(
        &mut self,
        orders: &mut Orders,
        accesses: bool,
        prefix: &Trace,
        ends: &mut Ends,
        search: SearchView<'_>,
        out: &mut Expansion,
    ) {
        while let Some((ops, switches)) = orders.next().filter(|_| out.found.is_none() && !out.stopped) {
            let section = Transition::of_section(ops, switches, accesses);
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
                                reach(accesses, key, &section, prefix, ends, out);
                            }
                        }
                    }
                    continue;
                }
            };
            reach(accesses, key, &section, prefix, ends, out);
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
fn reach(accesses: bool, key: u128, section: &Transition, prefix: &Trace, ends: &mut Ends, out: &mut Expansion) {
    if ends.reached.insert(key) && accesses {
        out.counts.fine_ends += 1;
        out.fine_end.get_or_insert_with(|| {
            let mut trace = prefix.clone();
            section.append_to(&mut trace);
            Box::new(trace)
        });
    }
}
