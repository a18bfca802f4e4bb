//! Which neighbours must be one VMA after an operation, and which must stay two: `is_mergeable_anon_vma()` (mm/mmap.c, mm/vma.c
//! since 6.11) and what asks it.

use std::ops::RangeInclusive;

use crate::rmap::{VmaAttributes, VmaRange};
use crate::trace::{Mapped, Meaning, OpKind};

/// The pages between which an operation may merge, if it changes memory in place.
fn borders(operation: &OpKind) -> Option<RangeInclusive<u64>> {
    match operation.meaning() {
        Meaning::Change(start, end, _) => Some(start..=end),
        Meaning::ChangeAll(_) => Some(0..=u64::MAX),
        Meaning::New(..) | Meaning::Append(..) | Meaning::Other => None,
    }
}

/// New memory that an operation makes.
struct NewRange {
    start: u64,
    end: u64,
    /// The page up to which it looks for neighbours that it may merge with: its start, or its end.
    merges_up_to: u64,
}

fn new_range(operation: &OpKind) -> Option<NewRange> {
    match operation.meaning() {
        Meaning::New(start, end, _) => Some(NewRange { start, end, merges_up_to: end }),
        Meaning::Append(start, end, _) => Some(NewRange { start, end, merges_up_to: start }),
        _ => None,
    }
}

/// The first VMA of which a move takes pages, cut to those, and to where they go.
pub(super) fn first_moved(operation: &OpKind, before: &[Mapped]) -> Option<(Mapped, [u64; 2])> {
    let OpKind::Move { start, end, to, .. } = *operation else { return None };
    let was = *before.iter().find(|was| was.range.start < end && start < was.range.end)?;
    let (first, last) = (was.range.start.max(start), was.range.end.min(end));
    let pgoff = was.range.pgoff.wrapping_add(first - was.range.start);
    let was = Mapped { range: VmaRange { start: first, end: last, pgoff }, ..was };
    Some((was, [first - start + to, last - start + to]))
}

/// After an operation to which no allocation failed: a page at which two VMAs touch that should be one. They are alike, and
/// were made so at that place by the operation. They have one anon_vma, or none; or only one of them has one and no fork made
/// it, which a kernel merges if the other is new there, and since 6.19 (`either_way`) in any case.
pub(super) fn unmerged(operation: &OpKind, before: &[Mapped], after: &[Mapped], either_way: bool) -> Option<u64> {
    let new = match (new_range(operation), operation) {
        (Some(new), _) => Some(new),
        // What moves to beside where it stays mapped is kept apart from it.
        (None, OpKind::Move { dontunmap: false, .. }) => {
            let (was, [start, end]) = first_moved(operation, before)?;
            let arrived = after.iter().find(|vma| (vma.range.start..vma.range.end).contains(&start))?;
            // Where the anon_vma was lost on the way, what is next to it says nothing: the folios tell that.
            if was.faulted() && !arrived.faulted() {
                return None;
            }
            // The copy of memory that is registered with userfaultfd is not, but that is decided later.
            if was.is_write_protected() {
                return None;
            }
            Some(NewRange { start, end, merges_up_to: end })
        }
        _ => None,
    };
    let is_new =
        |vma: &Mapped| new.as_ref().is_some_and(|new| vma.range.start <= new.start && new.end <= vma.range.end);
    let of_one_kind = |a: &Mapped, b: &Mapped| {
        let of_one_kind = !a.file && !b.file && a.flags == b.flags && u64::from(a.flags) & VmaAttributes::OTHER == 0;
        let in_place = |vma: &Mapped| vma.faulted() || vma.range.pgoff == vma.range.start;
        let goes_on = b.range.pgoff.wrapping_sub(a.range.pgoff) == a.range.end - a.range.start;
        of_one_kind && in_place(a) && in_place(b) && goes_on
    };
    let mergeable = |a: &Mapped, b: &Mapped| match (a.anon_vma, b.anon_vma) {
        (None, Some(_)) => (either_way || is_new(a)) && !b.is_child,
        (Some(_), None) => (either_way || is_new(b)) && !a.is_child,
        (a, b) => a == b,
    };
    let alike = |a: &Mapped, b: &Mapped| mergeable(a, b) && of_one_kind(a, b);
    let touching = |space: &[Mapped], at: &dyn Fn(u64) -> bool, are: &dyn Fn(&Mapped, &Mapped) -> bool| {
        let pairs = space.iter().zip(space.iter().skip(1)).filter(|(a, b)| a.range.end == b.range.start);
        pairs.filter(|(a, _)| at(a.range.end)).find(|(a, b)| are(a, b)).map(|(a, _)| a.range.end)
    };
    if let Some(NewRange { start, merges_up_to, .. }) = new {
        return touching(after, &|page| page == start || page == merges_up_to, &alike);
    }
    let borders = borders(operation)?;
    // What was of one kind before is not asked for again. Nor is what had anon_vmas that keep it apart: one of them may have
    // changed after its turn, because the VMA has become one with a VMA on its other side.
    let at = |page: u64| before.iter().find(|vma| (vma.range.start..vma.range.end).contains(&page));
    let is_asked = |page: u64| {
        let was_of_one_kind = touching(before, &|at| at == page, &of_one_kind).is_some();
        let were = page.checked_sub(1).and_then(at).zip(at(page));
        !was_of_one_kind && were.is_some_and(|(a, b)| mergeable(a, b))
    };
    touching(after, &|page| borders.contains(&page) && is_asked(page), &alike)
}

/// A page at which a VMA that a fork made has become one with memory that was never written to: the lock of its anon_vma is
/// shared with its relatives, and what the kernel keeps apart is to stay so. A move that failed is not asked about.
pub(super) fn merged_child(operation: &OpKind, before: &[Mapped], after: &[Mapped]) -> Option<u64> {
    let is_move = matches!(operation, OpKind::Move { .. });
    // A page that was moved is what it was where it came from.
    let origin = |page: u64| match *operation {
        OpKind::Move { start, end, to, .. } if (to..to + (end - start)).contains(&page) => page - to + start,
        _ => page,
    };
    let at = |page: u64| before.iter().find(|vma| (vma.range.start..vma.range.end).contains(&origin(page)));
    let is_apart = |page: u64| {
        let (below, above) = (page.checked_sub(1).and_then(at), at(page));
        let is_child = |vma: Option<&Mapped>| vma.is_some_and(|vma| vma.is_child && !vma.file);
        // Where nothing was is what is mapped now; a move brings nothing new.
        let untouched = |vma: Option<&Mapped>| vma.map_or(!is_move, |vma| !vma.faulted());
        is_child(below) && untouched(above) || untouched(below) && is_child(above)
    };
    let inside = |page: u64| after.iter().any(|vma| vma.range.start < page && page < vma.range.end);
    if let Some(NewRange { start, end, .. }) = new_range(operation) {
        return [start, end].into_iter().find(|&page| inside(page) && is_apart(page));
    }
    if let OpKind::Move { start, end, to, dontunmap: false, .. } = *operation {
        let ends = before.iter().flat_map(|vma| [vma.range.start, vma.range.end]);
        let within = ends.filter(|end_of_vma| (start..=end).contains(end_of_vma)).map(|page| page - start + to);
        let mut borders = [to, to + (end - start)].into_iter().chain(within);
        return borders.find(|&page| inside(page) && is_apart(page));
    }
    let borders = borders(operation)?;
    let ends = before.iter().flat_map(|vma| [vma.range.start, vma.range.end]);
    let mut ends = ends.chain([*borders.start(), *borders.end()]).filter(|page| borders.contains(page));
    ends.find(|&page| inside(page) && is_apart(page))
}

#[cfg(test)]
mod tests {
    use super::{merged_child, unmerged};
    use crate::mm::meaning::tests::{touched, vma};
    use crate::rmap::{AnonVmaId, MmId, VmaAttributes};
    use crate::trace::{Mapped, OpKind};

    const P0: MmId = MmId(0);

    fn child(vma: Mapped) -> Mapped {
        Mapped { is_child: true, ..touched(vma) }
    }

    fn read_only(vma: Mapped) -> Mapped {
        Mapped { flags: vma.flags & !2, writable: false, ..vma }
    }

    #[test]
    fn what_was_made_alike_should_be_one() {
        let protect = OpKind::Protect { mm: P0, start: 4, end: 8, write: true };
        let (before, after) = ([vma(0, 4), read_only(vma(4, 8))], [vma(0, 4), vma(4, 8)]);
        assert_eq!(unmerged(&protect, &before, &after, false), Some(4));
        // It was so before.
        assert_eq!(unmerged(&protect, &after, &after, false), None);
        let far = OpKind::Protect { mm: P0, start: 5, end: 8, write: true };
        assert_eq!(unmerged(&far, &before, &after, false), None);
        for (other, both_written) in [(touched as fn(Mapped) -> Mapped, false), (child, false), (touched, true)] {
            let last = if both_written { Mapped { anon_vma: Some(AnonVmaId(1)), ..vma(4, 8) } } else { vma(4, 8) };
            let (before, after) = ([other(vma(0, 4)), read_only(last)], [other(vma(0, 4)), last]);
            let should = !both_written && !after[0].is_child;
            assert_eq!(unmerged(&protect, &before, &after, true), should.then_some(4));
            assert_eq!(unmerged(&protect, &before, &after, false), None);
        }
    }

    #[test]
    fn new_memory_is_one_with_what_was_written_to_unless_a_fork_made_it() {
        let map = OpKind::map(P0, 4, 8);
        for (other, at) in [(touched(vma(0, 4)), Some(4)), (child(vma(0, 4)), None)] {
            assert_eq!(unmerged(&map, &[other], &[other, vma(4, 8)], false), at);
        }
        let moved = Mapped { range: crate::rmap::VmaRange { pgoff: 9, ..vma(0, 4).range }, ..touched(vma(0, 4)) };
        assert_eq!(unmerged(&map, &[moved], &[moved, vma(4, 8)], false), None);
    }

    #[test]
    fn neighbours_that_were_of_one_kind_are_not_asked_for() {
        let locked = |vma: Mapped| Mapped { flags: vma.flags | VmaAttributes::LOCKED as u32, ..vma };
        let before = [locked(touched(vma(0, 1))), vma(1, 2), locked(vma(2, 3)), locked(touched(vma(3, 4)))];
        let after = [locked(touched(vma(0, 3))), locked(touched(vma(3, 4)))];
        let all = OpKind::MlockAll { mm: P0 };
        assert_eq!(unmerged(&all, &before, &after, false), None);
        // Nor are those whose anon_vmas kept them apart, where such do.
        let before = [before[0], before[1], vma(2, 3), before[3]];
        assert_eq!(unmerged(&all, &before, &after, false), None);
        assert_eq!(unmerged(&all, &before, &after, true), Some(3));
    }

    #[test]
    fn pieces_with_one_anon_vma_are_one_again() {
        let protect = OpKind::Protect { mm: P0, start: 4, end: 8, write: true };
        let before = [child(vma(0, 4)), read_only(child(vma(4, 8)))];
        assert_eq!(unmerged(&protect, &before, &[child(vma(0, 4)), child(vma(4, 8))], false), Some(4));
        let back = OpKind::Move { mm: P0, start: 20, end: 24, to: 4, dontunmap: false };
        let placed = |start, end, pgoff| {
            let vma = vma(start, end);
            touched(Mapped { range: crate::rmap::VmaRange { pgoff, ..vma.range }, ..vma })
        };
        let before = [touched(vma(0, 4)), placed(20, 24, 4)];
        let apart = [touched(vma(0, 4)), touched(vma(4, 8))];
        assert_eq!(unmerged(&back, &before, &apart, false), Some(4));
        assert_eq!(unmerged(&back, &before, &[touched(vma(0, 8))], false), None);
    }

    #[test]
    fn what_was_written_to_and_moves_is_one_with_what_was_not() {
        let moves = OpKind::Move { mm: P0, start: 20, end: 24, to: 4, dontunmap: false };
        let placed = |start, end, pgoff| {
            let vma = vma(start, end);
            Mapped { range: crate::rmap::VmaRange { pgoff, ..vma.range }, ..vma }
        };
        let before = [vma(0, 4), touched(placed(20, 24, 4))];
        let apart = [vma(0, 4), touched(vma(4, 8))];
        assert_eq!(unmerged(&moves, &before, &apart, true), Some(4));
        assert_eq!(unmerged(&moves, &before, &apart, false), None);
        assert_eq!(unmerged(&moves, &before, &[vma(0, 4), child(vma(4, 8))], true), None);
        // What lost its anon_vma on the way is not asked about.
        assert_eq!(unmerged(&moves, &before, &[vma(0, 4), vma(4, 8)], true), None);
        // And the other way round.
        let before = [touched(vma(0, 4)), placed(20, 24, 20)];
        assert_eq!(unmerged(&moves, &before, &[touched(vma(0, 4)), vma(4, 8)], false), Some(4));
        assert_eq!(unmerged(&moves, &before, &[child(vma(0, 4)), vma(4, 8)], false), None);
    }

    #[test]
    fn what_a_fork_made_stays_apart_from_what_was_never_written_to() {
        let map = OpKind::map(P0, 4, 8);
        assert_eq!(merged_child(&map, &[child(vma(0, 4))], &[child(vma(0, 8))]), Some(4));
        assert_eq!(merged_child(&map, &[child(vma(8, 9))], &[child(vma(4, 9))]), Some(8));
        assert_eq!(merged_child(&map, &[touched(vma(0, 4))], &[touched(vma(0, 8))]), None);
        let protect = OpKind::Protect { mm: P0, start: 0, end: 8, write: true };
        let before = [child(vma(0, 4)), read_only(vma(4, 8))];
        assert_eq!(merged_child(&protect, &before, &[child(vma(0, 8))]), Some(4));
        assert_eq!(merged_child(&protect, &before, &[before[0], vma(4, 8)]), None);
        // Two pieces of one VMA.
        let before = [child(vma(0, 4)), child(read_only(vma(4, 8)))];
        assert_eq!(merged_child(&protect, &before, &[child(vma(0, 8))]), None);
    }

    #[test]
    fn what_a_fork_made_stays_apart_where_it_is_moved_to() {
        let to = |to: u64, dontunmap| OpKind::Move { mm: P0, start: 8, end: 10, to, dontunmap };
        let placed = |start, end, pgoff| {
            let vma = vma(start, end);
            Mapped { range: crate::rmap::VmaRange { pgoff, ..vma.range }, ..vma }
        };
        let before = [vma(0, 4), child(placed(8, 10, 4))];
        let apart = [vma(0, 4), child(vma(4, 6))];
        assert_eq!(merged_child(&to(4, false), &before, &apart), None);
        assert_eq!(merged_child(&to(4, false), &before, &[child(vma(0, 6))]), Some(4));
        let before = [vma(2, 4), child(placed(8, 10, 0))];
        assert_eq!(merged_child(&to(0, false), &before, &[child(vma(0, 4))]), Some(2));
        // Memory that was not written to, moved to beside a child; and what no fork made.
        let before = [child(vma(0, 4)), placed(8, 10, 4)];
        assert_eq!(merged_child(&to(4, false), &before, &[child(vma(0, 6))]), Some(4));
        let before = [vma(0, 4), touched(placed(8, 10, 4))];
        assert_eq!(merged_child(&to(4, false), &before, &[touched(vma(0, 6))]), None);
        let nothing = [child(vma(0, 6))];
        assert_eq!(merged_child(&to(4, false), &nothing, &nothing), None);
        // Two that move together.
        let before = [child(vma(8, 9)), vma(9, 10)];
        assert_eq!(merged_child(&to(4, false), &before, &[child(placed(4, 6, 8))]), Some(5));
    }
}
