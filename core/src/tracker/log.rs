//! One life's log as a replica has it: only what was not overwritten since, and how far that reaches.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use crate::id::Dot;

/// Positions count from 1; 0 is "nothing".
#[derive(Debug, Default)]
pub(crate) struct Log {
    position: u64,
    stable: u64,
    dots: BTreeMap<u64, Dot>, // by sequence; may reach past `position` where a copy came ahead of a gap
    swept: u64,               // removals up to here were dropped
}

impl Log {
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn stable(&self) -> u64 {
        self.stable
    }

    pub(super) fn advance(&mut self, to: u64) {
        self.position = to;
    }

    pub(super) fn insert(&mut self, seq: u64, dot: Dot) {
        self.dots.insert(seq, dot);
    }

    pub(super) fn erase(&mut self, seq: u64) {
        self.dots.remove(&seq);
    }

    /// What is left after `from`, up to the position.
    pub(super) fn after(&self, from: u64) -> impl Iterator<Item = (u64, Dot)> + '_ {
        let range = (Bound::Excluded(from), Bound::Included(self.position.max(from)));
        // An empty range whose ends touch is one that BTreeMap refuses.
        let all = (self.position > from).then(|| self.dots.range(range));
        all.into_iter().flatten().map(|(&seq, &dot)| (seq, dot))
    }

    /// All that is left.
    pub(super) fn dots(&self) -> impl Iterator<Item = Dot> + '_ {
        self.dots.values().copied()
    }

    /// What came ahead of a gap.
    pub(super) fn beyond(&self) -> Vec<Dot> {
        self.dots.range((Bound::Excluded(self.position), Bound::Unbounded)).map(|(_, &dot)| dot).collect()
    }

    /// Notes that all lives have the log up to `stable`; gives the dots that this newly covers.
    pub(super) fn stabilise(&mut self, stable: u64) -> Vec<Dot> {
        let stable = stable.min(self.position);
        self.stable = self.stable.max(stable);
        if self.swept >= self.stable {
            return Vec::new();
        }
        let range = (Bound::Excluded(self.swept), Bound::Included(self.stable));
        self.swept = self.stable;
        self.dots.range(range).map(|(_, &dot)| dot).collect()
    }
}
