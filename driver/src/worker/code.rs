//! The code of a kind, without its type: what a host runs when the machine says `Start`.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use skep_core::event::Exit;
use skep_core::id::{Payload, Reason};
use skep_core::supervisor::{Restart, RestartPolicy};

use super::context::{Context, Seat, Singleton};
use super::handoff::State;
use super::mailbox::Delivery;
use super::message::MessageId;
use super::messages::MessageSet;
use super::{Worker, running};

/// The code of one kind.
pub(crate) trait Code: Send + Sync {
    fn restart(&self) -> RestartPolicy;
    fn messages(&self) -> Vec<(MessageId, &'static str)>;
    /// The mailbox and the whole life of one start.
    fn seat(&self, order: Order) -> (Arc<dyn Delivery>, BoxFuture<'static, Verdict>);
}

/// One start, ordered.
pub(crate) struct Order {
    pub(crate) seat: Seat,
    pub(crate) args: Payload,
    pub(crate) beginning: Beginning,
    /// Told once: it runs, or is prepared, or why not.
    pub(crate) started: oneshot::Sender<Result<(), Reason>>,
}

/// When a start begins to act.
pub(crate) enum Beginning {
    /// As soon as it can.
    AtOnce,
    /// When its host says [`Wish::GoOn`](super::Wish::GoOn): it is a copy, prepared with this state.
    WhenTold(Option<Arriving>),
}

/// A state on its way here, or why it does not come.
pub(crate) type Arriving = BoxFuture<'static, Result<State, Reason>>;

/// How a worker's life ended, other than by force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It was told to stop, and did.
    Stopped,
    /// It ended by itself, or never started.
    Exited(Exit),
}

/// The code of a [`Worker`].
pub(crate) struct Typed<W>(PhantomData<fn() -> W>);

impl<W: Worker> Typed<W> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<W: Worker> Code for Typed<W> {
    fn restart(&self) -> RestartPolicy {
        W::restart()
    }

    fn messages(&self) -> Vec<(MessageId, &'static str)> {
        W::Messages::list()
    }

    fn seat(&self, order: Order) -> (Arc<dyn Delivery>, BoxFuture<'static, Verdict>) {
        let mailbox = Arc::new(order.seat.node.mailbox::<W::Messages>());
        (mailbox.clone(), running::worker::<W>(order, mailbox).boxed())
    }
}

/// The code of a closure that is its own kind.
pub(crate) struct Closure<F>(Arc<F>);

impl<F> Closure<F> {
    pub(crate) fn new(closure: F) -> Self {
        Self(Arc::new(closure))
    }
}

impl<F, Fut> Code for Closure<F>
where
    F: Fn(Context<Singleton>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    /// Returning is the end of it; a panic is not.
    fn restart(&self) -> RestartPolicy {
        RestartPolicy { restart: Restart::Transient, ..RestartPolicy::default() }
    }

    fn messages(&self) -> Vec<(MessageId, &'static str)> {
        Vec::new()
    }

    fn seat(&self, order: Order) -> (Arc<dyn Delivery>, BoxFuture<'static, Verdict>) {
        let run = self.0.clone();
        let mailbox = Arc::new(order.seat.node.mailbox::<()>());
        (mailbox, running::closure(order, move |context| run(context)).boxed())
    }
}
