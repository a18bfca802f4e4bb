//! What an operation costs on the compiled C alone, on the port alone, and on both in lockstep with all
//! checks, on one mix with 16 processes, at three numbers of live VMAs; then on the kernel's own VMA and page-table code, where
//! the time inside of the C is told apart from that of the driver that reads what it did.
//! Between these, what an object takes in memory on each side.
//!
//! `cargo bench` prints a table a reference; `cargo bench --bench lockstep -- 7.3` has that alone. Only ratios of one run mean
//! anything: machines are shared and noisy.

mod workload;

use std::time::{Duration, Instant};

use rmap_diff::check::{self, Lockstep};
use rmap_diff::kernel::{self, Kernel, Reference, SlabMode};
use rmap_diff::mm::{KernelDriver, Outcome, SmallDriver};
use rmap_diff::port::Port;
use rmap_diff::rmap::{Rmap, Side};
use rmap_diff::trace::{Mix, Op, Rng, Trace};
use workload::{Meter, Metered, random_traces, setup, steady, tolerant, unstopped};

/// Live VMAs, of 16 processes together.
const SIZES: [u64; 3] = [64, 1024, 16384];

/// Each side is timed this often, in turn; the fastest counts.
const REPEATS: usize = 5;

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

/// What a live object takes: on the C's side the kernel's structure and what is added to observe it, on the port's its record and all
/// that is held, a share each.
fn measure_memory(reference: &'static Reference, vmas: u64) {
    let mut port = Port::new(reference.revision);
    time(&mut port, &setup(vmas), &[], |_| {});
    // With the model the VMA is a stand-in; with the kernel's own code it is the kernel's.
    let own = Kernel::with_pages(reference, SlabMode::Reuse)
        .or_else(|_| Kernel::with_vma_layer(reference, SlabMode::Reuse))
        .unwrap_or_else(|_| Kernel::new(reference, SlabMode::Reuse));
    let names = ["VMA", "anon_vma", "chain entry"];
    for (nth, ((name, c), port_has)) in names.into_iter().zip(own.object_sizes()).zip(port.memory()).enumerate() {
        let live = port.live()[nth];
        println!(
            "{:<12} {name:<12} {live:>8} {:>10} {:>10} {:>10} {:>12.1} {:>14.2}",
            reference.name,
            c.structure,
            c.added,
            port_has.record,
            port_has.held as f64 / f64::from(live),
            port_has.record as f64 / f64::from(c.structure)
        );
    }
}

/// Sums up time.
#[derive(Default)]
struct Stopwatch(Duration);

impl Meter for Stopwatch {
    fn within<T>(&mut self, does: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = does();
        self.0 += begun.elapsed();
        result
    }
}

/// The kernel driver on random traces without failures, from empty worlds, which no known finding stops: inside of its C, which with page tables tells nothing;
/// with what it tells, and what the driver reads of VMAs and page tables; and with the port following and every check. The port
/// does nothing by itself here.
fn measure_kernel_driver(reference: &'static Reference, mix: Mix, world: impl Fn() -> Kernel) {
    let traces = random_traces(mix, 200);
    let traces: Vec<&Trace> = unstopped(world(), &traces).into_iter().map(|nth| &traces[nth]).collect();
    let ops: usize = traces.iter().map(|trace| trace.ops.len()).sum();
    let mut best = [Duration::MAX; 3];
    for _ in 0..REPEATS {
        let (mut kernel, mut driver) = (Metered { kernel: world(), meter: Stopwatch::default() }, KernelDriver::new());
        for trace in &traces {
            kernel.kernel.reset();
            driver.reset();
            for op in &trace.ops {
                driver.apply(&mut kernel, op);
            }
        }
        best[0] = best[0].min(kernel.meter.0);
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
        let mut both = tolerant(world());
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
    println!("\nmemory, bytes an object");
    println!(
        "{:<12} {:<12} {:>8} {:>10} {:>10} {:>10} {:>12} {:>14}",
        "kernel", "object", "live", "C's struct", "C adds", "port's", "port holds", "port's / C's"
    );
    for &reference in &references {
        measure_memory(reference, SIZES[2]);
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
