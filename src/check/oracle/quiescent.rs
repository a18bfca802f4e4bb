//! The end of an operation: I1 to I8 for the objects that it changed.
//!
//! An object that did not change kept what held for it before; a counter is checked when
//! either the told number or what it counts changed.

use super::model::ShadowState;
use super::record::{AnonVmaRecord, NONE};
use super::{ChainOrder, Rules, tree, words};
use crate::check::violation::{Invariant, Object, Violation};
use crate::rmap::{AnonVmaId, AvcId, Call, VmaId, stream};

/// The checks of one quiescent state, over the model.
pub(super) struct Quiescent<'a> {
    model: &'a mut ShadowState,
    rules: Rules,
    calls: &'a [Call],
    violations: &'a mut Vec<Violation>,
}

impl<'a> Quiescent<'a> {
    pub(super) fn new(
        model: &'a mut ShadowState,
        rules: Rules,
        calls: &'a [Call],
        violations: &'a mut Vec<Violation>,
    ) -> Self {
        Quiescent { model, rules, calls, violations }
    }

    /// Checks what is dirty, and makes it clean.
    pub(super) fn check(mut self) {
        let vmas = std::mem::take(&mut self.model.dirty_vmas);
        for &slot in &vmas {
            if std::mem::take(&mut self.model.vmas[slot as usize].dirty) {
                self.vma(slot);
            }
        }
        if let Some(journal) = &mut self.model.journal {
            journal.vmas.extend_from_slice(&vmas);
        }
        self.model.dirty_vmas = vmas;
        self.model.dirty_vmas.clear();

        let anons = std::mem::take(&mut self.model.dirty_anons);
        for &slot in &anons {
            if std::mem::take(&mut self.model.anons[slot as usize].dirty) {
                self.anon_vma(slot);
            }
        }
        if let Some(journal) = &mut self.model.journal {
            journal.anon_vmas.extend(anons.iter().chain(&self.model.graveyard));
        }
        self.model.dirty_anons = anons;
        self.model.dirty_anons.clear();
        self.model.bury();
    }

    #[cold]
    fn fail<const N: usize>(
        &mut self,
        call: u32,
        invariant: Invariant,
        what: &'static str,
        objects: [Object; N],
        detail: String,
    ) {
        let mut violation = Violation::new(invariant, what, objects, detail);
        violation.after = self.calls.get(call as usize).copied();
        self.violations.push(violation);
    }

    fn vma(&mut self, slot: u32) {
        let stamp = self.model.new_stamp();
        let record = &self.model.vmas[slot as usize];
        let (serial, call, own) = (record.serial, record.call, record.anon_slot);
        let id = VmaId(serial);
        let slots = &record.slots;

        // The chain by itself; the stamps are then the set of its anon_vmas.
        let mut fault = None;
        let root = slots.first().map_or(NONE, |&s| self.model.anons[s as usize].root_slot);
        for (&anon_slot, [avc, _, vma]) in slots.iter().zip(record.chain()) {
            let anon = &self.model.anons[anon_slot as usize];
            if !anon.known {
                fault = Some((Invariant::I2, "chain names a dead anon_vma", avc, anon_slot));
            } else if vma != serial {
                fault = Some((Invariant::I2, "avc->vma", avc, anon_slot));
            } else if anon.stamp.get() == stamp {
                fault = Some((Invariant::I2, "anon_vma twice on a chain", avc, anon_slot));
            } else if anon.root_slot != root {
                fault = Some((Invariant::I3, "several roots on a chain", avc, anon_slot));
            }
            anon.stamp.set(stamp);
        }
        if let Some((invariant, what, avc, anon)) = fault {
            return self.chain_fault(slot, invariant, what, avc, anon);
        }
        let stamped = |slot: u32| slot != NONE && self.model.anons[slot as usize].stamp.get() == stamp;
        if own == NONE && slots.is_empty() {
            return;
        }
        if own == NONE {
            let detail = format!("{id} has no anon_vma, but {} chain entries", slots.len());
            return self.fail(call, Invariant::I1, "chain without anon_vma", [id.into()], detail);
        }
        let own_id = AnonVmaId(self.model.anons[own as usize].serial);
        if slots.is_empty() {
            let detail = format!("{id} has {own_id}, but an empty chain");
            return self.fail(call, Invariant::I1, "anon_vma without chain", [id.into(), own_id.into()], detail);
        }
        if !stamped(own) {
            let detail = format!("{own_id} of {id} is not on its chain");
            return self.fail(call, Invariant::I1, "anon_vma not on the chain", [id.into(), own_id.into()], detail);
        }
        if !stamped(root) {
            let detail = format!("the root of {own_id} is not on the chain of {id}");
            return self.fail(call, Invariant::I1, "root not on the chain", [id.into(), own_id.into()], detail);
        }
        if let Some(&orphan) = slots.iter().find(|&&s| !stamped(self.model.anons[s as usize].parent_slot)) {
            let anon = AnonVmaId(self.model.anons[orphan as usize].serial);
            let detail = format!("{id} is attached to {anon} but not to its parent");
            let objects = [id.into(), anon.into()];
            return self.fail(call, Invariant::I4, "not attached to the parent", objects, detail);
        }
        if slots.len() > 2 * self.model.peak_vmas + 2 {
            let detail = format!(
                "the chain of {id} has {} entries, there were never more than {} VMAs at a time",
                slots.len(),
                self.model.peak_vmas
            );
            return self.fail(call, Invariant::Growth, "chain without end", [id.into()], detail);
        }
        // Neighbours in the list of VMAs with this anon_vma: pair by pair, all are the same.
        for other in [record.previous, record.next] {
            if other == NONE {
                continue;
            }
            let other = &self.model.vmas[other as usize];
            if let (Some((mm, _)), Some((other_mm, _))) = (record.place(), other.place())
                && mm != other_mm
            {
                let (other, call) = (VmaId(other.serial), call.max(other.call));
                let detail = format!("{own_id} is the anon_vma of {id} in {mm} and of {other} in {other_mm}");
                let objects = [id.into(), other.into(), own_id.into()];
                return self.fail(call, Invariant::I7, "one anon_vma in two processes", objects, detail);
            }
            if other.slots == *slots {
                continue;
            }
            let same_set = other.slots.len() == slots.len() && other.slots.iter().all(|&s| stamped(s));
            let (what, how) = match (same_set, self.rules.order) {
                (false, _) => ("same anon_vma, different chains", "different chains"),
                (true, ChainOrder::Kept) => ("same anon_vma, other order", "their chains differ in order"),
                (true, ChainOrder::Any) => continue,
            };
            let other = VmaId(other.serial);
            let detail = format!("{id} and {other} both have {own_id}, but {how}");
            let objects = [id.into(), other.into(), own_id.into()];
            return self.fail(call, Invariant::I7, what, objects, detail);
        }
    }

    #[cold]
    fn chain_fault(&mut self, slot: u32, invariant: Invariant, what: &'static str, avc: u32, anon: u32) {
        let record = &self.model.vmas[slot as usize];
        let (id, call) = (VmaId(record.serial), record.call);
        let (avc, anon) = (AvcId(avc), AnonVmaId(self.model.anons[anon as usize].serial));
        let detail = match what {
            "avc->vma" => format!("{avc} is on the chain of {id}, but its vma is another"),
            "anon_vma twice on a chain" => format!("{anon} is on the chain of {id} twice"),
            "several roots on a chain" => format!("{anon} on the chain of {id} has another root than the first"),
            _ => format!("{avc} of {id} names {anon}, which is not live"),
        };
        self.fail(call, invariant, what, [id.into(), avc.into(), anon.into()], detail);
    }

    fn anon_vma(&mut self, slot: u32) {
        let record = &self.model.anons[slot as usize];
        if !record.known {
            return self.dead_anon_vma(slot);
        }
        let (id, call) = (AnonVmaId(record.serial), record.call);
        let [root, parent, refcount, num_children, num_active, _] = record.told;
        let is_root = record.root_slot == slot;
        let pins = self.model.pins_on(record.serial);
        let relative = |slot: u32| &self.model.anons[slot as usize];
        // The parent may have gone before a child without VMAs.
        let parent_slot = if record.parent_slot == NONE { record.root_slot } else { record.parent_slot };
        let (root_record, parent_record) = (relative(record.root_slot), relative(parent_slot));
        if is_root != (record.parent_slot == slot) {
            let detail =
                format!("{id} has the root {} and the parent {}", AnonVmaId(root as u32), AnonVmaId(parent as u32));
            return self.fail(call, Invariant::I3, "root and parent", [id.into()], detail);
        }
        if !root_record.known || !parent_record.known {
            let detail = format!("the root or the parent of {id} is not live");
            return self.fail(call, Invariant::I3, "dead root or parent", [id.into()], detail);
        }
        if root_record.root_slot != record.root_slot || parent_record.root_slot != record.root_slot {
            let detail = format!("{id} has another root than its root or its parent");
            return self.fail(call, Invariant::I3, "root of the parent", [id.into()], detail);
        }
        if record.tree_len != u64::from(record.attached) {
            let detail =
                format!("the tree of {id} has {} nodes, {} VMAs are attached", record.tree_len, record.attached);
            return self.fail(call, Invariant::I4, "tree size", [id.into()], detail);
        }
        let kept = pins > 0 || (is_root && record.descendants > 0);
        if record.attached == 0 && !kept {
            let detail = format!("{id} is live with refcount {refcount}, but no VMA is attached");
            return self.fail(call, Invariant::I4, "live without a VMA", [id.into()], detail);
        }
        let children = self.model.children_of(slot);
        let is_one = num_active == stream::ONE_COUNTER;
        if is_one && num_children != u64::from(children) + u64::from(record.active) {
            let (degree, active) = (num_children, record.active);
            let detail =
                format!("{id} has degree {degree}, it is the parent of {children} and the anon_vma of {active}");
            return self.fail(call, Invariant::I5, "degree", [id.into()], detail);
        }
        if !is_one && num_active != u64::from(record.active) {
            let detail = format!("{id} has num_active_vmas {num_active}, it is the anon_vma of {}", record.active);
            return self.fail(call, Invariant::I5, "num_active_vmas", [id.into()], detail);
        }
        if !is_one && num_children != u64::from(children) {
            let detail = format!("{id} has num_children {num_children}, it is the parent of {children}");
            return self.fail(call, Invariant::I5, "num_children", [id.into()], detail);
        }
        // Its VMAs have one reference together.
        let want =
            u64::from(record.attached > 0) + u64::from(pins) + if is_root { u64::from(record.descendants) } else { 0 };
        if refcount != want {
            let detail = format!("{id} has refcount {}, {want} are accounted for", refcount as i64);
            return self.fail(call, Invariant::I6, "refcount", [id.into()], detail);
        }
        if record.tree_dirty {
            self.tree(slot);
        }
    }

    fn dead_anon_vma(&mut self, slot: u32) {
        let record = &self.model.anons[slot as usize];
        let (id, call) = (AnonVmaId(record.serial), record.call);
        if record.active > 0 {
            let vma = self.model.vmas.get(record.first as usize).map_or(NONE, |v| v.serial);
            let detail = format!("the anon_vma of {} is {id}, which is not live", VmaId(vma));
            self.fail(call, Invariant::I1, "dead anon_vma", [id.into(), VmaId(vma).into()], detail);
        } else if record.attached + record.children + record.descendants > 0 {
            let detail = format!("{id} is still on a chain, a parent or a root, but is not live");
            self.fail(call, Invariant::I2, "dead anon_vma is still named", [id.into()], detail);
        } else {
            self.model.forget_unknown(slot);
        }
    }

    fn tree(&mut self, slot: u32) {
        let model = &*self.model;
        let record = &model.anons[slot as usize];
        let (id, call) = (AnonVmaId(record.serial), record.call);
        let leftmost = record.told[5].checked_sub(1).map(|avc| AvcId(avc as u32));
        let by = self.rules.key;
        let mut stranger = None;
        // Each node's VMA is looked up once: for its interval, and for its chain's entry.
        let key = |avc: AvcId, vma: VmaId| {
            let owner = model.vma(vma.0)?;
            if !owner.holds(avc.0, slot) {
                stranger = Some((avc, vma));
            }
            Some(owner.key(by))
        };
        let result = check_tree(record, leftmost, key);
        if let Some((avc, vma)) = stranger {
            let detail = format!("{avc} of {vma} is in the tree of {id}, but on no chain");
            let objects = [id.into(), avc.into(), vma.into()];
            self.fail(call, Invariant::I4, "tree holds an unattached VMA", objects, detail);
        } else if let Err(fault) = result {
            let detail = format!("tree of {id}: {}", fault.detail);
            match fault.avc {
                Some(avc) => self.fail(call, Invariant::I8, fault.what, [id.into(), avc.into()], detail),
                None => self.fail(call, Invariant::I8, fault.what, [id.into()], detail),
            }
        }
        let record = &mut self.model.anons[slot as usize];
        record.tree_dirty = false;
        if !words::is_whole(&record.tree) {
            // Paths speak of this operation only.
            record.tree.clear();
        }
    }
}

fn check_tree(
    record: &AnonVmaRecord,
    leftmost: Option<AvcId>,
    mut key: impl FnMut(AvcId, VmaId) -> Option<tree::Key>,
) -> Result<(), tree::TreeFault> {
    if words::is_whole(&record.tree) {
        return tree::check_whole(words::whole_nodes(&record.tree), leftmost, |node| key(node.avc, node.vma));
    }
    for path in words::paths(&record.tree) {
        tree::check_path(path, leftmost, |node| key(node.avc, node.vma))?;
    }
    Ok(())
}
