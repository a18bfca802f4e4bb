//! A dump of a state, with canonical ids. Equal states have equal dumps, however their objects were numbered.
//!
//! Processes are visited by number, and the VMAs of a process by start. In each VMA `vma->anon_vma` comes first, then
//! the chain in list order. An anon_vma gets the next id when it is met for the first time. Then the roots and
//! parents follow that were not met yet, in order of the ids of the anon_vmas that point to them. Live anon_vmas
//! to which nothing points (leaks) come last, by serial.

use std::fmt::Write as _;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::{AnonVmaId, MmId, Node, Snapshot, VmaAttributes, VmaId, VmaState};

mod pages;

pub use pages::{AnonFrame, DumpedEntry, DumpedFolio, DumpedFrame, PageDump, PageState, PageTarget, ProcessPages};

/// A state as it is dumped. The fields are the keys of the JSON form.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dump {
    /// The name of the reference.
    pub kernel: String,
    /// `c` or `rust`.
    pub side: String,
    /// By number.
    pub processes: Vec<Process>,
    /// By id.
    pub anon_vmas: Vec<AnonVma>,
    /// Live objects.
    pub live: Live,
    /// Page tables, if they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<PageDump>,
}

/// A process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub id: u8,
    /// By start.
    pub vmas: Vec<Vma>,
}

/// A VMA. Its range is in pages, and `end` is exclusive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Vma {
    /// First page.
    pub start: u64,
    /// One past the last page.
    pub end: u64,
    /// Page offset of the first page, if it differs from `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgoff: Option<u64>,
    /// In a [detailed](Dump::detailed) dump: page offset of its anonymous memory, flags and file, as
    /// [`VmaAttributes`] has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<(u64, u64, u32)>,
    /// `vma->anon_vma`.
    pub anon_vma: Option<usize>,
    /// The anon_vmas of its chain, in list order.
    pub chain: Vec<usize>,
}

/// An anon_vma.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AnonVma {
    /// Its canonical id.
    pub id: usize,
    /// `root`; null if it is not live.
    pub root: Option<usize>,
    /// `parent`; null if it is not live.
    pub parent: Option<usize>,
    /// `refcount`
    pub refcount: i64,
    /// `num_children`
    pub num_children: u64,
    /// `num_active_vmas`
    pub num_active_vmas: u64,
    /// In a [detailed](Dump::detailed) dump: the nodes of its tree in preorder. Each has the process and first page of its
    /// VMA, its colour, which children it has, and `rb_subtree_last`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Vec<String>>,
}

/// How many objects of each rmap cache are live.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Live {
    /// `anon_vma`
    pub anon_vma: u32,
    /// `anon_vma_chain`
    pub anon_vma_chain: u32,
}

#[derive(Default)]
struct Numbers {
    by_serial: FxHashMap<AnonVmaId, usize>,
    in_order: Vec<AnonVmaId>,
}

impl Numbers {
    fn of(&mut self, anon_vma: AnonVmaId) -> usize {
        *self.by_serial.entry(anon_vma).or_insert_with(|| {
            self.in_order.push(anon_vma);
            self.in_order.len() - 1
        })
    }
}

/// A node of a tree as it is dumped: `p1 0x10 black LR last 0x17`.
fn node_text(node: &Node, vma: Option<&VmaState>) -> String {
    let vma = vma.map_or("freed".to_string(), |vma| format!("{} {:#x}", vma.mm, vma.range.start));
    let colour = if node.black { "black" } else { "red" };
    let (left, right) = (if node.left { "L" } else { "-" }, if node.right { "R" } else { "-" });
    format!("{vma} {colour} {left}{right} last {:#x}", node.subtree_last)
}

impl Dump {
    /// The dump of one side. `live` is what [`Side::live`](crate::Side::live) returns. `processes` are the
    /// processes of the driver with their VMAs, in any order.
    pub fn new(
        kernel: &str,
        side: &str,
        snapshot: &Snapshot,
        live: [u32; 3],
        processes: &[(MmId, Vec<VmaId>)],
    ) -> Dump {
        Dump::of(kernel, side, snapshot, live, processes, false, None).0
    }

    /// The same, with the id that it gives to each anon_vma.
    pub fn numbered(
        kernel: &str,
        side: &str,
        snapshot: &Snapshot,
        live: [u32; 3],
        processes: &[(MmId, Vec<VmaId>)],
    ) -> (Dump, FxHashMap<AnonVmaId, usize>) {
        Dump::of(kernel, side, snapshot, live, processes, false, None)
    }

    /// The same with the flags of VMAs and the trees of anon_vmas, and with page tables, if there are any. An anon_vma is
    /// named there by its serial.
    pub fn detailed(
        kernel: &str,
        side: &str,
        snapshot: &Snapshot,
        live: [u32; 3],
        processes: &[(MmId, Vec<VmaId>)],
        pages: Option<PageState>,
    ) -> Dump {
        Dump::of(kernel, side, snapshot, live, processes, true, pages).0
    }

    fn of(
        kernel: &str,
        side: &str,
        snapshot: &Snapshot,
        live: [u32; 3],
        processes: &[(MmId, Vec<VmaId>)],
        detailed: bool,
        pages: Option<PageState>,
    ) -> (Dump, FxHashMap<AnonVmaId, usize>) {
        let mut numbers = Numbers::default();
        let mut processes: Vec<Process> = processes
            .iter()
            .map(|(mm, vmas)| (mm, vmas.iter().filter_map(|&id| snapshot.vma(id)).collect::<Vec<_>>()))
            .map(|(mm, mut states)| {
                states.sort_by_key(|vma| vma.range.start);
                (*mm, states)
            })
            .collect::<std::collections::BTreeMap<_, _>>()
            .into_iter()
            .map(|(mm, states)| Process {
                id: mm.0,
                vmas: states
                    .iter()
                    .map(|vma| Vma {
                        start: vma.range.start,
                        end: vma.range.end,
                        pgoff: Some(vma.range.pgoff).filter(|&pgoff| pgoff != vma.range.start),
                        attributes: detailed.then_some({
                            let attributes = vma.attributes;
                            (attributes.anon_pgoff, attributes.flags, attributes.file)
                        }),
                        anon_vma: vma.anon_vma.map(|anon_vma| numbers.of(anon_vma)),
                        chain: vma.chain.iter().map(|link| numbers.of(link.anon_vma)).collect(),
                    })
                    .collect(),
            })
            .collect();
        processes.shrink_to_fit();

        let mut anon_vmas = Vec::new();
        let mut serials = snapshot.anon_vmas.iter().map(|anon_vma| anon_vma.id);
        loop {
            // Naming a root or a parent may add to the list that is being walked.
            while let Some(&serial) = numbers.in_order.get(anon_vmas.len()) {
                let state = snapshot.anon_vma(serial);
                anon_vmas.push(AnonVma {
                    id: anon_vmas.len(),
                    root: state.map(|anon_vma| numbers.of(anon_vma.root)),
                    parent: state.map(|anon_vma| numbers.of(anon_vma.parent)),
                    refcount: state.map_or(0, |anon_vma| anon_vma.refcount),
                    num_children: state.map_or(0, |anon_vma| anon_vma.num_children),
                    num_active_vmas: state.map_or(0, |anon_vma| anon_vma.num_active_vmas),
                    tree: state.filter(|_| detailed).map(|anon_vma| {
                        anon_vma.tree.iter().map(|node| node_text(node, snapshot.vma(node.vma))).collect()
                    }),
                });
            }
            match serials.next() {
                Some(serial) => numbers.of(serial),
                None => break,
            };
        }
        let dump = Dump {
            kernel: kernel.to_string(),
            side: side.to_string(),
            processes,
            anon_vmas,
            live: Live { anon_vma: live[1], anon_vma_chain: live[2] },
            pages: pages.map(|pages| {
                let named = |serial: u64| numbers.by_serial.get(&AnonVmaId(u32::try_from(serial).ok()?)).copied();
                pages.dump(|serial| named(serial).map(|number| number as u64))
            }),
        };
        (dump, numbers.by_serial)
    }

    /// As one line of JSON, without a newline.
    pub fn json(&self) -> String {
        // Nothing in it can fail: every key is a string.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As text for a person.
    pub fn text(&self) -> String {
        let mut out = format!("kernel {}, side {}\n", self.kernel, self.side);
        // Writing to a string does not fail.
        let _ = self.write_text(&mut out);
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let list = |ids: &[usize]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let name = |id: Option<usize>| id.map_or("-".to_string(), |id| id.to_string());
        for process in &self.processes {
            writeln!(out, "p{}", process.id)?;
            for vma in &process.vmas {
                let pgoff = vma.pgoff.map_or(String::new(), |pgoff| format!("@{pgoff:#x}"));
                write!(
                    out,
                    "  {:#x}..{:#x}{pgoff}  anon_vma {}  chain [{}]",
                    vma.start,
                    vma.end,
                    name(vma.anon_vma),
                    list(&vma.chain)
                )?;
                if let Some((anon_pgoff, flags, file)) = vma.attributes {
                    write!(out, "  {}", VmaAttributes { anon_pgoff, flags, file })?;
                }
                writeln!(out)?;
            }
        }
        for anon_vma in &self.anon_vmas {
            writeln!(
                out,
                "anon_vma {}  root {}  parent {}  refcount {}  num_children {}  num_active_vmas {}",
                anon_vma.id,
                name(anon_vma.root),
                name(anon_vma.parent),
                anon_vma.refcount,
                anon_vma.num_children,
                anon_vma.num_active_vmas
            )?;
            for node in anon_vma.tree.iter().flatten() {
                writeln!(out, "  {node}")?;
            }
        }
        writeln!(out, "live: {} anon_vma, {} anon_vma_chain", self.live.anon_vma, self.live.anon_vma_chain)?;
        self.pages.iter().try_for_each(|pages| write!(out, "{pages}"))
    }
}

/// The dump as one line of JSON, with its newline. See [`Dump::new`].
pub fn json(kernel: &str, side: &str, snapshot: &Snapshot, live: [u32; 3], processes: &[(MmId, Vec<VmaId>)]) -> String {
    Dump::new(kernel, side, snapshot, live, processes).json() + "\n"
}

/// The dump for a person. See [`Dump::new`].
pub fn text(kernel: &str, side: &str, snapshot: &Snapshot, live: [u32; 3], processes: &[(MmId, Vec<VmaId>)]) -> String {
    Dump::new(kernel, side, snapshot, live, processes).text()
}
