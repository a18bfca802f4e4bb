//! Which changed lines ran, for a person or for a program.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::coverage::{ChangedLines, Line, Runs};

impl Runs {
    /// As JSON has it.
    fn name(self) -> &'static str {
        match self {
            Runs::Ran(_) => "ran",
            Runs::Never => "not reached",
            Runs::NotCut => "not in what was cut",
            Runs::NoCode => "no code",
        }
    }
}

/// One line that counts them, then each line: all of them, or only those that no trace reached.
pub fn text(changed: &ChangedLines, all: bool) -> String {
    let kernel = changed.kernel;
    let lines = match &changed.lines {
        Ok(lines) => lines,
        Err(why) => return format!("changed lines of {kernel}: {why}\n"),
    };
    let counts = [Runs::Ran(1), Runs::Never, Runs::NotCut, Runs::NoCode].map(|kind| {
        let count = changed.count(|runs| std::mem::discriminant(&runs) == std::mem::discriminant(&kind));
        (count > 0).then(|| format!("{count} {}", kind.name()))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let mut out = format!("changed lines of {kernel}: {}\n", counts.join(", "));
    for line in lines {
        let missed = matches!(line.runs, Runs::Never | Runs::NotCut);
        if missed || (all && line.runs != Runs::NoCode) {
            write_line(line, &mut out);
        }
    }
    out
}

fn write_line(line: &Line, out: &mut String) {
    let runs = match line.runs {
        Runs::Ran(1) => "ran once".to_owned(),
        Runs::Ran(times) => format!("ran {times} times"),
        runs => runs.name().to_owned(),
    };
    let function = if line.function.is_empty() { String::new() } else { format!(" {}()", line.function) };
    let _ = writeln!(out, "  {runs}: {}:{}{function}: {}", line.file, line.line, line.text);
}

/// The same as JSON: every line.
pub fn value(changed: &ChangedLines) -> Value {
    let lines = changed.lines.as_ref().map(|lines| {
        let each = lines.iter().map(|line| {
            let times = match line.runs {
                Runs::Ran(times) => Some(times),
                Runs::Never => Some(0),
                Runs::NotCut | Runs::NoCode => None,
            };
            let Line { file, line: number, function, text, runs } = line;
            json!({ "file": file, "line": number, "function": function, "text": text, "runs": runs.name(), "times": times })
        });
        each.collect::<Vec<_>>()
    });
    json!({ "kernel": changed.kernel, "lines": lines.as_ref().ok(), "not_counted": lines.err() })
}
