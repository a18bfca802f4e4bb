//! `anon_vma_clone()`: a VMA joins every anon_vma of another.
//!
//! Two shapes, chosen by [`Revision::chains_preallocated`](rmap_seam::Revision): entries allocated and
//! linked in turn (before 8/9), or all allocated first and then linked.

use super::Port;
use super::arena::{NIL, Ref, Stop};
use super::hooks::Hooks;
use super::objects::{AnonVma, AnonVmaChain, Vma};
use rmap_seam::{ENOMEM, Function, Gfp, VmaOperation};

/// Without an operation that forbids it, 7.x counts the destination's anon_vma unasked.
const NO_ANON_VMA: Stop = Stop::Oops("NULL pointer dereference: dst->anon_vma->num_active_vmas in anon_vma_clone()");

impl<H: Hooks> Port<H> {
    /// Mirrors `anon_vma_clone()` (mm/rmap.c).
    pub(super) fn anon_vma_clone(
        &mut self,
        dst: Ref<Vma>,
        src: Ref<Vma>,
        operation: VmaOperation,
    ) -> Result<i32, Stop> {
        self.enter(Function::Clone, dst, Some(src))?;
        if self.revision.clone_and_unlink_assert {
            self.check_anon_vma_clone(dst, src, operation)?;
        }
        let active = self.vmas.get(src)?.anon_vma;
        let value = if active.is_none() && self.revision.unfaulted_skipped {
            0
        } else if self.revision.chains_preallocated {
            self.clone_preallocated(dst, src, active, operation)?
        } else {
            self.clone_in_turn(dst, src, active, operation)?
        };
        self.exit(Function::Clone, dst, value);
        Ok(value)
    }

    /// Mirrors `check_anon_vma_clone()` (mm/rmap.c of 7.x). The checks that need the operation
    /// are as old as the parameter.
    fn check_anon_vma_clone(&mut self, dst: Ref<Vma>, src: Ref<Vma>, operation: VmaOperation) -> Result<(), Stop> {
        let (to, from) = (self.vmas.get(dst)?, self.vmas.get(src)?);
        let known = self.revision.reuse_only_on_fork;
        let fork = operation == VmaOperation::Fork;
        let merge = operation == VmaOperation::MergeUnfaulted;
        let from_mm = from.mm;
        let checks = [
            (known && !fork && to.mm != from.mm, "clone, not a fork, into another mm"),
            (from.anon_vma.is_none() && !from.chain.is_empty(), "clone: the source has a chain without an anon_vma"),
            (from.anon_vma.is_none() && to.anon_vma.is_some(), "clone: the destination alone has an anon_vma"),
            (!to.chain.is_empty(), "clone: the destination has a chain already"),
            (to.anon_vma.is_some() && to.anon_vma != from.anon_vma, "clone: the two have different anon_vmas"),
            (
                known && !fork && from.anon_vma.is_some() && to.anon_vma.is_none(),
                "clone, not a fork, into a VMA without the anon_vma",
            ),
            (known && merge && !from.chain.is_singular(), "clone for a merge of a chain that is not singular"),
            (known && !merge && to.attached, "clone into an attached VMA"),
        ];
        self.mmap_assert_write_locked(from_mm);
        for (condition, what) in checks {
            self.task.observed.warn_on(condition, what);
        }
        Ok(())
    }

    /// Before 8/9: each entry is allocated and linked in turn, under the lock if that can be
    /// had without sleeping. Keeps the order of the source's chain.
    fn clone_in_turn(
        &mut self,
        dst: Ref<Vma>,
        src: Ref<Vma>,
        active: Option<Ref<AnonVma>>,
        operation: VmaOperation,
    ) -> Result<i32, Stop> {
        let once = active.filter(|_| self.revision.one_root_lock);
        let mut root = None;
        let mut reused = false;
        if let Some(active) = once {
            self.anon_vma_lock_write(active)?;
        }
        let mut source = self.vmas.get(src)?.chain.last;
        while source != NIL {
            let avc = match self.anon_vma_chain_alloc(Gfp::NOWAIT_NOWARN) {
                Some(avc) => avc,
                None => {
                    match once {
                        Some(active) => self.anon_vma_unlock_write(active)?,
                        None => self.unlock_anon_vma_root(root.take())?,
                    }
                    let Some(avc) = self.anon_vma_chain_alloc(Gfp::KERNEL) else {
                        return self.clone_failed(dst);
                    };
                    if let Some(active) = once {
                        self.anon_vma_lock_write(active)?;
                    }
                    avc
                }
            };
            let anon_vma = self.avc_anon_vma(source)?;
            if once.is_none() {
                root = self.lock_anon_vma_root(root, anon_vma)?;
            }
            self.anon_vma_chain_assign(dst, avc, anon_vma)?;
            self.anon_vma_tree_insert(avc.slot(), anon_vma)?;
            reused |= self.maybe_reuse_anon_vma(dst, src, anon_vma, operation)?;
            source = self.avcs.linked(source).prev;
        }
        self.count_active(dst, operation, reused)?;
        match once {
            Some(active) => self.anon_vma_unlock_write(active)?,
            None => self.unlock_anon_vma_root(root)?,
        }
        Ok(0)
    }

    /// From 8/9 on: all entries are allocated before any lock is taken, then linked. Reverses the
    /// order of the source's chain.
    fn clone_preallocated(
        &mut self,
        dst: Ref<Vma>,
        src: Ref<Vma>,
        active: Option<Ref<AnonVma>>,
        operation: VmaOperation,
    ) -> Result<i32, Stop> {
        let mut source = self.vmas.get(src)?.chain.first;
        while source != NIL {
            let Some(avc) = self.anon_vma_chain_alloc(Gfp::KERNEL) else {
                return self.clone_failed(dst);
            };
            let anon_vma = self.avc_anon_vma(source)?;
            self.anon_vma_chain_assign(dst, avc, anon_vma)?;
            source = self.avcs.linked(source).next;
        }

        let once = active.filter(|_| self.revision.one_root_lock);
        let mut root = None;
        let mut reused = false;
        if let Some(active) = once {
            self.anon_vma_lock_write(active)?;
        }
        let mut avc = self.vmas.get(dst)?.chain.last;
        while avc != NIL {
            let anon_vma = self.avc_anon_vma(avc)?;
            if once.is_none() {
                root = self.lock_anon_vma_root(root, anon_vma)?;
            }
            self.anon_vma_tree_insert(avc, anon_vma)?;
            reused |= self.maybe_reuse_anon_vma(dst, src, anon_vma, operation)?;
            avc = self.avcs.linked(avc).prev;
        }
        self.count_active(dst, operation, reused)?;
        match once {
            Some(active) => self.anon_vma_unlock_write(active)?,
            None => self.unlock_anon_vma_root(root)?,
        }
        Ok(0)
    }

    /// Mirrors `maybe_reuse_anon_vma()` (mm/rmap.c of 7.x) and the condition that stands in the
    /// loop before 9/9: whether the destination took the anon_vma. It is counted as active at the
    /// end of the clone, still under the lock, as before 9/9: nothing reads the count between.
    fn maybe_reuse_anon_vma(
        &mut self,
        dst: Ref<Vma>,
        src: Ref<Vma>,
        anon_vma: Ref<AnonVma>,
        operation: VmaOperation,
    ) -> Result<bool, Stop> {
        let active = self.vmas.get(src)?.anon_vma;
        let wanted = match self.revision.reuse_only_on_fork {
            true => operation == VmaOperation::Fork,
            false => active.is_some(),
        };
        let dst = self.vmas.get_mut(dst)?;
        if !wanted || dst.anon_vma.is_some() {
            return Ok(false);
        }
        let object = self.anon_vmas.get(anon_vma)?;
        let reuse = match self.revision.counts_apart {
            true => object.num_children < 2 && object.num_active_vmas == 0,
            false => Some(anon_vma) != active && object.num_children + object.num_active_vmas < 2,
        };
        if reuse {
            dst.anon_vma = Some(anon_vma);
        }
        Ok(reuse)
    }

    /// The destination is one more VMA of its anon_vma. 7.x takes for granted that all but a fork have
    /// one, and that a fork has none but what it reused; before, whatever it has is counted.
    fn count_active(&mut self, dst: Ref<Vma>, operation: VmaOperation, reused: bool) -> Result<(), Stop> {
        let anon_vma = match (self.vmas.get(dst)?.anon_vma, self.revision.reuse_only_on_fork) {
            (Some(anon_vma), false) => anon_vma,
            (Some(anon_vma), true) if reused || operation != VmaOperation::Fork => anon_vma,
            (None, true) if operation != VmaOperation::Fork => return Err(NO_ANON_VMA),
            _ => return Ok(()),
        };
        let object = self.anon_vmas.get_mut(anon_vma)?;
        object.num_active_vmas = object.num_active_vmas.wrapping_add(1);
        Ok(())
    }

    /// An entry of the clone could not be had: undoes what was done.
    fn clone_failed(&mut self, dst: Ref<Vma>) -> Result<i32, Stop> {
        if self.revision.chains_preallocated || self.revision.unfaulted_skipped {
            self.cleanup_partial_anon_vmas(dst)?;
        } else {
            self.vmas.get_mut(dst)?.anon_vma = None;
            self.unlink_anon_vmas(dst)?;
        }
        Ok(-ENOMEM)
    }

    /// Mirrors `cleanup_partial_anon_vmas()` (mm/rmap.c of 7.x). Where entries are still linked as they
    /// are allocated (3/9 without 8/9), `unlink_anon_vmas()` would skip the VMA, so they leave
    /// their trees here.
    fn cleanup_partial_anon_vmas(&mut self, vma: Ref<Vma>) -> Result<(), Stop> {
        let mut locked = None;
        let mut avc = self.vmas.get(vma)?.chain.first;
        while avc != NIL {
            let AnonVmaChain { next, anon_vma, .. } = *self.avcs.linked(avc);
            if !self.revision.chains_preallocated
                && let Some(anon_vma) = anon_vma
            {
                if locked.is_none() {
                    self.anon_vma_lock_write(anon_vma)?;
                    locked = Some(self.anon_vmas.get(anon_vma)?.root);
                }
                self.anon_vma_tree_remove(avc, anon_vma)?;
            }
            self.anon_vma_chain_del(vma, avc)?;
            avc = next;
        }
        self.unlock_anon_vma_root(locked)?;
        if self.revision.cleanup_clears_anon_vma {
            self.vmas.get_mut(vma)?.anon_vma = None;
        }
        Ok(())
    }
}
