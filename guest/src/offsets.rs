//! Where the kernel keeps what: offsets and sizes from its own BTF, so that no debug package is needed.

use std::path::Path;

use btf_rs::{Btf, Type};

use crate::Error;

/// Of the running kernel. Bytes, except for the lengths of arrays.
pub struct Offsets {
    /// `task_struct`: `tasks`, `pid`, `mm`, `__state`.
    pub task: [usize; 4],
    /// `mm_struct.mm_mt.ma_root`
    pub mm_root: usize,
    /// `maple_node`, its size.
    pub node_size: usize,
    /// `maple_node.mr64`, of leaves and of `maple_range_64`.
    pub range64: MapleNode,
    /// `maple_node.ma64`
    pub arange64: MapleNode,
    /// `vm_area_struct`
    pub vma: Vma,
    /// `anon_vma_chain`
    pub avc: Avc,
    /// `anon_vma`
    pub anon_vma: AnonVma,
    /// `rb_node`: `__rb_parent_color`, `rb_left`, `rb_right`.
    pub rb_node: [usize; 3],
}

/// What is read of page tables and frames.
pub struct Pages {
    /// `mm_struct.pgd`
    pub pgd: usize,
    /// `mm_struct.rss_stat`: the first of its counters, and the size of each.
    pub rss_stat: [usize; 2],
    /// `percpu_counter`: `count`, `counters`.
    pub percpu_counter: [usize; 2],
    /// `struct page`, its size.
    pub page_size: usize,
    pub flags: usize,
    pub mapping: usize,
    pub index: usize,
    pub mapcount: usize,
    /// `compound_head`, or `compound_info` since 7.0 or so.
    pub compound: usize,
    /// Of a folio of several pages; the order is in the lowest byte of `_flags_1`.
    pub flags_1: usize,
    pub entire_mapcount: usize,
    pub large_mapcount: usize,
    pub pages_mapped: usize,
    /// Numbers of `enum pageflags`.
    pub anon_exclusive: u32,
    pub swapbacked: u32,
    pub head: u32,
    pub partially_mapped: u32,
    /// With `CONFIG_MEMORY_FAILURE` alone.
    pub hwpoison: Option<u32>,
}

/// One of the layouts of a maple tree's node.
pub struct MapleNode {
    pub pivot: usize,
    pub pivots: usize,
    pub slot: usize,
}

pub struct Vma {
    pub size: usize,
    pub vm_start: usize,
    pub vm_end: usize,
    pub vm_flags: usize,
    pub vm_pgoff: usize,
    pub vm_file: usize,
    pub anon_vma: usize,
    pub anon_vma_chain: usize,
    /// Low and high half of the page offset of anonymous memory, since 7.3.
    pub anon_pgoff: Option<[usize; 2]>,
}

pub struct Avc {
    pub size: usize,
    pub vma: usize,
    pub anon_vma: usize,
    pub same_vma: usize,
    pub rb: usize,
    pub rb_subtree_last: usize,
}

pub struct AnonVma {
    pub size: usize,
    pub root: usize,
    pub parent: usize,
    pub refcount: usize,
    pub num_children: usize,
    pub num_active_vmas: usize,
    /// `rb_root.rb_root.rb_node` and `rb_root.rb_leftmost`.
    pub tree: usize,
    pub leftmost: usize,
}

struct Reader(Btf);

impl Reader {
    fn open(btf: &Path) -> Result<Reader, Error> {
        Ok(Reader(Btf::from_file(btf).map_err(|error| Error::Btf(format!("{}: {error}", btf.display())))?))
    }

    /// A structure or union by name: there may be others of that name without the member that is asked for.
    fn top(&self, name: &str, member: &str) -> Result<Type, Error> {
        let missing = || Error::Btf(format!("no struct {name} with a member {member}"));
        let types = self.0.resolve_types_by_name(name).map_err(|_| missing())?;
        types.into_iter().find(|t| self.find(t, member).is_some()).ok_or_else(missing)
    }

    /// Offset of a member, also of an anonymous one's, and its type without qualifiers and typedefs.
    fn find(&self, within: &Type, member: &str) -> Option<(usize, Type)> {
        let (Type::Struct(s) | Type::Union(s)) = within else { return None };
        for m in &s.members {
            let at = m.bit_offset() as usize / 8;
            let name = self.0.resolve_name(m).unwrap_or_default();
            if name == member {
                return Some((at, self.plain(self.0.resolve_chained_type(m).ok()?)?));
            }
            if name.is_empty()
                && let Some(inner) = self.0.resolve_chained_type(m).ok().and_then(|t| self.plain(t))
                && let Some((further, found)) = self.find(&inner, member)
            {
                return Some((at + further, found));
            }
        }
        None
    }

    fn plain(&self, mut of: Type) -> Option<Type> {
        while matches!(of, Type::Typedef(_) | Type::Volatile(_) | Type::Const(_) | Type::Restrict(_) | Type::TypeTag(_))
        {
            of = self.0.resolve_chained_type(of.as_btf_type()?).ok()?;
        }
        Some(of)
    }

    /// `a.b.c` of a structure: its offset, and its type.
    fn member(&self, name: &str, path: &str) -> Result<(usize, Type), Error> {
        let first = path.split('.').next().unwrap_or(path);
        let mut of = self.top(name, first)?;
        let mut at = 0;
        for part in path.split('.') {
            let (further, found) =
                self.find(&of, part).ok_or_else(|| Error::Btf(format!("no member {path} in struct {name}")))?;
            at += further;
            of = found;
        }
        Ok((at, of))
    }

    fn at(&self, name: &str, path: &str) -> Result<usize, Error> {
        self.member(name, path).map(|(at, _)| at)
    }

    fn size(&self, name: &str, member: &str) -> Result<usize, Error> {
        match self.top(name, member)? {
            Type::Struct(s) | Type::Union(s) => Ok(s.size()),
            _ => Err(Error::Btf(format!("{name} is no struct"))),
        }
    }

    /// The value of a name of an enumeration.
    fn value(&self, name: &str, member: &str) -> Result<u32, Error> {
        let missing = || Error::Btf(format!("no {member} in enum {name}"));
        let types = self.0.resolve_types_by_name(name).map_err(|_| missing())?;
        let enums = types.iter().filter_map(|of| if let Type::Enum(e) = of { Some(e) } else { None });
        let members = enums.flat_map(|e| &e.members);
        let found = members.into_iter().find(|m| self.0.resolve_name(*m).is_ok_and(|name| name == member));
        found.map(|member| member.val()).ok_or_else(missing)
    }

    fn maple_node(&self, layout: &str) -> Result<MapleNode, Error> {
        let (pivot, array) = self.member("maple_node", &format!("{layout}.pivot"))?;
        let Type::Array(array) = array else { return Err(Error::Btf(format!("{layout}.pivot is no array"))) };
        let slot = self.at("maple_node", &format!("{layout}.slot"))?;
        Ok(MapleNode { pivot, pivots: array.len(), slot })
    }
}

impl Offsets {
    /// Reads them from the kernel's BTF.
    pub fn read(btf: &Path) -> Result<Offsets, Error> {
        let btf = Reader::open(btf)?;
        let task = |member| btf.at("task_struct", member);
        let vma = |member| btf.at("vm_area_struct", member);
        let avc = |member| btf.at("anon_vma_chain", member);
        let anon_vma = |member| btf.at("anon_vma", member);
        let rb_node = |member| btf.at("rb_node", member);
        Ok(Offsets {
            task: [task("tasks")?, task("pid")?, task("mm")?, task("__state")?],
            mm_root: btf.at("mm_struct", "mm_mt.ma_root")?,
            node_size: btf.size("maple_node", "mr64")?,
            range64: btf.maple_node("mr64")?,
            arange64: btf.maple_node("ma64")?,
            vma: Vma {
                size: btf.size("vm_area_struct", "vm_start")?,
                vm_start: vma("vm_start")?,
                vm_end: vma("vm_end")?,
                vm_flags: vma("vm_flags")?,
                vm_pgoff: vma("vm_pgoff")?,
                vm_file: vma("vm_file")?,
                anon_vma: vma("anon_vma")?,
                anon_vma_chain: vma("anon_vma_chain")?,
                anon_pgoff: vma("__vm_anon_pgoff_lo").ok().zip(vma("__vm_anon_pgoff_hi").ok()).map(|(lo, hi)| [lo, hi]),
            },
            avc: Avc {
                size: btf.size("anon_vma_chain", "same_vma")?,
                vma: avc("vma")?,
                anon_vma: avc("anon_vma")?,
                same_vma: avc("same_vma")?,
                rb: avc("rb")?,
                rb_subtree_last: avc("rb_subtree_last")?,
            },
            anon_vma: AnonVma {
                size: btf.size("anon_vma", "num_children")?,
                root: anon_vma("root")?,
                parent: anon_vma("parent")?,
                refcount: anon_vma("refcount")?,
                num_children: anon_vma("num_children")?,
                num_active_vmas: anon_vma("num_active_vmas")?,
                tree: anon_vma("rb_root.rb_root.rb_node")?,
                leftmost: anon_vma("rb_root.rb_leftmost")?,
            },
            rb_node: [rb_node("__rb_parent_color")?, rb_node("rb_left")?, rb_node("rb_right")?],
        })
    }
}

impl Pages {
    /// Reads them from the kernel's BTF.
    pub fn read(btf: &Path) -> Result<Pages, Error> {
        let btf = Reader::open(btf)?;
        let folio = |member| btf.at("folio", member);
        let flag = |name| btf.value("pageflags", name);
        Ok(Pages {
            pgd: btf.at("mm_struct", "pgd")?,
            rss_stat: [btf.at("mm_struct", "rss_stat")?, btf.size("percpu_counter", "counters")?],
            percpu_counter: [btf.at("percpu_counter", "count")?, btf.at("percpu_counter", "counters")?],
            page_size: btf.size("page", "_mapcount")?,
            flags: folio("flags")?,
            mapping: folio("mapping")?,
            index: folio("index")?,
            mapcount: btf.at("page", "_mapcount")?,
            compound: btf.at("page", "compound_info").or_else(|_| btf.at("page", "compound_head"))?,
            flags_1: folio("_flags_1")?,
            entire_mapcount: folio("_entire_mapcount")?,
            large_mapcount: folio("_large_mapcount")?,
            pages_mapped: folio("_nr_pages_mapped")?,
            anon_exclusive: flag("PG_anon_exclusive")?,
            swapbacked: flag("PG_swapbacked")?,
            head: flag("PG_head")?,
            partially_mapped: flag("PG_partially_mapped")?,
            hwpoison: flag("PG_hwpoison").ok(),
        })
    }
}
