//! Folios: from a page to the VMAs that map it.
//!
//! A folio is what the reverse map keeps of one: `mapping` and `index`. Whether it is mapped comes with each call; it
//! is always locked. Where the C could follow a mapping whose anon_vma is gone, its glue looks first and ends the
//! call; here a stale reference says so by itself, at the same point.

use super::Port;
use super::arena::{Ref, Stop};
use super::hooks::Hooks;
use super::interval_tree;
use super::mapping::Count;
use super::objects::{AnonVma, Vma};
use rmap_seam::{EAGAIN, ENOENT, EventKind, FolioId, Point, WalkMode};

/// Numbers are below this.
const FOLIOS_MAX: usize = 1 << 24;

/// `struct folio`
#[derive(Clone)]
pub(super) struct Folio {
    /// `mapping`, which the anon_vma may have left behind; none: it is no anonymous folio.
    pub mapping: Option<Ref<AnonVma>>,
    /// `index`, of an anonymous folio.
    pub index: u64,
    /// What maps its pages, where that is counted.
    pub count: Option<Count>,
}

/// Where the pages of a folio are among those of its anon_vma, or of its file.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Page offset of the first.
    pub index: u64,
    /// How many.
    pub pages: u64,
    /// Number of the file, from 1; 0: they are anonymous.
    pub file: u32,
}

/// How a walk came by its anon_vma.
pub(super) enum Locked {
    /// It is locked for reading.
    Yes(Ref<AnonVma>),
    /// There is none.
    No,
    /// The lock is another task's.
    Contended,
}

impl<H: Hooks> Port<H> {
    /// The room of a folio's number.
    pub(super) fn folio_slot(&mut self, folio: FolioId) -> Result<&mut Option<Folio>, Stop> {
        let number = folio.0 as usize;
        if number >= FOLIOS_MAX {
            return Err(Stop::UseAfterFree(folio.0));
        }
        if number >= self.folios.len() {
            self.folios.resize(number + 1, None);
        }
        Ok(&mut self.folios[number])
    }

    /// What it is from now on; none: it is gone.
    pub(super) fn put_folio(&mut self, folio: FolioId, now: Option<Folio>) -> Result<(), Stop> {
        let was = std::mem::replace(self.folio_slot(folio)?, now);
        self.keep_large(was);
        Ok(())
    }

    /// The memory of a large folio that is gone is the next one's.
    pub(super) fn keep_large(&mut self, gone: Option<Folio>) {
        if let Some(Folio { count: Some(Count::Large(large)), .. }) = gone {
            self.gone_large.push(large);
        }
    }

    /// The folio of that number, which the call then tells, with its first page.
    pub(super) fn given_folio(&mut self, folio: FolioId) -> Result<&mut Folio, Stop> {
        self.folio_slot(folio)?.as_ref().ok_or(Stop::UseAfterFree(folio.0))?;
        self.task.observed.tell_folio(folio, 0, 1);
        self.folio_slot(folio)?.as_mut().ok_or(Stop::UseAfterFree(folio.0))
    }

    /// Mirrors `linear_page_index()`, and `linear_anon_page_index()` where anonymous pages count apart.
    pub(super) fn linear_index(&mut self, vma: Ref<Vma>, page: u64) -> Result<u64, Stop> {
        let by_anon = self.revision.indexed_by_anon_pgoff;
        let vma = self.vmas.get(vma)?;
        let delta = page.wrapping_sub(vma.range.start);
        let index = vma.key(by_anon).wrapping_add(delta);
        let strange = by_anon && vma.attributes.file == 0 && vma.key(false) != vma.key(true);
        self.task.observed.warn_on(strange, "VM_WARN_ON_ONCE(pgoff != linear_page_index(vma, address))");
        Ok(index)
    }

    /// Mirrors `__folio_set_anon()` (mm/rmap.c; `__page_set_anon_rmap()` in 6.1) of a new folio.
    pub(super) fn folio_set_anon(
        &mut self,
        folio: FolioId,
        vma: Ref<Vma>,
        page: u64,
        exclusive: bool,
    ) -> Result<(), Stop> {
        self.folio_slot(folio)?;
        self.task.observed.tell_folio(folio, 0, 1);
        let (mapping, index) = self.anon_place(vma, page, exclusive)?;
        self.put_folio(folio, Some(Folio { mapping: Some(mapping), index, count: None }))?;
        Ok(())
    }

    /// What a new folio at a page of a VMA is given: an anon_vma and an index.
    pub(super) fn anon_place(
        &mut self,
        vma: Ref<Vma>,
        page: u64,
        exclusive: bool,
    ) -> Result<(Ref<AnonVma>, u64), Stop> {
        let own = self.vmas.get(vma)?.anon_vma.ok_or(Stop::Bug("BUG_ON(!anon_vma) in __folio_set_anon()"))?;
        // Shared with others from the start: only the root is sure to be on all their chains.
        let mapping = if exclusive { own } else { self.anon_vmas.get(own)?.root };
        Ok((mapping, self.linear_index(vma, page)?))
    }

    /// Where the pages of the folio of that number are, and its anon_vma if it is anonymous; the call then tells it.
    pub(super) fn given_anon_folio(&mut self, folio: FolioId) -> Result<(Place, Ref<AnonVma>), Stop> {
        let known = self.given_folio(folio)?;
        let place = Place { index: known.index, pages: known.count.as_ref().map_or(1, Count::pages), file: 0 };
        Ok((place, known.mapping.ok_or(Stop::UseAfterFree(folio.0))?))
    }

    /// Mirrors `folio_move_anon_rmap()` (mm/rmap.c; `page_move_anon_rmap()` in 6.1).
    pub(super) fn folio_move_anon_rmap(&mut self, folio: FolioId, vma: Ref<Vma>) -> Result<(), Stop> {
        self.given_folio(folio)?;
        let own = self.vmas.get(vma)?.anon_vma;
        let mapping = own.ok_or(Stop::Bug("VM_BUG_ON_VMA(!anon_vma, vma) in folio_move_anon_rmap()"))?;
        self.given_folio(folio)?.mapping = Some(mapping);
        Ok(())
    }

    /// The index of another place.
    pub(super) fn folio_set_index(&mut self, folio: FolioId, vma: Ref<Vma>, page: u64) -> Result<(), Stop> {
        self.given_folio(folio)?;
        let index = self.linear_index(vma, page)?;
        self.given_folio(folio)?.index = index;
        Ok(())
    }

    /// The folio is gone.
    pub(super) fn folio_free(&mut self, folio: FolioId) -> Result<(), Stop> {
        self.given_folio(folio)?;
        self.put_folio(folio, None)?;
        Ok(())
    }

    /// The anon_vma of a folio. A call that is made at once was told which.
    fn mapping_now(&mut self, folio: FolioId, told: Ref<AnonVma>) -> Result<Option<Ref<AnonVma>>, Stop> {
        if !H::BESIDE_OTHERS {
            return Ok(Some(told));
        }
        Ok(self.folio_slot(folio)?.as_ref().and_then(|folio| folio.mapping))
    }

    /// Mirrors `atomic_inc_not_zero(&anon_vma->refcount)`, of an anon_vma that may have been freed.
    fn get_anon_vma_not_zero(&mut self, anon_vma: Ref<AnonVma>) -> Result<bool, Stop> {
        self.point_of(Point::GET, anon_vma);
        let anon_vma = self.present(anon_vma);
        if self.anon_vma_memory(anon_vma)?.refcount == 0 {
            return Ok(false);
        }
        self.count_reference(anon_vma)?;
        Ok(true)
    }

    /// Mirrors `folio_get_anon_vma()` (mm/rmap.c). The reference is the caller's.
    pub(super) fn folio_get_anon_vma(&mut self, folio: FolioId, mapped: bool) -> Result<i32, Stop> {
        let (_, mapping) = self.given_anon_folio(folio)?;
        self.rcu_read_lock();
        let Some(mapping) = self.mapping_now(folio, mapping)? else {
            self.rcu_read_unlock();
            return Ok(-ENOENT);
        };
        if !self.folio_mapped(folio, mapped)? || !self.get_anon_vma_not_zero(mapping)? {
            self.rcu_read_unlock();
            return Ok(-ENOENT);
        }
        let anon_vma = self.present(mapping);
        if !self.folio_mapped(folio, mapped)? {
            self.rcu_read_unlock();
            self.put_anon_vma(anon_vma)?;
            return Ok(-ENOENT);
        }
        self.rcu_read_unlock();
        self.pins.push(anon_vma);
        Ok(anon_vma.serial as i32)
    }

    /// `put_anon_vma()` of a reference that [`Port::folio_get_anon_vma`] gave.
    pub(super) fn put_pin(&mut self, serial: u32) -> Result<(), Stop> {
        let at = self.pins.iter().position(|pin| pin.serial == serial).ok_or(Stop::UseAfterFree(serial))?;
        let anon_vma = self.pins.swap_remove(at);
        self.put_anon_vma(anon_vma)
    }

    /// Mirrors `folio_lock_anon_vma_read()` (mm/rmap.c).
    pub(super) fn folio_lock_anon_vma_read(
        &mut self,
        folio: FolioId,
        told: Ref<AnonVma>,
        mapped: bool,
        try_lock: bool,
    ) -> Result<Locked, Stop> {
        loop {
            self.rcu_read_lock();
            let mapping = self.mapping_now(folio, told)?;
            let Some(anon_vma) = mapping else {
                self.rcu_read_unlock();
                return Ok(Locked::No);
            };
            if !self.folio_mapped(folio, mapped)? {
                self.rcu_read_unlock();
                return Ok(Locked::No);
            }
            let root = self.anon_vma_memory(anon_vma)?.root;
            if self.down_read_trylock(root)? {
                // folio_move_anon_rmap() may have changed it, where a walk does not lock the folio.
                if self.mapping_now(folio, told)?.map(Ref::slot) != mapping.map(Ref::slot) {
                    self.up_read(root)?;
                    self.rcu_read_unlock();
                    continue;
                }
                let still_mapped = self.folio_mapped(folio, mapped)?;
                if !still_mapped {
                    self.up_read(root)?;
                }
                self.rcu_read_unlock();
                return Ok(if still_mapped { Locked::Yes(anon_vma) } else { Locked::No });
            }
            if try_lock {
                self.rcu_read_unlock();
                return Ok(Locked::Contended);
            }
            // It is going to sleep, and must not lose the anon_vma meanwhile.
            if !self.get_anon_vma_not_zero(anon_vma)? {
                self.rcu_read_unlock();
                return Ok(Locked::No);
            }
            let anon_vma = self.present(anon_vma);
            if !self.folio_mapped(folio, mapped)? {
                self.rcu_read_unlock();
                self.put_anon_vma(anon_vma)?;
                return Ok(Locked::No);
            }
            self.rcu_read_unlock();
            let root = self.anon_vmas.get(anon_vma)?.root;
            self.down_read(root)?;
            if self.mapping_now(folio, told)?.map(Ref::slot) != mapping.map(Ref::slot) {
                self.up_read(root)?;
                self.put_anon_vma(anon_vma)?;
                continue;
            }
            if self.refcount_dec_and_test(anon_vma)? {
                self.up_read(root)?;
                self.put_last(anon_vma)?;
                return Ok(Locked::No);
            }
            return Ok(Locked::Yes(anon_vma));
        }
    }

    /// Mirrors `rmap_walk_anon_lock()` (mm/rmap.c) without a callback of the caller. Before a walk could give up for
    /// the lock, it was not tried first.
    pub(super) fn rmap_walk_anon_lock(&mut self, anon_vma: Ref<AnonVma>, try_lock: bool) -> Result<Locked, Stop> {
        let root = self.anon_vmas.get(anon_vma)?.root;
        if !self.revision.walk_tries_lock {
            self.down_read(root)?;
        } else if !self.down_read_trylock(root)? {
            if try_lock {
                return Ok(Locked::Contended);
            }
            self.down_read(root)?;
        }
        Ok(Locked::Yes(anon_vma))
    }

    /// Mirrors `rmap_walk_anon()` (mm/rmap.c), in the ways that its callers have: how many places it came to.
    pub(super) fn rmap_walk_anon(&mut self, folio: FolioId, mapped: bool, mode: WalkMode) -> Result<i32, Stop> {
        let (place, anon_vma) = self.given_anon_folio(folio)?;
        let locked = match mode {
            WalkMode::Locked => {
                let root = self.anon_vmas.get(anon_vma)?.root;
                self.down_read(root)?;
                Locked::Yes(anon_vma)
            }
            WalkMode::TryLock => self.rmap_walk_anon_lock(anon_vma, true)?,
            WalkMode::Unlocked => self.folio_lock_anon_vma_read(folio, anon_vma, mapped, false)?,
            WalkMode::Contended => {
                self.task.contended = true;
                let result = self.contended_walk(folio, anon_vma, place, mapped)?;
                self.task.contended = false;
                return Ok(result);
            }
        };
        self.visit_locked(place, locked, true)
    }

    /// Another task holds the lock: a walk that gives up, where there is one, and one that waits.
    fn contended_walk(
        &mut self,
        folio: FolioId,
        anon_vma: Ref<AnonVma>,
        place: Place,
        mapped: bool,
    ) -> Result<i32, Stop> {
        let tries = self.revision.walk_tries_lock;
        let mut gave_up = false;
        if tries {
            gave_up = matches!(self.folio_lock_anon_vma_read(folio, anon_vma, mapped, true)?, Locked::Contended);
        }
        let locked = self.folio_lock_anon_vma_read(folio, anon_vma, mapped, false)?;
        let mut visits = self.visit_locked(place, locked, true)?;
        if mapped {
            // And by callers that hold the folio mapped: the plain lock, tried and then waited for.
            if tries {
                self.rmap_walk_anon_lock(anon_vma, true)?;
            }
            let locked = self.rmap_walk_anon_lock(anon_vma, false)?;
            visits = self.visit_locked(place, locked, false)?;
        }
        Ok(if gave_up { -EAGAIN } else { visits })
    }

    /// The walk itself, and the end of the lock. A second walk in one call is not told: it comes where the first came.
    fn visit_locked(&mut self, place: Place, locked: Locked, told: bool) -> Result<i32, Stop> {
        let anon_vma = match locked {
            Locked::Yes(anon_vma) => anon_vma,
            Locked::No => return Ok(0),
            Locked::Contended => return Ok(-EAGAIN),
        };
        let found = self.chain_entries_of(anon_vma, place)?;
        for &avc in &found {
            let (vma, page) = self.mapped_at(avc, place)?;
            if told {
                self.task.observed.record(EventKind::Visit, 0, 0, vma.serial, page as u32);
            }
        }
        let root = self.anon_vmas.get(anon_vma)?.root;
        self.up_read(root)?;
        let count = found.len() as i32;
        self.entries = found;
        Ok(count)
    }

    /// Where a VMA begins among the pages that a place is of.
    pub(super) fn key_at(&self, vma: &Vma, place: Place) -> u64 {
        vma.key(self.revision.indexed_by_anon_pgoff && place.file == 0)
    }

    /// The chain entries that a walk of a place comes to, in order. Whoever gives them back saves the next walk an allocation.
    pub(super) fn chain_entries_of(&mut self, anon_vma: Ref<AnonVma>, place: Place) -> Result<Vec<u32>, Stop> {
        let mut found = std::mem::take(&mut self.entries);
        found.clear();
        let tree = &self.anon_vmas.get(anon_vma)?.rb_root;
        let last = place.index.wrapping_add(place.pages - 1);
        interval_tree::intersecting(self.avcs.slots(), tree, place.index, last, &mut found);
        Ok(found)
    }

    /// Where the VMA of a chain entry has the first page of a place that it has. Mirrors `vma_address()` (mm/internal.h).
    pub(super) fn mapped_at(&self, avc: u32, place: Place) -> Result<(Ref<Vma>, u64), Stop> {
        let reference = self.avcs.linked(avc).vma.ok_or(Stop::Oops("NULL pointer dereference: avc->vma"))?;
        let vma = self.vmas.get(reference)?;
        let start = self.key_at(vma, place);
        let last = place.index.wrapping_add(place.pages - 1);
        let delta = if place.index < start && start <= last { 0 } else { place.index.wrapping_sub(start) };
        if delta >= vma.pages() {
            return Err(Stop::Bug("VM_BUG_ON_VMA(address == -EFAULT, vma) in rmap_walk_anon()"));
        }
        Ok((reference, vma.range.start.wrapping_add(delta)))
    }
}
