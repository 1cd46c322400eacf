//! The strategy that runs names only where enough members are.

use alloc::vec::Vec;
use core::num::NonZeroU16;
use core::time::Duration;

use super::{ByRing, Strategy};
use crate::config::Config;
use crate::error::NoQuorum;
use crate::id::{Life, Slot};
use crate::membership::WARY_PATIENCE;
use crate::ring::Ring;

/// As [`ByRing`] where at least so many members are up or suspect; where fewer are, nothing runs.
///
/// With more than half of the nodes for a quorum, at most one side of a cut runs names. That narrows overlap and does
/// not exclude it: a node that stands still and goes on runs its workers until it hears that it was counted down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quorum {
    needed: NonZeroU16,
}

impl Quorum {
    /// Of so many members.
    pub fn of(needed: NonZeroU16) -> Self {
        Self { needed }
    }
}

impl Strategy for Quorum {
    fn ranking(&self, ring: &Ring, slot: Slot, arbiter: Life, candidates: &[(Life, u16)]) -> Vec<Life> {
        ByRing.ranking(ring, slot, arbiter, candidates)
    }

    fn host(&self, ring: &Ring, slot: Slot, arbiter: Life, candidates: &[(Life, u16)]) -> Option<Life> {
        ByRing.host(ring, slot, arbiter, candidates)
    }

    fn quorum(&self, present: usize) -> Result<(), NoQuorum> {
        let needed = usize::from(self.needed.get());
        if present >= needed { Ok(()) } else { Err(NoQuorum { present, needed }) }
    }

    /// A member that is cut off stops its workers, too: once it has counted down so many that it is below the
    /// quorum, and by force when the grace is over. How long does that take, at the worst, from the moment of the
    /// cut, before which nobody counts it down?
    ///
    /// - The next probe of some member beyond the cut begins within a probe interval: each node watches those who
    ///   watch it, too, and so somebody of its side watches somebody of the other one.
    /// - It fails after a direct and an indirect probe. That alarms the whole side: all probe all at once, which
    ///   takes the same time again.
    /// - Each that does not answer is suspected, and goes down when its suspicion ends.
    /// - A node that doubts its own health takes up to `WARY_PATIENCE` times as long for each but the first; with
    ///   this strategy it does not doubt itself more than that.
    /// - Then the workers have the grace, and a second more to reach an await point.
    ///
    /// What the member only hears and cannot say (a cut one way) reaches it when its links are closed, that is when
    /// it is counted down, from where the same count begins.
    fn pause_after_silence(&self, config: &Config) -> Option<Duration> {
        let detection = &config.detection;
        let probes = detection.probe_timeout * 4;
        let notices = detection.probe_interval + (probes + detection.suspicion) * WARY_PATIENCE;
        Some(notices + config.stop_grace + Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_the_quorum_the_missing_are_told() {
        let quorum = Quorum::of(NonZeroU16::new(3).expect("it is not zero"));
        assert_eq!(quorum.quorum(2), Err(NoQuorum { present: 2, needed: 3 }));
        assert_eq!(quorum.quorum(3), Ok(()));
        assert_eq!(ByRing.quorum(0), Ok(()));
    }
}
