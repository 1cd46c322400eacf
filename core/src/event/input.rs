//! What happens to a machine.

use super::{Observation, Request};
use crate::error::DialFailure;
use crate::id::{Address, CallId, Epoch, Life, LinkId, Name, Reason, Source};
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
    /// The answer to `Output::BeginHandoff`.
    HandoffBegun {
        /// As ordered.
        name: Name,
        /// As ordered.
        epoch: Epoch,
        /// How it moves.
        handoff: Handoff,
    },
    /// The state of an `Output::SendState` cannot be sent.
    StateLost {
        /// As ordered.
        name: Name,
        /// As ordered.
        epoch: Epoch,
    },
    /// The answer to `Output::Prepare`.
    WorkerPrepared {
        /// As ordered.
        name: Name,
        /// As ordered.
        epoch: Epoch,
        /// Ready to act, or why not.
        result: Result<(), Reason>,
    },
    /// The answer to `Output::ResolveConflict`.
    ConflictResolved {
        /// As ordered.
        name: Name,
        /// As ordered.
        epoch: Epoch,
        /// As ordered.
        beaten: Epoch,
        /// As ordered.
        from: Life,
        /// It was looked at, or why not.
        result: Result<(), Reason>,
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

/// Who began a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// We did, to this address.
    Dialled(Address),
    /// The peer did.
    Accepted,
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

/// How a worker moves to another node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handoff {
    /// Not at all, as long as its node stays.
    Stay,
    /// It starts anew there, from its arguments.
    Restart,
    /// It goes on there with its state.
    Resume {
        /// How long that is.
        bytes: u64,
    },
}
