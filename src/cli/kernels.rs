//! `rmap-diff kernels`: what this binary was built with.

use super::{AGREE, Error, hint, print};
use crate::kernel;
use crate::session::{Session, VmaCode};

#[derive(clap::Args)]
pub(super) struct Args {
    /// Show what was extracted for this reference, what is a stand-in, and the text that was compiled.
    #[arg(long, value_name = "NAME")]
    show: Option<String>,
    /// List as JSON.
    #[arg(long, conflicts_with = "show")]
    json: bool,
    /// Print the VMA code that this reference (or the default one) runs with: `pages`, or `kernel` or `model` where its
    /// own could not be built.
    #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with_all = ["show", "json"])]
    vma: Option<Option<String>>,
    /// The old spelling of --vma, which prints the old words.
    #[arg(long, hide = true, value_name = "NAME", num_args = 0..=1, conflicts_with_all = ["show", "json", "vma"])]
    driver: Option<Option<String>>,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    if let Some(name) = &args.show {
        let reference = super::subject::reference(Some(name))?;
        print(reference.extract)?;
        return Ok(AGREE);
    }
    if args.driver.is_some() {
        hint("`kernels --driver` is now `kernels --vma`, and `rust` is now `model`");
    }
    if let Some(name) = args.vma.as_ref().or(args.driver.as_ref()) {
        let word = match Session::new(super::subject::reference(name.as_deref())?).vma {
            VmaCode::Model if args.driver.is_some() => "rust",
            VmaCode::Pages if args.driver.is_some() => VmaCode::Kernel.name(),
            vma => vma.name(),
        };
        print(format_args!("{word}\n"))?;
        return Ok(AGREE);
    }
    for (name, reason) in kernel::left_out() {
        eprintln!("rmap-diff: {name}: left out of this binary: {reason}");
    }
    if args.json {
        let list: Vec<_> = kernel::references()
            .iter()
            .map(|r| {
                serde_json::json!({
                    "name": r.name, "version": r.version, "revision": r.revision, "origin": r.origin, "patches": r.patches,
                    "kernel_driver": r.without_vma_layer().is_none(), "without_kernel_driver": r.without_vma_layer(),
                    "page_tables": r.without_pages_layer().is_none(), "without_page_tables": r.without_pages_layer(),
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
        match reference.without_vma_layer() {
            None => print("    vma       kernel\n")?,
            Some(why) => print(format_args!("    vma       model (no kernel VMA code: {why})\n"))?,
        }
        // Without the VMA code there is nothing to serve.
        match reference.without_pages_layer() {
            None => print("    pages     kernel\n")?,
            Some(why) if reference.without_vma_layer().is_none() => {
                print(format_args!("    pages     model (no kernel page-table code: {why})\n"))?;
            }
            Some(_) => {}
        }
        for patch in reference.patches {
            print(format_args!("    patch     {patch}\n"))?;
        }
    }
    Ok(AGREE)
}
