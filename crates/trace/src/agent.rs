//! What the host and the agent in the guest say to each other over the serial line: one JSON value a line.
//!
//! The agent begins with [`Reply::Ready`]. The host sends a [`Request`]; the agent plays its trace and says
//! [`Reply::Step`] after each operation, and [`Reply::End`] when all its processes are gone. A marked operation, whose
//! allocations the host is going to watch, is enclosed in [`Reply::Before`] and [`Reply::After`]: after either the agent waits
//! for a line.

use serde::{Deserialize, Serialize};

use rmap_seam::dump::Dump;

/// The page of the guest that page 0 of a trace is. Above what `vm.mmap_min_addr` forbids; all pages of a trace lie
/// below the agent's own memory, which a position-independent executable has above 0x5555_5555_4000.
pub const FIRST_PAGE: u64 = 0x1_0000;

/// What the host asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// A trace in its text form.
    pub trace: String,
    /// The operations whose allocations the host watches, from 0.
    pub marked: Vec<usize>,
}

/// What the agent says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is up.
    Ready(Kernel),
    /// A marked operation comes next.
    Before(usize),
    /// It is over.
    After(usize),
    /// An operation is done.
    Step {
        /// Which, from 0.
        step: usize,
        /// What the system call returned: 0, or an errno.
        errno: i32,
        /// The graph from then on; none: it is as it was.
        dump: Option<Dump>,
    },
    /// The trace is over and its processes are gone.
    End,
    /// It cannot go on.
    Error(String),
}

/// What the agent found out about the kernel that it runs on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Kernel {
    /// `uname -r`
    pub release: String,
    /// Where the function is that allocates from a slab cache.
    pub kmem_cache_alloc: u64,
    /// The caches of vm_area_struct, anon_vma and anon_vma_chain.
    pub caches: [u64; 3],
}
