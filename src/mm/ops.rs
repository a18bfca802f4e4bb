//! What each operation does: one function an operation, each naming the kernel function that
//! it mirrors, and the functions that the kernel shares among them.
//!
//! A result that the kernel looks at is looked at here; what is `void` there is ignored here, so
//! that a seam that has stopped, and returns errors everywhere, leaves the geometry in one piece.
//!
//! The mmap lock is held for writing throughout an unmap, as `do_munmap()` does; the `munmap` system
//! call may downgrade it before the unlinking, which no rule of the reverse map tells apart.

use super::space::{Space, Vma};
use super::{MAX_MAP_COUNT, Outcome, SmallDriver};
use crate::pages::{Pages, Refused};
use crate::rmap::{Call, EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM, ENOSYS, ESRCH};
use crate::rmap::{MmId, Revision, Rmap, VmaId, VmaOperation, VmaRange, WalkMode};
use crate::trace::OpKind;

type Result<T = ()> = std::result::Result<T, Outcome>;

fn refused<T>(errno: i32) -> Result<T> {
    Err(Outcome::Refused(errno))
}

/// Makes a call that can fail. Returns the serial, or 0.
fn checked<R: Rmap + ?Sized>(rmap: &mut R, call: Call) -> Result<u32> {
    let result = rmap.call(call);
    u32::try_from(result).map_err(|_| Outcome::Failed(result.saturating_neg()))
}

impl SmallDriver {
    /// Does an operation that was begun.
    pub(super) fn perform<R: Rmap + ?Sized>(&mut self, rmap: &mut R, kind: &OpKind) -> Result {
        match *kind {
            OpKind::Map { mm, start, end, grows: false, noreserve: false, shared: false, file: None } => {
                self.map(rmap, mm, start, end)
            }
            OpKind::Fault { mm, page, read: false, order: 0 } => self.fault(rmap, mm, page),
            OpKind::Fork { parent, child } => self.fork(rmap, parent, child),
            OpKind::Unmap { mm, start, end } => self.unmap(rmap, mm, start, end),
            OpKind::Exit { mm } => self.exit(rmap, mm),
            OpKind::Pin { mm, page } => self.pin(rmap, mm, page),
            OpKind::Unpin { pin } => self.pages.unpin(rmap, usize::from(pin)).map_err(|Refused(e)| Outcome::Refused(e)),
            OpKind::Walk { mm, page, mode } => self.walk(rmap, mm, page, mode),
            _ => refused(ENOSYS),
        }
    }

    /// Mirrors do_mmap() with MAP_FIXED_NOREPLACE (mm/mmap.c) and the part of mmap_region() that
    /// makes a new VMA (mm/mmap.c in 6.x, `__mmap_new_vma()` of mm/vma.c in 7.x), without the attempt
    /// to merge. `vm_pgoff` of new anonymous memory is its page number.
    fn map<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId, start: u64, end: u64) -> Result {
        let Some(space) = self.space_mut(mm) else {
            return refused(ESRCH);
        };
        if start >= end {
            return refused(EINVAL);
        }
        if space.map_count() > MAX_MAP_COUNT {
            return refused(ENOMEM);
        }
        if space.first_in(start, end).is_some() {
            return refused(EEXIST);
        }
        let range = VmaRange { start, end, pgoff: start };
        rmap.call(Call::MmapWriteLock { mm });
        let result = checked(rmap, Call::VmAreaAlloc { mm, range }).map(|serial| {
            let id = VmaId(serial);
            rmap.call(Call::VmaMarkAttached { vma: id });
            space.put(Vma { id, range });
        });
        rmap.call(Call::MmapUnlock { mm });
        result
    }

    /// Mirrors do_anonymous_page() (mm/memory.c; vmf_anon_prepare() in 6.12 and later) as far as
    /// anon_vma_prepare(), with the neighbours that find_mergeable_anon_vma() (mm/mmap.c in 6.1,
    /// mm/vma.c) will look at. Called even if the VMA is prepared: the kernel looks there, not here.
    fn fault<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId, page: u64) -> Result {
        let Some(space) = self.space(mm) else {
            return refused(ESRCH);
        };
        let Some(vma) = space.find(page) else {
            return refused(EFAULT);
        };
        let prev = space.before(vma.range.start).map(|prev| prev.id);
        let next = space.find(vma.range.end).map(|next| next.id);
        rmap.call(Call::MmapReadLock { mm });
        let result = checked(rmap, Call::AnonVmaPrepare { vma: vma.id, prev, next });
        if result.is_ok() {
            self.pages.fault(rmap, mm, vma.id, page, true);
        }
        rmap.call(Call::MmapUnlock { mm });
        result.map(|_| ())
    }

    /// Mirrors dup_mmap() (kernel/fork.c in 6.x, mm/mmap.c in 7.x): copies the geometry as
    /// `__mt_dup()` does and then replaces the VMAs one by one. On failure, what was copied is torn
    /// down by exit_mmap() after both locks were dropped, as in 6.x; 7.x makes the same rmap calls in
    /// the same order before it drops them.
    fn fork<R: Rmap + ?Sized>(&mut self, rmap: &mut R, parent: MmId, child: MmId) -> Result {
        if self.space(parent).is_none() {
            return refused(ESRCH);
        }
        match self.spaces.get(usize::from(child.0)) {
            Some(None) => (),
            Some(Some(_)) => return refused(EEXIST),
            None => return refused(EINVAL),
        }
        let mut copy = self.free_space();
        if let Some(space) = self.space(parent) {
            copy.copy(space);
        }
        rmap.call(Call::MmapWriteLock { mm: parent });
        rmap.call(Call::MmapWriteLock { mm: child });
        let pages = &mut self.pages;
        let failure = copy.iter_mut().find_map(|vma| match dup_vma(rmap, vma, child) {
            Ok(id) => {
                vma.id = id;
                pages.copy_range(parent, child, vma.range.start, vma.range.end);
                None
            }
            Err(outcome) => Some((vma.range.start, outcome)),
        });
        rmap.call(Call::MmapUnlock { mm: child });
        rmap.call(Call::MmapUnlock { mm: parent });
        if let Some((start, outcome)) = failure {
            copy.truncate(start);
            exit_mmap(rmap, child, &copy, &mut self.pages);
            self.free_spaces.push(copy);
            return Err(outcome);
        }
        self.spaces[usize::from(child.0)] = Some(copy);
        Ok(())
    }

    /// Mirrors do_munmap() (mm/mmap.c, mm/vma.c): do_mas_align_munmap() in 6.1; vms_gather_munmap_vmas()
    /// and vms_complete_munmap_vmas() in 6.12 and later. A split that succeeded stays when a later one
    /// fails. The marks are of the later kernels; 6.1 has none.
    fn unmap<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId, start: u64, end: u64) -> Result {
        let mut gathered = std::mem::take(&mut self.gathered);
        gathered.clear();
        let space = self.spaces.get_mut(usize::from(mm.0)).and_then(Option::as_mut);
        let result = match space {
            None => refused(ESRCH),
            Some(_) if start >= end => refused(EINVAL),
            Some(space) => unmap_in(rmap, space, &mut self.pages, mm, start..end, &mut gathered),
        };
        self.gathered = gathered;
        result
    }

    /// Mirrors do_exit() as far as exit_mmap(). The number may be used by a later fork.
    pub(super) fn exit<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId) -> Result {
        let Some(space) = self.spaces.get_mut(usize::from(mm.0)).and_then(Option::take) else {
            return refused(ESRCH);
        };
        exit_mmap(rmap, mm, &space, &mut self.pages);
        self.free_spaces.push(space);
        Ok(())
    }

    /// Mirrors folio_get_anon_vma() as migration and KSM call it.
    fn pin<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId, page: u64) -> Result {
        if self.space(mm).is_none() {
            return refused(ESRCH);
        }
        match self.pages.pin(rmap, mm, page) {
            Ok(_) => Ok(()),
            // A call was made.
            Err(Refused(ENOENT)) => Err(Outcome::Failed(ENOENT)),
            Err(Refused(errno)) => refused(errno),
        }
    }

    /// Mirrors rmap_walk() of the folio at a page. One that gives up for the lock is a walk, too.
    fn walk<R: Rmap + ?Sized>(&mut self, rmap: &mut R, mm: MmId, page: u64, mode: WalkMode) -> Result {
        if self.space(mm).is_none() {
            return refused(ESRCH);
        }
        self.pages.walk(rmap, mm, page, mode).map(|_| ()).map_err(|Refused(errno)| Outcome::Refused(errno))
    }
}

/// One VMA of a fork: the body of the loop of dup_mmap().
fn dup_vma<R: Rmap + ?Sized>(rmap: &mut R, pvma: &Vma, child: MmId) -> Result<VmaId> {
    let vma = VmaId(checked(rmap, Call::VmAreaDup { orig: pvma.id, mm: child, range: pvma.range })?);
    if let Err(outcome) = checked(rmap, Call::AnonVmaFork { vma, pvma: pvma.id }) {
        rmap.call(Call::VmAreaFree { vma });
        return Err(outcome);
    }
    rmap.call(Call::VmaMarkAttached { vma });
    Ok(vma)
}

/// Mirrors exit_mmap() (mm/mmap.c): unmap_vmas() empties the page tables, free_pgtables() (mm/memory.c) unlinks every VMA, then
/// tear_down_vmas() of 7.x, a loop of remove_vma() before, frees every one. The mark is of 7.x.
fn exit_mmap<R: Rmap + ?Sized>(rmap: &mut R, mm: MmId, space: &Space, pages: &mut Pages) {
    rmap.call(Call::MmapWriteLock { mm });
    pages.exit(rmap, mm);
    for vma in space.iter() {
        rmap.call(Call::UnlinkAnonVmas { vma: vma.id });
    }
    for vma in space.iter() {
        rmap.call(Call::VmaMarkDetached { vma: vma.id });
        rmap.call(Call::VmAreaFree { vma: vma.id });
    }
    rmap.call(Call::MmapUnlock { mm });
}

/// `unmap` in a process that is alive, of a range that is not empty.
fn unmap_in<R: Rmap + ?Sized>(
    rmap: &mut R,
    space: &mut Space,
    pages: &mut Pages,
    mm: MmId,
    range: std::ops::Range<u64>,
    gathered: &mut Vec<(u64, VmaId)>,
) -> Result {
    let (start, end) = (range.start, range.end);
    let first = space.first_in(start, end);
    if let Some(Vma { range, .. }) = first
        && start > range.start
        && end < range.end
        && space.map_count() >= MAX_MAP_COUNT
    {
        return refused(ENOMEM);
    }
    rmap.call(Call::MmapWriteLock { mm });
    let result = match first {
        Some(first) => gather(rmap, space, mm, first, range, gathered),
        None => Ok(()),
    };
    if result.is_ok() {
        pages.zap(rmap, mm, start, end);
        for &(_, vma) in gathered.iter() {
            rmap.call(Call::UnlinkAnonVmas { vma });
        }
        for &(page, vma) in gathered.iter() {
            rmap.call(Call::VmAreaFree { vma });
            space.remove(page);
        }
    }
    rmap.call(Call::MmapUnlock { mm });
    result
}

/// Mirrors vms_gather_munmap_vmas() (mm/vma.c; the first half of do_mas_align_munmap() in 6.1):
/// splits what lies across either edge, and detaches what is inside.
fn gather<R: Rmap + ?Sized>(
    rmap: &mut R,
    space: &mut Space,
    mm: MmId,
    first: Vma,
    pages: std::ops::Range<u64>,
    gathered: &mut Vec<(u64, VmaId)>,
) -> Result {
    let Revision { munmap_splits_first_below: first_below, munmap_splits_last_above: last_above, .. } = rmap.revision();
    if pages.start > first.range.start {
        split_vma(rmap, space, mm, first, pages.start, first_below)?;
    }
    let mut at = pages.start;
    while let Some(mut vma) = space.first_from(at, pages.end) {
        if vma.range.end > pages.end {
            match split_vma(rmap, space, mm, vma, pages.end, !last_above) {
                Ok(below) => vma = below,
                Err(outcome) => {
                    // reattach_vmas()
                    for &(_, vma) in gathered.iter() {
                        rmap.call(Call::VmaMarkAttached { vma });
                    }
                    return Err(outcome);
                }
            }
        }
        rmap.call(Call::VmaMarkDetached { vma: vma.id });
        gathered.push((vma.range.start, vma.id));
        at = vma.range.end;
    }
    Ok(())
}

/// Mirrors __split_vma() (mm/mmap.c in 6.1, mm/vma.c): cuts a VMA in two at a page inside it.
/// `new_below`: the new VMA is the lower part, else the upper one. Returns the lower part.
///
/// The kernel attaches the new VMA just before it puts the old one back into the trees; here it
/// is attached just after, so that nothing comes between the two halves of the update.
fn split_vma<R: Rmap + ?Sized>(
    rmap: &mut R,
    space: &mut Space,
    mm: MmId,
    vma: Vma,
    page: u64,
    new_below: bool,
) -> Result<Vma> {
    let VmaRange { start, end, pgoff } = vma.range;
    let below = VmaRange { start, end: page, pgoff };
    let above = VmaRange { start: page, end, pgoff: pgoff + (page - start) };
    let (new_range, rest) = if new_below { (below, above) } else { (above, below) };

    let new = VmaId(checked(rmap, Call::VmAreaDup { orig: vma.id, mm, range: new_range })?);
    let clone = Call::AnonVmaClone { dst: new, src: vma.id, operation: VmaOperation::Split };
    if let Err(outcome) = checked(rmap, clone) {
        rmap.call(Call::VmAreaFree { vma: new });
        return Err(outcome);
    }
    let offset_stays = rest.pgoff == pgoff;
    rmap.call(Call::PreUpdateVma { vma: vma.id, offset_stays });
    rmap.call(Call::VmaSetRange { vma: vma.id, range: rest });
    rmap.call(Call::PostUpdateVma { vma: vma.id, offset_stays });
    rmap.call(Call::VmaMarkAttached { vma: new });

    let (below_id, above_id) = if new_below { (new, vma.id) } else { (vma.id, new) };
    let lower = Vma { id: below_id, range: below };
    space.put(lower);
    space.put(Vma { id: above_id, range: above });
    Ok(lower)
}
