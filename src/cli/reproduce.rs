//! `rmap-diff reproduce`: a trace as a C program for a running kernel, as a Rust test, or as text.

use std::path::PathBuf;

use super::expected::{self, Expected};
use super::{AGREE, Error, SideArg, file, hint, subject};
use crate::check::{self, Driver, Lockstep};
use crate::reproduce::{self, Played, c, rust_test};
use crate::rmap::Side;
use crate::session::{Job, Session};
use crate::trace::Trace;

#[derive(clap::Args)]
pub(super) struct Args {
    /// A trace in text form (`-`: standard input).
    file: PathBuf,
    /// The form to write.
    #[arg(long = "as", value_enum, value_name = "FORM", default_value = "c")]
    form: Form,
    /// Where to write (`-`: standard output).
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    #[command(flatten)]
    subject: subject::Args,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A C program that does the operations of the trace by system calls.
    C,
    /// A Rust file with one #[test], for tests/ of this project.
    Test,
    /// The trace, up to the operation at which something is found.
    Text,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let text = file::read(&args.file)?;
    let parsed = crate::trace::parse_bytes(&text);
    let whole = parsed.map_err(|error| Error::Parse { path: args.file.clone(), error })?;
    if whole.ops.is_empty() {
        return Err(Error::Usage(format!("{}: has no operation: there is nothing to reproduce", args.file.display())));
    }
    let whole = if whole.sections.is_empty() { whole } else { one_after_another(args, &whole)? };
    let reference = args.subject.reference()?;
    Expected::new(&whole, reference, args.subject.vma()?).warn();
    let trace = whole.of_version(reference.version);
    let kernel = args.subject.kernel_name()?;
    // What is known is reproduced too.
    let session = Session { tolerated: Vec::new(), ..args.subject.session()? };
    let played = session.run(Play { trace: &trace, kernel: &kernel })?;
    let expectations = whole.first(played.ops.len()).expectations;
    let played = Played { expectations, ..played };
    let written = match args.form {
        Form::Text => reproduce::text(&played),
        Form::C => {
            expected::unchecked(played.expectations.len(), "the C program has none");
            c::program(&played).map_err(|error| {
                let line = line_of(&String::from_utf8_lossy(&text), error.operation);
                Error::Usage(format!("{}:{line}: {error}", args.file.display()))
            })?
        }
        Form::Test => {
            let subject = rust_test::Subject {
                reference: args.subject.side != SideArg::Port,
                port: args.subject.side != SideArg::Kernel,
                vma: args.subject.vma()?,
                poison: args.subject.poisons(),
            };
            rust_test::file(&played, subject)
        }
    };
    file::write(&args.out, written.as_bytes())?;
    Ok(AGREE)
}

/// A trace with sections as one without them that does the same, with a hint.
///
/// # Errors
/// If there is none: where the tasks are switched is chosen by nobody outside of the kernel.
fn one_after_another(args: &Args, trace: &Trace) -> Result<Trace, Error> {
    let name = args.file.display();
    let of_version = trace.of_version(args.subject.reference()?.version);
    let (found, orders) = args.subject.run_together(Orders(&of_version))?;
    let straight = reproduce::one_after_another(trace, &orders);
    let of_version = straight.of_version(args.subject.reference()?.version);
    let session = Session { tolerated: Vec::new(), ..args.subject.session()? };
    let alone = session.run(Alone(&of_version))?;
    if alone == found && (found.is_some() || orders.iter().all(Option::is_some)) {
        hint(&format!("{name}: the operations that run together do the same one after another, and are written so"));
        return Ok(straight);
    }
    let finding = match &found {
        Some(signature) => format!("`{signature}` is found only if their tasks are switched in between"),
        None => "their tasks are switched in between".to_owned(),
    };
    Err(Error::Usage(format!(
        "{name}: operations run together (`together`), and {finding}. Where a kernel switches tasks, no program can choose: \
         `rmap-diff run {name}` plays it again, `rmap-diff show {name}` draws it"
    )))
}

/// What is found with a trace, and for each section in which order its tasks ran, if none was interrupted.
struct Orders<'a>(&'a Trace);

impl Job for Orders<'_> {
    type Out = Result<(Option<String>, Vec<Option<Vec<usize>>>), Error>;

    fn on<C, P, D>(self, mut lockstep: Lockstep<C, P>, mut driver: D) -> Self::Out
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        let Orders(trace) = self;
        let mut orders = Vec::new();
        lockstep.tolerate([]);
        let (mut number, sections) = (0, &trace.sections);
        let result = check::run_trace_watched(&mut lockstep, &mut driver, trace, |lockstep, _, _, _| {
            if let Some(section) = sections.iter().find(|section| section.first == number) {
                orders.push(reproduce::order_of(lockstep.schedule(), section.tasks));
            }
            number += 1;
        });
        if let Some(section) = result.finding.as_ref().and_then(|_| sections.get(orders.len())) {
            let schedule = &result.finding.as_ref().map_or(&[][..], |finding| &finding.schedule[..]);
            orders.push(reproduce::order_of(schedule, section.tasks));
        }
        // Sections after what was found do not run.
        orders.resize_with(sections.len(), || Some(Vec::new()));
        Ok((result.finding.map(|finding| finding.signature()), orders))
    }
}

/// What is found with a trace.
struct Alone<'a>(&'a Trace);

impl Job for Alone<'_> {
    type Out = Option<String>;

    fn on<C, P, D>(self, mut lockstep: Lockstep<C, P>, mut driver: D) -> Self::Out
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        check::run_trace(&mut lockstep, &mut driver, self.0).finding.map(|finding| finding.signature())
    }
}

/// The line of an operation, both from 1.
fn line_of(text: &str, operation: usize) -> usize {
    let holds = |line: &str| {
        let first = line.split('#').next().unwrap_or_default().split_whitespace().next();
        first.is_some_and(|word| !word.starts_with("expect") && !["together", "at", "end"].contains(&word))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| holds(line));
    lines.map(|(at, _)| at + 1).nth(operation - 1).unwrap_or(0)
}

/// What a reproducer is made of: a trace as a reference plays it.
pub(super) struct Play<'a> {
    pub(super) trace: &'a Trace,
    pub(super) kernel: &'a str,
}

impl Job for Play<'_> {
    type Out = Played;

    fn on<C, P, D>(self, mut lockstep: Lockstep<C, P>, mut driver: D) -> Self::Out
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        reproduce::play(&mut lockstep, &mut driver, self.trace, self.kernel)
    }
}
