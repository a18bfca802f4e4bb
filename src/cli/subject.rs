//! Which reference, which revision, which sides a command means.

use clap::ValueEnum as _;

use super::known_file::KnownArg;
use super::{Error, SideArg};
use crate::check::Sides;
use crate::kernel::{self, Reference, SlabMode};
use crate::known::{self, KnownFinding};
use crate::session::{Job, Session, SessionError, VmaCode};
use crate::trace::OpSet;

/// What to run, as said on the command line.
// No group of its own: clap would name it `Args`, as the group of the command that holds it.
#[derive(clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// The reference, by name. `rmap-diff kernels` lists them. Default: $RMAP_KERNEL, else the newest after the
    /// January 2026 series.
    #[arg(long, value_name = "NAME", env = "RMAP_KERNEL")]
    kernel: Option<String>,
    /// Which side runs.
    #[arg(long, value_enum, default_value_t = SideArg::Both)]
    pub(super) side: SideArg,
    /// What the C's slab does with freed objects: it reuses them at once, or it poisons and keeps them.
    #[arg(long, value_enum, default_value_t = SlabArg::Reuse)]
    slab: SlabArg,
    #[command(flatten)]
    vma: VmaOption,
    #[command(flatten)]
    known: KnownArg,
}

/// The choice of VMA code.
#[derive(clap::Args)]
#[group(skip)]
pub(super) struct VmaOption {
    /// What makes the rmap calls: the kernel's own VMA code, with or without its page-table code, or a model in Rust.
    /// Default: as much of the kernel's own code as the reference has, where its C runs.
    #[arg(long, value_enum, env = "RMAP_VMA")]
    vma: Option<VmaArg>,
}

impl VmaOption {
    /// What was asked for, if anything.
    pub(super) fn asked(&self) -> Option<VmaCode> {
        self.vma.map(|vma| match vma {
            VmaArg::Kernel => VmaCode::Kernel,
            VmaArg::Pages => VmaCode::Pages,
            VmaArg::Model => VmaCode::Model,
        })
    }
}

/// What makes the rmap calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum VmaArg {
    /// The kernel's own VMA code, compiled from the same tree, and a model of page tables: the anonymous half of
    /// mm/rmap.c, two to three times as fast as pages.
    Kernel,
    /// The kernel's own VMA and page-table code: all of mm/rmap.c.
    Pages,
    /// A model in Rust, for any tree: map, fault, fork, unmap, exit, pin, unpin and walk.
    Model,
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

    /// What is known of the reference.
    pub(super) fn known(&self) -> Result<Vec<KnownFinding>, Error> {
        let reference = self.reference()?;
        self.known.of(reference.name, reference.version)
    }

    fn slab(&self) -> SlabMode {
        match self.slab {
            SlabArg::Reuse => SlabMode::Reuse,
            SlabArg::Poison => SlabMode::Poison,
        }
    }

    /// The options that a command needs to find the same, beside the reference and the side, a word each.
    pub(super) fn options(&self) -> Vec<String> {
        let vma = self.vma.vma.and_then(|vma| vma.to_possible_value());
        let vma = vma.map(|vma| ["--vma".to_owned(), vma.get_name().to_owned()]);
        let slab = self.poisons().then(|| ["--slab", "poison"].map(str::to_owned));
        let known = self.known.file().map(|file| ["--known".to_owned(), file.display().to_string()]);
        [vma, slab, known].into_iter().flatten().flatten().collect()
    }

    /// Whether the C's freed objects are poisoned.
    pub(super) fn poisons(&self) -> bool {
        self.slab == SlabArg::Poison
    }

    /// Which VMA code runs.
    pub(super) fn vma(&self) -> Result<VmaCode, Error> {
        Ok(VmaCode::choose(self.vma.asked(), self.side.sides(), &[self.reference()?])?)
    }

    /// The operations that the VMA code knows.
    pub(super) fn operations(&self) -> Result<OpSet, Error> {
        Ok(self.vma()?.operations())
    }

    /// What was asked for; it tolerates what is known of the reference.
    pub(super) fn session(&self) -> Result<Session, Error> {
        let (reference, sides, vma, slab) = (self.reference()?, self.side.sides(), self.vma()?, self.slab());
        Ok(Session { reference, sides, vma, slab, tolerated: Vec::new() }.tolerating(known::signatures(&self.known()?)))
    }

    /// Does the job in a session that can run several tasks.
    pub(super) fn run_together<T>(&self, job: impl Job<Out = Result<T, Error>>) -> Result<T, Error> {
        self.session_together()?.run(job)?
    }

    /// A session that can run several tasks: the kernel's, with its own page-table code, which the port follows.
    pub(super) fn session_together(&self) -> Result<Session, Error> {
        if matches!(self.side, SideArg::Port) {
            let why = "the port runs no operations together by itself, but follows the kernel's: use --side both or --side kernel";
            return Err(Error::Usage(why.into()));
        }
        let session = self.session()?;
        if session.vma != VmaCode::Pages {
            let why = "operations run together with the kernel's own page-table code alone: --vma pages, of a reference that has it";
            return Err(Error::Usage(why.into()));
        }
        Ok(session)
    }

    /// Does the job in the session that was asked for.
    pub(super) fn run<T>(&self, job: impl Job<Out = Result<T, Error>>) -> Result<T, Error> {
        self.session()?.run(job)?
    }
}

impl SideArg {
    /// The sides of a lockstep.
    pub(super) fn sides(self) -> Sides {
        match self {
            SideArg::Kernel => Sides::Reference,
            SideArg::Port => Sides::Port,
            SideArg::Both => Sides::Both,
        }
    }

    /// What dumps and the files of a search call the sides: programs read them, so these words stay.
    pub(super) fn dump_names(self) -> &'static [&'static str] {
        match self {
            SideArg::Kernel => &["c"],
            SideArg::Port => &["rust"],
            SideArg::Both => &["c", "rust"],
        }
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Error {
        Error::Usage(error.to_string())
    }
}

/// The reference of that name, or the default one.
pub(super) fn reference(name: Option<&str>) -> Result<&'static Reference, Error> {
    // A variable that is set to nothing names none.
    match name.filter(|name| !name.is_empty()) {
        None => kernel::default_reference().ok_or_else(|| Error::Usage("no kernel reference in this binary".into())),
        Some(name) => kernel::reference(name).map_err(|error| Error::Usage(error.to_string())),
    }
}
