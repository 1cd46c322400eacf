//! The strategy that follows the ring.

use alloc::vec::Vec;
use core::time::Duration;

use super::Strategy;
use crate::config::Config;
use crate::error::NoQuorum;
use crate::id::{Life, Slot};
use crate::ring::Ring;

/// Every side of a partition runs every name: on its arbiter where that may run it, else on the candidate with the
/// best bid for the slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ByRing;

impl Strategy for ByRing {
    fn ranking(&self, ring: &Ring, slot: Slot, arbiter: Life, candidates: &[(Life, u16)]) -> Vec<Life> {
        let mut ranked = ring.ranked(slot, candidates.iter().copied());
        if let Some(place) = ranked.iter().position(|&life| life == arbiter) {
            ranked[..=place].rotate_right(1);
        }
        ranked
    }

    fn host(&self, ring: &Ring, slot: Slot, arbiter: Life, candidates: &[(Life, u16)]) -> Option<Life> {
        if candidates.iter().any(|&(life, _)| life == arbiter) {
            return Some(arbiter);
        }
        ring.preferred(slot, candidates.iter().copied())
    }

    fn quorum(&self, _present: usize) -> Result<(), NoQuorum> {
        Ok(())
    }

    fn pause_after_silence(&self, _config: &Config) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: [(Life, u16); 3] = [(Life(1), 1), (Life(2), 1), (Life(3), 1)];

    fn ring() -> Ring {
        let mut ring = Ring::new(8);
        for (life, weight) in MEMBERS {
            ring.join(life, weight, |_, _| {});
        }
        ring
    }

    #[test]
    fn an_arbiter_that_can_host_hosts() {
        let ring = ring();
        for slot in (0..ring.slot_count()).map(Slot) {
            let arbiter = ring.owner(slot).expect("a ring with members has owners");
            assert_eq!(ByRing.host(&ring, slot, arbiter, &MEMBERS), Some(arbiter));
        }
    }

    #[test]
    fn else_the_runner_up_hosts_if_it_can() {
        let ring = ring();
        for slot in (0..ring.slot_count()).map(Slot) {
            let arbiter = ring.owner(slot).expect("a ring with members has owners");
            let others: Vec<_> = MEMBERS.into_iter().filter(|&(life, _)| life != arbiter).collect();
            assert_eq!(ByRing.host(&ring, slot, arbiter, &others), ring.runner_up(slot));
        }
    }

    #[test]
    fn the_host_is_the_first_of_the_ranking_and_the_next_its_heir() {
        let ring = ring();
        for slot in (0..ring.slot_count()).map(Slot) {
            let arbiter = ring.owner(slot).expect("a ring with members has owners");
            for asked in [arbiter, Life(4)] {
                let ranking = ByRing.ranking(&ring, slot, asked, &MEMBERS);
                assert_eq!(ranking.first().copied(), ByRing.host(&ring, slot, asked, &MEMBERS));
                assert_eq!(ranking.get(1).copied(), ring.runner_up(slot));
                assert_eq!(ranking.len(), 3);
            }
        }
    }

    #[test]
    fn without_candidates_nobody_hosts() {
        assert_eq!(ByRing.host(&ring(), Slot(0), Life(1), &[]), None);
        assert_eq!(ByRing.ranking(&ring(), Slot(0), Life(1), &[]), []);
    }
}
