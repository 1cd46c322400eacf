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
use core::cmp::Reverse;
use core::hint::select_unpredictable;
use core::mem;

use crate::id::{Life, Name, Slot};
use score::{Bid, Bidder};

pub use slots::SlotSet;

/// In place of a seat: nobody.
const NOBODY: u16 = u16::MAX;

/// How many slots are looked at before those among them that move are dealt with.
const STRIDE: usize = 256;

/// With more members than this most slots pass a newcomer by, and a branch that says so foresees it.
const MANY: usize = 8;

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
        Slot((name.xxh3() >> (64 - self.slot_bits)) as u32)
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

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.by_life.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_life.is_empty()
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

        let seats = &self.seats[..];
        let many = self.by_life.len() > MANY;
        let mut taken = Picked::new();
        let strides = self.owners.chunks_mut(STRIDE).zip(self.runners_up.chunks_mut(STRIDE));
        for (first, (owners, runners_up)) in (0..).step_by(STRIDE).zip(strides) {
            for (slot, (owner, runner_up)) in (first..).map(Slot).zip(owners.iter_mut().zip(runners_up)) {
                let bid = newcomer.bid(slot);
                let beats = |seat: u16| match seats.get(usize::from(seat)) {
                    Some(rival) => bid.beats(rival.bid(slot)),
                    None => true, // NOBODY has no seat
                };
                let second = beats(*runner_up);
                if many && !second {
                    continue; // as most do
                }
                let first = beats(*owner);
                taken.push_if(first, slot, *owner);
                let behind = select_unpredictable(first, *owner, seat);
                *runner_up = select_unpredictable(second, behind, *runner_up);
                *owner = select_unpredictable(first, seat, *owner);
            }
            for (slot, former) in taken.drain() {
                moved(slot, seats.get(usize::from(former)).map(|bidder| bidder.life));
            }
        }
    }

    /// Lets `life` go. `moved` hears each slot that it held, rising, with the heir. Without effect if it is no
    /// member.
    pub fn leave(&mut self, life: Life, mut moved: impl FnMut(Slot, Option<Life>)) {
        let Some(seat) = self.by_life.remove(&life) else { return };
        self.hash = self.hash.wrapping_sub(self.seats[usize::from(seat)].digest());
        self.vacant.push(seat);

        let rivals = Rivals::new(self.by_life.values().map(|&seat| (self.seats[usize::from(seat)], seat)));
        let (mut held, mut seconded) = (Picked::new(), Picked::new());
        let strides = self.owners.chunks_mut(STRIDE).zip(self.runners_up.chunks_mut(STRIDE));
        for (first, (owners, runners_up)) in (0..).step_by(STRIDE).zip(strides) {
            for (slot, (owner, runner_up)) in (first..).map(Slot).zip(owners.iter().zip(&*runners_up)) {
                held.push_if(*owner == seat, slot, *runner_up);
                seconded.push_if(*runner_up == seat, slot, *owner);
            }
            for (slot, heir) in held.drain() {
                owners[(slot.0 - first) as usize] = heir;
                runners_up[(slot.0 - first) as usize] = rivals.best_but(heir, slot);
                moved(slot, self.seats.get(usize::from(heir)).map(|bidder| bidder.life));
            }
            for (slot, owner) in seconded.drain() {
                runners_up[(slot.0 - first) as usize] = rivals.best_but(owner, slot);
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

    /// All of `candidates`, the best bid for `slot` first.
    pub fn ranked(&self, slot: Slot, candidates: impl Iterator<Item = (Life, u16)>) -> Vec<Life> {
        let mut bids: Vec<Bid> =
            candidates.map(|(life, weight)| Bidder::new(life, weight).bid(slot)).collect();
        bids.sort_unstable_by(|one, other| {
            if one.beats(*other) { core::cmp::Ordering::Less } else { core::cmp::Ordering::Greater }
        });
        bids.into_iter().map(|bid| bid.life).collect()
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

/// Slots that a pass over one stride picked out, with the other seat concerned. Which slots are picked is as
/// good as random, so that a branch for each would cost more than the pass itself: all are written, and the
/// length counts those that stay.
struct Picked {
    slots: [(Slot, u16); STRIDE + 1],
    len: usize,
}

impl Picked {
    fn new() -> Self {
        Self { slots: [(Slot(0), NOBODY); STRIDE + 1], len: 0 }
    }

    fn push_if(&mut self, stays: bool, slot: Slot, other: u16) {
        self.slots[self.len] = (slot, other);
        self.len += usize::from(stays);
    }

    fn drain(&mut self) -> impl Iterator<Item = (Slot, u16)> {
        self.slots[..mem::take(&mut self.len)].iter().copied()
    }
}

/// Those who bid for the slots of a leaver, weight by weight: among equal weights the plain hash decides, so
/// that only the best of each weight needs the costlier comparison.
struct Rivals {
    /// By weight, then by falling life.
    bidders: Vec<(Bidder, u16)>,
    /// How many there are of each weight.
    groups: Vec<usize>,
}

impl Rivals {
    fn new(seated: impl Iterator<Item = (Bidder, u16)>) -> Self {
        let mut bidders: Vec<_> = seated.collect();
        bidders.sort_unstable_by_key(|(bidder, _)| (bidder.weight, Reverse(bidder.life)));
        let groups = bidders.chunk_by(|(one, _), (other, _)| one.weight == other.weight).map(<[_]>::len);
        Self { groups: groups.collect(), bidders }
    }

    /// The seat with the best bid for `slot` apart from `excluded`.
    fn best_but(&self, excluded: u16, slot: Slot) -> u16 {
        if self.bidders.len() < 2 {
            return NOBODY; // the only one is excluded
        }
        let mut best: Option<(Bid, u16)> = None;
        let mut rest = &self.bidders[..];
        for &count in &self.groups {
            let (group, others) = rest.split_at(count);
            rest = others;
            let (mut highest, mut winner) = (0, usize::MAX);
            for (index, (bidder, seat)) in group.iter().enumerate() {
                let hash = bidder.hash(slot);
                // Lives fall, so that a tie goes to the lower one.
                let leads = (hash >= highest) & (*seat != excluded);
                highest = select_unpredictable(leads, hash, highest);
                winner = select_unpredictable(leads, index, winner);
            }
            let Some(&(bidder, seat)) = group.get(winner) else { continue };
            let bid = Bid { hash: highest, weight: bidder.weight, life: bidder.life };
            if best.is_none_or(|(best, _)| bid.beats(best)) {
                best = Some((bid, seat));
            }
        }
        best.map_or(NOBODY, |(_, seat)| seat)
    }
}
