//! What users ask of a machine, and what they are answered.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{
    DrainError, GroupError, LookupError, OwnerError, ReadyError, RegisterError, UnregisterError,
};
use crate::id::{Address, Epoch, Group, Kind, Life, Name, NodeName, Payload, Role, Slot};
use crate::placement::Place;

/// What a user asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Claim a name: start a worker under it, or put a running one under it. Answer: `Reply::Registered`.
    Register {
        /// Which.
        name: Name,
        /// What for.
        worker: WorkerSpec,
    },
    /// Claim again what was registered in a former life (`RetireReason::Forgotten`): as `Register`, but answered
    /// before its worker runs: it is started as soon as a member can. Answer: `Reply::Registered`.
    Restore {
        /// Which.
        name: Name,
        /// What for.
        worker: WorkerSpec,
    },
    /// Free a name; a managed worker is stopped first. Answer: `Reply::Unregistered`.
    Unregister {
        /// Which.
        name: Name,
    },
    /// Ask the name's arbiter. Answer: `Reply::Located`.
    Locate {
        /// Which.
        name: Name,
    },
    /// Who should run the name, and why. Answer: `Reply::Owner`.
    Owner {
        /// Which.
        name: Name,
    },
    /// Put a registered name into a group. It stays there until it leaves or its registration ends, wherever it
    /// runs. A worker that runs here and is not registered yet joins when it is. Answer: `Reply::Grouped`.
    JoinGroup {
        /// Which group.
        group: Group,
        /// Who.
        name: Name,
    },
    /// Take a registered name out of a group, in which it need not be. Answer: `Reply::Grouped`.
    LeaveGroup {
        /// Which group.
        group: Group,
        /// Who.
        name: Name,
    },
    /// All members that this node knows, sorted by name, then life. Answer: `Reply::Members`.
    Members,
    /// Wait until the cluster is formed. Answer: `Reply::Ready`.
    Ready {
        /// So many members are up, this node included,
        members: usize,
        /// and nobody came or went for so long.
        stable_for: Duration,
    },
    /// Counters of this machine. Answer: `Reply::Counters`.
    Counters,
    /// Hand all workers to others, and own nothing from now on. Answer: `Reply::Drained`.
    Drain,
    /// Tell all members that this life ends now. Answer: `Reply::Left`, after which comes `Output::Retire`.
    Leave,
}

/// What a name is claimed for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum WorkerSpec {
    /// A host is chosen and starts it; it moves when it must.
    Managed {
        /// What code.
        kind: Kind,
        /// For its start, here and after every move.
        args: Payload,
        /// On which members.
        place: Place,
    },
    /// It runs here already; it does not move. `WorkerStarted` is not awaited.
    Attached,
}

/// The answer to a `Request`, variant by variant.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "each is the answer to the request of its name")]
pub enum Reply {
    Registered(Result<Registration, RegisterError>),
    Unregistered(Result<(), UnregisterError>),
    Located(Result<Registration, LookupError>),
    Owner(Result<Ownership, OwnerError>),
    Grouped(Result<(), GroupError>),
    Members(Vec<MemberView>),
    /// How many members are up.
    Ready(Result<usize, ReadyError>),
    Counters(Counters),
    /// How many workers were handed to others.
    Drained(Result<usize, DrainError>),
    Left,
}

/// A registered name, as its arbiter or its replica knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Registration {
    /// The node that runs it.
    pub node: NodeName,
    /// That node's life.
    pub life: Life,
    /// The start that runs.
    pub epoch: Epoch,
    /// What code; `attached` for attached workers.
    pub kind: Kind,
    /// Whether it was attached, and so does not move.
    pub attached: bool,
}

/// Who should run a name, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ownership {
    /// The wanted host.
    pub node: NodeName,
    /// Its life.
    pub life: Life,
    /// The name's place in the ring.
    pub slot: Slot,
    /// Who could be that, or would come before it, and is not, because it restarted the worker too often
    /// ([`PastIntensity::Move`](crate::supervisor::PastIntensity::Move)).
    pub passed_over: Option<NodeName>,
    /// In words: arbiter, candidates in the order of the strategy, who was excluded and for what, where it runs.
    pub why: String,
}

/// A member as one node sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberView {
    /// Its name.
    pub node: NodeName,
    /// Its life.
    pub life: Life,
    /// Its state.
    pub status: Status,
    /// Where it listens.
    pub address: Address,
    /// Its share of the ring.
    pub weight: u16,
    /// What it offers.
    pub roles: Vec<Role>,
    /// Which kinds it has code for.
    pub kinds: Vec<Kind>,
    /// The newest wire version that it speaks, as far as this node was told.
    pub wire_version: u16,
}

/// What state a member is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Status {
    /// Catches up with the registry; owns nothing yet.
    Joining,
    /// Owns slots and runs workers.
    Up,
    /// Was silent, and may still refute it; owns what it owned.
    Suspect,
    /// Gives away what it has; owns no slot.
    Leaving,
    /// Counted dead, or gone.
    Down,
}

/// Figures of one machine, since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Registered names.
    pub names: u64,
    /// Places of names in groups, with those left of late that not all members know to be left.
    pub enrolments: u64,
    /// Members that are not down, itself included.
    pub members: u64,
    /// Links with a member.
    pub links: u64,
    /// Control messages sent.
    pub messages_sent: u64,
    /// Control messages received.
    pub messages_received: u64,
    /// Bytes of control frames sent, headers included.
    pub bytes_sent: u64,
    /// Bytes of control frames received.
    pub bytes_received: u64,
    /// Frames of a kind that this version does not know; skipped.
    pub unknown_frames: u64,
    /// Frames that no correct peer sends, whether they were messages or not; their link was closed, or they were dropped.
    pub malformed_frames: u64,
    /// Addresses that are dialled, or have a member.
    pub addresses: u64,
    /// Addresses that a source named and none had named before.
    pub discovered: u64,
    /// Addresses that no source named any more.
    pub withdrawn: u64,
    /// Dials ordered.
    pub dials: u64,
    /// Dials that brought no link.
    pub dials_failed: u64,
    /// Discovery sources that spoke.
    pub sources: u64,
    /// Those that are degraded now.
    pub sources_degraded: u64,
}
