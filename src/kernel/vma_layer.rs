//! The kernel's VMA code behind the table: operations in, what is seen of them out.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use super::tasks::Onlooker;
use super::{Kernel, abi, wire};
use crate::rmap::{AnonVmaId, EINVAL, Event, FILES_NOT_TOLD, Fail, MmId, Side, VmaAttributes, VmaId, VmaRange};
use crate::trace::schedule::Scheduler;
use crate::trace::{Mapped, MmCounts, Op, PageTables, Request, Seen, TaskEnd, TaskWatcher, Watched};

/// How C comes back: whose it is, the watcher, and what it panicked with, which must not unwind through C.
pub(super) struct Context<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) watcher: &'a mut dyn FnMut(&Seen<'_>) -> bool,
    pub(super) panic: Option<Box<dyn std::any::Any + Send>>,
}

/// A slice that C owns for the duration of a call of [`watch`].
///
/// # Safety
/// `count` values stand at `at`, unless it is 0.
pub(super) unsafe fn slice<'a, T>(at: *const T, count: u32) -> &'a [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(at, count as usize) }
}

pub(super) unsafe extern "C" fn watch(context: *mut c_void, seen: *const abi::rmap_seen) -> i32 {
    // SAFETY: C hands back the context that `operate_watched` gave it, which outlives the operation, and a
    // structure of its own that is valid during this call.
    let (context, seen) = unsafe { (&mut *context.cast::<Context<'_>>(), &*seen) };
    // SAFETY: C fills in the call, and as many events and words as it counts; Event is laid out as rmap_event.
    let (call, events, touched) =
        unsafe { (&*seen.call, slice(seen.events.cast::<Event>(), seen.nr_events), slice(seen.words, seen.nr_words)) };
    let warning = events.iter().any(Event::is_violation).then(|| context.kernel.last_warning()).flatten();
    let touched = (!seen.words.is_null()).then_some(touched);
    let told = Seen {
        what: wire::decode_observation(call),
        result: seen.result,
        events,
        touched,
        warning: warning.as_deref(),
    };
    let answer = catch_unwind(AssertUnwindSafe(|| (context.watcher)(&told)));
    match answer {
        Ok(goes_on) => i32::from(!goes_on),
        Err(panic) => {
            context.panic = Some(panic);
            1
        }
    }
}

/// The number of the next reading of page tables.
static PAGE_READINGS: AtomicU64 = AtomicU64::new(1);

impl Kernel {
    /// The words in which the C tells of its page tables; none: it has none.
    fn told_page_tables(&mut self, reading: abi::rmap_page_reading) -> Option<&[u64]> {
        let read = self.ops.page_tables?;
        let mut count = 0;
        // SAFETY: the world is alive and used by this thread alone; C writes the count.
        let words = unsafe { read(self.world.as_ptr(), reading, &mut count) };
        // SAFETY: C wrote `count` words there and does not touch them until the next call, which needs `&mut self`.
        Some(unsafe { slice(words, count) })
    }
}

impl Watched for Kernel {
    fn operate_watched(&mut self, request: &Request<'_>, watcher: &mut dyn FnMut(&Seen<'_>) -> bool) -> i32 {
        let operate = self.ops.operate.expect("a world with the VMA layer");
        let Some(operation) = wire::encode_request(request) else {
            return -EINVAL;
        };
        let fail_node: *const Fail = request.fail_node;
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

    fn operate_unwatched(&mut self, request: &Request<'_>) -> i32 {
        let operate = self.ops.operate.expect("a world with the VMA layer");
        let Some(operation) = wire::encode_request(request) else {
            return -EINVAL;
        };
        let fail_node: *const Fail = request.fail_node;
        // SAFETY: the world is alive and used by this thread alone; the operation and the failures (laid out as
        // rmap_fail) are valid for the call.
        unsafe { operate(self.world.as_ptr(), &operation, fail_node.cast(), None, std::ptr::null_mut()) }
    }

    fn mapped(&mut self, mm: MmId, out: &mut Vec<Mapped>) -> Option<MmCounts> {
        let space = self.ops.space.expect("a world with the VMA layer");
        let mut count = 0;
        // SAFETY: the world is alive and used by this thread alone; C writes the count.
        let words = unsafe { space(self.world.as_ptr(), u32::from(mm.0), &mut count) };
        // SAFETY: C wrote `count` words there and does not touch them until the next call.
        let (&[map_count, total_vm, in_rcu], vmas) = unsafe { slice(words, count) }.split_first_chunk()?;
        out.extend(vmas.chunks_exact(7).map(|vma| Mapped {
            vma: VmaId(vma[0] as u32),
            range: VmaRange { start: vma[1], end: vma[2], pgoff: vma[3] },
            writable: vma[4] & VmaAttributes::WRITE != 0,
            file: vma[4] >> 32 != 0,
            // The files are numbered from 1 there.
            not_told: vma[4] >> 32 > u64::from(FILES_NOT_TOLD),
            dontcopy: vma[4] & VmaAttributes::DONTCOPY != 0,
            wipeonfork: vma[4] & VmaAttributes::WIPEONFORK != 0,
            flags: vma[4] as u32,
            anon_vma: vma[5].checked_sub(1).map(|serial| AnonVmaId(serial as u32)),
            is_child: vma[5] != 0 && vma[6] > 1,
        }));
        Some(MmCounts { map_count, total_vm, in_rcu: in_rcu != 0 })
    }

    fn injected(&self) -> u32 {
        let injected = self.ops.injected.expect("a world with the VMA layer");
        // SAFETY: the world is alive.
        unsafe { injected(self.world.as_ptr()) }
    }

    fn moves_pages(&self) -> bool {
        // mm/userfaultfd.c is not among the page-table code.
        self.reference.moves_pages && self.ops.page_tables.is_none()
    }

    fn merges_either_way(&self) -> bool {
        self.reference.merges_either_way
    }

    fn page_tables(&mut self, out: &mut PageTables) -> Option<bool> {
        let device_counts = self.reference.revision.device_entries_count;
        let mut told = std::mem::take(&mut self.told_pages);
        out.clear();
        let words = self.told_page_tables(abi::rmap_page_reading::RMAP_PAGES_ALL);
        let readable = words.map(|words| told.take_in(words, device_counts, out).is_some());
        self.told_pages = told;
        readable
    }

    fn changed_page_tables(&mut self, out: &mut PageTables) -> Option<bool> {
        let device_counts = self.reference.revision.device_entries_count;
        let goes_on = out.reading != 0 && out.reading == self.page_reading;
        let reading = if goes_on {
            abi::rmap_page_reading::RMAP_PAGES_CHANGED
        } else {
            out.clear();
            abi::rmap_page_reading::RMAP_PAGES_ANEW
        };
        let mut told = std::mem::take(&mut self.told_pages);
        let readable = self.told_page_tables(reading).map(|words| told.take_in(words, device_counts, out).is_some());
        self.told_pages = told;
        // No two readings have the same number, of whatever world.
        self.page_reading = if readable == Some(true) { PAGE_READINGS.fetch_add(1, Ordering::Relaxed) } else { 0 };
        out.reading = self.page_reading;
        if !goes_on {
            (out.changes.any, out.changes.processes, out.changes.slots) = (true, u16::MAX, true);
        }
        readable
    }

    fn page_table_words(&mut self, out: &mut Vec<u64>) -> Option<bool> {
        let words = self.told_page_tables(abi::rmap_page_reading::RMAP_PAGES_ALL)?;
        out.extend_from_slice(words);
        // What ends in the middle has a record that there is not.
        Some(words.last() != Some(&u64::MAX))
    }

    fn has_page_tables(&self) -> bool {
        self.ops.page_tables.is_some()
    }

    fn run_together(
        &mut self,
        ops: &[Op],
        scheduler: &mut Scheduler<'_>,
        watcher: &mut dyn FnMut(&Seen<'_>) -> bool,
    ) -> Option<Vec<TaskEnd>> {
        self.tasks(ops, scheduler, false, &mut Onlooker(watcher))
    }

    fn follow_together(
        &mut self,
        ops: &[Op],
        scheduler: &mut Scheduler<'_>,
        watcher: &mut dyn TaskWatcher,
    ) -> Option<Vec<TaskEnd>> {
        self.tasks(ops, scheduler, true, watcher)
    }

    fn fail_pages(&mut self, fail: &Fail) {
        let fail: *const Fail = fail;
        if let Some(fail_pages) = self.ops.fail_pages {
            // SAFETY: the world is alive and used by this thread alone; Fail is laid out as rmap_fail.
            unsafe { fail_pages(self.world.as_ptr(), fail.cast()) }
        }
    }
}
