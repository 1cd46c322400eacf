//! One link: the node's handle, the writer's end and the reader's end.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use skep_core::id::{Life, LinkId, NodeName};
use skep_core::wire::{Frame, Hello, Lane};

use super::hub::Sink;
use super::lanes::{HANDLING, Lanes, LinkBounds};
use super::parked::{Backlog, Parked};
use super::shared::{Shared, Side, Stage, State, remember};
use crate::limits::{Limit, Reached};

/// So many times as much may wait of what is forwarded here as of what is sent.
const FORWARDED: usize = 4;

/// A transport's ends of one link.
pub struct LinkEnds {
    /// Which.
    pub link: LinkId,
    /// For the one task that writes.
    pub outgoing: Outgoing,
    /// For the one task that reads.
    pub incoming: Incoming,
}

/// What waits to be written. Dropping it, as after a failed write, ends the link.
pub struct Outgoing {
    shared: Arc<Shared>,
}

/// Where what was read goes. Dropping it ends the link.
pub struct Incoming {
    shared: Arc<Shared>,
}

/// The node's handle on a link, to put frames on it. Cloning it is cheap; dropping all of them ends nothing.
#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

/// The link was ended: stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the link has ended")
    }
}

impl std::error::Error for Ended {}

/// Why a frame was not put on a link. It was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PushError {
    /// The link has ended.
    Ended,
    /// The frame's lane holds as much as it may.
    Full,
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the link has ended",
            Self::Full => "too much waits on the link already",
        })
    }
}

impl std::error::Error for PushError {}

/// Makes a link and all its ends.
pub(crate) fn link(
    id: LinkId,
    ours: Life,
    peer: &Hello,
    bounds: LinkBounds,
    sink: Arc<dyn Sink>,
    reached: Arc<Reached>,
    backlog: Backlog,
) -> (Link, LinkEnds) {
    let state = Mutex::new(State {
        stage: Stage::Open,
        lanes: Lanes::default(),
        carried_calls: false,
        unhandled: 0,
        writer: None,
        reader: None,
        room: Vec::new(),
        end: Vec::new(),
        ends: 2,
    });
    let (peer, node) = (peer.life, peer.node.clone());
    let shared = Arc::new(Shared { id, ours, peer, node, bounds, sink, reached, backlog, state });
    let ends = LinkEnds {
        link: id,
        outgoing: Outgoing { shared: shared.clone() },
        incoming: Incoming { shared: shared.clone() },
    };
    (Link { shared }, ends)
}

impl Link {
    /// Which.
    pub fn id(&self) -> LinkId {
        self.shared.id
    }

    /// The life that this node introduced itself by.
    pub fn ours(&self) -> Life {
        self.shared.ours
    }

    /// The life at the other end.
    pub fn peer(&self) -> Life {
        self.shared.peer
    }

    /// The name of the node at the other end.
    pub fn node(&self) -> &NodeName {
        &self.shared.node
    }

    /// Whether frames can be put on it.
    pub fn is_open(&self) -> bool {
        self.shared.state().stage == Stage::Open
    }

    /// Puts a frame into its lane. Never waits.
    ///
    /// # Errors
    /// [`PushError::Full`] when the lane is at its bound; if that is the control lane, the link was ended.
    pub fn push(&self, frame: Frame) -> Result<(), PushError> {
        let mut state = self.shared.state();
        if state.stage != Stage::Open {
            return Err(PushError::Ended);
        }
        let lane = frame.lane();
        if !state.lanes.has_room(lane, &self.shared.bounds) {
            drop(state);
            match lane {
                Lane::Control => {
                    self.shared.reached.count(Limit::ControlQueue);
                    self.shared.end(Side::Node);
                }
                Lane::Calls => self.shared.reached.count(Limit::CallQueue),
                Lane::Bulk => self.shared.reached.count(Limit::BulkQueue),
            }
            return Err(PushError::Full);
        }
        let writer = if state.lanes.is_empty() { state.writer.take() } else { None };
        state.lanes.push(&frame);
        state.carried_calls |= lane == Lane::Calls;
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
        Ok(())
    }

    /// The share of a message that came over this link, and has to wait, in what may. `None` if too much does.
    pub(crate) fn park(&self, length: usize) -> Option<Parked> {
        self.park_up_to(length, self.shared.bounds.parked)
    }

    /// As [`Link::park`], of a message that is forwarded: there is room for what waited with many workers that move.
    pub(crate) fn park_forwarded(&self, length: usize) -> Option<Parked> {
        self.park_up_to(length, self.shared.bounds.parked.saturating_mul(FORWARDED))
    }

    fn park_up_to(&self, length: usize, bound: usize) -> Option<Parked> {
        let parked = Parked::new(&self.shared.backlog, length, bound);
        if parked.is_none() {
            self.shared.reached.count(Limit::Parked);
        }
        parked
    }

    /// Whether anything was ever put into its lane of calls.
    pub(crate) fn has_carried_calls(&self) -> bool {
        self.shared.state().carried_calls
    }

    /// Puts a frame into its lane as soon as that has room: for bulk.
    ///
    /// # Errors
    /// [`Ended`] when the link ended before.
    pub async fn push_when_room(&self, frame: Frame) -> Result<(), Ended> {
        let lane = frame.lane();
        let mut has_waited = false;
        poll_fn(|context| {
            let mut state = self.shared.state();
            if state.stage != Stage::Open {
                return Poll::Ready(Err(Ended));
            }
            if state.lanes.has_room(lane, &self.shared.bounds) {
                let writer = if state.lanes.is_empty() { state.writer.take() } else { None };
                state.lanes.push(&frame);
                drop(state);
                if let Some(writer) = writer {
                    writer.wake();
                }
                return Poll::Ready(Ok(()));
            }
            remember(&mut state.room, context.waker());
            if !std::mem::replace(&mut has_waited, true) {
                self.shared.reached.count(Limit::BulkQueue);
            }
            Poll::Pending
        })
        .await
    }

    /// Ends the link in order: what was pushed before is still written, nothing more is read, no
    /// [`Report::Down`](super::Report::Down) follows.
    pub fn close(&self) {
        let mut state = self.shared.state();
        if state.stage != Stage::Open {
            return;
        }
        state.stage = Stage::Closing;
        let wakers = state.everyone();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Link {
    /// Whether nothing is left to be done: the writer has written all or is gone, and the reader has seen the
    /// peer close or is gone.
    pub fn is_flushed(&self) -> bool {
        self.shared.state().ends == 0
    }

    /// Ready once [`is_flushed`](Self::is_flushed).
    pub async fn flushed(&self) {
        poll_fn(|context| {
            let mut state = self.shared.state();
            if state.ends == 0 {
                return Poll::Ready(());
            }
            remember(&mut state.end, context.waker());
            Poll::Pending
        })
        .await;
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("id", &self.shared.id)
            .field("node", &self.shared.node)
            .finish_non_exhaustive()
    }
}

impl Outgoing {
    /// Waits until frames are there, then appends whole encoded frames to `bytes`: control before calls before
    /// bulk, until about `limit` bytes are there (a frame that is begun is appended whole). After an ordered
    /// close what was queued before still comes. Cancel safe.
    ///
    /// # Errors
    /// [`Ended`] when all is written and the link was closed from inside, or when the link ended: flush what is
    /// left and close the socket.
    pub async fn take(&mut self, bytes: &mut Vec<u8>, limit: usize) -> Result<(), Ended> {
        poll_fn(|context| {
            let mut state = self.shared.state();
            if state.lanes.is_empty() {
                if state.stage != Stage::Open {
                    return Poll::Ready(Err(Ended));
                }
                if !state.writer.as_ref().is_some_and(|writer| writer.will_wake(context.waker())) {
                    state.writer = Some(context.waker().clone());
                }
                return Poll::Pending;
            }
            state.lanes.take(bytes, limit);
            let wakers: Vec<Waker> = state.room.drain(..).collect();
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
            Poll::Ready(Ok(()))
        })
        .await
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.shared.dropped(Side::Writer);
    }
}

impl Incoming {
    /// Takes a frame. Waits while the node is behind with control frames and others that its engine handles: stop
    /// reading meanwhile, so that the peer has to wait too.
    ///
    /// # Errors
    /// [`Ended`] when the link was closed from inside: stop reading.
    pub async fn frame(&mut self, frame: Frame) -> Result<(), Ended> {
        if !self.shared.sink.is_for_engine(&frame) {
            if self.shared.state().stage != Stage::Open {
                return Err(Ended);
            }
            self.shared.sink.passed(&Link { shared: self.shared.clone() }, frame, None);
            return Ok(());
        }
        let weight = frame.wire_len() + HANDLING;
        let mut has_waited = false;
        poll_fn(|context| {
            let mut state = self.shared.state();
            if state.stage != Stage::Open {
                return Poll::Ready(Err(Ended));
            }
            if state.unhandled < self.shared.bounds.unhandled {
                state.unhandled += weight;
                return Poll::Ready(Ok(()));
            }
            state.reader = Some(context.waker().clone());
            if !std::mem::replace(&mut has_waited, true) {
                self.shared.reached.count(Limit::Unhandled);
            }
            Poll::Pending
        })
        .await?;
        let credit = Credit { shared: self.shared.clone(), weight };
        if frame.is_control() {
            self.shared.sink.control(self.shared.id, frame, credit);
        } else {
            self.shared.sink.passed(&Link { shared: self.shared.clone() }, frame, Some(credit));
        }
        Ok(())
    }

    /// Ready once the link was ended by the other end of these types, so that a reader that waits for its socket
    /// can stop at once. Borrows nothing.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = self.shared.clone();
        poll_fn(move |context| {
            let mut state = shared.state();
            if state.stage != Stage::Open {
                return Poll::Ready(());
            }
            remember(&mut state.end, context.waker());
            Poll::Pending
        })
    }

    /// The connection is gone: end of stream, reset, or bytes that are no frames. Dropping does the same.
    pub fn down(self) {}
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.shared.dropped(Side::Reader);
    }
}

/// Room that one frame for the engine takes until it is handled. Dropping it lets the reader go on.
pub(crate) struct Credit {
    shared: Arc<Shared>,
    weight: usize,
}

impl Credit {
    /// Whether more than half of what may wait does, this frame included.
    pub(crate) fn is_pressed(&self) -> bool {
        self.shared.state().unhandled > self.shared.bounds.unhandled / 2
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.unhandled -= self.weight;
        // Not for each frame: a reader that waited goes on when there is room for many. It stays above the half that
        // tells a flood.
        let has_room = state.unhandled < self.shared.bounds.unhandled / 4 * 3;
        let reader = if has_room { state.reader.take() } else { None };
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
