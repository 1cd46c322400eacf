//! Level-triggered: of every name of which something changed, "should I run this, should I still?"

use alloc::vec::Vec;

use super::enrolment::{Enrolment, Presence};
use super::entry::Entry;
use super::host::{Attached, Phase, Then};
use super::registry::Before;
use crate::event::{Event, Output, StopReason, WorkerSpec};
use crate::id::{ClaimId, Dot, Epoch, Life, Name};
use crate::machine::Machine;
use crate::membership::Announced;
use crate::mutant::Mutant;
use crate::timer::Timer;

/// So many digests are awaited before two registrations of one name count as a conflict.
pub(super) const DIGESTS: u32 = 2;

/// Whether a conflict was told to subscribers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Yes,
    No,
}

impl Machine {
    /// Looks at all names that are marked, and at those without a living holder when the members changed.
    pub(crate) fn settle_names(&mut self) {
        if core::mem::take(&mut self.scan_again) {
            let orphaned =
                self.registry.holders().filter(|holder| holder.is_none_or(|life| self.is_gone(life)));
            let names =
                orphaned.collect::<Vec<_>>().into_iter().flat_map(|holder| self.registry.held_by(holder));
            let names: Vec<Name> = names.chain(self.registry.unheard.names()).cloned().collect();
            self.look.extend(names);
        }
        self.look.extend(self.registry.unheard.take_news());
        loop {
            let changed = self.registry.take_changed();
            for (name, before) in changed {
                if self.outlives_removal(&name, &before) {
                    self.registry.was(name, before);
                    continue;
                }
                let placement = self.registry.winner(&name).and_then(Entry::placement);
                if placement.is_some() || before != Before::Free {
                    self.outputs.push_back(Output::Place { name: name.clone(), placement });
                }
                self.show_groups(&name, before);
                self.look.insert(name);
            }
            let Some(name) = self.look.pop_first() else {
                break;
            };
            self.look_at(&name);
        }
        self.take_over_vacant();
    }

    /// Whether a life is known, and known to run nothing any more. An unknown one is parked: its record will come.
    pub(crate) fn is_gone(&self, life: Life) -> bool {
        let is_down = self.departed.has_forgotten(life)
            || self.table.of(life).is_some_and(crate::membership::Record::is_down);
        is_down && !self.standing.lingers(life)
    }

    fn look_at(&mut self, name: &Name) {
        self.look_as_host(name);
        self.look_at_attached(name);
        self.look_at_joins(name);
        self.look_at_losers(name);
        self.look_as_arbiter(name);
    }

    fn look_as_host(&mut self, name: &Name) {
        let is_young = self.has_young_conflict(name);
        let beaten = self.registry.losers(name);
        let winner = self.registry.winner(name);
        let is_unwanted = winner.is_some_and(|entry| self.has_ended(entry));
        let is_passing = winner.is_some_and(|entry| self.ends_with_its_node(entry));
        let Some(worker) = self.host.workers.get_mut(name) else {
            let ours = winner.filter(|entry| entry.holder() == Some(self.me) && !entry.is_attached());
            if let Some(dot) = ours.map(|entry| entry.dot).filter(|_| is_unwanted) {
                return self.write_removal(dot);
            }
            if ours.is_some() && !self.suspend(name) {
                if self.table.mine().announced == Announced::Up {
                    self.resume(name)
                } else {
                    self.vacate(name)
                }
            }
            return;
        };
        match worker.phase {
            Phase::Preparing { .. } | Phase::Prepared { .. } => return self.look_at_copy(name),
            Phase::Frozen { .. } => return self.look_at_frozen(name),
            Phase::Starting
            | Phase::Running
            | Phase::Exited(_)
            | Phase::Pausing
            | Phase::Stopping { .. }
            | Phase::Halted { .. }
            | Phase::Stuck { .. } => {}
        }
        let me = self.me;
        let is_it = |entry: &&Entry| entry.holder() == Some(me) && entry.epoch == worker.epoch;
        let stands = winner.filter(is_it);
        let is_dropped_copy = worker.is_dropped_copy();
        if let Some(entry) = stands.or(beaten.iter().find(is_it)) {
            worker.dot = Some(entry.dot);
            worker.recorded = true;
            worker.ended = false;
            self.host.unrecorded.remove(name);
        }
        if stands.is_some() && is_unwanted {
            return self.end_with_its_wish(name);
        }
        if stands.is_some() {
            self.standing.unsuspend(name);
            self.stand_again(name);
            match self.host.workers[name].phase.clone() {
                Phase::Exited(exit) => {
                    self.decide_exit(name, exit);
                    self.look.insert(name.clone());
                }
                Phase::Running if !is_young => self.look_at_place(name),
                // It never acted, and its source keeps what it sent until it hears that we have the record.
                Phase::Stopping { .. } if is_dropped_copy && !self.broken(Mutant::DroppedCopiesHeld) => {
                    self.vacate(name);
                }
                _ if self.table.mine().announced == Announced::Leaving => self.give_away(name),
                _ => {}
            }
            return;
        }
        if is_young || is_passing {
            return; // what seems to beat it may have ended already, or is about to
        }
        let ended = match worker.dot {
            Some(dot) => self.registry.entry(dot).is_none_or(|entry| !entry.is_live()),
            None => self.registry.has_ended(name, Some(worker.claim)),
        };
        let why = match winner {
            Some(entry) if worker.dot.is_some_and(|dot| dot != entry.dot) => StopReason::Conflict,
            Some(entry) if entry.epoch > worker.epoch && !self.config.broken(Mutant::SupersededRunsOn) => {
                StopReason::Superseded
            }
            Some(_) | None if ended => StopReason::Unregistered,
            Some(_) | None => return, // a start that its arbiter has yet to record
        };
        let hears = winner.filter(|entry| !entry.is_attached());
        let beaten_by = hears.and_then(|entry| Some((entry.holder()?, entry.epoch)));
        let runs_on = worker.dot.is_some() && ended && matches!(worker.phase, Phase::Running);
        if runs_on && !worker.ended {
            self.tell_of_end(name);
        }
        let worker = self.host.workers.get_mut(name).expect("it was just found");
        let is_known = worker.recorded && why != StopReason::Unregistered;
        match (&worker.phase, beaten_by) {
            (Phase::Running, Some((to, epoch))) if is_known => return self.surrender(name, why, to, epoch),
            _ => {}
        }
        match &mut worker.phase {
            Phase::Starting
            | Phase::Running
            | Phase::Preparing { .. }
            | Phase::Prepared { .. }
            | Phase::Frozen { .. } => self.stop_here(name, why, Then::Forget),
            Phase::Stopping { .. } | Phase::Stuck { .. } => {}
            Phase::Exited(_) | Phase::Pausing | Phase::Halted { .. } => {
                self.forget_worker(name);
                self.look.insert(name.clone());
            }
        }
    }

    /// Whether a registration was removed as another one, which a second arbiter had made of the same wish.
    fn has_ended(&self, entry: &Entry) -> bool {
        self.registry.has_ended(&entry.name, entry.claim()) && !self.broken(Mutant::GrantedTwiceEndedOnce)
    }

    /// A worker of ours is to end with its wish: its record ends when nothing of it runs.
    fn end_with_its_wish(&mut self, name: &Name) {
        match self.host.workers[name].phase {
            Phase::Starting | Phase::Running => self.stop_here(name, StopReason::Unregistered, Then::Free),
            Phase::Exited(_) | Phase::Pausing | Phase::Halted { .. } => self.free(name),
            Phase::Preparing { .. }
            | Phase::Prepared { .. }
            | Phase::Frozen { .. }
            | Phase::Stopping { .. }
            | Phase::Stuck { .. } => {} // we look again when that is over
        }
    }

    /// A registration of ours was removed, though its wish goes on, and no other one of its name stands. Who wrote that took
    /// this node for gone, as each side of a cut does, or knew of another one that had ended elsewhere: it is
    /// registered as it was.
    fn outlives_removal(&mut self, name: &Name, before: &Before) -> bool {
        let Some((dot, epoch, claim, spec)) = self.running_here(name) else {
            return false;
        };
        let is_removed =
            self.registry.entry(dot).is_some_and(|entry| !entry.is_live() && entry.claim().is_none());
        let is_free = self.registry.winner(name).is_none() && self.table.mine().announced == Announced::Up;
        if !is_removed || !is_free || self.broken(Mutant::RemovedUnheard) {
            return false;
        }
        let entry = self.new_entry(name, epoch, Some(self.me), claim, spec);
        let dot = entry.dot;
        self.write(entry);
        let groups = if let Before::Registered { groups } = before { groups.as_slice() } else { &[] };
        for group in groups {
            let (group, stamp) = (group.clone(), self.next_epoch());
            self.write(Enrolment { dot, group, stamp, presence: Presence::In, handed_on: 0 });
        }
        true
    }

    /// What runs here by a record: by which registration, as which start, by whose wish, and what it is.
    fn running_here(&self, name: &Name) -> Option<(Dot, Epoch, ClaimId, WorkerSpec)> {
        if let Some(&Attached { dot, epoch, claim }) = self.host.attached.get(name) {
            return Some((dot, epoch, claim, WorkerSpec::Attached));
        }
        let worker = self.host.workers.get(name)?;
        let runs = worker.recorded && matches!(worker.phase, Phase::Running);
        Some((worker.dot.filter(|_| runs)?, worker.epoch, worker.claim, worker.spec.clone()))
    }

    /// Attached workers are told when their registration ends, and live on.
    fn look_at_attached(&mut self, name: &Name) {
        self.end_doubles(name);
        if self.has_young_conflict(name) {
            return;
        }
        let ours =
            self.registry.winner(name).filter(|entry| entry.holder() == Some(self.me) && entry.is_attached());
        if let Some(dot) = ours.filter(|entry| self.has_ended(entry)).map(|entry| entry.dot) {
            return self.write_removal(dot); // and we look again
        }
        let attached =
            |entry: &Entry| Some(Attached { dot: entry.dot, epoch: entry.epoch, claim: entry.claim()? });
        let now = ours.and_then(attached);
        let before = self.host.attached.get(name).copied();
        if before == now {
            return;
        }
        match now {
            Some(attached) => drop(self.host.attached.insert(name.clone(), attached)),
            None => drop(self.host.attached.remove(name)),
        }
        if let (Some(Attached { epoch, .. }), None) = (before, now) {
            let why = if self.registry.winner(name).is_some() {
                StopReason::Conflict
            } else {
                StopReason::Unregistered
            };
            let grace = self.config.stop_grace;
            self.outputs.push_back(Output::Stop { name: name.clone(), epoch, grace, why });
        }
    }

    /// What a second arbiter made of the claim of an attached worker of ours: its caller heard of the one, and does not
    /// change its epoch.
    fn end_doubles(&mut self, name: &Name) {
        let ours = self.host.attached.get(name).filter(|_| self.registry.has_losers(name));
        let Some(&Attached { epoch, .. }) = ours else {
            return;
        };
        if self.broken(Mutant::DoublesSettledByRank) {
            return;
        }
        let standing: Vec<&Entry> = self.registry.standing(name).collect();
        let Some(known) = standing.iter().find(|entry| entry.epoch == epoch) else {
            return;
        };
        let is_double = |entry: &&&Entry| entry.dot != known.dot && entry.claim() == known.claim();
        let (kept, doubles) = (known.dot, standing.iter().filter(is_double));
        for double in doubles.map(|&entry| entry.clone()).collect::<Vec<_>>() {
            self.write_beaten(&double, kept);
        }
    }

    /// Two registrations of one name, after a partition: the loser's holder ends its own once nothing of it runs
    /// there; if it is gone, the arbiter does.
    fn look_at_losers(&mut self, name: &Name) {
        if self.broken(Mutant::TieNotBroken) {
            return;
        }
        let losers = self.registry.losers(name);
        if losers.is_empty() || self.has_young_conflict(name) {
            return;
        }
        let winner = self.registry.winner(name).expect("a loser lost to a winner").clone();
        if self.ends_with_its_node(&winner) {
            return; // then the next one stands
        }
        let by = winner.dot;
        let node_of = |entry: &Entry| self.table.node_of(entry.holder().unwrap_or(entry.dot.life));
        let (winner, loser) = (node_of(&winner), node_of(&losers[0]));
        if let Some((_, told @ Told::No)) = self.conflicts.get_mut(name) {
            *told = Told::Yes;
            self.event(Event::Conflict { name: name.clone(), winner, loser });
        }
        let arbiter = self.serves(name);
        for loser in losers {
            let runs_here = self.host.workers.get(name).is_some_and(|worker| worker.dot == Some(loser.dot));
            let mine_to_end = match loser.holder() {
                Some(life) if life == self.me => !runs_here,
                Some(life) => arbiter && self.is_gone(life),
                None => arbiter,
            };
            if mine_to_end {
                self.write_beaten(&loser, by);
            }
        }
    }

    /// Whether two registrations of this name met only just now. One may follow the other, whose removal is on its
    /// way to us by another log: it comes with the next digests, and there never was a conflict.
    fn has_young_conflict(&mut self, name: &Name) -> bool {
        if !self.registry.has_losers(name) {
            self.conflicts.remove(name);
            return false;
        }
        let due = self.now + self.config.digest_interval * DIGESTS;
        let (due, _) = *self.conflicts.entry(name.clone()).or_insert_with(|| {
            self.timers.set(due, Timer::Conflict(name.clone()));
            (due, Told::No)
        });
        due > self.now
    }

    /// Whether we are the arbiter of a name, and may act as such.
    pub(super) fn serves(&self, name: &Name) -> bool {
        self.owns(self.ring.slot_of(name)) && self.is_settled(name)
    }

    /// Whether all is known that its arbiter must know of a name.
    pub(super) fn is_settled(&self, name: &Name) -> bool {
        let is_level = self.registry.winner(name).is_none_or(|entry| self.is_level(entry));
        is_level && self.gates.is_open(self.ring.slot_of(name))
    }

    /// Whether nobody alive runs it. A holder that was counted down and has a link with us is about to refute it.
    pub(super) fn is_vacant(&self, entry: &Entry) -> bool {
        entry.holder().is_none_or(|life| self.is_gone(life) && self.links.to(life).is_none())
    }

    /// Whether its worker was attached to a node that is gone: what it beat outlives it.
    fn ends_with_its_node(&self, entry: &Entry) -> bool {
        entry.is_attached() && self.is_vacant(entry) && !self.broken(Mutant::BeatenByTheDead)
    }

    /// Whether the strategy has no name run twice, whatever happens.
    pub(super) fn runs_names_once(&self) -> bool {
        self.strategy.pause_after_silence(&self.config).is_some()
    }

    /// Whether a beaten registration of this name may still run, under a strategy that has no name run twice. Under
    /// another one the winner runs first, to hear what the beaten copy knows.
    pub(super) fn has_other_copies(&self, name: &Name) -> bool {
        let may_run = |loser: &Entry| {
            let holder = loser.holder().filter(|_| !loser.is_attached());
            holder.is_some_and(|life| life == self.me || self.may_run(life))
        };
        self.runs_names_once()
            && !self.broken(Mutant::OtherCopiesRunOn)
            && self.registry.losers(name).iter().any(may_run)
    }

    fn look_as_arbiter(&mut self, name: &Name) {
        if self.stop_unheard(name) {
            return; // we look again when it has stopped
        }
        let vacant = self.registry.winner(name).filter(|entry| self.is_vacant(entry));
        let Some(entry) = vacant.filter(|_| self.serves(name) && !self.desk.is_busy_with(name)) else {
            self.vacant.remove(name);
            return;
        };
        if self.quorum().is_err() {
            return; // we are told when there is one again
        }
        if self.has_other_copies(name) && !self.ends_with_its_node(entry) {
            self.vacant.remove(name);
            return; // we look again when it has ended
        }
        if self.has_ended(entry) {
            self.write_removal(entry.dot); // nobody wants it
        } else if entry.is_attached() {
            if !self.broken(Mutant::AttachedOutliveTheirNode) {
                self.write_vacated(entry.dot);
            }
        } else if !self.broken(Mutant::NoTakeover) {
            self.vacant.insert(name.clone());
        }
    }
}
