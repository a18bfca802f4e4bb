//! The kernel's VMA code behind the table: operations in, what is seen of them out.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{Kernel, abi};
use crate::rmap::{
    AnonVmaId, Call, Event, Fail, LayerOperation, Mapped, MmCounts, MmId, Observation, PageEvent, Seen, Side,
    VmaAttributes, VmaId, VmaLayer, VmaOperation, VmaRange, Watched,
};

/// How C comes back: whose it is, the watcher, and what it panicked with, which must not unwind through C.
struct Context<'a> {
    kernel: &'a Kernel,
    watcher: &'a mut dyn FnMut(&Seen<'_>) -> bool,
    panic: Option<Box<dyn std::any::Any + Send>>,
}

/// A slice that C owns for the duration of a call of [`watch`].
///
/// # Safety
/// `count` values stand at `at`, unless it is 0.
unsafe fn slice<'a, T>(at: *const T, count: u32) -> &'a [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(at, count as usize) }
}

unsafe extern "C" fn watch(context: *mut c_void, seen: *const abi::rmap_seen) -> i32 {
    // SAFETY: C hands back the context that `operate_watched` gave it, which outlives the operation, and a
    // structure of its own that is valid during this call.
    let (context, seen) = unsafe { (&mut *context.cast::<Context<'_>>(), &*seen) };
    // SAFETY: C fills in the call, and as many events and words as it counts; Event is laid out as rmap_event.
    let (call, events, touched) =
        unsafe { (&*seen.call, slice(seen.events.cast::<Event>(), seen.nr_events), slice(seen.words, seen.nr_words)) };
    let warning = events.iter().any(Event::is_violation).then(|| context.kernel.last_warning()).flatten();
    let touched = (!seen.words.is_null()).then_some(touched);
    let told = Seen { what: decode(call), result: seen.result, events, touched, warning: warning.as_deref() };
    let answer = catch_unwind(AssertUnwindSafe(|| (context.watcher)(&told)));
    match answer {
        Ok(goes_on) => i32::from(!goes_on),
        Err(panic) => {
            context.panic = Some(panic);
            1
        }
    }
}

/// What C tells. A number that it never tells is nothing in particular.
fn decode(call: &abi::rmap_call) -> Observation {
    use abi::rmap_call_kind as kind;
    let is = |k: kind| call.kind == k as u32;
    let id = |serial: u32| (serial != Event::NONE).then_some(VmaId(serial));
    let (mm, vma, anon_vma) = (MmId(call.mm as u8), VmaId(call.vma), AnonVmaId(call.vma));
    let other = VmaId(call.other);
    let range = VmaRange { start: call.start, end: call.end, pgoff: call.pgoff };
    let told = match () {
        () if is(kind::RMAP_MMAP_WRITE_LOCK) => Call::MmapWriteLock { mm },
        () if is(kind::RMAP_MMAP_READ_LOCK) => Call::MmapReadLock { mm },
        () if is(kind::RMAP_MMAP_UNLOCK) => Call::MmapUnlock { mm },
        () if is(kind::RMAP_VM_AREA_ALLOC) => Call::VmAreaAlloc { mm, range },
        () if is(kind::RMAP_VM_AREA_DUP) => Call::VmAreaDup { orig: vma, mm, range },
        () if is(kind::RMAP_VM_AREA_FREE) => Call::VmAreaFree { vma },
        () if is(kind::RMAP_VMA_SET_RANGE) => Call::VmaSetRange { vma, range },
        () if is(kind::RMAP_VMA_SET_ATTRIBUTES) => {
            let attributes = VmaAttributes { anon_pgoff: call.start, flags: call.end, file: call.pgoff as u32 };
            Call::VmaSetAttributes { vma, attributes }
        }
        () if is(kind::RMAP_VMA_SET_MM) => Call::VmaSetMm { vma, mm },
        () if is(kind::RMAP_VMA_SET_ANON_VMA) => {
            Call::VmaSetAnonVma { vma, anon_vma: (call.other != Event::NONE).then_some(AnonVmaId(call.other)) }
        }
        () if is(kind::RMAP_VMA_MARK_ATTACHED) => Call::VmaMarkAttached { vma },
        () if is(kind::RMAP_VMA_MARK_DETACHED) => Call::VmaMarkDetached { vma },
        () if is(kind::RMAP_ANON_VMA_PREPARE) => {
            Call::AnonVmaPrepare { vma, prev: id(call.other), next: id(call.third) }
        }
        () if is(kind::RMAP_ANON_VMA_CLONE) => {
            let operation = match call.operation {
                1 => VmaOperation::MergeUnfaulted,
                2 => VmaOperation::Remap,
                3 => VmaOperation::Fork,
                _ => VmaOperation::Split,
            };
            Call::AnonVmaClone { dst: vma, src: other, operation }
        }
        () if is(kind::RMAP_ANON_VMA_FORK) => Call::AnonVmaFork { vma, pvma: other },
        () if is(kind::RMAP_UNLINK_ANON_VMAS) => Call::UnlinkAnonVmas { vma },
        () if is(kind::RMAP_ANON_VMA_LOCK_WRITE) => Call::AnonVmaLockWrite { anon_vma },
        () if is(kind::RMAP_ANON_VMA_UNLOCK_WRITE) => Call::AnonVmaUnlockWrite { anon_vma },
        () if is(kind::RMAP_TREE_PRE_UPDATE_VMA) => Call::TreePreUpdateVma { vma },
        () if is(kind::RMAP_TREE_POST_UPDATE_VMA) => Call::TreePostUpdateVma { vma },
        () if is(kind::RMAP_PAGES_ZAP) => {
            return Observation::Pages(PageEvent::Zap { mm, start: call.start, end: call.end });
        }
        () if is(kind::RMAP_PAGES_COPY) => {
            let from = MmId(call.other as u8);
            return Observation::Pages(PageEvent::Copy { mm, from, start: call.start, end: call.end });
        }
        () if is(kind::RMAP_PAGES_MOVE) => {
            return Observation::Pages(PageEvent::Move { mm, start: call.start, end: call.end, to: call.pgoff });
        }
        () => return Observation::Outside,
    };
    Observation::Call(told)
}

fn encode(operation: &LayerOperation) -> abi::rmap_operation {
    use abi::rmap_operation_kind as kind;
    let mut out = abi::rmap_operation { kind: 0, mm: 0, other: 0, flags: 0, file: 0, start: 0, end: 0, to: 0 };
    let (kind, mm) = match *operation {
        LayerOperation::Map { mm, start, end, grows, file } => {
            (out.start, out.end, out.flags) = (start, end, u32::from(grows));
            out.file = file.map_or(0, |file| u32::from(file) + 1);
            (kind::RMAP_OP_MAP, mm)
        }
        LayerOperation::Fault { mm, page, write, prepare } => {
            (out.start, out.flags) = (page, u32::from(write) | u32::from(prepare) << 1);
            (kind::RMAP_OP_FAULT, mm)
        }
        LayerOperation::Fork { parent, child } => {
            out.other = u32::from(child.0);
            (kind::RMAP_OP_FORK, parent)
        }
        LayerOperation::Unmap { mm, start, end } => {
            (out.start, out.end) = (start, end);
            (kind::RMAP_OP_UNMAP, mm)
        }
        LayerOperation::Exit { mm } => (kind::RMAP_OP_EXIT, mm),
        LayerOperation::Protect { mm, start, end, write } => {
            (out.start, out.end, out.flags) = (start, end, u32::from(write));
            (kind::RMAP_OP_PROTECT, mm)
        }
        LayerOperation::Advise { mm, start, end, advice } => {
            (out.start, out.end, out.flags) = (start, end, advice);
            (kind::RMAP_OP_ADVISE, mm)
        }
        LayerOperation::Move { mm, start, end, to, dontunmap } => {
            (out.start, out.end, out.to, out.flags) = (start, end, to, u32::from(dontunmap));
            (kind::RMAP_OP_MOVE, mm)
        }
        LayerOperation::Resize { mm, start, end, pages } => {
            (out.start, out.end, out.to) = (start, end, pages);
            (kind::RMAP_OP_RESIZE, mm)
        }
        LayerOperation::Grow { mm, page, pages } => {
            (out.start, out.to) = (page, pages);
            (kind::RMAP_OP_GROW, mm)
        }
    };
    out.kind = kind as u32;
    out.mm = u32::from(mm.0);
    out
}

impl Watched for Kernel {
    fn operate_watched(
        &mut self,
        operation: &LayerOperation,
        fail_node: &Fail,
        watcher: &mut dyn FnMut(&Seen<'_>) -> bool,
    ) -> i32 {
        let operate = self.ops.operate.expect("a world with the VMA layer");
        let operation = encode(operation);
        let fail_node: *const Fail = fail_node;
        let mut context = Context { kernel: self, watcher, panic: None };
        let at: *mut Context<'_> = &mut context;
        // SAFETY: the world is alive and used by this thread alone; the operation and the failures (laid out as
        // rmap_fail) are valid for the call, and so is the context, which C gives to `watch` and to nobody else.
        let result = unsafe { operate(self.world.as_ptr(), &operation, fail_node.cast(), Some(watch), at.cast()) };
        if let Some(panic) = context.panic {
            resume_unwind(panic);
        }
        result
    }

    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts> {
        let space = self.ops.space.expect("a world with the VMA layer");
        let mut count = 0;
        // SAFETY: the world is alive and used by this thread alone; C writes the count.
        let words = unsafe { space(self.world.as_ptr(), u32::from(mm.0), &mut count) };
        // SAFETY: C wrote `count` words there and does not touch them until the next call.
        let (&[map_count, total_vm, in_rcu], vmas) = unsafe { slice(words, count) }.split_first_chunk()?;
        out.extend(vmas.chunks_exact(6).map(|vma| Mapped {
            vma: VmaId(vma[0] as u32),
            range: VmaRange { start: vma[1], end: vma[2], pgoff: vma[3] },
            writable: vma[4] & VmaAttributes::WRITE != 0,
            file: vma[4] >> 32 != 0,
            dontcopy: vma[4] & VmaAttributes::DONTCOPY != 0,
            wipeonfork: vma[4] & VmaAttributes::WIPEONFORK != 0,
            flags: vma[4] as u32,
            faulted: vma[5] != 0,
        }));
        Some(MmCounts { map_count, total_vm, in_rcu: in_rcu != 0 })
    }

    fn injected(&self) -> u32 {
        let injected = self.ops.injected.expect("a world with the VMA layer");
        // SAFETY: the world is alive.
        unsafe { injected(self.world.as_ptr()) }
    }

    fn moves_pages(&self) -> bool {
        self.reference.moves_pages
    }
}

/// The C alone, with nobody following: what it costs by itself.
impl VmaLayer for Kernel {
    fn operate(&mut self, operation: &LayerOperation, fail_node: &Fail, pages: &mut dyn FnMut(PageEvent)) -> i32 {
        self.operate_watched(operation, fail_node, &mut |seen| {
            if let Observation::Pages(event) = seen.what {
                pages(event);
            }
            true
        })
    }

    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts> {
        Watched::mapped(self, mm, out)
    }

    fn injected(&self) -> u32 {
        Watched::injected(self)
    }

    fn moves_pages(&self) -> bool {
        Watched::moves_pages(self)
    }
}
