//! Operations that run together: how a side follows the calls of several tasks, point by point.
//!
//! The followed side is the master. It says who goes on, and what came of it; the follower stops where it would have to let others
//! go on, and never schedules.

use super::abi;
use super::{Call, Event, FolioFound};

/// What a task is about to do where another may go on, by the numbers of csrc/rmap_abi.h.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Point {
    /// What: one of the constants below.
    pub kind: u8,
    /// To what: one of the constants below.
    pub of: u8,
    /// The number of the object, or [`Event::NONE`].
    pub object: u32,
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident = $value:ident,)*) => {
        impl Point { $($(#[$doc])* pub const $name: u8 = abi::$value as u8;)* }
    };
}

numbers! {
    /// A lock that it may have to wait for.
    LOCK = RMAP_POINT_LOCK,
    /// The lock is given back.
    UNLOCK = RMAP_POINT_UNLOCK,
    /// A lock that it gets or does not.
    TRYLOCK = RMAP_POINT_TRYLOCK,
    /// An object of a slab cache.
    ALLOC = RMAP_POINT_ALLOC,
    /// The object goes back.
    FREE = RMAP_POINT_FREE,
    /// A reference is taken.
    GET = RMAP_POINT_GET,
    /// A reference is dropped.
    PUT = RMAP_POINT_PUT,
    /// `rcu_read_lock()`
    RCU = RMAP_POINT_RCU,
    /// `rcu_read_unlock()`
    UNRCU = RMAP_POINT_UNRCU,
    /// Whether a folio is mapped is read.
    READ = RMAP_POINT_READ,
    /// To nothing that has a name.
    OF_NONE = RMAP_POINT_OF_NONE,
    /// To an anon_vma: its lock, its count, itself.
    OF_ANON_VMA = RMAP_POINT_OF_ANON_VMA,
    /// To a chain entry.
    OF_AVC = RMAP_POINT_OF_AVC,
    /// To a VMA.
    OF_VMA = RMAP_POINT_OF_VMA,
    /// To the spinlock of an mm.
    OF_PAGE_TABLE = RMAP_POINT_OF_PAGE_TABLE,
    /// To a folio: its mapcount.
    OF_FOLIO = RMAP_POINT_OF_FOLIO,
    /// To the lock of the VMAs that map a file.
    OF_FILE = RMAP_POINT_OF_FILE,
}

impl Point {
    /// A point about that object.
    pub fn new(kind: u8, of: u8, object: u32) -> Point {
        Point { kind, of, object }
    }
}

/// Where a follower stops in a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    /// It is about to do something that the followed side comes to as a point, too.
    At(Point),
    /// A walk is about to look at entries of a page table. The lock of that is the page-table code's, which the follower has not.
    Entries,
    /// A walk has done with a VMA.
    LeftVma,
    /// A walk needs the next VMA that has a page of a file. The tree of these is the VMA code's, which the follower has not.
    NextVma,
    /// The call is over, with this result.
    Returned(i32),
}

/// What the followed side has done in a call, for what the follower cannot know by itself.
#[derive(Clone, Copy, Default, Debug)]
pub struct Told<'a> {
    /// Its events so far.
    pub events: &'a [Event],
    /// What the folio that is walked was when a page table was locked last.
    pub found: Option<FolioFound>,
    /// It looked at no entries: there is no page table.
    pub no_entries: bool,
    /// Its call is over.
    pub returned: bool,
}

/// A side that follows operations that run together. Each is a task, by its number from 0.
pub trait Follower {
    /// Makes a call at once, of a task, or of none if all have ended.
    fn call(&mut self, task: Option<usize>, call: Call) -> i32;

    /// Begins a call of a task that is in none: it goes on until it comes to a pause.
    fn begin(&mut self, task: usize, call: Call) -> Pause;

    /// Lets the call of a task go on to its next pause.
    fn resume(&mut self, task: usize, told: &Told<'_>) -> Pause;

    /// That task is asked about from now on, and not the one that went on last.
    fn switch_to(&mut self, task: Option<usize>);

    /// The events of the present call, or of the last one, of the task that went on last.
    fn events(&self) -> &[Event];
}
