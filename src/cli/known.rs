//! `rmap-diff known`: plays the traces of the known findings again.

use super::known_file::KnownArg;
use super::{AGREE, Error, FOUND, print, subject};
use crate::kernel;
use crate::known::Replayed;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Run the traces only on this reference, by name.
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,
    #[command(flatten)]
    known: KnownArg,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    if let Some(name) = &args.kernel {
        subject::reference(Some(name))?;
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
            print(format_args!(
                "    not played: it is known of {kernels}, which is not in this binary or was not asked for\n"
            ))?;
        }
    }
    Ok(if gone { FOUND } else { AGREE })
}
