//! The graph of the test processes, as the kernel's memory has it: VMAs of the window, their chains, the anon_vmas that
//! these reach, and their trees.
//!
//! It becomes a [`Snapshot`] in the words of the seam, with names by order of discovery; the dump renames them.

use std::collections::HashMap;

use rmap_seam::dump::{Dump, PageState};
use rmap_seam::{
    AnonVmaId, AnonVmaState, AvcId, ChainLink, MmId, Node, Snapshot, VmaAttributes, VmaId, VmaRange, VmaState,
};
use rmap_trace::agent::FIRST_PAGE;

use crate::Error;
use crate::maple;
use crate::memory::{Bytes, Memory, PAGE_SHIFT, WINDOW_END};
use crate::offsets::Offsets;
use crate::pages::{OwnPages, PageReader, Places};

/// More entries than this no chain or tree has.
const MAX_ENTRIES: usize = 1 << 16;

/// Bits of `vm_flags`, the same in all kernels so far, and ours.
const FLAGS: [(u64, u64); 14] = [
    (0x1, VmaAttributes::READ),
    (0x2, VmaAttributes::WRITE),
    (0x4, VmaAttributes::EXEC),
    (0x8, VmaAttributes::SHARED),
    // VM_MAYSHARE, which comes with VM_SHARED.
    (0x80, 0),
    (0x100, VmaAttributes::GROWSDOWN),
    (0x1000, VmaAttributes::UFFD),
    (0x2000, VmaAttributes::LOCKED),
    (0x2_0000, VmaAttributes::DONTCOPY),
    // VM_LOCKONFAULT, which comes and goes with VM_LOCKED.
    (0x8_0000, 0),
    (0x10_0000, VmaAttributes::ACCOUNT),
    (0x20_0000, VmaAttributes::NORESERVE),
    (0x200_0000, VmaAttributes::WIPEONFORK),
    (0x800_0000, VmaAttributes::SOFTDIRTY),
];
/// `VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC`
const MAY: u64 = 0x70;

/// Names by order of discovery.
#[derive(Default)]
struct Names {
    by_address: HashMap<u64, u32>,
    in_order: Vec<u64>,
}

impl Names {
    fn of(&mut self, address: u64) -> u32 {
        *self.by_address.entry(address).or_insert_with(|| {
            self.in_order.push(address);
            self.in_order.len() as u32 - 1
        })
    }
}

/// What reads a graph.
pub struct Graph<'a> {
    pub memory: &'a Memory,
    pub offsets: &'a Offsets,
    /// `struct file` by number, as far as one was mapped: learned from the first VMA that maps it.
    pub files: Vec<(u64, u32)>,
    /// Where frames and page tables are, if these are read.
    pub pages: Option<&'a Places>,
    pub own_pages: OwnPages,
}

#[derive(Default)]
struct Found {
    vmas: Names,
    avcs: Names,
    anon_vmas: Names,
    snapshot: Snapshot,
}

impl Graph<'_> {
    /// The dump of these processes, each with its mm.
    pub fn dump(&self, release: &str, processes: &[(MmId, u64)]) -> Result<Dump, Error> {
        let mut found = Found::default();
        let mut spaces = Vec::new();
        for &(mm, address) in processes {
            let mut ids = Vec::new();
            for vma in maple::entries(self.memory, self.offsets, address, WINDOW_END)? {
                if let Some(id) = self.vma(vma, mm, &mut found)? {
                    ids.push(id);
                }
            }
            spaces.push((mm, ids));
        }
        // Naming a root or a parent adds to the list that is being walked.
        while let Some(&address) = found.anon_vmas.in_order.get(found.snapshot.anon_vmas.len()) {
            let state = self.anon_vma(address, &mut found)?;
            found.snapshot.anon_vmas.push(state);
        }
        let pages = self.pages.map(|places| self.page_state(places, processes, &found)).transpose()?;
        let live = [found.snapshot.vmas.len(), found.snapshot.anon_vmas.len(), found.avcs.in_order.len()];
        Ok(Dump::detailed(release, "guest", &found.snapshot, live.map(|count| count as u32), &spaces, pages))
    }

    /// What reads page tables.
    pub fn page_reader<'a>(&'a self, places: &'a Places) -> PageReader<'a> {
        PageReader { memory: self.memory, places, own: &self.own_pages }
    }

    /// Page tables and frames; an anon_vma has the number of its discovery.
    fn page_state(&self, places: &Places, processes: &[(MmId, u64)], found: &Found) -> Result<PageState, Error> {
        let reader = self.page_reader(places);
        let mut state = PageState::default();
        for &(mm, address) in processes {
            let named = |anon_vma| found.anon_vmas.by_address.get(&anon_vma).map(|&number| number.into());
            reader.process(mm.0, address, named, &mut state)?;
        }
        Ok(state)
    }

    /// The first address and the end of the VMA of an mm that holds an address of the window.
    pub fn vma_range(&self, mm: u64, address: u64) -> Result<Option<(u64, u64)>, Error> {
        for vma in maple::entries(self.memory, self.offsets, mm, WINDOW_END)? {
            let vma = self.memory.read(vma, self.offsets.vma.size)?;
            let range = (vma.word(self.offsets.vma.vm_start), vma.word(self.offsets.vma.vm_end));
            if range.0 <= address && address < range.1 {
                return Ok(Some(range));
            }
        }
        Ok(None)
    }

    /// The `vm_file` of the VMA of an mm that holds an address.
    pub fn file_at(&self, mm: u64, address: u64) -> Result<Option<u64>, Error> {
        for vma in maple::entries(self.memory, self.offsets, mm, WINDOW_END)? {
            let vma = self.memory.read(vma, self.offsets.vma.size)?;
            if vma.word(self.offsets.vma.vm_start) <= address && address < vma.word(self.offsets.vma.vm_end) {
                return Ok(Some(vma.word(self.offsets.vma.vm_file)));
            }
        }
        Ok(None)
    }

    /// One VMA and its chain, if it is of the window.
    fn vma(&self, address: u64, mm: MmId, found: &mut Found) -> Result<Option<VmaId>, Error> {
        let at = &self.offsets.vma;
        let vma = self.memory.read(address, at.size)?;
        let (start, end) = (vma.word(at.vm_start), vma.word(at.vm_end));
        if start >= WINDOW_END {
            return Ok(None);
        }
        let id = VmaId(found.vmas.of(address));
        if id.0 as usize != found.snapshot.vmas.len() {
            return Err(Error::Graph(format!("the VMA at {address:#x} twice in the trees")));
        }
        let pgoff = vma.word(at.vm_pgoff).wrapping_sub(FIRST_PAGE);
        let attributes = VmaAttributes {
            anon_pgoff: self.anon_pgoff(&vma).map_or(pgoff, |pages| pages.wrapping_sub(FIRST_PAGE)),
            flags: flags(vma.word(at.vm_flags)) & !self.flags_not_told(),
            file: self.file(vma.word(at.vm_file))?,
        };
        let anon_vma = Some(vma.word(at.anon_vma)).filter(|&pointer| pointer != 0);
        let anon_vma = anon_vma.map(|pointer| AnonVmaId(found.anon_vmas.of(pointer)));
        let chain = self.chain(&vma, id, found)?;
        found.snapshot.vmas.push(VmaState {
            id,
            mm,
            attached: true,
            range: VmaRange { start: (start >> PAGE_SHIFT) - FIRST_PAGE, end: (end >> PAGE_SHIFT) - FIRST_PAGE, pgoff },
            attributes,
            anon_vma,
            chain,
        });
        Ok(Some(id))
    }

    /// The userland run has `CONFIG_MEM_SOFT_DIRTY` with its page-table code alone.
    fn flags_not_told(&self) -> u64 {
        if self.pages.is_some() { 0 } else { VmaAttributes::SOFTDIRTY }
    }

    fn anon_pgoff(&self, vma: &Bytes) -> Option<u64> {
        let [low, high] = self.offsets.vma.anon_pgoff?;
        Some(u64::from(vma.half(low)) | u64::from(vma.half(high)) << 32)
    }

    fn file(&self, pointer: u64) -> Result<u32, Error> {
        if pointer == 0 {
            return Ok(0);
        }
        let known = self.files.iter().find(|(file, _)| *file == pointer);
        known.map(|(_, number)| *number).ok_or_else(|| Error::Graph("a VMA of the window maps an unknown file".into()))
    }

    /// `anon_vma_chain`, in list order.
    fn chain(&self, vma: &Bytes, id: VmaId, found: &mut Found) -> Result<Vec<ChainLink>, Error> {
        let at = &self.offsets.avc;
        let head = vma.address + self.offsets.vma.anon_vma_chain as u64;
        let mut chain = Vec::new();
        let (mut previous, mut next) = (head, vma.word(self.offsets.vma.anon_vma_chain));
        while next != head {
            let avc = self.memory.read(next - at.same_vma as u64, at.size)?;
            if avc.word(at.same_vma + 8) != previous {
                return Err(Error::Graph("a chain whose links do not lead back".into()));
            }
            if avc.word(at.vma) != vma.address {
                return Err(Error::Graph("a chain entry of another VMA on a chain".into()));
            }
            let anon_vma = AnonVmaId(found.anon_vmas.of(avc.word(at.anon_vma)));
            chain.push(ChainLink { avc: AvcId(found.avcs.of(avc.address)), anon_vma, vma: id });
            if chain.len() > MAX_ENTRIES {
                return Err(Error::Graph("a chain without an end".into()));
            }
            (previous, next) = (next, avc.word(at.same_vma));
        }
        Ok(chain)
    }

    fn anon_vma(&self, address: u64, found: &mut Found) -> Result<AnonVmaState, Error> {
        let at = &self.offsets.anon_vma;
        let anon_vma = self.memory.read(address, at.size)?;
        let mut tree = Vec::new();
        let root = anon_vma.word(at.tree);
        let mut leftmost = None;
        self.tree(root, true, found, &mut tree, &mut leftmost)?;
        let cached = Some(anon_vma.word(at.leftmost)).filter(|&node| node != 0);
        if leftmost != cached {
            return Err(Error::Graph("an interval tree whose cached leftmost node is another".into()));
        }
        let leftmost = leftmost.map(|node| AvcId(found.avcs.of(node - self.offsets.avc.rb as u64)));
        Ok(AnonVmaState {
            id: AnonVmaId(found.anon_vmas.of(address)),
            root: AnonVmaId(found.anon_vmas.of(anon_vma.word(at.root))),
            parent: AnonVmaId(found.anon_vmas.of(anon_vma.word(at.parent))),
            refcount: i64::from(anon_vma.half(at.refcount) as i32),
            num_children: anon_vma.word(at.num_children),
            num_active_vmas: anon_vma.word(at.num_active_vmas),
            leftmost,
            tree,
        })
    }

    /// A subtree in preorder. `leftmost` becomes the node that has none to its left, if that is on the left edge.
    fn tree(
        &self,
        node: u64,
        edge: bool,
        found: &mut Found,
        tree: &mut Vec<Node>,
        leftmost: &mut Option<u64>,
    ) -> Result<(), Error> {
        if node == 0 {
            return Ok(());
        }
        if tree.len() > MAX_ENTRIES {
            return Err(Error::Graph("an interval tree without an end".into()));
        }
        let at = &self.offsets.avc;
        let avc = self.memory.read(node - at.rb as u64, at.size)?;
        let [colour, left, right] = self.offsets.rb_node.map(|offset| avc.word(at.rb + offset));
        let vma = avc.word(at.vma);
        let Some(&vma) = found.vmas.by_address.get(&vma) else {
            return Err(Error::Graph("a VMA in an interval tree that is in no process's tree".into()));
        };
        tree.push(Node {
            avc: AvcId(found.avcs.of(avc.address)),
            vma: VmaId(vma),
            black: colour & 1 == 1,
            left: left != 0,
            right: right != 0,
            subtree_last: avc.word(at.rb_subtree_last).wrapping_sub(FIRST_PAGE),
        });
        if edge && left == 0 {
            *leftmost = Some(node);
        }
        self.tree(left, edge, found, tree, leftmost)?;
        self.tree(right, false, found, tree, leftmost)
    }
}

fn flags(vm_flags: u64) -> u64 {
    let mut rest = vm_flags & !MAY;
    let mut flags = 0;
    for (theirs, ours) in FLAGS {
        if rest & theirs != 0 {
            flags |= ours;
        }
        rest &= !theirs;
    }
    if rest != 0 { flags | VmaAttributes::OTHER } else { flags }
}
