//! What a host wishes of a worker that runs: taken up between two messages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use skep_core::event::MoveReason;
use skep_core::id::{Epoch, Life, Reason};

use super::handoff::{Handoff, State};
use crate::host::SeatId;
use crate::mail::{Inbox, Mail};

/// Where a host leaves its wishes, in order. A host asks for a handoff once and waits for the answer, so that few
/// wait here.
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

    pub(crate) fn leave(&self, wish: Wish) {
        let mut state = self.state();
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
            return Poll::Ready(wish);
        }
        if !state.worker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.worker = Some(waker.clone());
        }
        Poll::Pending
    }

    /// The answer to [`Wish::BeginHandoff`].
    pub(crate) fn answer(&self, handoff: Handoff) {
        self.inbox.post(Mail::HandoffBegun { seat: self.seat, handoff });
    }

    /// The answer to [`Wish::ResolveConflict`].
    pub(crate) fn resolved(&self, beaten: Beaten, result: Result<(), Reason>) {
        self.inbox.post(Mail::ConflictResolved { seat: self.seat, beaten, result });
    }

    fn state(&self) -> MutexGuard<'_, Wishes> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}
