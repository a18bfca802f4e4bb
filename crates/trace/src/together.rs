//! Sections: operations that run together, each as a task of its own, and the schedule of their tasks.
//!
//! The text form has them between `together` and `end`. The operations are tasks `a`, `b`, `c` in their order. `at` lines say where
//! another task goes on: `at a trylock b` when a is about to do its first trylock. Every list of them is a schedule, on every kernel:
//! a line whose point never comes is passed over.

use std::fmt;

use super::{Op, OpKind};
use rmap_seam::MmId;

/// The largest number of tasks of a section.
pub const MAX_TASKS: usize = 3;

/// Some operations of a trace that run together, and when another of them goes on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Section {
    /// The first of its operations, an index into [`Trace::ops`](super::Trace::ops).
    pub first: usize,
    /// How many operations it has: 2 to [`MAX_TASKS`].
    pub tasks: usize,
    /// Where tasks are switched, in order.
    pub switches: Vec<Switch>,
    /// Whether loads and stores of the kernel's text are points, too, where a build tells them. The text form does not have it:
    /// there it is so if a line names one.
    pub accesses: bool,
}

impl Section {
    /// Loads and stores are points if a switch is at one.
    pub fn new(first: usize, tasks: usize, switches: Vec<Switch>) -> Section {
        let accesses = switches.iter().any(Switch::is_at_access);
        Section { first, tasks, switches, accesses }
    }

    /// Its operations, as indices.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.tasks
    }
}

/// `at TASK POINT [N] [OBJECT] TASK`
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Switch {
    /// Whose point it is, from 0.
    pub task: usize,
    /// What it is about to do; none: anything that is in [`PointKind::ALL`].
    pub point: Option<PointKind>,
    /// To what; none: to anything.
    pub object: Option<PointObject>,
    /// The how manyth time since the section began, from 1.
    pub nth: u32,
    /// Who goes on.
    pub next: usize,
}

impl Switch {
    /// Whether it is at a load or a store of the kernel's text.
    pub fn is_at_access(&self) -> bool {
        self.point.is_some_and(|point| PointKind::FINER.contains(&point))
    }

    /// Whether it is about such a point.
    pub fn is_of(&self, kind: PointKind, object: PointObject) -> bool {
        self.point.map_or(kind.is_ahead(), |point| point == kind) && self.object.is_none_or(|of| of == object)
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} {}", task_name(self.task), self.point.map_or(STEP, PointKind::name))?;
        if self.nth != 1 {
            write!(f, " {}", self.nth)?;
        }
        if let Some(object) = self.object {
            write!(f, " {}", object.name())?;
        }
        write!(f, " {}", task_name(self.next))
    }
}

/// The word for a point of any kind.
pub const STEP: &str = "step";

/// The letter of a task, from 0.
pub fn task_name(task: usize) -> char {
    (b'a' + task as u8) as char
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident $word:literal,)* }
        beside { $($(#[$beside_of:meta])* $beside:ident $beside_word:literal,)* }
        $(finer { $($(#[$fine_of:meta])* $fine:ident $fine_word:literal,)* })?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$of])* $variant,)* $($(#[$beside_of])* $beside,)* $($($(#[$fine_of])* $fine,)*)? }

        impl $name {
            /// All that a task can be about to do or do it to, in the order of their numbers.
            pub const ALL: &[$name] = &[$($name::$variant),*];
            /// The others.
            pub(crate) const BESIDE: &[$name] = &[$($name::$beside),*];
            /// What only some builds tell.
            pub const FINER: &[$name] = &[$($($name::$fine),*)?];

            /// As the text form has it.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $word,)* $($name::$beside => $beside_word,)* $($($name::$fine => $fine_word,)*)? }
            }

            /// The one of a word.
            pub fn of(word: &str) -> Option<$name> {
                $name::ALL.iter().chain($name::BESIDE).chain($name::FINER).copied().find(|one| one.name() == word)
            }
        }
    };
}

words! {
    /// What a task is about to do where it may be switched.
    PointKind {
        /// A lock that it may have to wait for.
        Lock "lock",
        /// The lock is given back.
        Unlock "unlock",
        /// A lock that it gets or does not.
        TryLock "trylock",
        /// An object of a slab cache.
        Alloc "alloc",
        /// The object goes back.
        Free "free",
        /// A reference is taken (`atomic_inc()`, `atomic_inc_not_zero()`), or a mapcount goes up.
        Get "get",
        /// A reference is dropped (`atomic_dec_and_test()`), or a mapcount goes down.
        Put "put",
        /// `rcu_read_lock()`
        Rcu "rcu",
        /// `rcu_read_unlock()`
        Unrcu "unrcu",
        /// Whether a folio is mapped is read.
        Read "read",
        /// `cond_resched()`, as between the VMAs of a walk.
        Resched "resched",
    } beside {
        /// It has come to where it waits for another task.
        Wait "wait",
        /// Its operation has ended.
        End "end",
    } finer {
        /// A load in the kernel's text, marked or not.
        Load "load",
        /// A store there.
        Store "store",
    }
}

impl PointKind {
    /// Whether the task is about to do something, and could go on unless it has to wait; loads and stores do not count.
    pub fn is_ahead(self) -> bool {
        PointKind::ALL.contains(&self)
    }
}

words! {
    /// To what a task does it.
    PointObject {
        /// To nothing that has a name.
        None "none",
        /// An anon_vma: its lock, its count, itself.
        AnonVma "anon_vma",
        /// A chain entry.
        Avc "anon_vma_chain",
        /// A VMA: its lock, itself.
        Vma "vma",
        /// The mmap lock of a process.
        Mmap "mmap",
        /// The spinlock of an mm (`page_table_lock`).
        PageTable "page_table",
        /// A folio: its lock, its mapcount.
        Folio "folio",
        /// The lock of the VMAs that map a file (`i_mmap_rwsem`).
        File "file",
        /// The lock of a page table, under which its entries are written.
        Pte "pte",
    } beside {}
}

/// Why an operation cannot run beside the others of a section; none: it can.
///
/// An operation of a process uses its mm, as system calls and faults do, so that the mm does not end meanwhile. Reclaim, migration and
/// walks come to a page from outside.
pub fn why_not_together(ops: &[Op]) -> Option<(usize, String)> {
    for (at, op) in ops.iter().enumerate() {
        if let OpKind::Fault { order: 1.., .. } = op.kind {
            return Some((at, "a fault that brings in a folio of several pages cannot run beside others".to_owned()));
        }
        if user_of(&op.kind).is_none() {
            let known = TOGETHER.join(", ");
            return Some((at, format!("{} cannot run beside others; these can: {known}", op.kind.keyword())));
        }
        let ends = match op.kind {
            OpKind::Exit { mm } => Some((mm, "ends")),
            OpKind::Fork { child, .. } => Some((child, "begins")),
            _ => None,
        };
        let Some((mm, what)) = ends else { continue };
        let uses = |other: &Op| match user_of(&other.kind) {
            _ if std::ptr::eq(other, op) => false,
            Some(User::Process(user)) => user == mm || child_of(&other.kind) == Some(mm),
            Some(User::Outside(page_of)) => what == "begins" && page_of == mm,
            None => false,
        };
        if let Some(other) = ops.iter().position(uses) {
            let place = at.max(other);
            return Some((place, format!("p{} {what} in this section: nothing else of it can run there", mm.0)));
        }
    }
    None
}

/// The operations that can be tasks of a section.
pub const TOGETHER: [&str; 12] =
    ["fault", "fork", "map", "unmap", "protect", "move", "exit", "dontneed", "walk", "age", "swapout", "migrate"];

enum User {
    /// A process does it itself.
    Process(MmId),
    /// Somebody else does it to a page that is found there.
    Outside(MmId),
}

fn child_of(op: &OpKind) -> Option<MmId> {
    match *op {
        OpKind::Fork { child, .. } => Some(child),
        _ => None,
    }
}

fn user_of(op: &OpKind) -> Option<User> {
    match *op {
        // A folio of several pages, and what its mapping counts, is for one task yet.
        OpKind::Fault { mm, order: 0, .. }
        | OpKind::Map { mm, .. }
        | OpKind::Unmap { mm, .. }
        | OpKind::Protect { mm, .. }
        | OpKind::Move { mm, .. }
        | OpKind::Exit { mm }
        | OpKind::DontNeed { mm, .. } => Some(User::Process(mm)),
        OpKind::Fork { parent, .. } => Some(User::Process(parent)),
        OpKind::Walk { mm, .. } | OpKind::Age { mm, .. } | OpKind::SwapOut { mm, .. } | OpKind::Migrate { mm, .. } => {
            Some(User::Outside(mm))
        }
        _ => None,
    }
}
