//! A step for a terminal: processes, then the forest as a tree. Where the sides differ, line by line what each has.

use std::fmt::{self, Write as _};

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use super::layout::{notes, rows};
use super::pages::UNREADABLE;
use super::scene::{AnonVma, Fate, Scene};
use super::svg::heading;
use super::{Film, Step, Together};
use crate::pages::{Listing, Naming, totals_phrases};
use crate::report::schedule_lines;

const HEAD: Style = Style::new().bold();
const FOUND: Style = AnsiColor::Red.on_default().bold();
const REMOVED: Style = AnsiColor::Red.on_default();
const ADDED: Style = AnsiColor::Green.on_default();

/// A step, with colours.
pub fn coloured(film: &Film, step: &Step) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_step(film, step, &mut out);
    out
}

/// A step, without colours.
pub fn plain(film: &Film, step: &Step) -> String {
    anstream::adapter::strip_str(&coloured(film, step)).to_string()
}

fn write_step(film: &Film, step: &Step, out: &mut String) -> fmt::Result {
    writeln!(out, "{HEAD}{}: {}{HEAD:#}", film.kernel, heading(film, step))?;
    if let Some(found) = film.found.as_ref().filter(|found| found.step == step.number) {
        writeln!(out, "{FOUND}{}{FOUND:#}", found.signature)?;
        for (sign, event) in found.events.iter().filter(|(sign, _)| *sign != ' ') {
            signed(*sign, &format!("event {event}"), out)?;
        }
        if let Some([reference, port]) = &found.returned {
            signed('-', &format!("returns {reference}"), out)?;
            signed('+', &format!("returns {port}"), out)?;
        }
        for violation in &found.violations {
            writeln!(out, "  {violation}")?;
        }
    }
    if let Some(Together { schedule, .. }) = &step.together {
        writeln!(out, "\n{HEAD}what each task was about to do{HEAD:#}")?;
        schedule_lines(schedule).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    if !step.calls.is_empty() {
        writeln!(out, "\n{HEAD}calls{HEAD:#}")?;
        step.calls.iter().try_for_each(|call| writeln!(out, "  {call}"))?;
    }
    match &step.scenes[..] {
        [reference, port] => {
            writeln!(out, "\n{REMOVED}--- {}{REMOVED:#}\n{ADDED}+++ {}{ADDED:#}", reference.caption, port.caption)?;
            let [reference, port] = [reference, port].map(scene);
            for change in TextDiff::from_lines(&reference, &port).iter_all_changes() {
                let line = change.value().trim_end_matches('\n');
                match change.tag() {
                    ChangeTag::Equal => writeln!(out, "  {line}")?,
                    ChangeTag::Delete => signed('-', line, out)?,
                    ChangeTag::Insert => signed('+', line, out)?,
                }
            }
        }
        scenes => {
            for one in scenes {
                writeln!(out, "\n{HEAD}{}{HEAD:#}\n{}", one.caption, scene(one).trim_end())?;
            }
        }
    }
    match &step.pages {
        None => Ok(()),
        Some(Err(why)) => writeln!(out, "\n{HEAD}page tables{HEAD:#}\n{UNREADABLE}: {why}"),
        Some(Ok(listing)) => write_pages(listing, out),
    }
}

fn write_pages(listing: &Listing, out: &mut String) -> fmt::Result {
    let naming = Naming::Serial;
    writeln!(out, "\n{HEAD}page tables{HEAD:#}")?;
    for process in &listing.processes {
        writeln!(out, "{}  {}", process.counters.mm, process.counts().join(", "))?;
        for vma in &process.vmas {
            match vma.vma {
                Some((id, range)) => writeln!(out, "  {range} {id}")?,
                None => writeln!(out, "  in no VMA")?,
            }
            for run in &vma.runs {
                let part = run.part(naming).map_or(String::new(), |part| format!(" ({part})"));
                let bits = run.bits().join(" ");
                let line = format!("{}  {}{part}  {bits}", run.place(), run.target());
                writeln!(out, "    {}{}", line.trim_end(), run.change.note())?;
            }
        }
    }
    if !listing.folios.is_empty() {
        writeln!(out, "\n{HEAD}folios{HEAD:#}")?;
    }
    for folio in &listing.folios {
        let differs = if folio.differs.is_empty() {
            String::new()
        } else {
            format!("; the sides differ in {}", folio.differs.join(", "))
        };
        let phrases = folio.phrases(naming).join(", ");
        writeln!(out, "{}  {phrases}{differs}{}", folio.name(naming), folio.change.note())?;
    }
    if !listing.slots.is_empty() {
        writeln!(out, "\n{HEAD}swap device{HEAD:#}")?;
    }
    for slot in &listing.slots {
        writeln!(out, "{}  {}{}", slot.name(), slot.phrases(naming).join(", "), slot.change.note())?;
    }
    writeln!(out, "\n{}", totals_phrases(&listing.totals).join(", "))
}

fn signed(sign: char, line: &str, out: &mut String) -> fmt::Result {
    let style = if sign == '-' { REMOVED } else { ADDED };
    writeln!(out, "{style}{sign} {line}{style:#}")
}

/// One side, without colours.
fn scene(scene: &Scene) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_scene(scene, &mut out);
    out
}

fn fate(fate: Fate, freed: &str) -> String {
    match fate {
        Fate::Kept => String::new(),
        Fate::New => "  (new)".to_owned(),
        Fate::Freed => format!("  ({freed})"),
    }
}

fn write_scene(scene: &Scene, out: &mut String) -> fmt::Result {
    if let Some(why) = &scene.unreadable {
        return writeln!(out, "the state cannot be read: {why}");
    }
    for process in &scene.processes {
        let empty = if process.vmas.is_empty() { "  nothing mapped" } else { "" };
        writeln!(out, "p{}{}{empty}", process.mm, fate(process.fate, "exited"))?;
        for vma in &process.vmas {
            let pgoff = if vma.pgoff == vma.start { String::new() } else { format!(" @{:#x}", vma.pgoff) };
            let anon_vma = vma.anon_vma.map_or("no anon_vma".to_owned(), |id| format!("anon_vma{id}"));
            let chain: Vec<String> = vma
                .chain
                .iter()
                .enumerate()
                .map(|(place, link)| format!("{}:anon_vma{}", place + 1, link.anon_vma))
                .collect();
            let unmapped = if vma.unmapped && vma.fate != Fate::Freed { "  (in no mm's tree)" } else { "" };
            writeln!(
                out,
                "  {:#x}..{:#x}{pgoff} {}  vma{}  {anon_vma}  chain [{}]{}{unmapped}",
                vma.start,
                vma.end,
                vma.kind,
                vma.id,
                chain.join(" "),
                fate(vma.fate, "freed")
            )?;
        }
    }
    let rows = rows(scene);
    if rows.is_empty() {
        return writeln!(out, "no anon_vma");
    }
    for (at, (anon_vma, depth)) in rows.iter().enumerate() {
        write_anon_vma(scene, anon_vma, &branches(&rows, at, *depth), out)?;
    }
    Ok(())
}

/// The lines to the left of a row of the forest.
fn branches(rows: &[(&AnonVma, usize)], at: usize, depth: usize) -> String {
    // Whether the branch at that depth goes on below the row.
    let goes_on = |level: usize| rows[at + 1..].iter().take_while(|row| row.1 >= level).any(|row| row.1 == level);
    (1..=depth)
        .map(|level| match (level == depth, goes_on(level)) {
            (true, true) => "├─ ",
            (true, false) => "└─ ",
            (false, true) => "│  ",
            (false, false) => "   ",
        })
        .collect()
}

fn write_anon_vma(scene: &Scene, anon_vma: &AnonVma, branches: &str, out: &mut String) -> fmt::Result {
    let root = if anon_vma.is_root() { " root" } else { "" };
    write!(
        out,
        "{branches}anon_vma{}{root}  refcount {}, num_children {}, num_active_vmas {}, tree of {}{}",
        anon_vma.id,
        anon_vma.refcount,
        anon_vma.num_children,
        anon_vma.num_active_vmas,
        anon_vma.vmas,
        fate(anon_vma.fate, "freed")
    )?;
    notes(scene, anon_vma).iter().try_for_each(|note| write!(out, "; {note}"))?;
    if anon_vma.differs.contains(&"tree") {
        write!(out, "; tree {}", anon_vma.tree)?;
    }
    writeln!(out)
}
