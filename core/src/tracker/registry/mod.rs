//! All registrations that this node knows, by dot, by name, by holder, and by the log that said so; with their groups.

mod logs;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::enrolment::Enrolment;
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
}
