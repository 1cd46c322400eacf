//! The holder's part of a move: whether, when and where to; the offer, the record, and the worker until it is known.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Move, Step};
use crate::event::{Event, Handoff, MoveReason, Output, Status, StopReason};
use crate::id::{Epoch, Life, Name};
use crate::machine::Machine;
use crate::membership::Announced;
use crate::mutant::Mutant;
use crate::timer::Timer;
use crate::tracker::host::{Phase, Then};
use crate::wire::message::{Offer, OfferReply, Readiness, Withdraw};

impl Machine {
    /// Where a worker of ours should run, by the strategy.
    fn wanted(&self, name: &Name) -> Option<Life> {
        let worker = self.host.workers.get(name)?;
        let nobody = BTreeSet::new();
        let leaving = self.table.mine().announced == Announced::Leaving;
        let tried = if leaving { &worker.tried } else { &nobody };
        self.choose_host(name, &worker.spec, tried)
    }

    /// The ring is another: marks those of our workers that it wants elsewhere, or no longer where they are going.
    pub(crate) fn look_at_places(&mut self) {
        let me = Some(self.me);
        let concerned = self.host.workers.keys().filter(|name| {
            self.moves.under_way.contains_key(*name)
                || self.moves.queue.contains(*name)
                || self.wanted(name) != me
        });
        let concerned: Vec<Name> = concerned.cloned().collect();
        self.look.extend(concerned);
    }

    /// A worker of ours runs and is recorded: lines it up if it should run elsewhere.
    pub(crate) fn look_at_place(&mut self, name: &Name) {
        let wanted = self.wanted(name);
        if let Some(current) = self.moves.under_way.get(name) {
            if wanted != Some(current.to) {
                self.call_off(name, Duration::ZERO);
            }
            return;
        }
        let ring = self.ring.hash();
        let leaves = self.table.mine().announced == Announced::Leaving;
        let worker = self.host.workers.get_mut(name).expect("the caller found it");
        let stays = worker.stays == Some(ring) && !leaves;
        if stays || wanted.is_none_or(|life| life == self.me) || self.config.broken(Mutant::NeverMoves) {
            self.moves.queue.remove(name);
        } else if worker.moves_after <= self.now {
            self.moves.queue.insert(name.clone());
        }
    }

    /// Begins as many moves as may be under way at once, and lets go of what its target has.
    pub(crate) fn settle_moves(&mut self) {
        if self.moves.are_done() {
            self.moves.tally = super::Tally::default();
            return;
        }
        self.release_known();
        while self.moves.under_way.len() + self.moves.frozen.len() < self.config.max_moves {
            if self.moves.next_at > self.now && !self.moves.queue.is_empty() {
                self.timers.set(self.moves.next_at, Timer::Moves);
                break;
            }
            let Some(name) = self.moves.queue.pop_first() else { break };
            self.begin_move(&name);
        }
    }

    fn begin_move(&mut self, name: &Name) {
        let Some(to) = self.wanted(name).filter(|&life| life != self.me && self.can_move(name)) else {
            return;
        };
        if self.table.status(to) != Some(Status::Up) || self.links.to(to).is_none() {
            self.move_later(name, self.config.retry_after);
            return;
        }
        let deadline = self.now + self.config.handoff_timeout;
        let again = self.now + self.config.retry_after;
        self.moves.next_at = self.now + self.config.move_pause;
        self.moves.under_way.insert(name.clone(), Move { to, step: Step::Asking, deadline, again });
        self.timers.set(deadline, Timer::MoveDeadline(name.clone()));
        let leaves = self.table.mine().announced == Announced::Leaving;
        let why = if leaves { MoveReason::Draining } else { MoveReason::Balance };
        let epoch = self.host.workers[name].epoch;
        self.outputs.push_back(Output::BeginHandoff { name: name.clone(), epoch, why });
    }

    /// Whether our worker of this name runs, and all know it.
    fn can_move(&self, name: &Name) -> bool {
        let Some(worker) = self.host.workers.get(name) else {
            return false;
        };
        let stands = self.registry.winner(name).is_some_and(|entry| {
            worker.dot == Some(entry.dot) && entry.holder() == Some(self.me) && entry.epoch == worker.epoch
        });
        stands && worker.recorded && matches!(worker.phase, Phase::Running)
    }

    pub(crate) fn on_handoff_begun(&mut self, name: &Name, epoch: Epoch, handoff: Handoff) {
        if self.on_surrender_begun(name, epoch, handoff) {
            return;
        }
        let Some(current) = self.moves.under_way.get(name).filter(|current| current.step == Step::Asking)
        else {
            return; // it was called off
        };
        let to = current.to;
        let Some(worker) = self.host.workers.get_mut(name).filter(|worker| worker.epoch == epoch) else {
            return;
        };
        let state = match handoff {
            Handoff::Stay => {
                worker.stays = Some(self.ring.hash());
                self.moves.under_way.remove(name);
                return;
            }
            Handoff::Restart => None,
            Handoff::Resume { bytes } => Some(bytes),
        };
        if self.wanted(name) != Some(to) || !self.can_move(name) {
            self.call_off(name, Duration::ZERO);
            return;
        }
        let under = self.next_epoch();
        if let Some(current) = self.moves.under_way.get_mut(name) {
            current.step = Step::Offered { under, state };
        }
        self.send_offer(name);
    }

    fn send_offer(&mut self, name: &Name) {
        let again = self.now + self.config.retry_after;
        let Some(current) = self.moves.under_way.get_mut(name) else {
            return;
        };
        current.again = again;
        let (Step::Offered { under, state } | Step::Sending { under, state }) = current.step else {
            return; // the worker is not done with its message
        };
        let to = current.to;
        let worker = &self.host.workers[name];
        let offer = Offer {
            name: name.clone(),
            dot: worker.dot.expect("what moves is recorded"),
            claim: worker.claim,
            spec: worker.spec.clone(),
            replaces: worker.epoch,
            epoch: under,
            state,
        };
        self.send_to(to, offer);
    }

    /// The target says how far it is.
    pub(crate) fn on_offer_reply(&mut self, from: Life, reply: OfferReply) {
        let OfferReply { name, epoch, answer } = reply;
        let current = self.moves.under_way.get_mut(&name);
        let Some(current) = current.filter(|current| current.to == from && current.under() == Some(epoch))
        else {
            if matches!(answer, Readiness::Accepted | Readiness::Prepared)
                && !self.is_handed(&name, from, epoch)
            {
                self.send_to(from, Withdraw { name, epoch }); // it was called off
            }
            return;
        };
        match answer {
            Readiness::Accepted => {
                if let Step::Offered { under, state: state @ Some(_) } = current.step {
                    current.step = Step::Sending { under, state };
                    let epoch = self.host.workers[&name].epoch;
                    self.outputs.push_back(Output::SendState { name, epoch, to: from, under });
                }
            }
            Readiness::Prepared => self.commit(&name, from, epoch),
            Readiness::Failed(_) | Readiness::Refused if self.broken(Mutant::TargetFailureNotRolledBack) => {
                self.commit(&name, from, epoch);
            }
            Readiness::Failed(reason) => {
                self.event(Event::MoveFailed { name: name.clone(), to: self.table.node_of(from), reason });
                self.fail_move(&name);
            }
            Readiness::Refused => self.fail_move(&name),
        }
    }

    /// Whether this move is committed: the target acts, or will once it has the record.
    fn is_handed(&self, name: &Name, to: Life, under: Epoch) -> bool {
        let worker = self.host.workers.get(name);
        let frozen = worker.is_some_and(|worker| {
            matches!(worker.phase, Phase::Frozen { to: target, under: start, .. } if (target, start) == (to, under))
        });
        let recorded = self
            .registry
            .winner(name)
            .is_some_and(|entry| entry.holder() == Some(to) && entry.epoch == under);
        frozen || recorded
    }

    /// The one moment: from this record on the target acts, and we do not.
    fn commit(&mut self, name: &Name, to: Life, under: Epoch) {
        self.moves.under_way.remove(name);
        let worker = &self.host.workers[name];
        let (epoch, dot) = (worker.epoch, worker.dot);
        let standing = dot.and_then(|dot| self.registry.entry(dot)).cloned();
        let Some(standing) = standing.filter(|_| self.can_move(name)) else {
            self.send_to(to, Withdraw { name: name.clone(), epoch: under });
            self.outputs.push_back(Output::GoOn { name: name.clone(), epoch });
            self.look.insert(name.clone());
            return;
        };
        self.outputs.push_back(Output::Freeze { name: name.clone(), epoch, to, under });
        let seq = self.write(standing.later(under, Some(to)));
        let worker = self.host.workers.get_mut(name).expect("it was just found");
        worker.phase = Phase::Frozen { to, under, seq };
        self.moves.frozen.insert((to, seq), name.clone());
        let (from, to) = (self.config.node.clone(), self.table.node_of(to));
        self.event(Event::Moved { name: name.clone(), from, to, epoch: under });
        self.count_move();
        self.departure.handed_over();
    }

    fn count_move(&mut self) {
        self.moves.tally.done += 1;
        let moved = self.moves.tally.done;
        let of = moved + self.moves.queue.len() + self.moves.under_way.len();
        let tenths = moved * 10 / of;
        if tenths > self.moves.tally.told {
            self.moves.tally.told = tenths;
            self.event(Event::Moving { moved, of });
        }
    }

    /// Lets go of those of whose record their target has said that it has it.
    fn release_known(&mut self) {
        let targets: BTreeSet<Life> = self.moves.frozen.keys().map(|&(to, _)| to).collect();
        for to in targets {
            let acked = self.replication.acked_by(to);
            let known = self.moves.frozen.range((to, 0)..=(to, acked));
            for name in known.map(|(_, name)| name.clone()).collect::<Vec<_>>() {
                // What a target that leaves did not take up comes on the same link before its acknowledgement.
                if !self.is_spare(&name) {
                    self.release(&name);
                }
            }
        }
    }

    /// What moved is not needed here any more.
    pub(crate) fn release(&mut self, name: &Name) {
        self.stop_here(name, StopReason::HandedOver, Then::Forget);
    }

    /// A worker that failed to move is asked again later, and later each time.
    fn fail_move(&mut self, name: &Name) {
        let jitter = self.random.next();
        let to = self.moves.under_way.get(name).map(|current| current.to);
        let Some(worker) = self.host.workers.get_mut(name) else {
            return;
        };
        worker.move_failures = worker.move_failures.saturating_add(1);
        worker.tried.extend(to);
        let pause = self.config.restart_elsewhere.pause(worker.move_failures, jitter);
        self.call_off(name, pause);
    }

    /// The move is off: the worker goes on, and is looked at again after this time.
    pub(crate) fn call_off(&mut self, name: &Name, pause: Duration) {
        if !self.moves.under_way.contains_key(name) {
            return;
        }
        self.drop_move(name);
        if let Some(worker) =
            self.host.workers.get(name).filter(|worker| matches!(worker.phase, Phase::Running))
        {
            self.outputs.push_back(Output::GoOn { name: name.clone(), epoch: worker.epoch });
        }
        self.move_later(name, pause);
    }

    fn move_later(&mut self, name: &Name, pause: Duration) {
        let after = self.now + pause;
        if let Some(worker) = self.host.workers.get_mut(name) {
            worker.moves_after = after;
            self.timers.set(after, Timer::Move(name.clone()));
        }
    }

    /// Something else happens to the worker: nothing more comes of a move of it.
    pub(crate) fn drop_move(&mut self, name: &Name) {
        self.moves.queue.remove(name);
        if let Some(current) = self.moves.under_way.remove(name)
            && let Some(epoch) = current.under()
        {
            self.send_to(current.to, Withdraw { name: name.clone(), epoch });
        }
        if let Some(Phase::Frozen { to, seq, .. }) = self.host.workers.get(name).map(|worker| &worker.phase) {
            self.moves.frozen.remove(&(*to, *seq));
        }
    }

    pub(crate) fn on_state_lost(&mut self, name: &Name, epoch: Epoch) {
        if self.host.workers.get(name).is_some_and(|worker| worker.epoch == epoch)
            && !self.on_beaten_state_lost(name)
        {
            self.fail_move(name);
        }
    }

    pub(crate) fn on_move_deadline(&mut self, name: &Name) {
        if self.moves.under_way.get(name).is_some_and(|current| current.deadline <= self.now) {
            self.fail_move(name);
        }
    }

    /// There is no link to this life any more: what is on its way there may not arrive.
    pub(crate) fn moves_lost(&mut self, life: Life) {
        for name in self.moving_to(life) {
            self.call_off(&name, self.config.retry_after);
        }
    }

    fn moving_to(&self, life: Life) -> Vec<Name> {
        let moving = self.moves.under_way.iter().filter(|(_, current)| current.to == life);
        moving.map(|(name, _)| name.clone()).collect()
    }

    /// A frozen worker, as the registry now is: it waits until its target has the record. A target that left before
    /// it acted wrote down that nobody has it; then this is the copy for the next arbiter to order.
    pub(crate) fn look_at_frozen(&mut self, name: &Name) {
        let worker = &self.host.workers[name];
        let Phase::Frozen { under, .. } = worker.phase else {
            return;
        };
        let entry = self.registry.winner(name).filter(|entry| worker.dot == Some(entry.dot));
        if self.is_spare(name) {
            self.host.unrecorded.insert(name.clone());
        } else if entry.is_none_or(|entry| entry.epoch != under) {
            self.release(name);
        }
    }

    /// Whether this worker of ours is one that was handed over and may be needed: its other node is gone.
    pub(crate) fn is_spare(&self, name: &Name) -> bool {
        let Some(worker) = self.host.workers.get(name) else {
            return false;
        };
        match worker.phase {
            Phase::Prepared { from, .. } => self.is_gone(from),
            Phase::Frozen { to, under, .. } => self.registry.winner(name).is_some_and(|entry| {
                let fell_silent = entry.epoch == under && !self.table.is_live(to);
                worker.dot == Some(entry.dot) && (entry.holder().is_none() || fell_silent)
            }),
            _ => false,
        }
    }

    /// A target is down: what is on its way there goes on here. What was given to it and is kept.
    fn let_go_of(&mut self, life: Life) -> Vec<Name> {
        for name in self.moving_to(life) {
            self.call_off(&name, Duration::ZERO);
        }
        let frozen = self.moves.frozen.range((life, 0)..=(life, u64::MAX));
        frozen.map(|(_, name)| name.clone()).collect()
    }

    /// A target is down. What it may not have got goes on here, as a new start.
    pub(crate) fn take_back(&mut self, life: Life) {
        for name in self.let_go_of(life) {
            self.take_back_one(&name);
        }
    }

    /// A target fell silent and may act by a record that it has: what was given to it is not taken back, but offered to
    /// the arbiters, who wait until the target has surely stopped.
    pub(crate) fn leave_with(&mut self, life: Life) {
        for name in self.let_go_of(life) {
            if self.broken(Mutant::SilentTargetsKeepState) {
                self.release(&name);
            } else {
                self.look.insert(name);
            }
        }
    }

    fn take_back_one(&mut self, name: &Name) {
        let worker = &self.host.workers[name];
        let Phase::Frozen { to, under, seq } = worker.phase else {
            return;
        };
        let (epoch, dot) = (worker.epoch, worker.dot);
        let standing = dot.and_then(|dot| self.registry.entry(dot)).cloned();
        let is_ours = |entry: &super::super::Entry| entry.holder() == Some(to) && entry.epoch == under;
        if self.broken(Mutant::NotTakenBack) {
            self.release(name);
            return;
        }
        let Some(standing) = standing.filter(is_ours) else {
            self.look.insert(name.clone()); // it was given away again, or removed
            return;
        };
        self.moves.frozen.remove(&(to, seq));
        self.departure.given_back();
        let next = self.next_epoch();
        self.outputs.push_back(Output::Activate { name: name.clone(), epoch, under: next });
        let worker = self.host.workers.get_mut(name).expect("it was just found");
        worker.epoch = next;
        worker.phase = Phase::Running;
        self.write(standing.later(next, Some(self.me)));
        let (from, to) = (self.table.node_of(to), self.config.node.clone());
        self.event(Event::Moved { name: name.clone(), from, to, epoch: next });
    }

    /// Offers without an answer are made again.
    pub(crate) fn retry_moves(&mut self) {
        let now = self.now;
        let due = self.moves.under_way.iter().filter(|(_, current)| current.again <= now);
        for name in due.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.send_offer(&name);
        }
        self.report_prepared();
        self.retry_surrenders();
    }
}
