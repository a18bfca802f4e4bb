//! What a side does inside one call: the events that the stubs, or the port, record.

use std::fmt;

macro_rules! byte_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $value:literal $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $value),* }

        impl $name {
            /// Every value, in numeric order.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// From the number that crosses the C interface.
            pub fn from_u8(value: u8) -> Option<Self> {
                match value { $($value => Some($name::$variant),)* _ => None }
            }

            /// As it is written in a report.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

byte_enum! {
    /// A slab cache whose attempts are counted.
    Cache {
        /// `vm_area_struct`
        Vma = 0 "vm_area_struct",
        /// `anon_vma`
        AnonVma = 1 "anon_vma",
        /// `anon_vma_chain`
        Avc = 2 "anon_vma_chain",
    }
}

byte_enum! {
    /// An entry point of the rmap code whose enter and exit are observed, whoever calls it.
    Function {
        /// `__anon_vma_prepare()`
        Prepare = 0 "__anon_vma_prepare",
        /// `anon_vma_clone()`
        Clone = 1 "anon_vma_clone",
        /// `anon_vma_fork()`
        Fork = 2 "anon_vma_fork",
        /// `unlink_anon_vmas()`
        Unlink = 3 "unlink_anon_vmas",
    }
}

byte_enum! {
    /// A rule of the stubs that was broken: always a violation.
    Rule {
        /// A sleeping allocation or `might_sleep()` under an anon_vma lock, a spinlock or RCU.
        SleepInAtomic = 1 "sleeps in atomic context",
        /// An interval tree was changed without its root's write lock.
        TreeUnlocked = 2 "tree changed without the root's write lock",
        /// An object was freed that was not allocated (any more).
        DoubleFree = 3 "double free",
        /// An object was freed to a cache that it is not from.
        ForeignFree = 4 "free of a foreign object",
        /// A lock was released that was not held.
        UnbalancedUnlock = 5 "unlock of a lock not held",
        /// A lock was taken that the task holds already.
        SelfDeadlock = 6 "lock already held by this task",
        /// A lock is held when the call returns.
        LockHeldOnReturn = 7 "lock held on return",
        /// An RCU read section is open when the call returns.
        RcuHeldOnReturn = 8 "RCU read section open on return",
        /// `mmap_assert_locked()` or `mmap_assert_write_locked()` failed.
        MmapLockNotHeld = 9 "mmap lock not held",
        /// An anon_vma was freed while its rwsem was held.
        FreedWhileLocked = 10 "freed while locked",
        /// A reference was dropped on a count of zero.
        RefUnderflow = 11 "reference count underflow",
        /// A freed object was locked, counted, linked or freed.
        UseAfterFree = 12 "use after free",
        /// No process is left, but nodes of maple trees are: `object` of them.
        NodesLeft = 13 "maple tree nodes left",
    }
}

byte_enum! {
    /// What kind of event. The meaning of `arg`, `flags`, `object` and `other` is given with each; what
    /// is not named is 0.
    EventKind {
        /// An allocation attempt: `arg` cache, `flags` GFP, `object` serial, or `u32::MAX` if it failed.
        Alloc = 1 "alloc",
        /// A free: `arg` cache, `object` serial.
        Free = 2 "free",
        /// `down_write()` of the rwsem of anon_vma `object`.
        DownWrite = 3 "down_write",
        /// `up_write()` of the rwsem of anon_vma `object`.
        UpWrite = 4 "up_write",
        /// `down_read()` of the rwsem of anon_vma `object`.
        DownRead = 5 "down_read",
        /// `up_read()` of the rwsem of anon_vma `object`.
        UpRead = 6 "up_read",
        /// `down_read_trylock()` or `down_write_trylock()` (`arg` 1): `flags` 1 if taken.
        Trylock = 7 "trylock",
        /// `spin_lock()` of the page_table_lock of mm `object`.
        SpinLock = 8 "spin_lock",
        /// `spin_unlock()` of the page_table_lock of mm `object`.
        SpinUnlock = 9 "spin_unlock",
        /// A reference on anon_vma `object` is taken.
        Get = 10 "get",
        /// A reference on anon_vma `object` is dropped: `flags` 1 if it was the last.
        Put = 11 "put",
        /// Entry point `arg` begins on vma `object` (`other`: source or parent vma, else
        /// `u32::MAX`). `flags` bit 0: `object` has an anon_vma; bit 1: its chain is not empty.
        Enter = 12 "enter",
        /// Entry point `arg` returns on vma `object`; `flags` is the errno or 0.
        Exit = 13 "exit",
        /// avc `other` enters the tree of anon_vma `object`.
        TreeInsert = 14 "tree_insert",
        /// avc `other` leaves the tree of anon_vma `object`.
        TreeRemove = 15 "tree_remove",
        /// A WARN fired.
        Warn = 16 "WARN",
        /// A BUG fired: the call ended there.
        Bug = 17 "BUG",
        /// A wild or NULL pointer was followed: the call ended there.
        Oops = 18 "oops",
        /// Rule `arg` was broken; `object` the anon_vma or other serial concerned, or `u32::MAX`.
        Rule = 19 "rule",
        /// An rmap walk comes to page `other` of vma `object`.
        Visit = 20 "visit",
    }
}

/// GFP flags of an allocation, as bits of our own: the trees number theirs differently.
pub struct Gfp;

impl Gfp {
    /// `__GFP_DIRECT_RECLAIM`: the allocation may sleep.
    pub const DIRECT_RECLAIM: u16 = 1;
    /// `__GFP_KSWAPD_RECLAIM`
    pub const KSWAPD_RECLAIM: u16 = 2;
    /// `__GFP_IO`
    pub const IO: u16 = 4;
    /// `__GFP_FS`
    pub const FS: u16 = 8;
    /// `__GFP_NOWARN`
    pub const NOWARN: u16 = 16;
    /// `GFP_KERNEL`
    pub const KERNEL: u16 = Self::DIRECT_RECLAIM | Self::KSWAPD_RECLAIM | Self::IO | Self::FS;
    /// `GFP_NOWAIT | __GFP_NOWARN`
    pub const NOWAIT_NOWARN: u16 = Self::KSWAPD_RECLAIM | Self::NOWARN;

    /// As it is written in a report.
    pub fn name(flags: u16) -> String {
        match flags {
            Self::KERNEL => "GFP_KERNEL".into(),
            Self::NOWAIT_NOWARN => "GFP_NOWAIT|__GFP_NOWARN".into(),
            Self::KSWAPD_RECLAIM => "GFP_NOWAIT".into(),
            other => format!("gfp {other:#x}"),
        }
    }
}

/// One event. Laid out as the C records it (`struct rmap_event` in csrc/rmap_abi.h), so that
/// two event lists compare as memory does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Event {
    /// An [`EventKind`].
    pub kind: u8,
    /// See [`EventKind`].
    pub arg: u8,
    /// See [`EventKind`].
    pub flags: u16,
    /// See [`EventKind`].
    pub object: u32,
    /// See [`EventKind`].
    pub other: u32,
}

impl Event {
    /// No object.
    pub const NONE: u32 = u32::MAX;

    /// Flag of [`EventKind::Enter`]: the VMA has an anon_vma.
    pub const HAS_ANON_VMA: u16 = 1;
    /// Flag of [`EventKind::Enter`]: the VMA's chain is not empty.
    pub const HAS_CHAIN: u16 = 2;

    /// A new event.
    pub fn new(kind: EventKind, arg: u8, flags: u16, object: u32, other: u32) -> Self {
        Event { kind: kind as u8, arg, flags, object, other }
    }

    /// The kind, if it is a known one.
    pub fn kind(&self) -> Option<EventKind> {
        EventKind::from_u8(self.kind)
    }

    /// Whether this event alone makes the call a violation: a broken rule, a WARN, a BUG, an oops.
    pub fn is_violation(&self) -> bool {
        (EventKind::Warn as u8..=EventKind::Rule as u8).contains(&self.kind)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(kind) = self.kind() else {
            return write!(f, "unknown event {}", self.kind);
        };
        let cache = || Cache::from_u8(self.arg).map_or("?", Cache::name);
        let function = || Function::from_u8(self.arg).map_or("?", Function::name);
        match kind {
            EventKind::Alloc => {
                write!(f, "alloc {} {}", cache(), Gfp::name(self.flags))?;
                match self.object {
                    Self::NONE => write!(f, " fails"),
                    id => write!(f, " #{id}"),
                }
            }
            EventKind::Free => write!(f, "free {} #{}", cache(), self.object),
            EventKind::DownWrite | EventKind::UpWrite | EventKind::DownRead | EventKind::UpRead | EventKind::Get => {
                write!(f, "{kind} anon_vma{}", self.object)
            }
            EventKind::Trylock => {
                let mode = if self.arg == 1 { "write" } else { "read" };
                let how = if self.flags == 1 { "taken" } else { "busy" };
                write!(f, "trylock {mode} anon_vma{} {how}", self.object)
            }
            EventKind::SpinLock | EventKind::SpinUnlock => write!(f, "{kind} p{} page_table_lock", self.object),
            EventKind::Put => {
                let last = if self.flags == 1 { " to zero" } else { "" };
                write!(f, "put anon_vma{}{last}", self.object)
            }
            EventKind::Enter => {
                write!(f, "enter {}(vma{}", function(), self.object)?;
                if self.other != Self::NONE {
                    write!(f, ", vma{}", self.other)?;
                }
                let anon_vma = if self.flags & Self::HAS_ANON_VMA != 0 { "anon_vma" } else { "no anon_vma" };
                let chain = if self.flags & Self::HAS_CHAIN != 0 { "chain" } else { "no chain" };
                write!(f, ") [{anon_vma}, {chain}]")
            }
            EventKind::Exit => {
                write!(f, "exit {}(vma{}) = ", function(), self.object)?;
                match self.flags {
                    0 => write!(f, "0"),
                    errno => write!(f, "-{}", super::errno_name(i32::from(errno))),
                }
            }
            EventKind::TreeInsert | EventKind::TreeRemove => {
                write!(f, "{kind} avc{} anon_vma{}", self.other, self.object)
            }
            EventKind::Visit => write!(f, "visit vma{} {:#x}", self.object, self.other),
            EventKind::Warn | EventKind::Bug | EventKind::Oops => write!(f, "{kind}"),
            EventKind::Rule => {
                write!(f, "rule broken: {}", Rule::from_u8(self.arg).map_or("?", Rule::name))?;
                if self.object != Self::NONE {
                    write!(f, " (#{})", self.object)?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
