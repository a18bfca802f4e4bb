//! The `rmap-diff` command: arguments in, exit status out. What is done is elsewhere; here is
//! how a person asks for it and what the answer's status is.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

mod convert;
mod file;
#[cfg(not(feature = "port-only"))]
mod ground_truth;
#[cfg(not(feature = "port-only"))]
mod kernels;
mod known;
mod minimize;
mod random;
mod run;
mod subject;

/// Nothing was found.
const AGREE: u8 = 0;
/// A divergence or a violation was found.
const FOUND: u8 = 1;
/// The command or its input is wrong.
const USAGE: u8 = 2;

/// Differential fuzzer for the Linux kernel's anonymous reverse map (mm/rmap.c).
#[derive(Parser)]
#[command(name = "rmap-diff", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit status: 0 the sides agree, 1 a divergence or violation was found, 2 usage or malformed input."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one trace and report where the sides part or an invariant breaks.
    #[command(
        after_help = "Examples:\n  rmap-diff run fuzz/seeds/siblings.trace\n  rmap-diff run crash.trace --kernel 6.12 \
        --side c --dump json\n  echo 'map p0 0x10..0x18' | rmap-diff run -"
    )]
    Run(run::Args),
    /// Run random traces, reproducible by a seed.
    #[command(
        after_help = "Examples:\n  rmap-diff random --ops 1000000 --seed 7 --fail-rate 0.3\n  rmap-diff random --ops \
        200000 --kernel 6.1 --mix fork-heavy"
    )]
    Random(random::Args),
    /// Make a trace small that finds something: as few operations as find the same.
    #[command(
        after_help = "Examples:\n  rmap-diff minimize divergence.trace --kernel 6.12\n  rmap-diff minimize crash.trace -o \
        small.trace --side c"
    )]
    Minimize(minimize::Args),
    /// Play the traces of the known findings again: is each still there?
    #[cfg(not(feature = "port-only"))]
    #[command(after_help = "Examples:\n  rmap-diff known\n  rmap-diff known --kernel 7.3")]
    Known(known::Args),
    /// Play traces on a booted kernel too, and compare its own graph after every step (`make ground-truth`).
    #[cfg(not(feature = "port-only"))]
    #[command(
        after_help = "Examples:\n  make ground-truth KERNEL=6.12 TRACES=500 SEED=1\n  rmap-diff ground-truth --kernel 6.12 \
        --image vmlinuz --agent rmap-guest --traces 0 mine.trace"
    )]
    GroundTruth(ground_truth::Args),
    /// Convert traces between text and bytes (the fuzzer's inputs).
    #[command(
        after_help = "Examples:\n  rmap-diff convert --set small --partial fuzz/artifacts/differential/crash-0123 \
        crash.trace\n  rmap-diff convert crash.trace crash.bin\n  rmap-diff convert --seeds fuzz/seeds fuzz/corpus/differential"
    )]
    Convert(convert::Args),
    /// List the kernel references, or show what was cut from one.
    #[cfg(not(feature = "port-only"))]
    #[command(after_help = "Examples:\n  rmap-diff kernels\n  rmap-diff kernels --show 6.12 | less")]
    Kernels(kernels::Args),
}

/// Which side of the comparison runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum SideArg {
    /// The kernel's C alone, under the invariants.
    C,
    /// The port alone, under the invariants.
    Rust,
    /// Both, compared at every call.
    Both,
}

/// What went wrong with the command itself.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}:{}:{}: found {}, {}", path.display(), error.line, error.column, error.found, error.wanted)]
    Parse { path: PathBuf, error: crate::trace::ParseError },
    #[error("{}: {error}", path.display())]
    Bytes { path: PathBuf, error: crate::trace::BytesError },
    #[error("{0}")]
    Usage(String),
}

impl Error {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
        move |error| Error::Io { path: path.to_owned(), error }
    }
}

/// Parses the command line, does what it says, and gives the exit status.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { AGREE });
        }
    };
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Random(args) => random::run(&args),
        #[cfg(not(feature = "port-only"))]
        Command::Known(args) => known::run(&args),
        #[cfg(not(feature = "port-only"))]
        Command::GroundTruth(args) => ground_truth::run(&args),
        Command::Minimize(args) => minimize::run(&args),
        Command::Convert(args) => convert::run(&args),
        #[cfg(not(feature = "port-only"))]
        Command::Kernels(args) => kernels::run(&args),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "rmap-diff: {error}");
            ExitCode::from(USAGE)
        }
    }
}

/// Writes to standard output.
fn print(text: impl fmt::Display) -> Result<(), Error> {
    let mut out = anstream::stdout();
    to_stdout(write!(out, "{text}").and_then(|()| out.flush()))
}

/// What became of writing to standard output. That the reader of a pipe went away, as `head` does, is no error, and
/// hides nothing that was found: the status stays.
fn to_stdout(written: io::Result<()>) -> Result<(), Error> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Error::io(Path::new("standard output"))),
    }
}
