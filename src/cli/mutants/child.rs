//! A process that hunts one mutant. It says on its standard output, line by line, what it is about to play, so that
//! the other end knows where it died.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::{AGREE, Error, FOUND, print};
use crate::kernel::{self, Reference};
use crate::known::KnownFindings;
use crate::mutants::{self, Budget, Hunt, Kill, Mode, Place};
use crate::trace;

/// What the other end asks for: no business of people.
#[derive(clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Hunt this mutant, in this process.
    #[arg(long, hide = true, value_name = "N")]
    child: Option<u32>,
    /// By the C alone.
    #[arg(long, hide = true)]
    alone: bool,
    /// By the C alone, by traces with sections.
    #[arg(long, hide = true)]
    pub(super) together: bool,
    /// Play the trace on standard input as that of this place, a JSON object, is played, and nothing else.
    #[arg(long, hide = true, value_name = "PLACE")]
    replay: Option<String>,
    #[arg(long, hide = true)]
    minimize: bool,
    #[arg(long, hide = true)]
    pub(super) kernel_driver_only: bool,
    #[arg(long, hide = true)]
    pub(super) page_tables: bool,
}

impl Args {
    pub(super) fn is_child(&self) -> bool {
        self.child.is_some()
    }
}

/// A line of what a child says.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum Message {
    /// It is about to play a trace; so many operations were played by its end.
    At {
        /// Which.
        place: Place,
        /// All until its end.
        ops: u64,
    },
    /// Something was found; the trace is not filled in.
    Found(Kill),
    /// The trace of what was found.
    Small(String),
    /// Nothing was found, in so many milliseconds.
    Nothing {
        /// Milliseconds.
        ms: u64,
    },
    /// Nothing moves any more.
    Hang,
    /// The tool itself gave up.
    Panic(String),
    /// The mutants whose places were reached.
    Reached(Vec<u32>),
}

fn send(message: &Message) -> Result<(), Error> {
    let line = serde_json::to_string(message).map_err(|error| Error::Usage(error.to_string()))?;
    print(format_args!("{line}\n"))
}

/// Nothing takes so much of a processor: no trace.
const HANGS_AFTER: Duration = Duration::from_secs(3);
/// The replay of a short trace.
const REPLAY_HANGS_AFTER: Duration = Duration::from_millis(700);
/// On a busy machine a process waits for its processor. One that waits for so many times as long hangs, too.
const BUSY: u32 = 20;
/// Making a trace small may take longer; what was found was sent before.
const MINIMIZE_AT_MOST: Duration = Duration::from_secs(20);
/// Bytes of address space: what a fault piles up in a loop ends here, not at the end of the machine's memory.
const MEMORY: u64 = 2 << 30;

/// How the hunt says that it moves.
struct Pulse {
    beats: AtomicU64,
    /// What is allowed between two beats, of processor time.
    millis: AtomicU64,
}

impl Pulse {
    fn new(after: Duration) -> Pulse {
        Pulse { beats: AtomicU64::new(0), millis: AtomicU64::new(after.as_millis() as u64) }
    }

    fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    fn allow(&self, at_most: Duration) {
        self.millis.store(at_most.as_millis() as u64, Ordering::Relaxed);
        self.beat();
    }
}

/// How long this process has had a processor, as /proc/self/stat has it: in ticks of 10 ms.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may hold anything.
    let mut words = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = words.next()?.parse::<u64>().ok()? + words.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Stack of the thread that hunts, in bytes: what the main thread of a process has.
const STACK: usize = 8 << 20;

/// Does the work on a thread of its own and watches it. If nothing moves any more, the thread is left where it is: the process
/// ends when this one comes back to its main function.
fn watched(after: Duration, work: impl FnOnce(&Pulse) -> Result<u8, Error> + Send + 'static) -> Result<u8, Error> {
    let pulse = Arc::new(Pulse::new(after));
    let of_thread = Arc::clone(&pulse);
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || work(&of_thread));
    let thread = thread.map_err(Error::io(Path::new("a thread for a mutant")))?;
    let (mut last, mut since, mut used) = (0, Instant::now(), processor_time());
    while !thread.is_finished() {
        std::thread::sleep(Duration::from_millis(5));
        let now = pulse.beats.load(Ordering::Relaxed);
        let allowed = Duration::from_millis(pulse.millis.load(Ordering::Relaxed));
        if now != last {
            (last, since, used) = (now, Instant::now(), processor_time());
            continue;
        }
        let waited = since.elapsed();
        let of_processor = || Some(processor_time()?.saturating_sub(used?));
        if waited >= allowed && (waited >= allowed * BUSY || of_processor().is_none_or(|time| time >= allowed)) {
            // Written past the lock of standard output, which the other thread may hold.
            let line = serde_json::to_string(&Message::Hang).unwrap_or_default() + "\n";
            let _ = std::fs::File::options()
                .append(true)
                .open("/dev/stdout")
                .and_then(|mut out| out.write_all(line.as_bytes()));
            return Ok(FOUND);
        }
    }
    // A panic goes on here: its message was sent.
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub(super) fn run(args: &Args, reference: &'static Reference, budget: Budget) -> Result<u8, Error> {
    let begun = Instant::now();
    // Where the limit cannot be set the machine's holds.
    let _ = rlimit::setrlimit(rlimit::Resource::AS, MEMORY, MEMORY);
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or(String::new(), |at| format!(" at {}:{}", at.file(), at.line()));
        let _ = send(&Message::Panic(format!("{}{place}", info.payload_as_str().unwrap_or("?"))));
    }));
    kernel::mutants::choose(args.child.unwrap_or(0));
    let known = KnownFindings::embedded().of(reference.name, reference.version);
    let mode = match (args.together, args.alone) {
        (true, _) => Mode::Together,
        (false, true) => Mode::Alone,
        (false, false) => Mode::Lockstep,
    };
    let hunt = move || Hunt::new(reference, mode, &known);
    match &args.replay {
        Some(place) => {
            let place: Place = serde_json::from_str(place).map_err(|error| Error::Usage(error.to_string()))?;
            watched(REPLAY_HANGS_AFTER, move |_| replay(hunt(), place))
        }
        None => {
            let (child, minimize) = (args.child, args.minimize);
            watched(HANGS_AFTER, move |pulse| {
                search(hunt(), budget, minimize, pulse, begun)?;
                if child.is_none_or(|number| number == 0) {
                    let numbers = mutants::table(reference)?.iter().map(|mutant| mutant.number).collect::<Vec<_>>();
                    let reached = numbers.into_iter().filter(|&number| kernel::mutants::reached(number));
                    send(&Message::Reached(reached.collect()))?;
                }
                Ok(AGREE)
            })
        }
    }
}

fn replay(mut hunt: Hunt, place: Place) -> Result<u8, Error> {
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text).map_err(Error::io(Path::new("standard input")))?;
    let trace = trace::parse_bytes(&text).map_err(|error| Error::Usage(error.to_string()))?;
    Ok(if hunt.play(place, &trace)?.is_some() { FOUND } else { AGREE })
}

fn search(mut hunt: Hunt, budget: Budget, minimize: bool, pulse: &Pulse, begun: Instant) -> Result<(), Error> {
    let ms = || begun.elapsed().as_millis() as u64;
    let caught = hunt.search(budget, |place, ops, before| {
        pulse.beat();
        let _ = send(&Message::At { place, ops: before + ops });
    })?;
    let Some(caught) = caught else { return send(&Message::Nothing { ms: ms() }) };
    let by = caught.finding.signature();
    send(&Message::Found(Kill { by, place: caught.place, ops: caught.ops, ms: ms(), trace: String::new() }))?;
    pulse.allow(MINIMIZE_AT_MOST);
    let small = if minimize { hunt.minimize(&caught)? } else { caught.place.trace() };
    send(&Message::Small(small.to_string()))
}
