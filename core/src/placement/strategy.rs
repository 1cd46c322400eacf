//! The seam of strategies: who hosts a name, and whether those who are here may run any.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU16;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ByRing, Quorum};
use crate::config::Config;
use crate::error::NoQuorum;
use crate::id::{Life, Slot};
use crate::ring::Ring;

/// Decides where workers run. The same question has the same answer on every node.
pub trait Strategy: fmt::Debug + Send + Sync {
    /// Those who may host a name of `slot`, the best first. `arbiter` is the slot's owner; `candidates` are the
    /// members that may run the worker, with their weights, by rising life.
    fn ranking(&self, ring: &Ring, slot: Slot, arbiter: Life, candidates: &[(Life, u16)]) -> Vec<Life>;

    /// The first of [`Strategy::ranking`], or nobody.
    fn host(&self, ring: &Ring, slot: Slot, arbiter: Life, candidates: &[(Life, u16)]) -> Option<Life>;

    /// Whether names may run where so many members are up or suspect, as one node sees it.
    ///
    /// # Errors
    /// How many are missing. Nothing runs, and nothing is registered or removed.
    fn quorum(&self, present: usize) -> Result<(), NoQuorum>;

    /// What a member whose silence is its only sign of death may still be doing: for so long after it was counted
    /// down its names do not run elsewhere. `None` if they need not wait.
    fn pause_after_silence(&self, config: &Config) -> Option<Duration>;
}

/// Which strategy a cluster follows: the same on all members, which refuse each other otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StrategyId {
    /// Every side of a cut runs every name: see [`ByRing`].
    #[default]
    Ring,
    /// Names run only where at least so many members are: see [`Quorum`].
    StaticQuorum(NonZeroU16),
}

impl StrategyId {
    pub(crate) fn strategy(self) -> Box<dyn Strategy> {
        match self {
            Self::Ring => Box::new(ByRing),
            Self::StaticQuorum(members) => Box::new(Quorum::of(members)),
        }
    }
}
