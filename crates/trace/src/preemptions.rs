//! Every schedule of operations that run together, by the number of its preemptions.
//!
//! A preemption is a switch away from a task that could go on. Where a task has to wait or has ended, who goes on is free; where
//! more than one can, each is tried. A schedule is the list of the lines that make it: so what was run plays again as it was.
//!
//! There is no state to go back to. Whoever asks for schedules runs each from the beginning, and says what the tasks did
//! ([`Schedules::ran`]); that says which lines can be added behind the last one. So each schedule comes once.
//!
//! A switch to a task that has to wait at once for what it waited for, or wanted, before does nothing: it comes to the schedule without
//! it, or to another one. Such a schedule is run, since that is how it is known, but nothing is added to it.

use std::fmt;
use std::str::FromStr;

use crate::op::Op;
use crate::schedule::{Step, waits_on};
use crate::together::{MAX_TASKS, PointKind, PointObject, Switch};

/// The objects before whose points a task is preempted: a set of [`PointObject`], of which each has a bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PreemptedAt(u16);

/// A kind of object that no point is about.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{found}` is nothing that a point is about: expected some of {}", PreemptedAt::ANY)]
pub struct UnknownObject {
    /// What was found.
    pub found: String,
}

impl PreemptedAt {
    /// All of them.
    pub const ANY: PreemptedAt = PreemptedAt((1 << PointObject::ALL.len()) - 1);
    /// Anon_vmas alone.
    pub const ANON_VMA: PreemptedAt = PreemptedAt(1 << PointObject::AnonVma as u16);

    fn has(self, object: PointObject) -> bool {
        self.0 >> object as u16 & 1 == 1
    }
}

impl fmt::Display for PreemptedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for object in PointObject::ALL.iter().filter(|object| self.has(**object)) {
            write!(f, "{comma}{}", object.name())?;
            comma = ",";
        }
        Ok(())
    }
}

impl FromStr for PreemptedAt {
    type Err = UnknownObject;

    fn from_str(text: &str) -> Result<PreemptedAt, UnknownObject> {
        let bit = |found: &str| match PointObject::of(found) {
            Some(object) => Ok(1 << object as u16),
            None => Err(UnknownObject { found: found.to_owned() }),
        };
        text.split(',').try_fold(0, |bits, found| Ok(bits | bit(found)?)).map(PreemptedAt)
    }
}

/// The schedules of operations that run together, whoever begins, those with fewer preemptions first.
pub struct Orders {
    /// By who begins: the operations in their order, and the schedules of these.
    orders: Vec<(Vec<Op>, Schedules)>,
    at: usize,
    preemptions: u32,
    bound: u32,
}

impl Orders {
    /// With at most so many preemptions, before such points.
    pub fn new(ops: &[Op], bound: u32, at: PreemptedAt) -> Orders {
        // It does not matter which of two that do the same begins.
        let begins = (0..ops.len()).filter(|&first| !ops[..first].contains(&ops[first]));
        let orders = begins.map(|first| {
            let mut order = ops.to_vec();
            order[..=first].rotate_right(1);
            (order, Schedules::new(ops.len(), bound).preempted_at(at))
        });
        Orders { orders: orders.collect(), at: 0, preemptions: 0, bound }
    }

    /// The next: run it, then say what its tasks did. None: those were all.
    #[allow(clippy::should_implement_trait, reason = "what is given is lent")]
    pub fn next(&mut self) -> Option<(&[Op], &[Switch])> {
        while self.at == self.orders.len() || !self.orders[self.at].1.has_next(self.preemptions) {
            if self.at < self.orders.len() {
                self.at += 1;
            } else if self.preemptions == self.bound {
                return None;
            } else {
                self.preemptions += 1;
                self.at = 0;
            }
        }
        let (ops, schedules) = &mut self.orders[self.at];
        schedules.next(self.preemptions).map(|switches| (&ops[..], switches))
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

/// The schedules of a section whose first task begins.
pub struct Schedules {
    tasks: usize,
    /// Where tasks that could go on are switched.
    at: PreemptedAt,
    /// With more preemptions none are asked for.
    bound: u32,
    /// Those of this number of preemptions come now.
    preemptions: u32,
    /// Of that number: lists of lines to be run.
    ready: Vec<Ready>,
    /// Of one preemption more: what was run, and the lines that can be added.
    later: Vec<Branches>,
    /// Of this number: the same.
    now: Vec<Branches>,
    /// What was given out, until it was run.
    running: Option<Ready>,
    /// Schedules that were run, and how many of them came to another one.
    counts: ScheduleCounts,
}

/// How many schedules were run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct ScheduleCounts {
    /// All.
    pub run: u64,
    /// Those whose last switch does nothing.
    pub idle: u64,
}

struct Ready {
    switches: Vec<Switch>,
    /// How many steps were made when the last line comes.
    behind: usize,
    /// The branch of which it is, so that others of it can be left out.
    of: Option<usize>,
}

/// A line that can be added.
#[derive(Clone, Copy)]
struct Branch {
    switch: Switch,
    /// How many steps were made when it comes.
    behind: usize,
}

/// What can be added to one list of lines.
struct Branches {
    switches: Vec<Switch>,
    /// The next ones, the last first.
    branches: Vec<Branch>,
    /// Where mmap locks are released: how many steps were made by then, and which lock.
    unlocks: Vec<(usize, u32)>,
    /// Whose each step is.
    tasks: Vec<u8>,
}

impl Schedules {
    /// Of so many tasks, with at most so many preemptions.
    pub fn new(tasks: usize, bound: u32) -> Schedules {
        let first = Ready { switches: Vec::new(), behind: 0, of: None };
        Schedules {
            tasks,
            at: PreemptedAt::ANY,
            bound,
            preemptions: 0,
            ready: vec![first],
            later: Vec::new(),
            now: Vec::new(),
            running: None,
            counts: ScheduleCounts::default(),
        }
    }

    /// Those of them whose preemptions are before such points.
    pub fn preempted_at(self, at: PreemptedAt) -> Schedules {
        Schedules { at, ..self }
    }

    /// The next with so many preemptions: run it, then say what the tasks did. None: those were all. With more preemptions there
    /// are none before all with fewer were run.
    pub fn next(&mut self, preemptions: u32) -> Option<&[Switch]> {
        if !self.has_next(preemptions) {
            return None;
        }
        if self.ready.is_empty() {
            let of = self.now.len().checked_sub(1)?;
            let last = &mut self.now[of];
            let branch = last.branches.pop()?;
            let mut switches = last.switches.clone();
            switches.push(branch.switch);
            self.ready.push(Ready { switches, behind: branch.behind, of: Some(of) });
        }
        self.running = self.ready.pop();
        self.running.as_ref().map(|running| &running.switches[..])
    }

    /// Whether there is one more with so many preemptions.
    fn has_next(&mut self, preemptions: u32) -> bool {
        if preemptions > self.preemptions && self.ready.is_empty() && self.now.is_empty() {
            self.preemptions += 1;
            self.now = std::mem::take(&mut self.later);
        }
        if preemptions != self.preemptions {
            return false;
        }
        while self.now.last().is_some_and(|last| last.branches.is_empty()) {
            self.now.pop();
        }
        !self.ready.is_empty() || !self.now.is_empty()
    }

    /// How many were run.
    pub fn counts(&self) -> ScheduleCounts {
        self.counts
    }

    /// What the tasks did in the schedule that was given last.
    pub fn ran(&mut self, log: &[(usize, Step)]) {
        let Some(ran) = self.running.take() else { return };
        self.counts.run += 1;
        if let Some(waits) = ran.switches.last().and_then(|switch| idle(log, ran.behind, switch.next)) {
            self.counts.idle += 1;
            if let (Some(of), Some(mmap)) = (ran.of, waits) {
                let next = ran.switches.last().map_or(0, |switch| switch.next);
                self.now[of].leave_out(ran.behind, next, mmap);
            }
            return;
        }
        let is_last = self.preemptions >= self.bound;
        // Two tasks have a choice only where it is a preemption.
        if is_last && self.tasks < 3 {
            return;
        }
        let (mut free, mut branches) = (Vec::new(), Vec::new());
        let mut seen = Seen::default();
        for (at, &(task, step)) in log.iter().enumerate() {
            let behind = at + 1;
            let (point, nth) = seen.step(task, step, waits_on(&log[..at], task, step));
            // What comes before the last line was said of the schedules without it; what it switches to is its own.
            if behind <= ran.behind {
                continue;
            }
            // Who is about to wait can be left where it waits.
            let goes_on = matches!(step, Step::At(..));
            let elsewhere = matches!(step, Step::At(_, object, _) if !self.at.has(object));
            if elsewhere || goes_on && (is_last || waits_idly(log, behind, task)) {
                continue;
            }
            let anyhow = first_that_moves(log, behind);
            for next in (0..self.tasks).filter(|&next| next != task && Some(next) != anyhow && seen.can_go_on(next)) {
                let branch = Branch { switch: Switch { task, point, object: None, nth, next }, behind };
                if goes_on { &mut branches } else { &mut free }.push(branch);
            }
        }
        self.ready.extend(free.into_iter().rev().map(|branch| {
            let switches = [&ran.switches[..], &[branch.switch]].concat();
            Ready { switches, behind: branch.behind, of: None }
        }));
        if branches.is_empty() {
            return;
        }
        branches.reverse();
        let tasks: Vec<u8> = log.iter().map(|(task, _)| *task as u8).collect();
        // It is done when the task goes on.
        let unlocks = log.iter().enumerate().filter_map(|(at, (_, step))| match step {
            Step::At(PointKind::Unlock, PointObject::Mmap, Some(number)) => {
                let goes_on = tasks[at + 1..].iter().position(|task| *task == tasks[at])?;
                Some((at + 1 + goes_on, *number))
            }
            _ => None,
        });
        self.later.push(Branches { unlocks: unlocks.collect(), tasks, switches: ran.switches, branches });
    }
}

/// What tasks came to so far.
#[derive(Default)]
struct Seen {
    points: [u32; MAX_TASKS],
    /// Loads, and stores.
    accesses: [[u32; 2]; MAX_TASKS],
    waits: [u32; MAX_TASKS],
    waiting: [bool; MAX_TASKS],
    ended: [bool; MAX_TASKS],
}

impl Seen {
    /// A step, and how a line names it.
    fn step(&mut self, task: usize, step: Step, waits_on: bool) -> (Option<PointKind>, u32) {
        if !waits_on {
            self.waiting = [false; MAX_TASKS];
        }
        match step {
            Step::At(kind @ (PointKind::Load | PointKind::Store), ..) => {
                let accesses = &mut self.accesses[task][usize::from(kind == PointKind::Store)];
                *accesses += 1;
                (Some(kind), *accesses)
            }
            Step::At(..) => {
                self.points[task] += 1;
                (None, self.points[task])
            }
            Step::Waits(..) => {
                self.waiting[task] = true;
                self.waits[task] += 1;
                (Some(PointKind::Wait), self.waits[task])
            }
            Step::Ended => {
                self.ended[task] = true;
                (Some(PointKind::End), 1)
            }
        }
    }

    fn can_go_on(&self, task: usize) -> bool {
        !self.ended[task] && !self.waiting[task]
    }
}

impl Branches {
    /// A switch to a task did nothing, since it waits for an mmap lock: neither does one before the lock is released, or before the task
    /// goes on by itself.
    fn leave_out(&mut self, behind: usize, next: usize, mmap: u32) {
        let released =
            self.unlocks.iter().filter(|(at, number)| *at >= behind && *number == mmap).map(|(at, _)| *at).min();
        let moves = (behind..self.tasks.len()).find(|&at| usize::from(self.tasks[at]) == next);
        let until = released.unwrap_or(usize::MAX).min(moves.unwrap_or(usize::MAX));
        self.branches.retain(|branch| branch.switch.next != next || branch.behind < behind || branch.behind > until);
    }
}

/// Who makes the first step from there that is more than to wait on.
fn first_that_moves(log: &[(usize, Step)], from: usize) -> Option<usize> {
    (from..log.len()).find(|&at| !waits_idly(log, at, log[at].0)).map(|at| log[at].0)
}

/// Whether a step is one of the task that waits for what it waited for, or wanted, before, and has done nothing else.
fn waits_idly(log: &[(usize, Step)], at: usize, task: usize) -> bool {
    match log.get(at) {
        // Without a number it is no lock: the task may try again, and do something.
        Some(&(of, step @ Step::Waits(_, Some(_)))) => of == task && waits_on(&log[..at], task, step),
        _ => false,
    }
}

/// Whether a switch did nothing, and if it was for an mmap lock, for which.
fn idle(log: &[(usize, Step)], behind: usize, next: usize) -> Option<Option<u32>> {
    let mmap = |at: usize| match log.get(at) {
        Some(&(_, Step::Waits(PointObject::Mmap, number))) => number,
        _ => None,
    };
    if waits_idly(log, behind, next) {
        return Some(mmap(behind));
    }
    // Whoever begins with the mmap lock has looked at nothing before it.
    let begins = log[..behind.min(log.len())].iter().all(|(task, _)| *task != next);
    let locks =
        matches!(log.get(behind), Some((task, Step::At(PointKind::Lock, PointObject::Mmap, Some(_)))) if *task == next);
    (begins && locks && waits_idly(log, behind + 1, next)).then(|| mmap(behind + 1))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::schedule::Scheduler;
    use crate::together::Section;

    /// What a task of the toy does, one after another; before each it can be switched.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum Action {
        Lock(u32),
        Unlock(u32),
        Look,
    }
    use Action::{Lock, Look, Unlock};

    /// Runs a section: what the tasks did, and the actions in their order, by task. It ends early if each task waits.
    fn run(tasks: &[Vec<Action>], section: &Section) -> (Vec<(usize, Step)>, Vec<usize>) {
        let mut scheduler = Scheduler::new(section);
        let mut owners = BTreeMap::new();
        let mut begun = vec![false; tasks.len()];
        let mut done = vec![0; tasks.len()];
        let mut order = Vec::new();
        while let Some(task) = scheduler.current() {
            if std::mem::replace(&mut begun[task], true) {
                match tasks[task][done[task]] {
                    Lock(lock) if owners.contains_key(&lock) => {
                        scheduler.told(Step::Waits(PointObject::Mmap, Some(lock)));
                        continue;
                    }
                    Lock(lock) => drop(owners.insert(lock, task)),
                    Unlock(lock) => assert_eq!(owners.remove(&lock), Some(task)),
                    Look => {}
                }
                order.push(task);
                done[task] += 1;
            }
            scheduler.told(match tasks[task].get(done[task]) {
                Some(Lock(lock)) => Step::At(PointKind::Lock, PointObject::Mmap, Some(*lock)),
                Some(Unlock(lock)) => Step::At(PointKind::Unlock, PointObject::Mmap, Some(*lock)),
                Some(Look) => Step::At(PointKind::Read, PointObject::Folio, Some(0)),
                None => Step::Ended,
            });
        }
        (scheduler.into_log(), order)
    }

    /// Every order of actions that schedules with at most so many preemptions come to, whoever begins; and how many schedules there were
    /// by preemptions, without those that do nothing.
    fn orders(tasks: &[Vec<Action>], bound: u32) -> (BTreeSet<Vec<usize>>, Vec<u64>) {
        let mut orders = BTreeSet::new();
        let mut counts = vec![0; bound as usize + 1];
        for first in 0..tasks.len() {
            let numbers: Vec<usize> =
                std::iter::once(first).chain((0..tasks.len()).filter(|&of| of != first)).collect();
            let turned: Vec<Vec<Action>> = numbers.iter().map(|&of| tasks[of].clone()).collect();
            let mut schedules = Schedules::new(tasks.len(), bound);
            let mut given = BTreeSet::new();
            for preemptions in 0..=bound {
                let before = schedules.counts();
                while let Some(switches) = schedules.next(preemptions) {
                    let section = Section::new(0, tasks.len(), switches.to_vec());
                    let text: Vec<String> = section.switches.iter().map(Switch::to_string).collect();
                    assert!(given.insert(text.clone()), "{text:?} comes twice");
                    let (log, order) = run(&turned, &section);
                    orders.insert(order.into_iter().map(|task| numbers[task]).collect());
                    schedules.ran(&log);
                }
                let after = schedules.counts();
                counts[preemptions as usize] += after.run - before.run - (after.idle - before.idle);
            }
        }
        (orders, counts)
    }

    fn free(lengths: &[usize]) -> Vec<Vec<Action>> {
        lengths.iter().map(|&length| vec![Look; length]).collect()
    }

    fn binomial(n: u64, k: u64) -> u64 {
        if k > n { 0 } else { (1..=k).fold(1, |product, i| product * (n + 1 - i) / i) }
    }

    /// Two tasks that share nothing, of m and n stretches: with c preemptions there are c + 2 pieces, one task's and the other's in turn.
    #[test]
    fn two_tasks_have_as_many_schedules_as_there_are_ways_to_cut_them() {
        let (m, n) = (5, 8);
        // Before its first point there is a stretch, too.
        let (_, counts) = orders(&free(&[m - 1, n - 1]), 4);
        let cut = |length: usize, pieces: u64| binomial(length as u64 - 1, pieces - 1);
        let expected: Vec<u64> = (2..7)
            .map(|pieces: u64| {
                let (more, less) = (pieces.div_ceil(2), pieces / 2);
                cut(m, more) * cut(n, less) + cut(n, more) * cut(m, less)
            })
            .collect();
        assert_eq!(counts, expected);
    }

    /// Schedules from here on, with exactly so many preemptions.
    fn ways(left: &mut [usize], current: usize, preemptions: u32) -> u64 {
        left[current] -= 1;
        let others: Vec<usize> = (0..left.len()).filter(|&of| of != current && left[of] > 0).collect();
        let ended = left[current] == 0;
        let sum = match (ended, others.is_empty()) {
            (true, true) => u64::from(preemptions == 0),
            (true, false) => others.iter().map(|&of| ways(left, of, preemptions)).sum(),
            (false, _) => {
                let stays = ways(left, current, preemptions);
                let others = others.iter().filter(|_| preemptions > 0);
                stays + others.map(|&of| ways(left, of, preemptions - 1)).sum::<u64>()
            }
        };
        left[current] += 1;
        sum
    }

    #[test]
    fn three_tasks_have_as_many_schedules_as_counting_says() {
        let lengths = [3, 4, 5];
        let (_, counts) = orders(&free(&lengths.map(|length| length - 1)), 3);
        let expected: Vec<u64> = (0..4)
            .map(|preemptions| (0..3).map(|first| ways(&mut lengths.to_vec(), first, preemptions)).sum())
            .collect();
        assert_eq!(counts, expected);
        // 3! of them are one after another.
        assert_eq!(counts[0], 6);
    }

    /// Lists of lines, and whether a task that could go on was left before it looked.
    fn lists(tasks: &[Vec<Action>], at: PreemptedAt) -> BTreeSet<(Vec<String>, bool)> {
        let mut schedules = Schedules::new(tasks.len(), 2).preempted_at(at);
        let mut lists = BTreeSet::new();
        for preemptions in 0..=2 {
            while let Some(switches) = schedules.next(preemptions) {
                let section = Section::new(0, tasks.len(), switches.to_vec());
                let (log, _) = run(tasks, &section);
                let looks = |pair: &[(usize, Step)]| matches!(pair[0].1, Step::At(PointKind::Read, ..));
                let left = log.windows(2).any(|pair| pair[0].0 != pair[1].0 && looks(pair));
                lists.insert((section.switches.iter().map(Switch::to_string).collect(), left));
                schedules.ran(&log);
            }
        }
        lists
    }

    #[test]
    fn preemptions_at_some_objects_are_those_of_all_that_are_there() {
        let tasks = [vec![Look, Lock(0), Unlock(0), Look], vec![Look, Lock(1), Look, Unlock(1)]];
        let at: PreemptedAt = "mmap".parse().expect("an object");
        let (all, some) = (lists(&tasks, PreemptedAt::ANY), lists(&tasks, at));
        assert!(some.len() > 5 && some.len() < all.len(), "{} of {}", some.len(), all.len());
        assert_eq!(some, all.into_iter().filter(|(_, left)| !left).collect());
        assert_eq!("folio,mmap".parse::<PreemptedAt>().map(|at| at.to_string()), Ok("mmap,folio".to_owned()));
        assert!("mmap,lock".parse::<PreemptedAt>().is_err());
    }

    /// Every order with at most so many preemptions, by trying each choice after each action.
    struct Tried<'a> {
        tasks: &'a [Vec<Action>],
        orders: BTreeSet<Vec<usize>>,
    }

    impl Tried<'_> {
        fn can_go_on(&self, done: &[usize], task: usize) -> bool {
            let held = |lock: u32| {
                (0..self.tasks.len()).any(|of| {
                    let count = |action| self.tasks[of][..done[of]].iter().filter(|one| **one == action).count();
                    count(Lock(lock)) > count(Unlock(lock))
                })
            };
            match self.tasks[task].get(done[task]) {
                None => false,
                Some(Lock(lock)) => !held(*lock),
                Some(_) => true,
            }
        }

        fn from(&mut self, done: &mut Vec<usize>, order: &mut Vec<usize>, current: Option<usize>, preemptions: u32) {
            let can: Vec<usize> = (0..self.tasks.len()).filter(|&task| self.can_go_on(done, task)).collect();
            if can.is_empty() {
                self.orders.insert(order.clone());
            }
            let could = current.filter(|current| can.contains(current));
            for task in can {
                let cost = u32::from(could.is_some_and(|current| current != task));
                if cost <= preemptions {
                    done[task] += 1;
                    order.push(task);
                    self.from(done, order, Some(task), preemptions - cost);
                    order.pop();
                    done[task] -= 1;
                }
            }
        }
    }

    #[test]
    fn with_locks_every_order_is_found_at_its_number_of_preemptions() {
        let one = vec![Look, Lock(1), Look, Unlock(1), Look];
        let two = vec![Lock(1), Lock(2), Unlock(2), Unlock(1)];
        let other_way = vec![Look, Lock(2), Lock(1), Look, Unlock(1), Unlock(2)];
        let cases = [
            vec![one.clone(), one.clone()],
            vec![two.clone(), other_way.clone()],
            vec![one.clone(), two.clone(), other_way.clone()],
            vec![two.clone(), two.clone(), vec![Look, Look]],
            vec![vec![Lock(1), Unlock(1), Lock(1), Unlock(1)], one, vec![Lock(2), Unlock(2)]],
        ];
        let mut stuck = 0;
        for tasks in &cases {
            for bound in 0..4 {
                let mut tried = Tried { tasks, orders: BTreeSet::new() };
                tried.from(&mut vec![0; tasks.len()], &mut Vec::new(), None, bound);
                let (found, _) = orders(tasks, bound);
                let differ: Vec<_> = found.symmetric_difference(&tried.orders).take(3).collect();
                assert!(differ.is_empty(), "{tasks:?} with {bound} preemptions: {differ:?}");
                let all = tasks.iter().map(Vec::len).sum();
                stuck += found.iter().filter(|order| order.len() < all).count();
            }
        }
        // Two that take two locks the other way round wait for each other.
        assert!(stuck > 10, "{stuck}");
    }
}
