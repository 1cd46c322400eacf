//! What a discovery source says.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::id::{Address, Reason};

/// What a discovery source said. It only adds and removes reasons to dial: no link is closed because of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observation {
    /// The answer to a look at the source.
    Snapshot {
        /// The addresses in it.
        peers: Vec<Address>,
        /// Whether these are all that the source knows, so that it withdraws what it named before. An answer that
        /// rotates through a longer list is not complete.
        complete: bool,
        /// For how long they count unless they are named again; `None` is for good.
        ttl: Option<Duration>,
    },
    /// This one too, until it is withdrawn.
    Upsert(Address),
    /// Not this one any more.
    Gone(Address),
    /// This one gave a sign of life, and counts for `ttl` from now.
    Seen {
        /// Where.
        peer: Address,
        /// For how long.
        ttl: Duration,
    },
    /// The source does not answer. What it said before stands, and does not expire until it answers again.
    Failed(SourceFailure),
    /// The source begins afresh: what it does not name again within
    /// [`resync_within`](crate::config::Config::resync_within) is withdrawn.
    Resync,
}

impl Observation {
    /// A complete answer that counts until the next.
    pub fn all(peers: impl IntoIterator<Item = Address>) -> Self {
        Self::Snapshot { peers: peers.into_iter().collect(), complete: true, ttl: None }
    }

    /// A failure that may pass by itself.
    pub fn transient(reason: impl AsRef<str>) -> Self {
        Self::failed(SourceFault::Transient, reason)
    }

    /// A failure of this sort.
    pub fn failed(fault: SourceFault, reason: impl AsRef<str>) -> Self {
        Self::Failed(SourceFailure { fault, reason: Reason::new(reason) })
    }
}

/// Why a source is of no use now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceFailure {
    /// Whose fault it is.
    pub fault: SourceFault,
    /// In words.
    pub reason: Reason,
}

/// Whose fault it is that a source is of no use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SourceFault {
    /// Nobody's who runs this node: it does not answer, or answers nonsense, and may recover.
    Transient,
    /// It does not let us in.
    Auth,
    /// It was set up wrongly here.
    Config,
    /// It named somebody, and now names nobody, which is not believed at once.
    Empty,
}

impl SourceFault {
    /// In one word, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Auth => "auth",
            Self::Config => "config",
            Self::Empty => "empty",
        }
    }
}

impl fmt::Display for SourceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)
    }
}
