//! What the ends of one link share, around one short lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use skep_core::id::{Life, LinkId, NodeName};

use super::hub::Sink;
use super::lanes::{Lanes, LinkBounds};
use super::parked::Backlog;
use crate::limits::Reached;

/// The link itself.
pub(super) struct Shared {
    pub(super) id: LinkId,
    pub(super) ours: Life,
    pub(super) peer: Life,
    pub(super) node: NodeName,
    pub(super) bounds: LinkBounds,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) reached: Arc<Reached>,
    /// Of what came from its peer.
    pub(super) backlog: Backlog,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) stage: Stage,
    pub(super) lanes: Lanes,
    /// Whether a frame was ever put into the lane of calls.
    pub(super) carried_calls: bool,
    pub(super) unhandled: usize,
    pub(super) writer: Option<Waker>,
    pub(super) reader: Option<Waker>,
    pub(super) room: Vec<Waker>,
    pub(super) end: Vec<Waker>,
    /// The transport's ends that are not dropped yet.
    pub(super) ends: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    /// Closed from inside: what was queued is still written, nothing more is read.
    Closing,
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Node,
    Writer,
    Reader,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // nothing in the lock's scope is left half done
    }

    /// One of the transport's ends is dropped.
    pub(super) fn dropped(&self, by: Side) {
        self.end(by);
        let mut state = self.state();
        state.ends -= 1;
        let wakers = if state.ends == 0 { state.everyone() } else { Vec::new() };
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The connection is gone, or must go. Tells the node once, unless the node itself closed it.
    pub(super) fn end(&self, by: Side) {
        let mut state = self.state();
        let was = state.stage;
        if was == Stage::Closing && by == Side::Reader {
            return; // the writer still has to write what was queued
        }
        state.stage = Stage::Over;
        state.lanes.clear();
        let wakers = state.everyone();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        if was == Stage::Open {
            self.sink.down(self.id, self.peer);
        }
    }
}

impl State {
    pub(super) fn everyone(&mut self) -> Vec<Waker> {
        let mut wakers: Vec<Waker> = self.room.drain(..).chain(self.end.drain(..)).collect();
        wakers.extend(self.writer.take());
        wakers.extend(self.reader.take());
        wakers
    }
}

/// Each task once.
pub(super) fn remember(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|known| known.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}
