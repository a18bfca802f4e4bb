//! Operations that run together, after operations that were found sound before: quickly, and with all that a side can tell at the end.
//!
//! Most schedules come to where another one came to. Who has looked at that end once needs not look again.

use crate::rmap::{Event, MmId, Side};
use crate::trace::schedule::{Scheduler, Step};
use crate::trace::together::Section;
use crate::trace::{Mapped, Op, Request, Trace, Watched};

/// What a side told of a section, and of where it ended.
#[derive(Default)]
pub struct Rehearsal {
    /// Whether nothing was wrong where tasks were switched, and all have ended.
    pub sound: bool,
    /// What the tasks did, in order.
    pub log: Vec<(usize, Step)>,
    /// How many allocations were made to fail in the section.
    pub injected: u64,
    end: WholeState,
}

impl Rehearsal {
    pub(super) fn run<S: Side + Watched>(&mut self, side: &mut S, prefix: &Trace, ops: &[Op], section: &Section) {
        side.reset();
        let mut at = 0;
        while at < prefix.ops.len() {
            at = match prefix.section_of(at) {
                Some(of) => {
                    side.run_together(&prefix.ops[of.range()], &mut Scheduler::new(of), &mut |_| true);
                    of.range().end
                }
                None => {
                    let op = &prefix.ops[at];
                    side.begin_operation(&op.fail);
                    side.fail_pages(&op.fail_page);
                    side.operate_unwatched(&Request::new(op.kind, &op.fail_node));
                    at + 1
                }
            };
        }
        let mut scheduler = Scheduler::new(section);
        let mut clean = true;
        let ends = side.run_together(ops, &mut scheduler, &mut |seen| {
            clean &= !seen.events.iter().any(Event::is_violation);
            clean
        });
        self.sound = clean && ends.is_some();
        self.log = scheduler.into_log();
        self.injected = ends.iter().flatten().map(|end| u64::from(end.injected)).sum();
        if self.sound {
            self.sound = self.end.read(side);
        }
    }

    /// All that the side can tell of where it ended, if it is sound.
    pub fn words(&self) -> &[u64] {
        &self.end.words
    }
}

/// All that a side can tell of its state.
#[derive(Default)]
pub(super) struct WholeState {
    /// Live objects, VMAs, anon_vmas, folios, what is mapped where, and the page tables.
    pub words: Vec<u64>,
    mapped: Vec<Mapped>,
}

impl WholeState {
    /// Takes it in, in the place of what was there. False: the page tables name what is not there, or the side has none.
    pub fn read(&mut self, side: &mut (impl Side + Watched)) -> bool {
        self.words.clear();
        self.words.extend(side.live().map(u64::from));
        side.state(&mut self.words);
        for mm in (0..crate::rmap::MAX_PROCESSES as u8).map(MmId) {
            self.space(side, mm);
        }
        side.page_table_words(&mut self.words) == Some(true)
    }

    fn space(&mut self, side: &mut impl Watched, mm: MmId) {
        self.mapped.clear();
        let Some(counts) = side.mapped(mm, &mut self.mapped) else { return };
        let [map_count, total_vm, in_rcu] = [counts.map_count, counts.total_vm, u64::from(counts.in_rcu)];
        self.words.extend([u64::from(mm.0), map_count, total_vm, in_rcu]);
        self.words.extend(self.mapped.iter().flat_map(|vma| [u64::from(vma.vma.0), vma.range.start, vma.range.end]));
    }
}
