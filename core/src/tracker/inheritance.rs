//! What a life that is to be forgotten wrote goes on in the logs of others. What it held has a new holder or none.

use alloc::vec::Vec;

use super::entry::Entry;
use crate::id::{Dot, Life, Name};
use crate::machine::Machine;
use crate::mutant::Mutant;

/// So many records are handed on at once; the rest follows a digest later.
const AT_ONCE: usize = 4096;

impl Machine {
    /// Writes on what stands in this life's log: each member the names of which it is the arbiter, so that each is
    /// written once; with `all`, whatever is left here.
    pub(crate) fn hand_on(&mut self, life: Life, all: bool) {
        if self.broken(Mutant::NothingHandedOn) {
            return;
        }
        let is_mine = |name: &Name| all || self.owns(self.ring.slot_of(name));
        let written = self.registry.written_by(life).filter(|entry| is_mine(&entry.name));
        let dots: Vec<Dot> = written.take(AT_ONCE).map(|entry| entry.dot).collect();
        for dot in dots {
            self.write_on(dot);
        }
    }

    /// Whether nothing stands in a life's log here, and nothing is held by it.
    pub(crate) fn is_spent(&self, life: Life) -> bool {
        let holds =
            self.registry.held_by(Some(life)).next().is_some() && !self.broken(Mutant::HolderForgotten);
        let wrote: Option<&Entry> = self.registry.written_by(life).next();
        wrote.is_none() && !holds
    }
}
