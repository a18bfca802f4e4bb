//! PairSide reference, which revision, which sides a command means.

use std::fmt;

use clap::ValueEnum as _;

use super::known::KnownArg;
use super::{Error, SideArg};
use crate::check::{Driver, Lockstep, Sides};
use crate::kernel::{self, Reference, SlabMode};
use crate::known::KnownFinding;
use crate::mm::KernelDriver;
use crate::mm::SmallDriver;
use crate::port::Port;
use crate::rmap::{Revision, Side};
use crate::trace::OpSet;

/// What to run, as said on the command line.
// No group of its own: clap would name it `Args`, as the group of the command that holds it.
#[derive(clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// The reference, by name (`rmap-diff kernels` lists them); default: $RMAP_KERNEL, else the newest after the
    /// January 2026 series.
    #[arg(long, value_name = "NAME", env = "RMAP_KERNEL")]
    kernel: Option<String>,
    /// PairSide side runs.
    #[arg(long, value_enum, default_value_t = SideArg::Both)]
    pub(super) side: SideArg,
    /// What the C's slab does with freed objects: reuse them at once, or poison and keep them.
    #[arg(long, value_enum, default_value_t = SlabArg::Reuse)]
    slab: SlabArg,
    /// What makes the rmap calls: the kernel's own VMA code, or the small driver in Rust. Default: the kernel's, where
    /// the reference has it and its C runs.
    #[arg(long, value_enum, env = "RMAP_DRIVER")]
    driver: Option<DriverArg>,
    #[command(flatten)]
    known: KnownArg,
}

/// What makes the rmap calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum DriverArg {
    /// The kernel's own VMA code, compiled from the same tree.
    Kernel,
    /// The small driver: map, fault, fork, unmap, exit and the page operations, on any tree.
    Rust,
}

impl fmt::Display for DriverArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DriverArg::Kernel => "kernel driver",
            DriverArg::Rust => "rust driver",
        })
    }
}

/// What the slab does with freed objects.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SlabArg {
    /// The next allocation gets the object freed last.
    Reuse,
    /// Freed objects are poisoned and kept until the end.
    Poison,
}

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

    /// What is known of the reference.
    pub(super) fn known(&self) -> Result<Vec<KnownFinding>, Error> {
        let reference = self.reference()?;
        self.known.of(reference.name, reference.version)
    }

    pub(super) fn slab(&self) -> SlabMode {
        match self.slab {
            SlabArg::Reuse => SlabMode::Reuse,
            SlabArg::Poison => SlabMode::Poison,
        }
    }
}

/// The reference of that name, or the default one.
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

/// What a command does on whatever sides were chosen.
pub(super) trait Job {
    /// What comes of it.
    type Out;

    /// Does it. The names of the sides' dumps are `sides`.
    fn on<C: Side, P: Side, D: Driver<C, P>>(
        self,
        lockstep: &mut Lockstep<C, P>,
        driver: &mut D,
        sides: &[&'static str],
    ) -> Result<Self::Out, Error>;
}

impl Args {
    /// The options that a command needs to find the same, beside the reference and the side, a word each.
    pub(super) fn options(&self) -> Vec<String> {
        let driver = self.driver.and_then(|driver| driver.to_possible_value());
        let driver = driver.map(|driver| ["--driver".to_owned(), driver.get_name().to_owned()]);
        let slab = self.poisons().then(|| ["--slab", "poison"].map(str::to_owned));
        let known = self.known.file().map(|file| ["--known".to_owned(), file.display().to_string()]);
        [driver, slab, known].into_iter().flatten().flatten().collect()
    }

    /// Whether the C's freed objects are poisoned.
    pub(super) fn poisons(&self) -> bool {
        self.slab == SlabArg::Poison
    }

    /// PairSide driver runs.
    pub(super) fn driver(&self) -> Result<DriverArg, Error> {
        if self.side != SideArg::Rust {
            let missing = self.reference()?.without_vma_layer();
            return match (self.driver, missing) {
                (Some(DriverArg::Kernel), Some(why)) => {
                    Err(Error::Usage(format!("{} has no kernel driver: {why}. Use --driver rust", self.kernel_name()?)))
                }
                (chosen, None) => Ok(chosen.unwrap_or(DriverArg::Kernel)),
                (_, Some(_)) => Ok(DriverArg::Rust),
            };
        }
        match self.driver {
            Some(DriverArg::Kernel) => {
                Err(Error::Usage("the kernel driver is C: it cannot run with --side rust; use --driver rust".into()))
            }
            _ => Ok(DriverArg::Rust),
        }
    }

    /// The operations that the driver knows.
    pub(super) fn operations(&self) -> Result<OpSet, Error> {
        Ok(if self.driver()? == DriverArg::Kernel { OpSet::Full } else { OpSet::Small })
    }

    /// Makes the sides and the driver that were asked for and does the job on them.
    pub(super) fn with<J: Job>(&self, job: J) -> Result<J::Out, Error> {
        let port = Port::new(self.revision()?);
        let small = &mut SmallDriver::new();
        let reference = self.reference()?;
        let side = match self.driver()? {
            DriverArg::Rust => kernel::Kernel::new(reference, self.slab()),
            DriverArg::Kernel => kernel::Kernel::with_vma_layer(reference, self.slab())
                .map_err(|why| Error::Usage(format!("{}: {why}", reference.name)))?,
        };
        let drives = &mut KernelDriver::new();
        match (self.side, self.driver()?) {
            (SideArg::Rust, _) => job.on(&mut Lockstep::solo(port, Sides::Port), small, &["rust"]),
            (SideArg::C, DriverArg::Rust) => job.on(&mut Lockstep::solo(side, Sides::Reference), small, &["c"]),
            (SideArg::C, DriverArg::Kernel) => job.on(&mut Lockstep::solo(side, Sides::Reference), drives, &["c"]),
            (SideArg::Both, DriverArg::Rust) => job.on(&mut Lockstep::new(side, port), small, &["c", "rust"]),
            (SideArg::Both, DriverArg::Kernel) => job.on(&mut Lockstep::new(side, port), drives, &["c", "rust"]),
        }
    }
}
