//! How a person, or a program, sees what was found, and what a state looks like.
//!
//! A [`Report`] is a [`Finding`] with what the lockstep does not know: the trace, the reference's name, the
//! file. [`text`] writes it for a terminal, [`json`] for a program. `rmap::dump` writes states.

use std::borrow::Cow;
use std::path::Path;

use crate::check::{Finding, FindingKind, Sides};
use crate::kernel::accesses;
use crate::trace::schedule::Step;
use crate::trace::together::task_name;
use crate::trace::{Op, Trace};

#[cfg(feature = "cli")]
pub mod coverage;
pub mod json;
pub mod prove;
pub mod review;
pub mod text;

#[cfg(test)]
mod tests;

/// A finding and its circumstances.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// What was found.
    pub finding: &'a Finding,
    /// What was played.
    pub trace: &'a Trace,
    /// The name of the reference.
    pub kernel: &'a str,
    /// The file that holds the trace, for the command that replays it.
    pub file: Option<&'a str>,
    /// What else the command needs to find the same, a word each.
    pub options: &'a [String],
}

impl<'a> Report<'a> {
    /// Without a file.
    pub fn new(finding: &'a Finding, trace: &'a Trace, kernel: &'a str) -> Self {
        Report { finding, trace, kernel, file: None, options: &[] }
    }

    /// The same, found with these options of `run`, a word each.
    pub fn with_options(self, options: &'a [String]) -> Self {
        Report { options, ..self }
    }

    /// The same, with the file that holds the trace.
    pub fn with_file(self, file: &'a str) -> Self {
        Report { file: Some(file), ..self }
    }

    /// The operations up to and including the one at which it was found; all of them for a finding after the last.
    pub fn shortened_trace(&self) -> Trace {
        let len = usize::try_from(self.finding.operation).unwrap_or(usize::MAX).min(self.trace.ops.len());
        self.trace.first(len)
    }

    /// The text of the operation at which it was found; of operations that run together, of them all.
    pub fn operation_text(&self) -> Option<String> {
        let index = usize::try_from(self.finding.operation).ok()?.checked_sub(1)?;
        match self.trace.section_of(index) {
            Some(section) => {
                let ops: Vec<String> = self.trace.ops[section.range()].iter().map(Op::to_string).collect();
                Some(format!("{}, together", ops.join(" | ")))
            }
            None => Some(self.trace.ops.get(index)?.to_string()),
        }
    }

    /// What each task was about to do, a column each, up to where it was found; nothing if one operation ran.
    pub fn schedule_lines(&self) -> Vec<String> {
        schedule_lines(&self.finding.schedule)
    }

    /// Where it was found, in words.
    pub fn place(&self) -> String {
        let operation = match (self.finding.operation, self.operation_text()) {
            (0, _) => "before the first operation".to_string(),
            (n, None) => format!("operation {n}"),
            (n, Some(_)) if self.finding.teardown => format!("exit of all processes, after operation {n}"),
            (n, Some(text)) => match self.trace.section_of(n as usize - 1) {
                Some(section) => format!("operations {} to {}: {text}", section.first + 1, section.range().end),
                None => format!("operation {n}: {text}"),
            },
        };
        format!("{operation} ({})", self.finding.phase.name())
    }

    /// The command that plays it again.
    pub fn replay_command(&self) -> String {
        format!("rmap-diff run {}", self.arguments())
    }

    /// The command that shows it step by step.
    pub fn show_command(&self) -> String {
        let page = match self.file {
            Some(file) if file != "-" => Path::new(file).with_extension("html").display().to_string(),
            _ => "finding.html".to_owned(),
        };
        format!("rmap-diff show {} --as html -o {}", self.arguments(), quoted(&page))
    }

    /// The command that makes a program of it for a running kernel; none where operations run together.
    pub fn reproduce_command(&self) -> Option<String> {
        self.trace.sections.is_empty().then(|| format!("rmap-diff reproduce {} --as c", self.arguments()))
    }

    /// What the commands have in common.
    fn arguments(&self) -> String {
        // Only a run of one side blames one side; but what is expected is checked of each of both.
        let side = match self.finding.side() {
            Sides::Both => "",
            Sides::Port if matches!(self.finding.kind, FindingKind::Expectation { .. }) => "",
            Sides::Reference => " --side kernel",
            Sides::Port => " --side port",
        };
        let options: String = self.options.iter().map(|word| format!(" {}", quoted(word))).collect();
        format!("{} --kernel {}{side}{options}", quoted(self.file.unwrap_or("FILE")), self.kernel)
    }
}

/// What each task was about to do, in order, a column each; of loads and stores those where another task went on, and where in the
/// kernel's tree they are.
pub fn schedule_lines(schedule: &[(usize, Step)]) -> Vec<String> {
    let width = schedule.iter().map(|(_, step)| step.to_string().len()).max().unwrap_or(0) + 2;
    let line = |(at, &(task, step)): (usize, &(usize, Step))| {
        let place = match step.access() {
            Some(_) if schedule.get(at + 1).is_none_or(|&(next, _)| next == task) => return None,
            Some(number) => accesses::place(number).map(|place| format!(" {place}")).unwrap_or_default(),
            None => String::new(),
        };
        Some(format!("{:indent$}{} {step}{place}", "", task_name(task), indent = task * width))
    };
    schedule.iter().enumerate().filter_map(line).collect()
}

/// A word as a shell takes it.
fn quoted(word: &str) -> Cow<'_, str> {
    // What has a NUL cannot be an argument anyway.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}
