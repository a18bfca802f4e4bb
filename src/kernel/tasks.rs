//! Several operations at once: each is a task, whose C runs on a stack of its own and comes back at every hook.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;

use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::vma_layer::{Context, slice, watch};
use super::{Kernel, abi, accesses, wire};
use crate::rmap::{Call, Event, Fail, FolioFound};
use crate::trace::schedule::{Scheduler, Step};
use crate::trace::together::{MAX_TASKS, PointKind, PointObject};
use crate::trace::{Observation, Op, Request, Seen, TaskEnd, TaskStop, TaskWatcher};

/// Room for the deepest operation, with much to spare; what is not touched costs nothing.
const STACK_BYTES: usize = 512 * 1024;

thread_local! {
    /// The stacks of tasks that have ended, for the next ones.
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

fn stack() -> DefaultStack {
    let pooled = STACKS.with(|stacks| stacks.borrow_mut().pop());
    pooled.unwrap_or_else(|| DefaultStack::new(STACK_BYTES).expect("out of memory"))
}

// The numbers of points, and how many tasks there are, stand in the C interface too; a change of either breaks the build here.
const _: () = {
    assert!(MAX_TASKS == abi::RMAP_MAX_TASKS as usize);
    assert!(PointKind::ALL.len() + 1 == abi::rmap_point_kind::RMAP_POINT_WAIT as usize);
    assert!(PointKind::Lock as usize + 1 == abi::rmap_point_kind::RMAP_POINT_LOCK as usize);
    assert!(PointKind::Resched as usize + 1 == abi::rmap_point_kind::RMAP_POINT_RESCHED as usize);
    assert!(PointKind::FINER.len() == 2);
    assert!(abi::rmap_point_kind::RMAP_POINT_LOAD as usize == abi::rmap_point_kind::RMAP_POINT_WAIT as usize + 1);
    assert!(PointObject::AnonVma as usize == abi::rmap_point_class::RMAP_POINT_OF_ANON_VMA as usize);
    assert!(PointObject::Pte as usize == abi::rmap_point_class::RMAP_POINT_OF_PTE as usize);
};

/// Where a task has come to. What is pointed to is C's, and stays as it is until the task goes on.
struct Stop {
    step: Step,
    call: Option<Call>,
    events: *const Event,
    nr_events: u32,
    found: Option<FolioFound>,
}

type Task = Coroutine<(), Stop, TaskEnd, DefaultStack>;
type TaskYielder = Yielder<(), Stop>;

/// What a task is started with: all of it outlives the section.
struct Start {
    operate: unsafe extern "C" fn(*mut abi::rmap_world, *const abi::rmap_task_start, *mut abi::rmap_task_end),
    world: *mut abi::rmap_world,
    start: abi::rmap_task_start,
}

fn fails(fail: &Fail) -> abi::rmap_fail {
    let fail: *const Fail = fail;
    // SAFETY: Fail is laid out as rmap_fail (asserted in kernel.rs).
    unsafe { fail.cast::<abi::rmap_fail>().read() }
}

/// The number of an object; `RMAP_NONE` for none.
fn number(object: u32) -> Option<u32> {
    (object != u32::MAX).then_some(object)
}

fn decode_step(point: &abi::rmap_point) -> Step {
    let object = PointObject::ALL.get(usize::from(point.of)).copied().unwrap_or(PointObject::None);
    let kind = match abi::rmap_point_kind::RMAP_POINT_WAIT {
        wait if point.kind > wait as u8 => PointKind::FINER.get(usize::from(point.kind - wait as u8 - 1)),
        _ => usize::from(point.kind).checked_sub(1).and_then(|kind| PointKind::ALL.get(kind)),
    };
    match kind {
        Some(&kind) if PointKind::FINER.contains(&kind) => Step::At(kind, object, Some(accesses::number(point.from))),
        Some(&kind) => Step::At(kind, object, number(point.object)),
        None => Step::Waits(object, number(point.object)),
    }
}

fn decode_point(point: &abi::rmap_point) -> Stop {
    // SAFETY: each is NULL, or points to a structure of C's that is valid during this call.
    let (call, found) = unsafe { (point.call.as_ref(), point.found.as_ref()) };
    let call = match call.map(wire::decode_observation) {
        Some(Observation::Call(call)) => Some(call),
        _ => None,
    };
    Stop {
        step: decode_step(point),
        call,
        events: point.events.cast(),
        nr_events: point.nr_events,
        found: found.map(wire::decode_found),
    }
}

/// C is at a hook of the task whose coroutine this is: it goes on when it is resumed.
unsafe extern "C" fn schedule(context: *mut c_void, point: *const abi::rmap_point) {
    // SAFETY: C hands back the context of the running task, which lives in the frame below this one, and a structure of its
    // own that is valid during this call.
    let (yielder, point) = unsafe { (&*context.cast::<TaskYielder>(), &*point) };
    yielder.suspend(decode_point(point));
}

fn task(mut start: Start) -> Task {
    let stack = stack();
    start.start.stack = stack.limit().get() as u64;
    start.start.stack_bytes = (stack.base().get() - stack.limit().get()) as u64;
    Coroutine::with_stack(stack, move |yielder: &TaskYielder, ()| {
        let yielder: *const TaskYielder = yielder;
        start.start.scheduler = Some(schedule);
        start.start.scheduler_context = yielder.cast_mut().cast();
        let mut end = abi::rmap_task_end::default();
        // SAFETY: the world is alive and used by this thread alone, one task at a time; what is pointed to outlives the call.
        unsafe { (start.operate)(start.world, &start.start, &mut end) };
        TaskEnd { result: end.result, injected: end.injected }
    })
}

/// Ends a task, wherever it is. Its C frames hold nothing that anybody else has to give back: what it allocated is the world's.
fn give_up(mut task: Task) {
    if task.started() && !task.done() {
        // SAFETY: the frames of the task are C's and that of the closure above, which owns nothing that needs to be dropped.
        unsafe { task.force_reset() };
    }
    if task.done() {
        STACKS.with(|stacks| stacks.borrow_mut().push(task.into_stack()));
    }
}

/// The tasks that have not ended. Whatever happens, none is left in the middle.
struct Tasks(Vec<Option<Task>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.drain(..).flatten().for_each(give_up);
    }
}

/// Somebody who wants to know what is wrong, and nothing else.
pub(super) struct Onlooker<'a>(pub &'a mut dyn FnMut(&Seen<'_>) -> bool);

impl TaskWatcher for Onlooker<'_> {
    fn seen(&mut self, _: usize, seen: &Seen<'_>) -> bool {
        self.0(seen)
    }

    fn stopped(&mut self, _: usize, _: &TaskStop<'_>) -> bool {
        true
    }

    fn afterwards(&mut self, seen: &Seen<'_>) -> bool {
        self.0(seen)
    }
}

impl Kernel {
    /// See [`Watched::run_together`](crate::trace::Watched::run_together) and
    /// [`Watched::follow_together`](crate::trace::Watched::follow_together).
    pub(super) fn tasks(
        &mut self,
        ops: &[Op],
        scheduler: &mut Scheduler<'_>,
        followed: bool,
        watcher: &mut dyn TaskWatcher,
    ) -> Option<Vec<TaskEnd>> {
        // The C has room for so many.
        if ops.len() > MAX_TASKS {
            return None;
        }
        let (begin, operate, end) = (self.ops.begin_tasks?, self.ops.run_task?, self.ops.end_tasks?);
        let world = self.world.as_ptr();
        let stopped = Cell::new(false);
        // Who goes on; none once all have ended.
        let running = Cell::new(None);
        let watcher = RefCell::new(watcher);
        let mut told = |seen: &Seen<'_>| {
            let mut watcher = watcher.borrow_mut();
            let goes_on = match running.get() {
                Some(task) => watcher.seen(task, seen),
                None => watcher.afterwards(seen),
            };
            stopped.set(stopped.get() || !goes_on);
            goes_on
        };
        let mut context = Context { kernel: self, watcher: &mut told, panic: None };
        let at: *mut Context<'_> = &mut context;
        let requests: Option<Vec<abi::rmap_operation>> =
            ops.iter().map(|op| wire::encode_request(&Request::new(op.kind, &op.fail_node))).collect();
        let tasks = (1..)
            .zip(ops)
            .zip(requests?)
            .map(|((number, op), operation)| {
                let start = abi::rmap_task_start {
                    number,
                    operation,
                    fail: fails(&op.fail),
                    node_fail: fails(&op.fail_node),
                    page_fail: fails(&op.fail_page),
                    followed: followed.into(),
                    accesses: scheduler.stops_at_accesses().into(),
                    stack: 0,
                    stack_bytes: 0,
                    watcher: Some(watch),
                    watcher_context: at.cast(),
                    scheduler: None,
                    scheduler_context: std::ptr::null_mut(),
                };
                Some(task(Start { operate, world, start }))
            })
            .collect();
        let mut tasks = Tasks(tasks);
        let mut ends = vec![None; ops.len()];
        // SAFETY: the world is alive and used by this thread alone.
        unsafe { begin(world) };
        while let Some(current) = scheduler.current().filter(|_| !stopped.get()) {
            let Some(task) = tasks.0.get_mut(current).and_then(Option::as_mut) else { break };
            running.set(Some(current));
            match task.resume(()) {
                CoroutineResult::Yield(stop) => {
                    scheduler.told(stop.step);
                    if followed {
                        // SAFETY: so many events stand there until the task goes on; Event is laid out as rmap_event.
                        let events = unsafe { slice(stop.events, stop.nr_events) };
                        let Stop { step, call, found, .. } = stop;
                        let goes_on = watcher.borrow_mut().stopped(current, &TaskStop { step, call, events, found });
                        stopped.set(stopped.get() || !goes_on);
                    }
                }
                CoroutineResult::Return(task_end) => {
                    ends[current] = Some(task_end);
                    tasks.0[current].take().into_iter().for_each(give_up);
                    scheduler.told(Step::Ended);
                }
            }
        }
        drop(tasks);
        let ends: Option<Vec<TaskEnd>> = ends.into_iter().collect();
        if ends.is_some() && !stopped.get() {
            running.set(None);
            // SAFETY: as above; the context is given to `watch` and to nobody else.
            unsafe { end(world, Some(watch), at.cast()) };
        }
        if let Some(panic) = context.panic {
            std::panic::resume_unwind(panic);
        }
        ends.filter(|_| !stopped.get())
    }
}
