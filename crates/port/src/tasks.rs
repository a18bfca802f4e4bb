//! Several tasks: the calls of each, made at once or followed from pause to pause.
//!
//! No two tasks have the port at the same time: a call that is followed runs in a coroutine, which is given the port and gives it
//! back wherever it stops.

use std::cell::RefCell;
use std::mem;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::hooks::{Alone, Beside};
use super::{Port, Task};
use rmap_seam::{Call, Event, Fail, Follower, Pause, Told};

/// Room for the deepest call, with much to spare; what is not touched costs nothing.
const STACK_BYTES: usize = 256 * 1024;

thread_local! {
    /// The stacks of calls that are over, for the next ones.
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

type Running = Coroutine<Port, (Port, Pause), (Port, i32), DefaultStack>;

/// The port, while it follows operations that run together.
pub(super) struct Tasks<'a> {
    port: &'a mut Port,
    /// The task that the port has for itself when no others run; of a task that goes on, whatever was there before.
    resting: Task,
    /// What each task has for itself, except for the one that goes on; and its call, if it is in the middle of one.
    tasks: Vec<(Task, Option<Running>)>,
    /// Which goes on.
    current: Option<usize>,
}

impl<'a> Tasks<'a> {
    /// As many as there are failures, each those of one.
    pub fn new(port: &'a mut Port, fails: &[Fail]) -> Self {
        let task = |fail: &Fail| {
            let mut task = Task::default();
            task.allocator.begin_operation(fail);
            (task, None)
        };
        Tasks { port, resting: Task::default(), tasks: fails.iter().map(task).collect(), current: None }
    }

    /// The port's own task is that one now.
    fn give_to(&mut self, task: Option<usize>) {
        if self.current == task {
            return;
        }
        for of in [self.current, task] {
            // What the port has belongs to the first, and what the second has is the port's then.
            let kept = match of {
                None => &mut self.resting,
                Some(of) => &mut self.tasks[of].0,
            };
            mem::swap(&mut self.port.task, kept);
        }
        self.current = task;
    }

    /// Gives the port to the call of the task that goes on.
    fn go_on(&mut self, mut running: Running) -> Pause {
        let hollow = Port::new(self.port.revision);
        let port = mem::replace(self.port, hollow);
        match running.resume(port) {
            CoroutineResult::Yield((port, pause)) => {
                *self.port = port;
                if let Some(current) = self.current {
                    self.tasks[current].1 = Some(running);
                }
                pause
            }
            CoroutineResult::Return((port, result)) => {
                *self.port = port;
                STACKS.with(|stacks| stacks.borrow_mut().push(running.into_stack()));
                Pause::Returned(result)
            }
        }
    }
}

impl Follower for Tasks<'_> {
    fn call(&mut self, task: Option<usize>, call: Call) -> i32 {
        self.give_to(task);
        self.port.make(call)
    }

    fn begin(&mut self, task: usize, call: Call) -> Pause {
        self.give_to(Some(task));
        self.port.task.followed = Default::default();
        let pooled = STACKS.with(|stacks| stacks.borrow_mut().pop());
        let stack = pooled.unwrap_or_else(|| DefaultStack::new(STACK_BYTES).expect("out of memory"));
        let running = Coroutine::with_stack(stack, move |yielder: &Yielder<Port, (Port, Pause)>, port: Port| {
            let mut port = port.with_hooks(Beside::new(yielder));
            let result = port.make(call);
            (port.with_hooks(Alone), result)
        });
        self.go_on(running)
    }

    fn resume(&mut self, task: usize, told: &Told<'_>) -> Pause {
        self.give_to(Some(task));
        let had = self.port.task.observed.events().len();
        self.port.task.followed.take_in(told, had);
        match self.tasks[task].1.take() {
            Some(running) => self.go_on(running),
            None => Pause::Returned(0),
        }
    }

    fn switch_to(&mut self, task: Option<usize>) {
        self.give_to(task);
    }

    fn events(&self) -> &[Event] {
        self.port.task.observed.events()
    }
}

impl Drop for Tasks<'_> {
    fn drop(&mut self) {
        self.give_to(None);
    }
}
