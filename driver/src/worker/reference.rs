//! A worker by its name, with its kind in the type.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use skep_core::error::BadText;
use skep_core::id::Name;

use super::{Handle, Message};
use crate::calls::{CallError, SendError};
use crate::node::{CallOrStartError, Node};

/// A worker of kind `W`, wherever it runs: a name, so that it survives moves and failovers and travels in messages.
/// Only messages that `W` handles can be sent through it.
///
/// It calls from a [`Node`], or from a worker's [`Context`](super::Context).
pub struct Ref<W> {
    name: Name,
    of: PhantomData<fn(W)>,
}

impl<W> Ref<W> {
    /// The worker of this name. Whether it exists, and is of this kind, shows when it is called.
    ///
    /// # Errors
    /// [`BadText`] if no name is like this.
    pub fn new(name: impl AsRef<str>) -> Result<Self, BadText> {
        Ok(Self::of(Name::new(name)?))
    }

    /// The worker of this name.
    pub fn of(name: Name) -> Self {
        Self { name, of: PhantomData }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Sends a message and waits for the answer.
    ///
    /// # Errors
    /// As [`Node::call`].
    pub async fn call<M: Message>(
        &self,
        from: &impl AsRef<Node>,
        message: M,
        timeout: Duration,
    ) -> Result<M::Reply, CallError>
    where
        W: Handle<M>,
    {
        from.as_ref().call(self.name.as_str(), message, timeout).await
    }

    /// As [`Ref::call`], for a message that does no harm when it is handled twice: sent again if the worker failed or
    /// the link to it was lost.
    ///
    /// # Errors
    /// As [`Node::call_idempotent`].
    pub async fn call_idempotent<M: Message + Clone>(
        &self,
        from: &impl AsRef<Node>,
        message: M,
        timeout: Duration,
    ) -> Result<M::Reply, CallError>
    where
        W: Handle<M>,
    {
        from.as_ref().call_idempotent(self.name.as_str(), message, timeout).await
    }

    /// Calls the worker, and starts it first if it is not there: a session for each user, started on its first message.
    /// While it is there this costs what a call costs, and the arguments go unused.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use skep::{Failure, Handle, Message, Node, Ref};
    /// # async fn example<Session: Handle<Hello, Args = u64>, Hello: Message<Reply = String>>(
    /// #     node: &Node,
    /// #     hello: Hello,
    /// # ) -> Result<(), Failure> {
    /// let second = Duration::from_secs(1);
    /// let said = Ref::<Session>::new("session-7")?.call_or_start(node, 7, hello, second).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What kept it from being started, or as [`Node::call`].
    pub async fn call_or_start<M: Message>(
        &self,
        from: &impl AsRef<Node>,
        args: W::Args,
        message: M,
        timeout: Duration,
    ) -> Result<M::Reply, CallOrStartError>
    where
        W: Handle<M>,
    {
        from.as_ref().call_or_start::<W, M>(&self.name, args, message, timeout).await
    }

    /// Sends a message that wants no answer.
    ///
    /// # Errors
    /// As [`Node::send`].
    pub fn send<M: Message>(&self, from: &impl AsRef<Node>, message: M) -> Result<(), SendError>
    where
        W: Handle<M>,
    {
        from.as_ref().send(self.name.as_str(), message)
    }
}

impl<W> Clone for Ref<W> {
    fn clone(&self) -> Self {
        Self::of(self.name.clone())
    }
}

impl<W> PartialEq for Ref<W> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<W> Eq for Ref<W> {}

impl<W> Hash for Ref<W> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl<W> fmt::Debug for Ref<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ref({:?})", self.name)
    }
}

impl<W> Serialize for Ref<W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

impl<'de, W> Deserialize<'de> for Ref<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Name::deserialize(deserializer).map(Self::of)
    }
}
