//! What a process sees at its pages, where the kernel's own code keeps the page tables: an operation changes no page that it was
//! not asked to change, wherever the page goes meanwhile.

use std::fmt;

use super::meaning::UnexpectedEffect;
use crate::rmap::{MAX_PROCESSES, MmId, WalkMode};
use crate::trace::{Frame, OpKind, PageTables, Target};

/// A page of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Page {
    mm: MmId,
    page: u64,
    content: u64,
    /// Its frame is of a file.
    of_file: bool,
    /// It is anonymous memory that must not be lost. Memory of a file comes back from there.
    kept: bool,
    /// Its entry maps the zero page.
    zero: bool,
    /// Nothing says that it was written to: neither its entry nor its folio is dirty, and it is not in the swap cache.
    clean: bool,
    /// Whether its entry lets the process write, says that it wrote, and that the page is its alone; none while nothing maps
    /// it.
    mapping: Option<(bool, bool, bool)>,
    /// A device has it for itself.
    of_device: bool,
    /// The frame of a page of a file.
    file: Option<u32>,
    /// The frame that its entry maps, or that a device has.
    frame: Option<u32>,
    /// Its entry says that its memory has failed.
    poisoned: bool,
    /// Its memory has failed, and it is still mapped: a split takes it away.
    failed: bool,
    /// Userfaultfd has write-protected it.
    uffd: bool,
    /// Whoever tracks what is written to finds that it was.
    soft_dirty: bool,
    /// Whether its entry says that it was used; none where no entry can say so: on the swap device, and on a device.
    used: Option<bool>,
    /// Its folio has other pages, which are mapped one by one.
    in_batch: bool,
    /// Its file system is not told of the first write, so that its VMA alone says whether it can be written to.
    not_told: bool,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.zero, self.frame) {
            (true, _) => f.write_str("the zero page")?,
            (_, Some(frame)) if self.of_device => write!(f, "a device's, in frame {frame}")?,
            (_, Some(frame)) => write!(f, "in frame {frame}")?,
            (_, None) if self.poisoned => f.write_str("of failed memory")?,
            (_, None) => f.write_str("not mapped (swapped out, or migrating)")?,
        }
        write!(f, " (content {:#x}", self.content)?;
        let (writable, dirty, exclusive) = self.mapping.unwrap_or_default();
        let words = [
            (writable, "writable"),
            (dirty, "dirty"),
            (self.used == Some(true), "accessed"),
            (exclusive, "exclusive"),
            (self.uffd, "uffd"),
            (self.soft_dirty, "soft-dirty"),
            (self.failed, "its memory has failed"),
            (!self.kept && !self.of_file && !self.zero && !self.poisoned, "may be dropped"),
        ];
        words.iter().filter(|(holds, _)| *holds).try_for_each(|(_, word)| write!(f, ", {word}"))?;
        f.write_str(")")
    }
}

/// Every page that is there of every process, in order, before the tables changed last and now.
#[derive(Default)]
pub(super) struct Contents {
    now: [Vec<Page>; MAX_PROCESSES],
    /// Of those that have changed.
    before: [Vec<Page>; MAX_PROCESSES],
    /// The processes of which some page is not as it was before, a bit each.
    changed: u16,
}

/// What was there at one of these times.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    contents: &'a Contents,
    before: bool,
}

impl<'a> Seen<'a> {
    /// The pages of a process.
    fn of(self, mm: MmId) -> &'a [Page] {
        let at = usize::from(mm.0) % MAX_PROCESSES;
        match self.before && self.contents.changed & mm.bit() != 0 {
            true => &self.contents.before[at],
            false => &self.contents.now[at],
        }
    }

    fn all(self) -> impl Iterator<Item = &'a Page> {
        (0..MAX_PROCESSES as u8).map(MmId).flat_map(move |mm| self.of(mm))
    }

    fn at(self, mm: MmId, page: u64) -> Option<&'a Page> {
        let pages = self.of(mm);
        pages.get(pages.binary_search_by_key(&page, |page| page.page).ok()?)
    }

    /// Each page of a process that has changed since, with what is there of it afterwards.
    fn with_successors(self, after: Seen<'a>) -> impl Iterator<Item = (&'a Page, Option<&'a Page>)> {
        let same = std::ptr::eq(self.contents, after.contents) && self.before == after.before;
        let changed = if same { 0 } else { after.contents.changed };
        let processes = (0..MAX_PROCESSES as u8).map(MmId).filter(move |&mm| changed & mm.bit() != 0);
        processes.flat_map(move |mm| {
            let mut rest = after.of(mm).iter().peekable();
            self.of(mm).iter().map(move |old| {
                while rest.next_if(|new| new.page < old.page).is_some() {}
                (old, rest.next_if(|new| new.page == old.page))
            })
        })
    }
}

impl Contents {
    /// Forgets all pages.
    pub(super) fn clear(&mut self) {
        self.now.iter_mut().chain(&mut self.before).for_each(Vec::clear);
        self.changed = 0;
    }

    /// As it was before the tables were read last.
    pub(super) fn before(&self) -> Seen<'_> {
        Seen { contents: self, before: true }
    }

    /// As it is now.
    pub(super) fn now(&self) -> Seen<'_> {
        Seen { contents: self, before: false }
    }

    /// Takes in what the page tables hold now. `changed`: the processes of which it is not what it was before, a bit each.
    pub(super) fn read(&mut self, tables: &PageTables, changed: u16) {
        let page = |entry: &crate::trace::PageEntry| {
            let frame = tables.frame_of(entry);
            let mapped = frame.filter(|_| matches!(entry.target, Target::Frame(_)));
            let content = match (frame, entry.target) {
                (Some(frame), _) => frame.content,
                (None, Target::Swap { .. }) => tables.content(entry),
                (None, _) => 0,
            };
            // Most folios have one page, which has no other before it nor behind it.
            let is_one_of_several = |frame: &Frame| frame.frame != frame.head || tables.frames_of(frame.head).len() > 1;
            Page {
                mm: entry.mm,
                page: entry.page,
                content,
                kept: match frame {
                    Some(frame) => frame.anon && (frame.swapbacked || frame.dirty || entry.dirty),
                    None => !matches!(entry.target, Target::Zero | Target::Poison(_)),
                },
                of_file: frame.is_some_and(|frame| frame.file),
                zero: entry.target == Target::Zero,
                clean: frame.is_some_and(|frame| !frame.dirty && !frame.swapcache && !entry.dirty),
                of_device: matches!(entry.target, Target::Device { .. }),
                mapping: mapped.map(|_| (entry.writable, entry.dirty, tables.is_exclusive(entry))),
                not_told: mapped.is_some_and(|frame| frame.not_told),
                file: mapped.filter(|frame| frame.file).map(|frame| frame.frame),
                frame: entry.target.mapped_or_lent(),
                poisoned: matches!(entry.target, Target::Poison(_)),
                failed: frame.is_some_and(|frame| frame.poisoned),
                uffd: entry.uffd,
                soft_dirty: entry.soft_dirty,
                used: match entry.target {
                    Target::Frame(_) | Target::Zero | Target::Migration { .. } => Some(entry.accessed),
                    _ => None,
                },
                in_batch: !entry.huge && frame.is_some_and(is_one_of_several),
            }
        };
        self.changed = changed;
        for mm in (0..MAX_PROCESSES as u8).map(MmId).filter(|&mm| changed & mm.bit() != 0) {
            let at = usize::from(mm.0);
            std::mem::swap(&mut self.now[at], &mut self.before[at]);
            self.now[at].clear();
            self.now[at].extend(tables.entries_of(mm).iter().map(&page));
        }
    }
}

/// The pages of its own process that an operation may change or take away, as a first and one past the last.
fn may_change(operation: &OpKind) -> (u64, u64) {
    match operation {
        OpKind::Exit { .. } => (0, u64::MAX),
        OpKind::Unmap { .. }
        | OpKind::Move { .. }
        | OpKind::Resize { .. }
        | OpKind::DontNeed { .. }
        | OpKind::LazyFree { .. }
        | OpKind::Fault { read: false, .. }
        | OpKind::Touch { write: true, .. } => operation.pages().unwrap_or((0, 0)),
        _ => (0, 0),
    }
}

/// Whether an operation may take a page's write protection by userfaultfd away, with the page or without.
fn may_unprotect(operation: &OpKind, done: bool, page: &Page) -> bool {
    let ranges = match *operation {
        OpKind::Exit { .. } => [(0, u64::MAX), (0, 0)],
        OpKind::Move { start, end, to, .. } if done => [(start, end), (to, to + (end - start))],
        OpKind::Unmap { .. } | OpKind::Resize { .. } | OpKind::DontNeed { .. } | OpKind::UffdWp { .. } => {
            [operation.pages().unwrap_or((0, 0)), (0, 0)]
        }
        _ => [(0, 0); 2],
    };
    let is_in = |(start, end): (u64, u64)| (start..end).contains(&page.page);
    operation.process() == Some(page.mm) && ranges.into_iter().any(is_in)
}

/// A page that is write-protected by userfaultfd and was not, or the other way round, and nobody asked for it.
fn protection_changed(operation: &OpKind, done: bool, old: &Page, new: &Page) -> Option<&'static str> {
    if old.uffd == new.uffd || old.poisoned || new.poisoned || may_unprotect(operation, done, old) {
        return None;
    }
    Some(if old.uffd { "page lost its write protection" } else { "page that is write-protected by nobody" })
}

/// A page that is not soft-dirty any more, and is still there. The bit stays until it is cleared, or the page is unmapped.
fn soft_dirty_lost(operation: &OpKind, done: bool, old: &Page, new: &Page) -> Option<&'static str> {
    let may_go = !matches!(operation, OpKind::UffdWp { .. }) && may_unprotect(operation, done, old);
    (old.soft_dirty && !new.soft_dirty && !new.poisoned && !may_go).then_some("page lost its soft-dirty bit")
}

/// After an operation that is done: a page that is not soft-dirty, and was written to, or is where it was not before
/// (Documentation/admin-guide/mm/soft-dirty.rst). A child's memory is as new as its parent's; if pages of a folio are copied
/// together, they have the bit of the first.
///
/// A write here is a fault that the kernel handles: a processor that writes by a writable entry sets the dirty bit alone. So it
/// does to what a device had, whose entry the fault makes writable again if it was, and whose VMA says that all of it is
/// soft-dirty. And pages are moved entry by entry: CONFIG_HAVE_MOVE_PMD is off.
fn soft_dirty_missing<'a>(
    operation: &OpKind,
    before: Seen<'a>,
    after: Seen<'a>,
) -> Option<(&'static str, &'a Page, Option<&'a Page>)> {
    let without = |mm, page| after.at(mm, page).filter(|page| !page.soft_dirty && !page.poisoned);
    match *operation {
        OpKind::Fault { mm, page, read: false, .. } => {
            let of_device = before.at(mm, page).is_some_and(|old| old.of_device);
            without(mm, page)
                .filter(|_| !of_device)
                .map(|new| ("page was written to and is not soft-dirty", new, Some(new)))
        }
        OpKind::Move { mm, start, end, to, .. } => {
            let of_range = |old: &&Page| old.mm == mm && (start..end).contains(&old.page);
            before.all().filter(of_range).find_map(|old| {
                Some(("page was moved and is not soft-dirty", old, Some(without(mm, old.page - start + to)?)))
            })
        }
        OpKind::Fork { parent, child } => {
            let of_parent = |old: &&Page| old.mm == parent && old.soft_dirty && !old.in_batch;
            before.all().filter(of_parent).find_map(|old| {
                Some(("page is not soft-dirty, and the parent's is", old, Some(without(child, old.page)?)))
            })
        }
        _ => None,
    }
}

/// A page that does not count as used any more, though nobody asked who used it; or one that counts as used since a migration or
/// a move. Where entries of a folio are moved together, all have the bit if one has.
fn use_changed(operation: &OpKind, old: &Page, new: &Page) -> Option<&'static str> {
    let (asks, keeps) = match *operation {
        OpKind::Age { .. } => (true, false),
        OpKind::Walk { mode, .. } => (mode != WalkMode::Locked, mode == WalkMode::Locked),
        OpKind::Migrate { .. } | OpKind::MigrateBegin { .. } | OpKind::MigrateEnd { .. } => (false, true),
        OpKind::Move { .. } => (false, !old.in_batch),
        _ => (false, false),
    };
    match (old.used?, new.used?) {
        (true, false) if !asks => Some("page lost its accessed bit"),
        (false, true) if keeps => Some("page that nobody used counts as used"),
        _ => None,
    }
}

/// After a move: a page that does not count as used as it did, where it is now.
fn use_changed_by_move<'a>(
    operation: &OpKind,
    before: Seen<'a>,
    after: Seen<'a>,
) -> Option<(&'static str, &'a Page, Option<&'a Page>)> {
    let OpKind::Move { mm, start, end, to, .. } = *operation else { return None };
    let mut moved = before.all().filter(|old| old.mm == mm && (start..end).contains(&old.page));
    moved.find_map(|old| {
        let new = after.at(mm, old.page - start + to)?;
        Some((use_changed(operation, old, new)?, old, Some(new)))
    })
}

/// The frame of a page of a file that an operation writes to.
fn written_file_page(operation: &OpKind, after: Seen<'_>) -> Option<u32> {
    match *operation {
        OpKind::Fault { mm, page, read: false, .. } | OpKind::Touch { mm, page, write: true } => {
            after.at(mm, page)?.file
        }
        _ => None,
    }
}

/// Whether an operation leaves every entry as it is, but for the frame and the accessed bit.
fn keeps_mappings(operation: &OpKind) -> bool {
    matches!(
        operation,
        OpKind::Walk { .. } | OpKind::Age { .. } | OpKind::Migrate { .. } | OpKind::Touch { write: false, .. }
    )
}

/// Whether an entry is what it was. It comes back from migration as its VMA says, and so does what a device had.
fn keeps(old: &Page, new: Option<&Page>) -> bool {
    if old.of_device {
        return true;
    }
    let mut was = old.mapping;
    let is = new.and_then(|new| new.mapping);
    if let (Some(was), Some(is)) = (&mut was, is)
        && old.not_told
    {
        was.0 |= is.0;
    }
    was == is
}

/// The first page that is not as the operation should have left it.
pub(super) fn changed(operation: &OpKind, done: bool, before: Seen<'_>, after: Seen<'_>) -> Option<UnexpectedEffect> {
    let found = |what, old: &Page, new: Option<&Page>| {
        let is = new.map_or("is gone".to_owned(), |new| match (new.mm, new.page) == (old.mm, old.page) {
            true => format!("is now {new}"),
            false => format!("page {:#x} of {} is now {new}", new.page, new.mm),
        });
        Some(UnexpectedEffect {
            what,
            about: operation.keyword().to_owned(),
            detail: format!("page {:#x} of {} was {old}, and {is}", old.page, old.mm),
        })
    };
    let (start, end) = may_change(operation);
    let stored_to = written_file_page(operation, after);
    let of_process = |page: &Page| operation.process() == Some(page.mm);
    let failed = match *operation {
        OpKind::Poison { mm, page } => before.at(mm, page).and_then(|page| page.frame),
        _ => None,
    };
    for (old, new) in before.with_successors(after) {
        // Nothing is asked of a page that is as it was.
        if new == Some(old) {
            continue;
        }
        if let Some(new) = new
            && let Some(what) =
                protection_changed(operation, done, old, new).or_else(|| soft_dirty_lost(operation, done, old, new))
        {
            return found(what, old, Some(new));
        }
        if of_process(old) && (start..end).contains(&old.page) {
            continue;
        }
        if let Some(what) = new.and_then(|new| use_changed(operation, old, new)) {
            return found(what, old, new);
        }
        match new {
            None if old.kept => return found("page lost", old, None),
            Some(new) if new.poisoned && (old.failed || old.frame.is_some() && old.frame == failed) => (),
            Some(new) if new.poisoned && !old.poisoned => return found("page lost", old, Some(new)),
            // Whoever maps a page of a file sees what is written to it.
            Some(new) if stored_to.is_some() && new.file == stored_to => (),
            Some(new) if new.content != old.content => return found("content of a page changed", old, Some(new)),
            // Reclaim may drop what nobody wrote to since it was freed lazily. What is all 0 comes back as that.
            Some(new) if old.kept && !new.kept && !new.zero && old.content != 0 => {
                let what = match old.clean && !of_process(old) {
                    true => "clean page of another process that may be dropped",
                    false => "written page that may be dropped",
                };
                return found(what, old, Some(new));
            }
            _ if keeps_mappings(operation) && !keeps(old, new) => {
                return found("entry of a page changed", old, new);
            }
            _ => {}
        }
    }
    if !done {
        return None;
    }
    let missing = soft_dirty_missing(operation, before, after);
    if let Some((what, old, new)) = missing.or_else(|| use_changed_by_move(operation, before, after)) {
        return found(what, old, new);
    }
    match *operation {
        // Nothing is left in the page table, so that the next access finds an empty page or the file's.
        OpKind::DontNeed { mm, start, end } => {
            let mut left = after.all().filter(|page| page.mm == mm && (start..end).contains(&page.page));
            left.next().and_then(|page| found("page still there", before.at(mm, page.page).unwrap_or(page), Some(page)))
        }
        // The process has to fault to get it back.
        OpKind::Exclusive { mm, page } => {
            let new = after.at(mm, page);
            let taken = new.is_some_and(|new| new.of_device);
            (!taken).then(|| UnexpectedEffect {
                what: "page is not the device's",
                about: operation.keyword().to_owned(),
                detail: match new {
                    Some(new) => format!("page {page:#x} of {mm} is {new}"),
                    None => format!("page {page:#x} of {mm} is not there"),
                },
            })
        }
        // Who accesses it finds out.
        OpKind::Poison { .. } => {
            let mapped = failed.and_then(|_| after.all().find(|page| page.frame == failed));
            mapped.and_then(|page| {
                let what = match page.of_device {
                    true => "page that has failed stays a device's",
                    false => "page that has failed is still mapped",
                };
                found(what, before.at(page.mm, page.page).unwrap_or(page), Some(page))
            })
        }
        // All that is there can be written to again only when userfaultfd is told; or as before.
        OpKind::UffdWp { mm, start, end, off } => {
            let is_in = |page: &&Page| page.mm == mm && (start..end).contains(&page.page) && !page.poisoned;
            let left = after.all().filter(is_in).find(|page| page.uffd == off);
            left.and_then(|page| {
                let old = before.at(mm, page.page).unwrap_or(page);
                found("write protection is not as asked", old, Some(page))
            })
        }
        // The next write to it is seen.
        OpKind::Clean { mm, page } => {
            let cleaned = before.at(mm, page).and_then(|page| page.file)?;
            let left = |page: &&Page| {
                page.file == Some(cleaned) && page.mapping.is_some_and(|(writable, dirty, _)| writable || dirty)
            };
            after.all().find(left).map(|page| UnexpectedEffect {
                what: "entry that is writable or dirty after writeback",
                about: operation.keyword().to_owned(),
                detail: format!("page {:#x} of {} maps frame {cleaned}", page.page, page.mm),
            })
        }
        // A child finds what its parent has, and what is moved goes along.
        OpKind::Fork { parent, child } => after.all().filter(|page| page.mm == child).find_map(|new| {
            let old = before.at(parent, new.page)?;
            if old.content == new.content { None } else { found("content is not the parent's", old, Some(new)) }
        }),
        OpKind::Move { mm, start, end, to, .. } => before.all().find_map(|old| {
            if old.mm != mm || !old.kept || !(start..end).contains(&old.page) {
                return None;
            }
            let new = after.at(mm, old.page - start + to);
            match new {
                Some(new) if new.content == old.content => None,
                _ => found("moved page is another", old, new),
            }
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rmap::ALL_PROCESSES;
    use crate::trace::PageEntry;

    const P0: MmId = MmId(0);
    const P1: MmId = MmId(1);

    /// Pages that map frames of their own: process, page, content.
    fn contents(pages: &[(MmId, u64, u64)], change: impl Fn(&mut PageTables)) -> Contents {
        let mut tables = PageTables::default();
        for (frame, &(mm, page, content)) in (2..).zip(pages) {
            let target = Target::Frame(frame);
            tables.entries.push(PageEntry {
                mm,
                page,
                target,
                writable: true,
                dirty: true,
                accessed: true,
                huge: false,
                uffd: false,
                soft_dirty: true,
            });
            tables.frames.push(Frame {
                frame,
                head: frame,
                anon: true,
                exclusive: true,
                swapbacked: true,
                content,
                ..Frame::default()
            });
        }
        change(&mut tables);
        let mut contents = Contents::default();
        contents.read(&tables, ALL_PROCESSES);
        contents
    }

    fn what(operation: OpKind, before: &Contents, after: &Contents) -> Option<&'static str> {
        changed(&operation, true, before.now(), after.now()).map(|effect| effect.what)
    }

    #[test]
    fn a_page_changes_only_if_it_is_written_to_or_given_up() {
        let as_it_is = |_: &mut PageTables| {};
        let before = contents(&[(P0, 0x10, 7), (P0, 0x11, 8)], as_it_is);
        let other = contents(&[(P0, 0x10, 9), (P0, 0x11, 8)], as_it_is);
        let gone = contents(&[(P0, 0x11, 8)], as_it_is);
        let write = |page| OpKind::Touch { mm: P0, page, write: true };
        assert_eq!(what(write(0x10), &before, &other), None);
        assert_eq!(what(write(0x11), &before, &other), Some("content of a page changed"));
        assert_eq!(what(OpKind::SwapOut { mm: P0, page: 0x10 }, &before, &gone), Some("page lost"));
        let dontneed = |end| OpKind::DontNeed { mm: P0, start: 0x10, end };
        assert_eq!(what(dontneed(0x11), &before, &gone), None);
        assert_eq!(what(dontneed(0x12), &before, &gone), Some("page still there"));
        assert_eq!(what(OpKind::Unmap { mm: P1, start: 0x10, end: 0x11 }, &before, &gone), Some("page lost"));
        // What may be dropped is not lost, unless it was written to.
        let lazy = |dirty: bool| {
            contents(&[(P0, 0x10, 7), (P0, 0x11, 8)], move |tables| {
                tables.frames[0].swapbacked = false;
                tables.entries[0].dirty = dirty;
            })
        };
        assert_eq!(what(OpKind::SwapOut { mm: P0, page: 0x10 }, &lazy(false), &gone), None);
        assert_eq!(what(OpKind::SwapOut { mm: P0, page: 0x10 }, &lazy(true), &gone), Some("page lost"));
        // Nor must it become such a page by what another process does, unless it is all 0.
        let free = OpKind::LazyFree { mm: P1, start: 0x10, end: 0x11 };
        assert_eq!(what(free, &before, &lazy(false)), Some("written page that may be dropped"));
        let clean = contents(&[(P0, 0x10, 7), (P0, 0x11, 8)], |tables| tables.entries[0].dirty = false);
        assert_eq!(what(free, &clean, &lazy(false)), Some("clean page of another process that may be dropped"));
        let empty = |droppable: bool| {
            contents(&[(P0, 0x10, 0)], move |tables| {
                (tables.frames[0].swapbacked, tables.entries[0].dirty) = (!droppable, false);
            })
        };
        assert_eq!(what(free, &empty(false), &empty(true)), None);
    }

    #[test]
    fn migration_leaves_every_entry_as_it_is() {
        let pages = [(P0, 0x10, 7)];
        let before = contents(&pages, |_| {});
        let migrate = OpKind::Migrate { mm: P0, page: 0x10 };
        assert_eq!(what(migrate, &before, &contents(&pages, |_| {})), None);
        let changes: [fn(&mut PageTables); 3] = [
            |tables| tables.entries[0].writable = false,
            |tables| tables.entries[0].dirty = false,
            |tables| tables.frames[0].exclusive = false,
        ];
        for change in changes {
            assert_eq!(what(migrate, &before, &contents(&pages, change)), Some("entry of a page changed"));
        }
    }

    #[test]
    fn write_protection_goes_with_the_page_until_it_is_taken_back() {
        let pages = [(P0, 0x10, 7), (P0, 0x11, 8)];
        let protected = |of: [bool; 2]| {
            contents(&pages, move |tables| {
                for (entry, uffd) in tables.entries.iter_mut().zip(of) {
                    entry.uffd = uffd;
                }
            })
        };
        let uffdwp = |start, end, off| OpKind::UffdWp { mm: P0, start, end, off };
        let (none, first, both) = (protected([false; 2]), protected([true, false]), protected([true; 2]));
        assert_eq!(what(uffdwp(0x10, 0x12, false), &none, &both), None);
        assert_eq!(what(uffdwp(0x10, 0x12, false), &none, &first), Some("write protection is not as asked"));
        assert_eq!(what(uffdwp(0x10, 0x11, false), &none, &both), Some("page that is write-protected by nobody"));
        assert_eq!(what(uffdwp(0x10, 0x11, true), &both, &first), Some("page lost its write protection"));
        assert_eq!(what(uffdwp(0x10, 0x12, true), &both, &none), None);
        for operation in [OpKind::SwapOut { mm: P0, page: 0x10 }, OpKind::fault(P0, 0x10)] {
            assert_eq!(what(operation, &first, &none), Some("page lost its write protection"));
        }
    }

    #[test]
    fn a_soft_dirty_page_stays_so_until_it_is_unmapped_and_is_so_where_it_is_new() {
        let soft = |pages: &[(MmId, u64, u64)], of: &[bool]| {
            let of = of.to_vec();
            contents(pages, move |tables| {
                for (entry, &soft_dirty) in tables.entries.iter_mut().zip(&of) {
                    entry.soft_dirty = soft_dirty;
                }
            })
        };
        let here = [(P0, 0x10, 7), (P1, 0x10, 7)];
        let (both, none) = (soft(&here, &[true; 2]), soft(&here, &[false; 2]));
        for operation in [OpKind::SwapOut { mm: P0, page: 0x10 }, OpKind::Migrate { mm: P1, page: 0x10 }] {
            assert_eq!(what(operation, &both, &none), Some("page lost its soft-dirty bit"));
            assert_eq!(what(operation, &none, &both), None);
        }
        let dontneed = OpKind::Unmap { mm: P0, start: 0x10, end: 0x11 };
        assert_eq!(what(dontneed, &both, &soft(&here, &[false, true])), None);
        let moves = OpKind::Move { mm: P0, start: 0x10, end: 0x11, to: 0x20, dontunmap: false };
        let (from, to) = (soft(&here[..1], &[false]), [(P0, 0x20, 7)]);
        assert_eq!(what(moves, &from, &soft(&to, &[true])), None);
        assert_eq!(what(moves, &from, &soft(&to, &[false])), Some("page was moved and is not soft-dirty"));
        let write = OpKind::fault(P0, 0x10);
        assert_eq!(what(write, &from, &soft(&here[..1], &[true])), None);
        assert_eq!(what(write, &from, &from), Some("page was written to and is not soft-dirty"));
        let lent = contents(&here[..1], |tables| {
            let entry = &mut tables.entries[0];
            entry.soft_dirty = false;
            if let Target::Frame(frame) = entry.target {
                entry.target = Target::Device { frame, counted: true };
            }
        });
        assert_eq!(what(write, &lent, &from), None);
        let fork = OpKind::Fork { parent: P0, child: P1 };
        let parent = soft(&here[..1], &[true]);
        assert_eq!(what(fork, &parent, &both), None);
        assert_eq!(
            what(fork, &parent, &soft(&here, &[true, false])),
            Some("page is not soft-dirty, and the parent's is")
        );
    }

    #[test]
    fn a_page_counts_as_used_wherever_it_goes_until_somebody_asks_who_used_it() {
        let used = |pages: &[(MmId, u64, u64)], accessed: bool, target: Option<Target>| {
            contents(pages, move |tables| {
                for entry in &mut tables.entries {
                    entry.accessed = accessed;
                    entry.target = target.unwrap_or(entry.target);
                }
            })
        };
        let (here, there) = ([(P0, 0x10, 7)], [(P0, 0x20, 7)]);
        let (yes, no) = (used(&here, true, None), used(&here, false, None));
        let (lost, gained) = (Some("page lost its accessed bit"), Some("page that nobody used counts as used"));
        let page = 0x10;
        for migrates in [
            OpKind::Migrate { mm: P0, page },
            OpKind::Walk { mm: P0, page, mode: WalkMode::Locked },
            OpKind::MigrateEnd { migration: 0 },
        ] {
            assert_eq!(what(migrates, &yes, &no), lost);
            assert_eq!(what(migrates, &no, &yes), gained);
            assert_eq!(what(migrates, &yes, &yes), None);
        }
        let begin = OpKind::MigrateBegin { mm: P0, page };
        let migration = |accessed| used(&here, accessed, Some(Target::Migration { frame: 2, exclusive: true }));
        assert_eq!(what(begin, &yes, &migration(false)), lost);
        assert_eq!(what(begin, &no, &migration(true)), gained);
        assert_eq!(what(begin, &yes, &migration(true)), None);
        // Nor do others change it, except for who asks, or who takes the page away.
        for other in [OpKind::Protect { mm: P0, start: 0x10, end: 0x11, write: false }, OpKind::fault(P1, 0x10)] {
            assert_eq!(what(other, &yes, &no), lost);
            assert_eq!(what(other, &no, &yes), None);
        }
        assert_eq!(what(OpKind::Age { mm: P0, page }, &yes, &no), None);
        assert_eq!(what(OpKind::Walk { mm: P0, page, mode: WalkMode::Unlocked }, &yes, &no), None);
        // A move takes it along.
        let moves = OpKind::Move { mm: P0, start: 0x10, end: 0x11, to: 0x20, dontunmap: false };
        assert_eq!(what(moves, &yes, &used(&there, false, None)), lost);
        assert_eq!(what(moves, &no, &used(&there, true, None)), gained);
        assert_eq!(what(moves, &yes, &used(&there, true, None)), None);
    }

    #[test]
    fn a_page_whose_memory_fails_is_lost_to_all_that_map_it_and_no_other_is() {
        let pages = [(P0, 0x10, 7), (P0, 0x11, 8), (P1, 0x10, 7)];
        let poisoned = |which: &'static [usize]| {
            contents(&pages, move |tables| {
                tables.entries[2].target = Target::Frame(2);
                for &nth in which {
                    tables.entries[nth].target = Target::Poison(2);
                }
            })
        };
        let poison = OpKind::Poison { mm: P0, page: 0x10 };
        assert_eq!(what(poison, &poisoned(&[]), &poisoned(&[0, 2])), None);
        assert_eq!(what(poison, &poisoned(&[]), &poisoned(&[0])), Some("page that has failed is still mapped"));
        assert_eq!(what(poison, &poisoned(&[]), &poisoned(&[0, 1, 2])), Some("page lost"));
        assert_eq!(what(OpKind::Age { mm: P0, page: 0x11 }, &poisoned(&[]), &poisoned(&[0])), Some("page lost"));
        assert_eq!(what(OpKind::Age { mm: P0, page: 0x11 }, &poisoned(&[0, 2]), &poisoned(&[0, 2])), None);
        let lent = contents(&pages, |tables| tables.entries[0].target = Target::Device { frame: 2, counted: false });
        assert_eq!(what(poison, &lent, &lent), Some("page that has failed stays a device's"));
    }

    #[test]
    fn a_child_and_a_new_place_have_the_content() {
        let before = contents(&[(P0, 0x10, 7)], |_| {});
        let fork = OpKind::Fork { parent: P0, child: P1 };
        let forked = |content| contents(&[(P0, 0x10, 7), (P1, 0x10, content)], |_| {});
        assert_eq!(what(fork, &before, &forked(7)), None);
        assert_eq!(what(fork, &before, &forked(8)), Some("content is not the parent's"));
        let moves = OpKind::Move { mm: P0, start: 0x10, end: 0x11, to: 0x20, dontunmap: false };
        assert_eq!(what(moves, &before, &contents(&[(P0, 0x20, 7)], |_| {})), None);
        assert_eq!(what(moves, &before, &contents(&[(P0, 0x20, 8)], |_| {})), Some("moved page is another"));
        assert_eq!(what(moves, &before, &contents(&[], |_| {})), Some("moved page is another"));
    }
}
