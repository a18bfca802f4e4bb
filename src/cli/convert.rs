//! `rmap-diff convert`: text ↔ bytes.

use std::fs;
use std::path::{Path, PathBuf};

use super::{AGREE, Error, file, hint};
use crate::trace::{self, OpSet, Trace};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The file to read (`-`: standard input); with --seeds, a directory of .trace files.
    input: PathBuf,
    /// The old place of --out.
    #[arg(hide = true, conflicts_with = "out")]
    output: Option<PathBuf>,
    /// Where to write (`-`: standard output); with --seeds, a directory. Default: standard output.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The form to write. Default: bytes if the input is a text trace, else text.
    #[arg(long, value_enum)]
    to: Option<Form>,
    /// Drop the last record if it is incomplete. An input of the fuzzer may end with such a record.
    #[arg(long, conflicts_with = "seeds")]
    partial: bool,
    /// Convert a directory of seed traces to a fuzzing corpus: each NAME.trace becomes a file NAME of bytes.
    #[arg(long, conflicts_with = "to")]
    seeds: bool,
    /// The set of operations. The meaning of the bytes depends on it. The fuzz target uses `full` with the kernel's VMA
    /// code, `pages` with its page-table code too, `together` where operations run together, and `small` with the model.
    #[arg(long, value_enum, default_value_t = Set::Full)]
    set: Set,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Set {
    /// The operations of the model.
    Small,
    /// All operations of the kernel's VMA code.
    Full,
    /// These, and the operations on pages.
    Pages,
    /// These, and sections, whose operations run together.
    Together,
}

impl From<Set> for OpSet {
    fn from(set: Set) -> OpSet {
        match set {
            Set::Small => OpSet::Small,
            Set::Full => OpSet::Full,
            Set::Pages => OpSet::Pages,
            Set::Together => OpSet::Together,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// One operation a line.
    Text,
    /// Fixed-width records.
    Bytes,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let set = args.set.into();
    if let Some(old) = &args.output {
        let (input, old) = (args.input.display(), old.display());
        hint(&format!("`convert {input} {old}` is now `convert {input} -o {old}`"));
    }
    let out = args.out.as_deref().or(args.output.as_deref());
    if args.seeds {
        let Some(dir) = out else {
            return Err(Error::Usage("--seeds: expected the directory to write to: -o DIR".into()));
        };
        return seeds(&args.input, dir, set);
    }
    let bytes = file::read(&args.input)?;
    let parse = || trace::parse_bytes(&bytes);
    let form = args.to.unwrap_or(if looks_like_text(&bytes) { Form::Bytes } else { Form::Text });
    let converted = match form {
        Form::Bytes => {
            let trace = parse().map_err(|error| Error::Parse { path: args.input.clone(), error })?;
            has_bytes(&trace, set, &args.input)?;
            dropped(&trace, &args.input);
            trace.to_bytes_of(set)
        }
        // A text trace asked for as text comes out in canonical form.
        Form::Text if looks_like_text(&bytes) => {
            let trace = parse().map_err(|error| Error::Parse { path: args.input.clone(), error })?;
            trace.to_file_text().into_bytes()
        }
        Form::Text if args.partial => Trace::from_bytes_of(set, &bytes).to_file_text().into_bytes(),
        Form::Text => {
            let trace = Trace::try_from_bytes_of(set, &bytes)
                .map_err(|error| Error::Bytes { path: args.input.clone(), error })?;
            trace.to_file_text().into_bytes()
        }
    };
    file::write(out.unwrap_or(Path::new("-")), &converted)?;
    Ok(AGREE)
}

/// Whether these bytes are meant as a text trace. Records hold NUL bytes nearly everywhere; text never does.
fn looks_like_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c)))
}

/// That a set has sections, if the trace does.
fn has_bytes(trace: &Trace, set: OpSet, path: &Path) -> Result<(), Error> {
    if trace.sections.iter().any(|section| section.accesses) {
        let why = "a line is at a load or a store, which no byte form has";
        return Err(Error::Usage(format!("{}: {why}", path.display())));
    }
    if trace.sections.is_empty() || set == OpSet::Together {
        return Ok(());
    }
    let why =
        "it has operations that run together (`together`), of which the bytes of this set have none: --set together";
    Err(Error::Usage(format!("{}: {why}", path.display())))
}

/// Says that the byte form has no expectations, if the trace has any.
fn dropped(trace: &Trace, path: &Path) {
    match trace.expectations.len() {
        0 => (),
        count => hint(&format!("{}: the byte form has no expectations, {count} left out", path.display())),
    }
}

fn seeds(from: &Path, to: &Path, set: OpSet) -> Result<u8, Error> {
    let mut seeds: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(from).map_err(Error::io(from))? {
        let path = entry.map_err(Error::io(from))?.path();
        if path.extension().is_some_and(|extension| extension == "trace") {
            seeds.push(path);
        }
    }
    if seeds.is_empty() {
        return Err(Error::Usage(format!("{}: it has no .trace file", from.display())));
    }
    seeds.sort();
    // All are read before any is written.
    let mut converted = Vec::new();
    for seed in &seeds {
        // A fuzzer has no use for what a trace expects, so nothing is said of it here.
        let trace = file::read_any_trace(seed)?;
        has_bytes(&trace, set, seed)?;
        converted.push((seed.file_stem().unwrap_or_default(), trace.to_bytes_of(set)));
    }
    fs::create_dir_all(to).map_err(Error::io(to))?;
    for (name, bytes) in converted {
        file::write(&to.join(name), &bytes)?;
    }
    Ok(AGREE)
}
