//! Which life owns which slot: weighted rendezvous over a fixed number of slots, kept up as members come and go.
//!
//! A name belongs to a slot for ever; a slot belongs to the member with the best bid for it (see `score`). A
//! newcomer takes only the slots that it wins, and a leaver's slots go each to the runner-up: nothing else moves.
//! Both are remembered for each slot, so a look-up is one read and a change needs no full computation.

mod score;
mod slots;

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use xxhash_rust::xxh3::xxh3_64;

use crate::id::{Life, Name, Slot};
use score::{Bid, Bidder};

pub use slots::SlotSet;

/// In place of a seat: nobody.
const NOBODY: u16 = u16::MAX;

/// The owner and the runner-up of each slot. Takes 4 bytes a slot: 2 MiB with the default of 2^19 slots.
#[derive(Clone, Debug)]
pub struct Ring {
    slot_bits: u8,
    /// For each slot, the seat of the best bidder.
    owners: Vec<u16>,
    /// For each slot, the seat of the second best.
    runners_up: Vec<u16>,
    /// What the two tables above point into. Vacated seats are taken again.
    seats: Vec<Bidder>,
    vacant: Vec<u16>,
    by_life: BTreeMap<Life, u16>,
    hash: u64,
}

impl Ring {
    /// At most this many members; one more is not let in.
    pub const MAX_MEMBERS: usize = NOBODY as usize;

    /// A ring of two to the power of `slot_bits` slots, without members.
    ///
    /// # Panics
    /// If `slot_bits` is not within 1 to 24; [`Config::check`](crate::Config::check) is stricter.
    pub fn new(slot_bits: u8) -> Self {
        assert!((1..=24).contains(&slot_bits), "a ring has 1 to 24 slot bits");
        Self {
            slot_bits,
            owners: vec![NOBODY; 1 << slot_bits],
            runners_up: vec![NOBODY; 1 << slot_bits],
            seats: Vec::new(),
            vacant: Vec::new(),
            by_life: BTreeMap::new(),
            hash: 0,
        }
    }

    /// The slot of `name`: the highest bits of the XXH3 (64 bits, seed 0) of its UTF-8 bytes.
    pub fn slot_of(&self, name: &Name) -> Slot {
        Slot((xxh3_64(name.as_str().as_bytes()) >> (64 - self.slot_bits)) as u32)
    }

    /// How many slots there are.
    pub fn slot_count(&self) -> u32 {
        1 << self.slot_bits
    }

    /// Who owns `slot`: nobody while there are no members, and of a slot beyond the last.
    pub fn owner(&self, slot: Slot) -> Option<Life> {
        self.life_at(*self.owners.get(slot.0 as usize)?)
    }

    /// Who would own `slot` if its owner left: nobody with fewer than two members.
    pub fn runner_up(&self, slot: Slot) -> Option<Life> {
        self.life_at(*self.runners_up.get(slot.0 as usize)?)
    }

    /// The members with their weights, by rising life.
    pub fn members(&self) -> impl Iterator<Item = (Life, u16)> {
        self.by_life.values().map(|&seat| {
            let bidder = self.seats[usize::from(seat)];
            (bidder.life, bidder.weight)
        })
    }

    /// Whether `life` is a member.
    pub fn contains(&self, life: Life) -> bool {
        self.by_life.contains_key(&life)
    }

    /// A digest of the members and their weights: the wrapping sum of the XXH3 of each one's life and weight,
    /// both little-endian. Equal sets have equal digests, in whatever order they came; 0 is the empty ring's.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Lets `life` in. `moved` hears each slot that it takes, rising, with the former owner.
    ///
    /// A weight of 0 counts as 1. Without effect if `life` is a member already (to change its weight, let it
    /// leave first) or if there are [`Self::MAX_MEMBERS`].
    pub fn join(&mut self, life: Life, weight: u16, mut moved: impl FnMut(Slot, Option<Life>)) {
        if self.contains(life) {
            return;
        }
        let newcomer = Bidder::new(life, weight);
        let Some(seat) = self.seat(newcomer) else { return };
        self.by_life.insert(life, seat);
        self.hash = self.hash.wrapping_add(newcomer.digest());

        for (slot, (owner, runner_up)) in (0..).zip(self.owners.iter_mut().zip(&mut self.runners_up)) {
            let bid = newcomer.bid(Slot(slot));
            // The runner-up first: with many members most newcomers' bids end here.
            if *runner_up != NOBODY && !bid.beats(self.seats[usize::from(*runner_up)].bid(Slot(slot))) {
                continue;
            }
            if *owner != NOBODY && !bid.beats(self.seats[usize::from(*owner)].bid(Slot(slot))) {
                *runner_up = seat;
                continue;
            }
            let former = (*owner != NOBODY).then(|| self.seats[usize::from(*owner)].life);
            *runner_up = *owner;
            *owner = seat;
            moved(Slot(slot), former);
        }
    }

    /// Lets `life` go. `moved` hears each slot that it held, rising, with the heir. Without effect if it is no
    /// member.
    pub fn leave(&mut self, life: Life, mut moved: impl FnMut(Slot, Option<Life>)) {
        let Some(seat) = self.by_life.remove(&life) else { return };
        self.hash = self.hash.wrapping_sub(self.seats[usize::from(seat)].digest());
        self.vacant.push(seat);

        let rivals = Rivals::new(self.by_life.values().map(|&seat| (self.seats[usize::from(seat)], seat)));
        for (slot, (owner, runner_up)) in (0..).zip(self.owners.iter_mut().zip(&mut self.runners_up)) {
            if *owner == seat {
                *owner = *runner_up;
                *runner_up = rivals.best_but(*owner, Slot(slot));
                moved(Slot(slot), (*owner != NOBODY).then(|| self.seats[usize::from(*owner)].life));
            } else if *runner_up == seat {
                *runner_up = rivals.best_but(*owner, Slot(slot));
            }
        }
    }

    /// Which of `candidates` has the best bid for `slot`, members or not: every node that asks with the same
    /// candidates gets the same answer. None only if there are none.
    pub fn preferred(&self, slot: Slot, candidates: impl Iterator<Item = (Life, u16)>) -> Option<Life> {
        candidates
            .map(|(life, weight)| Bidder::new(life, weight).bid(slot))
            .reduce(|best, bid| if bid.beats(best) { bid } else { best })
            .map(|best| best.life)
    }

    fn seat(&mut self, newcomer: Bidder) -> Option<u16> {
        if let Some(seat) = self.vacant.pop() {
            self.seats[usize::from(seat)] = newcomer;
            return Some(seat);
        }
        if self.seats.len() >= Self::MAX_MEMBERS {
            return None;
        }
        self.seats.push(newcomer);
        Some((self.seats.len() - 1) as u16)
    }

    fn life_at(&self, seat: u16) -> Option<Life> {
        self.seats.get(usize::from(seat)).map(|bidder| bidder.life) // NOBODY has no seat
    }
}

/// Those who bid for the slots of a leaver, weight by weight: among equal weights the plain hash decides, so
/// that only the best of each weight needs the costlier comparison.
struct Rivals {
    by_weight: Vec<Vec<(Bidder, u16)>>,
}

impl Rivals {
    fn new(seated: impl Iterator<Item = (Bidder, u16)>) -> Self {
        let mut by_weight = BTreeMap::<u16, Vec<_>>::new();
        for (bidder, seat) in seated {
            by_weight.entry(bidder.weight).or_default().push((bidder, seat));
        }
        Self { by_weight: by_weight.into_values().collect() }
    }

    /// The seat with the best bid for `slot` apart from `excluded`.
    fn best_but(&self, excluded: u16, slot: Slot) -> u16 {
        let mut best: Option<(Bid, u16)> = None;
        for bidders in &self.by_weight {
            // Lives rise within a group and only a higher hash wins, so that a tie goes to the lower life.
            let mut highest: Option<(u64, usize)> = None;
            for (index, (bidder, seat)) in bidders.iter().enumerate() {
                let hash = bidder.hash(slot);
                if *seat != excluded && highest.is_none_or(|(high, _)| hash > high) {
                    highest = Some((hash, index));
                }
            }
            let Some((_, index)) = highest else { continue };
            let (bidder, seat) = bidders[index];
            let bid = bidder.bid(slot);
            if best.is_none_or(|(best, _)| bid.beats(best)) {
                best = Some((bid, seat));
            }
        }
        best.map_or(NOBODY, |(_, seat)| seat)
    }
}
