//! A side for the tests of the driver: records the calls, fails what it is told to, and checks
//! that the calls make sense. It knows how long a chain is, roughly as 6.12 does, and nothing else.

use std::collections::HashMap;

use crate::rmap::{Call, ENOMEM, Fail, MmId, Revision, Rmap, VmaId, VmaRange};

#[derive(Clone, Copy)]
struct FakeVma {
    mm: MmId,
    range: VmaRange,
    attached: bool,
    /// Length of the chain; 0: no anon_vma.
    chain: u32,
    updating: bool,
}

/// The recording fake.
#[derive(Default)]
pub(super) struct Fake {
    revision: Revision,
    /// What was called since the last [`Fake::taken`].
    calls: Vec<Call>,
    quiet: bool,
    /// From now on every call returns this.
    pub stopped: Option<i32>,
    fail: Fail,
    attempts: u32,
    serial: u32,
    vmas: HashMap<VmaId, FakeVma>,
    locks: HashMap<MmId, bool>,
}

impl Fake {
    /// As 6.12 and later split.
    pub fn new() -> Fake {
        let revision =
            Revision { munmap_splits_first_below: true, munmap_splits_last_above: true, ..Revision::default() };
        Fake { revision, ..Fake::default() }
    }

    /// As 6.1 splits.
    pub fn new_6_1() -> Fake {
        Fake::default()
    }

    /// The same, without recording.
    pub fn quiet(mut self) -> Fake {
        self.quiet = true;
        self
    }

    /// The calls since the last time, in short.
    pub fn taken(&mut self) -> Vec<String> {
        self.calls.drain(..).map(short).collect()
    }

    /// Live VMAs and held locks.
    pub fn live(&self) -> (usize, usize) {
        (self.vmas.len(), self.locks.len())
    }

    /// The attached VMAs, in order of process and address.
    pub fn geometry(&self) -> Vec<(MmId, VmaId, VmaRange)> {
        let mut all: Vec<_> = self.vmas.iter().map(|(&id, vma)| (vma.mm, id, vma.range)).collect();
        assert!(self.vmas.values().all(|vma| vma.attached && !vma.updating));
        all.sort_by_key(|(mm, _, range)| (*mm, range.start));
        all
    }

    fn attempt(&mut self) -> Result<(), i32> {
        self.attempts += 1;
        if self.fail.fails(self.attempts) { Err(-ENOMEM) } else { Ok(()) }
    }

    fn birth(&mut self, vma: FakeVma) -> Result<i32, i32> {
        self.locked(vma.mm, true);
        self.attempt()?;
        let id = VmaId(self.serial);
        self.serial += 1;
        self.vmas.insert(id, vma);
        Ok(id.0 as i32)
    }

    fn locked(&self, mm: MmId, write: bool) {
        let held = self.locks.get(&mm);
        assert!(held == Some(&true) || (held.is_some() && !write), "{mm} is not locked");
    }

    fn vma(&mut self, id: VmaId) -> &mut FakeVma {
        self.vmas.get_mut(&id).unwrap_or_else(|| panic!("{id} is not alive"))
    }

    fn answer(&mut self, call: Call) -> Result<i32, i32> {
        match call {
            Call::MmapWriteLock { mm } => assert!(self.locks.insert(mm, true).is_none()),
            Call::MmapReadLock { mm } => assert!(self.locks.insert(mm, false).is_none()),
            Call::MmapUnlock { mm } => assert!(self.locks.remove(&mm).is_some()),
            Call::VmAreaAlloc { mm, range } => {
                return self.birth(FakeVma { mm, range, attached: false, chain: 0, updating: false });
            }
            Call::VmAreaDup { orig, mm, range } => {
                let orig = *self.vma(orig);
                self.locked(orig.mm, true);
                return self.birth(FakeVma { mm, range, attached: false, chain: 0, ..orig });
            }
            Call::VmAreaFree { vma } => {
                let old = self.vmas.remove(&vma).expect("freed once");
                assert!(!old.attached && old.chain == 0 && !old.updating, "{vma} is still in use");
                self.locked(old.mm, true);
            }
            Call::VmaSetRange { vma, range } => {
                assert!(self.vma(vma).updating && range.start < range.end);
                self.vma(vma).range = range;
            }
            Call::VmaSetAttributes { vma, .. } => {
                self.vma(vma);
            }
            Call::VmaMarkAttached { vma } => {
                assert!(!self.vma(vma).attached);
                self.vma(vma).attached = true;
            }
            Call::VmaMarkDetached { vma } => {
                assert!(self.vma(vma).attached);
                self.vma(vma).attached = false;
            }
            Call::AnonVmaPrepare { vma, prev, next } => {
                let FakeVma { mm, range, chain, .. } = *self.vma(vma);
                self.locked(mm, false);
                assert!(prev.is_none_or(|prev| self.vma(prev).range.end <= range.start));
                assert!(next.is_none_or(|next| self.vma(next).range.start == range.end));
                if chain == 0 {
                    self.attempt()?;
                    self.attempt()?;
                    self.vma(vma).chain = 1;
                }
            }
            Call::AnonVmaClone { dst, src, .. } => {
                let chain = self.vma(src).chain;
                (0..chain).try_for_each(|_| self.attempt())?;
                self.vma(dst).chain = chain;
            }
            Call::AnonVmaFork { vma, pvma } => {
                let chain = self.vma(pvma).chain;
                if chain > 0 {
                    (0..chain + 2).try_for_each(|_| self.attempt())?;
                    self.vma(vma).chain = chain + 1;
                }
            }
            Call::UnlinkAnonVmas { vma } => self.vma(vma).chain = 0,
            Call::PreUpdateVma { vma, .. } => self.vma(vma).updating = true,
            Call::PostUpdateVma { vma, .. } => self.vma(vma).updating = false,
            Call::FolioSetAnon { vma, .. } | Call::FolioMoveAnonRmap { vma, .. } | Call::FolioSetIndex { vma, .. } => {
                assert!(self.vma(vma).chain > 0, "{vma} has no anon_vma for its folio");
            }
            Call::VmaSetMm { .. }
            | Call::VmaSetAnonVma { .. }
            | Call::AnonVmaLockWrite { .. }
            | Call::AnonVmaUnlockWrite { .. }
            | Call::TreePreUpdateVma { .. }
            | Call::TreePostUpdateVma { .. } => unreachable!("the small driver leaves {call:?} to VMA code"),
            Call::FolioAlloc { .. }
            | Call::FolioSetMapping { .. }
            | Call::FolioSetExclusive { .. }
            | Call::FolioSetDeferred { .. }
            | Call::FolioSplit { .. }
            | Call::TableSet { .. }
            | Call::FolioAddNewAnonRmap { .. }
            | Call::FolioAddAnonRmap { .. }
            | Call::FolioAddFileRmap { .. }
            | Call::FolioRemoveRmap { .. }
            | Call::FolioDupFileRmap { .. }
            | Call::FolioTryDupAnonRmap { .. }
            | Call::FolioTryShareAnonRmap { .. }
            | Call::EntrySet { .. }
            | Call::TryToUnmap { .. }
            | Call::TryToMigrate { .. }
            | Call::FolioReferenced { .. }
            | Call::RemoveMigrationPtes { .. }
            | Call::FolioMkclean { .. }
            | Call::FolioMakeDeviceExclusive { .. }
            | Call::FileTreeNext { .. } => unreachable!("the small driver leaves {call:?} to page-table code"),
            Call::FolioFree { .. }
            | Call::FolioGetAnonVma { .. }
            | Call::PutAnonVma { .. }
            | Call::RmapWalkAnon { .. } => {}
        }
        Ok(0)
    }
}

impl Rmap for Fake {
    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin_operation(&mut self, fail: &Fail) {
        self.fail = *fail;
        self.attempts = 0;
    }

    fn attempts(&self) -> u32 {
        self.attempts
    }

    fn call(&mut self, call: Call) -> i32 {
        if !self.quiet && !speaks_of_a_folio(&call) {
            self.calls.push(call);
        }
        match self.stopped {
            Some(result) => result,
            None => self.answer(call).unwrap_or_else(|errno| errno),
        }
    }
}

/// The tests of the driver count the calls around the reverse map; folios have tests of their own.
fn speaks_of_a_folio(call: &Call) -> bool {
    matches!(
        call,
        Call::FolioSetAnon { .. }
            | Call::FolioMoveAnonRmap { .. }
            | Call::FolioSetIndex { .. }
            | Call::FolioFree { .. }
            | Call::FolioGetAnonVma { .. }
            | Call::PutAnonVma { .. }
            | Call::RmapWalkAnon { .. }
    )
}

/// A call in short: `dup 0 p1 0x10..0x18`.
fn short(call: Call) -> String {
    let name = |vma: Option<VmaId>| vma.map_or("-".into(), |vma| vma.0.to_string());
    match call {
        Call::MmapWriteLock { mm } => format!("write {mm}"),
        Call::MmapReadLock { mm } => format!("read {mm}"),
        Call::MmapUnlock { mm } => format!("unlock {mm}"),
        Call::VmAreaAlloc { mm, range } => format!("alloc {mm} {range}"),
        Call::VmAreaDup { orig, mm, range } => format!("dup {} {mm} {range}", orig.0),
        Call::VmAreaFree { vma } => format!("free {}", vma.0),
        Call::VmaSetRange { vma, range } => format!("range {} {range}", vma.0),
        Call::VmaSetAttributes { vma, attributes } => format!("attributes {} {attributes}", vma.0),
        Call::VmaMarkAttached { vma } => format!("attached {}", vma.0),
        Call::VmaMarkDetached { vma } => format!("detached {}", vma.0),
        Call::AnonVmaPrepare { vma, prev, next } => format!("prepare {} {} {}", vma.0, name(prev), name(next)),
        Call::AnonVmaClone { dst, src, operation } => format!("clone {} {} {operation:?}", dst.0, src.0),
        Call::AnonVmaFork { vma, pvma } => format!("fork {} {}", vma.0, pvma.0),
        Call::UnlinkAnonVmas { vma } => format!("unlink {}", vma.0),
        Call::PreUpdateVma { vma, .. } => format!("pre {}", vma.0),
        Call::PostUpdateVma { vma, .. } => format!("post {}", vma.0),
        other => format!("{other:?}"),
    }
}
