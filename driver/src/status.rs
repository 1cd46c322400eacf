//! How far a node is in its life, for all who wait for that.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use skep_core::id::{Address, Life};

/// Why a node has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ending {
    /// It left, or its last user dropped it.
    Left,
    /// A live node of its name answers at this address.
    NameInUse {
        /// Where.
        address: Address,
    },
    /// Its life had the tag of another member's and could not be changed, as workers ran already. Start it again.
    TagClash,
    /// It was cut off for so long that the others forgot it, and a worker that cannot be stopped kept it from beginning
    /// anew. Start it again.
    Forgotten,
    /// Its runtime shut down, or this was a simulated node that was killed: all that it ran is gone with it.
    Dropped,
    /// A bug of ours, told in the log: the engine has stopped, and with it all workers of this node.
    Broken,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("the node has left its cluster"),
            Self::NameInUse { address } => write!(f, "the node's name is in use by a live node at {address}"),
            Self::TagClash => f.write_str("the node's life clashes with another member's"),
            Self::Forgotten => f.write_str("the node was forgotten by the larger side of a cut"),
            Self::Dropped => f.write_str("the node's runtime is gone"),
            Self::Broken => f.write_str("the node ended by a bug in skep"),
        }
    }
}

impl std::error::Error for Ending {}

/// What can be waited for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct State {
    pub(crate) life: Life,
    pub(crate) is_up: bool,
    pub(crate) is_leaving: bool,
    pub(crate) has_quorum: bool,
    pub(crate) ended: Option<Ending>,
}

pub(crate) struct Status {
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    waiting: Vec<Waker>,
}

impl Status {
    pub(crate) fn new(life: Life) -> Self {
        let state = State { life, is_up: false, is_leaving: false, has_quorum: true, ended: None };
        Self { inner: Mutex::new(Inner { state, waiting: Vec::new() }) }
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.inner().state)
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut inner = self.inner();
        change(&mut inner.state);
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// What `look` makes of the first state of which it makes something.
    pub(crate) async fn until<T>(&self, mut look: impl FnMut(&State) -> Option<T>) -> T {
        poll_fn(|context| {
            let mut inner = self.inner();
            if let Some(found) = look(&inner.state) {
                return Poll::Ready(found);
            }
            if !inner.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                inner.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner) // each use is one step
    }
}
