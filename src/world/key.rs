//! The same number for the same state.
//!
//! What a number is: objects are named in the order in which they are first met, processes in turn, VMAs by start,
//! `vma->anon_vma` before the chain, the chain in list order, then folios, then roots and parents. Serials, freed
//! objects, and the shape of interval trees are no part of it: no later operation behaves otherwise for them but in that
//! shape.
//!
//! Processes are interchangeable: no code looks at their numbers. So of all orders of the processes that no local
//! property tells apart, the one with the least words counts. Pages are not: a window of pages has edges, the kernel
//! looks at the next VMA before the previous one, and visits VMAs upwards, so neither a shift nor a reflection of a state has the
//! same future.

use xxhash_rust::xxh3::xxh3_128;

use super::page_words::PageNames;
use super::{Process, World};
use crate::pages::entry_bits;
use crate::rmap::{AnonVmaId, FolioId, MmId};

/// Which states count as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Symmetry {
    /// Those that differ in the numbers of their processes.
    Processes,
    /// Only the same.
    None,
}

/// Ends a list of words.
const END: u64 = u64::MAX;

impl World {
    /// The number of this state, of 128 bits: another state has another, but by chance.
    pub fn key(&self, symmetry: Symmetry) -> u128 {
        World::joint_key(&[self], symmetry)
    }

    /// The number of several states of the same processes, which are renamed alike in all of them.
    pub fn joint_key(worlds: &[&World], symmetry: Symmetry) -> u128 {
        let words = joint_words(worlds, symmetry);
        let mut bytes = vec![0; words.len() * 8];
        bytes.as_chunks_mut().0.iter_mut().zip(&words).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
        xxh3_128(&bytes)
    }

    /// What tells a process from others by itself.
    fn local(&self, process: &Process) -> Vec<u64> {
        let mut words = Vec::with_capacity(process.vmas.len() * 5 + process.pages.len() + 2);
        for vma in &process.vmas {
            words.extend([vma.range.start, vma.range.end, vma.range.pgoff, vma.attributes.kind_word()]);
            words.push(vma.chain.len() as u64 * 2 + u64::from(vma.anon_vma.is_some()));
        }
        words.push(END);
        words.extend(process.pages.iter().map(|page| page.page * 2 + u64::from(page.exclusive)));
        words.extend(self.entries_of(process.mm).iter().flat_map(|entry| [entry.page, entry_bits(entry)]));
        words
    }

    /// Whether two processes may change places, and the words stay what they are: they are the same, and no object is named in
    /// what is said of them.
    fn are_interchangeable(&self, [a, b]: [MmId; 2]) -> bool {
        let (Some(a), Some(b)) = (self.process(a), self.process(b)) else { return false };
        let same = a.vmas.iter().zip(&b.vmas).all(|(a, b)| {
            let bare = a.anon_vma.is_none() && a.chain.is_empty() && b.anon_vma.is_none() && b.chain.is_empty();
            bare && (a.range, a.attributes, a.attached) == (b.range, b.attributes, b.attached)
        });
        // Page tables count by process.
        let no_pages = self.tables.is_none() && a.pages.is_empty() && b.pages.is_empty();
        no_pages && a.vmas.len() == b.vmas.len() && same
    }

    /// The words, with the processes in this order.
    fn words_in(&self, order: &[&Process]) -> Vec<u64> {
        let mut words = Vec::with_capacity(128);
        let mut names = Names::default();
        let mut pages = PageNames::default();
        for process in order {
            for vma in &process.vmas {
                words.extend([vma.range.start, vma.range.end, vma.range.pgoff, vma.attributes.anon_pgoff]);
                words.extend([vma.attributes.kind_word(), u64::from(vma.attached)]);
                words.push(vma.anon_vma.map_or(0, |id| 1 + names.anon_vma(id)));
                words.extend(vma.chain.iter().map(|link| names.anon_vma(link.anon_vma)));
                words.push(END);
            }
            for page in &process.pages {
                words.extend([page.page, names.folio(page.folio), u64::from(page.exclusive)]);
            }
            words.push(END);
            pages.process(self, process, &mut words);
        }
        let mut at = 0;
        while let Some(&folio) = names.folios.get(at) {
            match self.folio(folio) {
                Some(state) => words.extend([state.mapping.map_or(0, |id| 1 + names.anon_vma(id)), state.index]),
                None => words.push(END),
            }
            at += 1;
        }
        words.extend(self.pins.iter().map(|pin| pin.map_or(0, |id| 1 + names.anon_vma(id))));
        let mut at = 0;
        while let Some(&id) = names.anon_vmas.get(at) {
            match self.anon_vma(id) {
                Some(state) => {
                    words.extend([names.anon_vma(state.root), names.anon_vma(state.parent), state.refcount as u64]);
                    words.extend([state.num_children, state.num_active_vmas, state.tree.len() as u64]);
                }
                None => words.push(END),
            }
            at += 1;
        }
        words.extend([self.anon_vmas.len() as u64, self.stray_vmas as u64]);
        if let Some(tables) = &self.tables {
            let order: Vec<MmId> = order.iter().map(|process| process.mm).collect();
            pages.others(tables, &order, &mut words);
        }
        words
    }
}

/// What the number is made of.
fn joint_words(worlds: &[&World], symmetry: Symmetry) -> Vec<u64> {
    let alive: Vec<MmId> = worlds.first().map_or(Vec::new(), |world| world.processes.iter().map(|p| p.mm).collect());
    let words_in = |order: &[MmId]| -> Vec<u64> {
        let mut words = Vec::new();
        for world in worlds {
            let processes: Vec<&Process> = order.iter().filter_map(|&mm| world.process(mm)).collect();
            words.extend(world.words_in(&processes));
            words.push(world.processes.len() as u64);
        }
        words
    };
    if symmetry == Symmetry::None {
        let mut words: Vec<u64> = alive.iter().map(|mm| u64::from(mm.0)).collect();
        words.push(END);
        words.extend(words_in(&alive));
        return words;
    }
    let local = |mm: MmId| -> Vec<u64> {
        worlds.iter().filter_map(|world| Some(world.local(world.process(mm)?))).flatten().collect()
    };
    let interchangeable = |pair: [MmId; 2]| worlds.iter().all(|world| world.are_interchangeable(pair));
    let mut keyed: Vec<(Vec<u64>, MmId)> = alive.iter().map(|&mm| (local(mm), mm)).collect();
    keyed.sort();
    let mut order: Vec<MmId> = keyed.iter().map(|(_, mm)| *mm).collect();
    let mut ties = Vec::new();
    let mut first = 0;
    for at in 1..=keyed.len() {
        if at == keyed.len() || keyed[at].0 != keyed[first].0 {
            let pairs = keyed[first..at].windows(2);
            if at - first > 1 && !pairs.map(|pair| [pair[0].1, pair[1].1]).all(interchangeable) {
                ties.push(first..at);
            }
            first = at;
        }
    }
    if ties.is_empty() {
        return words_in(&order);
    }
    let mut least: Option<Vec<u64>> = None;
    permute(&mut order, &ties, &mut |order| {
        let words = words_in(order);
        if least.as_ref().is_none_or(|least| words < *least) {
            least = Some(words);
        }
    });
    least.unwrap_or_default()
}

/// Names, in the order in which objects are first met. Few objects: a list is quicker than a table.
#[derive(Default)]
struct Names {
    anon_vmas: Vec<AnonVmaId>,
    folios: Vec<FolioId>,
}

impl Names {
    fn anon_vma(&mut self, id: AnonVmaId) -> u64 {
        name(&mut self.anon_vmas, id)
    }

    fn folio(&mut self, id: FolioId) -> u64 {
        name(&mut self.folios, id)
    }
}

pub(super) fn name<T: PartialEq>(names: &mut Vec<T>, id: T) -> u64 {
    let at = names.iter().position(|known| *known == id).unwrap_or_else(|| {
        names.push(id);
        names.len() - 1
    });
    at as u64
}

/// Every order of `items` in which those of each range of `ties` change places among themselves.
fn permute<T>(items: &mut [T], ties: &[std::ops::Range<usize>], each: &mut impl FnMut(&[T])) {
    let Some((tie, rest)) = ties.split_first() else { return each(items) };
    if tie.len() < 2 {
        return permute(items, rest, each);
    }
    let shorter = tie.start + 1..tie.end;
    let ties: Vec<_> = std::iter::once(shorter).chain(rest.iter().cloned()).collect();
    for at in tie.clone() {
        items.swap(tie.start, at);
        permute(items, &ties, each);
        items.swap(tie.start, at);
    }
}
