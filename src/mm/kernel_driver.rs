//! The kernel driver: the kernel's own VMA code decides which VMA lies where, merges, splits, moves, and makes the
//! calls of the reverse map itself. What is left for here is to ask for an operation, and to keep the page tables as
//! the VMA code says that they change.

use bumpalo::Bump;

use super::content::{self, Contents};
use super::meaning::{self, UnexpectedEffect};
use super::{MergeFaulted, MergeWith, Merges, Outcome, Stats};
use crate::pages::{AddressSpaces, MAX_PINS, Pages, Refused};
use crate::rmap::{
    ALL_PROCESSES, AnonVmaId, Call, EAGAIN, EBADF, EBUSY, EFAULT, EINVAL, EMFILE, ENOENT, ENOSYS, ESRCH, Fail,
    MAX_PROCESSES, MmId, VmaAttributes, VmaId, VmaRange, WalkMode,
};
use crate::trace::together::Section;
use crate::trace::{Mapped, MmCounts, PageChanges, PageEntry, PageEvent, PageTables, Request, Target, VmaLayer};
use crate::trace::{Op, OpKind};

type Result<T = ()> = std::result::Result<T, Outcome>;

/// The kernel's VMA code as a driver: what each process has mapped, as its own tree says.
pub struct KernelDriver {
    /// By process; none: it does not exist.
    spaces: [Option<Vec<Mapped>>; MAX_PROCESSES],
    counts: [MmCounts; MAX_PROCESSES],
    pages: Pages,
    stats: Stats,
    merges: Merges,
    /// What the running operation has done to page tables.
    events: Vec<PageEvent>,
    /// What the page tables hold, where the kernel's own code keeps them.
    tables: PageTables,
    /// Whether there are such tables, and whether they could be read.
    read: Option<bool>,
    /// What every process sees at its pages: before the tables changed last, and now.
    contents: Contents,
    /// What of the page tables or the VMAs has changed since somebody asked.
    unchecked: PageChanges,
    /// The frame that each pin has pinned, where the kernel's own code keeps the page tables; 0: none.
    pinned_frames: [u32; MAX_PINS],
    /// Migrations that have begun: the anon_vma on which each has a reference, and its folio's first frame.
    migrations: [Option<(AnonVmaId, u32)>; MAX_PINS],
    /// Processes that the last operation may have changed, a bit each.
    changed: u16,
    /// What the process of the running operation had mapped before.
    before: Vec<Mapped>,
    /// What the last operation did that it was not asked.
    unexpected: Option<UnexpectedEffect>,
    /// What operations do is what they did when it was looked at.
    replays: bool,
    /// Room for all that the page tables hold.
    pub(crate) all_tables: PageTables,
    /// What a walk was to leave of the page tables, in memory that is used again.
    seen_before: Vec<PageEntry>,
    /// Memory for what one operation did, and what it was asked.
    room: Bump,
    /// Lists of VMAs that no process has any more.
    free_spaces: Vec<Vec<Mapped>>,
}

impl Default for KernelDriver {
    fn default() -> KernelDriver {
        KernelDriver::new()
    }
}

impl KernelDriver {
    /// The world as a trace begins: process 0, with nothing mapped.
    pub fn new() -> KernelDriver {
        let mut driver = KernelDriver {
            spaces: Default::default(),
            counts: Default::default(),
            pages: Pages::new(),
            stats: Stats::default(),
            merges: Merges::default(),
            events: Vec::new(),
            tables: PageTables::default(),
            read: None,
            contents: Contents::default(),
            unchecked: PageChanges::default(),
            pinned_frames: [0; MAX_PINS],
            migrations: [None; MAX_PINS],
            changed: 0,
            before: Vec::new(),
            unexpected: None,
            replays: false,
            all_tables: PageTables::default(),
            seen_before: Vec::new(),
            room: Bump::new(),
            free_spaces: Vec::new(),
        };
        driver.reset();
        driver
    }

    /// Back to the beginning, without a call: for when the seam is reset too. Keeps the statistics.
    pub fn reset(&mut self) {
        self.free_spaces.extend(self.spaces.iter_mut().filter_map(Option::take));
        self.spaces[0] = Some(self.free_space());
        self.counts = Default::default();
        self.pages.reset();
        self.events.clear();
        self.tables.clear();
        self.read = None;
        self.contents.clear();
        self.unchecked.clear();
        self.pinned_frames = [0; MAX_PINS];
        self.migrations = [None; MAX_PINS];
        self.changed = 0;
        self.unexpected = None;
        self.replays = false;
    }

    /// From now on, or no more, operations do what they did before, from the same beginning: it is not asked again whether that is
    /// what they were asked.
    pub fn set_replays(&mut self, replays: bool) {
        self.replays = replays;
    }

    /// Does one operation. An errno is a refusal if no allocation was made to fail, and a failure if one was: then
    /// what the kernel leaves done in this case stays done, as it does where it refuses half-way (`protect`,
    /// `advise`, `mlock` and `munlock` of a range with a hole).
    pub fn apply<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, op: &Op) -> Outcome {
        rmap.begin_operation(&op.fail);
        rmap.fail_pages(&op.fail_page);
        let outcome = match self.perform(rmap, op) {
            Ok(()) => Outcome::Done,
            Err(Outcome::Refused(errno)) if rmap.injected() > 0 => Outcome::Failed(errno),
            Err(outcome) => outcome,
        };
        self.stats.count(op.kind.index(), outcome);
        self.stats.count_injected(rmap.injected());
        outcome
    }

    /// Does the operations of a section together, where the kernel's own code keeps the page tables. What each promises of VMAs
    /// and pages is not asked, since the others change them too. None: it cannot be done, or something was found.
    pub fn apply_together<R: VmaLayer + ?Sized>(
        &mut self,
        rmap: &mut R,
        ops: &[Op],
        section: &Section,
    ) -> Option<Vec<Outcome>> {
        let ends = rmap.together(ops, section)?;
        for mm in (0..MAX_PROCESSES as u8).map(MmId) {
            let mut before = self.free_space();
            self.look_at(rmap, mm, &mut before);
            self.free_spaces.push(before);
        }
        self.read_page_tables(rmap);
        (self.unchecked.any, self.unchecked.processes) = (true, ALL_PROCESSES);
        let mut outcomes = Vec::with_capacity(ends.len());
        for (op, end) in ops.iter().zip(ends) {
            let errno = end.result.min(0).saturating_neg();
            let outcome = match (errno, end.injected) {
                (0, _) => Outcome::Done,
                (_, 0) => Outcome::Refused(errno),
                (_, _) => Outcome::Failed(errno),
            };
            self.stats.count(op.kind.index(), outcome);
            self.stats.count_injected(end.injected);
            outcomes.push(outcome);
        }
        Some(outcomes)
    }

    fn perform<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, op: &Op) -> Result {
        let node = &op.fail_node;
        if op.kind.needs_page_tables() && !rmap.has_page_tables() {
            return Err(Outcome::Refused(ENOSYS));
        }
        match op.kind {
            OpKind::Fault { .. } => self.fault(rmap, op.kind, node),
            OpKind::Pin { mm, page } => self.pin(rmap, mm, page, node),
            OpKind::Unpin { pin } => self.unpin(rmap, pin),
            OpKind::MigrateBegin { mm, page } => self.migrate_begin(rmap, mm, page, node),
            OpKind::MigrateEnd { migration } => self.migrate_end(rmap, migration, node),
            OpKind::Walk { mm, page, mode } => self.walk(rmap, mm, page, mode, node),
            OpKind::UffdMove { mm, from, to } => self.uffd_move(rmap, mm, from, to, node),
            operation => self.operate(rmap, &Request::new(operation, node)).map(|_| ()),
        }
    }

    /// Whether an operation is one request to the VMA code, where the kernel's own code keeps the page tables.
    pub fn is_one_request(operation: &OpKind) -> bool {
        !matches!(
            operation,
            OpKind::Pin { .. }
                | OpKind::Unpin { .. }
                | OpKind::MigrateBegin { .. }
                | OpKind::MigrateEnd { .. }
                | OpKind::Walk { .. }
                | OpKind::UffdMove { .. }
        )
    }

    /// Asks for an operation of the VMA code, and takes in what it did to page tables and VMAs.
    fn operate<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, request: &Request<'_>) -> Result<u32> {
        let operation = &request.operation;
        let Some(mm) = operation.process() else {
            return Err(Outcome::Refused(EINVAL));
        };
        if self.space(mm).is_none() {
            return Err(Outcome::Refused(ESRCH));
        }
        let edges = self.edges(operation);
        let mut events = std::mem::take(&mut self.events);
        let result = rmap.operate(request, &mut |event| events.push(event));
        for event in events.drain(..) {
            match event {
                PageEvent::Zap { mm, start, end } => self.pages.zap(rmap, mm, start, end),
                PageEvent::Copy { mm, from, start, end } => self.pages.copy_range(from, mm, start, end),
                PageEvent::Move { mm, start, end, to } => self.pages.move_range(mm, start, to, end - start),
            }
        }
        self.events = events;
        let mut before = std::mem::take(&mut self.before);
        self.look_at(rmap, mm, &mut before);
        self.before = before;
        if let OpKind::Fork { child, .. } = operation {
            let mut before = self.free_space();
            self.look_at(rmap, *child, &mut before);
            self.free_spaces.push(before);
            self.unchecked.any = true;
        }
        let contents_known = self.read_page_tables(rmap);
        if !self.replays {
            self.room.reset();
            let unexpected = self.unexpected_effect(rmap, operation, result, contents_known);
            self.unexpected = unexpected.or(self.unexpected.take());
        }
        let done = u32::try_from(result).map_err(|_| Outcome::Refused(result.saturating_neg()))?;
        if let Some(edges) = edges {
            self.count_merge(&edges);
        }
        Ok(done)
    }

    /// What an operation did that it was not asked, to the VMAs that its process had before, and to pages. `result`: what it
    /// returned.
    fn unexpected_effect<R: VmaLayer + ?Sized>(
        &self,
        rmap: &mut R,
        operation: &OpKind,
        result: i32,
        contents_known: bool,
    ) -> Option<UnexpectedEffect> {
        let mm = operation.process()?;
        let child = match operation {
            OpKind::Fork { child, .. } => self.space(*child),
            _ => None,
        };
        let merges_either_way = rmap.merges_either_way();
        let spaces = meaning::Spaces { before: &self.before, after: self.space(mm), child, merges_either_way };
        let errno = result.min(0).saturating_neg();
        let mut unexpected = meaning::unexpected_effect(operation, &spaces, errno, rmap.injected(), &self.room);
        if let OpKind::Fork { child, .. } = operation
            && errno == 0
            && unexpected.is_none()
        {
            let there =
                |page, folio| self.pages.folio_at(*child, page) == Some(folio) || self.is_copied(mm, *child, page);
            unexpected = meaning::missing_page(operation, &spaces, self.pages.mapped(mm), there);
        }
        if contents_known && unexpected.is_none() {
            unexpected = self.content_changed(operation, errno == 0);
        }
        if let (OpKind::Age { page, .. }, 0, None) = (operation, errno, &unexpected) {
            unexpected = self.still_used(mm, *page);
        }
        if let (OpKind::Migrate { page, .. } | OpKind::Split { page, .. }, EBUSY | EAGAIN, None) =
            (operation, errno, &unexpected)
        {
            unexpected = self.gave_up(operation, mm, *page);
        }
        if let (OpKind::Split { page, .. }, 0, None) = (operation, errno, &unexpected) {
            unexpected = self.not_split(mm, *page);
        }
        unexpected
    }

    /// After a folio did not migrate, or was not split: it could have, since nobody else has a reference to it. One that is
    /// marked partially mapped is split before it migrates.
    fn gave_up(&self, operation: &OpKind, mm: MmId, page: u64) -> Option<UnexpectedEffect> {
        let entry = self.tables.entry_at(mm, page)?;
        let frame = self.tables.frame_of(entry).filter(|frame| frame.pins == 0 && !frame.locked)?;
        if self.tables.frames_of(frame.head).iter().any(|frame| frame.poisoned) {
            return None;
        }
        if self.is_lent(frame.head) {
            return None;
        }
        let large = self.tables.large.iter().find(|(head, _)| *head == frame.head);
        let splits = matches!(operation, OpKind::Split { .. });
        if !splits && large.is_some_and(|(_, counts)| counts.partially_mapped) {
            return None;
        }
        Some(UnexpectedEffect {
            what: match splits {
                true => "folio was not split, and nobody else has it",
                false => "folio did not migrate, and nobody else has it",
            },
            about: operation.keyword().to_owned(),
            detail: format!("page {page:#x} of {mm}, of the folio of frame {}", frame.head),
        })
    }

    /// Whether a device has a page of a folio by an entry that does not count as a mapping, but has a reference.
    fn is_lent(&self, head: u32) -> bool {
        let is_it = |entry: &PageEntry| {
            let uncounted = matches!(entry.target, Target::Device { counted: false, .. });
            uncounted && self.tables.frame_of(entry).is_some_and(|frame| frame.head == head)
        };
        self.tables.entries.iter().any(is_it)
    }

    /// After a folio was split: its page is still one of several.
    fn not_split(&self, mm: MmId, page: u64) -> Option<UnexpectedEffect> {
        let entry = self.tables.entry_at(mm, page)?;
        let frame = self.tables.frame_of(entry)?;
        (self.tables.frames_of(frame.head).len() > 1).then(|| UnexpectedEffect {
            what: "folio of several pages after a split",
            about: "split".to_owned(),
            detail: format!("page {page:#x} of {mm}, of the folio of frame {}", frame.head),
        })
    }

    /// After reclaim asked who used the folio of a page: an entry of it that is still marked used. A VMA that locks its memory
    /// ends the walk.
    fn still_used(&self, mm: MmId, page: u64) -> Option<UnexpectedEffect> {
        let head = |entry: &PageEntry| match entry.target {
            Target::Frame(_) => self.tables.frame_of(entry).map(|frame| frame.head),
            _ => None,
        };
        let of_folio = head(self.tables.entry_at(mm, page)?)?;
        let entries = || self.tables.entries.iter().filter(|entry| head(entry) == Some(of_folio));
        let locks = |entry: &PageEntry| {
            let vma = self.mapped_at(entry.mm, entry.page);
            vma.is_none_or(|vma| u64::from(vma.flags) & VmaAttributes::LOCKED != 0)
        };
        if entries().any(locks) {
            return None;
        }
        entries().find(|entry| entry.accessed).map(|entry| UnexpectedEffect {
            what: match self.is_lent(of_folio) {
                true => "entry that is still marked used, beside those of a device",
                false => "entry that is still marked used",
            },
            about: "age".to_owned(),
            detail: format!("page {:#x} of {}", entry.page, entry.mm),
        })
    }

    /// Whether a child has a page of its own that holds what its parent's pinned page holds.
    fn is_copied(&self, parent: MmId, child: MmId, page: u64) -> bool {
        let entry = |mm| self.tables.entry_at(mm, page);
        let (Some(of_parent), Some(of_child)) = (entry(parent), entry(child)) else { return false };
        let pinned = self.tables.frame_of(of_parent).is_some_and(|frame| frame.pins > 0);
        pinned && self.tables.content(of_parent) == self.tables.content(of_child)
    }

    /// The first page that is not as the operation should have left it, after the tables were read.
    fn content_changed(&self, operation: &OpKind, done: bool) -> Option<UnexpectedEffect> {
        let after = self.contents.now();
        let before = if !self.tables.changes.any { after } else { self.contents.before() };
        content::changed(operation, done, before, after)
    }

    /// Takes in what the kernel's own page tables hold, if its own code keeps them. Returns whether what every process sees
    /// at its pages is known, before and now.
    pub(crate) fn read_page_tables<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R) -> bool {
        let was_read = self.read == Some(true);
        self.read = rmap.changed_page_tables(&mut self.tables);
        if self.read != Some(true) {
            self.unchecked.any = true;
            return false;
        }
        if self.tables.changes.any {
            let processes = self.tables.processes_changed();
            self.unchecked.add(&self.tables.changes);
            self.unchecked.processes |= processes;
            self.pages.read(&self.tables, processes);
            self.contents.read(&self.tables, processes);
        }
        was_read
    }

    /// Takes them in before the first operation.
    pub fn look_at_page_tables<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R) {
        if self.read.is_none() && rmap.has_page_tables() {
            self.read_page_tables(rmap);
        }
    }

    /// The kernel's own page tables after the last operation, where its own code keeps them, and whether they could be
    /// read.
    pub fn page_tables(&self) -> Option<(&PageTables, bool)> {
        Some((&self.tables, self.read?))
    }

    /// What has changed of the page tables since [`KernelDriver::note_checked`]; a process has if one of its VMAs has.
    pub fn unchecked(&self) -> &PageChanges {
        &self.unchecked
    }

    /// All that has changed was looked at.
    pub fn note_checked(&mut self) {
        self.unchecked.clear();
    }

    /// What touches the range that an operation maps, changes or moves to, before it does.
    fn edges(&self, operation: &OpKind) -> Option<Edges> {
        let (mm, source, start, end) = match *operation {
            OpKind::Map { mm, start, end, .. } => (mm, None, start, end),
            OpKind::Protect { mm, start, end, .. }
            | OpKind::Advise { mm, start, end, .. }
            | OpKind::Mlock { mm, start, end }
            | OpKind::Munlock { mm, start, end }
            | OpKind::UffdWp { mm, start, end, .. } => (mm, Some(start), start, end),
            OpKind::Move { mm, start, end, to, .. } => (mm, Some(start), to, to.checked_add(end - start)?),
            _ => return None,
        };
        let this = source.and_then(|page| self.mapped_at(mm, page)).is_some_and(|vma| vma.faulted());
        let below = start.checked_sub(1).and_then(|page| self.mapped_at(mm, page));
        let previous = below.filter(|vma| vma.range.end == start).map(|vma| vma.faulted());
        let next = self.mapped_at(mm, end).filter(|vma| vma.range.start == end).map(|vma| vma.faulted());
        (previous.is_some() || next.is_some()).then_some(Edges { mm, start, end, this, previous, next })
    }

    /// A border that was there and is not any more is a merge.
    fn count_merge(&mut self, edges: &Edges) {
        let same = |a: u64, b: u64| {
            let vma = self.mapped_at(edges.mm, a).filter(|vma| b < vma.range.end);
            vma.is_some()
        };
        let previous = edges.previous.filter(|_| same(edges.start - 1, edges.start));
        let next = edges.next.filter(|_| same(edges.end - 1, edges.end));
        let with = match (previous, next) {
            (None, None) => return,
            (Some(_), None) => MergeWith::Previous,
            (None, Some(_)) => MergeWith::Next,
            (Some(_), Some(_)) => MergeWith::Both,
        };
        let neighbour = previous.unwrap_or(false) || next.unwrap_or(false);
        let faulted = match (edges.this, neighbour) {
            (true, true) => MergeFaulted::Both,
            (false, true) => MergeFaulted::Neighbour,
            (true, false) => MergeFaulted::This,
            (false, false) => MergeFaulted::Neither,
        };
        self.merges.count(with, faulted);
    }

    /// How often the kernel merged.
    pub fn merges(&self) -> &Merges {
        &self.merges
    }

    /// An empty list, in memory that was used before if there is some.
    fn free_space(&mut self) -> Vec<Mapped> {
        let mut space = self.free_spaces.pop().unwrap_or_default();
        space.clear();
        space
    }

    /// What a process has mapped now, and in `before` what it had.
    fn look_at<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, mm: MmId, before: &mut Vec<Mapped>) {
        let at = usize::from(mm.0) % MAX_PROCESSES;
        before.clear();
        let counts = rmap.mapped(mm, before);
        self.counts[at] = counts.unwrap_or_default();
        self.changed |= mm.bit();
        let was_there = self.spaces[at].is_some();
        let mut space = self.spaces[at].take().unwrap_or_else(|| self.free_space());
        std::mem::swap(&mut space, before);
        let pages = differing(before, &space);
        match counts {
            Some(_) => self.spaces[at] = Some(space),
            None => self.free_spaces.push(space),
        }
        if let Some((start, end)) = pages {
            self.pages.change(mm, start, end);
        }
        if pages.is_some() || was_there != counts.is_some() {
            self.unchecked.any = true;
            self.unchecked.processes |= mm.bit();
        }
    }

    /// Mirrors handle_mm_fault() (mm/memory.c): the VMA is prepared for what the page needs, then the page is.
    fn fault<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, operation: OpKind, node: &Fail) -> Result {
        let OpKind::Fault { mm, page, read, .. } = operation else { return Err(Outcome::Refused(EINVAL)) };
        let prepare = !read && self.pages.needs_anon_vma(mm, page);
        let vma = self.operate(rmap, &Request { prepare, ..Request::new(operation, node) })?;
        if !rmap.has_page_tables() {
            self.pages.fault(rmap, mm, VmaId(vma), page, !read);
        }
        Ok(())
    }

    /// An rmap walk of the seam's folio; then, where the kernel's own code keeps the page tables, its own walkers go to the
    /// frame, after which the page tables are as they were.
    fn walk<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, mm: MmId, page: u64, mode: WalkMode, node: &Fail) -> Result {
        refused(self.pages.walk(rmap, mm, page, mode))?;
        if !rmap.has_page_tables() {
            return Ok(());
        }
        // folio_referenced() forgets that pages were used; migration does not, but a page that a device had, and that counted as
        // mapped, is mapped again.
        let asks = mode != WalkMode::Locked;
        let target = |entry: &PageEntry| match entry.target {
            Target::Device { frame, counted: true } if !asks => Target::Frame(frame),
            target => target,
        };
        let seen = |entry: &PageEntry| PageEntry { accessed: entry.accessed && !asks, target: target(entry), ..*entry };
        let mut before = std::mem::take(&mut self.seen_before);
        before.clear();
        before.extend(self.tables.entries.iter().map(seen));
        let walked = self.operate(rmap, &Request::new(OpKind::Walk { mm, page, mode }, node));
        let entries = &self.tables.entries;
        if walked.is_ok() && self.read == Some(true) && !before.iter().copied().eq(entries.iter().map(seen)) {
            let differs = before.iter().zip(entries.iter().map(seen)).find(|(before, after)| *before != after);
            self.unexpected = Some(UnexpectedEffect {
                what: "walk changed a page table",
                about: "walk".to_owned(),
                detail: match differs {
                    Some((before, after)) => format!("{before:?} is now {after:?}"),
                    None => format!("{} entries are now {}", before.len(), entries.len()),
                },
            });
        }
        self.seen_before = before;
        walked.map(|_| ())
    }

    /// Pins the page, where the kernel's own code keeps the page tables, and takes a reference on the anon_vma of its folio.
    fn pin<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, mm: MmId, page: u64, node: &Fail) -> Result {
        if !rmap.has_page_tables() {
            return refused(self.pages.pin(rmap, mm, page));
        }
        if self.pages.pinned() == self.pinned_frames.len() {
            return Err(Outcome::Refused(EMFILE));
        }
        let frame = self.operate(rmap, &Request::new(OpKind::Pin { mm, page }, node))?;
        match self.pages.pin(rmap, mm, page) {
            Ok(slot) => self.pinned_frames[slot] = frame,
            Err(Refused(errno)) => {
                self.unpin_page(rmap, frame);
                return Err(Outcome::Refused(errno));
            }
        }
        Ok(())
    }

    fn unpin<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, pin: u8) -> Result {
        let slot = usize::from(pin);
        refused(self.pages.unpin(rmap, slot))?;
        if rmap.has_page_tables() {
            let frame = std::mem::take(&mut self.pinned_frames[slot % MAX_PINS]);
            self.unpin_page(rmap, frame);
        }
        Ok(())
    }

    /// Drops the pin of a page.
    fn unpin_page<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, frame: u32) {
        // Cannot be refused: the page is pinned.
        let _ = self.end_held(rmap, OpKind::Unpin { pin: 0 }, frame, &Fail::NEVER);
    }

    /// The end of what is no process's, by the frame that its begin returned: what it returns.
    fn end_held<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, operation: OpKind, frame: u32, node: &Fail) -> i32 {
        let result = rmap.operate(&Request { frame, ..Request::new(operation, node) }, &mut |_| ());
        if self.read_page_tables(rmap) && !self.replays {
            self.unexpected = self.content_changed(&operation, result == 0).or(self.unexpected.take());
        }
        result
    }

    /// Mirrors migrate_folio_unmap() (mm/migrate.c), which takes a reference on the anon_vma first.
    fn migrate_begin<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, mm: MmId, page: u64, node: &Fail) -> Result {
        let folio = self.pages.folio_at(mm, page).ok_or(Outcome::Refused(EFAULT))?;
        let slot = self.migrations.iter().position(Option::is_none).ok_or(Outcome::Refused(EMFILE))?;
        let result = rmap.call(Call::FolioGetAnonVma { folio, mapped: true });
        let serial = u32::try_from(result).map_err(|_| Outcome::Refused(result.saturating_neg()))?;
        let anon_vma = AnonVmaId(serial);
        match self.operate(rmap, &Request::new(OpKind::MigrateBegin { mm, page }, node)) {
            Ok(frame) => self.migrations[slot] = Some((anon_vma, frame)),
            Err(outcome) => {
                rmap.call(Call::PutAnonVma { anon_vma });
                return Err(outcome);
            }
        }
        Ok(())
    }

    /// Mirrors migrate_folio_move() (mm/migrate.c).
    fn migrate_end<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, migration: u8, node: &Fail) -> Result {
        let begun = self.migrations.get_mut(usize::from(migration)).and_then(Option::take);
        let (anon_vma, frame) = begun.ok_or(Outcome::Refused(EBADF))?;
        let result = self.end_held(rmap, OpKind::MigrateEnd { migration }, frame, node);
        rmap.call(Call::PutAnonVma { anon_vma });
        if result < 0 { Err(Outcome::Refused(result.saturating_neg())) } else { Ok(()) }
    }

    /// Mirrors move_pages() (mm/userfaultfd.c, since 6.8) of one page: find_vma_and_prepare_anon() of the destination,
    /// the source, validate_move_areas(), then the page.
    fn uffd_move<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R, mm: MmId, from: u64, to: u64, node: &Fail) -> Result {
        if self.space(mm).is_none() {
            return Err(Outcome::Refused(ESRCH));
        }
        if !rmap.moves_pages() {
            return Err(Outcome::Refused(EINVAL));
        }
        let destination = self.mapped_at(mm, to).ok_or(Outcome::Refused(ENOENT))?;
        let fault = OpKind::Fault { mm, page: to, read: true, order: 0 };
        let vma = self.operate(rmap, &Request { prepare: true, ..Request::new(fault, node) })?;
        let source = self.mapped_at(mm, from).ok_or(Outcome::Refused(ENOENT))?;
        let locked = |vma: &Mapped| u64::from(vma.flags) & VmaAttributes::LOCKED != 0;
        if !(source.writable && destination.writable)
            || source.file
            || destination.file
            || locked(&source) != locked(&destination)
        {
            return Err(Outcome::Refused(EINVAL));
        }
        refused(self.pages.uffd_movable(mm, from, to))?;
        refused(self.pages.uffd_move(rmap, mm, from, to, VmaId(vma)))
    }

    /// Ends every process that is still alive, in order of their numbers, without failures; not counted.
    pub fn exit_all<R: VmaLayer + ?Sized>(&mut self, rmap: &mut R) {
        if rmap.has_page_tables() {
            for migration in 0..self.migrations.len() as u8 {
                rmap.begin_operation(&Fail::NEVER);
                // One that has not begun cannot end.
                let _ = self.migrate_end(rmap, migration, &Fail::NEVER);
            }
            for frame in std::mem::take(&mut self.pinned_frames).into_iter().filter(|&frame| frame != 0) {
                rmap.begin_operation(&Fail::NEVER);
                self.unpin_page(rmap, frame);
            }
        }
        for mm in (0..MAX_PROCESSES as u8).map(MmId) {
            if self.space(mm).is_some() {
                rmap.begin_operation(&Fail::NEVER);
                // Cannot be refused: the process is alive.
                let _ = self.operate(rmap, &Request::new(OpKind::Exit { mm }, &Fail::NEVER));
            }
        }
    }

    /// The page tables.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// The page tables, for what no operation of a trace does: to walk every folio, to drop every reference.
    pub fn pages_mut(&mut self) -> &mut Pages {
        &mut self.pages
    }

    /// The processes that are alive, each with its VMAs in order of their addresses.
    pub fn processes(&self) -> impl Iterator<Item = (MmId, &[Mapped])> + '_ {
        let alive = (0..).map(MmId).zip(&self.spaces);
        alive.filter_map(|(mm, space)| Some((mm, space.as_deref()?)))
    }

    /// The processes whose VMAs an operation may have changed since this was asked last: each with what its own tree
    /// says, and its mm; nothing and zeros if it does not exist any more.
    pub fn take_changed(&mut self) -> impl Iterator<Item = (MmId, &[Mapped], MmCounts)> + '_ {
        let changed = std::mem::take(&mut self.changed);
        let all = (0..).map(MmId).zip(self.spaces.iter().zip(&self.counts));
        all.filter(move |(mm, _)| changed >> mm.0 & 1 == 1)
            .map(|(mm, (space, counts))| (mm, space.as_deref().unwrap_or(&[]), *counts))
    }

    /// What an operation did that it was not asked, since this was asked last.
    pub fn take_unexpected_effect(&mut self) -> Option<UnexpectedEffect> {
        self.unexpected.take()
    }

    /// What was done since the driver was made, or since [`KernelDriver::take_stats`].
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The statistics, which start over.
    pub fn take_stats(&mut self) -> Stats {
        std::mem::take(&mut self.stats)
    }

    fn space(&self, mm: MmId) -> Option<&[Mapped]> {
        self.spaces.get(usize::from(mm.0))?.as_deref()
    }

    /// What a process has mapped at a page.
    pub fn mapped_at(&self, mm: MmId, page: u64) -> Option<Mapped> {
        let space = self.space(mm)?;
        let after = space.partition_point(|vma| vma.range.start <= page);
        space[..after].last().copied().filter(|vma| page < vma.range.end)
    }
}

/// The pages at which two spaces differ, or do not: from the first VMA to the last that is not the same in both. None: both are
/// the same.
fn differing(before: &[Mapped], after: &[Mapped]) -> Option<(u64, u64)> {
    let below = before.iter().zip(after).take_while(|(was, is)| was == is).count();
    let (before, after) = (&before[below..], &after[below..]);
    let above = before.iter().rev().zip(after.iter().rev()).take_while(|(was, is)| was == is).count();
    let both = || before[..before.len() - above].iter().chain(&after[..after.len() - above]);
    let start = both().map(|vma| vma.range.start).min()?;
    Some((start, both().map(|vma| vma.range.end).max()?))
}

/// What touches a range: whether the VMA below it and the one above have an anon_vma, and what is to come there.
struct Edges {
    mm: MmId,
    start: u64,
    end: u64,
    this: bool,
    previous: Option<bool>,
    next: Option<bool>,
}

impl AddressSpaces for KernelDriver {
    fn vma_at(&self, mm: MmId, page: u64) -> Option<(VmaId, VmaRange)> {
        self.mapped_at(mm, page).map(|vma| (vma.vma, vma.range))
    }
}

/// What the page model refuses.
fn refused<T>(result: std::result::Result<T, Refused>) -> Result {
    result.map(|_| ()).map_err(|Refused(errno)| Outcome::Refused(errno))
}
