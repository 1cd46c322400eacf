//! From a granted claim, or a vacancy, to a worker that runs and is recorded.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::desk::{Client, Matter, Starting, Step, Stop, Stopping};
use super::entry::Entry;
use crate::event::{Event, WorkerSpec};
use crate::id::{ClaimId, Dot, Life, Name, Reason};
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::time::Instant;
use crate::timer::Timer;
use crate::wire::message::{Halt, Progress, StartOrder, StartReport, StopOrder, Verdict};

impl Machine {
    /// A new registration: chooses a host and tells it.
    pub(super) fn begin_start(&mut self, name: &Name, spec: WorkerSpec, client: Client, deadline: Instant) {
        let Some(host) = self.choose_host(name, &spec, &BTreeSet::new()) else {
            let kind = spec.kind();
            let known = self.table.iter().any(|record| !record.is_down() && record.kinds.contains(&kind));
            self.answer(client, if known { Verdict::NoNodeAvailable } else { Verdict::UnknownKind });
            return;
        };
        let starting = Starting {
            host,
            epoch: self.next_epoch(),
            dot: None,
            claim: client.id,
            spec,
            client: Some(client),
            deadline,
            again: self.now,
            tried: BTreeSet::new(),
            failures: 0,
        };
        self.open(name, Step::Starting(starting));
    }

    /// Puts a matter on the desk and sends its order.
    pub(super) fn open(&mut self, name: &Name, step: Step) {
        self.desk.count(&step);
        if let Step::Starting(starting) = &step {
            self.timers.set(starting.deadline, Timer::GrantDeadline(name.clone()));
        }
        self.desk.matters.insert(name.clone(), Matter { step, waiters: VecDeque::new() });
        self.send_order(name);
    }

    /// Moves a matter to its next step and sends the order for that.
    pub(super) fn turn(&mut self, name: &Name, step: Step) {
        self.desk.turn(name, step);
        self.send_order(name);
    }

    /// Sends the order that the matter is waiting for, to a host that knows it by its epoch if it has it already.
    pub(super) fn send_order(&mut self, name: &Name) {
        let again = self.now + self.config.retry_after;
        let Some(matter) = self.desk.matters.get_mut(name) else {
            return;
        };
        match &mut matter.step {
            Step::Starting(starting) => {
                starting.again = again;
                let order = StartOrder {
                    name: name.clone(),
                    dot: starting.dot,
                    claim: starting.claim,
                    spec: starting.spec.clone(),
                    epoch: starting.epoch,
                };
                let host = starting.host;
                self.send_start_order(host, order);
            }
            Step::Stopping(stopping) => {
                stopping.again = again;
                let (dot, why) = match &stopping.why {
                    Stop::Unregister { dot, .. } | Stop::Ended { dot } => (Some(*dot), Halt::Unregistered),
                    Stop::Cancel { .. } => (None, Halt::Cancelled),
                };
                let (host, epoch) = (stopping.host, stopping.epoch);
                self.send_stop_order(host, StopOrder { name: name.clone(), dot, epoch, why });
            }
            Step::Pausing { .. } => {}
        }
    }

    /// A host says how far it is with a start.
    pub(crate) fn on_start_report(&mut self, host: Life, report: StartReport) {
        self.registry.witness(report.epoch);
        self.registry.unheard.started_again(&report.name, (host, report.epoch));
        let slot = self.ring.slot_of(&report.name);
        if !self.owns(slot) {
            return; // the host finds the new arbiter by itself
        }
        if self.is_gone(host) && !self.broken(Mutant::DeadHostsAdopted) {
            return; // it waited for a gate, and the host did not
        }
        if !self.is_settled(&report.name) {
            self.gates.stash(host, report, self.config.max_claims);
            return;
        }
        if self.quorum().is_err() {
            return; // it reports again, until we may decide
        }
        let ours = match self.desk.matters.get(&report.name).map(|matter| &matter.step) {
            Some(Step::Starting(starting)) => starting.host == host && starting.epoch == report.epoch,
            Some(Step::Stopping(stopping)) if stopping.host == host && stopping.epoch == report.epoch => {
                return;
            }
            Some(Step::Stopping(_) | Step::Pausing { .. }) => false,
            None => return self.adopt(host, report),
        };
        if report.progress == Progress::Ready && self.meets_copy(host, &report) {
            return;
        }
        if !ours {
            self.halt(host, report);
            return;
        }
        match report.progress {
            Progress::Starting | Progress::Ready => {}
            Progress::Running => self.record_start(&report.name),
            Progress::Failed(reason) => self.on_start_failed(&report.name, Some(reason)),
            Progress::Refused { newest } => {
                self.registry.witness(newest);
                self.on_start_failed(&report.name, None);
            }
        }
    }

    /// The host that we told to start it has a copy of it ready, by an epoch above our order: we order again.
    fn meets_copy(&mut self, host: Life, report: &StartReport) -> bool {
        let Some(Matter { step: Step::Starting(starting), .. }) = self.desk.matters.get(&report.name) else {
            return false;
        };
        if starting.host != host || starting.dot.is_none() || starting.dot != report.dot {
            return false;
        }
        if starting.epoch < report.epoch {
            let mut starting = starting.clone();
            starting.epoch = self.next_epoch();
            self.turn(&report.name, Step::Starting(starting));
        }
        true
    }

    /// A start that another arbiter ordered, before this one gained the slot: taken on as our own. It is recorded
    /// only once the host says by our own order that it runs: the report may be old, and its worker may have been
    /// stopped and its name removed meanwhile.
    fn adopt(&mut self, host: Life, report: StartReport) {
        if matches!(report.progress, Progress::Failed(_) | Progress::Refused { .. }) {
            return;
        }
        let StartReport { name, dot, claim, spec, epoch, .. } = report.clone();
        let is_removal = |entry: &Entry| !entry.is_live() && entry.name == name;
        let is_ended = |&dot: &Dot| self.registry.entry(dot).is_some_and(is_removal);
        if let Some(dot) = dot.filter(is_ended).filter(|_| self.runs_names_once()) {
            self.registry.unheard.note(&name, dot, (host, epoch));
            if self.broken(Mutant::UnheardForgotten) {
                self.stop_unheard(&name);
            }
            return;
        }
        let is_copy = report.progress == Progress::Ready;
        let wanted = match (self.registry.winner(&name), dot) {
            (None, None) => self.is_awaited(&name, claim) && !self.registry.has_ended(&name, Some(claim)),
            (Some(entry), _) if entry.holder() == Some(host) && entry.epoch == epoch => return, // it is recorded
            (Some(entry), Some(dot)) => {
                let runs = entry.holder().is_some_and(|life| life == self.me || self.may_run(life));
                entry.dot == dot && (entry.epoch < epoch || is_copy) && !runs
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !wanted && self.broken(Mutant::UnwantedStartsRunOn) {
            return self.halt(host, report);
        }
        if !wanted {
            return self.stop_unwanted(&name, host, epoch);
        }
        // A copy that was handed over has its state: it comes before whom the ring would choose.
        let epoch = if is_copy { self.next_epoch() } else { epoch };
        let deadline = self.now + self.config.start_timeout;
        let (again, tried) = (self.now, BTreeSet::new());
        let starting =
            Starting { host, epoch, dot, claim, spec, client: None, deadline, again, tried, failures: 0 };
        self.open(&name, Step::Starting(starting));
    }

    /// Whether its caller still waits here. One that does has sent its claim again, to us, since we became the arbiter; any
    /// other was told how it ended, or gave up.
    fn is_awaited(&self, name: &Name, claim: ClaimId) -> bool {
        if self.broken(Mutant::AnsweredStartsAdopted) {
            return true;
        }
        if claim.life == self.me { self.callers.awaits(claim) } else { self.desk.knows(name, claim) }
    }

    fn send_start_order(&mut self, host: Life, order: StartOrder) {
        if host == self.me {
            self.on_start_order(host, order);
        } else {
            self.send_to(host, order);
        }
    }

    /// The worker runs: writes it down, and tells who asked.
    fn record_start(&mut self, name: &Name) {
        let Some(Matter { step: Step::Starting(starting), .. }) = self.desk.matters.get(name) else {
            return;
        };
        let starting = starting.clone();
        let entry = match starting.dot {
            None if self.registry.has_ended(name, Some(starting.claim)) => None,
            None => {
                let (host, claim, spec) = (starting.host, starting.claim, starting.spec.clone());
                Some(self.new_entry(name, starting.epoch, Some(host), claim, spec))
            }
            Some(dot) => self.taken_over(dot, &starting),
        };
        let Some(entry) = entry else {
            // The registration ended, or went on elsewhere, while the host was starting it.
            let (host, epoch) = (starting.host, starting.epoch);
            if let Some(client) = starting.client {
                self.answer(client, Verdict::TooLate); // another arbiter granted it, and it was removed since
            }
            let why = Stop::Cancel { dot: None, tried: BTreeSet::new(), failures: 0 };
            self.turn(name, Step::Stopping(Stopping { host, epoch, why, again: self.now }));
            return;
        };
        match starting.client {
            Some(client) => self.grant(client, entry),
            None => {
                self.write(entry);
            }
        }
        self.close_matter(name);
    }

    fn taken_over(&mut self, dot: Dot, starting: &Starting) -> Option<Entry> {
        let standing =
            self.registry.entry(dot).filter(|entry| entry.is_live() && entry.epoch < starting.epoch)?;
        let from = standing.holder().unwrap_or(dot.life);
        let entry = standing.later(starting.epoch, Some(starting.host));
        let (from, to) = (self.table.node_of(from), self.table.node_of(starting.host));
        self.event(Event::Moved { name: entry.name.clone(), from, to, epoch: starting.epoch });
        Some(entry)
    }

    /// A start came to nothing: with a reason by the worker's own fault, without one by the host's.
    fn on_start_failed(&mut self, name: &Name, reason: Option<Reason>) {
        let Some(Matter { step: Step::Starting(starting), .. }) = self.desk.matters.get(name) else {
            return;
        };
        let mut starting = starting.clone();
        starting.tried.insert(starting.host);
        match (starting.client.clone(), reason) {
            (Some(client), Some(reason)) => {
                self.answer(client, Verdict::StartFailed(reason));
                self.close_matter(name);
            }
            (Some(client), None) => {
                // The host's view is another: the caller asks again, by then views are one.
                self.answer(client, Verdict::Stale);
                self.close_matter(name);
            }
            (None, reason) => {
                let Some(dot) = starting.dot else {
                    self.close_matter(name); // adopted, and its caller asks again
                    return;
                };
                let failures = starting.failures + u32::from(reason.is_some());
                self.pause_takeover(name, dot, starting.tried, failures);
            }
        }
    }

    /// The next attempt comes later, elsewhere if there is an elsewhere.
    pub(super) fn pause_takeover(&mut self, name: &Name, dot: Dot, tried: BTreeSet<Life>, failures: u32) {
        let jitter = self.random.next();
        let pause = self.config.restart_elsewhere.pause(failures, jitter);
        self.timers.set(self.now + pause, Timer::Takeover(name.clone()));
        self.disown(dot);
        self.turn(name, Step::Pausing { dot, tried, failures });
    }

    /// Callers gave up, or a start took too long.
    pub(crate) fn on_grant_deadline(&mut self, name: &Name) {
        self.drop_late(name);
        let Some(Matter { step: Step::Starting(starting), .. }) = self.desk.matters.get(name) else {
            return;
        };
        if starting.deadline > self.now || self.broken(Mutant::LateStartKept) {
            return;
        }
        let starting = starting.clone();
        let client = starting.client.clone();
        self.cancel_start(name, starting);
        if let Some(client) = client {
            self.answer(client, Verdict::TooLate);
        }
    }

    /// A host is down: what it was to start is started elsewhere, what it was to stop is stopped.
    pub(super) fn replace_host(&mut self, life: Life) {
        let concerned = self.desk.matters.iter().filter(|(_, matter)| match &matter.step {
            Step::Starting(starting) => starting.host == life,
            Step::Stopping(stopping) => stopping.host == life,
            Step::Pausing { .. } => false,
        });
        for name in concerned.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            match self.desk.matters.get(&name).map(|matter| matter.step.clone()) {
                Some(Step::Starting(starting)) => self.start_elsewhere(&name, starting),
                Some(Step::Stopping(_)) => self.on_stop_done(&name),
                Some(Step::Pausing { .. }) | None => {}
            }
        }
    }

    fn start_elsewhere(&mut self, name: &Name, mut starting: Starting) {
        starting.tried.insert(starting.host);
        match self.choose_host(name, &starting.spec, &starting.tried) {
            Some(host) => {
                starting.host = host;
                starting.epoch = self.next_epoch();
                self.turn(name, Step::Starting(starting));
            }
            None => match (starting.client, starting.dot) {
                (Some(client), _) => {
                    self.answer(client, Verdict::TooLate); // the host that went down may have started it
                    self.close_matter(name);
                }
                (None, Some(dot)) => self.pause_takeover(name, dot, starting.tried, starting.failures),
                (None, None) => self.close_matter(name),
            },
        }
    }

    /// Orders without an answer are sent again.
    pub(super) fn retry_orders(&mut self) {
        let now = self.now;
        let due = self.desk.matters.iter().filter(|(_, matter)| match &matter.step {
            Step::Starting(starting) => starting.again <= now,
            Step::Stopping(stopping) => stopping.again <= now,
            Step::Pausing { .. } => false,
        });
        for name in due.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.send_order(&name);
        }
    }
}
