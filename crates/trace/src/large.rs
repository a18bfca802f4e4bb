//! Sequences about one folio of several pages, placed at random in a random trace. Single random operations seldom come to one
//! folio often enough: it is faulted in, made ready in some way, and then reclaim, migration, devices and its processes come to it.

use super::model::{HUGE_PLACES, WINDOW_START};
use super::op::{Advice, HUGE_ORDER, OpKind};
use super::random::Rng;
use rmap_seam::{MmId, WalkMode};

/// Pages that a page table of the lowest level has entries for.
const TABLE_PAGES: u64 = 512;
/// Pages that a table of the level above the lowest stands for.
const TABLES_PAGES: u64 = TABLE_PAGES * 512;

/// Where the folio is.
struct Large {
    start: u64,
    pages: u64,
    /// The page at which the second of two page tables begins, if it lies in two.
    border: Option<u64>,
}

impl Large {
    /// The first one in a window, near a page.
    fn near(page: u64, pages: u64) -> Large {
        Large { start: WINDOW_START + page.saturating_sub(WINDOW_START) / pages * pages, pages, border: None }
    }

    fn end(&self) -> u64 {
        self.start + self.pages
    }

    fn page(&self, rng: &mut Rng) -> u64 {
        self.start + u64::from(rng.below(self.pages as u32))
    }

    /// Some of its pages in a row, or all.
    fn part(&self, rng: &mut Rng) -> (u64, u64) {
        let at = match self.border {
            Some(border) if one_in(rng, 2) => border,
            _ => self.page(rng),
        };
        match rng.below(4) {
            0 if at > self.start => (self.start, at),
            1 => (at, self.end()),
            2 => (at, at + 1),
            _ => (self.start, self.end()),
        }
    }

    /// A place where it lies in two page tables, which are its own if they are `apart`.
    fn moved(&self, rng: &mut Rng, huge: bool, apart: bool) -> Large {
        let pages = self.pages;
        let (start, border) = match huge {
            true => (self.start + pages + pages / 2, self.start + 2 * pages),
            false => {
                let border = if apart { 3 * TABLE_PAGES } else { TABLE_PAGES };
                (border - 1 - u64::from(rng.below(pages as u32 - 1)), border)
            }
        };
        Large { start, pages, border: Some(border) }
    }
}

fn one_in(rng: &mut Rng, times: u32) -> bool {
    rng.below(times) == 0
}

/// A sequence in the process, about a folio near the page; `child` is a process that does not exist. If `huge`, the page is one
/// of a window in which a huge page has [`HUGE_PLACES`] pages.
pub(super) fn large_scene(rng: &mut Rng, mm: MmId, child: Option<MmId>, page: u64, huge: bool) -> Vec<OpKind> {
    let order = if huge { HUGE_ORDER.into() } else { 1 + rng.below(4) };
    let mut folio = Large::near(page, if huge { HUGE_PLACES as u64 } else { 1 << order });
    let mut ops = Vec::new();
    let mut who = vec![mm];
    match (rng.below(8), child) {
        (0, _) if !huge => folio = regrown(rng, &mut ops, mm, &folio, order),
        (1, Some(child)) if !huge => {
            folio = beyond_tables(rng, &mut ops, mm, child, order);
            who.push(child);
        }
        _ => {
            let start = folio.start;
            let end = folio.end();
            ops.extend(one_in(rng, 2).then_some(OpKind::Unmap { mm, start, end }));
            if let Some(child) = child
                && one_in(rng, 5)
            {
                // The child has the memory, and nothing of the folio.
                ops.push(OpKind::map(mm, start, end + 1));
                ops.extend([OpKind::fault(mm, end), OpKind::Fork { parent: mm, child }]);
                who.push(child);
            } else {
                ops.push(OpKind::map(mm, start, end));
            }
            ops.push(OpKind::Fault { mm, page: folio.page(rng), read: one_in(rng, 8), order });
            if one_in(rng, 2) {
                ops.push(OpKind::LazyFree { mm, start, end });
                // Between pages that nobody wrote to is one that a device has.
                if one_in(rng, 4) {
                    let page = folio.page(rng);
                    ops.extend([OpKind::Exclusive { mm, page }, OpKind::SwapOut { mm, page: start }]);
                }
            }
            if one_in(rng, 4) {
                folio = folio.moved(rng, huge, false);
                ops.push(OpKind::Move { mm, start, end, to: folio.start, dontunmap: false });
                if let Some(border) = folio.border
                    && one_in(rng, 4)
                {
                    ops.push(OpKind::DontNeed { mm, start: folio.start, end: border });
                }
            }
        }
    }
    if let Some(child) = child
        && who.len() == 1
        && one_in(rng, 2)
    {
        let (start, end) = folio.part(rng);
        ops.extend(one_in(rng, 4).then(|| OpKind::Pin { mm, page: folio.page(rng) }));
        ops.extend(one_in(rng, 6).then_some(OpKind::Advise { mm, start, end, advice: Advice::DontFork }));
        ops.push(OpKind::Fork { parent: mm, child });
        who.push(child);
    }
    if huge && one_in(rng, 2) {
        // One entry goes on mapping all of it.
        ops.push(match rng.below(3) {
            0 => OpKind::Mlock { mm, start: folio.start, end: folio.end() },
            _ => OpKind::Pin { mm, page: folio.page(rng) },
        });
    }
    for _ in 0..rng.below(3) {
        ready(rng, &mut ops, &folio, &who);
    }
    for _ in 0..3 + rng.below(4) {
        ops.push(comes_to(rng, &folio, &who));
    }
    ops
}

/// The folio moves to where it lies in two page tables. The first goes with what the process unmaps. Then its memory grows down
/// over that place again: the folio is not mapped there any more, and there is no page table.
///
/// Not of a huge page: if another huge page comes to that place, walks of kernels before 7.3 end there, and miss the rest.
fn regrown(rng: &mut Rng, ops: &mut Vec<OpKind>, mm: MmId, folio: &Large, order: u32) -> Large {
    let Large { start, pages, .. } = *folio;
    let end = folio.end();
    let moved = folio.moved(rng, false, true);
    let (to, border) = (moved.start, moved.border.unwrap_or(moved.start));
    ops.push(OpKind::Unmap { mm, start, end });
    ops.push(OpKind::Map { mm, start, end, grows: true, noreserve: false, shared: false, file: None });
    ops.push(OpKind::Fault { mm, page: start, read: false, order });
    ops.extend(one_in(rng, 3).then_some(OpKind::LazyFree { mm, start, end }));
    ops.push(OpKind::Unmap { mm, start: to - pages / 2, end: to + pages });
    ops.push(OpKind::Move { mm, start, end, to, dontunmap: false });
    ops.push(OpKind::Unmap { mm, start: to, end: border });
    ops.push(OpKind::Grow { mm, page: border, pages: border - to });
    match rng.below(4) {
        0 => ops.push(OpKind::Mlock { mm, start: border, end: to + pages }),
        1 => ops.push(OpKind::DontNeed { mm, start: border, end: border + 1 }),
        _ => {}
    }
    moved
}

/// The folio comes to memory of which a child's part has moved, before it had anything, to where the child has no table of a
/// higher level.
fn beyond_tables(rng: &mut Rng, ops: &mut Vec<OpKind>, mm: MmId, child: MmId, order: u32) -> Large {
    let folio = Large { start: TABLE_PAGES, pages: 1 << order, border: None };
    let (start, end) = (folio.start, folio.end());
    let to = [TABLES_PAGES, TABLES_PAGES * 512][rng.below(2) as usize];
    ops.push(OpKind::Unmap { mm, start: start - 2, end });
    ops.push(OpKind::map(mm, start - 2, end));
    ops.push(OpKind::fault(mm, start - 2));
    ops.push(OpKind::Fork { parent: mm, child });
    ops.push(OpKind::Fault { mm, page: start, read: false, order });
    ops.push(OpKind::Move { mm: child, start, end, to, dontunmap: false });
    ops.push(OpKind::Migrate { mm, page: start });
    folio
}

fn one_of(rng: &mut Rng, who: &[MmId]) -> MmId {
    who[rng.below(who.len() as u32) as usize]
}

/// What changes how it is mapped.
fn ready(rng: &mut Rng, ops: &mut Vec<OpKind>, folio: &Large, who: &[MmId]) {
    let (mm, page, (start, end)) = (one_of(rng, who), folio.page(rng), folio.part(rng));
    match rng.below(12) {
        0..2 => ops.push(OpKind::Mlock { mm, start, end }),
        2 => ops.push(OpKind::Mlock { mm, start: folio.start, end: folio.end() }),
        // Nothing of it is left but what is locked.
        3 => {
            ops.push(OpKind::Mlock { mm, start: folio.start, end: page + 1 });
            ops.push(OpKind::DontNeed { mm, start: page + 1, end: folio.end().max(page + 2) });
        }
        4 => ops.push(OpKind::Protect { mm, start, end, write: false }),
        5 => ops.push(OpKind::DontNeed { mm, start, end }),
        6 => ops.push(OpKind::UffdWp { mm, start, end, off: false }),
        7 | 8 => ops.push(OpKind::Pin { mm, page }),
        9 | 10 => ops.push(OpKind::Exclusive { mm, page }),
        _ => ops.push(OpKind::fault(mm, page)),
    }
}

/// Who comes to it.
fn comes_to(rng: &mut Rng, folio: &Large, who: &[MmId]) -> OpKind {
    let (mm, page, (start, end)) = (one_of(rng, who), folio.page(rng), folio.part(rng));
    match rng.below(32) {
        0..6 => OpKind::Age { mm, page },
        6..12 => OpKind::SwapOut { mm, page },
        12..16 => OpKind::Migrate { mm, page },
        16 | 17 => OpKind::Walk { mm, page, mode: WalkMode::Locked },
        18 | 19 => OpKind::Split { mm, page },
        20 | 21 => OpKind::Touch { mm, page, write: false },
        22 => OpKind::Touch { mm, page, write: true },
        23 => OpKind::fault(mm, page),
        24 | 25 => OpKind::Exclusive { mm, page },
        26 => OpKind::LazyFree { mm, start: folio.start, end: folio.end() },
        27 => OpKind::Munlock { mm, start, end },
        28 => OpKind::Mlock { mm, start, end },
        29 => OpKind::Protect { mm, start, end, write: true },
        30 => OpKind::Poison { mm, page },
        _ if mm != who[0] => OpKind::Exit { mm },
        _ => OpKind::DontNeed { mm, start, end },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_about_one_folio_that_is_faulted_in_first() {
        let mut rng = Rng::new(1);
        for nth in 0..2_000 {
            let huge = nth % 2 == 0;
            let ops = large_scene(&mut rng, MmId(0), Some(MmId(1)), WINDOW_START + nth % 64, huge);
            let fault = ops.iter().find_map(|op| match *op {
                OpKind::Fault { page, order, .. } if order > 0 => Some((page, order)),
                _ => None,
            });
            let Some((page, order)) = fault else { panic!("{ops:?}") };
            assert!(if huge { order == u32::from(HUGE_ORDER) } else { (1..5).contains(&order) }, "{ops:?}");
            let map = ops.iter().find_map(|op| match *op {
                OpKind::Map { start, end, .. } => Some(start..end),
                _ => None,
            });
            assert!(map.is_some_and(|range| range.contains(&page)), "{ops:?}");
            assert!(ops.len() >= 5 && ops.len() < 30, "{ops:?}");
        }
    }
}
