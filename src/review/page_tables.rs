//! The page tables of two references, compared up to the numbers of frames and of slots of the swap device.

use super::semantic::{Pairs, SemanticDifference, both};
use crate::pages::{counter_phrases, large_phrases, totals_phrases};
use crate::rmap::{LargeCounts, RememberedMm};
use crate::trace::{Frame, MmPages, PageEntry, PageTables, Slot, Target};

/// The first difference there is. Of a large folio it is not compared which mms it remembers: kernels before 6.15 remember none.
pub(super) fn compare(base: &PageTables, changed: &PageTables) -> Option<SemanticDifference> {
    let state = |what, detail| Some(SemanticDifference::State(what, detail));
    let (mut frames, mut slots) = (Pairs::default(), Pairs::default());
    let mut entries = base.entries.iter().zip(&changed.entries);
    let mut same = |a: &PageEntry, b: &PageEntry| {
        let said = |entry: &PageEntry| {
            let PageEntry { mm, page, writable, dirty, accessed, uffd, soft_dirty, .. } = *entry;
            (mm, page, [writable, dirty, accessed, uffd, soft_dirty])
        };
        said(a) == said(b)
            && match (a.target, b.target) {
                (Target::Zero, Target::Zero) => true,
                (Target::Frame(a), Target::Frame(b))
                | (Target::Device { frame: a, .. }, Target::Device { frame: b, .. })
                | (Target::Poison(a), Target::Poison(b)) => frames.agree(a, b),
                (
                    Target::Migration { frame: a, exclusive: alone },
                    Target::Migration { frame: b, exclusive: also_alone },
                ) => alone == also_alone && frames.agree(a, b),
                (Target::Swap { slot: a, exclusive: alone }, Target::Swap { slot: b, exclusive: also_alone }) => {
                    alone == also_alone && slots.agree(a, b)
                }
                _ => false,
            }
    };
    if let Some((a, b)) = entries.find(|(a, b)| !same(a, b)) {
        return state("page table entries", both(entry_text(a), entry_text(b)));
    }
    if base.entries.len() != changed.entries.len() {
        let of = |tables: &PageTables, at: usize| tables.entries.get(at).map_or("nothing more".into(), entry_text);
        let at = base.entries.len().min(changed.entries.len());
        return state("page table entries", both(of(base, at), of(changed, at)));
    }
    for &(a, b) in &slots.0 {
        let count = |slot: Option<&Slot>| slot.map(|slot| (slot.count, slot.cached.is_some(), slot.content));
        let (ours, theirs) = (base.slot(a), changed.slot(b));
        if count(ours) != count(theirs) {
            return state("swap slots", both(slot_text(a, ours), slot_text(b, theirs)));
        }
        if let (Some(a), Some(b)) = (ours.and_then(|slot| slot.cached), theirs.and_then(|slot| slot.cached))
            && !frames.agree(a, b)
        {
            return state("swap slots", both(slot_text(a, ours), slot_text(b, theirs)));
        }
    }
    for &(a, b) in &frames.0 {
        let (Some(ours), Some(theirs)) = (base.frame(a), changed.frame(b)) else { continue };
        if frame_words(ours) != frame_words(theirs) {
            return state("folios", both(frame_text(ours), frame_text(theirs)));
        }
        let large = |tables: &PageTables, frame: &Frame| {
            let (_, counts) = tables.large.iter().find(|(head, _)| *head == frame.head)?;
            let flags = (counts.partially_mapped, counts.deferred);
            Some((counts.order, flags, counts.entire_mapcount, counts.large_mapcount, counts.pages_mapped))
        };
        if large(base, ours) != large(changed, theirs) {
            let text = |tables: &PageTables, frame: &Frame| {
                let counts = tables.large.iter().find(|(head, _)| *head == frame.head);
                let said = counts.map_or("not large".to_owned(), |(_, counts)| {
                    // Which mms it remembers is not compared.
                    let compared = LargeCounts { mms: [RememberedMm::NONE; 2], shared: false, ..*counts };
                    format!("of order {}, {}", counts.order, large_phrases(&compared).join(", "))
                });
                format!("folio {}: {said}", frame.head)
            };
            return state("large folios", both(text(base, ours), text(changed, theirs)));
        }
    }
    let counters = |mm: &MmPages| (mm.mm, mm.file, mm.anon, mm.swap, mm.shmem, mm.table_bytes, mm.tables);
    let differ = |(a, b): &(&MmPages, &MmPages)| counters(a) != counters(b);
    if let Some((a, b)) = base.mms.iter().zip(&changed.mms).find(differ) {
        let text = |mm: &MmPages| format!("{} in {} page tables", counter_phrases(mm).join(", "), mm.tables);
        return state("page counters", format!("{} has {}", a.mm, both(text(a), text(b))));
    }
    (base.totals != changed.totals).then(|| {
        SemanticDifference::State(
            "statistics and what is in use",
            both(totals_phrases(&base.totals).join(", "), totals_phrases(&changed.totals).join(", ")),
        )
    })
}

fn frame_words(frame: &Frame) -> ([bool; 11], [i64; 2], [u64; 3]) {
    let Frame { anon, exclusive, swapbacked, locked, file, swapcache, dirty, migrating, migrated, poisoned, .. } =
        *frame;
    let has_anon_vma = frame.anon_vma.is_some();
    let bits =
        [anon, exclusive, swapbacked, locked, file, swapcache, dirty, migrating, migrated, poisoned, has_anon_vma];
    (bits, [frame.references, frame.mapcount], [frame.content, frame.stored, frame.pins])
}

fn frame_text(frame: &Frame) -> String {
    let words = [
        (frame.anon, "anonymous"),
        (frame.file, "of a file"),
        (frame.exclusive, "exclusive"),
        (frame.swapbacked, "swap-backed"),
        (frame.swapcache, "in the swap cache"),
        (frame.dirty, "dirty"),
        (frame.locked, "locked"),
        (frame.migrating, "migrating"),
        (frame.migrated, "migrated"),
        (frame.poisoned, "poisoned"),
        (frame.anon_vma.is_some(), "of an anon_vma"),
    ];
    let Frame { references, mapcount, pins, content, stored, .. } = frame;
    let stored = if frame.file { format!(", written back {stored:#x}") } else { String::new() };
    format!(
        "frame {}: {}, {references} references, mapcount {mapcount}, {pins} pins, content {content:#x}{stored}",
        frame.frame,
        that_hold(&words, ", ")
    )
}

fn slot_text(number: u32, slot: Option<&Slot>) -> String {
    let Some(Slot { count, cached, content, .. }) = slot else { return format!("slot {number} is free") };
    let cached = cached.map_or(String::new(), |frame| format!(", frame {frame} in the swap cache"));
    format!("slot {number}: count {count}, content {content:#x}{cached}")
}

fn entry_text(entry: &PageEntry) -> String {
    let words = [
        (entry.writable, "writable"),
        (entry.dirty, "dirty"),
        (entry.accessed, "accessed"),
        (entry.huge, "huge"),
        (entry.uffd, "uffd"),
        (entry.soft_dirty, "soft-dirty"),
        (
            matches!(entry.target, Target::Swap { exclusive: true, .. } | Target::Migration { exclusive: true, .. }),
            "exclusive",
        ),
    ];
    format!("{:#x} of {}: {} {}", entry.page, entry.mm, entry.target, that_hold(&words, " ")).trim_end().to_owned()
}

fn that_hold(words: &[(bool, &str)], separator: &str) -> String {
    let words: Vec<&str> = words.iter().filter(|(holds, _)| *holds).map(|(_, word)| *word).collect();
    words.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rmap::MmId;
    use crate::trace::PageTotals;

    /// A process with a page in memory, of a folio of two, and one on the swap device; numbers from `first` on.
    fn tables(first: u32) -> PageTables {
        let entry = |page, target| PageEntry {
            mm: MmId(0),
            page,
            target,
            writable: page == 0,
            dirty: page == 0,
            accessed: page == 0,
            huge: false,
            uffd: false,
            soft_dirty: false,
        };
        let frame = |frame| Frame { frame, head: first, anon: true, references: 1, ..Frame::default() };
        let counts = LargeCounts {
            order: 1,
            partially_mapped: false,
            deferred: false,
            shared: false,
            entire_mapcount: 0,
            large_mapcount: 1,
            pages_mapped: 1,
            mms: [RememberedMm::NONE; 2],
        };
        PageTables {
            totals: PageTotals { frames: 2, tables: 4, slots: 1, anon_mapped: 1, ..PageTotals::default() },
            mms: vec![MmPages { mm: MmId(0), file: 0, anon: 1, swap: 1, shmem: 0, table_bytes: 3 * 4096, tables: 3 }],
            entries: vec![entry(0, Target::Frame(first)), entry(1, Target::Swap { slot: first, exclusive: true })],
            frames: vec![Frame { mapcount: 1, exclusive: true, ..frame(first) }, frame(first + 1)],
            large: vec![(first, counts)],
            slots: vec![Slot { slot: first, count: 1, cached: None, content: 1 }],
            ..PageTables::default()
        }
    }

    #[test]
    fn numbers_are_not_compared_and_all_else_is() {
        let found = |change: &dyn Fn(&mut PageTables)| {
            let mut changed = tables(12);
            change(&mut changed);
            compare(&tables(4), &changed).map(|difference| match difference {
                SemanticDifference::State(what, text) => {
                    let (base, changed) = text.split_once("; against ").expect("both are told");
                    let without_numbers = |text: &str| text.replace("12", "4").replace("13", "5");
                    assert_ne!(without_numbers(base), without_numbers(changed), "{what}");
                    what
                }
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(found(&|_| ()), None);
        let entries = Some("page table entries");
        assert_eq!(found(&|t| t.entries[0].writable = false), entries);
        assert_eq!(found(&|t| t.entries[0].dirty = false), entries);
        assert_eq!(found(&|t| t.entries[0].accessed = false), entries);
        assert_eq!(found(&|t| t.entries[0].target = Target::Zero), entries);
        assert_eq!(found(&|t| t.entries[1].target = Target::Swap { slot: 12, exclusive: false }), entries);
        assert_eq!(found(&|t| t.entries.truncate(1)), entries);
        assert_eq!(found(&|t| t.slots[0].count = 2), Some("swap slots"));
        assert_eq!(found(&|t| t.frames[0].exclusive = false), Some("folios"));
        assert_eq!(found(&|t| t.frames[0].mapcount = 2), Some("folios"));
        assert_eq!(found(&|t| t.frames[0].references = 2), Some("folios"));
        assert_eq!(found(&|t| t.large[0].1.deferred = true), Some("large folios"));
        assert_eq!(found(&|t| t.mms[0].anon = 2), Some("page counters"));
        assert_eq!(found(&|t| t.totals.anon_mapped = 2), Some("statistics and what is in use"));
    }
}
