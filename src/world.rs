//! All that one side and its driver hold, as one value: processes with their VMAs and page tables, anon_vmas, folios,
//! references held. Whoever compares states of different runs, or of different kernels, does it on this.
//!
//! | file | what |
//! | --- | --- |
//! | `world/key.rs` | one number that is the same for the same state, however its objects and processes are numbered |
//! | `world/page_words.rs` | what of it is said of page tables |

mod key;
mod page_words;

#[cfg(test)]
mod tests;

pub use key::Symmetry;

use crate::check::{Driver, Lockstep};
use crate::digest::{AnonWords, Placed, StateDigest, VmaWords};
use crate::pages::MAX_PINS;
use crate::rmap::{
    AnonVmaId, AnonVmaState, FolioId, FolioState, MAX_PROCESSES, MmId, Side, Snapshot, StateError, VmaRange, VmaState,
};
use crate::trace::{PageEntry, PageTables};

/// A page of a process that maps a folio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MappedPage {
    /// Which page.
    pub page: u64,
    /// What it maps.
    pub folio: FolioId,
    /// Whether no other process has the folio (`PageAnonExclusive()`).
    pub exclusive: bool,
}

/// A process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its number.
    pub mm: MmId,
    /// By start.
    pub vmas: Vec<VmaState>,
    /// By page.
    pub pages: Vec<MappedPage>,
}

/// The state of one side and its driver.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct World {
    /// The processes that are alive, by number.
    pub processes: Vec<Process>,
    /// Those that live, by serial.
    pub anon_vmas: Vec<AnonVmaState>,
    /// By number.
    pub folios: Vec<FolioState>,
    /// The references held, by their numbers.
    pub pins: Vec<Option<AnonVmaId>>,
    /// VMAs that live and are of no process: none, at the end of an operation.
    pub stray_vmas: usize,
    /// What the page tables hold, where the kernel's own code keeps them.
    pub tables: Option<PageTables>,
}

impl World {
    /// The number of a state, counted anew from all that it holds. Costs what the state holds: to check what was [kept up](StateDigest).
    pub fn digest(&self) -> u64 {
        let mut digest = StateDigest::default();
        let there = |id: AnonVmaId| {
            let slot = self.anon_vmas.binary_search_by_key(&id, |av| av.id).ok()?;
            Some(Placed { slot: slot as u32, serial: id.0 })
        };
        for (slot, av) in (0..).zip(&self.anon_vmas) {
            let words = AnonWords {
                is_root: av.root == av.id,
                counters: [av.refcount as u64, av.num_children, av.num_active_vmas, av.tree.len() as u64],
                parent: there(av.parent).filter(|parent| parent.slot != slot),
            };
            digest.put_anon_vma(Placed { slot, serial: av.id.0 }, &words);
        }
        let mut slots = 0..;
        for process in &self.processes {
            for (vma, slot) in process.vmas.iter().zip(&mut slots) {
                let VmaRange { start, end, pgoff } = vma.range;
                let words = [start, end, pgoff, vma.attributes.anon_pgoff, vma.attributes.kind_word()];
                let words = VmaWords { mm: process.mm, words, anon_vma: vma.anon_vma.and_then(there) };
                let chain: Vec<u32> = vma.chain.iter().filter_map(|link| Some(there(link.anon_vma)?.slot)).collect();
                digest.put_vma(Placed { slot, serial: vma.id.0 }, &words, chain.into_iter());
            }
            for page in &process.pages {
                digest.map(usize::from(process.mm.0) % MAX_PROCESSES, page.page, page.folio, true);
                let folio = self.folio(page.folio).and_then(|folio| Some((folio.mapping?, folio.index)));
                let (mapping, index) = folio.map_or((None, u64::MAX), |(mapping, index)| (there(mapping), index));
                digest.about_folio(page.folio, page.exclusive && self.tables.is_none(), mapping, index);
            }
        }
        for (place, pin) in self.pins.iter().enumerate().take(MAX_PINS) {
            digest.pin(place, pin.and_then(there), 1);
        }
        let alive = self.processes.iter().fold(0, |alive, process| alive | process.mm.bit());
        digest.value(alive, self.tables.as_ref())
    }

    /// What a lockstep (its reference) and its driver hold now.
    pub fn of<C: Side, P: Side, D: Driver<C, P> + ?Sized>(
        lockstep: &mut Lockstep<C, P>,
        driver: &mut D,
    ) -> Result<World, StateError> {
        let mut words = Vec::with_capacity(256);
        lockstep.reference().state(&mut words);
        let Snapshot { vmas, anon_vmas, folios } = Snapshot::decode(&words)?;
        let alive: Vec<MmId> = driver.processes().into_iter().map(|(mm, _)| mm).collect();
        let tables = driver.page_tables(lockstep).cloned();
        let pages = driver.pages();
        let mut processes: Vec<Process> = alive
            .iter()
            .map(|&mm| {
                let mapped = pages.mapped(mm);
                let pages =
                    mapped.map(|(page, folio)| MappedPage { page, folio, exclusive: pages.is_exclusive(folio) });
                Process { mm, vmas: Vec::new(), pages: pages.collect() }
            })
            .collect();
        let mut stray_vmas = 0;
        for vma in vmas {
            match processes.iter_mut().find(|process| process.mm == vma.mm) {
                Some(process) => process.vmas.push(vma),
                None => stray_vmas += 1,
            }
        }
        for process in &mut processes {
            process.vmas.sort_unstable_by_key(|vma| vma.range.start);
        }
        let pins = pages.pins().to_vec();
        Ok(World { processes, anon_vmas, folios, pins, stray_vmas, tables })
    }

    /// How many VMAs, anon_vmas and chain entries it has: those that live are no more, unless one was lost.
    pub fn objects(&self) -> [u32; 3] {
        let vmas = || self.processes.iter().flat_map(|process| &process.vmas);
        let entries: usize = vmas().map(|vma| vma.chain.len()).sum();
        [vmas().count() + self.stray_vmas, self.anon_vmas.len(), entries].map(|count| count as u32)
    }

    /// The anon_vma of that serial, if it lives.
    pub fn anon_vma(&self, id: AnonVmaId) -> Option<&AnonVmaState> {
        self.anon_vmas.binary_search_by_key(&id, |a| a.id).ok().map(|i| &self.anon_vmas[i])
    }

    /// The folio of that number, if it has an anon_vma.
    pub fn folio(&self, id: FolioId) -> Option<&FolioState> {
        self.folios.binary_search_by_key(&id, |f| f.id).ok().map(|i| &self.folios[i])
    }

    /// The page table entries of a process, where the kernel's own code keeps them.
    pub fn entries_of(&self, mm: MmId) -> &[PageEntry] {
        let entries = self.tables.as_ref().map_or(&[][..], |tables| &tables.entries);
        let first = entries.partition_point(|entry| entry.mm < mm);
        &entries[first..entries.partition_point(|entry| entry.mm <= mm)]
    }

    /// A process that is alive.
    pub fn process(&self, mm: MmId) -> Option<&Process> {
        self.processes.iter().find(|process| process.mm == mm)
    }
}
