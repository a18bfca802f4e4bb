//! The geometry of one process: its VMAs, ordered by address. Makes no calls.

use crate::rmap::{VmaId, VmaRange};

/// One VMA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Vma {
    pub id: VmaId,
    pub range: VmaRange,
}

impl Vma {
    fn start(&self) -> u64 {
        self.range.start
    }
}

/// VMAs of a piece at most.
const PIECE: usize = 64;

/// What one process has mapped: what the kernel keeps in `mm_struct` and its maple tree.
///
/// A list in pieces: a change moves no more than one of them, and a process that is forked or emptied gives its memory to the next
/// one, which no tree of the standard library does.
#[derive(Clone, Default)]
pub(super) struct Space {
    /// In order of first pages; no two VMAs overlap, and no piece is empty.
    pieces: Vec<Vec<Vma>>,
    count: usize,
    /// Pieces that are not used.
    free: Vec<Vec<Vma>>,
}

/// Which piece, and where in it.
type Place = (usize, usize);

impl Space {
    /// `mm->map_count`
    pub(super) fn map_count(&self) -> usize {
        self.count
    }

    /// In order of address.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Vma> {
        self.pieces.iter().flatten()
    }

    /// The same, to give each VMA of a copied geometry its new name.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Vma> {
        self.pieces.iter_mut().flatten()
    }

    /// The VMA that contains `page`.
    pub(super) fn find(&self, page: u64) -> Option<Vma> {
        self.before(page.checked_add(1)?).filter(|vma| page < vma.range.end)
    }

    /// The last VMA that starts below `page`.
    pub(super) fn before(&self, page: u64) -> Option<Vma> {
        let at = self.pieces.partition_point(|piece| piece[0].start() < page).checked_sub(1)?;
        let piece = &self.pieces[at];
        Some(piece[piece.partition_point(|vma| vma.start() < page) - 1])
    }

    /// The first VMA that has a page in `start..end`.
    pub(super) fn first_in(&self, start: u64, end: u64) -> Option<Vma> {
        self.find(start).or_else(|| self.first_from(start, end))
    }

    /// The first VMA that starts in `start..end`.
    pub(super) fn first_from(&self, start: u64, end: u64) -> Option<Vma> {
        let (at, place) = self.place(start);
        let vma = *self.pieces.get(at)?.get(place)?;
        (vma.start() < end).then_some(vma)
    }

    /// Adds a VMA, or replaces the one with the same first page.
    pub(super) fn put(&mut self, vma: Vma) {
        let (mut at, mut place) = self.place(vma.start());
        if let Some(there) = self.pieces.get_mut(at).and_then(|piece| piece.get_mut(place))
            && there.start() == vma.start()
        {
            *there = vma;
            return;
        }
        if place == 0 && at > 0 {
            // Behind the last one of the piece below.
            at -= 1;
            place = self.pieces[at].len();
        } else if at == self.pieces.len() {
            let piece = self.free_piece();
            self.pieces.push(piece);
        }
        self.pieces[at].insert(place, vma);
        self.count += 1;
        if self.pieces[at].len() > PIECE {
            let mut above = self.free_piece();
            above.extend(self.pieces[at].drain(PIECE / 2..));
            self.pieces.insert(at + 1, above);
        }
    }

    /// Forgets the VMA that starts at `page`.
    pub(super) fn remove(&mut self, page: u64) {
        let (at, place) = self.place(page);
        let Some(piece) = self.pieces.get_mut(at) else { return };
        if piece.get(place).is_none_or(|vma| vma.start() != page) {
            return;
        }
        piece.remove(place);
        self.count -= 1;
        if piece.is_empty() {
            let piece = self.pieces.remove(at);
            self.free.push(piece);
        }
    }

    /// Forgets the VMAs that start at `page` or above it.
    pub(super) fn truncate(&mut self, page: u64) {
        let (at, place) = self.place(page);
        let Some(piece) = self.pieces.get_mut(at) else { return };
        self.count -= piece.len() - place;
        piece.truncate(place);
        let first = if piece.is_empty() { at } else { at + 1 };
        for mut piece in self.pieces.drain(first..).rev() {
            self.count -= piece.len();
            piece.clear();
            self.free.push(piece);
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.truncate(0);
    }

    /// Has what another one has.
    pub(super) fn copy(&mut self, other: &Space) {
        self.clear();
        for of in &other.pieces {
            let mut piece = self.free_piece();
            piece.extend_from_slice(of);
            self.pieces.push(piece);
        }
        self.count = other.count;
    }

    /// Where the first VMA is that starts at `page` or above it. If there is none in that piece, it is the first one of the next.
    fn place(&self, page: u64) -> Place {
        let Some(at) = self.pieces.partition_point(|piece| piece[0].start() < page).checked_sub(1) else {
            return (0, 0);
        };
        let place = self.pieces[at].partition_point(|vma| vma.start() < page);
        if place == self.pieces[at].len() { (at + 1, 0) } else { (at, place) }
    }

    fn free_piece(&mut self) -> Vec<Vma> {
        let mut piece = self.free.pop().unwrap_or_default();
        piece.clear();
        piece.reserve(PIECE + 1);
        piece
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::trace::Rng;

    /// It does what a tree of the standard library does.
    #[test]
    fn the_list_in_pieces_is_a_map_by_first_pages() {
        let mut rng = Rng::new(5);
        let (mut space, mut tree) = (Space::default(), BTreeMap::new());
        for round in 0..30_000u32 {
            let start = 3 * u64::from(rng.below(400));
            match rng.below(if round % 3_000 < 1_500 { 60 } else { 6 }) {
                0..3 => {
                    space.remove(start);
                    tree.remove(&start);
                }
                3 if rng.below(300) == 0 => {
                    space.truncate(start);
                    tree.split_off(&start);
                }
                4 if rng.below(20) == 0 => {
                    let mut copy = Space::default();
                    copy.put(Vma { id: VmaId(7), range: VmaRange { start: 1, end: 2, pgoff: 0 } });
                    copy.copy(&space);
                    space = copy;
                }
                _ => {
                    let end = start + 1 + u64::from(rng.below(3));
                    let vma = Vma { id: VmaId(round), range: VmaRange { start, end, pgoff: start } };
                    space.put(vma);
                    tree.insert(start, vma);
                }
            }
            assert_eq!(space.map_count(), tree.len());
            let (page, end) = (u64::from(rng.below(1_300)), u64::from(rng.below(1_300)));
            let below = tree.range(..page).next_back().map(|(_, vma)| *vma);
            assert_eq!(space.before(page), below);
            let at = tree.range(..=page).next_back().map(|(_, vma)| *vma).filter(|vma| page < vma.range.end);
            assert_eq!(space.find(page), at);
            let from = tree.range(page..).next().map(|(_, vma)| *vma).filter(|vma| vma.range.start < end);
            assert_eq!(space.first_from(page, end), from);
            assert_eq!(space.first_in(page, end), at.or(from));
            if round % 64 == 0 {
                assert!(space.iter().eq(tree.values()), "round {round}");
                assert!(space.pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE));
            }
        }
    }
}
