//! A report for a terminal. Colours come from anstyle; whoever prints through anstream gets them
//! only on a terminal, and not under `NO_COLOR`.

use std::fmt::{self, Write as _};

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use super::Report;
use crate::check::{Difference, Divergence, FieldDiff, FindingKind, Sides, Unmet, Violation};
use crate::rmap::{Call, Event, errno_name};
use crate::trace::schedule::Step;
use crate::trace::together::task_name;

const HEAD: Style = AnsiColor::Red.on_default().bold();
const LABEL: Style = Style::new().bold();
const REMOVED: Style = AnsiColor::Red.on_default();
const ADDED: Style = AnsiColor::Green.on_default();
const QUIET: Style = Style::new().dimmed();

/// How many equal lines are shown around a difference.
const CONTEXT: usize = 3;
/// How many calls of the operation, and how many fields, are shown at most.
const LINES_MAX: usize = 24;

/// The report, with colours.
pub fn coloured(report: &Report<'_>) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_report(report, &mut out);
    out
}

/// The report, without colours.
pub fn plain(report: &Report<'_>) -> String {
    anstream::adapter::strip_str(&coloured(report)).to_string()
}

/// Prints the report to the standard output, with colours if that is a terminal and they are wanted.
pub fn print(report: &Report<'_>) {
    anstream::print!("{}", coloured(report));
}

fn write_report(report: &Report<'_>, out: &mut String) -> fmt::Result {
    let finding = report.finding;
    writeln!(out, "{HEAD}{}{HEAD:#}", finding.signature())?;
    line(out, "kernel", report.kernel)?;
    line(out, "side", side_name(finding.side()))?;
    line(out, "at", &report.place())?;
    if let Some(call) = finding.call {
        line(out, "call", &call.to_string())?;
    }
    match &finding.kind {
        FindingKind::Divergence(divergence) => write_divergence(divergence, finding.call, out)?,
        FindingKind::Violation { violations, .. } => {
            for violation in violations.iter().take(LINES_MAX) {
                write_violation(violation, out)?;
            }
            more(out, violations.len())?;
        }
        FindingKind::Expectation { side, unmet } => write_unmet(side_name(*side), unmet, out)?,
        FindingKind::Undecodable { error, .. } => line(out, "error", &error.to_string())?,
    }
    if finding.calls.len() > 1 {
        title(out, "calls of the operation")?;
        let skipped = finding.calls.len().saturating_sub(LINES_MAX);
        if skipped > 0 {
            writeln!(out, "  {QUIET}… {skipped} before{QUIET:#}")?;
        }
        for call in &finding.calls[skipped..] {
            writeln!(out, "  {}", *call)?;
        }
    }
    let schedule = report.schedule_lines();
    if !schedule.is_empty() {
        title(out, "what each task was about to do")?;
        schedule.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    title(out, "trace")?;
    for line in report.shortened_trace().to_string().lines() {
        writeln!(out, "  {line}")?;
    }
    title(out, "replay")?;
    let commands = [Some(report.replay_command()), Some(report.show_command()), report.reproduce_command()];
    commands.iter().flatten().try_for_each(|command| writeln!(out, "  {command}"))
}

/// As `--side` has it. JSON says `reference` for the kernel's side, as it always has.
fn side_name(side: Sides) -> &'static str {
    match side {
        Sides::Reference => "kernel",
        Sides::Port => "port",
        Sides::Both => "both sides",
    }
}

fn line(out: &mut String, label: &str, text: &str) -> fmt::Result {
    writeln!(out, "{LABEL}{label:<7}{LABEL:#} {text}")
}

fn title(out: &mut String, text: &str) -> fmt::Result {
    writeln!(out, "\n{LABEL}{text}{LABEL:#}")
}

fn more(out: &mut String, total: usize) -> fmt::Result {
    match total.checked_sub(LINES_MAX) {
        None | Some(0) => Ok(()),
        Some(rest) => writeln!(out, "  {QUIET}… and {rest} more{QUIET:#}"),
    }
}

fn write_violation(violation: &Violation, out: &mut String) -> fmt::Result {
    title(out, &format!("{} {}", violation.invariant, violation.invariant.slug()))?;
    writeln!(out, "  {HEAD}{}{HEAD:#}", violation.detail)?;
    if let Some(call) = violation.after {
        writeln!(out, "  after {}", call)?;
    }
    writeln!(out, "  {QUIET}{}{QUIET:#}", violation.invariant.text())
}

fn write_unmet(side: &str, unmet: &Unmet, out: &mut String) -> fmt::Result {
    title(out, "expectation")?;
    writeln!(out, "  {}", unmet.expectation)?;
    writeln!(out, "\n{REMOVED}--- expected{REMOVED:#}\n{ADDED}+++ {side}{ADDED:#}")?;
    let [expected, actual] = unmet.layouts();
    let [expected, actual] = [&expected, &actual].map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
    let diff = TextDiff::from_slices(&expected, &actual);
    diff.iter_all_changes().try_for_each(|piece| change(out, piece.tag(), piece.value()))
}

/// A return value: a serial, 0, or the name of an errno.
pub(crate) fn return_text(ret: i32) -> String {
    if ret < 0 { format!("-{}", errno_name(ret)) } else { ret.to_string() }
}

/// What a side was about to do in a call.
pub(super) fn point_text(step: Step) -> String {
    match step {
        Step::Ended => "return".to_owned(),
        step => step.to_string(),
    }
}

fn write_divergence(divergence: &Divergence, call: Option<Call>, out: &mut String) -> fmt::Result {
    writeln!(out, "\n{REMOVED}--- kernel{REMOVED:#}\n{ADDED}+++ port{ADDED:#}")?;
    let [reference, port] = divergence.returned.map(return_text);
    if let Some(point) = &divergence.task {
        title(out, &format!("task {} is about to", task_name(point.task)))?;
        match point.about {
            [kernel, port] if kernel == port => writeln!(out, "  {}", point_text(kernel))?,
            [kernel, port] => {
                change(out, ChangeTag::Delete, &point_text(kernel))?;
                change(out, ChangeTag::Insert, &point_text(port))?;
            }
        }
    }
    if divergence.what == Difference::Point {
        // Neither has returned.
    } else if reference != port {
        title(out, "returns")?;
        change(out, ChangeTag::Delete, &reference)?;
        change(out, ChangeTag::Insert, &port)?;
    } else if call.is_some() {
        title(out, "returns")?;
        writeln!(out, "  {reference}")?;
    }
    if divergence.first_event.is_some() {
        title(out, "events")?;
        write_events(&divergence.events, out)?;
    }
    for (side, warning) in ["kernel", "port"].iter().zip(&divergence.warnings) {
        if let Some(warning) = warning {
            line(out, "warning", &format!("{side}: {warning}"))?;
        }
    }
    if !divergence.fields.is_empty() {
        title(out, "state")?;
        for field in divergence.fields.iter().take(LINES_MAX) {
            write_field(field, out)?;
        }
        more(out, divergence.fields.len())?;
    }
    Ok(())
}

fn write_events(events: &[Vec<Event>; 2], out: &mut String) -> fmt::Result {
    let [reference, port] = [0, 1].map(|side| events[side].iter().map(Event::to_string).collect::<Vec<_>>());
    let [reference, port] = [&reference, &port].map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
    let diff = TextDiff::from_slices(&reference, &port);
    let mut next = 0;
    for group in diff.grouped_ops(CONTEXT) {
        let first = group.first().map_or(0, |op| op.old_range().start);
        if first > next {
            writeln!(out, "  {QUIET}… {} equal{QUIET:#}", first - next)?;
        }
        next = group.last().map_or(next, |op| op.old_range().end);
        for op in &group {
            for piece in diff.iter_changes(op) {
                change(out, piece.tag(), piece.value())?;
            }
        }
    }
    match reference.len().saturating_sub(next) {
        0 => Ok(()),
        rest => writeln!(out, "  {QUIET}… {rest} equal{QUIET:#}"),
    }
}

fn change(out: &mut String, tag: ChangeTag, text: &str) -> fmt::Result {
    match tag {
        ChangeTag::Equal => writeln!(out, "  {text}"),
        ChangeTag::Delete => writeln!(out, "{REMOVED}- {text}{REMOVED:#}"),
        ChangeTag::Insert => writeln!(out, "{ADDED}+ {text}{ADDED:#}"),
    }
}

fn write_field(field: &FieldDiff, out: &mut String) -> fmt::Result {
    let object = field.object.map_or(String::new(), |object| format!("{object}."));
    change(out, ChangeTag::Delete, &format!("{object}{} = {}", field.field, field.reference))?;
    change(out, ChangeTag::Insert, &format!("{object}{} = {}", field.field, field.port))
}
