//! The cheap model of what is alive, for whoever makes operations up: the decoder of the byte
//! form and the random generator.
//!
//! It knows which processes live and which pages of a small window each has mapped, and assumes
//! that an operation without failures succeeds. It is a guess, made to choose operations that
//! are nearly always legal; what really happens is the driver's business.

use super::op::{Arg, Args, Fails, OPERATIONS, Op, OpSet, Operation};
use crate::rmap::MAX_PROCESSES;

/// First page of the window in which operations are made up.
pub(super) const WINDOW_START: u64 = 0x10;
/// Most pages of the window.
pub(super) const WINDOW_PAGES: u8 = 64;
/// Most pages of a made-up range.
pub(super) const RANGE_PAGES: u64 = 8;

/// One process: bit n is page `WINDOW_START + n`.
#[derive(Clone, Copy, Default)]
struct Space {
    /// Pages that are mapped.
    mapped: u64,
    /// Those of them at which a VMA starts.
    starts: u64,
}

/// What is alive.
#[derive(Clone)]
pub(super) struct Model {
    /// The operations that are made up.
    set: OpSet,
    /// Bit p: process p exists.
    alive: u16,
    /// The processes that may exist.
    processes: u16,
    /// The pages that may be mapped.
    window: u64,
    spaces: [Space; MAX_PROCESSES],
}

/// `count` ones from bit 0 on.
fn ones(count: u64) -> u64 {
    u64::MAX.checked_shr(64 - count.min(64) as u32).unwrap_or(0)
}

/// The place of the nth one of a byte, at `n << 8 | byte`.
static ONES_OF_BYTE: [u8; 8 << 8] = {
    let mut places = [0; 8 << 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut n, mut place) = (0, 0);
        while place < 8 {
            if byte >> place & 1 == 1 {
                places[n << 8 | byte] = place;
                n += 1;
            }
            place += 1;
        }
        byte += 1;
    }
    places
};

/// `field % count`, and 0 if `count` is 0.
///
/// Not a division behind a test for 0: rustc 1.95 (LLVM 22) hoists such a one out of the loop of
/// [`Model::draw`], to before the test, and the process dies of SIGFPE.
fn modulo(field: u64, count: u64) -> u64 {
    u64::from(field as u32 % (count as u32).max(1))
}

/// `field` modulo the ones of `mask`: the place of that one; none if it has none. Finds it by the
/// partial sums of the bytes' counts, as decoding is what a fuzzer does all day.
fn draw_one(mask: u64, field: u64) -> Option<u64> {
    const LOW_BITS: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = LOW_BITS << 7;
    let pairs = mask - ((mask >> 1) & (LOW_BITS * 0x55));
    let nibbles = (pairs & (LOW_BITS * 0x33)) + ((pairs >> 2) & (LOW_BITS * 0x33));
    // Byte n: the ones of the bytes 0 to n.
    let sums = ((nibbles + (nibbles >> 4)) & (LOW_BITS * 0x0f)).wrapping_mul(LOW_BITS);
    let total = sums >> 56;
    let n = modulo(field, total);
    if total == 0 {
        return None;
    }
    // Bytes whose sum does not exceed n lie wholly below the place.
    let below = (((n * LOW_BITS) | HIGH_BITS) - sums) & HIGH_BITS;
    let at = (below >> 7).wrapping_mul(LOW_BITS) >> 56 << 3;
    let left = n - (sums << 8 >> at & 0xff);
    let byte = mask >> at & 0xff;
    Some(at + u64::from(ONES_OF_BYTE[(left << 8 | byte) as usize]))
}

/// The field from which [`draw_one`] draws `place`, if it can.
fn undraw_one(mask: u64, place: u64) -> Option<u64> {
    let below = ones(place);
    (place < 64 && mask >> place & 1 == 1).then(|| u64::from((mask & below).count_ones()))
}

/// The pages of the window that lie in `start..end`.
fn window_bits(start: u64, end: u64) -> u64 {
    ones(end.saturating_sub(WINDOW_START)) & !ones(start.saturating_sub(WINDOW_START))
}

impl Model {
    /// Of a trace's beginning: process 0 exists, with nothing mapped.
    /// `processes` and `pages` say how many of each a made-up operation may use.
    pub(super) fn new(set: OpSet, processes: u8, pages: u8) -> Model {
        Model {
            set,
            alive: 1,
            processes: ones(u64::from(processes.clamp(1, MAX_PROCESSES as u8))) as u16,
            window: ones(u64::from(pages.clamp(1, WINDOW_PAGES))),
            spaces: Default::default(),
        }
    }

    /// The operations that are made up.
    pub(super) fn set(&self) -> OpSet {
        self.set
    }

    fn lives(&self, p: u8) -> bool {
        usize::from(p) < MAX_PROCESSES && self.alive >> p & 1 == 1
    }

    fn mapped(&self, p: u8) -> u64 {
        self.spaces.get(usize::from(p)).map_or(0, |space| space.mapped)
    }

    /// How many VMAs there are in all processes together.
    pub(super) fn vmas(&self) -> u32 {
        self.spaces.iter().map(|space| space.starts.count_ones()).sum()
    }

    /// The processes from which one is drawn: when none is alive, all, as nothing is legal then.
    fn candidates(&self) -> u64 {
        u64::from(if self.alive == 0 { self.processes } else { self.alive })
    }

    /// Whom a [`Arg::Leaver`] is drawn from.
    fn leavers(&self) -> u64 {
        if self.alive.count_ones() == 1 { 0 } else { self.candidates() }
    }

    /// Most pages that a range of that shape has at `place` of the window, not 0.
    fn room(&self, arg: Arg, p: u8, place: u64) -> u64 {
        let obstacles = if arg == Arg::FreeRange { self.mapped(p) | !self.window } else { !self.window };
        u64::from((obstacles >> place).trailing_zeros()).min(64 - place).clamp(1, RANGE_PAGES)
    }

    /// Legal arguments from any fields, each taken modulo what it can be; none if the operation
    /// is impossible. Inverse of [`Model::undraw`].
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
                Arg::MappedPage => args.a = WINDOW_START + draw_one(self.mapped(args.p), fields.a)?,
                Arg::FreeRange | Arg::MappedRange => {
                    let mapped = self.mapped(args.p);
                    let pages = if arg == Arg::FreeRange { self.window & !mapped } else { mapped };
                    let place = draw_one(pages, fields.a)?;
                    args.a = WINDOW_START + place;
                    args.b = args.a + 1 + modulo(fields.b, self.room(arg, args.p, place));
                }
                Arg::Grows | Arg::File | Arg::Read => (),
                _ => return None,
            }
        }
        Some(args)
    }

    /// The fields from which [`Model::draw`] draws these arguments, if it can.
    pub(super) fn undraw(&self, operation: &Operation, args: Args) -> Option<Args> {
        let mut fields = Args::default();
        for &arg in operation.args {
            match arg {
                Arg::Process => fields.p = undraw_one(self.candidates(), u64::from(args.p))? as u8,
                Arg::Leaver => fields.p = undraw_one(self.leavers(), u64::from(args.p))? as u8,
                Arg::NewProcess => {
                    fields.q = undraw_one(u64::from(self.processes & !self.alive), u64::from(args.q))? as u8;
                }
                Arg::MappedPage => {
                    fields.a = undraw_one(self.mapped(args.p), args.a.checked_sub(WINDOW_START)?)?;
                }
                Arg::FreeRange | Arg::MappedRange => {
                    let mapped = self.mapped(args.p);
                    let pages = if arg == Arg::FreeRange { self.window & !mapped } else { mapped };
                    let place = args.a.checked_sub(WINDOW_START)?;
                    fields.a = undraw_one(pages, place)?;
                    fields.b = args.b.checked_sub(args.a)?.checked_sub(1)?;
                    if fields.b >= self.room(arg, args.p, place) {
                        return None;
                    }
                }
                Arg::Grows | Arg::File | Arg::Read => (),
                _ => return None,
            }
        }
        Some(fields)
    }

    /// Makes up an operation, as [`Model::choose`] does, and appends it.
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
        try_row(row).or_else(|| try_row(OPERATIONS[row].instead)).or_else(|| (0..OPERATIONS.len()).find_map(try_row))
    }

    /// Whether a VMA lies across the lower edge of page `page`, so that an unmap splits it there.
    fn splits_at(&self, p: u8, page: u64) -> bool {
        let bit = window_bits(page, page.saturating_add(1));
        let Space { mapped, starts } = self.spaces[usize::from(p)];
        bit > 1 && mapped & bit != 0 && starts & bit == 0 && mapped & bit >> 1 != 0
    }

    /// `map`: with its first attempt failing, nothing.
    pub(super) fn map(&mut self, x: Args, fails: &Fails) {
        let (p, start, end) = (x.p, x.a, x.b);
        let bits = window_bits(start, end);
        if !self.lives(p) || fails.first() || self.mapped(p) & bits != 0 {
            return;
        }
        let space = &mut self.spaces[usize::from(p)];
        space.mapped |= bits;
        space.starts |= bits & bits.wrapping_neg();
    }

    /// `unmap`: with a failure, nothing if it needs a split.
    pub(super) fn unmap(&mut self, p: u8, start: u64, end: u64, fails: &Fails) {
        if !self.lives(p) || (!fails.is_never() && (self.splits_at(p, start) || self.splits_at(p, end))) {
            return;
        }
        let bits = window_bits(start, end);
        if bits == 0 {
            return;
        }
        let space = &mut self.spaces[usize::from(p)];
        space.mapped &= !bits;
        space.starts &= !bits;
        space.starts |= space.mapped & window_bits(end, end.saturating_add(1));
    }

    /// `fork`: with a failure, nothing if there is anything to copy.
    pub(super) fn fork(&mut self, p: u8, q: u8, fails: &Fails) {
        if !self.lives(p) || usize::from(q) >= MAX_PROCESSES || self.lives(q) {
            return;
        }
        if !fails.is_never() && self.mapped(p) != 0 {
            return;
        }
        self.spaces[usize::from(q)] = self.spaces[usize::from(p)];
        self.alive |= 1 << q;
    }

    pub(super) fn fault(&mut self, _: Args, _: &Fails) {}
    pub(super) fn protect(&mut self, _: Args, _: &Fails) {}
    pub(super) fn advise(&mut self, _: Args, _: &Fails) {}
    pub(super) fn relocate(&mut self, _: Args, _: &Fails) {}
    pub(super) fn resize(&mut self, _: Args, _: &Fails) {}
    pub(super) fn grow(&mut self, _: Args, _: &Fails) {}
    pub(super) fn uffd_move(&mut self, _: Args, _: &Fails) {}
    pub(super) fn pin(&mut self) {}
    pub(super) fn unpin(&mut self, _: u8) {}

    /// `exit`
    pub(super) fn exit(&mut self, p: u8) {
        if self.lives(p) {
            self.alive &= !(1 << p);
            self.spaces[usize::from(p)] = Space::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_the_window() {
        assert_eq!(ones(0), 0);
        assert_eq!(ones(3), 7);
        assert_eq!(ones(64), u64::MAX);
        assert_eq!(ones(1 << 40), u64::MAX);
        assert_eq!(window_bits(0, 5), 0);
        assert_eq!(window_bits(0, 0x11), 1);
        assert_eq!(window_bits(0x12, 0x14), 0b1100);
        assert_eq!(window_bits(0x4f, 1 << 32), 1 << 63);
        assert_eq!(window_bits(0x50, 1 << 32), 0);
    }

    #[test]
    fn a_one_is_drawn_and_undrawn() {
        let mut rng = crate::trace::Rng::new(1);
        for sparse in 0..2_000 {
            let mask = (0..sparse % 4).fold(rng.next_u64(), |mask, _| mask & rng.next_u64());
            let ones: Vec<u64> = (0..64).filter(|place| mask >> place & 1 == 1).collect();
            for (n, &place) in ones.iter().enumerate() {
                assert_eq!(draw_one(mask, n as u64), Some(place));
                assert_eq!(draw_one(mask, (n + 3 * ones.len()) as u64), Some(place));
                assert_eq!(undraw_one(mask, place), Some(n as u64));
            }
        }
        assert_eq!((draw_one(0, 7), draw_one(u64::MAX, 63), draw_one(1 << 63, 9)), (None, Some(63), Some(63)));
        assert_eq!((undraw_one(2, 0), undraw_one(u64::MAX, 64), undraw_one(1 << 63, 63)), (None, None, Some(0)));
    }

    #[test]
    fn a_split_makes_a_vma_and_a_whole_unmap_takes_one() {
        let mut model = Model::new(OpSet::Full, 16, 64);
        model.map(Args { a: 0x10, b: 0x18, ..Args::default() }, &Fails::NEVER);
        model.map(Args { a: 0x18, b: 0x19, ..Args::default() }, &Fails::NEVER);
        assert_eq!(model.vmas(), 2);
        assert!(model.splits_at(0, 0x12) && !model.splits_at(0, 0x18) && !model.splits_at(0, 0x10));
        model.unmap(0, 0x12, 0x14, &Fails { alloc: crate::rmap::Fail::nth(1), ..Fails::NEVER });
        assert_eq!(model.vmas(), 2);
        model.unmap(0, 0x12, 0x14, &Fails::NEVER);
        assert_eq!(model.vmas(), 3);
        model.unmap(0, 0x14, 0x18, &Fails { alloc: crate::rmap::Fail::nth(1), ..Fails::NEVER });
        assert_eq!(model.vmas(), 2);
        model.fork(0, 5, &Fails::NEVER);
        assert_eq!(model.vmas(), 4);
        model.exit(0);
        assert_eq!(model.vmas(), 2);
    }

    #[test]
    fn something_is_possible_in_every_state() {
        let empty = Model::new(OpSet::Full, 16, 64);
        let mut full = Model::new(OpSet::Full, 16, 64);
        full.map(Args { a: 0, b: 1 << 32, ..Args::default() }, &Fails::NEVER);
        (1..16).for_each(|q| full.fork(0, q, &Fails::NEVER));
        let mut dead = Model::new(OpSet::Full, 16, 64);
        dead.exit(0);
        for model in [empty, full, dead] {
            for row in 0..OPERATIONS.len() {
                assert!(model.choose(row, Args::default(), |_, _| true).is_some());
            }
        }
    }
}
