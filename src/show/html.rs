//! All steps as one page: pictures, what differs, calls, and a slider. It holds all that it needs and asks no network.

use serde_json::{Value, json};

use super::scene::Scene;
use super::svg::{self, escape, heading};
use super::{Film, Step};

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
    fill(&[
        ("TITLE", &escape(&title)),
        ("STYLE", &format!("{STYLE}{}", svg::STYLE)),
        ("LEGEND", &legend),
        ("SCRIPT", SCRIPT),
        ("DATA", &data),
    ])
}

/// Puts texts into the places of the page: `{{NAME}}`, each once.
fn fill(texts: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(texts.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text));
        rest = after;
    }
    out + rest
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
        "calls": step.calls,
        "differs": fields.collect::<Value>(),
        "scenes": step.scenes.iter().map(scene).collect::<Value>(),
    })
}
