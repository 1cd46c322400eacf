//! What a worker can see and ask of the place where it runs.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use skep_core::Instant;
use skep_core::error::BadText;
use skep_core::event::{Exit, MoveReason, Request, StopReason};
use skep_core::id::{Epoch, Group, Name, NodeName};

use super::cancel::Cancellation;
use super::desk::Desk;
use super::failure::Failure;
use super::timers::Timers;
use crate::calls::Waiting;
use crate::node::Node;
use crate::runtime::Platform;

/// What a worker can see and ask: its name, its epoch, the time, its node; and how it ends itself.
pub struct Context<W> {
    seat: Seat,
    exit: Option<Exit>,
    moving: Option<MoveReason>,
    /// Never locked: a message need not be `Sync`, and a context is.
    timers: Mutex<Timers>,
    of: PhantomData<fn() -> W>,
}

/// Stands for the kind in the context of a closure; see
/// [`NodeBuilder::singleton`](crate::NodeBuilder::singleton).
#[derive(Debug)]
pub enum Singleton {}

/// Where one start of a worker runs.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) name: Name,
    pub(crate) epoch: CurrentEpoch,
    pub(crate) node: Node,
    pub(crate) platform: Platform,
    pub(crate) cancellation: Cancellation,
    pub(crate) desk: Desk,
}

/// As which start a worker acts: its host changes it while the worker is held. All clones are the same.
#[derive(Clone)]
pub(crate) struct CurrentEpoch(Arc<AtomicU64>);

impl CurrentEpoch {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self(Arc::new(AtomicU64::new(epoch.0)))
    }

    pub(crate) fn get(&self) -> Epoch {
        Epoch(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn set(&self, epoch: Epoch) {
        self.0.store(epoch.0, Ordering::SeqCst);
    }
}

impl<W> Context<W> {
    pub(crate) fn new(seat: Seat) -> Self {
        let timers = Mutex::new(Timers::new(seat.platform.clone()));
        let mut context = Self { seat, exit: None, moving: None, timers, of: PhantomData };
        context.seat.node.call_as(context.seat.name.clone(), context.seat.epoch.clone());
        context
    }

    /// The name under which it runs.
    pub fn name(&self) -> &Name {
        &self.seat.name
    }

    /// This start of the name: a fencing token, above those of all earlier starts. Give it to an outside store, so
    /// that the store can refuse an older one. Ask for it each time: a worker that was to move and then was not
    /// goes on with a higher one.
    pub fn epoch(&self) -> Epoch {
        self.seat.epoch.get()
    }

    /// The name of the node on which it runs.
    pub fn node_name(&self) -> &NodeName {
        self.seat.node.name()
    }

    /// The node on which it runs, to call others from. It does not keep the node alive. Calls from here are made on
    /// behalf of who waits for the message in hand, see [`Node::call`]; those from a clone of it are not.
    pub fn node(&self) -> &Node {
        &self.seat.node
    }

    /// Why it was asked how it moves, in [`Worker::begin_handoff`](crate::Worker::begin_handoff); `None` elsewhere. A
    /// worker that would rather stay where it is can still say what it knows when another copy won: after a cut, for
    /// [`Moving::Conflict`](crate::Moving::Conflict), [`Handoff::Stay`](crate::Handoff::Stay) means that it has nothing
    /// to say.
    pub fn moving(&self) -> Option<MoveReason> {
        self.moving
    }

    pub(crate) fn set_moving(&mut self, why: Option<MoveReason>) {
        self.moving = why;
    }

    /// The runtime's monotonic clock.
    pub fn now(&self) -> Instant {
        self.seat.platform.now()
    }

    /// Waits. In a simulation this is virtual time. A closure that has to stop ends here; see
    /// [`NodeBuilder::singleton`](crate::NodeBuilder::singleton).
    pub fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<W> {
        self.seat.cancellation.asleep(self.seat.platform.sleep(time))
    }

    /// Ready once it has to stop, and why. For work that takes long: what does not look here is aborted when the
    /// grace is over.
    pub fn cancelled(&self) -> impl Future<Output = StopReason> + Send + use<W> {
        self.seat.cancellation.cancelled()
    }

    /// Why it has to stop, if it has to.
    pub fn stopping(&self) -> Option<StopReason> {
        self.seat.cancellation.why()
    }

    /// Puts its name into a group, where it stays wherever it runs, until it leaves or its registration ends. Waits
    /// for nothing: in `start` it joins once it is registered. What keeps it from that is in the log;
    /// [`Node::join_group`] tells who needs to know.
    ///
    /// # Errors
    /// No group can be called like this.
    pub fn join_group(&self, group: impl AsRef<str>) -> Result<(), BadText> {
        let group = Group::new(group)?;
        self.seat.node.wish(Request::JoinGroup { group, name: self.seat.name.clone() });
        Ok(())
    }

    /// Takes its name out of a group. Waits for nothing.
    ///
    /// # Errors
    /// No group can be called like this.
    pub fn leave_group(&self, group: impl AsRef<str>) -> Result<(), BadText> {
        let group = Group::new(group)?;
        self.seat.node.wish(Request::LeaveGroup { group, name: self.seat.name.clone() });
        Ok(())
    }

    /// Ends it, as if it had returned, once the message in hand is handled. Its kind's restart policy decides
    /// what happens then.
    pub fn exit(&mut self) {
        self.exit = Some(Exit::Finished);
    }

    /// Ends it as failed, once the message in hand is handled. Its kind's restart policy decides what happens then.
    pub fn fail(&mut self, failure: Failure) {
        self.exit = Some(Exit::Failed(failure.reason()));
    }

    /// Until when the caller of the message in hand waits: calls from here end then at the latest. `None` if nobody
    /// waits.
    pub fn deadline(&self) -> Option<Instant> {
        Some(self.seat.node.called_until()).filter(|&until| until < Instant::FAR)
    }

    /// What it calls from now on, it calls for these.
    pub(crate) fn act_for(&mut self, waiting: Waiting) {
        self.seat.node.call_for(waiting);
    }

    pub(crate) fn asked_exit(&mut self) -> Option<Exit> {
        self.exit.take()
    }

    pub(super) fn timers(&mut self) -> &mut Timers {
        self.timers.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cancellation(&self) -> &Cancellation {
        &self.seat.cancellation
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.seat.desk
    }
}

impl<W> AsRef<Node> for Context<W> {
    fn as_ref(&self) -> &Node {
        self.node()
    }
}

impl<W> fmt::Debug for Context<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("name", &self.seat.name)
            .field("epoch", &self.epoch())
            .finish_non_exhaustive()
    }
}
