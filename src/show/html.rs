//! All steps as one page: pictures, page tables, what differs, calls, and a slider. It holds all that it needs and asks no network.

use serde_json::{Value, json};

use super::markup::escape;
use super::scene::Scene;
use super::svg::{self, heading};
use super::{Film, Step, Together};
use crate::fill::fill;
use crate::trace::together::task_name;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page.
pub fn page(film: &Film) -> String {
    let data = json!({
        "kernel": film.kernel,
        "operations": film.operations,
        "found": film.found,
        "steps": film.steps.iter().map(|step| value(film, step)).collect::<Value>(),
    });
    // Within a script element nothing but `<` can end it.
    let data = data.to_string().replace('<', "\\u003c");
    let title = format!("rmap-diff: {}", film.kernel);
    let (legend, width) = svg::legend();
    let legend = format!(
        r#"<svg class="picture" viewBox="0 0 {width} 18" width="{width}" height="18" role="img" aria-label="legend">{legend}</svg>"#
    );
    let style = format!("{STYLE}{}", svg::STYLE);
    let title = escape(&title);
    fill(PAGE, &[("TITLE", &title), ("STYLE", &style), ("LEGEND", &legend), ("SCRIPT", SCRIPT), ("DATA", &data)])
}

/// The tasks, and what was about to be done: whose, and what.
fn together(of: &Together) -> Value {
    let schedule = of.schedule.iter().map(|(task, step)| json!([task, step.to_string()]));
    let tasks = (0..).zip(&of.tasks).map(|(task, op)| format!("{} {op}", task_name(task)));
    json!({ "tasks": tasks.collect::<Vec<_>>(), "schedule": schedule.collect::<Value>() })
}

fn value(film: &Film, step: &Step) -> Value {
    let scene = |scene: &Scene| json!({ "caption": scene.caption, "svg": svg::scene(scene) });
    let fields = step.differs.iter().map(|field| {
        json!({
            "object": field.object.map(|object| object.to_string()),
            "field": field.field,
            "reference": field.reference,
            "port": field.port,
        })
    });
    json!({
        "number": step.number,
        "operation": step.operation,
        "outcome": step.outcome,
        "heading": heading(film, step),
        "together": step.together.as_ref().map(together),
        "calls": step.calls,
        "differs": fields.collect::<Value>(),
        "scenes": step.scenes.iter().map(scene).collect::<Value>(),
        "pages": svg::pages(step),
    })
}
