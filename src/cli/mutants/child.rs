//! A process that hunts one mutant. It says on its standard output, line by line, what it is about to play, so that
//! the other end knows where it died.

use std::io::{Read as _, Write as _};
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
    /// Play the trace on standard input as that of this place, a JSON object, is played, and nothing else.
    #[arg(long, hide = true, value_name = "PLACE")]
    replay: Option<String>,
    #[arg(long, hide = true)]
    minimize: bool,
    #[arg(long, hide = true)]
    pub(super) kernel_driver_only: bool,
}

impl Args {
    pub(super) fn is_child(&self) -> bool {
        self.child.is_some()
    }
}

/// A line of what a child says.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum Said {
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

fn say(said: &Said) -> Result<(), Error> {
    let line = serde_json::to_string(said).map_err(|error| Error::Usage(error.to_string()))?;
    print(format_args!("{line}\n"))
}

/// Nothing takes that long: not a trace, even on a busy machine.
const HANGS_AFTER: Duration = Duration::from_secs(3);
/// The replay of a short trace.
const REPLAY_HANGS_AFTER: Duration = Duration::from_millis(700);
/// Making a trace small may take longer; what was found is said already.
const MINIMIZE_AT_MOST: Duration = Duration::from_secs(20);
/// Bytes of address space: what a fault piles up in a loop ends here, not at the end of the machine's memory.
const MEMORY: u64 = 2 << 30;

/// Ends the process when nothing has moved for a while.
struct Watchdog {
    beats: Arc<AtomicU64>,
    millis: Arc<AtomicU64>,
}

impl Watchdog {
    fn start(after: Duration) -> Watchdog {
        let dog = Watchdog { beats: Arc::default(), millis: Arc::new(AtomicU64::new(after.as_millis() as u64)) };
        let (beats, millis) = (Arc::clone(&dog.beats), Arc::clone(&dog.millis));
        std::thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            loop {
                std::thread::sleep(Duration::from_millis(20));
                let now = beats.load(Ordering::Relaxed);
                if now != last {
                    (last, since) = (now, Instant::now());
                } else if since.elapsed() >= Duration::from_millis(millis.load(Ordering::Relaxed)) {
                    // Written past the lock of standard output, which the other thread may hold.
                    let line = serde_json::to_string(&Said::Hang).unwrap_or_default() + "\n";
                    let _ = std::fs::File::options()
                        .append(true)
                        .open("/dev/stdout")
                        .and_then(|mut out| out.write_all(line.as_bytes()));
                    std::process::exit(FOUND.into());
                }
            }
        });
        dog
    }

    fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    fn allow(&self, at_most: Duration) {
        self.millis.store(at_most.as_millis() as u64, Ordering::Relaxed);
        self.beat();
    }
}

pub(super) fn run(args: &Args, reference: &'static Reference, budget: Budget) -> Result<u8, Error> {
    let begun = Instant::now();
    // Where the limit cannot be set the machine's holds.
    let _ = rlimit::setrlimit(rlimit::Resource::AS, MEMORY, MEMORY);
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or(String::new(), |at| format!(" at {}:{}", at.file(), at.line()));
        let _ = say(&Said::Panic(format!("{}{place}", info.payload_as_str().unwrap_or("?"))));
    }));
    let number = args.child.unwrap_or(0);
    kernel::mutants::choose(number);
    let known = KnownFindings::embedded().of(reference.name, reference.version);
    let mode = if args.alone { Mode::Alone } else { Mode::Lockstep };
    let mut hunt = Hunt::new(reference, mode, &known);
    let ms = || begun.elapsed().as_millis() as u64;
    if let Some(place) = &args.replay {
        let _dog = Watchdog::start(REPLAY_HANGS_AFTER);
        let place: Place = serde_json::from_str(place).map_err(|error| Error::Usage(error.to_string()))?;
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).map_err(Error::io(std::path::Path::new("standard input")))?;
        let trace = trace::parse_bytes(&text).map_err(|error| Error::Usage(error.to_string()))?;
        return Ok(if hunt.play(place, &trace)?.is_some() { FOUND } else { AGREE });
    }
    let dog = Watchdog::start(HANGS_AFTER);
    let caught = hunt.search(budget, |place, ops, before| {
        dog.beat();
        let _ = say(&Said::At { place, ops: before + ops });
    })?;
    match caught {
        None => say(&Said::Nothing { ms: ms() })?,
        Some(caught) => {
            let by = caught.finding.signature();
            say(&Said::Found(Kill { by, place: caught.place, ops: caught.ops, ms: ms(), trace: String::new() }))?;
            dog.allow(MINIMIZE_AT_MOST);
            let small = if args.minimize { hunt.minimize(&caught)? } else { caught.place.trace() };
            say(&Said::Small(small.to_string()))?;
        }
    }
    if number == 0 {
        let numbers = mutants::table(reference)?.iter().map(|mutant| mutant.number).collect::<Vec<_>>();
        say(&Said::Reached(numbers.into_iter().filter(|&number| kernel::mutants::reached(number)).collect()))?;
    }
    Ok(AGREE)
}
