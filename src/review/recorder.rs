//! A side that is asked afterwards what it did in an operation.

use rustc_hash::FxHashMap;

use crate::rmap::{
    Call, Event, Fail, LayerOperation, Mapped, MmId, Revision, Rmap, Seen, SeenWhat, Side, VmaId, Watched,
};

/// Where a VMA began when it was given to a call: its process and its first page. Both sides have that alike, whatever they
/// number their VMAs.
pub type Place = (MmId, u64);

/// One call, as it was made.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// The call; none: something that happened in none.
    pub call: Option<Call>,
    /// Its VMA: for a clone or a fork the one that gets the links.
    pub place: Option<Place>,
    /// Where its events begin.
    begin: usize,
    /// Where they end.
    end: usize,
}

/// A side, and what it did in the last operation.
pub struct Recorder<S> {
    side: S,
    log: Log,
}

#[derive(Default)]
struct Log {
    made: Vec<Made>,
    events: Vec<Event>,
    places: FxHashMap<VmaId, Place>,
}

impl Log {
    fn note(&mut self, call: Option<Call>, result: i32, events: &[Event]) {
        let begin = self.events.len();
        self.events.extend_from_slice(events);
        let born = || u32::try_from(result).map(VmaId).ok();
        match call {
            Some(Call::VmAreaAlloc { mm, range } | Call::VmAreaDup { mm, range, .. }) => {
                if let Some(id) = born() {
                    self.places.insert(id, (mm, range.start));
                }
            }
            Some(Call::VmaSetRange { vma, range }) => {
                self.places.entry(vma).and_modify(|place| place.1 = range.start);
            }
            Some(Call::VmaSetMm { vma, mm }) => {
                self.places.entry(vma).and_modify(|place| place.0 = mm);
            }
            _ => {}
        }
        let place = match call {
            Some(Call::VmAreaAlloc { mm, range } | Call::VmAreaDup { mm, range, .. }) => Some((mm, range.start)),
            Some(
                Call::AnonVmaPrepare { vma, .. }
                | Call::AnonVmaClone { dst: vma, .. }
                | Call::AnonVmaFork { vma, .. }
                | Call::UnlinkAnonVmas { vma },
            ) => self.places.get(&vma).copied(),
            _ => None,
        };
        self.made.push(Made { call, place, begin, end: self.events.len() });
    }
}

impl<S> Recorder<S> {
    /// Nothing was done yet.
    pub fn new(side: S) -> Recorder<S> {
        Recorder { side, log: Log::default() }
    }

    /// What was done in the last operation, in order: each call with its events.
    pub fn made(&self) -> impl Iterator<Item = (&Made, &[Event])> + '_ {
        self.log.made.iter().map(|made| (made, &self.log.events[made.begin..made.end]))
    }
}

impl<S: Side> Rmap for Recorder<S> {
    fn revision(&self) -> Revision {
        self.side.revision()
    }
    fn begin_operation(&mut self, fail: &Fail) {
        self.log.made.clear();
        self.log.events.clear();
        self.side.begin_operation(fail);
    }
    fn attempts(&self) -> u32 {
        self.side.attempts()
    }
    fn call(&mut self, call: Call) -> i32 {
        let result = self.side.call(call);
        self.log.note(Some(call), result, self.side.events());
        result
    }
}

impl<S: Side> Side for Recorder<S> {
    fn events(&self) -> &[Event] {
        self.side.events()
    }
    fn touched(&mut self, out: &mut Vec<u64>) {
        self.side.touched(out);
    }
    fn state(&mut self, out: &mut Vec<u64>) {
        self.side.state(out);
    }
    fn live(&self) -> [u32; 3] {
        self.side.live()
    }
    fn reset(&mut self) {
        self.log = Log::default();
        self.side.reset();
    }
    fn last_warning(&self) -> Option<String> {
        self.side.last_warning()
    }
}

impl<S: Side + Watched> Watched for Recorder<S> {
    fn operate_watched(
        &mut self,
        operation: &LayerOperation,
        fail_node: &Fail,
        watcher: &mut dyn FnMut(&Seen<'_>) -> bool,
    ) -> i32 {
        let log = &mut self.log;
        self.side.operate_watched(operation, fail_node, &mut |seen| {
            match seen.what {
                SeenWhat::Call(call) => log.note(Some(call), seen.result, seen.events),
                SeenWhat::Outside => log.note(None, 0, seen.events),
                SeenWhat::Pages(_) => {}
            }
            watcher(seen)
        })
    }
    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<u32> {
        self.side.mapped(mm, out)
    }
    fn injected(&self) -> u32 {
        self.side.injected()
    }
    fn moves_pages(&self) -> bool {
        self.side.moves_pages()
    }
}
