//! What the kernel's own page tables hold, as a drawing: left the entries of each process, VMA by VMA; right the folios and
//! the slots of the swap device, each once. An arrow leads from entries to what they name.

use std::fmt::{self, Write as _};

use super::layout::{HEADING, LINE, Rect};
use super::markup::{COLOURS, escape};
use crate::pages::{Change, EntryRun, FolioRun, Listing, Naming, ProcessPages, SlotRun, VmaPages, totals_phrases};

/// What is said instead of tables that cannot be read.
pub(super) const UNREADABLE: &str = "the page tables cannot be read";

/// Width of the box of a VMA's entries.
const ENTRIES_WIDTH: f64 = 430.0;
/// Width of the box of a folio or slot.
const FOLIO_WIDTH: f64 = 410.0;
/// Characters on a line of that.
const FOLIO_LINE: usize = 58;
const MARGIN: f64 = 14.0;
const PROCESS_HEADING: f64 = 22.0;
const GAP: f64 = 8.0;
/// Between two arrows that come to the same box.
const PORT: f64 = 7.0;
/// Between the columns: at least this, and so much more for each arrow, up to the most.
const GUTTER: [f64; 3] = [70.0, 2.0, 150.0];
/// From the top to the first box, below the caption, what is counted for all, and what an arrow means.
const TOP: f64 = HEADING + 2.0 * LINE;

/// What a box of the right column stands for.
#[derive(Clone, Copy)]
enum Named<'a> {
    Folio(&'a FolioRun),
    Slot(&'a SlotRun),
}

impl<'a> Named<'a> {
    fn change(self) -> Change {
        match self {
            Named::Folio(folio) => folio.change,
            Named::Slot(slot) => slot.change,
        }
    }

    /// Whether these entries name it, or one of them.
    fn is_named_by(self, run: &EntryRun) -> bool {
        let (named, numbers) = match self {
            Named::Folio(folio) => (run.frames(), folio.frames()),
            Named::Slot(slot) => (run.slots(), slot.numbers()),
        };
        let meets = |(first, end): (u64, u64)| first < numbers.1 && numbers.0 < end;
        self.change() != Change::Freed && named.is_some_and(meets)
    }

    fn key(self) -> String {
        match self {
            Named::Folio(folio) => format!("folio{}", folio.first.frame),
            Named::Slot(slot) => format!("slot{}", slot.first.slot),
        }
    }

    fn name(self) -> String {
        match self {
            Named::Folio(folio) => folio.name(Naming::Serial),
            Named::Slot(slot) => slot.name(),
        }
    }

    fn phrases(self) -> Vec<String> {
        match self {
            Named::Folio(folio) => folio.phrases(Naming::Serial),
            Named::Slot(slot) => slot.phrases(Naming::Serial),
        }
    }

    fn differs(self) -> &'a [&'static str] {
        match self {
            Named::Folio(folio) => &folio.differs,
            Named::Slot(_) => &[],
        }
    }
}

struct VmaBox<'a> {
    vma: &'a VmaPages,
    rect: Rect,
}

struct NamedBox<'a> {
    named: Named<'a>,
    lines: Vec<String>,
    rect: Rect,
}

struct Line<'a> {
    run: &'a EntryRun,
    /// The box that it comes to.
    to_box: usize,
    from: (f64, f64),
    to: (f64, f64),
}

/// A listing, laid out.
pub(super) struct Panel<'a> {
    pub width: f64,
    pub height: f64,
    listing: &'a Listing,
    /// Where the name of each process is.
    processes: Vec<(&'a ProcessPages, f64)>,
    vmas: Vec<VmaBox<'a>>,
    named: Vec<NamedBox<'a>>,
    lines: Vec<Line<'a>>,
}

/// Where the first line of some entries is, from the top of their box.
fn line_of(place: usize) -> f64 {
    5.0 + LINE * (1.0 + 2.0 * place as f64 + 0.5)
}

impl<'a> Panel<'a> {
    pub fn new(listing: &'a Listing) -> Panel<'a> {
        let (mut processes, mut vmas) = (Vec::new(), Vec::new());
        let mut y = TOP;
        for process in &listing.processes {
            processes.push((process, y));
            y += PROCESS_HEADING;
            for vma in &process.vmas {
                let height = 10.0 + LINE * (1.0 + 2.0 * vma.runs.len() as f64);
                vmas.push(VmaBox { vma, rect: Rect { x: MARGIN, y, width: ENTRIES_WIDTH, height } });
                y += height + GAP;
            }
            y += GAP;
        }
        let left_bottom = y;

        let all = in_order(listing);
        let runs = || vmas.iter().flat_map(|of| of.vma.runs.iter());
        let count = all.iter().map(|named| runs().filter(|run| named.is_named_by(run)).count()).sum::<usize>();
        let [least, each, most] = GUTTER;
        let x = MARGIN + ENTRIES_WIDTH + (least + each * count as f64).min(most);
        let mut named = Vec::new();
        y = TOP;
        for one in all {
            let lines = wrapped(&one.phrases());
            let coming = runs().filter(|run| one.is_named_by(run)).count();
            let height = (10.0 + LINE * (1.0 + lines.len() as f64)).max(24.0 + PORT * coming as f64);
            named.push(NamedBox { named: one, lines, rect: Rect { x, y, width: FOLIO_WIDTH, height } });
            y += height + GAP;
        }
        let lines = lines(&vmas, &named);
        let (width, height) = (x + FOLIO_WIDTH + MARGIN, y.max(left_bottom) + MARGIN);
        Panel { width, height, listing, processes, vmas, named, lines }
    }

    pub fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, r#"<text class="caption" x="14" y="16">page tables, folios and the swap device</text>"#)?;
        let totals = totals_phrases(&self.listing.totals).join(", ");
        writeln!(out, r#"<text class="quiet" x="14" y="{}">{}</text>"#, 16.0 + LINE, escape(&totals))?;
        let legend = "an arrow leads from entries to what they name; a dashed one from entries that are not present; \
                      (new), (changed), (freed): by this step";
        writeln!(out, r#"<text class="quiet" x="14" y="{}">{legend}</text>"#, 16.0 + 2.0 * LINE)?;
        self.lines.iter().try_for_each(|line| self.write_line(line, out))?;
        for (process, y) in &self.processes {
            let mm = process.counters.mm;
            writeln!(
                out,
                r#"<text class="process p{}" x="{MARGIN}" y="{}">{mm}<tspan class="quiet" dx="8">{}</tspan></text>"#,
                mm.0 % COLOURS,
                y + 15.0,
                process.counts().join(", ")
            )?;
        }
        self.vmas.iter().try_for_each(|of| write_entries(of, out))?;
        self.named.iter().try_for_each(|of| write_named(of, out))
    }

    fn write_line(&self, line: &Line<'_>, out: &mut String) -> fmt::Result {
        let target = &self.named[line.to_box];
        let ((x, y), (to_x, to_y)) = (line.from, line.to);
        let bend = to_x - 6.0;
        let half = (bend - x) / 2.0;
        let class =
            format!("{} p{}", if line.run.is_present() { "" } else { " absent" }, line.run.first.mm.0 % COLOURS);
        writeln!(
            out,
            r#"<g class="line" data-from="{}" data-to="{}"><path class="link{class}" d="M{x} {y}C{} {y} {} {to_y} {bend} {to_y}H{bend}"/><path class="tip{class}" d="M{to_x} {to_y}l-8 -3.5v7z"/></g>"#,
            key_of(line.run),
            target.named.key(),
            x + half,
            bend - half,
        )
    }
}

/// What entries are called among the boxes.
fn key_of(run: &EntryRun) -> String {
    format!("{}-{:x}", run.first.mm, run.first.page)
}

/// Folios and slots in the order in which entries name them, then those that no entry names, then those that were freed.
fn in_order(listing: &Listing) -> Vec<Named<'_>> {
    let folios = listing.folios.iter().map(Named::Folio);
    let mut all: Vec<Named<'_>> = folios.chain(listing.slots.iter().map(Named::Slot)).collect();
    let runs: Vec<&EntryRun> =
        listing.processes.iter().flat_map(|process| &process.vmas).flat_map(|vma| &vma.runs).collect();
    all.sort_by_cached_key(|named| {
        let first = runs.iter().position(|run| named.is_named_by(run));
        (named.change() == Change::Freed, first.unwrap_or(runs.len()))
    });
    all
}

/// As many phrases on a line as fit.
fn wrapped(phrases: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for phrase in phrases {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 2 + phrase.chars().count() <= FOLIO_LINE => {
                line.push_str(", ");
                line.push_str(phrase);
            }
            _ => lines.push(phrase.clone()),
        }
    }
    lines
}

/// Arrows come to a box in the order in which they leave.
fn lines<'a>(vmas: &[VmaBox<'a>], named: &[NamedBox<'a>]) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    for (to_box, target) in named.iter().enumerate() {
        let mut coming = Vec::new();
        for VmaBox { vma, rect } in vmas {
            let of_target = vma.runs.iter().enumerate().filter(|(_, run)| target.named.is_named_by(run));
            coming.extend(of_target.map(|(place, run)| (run, (rect.right(), rect.y + line_of(place)))));
        }
        let (room, count) = (target.rect.height - 24.0, coming.len() as f64);
        for (place, (run, from)) in coming.into_iter().enumerate() {
            let y = target.rect.y + 18.0 + room * (place as f64 + 0.5) / count;
            lines.push(Line { run, to_box, from, to: (target.rect.x, y) });
        }
    }
    lines
}

fn write_box(class: &str, rect: &Rect, out: &mut String) -> fmt::Result {
    let Rect { x, y, width, height } = rect;
    writeln!(out, r#"<rect class="box{class}" x="{x}" y="{y}" width="{width}" height="{height}" rx="4"/>"#)
}

fn write_entries(of: &VmaBox<'_>, out: &mut String) -> fmt::Result {
    let VmaBox { vma, rect } = of;
    let (x, mut y) = (rect.x + 8.0, rect.y + 5.0 + LINE * 0.5 + 4.0);
    let keys: Vec<String> = vma.runs.iter().map(key_of).collect();
    writeln!(out, r#"<g class="pages" data-keys="{}">"#, keys.join(" "))?;
    write_box("", rect, out)?;
    match vma.vma {
        Some((id, range)) => {
            writeln!(out, r#"<text class="name" x="{x}" y="{y}">{range}<tspan class="quiet"> {id}</tspan></text>"#)?;
        }
        None => writeln!(out, r#"<text class="name bad" x="{x}" y="{y}">in no VMA</text>"#)?,
    }
    for run in &vma.runs {
        y += LINE;
        let class = match run.change {
            Change::New => " made",
            Change::Changed => " reuse",
            Change::Kept | Change::Freed => "",
        };
        writeln!(
            out,
            r#"<text class="small{class}" x="{}" y="{y}">{}{}</text><text class="small end{class}" x="{}" y="{y}">{}</text>"#,
            x + 8.0,
            run.place(),
            run.change.note(),
            rect.right() - 8.0,
            run.target()
        )?;
        y += LINE;
        let bits = run.bits().join(" ");
        if !bits.is_empty() {
            writeln!(out, r#"<text class="quiet" x="{}" y="{y}">{bits}</text>"#, x + 16.0)?;
        }
    }
    writeln!(out, "</g>")
}

fn write_named(of: &NamedBox<'_>, out: &mut String) -> fmt::Result {
    let NamedBox { named, lines, rect } = of;
    let (kind, mapping) = match named {
        Named::Folio(folio) => {
            let anon_vma = folio.first.anon_vma.filter(|_| folio.first.anon && folio.change != Change::Freed);
            ("folio", anon_vma.map_or(String::new(), |id| format!(r#" data-mapping="{}""#, id.0)))
        }
        Named::Slot(_) => ("slot", String::new()),
    };
    let mut class = String::new();
    class.push_str(match named.change() {
        Change::New => " new",
        Change::Freed => " freed",
        Change::Kept | Change::Changed => "",
    });
    class.push_str(if named.differs().is_empty() { "" } else { " differs" });
    // One that was freed may have the number of one that is there.
    let key = if named.change() == Change::Freed { String::new() } else { named.key() };
    writeln!(out, r#"<g class="{kind}" data-keys="{key}"{mapping}>"#)?;
    if !named.differs().is_empty() {
        writeln!(out, "<title>the sides differ in {}</title>", escape(&named.differs().join(", ")))?;
    }
    write_box(&class, rect, out)?;
    let (x, mut y) = (rect.x + 16.0, rect.y + 5.0 + LINE * 0.5 + 4.0);
    let bad = if named.differs().is_empty() { "" } else { " bad" };
    let note = named.change().note();
    writeln!(
        out,
        r#"<text class="name{bad}" x="{x}" y="{y}">{}<tspan class="quiet">{note}</tspan></text>"#,
        named.name()
    )?;
    for line in lines {
        y += LINE;
        writeln!(out, r#"<text class="small" x="{x}" y="{y}">{}</text>"#, escape(line))?;
    }
    writeln!(out, "</g>")
}
