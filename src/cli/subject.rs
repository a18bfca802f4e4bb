//! Which reference, which revision, which sides a command means.

use super::{Error, SideArg};
use crate::check::{Lockstep, Who};
#[cfg(not(feature = "port-only"))]
use crate::kernel::{self, Reference, SlabMode};
use crate::port::Port;
use crate::rmap::{Revision, Side};

/// What to run, as said on the command line.
// No group of its own: clap would name it `Args`, as the group of the command that holds it.
#[derive(clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// The reference, by name (`rmap-diff kernels` lists them); default: $RMAP_KERNEL, else the newest after the
    /// January 2026 series.
    #[arg(long, value_name = "NAME", env = "RMAP_KERNEL")]
    kernel: Option<String>,
    /// Which side runs.
    #[arg(long, value_enum, default_value_t = DEFAULT_SIDE)]
    pub(super) side: SideArg,
    /// What the C's slab does with freed objects: reuse them at once, or poison and keep them.
    #[arg(long, value_enum, default_value_t = SlabArg::Reuse)]
    #[cfg_attr(feature = "port-only", allow(dead_code))]
    slab: SlabArg,
}

const DEFAULT_SIDE: SideArg = if cfg!(feature = "port-only") { SideArg::Rust } else { SideArg::Both };

/// What the slab does with freed objects.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SlabArg {
    /// The next allocation gets the object freed last.
    Reuse,
    /// Freed objects are poisoned and kept until the end.
    Poison,
}

#[cfg(not(feature = "port-only"))]
impl Args {
    pub(super) fn reference(&self) -> Result<&'static Reference, Error> {
        reference(self.kernel.as_deref())
    }

    /// The reference's name, for a report.
    pub(super) fn kernel_name(&self) -> Result<String, Error> {
        Ok(self.reference()?.name.to_owned())
    }

    pub(super) fn revision(&self) -> Result<Revision, Error> {
        Ok(self.reference()?.revision)
    }

    pub(super) fn slab(&self) -> SlabMode {
        match self.slab {
            SlabArg::Reuse => SlabMode::Reuse,
            SlabArg::Poison => SlabMode::Poison,
        }
    }
}

/// The reference of that name, or the default one.
#[cfg(not(feature = "port-only"))]
pub(super) fn reference(name: Option<&str>) -> Result<&'static Reference, Error> {
    match name {
        None => kernel::default_reference().ok_or_else(|| Error::Usage("no kernel reference in this binary".into())),
        Some(name) => kernel::reference(name).ok_or_else(|| {
            let names: Vec<&str> = kernel::references().iter().map(|r| r.name).collect();
            Error::Usage(format!(
                "no reference `{name}` in this binary; it has {}. Add it: make kernel NAME={name} TREE=..., and build again",
                names.join(", ")
            ))
        }),
    }
}

#[cfg(feature = "port-only")]
impl Args {
    pub(super) fn kernel_name(&self) -> Result<String, Error> {
        let newest = Revision::GENERATIONS.last().map_or("", |(name, _)| name);
        Ok(self.kernel.clone().unwrap_or_else(|| newest.to_owned()))
    }

    pub(super) fn revision(&self) -> Result<Revision, Error> {
        let name = self.kernel_name()?;
        Revision::of_generation(&name).ok_or_else(|| {
            let names: Vec<&str> = Revision::GENERATIONS.iter().map(|(name, _)| *name).collect();
            Error::Usage(format!("no generation `{name}`; this build (port-only) knows {}", names.join(", ")))
        })
    }
}

/// What a command does on whatever sides were chosen.
pub(super) trait Job {
    /// What comes of it.
    type Out;

    /// Does it. The names of the sides' dumps are `sides`.
    fn on<C: Side, P: Side>(self, lockstep: &mut Lockstep<C, P>, sides: &[&'static str]) -> Result<Self::Out, Error>;
}

impl Args {
    /// Makes the sides that were asked for and does the job on them.
    pub(super) fn with<J: Job>(&self, job: J) -> Result<J::Out, Error> {
        let port = Port::new(self.revision()?);
        #[cfg(not(feature = "port-only"))]
        let kernel = || -> Result<kernel::Kernel, Error> { Ok(kernel::Kernel::new(self.reference()?, self.slab())) };
        match self.side {
            SideArg::Rust => job.on(&mut Lockstep::solo(port, Who::Port), &["rust"]),
            #[cfg(not(feature = "port-only"))]
            SideArg::C => job.on(&mut Lockstep::solo(kernel()?, Who::Reference), &["c"]),
            #[cfg(not(feature = "port-only"))]
            SideArg::Both => job.on(&mut Lockstep::new(kernel()?, port), &["c", "rust"]),
            #[cfg(feature = "port-only")]
            SideArg::C | SideArg::Both => {
                Err(Error::Usage("this build holds the port alone (feature port-only): use --side rust".into()))
            }
        }
    }
}
