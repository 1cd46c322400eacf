//! All lives that this node knows, and which of them changed since it last looked.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::record::{Announced, Health, Record};
use crate::event::{MemberView, Status};
use crate::id::{Life, NodeName, Revision};

/// The member table. Down lives stay in it until they are forgotten, so that an old rumour of them is recognised.
#[derive(Debug)]
pub(crate) struct Table {
    me: Life,
    records: BTreeMap<Life, Record>,
    hash: u64,
    changed: BTreeSet<Life>,
    max: usize,
}

/// What became of a record from elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Merged {
    /// We knew it, or better.
    Known,
    /// It taught us something.
    Changed,
    /// It spoke ill of us: our own revision is raised.
    Refuted,
    /// There is no room for another life.
    Full,
}

impl Table {
    pub(crate) fn new(mine: Record, max: usize) -> Self {
        let me = mine.life;
        let hash = mine.version_hash();
        Self { me, records: BTreeMap::from([(me, mine)]), hash, changed: BTreeSet::from([me]), max }
    }

    pub(crate) fn mine(&self) -> &Record {
        &self.records[&self.me]
    }

    pub(crate) fn of(&self, life: Life) -> Option<&Record> {
        self.records.get(&life)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// All lives but ours that are not down, in order.
    pub(crate) fn others(&self) -> impl Iterator<Item = &Record> {
        self.records.values().filter(|record| record.life != self.me && !record.is_down())
    }

    /// Whether it is known and not down.
    pub(crate) fn is_live(&self, life: Life) -> bool {
        self.of(life).is_some_and(|record| !record.is_down())
    }

    pub(crate) fn status(&self, life: Life) -> Option<Status> {
        self.of(life).map(Record::status)
    }

    /// The name of a life's node; its number if it is not known.
    pub(crate) fn node_of(&self, life: Life) -> NodeName {
        match self.of(life) {
            Some(record) => record.node.clone(),
            None => NodeName::new(alloc::format!("life-{life}")).expect("digits are a good name"),
        }
    }

    /// Of the set of versions: equal tables have equal hashes.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn all(&self) -> Vec<Record> {
        self.records.values().cloned().collect()
    }

    /// The lives whose record changed since the last call, in order.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<Life> {
        core::mem::take(&mut self.changed)
    }

    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Takes what someone else says.
    pub(crate) fn merge(&mut self, theirs: &Record) -> Merged {
        if theirs.life == self.me {
            return self.refute(theirs);
        }
        let Some(record) = self.records.get_mut(&theirs.life) else {
            if self.records.len() >= self.max {
                return Merged::Full;
            }
            self.hash ^= theirs.version_hash();
            self.records.insert(theirs.life, theirs.clone());
            self.changed.insert(theirs.life);
            return Merged::Changed;
        };
        let before = record.version_hash();
        if !record.merge(theirs) {
            return Merged::Known;
        }
        self.hash ^= before ^ record.version_hash();
        self.changed.insert(theirs.life);
        Merged::Changed
    }

    /// Takes from a life's own record what never changes. Whether others had said otherwise.
    pub(super) fn correct(&mut self, own: &Record) -> bool {
        let life = own.life;
        let Some(record) = self.records.get_mut(&life).filter(|_| life != self.me) else {
            return false;
        };
        let own = Record {
            revision: record.revision,
            announced: record.announced,
            health: record.health,
            ..own.clone()
        };
        if *record == own {
            return false;
        }
        *record = own;
        self.changed.insert(life);
        true
    }

    fn refute(&mut self, theirs: &Record) -> Merged {
        let mine = self.mine();
        let is_right = theirs.health == Health::Alive && theirs.announced <= mine.announced;
        if theirs.revision < mine.revision || (theirs.revision == mine.revision && is_right) {
            return Merged::Known;
        }
        // Who says without need that we refuted something is believed: others are, too.
        let revision = Revision(theirs.revision.0.saturating_add(u32::from(!is_right)));
        self.update(self.me, |record| record.revision = revision);
        Merged::Refuted
    }

    /// A life that is down leaves the table.
    pub(super) fn forget(&mut self, life: Life) {
        debug_assert_ne!(life, self.me, "nobody forgets himself");
        if let Some(record) = self.records.remove(&life) {
            self.hash ^= record.version_hash();
            self.changed.remove(&life);
        }
    }

    /// We announce a new state of ourselves.
    pub(crate) fn announce(&mut self, announced: Announced) {
        self.update(self.me, |record| record.announced = record.announced.max(announced));
    }

    /// We say of another life that it is unwell. Whether that was news.
    pub(crate) fn accuse(&mut self, life: Life, health: Health) -> bool {
        debug_assert_ne!(life, self.me, "nobody accuses himself");
        let Some(record) = self.of(life) else {
            return false;
        };
        if record.health >= health {
            return false;
        }
        self.update(life, |record| record.health = health);
        true
    }

    fn update(&mut self, life: Life, change: impl FnOnce(&mut Record)) {
        let record = self.records.get_mut(&life).expect("the caller found the record");
        self.hash ^= record.version_hash();
        change(record);
        self.hash ^= record.version_hash();
        self.changed.insert(life);
    }

    /// For users: sorted by name, then life.
    pub(crate) fn views(&self) -> Vec<MemberView> {
        let mut views: Vec<_> = self
            .records
            .values()
            .map(|record| MemberView {
                node: record.node.clone(),
                life: record.life,
                status: record.status(),
                address: record.address.clone(),
                weight: record.weight,
                roles: record.roles.0.clone(),
                kinds: record.kinds.0.clone(),
                wire_version: record.wire,
            })
            .collect();
        views.sort_by(|a, b| (&a.node, a.life).cmp(&(&b.node, b.life)));
        views
    }
}
