//! All registrations that this node knows, by dot, by name, by holder, and by the log that said so; with their groups.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::enrolment::{Enrolment, Presence};
use super::entry::Entry;
use super::item::{Item, Key};
use super::log::Log;
use super::roster::{Roster, Seat};
use super::unheard::Unheard;
use crate::id::{ClaimId, Dot, Epoch, Group, Life, Name};

/// A replica of the registry.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    entries: BTreeMap<Dot, Held>,
    names: BTreeMap<Name, Vec<Dot>>, // the live ones; more than one only after a partition
    holders: BTreeMap<Option<Life>, BTreeSet<Dot>>, // the live ones
    roster: Roster,
    logs: BTreeMap<Life, Log>,
    ended: BTreeSet<(ClaimId, Dot)>, // wishes that ended, by the removals that say so
    early: BTreeSet<Dot>, // removals that all have, of registrations that are still on their way to us
    hash: u128,
    changed: BTreeMap<Name, Before>,
    pub(super) unheard: Unheard,
    newest: Epoch,
}

/// What was known of a name before it changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Before {
    Free,
    Registered { groups: Vec<Group> },
}

/// An entry, and where in which log it stands.
#[derive(Debug)]
struct Held {
    entry: Entry,
    origin: Life,
    seq: u64,
}

impl Registry {
    /// How many names are registered.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// How much it holds, for `Machine::holdings`.
    #[cfg(feature = "mutants")]
    pub(crate) fn holdings(&self) -> [(&'static str, usize); 6] {
        [
            ("records", self.entries.len()),
            ("places in groups", self.roster.len()),
            ("logs", self.logs.len()),
            ("early removals", self.early.len()),
            ("ended wishes", self.ended.len()),
            ("copies that did not hear of their end", self.unheard.len()),
        ]
    }

    /// The highest epoch seen anywhere.
    pub(crate) fn newest(&self) -> Epoch {
        self.newest
    }

    /// Epochs seen elsewhere than in an entry rise our own, too.
    pub(crate) fn witness(&mut self, epoch: Epoch) {
        self.newest = self.newest.max(epoch);
    }

    /// The registration that stands for a name; one whose wish has ended only for lack of another.
    pub(crate) fn winner(&self, name: &Name) -> Option<&Entry> {
        let [dot] = self.names.get(name)?[..] else {
            return self
                .standing(name)
                .max_by_key(|entry| (!self.has_ended(name, entry.claim()), entry.rank()));
        };
        Some(&self.entries[&dot].entry)
    }

    /// All registrations of a name that were not removed.
    pub(crate) fn standing(&self, name: &Name) -> impl Iterator<Item = &Entry> {
        self.names.get(name).into_iter().flatten().map(|dot| &self.entries[dot].entry)
    }

    /// Whether a registration of this name that was made by this wish was removed, and with it all that may have been made
    /// of it.
    pub(crate) fn has_ended(&self, name: &Name, claim: Option<ClaimId>) -> bool {
        let is_it = |dot: Dot| self.entries[&dot].entry.name == *name; // one who lies says one wish of many names
        claim.is_some_and(|claim| self.removals_of(claim).any(is_it))
    }

    fn removals_of(&self, claim: ClaimId) -> impl Iterator<Item = Dot> {
        let (first, last) = (Dot { life: Life(0), seq: 0 }, Dot { life: Life(u64::MAX), seq: u64::MAX });
        self.ended.range((claim, first)..=(claim, last)).map(|&(_, dot)| dot)
    }

    /// Whether a name has more than one registration.
    pub(crate) fn has_losers(&self, name: &Name) -> bool {
        self.names.get(name).is_some_and(|dots| dots.len() > 1)
    }

    /// The registrations of a name that another one beats.
    pub(crate) fn losers(&self, name: &Name) -> Vec<Entry> {
        if !self.has_losers(name) {
            return Vec::new();
        }
        let winner = self.winner(name).map(|entry| entry.dot);
        self.standing(name).filter(|entry| Some(entry.dot) != winner).cloned().collect()
    }

    /// The latest entry of a registration, standing or removed.
    pub(crate) fn entry(&self, dot: Dot) -> Option<&Entry> {
        self.entries.get(&dot).map(|held| &held.entry)
    }

    /// All entries, standing or removed.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|held| &held.entry)
    }

    /// Where an entry is written.
    pub(crate) fn position_of(&self, dot: Dot) -> Option<(Life, u64)> {
        self.entries.get(&dot).map(|held| (held.origin, held.seq))
    }

    /// All that have a live registration, `None` standing for "nobody".
    pub(crate) fn holders(&self) -> impl Iterator<Item = Option<Life>> + '_ {
        self.holders.keys().copied()
    }

    /// The names of the live registrations that are held by this life, or by nobody.
    pub(crate) fn held_by(&self, holder: Option<Life>) -> impl Iterator<Item = &Name> {
        self.holders.get(&holder).into_iter().flatten().map(|dot| &self.entries[dot].entry.name)
    }

    /// The names of which something changed since the last call.
    pub(crate) fn take_changed(&mut self) -> BTreeMap<Name, Before> {
        core::mem::take(&mut self.changed)
    }

    /// Takes an item that stands in a log. Whether it was news. Does not move the log's position.
    pub(crate) fn apply(&mut self, origin: Life, seq: u64, item: impl Into<Item>) -> bool {
        match item.into() {
            Item::Entry(entry) => self.apply_entry(origin, seq, entry),
            Item::Enrolment(enrolment) => self.enrol(origin, seq, enrolment),
        }
    }

    fn apply_entry(&mut self, origin: Life, seq: u64, entry: Entry) -> bool {
        self.witness(entry.epoch);
        let dot = entry.dot;
        if let Some(known) = self.entries.get(&dot) {
            self.unheard.compare(&known.entry, &entry);
        }
        let known = self.entries.get(&dot);
        let renamed = match known {
            Some(known) if entry.precedence(origin) <= known.entry.precedence(known.origin) => return false,
            None if seq <= self.position(origin) => return false, // held back on its way: it has ended since, and was dropped
            known => known.map(|known| &known.entry.name).filter(|name| **name != entry.name).cloned(),
        };
        self.note(&entry.name);
        if let Some(former) = &renamed {
            self.note(former); // somebody lied about the name: both change
            self.unheard.stopped(former, dot);
        }
        let mut before = None;
        if let Some(known) = self.entries.remove(&dot) {
            self.logs.entry(known.origin).or_default().erase(known.seq);
            self.unindex(&known.entry);
            before = known.entry.claim();
        }
        if entry.is_live() {
            // One is what nearly all names ever have, and a vector by itself begins with room for four.
            self.names.entry(entry.name.clone()).or_insert_with(|| Vec::with_capacity(1)).push(dot);
            self.holders.entry(entry.holder()).or_default().insert(dot);
        } else {
            self.end_seats(dot);
            self.ended.extend(entry.claim().map(|claim| (claim, dot)));
        }
        self.logs.entry(origin).or_default().insert(seq, Key::Registration(dot));
        self.entries.insert(dot, Held { entry, origin, seq });
        before.into_iter().for_each(|claim| self.drop_kept(claim, dot));
        true
    }

    /// A removal ends all enrolments of its dot, known ones and those that are still on their way. By the time that
    /// it is dropped itself, all lives are past the last position at which one can have been written.
    fn enrol(&mut self, origin: Life, seq: u64, enrolment: Enrolment) -> bool {
        self.witness(enrolment.stamp);
        let seat = Seat::new(origin, seq, &enrolment);
        let Enrolment { dot, group, .. } = enrolment;
        let registration = self.entries.get(&dot).map(|held| &held.entry);
        if registration.is_some_and(|entry| !entry.is_live()) {
            return false;
        }
        let name = registration.map(|entry| entry.name.clone());
        match self.roster.seat(dot, &group).copied() {
            Some(known) if seat.precedence() <= known.precedence() => return false,
            Some(known) => self.logs.entry(known.origin).or_default().erase(known.seq),
            None if seq <= self.position(origin) => return false,
            None => {}
        }
        if let Some(name) = name {
            self.note(&name);
        }
        self.logs.entry(origin).or_default().insert(seq, Key::Enrolment(dot, group.clone()));
        self.roster.insert(dot, group, seat);
        true
    }

    /// It was like this before it changed, and changed again.
    pub(crate) fn was(&mut self, name: Name, before: Before) {
        self.changed.insert(name, before);
    }

    /// Something of this name is about to change: remembers how it was, unless that is remembered already.
    fn note(&mut self, name: &Name) {
        if self.changed.contains_key(name) {
            return;
        }
        let before = if self.names.contains_key(name) {
            Before::Registered { groups: self.groups_of(name) }
        } else {
            Before::Free
        };
        self.changed.insert(name.clone(), before);
    }

    /// The groups that a name is in, in order.
    pub(crate) fn groups_of(&self, name: &Name) -> Vec<Group> {
        let groups = self.winner(name).into_iter().flat_map(|entry| self.roster.groups(entry.dot));
        groups.cloned().collect()
    }

    /// What is later of the places of one registration in groups than of another's, for that other.
    pub(crate) fn later_enrolments(&self, of: Dot, than: Dot) -> Vec<Enrolment> {
        self.roster.later(of, than)
    }

    /// How many places in groups are kept, ends included.
    pub(crate) fn enrolments(&self) -> usize {
        self.roster.len()
    }

    fn unindex(&mut self, entry: &Entry) {
        if !entry.is_live() {
            if let Some(claim) = entry.claim() {
                self.ended.remove(&(claim, entry.dot));
            }
            return;
        }
        let dots = self.names.get_mut(&entry.name).expect("a live entry is indexed by its name");
        dots.retain(|&dot| dot != entry.dot);
        if dots.is_empty() {
            self.names.remove(&entry.name);
        }
        let held = self.holders.get_mut(&entry.holder()).expect("a live entry is indexed by its holder");
        held.remove(&entry.dot);
        if held.is_empty() {
            self.holders.remove(&entry.holder());
        }
    }

    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

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
    fn end_seats(&mut self, dot: Dot) {
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
    fn drop_kept(&mut self, claim: ClaimId, ended: Dot) {
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
