//! What version 1 says in other words: members without their wire version, a full registry as a busy arbiter.

use serde::{Deserialize, Serialize};

use super::WIRE_MIN;
use super::list::List;
use super::message::{self, Lives, MAX_RECORDS, Positions};
use crate::error::NoQuorum;
use crate::event::Registration;
use crate::id::{Address, ClaimId, Kind, Life, NodeName, Reason, Revision, Role};
use crate::membership::{self, Announced, Health};
use crate::tracker::Entry;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    life: Life,
    node: NodeName,
    address: Address,
    weight: u16,
    roles: List<Role, { membership::Record::MAX_ROLES }>,
    kinds: List<Kind, { membership::Record::MAX_KINDS }>,
    revision: Revision,
    announced: Announced,
    health: Health,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Greet {
    records: List<Record, MAX_RECORDS>,
    positions: Positions,
    forgotten: Lives,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Records {
    records: List<Record, MAX_RECORDS>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct ClaimReply {
    id: ClaimId,
    verdict: Verdict,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
enum Verdict {
    Registered { origin: Life, seq: u64, entry: Entry },
    Taken(Registration),
    UnknownKind,
    NoNodeAvailable,
    StartFailed(Reason),
    Unregistered { origin: Life, seq: u64, entry: Entry },
    Gone,
    Located(Registration),
    NotFound,
    Busy,
    Stale,
    TooLate,
    NoQuorum(NoQuorum),
}

impl From<membership::Record> for Record {
    fn from(record: membership::Record) -> Self {
        let membership::Record { life, node, address, weight, roles, kinds, wire: _, .. } = record;
        let membership::Record { revision, announced, health, .. } = record;
        Self { life, node, address, weight, roles, kinds, revision, announced, health }
    }
}

impl From<Record> for membership::Record {
    fn from(record: Record) -> Self {
        let Record { life, node, address, weight, roles, kinds, revision, announced, health } = record;
        Self { life, node, address, weight, roles, kinds, wire: WIRE_MIN, revision, announced, health }
    }
}

impl From<message::Greet> for Greet {
    fn from(message::Greet { records, positions, forgotten }: message::Greet) -> Self {
        Self { records: List(records.0.into_iter().map(Record::from).collect()), positions, forgotten }
    }
}

impl From<Greet> for message::Greet {
    fn from(Greet { records, positions, forgotten }: Greet) -> Self {
        Self { records: List(records.0.into_iter().map(Into::into).collect()), positions, forgotten }
    }
}

impl From<message::Records> for Records {
    fn from(records: message::Records) -> Self {
        Self { records: List(records.records.0.into_iter().map(Record::from).collect()) }
    }
}

impl From<Records> for message::Records {
    fn from(records: Records) -> Self {
        Self { records: List(records.records.0.into_iter().map(Into::into).collect()) }
    }
}

impl From<message::ClaimReply> for ClaimReply {
    fn from(message::ClaimReply { id, verdict }: message::ClaimReply) -> Self {
        Self { id, verdict: verdict.into() }
    }
}

impl From<ClaimReply> for message::ClaimReply {
    fn from(ClaimReply { id, verdict }: ClaimReply) -> Self {
        Self { id, verdict: verdict.into() }
    }
}

impl From<message::Verdict> for Verdict {
    fn from(verdict: message::Verdict) -> Self {
        match verdict {
            message::Verdict::Registered { origin, seq, entry } => Self::Registered { origin, seq, entry },
            message::Verdict::Taken(what) => Self::Taken(what),
            message::Verdict::UnknownKind => Self::UnknownKind,
            message::Verdict::NoNodeAvailable => Self::NoNodeAvailable,
            message::Verdict::StartFailed(what) => Self::StartFailed(what),
            message::Verdict::Unregistered { origin, seq, entry } => {
                Self::Unregistered { origin, seq, entry }
            }
            message::Verdict::Gone => Self::Gone,
            message::Verdict::Located(what) => Self::Located(what),
            message::Verdict::NotFound => Self::NotFound,
            message::Verdict::Busy => Self::Busy,
            message::Verdict::Stale => Self::Stale,
            message::Verdict::TooLate => Self::TooLate,
            message::Verdict::NoQuorum(what) => Self::NoQuorum(what),
            message::Verdict::TooManyNames { .. } => Self::Busy, // nothing was done, it may ask later
        }
    }
}

impl From<Verdict> for message::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Registered { origin, seq, entry } => Self::Registered { origin, seq, entry },
            Verdict::Taken(what) => Self::Taken(what),
            Verdict::UnknownKind => Self::UnknownKind,
            Verdict::NoNodeAvailable => Self::NoNodeAvailable,
            Verdict::StartFailed(what) => Self::StartFailed(what),
            Verdict::Unregistered { origin, seq, entry } => Self::Unregistered { origin, seq, entry },
            Verdict::Gone => Self::Gone,
            Verdict::Located(what) => Self::Located(what),
            Verdict::NotFound => Self::NotFound,
            Verdict::Busy => Self::Busy,
            Verdict::Stale => Self::Stale,
            Verdict::TooLate => Self::TooLate,
            Verdict::NoQuorum(what) => Self::NoQuorum(what),
        }
    }
}
