//! A side of a few lines that can be told to go wrong at a call, and what VMA code above it does.

use super::world::{build, encode};
use crate::rmap::{Cache, Call, Event, EventKind, Fail, Gfp, MmId, Revision, Rmap, Side, Snapshot};
use crate::trace::{Mapped, MmCounts, Observation, PageEvent, Request, Seen, Watched};

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Return,
    ExtraEvent,
    OtherLock,
    Counter,
    UntoldCounter,
    /// It tells of a counter what is not so.
    ToldCounter,
    /// What it tells of the call is no record.
    Garbled,
    /// What it tells of everything is none.
    GarbledState,
    /// From then on its VMAs end elsewhere than it told, whenever nobody asks what a call touched.
    StrayWrite,
    Warn,
    Bug,
    Oops,
    /// An object cannot be had, and so no VMA.
    Enomem(Cache),
}

/// What the VMA code does in an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScriptedCall {
    Call(Call),
    Pages(PageEvent),
    Outside(Vec<Event>),
}

/// A VMA of the fake.
#[derive(Clone, Copy)]
struct FakeVma {
    mm: u8,
    start: u64,
    end: u64,
    anon_vma: Option<u32>,
}

/// Maps, faults and frees VMAs, each with an anon_vma of its own.
#[derive(Default)]
pub struct FakeSide {
    /// Every VMA ever born; `None` once freed.
    vmas: Vec<Option<FakeVma>>,
    anon_vmas: u32,
    events: Vec<Event>,
    /// Calls made since the start, from 1.
    pub calls: u64,
    /// At which call it goes wrong, and how.
    pub fault: Option<(u64, Fault)>,
    bump: bool,
    touched: Option<usize>,
    /// How often a state was asked for.
    pub states: u64,
    /// How often it was asked what a call touched.
    pub asked: u64,
    /// What the VMA code does in each operation, which returns 7.
    pub script: Vec<ScriptedCall>,
    /// What every process has mapped.
    pub mapped: Option<(Mapped, MmCounts)>,
    pub injected: u32,
    pub moves_pages: bool,
}

impl FakeSide {
    pub fn with_fault(at: u64, fault: Fault) -> FakeSide {
        FakeSide { fault: Some((at, fault)), ..FakeSide::default() }
    }

    fn snapshot(&self) -> Snapshot {
        let live = || self.vmas.iter().zip(0..).filter_map(|(vma, id)| Some((id, (*vma)?)));
        let chains: Vec<Vec<u32>> = live().map(|(_, vma)| vma.anon_vma.into_iter().collect()).collect();
        let specs: Vec<_> =
            live().zip(&chains).map(|((id, v), chain)| (id, v.mm, v.start, v.end, v.anon_vma, &chain[..])).collect();
        let anon_vmas: Vec<_> = live().filter_map(|(_, vma)| vma.anon_vma).map(|a| [a, a, a]).collect();
        let mut state = build(&specs, &anon_vmas);
        if self.bump
            && let Some(last) = state.anon_vmas.last_mut()
        {
            last.num_children += 1;
        }
        state
    }

    fn record(&mut self, kind: EventKind, arg: u8, flags: u16, object: u32) {
        self.events.push(Event::new(kind, arg, flags, object, 0));
    }
}

impl Rmap for FakeSide {
    fn revision(&self) -> Revision {
        Revision::default()
    }

    fn begin_operation(&mut self, _: &Fail) {}

    fn attempts(&self) -> u32 {
        5
    }

    fn call(&mut self, call: Call) -> i32 {
        self.calls += 1;
        self.events.clear();
        self.touched = None;
        let mut ret = 0;
        match call {
            Call::VmAreaAlloc { mm, range } => {
                ret = self.vmas.len() as i32;
                self.record(EventKind::Alloc, Cache::Vma as u8, Gfp::KERNEL, ret as u32);
                let vma = FakeVma { mm: mm.0, start: range.start, end: range.end, anon_vma: None };
                self.vmas.push(Some(vma));
                self.touched = Some(ret as usize);
            }
            Call::VmAreaFree { vma } => {
                self.record(EventKind::Free, Cache::Vma as u8, 0, vma.0);
                self.vmas[vma.0 as usize] = None;
            }
            Call::AnonVmaPrepare { vma, .. } => {
                let anon_vma = self.anon_vmas;
                self.anon_vmas += 1;
                self.record(EventKind::Alloc, Cache::AnonVma as u8, Gfp::KERNEL, anon_vma);
                self.record(EventKind::DownWrite, 0, 0, anon_vma);
                self.record(EventKind::UpWrite, 0, 0, anon_vma);
                self.vmas[vma.0 as usize].as_mut().unwrap().anon_vma = Some(anon_vma);
                self.touched = Some(vma.0 as usize);
            }
            Call::UnlinkAnonVmas { vma } => {
                if let Some(anon_vma) = self.vmas[vma.0 as usize].as_mut().unwrap().anon_vma.take() {
                    self.record(EventKind::Free, Cache::AnonVma as u8, 0, anon_vma);
                }
                self.touched = Some(vma.0 as usize);
            }
            _ => {}
        }
        if let Some((_, fault)) = self.fault.filter(|&(at, _)| at == self.calls) {
            match fault {
                Fault::Return => ret = -12,
                Fault::ExtraEvent => self.record(EventKind::Get, 0, 0, 0),
                Fault::OtherLock => {
                    self.events.iter_mut().filter(|e| e.kind == EventKind::DownWrite as u8).for_each(|e| e.object += 1);
                }
                Fault::Counter | Fault::UntoldCounter => self.bump = true,
                Fault::ToldCounter | Fault::Garbled | Fault::GarbledState | Fault::StrayWrite => {}
                Fault::Warn => self.record(EventKind::Warn, 0, 0, 0),
                Fault::Bug => self.record(EventKind::Bug, 0, 0, 0),
                Fault::Oops => self.record(EventKind::Oops, 0, 0, 0),
                Fault::Enomem(cache) => {
                    self.vmas.pop();
                    self.touched = None;
                    self.events.clear();
                    self.record(EventKind::Alloc, cache as u8, Gfp::KERNEL, Event::NONE);
                    ret = -12;
                }
            }
        }
        ret
    }
}

impl Side for FakeSide {
    fn events(&self) -> &[Event] {
        &self.events
    }

    fn touched(&mut self, out: &mut Vec<u64>) {
        self.asked += 1;
        if self.fault == Some((self.calls, Fault::Garbled)) {
            out.push(0x99);
            return;
        }
        let Some(Some(touched)) = self.touched.map(|at| self.vmas[at]) else { return };
        let mut state = self.snapshot();
        if self.fault.is_some_and(|(_, fault)| fault == Fault::UntoldCounter) {
            let honest = FakeSide { bump: false, vmas: self.vmas.clone(), ..FakeSide::default() };
            state = honest.snapshot();
        }
        if self.fault == Some((self.calls, Fault::ToldCounter)) {
            state.anon_vmas.iter_mut().for_each(|anon_vma| anon_vma.num_children = 0x77);
        }
        let id = self.touched.unwrap() as u32;
        state.vmas.retain(|vma| vma.id.0 == id);
        state.anon_vmas.retain(|anon_vma| Some(anon_vma.id.0) == touched.anon_vma);
        out.extend(encode(&state));
    }

    fn state(&mut self, out: &mut Vec<u64>) {
        self.states += 1;
        if self.fault.is_some_and(|(at, fault)| fault == Fault::GarbledState && at <= self.calls) {
            out.push(0x99);
            return;
        }
        let mut state = self.snapshot();
        if self.fault.is_some_and(|(at, fault)| fault == Fault::StrayWrite && at <= self.calls) {
            state.vmas.iter_mut().for_each(|vma| vma.range.end += 1);
        }
        out.extend(encode(&state));
    }

    fn live(&self) -> [u32; 3] {
        let vmas = self.vmas.iter().flatten();
        let anon_vmas = vmas.clone().filter(|vma| vma.anon_vma.is_some()).count() as u32;
        [vmas.count() as u32, anon_vmas, anon_vmas]
    }

    fn reset(&mut self) {
        *self = FakeSide { fault: self.fault, ..FakeSide::default() };
    }

    fn last_warning(&self) -> Option<String> {
        Some(format!("planted, at call {}", self.calls))
    }
}

impl Watched for FakeSide {
    fn operate_watched(&mut self, _: &Request<'_>, watcher: &mut dyn FnMut(&Seen<'_>) -> bool) -> i32 {
        let mut touched = Vec::new();
        for step in self.script.clone() {
            touched.clear();
            let (what, result) = match step {
                ScriptedCall::Call(call) => {
                    let result = self.call(call);
                    self.touched(&mut touched);
                    (Observation::Call(call), result)
                }
                ScriptedCall::Pages(event) => {
                    self.events.clear();
                    (Observation::Pages(event), 0)
                }
                ScriptedCall::Outside(events) => {
                    self.events = events;
                    (Observation::Outside, 0)
                }
            };
            let warning = self.last_warning().filter(|_| self.events.iter().any(Event::is_violation));
            let ended = self.events.iter().any(|event| event.kind == EventKind::Oops as u8);
            let seen = Seen {
                what,
                result,
                events: &self.events,
                touched: (!ended).then_some(&touched[..]),
                warning: warning.as_deref(),
            };
            if !watcher(&seen) {
                return -1;
            }
        }
        7
    }

    fn mapped(&mut self, _: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts> {
        let (mapped, counts) = self.mapped?;
        out.push(mapped);
        Some(counts)
    }

    fn injected(&self) -> u32 {
        self.injected
    }

    fn moves_pages(&self) -> bool {
        self.moves_pages
    }

    fn merges_either_way(&self) -> bool {
        false
    }
}
