//! A task of the user's own under a name: it receives messages, is told to stop, and is never killed.

use std::fmt;
use std::sync::Arc;

use skep_core::event::{Registration, StopReason};
use skep_core::id::{Epoch, Name};

use super::cancel::Cancellation;
use super::mailbox::{Delivery, Mailbox};
use super::messages::MessageSet;
use crate::mail::{Inbox, Mail};
use crate::node::Shared;

/// The end of a name that a running task holds: messages of the tuple `S` arrive here.
///
/// Dropping it frees the name.
///
/// ```no_run
/// # use std::time::Duration;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct Add(u64);
/// # impl skep::Message for Add {
/// #     const NAME: &'static str = "counter.add";
/// #     type Reply = u64;
/// # }
/// use skep::OneOf1;
///
/// # async fn example(node: skep::Node) -> Result<(), skep::Failure> {
/// let mut attached = node.attach::<(Add,)>("total", Duration::from_secs(5)).await?;
/// let mut total = 0;
/// while let Some(OneOf1::First(call)) = attached.next().await {
///     call.answer(|Add(n)| {
///         total += n;
///         total
///     });
/// }
/// # Ok(())
/// # }
/// ```
pub struct Attached<S: MessageSet> {
    registration: Registration,
    mailbox: Arc<Mailbox<S>>,
    notice: Notice,
    shared: Arc<Shared>,
}

/// What ties an attached task to the node's engine. Dropping it frees the name.
pub(crate) struct Notice {
    pub(crate) name: Name,
    pub(crate) epoch: Epoch,
    pub(crate) cancellation: Cancellation,
    pub(crate) inbox: Arc<Inbox>,
}

impl<S: MessageSet> Attached<S> {
    pub(crate) fn new(
        registration: Registration,
        mailbox: Arc<Mailbox<S>>,
        notice: Notice,
        shared: Arc<Shared>,
    ) -> Self {
        Self { registration, mailbox, notice, shared }
    }

    /// The name that it holds.
    pub fn name(&self) -> &Name {
        &self.notice.name
    }

    /// Where it is registered, with its epoch.
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// The next message. `None` once the name is not held any more; then [`Attached::stopping`] says why, or the
    /// node has ended.
    pub async fn next(&mut self) -> Option<S::Received> {
        self.mailbox.next().await
    }

    /// Ready while too few members are here for workers to run. Managed ones are stopped then; this one keeps its
    /// name, hears its messages, and decides by itself what it may still do.
    pub async fn quorum_lost(&self) {
        self.shared.status.until(|state| (!state.has_quorum).then_some(())).await;
    }

    /// Why the name is not held any more; `None` while it is.
    pub fn stopping(&self) -> Option<StopReason> {
        self.notice.cancellation.why()
    }
}

impl<S: MessageSet> Drop for Attached<S> {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        self.inbox.post(Mail::Detached { name: self.name.clone(), epoch: self.epoch });
    }
}

impl<S: MessageSet> fmt::Debug for Attached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").field("registration", &self.registration).finish_non_exhaustive()
    }
}
