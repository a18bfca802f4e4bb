//! What maps the pages of folios: mapcounts, exclusive pages and the statistics, as the kernel's page-table code has them
//! counted.
//!
//! Every folio has one page. What locks it in memory and what pins it is said by others: a call tells whether a page may be
//! pinned, and `mlock_folio()` is an event.

use super::Port;
use super::arena::{Ref, Stop};
use super::folio::Folio;
use super::objects::{AnonVma, Vma};
use rmap_seam::{EBUSY, EventKind, FolioId, NodeStat, PageCount, VmaAttributes};

impl Port {
    /// A folio comes to be, which nothing maps.
    pub(super) fn folio_alloc(&mut self, folio: FolioId) -> Result<(), Stop> {
        self.observed.told_folio = Some(folio.0);
        *self.folio_slot(folio)? = Some(Folio { mapping: None, index: 0, count: Some(PageCount::default()) });
        Ok(())
    }

    /// Its owner writes its mapping and index.
    pub(super) fn folio_set_mapping(
        &mut self,
        folio: FolioId,
        mapping: Option<Ref<AnonVma>>,
        index: u64,
    ) -> Result<(), Stop> {
        let known = self.given_folio(folio)?;
        *self.folio_slot(folio)? = Some(Folio { mapping, index, ..known });
        Ok(())
    }

    /// Its owner says whether its page is one process's alone.
    pub(super) fn folio_set_exclusive(&mut self, folio: FolioId, exclusive: bool) -> Result<(), Stop> {
        self.change_count(folio, |count| count.exclusive = exclusive)?;
        Ok(())
    }

    /// Changes what maps the folio's page; returns the folio as it is then.
    fn change_count(
        &mut self,
        folio: FolioId,
        change: impl FnOnce(&mut PageCount),
    ) -> Result<(Folio, PageCount), Stop> {
        let mut known = self.given_folio(folio)?;
        let count = known.count.as_mut().ok_or(Stop::UseAfterFree(folio.0))?;
        change(count);
        let count = *count;
        *self.folio_slot(folio)? = Some(known);
        Ok((known, count))
    }

    /// Mirrors `__folio_mod_stat()` (mm/rmap.c): so many pages are mapped more.
    fn count_mapped(&mut self, folio: &Folio, pages: i32) {
        if pages == 0 {
            return;
        }
        let stat = match folio.mapping {
            Some(_) => NodeStat::AnonMapped,
            None => NodeStat::FileMapped,
        };
        self.observed.record(EventKind::Stat, stat as u8, 0, pages.cast_unsigned(), 0);
    }

    /// Mirrors `mlock_vma_folio()` and `munlock_vma_folio()` (mm/internal.h).
    fn lock_in_memory(&mut self, folio: FolioId, vma: Ref<Vma>, kind: EventKind) -> Result<(), Stop> {
        if self.vmas.get(vma)?.attributes.flags & VmaAttributes::LOCKED != 0 {
            self.observed.record(kind, 0, 0, folio.0, 0);
        }
        Ok(())
    }

    /// Mirrors `folio_add_new_anon_rmap()` (mm/rmap.c).
    pub(super) fn folio_add_new_anon_rmap(
        &mut self,
        folio: FolioId,
        vma: Ref<Vma>,
        page: u64,
        exclusive: bool,
    ) -> Result<(), Stop> {
        self.given_folio(folio)?;
        let (mapping, index) = self.anon_place(vma, page, exclusive)?;
        self.folio_set_mapping(folio, Some(mapping), index)?;
        let (known, _) = self.change_count(folio, |count| {
            count.mapcount = 1;
            count.exclusive |= exclusive;
        })?;
        let range = self.vmas.get(vma)?.range;
        self.observed.warn_on(
            page < range.start || page >= range.end,
            "VM_WARN_ON_ONCE(address < vma->vm_start || address + (nr << PAGE_SHIFT) > vma->vm_end)",
        );
        self.count_mapped(&known, 1);
        Ok(())
    }

    /// Mirrors `__folio_add_rmap()` (mm/rmap.c) of entries of a page table.
    fn folio_add_rmap(&mut self, folio: FolioId) -> Result<(Folio, PageCount), Stop> {
        let (known, count) = self.change_count(folio, |count| count.mapcount += 1)?;
        self.count_mapped(&known, i32::from(count.mapcount == 1));
        Ok((known, count))
    }

    /// Mirrors `folio_add_anon_rmap_ptes()` (mm/rmap.c).
    pub(super) fn folio_add_anon_rmap(
        &mut self,
        folio: FolioId,
        vma: Ref<Vma>,
        page: u64,
        exclusive: bool,
    ) -> Result<(), Stop> {
        let anon = self.given_folio(folio)?.mapping.is_some();
        self.observed.warn_on(!anon, "VM_WARN_ON_FOLIO(!folio_test_anon(folio), folio)");
        let (known, _) = self.folio_add_rmap(folio)?;
        // __page_check_anon_rmap()
        let own = self.vmas.get(vma)?.anon_vma.ok_or(Stop::Oops("NULL pointer dereference: vma->anon_vma"))?;
        let mapping = known.mapping.ok_or(Stop::Oops("NULL pointer dereference: folio_anon_vma(folio)"))?;
        if self.anon_vmas.get(mapping)?.root != self.anon_vmas.get(own)?.root {
            return Err(Stop::Bug("VM_BUG_ON_FOLIO(folio_anon_vma(folio)->root != vma->anon_vma->root, folio)"));
        }
        if self.linear_index(vma, page)? != known.index {
            return Err(Stop::Bug("VM_BUG_ON_PAGE(page_pgoff(folio, page) != linear_page_index(vma, address), page)"));
        }
        let (_, count) = self.change_count(folio, |count| count.exclusive |= exclusive)?;
        // The folio, and then its page.
        for _ in 0..2 {
            let shared = count.exclusive && count.mapcount > 1;
            self.observed.warn_on(shared, "VM_WARN_ON_FOLIO(PageAnonExclusive(page) and mapped before, folio)");
        }
        self.lock_in_memory(folio, vma, EventKind::Mlock)
    }

    /// Mirrors `folio_add_file_rmap_ptes()` (mm/rmap.c).
    pub(super) fn folio_add_file_rmap(&mut self, folio: FolioId, vma: Ref<Vma>) -> Result<(), Stop> {
        let anon = self.given_folio(folio)?.mapping.is_some();
        self.observed.warn_on(anon, "VM_WARN_ON_FOLIO(folio_test_anon(folio), folio)");
        self.folio_add_rmap(folio)?;
        self.lock_in_memory(folio, vma, EventKind::Mlock)
    }

    /// Mirrors `folio_remove_rmap_ptes()` (mm/rmap.c).
    pub(super) fn folio_remove_rmap(&mut self, folio: FolioId, vma: Ref<Vma>) -> Result<(), Stop> {
        let (known, count) = self.change_count(folio, |count| count.mapcount -= 1)?;
        self.count_mapped(&known, -i32::from(count.mapcount < 1));
        self.lock_in_memory(folio, vma, EventKind::Munlock)
    }

    /// Mirrors `__folio_dup_file_rmap()` (include/linux/rmap.h): it was mapped before, and is counted as mapped.
    pub(super) fn folio_dup_file_rmap(&mut self, folio: FolioId) -> Result<(), Stop> {
        let (known, _) = self.change_count(folio, |count| count.mapcount += 1)?;
        self.observed.warn_on(known.mapping.is_some(), "VM_WARN_ON_FOLIO(folio_test_anon(folio), folio)");
        Ok(())
    }

    /// Mirrors `__folio_try_dup_anon_rmap()` (include/linux/rmap.h).
    pub(super) fn folio_try_dup_anon_rmap(&mut self, folio: FolioId, pinned: bool) -> Result<i32, Stop> {
        let known = self.given_folio(folio)?;
        self.observed.warn_on(known.mapping.is_none(), "VM_WARN_ON_FOLIO(!folio_test_anon(folio), folio)");
        if pinned && known.count.is_some_and(|count| count.exclusive) {
            return Ok(-EBUSY);
        }
        self.change_count(folio, |count| {
            count.exclusive = false;
            count.mapcount += 1;
        })?;
        Ok(0)
    }

    /// Mirrors `__folio_try_share_anon_rmap()` (include/linux/rmap.h).
    pub(super) fn folio_try_share_anon_rmap(&mut self, folio: FolioId, pinned: bool) -> Result<i32, Stop> {
        let known = self.given_folio(folio)?;
        let exclusive = known.count.is_some_and(|count| count.exclusive);
        self.observed.warn_on(known.mapping.is_none(), "VM_WARN_ON_FOLIO(!folio_test_anon(folio), folio)");
        self.observed.warn_on(!exclusive, "VM_WARN_ON_FOLIO(!PageAnonExclusive(page), folio)");
        if pinned {
            return Ok(-EBUSY);
        }
        self.change_count(folio, |count| count.exclusive = false)?;
        Ok(0)
    }
}
