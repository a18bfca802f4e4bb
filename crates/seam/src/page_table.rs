//! What page tables hold, and what a walk of a folio's mappings is given and may do.

use std::fmt;

use super::abi;

/// A page table entry of the lowest level.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Entry {
    /// The bits below; 0: there is none.
    pub bits: u32,
    /// A frame, or a slot of the swap device.
    pub number: u32,
}

impl Entry {
    /// No entry.
    pub const NONE: Entry = Entry { bits: 0, number: 0 };
    /// No entry of a huge page any more.
    pub const HUGE_NONE: Entry = Entry { bits: Self::HUGE, number: 0 };

    /// `pte_present()`
    pub const PRESENT: u32 = abi::RMAP_ENTRY_PRESENT as u32;
    /// `pte_write()`, or `is_writable_migration_entry()`
    pub const WRITE: u32 = abi::RMAP_ENTRY_WRITE as u32;
    /// `pte_dirty()`, or `is_migration_entry_dirty()`
    pub const DIRTY: u32 = abi::RMAP_ENTRY_DIRTY as u32;
    /// `pte_young()`, or `is_migration_entry_young()`
    pub const ACCESSED: u32 = abi::RMAP_ENTRY_ACCESSED as u32;
    /// It is of the swap device.
    pub const SWAP: u32 = abi::RMAP_ENTRY_SWAP as u32;
    /// It is of a page that is being migrated.
    pub const MIGRATION: u32 = abi::RMAP_ENTRY_MIGRATION as u32;
    /// `pte_swp_exclusive()`, or `is_readable_exclusive_migration_entry()`
    pub const EXCLUSIVE: u32 = abi::RMAP_ENTRY_SWAP_EXCLUSIVE as u32;
    /// It is present for the kernel alone.
    pub const NO_ACCESS: u32 = abi::RMAP_ENTRY_NO_ACCESS as u32;

    /// A device has the page for itself.
    pub const DEVICE: u32 = abi::RMAP_ENTRY_DEVICE as u32;

    /// It maps the zero page.
    pub const ZERO: u32 = abi::RMAP_ENTRY_ZERO as u32;
    /// It is of the level above the lowest, and stands for all pages of a page table. Alone: it is gone.
    pub const HUGE: u32 = abi::RMAP_ENTRY_HUGE as u32;
    /// `pte_uffd()` (`pte_uffd_wp()` until 7.2): userfaultfd has write-protected it.
    pub const UFFD: u32 = abi::RMAP_ENTRY_UFFD as u32;
    /// `is_hwpoison_entry()`: the memory of its page has failed.
    pub const POISON: u32 = abi::RMAP_ENTRY_POISON as u32;

    /// `pte_soft_dirty()`, or `pte_swp_soft_dirty()`
    pub const SOFT_DIRTY: u32 = abi::RMAP_ENTRY_SOFT_DIRTY as u32;

    const NAMES: [(u32, &str); 12] = [
        (Self::HUGE, " huge"),
        (Self::MIGRATION, " migration"),
        (Self::DEVICE, " device"),
        (Self::POISON, " poison"),
        (Self::ZERO, " zero"),
        (Self::WRITE, " write"),
        (Self::DIRTY, " dirty"),
        (Self::ACCESSED, " accessed"),
        (Self::EXCLUSIVE, " exclusive"),
        (Self::NO_ACCESS, " none"),
        (Self::UFFD, " uffd"),
        (Self::SOFT_DIRTY, " soft-dirty"),
    ];

    /// Whether it has all of these bits.
    pub fn has(self, bits: u32) -> bool {
        self.bits & bits == bits
    }

    /// What it is, without the number: `present write dirty`.
    pub fn kind(self) -> String {
        let what = match self.bits {
            0 | Self::HUGE => "none",
            _ if self.has(Self::SWAP) => "swap",
            _ if self.bits & (Self::MIGRATION | Self::DEVICE | Self::POISON) != 0 => "",
            _ => "present",
        };
        format!("{what}{}", self.names()).trim_start().to_owned()
    }

    fn names(self) -> String {
        Self::NAMES.iter().filter(|(bit, _)| self.bits & bit != 0).map(|(_, name)| *name).collect()
    }
}

/// `frame 5 write dirty`
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == 0 || self == &Self::HUGE_NONE {
            return f.write_str(if self.bits == 0 { "none" } else { "none huge" });
        }
        let what = if self.has(Self::SWAP) { "slot" } else { "frame" };
        write!(f, "{what} {}{}", self.number, self.names())
    }
}

/// What a walk is to do: flags of `enum ttu_flags` (include/linux/rmap.h).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct WalkFlags(pub u32);

impl WalkFlags {
    /// `TTU_SPLIT_HUGE_PMD`
    pub const SPLIT_HUGE_PMD: u32 = abi::RMAP_TTU_SPLIT_HUGE_PMD as u32;
    /// `TTU_IGNORE_MLOCK`
    pub const IGNORE_MLOCK: u32 = abi::RMAP_TTU_IGNORE_MLOCK as u32;
    /// `TTU_HWPOISON`
    pub const HWPOISON: u32 = abi::RMAP_TTU_HWPOISON as u32;
    /// `TTU_BATCH_FLUSH`
    pub const BATCH_FLUSH: u32 = abi::RMAP_TTU_BATCH_FLUSH as u32;
    /// `TTU_RMAP_LOCKED`
    pub const RMAP_LOCKED: u32 = abi::RMAP_TTU_RMAP_LOCKED as u32;

    /// `TTU_USE_SHARED_ZEROPAGE`, or `RMP_USE_SHARED_ZEROPAGE`
    pub const USE_SHARED_ZEROPAGE: u32 = abi::RMAP_TTU_USE_SHARED_ZEROPAGE as u32;

    const NAMES: [(u32, &str); 7] = [
        (Self::SPLIT_HUGE_PMD, "TTU_SPLIT_HUGE_PMD"),
        (Self::IGNORE_MLOCK, "TTU_IGNORE_MLOCK"),
        (abi::RMAP_TTU_SYNC as u32, "TTU_SYNC"),
        (Self::HWPOISON, "TTU_HWPOISON"),
        (Self::BATCH_FLUSH, "TTU_BATCH_FLUSH"),
        (Self::RMAP_LOCKED, "TTU_RMAP_LOCKED"),
        (Self::USE_SHARED_ZEROPAGE, "TTU_USE_SHARED_ZEROPAGE"),
    ];

    /// Whether it has this flag.
    pub fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }
}

/// By their names.
impl fmt::Display for WalkFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        let names = Self::NAMES.iter().filter(|(flag, _)| self.has(*flag)).map(|(_, name)| *name);
        f.write_str(&names.collect::<Vec<_>>().join("|"))
    }
}

/// What a walk finds of the folio that the reverse map does not count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct FolioFound {
    /// The bits below.
    pub bits: u32,
    /// `folio_ref_count()`
    pub references: u32,
    /// The slot of the swap device of its first page, if it is in the swap cache; otherwise 0.
    pub slot: u32,
    /// Number of the file that it is a page of, from 1; 0: of none.
    pub file: u32,
    /// Its page offset in the file; 0 of no file.
    pub index: u64,
    /// Its first page for which `PageHWPoison()` holds, from 1; 0: there is none.
    pub poisoned: u32,
}

impl FolioFound {
    /// `folio_test_dirty()`
    pub const DIRTY: u32 = abi::RMAP_FRAME_DIRTY as u32;
    /// `folio_test_swapbacked()`
    pub const SWAPBACKED: u32 = abi::RMAP_FRAME_SWAPBACKED as u32;
    /// `folio_test_swapcache()`
    pub const SWAPCACHE: u32 = abi::RMAP_FRAME_SWAPCACHE as u32;
    /// `folio_test_locked()`
    pub const LOCKED: u32 = abi::RMAP_FRAME_LOCKED as u32;

    /// `folio_maybe_dma_pinned()`
    pub const PINNED: u32 = abi::RMAP_FRAME_PINNED as u32;
    /// It has one page, which is all 0, and is not locked in memory.
    pub const UNUSED: u32 = abi::RMAP_FRAME_UNUSED as u32;
    /// A flush of TLBs was put off, of this folio or of another: `tlbflush_unmap_batch.flush_required`.
    pub const FLUSH: u32 = abi::RMAP_FRAME_FLUSH as u32;
    /// One of an entry that was written to: `tlbflush_unmap_batch.writable`.
    pub const FLUSH_DIRTY: u32 = abi::RMAP_FRAME_FLUSH_DIRTY as u32;

    /// Whether it has this bit.
    pub fn has(self, bit: u32) -> bool {
        self.bits & bit != 0
    }
}

/// `2 references dirty swapbacked`
impl fmt::Display for FolioFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} references", self.references)?;
        let names = [
            (Self::DIRTY, " dirty"),
            (Self::SWAPBACKED, " swapbacked"),
            (Self::SWAPCACHE, " swapcache"),
            (Self::LOCKED, " locked"),
            (Self::PINNED, " pinned"),
            (Self::UNUSED, " unused"),
            (Self::FLUSH, " flush"),
            (Self::FLUSH_DIRTY, " flush-dirty"),
        ];
        names.iter().filter(|(bit, _)| self.has(*bit)).try_for_each(|(_, name)| f.write_str(name))?;
        if self.slot != 0 {
            write!(f, " slot {}", self.slot)?;
        }
        if self.poisoned != 0 {
            write!(f, " poisoned {}", self.poisoned - 1)?;
        }
        if self.file != 0 { write!(f, " file {} page {:#x}", self.file - 1, self.index) } else { Ok(()) }
    }
}
