//! The one table of operations. It has the name, the text form, the byte form and the system call of each, and its effect on the
//! model, and what it must have done. To add an operation, write its declaration in `op.rs`, a row of [`OPERATIONS`] here, and
//! an arm of [`OpKind::split`].

use super::args::{Arg, Args, Form, GROWS, NORESERVE, SHARED};
use super::meaning::{Meaning, MemoryKind};
use super::model::TraceModel;
use super::op::{Advice, Fails, Op, OpKind, OpSet};
use super::user::{Argument, SystemCall, UserAction, constants, range, system_call};
use rmap_seam::{MmId, WalkMode};

/// Everything about an operation: one row of [`OPERATIONS`].
pub struct Operation {
    /// The first word of its line, and its name in statistics.
    pub keyword: &'static str,
    /// What it does, for the help text.
    pub about: &'static str,
    /// Whether the model driver can run it. Some of its words may be exceptions.
    pub small: bool,
    /// Its arguments, in the order in which they are written. The process comes first.
    pub(super) args: &'static [Arg],
    /// [`TraceModel::draw`] for just these arguments.
    pub(super) draw: fn(&TraceModel, Args) -> Option<Args>,
    /// Draws, and if it is possible builds, appends, and does the effect; tells whether it was.
    pub(super) make: fn(&mut TraceModel, Args, &Fails, &mut Vec<Op>) -> bool,
    /// Its share of made-up operations of the [small](OpSet::Small), the [full](OpSet::Full) set, and those with
    /// [pages](OpSet::Pages), in parts of the sum of all weights.
    pub(super) weights: [u8; 3],
    /// The row that is made up in its stead when it is impossible.
    pub(super) instead: usize,
    /// From its arguments.
    pub(super) build: fn(Args) -> OpKind,
    /// How a process asks for it.
    pub(super) user: fn(Args) -> UserAction,
    /// What it must have done, if it succeeds.
    pub(super) means: fn(Args) -> Meaning,
    /// What it does to the model, the failures included.
    pub(super) effect: fn(&mut TraceModel, Args, &Fails),
}

impl Operation {
    /// How it is written: `map p A..B [grows|noreserve|shared] [file N]`.
    pub fn usage(&self) -> String {
        let mut usage = self.keyword.to_string();
        for arg in self.args {
            usage.push(' ');
            usage.push_str(&arg.usage());
        }
        usage
    }

    /// Whether it needs the kernel's own page-table code.
    pub const fn needs_page_tables(&self) -> bool {
        self.weights[OpSet::Full.column()] == 0
    }

    /// Whether it is one of a set.
    pub(super) const fn is_of(&self, set: OpSet) -> bool {
        match set {
            OpSet::Small => self.small,
            OpSet::Full => !self.needs_page_tables(),
            OpSet::Pages | OpSet::Together => true,
        }
    }

    /// Its weight among the generated operations of a set.
    pub const fn weight(&self, set: OpSet) -> u8 {
        self.weights[set.column()]
    }
}

/// A row of the table. What it adds is one function an operation that does all of a made-up
/// operation, laid out by the compiler for just these arguments: a decoder is a third faster for it.
macro_rules! operation {
    (
        $keyword:literal, $about:literal, args: [$($arg:ident),*], small: $small:literal, weights: $weights:expr,
        instead: $instead:expr, build: $build:expr, user: $user:expr, means: $means:expr, effect: $effect:expr $(,)?
    ) => {
        Operation {
            keyword: $keyword,
            about: $about,
            args: &[$(Arg::$arg),*],
            small: $small,
            weights: $weights,
            instead: $instead,
            build: $build,
            user: $user,
            means: $means,
            effect: $effect,
            draw: |model, fields| model.draw(&[$(Arg::$arg),*], fields),
            make: |model, fields, fails, ops| {
                let build: fn(Args) -> OpKind = $build;
                let effect: fn(&mut TraceModel, Args, &Fails) = $effect;
                let Some(args) = model.draw(&[$(Arg::$arg),*], fields) else {
                    return false;
                };
                effect(model, args, fails);
                ops.push(Op::failing(build(args), fails));
                true
            },
        }
    };
}

const MAP: usize = 0;
pub(super) const FAULT: usize = 1;
const FORK: usize = 2;
const UNMAP: usize = 3;
const EXIT: usize = 4;
const PROTECT: usize = 5;
const ADVISE: usize = 6;
const MOVE: usize = 7;
const RESIZE: usize = 8;
const GROW: usize = 9;
const PIN: usize = 10;
const UNPIN: usize = 11;
const WALK: usize = 12;
const UFFDMOVE: usize = 13;
const MLOCK: usize = 14;
const MUNLOCK: usize = 15;
const MLOCKALL: usize = 16;
const MUNLOCKALL: usize = 17;
const BRK: usize = 18;
const TOUCH: usize = 19;
const DONTNEED: usize = 20;
const AGE: usize = 21;
const SWAPOUT: usize = 22;
const MIGRATE: usize = 23;
const LAZYFREE: usize = 24;
const MIGRATE_BEGIN: usize = 25;
const MIGRATE_END: usize = 26;
const CLEAN: usize = 27;
const EXCLUSIVE: usize = 28;
const SPLIT: usize = 29;
const UFFDWP: usize = 30;
const POISON: usize = 31;

/// How many operations there are.
pub const OPERATION_COUNT: usize = 32;

/// Every operation. The index of a row is its number in an exact record, so rows may be appended and never reordered.
pub static OPERATIONS: [Operation; OPERATION_COUNT] = TABLE;

/// [`OPERATIONS`] as a constant, for what is computed at compile time.
pub(super) const TABLE: [Operation; OPERATION_COUNT] = [
    operation! {
        "map", "new memory, anonymous or of a file, that grows down, or is not accounted, or is shared",
        args: [Process, FreeRange, Sort, File],
        small: true,
        weights: [4, 4, 4],
        instead: UNMAP,
        build: |x| OpKind::Map {
            mm: MmId(x.p),
            start: x.a,
            end: x.b,
            grows: x.word == GROWS,
            noreserve: x.word == NORESERVE,
            shared: x.word == SHARED,
            file: x.number.checked_sub(1),
        },
        user: |x| {
            let file = x.number.checked_sub(1);
            let [private, shared] = constants![MAP_PRIVATE, MAP_SHARED];
            let [anonymous, grows, noreserve, in_place] =
                constants![MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_NORESERVE, MAP_FIXED_NOREPLACE];
            let mut flags = vec![if x.word == SHARED { shared } else { private }];
            flags.extend(file.is_none().then_some(anonymous));
            flags.extend((x.word == GROWS).then_some(grows));
            flags.extend((x.word == NORESERVE).then_some(noreserve));
            flags.push(in_place);
            let [address, length] = range(x.a, x.b);
            let [prot, flags] = [constants![PROT_READ, PROT_WRITE].into(), flags].map(Argument::Flags);
            let source = [Argument::File(file), Argument::Offset(file.map(|_| x.a))];
            let arguments = [address, length, prot, flags].into_iter().chain(source).collect();
            SystemCall::returning(system_call!(SYS_mmap), arguments, x.a)
        },
        means: |x| {
            // The offset in a file is that of the first page's number.
            let file = x.number.checked_sub(1).map(|_| 0);
            let (noreserve, shared) = (x.word == NORESERVE, x.word == SHARED);
            let how = MemoryKind { writable: true, file, noreserve, shared, ..MemoryKind::default() };
            Meaning::New(x.a, x.b, how)
        },
        effect: |model, x, fails| model.map(x, fails),
    },
    operation! {
        "fault", "a fault at one page, for writing unless it says read, of a folio of 1 << N pages or a huge page",
        args: [Process, MappedPage, Read, Order],
        small: true,
        weights: [5, 7, 7],
        instead: MAP,
        build: |x| OpKind::Fault { mm: MmId(x.p), page: x.a, read: x.word != 0, order: x.number.into() },
        user: |x| {
            let [read, write] = constants![MADV_POPULATE_READ, MADV_POPULATE_WRITE];
            SystemCall::on_range(system_call!(SYS_madvise), x.a, x.a + 1, &[if x.word != 0 { read } else { write }])
        },
        means: |_| Meaning::Other,
        effect: |model, x, fails| model.fault(x, fails),
    },
    operation! {
        "fork", "q becomes a fork of p",
        args: [Process, NewProcess],
        small: true,
        weights: [5, 4, 4],
        instead: EXIT,
        build: |x| OpKind::Fork { parent: MmId(x.p), child: MmId(x.q) },
        user: |x| UserAction::Fork(x.q),
        means: |_| Meaning::Other,
        effect: |model, x, fails| model.fork(x.p, x.q, fails),
    },
    operation! {
        "unmap", "takes memory away, and splits what lies across an edge",
        args: [Process, MappedRange],
        small: true,
        weights: [3, 2, 2],
        instead: MAP,
        build: |x| OpKind::Unmap { mm: MmId(x.p), start: x.a, end: x.b },
        user: |x| SystemCall::plain(system_call!(SYS_munmap), range(x.a, x.b).into()),
        means: |_| Meaning::Other,
        effect: |model, x, fails| model.unmap(x.p, x.a, x.b, fails),
    },
    operation! {
        "exit", "ends a process; its number is free again",
        args: [Leaver],
        small: true,
        weights: [3, 3, 3],
        instead: FORK,
        build: |x| OpKind::Exit { mm: MmId(x.p) },
        user: |_| UserAction::Exit,
        means: |_| Meaning::Other,
        effect: |model, x, _| model.exit(x.p),
    },
    operation! {
        "protect", "makes memory read-only, or writable again: splits and merges",
        args: [Process, WholeRange, Access],
        small: false,
        weights: [0, 3, 3],
        instead: MAP,
        build: |x| OpKind::Protect { mm: MmId(x.p), start: x.a, end: x.b, write: x.word != 0 },
        user: |x| {
            let prot = &constants![PROT_READ, PROT_WRITE][..1 + usize::from(x.word != 0)];
            SystemCall::on_range(system_call!(SYS_mprotect), x.a, x.b, prot)
        },
        means: |x| Meaning::Change(x.a, x.b, if x.word != 0 { |how| how.writable = true } else { |how| how.writable = false }),
        effect: |model, x, fails| model.protect(x, fails),
    },
    operation! {
        "advise", "says what becomes of memory in a fork: splits and merges",
        args: [Process, WholeRange, Advice],
        small: false,
        weights: [0, 2, 2],
        instead: MAP,
        build: |x| OpKind::Advise {
            mm: MmId(x.p), start: x.a, end: x.b, advice: Advice::ALL[usize::from(x.word & 3)],
        },
        user: |x| {
            let advice = constants![MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK];
            SystemCall::on_range(system_call!(SYS_madvise), x.a, x.b, &[advice[usize::from(x.word & 3)]])
        },
        means: |x| {
            let change: fn(&mut MemoryKind) = match Advice::ALL[usize::from(x.word & 3)] {
                Advice::DontFork => |how| how.dontcopy = true,
                Advice::DoFork => |how| how.dontcopy = false,
                Advice::WipeOnFork => |how| how.wipeonfork = true,
                Advice::KeepOnFork => |how| how.wipeonfork = false,
            };
            Meaning::Change(x.a, x.b, change)
        },
        effect: |model, x, fails| model.advise(x, fails),
    },
    operation! {
        "move", "mremap of A..B to C; dontunmap: the old range stays, empty",
        args: [Process, MovedRange, Target, DontUnmap],
        small: false,
        weights: [0, 4, 4],
        instead: MAP,
        build: |x| OpKind::Move { mm: MmId(x.p), start: x.a, end: x.b, to: x.c, dontunmap: x.word != 0 },
        user: |x| {
            let flags = &constants![MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP][..2 + usize::from(x.word != 0)];
            let [address, length] = range(x.a, x.b);
            let arguments = vec![address, length.clone(), length, Argument::Flags(flags.into()), Argument::Address(x.c)];
            SystemCall::returning(system_call!(SYS_mremap), arguments, x.c)
        },
        means: |_| Meaning::Other,
        effect: |model, x, fails| model.relocate(x, fails),
    },
    operation! {
        "resize", "mremap of A..B to N pages, in place",
        args: [Process, ResizedRange, NewLength],
        small: false,
        weights: [0, 2, 2],
        instead: MAP,
        build: |x| OpKind::Resize { mm: MmId(x.p), start: x.a, end: x.b, pages: x.c },
        user: |x| {
            let [address, length] = range(x.a, x.b);
            let arguments = vec![address, length, Argument::Length(x.c), Argument::Flags(Vec::new())];
            SystemCall::returning(system_call!(SYS_mremap), arguments, x.a)
        },
        means: |_| Meaning::Other,
        effect: |model, x, fails| model.resize(x, fails),
    },
    operation! {
        "grow", "the VMA that contains A grows down by N pages",
        args: [Process, GrowingPage, Growth],
        small: false,
        weights: [0, 1, 1],
        instead: MAP,
        build: |x| OpKind::Grow { mm: MmId(x.p), page: x.a, pages: x.c },
        user: |x| UserAction::Grow { page: x.a, pages: x.c },
        means: |_| Meaning::Other,
        effect: |model, x, fails| model.grow(x, fails),
    },
    operation! {
        "pin", "takes a reference to the anon_vma of the folio at A, and pins the page, under the lowest free number",
        args: [Process, PinnedPage],
        small: true,
        weights: [0, 1, 1],
        instead: FAULT,
        build: |x| OpKind::Pin { mm: MmId(x.p), page: x.a },
        user: |_| UserAction::None("pin (only the kernel itself takes references)"),
        means: |_| Meaning::Other,
        effect: |model, _, _| model.pin(),
    },
    operation! {
        "unpin", "drops reference K",
        args: [Pin],
        small: true,
        weights: [0, 1, 1],
        instead: PIN,
        build: |x| OpKind::Unpin { pin: x.number },
        user: |_| UserAction::None("unpin (only the kernel itself drops references)"),
        means: |_| Meaning::Other,
        effect: |model, x, _| model.unpin(x.number),
    },
    operation! {
        "walk", "an rmap walk of the folio at A",
        args: [Process, WrittenPage, Mode],
        small: true,
        weights: [0, 2, 2],
        instead: FAULT,
        build: |x| OpKind::Walk { mm: MmId(x.p), page: x.a, mode: MODE_OF_WORD[usize::from(x.word & 3)] },
        user: |_| UserAction::None("walk (only the kernel itself walks)"),
        means: |_| Meaning::Other,
        effect: |_, _, _| (),
    },
    operation! {
        "uffdmove", "what UFFDIO_MOVE does with the page at A: it goes to B",
        args: [Process, ExclusivePage, EmptyPage],
        small: false,
        weights: [0, 1, 1],
        instead: FAULT,
        build: |x| OpKind::UffdMove { mm: MmId(x.p), from: x.a, to: x.c },
        user: |x| UserAction::UffdMove { from: x.a, to: x.c },
        means: |_| Meaning::Other,
        effect: |model, x, fails| model.uffd_move(x, fails),
    },
    operation! {
        "mlock", "keeps in memory what faults bring in: splits and merges",
        args: [Process, WholeRange],
        small: false,
        weights: [0, 1, 1],
        instead: MAP,
        build: |x| OpKind::Mlock { mm: MmId(x.p), start: x.a, end: x.b },
        user: |x| SystemCall::on_range(system_call!(SYS_mlock2), x.a, x.b, &constants![MLOCK_ONFAULT]),
        means: |x| Meaning::Change(x.a, x.b, |how| how.locked = true),
        effect: |model, x, fails| model.lock(x, true, fails),
    },
    operation! {
        "munlock", "undoes mlock: splits and merges",
        args: [Process, WholeRange],
        small: false,
        weights: [0, 1, 1],
        instead: MAP,
        build: |x| OpKind::Munlock { mm: MmId(x.p), start: x.a, end: x.b },
        user: |x| SystemCall::plain(system_call!(SYS_munlock), range(x.a, x.b).into()),
        means: |x| Meaning::Change(x.a, x.b, |how| how.locked = false),
        effect: |model, x, fails| model.lock(x, false, fails),
    },
    operation! {
        "mlockall", "mlock of all that is mapped: merges, and goes on after a merge that fails",
        args: [Process],
        small: false,
        weights: [0, 1, 1],
        instead: MLOCK,
        build: |x| OpKind::MlockAll { mm: MmId(x.p) },
        user: |_| SystemCall::plain(system_call!(SYS_mlockall), vec![Argument::Flags(constants![MCL_CURRENT, MCL_ONFAULT].into())]),
        means: |_| Meaning::ChangeAll(|how| how.locked = true),
        effect: |model, x, fails| model.lock_all(x.p, true, fails),
    },
    operation! {
        "munlockall", "munlock of all that is mapped: merges, and goes on after a merge that fails",
        args: [Process],
        small: false,
        weights: [0, 1, 1],
        instead: MUNLOCK,
        build: |x| OpKind::MunlockAll { mm: MmId(x.p) },
        user: |_| SystemCall::plain(system_call!(SYS_munlockall), Vec::new()),
        means: |_| Meaning::ChangeAll(|how| how.locked = false),
        effect: |model, x, fails| model.lock_all(x.p, false, fails),
    },
    operation! {
        "brk", "new memory as of a heap, which makes the VMA below it longer",
        args: [Process, FreeRange],
        small: false,
        weights: [0, 1, 1],
        instead: MAP,
        build: |x| OpKind::Brk { mm: MmId(x.p), start: x.a, end: x.b },
        user: |_| UserAction::None("brk (a process has one heap, at an address that it cannot choose)"),
        means: |x| Meaning::Append(x.a, x.b, MemoryKind { writable: true, ..MemoryKind::default() }),
        effect: |model, x, fails| model.map(x, fails),
    },
    operation! {
        "touch", "the hardware marks the entry of the page at A accessed, and dirty",
        args: [Process, PresentPage, Touch],
        small: false,
        weights: [0, 0, 2],
        instead: FAULT,
        build: |x| OpKind::Touch { mm: MmId(x.p), page: x.a, write: x.word != 0 },
        user: |_| UserAction::None("touch (a fault may come before the hardware marks an entry)"),
        means: |_| Meaning::Other,
        effect: |_, _, _| (),
    },
    operation! {
        "dontneed", "MADV_DONTNEED: the pages of A..B are taken away, the memory stays",
        args: [Process, WholeRange],
        small: false,
        weights: [0, 0, 2],
        instead: MAP,
        build: |x| OpKind::DontNeed { mm: MmId(x.p), start: x.a, end: x.b },
        user: |x| SystemCall::on_range(system_call!(SYS_madvise), x.a, x.b, &constants![MADV_DONTNEED]),
        means: |_| Meaning::Other,
        effect: |model, x, _| model.dontneed(x),
    },
    operation! {
        "age", "reclaim asks who used the folio at A",
        args: [Process, PresentPage],
        small: false,
        weights: [0, 0, 1],
        instead: FAULT,
        build: |x| OpKind::Age { mm: MmId(x.p), page: x.a },
        user: |_| UserAction::None("age (only the kernel itself asks who used a page)"),
        means: |_| Meaning::Other,
        effect: |_, _, _| (),
    },
    operation! {
        "swapout", "reclaim takes the folio at A out of memory: to the swap device, or out of the page cache",
        args: [Process, PresentPage],
        small: false,
        weights: [0, 0, 3],
        instead: FAULT,
        build: |x| OpKind::SwapOut { mm: MmId(x.p), page: x.a },
        user: |x| SystemCall::on_range(system_call!(SYS_madvise), x.a, x.a + 1, &constants![MADV_PAGEOUT]),
        means: |_| Meaning::Other,
        effect: |model, x, _| model.swap_out(x),
    },
    operation! {
        "migrate", "the folio at A goes to other frames",
        args: [Process, PresentPage],
        small: false,
        weights: [0, 0, 2],
        instead: FAULT,
        build: |x| OpKind::Migrate { mm: MmId(x.p), page: x.a },
        user: |_| UserAction::None("migrate (where a page goes is not asked for by its address)"),
        means: |_| Meaning::Other,
        effect: |_, _, _| (),
    },
    operation! {
        "lazyfree", "MADV_FREE: reclaim may drop the pages of A..B until they are written to",
        args: [Process, WholeRange],
        small: false,
        weights: [0, 0, 2],
        instead: MAP,
        build: |x| OpKind::LazyFree { mm: MmId(x.p), start: x.a, end: x.b },
        user: |x| SystemCall::on_range(system_call!(SYS_madvise), x.a, x.b, &constants![MADV_FREE]),
        means: |_| Meaning::Other,
        effect: |_, _, _| (),
    },
    operation! {
        "migrate-begin", "the folio at A begins to go to other frames, under the lowest free number",
        args: [Process, MigratedPage],
        small: false,
        weights: [0, 0, 2],
        instead: FAULT,
        build: |x| OpKind::MigrateBegin { mm: MmId(x.p), page: x.a },
        user: |_| UserAction::None("migrate-begin (no process can have a migration stop half-way)"),
        means: |_| Meaning::Other,
        effect: |model, _, _| model.begin_migration(),
    },
    operation! {
        "migrate-end", "ends migration K",
        args: [Migration],
        small: false,
        weights: [0, 0, 2],
        instead: MIGRATE_BEGIN,
        build: |x| OpKind::MigrateEnd { migration: x.number },
        user: |_| UserAction::None("migrate-end (no process can have a migration stop half-way)"),
        means: |_| Meaning::Other,
        effect: |model, x, _| model.end_migration(x.number),
    },
    operation! {
        "clean", "the folio at A, which is of a file, is written back",
        args: [Process, SharedPage],
        small: false,
        weights: [0, 0, 2],
        instead: MAP,
        build: |x| OpKind::Clean { mm: MmId(x.p), page: x.a },
        user: |_| UserAction::None("clean (writeback of one page is not asked for by its address)"),
        means: |_| Meaning::Other,
        effect: |_, _, _| (),
    },
    operation! {
        "exclusive", "a device gets the page at A for itself, until the process accesses it",
        args: [Process, PresentPage],
        small: false,
        weights: [0, 0, 2],
        instead: FAULT,
        build: |x| OpKind::Exclusive { mm: MmId(x.p), page: x.a },
        user: |_| UserAction::None("exclusive (a driver of a device asks for it)"),
        means: |_| Meaning::Other,
        effect: |_, _, _| (),
    },
    operation! {
        "split", "the large folio at A becomes folios of one page",
        args: [Process, PresentPage],
        small: false,
        weights: [0, 0, 2],
        instead: FAULT,
        build: |x| OpKind::Split { mm: MmId(x.p), page: x.a },
        user: |_| UserAction::None("split (reclaim asks for it)"),
        means: |_| Meaning::Other,
        effect: |_, _, _| (),
    },
    operation! {
        "uffdwp", "userfaultfd write-protects the pages of A..B; off: it is registered for them no longer",
        args: [Process, WholeRange, Off],
        small: false,
        weights: [0, 0, 2],
        instead: MAP,
        build: |x| OpKind::UffdWp { mm: MmId(x.p), start: x.a, end: x.b, off: x.word != 0 },
        user: |x| UserAction::UffdProtect { start: x.a, end: x.b, off: x.word != 0 },
        means: |x| Meaning::Change(x.a, x.b, if x.word != 0 { |how| how.uffd = false } else { |how| how.uffd = true }),
        effect: |_, _, _| (),
    },
    operation! {
        "poison", "the memory of the page at A fails",
        args: [Process, PresentPage],
        small: false,
        weights: [0, 0, 1],
        instead: FAULT,
        build: |x| OpKind::Poison { mm: MmId(x.p), page: x.a },
        user: |_| UserAction::None("poison (it kills the process)"),
        means: |_| Meaning::Other,
        effect: |_, _, _| (),
    },
];

/// The modes of a walk: none of [`MODES`], then each.
const MODE_OF_WORD: [WalkMode; 4] = [WalkMode::Unlocked, WalkMode::Locked, WalkMode::TryLock, WalkMode::Contended];

impl TraceModel {
    /// Makes up an operation, as [`TraceModel::choose`] does, and appends it.
    pub(super) fn make(&mut self, row: usize, fields: Args, fails: &Fails, ops: &mut Vec<Op>) {
        if !(OPERATIONS[row].make)(self, fields, fails, ops)
            && let Some((row, _)) = self.choose(row, fields, |_, _| true)
        {
            (OPERATIONS[row].make)(self, fields, fails, ops);
        }
    }

    /// A possible operation from any row and fields: that row, or the one in its stead, or the first
    /// that is possible, and that `accept` takes. None only if `accept` takes nothing.
    pub(super) fn choose(
        &self,
        row: usize,
        fields: Args,
        accept: impl Fn(usize, Args) -> bool,
    ) -> Option<(usize, Args)> {
        let try_row = |row: usize| {
            let args = (OPERATIONS[row].draw)(self, fields)?;
            accept(row, args).then_some((row, args))
        };
        let of_the_set = |&row: &usize| OPERATIONS[row].is_of(self.set());
        let any_row = || (0..OPERATIONS.len()).filter(of_the_set).find_map(try_row);
        try_row(row).or_else(|| try_row(OPERATIONS[row].instead)).or_else(any_row)
    }
}

impl OpKind {
    /// `map p A..B`
    pub fn map(mm: MmId, start: u64, end: u64) -> OpKind {
        OpKind::Map { mm, start, end, grows: false, noreserve: false, shared: false, file: None }
    }

    /// `fault p A`
    pub fn fault(mm: MmId, page: u64) -> OpKind {
        OpKind::Fault { mm, page, read: false, order: 0 }
    }

    /// Its row of [`OPERATIONS`], and its arguments.
    // Inlined, so that who asks for the row alone pays for a table, not for a jump: the small driver does for each operation.
    #[inline]
    pub fn split(&self) -> (usize, Args) {
        let range = |mm: MmId, start, end| Args { p: mm.0, a: start, b: end, ..Args::default() };
        let page = |mm: MmId, page| Args { p: mm.0, a: page, ..Args::default() };
        match *self {
            OpKind::Map { mm, start, end, grows, noreserve, shared, file } => {
                let number = file.map_or(0, |file| file.saturating_add(1));
                let words = [(grows, GROWS), (noreserve, NORESERVE), (shared, SHARED)];
                let word = words.into_iter().find(|(said, _)| *said).map_or(0, |(_, word)| word);
                (MAP, Args { word, number, ..range(mm, start, end) })
            }
            OpKind::Fault { mm, page: a, read, order } => {
                (FAULT, Args { word: read.into(), number: order as u8, ..page(mm, a) })
            }
            OpKind::Fork { parent, child } => (FORK, Args { p: parent.0, q: child.0, ..Args::default() }),
            OpKind::Unmap { mm, start, end } => (UNMAP, range(mm, start, end)),
            OpKind::Exit { mm } => (EXIT, Args { p: mm.0, ..Args::default() }),
            OpKind::Protect { mm, start, end, write } => {
                (PROTECT, Args { word: write.into(), ..range(mm, start, end) })
            }
            OpKind::Advise { mm, start, end, advice } => (ADVISE, Args { word: advice as u8, ..range(mm, start, end) }),
            OpKind::Move { mm, start, end, to, dontunmap } => {
                (MOVE, Args { c: to, word: dontunmap.into(), ..range(mm, start, end) })
            }
            OpKind::Resize { mm, start, end, pages } => (RESIZE, Args { c: pages, ..range(mm, start, end) }),
            OpKind::Grow { mm, page: a, pages } => (GROW, Args { c: pages, ..page(mm, a) }),
            OpKind::Pin { mm, page: a } => (PIN, page(mm, a)),
            OpKind::Unpin { pin } => (UNPIN, Args { number: pin, ..Args::default() }),
            OpKind::Walk { mm, page: a, mode } => (WALK, Args { word: mode as u8, ..page(mm, a) }),
            OpKind::UffdMove { mm, from, to } => (UFFDMOVE, Args { c: to, ..page(mm, from) }),
            OpKind::Mlock { mm, start, end } => (MLOCK, range(mm, start, end)),
            OpKind::Munlock { mm, start, end } => (MUNLOCK, range(mm, start, end)),
            OpKind::MlockAll { mm } => (MLOCKALL, Args { p: mm.0, ..Args::default() }),
            OpKind::MunlockAll { mm } => (MUNLOCKALL, Args { p: mm.0, ..Args::default() }),
            OpKind::Brk { mm, start, end } => (BRK, range(mm, start, end)),
            OpKind::Touch { mm, page: a, write } => (TOUCH, Args { word: write.into(), ..page(mm, a) }),
            OpKind::DontNeed { mm, start, end } => (DONTNEED, range(mm, start, end)),
            OpKind::Age { mm, page: a } => (AGE, page(mm, a)),
            OpKind::SwapOut { mm, page: a } => (SWAPOUT, page(mm, a)),
            OpKind::Migrate { mm, page: a } => (MIGRATE, page(mm, a)),
            OpKind::LazyFree { mm, start, end } => (LAZYFREE, range(mm, start, end)),
            OpKind::MigrateBegin { mm, page: a } => (MIGRATE_BEGIN, page(mm, a)),
            OpKind::Clean { mm, page: a } => (CLEAN, page(mm, a)),
            OpKind::Exclusive { mm, page: a } => (EXCLUSIVE, page(mm, a)),
            OpKind::Split { mm, page: a } => (SPLIT, page(mm, a)),
            OpKind::UffdWp { mm, start, end, off } => (UFFDWP, Args { word: off.into(), ..range(mm, start, end) }),
            OpKind::Poison { mm, page: a } => (POISON, page(mm, a)),
            OpKind::MigrateEnd { migration } => (MIGRATE_END, Args { number: migration, ..Args::default() }),
        }
    }

    /// The same operation with other arguments.
    pub fn with(&self, args: Args) -> OpKind {
        (OPERATIONS[self.index()].build)(args)
    }

    /// How its arguments are written, in order.
    pub fn forms(&self) -> impl Iterator<Item = Form> + use<> {
        OPERATIONS[self.index()].args.iter().map(|arg| arg.form())
    }

    /// What a process does to have it done.
    pub fn user_action(&self) -> UserAction {
        let (row, args) = self.split();
        (OPERATIONS[row].user)(args)
    }

    /// What it must have done, if it succeeds.
    pub fn meaning(&self) -> Meaning {
        let (row, args) = self.split();
        (OPERATIONS[row].means)(args)
    }

    /// The pages that it names, from the first to one past the last; none if it names none. For `grow` they are counted
    /// down from the named page, because the operation does not say where the VMA begins.
    pub fn pages(&self) -> Option<(u64, u64)> {
        let (row, args) = self.split();
        let forms = || OPERATIONS[row].args.iter().map(|arg| arg.form());
        let (start, end) = match forms().find(|form| matches!(form, Form::Page | Form::Range))? {
            Form::Range => (args.a, args.b),
            _ => (args.a, args.a + 1),
        };
        Some(forms().fold((start, end), |(first, last), form| match form {
            Form::Place => (first.min(args.c), last.max(args.c + (end - start))),
            // A number of pages: a length from the start of a range, or down from a page.
            Form::Count if end == start + 1 && args.b == 0 => (first.min(start.saturating_sub(args.c)), last),
            Form::Count => (first, last.max(start + args.c)),
            _ => (first, last),
        }))
    }

    /// Whether the model driver can run it.
    pub fn is_small(&self) -> bool {
        let (row, args) = self.split();
        let absent = |arg: &Arg| match arg.form() {
            Form::File | Form::Order => args.number == 0,
            _ => args.word == 0,
        };
        OPERATIONS[row].small && OPERATIONS[row].args.iter().all(|arg| arg.small() || absent(arg))
    }

    /// Whether it needs the kernel's own page-table code.
    pub fn needs_page_tables(&self) -> bool {
        let (row, args) = self.split();
        OPERATIONS[row].needs_page_tables() || row == FAULT && args.number > 0 || row == MAP && args.word == SHARED
    }

    /// Which row of [`OPERATIONS`] it is: an index for statistics.
    #[inline]
    pub fn index(&self) -> usize {
        self.split().0
    }

    /// The process that does it; none if no process does.
    pub fn process(&self) -> Option<MmId> {
        match self.forms().next() {
            Some(Form::First) => Some(MmId(self.split().1.p)),
            _ => None,
        }
    }

    /// Its name, the first word of its line.
    pub fn keyword(&self) -> &'static str {
        OPERATIONS[self.index()].keyword
    }
}

/// The row of [`OPERATIONS`] with that keyword.
pub(super) fn row_of(keyword: &str) -> Option<usize> {
    OPERATIONS.iter().position(|operation| operation.keyword == keyword)
}

/// Which row a made-up operation of a set is, by a random byte: the weights, laid out; by [`OpSet::column`].
pub(super) static ROW_OF_BYTE: [[u8; 256]; 3] =
    [rows_by_weight(OpSet::Small), rows_by_weight(OpSet::Full), rows_by_weight(OpSet::Pages)];

const fn rows_by_weight(set: OpSet) -> [u8; 256] {
    let mut total = 0;
    let mut row = 0;
    while row < OPERATION_COUNT {
        total += TABLE[row].weight(set) as usize;
        row += 1;
    }
    let mut rows = [0; 256];
    let mut byte = 0;
    while byte < rows.len() {
        let mut left = byte % total;
        row = 0;
        while left >= TABLE[row].weight(set) as usize {
            left -= TABLE[row].weight(set) as usize;
            row += 1;
        }
        rows[byte] = row as u8;
        byte += 1;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_what_it_builds() {
        for (row, operation) in OPERATIONS.iter().enumerate() {
            for word in 0..4 {
                let mut args = Args::default();
                for arg in operation.args {
                    match arg.form() {
                        Form::First => args.p = 3,
                        Form::Second => args.q = 5,
                        Form::Page => args.a = 17,
                        Form::Range => (args.a, args.b) = (17, 19),
                        Form::Place | Form::Count => args.c = 7,
                        Form::Word(words) => args.word = word % words.len() as u8,
                        Form::Optional(words) => args.word = word % (words.len() as u8 + 1),
                        Form::File | Form::Order => args.number = word,
                        Form::Held(_) => args.number = 9,
                    }
                }
                let kind = (operation.build)(args);
                assert!(kind.split() == (row, args), "{}", operation.keyword);
                assert_eq!(kind.keyword(), operation.keyword);
            }
            assert_eq!(row_of(operation.keyword), Some(row));
            let first = operation.args[0].form();
            assert!(matches!(first, Form::First | Form::Held(_)), "the process comes first");
            assert_ne!(operation.instead, row);
            // Whatever is made up of the small set is of the small set.
            assert!(operation.small || operation.weight(OpSet::Small) == 0);
            assert!(!operation.small || OPERATIONS[operation.instead].small);
        }
    }

    #[test]
    fn every_operation_can_be_made_up() {
        for (row, operation) in OPERATIONS.iter().enumerate() {
            let share = |set: OpSet| ROW_OF_BYTE[set.column()].iter().filter(|&&r| usize::from(r) == row).count();
            assert!(share(OpSet::Pages) > 0, "{}", operation.keyword);
            assert_eq!(share(OpSet::Full) > 0, !operation.needs_page_tables(), "{}", operation.keyword);
            assert_eq!(share(OpSet::Small) > 0, operation.weight(OpSet::Small) > 0, "{}", operation.keyword);
        }
    }

    #[test]
    fn words_tell_what_is_small() {
        for (text, small) in [
            ("map p0 1..2", true),
            ("map p0 1..2 grows", false),
            ("map p0 1..2 noreserve", false),
            ("map p0 1..2 file 0", false),
            ("fault p0 1", true),
            ("fault p0 1 read", false),
            ("fault p0 1 order 2", false),
            ("swapout p0 1", false),
            ("fork p0 p1", true),
            ("protect p0 1..2 r", false),
            ("mlock p0 1..2", false),
        ] {
            let trace: crate::Trace = text.parse().unwrap();
            assert_eq!((trace.is_small(), trace.ops[0].kind.is_small()), (small, small), "{text}");
        }
    }
}
