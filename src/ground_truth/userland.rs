//! The userland run: a trace on the kernel driver alone, and after each step what the booted kernel is compared with.

use super::observed::{Attempt, Observed};
use crate::check::Sides;
use crate::kernel::{Kernel, Reference};
use crate::mm::{KernelDriver, Outcome};
use crate::rmap::dump::Dump;
use crate::rmap::{Cache, Call, Event, EventKind, Side, Snapshot, StateError, VmaId};
use crate::session::{Session, SessionError, VmaCode};
use crate::trace::Trace;
use crate::trace::{Log, Mapped, Recorder};

/// A kernel's own code in userland, with a note of its attempts to allocate.
pub struct Userland {
    side: Recorder<Kernel, Noted>,
    driver: KernelDriver,
}

/// Of the last operation.
#[derive(Default)]
struct Noted {
    attempts: Vec<Attempt>,
    warnings: Vec<String>,
}

impl Log for Noted {
    fn begin(&mut self) {
        self.attempts.clear();
        self.warnings.clear();
    }

    fn note(&mut self, _: Option<Call>, _: i32, events: &[Event], warning: Option<&str>) {
        for event in events {
            if let (Some(EventKind::Alloc), Some(cache)) = (event.kind(), Cache::from_u8(event.arg)) {
                self.attempts.push(Attempt { cache, failed: event.object == Event::NONE });
            }
        }
        self.warnings.extend(warning.map(str::to_owned));
    }
}

impl Userland {
    /// Of a reference.
    ///
    /// # Errors
    /// If it has no VMA code.
    pub fn new(reference: &'static Reference) -> Result<Userland, SessionError> {
        let session = Session::new(reference).with_sides(Sides::Reference).with_vma(VmaCode::Kernel);
        Ok(Userland { side: Recorder::new(session.kernel()?), driver: KernelDriver::new() })
    }

    /// Plays a trace: a step each operation.
    pub fn play(&mut self, trace: &Trace) -> Result<Vec<Observed>, StateError> {
        self.side.reset();
        self.driver.reset();
        trace.ops.iter().map(|op| self.step(op)).collect()
    }

    fn step(&mut self, op: &crate::trace::Op) -> Result<Observed, StateError> {
        let errno = match self.driver.apply(&mut self.side, op) {
            Outcome::Done => 0,
            Outcome::Refused(errno) | Outcome::Failed(errno) => errno,
        };
        let mut words = Vec::new();
        self.side.state(&mut words);
        let snapshot = Snapshot::decode(&words)?;
        let of = |vmas: &[Mapped]| vmas.iter().map(|vma| vma.vma).collect::<Vec<VmaId>>();
        let processes: Vec<_> = self.driver.processes().map(|(mm, vmas)| (mm, of(vmas))).collect();
        let name = self.side.side().reference().name;
        let dump = Dump::detailed(name, "userland", &snapshot, self.side.live(), &processes);
        let Noted { attempts, warnings } = self.side.log();
        Ok(Observed { errno, dump, attempts: Some(attempts.clone()), warnings: warnings.clone() })
    }
}
