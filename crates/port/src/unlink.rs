//! `unlink_anon_vmas()`: a VMA leaves all its anon_vmas, and those that nobody needs go.

use super::Port;
use super::arena::{NIL, Ref, Stop};
use super::hooks::Hooks;
use super::objects::{AnonVma, Vma};
use rmap_seam::Function;

impl<H: Hooks> Port<H> {
    /// Mirrors `unlink_anon_vmas()` (mm/rmap.c).
    pub(super) fn unlink_anon_vmas(&mut self, vma: Ref<Vma>) -> Result<(), Stop> {
        self.enter(Function::Unlink, vma, None)?;
        let object = self.vmas.get(vma)?;
        let (active, unchained, mm) = (object.anon_vma, object.chain.is_empty(), object.mm);
        if self.revision.clone_and_unlink_assert {
            self.mmap_assert_locked(mm);
        }
        if active.is_none() && self.revision.unfaulted_skipped {
            self.task.observed.warn_on(
                !unchained,
                "VM_WARN_ON_ONCE(!list_empty(&vma->anon_vma_chain)) in unlink_anon_vmas() of an unfaulted VMA",
            );
        } else {
            self.unlink_under_lock(vma, active)?;
            self.put_emptied(vma)?;
        }
        self.exit(Function::Unlink, vma, 0);
        Ok(())
    }

    /// The first pass: leaves every tree. The entries of anon_vmas that are empty now stay on the
    /// chain, for they cannot be freed under the lock.
    fn unlink_under_lock(&mut self, vma: Ref<Vma>, active: Option<Ref<AnonVma>>) -> Result<(), Stop> {
        let once = active.filter(|_| self.revision.one_root_lock);
        let mut root = None;
        if let Some(active) = once {
            self.anon_vma_lock_write(active)?;
        }
        let mut avc = self.vmas.get(vma)?.chain.first;
        while avc != NIL {
            let next = self.avcs.linked(avc).next;
            let anon_vma = self.avc_anon_vma(avc)?;
            if once.is_none() {
                root = self.lock_anon_vma_root(root, anon_vma)?;
            }
            self.anon_vma_tree_remove(avc, anon_vma)?;
            let object = self.anon_vmas.get(anon_vma)?;
            if object.rb_root.is_empty() {
                let parent = object.parent;
                let parent = self.anon_vmas.get_mut(parent)?;
                parent.num_children = parent.num_children.wrapping_sub(1);
            } else {
                self.anon_vma_chain_del(vma, avc)?;
            }
            avc = next;
        }
        if let Some(active) = active {
            let object = self.anon_vmas.get_mut(active)?;
            object.num_active_vmas = object.num_active_vmas.wrapping_sub(1);
            if self.revision.unlink_clears_anon_vma {
                self.vmas.get_mut(vma)?.anon_vma = None;
            }
        }
        match once {
            Some(active) => self.anon_vma_unlock_write(active),
            None => self.unlock_anon_vma_root(root),
        }
    }

    /// The second pass: what is left on the chain names emptied anon_vmas.
    fn put_emptied(&mut self, vma: Ref<Vma>) -> Result<(), Stop> {
        let mut avc = self.vmas.get(vma)?.chain.first;
        while avc != NIL {
            let next = self.avcs.linked(avc).next;
            let anon_vma = self.avc_anon_vma(avc)?;
            let object = self.anon_vmas.get(anon_vma)?;
            let (children, active) = (object.num_children, object.num_active_vmas);
            if self.revision.counts_apart {
                self.task.observed.warn_on(children != 0, "VM_WARN_ON(anon_vma->num_children) in unlink_anon_vmas()");
                self.task.observed.warn_on(active != 0, "VM_WARN_ON(anon_vma->num_active_vmas) in unlink_anon_vmas()");
            } else {
                let degree = children.wrapping_add(active);
                self.task.observed.warn_on(degree != 0, "VM_WARN_ON(anon_vma->degree) in unlink_anon_vmas()");
            }
            self.put_anon_vma(anon_vma)?;
            self.anon_vma_chain_del(vma, avc)?;
            avc = next;
        }
        Ok(())
    }
}
