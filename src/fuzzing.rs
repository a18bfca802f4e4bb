//! What the fuzz targets do: each is a line of glue around one function here.
//!
//! A finding is a panic, as libFuzzer wants it; its message holds the signature, since every
//! finding panics at the same line.

use std::cell::RefCell;
use std::env;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use xxhash_rust::xxh3::Xxh3;

use crate::check::{self, Sides};
use crate::kernel::{self, SlabMode};
use crate::known::{self, KnownFinding};
use crate::report::{self, Report};
use crate::session::{Player, Session, SessionError, VmaCode};
use crate::trace::schedule::Step;
use crate::trace::{self, Mix, OpSet, Rng, Trace};
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

/// How many sorts of task switches are told apart.
pub const SWITCH_COUNTERS: usize = 4096;

/// How often each sort of task switch was met in the running input, for libFuzzer to count as coverage: what the one task was about to
/// do, what the next one was, and whether to the same object.
pub type SwitchCounters = [AtomicU8; SWITCH_COUNTERS];

/// What a fuzz target runs.
struct Target {
    session: Session,
    known: Vec<KnownFinding>,
}

/// Chooses the reference (`$RMAP_KERNEL`, else the newest after the January 2026 series) and the VMA code (`$RMAP_VMA`:
/// `pages`, `kernel` or `model`; else as much of the kernel's own as the reference has), and says what runs. Reads the known findings
/// (`$RMAP_KNOWN`: a file or `none`; else those that are built in) and how inputs are mutated (`$RMAP_MUTATOR`:
/// `operations` or `bytes`), and whether operations run together (`$RMAP_TOGETHER`). Says the [`digest_of_sections`] of
/// `$RMAP_DIGEST` traces, if that is set.
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
    let vma = VmaCode::choose(asked, Sides::Both, &[reference])?;
    let together = environment::together()?;
    if together {
        can_run_together(vma)?;
    }
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
        "rmap-diff: kernel={} version={} vma={}{} sanitizer={sanitizer} revision: {}",
        reference.name,
        reference.version,
        vma.name(),
        if together { " together" } else { "" },
        reference.revision
    );
    let known = environment::known()?.of(reference.name, reference.version);
    let session =
        Session { slab: slab(), ..Session::new(reference).with_vma(vma) }.tolerating(known::signatures(&known));
    if let Some(traces) = environment::digest()? {
        eprintln!("rmap-diff: digest of {traces} traces: {:016x}", digest_of_sections(&session, traces)?);
    }
    TARGET.get_or_init(|| Target { session, known });
    set_operations(if together { OpSet::Together } else { vma.operations() });
    set_mutator()
}

/// Operations of each trace that is digested.
const DIGESTED_OPERATIONS: usize = 32;

/// What the kernel's side does in so many random traces with sections, some with allocations that fail: the same in every build.
///
/// # Errors
/// If the session has no kernel's side that runs operations together.
pub fn digest_of_sections(session: &Session, traces: usize) -> Result<u64, SessionError> {
    let mut kernel = session.kernel()?;
    let (mut rng, mix) = (Rng::new(29), Mix { fail_per_mille: 333, ..Mix::together() });
    let mut digest = Xxh3::new();
    for _ in 0..traces {
        let trace = trace::random_sections(&mut rng, DIGESTED_OPERATIONS, &mix);
        check::digest(&mut kernel, &trace).hash(&mut digest);
    }
    Ok(digest.finish())
}

/// That this binary can run operations together under this VMA code.
fn can_run_together(vma: VmaCode) -> Result<(), SetupError> {
    if vma != VmaCode::Pages {
        let vma = vma.name();
        return Err(SetupError::new(format!("RMAP_TOGETHER with RMAP_VMA={vma}: only RMAP_VMA=pages has tasks")));
    }
    if ADDRESS_SANITIZER != cfg!(feature = "address-sanitizer") {
        let why = "RMAP_TOGETHER: tasks are switched as AddressSanitizer wants it just with the feature address-sanitizer, \
            as scripts/fuzz builds it";
        return Err(SetupError::new(why));
    }
    Ok(())
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

fn set_operations(set: OpSet) {
    OPERATIONS.get_or_init(|| set);
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

    fn run(&mut self, trace: &Trace, switches: &SwitchCounters) {
        let Target { session, known, .. } = target();
        let result = match trace.sections.is_empty() {
            true => self.player.play(trace),
            false => self.player.play_watched(trace, &mut |schedule| count_switches(schedule, switches)),
        };
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
        let Target { session, known, .. } = target();
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

/// Counts where another task went on: KRACE's alias coverage (Xu and others, S&P 2020).
fn count_switches(schedule: &[(usize, Step)], counters: &SwitchCounters) {
    let mut before: Option<(usize, Step)> = None;
    for &(task, step) in schedule {
        if let Some((other, left)) = before.replace((task, step))
            && other != task
        {
            let same = matches!((left, step), (Step::At(_, a, Some(n)), Step::At(_, b, Some(m))) if (a, n) == (b, m));
            let sort = (place_of(left) * PLACES + place_of(step)) * 2 + usize::from(same);
            // The remainder by a prime spreads them; a sum of two places does not fall into few.
            let counter = &counters[sort % SWITCH_PRIME];
            counter.store(counter.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        }
    }
}

/// The largest prime below [`SWITCH_COUNTERS`].
const SWITCH_PRIME: usize = 4093;
/// How many [`place_of`] tells apart.
const PLACES: usize = 256;

/// What a task was about to do, and to what kind of object, as a number.
fn place_of(step: Step) -> usize {
    match step {
        Step::At(kind, object, _) => (kind as usize + 2) * 16 + object as usize,
        Step::Waits(object, _) => 16 + object as usize,
        Step::Ended => 0,
    }
}

/// Plays the trace on the chosen reference and the port in lockstep. Task switches are counted in `switches`.
///
/// # Panics
/// When something is found.
pub fn differential(trace: &Trace, switches: &SwitchCounters) {
    thread_local! {
        static HARNESS: RefCell<Option<Harness>> = const { RefCell::new(None) };
    }
    HARNESS.with_borrow_mut(|harness| harness.get_or_insert_with(Harness::new).run(trace, switches));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::together::{PointKind, PointObject};

    #[test]
    fn switches_are_told_apart_by_what_was_left_what_was_entered_and_whether_it_is_one_object() {
        let lock = |number| Step::At(PointKind::Lock, PointObject::AnonVma, Some(number));
        let free = |number| Step::At(PointKind::Free, PointObject::AnonVma, Some(number));
        let counted = |schedule: &[(usize, Step)]| {
            let counters: SwitchCounters = std::array::from_fn(|_| AtomicU8::new(0));
            count_switches(schedule, &counters);
            let met = |(at, counter): (usize, &AtomicU8)| (counter.load(Ordering::Relaxed) > 0).then_some(at);
            counters.iter().enumerate().filter_map(met).collect::<Vec<_>>()
        };
        assert!(counted(&[(0, lock(1)), (0, free(1))]).is_empty(), "nobody else went on");
        let schedules = [
            [(0, lock(1)), (1, free(1))],
            [(0, lock(1)), (1, free(2))],
            [(0, free(1)), (1, lock(1))],
            [(0, lock(1)), (1, Step::Ended)],
            [(0, lock(1)), (1, Step::Waits(PointObject::AnonVma, Some(1)))],
        ];
        let mut all: Vec<usize> = schedules.iter().flat_map(|schedule| counted(schedule)).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), schedules.len());
        // Who the tasks are, and which number the object has, is nothing new.
        assert_eq!(counted(&[(2, lock(7)), (0, free(7))]), counted(&schedules[0]));
    }
}
