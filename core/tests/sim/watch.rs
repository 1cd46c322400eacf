//! What must be so while a run goes on: the living are not called dead, the dead are noticed, news travel.

use std::time::Duration;

use skep_core::Instant;
use skep_core::config::Detection;
use skep_core::event::Evidence;
use skep_core::id::{Life, Name};

use crate::network::Told;
use crate::process::Running;
use crate::world::{Happening, ProcessId, World};

/// How often untouched names are compared, and for how long they must have been untouched.
const COMPARE_EVERY: Duration = Duration::from_millis(500);
const UNTOUCHED_FOR: Duration = Duration::from_secs(3);

impl World {
    /// Without a quorum nothing runs once the grace is over.
    pub fn check_stopped(&mut self, process: ProcessId, lost: Instant) {
        let this = &self[process];
        let is_undisturbed = this.disturbed.is_none_or(|when| when < lost);
        if this.running != Running::Yes || this.quorum_lost != Some(lost) || !is_undisturbed {
            return;
        }
        let runs = |(_, worker): &(_, &crate::hosts::Worker)| {
            worker.is_active() && worker.kind != crate::faults::kind::BLOCKING
        };
        if let Some(((name, epoch), _)) = this.workers.iter().find(runs) {
            self.violate(format!("{this} still runs {name} (epoch {epoch}), and has no quorum"));
        }
    }

    /// Nobody counts someone down who lives, never stood still, and does not leave.
    pub fn check_innocence(&mut self, process: ProcessId, life: Life, evidence: Evidence) {
        if !self.settings.innocents || self.oracle.may_be_split() {
            return;
        }
        let Some(accused) = self.all_running().into_iter().find(|&other| self[other].life == life) else {
            return;
        };
        let is_innocent = self[accused].disturbed.is_none() && !self[accused].is_leaving;
        if is_innocent && self[accused].formed.is_some() {
            let (process, accused) = (&self[process], &self[accused]);
            self.violate(format!("{process} counts {accused} down ({evidence:?}), which lives"));
        }
    }

    /// When all must know of a death: in milliseconds if its kernel tells, else within the detection bound.
    pub fn expect_death_known(&mut self, process: ProcessId, told: Told) {
        if !self.settings.spaced || self.healed {
            return;
        }
        let hops = self.settings.latency.1 * 12;
        let within = match told {
            Told::ByEnd | Told::ByReset => Duration::from_millis(150) + hops,
            Told::Never => {
                Detection::within(self.settings.detection).bound() + Duration::from_millis(300) + hops
            }
        };
        self.after(within, Happening::DeathKnown(process));
    }

    pub fn check_death_known(&mut self, dead: ProcessId) {
        let (life, died) = (self[dead].life, self[dead].died.expect("it is dead"));
        let was_there = |process: &ProcessId| {
            let process = &self[*process];
            let formed = process.formed.is_some_and(|formed| died.since(formed) >= Duration::from_secs(1));
            formed && !process.is_leaving && process.running == Running::Yes
        };
        let ignorant = self
            .all_running()
            .into_iter()
            .filter(was_there)
            .find(|&process| !self[process].counted_down.iter().any(|(_, down)| *down == life));
        if let Some(ignorant) = ignorant
            && self[dead].formed.is_some_and(|formed| died.since(formed) >= Duration::from_secs(1))
            && !self.healed
        {
            let late = self.now.since(died);
            self.violate(format!(
                "{} does not know {late:?} later that {} is dead",
                self[ignorant], self[dead]
            ));
        }
    }

    /// Names that nobody touched, in a cluster that nothing happened to, are known alike to all.
    pub fn compare_registries(&mut self) {
        if self.healed {
            return;
        }
        self.after(COMPARE_EVERY, Happening::Compare);
        if self.oracle.quiet_for(self.now) < UNTOUCHED_FOR {
            return;
        }
        let settled: Vec<ProcessId> = self
            .all_running()
            .into_iter()
            .filter(|&process| self[process].formed.is_some() && !self[process].is_leaving)
            .collect();
        // a new quorum waits for those of the old one to have stopped, which takes longer
        let is_done = |&process: &ProcessId| {
            self[process].settled.is_some_and(|since| self.now.since(since) >= UNTOUCHED_FOR)
        };
        if !settled.iter().all(is_done) {
            return;
        }
        let Some((&first, rest)) = settled.split_first() else { return };
        let names: Vec<Name> =
            self.oracle.names.keys().filter(|name| self.is_untouched(name)).cloned().collect();
        for name in names {
            for &other in rest {
                let (ours, theirs) = (self[first].places.get(&name), self[other].places.get(&name));
                if ours != theirs {
                    return self.violate(format!(
                        "{UNTOUCHED_FOR:?} after anything happened to {name} {} knows {ours:?}, {} knows {theirs:?}",
                        self[first], self[other]
                    ));
                }
            }
        }
    }

    fn is_untouched(&self, name: &Name) -> bool {
        let restarts = [crate::faults::kind::PLAIN, crate::faults::kind::STUBBORN];
        let is_calm = restarts.iter().any(|kind| name.as_str().starts_with(kind)) && !self.ties.has(name);
        is_calm && self.oracle.names[name].untouched_for(self.now) >= UNTOUCHED_FOR
    }
}
