//! The VMA bookkeeping that a driver asks for: allocation, ranges, and the two halves of a resize.

use super::Port;
use super::arena::{NIL, Ref, Stop};
use super::hooks::Hooks;
use super::objects::{AnonVma, ChainHead, Vma};
use rmap_seam::{Cache, ENOMEM, Gfp, MAX_PROCESSES, MmId, VmaAttributes, VmaRange};

impl<H: Hooks> Port<H> {
    /// A new VMA, recorded and counted among those that the call was given: its serial.
    fn vma_insert(
        &mut self,
        mm: MmId,
        range: VmaRange,
        attributes: VmaAttributes,
        anon_vma: Option<Ref<AnonVma>>,
    ) -> i32 {
        // Processes count modulo the size of the world, on either side.
        let mm = MmId(mm.0 % MAX_PROCESSES as u8);
        let chain = ChainHead::EMPTY;
        let vma = self.vmas.insert(|serial| Vma { serial, mm, attached: false, range, attributes, anon_vma, chain });
        debug_assert_eq!(self.vma_slots.len(), vma.serial as usize);
        self.vma_slots.push(vma.slot());
        self.record_alloc(Cache::Vma, Gfp::KERNEL, vma.serial);
        self.task.observed.give(vma.serial);
        vma.serial as i32
    }

    /// Mirrors `vm_area_alloc()` (kernel/fork.c, mm/vma_init.c in 7.x), and sets the range.
    pub(super) fn vm_area_alloc(&mut self, mm: MmId, range: VmaRange) -> i32 {
        if !self.attempt(Cache::Vma, Gfp::KERNEL) {
            return -ENOMEM;
        }
        self.vma_insert(mm, range, VmaAttributes::anonymous(range), None)
    }

    /// Mirrors `vm_area_dup()` (kernel/fork.c, mm/vma_init.c in 7.x), and sets owner and range.
    pub(super) fn vm_area_dup(&mut self, orig: Ref<Vma>, mm: MmId, range: VmaRange) -> Result<i32, Stop> {
        let Vma { anon_vma, attributes, range: VmaRange { pgoff, .. }, .. } = *self.vmas.get(orig)?;
        if !self.attempt(Cache::Vma, Gfp::KERNEL) {
            return Ok(-ENOMEM);
        }
        let shift = range.pgoff.wrapping_sub(pgoff);
        let attributes = VmaAttributes { anon_pgoff: attributes.anon_pgoff.wrapping_add(shift), ..attributes };
        Ok(self.vma_insert(mm, range, attributes, anon_vma))
    }

    /// Mirrors `vm_area_free()` (kernel/fork.c, mm/vma_init.c in 7.x).
    pub(super) fn vm_area_free(&mut self, vma: Ref<Vma>) -> Result<(), Stop> {
        let chain = self.vmas.get(vma)?.chain;
        if !chain.is_empty() {
            self.orphans += chain.iter(self.avcs.slots()).count() as u32;
        }
        self.record_free(Cache::Vma, vma.serial);
        self.vma_slots[vma.serial as usize] = NIL;
        self.vmas.remove(vma)
    }

    /// The owner writes the range; the chain entries, which hold a copy, follow.
    pub(super) fn vma_set_range(&mut self, vma: Ref<Vma>, range: VmaRange) -> Result<(), Stop> {
        let owner = self.vmas.get_mut(vma)?;
        owner.range = range;
        owner.attributes.anon_pgoff = range.pgoff;
        self.chain_follows(vma)
    }

    /// The owner writes the attributes.
    pub(super) fn vma_set_attributes(&mut self, vma: Ref<Vma>, attributes: VmaAttributes) -> Result<(), Stop> {
        // A stream has 32 bits for them, and so have the kernels.
        let attributes = VmaAttributes { flags: attributes.flags & 0xffff_ffff, ..attributes };
        self.vmas.get_mut(vma)?.attributes = attributes;
        self.chain_follows(vma)
    }

    fn chain_follows(&mut self, vma: Ref<Vma>) -> Result<(), Stop> {
        let owner = self.vmas.get(vma)?;
        let mut avc = owner.chain.first;
        while avc != NIL {
            let entry = &mut self.avcs.slots_mut()[avc as usize];
            entry.follow(owner, self.revision.keyed_by_anon_pgoff);
            avc = entry.next;
        }
        Ok(())
    }

    /// Mirrors the anonymous half of `vma_prepare()` (mm/vma.c; `__vma_adjust()` in 6.1) and
    /// `anon_vma_interval_tree_pre_update_vma()`: locks, and takes the VMA out of every tree.
    pub(super) fn pre_update_vma(&mut self, vma: Ref<Vma>, offset_stays: bool) -> Result<(), Stop> {
        let Some(anon_vma) = self.vmas.get(vma)?.anon_vma else {
            return Ok(());
        };
        self.task.updating = true;
        self.anon_vma_lock_write(anon_vma)?;
        self.tree_pre_update_vma(vma, offset_stays)
    }

    /// Mirrors `anon_vma_interval_tree_pre_update_vma()` (mm/vma.c, mm/mmap.c in 6.1; `anon_rmap_tree_` in 7.3).
    pub(super) fn tree_pre_update_vma(&mut self, vma: Ref<Vma>, offset_stays: bool) -> Result<(), Stop> {
        if self.revision.updates_in_place && offset_stays {
            return Ok(());
        }
        let mut avc = self.vmas.get(vma)?.chain.first;
        while avc != NIL {
            let anon_vma = self.avc_anon_vma(avc)?;
            self.anon_vma_tree_remove(avc, anon_vma)?;
            avc = self.avcs.linked(avc).next;
        }
        Ok(())
    }

    /// Mirrors the anonymous half of `vma_complete()` (mm/vma.c; `__vma_adjust()` in 6.1) and
    /// `anon_vma_interval_tree_post_update_vma()`: puts the VMA back into the trees, and unlocks.
    pub(super) fn post_update_vma(&mut self, vma: Ref<Vma>, offset_stays: bool) -> Result<(), Stop> {
        self.task.updating = false;
        let Some(anon_vma) = self.vmas.get(vma)?.anon_vma else {
            return Ok(());
        };
        self.tree_post_update_vma(vma, offset_stays)?;
        self.anon_vma_unlock_write(anon_vma)
    }

    /// Mirrors `anon_vma_interval_tree_post_update_vma()` (mm/vma.c, mm/mmap.c in 6.1; `anon_rmap_tree_` in 7.3).
    pub(super) fn tree_post_update_vma(&mut self, vma: Ref<Vma>, offset_stays: bool) -> Result<(), Stop> {
        let mut avc = self.vmas.get(vma)?.chain.first;
        while avc != NIL {
            let anon_vma = self.avc_anon_vma(avc)?;
            if self.revision.updates_in_place && offset_stays {
                self.anon_vma_tree_update(avc, anon_vma)?;
            } else {
                self.anon_vma_tree_insert(avc, anon_vma)?;
            }
            avc = self.avcs.linked(avc).next;
        }
        Ok(())
    }
}
