//! Which sides run, and what makes the rmap calls: a [`Session`] says it, and here alone the types for it are chosen.
//!
//! What is done in a session is a [`Job`], compiled once for each choice, so that nothing is dispatched at run time. Who
//! plays whole traces and does not care about the types takes a [`Player`]: one dynamic call a trace.

use std::fmt;

use crate::check::{self, Driver, Finding, Lockstep, Minimized, RunResult, Sides};
use crate::kernel::{Kernel, Reference, SlabMode};
use crate::mm::{Counts, KernelDriver, SmallDriver};
use crate::port::Port;
use crate::rmap::Side;
use crate::trace::schedule::Step;
use crate::trace::{OpSet, Trace};

/// What makes the rmap calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum VmaCode {
    /// The kernel's own VMA code, compiled from the same tree: [`KernelDriver`].
    Kernel,
    /// The same, and the kernel's own page-table code keeps the page tables.
    Pages,
    /// The model of it in Rust, for any tree: [`SmallDriver`].
    Model,
}

impl VmaCode {
    /// As the command line and `$RMAP_VMA` have it.
    pub fn name(self) -> &'static str {
        match self {
            VmaCode::Kernel => "kernel",
            VmaCode::Pages => "pages",
            VmaCode::Model => "model",
        }
    }

    /// As JSON and the files of a search have it, whose words stay.
    pub fn driver_name(self) -> &'static str {
        match self {
            VmaCode::Kernel => "kernel driver",
            VmaCode::Pages => "kernel driver with page tables",
            VmaCode::Model => "rust driver",
        }
    }

    /// The operations that it knows.
    pub fn operations(self) -> OpSet {
        match self {
            VmaCode::Kernel => OpSet::Full,
            VmaCode::Pages => OpSet::Pages,
            VmaCode::Model => OpSet::Small,
        }
    }

    /// The least of the kernel's own code that does each operation of a trace. Operations run together with page tables alone.
    pub fn needed_by(trace: &Trace) -> VmaCode {
        match !trace.sections.is_empty() || trace.ops.iter().any(|op| op.kind.needs_page_tables()) {
            true => VmaCode::Pages,
            false => VmaCode::Kernel,
        }
    }

    /// What was asked for, else as much of the kernel's own code as these references have, where their C runs.
    ///
    /// # Errors
    /// If the kernel's VMA code, or its page-table code, was asked for and is not there.
    pub fn choose(
        asked: Option<VmaCode>,
        sides: Sides,
        references: &[&'static Reference],
    ) -> Result<VmaCode, SessionError> {
        if sides == Sides::Port {
            let is_c = matches!(asked, Some(VmaCode::Kernel | VmaCode::Pages));
            return if is_c { Err(SessionError::PortAlone) } else { Ok(VmaCode::Model) };
        }
        let asked = asked.unwrap_or_else(|| VmaCode::most_of(references));
        let missing = match asked {
            VmaCode::Pages => SessionError::missing_pages,
            VmaCode::Kernel => SessionError::missing,
            VmaCode::Model => |_: &Reference| None,
        };
        references.iter().find_map(|reference| missing(reference)).map_or(Ok(asked), Err)
    }

    /// As much of the kernel's own code as each of these references has.
    fn most_of(references: &[&'static Reference]) -> VmaCode {
        let all = |missing: fn(&Reference) -> Option<SessionError>| references.iter().all(|of| missing(of).is_none());
        match (all(SessionError::missing_pages), all(SessionError::missing)) {
            (true, _) => VmaCode::Pages,
            (false, true) => VmaCode::Kernel,
            (false, false) => VmaCode::Model,
        }
    }
}

impl fmt::Display for VmaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VmaCode::Kernel => "kernel VMA code",
            VmaCode::Pages => "kernel VMA and page-table code",
            VmaCode::Model => "model VMA code",
        })
    }
}

/// Why a session cannot be opened.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SessionError {
    /// The reference has no VMA code of its own.
    #[error("{kernel} has no kernel VMA code: {why}. Use --vma model")]
    NoKernelVma {
        /// The reference.
        kernel: &'static str,
        /// Why it has none.
        why: &'static str,
    },
    /// The reference has no page-table code of its own.
    #[error("{kernel} has no kernel page-table code: {why}. Use --vma kernel or --vma model")]
    NoKernelPages {
        /// The reference.
        kernel: &'static str,
        /// Why it has none.
        why: &'static str,
    },
    /// The kernel's VMA code calls the kernel's reverse map.
    #[error("the kernel VMA code is C and cannot run with --side port: use --vma model")]
    PortAlone,
}

impl SessionError {
    fn missing(reference: &Reference) -> Option<SessionError> {
        reference.without_vma_layer().map(|why| SessionError::NoKernelVma { kernel: reference.name, why })
    }

    fn missing_pages(reference: &Reference) -> Option<SessionError> {
        reference.without_pages_layer().map(|why| SessionError::NoKernelPages { kernel: reference.name, why })
    }
}

/// Which sides run, and how.
#[derive(Clone)]
pub struct Session {
    /// The kernel; of the port alone, whose revision it follows.
    pub reference: &'static Reference,
    /// The sides.
    pub sides: Sides,
    /// What makes the calls.
    pub vma: VmaCode,
    /// What the C's slab does with freed objects.
    pub slab: SlabMode,
    /// Signatures of findings that are counted rather than reported.
    pub tolerated: Vec<String>,
}

/// What is done in a session, whatever its sides.
pub trait Job {
    /// What comes of it.
    type Out;

    /// Does it, from an empty world.
    fn on<C, P, D>(self, lockstep: Lockstep<C, P>, driver: D) -> Self::Out
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static;
}

impl Session {
    /// Both sides of a reference, under as much of its own code as it has, with nothing tolerated.
    pub fn new(reference: &'static Reference) -> Session {
        let vma = VmaCode::most_of(&[reference]);
        Session { reference, sides: Sides::Both, vma, slab: SlabMode::Reuse, tolerated: Vec::new() }
    }

    /// The same under this VMA code.
    pub fn with_vma(self, vma: VmaCode) -> Session {
        Session { vma, ..self }
    }

    /// The same with these sides.
    pub fn with_sides(self, sides: Sides) -> Session {
        Session { sides, ..self }
    }

    /// The same, tolerating these findings.
    pub fn tolerating(self, signatures: Vec<String>) -> Session {
        Session { tolerated: signatures, ..self }
    }

    /// The compiled C by itself, with its VMA code if the session's is the kernel's.
    ///
    /// # Errors
    /// If the reference has none.
    pub fn kernel(&self) -> Result<Kernel, SessionError> {
        match self.vma {
            VmaCode::Model => Ok(Kernel::new(self.reference, self.slab)),
            VmaCode::Kernel => Kernel::with_vma_layer(self.reference, self.slab)
                .map_err(|why| SessionError::NoKernelVma { kernel: self.reference.name, why }),
            VmaCode::Pages => Kernel::with_pages(self.reference, self.slab)
                .map_err(|why| SessionError::NoKernelPages { kernel: self.reference.name, why }),
        }
    }

    /// Makes the sides and the driver, and does the job on them.
    ///
    /// # Errors
    /// If the reference has no VMA code and the session wants it, or the port alone is to run under it.
    pub fn run<J: Job>(&self, job: J) -> Result<J::Out, SessionError> {
        let port = || Port::new(self.reference.revision);
        Ok(match (self.sides, self.vma) {
            (Sides::Port, VmaCode::Kernel | VmaCode::Pages) => return Err(SessionError::PortAlone),
            (Sides::Port, VmaCode::Model) => self.start(job, Lockstep::solo(port(), Sides::Port), SmallDriver::new()),
            (Sides::Reference, VmaCode::Model) => {
                self.start(job, Lockstep::solo(self.kernel()?, Sides::Reference), SmallDriver::new())
            }
            (Sides::Reference, VmaCode::Kernel | VmaCode::Pages) => {
                self.start(job, Lockstep::solo(self.kernel()?, Sides::Reference), KernelDriver::new())
            }
            (Sides::Both, VmaCode::Model) => self.start(job, Lockstep::new(self.kernel()?, port()), SmallDriver::new()),
            (Sides::Both, VmaCode::Kernel | VmaCode::Pages) => {
                self.start(job, Lockstep::new(self.kernel()?, port()), KernelDriver::new())
            }
        })
    }

    fn start<J, C, P, D>(&self, job: J, mut lockstep: Lockstep<C, P>, driver: D) -> J::Out
    where
        J: Job,
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        lockstep.tolerate(self.tolerated.iter().cloned());
        job.on(lockstep, driver)
    }

    /// Sides and driver as one that plays whole traces.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn player(&self) -> Result<Box<dyn Player>, SessionError> {
        self.run(PlayerFactory(self.reference.version))
    }
}

/// Is told what the tasks of a section did, in order: whose step, from 0, and which.
pub type ScheduleWatcher<'a> = dyn FnMut(&[(usize, Step)]) + 'a;

/// Plays whole traces, whatever the sides.
pub trait Player {
    /// [`run_trace`](check::run_trace), with what is expected of the reference's version.
    fn play(&mut self, trace: &Trace) -> RunResult;
    /// The same, and tells what the tasks of each section did, in order, if nothing was found in it.
    fn play_watched(&mut self, trace: &Trace, each: &mut ScheduleWatcher<'_>) -> RunResult;
    /// [`minimize_finding`](check::minimize_finding)
    fn minimize(&mut self, trace: &Trace, finding: &Finding) -> Minimized;
    /// How often each tolerated finding was met, in the order of [`Session::tolerated`].
    fn met(&self) -> &[u64];
    /// All operations so far.
    fn operations(&self) -> Counts;
}

/// Of the version of the reference.
struct PlayerFactory(&'static str);

impl Job for PlayerFactory {
    type Out = Box<dyn Player>;

    fn on<C, P, D>(self, lockstep: Lockstep<C, P>, driver: D) -> Box<dyn Player>
    where
        C: Side + Send + 'static,
        P: Side + Send + 'static,
        D: Driver<C, P> + Send + 'static,
    {
        Box::new(LockstepPlayer { version: self.0, lockstep, driver })
    }
}

struct LockstepPlayer<C, P, D> {
    version: &'static str,
    lockstep: Lockstep<C, P>,
    driver: D,
}

impl<C: Side, P: Side, D: Driver<C, P>> Player for LockstepPlayer<C, P, D> {
    fn play(&mut self, trace: &Trace) -> RunResult {
        check::run_trace(&mut self.lockstep, &mut self.driver, &trace.of_version(self.version))
    }

    fn play_watched(&mut self, trace: &Trace, each: &mut ScheduleWatcher<'_>) -> RunResult {
        let trace = trace.of_version(self.version);
        let mut number = 0;
        check::run_trace_watched(&mut self.lockstep, &mut self.driver, &trace, |lockstep, _, _, _| {
            if trace.sections.iter().any(|section| section.first == number) {
                each(lockstep.schedule());
            }
            number += 1;
        })
    }

    fn minimize(&mut self, trace: &Trace, finding: &Finding) -> Minimized {
        check::minimize_finding(&mut self.lockstep, &mut self.driver, trace, finding)
    }

    fn met(&self) -> &[u64] {
        self.lockstep.met()
    }

    fn operations(&self) -> Counts {
        self.driver.stats().total()
    }
}
