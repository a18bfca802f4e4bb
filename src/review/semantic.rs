//! Two states of different references, compared up to the names of their objects.
//!
//! VMAs have the same names on both sides: process and first page. An anon_vma is told by what it is to them: the VMAs
//! attached to it and those that are active in it, the folios and references that name it, its parent and its children.
//! Parents make a forest, and a rooted, labelled tree has a canonical form (the labels of a node, then those of its
//! children's trees, sorted); so two graphs are told apart if and only if no renaming makes them one.
//!
//! Once the sides have reused different ancestors their graphs are different for good. What is compared then is what no
//! choice of an ancestor may change ([`Depth::Reused`]).

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use super::calls::Place;
use super::page_tables;
use crate::rmap::{AnonVmaId, MmId, Node, VmaAttributes, VmaId, VmaState};
use crate::world::{Process, World};

/// How much two states have in common by right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// Everything: VMAs, page tables, the graph and its counters.
    Graph,
    /// After another choice of an ancestor to reuse: VMAs, page tables, which VMAs have an anon_vma, which share one, which
    /// share a root, and how many roots there are.
    Reused,
}

/// How two states differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SemanticDifference {
    /// In what they must have alike: which state, and where.
    State(&'static str, String),
    /// In the graph of the anon_vmas, or its counters. Told only at [`Depth::Graph`].
    Graph(&'static str, String),
    /// Only in the order of a chain. Told only at [`Depth::Graph`].
    ChainOrder(String),
}

/// `VM_SOFTDIRTY` and what has no name here are not compared: each kernel has its own.
const FLAGS: u64 = VmaAttributes::READ
    | VmaAttributes::WRITE
    | VmaAttributes::EXEC
    | VmaAttributes::GROWSDOWN
    | VmaAttributes::DONTCOPY
    | VmaAttributes::WIPEONFORK
    | VmaAttributes::ACCOUNT;

/// The first difference there is.
pub fn compare(base: &World, changed: &World, depth: Depth) -> Option<SemanticDifference> {
    if let Some(difference) = compare_spaces(base, changed) {
        return Some(difference);
    }
    let colours = match depth {
        Depth::Reused => [base, changed].map(roots_and_sharing),
        Depth::Graph => {
            let graphs = [Colours::of(base, true), Colours::of(changed, true)];
            return compare_graphs([base, changed], &graphs);
        }
    };
    let [base, changed] = colours;
    (base != changed).then(|| {
        let (what, a, b) = match () {
            () if base.0 != changed.0 => ("sharing of roots", &base.0, &changed.0),
            () if base.1 != changed.1 => ("sharing of anon_vmas", &base.1, &changed.1),
            () => return SemanticDifference::State("number of roots", format!("{} and {}", base.2, changed.2)),
        };
        SemanticDifference::State(what, format!("{} and {}", partition_text(a), partition_text(b)))
    })
}

/// In which order a walk of the mappings of a page's folio comes to the VMAs of its anon_vma.
pub(super) fn walk_order(world: &World, mm: MmId, page: u64) -> Option<Vec<Place>> {
    let mapped = world.process(mm)?.pages.iter().find(|mapped| mapped.page == page)?;
    let anon_vma = world.anon_vma(world.folio(mapped.folio)?.mapping?)?;
    let mut order = Vec::new();
    in_order(&mut anon_vma.tree.iter(), &mut order);
    let place = |id: &VmaId| {
        let of = |process: &Process| {
            let vma = process.vmas.iter().find(|vma| vma.id == *id)?;
            Some((process.mm, vma.range.start))
        };
        world.processes.iter().find_map(of)
    };
    Some(order.iter().filter_map(place).collect())
}

/// The VMAs of a tree, which is given in preorder, in order.
fn in_order<'n>(nodes: &mut impl Iterator<Item = &'n Node>, out: &mut Vec<VmaId>) {
    let Some(node) = nodes.next() else { return };
    if node.left {
        in_order(nodes, out);
    }
    out.push(node.vma);
    if node.right {
        in_order(nodes, out);
    }
}

/// VMAs and page tables.
fn compare_spaces(base: &World, changed: &World) -> Option<SemanticDifference> {
    let state = |what, detail| Some(SemanticDifference::State(what, detail));
    let alive = |world: &World| world.processes.iter().map(|process| process.mm).collect::<Vec<_>>();
    if alive(base) != alive(changed) {
        let text = |world: &World| listed(alive(world).iter().map(MmId::to_string));
        return state("processes", both(text(base), text(changed)));
    }
    let mut folios = Pairs::default();
    for (ours, theirs) in base.processes.iter().zip(&changed.processes) {
        let geometry = |process: &Process| process.vmas.iter().map(vma_text).collect::<Vec<_>>().join(", ");
        if ours.vmas.len() != theirs.vmas.len()
            || ours.vmas.iter().zip(&theirs.vmas).any(|(a, b)| vma_words(a) != vma_words(b))
        {
            return state("VMAs", format!("{} has {} and {}", ours.mm, geometry(ours), geometry(theirs)));
        }
        let faulted = |vma: &VmaState| vma.anon_vma.is_some();
        if let Some((a, _)) = ours.vmas.iter().zip(&theirs.vmas).find(|(a, b)| faulted(a) != faulted(b)) {
            let [has, has_not] = if faulted(a) { ["has one", "has none"] } else { ["has none", "has one"] };
            return state("VMAs with an anon_vma", format!("{} of {}: {has} and {has_not}", vma_text(a), ours.mm));
        }
        let pages = |process: &Process| process.pages.iter().map(|p| (p.page, p.exclusive)).collect::<Vec<_>>();
        if pages(ours) != pages(theirs) {
            let said =
                |&(page, exclusive): &(u64, bool)| format!("{page:#x}{}", if exclusive { " exclusive" } else { "" });
            let text = |process: &Process| listed(pages(process).iter().map(said));
            return state("page tables", format!("{} has {}", ours.mm, both(text(ours), text(theirs))));
        }
        for (a, b) in ours.pages.iter().zip(&theirs.pages) {
            if !folios.agree(a.folio, b.folio) {
                return state("sharing of folios", format!("the folio at {:#x} of {}", a.page, ours.mm));
            }
        }
    }
    if base.stray_vmas != changed.stray_vmas {
        return state("VMAs of no process", format!("{} and {}", base.stray_vmas, changed.stray_vmas));
    }
    if let (Some(ours), Some(theirs)) = (&base.tables, &changed.tables)
        && let Some(difference) = page_tables::compare(ours, theirs)
    {
        return Some(difference);
    }
    let held = |world: &World| world.pins.iter().map(Option::is_some).collect::<Vec<_>>();
    if held(base) != held(changed) {
        let held = |world: &World| {
            let held = world.pins.iter().enumerate().filter(|(_, pin)| pin.is_some());
            listed(held.map(|(place, _)| place.to_string()))
        };
        return state("references held", both(held(base), held(changed)));
    }
    None
}

/// What the base has, and what the changed kernel has instead.
pub(super) fn both(base: String, changed: String) -> String {
    format!("{base}; against {changed}")
}

fn listed(things: impl Iterator<Item = String>) -> String {
    let text = things.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".to_owned() } else { text }
}

fn vma_words(vma: &VmaState) -> [u64; 5] {
    let attributes = &vma.attributes;
    [vma.range.start, vma.range.end, vma.range.pgoff, attributes.flags & FLAGS, attributes.file.into()]
}

fn vma_text(vma: &VmaState) -> String {
    format!("{} flags {:#x}", vma.range, vma.attributes.flags & FLAGS)
}

/// Names that have been met on both sides at the same places.
pub(super) struct Pairs<T>(pub(super) Vec<(T, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Pairs<T> {
        Pairs(Vec::new())
    }
}

impl<T: PartialEq + Copy> Pairs<T> {
    /// Whether the two stand for each other, as far as is known.
    pub(super) fn agree(&mut self, a: T, b: T) -> bool {
        match self.0.iter().find(|(ours, theirs)| *ours == a || *theirs == b) {
            Some(&pair) => pair == (a, b),
            None => {
                self.0.push((a, b));
                true
            }
        }
    }
}

type Partition = Vec<Vec<Place>>;

/// Which VMAs share a root, which share an anon_vma, and how many roots live.
fn roots_and_sharing(world: &World) -> (Partition, Partition, usize) {
    let mut by_root: BTreeMap<AnonVmaId, Vec<Place>> = BTreeMap::new();
    let mut by_anon_vma: BTreeMap<AnonVmaId, Vec<Place>> = BTreeMap::new();
    for process in &world.processes {
        for vma in &process.vmas {
            let place = (process.mm, vma.range.start);
            if let Some(id) = vma.anon_vma {
                by_anon_vma.entry(id).or_default().push(place);
                let root = world.anon_vma(id).map_or(id, |anon_vma| anon_vma.root);
                by_root.entry(root).or_default().push(place);
            }
        }
    }
    let sorted = |parts: BTreeMap<AnonVmaId, Vec<Place>>| {
        let mut parts: Vec<Vec<Place>> = parts.into_values().collect();
        parts.sort_unstable();
        parts
    };
    let roots = world.anon_vmas.iter().filter(|anon_vma| anon_vma.root == anon_vma.id).count();
    (sorted(by_root), sorted(by_anon_vma), roots)
}

fn partition_text(parts: &Partition) -> String {
    let part =
        |part: &Vec<Place>| part.iter().map(|(mm, page)| format!("{mm}:{page:#x}")).collect::<Vec<_>>().join(" ");
    format!("{{{}}}", parts.iter().map(part).collect::<Vec<_>>().join(" | "))
}

fn compare_graphs(worlds: [&World; 2], graphs: &[Colours; 2]) -> Option<SemanticDifference> {
    let [base, changed] = worlds;
    if graphs[0].all() != graphs[1].all() {
        let live = format!("{} and {} anon_vmas live", base.anon_vmas.len(), changed.anon_vmas.len());
        // Without what is counted: is it the graph, or the counters?
        let bare = [Colours::of(base, false), Colours::of(changed, false)];
        let what = if bare[0].all() == bare[1].all() { "counters of anon_vmas" } else { "graph of anon_vmas" };
        let detail = differing(worlds, graphs).unwrap_or(live);
        return Some(SemanticDifference::Graph(what, detail));
    }
    let chain = |vma: &VmaState, colours: &Colours| -> Vec<u64> {
        vma.chain.iter().map(|link| colours.of_anon_vma(link.anon_vma)).collect()
    };
    for (ours, theirs) in base.processes.iter().zip(&changed.processes) {
        for (a, b) in ours.vmas.iter().zip(&theirs.vmas) {
            let [a_chain, b_chain] = [chain(a, &graphs[0]), chain(b, &graphs[1])];
            if a_chain != b_chain {
                let mut sorted = [a_chain.clone(), b_chain.clone()];
                sorted.iter_mut().for_each(|chain| chain.sort_unstable());
                if sorted[0] != sorted[1] {
                    let detail = format!("chain of {} of {}", vma_text(a), ours.mm);
                    return Some(SemanticDifference::Graph("graph of anon_vmas", detail));
                }
                let text = |vma: &VmaState, world: &World| {
                    let ages = vma.chain.iter().map(|link| depth(world, link.anon_vma).to_string());
                    ages.collect::<Vec<_>>().join(" ")
                };
                let (a_text, b_text) = (text(a, base), text(b, changed));
                return Some(SemanticDifference::ChainOrder(format!(
                    "the chain of {}'s VMA at {:#x}, by generations from the root: {a_text} and {b_text}",
                    ours.mm, a.range.start
                )));
            }
        }
    }
    None
}

/// A VMA whose anon_vma is not the same on both sides.
fn differing(worlds: [&World; 2], graphs: &[Colours; 2]) -> Option<String> {
    let [base, changed] = worlds;
    let text = |world: &World, id: AnonVmaId| match world.anon_vma(id) {
        Some(a) => format!(
            "generation {}, refcount {}, {} children, {} active VMAs, {} attached",
            depth(world, id),
            a.refcount,
            a.num_children,
            a.num_active_vmas,
            a.tree.len()
        ),
        None => "not live".into(),
    };
    let pairs = base.processes.iter().zip(&changed.processes);
    let mut vmas = pairs.flat_map(|(a, b)| a.vmas.iter().zip(&b.vmas).map(|(x, y)| (a.mm, x, y)));
    vmas.find_map(|(mm, a, b)| {
        let (ours, theirs) = (a.anon_vma?, b.anon_vma?);
        (graphs[0].of_anon_vma(ours) != graphs[1].of_anon_vma(theirs)).then(|| {
            let place = format!("{mm}'s VMA at {:#x}", a.range.start);
            format!("the anon_vma of {place}: {} against {}", text(base, ours), text(changed, theirs))
        })
    })
}

/// How far an anon_vma is from its root.
pub fn depth(world: &World, id: AnonVmaId) -> usize {
    let mut at = id;
    for depth in 0..=world.anon_vmas.len() {
        match world.anon_vma(at) {
            Some(anon_vma) if anon_vma.parent != at => at = anon_vma.parent,
            _ => return depth,
        }
    }
    world.anon_vmas.len()
}

/// What each anon_vma is to its world, as a number: anon_vmas of two worlds have the same if and only if a renaming of one
/// world to the other takes one to the other (except for the chance of a collision).
pub struct Colours {
    of: FxHashMap<AnonVmaId, u64>,
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    // Its low bits are poor.
    hasher.finish().wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

#[derive(Default)]
struct Label {
    attached: Vec<Place>,
    active: Vec<Place>,
    folios: Vec<Place>,
    pins: Vec<usize>,
    counters: [u64; 3],
    children: Vec<AnonVmaId>,
    parent: Option<AnonVmaId>,
}

impl Colours {
    /// `counted`: with what is counted in an anon_vma.
    pub fn of(world: &World, counted: bool) -> Colours {
        let mut labels: BTreeMap<AnonVmaId, Label> = BTreeMap::new();
        for anon_vma in &world.anon_vmas {
            let label = labels.entry(anon_vma.id).or_default();
            if counted {
                let [refs, children] = [anon_vma.refcount as u64, anon_vma.num_children];
                label.counters = [refs, children, anon_vma.num_active_vmas];
            }
            if anon_vma.parent != anon_vma.id {
                label.parent = Some(anon_vma.parent);
                labels.entry(anon_vma.parent).or_default().children.push(anon_vma.id);
            }
        }
        for process in &world.processes {
            for vma in &process.vmas {
                let place = (process.mm, vma.range.start);
                for link in &vma.chain {
                    labels.entry(link.anon_vma).or_default().attached.push(place);
                }
                if let Some(id) = vma.anon_vma {
                    labels.entry(id).or_default().active.push(place);
                }
            }
            for page in &process.pages {
                if let Some(mapping) = world.folio(page.folio).and_then(|folio| folio.mapping) {
                    labels.entry(mapping).or_default().folios.push((process.mm, page.page));
                }
            }
        }
        for (slot, pin) in world.pins.iter().enumerate() {
            if let Some(id) = pin {
                labels.entry(*id).or_default().pins.push(slot);
            }
        }
        let mut trees = FxHashMap::default();
        for &id in labels.keys() {
            tree(id, &labels, &mut trees, labels.len());
        }
        let mut of = FxHashMap::default();
        for &id in labels.keys() {
            // Its own tree, then those of all its ancestors.
            let mut path = vec![trees[&id]];
            let mut at = id;
            while let Some(parent) = labels[&at].parent.filter(|_| path.len() <= labels.len()) {
                path.push(trees.get(&parent).copied().unwrap_or(0));
                at = parent;
            }
            of.insert(id, hash(path));
        }
        Colours { of }
    }

    /// That of one; 0 for one that is not there.
    pub fn of_anon_vma(&self, id: AnonVmaId) -> u64 {
        self.of.get(&id).copied().unwrap_or(0)
    }

    /// All of them, in order.
    fn all(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.of.values().copied().collect();
        all.sort_unstable();
        all
    }
}

/// The canonical form of the tree below an anon_vma. `left`: how deep it can be, lest a ring of parents has no end.
fn tree(id: AnonVmaId, labels: &BTreeMap<AnonVmaId, Label>, trees: &mut FxHashMap<AnonVmaId, u64>, left: usize) -> u64 {
    if let Some(&known) = trees.get(&id) {
        return known;
    }
    let (Some(label), Some(left)) = (labels.get(&id), left.checked_sub(1)) else { return 0 };
    let mut below: Vec<u64> = label.children.iter().map(|&child| tree(child, labels, trees, left)).collect();
    below.sort_unstable();
    let mut attached = label.attached.clone();
    attached.sort_unstable();
    let own = (&attached, &label.active, &label.folios, &label.pins, label.counters);
    let form = hash((own, below));
    trees.insert(id, form);
    form
}
