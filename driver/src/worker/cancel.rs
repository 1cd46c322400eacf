//! How a worker learns that it has to stop.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::FutureExt;
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
    sleepers: usize,
}

/// Counts as a sleeper from its first poll on.
struct Asleep<F> {
    sleep: F,
    of: Cancellation,
    counted: bool,
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

    /// The same sleep, while which [`Cancellation::is_asleep`].
    pub(crate) fn asleep<F: Future<Output = ()> + Send + Unpin>(
        &self,
        sleep: F,
    ) -> impl Future<Output = ()> + Send + use<F> {
        Asleep { sleep, of: self.clone(), counted: false }
    }

    pub(crate) fn is_asleep(&self) -> bool {
        self.state().sleepers > 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

impl<F: Future<Output = ()> + Unpin> Future for Asleep<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.sleep.poll_unpin(context).is_ready() {
            self.wake_up();
            return Poll::Ready(());
        }
        if !self.counted {
            self.counted = true;
            self.of.state().sleepers += 1;
        }
        Poll::Pending
    }
}

impl<F> Asleep<F> {
    fn wake_up(&mut self) {
        if std::mem::take(&mut self.counted) {
            self.of.state().sleepers -= 1;
        }
    }
}

impl<F> Drop for Asleep<F> {
    fn drop(&mut self) {
        self.wake_up();
    }
}
