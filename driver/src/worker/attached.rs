//! A task of the user's own under a name: it receives messages, is told to stop, and is never killed.

use std::fmt;
use std::sync::Arc;

use skep_core::event::{Registration, StopReason};
use skep_core::id::{Epoch, Name};

use super::cancel::Cancellation;
use super::context::CurrentEpoch;
use super::mailbox::{Delivery, Mailbox};
use super::message::{Message, ReplyTo};
use super::messages::MessageSet;
use crate::calls::Waiting;
use crate::mail::{Inbox, Mail};
use crate::node::{Node, Shared};

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
///
/// What it calls in order to answer it calls from [`Attached::node_for`], so that nobody waits in a circle.
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

    /// The node, to call others from in order to give this answer, as [`Context::node`](crate::Context::node) is to a
    /// worker: such calls end when the caller stops waiting, and are [`CallError::Cycle`](crate::CallError::Cycle) at
    /// once if they go to somebody who waits for this answer, or to this name, on whichever node. Calls from a clone of
    /// it, or from any other node, are nobody's: one that comes back to this name while the task waits for it ends at
    /// its deadline, as [`CallError::Timeout`](crate::CallError::Timeout).
    ///
    /// It does not keep the node alive, and it outlives what it came from: a task for each message may have its own.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Price(String);
    /// # impl skep::Message for Price {
    /// #     const NAME: &'static str = "shop.price";
    /// #     type Reply = u64;
    /// # }
    /// use skep::OneOf1;
    ///
    /// # async fn example(mut shop: skep::Attached<(Price,)>) -> Result<(), skep::Failure> {
    /// while let Some(OneOf1::First(call)) = shop.next().await {
    ///     let (Price(of), reply) = call.split();
    ///     let node = shop.node_for(&reply);
    ///     match node.call("wholesale", Price(of), Duration::from_secs(5)).await {
    ///         Ok(price) => reply.send(price * 2),
    ///         Err(_) => drop(reply), // which tells the caller that it failed
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn node_for<M: Message>(&self, reply: &ReplyTo<M>) -> Node {
        self.node_of(reply.path.waiting().clone())
    }

    /// The node, to call others from when nobody waits for this task: a call from it that comes back to this name is
    /// [`CallError::Cycle`](crate::CallError::Cycle) at once. Only for a task that takes no messages while it waits:
    /// one that does could answer it, and calls from the node that it was attached on.
    pub fn node(&self) -> Node {
        self.node_of(Waiting::nobody())
    }

    fn node_of(&self, waiting: Waiting) -> Node {
        let mut node = self.shared.node();
        node.call_as(self.notice.name.clone(), CurrentEpoch::new(self.notice.epoch));
        node.call_for(waiting);
        node
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
