//! What an entry and a frame say that is the same however frames, slots and processes are numbered. What is in a page is no part of
//! it: no code looks at that.

use crate::trace::{Frame, PageEntry, Target};

/// What an entry says, but for the frame or slot.
pub(crate) fn entry_bits(entry: &PageEntry) -> u64 {
    let (kind, exclusive) = match entry.target {
        Target::Zero => (0, false),
        Target::Frame(_) => (1, false),
        Target::Swap { exclusive, .. } => (2, exclusive),
        Target::Migration { exclusive, .. } => (3, exclusive),
        Target::Device { .. } => (4, false),
        Target::Poison(_) => (5, false),
    };
    let bit = |is: bool, at: u32| u64::from(is) << at;
    let marks = bit(exclusive, 6) | bit(entry.writable, 5) | bit(entry.dirty, 4) | bit(entry.accessed, 3);
    kind << 7 | marks | bit(entry.huge, 2) | bit(entry.uffd, 1) | bit(entry.soft_dirty, 0)
}

/// What a frame says, but for its counts and its place.
pub(crate) fn frame_bits(frame: &Frame) -> u64 {
    let bit = |is: bool, at: u32| u64::from(is) << at;
    let kinds = bit(frame.anon, 12) | bit(frame.exclusive, 11) | bit(frame.swapbacked, 10) | bit(frame.locked, 9);
    let file = bit(frame.file, 8) | bit(frame.not_told, 7) | bit(frame.swapcache, 6) | bit(frame.dirty, 5);
    let moves = bit(frame.migrating, 4) | bit(frame.migrated, 3) | bit(frame.poisoned, 2) | bit(frame.kept, 1);
    1 << 13 | kinds | file | moves | bit(frame.content == frame.stored, 0)
}
