//! Random traces with sections: operations that meet at one page run together, with a random schedule.

use super::{Mix, Rng, random_trace};
use crate::model::WINDOW_START;
use crate::together::{MAX_TASKS, PointKind, Section, Switch, why_not_together};
use crate::{Op, OpKind, Trace};
use rmap_seam::{MmId, WalkMode};

/// Switches of a section at most.
const SWITCHES_MAX: u32 = 4;
/// Up to which point of one kind a switch lies that names its point.
const TIMES: u32 = 3;
/// Tries to find operations that can run together.
const TRIES: usize = 16;

/// So many operations: a few as [`random_trace`] makes them, so that there is something to run on. Then come sections, each of
/// operations that meet at a page, and between them single operations that bring back what they took away.
pub fn random_sections(rng: &mut Rng, operations: usize, mix: &Mix) -> Trace {
    let mut trace = random_trace(rng, operations.div_ceil(3), mix);
    let mut alive = Alive::after(&trace.ops, mix.processes.max(2));
    while trace.ops.len() < operations {
        let mm = alive.one(rng);
        let page = WINDOW_START + u64::from(rng.below(mix.window_pages.max(1).into()));
        if rng.below(3) == 0 {
            another_life(rng, mix, &mut alive, mm, page, &mut trace);
            continue;
        }
        for kind in setting(rng, &alive, mm, page) {
            alive.note(&kind);
            trace.ops.push(kind.into());
        }
        let tasks = 2 + rng.below(MAX_TASKS as u32 - 1) as usize;
        let together = (0..TRIES).find_map(|_| {
            let ops: Vec<Op> = (0..tasks).map(|_| task(rng, mix, &alive, mm, page)).collect();
            why_not_together(&ops).is_none().then_some(ops)
        });
        let Some(ops) = together else { continue };
        let count = rng.below(SWITCHES_MAX + 1);
        let switches = (0..count).map(|_| random_switch(rng, &ops)).collect();
        trace.sections.push(Section { first: trace.ops.len(), tasks, switches });
        ops.iter().for_each(|op| alive.note(&op.kind));
        trace.ops.extend(ops);
    }
    trace
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
    trace.sections.push(Section { first: trace.ops.len(), tasks: ops.len(), switches });
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
    let kind = match rng.below(16) {
        0 => OpKind::Walk { mm, page, mode: WalkMode::Unlocked },
        1..=2 => OpKind::Walk { mm, page, mode: WalkMode::Locked },
        3 => OpKind::Age { mm, page },
        4 => OpKind::SwapOut { mm, page },
        5 => OpKind::Migrate { mm, page },
        6..=8 => OpKind::Exit { mm: other },
        9 => OpKind::Unmap { mm: other, start: page, end: page + 1 },
        10 => OpKind::DontNeed { mm: other, start: page, end: page + 1 },
        11..=13 => OpKind::fault(other, near),
        _ => alive.fork(rng).unwrap_or(OpKind::fault(other, near)),
    };
    Op::failing(kind, &mix.fails(rng))
}

/// About how many points a task has.
fn points(op: &OpKind) -> u32 {
    match op {
        OpKind::Fork { .. } => 28,
        OpKind::Exit { .. } | OpKind::Unmap { .. } => 18,
        OpKind::SwapOut { .. } | OpKind::Migrate { .. } => 14,
        _ => 10,
    }
}

fn random_switch(rng: &mut Rng, ops: &[Op]) -> Switch {
    let tasks = ops.len() as u32;
    let task = rng.below(tasks) as usize;
    let next = (task + 1 + rng.below(tasks - 1) as usize) % ops.len();
    let (point, nth) = match rng.below(3) {
        0 => {
            let kind = PointKind::ALL[rng.below(PointKind::ALL.len() as u32) as usize];
            (Some(kind), 1 + rng.below(TIMES))
        }
        _ => (None, 1 + rng.below(points(&ops[task].kind))),
    };
    Switch { task, point, object: None, nth, next }
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
