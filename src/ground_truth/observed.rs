//! What is seen of a run after each step, of the userland run and of the booted kernel alike.

use crate::rmap::Cache;
use crate::rmap::dump::Dump;

/// One attempt to allocate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// From which cache.
    pub cache: Cache,
    /// Whether it was made to fail.
    pub failed: bool,
}

/// What is to be seen of a side after an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// What it returned: 0 or an errno.
    pub errno: i32,
    /// The graph from then on.
    pub dump: Dump,
    /// The attempts to allocate a VMA, an anon_vma or a chain entry, if they were watched.
    pub attempts: Option<Vec<Attempt>>,
    /// What the kernel warned of, or died of.
    pub warnings: Vec<String>,
}

impl Observed {
    /// Forgets which pages have the same content.
    pub fn without_contents(mut self) -> Observed {
        for frame in self.dump.pages.iter_mut().flat_map(|pages| &mut pages.frames) {
            if let Some(anon) = &mut frame.anon {
                anon.content = 0;
            }
        }
        self
    }
}
