//! The drivers: they play a trace's operations above the seam, and feed the page tables ([`Pages`]).
//!
//! The kernel driver ([`KernelDriver`]) asks the kernel's own VMA code for each operation. The small driver
//! ([`SmallDriver`]) decides which VMA lies where itself, and makes all its calls through [`Rmap::call`], so that it runs
//! over the compiled C, over the port, or over both in lockstep. It needs nothing but `mm/rmap.c`, so it works on any
//! tree.
//!
//! | file | what |
//! | --- | --- |
//! | `mm/kernel_driver.rs` | the kernel driver |
//! | `mm/meaning.rs` | what each operation means, by pages: whether the kernel's VMA code did it |
//! | `mm/ops.rs` | what each operation of the small driver does, each function naming the kernel function that it mirrors |
//! | `mm/space.rs` | the geometry of one process of the small driver |
//! | `mm/stats.rs` | how many operations were done, refused, failed, and how VMAs merged |
//!
//! The small driver never merges VMAs, not even where the kernel would: merge rules written by hand would prove nothing
//! about the kernel. So what is mapped in two steps stays two VMAs, and touching VMAs are the common case, which is what
//! `find_mergeable_anon_vma()` wants to see.

mod content;
mod kernel_driver;
mod meaning;
mod neighbours;
mod ops;
mod space;
mod stats;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use kernel_driver::KernelDriver;
pub use meaning::UnexpectedEffect;
pub use stats::{Counts, MergeFaulted, MergeWith, Merges, Stats};

use crate::pages::{AddressSpaces, Pages};
use crate::rmap::{Fail, MAX_PROCESSES, MmId, Rmap, VmaId, VmaRange};
use crate::trace::Op;
use space::Space;

/// `sysctl_max_map_count`: a process has at most one VMA more than this.
pub const MAX_MAP_COUNT: usize = 65530;

/// How an operation ended. An errno is positive, as in [`errno_name`](crate::rmap::errno_name).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The kernel would refuse it before doing anything: nothing has changed, and no rmap call
    /// was made.
    Refused(i32),
    /// It failed on the way, `ENOMEM` unless the seam has stopped; what the kernel leaves done
    /// in this case stays done.
    Failed(i32),
}

/// The small driver: up to [`MAX_PROCESSES`] processes and what each has mapped.
#[derive(Clone)]
pub struct SmallDriver {
    /// By process; none: it does not exist.
    spaces: [Option<Space>; MAX_PROCESSES],
    pages: Pages,
    stats: Stats,
    /// Those of processes that are gone, to be used again.
    free_spaces: Vec<Space>,
    /// Room for the VMAs of one unmap: start and name.
    gathered: Vec<(u64, VmaId)>,
}

impl Default for SmallDriver {
    fn default() -> SmallDriver {
        SmallDriver::new()
    }
}

impl SmallDriver {
    /// The world as a trace begins: process 0, with nothing mapped.
    pub fn new() -> SmallDriver {
        let mut driver = SmallDriver {
            spaces: Default::default(),
            pages: Pages::new(),
            stats: Stats::default(),
            free_spaces: Vec::new(),
            gathered: Vec::new(),
        };
        driver.reset();
        driver
    }

    /// Back to the beginning, without a call: for when the seam is reset too. Keeps the
    /// statistics.
    pub fn reset(&mut self) {
        self.free_spaces.extend(self.spaces.iter_mut().filter_map(Option::take));
        self.spaces[0] = Some(self.free_space());
        self.pages.reset();
    }

    /// Does one operation: begins it on the seam, with its failures, and makes the calls that
    /// the kernel would make. Costs time in what the operation touches: a fork or an exit in
    /// the VMAs of its process, all else in the logarithm of their number.
    ///
    /// Never panics, whatever the seam returns: after a BUG, or when a lockstep has stopped and
    /// every call returns an error, the geometry stays in one piece and the outcome is
    /// [`Outcome::Failed`] where the kernel would look at the result.
    pub fn apply<R: Rmap + ?Sized>(&mut self, rmap: &mut R, op: &Op) -> Outcome {
        rmap.begin_operation(&op.fail);
        let outcome = match self.perform(rmap, &op.kind) {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        };
        self.stats.count(op.kind.index(), outcome);
        outcome
    }

    /// Ends every process that is still alive, in order of their numbers, without failures; not
    /// counted. Afterwards none is alive, until [`SmallDriver::reset`].
    pub fn exit_all<R: Rmap + ?Sized>(&mut self, rmap: &mut R) {
        for mm in (0..MAX_PROCESSES as u8).map(MmId) {
            if self.space(mm).is_some() {
                rmap.begin_operation(&Fail::NEVER);
                // Cannot be refused: the process is alive.
                let _ = self.exit(rmap, mm);
            }
        }
    }

    /// The page tables.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// The page tables, for what no operation of a trace does: to walk every folio, to drop every reference.
    pub fn pages_mut(&mut self) -> &mut Pages {
        &mut self.pages
    }

    /// The processes that are alive, in order of their numbers, each with its VMAs in order of
    /// their addresses.
    pub fn processes(&self) -> impl Iterator<Item = (MmId, impl Iterator<Item = (VmaId, VmaRange)> + '_)> + '_ {
        let alive = (0..).map(MmId).zip(&self.spaces);
        alive.filter_map(|(mm, space)| Some((mm, space.as_ref()?.iter().map(|vma| (vma.id, vma.range)))))
    }

    /// The VMA of a process that contains a page.
    pub fn vma_at(&self, mm: MmId, page: u64) -> Option<(VmaId, VmaRange)> {
        self.space(mm)?.find(page).map(|vma| (vma.id, vma.range))
    }

    /// How many VMAs all processes have together.
    pub fn vma_count(&self) -> usize {
        self.spaces.iter().flatten().map(Space::map_count).sum()
    }

    /// What was done since the driver was made, or since [`SmallDriver::take_stats`].
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The statistics, which start over.
    pub fn take_stats(&mut self) -> Stats {
        std::mem::take(&mut self.stats)
    }

    /// An empty one.
    fn free_space(&mut self) -> Space {
        let mut space = self.free_spaces.pop().unwrap_or_default();
        space.clear();
        space
    }

    fn space(&self, mm: MmId) -> Option<&Space> {
        self.spaces.get(usize::from(mm.0))?.as_ref()
    }

    fn space_mut(&mut self, mm: MmId) -> Option<&mut Space> {
        self.spaces.get_mut(usize::from(mm.0))?.as_mut()
    }
}

impl AddressSpaces for SmallDriver {
    fn vma_at(&self, mm: MmId, page: u64) -> Option<(VmaId, VmaRange)> {
        SmallDriver::vma_at(self, mm, page)
    }
}
