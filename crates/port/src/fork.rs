//! `anon_vma_fork()`: the VMA of a child joins the anon_vmas of its parent's, and gets its own.

use super::Port;
use super::arena::{Ref, Stop};
use super::hooks::Hooks;
use super::objects::{AnonVma, AnonVmaChain, Vma};
use rmap_seam::{ENOMEM, Function, Gfp, VmaOperation};

impl<H: Hooks> Port<H> {
    /// Mirrors `anon_vma_fork()` (mm/rmap.c).
    pub(super) fn anon_vma_fork(&mut self, vma: Ref<Vma>, pvma: Ref<Vma>) -> Result<i32, Stop> {
        self.enter(Function::Fork, vma, Some(pvma))?;
        let value = match self.vmas.get(pvma)?.anon_vma {
            None => 0,
            Some(_) => {
                // Inherited from the parent by the copy.
                self.vmas.get_mut(vma)?.anon_vma = None;
                match self.revision.fork_preallocates {
                    true => self.fork_preallocated(vma, pvma)?,
                    false => self.fork_in_turn(vma, pvma)?,
                }
            }
        };
        self.exit(Function::Fork, vma, value);
        Ok(value)
    }

    /// Before 2/9: what the child needs of its own is allocated after the clone, if at all.
    fn fork_in_turn(&mut self, vma: Ref<Vma>, pvma: Ref<Vma>) -> Result<i32, Stop> {
        let value = self.anon_vma_clone(vma, pvma, VmaOperation::Fork)?;
        if value != 0 || self.vmas.get(vma)?.anon_vma.is_some() {
            return Ok(value);
        }
        let Some(anon_vma) = self.anon_vma_alloc() else {
            self.unlink_anon_vmas(vma)?;
            return Ok(-ENOMEM);
        };
        self.anon_vmas.get_mut(anon_vma)?.num_active_vmas = 1;
        let Some(avc) = self.anon_vma_chain_alloc(Gfp::KERNEL) else {
            self.put_anon_vma(anon_vma)?;
            self.unlink_anon_vmas(vma)?;
            return Ok(-ENOMEM);
        };
        self.fork_own(vma, pvma, anon_vma, avc)
    }

    /// From 2/9 on: it is allocated before the clone, and freed again if it is not needed.
    fn fork_preallocated(&mut self, vma: Ref<Vma>, pvma: Ref<Vma>) -> Result<i32, Stop> {
        let Some(anon_vma) = self.anon_vma_alloc() else {
            return Ok(-ENOMEM);
        };
        let Some(avc) = self.anon_vma_chain_alloc(Gfp::KERNEL) else {
            self.put_anon_vma(anon_vma)?;
            return Ok(-ENOMEM);
        };
        let value = self.anon_vma_clone(vma, pvma, VmaOperation::Fork)?;
        if value != 0 || self.vmas.get(vma)?.anon_vma.is_some() {
            self.put_anon_vma(anon_vma)?;
            self.anon_vma_chain_free(avc)?;
            return Ok(value);
        }
        self.anon_vmas.get_mut(anon_vma)?.num_active_vmas = 1;
        self.fork_own(vma, pvma, anon_vma, avc)
    }

    /// The child's own anon_vma takes its place below the parent's, and pins the root.
    fn fork_own(
        &mut self,
        vma: Ref<Vma>,
        pvma: Ref<Vma>,
        anon_vma: Ref<AnonVma>,
        avc: Ref<AnonVmaChain>,
    ) -> Result<i32, Stop> {
        let parent = self.vmas.get(pvma)?.anon_vma.ok_or(Stop::Oops("NULL pointer dereference: pvma->anon_vma"))?;
        let root = self.anon_vmas.get(parent)?.root;
        let object = self.anon_vmas.get_mut(anon_vma)?;
        object.root = root;
        object.parent = parent;
        self.get_anon_vma(root)?;
        self.vmas.get_mut(vma)?.anon_vma = Some(anon_vma);
        self.anon_vma_chain_assign(vma, avc, anon_vma)?;
        self.anon_vma_lock_write(anon_vma)?;
        self.anon_vma_tree_insert(avc.slot(), anon_vma)?;
        let object = self.anon_vmas.get_mut(parent)?;
        object.num_children = object.num_children.wrapping_add(1);
        self.anon_vma_unlock_write(anon_vma)?;
        Ok(0)
    }
}
