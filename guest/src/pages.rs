//! Page tables of the test processes, and the frames that they map, as the kernel's memory has them.
//!
//! What lies outside of the window is the agent's own. Its pages are counted, so that what an mm counts can be told apart.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use rmap_seam::dump::{AnonFrame, DumpedEntry, DumpedFolio, DumpedFrame, PageState, PageTarget, ProcessPages};
use rmap_trace::agent::FIRST_PAGE;

use crate::Error;
use crate::entry::{Entry, Leads, Upper};
use crate::memory::{self, Memory, PAGE_SHIFT, WINDOW_END};
use crate::offsets::Pages as Offsets;

/// Types of absent entries (include/linux/swap.h). At least so many are of swap areas, of which the guest has one. Then come those
/// of failed memory, of migrations and of devices; how many depends on the kernel's version and options. The last is always that of
/// markers, whose offset is no frame.
const SWAP_TYPES: u64 = 23;
const MARKER: u64 = 31;

const ENTRIES: usize = 512;
/// Page tables have half of the address space.
const USER_ENTRIES: usize = ENTRIES / 2;

/// `PAGE_MAPPING_ANON` (include/linux/page-flags.h), and both bits below the pointer.
const MAPPING_ANON: u64 = 1;
const MAPPING_BITS: u64 = 3;

/// Places in `mm_struct.rss_stat` (include/linux/mm_types_task.h).
const COUNTERS: usize = 4;
const FILEPAGES: usize = 0;
const ANONPAGES: usize = 1;
const SWAPENTS: usize = 2;
const SHMEMPAGES: usize = 3;

/// Where the kernel has its memory, its frames and its counters.
pub struct Places {
    offsets: Offsets,
    /// `page_offset_base`
    direct: u64,
    /// `vmemmap_base`
    frames: u64,
    /// Levels of page tables, 4 or 5.
    levels: u32,
    /// `__per_cpu_offset[0]`
    per_cpu: u64,
}

impl Places {
    /// Of the running kernel.
    pub fn read(memory: &Memory, btf: &Path) -> Result<Places, Error> {
        let [direct, frames, shift, per_cpu] =
            memory::symbols([&["page_offset_base"], &["vmemmap_base"], &["pgdir_shift"], &["__per_cpu_offset"]])?;
        let shift = memory.read(shift, 4)?.half(0);
        Ok(Places {
            offsets: Offsets::read(btf)?,
            direct: memory.word(direct)?,
            frames: memory.word(frames)?,
            levels: (shift - PAGE_SHIFT) / 9 + 1,
            per_cpu: memory.word(per_cpu)?,
        })
    }
}

/// What reads page tables.
pub struct PageReader<'a> {
    pub memory: &'a Memory,
    pub places: &'a Places,
    pub own: &'a OwnPages,
}

/// How many pages each counter of an mm has.
type Counts = [i64; COUNTERS];

/// What the agent's own memory was counted as when it was looked at last, by the address of the mm. It hardly ever changes.
#[derive(Default)]
pub struct OwnPages(RefCell<HashMap<u64, Counts>>);

/// An entry of a page.
struct Found {
    /// At which the page begins.
    address: u64,
    /// As an entry of the lowest level has it.
    word: u64,
    /// It is of the level above the lowest.
    huge: bool,
}

impl PageReader<'_> {
    /// Reads those of one process. `anon_vma` gives an anon_vma the name that it has in the graph.
    pub fn process(
        &self,
        id: u8,
        mm: u64,
        anon_vma: impl Fn(u64) -> Option<u64>,
        state: &mut PageState,
    ) -> Result<(), Error> {
        let mut entries = Vec::new();
        for found in self.found(mm, 0..WINDOW_END)? {
            entries.push(self.entry(&found, &anon_vma, state)?);
        }
        let counts = self.counters(mm)?;
        let without = |own: Counts| {
            let left: Counts = std::array::from_fn(|place| counts[place] - own[place]);
            [left[ANONPAGES], left[FILEPAGES] + left[SHMEMPAGES], left[SWAPENTS]]
        };
        let known = self.own.0.borrow().get(&mm).copied();
        let left = match known.map(without) {
            // The counters are those of the entries: then nothing else has changed.
            Some(left) if left == counted(&entries, state) => left,
            _ => {
                let own = self.own_pages(mm)?;
                self.own.0.borrow_mut().insert(mm, own);
                without(own)
            }
        };
        let [anon, file, swap] = left;
        state.processes.push(ProcessPages { id, anon, file, swap, entries });
        Ok(())
    }

    /// The pages outside of the window.
    fn own_pages(&self, mm: u64) -> Result<Counts, Error> {
        let mut counts = [0; COUNTERS];
        for Found { word, .. } in self.found(mm, WINDOW_END..u64::MAX)? {
            // No counter knows special frames, such as those of the vDSO's data.
            let Leads::Frame(number) = Entry::of(word).leads else { continue };
            let page = self.page(number);
            let mapping = self.memory.word(page + self.places.offsets.mapping as u64)?;
            counts[if mapping & MAPPING_BITS == MAPPING_ANON { ANONPAGES } else { FILEPAGES }] += 1;
        }
        Ok(counts)
    }

    /// Whether the page at an address of a process is of a folio of several pages.
    pub fn is_of_large_folio(&self, mm: u64, address: u64) -> Result<bool, Error> {
        let found = self.found(mm, address..address + 1)?;
        let Some(found) = found.iter().find(|found| found.address == address) else { return Ok(false) };
        let mut state = PageState::default();
        self.entry(found, |_| None, &mut state)?;
        Ok(!state.large.is_empty())
    }

    /// Whether the page at an address of a process is present.
    pub fn is_present(&self, mm: u64, address: u64) -> Result<bool, Error> {
        let mut table = self.memory.word(mm + self.places.offsets.pgd as u64)?;
        for level in (0..self.places.levels).rev() {
            let number = address >> (PAGE_SHIFT + 9 * level) & (ENTRIES as u64 - 1);
            let word = self.memory.word(table + number * 8)?;
            if level == 0 {
                return Ok(!matches!(Entry::of(word).leads, Leads::Absent { .. }));
            }
            match Upper::of(word) {
                Upper::Table(at) => table = self.places.direct + at,
                Upper::Large(_) => return Ok(true),
                Upper::Other => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The entries of a process for these addresses.
    fn found(&self, mm: u64, range: Range<u64>) -> Result<Vec<Found>, Error> {
        let top = self.memory.word(mm + self.places.offsets.pgd as u64)?;
        let mut found = Vec::new();
        self.table(top, self.places.levels - 1, 0, &range, &mut found)?;
        Ok(found)
    }

    /// What is in a table, at this address in the direct map, and below.
    fn table(
        &self,
        table: u64,
        level: u32,
        base: u64,
        range: &Range<u64>,
        found: &mut Vec<Found>,
    ) -> Result<(), Error> {
        let entries = if level + 1 == self.places.levels { USER_ENTRIES } else { ENTRIES };
        let table = self.memory.read(table, entries * 8)?;
        let shift = PAGE_SHIFT + 9 * level;
        for number in 0..entries {
            let word = table.word(number * 8);
            let address = base + ((number as u64) << shift);
            if word == 0 || address >= range.end || address + ((1 << shift) - 1) < range.start {
                continue;
            }
            if level == 0 {
                found.push(Found { address, word, huge: false });
                continue;
            }
            match Upper::of(word) {
                Upper::Table(at) => self.table(self.places.direct + at, level - 1, address, range, found)?,
                Upper::Large(first) if level == 1 => {
                    found.extend((0..ENTRIES as u64).map(|page| page << PAGE_SHIFT).map(|offset| Found {
                        address: address + offset,
                        word: first + offset,
                        huge: true,
                    }));
                }
                Upper::Large(_) | Upper::Other => {
                    return Err(Error::Graph(format!("an entry {word:#x} of level {level} at {address:#x}")));
                }
            }
        }
        Ok(())
    }

    fn entry(
        &self,
        found: &Found,
        anon_vma: impl Fn(u64) -> Option<u64>,
        state: &mut PageState,
    ) -> Result<DumpedEntry, Error> {
        let &Found { address, word, huge } = found;
        let page = (address >> PAGE_SHIFT) - FIRST_PAGE;
        let Entry { leads, writable, dirty, exclusive, uffd, soft_dirty } = Entry::of(word);
        let target = match leads {
            Leads::Frame(number) => PageTarget::Frame(number),
            Leads::Special => PageTarget::Zero,
            Leads::Absent { kind, offset } if kind < SWAP_TYPES => PageTarget::Slot(kind << 50 | offset),
            Leads::Absent { kind, offset } if kind != MARKER && self.has_failed(offset)? => PageTarget::Failed(offset),
            Leads::Absent { kind, .. } => PageTarget::Other(kind),
        };
        if let PageTarget::Frame(number) = target
            && !state.frames.contains_key(&number)
        {
            let frame = self.frame(number, anon_vma, state)?;
            state.frames.insert(number, frame);
        }
        Ok(DumpedEntry { page, target, writable, dirty, exclusive, huge, uffd, soft_dirty })
    }

    /// Whether the memory of a frame has failed, which an entry names that is neither of a swap area nor a marker. Entries of
    /// migrations and of devices name a frame, too. No migration is left when a system call returns, and the guest has no device
    /// with memory of its own.
    fn has_failed(&self, number: u64) -> Result<bool, Error> {
        let Some(bit) = self.places.offsets.hwpoison else { return Ok(false) };
        let flags = self.memory.word(self.page(number) + self.places.offsets.flags as u64)?;
        Ok(flags >> bit & 1 != 0)
    }

    /// The address of the `struct page` of a frame.
    fn page(&self, number: u64) -> u64 {
        self.places.frames + number * self.places.offsets.page_size as u64
    }

    /// A frame by number, and its folio if that has several pages.
    fn frame(
        &self,
        number: u64,
        anon_vma: impl Fn(u64) -> Option<u64>,
        state: &mut PageState,
    ) -> Result<DumpedFrame, Error> {
        let offsets = &self.places.offsets;
        let page = self.memory.read(self.page(number), offsets.page_size)?;
        let first = self.first_of_folio(number, page.word(offsets.compound));
        let head = if first == number { None } else { Some(self.memory.read(self.page(first), offsets.page_size)?) };
        let head = head.as_ref().unwrap_or(&page);
        let has = |flags: u64, bit: u32| flags >> bit & 1 != 0;
        let (flags, mapping) = (head.word(offsets.flags), head.word(offsets.mapping));
        let anon = match mapping & MAPPING_BITS {
            MAPPING_ANON => Some(AnonFrame {
                anon_vma: anon_vma(mapping & !MAPPING_BITS),
                exclusive: has(page.word(offsets.flags), offsets.anon_exclusive),
                swapbacked: has(flags, offsets.swapbacked),
                content: self.memory.word(self.places.direct + (number << PAGE_SHIFT))?,
            }),
            _ => None,
        };
        let folio = has(flags, offsets.head).then_some((first, number - first));
        if folio.is_some() && !state.large.contains_key(&first) {
            let second = self.memory.read(self.page(first), 2 * offsets.page_size)?;
            let count = |at: usize| second.half(at) as i32;
            let flags = second.word(offsets.flags_1);
            let dumped = DumpedFolio {
                order: flags as u8,
                entire_mapcount: count(offsets.entire_mapcount) + 1,
                large_mapcount: count(offsets.large_mapcount) + 1,
                pages_mapped: count(offsets.pages_mapped),
                partially_mapped: has(flags, offsets.partially_mapped),
            };
            state.large.insert(first, dumped);
        }
        Ok(DumpedFrame {
            mapcount: i64::from(page.half(offsets.mapcount) as i32) + 1,
            index: head.word(offsets.index).wrapping_add(number - first).wrapping_sub(FIRST_PAGE),
            anon,
            folio,
        })
    }

    /// The number of the first frame of a folio. Mirrors compound_head() (include/linux/page-flags.h): a page behind the first has
    /// its address, or since 7.0 or so a mask that makes it of its own.
    fn first_of_folio(&self, number: u64, compound: u64) -> u64 {
        if compound & 1 == 0 {
            return number;
        }
        let (page, rest) = (self.page(number), compound & !1);
        let is_mask = (!rest).wrapping_add(1).is_power_of_two();
        let head = if is_mask { page & rest } else { rest };
        (head - self.places.frames) / self.places.offsets.page_size as u64
    }

    /// `mm_struct.rss_stat`, of a machine with one processor.
    fn counters(&self, mm: u64) -> Result<Counts, Error> {
        let ([first, size], [count, counters]) = (self.places.offsets.rss_stat, self.places.offsets.percpu_counter);
        let mut values = [0; COUNTERS];
        for (number, value) in values.iter_mut().enumerate() {
            let counter = self.memory.read(mm + (first + number * size) as u64, size)?;
            let part = self.memory.read(counter.word(counters).wrapping_add(self.places.per_cpu), 4)?;
            *value = counter.word(count) as i64 + i64::from(part.half(0) as i32);
        }
        Ok(values)
    }
}

/// What entries count as: anonymous pages, pages of files, entries of the swap area.
fn counted(entries: &[DumpedEntry], state: &PageState) -> [i64; 3] {
    let mut counts = [0; 3];
    for entry in entries {
        match entry.target {
            PageTarget::Frame(number) => {
                let is_anon = state.frames.get(&number).is_some_and(|frame| frame.anon.is_some());
                counts[usize::from(!is_anon)] += 1;
            }
            PageTarget::Slot(_) => counts[2] += 1,
            PageTarget::Zero | PageTarget::Failed(_) | PageTarget::Other(_) => (),
        }
    }
    counts
}
