//! `rmap-diff kernels`: what this binary was built with.

use super::{AGREE, Error, print};
use crate::kernel;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Show what was cut from this reference, what is a stub, and the text that was compiled.
    #[arg(long, value_name = "NAME")]
    show: Option<String>,
    /// List as JSON.
    #[arg(long, conflicts_with = "show")]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    if let Some(name) = &args.show {
        let reference = super::subject::reference(Some(name))?;
        print(reference.extract)?;
        return Ok(AGREE);
    }
    if args.json {
        let list: Vec<_> = kernel::references()
            .iter()
            .map(|r| {
                serde_json::json!({
                    "name": r.name, "version": r.version, "revision": r.revision, "origin": r.origin, "patches": r.patches,
                })
            })
            .collect();
        print(format_args!("{:#}\n", serde_json::Value::from(list)))?;
        return Ok(AGREE);
    }
    for reference in kernel::references() {
        print(format_args!(
            "{}\n    version   {}\n    revision  {}\n    origin    {}\n",
            reference.name, reference.version, reference.revision, reference.origin
        ))?;
        for patch in reference.patches {
            print(format_args!("    patch     {patch}\n"))?;
        }
    }
    Ok(AGREE)
}
