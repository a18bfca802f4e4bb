//! What a side does inside one call: the events that the stubs, or the port, record.

use std::fmt;

use super::abi;
use super::page_table::{Entry, FolioFound};

macro_rules! byte_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $value:ident $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = abi::$value as u8),* }

        impl $name {
            /// Every value, in numeric order.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The value with this number in the C interface.
            pub fn from_u8(value: u8) -> Option<Self> {
                match value { $(v if v == $name::$variant as u8 => Some($name::$variant),)* _ => None }
            }

            /// As it is written in a report.
            #[inline]
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
        Vma = RMAP_CACHE_VMA "vm_area_struct",
        /// `anon_vma`
        AnonVma = RMAP_CACHE_ANON_VMA "anon_vma",
        /// `anon_vma_chain`
        Avc = RMAP_CACHE_AVC "anon_vma_chain",
    }
}

byte_enum! {
    /// An entry point of the rmap code whose enter and exit are observed, whoever calls it.
    Function {
        /// `__anon_vma_prepare()`
        Prepare = RMAP_FUNCTION_PREPARE "__anon_vma_prepare",
        /// `anon_vma_clone()`
        Clone = RMAP_FUNCTION_CLONE "anon_vma_clone",
        /// `anon_vma_fork()`
        Fork = RMAP_FUNCTION_FORK "anon_vma_fork",
        /// `unlink_anon_vmas()`
        Unlink = RMAP_FUNCTION_UNLINK "unlink_anon_vmas",
    }
}

byte_enum! {
    /// A rule that the stubs check. If one is broken, that is always a violation.
    Rule {
        /// A sleeping allocation or `might_sleep()` under an anon_vma lock, a spinlock or RCU.
        SleepInAtomic = RMAP_RULE_SLEEP_IN_ATOMIC "sleeps in atomic context",
        /// An interval tree was changed without its root's write lock.
        TreeUnlocked = RMAP_RULE_TREE_UNLOCKED "tree changed without the root's write lock",
        /// A free of an object that was never allocated, or was already freed.
        DoubleFree = RMAP_RULE_DOUBLE_FREE "double free",
        /// An object was freed to a cache that it did not come from.
        ForeignFree = RMAP_RULE_FOREIGN_FREE "free of a foreign object",
        /// The task released a lock that was not held.
        UnbalancedUnlock = RMAP_RULE_UNBALANCED_UNLOCK "unlock of a lock not held",
        /// The task took a lock that it already holds.
        SelfDeadlock = RMAP_RULE_SELF_DEADLOCK "lock already held by this task",
        /// A lock is held when the call returns.
        LockHeldOnReturn = RMAP_RULE_LOCK_HELD_ON_RETURN "lock held on return",
        /// An RCU read section is open when the call returns.
        RcuHeldOnReturn = RMAP_RULE_RCU_HELD_ON_RETURN "RCU read section open on return",
        /// `mmap_assert_locked()` or `mmap_assert_write_locked()` failed.
        MmapLockNotHeld = RMAP_RULE_MMAP_LOCK_NOT_HELD "mmap lock not held",
        /// An anon_vma was freed while its rwsem was held.
        FreedWhileLocked = RMAP_RULE_FREED_WHILE_LOCKED "freed while locked",
        /// A reference was dropped on a count of zero.
        RefUnderflow = RMAP_RULE_REF_UNDERFLOW "reference count underflow",
        /// A freed object was locked, counted, linked or freed.
        UseAfterFree = RMAP_RULE_USE_AFTER_FREE "use after free",
        /// No process is left, but `object` nodes of maple trees are still allocated.
        NodesLeft = RMAP_RULE_NODES_LEFT "maple tree nodes left",
        /// A page or a page table is free while a TLB may still lead there, from page `object`.
        FreedBeforeFlush = RMAP_RULE_FREED_BEFORE_FLUSH "freed before the TLB was flushed",
        /// An operation has ended, and a TLB may still hold what the entry of page `object` was.
        NotFlushed = RMAP_RULE_NOT_FLUSHED "TLB not flushed",
        /// Secondary MMUs are told that a range changes, and never that it has changed, or the other way round.
        NotifierUnpaired = RMAP_RULE_NOTIFIER_UNPAIRED "MMU notifier without its counterpart",
        /// Asked in which VMA page `object` is mapped, and where, the kernel does not say what the page tables do.
        OtherAddress = RMAP_RULE_OTHER_ADDRESS "page found at another address than it is mapped at",
        /// Page `object` was written back, and who asks by its frame finds it writable or dirty.
        LeftByWriteback = RMAP_RULE_LEFT_BY_WRITEBACK "page left writable or dirty by writeback",
        /// Page `object` is written out while a TLB may still let a process write to it.
        WrittenBeforeFlush = RMAP_RULE_WRITTEN_BEFORE_FLUSH "written out before the TLB was flushed",
        /// A mapping was removed, and folio `object` is marked partially mapped then: all of it is mapped, or nothing.
        NotPartiallyMapped = RMAP_RULE_NOT_PARTIALLY_MAPPED "folio marked partially mapped that is not",
        /// A driver asks for page `object`, and is refused what it may have, or given what it may not have or not as it should.
        DeviceAnswer = RMAP_RULE_DEVICE_ANSWER "wrong answer to who wants a page for a device",
        /// A page table is free, and its entry of page `object` was not cleared.
        TableNotEmpty = RMAP_RULE_TABLE_NOT_EMPTY "page table freed with entries in it",
        /// The page table that begins at page `object` goes with its range, and a VMA there is still in the reverse map.
        TableStillFound = RMAP_RULE_TABLE_STILL_FOUND "page table freed before its VMAs left the reverse map",
        /// A fault has mapped page `object`, and its entry does not say that it was used.
        FaultedOld = RMAP_RULE_FAULTED_OLD "page faulted in that does not count as used",
        /// Anonymous folio `object` is freed, and was never put on an LRU list; or a folio is put there twice.
        Lru = RMAP_RULE_LRU "anonymous folio that was not put on an LRU list once",
        /// The kernel reads a frame's number from an entry that is not present, as if it were. What the entry names is frame
        /// `object`.
        FrameOfAbsent = RMAP_RULE_FRAME_OF_ABSENT "frame number of an entry that is not present",
        /// At page `object` the entry of a device is taken for that of a migration.
        DeviceMigrated = RMAP_RULE_DEVICE_MIGRATED "entry of a device taken for that of a migration",
        /// Where another task could run, folio `object` is mapped, and its anon_vma is freed or another one.
        MappedAndGone = RMAP_RULE_MAPPED_AND_GONE "mapped folio whose anon_vma is gone",
        /// A task leaves an RCU read section with the lock of anon_vma `object`, which is freed.
        LockOfGone = RMAP_RULE_LOCK_OF_GONE "lock of a freed anon_vma behind the read section",
        /// `vma_assert_write_locked()` failed, of VMA `object`.
        VmaLockNotHeld = RMAP_RULE_VMA_LOCK_NOT_HELD "VMA lock not held",
        /// VMA `object` was freed while a fault held its lock.
        VmaFreedWhileLocked = RMAP_RULE_VMA_FREED_WHILE_LOCKED "VMA freed while locked",
        /// `remove_migration_ptes()` has ended, and an entry still says that folio `object` migrates.
        MigrationLeft = RMAP_RULE_MIGRATION_LEFT "migration entry left behind",
        /// `try_to_migrate()` or `try_to_unmap()` has ended, and page `object`, mapped before and ever since, is mapped still.
        MappingMissed = RMAP_RULE_MAPPING_MISSED "mapping missed by a walk",
        /// A task waits for the mmap lock with a lock of a VMA, a file or an anon_vma, for that of a VMA with one of a file or an
        /// anon_vma, or for that of a file with one of an anon_vma.
        LockOrder = RMAP_RULE_LOCK_ORDER "locks taken out of order",
        /// The entry of page `object` is written, and the lock of its page table is not held.
        EntryUnlocked = RMAP_RULE_ENTRY_UNLOCKED "entry written without the lock of its page table",
        /// The tree of the VMAs that map a file is changed, and its lock is not held for writing.
        FileTreeUnlocked = RMAP_RULE_FILE_TREE_UNLOCKED "tree of a file changed without its lock",
        /// VMA `object`, which others may find, was changed by somebody who had not got its lock for writing.
        VmaChangedUnlocked = RMAP_RULE_VMA_CHANGED_UNLOCKED "VMA changed without its lock",
        /// Nobody has the lock of anon_vma `object`, and an entry of its tree is freed, another's, or of a freed VMA, or it is no
        /// interval tree, or its root or parent is freed or has another root.
        TreeUnsettled = RMAP_RULE_TREE_UNSETTLED "tree left half changed without its lock",
        /// Nobody has the lock of anon_vma `object`, and its counters do not match its VMAs or its children.
        CountersUnsettled = RMAP_RULE_COUNTERS_UNSETTLED "counters of an anon_vma left wrong without its lock",
        /// Anon_vma `object` has fewer references than its VMAs, the anon_vmas below it and the tasks that found it need.
        ReferenceMissing = RMAP_RULE_REFERENCE_MISSING "fewer references to an anon_vma than are in use",
        /// Nobody may be changing VMA `object`, and it is not on its anon_vma and all above that.
        ChainUnsettled = RMAP_RULE_CHAIN_UNSETTLED "chain of a VMA left half changed without its lock",
        /// Nobody may be changing VMA `object`, nor another one with its anon_vma, and that is of another mm or on other anon_vmas.
        ChainsDiffer = RMAP_RULE_CHAINS_DIFFER "VMAs with one anon_vma on different anon_vmas, or of two processes",
    }
}

impl Rule {
    /// Whether it is asked wherever one of several tasks might be switched, whichever call runs there (csrc/pages/settled.h).
    pub fn is_asked_at_points(self) -> bool {
        matches!(
            self,
            Rule::MappedAndGone
                | Rule::TreeUnsettled
                | Rule::CountersUnsettled
                | Rule::ReferenceMissing
                | Rule::ChainUnsettled
                | Rule::ChainsDiffer
        )
    }
}

byte_enum! {
    /// A statistic of the node.
    NodeStat {
        /// `NR_ANON_MAPPED`
        AnonMapped = RMAP_STAT_ANON_MAPPED "NR_ANON_MAPPED",
        /// `NR_FILE_MAPPED`
        FileMapped = RMAP_STAT_FILE_MAPPED "NR_FILE_MAPPED",
        /// `NR_ANON_THPS`
        AnonThps = RMAP_STAT_ANON_THPS "NR_ANON_THPS",
        /// `NR_FOLL_PIN_ACQUIRED`
        PinAcquired = RMAP_STAT_PIN_ACQUIRED "NR_FOLL_PIN_ACQUIRED",
        /// `NR_FOLL_PIN_RELEASED`
        PinReleased = RMAP_STAT_PIN_RELEASED "NR_FOLL_PIN_RELEASED",
        /// One that has no name here.
        Other = RMAP_STAT_OTHER "another statistic",
    }
}

byte_enum! {
    /// What a flush is of.
    FlushKind {
        /// Some pages of an mm.
        Pages = RMAP_FLUSH_PAGES "flush",
        /// Nothing yet: it is put off.
        PutOff = RMAP_FLUSH_PUT_OFF "flush put off",
        /// All pages of an mm.
        Mm = RMAP_FLUSH_MM "flush of an mm",
        /// Every flush that was put off.
        Batch = RMAP_FLUSH_BATCH "flush of what was put off",
    }
}

byte_enum! {
    /// A counter of an mm.
    MmCounter {
        /// `MM_FILEPAGES`
        FilePages = RMAP_COUNTER_FILE_PAGES "MM_FILEPAGES",
        /// `MM_ANONPAGES`
        AnonPages = RMAP_COUNTER_ANON_PAGES "MM_ANONPAGES",
        /// `MM_SWAPENTS`
        SwapEntries = RMAP_COUNTER_SWAP_ENTRIES "MM_SWAPENTS",
        /// `MM_SHMEMPAGES`
        ShmemPages = RMAP_COUNTER_SHMEM_PAGES "MM_SHMEMPAGES",
    }
}

byte_enum! {
    /// The kind of an event. Each kind says what `arg`, `flags`, `object` and `other` mean; a field that it does
    /// not name is 0.
    EventKind {
        /// An allocation attempt: `arg` cache, `flags` GFP, `object` serial, or `u32::MAX` if it failed.
        Alloc = RMAP_EVENT_ALLOC "alloc",
        /// A free: `arg` cache, `object` serial.
        Free = RMAP_EVENT_FREE "free",
        /// `down_write()` of the rwsem of anon_vma `object`.
        DownWrite = RMAP_EVENT_DOWN_WRITE "down_write",
        /// `up_write()` of the rwsem of anon_vma `object`.
        UpWrite = RMAP_EVENT_UP_WRITE "up_write",
        /// `down_read()` of the rwsem of anon_vma `object`.
        DownRead = RMAP_EVENT_DOWN_READ "down_read",
        /// `up_read()` of the rwsem of anon_vma `object`.
        UpRead = RMAP_EVENT_UP_READ "up_read",
        /// `down_read_trylock()` or `down_write_trylock()` (`arg` 1): `flags` 1 if taken.
        Trylock = RMAP_EVENT_TRYLOCK "trylock",
        /// `spin_lock()` of the page_table_lock of mm `object`.
        SpinLock = RMAP_EVENT_SPIN_LOCK "spin_lock",
        /// `spin_unlock()` of the page_table_lock of mm `object`.
        SpinUnlock = RMAP_EVENT_SPIN_UNLOCK "spin_unlock",
        /// A reference on anon_vma `object` is taken.
        Get = RMAP_EVENT_GET "get",
        /// A reference on anon_vma `object` is dropped: `flags` 1 if it was the last.
        Put = RMAP_EVENT_PUT "put",
        /// Entry point `arg` begins on vma `object` (`other`: source or parent vma, else
        /// `u32::MAX`). `flags` bit 0: `object` has an anon_vma; bit 1: its chain is not empty.
        Enter = RMAP_EVENT_ENTER "enter",
        /// Entry point `arg` returns on vma `object`; `flags` is the errno or 0.
        Exit = RMAP_EVENT_EXIT "exit",
        /// avc `other` enters the tree of anon_vma `object`.
        TreeInsert = RMAP_EVENT_TREE_INSERT "tree_insert",
        /// avc `other` leaves the tree of anon_vma `object`.
        TreeRemove = RMAP_EVENT_TREE_REMOVE "tree_remove",
        /// A WARN fired.
        Warn = RMAP_EVENT_WARN "WARN",
        /// A BUG fired: the call ended there.
        Bug = RMAP_EVENT_BUG "BUG",
        /// A wild or NULL pointer was followed: the call ended there.
        Oops = RMAP_EVENT_OOPS "oops",
        /// Rule `arg` was broken; `object` the anon_vma or other serial concerned, or `u32::MAX`.
        Rule = RMAP_EVENT_RULE "rule",
        /// An rmap walk visits page `other` of vma `object`.
        Visit = RMAP_EVENT_VISIT "visit",
        /// avc `other` stays in the tree of anon_vma `object`, and its last page offset may have changed (after 7.3).
        TreeUpdate = RMAP_EVENT_TREE_UPDATE "tree_update",
        /// Statistic `arg` of the node changes by `object`, a signed number of pages. That happens outside of calls too.
        Stat = RMAP_EVENT_STAT "stat",
        /// `mlock_folio()` of folio `object`.
        Mlock = RMAP_EVENT_MLOCK "mlock_folio",
        /// `munlock_folio()` of folio `object`.
        Munlock = RMAP_EVENT_MUNLOCK "munlock_folio",
        /// A walk writes the page table entry of page `other` of mm `arg`: `flags` the bits of an [`Entry`](super::Entry),
        /// `object` its number.
        Entry = RMAP_EVENT_ENTRY "entry",
        /// TLBs of mm `arg` are flushed: `flags` a [`FlushKind`]; if that is of pages, `other` of them from `object` on.
        /// That happens outside of calls too.
        Flush = RMAP_EVENT_FLUSH "flush",
        /// `mmu_notifier_invalidate_range_start()` or `_end()` (`arg` 1): of `other` pages from `object` on.
        Notify = RMAP_EVENT_NOTIFY "notify",
        /// Counter `flags` of mm `arg` changes by `object`, a signed number.
        Counter = RMAP_EVENT_COUNTER "counter",
        /// An entry more names slot `object` of the swap device, or one less (`arg` 1).
        Slot = RMAP_EVENT_SLOT "slot",
        /// `i_mmap_trylock_read()` of file `object`; `flags` 1: it was taken.
        FileTrylock = RMAP_EVENT_FILE_TRYLOCK "i_mmap_trylock_read",
        /// `i_mmap_lock_read()` of file `object`.
        FileDownRead = RMAP_EVENT_FILE_DOWN_READ "i_mmap_lock_read",
        /// `i_mmap_unlock_read()` of file `object`.
        FileUpRead = RMAP_EVENT_FILE_UP_READ "i_mmap_unlock_read",
        /// A walk leaves folio `object` with `other` references; `flags` are the bits of
        /// [`FolioFound`](super::FolioFound), and `arg` those from bit 16 on.
        Left = RMAP_EVENT_LEFT "left",
        /// A walk says that VMAs with the flags `other`, of [`VmaAttributes`](super::VmaAttributes), used folio `object`.
        UsedBy = RMAP_EVENT_USED_BY "used_by",
        /// A walk asks whether some of `other` pages of mm `arg` were used, from page `object` on, and clears their accessed bits.
        Young = RMAP_EVENT_YOUNG "young",
    }
}

/// GFP flags of an allocation. The bits are those of this project, because they differ between kernels.
pub struct Gfp;

impl Gfp {
    /// `__GFP_DIRECT_RECLAIM`: the allocation may sleep.
    pub const DIRECT_RECLAIM: u16 = abi::RMAP_GFP_DIRECT_RECLAIM as u16;
    /// `__GFP_KSWAPD_RECLAIM`
    pub const KSWAPD_RECLAIM: u16 = abi::RMAP_GFP_KSWAPD_RECLAIM as u16;
    /// `__GFP_IO`
    pub const IO: u16 = abi::RMAP_GFP_IO as u16;
    /// `__GFP_FS`
    pub const FS: u16 = abi::RMAP_GFP_FS as u16;
    /// `__GFP_NOWARN`
    pub const NOWARN: u16 = abi::RMAP_GFP_NOWARN as u16;
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

/// One event. It has the layout of `struct rmap_event` in csrc/rmap_abi.h, so that two lists of events can be
/// compared as memory.
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
    pub const HAS_ANON_VMA: u16 = abi::RMAP_ENTER_HAS_ANON_VMA as u16;
    /// Flag of [`EventKind::Enter`]: the VMA's chain is not empty.
    pub const HAS_CHAIN: u16 = abi::RMAP_ENTER_HAS_CHAIN as u16;

    /// A new event.
    pub fn new(kind: EventKind, arg: u8, flags: u16, object: u32, other: u32) -> Self {
        Event { kind: kind as u8, arg, flags, object, other }
    }

    /// The kind, if it is a known one.
    #[inline]
    pub fn kind(&self) -> Option<EventKind> {
        EventKind::from_u8(self.kind)
    }

    /// Of [`EventKind::Flush`]: what is flushed.
    #[inline]
    pub fn flush_kind(&self) -> Option<FlushKind> {
        FlushKind::from_u8(u8::try_from(self.flags).ok()?)
    }

    /// Whether this event alone makes the call a violation: a broken rule, a WARN, a BUG, an oops.
    #[inline]
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
            EventKind::TreeInsert | EventKind::TreeRemove | EventKind::TreeUpdate => {
                write!(f, "{kind} avc{} anon_vma{}", self.other, self.object)
            }
            EventKind::Stat => {
                let stat = NodeStat::from_u8(self.arg).map_or("?", NodeStat::name);
                write!(f, "{stat} {:+}", self.object.cast_signed())
            }
            EventKind::FileTrylock => {
                write!(f, "{kind} file {} {}", self.object, if self.flags == 1 { "taken" } else { "busy" })
            }
            EventKind::FileDownRead | EventKind::FileUpRead => write!(f, "{kind} file {}", self.object),
            EventKind::Mlock | EventKind::Munlock => write!(f, "{kind} folio{}", self.object),
            EventKind::Visit => write!(f, "visit vma{} {:#x}", self.object, self.other),
            EventKind::Entry => {
                let entry = Entry { bits: self.flags.into(), number: self.object };
                write!(f, "entry p{} {:#x}: {entry}", self.arg, self.other)
            }
            EventKind::Flush => match self.flush_kind() {
                Some(FlushKind::PutOff) => write!(f, "flush p{} put off", self.arg),
                Some(FlushKind::Mm) => write!(f, "flush p{} all pages", self.arg),
                Some(kind @ FlushKind::Batch) => write!(f, "{kind}"),
                Some(FlushKind::Pages) | None => {
                    write!(f, "flush p{} {:#x} pages {}", self.arg, self.object, self.other)
                }
            },
            EventKind::Notify => {
                let when = if self.arg == 1 { "end" } else { "start" };
                write!(f, "notify {when} {:#x} pages {}", self.object, self.other)
            }
            EventKind::Counter => {
                let counter = MmCounter::from_u8(self.flags as u8).map_or("?", MmCounter::name);
                write!(f, "p{} {counter} {:+}", self.arg, self.object.cast_signed())
            }
            EventKind::Slot => {
                let how = if self.arg == 1 { "dropped" } else { "taken" };
                write!(f, "slot {} {how}", self.object)
            }
            EventKind::Left => {
                let bits = u32::from(self.flags) | u32::from(self.arg) << 16;
                let found = FolioFound { bits, references: self.other, ..FolioFound::default() };
                write!(f, "folio{} left with {found}", self.object)
            }
            EventKind::Young => write!(f, "young? p{} {:#x} pages {}", self.arg, self.object, self.other),
            EventKind::UsedBy => write!(f, "folio{} used by VMAs with flags {:#x}", self.object, self.other),
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
