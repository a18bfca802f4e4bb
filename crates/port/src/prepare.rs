//! `anon_vma_prepare()`: an unfaulted VMA gets an anon_vma, a neighbour's if that will do.

use super::Port;
use super::arena::{Ref, Stop};
use super::hooks::Hooks;
use super::objects::{AnonVma, Vma};
use rmap_seam::{ENOMEM, Function, Gfp, VmaAttributes};

impl<H: Hooks> Port<H> {
    /// Mirrors `anon_vma_compatible()` (mm/vma.c, mm/mmap.c in 6.1). Every VMA has the same policy.
    fn anon_vma_compatible(&self, a: &Vma, b: &Vma) -> bool {
        let follows = |by_anon| b.key(by_anon) == a.key(by_anon).wrapping_add(a.pages());
        a.range.end == b.range.start
            && a.attributes.file == b.attributes.file
            && (a.attributes.flags ^ b.attributes.flags) & !VmaAttributes::IGNORED == 0
            && follows(false)
            && (!self.revision.compatible_by_anon_pgoff || follows(true))
    }

    /// Mirrors `reusable_anon_vma()` (mm/vma.c, mm/mmap.c in 6.1).
    fn reusable_anon_vma(&self, old: &Vma, a: &Vma, b: &Vma) -> Option<Ref<AnonVma>> {
        old.anon_vma.filter(|_| self.anon_vma_compatible(a, b) && old.chain.is_singular())
    }

    /// Mirrors `find_mergeable_anon_vma()` (mm/vma.c, mm/mmap.c in 6.1).
    fn find_mergeable_anon_vma(
        &self,
        vma: Ref<Vma>,
        prev: Option<Ref<Vma>>,
        next: Option<Ref<Vma>>,
    ) -> Result<Option<Ref<AnonVma>>, Stop> {
        let vma = self.vmas.get(vma)?;
        if let Some(next) = next {
            let next = self.vmas.get(next)?;
            let reusable = self.reusable_anon_vma(next, vma, next);
            if reusable.is_some() {
                return Ok(reusable);
            }
        }
        match prev {
            Some(prev) => {
                let prev = self.vmas.get(prev)?;
                Ok(self.reusable_anon_vma(prev, prev, vma))
            }
            None => Ok(None),
        }
    }

    /// Mirrors `anon_vma_prepare()`; of several tasks `__anon_vma_prepare()`, which alone is told: another task may have been faster.
    pub(super) fn anon_vma_prepare(
        &mut self,
        vma: Ref<Vma>,
        prev: Option<Ref<Vma>>,
        next: Option<Ref<Vma>>,
    ) -> Result<i32, Stop> {
        // Of several tasks one may have been faster since that was looked at, before the call.
        if !H::BESIDE_OTHERS && self.vmas.get(vma)?.anon_vma.is_some() {
            return Ok(0);
        }
        self.enter(Function::Prepare, vma, None)?;
        let value = self.__anon_vma_prepare(vma, prev, next)?;
        self.exit(Function::Prepare, vma, value);
        Ok(value)
    }

    /// Mirrors `__anon_vma_prepare()` (mm/rmap.c).
    fn __anon_vma_prepare(
        &mut self,
        vma: Ref<Vma>,
        prev: Option<Ref<Vma>>,
        next: Option<Ref<Vma>>,
    ) -> Result<i32, Stop> {
        let mm = self.vmas.get(vma)?.mm;
        if self.revision.prepare_asserts_mmap_lock {
            self.mmap_assert_locked(mm);
        }
        self.might_sleep();

        let Some(avc) = self.anon_vma_chain_alloc(Gfp::KERNEL) else {
            return Ok(-ENOMEM);
        };
        let (anon_vma, allocated) = match self.find_mergeable_anon_vma(vma, prev, next)? {
            Some(anon_vma) => (anon_vma, false),
            None => {
                let Some(anon_vma) = self.anon_vma_alloc() else {
                    self.anon_vma_chain_free(avc)?;
                    return Ok(-ENOMEM);
                };
                // A root is its own child.
                self.anon_vmas.get_mut(anon_vma)?.num_children += 1;
                (anon_vma, true)
            }
        };

        self.anon_vma_lock_write(anon_vma)?;
        self.spin_lock(mm);
        let unfaulted = self.vmas.get(vma)?.anon_vma.is_none();
        if unfaulted {
            self.vmas.get_mut(vma)?.anon_vma = Some(anon_vma);
            self.anon_vma_chain_assign(vma, avc, anon_vma)?;
            self.anon_vma_tree_insert(avc.slot(), anon_vma)?;
            let object = self.anon_vmas.get_mut(anon_vma)?;
            object.num_active_vmas = object.num_active_vmas.wrapping_add(1);
        }
        self.spin_unlock(mm);
        self.anon_vma_unlock_write(anon_vma)?;

        if !unfaulted {
            // Another thread was faster.
            if allocated {
                self.put_anon_vma(anon_vma)?;
            }
            self.anon_vma_chain_free(avc)?;
        }
        Ok(0)
    }
}
