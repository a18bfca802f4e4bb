//! Random traces, reproducible by a seed. Their operations are legal according to the same
//! [model](super::model) that the byte form uses.
//!
//! [`OPERATIONS`] says which operations there are, and how often each occurs by default.

mod sections;

pub use sections::random_sections;

use super::Trace;
use super::args::Args;
use super::large::large_scene;
use super::magnify::magnify;
use super::model::{HUGE_PLACES, RANGE_PAGES, TraceModel, WINDOW_PAGES, WINDOW_START, draw_huge};
use super::op::{Fails, HUGE_ORDER, Op, OpKind, OpSet};
use super::scene::{scene, scenes};
use super::table::{FAULT, OPERATION_COUNT, OPERATIONS, row_of};
use rmap_seam::{Fail, MAX_PROCESSES, MmId};

/// A small generator of random numbers: SplitMix64 (Steele, Lea, Flood, "Fast splittable
/// pseudorandom number generators", 2014). The same seed gives the same numbers in every build,
/// and this will not change. So a seed identifies a run.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator with this seed. Any seed will do.
    pub fn new(seed: u64) -> Rng {
        Rng { state: seed }
    }

    /// The next number of 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`, or 0 if `bound` is 0. The bias is below `bound` / 2^32.
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.next_u64() >> 32) * u64::from(bound)) >> 32) as u32
    }
}

/// What a random trace is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mix {
    /// The set of operations. If the operation that the weights choose is impossible, another one of the set is taken. In
    /// the full set VMAs merge.
    pub set: OpSet,
    /// The weight of each row of [`OPERATIONS`]. Its share is the weight divided by the sum of all weights.
    pub weights: [u32; OPERATION_COUNT],
    /// How many of 1000 operations have failing allocation attempts.
    pub fail_per_mille: u32,
    /// How many of 1000 operations have failing attempts to allocate a maple tree node. This is drawn separately.
    pub fail_node_per_mille: u32,
    /// How many of 1000 operations without these have failing attempts to allocate a frame or a page table.
    pub fail_page_per_mille: u32,
    /// The weights of a single attempt, of two attempts, and of an attempt with all later ones, among those operations.
    pub fail_weights: [u32; 3],
    /// The first failing attempt lies between 1 and this. The distance to the next one lies in the same range.
    pub fail_within: u16,
    /// Processes that are alive at most, 1 to 16.
    pub processes: u8,
    /// Pages of the window, 1 to 64.
    pub window_pages: u8,
    /// Pages of a range at most, 1 to 8.
    pub range_pages: u8,
    /// VMAs that are alive at most, of all processes together, as far as the model knows.
    pub max_vmas: u32,
    /// Whether faults bring in huge pages, too. Then every page of the window stands for 128.
    pub huge: bool,
    /// In how many of 1000 cases a short sequence that leads to a rare state takes the place of one operation.
    pub scenes_per_mille: u32,
    /// In how many of 1000 cases a sequence about one folio of several pages takes the place of one operation: of a huge page if
    /// [`Mix::huge`] is set.
    pub large_per_mille: u32,
}

/// All operations of the small set, with the weights of the byte form. One operation in eight has failing attempts.
impl Default for Mix {
    fn default() -> Mix {
        Mix {
            set: OpSet::Small,
            weights: OPERATIONS.each_ref().map(|operation| operation.weight(OpSet::Small).into()),
            fail_per_mille: 125,
            fail_node_per_mille: 0,
            fail_page_per_mille: 0,
            fail_weights: [4, 1, 2],
            fail_within: 8,
            processes: MAX_PROCESSES as u8,
            window_pages: WINDOW_PAGES,
            range_pages: RANGE_PAGES as u8,
            max_vmas: u32::MAX,
            huge: false,
            scenes_per_mille: 0,
            large_per_mille: 0,
        }
    }
}

impl Mix {
    /// The same mix, but this many of 1000 operations have failing attempts. If the mix has failures in the maple tree, one in
    /// four is such a failure.
    pub fn with_failing(self, per_mille: u32) -> Mix {
        let fail_node_per_mille = if self.fail_node_per_mille > 0 { per_mille / 4 } else { 0 };
        Mix { fail_per_mille: per_mille - fail_node_per_mille, fail_node_per_mille, ..self }
    }

    /// The same mix for the kernel's own page-table code: with the operations on pages, and as often as an attempt to allocate
    /// a maple tree node fails, one for a frame or a page table does.
    pub fn with_pages(mut self) -> Mix {
        for (weight, operation) in self.weights.iter_mut().zip(&OPERATIONS) {
            if operation.needs_page_tables() {
                *weight = operation.weight(OpSet::Pages).into();
            }
        }
        Mix { set: OpSet::Pages, fail_page_per_mille: self.fail_node_per_mille, ..self }
    }

    /// What can run together, on few pages of few processes: see [`random_sections`].
    pub fn together() -> Mix {
        let base = Mix {
            fail_per_mille: 60,
            fail_node_per_mille: 20,
            fail_page_per_mille: 20,
            fail_within: 4,
            processes: 4,
            window_pages: 3,
            range_pages: 3,
            max_vmas: 10,
            ..Mix::full().with_pages()
        };
        let base = OPERATIONS.iter().fold(base, |mix, operation| mix.with(operation.keyword, 0));
        let base =
            base.with("map", 8).with("fault", 12).with("fork", 6).with("unmap", 2).with("exit", 2).with("protect", 4);
        base.with("swapout", 2)
    }

    /// Few VMAs, many forks and exits, and hardly any failures. This makes deep hierarchies in which the processes between the
    /// oldest and the youngest have exited. There an anon_vma is reused (CVE-2022-42703).
    pub fn fork_heavy() -> Mix {
        let base = Mix { fail_per_mille: 10, window_pages: 4, range_pages: 4, max_vmas: 10, ..Mix::default() };
        base.with("map", 1).with("fault", 6).with("fork", 8).with("unmap", 1).with("exit", 7)
    }

    /// Many small VMAs in few processes, so that trees are large and VMAs have many neighbours.
    pub fn wide() -> Mix {
        let base = Mix { fail_per_mille: 60, range_pages: 2, processes: 6, ..Mix::default() };
        base.with("map", 12).with("fault", 12).with("fork", 2).with("unmap", 4).with("exit", 1)
    }

    /// All operations of the full set, with the weights of the byte form. One operation in eight has failing attempts, and one
    /// in sixteen has failing attempts for maple tree nodes.
    pub fn full() -> Mix {
        Mix {
            set: OpSet::Full,
            weights: OPERATIONS.each_ref().map(|operation| operation.weight(OpSet::Full).into()),
            fail_node_per_mille: 60,
            ..Mix::default()
        }
    }

    /// [`Mix::fork_heavy`] with the full set: few VMAs, many forks and exits, and a few of the other operations.
    pub fn full_fork_heavy() -> Mix {
        let base = Mix {
            fail_per_mille: 10,
            fail_node_per_mille: 5,
            window_pages: 8,
            range_pages: 4,
            max_vmas: 12,
            ..Mix::full()
        };
        let of_the_set = OPERATIONS.iter().filter(|operation| operation.is_of(OpSet::Full));
        let base = of_the_set.fold(base, |mix, operation| mix.with(operation.keyword, 1));
        base.with("map", 2).with("fault", 10).with("fork", 14).with("exit", 12).with("move", 2)
    }

    /// Few pages in few processes, and many operations that split and merge adjacent VMAs. This reaches every case of a merge,
    /// with faulted and unfaulted VMAs on either side, and ranges that move away and back.
    pub fn merges() -> Mix {
        let base = Mix {
            fail_per_mille: 40,
            fail_node_per_mille: 20,
            window_pages: 12,
            range_pages: 4,
            processes: 3,
            ..Mix::full()
        };
        let base = base.with("map", 8).with("fault", 8).with("fork", 1).with("unmap", 5).with("exit", 1);
        base.with("protect", 6).with("advise", 3).with("move", 10).with("resize", 3).with("uffdmove", 2)
    }

    /// [`Mix::merges`] in which every second operation has failing attempts, mostly the first ones, so that merges fail.
    pub fn failing_merges() -> Mix {
        Mix { fail_per_mille: 250, fail_node_per_mille: 300, fail_within: 3, ..Mix::merges() }
    }

    /// VMAs of one page that do not touch one another. A child does not get some of them. Half of the forks have failing
    /// attempts for maple tree nodes. So the maple trees have several nodes, and copies of them fail half-way.
    pub fn sparse_forks() -> Mix {
        let base = Mix {
            fail_per_mille: 60,
            fail_node_per_mille: 500,
            fail_weights: [1, 1, 4],
            fail_within: 4,
            range_pages: 1,
            processes: 4,
            ..Mix::full()
        };
        let base = OPERATIONS.iter().fold(base, |mix, operation| mix.with(operation.keyword, 0));
        base.with("map", 14).with("fault", 3).with("advise", 4).with("fork", 4).with("unmap", 2).with("exit", 3)
    }

    /// [`Mix::merges`] with memory that is seldom touched: one VMA has an anon_vma, and the neighbours that it merges with have
    /// none.
    pub fn untouched_merges() -> Mix {
        let base = Mix {
            fail_per_mille: 10,
            fail_node_per_mille: 5,
            window_pages: 6,
            range_pages: 2,
            processes: 2,
            ..Mix::merges()
        };
        base.with("map", 12).with("fault", 3).with("unmap", 3).with("move", 14).with("grow", 2)
    }

    /// Few large VMAs in few processes, with huge pages that are forked, split, moved and migrated.
    pub fn huge_pages() -> Mix {
        let base = Mix {
            fail_per_mille: 40,
            fail_node_per_mille: 20,
            window_pages: 24,
            processes: 3,
            huge: true,
            ..Mix::full()
        };
        base.with_pages().with("map", 8).with("fault", 12).with("fork", 2).with("exit", 1).with("unmap", 2)
    }

    /// Folios of several pages, or huge pages, to which reclaim, migration and devices come.
    pub fn large_folios(huge: bool) -> Mix {
        let base = if huge { Mix::huge_pages() } else { Mix::merges().with_pages() };
        Mix { large_per_mille: 200, ..base }
    }

    /// The mixes that take turns, one trace each, if no mix was chosen. Of all operations, every second one is
    /// [`Mix::full`].
    pub fn varied(operations: OpSet) -> Vec<Mix> {
        if operations == OpSet::Small {
            return vec![Mix::default(), Mix::fork_heavy(), Mix::wide()];
        }
        let others = [
            Mix::merges(),
            Mix::untouched_merges(),
            Mix::failing_merges(),
            Mix::full_fork_heavy(),
            Mix::sparse_forks(),
        ];
        let of_scenes = |mix: Mix| Mix { scenes_per_mille: 4, ..mix };
        let mixes = others.into_iter().flat_map(|other| [of_scenes(Mix::full()), of_scenes(other)]);
        match operations {
            OpSet::Pages | OpSet::Together => mixes.map(Mix::with_pages).chain([Mix::huge_pages()]).collect(),
            _ => mixes.collect(),
        }
    }

    /// The same mix with another weight for one operation.
    ///
    /// # Panics
    /// If there is no operation of that name.
    pub fn with(mut self, keyword: &str, weight: u32) -> Mix {
        let row = row_of(keyword).expect("an operation of the table");
        self.weights[row] = weight;
        self
    }

    fn fails(&self, rng: &mut Rng) -> Fails {
        let alloc = self.fail(rng, self.fail_per_mille);
        // No number is taken for what never happens, so that the traces of a seed stay.
        let node = if self.fail_node_per_mille == 0 { Fail::NEVER } else { self.fail(rng, self.fail_node_per_mille) };
        // The byte form has room for one of the two.
        let page = match self.fail_page_per_mille {
            0 => Fail::NEVER,
            _ if !node.is_never() => Fail::NEVER,
            per_mille => self.fail(rng, per_mille),
        };
        Fails { alloc, node, page }
    }

    fn fail(&self, rng: &mut Rng, per_mille: u32) -> Fail {
        if rng.below(1000) >= per_mille {
            return Fail::NEVER;
        }
        let mut last = 0u16;
        let mut next = |rng: &mut Rng| {
            last = last.saturating_add(1 + rng.below(u32::from(self.fail_within)) as u16);
            last
        };
        let fail = match weighted(rng, &self.fail_weights) {
            0 => Fail::new(&[next(rng)], None),
            1 => Fail::new(&[next(rng), next(rng)], None),
            _ => Fail::new(&[], Some(next(rng))),
        };
        fail.unwrap_or(Fail::NEVER)
    }

    /// The same, with failures of the first allocations in every operation, of the sorts that it has at all.
    fn failing_early(&self) -> Mix {
        let certain = |per_mille: u32| if per_mille > 0 { 1000 } else { 0 };
        let (fail_per_mille, fail_node_per_mille) = (certain(self.fail_per_mille), certain(self.fail_node_per_mille));
        Mix { fail_per_mille, fail_node_per_mille, fail_within: 2, ..self.clone() }
    }
}

/// An index, by weight; 0 if all weights are 0.
pub(super) fn weighted(rng: &mut Rng, weights: &[u32]) -> usize {
    let total = weights.iter().fold(0, |sum: u32, &weight| sum.saturating_add(weight));
    let mut left = rng.below(total);
    for (index, &weight) in weights.iter().enumerate() {
        if left < weight {
            return index;
        }
        left -= weight;
    }
    0
}

/// A trace of `ops` operations, nearly all of them legal.
pub fn random_trace(rng: &mut Rng, ops: usize, mix: &Mix) -> Trace {
    let mut model = TraceModel::new(mix.set, mix.processes, mix.window_pages);
    let mut trace = Trace { ops: Vec::with_capacity(ops), ..Trace::default() };
    let range_pages = u32::from(mix.range_pages.max(1));
    let short = |rng: &mut Rng, which, mm, child, page| scene(which, mm, child, page, rng.below(1 << 16));
    let large = |rng: &mut Rng, _, mm, child, page| large_scene(rng, mm, child, page, mix.huge);
    while trace.ops.len() < ops {
        // No number is taken where there are none, so that the traces of a seed stay.
        if mix.scenes_per_mille > 0 && rng.below(1000) < mix.scenes_per_mille {
            play_scene(rng, mix, &mut model, &mut trace, ops, short);
            continue;
        }
        if mix.large_per_mille > 0 && rng.below(1000) < mix.large_per_mille {
            play_scene(rng, mix, &mut model, &mut trace, ops, large);
            continue;
        }
        if mix.huge && rng.below(1000) < HUGE_PER_MILLE {
            map_huge_page(rng, mix, &mut model, &mut trace);
            continue;
        }
        let row = weighted(rng, &mix.weights);
        let bits = rng.next_u64();
        let mut fields = Args {
            p: bits as u8,
            q: (bits >> 8) as u8,
            a: bits >> 32,
            b: u64::from(rng.below(range_pages)),
            c: bits >> 16 & 0xffff,
            word: (bits >> 8) as u8 & 15,
            number: (bits >> 12) as u8 & 15,
        };
        if mix.huge && row == FAULT && bits >> 60 < 6 {
            draw_huge(&mut fields);
        }
        let fails = mix.fails(rng);
        let few_enough = |row: usize, args: Args| {
            if mix.max_vmas == u32::MAX {
                return true;
            }
            let mut after = model.clone();
            (OPERATIONS[row].effect)(&mut after, args, &Fails::NEVER);
            after.vmas() <= mix.max_vmas.max(1)
        };
        let Some((row, mut args)) = model.choose(row, fields, few_enough) else {
            break;
        };
        if !mix.huge && row == FAULT && args.number == HUGE_ORDER {
            args.number = 0;
        }
        (OPERATIONS[row].effect)(&mut model, args, &fails);
        trace.ops.push(Op::failing((OPERATIONS[row].build)(args), &fails));
    }
    if mix.huge {
        magnify(&mut trace.ops);
    }
    trace
}

/// In how many of 1000 cases memory for one or two huge pages takes the place of one operation, in a mix that has them.
const HUGE_PER_MILLE: u32 = 100;

/// New memory for one or two huge pages in the place of what a process has there, and a fault of one of them; or only the fault.
fn map_huge_page(rng: &mut Rng, mix: &Mix, model: &mut TraceModel, trace: &mut Trace) {
    let p = model.draw_process(rng.below(1 << 16).into());
    let mut make = |row: usize, args: Args, fails: Fails| {
        (OPERATIONS[row].effect)(model, args, &fails);
        trace.ops.push(Op::failing((OPERATIONS[row].build)(args), &fails));
    };
    let huge_page = u64::from(rng.below(u32::from(mix.window_pages).div_ceil(HUGE_PLACES as u32)));
    let first = WINDOW_START + huge_page * HUGE_PLACES as u64;
    let pages = HUGE_PLACES as u64 * u64::from(1 + rng.below(2));
    let fault = Args { p, a: first, number: HUGE_ORDER, word: u8::from(rng.below(8) == 0), ..Args::default() };
    if rng.below(2) == 0 {
        for row in ["unmap", "map"].map(|keyword| row_of(keyword).expect("an operation of the table")) {
            make(row, Args { p, a: first, b: first + pages, ..Args::default() }, Fails::NEVER);
        }
    }
    make(FAULT, fault, mix.fails(rng));
}

/// One of the short sequences, in a process that is there, as far as the trace has room. Its last operation may fail; where
/// the kernel goes on after a failure, it fails in every other trace.
fn play_scene(
    rng: &mut Rng,
    mix: &Mix,
    model: &mut TraceModel,
    trace: &mut Trace,
    ops: usize,
    make: impl Fn(&mut Rng, u32, MmId, Option<MmId>, u64) -> Vec<OpKind>,
) {
    let bits = rng.next_u64();
    let fields = Args { p: bits as u8, a: bits >> 32, ..Args::default() };
    let Some((_, place)) = model.choose(row_of("map").expect("an operation of the table"), fields, |_, _| true) else {
        return;
    };
    let which = rng.below(scenes(mix.set));
    let fork = row_of("fork").expect("an operation of the table");
    let forked = model.choose(fork, fields, |_, _| true).filter(|(row, _)| *row == fork);
    let child = forked.map(|(_, args)| MmId(args.q));
    let scene = make(rng, which, MmId(place.p), child, place.a);
    let last = scene.len().saturating_sub(1);
    for (at, kind) in scene.into_iter().enumerate().take(ops - trace.ops.len()) {
        let goes_on = matches!(kind.keyword(), "mlockall" | "munlockall");
        let fails = match at == last {
            true if goes_on && bits >> 63 == 0 => mix.failing_early().fails(rng),
            true => mix.fails(rng),
            false => Fails::NEVER,
        };
        let (row, args) = kind.split();
        (OPERATIONS[row].effect)(model, args, &fails);
        trace.ops.push(Op::failing(kind, &fails));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides() {
        let trace = |seed| random_trace(&mut Rng::new(seed), 300, &Mix::default());
        assert_eq!(trace(7), trace(7));
        assert_ne!(trace(7), trace(8));
        // Published test vector of SplitMix64.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_mix_is_what_it_says() {
        let trace = random_trace(&mut Rng::new(1), 20_000, &Mix::fork_heavy());
        let mut counts = [0; OPERATION_COUNT];
        trace.ops.iter().for_each(|op| counts[op.kind.index()] += 1);
        let of = |keyword| counts[row_of(keyword).unwrap()];
        assert!(of("fork") + of("exit") > 8_000, "{counts:?}");
        let failing = trace.ops.iter().filter(|op| !op.fail.is_never()).count();
        assert!((100..300).contains(&failing), "{failing}");

        for mix in [Mix::full(), Mix::full_fork_heavy(), Mix::merges()] {
            let trace = random_trace(&mut Rng::new(1), 20_000, &mix);
            let mut counts = [0; OPERATION_COUNT];
            trace.ops.iter().for_each(|op| counts[op.kind.index()] += 1);
            let of_the_set = |row: usize| OPERATIONS[row].is_of(OpSet::Full);
            assert!((0..OPERATION_COUNT).all(|row| (counts[row] > 40) == of_the_set(row)), "{counts:?}");
            assert!(trace.ops.iter().any(|op| !op.fail_node.is_never()));
        }

        let scenes = Mix { scenes_per_mille: 1000, fail_per_mille: 0, fail_node_per_mille: 0, ..Mix::full() };
        let text = random_trace(&mut Rng::new(1), 2_000, &scenes).to_string();
        assert!(text.lines().filter(|line| line.starts_with("grow ")).count() > 50, "{text}");

        let none = Mix { fail_per_mille: 0, ..Mix::wide() };
        assert!(random_trace(&mut Rng::new(2), 5_000, &none).ops.iter().all(|op| op.fail.is_never()));
    }

    #[test]
    fn odd_mixes_do_no_harm() {
        let odd = Mix {
            set: OpSet::Full,
            weights: [0; OPERATION_COUNT],
            fail_per_mille: 1000,
            fail_node_per_mille: 1000,
            fail_page_per_mille: 0,
            fail_weights: [0; 3],
            fail_within: u16::MAX,
            processes: 0,
            window_pages: 0,
            range_pages: 0,
            max_vmas: 0,
            huge: true,
            scenes_per_mille: 1000,
            large_per_mille: 0,
        };
        assert_eq!(random_trace(&mut Rng::new(3), 1_000, &odd).ops.len(), 1_000);
        let odd = Mix { processes: 255, window_pages: 255, range_pages: 255, ..odd };
        assert_eq!(random_trace(&mut Rng::new(3), 1_000, &odd).ops.len(), 1_000);
    }
}
