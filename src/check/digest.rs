//! What a side does in a trace, as one number: every point of its tasks, every event and outcome, and each state that it comes to.
//!
//! Nothing in it depends on where things are in memory, so that builds and runs can be compared.

use std::hash::{Hash as _, Hasher as _};

use xxhash_rust::xxh3::Xxh3;

use super::rehearsal::WholeState;
use crate::rmap::Side;
use crate::trace::schedule::Scheduler;
use crate::trace::{Observation, Request, Seen, TaskStop, TaskWatcher, Trace, Watched};

/// The digest of a trace, played from an empty world. Nothing is checked.
pub fn digest(side: &mut (impl Side + Watched), trace: &Trace) -> u64 {
    let (mut digest, mut state) = (Digest(Xxh3::new()), WholeState::default());
    side.reset();
    let mut at = 0;
    while at < trace.ops.len() {
        at = match trace.section_of(at) {
            Some(section) => {
                let mut scheduler = Scheduler::new(section);
                let ends = side.follow_together(&trace.ops[section.range()], &mut scheduler, &mut digest);
                let ends = ends.iter().flatten().map(|end| (end.result, end.injected));
                ends.for_each(|end| end.hash(&mut digest.0));
                scheduler.into_log().hash(&mut digest.0);
                section.range().end
            }
            None => {
                let op = &trace.ops[at];
                side.begin_operation(&op.fail);
                side.fail_pages(&op.fail_page);
                let request = Request::new(op.kind, &op.fail_node);
                let result = side.operate_watched(&request, &mut |seen| digest.seen(0, seen));
                result.hash(&mut digest.0);
                at + 1
            }
        };
        state.read(side).hash(&mut digest.0);
        state.words.hash(&mut digest.0);
    }
    digest.0.finish()
}

struct Digest(Xxh3);

impl TaskWatcher for Digest {
    fn seen(&mut self, task: usize, seen: &Seen<'_>) -> bool {
        let call = match seen.what {
            Observation::Call(call) => Some(call),
            Observation::Pages(_) | Observation::Outside => None,
        };
        (task, call, seen.result, seen.events, seen.touched).hash(&mut self.0);
        true
    }

    fn stopped(&mut self, task: usize, stop: &TaskStop<'_>) -> bool {
        (task, stop.step, stop.call, stop.events).hash(&mut self.0);
        true
    }

    fn afterwards(&mut self, seen: &Seen<'_>) -> bool {
        self.seen(usize::MAX, seen)
    }
}
