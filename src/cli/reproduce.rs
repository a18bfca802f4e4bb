//! `rmap-diff reproduce`: a trace as a C program for a running kernel, as a Rust test, or as text.

use std::path::PathBuf;

use super::expected::{self, Expected};
use super::{AGREE, Error, SideArg, file, subject};
use crate::check::{Driver, Lockstep};
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
    file::one_at_a_time(&args.file, &whole)?;
    if whole.ops.is_empty() {
        return Err(Error::Usage(format!("{}: has no operation: there is nothing to reproduce", args.file.display())));
    }
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

/// The line of an operation, both from 1.
fn line_of(text: &str, operation: usize) -> usize {
    let holds = |line: &str| {
        let first = line.split('#').next().unwrap_or_default().split_whitespace().next();
        first.is_some_and(|word| !word.starts_with("expect"))
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
