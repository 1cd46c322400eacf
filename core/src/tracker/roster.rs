//! Which registrations are in which groups, as this node knows it: by registration, so that a join costs the same in
//! a group of any size.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::enrolment::{Enrolment, Presence};
use crate::id::{Dot, Epoch, Group, Life};

/// All enrolments of registrations that are not known to have ended.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    seats: BTreeMap<Dot, BTreeMap<Group, Seat>>,
    len: usize,
}

/// What is known of a registration in one group, and where in which log it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seat {
    pub(crate) stamp: Epoch,
    pub(crate) presence: Presence,
    pub(crate) handed_on: u32,
    pub(crate) origin: Life,
    pub(crate) seq: u64,
}

impl Seat {
    pub(super) fn new(origin: Life, seq: u64, enrolment: &Enrolment) -> Self {
        let &Enrolment { stamp, presence, handed_on, .. } = enrolment;
        Self { stamp, presence, handed_on, origin, seq }
    }

    /// Of two words on one registration in one group the one with more of this counts: the later stamp, wherever it
    /// was written, and of copies of one word the same everywhere, as of entries.
    pub(super) fn precedence(&self) -> (Epoch, Presence, u32, Life) {
        (self.stamp, self.presence, self.handed_on, self.origin)
    }
}

impl Roster {
    /// How many are kept, ends included.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn seat(&self, dot: Dot, group: &Group) -> Option<&Seat> {
        self.seats.get(&dot)?.get(group)
    }

    /// The registrations of which something is kept.
    pub(super) fn dots(&self, range: RangeInclusive<Dot>) -> impl Iterator<Item = Dot> {
        self.seats.range(range).map(|(&dot, _)| dot)
    }

    /// The groups that a registration is in, in order.
    pub(super) fn groups(&self, dot: Dot) -> impl Iterator<Item = &Group> {
        let seats = self.seats.get(&dot).into_iter().flatten();
        seats.filter(|(_, seat)| seat.presence == Presence::In).map(|(group, _)| group)
    }

    /// What was said of one registration and is later than what was said of another, as if it had been said of that.
    pub(super) fn later(&self, of: Dot, than: Dot) -> Vec<Enrolment> {
        let is_later = |(group, seat): &(&Group, &Seat)| {
            let known = self.seat(than, group);
            known.is_none_or(|known| (known.stamp, known.presence) < (seat.stamp, seat.presence))
        };
        let later = self.seats.get(&of).into_iter().flatten().filter(is_later);
        let said = later.map(|(group, &Seat { stamp, presence, .. })| {
            let group = group.clone();
            Enrolment { dot: than, group, stamp, presence, handed_on: 0 }
        });
        said.collect()
    }

    pub(super) fn insert(&mut self, dot: Dot, group: Group, seat: Seat) {
        let before = self.seats.entry(dot).or_default().insert(group, seat);
        self.len += usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, dot: Dot, group: &Group) {
        let Some(seats) = self.seats.get_mut(&dot) else {
            return;
        };
        self.len -= usize::from(seats.remove(group).is_some());
        if seats.is_empty() {
            self.seats.remove(&dot);
        }
    }

    /// A registration has ended: forgets its enrolments, and gives where they stood.
    pub(super) fn end(&mut self, dot: Dot) -> Vec<(Life, u64)> {
        let seats = self.seats.remove(&dot).unwrap_or_default();
        self.len -= seats.len();
        seats.values().map(|seat| (seat.origin, seat.seq)).collect()
    }
}
