//! Questions of a node that leaves: has everything come that was sent to it, and has all of that gone on?

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;
use futures::future::join_all;
use skep_core::Instant;
use skep_core::delivery::Token;
use skep_core::id::Life;

use super::router::Router;

/// Tokens from here on are those of a fence.
const FIRST: u64 = 1 << 63;

/// Fences that were not passed yet.
#[derive(Default)]
pub(super) struct Fences {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: u64,
    waiting: HashMap<(Life, Token), oneshot::Sender<()>>,
}

impl Fences {
    fn put_up(&self, life: Life) -> (Token, oneshot::Receiver<()>) {
        let mut state = self.state();
        state.last += 1;
        let token = Token(FIRST + state.last);
        let (sender, passed) = oneshot::channel();
        state.waiting.insert((life, token), sender);
        (token, passed)
    }

    /// Whether the answer was one to a fence.
    pub(super) fn answered(&self, from: Life, token: Token) -> bool {
        if let Some(waiting) = self.state().waiting.remove(&(from, token)) {
            let _ = waiting.send(()); // who waited may have given up
        }
        token.0 >= FIRST
    }

    /// There is no link to that life any more: what came on it has come, and no fence there is answered.
    pub(super) fn lost(&self, life: Life) {
        self.state().waiting.retain(|(at, _), _| *at != life);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}

impl Router {
    /// Ready once all that peers sent here, before they knew that their names are elsewhere, has come and has been
    /// forwarded, and arrived; at the deadline in any case. For a node that has handed all its names over.
    pub(crate) async fn settled(&self, deadline: Instant) {
        let others = self.links.lives().into_iter().filter_map(|life| {
            let (token, passed) = self.fences.put_up(life);
            self.put_question(life, token).then_some(passed)
        });
        let others = join_all(others.collect::<Vec<_>>());
        if self.platform.by(deadline, others).await.is_none() {
            return;
        }
        let (token, passed) = self.fences.put_up(self.life());
        self.on_question(self.life(), token);
        let _ = self.platform.by(deadline, passed).await; // or not: then it is lost with this node
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn nobody_waits_at_a_fence_of_a_life_that_left() {
        let fences = Fences::default();
        let (_, mut left) = fences.put_up(Life(2));
        let (token, mut stays) = fences.put_up(Life(3));
        fences.lost(Life(2));
        assert_eq!((&mut left).now_or_never(), Some(Err(oneshot::Canceled)));
        assert_eq!((&mut stays).now_or_never(), None);
        assert!(fences.answered(Life(3), token));
        assert_eq!(stays.now_or_never(), Some(Ok(())));
    }
}
