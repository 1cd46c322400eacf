//! Calls and answers as bytes: a small header, then the message or the answer itself.

use serde::{Deserialize, Serialize};
use skep_core::id::{Epoch, Life};
use skep_core::wire::{FIRST_CALL_KIND, Frame, MAX_FRAME};

use super::error::Handled;
use crate::worker::MessageId;

/// A message that wants an answer.
pub(crate) const REQUEST: u16 = FIRST_CALL_KIND;
/// An answer.
pub(crate) const REPLY: u16 = FIRST_CALL_KIND + 1;
/// A message that wants none.
pub(crate) const ONE_WAY: u16 = FIRST_CALL_KIND + 2;
/// One message for many workers of one node, which wants no answer.
pub(crate) const PUBLISHED: u16 = FIRST_CALL_KIND + 3;

/// A message for a name that moved, to where it went.
pub(crate) const FORWARD: u16 = FIRST_CALL_KIND + 16;
/// "It is here": the number of a forwarded message.
pub(crate) const FORWARDED: u16 = FIRST_CALL_KIND + 17;
/// "Is all that I sent before with who has its name now?" A number of the asker's.
pub(crate) const FLUSH: u16 = FIRST_CALL_KIND + 18;
/// "It is": that number.
pub(crate) const FLUSHED: u16 = FIRST_CALL_KIND + 19;
/// To a caller: its call was forwarded.
pub(crate) const MOVED: u16 = FIRST_CALL_KIND + 20;
/// An answer to a forwarded call.
pub(crate) const REPLY_FOR: u16 = FIRST_CALL_KIND + 21;

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

/// What stands before a forwarded message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Forward<'a> {
    /// Above all that its forwarder sent before.
    pub(crate) number: u64,
    /// How long the caller still waits. 0 in a one-way message.
    pub(crate) remaining_micros: u64,
    /// The start that it is for.
    pub(crate) epoch: Epoch,
    /// What it is.
    pub(crate) message: u64,
    /// Who waits for the answer.
    pub(crate) caller: Option<Caller>,
    /// For whom.
    pub(crate) name: &'a str,
}

/// Who waits for the answer to a forwarded call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Caller {
    /// Where the caller is.
    pub(crate) life: Life,
    /// To whom the call went first: the caller knows it by that.
    pub(crate) asked: Life,
    /// The caller's key.
    pub(crate) call: u64,
}

/// To a caller: its call went on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Moved {
    /// The caller's key.
    pub(crate) call: u64,
    /// To whom the call went first.
    pub(crate) asked: Life,
    /// Where it is now.
    pub(crate) to: Life,
}

/// What stands before an answer to a forwarded call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ReplyFor {
    /// Where the caller is.
    pub(crate) to: Life,
    /// To whom the call went first.
    pub(crate) asked: Life,
    /// How it went.
    pub(crate) verdict: Verdict,
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

/// A frame of a few numbers.
pub(crate) fn plain(kind: u16, body: &impl Serialize) -> Frame {
    Frame { kind, body: postcard::to_allocvec(body).expect("plain data") }
}

/// A frame of a header and a message that is encoded already, and was short enough for a frame before.
pub(crate) fn with_bytes(kind: u16, header: &impl Serialize, bytes: &[u8]) -> Frame {
    let header = postcard::to_extend(header, Vec::with_capacity(64 + bytes.len()));
    let mut body = header.expect("plain data");
    body.extend_from_slice(bytes);
    Frame { kind, body }
}

/// The one number of a frame.
pub(crate) fn number(body: &[u8]) -> Option<u64> {
    match postcard::take_from_bytes(body) {
        Ok((number, [])) => Some(number),
        Ok(_) | Err(_) => None,
    }
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
    fn what_follows_a_move_is_pinned() {
        let caller = Caller { life: Life(5), asked: Life(6), call: 7 };
        let header = Forward {
            number: 1,
            remaining_micros: 2,
            epoch: Epoch(3),
            message: 4,
            caller: Some(caller),
            name: "n",
        };
        let frame = with_bytes(FORWARD, &header, &[9]);
        let bytes = b"\x01\x02\x03\x04\x01\x05\x06\x07\x01n\x09".as_slice();
        assert_eq!((frame.kind, frame.body.as_slice()), (0x8010, bytes));
        let (read, rest): (Forward<'_>, _) = postcard::take_from_bytes(&frame.body).expect("a header");
        assert_eq!((read, rest), (header, [9].as_slice()));
        assert_eq!(plain(FORWARDED, &8u64), Frame { kind: 0x8011, body: vec![8] });
        assert_eq!((number(&[8]), number(&[8, 8]), number(&[])), (Some(8), None, None));
        let moved = Moved { call: 7, asked: Life(6), to: Life(8) };
        assert_eq!(plain(MOVED, &moved), Frame { kind: 0x8014, body: vec![7, 6, 8] });
        let verdict = Verdict { call: 7, outcome: Answered::Reply };
        let reply = ReplyFor { to: Life(5), asked: Life(6), verdict };
        assert_eq!(plain(REPLY_FOR, &reply), Frame { kind: 0x8015, body: vec![5, 6, 7, 0] });
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
