//! One number of a state that is kept up while the state changes: what it costs goes with what changed.
//!
//! The number is a sum over objects, so an object that changes is taken out as it was and put in as it is. As in
//! [the key](crate::world::World::key) of a state, neither the serials of objects nor the numbers of processes are any part of it. The key names
//! objects in the order in which they are first met, and each change can rename all others; here an object is told apart by
//! what is attached to it:
//!
//! - A VMA has a hash of its own words, and one for each entry of its chain: where in the chain it is, and whether it is of
//!   `vma->anon_vma`. The first belongs to its process, the others to the process's share of the anon_vma.
//! - An anon_vma is its shares, its counters, its children and its folios, by their shares again, and the pins that hold it.
//! - A folio is its shares (the pages that map it), whether it is exclusive, and its index.
//! - Which processes share an object is a matrix: for two processes, the sum of the products of their shares of each object.
//!   At the end each number of the matrix is mixed with what the two processes have. So a process needs no name.
//!
//! The page tables of the kernel's own code are hashed whole after each operation.
//!
//! Two states with the same key have the same number. Two states with different keys have different numbers, but by chance (64
//! bits), or if no sharing between any two processes tells them apart.

use crate::pages::{MAX_PINS, Pages, entry_bits, frame_bits};
use crate::rmap::{FolioId, MAX_PROCESSES, MmId, RememberedMm};
use crate::trace::{PageTables, Target};

/// Mixes two words: another one for others, but by chance.
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd6e8_feb8_6659_fd93);
    (product as u64) ^ ((product >> 64) as u64).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

#[inline]
fn mix_all(words: &[u64]) -> u64 {
    words.iter().fold(words.len() as u64, |hash, &word| mix(hash, word))
}

/// A number for each two processes.
type Matrix = [[u64; MAX_PROCESSES]; MAX_PROCESSES];

/// How much of an object each process has: a sum over what is attached to the object.
#[derive(Clone, Copy, Default)]
struct Shares {
    sums: [u64; MAX_PROCESSES],
    /// The processes whose sum is not 0, a bit each.
    held: u16,
    /// What the matrix has of them now, and of which processes.
    factors: [u64; MAX_PROCESSES],
    put: u16,
    /// The sum of the factors: the same whatever the numbers of the processes.
    number: u64,
}

impl Shares {
    #[inline]
    fn add(&mut self, mm: usize, word: u64) {
        self.sums[mm] = self.sums[mm].wrapping_add(word);
        let bit = 1 << mm;
        self.held = if self.sums[mm] == 0 { self.held & !bit } else { self.held | bit };
    }

    /// Takes the products of each two out of the matrix.
    fn take_out(&mut self, matrix: &mut Matrix) {
        self.products(matrix, |left| left.wrapping_neg());
        self.put = 0;
    }

    /// Puts them in as they are now.
    fn put_in(&mut self, matrix: &mut Matrix) {
        (self.put, self.number) = (self.held, 0);
        for mm in bits(self.held) {
            let factor = mix(self.sums[mm], 2);
            self.factors[mm] = factor;
            self.number = self.number.wrapping_add(factor);
        }
        self.products(matrix, |left| left);
    }

    #[inline]
    fn products(&self, matrix: &mut Matrix, sign: impl Fn(u64) -> u64) {
        if self.put & self.put.wrapping_sub(1) == 0 {
            return;
        }
        for first in bits(self.put) {
            let (left, row) = (sign(self.factors[first]), &mut matrix[first]);
            for second in bits(self.put & !(1 << first)) {
                // Not the same where the two change places.
                row[second] = row[second].wrapping_add(left.wrapping_mul(self.factors[second].rotate_left(32)));
            }
        }
    }
}

#[inline]
fn bits(mask: u16) -> impl Iterator<Item = usize> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let at = left.trailing_zeros() as usize;
        left &= left.wrapping_sub(1);
        (at < 16).then_some(at)
    })
}

/// An object by its place and its serial: another object may have the place later.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Placed {
    /// Where it is kept.
    pub slot: u32,
    /// Which it is.
    pub serial: u32,
}

#[derive(Default)]
struct VmaTerm {
    /// Of the VMA that is here, or that was.
    serial: Option<u32>,
    mm: usize,
    /// 0: none is here.
    own: u64,
    /// For each entry of its chain: the anon_vma, and its part of a share.
    links: Vec<(u32, u64)>,
}

#[derive(Clone, Copy, Default)]
struct AnonTerm {
    /// None: it does not live.
    serial: Option<u32>,
    shares: Shares,
    /// It has no VMA of its own.
    idle: bool,
    counters: u64,
    parent: Option<Placed>,
    /// Sums over its children, its folios, and the pins that hold it.
    children: u64,
    folios: u64,
    pins: u64,
    /// What its parent has of [`Shares::number`].
    told_parent: u64,
    /// What it adds to the number.
    term: u64,
    /// It adds nothing at present, and is in the list of those to be put in again.
    is_out: bool,
    /// The same of the products of its shares.
    products_are_out: bool,
}

#[derive(Clone, Copy, Default)]
struct FolioTerm {
    shares: Shares,
    about: u64,
    mapping: Option<Placed>,
    /// What its anon_vma has for it.
    told_mapping: u64,
    term: u64,
    is_out: bool,
    products_are_out: bool,
}

/// The words of a VMA that count.
#[derive(Clone, Copy, Debug)]
pub struct VmaWords {
    /// Whose it is.
    pub mm: MmId,
    /// First page, one past the last, page offset, anonymous page offset, flags and file.
    pub words: [u64; 5],
    /// `vma->anon_vma`
    pub anon_vma: Option<Placed>,
}

/// What an anon_vma counts.
#[derive(Clone, Copy, Debug)]
pub struct AnonWords {
    /// It is a root.
    pub is_root: bool,
    /// The reference count, the children, the active VMAs, the nodes of its tree.
    pub counters: [u64; 4],
    /// If it lives, and is another.
    pub parent: Option<Placed>,
}

/// How far the states went that were seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reached {
    /// VMAs that a fork gave an anon_vma which no VMA used any more.
    pub reuses: u64,
    /// Generations between a root and its furthest descendant.
    pub deepest_hierarchy: usize,
    /// Entries of a chain.
    pub longest_chain: usize,
    /// Nodes of an interval tree.
    pub largest_tree: usize,
}

/// The number of a state, kept up.
#[derive(Default)]
pub struct StateDigest {
    vmas: Vec<VmaTerm>,
    anon_vmas: Vec<AnonTerm>,
    folios: Vec<FolioTerm>,
    mapped: [Vec<(u64, FolioId)>; MAX_PROCESSES],
    pins: [Option<Placed>; MAX_PINS],
    /// What each process has by itself.
    local: [u64; MAX_PROCESSES],
    /// See [`Shares::put_in`].
    matrix: Matrix,
    /// Of all anon_vmas and folios.
    total: u64,
    out_anon_vmas: Vec<u32>,
    out_folios: Vec<u32>,
    tables: TablesDigest,
    /// Everything is told anew: the VMAs that were known before, and the anon_vmas that had no VMA of their own, in order.
    before: Option<(Vec<u32>, Vec<u32>)>,
    /// All pages are to be read, whether or not they changed.
    all_pages: bool,
    reached: Reached,
}

impl StateDigest {
    /// Of the empty world.
    pub fn clear(&mut self) {
        self.vmas.iter_mut().for_each(|vma| {
            (vma.serial, vma.own) = (None, 0);
            vma.links.clear();
        });
        self.anon_vmas.fill(AnonTerm::default());
        self.folios.clear();
        self.mapped.iter_mut().for_each(Vec::clear);
        self.pins = [None; MAX_PINS];
        self.local = [0; MAX_PROCESSES];
        self.matrix = [[0; MAX_PROCESSES]; MAX_PROCESSES];
        self.total = 0;
        self.out_anon_vmas.clear();
        self.out_folios.clear();
        self.before = None;
        self.all_pages = false;
    }

    /// Everything is told anew, by other places: it goes on from the state that there was.
    pub fn begin_anew(&mut self) {
        let mut known: Vec<u32> = self.vmas.iter().filter(|vma| vma.own != 0).filter_map(|vma| vma.serial).collect();
        let mut idle: Vec<u32> = self.anon_vmas.iter().filter(|av| av.idle).filter_map(|av| av.serial).collect();
        known.sort_unstable();
        idle.sort_unstable();
        self.clear();
        self.before = Some((known, idle));
        self.all_pages = true;
    }

    /// Everything was told.
    pub fn end_anew(&mut self) {
        self.before = None;
    }

    /// How far the states went, since this was made.
    pub fn reached(&self) -> Reached {
        self.reached
    }

    /// A VMA that is told of now, before the anon_vmas are: whether it is new, and has an anon_vma that none had.
    pub fn note_vma(&mut self, vma: Placed, anon_vma: Option<Placed>) {
        let at = vma.slot as usize;
        if at >= self.vmas.len() {
            self.vmas.resize_with(at + 1, VmaTerm::default);
        }
        if self.vmas[at].serial.replace(vma.serial) == Some(vma.serial) {
            return;
        }
        let Some(anon_vma) = anon_vma else { return };
        let reused = match &self.before {
            Some((known, idle)) => {
                known.binary_search(&vma.serial).is_err() && idle.binary_search(&anon_vma.serial).is_ok()
            }
            None => {
                let of = self.anon_vmas.get(anon_vma.slot as usize);
                of.is_some_and(|av| av.serial == Some(anon_vma.serial) && av.idle)
            }
        };
        self.reached.reuses += u64::from(reused);
    }

    /// Takes out the VMA that is kept here, if there is one.
    pub fn remove_vma(&mut self, slot: u32) {
        let Some(term) = self.vmas.get_mut(slot as usize).filter(|term| term.own != 0) else { return };
        let mm = term.mm;
        self.local[mm] = self.local[mm].wrapping_sub(std::mem::take(&mut term.own));
        let mut links = std::mem::take(&mut term.links);
        for (anon_vma, part) in links.drain(..) {
            self.share(anon_vma, mm, part.wrapping_neg());
        }
        self.vmas[slot as usize].links = links;
    }

    /// Puts one in, unless it is in. `chain`: where the anon_vma of each entry is kept.
    pub fn put_vma(&mut self, vma: Placed, words: &VmaWords, chain: impl ExactSizeIterator<Item = u32>) {
        let at = vma.slot as usize;
        if at >= self.vmas.len() {
            self.vmas.resize_with(at + 1, VmaTerm::default);
        }
        if self.vmas[at].own != 0 {
            return;
        }
        let mm = usize::from(words.mm.0) % MAX_PROCESSES;
        let length = chain.len() as u64 * 2 + u64::from(words.anon_vma.is_some());
        let own = mix(mix_all(&words.words), length) | 1;
        self.reached.longest_chain = self.reached.longest_chain.max(chain.len());
        self.local[mm] = self.local[mm].wrapping_add(own);
        let mut links = std::mem::take(&mut self.vmas[at].links);
        for (place, anon_vma) in (0..).zip(chain) {
            let is_own = words.anon_vma.is_some_and(|own| own.slot == anon_vma);
            let part = mix(own, place << 1 | u64::from(is_own));
            self.share(anon_vma, mm, part);
            links.push((anon_vma, part));
        }
        self.vmas[at] = VmaTerm { serial: Some(vma.serial), mm, own, links };
    }

    fn share(&mut self, anon_vma: u32, mm: usize, part: u64) {
        self.take_out(anon_vma, true);
        self.anon_vmas[anon_vma as usize].shares.add(mm, part);
    }

    /// It is about to change; with its shares, or without.
    fn take_out(&mut self, anon_vma: u32, shares: bool) {
        let at = anon_vma as usize;
        if at >= self.anon_vmas.len() {
            self.anon_vmas.resize(at + 1, AnonTerm::default());
        }
        let term = &mut self.anon_vmas[at];
        if !std::mem::replace(&mut term.is_out, true) {
            self.total = self.total.wrapping_sub(term.term);
            self.out_anon_vmas.push(anon_vma);
        }
        if shares && !std::mem::replace(&mut term.products_are_out, true) {
            term.shares.take_out(&mut self.matrix);
        }
    }

    /// The anon_vma at a place, if it is still this one.
    pub fn is_there(&self, anon_vma: Placed) -> bool {
        self.anon_vmas.get(anon_vma.slot as usize).is_some_and(|term| term.serial == Some(anon_vma.serial))
    }

    fn tell_parent(&mut self, slot: u32, number: u64) {
        let &AnonTerm { parent, told_parent, .. } = &self.anon_vmas[slot as usize];
        if number == told_parent {
            return;
        }
        self.anon_vmas[slot as usize].told_parent = number;
        if let Some(parent) = parent.filter(|&parent| self.is_there(parent)) {
            self.take_out(parent.slot, false);
            let children = &mut self.anon_vmas[parent.slot as usize].children;
            *children = children.wrapping_add(number).wrapping_sub(told_parent);
        }
    }

    /// Takes out the anon_vma that is kept here: it lives no more.
    pub fn remove_anon_vma(&mut self, slot: u32) {
        self.take_out(slot, true);
        self.tell_parent(slot, 0);
        let shares = self.anon_vmas[slot as usize].shares;
        self.anon_vmas[slot as usize] =
            AnonTerm { shares, is_out: true, products_are_out: true, ..AnonTerm::default() };
    }

    /// An anon_vma is new: how many there are from it up to its root.
    pub fn note_generation(&mut self, anon_vmas: usize) {
        self.reached.deepest_hierarchy = self.reached.deepest_hierarchy.max(anon_vmas);
    }

    /// What an anon_vma is now.
    pub fn put_anon_vma(&mut self, anon_vma: Placed, words: &AnonWords) {
        let slot = anon_vma.slot;
        let [references, children, active, nodes] = words.counters;
        let counters = mix_all(&[u64::from(words.is_root), references, children, active, nodes]);
        let reached = &mut self.reached;
        reached.largest_tree = reached.largest_tree.max(nodes as usize);
        if self.anon_vmas.get(slot as usize).is_some_and(|term| term.serial != Some(anon_vma.serial)) {
            self.remove_anon_vma(slot);
        }
        let as_before = self
            .anon_vmas
            .get(slot as usize)
            .is_some_and(|term| term.serial.is_some() && term.counters == counters && term.parent == words.parent);
        if as_before {
            return;
        }
        self.take_out(slot, false);
        if self.anon_vmas[slot as usize].parent != words.parent {
            self.tell_parent(slot, 0);
        }
        let term = &mut self.anon_vmas[slot as usize];
        (term.serial, term.parent) = (Some(anon_vma.serial), words.parent);
        (term.counters, term.idle) = (counters, active == 0);
    }

    /// The pages of a process that may have changed, or of all if everything was told anew; `of` says the anon_vma and the index of
    /// a folio, and `there` where an anon_vma is kept.
    pub fn read_pages(
        &mut self,
        pages: &Pages,
        ranges: impl Iterator<Item = (MmId, u64, u64)>,
        of: impl Fn(FolioId) -> Option<(Option<Placed>, u64)>,
        there: impl Fn(u32) -> Option<Placed>,
    ) {
        if std::mem::take(&mut self.all_pages) {
            (0..MAX_PROCESSES as u8).for_each(|mm| self.read_range(pages, (MmId(mm), 0, u64::MAX), &of));
        }
        ranges.for_each(|range| self.read_range(pages, range, &of));
        for (place, pin) in pages.pins().iter().enumerate() {
            let before = self.pins[place];
            if before.map(|pin| pin.serial) == pin.map(|pin| pin.0) {
                continue;
            }
            let now = pin.and_then(|pin| there(pin.0));
            self.pins[place] = now;
            self.pin(place, before, u64::MAX);
            self.pin(place, now, 1);
        }
    }

    /// A pin that holds an anon_vma is there so many times more.
    pub(crate) fn pin(&mut self, place: usize, anon_vma: Option<Placed>, more: u64) {
        if let Some(anon_vma) = anon_vma.filter(|&anon_vma| self.is_there(anon_vma)) {
            self.take_out(anon_vma.slot, false);
            let pins = &mut self.anon_vmas[anon_vma.slot as usize].pins;
            *pins = pins.wrapping_add(mix(place as u64, 4).wrapping_mul(more));
        }
    }

    fn read_range(
        &mut self,
        pages: &Pages,
        (mm, start, end): (MmId, u64, u64),
        of: &impl Fn(FolioId) -> Option<(Option<Placed>, u64)>,
    ) {
        let process = usize::from(mm.0) % MAX_PROCESSES;
        let mut mapped = std::mem::take(&mut self.mapped[process]);
        let first = mapped.partition_point(|&(page, _)| page < start);
        let last = first + mapped[first..].partition_point(|&(page, _)| page < end);
        let before = &mut mapped[first..last];
        let mut count = 0;
        let same = pages.mapped_in(mm, start, end).all(|now| {
            count += 1;
            before.get(count - 1) == Some(&now)
        }) && count == before.len();
        if !same {
            before.iter().for_each(|&(page, folio)| self.map(process, page, folio, false));
            mapped.splice(first..last, pages.mapped_in(mm, start, end));
        }
        for (page, folio) in pages.mapped_in(mm, start, end) {
            if !same {
                self.map(process, page, folio, true);
            }
            let (mapping, index) = of(folio).unwrap_or((None, u64::MAX));
            // Where they are read, the tables say it.
            let exclusive = !pages.are_read() && pages.is_exclusive(folio);
            self.about_folio(folio, exclusive, mapping, index);
        }
        self.mapped[process] = mapped;
    }

    pub(crate) fn map(&mut self, process: usize, page: u64, folio: FolioId, put: bool) {
        let word = mix(page, 5);
        let word = if put { word } else { word.wrapping_neg() };
        self.local[process] = self.local[process].wrapping_add(word);
        self.take_out_folio(folio, true);
        self.folios[folio.0 as usize].shares.add(process, word);
    }

    pub(crate) fn about_folio(&mut self, folio: FolioId, exclusive: bool, mapping: Option<Placed>, index: u64) {
        let about = mix_all(&[u64::from(exclusive), index, u64::from(mapping.is_some())]);
        let at = folio.0 as usize;
        if self.folios.get(at).is_some_and(|term| term.about == about && term.mapping == mapping) {
            return;
        }
        self.take_out_folio(folio, false);
        if self.folios[at].mapping != mapping {
            self.tell_mapping(folio, 0);
        }
        (self.folios[at].about, self.folios[at].mapping) = (about, mapping);
    }

    fn take_out_folio(&mut self, folio: FolioId, shares: bool) {
        let at = folio.0 as usize;
        if at >= self.folios.len() {
            self.folios.resize(at + 1, FolioTerm::default());
        }
        let term = &mut self.folios[at];
        if !std::mem::replace(&mut term.is_out, true) {
            self.total = self.total.wrapping_sub(term.term);
            self.out_folios.push(folio.0);
        }
        if shares && !std::mem::replace(&mut term.products_are_out, true) {
            term.shares.take_out(&mut self.matrix);
        }
    }

    fn tell_mapping(&mut self, folio: FolioId, number: u64) {
        let &FolioTerm { mapping, told_mapping, .. } = &self.folios[folio.0 as usize];
        if number == told_mapping {
            return;
        }
        self.folios[folio.0 as usize].told_mapping = number;
        if let Some(mapping) = mapping.filter(|&mapping| self.is_there(mapping)) {
            self.take_out(mapping.slot, false);
            let folios = &mut self.anon_vmas[mapping.slot as usize].folios;
            *folios = folios.wrapping_add(number).wrapping_sub(told_mapping);
        }
    }

    /// Puts everything in again that was taken out.
    fn put_in(&mut self) {
        let mut folios = std::mem::take(&mut self.out_folios);
        for folio in folios.drain(..) {
            let term = &mut self.folios[folio as usize];
            if std::mem::take(&mut term.products_are_out) {
                term.shares.put_in(&mut self.matrix);
            }
            let number = if term.shares.held == 0 { 0 } else { mix(term.shares.number, term.about) };
            (term.term, term.is_out) = (number, false);
            self.total = self.total.wrapping_add(number);
            self.tell_mapping(FolioId(folio), number);
        }
        self.out_folios = folios;
        // A parent of what is out may be taken out now.
        let mut at = 0;
        while let Some(&slot) = self.out_anon_vmas.get(at) {
            let term = &mut self.anon_vmas[slot as usize];
            if std::mem::take(&mut term.products_are_out) {
                term.shares.put_in(&mut self.matrix);
            }
            if term.serial.is_some() {
                let number = mix(term.shares.number, 3);
                self.tell_parent(slot, number);
            }
            at += 1;
        }
        for slot in self.out_anon_vmas.drain(..) {
            let term = &mut self.anon_vmas[slot as usize];
            (term.is_out, term.term) = (false, 0);
            if term.serial.is_some() {
                let parts = [term.shares.number, term.counters, term.children, term.folios, term.pins];
                term.term = mix_all(&parts);
                self.total = self.total.wrapping_add(term.term);
            }
        }
    }

    /// The number of the state. `alive`: the processes, a bit each; `tables`: what the kernel's own page tables hold.
    pub fn value(&mut self, alive: u16, tables: Option<&PageTables>) -> u64 {
        self.put_in();
        self.tables.read(tables);
        let mut own = [0; MAX_PROCESSES];
        bits(alive).for_each(|mm| own[mm] = mix(self.local[mm].wrapping_add(self.tables.local[mm]), 7));
        let mut sum = self.total.wrapping_add(self.tables.total);
        for mm in bits(alive) {
            let (mine, row) = (own[mm], &self.matrix[mm]);
            sum = sum.wrapping_add(mine);
            for other in bits(alive).filter(|&other| row[other] != 0) {
                sum = sum.wrapping_add(mix(row[other].wrapping_add(mine), own[other]));
            }
        }
        sum
    }
}

/// Of the kernel's own page tables.
#[derive(Default)]
struct TablesDigest {
    /// Of each process; then of what belongs to none.
    local: [u64; MAX_PROCESSES],
    total: u64,
    /// By place of a frame, and of a slot: a sum over the entries that name it.
    frames: Vec<u64>,
    slots: Vec<u64>,
    /// What each entry says, and the place of the frame that it names, or that of the slot and the bit [`OF_SLOT`].
    entries: Vec<(u64, u32)>,
}

const OF_SLOT: u32 = 1 << 31;
const OF_NOTHING: u32 = u32::MAX;

impl TablesDigest {
    fn read(&mut self, tables: Option<&PageTables>) {
        self.local = [0; MAX_PROCESSES];
        self.total = 0;
        let Some(tables) = tables else { return };
        let TablesDigest { local, total, frames, slots, entries } = self;
        let local_of = |mm: usize| mm % MAX_PROCESSES;
        frames.clear();
        frames.resize(tables.frames.len(), 0);
        slots.clear();
        slots.resize(tables.slots.len(), 0);
        let frame_at = |number: u32| tables.place(number);
        let slot_at = |number: u32| tables.slots.binary_search_by_key(&number, |slot| slot.slot).ok();
        let place_of = |target: &Target| match *target {
            Target::Zero => OF_NOTHING,
            Target::Swap { slot, .. } => slot_at(slot).map_or(OF_NOTHING, |at| at as u32 | OF_SLOT),
            Target::Frame(frame)
            | Target::Device { frame, .. }
            | Target::Migration { frame, .. }
            | Target::Poison(frame) => frame_at(frame).map_or(OF_NOTHING, |at| at as u32),
        };
        // First what names a frame or slot, then what that is, then what each entry names.
        entries.clear();
        for entry in &tables.entries {
            let (word, place) = (mix(entry.page, entry_bits(entry)), place_of(&entry.target));
            entries.push((word, place));
            let sum = match place {
                OF_NOTHING => continue,
                slot if slot & OF_SLOT != 0 => &mut slots[(slot & !OF_SLOT) as usize],
                frame => &mut frames[frame as usize],
            };
            *sum = sum.wrapping_add(word);
        }
        for (hash, frame) in frames.iter_mut().zip(&tables.frames) {
            let [references, mapcount] = [frame.references, frame.mapcount].map(i64::cast_unsigned);
            let counts = references.rotate_left(16) ^ mapcount.rotate_left(32) ^ frame.pins.rotate_left(48);
            *hash = mix(mix(*hash, frame_bits(frame) ^ counts), frame.index);
        }
        for &(head, ref counts) in &tables.large {
            let Some(place) = tables.place(head) else { continue };
            let count = tables.frames_from(place).len();
            let mut bare = *counts;
            bare.mms.iter_mut().for_each(|mm| mm.id = u16::from(mm.id != 0));
            let [first, second] = bare.mms.map(|mm| u64::from(mm.mapcount.cast_unsigned()) << 1 | u64::from(mm.id));
            bare.mms = [RememberedMm { id: 0, mapcount: 0 }; 2];
            let mut folio = bare.words().iter().fold(mix(first, 8), |hash, &word| mix(hash, word));
            folio = mix(folio, second);
            for &hash in &frames[place..place + count] {
                folio = mix(folio, hash);
            }
            for (at, hash) in (0..).zip(&mut frames[place..place + count]) {
                *hash = mix(mix(*hash, folio), at);
            }
            for (at, mm) in (0..).zip(counts.mms).filter(|(_, mm)| mm.id != 0) {
                let process = local_of(usize::from(mm.id) - 1);
                local[process] = local[process].wrapping_add(mix(folio, 9 + at));
            }
        }
        for (hash, slot) in slots.iter_mut().zip(&tables.slots) {
            let cached = slot.cached.map_or(0, |frame| frame_at(frame).map_or(1, |place| frames[place]));
            *hash = mix_all(&[*hash, slot.count, cached]);
            *total = total.wrapping_add(*hash);
        }
        *total = frames.iter().fold(*total, |sum, &hash| sum.wrapping_add(hash));
        for (entry, &(word, place)) in tables.entries.iter().zip(&*entries) {
            let named = match place {
                OF_NOTHING => 0,
                slot if slot & OF_SLOT != 0 => slots[(slot & !OF_SLOT) as usize],
                frame => frames[frame as usize],
            };
            let process = local_of(usize::from(entry.mm.0));
            local[process] = local[process].wrapping_add(mix(word, named));
        }
        for mm in &tables.mms {
            let counts = [mm.file, mm.anon, mm.swap, mm.shmem, mm.table_bytes].map(i64::cast_unsigned);
            let process = local_of(usize::from(mm.mm.0));
            local[process] = local[process].wrapping_add(mix_all(&counts));
        }
    }
}
