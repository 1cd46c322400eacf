//! Calls and answers as bytes: a small header, then the message or the answer itself.

use serde::{Deserialize, Serialize};
use skep_core::id::{Epoch, Life};
use skep_core::wire::{FIRST_CALL_KIND, Frame};

use super::chain::Chain;
use super::error::Handled;
use crate::worker::{LONGEST, MessageId};

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

/// What stands before a message; before one that wants an answer a [`Chain`] stands behind it.
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
    /// Which workers wait for it.
    pub(crate) chain: Chain,
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
    /// It is longer than [`LONGEST`].
    TooLarge { length: usize },
    /// Its `Serialize` fails, or is not for a format like ours.
    NotEncoded,
}

/// A frame of a header and a message or an answer.
pub(crate) fn frame(kind: u16, header: &impl Serialize, body: &impl Serialize) -> Result<Frame, Unframed> {
    let header = postcard::to_extend(header, Vec::with_capacity(64)).map_err(|_| Unframed::NotEncoded)?;
    let before = header.len();
    let encoded = postcard::to_extend(body, header).map_err(|_| Unframed::NotEncoded)?;
    let length = encoded.len() - before;
    if length > LONGEST { Err(Unframed::TooLarge { length }) } else { Ok(Frame { kind, body: encoded }) }
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
    use skep_core::id::Name;
    use skep_core::wire::MAX_FRAME;

    use super::super::chain::DEEPEST;
    use super::super::chain::tests::chain_of;
    use super::*;

    /// The chain of one worker `n0`, in its start 0.
    fn one_waits() -> Vec<u8> {
        let hash = Name::new("n0").expect("a good name").xxh3();
        [&[1], postcard::to_allocvec(&hash).expect("plain data").as_slice(), &[0]].concat()
    }

    #[test]
    fn a_request_is_pinned() {
        let header = Header { call: 1, remaining_micros: 2, epoch: Epoch(3), message: 4, name: "n" };
        for (chain, bytes) in [(chain_of(0), vec![0]), (chain_of(1), one_waits())] {
            let frame = frame(REQUEST, &(&header, &chain), &5u64).expect("it is short");
            let bytes = [&[1, 2, 3, 4, 1, b'n'], bytes.as_slice(), &[5]].concat();
            assert_eq!((frame.kind, &frame.body), (0x8000, &bytes));
            let read: ((Header<'_>, Chain), _) = postcard::take_from_bytes(&frame.body).expect("a header");
            assert_eq!(read, ((header.clone(), chain), [5].as_slice()));
        }
    }

    #[test]
    fn the_longest_message_fits_behind_the_longest_header() {
        let caller = Caller { life: Life(u64::MAX), asked: Life(u64::MAX), call: u64::MAX };
        let mut header = Forward {
            number: u64::MAX,
            remaining_micros: u64::MAX,
            epoch: Epoch(u64::MAX),
            message: u64::MAX,
            caller: Some(caller),
            chain: chain_of(0),
            name: &"n".repeat(Name::MAX),
        };
        let waiter = 20; // two numbers of ten bytes
        let longest = DEEPEST * waiter + plain(FORWARD, &header).body.len() + LONGEST;
        assert!(longest <= MAX_FRAME as usize, "{longest} bytes");
        header.chain = chain_of(DEEPEST as u64);
        assert!(with_bytes(FORWARD, &header, &[7; LONGEST]).body.len() <= MAX_FRAME as usize);
        let header = Header { call: 1, remaining_micros: 2, epoch: Epoch(3), message: 4, name: "n" };
        let long = vec![7u8; LONGEST - 3]; // and its length
        assert!(frame(ONE_WAY, &header, &long).is_ok());
        let longer = vec![7u8; LONGEST - 2];
        assert_eq!(frame(ONE_WAY, &header, &longer), Err(Unframed::TooLarge { length: LONGEST + 1 }));
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
            chain: chain_of(1),
            name: "n",
        };
        let frame = with_bytes(FORWARD, &header, &[9]);
        let bytes = [&[1, 2, 3, 4, 1, 5, 6, 7], one_waits().as_slice(), &[1, b'n', 9]].concat();
        assert_eq!((frame.kind, &frame.body), (0x8010, &bytes));
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
