//! What is measured, by time (`lockstep`) and by instructions (`counts`): the operations, and what runs inside of the C alone.

use rmap_diff::check::{self, Lockstep};
use rmap_diff::kernel::Kernel;
use rmap_diff::known::{self, KnownFindings};
use rmap_diff::mm::KernelDriver;
use rmap_diff::port::Port;
use rmap_diff::rmap::{Call, Fail, MAX_PROCESSES, MmId, Revision, Rmap};
use rmap_diff::trace::{
    Mapped, Mix, MmCounts, Op, OpKind, PageEvent, PageTables, Request, Rng, Trace, VmaLayer, Watched, random_trace,
};

/// The first page of the VMAs that start as one and are split apart.
const SPLIT_AREA: u64 = 0x1000;
/// The first page of those that are mapped one by one.
const SINGLE_AREA: u64 = 0x100_000;

/// Half of each process's VMAs are pieces of one split VMA (one anon_vma, one deep tree), half
/// are on their own; every process is a fork of the first.
pub fn setup(vmas: u64) -> Vec<Op> {
    let half = vmas / MAX_PROCESSES as u64 / 2;
    let p0 = MmId(0);
    let mut ops: Vec<Op> = vec![OpKind::map(p0, SPLIT_AREA, SPLIT_AREA + 2 * half).into()];
    ops.push(OpKind::fault(p0, SPLIT_AREA).into());
    for i in 0..half {
        let hole = SPLIT_AREA + 2 * i + 1;
        ops.push(OpKind::Unmap { mm: p0, start: hole, end: hole + 1 }.into());
    }
    for i in 0..half {
        let page = SINGLE_AREA + 2 * i;
        ops.push(OpKind::map(p0, page, page + 1).into());
        ops.push(OpKind::fault(p0, page).into());
    }
    ops.extend((1..MAX_PROCESSES as u8).map(|child| Op::from(OpKind::Fork { parent: p0, child: MmId(child) })));
    ops
}

/// Operations that keep the number of VMAs: a VMA goes and comes back, faulted; now and then a process exits
/// and is forked again.
pub fn steady(vmas: u64, count: usize, rng: &mut Rng) -> Vec<Op> {
    let half = (vmas / MAX_PROCESSES as u64 / 2) as u32;
    let mut ops = Vec::with_capacity(count + 4);
    while ops.len() < count {
        let mm = MmId(rng.below(MAX_PROCESSES as u32) as u8);
        if rng.below(200) == 0 {
            let parent = MmId((mm.0 + 1 + rng.below(MAX_PROCESSES as u32 - 1) as u8) % MAX_PROCESSES as u8);
            ops.push(OpKind::Exit { mm }.into());
            ops.push(OpKind::Fork { parent, child: mm }.into());
            continue;
        }
        let area = if rng.below(2) == 0 { SPLIT_AREA } else { SINGLE_AREA };
        let page = area + 2 * u64::from(rng.below(half));
        ops.push(OpKind::Unmap { mm, start: page, end: page + 1 }.into());
        ops.push(OpKind::map(mm, page, page + 1).into());
        ops.push(OpKind::fault(mm, page).into());
    }
    ops
}

/// The kernel driver's traces: random, from empty worlds, without failures.
pub fn random_traces(mix: Mix, count: usize) -> Vec<Trace> {
    let mut rng = Rng::new(1);
    let mix = Mix { fail_per_mille: 0, fail_node_per_mille: 0, fail_page_per_mille: 0, ..mix };
    (0..count).map(|_| random_trace(&mut rng, 256, &mix)).collect()
}

/// A lockstep that tolerates the known findings.
pub fn tolerant(kernel: Kernel) -> Lockstep<Kernel, Port> {
    let reference = kernel.reference();
    let known = KnownFindings::embedded().of(reference.name, reference.version);
    let mut both = Lockstep::new(kernel, Port::new(reference.revision));
    both.tolerate(known::signatures(&known));
    both
}

/// The numbers of those that no known finding stops: the others are shorter in lockstep than on the C alone.
pub fn unstopped(kernel: Kernel, traces: &[Trace]) -> Vec<usize> {
    let (mut both, mut driver) = (tolerant(kernel), KernelDriver::new());
    let met = |both: &Lockstep<Kernel, Port>| both.met().iter().sum::<u64>();
    (0..traces.len())
        .filter(|&nth| {
            let before = met(&both);
            let result = check::run_trace(&mut both, &mut driver, &traces[nth]);
            assert!(result.finding.is_none(), "{:?}", result.finding);
            met(&both) == before
        })
        .collect()
}

/// What measures: all that runs within.
pub trait Meter {
    fn within<T>(&mut self, does: impl FnOnce() -> T) -> T;
}

/// A kernel that is told to tell nothing, where its own code keeps the page tables, and of which what runs inside of the C is
/// measured: operations and calls.
pub struct Metered<M> {
    pub kernel: Kernel,
    pub meter: M,
}

impl<M: Meter> Rmap for Metered<M> {
    fn revision(&self) -> Revision {
        self.kernel.revision()
    }

    fn begin_operation(&mut self, fail: &Fail) {
        self.kernel.begin_operation(fail);
    }

    fn attempts(&self) -> u32 {
        self.kernel.attempts()
    }

    fn call(&mut self, call: Call) -> i32 {
        let Metered { kernel, meter } = self;
        meter.within(|| kernel.call(call))
    }
}

impl<M: Meter> VmaLayer for Metered<M> {
    fn operate(&mut self, request: &Request<'_>, pages: &mut dyn FnMut(PageEvent)) -> i32 {
        // Without them the driver has to be told what happens to its own page tables.
        let alone = self.has_page_tables();
        let Metered { kernel, meter } = self;
        meter.within(|| match alone {
            true => kernel.operate_unwatched(request),
            false => VmaLayer::operate(kernel, request, pages),
        })
    }

    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts> {
        Watched::mapped(&mut self.kernel, mm, out)
    }

    fn injected(&self) -> u32 {
        Watched::injected(&self.kernel)
    }

    fn moves_pages(&self) -> bool {
        Watched::moves_pages(&self.kernel)
    }

    fn merges_either_way(&self) -> bool {
        Watched::merges_either_way(&self.kernel)
    }

    fn changed_page_tables(&mut self, out: &mut PageTables) -> Option<bool> {
        Watched::changed_page_tables(&mut self.kernel, out)
    }

    fn has_page_tables(&self) -> bool {
        Watched::has_page_tables(&self.kernel)
    }

    fn fail_pages(&mut self, fail: &Fail) {
        Watched::fail_pages(&mut self.kernel, fail);
    }
}
