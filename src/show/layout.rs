//! Where everything lies in a picture. Units are pixels of the unscaled picture.
//!
//! Left, the processes, one below the other, each with its VMAs by address. Right, the forest: one row an anon_vma,
//! children below their parent and further to the right. As a row holds one box alone, an arrow from the left comes to
//! each box without crossing another.

use super::scene::{AnonVma, Fate, Link, Process, Scene, Vma};

/// Width of a VMA's box.
pub(super) const VMA_WIDTH: f64 = 262.0;
/// Width of an anon_vma's box.
pub(super) const ANON_VMA_WIDTH: f64 = 338.0;
/// Between two lines of a box.
pub(super) const LINE: f64 = 15.0;
/// Around everything.
const MARGIN: f64 = 14.0;
/// Height of the headings.
pub(super) const HEADING: f64 = 30.0;
const PROCESS_HEADING: f64 = 22.0;
const GAP: f64 = 8.0;
const INDENT: f64 = 28.0;
/// Between two arrows that come to the same box.
const PORT: f64 = 7.0;
/// Between the processes and the forest: at least this, and so much more for each arrow, up to the most.
const GUTTER: [f64; 3] = [70.0, 2.0, 150.0];
/// Between the boxes of the forest and the line that leads to the root.
const BUS: f64 = 16.0;

/// A box.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Rect {
    pub fn right(&self) -> f64 {
        self.x + self.width
    }
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

/// A process: the line of its name, and its VMAs.
pub(super) struct ProcessBox<'a> {
    pub process: &'a Process,
    pub rect: Rect,
    pub vmas: Vec<(&'a Vma, Rect)>,
}

/// An anon_vma.
pub(super) struct AnonVmaBox<'a> {
    pub anon_vma: &'a AnonVma,
    pub rect: Rect,
}

/// A chain entry: from the VMA to the anon_vma.
pub(super) struct LinkLine<'a> {
    pub process: u8,
    pub vma: &'a Vma,
    pub link: &'a Link,
    pub from: (f64, f64),
    /// Where the forest begins, at the height of the box.
    pub bend: f64,
    pub to: (f64, f64),
}

/// A child's arrow to its parent: down from the parent, right to the child.
pub(super) struct ParentLine {
    pub child: u32,
    /// Below the parent.
    pub head: (f64, f64),
    /// At the child's left edge.
    pub tail: (f64, f64),
}

/// The arrow to a root, which those below it share.
pub(super) struct RootLine {
    pub root: u32,
    /// At the root's right edge.
    pub head: (f64, f64),
    pub bus: f64,
    /// At the others' right edges, from top to bottom.
    pub tails: Vec<(f64, f64)>,
}

/// A scene, laid out.
pub(super) struct Layout<'a> {
    pub width: f64,
    pub height: f64,
    /// Where the forest begins.
    pub forest: f64,
    pub processes: Vec<ProcessBox<'a>>,
    pub anon_vmas: Vec<AnonVmaBox<'a>>,
    pub links: Vec<LinkLine<'a>>,
    pub parents: Vec<ParentLine>,
    pub roots: Vec<RootLine>,
}

/// The rows of the forest: each anon_vma with its depth, a parent before its children. What is reached from no root
/// (which only a defect makes) is a root of its own.
pub(super) fn rows(scene: &Scene) -> Vec<(&AnonVma, usize)> {
    let mut rows: Vec<(&AnonVma, usize)> = Vec::new();
    let is_top = |a: &&AnonVma| a.parent == a.id || !scene.anon_vmas.iter().any(|other| other.id == a.parent);
    // Tops first: then what is left can only be a circle.
    for top in scene.anon_vmas.iter().filter(is_top).chain(&scene.anon_vmas) {
        let mut todo = vec![(top, 0)];
        while let Some((anon_vma, depth)) = todo.pop() {
            if rows.iter().any(|(placed, _)| placed.id == anon_vma.id) {
                continue;
            }
            rows.push((anon_vma, depth));
            let children = scene.anon_vmas.iter().rev().filter(|child| child.parent == anon_vma.id);
            todo.extend(children.map(|child| (child, depth + 1)));
        }
    }
    rows
}

impl<'a> Layout<'a> {
    pub fn new(scene: &'a Scene) -> Layout<'a> {
        let rows = rows(scene);
        let chains = || scene.processes.iter().flat_map(|p| &p.vmas).flat_map(|vma| &vma.chain);
        let [least, each, most] = GUTTER;
        let forest = MARGIN + VMA_WIDTH + (least + each * chains().count() as f64).min(most);

        let mut processes = Vec::new();
        let mut y = HEADING;
        for process in &scene.processes {
            let top = y;
            y += PROCESS_HEADING;
            let mut vmas = Vec::new();
            for vma in &process.vmas {
                let lines = if vma.fate == Fate::Freed { 2 } else { vma.chain.len().max(2) };
                let rect = Rect { x: MARGIN, y, width: VMA_WIDTH, height: 10.0 + LINE * lines as f64 };
                y = rect.bottom() + GAP;
                vmas.push((vma, rect));
            }
            let rect = Rect { x: MARGIN, y: top, width: VMA_WIDTH, height: PROCESS_HEADING };
            processes.push(ProcessBox { process, rect, vmas });
            y += GAP;
        }
        let left_bottom = y;

        let mut anon_vmas: Vec<AnonVmaBox<'a>> = Vec::new();
        y = HEADING;
        for &(anon_vma, depth) in &rows {
            let incoming = chains().filter(|link| link.anon_vma == anon_vma.id).count();
            let lines = 2 + notes(scene, anon_vma).len();
            let height = (10.0 + LINE * lines as f64).max(24.0 + PORT * incoming as f64);
            let rect = Rect { x: forest + INDENT * depth as f64, y, width: ANON_VMA_WIDTH, height };
            y = rect.bottom() + 1.5 * GAP;
            anon_vmas.push(AnonVmaBox { anon_vma, rect });
        }

        let (parents, roots) = (parents(&anon_vmas), roots(&anon_vmas));
        let links = links(&processes, &anon_vmas, forest);
        let right = anon_vmas.iter().map(|a| a.rect.right()).fold(forest + ANON_VMA_WIDTH, f64::max);
        let right = roots.iter().map(|root| root.bus).fold(right, f64::max);
        let (width, height) = (right + MARGIN, y.max(left_bottom) + MARGIN);
        Layout { width, height, forest, processes, anon_vmas, links, parents, roots }
    }
}

/// What there is to say of an anon_vma beyond its counters, a line each.
pub(super) fn notes(scene: &Scene, anon_vma: &AnonVma) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(last) = anon_vma.reused.last() {
        let times = if anon_vma.reused.len() == 1 {
            String::new()
        } else {
            format!(", {} times in all", anon_vma.reused.len())
        };
        notes.push(format!("reused for p{} by operation {}{times}", last.by, last.step));
    }
    if anon_vma.fate != Fate::Freed {
        for (what, id) in [("root", anon_vma.root), ("parent", anon_vma.parent)] {
            if scene.anon_vma(id).is_none() {
                notes.push(format!("{what} anon_vma{id} is not live"));
            }
        }
        let root_here = scene.anon_vma(anon_vma.parent).is_none_or(|parent| parent.root == anon_vma.root);
        if !root_here {
            notes.push(format!("root anon_vma{} is not its parent's", anon_vma.root));
        }
    }
    notes
}

fn parents(boxes: &[AnonVmaBox<'_>]) -> Vec<ParentLine> {
    let of = |id: u32| boxes.iter().find(|a| a.anon_vma.id == id);
    let children = boxes.iter().filter(|a| a.anon_vma.parent != a.anon_vma.id);
    children
        .filter_map(|child| {
            let parent = of(child.anon_vma.parent)?;
            let x = parent.rect.x + INDENT / 2.0;
            // A circle has a child above its parent: its arrow would cross boxes.
            (parent.rect.y < child.rect.y && x < child.rect.x).then_some(ParentLine {
                child: child.anon_vma.id,
                head: (x, parent.rect.bottom()),
                tail: (child.rect.x, child.rect.y + 11.0),
            })
        })
        .collect()
}

fn roots(boxes: &[AnonVmaBox<'_>]) -> Vec<RootLine> {
    let mut lines = Vec::new();
    for root in boxes.iter().filter(|a| a.anon_vma.is_root()) {
        let below: Vec<&AnonVmaBox<'_>> = boxes
            .iter()
            .filter(|a| {
                a.anon_vma.root == root.anon_vma.id && a.anon_vma.id != a.anon_vma.root && a.rect.y > root.rect.y
            })
            .collect();
        if below.is_empty() {
            continue;
        }
        let bus = below.iter().map(|a| a.rect.right()).fold(root.rect.right(), f64::max) + BUS;
        lines.push(RootLine {
            root: root.anon_vma.id,
            head: (root.rect.right(), root.rect.y + 11.0),
            bus,
            tails: below.iter().map(|a| (a.rect.right(), a.rect.y + 11.0)).collect(),
        });
    }
    lines
}

/// Arrows come to a box in the order in which they leave, so that those of one box do not cross at its edge.
fn links<'a>(processes: &[ProcessBox<'a>], boxes: &[AnonVmaBox<'a>], forest: f64) -> Vec<LinkLine<'a>> {
    let mut links = Vec::new();
    for (process, &(vma, rect)) in processes.iter().flat_map(|p| p.vmas.iter().map(move |vma| (p, vma))) {
        if vma.fate == Fate::Freed {
            continue;
        }
        for (place, link) in vma.chain.iter().enumerate() {
            let from = (rect.right(), rect.y + 5.0 + LINE * (place as f64 + 0.5));
            let Some(target) = boxes.iter().find(|a| a.anon_vma.id == link.anon_vma) else { continue };
            links.push(LinkLine {
                process: process.process.mm,
                vma,
                link,
                from,
                bend: forest - 6.0,
                to: (target.rect.x, 0.0),
            });
        }
    }
    for target in boxes {
        let mut coming: Vec<&mut LinkLine<'_>> =
            links.iter_mut().filter(|line| line.link.anon_vma == target.anon_vma.id).collect();
        let room = target.rect.height - 24.0;
        let count = coming.len() as f64;
        for (place, line) in coming.iter_mut().enumerate() {
            line.to.1 = target.rect.y + 18.0 + room * (place as f64 + 0.5) / count;
        }
    }
    links
}
