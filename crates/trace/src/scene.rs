//! Short sequences of operations that single random operations hardly ever come to, placed at random in a random trace.

use super::op::{Advice, OpKind, OpSet};
use rmap_seam::MmId;

/// How many there are.
const SCENES: u32 = 4;

/// One of those that want the operations on pages.
const SHARED_FILE: u32 = SCENES + 1;

/// How many of a set of operations: the last ones want the operations on pages.
pub(super) fn scenes(set: OpSet) -> u32 {
    if set.has_pages() { SCENES + 2 } else { SCENES }
}

/// One of them (below [`scenes`]), in the process, from the page on; it takes less than 64 pages. `number` chooses among its
/// variants; `child` is a process that does not exist.
pub(super) fn scene(which: u32, mm: MmId, child: Option<MmId>, page: u64, number: u32) -> Vec<OpKind> {
    let moved =
        |from: u64, pages: u64, to: u64| OpKind::Move { mm, start: from, end: from + pages, to, dontunmap: false };
    match which {
        // A large folio comes back from being shared, part of it is written to, and what is left unwritten is dropped.
        SCENES => {
            let start = page.next_multiple_of(4);
            let written = |which: u32| OpKind::fault(mm, start + u64::from(which % 4));
            let order = OpKind::Fault { mm, page: start, read: false, order: 2 };
            let mut ops = vec![OpKind::map(mm, page, start + 4), order];
            if let Some(child) = child {
                ops.extend([OpKind::Fork { parent: mm, child }, OpKind::Exit { mm: child }]);
            }
            ops.push(written(number));
            ops.extend((number & 16 != 0).then(|| written(number >> 2)));
            ops.push(OpKind::LazyFree { mm, start, end: start + 4 });
            ops.extend((number & 32 != 0).then(|| written(number >> 6)));
            // What of it is in one VMA is not all of it.
            let part = OpKind::Advise { mm, start: start + 2, end: start + 4, advice: Advice::DontFork };
            ops.extend((number >> 10 & 3 == 0).then_some(part));
            ops.push(OpKind::SwapOut { mm, page: start + u64::from(number >> 8 & 3) });
            ops
        }
        // A page of a file is shared by mappings of two processes, one of which may be private, and is written to and written
        // back in turn.
        SHARED_FILE => {
            let other = child.unwrap_or(mm);
            let end = page + 2;
            let file = Some((number % 4) as u8);
            let fault = |mm, write: bool| OpKind::Fault { mm, page, read: !write, order: 0 };
            let mut ops = vec![
                OpKind::Unmap { mm, start: page, end },
                OpKind::Map { mm, start: page, end, grows: false, noreserve: false, shared: true, file },
                fault(mm, number & 4 != 0),
            ];
            ops.extend(child.map(|child| OpKind::Fork { parent: mm, child }));
            if number & 24 == 0 && other != mm {
                ops.push(OpKind::Unmap { mm: other, start: page, end });
                ops.push(OpKind::Map {
                    mm: other,
                    start: page,
                    end,
                    grows: false,
                    noreserve: false,
                    shared: false,
                    file,
                });
            }
            ops.push(fault(other, number & 32 != 0));
            ops.push(OpKind::Clean { mm, page });
            ops.push(fault(if number & 64 != 0 { mm } else { other }, true));
            ops.push(match number >> 7 & 3 {
                0 => OpKind::Migrate { mm, page },
                1 => OpKind::Age { mm, page },
                2 => OpKind::Protect { mm, start: page, end: page + 1, write: false },
                _ => OpKind::Move { mm, start: page, end: page + 1, to: page + 8, dontunmap: false },
            });
            ops.extend((number >> 9 & 1 != 0).then_some(OpKind::Clean { mm: other, page }));
            ops.push(OpKind::SwapOut { mm: other, page });
            ops.push(fault(other, false));
            ops
        }
        // A touched VMA moves in between two that nobody touched, or beside one.
        0 => {
            let (middle, away) = (page + 1, page + 8);
            let neighbours = [page, page + 2].into_iter().zip([number % 4 != 1, number % 4 != 2]);
            let neighbours = neighbours.filter(|(_, there)| *there).map(|(at, _)| OpKind::map(mm, at, at + 1));
            let mut ops = vec![OpKind::Unmap { mm, start: page, end: page + 3 }, OpKind::map(mm, middle, middle + 1)];
            ops.extend([OpKind::fault(mm, middle), moved(middle, 1, away)]);
            ops.extend(neighbours);
            ops.push(moved(away, 1, middle));
            ops
        }
        // A stack moves up, so that its page offset is less than its address, and grows down past offset 0 or not.
        1 => {
            let low = u64::from(number % 4);
            let (start, up) = (low, low + 16);
            let stack =
                OpKind::Map { mm, start, end: start + 1, grows: true, noreserve: false, shared: false, file: None };
            let clear = OpKind::Unmap { mm, start: up - 8, end: up + 1 };
            vec![
                stack,
                OpKind::fault(mm, start),
                clear,
                moved(start, 1, up),
                OpKind::Grow { mm, page: up, pages: low + 1 },
            ]
        }
        // A VMA that nobody touched merges with what follows it, which somebody touched: over a gap that is mapped, or over
        // pages that get its protection back.
        2 => {
            let [gap, touched, end] = [page + 1, page + 2, page + 3];
            let is_gap = number.is_multiple_of(2);
            let mut ops = vec![OpKind::Unmap { mm, start: page, end }];
            if is_gap {
                ops.extend([OpKind::map(mm, page, gap), OpKind::map(mm, touched, end)]);
            } else {
                let read_only = OpKind::Protect { mm, start: gap, end: touched, write: false };
                ops.extend([OpKind::map(mm, page, end), read_only]);
            }
            ops.push(OpKind::fault(mm, touched));
            ops.push(match is_gap {
                true => OpKind::map(mm, gap, touched),
                false => OpKind::Protect { mm, start: gap, end: touched, write: true },
            });
            ops
        }
        // Several VMAs in a row are changed by one call, and some of them merge on the way.
        _ => {
            let end = page + 4;
            let fault = OpKind::fault(mm, page + u64::from(number % 4));
            let lock = OpKind::Mlock { mm, start: page + 1, end: page + 2 };
            let mut ops = vec![OpKind::map(mm, page, end)];
            // Touched before they are apart, they have one anon_vma; afterwards a merge has to copy it, which may fail.
            ops.extend(if number % 5 < 3 { [fault, lock] } else { [lock, fault] });
            ops.push(match number % 5 {
                0 => OpKind::Mlock { mm, start: page, end },
                1 => OpKind::Protect { mm, start: page, end, write: false },
                2 => OpKind::Munlock { mm, start: page, end },
                3 => OpKind::MlockAll { mm },
                _ => OpKind::MunlockAll { mm },
            });
            ops
        }
    }
}
