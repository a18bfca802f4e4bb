//! A world in which the kernel's own VMA code makes the calls, followed by the port: what tests ask of it.

use std::collections::BTreeMap;

use super::reference;
use rmap_diff::check::{self, Driver, Finding, Lockstep};
use rmap_diff::kernel::{Kernel, Reference, SlabMode};
use rmap_diff::mm::{KernelDriver, Outcome};
use rmap_diff::port::Port;
use rmap_diff::report::{Report, text};
use rmap_diff::rmap::{Call, Event, MmId, Side, Snapshot, VmaAttributes, errno_name};
use rmap_diff::session::{Session, VmaCode};
use rmap_diff::trace::{Log, Mapped, Recorder, Watched};
use rmap_diff::trace::{Op, Trace};

/// The compiled C with its VMA code, or why there is none.
pub fn kernel_with_layer(reference: &'static Reference, mode: SlabMode) -> Kernel {
    let session = Session { slab: mode, ..Session::new(reference).with_vma(VmaCode::Kernel) };
    session.kernel().unwrap_or_else(|error| panic!("{error}"))
}

/// The calls that VMA code makes, or which the side is asked to make, in the last operation, in order.
#[derive(Default)]
pub struct Calls(pub Vec<Call>);

impl Log for Calls {
    fn begin(&mut self) {
        self.0.clear();
    }
    fn note(&mut self, call: Option<Call>, _: i32, _: &[Event], _: Option<&str>) {
        self.0.extend(call);
    }
}

/// A VMA, as the kernel has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vma {
    pub start: u64,
    pub end: u64,
    pub pgoff: u64,
    pub flags: u64,
    /// From 1; 0: anonymous.
    pub file: u32,
    /// The serial of `vma->anon_vma`.
    pub anon_vma: Option<u32>,
    /// Serials, in list order.
    pub chain: Vec<u32>,
}

impl Vma {
    pub fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }
}

/// The kernel driver over a reference and the port, with what was done so far. Any finding fails the test.
pub struct LayerWorld {
    pub reference: &'static Reference,
    pub lockstep: Lockstep<Recorder<Kernel, Calls>, Port>,
    pub driver: KernelDriver,
    done: Trace,
}

impl LayerWorld {
    pub fn new(name: &str) -> LayerWorld {
        LayerWorld::of(kernel_with_layer(reference(name), SlabMode::Reuse))
    }

    /// With the kernel's page-table code. None: the reference has none.
    pub fn with_pages(name: &str) -> Option<LayerWorld> {
        Kernel::with_pages(reference(name), SlabMode::Reuse).ok().map(LayerWorld::of)
    }

    fn of(kernel: Kernel) -> LayerWorld {
        let reference = kernel.reference();
        let lockstep = Lockstep::new(Recorder::new(kernel), Port::new(reference.revision));
        LayerWorld { reference, lockstep, driver: KernelDriver::new(), done: Trace::default() }
    }

    /// After these operations, none of which is refused.
    pub fn after(name: &str, text: &str) -> LayerWorld {
        let mut world = LayerWorld::new(name);
        world.play(text);
        world
    }

    /// Back to the beginning.
    pub fn reset(&mut self) {
        self.lockstep.reset();
        KernelDriver::reset(&mut self.driver);
        self.done = Trace::default();
    }

    /// One operation, and the checks after it.
    pub fn apply(&mut self, op: &Op) -> Outcome {
        let outcome = Driver::apply(&mut self.driver, &mut self.lockstep, op);
        self.lockstep.end_operation();
        self.driver.check(&mut self.lockstep);
        self.done.ops.push(*op);
        self.assert_nothing_found();
        outcome
    }

    fn apply_text(&mut self, line: &str) -> Outcome {
        let trace = super::trace(line);
        assert_eq!(trace.ops.len(), 1, "{line}");
        self.apply(&trace.ops[0])
    }

    /// Operations that must succeed.
    pub fn play(&mut self, text: &str) {
        for op in super::trace(text).ops {
            let outcome = self.apply(&op);
            assert_eq!(outcome, Outcome::Done, "{}", self.so_far());
        }
    }

    /// An operation that must be refused with this errno, and that changes nothing.
    pub fn refuse(&mut self, line: &str, errno: &str) {
        let before = self.everything();
        let outcome = self.apply_text(line);
        match outcome {
            Outcome::Refused(n) if errno_name(n) == errno => (),
            other => panic!("{other:?} instead of {errno}: {}", self.so_far()),
        }
        assert_eq!(before, self.everything(), "what is refused changes nothing: {}", self.so_far());
    }

    /// An operation that fails on the way.
    pub fn fail(&mut self, line: &str, errno: &str) {
        match self.apply_text(line) {
            Outcome::Failed(n) if errno_name(n) == errno => (),
            other => panic!("{other:?} instead of {errno}: {}", self.so_far()),
        }
    }

    /// What was done, for a message.
    pub fn so_far(&self) -> String {
        format!("{}, after\n{}", self.reference.name, self.done)
    }

    /// What was found.
    pub fn finding(&self) -> Option<&Finding> {
        self.lockstep.finding()
    }

    pub fn assert_nothing_found(&self) {
        if let Some(finding) = self.finding() {
            panic!("{}", text::plain(&Report::new(finding, &self.done, self.reference.name)));
        }
    }

    pub fn snapshot(&mut self) -> Snapshot {
        super::snapshot(self.lockstep.reference())
    }

    /// The VMAs of every process that lives, and which anon_vmas live.
    pub fn everything(&mut self) -> (BTreeMap<u8, Vec<Vma>>, Vec<u32>) {
        let alive: Vec<u8> = KernelDriver::processes(&self.driver).map(|(mm, _)| mm.0).collect();
        let anon_vmas = self.snapshot().anon_vmas.iter().map(|anon_vma| anon_vma.id.0).collect();
        (alive.into_iter().map(|mm| (mm, self.vmas(mm))).collect(), anon_vmas)
    }

    pub fn lives(&self, mm: u8) -> bool {
        KernelDriver::processes(&self.driver).any(|(id, _)| id == MmId(mm))
    }

    /// The VMAs of a process, as its own tree has them.
    pub fn vmas(&mut self, mm: u8) -> Vec<Vma> {
        let snapshot = self.snapshot();
        let mut mapped = Vec::new();
        Watched::mapped(self.lockstep.reference(), MmId(mm), &mut mapped)
            .unwrap_or_else(|| panic!("p{mm} does not live: {}", self.so_far()));
        let state = |mapped: &Mapped| {
            let vma = snapshot.vma(mapped.vma).expect("what is mapped is live");
            assert_eq!((vma.mm, vma.range.start, vma.range.end), (MmId(mm), mapped.range.start, mapped.range.end));
            Vma {
                start: vma.range.start,
                end: vma.range.end,
                pgoff: vma.range.pgoff,
                flags: vma.attributes.flags,
                file: vma.attributes.file,
                anon_vma: vma.anon_vma.map(|anon_vma| anon_vma.0),
                chain: vma.chain.iter().map(|link| link.anon_vma.0).collect(),
            }
        };
        mapped.iter().map(state).collect()
    }

    /// The VMA at a page.
    pub fn at(&mut self, mm: u8, page: u64) -> Vma {
        let vmas = self.vmas(mm);
        let found = vmas.into_iter().find(|vma| (vma.start..vma.end).contains(&page));
        found.unwrap_or_else(|| panic!("p{mm} has nothing at {page:#x}: {}", self.so_far()))
    }

    /// Where the VMAs of a process lie: `10..14 20..24`, hexadecimal.
    pub fn layout(&mut self, mm: u8) -> String {
        let vmas = self.vmas(mm);
        vmas.iter().map(|vma| format!("{:x}..{:x}", vma.start, vma.end)).collect::<Vec<_>>().join(" ")
    }

    /// Asserts [`LayerWorld::layout`].
    pub fn assert_layout(&mut self, mm: u8, expected: &str) {
        let layout = self.layout(mm);
        assert_eq!(layout, expected, "p{mm} in {}", self.so_far());
    }

    /// How many calls of a sort the last operation made.
    pub fn calls(&mut self, which: fn(&Call) -> bool) -> usize {
        self.lockstep.reference().log().0.iter().filter(|call| which(call)).count()
    }

    /// The serials of the anon_vmas that live.
    pub fn anon_vmas(&mut self) -> Vec<u32> {
        self.snapshot().anon_vmas.iter().map(|anon_vma| anon_vma.id.0).collect()
    }

    /// `refcount` of one.
    pub fn refcount(&mut self, anon_vma: u32) -> Option<i64> {
        let snapshot = self.snapshot();
        snapshot.anon_vmas.iter().find(|state| state.id.0 == anon_vma).map(|state| state.refcount)
    }

    /// Walks, exits and drops everything: nothing may be found, and nothing may be left.
    pub fn end(mut self) {
        self.end_here();
    }

    /// [`LayerWorld::end`], after which the world can be [reset](LayerWorld::reset).
    pub fn end_here(&mut self) {
        self.lockstep.finish();
        self.assert_nothing_found();
        check::end_trace(&mut self.lockstep, &mut self.driver);
        self.assert_nothing_found();
        assert_eq!(self.lockstep.reference().live(), [0; 3], "{}", self.so_far());
    }
}

pub const WRITE: u64 = VmaAttributes::WRITE;
pub const DONTCOPY: u64 = VmaAttributes::DONTCOPY;
pub const WIPEONFORK: u64 = VmaAttributes::WIPEONFORK;
pub const ACCOUNT: u64 = VmaAttributes::ACCOUNT;
pub const LOCKED: u64 = VmaAttributes::LOCKED;
