//! One reference of a review, under its own driver and its own oracle.

use super::calls::Calls;
use super::observed::Observed;
use crate::check::{Driver, FindingKind, Lockstep, NoPort, Sides, Solo, end_trace};
use crate::exhaust::Transition;
use crate::kernel::Kernel;
use crate::mm::{KernelDriver, Outcome, SmallDriver};
use crate::rmap::{Fail, Side, StateError};
use crate::session::{Session, SessionError, VmaCode};
use crate::trace::schedule::Step;
use crate::trace::{Op, Recorder, Watched};
use crate::world::World;

/// One reference, its driver, and what is known of it.
pub struct Reviewed<S: Side> {
    solo: Solo<Recorder<S, Calls>>,
    driver: Box<dyn Driver<Recorder<S, Calls>, NoPort> + Send>,
}

impl<S: Side> Reviewed<S> {
    /// Under the small driver.
    pub fn small(side: S) -> Reviewed<S> {
        let solo = Lockstep::solo(Recorder::new(side), Sides::Reference);
        Reviewed { solo, driver: Box::new(SmallDriver::new()) }
    }

    /// Findings of these signatures end a trace, and are no findings.
    pub fn tolerate(&mut self, signatures: impl IntoIterator<Item = String>) {
        self.solo.tolerate(signatures);
    }

    /// How often each of those was met.
    pub fn met(&self) -> &[u64] {
        self.solo.met()
    }

    pub(super) fn reset(&mut self) {
        self.solo.reset();
        self.driver.reset();
    }

    /// Does one operation, of which these attempts fail. What is in its own `fail` does not count.
    pub(super) fn apply(&mut self, op: &Op, fail: Fail) -> Outcome {
        let outcome =
            self.driver.apply(&mut self.solo, &Op { fail, fail_node: Fail::NEVER, fail_page: Fail::NEVER, ..*op });
        self.solo.end_operation();
        self.driver.check(&mut self.solo);
        outcome
    }

    /// Runs a section: what each of its operations came to, unless something was found, and what its tasks did.
    pub(super) fn apply_together(&mut self, section: &Transition) -> (Option<Vec<Outcome>>, Vec<(usize, Step)>) {
        let outcomes = match section {
            Transition::Section(section) => self.driver.apply_together(&mut self.solo, &section.0, &section.1),
            Transition::Operation(op) => Some(vec![self.driver.apply(&mut self.solo, op)]),
        };
        self.solo.end_operation();
        self.driver.check(&mut self.solo);
        (outcomes, self.solo.schedule().to_vec())
    }

    /// What was found in the operation, by signature, and what is wrong there; `Some(None)`: nothing new.
    pub(super) fn settle(&mut self) -> Option<Option<(String, String)>> {
        let finding = self.solo.finding()?;
        let detail = match &finding.kind {
            FindingKind::Violation { violations, .. } => violations.first().map(|violation| violation.detail.clone()),
            _ => None,
        };
        let found = (finding.signature(), detail.unwrap_or_default());
        Some((!self.solo.settle()).then_some(found))
    }

    pub(super) fn observed(&mut self) -> Observed {
        Observed::of(self.solo.reference().log())
    }

    pub(super) fn world(&mut self) -> Result<World, StateError> {
        World::of(&mut self.solo, &mut *self.driver)
    }

    /// Whether objects live that nothing leads to.
    pub(super) fn has_lost(&mut self, world: &World) -> bool {
        self.solo.reference().live() != world.objects()
    }

    /// Looks at the whole state, walks every folio, ends every process.
    pub(super) fn end(&mut self) {
        self.solo.finish();
        end_trace(&mut self.solo, &mut *self.driver);
    }
}

impl Reviewed<Kernel> {
    /// The C of a session, under the VMA code that the session says.
    ///
    /// # Errors
    /// If the reference has no such code.
    pub fn open(session: &Session) -> Result<Reviewed<Kernel>, SessionError> {
        let kernel = session.kernel()?;
        let mut side = match session.vma {
            VmaCode::Model => Reviewed::small(kernel),
            VmaCode::Kernel | VmaCode::Pages => Reviewed::with_vma_layer(kernel),
        };
        side.tolerate(session.tolerated.iter().cloned());
        Ok(side)
    }
}

impl<S: Side + Watched + 'static> Reviewed<S> {
    /// Under the VMA code that it brings.
    pub fn with_vma_layer(side: S) -> Reviewed<S> {
        let solo = Lockstep::solo(Recorder::new(side), Sides::Reference);
        Reviewed { solo, driver: Box::new(KernelDriver::new()) }
    }
}
