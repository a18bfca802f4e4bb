//! The VMAs of an mm, in order of address, from its maple tree.

use crate::Error;
use crate::memory::Memory;
use crate::offsets::Offsets;

/// `enum maple_type` (include/linux/maple_tree.h).
const LEAF_64: u64 = 1;
const RANGE_64: u64 = 2;
const ARANGE_64: u64 = 3;

/// Deeper than this no tree of VMAs is.
const MAX_DEPTH: u32 = 12;

/// Addresses of what an mm's tree holds below `end`.
pub fn entries(memory: &Memory, offsets: &Offsets, mm: u64, end: u64) -> Result<Vec<u64>, Error> {
    let mut found = Vec::new();
    let root = memory.word(mm + offsets.mm_root as u64)?;
    if is_node(root) {
        let walk = Walk { memory, offsets, end };
        walk.node(root, 0, u64::MAX, MAX_DEPTH, &mut found)?;
    } else if is_entry(root) {
        found.push(root);
    }
    Ok(found)
}

/// Mirrors xa_is_node() (include/linux/xarray.h) of a root or slot.
fn is_node(entry: u64) -> bool {
    entry & 3 == 2 && entry > 4096
}

/// Not empty, and nothing that the tree keeps for itself, such as `XA_ZERO_ENTRY`.
fn is_entry(entry: u64) -> bool {
    entry != 0 && entry & 3 == 0
}

struct Walk<'a> {
    memory: &'a Memory,
    offsets: &'a Offsets,
    end: u64,
}

impl Walk<'_> {
    /// One node, which covers min to max.
    fn node(&self, entry: u64, min: u64, max: u64, depth: u32, found: &mut Vec<u64>) -> Result<(), Error> {
        let kind = entry >> 3 & 0xf;
        let layout = match kind {
            LEAF_64 | RANGE_64 => &self.offsets.range64,
            ARANGE_64 => &self.offsets.arange64,
            other => return Err(Error::Graph(format!("a maple tree node of type {other}"))),
        };
        if depth == 0 {
            return Err(Error::Graph("a maple tree without an end".into()));
        }
        let node = self.memory.read(entry & !0xff, self.offsets.node_size)?;
        let mut first = min;
        for slot in 0..=layout.pivots {
            if first >= self.end {
                break;
            }
            // A pivot of 0 ends the node early, but in the first place.
            let last = match slot < layout.pivots {
                true => node.word(layout.pivot + 8 * slot),
                false => max,
            };
            let last = if last == 0 && slot > 0 { max } else { last };
            let value = node.word(layout.slot + 8 * slot);
            if kind == LEAF_64 {
                if is_entry(value) {
                    found.push(value);
                }
            } else if value != 0 {
                self.node(value, first, last, depth - 1, found)?;
            }
            if last >= max {
                break;
            }
            first = last + 1;
        }
        Ok(())
    }
}
