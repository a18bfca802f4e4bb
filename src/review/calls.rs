//! What a side did in an operation, kept for afterwards: each call, with the place of its VMA.

use rustc_hash::FxHashMap;

use crate::rmap::{Call, Event, MmId, VmaId};
use crate::trace::Log;

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

/// What a side did in the last operation.
#[derive(Debug, Default)]
pub struct Calls {
    made: Vec<Made>,
    events: Vec<Event>,
    places: FxHashMap<VmaId, Place>,
}

impl Log for Calls {
    fn begin(&mut self) {
        self.made.clear();
        self.events.clear();
    }

    fn note(&mut self, call: Option<Call>, result: i32, events: &[Event], _: Option<&str>) {
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

impl Calls {
    /// In order: each call with its events.
    pub fn made(&self) -> impl Iterator<Item = (&Made, &[Event])> + '_ {
        self.made.iter().map(|made| (made, &self.events[made.begin..made.end]))
    }
}
