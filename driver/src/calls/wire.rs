//! Calls and answers as bytes: a small header, then the message or the answer itself.

use serde::{Deserialize, Serialize};
use skep_core::id::Epoch;
use skep_core::wire::{FIRST_CALL_KIND, Frame, MAX_FRAME};

use super::error::Handled;
use crate::worker::MessageId;

/// A message that wants an answer.
pub(crate) const REQUEST: u16 = FIRST_CALL_KIND;
/// An answer.
pub(crate) const REPLY: u16 = FIRST_CALL_KIND + 1;
/// A message that wants none.
pub(crate) const ONE_WAY: u16 = FIRST_CALL_KIND + 2;

/// What stands before a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Header<'a> {
    /// The caller's key; means nothing here. 0 in a one-way message.
    pub(crate) call: u64,
    /// How long the caller still waits. 0 in a one-way message.
    pub(crate) remaining_micros: u64,
    /// The start of the worker that the caller knows of: an older one must not take the message.
    pub(crate) epoch: Epoch,
    /// What it is.
    pub(crate) message: u64,
    /// For whom.
    pub(crate) name: &'a str,
}

/// What stands before an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// The key that the call had.
    pub(crate) call: u64,
    /// How it went.
    pub(crate) outcome: Answered,
}

/// How a call went on the worker's node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Answered {
    /// The answer follows.
    Reply,
    /// It was not put into a mailbox.
    Undelivered(Undelivered),
    /// The worker ended, or dropped it.
    Failed(Handled),
    /// It was handled, but the answer does not fit into a frame.
    ReplyTooLarge,
}

/// Why a call was not put into a mailbox.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Undelivered {
    /// That start of the worker does not run here (any more, or yet).
    NotHere,
    /// The mailbox is full.
    Overloaded,
    /// The worker does not list the message.
    UnknownMessage,
    /// It lists it, but these bytes are none.
    BadMessage,
}

/// Why something does not become a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unframed {
    /// It has more bytes than a frame may have.
    TooLarge { length: usize },
    /// Its `Serialize` fails, or is not for a format like ours.
    NotEncoded,
}

/// A frame of a header and what follows it.
pub(crate) fn frame(kind: u16, header: &impl Serialize, body: &impl Serialize) -> Result<Frame, Unframed> {
    let encoded = postcard::to_extend(header, Vec::with_capacity(64))
        .and_then(|bytes| postcard::to_extend(body, bytes))
        .map_err(|_| Unframed::NotEncoded)?;
    if encoded.len() > MAX_FRAME as usize {
        return Err(Unframed::TooLarge { length: encoded.len() });
    }
    Ok(Frame { kind, body: encoded })
}

impl Header<'_> {
    pub(crate) fn message_id(&self) -> MessageId {
        MessageId(self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_pinned() {
        let header = Header { call: 1, remaining_micros: 2, epoch: Epoch(3), message: 4, name: "n" };
        let frame = frame(REQUEST, &header, &5u64).expect("it is short");
        assert_eq!((frame.kind, frame.body.as_slice()), (0x8000, b"\x01\x02\x03\x04\x01n\x05".as_slice()));
        let (read, rest): (Header<'_>, _) = postcard::take_from_bytes(&frame.body).expect("a header");
        assert_eq!((read, rest), (header, [5].as_slice()));
    }

    #[test]
    fn an_answer_is_pinned() {
        for (outcome, bytes) in [
            (Answered::Reply, [7, 0].as_slice()),
            (Answered::Undelivered(Undelivered::NotHere), &[7, 1, 0]),
            (Answered::Undelivered(Undelivered::Overloaded), &[7, 1, 1]),
            (Answered::Undelivered(Undelivered::UnknownMessage), &[7, 1, 2]),
            (Answered::Undelivered(Undelivered::BadMessage), &[7, 1, 3]),
            (Answered::Failed(Handled::No), &[7, 2, 0]),
            (Answered::Failed(Handled::Maybe), &[7, 2, 1]),
            (Answered::ReplyTooLarge, &[7, 3]),
        ] {
            let verdict = Verdict { call: 7, outcome };
            let frame = frame(REPLY, &verdict, &()).expect("it is short");
            assert_eq!(frame.body, bytes, "{verdict:?}");
        }
    }
}
