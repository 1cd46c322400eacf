//! One life's log as a replica has it: only what was not overwritten since, and how far that reaches.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use super::item::Key;
use crate::id::{Dot, Group};

/// Positions count from 1; 0 is "nothing".
#[derive(Debug, Default)]
pub(crate) struct Log {
    position: u64,
    stable: u64,
    // By sequence; may reach past `position` where a copy came ahead of a gap. Two maps, since names are many and
    // groups are few: a group's name beside each dot would double what a name costs.
    dots: BTreeMap<u64, Dot>,
    enrolments: BTreeMap<u64, (Dot, Group)>,
    swept: u64, // removals up to here were dropped
}

impl Log {
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn stable(&self) -> u64 {
        self.stable
    }

    /// How many records are left.
    pub(super) fn len(&self) -> usize {
        self.dots.len() + self.enrolments.len()
    }

    pub(super) fn advance(&mut self, to: u64) {
        self.position = to;
    }

    pub(super) fn insert(&mut self, seq: u64, key: Key) {
        match key {
            Key::Registration(dot) => drop(self.dots.insert(seq, dot)),
            Key::Enrolment(dot, group) => drop(self.enrolments.insert(seq, (dot, group))),
        }
    }

    pub(super) fn erase(&mut self, seq: u64) {
        if self.dots.remove(&seq).is_none() {
            self.enrolments.remove(&seq);
        }
    }

    /// What is left after `from`, up to the position, in order.
    pub(super) fn after(&self, from: u64) -> impl Iterator<Item = (u64, Key)> + '_ {
        self.range(from, Bound::Included(self.position.max(from)))
    }

    /// All that is left.
    pub(super) fn all(&self) -> impl Iterator<Item = Key> + '_ {
        self.range(0, Bound::Unbounded).map(|(_, key)| key)
    }

    /// What came ahead of a gap.
    pub(super) fn beyond(&self) -> Vec<Key> {
        self.range(self.position, Bound::Unbounded).map(|(_, key)| key).collect()
    }

    /// Notes that all lives have the log up to `stable`; gives what this newly covers.
    pub(super) fn stabilise(&mut self, stable: u64) -> Vec<Key> {
        let stable = stable.min(self.position);
        self.stable = self.stable.max(stable);
        let from = self.swept;
        self.swept = self.stable;
        self.range(from, Bound::Included(self.stable)).map(|(_, key)| key).collect()
    }

    /// Whether what is removed at this position was dropped, or is kept for something else only.
    pub(super) fn has_swept(&self, seq: u64) -> bool {
        seq <= self.swept
    }

    fn range(&self, from: u64, to: Bound<u64>) -> impl Iterator<Item = (u64, Key)> + '_ {
        // An empty range whose ends touch is one that BTreeMap refuses.
        let is_empty = matches!(to, Bound::Included(to) if to <= from);
        let range = (!is_empty).then_some((Bound::Excluded(from), to));
        let mut dots = range.map(|range| self.dots.range(range)).into_iter().flatten().peekable();
        let mut enrolments = range.map(|range| self.enrolments.range(range)).into_iter().flatten().peekable();
        core::iter::from_fn(move || {
            let dot = dots.peek().map_or(u64::MAX, |&(&seq, _)| seq);
            let enrolment = enrolments.peek().map_or(u64::MAX, |&(&seq, _)| seq);
            if dot <= enrolment {
                dots.next().map(|(&seq, &dot)| (seq, Key::Registration(dot)))
            } else {
                enrolments.next().map(|(&seq, (dot, group))| (seq, Key::Enrolment(*dot, group.clone())))
            }
        })
    }
}
