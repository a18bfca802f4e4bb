//! A world to test in: the revisions, a random source, and processes of one VMA each.

use crate::Port;
use rmap_seam::{
    AnonVmaId, Call, EventKind, Fail, MmId, Revision, Rmap, Side, Snapshot, VmaId, VmaOperation, VmaRange,
};

pub const V5_10: Revision = Revision::GENERATIONS[0].1;
pub const V5_15: Revision = Revision::GENERATIONS[1].1;
pub const V6_1: Revision = Revision::GENERATIONS[2].1;
pub const V6_12: Revision = Revision::GENERATIONS[3].1;
pub const V7_2: Revision = Revision::GENERATIONS[4].1;
pub const V7_3: Revision = Revision::GENERATIONS[5].1;

/// 6.12 whose fork allocates before it clones.
pub const FORK_PREALLOCATES: Revision = Revision { fork_preallocates: true, ..V6_12 };

/// The revisions of real kernels.
pub const REAL: [(&str, Revision); 7] = [
    ("5.10", V5_10),
    ("5.15", V5_15),
    ("6.1", V6_1),
    ("6.12", V6_12),
    ("6.12-fork-preallocates", FORK_PREALLOCATES),
    ("7.2", V7_2),
    ("7.3", V7_3),
];

/// The series as its patches were applied: each a kernel that could be.
pub const SERIES: [Revision; 6] = [
    Revision { clone_and_unlink_assert: true, ..V6_12 },
    Revision { clone_and_unlink_assert: true, ..FORK_PREALLOCATES },
    Revision {
        clone_and_unlink_assert: true,
        unfaulted_skipped: true,
        cleanup_clears_anon_vma: true,
        ..FORK_PREALLOCATES
    },
    Revision { reuse_only_on_fork: false, chains_preallocated: false, ..V7_2 },
    Revision { reuse_only_on_fork: false, ..V7_2 },
    Revision { cleanup_clears_anon_vma: false, ..V7_2 },
];

/// xorshift64: a repeatable source of test input.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

/// Pages [start, end), never moved.
pub fn range(start: u64, end: u64) -> VmaRange {
    VmaRange { start, end, pgoff: start }
}

/// A port, driven.
pub struct PortWorld {
    pub port: Port,
}

impl PortWorld {
    pub fn new(revision: Revision) -> PortWorld {
        let mut world = PortWorld { port: Port::new(revision) };
        for mm in 0..16 {
            world.port.call(Call::MmapWriteLock { mm: MmId(mm) });
        }
        world
    }

    /// A call that breaks no rule.
    pub fn call(&mut self, call: Call) -> i32 {
        let value = self.port.call(call);
        let broken: Vec<_> = self.port.events().iter().filter(|event| event.is_violation()).collect();
        assert!(broken.is_empty(), "{call:?}: {broken:?}: {:?}", self.port.last_warning());
        value
    }

    /// How many events of a kind the last call had.
    pub fn count(&self, kind: EventKind) -> usize {
        self.port.events().iter().filter(|event| event.kind() == Some(kind)).count()
    }

    pub fn map(&mut self, mm: u8, range: VmaRange) -> VmaId {
        let vma = self.call(Call::VmAreaAlloc { mm: MmId(mm), range });
        let vma = VmaId(u32::try_from(vma).expect("allocated"));
        self.call(Call::VmaMarkAttached { vma });
        vma
    }

    pub fn prepare(&mut self, vma: VmaId) -> i32 {
        self.call(Call::AnonVmaPrepare { vma, prev: None, next: None })
    }

    /// One VMA of `dup_mmap()`: the child's, or nothing if it could not be had.
    pub fn fork(&mut self, pvma: VmaId, mm: u8) -> Option<VmaId> {
        let range = self.snapshot().vma(pvma).expect("lives").range;
        let vma = u32::try_from(self.call(Call::VmAreaDup { orig: pvma, mm: MmId(mm), range })).ok()?;
        let vma = VmaId(vma);
        if self.call(Call::AnonVmaFork { vma, pvma }) < 0 {
            self.call(Call::VmAreaFree { vma });
            return None;
        }
        self.call(Call::VmaMarkAttached { vma });
        Some(vma)
    }

    /// One VMA of `__split_vma()`: the part from `at` on.
    pub fn split(&mut self, vma: VmaId, at: u64) -> Option<VmaId> {
        let old = self.snapshot().vma(vma).expect("lives").clone();
        let upper = VmaRange { start: at, end: old.range.end, pgoff: old.range.pgoff + (at - old.range.start) };
        let new = u32::try_from(self.call(Call::VmAreaDup { orig: vma, mm: old.mm, range: upper })).ok()?;
        let new = VmaId(new);
        if self.call(Call::AnonVmaClone { dst: new, src: vma, operation: VmaOperation::Split }) < 0 {
            self.call(Call::VmAreaFree { vma: new });
            return None;
        }
        self.resize(vma, VmaRange { end: at, ..old.range });
        self.call(Call::VmaMarkAttached { vma: new });
        Some(new)
    }

    pub fn resize(&mut self, vma: VmaId, range: VmaRange) {
        self.call(Call::PreUpdateVma { vma, offset_stays: false });
        self.call(Call::VmaSetRange { vma, range });
        self.call(Call::PostUpdateVma { vma, offset_stays: false });
    }

    pub fn unmap(&mut self, vma: VmaId) {
        self.call(Call::VmaMarkDetached { vma });
        self.call(Call::UnlinkAnonVmas { vma });
        self.call(Call::VmAreaFree { vma });
    }

    /// Forks process after process, each from the last: VMAs of p0 to pN.
    pub fn fork_chain(&mut self, generations: u8) -> Vec<VmaId> {
        let mut vmas = vec![self.map(0, range(16, 24))];
        assert_eq!(self.prepare(vmas[0]), 0);
        for mm in 1..=generations {
            vmas.push(self.fork(vmas[usize::from(mm) - 1], mm).expect("nothing fails"));
        }
        vmas
    }

    /// The anon_vmas on a VMA's chain, in list order.
    pub fn chain(&mut self, vma: VmaId) -> Vec<u32> {
        self.snapshot().vma(vma).expect("lives").chain.iter().map(|link| link.anon_vma.0).collect()
    }

    /// `vma->anon_vma`
    pub fn anon_vma(&mut self, vma: VmaId) -> Option<u32> {
        self.snapshot().vma(vma).expect("lives").anon_vma.map(|AnonVmaId(serial)| serial)
    }

    /// The words of the whole state.
    pub fn state(&mut self) -> Vec<u64> {
        let mut words = Vec::new();
        self.port.state(&mut words);
        words
    }

    pub fn snapshot(&mut self) -> Snapshot {
        Snapshot::decode(&self.state()).expect("a state decodes")
    }

    pub fn fail(&mut self, attempt: u16) {
        self.port.begin_operation(&Fail::nth(attempt));
    }

    pub fn fail_from(&mut self, attempt: u16) {
        self.port.begin_operation(&Fail::new(&[], Some(attempt)).expect("from 1"));
    }

    pub fn fail_nothing(&mut self) {
        self.port.begin_operation(&Fail::NEVER);
    }
}
