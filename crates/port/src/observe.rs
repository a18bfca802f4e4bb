//! What the C has as observing stubs: events, rules, locks, and allocation attempts that can be
//! told to fail.

use super::Port;
use super::arena::{Ref, Stop};
use super::hooks::Hooks;
use super::objects::{AnonVma, AnonVmaNotes, Marks, Vma};
use rmap_seam::{Cache, Event, EventKind, Fail, FolioId, Function, Gfp, MAX_PROCESSES, MmId, Point, Rule};

/// What one call does, as it is seen from outside.
#[derive(Default)]
pub(super) struct Observed {
    events: Vec<Event>,
    /// Number of the present call: marks what was touched in it.
    call: u64,
    /// Every anon_vma touched by the call, in order of first touch, dead ones too.
    pub touched: Vec<Ref<AnonVma>>,
    /// Whether `touched` holds already what the given VMAs lead to, and roots and parents.
    pub completed: bool,
    /// Whether the call is bookkeeping, which changes no anon_vma.
    pub bookkeeping: bool,
    /// The VMAs that the call was given, in the order of its fields.
    given: [u32; 3],
    given_len: usize,
    /// The folio that the call was given, and the pages of it: which is the first, and how many.
    pub told_folio: Option<(FolioId, u32, u32)>,
    warning: Option<Stop>,
}

impl Observed {
    /// Begins a call of that number.
    #[inline]
    pub fn begin_call(&mut self, number: u64) {
        self.events.clear();
        self.touched.clear();
        self.call = number;
        self.completed = false;
        self.given_len = 0;
        self.told_folio = None;
    }

    /// Forgets everything but the memory.
    pub fn reset(&mut self) {
        self.begin_call(0);
        self.warning = None;
    }

    /// The call was given a VMA, by serial.
    #[inline]
    pub fn give(&mut self, vma: u32) {
        self.given[self.given_len] = vma;
        self.given_len += 1;
    }

    /// The call was given pages of a folio.
    #[inline]
    pub fn tell_folio(&mut self, folio: FolioId, first: u32, count: u32) {
        self.told_folio = Some((folio, first, count));
    }

    /// Whether the call may have changed an anon_vma.
    pub fn changed_links(&self) -> bool {
        !self.bookkeeping && !self.events.is_empty()
    }

    /// The VMAs that the call was given.
    pub fn given(&self) -> &[u32] {
        &self.given[..self.given_len]
    }

    /// The events of the call.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    #[inline]
    pub fn record(&mut self, kind: EventKind, arg: u8, flags: u16, object: u32, other: u32) {
        self.events.push(Event::new(kind, arg, flags, object, other));
    }

    /// A rule was broken.
    #[cold]
    pub fn rule(&mut self, rule: Rule, object: u32) {
        self.record(EventKind::Rule, rule as u8, 0, object, 0);
    }

    /// The call touches an anon_vma.
    #[inline]
    pub fn touch(&mut self, notes: &mut AnonVmaNotes, anon_vma: Ref<AnonVma>) {
        if notes.touched_in != self.call {
            notes.touched_in = self.call;
            notes.marks.clear();
            self.touched.push(anon_vma);
        }
    }

    /// `WARN_ON()` and its kin: an event each time the condition holds, also of those that the
    /// kernel tells once.
    #[inline]
    pub fn warn_on(&mut self, condition: bool, what: &'static str) {
        if condition {
            self.warn(what);
        }
    }

    #[cold]
    fn warn(&mut self, what: &'static str) {
        self.record(EventKind::Warn, 0, 0, Event::NONE, Event::NONE);
        self.warning = Some(Stop::Bug(what));
    }

    /// The call ended early.
    #[cold]
    pub fn stop(&mut self, stop: Stop) {
        match stop {
            Stop::UseAfterFree(serial) => self.rule(Rule::UseAfterFree, serial),
            Stop::FrameOfAbsent(frame) => self.rule(Rule::FrameOfAbsent, frame),
            Stop::Oops(_) => self.record(EventKind::Oops, 0, 0, Event::NONE, Event::NONE),
            Stop::Bug(_) => self.record(EventKind::Bug, 0, 0, Event::NONE, Event::NONE),
        }
        self.warning = Some(stop);
    }

    /// The last WARN, BUG, oops or use after free, for a person.
    pub fn last_warning(&self) -> Option<String> {
        self.warning.map(|warning| match warning {
            Stop::Bug(what) | Stop::Oops(what) => what.to_string(),
            Stop::UseAfterFree(serial) => format!("use after free of #{serial}"),
            Stop::FrameOfAbsent(frame) => {
                format!("frame number of an entry that is not present and names frame {frame}")
            }
        })
    }
}

/// The number of a process in tables of [`MAX_PROCESSES`].
#[inline]
fn process(mm: MmId) -> usize {
    usize::from(mm.0) % MAX_PROCESSES
}

/// How an mmap lock is held.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum MmapLock {
    /// Not at all.
    #[default]
    Free,
    /// For reading.
    Read,
    /// For writing.
    Write,
}

/// Which locks the task holds.
#[derive(Default)]
pub(super) struct Locks {
    mmap: [MmapLock; MAX_PROCESSES],
    /// anon_vmas whose rwsem is held, in the order in which they were locked.
    anon_vmas: Vec<Ref<AnonVma>>,
    /// Processes whose page_table_lock is held.
    page_tables: [bool; MAX_PROCESSES],
    /// How many are.
    spinning: u32,
}

impl Locks {
    /// Mirrors `mmap_write_lock()`, `mmap_read_lock()`, `mmap_write_unlock()` and
    /// `mmap_read_unlock()`.
    pub fn set_mmap(&mut self, mm: MmId, lock: MmapLock) {
        self.mmap[process(mm)] = lock;
    }

    /// Whether the task must not sleep.
    #[inline]
    fn atomic(&self) -> bool {
        self.spinning != 0 || !self.anon_vmas.is_empty()
    }

    /// An anon_vma's rwsem is held no longer.
    #[inline]
    fn release(&mut self, root: Ref<AnonVma>) {
        // Nearly always the one and only.
        match self.anon_vmas.pop() {
            Some(last) if last.slot() != root.slot() => {
                self.anon_vmas.retain(|held| held.slot() != root.slot());
                self.anon_vmas.push(last);
            }
            _ => {}
        }
    }

    /// Releases everything.
    pub fn reset(&mut self) {
        self.mmap = Default::default();
        self.anon_vmas.clear();
        self.page_tables = Default::default();
        self.spinning = 0;
    }
}

/// Counts allocation attempts, and lets those fail that shall.
#[derive(Default)]
pub(super) struct Allocator {
    fail: Fail,
    can_fail: bool,
    attempts: u32,
}

impl Allocator {
    /// Attempts count from 1 again.
    pub fn begin_operation(&mut self, fail: &Fail) {
        *self = Allocator { fail: *fail, can_fail: !fail.is_never(), attempts: 0 };
    }

    /// Attempts made since the operation began.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// One attempt: whether it succeeds.
    #[inline]
    fn attempt(&mut self) -> bool {
        self.attempts += 1;
        !(self.can_fail && self.fail.fails(self.attempts))
    }
}

/// The objects of a cache, as points name them.
#[inline]
pub(super) fn cache_point(cache: Cache) -> u8 {
    match cache {
        Cache::Vma => Point::OF_VMA,
        Cache::AnonVma => Point::OF_ANON_VMA,
        Cache::Avc => Point::OF_AVC,
    }
}

impl<H: Hooks> Port<H> {
    /// Mirrors `might_sleep()`.
    #[inline]
    pub(super) fn might_sleep(&mut self) {
        if self.task.locks.atomic() {
            self.task.observed.rule(Rule::SleepInAtomic, Event::NONE);
        }
    }

    /// The part of `kmem_cache_alloc()` before there is an object: whether there will be one. A
    /// failure is recorded here, a success by [`Port::record_alloc`].
    #[inline]
    pub(super) fn attempt(&mut self, cache: Cache, gfp: u16) -> bool {
        self.point(Point::ALLOC, cache_point(cache), Event::NONE);
        if gfp & Gfp::DIRECT_RECLAIM != 0 {
            self.might_sleep();
        }
        let succeeds = self.task.allocator.attempt();
        if !succeeds {
            self.record_alloc(cache, gfp, Event::NONE);
        }
        succeeds
    }

    /// Records an allocation attempt and its outcome.
    #[inline]
    pub(super) fn record_alloc(&mut self, cache: Cache, gfp: u16, serial: u32) {
        self.task.observed.record(EventKind::Alloc, cache as u8, gfp, serial, 0);
    }

    /// Records a free.
    #[inline]
    pub(super) fn record_free(&mut self, cache: Cache, serial: u32) {
        self.task.observed.record(EventKind::Free, cache as u8, 0, serial, 0);
    }

    /// An entry point begins.
    #[inline]
    pub(super) fn enter(&mut self, function: Function, vma: Ref<Vma>, other: Option<Ref<Vma>>) -> Result<(), Stop> {
        let object = self.vmas.get(vma)?;
        let mut flags = 0;
        if object.anon_vma.is_some() {
            flags |= Event::HAS_ANON_VMA;
        }
        if !object.chain.is_empty() {
            flags |= Event::HAS_CHAIN;
        }
        let other = other.map_or(Event::NONE, |other| other.serial);
        self.task.observed.record(EventKind::Enter, function as u8, flags, vma.serial, other);
        Ok(())
    }

    /// An entry point returns 0 or a negative errno.
    #[inline]
    pub(super) fn exit(&mut self, function: Function, vma: Ref<Vma>, value: i32) {
        self.task.observed.record(EventKind::Exit, function as u8, value.unsigned_abs() as u16, vma.serial, 0);
    }

    /// The call touches an anon_vma.
    #[inline]
    pub(super) fn touch(&mut self, anon_vma: Ref<AnonVma>) {
        if let Some(notes) = self.anon_vma_notes.get_mut(anon_vma.slot() as usize) {
            self.task.observed.touch(notes, anon_vma);
        }
    }

    /// What the call touched of a tree.
    #[inline]
    pub(super) fn marks(&mut self, anon_vma: Ref<AnonVma>) -> &mut Marks {
        &mut self.anon_vma_notes[anon_vma.slot() as usize].marks
    }

    /// Mirrors `down_write()` of an anon_vma's own rwsem.
    pub(super) fn down_write(&mut self, root: Ref<AnonVma>) -> Result<(), Stop> {
        self.point_of(Point::LOCK, root);
        self.anon_vmas.get(root)?;
        self.touch(root);
        let anon_vma = self.anon_vmas.get_mut(root)?;
        if anon_vma.is_locked() {
            self.task.observed.rule(Rule::SelfDeadlock, root.serial);
        } else {
            anon_vma.write_locked = true;
            if self.task.locks.spinning != 0 {
                self.task.observed.rule(Rule::SleepInAtomic, Event::NONE);
            }
            self.task.locks.anon_vmas.push(root);
            self.task.observed.record(EventKind::DownWrite, 0, 0, root.serial, 0);
        }
        Ok(())
    }

    /// Mirrors `up_write()` of an anon_vma's own rwsem.
    pub(super) fn up_write(&mut self, root: Ref<AnonVma>) -> Result<(), Stop> {
        self.point_of(Point::UNLOCK, root);
        let anon_vma = self.anon_vmas.get_mut(root)?;
        if anon_vma.write_locked {
            anon_vma.write_locked = false;
            self.task.locks.release(root);
            self.task.observed.record(EventKind::UpWrite, 0, 0, root.serial, 0);
        } else {
            self.task.observed.rule(Rule::UnbalancedUnlock, root.serial);
        }
        Ok(())
    }

    /// Mirrors `down_read()` of an anon_vma's own rwsem.
    pub(super) fn down_read(&mut self, root: Ref<AnonVma>) -> Result<(), Stop> {
        self.point_of(Point::LOCK, root);
        let mine = self.task.locks.anon_vmas.contains(&root);
        self.anon_vmas.get(root)?;
        self.touch(root);
        let anon_vma = self.anon_vmas.get_mut(root)?;
        // Other tasks may read it, too.
        let held = if H::BESIDE_OTHERS && !mine { anon_vma.write_locked } else { anon_vma.is_locked() };
        if held {
            self.task.observed.rule(Rule::SelfDeadlock, root.serial);
        } else {
            anon_vma.readers += 1;
            if self.task.locks.spinning != 0 {
                self.task.observed.rule(Rule::SleepInAtomic, Event::NONE);
            }
            self.task.locks.anon_vmas.push(root);
            self.task.observed.record(EventKind::DownRead, 0, 0, root.serial, 0);
        }
        Ok(())
    }

    /// Mirrors `down_read_trylock()` of an anon_vma's own rwsem: whether it was taken.
    pub(super) fn down_read_trylock(&mut self, root: Ref<AnonVma>) -> Result<bool, Stop> {
        self.point_of(Point::TRYLOCK, root);
        let root = self.present(root);
        let contended = self.task.contended;
        let anon_vma = self.anon_vma_memory(root)?;
        let taken = !contended && !anon_vma.write_locked;
        if taken {
            anon_vma.readers += 1;
        }
        self.touch(root);
        self.task.observed.record(EventKind::Trylock, 0, taken.into(), root.serial, 0);
        if taken {
            self.task.locks.anon_vmas.push(root);
        }
        Ok(taken)
    }

    /// Mirrors `up_read()` of an anon_vma's own rwsem.
    pub(super) fn up_read(&mut self, root: Ref<AnonVma>) -> Result<(), Stop> {
        self.point_of(Point::UNLOCK, root);
        let root = self.present(root);
        let anon_vma = self.anon_vma_memory(root)?;
        if anon_vma.readers != 0 {
            anon_vma.readers -= 1;
            self.task.locks.release(root);
            self.task.observed.record(EventKind::UpRead, 0, 0, root.serial, 0);
        } else {
            self.task.observed.rule(Rule::UnbalancedUnlock, root.serial);
        }
        Ok(())
    }

    /// Mirrors `spin_lock(&mm->page_table_lock)`.
    #[inline]
    pub(super) fn spin_lock(&mut self, mm: MmId) {
        self.point(Point::LOCK, Point::OF_PAGE_TABLE, mm.0.into());
        let held = &mut self.task.locks.page_tables[process(mm)];
        if std::mem::replace(held, true) {
            return self.task.observed.rule(Rule::SelfDeadlock, mm.0.into());
        }
        self.task.locks.spinning += 1;
        self.task.observed.record(EventKind::SpinLock, 0, 0, mm.0.into(), 0);
    }

    /// Mirrors `spin_unlock(&mm->page_table_lock)`.
    #[inline]
    pub(super) fn spin_unlock(&mut self, mm: MmId) {
        self.point(Point::UNLOCK, Point::OF_PAGE_TABLE, mm.0.into());
        let held = &mut self.task.locks.page_tables[process(mm)];
        if !std::mem::replace(held, false) {
            return self.task.observed.rule(Rule::UnbalancedUnlock, mm.0.into());
        }
        self.task.locks.spinning -= 1;
        self.task.observed.record(EventKind::SpinUnlock, 0, 0, mm.0.into(), 0);
    }

    /// Mirrors `mmap_assert_locked()`.
    #[inline]
    pub(super) fn mmap_assert_locked(&mut self, mm: MmId) {
        if self.task.locks.mmap[process(mm)] == MmapLock::Free {
            self.task.observed.rule(Rule::MmapLockNotHeld, mm.0.into());
        }
    }

    /// Mirrors `mmap_assert_write_locked()`.
    #[inline]
    pub(super) fn mmap_assert_write_locked(&mut self, mm: MmId) {
        if self.task.locks.mmap[process(mm)] != MmapLock::Write {
            self.task.observed.rule(Rule::MmapLockNotHeld, mm.0.into());
        }
    }

    /// At the end of a call: no anon_vma may be locked, unless the VMA that is being updated needs it.
    #[inline]
    pub(super) fn check_return(&mut self) {
        if let Some(held) = self.task.locks.anon_vmas.first()
            && !self.task.updating
        {
            self.task.observed.rule(Rule::LockHeldOnReturn, held.serial);
        }
    }
}
