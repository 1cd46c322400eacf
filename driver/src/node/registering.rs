//! Claiming names and freeing them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use skep_core::error::{RegisterError, UnregisterError};
use skep_core::event::{Registration, Reply, Request, WorkerSpec};
use skep_core::id::{Kind, Name, Payload, Role};
use skep_core::placement::{Bond, Place, Together};

use super::Node;
use crate::mail::{Guest, Mail};
use crate::worker::{Attached, Cancellation, MessageSet, Worker, encode_args};

/// The answer to [`Node::whereis_or_register`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where it runs.
    pub registration: Registration,
    /// Whether this request started it.
    pub started: bool,
}

/// A registration, asked for when it is first polled. What it should ask for besides is said before that:
///
/// ```no_run
/// # use std::time::Duration;
/// # use skep::{Failure, Node, Worker};
/// # async fn example<Training: Worker<Args = u64>>(node: &Node) -> Result<(), Failure> {
/// node.register::<Training>("model-7", 7, Duration::from_secs(5)).on_role("gpu").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is registered unless it is awaited"]
pub struct Registering<T = Registration> {
    node: Node,
    timeout: Duration,
    step: Step,
    /// What the caller makes of the answer.
    answer: fn(Result<Registration, RegisterError>) -> Result<T, RegisterError>,
}

enum Step {
    Wanted(Result<Wanted, RegisterError>),
    Asked(oneshot::Receiver<Reply>),
}

struct Wanted {
    name: Name,
    kind: Kind,
    args: Payload,
    roles: Vec<Role>,
    together: Option<Together>,
}

impl Node {
    /// Registers a worker: some node that has its kind starts it, and every other one after that if it must.
    /// Returns when it runs and, where there is another node that is up, one of these knows of it too.
    ///
    /// # Errors
    /// [`RegisterError::AlreadyRegistered`] with the holder, from whichever node is asked: nothing was started.
    /// The others say in their own words what was wrong.
    pub fn register<W: Worker>(
        &self,
        name: impl AsRef<str>,
        args: W::Args,
        timeout: Duration,
    ) -> Registering {
        let step = wanted(name, W::KIND, encode::<W>(&args));
        Registering { node: self.clone(), timeout, step, answer: |answer| answer }
    }

    /// As [`Node::register`], for a kind that is known by its name only, with arguments as [`encode_args`] makes them.
    ///
    /// # Errors
    /// As [`Node::register`].
    pub fn register_raw(
        &self,
        name: impl AsRef<str>,
        kind: &str,
        args: Payload,
        timeout: Duration,
    ) -> Registering {
        let step = wanted(name, kind, Ok(args));
        Registering { node: self.clone(), timeout, step, answer: |answer| answer }
    }

    /// Where the name runs; it is registered first if nobody has it. The name's arbiter decides, so that only one
    /// of many that ask at once starts it. [`Ref::call_or_start`](crate::Ref::call_or_start) asks only when nobody is
    /// known to have the name.
    ///
    /// # Errors
    /// As [`Node::register`], but for [`RegisterError::AlreadyRegistered`].
    pub fn whereis_or_register<W: Worker>(
        &self,
        name: impl AsRef<str>,
        args: W::Args,
        timeout: Duration,
    ) -> Registering<Found> {
        let step = wanted(name, W::KIND, encode::<W>(&args));
        Registering { node: self.clone(), timeout, step, answer: found }
    }

    /// As [`Node::whereis_or_register`], for a kind that is known by its name only, with arguments as [`encode_args`]
    /// makes them.
    ///
    /// # Errors
    /// As [`Node::whereis_or_register`].
    pub fn whereis_or_register_raw(
        &self,
        name: impl AsRef<str>,
        kind: &str,
        args: Payload,
        timeout: Duration,
    ) -> Registering<Found> {
        let step = wanted(name, kind, Ok(args));
        Registering { node: self.clone(), timeout, step, answer: found }
    }

    /// Registers a task that runs already: messages of the tuple `S` arrive at what this returns. It does not move,
    /// and is told to stop, never killed. Dropping what this returns frees the name. To answer a message it calls
    /// others from [`Attached::node_for`]: from here a call that comes back to it would wait to its deadline.
    ///
    /// # Errors
    /// As [`Node::register`], but for those of a start.
    pub async fn attach<S: MessageSet>(
        &self,
        name: impl AsRef<str>,
        timeout: Duration,
    ) -> Result<Attached<S>, RegisterError> {
        let name = Name::new(name).map_err(RegisterError::BadName)?;
        let mailbox = Arc::new(self.mailbox::<S>());
        let guest = Guest { mailbox: mailbox.clone(), cancellation: Cancellation::default() };
        let deadline = self.shared.platform.now() + timeout;
        let (reply, answer) = oneshot::channel();
        self.shared.inbox.post(Mail::Attach { name, deadline, guest, reply });
        let (registration, notice) = answer.await.unwrap_or(Err(RegisterError::Leaving))?;
        Ok(Attached::new(registration, mailbox, notice, self.shared.clone()))
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

impl<T> Registering<T> {
    /// Only on nodes with this role, now and whenever the worker moves; asked for several times, only on nodes that
    /// have them all. Without such a node the answer is [`RegisterError::NoNodeAvailable`]; a name that loses its
    /// last one waits for the next.
    pub fn on_role(mut self, role: impl AsRef<str>) -> Self {
        if let Step::Wanted(Ok(wanted)) = &mut self.step {
            match Role::new(role) {
                Ok(role) => wanted.roles.push(role),
                Err(fault) => self.step = Step::Wanted(Err(RegisterError::BadRole(fault))),
            }
        }
        self
    }
}

impl<T> Registering<T> {
    /// On the node where all names with this key run, now and whenever they move, as long as they ask for the same
    /// roles, and for kinds that the same nodes have.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use skep::{Failure, Node, Worker};
    /// # const T: Duration = Duration::from_secs(5);
    /// # async fn example<Reader: Worker<Args = ()>, Parser: Worker<Args = ()>>(node: &Node) -> Result<(), Failure> {
    /// node.register::<Reader>("feed-7/reader", (), T).placed_with("feed-7").rest_for_one(1).await?;
    /// node.register::<Parser>("feed-7/parser", (), T).placed_with("feed-7").rest_for_one(2).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn placed_with(mut self, key: impl AsRef<str>) -> Self {
        if let Step::Wanted(Ok(wanted)) = &mut self.step {
            match Name::new(key) {
                Ok(key) => wanted.together = Some(Together { key, bond: Bond::OneForOne, rank: 0 }),
                Err(fault) => self.step = Step::Wanted(Err(RegisterError::BadName(fault))),
            }
        }
        self
    }

    /// When this worker ends by itself and is restarted, so are all others with its key that run, in the order of
    /// their ranks; past its restart intensity their names are freed with its own. Without a key it says nothing.
    pub fn one_for_all(self, rank: u16) -> Self {
        self.bound(Bond::OneForAll, rank)
    }

    /// As [`Registering::one_for_all`], but only of those with a higher rank.
    pub fn rest_for_one(self, rank: u16) -> Self {
        self.bound(Bond::RestForOne, rank)
    }

    fn bound(mut self, bond: Bond, rank: u16) -> Self {
        if let Step::Wanted(Ok(Wanted { together: Some(together), .. })) = &mut self.step {
            (together.bond, together.rank) = (bond, rank);
        }
        self
    }
}

impl<T> Future for Registering<T> {
    type Output = Result<T, RegisterError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Step::Wanted(wanted) = &mut self.step {
            // Polled again after its end it says so once more, as a channel does whose sender is gone.
            let request = std::mem::replace(wanted, Err(RegisterError::Leaving)).and_then(Wanted::request);
            match request {
                Ok(request) => self.step = Step::Asked(self.node.post(request, self.timeout)),
                Err(mistake) => return Poll::Ready((self.answer)(Err(mistake))),
            }
        }
        let Step::Asked(reply) = &mut self.step else { unreachable!("it was just asked for") };
        let result = match ready!(reply.poll_unpin(context)) {
            Ok(Reply::Registered(result)) => result,
            Ok(_) | Err(oneshot::Canceled) => Err(RegisterError::Leaving),
        };
        self.step = Step::Wanted(Err(RegisterError::Leaving));
        Poll::Ready((self.answer)(result))
    }
}

impl<T> fmt::Debug for Registering<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registering").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Wanted {
    fn request(self) -> Result<Request, RegisterError> {
        let Self { name, kind, args, roles, together } = self;
        let mut place = Place::with(roles).map_err(RegisterError::BadPlace)?;
        if let Some(together) = together {
            place = place.together(together);
        }
        Ok(Request::Register { name, worker: WorkerSpec::Managed { kind, args, place } })
    }
}

fn wanted(name: impl AsRef<str>, kind: &str, args: Result<Payload, RegisterError>) -> Step {
    let wanted = || {
        Ok(Wanted {
            name: Name::new(name).map_err(RegisterError::BadName)?,
            kind: Kind::new(kind).map_err(|_| RegisterError::UnknownKind)?,
            args: args?,
            roles: Vec::new(),
            together: None,
        })
    };
    Step::Wanted(wanted())
}

fn found(answer: Result<Registration, RegisterError>) -> Result<Found, RegisterError> {
    match answer {
        Ok(registration) => Ok(Found { registration, started: true }),
        Err(RegisterError::AlreadyRegistered { holder }) => {
            Ok(Found { registration: holder, started: false })
        }
        Err(error) => Err(error),
    }
}

pub(super) fn encode<W: Worker>(args: &W::Args) -> Result<Payload, RegisterError> {
    encode_args(W::VERSION, args).map_err(RegisterError::BadArgs)
}
