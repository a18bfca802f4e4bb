//! Where allocations fail: the places in the kernel that a run got to try.

use smallvec::{SmallVec, smallvec};

use crate::rmap::{Cache, Call, Event, EventKind, Function};

/// An attempt to allocate that failed, by its place in the kernel's text: what is asked for, how, and by which function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FailedAttempt {
    /// What.
    pub cache: Cache,
    /// The innermost function of the reverse map around it that is observed, else the call.
    pub function: &'static str,
    /// [`Gfp`](crate::rmap::Gfp) flags.
    pub gfp: u16,
}

/// Adds those of one call, in order.
pub(super) fn failed_attempts(call: &Call, events: &[Event], to: &mut Vec<FailedAttempt>) {
    let failed = |event: &Event| event.kind == EventKind::Alloc as u8 && event.object == Event::NONE;
    if !events.iter().any(failed) {
        return;
    }
    let mut around: SmallVec<[&'static str; 8]> = smallvec![call.name()];
    for event in events {
        match event.kind() {
            Some(EventKind::Enter) => around.push(Function::from_u8(event.arg).map_or("?", Function::name)),
            Some(EventKind::Exit) if around.len() > 1 => {
                around.pop();
            }
            _ => {}
        }
        if let Some(cache) = Cache::from_u8(event.arg).filter(|_| failed(event)) {
            to.push(FailedAttempt { cache, function: around[around.len() - 1], gfp: event.flags });
        }
    }
}
