//! The invariants, checked on a side by itself.
//!
//! Two layers say the same. [`full()`] looks at a decoded [`Snapshot`](crate::rmap::Snapshot): plain,
//! slow, the authority. [`Oracle`] follows a side call by call from what it tells (events and
//! touched state), keeps counts of its own, and checks at the end of each operation the objects
//! that the operation changed: O(touched). Both are written from the documentation of the data
//! structure and know nothing of the code that they judge, nor of other sides.
//!
//! Inside an operation much may be broken for a while, so I1 to I8 are asked at its end only. What a
//! single call promises (I10) and its locks (I11) are asked when it returns.

mod contract;
mod full;
mod locks;
mod model;
mod quiescent;
mod record;
mod slots;
mod state_digest;
mod tree;
mod words;

pub(super) use full::{Room, full_in};
pub use full::{full, full_with_pins};
pub(super) use words::same_words;

use self::locks::Locks;
use self::model::{Journal, ShadowState};
use self::record::VmaRecord;
use self::words::{Record, Records};
use super::violation::{Invariant, Violation};
use super::walk::Walks;
use crate::digest::StateDigest;
use crate::pages::ChangedPages;
use crate::rmap::{AnonVmaId, Cache, Call, Event, EventKind, FolioId, MmId, Revision, Rule, StateError, VmaId};
use crate::trace::{Mapped, MmCounts};

/// Why the oracle stops.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Broken {
    /// Invariants are broken; at least one.
    Violations(Vec<Violation>),
    /// The side tells what cannot be read.
    Undecodable(StateError),
}

/// What I7 says of the order of the chains of VMAs with the same anon_vma.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ChainOrder {
    /// Nothing: each clone reverses it.
    #[default]
    Any,
    /// It is the same: a clone keeps it.
    Kept,
}

impl ChainOrder {
    /// As a revision has it.
    pub fn of(revision: Revision) -> ChainOrder {
        if revision.chains_preallocated { ChainOrder::Any } else { ChainOrder::Kept }
    }
}

/// Which page offset of a VMA is its key in the trees.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TreeKey {
    /// `vm_pgoff`
    #[default]
    Pgoff,
    /// The anonymous page offset, which differs in private mappings of a file.
    AnonPgoff,
}

/// What differs between kernels of what the invariants say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// Of chains.
    pub order: ChainOrder,
    /// Of trees.
    pub key: TreeKey,
    /// Of the index of a folio.
    pub index: TreeKey,
    /// Whether a VMA that was unlinked keeps its pointer, for it is freed next.
    pub unlink_keeps_anon_vma: bool,
    /// Whether the chain entries of a VMA whose page offset stays are left in their trees while its range changes.
    pub updates_in_place: bool,
}

impl Rules {
    /// As a revision has them.
    pub fn of(revision: Revision) -> Rules {
        let of = |by_anon| if by_anon { TreeKey::AnonPgoff } else { TreeKey::Pgoff };
        let (key, index) = (of(revision.keyed_by_anon_pgoff), of(revision.indexed_by_anon_pgoff));
        Rules {
            order: ChainOrder::of(revision),
            key,
            index,
            unlink_keeps_anon_vma: !revision.unlink_clears_anon_vma,
            updates_in_place: revision.updates_in_place,
        }
    }
}

/// A live VMA, as far as pages ask.
#[derive(Clone, Copy)]
pub(super) struct KnownVma<'a> {
    record: &'a VmaRecord,
    index: TreeKey,
}

impl KnownVma<'_> {
    /// Whose it is.
    pub(super) fn mm(&self) -> MmId {
        MmId(self.record.told[1] as u8)
    }

    /// Whether it contains a page.
    pub(super) fn contains(&self, page: u64) -> bool {
        (self.record.told[3]..self.record.told[4]).contains(&page)
    }

    /// The index that a folio at a page of it has.
    pub(super) fn index_of(&self, page: u64) -> u64 {
        self.record.key(self.index).first.wrapping_add(page.wrapping_sub(self.record.told[3]))
    }

    /// Whether an anon_vma is on its chain.
    pub(super) fn is_attached_to(&self, anon_vma: AnonVmaId) -> bool {
        self.record.chain().any(|[_, on_chain, _]| on_chain == anon_vma.0)
    }
}

/// A VMA whose range may change.
#[derive(Clone, Copy)]
struct OpenUpdate {
    vma: VmaId,
    /// What the caller said.
    offset_stays: bool,
    /// If its chain entries stay in their trees: the page offset that must stay too.
    kept: Option<u64>,
}

/// Follows one side and checks the invariants of what changed.
#[derive(Default)]
pub struct Oracle {
    rules: Rules,
    model: ShadowState,
    locks: Locks,
    calls: Vec<Call>,
    /// The updates that have begun and not ended.
    updated: Vec<OpenUpdate>,
    violations: Vec<Violation>,
    /// The number of the state, if somebody wants it.
    digest: Option<Box<StateDigest>>,
    /// Room for the pages whose folios were shared.
    shared: ChangedPages,
    /// The journal, while nobody asks for the number.
    resting: Option<Box<Journal>>,
}

impl Oracle {
    /// The page offset by which the chain entries of a VMA are sorted, if it has any.
    fn key_of(&self, vma: VmaId) -> Option<u64> {
        let record = self.model.vma(vma.0).filter(|record| !record.slots.is_empty())?;
        Some(record.key(self.rules.key).first)
    }

    /// Of an empty world in which chains may come in any order.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of an empty world of that revision.
    pub fn of(revision: Revision) -> Self {
        Self::with_rules(Rules::of(revision))
    }

    /// Of an empty world of such a kernel.
    pub fn with_rules(rules: Rules) -> Self {
        Oracle { rules, ..Self::default() }
    }

    /// The world is empty again. Keeps its memory.
    pub fn reset(&mut self) {
        if let Some(journal) = self.resting.take() {
            self.model.journal = Some(journal);
        }
        self.model.reset();
        self.locks.reset();
        self.calls.clear();
        self.violations.clear();
        if let Some(digest) = &mut self.digest {
            digest.clear();
        }
    }

    /// What a side tells of its whole state, after operations whose calls were not observed. References from outside are as they
    /// were.
    pub(super) fn take_in(&mut self, state: &[u64]) -> Result<(), Broken> {
        let pins: Vec<(u32, u32)> = self.model.pins().collect();
        let before = self.model.peak_vmas;
        self.model.reset();
        self.locks.reset();
        self.calls.clear();
        self.model.apply(state, 0, None, |_| {}).map_err(Broken::Undecodable)?;
        for (serial, count) in pins {
            (0..count).for_each(|_| self.model.pin(serial, 0));
        }
        self.model.leave_gone_parents();
        // There may have been more at a time than before and after.
        self.model.peak_vmas += before;
        self.digest_anew();
        Ok(())
    }

    /// The first VMA of a whole state that is not as the calls told it: it was written to where nobody looked. A state that cannot be
    /// read is somebody else's concern.
    pub(super) fn check_told(&self, state: &[u64]) -> Option<Violation> {
        Records::new(state).find_map(|record| {
            let Record::Vma(now) = record else { return None };
            let vma = VmaId(now[0] as u32);
            let told = self.model.vma(vma.0).map_or(&[][..], |record| &record.told[..]);
            (told != now).then(|| {
                let at = now.iter().zip(told).take_while(|(now, told)| now == told).count();
                let of =
                    |words: &[u64]| words.get(at).map_or_else(|| "nothing".to_owned(), |word| format!("{word:#x}"));
                let detail = format!("word {at} of {vma} is {}, and {} was told last", of(now), of(told));
                Violation::new(Invariant::I11, "VMA changed in no operation of its process", [vma.into()], detail)
            })
        })
    }

    /// The calls of the current operation so far.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// An operation begins.
    pub fn begin_operation(&mut self) {
        self.calls.clear();
        self.updated.clear();
        self.model.walks.clear();
    }

    /// A live VMA, as it was told.
    pub(super) fn vma(&self, vma: VmaId) -> Option<KnownVma<'_>> {
        Some(KnownVma { record: self.model.vma(vma.0)?, index: self.rules.index })
    }

    /// Folios that were given another anon_vma or index since this was asked last, or have none any more.
    pub(super) fn changed_folios(&mut self) -> &mut Vec<FolioId> {
        &mut self.model.changed_folios
    }

    /// Whether an anon_vma is live.
    pub(super) fn is_live(&self, anon_vma: AnonVmaId) -> bool {
        self.model.anon_vma(anon_vma.0).is_some()
    }

    /// The anon_vma and the index that a folio was given.
    pub(super) fn folio(&self, folio: FolioId) -> Option<(AnonVmaId, u64)> {
        self.model.folio(folio.0).map(|record| (AnonVmaId(record.mapping), record.index))
    }

    /// Pages that lie in a VMA that changed since this was asked last, or did. They may be given back, to be used again.
    pub(super) fn changed(&mut self) -> &mut ChangedPages {
        &mut self.model.changed
    }

    /// The walks since they were looked at last. They may be taken, and given back to be used again.
    pub(super) fn walks(&mut self) -> &mut Walks {
        &mut self.model.walks
    }

    /// References that are held from outside, on each anon_vma.
    pub(super) fn pins_into(&self, pins: &mut Vec<(AnonVmaId, u32)>) {
        pins.clear();
        pins.extend(self.model.pins().map(|(serial, count)| (AnonVmaId(serial), count)));
    }

    /// A call was made: what it returned, what it did, and what it touched.
    pub fn observe(&mut self, call: Call, ret: i32, events: &[Event], touched: &[u64]) -> Result<(), Broken> {
        if events.iter().any(Event::is_violation) {
            self.calls.push(call);
            self.violations.extend(events.iter().filter_map(|event| event_violation(event, None)));
            return self.verdict(call);
        }
        self.observe_clean(call, ret, events, touched)
    }

    /// The same, after the caller has seen that no event is a violation by itself.
    pub(super) fn observe_clean(
        &mut self,
        call: Call,
        ret: i32,
        events: &[Event],
        touched: &[u64],
    ) -> Result<(), Broken> {
        let number = self.calls.len() as u32;
        self.calls.push(call);
        let mm_lock = matches!(call, Call::MmapWriteLock { .. } | Call::MmapReadLock { .. } | Call::MmapUnlock { .. });
        if mm_lock && touched.is_empty() && events.is_empty() && self.locks.is_idle() {
            // Nothing that is looked at here.
            return Ok(());
        }
        match call {
            Call::PreUpdateVma { vma, offset_stays } | Call::TreePreUpdateVma { vma, offset_stays } => {
                let stays = self.rules.updates_in_place && offset_stays;
                self.updated.push(OpenUpdate { vma, offset_stays, kept: self.key_of(vma).filter(|_| stays) });
            }
            Call::PostUpdateVma { vma, offset_stays } | Call::TreePostUpdateVma { vma, offset_stays } => {
                let begun = self.updated.iter().find(|update| update.vma == vma).copied();
                if let Some(begun) = begun {
                    self.note(contract::check_halves(vma, begun.offset_stays, offset_stays));
                    if let (Some(before), Some(now)) = (begun.kept, self.key_of(vma)) {
                        self.note(contract::check_offset_stays(vma, before, now));
                    }
                }
                self.updated.retain(|update| update.vma != vma);
            }
            Call::VmaSetRange { vma, range } if !self.updated.iter().any(|update| update.vma == vma) => {
                self.note(contract::check_resize(&self.model, vma, range));
            }
            _ => {}
        }
        let applied = match call {
            Call::VmAreaDup { .. }
            | Call::VmAreaFree { .. }
            | Call::VmaSetRange { .. }
            | Call::VmaSetAttributes { .. }
            | Call::VmaSetMm { .. }
            | Call::VmaSetAnonVma { .. }
            | Call::VmaMarkAttached { .. }
            | Call::VmaMarkDetached { .. } => self.model.apply_vmas(touched, number),
            Call::UnlinkAnonVmas { vma } => {
                let had_anon_vma = self.model.vma(vma.0).is_some_and(|v| v.anon_vma().is_some());
                let applied = self.model.apply(touched, number, None, |_| {});
                self.note(contract::check_unlink(&self.model, vma, had_anon_vma, self.rules));
                applied
            }
            Call::FolioFree { folio } => {
                self.model.set_folio(folio.0, None);
                Ok(())
            }
            Call::FolioSetAnon { .. } | Call::FolioMoveAnonRmap { .. } | Call::FolioAddNewAnonRmap { .. } => {
                let applied = self.model.apply(touched, number, None, |_| {});
                self.note(contract::check_folio(&self.model, &call));
                applied
            }
            Call::FolioSetExclusive { folio, exclusive: true, .. } => {
                let applied = self.model.apply(touched, number, None, |_| {});
                self.note(contract::check_exclusive(&self.model, folio));
                applied
            }
            Call::FolioGetAnonVma { .. } => {
                let applied = self.model.apply(touched, number, None, |_| {});
                if let Ok(serial) = u32::try_from(ret) {
                    self.model.pin(serial, number);
                }
                applied
            }
            Call::PutAnonVma { anon_vma } => {
                let applied = self.model.apply(touched, number, None, |_| {});
                self.model.unpin(anon_vma.0, number);
                applied
            }
            Call::RmapWalkAnon { folio, .. } => {
                const VISIT: u8 = EventKind::Visit as u8;
                let visits = events.iter().filter(|event| event.kind == VISIT);
                let visits = visits.map(|event| (VmaId(event.object), u64::from(event.other)));
                self.model.walks.push(folio, visits);
                self.model.apply(touched, number, None, |_| {})
            }
            Call::AnonVmaPrepare { .. } | Call::AnonVmaClone { .. } | Call::AnonVmaFork { .. } => {
                self.note(contract::check_reuse(&self.model, &call, ret, touched));
                let violations = &mut self.violations;
                let thawed = |thawed| violations.push(contract::thawed(&thawed));
                let applied = self.model.apply(touched, number, contract::frozen(&call, ret), thawed);
                self.note(contract::check_result(&self.model, &call, ret));
                applied
            }
            _ => self.model.apply(touched, number, None, |_| {}),
        };
        if let Err(error) = applied {
            return Err(Broken::Undecodable(error));
        }
        self.model.moved = match call {
            Call::FolioMoveAnonRmap { folio, .. } => Some(folio.0),
            _ => None,
        };
        let balance = self.events(number, events);
        if balance != 0 && contract::frozen(&call, ret).is_some() {
            let detail = format!("the failed call allocated {balance} more than it freed");
            self.violations.push(Violation::new(Invariant::I10, "failed call leaks", [], detail));
        }
        self.locks.call_ends(&call, &mut self.violations);
        self.verdict(call)
    }

    #[inline]
    fn note(&mut self, found: contract::Found) {
        if let Some(violation) = found {
            self.violations.push(*violation);
        }
    }

    /// Locks and frees. Returns how many anon_vmas and chain entries were allocated more than
    /// freed.
    fn events(&mut self, number: u32, events: &[Event]) -> i32 {
        const ALLOC: u8 = EventKind::Alloc as u8;
        const FREE: u8 = EventKind::Free as u8;
        const VMA: u8 = Cache::Vma as u8;
        let graves = self.model.graveyard.len();
        let mut balance = 0;
        for event in events {
            match (event.kind, event.arg) {
                (FREE, VMA) => {
                    let attached = self.model.free_vma(event.object, number);
                    if attached > 0 {
                        let vma = VmaId(event.object);
                        let detail = format!("{vma} is freed with {attached} chain entries");
                        let what = "VMA freed while attached";
                        self.violations.push(Violation::new(Invariant::I4, what, [vma.into()], detail));
                    }
                }
                (FREE, cache) => {
                    balance -= 1;
                    if cache == Cache::AnonVma as u8 {
                        self.model.free_anon_vma(event.object, number);
                    }
                }
                (ALLOC, cache) => {
                    balance += i32::from(cache != VMA && event.object != Event::NONE);
                    self.locks.allocation(event, &mut self.violations);
                }
                _ => self.locks.event(event, &self.model, &mut self.violations),
            }
        }
        for &slot in &self.model.graveyard[graves..] {
            let dead = &self.model.anons[slot as usize];
            if let Some(pins) = Some(self.model.pins_on(dead.serial)).filter(|&pins| pins > 0) {
                let id = AnonVmaId(dead.serial);
                let detail = format!("{id} is freed, but {pins} references are held from outside");
                self.violations.push(Violation::new(Invariant::I6, "anon_vma freed while pinned", [id.into()], detail));
            }
            let (what, count) = match (dead.attached, dead.children + dead.descendants) {
                (0, 0) => continue,
                (0, children) => ("anon_vma freed with children", children),
                (attached, _) => ("anon_vma freed while attached", attached),
            };
            let id = AnonVmaId(dead.serial);
            let detail = format!("{id} is freed, but {count} still name it");
            self.violations.push(Violation::new(Invariant::I4, what, [id.into()], detail));
        }
        balance
    }

    /// The operation is over: the state is quiescent. Checks what it changed.
    pub fn end_operation(&mut self) -> Result<(), Broken> {
        self.locks.operation_ends(&mut self.violations);
        if self.locks.is_idle() {
            quiescent::Quiescent::new(&mut self.model, self.rules, &self.calls, &mut self.violations).check();
            self.digest_changes();
        }
        self.verdict_now()
    }

    /// The mm's own tree against the VMAs as the calls told them: in order, apart, where they were said to be, and as
    /// many as the mm counts.
    pub fn check_space(&self, mm: MmId, mapped: &[Mapped], counts: MmCounts) -> Result<(), Box<Violation>> {
        let broken = |what: &'static str, vma: Option<VmaId>, detail: String| {
            Err(Box::new(Violation::new(Invariant::VmaTree, what, vma.map(Into::into), detail)))
        };
        let MmCounts { map_count, total_vm, in_rcu } = counts;
        if mapped.len() as u64 != map_count {
            let detail = format!("{mm} has map_count {map_count}, its tree holds {} VMAs", mapped.len());
            return broken("map_count", None, detail);
        }
        let mut end = 0;
        for Mapped { vma, range, .. } in mapped {
            if range.start < end || range.start >= range.end {
                let detail = format!("{vma} of {mm} at {range} is empty, or overlaps what ends at {end:#x}");
                return broken("overlap", Some(*vma), detail);
            }
            end = range.end;
            let Some((owner, told)) = self.model.vma(vma.0).and_then(VmaRecord::place) else {
                return broken("dead VMA in the tree", Some(*vma), format!("{vma} in the tree of {mm} is not live"));
            };
            if owner != mm || (told.start, told.end) != (range.start, range.end) {
                let detail = format!("{vma} is in the tree of {mm} at {range}, but it is of {owner} at {told}");
                return broken("VMA elsewhere than its tree says", Some(*vma), detail);
            }
        }
        // What overlaps was found above.
        let pages: u64 = mapped.iter().map(|vma| vma.range.end - vma.range.start).sum();
        if pages != total_vm {
            return broken("total_vm", None, format!("{mm} has total_vm {total_vm}, its VMAs have {pages} pages"));
        }
        if !mapped.is_empty() && !in_rcu {
            return broken("tree not in RCU mode", None, format!("readers of {mm}'s tree are not waited for"));
        }
        Ok(())
    }

    /// I12, after the last exit: nothing that was told is left. `live` is what the side counts:
    /// VMAs, anon_vmas, chain entries.
    pub fn end_of_world(&mut self, live: [u32; 3]) -> Result<(), Broken> {
        let (vmas, anon_vmas) = self.model.live();
        if live != [0; 3] {
            let [vma, anon_vma, avc] = live;
            let what = match live {
                [0, 0, _] => "anon_vma_chain left",
                [0, ..] => "anon_vma left",
                _ => "vm_area_struct left",
            };
            let detail = format!(
                "still live after the last exit: {vma} vm_area_struct, {anon_vma} anon_vma, {avc} anon_vma_chain"
            );
            self.violations.push(Violation::new(Invariant::I12, what, [], detail));
        } else if vmas + anon_vmas != 0 {
            let detail = format!("{vmas} VMAs and {anon_vmas} anon_vmas were never seen to be freed");
            self.violations.push(Violation::new(Invariant::I12, "free not seen", [], detail));
        }
        self.verdict_now()
    }

    #[inline]
    fn verdict(&mut self, call: Call) -> Result<(), Broken> {
        if self.violations.is_empty() {
            return Ok(());
        }
        for violation in &mut self.violations {
            violation.after = Some(call);
        }
        self.verdict_now()
    }

    #[inline]
    fn verdict_now(&mut self) -> Result<(), Broken> {
        if self.violations.is_empty() { Ok(()) } else { Err(Broken::Violations(std::mem::take(&mut self.violations))) }
    }
}

/// The violation that an event is by itself: a broken rule, a WARN, a BUG, an oops. `warning` is what the side
/// says of the last of them.
pub fn event_violation(event: &Event, warning: Option<&str>) -> Option<Violation> {
    let kind = event.kind().filter(|_| event.is_violation())?;
    let what = match kind {
        EventKind::Rule => Rule::from_u8(event.arg).map_or("unknown rule", Rule::name).to_string(),
        _ => match warning {
            Some(text) => format!("{kind} {}", without_numbers(text)),
            None => kind.name().to_string(),
        },
    };
    let detail = match warning {
        Some(text) => format!("{event}: {text}"),
        None => event.to_string(),
    };
    let at_a_point = kind == EventKind::Rule && Rule::from_u8(event.arg).is_some_and(Rule::is_asked_at_points);
    Some(Violation { at_a_point, ..Violation::new(Invariant::I11, what, [], detail) })
}

/// Numbers differ from run to run and from tree to tree; a signature must not.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if out.ends_with('N') => {}
            '0'..='9' => out.push('N'),
            c => out.push(c),
        }
    }
    out
}
