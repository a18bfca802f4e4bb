//! A side with a log of what it did.

use rmap_seam::{Call, Event, Fail, MmId, Revision, Rmap, Side};

use super::Op;
use super::page_tables::PageTables;
use super::schedule::Scheduler;
use super::vma_layer::{Mapped, MmCounts, Observation, Request, Seen, TaskEnd, Watched};

/// A log of what a side does.
pub trait Log: Default {
    /// An operation begins.
    fn begin(&mut self);
    /// A call was made; none: something happened outside of any call. `warning` is the text of a WARN in it.
    fn note(&mut self, call: Option<Call>, result: i32, events: &[Event], warning: Option<&str>);
}

/// A side and its log.
#[derive(Debug)]
pub struct Recorder<S, L> {
    side: S,
    log: L,
}

impl<S, L: Log> Recorder<S, L> {
    /// A recorder with an empty log.
    pub fn new(side: S) -> Self {
        Recorder { side, log: L::default() }
    }

    /// The side.
    pub fn side(&self) -> &S {
        &self.side
    }

    /// The log.
    pub fn log(&self) -> &L {
        &self.log
    }
}

impl<S: Side, L: Log> Rmap for Recorder<S, L> {
    fn revision(&self) -> Revision {
        self.side.revision()
    }
    fn begin_operation(&mut self, fail: &Fail) {
        self.log.begin();
        self.side.begin_operation(fail);
    }
    fn attempts(&self) -> u32 {
        self.side.attempts()
    }
    fn call(&mut self, call: Call) -> i32 {
        let result = self.side.call(call);
        let events = self.side.events();
        let warning = if events.iter().any(Event::is_violation) { self.side.last_warning() } else { None };
        self.log.note(Some(call), result, events, warning.as_deref());
        result
    }
}

impl<S: Side, L: Log> Side for Recorder<S, L> {
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
        self.log = L::default();
        self.side.reset();
    }
    fn last_warning(&self) -> Option<String> {
        self.side.last_warning()
    }
}

impl<S: Side + Watched, L: Log> Watched for Recorder<S, L> {
    fn operate_watched(&mut self, request: &Request<'_>, watcher: &mut dyn FnMut(&Seen<'_>) -> bool) -> i32 {
        let log = &mut self.log;
        self.side.operate_watched(request, &mut |seen| {
            match seen.what {
                Observation::Call(call) => log.note(Some(call), seen.result, seen.events, seen.warning),
                Observation::Outside => log.note(None, 0, seen.events, seen.warning),
                Observation::Pages(_) => {}
            }
            watcher(seen)
        })
    }
    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts> {
        self.side.mapped(mm, out)
    }
    fn injected(&self) -> u32 {
        self.side.injected()
    }
    fn moves_pages(&self) -> bool {
        self.side.moves_pages()
    }
    fn merges_either_way(&self) -> bool {
        self.side.merges_either_way()
    }
    fn page_tables(&mut self, out: &mut PageTables) -> Option<bool> {
        self.side.page_tables(out)
    }
    fn changed_page_tables(&mut self, out: &mut PageTables) -> Option<bool> {
        self.side.changed_page_tables(out)
    }
    fn page_table_words(&mut self, out: &mut Vec<u64>) -> Option<bool> {
        self.side.page_table_words(out)
    }
    fn has_page_tables(&self) -> bool {
        self.side.has_page_tables()
    }
    fn fail_pages(&mut self, fail: &Fail) {
        self.side.fail_pages(fail);
    }
    fn run_together(
        &mut self,
        ops: &[Op],
        scheduler: &mut Scheduler<'_>,
        watcher: &mut dyn FnMut(&Seen<'_>) -> bool,
    ) -> Option<Vec<TaskEnd>> {
        self.side.run_together(ops, scheduler, watcher)
    }
}
