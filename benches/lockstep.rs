//! What an operation costs on the compiled C alone, on the port alone, and on both in lockstep with all
//! checks, on one mix with 16 processes, at three numbers of live VMAs; then on the kernel's own VMA and page-table code, where
//! the time inside of the C is told apart from that of the driver that reads what it did.
//!
//! `cargo bench` prints a table a reference; `cargo bench --bench lockstep -- 7.3` has that alone. Only ratios of one run mean
//! anything: machines are shared and noisy.

use std::time::{Duration, Instant};

use rmap_diff::check::{self, Lockstep};
use rmap_diff::kernel::{self, Kernel, Reference, SlabMode};
use rmap_diff::known::KnownFindings;
use rmap_diff::mm::{KernelDriver, Outcome, SmallDriver};
use rmap_diff::port::Port;
use rmap_diff::rmap::{Call, Fail, MAX_PROCESSES, MmId, Revision, Rmap, Side};
use rmap_diff::trace::{
    Mapped, Mix, MmCounts, Op, OpKind, PageEvent, PageTables, Request, Rng, Trace, VmaLayer, Watched, random_trace,
};

/// Live VMAs, of 16 processes together.
const SIZES: [u64; 3] = [64, 1024, 16384];

/// Each side is timed this often, in turn; the fastest counts.
const REPEATS: usize = 5;

/// The first page of the VMAs that start as one and are split apart.
const SPLIT_AREA: u64 = 0x1000;
/// The first page of those that are mapped one by one.
const SINGLE_AREA: u64 = 0x100_000;

/// Half of each process's VMAs are pieces of one split VMA (one anon_vma, one deep tree), half
/// are on their own; every process is a fork of the first.
fn setup(vmas: u64) -> Vec<Op> {
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
fn steady(vmas: u64, count: usize, rng: &mut Rng) -> Vec<Op> {
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

/// Time of the steady operations; `end` is called after each.
fn time<R: Rmap>(rmap: &mut R, setup: &[Op], steady: &[Op], mut end: impl FnMut(&mut R)) -> Duration {
    let mut driver = SmallDriver::new();
    for op in setup {
        assert_eq!(driver.apply(rmap, op), Outcome::Done, "{op}");
        end(rmap);
    }
    let begun = Instant::now();
    for op in steady {
        assert_eq!(driver.apply(rmap, op), Outcome::Done, "{op}");
        end(rmap);
    }
    begun.elapsed()
}

fn measure(reference: &'static Reference, vmas: u64) {
    let setup = setup(vmas);
    let count = if vmas > 10_000 { 6_000 } else { 30_000 };
    let steady = steady(vmas, count, &mut Rng::new(vmas));
    let mut best = [Duration::MAX; 3];
    for _ in 0..REPEATS {
        let mut kernel = Kernel::new(reference, SlabMode::Reuse);
        best[0] = best[0].min(time(&mut kernel, &setup, &steady, |_| {}));
        let mut port = Port::new(reference.revision);
        best[1] = best[1].min(time(&mut port, &setup, &steady, |_| {}));
        let mut both = Lockstep::new(Kernel::new(reference, SlabMode::Reuse), Port::new(reference.revision));
        best[2] = best[2].min(time(&mut both, &setup, &steady, |both| both.end_operation()));
        assert!(both.finding().is_none(), "{:?}", both.finding());
    }
    let [c, port, both] = best.map(|time| time.as_nanos() as f64 / steady.len() as f64);
    println!(
        "{:<12} {vmas:>7} {c:>10.0} {port:>10.0} {both:>10.0} {:>10.2} {:>22.2}",
        reference.name,
        port / c,
        both / (c + port)
    );
}

/// A kernel that is told to tell nothing, where its own code keeps the page tables, and whose time inside of the C is summed
/// up: operations and calls.
struct Timed {
    kernel: Kernel,
    inside: Duration,
}

impl Timed {
    fn timed<T>(&mut self, does: impl FnOnce(&mut Kernel) -> T) -> T {
        let begun = Instant::now();
        let result = does(&mut self.kernel);
        self.inside += begun.elapsed();
        result
    }
}

impl Rmap for Timed {
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
        self.timed(|kernel| kernel.call(call))
    }
}

impl VmaLayer for Timed {
    fn operate(&mut self, request: &Request<'_>, pages: &mut dyn FnMut(PageEvent)) -> i32 {
        // Without them the driver has to be told what happens to its own page tables.
        let alone = self.has_page_tables();
        self.timed(|kernel| match alone {
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

    fn page_tables(&mut self, out: &mut PageTables) -> Option<bool> {
        Watched::page_tables(&mut self.kernel, out)
    }

    fn has_page_tables(&self) -> bool {
        Watched::has_page_tables(&self.kernel)
    }

    fn fail_pages(&mut self, fail: &Fail) {
        Watched::fail_pages(&mut self.kernel, fail);
    }
}

/// The kernel driver on random traces without failures, from empty worlds: inside of its C, which with page tables tells nothing;
/// with what it tells, and what the driver reads of VMAs and page tables; and with the port following and every check. The port
/// does nothing by itself here.
fn measure_kernel_driver(reference: &'static Reference, mix: Mix, world: impl Fn() -> Kernel) {
    let mut rng = Rng::new(1);
    let mix = Mix { fail_per_mille: 0, fail_node_per_mille: 0, fail_page_per_mille: 0, ..mix };
    let traces: Vec<Trace> = (0..200).map(|_| random_trace(&mut rng, 256, &mix)).collect();
    let ops: usize = traces.iter().map(|trace| trace.ops.len()).sum();
    let mut best = [Duration::MAX; 3];
    for _ in 0..REPEATS {
        let (mut kernel, mut driver) = (Timed { kernel: world(), inside: Duration::ZERO }, KernelDriver::new());
        for trace in &traces {
            kernel.kernel.reset();
            driver.reset();
            for op in &trace.ops {
                driver.apply(&mut kernel, op);
            }
        }
        best[0] = best[0].min(kernel.inside);
        let (mut kernel, mut driver) = (world(), KernelDriver::new());
        let begun = Instant::now();
        for trace in &traces {
            kernel.reset();
            driver.reset();
            for op in &trace.ops {
                driver.apply(&mut kernel, op);
            }
        }
        best[1] = best[1].min(begun.elapsed());
        let known = KnownFindings::embedded().of(reference.name, reference.version);
        let mut both = Lockstep::new(world(), Port::new(reference.revision));
        both.tolerate(rmap_diff::known::signatures(&known));
        let mut driver = KernelDriver::new();
        let begun = Instant::now();
        for trace in &traces {
            let result = check::run_trace(&mut both, &mut driver, trace);
            assert!(result.finding.is_none(), "{:?}", result.finding);
        }
        best[2] = best[2].min(begun.elapsed());
    }
    let [inside, c, both] = best.map(|time| time.as_nanos() as f64 / ops as f64);
    println!("{:<12} {inside:>14.0} {c:>10.0} {both:>10.0} {:>15.2}", reference.name, both / c);
}

fn main() {
    // `cargo test` runs benches too, with --test: there is nothing to test here.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let references: Vec<&'static Reference> = kernel::references()
        .iter()
        .filter(|reference| asked.is_empty() || asked.iter().any(|name| name == reference.name))
        .collect();
    println!(
        "{:<12} {:>7} {:>10} {:>10} {:>10} {:>10} {:>22}",
        "kernel", "VMAs", "C ns/op", "port ns/op", "both ns/op", "port / C", "lockstep / (C + port)"
    );
    for &reference in &references {
        for vmas in SIZES {
            measure(reference, vmas);
        }
    }
    let head = || {
        println!(
            "{:<12} {:>14} {:>10} {:>10} {:>15}",
            "kernel", "inside C ns/op", "C ns/op", "both ns/op", "lockstep / C"
        );
    };
    println!("\nkernel driver, traces of 256 operations");
    head();
    for &reference in &references {
        match Kernel::with_vma_layer(reference, SlabMode::Reuse) {
            Ok(_) => measure_kernel_driver(reference, Mix::full(), || {
                Kernel::with_vma_layer(reference, SlabMode::Reuse).expect("it was looked at")
            }),
            Err(why) => println!("{:<12} {why}", reference.name),
        }
    }
    println!("\nkernel driver with page tables, traces of 256 operations");
    head();
    for &reference in &references {
        match Kernel::with_pages(reference, SlabMode::Reuse) {
            Ok(_) => measure_kernel_driver(reference, Mix::full().with_pages(), || {
                Kernel::with_pages(reference, SlabMode::Reuse).expect("it was looked at")
            }),
            Err(why) => println!("{:<12} {why}", reference.name),
        }
    }
}
