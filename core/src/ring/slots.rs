//! A set of slots, one bit each.

use alloc::vec;
use alloc::vec::Vec;

use crate::id::Slot;

/// A set of the slots of one ring. Its size is fixed: 64 KiB with the default of 2^19 slots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotSet {
    words: Vec<u64>,
    slot_count: u32,
    len: u32,
}

impl SlotSet {
    /// No slot of a ring with two to the power of `slot_bits` slots.
    ///
    /// # Panics
    /// If `slot_bits` is above 24, as for [`Ring::new`](super::Ring::new).
    pub fn new(slot_bits: u8) -> Self {
        assert!(slot_bits <= 24, "a ring has 1 to 24 slot bits");
        let slot_count = 1 << slot_bits;
        Self { words: vec![0; (slot_count as usize).div_ceil(64)], slot_count, len: 0 }
    }

    /// Adds `slot`; false if it was in, or lies beyond the last.
    pub fn insert(&mut self, slot: Slot) -> bool {
        if slot.0 >= self.slot_count || self.contains(slot) {
            return false;
        }
        self.words[slot.0 as usize / 64] |= 1 << (slot.0 % 64);
        self.len += 1;
        true
    }

    /// Takes `slot` out; false if it was not in.
    pub fn remove(&mut self, slot: Slot) -> bool {
        if !self.contains(slot) {
            return false;
        }
        self.words[slot.0 as usize / 64] &= !(1 << (slot.0 % 64));
        self.len -= 1;
        true
    }

    /// Whether `slot` is in.
    pub fn contains(&self, slot: Slot) -> bool {
        self.words.get(slot.0 as usize / 64).is_some_and(|word| word >> (slot.0 % 64) & 1 == 1)
    }

    /// Whether no slot is in.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many slots are in.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.words.fill(0);
        self.len = 0;
    }

    /// Adds all slots of `other`, a set for the same ring (of a larger one, those that exist here).
    pub fn union_with(&mut self, other: &Self) {
        for (word, others) in self.words.iter_mut().zip(&other.words) {
            *word |= others;
        }
        if self.slot_count < 64 {
            self.words[0] &= (1 << self.slot_count) - 1;
        }
        self.len = self.words.iter().map(|word| word.count_ones()).sum();
    }

    /// The slots that are in, rising.
    pub fn iter(&self) -> impl Iterator<Item = Slot> {
        (0..).zip(&self.words).flat_map(|(index, &word)| {
            let mut rest = word;
            core::iter::from_fn(move || {
                let lowest = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(Slot(index * 64 + lowest))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    fn random(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    #[test]
    fn it_behaves_as_a_set_does() {
        for (slot_bits, seed) in [(1, 1), (4, 2), (6, 3), (7, 4), (12, 5)] {
            let (mut slots, mut model, mut state) = (SlotSet::new(slot_bits), BTreeSet::new(), seed);
            for step in 0..3_000 {
                let slot = Slot((random(&mut state) % (1 << slot_bits)) as u32);
                if random(&mut state).is_multiple_of(3) {
                    assert_eq!(slots.remove(slot), model.remove(&slot), "{slot:?} at {step}");
                } else {
                    assert_eq!(slots.insert(slot), model.insert(slot), "{slot:?} at {step}");
                }
                assert_eq!(slots.contains(slot), model.contains(&slot), "{slot:?} at {step}");
                assert_eq!((slots.len() as usize, slots.is_empty()), (model.len(), model.is_empty()));
            }
            assert_eq!(slots.iter().collect::<BTreeSet<_>>(), model);
            assert!(slots.iter().is_sorted());
        }
    }

    #[test]
    fn a_slot_beyond_the_last_is_never_in() {
        let mut slots = SlotSet::new(4);
        assert!(!slots.insert(Slot(16)) && !slots.insert(Slot(u32::MAX)));
        assert!(!slots.contains(Slot(16)) && !slots.remove(Slot(64)) && slots.is_empty());
    }

    #[test]
    fn a_union_holds_both() {
        let (mut one, mut other) = (SlotSet::new(8), SlotSet::new(8));
        for slot in [3, 64, 200] {
            one.insert(Slot(slot));
        }
        for slot in [3, 65, 255] {
            other.insert(Slot(slot));
        }
        one.union_with(&other);
        assert_eq!(one.iter().collect::<Vec<_>>(), [3, 64, 65, 200, 255].map(Slot));
        assert_eq!(one.len(), 5);
        one.clear();
        assert_eq!(one, SlotSet::new(8));

        let mut small = SlotSet::new(2);
        small.union_with(&other);
        assert_eq!((small.iter().collect::<Vec<_>>(), small.len()), ([Slot(3)].into(), 1));
    }
}
