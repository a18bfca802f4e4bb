//! What maps the pages of folios: mapcounts, exclusive pages, the mms that a large folio remembers, and the statistics, as the
//! kernel's page-table code has them counted.
//!
//! Pages are mapped one by one, by entries of the lowest page tables, or all pages of a huge page by one entry of the level
//! above. What locks a folio in memory and what pins it is said by
//! others: a call tells whether a page may be pinned, and `mlock_folio()` is an event.

use super::Port;
use super::arena::{Ref, Stop};
use super::folio::Folio;
use super::hooks::Hooks;
use super::objects::{AnonVma, Vma};
use rmap_seam::{
    EBUSY, EventKind, FolioId, LargeCounts, NodeStat, PageCount, RememberedMm, Revision, VmaAttributes, VmaId,
};

/// `ENTIRELY_MAPPED` (mm/internal.h): what `_nr_pages_mapped` holds for a mapping of the whole.
const ENTIRELY_MAPPED: i32 = 0x80_0000;
/// The order of a huge page: `HPAGE_PMD_ORDER`.
const HUGE_ORDER: u32 = 9;

/// What maps the pages of a folio.
#[derive(Clone)]
pub(super) enum Count {
    /// It has one page.
    Small(PageCount),
    /// It has several.
    Large(Box<Large>),
}

/// What maps the pages of a large folio.
#[derive(Clone)]
pub(super) struct Large {
    counts: LargeCounts,
    pages: Vec<PageCount>,
}

/// Pages of a folio that a call is about.
#[derive(Clone, Copy)]
pub(super) struct Pages {
    /// Of which folio.
    pub folio: FolioId,
    /// Which of its pages is the first.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// One entry maps all of them: they are a huge page.
    pub huge: bool,
}

impl Pages {
    /// Pages with entries of their own.
    pub fn of(folio: FolioId, first: u32, count: u32) -> Pages {
        Pages { folio, first, count, huge: false }
    }

    /// All pages of a huge page.
    pub fn of_huge(folio: FolioId) -> Pages {
        Pages { folio, first: 0, count: 1 << HUGE_ORDER, huge: true }
    }

    /// How many entries map them.
    fn entries(self) -> i32 {
        if self.huge { 1 } else { self.count as i32 }
    }

    /// Those of which something is kept for the page: of a huge page that is the first.
    fn noted(self) -> Pages {
        if self.huge { Pages { count: 1, ..self } } else { self }
    }
}

impl Count {
    /// Of a folio that nothing maps. A large one takes the memory of one that is gone, if there is one.
    #[allow(clippy::vec_box, reason = "it takes a box as it is")]
    fn new(order: u32, revision: &Revision, gone: &mut Vec<Box<Large>>) -> Count {
        if order == 0 {
            return Count::Small(PageCount::default());
        }
        let none = RememberedMm { id: 0, mapcount: 0 };
        let counts = LargeCounts {
            order: order as u8,
            partially_mapped: false,
            deferred: false,
            shared: false,
            entire_mapcount: 0,
            large_mapcount: 0,
            pages_mapped: 0,
            mms: [if revision.remembers_mms { RememberedMm::NONE } else { none }; 2],
        };
        let mut large = gone.pop().unwrap_or_else(|| Box::new(Large { counts, pages: Vec::new() }));
        large.counts = counts;
        large.pages.clear();
        large.pages.resize(1 << (order % 32), PageCount::default());
        Count::Large(large)
    }

    /// How many mappings the folio has.
    pub(super) fn mappings(&self) -> i32 {
        match self {
            Count::Small(page) => page.mapcount,
            Count::Large(large) => large.counts.large_mapcount,
        }
    }

    /// What maps one of its pages.
    pub(super) fn page(&self, number: u32) -> Option<&PageCount> {
        self.as_slice().get(number as usize)
    }

    /// How many pages the folio has.
    pub(super) fn pages(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn as_slice(&self) -> &[PageCount] {
        match self {
            Count::Small(page) => std::slice::from_ref(page),
            Count::Large(large) => &large.pages,
        }
    }

    fn large(&mut self) -> Option<&mut Large> {
        match self {
            Count::Small(_) => None,
            Count::Large(large) => Some(large),
        }
    }

    fn as_mut_slice(&mut self) -> &mut [PageCount] {
        match self {
            Count::Small(page) => std::slice::from_mut(page),
            Count::Large(large) => &mut large.pages[..],
        }
    }

    /// These pages. None: the folio has not so many.
    fn of(&mut self, pages: Pages) -> Option<&mut [PageCount]> {
        let all = self.as_mut_slice();
        let first = pages.first as usize;
        all.get_mut(first..first.checked_add(pages.count as usize)?)
    }

    /// As words of a stream, with these pages: the first, and how many; or with all.
    pub(super) fn tell(&self, pages: Option<(u32, u32)>, out: &mut Vec<u64>) {
        match self {
            Count::Small(_) => out.push(0),
            Count::Large(large) => out.extend(large.counts.words()),
        }
        let all = self.as_slice();
        let (first, count) = pages.unwrap_or((0, all.len() as u32));
        out.extend([u64::from(first), u64::from(count)]);
        out.extend(all.iter().skip(first as usize).take(count as usize).map(|page| page.word()));
    }
}

/// An mm maps so many pages of a large folio more. Mirrors `folio_add_return_large_mapcount()` (include/linux/rmap.h).
fn remember(counts: &mut LargeCounts, mm: u16, pages: i32) {
    let diff = pages as i16;
    if let Some(slot) = counts.mms.iter_mut().find(|slot| slot.id == mm) {
        slot.mapcount = slot.mapcount.wrapping_add(diff);
        return;
    }
    let Some(free) = counts.mms.iter().position(|slot| slot.id == 0) else { return };
    counts.mms[free] = RememberedMm { id: mm, mapcount: diff - 1 };
    // The other slot is in use, or was not free when others mapped it.
    if free == 1 || counts.large_mapcount != pages {
        counts.shared = true;
    }
}

/// An mm maps so many pages less. Mirrors `folio_sub_return_large_mapcount()` (include/linux/rmap.h).
fn forget(counts: &mut LargeCounts, mm: u16, pages: i32) {
    if let Some(slot) = counts.mms.iter_mut().find(|slot| slot.id == mm) {
        slot.mapcount = slot.mapcount.wrapping_sub(pages as i16);
        if slot.mapcount >= 0 {
            return;
        }
        *slot = RememberedMm::NONE;
    }
    // One mm has all that is left.
    let left = counts.large_mapcount - 1;
    if counts.mms.iter().any(|slot| i32::from(slot.mapcount) == left) {
        counts.shared = false;
    }
}

impl<H: Hooks> Port<H> {
    /// A folio comes to be, which nothing maps.
    pub(super) fn folio_alloc(&mut self, folio: FolioId, order: u32) -> Result<(), Stop> {
        self.task.observed.tell_folio(folio, 0, 1 << (order % 32));
        let count = Some(Count::new(order, &self.revision, &mut self.gone_large));
        self.put_folio(folio, Some(Folio { mapping: None, index: 0, count }))
    }

    /// Its owner writes its mapping and index.
    pub(super) fn folio_set_mapping(
        &mut self,
        folio: FolioId,
        mapping: Option<Ref<AnonVma>>,
        index: u64,
    ) -> Result<(), Stop> {
        let known = self.given_folio(folio)?;
        (known.mapping, known.index) = (mapping, index);
        Ok(())
    }

    /// Its owner says whether a page is one process's alone.
    pub(super) fn folio_set_exclusive(&mut self, pages: Pages, exclusive: bool) -> Result<(), Stop> {
        self.counted(pages)?.1[0].exclusive = exclusive;
        Ok(())
    }

    /// A folio that nothing maps becomes several. What is marked exclusive of a page that nothing maps is forgotten, but for the
    /// first folio, which keeps its flags. Mirrors `__split_folio_to_order()` (mm/huge_memory.c).
    pub(super) fn folio_split(&mut self, folio: FolioId, order: u32) -> Result<(), Stop> {
        let wild = Stop::UseAfterFree(folio.0);
        self.given_folio(folio)?;
        let split = self.folio_slot(folio)?.take().ok_or(wild)?;
        let pages = split.count.as_ref().ok_or(wild)?.as_slice();
        let each = 1 << (order % 32);
        for (nth, chunk) in (0u32..).zip(pages.chunks(each)) {
            let first = nth * each as u32;
            let mut count = Count::new(order, &self.revision, &mut self.gone_large);
            for (new, old) in count.as_mut_slice().iter_mut().zip(chunk) {
                *new = PageCount { mapcount: old.mapcount, exclusive: old.exclusive && nth == 0 };
            }
            let index = split.index.wrapping_add(first.into());
            let new = Folio { mapping: split.mapping, index, count: Some(count) };
            self.put_folio(FolioId(folio.0 + first), Some(new))?;
        }
        self.keep_large(Some(split));
        self.task.observed.tell_folio(folio, 0, each as u32);
        Ok(())
    }

    /// Others put it on the list of folios to split, or take it off.
    pub(super) fn folio_set_deferred(
        &mut self,
        folio: FolioId,
        deferred: bool,
        partially_mapped: bool,
    ) -> Result<(), Stop> {
        self.given_folio(folio)?;
        let large = self.large(folio).ok_or(Stop::UseAfterFree(folio.0))?;
        (large.deferred, large.partially_mapped) = (deferred, partially_mapped);
        Ok(())
    }

    /// The pages that a call is about: whether the folio is anonymous, and what maps them. The call then tells them.
    fn counted(&mut self, pages: Pages) -> Result<(bool, &mut [PageCount]), Stop> {
        let wild = Stop::UseAfterFree(pages.folio.0);
        let pages = pages.noted();
        self.given_folio(pages.folio)?;
        self.task.observed.tell_folio(pages.folio, pages.first, pages.count);
        let known = self.folio_slot(pages.folio)?.as_mut().ok_or(wild)?;
        let counted = known.count.as_mut().and_then(|count| count.of(pages)).ok_or(wild)?;
        Ok((known.mapping.is_some(), counted))
    }

    /// What the folio counts for all of its pages, if it has several.
    fn large(&mut self, folio: FolioId) -> Option<&mut LargeCounts> {
        let known = self.folio_slot(folio).ok()?.as_mut()?;
        known.count.as_mut()?.large().map(|large| &mut large.counts)
    }

    /// Mirrors `__folio_mod_stat()` (mm/rmap.c): so many pages are mapped more, and so many as a huge page.
    fn count_mapped(&mut self, anon: bool, pages: i32, as_huge: i32) {
        let stat = if anon { NodeStat::AnonMapped } else { NodeStat::FileMapped };
        for (stat, pages) in [(stat, pages), (NodeStat::AnonThps, as_huge)] {
            if pages != 0 {
                self.task.observed.record(EventKind::Stat, stat as u8, 0, pages.cast_unsigned(), 0);
            }
        }
    }

    /// Mirrors `mlock_vma_folio()` and `munlock_vma_folio()` (mm/internal.h).
    pub(super) fn lock_in_memory(&mut self, folio: FolioId, vma: Ref<Vma>, kind: EventKind) -> Result<(), Stop> {
        if self.vmas.get(vma)?.attributes.flags & VmaAttributes::LOCKED != 0 {
            self.task.observed.record(kind, 0, 0, folio.0, 0);
        }
        Ok(())
    }

    /// The number of the mm of a VMA as a large folio remembers it.
    fn remembered_as(&self, vma: Ref<Vma>) -> Result<u16, Stop> {
        Ok(u16::from(self.vmas.get(vma)?.mm.0) + 1)
    }

    /// Mirrors `folio_add_large_mapcount()` (include/linux/rmap.h); nothing of a small folio.
    fn add_large_mapcount(&mut self, pages: Pages, vma: Option<Ref<Vma>>) -> Result<(), Stop> {
        let mm = vma.map(|vma| self.remembered_as(vma)).transpose()?;
        let remembers = self.revision.remembers_mms;
        let Some(counts) = self.large(pages.folio) else { return Ok(()) };
        counts.large_mapcount += pages.entries();
        if let Some(mm) = mm.filter(|_| remembers) {
            remember(counts, mm, pages.entries());
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
        let known = self.given_folio(folio)?;
        let count = known.count.as_ref().map_or(1, Count::pages) as u32;
        let pages = Pages { huge: count == 1 << HUGE_ORDER, ..Pages::of(folio, 0, count) };
        let (mapping, index) = self.anon_place(vma, page, exclusive)?;
        self.folio_set_mapping(folio, Some(mapping), index)?;
        for counted in self.counted(pages)?.1 {
            counted.mapcount = i32::from(!pages.huge);
            counted.exclusive |= exclusive;
        }
        let (mm, remembers) = (self.remembered_as(vma)?, self.revision.remembers_mms);
        if let Some(large) = self.large(folio) {
            large.large_mapcount = pages.entries();
            (large.entire_mapcount, large.pages_mapped) =
                if pages.huge { (1, ENTIRELY_MAPPED) } else { (0, count as i32) };
            if remembers {
                large.mms[0] = RememberedMm { id: mm, mapcount: pages.entries() as i16 - 1 };
            }
        }
        let range = self.vmas.get(vma)?.range;
        self.task.observed.warn_on(
            page < range.start || page + u64::from(count) > range.end,
            "VM_WARN_ON_ONCE(address < vma->vm_start || address + (nr << PAGE_SHIFT) > vma->vm_end)",
        );
        self.count_mapped(true, count as i32, if pages.huge { count as i32 } else { 0 });
        Ok(())
    }

    /// Mirrors `__folio_add_rmap()` (mm/rmap.c).
    fn folio_add_rmap(&mut self, pages: Pages, vma: Ref<Vma>) -> Result<bool, Stop> {
        let (anon, counted) = self.counted(pages)?;
        let (mut first, mut as_huge) = (0, 0);
        if !pages.huge {
            for page in counted {
                page.mapcount += 1;
                first += i32::from(page.mapcount == 1);
            }
        }
        if let Some(large) = self.large(pages.folio) {
            if pages.huge {
                large.entire_mapcount += 1;
                if large.entire_mapcount == 1 {
                    // Those with an entry of their own are counted already.
                    (first, as_huge) = (pages.count as i32 - large.pages_mapped, pages.count as i32);
                    large.pages_mapped += ENTIRELY_MAPPED;
                }
            } else {
                large.pages_mapped += first;
                // Mapped as a whole they are counted already.
                if large.pages_mapped >= ENTIRELY_MAPPED {
                    first = 0;
                }
            }
        }
        self.add_large_mapcount(pages, Some(vma))?;
        self.count_mapped(anon, first, as_huge);
        Ok(anon)
    }

    /// How many of the pages are marked exclusive, and mapped more than once; and how many of those marked, if more than one
    /// entry maps all of the folio.
    fn shared_and_exclusive(&mut self, pages: Pages) -> Result<(u32, u32), Stop> {
        let entire = self.large(pages.folio).map_or(0, |large| large.entire_mapcount);
        let count = self.folio_slot(pages.folio)?.as_mut().and_then(|folio| folio.count.as_mut());
        let pages = count.and_then(|count| count.of(pages)).unwrap_or_default();
        let marked = pages.iter().filter(|page| page.exclusive);
        let (mut twice, mut of_entire) = (0, 0);
        for page in marked {
            twice += u32::from(page.mapcount > 1);
            of_entire += u32::from(entire > 1);
        }
        Ok((twice, of_entire))
    }

    /// Whether a mapping of these pages locks the folio in memory.
    fn locks(&mut self, pages: Pages) -> bool {
        let whole_ones = self.revision.locks_whole_folios;
        match self.large(pages.folio) {
            None => true,
            Some(large) => whole_ones && pages.count == 1 << large.order,
        }
    }

    /// Mirrors `folio_add_anon_rmap_ptes()` (mm/rmap.c).
    pub(super) fn folio_add_anon_rmap(
        &mut self,
        pages: Pages,
        vma: Ref<Vma>,
        page: u64,
        exclusive: bool,
    ) -> Result<(), Stop> {
        let known = self.given_folio(pages.folio)?;
        let (mapping, index) = (known.mapping, known.index);
        self.task.observed.warn_on(mapping.is_none(), "VM_WARN_ON_FOLIO(!folio_test_anon(folio), folio)");
        self.folio_add_rmap(pages, vma)?;
        // __page_check_anon_rmap()
        let own = self.vmas.get(vma)?.anon_vma.ok_or(Stop::Oops("NULL pointer dereference: vma->anon_vma"))?;
        let mapping = mapping.ok_or(Stop::Oops("NULL pointer dereference: folio_anon_vma(folio)"))?;
        if self.anon_vmas.get(mapping)?.root != self.anon_vmas.get(own)?.root {
            return Err(Stop::Bug("VM_BUG_ON_FOLIO(folio_anon_vma(folio)->root != vma->anon_vma->root, folio)"));
        }
        if self.linear_index(vma, page)? != index.wrapping_add(pages.first.into()) {
            return Err(Stop::Bug("VM_BUG_ON_PAGE(page_pgoff(folio, page) != linear_page_index(vma, address), page)"));
        }
        for page in self.counted(pages)?.1 {
            page.exclusive |= exclusive;
        }
        let (twice, of_entire) = self.shared_and_exclusive(pages)?;
        // 6.12 looks at each page once. Kernels that lock whole folios look at a small folio for itself, and then for its page,
        // and at a page of a large one for both reasons.
        let small = self.large(pages.folio).is_none();
        let shared = match self.revision.locks_whole_folios {
            true if small => 2 * twice,
            true => twice + of_entire,
            false => twice.max(of_entire),
        };
        for _ in 0..shared {
            self.task.observed.warn_on(true, "VM_WARN_ON_FOLIO(PageAnonExclusive(page) and mapped before, folio)");
        }
        if self.locks(pages) {
            self.lock_in_memory(pages.folio, vma, EventKind::Mlock)?;
        }
        Ok(())
    }

    /// Mirrors `folio_add_file_rmap_ptes()` (mm/rmap.c).
    pub(super) fn folio_add_file_rmap(&mut self, pages: Pages, vma: Ref<Vma>) -> Result<(), Stop> {
        let anon = self.given_folio(pages.folio)?.mapping.is_some();
        self.task.observed.warn_on(anon, "VM_WARN_ON_FOLIO(folio_test_anon(folio), folio)");
        self.folio_add_rmap(pages, vma)?;
        if self.locks(pages) {
            self.lock_in_memory(pages.folio, vma, EventKind::Mlock)?;
        }
        Ok(())
    }

    /// Mirrors `folio_remove_rmap_ptes()` (mm/rmap.c).
    pub(super) fn folio_remove_rmap(&mut self, pages: Pages, vma: Ref<Vma>) -> Result<(), Stop> {
        let (mm, remembers) = (self.remembered_as(vma)?, self.revision.remembers_mms);
        let (anon, counted) = self.counted(pages)?;
        let (mut last, mut as_huge) = (0, 0);
        if !pages.huge {
            for page in counted {
                page.mapcount -= 1;
                last += i32::from(page.mapcount < 1);
            }
        }
        if let Some(large) = self.large(pages.folio) {
            large.large_mapcount -= pages.entries();
            if remembers {
                forget(large, mm, pages.entries());
            }
            let partially_mapped;
            if pages.huge {
                large.entire_mapcount -= 1;
                if large.entire_mapcount < 1 {
                    large.pages_mapped -= ENTIRELY_MAPPED;
                    (last, as_huge) = (pages.count as i32 - large.pages_mapped, pages.count as i32);
                }
                partially_mapped = last > 0 && last < as_huge;
            } else {
                large.pages_mapped -= last;
                if large.pages_mapped >= ENTIRELY_MAPPED {
                    last = 0;
                }
                partially_mapped = last > 0 && large.pages_mapped != 0;
            }
            // deferred_split_folio(): of two pages it has no room for the list.
            if partially_mapped && anon && large.order > 1 {
                (large.partially_mapped, large.deferred) = (true, true);
            }
        }
        self.count_mapped(anon, -last, -as_huge);
        self.lock_in_memory(pages.folio, vma, EventKind::Munlock)
    }

    /// Mirrors `__folio_dup_file_rmap()` (include/linux/rmap.h): it was mapped before, and is counted as mapped.
    pub(super) fn folio_dup_file_rmap(&mut self, pages: Pages, child: Option<VmaId>) -> Result<(), Stop> {
        let child = child.map(|child| self.vma_named(child)).transpose()?;
        let (anon, counted) = self.counted(pages)?;
        counted.iter_mut().for_each(|page| page.mapcount += 1);
        self.add_large_mapcount(pages, child)?;
        self.task.observed.warn_on(anon, "VM_WARN_ON_FOLIO(folio_test_anon(folio), folio)");
        Ok(())
    }

    /// Mirrors `__folio_try_dup_anon_rmap()` (include/linux/rmap.h).
    pub(super) fn folio_try_dup_anon_rmap(
        &mut self,
        pages: Pages,
        child: Option<VmaId>,
        pinned: bool,
    ) -> Result<i32, Stop> {
        let child = child.map(|child| self.vma_named(child)).transpose()?;
        let (anon, counted) = self.counted(pages)?;
        if pinned && counted.iter().any(|page| page.exclusive) {
            return Ok(-EBUSY);
        }
        for page in counted {
            page.exclusive = false;
            page.mapcount += i32::from(!pages.huge);
        }
        if let Some(large) = self.large(pages.folio).filter(|_| pages.huge) {
            large.entire_mapcount += 1;
        }
        self.add_large_mapcount(pages, child)?;
        self.task.observed.warn_on(!anon, "VM_WARN_ON_FOLIO(!folio_test_anon(folio), folio)");
        Ok(0)
    }

    /// Mirrors `__folio_try_share_anon_rmap()` (include/linux/rmap.h).
    pub(super) fn folio_try_share_anon_rmap(&mut self, pages: Pages, pinned: bool) -> Result<i32, Stop> {
        let (anon, counted) = self.counted(pages)?;
        let exclusive = counted.iter().all(|page| page.exclusive);
        if !pinned {
            counted.iter_mut().for_each(|page| page.exclusive = false);
        }
        self.task.observed.warn_on(!anon, "VM_WARN_ON_FOLIO(!folio_test_anon(folio), folio)");
        self.task.observed.warn_on(!exclusive, "VM_WARN_ON_FOLIO(!PageAnonExclusive(page), folio)");
        Ok(if pinned { -EBUSY } else { 0 })
    }
}
