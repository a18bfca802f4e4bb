//! `rmap-diff run`: one trace.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::expected::Expected;
use super::{AGREE, Error, FOUND, SideArg, file, known_file, print, subject};
use crate::check::{self, Driver, Lockstep};
use crate::known::KnownFinding;
use crate::mm::Outcome;
use crate::report::{self, Report};
use crate::rmap::dump;
use crate::rmap::{Side, Snapshot, errno_name};
use crate::session::Job;
use crate::trace::Trace;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Traces in text form (`-`: standard input).
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    subject: subject::Args,
    /// Print the state of each side at the end, before the processes exit.
    #[arg(long, value_enum)]
    dump: Option<DumpForm>,
    /// Report the finding, and the known findings that were met, as JSON.
    #[arg(long)]
    json: bool,
    /// Print every operation that was refused or failed, with its error, and every expectation that is for other kernel
    /// versions.
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DumpForm {
    /// One object per side, with canonical ids.
    Json,
    /// The same, for a person.
    Text,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let mut status = AGREE;
    for file in &args.files {
        if args.files.len() > 1 && !args.json {
            print(format_args!("{}:\n", file.display()))?;
        }
        status = status.max(run_file(args, file)?);
    }
    Ok(status)
}

fn run_file(args: &Args, file: &Path) -> Result<u8, Error> {
    let trace = file::read_trace(file)?;
    let kernel = args.subject.kernel_name()?;
    let known = args.subject.known()?;
    let reference = args.subject.reference()?;
    let expected = Expected::new(&trace, reference, args.subject.vma()?);
    let of_version = trace.of_version(reference.version);
    args.subject.run(Play {
        args,
        file,
        trace: &trace,
        of_version: &of_version,
        expected,
        kernel: &kernel,
        known: &known,
    })
}

struct Play<'a> {
    args: &'a Args,
    file: &'a Path,
    trace: &'a Trace,
    /// With those expectations that are about the reference.
    of_version: &'a Trace,
    expected: Expected<'a>,
    kernel: &'a str,
    known: &'a [KnownFinding],
}

impl Job for Play<'_> {
    type Out = Result<u8, Error>;

    fn on<C, P, D>(self, mut lockstep: Lockstep<C, P>, mut driver: D) -> Self::Out
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        let (lockstep, driver) = (&mut lockstep, &mut driver);
        let mut outcomes = String::new();
        let mut number = 0;
        let stats = check::play_trace(lockstep, driver, self.of_version, |_, _, op, outcome| {
            number += 1;
            let (how, errno) = match outcome {
                Outcome::Done => return,
                Outcome::Refused(errno) => ("refused", errno),
                Outcome::Failed(errno) => ("failed", errno),
            };
            let _ = writeln!(outcomes, "operation {number}: {op}: {how}, {}", errno_name(errno));
        });
        if self.args.verbose {
            print(outcomes)?;
            print(self.expected.other_versions())?;
        }
        self.expected.warn();
        if let Some(form) = self.args.dump {
            let processes = driver.processes();
            for &side in self.args.subject.side.dump_names() {
                let (state, live) = match (side, lockstep.port()) {
                    ("rust", Some(port)) => side_state(port),
                    _ => side_state(lockstep.reference()),
                };
                let snapshot = Snapshot::decode(&state)
                    .map_err(|error| Error::Usage(format!("{side} side of {}: {error}", self.kernel)))?;
                print(match form {
                    DumpForm::Json => dump::json(self.kernel, side, &snapshot, live, &processes),
                    DumpForm::Text => dump::text(self.kernel, side, &snapshot, live, &processes),
                })?;
            }
        }
        check::end_trace(lockstep, driver);
        lockstep.settle();
        known_file::report_met(self.known, lockstep.met());
        let met = known_file::value(self.known, lockstep.met());
        let times: u64 = lockstep.met().iter().sum();
        if let Some(finding) = lockstep.finding() {
            let name = self.file.display().to_string();
            let options = self.args.subject.options();
            let report = Report::new(finding, self.trace, self.kernel).with_options(&options).with_file(&name);
            match self.args.json {
                true => {
                    let mut value = report::json::value(&report);
                    value["known"] = met;
                    print(format_args!("{value:#}\n"))?;
                }
                false => print(report::text::coloured(&report))?,
            }
            return Ok(FOUND);
        }
        if self.args.json && (self.args.dump.is_none() || times > 0) {
            let [hold, not_checked] = self.expected.counts(number);
            let value = serde_json::json!({
                "kernel": self.kernel, "driver": self.args.subject.vma()?.driver_name(), "done": stats.done,
                "refused": stats.refused, "failed": stats.failed, "calls": lockstep.stats().calls, "known": met,
                "expectations": {
                    "hold": hold, "not_checked": not_checked, "other_versions": self.expected.other.len(),
                },
            });
            print(format_args!("{value:#}\n"))?;
        }
        if self.args.dump.is_none() && !self.args.json {
            let what = match self.args.subject.side {
                _ if times > 0 => "nothing but known findings",
                _ if stats.done + stats.failed == 0 => "nothing was done, so nothing was compared",
                SideArg::Both => "the sides agree and every invariant holds",
                SideArg::Kernel | SideArg::Port => "every invariant holds",
            };
            print(format_args!(
                "{}: {what}: {} operations ({} refused, {} failed), {} rmap calls, {}\n",
                self.kernel,
                stats.done + stats.refused + stats.failed,
                stats.refused,
                stats.failed,
                lockstep.stats().calls,
                self.args.subject.vma()?,
            ))?;
            if let Some(summary) = self.expected.summary(number) {
                print(format_args!("{}: {summary}\n", self.kernel))?;
            }
        }
        Ok(AGREE)
    }
}

fn side_state(side: &mut impl Side) -> (Vec<u64>, [u32; 3]) {
    let mut words = Vec::new();
    side.state(&mut words);
    (words, side.live())
}
