//! The cheap model of what is alive, for whoever makes operations up: the decoder of the byte
//! form and the random generator.
//!
//! It knows which processes live, which pages of a small window each has mapped, and roughly what VMAs they make up;
//! it assumes that an operation without failures succeeds. It is a guess, made to choose operations that
//! are nearly always legal; what really happens is the driver's business.

mod bits;
mod space;

use super::args::{Arg, Args, Form, GROWS, NORESERVE, SHARED};
use super::op::{Advice, Fails, HUGE_ORDER, OpSet};
use bits::{draw_one, modulo, ones, runs, undraw_one};
use rmap_seam::MAX_PROCESSES;
use space::{ModelSpace, place_of, window_bits};

/// First page of the window in which operations are made up.
pub(super) const WINDOW_START: u64 = 0x10;
/// Most pages of the window.
pub(super) const WINDOW_PAGES: u8 = 64;
/// Most pages of a made-up range.
pub(super) const RANGE_PAGES: u64 = 8;
/// Most pages by which a VMA is made to grow down.
const GROWTH_PAGES: u64 = 4;

/// What is alive.
#[derive(Clone)]
pub(super) struct TraceModel {
    /// The operations that are made up.
    set: OpSet,
    /// Bit p: process p exists.
    alive: u16,
    /// The processes that may exist.
    processes: u16,
    /// The pages that may be mapped.
    window: u64,
    /// Bit k: pin k is held.
    pins: u16,
    /// Bit k: migration k has begun.
    migrations: u16,
    spaces: [ModelSpace; MAX_PROCESSES],
}

/// Bits 0–2 of the field of a target, which way it is drawn: 0 home, even if something is there, ...
const WAYS: u64 = 7;
/// ... up to this home if that is free, ...
const HOME_IF_FREE: u64 = 3;
/// ... up to 6 somewhere free, ...
const FREE: u64 = 4;
/// ... and anywhere.
const ANYWHERE: u64 = 7;
/// Bits 3–5 of it: if all are set, the range may cross the border of a VMA, which 7.x allows.
const WIDE: u64 = 7 << 3;
/// Where the index of a target begins.
const INDEX_SHIFT: u32 = 6;
/// How many attempts to allocate nodes of a maple tree a fork takes: in 6.1, and later of a tree of two levels.
const FORK_NODE_ATTEMPTS: u32 = 2;
/// How many attempts to allocate a VMA's first anon_vma takes at most: an entry of its chain, and the anon_vma.
const PREPARE_ATTEMPTS: u32 = 2;
/// The orders of the folios that faults may bring in, by a field. A huge page takes another field, too: it is rare, since it makes
/// the trace one of huge pages, which is slower.
const ORDERS: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, HUGE_ORDER, 1, 2, 2, 3, 3, 4, 4, 5];
/// What the field of a place is modulo its double if the page is huge, which a fault has no use for.
const HUGE: u64 = 8;
/// The fields of a fault that brings in a huge page.
pub(super) fn draw_huge(fields: &mut Args) {
    fields.number = ORDERS.iter().position(|&order| order == HUGE_ORDER).unwrap_or(0) as u8;
    fields.c = HUGE;
}

/// How many pages of the window a huge page has in a trace of huge pages.
pub(super) const HUGE_PLACES: usize = 4;
/// The field of a file up to which it is none.
const NO_FILE: u8 = 11;

/// The arguments that are a page of [`TraceModel::pages`], as a pattern.
macro_rules! drawn_page {
    () => {
        Arg::MappedPage
            | Arg::WrittenPage
            | Arg::PinnedPage
            | Arg::MigratedPage
            | Arg::SharedPage
            | Arg::PresentPage
            | Arg::ExclusivePage
    };
}

/// One of some words, or none.
macro_rules! drawn_word {
    () => {
        Arg::Sort | Arg::Read | Arg::Touch | Arg::Off | Arg::Access | Arg::Advice | Arg::DontUnmap | Arg::Mode
    };
}

impl TraceModel {
    /// Of a trace's beginning: process 0 exists, with nothing mapped.
    /// `processes` and `pages` say how many of each a made-up operation may use.
    pub(super) fn new(set: OpSet, processes: u8, pages: u8) -> TraceModel {
        TraceModel {
            set,
            alive: 1,
            processes: ones(u64::from(processes.clamp(1, MAX_PROCESSES as u8))) as u16,
            window: ones(u64::from(pages.clamp(1, WINDOW_PAGES))),
            pins: 0,
            migrations: 0,
            spaces: [ModelSpace::EMPTY; MAX_PROCESSES],
        }
    }

    /// The operations that are made up.
    pub(super) fn set(&self) -> OpSet {
        self.set
    }

    fn lives(&self, p: u8) -> bool {
        usize::from(p) < MAX_PROCESSES && self.alive >> p & 1 == 1
    }

    /// How many VMAs there are in all processes together.
    pub(super) fn vmas(&self) -> u32 {
        self.spaces.iter().map(|space| space.starts.count_ones()).sum()
    }

    /// The processes from which one is drawn: when none is alive, all, as nothing is legal then.
    fn candidates(&self) -> u64 {
        u64::from(if self.alive == 0 { self.processes } else { self.alive })
    }

    /// A process from any number: one that is alive, if there is one.
    pub(super) fn draw_process(&self, number: u64) -> u8 {
        draw_one(self.candidates(), number).unwrap_or(0) as u8
    }

    /// Whom a [`Arg::Leaver`] is drawn from.
    fn leavers(&self) -> u64 {
        if self.alive.count_ones() == 1 { 0 } else { self.candidates() }
    }

    fn space(&self, p: u8) -> &ModelSpace {
        &self.spaces[usize::from(p) % MAX_PROCESSES]
    }

    /// Most pages that a range of that shape has at `place` of the window, not 0.
    fn room(&self, arg: Arg, p: u8, place: u64, wide: bool) -> u64 {
        let space = self.space(p);
        let obstacles = match arg {
            Arg::FreeRange => space.mapped | !self.window,
            Arg::WholeRange => !space.mapped,
            Arg::MovedRange | Arg::ResizedRange if !wide => {
                return (space.vma_at(place as usize).1 as u64 - place).min(RANGE_PAGES);
            }
            Arg::MovedRange | Arg::ResizedRange => !space.mapped,
            _ => !self.window,
        };
        u64::from((obstacles >> place).trailing_zeros()).min(64 - place).clamp(1, RANGE_PAGES)
    }

    /// The pages from which one of that shape, or the first of that shape, is drawn.
    fn pages(&self, arg: Arg, p: u8) -> u64 {
        let space = self.space(p);
        match arg {
            Arg::FreeRange => self.window & !space.mapped,
            Arg::WrittenPage => space.anonymous(),
            Arg::PinnedPage if self.pins == u16::MAX => 0,
            Arg::MigratedPage if self.migrations == u16::MAX => 0,
            Arg::PinnedPage => space.written(),
            Arg::MigratedPage => space.anonymous(),
            Arg::PresentPage => space.present(),
            Arg::ExclusivePage => space.exclusive(),
            Arg::SharedPage => space.map_shared(),
            Arg::EmptyPage => space.empty(),
            Arg::GrowingPage => space.growing(self.window),
            _ => space.mapped,
        }
    }

    /// How many pages are free from a place on, at most so many.
    fn free_from(&self, p: u8, place: usize, most: u64) -> u64 {
        match place {
            0..64 => u64::from((!(self.window & !self.space(p).mapped) >> place).trailing_zeros())
                .min(64 - place as u64)
                .min(most),
            _ => 0,
        }
    }

    /// By how many pages the VMA at a page can grow down.
    fn growth(&self, p: u8, page: u64) -> u64 {
        let space = self.space(p);
        match place_of(page).map(|place| space.vma_at(place).0) {
            Some(first @ 1..) => {
                let free = self.window & !space.mapped;
                u64::from((free << (64 - first)).leading_ones()).clamp(1, GROWTH_PAGES)
            }
            _ => 1,
        }
    }

    /// Where a range could move: to its home, to somewhere free, to anywhere. The first is none where the home is where
    /// it is, across it, or out of the window.
    fn targets(&self, args: &Args) -> (Option<u64>, u64, u64) {
        let space = self.space(args.p);
        let (Some(place), len) = (place_of(args.a), args.b.saturating_sub(args.a)) else {
            return (None, 0, 0);
        };
        let across = ones(place as u64 + len) & !ones((place as u64 + 1).saturating_sub(len));
        let anywhere = runs(self.window, len) & !across;
        let home = space.home(place).map(|home| home as u64).filter(|&home| anywhere >> home & 1 == 1);
        (home, runs(self.window & !space.mapped, len), anywhere)
    }

    /// Which word new memory has: from above, so that a record of `grows` keeps its meaning. What is shared is of a file.
    fn sort(&self, fields: &Args) -> u8 {
        let shared = self.set.has_pages() && fields.number > NO_FILE;
        [0, if shared { SHARED } else { 0 }, NORESERVE, GROWS][usize::from(fields.word & 3)]
    }

    /// Which of a walk's or a range's words are possible: the one that a word turns into.
    fn word(&self, arg: Arg, args: &Args, word: u8) -> u8 {
        let space = self.space(args.p);
        let of_files = || space.of_files() & window_bits(args.a, args.b) != 0;
        match arg {
            Arg::Sort | Arg::Read if self.set == OpSet::Small => 0,
            Arg::Read if space.read_only() & window_bits(args.a, args.a + 1) != 0 => 1,
            Arg::DontUnmap if of_files() => 0,
            Arg::Advice if word == Advice::WipeOnFork as u8 && of_files() => Advice::KeepOnFork as u8,
            _ => word,
        }
    }

    /// Legal arguments from any fields, each taken modulo what it can be; none if the operation
    /// is impossible. Inverse of [`TraceModel::undraw`].
    #[inline(always)]
    pub(super) fn draw(&self, shape: &[Arg], fields: Args) -> Option<Args> {
        let mut args = Args::default();
        for &arg in shape {
            match arg {
                Arg::Process => args.p = draw_one(self.candidates(), u64::from(fields.p))? as u8,
                Arg::Leaver => args.p = draw_one(self.leavers(), u64::from(fields.p))? as u8,
                Arg::NewProcess => {
                    args.q = draw_one(u64::from(self.processes & !self.alive), u64::from(fields.q))? as u8;
                }
                drawn_page!() => {
                    args.a = WINDOW_START + draw_one(self.pages(arg, args.p), fields.a)?;
                }
                Arg::GrowingPage => {
                    let first = draw_one(self.pages(arg, args.p), fields.a)?;
                    let (_, end) = self.space(args.p).vma_at(first as usize);
                    args.a = WINDOW_START + first + modulo(fields.b, end as u64 - first);
                }
                Arg::EmptyPage => args.c = WINDOW_START + draw_one(self.pages(arg, args.p), fields.c)?,
                Arg::FreeRange | Arg::MappedRange | Arg::WholeRange | Arg::MovedRange => {
                    let place = draw_one(self.pages(arg, args.p), fields.a)?;
                    args.a = WINDOW_START + place;
                    let wide = fields.c & WIDE == WIDE;
                    args.b = args.a + 1 + modulo(fields.b, self.room(arg, args.p, place, wide));
                }
                Arg::ResizedRange => {
                    let place = draw_one(self.pages(arg, args.p), fields.a)?;
                    let (_, end) = self.space(args.p).vma_at(place as usize);
                    args.a = WINDOW_START + place;
                    args.b = match fields.c & 1 == 1 && self.free_from(args.p, end, 1) == 1 {
                        true => WINDOW_START + end as u64,
                        false => args.a + 1 + modulo(fields.b, self.room(arg, args.p, place, false)),
                    };
                }
                Arg::NewLength => {
                    let room = self.room_above(&args);
                    args.c = match fields.c & 1 == 1 && room > 0 {
                        true => args.b - args.a + 1 + modulo(fields.c >> 1, room),
                        false => 1 + modulo(fields.c >> 1, args.b - args.a),
                    };
                }
                Arg::Growth => args.c = 1 + modulo(fields.c, self.growth(args.p, args.a)),
                Arg::Target => {
                    let (home, free, anywhere) = self.targets(&args);
                    let index = fields.c >> INDEX_SHIFT;
                    let at_home = home.filter(|&home| match fields.c & WAYS {
                        0 => true,
                        way => way <= HOME_IF_FREE && free >> home & 1 == 1,
                    });
                    let free = if fields.c & WAYS == ANYWHERE { None } else { draw_one(free, index) };
                    args.c = WINDOW_START + at_home.or(free).or_else(|| draw_one(anywhere, index))?;
                }
                Arg::File if self.set != OpSet::Small && args.word != GROWS => {
                    args.number = fields.number.saturating_sub(NO_FILE);
                }
                Arg::File => (),
                Arg::Order if self.set.has_pages() => {
                    args.number = match ORDERS[usize::from(fields.number & 15)] {
                        HUGE_ORDER if fields.c % (2 * HUGE) != HUGE => 0,
                        order => order,
                    };
                }
                Arg::Order => (),
                Arg::Pin => args.number = draw_one(self.pins.into(), u64::from(fields.number))? as u8,
                Arg::Migration => args.number = draw_one(self.migrations.into(), u64::from(fields.number))? as u8,
                drawn_word!() => {
                    let word = match arg.form() {
                        // From above, so that a record of `grows` keeps its meaning.
                        Form::Optional(_) if arg == Arg::Sort => self.sort(&fields),
                        Form::Optional(words) => (fields.word & 3).saturating_sub(3 - words.len() as u8),
                        Form::Word(words) => fields.word & (words.len() as u8 - 1),
                        _ => 0,
                    };
                    args.word = self.word(arg, &args, word);
                }
            }
        }
        Some(args)
    }

    /// How many pages a range can be longer, if it ends where its VMA does.
    fn room_above(&self, args: &Args) -> u64 {
        match place_of(args.b.wrapping_sub(1)) {
            Some(last) if self.space(args.p).vma_at(last).1 == last + 1 => {
                self.free_from(args.p, last + 1, RANGE_PAGES)
            }
            _ => 0,
        }
    }

    /// The fields from which [`TraceModel::draw`] draws these arguments, if it can. Of what is not certain, whoever asks
    /// makes sure by drawing from them.
    pub(super) fn undraw(&self, shape: &[Arg], args: Args) -> Option<Args> {
        let mut fields = Args::default();
        let p = args.p;
        let place = |page: u64| page.checked_sub(WINDOW_START);
        for &arg in shape {
            match arg {
                Arg::Process => fields.p = undraw_one(self.candidates(), u64::from(p))? as u8,
                Arg::Leaver => fields.p = undraw_one(self.leavers(), u64::from(p))? as u8,
                Arg::NewProcess => {
                    fields.q = undraw_one(u64::from(self.processes & !self.alive), u64::from(args.q))? as u8;
                }
                drawn_page!() => {
                    fields.a = undraw_one(self.pages(arg, p), place(args.a)?)?;
                }
                Arg::GrowingPage => {
                    let (first, _) = self.space(p).vma_at(place_of(args.a)?);
                    fields.a = undraw_one(self.pages(arg, p), first as u64)?;
                    fields.b = place(args.a)? - first as u64;
                }
                Arg::EmptyPage => fields.c = undraw_one(self.pages(arg, p), place(args.c)?)?,
                Arg::FreeRange | Arg::MappedRange | Arg::WholeRange | Arg::MovedRange | Arg::ResizedRange => {
                    let first = place(args.a)?;
                    fields.a = undraw_one(self.pages(arg, p), first)?;
                    fields.b = args.b.checked_sub(args.a)?.checked_sub(1)?;
                    if arg == Arg::ResizedRange && args.c > args.b - args.a {
                        // It ends where the VMA does, which is not drawn.
                        fields.b = 0;
                    } else if fields.b >= self.room(arg, p, first, false) {
                        fields.c = WIDE;
                        if fields.b >= self.room(arg, p, first, true) {
                            return None;
                        }
                    }
                }
                Arg::NewLength => {
                    let pages = args.b - args.a;
                    fields.c = match args.c.checked_sub(pages + 1) {
                        Some(more) => more << 1 | 1,
                        None => args.c.checked_sub(1)? << 1,
                    };
                }
                Arg::Growth => fields.c = args.c.checked_sub(1)?,
                Arg::Target => {
                    let to = place(args.c)?;
                    let (home, free, anywhere) = self.targets(&args);
                    fields.c |= match undraw_one(free, to) {
                        _ if home == Some(to) => 0,
                        Some(index) => index << INDEX_SHIFT | FREE,
                        None => undraw_one(anywhere, to)? << INDEX_SHIFT | ANYWHERE,
                    };
                }
                Arg::File => fields.number = if args.number == 0 { 0 } else { args.number + NO_FILE },
                Arg::Order => {
                    fields.number = ORDERS.iter().position(|&order| order == args.number)? as u8;
                    fields.c = if args.number == HUGE_ORDER { HUGE } else { 0 };
                }
                Arg::Pin => fields.number = undraw_one(self.pins.into(), u64::from(args.number))? as u8,
                Arg::Migration => fields.number = undraw_one(self.migrations.into(), u64::from(args.number))? as u8,
                drawn_word!() => {
                    fields.word = match arg.form() {
                        Form::Optional(_) if arg == Arg::Sort => [0, 3, 2, 1][usize::from(args.word & 3)],
                        Form::Optional(words) if args.word != 0 => args.word + 3 - words.len() as u8,
                        _ => args.word,
                    };
                }
            }
        }
        Some(fields)
    }

    /// What is alive to be changed, and whether VMAs merge in it.
    fn living(&mut self, p: u8) -> Option<(&mut ModelSpace, bool)> {
        let lives = self.lives(p);
        let full = self.set != OpSet::Small;
        self.spaces.get_mut(usize::from(p)).filter(|_| lives).map(|space| (space, full))
    }

    /// `map`: with its first attempt failing, nothing, unless a neighbour takes it in.
    pub(super) fn map(&mut self, x: Args, fails: &Fails) {
        let bits = window_bits(x.a, x.b);
        let Some((space, full)) = self.living(x.p) else { return };
        let refused = bits == 0 || space.mapped & bits != 0 || (x.word == GROWS && x.number != 0);
        if refused || fails.node.fails(1) || (fails.first() && !full) {
            return;
        }
        if !full {
            return space.map_plain(bits);
        }
        let merges = space.map(&x);
        if fails.first() && !merges {
            space.unmap(x.a, x.b);
        } else {
            space.merge(x.a, x.b);
        }
    }

    /// `fault`: with a failure of one of the two attempts that an anon_vma takes, nothing, if it needs one.
    pub(super) fn fault(&mut self, x: Args, fails: &Fails) {
        let bit = window_bits(x.a, x.a.saturating_add(1));
        let (Some((space, full)), Some(place)) = (self.living(x.p), place_of(x.a)) else { return };
        let legal = x.word == 0 && bit & space.mapped & !space.read_only() != 0;
        let fails = if full { fails.within(PREPARE_ATTEMPTS) } else { !fails.is_never() };
        if legal && (!fails || space.is_prepared(place)) {
            let first = place / HUGE_PLACES * HUGE_PLACES;
            let places = if x.number == HUGE_ORDER { first..first + HUGE_PLACES } else { place..place + 1 };
            let whole = places.clone().all(|other| space.vma_at(other) == space.vma_at(place));
            for place in if whole { places } else { place..place + 1 } {
                space.write(place, full);
            }
        } else if x.word != 0 && bit & space.mapped != 0 {
            space.read(place);
        }
    }

    /// `unmap`: with a failure, nothing if it needs a split that comes to it.
    pub(super) fn unmap(&mut self, p: u8, start: u64, end: u64, fails: &Fails) {
        let Some((space, full)) = self.living(p) else { return };
        if !split_fails(space, full, [start, end], fails) {
            space.unmap(start, end);
        }
    }

    /// `fork`: with a failure that it comes to, nothing if there is anything to copy.
    pub(super) fn fork(&mut self, p: u8, q: u8, fails: &Fails) {
        if usize::from(q) >= MAX_PROCESSES || self.lives(q) {
            return;
        }
        let Some((space, full)) = self.living(p) else { return };
        if !fails.is_never() && space.mapped != 0 {
            let fails = fails.within(space.fork_attempts()) || fails.node_within(FORK_NODE_ATTEMPTS);
            if fails || !full {
                return;
            }
        }
        let child = if full { space.fork() } else { space.fork_plain() };
        self.spaces[usize::from(q)] = child;
        self.alive |= 1 << q;
    }

    /// `exit`
    pub(super) fn exit(&mut self, p: u8) {
        if self.lives(p) {
            self.alive &= !(1 << p);
            self.spaces[usize::from(p)] = ModelSpace::EMPTY;
        }
    }

    /// A range whose flags change: with a failure, nothing if it needs a split.
    fn modify(&mut self, x: &Args, fails: &Fails, change: impl FnOnce(&mut ModelSpace)) {
        let Some((space, full)) = self.living(x.p) else { return };
        if !split_fails(space, full, [x.a, x.b], fails) {
            change(space);
            if full {
                space.merge(x.a, x.b);
            }
        }
    }

    /// `protect`
    pub(super) fn protect(&mut self, x: Args, fails: &Fails) {
        self.modify(&x, fails, |space| space.protect(x.a, x.b, x.word != 0));
    }

    /// `advise`
    pub(super) fn advise(&mut self, x: Args, fails: &Fails) {
        self.modify(&x, fails, |space| space.advise(x.a, x.b, Advice::ALL[usize::from(x.word) % Advice::ALL.len()]));
    }

    /// `mlock` and `munlock`
    pub(super) fn lock(&mut self, x: Args, locks: bool, fails: &Fails) {
        self.modify(&x, fails, |space| space.lock(x.a, x.b, locks));
    }

    /// `mlockall` and `munlockall`: what a failure leaves unlocked or apart is not known here.
    pub(super) fn lock_all(&mut self, p: u8, locks: bool, fails: &Fails) {
        let Some((space, full)) = self.living(p) else { return };
        space.lock(0, u64::MAX, locks);
        if full && !fails.node.fails(1) && !fails.within(1) {
            space.merge(0, u64::MAX);
        }
    }

    /// `move`: nothing if the copy of the VMA fails; if only the split fails that taking the old range away needs, it
    /// stays, empty.
    pub(super) fn relocate(&mut self, x: Args, fails: &Fails) {
        let Some((space, full)) = self.living(x.p) else { return };
        let copy = space.copy_attempts(x.a);
        if fails.node.fails(1) || fails.within(copy) {
            return;
        }
        let stays = fails.within(copy + space.split_attempts([x.a, x.b]));
        space.relocate(x.a, x.b, x.c, x.word != 0 || stays);
        if full {
            space.merge(x.c, x.c.saturating_add(x.b.saturating_sub(x.a)));
        }
    }

    /// `resize`: with a failure, nothing if it needs a split, or a node of the tree.
    pub(super) fn resize(&mut self, x: Args, fails: &Fails) {
        let new_end = x.a.saturating_add(x.c);
        let Some((space, full)) = self.living(x.p) else { return };
        if new_end <= x.b {
            if !split_fails(space, full, [new_end, x.b], fails) {
                space.unmap(new_end, x.b);
            }
        } else if !fails.node.fails(1) {
            space.extend(x.b, new_end);
            if full {
                space.merge(new_end, new_end);
            }
        }
    }

    /// `grow`: with a failure of what it needs, nothing.
    pub(super) fn grow(&mut self, x: Args, fails: &Fails) {
        let Some((space, _)) = self.living(x.p) else { return };
        let fails = |prepared: bool| fails.node.fails(1) || (!prepared && fails.within(PREPARE_ATTEMPTS));
        if let Some(place) = place_of(x.a).filter(|&place| x.c != 0 && !fails(space.is_prepared(place))) {
            space.grow(place, x.c);
        }
    }

    /// `uffdmove`: with a failure, nothing, if it needs an anon_vma.
    pub(super) fn uffd_move(&mut self, x: Args, fails: &Fails) {
        let Some((space, _)) = self.living(x.p) else { return };
        if let (Some(from), Some(to)) = (place_of(x.a), place_of(x.c))
            && (!fails.within(PREPARE_ATTEMPTS) || space.is_prepared(to))
        {
            space.uffd_move(from, to);
        }
    }

    /// `dontneed`
    pub(super) fn dontneed(&mut self, x: Args) {
        if let Some((space, _)) = self.living(x.p) {
            space.dontneed(x.a, x.b);
        }
    }

    /// `swapout`: what stays mapped, as it is pinned or locked, is not known here.
    pub(super) fn swap_out(&mut self, x: Args) {
        if let (Some((space, _)), Some(place)) = (self.living(x.p), place_of(x.a)) {
            space.swap_out(place);
        }
    }

    /// `pin`: takes the lowest free number.
    pub(super) fn pin(&mut self) {
        self.pins |= self.pins.wrapping_add(1);
    }

    /// `migrate-begin`: takes the lowest free number.
    pub(super) fn begin_migration(&mut self) {
        self.migrations |= self.migrations.wrapping_add(1);
    }

    /// `migrate-end`
    pub(super) fn end_migration(&mut self, migration: u8) {
        self.migrations &= !1u16.checked_shl(migration.into()).unwrap_or(0);
    }

    /// `unpin`
    pub(super) fn unpin(&mut self, pin: u8) {
        self.pins &= !1u16.checked_shl(pin.into()).unwrap_or(0);
    }
}

/// Whether one of the splits at the lower edges of these pages fails. Of the small set: whether one could.
fn split_fails(space: &ModelSpace, full: bool, pages: [u64; 2], fails: &Fails) -> bool {
    if fails.is_never() {
        return false;
    }
    match space.split_attempts(pages) {
        0 => false,
        attempts => !full || fails.within(attempts) || fails.node.fails(1),
    }
}

#[cfg(test)]
mod tests;
