//! I9: the reverse map finds every page.
//!
//! At the end of an operation, of the pages that map something else since, or that lie in a VMA that changed: the anon_vma of
//! the mapped folio is live and on the chain of the VMA that maps it, and its index is where that VMA has the page. That is
//! what a walk needs to find it.
//! And of each walk that was made: it came to every place that maps the folio, and elsewhere only to a page of a VMA
//! that could map it, for it is attached to the folio's anon_vma and has the index, but whose page table does not.
//! The kernel says so of a walk: its callers look at the page table themselves.

use super::oracle::Oracle;
use super::violation::{Invariant, Object, Violation};
use crate::pages::{AddressSpaces, ChangedPages, Pages};
use crate::rmap::{AnonVmaId, FolioId, MmId, VmaId};

/// Everything that I9 says of what changed in the operation that has just ended.
pub(super) fn check(oracle: &mut Oracle, pages: &Pages, spaces: &impl AddressSpaces) -> Vec<Violation> {
    let mut changed = std::mem::take(oracle.changed());
    pages.take_changed(&mut changed);
    let mut folios = std::mem::take(oracle.changed_folios());
    for folio in folios.drain(..) {
        note_mappings(pages, folio, &mut changed);
    }
    *oracle.changed_folios() = folios;
    oracle.digest_pages(pages, &mut changed);
    let mut violations = Vec::new();
    // The first fault of each process.
    let mut faulty = None;
    for (mm, start, end) in changed.in_order() {
        if faulty == Some(mm) {
            continue;
        }
        if let Some(violation) = check_range(oracle, pages, spaces, mm, [start, end]) {
            violations.push(violation);
            faulty = Some(mm);
        }
    }
    // Its memory is used again.
    changed.clear();
    *oracle.changed() = changed;
    if oracle.walks().is_empty() {
        return violations;
    }
    let mut walks = std::mem::take(oracle.walks());
    let mut mappings = std::mem::take(&mut walks.mappings);
    mappings.clear();
    let only = walks.only_folio();
    mappings.extend(pages.mappings().filter(|&(folio, ..)| only.is_none_or(|only| only == folio)));
    mappings.sort_unstable();
    for (walked, visits) in walks.iter() {
        let first = mappings.partition_point(|&(folio, ..)| folio < walked);
        let of_folio = mappings[first..].iter().take_while(|&&(folio, ..)| folio == walked);
        let mappings = of_folio.map(|&(_, mm, page)| (mm, page));
        violations.extend(check_walk(oracle, pages, spaces, walked, visits, mappings));
    }
    walks.mappings = mappings;
    walks.clear();
    *oracle.walks() = walks;
    violations
}

#[cold]
fn broken<const N: usize>(what: &'static str, objects: [Object; N], detail: String) -> Violation {
    Violation::new(Invariant::I9, what, objects, detail)
}

/// Of a folio that is another's than it was: every page that maps it. Nearly always none does, or the one by which it changed.
fn note_mappings(pages: &Pages, folio: FolioId, changed: &mut ChangedPages) {
    let mapcount = pages.mapcount(folio);
    if mapcount == 0 || mapcount == 1 && changed.pages().any(|(mm, page)| pages.folio_at(mm, page) == Some(folio)) {
        return;
    }
    let mappings = pages.mappings().filter(|&(mapped, ..)| mapped == folio);
    mappings.for_each(|(_, mm, page)| changed.note(mm, page, page + 1));
}

/// The first fault of a range of pages of one process.
fn check_range(
    oracle: &Oracle,
    pages: &Pages,
    spaces: &impl AddressSpaces,
    mm: MmId,
    [start, end]: [u64; 2],
) -> Option<Violation> {
    // The VMA of the page before, up to where it is good, and what the oracle knows of it.
    let mut place = None;
    for (page, folio) in pages.mapped_in(mm, start, end) {
        let (vma, _, known) = match place {
            Some(here @ (_, end, _)) if page < end => here,
            _ => {
                let Some((vma, range)) = spaces.vma_at(mm, page) else {
                    let detail = format!("page {page:#x} of {mm} maps {folio}, but no VMA is there");
                    return Some(broken("page mapped outside of every VMA", [folio.into()], detail));
                };
                let Some(known) = oracle.vma(vma) else {
                    let detail = format!("page {page:#x} of {mm} lies in {vma}, which is not live");
                    return Some(broken("page of a VMA that is not live", [vma.into(), folio.into()], detail));
                };
                *place.insert((vma, range.end, known))
            }
        };
        let Some((mapping, index)) = oracle.folio(folio) else {
            let detail = format!("page {page:#x} of {mm} maps {folio}, which was never given an anon_vma");
            return Some(broken("mapped folio without an anon_vma", [folio.into()], detail));
        };
        let objects = [folio.into(), vma.into(), mapping.into()];
        if !oracle.is_live(mapping) {
            let detail = format!("page {page:#x} of {mm} maps {folio}, whose {mapping} was freed");
            return Some(broken("mapped folio of a freed anon_vma", objects, detail));
        }
        if !known.is_attached_to(mapping) {
            let detail =
                format!("page {page:#x} of {mm} maps {folio} of {mapping}, which is not on the chain of {vma}");
            return Some(broken("folio's anon_vma not on the chain", objects, detail));
        }
        let want = known.index_of(page);
        if want.wrapping_sub(index) >= pages.pages_of(folio) {
            let detail =
                format!("page {page:#x} of {mm} maps {folio} of index {index:#x}, which {vma} has at {want:#x}");
            return Some(broken("folio's index", objects, detail));
        }
    }
    None
}

/// The first fault of one walk.
fn check_walk(
    oracle: &Oracle,
    pages: &Pages,
    spaces: &impl AddressSpaces,
    folio: FolioId,
    visits: &[(VmaId, u64)],
    mappings: impl Iterator<Item = (MmId, u64)>,
) -> Option<Violation> {
    for (mm, page) in mappings {
        let vma = spaces.vma_at(mm, page).map(|(vma, _)| vma);
        // It comes to the first page of the folio that a VMA has.
        let pages_of_folio = pages.pages_of(folio);
        let comes =
            |&(visited, first): &(VmaId, u64)| vma == Some(visited) && page.wrapping_sub(first) < pages_of_folio;
        if !visits.iter().any(comes) {
            let detail = format!("page {page:#x} of {mm} maps {folio}, but the walk did not come there");
            return Some(broken("walk misses a mapping", [folio.into()], detail));
        }
    }
    let mapping = oracle.folio(folio).map(|(mapping, _)| mapping);
    let index = oracle.folio(folio).map(|(_, index)| index);
    for (at, &(vma, page)) in visits.iter().enumerate() {
        let objects = [folio.into(), vma.into()];
        if visits[..at].contains(&(vma, page)) {
            let detail = format!("the walk of {folio} came to page {page:#x} of {vma} twice");
            return Some(broken("walk comes twice", objects, detail));
        }
        let Some(known) = oracle.vma(vma) else {
            let detail = format!("the walk of {folio} came to {vma}, which is not live");
            return Some(broken("walk comes to a dead VMA", objects, detail));
        };
        let mm = known.mm();
        if pages.folio_at(mm, page) == Some(folio) {
            continue;
        }
        let could = known.contains(page)
            && mapping.is_some_and(|mapping: AnonVmaId| known.is_attached_to(mapping))
            && index.is_some_and(|index| known.index_of(page).wrapping_sub(index) < pages.pages_of(folio));
        if !could {
            let detail = format!("the walk of {folio} came to page {page:#x} of {mm}, where {vma} cannot map it");
            return Some(broken("walk comes where it has no business", objects, detail));
        }
    }
    None
}
