//! Messages to workers, wherever they are.

use std::time::Duration;

use skep_core::Instant;
use skep_core::error::LookupError;

use super::Node;
use crate::calls::{CallError, Handled, SendError, Waiting};
use crate::lookup::Known;
use crate::worker::Message;

impl Node {
    /// Sends a message to the worker of a name and waits for its answer. While the name has no holder that can be
    /// reached this waits too. A name that this node does not know is asked for at its arbiter first: it may have
    /// been registered just now.
    ///
    /// Dropping the future gives the answer up; the message may be handled all the same.
    ///
    /// From a worker's [`Context`](crate::Context) it is a call on behalf of who waits for that worker: it ends when
    /// they stop waiting, and it is [`CallError::Cycle`] at once if it goes to one of them, on whichever node. Two
    /// workers that call each other without being asked to wait until one's deadline.
    ///
    /// # Errors
    /// [`CallError::handled`] says of each whether the message may have been handled.
    pub async fn call<M: Message>(
        &self,
        name: impl AsRef<str>,
        message: M,
        timeout: Duration,
    ) -> Result<M::Reply, CallError> {
        let (name, waiting) = (name.as_ref(), self.waiting_for(timeout));
        self.shared.router.check_chain(name, &waiting)?;
        if self.shared.router.lookup.get(name) == Known::Free {
            self.find(name, waiting.until).await.map_err(not_found)?;
        }
        self.shared.router.call(name, message, &waiting).await
    }

    /// Sends a message that wants no answer to the worker of a name. Waits for nothing: while the name moves, or its
    /// worker is being restarted, the message is held here, for at most five seconds in the latter case.
    ///
    /// # Errors
    /// What keeps it from being sent. That it was sent does not say that it arrives.
    pub fn send<M: Message>(&self, name: impl AsRef<str>, message: M) -> Result<(), SendError> {
        self.shared.router.send(name.as_ref(), message)
    }

    /// Who waits for a call that is made now, and until when.
    pub(super) fn waiting_for(&self, timeout: Duration) -> Waiting {
        let mut waiting = self.waiting.clone();
        waiting.until = waiting.until.min(self.shared.platform.now() + timeout);
        if let Some((name, epoch)) = &self.worker {
            waiting.chain.add(name, epoch.get());
        }
        waiting
    }

    /// Until this node knows a name that its arbiter knows.
    pub(super) async fn find(&self, name: &str, deadline: Instant) -> Result<(), LookupError> {
        let left = deadline.since(self.shared.platform.now());
        self.whereis_consistent(name, left).await?;
        let known = self.shared.router.lookup.known(name);
        self.shared.platform.by(deadline, known).await.ok_or(LookupError::Timeout)
    }
}

fn not_found(error: LookupError) -> CallError {
    match error {
        LookupError::Busy => CallError::Overloaded,
        LookupError::Timeout => CallError::Timeout { handled: Handled::No },
        LookupError::Leaving => CallError::Ended,
        _ => CallError::NotFound,
    }
}
