//! Known findings: what a run says of those that it met, and `rmap-diff known`, which plays them again.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Error;
use super::{AGREE, FOUND, print};
use crate::known::{KnownFinding, KnownFindings};

/// PairSide known findings a command goes by.
#[derive(clap::Args)]
#[group(skip)]
pub(super) struct KnownArg {
    /// A file of known findings, which are counted rather than reported; `none`: none. Default: those that are built
    /// in (findings/known.toml).
    #[arg(long, value_name = "FILE", env = "RMAP_KNOWN")]
    known: Option<PathBuf>,
}

impl KnownArg {
    pub(super) fn read(&self) -> Result<KnownFindings, Error> {
        KnownFindings::read(self.known.as_deref()).map_err(|error| Error::Usage(error.to_string()))
    }

    /// The file that was named, or `none`.
    pub(super) fn file(&self) -> Option<&Path> {
        self.known.as_deref()
    }

    /// Those of a reference of that name and version.
    pub(super) fn of(&self, name: &str, version: &str) -> Result<Vec<KnownFinding>, Error> {
        Ok(self.read()?.of(name, version))
    }
}

/// Says on standard error which known findings were met, a line each.
pub(super) fn tell(known: &[KnownFinding], met: &[u64]) {
    for (known, &met) in known.iter().zip(met).filter(|&(_, &met)| met > 0) {
        let times = if met == 1 { "once".to_owned() } else { format!("{met} times") };
        let _ = writeln!(anstream::stderr(), "known: {} ({}), met {times}", known.signature, known.headline());
    }
}

/// The known findings that were met.
pub(super) fn value(known: &[KnownFinding], met: &[u64]) -> Value {
    let all = known.iter().zip(met).filter(|&(_, &met)| met > 0);
    all.map(|(known, met)| json!({ "signature": known.signature, "explanation": known.explanation, "met": met }))
        .collect()
}

#[derive(clap::Args)]
pub(super) struct Args {
    /// Play them on this reference alone, by name.
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,
    #[command(flatten)]
    known: KnownArg,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    use crate::kernel;
    use crate::known::Replayed;

    if let Some(name) = &args.kernel {
        super::subject::reference(Some(name))?;
    }
    let all = args.known.read()?;
    let mut gone = false;
    for known in &all.findings {
        let trace = all.trace(known).map_err(|error| Error::Usage(error.to_string()))?;
        print(format_args!("{}\n    {}\n    trace {}\n", known.signature, known.headline(), known.trace))?;
        let named = |name: &str| args.kernel.as_ref().is_none_or(|only| only == name);
        let references = kernel::references().iter().filter(|r| known.is_of(r.name, r.version));
        let mut played = false;
        for reference in references.filter(|r| named(r.name)) {
            let replayed = all.replay(known, &trace, reference);
            gone |= matches!(replayed, Replayed::Gone(_));
            played = true;
            print(format_args!("    {}: {replayed}\n", reference.name))?;
        }
        if let Some(booted) = known.booted {
            print(format_args!("    booted (make ground-truth): {booted}\n"))?;
        }
        if !played {
            let kernels = known.kernels.join(", ");
            print(format_args!("    not played: it is of {kernels}, which is not here or was not asked for\n"))?;
        }
    }
    Ok(if gone { FOUND } else { AGREE })
}
