//! `together`, `at` and `end`: the lines around the operations of a section.

use super::{Op, ParseError, Trace, Word, Words, digits_of, expect};
use crate::together::{MAX_TASKS, PointKind, PointObject, STEP, Section, Switch, task_name, why_not_together};

/// The words that begin such a line.
const TOGETHER: &str = "together";
const AT: &str = "at";
const END: &str = "end";

/// A section whose end has not come yet.
pub(super) struct Open {
    section: Section,
    /// Where each of its operations stands.
    lines: Vec<usize>,
    /// Where it begins.
    line: usize,
}

impl Open {
    /// Of a text that ends in it.
    pub(super) fn without_end(self) -> ParseError {
        ParseError {
            line: self.line,
            column: 1,
            found: format!("{TOGETHER:?}"),
            wanted: format!("the section has no line that says {END}"),
        }
    }
}

impl<'a> Words<'a> {
    /// Takes a line that belongs to a section; false: it is another's.
    pub(super) fn section_line(
        &mut self,
        keyword: Word<'a>,
        trace: &mut Trace,
        open: &mut Option<Open>,
    ) -> Result<bool, ParseError> {
        match (keyword.text, open.as_mut()) {
            (TOGETHER, None) => {
                let section = Section::new(trace.ops.len(), 0, Vec::new());
                *open = Some(Open { section, lines: Vec::new(), line: self.number });
            }
            (TOGETHER, Some(open)) => {
                return Err(self.error(keyword, format!("the section of line {} has no end yet", open.line)));
            }
            (AT | END, None) => return Err(self.error(keyword, "there is no section here: it begins with together")),
            (AT, Some(open)) => {
                let switch = self.switch(trace.ops.len() - open.section.first)?;
                if switch.task == switch.next {
                    return Err(self.error(keyword, "the task goes on anyhow: expected another one at the end"));
                }
                open.section.accesses |= switch.is_at_access();
                open.section.switches.push(switch);
            }
            (END, Some(open_section)) => {
                let section = &mut open_section.section;
                section.tasks = trace.ops.len() - section.first;
                if section.tasks < 2 {
                    return Err(self.error(keyword, "a section has two operations or three"));
                }
                if let Some((at, why)) = why_not_together(&trace.ops[section.range()]) {
                    let line = open_section.lines.get(at).copied().unwrap_or(open_section.line);
                    let found = format!("\"{}\"", trace.ops[section.first + at]);
                    return Err(ParseError { line, column: 1, found, wanted: why });
                }
                trace.sections.extend(open.take().map(|open| open.section));
            }
            (_, None) => return Ok(false),
            (_, Some(_)) if expect::begins(keyword) => {
                return Err(self.error(keyword, "what is expected stands below the end of the section"));
            }
            (_, Some(open)) => {
                let op: Op = self.op(keyword)?;
                if !open.section.switches.is_empty() {
                    return Err(self.error(keyword, "the operations of a section stand above its at lines"));
                }
                if trace.ops.len() - open.section.first == MAX_TASKS {
                    return Err(self.error(keyword, format!("a section has at most {MAX_TASKS} operations")));
                }
                open.lines.push(self.number);
                trace.ops.push(op);
            }
        }
        if let Some(word) = self.next() {
            return Err(self.error(word, "expected the end of the line"));
        }
        Ok(true)
    }

    /// What follows `at`, below so many operations of the section.
    fn switch(&mut self, tasks: usize) -> Result<Switch, ParseError> {
        let task = self.task(tasks)?;
        let word = self.section_word("what the task is about to do")?;
        let point = match word.text {
            STEP => None,
            text => match PointKind::of(text) {
                Some(point) => Some(point),
                None => {
                    let others = PointKind::BESIDE.iter().chain(PointKind::FINER);
                    let known: Vec<&str> = PointKind::ALL.iter().chain(others).map(|point| point.name()).collect();
                    return Err(self.error(word, format!("expected {STEP}, {}", known.join(", "))));
                }
            },
        };
        let mut nth = 1;
        if let Some(word) = self.peek().filter(|word| word.text.starts_with(|c: char| c.is_ascii_digit() || c == '-')) {
            nth = match digits_of(word.text, 10) {
                Some(number @ 1..=0xffff) => number as u32,
                _ => return Err(self.error(word, "expected which of these it is, from 1 to 65535")),
            };
            self.next();
        }
        let object = self.peek().and_then(|word| PointObject::of(word.text));
        if object.is_some() {
            self.next();
        }
        Ok(Switch { task, point, object, nth, next: self.task(tasks)? })
    }

    fn task(&mut self, tasks: usize) -> Result<usize, ParseError> {
        let word = self.section_word("a task")?;
        match (0..MAX_TASKS).find(|&task| word.text.chars().eq([task_name(task)])) {
            Some(task) if task < tasks => Ok(task),
            Some(task) => Err(self.error(word, format!("the section has no task {} above this line", task_name(task)))),
            None => {
                let objects: Vec<&str> = PointObject::ALL.iter().map(|object| object.name()).collect();
                let (first, last) = (task_name(0), task_name(MAX_TASKS - 1));
                Err(self
                    .error(word, format!("expected a task, {first} to {last} (objects are {})", objects.join(", "))))
            }
        }
    }

    fn section_word(&mut self, what: &str) -> Result<Word<'a>, ParseError> {
        match self.next() {
            Some(word) => Ok(word),
            None => Err(self.end_of_line(format!("expected {what} (\"at TASK POINT [N] [OBJECT] TASK\")"))),
        }
    }
}
