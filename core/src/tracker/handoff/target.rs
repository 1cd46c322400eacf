//! The other node's part of a move: a copy that is prepared, does nothing, and waits for the record.

use alloc::vec::Vec;

use crate::event::{Bound, Event, Output, StartReason, StopReason, WorkerSpec};
use crate::id::{Epoch, Life, Name, Reason};
use crate::machine::Machine;
use crate::membership::Announced;
use crate::mutant::Mutant;
use crate::tracker::entry::Entry;
use crate::tracker::host::{Hosted, Phase, Then};
use crate::wire::message::{Offer, OfferReply, Readiness, Withdraw};

/// As many copies are prepared here as so many nodes may send at once.
const SOURCES: usize = 4;

impl Machine {
    pub(crate) fn on_offer(&mut self, from: Life, offer: Offer) {
        self.registry.witness(offer.epoch);
        let known = self.host.workers.get(&offer.name).filter(|worker| worker.epoch == offer.epoch);
        if let Some(worker) = known {
            let answer = match worker.phase {
                Phase::Preparing { .. } if offer.state.is_some() => Some(Readiness::Accepted),
                Phase::Prepared { .. } => Some(Readiness::Prepared),
                _ => None, // on its way, or acting: its record is there
            };
            if let Some(answer) = answer {
                self.answer_offer(from, &offer.name, offer.epoch, answer);
            }
            return;
        }
        if !self.takes(from, &offer) {
            self.answer_offer(from, &offer.name, offer.epoch, Readiness::Refused);
            return;
        }
        self.prepare(from, offer);
    }

    /// Whether by our view this worker is to move here, now.
    fn takes(&mut self, from: Life, offer: &Offer) -> bool {
        let wanted = self.table.mine().announced == Announced::Up
            && self.choose_host(&offer.name, &offer.spec, &Default::default()) == Some(self.me);
        // A node that leaves may have found nobody better.
        let escapes = self.table.of(from).is_some_and(|record| record.announced == Announced::Leaving);
        let able = self.candidates(&offer.spec).iter().any(|&(life, _)| life == self.me);
        let overtaken = self
            .registry
            .entry(offer.dot)
            .is_some_and(|entry| !entry.is_live() || entry.epoch > offer.replaces)
            || self.registry.winner(&offer.name).is_some_and(|entry| entry.dot != offer.dot);
        let free =
            !self.host.workers.contains_key(&offer.name) && !self.host.has_ended(&offer.name, offer.epoch);
        let is_ours =
            (wanted || escapes) && self.quorum().is_ok() && able && !overtaken && free && offer.dot.seq > 0;
        let has_room = self.host.prepared.len() < self.config.max_moves.saturating_mul(SOURCES);
        if is_ours && !has_room {
            self.reached(Bound::Copies);
        }
        is_ours && has_room
    }

    fn prepare(&mut self, from: Life, offer: Offer) {
        let Offer { name, dot, claim, spec, replaces, epoch, state } = offer;
        let WorkerSpec::Managed { kind, args, .. } = spec.clone() else {
            self.answer_offer(from, &name, epoch, Readiness::Refused);
            return; // an attached worker does not move
        };
        let phase = Phase::Preparing { from, replaces };
        let worker = Hosted::new(epoch, Some(dot), claim, spec, StartReason::HandedOver, phase, self.now);
        self.host.insert(name.clone(), worker);
        self.host.prepared.insert(name.clone());
        self.event(Event::Starting { name: name.clone(), epoch, why: StartReason::HandedOver });
        self.outputs.push_back(Output::Prepare { name: name.clone(), epoch, kind, args, state, from });
        if state.is_some() {
            self.answer_offer(from, &name, epoch, Readiness::Accepted);
        }
    }

    fn answer_offer(&mut self, to: Life, name: &Name, epoch: Epoch, answer: Readiness) {
        if self.table.is_live(to) {
            self.send_to(to, OfferReply { name: name.clone(), epoch, answer });
        }
    }

    pub(crate) fn on_worker_prepared(&mut self, name: &Name, epoch: Epoch, result: Result<(), Reason>) {
        let Some(worker) = self.host.workers.get_mut(name).filter(|worker| worker.epoch == epoch) else {
            return;
        };
        let Phase::Preparing { from, replaces } = worker.phase else {
            return; // it is being stopped; `WorkerStopped` will tell
        };
        match result {
            Ok(()) => {
                worker.phase = Phase::Prepared { from, replaces };
                self.answer_offer(from, name, epoch, Readiness::Prepared);
                if self.broken(Mutant::ActsBeforeTheRecord) {
                    self.act(name, epoch);
                }
                self.look.insert(name.clone());
            }
            Err(reason) => self.on_copy_failed(name, reason),
        }
    }

    /// The copy came to nothing; its source goes on.
    pub(crate) fn on_copy_failed(&mut self, name: &Name, reason: Reason) {
        let worker = &self.host.workers[name];
        let (Phase::Preparing { from, .. } | Phase::Prepared { from, .. }) = worker.phase else {
            return;
        };
        let epoch = worker.epoch;
        self.event(Event::StartFailed { name: name.clone(), epoch, reason: reason.clone() });
        self.forget_worker(name);
        self.answer_offer(from, name, epoch, Readiness::Failed(reason));
        self.look.insert(name.clone());
    }

    /// The source has called it off.
    pub(crate) fn on_withdraw(&mut self, from: Life, withdraw: &Withdraw) {
        let Withdraw { name, epoch } = withdraw;
        let Some(worker) = self.host.workers.get(name).filter(|worker| worker.epoch == *epoch) else {
            return;
        };
        if matches!(worker.phase, Phase::Preparing { from: source, .. } | Phase::Prepared { from: source, .. } if source == from)
        {
            self.stop_here(name, StopReason::Cancelled, Then::Forget);
        }
    }

    /// A copy that is being prepared, as the registry now is: it acts, or is not needed any more, or waits on.
    pub(crate) fn look_at_copy(&mut self, name: &Name) {
        let worker = &self.host.workers[name];
        let (Phase::Preparing { replaces, .. } | Phase::Prepared { replaces, .. }) = worker.phase else {
            return;
        };
        let (epoch, is_ready) = (worker.epoch, matches!(worker.phase, Phase::Prepared { .. }));
        let entry = worker.dot.and_then(|dot| self.registry.entry(dot));
        let is_it =
            |entry: &Entry| entry.is_live() && entry.holder() == Some(self.me) && entry.epoch == epoch;
        if entry.is_some_and(is_it) {
            if is_ready {
                self.act(name, epoch);
            } else {
                self.stop_here(name, StopReason::Superseded, Then::Forget); // it begins again from the record
            }
        } else if entry.is_some_and(|entry| !entry.is_live() || entry.epoch > replaces) {
            self.stop_here(name, StopReason::Cancelled, Then::Forget);
        } else if self.is_spare(name) {
            self.host.unrecorded.insert(name.clone()); // its arbiter decides, and is told that there is a copy
        }
    }

    /// From now on the copy is the worker.
    pub(crate) fn act(&mut self, name: &Name, under: Epoch) {
        let worker = self.host.workers.get_mut(name).expect("the caller found it");
        let epoch = core::mem::replace(&mut worker.epoch, under);
        worker.phase = Phase::Running;
        self.host.prepared.remove(name);
        self.look.insert(name.clone()); // meanwhile the strategy may want it elsewhere
        self.outputs.push_back(Output::Activate { name: name.clone(), epoch, under });
        self.event(Event::Started { name: name.clone(), epoch: under, why: StartReason::HandedOver });
    }

    /// Copies of a life that is down are looked at: nobody withdraws them any more.
    pub(crate) fn look_at_copies_of(&mut self, life: Life) {
        let theirs = self.host.prepared.iter().filter(|name| {
            self.host.workers.get(*name).is_some_and(|worker| {
                matches!(worker.phase, Phase::Preparing { from, .. } | Phase::Prepared { from, .. } if from == life)
            })
        });
        let theirs: Vec<Name> = theirs.cloned().collect();
        self.look.extend(theirs);
    }

    /// Tells the sources of copies how far these are again: the move may have been called off.
    pub(super) fn report_prepared(&mut self) {
        let now = self.now;
        let again = now + self.config.retry_after;
        let mut due = Vec::new();
        for name in &self.host.prepared {
            let Some(worker) = self.host.workers.get_mut(name).filter(|worker| worker.again <= now) else {
                continue;
            };
            let (from, answer) = match worker.phase {
                Phase::Prepared { from, .. } => (from, Readiness::Prepared),
                Phase::Preparing { from, .. } => (from, Readiness::Accepted),
                _ => continue, // it is being stopped
            };
            worker.again = again;
            due.push((from, name.clone(), worker.epoch, answer));
        }
        for (from, name, epoch, answer) in due {
            self.answer_offer(from, &name, epoch, answer);
        }
    }
}
