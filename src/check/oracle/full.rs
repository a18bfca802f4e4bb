//! The whole state against I1 to I8: slow, plain, and the authority.

use super::tree::{self, Key};
use super::{ChainOrder, Rules, TreeKey};
use crate::check::violation::{Invariant, Object, Violation};
use crate::rmap::{AnonVmaId, AnonVmaState, AvcId, Node, Snapshot, VmaState, stream};

/// Everything that I1 to I8 say of a quiescent state in which nobody holds a reference from outside.
pub fn full(snapshot: &Snapshot, rules: Rules) -> Vec<Violation> {
    full_with_pins(snapshot, rules, &[])
}

/// The same with references from outside, so many on each anon_vma.
pub fn full_with_pins(snapshot: &Snapshot, rules: Rules, pins: &[(AnonVmaId, u32)]) -> Vec<Violation> {
    full_in(snapshot, rules, pins, &mut Room::default())
}

/// The same, in memory that was used before.
pub(in crate::check) fn full_in(
    snapshot: &Snapshot,
    rules: Rules,
    pins: &[(AnonVmaId, u32)],
    room: &mut Room,
) -> Vec<Violation> {
    let mut checker = Checker::new(snapshot, rules, pins, room);
    for vma in &snapshot.vmas {
        checker.vma(vma);
    }
    checker.same_anon_vma_same_chain(rules.order);
    for (at, anon_vma) in snapshot.anon_vmas.iter().enumerate() {
        checker.anon_vma(at, anon_vma);
    }
    checker.violations
}

/// What the state itself says of an anon_vma, counted from the objects that name it.
#[derive(Clone, Copy, Default)]
struct Counts {
    attached: u64,
    active: u64,
    children: u64,
    descendants: i64,
    pins: i64,
}

/// What is counted in a state.
#[derive(Default)]
pub(in crate::check) struct Room {
    /// Of each anon_vma, in the snapshot's order.
    counts: Vec<Counts>,
    /// Likewise: the place of the first VMA that has it.
    first: Vec<Option<usize>>,
    /// Every node of every tree, sorted.
    nodes: Vec<(AvcId, AnonVmaId)>,
}

struct Checker<'a> {
    snapshot: &'a Snapshot,
    rules: Rules,
    room: &'a mut Room,
    violations: Vec<Violation>,
}

impl<'a> Checker<'a> {
    fn new(snapshot: &'a Snapshot, rules: Rules, pins: &[(AnonVmaId, u32)], room: &'a mut Room) -> Self {
        let Room { counts, first, nodes } = room;
        counts.clear();
        counts.resize(snapshot.anon_vmas.len(), Counts::default());
        first.clear();
        first.resize(snapshot.anon_vmas.len(), None);
        nodes.clear();
        let mut count = |id: AnonVmaId, add: fn(&mut Counts)| {
            if let Some(at) = position(snapshot, id) {
                add(&mut counts[at]);
            }
        };
        for vma in &snapshot.vmas {
            if let Some(anon_vma) = vma.anon_vma {
                count(anon_vma, |counts| counts.active += 1);
            }
            for link in &vma.chain {
                count(link.anon_vma, |counts| counts.attached += 1);
            }
        }
        for &(id, pinned) in pins {
            (0..pinned).for_each(|_| count(id, |counts| counts.pins += 1));
        }
        for anon_vma in &snapshot.anon_vmas {
            // Without VMAs it has left its parent.
            if !anon_vma.tree.is_empty() {
                count(anon_vma.parent, |counts| counts.children += 1);
            }
            if anon_vma.root != anon_vma.id {
                count(anon_vma.root, |counts| counts.descendants += 1);
            }
            nodes.extend(anon_vma.tree.iter().map(|node| (node.avc, anon_vma.id)));
        }
        nodes.sort_unstable();
        Checker { snapshot, rules, room, violations: Vec::new() }
    }

    fn fail(&mut self, invariant: Invariant, what: &'static str, objects: &[Object], detail: String) {
        self.violations.push(Violation::new(invariant, what, objects.iter().copied(), detail));
    }

    fn vma(&mut self, vma: &'a VmaState) {
        let id = vma.id;
        let on_chain = |anon_vma: AnonVmaId| vma.chain.iter().any(|link| link.anon_vma == anon_vma);
        let mut roots: Option<(AnonVmaId, AnonVmaId)> = None;
        for (at, link) in vma.chain.iter().enumerate() {
            let objects = [id.into(), link.avc.into(), link.anon_vma.into()];
            if link.vma != id {
                let detail = format!("{} is on the chain of {id}, but its vma is {}", link.avc, link.vma);
                self.fail(Invariant::I2, "avc->vma", &objects, detail);
            }
            if vma.chain[..at].iter().any(|other| other.anon_vma == link.anon_vma) {
                let detail = format!("{} is on the chain of {id} twice", link.anon_vma);
                self.fail(Invariant::I2, "anon_vma twice on a chain", &objects, detail);
            }
            let Some(anon_vma) = self.snapshot.anon_vma(link.anon_vma) else {
                let detail = format!("{} of {id} names {}, which is not live", link.avc, link.anon_vma);
                self.fail(Invariant::I2, "chain names a dead anon_vma", &objects, detail);
                continue;
            };
            let first = roots.get_or_insert((anon_vma.root, anon_vma.root)).0;
            if first != anon_vma.root {
                roots = Some((first, anon_vma.root));
            }
            if self.room.nodes.binary_search(&(link.avc, link.anon_vma)).is_err() {
                let detail = format!("{} of {id} is not in the tree of {}", link.avc, link.anon_vma);
                self.fail(Invariant::I2, "avc not in its tree", &objects, detail);
            }
        }
        if let Some((first, other)) = roots.filter(|(first, other)| first != other) {
            let detail = format!("the chain of {id} has anon_vmas of the roots {first} and {other}");
            self.fail(Invariant::I3, "several roots on a chain", &[id.into()], detail);
        }
        for link in &vma.chain {
            let Some(anon_vma) = self.snapshot.anon_vma(link.anon_vma) else { continue };
            if !on_chain(anon_vma.parent) {
                let detail = format!("{id} is attached to {} but not to its parent {}", anon_vma.id, anon_vma.parent);
                self.fail(Invariant::I4, "not attached to the parent", &[id.into(), anon_vma.id.into()], detail);
            }
        }
        let Some(own) = vma.anon_vma else {
            if !vma.chain.is_empty() {
                let detail = format!("{id} has no anon_vma, but {} chain entries", vma.chain.len());
                self.fail(Invariant::I1, "chain without anon_vma", &[id.into()], detail);
            }
            return;
        };
        if vma.chain.is_empty() {
            let detail = format!("{id} has {own}, but an empty chain");
            self.fail(Invariant::I1, "anon_vma without chain", &[id.into(), own.into()], detail);
            return;
        }
        if !on_chain(own) {
            let detail = format!("{own} of {id} is not on its chain");
            self.fail(Invariant::I1, "anon_vma not on the chain", &[id.into(), own.into()], detail);
        }
        if let Some(state) = self.snapshot.anon_vma(own).filter(|a| !on_chain(a.root)) {
            let detail = format!("the root {} of {own} is not on the chain of {id}", state.root);
            self.fail(Invariant::I1, "root not on the chain", &[id.into(), state.root.into()], detail);
        }
    }

    fn same_anon_vma_same_chain(&mut self, order: ChainOrder) {
        let snapshot = self.snapshot;
        for (place, vma) in snapshot.vmas.iter().enumerate() {
            let Some((own, at)) = vma.anon_vma.and_then(|own| Some((own, position(snapshot, own)?))) else { continue };
            let other = &snapshot.vmas[*self.room.first[at].get_or_insert(place)];
            if vma.mm != other.mm {
                let objects = [vma.id.into(), other.id.into(), own.into()];
                let (id, mm, other, other_mm) = (vma.id, vma.mm, other.id, other.mm);
                let detail = format!("{own} is the anon_vma of {id} in {mm} and of {other} in {other_mm}");
                self.fail(Invariant::I7, "one anon_vma in two processes", &objects, detail);
                continue;
            }
            let [chain, want] = [vma, other].map(|vma| vma.chain.iter().map(|link| link.anon_vma));
            if chain.clone().eq(want.clone()) {
                continue;
            }
            let all_in = |some: &VmaState, others: &VmaState| {
                some.chain.iter().all(|link| others.chain.iter().any(|other| other.anon_vma == link.anon_vma))
            };
            let as_many = vma.chain.len() == other.chain.len();
            if order != ChainOrder::Kept && as_many && all_in(vma, other) && all_in(other, vma) {
                continue;
            }
            let [chain, want] = [chain, want].map(|ids| {
                let mut ids: Vec<AnonVmaId> = ids.collect();
                ids.sort_unstable();
                ids
            });
            let objects = [vma.id.into(), other.id.into(), own.into()];
            if chain == want {
                if order == ChainOrder::Kept {
                    let detail =
                        format!("{} and {} both have {own}, but their chains differ in order", vma.id, other.id);
                    self.fail(Invariant::I7, "same anon_vma, other order", &objects, detail);
                }
            } else {
                let [chain, want] = [chain, want].map(|ids| list(&ids));
                let (id, other) = (vma.id, other.id);
                let detail = format!("{id} and {other} both have {own}, but the chains {chain} and {want}");
                self.fail(Invariant::I7, "same anon_vma, different chains", &objects, detail);
            }
        }
    }

    fn anon_vma(&mut self, at: usize, anon_vma: &'a AnonVmaState) {
        let id = anon_vma.id;
        let (is_root, own_parent) = (anon_vma.root == id, anon_vma.parent == id);
        if is_root != own_parent {
            let detail = format!("{id} has the root {} and the parent {}", anon_vma.root, anon_vma.parent);
            self.fail(Invariant::I3, "root and parent", &[id.into()], detail);
        }
        for (name, other) in [("root", anon_vma.root), ("parent", anon_vma.parent)] {
            match self.snapshot.anon_vma(other) {
                // It may have gone before a child without VMAs, which only a reference keeps.
                None if name == "parent" && anon_vma.tree.is_empty() && self.room.counts[at].pins > 0 => {}
                None => {
                    let detail = format!("the {name} {other} of {id} is not live");
                    self.fail(Invariant::I3, "dead root or parent", &[id.into(), other.into()], detail);
                }
                Some(state) if state.root != anon_vma.root => {
                    let detail = format!("{id} has the root {}, its {name} {other} has {}", anon_vma.root, state.root);
                    self.fail(Invariant::I3, "root of the parent", &[id.into(), other.into()], detail);
                }
                Some(_) => {}
            }
        }
        let counts = self.room.counts[at];
        let kept = counts.pins > 0 || (is_root && counts.descendants > 0);
        self.membership(anon_vma, counts.attached, kept);
        if anon_vma.num_active_vmas == stream::ONE_COUNTER {
            let both = counts.children + counts.active;
            if anon_vma.num_children != both {
                let (degree, children, active) = (anon_vma.num_children, counts.children, counts.active);
                let detail =
                    format!("{id} has degree {degree}, it is the parent of {children} and the anon_vma of {active}");
                self.fail(Invariant::I5, "degree", &[id.into()], detail);
            }
        } else if anon_vma.num_active_vmas != counts.active {
            let detail = format!(
                "{id} has num_active_vmas {}, it is the anon_vma of {}",
                anon_vma.num_active_vmas, counts.active
            );
            self.fail(Invariant::I5, "num_active_vmas", &[id.into()], detail);
        }
        if anon_vma.num_active_vmas != stream::ONE_COUNTER && anon_vma.num_children != counts.children {
            let detail =
                format!("{id} has num_children {}, it is the parent of {}", anon_vma.num_children, counts.children);
            self.fail(Invariant::I5, "num_children", &[id.into()], detail);
        }
        let want = i64::from(counts.attached > 0) + counts.pins + if is_root { counts.descendants } else { 0 };
        if anon_vma.refcount != want {
            let detail = format!("{id} has refcount {}, {want} are accounted for", anon_vma.refcount);
            self.fail(Invariant::I6, "refcount", &[id.into()], detail);
        }
        let snapshot = self.snapshot;
        let by = self.rules.key;
        let key = |node: &Node| {
            snapshot.vma(node.vma).map(|v| {
                let first = match by {
                    TreeKey::Pgoff => v.range.pgoff,
                    TreeKey::AnonPgoff => v.attributes.anon_pgoff,
                };
                Key { first, last: first + (v.range.last_pgoff() - v.range.pgoff) }
            })
        };
        if let Err(fault) = tree::check_whole(anon_vma.tree.iter().copied(), anon_vma.leftmost, key) {
            let objects = std::iter::once(id.into()).chain(fault.avc.map(Into::into));
            let detail = format!("tree of {id}: {}", fault.detail);
            self.violations.push(Violation::new(Invariant::I8, fault.what, objects, detail));
        }
    }

    fn membership(&mut self, anon_vma: &'a AnonVmaState, attached: u64, kept: bool) {
        let id = anon_vma.id;
        for node in &anon_vma.tree {
            let owner = self.snapshot.vma(node.vma);
            if !owner.is_some_and(|v| v.chain.iter().any(|link| link.avc == node.avc && link.anon_vma == id)) {
                let detail = format!("{} of {} is in the tree of {id}, but on no chain", node.avc, node.vma);
                let objects = [id.into(), node.avc.into(), node.vma.into()];
                self.fail(Invariant::I4, "tree holds an unattached VMA", &objects, detail);
            }
        }
        if anon_vma.tree.len() as u64 != attached {
            let detail = format!("the tree of {id} has {} nodes, {attached} VMAs are attached", anon_vma.tree.len());
            self.fail(Invariant::I4, "tree size", &[id.into()], detail);
        }
        if attached == 0 && !kept {
            let detail = format!("{id} is live with refcount {}, but no VMA is attached", anon_vma.refcount);
            self.fail(Invariant::I4, "live without a VMA", &[id.into()], detail);
        }
    }
}

/// Where in the snapshot an anon_vma is, if it is live.
fn position(snapshot: &Snapshot, id: AnonVmaId) -> Option<usize> {
    snapshot.anon_vmas.binary_search_by_key(&id, |anon_vma| anon_vma.id).ok()
}

fn list(ids: &[AnonVmaId]) -> String {
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("[{}]", names.join(" "))
}
