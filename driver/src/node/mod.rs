//! What a user holds of a node: ask, register, call, listen, leave.

mod calling;
mod grouping;
mod looking;
mod names;
mod registering;
mod registering_many;
mod repeating;
mod shared;
mod starting;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use skep_core::Instant;
use skep_core::error::{DrainError, ReadyError};
use skep_core::event::{Counters, Reply, Request};
use skep_core::id::{Address, ClusterName, Life, Name, NodeName};

use crate::calls::Waiting;
use crate::events::Events;
use crate::limits::Limit;
use crate::mail::Mail;
use crate::status::Ending;
use crate::worker::{CurrentEpoch, Mailbox, MessageSet};

pub use grouping::Member;
pub use looking::Registered;
pub use registering::{Found, Registering};
pub(crate) use shared::Shared;
pub use starting::CallOrStartError;

use shared::Hold;

/// What a machine may take for an answer that needs nobody else.
const LOCAL: Duration = Duration::from_secs(5);

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
pub struct Node {
    shared: Arc<Shared>,
    hold: Option<Arc<Hold>>,
    /// Who waits for the worker that has it, if one does.
    waiting: Waiting,
    /// That worker.
    worker: Option<(Name, CurrentEpoch)>,
}

impl Clone for Node {
    /// The same node, for whom nobody waits.
    fn clone(&self) -> Self {
        Self::new(self.shared.clone(), self.hold.clone())
    }
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
    fn new(shared: Arc<Shared>, hold: Option<Arc<Hold>>) -> Self {
        Self { shared, hold, waiting: Waiting::nobody(), worker: None }
    }

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

    /// Ready once so many members are up, this node included, and nobody came or went for `stable_for`; how many
    /// there are then. A start waits for nobody: this is for programs that have nothing to do before.
    ///
    /// # Errors
    /// [`ReadyError::Timeout`] with how many are up.
    pub async fn ready(
        &self,
        members: usize,
        stable_for: Duration,
        timeout: Duration,
    ) -> Result<usize, ReadyError> {
        match self.ask(Request::Ready { members, stable_for }, timeout).await {
            Some(Reply::Ready(result)) => result,
            Some(_) | None => Err(ReadyError::Leaving),
        }
    }

    /// Whether enough members are here for workers to run; always so with the strategy of the ring.
    pub fn has_quorum(&self) -> bool {
        self.shared.status.read(|state| state.has_quorum)
    }

    /// For a worker of this node.
    pub(crate) fn mailbox<S: MessageSet>(&self) -> Mailbox<S> {
        Mailbox::new(self.shared.router.bounds.clone(), self.shared.reached.clone())
    }

    /// Ready once it has ended, and why.
    pub async fn ended(&self) -> Ending {
        self.shared.status.until(|state| state.ended.clone()).await
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

    /// How often each limit of this node was reached since its start. The [manual](crate::manual::limits) says what
    /// happens at each.
    pub fn limits_reached(&self) -> impl Iterator<Item = (Limit, u64)> + use<> {
        let reached = self.shared.reached.clone();
        Limit::ALL.into_iter().map(move |limit| (limit, reached.times(limit)))
    }

    /// Gives all workers to other nodes and owns nothing from now on; discovery stops. Returns how many were given
    /// away.
    ///
    /// # Errors
    /// [`DrainError::Timeout`] with how many are still here.
    pub async fn drain(&self, timeout: Duration) -> Result<usize, DrainError> {
        self.shared.status.change(|state| state.is_leaving = true);
        let deadline = self.shared.platform.now() + timeout;
        match self.ask(Request::Drain, timeout).await {
            Some(Reply::Drained(result)) => {
                self.shared.router.settled(deadline).await; // what is still sent here goes on before we go
                result
            }
            Some(_) | None => Ok(0), // it has ended: nothing is here
        }
    }

    /// Drains what can be drained by the deadline, tells all members that this node goes, and ends it.
    pub async fn leave(&self, timeout: Duration) {
        let deadline = self.shared.platform.now() + timeout;
        // What could not be drained is stopped; the members keep its names.
        let _ = self.drain(timeout).await;
        let left = deadline.since(self.shared.platform.now());
        if self.ask(Request::Leave, left).await.is_some() {
            self.ended().await; // the last frames are on their way out
        }
    }

    /// From now on this worker calls from here.
    pub(crate) fn call_as(&mut self, name: Name, epoch: CurrentEpoch) {
        self.worker = Some((name, epoch));
    }

    /// From now on it calls for these.
    pub(crate) fn call_for(&mut self, waiting: Waiting) {
        self.waiting = waiting;
    }

    /// Until when somebody waits for what is called from here.
    pub(crate) fn called_until(&self) -> Instant {
        self.waiting.until
    }

    async fn ask(&self, request: Request, timeout: Duration) -> Option<Reply> {
        self.post(request, timeout).await.ok()
    }

    fn post(&self, request: Request, timeout: Duration) -> oneshot::Receiver<Reply> {
        let deadline = self.shared.platform.now() + timeout;
        let (reply, answer) = oneshot::channel();
        self.shared.inbox.post(Mail::Ask { request, deadline, reply });
        answer
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
