//! A worker's mailbox: bounded, grown as it fills, never waited for by a reader of a link.

use std::any::Any;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::message::MessageId;
use super::messages::MessageSet;
use crate::calls::{CallBounds, Forwarding, ReplyPath, Undelivered};
use crate::limits::{Limit, Reached};
use crate::link::Backlog;

/// So many times as many may wait of those that are forwarded here: there is room for all that a mailbox elsewhere held.
const FORWARDED: usize = 2;

/// The calls that one worker has not taken yet.
pub(crate) struct Mailbox<S: MessageSet> {
    bounds: Arc<CallBounds>,
    reached: Arc<Reached>,
    /// Of what came from other nodes.
    backlog: Backlog,
    state: Mutex<State<S::Received>>,
}

struct State<T> {
    calls: VecDeque<T>,
    receiver: Option<Waker>,
    room: Vec<Waker>,
    stage: Stage,
}

enum Stage {
    Open,
    /// Its worker moved.
    Forwarding(Arc<Forwarding>),
    Closed,
}

/// A mailbox whose messages are not known here.
pub(crate) trait Delivery: Send + Sync {
    /// Takes the call out of `call`, an `Option<Call<M>>`. When there is no room, `waker` is woken once there is.
    fn offer(&self, call: &mut dyn Any, waker: Option<&Waker>) -> Result<(), Undelivered>;

    /// Takes a call that came from another node.
    fn deliver(&self, id: MessageId, bytes: &[u8], reply: ReplyPath) -> Result<(), (Undelivered, ReplyPath)>;

    /// As [`Delivery::deliver`], of one that was forwarded: there is more room.
    fn deliver_forwarded(
        &self,
        id: MessageId,
        bytes: &[u8],
        reply: ReplyPath,
    ) -> Result<(), (Undelivered, ReplyPath)>;

    /// From now on all that waits and all that comes is forwarded, in order.
    fn forward(&self, forwarding: Forwarding);

    /// What comes is kept again, unless the mailbox is closed.
    fn reopen(&self);

    /// Nothing is taken any more, and what waits goes back to its callers.
    fn close(&self);
}

impl<S: MessageSet> Mailbox<S> {
    pub(crate) fn new(bounds: Arc<CallBounds>, reached: Arc<Reached>) -> Self {
        let state = State { calls: VecDeque::new(), receiver: None, room: Vec::new(), stage: Stage::Open };
        Self { bounds, reached, backlog: Backlog::default(), state: Mutex::new(state) }
    }

    /// The next call; `None` once the mailbox is closed.
    pub(crate) async fn next(&self) -> Option<S::Received> {
        poll_fn(|context| self.poll_next(context.waker())).await
    }

    pub(crate) fn poll_next(&self, waker: &Waker) -> Poll<Option<S::Received>> {
        let mut state = self.state();
        let Some(call) = state.calls.pop_front() else {
            if matches!(state.stage, Stage::Closed) {
                return Poll::Ready(None);
            }
            state.receiver = Some(waker.clone());
            return Poll::Pending;
        };
        let room = if state.calls.len() < self.bounds.mailbox {
            std::mem::take(&mut state.room)
        } else {
            Vec::new()
        };
        drop(state);
        room.into_iter().for_each(Waker::wake);
        Poll::Ready(Some(call))
    }

    fn take(
        &self,
        id: MessageId,
        bytes: &[u8],
        mut reply: ReplyPath,
        times: usize,
    ) -> Result<(), (Undelivered, ReplyPath)> {
        let state = self.state();
        match &state.stage {
            Stage::Open => {
                let full = self.full(state.calls.len(), reply.is_parked(), times);
                drop(state);
                if let Some(limit) = full {
                    if reply.is_parked() {
                        self.reached.count(limit);
                    }
                    return Err((Undelivered::Overloaded, reply));
                }
                reply.enter(&self.backlog);
            }
            Stage::Forwarding(forwarding) => {
                let forwarding = forwarding.clone();
                drop(state);
                forwarding.forward(id, bytes.to_vec(), reply);
                return Ok(());
            }
            Stage::Closed => return Err((Undelivered::NotHere, reply)),
        }
        // Outside of the lock, and caught: it runs the user's code on the task that reads the link.
        let decoded = catch_unwind(AssertUnwindSafe(|| S::decode(id, bytes, reply)));
        let Ok(decoded) = decoded else {
            return Ok(()); // the panic dropped the way for the answer, which told the caller
        };
        let call = decoded?;
        let state = self.state();
        match &state.stage {
            Stage::Open => self.put(state, call), // one more for each link at most, if others were faster
            Stage::Forwarding(forwarding) => {
                let forwarding = forwarding.clone();
                drop(state);
                forward::<S>(&forwarding, call);
            }
            Stage::Closed => {
                drop(state);
                S::give_back(call);
            }
        }
        Ok(())
    }

    /// Which bound is in the way of one more, if any. So many times as much may wait as otherwise.
    fn full(&self, waiting: usize, is_parked: bool, times: usize) -> Option<Limit> {
        let CallBounds { mailbox, parked, parked_bytes, .. } = *self.bounds;
        if waiting >= mailbox.saturating_add(parked).saturating_mul(times) {
            return Some(Limit::Mailbox);
        }
        let is_heavy = is_parked && self.backlog.bytes() >= parked_bytes.saturating_mul(times);
        is_heavy.then_some(Limit::MailboxBytes)
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
        match &state.stage {
            Stage::Open => {}
            Stage::Forwarding(forwarding) => {
                let forwarding = forwarding.clone();
                drop(state);
                let Some(call) = S::adopt(call) else { return Err(Undelivered::UnknownMessage) };
                forward::<S>(&forwarding, call);
                return Ok(());
            }
            Stage::Closed => return Err(Undelivered::NotHere),
        }
        if state.calls.len() >= self.bounds.mailbox {
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
        self.take(id, bytes, reply, 1)
    }

    fn deliver_forwarded(
        &self,
        id: MessageId,
        bytes: &[u8],
        reply: ReplyPath,
    ) -> Result<(), (Undelivered, ReplyPath)> {
        self.take(id, bytes, reply, FORWARDED)
    }

    fn forward(&self, forwarding: Forwarding) {
        let forwarding = Arc::new(forwarding);
        loop {
            let mut state = self.state();
            if state.calls.is_empty() {
                if matches!(state.stage, Stage::Open) {
                    state.stage = Stage::Forwarding(forwarding);
                }
                let room = std::mem::take(&mut state.room);
                drop(state);
                room.into_iter().for_each(Waker::wake);
                return;
            }
            let calls = std::mem::take(&mut state.calls);
            drop(state); // what comes meanwhile has its turn behind these
            calls.into_iter().for_each(|call| forward::<S>(&forwarding, call));
        }
    }

    fn reopen(&self) {
        let mut state = self.state();
        if matches!(state.stage, Stage::Forwarding(_)) {
            state.stage = Stage::Open;
        }
    }

    fn close(&self) {
        let mut state = self.state();
        state.stage = Stage::Closed;
        let calls = std::mem::take(&mut state.calls);
        let mut wakers = std::mem::take(&mut state.room);
        wakers.extend(state.receiver.take());
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        calls.into_iter().for_each(S::give_back);
    }
}

/// Caught: it runs the user's code on somebody else's task. A panic drops the way for the answer, which tells the
/// caller.
fn forward<S: MessageSet>(forwarding: &Forwarding, call: S::Received) {
    match catch_unwind(AssertUnwindSafe(|| S::encode(call))) {
        Ok(Ok((id, bytes, path))) => forwarding.forward(id, bytes, path),
        Ok(Err(path)) => path.refuse(Undelivered::BadMessage),
        Err(_) => {}
    }
}
