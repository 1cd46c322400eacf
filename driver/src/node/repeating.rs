//! Calls that are made again when nobody knows whether they were handled.

use std::time::Duration;

use super::Node;
use crate::calls::{CallError, Handled};
use crate::worker::Message;

/// How often a message is sent at most. A message that ends each worker that handles it must not do so for long.
const MOST: usize = 5;

/// The pause before the next time, half of it by chance: doubled each time, between these two.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

impl Node {
    /// As [`Node::call`], for a message that does no harm when it is handled twice: if the worker failed, or the link
    /// to it was lost, it is sent again, up to the deadline, five times at most.
    ///
    /// # Errors
    /// As [`Node::call`], of the last time; or of one before, if that may have been handled and the last was not.
    pub async fn call_idempotent<M: Message + Clone>(
        &self,
        name: impl AsRef<str>,
        message: M,
        timeout: Duration,
    ) -> Result<M::Reply, CallError> {
        let platform = &self.shared.platform;
        let deadline = platform.now() + timeout;
        let (mut pause, mut doubt) = (FIRST_PAUSE, None);
        for number in 1.. {
            let left = deadline.since(platform.now());
            let error = match self.call(name.as_ref(), message.clone(), left).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let is_over = match &error {
                CallError::WorkerFailed { .. } | CallError::LinkLost => number == MOST,
                _ => true,
            };
            match error.handled() {
                Handled::Maybe => doubt = Some(error),
                Handled::No if is_over => return Err(doubt.unwrap_or(error)),
                Handled::No => {}
            }
            if is_over {
                break;
            }
            let by_chance = platform.random() % (pause.as_micros() as u64 / 2);
            platform
                .sleep_until(deadline.min(platform.now() + pause / 2 + Duration::from_micros(by_chance)))
                .await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(doubt.expect("a call that was made ended in doubt, or returned"))
    }
}
