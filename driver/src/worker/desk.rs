//! What a host wishes of a worker that runs: taken up between two messages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use skep_core::event::MoveReason;
use skep_core::id::{Epoch, Life, Reason};

use super::handoff::{Handoff, State};
use crate::host::SeatId;
use crate::mail::{Inbox, Mail};

/// Where a host leaves its wishes, in order. A host asks for a handoff and waits for the answer, unless it gives the
/// move up, so that few wait here.
#[derive(Clone)]
pub(crate) struct Desk {
    seat: SeatId,
    inbox: Arc<Inbox>,
    state: Arc<Mutex<Wishes>>,
}

#[derive(Default)]
struct Wishes {
    wishes: VecDeque<Wish>,
    worker: Option<Waker>,
    /// How often it was asked how it moves, and which of these questions it took up last.
    asked: u64,
    taken: u64,
}

/// What a host wishes.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Say how you move, and do nothing from then on unless you stay.
    BeginHandoff(MoveReason),
    /// Do nothing from now on.
    Freeze,
    /// Go on, from wherever you were held.
    GoOn,
    /// Look at what a copy knew that you beat.
    ResolveConflict(Beaten, State),
}

/// A copy of a worker that lost against it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Beaten {
    /// Which start.
    pub(crate) epoch: Epoch,
    /// Where it runs.
    pub(crate) at: Life,
}

impl Desk {
    pub(crate) fn new(seat: SeatId, inbox: Arc<Inbox>) -> Self {
        Self { seat, inbox, state: Arc::default() }
    }

    /// Asks how it moves. The number is that of the answer: of a move that was given up, one may still be on its way.
    pub(crate) fn ask(&self, why: MoveReason) -> u64 {
        self.leave(Wish::BeginHandoff(why));
        self.state().asked
    }

    pub(crate) fn leave(&self, wish: Wish) {
        let mut state = self.state();
        state.asked += u64::from(matches!(wish, Wish::BeginHandoff(_)));
        state.wishes.push_back(wish);
        let worker = state.worker.take();
        drop(state);
        if let Some(worker) = worker {
            worker.wake();
        }
    }

    pub(crate) fn poll_wish(&self, waker: &Waker) -> Poll<Wish> {
        let mut state = self.state();
        if let Some(wish) = state.wishes.pop_front() {
            state.taken += u64::from(matches!(wish, Wish::BeginHandoff(_)));
            return Poll::Ready(wish);
        }
        if !state.worker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.worker = Some(waker.clone());
        }
        Poll::Pending
    }

    /// The answer to [`Wish::BeginHandoff`].
    pub(crate) fn answer(&self, handoff: Handoff) {
        let number = self.state().taken;
        self.inbox.post(Mail::HandoffBegun { seat: self.seat, number, handoff });
    }

    /// The answer to [`Wish::ResolveConflict`].
    pub(crate) fn resolved(&self, beaten: Beaten, result: Result<(), Reason>) {
        self.inbox.post(Mail::ConflictResolved { seat: self.seat, beaten, result });
    }

    fn state(&self) -> MutexGuard<'_, Wishes> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}
