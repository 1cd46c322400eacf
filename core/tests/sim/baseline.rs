//! Memory returns to where it was: once all that ended is forgotten, a machine holds what lives, and nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::world::{FORGET_LATE, ProcessId, SiteId, Violation, World};

/// Within this time after the last life is forgotten all traces of it are gone: removals are acknowledged twice by
/// all, and each pair compares its positions once in as many digests as there are members.
const FADES_WITHIN: Duration = Duration::from_secs(40);

impl World {
    /// Waits until all departed lives are forgotten, and looks at what is left.
    ///
    /// # Errors
    /// A promise broken meanwhile, or what is held for nobody.
    pub fn return_to_baseline(&mut self) -> Result<(), Violation> {
        if self.settings.forget_after == FORGET_LATE {
            return Ok(());
        }
        self.run_for(self.settings.forget_after * 2 + self.settings.detection * 2)?;
        let until = self.now + FADES_WITHIN;
        while let Some(excess) = self.excess() {
            if self.now >= until {
                self.violate(format!("{excess}, {FADES_WITHIN:?} after all that ended was forgotten"));
                return self.verdict();
            }
            self.run_for(Duration::from_secs(1))?;
        }
        self.come_to_rest()
    }

    fn excess(&self) -> Option<String> {
        let running = self.all_running();
        running.iter().find_map(|&process| self.excess_of(process, running.len()))
    }

    /// How many lives began where nobody is left: where a second node of some name was, once or more often.
    fn lives_of_twins(&self) -> usize {
        let left: BTreeSet<SiteId> =
            self.all_running().into_iter().map(|process| self[process].site).collect();
        self.processes.iter().filter(|process| !left.contains(&process.site)).count()
    }

    /// What a machine holds beyond its members and names.
    fn excess_of(&self, process: ProcessId, members: usize) -> Option<String> {
        let (places, workers) = (&self[process].places, self[process].workers.len());
        let vacant = places.values().filter(|placement| placement.holder.is_none()).count();
        let allowed = BTreeMap::from([
            ("members", members),
            ("offenders", 0),
            ("members seen", members),
            // later lives of a node whose earlier one lives, and that nothing proves dead
            ("departed lives", self.lives_of_twins()),
            ("addresses", self.sites.len() + self.dead_addresses.len()),
            ("timers", 12 + 4 * members + 2 * workers + vacant),
            ("names on the desk", vacant),
            ("names to look at", 0),
            ("calls", 0),
            ("links", members),
            ("positions of a peer", members),
            ("members watched", members),
            ("questions of others", members),
            ("doubts", 0),
            ("gates", 0),
            ("questions about the ring", members),
            ("members met", members),
            ("records", places.len()),
            ("places in groups", self[process].groups.values().map(BTreeSet::len).sum()),
            ("logs", members),
            ("early removals", 0),
            ("ended wishes", 0),
            ("copies that did not hear of their end", 0),
            ("readers", members),
            ("answers owed", 0),
        ]);
        self[process].machine.holdings().into_iter().find_map(|(what, held)| {
            let allowed = allowed[what];
            (held > allowed)
                .then(|| format!("{} holds {held} {what}, at most {allowed} are explained", self[process]))
        })
    }
}
