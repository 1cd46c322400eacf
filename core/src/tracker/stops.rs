//! The arbiter's stops: of starts that nobody waits for any more, of workers that end; until their host has said that
//! nothing runs.

use alloc::collections::BTreeSet;

use super::desk::{Matter, Starting, Step, Stop, Stopping};
use super::entry::Entry;
use crate::id::{Epoch, Life, Name};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::wire::message::{Halt, StartReport, StopOrder, StopReport};

impl Machine {
    /// A start that was ordered is not to be any more. Its name stays on the desk until its host knows that.
    pub(super) fn cancel_start(&mut self, name: &Name, starting: Starting) {
        let Starting { host, epoch, dot, mut tried, failures, .. } = starting;
        tried.insert(host);
        let why = Stop::Cancel { dot, tried, failures: failures + 1 };
        self.turn(name, Step::Stopping(Stopping { host, epoch, why, again: self.now }));
    }

    /// Stops what was started for a claim that ended otherwise. Who wants the name waits for that.
    pub(super) fn stop_unwanted(&mut self, name: &Name, host: Life, epoch: Epoch) {
        let why = Stop::Cancel { dot: None, tried: BTreeSet::new(), failures: 0 };
        self.open(name, Step::Stopping(Stopping { host, epoch, why, again: self.now }));
    }

    /// That start is nobody's wish.
    pub(super) fn halt(&mut self, host: Life, report: StartReport) {
        let order = StopOrder { name: report.name, dot: None, epoch: report.epoch, why: Halt::Superseded };
        self.send_stop_order(host, order);
    }

    pub(super) fn send_stop_order(&mut self, host: Life, order: StopOrder) {
        if host == self.me {
            self.on_stop_order(host, &order);
        } else {
            self.send_to(host, order);
        }
    }

    /// What was ordered to stop does not run at that host.
    pub(crate) fn on_stop_report(&mut self, host: Life, report: &StopReport) {
        let Some(Matter { step: Step::Stopping(stopping), .. }) = self.desk.matters.get(&report.name) else {
            return;
        };
        if stopping.host != host || stopping.epoch != report.epoch {
            return;
        }
        let holder = match &stopping.why {
            Stop::Unregister { dot, .. } => self.registry.entry(*dot).and_then(Entry::holder),
            Stop::Cancel { .. } | Stop::Ended { .. } => None,
        };
        // It went on there, as its record says, or will.
        let elsewhere = report.moved.or(holder).filter(|&to| to != host && self.table.is_live(to));
        match elsewhere {
            Some(to) if !self.broken(Mutant::StopMissesMove) => {
                let stopping = Stopping { host: to, ..stopping.clone() };
                self.turn(&report.name, Step::Stopping(stopping));
            }
            Some(_) | None => self.on_stop_done(&report.name),
        }
    }

    pub(super) fn on_stop_done(&mut self, name: &Name) {
        let Some(Matter { step: Step::Stopping(stopping), .. }) = self.desk.matters.get(name) else {
            return;
        };
        match stopping.why.clone() {
            Stop::Unregister { dot, client } => {
                let behind = self.desk.matters.remove(name).map(|matter| matter.waiters).unwrap_or_default();
                self.end(dot, client);
                self.serve_behind(name, behind);
            }
            Stop::Cancel { dot: Some(dot), tried, failures } if self.quorum().is_ok() => {
                self.pause_takeover(name, dot, tried, failures)
            }
            Stop::Cancel { .. } => self.close_matter(name),
            Stop::Ended { dot } => {
                self.registry.unheard.stopped(name, dot);
                self.close_matter(name);
            }
        }
    }
}
