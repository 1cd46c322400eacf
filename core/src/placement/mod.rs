//! Where the worker of a name runs: what a strategy decides, and the strategy that follows the ring.

mod candidates;
mod ownership;
mod place;

pub use candidates::Exclusion;
pub use place::Place;

use crate::id::{Life, Slot};
use crate::ring::Ring;

/// Decides for an arbiter on which member a worker starts. The same question has the same answer on every node.
pub trait Strategy {
    /// The host for a name of `slot`, or nobody for now. `arbiter` is the slot's owner, who asks; `candidates`
    /// are the members that have code for the kind, with their weights, by rising life.
    fn host(&self, ring: &Ring, slot: Slot, arbiter: Life, candidates: &[(Life, u16)]) -> Option<Life>;
}

/// Every side of a partition runs every name: on its arbiter where that has code for it, else on the candidate
/// with the best bid for the slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RingStrategy;

impl Strategy for RingStrategy {
    fn host(&self, ring: &Ring, slot: Slot, arbiter: Life, candidates: &[(Life, u16)]) -> Option<Life> {
        if candidates.iter().any(|&(life, _)| life == arbiter) {
            return Some(arbiter);
        }
        ring.preferred(slot, candidates.iter().copied())
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
            assert_eq!(RingStrategy.host(&ring, slot, arbiter, &MEMBERS), Some(arbiter));
        }
    }

    #[test]
    fn else_the_runner_up_hosts_if_it_can() {
        let ring = ring();
        for slot in (0..ring.slot_count()).map(Slot) {
            let arbiter = ring.owner(slot).expect("a ring with members has owners");
            let others: alloc::vec::Vec<_> =
                MEMBERS.into_iter().filter(|&(life, _)| life != arbiter).collect();
            assert_eq!(RingStrategy.host(&ring, slot, arbiter, &others), ring.runner_up(slot));
        }
    }

    #[test]
    fn without_candidates_nobody_hosts() {
        assert_eq!(RingStrategy.host(&ring(), Slot(0), Life(1), &[]), None);
    }
}
