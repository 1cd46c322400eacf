//! What a user holds of a node: ask, register, call, listen, leave.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::channel::oneshot;
use skep_core::Instant;
use skep_core::error::{DrainError, LookupError, OwnerError, RegisterError, UnregisterError};
use skep_core::event::{Counters, MemberView, Ownership, Registration, Reply, Request, WorkerSpec};
use skep_core::id::{Address, ClusterName, Epoch, Kind, Life, Name, NodeName, Payload};

use crate::calls::{CallError, Handled, Router, SendError};
use crate::events::{Board, Events};
use crate::lookup::{Known, Located};
use crate::mail::{Guest, Inbox, Mail, Running};
use crate::runtime::Platform;
use crate::status::{Ending, Status};
use crate::worker::{Attached, Cancellation, Mailbox, Message, MessageSet, Worker};

/// A node of a cluster. Cloning it is cheap; all clones are the same node.
///
/// ```
/// use std::time::Duration;
/// # use serde::{Deserialize, Serialize};
/// # use skep::{Context, Failure, Handle, Message, Node, RegisterError, Worker};
/// # struct Counter(u64);
/// # #[derive(Serialize, Deserialize)]
/// # struct Add(u64);
/// # impl Message for Add {
/// #     const NAME: &'static str = "counter.add";
/// #     type Reply = u64;
/// # }
/// # impl Worker for Counter {
/// #     const KIND: &'static str = "counter";
/// #     type Args = u64;
/// #     type Messages = (Add,);
/// #     async fn start(first: u64, _: &mut Context<Self>) -> Result<Self, Failure> {
/// #         Ok(Self(first))
/// #     }
/// # }
/// # impl Handle<Add> for Counter {
/// #     async fn handle(&mut self, Add(number): Add, _: &mut Context<Self>) -> u64 {
/// #         self.0 += number;
/// #         self.0
/// #     }
/// # }
///
/// async fn count(node: &Node) -> Result<u64, Failure> {
///     let timeout = Duration::from_secs(5);
///     match node.register::<Counter>("visits", 0, timeout).await {
///         Ok(registration) => println!("started on {}", registration.node),
///         Err(RegisterError::AlreadyRegistered { holder }) => println!("runs on {}", holder.node),
///         Err(error) => return Err(error.into()),
///     }
///     Ok(node.call("visits", Add(1), timeout).await?)
/// }
/// # #[cfg(feature = "sim")] {
/// # let runtime = skep::SimRuntime::new(1);
/// # let transport = skep::MemoryNetwork::new().at(skep::core::id::Address::new("a").unwrap());
/// # runtime.run(async {
/// #     let node = skep::NodeBuilder::new("a", runtime.clone(), transport).worker::<Counter>().start().await;
/// #     let node = node.unwrap();
/// #     assert_eq!(count(&node).await, Ok(1));
/// #     assert_eq!(count(&node).await, Ok(2));
/// # });
/// # }
/// ```
///
/// When the last one is dropped the node leaves: its workers are stopped at once, without a handoff, and taken over
/// by others. [`Node::drain`] and [`Node::leave`] do it in order. A node that a worker has from its context does not
/// count.
///
/// Dropping the future of a request takes nothing back: a registration may still happen, and shows in the next
/// look-up.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
    _hold: Option<Arc<Hold>>,
}

/// What all parts of one node share.
pub(crate) struct Shared {
    pub(crate) name: NodeName,
    pub(crate) cluster: ClusterName,
    pub(crate) address: Address,
    pub(crate) platform: Platform,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) router: Arc<Router>,
    pub(crate) board: Arc<Board>,
    pub(crate) status: Status,
    names: RwLock<HashMap<Life, NodeName>>,
}

/// Dropped with the last node that counts.
struct Hold {
    inbox: Arc<Inbox>,
}

/// One line of [`Node::registered`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registered {
    /// The name.
    pub name: Name,
    /// The node that runs it; `None` between two holders.
    pub node: Option<NodeName>,
    /// The start that runs, or that ran last.
    pub epoch: Epoch,
    /// What code.
    pub kind: Kind,
    /// Whether it was attached, and so does not move.
    pub attached: bool,
}

/// The answer to [`Node::whereis_or_register`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where it runs.
    pub registration: Registration,
    /// Whether this request started it.
    pub started: bool,
}

/// The node has left its cluster and answers nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeEnded;

impl fmt::Display for NodeEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this node has left its cluster")
    }
}

impl std::error::Error for NodeEnded {}

impl Node {
    /// Its name.
    pub fn name(&self) -> &NodeName {
        &self.shared.name
    }

    /// Its cluster.
    pub fn cluster(&self) -> &ClusterName {
        &self.shared.cluster
    }

    /// This start of it: unique, and above those of its earlier starts.
    pub fn life(&self) -> Life {
        self.shared.router.life()
    }

    /// Where peers reach it.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Ready once it is a member that is up.
    ///
    /// # Errors
    /// Why it ended before.
    pub async fn up(&self) -> Result<(), Ending> {
        let status = &self.shared.status;
        status
            .until(|state| match &state.ended {
                Some(ending) => Some(Err(ending.clone())),
                None => state.is_up.then_some(Ok(())),
            })
            .await
    }

    /// Ready once it has ended, and why.
    pub async fn ended(&self) -> Ending {
        self.shared.status.until(|state| state.ended.clone()).await
    }

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

    /// Where a name runs, as far as this node knows. Asks nobody, waits for nothing. `None` if it is free, or
    /// between two holders.
    pub fn whereis(&self, name: impl AsRef<str>) -> Option<Located> {
        match self.shared.router.lookup.get(name.as_ref()) {
            Known::Free | Known::Between => None,
            Known::At(located) => Some(located),
        }
    }

    /// As [`Node::whereis`], with the node's name and the kind, as [`Node::whereis_consistent`] has them.
    pub fn registration(&self, name: impl AsRef<str>) -> Option<Registration> {
        let located = self.whereis(name.as_ref())?;
        Some(Registration {
            node: self.shared.name_of(located.life)?,
            life: located.life,
            epoch: located.epoch,
            kind: self.shared.router.lookup.kind(name.as_ref())?,
            attached: located.attached,
        })
    }

    /// Where a name runs, as its arbiter says.
    ///
    /// # Errors
    /// [`LookupError::NotFound`] if the arbiter knows of nobody who has it.
    pub async fn whereis_consistent(
        &self,
        name: impl AsRef<str>,
        timeout: Duration,
    ) -> Result<Registration, LookupError> {
        let Ok(name) = Name::new(name) else { return Err(LookupError::NotFound) };
        match self.ask(Request::Locate { name }, timeout).await {
            Some(Reply::Located(result)) => result,
            Some(_) | None => Err(LookupError::Leaving),
        }
    }

    /// All names that this node knows, sorted.
    ///
    /// # Errors
    /// [`NodeEnded`].
    pub async fn registered(&self) -> Result<Vec<Registered>, NodeEnded> {
        self.members().await?; // learns the names of holders that this node has no link with
        let all = self.shared.router.lookup.all();
        let registered = all.into_iter().map(|(name, place)| Registered {
            name,
            node: place.holder.and_then(|life| self.shared.name_of(life)),
            epoch: place.epoch,
            kind: place.kind,
            attached: place.attached,
        });
        Ok(registered.collect())
    }

    /// What really runs in this process, as its host says, not the registry; sorted by name.
    ///
    /// # Errors
    /// [`NodeEnded`].
    pub async fn workers(&self) -> Result<Vec<Running>, NodeEnded> {
        let (reply, answer) = oneshot::channel();
        self.shared.inbox.post(Mail::Workers { reply });
        answer.await.map_err(|_| NodeEnded)
    }

    /// All members that this node knows, down ones included, sorted by name, then life.
    ///
    /// # Errors
    /// [`NodeEnded`].
    pub async fn members(&self) -> Result<Vec<MemberView>, NodeEnded> {
        match self.ask(Request::Members, LOCAL).await {
            Some(Reply::Members(members)) => {
                members.iter().for_each(|member| self.shared.learn(member.life, &member.node));
                Ok(members)
            }
            Some(_) | None => Err(NodeEnded),
        }
    }

    /// Which node should run a name, and why that one.
    ///
    /// # Errors
    /// [`OwnerError::NoNodeAvailable`] if none can.
    pub async fn owner(&self, name: Name) -> Result<Ownership, OwnerError> {
        match self.ask(Request::Owner { name }, LOCAL).await {
            Some(Reply::Owner(result)) => result,
            Some(_) | None => Err(OwnerError::NoNodeAvailable),
        }
    }

    /// Sends a message to the worker of a name and waits for its answer. While the name has no holder that can be
    /// reached this waits too. A name that this node does not know is asked for at its arbiter first: it may have
    /// been registered just now.
    ///
    /// Dropping the future gives the answer up; the message may be handled all the same.
    ///
    /// # Errors
    /// [`CallError::handled`] says of each whether the message may have been handled.
    pub async fn call<M: Message>(
        &self,
        name: impl AsRef<str>,
        message: M,
        timeout: Duration,
    ) -> Result<M::Reply, CallError> {
        let (name, deadline) = (name.as_ref(), self.shared.platform.now() + timeout);
        if self.shared.router.lookup.get(name) == Known::Free {
            self.find(name, deadline).await?;
        }
        self.shared.router.call(name, message, deadline).await
    }

    /// Sends a message that wants no answer to the worker of a name. Waits for nothing.
    ///
    /// # Errors
    /// What keeps it from being sent. That it was sent does not say that it arrives.
    pub fn send<M: Message>(&self, name: impl AsRef<str>, message: M) -> Result<(), SendError> {
        self.shared.router.send(name.as_ref(), message)
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        self.shared.board.reader()
    }

    /// What happened since the node's start, from the oldest event that is kept (4096 are), and what happens from
    /// now on.
    pub fn events_from_start(&self) -> Events {
        self.shared.board.reader_from_start()
    }

    /// Figures since the node's start.
    ///
    /// # Errors
    /// [`NodeEnded`].
    pub async fn counters(&self) -> Result<Counters, NodeEnded> {
        match self.ask(Request::Counters, LOCAL).await {
            Some(Reply::Counters(counters)) => {
                let malformed_frames = counters.malformed_frames + self.shared.router.malformed();
                Ok(Counters { malformed_frames, ..counters })
            }
            Some(_) | None => Err(NodeEnded),
        }
    }

    /// Gives all workers to other nodes and owns nothing from now on; discovery stops. Returns how many were given
    /// away.
    ///
    /// # Errors
    /// [`DrainError::Timeout`] with how many are still here.
    pub async fn drain(&self, timeout: Duration) -> Result<usize, DrainError> {
        self.shared.status.change(|state| state.is_leaving = true);
        match self.ask(Request::Drain, timeout).await {
            Some(Reply::Drained(result)) => result,
            Some(_) | None => Ok(0), // it has ended: nothing is here
        }
    }

    /// Drains what can be drained by the deadline, tells all members that this node goes, and ends it.
    pub async fn leave(&self, timeout: Duration) {
        self.shared.status.change(|state| state.is_leaving = true);
        if self.ask(Request::Leave, timeout).await.is_some() {
            self.ended().await; // the last frames are on their way out
        }
    }

    /// Until this node knows a name that its arbiter knows.
    async fn find(&self, name: &str, deadline: Instant) -> Result<(), CallError> {
        let left = deadline.since(self.shared.platform.now());
        self.whereis_consistent(name, left).await.map_err(|error| match error {
            LookupError::Busy => CallError::Overloaded,
            LookupError::Timeout => CallError::Timeout { handled: Handled::No },
            LookupError::Leaving => CallError::Ended,
            _ => CallError::NotFound,
        })?;
        let known = self.shared.router.lookup.known(name);
        self.shared.platform.by(deadline, known).await.ok_or(CallError::Timeout { handled: Handled::No })
    }

    async fn ask(&self, request: Request, timeout: Duration) -> Option<Reply> {
        let deadline = self.shared.platform.now() + timeout;
        let (reply, answer) = oneshot::channel();
        self.shared.inbox.post(Mail::Ask { request, deadline, reply });
        answer.await.ok()
    }
}

/// What a machine may take for an answer that needs nobody else.
const LOCAL: Duration = Duration::from_secs(5);

fn encode<W: Worker>(args: &W::Args) -> Result<Payload, RegisterError> {
    // Arguments whose `Serialize` fails are no arguments; what the start is given then does not decode either.
    Payload::new(postcard::to_allocvec(args).unwrap_or_default()).map_err(RegisterError::BadArgs)
}

impl Shared {
    pub(crate) fn new(
        name: NodeName,
        cluster: ClusterName,
        address: Address,
        platform: Platform,
        life: Life,
    ) -> Self {
        let router = Arc::new(Router::new(platform.clone(), life));
        let names = RwLock::new(HashMap::from([(life, name.clone())]));
        Self {
            name,
            cluster,
            address,
            platform,
            inbox: Arc::new(Inbox::new()),
            router,
            board: Arc::new(Board::new()),
            status: Status::new(life),
            names,
        }
    }

    /// A node that does not keep itself alive: for workers.
    pub(crate) fn node(self: &Arc<Self>) -> Node {
        Node { shared: self.clone(), _hold: None }
    }

    /// A node that leaves when it and all its clones are dropped: for users.
    pub(crate) fn held_node(self: &Arc<Self>) -> Node {
        Node { shared: self.clone(), _hold: Some(Arc::new(Hold { inbox: self.inbox.clone() })) }
    }

    pub(crate) fn learn(&self, life: Life, node: &NodeName) {
        let known = |names: &HashMap<Life, NodeName>| names.contains_key(&life);
        if known(&self.names.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        self.names.write().unwrap_or_else(PoisonError::into_inner).insert(life, node.clone());
    }

    fn name_of(&self, life: Life) -> Option<NodeName> {
        self.names.read().unwrap_or_else(PoisonError::into_inner).get(&life).cloned()
    }

    pub(crate) fn end(&self, ending: Ending) {
        self.router.end();
        self.inbox.close();
        self.board.close();
        self.status.change(|state| state.ended = Some(ending));
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.inbox.post(Mail::Abandon);
    }
}

impl AsRef<Self> for Node {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.shared.name)
            .field("life", &self.life())
            .finish_non_exhaustive()
    }
}
