//! Where another task may go on. A call that is made at once passes these places by, at no cost; one that is followed point by
//! point runs in a coroutine of its own, which hands the port back there.

use std::mem::swap;

use corosensei::Yielder;

use super::Port;
use super::arena::{Ref, Stop};
use super::objects::{AnonVma, Vma};
use rmap_seam::{Event, EventKind, FolioFound, FolioId, Pause, Point, VmaId};

/// How a call is made.
pub trait Hooks: Sized {
    /// Whether other tasks may go on in the middle of the call.
    const BESIDE_OTHERS: bool;

    /// The call is at a place where another task may go on.
    fn pause(port: &mut Port<Self>, pause: Pause);
}

/// Calls are made at once.
pub struct Alone;

impl Hooks for Alone {
    const BESIDE_OTHERS: bool = false;

    #[inline(always)]
    fn pause(_: &mut Port<Alone>, _: Pause) {}
}

/// How a call in a coroutine gives the port back, and gets it again.
pub(super) type PortYielder = Yielder<Box<Port>, (Box<Port>, Pause)>;

/// The call is one of several tasks', in a coroutine that takes the port, and gives it back wherever it stops.
pub struct Beside<'a> {
    yielder: &'a PortYielder,
    /// Where the port was, and is again when the call stops or ends. None while it is there.
    home: Option<Box<Port>>,
}

impl<'a> Port<Beside<'a>> {
    /// The port, in a call of its own.
    pub(super) fn away_from(mut home: Box<Port>, yielder: &'a PortYielder) -> Self {
        let mut port = Port::empty(home.revision, Beside { yielder, home: None });
        port.swap_worlds(&mut home);
        port.hooks.home = Some(home);
        port
    }

    /// The call has ended.
    pub(super) fn go_home(mut self) -> Box<Port> {
        let mut home = self.take_home();
        self.swap_worlds(&mut home);
        home
    }

    fn take_home(&mut self) -> Box<Port> {
        self.hooks.home.take().expect("a call that goes on has the port")
    }
}

impl Hooks for Beside<'_> {
    const BESIDE_OTHERS: bool = true;

    fn pause(port: &mut Port<Self>, pause: Pause) {
        let mut home = port.take_home();
        port.swap_worlds(&mut home);
        let mut home = port.hooks.yielder.suspend((home, pause));
        port.swap_worlds(&mut home);
        port.hooks.home = Some(home);
    }
}

/// What a task knows of the side that it follows, as of when it was let go on.
#[derive(Default)]
pub(super) struct Followed {
    /// The events that it has not had itself yet.
    events: Vec<Event>,
    /// The number of the first of them.
    first: usize,
    /// What the folio that is walked was when a page table was locked last.
    pub found: Option<FolioFound>,
    /// There is no page table.
    pub no_entries: bool,
    /// The call of the other side is over.
    pub returned: bool,
}

impl Followed {
    /// Takes in what it has done, of which the task itself has had so many events.
    pub fn take_in(&mut self, told: &rmap_seam::Told<'_>, had: usize) {
        self.events.clear();
        self.events.extend_from_slice(told.events.get(had..).unwrap_or_default());
        self.first = had;
        (self.found, self.no_entries, self.returned) = (told.found, told.no_entries, told.returned);
    }
}

impl<H: Hooks> Port<H> {
    /// Each has what the other had, and keeps its way to make calls.
    fn swap_worlds<K>(&mut self, other: &mut Port<K>) {
        let Port {
            revision,
            vmas,
            anon_vmas,
            avcs,
            vma_slots,
            anon_vma_slots,
            anon_vma_notes,
            orphans,
            calls,
            folios,
            page_tables,
            pins,
            task,
            hooks: _,
            gone_large: _,
            order: _,
            entries: _,
        } = other;
        swap(&mut self.revision, revision);
        swap(&mut self.vmas, vmas);
        swap(&mut self.anon_vmas, anon_vmas);
        swap(&mut self.avcs, avcs);
        swap(&mut self.vma_slots, vma_slots);
        swap(&mut self.anon_vma_slots, anon_vma_slots);
        swap(&mut self.anon_vma_notes, anon_vma_notes);
        swap(&mut self.orphans, orphans);
        swap(&mut self.calls, calls);
        swap(&mut self.folios, folios);
        swap(&mut self.page_tables, page_tables);
        swap(&mut self.pins, pins);
        swap(&mut self.task, task);
    }

    /// The task is about to do something that others can see.
    #[inline(always)]
    pub(super) fn point(&mut self, kind: u8, of: u8, object: u32) {
        H::pause(self, Pause::At(Point::new(kind, of, object)));
    }

    /// It is about to do something with an anon_vma that may have been freed since it was found.
    #[inline(always)]
    pub(super) fn point_of(&mut self, kind: u8, anon_vma: Ref<AnonVma>) {
        let serial = self.present(anon_vma).serial;
        self.point(kind, Point::OF_ANON_VMA, serial);
    }

    /// Mirrors `rcu_read_lock()`.
    #[inline(always)]
    pub(super) fn rcu_read_lock(&mut self) {
        self.point(Point::RCU, Point::OF_NONE, Event::NONE);
    }

    /// Mirrors `rcu_read_unlock()`.
    #[inline(always)]
    pub(super) fn rcu_read_unlock(&mut self) {
        self.point(Point::UNRCU, Point::OF_NONE, Event::NONE);
    }

    /// Whether a folio is mapped, which a call that is made at once was told.
    pub(super) fn folio_mapped(&mut self, folio: FolioId, told: bool) -> Result<bool, Stop> {
        if !H::BESIDE_OTHERS {
            return Ok(told);
        }
        Ok(self.read_mapcount(folio)? > 0)
    }

    /// The other side's next event, if it is of a kind.
    pub(super) fn told_next(&self, kind: EventKind) -> Option<Event> {
        let followed = &self.task.followed;
        let next = self.task.observed.events().len().checked_sub(followed.first)?;
        followed.events.get(next).copied().filter(|event| event.kind == kind as u8)
    }

    /// A walk is about to look at the entries of a page table: whether there is one.
    pub(super) fn look_at_entries(&mut self) -> bool {
        H::pause(self, Pause::Entries);
        !(H::BESIDE_OTHERS && self.task.followed.no_entries)
    }

    /// What the folio that is walked is now, as far as others may have changed it.
    pub(super) fn refresh(&mut self, found: &mut FolioFound) {
        if H::BESIDE_OTHERS
            && let Some(now) = self.task.followed.found.take()
        {
            *found = now;
        }
    }

    /// The next VMA of a file that the walk of the other side comes to, and where.
    pub(super) fn next_told_visit(&mut self) -> Result<Option<(Ref<Vma>, u64)>, Stop> {
        H::pause(self, Pause::NextVma);
        let Some(visit) = self.told_next(EventKind::Visit) else { return Ok(None) };
        Ok(Some((self.vma_named(VmaId(visit.object))?, visit.other.into())))
    }
}
