//! Findings that are known, by signature: counted, and tolerated where that is possible.

use super::divergence::{Finding, signature_in};
use super::oracle;
use crate::rmap::{Call, Event, EventKind};

/// What the text of a WARN in no call ends in if an allocation was made to fail before (csrc/vma/operations.h).
const AFTER_FAILURE: &str = ", an allocation having failed";

/// Signatures to be tolerated, and how often each was met.
#[derive(Clone, Default, Debug)]
pub(super) struct Tolerated {
    signatures: Vec<String>,
    met: Vec<u64>,
}

impl Tolerated {
    pub(super) fn new(signatures: Vec<String>) -> Tolerated {
        Tolerated { met: vec![0; signatures.len()], signatures }
    }

    /// In the order of the signatures.
    pub(super) fn met(&self) -> &[u64] {
        &self.met
    }

    /// Whether what breaks a rule here is a known WARN and nothing else: then it is counted, and the sides, which agree on it, go
    /// on as the kernel does. More than one event is no known WARN: there is but one text for all of them.
    #[cold]
    pub(super) fn warning(&mut self, call: Option<&Call>, events: &[Event], warning: Option<&str>) -> bool {
        if self.signatures.is_empty() {
            return false;
        }
        let mut broken = events.iter().filter(|event| event.is_violation());
        match (broken.next(), broken.next()) {
            (Some(event), None) if event.kind == EventKind::Warn as u8 => {
                oracle::event_violation(event, warning).is_some_and(|found| self.count(&signature_in(call, &found)))
            }
            _ => false,
        }
    }

    /// Whether the finding is known: then it is counted.
    pub(super) fn finding(&mut self, finding: &Finding) -> bool {
        !self.signatures.is_empty() && self.count(&finding.signature())
    }

    fn count(&mut self, signature: &str) -> bool {
        // What is known without a failed allocation is known with one too, not the other way round.
        let without = signature.replace(AFTER_FAILURE, "");
        let at = self.signatures.iter().position(|known| known == signature || *known == without);
        at.map(|at| self.met[at] += 1).is_some()
    }
}
