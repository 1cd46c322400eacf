//! What version 1 says in other words: members without their wire version.

use serde::{Deserialize, Serialize};

use super::WIRE_MIN;
use super::list::List;
use super::message::{self, Lives, MAX_RECORDS, Positions};
use crate::id::{Address, Kind, Life, NodeName, Revision, Role};
use crate::membership::{self, Announced, Health};

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
