//! Several tasks: the calls of each, made at once or followed from pause to pause.
//!
//! No two tasks have the port at the same time: a call that is followed runs in a coroutine, which is given the port and gives it
//! back wherever it stops.

use std::cell::RefCell;
use std::mem;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

use super::hooks::PortYielder;
use super::{Port, Task};
use rmap_seam::{Call, Event, Fail, Follower, Pause, Told};

/// Room for the deepest call, with much to spare; what is not touched costs nothing.
const STACK_BYTES: usize = 256 * 1024;

thread_local! {
    /// The stacks of calls that are over, for the next ones.
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

type Running = Coroutine<Box<Port>, (Box<Port>, Pause), (Box<Port>, i32), DefaultStack>;

/// The port, while it follows operations that run together.
pub(super) struct Tasks<'a> {
    /// Where the port is when no tasks run.
    home: &'a mut Port,
    /// None while a call has it.
    port: Option<Box<Port>>,
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
        let empty = Port::new(port.revision);
        let moved = Box::new(mem::replace(port, empty));
        Tasks {
            home: port,
            port: Some(moved),
            resting: Task::default(),
            tasks: fails.iter().map(task).collect(),
            current: None,
        }
    }

    fn port(&mut self) -> &mut Port {
        self.port.as_mut().expect("no call goes on")
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
            if let Some(port) = &mut self.port {
                mem::swap(&mut port.task, kept);
            }
        }
        self.current = task;
    }

    /// Gives the port to the call of the task that goes on.
    fn go_on(&mut self, mut running: Running) -> Pause {
        let port = self.port.take().expect("no call goes on");
        match running.resume(port) {
            CoroutineResult::Yield((port, pause)) => {
                self.port = Some(port);
                if let Some(current) = self.current {
                    self.tasks[current].1 = Some(running);
                }
                pause
            }
            CoroutineResult::Return((port, result)) => {
                self.port = Some(port);
                STACKS.with(|stacks| stacks.borrow_mut().push(running.into_stack()));
                Pause::Returned(result)
            }
        }
    }
}

impl Follower for Tasks<'_> {
    fn call(&mut self, task: Option<usize>, call: Call) -> i32 {
        self.give_to(task);
        self.port().make(call)
    }

    fn begin(&mut self, task: usize, call: Call) -> Pause {
        self.give_to(Some(task));
        self.port().task.followed = Default::default();
        let pooled = STACKS.with(|stacks| stacks.borrow_mut().pop());
        let stack = pooled.unwrap_or_else(|| DefaultStack::new(STACK_BYTES).expect("out of memory"));
        let running = Coroutine::with_stack(stack, move |yielder: &PortYielder, port: Box<Port>| {
            let mut port = Port::away_from(port, yielder);
            let result = port.make(call);
            (port.go_home(), result)
        });
        self.go_on(running)
    }

    fn resume(&mut self, task: usize, told: &Told<'_>) -> Pause {
        self.give_to(Some(task));
        let task_of_port = &mut self.port().task;
        let had = task_of_port.observed.events().len();
        task_of_port.followed.take_in(told, had);
        match self.tasks[task].1.take() {
            Some(running) => self.go_on(running),
            None => Pause::Returned(0),
        }
    }

    fn switch_to(&mut self, task: Option<usize>) {
        self.give_to(task);
    }

    fn events(&self) -> &[Event] {
        self.port.as_ref().map(|port| port.task.observed.events()).unwrap_or_default()
    }
}

impl Drop for Tasks<'_> {
    fn drop(&mut self) {
        self.give_to(None);
        if let Some(port) = self.port.take() {
            *self.home = *port;
        }
    }
}
