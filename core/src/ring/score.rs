//! What a member bids for a slot, in whole numbers only, so that every machine computes the same.
//!
//! Rendezvous or highest random weight: D. G. Thaler and C. V. Ravishankar, "Using name-based mappings to
//! increase hit rates", IEEE/ACM Transactions on Networking 6(1), 1998. Weighted by the logarithmic method of
//! C. Schindelhauer and G. Schomaker, "Weighted distributed hash tables", SPAA 2005 (as J. Resch told it at
//! SNIA SDC 2015): with `u` uniform in (0, 1), the highest `weight / -ln(u)` wins; that is, the lowest
//! `-log2(u) / weight`. Equal weights leave the plain order of the hashes.
//!
//! The hash of (life, slot) is output `slot + 1` of SplitMix64 (G. L. Steele, D. Lea and C. H. Flood, "Fast
//! splittable pseudorandom number generators", OOPSLA 2014) seeded by the XXH3 of the life's little-endian
//! bytes. All steps are bijective, so two lives never have one hash for one slot.

use xxhash_rust::xxh3::xxh3_64;

use crate::id::{Life, Slot};

/// Who bids, and with what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bidder {
    pub(super) life: Life,
    /// At least 1.
    pub(super) weight: u16,
    seed: u64,
}

impl Bidder {
    pub(super) fn new(life: Life, weight: u16) -> Self {
        Self { life, weight: weight.max(1), seed: xxh3_64(&life.0.to_le_bytes()) }
    }

    /// What this member adds to the ring's digest.
    pub(super) fn digest(&self) -> u64 {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.life.0.to_le_bytes());
        bytes[8..].copy_from_slice(&self.weight.to_le_bytes());
        xxh3_64(&bytes)
    }

    #[inline]
    pub(super) fn hash(&self, slot: Slot) -> u64 {
        splitmix64(self.seed, u64::from(slot.0))
    }

    #[inline]
    pub(super) fn bid(&self, slot: Slot) -> Bid {
        Bid { hash: self.hash(slot), weight: self.weight, life: self.life }
    }
}

/// One member's bid for one slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bid {
    pub(super) hash: u64,
    pub(super) weight: u16,
    pub(super) life: Life,
}

impl Bid {
    /// A total order over the bids of different lives: by `-log2(u) / weight`, then by hash, then the lower
    /// life.
    #[inline]
    pub(super) fn beats(self, other: Self) -> bool {
        if self.weight != other.weight {
            // Multiplied out, and below 2^62: 46 bits of cost, 16 of weight.
            let own = cost(self.hash) * u64::from(other.weight);
            let others = cost(other.hash) * u64::from(self.weight);
            if own != others {
                return own < others;
            }
        }
        (self.hash, other.life) > (other.hash, self.life)
    }
}

/// Output `index + 1` of the generator seeded with `seed`.
#[inline]
fn splitmix64(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// The bits behind the point in a logarithm here.
const POINT: u32 = 40;

/// `-log2(hash / 2^64)` with [`POINT`] bits behind the point, never rising with `hash`: the logarithm of the
/// leading nine bits from a table, straight lines in between. The lines' error is below 2^-18, and near a hash
/// of 2^64, where winners are, they keep the proportions.
fn cost(hash: u64) -> u64 {
    let hash = hash | 1; // 0 has no logarithm
    let zeros = hash.leading_zeros();
    let mantissa = hash << zeros << 1; // behind the leading 1
    let cell = (mantissa >> 56) as usize;
    let rise = (u128::from(LOG2[cell + 1] - LOG2[cell]) * u128::from(mantissa << 8)) >> 64;
    (u64::from(zeros + 1) << POINT) - LOG2[cell] - rise as u64
}

/// `log2(1 + i / 256)`, rounded down to [`POINT`] bits.
static LOG2: [u64; 257] = {
    let mut table = [0; 257];
    let mut i = 0;
    while i < 256 {
        table[i] = log2((1 << 62) + ((i as u64) << 54));
        i += 1;
    }
    table[256] = 1 << POINT;
    table
};

/// The logarithm of a number in [1, 2) with 62 bits behind the point, bit by bit: squaring doubles it.
const fn log2(mut number: u64) -> u64 {
    let mut log = 0;
    let mut bit = 0;
    while bit < POINT {
        number = ((number as u128 * number as u128) >> 62) as u64;
        log <<= 1;
        if number >= 1 << 63 {
            number >>= 1;
            log |= 1;
        }
        bit += 1;
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_its_published_outputs() {
        // The outputs for seed 1234567 that go round with Vigna's reference implementation, splitmix64.c.
        let published = [
            6457827717110365317,
            3203168211198807973,
            9817491932198370423,
            4593380528125082431,
            16408922859458223821,
        ];
        assert_eq!([0, 1, 2, 3, 4].map(|index| splitmix64(1_234_567, index)), published);
    }

    #[test]
    fn hashes_of_life_and_slot_stay_what_they_are() {
        let hashes = [(0, 0), (1, 0), (1, 1), (1_795_400_000_000_001, 524_287)]
            .map(|(life, slot)| Bidder::new(Life(life), 1).hash(Slot(slot)));
        assert_eq!(
            hashes,
            [7312454760158299062, 443999384779807051, 2166115849378023454, 14132318858856610720],
        );
    }

    #[test]
    fn costs_stay_what_they_are() {
        let one = 1 << POINT;
        assert_eq!(cost(0), 64 * one);
        assert_eq!(cost(1 << 62), 2 * one);
        assert_eq!(cost(1 << 63), one);
        assert_eq!(cost(3 << 62), one - 643_173_071_355); // log2(1.5) = 0.584962500721156 (OEIS A020857 less 1)
        assert_eq!(cost(u64::MAX), 1);
    }

    #[test]
    fn costs_never_rise_with_the_hash() {
        let mut state = 7;
        for step in 0..2_000_000_u64 {
            state = splitmix64(state, step);
            let hash = state >> (step % 64);
            let next = hash.saturating_add(1 + (state >> 40));
            assert!(cost(next) <= cost(hash), "{hash} to {next}");
        }
        for cell in 1..512_u64 {
            let border = cell << 55;
            assert!(cost(border) <= cost(border - 1), "{border}");
        }
    }

    #[test]
    fn the_lower_life_wins_a_tie() {
        let bid = |life, weight| Bid { hash: 5, weight, life: Life(life) };
        assert!(bid(1, 1).beats(bid(2, 1)) && !bid(2, 1).beats(bid(1, 1)));
        assert!(!bid(1, 1).beats(bid(2, 2)), "the heavier one bids more with the same hash");
    }
}
