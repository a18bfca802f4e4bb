//! `rmap-diff show`: the anon_vma forest of a trace, step by step.

use std::path::PathBuf;

use super::expected::Expected;
use super::{AGREE, Error, FOUND, SideArg, file, known_file, print, subject};
use crate::check::{self, Driver, Lockstep};
use crate::known::KnownFinding;
use crate::rmap::Side;
use crate::session::Job;
use crate::show::{self, Film, html, svg, text};
use crate::trace::Trace;

/// How many steps a page holds: those that come last.
const PAGE_STEPS: usize = 1000;

#[derive(clap::Args)]
pub(super) struct Args {
    /// A trace in text form (`-`: standard input).
    file: PathBuf,
    /// Show the state after this operation, or after those that run together with it; the first is 1. `end`: after the exits at the end of the trace. Default: the
    /// operation at which something was found, else the last one.
    #[arg(long, value_name = "K")]
    at: Option<At>,
    /// The form to write.
    #[arg(long = "as", value_enum, value_name = "FORM", default_value_t = Form::Text)]
    form: Form,
    /// Where to write (`-`: standard output).
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    #[command(flatten)]
    subject: subject::Args,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// One step, for a terminal.
    Text,
    /// A drawing of one step.
    Svg,
    /// One page of all steps. It needs no network.
    Html,
}

#[derive(Clone, Copy)]
enum At {
    Operation(usize),
    End,
}

impl std::str::FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<At, String> {
        match text.parse() {
            _ if text == "end" => Ok(At::End),
            Ok(number @ 1..) => Ok(At::Operation(number)),
            _ => Err("expected the number of an operation, from 1, or `end`".into()),
        }
    }
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    if args.at.is_some() && args.form == Form::Html {
        return Err(Error::Usage("--at cannot be used with --as html: the page has all steps".into()));
    }
    let trace = file::read_any_trace(&args.file)?;
    if let Some(At::Operation(number)) = args.at
        && number > trace.ops.len()
    {
        let name = args.file.display();
        return Err(Error::Usage(format!("--at {number}: {name} has {} operations", trace.ops.len())));
    }
    let kernel = args.subject.kernel_name()?;
    let known = args.subject.known()?;
    let reference = args.subject.reference()?;
    Expected::new(&trace, reference, args.subject.vma()?).warn();
    let trace = trace.of_version(reference.version);
    let show = Show { args, trace: &trace, kernel: &kernel, known: &known };
    if trace.sections.is_empty() { args.subject.run(show) } else { args.subject.run_together(show) }
}

struct Show<'a> {
    args: &'a Args,
    trace: &'a Trace,
    kernel: &'a str,
    known: &'a [KnownFinding],
}

impl Job for Show<'_> {
    type Out = Result<u8, Error>;

    fn on<C, P, D>(self, mut lockstep: Lockstep<C, P>, mut driver: D) -> Self::Out
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        let (lockstep, driver) = (&mut lockstep, &mut driver);
        // Played once to know where it ends: only what is shown is kept.
        let result = check::run_trace(lockstep, driver, self.trace);
        let end = self.trace.ops.len() + 1;
        let stopped = lockstep.stats().operations as usize;
        let last = match &result.finding {
            Some(finding) if finding.teardown => end,
            Some(finding) => finding.operation as usize,
            None => self.trace.ops.len().min(stopped),
        };
        let (first, to) = match (self.args.form, self.args.at) {
            (Form::Html, _) => (end.saturating_sub(PAGE_STEPS - 1).max(1), end),
            (_, None) => (last, last),
            (_, Some(At::End)) => (end, end),
            // Operations that run together are one step, called by the last.
            (_, Some(At::Operation(number))) => {
                let number = self.trace.section_of(number - 1).map_or(number, |section| section.range().end);
                (number, number)
            }
        };
        let captions: &[&str] = match (self.args.subject.side, lockstep.port()) {
            (SideArg::Port, _) => &["port"],
            (_, None) => &["kernel"],
            (_, Some(_)) => &["kernel", "port"],
        };
        // A fork may reuse what is told from some way back.
        let keep = first.saturating_sub(PAGE_STEPS).max(1)..=to;
        let mut film = show::film(lockstep, driver, self.trace, self.kernel, captions, keep);
        known_file::report_met(self.known, lockstep.met());
        film.steps.retain(|step| step.number >= first);
        self.put(&film, first)?;
        Ok(if film.found.is_some() { FOUND } else { AGREE })
    }
}

impl Show<'_> {
    fn put(&self, film: &Film, first: usize) -> Result<(), Error> {
        let Some(step) = film.steps.last() else {
            let why = film.found.as_ref().map_or("it ends before", |found| found.signature.as_str());
            return Err(Error::Usage(format!(
                "{}: nothing to show at operation {first}: {why}",
                self.args.file.display()
            )));
        };
        let path = &self.args.out;
        let what = match self.args.form {
            Form::Html => html::page(film),
            Form::Svg => svg::file(film, step),
            Form::Text if path.as_os_str() == "-" => return print(text::coloured(film, step)),
            Form::Text => anstream::adapter::strip_str(&text::coloured(film, step)).to_string(),
        };
        file::write(path, what.as_bytes())?;
        if path.as_os_str() == "-" {
            return Ok(());
        }
        let steps = match film.steps.len() {
            1 => format!("operation {}", step.number),
            count => format!("{count} steps"),
        };
        let found =
            film.found.as_ref().map_or(String::new(), |found| format!("; {}: {}", found.place, found.signature));
        print(format_args!("{}: {steps} of {}{found}\n", path.display(), film.kernel))
    }
}
