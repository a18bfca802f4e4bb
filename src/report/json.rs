//! A report for a program: one JSON object.

use serde_json::{Value, json};

use super::{Report, text};
use crate::check::{Divergence, FieldDiff, FindingKind, Unmet, Violation};
use crate::rmap::Event;
use crate::trace::ExpectedVma;
use crate::trace::together::task_name;

/// The report as a JSON value.
pub fn value(report: &Report<'_>) -> Value {
    let finding = report.finding;
    let strings = |calls: &[crate::rmap::Call]| -> Vec<String> { calls.iter().map(|c| c.to_string()).collect() };
    let operations: Vec<String> = report.shortened_trace().ops.iter().map(ToString::to_string).collect();
    let mut value = json!({
        "signature": finding.signature(),
        "kernel": report.kernel,
        "side": finding.side().to_string(),
        "operation": finding.operation,
        "operation_text": report.operation_text(),
        "teardown": finding.teardown,
        "phase": finding.phase.name(),
        "call": finding.call.map(|call| call.to_string()),
        "calls": strings(&finding.calls),
        "trace": operations,
        "trace_text": report.shortened_trace().to_string(),
        "schedule": report.schedule_lines(),
        "replay": report.replay_command(),
        "show": report.show_command(),
        "reproduce": report.reproduce_command(),
    });
    let (kind, key, detail) = match &finding.kind {
        FindingKind::Divergence(divergence) => ("divergence", "divergence", divergence_value(divergence)),
        FindingKind::Violation { violations, .. } => {
            ("violation", "violations", violations.iter().map(violation_value).collect())
        }
        FindingKind::Expectation { unmet, .. } => ("expectation", "expectation", unmet_value(unmet)),
        FindingKind::Undecodable { error, .. } => ("undecodable", "error", Value::String(error.to_string())),
    };
    value["kind"] = kind.into();
    value[key] = detail;
    value
}

/// The report as text, on several lines.
pub fn pretty(report: &Report<'_>) -> String {
    format!("{:#}", value(report))
}

fn divergence_value(divergence: &Divergence) -> Value {
    let events = |side: usize| -> Vec<String> { divergence.events[side].iter().map(Event::to_string).collect() };
    let [reference, port] = divergence.returned.map(text::return_text);
    json!({
        "what": format!("{:?}", divergence.what).to_lowercase(),
        "return": { "reference": reference, "port": port },
        "events": { "first": divergence.first_event, "reference": events(0), "port": events(1) },
        "warning": { "reference": divergence.warnings[0], "port": divergence.warnings[1] },
        "state": divergence.fields.iter().map(field_value).collect::<Value>(),
        // Null: it was found in no call of one of several tasks.
        "task": divergence.task.as_ref().map(|point| {
            let [reference, port] = point.about.map(text::point_text);
            json!({ "task": task_name(point.task).to_string(), "reference": reference, "port": port })
        }),
    })
}

fn unmet_value(unmet: &Unmet) -> Value {
    let lines = |vmas: &[ExpectedVma]| -> Vec<String> { vmas.iter().map(ExpectedVma::to_string).collect() };
    json!({
        "text": unmet.expectation.to_string(),
        "operation": unmet.expectation.operation,
        "process": unmet.expectation.mm.0,
        "expected": lines(&unmet.expectation.layout),
        // Null: the process does not exist.
        "actual": unmet.actual.as_deref().map(lines),
    })
}

fn field_value(field: &FieldDiff) -> Value {
    json!({
        "object": field.object.map(|object| object.to_string()),
        "field": field.field,
        "reference": field.reference,
        "port": field.port,
    })
}

fn violation_value(violation: &Violation) -> Value {
    json!({
        "invariant": violation.invariant.name(),
        "slug": violation.invariant.slug(),
        "title": violation.invariant.title(),
        "text": violation.invariant.text(),
        "what": violation.what,
        "objects": violation.objects.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "detail": violation.detail,
        "after": violation.after.map(|call| call.to_string()),
    })
}
