//! The records by the logs in which they stand: how far each log reaches here, what is told of it, and what is dropped.

use alloc::vec::Vec;

use super::{Entry, Registry};
use crate::id::{ClaimId, Dot, Group, Life, Name};
use crate::tracker::enrolment::{Enrolment, Presence};
use crate::tracker::item::{Item, Key};
use crate::tracker::log::Log;
use crate::tracker::roster::Seat;

impl Registry {
    /// What stands in a log past its position: copies that came ahead of a gap.
    pub(crate) fn beyond(&self, origin: Life) -> Vec<Key> {
        self.logs.get(&origin).map_or_else(Vec::new, Log::beyond)
    }

    /// How many records are left in this life's log.
    pub(crate) fn len_of(&self, origin: Life) -> usize {
        self.logs.get(&origin).map_or(0, Log::len)
    }

    /// How many records would be left in this life's log with these, too.
    pub(crate) fn len_with<'a>(&self, origin: Life, items: impl Iterator<Item = &'a Item>) -> usize {
        let stands_there = |item: &&Item| match item {
            Item::Entry(entry) => self.entries.get(&entry.dot).is_some_and(|held| held.origin == origin),
            Item::Enrolment(Enrolment { dot, group, .. }) => {
                self.roster.seat(*dot, group).is_some_and(|seat| seat.origin == origin)
            }
        };
        self.len_of(origin) + items.filter(|item| !stands_there(item)).count()
    }

    /// What stands in this life's log.
    pub(crate) fn written_by(&self, origin: Life) -> impl Iterator<Item = Key> {
        self.logs.get(&origin).into_iter().flat_map(Log::all)
    }

    /// The name that something in a log is about, if the registration is known.
    pub(crate) fn name_of(&self, key: &Key) -> Option<&Name> {
        self.entry(key.dot()).map(|entry| &entry.name)
    }

    /// Drops the log of a life of which nothing stands there any more.
    pub(crate) fn forget(&mut self, life: Life) {
        if let Some(log) = self.logs.remove(&life) {
            debug_assert_eq!(log.all().count(), 0, "what a life wrote goes on in another log first");
            self.hash ^= position_hash(life, log.position());
        }
        let its = Dot { life, seq: 0 }..=Dot { life, seq: u64::MAX };
        for dot in self.early.range(its).copied().collect::<Vec<_>>() {
            self.early.remove(&dot); // nothing of that log is taken from now on
            self.drop_removal(dot);
        }
    }

    /// Drops what is said in groups of registrations that this life made and nobody knows.
    pub(crate) fn end_orphans(&mut self, life: Life) {
        let its = Dot { life, seq: 0 }..=Dot { life, seq: u64::MAX };
        self.end_unknown(self.roster.dots(its).collect());
    }

    /// Drops what this life wrote of places in groups of registrations that nobody knows.
    pub(crate) fn end_orphans_of(&mut self, writer: Life) {
        self.end_unknown(self.written_by(writer).map(|key| key.dot()).collect());
    }

    fn end_unknown(&mut self, dots: Vec<Dot>) {
        for dot in dots {
            if !self.entries.contains_key(&dot) {
                self.end_seats(dot);
            }
        }
    }

    pub(crate) fn log(&self, origin: Life) -> Option<&Log> {
        self.logs.get(&origin)
    }

    /// How far this replica has a log without a gap.
    pub(crate) fn position(&self, origin: Life) -> u64 {
        self.logs.get(&origin).map_or(0, Log::position)
    }

    /// This replica has all of the log up to `to`. Never moves back.
    pub(crate) fn advance(&mut self, origin: Life, to: u64) {
        let log = self.logs.entry(origin).or_default();
        let before = log.position();
        if to <= before {
            return;
        }
        log.advance(to);
        self.hash ^= position_hash(origin, before) ^ position_hash(origin, to);
        let arrived = Dot { life: origin, seq: 0 }..=Dot { life: origin, seq: to };
        for dot in self.early.range(arrived).copied().collect::<Vec<_>>() {
            self.early.remove(&dot);
            self.drop_removal(dot);
        }
    }

    /// A log does not reach as far as we were told: all of it is to come again. What stands of it stays.
    pub(crate) fn rewind(&mut self, origin: Life) {
        if let Some(log) = self.logs.get_mut(&origin) {
            self.hash ^= position_hash(origin, log.position());
            log.advance(0);
        }
    }

    /// All lives have the log up to here: removals before it are dropped. `is_listed` tells of which lives something
    /// may still come.
    pub(crate) fn stabilise(&mut self, origin: Life, stable: u64, is_listed: impl Fn(Life) -> bool) {
        let Some(log) = self.logs.get_mut(&origin) else {
            return;
        };
        for key in log.stabilise(stable) {
            match key {
                Key::Registration(dot) if self.position(dot.life) < dot.seq && is_listed(dot.life) => {
                    self.early.insert(dot); // the registration itself is still on its way to us
                }
                Key::Registration(dot) => self.drop_removal(dot),
                Key::Enrolment(dot, group) => self.drop_seat(dot, &group),
            }
        }
    }

    /// Forgets all that is said of a registration in groups.
    pub(super) fn end_seats(&mut self, dot: Dot) {
        for (origin, seq) in self.roster.end(dot) {
            self.logs.entry(origin).or_default().erase(seq);
        }
    }

    fn drop_seat(&mut self, dot: Dot, group: &Group) {
        if let Some(&seat) = self.roster.seat(dot, group).filter(|seat| seat.presence == Presence::Out) {
            self.roster.remove(dot, group);
            self.logs.entry(seat.origin).or_default().erase(seat.seq);
        }
    }

    /// Unless something stands that is to end with it.
    fn drop_removal(&mut self, dot: Dot) {
        let Some(entry) = self.entry(dot).filter(|entry| !entry.is_live()) else {
            return;
        };
        let is_same = |other: &Entry| other.claim() == entry.claim(); // what stands always has one
        if self.standing(&entry.name).any(is_same) {
            return;
        }
        let held = self.entries.remove(&dot).expect("it was just found");
        self.unindex(&held.entry);
        self.unheard.stopped(&held.entry.name, dot); // or will by itself: whoever may have run it has heard of its end
        self.logs.entry(held.origin).or_default().erase(held.seq);
    }

    /// What was made of this wish as `ended` may have ended: removals that were kept for that are dropped.
    pub(super) fn drop_kept(&mut self, claim: ClaimId, ended: Dot) {
        let is_due = |dot: &Dot| {
            let held = &self.entries[dot];
            *dot != ended && self.logs.get(&held.origin).is_some_and(|log| log.has_swept(held.seq))
        };
        for dot in self.removals_of(claim).filter(is_due).collect::<Vec<_>>() {
            self.drop_removal(dot);
        }
    }

    /// Of all positions: equal replicas have equal hashes.
    pub(crate) fn hash(&self) -> u128 {
        self.hash
    }

    pub(crate) fn positions(&self) -> Vec<(Life, u64)> {
        let logs = self.logs.iter().filter(|(_, log)| log.position() > 0);
        logs.map(|(&origin, log)| (origin, log.position())).collect()
    }

    /// What is left of a log after `from`: at most `max` items, about `bytes` bytes, and the position
    /// that having them means.
    pub(crate) fn chunk(&self, origin: Life, from: u64, max: usize, bytes: usize) -> (u64, Vec<(u64, Item)>) {
        let Some(log) = self.logs.get(&origin) else {
            return (from, Vec::new());
        };
        let mut items = Vec::new();
        let mut size = 0;
        for (seq, key) in log.after(from) {
            if items.len() == max || size > bytes {
                return (items.last().map_or(from, |(seq, _)| *seq), items);
            }
            let item = self.item(&key).expect("what stands in a log is kept");
            size += item.size();
            items.push((seq, item));
        }
        (log.position().max(from), items)
    }

    /// What stands in a log under this key.
    pub(crate) fn item(&self, key: &Key) -> Option<Item> {
        match key {
            Key::Registration(dot) => self.entry(*dot).cloned().map(Item::Entry),
            Key::Enrolment(dot, group) => {
                let &Seat { stamp, presence, handed_on, .. } = self.roster.seat(*dot, group)?;
                Some(Enrolment { dot: *dot, group: group.clone(), stamp, presence, handed_on }.into())
            }
        }
    }
}

fn position_hash(origin: Life, position: u64) -> u128 {
    if position == 0 {
        return 0;
    }
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&origin.0.to_le_bytes());
    bytes[8..].copy_from_slice(&position.to_le_bytes());
    xxhash_rust::xxh3::xxh3_128(&bytes)
}
