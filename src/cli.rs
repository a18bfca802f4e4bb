//! The `rmap-diff` command: arguments in, exit status out. What is done is elsewhere; here is
//! how a person asks for it and what the answer's status is.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

mod convert;
mod exhaust;
mod expected;
mod features;
mod file;
mod ground_truth;
mod help;
mod kernels;
mod known;
mod known_file;
mod manual;
mod minimize;
mod mutants;
mod prove;
mod random;
mod reproduce;
mod review;
mod run;
mod show;
mod spellings;
mod subject;

/// Nothing was found.
const AGREE: u8 = 0;
/// A divergence or a violation was found.
const FOUND: u8 = 1;
/// The command or its input is wrong.
const USAGE: u8 = 2;
/// Neither: the references of a review are equivalent except for what is named, or a search is not finished.
const UNDECIDED: u8 = 3;

/// Differential fuzzer for the Linux kernel's reverse map (mm/rmap.c).
#[derive(Parser)]
#[command(name = "rmap-diff", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Examples:\n  rmap-diff run fuzz/seeds/siblings.trace\n  rmap-diff random --ops 200000 --minimize\n  rmap-diff \
        show fuzz/seeds/siblings.trace --as html -o siblings.html\n\nExit status: 0 the sides agree, 1 a divergence or \
        violation was found or an expectation of a trace does not hold, 2 wrong usage or malformed input. review, prove and \
        exhaust also use 3: equivalent except for what is named, not reproduced, or not finished."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one trace and report where the sides differ or an invariant breaks
    #[command(
        after_help = "Examples:\n  rmap-diff run fuzz/seeds/siblings.trace\n  rmap-diff run crash.trace --kernel 6.12 \
        --side kernel --dump json\n  echo 'map p0 0x10..0x18' | rmap-diff run -"
    )]
    Run(run::Args),
    /// Run random traces; the same seed gives the same traces
    #[command(
        after_help = "Examples:\n  rmap-diff random --ops 1000000 --seed 7 --fail-rate 0.3\n  rmap-diff random --ops \
        200000 --kernel 6.1 --mix fork-heavy"
    )]
    Random(random::Args),
    /// Try every sequence of operations in a small scope, also with failing allocations
    #[command(
        after_help = "Examples:\n  rmap-diff exhaust --procs 3 --pages 2 --depth 6 --failures all\n  rmap-diff exhaust \
        --kernel 6.12 --vma model --procs 3 --pages 3 --depth 8 --failures all --state search.bin --time 600\n\n\
        Exit status: 0 everything in the scope was tried, 1 a divergence or violation was found, 2 wrong usage, 3 not finished."
    )]
    Exhaust(exhaust::Args),
    /// Shrink the trace of a finding: remove every operation that the finding does not need
    #[command(
        after_help = "Examples:\n  rmap-diff minimize divergence.trace --kernel 6.12\n  rmap-diff minimize crash.trace -o \
        small.trace --side kernel"
    )]
    Minimize(minimize::Args),
    /// Show the VMAs and anon_vmas after each operation of a trace, as text, as a picture or as a page
    #[command(
        after_help = "Examples:\n  rmap-diff show fuzz/seeds/siblings.trace --at 4\n  rmap-diff show crash.trace --kernel 6.12 \
        --as html -o crash.html\n  rmap-diff show crash.trace --as svg -o crash.svg"
    )]
    Show(show::Args),
    /// Write a trace as a C program for a running kernel, as a Rust test, or as text
    #[command(
        after_help = "Examples:\n  rmap-diff reproduce crash.trace --as c -o reproduce.c\n  rmap-diff reproduce crash.trace \
        --kernel 6.12 --as test -o tests/crash.rs"
    )]
    Reproduce(reproduce::Args),
    /// Compare two references: does a patch change what mm/rmap.c does?
    #[command(
        after_help = "Examples:\n  rmap-diff review 6.12 mine\n  rmap-diff review 6.12 7.3 --vma model --time 60\n  \
        rmap-diff review 6.12 mine --trace small.trace\n\nExit status: 0 equivalent, 1 different or an invariant is \
        broken, 2 wrong usage, 3 equivalent except for what is named, or not finished."
    )]
    Review(review::Args),
    /// Run the same traces without a fix and with it: does it repair something, or break something?
    #[command(
        after_help = "Examples:\n  rmap-diff prove 7.3-without 7.3-with --time 120\n  rmap-diff prove 7.3-without 7.3-with --ops 50000 --json\n\n\
        Exit status: 0 proven, 1 the fix breaks something else, 2 wrong usage, 3 not reproduced."
    )]
    Prove(prove::Args),
    /// Run the traces of the known findings again: is each still there?
    #[command(after_help = "Examples:\n  rmap-diff known\n  rmap-diff known --kernel 7.3")]
    Known(known::Args),
    /// Run traces on a booted kernel too, and compare the state after each operation (`make ground-truth`)
    #[command(after_help = "Examples:\n  rmap-diff ground-truth --kernel 6.12 \
        --image vmlinuz --agent rmap-guest --traces 0 mine.trace")]
    GroundTruth(ground_truth::Args),
    /// Convert traces between text and bytes (the fuzzer's inputs)
    #[command(
        after_help = "Examples:\n  rmap-diff convert --set small --partial fuzz/artifacts/differential/crash-0123 -o \
        crash.trace\n  rmap-diff convert crash.trace -o crash.bin\n  rmap-diff convert --seeds fuzz/seeds -o \
        fuzz/corpus/differential"
    )]
    Convert(convert::Args),
    /// List the kernel references, or show what was extracted for one
    #[command(after_help = "Examples:\n  rmap-diff kernels\n  rmap-diff kernels --show 6.12 | less")]
    Kernels(kernels::Args),
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  rmap-diff completions bash > rmap-diff.bash\n  rmap-diff completions zsh > _rmap-diff"
    )]
    Completions(manual::CompletionsArgs),
    /// Print the manual page, or write those of all commands
    #[command(after_help = "Examples:\n  rmap-diff man | man -l -\n  rmap-diff man -o man/man1")]
    Man(manual::ManArgs),
    /// Measure how many of the planted faults are found (`make mutants`)
    #[command(hide = cfg!(not(rmap_mutants)))]
    Mutants(mutants::Args),
}

/// Which side of the comparison runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum SideArg {
    /// The kernel's C alone, under the invariants.
    Kernel,
    /// The Rust port alone, under the invariants.
    Port,
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

    /// Whether a file that was given is to blame.
    fn is_of(&self, file: &Path) -> bool {
        match self {
            Error::Io { path, .. } | Error::Parse { path, .. } | Error::Bytes { path, .. } => path == file,
            Error::Usage(_) => false,
        }
    }
}

/// The whole command.
fn command() -> clap::Command {
    help::grouped(Cli::command())
}

/// Says something on standard error: what an old spelling is now, which file was left out.
fn hint(text: &str) {
    let _ = writeln!(anstream::stderr(), "rmap-diff: {text}");
}

/// Parses the command line, does what it says, and gives the exit status.
pub fn main() -> ExitCode {
    let (driver, vma) = (std::env::var_os("RMAP_DRIVER"), std::env::var_os("RMAP_VMA"));
    let modern = spellings::modern(std::env::args_os(), driver, vma.is_some());
    modern.hints.iter().for_each(|text| hint(text));
    let parsed = command().try_get_matches_from(modern.words);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { AGREE });
        }
    };
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Random(args) => random::run(&args),
        Command::Exhaust(args) => exhaust::run(&args),
        Command::Review(args) => review::run(&args),
        Command::Prove(args) => prove::run(&args),
        Command::Known(args) => known::run(&args),
        Command::GroundTruth(args) => ground_truth::run(&args),
        Command::Minimize(args) => minimize::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Kernels(args) => kernels::run(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
        Command::Mutants(args) => mutants::run(&args),
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
