//! `rmap-diff run`: one trace.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::expected::Expected;
use super::{AGREE, Error, FOUND, SideArg, USAGE, file, known_file, print, subject};
use crate::check::{self, Driver, Lockstep};
use crate::known::KnownFinding;
use crate::mm::Outcome;
use crate::pages::{Listing, canonical};
use crate::report::{self, Report};
use crate::rmap::dump::Dump;
use crate::rmap::{Side, Snapshot, VmaState, errno_name};
use crate::session::{Job, VmaCode};
use crate::trace::{OpKind, PageTables, Trace, schedule};

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
    /// Print every operation that was refused or failed, with its error, every expectation that is for other kernel
    /// versions, and what operations did that ran together.
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DumpForm {
    /// One object per side, with canonical ids.
    Json,
    /// The same, for a person, and what the kernel's own page tables hold.
    Text,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let several = args.files.len() > 1;
    let (mut status, mut values) = (AGREE, Vec::new());
    for file in &args.files {
        if several && !args.json {
            print(format_args!("{}:\n", file.display()))?;
        }
        let (of_file, mut value) = match run_file(args, file) {
            Ok(ran) => ran,
            // One that cannot be run does not keep the others from being run.
            Err(error) if several && error.is_of(file) => {
                super::hint(&error.to_string());
                (USAGE, Some(serde_json::json!({ "error": error.to_string() })))
            }
            Err(error) => return Err(error),
        };
        status = status.max(of_file);
        if several && let Some(serde_json::Value::Object(value)) = &mut value {
            value.insert("file".to_owned(), file.display().to_string().into());
        }
        values.extend(value);
    }
    match &values[..] {
        _ if !args.json => {}
        [] => {}
        [value] if !several => print(format_args!("{value:#}\n"))?,
        values => print(format_args!("{:#}\n", serde_json::json!(values)))?,
    }
    Ok(status)
}

/// Runs one trace. Returns the exit status, and what is said of it as JSON.
fn run_file(args: &Args, file: &Path) -> Result<(u8, Option<serde_json::Value>), Error> {
    let trace = file::read_any_trace(file)?;
    let kernel = args.subject.kernel_name()?;
    let known = args.subject.known()?;
    let reference = args.subject.reference()?;
    let expected = Expected::new(&trace, reference, args.subject.vma()?);
    let of_version = trace.of_version(reference.version);
    let side = args.subject.side;
    let play =
        Play { args, side, file, trace: &trace, of_version: &of_version, expected, kernel: &kernel, known: &known };
    if trace.sections.is_empty() { args.subject.run(play) } else { args.subject.run_together(play) }
}

struct Play<'a> {
    args: &'a Args,
    /// What runs of what was asked for.
    side: SideArg,
    file: &'a Path,
    trace: &'a Trace,
    /// With those expectations that are about the reference.
    of_version: &'a Trace,
    expected: Expected<'a>,
    kernel: &'a str,
    known: &'a [KnownFinding],
}

impl Job for Play<'_> {
    type Out = Result<(u8, Option<serde_json::Value>), Error>;

    fn on<C, P, D>(self, mut lockstep: Lockstep<C, P>, mut driver: D) -> Self::Out
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        let (lockstep, driver) = (&mut lockstep, &mut driver);
        let mut outcomes = String::new();
        let mut passed_over = Vec::new();
        let mut number = 0;
        let verbose = self.args.verbose;
        let stats = check::play_trace(lockstep, driver, self.of_version, |lockstep, _, op, outcome| {
            if let Some(section) = self.of_version.section_of(number).filter(|section| section.first == number) {
                if verbose {
                    let _ = writeln!(outcomes, "operations {} to {}, together:", number + 1, section.range().end);
                    let lines = report::schedule_lines(lockstep.schedule());
                    lines.iter().for_each(|line| outcomes.extend(["  ", line, "\n"]));
                }
                passed_over.extend(schedule::passed_over(section, lockstep.schedule()));
            }
            number += 1;
            let (how, errno) = match outcome {
                Outcome::Done => return,
                Outcome::Refused(errno) => ("refused", errno),
                Outcome::Failed(errno) => ("failed", errno),
            };
            if !verbose {
                return;
            }
            let _ = writeln!(outcomes, "operation {number}: {op}: {how}, {}", errno_name(errno));
        });
        if verbose {
            let text = outcomes + &self.expected.other_versions();
            // A program that reads standard output wants nothing else there.
            let for_program = self.args.json || self.args.dump == Some(DumpForm::Json);
            if for_program { write!(anstream::stderr(), "{text}").unwrap_or_default() } else { print(text)? }
        }
        for line in passed_over {
            super::hint(&format!("{}: passed over: `{line}` (-v says what each task did)", self.file.display()));
        }
        self.expected.warn();
        let not_run = NotRun::of(self.trace, self.args.subject.vma()?);
        if let Some(NotRun { count, why, with }) = &not_run {
            if stats.done + stats.failed == 0 {
                let file = self.file.display();
                return Err(Error::Usage(format!("{file}: nothing was done: {count} operations {why}: --vma {with}")));
            }
            let _ = writeln!(
                anstream::stderr(),
                "{}: {count} operations {why}, and are refused without: --vma {with}",
                self.kernel
            );
        }
        if let Some(form) = self.args.dump {
            let processes = driver.processes();
            let mut pages = String::new();
            for &side in self.side.dump_names() {
                let (state, live) = match (side, lockstep.port()) {
                    ("rust", Some(port)) => side_state(port),
                    _ => side_state(lockstep.reference()),
                };
                let snapshot = Snapshot::decode(&state)
                    .map_err(|error| Error::Usage(format!("{side} side of {}: {error}", self.kernel)))?;
                let (dump, ids) = Dump::numbered(self.kernel, side, &snapshot, live, &processes);
                print(match form {
                    DumpForm::Json => dump.json() + "\n",
                    DumpForm::Text => dump.text(),
                })?;
                let mut tables = PageTables::default();
                // They are the C's.
                if form == DumpForm::Text
                    && side == "c"
                    && let Some(readable) = driver.read_page_tables(lockstep, &mut tables)
                {
                    let id = |serial| ids.get(&serial).and_then(|&id| u32::try_from(id).ok());
                    pages = match readable {
                        true => pages_text(&canonical(&tables, id), &snapshot),
                        false => "the page tables cannot be read: an entry names a frame that is free\n".to_owned(),
                    };
                    pages.insert_str(0, &format!("kernel {}, page tables\n", self.kernel));
                }
            }
            print(pages)?;
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
            let mut value = report::json::value(&report);
            value["known"] = met;
            if !self.args.json {
                print(report::text::coloured(&report))?;
            }
            return Ok((FOUND, Some(value)));
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
            return Ok((AGREE, Some(value)));
        }
        if self.args.dump.is_none() && !self.args.json {
            let what = match self.side {
                _ if times > 0 => "nothing but known findings",
                _ if stats.done + stats.failed == 0 => "nothing was done, so nothing was compared",
                SideArg::Both => "the sides agree and every invariant holds",
                SideArg::Kernel | SideArg::Port => "every invariant holds",
            };
            let not_run = match &not_run {
                Some(NotRun { count, with, .. }) => {
                    format!(", but {count} operations were not run (--vma {with} runs them)")
                }
                None => String::new(),
            };
            print(format_args!(
                "{}: {what}{not_run}: {} operations ({} refused, {} failed), {} rmap calls, {}\n",
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
        Ok((AGREE, None))
    }
}

/// Operations that the VMA code which runs does not have, and another one has.
struct NotRun {
    count: usize,
    why: &'static str,
    /// As `--vma` has it.
    with: &'static str,
}

impl NotRun {
    fn of(trace: &Trace, vma: VmaCode) -> Option<NotRun> {
        let count = |is: fn(&OpKind) -> bool| trace.ops.iter().filter(|op| is(&op.kind)).count();
        let (count, why, with) = match vma {
            VmaCode::Pages => {
                (count(|kind| matches!(kind, OpKind::UffdMove { .. })), "need this project's page model", "kernel")
            }
            _ => (count(|kind| kind.needs_page_tables()), "need the kernel's own page tables", "pages"),
        };
        (count > 0).then_some(NotRun { count, why, with })
    }
}

/// What page tables hold, a line for each thing.
fn pages_text(tables: &PageTables, snapshot: &Snapshot) -> String {
    let vmas: Vec<&VmaState> = snapshot.vmas.iter().collect();
    Listing::new(tables, &vmas, tables, |_| Vec::new()).dump()
}

fn side_state(side: &mut impl Side) -> (Vec<u64>, [u32; 3]) {
    let mut words = Vec::new();
    side.state(&mut words);
    (words, side.live())
}
