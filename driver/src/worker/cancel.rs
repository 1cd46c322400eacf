//! How a worker learns that it has to stop.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use skep_core::event::StopReason;

/// Said once, heard by all clones.
#[derive(Clone, Default)]
pub(crate) struct Cancellation {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    why: Option<StopReason>,
    waiting: Vec<Waker>,
}

impl Cancellation {
    pub(crate) fn cancel(&self, why: StopReason) {
        let mut state = self.state();
        state.why.get_or_insert(why);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn why(&self) -> Option<StopReason> {
        self.state().why
    }

    pub(crate) fn cancelled(&self) -> impl Future<Output = StopReason> + Send + use<> {
        let this = self.clone();
        poll_fn(move |context| {
            let mut state = this.state();
            if let Some(why) = state.why {
                return Poll::Ready(why);
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}
