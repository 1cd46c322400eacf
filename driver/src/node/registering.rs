//! Claiming names and freeing them.

use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use skep_core::error::{RegisterError, UnregisterError};
use skep_core::event::{Registration, Reply, Request, WorkerSpec};
use skep_core::id::{Kind, Name, Payload};

use super::Node;
use crate::mail::{Guest, Mail};
use crate::worker::{Attached, Cancellation, Mailbox, MessageSet, Worker};

/// The answer to [`Node::whereis_or_register`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where it runs.
    pub registration: Registration,
    /// Whether this request started it.
    pub started: bool,
}

impl Node {
    /// Registers a worker: some node that has its kind starts it, and every other one after that if it must.
    /// Returns when it runs and, where there is another node that is up, one of these knows of it too.
    ///
    /// # Errors
    /// [`RegisterError::AlreadyRegistered`] with the holder, from whichever node is asked: nothing was started.
    /// The others say in their own words what was wrong.
    pub async fn register<W: Worker>(
        &self,
        name: impl AsRef<str>,
        args: W::Args,
        timeout: Duration,
    ) -> Result<Registration, RegisterError> {
        self.register_raw(name, W::KIND, encode::<W>(&args)?, timeout).await
    }

    /// As [`Node::register`], for a kind that is known by its name only, with encoded arguments.
    ///
    /// # Errors
    /// As [`Node::register`].
    pub async fn register_raw(
        &self,
        name: impl AsRef<str>,
        kind: &str,
        args: Payload,
        timeout: Duration,
    ) -> Result<Registration, RegisterError> {
        let name = Name::new(name).map_err(RegisterError::BadName)?;
        let kind = Kind::new(kind).map_err(|_| RegisterError::UnknownKind)?;
        let request = Request::Register { name, worker: WorkerSpec::Managed { kind, args } };
        match self.ask(request, timeout).await {
            Some(Reply::Registered(result)) => result,
            Some(_) | None => Err(RegisterError::Leaving),
        }
    }

    /// Where the name runs; it is registered first if nobody has it. The name's arbiter decides, so that only one
    /// of many that ask at once starts it.
    ///
    /// # Errors
    /// As [`Node::register`], but for [`RegisterError::AlreadyRegistered`].
    pub async fn whereis_or_register<W: Worker>(
        &self,
        name: impl AsRef<str>,
        args: W::Args,
        timeout: Duration,
    ) -> Result<Found, RegisterError> {
        self.whereis_or_register_raw(name, W::KIND, encode::<W>(&args)?, timeout).await
    }

    /// As [`Node::whereis_or_register`], for a kind that is known by its name only, with encoded arguments.
    ///
    /// # Errors
    /// As [`Node::whereis_or_register`].
    pub async fn whereis_or_register_raw(
        &self,
        name: impl AsRef<str>,
        kind: &str,
        args: Payload,
        timeout: Duration,
    ) -> Result<Found, RegisterError> {
        match self.register_raw(name, kind, args, timeout).await {
            Ok(registration) => Ok(Found { registration, started: true }),
            Err(RegisterError::AlreadyRegistered { holder }) => {
                Ok(Found { registration: holder, started: false })
            }
            Err(error) => Err(error),
        }
    }

    /// Registers a task that runs already: messages of the tuple `S` arrive at what this returns. It does not move,
    /// and is told to stop, never killed. Dropping what this returns frees the name.
    ///
    /// # Errors
    /// As [`Node::register`], but for those of a start.
    pub async fn attach<S: MessageSet>(
        &self,
        name: impl AsRef<str>,
        timeout: Duration,
    ) -> Result<Attached<S>, RegisterError> {
        let name = Name::new(name).map_err(RegisterError::BadName)?;
        let mailbox = Arc::new(Mailbox::<S>::new());
        let guest = Guest { mailbox: mailbox.clone(), cancellation: Cancellation::default() };
        let deadline = self.shared.platform.now() + timeout;
        let (reply, answer) = oneshot::channel();
        self.shared.inbox.post(Mail::Attach { name, deadline, guest, reply });
        let (registration, notice) = answer.await.unwrap_or(Err(RegisterError::Leaving))?;
        Ok(Attached::new(registration, mailbox, notice))
    }

    /// Frees a name. A managed worker is stopped first, kindly and then by force; an attached one is told.
    ///
    /// # Errors
    /// [`UnregisterError::NotFound`] if nobody has the name.
    pub async fn unregister(&self, name: impl AsRef<str>, timeout: Duration) -> Result<(), UnregisterError> {
        let Ok(name) = Name::new(name) else { return Err(UnregisterError::NotFound) };
        match self.ask(Request::Unregister { name }, timeout).await {
            Some(Reply::Unregistered(result)) => result,
            Some(_) | None => Err(UnregisterError::Leaving),
        }
    }
}

fn encode<W: Worker>(args: &W::Args) -> Result<Payload, RegisterError> {
    // Arguments whose `Serialize` fails are no arguments; what the start is given then does not decode either.
    Payload::new(postcard::to_allocvec(args).unwrap_or_default()).map_err(RegisterError::BadArgs)
}
