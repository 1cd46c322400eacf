//! What all members say of one life, and how two versions of that become one.

use serde::{Deserialize, Serialize};

use crate::event::{Evidence, Status};
use crate::id::{Address, Kind, Life, NodeName, Revision, Role};
use crate::wire::List;

/// A life and what is known of it. Merging is commutative, associative and idempotent: a join of the two.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) life: Life,
    pub(crate) node: NodeName,
    pub(crate) address: Address,
    pub(crate) weight: u16,
    pub(crate) roles: List<Role, { Record::MAX_ROLES }>,
    pub(crate) kinds: List<Kind, { Record::MAX_KINDS }>,
    /// The newest wire version that it speaks, as far as is known: it may be newer than what its links speak, and is
    /// the oldest of all when somebody told of it who has no word for it.
    pub(crate) wire: u16,
    /// Raised by its owner alone. The higher one wins, whatever else is said of its health.
    pub(crate) revision: Revision,
    /// What the life says of itself; only ever forward.
    pub(crate) announced: Announced,
    /// What others say of it; within one revision only ever worse.
    pub(crate) health: Health,
}

/// What a life says of itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) enum Announced {
    Joining,
    Up,
    Leaving,
    Left,
}

/// What others say of a life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) enum Health {
    Alive,
    Suspect,
    /// Down from here on: suspected for too long ...
    Silent,
    /// ... or proved dead.
    Refused,
    Replaced,
}

impl Record {
    /// The most roles of one life.
    pub(crate) const MAX_ROLES: usize = 64;
    /// The most kinds of one life.
    pub(crate) const MAX_KINDS: usize = 1024;

    pub(crate) fn status(&self) -> Status {
        match (self.announced, self.health) {
            (Announced::Left, _) | (_, Health::Silent | Health::Refused | Health::Replaced) => Status::Down,
            (Announced::Leaving, _) => Status::Leaving,
            (Announced::Joining, _) => Status::Joining,
            (Announced::Up, Health::Suspect) => Status::Suspect,
            (Announced::Up, Health::Alive) => Status::Up,
        }
    }

    /// About how many bytes it is on the wire.
    pub(crate) fn size(&self) -> usize {
        let roles = self.roles.iter().map(|role| role.as_str().len() + 2).sum::<usize>();
        let kinds = self.kinds.iter().map(|kind| kind.as_str().len() + 2).sum::<usize>();
        40 + self.node.as_str().len() + self.address.as_str().len() + roles + kinds
    }

    pub(crate) fn is_down(&self) -> bool {
        self.status() == Status::Down
    }

    /// Whether it owns slots.
    pub(crate) fn is_in_ring(&self) -> bool {
        matches!(self.status(), Status::Up | Status::Suspect)
    }

    pub(crate) fn evidence(&self) -> Option<Evidence> {
        match (self.announced, self.health) {
            (Announced::Left, _) => Some(Evidence::Left),
            (_, Health::Alive | Health::Suspect) => None,
            (_, Health::Silent) => Some(Evidence::Silent),
            (_, Health::Refused) => Some(Evidence::Refused),
            (_, Health::Replaced) => Some(Evidence::Replaced),
        }
    }

    /// Takes what `other`, a record of the same life, knows better. Whether anything changed.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        debug_assert_eq!(self.life, other.life, "records of two lives do not merge");
        let before = (self.revision, self.announced, self.health, self.wire);
        self.wire = self.wire.max(other.wire);
        if other.revision > self.revision {
            self.revision = other.revision;
            self.health = other.health;
            self.announced = other.announced; // whoever goes back on what it announced refutes that it did
        } else if other.revision == self.revision {
            self.health = self.health.max(other.health);
            self.announced = self.announced.max(other.announced);
        }
        before != (self.revision, self.announced, self.health, self.wire)
    }

    /// What distinguishes two versions of it. The wire version does not: who speaks an old one has no word for it.
    pub(crate) fn version_hash(&self) -> u64 {
        let mut bytes = [0; 14];
        bytes[..8].copy_from_slice(&self.life.0.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.revision.0.to_le_bytes());
        bytes[12] = self.announced as u8;
        bytes[13] = self.health as u8;
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn all_versions() -> Vec<Record> {
        let mut versions = Vec::new();
        for revision in 0..3 {
            for announced in [Announced::Joining, Announced::Up, Announced::Leaving, Announced::Left] {
                for health in
                    [Health::Alive, Health::Suspect, Health::Silent, Health::Refused, Health::Replaced]
                {
                    versions.push(Record {
                        life: Life(1),
                        node: NodeName::new("a").expect("a good name"),
                        address: Address::new("a:1").expect("a good address"),
                        weight: 1,
                        roles: List::default(),
                        kinds: List::default(),
                        wire: 1 + (revision + announced as u32 + health as u32) as u16 % 2,
                        revision: Revision(revision),
                        announced,
                        health,
                    });
                }
            }
        }
        versions
    }

    fn merged(a: &Record, b: &Record) -> Record {
        let mut merged = a.clone();
        merged.merge(b);
        merged
    }

    #[test]
    fn merging_is_a_join() {
        let versions = all_versions();
        for a in &versions {
            assert_eq!(&merged(a, a), a);
            for b in &versions {
                assert_eq!(merged(a, b), merged(b, a));
                for c in &versions {
                    assert_eq!(merged(&merged(a, b), c), merged(a, &merged(b, c)), "{a:?} {b:?} {c:?}");
                }
            }
        }
    }
}
