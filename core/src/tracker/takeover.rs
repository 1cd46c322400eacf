//! Names without a living holder get a new one; and what else follows when a life ends or the ring moves.

use alloc::collections::BTreeSet;
use core::time::Duration;

use super::desk::{Matter, Starting, Step};
use super::entry::{Entry, State};
use crate::event::Event;
use crate::id::{Dot, Life, Name};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::timer::Timer;

/// Something that is likely to work in a moment is tried again after this.
const SOON: Duration = Duration::from_millis(10);

impl Machine {
    /// Begins as many takeovers as may be under way at once.
    pub(super) fn take_over_vacant(&mut self) {
        if self.quorum().is_err() {
            return;
        }
        while self.desk.takeovers() < self.config.max_takeovers {
            let Some(name) = self.vacant.pop_first() else {
                break;
            };
            let Some(dot) = self.registry.winner(&name).map(|entry| entry.dot).filter(|_| self.serves(&name))
            else {
                continue;
            };
            if !self.desk.is_busy_with(&name) {
                self.begin_takeover(&name, dot, BTreeSet::new(), 0);
            }
        }
    }

    /// Tells a host to start it; without one the name waits for a member that has its kind.
    pub(super) fn begin_takeover(&mut self, name: &Name, dot: Dot, tried: BTreeSet<Life>, failures: u32) {
        let Some(State::Live { claim, spec, .. }) = self.registry.entry(dot).map(|entry| entry.state.clone())
        else {
            return; // it was removed
        };
        let Some(host) = self.choose_host(name, &spec, &tried) else {
            self.disown(dot);
            self.open(name, Step::Pausing { dot, tried: BTreeSet::new(), failures });
            let jitter = self.random.next();
            let pause = self.config.restart_elsewhere.pause(failures, jitter);
            self.timers.set(self.now + pause, Timer::Takeover(name.clone()));
            return;
        };
        let epoch =
            if self.broken(Mutant::EpochNotRaised) { self.registry.newest() } else { self.next_epoch() };
        let (now, deadline) = (self.now, self.now + self.config.start_timeout);
        let starting = Starting {
            host,
            epoch,
            dot: Some(dot),
            claim,
            spec,
            client: None,
            deadline,
            again: now,
            tried,
            failures,
        };
        self.open(name, Step::Starting(starting));
    }

    /// Nobody can run it for now: its entry does not go on naming a holder that is gone, and may be forgotten.
    pub(super) fn disown(&mut self, dot: Dot) {
        if self.broken(Mutant::HolderForgotten) {
            return;
        }
        let is_held_in_vain = |entry: &&Entry| entry.holder().is_some_and(|life| self.is_gone(life));
        let entry = self.registry.entry(dot).filter(is_held_in_vain).cloned();
        if let Some(vacant) = entry.map(|entry| entry.later(self.next_epoch(), None)) {
            self.write(vacant);
        }
    }

    pub(crate) fn on_takeover_timer(&mut self, name: &Name) {
        let Some(Matter { step: Step::Pausing { dot, tried, failures }, .. }) = self.desk.matters.get(name)
        else {
            return;
        };
        let (dot, tried, failures) = (*dot, tried.clone(), *failures);
        let matter = self.desk.matters.remove(name).expect("it was just found");
        // Meanwhile a record may have come of someone who runs it.
        let vacant = self.serves(name)
            && self.registry.winner(name).is_some_and(|entry| entry.dot == dot && self.is_vacant(entry));
        if vacant && !self.stop_unheard(name) {
            self.begin_takeover(name, dot, tried, failures.saturating_add(1));
        }
        match self.desk.matters.get_mut(name) {
            Some(current) => current.waiters.extend(matter.waiters),
            None => self.serve(name, matter.waiters),
        }
        self.look.insert(name.clone());
    }

    /// A life is down.
    pub(crate) fn on_life_down(&mut self, life: Life) {
        self.drop_question(life);
        self.await_stops(life);
        let may_run = self.standing.lingers(life);
        if !may_run {
            self.replace_host(life);
        }
        self.adopt_orphans(life);
        if !may_run {
            self.take_back(life);
            self.look_at_copies_of(life);
        }
        self.scan_again = true;
        self.pull_again = true;
    }

    /// The ring is another: what is no longer ours is given up, what was refused elsewhere is tried again.
    pub(crate) fn on_ring_moved(&mut self) {
        self.give_up_lost();
        self.resend_claims();
        self.report_starts(true);
        self.resume_halted();
        self.look_at_places();
        for name in self.desk.pausing() {
            self.timers.set(self.now, Timer::Takeover(name));
        }
    }

    /// A link to this life is up and greeted: what it is waiting for, or we for it, is said again.
    pub(crate) fn on_contact(&mut self, life: Life) {
        self.ask_barrier(Some(life));
        self.offer_to(life);
        self.resend_claims();
        self.report_starts(true);
        self.retry_at = Some(self.now + SOON);
    }

    /// Sets the timer for what has to be said again, if there is anything.
    pub(crate) fn arm_retry(&mut self) {
        let soon = self.retry_at.take();
        let waits = self.callers.len() > 0
            || !self.desk.is_empty()
            || self.host.reports()
            || !self.moves.are_done()
            || !self.surrenders.is_empty()
            || !self.gates.are_passed();
        if !waits {
            return;
        }
        let later = self.now + self.config.retry_after;
        let at = soon.map_or(later, |soon| soon.min(later));
        match self.retry_set {
            Some(set) if set <= at => {}
            Some(set) => {
                self.timers.cancel(set, Timer::Retry);
                self.timers.set(at, Timer::Retry);
                self.retry_set = Some(at);
            }
            None => {
                self.timers.set(at, Timer::Retry);
                self.retry_set = Some(at);
            }
        }
    }

    pub(crate) fn on_retry_timer(&mut self) {
        self.retry_claims();
        self.retry_orders();
        self.report_starts(false);
        self.retry_moves();
        self.ask_of_strangers_again();
        self.ask_barrier(None);
        self.replication.drop_all_pulls();
        self.pull_again = true;
    }

    /// Everything that the last changes of the topology asked for is done.
    pub(crate) fn settle_topology(&mut self) {
        let still = self.vacant.is_empty() && self.desk.takeovers() == 0 && self.moves.are_done();
        let still = still && self.standing.is_clear();
        if self.unsettled && self.gates.are_passed() && still {
            self.unsettled = false;
            self.event(Event::TopologySettled);
        }
    }
}
