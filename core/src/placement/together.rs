//! Workers that belong together: on one member, and restarted as one.

use serde::{Deserialize, Serialize};

use crate::id::Name;

/// Names with the same key are placed by the slot of that key instead of their own, so that they run on one member
/// as long as they ask for the same roles and kinds that the same members have. Each name keeps its own arbiter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Together {
    /// What they share.
    pub key: Name,
    /// Whom the end of this worker concerns.
    pub bond: Bond,
    /// Its place in the order in which they are started again, lowest first.
    pub rank: u16,
}

/// Which workers of the same key are stopped and started again with one that ended by itself and is restarted. The
/// words are those of Erlang's supervisors. Past the intensity of that worker their names are freed with its own; where it
/// goes on elsewhere instead ([`PastIntensity::Move`](crate::supervisor::PastIntensity::Move)) they stay as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Bond {
    /// No other.
    #[default]
    OneForOne,
    /// All of them.
    OneForAll,
    /// Those that come after it in the order.
    RestForOne,
}

impl Bond {
    /// Whether the end of a worker of rank `of` concerns one of rank `other`.
    pub(crate) fn binds(self, of: u16, other: u16) -> bool {
        match self {
            Self::OneForOne => false,
            Self::OneForAll => true,
            Self::RestForOne => other > of,
        }
    }
}
