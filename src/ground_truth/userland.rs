//! The userland run: a trace on the kernel driver alone, and after each step what the booted kernel is compared with.

use super::compare::Step;
use crate::kernel::{Kernel, Reference, SlabMode};
use crate::mm::{KernelDriver, Outcome};
use crate::report::dump::Dump;
use crate::rmap::{
    Cache, Call, Event, EventKind, Fail, LayerOperation, Mapped, MmId, PageEvent, Revision, Rmap, SeenWhat, Side,
    Snapshot, StateError, VmaId, VmaLayer, Watched,
};
use crate::trace::Trace;

/// One attempt to allocate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// From which cache.
    pub cache: Cache,
    /// Whether it was made to fail.
    pub failed: bool,
}

/// A kernel's own code in userland, with a note of its attempts to allocate.
pub struct Userland {
    side: Recorder,
    driver: KernelDriver,
}

struct Recorder {
    kernel: Kernel,
    attempts: Vec<Attempt>,
    warnings: Vec<String>,
}

impl Recorder {
    fn note(attempts: &mut Vec<Attempt>, events: &[Event]) {
        for event in events {
            if let (Some(EventKind::Alloc), Some(cache)) = (event.kind(), Cache::from_u8(event.arg)) {
                attempts.push(Attempt { cache, failed: event.object == Event::NONE });
            }
        }
    }
}

impl Rmap for Recorder {
    fn revision(&self) -> Revision {
        self.kernel.revision()
    }
    fn begin_operation(&mut self, fail: &Fail) {
        self.kernel.begin_operation(fail);
    }
    fn attempts(&self) -> u32 {
        self.kernel.attempts()
    }
    fn call(&mut self, call: Call) -> i32 {
        let result = self.kernel.call(call);
        Self::note(&mut self.attempts, self.kernel.events());
        if self.kernel.events().iter().any(Event::is_violation) {
            self.warnings.extend(self.kernel.last_warning());
        }
        result
    }
}

impl VmaLayer for Recorder {
    fn operate(&mut self, operation: &LayerOperation, fail_node: &Fail, pages: &mut dyn FnMut(PageEvent)) -> i32 {
        let Recorder { kernel, attempts, warnings } = self;
        kernel.operate_watched(operation, fail_node, &mut |seen| {
            Self::note(attempts, seen.events);
            warnings.extend(seen.warning.map(str::to_owned));
            if let SeenWhat::Pages(event) = seen.what {
                pages(event);
            }
            true
        })
    }
    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<u32> {
        Watched::mapped(&mut self.kernel, mm, out)
    }
    fn injected(&self) -> u32 {
        Watched::injected(&self.kernel)
    }
    fn moves_pages(&self) -> bool {
        Watched::moves_pages(&self.kernel)
    }
}

impl Userland {
    /// Of a reference, or why it has no VMA code.
    pub fn new(reference: &'static Reference) -> Result<Userland, &'static str> {
        let kernel = Kernel::with_vma_layer(reference, SlabMode::Reuse)?;
        let side = Recorder { kernel, attempts: Vec::new(), warnings: Vec::new() };
        Ok(Userland { side, driver: KernelDriver::new() })
    }

    /// Plays a trace: a step each operation.
    pub fn play(&mut self, trace: &Trace) -> Result<Vec<Step>, StateError> {
        self.side.kernel.reset();
        self.driver.reset();
        trace.ops.iter().map(|op| self.step(op)).collect()
    }

    fn step(&mut self, op: &crate::trace::Op) -> Result<Step, StateError> {
        self.side.attempts.clear();
        self.side.warnings.clear();
        let errno = match self.driver.apply(&mut self.side, op) {
            Outcome::Done => 0,
            Outcome::Refused(errno) | Outcome::Failed(errno) => errno,
        };
        let mut words = Vec::new();
        self.side.kernel.state(&mut words);
        let snapshot = Snapshot::decode(&words)?;
        let of = |vmas: &[Mapped]| vmas.iter().map(|vma| vma.vma).collect::<Vec<VmaId>>();
        let processes: Vec<_> = self.driver.processes().map(|(mm, vmas)| (mm, of(vmas))).collect();
        let name = self.side.kernel.reference().name;
        let dump = Dump::detailed(name, "userland", &snapshot, self.side.kernel.live(), &processes);
        Ok(Step { errno, dump, attempts: Some(self.side.attempts.clone()), warnings: self.side.warnings.clone() })
    }
}
