//! What a machine orders.

use core::time::Duration;

use super::{Bound, Event, Reply};
use crate::error::{Refusal, RetireReason};
use crate::id::{Address, CallId, Epoch, Group, Kind, Life, LinkId, Name, Payload};
use crate::wire::Frame;

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
    /// Ask a worker, between two messages, how it moves; answer with `HandoffBegun`. Unless it stays it is held from
    /// its answer on: it handles nothing (a closure is not polled), until `GoOn`, `Freeze` or `Stop`. If it resumes
    /// keep its state. `GoOn` may come before the answer: then no answer comes.
    BeginHandoff {
        /// Which.
        name: Name,
        /// Which start of it.
        epoch: Epoch,
        /// Why it should move.
        why: MoveReason,
    },
    /// Ship the kept state to where a copy is being prepared under `under`; answer only with `StateLost`.
    SendState {
        /// Whose.
        name: Name,
        /// Which start of it, here.
        epoch: Epoch,
        /// To which node.
        to: Life,
        /// The start that waits for it there.
        under: Epoch,
    },
    /// The handoff is off: the state is dropped, and the worker goes on as before.
    GoOn {
        /// Which.
        name: Name,
        /// Which start of it.
        epoch: Epoch,
    },
    /// It moved: it handles nothing more, and all that waits or arrives for it is forwarded. It is kept until it is
    /// activated again, its target having died, or stopped.
    Freeze {
        /// Which.
        name: Name,
        /// Which start of it, here.
        epoch: Epoch,
        /// Where it goes on.
        to: Life,
        /// As which start.
        under: Epoch,
    },
    /// Start a copy that does nothing yet, with the state that `from` sends for it; answer with `WorkerPrepared`.
    Prepare {
        /// Under which name.
        name: Name,
        /// The start that it will be.
        epoch: Epoch,
        /// What code.
        kind: Kind,
        /// For its start.
        args: Payload,
        /// How many bytes of state come; `None` if it starts anew.
        state: Option<u64>,
        /// Who hands it over.
        from: Life,
    },
    /// `from` sends the state of a beaten copy of this worker, so many bytes, as for the start `epoch`. Give it to the
    /// worker, between two messages, and answer with `ConflictResolved`.
    ResolveConflict {
        /// Which.
        name: Name,
        /// Which start of it.
        epoch: Epoch,
        /// Which start was beaten.
        beaten: Epoch,
        /// Who sends it.
        from: Life,
        /// How long it is.
        bytes: u64,
    },
    /// A prepared copy begins to act, a frozen or held worker goes on, or one that runs is another start from now on:
    /// `under`, which may be `epoch` itself.
    Activate {
        /// Which.
        name: Name,
        /// As which start it is known here.
        epoch: Epoch,
        /// As which start it acts.
        under: Epoch,
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
    /// The group map changes: this name is in that group. Its `Place` comes before.
    JoinGroup {
        /// Which group.
        group: Group,
        /// Who.
        name: Name,
    },
    /// The group map changes: this name is not in that group any more; perhaps it is no name any more.
    LeaveGroup {
        /// Which group.
        group: Group,
        /// Who.
        name: Name,
    },
    /// Send log, call and event subscribers this news.
    Event(Event),
    /// For the operator's counts: a bound was reached.
    Reached(Bound),
    /// This life is over: close everything. The machine answers nothing more.
    Retire(RetireReason),
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

/// Why a worker is asked to move.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MoveReason {
    /// The strategy wants it elsewhere.
    Balance,
    /// Another copy of its name won, after a cut: what it would take along is offered to that one. Then it stops.
    Conflict,
    /// Its node leaves: if it would rather stay, it starts anew elsewhere (`Handoff::Restart`).
    Draining,
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
    /// Too few members are here for the strategy.
    QuorumLost,
    /// It goes on elsewhere, with what it handed over.
    HandedOver,
    /// A worker ended with which it belongs together: it starts again with it, or its name is freed with its.
    Companion,
}
