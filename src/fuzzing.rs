//! What the fuzz targets do: each is a line of glue around one function here.
//!
//! A finding is a panic, as libFuzzer wants it; its message holds the signature, since every
//! finding panics at the same line.

use std::cell::RefCell;
use std::env;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::check::{self, Lockstep};
use crate::kernel::{self, Kernel, Reference, SlabMode};
use crate::known::{KnownFinding, KnownFindings};
use crate::mm::{KernelDriver, SmallDriver};
use crate::port::Port;
use crate::report::{self, Report};
use crate::trace::{self, OpSet, Trace};
use figures::Figures;

mod figures;
mod review;

pub use review::{announce_review, review};

/// Whether this binary runs under AddressSanitizer: freed objects are then poisoned rather than reused.
const ADDRESS_SANITIZER: bool = cfg!(rmap_sanitize_address);

static CHOSEN: OnceLock<Chosen> = OnceLock::new();
static KNOWN: OnceLock<Vec<KnownFinding>> = OnceLock::new();
static OPERATIONS: OnceLock<OpSet> = OnceLock::new();

/// What a fuzz target runs.
#[derive(Clone, Copy)]
struct Chosen {
    reference: &'static Reference,
    /// The kernel driver, else the small one.
    vma_layer: bool,
}

/// Chooses the reference (`$RMAP_KERNEL`, else the newest after the January 2026 series) and the driver
/// (`$RMAP_DRIVER`: `kernel` or `rust`; else the kernel's where the reference has it), and says what runs. Reads the known
/// findings (`$RMAP_KNOWN`: a file or `none`; else those that are built in). Ends the process with status 2 if there is
/// none, if the C carries no coverage counters, or if that file is wrong.
pub fn announce() {
    let refuse = |why: String| -> ! {
        eprintln!("rmap-diff: {why}");
        std::process::exit(2);
    };
    let reference = match env::var("RMAP_KERNEL") {
        Ok(name) => kernel::reference(&name).unwrap_or_else(|| {
            let names: Vec<&str> = kernel::references().iter().map(|r| r.name).collect();
            refuse(format!("RMAP_KERNEL={name}: no such reference in this binary; it has {}", names.join(", ")))
        }),
        Err(_) => kernel::default_reference().unwrap_or_else(|| refuse("no kernel reference in this binary".into())),
    };
    if !kernel::instrumented() {
        refuse("the C of this binary has no coverage counters: build it with cargo fuzz (clang is needed)".into());
    }
    let missing = reference.without_vma_layer();
    let vma_layer = match (env::var("RMAP_DRIVER").as_deref(), missing) {
        (Ok("rust"), _) => false,
        (Ok("kernel"), Some(why)) => refuse(format!("{} has no kernel driver: {why}", reference.name)),
        (Ok("kernel") | Err(_), None) => true,
        (Err(_), Some(why)) => {
            eprintln!("rmap-diff: {} has no kernel driver, the small one runs: {why}", reference.name);
            false
        }
        (Ok(other), _) => refuse(format!("RMAP_DRIVER={other}: expected kernel or rust")),
    };
    let sanitizer = if ADDRESS_SANITIZER { "address" } else { "none" };
    let driver = if vma_layer { "kernel" } else { "rust" };
    eprintln!(
        "rmap-diff: kernel={} version={} driver={driver} sanitizer={sanitizer} revision: {}",
        reference.name, reference.version, reference.revision
    );
    let known = KnownFindings::read(env::var_os("RMAP_KNOWN").map(PathBuf::from).as_deref());
    let known = known.unwrap_or_else(|error| refuse(format!("RMAP_KNOWN: {error}")));
    KNOWN.get_or_init(|| known.of(reference.name, reference.version));
    CHOSEN.get_or_init(|| Chosen { reference, vma_layer });
    set_operations(vma_layer);
}

fn known() -> &'static [KnownFinding] {
    KNOWN.get().map_or(&[], Vec::as_slice)
}

fn chosen() -> Chosen {
    *CHOSEN.get().expect("announce() has chosen")
}

/// The operations that an input is made of: those that the driver knows. What is converted from and to an input
/// (`rmap-diff convert --set`) has to be converted with the same.
pub fn operations() -> OpSet {
    *OPERATIONS.get().expect("a target announces itself first")
}

fn set_operations(vma_layer: bool) {
    OPERATIONS.get_or_init(|| if vma_layer { OpSet::Full } else { OpSet::Small });
}

/// Whether libFuzzer's own mutations of bytes are all that is done to an input (`$RMAP_MUTATOR`: `operations` or `bytes`).
fn bytes_alone() -> bool {
    static BYTES: OnceLock<bool> = OnceLock::new();
    *BYTES.get_or_init(|| match env::var("RMAP_MUTATOR").as_deref() {
        Ok("bytes") => true,
        Ok("operations") | Err(_) => false,
        Ok(other) => {
            eprintln!("rmap-diff: RMAP_MUTATOR={other}: expected operations or bytes");
            std::process::exit(2);
        }
    })
}

/// One mutation in so many is libFuzzer's own, of bytes.
const BYTES_ONE_IN: u32 = 8;

/// A mutation of an input, by whole operations, or now and then, or if so wanted always, by `bytes`, libFuzzer's own.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    bytes: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
    if bytes_alone() || seed.is_multiple_of(BYTES_ONE_IN) {
        return bytes(data, size, max_size);
    }
    trace::mutate(operations(), data, size, max_size, seed / BYTES_ONE_IN)
}

/// A cross of two inputs.
pub fn crossover(one: &[u8], other: &[u8], out: &mut [u8], seed: u32) -> usize {
    trace::crossover(operations(), one, other, out, seed)
}

enum AnyDriver {
    Small(Box<SmallDriver>),
    Kernel(Box<KernelDriver>),
}

struct Harness {
    lockstep: Lockstep<Kernel, Port>,
    driver: AnyDriver,
    /// Which known findings were met and told.
    told: Vec<bool>,
    figures: Figures,
    executions: u64,
}

impl Harness {
    fn new() -> Harness {
        let Chosen { reference, vma_layer } = chosen();
        let mode = if ADDRESS_SANITIZER { SlabMode::Poison } else { SlabMode::Reuse };
        let (kernel, driver) = match vma_layer {
            true => (
                Kernel::with_vma_layer(reference, mode).expect("announce() has looked"),
                AnyDriver::Kernel(Box::default()),
            ),
            false => (Kernel::new(reference, mode), AnyDriver::Small(Box::default())),
        };
        let mut lockstep = Lockstep::new(kernel, Port::new(reference.revision));
        lockstep.tolerate(known().iter().map(|known| known.signature.clone()));
        Harness { lockstep, told: vec![false; known().len()], driver, figures: Figures::from_env(), executions: 0 }
    }

    fn run(&mut self, trace: &Trace) {
        let result = match &mut self.driver {
            AnyDriver::Small(driver) => check::run_trace(&mut self.lockstep, &mut **driver, trace),
            AnyDriver::Kernel(driver) => check::run_trace(&mut self.lockstep, &mut **driver, trace),
        };
        self.executions += 1;
        for ((told, known), _) in
            self.told.iter_mut().zip(known()).zip(self.lockstep.met()).filter(|&(_, &met)| met > 0)
        {
            if !std::mem::replace(told, true) {
                eprintln!("known: {} ({})", known.signature, known.headline());
            }
        }
        // To ask for the time costs something, too.
        if self.executions % 256 == 1 || result.finding.is_some() {
            self.write_figures(result.finding.is_some());
        }
        if let Some(finding) = &result.finding {
            let kernel = self.lockstep.reference().reference().name;
            let options = self.options();
            let report = Report::new(finding, trace, kernel).with_options(&options);
            eprint!("{}", report::text::plain(&report));
            panic!("{}", finding.signature());
        }
    }

    /// With which options `run` finds what this finds, a word each.
    fn options(&self) -> Vec<String> {
        let driver = match self.driver {
            AnyDriver::Small(_) => "rust",
            AnyDriver::Kernel(_) => "kernel",
        };
        let mut options = ["--driver", driver].map(str::to_owned).to_vec();
        if ADDRESS_SANITIZER {
            options.extend(["--slab", "poison"].map(str::to_owned));
        }
        if let Ok(known) = env::var("RMAP_KNOWN") {
            options.extend(["--known".to_owned(), known]);
        }
        options
    }

    fn write_figures(&mut self, now: bool) {
        let Harness { figures, driver, lockstep, executions, .. } = self;
        let totals = match driver {
            AnyDriver::Small(driver) => driver.stats().total(),
            AnyDriver::Kernel(driver) => driver.stats().total(),
        };
        figures.write(now, || {
            let mut text = format!("kernel={}\nexecutions={executions}\n", lockstep.reference().reference().name);
            let _ = writeln!(text, "operations={}\nrefused={}", totals.total(), totals.refused);
            for (known, met) in known().iter().zip(lockstep.met()).filter(|&(_, &met)| met > 0) {
                let _ = writeln!(text, "known={met} {}", known.signature);
            }
            text
        });
    }
}

/// Plays the trace on the chosen reference and the port in lockstep.
///
/// # Panics
/// When something is found.
pub fn differential(trace: &Trace) {
    thread_local! {
        static HARNESS: RefCell<Option<Harness>> = const { RefCell::new(None) };
    }
    HARNESS.with_borrow_mut(|harness| harness.get_or_insert_with(Harness::new).run(trace));
}
