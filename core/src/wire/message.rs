//! The messages of the cores. A kind and its body never change once released; a change is a new kind (`version.rs`).

use alloc::boxed::Box;

use serde::{Deserialize, Serialize};

use super::frame::{Frame, MAX_FRAME};
use super::list::List;
use super::v1;
use crate::error::{NoQuorum, Refusal, WireError};
use crate::event::{Registration, WorkerSpec};
use crate::id::{ClaimId, Dot, Epoch, Life, Name, Reason};
use crate::membership::{Ended, Record};
use crate::tracker::{Entry, Item};

/// The most member records in one message.
pub(crate) const MAX_RECORDS: usize = 4096;
/// The most log records in one message.
pub(crate) const MAX_DELTA: usize = 256;
/// The most starts that one barrier acknowledgement reports.
pub(crate) const MAX_STARTS: usize = 4096;

/// How far a replica has each log, without a gap.
pub(crate) type Positions = List<(Life, u64), MAX_RECORDS>;

/// Lives that were forgotten.
pub(crate) type Lives = List<Ended, MAX_RECORDS>;

/// One table: the kind on the wire and the type of the body. Of what an older version says in other words: since which
/// version it has this kind, and the kind and the body of before.
macro_rules! messages {
    ($($(#[$doc:meta])* $kind:literal $([since $since:literal, before $old:literal $former:ty])? $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
            pub(crate) struct $name { $($(#[$field_doc])* pub(crate) $field: $type),* }

            impl From<$name> for Message {
                fn from(body: $name) -> Self {
                    Self::$name(Box::new(body))
                }
            }
        )*

        /// Any of them.
        #[derive(Clone, PartialEq, Debug)]
        pub(crate) enum Message { $($name(Box<$name>)),* }

        impl Message {
            /// Kind and body, in the words of this version.
            pub(crate) fn encode(&self, version: u16) -> Frame {
                let (kind, body) = match self {
                    $($(Self::$name(body) if version < $since => {
                        ($old, postcard::to_allocvec(&<$former>::from((**body).clone())))
                    })?
                    Self::$name(body) => ($kind, postcard::to_allocvec(body)),)*
                };
                Frame { kind, body: body.expect("a message is plain data") }
            }

            /// What this version and those before it understand. `None` for a kind that they do not know: to be skipped.
            ///
            /// # Errors
            /// [`WireError::Body`] unless the body is one message of its kind and nothing more.
            pub(crate) fn decode(frame: &Frame, version: u16) -> Result<Option<Self>, WireError> {
                match frame.kind {
                    $($kind $(if version >= $since)? => whole::<$name>(frame).map(|body| Some(body.into())),
                    $($old => whole::<$former>(frame).map(|body| Some($name::from(body).into())),)?)*
                    _ => Ok(None),
                }
            }
        }

        #[cfg(any(test, feature = "mutants"))]
        impl Message {
            /// All kinds of the newest version.
            pub(crate) const KINDS: &[u16] = &[$($kind),*];

            /// The kinds that only older versions say.
            pub(crate) const FORMER: &[u16] = &[$($($old,)?)*];
        }

        #[cfg(feature = "mutants")]
        impl Message {
            /// The body, for another format.
            pub(crate) fn write<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$name(body) => body.serialize(to)),*
                }
            }

            /// A message of this kind, from another format.
            ///
            /// # Errors
            /// Those of the format; and if no message has this kind.
            pub(crate) fn read<'de, D: serde::Deserializer<'de>>(kind: u16, from: D) -> Result<Self, D::Error> {
                match kind {
                    $($kind => $name::deserialize(from).map(Self::from),)*
                    _ => Err(serde::de::Error::custom("no message is of this kind")),
                }
            }
        }
    };
}

/// The body, if the frame is one and nothing more.
fn whole<'de, T: Deserialize<'de>>(frame: &'de Frame) -> Result<T, WireError> {
    match postcard::take_from_bytes(&frame.body) {
        Ok((body, [])) => Ok(body),
        Ok(_) | Err(_) => Err(WireError::Body { kind: frame.kind }),
    }
}

#[cfg(feature = "mutants")]
impl Message {
    /// The kind of a letter that goes by way of another member.
    pub(crate) const RELAY: u16 = 0x0050;
}

messages! {
    /// The first on every link: all that the sender knows of members, how far it has each log, and whom it has
    /// forgotten.
    0x0007 [since 2, before 0x0001 v1::Greet] Greet { records: List<Record, MAX_RECORDS>, positions: Positions, forgotten: Lives }
    /// The last on a link: why it is closed.
    0x0002 Goodbye { refusal: Refusal }
    /// Member records that changed, or all of them.
    0x0008 [since 2, before 0x0003 v1::Records] Records { records: List<Record, MAX_RECORDS> }
    /// Whom the sender has forgotten: what they wrote goes on in other logs, before this on the same link.
    0x0004 Forgotten { lives: Lives }
    /// "We have forgotten each other, or some of each other's friends; these are up on my side": the smaller side
    /// begins anew.
    0x0005 Estranged { up: List<Life, MAX_RECORDS> }
    /// Why the link is about to be closed, should it be the receiver's fault: the number of a misbehaviour. A goodbye
    /// follows.
    0x0006 Reproach { code: u16 }
    /// "Are you there?" With hashes of what the sender knows, for comparison.
    0x0010 Ping { seq: u64, records_hash: u64, positions_hash: u128 }
    /// "I am." Echoes the number.
    0x0011 Pong { seq: u64, records_hash: u64, positions_hash: u128 }
    /// "Ask this member for me whether it is there": a probe failed, or someone saw proof of its death.
    0x0012 PingFor { seq: u64, subject: Life }
    /// "It is": bytes came after the question. Or: its link to me is closed, or was silent for long enough.
    0x0013 PongFor { seq: u64, subject: Life, heard: bool }
    /// How far the sender has each log; the receiver pulls what it lacks, and answers if it has more.
    0x0020 Digest { positions: Positions, answer: bool }
    /// "Send me what you have of this log after this position."
    0x0021 Pull { origin: Life, from: u64 }
    /// What is left of a log's records after `from`, up to and with `to`. `head` is the sender's position
    /// there; up to `stable` all lives have it, so that removals may be dropped.
    0x0022 Delta { origin: Life, from: u64, to: u64, head: u64, stable: u64, items: List<(u64, Item), MAX_DELTA> }
    /// "I have the log of yours up to here without a gap."
    0x0023 Acked { position: u64 }
    /// "I gained slots. Is your ring mine?"
    0x0030 Barrier { generation: u64, ring_hash: u64 }
    /// "It is: from now on I grant and accept starts by it only." With all that the gainer must know.
    0x0031 BarrierAck { generation: u64, positions: Positions, starts: List<StartReport, MAX_STARTS> }
    /// To the arbiter of a name: what a caller wants.
    0x0040 Claim { id: ClaimId, name: Name, wish: Wish, remaining_ms: u64 }
    /// The arbiter's answer.
    0x004b [since 2, before 0x0041 v1::ClaimReply] ClaimReply { id: ClaimId, verdict: Verdict }
    /// From the arbiter to a host: run this.
    0x0042 StartOrder { name: Name, dot: Option<Dot>, claim: ClaimId, spec: WorkerSpec, epoch: Epoch }
    /// From a host to the arbiter, until it is recorded or refused: this is what I do of my own order.
    0x0043 StartReport { name: Name, dot: Option<Dot>, claim: ClaimId, spec: WorkerSpec, epoch: Epoch, progress: Progress }
    /// From the arbiter to a host: end this start or, with a dot, whatever start of that registration.
    0x0044 StopOrder { name: Name, dot: Option<Dot>, epoch: Epoch, why: Halt }
    /// From a host to the arbiter: what the order named does not run here. It may have gone on elsewhere just now.
    0x0045 StopReport { name: Name, epoch: Epoch, moved: Option<Life> }
    /// From the holder to another node: prepare a copy, the start `epoch`, of what runs here as `replaces`. So many
    /// bytes of its state follow.
    0x0046 Offer { name: Name, dot: Dot, claim: ClaimId, spec: WorkerSpec, replaces: Epoch, epoch: Epoch, state: Option<u64> }
    /// How far the copy is.
    0x0047 OfferReply { name: Name, epoch: Epoch, answer: Readiness }
    /// From the holder: it goes on here, drop the copy.
    0x0048 Withdraw { name: Name, epoch: Epoch }
    /// From the node of a beaten copy to that of the winner: so many bytes of what the start `beaten` knows, for the
    /// start `winner`.
    0x0049 Surrender { name: Name, winner: Epoch, beaten: Epoch, bytes: u64 }
    /// What the winner makes of it.
    0x004a SurrenderReply { name: Name, beaten: Epoch, answer: Reception }
    /// For `to`, from `from`, by way of one other member.
    0x0050 Relay { to: Life, from: Life, kind: u16, body: List<u8, { MAX_FRAME as usize }> }
}

impl StartReport {
    /// About how many bytes it is on the wire.
    pub(crate) fn size(&self) -> usize {
        64 + self.name.as_str().len() + self.spec.size()
    }
}

/// What a claim is for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Wish {
    Register(WorkerSpec),
    Unregister,
    Locate,
    /// As `Register`, of what ran in a former life: written down before it runs.
    Restore(WorkerSpec),
}

/// How a claim ended, or that it must be made elsewhere.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// It runs; this copy of its record counts as the second one.
    Registered {
        origin: Life,
        seq: u64,
        entry: Entry,
    },
    Taken(Registration),
    UnknownKind,
    NoNodeAvailable,
    StartFailed(Reason),
    Unregistered {
        origin: Life,
        seq: u64,
        entry: Entry,
    },
    /// An earlier try of the same claim removed it.
    Gone,
    Located(Registration),
    NotFound,
    Busy,
    /// The sender is no arbiter of this name; ask by a newer view.
    Stale,
    /// The arbiter gave up with the caller's deadline.
    TooLate,
    NoQuorum(NoQuorum),
    /// There are as many names as there may be.
    TooManyNames {
        max: usize,
    },
}

/// How far a host is with a start.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Progress {
    Starting,
    Running,
    Failed(Reason),
    /// By its own view the host takes no such order from the sender; or it has a later start. Whoever orders anew
    /// orders above all that the host has seen.
    Refused {
        newest: Epoch,
    },
    /// A copy waits here, handed over by a node that is gone.
    Ready,
}

/// How far a node is with a copy that it was offered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Readiness {
    /// The state may come.
    Accepted,
    /// It waits for the record.
    Prepared,
    Failed(Reason),
    /// By its own view it is not to run here, or not now.
    Refused,
}

/// What a winner makes of what a beaten copy offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Reception {
    /// It may come.
    Accepted,
    /// The winner has looked at it.
    Done,
    /// The winner does not run here, or it did not arrive whole.
    Refused,
}

/// Why an arbiter ends a start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Halt {
    Unregistered,
    Cancelled,
    Superseded,
}
