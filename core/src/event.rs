//! The three vocabularies of the machine: what happened to it, what it orders, what it tells.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{
    DialFailure, DrainError, LookupError, OwnerError, Refusal, RegisterError, RetireReason, UnregisterError,
};
use crate::id::{
    Address, CallId, Epoch, Kind, Life, LinkId, Name, NodeName, Payload, Reason, Role, Slot, Source,
};
use crate::time::Instant;
use crate::wire::{Frame, Hello};

/// Something that happened. Every change of a machine is one of these.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// A connection finished its handshake. It stays until `Output::Close` or `LinkDown`.
    LinkUp {
        /// Never used before.
        link: LinkId,
        /// Who began it.
        way: Way,
        /// What the peer said of itself in the handshake, already admitted.
        peer: Hello,
    },
    /// A connection ended, for any reason but our own `Output::Close`.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// An `Output::Dial` made no connection. Each order is answered by `LinkUp` or by this, once.
    DialFailed {
        /// As ordered.
        address: Address,
        /// Why.
        failure: DialFailure,
    },
    /// A control frame arrived (`Frame::is_control`).
    Message {
        /// From where.
        link: LinkId,
        /// As the transport cut it; not yet decoded.
        frame: Frame,
    },
    /// A user asks. Answered by exactly one `Output::Return`, at the deadline at the latest.
    Call {
        /// Never used before.
        call: CallId,
        /// When the caller stops waiting.
        deadline: Instant,
        /// What for.
        request: Request,
    },
    /// The answer to `Output::Start`.
    WorkerStarted {
        /// As ordered.
        name: Name,
        /// As ordered.
        epoch: Epoch,
        /// Running, or why not.
        result: Result<(), Reason>,
    },
    /// A running worker ended without being told to.
    WorkerExited {
        /// Whose.
        name: Name,
        /// Which start.
        epoch: Epoch,
        /// How.
        exit: Exit,
    },
    /// The answer to `Output::Stop`: nothing of that start runs any more, unless `Stuck`.
    WorkerStopped {
        /// As ordered.
        name: Name,
        /// As ordered.
        epoch: Epoch,
        /// How it went.
        outcome: Stopped,
    },
    /// A discovery source spoke.
    Observed {
        /// Which.
        source: Source,
        /// What it said.
        observation: Observation,
    },
    /// The time that `poll_timeout` named has come. Harmless when it has not.
    Timeout,
}

/// An order to the driver, or news for the user. To be carried out in the order given.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Connect to this address, once; answer with `LinkUp` or `DialFailed`.
    Dial {
        /// Where.
        address: Address,
    },
    /// Put a frame on a link. Dropped if the link is gone; the machine repairs what was lost.
    Send {
        /// Which.
        link: LinkId,
        /// What.
        frame: Frame,
    },
    /// Send what was ordered before, then end the connection. No `LinkDown` follows.
    Close {
        /// Which.
        link: LinkId,
        /// Why, for the log; the peer was told by a frame.
        reason: Refusal,
    },
    /// Start a worker; answer with `WorkerStarted`.
    Start {
        /// Under which name.
        name: Name,
        /// The fencing token of this start.
        epoch: Epoch,
        /// What code.
        kind: Kind,
        /// For its start.
        args: Payload,
    },
    /// Stop a worker or a start in progress, kindly until `grace` has passed, then by force;
    /// answer with `WorkerStopped`. An attached worker is told and left alone.
    Stop {
        /// Which.
        name: Name,
        /// Which start of it.
        epoch: Epoch,
        /// How long to be kind.
        grace: Duration,
        /// Why, for the worker and the log.
        why: StopReason,
    },
    /// The answer to a call.
    Return {
        /// Which.
        call: CallId,
        /// What.
        reply: Reply,
    },
    /// The look-up map changes: this is now known of the name, or nothing.
    Place {
        /// Which.
        name: Name,
        /// Where it is; `None` when the name is free.
        placement: Option<Placement>,
    },
    /// Send log, call and event subscribers this news.
    Event(Event),
    /// This life is over: close everything. The machine answers nothing more.
    Retire(RetireReason),
}

/// Who began a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// We did, to this address.
    Dialled(Address),
    /// The peer did.
    Accepted,
}

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
    /// All members that this node knows, sorted by name, then life. Answer: `Reply::Members`.
    Members,
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
    Members(Vec<MemberView>),
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

/// What the look-up map keeps of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    /// Who runs it. `None` between two holders.
    pub holder: Option<Life>,
    /// The start that runs, or that ran last.
    pub epoch: Epoch,
    /// What code.
    pub kind: Kind,
    /// Whether it was attached.
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
    /// In words: arbiter, candidates, who was excluded and for what.
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

/// How a worker ended by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It returned.
    Finished,
    /// It panicked, or returned an error.
    Failed(Reason),
}

/// How a stop went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stopped {
    /// It ended in time.
    Kindly,
    /// It was aborted at an await point.
    ByForce,
    /// It blocks its thread and runs on.
    Stuck,
}

/// Why a worker is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StopReason {
    /// Its name was unregistered.
    Unregistered,
    /// Its caller gave up before it ran.
    Cancelled,
    /// A later start of the name runs elsewhere.
    Superseded,
    /// Another registration of its name won after a partition.
    Conflict,
    /// This node gives its workers away.
    Draining,
}

/// What a discovery source said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observation {
    /// These are all the addresses that the source knows now.
    Snapshot(Vec<Address>),
    /// This one too.
    Upsert(Address),
    /// Not this one any more. Never closes a live link.
    Gone(Address),
    /// The source does not answer; what it said before stands.
    Failed(Reason),
}

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
    /// Two registrations of one name met; one stays.
    Conflict {
        /// Which.
        name: Name,
        /// Who keeps it.
        winner: NodeName,
        /// Who stops its copy.
        loser: NodeName,
    },
    /// A node was refused a link, or refused us one.
    LinkRefused {
        /// Where.
        address: Address,
        /// Why.
        refusal: Refusal,
    },
    /// This process was not running for longer than detection takes; what it knows may be old.
    Thawed {
        /// For how long.
        gap: Duration,
    },
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
}

/// Why a worker ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// We stopped it.
    Ordered(StopReason, Stopped),
    /// It ended by itself.
    Exited(Exit),
}

/// Figures of one machine, since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Registered names.
    pub names: u64,
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
    /// Frames that were no message; their link was closed.
    pub malformed_frames: u64,
}
