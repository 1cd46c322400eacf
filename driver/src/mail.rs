//! The engine's one queue: all that happens to a node, in the order in which it happened.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::channel::oneshot;
use skep_core::Instant;
use skep_core::delivery::Token;
use skep_core::error::{DialFailure, RegisterError};
use skep_core::event::{Observation, Registration, Reply, Request, Way};
use skep_core::id::{Address, Epoch, Kind, Life, LinkId, Name, Reason, Source};
use skep_core::wire::{Frame, Hello};

use crate::calls::{Router, is_for_engine};
use crate::host::SeatId;
use crate::link::{Credit, Link, Sink};
use crate::worker::{Beaten, Cancellation, Delivery, Handoff, Notice, Verdict};

/// Something that the engine has to know. Links are bounded by their credit, sources by `done`, workers and callers
/// by being one piece of mail each.
pub(crate) enum Mail {
    LinkUp {
        way: Way,
        peer: Hello,
        link: Link,
    },
    Control {
        link: LinkId,
        frame: Frame,
        credit: Credit,
    },
    LinkDown {
        link: LinkId,
        peer: Life,
    },
    DialFailed {
        address: Address,
        failure: DialFailure,
    },
    Ask {
        request: Request,
        deadline: Instant,
        reply: oneshot::Sender<Reply>,
    },
    /// What a worker asks for and does not wait for.
    Wish {
        request: Request,
        deadline: Instant,
    },
    Attach {
        name: Name,
        deadline: Instant,
        guest: Guest,
        reply: oneshot::Sender<Attaching>,
    },
    Started {
        seat: SeatId,
        result: Result<(), Reason>,
    },
    /// The task of a start is over: by itself, or (`None`) by force.
    Ended {
        seat: SeatId,
        verdict: Option<Verdict>,
    },
    /// A worker says how it moves, in answer to the question of this number.
    HandoffBegun {
        seat: SeatId,
        number: u64,
        handoff: Handoff,
    },
    /// A worker's state could not be shipped.
    StateLost {
        seat: SeatId,
    },
    /// A worker has looked at what a copy knew that it beat, or that did not come.
    ConflictResolved {
        seat: SeatId,
        beaten: Beaten,
        result: Result<(), Reason>,
    },
    Detached {
        name: Name,
        epoch: Epoch,
    },
    /// A peer asks whether all that it sent has come to who has its name now.
    Question {
        asker: Life,
        token: Token,
        credit: Option<Credit>,
    },
    /// The answer to such a question of ours.
    Flushed {
        from: Life,
        token: Token,
        credit: Option<Credit>,
    },
    /// The data path has something for the engine to see to.
    Attend,
    Observed {
        source: Source,
        observation: Observation,
        done: oneshot::Sender<()>,
    },
    Workers {
        reply: oneshot::Sender<Vec<Running>>,
    },
    /// The last user of the node is gone.
    Abandon,
}

impl Mail {
    /// Whether it comes in great numbers, and needs nothing that was ordered by what came before to be carried out.
    pub(crate) fn is_of_many(&self) -> bool {
        matches!(self, Self::Control { .. } | Self::Ask { .. } | Self::Started { .. })
    }
}

/// The answer to an attempt to attach.
pub(crate) type Attaching = Result<(Registration, Notice), RegisterError>;

/// A task of the user's that wants a name.
pub(crate) struct Guest {
    pub(crate) mailbox: Arc<dyn Delivery>,
    pub(crate) cancellation: Cancellation,
}

/// A worker that really runs in this process, as its host says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Running {
    /// Its name.
    pub name: Name,
    /// Which start.
    pub epoch: Epoch,
    /// What code; `attached` for attached ones.
    pub kind: Kind,
    /// Whether it blocks its thread and could not be stopped.
    pub is_stuck: bool,
}

/// The queue itself.
pub(crate) struct Inbox {
    state: Mutex<State>,
}

struct State {
    mail: VecDeque<Mail>,
    engine: Option<Waker>,
    open: bool,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { mail: VecDeque::new(), engine: None, open: true }) }
    }

    /// Adds to the queue. After the node's end it is dropped, which callers notice by their answer's channel.
    pub(crate) fn post(&self, mail: Mail) {
        let mut state = self.state();
        if !state.open {
            drop(state);
            drop(mail);
            return;
        }
        state.mail.push_back(mail);
        let engine = state.engine.take();
        drop(state);
        if let Some(engine) = engine {
            engine.wake();
        }
    }

    /// Takes all that is there; `into` must be empty.
    pub(crate) fn poll_take(&self, context: &mut Context<'_>, into: &mut VecDeque<Mail>) -> Poll<()> {
        let mut state = self.state();
        if state.mail.is_empty() {
            state.engine = Some(context.waker().clone());
            return Poll::Pending;
        }
        std::mem::swap(&mut state.mail, into);
        Poll::Ready(())
    }

    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.open = false;
        let mail = std::mem::take(&mut state.mail);
        drop(state);
        drop(mail);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

/// What a node does with what its transport reports: control to the engine, calls past it.
pub(crate) struct Entrance {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) router: Arc<Router>,
}

impl Sink for Entrance {
    fn up(&self, way: Way, peer: Hello, link: Link) {
        self.inbox.post(Mail::LinkUp { way, peer, link });
    }

    fn is_for_engine(&self, frame: &Frame) -> bool {
        frame.is_control() || is_for_engine(frame.kind)
    }

    fn control(&self, link: LinkId, frame: Frame, credit: Credit) {
        self.inbox.post(Mail::Control { link, frame, credit });
    }

    fn passed(&self, link: &Link, frame: Frame, credit: Option<Credit>) {
        self.router.passed(link, frame, credit);
    }

    fn down(&self, link: LinkId, peer: Life) {
        self.inbox.post(Mail::LinkDown { link, peer });
    }

    fn dial_failed(&self, address: Address, failure: DialFailure) {
        self.inbox.post(Mail::DialFailed { address, failure });
    }
}
