//! The ring against a ring computed from nothing, and against what it promises of balance and of moves.

use std::collections::{BTreeMap, BTreeSet};

use skep_core::id::{Life, Name, Slot};
use skep_core::ring::Ring;

#[test]
fn after_any_joins_and_leaves_it_equals_a_ring_computed_from_nothing() {
    for seed in 1..=40 {
        let mut random = Random(seed);
        let slot_bits = random.below(9) as u8 + 1;
        let (mut ring, mut members) = (Ring::new(slot_bits), BTreeMap::new());
        for step in 0..60 {
            let before = owners(&ring);
            let life = Life(random.below(12));
            let mut moved = BTreeMap::new();
            if members.remove(&life).is_some() {
                ring.leave(life, |slot, heir| assert_eq!(moved.insert(slot, (Some(life), heir)), None));
            } else {
                let weight = if seed % 2 == 0 { 3 } else { random.below(5) as u16 + 1 };
                members.insert(life, weight);
                ring.join(life, weight, |slot, former| {
                    assert_eq!(moved.insert(slot, (former, Some(life))), None);
                });
            }
            let place = format!("seed {seed}, step {step}");
            assert_eq!(table(&ring), computed_from_nothing(&ring, &members), "{place}");
            assert_eq!(moved, differences(&before, &owners(&ring)), "{place}: the moves that it told");
            assert!(ring.members().eq(members.iter().map(|(&life, &weight)| (life, weight))), "{place}");
        }
    }
}

#[test]
fn the_order_of_arrival_leaves_no_trace() {
    let members: Vec<(Life, u16)> = (0..9).map(|n| (Life(n * 1_000_003), (n % 4) as u16 + 1)).collect();
    let mut rings = BTreeMap::new();
    for seed in 1..=20 {
        let mut random = Random(seed);
        let mut ring = Ring::new(7);
        for guest in 0..random.below(4) {
            ring.join(Life(guest + 500), 2, |_, _| {});
        }
        let mut order = members.clone();
        while !order.is_empty() {
            let (life, weight) = order.swap_remove(random.below(order.len() as u64) as usize);
            ring.join(life, weight, |_, _| {});
        }
        for guest in 0..4 {
            ring.leave(Life(guest + 500), |_, _| {});
        }
        rings.insert((table(&ring), ring.hash()), seed);
    }
    assert_eq!(rings.len(), 1, "one table and one hash, whatever the order");
}

#[test]
fn different_sets_have_different_hashes() {
    let mut hashes = BTreeSet::new();
    for (first, second) in (1..=30).flat_map(|first| (1..=30).map(move |second| (first, second))) {
        let mut ring = Ring::new(1);
        assert_eq!(ring.hash(), 0);
        ring.join(Life(1), first, |_, _| {});
        ring.join(Life(2), second, |_, _| {});
        assert!(hashes.insert(ring.hash()), "weights {first} and {second}");
        ring.leave(Life(1), |_, _| {});
        ring.leave(Life(2), |_, _| {});
        assert_eq!(ring.hash(), 0);
    }
}

#[test]
fn only_what_must_move_moves() {
    let mut ring = ring_of(14, (1..=20).map(|life| (Life(life), 1 + (life % 3) as u16)));
    let before = table(&ring);
    let mut taken = 0;
    ring.join(Life(99), 2, |_, _| taken += 1);
    for (before, (slot, owner, _)) in before.iter().zip(table(&ring)) {
        assert!(
            owner == before.1 || owner == Some(Life(99)),
            "{slot:?} went from {:?} to {owner:?}",
            before.1
        );
    }
    let ideal =
        f64::from(ring.slot_count()) * 2.0 / ring.members().map(|(_, weight)| f64::from(weight)).sum::<f64>();
    assert!((f64::from(taken) / ideal - 1.0).abs() < 0.15, "took {taken}, its share is {ideal}");
    ring.leave(Life(99), |_, _| {});
    assert_eq!(table(&ring), before, "who comes and goes leaves all as it was");
}

#[test]
fn shares_are_proportional_to_weights() {
    let weights = [1_u16, 1, 2, 3, 5, 8, 20, 60];
    let ring = ring_of(18, weights.iter().enumerate().map(|(n, &weight)| (Life(n as u64), weight)));
    let mut shares = BTreeMap::<Life, u32>::new();
    for owner in owners(&ring).into_iter().flatten() {
        *shares.entry(owner).or_default() += 1;
    }
    for (n, weight) in weights.into_iter().enumerate() {
        let (share, ideal) =
            (f64::from(shares[&Life(n as u64)]), f64::from(weight) / 100.0 * f64::from(1 << 18));
        // Four standard deviations of chance.
        assert!(
            (share - ideal).abs() < 4.0 * ideal.sqrt(),
            "weight {weight} of 100 has {share}, not {ideal}"
        );
    }
}

#[test]
fn equal_members_have_equal_shares() {
    for count in [2, 3, 10, 100] {
        let ring = ring_of(19, (0..count).map(|n| (Life(1_795_400_000_000_000 + n * 7), 1)));
        let mut shares = BTreeMap::<Life, u32>::new();
        for owner in owners(&ring).into_iter().flatten() {
            *shares.entry(owner).or_default() += 1;
        }
        let most = *shares.values().max().expect("there are owners");
        let over = f64::from(most) * count as f64 / f64::from(ring.slot_count());
        assert!(over < 1.05, "{count} members: the largest share is {over} of the average");
    }
}

#[test]
fn names_keep_their_slots() {
    let ring = Ring::new(19);
    let slots = ["SingletonName", "a", "ü", "device-17"]
        .map(|name| ring.slot_of(&Name::new(name).expect("short enough")));
    // Computed with the reference implementation of XXH3 as well.
    assert_eq!(slots, [244_646, 472_625, 191_808, 71_768].map(Slot));
}

#[test]
fn the_preferred_candidate_is_the_owner_among_equals_of_the_members() {
    let ring = ring_of(8, (1..=7).map(|life| (Life(life), life as u16)));
    for slot in (0..ring.slot_count()).map(Slot) {
        assert_eq!(ring.preferred(slot, ring.members()), ring.owner(slot));
        let rest = ring.members().filter(|&(life, _)| Some(life) != ring.owner(slot));
        assert_eq!(ring.preferred(slot, rest), ring.runner_up(slot));
    }
    assert_eq!(ring.preferred(Slot(0), [].into_iter()), None);
}

#[test]
fn a_ring_of_few_has_few_answers() {
    let mut ring = Ring::new(4);
    assert_eq!((ring.owner(Slot(0)), ring.runner_up(Slot(0))), (None, None));
    ring.leave(Life(1), |_, _| panic!("nobody leaves"));
    ring.join(Life(1), 0, |_, former| assert_eq!(former, None));
    ring.join(Life(1), 9, |_, _| panic!("it is in already"));
    assert_eq!(ring.members().collect::<Vec<_>>(), [(Life(1), 1)], "a weight of 0 counts as 1");
    assert_eq!((ring.owner(Slot(15)), ring.runner_up(Slot(15))), (Some(Life(1)), None));
    assert_eq!((ring.owner(Slot(16)), ring.runner_up(Slot(16))), (None, None), "there is no slot 16");
    let mut left = 0;
    ring.leave(Life(1), |_, heir| {
        assert_eq!(heir, None);
        left += 1;
    });
    assert_eq!((left, ring.owner(Slot(3))), (16, None));
}

#[test]
fn one_more_than_the_most_is_not_let_in() {
    let mut ring = Ring::new(1);
    for life in 0..Ring::MAX_MEMBERS as u64 {
        ring.join(Life(life), 1, |_, _| {});
    }
    let before = (table(&ring), ring.hash());
    ring.join(Life(u64::MAX), 1, |_, _| panic!("it takes nothing"));
    assert_eq!((table(&ring), ring.hash()), before);
    assert!(!ring.contains(Life(u64::MAX)));
}

#[test]
fn the_seats_of_leavers_are_taken_again() {
    let mut ring = Ring::new(1);
    for life in 0..2 * Ring::MAX_MEMBERS as u64 {
        ring.join(Life(life), 1, |_, _| {});
        ring.leave(Life(life), |_, _| {});
    }
    ring.join(Life(1), 1, |_, _| {});
    assert_eq!((ring.contains(Life(1)), ring.owner(Slot(0))), (true, Some(Life(1))));
}

/// A slot with its owner and its runner-up.
type Row = (Slot, Option<Life>, Option<Life>);

fn ring_of(slot_bits: u8, members: impl Iterator<Item = (Life, u16)>) -> Ring {
    let mut ring = Ring::new(slot_bits);
    for (life, weight) in members {
        ring.join(life, weight, |_, _| {});
    }
    ring
}

fn table(ring: &Ring) -> Vec<Row> {
    (0..ring.slot_count()).map(Slot).map(|slot| (slot, ring.owner(slot), ring.runner_up(slot))).collect()
}

fn owners(ring: &Ring) -> Vec<Option<Life>> {
    (0..ring.slot_count()).map(|slot| ring.owner(Slot(slot))).collect()
}

/// Each slot's best and second best bidder among all, without any memory.
fn computed_from_nothing(ring: &Ring, members: &BTreeMap<Life, u16>) -> Vec<Row> {
    let all = || members.iter().map(|(&life, &weight)| (life, weight));
    (0..ring.slot_count())
        .map(Slot)
        .map(|slot| {
            let owner = ring.preferred(slot, all());
            (slot, owner, ring.preferred(slot, all().filter(|&(life, _)| Some(life) != owner)))
        })
        .collect()
}

fn differences(
    before: &[Option<Life>],
    after: &[Option<Life>],
) -> BTreeMap<Slot, (Option<Life>, Option<Life>)> {
    let pairs = before.iter().copied().zip(after.iter().copied());
    (0..).map(Slot).zip(pairs).filter(|(_, (before, after))| before != after).collect()
}

/// Marsaglia's xorshift64, shifts 13, 7, 17.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound
    }
}
