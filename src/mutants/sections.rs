//! Sections written by hand, for mutants whose race needs more switches than random schedules find in a hunt. A hunt plays
//! them when its random traces have found nothing.

use crate::trace::Trace;

/// Their texts. Most name the points of 7.x; on another kernel a line may be passed over.
const TEXTS: [&str; 23] = [
    // Two faults prepare one VMA: the slower one has its own anon_vma, and has not yet got its lock.
    "\
map p0 0x10..0x12
together
  fault p0 0x10
  fault p0 0x11
  at a lock anon_vma b
end
",
    // Likewise, and it is about to take the lock that keeps threads apart.
    "\
map p0 0x20..0x21
fault p0 0x20
map p0 0x10..0x12
together
  fault p0 0x10
  fault p0 0x11
  at a lock page_table b
end
",
    // The lock is held as reclaim tries it, and the anon_vma is freed before reclaim can get a reference.
    "\
map p0 0x10..0x11
fault p0 0x10
together
  swapout p0 0x10
  unmap p0 0x10..0x11
  at a trylock b
  at b unlock anon_vma a
  at a get anon_vma b
end
",
    // The same, but it gets the last reference, to a folio that is not mapped any more.
    "\
map p0 0x10..0x11
fault p0 0x10
together
  swapout p0 0x10
  unmap p0 0x10..0x11
  at a trylock b
  at b unlock anon_vma a
  at a put anon_vma b
end
",
    // The reference is to the next life of the anon_vma, which a fork is about to put under the root of its parent's.
    "\
fork p0 p1
map p0 0x10..0x11
fault p0 0x10
map p1 0x20..0x21
fault p1 0x20
together
  swapout p0 0x10
  unmap p0 0x10..0x11
  fork p1 p2
  at a trylock b
  at b unlock anon_vma a
  at a get anon_vma b
  at b free anon_vma_chain c
  at c alloc anon_vma_chain a
  at a put anon_vma c
end
",
    // The same, where the folio is still mapped when reclaim did not get the lock.
    "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
fault p1 0x10
map p0 0x20..0x21
fault p0 0x20
together
  swapout p1 0x10
  unmap p1 0x10..0x11
  fork p0 p2
  at a trylock c
  at c unlock anon_vma a
  at a get anon_vma c
  at c alloc 2 vma b
  at b free 2 anon_vma_chain c
  at c alloc 3 anon_vma_chain a
  at a put anon_vma c
end
",
    // Reclaim waits for the lock with the last reference.
    "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
together
  swapout p0 0x10
  unmap p0 0x10..0x11
  unmap p1 0x10..0x11
  at a trylock c
  at c unlock anon_vma a
  at a lock c
  at c unlock mmap b
  at b put anon_vma a
  at a put anon_vma b
end
",
    // All others are through before it comes to wait.
    "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
together
  swapout p0 0x10
  unmap p0 0x10..0x11
  unmap p1 0x10..0x11
  at a trylock c
  at c unlock anon_vma a
  at a lock c
  at c unlock mmap b
end
",
    // Reclaim has the lock, without a reference, as the anon_vma is freed.
    "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
together
  exit p1
  swapout p1 0x10
  unmap p0 0x10..0x11
  at a lock c
  at c unlock anon_vma b
  at a put anon_vma b
  at b unlock a
end
",
    // A page is unmapped, and its anon_vma freed, before migration looks for it.
    "\
map p0 0x10..0x11
fault p0 0x10
together
  migrate p0 0x10
  unmap p0 0x10..0x11
  at a rcu b
end
",
    // Two faults give one process a copy of the same page: the slower one looks at the entry before it copies, ...
    "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
together
  fault p0 0x10
  fault p0 0x10
  at a lock pte b
end
",
    // ... and after.
    "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
together
  fault p0 0x10
  fault p0 0x10
  at a lock 2 pte b
end
",
    // The slower one only reads, and would map the page of zeroes.
    "\
map p0 0x10..0x11
together
  fault p0 0x10 read
  fault p0 0x10
  at a lock 2 pte b
end
",
    // Two faults make the first page tables of a process.
    "\
map p0 0x10..0x12
together
  fault p0 0x10
  fault p0 0x11
  at a lock page_table b
end
",
    // Migration comes back to the folio, and its lock is held.
    "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
together
  migrate p0 0x10
  unmap p1 0x10..0x11
  at a trylock 2 anon_vma b
  at b unlock anon_vma a
end
",
    // What was written out is dropped before its fault has mapped it.
    "\
map p0 0x10..0x11
fault p0 0x10
swapout p0 0x10
together
  fault p0 0x10
  dontneed p0 0x10..0x11
  at a lock pte b
end
",
    // The next life of an anon_vma, in the order of 6.x: a fork clones before it allocates.
    "\
fork p0 p1
map p0 0x10..0x11
fault p0 0x10
map p1 0x20..0x21
fault p1 0x20
together
  swapout p0 0x10
  unmap p0 0x10..0x11
  fork p1 p2
  at a trylock b
  at b unlock anon_vma a
  at a get anon_vma b
  at b free anon_vma_chain c
  at c alloc 2 anon_vma_chain a
  at a put anon_vma c
end
",
    // Likewise, where the folio is still mapped when reclaim did not get the lock.
    "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
fault p1 0x10
map p0 0x20..0x21
fault p0 0x20
together
  swapout p1 0x10
  unmap p1 0x10..0x11
  fork p0 p2
  at a trylock c
  at c unlock anon_vma a
  at a get anon_vma c
  at c alloc 2 vma b
  at b free 2 anon_vma_chain c
  at c alloc 4 anon_vma_chain a
  at a put anon_vma c
end
",
    // Two faults map the same page, which has a page table and an anon_vma: the slower one is about to lock the table.
    "\
map p0 0x10..0x12
fault p0 0x11
together
  fault p0 0x10
  fault p0 0x10
  at a lock pte b
end
",
    // Pages have moved, and a fault comes to where they were, before the memory that stays there loses its anon_vma.
    "\
map p0 0x10..0x11
fault p0 0x10
together
  move p0 0x10..0x11 0x20 dontunmap
  fault p0 0x10
  at a lock 2 vma b
end
",
    // Memory becomes part of the memory behind it, which gets its anon_vma, while a fault comes there.
    "\
map p0 0x10..0x11
fault p0 0x10
protect p0 0x10..0x11 r
map p0 0x11..0x12
together
  protect p0 0x10..0x11 rw
  fault p0 0x11
  at a lock anon_vma b
end
",
    // A page of a private mapping of a file, which was written to, moves back to where it was, so that both locks are needed.
    "\
map p0 0x10..0x12 file 1
fault p0 0x10
fault p0 0x11
move p0 0x11..0x12 0x20
together
  move p0 0x20..0x21 0x11
  fault p0 0x10
end
",
    // A fault gives a process a copy of a page, and meanwhile the other process that has the page drops it.
    "\
map p0 0x10..0x11
fault p0 0x10
fork p0 p1
together
  fault p0 0x10
  unmap p1 0x10..0x11
  at a lock 2 pte b
end
",
];

/// How many there are.
pub const COUNT: u32 = TEXTS.len() as u32;

/// One of them, from 0; empty if there are not so many.
pub fn trace(number: u32) -> Trace {
    TEXTS.get(number as usize).and_then(|text| text.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_a_trace_with_a_section() {
        for text in TEXTS {
            let trace: Trace = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(trace.sections.len(), 1, "{text}");
        }
    }
}
