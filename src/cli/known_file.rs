//! The option that names a file of known findings, and what a command says of those that it met.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Error;
use crate::known::{KnownFinding, KnownFindings};

/// Which known findings a command goes by.
#[derive(clap::Args)]
#[group(skip)]
pub(super) struct KnownArg {
    /// The list of known findings. They are counted and not reported. `none`: no list. Default: the list that is built
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
pub(super) fn report_met(known: &[KnownFinding], met: &[u64]) {
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
