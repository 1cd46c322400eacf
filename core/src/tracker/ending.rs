//! What a host does when a worker ends, by itself or by an order, and what comes after.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::host::{Attached, Hosted, Phase, Then};
use crate::event::{EndReason, Event, Exit, Output, StartReason, StopReason, Stopped};
use crate::id::{Epoch, Life, Name, Reason};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::supervisor::{Decision, History, PastIntensity, RestartPolicy};
use crate::timer::Timer;
use crate::wire::message::{Halt, StopOrder, StopReport};

/// A worker that was stopped for an arbiter which then never removes the name runs again after so many retries.
const HALTED_RETRIES: u32 = 20;

/// And after so many, once another arbiter has its name: that of the first may have written the removal.
const ORPHANED_RETRIES: u32 = 4;

impl Machine {
    pub(crate) fn on_worker_exited(&mut self, name: &Name, epoch: Epoch, exit: Exit) {
        if self.host.attached.get(name).is_some_and(|attached| attached.epoch == epoch) {
            self.detach(name, exit);
            return;
        }
        let Some(worker) = self.host.workers.get_mut(name).filter(|worker| worker.epoch == epoch) else {
            return;
        };
        match worker.phase {
            Phase::Running if worker.recorded => self.decide_exit(name, exit),
            Phase::Starting | Phase::Running => worker.phase = Phase::Exited(exit),
            Phase::Stopping { .. } | Phase::Stuck { .. } => {
                self.on_worker_stopped(name, epoch, Stopped::Kindly)
            }
            Phase::Frozen { .. } => self.forget_worker(name), // what it was goes on elsewhere
            Phase::Preparing { .. } | Phase::Prepared { .. } => {
                let reason = match exit {
                    Exit::Finished => Reason::new("ended before it acted"),
                    Exit::Failed(reason) => reason,
                };
                self.on_copy_failed(name, reason);
            }
            Phase::Exited(_) | Phase::Pausing | Phase::Halted { .. } => {}
        }
    }

    /// An attached worker ended: its registration ends with it.
    fn detach(&mut self, name: &Name, exit: Exit) {
        let Some(Attached { epoch, .. }) = self.host.attached.remove(name) else {
            return;
        };
        self.event(Event::Stopped { name: name.clone(), epoch, why: EndReason::Exited(exit) });
        let standing = self
            .registry
            .winner(name)
            .filter(|entry| entry.holder() == Some(self.me) && entry.epoch == epoch);
        if let Some(dot) = standing.map(|entry| entry.dot) {
            self.write_removal(dot);
        }
    }

    /// Restart or give up, as the kind's policy says.
    pub(super) fn decide_exit(&mut self, name: &Name, exit: Exit) {
        self.drop_move(name);
        self.surrenders.remove(name);
        let epoch = self.host.workers[name].epoch;
        let why = EndReason::Exited(exit.clone());
        self.event(Event::Stopped { name: name.clone(), epoch, why });
        self.recover(name, &exit);
    }

    fn recover(&mut self, name: &Name, exit: &Exit) {
        let jitter = self.random.next();
        let (now, present) = (self.now, self.present_millis());
        let worker = self.host.workers.get_mut(name).expect("the caller found it");
        let kind = worker.spec.kind();
        let config = self.config.kinds.iter().find(|config| config.kind == kind);
        let policy = config.map(|config| config.restart).unwrap_or_default();
        let dot = worker.dot;
        worker.phase = Phase::Pausing;
        worker.recorded = true;
        let crashes = dot.and_then(|dot| self.registry.entry(dot)).and_then(|entry| entry.crashes());
        if let Some(crashes) = crashes.filter(|_| worker.history.is_empty()) {
            worker.history = History::behind(crashes, present, now, &policy);
        }
        match worker.history.on_exit(now, exit, &policy, jitter) {
            Decision::Restart(pause) => {
                self.timers.set(now + pause, Timer::Restart(name.clone()));
                self.stop_companions(name, pause);
            }
            Decision::Finish => self.free(name),
            Decision::GiveUp => self.give_up(name, policy),
        }
    }

    /// It was restarted too often.
    fn give_up(&mut self, name: &Name, policy: RestartPolicy) {
        let worker = &self.host.workers[name];
        let (epoch, restarts, spec) = (worker.epoch, worker.history.len(), worker.spec.clone());
        let standing =
            worker.dot.and_then(|dot| self.registry.entry(dot)).filter(|entry| entry.is_live()).cloned();
        let me = BTreeSet::from([self.me]);
        let elsewhere = || self.choose_host(name, &spec, &me).is_some_and(|life| life != self.me);
        let past = policy.past;
        match (past, standing) {
            (PastIntensity::Move, Some(entry)) if elsewhere() => {
                self.event(Event::GaveUp { name: name.clone(), epoch, restarts, past });
                let vacant = entry.after_crashes(self.next_epoch(), None, 0, Some(self.me));
                self.forget_worker(name);
                self.write(vacant);
            }
            (PastIntensity::Move, Some(_)) => {
                self.timers.set(self.now + policy.backoff.max, Timer::Restart(name.clone()));
                self.stop_companions(name, policy.backoff.max);
            }
            (PastIntensity::GiveUp, _) | (_, None) => {
                self.event(Event::GaveUp { name: name.clone(), epoch, restarts, past });
                self.free_companions(name);
                self.free(name);
            }
        }
    }

    /// Nothing of it runs, and nothing is to run: its name becomes free.
    pub(crate) fn free(&mut self, name: &Name) {
        let dot = self.host.workers.get(name).and_then(|worker| worker.dot);
        self.forget_worker(name);
        if let Some(dot) = dot {
            self.write_removal(dot);
        }
    }

    pub(crate) fn on_restart_timer(&mut self, name: &Name) {
        let Some(worker) = self.host.workers.get(name) else {
            return;
        };
        match worker.phase {
            Phase::Pausing => {
                if !self.waits_for_companions(name) {
                    self.restart_here(name);
                }
            }
            Phase::Halted { by, until } if until <= self.now => self.resume_orphan(name, by),
            Phase::Halted { .. } // this is the timer of an earlier halt
            | Phase::Starting
            | Phase::Running
            | Phase::Preparing { .. }
            | Phase::Prepared { .. }
            | Phase::Frozen { .. }
            | Phase::Exited(_)
            | Phase::Stopping { .. }
            | Phase::Stuck { .. } => {}
        }
    }

    /// What was halted runs on, as nothing came of that. An arbiter that fell silent may have made something else of the
    /// name on its side of a cut: as long as that may run, this waits.
    fn resume_orphan(&mut self, name: &Name, by: Life) {
        if !self.standing.lingers(by) || self.broken(Mutant::HaltedResumeEarly) {
            return self.restart_here(name);
        }
        let until = self.now + self.config.retry_after;
        let worker = self.host.workers.get_mut(name).expect("the caller found it");
        worker.phase = Phase::Halted { by, until };
        self.timers.set(until, Timer::Restart(name.clone()));
    }

    /// A restart takes too long: nobody else waits for it, so we give it up ourselves.
    pub(crate) fn on_restart_timeout(&mut self, name: &Name, epoch: Epoch) {
        let hangs = self.host.workers.get(name).is_some_and(|worker| {
            worker.epoch == epoch
                && worker.why == StartReason::Restart
                && matches!(worker.phase, Phase::Starting)
        });
        if hangs {
            self.stop_here(name, StopReason::Cancelled, Then::Restart);
        }
    }

    /// Starts a worker of ours again, if the registration still says that it is ours.
    fn restart_here(&mut self, name: &Name) {
        let dot = self.host.workers[name].dot;
        let standing = dot.and_then(|dot| self.registry.entry(dot)).filter(|_| self.quorum().is_ok());
        if !standing.is_some_and(|entry| entry.is_live() && entry.holder() == Some(self.me)) {
            self.forget_worker(name);
            self.look.insert(name.clone());
            return;
        }
        let epoch = if self.broken(Mutant::EpochNotRaised) {
            self.host.workers[name].epoch
        } else {
            self.next_epoch()
        };
        let worker = self.host.workers.get_mut(name).expect("it was just found");
        worker.epoch = epoch;
        worker.phase = Phase::Starting;
        worker.why = StartReason::Restart;
        worker.recorded = false;
        self.order_start(name);
    }

    /// The registry says that we run it and we do not.
    pub(super) fn resume(&mut self, name: &Name) {
        let Some(entry) = self.registry.winner(name).cloned() else {
            return;
        };
        let super::entry::State::Live { claim, spec, .. } = entry.state else {
            return;
        };
        let (epoch, dot, why) = (entry.epoch, Some(entry.dot), StartReason::Restart);
        let mut worker = Hosted::new(epoch, dot, claim, spec, why, Phase::Pausing, self.now);
        worker.recorded = true;
        self.host.insert(name.clone(), worker);
        self.restart_here(name);
    }

    pub(crate) fn on_stop_order(&mut self, from: Life, order: &StopOrder) {
        self.registry.witness(order.epoch);
        if self.ring.owner(self.ring.slot_of(&order.name)) != Some(from) {
            return; // not, or no longer, its arbiter; by our word it would act on
        }
        let (name, epoch) = (&order.name, order.epoch);
        let halt = order.why == Halt::Unregistered;
        let then = Then::Report { to: from, epoch, halt };
        let meant = |worker: &&mut Hosted| {
            worker.epoch == epoch
                || worker.phase.is_followed_by(epoch)
                || (order.dot.is_some() && worker.dot == order.dot)
        };
        let Some(worker) = self.host.workers.get_mut(name).filter(meant) else {
            self.report_stop(from, name, epoch);
            return;
        };
        match &mut worker.phase {
            Phase::Frozen { to, .. } => {
                let moved = Some(*to).filter(|_| order.dot.is_some());
                self.send_stop_report(from, StopReport { name: name.clone(), epoch, moved });
            }
            Phase::Starting | Phase::Running | Phase::Preparing { .. } | Phase::Prepared { .. } => {
                let why = match order.why {
                    Halt::Unregistered => StopReason::Unregistered,
                    Halt::Cancelled => StopReason::Cancelled,
                    Halt::Superseded => StopReason::Superseded,
                };
                self.stop_here(name, why, then);
            }
            Phase::Stopping { then: after, .. } | Phase::Stuck { then: after, .. } => *after = then,
            Phase::Exited(_) | Phase::Pausing | Phase::Halted { .. } => self.after_stop(name, then),
        }
    }

    fn report_stop(&mut self, to: Life, name: &Name, epoch: Epoch) {
        self.send_stop_report(to, StopReport { name: name.clone(), epoch, moved: None });
    }

    fn send_stop_report(&mut self, to: Life, report: StopReport) {
        if to == self.me {
            self.on_stop_report(to, &report);
        } else {
            self.send_to(to, report);
        }
    }

    /// Orders a stop of what is starting or running here.
    pub(crate) fn stop_here(&mut self, name: &Name, why: StopReason, then: Then) {
        self.drop_move(name);
        self.surrenders.remove(name);
        let grace = self.config.stop_grace;
        let worker = self.host.workers.get_mut(name).expect("the caller found it");
        worker.phase = Phase::Stopping { why, then };
        let epoch = worker.epoch;
        self.outputs.push_back(Output::Stop { name: name.clone(), epoch, grace, why });
    }

    pub(crate) fn on_worker_stopped(&mut self, name: &Name, epoch: Epoch, outcome: Stopped) {
        let Some(worker) = self.host.workers.get_mut(name).filter(|worker| worker.epoch == epoch) else {
            return;
        };
        let (Phase::Stopping { why, then } | Phase::Stuck { why, then }) = worker.phase.clone() else {
            return;
        };
        self.event(Event::Stopped { name: name.clone(), epoch, why: EndReason::Ordered(why, outcome) });
        if outcome == Stopped::Stuck {
            let worker = self.host.workers.get_mut(name).expect("it was just found");
            worker.phase = Phase::Stuck { why, then };
            return;
        }
        self.after_stop(name, then);
    }

    fn after_stop(&mut self, name: &Name, then: Then) {
        match then {
            Then::Report { to, epoch, halt: true } if self.quorum().is_ok() => {
                let worker = self.host.workers.get_mut(name).expect("the caller found it");
                let until = self.now + self.config.retry_after * HALTED_RETRIES;
                worker.phase = Phase::Halted { by: to, until };
                self.timers.set(until, Timer::Restart(name.clone()));
                self.report_stop(to, name, epoch);
            }
            Then::Report { to, epoch, halt: _ } => {
                self.forget_worker(name);
                self.report_stop(to, name, epoch);
            }
            Then::Start { from, order } => {
                self.forget_worker(name);
                self.on_start_order(from, order); // in the name of who gave it: by now it may be refused
            }
            Then::Restart => self.recover(name, &Exit::Failed(Reason::new("its restart took too long"))),
            Then::StartAt(at) => {
                let worker = self.host.workers.get_mut(name).expect("the caller found it");
                worker.phase = Phase::Pausing;
                worker.recorded = true;
                self.timers.set(at.max(self.now), Timer::Restart(name.clone()));
            }
            Then::Free => self.free(name),
            Then::Forget => self.forget_worker(name),
        }
        self.look.insert(name.clone());
    }

    pub(super) fn forget_worker(&mut self, name: &Name) {
        self.drop_move(name);
        self.surrenders.remove(name);
        self.host.remove(name);
    }

    /// The arbiter that wanted these stopped is their arbiter no more: they run again soon, unless its record of the
    /// removal comes, which may be on its way. The new one may ask anew.
    pub(super) fn resume_halted(&mut self) {
        let ring = &self.ring;
        let orphaned = self.host.workers.iter().filter(|(name, worker)| {
            matches!(worker.phase, Phase::Halted { by, .. } if ring.owner(ring.slot_of(name)) != Some(by))
        });
        let soon = self.now + self.config.retry_after * ORPHANED_RETRIES;
        for name in orphaned.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            if let Some(Phase::Halted { until, .. }) =
                self.host.workers.get_mut(&name).map(|worker| &mut worker.phase)
                && *until > soon
            {
                *until = soon;
                self.timers.set(soon, Timer::Restart(name));
            }
        }
    }
}
