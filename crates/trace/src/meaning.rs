//! What an operation must have done to the memory of its process: the column `means` of the table of operations.

/// How pages are mapped, as far as operations say it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryKind {
    /// `VM_WRITE`
    pub writable: bool,
    /// Of memory that maps a file: how far a page's offset in the file is from the page's own number (modulo 2^64).
    pub file: Option<u64>,
    /// `VM_DONTCOPY`
    pub dontcopy: bool,
    /// `VM_WIPEONFORK`
    pub wipeonfork: bool,
    /// `VM_NORESERVE`
    pub noreserve: bool,
    /// `VM_LOCKED`
    pub locked: bool,
    /// `VM_SHARED`
    pub shared: bool,
    /// `VM_UFFD_WP`
    pub uffd: bool,
}

/// What an operation that succeeds does to the memory of its process. Ranges are a first page and one past the last.
#[derive(Clone, Copy, Debug)]
pub enum Meaning {
    /// A range in which nothing was mapped becomes memory of that kind.
    New(u64, u64, MemoryKind),
    /// The same, but what is above the range is left alone, even if the two are alike.
    Append(u64, u64, MemoryKind),
    /// A range, all of which is mapped, becomes memory of another kind.
    Change(u64, u64, fn(&mut MemoryKind)),
    /// All memory of the process becomes memory of another kind. If an allocation fails, what comes after it may still change.
    ChangeAll(fn(&mut MemoryKind)),
    /// Something that the driver has an account of.
    Other,
}
