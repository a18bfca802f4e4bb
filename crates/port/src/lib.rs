//! The port: the kernel's reverse map in safe Rust, the other side of the seam.
//!
//! [`Port`] does what `mm/rmap.c`, `mm/interval_tree.c` and `lib/rbtree.c` do, in every
//! generation that [`Revision`] can name: the same allocation attempts in the same order, the
//! same locking, the same trees. It knows the seam ([`rmap_seam`]) and nothing else: no
//! trace, no check, no C.
//!
//! | file | what lives there |
//! | --- | --- |
//! | `arena` | slots, references with a generation check, and why a call can stop |
//! | `objects` | the three objects: VMA, anon_vma, anon_vma_chain, and the list of chain entries |
//! | `rbtree`, `interval_tree` | `lib/rbtree.c` and its augmentation, over slot numbers |
//! | `observe` | events, rules, locks, allocation attempts: what the C has as stubs |
//! | `anon_vma` | life cycle, root locks and tree changes |
//! | `prepare`, `clone`, `fork`, `unlink` | the function of that name, in all generations |
//! | `folio` | what leads from a page to its VMAs: mapping and index, references, the walk |
//! | `mapping` | what maps the pages of folios, as the page-table code has it counted |
//! | `walks` | the walks of a folio's mappings, and the page tables in which they find them |
//! | `hooks`, `tasks` | where another task may go on, and the calls of several tasks |
//! | `vma` | the VMA bookkeeping that the driver asks for |
//! | `stream` | what the side tells of its state |
//!
//! A pointer of the kernel is a reference of slot and birth serial. Following one whose object is gone
//! ends the call with `-EFAULT` and [`Rule::UseAfterFree`](rmap_seam::Rule::UseAfterFree); it never
//! reads another object. The links of lists and trees are bare slots: what is on one is never
//! freed. RCU read sections are points where another task may go on; in one of them a freed anon_vma, or what its slot was given
//! out for again, is read as the kernel reads it.

#![forbid(unsafe_code)]

mod anon_vma;
mod arena;
mod clone;
mod folio;
mod fork;
mod hooks;
mod interval_tree;
mod mapping;
mod objects;
mod observe;
mod prepare;
mod rbtree;
mod stream;
mod tasks;
#[cfg(test)]
mod tests;
mod unlink;
mod vma;
mod walks;

use arena::{Arena, Ref, Stop};
use folio::Folio;
use hooks::{Alone, Followed, Hooks};
use mapping::{Large, Pages};
use objects::{AnonVma, AnonVmaChain, AnonVmaNotes, Vma};
use observe::{Allocator, Locks, MmapLock, Observed};
use walks::PageTables;

use rmap_seam::{AnonVmaId, Call, EFAULT, Event, Fail, Follower, Revision, Rmap, Side, VmaId};

/// The Rust side: a world of VMAs and anon_vmas at one [`Revision`]. Its calls are made at once, unless `H` says otherwise.
pub struct Port<H = Alone> {
    revision: Revision,
    vmas: Arena<Vma>,
    anon_vmas: Arena<AnonVma>,
    avcs: Arena<AnonVmaChain>,
    /// Slot of each VMA by birth serial, [`arena::NIL`] once it is freed.
    vma_slots: Vec<u32>,
    /// Slot of each anon_vma by birth serial, whether or not it is still there.
    anon_vma_slots: Vec<u32>,
    /// By slot, of each that was ever used.
    anon_vma_notes: Vec<AnonVmaNotes>,
    /// Chain entries whose VMA was freed before they were. None in a sane world.
    orphans: u32,
    /// How many calls were begun, ever.
    calls: u64,
    /// By number; those in use.
    folios: Vec<Option<Folio>>,
    /// The page tables that others, and walks, have written.
    page_tables: PageTables,
    /// References that folio_get_anon_vma() gave.
    pins: Vec<Ref<AnonVma>>,
    /// What the running task has for itself.
    task: Task,
    hooks: H,
    /// What was kept of large folios that are gone, to be used again.
    #[allow(clippy::vec_box, reason = "a folio takes the box as it is")]
    gone_large: Vec<Box<Large>>,
    /// Room for the slots of what is told.
    order: Vec<u32>,
    /// Room for the chain entries that a walk comes to.
    entries: Vec<u32>,
}

/// What the objects of a cache take, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectMemory {
    /// The record of one.
    pub record: usize,
    /// All that is held for them: records, free ones and room for more included, and the table from serials to records.
    pub held: usize,
}

/// What a task has for itself: the operation that it does, and the call that it is in.
#[derive(Default)]
struct Task {
    /// Between [`Call::PreUpdateVma`] and [`Call::PostUpdateVma`], with a lock held on purpose.
    updating: bool,
    /// The VMAs that have the page of a file that is walked next, in the order of the file's tree.
    file_tree: Vec<VmaId>,
    /// Another task holds the lock that is tried, whoever that is.
    contended: bool,
    /// The first page of the page table that its walk has locked.
    locked_table: Option<u64>,
    locks: Locks,
    allocator: Allocator,
    observed: Observed,
    followed: Followed,
}

impl Port {
    /// An empty world that behaves as `revision` says.
    pub fn new(revision: Revision) -> Port {
        Port::empty(revision, Alone)
    }
}

impl<H> Port<H> {
    fn empty(revision: Revision, hooks: H) -> Self {
        Port {
            revision,
            vmas: Arena::default(),
            anon_vmas: Arena::default(),
            avcs: Arena::default(),
            vma_slots: Vec::new(),
            anon_vma_slots: Vec::new(),
            anon_vma_notes: Vec::new(),
            orphans: 0,
            calls: 0,
            folios: Vec::new(),
            page_tables: PageTables::default(),
            pins: Vec::new(),
            task: Task::default(),
            hooks,
            gone_large: Vec::new(),
            order: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// What its VMAs, anon_vmas and chain entries take, in this order. Trees and lists take nothing by themselves: they link records.
    pub fn memory(&self) -> [ObjectMemory; 3] {
        let table = |slots: &Vec<u32>| slots.capacity() * size_of::<u32>();
        let notes = self.anon_vma_notes.capacity() * size_of::<AnonVmaNotes>();
        let of = |(record, held), table| ObjectMemory { record, held: held + table };
        [
            of(self.vmas.memory(), table(&self.vma_slots)),
            of(self.anon_vmas.memory(), table(&self.anon_vma_slots) + notes),
            of(self.avcs.memory(), 0),
        ]
    }
}

impl<H: Hooks> Port<H> {
    /// The VMA of that serial.
    fn vma_named(&self, id: VmaId) -> Result<Ref<Vma>, Stop> {
        let slot = self.vma_slots.get(id.0 as usize).ok_or(Stop::UseAfterFree(id.0))?;
        let vma = Ref::new(*slot, id.0);
        self.vmas.get(vma).map(|_| vma)
    }

    /// The VMA of that serial, which becomes one of those that the call was given.
    fn given(&mut self, id: VmaId) -> Result<Ref<Vma>, Stop> {
        let vma = self.vma_named(id)?;
        self.task.observed.give(id.0);
        Ok(vma)
    }

    /// Like [`Port::given`] for a VMA that may be absent.
    fn given_if(&mut self, id: Option<VmaId>) -> Result<Option<Ref<Vma>>, Stop> {
        id.map(|id| self.given(id)).transpose()
    }

    /// The anon_vma of that serial.
    fn named(&self, id: AnonVmaId) -> Result<Ref<AnonVma>, Stop> {
        let slot = self.anon_vma_slots.get(id.0 as usize).ok_or(Stop::UseAfterFree(id.0))?;
        let anon_vma = Ref::new(*slot, id.0);
        self.anon_vmas.get(anon_vma).map(|_| anon_vma)
    }

    #[inline(always)]
    fn dispatch(&mut self, call: Call) -> Result<i32, Stop> {
        match call {
            Call::MmapWriteLock { mm } => self.task.locks.set_mmap(mm, MmapLock::Write),
            Call::MmapReadLock { mm } => self.task.locks.set_mmap(mm, MmapLock::Read),
            Call::MmapUnlock { mm } => self.task.locks.set_mmap(mm, MmapLock::Free),
            Call::VmAreaAlloc { mm, range } => return Ok(self.vm_area_alloc(mm, range)),
            Call::VmAreaDup { orig, mm, range } => {
                let orig = self.given(orig)?;
                return self.vm_area_dup(orig, mm, range);
            }
            Call::VmAreaFree { vma } => {
                let vma = self.given(vma)?;
                self.vm_area_free(vma)?;
            }
            Call::VmaSetRange { vma, range } => {
                let vma = self.given(vma)?;
                self.vma_set_range(vma, range)?;
            }
            Call::VmaSetAttributes { vma, attributes } => {
                let vma = self.given(vma)?;
                self.vma_set_attributes(vma, attributes)?;
            }
            Call::VmaSetMm { vma, mm } => {
                let vma = self.given(vma)?;
                self.vmas.get_mut(vma)?.mm = mm;
            }
            Call::VmaSetAnonVma { vma, anon_vma } => {
                let vma = self.given(vma)?;
                let anon_vma = anon_vma.map(|id| self.named(id)).transpose()?;
                self.vmas.get_mut(vma)?.anon_vma = anon_vma;
            }
            Call::AnonVmaLockWrite { anon_vma } => {
                self.task.updating = true;
                let anon_vma = self.named(anon_vma)?;
                self.anon_vma_lock_write(anon_vma)?;
            }
            Call::AnonVmaUnlockWrite { anon_vma } => {
                self.task.updating = false;
                let anon_vma = self.named(anon_vma)?;
                self.anon_vma_unlock_write(anon_vma)?;
            }
            Call::TreePreUpdateVma { vma, offset_stays } => {
                let vma = self.given(vma)?;
                self.tree_pre_update_vma(vma, offset_stays)?;
            }
            Call::TreePostUpdateVma { vma, offset_stays } => {
                let vma = self.given(vma)?;
                self.tree_post_update_vma(vma, offset_stays)?;
            }
            Call::VmaMarkAttached { vma } => {
                let vma = self.given(vma)?;
                self.vmas.get_mut(vma)?.attached = true;
            }
            Call::VmaMarkDetached { vma } => {
                let vma = self.given(vma)?;
                self.vmas.get_mut(vma)?.attached = false;
            }
            Call::AnonVmaPrepare { vma, prev, next } => {
                let (vma, prev, next) = (self.given(vma)?, self.given_if(prev)?, self.given_if(next)?);
                return self.anon_vma_prepare(vma, prev, next);
            }
            Call::AnonVmaClone { dst, src, operation } => {
                let (dst, src) = (self.given(dst)?, self.given(src)?);
                return self.anon_vma_clone(dst, src, operation);
            }
            Call::AnonVmaFork { vma, pvma } => {
                let (vma, pvma) = (self.given(vma)?, self.given(pvma)?);
                return self.anon_vma_fork(vma, pvma);
            }
            Call::UnlinkAnonVmas { vma } => {
                let vma = self.given(vma)?;
                self.unlink_anon_vmas(vma)?;
            }
            Call::PreUpdateVma { vma, offset_stays } => {
                let vma = self.given(vma)?;
                self.pre_update_vma(vma, offset_stays)?;
            }
            Call::PostUpdateVma { vma, offset_stays } => {
                let vma = self.given(vma)?;
                self.post_update_vma(vma, offset_stays)?;
            }
            Call::FolioSetAnon { folio, vma, page, exclusive } => {
                let vma = self.given(vma)?;
                self.folio_set_anon(folio, vma, page, exclusive)?;
            }
            Call::FolioMoveAnonRmap { folio, vma } => {
                let vma = self.given(vma)?;
                self.folio_move_anon_rmap(folio, vma)?;
            }
            Call::FolioSetIndex { folio, vma, page } => {
                let vma = self.given(vma)?;
                self.folio_set_index(folio, vma, page)?;
            }
            Call::FolioFree { folio } => self.folio_free(folio)?,
            Call::FolioGetAnonVma { folio, mapped } => return self.folio_get_anon_vma(folio, mapped),
            Call::PutAnonVma { anon_vma } => self.put_pin(anon_vma.0)?,
            Call::RmapWalkAnon { folio, mapped, mode } => return self.rmap_walk_anon(folio, mapped, mode),
            Call::FolioAlloc { folio, order } => self.folio_alloc(folio, order)?,
            Call::FolioSetMapping { folio, anon_vma, index } => {
                let anon_vma = anon_vma.map(|anon_vma| self.named(anon_vma)).transpose()?;
                self.folio_set_mapping(folio, anon_vma, index)?;
            }
            Call::FolioSetExclusive { folio, first, exclusive } => {
                self.folio_set_exclusive(Pages::of(folio, first, 1), exclusive)?;
            }
            Call::FolioSplit { folio, order } => self.folio_split(folio, order)?,
            Call::FolioSetDeferred { folio, deferred, partially_mapped } => {
                self.folio_set_deferred(folio, deferred, partially_mapped)?;
            }
            Call::FolioAddNewAnonRmap { folio, vma, page, exclusive } => {
                let vma = self.vma_named(vma)?;
                self.folio_add_new_anon_rmap(folio, vma, page, exclusive)?;
            }
            Call::FolioAddAnonRmap { folio, first, count, vma, page, exclusive, huge } => {
                let vma = self.vma_named(vma)?;
                self.folio_add_anon_rmap(Pages { folio, first, count, huge }, vma, page, exclusive)?;
            }
            Call::FolioAddFileRmap { folio, first, count, vma } => {
                let vma = self.vma_named(vma)?;
                self.folio_add_file_rmap(Pages::of(folio, first, count), vma)?;
            }
            Call::FolioRemoveRmap { folio, first, count, vma, huge } => {
                let vma = self.vma_named(vma)?;
                self.folio_remove_rmap(Pages { folio, first, count, huge }, vma)?;
            }
            Call::FolioDupFileRmap { folio, first, count, child } => {
                self.folio_dup_file_rmap(Pages::of(folio, first, count), child)?;
            }
            Call::FolioTryDupAnonRmap { folio, first, count, child, vma: _, pinned, huge } => {
                return self.folio_try_dup_anon_rmap(Pages { folio, first, count, huge }, child, pinned);
            }
            Call::FolioTryShareAnonRmap { folio, first, count, pinned, huge } => {
                return self.folio_try_share_anon_rmap(Pages { folio, first, count, huge }, pinned);
            }
            Call::TableSet { mm, page, present } => self.page_tables.set_table(mm, page, present),
            Call::EntrySet { mm, page, entry } => self.page_tables.set(mm, page, entry),
            Call::TryToUnmap { folio, flags, found } => return self.try_to_unmap(folio, flags, found),
            Call::TryToMigrate { folio, flags, found } => return self.try_to_migrate(folio, flags, found),
            Call::FolioReferenced { folio, locked, found } => return self.folio_referenced(folio, locked, found),
            Call::RemoveMigrationPtes { folio, to, flags, found } => {
                return self.remove_migration_ptes(folio, to, flags, found);
            }
            Call::FolioMkclean { folio, found } => return self.folio_mkclean(folio, found),
            Call::FolioMakeDeviceExclusive { folio, mm, page, found } => {
                return self.folio_make_device_exclusive(folio, (mm, page), found);
            }
            Call::FileTreeNext { vma } => self.file_tree_next(vma),
        }
        Ok(0)
    }

    /// Makes a call.
    fn make(&mut self, call: Call) -> i32 {
        self.calls += 1;
        self.task.observed.begin_call(self.calls);
        self.task.contended = false;
        self.task.observed.bookkeeping = call.is_bookkeeping();
        match self.dispatch(call) {
            Ok(value) => {
                self.check_return();
                value
            }
            Err(stop) => {
                self.task.observed.stop(stop);
                -EFAULT
            }
        }
    }
}

impl Rmap for Port {
    #[inline]
    fn revision(&self) -> Revision {
        self.revision
    }

    #[inline]
    fn begin_operation(&mut self, fail: &Fail) {
        self.task.allocator.begin_operation(fail);
    }

    #[inline]
    fn attempts(&self) -> u32 {
        self.task.allocator.attempts()
    }

    #[inline]
    fn call(&mut self, call: Call) -> i32 {
        self.make(call)
    }
}

impl Side for Port {
    #[inline]
    fn events(&self) -> &[Event] {
        self.task.observed.events()
    }

    #[inline]
    fn touched(&mut self, out: &mut Vec<u64>) {
        self.tell_touched(out);
    }

    fn state(&mut self, out: &mut Vec<u64>) {
        self.tell_state(out);
    }

    #[inline]
    fn live(&self) -> [u32; 3] {
        [self.vmas.live(), self.anon_vmas.live(), self.avcs.live()]
    }

    fn reset(&mut self) {
        self.vmas.reset();
        self.anon_vmas.reset();
        self.avcs.reset();
        self.vma_slots.clear();
        self.anon_vma_slots.clear();
        self.anon_vma_notes.clear();
        self.orphans = 0;
        self.task.updating = false;
        let mut folios = std::mem::take(&mut self.folios);
        folios.drain(..).for_each(|gone| self.keep_large(gone));
        self.folios = folios;
        self.page_tables.reset();
        self.task.file_tree.clear();
        self.pins.clear();
        self.task.locks.reset();
        self.task.allocator = Allocator::default();
        self.task.observed.reset();
    }

    #[inline]
    fn last_warning(&self) -> Option<String> {
        self.task.observed.last_warning()
    }

    fn follow(&mut self, fails: &[Fail]) -> Option<Box<dyn Follower + '_>> {
        Some(Box::new(tasks::Tasks::new(self, fails)))
    }
}
