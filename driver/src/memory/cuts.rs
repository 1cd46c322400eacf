//! Which places of a network in memory do not hear each other.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use skep_core::id::Address;

/// Pairs of places that are cut off from each other, and who waits for them to be so no more.
#[derive(Default)]
pub(super) struct Cuts {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pairs: BTreeSet<[Address; 2]>,
    waiting: Vec<Waker>,
}

impl Cuts {
    pub(super) fn cut(&self, one: &Address, other: &Address) {
        self.state().pairs.insert(pair(one, other));
    }

    pub(super) fn heal(&self) {
        let mut state = self.state();
        state.pairs.clear();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ready while the two hear each other.
    pub(super) async fn healed(&self, one: &Address, other: &Address) {
        poll_fn(|context| {
            let mut state = self.state();
            if state.pairs.is_empty() || !state.pairs.contains(&pair(one, other)) {
                return Poll::Ready(());
            }
            if !state.waiting.iter().any(|known| known.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

fn pair(one: &Address, other: &Address) -> [Address; 2] {
    let mut pair = [one.clone(), other.clone()];
    pair.sort();
    pair
}
