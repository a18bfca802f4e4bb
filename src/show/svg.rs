//! A step as one SVG: each scene beside the other, with what differs marked.

use std::fmt::{self, Write as _};

use super::layout::{self, AnonVmaBox, HEADING, LINE, Layout, LinkLine, ProcessBox};
use super::markup::{COLOURS, escape};
use super::pages::{Panel, UNREADABLE};
use super::scene::{Fate, Scene, Vma};
use super::{Film, Step, Together};
use crate::trace::together::task_name;

/// What the pictures look like, in light and in dark.
pub(super) const STYLE: &str = include_str!("picture.css");

/// Height of the lines above the pictures of a file of its own.
const TITLE: f64 = 56.0;
/// Width of a letter in a column, about.
const LETTER: f64 = 7.0;
/// Between two scenes.
const BETWEEN: f64 = 36.0;

/// A step as a file of its own.
pub fn file(film: &Film, step: &Step) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_file(film, step, &mut out);
    out
}

fn write_file(film: &Film, step: &Step, out: &mut String) -> fmt::Result {
    let layouts: Vec<Layout<'_>> = step.scenes.iter().map(Layout::new).collect();
    let (columns, [columns_width, columns_height]) = columns(step);
    let title = TITLE + columns_height;
    let width = layouts.iter().map(|layout| layout.width).sum::<f64>() + BETWEEN * (layouts.len() as f64 - 1.0);
    let (legend, legend_width) = legend();
    let below = layouts.iter().map(|layout| layout.height).fold(0.0, f64::max) + title;
    let (panel, [panel_width, panel_height]) = panel(step);
    let height = below + panel_height + LEGEND;
    let name_width = step.together.as_ref().map_or(0.0, |_| heading(film, step).len() as f64 * LETTER + 28.0);
    let width = [legend_width + 28.0, panel_width, columns_width, name_width].into_iter().fold(width, f64::max);
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="picture" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">"#
    )?;
    let name = format!("{}: {} of {}: {}", film.kernel, step.number, film.operations, step.operation);
    writeln!(out, "<title>{}</title>\n<style>\n{STYLE}</style>", escape(&name))?;
    writeln!(out, r#"<rect class="ground" width="{width}" height="{height}"/>"#)?;
    writeln!(out, r#"<text class="step" x="14" y="24">{}</text>"#, escape(&heading(film, step)))?;
    let found = film.found.as_ref().filter(|found| found.step == step.number);
    let what = found.map_or_else(|| film.kernel.clone(), |found| format!("{}: {}", film.kernel, found.signature));
    let class = if found.is_some() { "found" } else { "quiet" };
    writeln!(out, r#"<text class="{class}" x="14" y="44">{}</text>"#, escape(&what))?;
    writeln!(out, r#"<g transform="translate(0 {TITLE})">{columns}</g>"#)?;
    let mut x = 0.0;
    for (scene, layout) in step.scenes.iter().zip(&layouts) {
        writeln!(out, r#"<g transform="translate({x} {title})">"#)?;
        write_scene(scene, layout, out)?;
        writeln!(out, "</g>")?;
        x += layout.width + BETWEEN;
    }
    if !panel.is_empty() {
        writeln!(out, r#"<g transform="translate(0 {below})">{panel}</g>"#)?;
    }
    writeln!(out, r#"<g transform="translate(14 {})">{legend}</g>"#, height - LEGEND + 8.0)?;
    writeln!(out, "</svg>")
}

/// What a step is called.
pub(super) fn heading(film: &Film, step: &Step) -> String {
    match step.number {
        number if let Some(Together { tasks, .. }) = &step.together => {
            let (first, outcome) = (number + 1 - tasks.len(), &step.outcome);
            format!("operations {first} to {number} of {}, together: {} ({outcome})", film.operations, step.operation)
        }
        number if number > film.operations => format!("after the trace: {} ({})", step.operation, step.outcome),
        number => format!("operation {number} of {}: {} ({})", film.operations, step.operation, step.outcome),
    }
}

/// What each task was about to do, a column each, with its width and height; nothing if one operation ran.
fn columns(step: &Step) -> (String, [f64; 2]) {
    let Some(Together { tasks, schedule }) = &step.together else { return (String::new(), [0.0; 2]) };
    let steps: Vec<(usize, String)> = schedule.iter().map(|(task, step)| (*task, step.to_string())).collect();
    let heads = (0..).zip(tasks).map(|(task, op)| (task, format!("{} {op}", task_name(task))));
    let heads: Vec<(usize, String)> = heads.collect();
    let letters = heads.iter().chain(&steps).map(|(_, text)| text.len()).max().unwrap_or(0);
    let width = letters as f64 * LETTER + 24.0;
    let mut out = String::new();
    let mut put = |class: &str, task: usize, line: usize, text: &str| {
        let (x, y) = (14.0 + task as f64 * width, 14.0 + line as f64 * LINE);
        // Writing to a string does not fail.
        let _ = write!(out, r#"<text class="{class}" x="{x}" y="{y}">{}</text>"#, escape(text));
    };
    heads.iter().for_each(|(task, text)| put("name", *task, 0, text));
    (1..).zip(&steps).for_each(|(line, (task, text))| put("quiet", *task, line, text));
    let lines = steps.len() + 2;
    (out, [14.0 + width * tasks.len() as f64, lines as f64 * LINE])
}

/// One scene, for the page, which brings the style.
pub(super) fn scene(scene: &Scene) -> String {
    let layout = Layout::new(scene);
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_scene(scene, &layout, &mut out);
    in_page([layout.width, layout.height], &out)
}

/// What the page tables of a step hold, for the page, if the kernel's own code keeps them.
pub(super) fn pages(step: &Step) -> Option<String> {
    step.pages.as_ref()?;
    let (drawn, size) = panel(step);
    Some(in_page(size, &drawn))
}

fn in_page([width, height]: [f64; 2], drawn: &str) -> String {
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="picture" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"><title></title>{drawn}</svg>"#
    )
}

/// What the page tables of a step hold, with its width and height; nothing if the kernel's own code does not keep them.
fn panel(step: &Step) -> (String, [f64; 2]) {
    let mut out = String::new();
    match &step.pages {
        None => (out, [0.0; 2]),
        Some(Err(why)) => {
            let why = escape(why);
            (format!(r#"<text class="found" x="14" y="16">{UNREADABLE}: {why}</text>"#), [700.0, HEADING])
        }
        Some(Ok(listing)) => {
            let panel = Panel::new(listing);
            // Writing to a string does not fail.
            let _ = panel.write(&mut out);
            (out, [panel.width, panel.height])
        }
    }
}

const LEGEND: f64 = 40.0;

/// What the lines mean, on one line, and how wide it is.
pub(super) fn legend() -> (String, f64) {
    let mut out = String::new();
    let mut x = 0.0;
    for (drawn, text) in [
        (r#"<path class="link p0" d="M0 9H20"/>"#, "chain entry, by place in the list"),
        (r#"<path class="link own p0" d="M0 9H20"/>"#, "to vma->anon_vma"),
        (r#"<path class="parent" d="M0 9H20"/>"#, "parent"),
        (r#"<path class="root" d="M0 9H20"/>"#, "root"),
        (r#"<rect class="box new" x="2" y="2" width="16" height="13" rx="3"/>"#, "new"),
        (r#"<rect class="box freed" x="2" y="2" width="16" height="13" rx="3"/>"#, "freed by this step"),
        (r#"<rect class="box reused" x="2" y="2" width="16" height="13" rx="3"/>"#, "reused"),
        (r#"<rect class="box differs" x="2" y="2" width="16" height="13" rx="3"/>"#, "the sides differ"),
    ] {
        let _ = write!(
            out,
            r#"<g transform="translate({x} 0)">{drawn}<text class="quiet" x="26" y="13">{}</text></g>"#,
            escape(text)
        );
        x += 46.0 + 6.7 * text.chars().count() as f64;
    }
    (out, x)
}

fn write_scene(scene: &Scene, layout: &Layout<'_>, out: &mut String) -> fmt::Result {
    writeln!(out, r#"<text class="caption" x="14" y="16">{}</text>"#, escape(&scene.caption))?;
    writeln!(out, r#"<text class="caption" x="{}" y="16">anon_vmas</text>"#, layout.forest)?;
    if let Some(why) = &scene.unreadable {
        return writeln!(
            out,
            r#"<text class="found" x="14" y="{}">the state cannot be read: {}</text>"#,
            HEADING + 20.0,
            escape(why)
        );
    }
    if layout.anon_vmas.is_empty() {
        writeln!(out, r#"<text class="quiet" x="{}" y="{}">none</text>"#, layout.forest, HEADING + 16.0)?;
    }
    if layout.processes.is_empty() {
        writeln!(out, r#"<text class="quiet" x="14" y="{}">no process</text>"#, HEADING + 16.0)?;
    }
    for line in &layout.roots {
        let last = line.tails.last().map_or(line.head.1, |tail| tail.1);
        write!(
            out,
            r#"<path class="root" data-to="{}" d="M{} {last}V{}H{}"#,
            line.root,
            line.bus,
            line.head.1,
            line.head.0 + 7.0
        )?;
        for tail in &line.tails {
            write!(out, "M{} {}H{}", tail.0, tail.1, line.bus)?;
        }
        writeln!(out, r#""/><path class="tip root" d="M{} {}l8 -4v8z"/>"#, line.head.0, line.head.1)?;
    }
    for line in &layout.parents {
        let ((x, y), (tail_x, tail_y)) = (line.head, line.tail);
        write!(out, r#"<path class="parent" data-of="{}" d="M{tail_x} {tail_y}H{x}V{}"/>"#, line.child, y + 7.0)?;
        writeln!(out, r#"<path class="tip parent" d="M{x} {y}l-4 8h8z"/>"#)?;
    }
    layout.links.iter().try_for_each(|line| write_link(line, out))?;
    layout.processes.iter().try_for_each(|process| write_process(process, out))?;
    layout.anon_vmas.iter().try_for_each(|anon_vma| write_anon_vma(scene, anon_vma, out))
}

fn write_link(line: &LinkLine<'_>, out: &mut String) -> fmt::Result {
    let own = if line.vma.anon_vma == Some(line.link.anon_vma) { " own" } else { "" };
    let differs = if line.link.differs { " differs" } else { "" };
    let class = format!("{own}{differs} p{}", line.process % COLOURS);
    let ((x, y), (to_x, to_y)) = (line.from, line.to);
    let half = (line.bend - x) / 2.0;
    writeln!(
        out,
        r#"<g class="line" data-vma="{}" data-anon="{}"><path class="link{class}" d="M{x} {y}C{} {y} {} {to_y} {} {to_y}H{}"/><path class="tip{class}" d="M{to_x} {to_y}l-8 -3.5v7z"/></g>"#,
        line.vma.id,
        line.link.anon_vma,
        x + half,
        line.bend - half,
        line.bend,
        to_x - 6.0,
    )
}

fn write_process(process: &ProcessBox<'_>, out: &mut String) -> fmt::Result {
    let fate = match process.process.fate {
        Fate::New => " (new)",
        Fate::Freed => " (exited)",
        Fate::Kept => "",
    };
    let empty = if process.vmas.is_empty() { " nothing mapped" } else { "" };
    let mm = process.process.mm;
    writeln!(
        out,
        r#"<text class="process p{}" x="{}" y="{}">p{mm}<tspan class="quiet">{fate}{empty}</tspan></text>"#,
        mm % COLOURS,
        process.rect.x,
        process.rect.y + 15.0,
    )?;
    process.vmas.iter().try_for_each(|(vma, rect)| write_vma(mm, vma, rect, out))
}

fn write_vma(mm: u8, vma: &Vma, rect: &layout::Rect, out: &mut String) -> fmt::Result {
    let class = class(vma.fate, !vma.differs.is_empty(), false);
    let chain: Vec<String> =
        vma.chain.iter().map(|link| format!("avc{}: anon_vma{}", link.avc, link.anon_vma)).collect();
    let tooltip = format!(
        "vma{} of p{mm}\n{:#x}..{:#x}, page offset {:#x}\n{}\nanon_vma {}\nchain, in list order: {}{}",
        vma.id,
        vma.start,
        vma.end,
        vma.pgoff,
        vma.kind,
        vma.anon_vma.map_or("NULL".into(), |id| format!("anon_vma{id}")),
        if chain.is_empty() { "empty".to_owned() } else { chain.join(", ") },
        differing(&vma.differs),
    );
    writeln!(out, r#"<g class="vma" data-vma="{}"><title>{}</title>"#, vma.id, escape(&tooltip))?;
    write_box(&class, rect, out)?;
    let pgoff = if vma.pgoff == vma.start { String::new() } else { format!(" @{:#x}", vma.pgoff) };
    let (x, y) = (rect.x + 8.0, rect.y + 5.0 + LINE * 0.5 + 4.0);
    let bad = |fields: &[&str]| if fields.iter().any(|field| vma.differs.contains(field)) { " bad" } else { "" };
    writeln!(
        out,
        r#"<text class="name{}" x="{x}" y="{y}">{:#x}..{:#x}<tspan class="quiet">{pgoff}</tspan></text>"#,
        bad(&["range", "mm", "live"]),
        vma.start,
        vma.end
    )?;
    let state = match vma.fate {
        Fate::Freed => " freed",
        _ if vma.unmapped => " in no tree",
        _ => "",
    };
    let anon_vma = if vma.anon_vma.is_none() && vma.fate != Fate::Freed { ", no anon_vma" } else { "" };
    writeln!(
        out,
        r#"<text class="small{}" x="{x}" y="{}">vma{} {}{anon_vma}{state}</text>"#,
        bad(&["attributes", "attached", "anon_vma"]),
        y + LINE,
        vma.id,
        escape(&vma.kind)
    )?;
    if vma.fate != Fate::Freed {
        for (place, link) in vma.chain.iter().enumerate() {
            let own = if vma.anon_vma == Some(link.anon_vma) { " own" } else { "" };
            let bad = if link.differs { " bad" } else { "" };
            writeln!(
                out,
                r#"<text class="place{own}{bad}" x="{}" y="{}">{} anon_vma{}</text>"#,
                rect.right() - 6.0,
                y + LINE * place as f64,
                place + 1,
                link.anon_vma
            )?;
        }
    }
    writeln!(out, "</g>")
}

fn write_anon_vma(scene: &Scene, laid: &AnonVmaBox<'_>, out: &mut String) -> fmt::Result {
    let (anon_vma, rect) = (laid.anon_vma, laid.rect);
    let class = class(anon_vma.fate, !anon_vma.differs.is_empty(), !anon_vma.reused.is_empty());
    let tooltip = format!(
        "anon_vma{}\nroot anon_vma{}, parent anon_vma{}\ninterval tree of {} VMAs, in preorder: {}{}",
        anon_vma.id,
        anon_vma.root,
        anon_vma.parent,
        anon_vma.vmas,
        anon_vma.tree,
        differing(&anon_vma.differs)
    );
    writeln!(out, r#"<g class="anon" data-anon="{}"><title>{}</title>"#, anon_vma.id, escape(&tooltip))?;
    write_box(&class, &rect, out)?;
    let (x, y) = (rect.x + 16.0, rect.y + 5.0 + LINE * 0.5 + 4.0);
    let bad = |field: &str| if anon_vma.differs.contains(&field) { " bad" } else { "" };
    let mut said = String::new();
    for word in [
        (anon_vma.is_root()).then_some("root"),
        (anon_vma.fate == Fate::New).then_some("new"),
        (anon_vma.fate == Fate::Freed).then_some("freed"),
    ]
    .into_iter()
    .flatten()
    {
        said.push(' ');
        said.push_str(word);
    }
    writeln!(
        out,
        r#"<text class="name{}" x="{x}" y="{y}">anon_vma{}<tspan class="quiet">{said}</tspan></text>"#,
        if bad("live").is_empty() { bad("root") } else { bad("live") },
        anon_vma.id
    )?;
    let vmas = if anon_vma.vmas == 1 { "1 VMA".to_owned() } else { format!("{} VMAs", anon_vma.vmas) };
    writeln!(
        out,
        r#"<text class="small quiet end{}" x="{}" y="{y}">tree of {vmas}</text>"#,
        if bad("tree").is_empty() { bad("rb_leftmost") } else { bad("tree") },
        rect.right() - 8.0
    )?;
    // In the kernel's types the two counters are unsigned: a wrapped one is read easier as what it means.
    let counter = |value: u64| if value > u64::MAX / 2 { (value as i64).to_string() } else { value.to_string() };
    writeln!(
        out,
        r#"<text class="small" x="{x}" y="{}"><tspan class="c{}">refcount {}</tspan><tspan class="c{}" dx="8">num_children {}</tspan><tspan class="c{}" dx="8">num_active_vmas {}</tspan></text>"#,
        y + LINE,
        bad("refcount"),
        anon_vma.refcount,
        bad("num_children"),
        counter(anon_vma.num_children),
        bad("num_active_vmas"),
        counter(anon_vma.num_active_vmas)
    )?;
    for (place, note) in layout::notes(scene, anon_vma).iter().enumerate() {
        let class = if note.starts_with("reused") { "reuse" } else { "bad" };
        writeln!(out, r#"<text class="small {class}" x="{x}" y="{}">{note}</text>"#, y + LINE * (place as f64 + 2.0))?;
    }
    writeln!(out, "</g>")
}

fn class(fate: Fate, differs: bool, reused: bool) -> String {
    let fate = match fate {
        Fate::Kept => "",
        Fate::New => " new",
        Fate::Freed => " freed",
    };
    format!("box{fate}{}{}", if reused { " reused" } else { "" }, if differs { " differs" } else { "" })
}

fn write_box(class: &str, rect: &layout::Rect, out: &mut String) -> fmt::Result {
    let layout::Rect { x, y, width, height } = rect;
    writeln!(out, r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}" rx="4"/>"#)
}

fn differing(fields: &[&str]) -> String {
    if fields.is_empty() { String::new() } else { format!("\nthe sides differ in {}", fields.join(", ")) }
}
