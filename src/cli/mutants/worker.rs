//! Starts a process for a mutant and makes out what came of it, also if it died.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use super::child::Message;
use super::{Error, Numbers};
use crate::kernel::Reference;
use crate::minimize::minimize;
use crate::mutants::{Budget, Fate, Kill, Mode, Mutant, Place};
use crate::trace::Trace;

/// Replays until a trace during which the process dies is small enough: each is a process, and a hang takes its time.
const REPLAYS: u32 = 40;

/// What part of the operations a mutant of concurrency is hunted with by one task.
const ONE_TASK: u64 = 10;

pub(super) struct Worker {
    reference: &'static Reference,
    budget: Budget,
    minimize: bool,
}

/// All that a child said, and how it ended.
struct Transcript {
    at: Option<(Place, u64)>,
    found: Option<Kill>,
    small: Option<String>,
    nothing: Option<u64>,
    hang: bool,
    panic: Option<String>,
    reached: Vec<u32>,
    status: ExitStatus,
    ms: u64,
}

impl Worker {
    pub(super) fn new(reference: &'static Reference, budget: Budget, minimize: bool) -> Worker {
        Worker { reference, budget, minimize }
    }

    fn command(&self, number: u32, mode: Mode) -> Result<Command, Error> {
        let exe = std::env::current_exe().map_err(Error::io(Path::new("this binary")))?;
        let mut command = Command::new(exe);
        command.args(["mutants", "--kernel", self.reference.name, "--child", &number.to_string()]);
        // What one task shows of the order of locks it shows soon.
        let one_task = self.budget.together && mode == Mode::Lockstep;
        let ops = if one_task { self.budget.ops / ONE_TASK } else { self.budget.ops };
        command.args(["--ops", &ops.to_string(), "--seeds", &self.budget.seeds.to_string()]);
        if let Some(failing) = self.budget.fail_per_mille {
            command.args(["--fail-rate", &(f64::from(failing) / 1000.0).to_string()]);
        }
        match mode {
            Mode::Lockstep => {}
            Mode::Alone => drop(command.arg("--alone")),
            Mode::Together => drop(command.arg("--together")),
        }
        if !self.budget.small {
            command.arg("--kernel-driver-only");
        }
        if self.budget.pages {
            command.arg("--page-tables");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(command)
    }

    fn listen(&self, number: u32, mode: Mode) -> Result<Transcript, Error> {
        let begun = Instant::now();
        let mut command = self.command(number, mode)?;
        if self.minimize {
            command.arg("--minimize");
        }
        let io = || Error::io(Path::new("a process for a mutant"));
        let mut child: Child = command.spawn().map_err(io())?;
        let mut transcript = Transcript {
            at: None,
            found: None,
            small: None,
            nothing: None,
            hang: false,
            panic: None,
            reached: Vec::new(),
            status: ExitStatus::default(),
            ms: 0,
        };
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // A line is torn where the process died.
                let Ok(message) = serde_json::from_str(&line) else { continue };
                match message {
                    Message::At { place, ops } => transcript.at = Some((place, ops)),
                    Message::Found(kill) => transcript.found = Some(kill),
                    Message::Small(trace) => transcript.small = Some(trace),
                    Message::Nothing { ms } => transcript.nothing = Some(ms),
                    Message::Hang => transcript.hang = true,
                    Message::Panic(text) => transcript.panic = Some(text),
                    Message::Reached(numbers) => transcript.reached = numbers,
                }
            }
        }
        transcript.ms = begun.elapsed().as_millis() as u64;
        transcript.status = child.wait().map_err(io())?;
        Ok(transcript)
    }

    /// The mutants whose places the search of a judge comes to. Without any mutant it must find nothing.
    pub(super) fn reached(&self, mode: Mode) -> Result<Numbers, Error> {
        let transcript = self.listen(0, mode)?;
        let name = self.reference.name;
        let wrong = |what: &str| {
            Error::Usage(format!("{name}: without any mutant: {what}: the scores of such a build mean nothing"))
        };
        match transcript {
            Transcript { found: Some(kill), .. } => Err(wrong(&kill.by)),
            Transcript { nothing: Some(_), reached, .. } => Ok(reached.into_iter().collect()),
            Transcript { status, .. } => Err(wrong(&format!("the process ended: {status}"))),
        }
    }

    /// Hunts one.
    pub(super) fn hunt(&self, mutant: &Mutant, mode: Mode) -> Result<Fate, Error> {
        let transcript = self.listen(mutant.number, mode)?;
        if let Some(kill) = transcript.found {
            let trace = transcript.small.unwrap_or_else(|| kill.place.trace().to_string());
            return Ok(Fate::Killed(Kill { trace, ..kill }));
        }
        if let Some(ms) = transcript.nothing {
            return Ok(Fate::Survived { ms });
        }
        let Some((place, ops)) = transcript.at else {
            // It died before the first trace: where the reference is set up.
            let Budget { small, pages, fail_per_mille, .. } = self.budget;
            let together = mode == Mode::Together;
            let place = Place { seed: 1, round: 0, small, pages, together, fail_per_mille };
            let by = format!("crash: {} before the first operation", transcript.status);
            return Ok(Fate::Killed(Kill { by, place, ops: 0, ms: transcript.ms, trace: String::new() }));
        };
        let by = match (&transcript.panic, transcript.hang) {
            (Some(text), _) => format!("panic: {text}"),
            (None, true) => "hang".to_owned(),
            (None, false) => format!("crash: {}", transcript.status),
        };
        let mut trace = place.trace();
        if self.minimize && mode != Mode::Alone {
            trace = self.smaller(mutant.number, mode, place, &trace)?;
        }
        Ok(Fate::Killed(Kill { by, place, ops, ms: transcript.ms, trace: trace.to_string() }))
    }

    /// A smaller trace with which the process dies too.
    fn smaller(&self, number: u32, mode: Mode, place: Place, trace: &Trace) -> Result<Trace, Error> {
        let place = serde_json::to_string(&place).map_err(|error| Error::Usage(error.to_string()))?;
        let mut left = REPLAYS;
        let mut failed = None;
        let small = minimize(trace, |candidate| {
            if left == 0 || failed.is_some() {
                return false;
            }
            left -= 1;
            self.dies(number, mode, &place, candidate).unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
        });
        failed.map_or(Ok(small), Err)
    }

    fn dies(&self, number: u32, mode: Mode, place: &str, trace: &Trace) -> Result<bool, Error> {
        let io = || Error::io(Path::new("a process for a mutant"));
        let mut command = self.command(number, mode)?;
        let mut child = command.args(["--replay", place]).stdin(Stdio::piped()).spawn().map_err(io())?;
        if let Some(mut stdin) = child.stdin.take() {
            // It may be dead before it has read all.
            let _ = stdin.write_all(trace.to_string().as_bytes());
        }
        Ok(!child.wait().map_err(io())?.success())
    }
}
