//! One entry of a page table of x86-64, by its bits alone (arch/x86/include/asm: pgtable_types.h, pgtable_64.h and
//! pgtable-invert.h). What it leads to is read elsewhere.

use crate::memory::PAGE_SHIFT;

const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const DIRTY: u64 = 1 << 6;
/// Of a higher level: it maps a large page. Of the lowest: something else.
const LARGE: u64 = 1 << 7;
const PROTNONE: u64 = 1 << 8;
const SPECIAL: u64 = 1 << 9;
/// `_PAGE_UFFD_WP`
const UFFD: u64 = 1 << 10;
/// `_PAGE_SOFT_DIRTY`, which no entry has if the kernel lacks the option; nor the next.
const SOFT_DIRTY: u64 = 1 << 11;
/// The dirty bit of what is not writable, where there are shadow stacks.
const SAVED_DIRTY: u64 = 1 << 58;
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// `_PAGE_SWP_SOFT_DIRTY`
const SWAP_SOFT_DIRTY: u64 = 1 << 1;
/// `_PAGE_SWP_UFFD_WP`
const SWAP_UFFD: u64 = 1 << 2;
/// `_PAGE_SWP_EXCLUSIVE`
const SWAP_EXCLUSIVE: u64 = 1 << 3;
/// The type is in the highest 5 bits, and the offset, with each bit inverted, is in those from bit 9 on.
const SWAP_TYPE_BITS: u32 = 5;
const SWAP_OFFSET_BIT: u32 = 9;

/// Where an entry of the lowest level leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leads {
    /// To a frame, by number.
    Frame(u64),
    /// To a frame that nobody counts, such as the zero page.
    Special,
    /// To nothing that is present: type and offset of a swap entry.
    Absent { kind: u64, offset: u64 },
}

/// What an entry of the lowest level says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    pub leads: Leads,
    pub writable: bool,
    pub dirty: bool,
    /// Of an absent one alone.
    pub exclusive: bool,
    pub uffd: bool,
    pub soft_dirty: bool,
}

impl Entry {
    /// Of an entry that is not 0.
    pub fn of(word: u64) -> Entry {
        let has = |bits: u64| word & bits != 0;
        if !has(PRESENT | PROTNONE) {
            let kind = word >> (u64::BITS - SWAP_TYPE_BITS);
            let offset = !word << SWAP_TYPE_BITS >> (SWAP_TYPE_BITS + SWAP_OFFSET_BIT);
            let leads = Leads::Absent { kind, offset };
            return Entry {
                leads,
                writable: false,
                dirty: false,
                exclusive: has(SWAP_EXCLUSIVE),
                uffd: has(SWAP_UFFD),
                soft_dirty: has(SWAP_SOFT_DIRTY),
            };
        }
        // That of memory without access has its bits inverted.
        let frame = if has(PRESENT) { word } else { !word };
        Entry {
            leads: if has(SPECIAL) { Leads::Special } else { Leads::Frame((frame & FRAME) >> PAGE_SHIFT) },
            writable: has(WRITE),
            dirty: has(DIRTY | SAVED_DIRTY),
            exclusive: false,
            uffd: has(UFFD),
            soft_dirty: has(SOFT_DIRTY),
        }
    }
}

/// What an entry of a higher level is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upper {
    /// It leads to a table, at this physical address.
    Table(u64),
    /// It maps a large page: the entry of the lowest level that would map the first page of it.
    Large(u64),
    /// Something that no trace makes.
    Other,
}

impl Upper {
    /// Of an entry that is not 0.
    pub fn of(word: u64) -> Upper {
        match (word & PRESENT != 0, word & LARGE != 0) {
            (true, false) => Upper::Table(word & FRAME),
            (true, true) => Upper::Large(word & !LARGE),
            (false, _) => Upper::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel puts an absent entry together (`__swp_entry()`).
    fn absent(kind: u64, offset: u64) -> u64 {
        (!offset & ((1 << 50) - 1)) << 9 | kind << 59
    }

    const PLAIN: Entry = Entry {
        leads: Leads::Frame(0x1234),
        writable: false,
        dirty: false,
        exclusive: false,
        uffd: false,
        soft_dirty: false,
    };

    #[test]
    fn each_bit_of_a_present_entry_says_one_thing() {
        // Not executable, accessed, and of user space, none of which is told.
        let word = 1 << 63 | 0x1234 << 12 | 1 << 5 | 1 << 2 | 1;
        assert_eq!(Entry::of(word), PLAIN);
        let with = [
            (1 << 1, Entry { writable: true, ..PLAIN }),
            (1 << 6, Entry { dirty: true, ..PLAIN }),
            (1 << 58, Entry { dirty: true, ..PLAIN }),
            (1 << 10, Entry { uffd: true, ..PLAIN }),
            (1 << 11, Entry { soft_dirty: true, ..PLAIN }),
            (1 << 9, Entry { leads: Leads::Special, ..PLAIN }),
        ];
        for (bit, entry) in with {
            assert_eq!(Entry::of(word | bit), entry, "{bit:#x}");
        }
        assert_eq!(Entry::of(!(0x1234 << 12) & FRAME | PROTNONE), PLAIN, "memory without access");
    }

    #[test]
    fn an_absent_entry_has_a_type_an_offset_and_bits_of_its_own() {
        for (kind, offset) in [(0, 0), (0, 1), (3, 0x7fff), (23, 0x1f_ffff), (31, (1 << 50) - 1)] {
            let leads = Leads::Absent { kind, offset };
            let plain = Entry { leads, ..PLAIN };
            let word = absent(kind, offset);
            assert_eq!(Entry::of(word), plain);
            assert_eq!(Entry::of(word | 1 << 1), Entry { soft_dirty: true, ..plain });
            assert_eq!(Entry::of(word | 1 << 2), Entry { uffd: true, ..plain });
            assert_eq!(Entry::of(word | 1 << 3), Entry { exclusive: true, ..plain });
        }
    }

    #[test]
    fn an_entry_of_a_higher_level_is_a_table_or_a_large_page() {
        assert_eq!(Upper::of(0x5000 | 0x67), Upper::Table(0x5000));
        let Upper::Large(first) = Upper::of(0x20_0000 | 0x67 | LARGE) else { panic!("a large page") };
        assert_eq!(Entry::of(first), Entry { leads: Leads::Frame(0x200), writable: true, dirty: true, ..PLAIN });
        assert_eq!(Upper::of(absent(29, 0x200)), Upper::Other);
    }
}
