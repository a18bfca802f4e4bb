//! What an operation means for an address space: which pages are mapped after it, and how. An independent account, by pages,
//! of what the kernel's VMA code is asked to do; of where VMAs begin and end it knows only where two must be one.

use bumpalo::Bump;
use bumpalo::collections::{CollectIn, Vec as BumpVec};

use super::neighbours;
use crate::rmap::{EAGAIN, EEXIST, EFAULT, EINTR, ENOMEM, VmaAttributes};
use crate::trace::{Mapped, Meaning, MemoryKind, OpKind};

/// An operation did something else than it was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnexpectedEffect {
    /// Which rule is broken.
    pub what: &'static str,
    /// By what sort of operation, and in which respect: with the rule it tells one defect from another.
    pub about: String,
    /// Where.
    pub detail: String,
}

/// Pages that are mapped alike: first page, end, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece {
    start: u64,
    end: u64,
    how: MemoryKind,
}

/// In room that is used again for each operation.
type Pieces<'r> = BumpVec<'r, Piece>;

/// `stack_guard_gap`, in pages: what grows down stays so far from a VMA below.
const STACK_GUARD_GAP: u64 = 256;

/// More VMAs than this, and the kernel's own limit may be what refuses.
const MANY_VMAS: usize = 60_000;

/// So many VMAs are all looked at, wherever they are.
const FEW_VMAS: usize = 4;

/// What a process had mapped, what it has, and what its child has, if the operation is a fork.
pub struct Spaces<'a> {
    /// Before the operation.
    pub before: &'a [Mapped],
    /// After it; none: the process does not exist any more.
    pub after: Option<&'a [Mapped]>,
    /// The child after a fork; none: there is none.
    pub child: Option<&'a [Mapped]>,
    /// See [`Watched::merges_either_way`](crate::trace::Watched::merges_either_way).
    pub merges_either_way: bool,
}

/// Which sort of operation it is, in a word or two.
fn sort_of(operation: &OpKind) -> String {
    let option = match operation {
        OpKind::Move { dontunmap: true, .. } => " dontunmap",
        _ => "",
    };
    format!("{}{option}", operation.keyword())
}

/// The pages at which an operation may change something, and those next to them, if it is known without a look at the VMAs.
fn reach(operation: &OpKind) -> Option<(u64, u64)> {
    match operation {
        // Every page, or what lies below a VMA.
        OpKind::Fork { .. } | OpKind::Exit { .. } | OpKind::Grow { .. } => None,
        _ => operation.pages(),
    }
}

/// The same spaces without the VMAs at both ends that are as they were and lie apart from what an operation reaches. Each rule
/// is about a VMA that changed, or about what is in reach; and about its neighbours.
fn in_reach<'a>(spaces: &Spaces<'a>, after: &'a [Mapped], (start, end): (u64, u64)) -> Spaces<'a> {
    let before = spaces.before;
    let is_below = |(was, is): &(&Mapped, &Mapped)| was == is && is.range.end < start;
    let below = before.iter().zip(after).take_while(is_below).count();
    let (before, after) = (&before[below..], &after[below..]);
    let is_above = |(was, is): &(&Mapped, &Mapped)| was == is && end < is.range.start;
    let above = before.iter().rev().zip(after.iter().rev()).take_while(is_above).count();
    Spaces { before: &before[..before.len() - above], after: Some(&after[..after.len() - above]), ..*spaces }
}

/// Looks for what an operation did that it was not asked to, or did not do. `errno` is 0 for success; `injected`: how many
/// allocations were made to fail. `room` is memory for what is compared, which the caller takes back.
pub fn unexpected_effect(
    operation: &OpKind,
    spaces: &Spaces,
    errno: i32,
    injected: u32,
    room: &Bump,
) -> Option<UnexpectedEffect> {
    if errno == 0
        && spaces.before.len() > FEW_VMAS
        && let (Some(after), Some(reach)) = (spaces.after, reach(operation))
        // It has no right to be there, wherever it is.
        && !after.iter().any(is_shared_and_faulted)
    {
        effect(operation, &in_reach(spaces, after, reach), errno, injected, room)?;
    }
    effect(operation, spaces, errno, injected, room)
}

fn is_shared_and_faulted(vma: &Mapped) -> bool {
    vma.is_shared() && vma.faulted()
}

/// See [`unexpected_effect`].
fn effect(operation: &OpKind, spaces: &Spaces, errno: i32, injected: u32, room: &Bump) -> Option<UnexpectedEffect> {
    let broken = |what, detail| Some(UnexpectedEffect { what, about: sort_of(operation), detail });
    if injected == 0 && spaces.before.len() < MANY_VMAS {
        if errno == ENOMEM && !may_say_enomem(operation, spaces.before, room) {
            return broken("ENOMEM and no allocation failed", format!("{operation:?}"));
        }
        if errno == EFAULT && !may_say_efault(operation, spaces.before) {
            return broken("EFAULT and the memory is there", format!("{operation:?}"));
        }
        if let OpKind::Fork { .. } = operation
            && ![0, EEXIST].contains(&errno)
        {
            return broken("fork failed and no allocation did", format!("{operation:?}: errno {errno}"));
        }
        // So madvise() says that memory is out.
        // Who splits a folio is told so that somebody else has a reference.
        if errno == EAGAIN && !matches!(operation, OpKind::Split { .. }) {
            return broken("EAGAIN and no allocation failed", format!("{operation:?}"));
        }
    }
    if errno == EINTR {
        return broken("EINTR and no signal", format!("{operation:?}"));
    }
    if let OpKind::Exit { .. } = operation {
        return None;
    }
    let Some(there) = spaces.after else {
        return broken("process gone", format!("after {operation:?}"));
    };
    if let Some(vma) = gained(operation, spaces.before, there) {
        return broken("VMA got an anon_vma that it has no use for", format!("{operation:?}: at {}", vma.range));
    }
    let failed_to_move = errno != 0 && matches!(operation, OpKind::Move { .. });
    if !failed_to_move && let Some(page) = neighbours::merged_child(operation, spaces.before, there) {
        return broken("VMAs that should stay two", format!("{operation:?}: at {page:#x}"));
    }
    let (before, after) = (pieces(spaces.before, room), pieces(there, room));
    if errno != 0 {
        // How pages are mapped may have changed half-way; whether they are has not, but where a move has made room.
        let asked = moved(operation);
        let covered = |space: &[Piece]| {
            let mut space: Pieces = space.iter().map(|piece| Piece { how: ANY, ..*piece }).collect_in(room);
            asked.iter().flatten().for_each(|&(start, end)| space = without(&space, start, end, room));
            joined(space)
        };
        if covered(&before) != covered(&after) {
            return broken("failed operation changed what is mapped", differ(operation, &before, &after));
        }
        let is_fork = matches!(operation, OpKind::Fork { .. });
        if is_fork && errno != EEXIST && spaces.child.is_some_and(|child| !child.is_empty()) {
            return broken("failed fork left a child", format!("{operation:?}"));
        }
        return displaced(operation, spaces, errno);
    }
    let expected = joined(meant(operation, &before, room)?);
    let after = joined(after);
    let is_half_moved = |before: &[Piece], expected: &[Piece], after: &[Piece]| match *operation {
        // What was moved may stay mapped where it was, VMA by VMA, if the kernel has no memory to unmap it: move_vma()
        // goes on.
        OpKind::Move { start, end, .. } if injected > 0 => {
            let elsewhere = |space: &[Piece]| joined(without(space, start, end, room));
            let stay = joined(within(after, start, end, room));
            let were = joined(within(before, start, end, room));
            let stays = |piece: &Piece| {
                were.iter().any(|of| of.how == piece.how && of.start <= piece.start && piece.end <= of.end)
            };
            elsewhere(expected) == elsewhere(after) && stay.iter().all(stays)
        }
        _ => false,
    };
    // The kernel goes on after a VMA that fails, and does not tell.
    let is_half_changed = || match operation.meaning() {
        Meaning::ChangeAll(change) if injected > 0 => {
            let either = |was: &Piece, is: &Piece| {
                let mut how = was.how;
                change(&mut how);
                is.how == was.how || is.how == how
            };
            let pages =
                |space: &[Piece]| joined(space.iter().map(|piece| Piece { how: ANY, ..*piece }).collect_in(room));
            let mut pairs = before
                .iter()
                .flat_map(|was| within(&after, was.start, was.end, room).into_iter().map(move |is| (was, is)));
            pages(&before) == pages(&after) && pairs.all(|(was, is)| either(was, &is))
        }
        _ => false,
    };
    if expected != after && !is_half_moved(&before, &expected, &after) && !is_half_changed() {
        // Where pages are is right, and all else: one defect, however much of a move was done.
        let is_right =
            |[before, expected, after]: [Pieces<'_>; 3]| expected == after || is_half_moved(&before, &expected, &after);
        let only_uffd = matches!(operation, OpKind::Move { .. })
            && is_right(
                [&before, &expected, &after].map(|space| joined(space.iter().map(unregistered).collect_in(room))),
            );
        let about = match only_uffd {
            true => "move: uffd".to_owned(),
            false => format!("{}: {}", sort_of(operation), respects(&expected, &after, room)),
        };
        let (what, detail) = ("operation did not do what was asked", differ(operation, &expected, &after));
        return Some(UnexpectedEffect { what, about, detail });
    }
    if let Some(vma) = misplaced(operation, spaces.before, there) {
        return broken("page offset of what was moved", format!("{operation:?}: {}", vma.range));
    }
    if let Some(effect) = displaced(operation, spaces, errno) {
        return Some(effect);
    }
    if injected == 0
        && let Some(page) = neighbours::unmerged(operation, spaces.before, there, spaces.merges_either_way)
    {
        return broken("VMAs that should be one", format!("{operation:?}: at {page:#x}"));
    }
    if let OpKind::Fork { .. } = operation {
        return forked(operation, spaces, room);
    }
    None
}

/// Whether ENOMEM may mean something else than that memory is out: a hole in the range, no room to grow into.
fn may_say_enomem(operation: &OpKind, before: &[Mapped], room: &Bump) -> bool {
    if let Meaning::Change(start, end, _) = operation.meaning() {
        let inside = within(&pieces(before, room), start, end, room);
        return inside.iter().map(|piece| piece.end - piece.start).sum::<u64>() < end.saturating_sub(start);
    }
    if let OpKind::DontNeed { start, end, .. } | OpKind::LazyFree { start, end, .. } = *operation {
        return within(&pieces(before, room), start, end, room)
            .iter()
            .map(|piece| piece.end - piece.start)
            .sum::<u64>()
            < end - start;
    }
    match *operation {
        // A VMA in the way, or one that goes on behind the range.
        OpKind::Resize { start, end, pages, .. } => {
            let wanted = start.saturating_add(pages);
            let goes_on = |vma: &Mapped| vma.range.start < end && end < vma.range.end;
            end < wanted && before.iter().any(|vma| goes_on(vma) || overlaps(vma, end, wanted))
        }
        // A VMA too near, or no page offset below.
        OpKind::Grow { page, pages, .. } => vma_at(before, page).is_none_or(|vma| {
            let lowest = vma.range.start.saturating_sub(pages + STACK_GUARD_GAP);
            vma.range.pgoff < pages || before.iter().any(|other| overlaps(other, lowest, vma.range.start))
        }),
        _ => false,
    }
}

/// Whether EFAULT has a cause: what is resized is not within one VMA; what shall grow is not there, does not grow, or has no
/// room.
fn may_say_efault(operation: &OpKind, before: &[Mapped]) -> bool {
    match *operation {
        OpKind::Resize { start, end, .. } => vma_at(before, start).is_none_or(|vma| vma.range.end < end),
        OpKind::Grow { page, pages, .. } => vma_at(before, page).is_none_or(|vma| {
            let grows = u64::from(vma.flags) & VmaAttributes::GROWSDOWN != 0;
            let gap = vma.range.start.checked_sub(pages);
            !grows || gap.is_none_or(|gap| gap == 0 || before.iter().any(|other| overlaps(other, gap, vma.range.start)))
        }),
        _ => true,
    }
}

fn vma_at(space: &[Mapped], page: u64) -> Option<&Mapped> {
    space.iter().find(|vma| (vma.range.start..vma.range.end).contains(&page))
}

fn overlaps(vma: &Mapped, start: u64, end: u64) -> bool {
    vma.range.start < end && start < vma.range.end
}

/// An untouched anonymous VMA whose page offset is not its address, though there was none there. The copy of a VMA that
/// is wiped for the child has that of the parent's, which may have moved.
fn displaced(operation: &OpKind, spaces: &Spaces, errno: i32) -> Option<UnexpectedEffect> {
    let odd = |vma: &Mapped| !vma.file && !vma.faulted() && vma.range.pgoff != vma.range.start;
    let same = |was: &Mapped, vma: &Mapped| {
        let ahead = |vma: &Mapped| vma.range.pgoff.wrapping_sub(vma.range.start);
        overlaps(was, vma.range.start, vma.range.end) && ahead(was) == ahead(vma)
    };
    let kept = |vma: &Mapped| spaces.before.iter().any(|was| odd(was) && same(was, vma));
    let wiped = |vma: &Mapped| spaces.before.iter().any(|was| was.wipeonfork && same(was, vma));
    let child = match operation {
        OpKind::Fork { .. } if errno == 0 => spaces.child.unwrap_or(&[]),
        _ => &[],
    };
    let after = spaces.after.unwrap_or(&[]).iter().find(|vma| odd(vma) && !kept(vma));
    let found = after.or_else(|| child.iter().find(|vma| odd(vma) && !kept(vma) && !wiped(vma)))?;
    let (what, detail) = ("page offset of untouched memory", format!("{operation:?}: {}", found.range));
    Some(UnexpectedEffect { what, about: sort_of(operation), detail })
}

/// A VMA with an anon_vma that it has no use for. Shared memory never needs one: its pages are the file's. Other memory that had
/// none gets one if it is written to, or takes in what had one: pages of another VMA, or what was moved to it. What a merge
/// gave it has to be taken back if the merge comes to nothing; but a move that fails late may leave it, and growth begins with
/// a fault.
fn gained<'a>(operation: &OpKind, before: &[Mapped], after: &'a [Mapped]) -> Option<&'a Mapped> {
    let shared = after.iter().find(|vma| is_shared_and_faulted(vma));
    let faults =
        matches!(operation, OpKind::Fault { .. } | OpKind::Pin { .. } | OpKind::Exclusive { .. } | OpKind::Grow { .. });
    if shared.is_some() || faults {
        return shared;
    }
    let is_move = matches!(operation, OpKind::Move { .. });
    let takes_in = |vma: &Mapped, of: &Mapped| {
        let moved_in = match *operation {
            OpKind::Move { start, end, .. } => of.range.start < end && start < of.range.end,
            _ => false,
        };
        of.faulted() && (moved_in || of.range.start < vma.range.end && vma.range.start < of.range.end)
    };
    let gained = |vma: &&Mapped, was: &Mapped| {
        let has_grown = vma.range.start < was.range.start || was.range.end < vma.range.end;
        was.vma == vma.vma && !was.faulted() && (has_grown || !is_move) && !before.iter().any(|of| takes_in(vma, of))
    };
    after.iter().filter(|vma| vma.faulted()).find(|vma| before.iter().any(|was| gained(vma, was)))
}

/// After a move: a VMA in which a page has not the page offset that it should. Anonymous memory without an anon_vma has
/// those of its new place, all other memory keeps what it had. Of several VMAs only the first is known: once it has moved
/// it may merge with the next, which then has an anon_vma.
fn misplaced<'a>(operation: &OpKind, before: &[Mapped], after: &'a [Mapped]) -> Option<&'a Mapped> {
    let (was, [place, place_end]) = neighbours::first_moved(operation, before)?;
    let pgoff = match was.file || was.faulted() {
        true => was.range.pgoff,
        false => place,
    };
    let mut touched = after.iter().filter(|vma| vma.range.start < place_end && place < vma.range.end);
    touched.find(|vma| vma.range.pgoff.wrapping_sub(vma.range.start) != pgoff.wrapping_sub(place))
}

/// After a fork: a page of the parent's that the child has not. `child` tells whether the child has a folio at a page, or a
/// copy of it. What has no anon_vma is not copied: a fault brings it back.
pub fn missing_page<F>(
    operation: &OpKind,
    spaces: &Spaces,
    pages: impl Iterator<Item = (u64, F)>,
    child: impl Fn(u64, F) -> bool,
) -> Option<UnexpectedEffect> {
    let copied = |vma: &Mapped| vma.faulted() && !vma.dontcopy && !vma.wipeonfork;
    let mut vmas = spaces.before.iter().filter(|vma| copied(vma)).peekable();
    for (page, folio) in pages {
        while vmas.next_if(|vma| vma.range.end <= page).is_some() {}
        let inside = vmas.peek().is_some_and(|vma| vma.range.start <= page);
        if inside && !child(page, folio) {
            let detail = format!("{operation:?}: page {page:#x}");
            return Some(UnexpectedEffect {
                what: "child lacks a page of its parent",
                about: sort_of(operation),
                detail,
            });
        }
    }
    None
}

/// A child has what its parent has, except for what shall not be copied, and neither locked nor write-protected; and an anon_vma where the parent has
/// one, but where memory is wiped.
fn forked(operation: &OpKind, spaces: &Spaces, room: &Bump) -> Option<UnexpectedEffect> {
    let broken = |what, detail| Some(UnexpectedEffect { what, about: sort_of(operation), detail });
    let copied: BumpVec<Mapped> = spaces.before.iter().filter(|vma| !vma.dontcopy).copied().collect_in(room);
    let Some(child) = spaces.child else {
        return broken("fork without a child", format!("{operation:?}"));
    };
    let unlocked = |piece: Piece| Piece { how: MemoryKind { locked: false, uffd: false, ..piece.how }, ..piece };
    let expected = joined(pieces(&copied, room).into_iter().map(unlocked).collect_in(room));
    let there = joined(pieces(child, room));
    if expected != there {
        return broken("child has not what its parent has", differ(operation, &expected, &there));
    }
    let bare = copied.iter().zip(child).find(|(of, vma)| vma.faulted() != (of.faulted() && !of.wipeonfork));
    bare.and_then(|(of, _)| {
        broken("child's VMA and its parent's anon_vma", format!("{operation:?}: the child's at {}", of.range))
    })
}

/// The same pages without their registration with userfaultfd.
fn unregistered(piece: &Piece) -> Piece {
    Piece { how: MemoryKind { uffd: false, ..piece.how }, ..*piece }
}

const ANY: MemoryKind = MemoryKind {
    writable: false,
    file: None,
    dontcopy: false,
    wipeonfork: false,
    noreserve: false,
    locked: false,
    shared: false,
    uffd: false,
};

fn pieces<'r>(space: &[Mapped], room: &'r Bump) -> Pieces<'r> {
    let piece = |vma: &Mapped| Piece {
        start: vma.range.start,
        end: vma.range.end,
        how: MemoryKind {
            writable: vma.writable,
            file: vma.file.then_some(vma.range.pgoff.wrapping_sub(vma.range.start)),
            dontcopy: vma.dontcopy,
            wipeonfork: vma.wipeonfork,
            noreserve: u64::from(vma.flags) & VmaAttributes::NORESERVE != 0,
            locked: u64::from(vma.flags) & VmaAttributes::LOCKED != 0,
            shared: vma.is_shared(),
            uffd: vma.is_write_protected(),
        },
    };
    space.iter().map(piece).collect_in(room)
}

/// In order, and no two that touch are alike.
fn joined(mut space: Pieces<'_>) -> Pieces<'_> {
    space.retain(|piece| piece.start < piece.end);
    space.sort_unstable_by_key(|piece| piece.start);
    space.dedup_by(|piece, last| {
        let goes_on = last.end == piece.start && last.how == piece.how;
        if goes_on {
            last.end = piece.end;
        }
        goes_on
    });
    space
}

fn within<'r>(space: &[Piece], start: u64, end: u64, room: &'r Bump) -> Pieces<'r> {
    let cut = space.iter().map(|piece| Piece { start: piece.start.max(start), end: piece.end.min(end), ..*piece });
    cut.filter(|piece| piece.start < piece.end).collect_in(room)
}

fn without<'r>(space: &[Piece], start: u64, end: u64, room: &'r Bump) -> Pieces<'r> {
    let mut out = within(space, 0, start, room);
    out.extend(within(space, end, u64::MAX, room));
    out
}

/// The pages that a move takes from, and those that it moves to.
fn moved(operation: &OpKind) -> Option<[(u64, u64); 2]> {
    match *operation {
        OpKind::Move { start, end, to, .. } => Some([(start, end), (to, to.saturating_add(end - start))]),
        _ => None,
    }
}

/// What is mapped after an operation that succeeds; none: nothing is known.
fn meant<'r>(operation: &OpKind, before: &[Piece], room: &'r Bump) -> Option<Pieces<'r>> {
    let changed = |start, end, change: fn(&mut MemoryKind)| {
        let mut out = without(before, start, end, room);
        out.extend(within(before, start, end, room).into_iter().map(|mut piece| {
            change(&mut piece.how);
            piece
        }));
        out
    };
    match operation.meaning() {
        Meaning::New(start, end, how) | Meaning::Append(start, end, how) => {
            let mut out = without(before, start, end, room);
            out.push(Piece { start, end, how });
            return Some(out);
        }
        Meaning::Change(start, end, change) => return Some(changed(start, end, change)),
        Meaning::ChangeAll(change) => return Some(changed(0, u64::MAX, change)),
        Meaning::Other => (),
    }
    let at = |page: u64| before.iter().find(|piece| (piece.start..piece.end).contains(&page));
    Some(match *operation {
        OpKind::Unmap { start, end, .. } => without(before, start, end, room),
        OpKind::Move { start, end, to, dontunmap, .. } => {
            let taken = within(before, start, end, room);
            // 7.x moves several VMAs one by one: where there is none, nothing makes room.
            let mut out = Pieces::from_iter_in(before.iter().copied(), room);
            for piece in &taken {
                out = without(&out, piece.start - start + to, piece.end - start + to, room);
            }
            let stays = within(&out, start, end, room);
            out = without(&out, start, end, room);
            if dontunmap {
                // The lock goes with the pages.
                let unlocked = |piece: Piece| Piece { how: MemoryKind { locked: false, ..piece.how }, ..piece };
                out.extend(stays.into_iter().map(unlocked));
            }
            out.extend(taken.into_iter().map(|piece| Piece {
                start: piece.start - start + to,
                end: piece.end - start + to,
                how: MemoryKind {
                    file: piece.how.file.map(|far| far.wrapping_add(start).wrapping_sub(to)),
                    uffd: false,
                    ..piece.how
                },
            }));
            out
        }
        OpKind::Resize { start, end, pages, .. } => {
            let new_end = start.checked_add(pages)?;
            let mut out = Pieces::from_iter_in(before.iter().copied(), room);
            if new_end < end {
                out = without(before, new_end, end, room);
            } else if new_end > end {
                out.push(Piece { start: end, end: new_end, how: at(end - 1)?.how });
            }
            out
        }
        OpKind::Grow { page, pages, .. } => {
            let vma = at(page)?;
            let mut out = Pieces::from_iter_in(before.iter().copied(), room);
            out.push(Piece { start: vma.start.checked_sub(pages)?, end: vma.start, how: vma.how });
            out
        }
        OpKind::Fault { .. }
        | OpKind::Pin { .. }
        | OpKind::Fork { .. }
        | OpKind::Touch { .. }
        | OpKind::DontNeed { .. }
        | OpKind::Age { .. }
        | OpKind::SwapOut { .. }
        | OpKind::Migrate { .. }
        | OpKind::MigrateBegin { .. }
        | OpKind::Clean { .. }
        | OpKind::Exclusive { .. }
        | OpKind::Split { .. }
        | OpKind::Poison { .. }
        | OpKind::LazyFree { .. } => Pieces::from_iter_in(before.iter().copied(), room),
        // Nothing is left to look at, or nothing of it is the VMA code's.
        _ => return None,
    })
}

/// In which respects two spaces differ: the pages that are mapped, or else how those are that both have.
fn respects(expected: &[Piece], there: &[Piece], room: &Bump) -> String {
    let pages = |space: &[Piece]| joined(space.iter().map(|piece| Piece { how: ANY, ..*piece }).collect_in(room));
    if pages(expected) != pages(there) {
        return "pages".to_owned();
    }
    let mut differs = [false; 8];
    for of in expected {
        for Piece { how, .. } in within(there, of.start, of.end, room) {
            let same = [
                how.writable == of.how.writable,
                how.file == of.how.file,
                how.dontcopy == of.how.dontcopy,
                how.wipeonfork == of.how.wipeonfork,
                how.noreserve == of.how.noreserve,
                how.locked == of.how.locked,
                how.shared == of.how.shared,
                how.uffd == of.how.uffd,
            ];
            differs.iter_mut().zip(same).for_each(|(differs, same)| *differs |= !same);
        }
    }
    let names = ["writable", "file", "dontcopy", "wipeonfork", "noreserve", "locked", "shared", "uffd"];
    let named: Vec<&str> =
        names.into_iter().zip(differs).filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    named.join(" and ")
}

/// Where two spaces differ first, for a person.
fn differ(operation: &OpKind, expected: &[Piece], there: &[Piece]) -> String {
    let at = expected.iter().zip(there).take_while(|(a, b)| a == b).count();
    let one = |piece: Option<&Piece>| match piece {
        None => "nothing more".to_owned(),
        Some(Piece { start, end, how }) => {
            let file = how.file.map(|far| format!("file from {:#x}", start.wrapping_add(far)));
            let words = [
                (how.writable, "writable"),
                (how.dontcopy, "dontcopy"),
                (how.wipeonfork, "wipeonfork"),
                (how.noreserve, "noreserve"),
                (how.locked, "locked"),
                (how.shared, "shared"),
            ];
            let words = words.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word);
            let words: Vec<&str> = words.chain(file.as_deref()).collect();
            format!("{start:#x}..{end:#x} {}", words.join(" ")).trim_end().to_owned()
        }
    };
    format!("{operation:?}: expected {}, found {}", one(expected.get(at)), one(there.get(at)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rmap::{AnonVmaId, MmId, VmaId, VmaRange};
    use crate::trace::Rng;

    fn unexpected_effect(operation: &OpKind, spaces: &Spaces, errno: i32, injected: u32) -> Option<UnexpectedEffect> {
        super::unexpected_effect(operation, spaces, errno, injected, &Bump::new())
    }

    pub fn vma(start: u64, end: u64) -> Mapped {
        Mapped {
            vma: VmaId(0),
            range: VmaRange { start, end, pgoff: start },
            writable: true,
            file: false,
            not_told: false,
            dontcopy: false,
            wipeonfork: false,
            flags: 0x83,
            anon_vma: None,
            is_child: false,
        }
    }

    pub fn touched(vma: Mapped) -> Mapped {
        Mapped { anon_vma: Some(AnonVmaId(0)), ..vma }
    }

    /// The rule that is broken; `child` is empty where the operation is no fork.
    fn broken(operation: OpKind, before: &[Mapped], after: &[Mapped], errno: i32) -> Option<&'static str> {
        unexpected_effect(
            &operation,
            &Spaces { before, after: Some(after), child: None, merges_either_way: false },
            errno,
            0,
        )
        .map(|effect| effect.what)
    }

    const P0: MmId = MmId(0);
    const NOT_DONE: Option<&str> = Some("operation did not do what was asked");

    #[test]
    fn what_is_resized_or_grows_is_refused_only_with_a_cause() {
        let stack = |start, end| Mapped { flags: 0x3 | VmaAttributes::GROWSDOWN as u32, ..vma(start, end) };
        let [enomem, efault] = [Some("ENOMEM and no allocation failed"), Some("EFAULT and the memory is there")];
        let refused = |operation, space: &[Mapped], errno| broken(operation, space, space, errno);
        let resize = |pages| OpKind::Resize { mm: P0, start: 4, end: 6, pages };
        // Nothing in the way; a VMA in the way; one that goes on; what shrinks needs no room.
        assert_eq!(refused(resize(4), &[vma(4, 6), vma(8, 9)], ENOMEM), enomem);
        assert_eq!(refused(resize(4), &[vma(4, 6), vma(7, 9)], ENOMEM), None);
        assert_eq!(refused(resize(4), &[vma(4, 7)], ENOMEM), None);
        assert_eq!(refused(resize(1), &[vma(4, 6), vma(6, 9)], ENOMEM), enomem);
        assert_eq!(refused(resize(4), &[vma(4, 6)], EFAULT), efault);
        assert_eq!(refused(resize(4), &[vma(4, 5), vma(5, 6)], EFAULT), None);
        assert_eq!(refused(resize(4), &[], EFAULT), None);

        let grow = OpKind::Grow { mm: P0, page: 401, pages: 2 };
        assert_eq!(refused(grow, &[vma(100, 101), stack(400, 402)], ENOMEM), enomem);
        assert_eq!(refused(grow, &[vma(143, 144), stack(400, 402)], ENOMEM), None);
        let moved = Mapped { range: VmaRange { pgoff: 1, ..stack(400, 402).range }, ..stack(400, 402) };
        assert_eq!(refused(grow, &[moved], ENOMEM), None);
        assert_eq!(refused(grow, &[stack(400, 402)], EFAULT), efault);
        assert_eq!(refused(grow, &[vma(400, 402)], EFAULT), None);
        assert_eq!(refused(grow, &[vma(399, 400), stack(400, 402)], EFAULT), None);
        assert_eq!(refused(OpKind::Grow { mm: P0, page: 3, pages: 2 }, &[stack(2, 4)], EFAULT), None);
    }

    /// A VMA of some sort, or none, in each of eight places of four pages.
    fn random_space(rng: &mut Rng) -> Vec<Mapped> {
        let mut space = Vec::new();
        for at in 0..8 {
            if rng.below(4) == 0 {
                continue;
            }
            let end = at * 4 + 4 - u64::from(rng.below(4) == 0);
            let mut vma = vma(at * 4, end);
            vma.vma = VmaId(at as u32);
            let mut set = |odds: u32| rng.below(odds) == 0;
            (vma.writable, vma.dontcopy, vma.file) = (!set(4), set(8), set(8));
            vma.flags = (vma.flags & !2) | (u32::from(vma.writable) << 1);
            vma.flags |= if set(8) { VmaAttributes::LOCKED as u32 } else { 0 };
            vma.flags |= if set(40) { VmaAttributes::SHARED as u32 } else { 0 };
            vma.anon_vma = set(2).then_some(AnonVmaId(at as u32 / 2));
            vma.is_child = vma.faulted() && set(3);
            vma.range.pgoff += u64::from(set(6));
            space.push(vma);
        }
        space
    }

    /// The same, but for a change somewhere.
    fn changed(rng: &mut Rng, space: &[Mapped]) -> Vec<Mapped> {
        let mut after = space.to_vec();
        for _ in 0..rng.below(3) {
            let at = rng.below(after.len().max(1) as u32) as usize;
            let Some(vma) = after.get_mut(at) else { break };
            match rng.below(7) {
                0 => vma.writable = !vma.writable,
                1 => vma.flags ^= VmaAttributes::LOCKED as u32,
                2 => vma.anon_vma = Some(AnonVmaId(9)),
                3 => vma.range.pgoff += 1,
                4 => vma.range.end = (vma.range.start | 3) + 1,
                5 => {
                    after.remove(at);
                }
                _ => {
                    let end = after[at].range.end;
                    if after.get(at + 1).is_some_and(|next| next.range.start == end) {
                        after[at].range.end = after.remove(at + 1).range.end;
                    }
                }
            }
        }
        after
    }

    #[test]
    fn what_is_out_of_reach_changes_no_verdict() {
        let (mut rng, mut unlike, mut nearer) = (Rng::new(1), 0, 0);
        for _ in 0..60_000 {
            let before = random_space(&mut rng);
            let mut after = changed(&mut rng, &before);
            let (start, to) = (u64::from(rng.below(28)), u64::from(rng.below(28)));
            let end = start + 1 + u64::from(rng.below(4));
            let operation = match rng.below(8) {
                0 => OpKind::map(P0, start, end),
                1 => OpKind::Unmap { mm: P0, start, end },
                2 => OpKind::Protect { mm: P0, start, end, write: rng.below(2) == 0 },
                3 => OpKind::Mlock { mm: P0, start, end },
                4 => OpKind::fault(P0, start),
                5 => OpKind::Resize { mm: P0, start, end, pages: 1 + u64::from(rng.below(6)) },
                6 => OpKind::Grow { mm: P0, page: start, pages: 1 },
                _ => OpKind::Move { mm: P0, start, end, to, dontunmap: rng.below(4) == 0 },
            };
            if let (OpKind::Unmap { .. }, 0) = (operation, rng.below(2)) {
                after.retain(|vma| vma.range.end <= start || end <= vma.range.start);
            }
            let injected = rng.below(2);
            let spaces =
                Spaces { before: &before, after: Some(&after), child: None, merges_either_way: rng.below(2) == 0 };
            let all = effect(&operation, &spaces, 0, injected, &Bump::new());
            assert_eq!(unexpected_effect(&operation, &spaces, 0, injected), all, "{operation:?} {before:?} {after:?}");
            unlike += u32::from(all.is_some());
            let near = reach(&operation).map(|reach| in_reach(&spaces, &after, reach).before.len());
            nearer += u32::from(near.is_some_and(|near| near < before.len()));
        }
        assert!((6_000..54_000).contains(&unlike), "{unlike}");
        assert!(nearer > 20_000, "{nearer}");
    }

    #[test]
    fn untouched_memory_has_its_address_as_page_offset() {
        let at = |pgoff, start, end| Mapped { range: VmaRange { start, end, pgoff }, ..vma(start, end) };
        let wiped = |vma: Mapped| Mapped { wipeonfork: true, ..vma };
        let odd = Some("page offset of untouched memory");
        let stays = OpKind::Move { mm: P0, start: 4, end: 6, to: 8, dontunmap: true };
        let moved = touched(at(1, 8, 10));
        let of = |before: &[Mapped], after: &[Mapped]| broken(stays, before, after, 0);
        assert_eq!(of(&[touched(at(1, 4, 6))], &[at(1, 4, 6), moved]), odd);
        assert_eq!(of(&[touched(at(1, 4, 6))], &[at(4, 4, 6), moved]), None);
        // What was so before is no news, whatever range of it is left.
        let unmap = OpKind::Unmap { mm: P0, start: 4, end: 5 };
        assert_eq!(broken(unmap, &[at(1, 4, 6)], &[at(2, 5, 6)], 0), None);
        assert_eq!(broken(unmap, &[at(4, 4, 6)], &[at(2, 5, 6)], 0), odd);

        let fork = OpKind::Fork { parent: P0, child: MmId(1) };
        let forked = |parent: &[Mapped], child: &[Mapped], errno| {
            let spaces = Spaces { before: parent, after: Some(parent), child: Some(child), merges_either_way: false };
            unexpected_effect(&fork, &spaces, errno, 0).map(|effect| effect.what)
        };
        let parent = wiped(touched(at(1, 4, 6)));
        assert_eq!(forked(&[parent], &[wiped(at(1, 4, 6))], 0), None);
        assert_eq!(forked(&[parent], &[wiped(at(2, 4, 6))], 0), odd);
        assert_eq!(forked(&[touched(at(1, 4, 6))], &[at(1, 4, 6)], 0), odd);
        // The child of another fork.
        assert_eq!(forked(&[parent], &[at(2, 4, 6)], EEXIST), None);
    }

    #[test]
    fn a_defect_is_told_from_another_by_the_operation_and_by_what_differs() {
        let about = |operation: OpKind, before: &[Mapped], after: &[Mapped], errno| {
            let spaces = Spaces { before, after: Some(after), child: None, merges_either_way: false };
            unexpected_effect(&operation, &spaces, errno, 0).unwrap().about
        };
        let (here, there) = (vma(0, 2), vma(4, 6));
        let locked = |vma: Mapped| Mapped { flags: vma.flags | VmaAttributes::LOCKED as u32, ..vma };
        let read_only = |vma: Mapped| Mapped { writable: false, ..vma };
        let of = |dontunmap| OpKind::Move { mm: P0, start: 0, end: 2, to: 4, dontunmap };
        assert_eq!(about(of(true), &[locked(here)], &[here, there], 0), "move dontunmap: locked");
        assert_eq!(
            about(of(true), &[locked(here)], &[here, read_only(there)], 0),
            "move dontunmap: writable and locked"
        );
        assert_eq!(about(of(false), &[here], &[here, there], 0), "move: pages");
        assert_eq!(about(OpKind::Mlock { mm: P0, start: 0, end: 2 }, &[here], &[here], ENOMEM), "mlock");
    }

    #[test]
    fn what_is_asked_is_seen_to_be_done_however_vmas_lie() {
        let map = OpKind::Map { mm: P0, start: 4, end: 8, grows: false, noreserve: false, shared: false, file: None };
        assert_eq!(broken(map, &[vma(0, 4)], &[vma(0, 8)], 0), None);
        assert_eq!(broken(map, &[vma(0, 4)], &[vma(0, 3), vma(3, 8)], 0), None);
        assert_eq!(broken(map, &[vma(0, 4)], &[vma(0, 4)], 0), NOT_DONE);
        assert_eq!(broken(map, &[vma(0, 4)], &[vma(0, 4), vma(4, 9)], 0), NOT_DONE);
        let reserves =
            OpKind::Map { mm: P0, start: 4, end: 8, grows: false, noreserve: true, shared: false, file: None };
        let unreserved = Mapped { flags: VmaAttributes::NORESERVE as u32 | 3, ..vma(4, 8) };
        assert_eq!(broken(reserves, &[vma(0, 4)], &[vma(0, 4), unreserved], 0), None);
        assert_eq!(broken(reserves, &[vma(0, 4)], &[vma(0, 8)], 0), NOT_DONE);
        let unmap = OpKind::Unmap { mm: P0, start: 1, end: 2 };
        assert_eq!(broken(unmap, &[vma(0, 4)], &[vma(0, 1), vma(2, 4)], 0), None);
        assert_eq!(broken(unmap, &[vma(0, 4)], &[vma(0, 2), vma(2, 4)], 0), NOT_DONE);
        let protect = OpKind::Protect { mm: P0, start: 1, end: 4, write: false };
        let read_only = Mapped { writable: false, flags: 0x81, ..vma(1, 4) };
        assert_eq!(broken(protect, &[vma(0, 4)], &[vma(0, 1), read_only], 0), None);
        assert_eq!(broken(protect, &[vma(0, 4)], &[vma(0, 1), vma(1, 4)], 0), NOT_DONE);
        let locked = |start, end| Mapped { flags: VmaAttributes::LOCKED as u32 | 0x83, ..vma(start, end) };
        let mlock = OpKind::Mlock { mm: P0, start: 1, end: 4 };
        assert_eq!(broken(mlock, &[vma(0, 4)], &[vma(0, 1), locked(1, 4)], 0), None);
        assert_eq!(broken(mlock, &[vma(0, 4)], &[vma(0, 1), vma(1, 4)], 0), NOT_DONE);
        assert_eq!(broken(mlock, &[vma(0, 4)], &[locked(0, 4)], 0), NOT_DONE);
        let munlock = OpKind::Munlock { mm: P0, start: 1, end: 4 };
        assert_eq!(broken(munlock, &[locked(0, 4)], &[locked(0, 1), vma(1, 4)], 0), None);
        assert_eq!(broken(munlock, &[locked(0, 4)], &[locked(0, 4)], 0), NOT_DONE);
        let moves = |dontunmap| OpKind::Move { mm: P0, start: 1, end: 3, to: 8, dontunmap };
        // Only what moves stays locked.
        let unlocked = [locked(0, 1), vma(1, 3), locked(3, 4), locked(8, 10)];
        assert_eq!(broken(moves(true), &[locked(0, 4)], &unlocked, 0), None);
        assert_eq!(broken(moves(true), &[locked(0, 4)], &[locked(0, 4), locked(8, 10)], 0), NOT_DONE);
        assert_eq!(broken(moves(true), &[locked(0, 4)], &[vma(0, 4), locked(8, 10)], 0), NOT_DONE);
        assert_eq!(broken(moves(false), &[vma(0, 4), vma(9, 12)], &[vma(0, 1), vma(3, 4), vma(8, 12)], 0), None);
        assert_eq!(broken(moves(true), &[vma(0, 4)], &[vma(0, 4), vma(8, 10)], 0), None);
        assert_eq!(broken(moves(false), &[vma(0, 4)], &[vma(0, 4), vma(8, 10)], 0), NOT_DONE);
        let half = Spaces {
            before: &[vma(0, 4)],
            after: Some(&[vma(0, 4), vma(8, 10)]),
            child: None,
            merges_either_way: false,
        };
        assert_eq!(unexpected_effect(&moves(false), &half, 0, 1), None);
        let resize = |pages| OpKind::Resize { mm: P0, start: 0, end: 4, pages };
        assert_eq!(broken(resize(6), &[vma(0, 4)], &[vma(0, 6)], 0), None);
        assert_eq!(broken(resize(2), &[vma(0, 4)], &[vma(0, 2)], 0), None);
        assert_eq!(broken(resize(2), &[vma(0, 4)], &[vma(0, 4)], 0), NOT_DONE);
        let file = |start, end, pgoff| Mapped { range: VmaRange { start, end, pgoff }, file: true, ..vma(start, end) };
        assert_eq!(broken(moves(false), &[file(0, 4, 0)], &[file(0, 1, 0), file(3, 4, 3), file(8, 10, 1)], 0), None);
        assert_eq!(
            broken(moves(false), &[file(0, 4, 0)], &[file(0, 1, 0), file(3, 4, 3), file(8, 10, 8)], 0),
            NOT_DONE
        );
        let grow = OpKind::Grow { mm: P0, page: 5, pages: 2 };
        assert_eq!(broken(grow, &[vma(4, 8)], &[vma(2, 8)], 0), None);
        assert_eq!(broken(grow, &[vma(4, 8)], &[vma(3, 8)], 0), NOT_DONE);
    }

    #[test]
    fn a_failure_changes_nothing_and_has_a_cause() {
        let unmap = OpKind::Unmap { mm: P0, start: 1, end: 2 };
        let changed = Some("failed operation changed what is mapped");
        assert_eq!(broken(unmap, &[vma(0, 4)], &[vma(0, 4)], 22), None);
        assert_eq!(broken(unmap, &[vma(0, 4)], &[vma(0, 1), vma(2, 4)], 22), changed);
        assert_eq!(broken(unmap, &[vma(0, 4)], &[vma(0, 4)], ENOMEM), Some("ENOMEM and no allocation failed"));
        let spaces = Spaces { before: &[vma(0, 4)], after: Some(&[vma(0, 4)]), child: None, merges_either_way: false };
        assert_eq!(unexpected_effect(&unmap, &spaces, ENOMEM, 1), None);
        assert_eq!(unexpected_effect(&unmap, &spaces, EINTR, 1).map(|effect| effect.what), Some("EINTR and no signal"));
        let protect = |end| OpKind::Protect { mm: P0, start: 1, end, write: false };
        assert_eq!(broken(protect(8), &[vma(0, 4)], &[vma(0, 4)], ENOMEM), None);
        assert_eq!(broken(protect(4), &[vma(0, 4)], &[vma(0, 4)], ENOMEM), Some("ENOMEM and no allocation failed"));
        assert_eq!(broken(protect(4), &[vma(0, 4)], &[vma(0, 4)], EAGAIN), Some("EAGAIN and no allocation failed"));
        let mlock = |end| OpKind::Mlock { mm: P0, start: 1, end };
        assert_eq!(broken(mlock(8), &[vma(0, 4)], &[vma(0, 4)], ENOMEM), None);
        assert_eq!(broken(mlock(4), &[vma(0, 4)], &[vma(0, 4)], ENOMEM), Some("ENOMEM and no allocation failed"));
    }

    #[test]
    fn an_anon_vma_comes_with_a_fault_or_with_what_another_vma_had() {
        let gains = Some("VMA got an anon_vma that it has no use for");
        let next = Mapped { vma: VmaId(1), ..touched(vma(4, 8)) };
        let protect = OpKind::Protect { mm: P0, start: 4, end: 6, write: true };
        assert_eq!(broken(protect, &[vma(0, 4), next], &[touched(vma(0, 4)), next], 22), gains);
        assert_eq!(broken(protect, &[vma(0, 4), next], &[touched(vma(0, 4)), next], 0), gains);
        assert_eq!(broken(protect, &[vma(0, 4), next], &[touched(vma(0, 8))], 0), None);
        assert_eq!(broken(protect, &[vma(0, 4), next], &[vma(0, 4), next], 0), None);
        let fault = OpKind::Fault { mm: P0, page: 0, read: false, order: 0 };
        assert_eq!(broken(fault, &[vma(0, 4)], &[touched(vma(0, 4))], 0), None);
    }

    #[test]
    fn who_grows_gets_the_anon_vma_of_what_it_takes_in_and_no_other() {
        let gains = Some("VMA got an anon_vma that it has no use for");
        let other = |start, end| Mapped { vma: VmaId(1), ..vma(start, end) };
        let resize = OpKind::Resize { mm: P0, start: 0, end: 4, pages: 8 };
        let beside = touched(other(8, 12));
        assert_eq!(broken(resize, &[vma(0, 4), beside], &[touched(vma(0, 8)), beside], 0), gains);
        assert_eq!(broken(resize, &[vma(0, 4), beside], &[touched(vma(0, 12))], 0), None);
        let moves = OpKind::Move { mm: P0, start: 20, end: 24, to: 4, dontunmap: false };
        let moved = |pgoff, end| Mapped { range: VmaRange { start: 0, end, pgoff }, ..vma(0, 8) };
        let source = |vma: Mapped| Mapped { range: VmaRange { pgoff: 4, ..vma.range }, ..vma };
        let [was, is] = [source(touched(other(20, 24))), touched(moved(0, 8))];
        assert_eq!(broken(moves, &[vma(0, 4), was], &[is], 0), None);
        assert_eq!(broken(moves, &[vma(0, 4), other(20, 24)], &[is], 0), gains);
        assert_eq!(broken(moves, &[vma(0, 4), beside, other(20, 24)], &[is, beside], 0), gains);
    }

    #[test]
    fn what_moves_keeps_its_page_offsets_unless_it_was_never_written_to() {
        let misplaced = Some("page offset of what was moved");
        let moves = OpKind::Move { mm: P0, start: 2, end: 4, to: 8, dontunmap: false };
        let at = |pgoff| Mapped { range: VmaRange { start: 8, end: 10, pgoff }, ..vma(8, 10) };
        for (faulted, right, wrong) in [(false, 8, 2), (true, 2, 8)] {
            let of = |vma| if faulted { touched(vma) } else { vma };
            let before = [of(vma(0, 4))];
            assert_eq!(broken(moves, &before, &[of(vma(0, 2)), of(at(right))], 0), None);
            assert_eq!(broken(moves, &before, &[of(vma(0, 2)), of(at(wrong))], 0), misplaced);
            assert_eq!(broken(moves, &before, &[of(vma(0, 2)), of(at(right + 1))], 0), misplaced);
        }
    }

    #[test]
    fn what_is_alike_and_never_written_to_is_one_vma_at_the_ends_of_a_mapping() {
        let apart = Some("VMAs that should be one");
        let map = OpKind::Map { mm: P0, start: 4, end: 8, grows: false, noreserve: false, shared: false, file: None };
        assert_eq!(broken(map, &[vma(0, 4)], &[vma(0, 4), vma(4, 8)], 0), apart);
        assert_eq!(broken(map, &[vma(8, 9)], &[vma(4, 8), vma(8, 9)], 0), apart);
        // Where nothing was done, or they differ.
        assert_eq!(broken(map, &[vma(0, 2), vma(2, 3)], &[vma(0, 2), vma(2, 3), vma(4, 8)], 0), None);
        for other in [
            Mapped { flags: 0x81, writable: false, ..vma(0, 4) },
            Mapped { file: true, ..vma(0, 4) },
            Mapped { is_child: true, ..touched(vma(0, 4)) },
            Mapped { range: VmaRange { start: 0, end: 4, pgoff: 7 }, ..vma(0, 4) },
        ] {
            assert_eq!(broken(map, &[other], &[other, vma(4, 8)], 0), None);
        }
        let moves = |dontunmap| OpKind::Move { mm: P0, start: 4, end: 8, to: 0, dontunmap };
        assert_eq!(broken(moves(true), &[vma(4, 8)], &[vma(0, 4), vma(4, 8)], 0), None);
        assert_eq!(broken(moves(false), &[vma(4, 8), vma(8, 9)], &[vma(0, 4), vma(8, 9)], 0), None);
        let beside = vma(4, 9);
        let far = OpKind::Move { mm: P0, start: 12, end: 16, to: 0, dontunmap: false };
        assert_eq!(broken(far, &[beside, vma(12, 16)], &[vma(0, 4), beside], 0), apart);
    }

    #[test]
    fn a_child_has_the_pages_that_its_parent_has() {
        let fork = OpKind::Fork { parent: P0, child: MmId(1) };
        let before = [vma(0, 2), Mapped { wipeonfork: true, ..touched(vma(2, 4)) }, touched(vma(4, 6))];
        let spaces = Spaces { before: &before, after: Some(&before), child: Some(&before), merges_either_way: false };
        let parent = || [(1, 'a'), (2, 'b'), (5, 'c')].into_iter();
        let of = |child: fn(u64, char) -> bool| missing_page(&fork, &spaces, parent(), child).is_some();
        assert!(!of(|page, folio| page == 5 && folio == 'c'));
        assert!(of(|_, _| false));
    }

    #[test]
    fn a_fork_fails_for_want_of_memory_or_of_room() {
        let fork = OpKind::Fork { parent: P0, child: MmId(1) };
        let spaces = Spaces { before: &[vma(0, 2)], after: Some(&[vma(0, 2)]), child: None, merges_either_way: false };
        let of = |errno, injected| unexpected_effect(&fork, &spaces, errno, injected).map(|effect| effect.what);
        for errno in [22, 1431655766] {
            assert_eq!(of(errno, 0), Some("fork failed and no allocation did"));
        }
        assert_eq!(of(ENOMEM, 1), None);
        assert_eq!(of(EEXIST, 0), None);
    }

    #[test]
    fn a_child_has_what_its_parent_has() {
        let fork = OpKind::Fork { parent: P0, child: MmId(1) };
        let before = [vma(0, 2), Mapped { dontcopy: true, ..vma(2, 4) }, touched(vma(4, 6))];
        let of = |child: Option<&[Mapped]>| {
            unexpected_effect(
                &fork,
                &Spaces { before: &before, after: Some(&before), child, merges_either_way: false },
                0,
                0,
            )
            .map(|effect| effect.what)
        };
        assert_eq!(of(Some(&[before[0], before[2]])), None);
        assert_eq!(of(Some(&[before[0], vma(4, 6)])), Some("child's VMA and its parent's anon_vma"));
        assert_eq!(of(Some(&before)), Some("child has not what its parent has"));
        assert_eq!(of(Some(&[before[0]])), Some("child has not what its parent has"));
        assert_eq!(of(None), Some("fork without a child"));
        let locked = [Mapped { flags: VmaAttributes::LOCKED as u32 | 0x83, ..vma(0, 2) }];
        let of = |child: &[Mapped]| {
            unexpected_effect(
                &fork,
                &Spaces { before: &locked, after: Some(&locked), child: Some(child), merges_either_way: false },
                0,
                0,
            )
            .map(|effect| effect.what)
        };
        assert_eq!(of(&[vma(0, 2)]), None);
        assert_eq!(of(&locked), Some("child has not what its parent has"));
    }
}
