//! What a host does with the orders of arbiters to start a worker, and how it reports of that.

use alloc::vec::Vec;

use super::host::{Hosted, Phase, Then};
use crate::event::{Event, Exit, Output, StartReason, StopReason};
use crate::id::{Epoch, Life, Name, Reason};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::timer::Timer;
use crate::wire::message::{Progress, StartOrder, StartReport};

impl Machine {
    pub(crate) fn on_start_order(&mut self, from: Life, order: StartOrder) {
        self.registry.witness(order.epoch);
        if self.host.workers.get(&order.name).is_some_and(|worker| worker.epoch == order.epoch) {
            if let Some(progress) = self.progress_of(&order.name) {
                self.report_progress(from, &order, progress); // the truth, whoever asks
            }
            return; // a refusal would mean "not here": while it is being stopped, its end will tell
        }
        let slot = self.ring.slot_of(&order.name);
        let stale = self.ring.owner(slot) != Some(from) && !self.broken(Mutant::OldOrdersAccepted);
        // an order that was made in ignorance of a later start
        let outdated = self.registry.winner(&order.name).is_some_and(|entry| entry.epoch > order.epoch);
        if stale || outdated || !self.ring.contains(self.me) || self.quorum().is_err() {
            self.report_progress(from, &order, Progress::Refused { newest: self.registry.newest() });
            return;
        }
        if self.take_up(from, &order) {
            return;
        }
        let Some(worker) = self.host.workers.get_mut(&order.name) else {
            if self.host.has_ended(&order.name, order.epoch) {
                self.report_progress(from, &order, Progress::Refused { newest: self.registry.newest() });
                return;
            }
            self.start_here(order);
            return;
        };
        if worker.epoch >= order.epoch {
            self.report_progress(from, &order, Progress::Refused { newest: self.registry.newest() });
            return;
        }
        match &mut worker.phase {
            Phase::Starting
            | Phase::Running
            | Phase::Preparing { .. }
            | Phase::Prepared { .. }
            | Phase::Frozen { .. } => {
                let name = order.name.clone();
                self.stop_here(&name, StopReason::Superseded, Then::Start { from, order });
            }
            Phase::Stopping { then, .. } | Phase::Stuck { then, .. } => {
                *then = Then::Start { from, order };
            }
            Phase::Exited(_) | Phase::Pausing | Phase::Halted { .. } => {
                self.forget_worker(&order.name);
                self.start_here(order);
            }
        }
    }

    /// An arbiter orders the start of what we have already, handed over or running: it acts, by an epoch above its
    /// own. Whether there was nothing left to do.
    fn take_up(&mut self, from: Life, order: &StartOrder) -> bool {
        let Some(worker) = self.host.workers.get_mut(&order.name) else {
            return false;
        };
        let is_copy = match worker.phase {
            Phase::Prepared { .. } | Phase::Frozen { .. } => true,
            // It was counted dead by an arbiter that could not reach it, and need not start anew.
            Phase::Running => order.epoch > worker.epoch,
            _ => false,
        };
        if order.dot.is_none() || worker.dot != order.dot || !is_copy {
            return false;
        }
        if order.epoch < worker.epoch {
            let report = worker.report(&order.name);
            self.send_report(from, report); // it comes again, by a later epoch
            return true;
        }
        worker.why = StartReason::Takeover;
        worker.recorded = false;
        self.drop_move(&order.name);
        self.surrenders.remove(&order.name);
        self.host.unrecorded.insert(order.name.clone());
        self.act(&order.name, order.epoch);
        self.report_start(&order.name);
        true
    }

    /// How far the present start of a name is; nothing can be said of one that is being stopped.
    fn progress_of(&self, name: &Name) -> Option<Progress> {
        match self.host.workers.get(name)?.phase {
            Phase::Starting | Phase::Preparing { .. } => Some(Progress::Starting),
            Phase::Prepared { .. } => Some(Progress::Ready),
            Phase::Running
            | Phase::Frozen { .. }
            | Phase::Exited(_)
            | Phase::Pausing
            | Phase::Halted { .. } => Some(Progress::Running),
            Phase::Stopping { .. } | Phase::Stuck { .. } => None,
        }
    }

    fn start_here(&mut self, order: StartOrder) {
        let StartOrder { name, dot, claim, spec, epoch } = order;
        let why = if dot.is_some() { StartReason::Takeover } else { StartReason::Registered };
        let again = self.now + self.config.retry_after;
        let worker = Hosted::new(epoch, dot, claim, spec, why, Phase::Starting, again);
        self.host.unrecorded.insert(name.clone());
        self.host.insert(name.clone(), worker);
        self.order_start(&name);
    }

    pub(super) fn order_start(&mut self, name: &Name) {
        let worker = &self.host.workers[name];
        let crate::event::WorkerSpec::Managed { kind, args, .. } = worker.spec.clone() else {
            return; // an attached worker brought its own code and is never started by us
        };
        let (epoch, why) = (worker.epoch, worker.why);
        self.event(Event::Starting { name: name.clone(), epoch, why });
        self.outputs.push_back(Output::Start { name: name.clone(), epoch, kind, args });
        if why == StartReason::Restart {
            self.timers.set(self.now + self.config.start_timeout, Timer::RestartTimeout(name.clone(), epoch));
        }
    }

    fn report_progress(&mut self, to: Life, order: &StartOrder, progress: Progress) {
        let StartOrder { name, dot, claim, spec, epoch } = order.clone();
        self.send_report(to, StartReport { name, dot, claim, spec, epoch, progress });
    }

    fn send_report(&mut self, to: Life, report: StartReport) {
        if to == self.me {
            self.on_start_report(to, report);
        } else {
            self.send_to(to, report);
        }
    }

    /// Tells the arbiter of the moment how far this start is.
    pub(super) fn report_start(&mut self, name: &Name) {
        let again = self.now + self.config.retry_after;
        let Some(worker) = self.host.workers.get_mut(name) else {
            return;
        };
        worker.again = again;
        let report = worker.report(name);
        if let Some(arbiter) = self.ring.owner(self.ring.slot_of(name)) {
            self.send_report(arbiter, report);
        }
    }

    /// The unrecorded starts that concern a new owner of slots.
    pub(crate) fn unrecorded_for(&self, arbiter: Life) -> Vec<StartReport> {
        let theirs = |name: &&Name| self.ring.owner(self.ring.slot_of(name)) == Some(arbiter);
        let workers = self.host.unrecorded.iter().filter(theirs).map(|name| (name, &self.host.workers[name]));
        let workers = workers.filter(|(name, worker)| worker.concerns_an_heir() || self.is_spare(name));
        workers.map(|(name, worker)| worker.report(name)).collect()
    }

    /// Reports what is due, or all of it, to new arbiters too.
    pub(super) fn report_starts(&mut self, all: bool) {
        let all = all && !self.broken(Mutant::ForgetUnrecordedStarts);
        let now = self.now;
        let workers = self.host.unrecorded.iter().map(|name| (name, &self.host.workers[name]));
        let due = workers.filter(|(name, worker)| {
            let is_due = worker.must_report() && worker.again <= now || all && worker.concerns_an_heir();
            is_due || self.is_spare(name) && (all || worker.again <= now)
        });
        for name in due.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.report_start(&name);
        }
    }

    pub(crate) fn on_worker_started(&mut self, name: &Name, epoch: Epoch, result: Result<(), Reason>) {
        let Some(worker) = self.host.workers.get_mut(name).filter(|worker| worker.epoch == epoch) else {
            return;
        };
        if !matches!(worker.phase, Phase::Starting) {
            return; // it is being stopped; `WorkerStopped` will tell
        }
        let why = worker.why;
        match result {
            Ok(()) => {
                worker.phase = Phase::Running;
                self.event(Event::Started { name: name.clone(), epoch, why });
                if why == StartReason::Restart {
                    self.record_restart(name);
                } else {
                    self.report_start(name);
                }
            }
            Err(reason) => {
                let report =
                    StartReport { progress: Progress::Failed(reason.clone()), ..worker.report(name) };
                self.event(Event::StartFailed { name: name.clone(), epoch, reason: reason.clone() });
                if why == StartReason::Restart {
                    self.decide_exit(name, Exit::Failed(reason));
                    return;
                }
                self.forget_worker(name);
                self.look.insert(name.clone()); // an earlier start that made way for this one may be ours to resume
                if let Some(arbiter) = self.ring.owner(self.ring.slot_of(name)) {
                    self.send_report(arbiter, report);
                }
            }
        }
    }

    /// The holder itself writes down that its worker runs again.
    fn record_restart(&mut self, name: &Name) {
        let worker = &self.host.workers[name];
        let epoch = worker.epoch;
        let standing = worker.dot.and_then(|dot| self.registry.entry(dot));
        match standing
            .filter(|entry| entry.is_live() && entry.holder() == Some(self.me) && entry.epoch < epoch)
        {
            Some(entry) => {
                let count = u32::try_from(worker.history.len()).unwrap_or(u32::MAX);
                let entry = entry.after_crashes(epoch, Some(self.me), count, None);
                self.write(entry);
            }
            None => self.stop_here(name, StopReason::Superseded, Then::Forget),
        }
    }
}

impl Hosted {
    fn report(&self, name: &Name) -> StartReport {
        let progress = match self.phase {
            // What is being stopped is nothing to record.
            Phase::Starting | Phase::Preparing { .. } | Phase::Stopping { .. } | Phase::Stuck { .. } => {
                Progress::Starting
            }
            Phase::Prepared { .. } | Phase::Frozen { .. } => Progress::Ready,
            Phase::Running | Phase::Exited(_) | Phase::Pausing | Phase::Halted { .. } => Progress::Running,
        };
        let Self { dot, claim, epoch, .. } = *self;
        StartReport { name: name.clone(), dot, claim, spec: self.spec.clone(), epoch, progress }
    }
}
