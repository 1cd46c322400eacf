//! What a caller hears instead of an answer.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a worker may have handled a message whose answer did not come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Handled {
    /// It has not, and never will.
    No,
    /// It may have, or may still.
    Maybe,
}

/// Why a call has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// Nothing is registered under the name, as far as this node knows. Not handled.
    NotFound,
    /// No answer by the deadline.
    Timeout {
        /// `No` if it never reached a worker: the name had no holder, or its mailbox no room.
        handled: Handled,
    },
    /// The worker ended, or dropped the call, before it answered.
    WorkerFailed {
        /// `No` if the call was still in its mailbox.
        handled: Handled,
    },
    /// The link to the worker's node was lost after the message was sent. It may have been handled.
    LinkLost,
    /// Too many calls wait already: here, on the link, or for that worker until the deadline. Not handled.
    Overloaded,
    /// The worker waits for the caller, or is the caller itself, and so would never answer. Not handled.
    Cycle,
    /// Sixteen workers wait for one another already, and the caller is the last of them. Not handled.
    TooDeep,
    /// The worker does not list this message. Not handled.
    UnknownMessage,
    /// The message cannot be encoded here, or the worker's node could not decode it as what it knows under that
    /// name. Not handled.
    BadMessage,
    /// The encoded message is longer than a frame may be. Not handled.
    MessageTooLarge {
        /// Its bytes.
        length: usize,
    },
    /// The encoded answer is longer than a frame may be. The message was handled.
    ReplyTooLarge,
    /// The answer is not of the type that the message says. The message was handled.
    BadReply,
    /// This node has left its cluster. Not handled.
    Ended,
}

impl CallError {
    /// Whether the message may have been handled. `No` is always true.
    pub fn handled(&self) -> Handled {
        match self {
            Self::Timeout { handled } | Self::WorkerFailed { handled } => *handled,
            Self::LinkLost | Self::ReplyTooLarge | Self::BadReply => Handled::Maybe,
            Self::NotFound
            | Self::Overloaded
            | Self::Cycle
            | Self::TooDeep
            | Self::UnknownMessage
            | Self::BadMessage
            | Self::MessageTooLarge { .. }
            | Self::Ended => Handled::No,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("nothing is registered under this name"),
            Self::Timeout { handled: Handled::No } => {
                f.write_str("no answer by the deadline; the message was not handled")
            }
            Self::Timeout { handled: Handled::Maybe } => f.write_str("no answer by the deadline"),
            Self::WorkerFailed { handled: Handled::No } => {
                f.write_str("the worker ended before it took the message")
            }
            Self::WorkerFailed { handled: Handled::Maybe } => {
                f.write_str("the worker ended before it answered")
            }
            Self::LinkLost => f.write_str("the link was lost before the answer came"),
            Self::Overloaded => f.write_str("too many calls wait already"),
            Self::Cycle => f.write_str("the worker waits for its caller itself"),
            Self::TooDeep => f.write_str("too many workers wait for one another already"),
            Self::UnknownMessage => f.write_str("the worker does not know this message"),
            Self::BadMessage => f.write_str("the message could not be encoded or decoded"),
            Self::MessageTooLarge { length } => write!(f, "the message has {length} bytes, too many"),
            Self::ReplyTooLarge => f.write_str("the answer has too many bytes"),
            Self::BadReply => f.write_str("the answer could not be decoded"),
            Self::Ended => f.write_str("this node has left its cluster"),
        }
    }
}

impl std::error::Error for CallError {}

/// Why a message was not sent. It was not handled. A message that was sent may still be lost with a link, with
/// its worker, or to a full mailbox on another node: who needs to know uses a call.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// Nothing is registered under the name, as far as this node knows.
    NotFound,
    /// The worker's mailbox here is full, or so is the link to its node, or what is held for names that move.
    MailboxFull,
    /// The worker here does not list this message.
    UnknownMessage,
    /// The message cannot be encoded.
    BadMessage,
    /// The encoded message is longer than a frame may be.
    MessageTooLarge {
        /// Its bytes.
        length: usize,
    },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("nothing is registered under this name"),
            Self::MailboxFull => f.write_str("the mailbox is full"),
            Self::UnknownMessage => f.write_str("the worker does not know this message"),
            Self::BadMessage => f.write_str("the message cannot be encoded"),
            Self::MessageTooLarge { length } => write!(f, "the message has {length} bytes, too many"),
        }
    }
}

impl std::error::Error for SendError {}
