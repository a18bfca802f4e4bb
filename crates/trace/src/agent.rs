//! What the host and the agent in the guest send each other over the serial line. Each line is one JSON value.
//!
//! The agent begins with [`Reply::Ready`]. The host sends a [`Request`]. The agent runs its trace, and sends
//! [`Reply::Step`] after each operation and [`Reply::End`] when all its processes are gone. The host watches the
//! allocations of a marked operation. The agent sends [`Reply::Before`] before it and [`Reply::After`] after it, and after
//! each of the two it waits for a line.

use serde::{Deserialize, Serialize};

use rmap_seam::dump::Dump;

/// The page of the guest at which page 0 of a trace lies. It is above the limit of `vm.mmap_min_addr`. All pages of a trace lie
/// below the agent's own memory, because a position-independent executable is loaded above 0x5555_5555_4000.
pub const FIRST_PAGE: u64 = 0x1_0000;

/// What the host sends: a trace to run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// A trace in its text form.
    pub trace: String,
    /// The operations whose allocations the host watches, from 0.
    pub marked: Vec<usize>,
    /// The migrations that are done by soft offlining, from 0.
    pub soft_offlined: Vec<usize>,
    /// Whether dumps have page tables. Then the agent also has the pages of a fault accessed, so that they are written to.
    pub pages: bool,
    /// Whether a process writes something new to memory each time; otherwise it writes 0.
    pub contents: bool,
}

/// What the agent sends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The agent is ready.
    Ready(Kernel),
    /// A marked operation comes next.
    Before(usize),
    /// The marked operation is over.
    After(usize),
    /// An operation is done.
    Step {
        /// Which, from 0.
        step: usize,
        /// What the system call returned: 0, or an errno.
        errno: i32,
        /// The state after the operation; none: it did not change.
        dump: Option<Dump>,
    },
    /// The trace is over and its processes are gone.
    End,
    /// The agent cannot continue.
    Error(String),
}

/// What the agent found out about the kernel that it runs on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Kernel {
    /// `uname -r`
    pub release: String,
    /// The address of the function that allocates from a slab cache.
    pub kmem_cache_alloc: u64,
    /// The addresses of the caches of vm_area_struct, anon_vma and anon_vma_chain.
    pub caches: [u64; 3],
    /// Whether it has zswap: a page is then out of memory once it is swapped out, whatever is in it.
    pub zswap: bool,
    /// Whether it has `CONFIG_MEMORY_FAILURE`.
    pub memory_failure: bool,
    /// Whether it has `CONFIG_USERFAULTFD`.
    pub userfaultfd: bool,
    /// Whether it has `CONFIG_MEM_SOFT_DIRTY`.
    pub soft_dirty: bool,
}
