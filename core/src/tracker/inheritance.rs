//! What a life that is to be forgotten wrote goes on in the logs of others. What it held has a new holder or none.

use alloc::vec::Vec;

use super::item::Key;
use crate::id::Life;
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
        let is_mine = |key: &Key| {
            let name = self.registry.name_of(key);
            all || name.is_some_and(|name| self.owns(self.ring.slot_of(name)))
        };
        let keys: Vec<Key> = self.registry.written_by(life).filter(is_mine).take(AT_ONCE).collect();
        for key in keys {
            if !self.vacate_unknown(&key) {
                self.write_on(&key);
            }
        }
    }

    /// Whether a registration is held by a life of which nobody ever heard, as only one that lies writes: it waits for
    /// a holder from now on.
    fn vacate_unknown(&mut self, key: &Key) -> bool {
        let Key::Registration(dot) = key else {
            return false;
        };
        let is_unknown = |life| self.table.of(life).is_none() && !self.departed.has_forgotten(life);
        let held = self.registry.entry(*dot).filter(|entry| entry.holder().is_some_and(is_unknown)).cloned();
        let Some(entry) = held.filter(|_| !self.broken(Mutant::UnknownHoldersKept)) else {
            return false;
        };
        let epoch = self.next_epoch();
        self.write(entry.later(epoch, None));
        true
    }

    /// Whether nothing stands in a life's log here, and nothing is held by it.
    pub(crate) fn is_spent(&self, life: Life) -> bool {
        let holds =
            self.registry.held_by(Some(life)).next().is_some() && !self.broken(Mutant::HolderForgotten);
        self.registry.written_by(life).next().is_none() && !holds
    }
}
