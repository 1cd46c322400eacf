//! A worker's mailbox: bounded, grown as it fills, never waited for by a reader of a link.

use std::any::Any;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::message::MessageId;
use super::messages::MessageSet;
use crate::calls::{ReplyPath, Undelivered};

/// How many calls wait in a mailbox before callers on this node wait too.
pub(crate) const CAPACITY: usize = 1024;

/// How many more calls from other nodes are parked, as their reader must not wait.
pub(crate) const PARKED: usize = 1024;

/// The calls that one worker has not taken yet.
pub(crate) struct Mailbox<S: MessageSet> {
    state: Mutex<State<S::Received>>,
}

struct State<T> {
    calls: VecDeque<T>,
    receiver: Option<Waker>,
    room: Vec<Waker>,
    open: bool,
}

/// A mailbox whose messages are not known here.
pub(crate) trait Delivery: Send + Sync {
    /// Takes the call out of `call`, an `Option<Call<M>>`. When there is no room, `waker` is woken once there is.
    fn offer(&self, call: &mut dyn Any, waker: Option<&Waker>) -> Result<(), Undelivered>;

    /// Takes a call that came from another node.
    fn deliver(&self, id: MessageId, bytes: &[u8], reply: ReplyPath) -> Result<(), (Undelivered, ReplyPath)>;

    /// What waits goes back to its callers.
    fn give_back(&self);

    /// Nothing is taken any more, and what waits goes back to its callers.
    fn close(&self);
}

impl<S: MessageSet> Mailbox<S> {
    pub(crate) fn new() -> Self {
        let state = State { calls: VecDeque::new(), receiver: None, room: Vec::new(), open: true };
        Self { state: Mutex::new(state) }
    }

    /// The next call; `None` once the mailbox is closed.
    pub(crate) async fn next(&self) -> Option<S::Received> {
        poll_fn(|context| self.poll_next(context.waker())).await
    }

    pub(crate) fn poll_next(&self, waker: &Waker) -> Poll<Option<S::Received>> {
        let mut state = self.state();
        let Some(call) = state.calls.pop_front() else {
            if !state.open {
                return Poll::Ready(None);
            }
            state.receiver = Some(waker.clone());
            return Poll::Pending;
        };
        let room = if state.calls.len() < CAPACITY { std::mem::take(&mut state.room) } else { Vec::new() };
        drop(state);
        room.into_iter().for_each(Waker::wake);
        Poll::Ready(Some(call))
    }

    fn put(&self, mut state: MutexGuard<'_, State<S::Received>>, call: S::Received) {
        state.calls.push_back(call);
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State<S::Received>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

impl<S: MessageSet> Delivery for Mailbox<S> {
    fn offer(&self, call: &mut dyn Any, waker: Option<&Waker>) -> Result<(), Undelivered> {
        let mut state = self.state();
        if !state.open {
            return Err(Undelivered::NotHere);
        }
        if state.calls.len() >= CAPACITY {
            if let Some(waker) = waker
                && !state.room.iter().any(|known| known.will_wake(waker))
            {
                state.room.push(waker.clone());
            }
            return Err(Undelivered::Overloaded);
        }
        let Some(call) = S::adopt(call) else { return Err(Undelivered::UnknownMessage) };
        self.put(state, call);
        Ok(())
    }

    fn deliver(&self, id: MessageId, bytes: &[u8], reply: ReplyPath) -> Result<(), (Undelivered, ReplyPath)> {
        let refused = {
            let state = self.state();
            match state.calls.len() {
                _ if !state.open => Some(Undelivered::NotHere),
                full if full >= CAPACITY + PARKED => Some(Undelivered::Overloaded),
                _ => None,
            }
        };
        if let Some(why) = refused {
            return Err((why, reply));
        }
        // Outside of the lock, and caught: it runs the user's code on the task that reads the link.
        let decoded = catch_unwind(AssertUnwindSafe(|| S::decode(id, bytes, reply)));
        let Ok(decoded) = decoded else {
            return Ok(()); // the panic dropped the way for the answer, which told the caller
        };
        let call = decoded?;
        let state = self.state();
        if !state.open {
            drop(state);
            S::give_back(call);
            return Ok(());
        }
        self.put(state, call); // one more for each link at most, if others were faster
        Ok(())
    }

    fn give_back(&self) {
        let calls = std::mem::take(&mut self.state().calls);
        calls.into_iter().for_each(S::give_back);
    }

    fn close(&self) {
        let mut state = self.state();
        state.open = false;
        let calls = std::mem::take(&mut state.calls);
        let mut wakers = std::mem::take(&mut state.room);
        wakers.extend(state.receiver.take());
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        calls.into_iter().for_each(S::give_back);
    }
}
