//! What waits to be written on one link: three queues of encoded frames, each bounded in bytes.

use std::collections::VecDeque;
use std::time::Duration;

use skep_core::error::ConfigError;
use skep_core::wire::{Frame, Lane};

/// What may wait on one link, in bytes on the wire. A lane takes a frame as long as it holds less than its bound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkBounds {
    /// Control frames that wait to be written. Over it the link is ended: a peer that does not read is a peer
    /// that is gone, and the machine repairs what was lost.
    pub control: usize,
    /// Calls and replies that wait to be written. Over it a frame is refused, and its caller told.
    pub calls: usize,
    /// Bulk that waits to be written. Over it the sender waits.
    pub bulk: usize,
    /// Control frames that were read and not yet handled, each counted with 1 KiB more than its length: small ones
    /// take memory and time too. Over it the reader waits, and so the peer: this is the share of one link in what the
    /// engine has before it, and others need not wait behind more than that.
    pub unhandled: usize,
    /// Bytes of messages that the peer sent and that wait on this node: in mailboxes, and to be forwarded. Each is counted
    /// with 256 more than its length, and once for each of the workers that it is for; four times as much may wait of
    /// what the peer forwards. Over it a message is refused, as by a mailbox that is full.
    pub parked: usize,
    /// For how long more than half of `unhandled` may wait without a pause. Then the peer floods this node: the link is
    /// closed, and the peer kept away for a second, and for longer each time that it does it again.
    pub flood_after: Duration,
}

impl LinkBounds {
    /// # Errors
    /// A bound is zero: nothing could be sent.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::check_bounds([
            ("link_bounds.control", self.control),
            ("link_bounds.calls", self.calls),
            ("link_bounds.bulk", self.bulk),
            ("link_bounds.unhandled", self.unhandled),
            ("link_bounds.parked", self.parked),
        ])?;
        if self.flood_after.is_zero() {
            return Err(ConfigError::ZeroDuration("link_bounds.flood_after"));
        }
        Ok(())
    }
}

impl Default for LinkBounds {
    fn default() -> Self {
        Self {
            control: 64 << 20,
            calls: 8 << 20,
            bulk: 1 << 20,
            unhandled: 4 << 20,
            parked: 64 << 20,
            flood_after: Duration::from_secs(10),
        }
    }
}

/// What a frame that waits to be handled costs besides its bytes.
pub(super) const HANDLING: usize = 1 << 10;

/// Frames are gathered into chunks of about this size, so that taking them is a pointer swap.
const CHUNK: usize = 32 << 10;

/// The three queues, not yet guarded by anything.
#[derive(Default)]
pub(crate) struct Lanes {
    control: Queue,
    calls: Queue,
    bulk: Queue,
}

#[derive(Default)]
struct Queue {
    chunks: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Lanes {
    pub(crate) fn is_empty(&self) -> bool {
        self.control.bytes + self.calls.bytes + self.bulk.bytes == 0
    }

    pub(crate) fn has_room(&self, lane: Lane, bounds: &LinkBounds) -> bool {
        match lane {
            Lane::Control => self.control.bytes < bounds.control,
            Lane::Calls => self.calls.bytes < bounds.calls,
            Lane::Bulk => self.bulk.bytes < bounds.bulk,
        }
    }

    pub(crate) fn push(&mut self, frame: &Frame) {
        match frame.lane() {
            Lane::Control => self.control.push(frame),
            Lane::Calls => self.calls.push(frame),
            Lane::Bulk => self.bulk.push(frame),
        }
    }

    /// Appends chunks, control first, bulk last, until there are at least `limit` bytes or nothing is left.
    pub(crate) fn take(&mut self, bytes: &mut Vec<u8>, limit: usize) {
        for queue in [&mut self.control, &mut self.calls, &mut self.bulk] {
            while bytes.len() < limit
                && let Some(chunk) = queue.pop()
            {
                if bytes.is_empty() {
                    *bytes = chunk;
                } else {
                    bytes.extend_from_slice(&chunk);
                }
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Queue {
    fn push(&mut self, frame: &Frame) {
        let length = frame.wire_len();
        self.bytes += length;
        match self.chunks.back_mut() {
            Some(last) if last.len() + length <= CHUNK => frame.encode(last),
            Some(_) | None => {
                let mut chunk = Vec::with_capacity(length);
                frame.encode(&mut chunk);
                self.chunks.push_back(chunk);
            }
        }
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let chunk = self.chunks.pop_front()?;
        self.bytes -= chunk.len();
        Some(chunk)
    }
}
