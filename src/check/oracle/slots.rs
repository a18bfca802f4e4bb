//! From serials to slots.

use rustc_hash::FxHashMap;

use super::record::NONE;

/// So far beyond the greatest serial so far one still counts as a serial, and not as a word that somebody has written over.
const AHEAD: usize = 1 << 16;

/// The slot of each live object of one kind. Serials are given out one after another, so they index a list; it begins anew with each
/// trace. What is no serial may still be named by a side that is wrong: that has a map.
#[derive(Default)]
pub(super) struct Slots {
    /// [`NONE`]: not live.
    by_serial: Vec<u32>,
    others: FxHashMap<u32, u32>,
    live: usize,
}

impl Slots {
    /// How many are live.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    #[inline]
    pub(super) fn get(&self, serial: u32) -> Option<u32> {
        match self.by_serial.get(serial as usize) {
            Some(&slot) => (slot != NONE).then_some(slot),
            None if self.others.is_empty() => None,
            None => self.others.get(&serial).copied(),
        }
    }

    /// One that was not live is.
    pub(super) fn insert(&mut self, serial: u32, slot: u32) {
        let at = serial as usize;
        self.live += 1;
        if at >= self.by_serial.len() {
            if at - self.by_serial.len() >= AHEAD {
                self.others.insert(serial, slot);
                return;
            }
            self.grow(at + 1);
        }
        self.by_serial[at] = slot;
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        self.by_serial.resize(len, NONE);
        // What was taken for no serial is one after all.
        let by_serial = &mut self.by_serial;
        self.others.retain(|&serial, &mut slot| match by_serial.get_mut(serial as usize) {
            Some(there) => {
                *there = slot;
                false
            }
            None => true,
        });
    }

    pub(super) fn remove(&mut self, serial: u32) -> Option<u32> {
        let slot = match self.by_serial.get_mut(serial as usize) {
            Some(slot) => Some(std::mem::replace(slot, NONE)).filter(|&slot| slot != NONE),
            None => self.others.remove(&serial),
        };
        self.live -= usize::from(slot.is_some());
        slot
    }

    /// Forgets all of them, after `each` was told of it.
    pub(super) fn drain(&mut self, mut each: impl FnMut(u32)) {
        if self.live > 0 {
            self.by_serial.iter().filter(|&&slot| slot != NONE).for_each(|&slot| each(slot));
            self.others.values().for_each(|&slot| each(slot));
        }
        self.by_serial.clear();
        self.others.clear();
        self.live = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;

    use super::*;
    use crate::trace::Rng;

    #[test]
    fn slots_are_a_map_from_serials_whatever_these_are() {
        let mut rng = Rng::new(3);
        let (mut slots, mut map) = (Slots::default(), BTreeMap::new());
        for round in 0..40_000u32 {
            let serial = match rng.below(40) {
                0 => u32::MAX - rng.below(4),
                1 => AHEAD as u32 * rng.below(6) + rng.below(3),
                2 if rng.below(200) == 0 => {
                    let mut drained = Vec::new();
                    slots.drain(|slot| drained.push(slot));
                    drained.sort_unstable();
                    let mut all: Vec<u32> = std::mem::take(&mut map).into_values().collect();
                    all.sort_unstable();
                    assert_eq!(drained, all);
                    continue;
                }
                _ => rng.below(round / 8 + 1),
            };
            if rng.below(3) == 0 {
                assert_eq!(slots.remove(serial), map.remove(&serial));
            } else if let Entry::Vacant(vacant) = map.entry(serial) {
                slots.insert(serial, *vacant.insert(round));
            }
            assert_eq!((slots.get(serial), slots.len()), (map.get(&serial).copied(), map.len()));
            let other = rng.below(round + 1);
            assert_eq!(slots.get(other), map.get(&other).copied());
        }
    }
}
