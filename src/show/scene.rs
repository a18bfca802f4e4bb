//! One side after one step, with what has changed since the step before.
//!
//! Objects are told apart by birth serial, so that what is new and what is freed follows from two successive states.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::check::{FieldDiff, Object, tree_text};
use crate::rmap::{AnonVmaId, AnonVmaState, MmId, Snapshot, VmaAttributes, VmaId, VmaState};

/// What the step did to an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It was there before, and is.
    Kept,
    /// The step made it.
    New,
    /// The step freed it: it is as it was before.
    Freed,
}

/// One side's world.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Scene {
    /// Whose it is, for a caption.
    pub caption: String,
    /// By number.
    pub processes: Vec<Process>,
    /// By serial.
    pub anon_vmas: Vec<AnonVma>,
    /// Why the state could not be read, if it could not.
    pub unreadable: Option<String>,
}

/// A process and what it has mapped.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Process {
    /// Its number.
    pub mm: u8,
    /// What became of it.
    pub fate: Fate,
    /// By address.
    pub vmas: Vec<Vma>,
}

/// One entry of a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Link {
    /// The serial of the anon_vma_chain.
    pub avc: u32,
    /// The serial of its anon_vma.
    pub anon_vma: u32,
    /// The other side has another one at this place.
    pub differs: bool,
}

/// A VMA.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Vma {
    /// Its serial.
    pub id: u32,
    /// What became of it.
    pub fate: Fate,
    /// First page.
    pub start: u64,
    /// One past the last page.
    pub end: u64,
    /// Page offset of the first page.
    pub pgoff: u64,
    /// What else it is: `rw`, `r`, and the flags that a fork or a merge asks for.
    pub kind: String,
    /// It is in no mm's tree: it leaked.
    pub unmapped: bool,
    /// The serial of `vma->anon_vma`.
    pub anon_vma: Option<u32>,
    /// In list order.
    pub chain: Vec<Link>,
    /// Fields in which the sides differ.
    pub differs: Vec<&'static str>,
}

/// An anon_vma.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AnonVma {
    /// Its serial.
    pub id: u32,
    /// What became of it.
    pub fate: Fate,
    /// The serial of `root`.
    pub root: u32,
    /// The serial of `parent`.
    pub parent: u32,
    /// `refcount`
    pub refcount: i64,
    /// `num_children`
    pub num_children: u64,
    /// `num_active_vmas`
    pub num_active_vmas: u64,
    /// How many VMAs its interval tree holds.
    pub vmas: usize,
    /// The tree, in preorder, as a report writes it.
    pub tree: String,
    /// Each fork that took it for the child rather than make another.
    pub reused: Vec<Reuse>,
    /// Fields in which the sides differ.
    pub differs: Vec<&'static str>,
}

/// A fork gave an anon_vma that was there to the child.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Reuse {
    /// The operation, from 1.
    pub step: usize,
    /// The child.
    pub by: u8,
}

impl AnonVma {
    /// It is its own root.
    pub fn is_root(&self) -> bool {
        self.root == self.id
    }
}

impl Scene {
    /// After a step. `before`: the same side before it; `alive`: the processes that exist and what each has mapped, or none
    /// if the step was stopped half-way, so that nobody knows;
    /// `forked`: the child, if the step was a fork.
    pub(super) fn new(
        caption: &str,
        step: usize,
        snapshot: &Snapshot,
        alive: Option<&[(MmId, Vec<VmaId>)]>,
        forked: Option<MmId>,
        before: Option<&Scene>,
    ) -> Scene {
        let processes: Vec<u8> = match alive {
            Some(alive) => alive.iter().map(|(mm, _)| mm.0).collect(),
            None => before.map_or_else(Vec::new, Scene::alive),
        };
        let mut vmas: BTreeMap<u8, Vec<Vma>> = processes.into_iter().map(|mm| (mm, Vec::new())).collect();
        for state in &snapshot.vmas {
            let known = before.is_some_and(|before| before.has_vma(state.id.0));
            let lists = |(mm, mapped): &(MmId, Vec<VmaId>)| *mm == state.mm && mapped.contains(&state.id);
            let mapped = alive.is_none_or(|alive| alive.iter().any(lists));
            vmas.entry(state.mm.0).or_default().push(vma(state, known, mapped));
        }
        let mut processes: Vec<Process> = vmas
            .into_iter()
            .map(|(mm, vmas)| {
                let known = before.is_none_or(|before| before.has_process(mm));
                Process { mm, fate: if known { Fate::Kept } else { Fate::New }, vmas }
            })
            .collect();
        let mut anon_vmas: Vec<AnonVma> = snapshot
            .anon_vmas
            .iter()
            .map(|state| {
                let known = before.and_then(|before| before.anon_vma(state.id.0));
                let taken = known.is_some() && forked.is_some_and(|child| took(snapshot, child, state, before));
                let mut anon_vma = anon_vma(state, known);
                anon_vma.reused.extend(taken.then(|| Reuse { step, by: forked.map_or(0, |child| child.0) }));
                anon_vma
            })
            .collect();
        if let Some(before) = before {
            before.add_freed(&mut processes, &mut anon_vmas);
        }
        processes.iter_mut().for_each(|process| process.vmas.sort_by_key(|vma| (vma.start, vma.id)));
        Scene { caption: caption.to_owned(), processes, anon_vmas, unreadable: None }
    }

    /// What was there and is not any more.
    fn add_freed(&self, processes: &mut Vec<Process>, anon_vmas: &mut Vec<AnonVma>) {
        for process in self.processes.iter().filter(|process| process.fate != Fate::Freed) {
            let gone = |vma: &&Vma| {
                let same = |now: &Process| now.vmas.iter().any(|now| now.id == vma.id);
                vma.fate != Fate::Freed && !processes.iter().any(same)
            };
            let freed: Vec<Vma> =
                process.vmas.iter().filter(gone).map(|vma| Vma { fate: Fate::Freed, ..vma.clone() }).collect();
            match processes.iter_mut().find(|now| now.mm == process.mm) {
                Some(now) => now.vmas.extend(freed),
                None => processes.push(Process { mm: process.mm, fate: Fate::Freed, vmas: freed }),
            }
        }
        processes.sort_by_key(|process| process.mm);
        for anon_vma in self.anon_vmas.iter().filter(|anon_vma| anon_vma.fate != Fate::Freed) {
            if !anon_vmas.iter().any(|now| now.id == anon_vma.id) {
                anon_vmas.push(AnonVma { fate: Fate::Freed, ..anon_vma.clone() });
            }
        }
        anon_vmas.sort_by_key(|anon_vma| anon_vma.id);
    }

    /// A side whose state does not decode.
    pub(super) fn unreadable(caption: &str, why: String) -> Scene {
        Scene { caption: caption.to_owned(), unreadable: Some(why), ..Scene::default() }
    }

    /// The processes that exist.
    fn alive(&self) -> Vec<u8> {
        self.processes.iter().filter(|process| process.fate != Fate::Freed).map(|process| process.mm).collect()
    }

    fn has_process(&self, mm: u8) -> bool {
        self.processes.iter().any(|process| process.mm == mm && process.fate != Fate::Freed)
    }

    fn has_vma(&self, id: u32) -> bool {
        let vmas = self.processes.iter().flat_map(|process| &process.vmas);
        vmas.into_iter().any(|vma| vma.id == id && vma.fate != Fate::Freed)
    }

    /// The live anon_vma of that serial.
    pub fn anon_vma(&self, id: u32) -> Option<&AnonVma> {
        self.anon_vmas.iter().find(|anon_vma| anon_vma.id == id && anon_vma.fate != Fate::Freed)
    }

    /// Marks what differs between two sides.
    pub(super) fn mark(sides: &mut [Scene; 2], fields: &[FieldDiff]) {
        let others = sides.clone();
        for (scene, other) in sides.iter_mut().zip(others.iter().rev()) {
            let theirs: Vec<&Vma> = other.processes.iter().flat_map(|process| &process.vmas).collect();
            for vma in scene.processes.iter_mut().flat_map(|process| &mut process.vmas) {
                let of_this = |field: &&FieldDiff| field.object.is_some_and(|o| o == Object::Vma(VmaId(vma.id)));
                vma.differs = fields.iter().filter(of_this).map(|field| field.field).collect();
                let Some(their) = theirs.iter().find(|their| their.id == vma.id) else { continue };
                for (place, link) in vma.chain.iter_mut().enumerate() {
                    let same = |their: &Link| their.avc == link.avc && their.anon_vma == link.anon_vma;
                    link.differs = !their.chain.get(place).is_some_and(same);
                }
            }
            for anon_vma in &mut scene.anon_vmas {
                let object = Object::AnonVma(AnonVmaId(anon_vma.id));
                let of_this = |field: &&FieldDiff| field.object == Some(object);
                anon_vma.differs = fields.iter().filter(of_this).map(|field| field.field).collect();
            }
        }
    }
}

/// Whether a fork gave this anon_vma, which was there before, to a VMA of the child.
fn took(snapshot: &Snapshot, child: MmId, state: &AnonVmaState, before: Option<&Scene>) -> bool {
    let new = |vma: &&VmaState| !before.is_some_and(|before| before.has_vma(vma.id.0));
    snapshot.vmas.iter().filter(new).any(|vma| vma.mm == child && vma.anon_vma == Some(state.id))
}

fn vma(state: &VmaState, known: bool, mapped: bool) -> Vma {
    Vma {
        id: state.id.0,
        fate: if known { Fate::Kept } else { Fate::New },
        start: state.range.start,
        end: state.range.end,
        pgoff: state.range.pgoff,
        kind: kind(&state.attributes),
        unmapped: !mapped,
        anon_vma: state.anon_vma.map(|anon_vma| anon_vma.0),
        chain: state
            .chain
            .iter()
            .map(|link| Link { avc: link.avc.0, anon_vma: link.anon_vma.0, differs: false })
            .collect(),
        differs: Vec::new(),
    }
}

fn kind(attributes: &VmaAttributes) -> String {
    let mut kind = String::new();
    for (flag, letter) in [(VmaAttributes::READ, 'r'), (VmaAttributes::WRITE, 'w'), (VmaAttributes::EXEC, 'x')] {
        if attributes.flags & flag != 0 {
            kind.push(letter);
        }
    }
    if attributes.file != 0 {
        kind.push_str(&format!(" file {}", attributes.file - 1));
    }
    for (flag, word) in [
        (VmaAttributes::GROWSDOWN, " grows"),
        (VmaAttributes::DONTCOPY, " dontfork"),
        (VmaAttributes::WIPEONFORK, " wipeonfork"),
    ] {
        if attributes.flags & flag != 0 {
            kind.push_str(word);
        }
    }
    kind
}

fn anon_vma(state: &AnonVmaState, known: Option<&AnonVma>) -> AnonVma {
    AnonVma {
        id: state.id.0,
        fate: if known.is_some() { Fate::Kept } else { Fate::New },
        root: state.root.0,
        parent: state.parent.0,
        refcount: state.refcount,
        num_children: state.num_children,
        num_active_vmas: state.num_active_vmas,
        vmas: state.tree.len(),
        tree: tree_text(&state.tree),
        reused: known.map_or_else(Vec::new, |known| known.reused.clone()),
        differs: Vec::new(),
    }
}
