//! The scheduler of a section: which task goes on, and why it ends if none can.
//!
//! It knows tasks, points and what a task waits for, and nothing of kernels. Whoever runs the tasks asks which one goes on
//! ([`Scheduler::current`]), lets it run to its next point, and says what came of it ([`Scheduler::told`]).

use std::fmt;

use super::together::{MAX_TASKS, PointKind, PointObject, Section, Switch, task_name};

/// What came of a task that went on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// It is about to do something, to an object of that number, if it has one yet.
    At(PointKind, PointObject, Option<u32>),
    /// It cannot go on before another task has released the object.
    Waits(PointObject, Option<u32>),
    /// Its operation is done.
    Ended,
}

impl Step {
    /// The number of the place in the code, of a load or a store of the kernel's text.
    pub fn access(self) -> Option<u32> {
        match self {
            Step::At(PointKind::Load | PointKind::Store, _, number) => number,
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, object, number) = match self {
            Step::At(kind, _, Some(_)) if self.access().is_some() => return f.write_str(kind.name()),
            Step::At(kind, object, number) => (kind.name(), object, number),
            Step::Waits(object, number) => ("waits", object, number),
            Step::Ended => return f.write_str("ends"),
        };
        f.write_str(verb)?;
        if *object != PointObject::None {
            write!(f, " {}", object.name())?;
        }
        number.map_or(Ok(()), |number| write!(f, " {number}"))
    }
}

/// Whether a step of a task is to wait on, after what was done so far: it waited for the same already, or wanted to lock it. A task that
/// waits for something else has done something before, and may have released what others wait for.
pub(crate) fn waits_on(log: &[(usize, Step)], task: usize, step: Step) -> bool {
    let Step::Waits(object, number) = step else { return false };
    let before = log.iter().rev().find(|(of, _)| *of == task).map(|(_, step)| *step);
    before.is_some_and(|before| before == step || before == Step::At(PointKind::Lock, object, number))
}

#[derive(Clone, Default)]
struct Task {
    /// What it came to so far.
    points: Vec<(PointKind, PointObject)>,
    waits: Option<(PointObject, Option<u32>)>,
    ended: bool,
}

/// A section under way.
pub struct Scheduler<'a> {
    /// Those that have not come yet.
    switches: &'a [Switch],
    tasks: Vec<Task>,
    current: Option<usize>,
    /// What happened, in order: task and step.
    log: Vec<(usize, Step)>,
    /// Lines that were passed over.
    passed_over: Vec<Switch>,
    accesses: bool,
}

impl<'a> Scheduler<'a> {
    /// Of a section of which nothing has run.
    pub fn new(section: &'a Section) -> Scheduler<'a> {
        let tasks = vec![Task::default(); section.tasks.min(MAX_TASKS)];
        Scheduler {
            switches: &section.switches,
            tasks,
            current: Some(0),
            log: Vec::new(),
            passed_over: Vec::new(),
            accesses: section.accesses,
        }
    }

    /// The task that goes on; none: all have ended, or each waits for another.
    pub fn current(&self) -> Option<usize> {
        self.current
    }

    /// Whether tasks also stop before loads and stores of the kernel's text.
    pub fn stops_at_accesses(&self) -> bool {
        self.accesses
    }

    /// What happened, in order: task and step.
    pub fn into_log(self) -> Vec<(usize, Step)> {
        self.log
    }

    /// What came of the task that went on.
    pub fn told(&mut self, step: Step) {
        let Some(current) = self.current else { return };
        let waits_on = waits_on(&self.log, current, step);
        self.log.push((current, step));
        let task = &mut self.tasks[current];
        task.points.push(match step {
            Step::At(kind, object, _) => (kind, object),
            Step::Waits(object, _) => (PointKind::Wait, object),
            Step::Ended => (PointKind::End, PointObject::None),
        });
        task.ended = step == Step::Ended;
        if !waits_on {
            // Whatever was waited for may be free now.
            self.tasks.iter_mut().for_each(|task| task.waits = None);
        }
        if let Step::Waits(object, number) = step {
            self.tasks[current].waits = Some((object, number));
        }
        let goes_on = matches!(step, Step::At(..)).then_some(current);
        self.current = self.switched(current).or(goes_on).or_else(|| self.first_that_can_run());
    }

    fn first_that_can_run(&self) -> Option<usize> {
        self.tasks.iter().position(|task| !task.ended && task.waits.is_none())
    }

    /// Who goes on after this task came to a point, if the first line that is not over says it.
    fn switched(&mut self, current: usize) -> Option<usize> {
        while let Some((switch, rest)) = self.switches.split_first() {
            let task = &self.tasks[switch.task];
            let times = task.points.iter().filter(|(kind, object)| switch.is_of(*kind, *object)).count();
            let now = switch.task == current
                && times == switch.nth as usize
                && task.points.last().is_some_and(|(kind, object)| switch.is_of(*kind, *object));
            if now {
                self.switches = rest;
                if !self.tasks[switch.next].ended {
                    return Some(switch.next);
                }
                self.passed_over.push(*switch);
                return None;
            }
            let over = task.ended || times >= switch.nth as usize;
            if !over {
                break;
            }
            self.switches = rest;
            self.passed_over.push(*switch);
        }
        None
    }

    /// Who waits for what, if nobody can go on and somebody has not ended.
    pub fn deadlock(&self) -> Option<String> {
        if self.current.is_some() {
            return None;
        }
        let waiting: Vec<String> = (0..)
            .zip(&self.tasks)
            .filter_map(|(number, task)| {
                let (object, of) = task.waits?;
                let of = of.map(|of| format!(" {of}")).unwrap_or_default();
                Some(format!("{} waits for {}{of}", task_name(number), object.name()))
            })
            .collect();
        (!waiting.is_empty()).then(|| waiting.join(", "))
    }
}

/// The lines of a section that did nothing when its tasks did this: their point did not come, or came before it was their turn, or
/// the task that they name had ended.
pub fn passed_over(section: &Section, log: &[(usize, Step)]) -> Vec<Switch> {
    let mut scheduler = Scheduler::new(section);
    log.iter().for_each(|(_, step)| scheduler.told(*step));
    let Scheduler { passed_over, switches, .. } = scheduler;
    [&passed_over[..], switches].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(tasks: usize, lines: &str) -> Section {
        let ops = ["  exit p1\n", "  exit p2\n", "  exit p3\n"][..tasks].concat();
        let trace = crate::parse(&format!("together\n{ops}{lines}end\n")).expect("a section");
        trace.sections[0].clone()
    }

    const LOCK: Step = Step::At(PointKind::Lock, PointObject::AnonVma, Some(0));
    const ALLOC: Step = Step::At(PointKind::Alloc, PointObject::Avc, None);

    /// Without lines the tasks run one after another.
    #[test]
    fn tasks_run_to_their_ends_in_order() {
        let section = section(3, "");
        let mut scheduler = Scheduler::new(&section);
        for task in 0..3 {
            assert_eq!(scheduler.current(), Some(task));
            scheduler.told(LOCK);
            assert_eq!(scheduler.current(), Some(task));
            scheduler.told(Step::Ended);
        }
        assert_eq!((scheduler.current(), scheduler.deadlock()), (None, None));
    }

    /// A line counts what its task came to, of that kind and that object.
    #[test]
    fn a_line_switches_at_its_point() {
        let section = section(2, "at a lock 2 anon_vma b\nat b step a\n");
        let mut scheduler = Scheduler::new(&section);
        let steps =
            [(ALLOC, 0), (LOCK, 0), (Step::At(PointKind::Lock, PointObject::Mmap, None), 0), (LOCK, 1), (LOCK, 0)];
        for (step, next) in steps {
            scheduler.told(step);
            assert_eq!(scheduler.current(), Some(next), "{step:?}");
        }
    }

    /// A line whose point has passed, or whose task has ended, does not keep those after it from being taken.
    #[test]
    fn a_line_whose_point_never_comes_is_passed_over() {
        let section = section(3, "at a free b\nat b lock c\n");
        let mut scheduler = Scheduler::new(&section);
        scheduler.told(LOCK);
        scheduler.told(Step::Ended);
        assert_eq!(scheduler.current(), Some(1));
        scheduler.told(LOCK);
        assert_eq!(scheduler.current(), Some(2));
    }

    /// A task that has released one thing and waits for another lets those go on that waited for the first.
    #[test]
    fn who_waits_may_have_released_what_others_wait_for() {
        let section = section(2, "at a lock b\n");
        let mut scheduler = Scheduler::new(&section);
        scheduler.told(LOCK);
        scheduler.told(ALLOC);
        let steps = [
            (Step::Waits(PointObject::PageTable, Some(0)), Some(0)),
            (Step::Waits(PointObject::Folio, Some(6)), Some(1)),
            (Step::Waits(PointObject::PageTable, Some(0)), None),
        ];
        for (step, next) in steps {
            scheduler.told(step);
            assert_eq!(scheduler.current(), next, "{step:?}");
        }
    }

    /// Where a task waits or has ended, a line says who goes on; without it that is the first that can.
    #[test]
    fn a_line_says_who_goes_on_where_a_task_waits_or_has_ended() {
        let lines = "at a step b\nat b wait c\nat c end b\n";
        let switched = section(3, lines);
        assert_eq!(
            crate::parse(&format!("together\n  exit p1\n  exit p2\n  exit p3\n{lines}end\n")).unwrap().sections[0],
            switched
        );
        let plain = section(3, "at a step b\n");
        for (section, expected) in [(&switched, [1, 1, 2, 2, 1]), (&plain, [1, 1, 0, 0, 1])] {
            let mut scheduler = Scheduler::new(section);
            let steps = [LOCK, LOCK, Step::Waits(PointObject::AnonVma, Some(0)), LOCK, Step::Ended];
            let nexts = steps.map(|step| {
                scheduler.told(step);
                scheduler.current().unwrap()
            });
            assert_eq!(nexts, expected);
        }
    }

    /// Who waits lets the first other run, and goes on when somebody has done something.
    #[test]
    fn tasks_that_wait_for_each_other_are_named() {
        let section = section(2, "at a lock b\n");
        let mut scheduler = Scheduler::new(&section);
        scheduler.told(LOCK);
        assert_eq!(scheduler.current(), Some(1));
        scheduler.told(Step::Waits(PointObject::Mmap, Some(0)));
        assert_eq!(scheduler.current(), Some(0));
        scheduler.told(Step::Waits(PointObject::AnonVma, Some(3)));
        // It may have released before what the other waits for.
        assert_eq!(scheduler.current(), Some(1));
        scheduler.told(Step::Waits(PointObject::Mmap, Some(0)));
        assert_eq!(scheduler.current(), None);
        assert_eq!(scheduler.deadlock().as_deref(), Some("a waits for anon_vma 3, b waits for mmap 0"));
    }
}
