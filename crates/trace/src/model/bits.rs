//! Sets of up to 64 pages or processes: one bit each.

/// `count` ones from bit 0 on.
pub(super) fn ones(count: u64) -> u64 {
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
/// [`TraceModel::draw`], to before the test, and the process dies of SIGFPE.
pub(super) fn modulo(field: u64, count: u64) -> u64 {
    u64::from(field as u32 % (count as u32).max(1))
}

/// `field` modulo the ones of `mask`: the place of that one; none if it has none. Finds it by the
/// partial sums of the bytes' counts, as decoding is what a fuzzer does all day.
pub(super) fn draw_one(mask: u64, field: u64) -> Option<u64> {
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
pub(super) fn undraw_one(mask: u64, place: u64) -> Option<u64> {
    let below = ones(place);
    (place < 64 && mask >> place & 1 == 1).then(|| u64::from((mask & below).count_ones()))
}

/// The places at which a run of `len` ones begins.
pub(super) fn runs(mask: u64, len: u64) -> u64 {
    if len > 64 { 0 } else { (1..len.max(1)).fold(mask, |runs, n| runs & mask >> n) }
}

/// The places of the ones of a mask, ascending.
pub(super) fn places(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (place < 64).then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_one_is_drawn_and_undrawn() {
        let mut rng = crate::Rng::new(1);
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
    fn runs_and_places_are_what_they_say() {
        assert_eq!(
            (runs(0b1110_1101, 1), runs(0b1110_1101, 2), runs(0b1110_1101, 3)),
            (0b1110_1101, 0b0110_0100, 0b0010_0000)
        );
        assert_eq!((runs(u64::MAX, 64), runs(u64::MAX, 65), runs(u64::MAX >> 1, 64)), (1, 0, 0));
        assert_eq!(places(1 << 63 | 0b101).collect::<Vec<_>>(), [0, 2, 63]);
    }
}
