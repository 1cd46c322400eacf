//! What can be wrong, by whose fault: one small enum for each operation.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{Registration, WorkerSpec};
use crate::id::{Address, Kind, Name, NodeName, Reason};
use crate::placement::Place;
use crate::wire::{WIRE_MAX, WIRE_MIN};

/// Text or bytes that no name, kind or address may be.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BadText {
    /// Nothing in it.
    Empty,
    /// More bytes than the type takes.
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A control character, which would tear a log line.
    ControlCharacter,
}

impl BadText {
    pub(crate) fn check(text: &str, max: usize) -> Result<(), Self> {
        if text.is_empty() {
            return Err(Self::Empty);
        }
        if text.len() > max {
            return Err(Self::TooLong { length: text.len(), max });
        }
        if text.chars().any(char::is_control) {
            return Err(Self::ControlCharacter);
        }
        Ok(())
    }
}

impl fmt::Display for BadText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::TooLong { length, max } => write!(f, "has {length} bytes, at most {max} are allowed"),
            Self::ControlCharacter => f.write_str("holds a control character"),
        }
    }
}

/// A `Config` that no machine can run on.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// `wire_version` is none that this code speaks.
    WireVersion(u16),
    /// `slot_bits` outside 4 ..= 24.
    SlotBits(u8),
    /// A weight of zero, which could own nothing.
    ZeroWeight,
    /// A duration that must be longer than zero, by the name of its field.
    ZeroDuration(&'static str),
    /// The same kind twice.
    DuplicateKind(Kind),
    /// A bound that must be above zero, by the name of its field.
    ZeroBound(&'static str),
    /// More than a message can carry.
    TooMany {
        /// The name of the field.
        field: &'static str,
        /// The most that it may have.
        max: usize,
    },
}

impl ConfigError {
    /// # Errors
    /// [`ConfigError::ZeroBound`] of the first of these settings that is zero.
    pub fn check_bounds<const N: usize>(bounds: [(&'static str, usize); N]) -> Result<(), Self> {
        match bounds.into_iter().find(|(_, bound)| *bound == 0) {
            Some((field, _)) => Err(Self::ZeroBound(field)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WireVersion(version) => {
                write!(f, "wire_version is {version}, must be {WIRE_MIN} to {WIRE_MAX}")
            }
            Self::SlotBits(bits) => write!(f, "slot_bits is {bits}, must be 4 to 24"),
            Self::ZeroWeight => f.write_str("weight is 0, must be at least 1"),
            Self::ZeroDuration(field) => write!(f, "{field} is zero"),
            Self::DuplicateKind(kind) => write!(f, "kind {kind} is listed twice"),
            Self::TooMany { field, max } => write!(f, "{field} is more than {max}"),
            Self::ZeroBound(field) => write!(f, "{field} is 0, must be at least 1"),
        }
    }
}

/// Fewer members are up or suspect, as a node sees it, than the strategy asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NoQuorum {
    /// How many are.
    pub present: usize,
    /// How many have to be.
    pub needed: usize,
}

impl fmt::Display for NoQuorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no quorum: {} of {} members are here", self.present, self.needed)
    }
}

/// More roles than a registration may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadPlace {
    /// How many it asks for.
    pub roles: usize,
}

impl fmt::Display for BadPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} roles are asked for, at most {} are allowed", self.roles, Place::MAX_ROLES)
    }
}

/// Why a registration was not made. Nothing runs on its behalf, except after [`RegisterError::Timeout`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RegisterError {
    /// The name is taken; the same answer from whichever node is asked. Nothing was started.
    AlreadyRegistered {
        /// Where it runs.
        holder: Registration,
    },
    /// No name is like this. Said by the node that was asked, before anything was sent.
    BadName(BadText),
    /// The encoded arguments are too long. Said by the node that was asked, before anything was sent.
    BadArgs(BadText),
    /// No role is like this. Said by the node that was asked, before anything was sent.
    BadRole(BadText),
    /// It asks for too many roles. Said by the node that was asked, before anything was sent.
    BadPlace(BadPlace),
    /// No member has code for this kind.
    UnknownKind,
    /// Members have code for it, but none of them is up and has the roles that it asks for.
    NoNodeAvailable,
    /// Too few members are here to decide. Nothing was started.
    NoQuorum(NoQuorum),
    /// The worker's own start failed.
    StartFailed {
        /// What it said.
        reason: Reason,
    },
    /// The cluster has as many names as it may have (`Config::max_names` of the name's arbiter). Nothing was started, and
    /// trying again does not help: unregister what is not needed, or raise the bound on all members. An arbiter tells a
    /// caller whose node speaks wire version 1 `Busy` instead.
    TooManyNames {
        /// How many.
        max: usize,
    },
    /// Too many claims wait already; nothing was done.
    Busy,
    /// No answer by the deadline. A start that was still pending is cancelled or shows in the next look-up.
    Timeout,
    /// This node is leaving or has left.
    Leaving,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRegistered { holder } => write!(f, "already registered on {}", holder.node),
            Self::BadName(fault) => write!(f, "the name {fault}"),
            Self::BadArgs(fault) => write!(f, "the arguments: {fault}"),
            Self::BadRole(fault) => write!(f, "the role {fault}"),
            Self::BadPlace(fault) => fault.fmt(f),
            Self::UnknownKind => f.write_str("no member knows this kind"),
            Self::NoNodeAvailable => f.write_str("no member that could run it is up"),
            Self::NoQuorum(lack) => lack.fmt(f),
            Self::StartFailed { reason } => write!(f, "the worker did not start: {reason}"),
            Self::TooManyNames { max } => {
                write!(
                    f,
                    "{max} names are registered, more are not allowed: unregister some, or raise max_names"
                )
            }
            Self::Busy => f.write_str("too many registrations wait already"),
            Self::Timeout => f.write_str("no answer by the deadline"),
            Self::Leaving => f.write_str("this node is leaving"),
        }
    }
}

/// Why a name was not removed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UnregisterError {
    /// Nothing is registered under it.
    NotFound,
    /// Too few members are here to decide; nothing was done.
    NoQuorum(NoQuorum),
    /// Too many claims wait already; nothing was done.
    Busy,
    /// No answer by the deadline; the removal may still happen.
    Timeout,
    /// This node is leaving or has left.
    Leaving,
}

impl fmt::Display for UnregisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoQuorum(lack) => return lack.fmt(f),
            Self::NotFound => "not registered",
            Self::Busy => "too many calls wait already",
            Self::Timeout => "no answer by the deadline",
            Self::Leaving => "this node is leaving",
        })
    }
}

/// Why the arbiter of a name was not heard.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LookupError {
    /// Nothing is registered under it: its arbiter said so.
    NotFound,
    /// Too many claims wait already.
    Busy,
    /// No answer by the deadline.
    Timeout,
    /// This node is leaving or has left.
    Leaving,
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not registered",
            Self::Busy => "too many calls wait already",
            Self::Timeout => "no answer by the deadline",
            Self::Leaving => "this node is leaving",
        })
    }
}

/// Why a name is not in a group, or not out of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum GroupError {
    /// Nothing is registered under the name.
    NotFound,
    /// No group is called like this. Said before anything was written.
    BadGroup(BadText),
    /// The name is in as many groups as one may be in here (`Config::max_groups`).
    TooMany {
        /// How many.
        max: usize,
    },
    /// Too many calls wait already; nothing was done.
    Busy,
    /// No other member held it by the deadline; it may still come into effect.
    Timeout,
    /// This node is leaving or has left.
    Leaving,
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("not registered"),
            Self::BadGroup(fault) => write!(f, "the group's name {fault}"),
            Self::TooMany { max } => write!(f, "it is in {max} groups already, more are not allowed"),
            Self::Busy => f.write_str("too many calls wait already"),
            Self::Timeout => f.write_str("no answer by the deadline"),
            Self::Leaving => f.write_str("this node is leaving"),
        }
    }
}

/// Why a name has no wanted host.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OwnerError {
    /// No member that could run it is up, or too few are up to run anything.
    NoNodeAvailable {
        /// In words: arbiter, who was excluded and for what.
        why: String,
    },
    /// This node has left.
    Leaving,
}

impl fmt::Display for OwnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNodeAvailable { why } => write!(f, "no member that could run it is up: {why}"),
            Self::Leaving => f.write_str("this node has left"),
        }
    }
}

/// Why a node did not get rid of all it had by the deadline.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DrainError {
    /// Workers still here at the deadline.
    Timeout {
        /// How many.
        left: usize,
    },
}

impl fmt::Display for DrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { left } => write!(f, "{left} workers are still here"),
        }
    }
}

/// Why a cluster was not formed by the deadline.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReadyError {
    /// Too few members, or no rest among them.
    Timeout {
        /// How many were up at the deadline.
        up: usize,
    },
    /// This node is leaving or has left.
    Leaving,
}

impl fmt::Display for ReadyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { up } => write!(f, "not formed by the deadline: {up} members are up"),
            Self::Leaving => f.write_str("this node is leaving"),
        }
    }
}

/// Why one node will not have a link with another. Both sides are told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// It dialled itself.
    Ourselves,
    /// It belongs to another cluster.
    OtherCluster,
    /// No wire version in common.
    WireVersion {
        /// The oldest that the refusing node speaks.
        min: u16,
        /// The newest.
        max: u16,
    },
    /// The ring has another number of slots.
    OtherSlots,
    /// A live node of the same name answers at this address.
    NameInUse {
        /// Where it answers.
        address: Address,
    },
    /// Its life has the tag of a member's; it must take a new life.
    TagClash,
    /// The table of members is full.
    Full,
    /// The other node has a newer link to it.
    Duplicate,
    /// The other node has left the cluster.
    Left,
    /// It sent what no correct peer sends.
    Malformed,
    /// It did not send what the handshake asks for in time.
    Stalled,
    /// It was forgotten while it could not be reached; it must take a new life.
    Forgotten,
    /// It has no secret of ours, or no certificate that we trust.
    NotTrusted,
    /// Its links are protected in another way than ours.
    OtherProtection,
    /// It follows another strategy, or another quorum.
    OtherStrategy,
    /// Nodes of its name are not allowed, or denied.
    NotAllowed,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ourselves => f.write_str("it is this very node"),
            Self::OtherCluster => f.write_str("it belongs to another cluster"),
            Self::WireVersion { min, max } => write!(f, "no common wire version, wanted {min} to {max}"),
            Self::OtherSlots => f.write_str("its ring has another number of slots"),
            Self::NameInUse { address } => write!(f, "the name is in use by a live node at {address}"),
            Self::TagClash => f.write_str("its life has the tag of another member"),
            Self::Full => f.write_str("the table of members is full"),
            Self::Duplicate => f.write_str("there is another link"),
            Self::Left => f.write_str("the node has left the cluster"),
            Self::Malformed => f.write_str("it sent what no correct peer sends"),
            Self::Stalled => f.write_str("it did not finish the handshake in time"),
            Self::Forgotten => f.write_str("it was forgotten while it could not be reached"),
            Self::NotTrusted => f.write_str("it has another secret, or no certificate that is trusted"),
            Self::OtherProtection => f.write_str("its links are protected in another way"),
            Self::NotAllowed => f.write_str("nodes of its name are not allowed"),
            Self::OtherStrategy => f.write_str("it follows another strategy, or another quorum"),
        }
    }
}

/// Why a dial made no link.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DialFailure {
    /// The kernel there says that nobody listens: ECONNREFUSED and nothing else. Proof of a dead process.
    Refused,
    /// No answer, no route, no such name, or a connection that broke during the handshake.
    Unreachable,
    /// The handshake took longer than it may.
    TimedOut,
    /// The handshake was answered with a refusal, or ours refused the peer.
    Handshake(Refusal),
}

impl fmt::Display for DialFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Handshake(refusal) => write!(f, "handshake refused: {refusal}"),
        }
    }
}

/// Bytes that are no frame, or a frame that is no message.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WireError {
    /// Longer than `MAX_FRAME`.
    FrameTooLong {
        /// Bytes announced.
        length: u32,
    },
    /// Shorter than its own kind.
    FrameTooShort,
    /// The body does not decode as its kind, or is longer than it.
    Body {
        /// The frame's kind.
        kind: u16,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameTooLong { length } => write!(f, "a frame of {length} bytes"),
            Self::FrameTooShort => f.write_str("a frame without a kind"),
            Self::Body { kind } => write!(f, "a body that is no message of kind {kind:#06x}"),
        }
    }
}

/// Why this life is over although its process is not. The driver takes a new life, or gives up.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RetireReason {
    /// A live node has our name: give up.
    NameInUse {
        /// Whose.
        node: NodeName,
        /// Where it answers.
        address: Address,
    },
    /// Our life has the tag of a member's: take a new one.
    TagClash,
    /// We left.
    Left,
    /// The other, larger side of a cut has forgotten us: take a new life, once nothing runs under this one.
    Forgotten {
        /// Names that were registered here since, to be claimed again.
        again: Vec<(Name, WorkerSpec)>,
    },
}

macro_rules! errors {
    ($($type:ty),*) => { $(impl core::error::Error for $type {})* };
}
errors!(
    BadPlace,
    BadText,
    NoQuorum,
    ConfigError,
    RegisterError,
    UnregisterError,
    LookupError,
    GroupError,
    OwnerError,
    DrainError,
    ReadyError,
    Refusal,
    DialFailure,
    WireError
);

/// How long a caller may still wait; what a call without a deadline gets.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
