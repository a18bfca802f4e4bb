//! `rmap-diff minimize`: a trace that finds something, made small.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::subject::{self, Job};
use super::{Error, FOUND, file, print};
use crate::check::{self, Driver, Finding, Lockstep};
use crate::minimize::minimize;
use crate::report::{self, Report};
use crate::rmap::Side;
use crate::trace::Trace;

#[derive(clap::Args)]
pub(super) struct Args {
    /// A trace in its text form that a run finds something with (`-`: standard input).
    file: PathBuf,
    /// Where to write the small trace (`-`: standard output, the report then goes to standard error). Default: beside
    /// FILE, as NAME.min.trace; for `-`, standard output.
    #[arg(short, long, value_name = "OUT")]
    out: Option<PathBuf>,
    #[command(flatten)]
    subject: subject::Args,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let trace = file::read_trace(&args.file)?;
    let kernel = args.subject.kernel_name()?;
    let known = args.subject.known()?.into_iter().map(|known| known.signature).collect();
    args.subject.with(Shrink { args, trace: &trace, kernel: &kernel, known })
}

struct Shrink<'a> {
    args: &'a Args,
    trace: &'a Trace,
    kernel: &'a str,
    /// Signatures.
    known: Vec<String>,
}

impl Job for Shrink<'_> {
    type Out = u8;

    fn on<C: Side, P: Side, D: Driver<C, P>>(
        self,
        lockstep: &mut Lockstep<C, P>,
        driver: &mut D,
        _: &[&'static str],
    ) -> Result<u8, Error> {
        lockstep.tolerate(self.known);
        let Some(finding) = check::run_trace(lockstep, driver, self.trace).finding else {
            let name = self.args.file.display();
            return Err(Error::Usage(format!(
                "{name}: {} finds nothing new with it: nothing to minimise",
                self.kernel
            )));
        };
        let small = Minimized::of(lockstep, driver, self.trace, finding);
        let out = self.args.out.clone().unwrap_or_else(|| default_out(&self.args.file));
        let name = out.display().to_string();
        let report = Report::new(&small.finding, &small.trace, self.kernel);
        let to_stdout = out == Path::new("-");
        let report = if to_stdout { report } else { report.with_file(&name) };
        file::write(&out, small.trace.to_file_text().as_bytes())?;
        let said = format!("{}\n{}\n", report::text::coloured(&report), small.summary());
        if to_stdout {
            let _ = anstream::stderr().write_all(said.as_bytes());
        } else {
            print(said)?;
        }
        Ok(FOUND)
    }
}

/// `crash.trace` becomes `crash.min.trace`, and standard input standard output.
fn default_out(file: &Path) -> PathBuf {
    match file.extension() {
        _ if file == Path::new("-") => file.to_owned(),
        Some(extension) if extension == "trace" => file.with_extension("min.trace"),
        _ => {
            let mut name = file.as_os_str().to_owned();
            name.push(".min.trace");
            name.into()
        }
    }
}

/// What came of minimising.
pub(super) struct Minimized {
    /// The small trace.
    pub(super) trace: Trace,
    /// What a run of it finds: of the same signature as what was found before.
    pub(super) finding: Finding,
    /// How many operations there were before.
    before: usize,
    /// How many traces were run.
    runs: u64,
}

impl Minimized {
    /// Makes a trace small that `finding` was found with.
    pub(super) fn of<C: Side, P: Side, D: Driver<C, P>>(
        lockstep: &mut Lockstep<C, P>,
        driver: &mut D,
        trace: &Trace,
        finding: Finding,
    ) -> Minimized {
        let signature = finding.signature();
        // What comes after the finding was never played.
        let ops = usize::try_from(finding.operation).unwrap_or(usize::MAX).min(trace.ops.len());
        let mut small = Minimized { trace: trace.clone(), finding, before: trace.ops.len(), runs: 0 };
        let mut run = |candidate: &Trace| {
            small.runs += 1;
            let found = check::run_trace(lockstep, driver, candidate).finding;
            let found = found.filter(|finding| finding.signature() == signature);
            let same = found.is_some();
            if let Some(found) = found {
                // The last one that was taken is the result.
                (small.trace, small.finding) = (candidate.clone(), found);
            }
            same
        };
        minimize(&Trace { ops: trace.ops[..ops].to_vec() }, &mut run);
        small
    }

    /// One line: how small it became, and by how much work.
    pub(super) fn summary(&self) -> String {
        format!("minimised: {} to {} operations in {} runs", self.before, self.trace.ops.len(), self.runs)
    }
}
