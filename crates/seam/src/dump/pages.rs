//! Page tables in a dump: what a booted kernel and a userland run are compared by.
//!
//! A side reads a [`PageState`], with its own numbers of frames, slots and contents. [`PageState::dump`] renames them in
//! the order in which they are met: processes by number, the entries of a process by page.

use std::fmt;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// What an entry leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageTarget {
    /// The zero page.
    Zero,
    /// A frame.
    Frame(u64),
    /// A slot of the swap device.
    Slot(u64),
    /// A frame whose memory has failed.
    Failed(u64),
    /// Something else that is not present: the type of its entry.
    Other(u64),
}

/// An entry of a lowest page table that is not empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DumpedEntry {
    /// The page.
    pub page: u64,
    /// What it leads to.
    pub target: PageTarget,
    /// `pte_write()`
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writable: bool,
    /// `pte_dirty()`
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dirty: bool,
    /// `pte_swp_exclusive()`, of a slot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// An entry of the level above maps the page, together with others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub huge: bool,
    /// `pte_uffd_wp()`, or `pte_swp_uffd_wp()`: userfaultfd write-protects the page.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uffd: bool,
    /// `pte_soft_dirty()`, or `pte_swp_soft_dirty()`
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub soft_dirty: bool,
}

/// The page tables of a process, and how many pages its mm counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcessPages {
    /// Its number.
    pub id: u8,
    /// `MM_ANONPAGES`
    pub anon: i64,
    /// `MM_FILEPAGES` and `MM_SHMEMPAGES`: which of the two it is depends on the file system.
    pub file: i64,
    /// `MM_SWAPENTS`
    pub swap: i64,
    /// By page.
    pub entries: Vec<DumpedEntry>,
}

/// A frame that an entry maps.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DumpedFrame {
    /// The page's `_mapcount`, plus 1.
    pub mapcount: i64,
    /// Its page offset.
    pub index: u64,
    /// Of anonymous memory alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anon: Option<AnonFrame>,
    /// If it is of a large folio: which, and its place there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folio: Option<(u64, u64)>,
}

/// A folio of several pages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DumpedFolio {
    /// It has `1 << order` pages.
    pub order: u8,
    /// `folio_entire_mapcount()`
    pub entire_mapcount: i32,
    /// `folio_large_mapcount()`
    pub large_mapcount: i32,
    /// `_nr_pages_mapped`
    pub pages_mapped: i32,
    /// `folio_test_partially_mapped()`
    pub partially_mapped: bool,
}

/// What a frame of anonymous memory has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AnonFrame {
    /// The anon_vma of its mapping; null if that is none of the dump.
    pub anon_vma: Option<u64>,
    /// `PageAnonExclusive()`
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// `folio_test_swapbacked()`
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub swapbacked: bool,
    /// What was written to it last.
    pub content: u64,
}

/// What a side has read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PageState {
    /// In any order; the entries of each, too.
    pub processes: Vec<ProcessPages>,
    /// By number, those that entries name.
    pub frames: FxHashMap<u64, DumpedFrame>,
    /// By the number that frames give them.
    pub large: FxHashMap<u64, DumpedFolio>,
}

/// The same with names that do not depend on the side.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PageDump {
    /// By number.
    pub processes: Vec<ProcessPages>,
    /// In the order in which entries name them.
    pub frames: Vec<DumpedFrame>,
    /// In the order in which frames name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub large: Vec<DumpedFolio>,
}

/// Names in the order in which they are asked for.
#[derive(Default)]
struct Names(FxHashMap<u64, u64>);

impl Names {
    /// The name of a number, and whether it is new.
    fn of(&mut self, number: u64) -> (u64, bool) {
        let next = self.0.len() as u64;
        let name = *self.0.entry(number).or_insert(next);
        (name, name == next && self.0.len() as u64 > next)
    }
}

impl PageState {
    /// Renames frames, slots and contents. `anon_vma` says what an anon_vma is called in the dump.
    pub fn dump(mut self, anon_vma: impl Fn(u64) -> Option<u64>) -> PageDump {
        let (mut frames, mut slots, mut contents) = (Names::default(), Names::default(), Names::default());
        let (mut dumped, mut folios, mut large) = (Vec::new(), Names::default(), Vec::new());
        let mut failed = Names::default();
        self.processes.sort_by_key(|process| process.id);
        for process in &mut self.processes {
            process.entries.sort_by_key(|entry| entry.page);
            for entry in &mut process.entries {
                match &mut entry.target {
                    PageTarget::Slot(number) => *number = slots.of(*number).0,
                    PageTarget::Failed(number) => *number = failed.of(*number).0,
                    PageTarget::Frame(number) => {
                        let (name, new) = frames.of(*number);
                        if new && let Some(mut frame) = self.frames.remove(number) {
                            if let Some(anon) = &mut frame.anon {
                                anon.anon_vma = anon.anon_vma.and_then(&anon_vma);
                                anon.content = contents.of(anon.content).0;
                            }
                            if let Some((folio, _)) = &mut frame.folio {
                                let (name, new) = folios.of(*folio);
                                large.extend(self.large.remove(folio).filter(|_| new));
                                *folio = name;
                            }
                            dumped.push(frame);
                        }
                        *number = name;
                    }
                    PageTarget::Zero | PageTarget::Other(_) => (),
                }
            }
        }
        PageDump { processes: self.processes, frames: dumped, large }
    }
}

impl PageTarget {
    /// What the next page leads to, if it leads to what comes next.
    fn next(self) -> PageTarget {
        match self {
            PageTarget::Frame(number) => PageTarget::Frame(number + 1),
            PageTarget::Slot(number) => PageTarget::Slot(number + 1),
            other => other,
        }
    }
}

impl DumpedEntry {
    /// Whether the next entry says the same of the next page.
    fn goes_on(&self, next: &DumpedEntry) -> bool {
        DumpedEntry { page: self.page + 1, target: self.target.next(), ..*self } == *next
    }
}

impl DumpedFrame {
    /// Whether the next frame has the same of the next page.
    fn goes_on(&self, next: &DumpedFrame) -> bool {
        let folio = self.folio.map(|(folio, place)| (folio, place + 1));
        DumpedFrame { index: self.index.wrapping_add(1), folio, ..self.clone() } == *next
    }
}

/// Entries that are said at once: `0x12 frame 3 write dirty`, `0x12..0x14 frame 3.. write dirty`.
struct EntryRun<'a>(&'a [DumpedEntry]);

impl fmt::Display for EntryRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EntryRun([first, rest @ ..]) = self else { return Ok(()) };
        let (end, more) = match rest.last() {
            Some(last) => (format!("..{:#x}", last.page + 1), ".."),
            None => (String::new(), ""),
        };
        write!(f, "{:#x}{end} ", first.page)?;
        match first.target {
            PageTarget::Zero => f.write_str("zero page"),
            PageTarget::Frame(number) => write!(f, "frame {number}{more}"),
            PageTarget::Slot(number) => write!(f, "slot {number}{more}"),
            PageTarget::Failed(number) => write!(f, "failed memory {number}"),
            PageTarget::Other(kind) => write!(f, "entry of type {kind}"),
        }?;
        let words = [
            (first.huge, " huge"),
            (first.writable, " write"),
            (first.dirty, " dirty"),
            (first.exclusive, " exclusive"),
            (first.uffd, " uffd"),
            (first.soft_dirty, " soft-dirty"),
        ];
        words.iter().filter(|(is, _)| *is).try_for_each(|(_, word)| f.write_str(word))
    }
}

/// `mapcount 2  index 0x12  anon_vma 1  content 3  exclusive`
impl fmt::Display for DumpedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mapcount {}  index {:#x}", self.mapcount, self.index)?;
        if let Some((folio, place)) = self.folio {
            write!(f, "  page {place} of folio {folio}")?;
        }
        let Some(anon) = &self.anon else { return f.write_str("  of a file") };
        match anon.anon_vma {
            Some(number) => write!(f, "  anon_vma {number}"),
            None => f.write_str("  anon_vma -"),
        }?;
        write!(f, "  content {}", anon.content)?;
        let words = [(anon.exclusive, "  exclusive"), (anon.swapbacked, "  swapbacked")];
        words.iter().filter(|(is, _)| *is).try_for_each(|(_, word)| f.write_str(word))
    }
}

/// `order 2  entire_mapcount 0  large_mapcount 4  pages_mapped 4`
impl fmt::Display for DumpedFolio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DumpedFolio { order, entire_mapcount, large_mapcount, pages_mapped, partially_mapped } = self;
        write!(f, "order {order}  entire_mapcount {entire_mapcount}  large_mapcount {large_mapcount}")?;
        write!(f, "  pages_mapped {pages_mapped:#x}")?;
        if *partially_mapped { f.write_str("  partially mapped") } else { Ok(()) }
    }
}

impl fmt::Display for PageDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for process in &self.processes {
            let ProcessPages { id, anon, file, swap, entries } = process;
            writeln!(f, "p{id} pages: anon {anon}  file {file}  swap {swap}")?;
            let mut runs = entries.chunk_by(DumpedEntry::goes_on);
            runs.try_for_each(|run| writeln!(f, "  {}", EntryRun(run)))?;
        }
        let mut number = 0;
        for run in self.frames.chunk_by(DumpedFrame::goes_on) {
            let end = if run.len() > 1 { format!("..{}", number + run.len()) } else { String::new() };
            run.iter().take(1).try_for_each(|frame| writeln!(f, "frame {number}{end}  {frame}"))?;
            number += run.len();
        }
        self.large.iter().enumerate().try_for_each(|(number, folio)| writeln!(f, "folio {number}  {folio}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(page: u64, target: PageTarget) -> DumpedEntry {
        DumpedEntry {
            page,
            target,
            writable: true,
            dirty: false,
            exclusive: false,
            huge: false,
            uffd: false,
            soft_dirty: false,
        }
    }

    fn frame(index: u64, content: u64) -> DumpedFrame {
        let anon = AnonFrame { anon_vma: Some(70), exclusive: true, swapbacked: true, content };
        DumpedFrame { mapcount: 1, index, anon: Some(anon), folio: None }
    }

    fn state(first: u64, slot: u64, content: u64) -> PageState {
        let process = |id, entries| ProcessPages { id, anon: 2, file: 0, swap: 1, entries };
        let (a, b) = (PageTarget::Frame(first), PageTarget::Frame(first + 1));
        PageState {
            processes: vec![
                process(1, vec![entry(5, b), entry(4, a)]),
                process(0, vec![entry(8, PageTarget::Slot(slot)), entry(4, a)]),
            ],
            frames: [(first, frame(4, content)), (first + 1, frame(5, content + 9))].into_iter().collect(),
            large: FxHashMap::default(),
        }
    }

    #[test]
    fn numbers_of_a_side_do_not_matter_and_what_is_shared_does() {
        let name = |number| (number == 70).then_some(2);
        let dump = state(30, 4, 100).dump(name);
        assert_eq!(dump, state(7, 9, 5).dump(name));
        let text = dump.to_string();
        assert!(
            text.starts_with("p0 pages: anon 2  file 0  swap 1\n  0x4 frame 0 write\n  0x8 slot 0 write\n"),
            "{text}"
        );
        assert!(
            text.ends_with("frame 1  mapcount 1  index 0x5  anon_vma 2  content 1  exclusive  swapbacked\n"),
            "{text}"
        );
        let mut other = state(30, 4, 100);
        other.processes[0].entries[1].target = PageTarget::Frame(31);
        assert_ne!(dump, other.dump(name));
        let mut other = state(30, 4, 100);
        other.frames.insert(31, frame(5, 100));
        assert_ne!(dump, other.dump(name), "two frames of one content");
        assert_ne!(dump, state(30, 4, 100).dump(|_| None));
    }

    #[test]
    fn failed_memory_is_named_apart_from_frames() {
        let with = |failed: [u64; 2]| {
            let mut state = state(30, 4, 100);
            let entries = [entry(9, PageTarget::Failed(failed[0])), entry(11, PageTarget::Failed(failed[1]))];
            state.processes[1].entries.extend(entries.map(|entry| DumpedEntry {
                writable: false,
                uffd: true,
                ..entry
            }));
            state.dump(|_| None)
        };
        assert_eq!(with([7, 8]), with([90, 3]));
        assert_ne!(with([7, 8]), with([7, 7]), "two entries of one frame");
        let text = with([7, 8]).to_string();
        assert!(text.contains("  0x9 failed memory 0 uffd\n  0xb failed memory 1 uffd\n"), "{text}");
        assert!(text.contains("frame 0  mapcount 1  index 0x4"), "{text}");
    }

    #[test]
    fn a_huge_page_is_said_in_a_line() {
        let mut state = PageState::default();
        let huge = |nth: u64| DumpedEntry { huge: true, ..entry(0x200 + nth, PageTarget::Frame(900 + nth)) };
        let entries = (0..512).map(huge).chain([entry(0x400, PageTarget::Zero), entry(0x401, PageTarget::Zero)]);
        state.processes = vec![ProcessPages { id: 3, anon: 512, file: 0, swap: 0, entries: entries.collect() }];
        state.frames =
            (0..512).map(|nth| (900 + nth, DumpedFrame { folio: Some((900, nth)), ..frame(nth, 7) })).collect();
        let folio = DumpedFolio {
            order: 9,
            entire_mapcount: 1,
            large_mapcount: 1,
            pages_mapped: 0x80_0000,
            partially_mapped: false,
        };
        state.large = [(900, folio)].into_iter().collect();
        let lines = "p3 pages: anon 512  file 0  swap 0\n  0x200..0x400 frame 0.. huge write\n  0x400..0x402 zero page write\n\
                     frame 0..512  mapcount 1  index 0x0  page 0 of folio 0  anon_vma -  content 0  exclusive  swapbacked\n\
                     folio 0  order 9  entire_mapcount 1  large_mapcount 1  pages_mapped 0x800000\n";
        assert_eq!(state.dump(|_| None).to_string(), lines);
    }
}
