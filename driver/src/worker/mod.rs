//! What a user writes: kinds of workers, their messages, and how these meet.

mod args;
mod attached;
mod cancel;
mod code;
mod context;
mod desk;
mod failure;
mod handoff;
mod mailbox;
mod message;
mod messages;
mod reference;
mod running;
mod timers;

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;
use skep_core::supervisor::RestartPolicy;

pub use args::{ArgsError, OldArgs, encode_args};
pub use attached::Attached;
pub(crate) use attached::Notice;
pub(crate) use cancel::Cancellation;
pub(crate) use code::{Arriving, Beginning, Closure, Code, Order, Typed, Verdict};
pub use context::{Context, Singleton};
pub(crate) use context::{CurrentEpoch, Seat};
pub(crate) use desk::{Beaten, Desk, Wish};
pub use failure::Failure;
pub use handoff::{Handoff, State, StateError};
pub(crate) use mailbox::{Delivery, Mailbox};
pub(crate) use message::LONGEST;
pub use message::{Call, Message, MessageId, ReplyTo};
pub use messages::{
    MessageSet, Messages, OneOf0, OneOf1, OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8, OneOf9,
    OneOf10, OneOf11, OneOf12,
};
pub use reference::Ref;
#[cfg(all(test, feature = "sim"))]
pub(crate) use running::yield_now;
pub(crate) use running::{caught, panic_words};
/// Why a worker is asked how it moves.
pub use skep_core::event::MoveReason as Moving;
/// Why a worker has to stop.
pub use skep_core::event::StopReason as Stopping;
pub use timers::Timer;

/// A kind of worker: a state that messages change, run under a name on exactly one node of a cluster.
///
/// Its methods run one after the other, so that it needs no lock and need not be `Sync`. They run in a `tracing` span
/// `worker` with its name and epoch.
///
/// A panic in any of them ends the worker; what happens then is for [`Worker::restart`] to say. A program that is built
/// with `panic = "abort"` gives that up: a panic ends its process, with all workers of the node, and other nodes take
/// them over.
///
/// A worker is stopped at its await points. One that blocks its thread cannot be: it is reported stuck
/// ([`Running::is_stuck`](crate::Running), and in the log), and keeps its name as long as its node is a member.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use skep::{Context, Failure, Handle, Message, Worker};
///
/// struct Counter {
///     total: u64,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Add(u64);
///
/// impl Message for Add {
///     const NAME: &'static str = "counter.add";
///     type Reply = u64;
/// }
///
/// impl Worker for Counter {
///     const KIND: &'static str = "counter";
///     type Args = u64;
///     type Messages = (Add,);
///
///     async fn start(first: u64, _: &mut Context<Self>) -> Result<Self, Failure> {
///         Ok(Self { total: first })
///     }
/// }
///
/// impl Handle<Add> for Counter {
///     async fn handle(&mut self, add: Add, _: &mut Context<Self>) -> u64 {
///         self.total += add.0;
///         self.total
///     }
/// }
/// ```
pub trait Worker: Sized + Send + 'static {
    /// What the kind is called, the same on all nodes; 1 to 128 bytes. A host is chosen among the nodes that have
    /// it.
    const KIND: &'static str;

    /// What a start is given, here and after every move; at most 64 KiB encoded.
    type Args: Serialize + DeserializeOwned + Send + 'static;

    /// The version of its arguments and of what it hands over in a move. A release that changes the form of either
    /// raises it, and takes the older form in [`Worker::migrate_args`] and [`Worker::migrate_state`]: both outlive
    /// releases.
    const VERSION: u16 = 0;

    /// A tuple of the messages that it handles. A message that is not listed does not reach it.
    type Messages: Messages<Self>;

    /// Makes it. Its name is registered once this has returned `Ok`.
    ///
    /// It may call, register, look up and join groups as any other code. Only what asks the cluster for its own name
    /// ([`Node::register`](crate::Node::register), [`Node::whereis_consistent`](crate::Node::whereis_consistent),
    /// [`Node::join_group`](crate::Node::join_group)) waits, to its deadline, for this to return;
    /// [`Context::join_group`] does not. The call of another worker's handler that registers it counts as a wait too:
    /// if it calls that worker, both wait, until one's deadline.
    ///
    /// # Errors
    /// In the worker's own words: who registers it hears them.
    fn start(
        args: Self::Args,
        context: &mut Context<Self>,
    ) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// It is wanted on another node, because one came, or because this one leaves; or another copy of it won, which may
    /// hear what this one knows ([`Context::moving`] says why). By default it starts anew there, from its arguments; so
    /// does one that panics here.
    fn begin_handoff(&mut self, context: &mut Context<Self>) -> impl Future<Output = Handoff> + Send {
        let _ = context;
        async { Handoff::Restart }
    }

    /// It was started here to go on where another one was held, and this is what that one handed over. Nothing
    /// reached it yet. By default the state is ignored.
    ///
    /// # Errors
    /// In the worker's own words: the move is given up, and the other one goes on.
    fn end_handoff(
        &mut self,
        state: State,
        context: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (state, context);
        async { Ok(()) }
    }

    /// After a cut two copies of its name met, and this one won. The other one handed this over, as for a move, and
    /// stops now. Called once for each such copy, between two messages. By default the state is ignored.
    fn resolve_conflict(
        &mut self,
        state: State,
        context: &mut Context<Self>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (state, context);
        async {}
    }

    /// Arguments that another version of this kind was registered with, as this version has them. Called before
    /// [`Worker::start`], and only if the versions differ.
    ///
    /// # Errors
    /// In the worker's own words: the start fails. By default every other version is refused.
    fn migrate_args(args: OldArgs) -> Result<Self::Args, Failure> {
        Err(ArgsError::OtherVersion { version: args.version() }.into())
    }

    /// What a worker of another version of this kind handed over, as this version would have. Called before
    /// [`Worker::end_handoff`], and only if the versions differ.
    ///
    /// # Errors
    /// In the worker's own words: the move is given up, and the other one goes on. By default every other version
    /// is refused.
    fn migrate_state(state: State) -> Result<State, Failure> {
        Err(StateError::OtherVersion { version: state.version() }.into())
    }

    /// It has to stop. What still waits in its mailbox is not handled any more. When the grace of the node's
    /// config is over it is dropped at its next await point.
    fn stopping(&mut self, why: Stopping, context: &mut Context<Self>) -> impl Future<Output = ()> + Send {
        let _ = (why, context);
        async {}
    }

    /// What happens when a worker of this kind ends by itself. By default it is started again, with growing
    /// pauses, at most 20 times in a minute.
    fn restart() -> RestartPolicy {
        RestartPolicy::default()
    }
}

/// That a worker handles a message. The message has to be listed in [`Worker::Messages`] too.
pub trait Handle<M: Message>: Worker {
    /// Handles one message; what it returns is the caller's answer.
    fn handle(&mut self, message: M, context: &mut Context<Self>) -> impl Future<Output = M::Reply> + Send;
}
