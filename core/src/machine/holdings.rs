//! How much a machine holds: for the proof that its memory returns to where it was.

use alloc::vec::Vec;

use super::Machine;

impl Machine {
    /// What this machine keeps of others, of names and of what is under way, each with its number.
    #[doc(hidden)]
    pub fn holdings(&self) -> Vec<(&'static str, usize)> {
        let mut holdings = Vec::from([
            ("members", self.table.iter().count()),
            ("offenders", self.conduct.len()),
            ("members seen", self.seen.len()),
            ("departed lives", self.departed.len()),
            ("addresses", self.book.figures().0),
            ("timers", self.timers.len()),
            ("names on the desk", self.desk.len()),
            ("names to look at", self.look.len() + self.vacant.len() + self.conflicts.len()),
            ("calls", self.callers.len() + self.groups.len()),
        ]);
        holdings.extend(self.links.holdings());
        holdings.extend(self.detector.holdings());
        holdings.extend(self.gates.holdings());
        holdings.extend(self.registry.holdings());
        holdings.extend(self.replication.holdings());
        holdings
    }
}
