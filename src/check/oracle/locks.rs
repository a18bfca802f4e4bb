//! The lock part of I11, from the events alone: what is held, and what may be done meanwhile.

use super::model::ShadowState;
use crate::check::violation::{Invariant, Violation};
use crate::rmap::{AnonVmaId, AvcId, Call, Event, EventKind, Gfp};

/// A lock: an rwsem of an anon_vma, or the page_table_lock of an mm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lock {
    Write(u32),
    Read(u32),
    Spin(u32),
}

/// The locks held, and whether a call may return with one.
#[derive(Default)]
pub(super) struct Locks {
    held: Vec<Lock>,
    /// Between the two halves of a change of range the root stays locked.
    updating: bool,
}

impl Locks {
    pub(super) fn reset(&mut self) {
        self.held.clear();
        self.updating = false;
    }

    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    fn take(&mut self, lock: Lock, violations: &mut Vec<Violation>) {
        let same = |held: &Lock| match (lock, *held) {
            (Lock::Spin(a), Lock::Spin(b)) => a == b,
            (Lock::Spin(_), _) | (_, Lock::Spin(_)) => false,
            (Lock::Write(a) | Lock::Read(a), Lock::Write(b) | Lock::Read(b)) => a == b,
        };
        if !self.held.is_empty() && self.held.iter().any(same) {
            let detail = format!("{lock:?} is taken while it is held");
            violations.push(Violation::new(Invariant::I11, "lock already held", [], detail));
        }
        // Taking an rwsem may sleep.
        if !matches!(lock, Lock::Spin(_)) && self.held.iter().any(|held| matches!(held, Lock::Spin(_))) {
            let detail = format!("{lock:?} is taken under a spinlock");
            violations.push(Violation::new(Invariant::I11, "sleeps in atomic context", [], detail));
        }
        self.held.push(lock);
    }

    fn drop(&mut self, lock: Lock, violations: &mut Vec<Violation>) {
        if self.held.last() == Some(&lock) {
            self.held.pop();
        } else if let Some(at) = self.held.iter().rposition(|&held| held == lock) {
            self.held.remove(at);
        } else {
            let detail = format!("{lock:?} is released, but is not held");
            violations.push(Violation::new(Invariant::I11, "unlock of a lock not held", [], detail));
        }
    }

    /// An allocation attempt.
    pub(super) fn allocation(&mut self, event: &Event, violations: &mut Vec<Violation>) {
        if !self.held.is_empty() && event.flags & Gfp::DIRECT_RECLAIM != 0 {
            let detail = format!("{event} may sleep, while held: {:?}", self.held);
            violations.push(Violation::new(Invariant::I11, "sleeping allocation under a lock", [], detail));
        }
    }

    /// Any other event. `model` knows the roots as the call left them.
    pub(super) fn event(&mut self, event: &Event, model: &ShadowState, violations: &mut Vec<Violation>) {
        let Some(kind) = event.kind() else { return };
        match kind {
            EventKind::DownWrite => self.take(Lock::Write(event.object), violations),
            EventKind::DownRead => self.take(Lock::Read(event.object), violations),
            EventKind::UpWrite => self.drop(Lock::Write(event.object), violations),
            EventKind::UpRead => self.drop(Lock::Read(event.object), violations),
            EventKind::Trylock if event.flags == 1 && event.arg == 1 => {
                self.take(Lock::Write(event.object), violations);
            }
            EventKind::Trylock if event.flags == 1 => self.take(Lock::Read(event.object), violations),
            EventKind::SpinLock => self.take(Lock::Spin(event.object), violations),
            EventKind::SpinUnlock => self.drop(Lock::Spin(event.object), violations),
            EventKind::TreeInsert | EventKind::TreeRemove | EventKind::TreeUpdate => {
                let Some(anon_vma) = model.anon_vma(event.object) else { return };
                let root = anon_vma.told[0] as u32;
                if !self.held.contains(&Lock::Write(root)) {
                    let objects = [AnonVmaId(event.object).into(), AvcId(event.other).into()];
                    let detail = format!("{event} without the write lock of its root {}", AnonVmaId(root));
                    violations.push(Violation::new(Invariant::I11, "tree changed unlocked", objects, detail));
                }
            }
            _ => {}
        }
    }

    /// The call returns.
    pub(super) fn call_ends(&mut self, call: &Call, violations: &mut Vec<Violation>) {
        match call {
            Call::PreUpdateVma { .. } | Call::AnonVmaLockWrite { .. } => self.updating = true,
            Call::PostUpdateVma { .. } | Call::AnonVmaUnlockWrite { .. } => self.updating = false,
            _ => {}
        }
        if !self.updating && !self.held.is_empty() {
            let detail = format!("held on return: {:?}", self.held);
            violations.push(Violation::new(Invariant::I11, "lock held on return", [], detail));
        }
    }

    /// The operation ends.
    pub(super) fn operation_ends(&mut self, violations: &mut Vec<Violation>) {
        self.updating = false;
        if !self.held.is_empty() {
            let detail = format!("held at the end of the operation: {:?}", self.held);
            violations.push(Violation::new(Invariant::I11, "lock held after the operation", [], detail));
        }
    }
}
