//! What a machine tells: facts for logs and subscribers.

use core::time::Duration;

use super::{Exit, Misbehaviour, SourceFailure, StopReason, Stopped};
use crate::error::{DialFailure, NoQuorum, Refusal};
use crate::id::{Address, Epoch, Group, Life, Name, NodeName, Reason, Source};
use crate::supervisor::PastIntensity;

/// News, for logs and subscribers.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// This node announced itself up.
    Formed {
        /// How many members are up, itself included.
        up: usize,
    },
    /// A member is up, or proved that a suspicion was wrong.
    MemberUp {
        /// Who.
        node: NodeName,
        /// Which life.
        life: Life,
    },
    /// A member is silent.
    MemberSuspect {
        /// Who.
        node: NodeName,
        /// Which life.
        life: Life,
    },
    /// A member gives its workers away.
    MemberLeaving {
        /// Who.
        node: NodeName,
        /// Which life.
        life: Life,
    },
    /// A member is counted down.
    MemberDown {
        /// Who.
        node: NodeName,
        /// Which life.
        life: Life,
        /// Why.
        evidence: Evidence,
    },
    /// The set of members that own slots changed; workers may move. Follows each `MemberUp` and `MemberDown`
    /// that changes it.
    TopologyChanged {
        /// What happened to whom.
        change: TopologyChange,
        /// Who.
        node: NodeName,
    },
    /// All that the last topology changes asked of this node is done.
    TopologySettled,
    /// Too few members are here for the strategy, as this node sees it: nothing runs here, and callers are refused.
    QuorumLost {
        /// How many are here, and how many have to be.
        lack: NoQuorum,
    },
    /// Enough members are here: names run.
    QuorumReached {
        /// How many are here.
        present: usize,
    },
    /// A user of this node claims a name.
    Registering {
        /// Which.
        name: Name,
    },
    /// A claim of this node's user found the name taken.
    AlreadyRegistered {
        /// Which.
        name: Name,
        /// By whom.
        node: NodeName,
    },
    /// A worker of this node was restarted too often.
    GaveUp {
        /// Which.
        name: Name,
        /// Its last start.
        epoch: Epoch,
        /// How many times, within the time that its policy gives.
        restarts: usize,
        /// What becomes of the name.
        past: PastIntensity,
    },
    /// A worker is being started here.
    Starting {
        /// Which.
        name: Name,
        /// Which start.
        epoch: Epoch,
        /// Why.
        why: StartReason,
    },
    /// A worker runs here.
    Started {
        /// Which.
        name: Name,
        /// Which start.
        epoch: Epoch,
        /// Why.
        why: StartReason,
    },
    /// A worker's start failed here.
    StartFailed {
        /// Which.
        name: Name,
        /// Which start.
        epoch: Epoch,
        /// What it said.
        reason: Reason,
    },
    /// A worker no longer runs here.
    Stopped {
        /// Which.
        name: Name,
        /// Which start.
        epoch: Epoch,
        /// Why.
        why: EndReason,
    },
    /// A registered name changed its holder.
    Moved {
        /// Which.
        name: Name,
        /// From where.
        from: NodeName,
        /// To where.
        to: NodeName,
        /// The start that runs there.
        epoch: Epoch,
    },
    /// A worker of this node should run elsewhere, and the copy there failed. It runs on, and is tried again.
    MoveFailed {
        /// Which.
        name: Name,
        /// Where it should run.
        to: NodeName,
        /// What the copy said.
        reason: Reason,
    },
    /// How far this node is with the moves of its workers to others; told at each tenth.
    Moving {
        /// So many are done.
        moved: usize,
        /// Of so many that are known to be wanted.
        of: usize,
    },
    /// Two registrations of one name met; one stays.
    Conflict {
        /// Which.
        name: Name,
        /// Who keeps it.
        winner: NodeName,
        /// Who stops its copy.
        loser: NodeName,
    },
    /// A name is in a group, wherever it was put there.
    JoinedGroup {
        /// Which group.
        group: Group,
        /// Who.
        name: Name,
    },
    /// A name is not in a group any more: it was taken out, or its registration ended.
    LeftGroup {
        /// Which group.
        group: Group,
        /// Who.
        name: Name,
    },
    /// A node was refused a link, or refused us one.
    LinkRefused {
        /// Where.
        address: Address,
        /// Why.
        refusal: Refusal,
    },
    /// A member did what no correct one does. Its link was closed, and it has to wait for the next one.
    PeerMisbehaved {
        /// Who.
        node: NodeName,
        /// Which life.
        life: Life,
        /// What it did.
        what: Misbehaviour,
    },
    /// A member says that this node did what no correct one does, and closes its link.
    Reproached {
        /// Who says so.
        by: NodeName,
        /// What; `None` if only a later version knows it.
        what: Option<Misbehaviour>,
    },
    /// An address that no source named before is named.
    Discovered {
        /// Where a peer may be.
        address: Address,
        /// Who names it.
        source: Source,
    },
    /// No source names this address any more. A link to it stays.
    Withdrawn {
        /// Where a peer may have been.
        address: Address,
        /// Who named it last.
        source: Source,
    },
    /// The address of a member that is down is dialled no more: an authority stopped to name it. See
    /// [`authorities`](crate::config::Config::authorities).
    LetGo {
        /// Where.
        address: Address,
        /// Who was there.
        life: Life,
    },
    /// So many addresses would be let go of at once that none is: authorities may be wrong. Told once until that changes.
    LettingGoHeld {
        /// How many, with those that were let go of a moment ago.
        wanted: usize,
        /// Of so many.
        members: usize,
    },
    /// A dial brought no link; not told of addresses that are no peers of ours, for which see `LinkRefused`.
    DialFailed {
        /// Where.
        address: Address,
        /// Why.
        failure: DialFailure,
        /// The how-manieth dial in a row that failed, from 1.
        failures: u32,
        /// When it is dialled next, from now.
        again_in: Duration,
    },
    /// A source that was degraded answers again.
    SourceHealthy {
        /// Which.
        source: Source,
    },
    /// A source is of no use now; what it said before stands. Told once for each sort of failure in a row.
    SourceDegraded {
        /// Which.
        source: Source,
        /// Why.
        failure: SourceFailure,
    },
    /// The cluster is as a caller of `Request::Ready` wanted it.
    Ready {
        /// How many members are up, this node included.
        up: usize,
    },
    /// This process was not running for longer than detection takes; what it knows may be old.
    Thawed {
        /// For how long.
        gap: Duration,
    },
}

/// Why a member is counted down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Evidence {
    /// It was suspected and did not refute it.
    Silent,
    /// The kernel at its address says that nobody listens.
    Refused,
    /// A later life answers under its name.
    Replaced,
    /// It said so itself.
    Left,
}

/// What changed the ring.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TopologyChange {
    /// A member came up.
    NodeUp,
    /// A member is counted down.
    NodeDown,
    /// A member leaves.
    NodeLeaving,
}

/// Why a worker is started.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StartReason {
    /// A caller registered it.
    Registered,
    /// Its node is gone.
    Takeover,
    /// It ended, and its policy wants it back.
    Restart,
    /// It moved here from where it ran.
    HandedOver,
}

/// Why a worker ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// We stopped it.
    Ordered(StopReason, Stopped),
    /// It ended by itself.
    Exited(Exit),
}
