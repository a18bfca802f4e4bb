//! What the side tells of its state, in the words of [`stream`].

use super::Port;
use super::arena::{FREE, NIL, Ref, Slot};
use super::hooks::Hooks;
use super::objects::{AnonVma, AnonVmaChain, Vma};
use super::rbtree::RbNode;
use rmap_seam::stream;

/// "serial + 1, or 0".
fn optional(serial: Option<u32>) -> u64 {
    serial.map_or(0, |serial| u64::from(serial) + 1)
}

/// Puts the slots of the live objects of a cache in order, the oldest first.
fn by_serial<T: Slot>(slots: &[T], order: &mut Vec<u32>) {
    order.clear();
    order.extend((0..).zip(slots).filter(|(_, object)| object.serial() != FREE).map(|(slot, _)| slot));
    order.sort_unstable_by_key(|&slot| slots[slot as usize].serial());
}

impl<H: Hooks> Port<H> {
    /// Appends what the last call touched.
    pub(super) fn tell_touched(&mut self, out: &mut Vec<u64>) {
        self.complete_touched();
        for &serial in self.task.observed.given() {
            if let Some(vma) = self.live_vma(serial) {
                self.tell_vma(vma, out);
            }
        }
        if let Some((folio, first, count)) = self.task.observed.told_folio {
            self.tell_folio(folio.0, Some((first, count)), out);
        }
        for &anon_vma in &self.task.observed.touched {
            if let Ok(object) = self.anon_vmas.get(anon_vma) {
                self.tell_anon_vma(object, Some(anon_vma), out);
            }
        }
    }

    /// Appends the whole state.
    pub(super) fn tell_state(&mut self, out: &mut Vec<u64>) {
        let mut order = std::mem::take(&mut self.order);
        by_serial(self.vmas.slots(), &mut order);
        for &slot in &order {
            self.tell_vma(self.vmas.linked(slot), out);
        }
        by_serial(self.anon_vmas.slots(), &mut order);
        for &slot in &order {
            self.tell_anon_vma(self.anon_vmas.linked(slot), None, out);
        }
        self.order = order;
        for folio in 0..self.folios.len() as u32 {
            self.tell_folio(folio, None, out);
        }
    }

    /// With these of its pages, or with all.
    fn tell_folio(&self, number: u32, pages: Option<(u32, u32)>, out: &mut Vec<u64>) {
        let Some(Some(folio)) = self.folios.get(number as usize) else { return };
        let tag = if folio.count.is_some() { stream::MAPPED_FOLIO } else { stream::FOLIO };
        out.extend_from_slice(&[
            tag,
            number.into(),
            optional(folio.mapping.map(|anon_vma| anon_vma.serial)),
            folio.index,
        ]);
        if let Some(count) = &folio.count {
            count.tell(pages, out);
        }
    }

    /// The VMA of that serial, if it lives.
    fn live_vma(&self, serial: u32) -> Option<&Vma> {
        let slot = *self.vma_slots.get(serial as usize)?;
        (slot != NIL).then(|| self.vmas.linked(slot))
    }

    /// Adds to the anon_vmas touched during the call those that the given VMAs lead to, then all
    /// roots and parents.
    fn complete_touched(&mut self) {
        if std::mem::replace(&mut self.task.observed.completed, true) || !self.task.observed.changed_links() {
            return;
        }
        for given in 0..self.task.observed.given().len() {
            let Some(vma) = self.live_vma(self.task.observed.given()[given]) else {
                continue;
            };
            let (active, mut avc) = (vma.anon_vma, vma.chain.first);
            self.touch_if_live(active);
            while avc != NIL {
                let AnonVmaChain { anon_vma, next, .. } = *self.avcs.linked(avc);
                self.touch_if_live(anon_vma);
                avc = next;
            }
        }
        for at in 0..self.task.observed.touched.len() {
            if let Ok(object) = self.anon_vmas.get(self.task.observed.touched[at]) {
                let (root, parent) = (object.root, object.parent);
                self.touch_if_live(Some(root));
                self.touch_if_live(Some(parent));
            }
        }
    }

    fn touch_if_live(&mut self, anon_vma: Option<Ref<AnonVma>>) {
        if let Some(anon_vma) = anon_vma
            && self.anon_vmas.get(anon_vma).is_ok()
        {
            self.touch(anon_vma);
        }
    }

    fn tell_vma(&self, vma: &Vma, out: &mut Vec<u64>) {
        let range = vma.range;
        out.extend_from_slice(&[
            stream::VMA,
            vma.serial.into(),
            vma.mm.0.into(),
            vma.attached.into(),
            range.start,
            range.end,
            range.pgoff,
            vma.attributes.anon_pgoff,
            vma.attributes.kind_word(),
            optional(vma.anon_vma.map(|a| a.serial)),
            0,
        ]);
        let count = out.len() - 1;
        let mut avc = vma.chain.first;
        while avc != NIL {
            let entry = self.avcs.linked(avc);
            let anon_vma = entry.anon_vma.map_or(FREE, |anon_vma| anon_vma.serial);
            let owner = entry.vma.map_or(FREE, |vma| vma.serial);
            out.extend_from_slice(&[u64::from(entry.serial), anon_vma.into(), owner.into()]);
            out[count] += 1;
            avc = entry.next;
        }
    }

    /// With its whole tree, or of a large one with the paths to what this call touched.
    fn tell_anon_vma(&self, anon_vma: &AnonVma, touched: Option<Ref<AnonVma>>, out: &mut Vec<u64>) {
        let [children, active] = match self.revision.counts_apart {
            true => [anon_vma.num_children, anon_vma.num_active_vmas],
            false => [anon_vma.num_children.wrapping_add(anon_vma.num_active_vmas), stream::ONE_COUNTER],
        };
        out.extend_from_slice(&[
            stream::ANON_VMA,
            anon_vma.serial.into(),
            anon_vma.root.serial.into(),
            anon_vma.parent.serial.into(),
            i64::from(anon_vma.refcount) as u64,
            children,
            active,
            optional(self.serial_at(anon_vma.rb_root.leftmost)),
        ]);
        let nodes = u64::from(anon_vma.nodes);
        let Some(touched) = touched.filter(|_| nodes > stream::WHOLE_TREE_MAX) else {
            out.extend_from_slice(&[stream::TREE, nodes]);
            return self.tell_tree(anon_vma.rb_root.node, out);
        };
        let marks = self.anon_vma_notes[touched.slot() as usize].marks.as_slice();
        out.extend_from_slice(&[stream::PATHS, nodes, marks.len() as u64]);
        for &mark in marks {
            self.tell_path(mark, out);
        }
    }

    /// The serial of the entry in a slot, or nothing for [`NIL`].
    fn serial_at(&self, slot: u32) -> Option<u32> {
        (slot != NIL).then(|| self.avcs.linked(slot).serial)
    }

    /// A whole tree in preorder.
    fn tell_tree(&self, root: u32, out: &mut Vec<u64>) {
        let mut at = root;
        while at != NIL {
            let avc = self.avcs.linked(at);
            out.extend_from_slice(&[Self::node_ids(avc), Self::node_bits(&avc.rb) | avc.subtree_last << 8]);
            at = self.next_in_preorder(&avc.rb, at);
        }
    }

    fn next_in_preorder(&self, node: &RbNode, at: u32) -> u32 {
        if node.left() != NIL {
            return node.left();
        }
        if node.right() != NIL {
            return node.right();
        }
        // Up to the first right branch not taken yet.
        let mut at = at;
        loop {
            let parent = self.avcs.linked(at).rb.parent();
            if parent == NIL {
                return NIL;
            }
            let above = &self.avcs.linked(parent).rb;
            if above.left() == at && above.right() != NIL {
                return above.right();
            }
            at = parent;
        }
    }

    /// The nodes from `from` up to the root, each with what is known of its children.
    fn tell_path(&self, from: u32, out: &mut Vec<u64>) {
        let count = out.len();
        out.push(0);
        let mut at = from;
        while at != NIL && self.avcs.linked(at).rb.is_linked() {
            let avc = self.avcs.linked(at);
            let mut bits = Self::node_bits(&avc.rb);
            let mut serials = [0; 2];
            let mut lasts = [0; 2];
            for (side, child) in [avc.rb.left(), avc.rb.right()].into_iter().enumerate() {
                if child != NIL {
                    let child = self.avcs.linked(child);
                    serials[side] = u64::from(child.serial) + 1;
                    lasts[side] = child.subtree_last;
                    if child.rb.is_black() {
                        bits |= stream::LEFT_BLACK << side;
                    }
                }
            }
            out.extend_from_slice(&[Self::node_ids(avc), bits | avc.subtree_last << 8]);
            out.extend_from_slice(&[serials[0] | serials[1] << 32, lasts[0], lasts[1]]);
            out[count] += 1;
            at = avc.rb.parent();
        }
    }

    fn node_ids(avc: &AnonVmaChain) -> u64 {
        u64::from(avc.serial) | u64::from(avc.vma.map_or(FREE, |vma| vma.serial)) << 32
    }

    fn node_bits(node: &RbNode) -> u64 {
        let mut bits = 0;
        if node.is_black() {
            bits |= stream::BLACK;
        }
        if node.left() != NIL {
            bits |= stream::LEFT;
        }
        if node.right() != NIL {
            bits |= stream::RIGHT;
        }
        bits
    }
}
