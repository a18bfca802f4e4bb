//! Random traces with sections: operations that meet at one page run together, with a random schedule.

use super::{Mix, Rng, random_trace};
use crate::model::WINDOW_START;
use crate::op::Fails;
use crate::together::{MAX_TASKS, PointKind, PointObject, Section, Switch, why_not_together};
use crate::{Op, OpKind, Trace};
use rmap_seam::{Fail, MmId, WalkMode};

/// Switches of a section at most, but of a uniform walk.
const SWITCHES_MAX: u32 = 4;
/// Switches of a uniform walk at most.
const WALK_SWITCHES_MAX: usize = 24;
/// What is done to the anon_vmas of others.
const OF_ANON_VMAS: &[PointKind] =
    &[PointKind::Lock, PointKind::Unlock, PointKind::TryLock, PointKind::Get, PointKind::Put, PointKind::Free];
/// Up to which of a task's points about anon_vmas a switch lies that counts these.
const OF_ANON_VMA_STEPS: u32 = 8;
/// Up to which point of one kind a switch lies that names its point.
const TIMES: u32 = 3;
/// Tries to find operations that can run together.
const TRIES: usize = 16;

/// So many operations: a few as [`random_trace`] makes them, so that there is something to run on. Then come sections, each of
/// operations that meet at a page, and between them single operations that bring back what they took away.
pub fn random_sections(rng: &mut Rng, operations: usize, mix: &Mix) -> Trace {
    let mut trace = random_trace(rng, operations.div_ceil(8), mix);
    let mut alive = Alive::after(&trace.ops, mix.processes.max(2));
    while trace.ops.len() < operations {
        let mm = alive.one(rng);
        let page = WINDOW_START + u64::from(rng.below(mix.window_pages.max(1).into()));
        match rng.below(9) {
            8 => {
                let Some(Shared { before, ops, comes }) = shared(rng, &alive, mm, page) else { continue };
                push(&mut trace, &mut alive, before, ops.map(|kind| Op::failing(kind, &mix.fails(rng))).into(), rng);
                if rng.below(2) == 0
                    && let Some(section) = trace.sections.last_mut()
                {
                    section.switches = behind_a_lock(rng, comes);
                }
                continue;
            }
            0 | 1 => {
                another_life(rng, mix, &mut alive, mm, page, &mut trace);
                continue;
            }
            2 => {
                let (before, ops) = move_back(rng, mm, page);
                push(&mut trace, &mut alive, before, ops.map(|kind| Op::failing(kind, &mix.fails(rng))).into(), rng);
                continue;
            }
            3 => {
                let (before, ops) = merge(rng, mm, page);
                push(&mut trace, &mut alive, before, ops.into(), rng);
                continue;
            }
            _ => {}
        }
        for kind in setting(rng, &alive, mm, page) {
            alive.note(&kind);
            trace.ops.push(kind.into());
        }
        // What one section leaves is the place of the next.
        for _ in 0..1 + rng.below(3) {
            let tasks = 2 + rng.below(MAX_TASKS as u32 - 1) as usize;
            let together = (0..TRIES).find_map(|_| {
                let ops: Vec<Op> = (0..tasks).map(|_| task(rng, mix, &alive, mm, page)).collect();
                why_not_together(&ops).is_none().then_some(ops)
            });
            let Some(ops) = together else { break };
            push(&mut trace, &mut alive, Vec::new(), ops, rng);
        }
    }
    trace
}

/// A section, and what makes its place.
fn push(trace: &mut Trace, alive: &mut Alive, before: Vec<OpKind>, ops: Vec<Op>, rng: &mut Rng) {
    before.iter().for_each(|kind| alive.note(kind));
    trace.ops.extend(before.into_iter().map(Op::from));
    let switches = schedule(rng, &ops);
    trace.sections.push(Section::new(trace.ops.len(), ops.len(), switches));
    ops.iter().for_each(|op| alive.note(&op.kind));
    trace.ops.extend(ops);
}

/// Four ways to draw a schedule: some lines on their own; a chain of them; a few steps at which the task that goes on is put behind all others, as
/// probabilistic concurrency testing does (Burckhardt and others, ASPLOS 2010); and a walk in which every interleaving of as many
/// steps is as likely as any other.
fn schedule(rng: &mut Rng, ops: &[Op]) -> Vec<Switch> {
    match rng.below(6) {
        0 | 1 => (0..rng.below(SWITCHES_MAX + 1)).map(|_| random_switch(rng, ops)).collect(),
        2 | 3 => chain(rng, ops),
        4 => change_points(rng, ops),
        _ => uniform_walk(rng, ops),
    }
}

/// Lines of which each is of the task that the one above lets go on.
fn chain(rng: &mut Rng, ops: &[Op]) -> Vec<Switch> {
    let mut task = 0;
    let lines = 1 + rng.below(SWITCHES_MAX + 1);
    let line = |_| {
        let switch = Switch { task, next: other_task(rng, ops, task), ..random_switch(rng, ops) };
        task = switch.next;
        switch
    };
    (0..lines).map(line).collect()
}

fn other_task(rng: &mut Rng, ops: &[Op], task: usize) -> usize {
    (task + 1 + rng.below(ops.len() as u32 - 1) as usize) % ops.len()
}

/// The tasks in the order of their priorities, which is that of the section, and up to three steps at which the running one loses
/// its own.
fn change_points(rng: &mut Rng, ops: &[Op]) -> Vec<Switch> {
    let total: u32 = ops.iter().map(|op| points(&op.kind)).sum();
    let mut at: Vec<u32> = (0..1 + rng.below(3)).map(|_| 1 + rng.below(total)).collect();
    at.sort_unstable();
    let mut order: Vec<usize> = (0..ops.len()).collect();
    let mut left: Vec<u32> = ops.iter().map(|op| points(&op.kind)).collect();
    let mut switches = Vec::new();
    let mut now = 0;
    for change in at {
        let mut steps = change - now;
        now = change;
        // Whoever comes first and has steps left takes them.
        let running = order.iter().copied().find(|&task| {
            let taken = steps.min(left[task]);
            left[task] -= taken;
            steps -= taken;
            steps == 0
        });
        let Some(task) = running else { break };
        order.retain(|&other| other != task);
        let Some(&next) = order.iter().find(|&&other| left[other] > 0) else { break };
        order.push(task);
        let nth = points(&ops[task].kind) - left[task];
        switches.push(Switch { task, point: None, object: None, nth: nth.max(1), next });
    }
    switches
}

/// An interleaving of the steps of all tasks, drawn so that each is as likely.
fn uniform_walk(rng: &mut Rng, ops: &[Op]) -> Vec<Switch> {
    let all: Vec<u32> = ops.iter().map(|op| points(&op.kind)).collect();
    let mut left = all.clone();
    let mut switches = Vec::new();
    let mut current = 0;
    while switches.len() < WALK_SWITCHES_MAX {
        let mut nth = rng.below(left.iter().sum());
        let Some(next) = left.iter().position(|&of| {
            nth < of || {
                nth -= of;
                false
            }
        }) else {
            break;
        };
        if next != current {
            let nth = all[current] - left[current] + 1;
            switches.push(Switch { task: current, point: None, object: None, nth, next });
            current = next;
        }
        left[next] -= 1;
        if left.iter().sum::<u32>() == 0 {
            break;
        }
    }
    switches
}

/// Whoever comes finds the lock of the anon_vma taken, and waits. The other one goes on when the lock is free, and at one point after
/// another of its anon_vmas each of the two lets the other go on.
fn behind_a_lock(rng: &mut Rng, comes: usize) -> Vec<Switch> {
    let holds = (comes + 1 + rng.below(2) as usize) % 3;
    let other = 3 - comes - holds;
    let line = |task, point, object, nth, next| Switch { task, point, object, nth, next };
    let anon_vma = Some(PointObject::AnonVma);
    let mut lines = vec![
        line(holds, Some(PointKind::Unlock), anon_vma, 1 + rng.below(2), comes),
        line(comes, Some(PointKind::Wait), None, 1, other),
        line(holds, Some(PointKind::End), None, 1, other),
        line(other, None, anon_vma, 1 + rng.below(OF_ANON_VMA_STEPS), comes),
        line(comes, None, anon_vma, 1 + rng.below(OF_ANON_VMA_STEPS), other),
    ];
    // The first task begins.
    if holds != 0 {
        lines.insert(0, line(0, None, None, 1, holds));
    }
    lines
}

/// A section of three, and what makes its place.
struct Shared {
    before: Vec<OpKind>,
    ops: [OpKind; 3],
    /// Which of the three comes to the page.
    comes: usize,
}

/// A parent and its child share a page. Both give it up while somebody comes to it.
fn shared(rng: &mut Rng, alive: &Alive, mm: MmId, page: u64) -> Option<Shared> {
    let Some(OpKind::Fork { child, .. }) = alive.fork(rng) else { return None };
    let before = vec![
        OpKind::Unmap { mm, start: page, end: page + 1 },
        OpKind::map(mm, page, page + 1),
        OpKind::fault(mm, page),
        OpKind::Fork { parent: mm, child },
    ];
    let comes = match rng.below(4) {
        0 => OpKind::Age { mm: child, page },
        1 => OpKind::Migrate { mm: child, page },
        _ => OpKind::SwapOut { mm: child, page },
    };
    let takes = match rng.below(2) {
        0 => OpKind::Exit { mm: child },
        _ => OpKind::Unmap { mm: child, start: page, end: page + 1 },
    };
    let mut ops = [takes, comes, OpKind::Unmap { mm, start: page, end: page + 1 }];
    let turn = rng.below(3) as usize;
    ops.rotate_left(turn);
    Some(Shared { before, ops, comes: (1 + 3 - turn) % 3 })
}

/// A page is moved to where it was, between pages of the same anon_vma, while somebody comes to it.
fn move_back(rng: &mut Rng, mm: MmId, page: u64) -> (Vec<OpKind>, [OpKind; 2]) {
    let away = page + 6;
    let go = |start: u64, to: u64| OpKind::Move { mm, start, end: start + 1, to, dontunmap: false };
    let before = vec![
        OpKind::Unmap { mm, start: page, end: page + 3 },
        OpKind::Unmap { mm, start: away, end: away + 1 },
        OpKind::map(mm, page, page + 3),
        OpKind::fault(mm, page),
        OpKind::fault(mm, page + 1),
        go(page + 1, away),
    ];
    let comes = match rng.below(4) {
        0 => OpKind::SwapOut { mm, page: away },
        1 => OpKind::Walk { mm, page: away, mode: WalkMode::Locked },
        _ => OpKind::Migrate { mm, page: away },
    };
    let back = go(away, page + 1);
    (before, if rng.below(4) == 0 { [back, comes] } else { [comes, back] })
}

/// Memory that was written to becomes one with memory beside it that was not, to which somebody writes meanwhile. An allocation of
/// the merge may fail.
fn merge(rng: &mut Rng, mm: MmId, page: u64) -> (Vec<OpKind>, [Op; 2]) {
    let protect = |page: u64, write: bool| OpKind::Protect { mm, start: page, end: page + 1, write };
    let (changes, written, other) = match rng.below(3) {
        0 => (page, page, page + 1),
        1 => (page + 1, page + 1, page),
        // Between the two.
        _ => (page + 1, page + 2, page),
    };
    let mut before = vec![OpKind::Unmap { mm, start: page, end: page + 3 }, OpKind::map(mm, changes, changes + 1)];
    match changes == written {
        true => before.extend([OpKind::fault(mm, written), protect(changes, false)]),
        false => {
            before.extend([protect(changes, false), OpKind::map(mm, written, written + 1), OpKind::fault(mm, written)])
        }
    }
    before.push(OpKind::map(mm, other, other + 1));
    let merges = protect(changes, true);
    let nth = 1 + rng.below(3) as u16;
    let alloc = match rng.below(3) {
        0 => Fail::NEVER,
        1 => Fail::nth(nth),
        _ => Fail::new(&[], Some(nth)).unwrap_or(Fail::NEVER),
    };
    let fails = Fails { alloc, ..Fails::NEVER };
    let (merges, comes) = (Op::failing(merges, &fails), Op::from(OpKind::fault(mm, other)));
    (before, if rng.below(2) == 0 { [merges, comes] } else { [comes, merges] })
}

/// Which processes live, as far as operations that do not fail go; a bit each.
struct Alive {
    bits: u16,
    processes: u8,
}

impl Alive {
    fn after(ops: &[Op], processes: u8) -> Alive {
        let mut alive = Alive { bits: 1, processes };
        ops.iter().for_each(|op| alive.note(&op.kind));
        alive
    }

    fn note(&mut self, op: &OpKind) {
        match *op {
            OpKind::Fork { parent, child } if self.bits >> parent.0 & 1 != 0 => self.bits |= 1 << child.0,
            OpKind::Exit { mm } => self.bits &= !(1 << mm.0),
            _ => {}
        }
    }

    fn draw(&self, rng: &mut Rng, bits: u16) -> Option<MmId> {
        let nth = rng.below(bits.count_ones());
        let of = (0..16u8).filter(|&process| bits >> process & 1 != 0);
        of.map(MmId).nth(nth as usize)
    }

    /// One that lives; p0 if none does.
    fn one(&self, rng: &mut Rng) -> MmId {
        self.draw(rng, self.bits).unwrap_or(MmId(0))
    }

    /// A fork of one that lives, if there is room for a child.
    fn fork(&self, rng: &mut Rng) -> Option<OpKind> {
        let child = self.draw(rng, !self.bits & ((1u32 << self.processes) - 1) as u16)?;
        Some(OpKind::Fork { parent: self.draw(rng, self.bits)?, child })
    }
}

/// A section of three: one comes to a page whose anon_vma nobody else has, one takes the page away, and one makes something new,
/// which may get the same anon_vma. They mostly come in this order.
fn another_life(rng: &mut Rng, mix: &Mix, alive: &mut Alive, mm: MmId, page: u64, trace: &mut Trace) {
    let mut before: Vec<OpKind> = alive.fork(rng).into_iter().collect();
    before.iter().for_each(|kind| alive.note(kind));
    let others = alive.bits & !(1 << mm.0);
    let Some(other) = alive.draw(rng, others) else { return };
    before.push(OpKind::Unmap { mm, start: page, end: page + 3 });
    for (mm, page) in [(mm, page), (other, page + 4)] {
        before.extend([OpKind::map(mm, page, page + 1), OpKind::fault(mm, page)]);
    }
    let comes = match rng.below(5) {
        0 => OpKind::Walk { mm, page, mode: WalkMode::Unlocked },
        1 => OpKind::Walk { mm, page, mode: WalkMode::Locked },
        2 => OpKind::Age { mm, page },
        3 => OpKind::SwapOut { mm, page },
        _ => OpKind::Migrate { mm, page },
    };
    let takes = match rng.below(2) {
        0 => OpKind::Exit { mm },
        _ => OpKind::Unmap { mm, start: page, end: page + 1 },
    };
    let children = !alive.bits & ((1u32 << alive.processes) - 1) as u16;
    let makes = match alive.draw(rng, children).filter(|_| rng.below(2) == 0) {
        Some(child) => OpKind::Fork { parent: other, child },
        None => OpKind::fault(other, page + 4 + u64::from(rng.below(2))),
    };
    let ops: Vec<Op> = [comes, takes, makes].map(|kind| Op::failing(kind, &mix.fails(rng))).into();
    let mut switches: Vec<Switch> = (0..rng.below(2)).map(|_| random_switch(rng, &ops)).collect();
    switches.extend((0..2).map(|task| {
        let nth = 1 + rng.below(points(&ops[task].kind));
        Switch { task, point: None, object: None, nth, next: task + 1 }
    }));
    switches.extend((0..rng.below(2)).map(|_| random_switch(rng, &ops)));
    trace.ops.extend(before.into_iter().map(Op::from));
    trace.sections.push(Section::new(trace.ops.len(), ops.len(), switches));
    ops.iter().for_each(|op| alive.note(&op.kind));
    trace.ops.extend(ops);
}

/// What makes the place of a section: memory that was written to, perhaps beside memory that was not and could share its anon_vma, and
/// another process.
fn setting(rng: &mut Rng, alive: &Alive, mm: MmId, page: u64) -> Vec<OpKind> {
    let mut setting = Vec::new();
    if rng.below(2) == 0 {
        setting.extend(alive.fork(rng));
    }
    if rng.below(3) == 0 {
        setting.push(OpKind::Unmap { mm, start: page, end: page + 3 });
    }
    setting.extend([OpKind::map(mm, page, page + 1), OpKind::fault(mm, page)]);
    if rng.below(4) == 0 {
        setting.push(OpKind::Protect { mm, start: page, end: page + 1, write: false });
        setting.push(OpKind::map(mm, page + 1, page + 3));
    }
    if rng.below(3) == 0 {
        let other = alive.one(rng);
        setting.extend([OpKind::map(other, page + 4, page + 5), OpKind::fault(other, page + 4)]);
    }
    setting
}

/// An operation that comes to the page, takes it away, or makes something new.
fn task(rng: &mut Rng, mix: &Mix, alive: &Alive, mm: MmId, page: u64) -> Op {
    let other = if rng.below(2) == 0 { mm } else { alive.one(rng) };
    let near = page + u64::from(rng.below(3));
    let kind = match rng.below(20) {
        0 => OpKind::Walk { mm, page, mode: WalkMode::Unlocked },
        1..=2 => OpKind::Walk { mm, page, mode: WalkMode::Locked },
        3 => OpKind::Age { mm, page },
        4 => OpKind::SwapOut { mm, page },
        5 => OpKind::Migrate { mm, page },
        6..=8 => OpKind::Exit { mm: other },
        9 => OpKind::Unmap { mm: other, start: page, end: page + 1 },
        10 => OpKind::DontNeed { mm: other, start: page, end: page + 1 },
        11..=13 => OpKind::fault(other, near),
        14 => OpKind::Protect { mm: other, start: near, end: near + 1, write: rng.below(2) == 0 },
        15 => OpKind::Move { mm: other, start: page, end: page + 1, to: page + 8, dontunmap: rng.below(4) == 0 },
        16 => OpKind::map(other, near, near + 1),
        _ => alive.fork(rng).unwrap_or(OpKind::fault(other, near)),
    };
    Op::failing(kind, &mix.fails(rng))
}

/// About how many points a task has.
fn points(op: &OpKind) -> u32 {
    match op {
        OpKind::Fork { .. } => 36,
        OpKind::Exit { .. } | OpKind::Unmap { .. } | OpKind::Move { .. } => 26,
        OpKind::SwapOut { .. } | OpKind::Migrate { .. } => 22,
        _ => 16,
    }
}

fn random_switch(rng: &mut Rng, ops: &[Op]) -> Switch {
    let tasks = ops.len() as u32;
    let task = rng.below(tasks) as usize;
    let next = other_task(rng, ops, task);
    let (kinds, object) = match rng.below(4) {
        0 => (PointKind::ALL, None),
        1 => (OF_ANON_VMAS, Some(PointObject::AnonVma)),
        _ => {
            let nth = 1 + rng.below(points(&ops[task].kind));
            return Switch { task, point: None, object: None, nth, next };
        }
    };
    let point = kinds[rng.below(kinds.len() as u32) as usize];
    Switch { task, point: Some(point), object, nth: 1 + rng.below(TIMES), next }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every section can be run, and comes back from the text form.
    #[test]
    fn random_sections_have_a_text_form() {
        let mut rng = Rng::new(3);
        let mut sections = 0;
        for _ in 0..50 {
            let trace = random_sections(&mut rng, 24, &Mix::together());
            sections += trace.sections.len();
            let again: Trace = trace.to_file_text().parse().expect("what was printed");
            assert_eq!(again, trace);
        }
        assert!(sections > 100, "{sections} sections");
    }
}
