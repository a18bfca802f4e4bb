//! The small driver and the kernel's own VMA code: where nothing touches, so that nothing merges, they do the same.
//! And what must hold under either: the family of a process that forks for ever stays small.
#![allow(missing_docs)]

mod common;

use std::fmt::Write as _;

use common::layer::kernel_with_layer;
use common::{GENERATIONS, NEWEST, reference, snapshot};
use rmap_diff::check::{Driver, Lockstep, Sides};
use rmap_diff::kernel::{Kernel, Reference, SlabMode};
use rmap_diff::mm::{KernelDriver, Outcome, SmallDriver};
use rmap_diff::port::Port;
use rmap_diff::rmap::dump::Dump;
use rmap_diff::rmap::{FolioId, MmId, Side, VmaId};
use rmap_diff::trace::{Mix, Op, OpKind, Rng, Trace, random_trace};

/// What is left after a trace, once every pin is dropped: the state, and which folio is mapped where. The parent of an
/// anon_vma that a pin alone holds may be freed, and what its memory is by then depends on the order of all frees.
fn state(
    name: &str,
    kernel: &mut Kernel,
    processes: &[(MmId, Vec<VmaId>)],
    folios: impl Iterator<Item = (FolioId, MmId, u64)>,
) -> String {
    let snapshot = snapshot(kernel);
    let mut state = Dump::new(name, "c", &snapshot, kernel.live(), processes).json();
    // Flags and the anonymous page offset, which a dump leaves out. VM_ACCOUNT and VM_SOFTDIRTY are for mmap() to set,
    // and the small driver begins one step later, at vm_area_alloc(): no other flag may differ. Whether a VMA is marked
    // as attached is left out too: 6.x without locks of single VMAs has no such mark.
    let bits = rmap_diff::rmap::VmaAttributes::ACCOUNT | rmap_diff::rmap::VmaAttributes::SOFTDIRTY;
    for (mm, vmas) in processes {
        for vma in vmas.iter().filter_map(|&id| snapshot.vma(id)) {
            let kind = (vma.attributes.flags & !bits, vma.attributes.file, vma.attributes.anon_pgoff);
            let _ = write!(state, "\np{} {:#x} {kind:?}", mm.0, vma.range.start);
        }
    }
    for (folio, mm, page) in folios {
        let _ = write!(state, "\np{} {page:#x} {folio:?}", mm.0);
    }
    state
}

/// The small driver, which decides what of a random trace is played: no mapping comes nearer to another than one page.
struct Small {
    kernel: Kernel,
    driver: SmallDriver,
    trace: Trace,
    outcomes: Vec<Outcome>,
}

impl Small {
    fn play(&mut self, random: Trace) {
        self.kernel.reset();
        self.driver.reset();
        self.trace.ops.clear();
        self.outcomes.clear();
        for op in random.ops {
            if let OpKind::Map { mm, start, end, .. } = op.kind
                && (start - 1..=end).any(|page| self.driver.vma_at(mm, page).is_some())
            {
                continue;
            }
            self.outcomes.push(self.driver.apply(&mut self.kernel, &op));
            self.trace.ops.push(op);
        }
        self.driver.pages_mut().unpin_all(&mut self.kernel);
    }

    fn state(&mut self, name: &str) -> String {
        let processes: Vec<(MmId, Vec<VmaId>)> =
            self.driver.processes().map(|(mm, vmas)| (mm, vmas.map(|(vma, _)| vma).collect())).collect();
        state(name, &mut self.kernel, &processes, self.driver.pages().mappings())
    }
}

/// Traces a reference.
const TRACES: usize = 10_000;

fn both_drivers_end_in_the_same_state(name: &str) {
    let reference = reference(name);
    let mut small = Small {
        kernel: Kernel::new(reference, SlabMode::Reuse),
        driver: SmallDriver::new(),
        trace: Trace::default(),
        outcomes: Vec::new(),
    };
    let mut kernel = kernel_with_layer(reference, SlabMode::Reuse);
    let mut driver = KernelDriver::new();
    let mut rng = Rng::new(11);
    let mixes = [Mix::default(), Mix::fork_heavy(), Mix::wide()].map(|mix| {
        let mix = Mix { fail_per_mille: 0, range_pages: 4, window_pages: 64, ..mix };
        mix.with("pin", 1).with("unpin", 1).with("walk", 1)
    });
    let mut splits = 0;
    for n in 0..TRACES {
        small.play(random_trace(&mut rng, 40, &mixes[n % mixes.len()]));
        kernel.reset();
        driver.reset();
        let outcomes: Vec<Outcome> = small.trace.ops.iter().map(|op| driver.apply(&mut kernel, op)).collect();
        driver.pages_mut().unpin_all(&mut kernel);
        assert_eq!(small.outcomes, outcomes, "{name}:\n{}", small.trace);
        let processes: Vec<(MmId, Vec<VmaId>)> =
            driver.processes().map(|(mm, vmas)| (mm, vmas.iter().map(|vma| vma.vma).collect())).collect();
        let theirs = state(name, &mut kernel, &processes, driver.pages().mappings());
        assert_eq!(small.state(name), theirs, "{name}:\n{}", small.trace);
        let maps = small.trace.ops.iter().filter(|op| matches!(op.kind, OpKind::Map { mm: MmId(0), .. })).count();
        splits += usize::from(driver.processes().any(|(_, vmas)| vmas.len() > maps));
    }
    assert!(splits > TRACES / 100, "too little of a split: {splits}");
}

#[test]
fn both_drivers_end_in_the_same_state_after_10_000_traces_6_1() {
    both_drivers_end_in_the_same_state("6.1");
}

#[test]
fn both_drivers_end_in_the_same_state_after_10_000_traces_6_12() {
    both_drivers_end_in_the_same_state("6.12");
}

#[test]
fn both_drivers_end_in_the_same_state_after_10_000_traces_6_12_seed() {
    both_drivers_end_in_the_same_state("6.12-fork-preallocates");
}

#[test]
fn both_drivers_end_in_the_same_state_after_10_000_traces_7_2() {
    both_drivers_end_in_the_same_state("7.2");
}

#[test]
fn both_drivers_end_in_the_same_state_after_10_000_traces_newest() {
    both_drivers_end_in_the_same_state(NEWEST);
}

/// Generations of a family in which each parent exits when it has forked.
const GENERATIONS_OF_A_FAMILY: usize = 10_000;
/// VMAs that a process of it has.
const VMAS: u64 = 3;
/// VMAs of it at most: a parent's and its child's.
const PEAK: u32 = 2 * VMAS as u32;

/// How many anon_vmas live at most, over all generations.
fn growth<D: Driver<Kernel, Port>>(reference: &'static Reference, kernel: Kernel, mut driver: D) -> u32 {
    let mut lockstep = Lockstep::new(kernel, Port::new(reference.revision));
    lockstep.reset();
    driver.reset();
    let mut most = 0;
    let mut apply = |lockstep: &mut Lockstep<Kernel, Port>, driver: &mut D, kind: OpKind| {
        let outcome = driver.apply(lockstep, &Op::from(kind));
        lockstep.end_operation();
        driver.check(lockstep);
        let found = lockstep.finding();
        assert!(found.is_none() && outcome == Outcome::Done, "{}: {kind:?} {outcome:?} {found:?}", reference.name);
        let [vmas, anon_vmas, _] = lockstep.reference().live();
        assert!(vmas <= PEAK);
        most = most.max(anon_vmas);
    };
    let page = |n: u64| 0x10 + 8 * n;
    for n in 0..VMAS {
        apply(&mut lockstep, &mut driver, OpKind::map(MmId(0), page(n), page(n) + 4));
        apply(&mut lockstep, &mut driver, OpKind::fault(MmId(0), page(n)));
    }
    for generation in 0..GENERATIONS_OF_A_FAMILY {
        let [parent, child] = [generation, generation + 1].map(|n| MmId((n % 2) as u8));
        apply(&mut lockstep, &mut driver, OpKind::Fork { parent, child });
        // Some write before their parent ends, some after, some never.
        if generation % 3 == 0 {
            apply(&mut lockstep, &mut driver, OpKind::fault(child, page(generation as u64 % VMAS)));
        }
        apply(&mut lockstep, &mut driver, OpKind::Exit { mm: parent });
        if generation % 3 == 1 {
            apply(&mut lockstep, &mut driver, OpKind::fault(child, page(generation as u64 % VMAS) + 1));
        }
    }
    rmap_diff::check::end_trace(&mut lockstep, &mut driver);
    assert_eq!(lockstep.finding(), None);
    assert_eq!(lockstep.reference().live(), [0; 3]);
    most
}

/// Fork, and the parent exits, 10,000 times: an anon_vma whose process is gone is used again (2015).
#[test]
fn a_family_of_10_000_generations_stays_within_twice_the_peak_of_its_vmas() {
    for name in GENERATIONS {
        let reference = reference(name);
        let by_rust = growth(reference, Kernel::new(reference, SlabMode::Reuse), SmallDriver::new());
        let by_kernel = growth(reference, kernel_with_layer(reference, SlabMode::Reuse), KernelDriver::new());
        assert_eq!(by_rust, by_kernel, "{name}");
        assert!((VMAS as u32..=2 * PEAK).contains(&by_rust), "{name}: {by_rust}");
    }
}

#[test]
fn a_solo_world_of_the_vma_layer_needs_no_port() {
    let reference = reference(NEWEST);
    let mut solo = Lockstep::solo(kernel_with_layer(reference, SlabMode::Poison), Sides::Reference);
    let trace = common::trace("map p0 0x10..0x14\nfault p0 0x10\nfork p0 p1\nmove p1 0x10..0x12 0x20\n");
    let result = rmap_diff::check::run_trace(&mut solo, &mut KernelDriver::new(), &trace);
    assert_eq!((result.finding, result.stats.done), (None, 4));
}
