//! The two ends of a link inside a node: what goes out waits in three lanes, what comes in goes to whom it is for.

use skep_core::error::DialFailure;
use skep_core::event::Way;
use skep_core::id::{Address, LinkId};
use skep_core::wire::{Frame, Hello};

/// Where a transport reports to. Cloning it is cheap.
#[derive(Clone)]
pub struct Hub {}

/// A transport's ends of one link.
pub struct LinkEnds {
    /// Which.
    pub link: LinkId,
    /// For the one task that writes.
    pub outgoing: Outgoing,
    /// For the one task that reads.
    pub incoming: Incoming,
}

/// What waits to be written.
pub struct Outgoing {}

/// Where what was read goes.
pub struct Incoming {}

/// The link was ended by the other end of these types: stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended;

impl Hub {
    /// A link is up: both hellos are admitted.
    pub fn link_up(&self, _way: Way, _peer: Hello) -> LinkEnds {
        unreachable!("the engine is not laid yet")
    }

    /// A dial made no link.
    pub fn dial_failed(&self, _address: Address, _failure: DialFailure) {}
}

impl Outgoing {
    /// Waits until frames are there, then appends whole encoded frames to `bytes`: control before calls before
    /// bulk, until about `limit` bytes are there. After an ordered close what was queued before still comes.
    ///
    /// # Errors
    /// [`Ended`] when all is written and the link was closed from inside: flush and close the socket.
    pub async fn take(&mut self, _bytes: &mut Vec<u8>, _limit: usize) -> Result<(), Ended> {
        Err(Ended)
    }
}

impl Incoming {
    /// Takes a frame. Waits while the node is behind with control frames: stop reading meanwhile.
    ///
    /// # Errors
    /// [`Ended`] when the link was closed from inside: stop reading.
    pub async fn frame(&mut self, _frame: Frame) -> Result<(), Ended> {
        Err(Ended)
    }

    /// The connection is gone: end of stream, reset, or bytes that are no frames. Dropping does the same.
    pub fn down(self) {}
}
