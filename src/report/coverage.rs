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
            Runs::NeedsPages => "not reached without --vma pages",
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
    let counts = [Runs::Ran(1), Runs::Never, Runs::NeedsPages, Runs::NotCut, Runs::NoCode].map(|kind| {
        let count = changed.count(|runs| std::mem::discriminant(&runs) == std::mem::discriminant(&kind));
        (count > 0).then(|| format!("{count} {}", kind.name()))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let mut out = format!("changed lines of {kernel}: {}\n", counts.join(", "));
    for line in lines {
        if line.runs.is_missed() || (all && line.runs != Runs::NoCode) {
            write_line(line, &mut out);
        }
    }
    out
}

/// Which changed functions the review must be repeated for, if any: without the kernel's own page-table code they do not run.
pub fn needs_pages(changed: &ChangedLines) -> String {
    let functions = changed.functions(|runs| runs == Runs::NeedsPages);
    if functions.is_empty() {
        return String::new();
    }
    let functions: Vec<String> = functions.iter().map(|function| format!("{function}()")).collect();
    let functions = functions.join(", ");
    format!("the review says nothing of {functions}: only `--vma pages` (`make review VMA=pages`) runs that code\n")
}

fn write_line(line: &Line, out: &mut String) {
    let runs = match line.runs {
        Runs::Ran(1) => "ran once".to_owned(),
        Runs::Ran(times) => format!("ran {times} times"),
        runs => runs.name().to_owned(),
    };
    let function = if line.function.is_empty() { String::new() } else { format!(" {}()", line.function) };
    let removed = if line.follows_removed { "(what was removed before it) " } else { "" };
    let _ = writeln!(out, "  {runs}: {}:{}{function}: {removed}{}", line.file, line.line, line.text);
}

/// The same as JSON: every line.
pub fn value(changed: &ChangedLines) -> Value {
    let lines = changed.lines.as_ref().map(|lines| {
        let each = lines.iter().map(|line| {
            let times = match line.runs {
                Runs::Ran(times) => Some(times),
                Runs::Never | Runs::NeedsPages => Some(0),
                Runs::NotCut | Runs::NoCode => None,
            };
            let Line { file, line: number, function, text, follows_removed, runs } = line;
            json!({
                "file": file, "line": number, "function": function, "text": text, "follows_removed": follows_removed,
                "runs": runs.name(), "times": times,
            })
        });
        each.collect::<Vec<_>>()
    });
    json!({ "kernel": changed.kernel, "lines": lines.as_ref().ok(), "not_counted": lines.err() })
}
