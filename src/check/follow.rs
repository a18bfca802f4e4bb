//! The port follows operations that run together: at every point of a call of the C's it stops where the C does.
//!
//! The C is the master: whoever goes on there goes on here. Page tables, folio locks and the tree of a file's VMAs are the page-table
//! code's, which the port has not. Where a walk looks at entries, the port looks when the C has done with them, and has the lock yet.

use super::divergence::Difference;
use crate::rmap::{Call, Event, Follower, Pause, Point, Told};
use crate::trace::schedule::Step;
use crate::trace::together::{PointKind, PointObject};
use crate::trace::{Seen, TaskStop};

/// Where the port waits in a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waiting {
    /// Where the C waited when it stopped last. When that has gone on, so does the port.
    WithTheOther,
    /// Where the C has yet to come.
    At(Point),
    /// Before it looks at entries.
    Entries,
    /// A walk has done with a VMA, and the C may not have yet.
    LeftVma,
    /// Before it knows the next VMA that has a page of a file.
    NextVma,
    /// It has returned.
    Returned(i32),
}

/// A call that a task is in the middle of.
struct InCall {
    call: Call,
    waiting: Waiting,
    /// A walk has come to entries since the last point that both came to.
    visiting: bool,
    /// The C is between the beginning and the end of what it does with a page table.
    opened: bool,
    /// It was about to lock the page table when it stopped.
    locking: bool,
    /// It has gone on from there since.
    locked: bool,
}

impl InCall {
    fn new(call: Call, waiting: Waiting) -> InCall {
        InCall { call, waiting, visiting: false, opened: false, locking: false, locked: false }
    }
}

/// The port does something else.
pub(super) struct Astray {
    pub call: Call,
    pub what: Difference,
    /// None: all have ended.
    pub task: Option<usize>,
    pub about: [Step; 2],
    pub returned: [i32; 2],
    pub events: [Vec<Event>; 2],
}

/// The port beside the C, for the time of a section.
pub(super) struct Following<'a> {
    port: Box<dyn Follower + 'a>,
    /// Of each task the call that it is in.
    calls: Vec<Option<InCall>>,
}

/// Calls in the middle of which other tasks go on, and that the port can follow there.
fn is_followed(call: &Call) -> bool {
    matches!(
        call,
        Call::AnonVmaLockWrite { .. }
            | Call::AnonVmaUnlockWrite { .. }
            | Call::TreePreUpdateVma { .. }
            | Call::TreePostUpdateVma { .. }
            | Call::AnonVmaPrepare { .. }
            | Call::AnonVmaClone { .. }
            | Call::AnonVmaFork { .. }
            | Call::UnlinkAnonVmas { .. }
            | Call::FolioGetAnonVma { .. }
            | Call::PutAnonVma { .. }
            | Call::TryToUnmap { .. }
            | Call::TryToMigrate { .. }
            | Call::FolioReferenced { .. }
            | Call::RemoveMigrationPtes { .. }
    )
}

/// The point that a step is; none: the task waits.
fn point_of(step: Step) -> Option<Point> {
    match step {
        Step::At(kind, of, object) => Some(Point::new(kind as u8 + 1, of as u8, object.unwrap_or(Event::NONE))),
        Step::Waits(..) | Step::Ended => None,
    }
}

/// As a report names it.
fn step_of(point: Point) -> Step {
    let kind = usize::from(point.kind).checked_sub(1).and_then(|kind| PointKind::ALL.get(kind).copied());
    let of = PointObject::ALL.get(usize::from(point.of)).copied();
    let object = (point.object != Event::NONE).then_some(point.object);
    Step::At(kind.unwrap_or(PointKind::Lock), of.unwrap_or(PointObject::None), object)
}

/// Whether the port comes to such points at all.
fn is_known(point: Point) -> bool {
    let lock = matches!(point.kind, Point::LOCK | Point::UNLOCK | Point::TRYLOCK);
    let of_lock = matches!(point.of, Point::OF_ANON_VMA | Point::OF_FILE | Point::OF_PAGE_TABLE);
    let of_folio = point.of == Point::OF_FOLIO && point.kind != Point::READ;
    lock && of_lock
        || matches!(point.kind, Point::ALLOC | Point::FREE) && matches!(point.of, Point::OF_ANON_VMA | Point::OF_AVC)
        || matches!(point.kind, Point::GET | Point::PUT | Point::RCU | Point::UNRCU | Point::READ) && !of_folio
}

/// Whether the C may be about to begin with a page table.
fn opens(point: Point) -> bool {
    point.kind == Point::RCU || !is_anon_vma_or_file(point) && matches!(point.kind, Point::LOCK | Point::TRYLOCK)
}

/// Whether it may be about to end with it.
fn closes(point: Point) -> bool {
    point.kind == Point::UNRCU || !is_anon_vma_or_file(point) && point.kind == Point::UNLOCK
}

fn is_anon_vma_or_file(point: Point) -> bool {
    matches!(point.of, Point::OF_ANON_VMA | Point::OF_FILE)
}

fn waiting_at(pause: Pause) -> Waiting {
    match pause {
        Pause::At(point) => Waiting::At(point),
        Pause::Entries => Waiting::Entries,
        Pause::LeftVma => Waiting::LeftVma,
        Pause::NextVma => Waiting::NextVma,
        Pause::Returned(result) => Waiting::Returned(result),
    }
}

impl<'a> Following<'a> {
    /// Of so many tasks.
    pub fn new(port: Box<dyn Follower + 'a>, tasks: usize) -> Self {
        Following { port, calls: (0..tasks).map(|_| None).collect() }
    }

    /// The C has come to a point in a call, or waits there.
    pub fn stopped(&mut self, task: usize, stop: &TaskStop<'_>) -> Result<(), Box<Astray>> {
        let (Some(call), Some(point)) = (stop.call, point_of(stop.step)) else { return Ok(()) };
        if !is_followed(&call) {
            return Ok(());
        }
        let told = Told { events: stop.events, found: stop.found, ..Told::default() };
        let mut state = match self.calls[task].take() {
            Some(state) => state,
            None => InCall::new(call, waiting_at(self.port.begin(task, call))),
        };
        state.locked |= std::mem::take(&mut state.locking);
        let reached = self.reach(task, &mut state, point, &told);
        let found = match reached {
            Ok(()) => self.compare_so_far(task, &state, stop.step, stop.events),
            Err(what) => Err(self.astray(Some(task), &state, what, stop.step, stop.events)),
        };
        self.calls[task] = Some(state);
        found
    }

    /// Lets the port go on until it has come as far as the C.
    fn reach(&mut self, task: usize, state: &mut InCall, point: Point, told: &Told<'_>) -> Result<(), Difference> {
        loop {
            let inner = state.visiting && (opens(point) || closes(point));
            match state.waiting {
                Waiting::WithTheOther => self.resume(task, state, told),
                Waiting::At(mine) if mine == point => {
                    state.waiting = Waiting::WithTheOther;
                    state.visiting = false;
                    return Ok(());
                }
                Waiting::At(_) if inner || !is_known(point) => return Ok(()),
                Waiting::At(_) | Waiting::Returned(_) => return Err(Difference::Point),
                Waiting::Entries => {
                    state.visiting = true;
                    // Before a page table nothing happens that is an event: there was none, and this is of a later VMA.
                    let later = opens(point) && told.events.len() > self.port_events(task);
                    if opens(point) && !later {
                        state.opened = true;
                        state.locking |= point.kind != Point::RCU;
                        return Ok(());
                    }
                    if closes(point) {
                        let [opened, locked] = [&mut state.opened, &mut state.locked].map(std::mem::take);
                        // Without the lock it sees that there is nothing, also where another has taken it out a moment ago.
                        if opened && !locked && self.another_writes(task) {
                            self.resume(task, state, &Told { no_entries: true, ..*told });
                        } else if opened {
                            self.look(task, state, told);
                        }
                        return Ok(());
                    }
                    if !later && !is_known(point) {
                        return Ok(());
                    }
                    self.resume(task, state, &Told { no_entries: true, ..*told });
                }
                Waiting::LeftVma if closes(point) => return Ok(()),
                Waiting::LeftVma => self.resume(task, state, told),
                Waiting::NextVma => {
                    let more = told.events.len() > self.port_events(task);
                    if !more && (!is_known(point) || opens(point) || closes(point)) {
                        return Ok(());
                    }
                    self.resume(task, state, told);
                }
            }
        }
    }

    /// Whether another task is in the middle of a page table.
    fn another_writes(&self, task: usize) -> bool {
        (0..).zip(&self.calls).any(|(of, state)| of != task && state.as_ref().is_some_and(|state| state.locked))
    }

    /// The C has done with a page table. Of those that a walk came to before, some may not be there.
    fn look(&mut self, task: usize, state: &mut InCall, told: &Told<'_>) {
        self.resume(task, state, told);
        while state.waiting == Waiting::Entries && told.events.len() > self.port_events(task) {
            self.resume(task, state, told);
        }
    }

    fn resume(&mut self, task: usize, state: &mut InCall, told: &Told<'_>) {
        state.waiting = waiting_at(self.port.resume(task, told));
        state.visiting |= state.waiting == Waiting::Entries;
    }

    /// How many events the port has had in the call of the task that went on last.
    fn port_events(&mut self, task: usize) -> usize {
        self.port.switch_to(Some(task));
        self.port.events().len()
    }

    /// Where both are at the same point they have done the same; else neither has done what the other has not, as far as both are.
    fn compare_so_far(&mut self, task: usize, state: &InCall, step: Step, theirs: &[Event]) -> Result<(), Box<Astray>> {
        self.port.switch_to(Some(task));
        let ours = self.port.events();
        let same = match state.waiting {
            Waiting::WithTheOther => ours == theirs,
            _ => ours.iter().zip(theirs).all(|(a, b)| a == b),
        };
        if same { Ok(()) } else { Err(self.astray(Some(task), state, Difference::Events, step, theirs)) }
    }

    /// The C has made a call, and ended it. It is no task's if all have ended.
    pub fn returned(&mut self, task: Option<usize>, call: Call, seen: &Seen<'_>) -> Result<(), Box<Astray>> {
        let in_call = task.and_then(|task| Some((task, self.calls[task].take()?)));
        let Some((task, mut state)) = in_call else {
            let result = self.port.call(task, call);
            let state = InCall::new(call, Waiting::Returned(result));
            return self.compare_end(task, &state, seen);
        };
        let told = Told { events: seen.events, returned: true, no_entries: true, found: None };
        loop {
            match state.waiting {
                Waiting::Returned(_) => break,
                Waiting::At(_) => {
                    return Err(self.astray(Some(task), &state, Difference::Point, Step::Ended, seen.events));
                }
                _ => self.resume(task, &mut state, &told),
            }
        }
        self.compare_end(Some(task), &state, seen)
    }

    fn compare_end(&mut self, task: Option<usize>, state: &InCall, seen: &Seen<'_>) -> Result<(), Box<Astray>> {
        let what = match state.waiting {
            _ if self.port.events() != seen.events => Difference::Events,
            Waiting::Returned(result) if result != seen.result => Difference::Return,
            _ => return Ok(()),
        };
        let mut astray = self.astray(task, state, what, Step::Ended, seen.events);
        astray.returned[0] = seen.result;
        Err(astray)
    }

    #[cold]
    fn astray(
        &mut self,
        task: Option<usize>,
        state: &InCall,
        what: Difference,
        step: Step,
        theirs: &[Event],
    ) -> Box<Astray> {
        self.port.switch_to(task);
        let (mine, result) = match state.waiting {
            Waiting::At(point) => (step_of(point), 0),
            Waiting::Returned(result) => (Step::Ended, result),
            _ => (step, 0),
        };
        Box::new(Astray {
            call: state.call,
            what,
            task,
            about: [step, mine],
            returned: [result, result],
            events: [theirs.to_vec(), self.port.events().to_vec()],
        })
    }
}
