//! How far a search goes, and which operations a state has there.

use std::fmt;
use std::str::FromStr;

use crate::rmap::{MmId, VmaAttributes, WalkMode};
use crate::trace::preemptions::PreemptedAt;
use crate::trace::together::{TOGETHER, why_not_together};
use crate::trace::{Advice, HUGE_ORDER, OPERATIONS, Op, OpKind, PageEntry};
use crate::world::{Process, Symmetry, World};

/// The first page of the window.
pub const FIRST_PAGE: u64 = 0x10;

/// Which failures are tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failures {
    /// None.
    None,
    /// Of each operation each allocation that it attempts, alone, and with all that it attempts after; under the
    /// kernel driver each allocation of a maple tree node, alone.
    All,
}

/// A set of operations, by their rows in [`OPERATIONS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpKinds(u32);

/// An operation that a search does not try.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{found}` is no operation of a search: expected some of {}", OpKinds::ALL)]
pub struct UnknownOperation {
    /// What was found.
    pub found: String,
}

impl OpKinds {
    /// Those that a search knows.
    const KNOWN: [&str; 24] = [
        "map",
        "fault",
        "fork",
        "unmap",
        "exit",
        "protect",
        "advise",
        "move",
        "pin",
        "unpin",
        "uffdmove",
        "mlock",
        "munlock",
        "touch",
        "dontneed",
        "age",
        "swapout",
        "migrate",
        "lazyfree",
        "exclusive",
        "split",
        "uffdwp",
        "poison",
        "walk",
    ];
    /// All that a search knows.
    pub const ALL: OpKinds = OpKinds::of(&OpKinds::KNOWN);
    /// What changes the reverse map on any tree: map, fault, fork, unmap, exit.
    pub const CORE: OpKinds = OpKinds::of(&["map", "fault", "fork", "unmap", "exit"]);

    /// The same, and what changes or looks at page tables where they are the kernel's own.
    pub const WITH_PAGES: OpKinds = OpKinds::of(&[
        "map",
        "fault",
        "fork",
        "unmap",
        "exit",
        "touch",
        "age",
        "swapout",
        "migrate",
        "lazyfree",
        "exclusive",
        "split",
    ]);

    /// What changes the reverse map, and all that can run together.
    pub const WITH_TOGETHER: OpKinds =
        OpKinds::of(&["map", "fault", "fork", "unmap", "exit", "dontneed", "walk", "age", "swapout", "migrate"]);

    const fn of(keywords: &[&str]) -> OpKinds {
        let mut set = 0;
        let mut at = 0;
        while at < keywords.len() {
            let mut row = 0;
            while row < OPERATIONS.len() {
                if equal(OPERATIONS[row].keyword, keywords[at]) {
                    set |= 1 << row;
                }
                row += 1;
            }
            at += 1;
        }
        OpKinds(set)
    }

    /// Whether an operation is in it.
    pub fn has(&self, keyword: &str) -> bool {
        OPERATIONS.iter().position(|row| row.keyword == keyword).is_some_and(|row| self.0 >> row & 1 == 1)
    }

    /// The first that needs the kernel's own page-table code.
    pub fn of_pages(&self) -> Option<&'static str> {
        let rows = OPERATIONS.iter().enumerate().filter(|(row, _)| self.0 >> row & 1 == 1);
        rows.map(|(_, operation)| operation).find(|row| row.needs_page_tables()).map(|row| row.keyword)
    }

    /// Whether the small driver knows them all.
    pub fn is_small(&self) -> bool {
        OPERATIONS.iter().enumerate().all(|(row, operation)| operation.small || self.0 >> row & 1 == 0)
    }
}

const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

impl fmt::Display for OpKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for keyword in Self::KNOWN.iter().filter(|keyword| self.has(keyword)) {
            write!(f, "{comma}{keyword}")?;
            comma = ",";
        }
        Ok(())
    }
}

impl FromStr for OpKinds {
    type Err = UnknownOperation;

    fn from_str(text: &str) -> Result<OpKinds, UnknownOperation> {
        let mut set = 0;
        for found in text.split(',') {
            if !Self::KNOWN.contains(&found) {
                return Err(UnknownOperation { found: found.to_owned() });
            }
            set |= OpKinds::of(&[found]).0;
        }
        Ok(OpKinds(set))
    }
}

/// How far a search goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    /// Processes that are alive at once.
    pub processes: u8,
    /// Pages of the window, from [`FIRST_PAGE`] on.
    pub pages: u64,
    /// Operations of a sequence.
    pub depth: u32,
    /// Which failures are tried.
    pub failures: Failures,
    /// Which operations are tried.
    pub kinds: OpKinds,
    /// Which states count as one.
    pub symmetry: Symmetry,
    /// A fault is also tried with a folio of this order, which the kernel's own page-table code may bring in; 0: none. With a huge
    /// page, each page of the window stands for half of one.
    pub order: u32,
    /// Operations are also tried together; none: one after another alone.
    pub together: Option<Together>,
}

/// Operations that run together, each as a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Together {
    /// How many: 2 or 3.
    pub tasks: usize,
    /// Each schedule with at most so many switches away from a task that could go on.
    pub preemptions: u32,
    /// Then each schedule with one such switch at most, where loads and stores of the kernel's text are points too.
    pub fine: bool,
    /// Where these switches are.
    pub at: PreemptedAt,
}

impl Scope {
    /// The operations, the order, and where tasks are preempted, as the file of a search has them.
    pub fn tried(&self) -> String {
        let order = if self.order == 0 { String::new() } else { format!(" order {}", self.order) };
        let at = self.together.map(|together| together.at).filter(|at| *at != PreemptedAt::ANY);
        let at = at.map(|at| format!(" preempted at {at}")).unwrap_or_default();
        format!("{}{order}{at}", self.kinds)
    }

    /// The pages for which a page of the window stands: with huge pages, half of one.
    fn unit(&self) -> u64 {
        if self.order == u32::from(HUGE_ORDER) { 1 << HUGE_ORDER >> 1 } else { 1 }
    }

    fn first(&self) -> u64 {
        if self.unit() == 1 { FIRST_PAGE } else { 1 << HUGE_ORDER }
    }

    /// Whether operations on a page are tried: on one for which no other stands.
    fn is_tried(&self, page: u64) -> bool {
        page.is_multiple_of(self.unit())
    }

    /// The pages from a page of the window to another, the first for those for which it stands.
    fn within(&self, start: u64, end: u64) -> impl Iterator<Item = u64> + use<> {
        (start..end).step_by(self.unit() as usize)
    }

    fn window(&self) -> impl Iterator<Item = u64> + use<> {
        self.within(self.first(), self.first() + self.pages * self.unit())
    }

    fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let (unit, end) = (self.unit(), self.first() + self.pages * self.unit());
        self.window().flat_map(move |start| (start + unit..=end).step_by(unit as usize).map(move |end| (start, end)))
    }

    /// Everything that the kernel would not refuse in a state, in a fixed order. Of several operations that do the same
    /// (an unmap of more than what is mapped) there is one; of the free process numbers a fork takes the lowest, unless each
    /// number counts for itself.
    pub fn operations(&self, world: &World) -> Vec<OpKind> {
        let mut ops = Vec::with_capacity(32);
        let free = (0..self.processes).map(MmId).filter(|&mm| world.process(mm).is_none());
        let free: Vec<MmId> = free.take(if self.symmetry == Symmetry::None { 16 } else { 1 }).collect();
        for process in &world.processes {
            self.of_process(process, &free, &mut ops);
            if world.tables.is_some() {
                self.on_pages(process, world, &mut ops);
            }
        }
        let pins = (0..).zip(&world.pins).filter(|(_, pin)| pin.is_some());
        ops.extend(pins.map(|(pin, _)| OpKind::Unpin { pin }));
        ops.retain(|op| self.kinds.has(op.keyword()));
        ops
    }

    /// Each choice of so many operations that can run together in a state, whatever their order, in a fixed order. An operation can run
    /// beside another that does the same. A fork takes the lowest number that is free and that no fork before it takes.
    pub fn sections(&self, world: &World, tasks: usize) -> Vec<Vec<Op>> {
        let alone = |kind: &OpKind| TOGETHER.contains(&kind.keyword()) && why_not_together(&[(*kind).into()]).is_none();
        let kinds: Vec<OpKind> = self.operations(world).into_iter().filter(alone).collect();
        let mut sections = Vec::new();
        let mut chosen = vec![0; tasks];
        while chosen.iter().all(|&at| at < kinds.len()) {
            let mut free = (0..self.processes).map(MmId).filter(|&mm| world.process(mm).is_none());
            let ops: Option<Vec<Op>> = chosen
                .iter()
                .map(|&at| match kinds[at] {
                    OpKind::Fork { parent, .. } => Some(OpKind::Fork { parent, child: free.next()? }.into()),
                    kind => Some(kind.into()),
                })
                .collect();
            sections.extend(ops.filter(|ops| why_not_together(ops).is_none()));
            // The next choice whose places do not fall.
            let Some(at) = (0..tasks).rev().find(|&at| chosen[at] + 1 < kinds.len()) else { break };
            let next = chosen[at] + 1;
            chosen[at..].fill(next);
        }
        sections
    }

    /// On pages, where the kernel's own code keeps the page tables.
    fn on_pages(&self, process: &Process, world: &World, ops: &mut Vec<OpKind>) {
        let mm = process.mm;
        let mapped = |page: u64| process.vmas.iter().any(|vma| vma.range.start <= page && page < vma.range.end);
        for page in self.window().filter(|&page| mapped(page)) {
            ops.push(OpKind::Fault { mm, page, read: true, order: 0 });
            if self.order > 0 {
                ops.extend([false, true].map(|read| OpKind::Fault { mm, page, read, order: self.order }));
            }
        }
        let is_tried = |entry: &&PageEntry| entry.target.mapped_or_lent().is_some() && self.is_tried(entry.page);
        for entry in world.entries_of(mm).iter().filter(is_tried) {
            let page = entry.page;
            let touches = if entry.writable { &[false, true][..] } else { &[false] };
            ops.extend(touches.iter().map(|&write| OpKind::Touch { mm, page, write }));
            ops.extend([OpKind::Age { mm, page }, OpKind::SwapOut { mm, page }, OpKind::Migrate { mm, page }]);
            ops.extend([OpKind::Exclusive { mm, page }, OpKind::Split { mm, page }, OpKind::Poison { mm, page }]);
            ops.extend([WalkMode::Unlocked, WalkMode::Locked].map(|mode| OpKind::Walk { mm, page, mode }));
        }
        for (start, end) in self.ranges() {
            if self.within(start, end).all(mapped) {
                ops.extend([OpKind::DontNeed { mm, start, end }, OpKind::LazyFree { mm, start, end }]);
            }
        }
    }

    fn of_process(&self, process: &Process, free: &[MmId], ops: &mut Vec<OpKind>) {
        let mm = process.mm;
        let vma_at = |page: u64| process.vmas.iter().find(|vma| vma.range.start <= page && page < vma.range.end);
        let mapped = |page: u64| vma_at(page).is_some();
        for (start, end) in self.ranges() {
            if !self.within(start, end).any(mapped) {
                ops.push(OpKind::map(mm, start, end));
                continue;
            }
            if mapped(start) && mapped(end - self.unit()) {
                ops.push(OpKind::Unmap { mm, start, end });
            }
            // Over a hole these do half of the work and fail.
            if self.within(start, end).all(mapped) {
                ops.extend([false, true].map(|write| OpKind::Protect { mm, start, end, write }));
                let advices = [Advice::DontFork, Advice::DoFork, Advice::WipeOnFork, Advice::KeepOnFork];
                ops.extend(advices.map(|advice| OpKind::Advise { mm, start, end, advice }));
                ops.extend([OpKind::Mlock { mm, start, end }, OpKind::Munlock { mm, start, end }]);
                ops.extend([false, true].map(|off| OpKind::UffdWp { mm, start, end, off }));
            }
            // mremap takes one VMA.
            if vma_at(start).is_some_and(|vma| end <= vma.range.end) && self.kinds.has("move") {
                let targets = self.window().filter(|to| to + (end - start) <= self.first() + self.pages * self.unit());
                for to in targets.filter(|&to| to >= end || to + (end - start) <= start) {
                    ops.extend([false, true].map(|dontunmap| OpKind::Move { mm, start, end, to, dontunmap }));
                }
            }
        }
        for page in self.window().filter(|&page| mapped(page)) {
            let writable = vma_at(page).is_some_and(|vma| vma.attributes.flags & VmaAttributes::WRITE != 0);
            if writable {
                ops.push(OpKind::fault(mm, page));
            }
            if process.pages.iter().any(|mapping| mapping.page == page) {
                ops.push(OpKind::Pin { mm, page });
                let others = self.window().filter(|&to| to != page && mapped(to));
                ops.extend(others.map(|to| OpKind::UffdMove { mm, from: page, to }));
            }
        }
        ops.extend(free.iter().map(|&child| OpKind::Fork { parent: mm, child }));
        ops.push(OpKind::Exit { mm });
    }
}
