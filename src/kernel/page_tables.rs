//! The words in which the C tells what its page tables hold.

use super::abi;
use crate::rmap::{AnonVmaId, LargeCounts, MmId};
use crate::trace::{Frame, MmPages, PageEntry, PageTables, PageTotals, Slot, Target};

type Record = abi::rmap_page_stream;

fn is(words: u64, bit: u64) -> bool {
    words & bit != 0
}

/// Pages of a lowest table, and of the entry of a huge page.
const PAGES_OF_A_TABLE: u64 = 512;

/// What an entry says of one page; `device_counts`: what a device has counts as mapped.
fn entry(mm: MmId, page: u64, bits: u64, number: u32, device_counts: bool) -> PageEntry {
    use abi::rmap_page_entry as bit;
    let target = if is(bits, bit::RMAP_ENTRY_ZERO as u64) {
        Target::Zero
    } else if is(bits, bit::RMAP_ENTRY_PRESENT as u64) {
        Target::Frame(number)
    } else if is(bits, bit::RMAP_ENTRY_DEVICE as u64) {
        Target::Device { frame: number, counted: device_counts }
    } else if is(bits, bit::RMAP_ENTRY_MIGRATION as u64) {
        let alone = bit::RMAP_ENTRY_WRITE as u64 | bit::RMAP_ENTRY_SWAP_EXCLUSIVE as u64;
        Target::Migration { frame: number, exclusive: is(bits, alone) }
    } else if is(bits, bit::RMAP_ENTRY_POISON as u64) {
        Target::Poison(number)
    } else {
        Target::Swap { slot: number, exclusive: is(bits, bit::RMAP_ENTRY_SWAP_EXCLUSIVE as u64) }
    };
    PageEntry {
        mm,
        page,
        target,
        writable: is(bits, bit::RMAP_ENTRY_WRITE as u64),
        dirty: is(bits, bit::RMAP_ENTRY_DIRTY as u64),
        accessed: is(bits, bit::RMAP_ENTRY_ACCESSED as u64),
        huge: is(bits, bit::RMAP_ENTRY_HUGE as u64),
        uffd: is(bits, bit::RMAP_ENTRY_UFFD as u64),
        soft_dirty: is(bits, bit::RMAP_ENTRY_SOFT_DIRTY as u64),
    }
}

/// Reads them, unless they say what is there already; `device_counts`: what a device has counts as mapped. None: they break off,
/// or are no such words: the C met an entry of what is not there.
pub(super) fn decode(told: &[u64], device_counts: bool, out: &mut PageTables) -> Option<()> {
    out.told_again = !told.is_empty() && out.words == told;
    if out.told_again {
        return Some(());
    }
    out.clear();
    let mut words = told;
    while let Some((&tag, rest)) = words.split_first() {
        words = match tag {
            t if t == Record::RMAP_PAGES_TOTALS as u64 => {
                let (&[frames, tables, cached, slots, anon, file, thps, deferred, counted], rest) =
                    rest.split_first_chunk()?;
                let [anon_mapped, file_mapped, anon_thps] = [anon, file, thps].map(u64::cast_signed);
                out.totals = PageTotals {
                    frames,
                    tables,
                    cached,
                    slots,
                    anon_mapped,
                    file_mapped,
                    anon_thps,
                    deferred,
                    deferred_counted: counted,
                };
                rest
            }
            t if t == Record::RMAP_PAGES_MM as u64 => {
                let (&[mm, file, anon, swap, shmem, bytes, tables], rest) = rest.split_first_chunk()?;
                let [file, anon, swap, shmem, table_bytes] = [file, anon, swap, shmem, bytes].map(u64::cast_signed);
                out.mms.push(MmPages { mm: MmId(mm as u8), file, anon, swap, shmem, table_bytes, tables });
                rest
            }
            t if t == Record::RMAP_PAGES_ENTRY as u64 => {
                let (&[mm, page, bits, number], rest) = rest.split_first_chunk()?;
                let huge = is(bits, abi::rmap_page_entry::RMAP_ENTRY_HUGE as u64);
                let pages = if huge { PAGES_OF_A_TABLE } else { 1 };
                for nth in 0..pages {
                    let number = u32::try_from(number + nth).ok()?;
                    out.entries.push(entry(MmId(mm as u8), page + nth, bits, number, device_counts));
                }
                rest
            }
            t if t == Record::RMAP_PAGES_FRAME as u64 => {
                let (&[frame, bits, references, mapcount, index, anon_vma, head, content, pins, stored], rest) =
                    rest.split_first_chunk()?;
                use abi::rmap_page_frame as bit;
                out.frames.push(Frame {
                    frame: u32::try_from(frame).ok()?,
                    head: u32::try_from(head).ok()?,
                    anon: is(bits, bit::RMAP_FRAME_ANON as u64),
                    exclusive: is(bits, bit::RMAP_FRAME_EXCLUSIVE as u64),
                    swapbacked: is(bits, bit::RMAP_FRAME_SWAPBACKED as u64),
                    locked: is(bits, bit::RMAP_FRAME_LOCKED as u64),
                    file: is(bits, bit::RMAP_FRAME_FILE as u64),
                    not_told: is(bits, bit::RMAP_FRAME_NOT_TOLD as u64),
                    swapcache: is(bits, bit::RMAP_FRAME_SWAPCACHE as u64),
                    as_told: is(bits, bit::RMAP_FRAME_AS_TOLD as u64),
                    references: references.cast_signed(),
                    mapcount: mapcount.cast_signed(),
                    index,
                    anon_vma: anon_vma.checked_sub(1).map(|serial| AnonVmaId(serial as u32)),
                    dirty: is(bits, bit::RMAP_FRAME_DIRTY as u64),
                    taken_out: is(bits, bit::RMAP_FRAME_TAKEN_OUT as u64),
                    poisoned: is(bits, bit::RMAP_FRAME_POISONED as u64),
                    kept: is(bits, bit::RMAP_FRAME_KEPT as u64),
                    content,
                    stored,
                    pins,
                    migrating: is(bits, bit::RMAP_FRAME_MIGRATING as u64),
                    migrated: is(bits, bit::RMAP_FRAME_MIGRATED as u64),
                });
                rest
            }
            t if t == Record::RMAP_PAGES_TAIL as u64 => {
                let (&[frame, bits, mapcount, content], rest) = rest.split_first_chunk()?;
                use abi::rmap_page_frame as bit;
                let (frame, before) = (u32::try_from(frame).ok()?, *out.frames.last()?);
                out.frames.push(Frame {
                    frame,
                    exclusive: is(bits, bit::RMAP_FRAME_EXCLUSIVE as u64),
                    poisoned: is(bits, bit::RMAP_FRAME_POISONED as u64),
                    kept: is(bits, bit::RMAP_FRAME_KEPT as u64),
                    mapcount: mapcount.cast_signed(),
                    index: before.index.wrapping_add(u64::from(frame.wrapping_sub(before.frame))),
                    content,
                    ..before
                });
                rest
            }
            t if t == Record::RMAP_PAGES_SLOT as u64 => {
                let (&[slot, count, cached, content], rest) = rest.split_first_chunk()?;
                let [slot, cached] = [u32::try_from(slot).ok()?, u32::try_from(cached).ok()?];
                out.slots.push(Slot { slot, count, cached: (cached != 0).then_some(cached), content });
                rest
            }
            t if t == Record::RMAP_PAGES_LARGE as u64 => {
                let (&[frame, bits, mapcounts, pages_mapped, mms], rest) = rest.split_first_chunk()?;
                let counts = LargeCounts::from_words([bits, mapcounts, pages_mapped, mms]);
                out.large.push((u32::try_from(frame).ok()?, counts));
                rest
            }
            _ => return None,
        };
    }
    // The tables come with their processes; the processes are told after their entries.
    out.entries.sort_by_key(|entry| (entry.mm, entry.page));
    out.note_places();
    out.words.extend_from_slice(told);
    Some(())
}
