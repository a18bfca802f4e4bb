//! What the fuzz targets do: each is a line of glue around one function here.
//!
//! A finding is a panic, as libFuzzer wants it; its message holds the signature, since every
//! finding panics at the same line.

use std::cell::RefCell;
use std::env;
use std::fmt::Write as _;
use std::sync::OnceLock;

use crate::kernel::{self, SlabMode};
use crate::known::{self, KnownFinding};
use crate::report::{self, Report};
use crate::session::{Player, Session, VmaCode};
use crate::trace::{self, OpSet, Trace};
use figures::Figures;

mod environment;
mod figures;
mod review;

pub use environment::SetupError;
pub use review::{announce_review, review};

/// Whether this binary runs under AddressSanitizer: freed objects are then poisoned rather than reused.
const ADDRESS_SANITIZER: bool = cfg!(rmap_sanitize_address);

static TARGET: OnceLock<Target> = OnceLock::new();
static OPERATIONS: OnceLock<OpSet> = OnceLock::new();
/// Whether libFuzzer's own mutations of bytes are all that is done to an input.
static BYTES_ALONE: OnceLock<bool> = OnceLock::new();

/// What a fuzz target runs.
struct Target {
    session: Session,
    known: Vec<KnownFinding>,
}

/// Chooses the reference (`$RMAP_KERNEL`, else the newest after the January 2026 series) and the VMA code (`$RMAP_VMA`:
/// `pages`, `kernel` or `model`; else as much of the kernel's own as the reference has), and says what runs. Reads the known findings
/// (`$RMAP_KNOWN`: a file or `none`; else those that are built in) and how inputs are mutated (`$RMAP_MUTATOR`:
/// `operations` or `bytes`).
///
/// # Errors
/// If one of these is not there, if the C carries no coverage counters, or if the file is wrong: the target cannot run.
pub fn announce() -> Result<(), SetupError> {
    let reference = match environment::reference("RMAP_KERNEL")? {
        Some(named) => named,
        None => kernel::default_reference().ok_or_else(|| SetupError::new("no kernel reference in this binary"))?,
    };
    environment::check_instrumented()?;
    let asked = environment::vma()?;
    let vma = VmaCode::choose(asked, crate::check::Sides::Both, &[reference])?;
    let missing = match vma {
        VmaCode::Model => reference.without_vma_layer().map(|why| ("VMA code, the model runs", why)),
        VmaCode::Kernel => reference.without_pages_layer().map(|why| ("page-table code, a model of it runs", why)),
        VmaCode::Pages => None,
    };
    if let Some((what, why)) = missing.filter(|_| asked.is_none()) {
        eprintln!("rmap-diff: {} has no kernel {what}: {why}", reference.name);
    }
    let sanitizer = if ADDRESS_SANITIZER { "address" } else { "none" };
    eprintln!(
        "rmap-diff: kernel={} version={} vma={} sanitizer={sanitizer} revision: {}",
        reference.name,
        reference.version,
        vma.name(),
        reference.revision
    );
    let known = environment::known()?.of(reference.name, reference.version);
    let session =
        Session { slab: slab(), ..Session::new(reference).with_vma(vma) }.tolerating(known::signatures(&known));
    TARGET.get_or_init(|| Target { session, known });
    set_operations(vma);
    set_mutator()
}

/// What the C's slab does with freed objects.
fn slab() -> SlabMode {
    if ADDRESS_SANITIZER { SlabMode::Poison } else { SlabMode::Reuse }
}

fn target() -> &'static Target {
    TARGET.get().expect("announce() has chosen")
}

/// The operations that an input is made of: those that the VMA code knows. What is converted from and to an input
/// (`rmap-diff convert --set`) has to be converted with the same.
pub fn operations() -> OpSet {
    *OPERATIONS.get().expect("a target announces itself first")
}

fn set_operations(vma: VmaCode) {
    OPERATIONS.get_or_init(|| vma.operations());
}

fn set_mutator() -> Result<(), SetupError> {
    let alone = environment::bytes_alone()?;
    BYTES_ALONE.get_or_init(|| alone);
    Ok(())
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
    if BYTES_ALONE.get().copied().unwrap_or(false) || seed.is_multiple_of(BYTES_ONE_IN) {
        return bytes(data, size, max_size);
    }
    trace::mutate(operations(), data, size, max_size, seed / BYTES_ONE_IN)
}

/// A cross of two inputs.
pub fn crossover(one: &[u8], other: &[u8], out: &mut [u8], seed: u32) -> usize {
    trace::crossover(operations(), one, other, out, seed)
}

struct Harness {
    player: Box<dyn Player>,
    /// Which known findings were met and reported.
    reported: Vec<bool>,
    figures: Figures,
    executions: u64,
}

impl Harness {
    fn new() -> Harness {
        let Target { session, known } = target();
        let player = session.player().expect("announce() has looked");
        Harness { player, reported: vec![false; known.len()], figures: Figures::from_env(), executions: 0 }
    }

    fn run(&mut self, trace: &Trace) {
        let Target { session, known } = target();
        let result = self.player.play(trace);
        self.executions += 1;
        let met = self.reported.iter_mut().zip(known).zip(self.player.met()).filter(|&(_, &met)| met > 0);
        for ((reported, known), _) in met {
            if !std::mem::replace(reported, true) {
                eprintln!("known: {} ({})", known.signature, known.headline());
            }
        }
        // To ask for the time costs something, too.
        if self.executions % 256 == 1 || result.finding.is_some() {
            self.write_figures(result.finding.is_some());
        }
        if let Some(finding) = &result.finding {
            let options = options(session.vma);
            let report = Report::new(finding, trace, session.reference.name).with_options(&options);
            eprint!("{}", report::text::plain(&report));
            panic!("{}", finding.signature());
        }
    }

    fn write_figures(&mut self, now: bool) {
        let Target { session, known } = target();
        let Harness { figures, player, executions, .. } = self;
        let totals = player.operations();
        figures.write(now, || {
            let mut text = format!("kernel={}\nexecutions={executions}\n", session.reference.name);
            let _ = writeln!(text, "operations={}\nrefused={}", totals.total(), totals.refused);
            for (known, met) in known.iter().zip(player.met()).filter(|&(_, &met)| met > 0) {
                let _ = writeln!(text, "known={met} {}", known.signature);
            }
            text
        });
    }
}

/// With which options `run` finds what this finds, a word each.
fn options(vma: VmaCode) -> Vec<String> {
    let mut options = ["--vma", vma.name()].map(str::to_owned).to_vec();
    if ADDRESS_SANITIZER {
        options.extend(["--slab", "poison"].map(str::to_owned));
    }
    if let Ok(known) = env::var("RMAP_KNOWN") {
        options.extend(["--known".to_owned(), known]);
    }
    options
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
