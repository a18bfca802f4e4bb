//! Slots for objects, and references that notice when their object is gone.
//!
//! What the kernel has as slab caches and pointers. A freed slot is given out again, last freed
//! first; the birth serial of the object in it serves as its generation, so that a reference to
//! the former object is told from one to the present.

use std::marker::PhantomData;
use std::num::NonZeroU32;

/// No slot: the NULL of links between slots. 31 bits, so that a colour fits beside it.
pub(super) const NIL: u32 = 0x7fff_ffff;

/// The serial of a slot that holds no object.
pub(super) const FREE: u32 = u32::MAX;

/// Why a call cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// The object of that serial was followed after it was freed.
    UseAfterFree(u32),
    /// A frame's number was read from an entry that is not present, and that names this frame.
    FrameOfAbsent(u32),
    /// A wild or NULL pointer would have been followed: where.
    Oops(&'static str),
    /// `VM_BUG_ON()`: its condition and place.
    Bug(&'static str),
}

/// An object that knows its birth serial.
pub(super) trait Slot {
    /// The birth serial, or [`FREE`].
    fn serial(&self) -> u32;
    /// Marks the slot as holding nothing.
    fn retire(&mut self);
}

/// A pointer to an object: its slot, and its serial to tell it from a later one in the same slot.
pub(super) struct Ref<T> {
    /// One more than the slot, so that an absent reference takes no more room.
    place: NonZeroU32,
    /// Which object is meant.
    pub serial: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Ref<T> {
    /// The object of that serial in that slot.
    #[inline]
    pub fn new(slot: u32, serial: u32) -> Self {
        Ref { place: NonZeroU32::MIN.saturating_add(slot), serial, kind: PhantomData }
    }

    /// Where the object lies.
    #[inline]
    pub fn slot(self) -> u32 {
        self.place.get() - 1
    }
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ref<T> {}

impl<T> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.place, self.serial) == (other.place, other.serial)
    }
}

impl<T> Eq for Ref<T> {}

/// The objects of one cache.
pub(super) struct Arena<T> {
    slots: Vec<T>,
    free: Vec<u32>,
    born: u32,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Arena { slots: Vec::new(), free: Vec::new(), born: 0 }
    }
}

impl<T: Slot> Arena<T> {
    /// Puts in a new object, which is told its serial.
    #[inline]
    pub fn insert(&mut self, object: impl FnOnce(u32) -> T) -> Ref<T> {
        let serial = self.born;
        self.born += 1;
        let object = object(serial);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = object;
                slot
            }
            None => {
                self.slots.push(object);
                self.slots.len() as u32 - 1
            }
        };
        Ref::new(slot, serial)
    }

    /// What was in the slot that the next object gets; none: that slot was never used.
    #[inline]
    pub fn next_free(&self) -> Option<&T> {
        self.free.last().and_then(|slot| self.slots.get(*slot as usize))
    }

    /// Takes an object out.
    #[inline]
    pub fn remove(&mut self, object: Ref<T>) -> Result<(), Stop> {
        self.get_mut(object)?.retire();
        self.free.push(object.slot());
        Ok(())
    }

    /// Follows a reference.
    #[inline]
    pub fn get(&self, object: Ref<T>) -> Result<&T, Stop> {
        match self.slots.get(object.slot() as usize) {
            Some(found) if found.serial() == object.serial => Ok(found),
            _ => Err(Stop::UseAfterFree(object.serial)),
        }
    }

    /// Follows a reference, to write.
    #[inline]
    pub fn get_mut(&mut self, object: Ref<T>) -> Result<&mut T, Stop> {
        match self.slots.get_mut(object.slot() as usize) {
            Some(found) if found.serial() == object.serial => Ok(found),
            _ => Err(Stop::UseAfterFree(object.serial)),
        }
    }

    /// The object in a slot that a list or a tree links to. Those hold live objects only: an
    /// object on one is never freed.
    #[inline]
    pub fn linked(&self, slot: u32) -> &T {
        let object = &self.slots[slot as usize];
        debug_assert_ne!(object.serial(), FREE, "a list or tree links to a free slot");
        object
    }

    /// A reference to the object in a slot that a list or a tree links to.
    #[inline]
    pub fn reference(&self, slot: u32) -> Ref<T> {
        Ref::new(slot, self.linked(slot).serial())
    }

    /// All slots, for the list and tree algorithms.
    #[inline]
    pub fn slots_mut(&mut self) -> &mut [T] {
        &mut self.slots
    }

    /// All slots, live or free.
    pub fn slots(&self) -> &[T] {
        &self.slots
    }

    /// Every live object.
    pub fn iter(&self) -> impl Iterator<Item = (Ref<T>, &T)> {
        let referenced = |(slot, object)| (Ref::new(slot, T::serial(object)), object);
        (0..).zip(&self.slots).filter(|(_, object)| object.serial() != FREE).map(referenced)
    }

    /// How many objects live.
    pub fn live(&self) -> u32 {
        (self.slots.len() - self.free.len()) as u32
    }

    /// Bytes of a record, and of all that is held for records, free ones and room for more included.
    pub fn memory(&self) -> (usize, usize) {
        let held = self.slots.capacity() * size_of::<T>() + self.free.capacity() * size_of::<u32>();
        (size_of::<T>(), held)
    }

    /// Forgets every object; serials start at 0 again. Keeps the memory.
    pub fn reset(&mut self) {
        self.slots.clear();
        self.free.clear();
        self.born = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(u32);

    impl Slot for Thing {
        fn serial(&self) -> u32 {
            self.0
        }
        fn retire(&mut self) {
            self.0 = FREE;
        }
    }

    #[test]
    fn a_reference_does_not_reach_the_next_object_in_its_slot() {
        let mut arena = Arena::default();
        let first = arena.insert(Thing);
        arena.remove(first).unwrap();
        assert_eq!(arena.get(first).map(|_| ()), Err(Stop::UseAfterFree(0)));
        let second = arena.insert(Thing);
        assert_eq!((second.slot(), second.serial), (first.slot(), 1));
        assert_eq!(arena.get(first).map(|_| ()), Err(Stop::UseAfterFree(0)));
        assert_eq!(arena.remove(first), Err(Stop::UseAfterFree(0)));
        assert!(arena.get(second).is_ok());
        assert_eq!(arena.live(), 1);
    }

    #[test]
    fn serials_start_again_after_a_reset() {
        let mut arena = Arena::default();
        arena.insert(Thing);
        let stale = arena.insert(Thing);
        arena.reset();
        assert_eq!(arena.live(), 0);
        assert!(arena.get(stale).is_err());
        assert_eq!(arena.insert(Thing).serial, 0);
    }
}
