//! `rmap-diff minimize`: a trace that finds something, made small.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::expected::Expected;
use super::{Error, FOUND, file, hint, print, subject};
use crate::check::{self, Driver, FindingKind, Lockstep, Minimized};
use crate::report::{self, Report};
use crate::rmap::Side;
use crate::session::Job;
use crate::trace::Trace;

#[derive(clap::Args)]
pub(super) struct Args {
    /// A trace in text form with which a run finds something (`-`: standard input).
    file: PathBuf,
    /// Where to write the small trace (`-`: standard output; the report then goes to standard error). Default: beside
    /// the input, as NAME.min.trace; for `-`, standard output.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    subject: subject::Args,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let trace = file::read_any_trace(&args.file)?;
    let kernel = args.subject.kernel_name()?;
    let reference = args.subject.reference()?;
    Expected::new(&trace, reference, args.subject.vma()?).warn();
    let trace = trace.of_version(reference.version);
    let shrink = Shrink { args, trace: &trace, kernel: &kernel };
    if trace.sections.is_empty() { args.subject.run(shrink) } else { args.subject.run_together(shrink) }
}

struct Shrink<'a> {
    args: &'a Args,
    trace: &'a Trace,
    kernel: &'a str,
}

impl Job for Shrink<'_> {
    type Out = Result<u8, Error>;

    fn on<C, P, D>(self, mut lockstep: Lockstep<C, P>, mut driver: D) -> Self::Out
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        let (lockstep, driver) = (&mut lockstep, &mut driver);
        let Some(finding) = check::run_trace(lockstep, driver, self.trace).finding else {
            let name = self.args.file.display();
            return Err(Error::Usage(format!(
                "{name}: {} finds nothing with it{}: nothing to minimise; --kernel, --vma and --side must be those of the finding",
                self.kernel,
                if lockstep.met().iter().any(|&met| met > 0) {
                    " except for known findings (--known none)"
                } else {
                    ""
                },
            )));
        };
        if let FindingKind::Expectation { unmet, .. } = &finding.kind {
            return Err(Error::Usage(format!(
                "{}: `{}` does not hold after operation {}: not minimised, because what is expected is so of this very trace \
                 and not of a smaller one. `rmap-diff run` says what is mapped; without the expectation a finding behind it \
                 is minimised",
                self.args.file.display(),
                unmet.expectation,
                finding.operation,
            )));
        }
        if !self.trace.expectations.is_empty() {
            hint("the small trace has no expectations: they were about the whole trace");
        }
        let small = check::minimize_finding(lockstep, driver, self.trace, &finding);
        let out = self.args.out.clone().unwrap_or_else(|| default_out(&self.args.file));
        let name = out.display().to_string();
        let options = self.args.subject.options();
        let report = Report::new(&small.finding, &small.trace, self.kernel).with_options(&options);
        let to_stdout = out == Path::new("-");
        let report = if to_stdout { report } else { report.with_file(&name) };
        file::write(&out, small.trace.to_file_text().as_bytes())?;
        let said = format!("{}\n{}\n", report::text::coloured(&report), summary(self.trace, &small));
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

/// One line: how small a trace became, and by how much work.
pub(super) fn summary(before: &Trace, small: &Minimized) -> String {
    format!("minimised: {} to {} operations in {} runs", before.ops.len(), small.trace.ops.len(), small.runs)
}
